//! Where each pixel of the driven picture comes from in the photo.

use std::borrow::Borrow;

use tch::nn::Path;
use tch::{Kind, Tensor};

use super::{COARSE, PLACE, Parts, gaussians, grid, state_maps};
use crate::nets::detector::ConvNorm;
use crate::nets::layers::{Conv, Norm, channels_last};

/// Widths at 32 px and at each halving.
const WIDTHS: [i64; 4] = [48, 64, 96, 128];
/// Channels that the change of states is read into.
const STATES: i64 = 32;
/// Most that a pixel's source is moved besides its parts' motion, normalised coordinates.
pub const FREE: f64 = 0.2;

/// Motion from photo to driven picture.
#[derive(Debug)]
pub struct Flow {
    /// `[N, 32, 32, 2]`: where in the photo each place of the driven picture comes from, normalised coordinates.
    pub field: Tensor,
    /// `[N, 2, 32, 32]`, logits: how far to trust the photo's features, and the photo's pixels.
    pub trust: Tensor,
}

/// A U-Net (Ronneberger et al., 2015) over the photo as each part alone would move it: how much each part's motion counts
/// at each place, a small motion of its own, and what of the photo holds there.
#[derive(Debug)]
pub struct FlowNet {
    /// 1x1, no bias: begins near 0.
    pub states: Conv,
    /// 3x3.
    pub stem: ConvNorm,
    /// Each halves, then refines.
    pub downs: Vec<[ConvNorm; 2]>,
    /// From the lowest level up.
    pub ups: Vec<ConvNorm>,
    /// 3x3 to `K + 1` masks, 2 free motions, 2 trusts.
    pub head: Conv,
    keypoints: i64,
}

impl FlowNet {
    /// Registers the network under `path`.
    pub fn new<'a>(path: impl Borrow<Path<'a>>, keypoints: i64, states: i64) -> Self {
        let p = path.borrow();
        let steps = || WIDTHS.windows(2).enumerate();
        let block = |p: Path, inputs, outputs, stride| ConvNorm::new(p, inputs, outputs, 3, stride, 1, true);
        let net = Self {
            states: Conv::without_bias(p / "states", keypoints * states, STATES, 1, 1, 1),
            stem: block(p / "stem", (keypoints + 1) * 4 + STATES, WIDTHS[0], 1),
            downs: steps()
                .map(|(i, w)| {
                    let p = p / format!("down{i}");
                    [block(&p / 0, w[0], w[1], 2), block(&p / 1, w[1], w[1], 1)]
                })
                .collect(),
            ups: steps().rev().map(|(i, w)| block(p / format!("up{i}"), w[0] + w[1], w[0], 1)).collect(),
            head: Conv::new(p / "head", WIDTHS[0], keypoints + 1 + 4, 3, 1),
            keypoints,
        };
        tch::no_grad(|| {
            let _ = net.states.weight.shallow_clone().g_mul_scalar_(0.1);
            // No motion of its own at first.
            let _ = net.head.weight.narrow(0, keypoints + 1, 2).fill_(0.0);
        });
        net
    }

    /// The photo at 32 px, `[N, 3, 32, 32]`, and both pictures' parts to the motion between them.
    pub fn forward(&self, photo: &Tensor, source: &Parts, driven: &Parts, kind: Kind, norm: Norm) -> Flow {
        let (n, k) = (photo.size()[0], self.keypoints);
        let shift = (&source.keypoints - &driven.keypoints).view([n, k, 1, 1, 2]);
        let still = Tensor::zeros([n, 1, 1, 1, 2], (Kind::Float, photo.device()));
        // [N, K + 1, 32, 32, 2]: where each place comes from if it moves with one part, or not at all.
        let candidates = grid(COARSE, photo).unsqueeze(0) + Tensor::cat(&[still, shift], 1);
        let copies = photo.unsqueeze(1).expand([n, k + 1, 3, COARSE, COARSE], false);
        let moved = copies
            .reshape([n * (k + 1), 3, COARSE, COARSE])
            .grid_sampler_2d(&candidates.view([n * (k + 1), COARSE, COARSE, 2]), 0, 1, false)
            .view([n, k + 1, 3, COARSE, COARSE]);
        let heat = gaussians(&driven.keypoints, PLACE, COARSE) - gaussians(&source.keypoints, PLACE, COARSE);
        let heat = Tensor::cat(&[heat.narrow(1, 0, 1) * 0.0, heat], 1).unsqueeze(2);
        let shown = Tensor::cat(&[heat, moved], 2).flatten(1, 2).to_kind(kind);
        let change = self.states.forward(&state_maps(source, driven, COARSE).to_kind(kind));
        let mut x = self.stem.forward(&channels_last(&Tensor::cat(&[shown, change], 1)), norm);
        let mut skips = Vec::new();
        for [halve, refine] in &self.downs {
            skips.push(x.shallow_clone());
            x = refine.forward(&halve.forward(&x, norm), norm);
        }
        for (up, skip) in self.ups.iter().zip(skips.iter().rev()) {
            let size = skip.size();
            let x2 = x.upsample_nearest2d([size[2], size[3]], None, None);
            x = up.forward(&Tensor::cat(&[&x2, skip], 1), norm);
        }
        let out = self.head.forward(&x).to_kind(Kind::Float);
        let masks = out.narrow(1, 0, k + 1).softmax(1, Kind::Float).unsqueeze(-1);
        let field = (masks * candidates).sum_dim_intlist([1i64].as_slice(), false, Kind::Float);
        let free = out.narrow(1, k + 1, 2).tanh() * FREE;
        Flow { field: field + free.permute([0, 2, 3, 1]), trust: out.narrow(1, k + 3, 2) }
    }
}
