//! In which numbers networks are computed, and which provider does so.

use std::str::FromStr;

use super::Provider;
use crate::error::{Error, Result};

/// Numbers that a network is computed in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Precision {
    /// Those in which the bundle stores its weights.
    #[default]
    Stored,
    /// Those, multiplied with the 10-bit fractions of NVIDIA's tensor cores: CUDA only.
    Tf32,
    /// 16-bit floats where the provider finds them good enough: TensorRT only.
    Fp16,
}

impl Precision {
    /// Every choice.
    pub const ALL: [Precision; 3] = [Precision::Stored, Precision::Tf32, Precision::Fp16];

    /// The name used on the command line and in reports.
    pub fn name(self) -> &'static str {
        match self {
            Precision::Stored => "stored",
            Precision::Tf32 => "tf32",
            Precision::Fp16 => "fp16",
        }
    }
}

impl Precision {
    /// Whether `provider` computes in it with all the digits that are stored.
    pub fn is_full(self, provider: Provider) -> bool {
        // TensorRT multiplies with tensor cores unless NVIDIA_TF32_OVERRIDE=0 forbids it.
        self == Precision::Stored && provider != Provider::TensorRt
    }

    /// The providers to try for it where `provider` is asked for, best first.
    pub(super) fn candidates(self, provider: Provider) -> Result<&'static [Provider]> {
        let of = match self {
            Precision::Stored => return Ok(provider.candidates()),
            Precision::Tf32 => Provider::Cuda,
            Precision::Fp16 => Provider::TensorRt,
        };
        if [Provider::Auto, of].contains(&provider) {
            return Ok(of.candidates());
        }
        Err(Error::Precision { precision: self.name(), of: of.name(), provider: provider.name() })
    }
}

impl FromStr for Precision {
    type Err = String;

    fn from_str(text: &str) -> std::result::Result<Self, String> {
        Self::ALL
            .into_iter()
            .find(|p| p.name() == text)
            .ok_or_else(|| format!("unknown precision {text:?}, choose one of: stored, tf32, fp16"))
    }
}
