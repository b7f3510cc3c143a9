//! Which checkpoint is the best: what is compared, and who computes it.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::error::Result;
use crate::train::run::generator::Generator;

/// What checkpoints are compared by. Lower is better for all.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum BestBy {
    /// KID of generated pictures against training crops, in features of [`crate::nets::FeatureNet`].
    Kid,
    /// How healthy generated keypoints are.
    Health,
}

impl fmt::Display for BestBy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Kid => "kid",
            Self::Health => "health",
        })
    }
}

/// Compares generators while they are trained. Training does not know how: what measures implements this and is handed in.
pub trait Evaluator {
    /// What it compares by.
    fn metric(&self) -> BestBy;

    /// The score of a calibrated generator at its full `size` in pixels; lower is better.
    ///
    /// # Errors
    /// Those of libtorch.
    fn score(&self, generator: &Generator, size: i64) -> Result<f64>;
}

/// The best so far: the content of `STAGE-best.json`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Best {
    /// What was compared.
    pub by: BestBy,
    /// Lower is better.
    pub score: f64,
    /// Images seen by that checkpoint.
    pub images: u64,
}

impl Best {
    /// Whether `score` takes the place of this one: equals do, since the one trained longer is the better bet.
    pub fn is_beaten_by(&self, by: BestBy, score: f64) -> bool {
        // NaN is no score.
        by != self.by && !score.is_nan() || score <= self.score
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lower_wins_equal_wins_and_nonsense_does_not() {
        let best = Best { by: BestBy::Kid, score: 0.2, images: 10 };
        assert!(best.is_beaten_by(BestBy::Kid, 0.1) && best.is_beaten_by(BestBy::Kid, 0.2));
        assert!(!best.is_beaten_by(BestBy::Kid, 0.3) && !best.is_beaten_by(BestBy::Kid, f64::NAN));
        // Another metric starts over.
        assert!(best.is_beaten_by(BestBy::Health, 0.9) && !best.is_beaten_by(BestBy::Health, f64::NAN));
    }
}
