//! What names of a face's parts say: places in a face whose eyes, nose and mouth corners are known. Left and right are the
//! picture's.

/// A place in a face: by the five landmarks that face data sets have.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Place {
    /// On the landmark of this position among [`LANDMARKS`].
    Landmark(usize),
    /// Between landmarks: so many distances between the eyes to the right of their middle, and so many times the way from there
    /// to the middle of the mouth down.
    Between(f64, f64),
}

/// The landmarks, in the order in which [`Place::point`] takes them.
pub const LANDMARKS: [&str; 5] = ["eye-left", "eye-right", "nose", "mouth-left", "mouth-right"];

/// How far from its place a part may lie and bear its name, in distances between the eyes.
pub const TOLERANCE: f64 = 0.15;

/// Places in the middle of a face.
const MIDDLE: [(&str, Place); 10] = [
    ("nose", Place::Landmark(2)),
    ("nose-root", Place::Between(0.0, -0.02)),
    ("nose-bridge", Place::Between(0.0, 0.18)),
    ("nose-middle", Place::Between(0.0, 0.4)),
    ("nose-base", Place::Between(0.0, 0.72)),
    ("mouth", Place::Between(0.0, 1.0)),
    ("lip-lower", Place::Between(0.0, 1.18)),
    ("chin", Place::Between(0.0, 1.6)),
    ("glabella", Place::Between(0.0, -0.35)),
    ("forehead", Place::Between(0.0, -0.88)),
];

/// Places on the left, and as far from the middle on the right.
const SIDES: [(&str, &str, Place); 18] = [
    ("eye-left", "eye-right", Place::Landmark(0)),
    ("mouth-left", "mouth-right", Place::Landmark(3)),
    ("eye-left-inner", "eye-right-inner", Place::Between(-0.33, 0.0)),
    ("eye-left-outer", "eye-right-outer", Place::Between(-0.67, 0.0)),
    ("eyelid-left", "eyelid-right", Place::Between(-0.5, -0.14)),
    ("eyebag-left", "eyebag-right", Place::Between(-0.5, 0.2)),
    ("brow-left", "brow-right", Place::Between(-0.52, -0.33)),
    ("brow-left-inner", "brow-right-inner", Place::Between(-0.25, -0.3)),
    ("brow-left-outer", "brow-right-outer", Place::Between(-0.8, -0.25)),
    ("forehead-left", "forehead-right", Place::Between(-0.36, -0.9)),
    ("hairline-left", "hairline-right", Place::Between(-0.62, -0.8)),
    ("temple-left", "temple-right", Place::Between(-0.9, -0.15)),
    ("nostril-left", "nostril-right", Place::Between(-0.25, 0.67)),
    ("lip-left", "lip-right", Place::Between(-0.2, 1.04)),
    ("cheekbone-left", "cheekbone-right", Place::Between(-0.79, 0.18)),
    ("cheek-left", "cheek-right", Place::Between(-0.64, 0.54)),
    ("cheek-left-lower", "cheek-right-lower", Place::Between(-0.64, 0.83)),
    ("cheek-left-outer", "cheek-right-outer", Place::Between(-0.9, 0.5)),
];

/// Places round a face.
const ROUND: [(&str, &str, Place); 3] = [
    ("ear-left", "ear-right", Place::Between(-1.09, 0.33)),
    ("jaw-left", "jaw-right", Place::Between(-0.92, 1.13)),
    ("chin-left", "chin-right", Place::Between(-0.42, 1.5)),
];

impl Place {
    /// The same on the other side.
    fn mirrored(self) -> Self {
        match self {
            Self::Landmark(0) => Self::Landmark(1),
            Self::Landmark(3) => Self::Landmark(4),
            Self::Landmark(other) => Self::Landmark(other),
            Self::Between(across, down) => Self::Between(-across, down),
        }
    }

    /// Where the place is in a face whose [`LANDMARKS`] are at `face`, in any coordinates with y downwards.
    pub fn point(self, face: &[[f64; 2]; 5]) -> [f64; 2] {
        let [left, right, _, mouth_left, mouth_right] = face;
        match self {
            Self::Landmark(i) => face[i.min(4)],
            Self::Between(across, down) => [0, 1].map(|axis| {
                let eyes = (left[axis] + right[axis]) / 2.0;
                let mouth = (mouth_left[axis] + mouth_right[axis]) / 2.0;
                eyes + across * (right[axis] - left[axis]) + down * (mouth - eyes)
            }),
        }
    }
}

/// Every name with its place.
pub fn all() -> impl Iterator<Item = (&'static str, Place)> {
    let sides = SIDES.into_iter().chain(ROUND);
    MIDDLE
        .into_iter()
        .chain(sides.flat_map(|(left, right, place)| [(left, place), (right, place.mirrored())]))
}

/// The place that a name says; none of names that say a region (`upper-left`) or that people gave.
pub fn place(name: &str) -> Option<Place> {
    all().find_map(|(known, place)| (known == name).then_some(place))
}

/// How far the places that two names say are from each other in a usual face, in distances between the eyes; none if one of
/// them says no place.
pub fn apart(a: &str, b: &str) -> Option<f64> {
    /// As faces are on average.
    const USUAL: [[f64; 2]; 5] = [[-0.5, 0.0], [0.5, 0.0], [0.0, 0.64], [-0.45, 1.05], [0.45, 1.05]];
    let ([ax, ay], [bx, by]) = (place(a)?.point(&USUAL), place(b)?.point(&USUAL));
    Some((ax - bx).hypot(ay - by))
}

/// The distance between the eyes of a face whose [`LANDMARKS`] are at `face`.
pub fn eye_distance(face: &[[f64; 2]; 5]) -> f64 {
    (face[0][0] - face[1][0]).hypot(face[0][1] - face[1][1])
}

#[cfg(test)]
mod tests {
    use super::*;

    const FACE: [[f64; 2]; 5] = [[40.0, 50.0], [60.0, 50.0], [50.0, 63.0], [41.0, 71.0], [59.0, 71.0]];

    #[test]
    fn names_are_told_apart_and_mean_what_they_say() {
        let names: Vec<&str> = all().map(|(name, _)| name).collect();
        assert_eq!(names.iter().collect::<std::collections::BTreeSet<_>>().len(), names.len());
        let at = |name: &str| place(name).unwrap().point(&FACE);
        for (i, name) in LANDMARKS.iter().enumerate() {
            assert_eq!(at(name), FACE[i]);
        }
        for (name, place) in all() {
            let [x, _] = place.point(&FACE);
            assert_eq!((name.contains("left"), name.contains("right")), (x < 50.0, x > 50.0), "{name}");
        }
        assert!(at("brow-left")[1] < at("eyelid-left")[1] && at("eyelid-left")[1] < at("eye-left")[1]);
        assert!(at("mouth")[1] < at("chin")[1] && at("forehead")[1] < at("glabella")[1]);
        assert_eq!(place("upper-left"), None);
        assert_eq!((apart("eye-left", "eye-left"), apart("nose", "upper-left")), (Some(0.0), None));
        assert!(apart("lip-left", "mouth-left") < apart("lip-left", "mouth-right"));
    }

    #[test]
    fn places_turn_and_grow_with_the_face() {
        let turned = FACE.map(|[x, y]| [3.0 * -y + 7.0, 3.0 * x - 2.0]);
        for (name, place) in all() {
            let ([x, y], [u, v]) = (place.point(&FACE), place.point(&turned));
            assert!((u - (3.0 * -y + 7.0)).abs() + (v - (3.0 * x - 2.0)).abs() < 1e-9, "{name}");
        }
        assert!((eye_distance(&turned) - 60.0).abs() < 1e-9);
    }
}
