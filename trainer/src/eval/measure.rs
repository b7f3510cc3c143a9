//! All measurements of one subject, in order.

use std::fs;
use std::path::{Path, PathBuf};

use tch::Device;

use super::report::{EvaluationReport, LandmarkSetReport, REPORT, SCHEMA_VERSION};
use super::{disentangle, health, landmark_sets, pictures, quality, reconstruction};
use crate::dataset::{STORE_FACTOR, Store};
use crate::error::{Error, Result};
use crate::nets::features::FeatureNet;
use crate::semantics::Semantics;
use crate::semantics::align::Aligned;
use crate::semantics::observed::Observed;
use crate::subject::Subject;
use crate::support::machine;

/// Most samples that are intervened on: each costs two pictures a keypoint.
const INTERVENTIONS: usize = 200;
/// Seed of the samples whose keypoints are examined.
const HEALTH_SEED: i64 = 201;

/// What is wanted.
#[derive(Clone, Debug)]
pub struct EvaluationRequest {
    /// Folders with `train/` and `test/`, each with pictures and a `landmarks.csv`.
    pub landmarks: Vec<PathBuf>,
    /// Pictures that training never saw; none leaves out image quality.
    pub held_out: Vec<PathBuf>,
    /// Pictures of the training set; none leaves out the floor.
    pub training: Vec<PathBuf>,
    /// Generated pictures.
    pub samples: usize,
    /// Whether a missing feature network is an error.
    pub features_required: bool,
    /// Whether what was measured is plotted.
    pub plots: bool,
}

/// Measures `subject` and writes `report.json`, `report.md`, `metrics.json` and pictures into `out`.
///
/// # Errors
/// Those of the measurements and of writing; [`Error::Interrupted`].
pub fn measure(
    subject: &mut dyn Subject,
    request: &EvaluationRequest,
    out: &Path,
) -> Result<EvaluationReport> {
    let names = subject.names();
    let mut left_out = vec![];
    let mut sets = vec![];
    for set in &request.landmarks {
        sets.push(landmark_sets::regress(subject, set)?);
    }
    if sets.is_empty() {
        left_out.push("landmark regression: no set named (`--landmarks SET`)".to_owned());
    }
    let (mut quality, mut reconstruction) = (None, None);
    if request.held_out.is_empty() {
        left_out.push("KID and FID: no held-out pictures named (`--pictures PICTURES`)".to_owned());
    } else {
        let net = match FeatureNet::find() {
            Ok(path) => Some(FeatureNet::load(&path, Device::Cpu)?),
            Err(missing) if !request.features_required => {
                left_out.push(format!("KID and FID: {missing}"));
                None
            }
            Err(missing) => return Err(missing),
        };
        let side = subject.image_size() * STORE_FACTOR;
        let held_out = Store::load(&request.held_out, side as usize)?;
        if let Some(net) = &net {
            quality = Some(quality::measure(subject, net, &held_out, &request.training, request.samples)?);
        }
        reconstruction = reconstruction::measure(subject, net.as_ref(), &held_out, request.samples)?;
        if reconstruction.is_none() {
            left_out.push("reconstruction of real pictures: no encoder yet (`trainer encoder`)".to_owned());
        }
    }
    let latents = subject.sample(request.samples as i64, HEALTH_SEED)?;
    let health = health::examine(&latents.keypoints)?;
    if subject.detector_size().is_none() {
        left_out.push("what moves do to parts: no detector yet (`trainer detector`)".to_owned());
    }
    let semantics = if subject.detector_size().is_some() {
        let observed = Observed::observe(subject, &request.held_out)?;
        let aligned = Aligned::of(&observed.points);
        Some(Semantics::find(subject, &observed, &aligned, request.landmarks.first().map(PathBuf::as_path))?)
    } else {
        left_out.push("what keypoints stand for: no detector yet (`trainer detector`)".to_owned());
        None
    };
    let disentanglement = disentangle::measure(subject, request.samples.min(INTERVENTIONS) as i64)?;
    let mut verdicts = health.verdicts(&names);
    verdicts.extend(disentanglement.verdicts(&names));
    let mut report = EvaluationReport {
        schema_version: SCHEMA_VERSION,
        subject: subject.describe(),
        date: machine::now(),
        machine: machine::describe(),
        revision: machine::REVISION.to_owned(),
        landmarks: sets
            .iter()
            .map(|s| LandmarkSetReport { name: s.name.clone(), report: s.outcome.report.clone() })
            .collect(),
        quality,
        reconstruction,
        disentanglement,
        verdicts,
        semantics,
        health,
        keypoints: names,
        left_out,
        plots: vec![],
    };
    fs::create_dir_all(out).map_err(Error::io(out))?;
    if request.plots {
        report.plots = pictures::draw(out, subject, &report, &sets)?;
    }
    let write = |file: &str, text: String| {
        lkg_bundle::files::write_atomically(&out.join(file), text.as_bytes()).map_err(Error::from)
    };
    let json = |value: serde_json::Result<String>| value.map_err(Error::Json);
    write("metrics.json", json(serde_json::to_string_pretty(&report.metrics()))? + "\n")?;
    write("report.md", report.markdown())?;
    // Last: where it lies, the rest is complete.
    write(REPORT, json(serde_json::to_string_pretty(&report))? + "\n")?;
    Ok(report)
}
