use clap::Args;
use tch::Device;

use super::checkpoint::main_stage;
use super::stage::{Section, StageArgs};
use crate::config::{Config, DetectorConfig};
use crate::error::Result;
use crate::train::run::Run;
use crate::train::stages::detector::{self, DetectorTraining};

#[derive(Debug, Args)]
#[command(after_help = "Example: trainer detector faces.pack --run runs/faces")]
pub struct Detector {
    #[command(flatten)]
    stage: StageArgs,
    /// Start over with what this stage has trained so far as the teacher, in the place of the detector trained along with
    /// the generator: a student that outgrew it.
    #[arg(long, conflicts_with_all = ["resume", "force"])]
    again: bool,
}

impl Section for Detector {
    type Value = DetectorConfig;

    fn of(config: &mut Config) -> &mut DetectorConfig {
        &mut config.detector
    }

    fn images(section: &mut DetectorConfig) -> &mut u64 {
        &mut section.images
    }

    /// A run of portrait networks has no generator: its pictures serve.
    fn source(run: &Run) -> &'static str {
        main_stage(run)
    }

    /// At the size that the detector's stage wants crops must stay sharp too.
    fn side(config: &Config) -> i64 {
        config.architecture.image_size.max(detector::SHARPER * config.architecture.detector_size)
    }
}

impl Detector {
    pub fn run(mut self, device: Device) -> Result<()> {
        let again = self.again;
        self.stage.force |= again;
        self.stage.run::<Self, _>(device, |config, run, source, pictures| {
            if again {
                detector::promote(run, config)?;
            }
            let teacher = detector::teacher(run, source, device)?;
            DetectorTraining::new(config, source, teacher, pictures, device)
        })
    }
}
