use super::FaceLatents;

/// The number `weight` (0 to 1) of the way from `a` to `b`; exactly either at the ends.
pub fn mix(a: f32, b: f32, weight: f32) -> f32 {
    a * (1.0 - weight) + b * weight
}

/// The same for each pair of numbers.
pub fn mix_all(a: &[f32], b: &[f32], weight: f32) -> Vec<f32> {
    a.iter().zip(b).map(|(a, b)| mix(*a, *b, weight)).collect()
}

impl FaceLatents {
    /// The face `weight` (0 to 1) of the way to `other`, in everything.
    pub fn towards(&self, other: &FaceLatents, weight: f32) -> FaceLatents {
        let points = self.keypoints.iter().zip(&other.keypoints);
        let embeddings = self.embeddings.iter().zip(&other.embeddings);
        FaceLatents {
            keypoints: points.map(|(a, b)| [mix(a[0], b[0], weight), mix(a[1], b[1], weight)]).collect(),
            scales: mix_all(&self.scales, &other.scales, weight),
            visible: mix_all(&self.visible, &other.visible, weight),
            embeddings: embeddings.map(|(a, b)| mix_all(a, b, weight)).collect(),
            background: mix_all(&self.background, &other.background, weight),
            states: mix_all(&self.states, &other.states, weight),
            tilt: mix(self.tilt, other.tilt, weight),
            taken: if weight < 0.5 { &self.taken } else { &other.taken }.clone(),
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::edit::testing::face;

    #[test]
    fn the_ends_are_exact_and_the_middle_is_between() {
        let (a, b) = (face(0.1), face(0.4));
        assert_eq!((a.towards(&b, 0.0), a.towards(&b, 1.0)), (a.clone(), b.clone()));
        let middle = a.towards(&b, 0.5);
        assert!((middle.keypoints[0][0] + 0.25).abs() < 1e-6 && (middle.background[0] - 6.25).abs() < 1e-6);
    }
}
