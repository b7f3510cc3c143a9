//! What counts as the driver's neutral face.

use std::collections::VecDeque;
use std::time::Duration;

use crate::frame::DetectedFace;
use crate::vision::crop::Crop;

/// For how long a face must be steady.
const STEADY: Duration = Duration::from_secs(1);
/// After how long the last second is taken, steady or not.
const PATIENCE: Duration = Duration::from_secs(2);
/// Mean standard deviation of the keypoints below which a face is steady, over the side of its square.
const STILL: f32 = 0.02;

/// A driver's neutral face.
#[derive(Clone, Debug, PartialEq)]
pub struct Neutral {
    /// Keypoints in normalised coordinates of `crop`.
    pub keypoints: Vec<[f32; 2]>,
    /// The square that frames it.
    pub crop: Crop,
}

/// Waits for a steady second.
#[derive(Clone, Debug, Default)]
pub struct Calibration {
    seen: VecDeque<(Duration, Vec<[f32; 2]>, Crop)>,
    since: Option<Duration>,
}

impl Calibration {
    /// Takes a face, seen at `time` in `crop`; gives the neutral face once it is known. A face that was lost
    /// in between, or time that ran backwards, begins anew.
    pub fn add(&mut self, face: Option<&DetectedFace>, crop: &Crop, time: Duration) -> Option<Neutral> {
        let Some(face) = face else {
            *self = Self::default();
            return None;
        };
        if self.seen.back().is_some_and(|(last, ..)| *last > time) {
            *self = Self::default();
        }
        let since = *self.since.get_or_insert(time);
        self.seen.push_back((time, face.keypoints.iter().map(|k| [k.x, k.y]).collect(), *crop));
        // One that is a second old or older stays, so that the window is a whole second.
        while self.seen.get(1).is_some_and(|(at, ..)| time - *at >= STEADY) {
            self.seen.pop_front();
        }
        let whole = self.seen.front().is_some_and(|(at, ..)| time - *at >= STEADY);
        (whole && (self.is_steady() || time - since >= PATIENCE)).then(|| self.neutral()).flatten()
    }

    /// The neutral face that what was seen last makes, steady or not; `None` if nothing was.
    pub fn neutral(&self) -> Option<Neutral> {
        let n = self.seen.len() as f32;
        let (_, first, _) = self.seen.front()?;
        let of = |get: fn(&Crop) -> f32| self.seen.iter().map(|(_, _, c)| get(c)).sum::<f32>() / n;
        let crop = Crop { cx: of(|c| c.cx), cy: of(|c| c.cy), side: of(|c| c.side), angle: 0.0 };
        let mean = |i: usize| {
            let of = |axis: usize| {
                self.seen.iter().filter_map(|(_, k, _)| k.get(i)).map(|k| k[axis]).sum::<f32>() / n
            };
            crop.to_network([of(0), of(1)])
        };
        Some(Neutral { keypoints: (0..first.len()).map(mean).collect(), crop })
    }

    fn is_steady(&self) -> bool {
        let Some(neutral) = self.neutral() else { return false };
        let mut sum = 0.0;
        for (_, keypoints, _) in &self.seen {
            for (k, mean) in keypoints.iter().zip(&neutral.keypoints) {
                let [x, y] = neutral.crop.to_picture(*mean);
                sum += (k[0] - x).powi(2) + (k[1] - y).powi(2);
            }
        }
        let n = (self.seen.len() * neutral.keypoints.len()).max(1) as f32;
        (sum / n).sqrt() < STILL * neutral.crop.side
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::frame::DetectedKeypoint;

    const CROP: Crop = Crop { cx: 100.0, cy: 100.0, side: 100.0, angle: 0.0 };

    fn face(shift: f32) -> DetectedFace {
        let at = |x, y| DetectedKeypoint { x, y, confidence: 1.0 };
        DetectedFace::new(vec![at(75.0 + shift, 100.0), at(125.0 + shift, 100.0)])
    }

    /// When the neutral face was known, and it.
    fn run(shift: impl Fn(u64) -> f32) -> Option<(u64, Neutral)> {
        let mut calibration = Calibration::default();
        (0..300).find_map(|i| {
            let time = Duration::from_millis(33 * i);
            calibration.add(Some(&face(shift(i))), &CROP, time).map(|n| (33 * i, n))
        })
    }

    #[test]
    fn the_first_steady_second_is_neutral() {
        let (at, neutral) = run(|i| 0.3 * (i % 2) as f32).unwrap();
        assert!((1000..1100).contains(&at));
        assert!((neutral.keypoints[0][0] + 0.5).abs() < 0.01 && neutral.crop == CROP);
        // Half a second of shaking comes first.
        let (at, neutral) = run(|i| if i < 15 { 12.0 * (i % 3) as f32 } else { 10.0 }).unwrap();
        assert!((1300..1600).contains(&at), "{at}");
        assert!((neutral.keypoints[0][0] + 0.3).abs() < 0.06, "{neutral:?}");
    }

    #[test]
    fn without_one_the_last_second_is_taken_in_the_end() {
        let (at, _) = run(|i| 20.0 * (i % 3) as f32).unwrap();
        assert!((2000..2100).contains(&at), "{at}");
    }

    #[test]
    fn a_lost_face_begins_anew() {
        let mut calibration = Calibration::default();
        for i in 0..40 {
            let seen = face(0.0);
            let neutral = calibration.add((i != 20).then_some(&seen), &CROP, Duration::from_millis(33 * i));
            assert_eq!(neutral, None, "{i}");
        }
    }
}
