//! Meters of expressions in a picture's lower left corner.

use image::RgbImage;
use lkg_bundle::manifest::Expression;

use super::hud::{GROUND, LIGHT};
use super::paint::{fill, panel};
use super::text;

/// Length of a meter, in sizes of its name's letters.
const LENGTH: u32 = 7;
/// Colour of a bar.
const BAR: [u8; 3] = [90, 176, 255];

/// Draws a meter for each of `expressions` with its value; all of it fades with `strength`, 1 to 0. The bar goes from the
/// value at rest to the one that is.
pub fn draw_meters(picture: &mut RgbImage, expressions: &[Expression], values: &[f32], strength: f32) {
    let rows = expressions.len().min(values.len()) as u32;
    if rows == 0 {
        return;
    }
    let size = text::readable(picture.width(), picture.height());
    let longest = expressions.iter().map(|e| text::width(&e.name, size)).max().unwrap_or(0);
    let (margin, line, length) = (size / 2, text::line(size), LENGTH * size);
    let (left, bottom) = (longest + 3 * margin, picture.height().saturating_sub(margin / 2));
    let top = bottom.saturating_sub(rows * line + margin);
    panel(picture, (margin / 2..left + length + margin, top..bottom), margin, GROUND.0, GROUND.1);
    for (i, (expression, value)) in expressions.iter().zip(values).enumerate() {
        let y = top + margin / 2 + i as u32 * line;
        text::draw_plain(picture, &expression.name, (margin as i32 * 3 / 2, y as i32), size, LIGHT);
        let [least, most] = expression.range;
        let at = |v: f32| {
            let share = ((v - least) / (most - least)).clamp(0.0, 1.0);
            left + (share * length as f32).round() as u32
        };
        let (rest, now) = (at(expression.rest), at(*value));
        let opacity = (strength.clamp(0.0, 1.0) * 256.0) as u32;
        let rows = y + line * 3 / 8..y + line * 3 / 4;
        fill(picture, (left..left + length, rows.clone()), [255; 3], 38);
        let thick = (size / 8).max(1);
        let mark = rest.min(left + length - thick);
        fill(picture, (mark..mark + thick, rows.start - thick..rows.end + thick), LIGHT, 205);
        fill(picture, (rest.min(now)..rest.max(now), rows), BAR, opacity);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::vision::testing::expressions;

    /// How many pixels are in the bars' colour.
    fn bars(values: &[f32]) -> usize {
        let mut named = expressions(&["mouth-open", "brows"]);
        (named[1].range, named[1].rest) = ([-1.0, 1.0], 0.0);
        let mut picture = RgbImage::new(320, 240);
        draw_meters(&mut picture, &named, values, 1.0);
        assert!((0..100).all(|y| picture.get_pixel(10, y).0 == [0; 3]), "beside the corner");
        picture.pixels().filter(|p| p.0 == BAR).count()
    }

    #[test]
    fn a_bar_goes_from_rest_to_what_is() {
        assert_eq!(bars(&[0.0, 0.0]), 0);
        let (half, whole) = (bars(&[0.5, 0.0]), bars(&[1.0, 0.0]));
        assert!(half > 100 && whole.abs_diff(2 * half) <= 10, "{half} {whole}");
        assert!(bars(&[0.0, -0.5]).abs_diff(bars(&[0.0, 0.5])) <= 10 && bars(&[0.0, -0.5]) > 50);
    }

    #[test]
    fn no_values_are_no_meters_and_small_pictures_do_no_harm() {
        let mut picture = RgbImage::from_pixel(32, 32, image::Rgb([9; 3]));
        draw_meters(&mut picture, &expressions(&["smile"]), &[], 1.0);
        assert!(picture.pixels().all(|p| p.0 == [9; 3]));
        draw_meters(&mut picture, &expressions(&["smile"; 20]), &[0.5; 20], 1.0);
        draw_meters(&mut RgbImage::new(2, 3), &expressions(&["smile"]), &[f32::NAN], 1.0);
    }
}
