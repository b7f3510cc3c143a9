//! Whether each keypoint steers its part and nothing else.
//!
//! Three interventions on generated samples. *Move*: one keypoint goes by a step in a random direction; the detector
//! shows how far each part followed. *Background*: the background of another sample. *Part*: one embedding of another
//! sample. Change is the mean absolute colour difference in steps of 8-bit colour (0 to 255), weighted by where: by a
//! heat map for "inside", by its complement for "outside".

use serde::Serialize;
use tch::{Kind, Tensor};

use super::interventions::{STEP, directions, with_background, with_move, with_part};
use crate::error::Result;
use crate::nets::heatmap::{self, Pose};
use crate::nets::keypoint_generator::Latents;
use crate::subject::{Subject, detect, narrow};
use crate::support::interrupt;
use crate::support::progress::Progress;

/// A part that follows its keypoint by less of the step is hardly steered.
const IDLE: f64 = 0.2;
/// Samples that are changed and those whose appearance is taken.
const SEEDS: [i64; 2] = [101, 102];
/// Samples generated together.
const BATCH: i64 = 20;

/// Change of colour, 0 to 255, within a region and outside it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct Change {
    /// Weighted by the region.
    pub inside: f64,
    /// Weighted by its complement.
    pub outside: f64,
}

/// What moving a keypoint did.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Moves {
    /// `followed[moved][measured]`: how far the measured part went along the step, 1 is the whole step. Zero
    /// everywhere but on the diagonal is perfect. None without a detector.
    pub followed: Option<Vec<Vec<f64>>>,
    /// `distance[moved][measured]`: how far it went in whatever direction, in steps.
    pub distance: Option<Vec<Vec<f64>>>,
    /// For each moved keypoint, inside: its heat maps before and after.
    pub change: Vec<Change>,
}

/// All interventions.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct DisentanglementReport {
    /// Samples an intervention.
    pub n: usize,
    /// Length of a move, normalised coordinates.
    pub step: f64,
    /// Moves of each keypoint.
    pub moves: Moves,
    /// Mean of the diagonal of [`Moves::followed`].
    pub own: Option<f64>,
    /// Mean over the rest of [`Moves::distance`].
    pub leakage: Option<f64>,
    /// Another background; inside: the parts, `1 - H_bg`.
    pub background: Change,
    /// Another embedding of each part; inside: its heat map.
    pub parts: Vec<Change>,
}

/// Intervenes on `n` samples.
///
/// # Errors
/// Those of the subject; [`crate::Error::Interrupted`].
pub fn measure(subject: &mut dyn Subject, n: i64) -> Result<DisentanglementReport> {
    let (latents, others) = (subject.sample(n, SEEDS[0])?, subject.sample(n, SEEDS[1])?);
    intervene(subject, "interventions", &latents, &others)
}

/// Intervenes on `latents`, with the appearance of as many `others`.
///
/// # Errors
/// Those of the subject; [`crate::Error::Interrupted`].
pub fn intervene(
    subject: &mut dyn Subject,
    label: &str,
    latents: &Latents,
    others: &Latents,
) -> Result<DisentanglementReport> {
    let _no_grad = tch::no_grad_guard();
    let n = latents.keypoints.size()[0];
    let directions = directions(n);
    let k = latents.keypoints.size()[1];
    let sees = subject.detector_size().is_some();
    let mut sums = Sums::new(k as usize);
    let mut progress = Progress::new(label, (n * (1 + 2 * k)) as u64);
    for start in (0..n).step_by(BATCH as usize) {
        let count = BATCH.min(n - start);
        let (own, other) = (narrow(latents, start, count), narrow(others, start, count));
        let direction = directions.narrow(0, start, count);
        let before = subject.generate(&own)?;
        let seen = if sees { Some(detect(subject, &before)?) } else { None };
        let maps = heatmap::parts(&pose(&own), subject.tau(), subject.image_size());

        let after = subject.generate(&with_background(&own, &other))?;
        let parts = maps.amax([1i64].as_slice(), true);
        sums.background.add(&before, &after, &parts);
        progress.advance(count as u64, "");
        for j in 0..k {
            interrupt::check()?;
            let map = maps.narrow(1, j, 1);
            let after = subject.generate(&with_part(&own, &other, j))?;
            sums.parts[j as usize].add(&before, &after, &map);

            let (moved, step) = with_move(&own, j, &direction);
            let after = subject.generate(&moved)?;
            let there = heatmap::parts(&pose(&moved), subject.tau(), subject.image_size()).narrow(1, j, 1);
            sums.moves[j as usize].add(&before, &after, &map.maximum(&there));
            if let Some(seen) = &seen {
                let went = detect(subject, &after)? - seen;
                sums.followed(j as usize, &went, &step)?;
            }
            progress.advance(2 * count as u64, "");
        }
    }
    progress.finish("");
    Ok(sums.report(n as usize, sees))
}

impl DisentanglementReport {
    /// Keypoints that steer little, a line each.
    pub fn verdicts(&self, names: &[String]) -> Vec<String> {
        let Some(followed) = &self.moves.followed else { return vec![] };
        let weak = |j: &usize| followed[*j][*j] < IDLE;
        let say = |j: usize| {
            let name = names.get(j).cloned().unwrap_or_else(|| format!("k{j}"));
            format!("{name} steers little: its part follows by {:.0} % of a step", followed[j][j] * 100.0)
        };
        (0..followed.len()).filter(weak).map(say).collect()
    }
}

fn pose(latents: &Latents) -> Pose {
    Pose::natural(latents.keypoints.shallow_clone())
}

/// Sums over samples of weighted change.
#[derive(Clone, Default)]
struct Weighted {
    inside: f64,
    outside: f64,
    samples: f64,
}

impl Weighted {
    /// Adds what changed between images `[N, 3, S, S]`; `region` `[N, 1, S, S]` is 0 to 1.
    fn add(&mut self, before: &Tensor, after: &Tensor, region: &Tensor) {
        let change = (before - after).abs().mean_dim([1i64].as_slice(), true, Kind::Float) * 127.5;
        let over = |weight: &Tensor| {
            let sum = |t: &Tensor| t.sum_dim_intlist([1i64, 2, 3].as_slice(), false, Kind::Double);
            // A part outside the picture has no inside.
            let mean = sum(&(&change * weight)) / sum(weight).clamp_min(1e-6);
            mean.sum(Kind::Double).double_value(&[])
        };
        self.inside += over(region);
        self.outside += over(&(1.0 - region));
        self.samples += before.size()[0] as f64;
    }

    fn mean(&self) -> Change {
        let n = self.samples.max(1.0);
        Change { inside: self.inside / n, outside: self.outside / n }
    }
}

struct Sums {
    moves: Vec<Weighted>,
    parts: Vec<Weighted>,
    background: Weighted,
    followed: Vec<Vec<f64>>,
    distance: Vec<Vec<f64>>,
}

impl Sums {
    fn new(k: usize) -> Self {
        let table = vec![vec![0.0; k]; k];
        Self {
            moves: vec![Weighted::default(); k],
            parts: vec![Weighted::default(); k],
            background: Weighted::default(),
            followed: table.clone(),
            distance: table,
        }
    }

    /// Adds how the detections went `[N, K, 2]` when `moved` went by `step` `[N, 2]`.
    fn followed(&mut self, moved: usize, went: &Tensor, step: &Tensor) -> Result<()> {
        let sum = |t: Tensor| t.sum_dim_intlist([0i64].as_slice(), false, Kind::Double);
        let along = (went * step.unsqueeze(1)).sum_dim_intlist([-1i64].as_slice(), false, Kind::Double);
        let length = went.square().sum_dim_intlist([-1i64].as_slice(), false, Kind::Double).sqrt();
        let along = Vec::<f64>::try_from(sum(along / (STEP * STEP)))?;
        let length = Vec::<f64>::try_from(sum(length / STEP))?;
        for (total, new) in self.followed[moved].iter_mut().zip(along) {
            *total += new;
        }
        for (total, new) in self.distance[moved].iter_mut().zip(length) {
            *total += new;
        }
        Ok(())
    }

    fn report(self, n: usize, sees: bool) -> DisentanglementReport {
        let per_sample = |table: Vec<Vec<f64>>| -> Vec<Vec<f64>> {
            table.into_iter().map(|row| row.into_iter().map(|v| v / n as f64).collect()).collect()
        };
        let (followed, distance) = (per_sample(self.followed), per_sample(self.distance));
        let k = followed.len();
        let own = (0..k).map(|j| followed[j][j]).sum::<f64>() / k as f64;
        let rest = (0..k * k).filter(|i| i / k != i % k).map(|i| distance[i / k][i % k]).sum::<f64>();
        DisentanglementReport {
            n,
            step: STEP,
            own: sees.then_some(own),
            leakage: (sees && k > 1).then(|| rest / (k * (k - 1)) as f64),
            moves: Moves {
                followed: sees.then_some(followed),
                distance: sees.then_some(distance),
                change: self.moves.iter().map(Weighted::mean).collect(),
            },
            background: self.background.mean(),
            parts: self.parts.iter().map(Weighted::mean).collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use tch::Device;

    use super::*;
    use crate::config::{CropConfig, GanConfig};
    use crate::nets::encoder::Appearance;
    use crate::nets::heatmap::pixel_centres;
    use crate::nets::keypoint_generator::Noise;

    /// Paints its parts by formula: part 0 in red, part 1 in green, each its heat map times its embedding; blue is the
    /// background. `leak` drags part 1 along with keypoint 0; `bleed` lets the background shine through the parts.
    struct Painter {
        leak: f64,
        bleed: bool,
        eyes: bool,
    }

    impl KeypointDetector for Painter {
        fn describe(&self) -> String {
            "painter".into()
        }
        fn names(&self) -> Vec<String> {
            vec!["red".into(), "green".into()]
        }
        fn image_size(&self) -> i64 {
            48
        }
        fn detector_size(&self) -> Option<i64> {
            self.eyes.then_some(48)
        }
        fn tau(&self) -> f64 {
            0.02
        }
        fn crop(&self) -> CropConfig {
            CropConfig::default()
        }
        fn gan(&self) -> GanConfig {
            GanConfig::default()
        }
        fn sample(&mut self, n: i64, seed: i64) -> Result<Latents> {
            tch::manual_seed(seed);
            let noise = Noise::sample(n, 4, Device::Cpu);
            Ok(Latents {
                keypoints: (&noise.pose * 0.1).clamp(-0.3, 0.3).view([-1, 2, 2]),
                embeddings: noise.appearance.narrow(1, 0, 2).sigmoid().unsqueeze(2) * 0.5 + 0.5,
                background: noise.background.narrow(1, 0, 1).sigmoid(),
            })
        }
        fn generate(&mut self, l: &Latents) -> Result<Tensor> {
            let drawn = l.keypoints.copy();
            drawn.select(1, 1).copy_(&(l.keypoints.select(1, 1) + l.keypoints.select(1, 0) * self.leak));
            let maps = heatmap::parts(&Pose::natural(drawn), self.tau(), 48);
            let ground =
                if self.bleed { maps.narrow(1, 0, 1).ones_like() } else { heatmap::background(&maps) };
            let blue = ground * l.background.view([-1, 1, 1, 1]);
            Ok(Tensor::cat(&[maps * l.embeddings.unsqueeze(3), blue], 1) * 2.0 - 1.0)
        }
        fn detect(&mut self, images: &Tensor) -> Result<Tensor> {
            let light = (images.narrow(1, 0, 2) + 1.0) / 2.0;
            let light = &light / light.sum_dim_intlist([2i64, 3].as_slice(), true, Kind::Float);
            let centres = pixel_centres(48, Device::Cpu);
            let along =
                |axis: i64| light.sum_dim_intlist([axis].as_slice(), false, Kind::Float).matmul(&centres);
            Ok(Tensor::stack(&[along(2), along(3)], -1))
        }
        fn encode(&mut self, _: &Tensor) -> Result<Option<Appearance>> {
            Ok(None)
        }
    }

    impl Subject for Painter {}

    #[test]
    fn parts_that_follow_their_own_keypoint_alone_are_perfect() {
        let r = measure(&mut Painter { leak: 0.0, bleed: false, eyes: true }, 30).unwrap();
        let followed = r.moves.followed.clone().unwrap();
        assert!((followed[0][0] - 1.0).abs() < 0.02 && (followed[1][1] - 1.0).abs() < 0.02, "{followed:?}");
        assert!(
            followed[0][1].abs() < 0.01 && r.leakage.unwrap() < 0.01 && (r.own.unwrap() - 1.0).abs() < 0.02
        );
        // Where a part is, no background is painted; another appearance stays within its heat map.
        assert!(r.background.inside < 0.6 * r.background.outside, "{:?}", r.background);
        assert!(r.parts.iter().all(|c| c.inside > 10.0 * c.outside), "{:?}", r.parts);
        assert!(r.moves.change.iter().all(|c| c.inside > 5.0 * c.outside), "{:?}", r.moves);
        assert_eq!((r.n, r.step), (30, STEP));
    }

    #[test]
    fn leaks_are_found_where_they_are() {
        let r = measure(&mut Painter { leak: 0.5, bleed: true, eyes: true }, 30).unwrap();
        let followed = r.moves.followed.clone().unwrap();
        // The row is the keypoint that was moved: 0 drags 1 along by half, 1 leaves 0 alone.
        assert!((followed[0][1] - 0.5).abs() < 0.02 && followed[1][0].abs() < 0.01, "{followed:?}");
        assert!(r.verdicts(&[]).is_empty());
        assert!((r.leakage.unwrap() - 0.25).abs() < 0.02, "{:?}", r.leakage);
        assert!((r.background.inside / r.background.outside - 1.0).abs() < 0.05, "{:?}", r.background);
    }

    #[test]
    fn without_a_detector_the_pictures_still_count() {
        let r = measure(&mut Painter { leak: 0.0, bleed: false, eyes: false }, 4).unwrap();
        assert_eq!((r.own, r.leakage, &r.moves.followed), (None, None, &None));
        assert!(r.parts[0].inside > r.parts[0].outside && r.verdicts(&[]).is_empty());
    }

    #[test]
    fn a_keypoint_that_steers_nothing_is_named() {
        // Part 1 goes where keypoint 0 goes, against it: its own keypoint still steers it, so none is idle.
        let mut r = measure(&mut Painter { leak: -1.0, bleed: false, eyes: true }, 4).unwrap();
        assert!(r.verdicts(&[]).is_empty());
        if let Some(followed) = &mut r.moves.followed {
            followed[1][1] = 0.1;
        }
        assert_eq!(
            r.verdicts(&["a".into(), "b".into()]),
            ["b steers little: its part follows by 10 % of a step"]
        );
    }
}
