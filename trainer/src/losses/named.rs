//! Every loss of every training by name: what logs and messages call it, and what to lower when it is the one that diverges.
//! Its weight, and how often it is due, are in the section of the configuration that the fix names.

/// A loss as people meet it.
#[derive(Debug, PartialEq, Eq)]
pub struct Loss {
    /// The name in logs and messages.
    pub name: &'static str,
    /// The keys of the configuration that have the most to do with it, " or " between them.
    pub fix: &'static str,
}

/// Declares the losses of one training, and `ALL` of them for the tests.
macro_rules! losses {
    ($($(#[$doc:meta])* $constant:ident = $name:literal, $fix:literal;)*) => {
        $($(#[$doc])* pub static $constant: Loss = Loss { name: $name, fix: $fix };)*
        #[cfg(test)]
        pub(super) static ALL: &[&Loss] = &[$(&$constant),*];
    };
}

/// Those of keypoints that are learned first.
pub mod keypoints {
    use super::Loss;

    losses! {
        /// A masked picture's reconstruction against the picture.
        IMAGE = "image", "keypoints.reconstruction.image_weight";
        /// The same in features.
        PERCEPTUAL = "perceptual", "keypoints.reconstruction.perceptual_weight";
        /// Keypoints apart from each other.
        SEPARATION = "separation", "keypoints.separation.weight";
        /// Keypoints of deformed pictures.
        EQUIVARIANCE = "equivariance", "keypoints.equivariance.weight";
    }
}

/// Those of keypoints, states and portrait networks.
pub mod portrait {
    use super::Loss;

    losses! {
        /// The driven picture against the driver.
        IMAGE = "image", "portrait.learning_rate";
        /// The photo carried by the flow alone against the driver.
        WARPED = "warped", "portrait.warped_weight";
        /// The driven picture in features.
        PERCEPTUAL = "perceptual", "portrait.perceptual_weight";
        /// Close-ups of it in features.
        CLOSE_UP = "close-up", "portrait.close_up_weight";
        /// Keypoints of deformed pictures.
        EQUIVARIANCE = "equivariance", "portrait.equivariance.weight";
        /// States of deformed pictures.
        STATE = "state", "portrait.state_weight";
        /// States far from their ends.
        STATE_RANGE = "state range", "portrait.state_range_weight";
        /// Keypoints apart from each other.
        SEPARATION = "separation", "portrait.separation.weight";
        /// What is generated anew.
        MASK = "mask", "portrait.mask_weight";
        /// The detector's confidence.
        CONFIDENCE = "confidence", "portrait.confidence_weight";
        /// The driven picture against the discriminator.
        ADVERSARIAL = "adversarial", "portrait.adversarial.weight or portrait.adversarial.learning_rate";
        /// The discriminator.
        DISCRIMINATOR = "discriminator", "portrait.adversarial.learning_rate";
        /// Its gradient penalty.
        R1 = "r1", "gan.r1.weight";
    }
}

/// Those of generator and discriminators.
pub mod gan {
    use super::Loss;

    losses! {
        /// The generator against the image discriminator. What spoils it may as well have spoiled the discriminator.
        GENERATOR = "generator", "gan.discriminator_learning_rate or gan.generator_learning_rate";
        /// The image discriminator.
        DISCRIMINATOR = "discriminator", "gan.discriminator_learning_rate";
        /// Its gradient penalty.
        R1 = "r1", "gan.r1.weight";
        /// The discriminator of images with keypoints.
        KEYPOINT_DISCRIMINATOR = "keypoint_discriminator", "gan.discriminator_learning_rate";
        /// Its gradient penalty.
        R1_KEYPOINTS = "r1_keypoints", "gan.r1.weight";
        /// What it asks of generator and detector.
        KEYPOINTS = "keypoints", "gan.keypoint_discriminator.weight";
        /// The discriminator of images with embeddings.
        APPEARANCE_DISCRIMINATOR = "appearance_discriminator", "gan.discriminator_learning_rate";
        /// Its gradient penalty.
        R1_APPEARANCE = "r1_appearance", "gan.r1.weight";
        /// What it asks of generator and encoder.
        APPEARANCE = "appearance", "gan.appearance_discriminator.weight";
        /// The discriminator of a pretrained network's features.
        FEATURE_DISCRIMINATOR = "feature_discriminator", "gan.discriminator_learning_rate";
        /// Its gradient penalty.
        R1_FEATURES = "r1_features", "gan.r1.weight";
        /// What it asks of the generator.
        FEATURES = "features", "gan.feature_discriminator.weight";
        /// Images that differ in the background alone.
        BACKGROUND = "background", "gan.background.weight";
        /// Images of deformed keypoints.
        GENERATOR_EQUIVARIANCE = "generator_equivariance", "gan.generator_equivariance.weight";
        /// Other noise, other images.
        DIVERSITY = "diversity", "gan.diversity.weight";
        /// Statistics of the discriminator's features.
        FEATURE_MATCHING = "feature_matching", "gan.feature_matching.weight";
        /// Generated poses against real ones.
        POSES = "poses", "gan.pose.weight";
        /// Keypoints to an image and back.
        CYCLE_KEYPOINTS = "cycle_keypoints", "gan.cycle.keypoints_weight";
        /// Embeddings to an image and back.
        CYCLE_EMBEDDINGS = "cycle_embeddings", "gan.cycle.embeddings_weight";
        /// A part is seen where it was moved to.
        MOVE = "move", "gan.move.weight";
        /// The rest of the image stays.
        MOVE_REST = "move_rest", "gan.move.rest_weight";
        /// Keypoints of deformed real images.
        EQUIVARIANCE = "equivariance", "gan.equivariance.weight";
        /// A real image's reconstruction against the image.
        CYCLE_IMAGE = "cycle_image", "gan.reconstruction.image_weight";
        /// The same in features.
        PERCEPTUAL = "perceptual", "gan.reconstruction.perceptual_weight";
    }
}

/// Those of the detector.
pub mod detector {
    use super::Loss;

    losses! {
        /// Where keypoints of generated pictures are found.
        DISTANCE = "distance", "detector.learning_rate";
        /// Heat maps of generated pictures against Gaussians.
        HEAT = "heat", "detector.learning_rate";
        /// Confidence on generated pictures and on those without a face.
        CONFIDENCE = "confidence", "detector.negatives.weight or detector.learning_rate";
        /// States of warped pictures against those of the pictures.
        STATES = "states", "detector.state_weight";
        /// Keypoints of warped real pictures.
        EQUIVARIANCE = "equivariance", "detector.equivariance.weight";
        /// Confidence on real pictures.
        REAL_CONFIDENCE = "real_confidence", "detector.learning_rate";
    }
}

/// Those of the encoder.
pub mod encoder {
    use super::Loss;

    losses! {
        /// Embeddings of generated pictures against those that they were generated from.
        EMBEDDINGS = "embeddings", "encoder.embeddings_weight";
        /// A real picture's reconstruction against the picture.
        IMAGE = "image", "encoder.reconstruction.image_weight";
        /// The same in features.
        PERCEPTUAL = "perceptual", "encoder.reconstruction.perceptual_weight";
        /// What the discriminator asks of reconstructions.
        ADVERSARIAL = "adversarial", "encoder.reconstruction.adversarial_weight";
        /// The discriminator, which goes on learning on them.
        DISCRIMINATOR = "discriminator", "gan.discriminator_learning_rate";
        /// Its gradient penalty.
        R1 = "r1", "gan.r1.weight";
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Config;

    #[test]
    fn every_fix_is_a_key_of_the_configuration_and_names_are_unique() {
        let table = toml::Table::try_from(Config::default()).unwrap();
        let has = |key: &str| {
            let mut parts = key.split('.');
            let first = table.get(parts.next().unwrap());
            parts.fold(first, |at, part| at?.get(part)).is_some_and(|v| !v.is_table())
        };
        for all in [keypoints::ALL, portrait::ALL, gan::ALL, detector::ALL, encoder::ALL] {
            for (i, loss) in all.iter().enumerate() {
                assert!(loss.fix.split(" or ").all(has), "{}: {}", loss.name, loss.fix);
                assert!(all[..i].iter().all(|other| other.name != loss.name), "{}", loss.name);
            }
        }
    }
}
