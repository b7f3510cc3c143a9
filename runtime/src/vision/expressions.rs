//! Expressions read off a face's states: how far a mouth is open and lids are, whether brows are raised.

use std::time::Duration;

use lkg_bundle::Manifest;
use lkg_bundle::manifest::Expression;

use crate::frame::DetectedFace;

/// Faces among which the usual one is sought.
const KEPT: usize = 240;
/// Time between two of them.
const EVERY: Duration = Duration::from_millis(100);
/// After so many of them the usual face counts as the neutral one; before, by as much as there are of them.
const KNOWN: f32 = 40.0;
/// How far the neutral face moves at once towards what is usual.
const SPEED: f32 = 0.2;
/// How much of a calibration is the latest face: what was seen longer ago counts less and less.
const LATEST: f32 = 0.15;
/// Most that the way between a neutral face and the end of a range is stretched: noise is, too.
const MOST_STRETCH: f32 = 2.0;

/// Values of the manifest's expressions for a face with `states`, as they are; none where there are no states.
pub fn read_expressions(manifest: &Manifest, states: &[f32]) -> impl Iterator<Item = f32> {
    let count = if states.is_empty() { 0 } else { manifest.expressions.len() };
    manifest.expressions.iter().take(count).map(|e| e.read(states))
}

/// Reads expressions of one person's face, frame after frame, relative to the neutral face: the one that was taken as
/// such, else the usual one of the latest half minute. Allocates nothing after the first frame.
#[derive(Clone, Debug, Default)]
pub struct ExpressionReader {
    gauges: Vec<Gauge>,
    /// When the latest face was kept.
    kept_at: Option<Duration>,
    /// Whether the neutral face was taken by somebody.
    taken: bool,
}

/// One expression with what is known of the person's.
#[derive(Clone, Debug)]
struct Gauge {
    expression: Expression,
    /// What it was in the faces that were kept; the oldest is overwritten.
    kept: Vec<f32>,
    next: usize,
    sorted: Vec<f32>,
    /// What it has been of late.
    latest: Option<f32>,
    neutral: f32,
}

impl ExpressionReader {
    /// A reader of the bundle's expressions.
    pub fn new(manifest: &Manifest) -> Self {
        let gauge = |e: &Expression| Gauge {
            expression: e.clone(),
            kept: Vec::with_capacity(KEPT),
            next: 0,
            sorted: Vec::with_capacity(KEPT),
            latest: None,
            neutral: e.rest,
        };
        Self { gauges: manifest.expressions.iter().map(gauge).collect(), ..Self::default() }
    }

    /// Whether the bundle has no expressions.
    pub fn is_empty(&self) -> bool {
        self.gauges.is_empty()
    }

    /// Reads the expressions of `face`, seen at `time`, into it.
    pub fn read(&mut self, face: &mut DetectedFace, time: Duration) {
        face.expressions.clear();
        if face.states.is_empty() {
            return;
        }
        // Time that runs backwards, as in a clip that starts anew, is no time.
        let keep = self.kept_at.is_none_or(|at| time < at || time - at >= EVERY);
        if keep {
            self.kept_at = Some(time);
        }
        for gauge in &mut self.gauges {
            let measured = gauge.expression.measure(&face.states);
            let latest = gauge.latest.get_or_insert(measured);
            *latest += (measured - *latest) * LATEST;
            if keep && !self.taken {
                gauge.keep(measured);
            }
            face.expressions.push(gauge.relative(measured));
        }
    }

    /// Reads the expressions of `face` into it as they are, whatever its neutral face.
    pub fn read_plain(&self, face: &mut DetectedFace) {
        face.expressions.clear();
        if !face.states.is_empty() {
            face.expressions.extend(self.gauges.iter().map(|gauge| gauge.expression.read(&face.states)));
        }
    }

    /// Takes the face as it has been of late as neutral. False where there was none.
    pub fn calibrate(&mut self) -> bool {
        let Some(latest) = self.gauges.iter().map(|g| g.latest).collect::<Option<Vec<_>>>() else {
            return false;
        };
        self.gauges.iter_mut().zip(latest).for_each(|(gauge, latest)| gauge.neutral = latest);
        self.taken = !self.gauges.is_empty();
        self.taken
    }
}

/// People whose neutral faces are remembered at most.
const MOST_PEOPLE: usize = 16;

/// Reads expressions of people's faces, frame after frame, each relative to the neutral face of its person.
#[derive(Clone, Debug)]
pub struct PeoplesExpressions {
    /// Who has seen nobody yet.
    fresh: ExpressionReader,
    readers: Vec<(u32, ExpressionReader)>,
}

impl PeoplesExpressions {
    /// A reader of the expressions of the bundle with `manifest`.
    pub fn new(manifest: &Manifest) -> Self {
        Self { fresh: ExpressionReader::new(manifest), readers: Vec::with_capacity(MOST_PEOPLE) }
    }

    /// Whether the bundle has no expressions.
    pub fn is_empty(&self) -> bool {
        self.fresh.is_empty()
    }

    /// Reads the expressions of `face`, seen at `time` since the source's start, into it; its number tells whose it is.
    pub fn read(&mut self, face: &mut DetectedFace, time: Duration) {
        if self.is_empty() {
            return;
        }
        let at = self.readers.iter().position(|(id, _)| *id == face.id).unwrap_or_else(|| {
            if self.readers.len() == MOST_PEOPLE {
                // Numbers grow: the first one is who came first.
                self.readers.remove(0);
            }
            self.readers.push((face.id, self.fresh.clone()));
            self.readers.len() - 1
        });
        self.readers[at].1.read(face, time);
    }

    /// Reads the expressions of `face` into it as they are, whatever its neutral face.
    pub fn read_plain(&self, face: &mut DetectedFace) {
        self.fresh.read_plain(face);
    }

    /// Takes the face of person `id` as it has been of late as neutral. False where there was none.
    pub fn calibrate(&mut self, id: u32) -> bool {
        self.readers.iter_mut().find(|(known, _)| *known == id).is_some_and(|(_, reader)| reader.calibrate())
    }
}

impl Gauge {
    /// Keeps what was measured, and moves the neutral face towards the usual one.
    fn keep(&mut self, measured: f32) {
        if self.kept.len() < KEPT {
            self.kept.push(measured);
        } else {
            self.kept[self.next] = measured;
        }
        self.next = (self.next + 1) % KEPT;
        self.sorted.clear();
        self.sorted.extend_from_slice(&self.kept);
        let middle = self.sorted.len() / 2;
        let (_, usual, _) = self.sorted.select_nth_unstable_by(middle, f32::total_cmp);
        let known = (self.kept.len() as f32 / KNOWN).min(1.0);
        let wanted = self.expression.rest + (*usual - self.expression.rest) * known;
        self.neutral += (wanted - self.neutral) * SPEED;
    }

    /// The value: that at rest for the neutral face, the ends of the range where they are, straight between.
    fn relative(&self, measured: f32) -> f32 {
        let Expression { range, rest, .. } = self.expression;
        let end = if measured < self.neutral { range[0] } else { range[1] };
        let way = end - self.neutral;
        let slope = if way.abs() > 1e-6 { ((end - rest) / way).clamp(0.0, MOST_STRETCH) } else { 1.0 };
        (rest + (measured - self.neutral) * slope).clamp(range[0], range[1])
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::vision::testing::{expressions, manifest};

    fn reader() -> ExpressionReader {
        let mut named = expressions(&["mouth-open", "eye-left", "brows"]);
        (named[1].rest, named[2].range) = (1.0, [-1.0, 1.0]);
        ExpressionReader::new(&Manifest { expressions: named, ..manifest(1) })
    }

    fn read(reader: &mut ExpressionReader, states: [f32; 3], ms: u64) -> Vec<f32> {
        let mut face = DetectedFace { states: states.to_vec(), ..DetectedFace::default() };
        reader.read(&mut face, Duration::from_millis(ms));
        face.expressions
    }

    fn close(a: &[f32], b: [f32; 3]) -> bool {
        a.iter().zip(b).all(|(a, b)| (a - b).abs() < 0.03)
    }

    #[test]
    fn a_face_is_read_as_it_is_until_its_person_is_known() {
        let mut reader = reader();
        assert!(!reader.calibrate() && !reader.is_empty());
        assert!(close(&read(&mut reader, [0.3, 0.7, -0.2], 0), [0.3, 0.7, -0.2]));
        // Somebody whose lids hang, whose mouth is a little open and whose brows are low.
        let (usual, talks) = ([0.2, 0.8, -0.3], [0.7, 0.1, 0.4]);
        for i in 0..300u64 {
            read(&mut reader, if i % 3 == 0 { talks } else { usual }, 100 * i);
        }
        assert!(close(&read(&mut reader, usual, 40_000), [0.0, 1.0, 0.0]));
        assert!(close(&read(&mut reader, [1.0, 0.0, 1.0], 40_010), [1.0, 0.0, 1.0]), "ends stay ends");
        let half = read(&mut reader, [0.6, 0.4, -0.65], 40_020);
        assert!(close(&half, [0.5, 0.5, -0.5]), "{half:?}");
    }

    #[test]
    fn a_neutral_face_that_was_taken_stays() {
        let mut reader = reader();
        (0..60).for_each(|i| drop(read(&mut reader, [0.4, 0.6, 0.1], 33 * i)));
        assert!(reader.calibrate());
        (0..300).for_each(|i| drop(read(&mut reader, [0.9, 0.2, 0.8], 3_000 + 100 * i)));
        assert!(close(&read(&mut reader, [0.4, 0.6, 0.1], 90_000), [0.0, 1.0, 0.0]));
    }

    #[test]
    fn what_is_hardly_seen_is_not_blown_up_and_no_states_are_no_values() {
        let mut reader = reader();
        (0..60).for_each(|i| drop(read(&mut reader, [0.95, 0.05, 0.0], 33 * i)));
        reader.calibrate();
        // A twentieth of the range is left to open the mouth in.
        assert!(read(&mut reader, [1.0, 0.05, 0.0], 9_000)[0] < 0.11);
        assert!(read(&mut reader, [0.5, 0.05, 0.0], 9_000)[0] == 0.0);
        let mut none = DetectedFace::new(Vec::new());
        none.expressions = vec![1.0];
        reader.read(&mut none, Duration::ZERO);
        assert!(none.expressions.is_empty());
        let m = Manifest { expressions: expressions(&["smile"]), ..manifest(1) };
        assert_eq!(read_expressions(&m, &[]).count(), 0);
        assert_eq!(read_expressions(&m, &[3.0]).collect::<Vec<_>>(), [1.0]);
    }
}
