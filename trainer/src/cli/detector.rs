use clap::Args;
use tch::Device;

use super::stage::{Section, StageArgs};
use crate::config::{Config, DetectorConfig};
use crate::error::Result;
use crate::train::detector::DetectorTraining;

#[derive(Debug, Args)]
pub struct Detector {
    #[command(flatten)]
    stage: StageArgs,
}

impl Section for Detector {
    type Value = DetectorConfig;

    fn of(config: &mut Config) -> &mut DetectorConfig {
        &mut config.detector
    }

    fn images(section: &mut DetectorConfig) -> &mut u64 {
        &mut section.images
    }

    /// At the detector's own size crops must stay sharp too.
    fn side(config: &Config) -> i64 {
        config.architecture.image_size.max(config.architecture.detector_size)
    }
}

impl Detector {
    pub fn run(self, device: Device) -> Result<()> {
        self.stage.run::<Self, _>(device, |config, _, generator, pictures| {
            DetectorTraining::new(config, generator, pictures, device)
        })
    }
}
