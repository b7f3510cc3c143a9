//! Modulations of the spade family in a graph.
//!
//! * Linear: one table for the whole network, which depends on the appearance only, and two products a layer. The
//!   table's bias needs a map of ones, and `background + largest = 1`: so the bias sits in the columns of both, and no
//!   constant map has to be made.
//! * Conv: the first convolution is a product of a kernel made from the embeddings and the heat maps at each pixel's
//!   neighbours, which both layers of a size share. A convolution with one 1 in each kernel collects the neighbours.

use std::collections::VecDeque;

use tch::{Device, Kind, Tensor};

use super::fold::Kernel;
use super::graph::{Graph, Value};
use super::heat::Heat;
use crate::config::Architecture;
use crate::error::{Error, Result};
use crate::nets::LEAKY_SLOPE;
use crate::nets::image_generator::modulation::{ConvModulation, LinearModulation, Modulation, Style, TAPS};

/// What makes one layer's gamma and beta.
enum Layer<'a> {
    /// Gamma's and beta's table, `[N, C, K + 2]` each.
    Tables(Value, Value),
    /// The published form.
    Conv(&'a ConvModulation),
}

/// Modulates layer after layer.
pub struct Modulator<'a> {
    layers: VecDeque<Layer<'a>>,
    /// For each size, `[N, K + 2, size^2]` for tables, `[N, 9 (K + 1), size^2]` else.
    maps: Vec<(i64, Value)>,
    /// `[N, K + 1, E]`.
    embeddings: Value,
}

impl<'a> Modulator<'a> {
    /// For `modulations` in the order in which they will be applied, and the heat maps of all sizes.
    ///
    /// # Errors
    /// [`Error::Export`] if the network has no embeddings, [`Error::Torch`] if weights can't be read.
    pub fn new(
        g: &mut Graph,
        heat: &[Heat],
        modulations: impl Iterator<Item = &'a Modulation>,
        arch: &Architecture,
    ) -> Result<Self> {
        let k = arch.keypoints;
        let (mut linear, mut layers) = (Vec::new(), VecDeque::new());
        for modulation in modulations {
            match modulation {
                Modulation::Linear(m) => linear.push(m),
                Modulation::Conv(m) => layers.push_back(Layer::Conv(m)),
            }
        }
        let mut maps = Vec::new();
        for h in heat {
            let flat = if linear.is_empty() {
                let all = g.concat(&[&h.parts, &h.background], 1);
                let taps = g.conv(&all, &neighbours(k + 1))?;
                g.reshape(&taps, &[TAPS * (k + 1), h.size * h.size])
            } else {
                let all = g.concat(&[&h.parts, &h.background, &h.largest], 1);
                g.reshape(&all, &[k + 2, h.size * h.size])
            };
            maps.push((h.size, flat));
        }
        let embeddings = g.input("embeddings")?;
        let background = g.input("background")?;
        let background = g.reshape(&background, &[1, arch.embedding]);
        let embeddings = g.concat(&[&embeddings, &background], 1);
        if !linear.is_empty() {
            layers = tables(g, &linear, &embeddings, arch)?;
        }
        Ok(Self { layers, maps, embeddings })
    }

    /// `gamma(p) * x + beta(p)` by the next layer, with the heat maps of the size at position `size`.
    ///
    /// # Errors
    /// [`Error::Export`] if there is no further layer, [`Error::Torch`] if weights can't be read.
    pub fn apply(&mut self, g: &mut Graph, x: &Value, size: usize) -> Result<Value> {
        let layer = self.layers.pop_front().ok_or_else(|| {
            Error::Export("the image generator has fewer modulations than layers".to_owned())
        })?;
        let (side, maps) = &self.maps[size];
        let (gamma, beta) = match layer {
            Layer::Tables(gamma, beta) => {
                let field = |g: &mut Graph, table: &Value| {
                    let channels = table.length(1);
                    let field = g.matmul(table, maps);
                    g.reshape(&field, &[channels, *side, *side])
                };
                (field(g, &gamma), field(g, &beta))
            }
            Layer::Conv(m) => {
                let hidden = hidden(g, m, &self.embeddings, maps, *side)?;
                (g.conv(&hidden, &Kernel::plain(&m.gamma))?, g.conv(&hidden, &Kernel::plain(&m.beta))?)
            }
        };
        let y = g.zip("Mul", x, &gamma);
        Ok(g.zip("Add", &y, &beta))
    }
}

/// For each layer gamma's and beta's table.
fn tables<'a>(
    g: &mut Graph,
    layers: &[&LinearModulation],
    embeddings: &Value,
    arch: &Architecture,
) -> Result<VecDeque<Layer<'a>>> {
    let k = arch.keypoints;
    let styles: Vec<&Tensor> = layers.iter().map(|m| &m.style.weight).collect();
    let style = Tensor::cat(&styles, 2);
    let product = if layers.iter().all(|m| m.style.is_shared()) {
        let embeddings = g.transpose(embeddings);
        // A column of zeros for the map that carries nothing but bias.
        let embeddings = g.pad_last(&embeddings);
        let style = g.tensor(&style.squeeze_dim(0).transpose(0, 1))?;
        g.matmul(&style, &embeddings)
    } else {
        let table = own_readers(g, &style, embeddings)?;
        let table = g.transpose(&table);
        g.pad_last(&table)
    };
    let biases: Vec<Tensor> = layers.iter().map(|m| m.bias.view([-1, 1])).collect();
    let bias = Tensor::cat(&biases, 0);
    let none = Tensor::zeros([bias.size()[0], k], (Kind::Float, bias.device()));
    let bias = g.tensor(&Tensor::cat(&[&none, &bias, &bias], 1))?;
    let table = g.zip("Add", &product, &bias);
    let lengths: Vec<i64> = layers.iter().flat_map(|m| [m.bias.size()[1] / 2; 2]).collect();
    let mut pieces = g.split(&table, 1, &lengths).into_iter();
    let mut tables = VecDeque::new();
    while let (Some(gamma), Some(beta)) = (pieces.next(), pieces.next()) {
        tables.push_back(Layer::Tables(gamma, beta));
    }
    Ok(tables)
}

/// Each embedding `[N, K + 1, E]` times weights of its own `[K + 1, E, T]`: `[N, K + 1, T]`.
fn own_readers(g: &mut Graph, weight: &Tensor, embeddings: &Value) -> Result<Value> {
    let size = weight.size();
    let weight = g.tensor(&weight.unsqueeze(0))?;
    let embeddings = g.reshape(embeddings, &[size[0], 1, size[1]]);
    let table = g.matmul(&embeddings, &weight);
    Ok(g.reshape(&table, &[size[0], size[2]]))
}

fn table(g: &mut Graph, style: &Style, embeddings: &Value) -> Result<Value> {
    if !style.is_shared() {
        return own_readers(g, &style.weight, embeddings);
    }
    let weight = g.tensor(&style.weight.squeeze_dim(0))?;
    Ok(g.matmul(embeddings, &weight))
}

/// The hidden layer `[N, hidden, side, side]` of the published form.
fn hidden(g: &mut Graph, m: &ConvModulation, embeddings: &Value, taps: &Value, side: i64) -> Result<Value> {
    let width = m.bias.size()[0];
    let table = table(g, &m.style, embeddings)?;
    let kernel = g.reshape(&table, &[taps.length(1), width]);
    let kernel = g.transpose(&kernel);
    let hidden = g.matmul(&kernel, taps);
    let bias = g.tensor(&m.bias.view([-1, 1]))?;
    let hidden = g.zip("Add", &hidden, &bias);
    let hidden = g.leaky_relu(&hidden, LEAKY_SLOPE);
    Ok(g.reshape(&hidden, &[width, side, side]))
}

/// A depthwise convolution of `maps` channels that gives each pixel's neighbours as channels.
fn neighbours(maps: i64) -> Kernel {
    let one = Tensor::eye(TAPS, (Kind::Double, Device::Cpu)).view([TAPS, 1, 3, 3]);
    Kernel {
        weight: one.repeat([maps, 1, 1, 1]),
        bias: Tensor::zeros([TAPS * maps], (Kind::Double, Device::Cpu)),
        stride: 1,
        groups: maps,
        padding: 1,
    }
}
