//! What is written over a picture for those who watch: numbers, keys, messages.

use image::RgbImage;

use super::paint::panel;
use super::text;

/// Colour of text.
pub(super) const LIGHT: [u8; 3] = [238, 242, 246];
/// Colour of what calls for attention: keys, messages.
const ACCENT: [u8; 3] = [255, 214, 90];
/// Colour of what says that pictures are kept.
const RED: [u8; 3] = [228, 44, 44];
/// Colour and opacity, of 256, of the ground of text.
pub(super) const GROUND: ([u8; 3], u32) = ([12, 14, 18], 168);

/// Room round text of a size, in pixels.
fn padding(size: u32) -> u32 {
    size / 2
}

/// Height of the picture's upper edge that one line of numbers takes, in pixels.
pub fn height(picture: &RgbImage) -> u32 {
    let size = text::readable(picture.width(), picture.height());
    text::line(size) + 2 * padding(size)
}

/// A line's key and what it does, where it has two or more spaces between them.
fn columns(line: &str) -> (&str, Option<&str>) {
    line.split_once("  ").map_or((line, None), |(key, rest)| (key, Some(rest.trim_start())))
}

/// Writes lines into the upper left corner, on a darkened ground. What stands before two spaces is a column of its own, for
/// keys. Letters are smaller where there is not room for all.
pub fn draw_hud<S: AsRef<str>>(picture: &mut RgbImage, lines: &[S]) {
    let mut size = text::readable(picture.width(), picture.height());
    let needs = |size: u32| lines.len() as u32 * text::line(size) + 3 * padding(size);
    while size > 9 && needs(size) > picture.height() {
        size -= 1;
    }
    text::prepare(size);
    let (line, padding) = (text::line(size), padding(size));
    let split = || lines.iter().map(|line| columns(line.as_ref()));
    let keys = split().filter(|(_, rest)| rest.is_some()).map(|(key, _)| text::width(key, size)).max();
    let second = keys.map_or(0, |keys| keys + size);
    let longest = split().map(|(first, rest)| match rest {
        Some(rest) => second + text::width(rest, size),
        None => text::width(first, size),
    });
    let (near, far) = (padding / 2, padding / 2 + longest.max().unwrap_or(0) + 2 * padding);
    let bottom = near + lines.len() as u32 * line + padding;
    // A list is read, numbers are glanced at.
    let opacity = if lines.len() > 1 { 216 } else { GROUND.1 };
    panel(picture, (near..far, near..bottom), padding, GROUND.0, opacity);
    for (i, (first, rest)) in split().enumerate() {
        let (x, y) = ((near + padding) as i32, (near + padding / 2 + i as u32 * line) as i32);
        let colour = if rest.is_some() { ACCENT } else { LIGHT };
        text::draw_plain(picture, first, (x, y), size, colour);
        text::draw_plain(picture, rest.unwrap_or_default(), (x + second as i32, y), size, LIGHT);
    }
}

/// Shows in the upper right corner that what is seen is kept.
pub fn draw_recording(picture: &mut RgbImage) {
    const WORD: &str = "REC";
    let size = text::readable(picture.width(), picture.height());
    text::prepare(size);
    let (line, padding) = (text::line(size), padding(size));
    let (near, disc) = (padding / 2, size * 3 / 4);
    let right = picture.width().saturating_sub(near);
    let Some(left) = right.checked_sub(disc + text::width(WORD, size) + 3 * padding) else { return };
    panel(picture, (left..right, near..near + line + padding), padding, GROUND.0, GROUND.1);
    let (x, y) = (left + padding, near + (line + padding - disc) / 2);
    panel(picture, (x..(x + disc).min(right), y..y + disc), disc / 2, RED, 256);
    text::draw_plain(picture, WORD, ((x + disc + padding) as i32, (near + padding / 2) as i32), size, LIGHT);
}

/// Writes a message across the middle.
pub fn draw_banner(picture: &mut RgbImage, message: &str) {
    let size = text::readable(picture.width(), picture.height()) * 3 / 2;
    say(picture, message, size, 0.5);
}

/// Writes a word to those who watch at the lower edge.
pub fn draw_note(picture: &mut RgbImage, message: &str) {
    let size = text::readable(picture.width(), picture.height());
    say(picture, message, size, 1.0);
}

/// Writes a message on a ground of its own, at a share of the picture's height, in smaller letters where it is too wide.
fn say(picture: &mut RgbImage, message: &str, mut size: u32, share: f32) {
    let (width, height) = picture.dimensions();
    while size > 9 && text::width(message, size) + 4 * padding(size) > width {
        size -= 1;
    }
    let padding = padding(size);
    let message = text::shortened(message, size, width.saturating_sub(4 * padding));
    let (wide, high) = (text::width(&message, size) + 2 * padding, text::line(size) + padding);
    let left = width.saturating_sub(wide) / 2;
    let top = (height.saturating_sub(high + 2 * padding) as f32 * share) as u32 + padding;
    panel(picture, (left..left + wide, top..top + high), padding, GROUND.0, GROUND.1);
    let corner = ((left + padding) as i32, (top + padding / 2) as i32);
    text::draw_plain(picture, &message, corner, size, ACCENT);
}

#[cfg(test)]
mod tests {
    use image::Rgb;

    use super::*;

    fn changed(size: (u32, u32), draw: impl Fn(&mut RgbImage)) -> Option<[u32; 4]> {
        let mut picture = RgbImage::from_pixel(size.0, size.1, Rgb([120; 3]));
        draw(&mut picture);
        let touched = picture.enumerate_pixels().filter(|(.., p)| p.0 != [120; 3]);
        touched.fold(None, |found, (x, y, _)| {
            let [left, top, right, bottom] = found.unwrap_or([x, y, x, y]);
            Some([left.min(x), top.min(y), right.max(x), bottom.max(y)])
        })
    }

    #[test]
    fn a_line_of_numbers_keeps_to_its_height() {
        for size in [(320, 240), (640, 480), (1920, 1080)] {
            let lines = ["30.0 fps   12.1 ms"];
            let [left, top, right, bottom] = changed(size, |p| draw_hud(p, &lines)).unwrap();
            let high = height(&RgbImage::new(size.0, size.1));
            assert!(left < size.0 / 40 && top < size.1 / 40 && right < size.0 / 2, "{right} of {size:?}");
            assert!(bottom < high && high < size.1 / 8, "{bottom}, {high} of {size:?}");
        }
    }

    #[test]
    fn lists_of_keys_fit_and_what_they_do_stands_in_a_column() {
        let lines: Vec<String> =
            (0..21).map(|i| format!("{}      does thing {i}", "k".repeat(1 + i % 7))).collect();
        let [.., bottom] = changed((640, 480), |p| draw_hud(p, &lines)).unwrap();
        assert!(bottom < 479);
        assert_eq!(columns("q, Esc  quit"), ("q, Esc", Some("quit")));
        assert_eq!(columns("30.0 fps"), ("30.0 fps", None));
    }

    #[test]
    fn messages_are_in_the_middle_and_never_wider_than_the_picture() {
        for size in [(640, 480), (160, 120), (64, 64)] {
            let long = "the camera is gone: waiting for it to come back";
            let [left, top, right, bottom] = changed(size, |p| draw_banner(p, long)).unwrap();
            assert!(
                right < size.0 && left.abs_diff(size.0 - 1 - right) <= 1,
                "{left} to {right} of {size:?}"
            );
            assert!((top + bottom).abs_diff(size.1) < 12, "{top} to {bottom} of {size:?}");
            let [_, top, ..] = changed(size, |p| draw_note(p, "hold still")).unwrap();
            assert!(top > size.1 / 2);
        }
        let mut tiny = RgbImage::new(3, 2);
        draw_hud(&mut tiny, &["a long line"]);
        draw_banner(&mut tiny, "a long message");
        draw_hud::<&str>(&mut tiny, &[]);
    }
}
