//! The driver's neutral face, found by itself: the first one seen, then by and by the one that the first seconds keep coming
//! back to, the earlier the more, with its mouth shut. People look into a camera before they begin.

use std::collections::VecDeque;
use std::time::Duration;

use lkg_bundle::Manifest;
use lkg_bundle::manifest::Expression;

use crate::frame::DetectedFace;
use crate::vision::crop::Crop;
use crate::vision::face_layout::FaceLayout;

/// For how long after the first face others are compared.
pub const SOUGHT: Duration = Duration::from_millis(3500);
/// Most faces that are compared.
const MOST: usize = 120;
/// Every so many faces the neutral one is chosen anew.
const EVERY: usize = 8;
/// Faces alike are within about this much of the median distance between two of them.
const ALIKE: f32 = 0.3;
/// After how long a face counts 1/e of the first one, in seconds.
const FADES: f32 = 2.0;
/// Natural logarithm of how much less a face counts that is at the other end of an expression which begins at rest.
const EXPRESSIVE: f32 = 3.0;
/// Part of an expression's range that its rest is at most away from where it begins, to begin at rest.
const AT_REST: f32 = 0.15;
/// Share of the faces that the neutral one is the mean of.
const CALM: f32 = 0.1;
/// How long the neutral face takes towards a calmer one, in seconds.
const EASES: f32 = 0.4;
/// For how long faces are kept that a user can take as neutral.
const RECENT: Duration = Duration::from_millis(500);
/// A driver's face as it is measured: in the upright square that frames it.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Pose {
    /// Keypoints in normalised coordinates of `crop`.
    pub keypoints: Vec<[f32; 2]>,
    /// How far each keypoint can be trusted, 0 to 1.
    pub confidence: Vec<f32>,
    /// `K S` numbers, none where the bundle reads no states.
    pub states: Vec<f32>,
    /// Middle and side of the square, in pixels of the driver's picture.
    pub square: [f32; 3],
}

impl Pose {
    /// That of `face`; keeps its room.
    pub fn measure(&mut self, face: &DetectedFace, layout: &FaceLayout) {
        let crop = layout.upright(&face.keypoints);
        self.square = [crop.cx, crop.cy, crop.side];
        self.keypoints.clear();
        self.keypoints.extend(face.keypoints.iter().map(|k| crop.to_network([k.x, k.y])));
        self.confidence.clear();
        self.confidence.extend(face.keypoints.iter().map(|k| k.confidence));
        self.states.clear();
        self.states.extend_from_slice(&face.states);
    }

    /// The square.
    pub fn crop(&self) -> Crop {
        let [cx, cy, side] = self.square;
        Crop { cx, cy, side, angle: 0.0 }
    }

    fn values(&self) -> impl Iterator<Item = f32> {
        self.keypoints.as_flattened().iter().chain(&self.confidence).chain(&self.states).copied()
    }

    fn values_mut(&mut self) -> impl Iterator<Item = &mut f32> {
        let numbers = self.keypoints.as_flattened_mut().iter_mut().chain(&mut self.confidence);
        numbers.chain(&mut self.states).chain(&mut self.square)
    }

    /// Mean square difference of states from those of `other`; of keypoints where there are none.
    fn square_distance(&self, other: &Pose) -> f32 {
        let of = |a: &[f32], b: &[f32]| {
            a.iter().zip(b).map(|(a, b)| (a - b).powi(2)).sum::<f32>() / a.len().max(1) as f32
        };
        match self.states.is_empty() {
            true => of(self.keypoints.as_flattened(), other.keypoints.as_flattened()),
            false => of(&self.states, &other.states),
        }
    }

    /// The mean of `poses`, of which there must be one.
    fn mean<'a>(poses: impl Iterator<Item = &'a Pose>) -> Option<Self> {
        let mut poses = poses.peekable();
        let mut sum = (*poses.peek()?).clone();
        sum.values_mut().for_each(|v| *v = 0.0);
        let mut n = 0.0;
        for pose in poses {
            let all = pose.values().chain(pose.square);
            sum.values_mut().zip(all).for_each(|(sum, v)| *sum += v);
            n += 1.0;
        }
        sum.values_mut().for_each(|v| *v /= n);
        Some(sum)
    }

    /// Moves `share` of the way to `other`.
    fn approach(&mut self, other: &Pose, share: f32) {
        let to = other.values().chain(other.square);
        self.values_mut().zip(to).for_each(|(now, to)| *now += (to - *now) * share);
    }
}

/// Finds the neutral face.
#[derive(Clone, Debug)]
pub(super) struct NeutralFinder {
    layout: FaceLayout,
    expressions: Vec<Expression>,
    first: Option<Duration>,
    last: Duration,
    /// Faces of the first seconds, and when each was seen.
    candidates: Vec<(Duration, Pose)>,
    since: usize,
    recent: VecDeque<(Duration, Pose)>,
    /// What the neutral face moves to.
    wanted: Option<Pose>,
    current: Option<Pose>,
    /// Whether it stays what it is: it was taken, or the seconds are over.
    settled: bool,
    /// Room of poses that are too old.
    spare: Vec<Pose>,
}

impl NeutralFinder {
    /// For the faces of a bundle.
    pub fn new(manifest: &Manifest) -> Self {
        Self {
            layout: FaceLayout::new(manifest),
            expressions: manifest.expressions.clone(),
            first: None,
            last: Duration::ZERO,
            candidates: Vec::new(),
            since: 0,
            recent: VecDeque::new(),
            wanted: None,
            current: None,
            settled: false,
            spare: Vec::new(),
        }
    }

    /// The neutral face, once a face was seen.
    pub fn current(&self) -> Option<&Pose> {
        self.current.as_ref()
    }

    /// Takes `face`, for instance that of a picture: only where its parts lie in its square counts, not where the square is.
    pub fn set(&mut self, face: &DetectedFace) {
        let mut pose = Pose::default();
        pose.measure(face, &self.layout);
        // The square is taken from the first face that is seen.
        pose.square = [0.0; 3];
        (self.current, self.settled) = (Some(pose), true);
    }

    /// Looks at a face of the first seconds before it is driven with.
    pub fn look_ahead(&mut self, face: &DetectedFace, time: Duration) {
        let first = *self.first.get_or_insert(time);
        if !self.settled && time.saturating_sub(first) <= SOUGHT && self.candidates.len() < MOST {
            let mut pose = Pose::default();
            pose.measure(face, &self.layout);
            self.candidates.push((time, pose));
        }
    }

    /// Ends looking ahead: what was seen tells the neutral face.
    pub fn settle(&mut self) {
        if self.settled {
            return;
        }
        if let Some(calm) = self.calm() {
            (self.current, self.settled) = (Some(calm), true);
            self.candidates.clear();
        }
    }

    /// Takes the driver's face `pose` at `time`. The first one is neutral at once.
    pub fn add(&mut self, pose: &Pose, time: Duration) {
        self.remember(pose, time);
        let passed = time.saturating_sub(self.last).as_secs_f32();
        self.last = time;
        let current = self.current.get_or_insert_with(|| pose.clone());
        if current.square[2] <= 0.0 {
            current.square = pose.square;
        }
        if let Some(wanted) = &self.wanted {
            current.approach(wanted, 1.0 - (-passed / EASES).exp());
        }
        if self.settled {
            return;
        }
        let first = *self.first.get_or_insert(time);
        if time.saturating_sub(first) > SOUGHT || self.candidates.len() >= MOST {
            self.wanted = self.calm().or(self.wanted.take());
            self.settled = true;
            self.candidates = Vec::new();
            return;
        }
        self.candidates.push((time, pose.clone()));
        self.since += 1;
        if self.since >= EVERY {
            self.since = 0;
            self.wanted = self.calm();
        }
    }

    /// Takes what the driver did in the last half second. False where there was no face.
    pub fn take(&mut self) -> bool {
        let Some(pose) = Pose::mean(self.recent.iter().map(|(_, pose)| pose)) else { return false };
        (self.current, self.wanted, self.settled) = (Some(pose), None, true);
        true
    }

    /// Keeps a pose in the room of one that is too old.
    fn remember(&mut self, pose: &Pose, time: Duration) {
        if self.recent.back().is_some_and(|(last, _)| *last > time) {
            self.spare.extend(self.recent.drain(..).map(|(_, pose)| pose));
        }
        while self.recent.front().is_some_and(|(at, _)| time.saturating_sub(*at) > RECENT) {
            self.spare.extend(self.recent.pop_front().map(|(_, pose)| pose));
        }
        let mut kept = self.spare.pop().unwrap_or_default();
        kept.keypoints.clone_from(&pose.keypoints);
        kept.confidence.clone_from(&pose.confidence);
        kept.states.clone_from(&pose.states);
        kept.square = pose.square;
        self.recent.push_back((time, kept));
    }

    /// The mean of the candidates that most others are like, early ones and those at rest counting more.
    fn calm(&self) -> Option<Pose> {
        let first = self.candidates.first()?.0;
        let poses = || self.candidates.iter().map(|(_, pose)| pose);
        let n = self.candidates.len();
        let distances: Vec<f32> = poses().flat_map(|a| poses().map(|b| a.square_distance(b))).collect();
        let mut unordered = distances.clone();
        let (_, median, _) = unordered.select_nth_unstable_by(n * n / 2, f32::total_cmp);
        let alike = ALIKE * ALIKE * median.max(f32::MIN_POSITIVE);
        let early: Vec<f32> = self
            .candidates
            .iter()
            .map(|(time, _)| (-time.saturating_sub(first).as_secs_f32() / FADES).exp())
            .collect();
        let expressive = self.expressive();
        let score = |row: &[f32], expressive: f32| {
            let likes = row.iter().zip(&early).map(|(square, early)| early * (-square / (2.0 * alike)).exp());
            likes.sum::<f32>() * (-EXPRESSIVE * expressive).exp()
        };
        let scores = distances.chunks(n).zip(expressive).map(|(row, expressive)| score(row, expressive));
        let mut best: Vec<(f32, &Pose)> = scores.zip(poses()).collect();
        best.sort_by(|a, b| b.0.total_cmp(&a.0));
        best.truncate(((n as f32 * CALM).ceil() as usize).max(1));
        Pose::mean(best.into_iter().map(|(_, pose)| pose))
    }

    /// How far each candidate is from the calmest of them in expressions that begin at rest, over their ranges: a mouth is
    /// shut at rest, however readings differ between people.
    fn expressive(&self) -> Vec<f32> {
        let mut sums = vec![0.0; self.candidates.len()];
        for e in &self.expressions {
            let range = e.range[1] - e.range[0];
            if (e.rest - e.range[0]).abs() > AT_REST * range {
                continue;
            }
            let read = || self.candidates.iter().map(|(_, pose)| e.read(&pose.states));
            let least = read().fold(f32::INFINITY, f32::min);
            sums.iter_mut().zip(read()).for_each(|(sum, read)| *sum += (read - least) / range);
        }
        sums
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::frame::DetectedKeypoint;
    use crate::vision::testing::manifest;

    /// Two keypoints and one state each, of which the first is how far a mouth is open.
    fn face(open: f32, shift: f32) -> DetectedFace {
        let at = |x: f32| DetectedKeypoint { x: x + shift, y: 100.0, confidence: 1.0 };
        let keypoints = vec![at(75.0), at(125.0)];
        DetectedFace { keypoints, states: vec![open, 0.0], ..DetectedFace::default() }
    }

    fn with_mouth() -> Manifest {
        let mouth = Expression {
            name: "mouth-open".to_owned(),
            range: [0.0, 1.0],
            rest: 0.0,
            bias: 0.0,
            weights: vec![vec![1.0], vec![0.0]],
            states: vec![vec![1.0], vec![0.0]],
            keypoints: vec![[0.0; 2]; 2],
        };
        Manifest { expressions: vec![mouth], ..manifest(2) }
    }

    fn play(finder: &mut NeutralFinder, faces: impl Iterator<Item = DetectedFace>, first: u64) {
        let mut pose = Pose::default();
        for (i, face) in faces.enumerate() {
            pose.measure(&face, &finder.layout.clone());
            finder.add(&pose, Duration::from_millis(33 * (first + i as u64)));
        }
    }

    fn open(finder: &NeutralFinder) -> f32 {
        finder.current().unwrap().states[0]
    }

    #[test]
    fn the_first_face_is_neutral_until_a_better_one_is_known_and_the_change_is_smooth() {
        let mut finder = NeutralFinder::new(&with_mouth());
        assert!(finder.current().is_none());
        play(&mut finder, std::iter::once(face(0.8, 0.0)), 0);
        assert_eq!(open(&finder), 0.8);
        let mut last = 0.8;
        for i in 1..150u64 {
            // Speaks, and closes the mouth now and then.
            let talking = if i % 3 == 0 { 0.05 } else { 0.6 };
            play(&mut finder, std::iter::once(face(talking, 0.0)), i);
            assert!((open(&finder) - last).abs() < 0.1, "frame {i}: {last} to {}", open(&finder));
            last = open(&finder);
        }
        assert!(last < 0.1, "{last}");
        // It stays what it is from then on.
        play(&mut finder, (0..60).map(|_| face(-0.5, 0.0)), 150);
        assert!((open(&finder) - last).abs() < 1e-3);
    }

    #[test]
    fn without_expressions_what_is_usual_is_neutral() {
        let mut finder = NeutralFinder::new(&manifest(2));
        play(&mut finder, (0..150).map(|i| face(if i % 5 == 0 { 0.9 } else { 0.2 }, 0.0)), 0);
        assert!((open(&finder) - 0.2).abs() < 0.02, "{}", open(&finder));
    }

    #[test]
    fn what_lies_ahead_is_known_from_the_first_frame() {
        let mut finder = NeutralFinder::new(&with_mouth());
        for i in 0..60u64 {
            finder.look_ahead(&face(if i > 40 { 0.0 } else { 0.7 }, 0.0), Duration::from_millis(33 * i));
        }
        finder.settle();
        assert!(open(&finder) < 0.05);
        play(&mut finder, std::iter::once(face(0.7, 0.0)), 0);
        assert!(open(&finder) < 0.05);
    }

    #[test]
    fn one_that_is_taken_or_given_stays() {
        let mut finder = NeutralFinder::new(&with_mouth());
        assert!(!finder.take());
        play(&mut finder, (0..30).map(|_| face(0.4, 0.0)), 0);
        assert!(finder.take());
        play(&mut finder, (0..150).map(|_| face(0.0, 0.0)), 30);
        assert!((open(&finder) - 0.4).abs() < 1e-4);
        let mut finder = NeutralFinder::new(&with_mouth());
        finder.set(&face(0.3, 500.0));
        play(&mut finder, (0..150).map(|_| face(0.0, 0.0)), 0);
        assert_eq!(open(&finder), 0.3);
        let square = finder.current().unwrap().square;
        assert!((square[0] - 100.0).abs() < 1e-3, "the square is the driver's: {square:?}");
    }

    #[test]
    fn a_face_that_comes_first_is_neutral_though_another_stays_longer() {
        // A clip as they are made for this: at rest for half a second, then a grin that is held.
        let mut finder = NeutralFinder::new(&with_mouth());
        for i in 0..90u64 {
            finder.look_ahead(&face(if i < 15 { 0.1 } else { 0.7 }, 0.0), Duration::from_millis(33 * i));
        }
        finder.settle();
        assert!((open(&finder) - 0.1).abs() < 0.02, "{}", open(&finder));
    }
}
