//! Text in pictures: Noto Sans, anti-aliased. Every glyph is rasterised once for a thread and size and kept, so that text
//! that is written again does not allocate.

use std::borrow::Cow;
use std::cell::RefCell;
use std::collections::HashMap;

use ab_glyph::{Font, FontRef, Glyph as Outline, PxScale, point};
use image::RgbImage;

use super::paint::{mix, row};

/// Most that is kept of glyphs, in bytes; then they are rasterised anew.
const MOST_KEPT: usize = 8 << 20;
/// Places between two pixels that small letters begin at, so that they are evenly spaced.
const STEPS: i32 = 4;
/// Size, in pixels, from which letters begin at whole pixels.
const LARGE: u32 = 30;
/// Height of a line, and where in it letters stand, in shares of the size.
const LINE: f32 = 1.35;
const BASELINE: f32 = 1.04;
/// Height of capitals, in shares of the size.
const CAPITAL: f32 = 0.714;
/// Opacity of the dark rim round letters, of 256.
const RIM: u32 = 190;

/// A letter of one size, as coverages of 255.
struct Glyph {
    /// Of the upper left corner, from where the letter begins on its line, in pixels.
    left: i32,
    top: i32,
    width: u32,
    letter: Vec<u8>,
    rim: Vec<u8>,
}

/// What a glyph is kept by: size, character, place between two pixels.
type Key = (u32, char, i32);

struct Letters {
    /// None if it does not parse: nothing is written then. That it does is tested.
    font: Option<FontRef<'static>>,
    glyphs: HashMap<Key, Glyph>,
    advances: HashMap<char, f32>,
    /// Sizes of which all that numbers are made of is kept.
    prepared: Vec<u32>,
    bytes: usize,
}

thread_local! {
    static LETTERS: RefCell<Letters> = RefCell::new(Letters {
        font: FontRef::try_from_slice(notosans::REGULAR_TTF).ok(),
        glyphs: HashMap::new(),
        advances: HashMap::new(),
        prepared: Vec::new(),
        bytes: 0,
    });
}

/// Width of `text` whose capitals, with what hangs below a line, are about `size` pixels high; in pixels.
pub fn width(text: &str, size: u32) -> u32 {
    LETTERS.with_borrow_mut(|letters| {
        let sum: f32 = text.chars().map(|c| letters.advance(c)).sum();
        (sum * size as f32).ceil() as u32
    })
}

/// Rasterises everything that text of a size may come to, once: for text that changes from picture to picture.
pub fn prepare(size: u32) {
    LETTERS.with_borrow_mut(|letters| {
        if letters.prepared.contains(&size) {
            return;
        }
        let steps = steps(size);
        for character in (' '..='~').chain(['·']) {
            letters.advance(character);
            for step in 0..steps {
                letters.glyph((size, character, step), steps);
            }
        }
        letters.prepared.push(size);
    });
}

/// Places between two pixels that letters of a size begin at.
fn steps(size: u32) -> i32 {
    if size < LARGE { STEPS } else { 1 }
}

/// Height of a line of text of a size, in pixels.
pub fn line(size: u32) -> u32 {
    (size as f32 * LINE).round() as u32
}

/// The size of text that is read well on a picture of this size, in pixels.
pub fn readable(width: u32, height: u32) -> u32 {
    (width.min(height) as f32 / 36.0).round().clamp(11.0, 60.0) as u32
}

/// `text`, its middle left out where it is wider than `most` pixels.
pub fn shortened(text: &str, size: u32, most: u32) -> Cow<'_, str> {
    if width(text, size) <= most {
        return Cow::Borrowed(text);
    }
    let characters: Vec<char> = text.chars().collect();
    let fits = |kept: &usize| {
        let (head, tail) = (kept / 3, kept - kept / 3);
        let (head, tail) = (characters.iter().take(head), characters.iter().skip(characters.len() - tail));
        let short: String = head.chain(&['…']).chain(tail).collect();
        (width(&short, size) <= most).then_some(short)
    };
    let shorter = (0..characters.len()).rev().find_map(|kept| fits(&kept));
    Cow::Owned(shorter.unwrap_or_default())
}

/// Writes `text` with its line's upper left corner at (`x`, `y`), in pixels; what lies outside the picture is cut off.
/// A dark rim keeps it readable on any ground. A box stands for a character that the font has not.
pub fn draw(picture: &mut RgbImage, text: &str, corner: (i32, i32), size: u32, colour: [u8; 3]) {
    LETTERS.with_borrow_mut(|letters| {
        // All rims first: none lies over a letter.
        letters.each(text, corner, size, |glyph, at| put(picture, glyph, &glyph.rim, at, [0; 3], RIM));
        letters.each(text, corner, size, |glyph, at| put(picture, glyph, &glyph.letter, at, colour, 256));
    });
}

/// The same without the rim, for a ground that is plain.
pub fn draw_plain(picture: &mut RgbImage, text: &str, corner: (i32, i32), size: u32, colour: [u8; 3]) {
    LETTERS.with_borrow_mut(|letters| {
        letters.each(text, corner, size, |glyph, at| put(picture, glyph, &glyph.letter, at, colour, 256));
    });
}

/// The upper edge of a line whose capitals are to have their middle at `y`.
pub fn centred(y: f32, size: u32) -> i32 {
    (y - (BASELINE - CAPITAL / 2.0) * size as f32).round() as i32
}

impl Letters {
    /// How far the next letter is, in shares of the size.
    fn advance(&mut self, character: char) -> f32 {
        if character.is_control() {
            return 0.0;
        }
        let Some(font) = &self.font else { return 0.0 };
        let per_em = font.units_per_em().unwrap_or(1000.0);
        let advance = || font.h_advance_unscaled(font.glyph_id(character)) / per_em;
        *self.advances.entry(character).or_insert_with(advance)
    }

    /// Does something with each glyph and the point, in pixels, that it begins at.
    fn each(&mut self, text: &str, (x, y): (i32, i32), size: u32, mut act: impl FnMut(&Glyph, (i32, i32))) {
        let baseline = y + (BASELINE * size as f32).round() as i32;
        let steps = steps(size);
        let mut pen = 0.0;
        for character in text.chars().filter(|c| !c.is_control()) {
            let at = (pen * steps as f32).round() as i32;
            if let Some(glyph) = self.glyph((size, character, at.rem_euclid(steps)), steps) {
                act(glyph, (x + at.div_euclid(steps), baseline));
            }
            pen += self.advance(character) * size as f32;
        }
    }

    fn glyph(&mut self, key: Key, steps: i32) -> Option<&Glyph> {
        if !self.glyphs.contains_key(&key) {
            let glyph = rasterised(self.font.as_ref()?, key, steps);
            if self.bytes > MOST_KEPT {
                self.glyphs.clear();
                self.prepared.clear();
                self.bytes = 0;
            }
            self.bytes += 2 * glyph.letter.len();
            self.glyphs.insert(key, glyph);
        }
        self.glyphs.get(&key)
    }
}

fn rasterised(font: &FontRef<'_>, (size, character, step): Key, steps: i32) -> Glyph {
    let per_em = font.units_per_em().unwrap_or(1000.0);
    let scale = PxScale::from(size as f32 * font.height_unscaled() / per_em);
    let begin = point(step as f32 / steps as f32, 0.0);
    let outline = Outline { id: font.glyph_id(character), scale, position: begin };
    let radius = (size as f32 / 14.0).max(1.0);
    let reach = radius.ceil() as i32;
    let Some(outlined) = font.outline_glyph(outline) else {
        return Glyph { left: 0, top: 0, width: 0, letter: Vec::new(), rim: Vec::new() };
    };
    let bounds = outlined.px_bounds();
    let (width, height) =
        (bounds.width().ceil() as i32 + 2 * reach, bounds.height().ceil() as i32 + 2 * reach);
    let mut letter = vec![0u8; (width * height) as usize];
    outlined.draw(|x, y, coverage| {
        let at = (y as i32 + reach) * width + x as i32 + reach;
        if let Some(pixel) = letter.get_mut(at as usize) {
            *pixel = (coverage.clamp(0.0, 1.0) * 255.0).round() as u8;
        }
    });
    let mut rim = vec![0u8; letter.len()];
    for (i, wide) in rim.iter_mut().enumerate() {
        let (x, y) = (i as i32 % width, i as i32 / width);
        for dy in -reach..=reach {
            for dx in -reach..=reach {
                let near = (radius + 0.7 - ((dx * dx + dy * dy) as f32).sqrt()).clamp(0.0, 1.0);
                let inside = (0..width).contains(&(x + dx)) && (0..height).contains(&(y + dy));
                if inside && near > 0.0 {
                    let from = letter[((y + dy) * width + x + dx) as usize];
                    *wide = (*wide).max((f32::from(from) * near) as u8);
                }
            }
        }
    }
    let (left, top) = (bounds.min.x.floor() as i32 - reach, bounds.min.y.floor() as i32 - reach);
    Glyph { left, top, width: width as u32, letter, rim }
}

/// Blends `colour` into the picture by a mask of a glyph that begins at a point, as much as `opacity` of 256.
fn put(
    picture: &mut RgbImage,
    glyph: &Glyph,
    mask: &[u8],
    (x, y): (i32, i32),
    colour: [u8; 3],
    opacity: u32,
) {
    let (left, top, width) = (x + glyph.left, y + glyph.top, glyph.width as usize);
    for (line, coverages) in mask.chunks_exact(width.max(1)).enumerate() {
        let skipped = (-left).max(0) as usize;
        let (Ok(py), Some(coverages)) = (u32::try_from(top + line as i32), coverages.get(skipped..)) else {
            continue;
        };
        let from = left.max(0) as u32;
        let pixels = row(picture, py, from..from + coverages.len() as u32);
        for (pixel, coverage) in pixels.chunks_exact_mut(3).zip(coverages) {
            if *coverage > 0 {
                // 255 is all of it.
                mix(pixel, colour, (u32::from(*coverage) * 257 * opacity) >> 16);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use image::Rgb;

    use super::*;

    fn written(text: &str, size: u32) -> RgbImage {
        let mut picture = RgbImage::from_pixel(width(text, size) + 8, line(size) + 4, Rgb([90; 3]));
        draw(&mut picture, text, (4, 2), size, [255; 3]);
        picture
    }

    /// How many pixels of a text are bright.
    fn ink(text: &str) -> usize {
        written(text, 24).pixels().filter(|p| p.0[0] > 180).count()
    }

    /// "Käthe" became "K?the".
    #[test]
    fn letters_of_other_tongues_are_letters_and_what_is_missing_is_a_box() {
        assert_ne!(written("ä", 24), written("?", 24));
        assert!(ink("ä") > ink("a") && ink("é") > ink("e"));
        for text in ["Käthe", "Żółć", "Ελένη", "Наташа", "Nguyễn"] {
            let all: Vec<_> = text.chars().map(|c| written(&c.to_string(), 24)).collect();
            let missing = written("\u{4e00}", 24);
            assert!(all.iter().all(|letter| *letter != missing), "{text}");
        }
        assert_eq!(written("一", 24), written("א", 24));
        assert!(ink("一") > 40, "a box is seen");
        assert_eq!((width("\u{7}\n", 24), ink("\u{7}")), (0, 0));
    }

    #[test]
    fn letters_are_smooth_stand_on_a_line_and_have_a_dark_rim() {
        let picture = written("Ag", 24);
        let shades: std::collections::BTreeSet<u8> = picture.pixels().map(|p| p.0[0]).collect();
        assert!(shades.len() > 20, "{} shades", shades.len());
        assert!(picture.pixels().any(|p| p.0[0] < 40), "no rim");
        let lowest = |text: &str| {
            let picture = written(text, 24);
            (0..picture.height())
                .rev()
                .find(|y| (0..picture.width()).any(|x| picture.get_pixel(x, *y).0[0] > 180))
        };
        assert!(lowest("g") > lowest("A"), "what hangs below the line is seen");
        assert!(lowest("A").unwrap().abs_diff(2 + (24.0 * BASELINE) as u32) <= 1);
    }

    #[test]
    fn width_is_that_of_what_is_written() {
        for (text, size) in [("mouth-left", 14), ("30.0 fps", 40), ("iiii", 11)] {
            let picture = written(text, size);
            let lit: Vec<u32> = (0..picture.width())
                .filter(|x| (0..picture.height()).any(|y| picture.get_pixel(*x, y).0[0] > 150))
                .collect();
            let seen = lit.last().unwrap() - lit.first().unwrap() + 1;
            assert!(seen <= width(text, size) && width(text, size) - seen <= size / 3 + 2, "{text}: {seen}");
        }
    }

    #[test]
    fn places_outside_do_no_harm_and_long_text_loses_its_middle() {
        let mut picture = RgbImage::new(4, 4);
        draw(&mut picture, "Wide text", (-20, -3), 33, [255; 3]);
        draw(&mut picture, "", (2, 2), 11, [255; 3]);
        draw(&mut picture, "far", (900, -900), 11, [255; 3]);
        let path = "saved /home/somebody/pictures/holidays/picture-edited.png";
        let short = shortened(path, 14, 200);
        assert!(
            width(&short, 14) <= 200 && short.starts_with("saved") && short.ends_with("edited.png"),
            "{short}"
        );
        assert_eq!(shortened("short", 14, 200), "short");
        assert_eq!(shortened("short", 14, 0), "");
    }
}
