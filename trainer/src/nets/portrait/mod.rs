//! Re-enactment that carries a photo's own features along: keypoints and part states of photo and driver say how the
//! photo's features flow, and what must be drawn anew (Siarohin et al., "First Order Motion Model for Image Animation",
//! 2019, in a small form; Jiang et al., "MobilePortrait", 2024, for what makes it fast).
//!
//! No layer works above 64 px: there its convolutions would be most of the time. Pictures enter and leave by
//! pixel unshuffle and shuffle.

pub mod flow;
pub mod renderer;

use std::borrow::Borrow;

use tch::nn::Path;
use tch::{Kind, Tensor};

use super::Detector;
use super::detector::Detection;
use super::heatmap::pixel_centres;
use crate::config::Architecture;
pub use flow::{Flow, FlowNet};
pub use renderer::{Features, Rendered, Renderer};

/// Side of the coarse feature maps, at which flow is found.
pub const COARSE: i64 = 32;
/// Side of the fine feature maps.
pub const FINE: i64 = 64;
/// Variance of the Gaussians that tell the networks where keypoints are, in squared normalised coordinates.
const PLACE: f64 = 0.01;
/// The same for where states are written: a part is larger than its keypoint.
const REACH: f64 = 0.02;
/// Exponents below end as 0: denormal numbers cost a factor of thirty.
const FLOOR: f64 = -60.0;

/// Where the parts of a picture are and what they look like.
#[derive(Debug)]
pub struct Parts {
    /// `[N, K, 2]`, normalised coordinates.
    pub keypoints: Tensor,
    /// `[N, K, S]` in [-1, 1].
    pub states: Tensor,
}

impl Parts {
    /// Those of images `start` to `start + count`.
    pub fn narrow(&self, start: i64, count: i64) -> Self {
        Self { keypoints: self.keypoints.narrow(0, start, count), states: self.states.narrow(0, start, count) }
    }

    /// What a detector with states saw.
    pub fn of(detection: &Detection) -> Option<Self> {
        let states = detection.states.as_ref()?.shallow_clone();
        Some(Self { keypoints: detection.keypoints.shallow_clone(), states })
    }
}

/// Detector, flow and renderer, which learn together from pairs of pictures of one person.
#[derive(Debug)]
pub struct Portrait {
    /// Picture to keypoints and states.
    pub detector: Detector,
    /// Both pictures' keypoints and states to flow.
    pub flow: FlowNet,
    /// Photo and flow to the driven picture.
    pub renderer: Renderer,
}

impl Portrait {
    /// Registers the networks under `path`. `arch.states` must be above 0.
    pub fn new<'a>(path: impl Borrow<Path<'a>>, arch: &Architecture) -> Self {
        let p = path.borrow();
        Self {
            detector: Detector::new(p / "detector", arch),
            flow: FlowNet::new(p / "flow", arch.keypoints, arch.states),
            renderer: Renderer::new(p / "renderer", arch),
        }
    }
}

/// Gaussians of keypoints `[N, K, 2]`: `[N, K, side, side]`, peak 1.
pub fn gaussians(keypoints: &Tensor, variance: f64, side: i64) -> Tensor {
    let centres = pixel_centres(side, keypoints.device());
    let axis = |i: i64| {
        let d = &centres - keypoints.select(2, i).unsqueeze(-1);
        (&d * &d / (-2.0 * variance)).clamp_min(FLOOR).exp()
    };
    axis(1).unsqueeze(3) * axis(0).unsqueeze(2)
}

/// The change of states at the driven parts: `[N, K S, side, side]`.
fn state_maps(source: &Parts, driven: &Parts, side: i64) -> Tensor {
    let heat = gaussians(&driven.keypoints, REACH, side).unsqueeze(2);
    let change = (&driven.states - &source.states).unsqueeze(-1).unsqueeze(-1);
    (heat * change).flatten(1, 2)
}

/// Where each pixel of `[N, C, side, side]` lies: `[1, side, side, 2]`, normalised coordinates.
fn grid(side: i64, like: &Tensor) -> Tensor {
    let centres = pixel_centres(side, like.device());
    let x = centres.view([1, 1, side]).expand([1, side, side], false);
    let y = centres.view([1, side, 1]).expand([1, side, side], false);
    Tensor::stack(&[x, y], -1)
}

/// Samples `[N, C, H, H]` where `field` `[N, h, h, 2]` says, enlarged to `side`; beyond the border it continues. float32.
fn warp(x: &Tensor, field: &Tensor, side: i64) -> Tensor {
    let field = match field.size()[1] == side {
        true => field.shallow_clone(),
        false => {
            let field = field.permute([0, 3, 1, 2]);
            field.upsample_bilinear2d([side, side], false, None, None).permute([0, 2, 3, 1])
        }
    };
    x.to_kind(Kind::Float).grid_sampler_2d(&field, 0, 1, false)
}
