use clap::Args;
use tch::Device;

use super::stage::{Section, StageArgs};
use crate::config::{Config, EncoderConfig};
use crate::error::Result;
use crate::train::checkpoint::Checkpoint;
use crate::train::encoder::{self, EncoderTraining};
use crate::train::run::Run;

#[derive(Debug, Args)]
#[command(after_help = "Example: trainer encoder faces.pack --run runs/faces")]
pub struct Encoder {
    #[command(flatten)]
    stage: StageArgs,
}

impl Section for Encoder {
    type Value = EncoderConfig;

    fn of(config: &mut Config) -> &mut EncoderConfig {
        &mut config.encoder
    }

    fn images(section: &mut EncoderConfig) -> &mut u64 {
        &mut section.images
    }

    fn check(run: &Run) -> Result<()> {
        encoder::find_detector(run).map(drop)
    }

    fn side(config: &Config) -> i64 {
        config.architecture.image_size
    }
}

impl Encoder {
    pub fn run(self, device: Device) -> Result<()> {
        self.stage.run::<Self, _>(device, |config, run, generator, pictures| {
            let detector = Checkpoint::open(&encoder::find_detector(run)?)?;
            EncoderTraining::new(config, generator, &detector, pictures, device)
        })
    }
}
