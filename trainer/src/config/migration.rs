//! Keys of before: configurations that older versions wrote, in files, checkpoints and on command lines, still load. A tree of
//! values is brought up to date before it is read; nothing else knows the old names.

use toml::{Table, Value};

/// Where each key of before is now. Some old keys are now the names of sections: it is the old one where it holds a value.
pub const MOVED: &[(&str, &str)] = &[
    ("gan.generator_rate", "gan.generator_learning_rate"),
    ("gan.discriminator_rate", "gan.discriminator_learning_rate"),
    ("gan.inference_rate", "gan.inference_learning_rate"),
    ("gan.r1_weight", "gan.r1.weight"),
    ("gan.r1_every", "gan.r1.every"),
    ("gan.background_weight", "gan.background.weight"),
    ("gan.background_every", "gan.background.every"),
    ("gan.background_fraction", "gan.background.fraction"),
    ("gan.background_reach", "gan.background.reach"),
    ("gan.generator_equivariance_weight", "gan.generator_equivariance.weight"),
    ("gan.generator_equivariance_every", "gan.generator_equivariance.every"),
    ("gan.generator_equivariance_fraction", "gan.generator_equivariance.fraction"),
    ("gan.move_weight", "gan.move.weight"),
    ("gan.move_rest_weight", "gan.move.rest_weight"),
    ("gan.move_every", "gan.move.every"),
    ("gan.move_fraction", "gan.move.fraction"),
    ("gan.move_reach", "gan.move.reach"),
    ("gan.keypoint_weight", "gan.keypoint_discriminator.weight"),
    ("gan.appearance_weight", "gan.appearance_discriminator.weight"),
    ("gan.feature_discriminator_weight", "gan.feature_discriminator.weight"),
    ("gan.pose_weight", "gan.pose.weight"),
    ("gan.cycle_keypoints_weight", "gan.cycle.keypoints_weight"),
    ("gan.cycle_embeddings_weight", "gan.cycle.embeddings_weight"),
    ("gan.cycles_teach_generator", "gan.cycle.teach_generator"),
    ("gan.cycle_disguise", "gan.cycle.augmentation"),
    ("gan.cycle_image_weight", "gan.reconstruction.image_weight"),
    ("gan.perceptual_weight", "gan.reconstruction.perceptual_weight"),
    ("gan.perceptual", "gan.reconstruction.perceptual"),
    ("gan.reconstruction_every", "gan.reconstruction.every"),
    ("gan.equivariance_weight", "gan.equivariance.weight"),
    ("gan.feature_matching_weight", "gan.feature_matching.weight"),
    ("gan.diversity_weight", "gan.diversity.weight"),
    ("gan.diversity_every", "gan.diversity.every"),
    ("gan.augment_translation", "gan.augment.translation"),
    ("gan.augment_cutout", "gan.augment.cutout"),
    ("gan.augment_colour", "gan.augment.colour"),
    ("keypoints.rate", "keypoints.learning_rate"),
    ("keypoints.mask", "keypoints.mask.fraction"),
    ("keypoints.patches", "keypoints.mask.patches"),
    ("keypoints.image_weight", "keypoints.reconstruction.image_weight"),
    ("keypoints.perceptual_weight", "keypoints.reconstruction.perceptual_weight"),
    ("keypoints.separation_weight", "keypoints.separation.weight"),
    ("keypoints.separation_width", "keypoints.separation.width"),
    ("keypoints.equivariance_weight", "keypoints.equivariance.weight"),
    ("keypoints.equivariance_from", "keypoints.equivariance.from"),
    ("keypoints.deformation", "keypoints.equivariance.deformation"),
    ("detector.rate", "detector.learning_rate"),
    ("detector.scale", "detector.placement.scale"),
    ("detector.far_scale", "detector.placement.far_scale"),
    ("detector.far", "detector.placement.far"),
    ("detector.shift", "detector.placement.shift"),
    ("detector.rotation", "detector.placement.rotation"),
    ("detector.moved", "detector.move.fraction"),
    ("detector.bend", "detector.local_warp.fraction"),
    ("detector.bend_reach", "detector.local_warp.reach"),
    ("detector.looks", "detector.refinement_crops"),
    ("detector.cover", "detector.occlusion"),
    ("detector.negatives", "detector.negatives.fraction"),
    ("detector.negatives_among", "detector.negatives.among"),
    ("detector.negatives_weight", "detector.negatives.weight"),
    ("detector.equivariance_weight", "detector.equivariance.weight"),
    ("detector.equivariance_from", "detector.equivariance.from"),
    ("encoder.rate", "encoder.learning_rate"),
    ("encoder.image_weight", "encoder.reconstruction.image_weight"),
    ("encoder.perceptual_weight", "encoder.reconstruction.perceptual_weight"),
    ("encoder.perceptual", "encoder.reconstruction.perceptual"),
    ("encoder.adversarial_weight", "encoder.reconstruction.adversarial_weight"),
    ("encoder.deformed", "encoder.deformed.fraction"),
    ("encoder.deformation", "encoder.deformed.strength"),
];

/// Where the key `old` is now, if it has moved.
pub fn current(old: &str) -> Option<&'static str> {
    MOVED.iter().find(|(before, _)| *before == old).map(|(_, now)| *now)
}

/// Brings a tree up to date. Where it has a value under both names, the old one stays and is refused as unknown.
pub fn migrate(tree: &mut Table) {
    let old: Vec<_> =
        MOVED.iter().filter_map(|(before, now)| Some((take(tree, before)?, before, now))).collect();
    for (value, before, now) in old {
        if let Some(value) = put(tree, now, value) {
            let _ = put(tree, before, value);
        }
    }
}

/// Takes the value, no section, at `path` out of a tree.
fn take(tree: &mut Table, path: &str) -> Option<Value> {
    match path.split_once('.') {
        Some((section, rest)) => take(tree.get_mut(section)?.as_table_mut()?, rest),
        None => tree.get(path).is_some_and(|v| !v.is_table()).then(|| tree.remove(path)).flatten(),
    }
}

/// Puts a value at `path`, or gives it back where there is something already.
fn put(tree: &mut Table, path: &str, value: Value) -> Option<Value> {
    let Some((section, rest)) = path.split_once('.') else {
        if tree.contains_key(path) {
            return Some(value);
        }
        tree.insert(path.to_owned(), value);
        return None;
    };
    match tree.entry(section).or_insert_with(|| Value::Table(Table::new())) {
        Value::Table(inner) => put(inner, rest, value),
        _ => Some(value),
    }
}
