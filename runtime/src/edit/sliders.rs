//! The panel of sliders beside the window editor's picture, one for each expression.

use image::{Rgb, RgbImage};
use lkg_bundle::manifest::Expression;

use crate::vision::text;

/// Width of the panel, in pixels.
pub(super) const PANEL: u32 = 220;
/// Height of a slider with its name, in pixels.
const ROW: u32 = 44;
/// Room at the panel's sides, in pixels.
const MARGIN: u32 = 14;
/// Size of letters, in pixels.
const LETTERS: u32 = 15;
/// From a row's upper edge to its track, in pixels.
const TRACK: u32 = 26;
/// Steps of a value, in shares of 1.
const STEP: f32 = 0.05;

/// Sliders of some expressions.
pub(super) struct Sliders {
    expressions: Vec<Expression>,
    /// The one that keys move.
    pub chosen: usize,
    /// The one that the mouse holds, and its value.
    pub held: Option<(usize, f32)>,
}

impl Sliders {
    /// For `expressions`; without any there is no panel.
    pub fn new(expressions: Vec<Expression>) -> Self {
        Self { expressions, chosen: 0, held: None }
    }

    /// Width of the panel, in pixels.
    pub fn width(&self) -> u32 {
        if self.expressions.is_empty() { 0 } else { PANEL }
    }

    /// The name of one.
    pub fn name(&self, i: usize) -> Option<&str> {
        self.expressions.get(i).map(|e| e.name.as_str())
    }

    /// The next one that keys move.
    pub fn next(&mut self) {
        self.chosen = (self.chosen + 1) % self.expressions.len().max(1);
    }

    /// A value of one moved by `by` of its range, held to it.
    pub fn stepped(&self, i: usize, value: f32, by: f32) -> Option<f32> {
        let [least, most] = self.expressions.get(i)?.range;
        let value = value + by * (most - least);
        Some(((value / STEP).round() * STEP).clamp(least, most))
    }

    /// The slider at a point of the panel, in pixels from its upper left corner.
    pub fn at(&self, x: f32, y: f32) -> Option<usize> {
        let i = (y >= 0.0 && (0.0..PANEL as f32).contains(&x)).then_some((y / ROW as f32) as usize)?;
        (i < self.expressions.len()).then_some(i)
    }

    /// The value of slider `i` where its handle is at `x`.
    pub fn value(&self, i: usize, x: f32) -> Option<f32> {
        let [least, most] = self.expressions.get(i)?.range;
        let share = ((x - MARGIN as f32) / (PANEL - 2 * MARGIN) as f32).clamp(0.0, 1.0);
        Some((((least + share * (most - least)) / STEP).round() * STEP).clamp(least, most))
    }

    /// Draws the panel with `values` at `left` of the canvas.
    pub fn draw(&self, canvas: &mut RgbImage, left: u32, values: &[f32]) {
        for (i, (expression, value)) in self.expressions.iter().zip(values).enumerate() {
            let value = self.held.filter(|(held, _)| *held == i).map_or(*value, |(_, v)| v);
            let top = i as u32 * ROW;
            let colour = if i == self.chosen { [255, 214, 90] } else { [235, 240, 245] };
            let line = format!("{} {value:.2}", expression.name);
            text::draw_plain(canvas, &line, ((left + MARGIN) as i32, (top + 4) as i32), LETTERS, colour);
            let [least, most] = expression.range;
            let length = PANEL - 2 * MARGIN;
            let share = ((value - least) / (most - least)).clamp(0.0, 1.0);
            let handle = left + MARGIN + (share * length as f32) as u32;
            fill(canvas, [left + MARGIN, top + TRACK + 4, length, 4], [90, 96, 104]);
            fill(canvas, [left + MARGIN, top + TRACK + 4, handle - left - MARGIN, 4], [90, 176, 255]);
            fill(canvas, [handle.saturating_sub(4), top + TRACK, 8, 12], colour);
        }
    }
}

/// A rectangle: left, top, width, height.
fn fill(canvas: &mut RgbImage, [left, top, width, height]: [u32; 4], colour: [u8; 3]) {
    for y in top..(top + height).min(canvas.height()) {
        for x in left..(left + width).min(canvas.width()) {
            canvas.put_pixel(x, y, Rgb(colour));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::vision::testing::expressions;

    #[test]
    fn a_slider_goes_over_its_range_in_steps() {
        let mut named = expressions(&["smile", "brows"]);
        named[1].range = [-1.0, 1.0];
        let mut sliders = Sliders::new(named);
        let y = ROW as f32 * 1.5;
        assert_eq!(
            (sliders.at(30.0, y), sliders.at(30.0, 200.0), sliders.at(-1.0, y)),
            (Some(1), None, None)
        );
        assert_eq!((sliders.value(1, 0.0), sliders.value(1, PANEL as f32)), (Some(-1.0), Some(1.0)));
        assert!(sliders.value(1, PANEL as f32 / 2.0).unwrap().abs() < 1e-6);
        assert_eq!((sliders.stepped(0, 0.97, 0.1), sliders.stepped(0, 0.5, -0.1)), (Some(1.0), Some(0.4)));
        sliders.next();
        sliders.next();
        assert_eq!((sliders.chosen, sliders.value(2, 0.0)), (0, None));
        let mut canvas = RgbImage::new(640 + PANEL, 100);
        sliders.draw(&mut canvas, 640, &[0.5, 0.0]);
        assert!((0..100).all(|y| (0..640).all(|x| canvas.get_pixel(x, y).0 == [0; 3])));
        assert_eq!(canvas.get_pixel(640 + PANEL / 2, TRACK + 6).0, [255, 214, 90]);
        assert_eq!(Sliders::new(Vec::new()).width(), 0);
    }
}
