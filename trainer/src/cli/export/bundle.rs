//! A run written as a bundle.

use std::path::PathBuf;

use lkg_bundle::manifest::Provenance;

use super::{CardArguments, KeypointArguments, TrainedRun};
use crate::cli::checkpoint::RunChoice;
use crate::cli::eval::metrics::read_metrics;
use crate::cli::output::print_line;
use crate::config::Config;
use crate::error::{Error, Result};
use crate::export::card::{self, CardFacts};
use crate::export::pictures::{CardPicture, Scene, progress};
use crate::export::{self, ExportRequest, export_bundle};
use crate::semantics::Semantics;
use crate::semantics::align::Aligned;
use crate::semantics::observed::Observed;
use crate::support::machine;

/// What is written, of what, and what is said about it.
#[derive(Debug)]
pub struct BundleJob {
    pub dir: PathBuf,
    pub run: RunChoice,
    pub force: bool,
    pub keypoints: KeypointArguments,
    pub card: CardArguments,
}

/// What the trained networks say of themselves.
struct Found {
    semantics: Semantics,
    names: Vec<String>,
    lines: Vec<String>,
    pictures: Vec<CardPicture>,
}

impl BundleJob {
    /// Exports.
    pub fn run(self) -> Result<()> {
        let mut trained = TrainedRun::load(&self.run)?;
        if let Some(names) = &self.keypoints.keypoint_names {
            export::check_names(names, trained.architecture().bundle_dims().keypoints)?;
        }
        let found = self.describe(&mut trained)?;
        let request = self.request(&trained, found)?;
        let manifest =
            export_bundle(&trained.nets()?, trained.architecture(), &request, &self.dir, self.force)?;
        for (network, info) in &manifest.networks {
            let worst = info.parity.values().fold(0.0f32, |a, b| a.max(*b));
            print_line!(
                "{network}: {} parameters, {:.1} MMAC, differs from libtorch by at most {worst:.1e}",
                info.parameters,
                info.macs as f64 / 1e6
            );
        }
        print_line!("{}", self.dir.display());
        Ok(())
    }

    /// Finds what the keypoints stand for, prints it, and draws the card's pictures.
    fn describe(&self, trained: &mut TrainedRun) -> Result<Found> {
        let subject = &mut trained.subject;
        let observed = Observed::observe(subject, &self.keypoints.pictures)?;
        let aligned = Aligned::of(&observed.points);
        let semantics = Semantics::find(subject, &observed, &aligned, self.keypoints.landmarks.as_deref())?;
        let names = self.keypoints.keypoint_names.clone().unwrap_or_else(|| semantics.names.clone());
        let mut scene =
            Scene { subject, observed: &observed, aligned: &aligned, semantics: &semantics, names: &names };
        let mut pictures = scene.draw()?;
        pictures.extend(progress(&trained.run)?);
        let mut lines = vec![format!("keypoints: {}", names.join(", "))];
        lines.extend(semantics.lines(&names));
        lines.iter().for_each(|line| print_line!("{line}"));
        Ok(Found { semantics, names, lines, pictures })
    }

    fn request(&self, trained: &TrainedRun, found: Found) -> Result<ExportRequest> {
        let (gan, detector) = (&trained.subject.checkpoint.state, &trained.detector_checkpoint.state);
        let arguments = &self.card;
        let read = |path: &PathBuf| std::fs::read_to_string(path).map_err(Error::io(path));
        let notes = arguments.card_notes.as_ref().map(read).transpose()?;
        let metrics = arguments.metrics.as_deref().map(read_metrics).transpose()?.unwrap_or_default();
        let folder = || self.dir.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let name = arguments.name.clone().unwrap_or_else(folder);
        // Each stage's own settings: the detector may have been trained with others than the generator's run.
        let config = Config { detector: detector.config.detector.clone(), ..gan.config.clone() };
        let provenance = Provenance {
            data: arguments.data.clone(),
            dataset_size: gan.dataset_size,
            images_seen: gan.images_seen,
            detector_images_seen: detector.images_seen,
            commit: machine::REVISION.into(),
            config: serde_json::to_value(config).map_err(|e| Error::Config(e.to_string()))?,
            machine: trained.run.sessions()?.machines().join("; "),
            date: time::OffsetDateTime::now_utc().date().to_string(),
        };
        let card = card::write(&CardFacts {
            name: &name,
            description: &arguments.description,
            metrics: &metrics,
            provenance: &provenance,
            licence: &arguments.licence,
            gan,
            detector,
            keypoints: &found.lines,
            pictures: &found.pictures,
            notes: notes.as_deref(),
        });
        Ok(ExportRequest {
            name,
            description: arguments.description.clone(),
            keypoint_names: Some(found.names),
            symmetric_pairs: found.semantics.mirror.pairs,
            skeleton: found.semantics.skeleton,
            metrics,
            provenance,
            licence: arguments.licence.clone(),
            card,
            pictures: found.pictures,
        })
    }
}
