//! The golden check: does this machine compute what the trainer's libtorch computed?

use std::collections::BTreeMap;

use models::golden::{Case, Tensor};
use models::{Bundle, Network};
use ndarray::ArrayViewD;

use super::EngineOptions;
use super::in_two;
use super::runner::NetworkRunner;
use crate::error::{Error, Result};

/// How far one output lies from its golden value.
#[derive(Clone, Debug)]
pub struct Deviation {
    /// The network.
    pub network: Network,
    /// The output's name.
    pub output: String,
    /// Largest absolute difference, infinite where shapes differ or a value is not a number.
    pub difference: f32,
    /// What the manifest accepts.
    pub tolerance: f32,
}

impl Deviation {
    /// Whether the output is as close as the manifest asks.
    pub fn passes(&self) -> bool {
        self.difference <= self.tolerance
    }
}

/// Runs every network of the bundle on its golden inputs, all at once and one by one, and returns the deviation of
/// each output: a graph with a batch frozen in fails one of the two.
///
/// # Errors
/// Those of [`super::OrtRunner::load`] and [`NetworkRunner::run`]. A deviation that is too large is not an error here.
pub fn check(bundle: &Bundle, options: &EngineOptions) -> Result<Vec<Deviation>> {
    let cases = bundle.read_golden()?;
    let mut deviations = Vec::new();
    for (network, case) in &cases {
        let (mut runner, _) = in_two::load(bundle, *network, options)?;
        let mut worst = differences(*network, &mut *runner, case)?;
        let batch = case.inputs.values().next().map_or(0, |t| t.shape[0]);
        for i in 0..batch {
            let single = Case { inputs: rows(&case.inputs, i), outputs: rows(&case.outputs, i) };
            for (all, one) in worst.iter_mut().zip(differences(*network, &mut *runner, &single)?) {
                *all = all.max(one);
            }
        }
        deviations.extend(case.outputs.keys().zip(worst).map(|(output, difference)| Deviation {
            network: *network,
            output: output.clone(),
            difference,
            tolerance: bundle.manifest().tolerance,
        }));
    }
    Ok(deviations)
}

/// Row `i` of each tensor, as a batch of one.
fn rows(tensors: &BTreeMap<String, Tensor>, i: usize) -> BTreeMap<String, Tensor> {
    let row = |t: &Tensor| {
        let length = t.shape[1..].iter().product::<usize>();
        let shape = [&[1], &t.shape[1..]].concat();
        Tensor { shape, data: t.data[i * length..(i + 1) * length].to_vec() }
    };
    tensors.iter().map(|(name, t)| (name.clone(), row(t))).collect()
}

/// The largest difference of each output, in the order of `case.outputs`.
fn differences(network: Network, runner: &mut dyn NetworkRunner, case: &Case) -> Result<Vec<f32>> {
    let inputs = case
        .inputs
        .iter()
        .map(|(name, tensor)| Ok((name.as_str(), view(network, name, tensor)?)))
        .collect::<Result<Vec<_>>>()?;
    let names: Vec<&str> = case.outputs.keys().map(String::as_str).collect();
    let results = runner.run(&inputs, &names)?;
    let compare = |(expected, result): (&Tensor, ndarray::ArrayD<f32>)| {
        let found = Tensor { shape: result.shape().to_vec(), data: result.iter().copied().collect() };
        found.max_abs_difference(expected)
    };
    Ok(case.outputs.values().zip(results).map(compare).collect())
}

fn view<'t>(network: Network, name: &str, tensor: &'t Tensor) -> Result<ArrayViewD<'t, f32>> {
    ArrayViewD::from_shape(tensor.shape.clone(), &tensor.data)
        .map_err(|e| Error::Engine { what: format!("golden input {network}/{name}"), reason: e.to_string() })
}

#[cfg(test)]
mod tests {
    use models::testing::write_tiny_bundle;

    use super::*;

    #[test]
    fn a_sound_bundle_reproduces_its_golden_outputs() {
        let dir = tempfile::tempdir().unwrap();
        write_tiny_bundle(dir.path()).unwrap();
        let deviations = check(&Bundle::open(dir.path()).unwrap(), &EngineOptions::default()).unwrap();
        assert_eq!(deviations.len(), 6);
        assert!(deviations.iter().all(Deviation::passes), "{deviations:?}");
    }

    #[test]
    fn golden_outputs_that_are_not_computed_are_deviations() {
        let dir = tempfile::tempdir().unwrap();
        let mut manifest = write_tiny_bundle(dir.path()).unwrap();
        let bundle = Bundle::open(dir.path()).unwrap();
        let mut cases = bundle.read_golden().unwrap();
        let detector = cases.get_mut(&Network::Detector).unwrap();
        detector.outputs.get_mut("confidence").unwrap().data[1] += 0.25;
        let file = models::golden::FILE_NAME.to_owned();
        models::golden::write(&dir.path().join(&file), &cases).unwrap();
        manifest.files.extend(models::bundle::describe_files(dir.path(), &[file]).unwrap());
        models::testing::write_manifest(dir.path(), &manifest).unwrap();

        let deviations = check(&Bundle::open(dir.path()).unwrap(), &EngineOptions::default()).unwrap();
        let failed: Vec<_> = deviations.iter().filter(|d| !d.passes()).collect();
        assert_eq!(failed.len(), 1);
        assert_eq!((failed[0].network, failed[0].output.as_str()), (Network::Detector, "confidence"));
        assert!((failed[0].difference - 0.25).abs() < 1e-5);
    }
}
