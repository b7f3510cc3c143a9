//! What a step measured, for the log, the progress line and messages.

use std::collections::BTreeMap;

use serde::Serialize;
use tch::{Kind, Tensor};

use super::terms::{self, Failure, Term};
use crate::error::{Error, Result};
use crate::train::ranks::{Ranks, Single};

/// What a step measured, still on the device.
#[derive(Debug)]
pub struct Measured {
    /// Steps done.
    pub step: u64,
    /// Real images seen.
    pub images: u64,
    /// Side trained at.
    pub size: i64,
    /// Blend of that size, 1 once it is grown into.
    pub alpha: f64,
    /// The terms of all networks that were due.
    pub terms: Vec<Term>,
    /// `[N, K, 2]`: keypoints drawn from.
    pub keypoints: Tensor,
}

/// What one step measured; also a line of the log. Losses are as they were before their weights; those not due on the
/// step, or switched off, are absent.
#[derive(Clone, Debug, Serialize)]
pub struct StepReport {
    /// Steps done.
    pub step: u64,
    /// Real images seen.
    pub images: u64,
    /// Side trained at.
    pub size: i64,
    /// Blend of that size, 1 once it is grown into.
    pub alpha: f64,
    /// Discriminator's loss without the penalty.
    pub discriminator: f64,
    /// Generator's adversarial loss.
    pub generator: f64,
    /// R1.
    pub r1: Option<f64>,
    /// Background loss.
    pub background: Option<f64>,
    /// Mean over keypoints of the standard deviation over samples, normalised coordinates.
    pub spread: f64,
    /// Share of keypoint coordinates within 0.03 of the border.
    pub at_border: f64,
    /// All other losses.
    pub terms: BTreeMap<&'static str, f64>,
}

impl Measured {
    /// The numbers of this rank's share, fetched from the device.
    ///
    /// # Errors
    /// [`Error::Torch`].
    pub fn report(&self) -> Result<StepReport> {
        self.report_over(&Single)
    }

    /// The numbers over all ranks, every one of which must ask for them.
    ///
    /// # Errors
    /// [`Error::Torch`].
    pub fn report_over(&self, ranks: &dyn Ranks) -> Result<StepReport> {
        let spread = self.spread(ranks)?;
        let at_border = self.keypoints.abs().gt(0.97).to_kind(Kind::Float).mean(Kind::Float);
        let mut scalars = vec![spread, at_border];
        scalars.extend(self.terms.iter().map(|t| t.value.to_kind(Kind::Float)));
        ranks.average(&scalars)?;
        let values = terms::values(&scalars)?;
        let names = self.terms.iter().map(|t| t.name);
        let mut terms: BTreeMap<_, _> = names.zip(values[2..].iter().copied()).collect();
        Ok(StepReport {
            step: self.step,
            images: self.images,
            size: self.size,
            alpha: self.alpha,
            discriminator: terms.remove("discriminator").unwrap_or_default(),
            generator: terms.remove("generator").unwrap_or_default(),
            r1: terms.remove("r1"),
            background: terms.remove("background"),
            spread: values[0],
            at_border: values[1],
            terms,
        })
    }
}

impl Measured {
    /// Mean over keypoints of the standard deviation over the samples of all ranks.
    fn spread(&self, ranks: &dyn Ranks) -> Result<Tensor> {
        let mean = |x: &Tensor| x.mean_dim([0i64].as_slice(), false, Kind::Float);
        let moments = [mean(&self.keypoints), mean(&self.keypoints.square())];
        ranks.average(&moments)?;
        let n = (self.keypoints.size()[0] * ranks.size() as i64) as f64;
        let [mean, square] = &moments;
        Ok(((square - mean * mean).clamp_min(0.0) * (n / (n - 1.0))).sqrt().mean(Kind::Float))
    }
}

impl StepReport {
    /// The report as the progress line has it.
    pub fn note(&self) -> String {
        let mut note = format!("{} px D {:.3} G {:.3}", self.size, self.discriminator, self.generator);
        if let Some(background) = self.background {
            note.push_str(&format!(" bg {background:.4}"));
        }
        note.push_str(&format!(" spread {:.3} border {:.0} %", self.spread, self.at_border * 100.0));
        note
    }
}

/// What to say of a failure: which terms, when, what is left and what to try.
pub fn diverged(failure: &Failure, saved: Option<u64>) -> Error {
    let mut mends: Vec<&str> = failure.terms.iter().map(|name| mend(name)).collect();
    mends.dedup();
    Error::Diverged(format!(
        "training diverged at step {}: {} not a finite number; {} a lower {}",
        failure.step,
        named(&failure.terms),
        left(saved),
        mends.join(" or ")
    ))
}

/// What to say where all losses were finite and yet the tensor `name` is not.
pub fn spoiled(name: &str, step: u64, saved: Option<u64>) -> Error {
    Error::Diverged(format!(
        "training diverged by step {step}: {name} is not finite though all losses were; {} lower rates or weights",
        left(saved)
    ))
}

fn left(saved: Option<u64>) -> String {
    match saved {
        Some(step) => {
            format!("the checkpoint of step {step} is untouched: carry on from it with --resume and")
        }
        None => "no checkpoint was written yet: start anew with".to_owned(),
    }
}

fn named(terms: &[&str]) -> String {
    match terms {
        [one] => format!("the term {one} was"),
        many => format!("the terms {} were", many.join(", ")),
    }
}

/// The key of the configuration that has the most to do with a term.
fn mend(term: &str) -> &'static str {
    match term {
        // What spoils it may as well have spoiled the discriminator that it is judged by.
        "generator" => "discriminator_rate or generator_rate",
        "discriminator" | "keypoint_discriminator" | "appearance_discriminator" | "feature_discriminator" => {
            "discriminator_rate"
        }
        "r1" | "r1_keypoints" | "r1_appearance" | "r1_features" => "r1_weight",
        "background" => "background_weight",
        "keypoints" => "keypoint_weight",
        "appearance" => "appearance_weight",
        "features" => "feature_discriminator_weight",
        "poses" => "pose_weight",
        "cycle_keypoints" => "cycle_keypoints_weight",
        "cycle_embeddings" => "cycle_embeddings_weight",
        "cycle_image" => "cycle_image_weight",
        "perceptual" => "perceptual_weight",
        "equivariance" => "equivariance_weight",
        "generator_equivariance" => "generator_equivariance_weight",
        "move" => "move_weight",
        "move_rest" => "move_rest_weight",
        "feature_matching" => "feature_matching_weight",
        "diversity" => "diversity_weight",
        _ => "rate",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_name_terms_step_checkpoint_and_mend() {
        let failure = Failure { step: 7, terms: vec!["cycle_image", "perceptual"] };
        assert_eq!(
            diverged(&failure, Some(4)).to_string(),
            "training diverged at step 7: the terms cycle_image, perceptual were not a finite number; the checkpoint of \
             step 4 is untouched: carry on from it with --resume and a lower cycle_image_weight or perceptual_weight"
        );
        let failure = Failure { step: 1, terms: vec!["generator"] };
        assert_eq!(
            diverged(&failure, None).to_string(),
            "training diverged at step 1: the term generator was not a finite number; no checkpoint was written yet: \
             start anew with a lower discriminator_rate or generator_rate"
        );
    }
}
