use std::path::PathBuf;

use clap::Args;
use lkg_bundle::Network;
use lkg_bundle::manifest::Provenance;

use super::eval::read_metrics;
use crate::config::Architecture;
use crate::error::{Error, Result};
use crate::eval::subject;
use crate::export::card::{self, Facts};
use crate::export::pictures::{Picture, Scene, progress};
use crate::export::split::split_bundle;
use crate::export::{self, ExportRequest, NetworkReport, TrainedNets, check_bundle, export_bundle};
use crate::meaning::Meaning;
use crate::meaning::align::Aligned;
use crate::meaning::observed::Observed;
use crate::support::machine;
use crate::train::checkpoint::Checkpoint;
use crate::train::detector;
use crate::train::gan;
use crate::train::run::Run;

#[derive(Debug, Args)]
pub struct Export {
    /// Write an ONNX bundle here. With --check and no DIR: build every graph and compare it with libtorch, write nothing.
    #[arg(long, value_name = "DIR", required_unless_present_any = ["split", "weights"], num_args = 0..=1)]
    onnx: Option<Option<PathBuf>>,
    /// Put the image generator of an existing bundle into two files, style.onnx and render.onnx, as exports have it now:
    /// what depends on the face's looks is then computed once. In place, or in --onnx DIR.
    #[arg(long, value_name = "BUNDLE", conflicts_with_all = ["run", "check"])]
    split: Option<PathBuf>,
    /// Write the networks of a run as they train on, in half precision and without their optimisers' state, for `trainer train
    /// --from` on another machine.
    #[arg(long, value_name = "FILE", requires = "run", conflicts_with_all = ["onnx", "check", "split"])]
    weights: Option<PathBuf>,
    /// Folder of the run: its generator and detector are exported.
    #[arg(long, value_name = "DIR")]
    run: Option<PathBuf>,
    /// Generator to export: latest, best (see `trainer train --keep-best`) or a checkpoint file.
    #[arg(long, value_name = "CHECKPOINT", default_value = "latest")]
    checkpoint: String,
    /// Check the bundle in DIR instead of writing it: hashes, contract, golden outputs and, with --run, libtorch.
    #[arg(long)]
    check: bool,
    /// Replace an existing bundle.
    #[arg(long)]
    force: bool,
    /// The bundle's name (default: the folder's).
    #[arg(long)]
    name: Option<String>,
    /// One line on what the model shows.
    #[arg(
        long,
        default_value = "Keypoints, a generator steered by them and a detector, learned from unlabelled pictures."
    )]
    description: String,
    /// Names of the keypoints in their order, separated by commas (default: found, see --landmarks).
    #[arg(long, value_name = "NAMES", value_delimiter = ',')]
    keypoint_names: Option<Vec<String>>,
    /// Real pictures (packs, folders, zips or files) to find the keypoints' meaning in and to show on the card; of
    /// packs, those that they hold back from training (default: generated pictures).
    #[arg(long, value_name = "PICTURES", num_args = 1..)]
    pictures: Vec<PathBuf>,
    /// Folder with train/, in it pictures and a landmarks.csv: keypoints that keep to a landmark bear its name
    /// (default: names say where a keypoint lies).
    #[arg(long, value_name = "SET", conflicts_with = "keypoint_names")]
    landmarks: Option<PathBuf>,
    /// JSON list of measured numbers, as `trainer eval` writes it.
    #[arg(long, value_name = "FILE")]
    metrics: Option<PathBuf>,
    /// What the training data is and under which licence.
    #[arg(long, default_value = "not stated")]
    data: String,
    /// Licence of the weights.
    #[arg(long, default_value = "not stated")]
    licence: String,
    /// Markdown to add to the model card: what was seen, limits, intended use.
    #[arg(long, value_name = "FILE")]
    card_notes: Option<PathBuf>,
}

struct Trained {
    subject: subject::Trained,
    detector_checkpoint: Checkpoint,
    /// Where they were trained.
    run: Run,
}

/// What the trained networks tell of themselves.
struct Found {
    meaning: Meaning,
    names: Vec<String>,
    lines: Vec<String>,
    pictures: Vec<Picture>,
}

impl Trained {
    fn load(run: &std::path::Path, checkpoint: &str) -> Result<Self> {
        let (run, _) = Run::open(run)?;
        let detector_checkpoint = Checkpoint::open(&run.checkpoint(detector::STAGE))?;
        let subject = subject::Trained::open(&run, checkpoint)?;
        Ok(Self { subject, detector_checkpoint, run })
    }

    fn architecture(&self) -> &Architecture {
        &self.subject.checkpoint.state.config.architecture
    }

    fn nets(&self) -> Result<TrainedNets<'_>> {
        let detector = self.subject.detector.as_ref();
        Ok(TrainedNets {
            keypoint_generator: &self.subject.generator.keypoints,
            image_generator: &self.subject.generator.images,
            detector: &detector.ok_or_else(subject::no_detector)?.net,
            encoder: self.subject.encoder.as_ref().map(|e| &e.net),
        })
    }
}

impl Export {
    pub fn run(self) -> Result<()> {
        if let (Some(path), Some(run)) = (&self.weights, &self.run) {
            if path.exists() && !self.force {
                return Err(Error::Usage(format!("{} exists: replace it with --force", path.display())));
            }
            let (run, _) = Run::open(run)?;
            Checkpoint::open(&run.named_checkpoint(gan::STAGE, &self.checkpoint))?.save_weights(path)?;
            println!("{}", path.display());
            return Ok(());
        }
        let dir = self.onnx.clone().flatten();
        if let Some(bundle) = &self.split {
            let out = dir.as_deref().unwrap_or(bundle);
            let (manifest, worst) = split_bundle(bundle, out, self.force || dir.is_none())?;
            for network in [Network::Style, Network::Render] {
                let info = &manifest.networks[&network];
                println!("{network}: {} parameters, {:.1} MMAC", info.parameters, info.macs as f64 / 1e6);
            }
            println!("differs from the whole by at most {worst:.1e}\n{}", out.display());
            return Ok(());
        }
        if self.check {
            return self.check(dir);
        }
        let dir = dir.ok_or_else(|| Error::Usage("name a folder for the bundle: --onnx DIR".into()))?;
        let run =
            self.run.as_deref().ok_or_else(|| Error::Usage("name the run to export: --run DIR".into()))?;
        if dir.exists() && !self.force {
            return Err(Error::Usage(format!("{} exists: replace it with --force", dir.display())));
        }
        let mut trained = Trained::load(run, &self.checkpoint)?;
        if let Some(names) = &self.keypoint_names {
            export::check_names(names, trained.architecture().bundle_dims().keypoints)?;
        }
        let found = self.look(&mut trained)?;
        let request = self.request(&dir, &trained, found)?;
        let manifest = export_bundle(&trained.nets()?, trained.architecture(), &request, &dir, self.force)?;
        for (network, info) in &manifest.networks {
            let worst = info.parity.values().fold(0.0f32, |a, b| a.max(*b));
            println!(
                "{network}: {} parameters, {:.1} MMAC, differs from libtorch by at most {worst:.1e}",
                info.parameters,
                info.macs as f64 / 1e6
            );
        }
        println!("{}", dir.display());
        Ok(())
    }

    fn check(&self, dir: Option<PathBuf>) -> Result<()> {
        let trained = self.run.as_deref().map(|run| Trained::load(run, &self.checkpoint)).transpose()?;
        let nets = trained.as_ref().map(|t| Ok::<_, Error>((t.nets()?, t.architecture()))).transpose()?;
        match (dir, nets) {
            (Some(dir), nets) => {
                let reports = check_bundle(&dir, nets.as_ref().map(|(n, a)| (n, *a)))?;
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
            (None, None) => {
                return Err(Error::Usage(
                    "name a bundle (--onnx DIR --check), a run (--run DIR), or both".into(),
                ));
            }
        }
        println!("every output within {:.0e}", export::parity::TOLERANCE);
        Ok(())
    }

    /// Finds what the keypoints mean, says so, and draws the card's pictures.
    fn look(&self, trained: &mut Trained) -> Result<Found> {
        let subject = &mut trained.subject;
        let observed = Observed::look(subject, &self.pictures)?;
        let aligned = Aligned::of(&observed.points);
        let meaning = Meaning::find(subject, &observed, &aligned, self.landmarks.as_deref())?;
        let names = self.keypoint_names.clone().unwrap_or_else(|| meaning.names.clone());
        let mut scene =
            Scene { subject, observed: &observed, aligned: &aligned, meaning: &meaning, names: &names };
        let mut pictures = scene.draw()?;
        pictures.extend(progress(&trained.run)?);
        let mut lines = vec![format!("keypoints: {}", names.join(", "))];
        lines.extend(meaning.lines(&names));
        lines.iter().for_each(|line| println!("{line}"));
        Ok(Found { meaning, names, lines, pictures })
    }

    fn request(&self, dir: &std::path::Path, trained: &Trained, found: Found) -> Result<ExportRequest> {
        let (gan, detector) = (&trained.subject.checkpoint.state, &trained.detector_checkpoint.state);
        let notes =
            self.card_notes.as_ref().map(|p| std::fs::read_to_string(p).map_err(Error::io(p))).transpose()?;
        let metrics = self.metrics.as_deref().map(read_metrics).transpose()?.unwrap_or_default();
        let folder = || dir.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let name = self.name.clone().unwrap_or_else(folder);
        // Each stage's own settings: the detector may have been trained with others than the generator's run.
        let config =
            crate::config::Config { detector: detector.config.detector.clone(), ..gan.config.clone() };
        let provenance = Provenance {
            data: self.data.clone(),
            dataset_size: gan.dataset_size,
            images_seen: gan.images_seen,
            detector_images_seen: detector.images_seen,
            commit: machine::REVISION.into(),
            config: serde_json::to_value(config).map_err(|e| Error::Config(e.to_string()))?,
            machine: trained.run.sessions()?.machines().join("; "),
            date: time::OffsetDateTime::now_utc().date().to_string(),
        };
        let card = card::write(&Facts {
            name: &name,
            description: &self.description,
            metrics: &metrics,
            provenance: &provenance,
            licence: &self.licence,
            gan,
            detector,
            keypoints: &found.lines,
            pictures: &found.pictures,
            notes: notes.as_deref(),
        });
        Ok(ExportRequest {
            name,
            description: self.description.clone(),
            keypoint_names: Some(found.names),
            symmetric_pairs: found.meaning.mirror.pairs,
            skeleton: found.meaning.skeleton,
            metrics,
            provenance,
            licence: self.licence.clone(),
            card,
            pictures: found.pictures,
        })
    }
}

fn print_differences(what: &str, differences: &export::parity::Differences) {
    for (output, difference) in differences {
        println!("{what}, {output}: {difference:.1e}");
    }
}
