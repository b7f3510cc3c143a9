//! The driver's neutral face, found by itself: the first one seen, then by and by the calmest of the first seconds.

use std::collections::VecDeque;
use std::time::Duration;

use lkg_bundle::Manifest;

use crate::frame::DetectedFace;
use crate::vision::crop::Crop;
use crate::vision::face_layout::FaceLayout;
use crate::vision::similarity::centre;

/// For how long after the first face calmer ones are sought.
pub const SOUGHT: Duration = Duration::from_millis(3500);
/// Most faces that are compared.
const MOST: usize = 120;
/// Every so many faces the calmest ones are chosen anew.
const EVERY: usize = 8;
/// Squared distance from the median layout, over the median of those distances, beyond which a face was rather seen wrongly.
const MISTAKEN: f32 = 6.0;
/// Share of the other faces that count as calm.
const CALM: f32 = 0.25;
/// How long the neutral face takes towards a calmer one, in seconds.
const EASES: f32 = 0.4;
/// For how long faces are kept that a user can take as neutral.
const RECENT: Duration = Duration::from_millis(500);
/// How far the midlines of a face's pairs may lie apart, in normalised coordinates, to count as much as an expression of half
/// its range.
const TURNED: f32 = 0.06;

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
    manifest: Manifest,
    first: Option<Duration>,
    last: Duration,
    candidates: Vec<Pose>,
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
            manifest: manifest.clone(),
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
            self.candidates.push(pose);
        }
    }

    /// Ends looking ahead: the calmest of what was seen is the neutral face.
    pub fn settle(&mut self) {
        if let Some(calm) = self.calm().filter(|_| !self.settled) {
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
        self.candidates.push(pose.clone());
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

    /// The mean of the calmest candidates.
    fn calm(&self) -> Option<Pose> {
        let median = self.median()?;
        let layout = |pose: &Pose| {
            let points = pose.keypoints.as_flattened().iter().zip(&median);
            points.map(|(v, m)| (v - m).powi(2)).sum::<f32>()
        };
        let distances: Vec<f32> = self.candidates.iter().map(layout).collect();
        let mut sorted = distances.clone();
        sorted.sort_by(f32::total_cmp);
        let most = MISTAKEN * sorted[sorted.len() / 2];
        let kept = self.candidates.iter().zip(distances).filter(|(_, distance)| *distance <= most);
        let mut usual: Vec<(f32, &Pose)> = kept.map(|(pose, _)| (self.cost(pose, &median), pose)).collect();
        usual.sort_by(|a, b| a.0.total_cmp(&b.0));
        usual.truncate(((usual.len() as f32 * CALM).ceil() as usize).max(1));
        Pose::mean(usual.into_iter().map(|(_, pose)| pose))
    }

    /// The median of every number of the candidates.
    fn median(&self) -> Option<Vec<f32>> {
        let length = self.candidates.first()?.values().count();
        let all: Vec<Vec<f32>> = self.candidates.iter().map(|pose| pose.values().collect()).collect();
        let middle = |i: usize| {
            let mut values: Vec<f32> = all.iter().filter_map(|v| v.get(i).copied()).collect();
            values.sort_by(f32::total_cmp);
            values[values.len() / 2]
        };
        Some((0..length).map(middle).collect())
    }

    /// How far a pose is from a face at rest that looks ahead: by the bundle's expressions where it has them, else from the
    /// `median`.
    fn cost(&self, pose: &Pose, median: &[f32]) -> f32 {
        let n = median.len().max(1) as f32;
        let apart: f32 = pose.values().zip(median).map(|(v, m)| (v - m).powi(2)).sum::<f32>() / n;
        let rest = |e: &lkg_bundle::manifest::Expression| {
            let off = (e.read(&pose.states) - e.rest) / (e.range[1] - e.range[0]);
            4.0 * off * off
        };
        let reads = !pose.states.is_empty() && !self.manifest.expressions.is_empty();
        let known: f32 = if reads { self.manifest.expressions.iter().map(rest).sum() } else { 0.0 };
        let turned = self.midlines(&pose.keypoints) / TURNED;
        // Without expressions the median alone says what is usual.
        known + turned * turned + apart * if reads { 1.0 } else { 30.0 }
    }

    /// How far the middles of mirror pairs, and the parts between, lie apart across the face: none where it looks ahead.
    fn midlines(&self, points: &[[f32; 2]]) -> f32 {
        let pairs = &self.manifest.symmetric_pairs;
        let paired = |i: usize| pairs.as_flattened().contains(&i);
        let middles = pairs.iter().filter_map(|[a, b]| {
            let (a, b) = (points.get(*a)?, points.get(*b)?);
            Some([(a[0] + b[0]) / 2.0, (a[1] + b[1]) / 2.0])
        });
        let between = points.iter().enumerate().filter(|(i, _)| !paired(*i)).map(|(_, p)| *p);
        let line: Vec<[f32; 2]> =
            if pairs.is_empty() { Vec::new() } else { middles.chain(between).collect() };
        let n = line.len().max(1) as f32;
        let mean = centre(&line);
        // What a straight line through them leaves: a tilted head is not turned.
        let (mut xy, mut yy) = (0.0, 1e-6);
        for p in &line {
            xy += (p[0] - mean[0]) * (p[1] - mean[1]);
            yy += (p[1] - mean[1]).powi(2);
        }
        let slope = xy / yy;
        let left = |p: &[f32; 2]| (p[0] - mean[0] - slope * (p[1] - mean[1])).powi(2);
        (line.iter().map(left).sum::<f32>() / n).sqrt()
    }
}

#[cfg(test)]
mod tests {
    use lkg_bundle::manifest::Expression;

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
    fn the_first_face_is_neutral_until_a_calmer_one_is_known_and_the_change_is_smooth() {
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
    fn a_face_that_looks_aside_is_not_neutral() {
        let m = Manifest { symmetric_pairs: vec![[0, 1]], ..manifest(3) };
        let finder = NeutralFinder::new(&m);
        let ahead = [[-0.4, -0.1], [0.4, -0.1], [0.0, 0.3]];
        let aside = [[-0.4, -0.1], [0.4, -0.1], [0.2, 0.3]];
        // Two points always lie on a line.
        assert!(finder.midlines(&ahead) < 1e-3);
        let m = Manifest { symmetric_pairs: vec![[0, 1]], ..manifest(4) };
        let finder = NeutralFinder::new(&m);
        let with_chin = |nose: [[f32; 2]; 3]| [nose[0], nose[1], nose[2], [0.02, 0.6]];
        assert!(finder.midlines(&with_chin(aside)) > 2.0 * finder.midlines(&with_chin(ahead)));
    }
}
