//! Jitter and lag of keypoints in a clip, as detected and filtered: from what `runtime webcam --keypoints` wrote with
//! and without `--no-smooth`.

use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};

/// Frames of a stretch.
pub const STRETCH: usize = 15;
/// Moving stretches begin this many frames apart, so that they overlap by two thirds.
const STEP: usize = 5;
/// Farthest shift that is tried, in frames, back and forth.
const SHIFTS: i32 = 8;

/// A clip's keypoints, frame by frame.
#[derive(Clone, Debug, Default)]
pub struct Track {
    /// Seconds.
    times: Vec<f64>,
    /// Mean absolute difference of the picture from the frame before, where the face is.
    change: Vec<Option<f64>>,
    /// x and y of each keypoint in pixels; `None` where there was no face.
    points: Vec<Option<Vec<f64>>>,
}

/// What is read of one line.
#[derive(Deserialize)]
struct Line {
    time: f64,
    change: Option<f64>,
    faces: Vec<Face>,
}

#[derive(Deserialize)]
struct Face {
    keypoints: Vec<[f64; 3]>,
}

/// Jitter of one track.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Jitter {
    /// Standard deviation of a coordinate in pixels, root mean square over keypoints and x, y.
    pub deviation: f64,
    /// The same with the motion of constant speed taken out: what is left when the head is not quite still.
    pub about_trend: f64,
    /// The same from frame to frame over the whole clip: root mean square of the second differences over the square root
    /// of 6, which is the deviation of independent errors and takes out all smooth motion.
    pub frame_to_frame: f64,
}

/// What the two tracks show.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct MotionReport {
    /// Frames of the clip.
    pub frames: usize,
    /// Frames with a face in both.
    pub faces: usize,
    /// First frame of the stillest stretch of [`STRETCH`] frames, and its mean change of the picture (0 to 255).
    pub still: (usize, f64),
    /// Jitter there, as detected.
    pub raw: Jitter,
    /// Jitter there, filtered.
    pub filtered: Jitter,
    /// How far the filtered track lies behind in milliseconds: the median over moving stretches.
    pub lag_ms: f64,
    /// Smallest and largest of them.
    pub lag_range_ms: [f64; 2],
    /// Moving stretches: the half of all stretches in which keypoints range farthest.
    pub moving: usize,
}

impl Track {
    /// Reads JSON Lines of `runtime webcam --keypoints`.
    ///
    /// # Errors
    /// [`Error::Io`] or [`Error::Data`] naming the line that does not parse.
    pub fn read(path: &Path) -> Result<Self> {
        let text = std::fs::read_to_string(path).map_err(Error::io(path))?;
        let fail = |i: usize, reason: &dyn std::fmt::Display| Error::Data {
            path: path.to_owned(),
            reason: format!("line {}: {reason}", i + 1),
        };
        let mut track = Self::default();
        for (i, line) in text.lines().enumerate() {
            let line: Line = serde_json::from_str(line).map_err(|e| fail(i, &e))?;
            track.times.push(line.time);
            track.change.push(line.change);
            let points =
                line.faces.first().map(|f| f.keypoints.iter().flat_map(|[x, y, _]| [*x, *y]).collect());
            track.points.push(points);
        }
        let lengths = track.points.iter().flatten().map(Vec::len);
        if lengths.clone().max() != lengths.min() {
            return Err(fail(0, &"not the same number of keypoints in every line"));
        }
        Ok(track)
    }

    /// Coordinates of the frames from `first` on, one row a coordinate; `None` if there is not a face in each.
    fn stretch(&self, first: usize, n: usize) -> Option<Vec<Vec<f64>>> {
        let frames: Option<Vec<&Vec<f64>>> =
            self.points.get(first..first + n)?.iter().map(Option::as_ref).collect();
        let frames = frames?;
        let width = frames.first()?.len();
        Some((0..width).map(|c| frames.iter().map(|f| f[c]).collect()).collect())
    }
}

/// Compares what was detected with what the filter made of it.
///
/// # Errors
/// [`Error::Incomparable`] if the two don't go together or hold no stretch with a face.
pub fn compare(raw: &Track, filtered: &Track) -> Result<MotionReport> {
    let n = raw.times.len();
    if n != filtered.times.len() || raw.times != filtered.times {
        return Err(Error::Incomparable(
            "the two files are not of the same frames: write both from one clip".into(),
        ));
    }
    let both = |first: usize| Some((raw.stretch(first, STRETCH)?, filtered.stretch(first, STRETCH)?));
    let starts = || 0..(n + 1).saturating_sub(STRETCH);
    let still = starts()
        .filter(|first| both(*first).is_some())
        .filter_map(|first| {
            // The first frame's change is from the one before the stretch.
            let change: Option<Vec<f64>> = raw.change[first + 1..first + STRETCH].iter().copied().collect();
            Some((first, mean(&change?)))
        })
        .min_by(|a, b| a.1.total_cmp(&b.1));
    let none =
        || Error::Incomparable(format!("no {STRETCH} frames in a row with a face: take a longer clip"));
    let (first, change) = still.ok_or_else(none)?;
    let (raw_still, filtered_still) = both(first).ok_or_else(none)?;

    let mut lags: Vec<f64> = moving(raw).into_iter().filter_map(|first| lag(raw, filtered, first)).collect();
    lags.sort_by(f64::total_cmp);
    let interval = 1e3 * interval(&raw.times);
    let at = |i: usize| lags.get(i).map_or(f64::NAN, |lag| lag * interval);
    let middle = lags.len() / 2;
    let median = if lags.len().is_multiple_of(2) {
        (at(middle.saturating_sub(1)) + at(middle)) / 2.0
    } else {
        at(middle)
    };
    let faces = raw.points.iter().zip(&filtered.points).filter(|(a, b)| a.is_some() && b.is_some()).count();
    Ok(MotionReport {
        frames: n,
        faces,
        still: (first, change),
        raw: jitter(&raw_still, raw),
        filtered: jitter(&filtered_still, filtered),
        lag_ms: median,
        lag_range_ms: [at(0), at(lags.len().saturating_sub(1))],
        moving: lags.len(),
    })
}

fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len().max(1) as f64
}

/// Median time from one frame to the next, in seconds.
fn interval(times: &[f64]) -> f64 {
    let mut steps: Vec<f64> = times.windows(2).map(|w| w[1] - w[0]).collect();
    steps.sort_by(f64::total_cmp);
    steps.get(steps.len() / 2).copied().unwrap_or(f64::NAN)
}

fn jitter(rows: &[Vec<f64>], whole: &Track) -> Jitter {
    let rms = |squares: Vec<f64>| mean(&squares).sqrt();
    let plain = rows.iter().map(|row| square_about(row, 0.0)).collect();
    let detrended = rows.iter().map(|row| square_about(row, slope(row))).collect();
    let triples = (0..whole.times.len()).filter_map(|first| whole.stretch(first, 3));
    let bends = triples.flatten().map(|v| (v[0] - 2.0 * v[1] + v[2]).powi(2) / 6.0).collect();
    Jitter { deviation: rms(plain), about_trend: rms(detrended), frame_to_frame: rms(bends) }
}

/// Variance of `row` about a line of this slope through its mean.
fn square_about(row: &[f64], slope: f64) -> f64 {
    let (m, middle) = (mean(row), (row.len() as f64 - 1.0) / 2.0);
    let squares: Vec<f64> =
        row.iter().enumerate().map(|(i, v)| (v - m - slope * (i as f64 - middle)).powi(2)).collect();
    mean(&squares)
}

/// Slope of the line of least squares, a frame.
fn slope(row: &[f64]) -> f64 {
    let (m, middle) = (mean(row), (row.len() as f64 - 1.0) / 2.0);
    let along = |i: usize| i as f64 - middle;
    let product: f64 = row.iter().enumerate().map(|(i, v)| along(i) * (v - m)).sum();
    product / (0..row.len()).map(|i| along(i).powi(2)).sum::<f64>().max(f64::MIN_POSITIVE)
}

/// First frames of those stretches, [`STEP`] frames apart, in which keypoints range farthest: the upper half.
fn moving(raw: &Track) -> Vec<usize> {
    let starts = (0..raw.times.len()).step_by(STEP);
    let mut ranges: Vec<(f64, usize)> = starts
        .filter_map(|first| {
            let rows = raw.stretch(first, STRETCH)?;
            let ranges: Vec<f64> = rows.iter().map(|row| square_about(row, 0.0)).collect();
            Some((mean(&ranges), first))
        })
        .collect();
    ranges.sort_by(|a, b| b.0.total_cmp(&a.0));
    ranges.truncate(ranges.len().div_ceil(2));
    ranges.into_iter().map(|(_, first)| first).collect()
}

/// How many frames the filtered track lies behind in the stretch from `first` on: the shift at which it correlates best
/// with the raw one, all coordinates together, with a parabola through the best and its neighbours. `None` where the
/// stretch's neighbours have no face, or the best shift is the farthest.
fn lag(raw: &Track, filtered: &Track, first: usize) -> Option<f64> {
    let before = raw.stretch(first, STRETCH)?;
    let correlation = |shift: i32| -> Option<f64> {
        let from = usize::try_from(i64::try_from(first).ok()? + i64::from(shift)).ok()?;
        let after = filtered.stretch(from, STRETCH)?;
        let (mut ab, mut aa, mut bb) = (0.0, 0.0, 0.0);
        for (a, b) in before.iter().zip(&after) {
            let (ma, mb) = (mean(a), mean(b));
            for (a, b) in a.iter().zip(b) {
                ab += (a - ma) * (b - mb);
                aa += (a - ma).powi(2);
                bb += (b - mb).powi(2);
            }
        }
        (aa > 0.0 && bb > 0.0).then(|| ab / (aa * bb).sqrt())
    };
    let best = (-SHIFTS..=SHIFTS)
        .filter_map(|shift| Some((shift, correlation(shift)?)))
        .max_by(|a, b| a.1.total_cmp(&b.1))?;
    let (low, high) = (correlation(best.0 - 1)?, correlation(best.0 + 1)?);
    let bend = low - 2.0 * best.1 + high;
    let peak = if bend < 0.0 { 0.5 * (low - high) / bend } else { 0.0 };
    (best.0.abs() < SHIFTS).then(|| f64::from(best.0) + peak)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Two keypoints: 60 frames of motion, then 20 at rest with a jitter of `shake` pixels, then 40 of motion.
    fn track(delay: f64, shake: f64) -> Track {
        let mut track = Track::default();
        for i in 0..120 {
            let t = f64::from(i);
            let rest = (60..80).contains(&i);
            let at = if rest { 0.0 } else { 30.0 * ((t - delay) * 0.35).sin() };
            let wobble = if i % 2 == 0 { shake } else { -shake };
            track.times.push(t / 30.0);
            // From the frame before, so the first at rest has changed.
            let still = rest && i > 60;
            track.change.push((i > 0).then_some(if still { 1.0 } else { 9.0 }));
            track.points.push(Some(vec![100.0 + at + wobble, 50.0 - wobble, 140.0 + at, 50.0]));
        }
        track
    }

    #[test]
    fn jitter_is_that_of_the_still_stretch() {
        let report = compare(&track(0.0, 2.0), &track(0.0, 0.5)).unwrap();
        assert!((60..=65).contains(&report.still.0) && report.still.1 == 1.0, "{report:?}");
        // Two of four coordinates shake by 2, up and down: sqrt(2 * 4 / 4).
        assert!((report.raw.deviation - 1.414).abs() < 0.02, "{report:?}");
        assert!((report.raw.deviation / report.filtered.deviation - 4.0).abs() < 0.01, "{report:?}");
        assert_eq!((report.frames, report.faces), (120, 120));
        // Up and down by turns bends by four times the shake: 4 / sqrt(6) of 1.414, and the motion adds some.
        let (raw, filtered) = (report.raw.frame_to_frame, report.filtered.frame_to_frame);
        assert!(raw > 2.3 && filtered > 0.57 && raw < 2.9 && filtered < raw, "{report:?}");
    }

    #[test]
    fn lag_is_told_to_a_part_of_a_frame() {
        for delay in [0.0, 1.0, 2.4] {
            let report = compare(&track(0.0, 0.0), &track(delay, 0.0)).unwrap();
            assert!((report.lag_ms - delay * 1000.0 / 30.0).abs() < 4.0, "{delay} {report:?}");
            assert!(report.moving >= 3);
        }
    }

    #[test]
    fn motion_of_constant_speed_is_no_jitter_about_the_trend() {
        let row: Vec<f64> = (0..15).map(|i| 3.0 + 0.5 * f64::from(i)).collect();
        let j = jitter(&[row], &Track::default());
        assert!(j.deviation > 2.0 && j.about_trend < 1e-9, "{j:?}");
    }

    #[test]
    fn files_that_do_not_go_together_are_refused() {
        let (raw, mut short) = (track(0.0, 1.0), track(0.0, 1.0));
        short.times.pop();
        assert!(compare(&raw, &short).unwrap_err().to_string().contains("same frames"));
        let mut faceless = raw.clone();
        faceless.points.iter_mut().step_by(10).for_each(|p| *p = None);
        assert!(compare(&faceless, &raw).unwrap_err().to_string().contains("longer clip"));
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("k.jsonl");
        std::fs::write(&path, "{\"frame\":0,\"time\":0.0,\"change\":null,\"faces\":[]}\nx\n").unwrap();
        assert!(Track::read(&path).unwrap_err().to_string().contains("line 2"));
    }
}
