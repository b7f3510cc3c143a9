//! The report: `report.json` for programs, `report.md` for people.

mod markdown;

use lkg_bundle::manifest::Metric;
use serde::Serialize;

use crate::eval::coverage::Coverage;
use crate::eval::disentangle::DisentanglementReport;
use crate::eval::health::HealthReport;
use crate::eval::landmarks::LandmarkReport;
use crate::eval::quality::Quality;
use crate::eval::reconstruction::ReconstructionReport;
use crate::semantics::Semantics;

/// The report for programs, in its folder.
pub const REPORT: &str = "report.json";

/// Version of `report.json`.
pub const SCHEMA_VERSION: u32 = 1;

/// Landmark regression on one set.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct LandmarkSetReport {
    /// The set's folder.
    pub name: String,
    /// Numbers.
    #[serde(flatten)]
    pub report: LandmarkReport,
}

/// Everything that was measured.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct EvaluationReport {
    /// [`SCHEMA_VERSION`].
    pub schema_version: u32,
    /// What was measured.
    pub subject: String,
    /// When, UTC.
    pub date: String,
    /// Where.
    pub machine: String,
    /// Revision of the trainer.
    pub revision: String,
    /// Names of the keypoints.
    pub keypoints: Vec<String>,
    /// How well keypoints predict landmarks.
    pub landmarks: Vec<LandmarkSetReport>,
    /// How close generated pictures come to real ones.
    pub quality: Option<Quality>,
    /// How close reconstructions of real pictures come to them.
    pub reconstruction: Option<ReconstructionReport>,
    /// Whether each keypoint steers its part alone.
    pub disentanglement: DisentanglementReport,
    /// What the keypoints stand for; none without a detector.
    #[serde(rename = "meaning")]
    pub semantics: Option<Semantics>,
    /// Whether keypoints do anything.
    pub health: HealthReport,
    /// Keypoints in words: their health, and those that steer little.
    pub verdicts: Vec<String>,
    /// What was not measured, and how to have it measured.
    pub left_out: Vec<String>,
    /// Pictures in the report's folder.
    pub plots: Vec<Plot>,
}

/// A picture of the report.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Plot {
    /// Its file.
    pub file: String,
    /// What it shows.
    pub caption: String,
}

impl EvaluationReport {
    /// The numbers as a bundle's manifest keeps them: what `trainer export --metrics` takes.
    pub fn metrics(&self) -> Vec<Metric> {
        let k = self.keypoints.len();
        let way = "through `trainer eval`, whole pictures";
        let mut metrics: Vec<Metric> =
            self.landmarks.iter().map(|set| set.report.metric(&set.name, k, way)).collect();
        if let Some(q) = &self.quality {
            let d = &q.generated;
            let protocol = format!(
                "{} generated pictures against {} held-out ones cropped as in training; held-out ones blurred: KID \
                 {:.4}, FID {:.1}{}",
                d.n,
                d.reference,
                q.ceiling.kid,
                q.ceiling.fid,
                if q.taught { "; the generator was trained against the same features" } else { "" }
            );
            let Coverage { density, coverage } = d.coverage;
            for (name, value) in
                [("KID", d.kid), ("FID", d.fid), ("density", density), ("coverage", coverage)]
            {
                metrics.push(Metric {
                    name: format!("{name} ({})", d.features),
                    value,
                    unit: String::new(),
                    n: d.n as u64,
                    protocol: protocol.clone(),
                });
            }
        }
        metrics.extend(self.reconstruction.iter().flat_map(ReconstructionReport::metrics));
        let d = &self.disentanglement;
        for (name, value) in [("part follows its keypoint", d.own), ("leakage to other parts", d.leakage)] {
            metrics.extend(value.map(|value| Metric {
                name: name.into(),
                value,
                unit: "of the step".into(),
                n: d.n as u64,
                protocol: format!(
                    "one keypoint at a time moved by {} of generated samples, seen by the detector",
                    d.step
                ),
            }));
        }
        metrics
    }
}
