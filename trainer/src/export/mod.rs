//! Writes trained networks as a bundle: builds the ONNX graphs, holds them against libtorch, and only then puts
//! the whole directory in place.

pub mod card;
mod cases;
mod check;
pub mod detector;
pub mod encoder;
mod flow;
pub mod fold;
pub mod graph;
pub mod heat;
pub mod image_generator;
pub mod keypoint_generator;
mod metric_tables;
mod modulation;
mod notes;
pub mod parity;
mod part_states;
pub mod pictures;
mod portrait;
pub mod reference;
mod sampling;
mod spade;
pub mod split;
mod target;
mod trained;
mod warp;

use std::collections::BTreeMap;
use std::path::Path;

use lkg_bundle::bundle::{MANIFEST, describe_files};
use lkg_bundle::files::write_atomically;
use lkg_bundle::golden::{self, Case, Cases};
use lkg_bundle::manifest::{
    Expression, KEYPOINT_COLOURS, Keypoint, Manifest, Metric, NetworkInfo, Provenance, SCHEMA_VERSION,
};
use lkg_bundle::{BundleDims, Network, onnx};
use prost::Message;

use crate::config::Architecture;
use crate::error::{Error, Result};
use crate::onnx_runtime::OnnxSession;
use crate::support::staged::StagedFolder;

pub use check::{NetworkReport, check_bundle};
pub use trained::{GeneratorNets, PortraitNets, TrainedNets};

/// The networks that every bundle with a generator holds.
pub const NETWORKS: [Network; 3] = [Network::KeypointGenerator, Network::ImageGenerator, Network::Detector];

/// The model card's name in a bundle.
pub const CARD: &str = "MODEL_CARD.md";

/// Images in each golden case.
const GOLDEN_BATCH: usize = 5;

/// The same of the portrait networks, whose features are large.
const GOLDEN_PHOTOS: usize = 1;

/// Seed of the golden inputs.
const GOLDEN_SEED: u64 = 7;

/// Samples over which mean keypoint positions are taken.
const MEAN_SAMPLES: usize = 2_000;

/// Seed of those samples.
const MEAN_SEED: u64 = 11;

/// What a bundle says about itself beyond its networks.
#[derive(Clone, Debug)]
pub struct ExportRequest {
    /// Short name, the directory's name on the shelf.
    pub name: String,
    /// One line on what the model shows.
    pub description: String,
    /// A name for each keypoint; `k0`, `k1`, … if none are given.
    pub keypoint_names: Option<Vec<String>>,
    /// Pairs of keypoints that mirror each other.
    pub symmetric_pairs: Vec<[usize; 2]>,
    /// Pairs of keypoints that overlays join by lines.
    pub skeleton: Vec<[usize; 2]>,
    /// Mean position of each keypoint, normalised coordinates; if none are given, that over generated samples.
    pub means: Option<Vec<[f32; 2]>>,
    /// Expressions that states tell.
    pub expressions: Vec<Expression>,
    /// What was measured on pictures that training never saw.
    pub metrics: Vec<Metric>,
    /// How the model came about.
    pub provenance: Provenance,
    /// Licence of the weights (SPDX id or a sentence).
    pub licence: String,
    /// The model card, Markdown.
    pub card: String,
    /// Pictures that the card shows.
    pub pictures: Vec<pictures::CardPicture>,
}

/// Exports `nets` into the bundle `out_dir`.
///
/// Every graph is checked against the contract and against libtorch and the finished directory once more as a
/// whole before it is renamed into place, so that `out_dir` never holds part of a bundle. A process killed half
/// way leaves at most a hidden directory ending in `.part` beside it, which the next export there removes.
///
/// # Errors
/// [`Error::Output`] if `out_dir` is taken (with `force`: by anything but a bundle), [`Error::KeypointNames`], [`Error::Export`] where a graph differs from libtorch, and those of libtorch, ONNX Runtime and the
/// file system.
pub fn export_bundle(
    nets: &TrainedNets,
    arch: &Architecture,
    request: &ExportRequest,
    out_dir: &Path,
    force: bool,
) -> Result<Manifest> {
    arch.check()?;
    let mut dims = nets.dims(arch);
    let names = keypoint_names(request, dims.keypoints)?;
    target::check(out_dir, force)?;
    let staged = StagedFolder::create(out_dir)?;
    let dir = staged.dir();
    let write = |file: &str, content: &[u8]| write_atomically(&dir.join(file), content);

    let mut networks = BTreeMap::new();
    let mut cases = Cases::new();
    let mut files = vec![golden::FILE_NAME.to_owned(), CARD.to_owned()];
    for network in nets.networks() {
        let built = build(nets, arch, network)?;
        dims = built.dims.unwrap_or(dims);
        for (part, content, info) in built.parts {
            write(&part.file_name(), &content)?;
            files.push(part.file_name());
            networks.insert(part, info);
        }
        let batch = match network {
            Network::PortraitSource | Network::Portrait => GOLDEN_PHOTOS,
            _ => GOLDEN_BATCH,
        };
        let inputs = cases::natural(nets, arch, network, batch, GOLDEN_SEED)?;
        let outputs = reference::outputs(nets, arch, network, &inputs)?;
        cases.insert(network, Case { inputs, outputs });
    }
    golden::write(&dir.join(golden::FILE_NAME), &cases)?;
    write(CARD, request.card.as_bytes())?;
    for picture in &request.pictures {
        write(&picture.file, &picture.content)?;
        files.push(picture.file.clone());
    }

    let means = match &request.means {
        Some(means) => means.clone(),
        None => mean_positions(nets, arch)?,
    };
    let keypoints = names
        .into_iter()
        .zip(means)
        .zip(KEYPOINT_COLOURS.into_iter().cycle())
        .map(|((name, mean), colour)| Keypoint { name, aliases: vec![], colour, mean })
        .collect();
    let manifest = Manifest {
        schema_version: SCHEMA_VERSION,
        name: request.name.clone(),
        description: request.description.clone(),
        dims,
        tau: arch.tau as f32,
        keypoints,
        symmetric_pairs: request.symmetric_pairs.clone(),
        skeleton: request.skeleton.clone(),
        expressions: request.expressions.clone(),
        files: describe_files(dir, &files)?,
        networks,
        tolerance: parity::TOLERANCE,
        metrics: request.metrics.clone(),
        provenance: request.provenance.clone(),
        licence: request.licence.clone(),
    };
    let path = dir.join(MANIFEST);
    write(MANIFEST, manifest.to_json(&path)?.as_bytes())?;
    check_bundle(dir, None)?;
    // The export took a while: look again.
    target::check(out_dir, force)?;
    staged.publish()?;
    Ok(manifest)
}

/// A network as it is written.
struct Built {
    /// Its files: one, or two of an image generator.
    parts: Vec<(Network, Vec<u8>, NetworkInfo)>,
    /// The bundle's sizes, where these files add to them.
    dims: Option<BundleDims>,
    parity: parity::Differences,
}

/// Builds `network`, an image generator in two files where it can be cut, and compares it with libtorch.
fn build(nets: &TrainedNets, arch: &Architecture, network: Network) -> Result<Built> {
    let exported = nets.graph(network, arch)?;
    let dims = nets.dims(arch);
    let content = exported.model.encode_to_vec();
    let summary = onnx::check_model(&content, network, &dims)?;
    let whole = |parity| NetworkInfo {
        opset: summary.opset,
        operators: summary.operators,
        parameters: summary.parameters,
        macs: exported.macs,
        parity,
    };
    let halves = if network == Network::ImageGenerator { split::cut(&exported.model, &dims) } else { None };
    let Some(halves) = halves else {
        let parity = parity::check(nets, arch, network, &content)?;
        let parts = vec![(network, content, whole(parity.clone()))];
        return Ok(Built { parts, dims: None, parity });
    };
    let (style, render) = (halves.style.encode_to_vec(), halves.render.encode_to_vec());
    let parity =
        parity::check_session(nets, arch, network, &mut OnnxSession::in_two(&style, &render, &halves.dims)?)?;
    let whole = whole(parity.clone());
    let part = |(network, content): (Network, Vec<u8>)| {
        let info = split::info(network, &content, &halves, &whole)?;
        Ok((network, content, info))
    };
    let parts =
        [(Network::Style, style), (Network::Render, render)].into_iter().map(part).collect::<Result<_>>()?;
    Ok(Built { parts, dims: Some(halves.dims), parity })
}

/// Builds `network` as a bundle would have it and compares it with libtorch: the largest absolute difference of each
/// output.
///
/// # Errors
/// Those of building and [`parity::check`].
pub fn parity_of(nets: &TrainedNets, arch: &Architecture, network: Network) -> Result<parity::Differences> {
    Ok(build(nets, arch, network)?.parity)
}

/// The names asked for, or `k0`, `k1`, ….
fn keypoint_names(request: &ExportRequest, count: usize) -> Result<Vec<String>> {
    let Some(names) = &request.keypoint_names else {
        return Ok((0..count).map(|i| format!("k{i}")).collect());
    };
    check_names(names, count)?;
    Ok(names.clone())
}

/// Checks that there is a name of its own for each of `count` keypoints.
///
/// # Errors
/// [`Error::KeypointNames`].
pub fn check_names(names: &[String], count: usize) -> Result<()> {
    if names.len() != count {
        return Err(Error::KeypointNames(format!("{} keypoint names for {count} keypoints", names.len())));
    }
    for (i, name) in names.iter().enumerate() {
        if name.trim().is_empty() || names[..i].contains(name) {
            return Err(Error::KeypointNames(format!("keypoint name {name:?} is empty or given twice")));
        }
    }
    Ok(())
}

/// Mean position of each keypoint over generated samples, normalised coordinates.
fn mean_positions(nets: &TrainedNets, arch: &Architecture) -> Result<Vec<[f32; 2]>> {
    let noise = cases::random(Network::KeypointGenerator, &nets.dims(arch), MEAN_SAMPLES, MEAN_SEED);
    let latents = reference::outputs(nets, arch, Network::KeypointGenerator, &noise)?;
    let mut sums = vec![[0.0f64; 2]; arch.keypoints as usize];
    let (points, _) = latents["keypoints"].data.as_chunks::<2>();
    for (i, [x, y]) in points.iter().enumerate() {
        let sum = &mut sums[i % arch.keypoints as usize];
        sum[0] += f64::from(*x);
        sum[1] += f64::from(*y);
    }
    Ok(sums.iter().map(|s| s.map(|v| (v / MEAN_SAMPLES as f64) as f32)).collect())
}
