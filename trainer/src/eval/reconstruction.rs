//! How real pictures that training never saw are reconstructed from the keypoints that the detector and the embeddings that
//! the encoder finds in them, and whether their keypoints can be moved then.

use std::fmt::Write;

use lkg_bundle::manifest::Metric;
use serde::Serialize;
use tch::{Kind, Tensor};

use super::metric::metric;
use super::nearness::{Nearness, Sums};
use super::quality::{HELD_OUT_SEED, blur};
use super::{disentangle, interventions};
use crate::augment::local_warp::LocalWarp;
use crate::augment::part_move::kept_inside;
use crate::dataset::Store;
use crate::dataset::batches::{BATCH, crops};
use crate::error::Result;
use crate::nets::encoder::Appearance;
use crate::nets::features::FeatureNet;
use crate::nets::keypoint_generator::Latents;
use crate::subject::{Subject, detect, narrow};
use crate::support::interrupt;
use crate::support::progress::Progress;

/// Most pictures that are intervened on: each costs two pictures a keypoint.
const INTERVENTIONS: i64 = 60;

/// Standard deviation of the local warp that shows the detector a part that really moved, normalised coordinates: half of
/// the way between the eyes of a large face.
const WARP: f64 = 0.25;

/// What was found.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ReconstructionReport {
    /// Pictures, each cropped once as training crops.
    pub n: usize,
    /// Their reconstructions.
    #[serde(rename = "drawn_again")]
    pub reconstructed: Nearness,
    /// 95 % interval of the PSNR of reconstructions over pictures: [`super::bootstrap::interval`].
    pub interval: [f64; 2],
    /// The pictures themselves, blurred by a box of an eighth of their side.
    pub blurred: Nearness,
    /// The mean of all pictures in place of each.
    pub mean: Nearness,
    /// Pictures whose keypoints were moved.
    pub moved: usize,
    /// How far a part follows its keypoint, in steps of [`interventions::STEP`].
    pub own: Option<f64>,
    /// How far each other part goes then.
    pub leakage: Option<f64>,
    /// How far the detector sees a part go that really moved: the photo itself warped about its keypoint by the same step. What
    /// is above is to be read against it.
    #[serde(rename = "bent")]
    pub warped: f64,
}

/// Reconstructs up to `most` of the pictures in `held_out`; none without an encoder and a detector.
///
/// # Errors
/// Those of the networks; [`crate::Error::Interrupted`].
pub fn measure(
    subject: &mut dyn Subject,
    net: Option<&FeatureNet>,
    held_out: &Store,
    most: usize,
) -> Result<Option<ReconstructionReport>> {
    let _no_grad = tch::no_grad_guard();
    let (size, crop) = (subject.image_size(), subject.crop());
    let probe = Tensor::zeros([1, 3, size, size], (Kind::Float, tch::Device::Cpu));
    if subject.detector_size().is_none() || subject.encode(&probe)?.is_none() {
        return Ok(None);
    }
    let n = held_out.len().min(most);
    let mean = {
        let mut sum = probe;
        for start in (0..n).step_by(BATCH) {
            let range = start..(start + BATCH).min(n);
            sum += crops(held_out, &crop, HELD_OUT_SEED, range, size).sum_dim_intlist(
                [0i64].as_slice(),
                true,
                Kind::Float,
            );
        }
        sum / n as f64
    };
    let mut progress = Progress::new("reconstructions", n as u64);
    let (mut reconstructed, mut blurred, mut means) = (Sums::default(), Sums::default(), Sums::default());
    let mut seen: Vec<Latents> = vec![];
    for start in (0..n).step_by(BATCH) {
        interrupt::check()?;
        let range = start..(start + BATCH).min(n);
        let count = range.len();
        let real = crops(held_out, &crop, HELD_OUT_SEED, range, size);
        let keypoints = detect(subject, &real)?;
        let Some(Appearance { embeddings, background }) = subject.encode(&real)? else { return Ok(None) };
        let latents = Latents { keypoints, embeddings, background };
        reconstructed.add(net, &subject.generate(&latents)?, &real)?;
        blurred.add(net, &blur(&real), &real)?;
        means.add(net, &mean.expand_as(&real), &real)?;
        seen.push(latents);
        progress.advance(count as u64, "");
    }
    progress.finish("");
    let all = |part: fn(&Latents) -> &Tensor| Tensor::cat(&seen.iter().map(part).collect::<Vec<_>>(), 0);
    let latents = Latents {
        keypoints: all(|l| &l.keypoints),
        embeddings: all(|l| &l.embeddings),
        background: all(|l| &l.background),
    };
    let moved = INTERVENTIONS.min(n as i64);
    let own = narrow(&latents, 0, moved);
    let other = Latents {
        keypoints: own.keypoints.roll([-1], [0]),
        embeddings: own.embeddings.roll([-1], [0]),
        background: own.background.roll([-1], [0]),
    };
    let steered = disentangle::intervene(subject, "keypoints of pictures moved", &own, &other)?;
    let photos = crops(held_out, &crop, HELD_OUT_SEED, 0..moved as usize, size);
    let warped = warped(&photos, &own.keypoints, |images| detect(subject, images))?;
    Ok(Some(ReconstructionReport {
        n,
        interval: reconstructed.interval(),
        reconstructed: reconstructed.nearness(),
        blurred: blurred.nearness(),
        mean: means.nearness(),
        moved: moved as usize,
        own: steered.own,
        leakage: steered.leakage,
        warped,
    }))
}

/// How much of a step, on average over parts and `photos` `[N, 3, S, S]` with `keypoints` `[N, K, 2]`, the detector sees
/// where the photo is warped by it.
fn warped(
    photos: &Tensor,
    keypoints: &Tensor,
    mut detect: impl FnMut(&Tensor) -> Result<Tensor>,
) -> Result<f64> {
    let (n, k) = (photos.size()[0], keypoints.size()[1]);
    let step = interventions::directions(n).to_device(photos.device()) * interventions::STEP;
    let mut seen = 0.0;
    for part in 0..k {
        interrupt::check()?;
        let at = keypoints.select(1, part);
        let step = kept_inside(&at, &step);
        let after = detect(&LocalWarp::of(&at, &step, WARP).images(photos))?;
        let along = ((after.select(1, part) - at) * step).sum(Kind::Double).double_value(&[]);
        seen += along / (n as f64 * interventions::STEP * interventions::STEP);
    }
    Ok(seen / k as f64)
}

impl ReconstructionReport {
    /// The numbers as a bundle's manifest keeps them.
    pub fn metrics(&self) -> Vec<Metric> {
        let protocol = format!(
            "held-out pictures cropped as in training, reconstructed from what detector and encoder find; the \
             same pictures blurred by an eighth of their side: {:.1} dB, the mean picture: {:.1} dB",
            self.blurred.psnr, self.mean.psnr
        );
        let mut metrics =
            vec![metric("reconstruction PSNR", self.reconstructed.psnr, "dB", self.n, &protocol)];
        metrics.extend(self.reconstructed.perceptual.map(|value| {
            let protocol = format!(
                "distance of these reconstructions from the pictures in features of {}; blurred pictures: {:.3}, the mean picture: {:.3}",
                FeatureNet::NAME,
                self.blurred.perceptual.unwrap_or_default(),
                self.mean.perceptual.unwrap_or_default()
            );
            metric("reconstruction, perceptual distance", value, "", self.n, &protocol)
        }));
        let moved =
            format!("one keypoint at a time moved by {} of reconstructed pictures", interventions::STEP);
        for (name, value) in [
            ("photo's part follows its keypoint", self.own),
            ("photo's leakage to other parts", self.leakage),
        ] {
            metrics.extend(value.map(|v| metric(name, v, "of the step", self.moved, &moved)));
        }
        let protocol = format!(
            "the photo itself warped about each keypoint by the same step (Gaussian of deviation {WARP}): what the detector \
             sees of a part that really moved"
        );
        metrics.push(metric("photo's part, really moved", self.warped, "of the step", self.moved, &protocol));
        metrics
    }

    /// The section of the report.
    pub fn markdown(&self) -> String {
        let mut t = format!(
            "## Reconstruction of real pictures\n\n{} held-out pictures, each cropped once as in training. Perceptual \
             distance: features of {}, channels of each pixel scaled to length 1.\n\n\
             | pictures | PSNR | perceptual distance |\n|---|---|---|\n",
            self.n,
            FeatureNet::NAME
        );
        let reconstructed =
            format!("**reconstructed** ({:.2} to {:.2} dB)", self.interval[0], self.interval[1]);
        for (what, near) in [
            (reconstructed.as_str(), self.reconstructed),
            ("the same, blurred", self.blurred),
            ("their mean", self.mean),
        ] {
            let distance = near.perceptual.map_or("-".into(), |d| format!("{d:.3}"));
            let _ = writeln!(t, "| {what} | {:.2} dB | {distance} |", near.psnr);
        }
        if let (Some(own), Some(leakage)) = (self.own, self.leakage) {
            let _ = writeln!(
                t,
                "\nOf {} of them each keypoint was moved by {}: its part follows by **{:.0} %** of the step, each \
                 other part goes by {:.0} %.",
                self.moved,
                interventions::STEP,
                own * 100.0,
                leakage * 100.0
            );
        }
        let _ = writeln!(
            t,
            "Where the photo itself is warped about the keypoint by that (a Gaussian of deviation {WARP}), the detector \
             sees {:.0} %: what it can see of a part that really moved.",
            self.warped * 100.0
        );
        t.push('\n');
        t
    }
}

#[cfg(test)]
mod tests {
    use tch::Device;

    use super::*;
    use crate::nets::heatmap::{self, Pose, pixel_centres};

    /// The middle of what is bright, `[N, 1, 2]`, seen to have gone by half as much as it did.
    fn half_seen(images: &Tensor, from: &Tensor) -> Tensor {
        let light = images.select(1, 0);
        let centres = pixel_centres(light.size()[1], Device::Cpu);
        let all = light.sum_dim_intlist([1i64, 2].as_slice(), false, Kind::Float);
        let along =
            |axis: i64| light.sum_dim_intlist([axis].as_slice(), false, Kind::Float).matmul(&centres) / &all;
        let found = Tensor::stack(&[along(1), along(2)], -1).unsqueeze(1);
        from + (found - from) * 0.5
    }

    #[test]
    fn what_the_detector_sees_of_a_part_that_moved_is_measured() {
        let at = Tensor::from_slice(&[-0.2f32, 0.1, 0.3, -0.25, 0.0, 0.4]).view([3, 1, 2]);
        let photos = heatmap::parts(&Pose::natural(at.shallow_clone()), 0.003, 96);
        let seen = warped(&photos, &at, |images| Ok(half_seen(images, &at))).unwrap();
        assert!((seen - 0.5).abs() < 0.03, "{seen}");
    }
}
