//! Expressions of a carried photo: read off its states, and changed along the manifest's directions.

use std::collections::BTreeMap;

use lkg_bundle::Manifest;
use lkg_bundle::manifest::Expression;

use super::FaceLatents;
use super::latents::{REACH, STATES};
use super::mix::{mix, mix_all};
use crate::vision::similarity::fit;

/// By how much a value must grow with its own direction to be measured by it.
const LEAST_GAIN: f32 = 0.2;
/// Rounds in which expressions that move each other's values are brought to what was asked.
const ROUNDS: usize = 12;
/// Most that one is moved in all, in widths of its range.
const MOST: f32 = 1.5;
/// Mean square distance of keypoints from their centre below which they show neither scale nor turn.
const LEAST_SPREAD: f32 = 1e-4;

/// The sum of products of two lists of each part's numbers.
fn product(a: &[Vec<f32>], b: &[Vec<f32>]) -> f32 {
    a.iter().flatten().zip(b.iter().flatten()).map(|(a, b)| a * b).sum()
}

/// The value of an expression in a face with `states`, whose photo shows `original`: what was read off the photo, and how far
/// it was moved since.
fn value(expression: &Expression, original: &FaceLatents, states: &[f32]) -> f32 {
    let gain = product(&expression.weights, &expression.states);
    let gain = if gain < LEAST_GAIN { 1.0 } else { gain };
    let moved = expression.measure(states) - expression.measure(&original.states);
    expression.read(&original.states) + moved / gain
}

/// The values of the manifest's expressions in `face`, a carried photo that showed `original`, held to their ranges; none of
/// a generated face.
pub fn expression_values(manifest: &Manifest, original: &FaceLatents, face: &FaceLatents) -> Vec<f32> {
    let count = if face.is_carried() { manifest.expressions.len() } else { 0 };
    let held = |e: &Expression| value(e, original, &face.states).clamp(e.range[0], e.range[1]);
    manifest.expressions.iter().take(count).map(held).collect()
}

/// Expressions by their place in the manifest, with the values that are wanted.
///
/// # Errors
/// A sentence: there is no such expression, with the names there are, or a value is out of its range.
pub(super) fn asked(
    manifest: &Manifest,
    set: &BTreeMap<String, f32>,
) -> std::result::Result<Vec<(usize, f32)>, String> {
    let expressions = &manifest.expressions;
    if expressions.is_empty() {
        return Err(format!("bundle {} has no expressions; name one that has, with --bundle", manifest.name));
    }
    let one = |(name, value): (&String, &f32)| {
        let Some(i) = expressions.iter().position(|e| e.name == *name) else {
            let names: Vec<&str> = expressions.iter().map(|e| e.name.as_str()).collect();
            return Err(format!("no expression {name:?}; they are {}", names.join(", ")));
        };
        let [least, most] = expressions[i].range;
        if !(least..=most).contains(value) {
            return Err(format!("{name}: {value} is not from {least} to {most}"));
        }
        Ok((i, *value))
    };
    set.iter().map(one).collect()
}

/// `face`, of a photo that shows `original`, with the values `asked`: states and keypoints move along each expression's
/// directions, those of keypoints as large and as turned as the face is.
pub(super) fn express(
    manifest: &Manifest,
    original: &FaceLatents,
    face: &FaceLatents,
    asked: &[(usize, f32)],
) -> FaceLatents {
    let mut out = face.clone();
    let mut amounts = vec![0.0f32; manifest.expressions.len()];
    for _ in 0..ROUNDS {
        for (i, wanted) in asked {
            let expression = &manifest.expressions[*i];
            let most = MOST * (expression.range[1] - expression.range[0]);
            let by = wanted - value(expression, original, &out.states);
            let by = (amounts[*i] + by).clamp(-most, most) - amounts[*i];
            amounts[*i] += by;
            let direction = expression.states.iter().flatten();
            out.states.iter_mut().zip(direction).for_each(|(state, d)| *state += by * d);
        }
    }
    out.states.iter_mut().for_each(|state| *state = state.clamp(-STATES, STATES));
    let means = manifest.keypoints.iter().map(|k| k.mean);
    let pairs = means.zip(&face.keypoints).map(|(mean, own)| (mean, *own, 1.0));
    let (turn, scale) = fit(pairs, LEAST_SPREAD).map_or((0.0, 1.0), |s| (s.turn, s.scale));
    let (sin, cos) = turn.sin_cos();
    for (amount, expression) in amounts.iter().zip(&manifest.expressions) {
        let by = amount * scale;
        for (point, [x, y]) in out.keypoints.iter_mut().zip(&expression.keypoints) {
            point[0] = (point[0] + by * (x * cos - y * sin)).clamp(-REACH, REACH);
            point[1] = (point[1] + by * (x * sin + y * cos)).clamp(-REACH, REACH);
        }
    }
    out
}

/// `face` with `weight` (0 to 1) of the expression of `donor`. Where the bundle has expressions their values are taken over, so
/// that what is somebody's own about states stays his; else the states are.
pub(super) fn express_as(
    manifest: &Manifest,
    original: &FaceLatents,
    face: &FaceLatents,
    donor: &FaceLatents,
    weight: f32,
) -> FaceLatents {
    if manifest.expressions.is_empty() {
        return FaceLatents { states: mix_all(&face.states, &donor.states, weight), ..face.clone() };
    }
    let own = expression_values(manifest, original, face);
    let values = manifest.expressions.iter().zip(own).enumerate();
    let asked: Vec<(usize, f32)> =
        values.map(|(i, (e, own))| (i, mix(own, e.read(&donor.states), weight))).collect();
    express(manifest, original, face, &asked)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::edit::testing::named_manifest;

    /// Two parts with one state each. `mouth-open` reads the first and moves both, `smile` reads the second; each also moves
    /// the other's value.
    fn with_expressions() -> Manifest {
        let expression = |name: &str, weights: [f32; 2], states: [f32; 2], keypoints| Expression {
            name: name.to_owned(),
            range: [0.0, 1.0],
            rest: 0.0,
            bias: 0.0,
            weights: weights.map(|w| vec![w]).to_vec(),
            states: states.map(|s| vec![s]).to_vec(),
            keypoints,
        };
        let mut m = named_manifest(&["lip", "chin"]);
        (m.keypoints[0].mean, m.keypoints[1].mean) = ([0.0, -0.5], [0.0, 0.5]);
        m.expressions = vec![
            expression("mouth-open", [1.0, 0.0], [0.8, 0.2], vec![[0.0, 0.0], [0.0, 0.2]]),
            expression("smile", [0.0, 1.0], [-0.3, 1.0], vec![[0.1, 0.0], [0.0, 0.0]]),
        ];
        m
    }

    fn set(values: &[(&str, f32)]) -> BTreeMap<String, f32> {
        values.iter().map(|(name, v)| ((*name).to_owned(), *v)).collect()
    }

    #[test]
    fn what_was_asked_is_reached_together_and_again() {
        let m = with_expressions();
        let face = FaceLatents::carried(vec![[0.0, -0.5], [0.0, 0.5]], vec![0.1, 0.05], 0.0);
        let wanted = asked(&m, &set(&[("mouth-open", 0.9), ("smile", 0.4)])).unwrap();
        let open = express(&m, &face, &face, &wanted);
        let values = expression_values(&m, &face, &open);
        assert!((values[0] - 0.9).abs() < 1e-3 && (values[1] - 0.4).abs() < 1e-3, "{values:?}");
        let again = express(&m, &face, &open, &wanted);
        assert!((again.states[0] - open.states[0]).abs() < 1e-3);
        let back = asked(&m, &set(&[("mouth-open", 0.1), ("smile", 0.05)])).unwrap();
        let back = express(&m, &face, &open, &back);
        assert!(back.states.iter().zip(&face.states).all(|(a, b)| (a - b).abs() < 1e-2), "{back:?}");
    }

    #[test]
    fn keypoints_move_as_large_and_as_turned_as_the_face_is() {
        let m = with_expressions();
        // Half as large, and turned by a quarter from right towards down: down becomes left.
        let face = FaceLatents::carried(vec![[0.25, 0.0], [-0.25, 0.0]], vec![0.0, 0.0], 0.0);
        let open = express(&m, &face, &face, &[(0, 1.0)]);
        let by = [open.keypoints[1][0] + 0.25, open.keypoints[1][1]];
        assert!((by[0] + 0.1).abs() < 1e-4 && by[1].abs() < 1e-4, "{by:?}");
        assert_eq!(open.keypoints[0], [0.25, 0.0]);
    }

    #[test]
    fn anothers_expression_is_taken_by_its_values_else_by_its_states() {
        let m = with_expressions();
        let own = FaceLatents::carried(vec![[0.0, -0.5], [0.0, 0.5]], vec![0.0, 0.0], 0.0);
        let donor = FaceLatents { states: vec![0.6, 0.5], ..own.clone() };
        let half = expression_values(&m, &own, &express_as(&m, &own, &own, &donor, 0.5));
        assert!((half[0] - 0.3).abs() < 1e-3 && (half[1] - 0.25).abs() < 1e-3, "{half:?}");
        let bare = Manifest { expressions: Vec::new(), ..m };
        assert_eq!(express_as(&bare, &own, &own, &donor, 0.5).states, [0.3, 0.25]);
        assert!(expression_values(&bare, &own, &donor).is_empty());
    }

    #[test]
    fn what_cannot_be_asked_is_named() {
        let m = with_expressions();
        assert!(asked(&m, &set(&[("grin", 1.0)])).unwrap_err().contains("mouth-open, smile"));
        assert!(asked(&m, &set(&[("smile", 1.5)])).unwrap_err().contains("1.5 is not from 0 to 1"));
        assert!(asked(&m, &set(&[("smile", f32::NAN)])).is_err());
        let bare = Manifest { expressions: Vec::new(), ..m };
        assert!(asked(&bare, &set(&[("smile", 0.5)])).unwrap_err().contains("has no expressions"));
    }
}
