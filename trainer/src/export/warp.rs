//! The warp family as an ONNX graph. Sampling is matrix products, as in [`crate::nets::image_generator::sampling`]:
//! no operator that a provider might lack.

use tch::{Device, Tensor};

use super::fold::Kernel;
use super::graph::{Graph, Value};
use super::heat;
use super::sampling::hat;
use crate::config::Architecture;
use crate::error::Result;
use crate::nets::LEAKY_SLOPE;
use crate::nets::image_generator::sampling::stretch;
use crate::nets::image_generator::warp::{Block, Canvas, EPSILON, Warp, frame_size, reach, window};

/// The last feature map, `[N, C, size, size]`.
///
/// # Errors
/// [`crate::Error::Export`] if the graph can't be built, [`crate::Error::Torch`] if weights can't be read.
pub fn features(g: &mut Graph, net: &Warp, arch: &Architecture) -> Result<Value> {
    let (k, e) = (arch.keypoints, arch.embedding);
    let sizes: Vec<i64> = net.blocks.iter().map(|s| s.size).collect();
    let heat = heat::maps(g, net.tau, k, &sizes)?;
    let placed = place(g, net, k, &sizes)?;
    let moments = statistics(g, net, k)?;
    let embeddings = g.input("embeddings")?;
    let embeddings = g.reshape(&embeddings, &[k, 1, 1, e]);
    let background = g.input("background")?;
    let background = g.reshape(&background, &[1, 1, 1, e]);

    let mut x: Option<Value> = None;
    for (((block, heat), placed), moment) in net.blocks.iter().zip(&heat).zip(&placed).zip(&moments) {
        let size = block.size;
        let parts = canvas(g, &block.parts, &embeddings)?;
        let parts = sample(g, &parts, placed, size);
        let behind = canvas(g, &block.background, &background)?;
        let m = g.tensor(&stretch(size, frame_size(size), Device::Cpu))?;
        let behind = sample_whole(g, &behind, &m, size);
        let shows = g.reshape(&heat.background, &[size, size, 1]);
        let behind = g.zip("Mul", &behind, &shows);
        let own = g.zip("Add", &parts, &behind);
        let own = g.leaky_relu(&own, LEAKY_SLOPE);
        let mut y = g.permute(&own, &[0, 3, 1, 2]);
        if let (Some(below), Some(conv)) = (&x, &block.conv_in) {
            let below = g.leaky_relu(below, LEAKY_SLOPE);
            let below = g.conv(&below, &Kernel::plain(conv))?;
            let below = g.upsample(&below);
            y = g.zip("Add", &y, &below);
        }
        let y = normalise(g, &y, moment);
        let y = g.leaky_relu(&y, LEAKY_SLOPE);
        x = Some(g.conv(&y, &Kernel::plain(&block.conv_out))?);
    }
    x.ok_or_else(|| crate::Error::Export("the image generator has no block".to_owned()))
}

/// Where the parts' frames go.
struct Placed {
    /// `[N, K, 1, size, frame]`.
    columns: Value,
    /// `[N, size, K frame]`.
    rows: Value,
}

/// The weights of every size.
fn place(g: &mut Graph, net: &Warp, k: i64, sizes: &[i64]) -> Result<Vec<Placed>> {
    let keypoints = g.input("keypoints")?;
    let keypoints = g.reshape(&keypoints, &[k, 2, 1]);
    let scales = g.input("scales")?;
    let scales = g.reshape(&scales, &[k, 1, 1]);
    let visible = g.input("visible")?;
    let visible = g.reshape(&visible, &[k, 1, 1, 1]);
    let centres = heat::centres(sizes);
    let centres = g.floats(&[centres.len() as i64], &centres);
    let distance = g.zip("Sub", &centres, &keypoints);
    let per_scale = g.zip("Div", &distance, &scales);
    let squared = g.zip("Mul", &per_scale, &per_scale);
    let factor = g.scalar((-1.0 / window(net.tau)) as f32);
    let exponent = g.zip("Mul", &squared, &factor);
    let fade = heat::falloff(g, &exponent);
    let factor = g.scalar((1.0 / reach(net.tau)) as f32);
    let inside = g.zip("Mul", &per_scale, &factor);
    let (fade, inside) = (g.split(&fade, 3, sizes), g.split(&inside, 3, sizes));

    let mut placed = Vec::new();
    for ((fade, inside), &size) in fade.iter().zip(&inside).zip(sizes) {
        let frame = frame_size(size);
        let half = frame as f32 / 2.0;
        let factor = g.scalar(half);
        let position = g.zip("Mul", inside, &factor);
        let position = g.reshape(&position, &[k, 2, size, 1]);
        let places: Vec<f32> = (0..frame).map(|i| i as f32 - (half - 0.5)).collect();
        let places = g.floats(&[frame], &places);
        let off = g.zip("Sub", &position, &places);
        let hat = hat(g, &off);
        let fade = g.reshape(fade, &[k, 2, size, 1]);
        let weights = g.zip("Mul", &hat, &fade);
        let axes = g.split(&weights, 2, &[1, 1]);
        let rows = g.zip("Mul", &axes[1], &visible);
        let rows = g.reshape(&rows, &[k, size, frame]);
        let rows = g.permute(&rows, &[0, 2, 1, 3]);
        let rows = g.reshape(&rows, &[size, k * frame]);
        placed.push(Placed { columns: axes[0].clone(), rows });
    }
    Ok(placed)
}

/// Tinted maps `[N, K, frame, frame, C]` of embeddings `[N, K, 1, 1, E]`.
fn canvas(g: &mut Graph, canvas: &Canvas, embeddings: &Value) -> Result<Value> {
    let maps = g.tensor(&canvas.maps.unsqueeze(0))?;
    let spread = g.zip("Mul", embeddings, &maps);
    let weight = g.tensor(&canvas.tint.weight.transpose(0, 1))?;
    let bias = g.tensor(&canvas.tint.bias)?;
    let tinted = g.matmul(&spread, &weight);
    let tinted = g.zip("Add", &tinted, &bias);
    Ok(g.leaky_relu(&tinted, LEAKY_SLOPE))
}

/// Frames at their places, added up: `[N, size, size, C]`.
fn sample(g: &mut Graph, frames: &Value, placed: &Placed, size: i64) -> Value {
    let (k, frame, c) = (frames.length(1), frames.length(2), frames.length(4));
    let wide = g.matmul(&placed.columns, frames);
    let wide = g.reshape(&wide, &[k * frame, size * c]);
    let image = g.matmul(&placed.rows, &wide);
    g.reshape(&image, &[size, size, c])
}

/// One frame stretched over the whole image by the weights `m` `[size, frame]`: `[N, size, size, C]`.
fn sample_whole(g: &mut Graph, frames: &Value, m: &Value, size: i64) -> Value {
    let (frame, c) = (frames.length(2), frames.length(4));
    let wide = g.matmul(m, frames);
    let wide = g.reshape(&wide, &[frame, size * c]);
    let image = g.matmul(m, &wide);
    g.reshape(&image, &[size, size, c])
}

/// Mean and deviation of the embeddings for each size, `[N, C, 1, 1]` each.
fn statistics(g: &mut Graph, net: &Warp, k: i64) -> Result<Vec<(Value, Value)>> {
    let width = |s: &Block| s.statistics.size()[1];
    let widths: Vec<i64> = net.blocks.iter().map(width).collect();
    let all: Vec<&Tensor> = net.blocks.iter().map(|s| &s.statistics).collect();
    let all = g.tensor(&Tensor::cat(&all, 1))?;
    let embeddings = g.input("embeddings")?;
    let statistics = g.matmul(&embeddings, &all);
    let visible = g.input("visible")?;
    let visible = g.reshape(&visible, &[1, k]);
    let epsilon = g.scalar(EPSILON as f32);
    let sum = g.sum_last(&visible);
    let sum = g.zip("Add", &sum, &epsilon);
    let sum = g.reshape(&sum, &[1, 1]);
    let weights = g.zip("Div", &visible, &sum);
    let mean = g.matmul(&weights, &statistics);
    let off = g.zip("Sub", &statistics, &mean);
    let squared = g.zip("Mul", &off, &off);
    let variance = g.matmul(&weights, &squared);
    let variance = g.zip("Add", &variance, &epsilon);
    let deviation = g.map("Sqrt", &variance);
    let total: i64 = widths.iter().sum();
    let mut split = |x: &Value| {
        let x = g.reshape(x, &[total, 1, 1]);
        g.split(&x, 1, &widths)
    };
    Ok(split(&mean).into_iter().zip(split(&deviation)).collect())
}

/// Each channel of `x` to the mean and deviation that the embeddings call for.
fn normalise(g: &mut Graph, x: &Value, (mean, deviation): &(Value, Value)) -> Value {
    let epsilon = g.scalar(EPSILON as f32);
    let own_mean = g.mean_over_image(x);
    let off = g.zip("Sub", x, &own_mean);
    let squared = g.zip("Mul", &off, &off);
    let variance = g.mean_over_image(&squared);
    let variance = g.zip("Add", &variance, &epsilon);
    let own_deviation = g.map("Sqrt", &variance);
    let factor = g.zip("Div", deviation, &own_deviation);
    let y = g.zip("Mul", &off, &factor);
    g.zip("Add", &y, mean)
}
