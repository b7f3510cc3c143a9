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
use super::layers::Norm;
use super::resize::resize;
use crate::config::Architecture;
pub use flow::{Flow, FlowNet};
pub use renderer::{Features, Rendered, Renderer};

/// Side of the coarse feature maps, at which flow is found.
pub const COARSE: i64 = 32;
/// Side of the fine feature maps.
pub const FINE: i64 = 64;
/// Variance of the Gaussians that tell the networks where keypoints are, in squared normalised coordinates.
pub const PLACE: f64 = 0.01;
/// The same for where states are written: a part is larger than its keypoint.
pub const REACH: f64 = 0.02;
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
        Self {
            keypoints: self.keypoints.narrow(0, start, count),
            states: self.states.narrow(0, start, count),
        }
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

    /// Photos `[N, 3, S, S]` in [-1, 1] with the parts `source`, driven to `driven`.
    pub fn drive(
        &self,
        photo: &Tensor,
        source: &Parts,
        driven: &Parts,
        kind: Kind,
        norm: Norm,
    ) -> (Flow, Rendered) {
        let features = self.renderer.features(photo, kind, norm);
        let flow = self.flow.forward(&resize(photo, COARSE), source, driven, kind, norm);
        let rendered = self.renderer.forward(photo, &features, source, driven, &flow, kind, norm);
        (flow, rendered)
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
pub fn grid(side: i64, like: &Tensor) -> Tensor {
    let centres = pixel_centres(side, like.device());
    let x = centres.view([1, 1, side]).expand([1, side, side], false);
    let y = centres.view([1, side, 1]).expand([1, side, side], false);
    Tensor::stack(&[x, y], -1)
}

/// Samples `[N, C, H, H]` where `field` `[N, h, h, 2]` says, enlarged to `side`; beyond the border it continues. float32.
pub fn warp(x: &Tensor, field: &Tensor, side: i64) -> Tensor {
    let field = match field.size()[1] == side {
        true => field.shallow_clone(),
        // The motion is enlarged, not the places: these would be drawn together along the border.
        false => {
            let motion = (field - grid(field.size()[1], field)).permute([0, 3, 1, 2]);
            let motion = motion.upsample_bilinear2d([side, side], false, None, None);
            motion.permute([0, 2, 3, 1]) + grid(side, field)
        }
    };
    x.to_kind(Kind::Float).grid_sampler_2d(&field, 0, 1, false)
}

#[cfg(test)]
mod tests {
    use tch::Device;
    use tch::nn::VarStore;

    use super::*;

    fn arch(side: i64) -> Architecture {
        Architecture {
            keypoints: 5,
            states: 3,
            portrait_size: side,
            detector_channels: vec![8, 8],
            ..Default::default()
        }
    }

    fn parts(n: i64) -> Parts {
        let kind = (Kind::Float, Device::Cpu);
        Parts { keypoints: Tensor::rand([n, 5, 2], kind) - 0.5, states: Tensor::rand([n, 5, 3], kind) - 0.5 }
    }

    #[test]
    fn a_photo_driven_by_its_own_parts_stays_where_it_is_at_first() {
        tch::manual_seed(2);
        let store = VarStore::new(Device::Cpu);
        for side in [64, 128, 256] {
            let net = Portrait::new(store.root() / side, &arch(side));
            let photo = Tensor::rand([2, 3, side, side], (Kind::Float, Device::Cpu)) * 2.0 - 1.0;
            let own = parts(2);
            let (flow, rendered) = net.drive(&photo, &own, &own, Kind::Float, Norm::Running);
            let still = (&flow.field - grid(COARSE, &photo)).abs().max().double_value(&[]);
            assert!(still < 1e-5, "{still}");
            assert!((&rendered.warped - &photo).abs().max().double_value(&[]) < 1e-4);
            assert_eq!(rendered.image.size(), photo.size());
            assert_eq!(rendered.mask.size(), [2, 1, side, side]);
        }
    }

    #[test]
    fn the_photo_follows_its_parts_and_states_change_what_is_drawn() {
        tch::manual_seed(2);
        let store = VarStore::new(Device::Cpu);
        let net = Portrait::new(store.root(), &arch(128));
        let photo = Tensor::rand([1, 3, 128, 128], (Kind::Float, Device::Cpu)) * 2.0 - 1.0;
        let source = parts(1);
        // All parts a quarter to the right: what is shown at a place was a quarter further left.
        let right = Tensor::from_slice(&[0.5f32, 0.0]);
        let driven = Parts { keypoints: &source.keypoints + right, states: source.states.shallow_clone() };
        let (flow, _) = net.drive(&photo, &source, &driven, Kind::Float, Norm::Running);
        let shift =
            (&flow.field - grid(COARSE, &photo)).mean_dim([0i64, 1, 2].as_slice(), false, Kind::Float);
        // One of six masks is that of no motion.
        assert!((-0.5..-0.25).contains(&shift.double_value(&[0])), "{shift:?}");
        assert!(shift.double_value(&[1]).abs() < 0.05);
        let other = Parts { keypoints: source.keypoints.shallow_clone(), states: &source.states + 0.5 };
        let [a, b] = [&source, &other]
            .map(|driven| net.drive(&photo, &source, driven, Kind::Float, Norm::Running).1.colour);
        assert!((a - b).abs().max().double_value(&[]) > 1e-4);
    }

    #[test]
    fn every_weight_learns() {
        tch::manual_seed(2);
        let store = VarStore::new(Device::Cpu);
        let net = Portrait::new(store.root(), &arch(64));
        let images = Tensor::rand([4, 3, 64, 64], (Kind::Float, Device::Cpu)) * 2.0 - 1.0;
        let all = Parts::of(&net.detector.forward(&images, Norm::TRAINING)).unwrap();
        let (source, driven) = (all.narrow(0, 2), all.narrow(2, 2));
        let photo = images.narrow(0, 0, 2);
        let (_, rendered) = net.drive(&photo, &source, &driven, Kind::Float, Norm::TRAINING);
        (&rendered.image * &rendered.image).sum(Kind::Float).backward();
        for (name, weight) in store.variables().into_iter().filter(|(_, w)| w.requires_grad()) {
            // Confidence has losses of its own, in the detector's stage.
            let learns = weight.grad().defined() && weight.grad().abs().max().double_value(&[]) > 0.0;
            assert!(learns || name.contains("detector.head"), "{name}");
        }
    }
}
