use std::path::PathBuf;

use clap::{Args, Subcommand};
use models::Bundle;
use models::manifest::Metric;

use crate::error::{Error, Result};
use crate::eval::landmarks::{self, Split};

#[derive(Debug, Args)]
pub struct Evaluate {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    /// Landmark error by linear regression, from what `runtime detect --json` wrote.
    Landmarks(Landmarks),
}

#[derive(Debug, Args)]
struct Landmarks {
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

impl Evaluate {
    pub fn run(self) -> Result<()> {
        let What::Landmarks(l) = self.what;
        let bundle = Bundle::open(&l.bundle)?;
        let report = landmarks::evaluate(
            &Split::read(&l.set.join("train"), &l.train)?,
            &Split::read(&l.set.join("test"), &l.test)?,
        )?;
        let folder = || l.set.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let name = l.name.clone().unwrap_or_else(folder);
        if let Some(path) = &l.metrics {
            let metric = report.metric(&name, &bundle);
            let mut all = if path.exists() { read_metrics(path)? } else { vec![] };
            all.retain(|m| m.name != metric.name);
            all.push(metric);
            let text = serde_json::to_string_pretty(&all).map_err(|e| Error::Usage(e.to_string()))?;
            models::files::write_atomically(path, text.as_bytes())?;
        }
        if l.json {
            println!("{}", serde_json::to_string(&report).map_err(|e| Error::Usage(e.to_string()))?);
        } else {
            let [a, b, c, d, e] = report.landmarks;
            println!(
                "{name}: {:.2} % +/- {:.2} (n = {}); eyes {a:.2} {b:.2}, nose {c:.2}, mouth {d:.2} {e:.2}; ignoring the picture {:.2} %",
                report.error, report.interval, report.test, report.ignoring_the_picture
            );
        }
        Ok(())
    }
}

/// Reads a list of metrics.
pub fn read_metrics(path: &std::path::Path) -> Result<Vec<Metric>> {
    let text = std::fs::read_to_string(path).map_err(Error::io(path))?;
    serde_json::from_str(&text).map_err(|e| Error::Data { path: path.to_owned(), reason: e.to_string() })
}
