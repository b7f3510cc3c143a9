use std::fmt::Write;

use image::{Rgb, RgbImage};

use crate::vision::text;

/// Width of a letter of the smallest size, in pixels.
const ADVANCE: u32 = 6;

/// Red, green, blue.
pub type Colour = [u8; 3];

/// Something drawn. Lengths are pixels of the picture and units of the page.
#[derive(Clone, Debug, PartialEq)]
pub enum Shape {
    /// A filled rectangle: left, top, width, height.
    Bar([f32; 4], Colour),
    /// Text: left, top of its capitals, how many times the size of the smallest, content.
    Text([f32; 2], u32, Colour, String),
}

/// A drawing on white.
#[derive(Clone, Debug)]
pub struct Scene {
    /// Pixels.
    pub width: u32,
    /// Pixels.
    pub height: u32,
    /// Drawn in this order.
    pub shapes: Vec<Shape>,
}

/// Text that may stand in HTML.
pub fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

impl Scene {
    /// Adds a bar.
    pub fn bar(&mut self, [x, y, width, height]: [f32; 4], colour: Colour) {
        self.shapes.push(Shape::Bar([x, y, width, height], colour));
    }

    /// Adds a line of text.
    pub fn text(&mut self, at: [f32; 2], size: u32, colour: Colour, content: impl Into<String>) {
        self.shapes.push(Shape::Text(at, size, colour, content.into()));
    }

    /// The drawing as an SVG element.
    pub fn to_svg(&self) -> String {
        let mut svg = format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {} {}\" font-family=\"sans-serif\">\n",
            self.width, self.height
        );
        let hex = |[r, g, b]: Colour| format!("#{r:02x}{g:02x}{b:02x}");
        for shape in &self.shapes {
            // Writing to a string cannot fail.
            match shape {
                Shape::Bar([x, y, w, h], colour) => writeln!(
                    svg,
                    "<rect x=\"{x:.1}\" y=\"{y:.1}\" width=\"{w:.1}\" height=\"{h:.1}\" fill=\"{}\"/>",
                    hex(*colour)
                ),
                Shape::Text([x, y], size, colour, content) => {
                    // As wide as the reader's font is: what has columns is a table of the page, not of the drawing.
                    let (height, base) = (if *size == 1 { 12 } else { 10 * size }, y + 8.0 * *size as f32);
                    writeln!(
                        svg,
                        "<text x=\"{x:.1}\" y=\"{base:.1}\" font-size=\"{height}\" fill=\"{}\">{}</text>",
                        hex(*colour),
                        escape(content)
                    )
                }
            }
            .ok();
        }
        svg + "</svg>"
    }

    /// The drawing as a picture.
    pub fn to_picture(&self) -> RgbImage {
        let mut picture = RgbImage::from_pixel(self.width, self.height, Rgb([255; 3]));
        for shape in &self.shapes {
            match shape {
                Shape::Bar([x, y, w, h], colour) => {
                    let end =
                        |from: f32, length: f32, limit: u32| ((from + length).round() as u32).min(limit);
                    // What is there at all is at least a line.
                    let (left, top) = (x.round() as u32, y.round() as u32);
                    for py in top..end(*y, h.max(1.0), self.height) {
                        for px in left..end(*x, w.max(1.0), self.width) {
                            picture.put_pixel(px, py, Rgb(*colour));
                        }
                    }
                }
                Shape::Text([x, y], size, colour, content) => {
                    write_columns(&mut picture, content, [*x, *y], *size, *colour);
                }
            }
        }
        picture
    }
}

/// Writes words where letters of one width would put them, so that columns stand below each other.
fn write_columns(picture: &mut RgbImage, content: &str, [x, y]: [f32; 2], size: u32, colour: Colour) {
    let letters = 10 * size;
    let top = text::centred(y + 3.5 * size as f32, letters);
    let mut rest = content;
    while let Some(start) = rest.find(|c: char| c != ' ') {
        let skipped = content.len() - rest.len() + start;
        let word = &rest[start..];
        let end = word.find("  ").unwrap_or(word.len());
        let column = content[..skipped].chars().count() as u32 * ADVANCE * size;
        text::draw_plain(picture, &word[..end], ((x + column as f32) as i32, top), letters, colour);
        rest = &word[end..];
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn page_and_picture_show_the_same() {
        let mut scene = Scene { width: 60, height: 30, shapes: Vec::new() };
        scene.bar([10.0, 5.0, 20.0, 10.0], [200, 0, 0]);
        scene.bar([40.0, 5.0, 0.2, 10.0], [0, 0, 200]);
        scene.text([2.0, 20.0], 1, [0, 0, 0], "a<b");
        let picture = scene.to_picture();
        let count = |colour: Colour| picture.pixels().filter(|p| p.0 == colour).count();
        assert_eq!((count([200, 0, 0]), count([0, 0, 200])), (200, 10));
        assert!(picture.pixels().filter(|p| p.0[0] < 100).count() > 10);
        let svg = scene.to_svg();
        assert!(svg.contains("width=\"20.0\"") && svg.contains("a&lt;b") && svg.ends_with("</svg>"));
    }
}
