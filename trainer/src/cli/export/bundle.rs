//! A run written as a bundle.

use std::path::PathBuf;

use lkg_bundle::manifest::Provenance;
use lkg_bundle::{Bundle, Manifest, Network};

use super::trained::{Networks, TrainedRun};
use super::{CardArguments, KeypointArguments};
use crate::cli::checkpoint::RunChoice;
use crate::cli::eval::metrics::read_metrics;
use crate::cli::output::print_line;
use crate::error::{Error, Result};
use crate::export::card::{self, CardFacts};
use crate::export::pictures::{CardPicture, People, Scene, portrait_curves, progress};
use crate::export::{self, ExportRequest, export_bundle};
use crate::semantics::Semantics;
use crate::semantics::align::Aligned;
use crate::semantics::expressions::{Expressions, people};
use crate::semantics::observed::Observed;
use crate::subject::{PortraitSubject, RunSubject};
use crate::support::machine;
use crate::train::run::Run;

/// What is written, of what, and what is said about it.
#[derive(Debug)]
pub struct BundleJob {
    pub dir: PathBuf,
    pub run: RunChoice,
    pub force: bool,
    pub keypoints: KeypointArguments,
    pub card: CardArguments,
}

/// What bundles are said to be where nothing else is.
const GENERATOR: &str =
    "Keypoints, a generator steered by them and a detector, learned from unlabelled pictures.";
const PORTRAIT: &str = "Keypoints, what their parts look like, and networks that carry a photo along with them, learned from unlabelled pictures.";

/// What the trained networks say of themselves.
struct Found {
    semantics: Semantics,
    expressions: Expressions,
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
        self.check_detector(&manifest)?;
        print_line!("{}", self.dir.display());
        Ok(())
    }

    /// Finds what the keypoints stand for, prints it, and draws the card's pictures.
    fn describe(&self, trained: &mut TrainedRun) -> Result<Found> {
        let found = match &mut trained.networks {
            Networks::Generator { subject, .. } => self.describe_generator(subject, &trained.run),
            Networks::Portrait(subject) => self.describe_portrait(subject, &trained.run),
        }?;
        found.lines.iter().for_each(|line| print_line!("{line}"));
        Ok(found)
    }

    fn describe_generator(&self, subject: &mut RunSubject, run: &Run) -> Result<Found> {
        if self.keypoints.people.is_some() {
            return Err(Error::Usage(
                "--people is for portrait networks, and this run has a generator: leave it out".into(),
            ));
        }
        let observed = Observed::observe(subject, &self.keypoints.pictures)?;
        let aligned = Aligned::of(&observed.points);
        let mut semantics =
            Semantics::find(subject, &observed, &aligned, self.keypoints.landmarks.as_deref())?;
        self.adopt(&mut semantics)?;
        let names = self.names(&semantics);
        let mut scene =
            Scene { subject, observed: &observed, aligned: &aligned, semantics: &semantics, names: &names };
        let mut pictures = scene.draw()?;
        pictures.extend(progress(run)?);
        Ok(Found::new(semantics, Expressions::default(), names, pictures))
    }

    fn describe_portrait(&self, subject: &mut PortraitSubject, run: &Run) -> Result<Found> {
        let KeypointArguments { pictures, people, landmarks, .. } = &self.keypoints;
        let real = if pictures.is_empty() { people.as_slice() } else { pictures };
        if real.is_empty() {
            return Err(Error::Usage(
                "portrait networks generate no pictures to find names, pairs and lines of keypoints in: name some with \
                 --pictures, or people with --people"
                    .into(),
            ));
        }
        let people = people.as_deref().map(people::read).transpose()?.unwrap_or_default();
        let observed = Observed::real(subject, real)?;
        let aligned = Aligned::of(&observed.points);
        let mut semantics = Semantics::find(subject, &observed, &aligned, landmarks.as_deref())?;
        self.adopt(&mut semantics)?;
        let names = self.names(&semantics);
        let mut expressions = Expressions::default();
        if !people.is_empty() {
            let seen = people::observe(subject, &people)?;
            expressions = Expressions::find(&seen, &aligned.mean, &semantics.mirror)?;
        }
        let listed = expressions.listed();
        let shown = (!people.is_empty()).then_some(People { people: &people, expressions: &listed });
        let mut scene =
            Scene { subject, observed: &observed, aligned: &aligned, semantics: &semantics, names: &names };
        let mut pictures = scene.draw_portrait(shown)?;
        pictures.extend(portrait_curves(run)?);
        Ok(Found::new(semantics, expressions, names, pictures))
    }

    /// Takes over what another bundle calls its parts, if one is named.
    fn adopt(&self, semantics: &mut Semantics) -> Result<()> {
        let Some(dir) = &self.keypoints.parts_of else { return Ok(()) };
        semantics.adopt(Bundle::open(dir)?.manifest())
    }

    /// Says so where the bundle that parts were taken over from has another detector.
    fn check_detector(&self, manifest: &Manifest) -> Result<()> {
        let Some(dir) = &self.keypoints.parts_of else { return Ok(()) };
        let file = Network::Detector.file_name();
        if Bundle::open(dir)?.manifest().files.get(&file) != manifest.files.get(&file) {
            let dir = dir.display();
            print_line!("warning: {dir} has another detector: names may not say where keypoints lie");
        }
        Ok(())
    }

    /// Those asked for, or those found.
    fn names(&self, semantics: &Semantics) -> Vec<String> {
        self.keypoints.keypoint_names.clone().unwrap_or_else(|| semantics.names.clone())
    }

    fn request(&self, trained: &TrainedRun, found: Found) -> Result<ExportRequest> {
        let arguments = &self.card;
        let read = |path: &PathBuf| std::fs::read_to_string(path).map_err(Error::io(path));
        let notes = arguments.card_notes.as_ref().map(read).transpose()?;
        let mut metrics = arguments.metrics.as_deref().map(read_metrics).transpose()?.unwrap_or_default();
        metrics.extend(found.expressions.metrics());
        let folder = || self.dir.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let name = arguments.name.clone().unwrap_or_else(folder);
        let (default, means) = match trained.networks {
            Networks::Generator { .. } => (GENERATOR, None),
            Networks::Portrait(_) => (PORTRAIT, Some(found.semantics.means())),
        };
        let description = arguments.description.clone().unwrap_or_else(|| default.to_owned());
        let [images_seen, detector_images_seen] = trained.images_seen();
        let provenance = Provenance {
            data: arguments.data.clone(),
            dataset_size: trained.dataset_size(),
            images_seen,
            detector_images_seen,
            commit: machine::REVISION.into(),
            config: serde_json::to_value(trained.config()).map_err(|e| Error::Config(e.to_string()))?,
            machine: trained.run.sessions()?.machines().join("; "),
            date: time::OffsetDateTime::now_utc().date().to_string(),
        };
        let card = card::write(&CardFacts {
            name: &name,
            description: &description,
            metrics: &metrics,
            provenance: &provenance,
            licence: &arguments.licence,
            trained: trained.trained(),
            keypoints: &found.lines,
            pictures: &found.pictures,
            notes: notes.as_deref(),
        });
        Ok(ExportRequest {
            name,
            description,
            keypoint_names: Some(found.names),
            symmetric_pairs: found.semantics.mirror.pairs,
            skeleton: found.semantics.skeleton,
            means,
            expressions: found.expressions.listed(),
            metrics,
            provenance,
            licence: arguments.licence.clone(),
            card,
            pictures: found.pictures,
        })
    }
}

impl Found {
    fn new(
        semantics: Semantics,
        expressions: Expressions,
        names: Vec<String>,
        pictures: Vec<CardPicture>,
    ) -> Self {
        let mut lines = vec![format!("keypoints: {}", names.join(", "))];
        lines.extend(semantics.lines(&names));
        lines.extend(expressions.lines());
        Self { semantics, expressions, names, lines, pictures }
    }
}
