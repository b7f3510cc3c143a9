use std::convert::Infallible;
use std::path::PathBuf;
use std::str::FromStr;

use clap::Args;
use lkg_bundle::Bundle;
use lkg_bundle::manifest::Metric;

use super::metrics::add_metrics;
use crate::cli::json;
use crate::cli::output::print_line;
use crate::error::Result;
use crate::eval::robustness::{measure, table};
use crate::support::interrupt;

#[derive(Debug, Args)]
#[command(
    after_help = "Example: trainer eval robustness wild=landmarks/wild dark=corrupted/wild/dark --bundle models/faces128 \
                  --detections found/"
)]
pub struct Robustness {
    /// Folders with train/ and test/, each with pictures and a landmarks.csv; NAME= before one names it in the table.
    #[arg(required = true, value_name = "[NAME=]SET")]
    sets: Vec<NamedSet>,
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

/// A folder with the name that tables give it.
#[derive(Clone, Debug, PartialEq, Eq)]
struct NamedSet {
    name: String,
    folder: PathBuf,
}

impl FromStr for NamedSet {
    type Err = Infallible;

    fn from_str(text: &str) -> std::result::Result<Self, Infallible> {
        Ok(match text.split_once('=') {
            Some((name, folder)) => Self { name: name.to_owned(), folder: folder.into() },
            None => {
                let folder = PathBuf::from(text);
                let name = folder.file_name().unwrap_or_default().to_string_lossy().into_owned();
                Self { name, folder }
            }
        })
    }
}

impl Robustness {
    pub fn run(self) -> Result<()> {
        let keypoints = Bundle::open(&self.bundle)?.manifest().dims.keypoints;
        let mut rows = Vec::new();
        for NamedSet { name, folder } in &self.sets {
            interrupt::check()?;
            let detections = |split: &str| self.detections.join(format!("{name}.{split}.jsonl"));
            rows.push(measure(name, folder, &detections("train"), &detections("test"))?);
        }
        let metrics: Vec<Metric> = rows.iter().flat_map(|row| row.metrics(keypoints)).collect();
        if self.json {
            print_line!("{}", json::pretty(&metrics)?);
        } else {
            print_line!("{}", table(&rows).trim_end());
        }
        self.metrics.as_deref().map_or(Ok(()), |path| add_metrics(path, metrics))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_set_is_named_by_its_folder_where_no_name_is_given() {
        let named = |text: &str| text.parse::<NamedSet>().unwrap();
        assert_eq!(named("sets/wild/"), NamedSet { name: "wild".into(), folder: "sets/wild/".into() });
        let dark = named("wild, dark=hard/dark");
        assert_eq!(dark, NamedSet { name: "wild, dark".into(), folder: "hard/dark".into() });
    }
}
