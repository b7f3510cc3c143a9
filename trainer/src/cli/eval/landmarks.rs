use std::path::PathBuf;

use clap::Args;
use lkg_bundle::Bundle;

use super::metrics::add_metrics;
use crate::cli::json;
use crate::cli::output::print_line;
use crate::error::Result;
use crate::eval::landmarks::{LandmarkReport, RegressionData, evaluate};

#[derive(Debug, Args)]
#[command(
    after_help = "Example: trainer eval landmarks landmarks/wild --bundle models/faces128 --train train.jsonl --test test.jsonl"
)]
pub struct Landmarks {
    /// Folder with train/ and test/, each with pictures and a landmarks.csv.
    set: PathBuf,
    /// Detections of train/, JSON Lines.
    #[arg(long, value_name = "FILE")]
    train: PathBuf,
    /// Detections of test/, JSON Lines.
    #[arg(long, value_name = "FILE")]
    test: PathBuf,
    /// The bundle that made the detections.
    #[arg(long, value_name = "DIR")]
    bundle: PathBuf,
    /// Name of the set in reports (default: the folder's).
    #[arg(long)]
    name: Option<String>,
    /// Write the number into this JSON list, which `trainer export --metrics` takes; replaces the set's earlier one.
    #[arg(long, value_name = "FILE")]
    metrics: Option<PathBuf>,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

/// Prints a set's numbers on one line.
pub fn print_landmarks(name: &str, r: &LandmarkReport) {
    let [a, b, c, d, e] = r.landmarks;
    print_line!(
        "{name}: {:.2} % ({:.2} to {:.2}, n = {}); eyes {a:.2} {b:.2}, nose {c:.2}, mouth {d:.2} {e:.2}; ignoring the picture {:.2} %",
        r.error,
        r.interval[0],
        r.interval[1],
        r.test,
        r.ignoring_the_picture
    );
}

impl Landmarks {
    pub fn run(self) -> Result<()> {
        let bundle = Bundle::open(&self.bundle)?;
        let (train, test) = (self.set.join("train"), self.set.join("test"));
        let report =
            evaluate(&RegressionData::read(&train, &self.train)?, &RegressionData::read(&test, &self.test)?)?
                .report;
        let folder = || self.set.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let name = self.name.clone().unwrap_or_else(folder);
        if let Some(path) = &self.metrics {
            let keypoints = bundle.manifest().dims.keypoints;
            let metric = report.metric(&name, keypoints, "through `runtime detect --json`");
            add_metrics(path, vec![metric])?;
        }
        if self.json {
            print_line!("{}", json::line(&report)?);
        } else {
            print_landmarks(&name, &report);
        }
        Ok(())
    }
}
