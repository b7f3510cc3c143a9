//! The golden check: does this machine compute what the trainer's libtorch computed?

use std::collections::BTreeMap;

use lkg_bundle::golden::{Case, Tensor};
use lkg_bundle::{Bundle, Network};
use ndarray::{ArrayD, ArrayViewD};
use ort::session::Session;

use super::EngineOptions;
use super::precision::Precision;
use super::provider::Provider;
use super::runner::run_session;
use super::split;
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
    /// What is accepted: what the manifest says, or [`COARSE`] where fewer digits are computed with.
    pub tolerance: f32,
}

/// Largest difference that is accepted from 10-bit fractions (fp16, TF32); of a keypoint it is 1.3 pixels of 128.
pub const COARSE: f32 = 0.02;

impl Deviation {
    /// Whether the output is as close as it must be.
    pub fn passes(&self) -> bool {
        self.difference <= self.tolerance
    }
}

/// Runs every network of the bundle on its golden inputs, all at once and one by one, and returns the deviation of
/// each output: a graph with a batch frozen in fails one of the two.
///
/// # Errors
/// Those of [`super::OrtRunner::load`] and [`super::NetworkRunner::run`]. A deviation that is too large is not an error here.
pub fn check(bundle: &Bundle, options: &EngineOptions) -> Result<Vec<Deviation>> {
    let cases = bundle.read_golden()?;
    let each = cases.iter().map(|(network, case)| deviations(bundle, *network, case, options));
    Ok(each.collect::<Result<Vec<_>>>()?.concat())
}

/// The same for one network; for the second half of an image generator in two files that is the whole, for the first it is
/// nothing, as what passes between them has no golden tensors.
///
/// # Errors
/// Those of [`check`].
pub fn check_one(bundle: &Bundle, network: Network, options: &EngineOptions) -> Result<Vec<Deviation>> {
    let function = if network == Network::Render { Network::ImageGenerator } else { network };
    let cases = bundle.read_golden()?;
    let case = cases.get(&function);
    case.map_or(Ok(Vec::new()), |case| deviations(bundle, function, case, options))
}

fn deviations(
    bundle: &Bundle,
    network: Network,
    case: &Case,
    options: &EngineOptions,
) -> Result<Vec<Deviation>> {
    let (mut runner, attempts) = split::load(bundle, network, options)?;
    let used = attempts.last().map_or(options.provider, |a| a.provider);
    let tolerance = tolerance(bundle, options.precision, used);
    let mut run = |inputs: &[(&str, ArrayViewD<'_, f32>)], outputs: &[&str]| runner.run(inputs, outputs);
    let batch = case.inputs.values().next().map_or(0, |t| t.shape[0]);
    let row = |i| Case { inputs: rows(&case.inputs, i), outputs: rows(&case.outputs, i) };
    let mut parts: Vec<Case> = (0..batch).map(row).collect();
    // TensorRT records a graph for the first size of batch only, and one is what is used.
    if !options.gpu.graph {
        parts.push(case.clone());
    }
    let mut worst = vec![0.0f32; case.outputs.len()];
    for part in &parts {
        for (most, one) in worst.iter_mut().zip(differences(network, &mut run, part)?) {
            *most = most.max(one);
        }
    }
    let deviation = |(output, difference): (&String, f32)| Deviation {
        network,
        output: output.clone(),
        difference,
        tolerance,
    };
    Ok(case.outputs.keys().zip(worst).map(deviation).collect())
}

/// What is accepted of `provider` computing in `precision`.
fn tolerance(bundle: &Bundle, precision: Precision, provider: Provider) -> f32 {
    let accepted = bundle.manifest().tolerance;
    if precision.is_full(provider) { accepted } else { accepted.max(COARSE) }
}

/// Checks a session of `network` that has just been opened on `provider`.
///
/// # Errors
/// [`Error::Engine`] if an output lies further from its golden value than is accepted, or it does not run.
pub(super) fn prove(
    session: &mut Session,
    bundle: &Bundle,
    network: Network,
    precision: Precision,
    provider: Provider,
) -> Result<()> {
    let cases = bundle.read_golden()?;
    let Some(case) = cases.get(&network) else { return Ok(()) };
    let tolerance = tolerance(bundle, precision, provider);
    // One image: for that an engine is fastest, and more may be more than it takes.
    let case = Case { inputs: rows(&case.inputs, 0), outputs: rows(&case.outputs, 0) };
    let mut run = |inputs: &[(&str, ArrayViewD<'_, f32>)], outputs: &[&str]| {
        run_session(session, network, inputs, outputs)
    };
    let differences = differences(network, &mut run, &case)?;
    match case.outputs.keys().zip(differences).find(|(_, difference)| *difference > tolerance) {
        None => Ok(()),
        Some((output, difference)) => Err(Error::Engine {
            what: format!("{network} on {provider}"),
            reason: format!("{output} lies {difference:.1e} from the bundle's own (at most {tolerance:.0e})"),
        }),
    }
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

/// Runs a network on named inputs for the outputs named.
type Run<'r> = dyn FnMut(&[(&str, ArrayViewD<'_, f32>)], &[&str]) -> Result<Vec<ArrayD<f32>>> + 'r;

/// The largest difference of each output, in the order of `case.outputs`.
fn differences(network: Network, run: &mut Run<'_>, case: &Case) -> Result<Vec<f32>> {
    let inputs = case
        .inputs
        .iter()
        .map(|(name, tensor)| Ok((name.as_str(), view(network, name, tensor)?)))
        .collect::<Result<Vec<_>>>()?;
    let names: Vec<&str> = case.outputs.keys().map(String::as_str).collect();
    let results = run(&inputs, &names)?;
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
    use lkg_bundle::testing::write_tiny_bundle;

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
    fn so_does_one_that_carries_photos() {
        let dir = tempfile::tempdir().unwrap();
        lkg_bundle::testing::write_tiny_portrait_bundle(dir.path()).unwrap();
        let deviations = check(&Bundle::open(dir.path()).unwrap(), &EngineOptions::default()).unwrap();
        assert_eq!(deviations.len(), 9, "three outputs each of detector, portrait_source and portrait");
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
        let file = lkg_bundle::golden::FILE_NAME.to_owned();
        lkg_bundle::golden::write(&dir.path().join(&file), &cases).unwrap();
        manifest.files.extend(lkg_bundle::bundle::describe_files(dir.path(), &[file]).unwrap());
        lkg_bundle::testing::write_manifest(dir.path(), &manifest).unwrap();

        let bundle = Bundle::open(dir.path()).unwrap();
        let options = EngineOptions { provider: Provider::Cpu, ..EngineOptions::default() };
        let prove = |network, precision, provider| {
            let (mut session, _) = super::super::runner::session(&bundle, network, &options, None).unwrap();
            prove(&mut session, &bundle, network, precision, provider).map_err(|e| e.to_string())
        };
        prove(Network::KeypointGenerator, Precision::Stored, Provider::Cpu).unwrap();
        let error = prove(Network::Detector, Precision::Fp16, Provider::TensorRt).unwrap_err();
        assert!(error.contains("detector on tensorrt: confidence lies 2.5e-1"), "{error}");
        let deviations = check(&bundle, &EngineOptions::default()).unwrap();
        let failed: Vec<_> = deviations.iter().filter(|d| !d.passes()).collect();
        assert_eq!(failed.len(), 1);
        assert_eq!((failed[0].network, failed[0].output.as_str()), (Network::Detector, "confidence"));
        assert!((failed[0].difference - 0.25).abs() < 1e-5);
    }
}
