mod bundle;
mod trained;

use std::path::{Path, PathBuf};

use clap::Args;
use lkg_bundle::Network;

use self::bundle::BundleJob;
use self::trained::TrainedRun;
use super::checkpoint::{CheckpointChoice, RunChoice};
use crate::cli::output::print_line;
use crate::error::{Error, Result};
use crate::export::parity::{self, Differences};
use crate::export::split::split_bundle;
use crate::export::{self, NetworkReport, check_bundle};
use crate::train::run::checkpoint::Checkpoint;

#[derive(Debug, Args)]
#[command(
    after_help = "Example: trainer export --onnx bundles/faces --run runs/faces --pictures held-out.pack --metrics report/metrics.json"
)]
pub struct Export {
    /// Write an ONNX bundle here. With --check and no DIR: build every graph and compare it with libtorch, write nothing.
    #[arg(long, value_name = "DIR", required_unless_present_any = ["split", "weights"], num_args = 0..=1)]
    onnx: Option<Option<PathBuf>>,
    /// Put the image generator of an existing bundle into two files, style.onnx and render.onnx, as exports have it now:
    /// what depends on the appearance alone is then computed once. In place, or in --onnx DIR.
    #[arg(long, value_name = "BUNDLE", conflicts_with_all = ["run", "check"])]
    split: Option<PathBuf>,
    /// Write the networks of a run as they train on, in half precision and without their optimisers' state, for `trainer train
    /// --from` on another machine.
    #[arg(long, value_name = "FILE", requires = "run", conflicts_with_all = ["onnx", "check", "split"])]
    weights: Option<PathBuf>,
    /// Folder of the run: its generator and detector are exported, or, where it has no generator, its portrait networks.
    #[arg(long, value_name = "DIR")]
    run: Option<PathBuf>,
    /// Generator (or portrait networks) to export: latest, best (see `trainer train --keep-best`) or a checkpoint file.
    #[arg(long, value_name = "CHECKPOINT", default_value = "latest")]
    checkpoint: CheckpointChoice,
    /// Check the bundle in DIR instead of writing it: hashes, contract, golden outputs and, with --run, libtorch.
    #[arg(long)]
    check: bool,
    /// Replace an existing bundle.
    #[arg(long)]
    force: bool,
    #[command(flatten)]
    keypoints: KeypointArguments,
    #[command(flatten)]
    card: CardArguments,
}

#[derive(Debug, Args)]
#[command(next_help_heading = "Keypoints")]
struct KeypointArguments {
    /// Names of the keypoints in their order, separated by commas (default: found, see --landmarks).
    #[arg(long, value_name = "NAMES", value_delimiter = ',')]
    keypoint_names: Option<Vec<String>>,
    /// Real pictures (packs, folders, zips or files) in which names, mirror pairs and skeleton of the keypoints are found,
    /// and which the card shows; of packs, those that they hold back from training (default: generated pictures; of portrait
    /// networks those of --people).
    #[arg(long, value_name = "PICTURES", num_args = 1..)]
    pictures: Vec<PathBuf>,
    /// For portrait networks: people as `trainer data faces N OUT --variants V` draws them, best others than trained on.
    /// Expressions are found from what each picture was drawn with, and the card shows some of them driven.
    #[arg(long, value_name = "DIR")]
    people: Option<PathBuf>,
    /// Folder with train/, in it pictures and a landmarks.csv: keypoints bear the name of the landmark
    /// that they keep to, or in faces of the part that they lie on (default: names say where a keypoint lies).
    #[arg(long, value_name = "SET", conflicts_with = "keypoint_names")]
    landmarks: Option<PathBuf>,
    /// Bundle with the same detector whose names, mirror pairs and skeleton are taken over: what is written for one bundle works
    /// with the other.
    #[arg(long, value_name = "BUNDLE", conflicts_with_all = ["keypoint_names", "landmarks"])]
    parts_of: Option<PathBuf>,
}

#[derive(Debug, Args)]
#[command(next_help_heading = "Model card")]
struct CardArguments {
    /// The bundle's name (default: the folder's).
    #[arg(long)]
    name: Option<String>,
    /// One line on what the model shows (default: what the networks are).
    #[arg(long)]
    description: Option<String>,
    /// JSON list of measured numbers, as `trainer eval` writes it.
    #[arg(long, value_name = "FILE")]
    metrics: Option<PathBuf>,
    /// What the training data is and under which licence.
    #[arg(long, default_value = "not stated")]
    data: String,
    /// Licence of the weights.
    #[arg(long, default_value = "not stated")]
    licence: String,
    /// Markdown to add to the model card. Sections called Intended use, Use and limits, Limits or Limitations come first on
    /// it, those called History, Earlier versions or How it came about last, all others after the metrics.
    #[arg(long, value_name = "FILE")]
    card_notes: Option<PathBuf>,
}

/// What is to be done.
#[derive(Debug)]
enum Job {
    /// Write a run's networks for another machine to train on.
    Weights { run: RunChoice, file: PathBuf },
    /// Cut the image generator of a bundle in two.
    Split { bundle: PathBuf, out: PathBuf, replace: bool },
    /// Compare a bundle with its golden tensors, a run's networks, or both.
    Check { bundle: Option<PathBuf>, run: Option<RunChoice> },
    /// Export a run.
    Bundle(Box<BundleJob>),
}

impl Export {
    pub fn run(self) -> Result<()> {
        match self.resolve()? {
            Job::Weights { run, file } => {
                let (_, checkpoint, _) = trained::checkpoint(&run)?;
                Checkpoint::open(&checkpoint)?.save_weights(&file)?;
                print_line!("{}", file.display());
                Ok(())
            }
            Job::Split { bundle, out, replace } => split(&bundle, &out, replace),
            Job::Check { bundle, run } => check(bundle.as_deref(), run.as_ref()),
            Job::Bundle(job) => job.run(),
        }
    }

    fn resolve(self) -> Result<Job> {
        let Self { onnx, split, weights, run, checkpoint, check, force, keypoints, card } = self;
        let (dir, run) = (onnx.flatten(), run.map(|dir| RunChoice { dir, checkpoint }));
        let job = match (weights, split, run) {
            (Some(file), _, Some(run)) => Job::Weights { run, file },
            (_, Some(bundle), _) => {
                let replace = force || dir.is_none();
                return Ok(Job::Split { out: dir.unwrap_or_else(|| bundle.clone()), bundle, replace });
            }
            (_, _, None) if check && dir.is_none() => {
                return Err(Error::Usage(
                    "name a bundle (--onnx DIR --check), a run (--run DIR), or both".into(),
                ));
            }
            (_, _, run) if check => return Ok(Job::Check { bundle: dir, run }),
            (_, _, Some(run)) => {
                let dir =
                    dir.ok_or_else(|| Error::Usage("name a folder for the bundle: --onnx DIR".into()))?;
                Job::Bundle(Box::new(BundleJob { dir, run, force, keypoints, card }))
            }
            (_, _, None) => return Err(Error::Usage("name the run to export: --run DIR".into())),
        };
        let written = match &job {
            Job::Weights { file, .. } => Some(file),
            Job::Bundle(job) => Some(&job.dir),
            _ => None,
        };
        match written {
            Some(path) if path.exists() && !force => Err(Error::exists(path, "replace it with --force")),
            _ => Ok(job),
        }
    }
}

fn split(bundle: &Path, out: &Path, replace: bool) -> Result<()> {
    let (manifest, worst) = split_bundle(bundle, out, replace)?;
    for network in [Network::Style, Network::Render] {
        let info = &manifest.networks[&network];
        print_line!("{network}: {} parameters, {:.1} MMAC", info.parameters, info.macs as f64 / 1e6);
    }
    print_line!("differs from the whole by at most {worst:.1e}\n{}", out.display());
    Ok(())
}

fn check(bundle: Option<&Path>, run: Option<&RunChoice>) -> Result<()> {
    let trained = run.map(TrainedRun::load).transpose()?;
    let nets = trained.as_ref().map(|t| Ok::<_, Error>((t.nets()?, t.architecture()))).transpose()?;
    match (bundle, nets) {
        (Some(dir), nets) => {
            let reports = check_bundle(dir, nets.as_ref().map(|(n, a)| (n, *a)))?;
            for NetworkReport { network, golden, parity } in reports {
                print_differences(&format!("{network}, golden"), &golden);
                if let Some(parity) = parity {
                    print_differences(&format!("{network}, libtorch"), &parity);
                }
            }
        }
        (None, Some((nets, arch))) => {
            for network in nets.networks() {
                let differences = export::parity_of(&nets, arch, network)?;
                print_differences(&format!("{network}, libtorch"), &differences);
            }
        }
        (None, None) => {}
    }
    print_line!("every output within {:.0e}", parity::TOLERANCE);
    Ok(())
}

fn print_differences(what: &str, differences: &Differences) {
    for (output, difference) in differences {
        print_line!("{what}, {output}: {difference:.1e}");
    }
}
