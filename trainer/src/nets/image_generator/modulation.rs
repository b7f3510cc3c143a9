//! From heat maps and embeddings to the factor and the addend of every pixel.
//!
//! The style map gives every pixel the embeddings of the parts, each times its heat: added up (E channels) or side by side
//! ((K + 1) E channels). It is linear in the heat maps, so it is never made. A convolution of the style map equals
//! one of the K + 1 heat maps, with a kernel for each image: the layer's weights times the embeddings. That kernel depends
//! on the appearance only, the heat maps on the pose only.

use std::borrow::Borrow;

use tch::nn::{Init, Path};
use tch::{Kind, Tensor};

use super::Conditioning;
use crate::config::{Architecture, ModulationForm, StyleMap};
use crate::nets::heatmap::{self, Pose};
use crate::nets::layers::{Conv, leaky};

/// Pixels that a 3x3 convolution reads, row by row.
pub const TAPS: i64 = 9;

/// Standard deviation of gamma and beta at the start, where one part is in full heat.
const START_SPREAD: f64 = 0.5;

/// The embeddings of the parts and of the background, `[N, K + 1, E]`.
#[derive(Debug)]
pub struct Embeddings(Tensor);

impl Embeddings {
    /// The embeddings in arithmetic of `kind`.
    pub fn new(latent: Conditioning, kind: Kind) -> Self {
        Self(Tensor::cat(&[latent.embeddings, &latent.background.unsqueeze(1)], 1).to_kind(kind))
    }

    /// N.
    pub fn count(&self) -> i64 {
        self.0.size()[0]
    }
}

/// Heat maps of one size in the forms that modulations read.
#[derive(Debug)]
pub enum Maps {
    /// `[N, H W, K + 2]`: parts, background, and ones that carry the bias.
    Points(Tensor),
    /// `[N, H W, 9 (K + 1)]`: parts and background at each pixel and its neighbours, [`TAPS`] for each map in turn.
    Taps(Tensor),
}

impl Maps {
    /// The heat maps of `pose` at `size`, with their neighbours for [`Modulation::Conv`].
    pub fn new(pose: &Pose, tau: f64, size: i64, kind: Kind, taps: bool) -> Self {
        let parts = heatmap::parts(pose, tau, size);
        let background = heatmap::background(&parts);
        if taps {
            let maps = Tensor::cat(&[parts, background], 1).to_kind(kind);
            Self::Taps(maps.im2col([3, 3], [1, 1], [1, 1], [1, 1]).transpose(1, 2).contiguous())
        } else {
            let ones = background.ones_like();
            let all = Tensor::cat(&[parts, background, ones], 1);
            Self::Points(all.flatten(2, 3).transpose(1, 2).to_kind(kind).contiguous())
        }
    }

    fn tensor(&self) -> &Tensor {
        match self {
            Self::Points(maps) | Self::Taps(maps) => maps,
        }
    }
}

/// What reads an embedding: `E` values to `outputs` values.
#[derive(Debug)]
pub struct Style {
    /// `[1, E, outputs]` for all parts alike (the style map is a sum), or `[K + 1, E, outputs]` (side by side).
    pub weight: Tensor,
}

impl Style {
    fn new<'a>(path: impl Borrow<Path<'a>>, arch: &Architecture, outputs: i64, stdev: f64) -> Self {
        let readers = match arch.style_map {
            StyleMap::Sum => 1,
            StyleMap::Concat => arch.keypoints + 1,
        };
        let shape = [readers, arch.embedding, outputs];
        Self { weight: path.borrow().var("style", &shape, Init::Randn { mean: 0.0, stdev }) }
    }

    /// Whether all parts are read by the same weights.
    pub fn is_shared(&self) -> bool {
        self.weight.size()[0] == 1
    }

    /// What each part's embedding contributes where its heat is 1, `[N, K + 1, outputs]`.
    fn table(&self, embeddings: &Embeddings) -> Tensor {
        let weight = self.weight.to_kind(embeddings.0.kind());
        if self.is_shared() {
            embeddings.0.matmul(&weight.squeeze_dim(0))
        } else {
            embeddings.0.transpose(0, 1).bmm(&weight).transpose(0, 1)
        }
    }
}

/// Makes gamma and beta of one layer.
#[derive(Debug)]
pub enum Modulation {
    /// One 1x1 convolution of the style map.
    Linear(LinearModulation),
    /// 3x3 convolution of the style map, LeakyReLU, 3x3 convolutions to gamma and beta.
    Conv(ConvModulation),
}

/// See [`Modulation::Linear`].
#[derive(Debug)]
pub struct LinearModulation {
    /// To `2 C` values: gamma, beta.
    pub style: Style,
    /// `[1, 2 C]`: ones for gamma, zeros for beta at the start.
    pub bias: Tensor,
}

/// See [`Modulation::Conv`].
#[derive(Debug)]
pub struct ConvModulation {
    /// To [`TAPS`] times the hidden width: the first convolution's weights, tap by tap.
    pub style: Style,
    /// `[hidden]`: the first convolution's bias.
    pub bias: Tensor,
    /// `hidden -> C`, its bias 1 at the start.
    pub gamma: Conv,
    /// `hidden -> C`.
    pub beta: Conv,
}

impl Modulation {
    /// Registers the layer for `channels` under `path`.
    pub fn new<'a>(path: impl Borrow<Path<'a>>, arch: &Architecture, channels: i64) -> Self {
        let p = path.borrow();
        match arch.modulation {
            ModulationForm::Linear => Self::Linear(LinearModulation::new(p, arch, channels)),
            ModulationForm::Conv => Self::Conv(ConvModulation::new(p, arch, channels)),
        }
    }

    /// Whether the layer reads [`Maps::Taps`].
    pub fn reads_neighbours(&self) -> bool {
        matches!(self, Self::Conv(_))
    }

    /// `gamma(p) * x + beta(p)` of `x` `[N, C, H, W]`, all of one kind.
    pub fn forward(&self, x: &Tensor, embeddings: &Embeddings, maps: &Maps) -> Tensor {
        let (gamma, beta) = match self {
            Self::Linear(m) => m.forward(embeddings, maps, x.size()[2]),
            Self::Conv(m) => m.forward(embeddings, maps, x.size()[2]),
        };
        beta.addcmul(x, &gamma)
    }
}

/// `[N, H W, C]` as `[N, C, H, W]` in channels-last order, without a copy.
fn image(x: &Tensor, side: i64) -> Tensor {
    x.unflatten(1, [side, side]).permute([0, 3, 1, 2])
}

impl LinearModulation {
    fn new(p: &Path, arch: &Architecture, channels: i64) -> Self {
        let start = |value: f64| Tensor::full([1, channels], value, (Kind::Float, p.device()));
        let stdev = START_SPREAD / (arch.embedding as f64).sqrt();
        Self {
            style: Style::new(p, arch, 2 * channels, stdev),
            bias: p.var_copy("bias", &Tensor::cat(&[start(1.0), start(0.0)], 1)),
        }
    }

    fn forward(&self, embeddings: &Embeddings, maps: &Maps, side: i64) -> (Tensor, Tensor) {
        let table = self.style.table(embeddings);
        let bias = self.bias.to_kind(table.kind()).unsqueeze(0).expand([embeddings.count(), -1, -1], false);
        let table = Tensor::cat(&[table, bias], 1);
        // Two products rather than one cut in two: the halves stay dense, and so do their gradients.
        let halves = table.chunk(2, 2);
        let field = |half: &Tensor| image(&maps.tensor().bmm(&half.contiguous()), side);
        (field(&halves[0]), field(&halves[1]))
    }
}

impl ConvModulation {
    fn new(p: &Path, arch: &Architecture, channels: i64) -> Self {
        let hidden = arch.modulation_hidden;
        // He's rule for the E channels of one part: elsewhere than round its keypoint a part adds next to nothing.
        let stdev = (2.0 / (TAPS * arch.embedding) as f64).sqrt();
        let last = |name: &str, bias: f64| {
            let conv = Conv::new(p / name, hidden, channels, 3, 1);
            tch::no_grad(|| {
                let spread = START_SPREAD / ((TAPS * hidden) as f64).sqrt();
                let _ = conv.weight.shallow_clone().normal_(0.0, spread);
                if let Some(b) = &conv.bias {
                    let _ = b.shallow_clone().fill_(bias);
                }
            });
            conv
        };
        Self {
            style: Style::new(p, arch, TAPS * hidden, stdev),
            bias: p.zeros("bias", &[hidden]),
            gamma: last("gamma", 1.0),
            beta: last("beta", 0.0),
        }
    }

    fn forward(&self, embeddings: &Embeddings, maps: &Maps, side: i64) -> (Tensor, Tensor) {
        let hidden = self.bias.size()[0];
        let kernel = self.style.table(embeddings).unflatten(2, [TAPS, hidden]).flatten(1, 2);
        let bias = self.bias.to_kind(kernel.kind());
        let h = leaky(&image(&bias.baddbmm(maps.tensor(), &kernel, 1, 1), side));
        (self.gamma.forward(&h), self.beta.forward(&h))
    }
}

#[cfg(test)]
mod tests {
    use tch::Device;
    use tch::nn::VarStore;

    use super::*;

    const OPTIONS: (Kind, Device) = (Kind::Float, Device::Cpu);

    fn arch(style_map: StyleMap, modulation: ModulationForm) -> Architecture {
        let modulation_hidden = 11;
        Architecture {
            keypoints: 3,
            embedding: 5,
            style_map,
            modulation,
            modulation_hidden,
            ..Architecture::default()
        }
    }

    /// The style map itself, `[N, E, S, S]` or `[N, (K + 1) E, S, S]`.
    fn style_map(pose: &Pose, embeddings: &Tensor, tau: f64, size: i64, form: StyleMap) -> Tensor {
        let parts = heatmap::parts(pose, tau, size);
        let heat = Tensor::cat(&[&parts, &heatmap::background(&parts)], 1);
        // [N, K + 1, E, S, S]
        let each = heat.unsqueeze(2) * embeddings.unsqueeze(-1).unsqueeze(-1);
        match form {
            StyleMap::Sum => each.sum_dim_intlist([1i64].as_slice(), false, Kind::Float),
            StyleMap::Concat => each.flatten(1, 2),
        }
    }

    #[test]
    fn the_cheap_forms_are_convolutions_of_the_style_map() {
        let (n, size, channels, tau) = (2, 8, 7, 0.1);
        let pose = Pose {
            keypoints: Tensor::from_slice(&[
                0.3f32, -0.6, -0.9, 0.9, 0.0, 0.1, 0.5, 0.5, -0.2, -0.7, 0.8, 0.0,
            ])
            .view([n, 3, 2]),
            scales: Tensor::from_slice(&[1.0f32, 1.5, 0.7, 1.0, 1.0, 2.0]).view([n, 3]),
            visible: Tensor::from_slice(&[1.0f32, 0.5, 1.0, 1.0, 0.0, 1.0]).view([n, 3]),
        };
        let (embeddings, background) = (Tensor::randn([n, 3, 5], OPTIONS), Tensor::randn([n, 5], OPTIONS));
        let embeddings = Embeddings::new(
            Conditioning { pose: &pose, embeddings: &embeddings, background: &background },
            Kind::Float,
        );
        let x = Tensor::randn([n, channels, size, size], OPTIONS);
        let conv = |input: &Tensor, weight: &Tensor, bias: &Tensor| {
            let pad = (weight.size()[2] - 1) / 2;
            input.conv2d(weight, Some(bias), [1, 1], [pad, pad], [1, 1], 1)
        };
        for form in [StyleMap::Sum, StyleMap::Concat] {
            let map = style_map(&pose, &embeddings.0, tau, size, form);
            for modulation in [ModulationForm::Linear, ModulationForm::Conv] {
                let store = VarStore::new(Device::Cpu);
                let _no_grad = tch::no_grad_guard();
                let net = Modulation::new(store.root(), &arch(form, modulation), channels);
                for (name, mut tensor) in store.variables() {
                    if name.ends_with("bias") {
                        tensor += Tensor::randn_like(&tensor);
                    }
                }
                // [readers, E, T], with a reader for each block of E style channels, to [T, channels of the map].
                let weight = |style: &Style| style.weight.flatten(0, 1).transpose(0, 1);
                let want = match &net {
                    Modulation::Linear(m) => {
                        let weight = weight(&m.style).unsqueeze(-1).unsqueeze(-1);
                        conv(&map, &weight, &m.bias.view([-1]))
                    }
                    Modulation::Conv(m) => {
                        let weight = weight(&m.style).unflatten(0, [3, 3, 11]).permute([2, 3, 0, 1]);
                        let hidden = leaky(&conv(&map, &weight, &m.bias));
                        let last = |c: &Conv| conv(&hidden, &c.weight, c.bias.as_ref().unwrap());
                        Tensor::cat(&[last(&m.gamma), last(&m.beta)], 1)
                    }
                };
                let want = &x * want.narrow(1, 0, channels) + want.narrow(1, channels, channels);
                let maps = Maps::new(&pose, tau, size, Kind::Float, net.reads_neighbours());
                let difference = (net.forward(&x, &embeddings, &maps) - want).abs().max().double_value(&[]);
                assert!(difference < 1e-5, "{form:?} {modulation:?}: {difference}");
            }
        }
    }

    #[test]
    fn gamma_starts_round_one_and_beta_round_zero() {
        for modulation in [ModulationForm::Linear, ModulationForm::Conv] {
            let store = VarStore::new(Device::Cpu);
            let _no_grad = tch::no_grad_guard();
            let arch = Architecture { modulation, embedding: 32, ..Architecture::default() };
            let net = Modulation::new(store.root(), &arch, 24);
            let pose = Pose::natural(Tensor::rand([8, 10, 2], OPTIONS) - 0.5);
            let (embeddings, background) =
                (Tensor::randn([8, 10, 32], OPTIONS), Tensor::randn([8, 32], OPTIONS));
            let latent = Conditioning { pose: &pose, embeddings: &embeddings, background: &background };
            let maps = Maps::new(&pose, arch.tau, 16, Kind::Float, net.reads_neighbours());
            let embeddings = Embeddings::new(latent, Kind::Float);
            let beta = net.forward(&Tensor::zeros([8, 24, 16, 16], OPTIONS), &embeddings, &maps);
            let gamma = net.forward(&Tensor::ones([8, 24, 16, 16], OPTIONS), &embeddings, &maps) - &beta;
            for (field, centre) in [(gamma, 1.0), (beta, 0.0)] {
                let (mean, spread) = (field.mean(Kind::Float), field.std(true));
                let (mean, spread) = (mean.double_value(&[]), spread.double_value(&[]));
                assert!(
                    (mean - centre).abs() < 0.2 && (0.1..1.0).contains(&spread),
                    "{modulation:?} {mean} {spread}"
                );
            }
        }
    }
}
