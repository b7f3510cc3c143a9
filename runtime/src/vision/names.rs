//! Names of keypoints in a column on either side of the face, so that they hide neither it nor each other.

use image::RgbImage;
use lkg_bundle::Manifest;

use super::text;
use crate::frame::DetectedKeypoint;

/// A name on its way into a column.
#[derive(Debug)]
struct Label {
    keypoint: usize,
    /// The keypoint, in pixels, inside the picture.
    at: (f32, f32),
    /// The name's upper edge, in pixels.
    top: f32,
}

/// The names of one face; keeps its room from face to face.
#[derive(Debug, Default)]
pub struct Labels(Vec<Label>);

impl Labels {
    /// Writes the names of `keypoints` beside the face and draws a line with `leader` from each point to its name: the
    /// left half of the points has its names to the left. `gap` is the distance from the face, in pixels.
    pub fn draw(
        &mut self,
        picture: &mut RgbImage,
        keypoints: &[DetectedKeypoint],
        manifest: &Manifest,
        gap: f32,
        mut leader: impl FnMut(&mut RgbImage, (f32, f32), (f32, f32), [u8; 3]),
    ) {
        let scale = (picture.width().min(picture.height()) / 280).clamp(1, 4);
        let line = (text::LINE * scale) as f32;
        let (width, height) = (picture.width() as f32, picture.height() as f32);
        let labels = &mut self.0;
        labels.clear();
        labels.extend(
            keypoints
                .iter()
                .take(manifest.keypoints.len())
                .enumerate()
                .filter(|(_, k)| k.x.is_finite() && k.y.is_finite())
                .map(|(keypoint, k)| {
                    let at = (k.x.clamp(0.0, width), k.y.clamp(0.0, height));
                    Label { keypoint, at, top: at.1 - line / 2.0 }
                }),
        );
        sort_by(labels, |label| label.at.0);
        let (Some(first), Some(last)) = (labels.first(), labels.last()) else { return };
        let (left, right) = (first.at.0 - gap, last.at.0 + gap);
        let half = labels.len() / 2;
        let (west, east) = labels.split_at_mut(half);
        for (column, is_west) in [(west, true), (east, false)] {
            stack(column, line, height);
            for label in column {
                let described = &manifest.keypoints[label.keypoint];
                let length = text::width(&described.name, scale) as f32;
                let x = if is_west { left - length } else { right };
                let x = x.min(width - length).max(0.0);
                let near = if is_west { x + length } else { x - scale as f32 };
                leader(picture, label.at, (near, label.top + line / 2.0 - scale as f32), described.colour);
                text::draw(picture, &described.name, (x as i32, label.top as i32), scale, described.colour);
            }
        }
    }
}

/// By a coordinate, then by the keypoint's number: in place, and the same every time.
fn sort_by(labels: &mut [Label], coordinate: impl Fn(&Label) -> f32) {
    labels.sort_unstable_by(|a, b| coordinate(a).total_cmp(&coordinate(b)).then(a.keypoint.cmp(&b.keypoint)));
}

/// Moves names apart until none covers the next, as little as that takes on average, and into the picture.
fn stack(column: &mut [Label], line: f32, height: f32) {
    sort_by(column, |label| label.at.1);
    let mut below = f32::NEG_INFINITY;
    let mut pushed = 0.0;
    for label in column.iter_mut() {
        let top = label.top.max(below);
        pushed += top - label.top;
        label.top = top;
        below = top + line;
    }
    let back = pushed / column.len().max(1) as f32;
    let (top, bottom) = (column.first().map_or(0.0, |l| l.top), below);
    // Where there is not room for all, the last ones are cut off.
    let shift = (-back).min(height - bottom).max(-top);
    column.iter_mut().for_each(|label| label.top += shift);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn column(heights: &[f32]) -> Vec<f32> {
        let label = |(i, y): (usize, &f32)| Label { keypoint: i, at: (0.0, *y), top: y - 5.0 };
        let mut labels: Vec<Label> = heights.iter().enumerate().map(label).collect();
        stack(&mut labels, 10.0, 100.0);
        labels.iter().map(|l| l.top).collect()
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
    }
}
