//! Drawing detected faces on a picture: keypoints, the lines between them, their names.

use image::RgbImage;
use lkg_bundle::Manifest;

use super::names::Labels;
use super::paint::Brush;
use crate::frame::{DetectedFace, DetectedKeypoint};

/// Shortest side, in pixels, from which names beside keypoints are readable.
const READABLE_SIDE: u32 = 480;

/// Most that a small picture is enlarged by.
const MOST_ENLARGED: u32 = 4;
/// No side is enlarged beyond this, in pixels.
const LONGEST: u32 = 4096;

/// Extent of a face, in pixels, whose keypoints are drawn at the size that all lengths here are given for; smaller and
/// larger ones with it.
const USUAL_FACE: f32 = 130.0;

/// Draws a face on the picture it was found in: the skeleton's lines, at every keypoint a disc in its colour of the manifest
/// whose size and opacity show the confidence, and the names beside the face if there is room for them.
pub fn draw_face(picture: &mut RgbImage, face: &DetectedFace, manifest: &Manifest) {
    draw_faces(picture, std::slice::from_ref(face), manifest, true);
}

/// The same for several faces, with `names` or without. Names cover neither each other nor a face.
pub fn draw_faces(picture: &mut RgbImage, faces: &[DetectedFace], manifest: &Manifest, names: bool) {
    let faces = || faces.iter().map(|face| face.keypoints.as_slice());
    faces().for_each(|keypoints| draw_marks(picture, keypoints, manifest, true, 1.0));
    if names {
        Labels::default().draw(picture, faces(), std::iter::empty(), manifest, 0);
    }
}

/// A rectangle, in pixels.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Extent {
    /// Its edges.
    pub left: f32,
    /// Above.
    pub top: f32,
    /// The other side.
    pub right: f32,
    /// Below.
    pub bottom: f32,
}

impl Extent {
    /// Whether two have a pixel in common.
    pub fn meets(&self, other: &Self) -> bool {
        self.left < other.right
            && other.left < self.right
            && self.top < other.bottom
            && other.top < self.bottom
    }
}

/// The rectangle round keypoints; none if there are none.
pub fn extent(keypoints: &[DetectedKeypoint]) -> Option<Extent> {
    let none = Extent {
        left: f32::INFINITY,
        top: f32::INFINITY,
        right: f32::NEG_INFINITY,
        bottom: f32::NEG_INFINITY,
    };
    let known = keypoints.iter().filter(|k| k.x.is_finite() && k.y.is_finite());
    let all = known.fold(none, |b, k| Extent {
        left: b.left.min(k.x),
        top: b.top.min(k.y),
        right: b.right.max(k.x),
        bottom: b.bottom.max(k.y),
    });
    (all.left <= all.right).then_some(all)
}

/// Draws the face of `keypoints`, in pixels of `picture`: at every keypoint a disc in its manifest colour whose size and
/// opacity show the confidence, and if asked the `skeleton`'s lines. All of it fades with `strength`, 1 to 0.
pub fn draw_marks(
    picture: &mut RgbImage,
    keypoints: &[DetectedKeypoint],
    manifest: &Manifest,
    skeleton: bool,
    strength: f32,
) {
    let unit = unit(keypoints, picture);
    let colour = |i: usize| manifest.keypoints.get(i).map_or([255; 3], |k| k.colour);
    if skeleton {
        draw_skeleton(picture, keypoints, manifest, (unit, strength), colour);
    }
    for (i, keypoint) in keypoints.iter().enumerate() {
        let confidence = keypoint.confidence.clamp(0.0, 1.0);
        let opacity = strength * (0.5 + 0.5 * confidence);
        Brush {
            radius: unit * (2.0 + 1.5 * confidence),
            colour: colour(i),
            opacity,
            rim: 1.2 * unit,
            rim_opacity: opacity,
        }
        .disc(picture, keypoint);
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
            let rim = 0.3 + 0.5 * unit.min(1.0);
            Brush { radius: 0.9 * unit, colour: mixed, opacity, rim, rim_opacity: 0.5 * opacity }
                .line(picture, from, to);
        }
    }
}

/// The length that all drawing of a face is measured in: 1 pixel for a usual face, less for a smaller one, more for a
/// larger one as far as the picture is large.
fn unit(keypoints: &[DetectedKeypoint], picture: &RgbImage) -> f32 {
    let span = extent(keypoints).map_or(0.0, |b| (b.right - b.left).max(b.bottom - b.top));
    let most = picture.width().min(picture.height()) as f32 / 320.0;
    (span / USUAL_FACE).min(most).max(0.5)
}

/// By what to enlarge a picture of this size so that names are readable: 1 for all but small ones.
pub fn enlargement(width: u32, height: u32) -> u32 {
    let most = (LONGEST / width.max(height).max(1)).clamp(1, MOST_ENLARGED);
    READABLE_SIDE.div_ceil(width.min(height).max(1)).clamp(1, most)
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
        drawn(Vec::new());
    }

    #[test]
    fn names_are_left_out_where_they_would_hide_the_face() {
        let face = |side: f32| {
            let at = |x: f32, y: f32| keypoint(x * side, y * side, 1.0);
            DetectedFace::new(vec![at(0.4, 0.2), at(0.6, 0.4), at(0.4, 0.6), at(0.6, 0.8)])
        };
        let painted = |side: u32| {
            let mut picture = RgbImage::new(side, side);
            draw_face(&mut picture, &face(side as f32), &manifest(4));
            picture.enumerate_pixels().any(|(x, _, p)| x * 10 > side * 7 && p.0 != [0; 3])
        };
        assert!(!painted(128) && painted(300));
    }

    #[test]
    fn names_are_written_in_their_points_colours() {
        let points = [(120.0, 60.0), (200.0, 120.0), (120.0, 180.0), (200.0, 240.0)];
        let picture = drawn(points.iter().map(|(x, y)| keypoint(*x, *y, 1.0)).collect());
        for (i, (_, y)) in points.iter().enumerate() {
            let wide = if i % 2 == 0 { 0..100 } else { 220..320 };
            let near = super::super::names::lightened(KEYPOINT_COLOURS[i]).map(i32::from);
            let letters = wide.flat_map(|x| (0..20).map(move |dy| (x, *y as u32 - 10 + dy)));
            let alike = |p: &[u8; 3]| p.iter().zip(near).all(|(p, n)| (i32::from(*p) - n).abs() < 40);
            let n = letters.filter(|(x, y)| alike(&picture.get_pixel(*x, *y).0)).count();
            assert!(n > 20, "{n} pixels of name {i}");
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
    fn points_of_small_faces_are_small_whatever_the_picture() {
        let marked = |span: f32| {
            let mut picture = RgbImage::new(1920, 1080);
            let face =
                DetectedFace::new(vec![keypoint(900.0, 500.0, 1.0), keypoint(900.0 + span, 500.0, 1.0)]);
            draw_faces(&mut picture, &[face], &Manifest { skeleton: vec![], ..manifest(2) }, false);
            (400..600).filter(|y| picture.get_pixel(900, *y).0 != [0; 3]).count()
        };
        assert!((3..=8).contains(&marked(60.0)) && (18..40).contains(&marked(600.0)), "{}", marked(600.0));
    }

    #[test]
    fn small_pictures_are_enlarged_and_faces_with_them() {
        assert_eq!(enlargement(176, 144), 4);
        assert_eq!(enlargement(640, 480), 1);
        assert_eq!(enlargement(8, 8), MOST_ENLARGED);
        assert_eq!((enlargement(1, 3000), enlargement(16384, 1), enlargement(1900, 300)), (1, 1, 2));
        let face = DetectedFace::new(vec![keypoint(10.0, 20.0, 0.5)]);
        let mut placed = Vec::new();
        place(&face, 3, None, &mut placed);
        assert_eq!(placed, [keypoint(30.0, 60.0, 0.5)]);
        place(&face, 3, Some(528), &mut placed);
        assert_eq!(placed, [keypoint(498.0, 60.0, 0.5)]);
    }
}
