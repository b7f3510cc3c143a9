//! How far the discriminator has learned its training pictures by heart.

use std::ops::Range;

use serde::Serialize;
use tch::{Kind, Tensor};

use crate::dataset::batches::in_batches;
use crate::error::Result;
use crate::train::gan::ImageDiscriminator;

/// What the discriminator says of pictures, on average: logits, positive for real.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Overfitting {
    /// Of pictures that it was trained with.
    pub training: f64,
    /// Of pictures that it never saw.
    pub held_out: f64,
    /// Of generated ones.
    pub generated: f64,
    /// Pictures of each kind.
    pub n: usize,
}

impl Overfitting {
    /// Where unseen pictures lie between the training pictures (0) and generated ones (1), `r_v` of Karras et al.,
    /// "Training Generative Adversarial Networks with Limited Data", 2020: at 0 more pictures would teach nothing new, at 1
    /// the discriminator takes an unseen face for a generated one. None where it does not separate real from generated.
    pub fn ratio(&self) -> Option<f64> {
        let span = self.training - self.generated;
        (span > 1e-6).then(|| (self.training - self.held_out) / span)
    }
}

/// The discriminator on `n` pictures of each kind; each function returns those of a range, `[_, 3, S, S]` in [-1, 1].
///
/// # Errors
/// Those of the functions; [`crate::Error::Interrupted`].
pub fn measure(
    discriminator: &ImageDiscriminator,
    n: usize,
    training: impl FnMut(Range<usize>) -> Result<Tensor>,
    held_out: impl FnMut(Range<usize>) -> Result<Tensor>,
    generated: impl FnMut(Range<usize>) -> Result<Tensor>,
) -> Result<Overfitting> {
    // The minibatch deviation wants whole groups.
    let group = discriminator.net.group.max(1) as usize;
    let n = (n / group * group).max(1);
    Ok(Overfitting {
        training: mean_logit(discriminator, "logits of training pictures", n, training)?,
        held_out: mean_logit(discriminator, "logits of held-out pictures", n, held_out)?,
        generated: mean_logit(discriminator, "logits of generated pictures", n, generated)?,
        n,
    })
}

fn mean_logit(
    discriminator: &ImageDiscriminator,
    label: &str,
    n: usize,
    mut take: impl FnMut(Range<usize>) -> Result<Tensor>,
) -> Result<f64> {
    let logits =
        in_batches(label, n, |range| Ok(discriminator.net.forward(&take(range)?, 1.0, Kind::Float)))?;
    Ok(logits.mean(Kind::Double).double_value(&[]))
}

#[cfg(test)]
mod tests {
    use tch::Device;
    use tch::nn::VarStore;

    use super::*;
    use crate::config::Config;
    use crate::nets::Discriminator;

    #[test]
    fn the_ratio_says_where_unseen_pictures_lie() {
        let said = |training, held_out, generated| Overfitting { training, held_out, generated, n: 8 };
        assert_eq!(said(3.0, 2.0, -1.0).ratio(), Some(0.25));
        assert_eq!(said(1.0, 1.0, 0.0).ratio(), Some(0.0));
        // Chance: there is no span to be in.
        assert_eq!(said(1.0, 2.0, 1.0).ratio(), None);
    }

    #[test]
    fn each_kind_gets_the_mean_of_its_logits() {
        tch::manual_seed(4);
        let config = Config::default();
        let store = VarStore::new(Device::Cpu);
        let mut net = Discriminator::new(store.root(), &config.architecture);
        net.group = 4;
        let discriminator = ImageDiscriminator { store, net };
        let side = config.architecture.image_size;
        let pictures = Tensor::rand([12, 3, side, side], (Kind::Float, Device::Cpu)) * 2.0 - 1.0;
        let dark = |r: Range<usize>| Ok(pictures.narrow(0, r.start as i64, r.len() as i64) * 0.2 - 0.8);
        let plain = |r: Range<usize>| Ok(pictures.narrow(0, r.start as i64, r.len() as i64));
        let said = measure(&discriminator, 11, plain, dark, plain).unwrap();
        // Whole groups of the minibatch deviation alone.
        assert_eq!((said.n, said.training), (8, said.generated));
        assert!((said.training - said.held_out).abs() > 1e-6, "{said:?}");
        let wanted = tch::no_grad(|| discriminator.net.forward(&pictures.narrow(0, 0, 8), 1.0, Kind::Float));
        assert!((wanted.mean(Kind::Double).double_value(&[]) - said.training).abs() < 1e-5);
    }
}
