//! Motion of another bundle, by the names of parts.

use lkg_bundle::Manifest;
use lkg_bundle::face_parts::apart;
use lkg_bundle::manifest::Keypoint;

use crate::frame::{DetectedFace, DetectedKeypoint};
use crate::vision::face_layout::FaceLayout;

/// How far apart two parts may be that move alike, in distances between the eyes.
const BESIDE: f64 = 0.3;

/// Takes another bundle's keypoints for this one's.
#[derive(Clone, Debug)]
pub(super) struct Translation {
    /// For each part of this bundle where it lies among the other's.
    from: Vec<Option<usize>>,
    means: Vec<[f32; 2]>,
    layout: FaceLayout,
    states: usize,
}

impl Translation {
    /// From a bundle whose parts have the names `theirs` to that of `manifest`.
    pub fn new(theirs: &[String], manifest: &Manifest) -> Self {
        let named = |name: &String| theirs.iter().position(|other| other == name);
        // What was recorded before a part was renamed has it under its old name.
        let of = |k: &Keypoint| named(&k.name).or_else(|| k.aliases.iter().find_map(named));
        let mut from: Vec<Option<usize>> = manifest.keypoints.iter().map(of).collect();
        // What has no part of the same name there moves as the part beside it.
        for (part, k) in manifest
            .keypoints
            .iter()
            .enumerate()
            .filter(|(part, _)| from[*part].is_none())
            .collect::<Vec<_>>()
        {
            let near = theirs.iter().enumerate().filter_map(|(i, name)| Some((i, apart(&k.name, name)?)));
            let free = near.filter(|(i, far)| *far < BESIDE && !from.contains(&Some(*i)));
            from[part] = free.min_by(|a, b| a.1.total_cmp(&b.1)).map(|(i, _)| i);
        }
        Self {
            from,
            means: manifest.keypoints.iter().map(|k| k.mean).collect(),
            layout: FaceLayout::new(manifest),
            states: manifest.dims.states.unwrap_or_default(),
        }
    }

    /// How many parts have the same name in both, or lie beside each other.
    pub fn shared(&self) -> usize {
        self.from.iter().flatten().count()
    }

    /// A face of the other bundle as this one has it: parts that the other one lacks lie where they do on average in a face so
    /// placed.
    pub fn face(&self, theirs: &DetectedFace) -> DetectedFace {
        let nowhere = DetectedKeypoint { x: 0.0, y: 0.0, confidence: 0.0 };
        let of = |i: &Option<usize>| i.and_then(|i| theirs.keypoints.get(i)).copied();
        let known: Vec<Option<DetectedKeypoint>> = self.from.iter().map(of).collect();
        // What is not known weighs next to nothing, and lies in the middle of the rest.
        let there = known.iter().flatten().count().max(1) as f32;
        let middle = known.iter().flatten().fold(nowhere, |m, k| DetectedKeypoint {
            x: m.x + k.x / there,
            y: m.y + k.y / there,
            ..m
        });
        let points: Vec<DetectedKeypoint> = known.iter().map(|k| k.unwrap_or(middle)).collect();
        let frame = self.layout.frame(&points);
        let placed = |(k, mean): (&Option<DetectedKeypoint>, &[f32; 2])| {
            let [x, y] = frame.to_picture(*mean);
            k.unwrap_or(DetectedKeypoint { x, y, confidence: 0.0 })
        };
        let keypoints = known.iter().zip(&self.means).map(placed).collect();
        let each = |i: &Option<usize>| match i {
            Some(i) => theirs.states.get(i * self.states..(i + 1) * self.states).unwrap_or_default().to_vec(),
            None => vec![0.0; if theirs.states.is_empty() { 0 } else { self.states }],
        };
        let states = self.from.iter().flat_map(each).collect();
        DetectedFace { keypoints, states, ..DetectedFace::default() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::vision::testing::manifest;

    #[test]
    fn parts_go_by_name_and_those_that_are_missing_with_the_head() {
        let mut m = manifest(4);
        m.dims.states = Some(1);
        let means = [[-0.5, -0.2], [0.5, -0.2], [0.0, 0.1], [0.0, 0.6]];
        m.keypoints.iter_mut().zip(means).for_each(|(k, mean)| k.mean = mean);
        // The other bundle has the same parts but the last, in another order.
        let theirs = ["point 2", "other", "point 1", "point 0"].map(str::to_owned);
        let translation = Translation::new(&theirs, &m);
        assert_eq!(translation.shared(), 3);
        // A head of 100 pixels, shifted by (30, 10).
        let at =
            |[x, y]: [f32; 2]| DetectedKeypoint { x: 80.0 + 50.0 * x, y: 60.0 + 50.0 * y, confidence: 1.0 };
        let mut face = DetectedFace::new([means[2], [0.9, 0.9], means[1], means[0]].map(at).to_vec());
        face.states = vec![0.2, 0.9, 0.1, 0.0];
        let here = translation.face(&face);
        for (k, mean) in here.keypoints.iter().zip(means) {
            let want = at(mean);
            assert!((k.x - want.x).abs() < 0.5 && (k.y - want.y).abs() < 0.5, "{k:?}, not {want:?}");
        }
        assert_eq!(here.states, [0.0, 0.1, 0.2, 0.0]);
        assert_eq!(translation.face(&DetectedFace::new(face.keypoints)).states, Vec::<f32>::new());
    }
}
