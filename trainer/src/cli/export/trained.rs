//! The networks of a run, whichever kind it trained.

use std::path::PathBuf;

use crate::cli::checkpoint::{RunChoice, main_stage};
use crate::config::{Architecture, Config};
use crate::error::{Error, Result};
use crate::export::card::Trained;
use crate::export::{GeneratorNets, PortraitNets, TrainedNets};
use crate::subject::{PortraitSubject, RunSubject};
use crate::train::run::Run;
use crate::train::run::checkpoint::{Checkpoint, State};
use crate::train::stages::{detector, gan};

/// What a run trained.
#[expect(clippy::large_enum_variant, reason = "a program has one")]
pub enum Networks {
    /// A generator and its detector; portrait networks, too, where the run has them, by the same detector.
    Generator { subject: RunSubject, detector: Checkpoint, portrait: Option<PortraitSubject> },
    /// Portrait networks alone.
    Portrait(PortraitSubject),
}

/// A run with its networks.
pub struct TrainedRun {
    pub networks: Networks,
    /// Where they were trained.
    pub run: Run,
}

/// The run, and the file of the checkpoint chosen: the generator's, or that of the portrait networks where the run has no
/// generator.
pub fn checkpoint(choice: &RunChoice) -> Result<(Run, PathBuf, bool)> {
    let (run, _) = Run::open(&choice.dir)?;
    let stage = main_stage(&run);
    let path = choice.checkpoint.path(&run, stage);
    Ok((run, path, stage == gan::STAGE))
}

impl TrainedRun {
    pub fn load(choice: &RunChoice) -> Result<Self> {
        let (run, path, draws) = checkpoint(choice)?;
        if !draws {
            return Ok(Self { networks: Networks::Portrait(PortraitSubject::open(&path)?), run });
        }
        let detector = Checkpoint::open(&run.checkpoint(detector::STAGE))?;
        let subject = RunSubject::open(&run, &path)?;
        let portrait = PortraitSubject::of_run(&run)?;
        if let Some(portrait) = &portrait {
            portrait.checkpoint.check_architecture(&subject.checkpoint.state.config)?;
        }
        Ok(Self { networks: Networks::Generator { subject, detector, portrait }, run })
    }

    /// State of what was trained last.
    fn state(&self) -> &State {
        match &self.networks {
            Networks::Generator { subject, .. } => &subject.checkpoint.state,
            Networks::Portrait(subject) => &subject.checkpoint.state,
        }
    }

    pub fn architecture(&self) -> &Architecture {
        &self.state().config.architecture
    }

    /// Images of the training set.
    pub fn dataset_size(&self) -> u64 {
        self.state().dataset_size
    }

    /// Real images seen by the discriminator, or pairs by the portrait networks; pictures that the detector's own stage saw.
    pub fn images_seen(&self) -> [u64; 2] {
        let detector = match &self.networks {
            Networks::Generator { detector, .. } => detector.state.images_seen,
            Networks::Portrait(subject) => subject.detector_state().map_or(0, |state| state.images_seen),
        };
        [self.state().images_seen, detector]
    }

    /// Each stage's own settings: the detector may have been trained with others than the generator's run.
    pub fn config(&self) -> Config {
        let config = self.state().config.clone();
        let detector = match &self.networks {
            Networks::Generator { detector, .. } => Some(&detector.state),
            Networks::Portrait(subject) => subject.detector_state(),
        };
        match detector {
            Some(state) => Config { detector: state.config.detector.clone(), ..config },
            None => config,
        }
    }

    /// What the card says was trained.
    pub fn trained(&self) -> Trained<'_> {
        match &self.networks {
            Networks::Generator { subject, detector, .. } => {
                Trained::Generator { gan: &subject.checkpoint.state, detector: &detector.state }
            }
            Networks::Portrait(subject) => {
                Trained::Portrait { portrait: &subject.checkpoint.state, detector: subject.detector_state() }
            }
        }
    }

    pub fn nets(&self) -> Result<TrainedNets<'_>> {
        match &self.networks {
            Networks::Generator { subject, portrait, .. } => {
                let detector = subject.detector.as_ref();
                Ok(TrainedNets {
                    detector: &detector.ok_or(Error::NoDetector)?.net,
                    generator: Some(GeneratorNets {
                        keypoints: &subject.generator.keypoints,
                        images: &subject.generator.images,
                        encoder: subject.encoder.as_ref().map(|e| &e.net),
                    }),
                    portrait: portrait.as_ref().map(portrait_nets),
                })
            }
            Networks::Portrait(subject) => Ok(TrainedNets {
                detector: subject.detector(),
                generator: None,
                portrait: Some(portrait_nets(subject)),
            }),
        }
    }
}

fn portrait_nets(subject: &PortraitSubject) -> PortraitNets<'_> {
    PortraitNets { flow: &subject.nets.net.flow, renderer: &subject.nets.net.renderer }
}
