//! How much of a change in the look of the driver's parts a photo's parts take over.

use lkg_bundle::Manifest;

use crate::edit::group;

/// A part takes over nothing up to the first, and all from the second on, of how much expressions change its states over how
/// much they change those of the part that they change most.
const CARRIED: [f32; 2] = [0.2, 0.4];
/// Lids follow by a third to a half of what they should: they are few pixels of what the networks learned from. Measured
/// on twelve clips, see docs/experiments/portrait.md.
const EYES: f32 = 2.5;

/// By what the change of each part's states is multiplied. Parts that no expression of the bundle changes show the driver's
/// hair and background, and keep what the photo shows.
pub(super) fn shares(manifest: &Manifest) -> Vec<f32> {
    let [none, all] = CARRIED;
    let mut shares = vec![0.0f32; manifest.keypoints.len()];
    for expression in &manifest.expressions {
        for (share, changed) in shares.iter_mut().zip(expression.part_shares()) {
            *share = share.max(((changed - none) / (all - none)).clamp(0.0, 1.0));
        }
    }
    if manifest.expressions.is_empty() {
        shares.fill(1.0);
    }
    for eye in group("eyes", manifest).unwrap_or_default() {
        shares[eye] *= EYES;
    }
    shares
}

#[cfg(test)]
mod tests {
    use lkg_bundle::manifest::Expression;

    use super::*;
    use crate::vision::testing::manifest;

    #[test]
    fn parts_without_expression_keep_their_look_and_lids_take_over_more() {
        let mut m = manifest(4);
        assert_eq!(shares(&m), [1.0; 4], "nothing is known of them");
        m.expressions = vec![Expression {
            name: "mouth-open".to_owned(),
            range: [0.0, 1.0],
            rest: 0.0,
            bias: 0.0,
            weights: vec![vec![0.0]; 4],
            states: vec![vec![-2.0], vec![0.6], vec![0.3], vec![0.0]],
            keypoints: vec![[0.0; 2]; 4],
        }];
        let found = shares(&m);
        assert_eq!([found[0], found[2], found[3]], [1.0, 0.0, 0.0]);
        assert!((found[1] - 0.5).abs() < 1e-6, "{}", found[1]);
        m.keypoints[1].name = "eyelid-left".to_owned();
        assert!((shares(&m)[1] - 0.5 * EYES).abs() < 1e-6);
    }
}
