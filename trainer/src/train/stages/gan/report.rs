//! What a step measured, for the log and the progress line.

use std::collections::BTreeMap;

use serde::Serialize;
use tch::{Kind, Tensor};

use crate::error::Result;
use crate::losses::terms::{self, Term};
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
    /// `[N, K, 2]`: keypoints generated from.
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
    /// [`crate::Error::Torch`].
    pub fn report(&self) -> Result<StepReport> {
        self.report_over(&Single)
    }

    /// The numbers over all ranks, every one of which must ask for them.
    ///
    /// # Errors
    /// [`crate::Error::Torch`].
    pub fn report_over(&self, ranks: &dyn Ranks) -> Result<StepReport> {
        let spread = self.spread(ranks)?;
        let at_border = self.keypoints.abs().gt(0.97).to_kind(Kind::Float).mean(Kind::Float);
        let mut scalars = vec![spread, at_border];
        scalars.extend(self.terms.iter().map(|t| t.value.to_kind(Kind::Float)));
        ranks.average(&scalars)?;
        let values = terms::values(&scalars)?;
        let names = self.terms.iter().map(|t| t.loss.name);
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
