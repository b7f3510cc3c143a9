//! What goes back into networks, and which networks a checkpoint fits.

use std::collections::HashSet;

use safetensors::tensor::TensorView;
use tch::{Kind, Tensor};

use super::{Checkpoint, is_optimisers};
use crate::config::Config;
use crate::error::{Error, Result};
use crate::train::optim::growth;

impl Checkpoint {
    /// Copies the checkpoint's tensors into `tensors`, which must have the same names, shapes that they fit ([`growth::fits`])
    /// and the same kinds but for float16. Nothing is copied unless all fit.
    ///
    /// # Errors
    /// [`Error::Checkpoint`] naming the first tensor that is missing or does not fit.
    pub fn restore(&self, tensors: &mut [(String, Tensor)]) -> Result<()> {
        let fail = |reason: String| self.fail(reason);
        let file = self.file()?;
        let mut copies = Vec::with_capacity(tensors.len());
        for (name, target) in tensors.iter() {
            let view = file
                .tensor(name)
                .map_err(|_| fail(format!("a checkpoint of another architecture: it lacks {name}")))?;
            let copy = self.tensor(name, &view)?;
            let fits = copy.kind() == target.kind() || copy.kind() == Kind::Half;
            if !growth::fits(name, &copy.size(), &target.size()) || !fits {
                return Err(fail(format!(
                    "a checkpoint of another architecture: {name} is {:?}, needed is {:?}",
                    copy.size(),
                    target.size()
                )));
            }
            copies.push(copy);
        }
        tch::no_grad(|| {
            for ((name, target), copy) in tensors.iter_mut().zip(copies) {
                growth::copy(name, &copy, target);
            }
        });
        Ok(())
    }

    /// Leaves in `tensors` those that [`Checkpoint::restore`] can copy: the checkpoint has them under the same name in a shape that
    /// fits. What optimisers know of a parameter stays whole or not at all.
    ///
    /// # Errors
    /// [`Error::Checkpoint`].
    pub fn retain_fitting(&self, tensors: &mut Vec<(String, Tensor)>) -> Result<()> {
        let file = self.file()?;
        let fits = |name: &str, target: &Tensor| {
            let shape = |view: TensorView| view.shape().iter().map(|d| *d as i64).collect::<Vec<_>>();
            file.tensor(name).is_ok_and(|view| growth::fits(name, &shape(view), &target.size()))
        };
        let known =
            |name: &str| name.rsplit_once('/').map(|(of, _)| of.to_owned()).filter(|_| is_optimisers(name));
        let lost: HashSet<String> =
            tensors.iter().filter(|(name, t)| !fits(name, t)).filter_map(|(name, _)| known(name)).collect();
        tensors.retain(|(name, t)| fits(name, t) && known(name).is_none_or(|of| !lost.contains(&of)));
        Ok(())
    }

    /// Whether its networks have to grow to be those of `config`; refuses one whose networks neither are those nor grow to be
    /// ([`crate::config::Architecture::grows_from`]), and one whose keypoints were learned first where `config` has none.
    ///
    /// # Errors
    /// [`Error::Checkpoint`] naming what differs.
    pub fn check_grows(&self, config: &Config) -> Result<bool> {
        self.check_keypoints(config)?;
        if config.architecture.grows_from(&self.state.config.architecture) {
            return Ok(true);
        }
        self.check_architecture(config).map(|()| false)
    }

    /// Refuses a checkpoint whose generator was held to keypoints that were learned first, where `config` has none: its detector
    /// could not go on learning.
    ///
    /// # Errors
    /// [`Error::Checkpoint`] naming the fix.
    fn check_keypoints(&self, config: &Config) -> Result<()> {
        if !self.state.config.keypoints.is_on() || config.keypoints.is_on() {
            return Ok(());
        }
        Err(Error::Checkpoint {
            path: self.path.clone(),
            reason: format!(
                "its keypoints were learned first and stay as they are: leave keypoints.images above 0 (it was {}), or begin a new run",
                self.state.config.keypoints.images
            ),
        })
    }

    /// Refuses a checkpoint whose networks are not those of `config`.
    ///
    /// # Errors
    /// [`Error::Checkpoint`] naming what differs.
    pub fn check_architecture(&self, config: &Config) -> Result<()> {
        let (have, want) = (&self.state.config.architecture, &config.architecture);
        if have == want {
            return Ok(());
        }
        let fields = |a| match serde_json::to_value(a) {
            Ok(serde_json::Value::Object(map)) => map,
            _ => serde_json::Map::new(),
        };
        let (have, want) = (fields(have), fields(want));
        let differing: Vec<String> = want
            .iter()
            .filter(|(key, value)| have.get(*key) != Some(value))
            .map(|(key, value)| format!("{key} {} instead of {value}", have.get(key).unwrap_or(&().into())))
            .collect();
        Err(Error::Checkpoint {
            path: self.path.clone(),
            reason: format!("a checkpoint of another architecture: {}", differing.join(", ")),
        })
    }
}

#[cfg(test)]
mod tests {
    use tch::Device;

    use super::super::tests::tensors;
    use super::super::{State, save};
    use super::*;

    #[test]
    fn another_architecture_is_named_and_nothing_is_copied() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("c.safetensors");
        save(&path, &tensors(1.0), &State::new("gan", &Config::default(), 1)).unwrap();
        let checkpoint = Checkpoint::open(&path).unwrap();
        let mut other = Config::default();
        other.architecture.keypoints = 5;
        let error = checkpoint.check_architecture(&other).unwrap_err().to_string();
        assert!(error.contains("keypoints 10 instead of 5"), "{error}");
        let mut into = tensors(0.0);
        into[1].1 = Tensor::zeros([4], (Kind::Double, Device::Cpu));
        assert!(checkpoint.restore(&mut into).is_err());
        assert_eq!(into[0].1, tensors(0.0)[0].1);
    }

    #[test]
    fn what_fits_is_kept_and_optimisers_forget_a_parameter_whole() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("c.safetensors");
        let zeros = |shape: &[i64]| Tensor::zeros(shape, (Kind::Float, Device::Cpu));
        let named = |width: i64| {
            vec![
                ("generator/images.x.weight".to_owned(), zeros(&[width, 2, 1, 1])),
                ("generator_adam/images.x.weight/mean".to_owned(), zeros(&[width, 2, 1, 1])),
                ("generator_adam/images.x.weight/steps".to_owned(), zeros(&[])),
                ("generator_adam/images.y.bias/steps".to_owned(), zeros(&[])),
            ]
        };
        save(&path, &named(3), &State::new("gan", &Config::default(), 1)).unwrap();
        let checkpoint = Checkpoint::open(&path).unwrap();
        let mut wider = named(4);
        checkpoint.retain_fitting(&mut wider).unwrap();
        let names: Vec<&str> = wider.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(names, ["generator/images.x.weight", "generator_adam/images.y.bias/steps"]);
        checkpoint.restore(&mut wider).unwrap();
    }

    #[test]
    fn what_grows_is_told_from_what_is_another() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("c.safetensors");
        save(&path, &tensors(1.0), &State::new("gan", &Config::default(), 1)).unwrap();
        let checkpoint = Checkpoint::open(&path).unwrap();
        let grows = |change: fn(&mut crate::config::Architecture)| {
            let mut config = Config::default();
            change(&mut config.architecture);
            checkpoint.check_grows(&config).ok()
        };
        assert_eq!(grows(|_| {}), Some(false));
        assert_eq!(grows(|a| a.style_map = crate::config::StyleMap::Concat), Some(true));
        assert_eq!(grows(|a| a.generator_channels[2] += 8), Some(true));
        assert_eq!(grows(|a| a.generator_channels[2] -= 8), None);
        assert_eq!(grows(|a| a.discriminator_channels[2] += 8), None);
        assert_eq!(grows(|a| a.embedding += 1), None);
    }
}
