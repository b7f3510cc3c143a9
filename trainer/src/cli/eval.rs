mod motion;
mod robustness;

use std::path::{Path, PathBuf};

use clap::{Args, Subcommand, ValueEnum};
use lkg_bundle::Bundle;
use lkg_bundle::manifest::Metric;

use crate::error::{Error, Result};
use crate::eval::landmarks::{self, Split};
use crate::eval::measure::{Request, measure};
use crate::eval::report::Report;
use crate::subject::{Exported, Subject, Trained};
use crate::train::run::Run;

#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true, subcommand_negates_reqs = true)]
pub struct Eval {
    #[command(subcommand)]
    what: Option<What>,
    #[command(flatten)]
    all: All,
}

#[derive(Debug, Subcommand)]
enum What {
    /// Landmark error by linear regression, from what `runtime detect --json` wrote.
    Landmarks(Landmarks),
    /// Landmark error and lost faces over several sets in one table, from what `runtime detect --json` wrote.
    Robustness(robustness::Robustness),
    /// Jitter of keypoints in a clip, and the lag of the filter, from what `runtime webcam --keypoints` wrote.
    Motion(motion::Motion),
}

#[derive(Debug, Args)]
struct All {
    /// Folder of the run to measure, by libtorch.
    #[arg(long, value_name = "DIR", required_unless_present = "bundle", conflicts_with = "bundle")]
    run: Option<PathBuf>,
    /// Generator of the run: latest, best (see `trainer train --keep-best`) or a checkpoint file.
    #[arg(long, value_name = "CHECKPOINT", default_value = "latest", conflicts_with = "bundle")]
    checkpoint: String,
    /// Bundle to measure, by ONNX Runtime.
    #[arg(long, value_name = "DIR")]
    bundle: Option<PathBuf>,
    /// Folders with train/ and test/, each with pictures and a landmarks.csv: how well keypoints predict landmarks.
    #[arg(long, value_name = "SET", num_args = 1..)]
    landmarks: Vec<PathBuf>,
    /// Pictures that training never saw (folders, zips or files): KID and FID of generated pictures.
    #[arg(long, value_name = "HELD_OUT", num_args = 1..)]
    pictures: Vec<PathBuf>,
    /// Pictures of the training set: their KID and FID are the floor.
    #[arg(long, value_name = "PICTURES", num_args = 1.., requires = "pictures")]
    training: Vec<PathBuf>,
    /// Feature network of KID and FID; named, its absence is an error.
    #[arg(long, value_name = "NAME", requires = "pictures")]
    features: Option<Features>,
    /// Folder to write report.json, report.md, metrics.json and pictures into.
    #[arg(long, value_name = "REPORT_DIR", required = true)]
    out: Option<PathBuf>,
    /// Generated pictures, and samples whose keypoints are examined.
    #[arg(long, default_value_t = 2000, value_name = "N", value_parser = clap::value_parser!(u32).range(2..=1_000_000))]
    samples: u32,
    /// Print report.json.
    #[arg(long)]
    json: bool,
    /// Draw pictures of what the numbers mean.
    #[arg(long)]
    plots: bool,
    /// Replace the report in REPORT_DIR.
    #[arg(long)]
    force: bool,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Features {
    OpenNsfw,
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

impl Eval {
    pub fn run(self) -> Result<()> {
        match self.what {
            Some(What::Landmarks(landmarks)) => landmarks.run(),
            Some(What::Robustness(robustness)) => robustness.run(),
            Some(What::Motion(motion)) => motion.run(),
            None => self.all.run(),
        }
    }
}

impl All {
    fn run(self) -> Result<()> {
        let out = self.out.ok_or_else(|| Error::Usage("name a folder for the report: --out DIR".into()))?;
        if out.join("report.json").exists() && !self.force {
            return Err(Error::Usage(format!("{} holds a report: replace it with --force", out.display())));
        }
        let mut subject: Box<dyn Subject> = match (&self.run, &self.bundle) {
            (_, Some(dir)) => Box::new(Exported::open(Bundle::open(dir)?)?),
            (Some(dir), None) => Box::new(Trained::open(&Run::open(dir)?.0, &self.checkpoint)?),
            (None, None) => return Err(Error::Usage("name a run or a bundle".into())),
        };
        let request = Request {
            landmarks: self.landmarks,
            held_out: self.pictures,
            training: self.training,
            samples: self.samples as usize,
            features_required: self.features.is_some(),
            plots: self.plots,
        };
        let report = measure(subject.as_mut(), &request, &out)?;
        if self.json {
            println!("{}", serde_json::to_string(&report).map_err(|e| Error::Usage(e.to_string()))?);
        } else {
            summarise(&report);
            println!("{}", out.join("report.md").display());
        }
        Ok(())
    }
}

/// The report in a few lines.
fn summarise(report: &Report) {
    for set in &report.landmarks {
        print_landmarks(&set.name, &set.report);
    }
    if let Some(q) = &report.quality {
        let d = &q.generated;
        let (name, n, held_out) = (&d.features, d.n, d.reference);
        println!("KID ({name}) {:.4} +/- {:.4} (n = {n} generated, {held_out} held-out)", d.kid, d.kid_std);
        println!("FID ({name}) {:.1} (n = {n} generated, {held_out} held-out)", d.fid);
    }
    let d = &report.disentanglement;
    if let (Some(own), Some(leakage)) = (d.own, d.leakage) {
        println!(
            "moved keypoints: their parts follow by {:.0} %, others go by {:.0} % (n = {})",
            own * 100.0,
            leakage * 100.0,
            d.n
        );
    }
    if let Some(semantics) = &report.semantics {
        println!("names that export would give: {}", semantics.names.join(", "));
        semantics.lines(&report.keypoints).iter().for_each(|line| println!("{line}"));
    }
    report.verdicts.iter().for_each(|line| println!("{line}"));
    report.left_out.iter().for_each(|line| println!("left out: {line}"));
}

fn print_landmarks(name: &str, r: &landmarks::Report) {
    let [a, b, c, d, e] = r.landmarks;
    println!(
        "{name}: {:.2} % ({:.2} to {:.2}, n = {}); eyes {a:.2} {b:.2}, nose {c:.2}, mouth {d:.2} {e:.2}; ignoring the picture {:.2} %",
        r.error, r.interval[0], r.interval[1], r.test, r.ignoring_the_picture
    );
}

impl Landmarks {
    fn run(self) -> Result<()> {
        let bundle = Bundle::open(&self.bundle)?;
        let (train, test) = (self.set.join("train"), self.set.join("test"));
        let report =
            landmarks::evaluate(&Split::read(&train, &self.train)?, &Split::read(&test, &self.test)?)?.report;
        let folder = || self.set.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let name = self.name.clone().unwrap_or_else(folder);
        if let Some(path) = &self.metrics {
            let keypoints = bundle.manifest().dims.keypoints;
            let metric = report.metric(&name, keypoints, "through `runtime detect --json`");
            add_metrics(path, vec![metric])?;
        }
        if self.json {
            println!("{}", serde_json::to_string(&report).map_err(|e| Error::Usage(e.to_string()))?);
        } else {
            print_landmarks(&name, &report);
        }
        Ok(())
    }
}

/// Adds `metrics` to the list in the file `path`, in place of those of the same names.
fn add_metrics(path: &Path, metrics: Vec<Metric>) -> Result<()> {
    let mut all = if path.exists() { read_metrics(path)? } else { vec![] };
    all.retain(|m| metrics.iter().all(|new| new.name != m.name));
    all.extend(metrics);
    let text = serde_json::to_string_pretty(&all).map_err(|e| Error::Usage(e.to_string()))?;
    Ok(lkg_bundle::files::write_atomically(path, text.as_bytes())?)
}

/// Reads a list of metrics.
pub fn read_metrics(path: &Path) -> Result<Vec<Metric>> {
    let text = std::fs::read_to_string(path).map_err(Error::io(path))?;
    serde_json::from_str(&text).map_err(|e| Error::Data { path: path.to_owned(), reason: e.to_string() })
}
