//! Beginning with networks that are there.

use tch::Tensor;

use super::{PortraitTraining, STAGE};
use crate::config::{Architecture, Config};
use crate::error::{Error, Result};
use crate::nets::Detector;
use crate::train::optim::{average, parameters};
use crate::train::run::checkpoint::{Checkpoint, State};
use crate::train::run::stored::Stored;
use crate::train::stages::{keypoints, more_keypoints};

/// A detector that another stage has trained.
pub(super) struct Known {
    detector: Stored<Detector>,
    arch: Architecture,
}

/// Refuses a checkpoint that is neither of this stage nor of that of the first keypoints.
///
/// # Errors
/// [`Error::Usage`].
pub fn check_start(checkpoint: Checkpoint) -> Result<Checkpoint> {
    match [STAGE, keypoints::STAGE].contains(&checkpoint.state.stage.as_str()) {
        true => Ok(checkpoint),
        false => Err(Error::Usage(format!(
            "--from: the checkpoint is of the stage {:?}: name a run of `trainer portrait` or its {STAGE}.safetensors, or the {}.safetensors of a run of `trainer train`",
            checkpoint.state.stage,
            keypoints::STAGE
        ))),
    }
}

/// The configuration of a run that begins with the networks of `state`, where none is named.
pub fn begun(state: &State) -> Config {
    let mut config = if state.stage == STAGE {
        state.config.clone()
    } else {
        // Of another stage only the detector's make holds.
        let mut config = Config::default();
        let have = &state.config.architecture;
        config.architecture.detector_size = have.detector_size;
        config.architecture.detector_channels.clone_from(&have.detector_channels);
        config.architecture.keypoints = have.keypoints;
        config
    };
    config.portrait.begun();
    config
}

/// Refuses a checkpoint that a run of `config` can't begin with.
///
/// # Errors
/// [`Error::Checkpoint`], [`Error::Config`] naming what differs.
pub fn check_fit(checkpoint: &Checkpoint, config: &Config) -> Result<()> {
    let have = &checkpoint.state.config.architecture;
    if checkpoint.state.stage == keypoints::STAGE {
        return more_keypoints::check(have, &config.architecture);
    }
    let grows = config.architecture.portrait_size % have.portrait_size == 0;
    let shrunk = if grows { have.portrait_size } else { config.architecture.portrait_size };
    // The generator's networks are not among them.
    let like = Architecture {
        keypoints: config.architecture.keypoints,
        states: config.architecture.states,
        state_channels: config.architecture.state_channels.min(have.state_channels),
        detector_size: config.architecture.detector_size,
        detector_channels: config.architecture.detector_channels.clone(),
        portrait_size: shrunk,
        ..have.clone()
    };
    checkpoint.check_architecture(&Config { architecture: like, ..config.clone() })
}

impl PortraitTraining {
    /// Begins with the averaged networks of `checkpoint`: of the first keypoints' stage with its detector. Of this stage, and with its discriminator if there is one. Networks
    /// for pictures of a multiple of its side begin as its networks see and draw such pictures at their own side.
    ///
    /// # Errors
    /// [`Error::Checkpoint`] naming what differs.
    pub fn begin_with(&mut self, checkpoint: &Checkpoint) -> Result<()> {
        check_fit(checkpoint, &self.config)?;
        if checkpoint.state.stage == keypoints::STAGE {
            let detector = keypoints::detector(checkpoint, self.device)?;
            self.known = Some(Known { detector, arch: checkpoint.state.config.architecture.clone() });
            return Ok(());
        }
        let (live, averaged) = (&self.learner.live.store, &self.learner.average.store);
        let mut networks = parameters::prefixed("average", parameters::all(averaged));
        if checkpoint.state.config.architecture.state_channels < self.config.architecture.state_channels {
            // Further maps to read states from begin afresh.
            checkpoint.retain_fitting(&mut networks)?;
        }
        checkpoint.restore(&mut networks)?;
        average::copy(live, averaged);
        if let Some(discriminator) = &self.discriminator {
            let mut networks = discriminator.networks();
            checkpoint.retain_fitting(&mut networks)?;
            match networks.is_empty() {
                true => eprintln!("the checkpoint has no discriminator: it starts afresh"),
                false => checkpoint.restore(&mut networks)?,
            }
        }
        Ok(())
    }

    /// Makes the detector begin with `known`, further keypoints placed by `images`.
    pub(super) fn begin_detector(&mut self, known: &Known, images: &Tensor) -> Result<()> {
        let (live, averaged) = (&self.learner.live.store, &self.learner.average.store);
        let images = images.to_device(self.device);
        let archs = (&known.arch, &self.config.architecture);
        more_keypoints::begin_with(live, "detector.", &known.detector, archs, &images)?;
        average::copy(averaged, live);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use tch::{Device, Kind, Tensor};

    use super::*;
    use crate::nets::layers::Norm;
    use crate::nets::portrait::Parts;
    use crate::train::stages::stage::Stage;

    fn training(side: i64, keypoints: i64) -> PortraitTraining {
        let mut config = Config::default();
        config.architecture.states = 2;
        config.architecture.keypoints = keypoints;
        config.architecture.portrait_size = side;
        config.architecture.detector_channels = vec![8, 8];
        config.portrait.perceptual_weight = 0.0;
        config.portrait.adversarial.weight = 0.0;
        PortraitTraining::new(&config, 10, Device::Cpu).unwrap()
    }

    fn checkpoint(training: &PortraitTraining) -> (tempfile::TempDir, Checkpoint) {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("c.safetensors");
        let state = &training.learner.state;
        crate::train::run::checkpoint::save(&path, &training.tensors(), state).unwrap();
        let checkpoint = Checkpoint::open(&path).unwrap();
        (dir, checkpoint)
    }

    /// Smooth photos of `side` pixels, driven by another's parts.
    fn driven(training: &PortraitTraining, side: i64) -> Tensor {
        tch::manual_seed(4);
        let kind = (Kind::Float, Device::Cpu);
        let part = || Parts {
            keypoints: Tensor::rand([2, 5, 2], kind) - 0.5,
            states: Tensor::rand([2, 5, 2], kind) - 0.5,
        };
        let (source, other) = (part(), part());
        let photo = (Tensor::rand([2, 3, 16, 16], kind) * 2.0 - 1.0).upsample_bicubic2d(
            [side, side],
            false,
            None,
            None,
        );
        let net = &training.learner.average.net;
        let image = training.render(net, &photo, &source, &other, Norm::Running).image;
        let k = [side / 128; 2];
        // The mean of each block: a wider filter would blur what untrained networks draw from pixel to pixel.
        tch::no_grad(|| image.avg_pool2d(k, k, [0, 0], false, false, None))
    }

    #[test]
    fn networks_for_larger_pictures_begin_with_what_smaller_ones_draw() {
        tch::manual_seed(3);
        let small = training(128, 5);
        // As if trained: what is drawn anew shows everywhere, and differs from place to place.
        tch::no_grad(|| {
            let head = &small.learner.average.net.renderer.head;
            let _ = head.weight.shallow_clone().g_mul_scalar_(5.0);
            if let Some(bias) = &head.bias {
                let _ = bias.narrow(0, 3 * 4, 4).fill_(-8.0);
            }
        });
        let (_dir, checkpoint) = checkpoint(&small);
        let mut large = training(256, 5);
        let apart = |large: &PortraitTraining| {
            (driven(large, 256) - driven(&small, 128)).abs().mean(Kind::Float).double_value(&[])
        };
        let fresh = apart(&large);
        large.begin_with(&checkpoint).unwrap();
        let grown = apart(&large);
        // What is left is of photos that are sampled at another side.
        assert!(grown < 0.03 && fresh > 5.0 * grown, "{grown}, fresh {fresh}");
        // What learns begins as its average does, and the schedule at its start.
        let all: std::collections::BTreeMap<_, _> = large.learner.tensors().into_iter().collect();
        assert_eq!(all["live/renderer.head.weight"], all["average/renderer.head.weight"]);
        assert_eq!(large.learner.state.images_seen, 0);
        let mut same = training(128, 5);
        same.begin_with(&checkpoint).unwrap();
        assert_eq!(driven(&same, 128), driven(&small, 128));
    }

    #[test]
    fn further_maps_for_states_change_nothing_at_first() {
        tch::manual_seed(3);
        let before = training(64, 5);
        let (_dir, checkpoint) = checkpoint(&before);
        let mut config = before.config.clone();
        config.architecture.state_channels = 6;
        let mut wider = PortraitTraining::new(&config, 10, Device::Cpu).unwrap();
        wider.begin_with(&checkpoint).unwrap();
        let images = Tensor::rand([2, 3, 64, 64], (Kind::Float, Device::Cpu)) * 2.0 - 1.0;
        let states = |training: &PortraitTraining| {
            let seen = training.detect(&training.learner.average.net, &images, Norm::Running);
            Parts::of(&seen).unwrap().states
        };
        let (was, is) = (states(&before), states(&wider));
        assert!((&was - is).abs().max().double_value(&[]) < 1e-6 && was.abs().max().double_value(&[]) > 1e-3);
        // They learn.
        let weight = &wider.learner.live.net.detector.states.as_ref().unwrap().weight;
        states_of_live(&wider, &images).sum(Kind::Float).backward();
        assert!(weight.grad().narrow(1, 16, 6).abs().max().double_value(&[]) > 0.0);
    }

    fn states_of_live(training: &PortraitTraining, images: &Tensor) -> Tensor {
        Parts::of(&training.detect(&training.learner.live.net, images, Norm::TRAINING)).unwrap().states
    }

    #[test]
    fn other_networks_are_refused() {
        let (_dir, of_256) = checkpoint(&training(256, 5));
        let refused = training(128, 5).begin_with(&of_256).unwrap_err().to_string();
        assert!(refused.contains("portrait_size 256 instead of 128"), "{refused}");
        let refused = training(256, 6).begin_with(&of_256).unwrap_err().to_string();
        assert!(refused.contains("keypoints 5 instead of 6"), "{refused}");
    }
}
