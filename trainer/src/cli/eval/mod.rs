mod landmarks;
pub mod metrics;
mod motion;
mod portrait;
mod robustness;

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};
use lkg_bundle::Bundle;

use super::checkpoint::{CheckpointChoice, RunChoice};
use super::json;
use crate::cli::output::print_line;
use crate::error::{Error, Result};
use crate::eval::measure::{EvaluationRequest, measure};
use crate::eval::report::{EvaluationReport, REPORT};
use crate::subject::{BundleSubject, RunSubject, Subject};

#[derive(Debug, Args)]
#[command(
    args_conflicts_with_subcommands = true,
    subcommand_negates_reqs = true,
    after_help = "Example: trainer eval --run runs/faces --pictures held-out.pack --landmarks landmarks/wild --out report"
)]
pub struct Eval {
    #[command(subcommand)]
    what: Option<What>,
    #[command(flatten)]
    all: All,
}

#[derive(Debug, Subcommand)]
enum What {
    /// Landmark error by linear regression, from what `runtime detect --json` wrote.
    Landmarks(landmarks::Landmarks),
    /// Landmark error and lost faces over several sets in one table, from what `runtime detect --json` wrote.
    Robustness(robustness::Robustness),
    /// Jitter of keypoints in a clip, and the lag of the filter, from what `runtime webcam --keypoints` wrote.
    Motion(motion::Motion),
    /// Portrait networks on people never trained on: how near a driven photo comes, and how it follows.
    Portrait(portrait::Portrait),
}

#[derive(Debug, Args)]
struct All {
    /// Folder of the run to measure, by libtorch.
    #[arg(
        long,
        help_heading = "What is measured",
        value_name = "DIR",
        required_unless_present = "bundle",
        conflicts_with = "bundle"
    )]
    run: Option<PathBuf>,
    /// Generator of the run: latest, best (see `trainer train --keep-best`) or a checkpoint file.
    #[arg(
        long,
        help_heading = "What is measured",
        value_name = "CHECKPOINT",
        default_value = "latest",
        conflicts_with = "bundle"
    )]
    checkpoint: CheckpointChoice,
    /// Bundle to measure, by ONNX Runtime.
    #[arg(long, help_heading = "What is measured", value_name = "DIR")]
    bundle: Option<PathBuf>,
    /// Folders with train/ and test/, each with pictures and a landmarks.csv: how well keypoints predict landmarks.
    #[arg(long, help_heading = "What it is measured on", value_name = "SET", num_args = 1..)]
    landmarks: Vec<PathBuf>,
    /// Pictures that training never saw (folders, zips or files): KID and FID of generated pictures.
    #[arg(long, help_heading = "What it is measured on", value_name = "HELD_OUT", num_args = 1..)]
    pictures: Vec<PathBuf>,
    /// Pictures of the training set: their KID and FID are the floor.
    #[arg(long, help_heading = "What it is measured on", value_name = "PICTURES", num_args = 1.., requires = "pictures")]
    training: Vec<PathBuf>,
    /// Feature network of KID and FID; named, its absence is an error.
    #[arg(long, help_heading = "What it is measured on", value_name = "NAME", requires = "pictures")]
    features: Option<Features>,
    /// Folder to write report.json, report.md, metrics.json and pictures into.
    #[arg(long, help_heading = "Report", value_name = "REPORT_DIR", required = true)]
    out: Option<PathBuf>,
    /// Generated pictures, and samples whose keypoints are examined.
    #[arg(long, help_heading = "What it is measured on", default_value_t = 2000, value_name = "N", value_parser = clap::value_parser!(u32).range(2..=1_000_000))]
    samples: u32,
    /// Print report.json.
    #[arg(long, help_heading = "Report")]
    json: bool,
    /// Plot what the numbers stand for.
    #[arg(long, help_heading = "Report")]
    plots: bool,
    /// Replace the report in REPORT_DIR.
    #[arg(long, help_heading = "Report")]
    force: bool,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Features {
    OpenNsfw,
}

impl Eval {
    pub fn run(self) -> Result<()> {
        match self.what {
            Some(What::Landmarks(landmarks)) => landmarks.run(),
            Some(What::Robustness(robustness)) => robustness.run(),
            Some(What::Motion(motion)) => motion.run(),
            Some(What::Portrait(portrait)) => portrait.run(),
            None => self.all.resolve()?.run(),
        }
    }
}

/// What is measured.
#[derive(Debug)]
enum SubjectChoice {
    Run(RunChoice),
    Bundle(PathBuf),
}

impl SubjectChoice {
    fn open(&self) -> Result<Box<dyn Subject>> {
        Ok(match self {
            Self::Run(choice) => {
                let (run, generator) = choice.open()?;
                Box::new(RunSubject::open(&run, &generator)?)
            }
            Self::Bundle(dir) => Box::new(BundleSubject::open(Bundle::open(dir)?)?),
        })
    }
}

/// A checked request.
#[derive(Debug)]
struct Evaluation {
    subject: SubjectChoice,
    request: EvaluationRequest,
    out: PathBuf,
    json: bool,
}

impl All {
    fn resolve(self) -> Result<Evaluation> {
        let out = self.out.ok_or_else(|| Error::Usage("name a folder for the report: --out DIR".into()))?;
        if out.join(REPORT).exists() && !self.force {
            return Err(Error::exists(&out.join(REPORT), "replace it with --force"));
        }
        let subject = match (self.run, self.bundle) {
            (_, Some(dir)) => SubjectChoice::Bundle(dir),
            (Some(dir), None) => SubjectChoice::Run(RunChoice { dir, checkpoint: self.checkpoint }),
            (None, None) => return Err(Error::Usage("name a run (--run) or a bundle (--bundle)".into())),
        };
        let request = EvaluationRequest {
            landmarks: self.landmarks,
            held_out: self.pictures,
            training: self.training,
            samples: self.samples as usize,
            features_required: self.features.is_some(),
            plots: self.plots,
        };
        Ok(Evaluation { subject, request, out, json: self.json })
    }
}

impl Evaluation {
    fn run(self) -> Result<()> {
        let report = measure(self.subject.open()?.as_mut(), &self.request, &self.out)?;
        if self.json {
            print_line!("{}", json::line(&report)?);
        } else {
            summarise(&report);
            print_line!("{}", self.out.join("report.md").display());
        }
        Ok(())
    }
}

/// The report in a few lines.
fn summarise(report: &EvaluationReport) {
    for set in &report.landmarks {
        landmarks::print_landmarks(&set.name, &set.report);
    }
    if let Some(q) = &report.quality {
        let d = &q.generated;
        let (name, n, held_out) = (&d.features, d.n, d.reference);
        print_line!(
            "KID ({name}) {:.4} +/- {:.4} (n = {n} generated, {held_out} held-out)",
            d.kid,
            d.kid_std
        );
        print_line!("FID ({name}) {:.1} (n = {n} generated, {held_out} held-out)", d.fid);
    }
    let d = &report.disentanglement;
    if let (Some(own), Some(leakage)) = (d.own, d.leakage) {
        print_line!(
            "moved keypoints: their parts follow by {:.0} %, others go by {:.0} % (n = {})",
            own * 100.0,
            leakage * 100.0,
            d.n
        );
    }
    if let Some(semantics) = &report.semantics {
        print_line!("names that export would give: {}", semantics.names.join(", "));
        semantics.lines(&report.keypoints).iter().for_each(|line| print_line!("{line}"));
    }
    report.verdicts.iter().for_each(|line| print_line!("{line}"));
    report.left_out.iter().for_each(|line| print_line!("left out: {line}"));
}
