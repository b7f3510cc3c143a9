//! Keypoints as a figure: lines between them, dots, and names where they cover neither each other nor dots.

use image::RgbImage;
use plotters::prelude::*;

use super::marks::{disc, line};
use super::{FONT, colour, fail, paint};
use crate::error::Result;

/// A name's distance from its point, in heights of the text.
const REACHES: [f32; 4] = [0.9, 1.6, 2.6, 3.8];

/// Draws lines between the points that `skeleton` joins and a dot of `radius` pixels at each.
pub fn figure(
    picture: &mut RgbImage,
    points: &[(f32, f32)],
    colours: &[[u8; 3]],
    skeleton: &[[usize; 2]],
    radius: f32,
) {
    let of = |j: usize| colours[j % colours.len().max(1)];
    if colours.is_empty() {
        return;
    }
    for [a, b] in skeleton {
        if let (Some(from), Some(to)) = (points.get(*a), points.get(*b)) {
            let (c, d) = (of(*a), of(*b));
            let mixed = [0, 1, 2].map(|i| ((u16::from(c[i]) + u16::from(d[i])) / 2) as u8);
            line(picture, *from, *to, radius * 0.45 + 0.8, [0; 3], 0.45);
            line(picture, *from, *to, radius * 0.3, mixed, 0.9);
        }
    }
    for (j, at) in points.iter().enumerate() {
        disc(picture, *at, radius, of(j));
    }
}

/// Writes each name beside its point, `size` pixels high, with a line to the point where it had to go far.
///
/// # Errors
/// [`crate::Error::Plot`].
pub fn names(
    picture: &mut RgbImage,
    named: &[(&str, (f32, f32))],
    colours: &[[u8; 3]],
    size: i32,
) -> Result<()> {
    let (width, height) = (picture.width() as f32, picture.height() as f32);
    let count = named.len().max(1) as f32;
    let middle =
        (named.iter().map(|n| n.1.0).sum::<f32>() / count, named.iter().map(|n| n.1.1).sum::<f32>() / count);
    let mut places: Vec<[f32; 4]> = vec![];
    paint(picture, |area| {
        let style = (FONT, size).into_font().color(&BLACK);
        for (text, at) in named {
            let (w, h) = area.estimate_text_size(text, &style).map_err(fail)?;
            let box_size = (w as f32 + 6.0, h as f32 + 4.0);
            let candidates = around(*at, middle, box_size, size as f32);
            let cost = |b: &[f32; 4]| {
                let outside =
                    (-b[0]).max(0.0) + (-b[1]).max(0.0) + (b[2] - width).max(0.0) + (b[3] - height).max(0.0);
                let covered: f32 = places.iter().map(|p| overlap(b, p)).sum();
                let dots: f32 = named.iter().map(|n| overlap(b, &square(n.1, size as f32 * 0.4))).sum();
                1000.0 * outside + covered + dots
            };
            // Of equals the first, which is the nearest.
            let best = candidates.into_iter().min_by(|a, b| cost(a).total_cmp(&cost(b)));
            places.extend(best);
        }
        for (j, ((text, at), b)) in named.iter().zip(&places).enumerate() {
            let ink = colour(colours[j % colours.len().max(1)]);
            let near = (at.0.clamp(b[0], b[2]), at.1.clamp(b[1], b[3]));
            let ends = vec![(at.0 as i32, at.1 as i32), (near.0 as i32, near.1 as i32)];
            area.draw(&PathElement::new(ends, ink.stroke_width(1))).map_err(fail)?;
            let corners = [(b[0] as i32, b[1] as i32), (b[2] as i32, b[3] as i32)];
            area.draw(&Rectangle::new(corners, WHITE.mix(0.85).filled())).map_err(fail)?;
            area.draw(&Rectangle::new(corners, ink.stroke_width(1))).map_err(fail)?;
            area.draw_text(text, &style, (b[0] as i32 + 3, b[1] as i32 + 2)).map_err(fail)?;
        }
        Ok(())
    })
}

/// Boxes round a point, near ones first, those that look away from the middle before others.
fn around(at: (f32, f32), middle: (f32, f32), (w, h): (f32, f32), size: f32) -> Vec<[f32; 4]> {
    let away = (at.1 - middle.1).atan2(at.0 - middle.0);
    let turns = [0.0f32, 0.5, -0.5, 1.0, -1.0, 1.6, -1.6, 2.3, -2.3, 3.1];
    let mut boxes = vec![];
    for reach in REACHES {
        for turn in turns {
            let (sin, cos) = (away + turn).sin_cos();
            let centre = (at.0 + cos * (reach * size + w / 2.0), at.1 + sin * (reach * size + h / 2.0));
            boxes.push([centre.0 - w / 2.0, centre.1 - h / 2.0, centre.0 + w / 2.0, centre.1 + h / 2.0]);
        }
    }
    boxes
}

fn square((x, y): (f32, f32), reach: f32) -> [f32; 4] {
    [x - reach, y - reach, x + reach, y + reach]
}

/// The area that two boxes have in common.
fn overlap(a: &[f32; 4], b: &[f32; 4]) -> f32 {
    let side = |i: usize| (a[i + 2].min(b[i + 2]) - a[i].max(b[i])).max(0.0);
    side(0) * side(1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plot::blank;

    #[test]
    fn lines_run_between_joined_points_only() {
        let mut p = blank(100, 100);
        figure(&mut p, &[(10.0, 10.0), (90.0, 10.0), (50.0, 90.0)], &[[255, 0, 0]], &[[0, 1], [0, 7]], 4.0);
        assert_eq!(p.get_pixel(10, 10).0, [255, 0, 0]);
        assert_eq!(p.get_pixel(50, 90).0, [255, 0, 0]);
        assert_ne!(p.get_pixel(50, 10).0, [255; 3]);
        assert_eq!(p.get_pixel(30, 50).0, [255; 3]);
    }

    #[test]
    fn crowded_names_cover_neither_each_other_nor_other_dots() {
        let mut p = blank(400, 400);
        let points = [(200.0, 200.0), (206.0, 203.0), (195.0, 210.0), (210.0, 190.0), (399.0, 1.0)];
        let named: Vec<(&str, (f32, f32))> = points.iter().map(|at| ("a-long-name", *at)).collect();
        names(&mut p, &named, &[[200, 0, 0]], 14).unwrap();
        // Each name has a whole frame: four rows of its colour as long as the name is wide.
        let long_rows = (0..400u32)
            .filter(|y| {
                let mut longest = 0;
                let mut run = 0;
                for x in 0..400 {
                    run = if p.get_pixel(x, *y).0 == [200, 0, 0] { run + 1 } else { 0 };
                    longest = longest.max(run);
                }
                longest > 60
            })
            .count();
        assert!(long_rows >= 8, "{long_rows}");
    }
}
