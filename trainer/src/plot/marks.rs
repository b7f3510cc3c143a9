//! Marks on pictures. Positions are pixels from the upper left corner.

use image::{Rgb, RgbImage};
use plotters::prelude::*;

use super::{FONT, blank, colour, fail, paint};
use crate::error::Result;

/// Text with a white ground.
///
/// # Errors
/// [`crate::Error::Plot`].
pub fn label(picture: &mut RgbImage, text: &str, (x, y): (i32, i32), size: i32) -> Result<()> {
    paint(picture, |area| {
        let style = (FONT, size).into_font().color(&BLACK);
        let (width, height) = area.estimate_text_size(text, &style).map_err(fail)?;
        let corners = [(x, y), (x + width as i32 + 6, y + height as i32 + 4)];
        area.draw(&Rectangle::new(corners, WHITE.filled())).map_err(fail)?;
        area.draw_text(text, &style, (x + 3, y + 2)).map_err(fail)
    })
}

/// `picture` below lines of text.
///
/// # Errors
/// [`crate::Error::Plot`].
pub fn caption(picture: &RgbImage, lines: &[&str]) -> Result<RgbImage> {
    const LINE: u32 = 22;
    let top = LINE * lines.len() as u32 + 8;
    let mut all = blank(picture.width(), picture.height() + top);
    image::imageops::replace(&mut all, picture, 0, i64::from(top));
    paint(&mut all, |area| {
        for (i, line) in lines.iter().enumerate() {
            let style = (FONT, 15).into_font().color(&BLACK);
            area.draw_text(line, &style, (6, 5 + i as i32 * LINE as i32)).map_err(fail)?;
        }
        Ok(())
    })?;
    Ok(all)
}

/// `picture` enlarged by a whole number, smoothly.
pub fn magnify(picture: &RgbImage, factor: u32) -> RgbImage {
    let (w, h) = picture.dimensions();
    image::imageops::resize(picture, w * factor, h * factor, image::imageops::FilterType::Triangle)
}

/// A disc with a dark rim.
pub fn disc(picture: &mut RgbImage, (cx, cy): (f32, f32), radius: f32, fill: [u8; 3]) {
    each_near(picture, (cx, cy), radius + 1.0, |distance, pixel| {
        if distance <= radius {
            *pixel = Rgb(fill);
        } else if distance <= radius + 1.0 {
            *pixel = Rgb([0, 0, 0]);
        }
    });
}

/// A circle's line.
pub fn ring(picture: &mut RgbImage, (cx, cy): (f32, f32), radius: f32, line: [u8; 3]) {
    each_near(picture, (cx, cy), radius + 2.0, |distance, pixel| {
        if (distance - radius).abs() <= 1.0 {
            *pixel = Rgb(line);
        } else if (distance - radius).abs() <= 2.0 {
            *pixel = Rgb([0, 0, 0]);
        }
    });
}

/// A line `2 radius` pixels wide with soft edges, `opacity` 0 to 1.
pub fn line(picture: &mut RgbImage, a: (f32, f32), b: (f32, f32), radius: f32, ink: [u8; 3], opacity: f32) {
    let (width, height) = (picture.width() as f32, picture.height() as f32);
    let span = |p: f32, q: f32, most: f32| {
        let reach = radius + 1.0;
        ((p.min(q) - reach).clamp(0.0, most) as u32, (p.max(q) + reach).clamp(0.0, most).ceil() as u32)
    };
    let ((x0, x1), (y0, y1)) = (span(a.0, b.0, width), span(a.1, b.1, height));
    let (dx, dy) = (b.0 - a.0, b.1 - a.1);
    let squared = (dx * dx + dy * dy).max(1e-6);
    for y in y0..y1 {
        for x in x0..x1 {
            let (px, py) = (x as f32 + 0.5 - a.0, y as f32 + 0.5 - a.1);
            let along = ((px * dx + py * dy) / squared).clamp(0.0, 1.0);
            let distance = (px - along * dx).hypot(py - along * dy);
            let amount = (radius - distance + 0.5).clamp(0.0, 1.0) * opacity;
            for (old, new) in picture.get_pixel_mut(x, y).0.iter_mut().zip(ink) {
                *old = (f32::from(*old) + (f32::from(new) - f32::from(*old)) * amount).round() as u8;
            }
        }
    }
}

/// A line of dashes 7 pixels long.
pub fn dashed(picture: &mut RgbImage, a: (f32, f32), b: (f32, f32), radius: f32, ink: [u8; 3], opacity: f32) {
    const DASH: f32 = 7.0;
    let length = (b.0 - a.0).hypot(b.1 - a.1);
    let at = |way: f32| {
        let t = (way / length.max(1e-6)).min(1.0);
        (a.0 + t * (b.0 - a.0), a.1 + t * (b.1 - a.1))
    };
    let dashes = (length / (2.0 * DASH)).ceil() as u32;
    for i in 0..dashes {
        let start = i as f32 * 2.0 * DASH;
        line(picture, at(start), at(start + DASH), radius, ink, opacity);
    }
}

fn each_near(
    picture: &mut RgbImage,
    (cx, cy): (f32, f32),
    reach: f32,
    mut change: impl FnMut(f32, &mut Rgb<u8>),
) {
    let (width, height) = (picture.width() as f32, picture.height() as f32);
    let span =
        |c: f32, most: f32| ((c - reach).clamp(0.0, most) as u32, (c + reach).clamp(0.0, most).ceil() as u32);
    let ((x0, x1), (y0, y1)) = (span(cx, width), span(cy, height));
    for y in y0..y1 {
        for x in x0..x1 {
            let distance = (x as f32 + 0.5 - cx).hypot(y as f32 + 0.5 - cy);
            change(distance, picture.get_pixel_mut(x, y));
        }
    }
}

/// An arrow.
///
/// # Errors
/// [`crate::Error::Plot`].
pub fn arrow(picture: &mut RgbImage, from: (f32, f32), to: (f32, f32), line: [u8; 3]) -> Result<()> {
    let (dx, dy) = (to.0 - from.0, to.1 - from.1);
    let length = dx.hypot(dy).max(1e-3);
    let (ux, uy) = (dx / length, dy / length);
    let head = 7.0f32.min(length * 0.5);
    let wing = |side: f32| point(to.0 - head * (ux - side * uy), to.1 - head * (uy + side * ux));
    let (a, b) = (point(from.0, from.1), point(to.0, to.1));
    paint(picture, |area| {
        for (width, ink) in [(5, BLACK), (2, colour(line))] {
            let stroke = ink.stroke_width(width);
            for path in [vec![a, b], vec![wing(0.7), b, wing(-0.7)]] {
                area.draw(&PathElement::new(path, stroke)).map_err(fail)?;
            }
        }
        Ok(())
    })
}

/// The ellipse of points one standard deviation away: `covariance` is `[xx, xy, yy]` in pixels squared.
///
/// # Errors
/// [`crate::Error::Plot`].
pub fn ellipse(
    picture: &mut RgbImage,
    (cx, cy): (f32, f32),
    [xx, xy, yy]: [f32; 3],
    line: [u8; 3],
) -> Result<()> {
    let (mean, half) = ((xx + yy) / 2.0, ((xx - yy) / 2.0).hypot(xy));
    let (long, short) = ((mean + half).max(0.0).sqrt(), (mean - half).max(0.0).sqrt());
    let (sin, cos) = (0.5 * (2.0 * xy).atan2(xx - yy)).sin_cos();
    let path: Vec<(i32, i32)> = (0..=72)
        .map(|i| {
            let (s, c) = (i as f32 / 72.0 * std::f32::consts::TAU).sin_cos();
            let (u, v) = (long * c, short * s);
            point(cx + cos * u - sin * v, cy + sin * u + cos * v)
        })
        .collect();
    paint(picture, |area| {
        for (width, ink) in [(4, BLACK), (2, colour(line))] {
            area.draw(&PathElement::new(path.clone(), ink.stroke_width(width))).map_err(fail)?;
        }
        Ok(())
    })
}

fn point(x: f32, y: f32) -> (i32, i32) {
    (x.round() as i32, y.round() as i32)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn marks_are_where_they_are_said_to_be_and_may_lie_outside() {
        let mut p = blank(60, 40);
        disc(&mut p, (20.0, 10.0), 4.0, [9, 8, 7]);
        assert_eq!(p.get_pixel(20, 10).0, [9, 8, 7]);
        disc(&mut p, (-50.0, 900.0), 4.0, [1, 1, 1]);
        ring(&mut p, (59.0, 39.0), 6.0, [1, 2, 3]);
        // Wide in x: the rightmost point lies on the line, the topmost of a circle does not.
        ellipse(&mut p, (30.0, 20.0), [400.0, 0.0, 4.0], [5, 6, 7]).unwrap();
        assert_eq!(p.get_pixel(50, 20).0, [5, 6, 7]);
        assert_eq!(p.get_pixel(30, 5).0, [255; 3]);
        arrow(&mut p, (5.0, 30.0), (40.0, 30.0), [200, 0, 0]).unwrap();
        assert_eq!(p.get_pixel(20, 30).0, [200, 0, 0]);
        line(&mut p, (2.0, 36.0), (50.0, 36.0), 1.5, [10, 20, 30], 1.0);
        assert_eq!((p.get_pixel(25, 35).0, p.get_pixel(25, 39).0), ([10, 20, 30], [255; 3]));
        line(&mut p, (-90.0, 5.0), (-60.0, 900.0), 1.5, [1; 3], 1.0);
        let mut q = blank(40, 10);
        dashed(&mut q, (0.0, 5.0), (40.0, 5.0), 1.0, [0; 3], 1.0);
        assert_eq!([3, 11, 17].map(|x| q.get_pixel(x, 4).0[0] < 128), [true, false, true]);
        let captioned = caption(&p, &["one", "two"]).unwrap();
        assert_eq!(captioned.dimensions(), (60, 40 + 52));
        assert_eq!(captioned.get_pixel(20, 10 + 52).0, [9, 8, 7]);
        label(&mut p, "x", (0, 0), 12).unwrap();
        assert!(p.enumerate_pixels().any(|(x, y, c)| x < 12 && y < 16 && c.0[0] < 128));
    }
}
