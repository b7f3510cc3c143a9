use std::path::PathBuf;

use clap::Args;
use lkg_bundle::Bundle;
use lkg_bundle::manifest::Metric;

use super::add_metrics;
use crate::error::{Error, Result};
use crate::eval::robustness::{measure, table};
use crate::support::interrupt;

#[derive(Debug, Args)]
pub struct Robustness {
    /// Folders with train/ and test/, each with pictures and a landmarks.csv; NAME= before one names it in the table.
    #[arg(required = true, value_name = "[NAME=]SET")]
    sets: Vec<String>,
    /// Folder of what `runtime detect --json` wrote: NAME.train.jsonl and NAME.test.jsonl for each set.
    #[arg(long, value_name = "DIR")]
    detections: PathBuf,
    /// The bundle that made the detections.
    #[arg(long, value_name = "DIR")]
    bundle: PathBuf,
    /// Add the numbers to this JSON list, which `trainer export --metrics` takes; those of the same name are replaced.
    #[arg(long, value_name = "FILE")]
    metrics: Option<PathBuf>,
    /// Print that list in place of a Markdown table.
    #[arg(long)]
    json: bool,
}

impl Robustness {
    pub fn run(self) -> Result<()> {
        let keypoints = Bundle::open(&self.bundle)?.manifest().dims.keypoints;
        let mut rows = Vec::new();
        for set in &self.sets {
            interrupt::check()?;
            let (name, folder) = match set.split_once('=') {
                Some((name, folder)) => (name.to_owned(), PathBuf::from(folder)),
                None => {
                    let folder = PathBuf::from(set);
                    (folder.file_name().unwrap_or_default().to_string_lossy().into_owned(), folder)
                }
            };
            let detections = |split: &str| self.detections.join(format!("{name}.{split}.jsonl"));
            rows.push(measure(&name, &folder, &detections("train"), &detections("test"))?);
        }
        let metrics: Vec<Metric> = rows.iter().flat_map(|row| row.metrics(keypoints)).collect();
        if self.json {
            println!("{}", serde_json::to_string_pretty(&metrics).map_err(|e| Error::Usage(e.to_string()))?);
        } else {
            print!("{}", table(&rows));
        }
        self.metrics.as_deref().map_or(Ok(()), |path| add_metrics(path, metrics))
    }
}
