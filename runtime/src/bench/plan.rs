//! Which networks are measured in which settings, and what is known of them.

use std::collections::BTreeMap;

use lkg_bundle::onnx::ModelProto;
use lkg_bundle::{Bundle, Network};
use prost::Message;

use super::executor::{Executor, Series};
use super::frames::Material;
use super::photo;
use super::report::{Engine, Model, Overhead};
use super::scan::{self, Axis, Combination};
use super::workload::{self, FRAME_TO_KEYPOINTS, Label, Pair};
use crate::engine::{EngineOptions, Provider, SPINNING, library, nodes_per_provider};
use crate::error::Result;

/// Networks in their settings, loaded.
#[derive(Default)]
pub struct Plan {
    /// What is to be measured.
    pub executors: Vec<Box<dyn Executor>>,
    /// Names of ours and of the bare run beside it.
    pub pairs: Vec<(String, String)>,
    /// Providers in use.
    pub used: Vec<String>,
    /// Why better providers are not.
    pub refused: Vec<String>,
}

/// Every combination of `axes`; without axes, one for each of `batches`.
///
/// # Errors
/// An axis is given twice.
pub fn combinations(axes: &[Axis], batches: &[u16], base: &EngineOptions) -> Result<Vec<Combination>> {
    let batches = Axis::Batch(batches.iter().copied().map(usize::from).collect());
    let axes = if axes.is_empty() { std::slice::from_ref(&batches) } else { axes };
    Ok(scan::combinations(axes, base, 1)?)
}

impl Plan {
    /// Loads detector, generator and portrait networks in every combination, each with a bare run beside it if `bare` and the batch is 1.
    ///
    /// # Errors
    /// A network does not load, for instance because a provider that was asked for cannot be had.
    pub fn load(
        bundle: &Bundle,
        combinations: &[Combination],
        material: &Material,
        seed: u64,
        bare: bool,
    ) -> Result<Self> {
        let picture = material.first()?;
        let mut plan = Self::default();
        for c in combinations {
            let label = Label { suffix: &c.suffix, batch: c.batch, bare: bare && c.batch == 1 };
            plan.add(workload::detector(bundle, &c.options, &picture, &label)?);
            if bundle.has_generator() {
                workload::generator(bundle, &c.options, seed, &label)?.into_iter().for_each(|p| plan.add(p));
            }
            if bundle.has_portrait() {
                photo::networks(bundle, &c.options, &label)?.into_iter().for_each(|p| plan.add(p));
            }
        }
        Ok(plan)
    }

    fn add(&mut self, pair: Pair) {
        if let Some(attempt) = pair.attempts.last() {
            let name = attempt.provider.to_string();
            if !self.used.contains(&name) {
                self.used.push(name);
            }
        }
        for attempt in &pair.attempts {
            if let Some(failure) = &attempt.failure {
                let refused = format!("{}: {failure}", attempt.provider);
                if !self.refused.contains(&refused) {
                    self.refused.push(refused);
                }
            }
        }
        if let Some(bare) = &pair.bare {
            self.pairs.push((pair.ours.name(), bare.name()));
        }
        self.executors.push(pair.ours);
        self.executors.extend(pair.bare);
    }

    /// What our part adds: to each network, and to the detector from a frame in memory to its keypoints.
    pub fn overheads<'s>(&self, find: &dyn Fn(&str) -> Option<&'s Series>) -> Vec<Overhead> {
        let mut overheads = Vec::new();
        for (ours, bare) in &self.pairs {
            let (Some(ours), Some(bare)) = (find(ours), find(bare)) else { continue };
            overheads.extend(Overhead::between(ours, None, bare));
            if ours.name.starts_with("detector")
                && let Some(whole) = find(workload::PIPELINE)
            {
                let step = whole.steps.iter().position(|s| *s == FRAME_TO_KEYPOINTS);
                overheads.extend(Overhead::between(whole, step, bare));
            }
        }
        overheads
    }
}

/// What computes, with proof of where each node runs.
///
/// # Errors
/// ONNX Runtime's profile cannot be had.
pub fn engine(bundle: &Bundle, combinations: &[Combination], plan: &Plan, requested: &str) -> Result<Engine> {
    let library = library::get()?;
    let mut nodes = BTreeMap::new();
    // Settings that are scanned all allow the same nodes on a provider: the first tells.
    if let Some(first) = combinations.first() {
        for network in measured(bundle) {
            nodes.insert(network.name().to_owned(), nodes_per_provider(bundle, network, &first.options)?);
        }
    }
    let mut asked: Vec<&str> = combinations.iter().map(|c| c.options.provider.name()).collect();
    asked.dedup();
    Ok(Engine {
        ort_version: library.version.clone(),
        ort_library: library.path.display().to_string(),
        provider_requested: if asked.len() > 1 { asked.join(",") } else { requested_or(&asked, requested) },
        providers_used: plan.used.clone(),
        refused: plan.refused.clone(),
        nodes_per_provider: nodes,
        spinning: SPINNING,
        io_binding: gpu(&plan.used),
        cuda_graph: gpu(&plan.used) && combinations.iter().any(|c| c.options.gpu.graph),
    })
}

/// Whether one of the providers `used` computes on a GPU, where values are always bound.
fn gpu(used: &[String]) -> bool {
    used.iter().any(|name| name.parse().is_ok_and(Provider::is_gpu))
}

fn requested_or(asked: &[&str], requested: &str) -> String {
    asked.first().copied().unwrap_or(requested).to_owned()
}

/// The networks that a plan measures.
fn measured(bundle: &Bundle) -> impl Iterator<Item = Network> {
    let measured = |n: &Network| !matches!(n, Network::KeypointGenerator | Network::Encoder);
    bundle.networks().into_iter().filter(measured)
}

/// The files of the networks that a plan measures.
///
/// # Errors
/// One cannot be read.
pub fn models(bundle: &Bundle) -> Result<Vec<Model>> {
    let manifest = bundle.manifest();
    measured(bundle)
        .map(|network| {
            let file = network.file_name();
            let content = bundle.read_network(network)?;
            let (entry, info) = (manifest.files.get(&file), manifest.networks.get(&network));
            Ok(Model {
                network: network.name().to_owned(),
                path: bundle.dir().join(&file).display().to_string(),
                sha256: entry.map_or_else(String::new, |e| e.sha256.clone()),
                bytes: content.len() as u64,
                opset: info.map_or(0, |i| i.opset),
                macs: info.map_or(0, |i| i.macs),
                inputs: network
                    .inputs(&manifest.dims)
                    .iter()
                    .map(|t| format!("{} {}", t.name, t.shape_text()))
                    .collect(),
                weights: weights(&content),
            })
        })
        .collect()
}

/// How many weights there are of each type.
fn weights(model: &[u8]) -> BTreeMap<String, u64> {
    let mut counts = BTreeMap::new();
    let graph = ModelProto::decode(model).ok().and_then(|m| m.graph).unwrap_or_default();
    for tensor in &graph.initializer {
        let kind = match tensor.data_type {
            1 => "float32",
            2 => "uint8",
            3 => "int8",
            6 => "int32",
            7 => "int64",
            10 => "float16",
            16 => "bfloat16",
            _ => "other",
        };
        let elements: i64 = tensor.dims.iter().product();
        *counts.entry(kind.to_owned()).or_insert(0) += elements.max(0) as u64;
    }
    counts
}

#[cfg(test)]
mod tests {
    use lkg_bundle::testing::{write_tiny_bundle, write_tiny_bundle_in_two};

    use super::*;
    use crate::engine::Provider;
    use crate::error::Error;

    #[test]
    fn a_plan_knows_what_it_loads() {
        let dir = tempfile::tempdir().unwrap();
        write_tiny_bundle(dir.path()).unwrap();
        let bundle = Bundle::open(dir.path()).unwrap();
        let base = EngineOptions { provider: Provider::Cpu, ..EngineOptions::default() };
        let combinations = combinations(&[], &[1, 4], &base).unwrap();
        let material = Material::synthetic(&bundle, &base, (64, 48), 0).unwrap();
        let plan = Plan::load(&bundle, &combinations, &material, 0, true).unwrap();
        let names: Vec<_> = plan.executors.iter().map(|e| e.name()).collect();
        assert_eq!(names.len(), 6, "two networks, two batches, bare at batch 1: {names:?}");
        assert_eq!((plan.used.as_slice(), plan.refused.len()), (["cpu".to_owned()].as_slice(), 0));
        let engine = engine(&bundle, &combinations, &plan, "cpu").unwrap();
        assert!(engine.nodes_per_provider["detector"]["CPUExecutionProvider"] > 0);
        assert_eq!(engine.provider_requested, "cpu");
        let models = models(&bundle).unwrap();
        let detector = models.iter().find(|m| m.network == "detector").unwrap();
        assert_eq!((models.len(), detector.sha256.len(), detector.inputs.len()), (2, 64, 1));
        assert!(detector.weights.values().sum::<u64>() > 0);
    }

    #[test]
    fn a_generator_in_two_files_has_two_rows_of_its_own() {
        let dir = tempfile::tempdir().unwrap();
        write_tiny_bundle_in_two(dir.path()).unwrap();
        let bundle = Bundle::open(dir.path()).unwrap();
        let base = EngineOptions { provider: Provider::Cpu, ..EngineOptions::default() };
        let material = Material::synthetic(&bundle, &base, (64, 48), 0).unwrap();
        let mut plan =
            Plan::load(&bundle, &combinations(&[], &[1], &base).unwrap(), &material, 0, true).unwrap();
        let ours: Vec<_> = plan.pairs.iter().map(|(ours, _)| ours.as_str()).collect();
        assert_eq!(ours, ["detector network, batch 1", "style network, batch 1", "render network, batch 1"]);
        plan.executors.iter_mut().for_each(|e| drop(e.run().unwrap()));
        let named = models(&bundle).unwrap().into_iter().map(|m| m.network).collect::<Vec<_>>();
        assert_eq!(named, ["style", "render", "detector"]);
    }

    #[test]
    fn a_provider_that_is_not_there_fails_before_anything_is_measured() {
        let dir = tempfile::tempdir().unwrap();
        write_tiny_bundle(dir.path()).unwrap();
        let bundle = Bundle::open(dir.path()).unwrap();
        let base = EngineOptions { provider: Provider::Cpu, ..EngineOptions::default() };
        let material = Material::synthetic(&bundle, &base, (64, 48), 0).unwrap();
        let axes = ["provider=cpu,tensorrt".parse().unwrap()];
        let combinations = combinations(&axes, &[1], &base).unwrap();
        match Plan::load(&bundle, &combinations, &material, 0, false) {
            Ok(plan) => assert_eq!(plan.used, ["cpu", "tensorrt"]),
            Err(e) => assert!(matches!(e, Error::Provider { provider: "tensorrt", .. }), "{e}"),
        }
    }
}
