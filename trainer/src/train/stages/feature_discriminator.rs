//! What a [`FeatureDiscriminator`] minimises, in the generator's stage and in that of portraits.

use tch::{Kind, Tensor};

use crate::losses::{self, Loss, Terms};
use crate::nets::FeatureDiscriminator;

/// Adds the logistic loss of `net` on maps of real and of generated images, which get no gradient, and, where `r1` gives its
/// weight, the gradient penalty on real ones: under the names of the two losses given.
pub(super) fn add_terms(
    terms: &mut Terms,
    [of_images, of_gradients]: [&'static Loss; 2],
    net: &FeatureDiscriminator,
    (real, generated): (&[Tensor], &[Tensor]),
    r1: Option<f64>,
    kind: Kind,
) {
    let detached: Vec<Tensor> = generated.iter().map(Tensor::detach).collect();
    let loss = losses::discriminator(&net.forward(real, kind), &net.forward(&detached, kind));
    terms.add(of_images, 1.0, loss);
    if let Some(weight) = r1 {
        // By features, not by pixels: the network between them is not what must be kept from being too sharp.
        let maps: Vec<Tensor> = real.iter().map(|m| m.detach().set_requires_grad(true)).collect();
        // Second derivatives lose too much in bfloat16.
        let logits = net.forward(&maps, Kind::Float);
        // The mean over patches of each one's squared gradient, as far as they see different places.
        let patches = logits.size()[1] as f64;
        let sums = logits.sum_dim_intlist([1i64].as_slice(), false, Kind::Float) / patches.sqrt();
        terms.add(of_gradients, weight, losses::r1(&maps.iter().collect::<Vec<_>>(), &sums));
    }
}
