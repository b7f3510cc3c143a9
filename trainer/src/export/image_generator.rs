//! Stage 2 as an ONNX graph, in the form that costs the fewest passes over memory.
//!
//! * Every batch norm folds away: into the convolution before it, also through the bilinear upsampling between
//!   them (which keeps constants, so a factor and an addend a channel may move to its other side), and the first
//!   into the learned start.
//! * Heat maps are outer products of one exponential a row and one a column, all sizes in one go.
//! * Modulation is one table for the whole network, which depends on the appearance only, and two products a
//!   layer. The table's bias needs a map of ones, and `background + max = 1`: so the bias sits in the columns of
//!   both, and no constant map has to be made.

use models::Network;
use models::conventions::pixel_centre;
use tch::{Kind, Tensor};

use super::fold::{Affine, Kernel};
use super::graph::{Exported, Graph, Value};
use crate::config::Architecture;
use crate::error::{Error, Result};
use crate::nets::image_generator::{START_SIZE, Spade};
use crate::nets::{ImageGenerator, LEAKY_SLOPE};

/// Exports the image generator at its full size, see [`Network::ImageGenerator`] for its inputs and output.
///
/// # Errors
/// [`Error::Export`] if the network has no head for `arch.image_size` or the graph does not fit the contract,
/// [`Error::Torch`] if weights can't be read.
pub fn build(net: &ImageGenerator, arch: &Architecture) -> Result<Exported> {
    let mut g = Graph::new(Network::ImageGenerator, arch.bundle_dims());
    let (_, to_rgb) = net.to_rgb.iter().find(|(size, _)| *size == arch.image_size).ok_or_else(|| {
        Error::Export(format!("the image generator has no head for {} px", arch.image_size))
    })?;

    let mut sizes = vec![START_SIZE];
    sizes.extend(net.stages.iter().map(|s| s.size));
    let maps = heat_maps(&mut g, net, arch, &sizes)?;
    let spades: Vec<&Spade> = net.stages.iter().flat_map(|s| [&s.spade_in, &s.spade_out]).collect();
    let mut tables = tables(&mut g, &spades, arch)?.into_iter();
    // A gamma and a beta table a layer, in the order in which the layers come.
    let mut modulate = |g: &mut Graph, x: &Value, maps: &Value, channels: i64, size: i64| -> Option<Value> {
        let gamma = g.matmul(&tables.next()?, maps);
        let gamma = g.reshape(&gamma, &[channels, size, size]);
        let beta = g.matmul(&tables.next()?, maps);
        let beta = g.reshape(&beta, &[channels, size, size]);
        let y = g.zip("Mul", x, &gamma);
        let y = g.zip("Add", &y, &beta);
        Some(g.leaky_relu(&y, LEAKY_SLOPE))
    };
    let short = || Error::Export("the image generator has fewer modulations than layers".to_owned());

    let mut x = g.tensor(&start(net))?;
    for (i, stage) in net.stages.iter().enumerate() {
        x = modulate(&mut g, &x, &maps[i], stage.spade_in.channels, sizes[i]).ok_or_else(short)?;
        x = g.conv(&x, &Kernel::folded(&stage.conv_in, &Affine::from(&stage.spade_out.norm)))?;
        x = g.upsample(&x);
        x = modulate(&mut g, &x, &maps[i + 1], stage.spade_out.channels, stage.size).ok_or_else(short)?;
        // The head reads the last stage's output without a norm.
        let kernel = match net.stages.get(i + 1) {
            Some(next) => Kernel::folded(&stage.conv_out, &Affine::from(&next.spade_in.norm)),
            None => Kernel::plain(&stage.conv_out),
        };
        x = g.conv(&x, &kernel)?;
    }
    let x = g.leaky_relu(&x, LEAKY_SLOPE);
    let x = g.conv(&x, &Kernel::plain(to_rgb))?;
    let image = g.map("Tanh", &x);
    g.finish(&[("image", image)])
}

/// The learned start `[1, C, 4, 4]` with the first norm applied.
fn start(net: &ImageGenerator) -> Tensor {
    match net.stages.first() {
        Some(stage) => {
            let norm = Affine::from(&stage.spade_in.norm);
            &net.start * norm.scale.view([1, -1, 1, 1]) + norm.shift.view([1, -1, 1, 1])
        }
        None => net.start.shallow_clone(),
    }
}

/// Heat maps `[N, K + 2, size^2]` of each size: the parts, the background, and the largest of the parts.
fn heat_maps(g: &mut Graph, net: &ImageGenerator, arch: &Architecture, sizes: &[i64]) -> Result<Vec<Value>> {
    let k = arch.keypoints;
    let keypoints = g.input("keypoints")?;
    let keypoints = g.reshape(&keypoints, &[k, 2, 1]);
    let scales = g.input("scales")?;
    let squared = g.zip("Mul", &scales, &scales);
    let minus_inverse_tau = g.scalar((-1.0 / net.tau) as f32);
    let factor = g.zip("Div", &minus_inverse_tau, &squared);
    let factor = g.reshape(&factor, &[k, 1, 1]);
    let visible = g.input("visible")?;
    let visible = g.reshape(&visible, &[k, 1, 1]);

    let centres: Vec<f32> =
        sizes.iter().flat_map(|&s| (0..s).map(move |i| pixel_centre(i as usize, s as usize))).collect();
    let centres = g.floats(&[centres.len() as i64], &centres);
    let distance = g.zip("Sub", &keypoints, &centres);
    let squared = g.zip("Mul", &distance, &distance);
    let exponent = g.zip("Mul", &squared, &factor);
    let falloff = g.map("Exp", &exponent);
    let axes = g.split(&falloff, 2, &[1, 1]);
    let rows = g.split(&axes[0], 3, sizes);
    let columns = g.zip("Mul", &axes[1], &visible);
    let columns = g.split(&columns, 3, sizes);

    let one = g.scalar(1.0);
    let mut maps = Vec::new();
    for ((row, column), &size) in rows.iter().zip(&columns).zip(sizes) {
        let column = g.reshape(column, &[k, size, 1]);
        let parts = g.zip("Mul", &column, row);
        let largest = g.max_channel(&parts);
        let background = g.zip("Sub", &one, &largest);
        let all = g.concat(&[&parts, &background, &largest], 1);
        maps.push(g.reshape(&all, &[k + 2, size * size]));
    }
    Ok(maps)
}

/// For each layer gamma's and beta's table, `[N, C, K + 2]` each.
fn tables(g: &mut Graph, spades: &[&Spade], arch: &Architecture) -> Result<Vec<Value>> {
    let (k, e) = (arch.keypoints, arch.embedding);
    let embeddings = g.input("embeddings")?;
    let background = g.input("background")?;
    let background = g.reshape(&background, &[1, e]);
    let looks = g.concat(&[&embeddings, &background], 1);
    let looks = g.transpose(&looks);
    // A column of zeros for the map that carries nothing but bias.
    let looks = g.pad_last(&looks);

    let styles: Vec<Tensor> = spades.iter().map(|s| s.style.transpose(0, 1)).collect();
    let style = g.tensor(&Tensor::cat(&styles, 0))?;
    let product = g.matmul(&style, &looks);
    let biases: Vec<Tensor> = spades.iter().map(|s| s.bias.view([-1, 1])).collect();
    let bias = Tensor::cat(&biases, 0);
    let none = Tensor::zeros([bias.size()[0], k], (Kind::Float, bias.device()));
    let bias = g.tensor(&Tensor::cat(&[&none, &bias, &bias], 1))?;
    let table = g.zip("Add", &product, &bias);
    let lengths: Vec<i64> = spades.iter().flat_map(|s| [s.channels; 2]).collect();
    Ok(g.split(&table, 1, &lengths))
}
