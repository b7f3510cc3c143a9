//! Drawing detected keypoints, names and numbers on a picture.

use std::ops::Range;

use image::RgbImage;
use lkg_bundle::Manifest;

use super::names::Labels;
use super::text;
use crate::frame::{DetectedFace, DetectedKeypoint};

/// Shortest side, in pixels, from which names beside keypoints are readable.
const READABLE_SIDE: u32 = 480;

/// Shortest side, in pixels, from which names leave enough of the face to be seen.
const NAMED_SIDE: u32 = 240;

/// Most that a small picture is enlarged by.
const MOST_ENLARGED: u32 = 4;

/// Draws a face on the picture it was found in: the skeleton's lines, at every keypoint a disc in its colour of the manifest
/// whose size and opacity show the confidence, and its name unless the picture is too small (240 pixels) for names.
pub fn draw_face(picture: &mut RgbImage, face: &DetectedFace, manifest: &Manifest) {
    Pen::default().draw(picture, &face.keypoints, manifest, 1.0);
}

/// Draws faces; keeps its room, so that repeated use does not allocate.
#[derive(Debug, Default)]
pub struct Pen {
    labels: Labels,
}

impl Pen {
    /// Draws the face of `keypoints`, in pixels of `picture`: the skeleton's lines, at every keypoint a disc in its
    /// manifest colour whose size and opacity show the confidence, and its name unless the picture is too small for names.
    /// All of it fades with `strength`, 1 to 0; names go first.
    pub fn draw(
        &mut self,
        picture: &mut RgbImage,
        keypoints: &[DetectedKeypoint],
        manifest: &Manifest,
        strength: f32,
    ) {
        let unit = unit(picture) * relative_size(keypoints, picture);
        let colour = |i: usize| manifest.keypoints.get(i).map_or([255; 3], |k| k.colour);
        draw_skeleton(picture, keypoints, manifest, (unit, strength), colour);
        if strength == 1.0 && picture.width().min(picture.height()) >= NAMED_SIDE {
            self.labels.draw(picture, keypoints, manifest, 7.0 * unit, |picture, from, to, colour| {
                let end = |(x, y)| DetectedKeypoint { x, y, confidence: 1.0 };
                line(picture, end(from), end(to), 0.5, colour, 0.55);
            });
        }
        for (i, keypoint) in keypoints.iter().enumerate() {
            let confidence = keypoint.confidence.clamp(0.0, 1.0);
            let radius = unit * (2.0 + 1.5 * confidence);
            let opacity = strength * (0.5 + 0.5 * confidence);
            disc(picture, keypoint, radius + 1.2 * unit, [0; 3], opacity);
            disc(picture, keypoint, radius, colour(i), opacity);
        }
    }
}

fn draw_skeleton(
    picture: &mut RgbImage,
    keypoints: &[DetectedKeypoint],
    manifest: &Manifest,
    (unit, strength): (f32, f32),
    colour: impl Fn(usize) -> [u8; 3],
) {
    let point = |i: usize| keypoints.get(i).copied();
    for &[a, b] in &manifest.skeleton {
        if let (Some(from), Some(to)) = (point(a), point(b)) {
            let (c, d) = (colour(a), colour(b));
            let mixed = [0, 1, 2].map(|i| c[i] / 2 + d[i] / 2);
            let confidence = from.confidence.min(to.confidence).clamp(0.0, 1.0);
            let opacity = strength * (0.35 + 0.55 * confidence);
            // The dark rim keeps it apart from a ground of its own colour.
            line(picture, from, to, 0.9 * unit + 0.8, [0; 3], 0.5 * opacity);
            line(picture, from, to, 0.9 * unit, mixed, opacity);
        }
    }
}

/// How large the face is, relative to one that fills about half of the picture: 0.9 to 1.4.
fn relative_size(keypoints: &[DetectedKeypoint], picture: &RgbImage) -> f32 {
    let span = |axis: fn(&DetectedKeypoint) -> f32| {
        let values = || keypoints.iter().map(axis).filter(|v| v.is_finite());
        values().fold(f32::NEG_INFINITY, f32::max) - values().fold(f32::INFINITY, f32::min)
    };
    let size = span(|k| k.x).max(span(|k| k.y)).max(0.0);
    (size / (0.45 * picture.width().min(picture.height()) as f32)).clamp(0.9, 1.4)
}

/// Writes lines of numbers into the upper left corner, on a darkened ground.
pub fn draw_hud<S: AsRef<str>>(picture: &mut RgbImage, lines: &[S]) {
    let scale = text_scale(picture);
    let longest = lines.iter().map(|l| text::width(l.as_ref(), scale)).max().unwrap_or(0);
    let margin = 3 * scale;
    darken(picture, 0, longest + 2 * margin, 0, lines.len() as u32 * text::LINE * scale + 2 * margin);
    for (i, line) in lines.iter().enumerate() {
        let y = margin + i as u32 * text::LINE * scale;
        text::draw(picture, line.as_ref(), (margin as i32, y as i32), scale, [235, 240, 245]);
    }
}

/// Writes a message across the middle.
pub fn draw_banner(picture: &mut RgbImage, message: &str) {
    let mut scale = text_scale(picture) + 1;
    while scale > 1 && text::width(message, scale) > picture.width() {
        scale -= 1;
    }
    let (width, height) = picture.dimensions();
    let band = (2 * text::LINE * scale).min(height);
    let top = (height - band) / 2;
    darken(picture, 0, width, top, top + band);
    let x = (width as i32 - text::width(message, scale) as i32) / 2;
    let y = top + (band.saturating_sub(7 * scale)) / 2;
    text::draw(picture, message, (x.max(0), y as i32), scale, [255, 214, 90]);
}

/// By what to enlarge a picture of this size so that names are readable: 1 for all but small ones.
pub fn enlargement(width: u32, height: u32) -> u32 {
    READABLE_SIDE.div_ceil(width.min(height).max(1)).clamp(1, MOST_ENLARGED)
}

/// Where the face's keypoints lie in the picture enlarged by `factor`, then mirrored if asked (`width` is that after
/// enlarging), put into `placed`.
pub fn place(
    face: &DetectedFace,
    factor: u32,
    mirrored_width: Option<u32>,
    placed: &mut Vec<DetectedKeypoint>,
) {
    placed.clear();
    placed.extend(face.keypoints.iter().map(|k| {
        let (x, y) = (k.x * factor as f32, k.y * factor as f32);
        DetectedKeypoint { x: mirrored_width.map_or(x, |w| w as f32 - x), y, ..*k }
    }));
}

/// The length that all drawing is measured in: 1 pixel in a picture of 320 lines.
fn unit(picture: &RgbImage) -> f32 {
    (picture.width().min(picture.height()) as f32 / 320.0).max(0.5)
}

pub(super) fn text_scale(picture: &RgbImage) -> u32 {
    (picture.width().min(picture.height()) / 200).clamp(1, 6)
}

pub(super) fn darken(picture: &mut RgbImage, left: u32, right: u32, top: u32, bottom: u32) {
    for y in top..bottom.min(picture.height()) {
        for c in span(picture, y, left..right) {
            *c = (u16::from(*c) * 2 / 5) as u8;
        }
    }
}

/// The bytes of these columns of row `y`; those outside the picture are left out.
pub(super) fn span(picture: &mut RgbImage, y: u32, columns: Range<u32>) -> &mut [u8] {
    let (width, row) = (picture.width(), y as usize * picture.width() as usize);
    let byte = |x: u32| 3 * (row + x.min(width) as usize);
    picture.get_mut(byte(columns.start)..byte(columns.end)).unwrap_or_default()
}

pub(super) fn blend(pixel: &mut [u8], colour: [u8; 3], amount: f32) {
    for (old, new) in pixel.iter_mut().zip(colour) {
        // Rounds what is never negative; `round` is a call on processors of the x86-64 baseline, as `hypot` is.
        *old = (f32::from(*old) + (f32::from(new) - f32::from(*old)) * amount + 0.5) as u8;
    }
}

fn length(x: f32, y: f32) -> f32 {
    (x * x + y * y).sqrt()
}

/// Blends `colour` where `distance` of a pixel's centre is below `radius`, with a soft edge one pixel wide. `columns` are
/// the outermost of a row that can be that near, `rows` those of the whole.
fn stroke(
    picture: &mut RgbImage,
    rows: [f32; 2],
    columns: impl Fn(f32) -> [f32; 2],
    radius: f32,
    (colour, opacity): ([u8; 3], f32),
    distance: impl Fn(f32, f32) -> f32,
) {
    // A float cast to an unsigned integer saturates; NaN becomes 0.
    let range = |[low, high]: [f32; 2], size: u32| {
        ((low - radius - 1.0) as u32).min(size)..((high + radius + 2.0) as u32).min(size)
    };
    for y in range(rows, picture.height()) {
        let columns = range(columns(y as f32 + 0.5), picture.width());
        for (x, pixel) in columns.clone().zip(span(picture, y, columns).chunks_exact_mut(3)) {
            let coverage = (radius - distance(x as f32 + 0.5, y as f32 + 0.5) + 0.5).clamp(0.0, 1.0);
            if coverage > 0.0 {
                blend(pixel, colour, coverage * opacity);
            }
        }
    }
}

fn disc(picture: &mut RgbImage, at: &DetectedKeypoint, radius: f32, colour: [u8; 3], opacity: f32) {
    let columns = |_| [at.x, at.x];
    stroke(picture, [at.y, at.y], columns, radius, (colour, opacity), |x, y| length(x - at.x, y - at.y));
}

fn line(
    picture: &mut RgbImage,
    a: DetectedKeypoint,
    b: DetectedKeypoint,
    radius: f32,
    colour: [u8; 3],
    opacity: f32,
) {
    let (dx, dy) = (b.x - a.x, b.y - a.y);
    let squared = (dx * dx + dy * dy).max(1e-6);
    let [west, east] = [a.x.min(b.x), a.x.max(b.x)];
    // Most of the box round a slanted line is far from it: a row has what lies within reach of the endless line.
    let reach = (radius + 1.0) * squared.sqrt() / dy.abs().max(1e-6);
    let columns = |y: f32| {
        let middle = a.x + (y - a.y) * dx / if dy == 0.0 { 1e-6 } else { dy };
        [(middle - reach).max(west), (middle + reach).min(east)]
    };
    stroke(picture, [a.y.min(b.y), a.y.max(b.y)], columns, radius, (colour, opacity), |x, y| {
        let along = (((x - a.x) * dx + (y - a.y) * dy) / squared).clamp(0.0, 1.0);
        length(x - a.x - along * dx, y - a.y - along * dy)
    });
}

#[cfg(test)]
mod tests {
    use image::Rgb;
    use lkg_bundle::manifest::KEYPOINT_COLOURS;

    use super::*;
    use crate::vision::testing::manifest;

    fn keypoint(x: f32, y: f32, confidence: f32) -> DetectedKeypoint {
        DetectedKeypoint { x, y, confidence }
    }

    fn drawn(points: Vec<DetectedKeypoint>) -> RgbImage {
        let mut picture = RgbImage::from_pixel(320, 320, Rgb([100; 3]));
        let manifest = manifest(points.len());
        draw_face(&mut picture, &DetectedFace::new(points), &manifest);
        picture
    }

    #[test]
    fn confident_points_are_discs_in_their_colour_with_a_dark_rim() {
        let picture = drawn(vec![keypoint(60.0, 80.0, 1.0), keypoint(200.0, 240.0, 1.0)]);
        assert_eq!(picture.get_pixel(59, 79).0, KEYPOINT_COLOURS[0]);
        assert_eq!(picture.get_pixel(200, 240).0, KEYPOINT_COLOURS[1]);
        assert!(picture.get_pixel(60, 75).0.iter().all(|c| *c < 70));
        assert_ne!(picture.get_pixel(130, 160).0, [100; 3], "the line between them");
        assert_eq!(picture.get_pixel(300, 20).0, [100; 3]);
    }

    #[test]
    fn doubtful_points_are_smaller_and_fainter() {
        let touched = |c: f32| {
            let picture = drawn(vec![keypoint(160.0, 160.0, c)]);
            let near = |x: u32, y: u32| x.abs_diff(160) < 7 && y.abs_diff(160) < 7;
            picture.enumerate_pixels().filter(|(x, y, p)| near(*x, *y) && p.0 != [100; 3]).count()
        };
        assert!(touched(0.1) < touched(0.9));
        assert_ne!(drawn(vec![keypoint(160.0, 160.0, 0.1)]).get_pixel(160, 160).0, KEYPOINT_COLOURS[0]);
    }

    #[test]
    fn points_outside_the_picture_do_no_harm() {
        let far = [(-50.0, 3.0), (1e9, -1e9), (f32::NAN, f32::NAN), (320.0, 320.0)];
        drawn(far.into_iter().map(|(x, y)| keypoint(x, y, 1.0)).collect());
        let mut tiny = RgbImage::new(3, 2);
        draw_hud(&mut tiny, &["a long line"]);
        draw_banner(&mut tiny, "a long message");
    }

    #[test]
    fn names_are_left_out_where_they_would_hide_the_face() {
        let face = DetectedFace::new(vec![keypoint(20.0, 30.0, 1.0)]);
        let painted = |side: u32| {
            let mut picture = RgbImage::new(side, side);
            draw_face(&mut picture, &face, &manifest(1));
            picture.enumerate_pixels().any(|(x, _, p)| x > 32 && p.0 != [0; 3])
        };
        assert!(!painted(128) && painted(300));
    }

    #[test]
    fn names_stand_beside_the_face_and_do_not_cover_each_other() {
        // Letters are whole where nothing was drawn over them: as many pixels as with points far apart.
        let written = |ys: [f32; 6]| {
            let points = ys.iter().enumerate().map(|(i, y)| keypoint(150.0 + 4.0 * i as f32, *y, 1.0));
            let picture = drawn(points.collect());
            let outside = |x: u32| !(138..=182).contains(&x);
            let count = |i: usize| {
                let letters = picture.enumerate_pixels();
                letters.filter(|(x, _, p)| outside(*x) && p.0 == KEYPOINT_COLOURS[i]).count()
            };
            [0, 1, 2, 3, 4, 5].map(count)
        };
        let apart = written([40.0, 120.0, 200.0, 120.0, 200.0, 280.0]);
        assert!(apart.iter().all(|n| *n > 20), "{apart:?}");
        assert_eq!(apart, written([40.0, 160.0, 161.0, 160.5, 161.5, 280.0]));
    }

    #[test]
    fn slanted_lines_are_whole() {
        // Every pixel as the distance from the segment says, whatever the slant.
        for (a, b) in
            [((20.0, 30.0), (90.0, 60.0)), ((50.0, 90.0), (52.0, 10.0)), ((10.0, 40.0), (90.0, 40.0))]
        {
            let mut picture = RgbImage::new(100, 100);
            line(&mut picture, keypoint(a.0, a.1, 1.0), keypoint(b.0, b.1, 1.0), 2.0, [255; 3], 1.0);
            let (dx, dy) = (b.0 - a.0, b.1 - a.1);
            for (x, y, p) in picture.enumerate_pixels() {
                let (px, py) = (x as f32 + 0.5 - a.0, y as f32 + 0.5 - a.1);
                let t = ((px * dx + py * dy) / (dx * dx + dy * dy)).clamp(0.0, 1.0);
                let want = (2.5 - (px - t * dx).hypot(py - t * dy)).clamp(0.0, 1.0) * 255.0;
                assert!(
                    (f32::from(p.0[0]) - want).abs() <= 1.0,
                    "{a:?} {b:?} at {x}, {y}: {} not {want}",
                    p.0[0]
                );
            }
        }
    }

    #[test]
    fn lines_are_thicker_on_larger_faces_and_stand_out_from_their_colour() {
        let thickness = |far: f32| {
            let picture = drawn(vec![keypoint(160.0 - far, 160.0, 1.0), keypoint(160.0 + far, 160.0, 1.0)]);
            (0..320).filter(|y| picture.get_pixel(160, *y).0 != [100; 3]).count()
        };
        assert!(thickness(130.0) > thickness(30.0));
        let mixed = [0, 1, 2].map(|i| KEYPOINT_COLOURS[0][i] / 2 + KEYPOINT_COLOURS[1][i] / 2);
        let mut picture = RgbImage::from_pixel(320, 320, Rgb(mixed));
        let face = DetectedFace::new(vec![keypoint(60.0, 160.0, 1.0), keypoint(260.0, 160.0, 1.0)]);
        draw_face(&mut picture, &face, &manifest(2));
        assert!((150..170).any(|y| picture.get_pixel(160, y).0[0] + 30 < mixed[0]), "no rim");
    }

    #[test]
    fn small_pictures_are_enlarged_and_faces_with_them() {
        assert_eq!(enlargement(176, 144), 4);
        assert_eq!(enlargement(640, 480), 1);
        assert_eq!(enlargement(8, 8), MOST_ENLARGED);
        let face = DetectedFace::new(vec![keypoint(10.0, 20.0, 0.5)]);
        let mut placed = Vec::new();
        place(&face, 3, None, &mut placed);
        assert_eq!(placed, [keypoint(30.0, 60.0, 0.5)]);
        place(&face, 3, Some(528), &mut placed);
        assert_eq!(placed, [keypoint(498.0, 60.0, 0.5)]);
    }
}
