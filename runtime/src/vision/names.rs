//! Names of keypoints in a column on either side of the face, so that they hide neither it nor each other. Where there is
//! no room for that, there are none.

use image::RgbImage;
use lkg_bundle::Manifest;

use super::overlay::{Extent, extent};
use super::paint::Brush;
use super::text;
use crate::frame::DetectedKeypoint;

/// Extent of a face's keypoints, in pixels, from which names are drawn: beside smaller ones they would be all that is seen.
const LEAST_FACE: f32 = 90.0;
/// Size of names, in shares of the face's extent; at least and at most so many pixels, or shares of what is readable.
const SIZE: f32 = 0.06;
const LEAST_SIZE: f32 = 11.0;
const MOST_SIZE: f32 = 1.2;
/// A size stays as long as another would not differ by this factor: what a face's breath changes should not be seen.
const STAYS: f32 = 1.12;
/// From the face's keypoints to names, in shares of the face's extent.
const GAP: f32 = 0.16;
/// Room at the picture's edges, in pixels.
const MARGIN: f32 = 4.0;

/// A name on its way into a column.
#[derive(Clone, Copy, Debug)]
struct Label {
    keypoint: usize,
    /// The keypoint, in pixels, inside the picture.
    at: (f32, f32),
    /// Where in the mean face from left to right it is, as the picture shows it.
    rank: f32,
    /// The name's width, in pixels.
    width: f32,
    /// The name's upper left corner, in pixels.
    left: f32,
    top: f32,
}

/// Names of faces; keeps its room, so that repeated use does not allocate.
#[derive(Debug, Default)]
pub struct Labels {
    labels: Vec<Label>,
    /// What names must not cover: faces, other names.
    taken: Vec<Extent>,
    /// The size of each face's names in the picture before.
    sizes: Vec<u32>,
}

impl Labels {
    /// Writes the names of each of `faces`, keypoints in pixels of `picture`, beside it if there is room for all of them,
    /// and draws a line from each point to its name. Names cover neither these faces nor `others`, nor the picture's first `top`
    /// pixels.
    pub fn draw<'a>(
        &mut self,
        picture: &mut RgbImage,
        faces: impl Iterator<Item = &'a [DetectedKeypoint]> + Clone,
        others: impl Iterator<Item = &'a [DetectedKeypoint]>,
        manifest: &Manifest,
        top: u32,
    ) {
        self.begin(picture.width(), top);
        faces.clone().chain(others).for_each(|keypoints| self.keep_off(keypoints));
        for (number, keypoints) in faces.enumerate() {
            self.draw_face(picture, number, keypoints, manifest);
        }
    }

    /// Begins a picture. Names keep off its first `top` pixels.
    fn begin(&mut self, width: u32, top: u32) {
        self.taken.clear();
        if top > 0 {
            self.taken.push(Extent { left: 0.0, top: 0.0, right: width as f32, bottom: top as f32 });
        }
    }

    /// Keeps names off a face.
    fn keep_off(&mut self, keypoints: &[DetectedKeypoint]) {
        self.taken.extend(extent(keypoints));
    }

    /// Writes the names of the face `number`'s `keypoints` beside it and draws a line from each point to its name, if there is
    /// room for all.
    fn draw_face(
        &mut self,
        picture: &mut RgbImage,
        number: usize,
        keypoints: &[DetectedKeypoint],
        manifest: &Manifest,
    ) {
        let Some(face) = extent(keypoints) else { return };
        let span = (face.right - face.left).max(face.bottom - face.top);
        if span < LEAST_FACE {
            return;
        }
        let size = self.size(number, span, picture);
        let (width, height) = (picture.width() as f32, picture.height() as f32);
        self.collect(keypoints, manifest, size, (width, height));
        if !self.place(&face, GAP * span, text::line(size) as f32, (width, height)) {
            return;
        }
        let thin = (size as f32 / 26.0).max(0.5);
        for label in &self.labels {
            let described = &manifest.keypoints[label.keypoint];
            let middle = label.top + text::line(size) as f32 / 2.0;
            let near =
                if label.left < label.at.0 { label.left + label.width + 3.0 } else { label.left - 3.0 };
            let end = |(x, y)| DetectedKeypoint { x, y, confidence: 1.0 };
            Brush::plain(thin, described.colour, 0.6).line(picture, end(label.at), end((near, middle)));
        }
        for label in &self.labels {
            let described = &manifest.keypoints[label.keypoint];
            let corner = (label.left.round() as i32, label.top.round() as i32);
            text::draw(picture, &described.name, corner, size, lightened(described.colour));
        }
    }

    /// The size of a face's names, in pixels.
    fn size(&mut self, number: usize, span: f32, picture: &RgbImage) -> u32 {
        let most = MOST_SIZE * text::readable(picture.width(), picture.height()) as f32;
        let wanted = (SIZE * span).clamp(LEAST_SIZE, most.max(LEAST_SIZE));
        if self.sizes.len() <= number {
            self.sizes.resize(number + 1, 0);
        }
        let size = &mut self.sizes[number];
        let stays = (wanted / *size as f32).max(*size as f32 / wanted) < STAYS;
        if !stays {
            *size = wanted.round() as u32;
        }
        *size
    }

    fn collect(
        &mut self,
        keypoints: &[DetectedKeypoint],
        manifest: &Manifest,
        size: u32,
        (width, height): (f32, f32),
    ) {
        let described = || keypoints.iter().zip(&manifest.keypoints).enumerate();
        let known = || described().filter(|(_, (k, _))| k.x.is_finite() && k.y.is_finite());
        let n = known().count().max(1) as f32;
        let centre = |of: fn((&DetectedKeypoint, f32)) -> f32| {
            known().map(|(_, (k, d))| of((k, d.mean[0]))).sum::<f32>() / n
        };
        let (seen, mean) = (centre(|(k, _)| k.x), centre(|(_, m)| m));
        // In a mirror left is right.
        let along: f32 = known().map(|(_, (k, d))| (k.x - seen) * (d.mean[0] - mean)).sum();
        let sign = if along < 0.0 { -1.0 } else { 1.0 };
        self.labels.clear();
        self.labels.extend(known().map(|(keypoint, (k, d))| Label {
            keypoint,
            at: (k.x.clamp(0.0, width), k.y.clamp(0.0, height)),
            rank: sign * d.mean[0],
            width: text::width(&d.name, size) as f32,
            left: 0.0,
            top: 0.0,
        }));
        // By the mean face, not by this one: names do not change sides when points pass each other.
        let order = |a: &Label, b: &Label| {
            a.rank.total_cmp(&b.rank).then(a.at.0.total_cmp(&b.at.0)).then(a.keypoint.cmp(&b.keypoint))
        };
        self.labels.sort_unstable_by(order);
    }

    /// Finds a place for each name; false where there is none for all.
    fn place(&mut self, face: &Extent, gap: f32, line: f32, (width, height): (f32, f32)) -> bool {
        let all = self.labels.len();
        let taken = self.taken.len();
        // On both sides, or all on one.
        for half in [all / 2, all, 0] {
            let (west, east) = self.labels.split_at_mut(half);
            let mut fits = true;
            for (column, is_west) in [(west, true), (east, false)] {
                let longest = column.iter().map(|l| l.width).fold(0.0, f32::max);
                fits &= stack(column, line, height - 2.0 * MARGIN);
                for label in column.iter_mut() {
                    label.top += MARGIN;
                    label.left = if is_west { face.left - gap - label.width } else { face.right + gap };
                }
                let (Some(first), Some(last)) = (column.first(), column.last()) else { continue };
                let (top, bottom) = (first.top, last.top + line);
                let (left, right) = match is_west {
                    true => (face.left - gap - longest, face.left - gap),
                    false => (face.right + gap, face.right + gap + longest),
                };
                let column = Extent { left, top, right, bottom };
                fits &= left >= MARGIN && right <= width - MARGIN;
                fits &= self.taken[..taken].iter().all(|other| !column.meets(other));
                self.taken.push(column);
            }
            if fits {
                return true;
            }
            self.taken.truncate(taken);
        }
        false
    }
}

/// A colour that is read well, small and with a dark rim.
pub(super) fn lightened(colour: [u8; 3]) -> [u8; 3] {
    colour.map(|c| (u16::from(c) * 9 / 16 + 255 * 7 / 16) as u8)
}

/// Moves names of a column apart until none covers the next, as little as that takes on average, and into the picture;
/// false where there is not room for all.
fn stack(column: &mut [Label], line: f32, height: f32) -> bool {
    column.sort_unstable_by(|a, b| a.at.1.total_cmp(&b.at.1).then(a.keypoint.cmp(&b.keypoint)));
    let mut below = f32::NEG_INFINITY;
    let mut pushed = 0.0;
    for label in column.iter_mut() {
        let wanted = label.at.1 - line / 2.0;
        label.top = wanted.max(below);
        pushed += label.top - wanted;
        below = label.top + line;
    }
    let back = pushed / column.len().max(1) as f32;
    let (top, bottom) = (column.first().map_or(0.0, |l| l.top), below);
    let shift = (-back).min(height - bottom).max(-top);
    column.iter_mut().for_each(|label| label.top += shift);
    bottom + shift <= height
}

#[cfg(test)]
mod tests {
    use image::Rgb;

    use super::*;
    use crate::vision::testing::manifest;

    fn column(heights: &[f32]) -> Vec<f32> {
        let mut labels: Vec<Label> = heights.iter().enumerate().map(|(i, y)| label(i, *y)).collect();
        assert!(stack(&mut labels, 10.0, 100.0));
        labels.iter().map(|l| l.top).collect()
    }

    fn label(keypoint: usize, y: f32) -> Label {
        Label { keypoint, at: (0.0, y), rank: 0.0, width: 0.0, left: 0.0, top: 0.0 }
    }

    #[test]
    fn names_stay_at_their_points_where_there_is_room() {
        assert_eq!(column(&[60.0, 20.0]), [15.0, 55.0]);
        assert!(column(&[]).is_empty());
    }

    #[test]
    fn crowded_names_are_a_line_apart_round_their_points() {
        assert_eq!(column(&[50.0, 50.0, 50.0]), [35.0, 45.0, 55.0]);
        assert_eq!(column(&[1.0, 1.0, 1.0]), [0.0, 10.0, 20.0]);
        assert_eq!(column(&[99.0, 99.0]), [80.0, 90.0]);
        let mut many: Vec<Label> = (0..11).map(|i| label(i, 50.0)).collect();
        assert!(!stack(&mut many, 10.0, 100.0));
    }

    /// A face of `n` points in the middle of a square of `span` pixels at a place.
    fn face((x, y): (f32, f32), span: f32, n: usize) -> Vec<DetectedKeypoint> {
        let at = |i: usize| {
            let t = i as f32 * 2.4;
            let r = span / 2.0 * (i as f32 / (n - 1) as f32).sqrt();
            DetectedKeypoint { x: x + r * t.cos(), y: y + r * t.sin(), confidence: 1.0 }
        };
        (0..n).map(at).collect()
    }

    /// Draws names of faces; gives where each stands, in the order of faces.
    fn placed(size: (u32, u32), faces: &[Vec<DetectedKeypoint>], top: u32) -> Vec<Vec<Extent>> {
        let mut labels = Labels::default();
        let mut picture = RgbImage::from_pixel(size.0, size.1, Rgb([90; 3]));
        labels.begin(size.0, top);
        faces.iter().for_each(|f| labels.keep_off(f));
        let mut all = Vec::new();
        for (i, keypoints) in faces.iter().enumerate() {
            let before = picture.clone();
            labels.draw_face(&mut picture, i, keypoints, &manifest(keypoints.len()));
            let line = text::line(labels.sizes.get(i).copied().unwrap_or_default()) as f32;
            // A hair smaller, for what rounding does.
            let boxes = labels.labels.iter().map(|l| Extent {
                left: l.left,
                top: l.top + 0.01,
                right: l.left + l.width,
                bottom: l.top + line - 0.01,
            });
            all.push(if picture == before { Vec::new() } else { boxes.collect() });
        }
        all
    }

    #[test]
    fn names_stand_beside_faces_inside_the_picture_and_cover_nothing() {
        let mut drawn = 0;
        for n in [4, 10, 20] {
            for (size, places) in [
                ((640, 480), vec![(320.0, 240.0, 200.0)]),
                ((640, 480), vec![(160.0, 240.0, 180.0), (430.0, 200.0, 160.0)]),
                ((640, 480), vec![(110.0, 240.0, 200.0)]),
                ((1920, 1080), vec![(700.0, 500.0, 600.0), (1500.0, 700.0, 200.0), (1500.0, 300.0, 60.0)]),
                ((320, 240), vec![(160.0, 120.0, 180.0)]),
                ((320, 320), vec![(160.0, 160.0, 100.0)]),
            ] {
                let faces: Vec<_> = places.iter().map(|(x, y, span)| face((*x, *y), *span, n)).collect();
                let all = placed(size, &faces, 20);
                let extents: Vec<_> = faces.iter().filter_map(|f| extent(f)).collect();
                let names: Vec<&Extent> = all.iter().flatten().collect();
                drawn += names.len();
                for (i, name) in names.iter().enumerate() {
                    let inside = name.left >= 0.0 && name.top >= 20.0;
                    assert!(
                        inside && name.right <= size.0 as f32 && name.bottom <= size.1 as f32,
                        "{name:?}"
                    );
                    assert!(extents.iter().all(|face| !name.meets(face)), "{name:?} on a face");
                    assert!(names[..i].iter().all(|other| !name.meets(other)), "{name:?} on another");
                }
            }
        }
        assert!(drawn > 150, "{drawn} names");
    }

    #[test]
    fn small_faces_have_no_names_and_those_at_the_edge_have_them_on_one_side() {
        assert!(placed((640, 480), &[face((320.0, 240.0), 60.0, 10)], 0)[0].is_empty());
        assert!(placed((240, 240), &[face((120.0, 120.0), 200.0, 10)], 0)[0].is_empty(), "no room");
        let at_edge = placed((640, 480), &[face((110.0, 240.0), 200.0, 10)], 0).remove(0);
        assert!(at_edge.len() == 10 && at_edge.iter().all(|name| name.left > 210.0), "{at_edge:?}");
    }

    #[test]
    fn sizes_follow_faces_but_not_their_breath() {
        let mut labels = Labels::default();
        let picture = RgbImage::new(1920, 1080);
        let sizes = [200.0, 206.0, 199.0, 400.0].map(|span| labels.size(0, span, &picture));
        assert!(sizes[0] == sizes[1] && sizes[1] == sizes[2] && sizes[3] > 20, "{sizes:?}");
        assert_eq!(labels.size(1, 60.0, &picture), 11);
        assert!(labels.size(2, 1000.0, &picture) <= 37);
    }
}
