//! What the tracker makes of scenes.

use std::fmt::Write as _;
use std::time::{Duration, Instant};

use image::{Rgb, RgbImage, imageops};
use lkg_runtime::Result;
use lkg_runtime::{DetectedFace, FaceTracker};
use serde::Serialize;

use crate::scene::{self, Chance, Portrait, Square};

/// Heights of the faces over that of the frame; 0 stands for frames without a face.
pub const SHARES: [f32; 7] = [0.15, 0.2, 0.3, 0.5, 0.75, 1.0, 0.0];
/// Frames of a scene.
const FRAMES: usize = 5;
/// Time from one frame to the next.
const INTERVAL: Duration = Duration::from_millis(33);
/// Farthest that the centre found may lie from the face's, in multiples of its side.
const NEAR: f32 = 0.25;
/// The size found may be this many times the face's, or its inverse.
const ALIKE: f32 = 2.0;
/// Scenes of a size that are drawn.
const DRAWN: usize = 10;

/// Scenes of one size.
#[derive(Debug, Default, Serialize)]
pub struct Row {
    /// Height of the faces over that of the frame; 0 where there is none.
    pub share: f32,
    /// Scenes.
    pub n: usize,
    /// Found in the first frame.
    pub at_once: usize,
    /// Found within [`FRAMES`] frames.
    pub found: usize,
    /// A face was claimed in some frame, away from the one there.
    pub wrong: usize,
    /// A face was claimed in the last frame, which then went away.
    pub left: usize,
    /// It was still claimed [`FRAMES`] frames later.
    pub kept: usize,
    /// Longest time of one frame, in milliseconds.
    pub slowest_ms: f64,
    /// Mean time of a frame, in milliseconds.
    pub mean_ms: f64,
}

/// Where keypoints lie relative to the landmarks of a face, in multiples of the face's side.
#[derive(Clone, Copy, Debug)]
pub struct Offset {
    x: f32,
    y: f32,
    spread: f32,
}

/// Mean of the keypoints, and their root mean square distance from it.
fn extent(face: &DetectedFace) -> (f32, f32, f32) {
    let n = face.keypoints.len().max(1) as f32;
    let x = face.keypoints.iter().map(|k| k.x).sum::<f32>() / n;
    let y = face.keypoints.iter().map(|k| k.y).sum::<f32>() / n;
    let spread = face.keypoints.iter().map(|k| (k.x - x).powi(2) + (k.y - y).powi(2)).sum::<f32>() / n;
    (x, y, spread.sqrt())
}

/// The median over pictures shown whole: keypoints and landmarks need not have the same centre.
pub fn offset(tracker: &mut FaceTracker, portraits: &[Portrait]) -> Result<Offset> {
    let mut all = [const { Vec::new() }; 3];
    for Portrait { picture, face } in portraits {
        let Some(found) = tracker.track(picture, Duration::ZERO)?.face else { continue };
        let (x, y, spread) = extent(&found);
        for (values, value) in all.iter_mut().zip([x - face.x, y - face.y, spread]) {
            values.push(value / face.side);
        }
    }
    let [x, y, spread] = all.map(|mut values| {
        values.sort_by(f32::total_cmp);
        values.get(values.len() / 2).copied().unwrap_or_default()
    });
    Ok(Offset { x, y, spread })
}

/// The square of the face that the keypoints tell.
fn told(face: &DetectedFace, offset: &Offset) -> Square {
    let (x, y, spread) = extent(face);
    let side = spread / offset.spread.max(f32::MIN_POSITIVE);
    Square { x: x - offset.x * side, y: y - offset.y * side, side }
}

fn is_on(told: &Square, truth: &Square) -> bool {
    let distance = (told.x - truth.x).hypot(told.y - truth.y);
    let ratio = told.side / truth.side;
    distance < NEAR * truth.side && (1.0 / ALIKE..=ALIKE).contains(&ratio)
}

/// Measures all sizes, and frames without a face; `drawn` gets the last frame of some scenes.
pub fn all(
    tracker: &mut FaceTracker,
    portraits: &[Portrait],
    offset: &Offset,
    shares: &[f32],
    (count, seed): (usize, u64),
    drawn: &mut Vec<RgbImage>,
    notice: &mut dyn FnMut(&str),
) -> Result<Vec<Row>> {
    let mut rows = Vec::new();
    for (s, share) in shares.iter().copied().enumerate() {
        let began = Instant::now();
        let mut row = Row { share, n: count, ..Row::default() };
        let share = (share > 0.0).then_some(share);
        for i in 0..count {
            // Each scene has a seed of its own: fewer of them are the first of many.
            let size = share.map_or(0, |share| (share * 1000.0) as u64);
            let mut chance = Chance::new(seed << 32 | size << 16 | i as u64);
            let portrait = &portraits[i % portraits.len()];
            scene(tracker, (portrait, portraits, share), offset, &mut chance, &mut row, drawn)?;
            if i >= DRAWN {
                drawn.pop();
            }
        }
        row.mean_ms /= (count * FRAMES) as f64;
        notice(&format!("{}/{} sizes, {:.0} s", s + 1, shares.len(), began.elapsed().as_secs_f64()));
        rows.push(row);
    }
    Ok(rows)
}

fn scene(
    tracker: &mut FaceTracker,
    (portrait, others, share): (&Portrait, &[Portrait], Option<f32>),
    offset: &Offset,
    chance: &mut Chance,
    row: &mut Row,
    drawn: &mut Vec<RgbImage>,
) -> Result<()> {
    tracker.reset();
    let background = scene::clutter(chance, others);
    let first = share.map(|share| scene::place(chance, share));
    let places = first.map(|first| scene::drift(chance, first, FRAMES));
    let (mut found, mut wrong) = (None, false);
    let mut last = None;
    for i in 0..FRAMES {
        let mut frame = background.clone();
        let truth = places.as_ref().map(|p| p[i]);
        if let Some(at) = truth {
            scene::paste(&mut frame, portrait, at);
        }
        scene::noise(&mut frame, chance);
        let began = Instant::now();
        let face = tracker.track(&frame, INTERVAL * i as u32)?.face;
        let took = began.elapsed().as_secs_f64() * 1e3;
        row.slowest_ms = row.slowest_ms.max(took);
        row.mean_ms += took;
        let told = face.as_ref().map(|face| told(face, offset));
        if let Some(told) = &told {
            let right = truth.is_some_and(|truth| is_on(told, &truth));
            wrong |= !right;
            if right && found.is_none() {
                found = Some(i);
            }
        }
        last = Some((frame, told, truth));
    }
    if first.is_some() && last.as_ref().is_some_and(|(_, told, _)| told.is_some()) {
        row.left += 1;
        let mut kept = false;
        for i in FRAMES..2 * FRAMES {
            let mut frame = background.clone();
            scene::noise(&mut frame, chance);
            kept = tracker.track(&frame, INTERVAL * i as u32)?.face.is_some();
        }
        row.kept += usize::from(kept);
    }
    row.at_once += usize::from(found == Some(0));
    row.found += usize::from(found.is_some());
    row.wrong += usize::from(wrong);
    if let Some((mut frame, told, truth)) = last {
        for (square, colour) in [(truth, Rgb([0, 255, 0])), (told, Rgb([255, 0, 0]))] {
            if let Some(square) = square {
                outline(&mut frame, &square, colour);
            }
        }
        drawn.push(imageops::resize(&frame, 320, 240, imageops::FilterType::Triangle));
    }
    Ok(())
}

fn outline(frame: &mut RgbImage, square: &Square, colour: Rgb<u8>) {
    let half = square.side / 2.0;
    for step in 0..=(4.0 * square.side) as u32 {
        let along = step as f32 / 4.0 - half;
        for (dx, dy) in [(along, -half), (along, half), (-half, along), (half, along)] {
            for thick in 0..3 {
                let (x, y) = (square.x + dx + thick as f32, square.y + dy + thick as f32);
                if x >= 0.0 && y >= 0.0 && (x as u32) < frame.width() && (y as u32) < frame.height() {
                    frame.put_pixel(x as u32, y as u32, colour);
                }
            }
        }
    }
}

/// The rows as Markdown.
pub fn table(rows: &[Row]) -> String {
    let mut text = format!(
        "| face over frame height | found at once | within {FRAMES} frames | claimed elsewhere | still claimed {FRAMES} frames after it left | n | ms a frame, mean | slowest |\n\
         |---|---|---|---|---|---|---|---|\n"
    );
    for row in rows {
        let percent = |count: usize| format!("{:.0} %", 100.0 * count as f64 / row.n.max(1) as f64);
        let (share, at_once, found, kept) = if row.share > 0.0 {
            let kept = format!("{:.0} % of {}", 100.0 * row.kept as f64 / row.left.max(1) as f64, row.left);
            (format!("{:.0} %", 100.0 * row.share), percent(row.at_once), percent(row.found), kept)
        } else {
            ("no face".into(), "-".into(), "-".into(), "-".into())
        };
        let _ = writeln!(
            text,
            "| {share} | {at_once} | {found} | {} | {kept} | {} | {:.1} | {:.1} |",
            percent(row.wrong),
            row.n,
            row.mean_ms,
            row.slowest_ms
        );
    }
    text
}

/// The pictures in rows of ten.
pub fn contact_sheet(pictures: &[RgbImage]) -> RgbImage {
    let columns = DRAWN as u32;
    let (width, height) = pictures.first().map_or((1, 1), RgbImage::dimensions);
    let rows = (pictures.len() as u32).div_ceil(columns);
    let mut sheet = RgbImage::new(width * columns, height * rows.max(1));
    for (i, picture) in (0..).zip(pictures) {
        let (x, y) = (i % columns * width, i / columns * height);
        imageops::replace(&mut sheet, picture, i64::from(x), i64::from(y));
    }
    sheet
}
