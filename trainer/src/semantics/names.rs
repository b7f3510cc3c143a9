//! Names for keypoints: where they lie in the mean shape, or the annotated landmark that they keep to. Left and right
//! are the picture's.

use lkg_bundle::face_parts::TOLERANCE;

use super::align::{centre, distance, radius};
use super::annotated::LandmarkDistances;
use super::mirror::Mirror;

/// Beyond this share of half the layout's height from the middle begins the next row of names.
const ROW: f64 = 0.25;
/// Beyond this share the outermost row.
const OUTER_ROW: f64 = 0.7;
/// Beyond this share of half the layout's width from the middle a keypoint is left or right.
const COLUMN: f64 = 0.2;
/// A keypoint bears the name of a landmark that is nearer than this many distances between neighbouring landmarks; of
/// faces, whose landmarks are not all there is to name, that of a part within [`TOLERANCE`] distances between the eyes.
const NEAR: f64 = 0.5;

/// What a keypoint is called before numbers distinguish it from others.
#[derive(Clone, Debug, PartialEq)]
struct Stem {
    name: String,
    /// The better keeps the name without a number.
    rank: f64,
}

/// A name for each keypoint of the mean shape `layout`, no two alike: `upper-left`, `centre`, `right-2`, or with
/// `landmarks` annotated names where they fit: `eye-left`.
pub fn names(layout: &[[f64; 2]], mirror: &Mirror, landmarks: Option<&LandmarkDistances>) -> Vec<String> {
    let from_layout = by_place(layout, mirror);
    let from_landmarks =
        landmarks.map_or_else(|| vec![None; layout.len()], |l| by_landmark(l, radius(layout)));
    let stems: Vec<Stem> = from_landmarks
        .into_iter()
        .zip(from_layout)
        .map(|(annotated, place)| annotated.unwrap_or(place))
        .collect();
    number(&stems, mirror)
}

/// Rows and columns of the layout.
fn by_place(layout: &[[f64; 2]], mirror: &Mirror) -> Vec<Stem> {
    let range = |axis: usize| {
        let values = layout.iter().map(|p| p[axis]);
        (values.clone().fold(f64::INFINITY, f64::min), values.fold(f64::NEG_INFINITY, f64::max))
    };
    let (left, right) = range(0);
    let (top, bottom) = range(1);
    let half = |low: f64, high: f64| ((high - low) / 2.0).max(1e-9);
    // The axis of what is symmetric, otherwise the middle.
    let symmetric: Vec<[f64; 2]> =
        mirror.pairs.as_flattened().iter().chain(&mirror.axis).map(|j| layout[*j]).collect();
    let middle = if symmetric.is_empty() { (left + right) / 2.0 } else { centre(&symmetric)[0] };
    let place = |j: usize| {
        let image = mirror.image(j);
        // Partners are named alike.
        let height = image.map_or(layout[j][1], |i| (layout[i][1] + layout[j][1]) / 2.0);
        let x = match image {
            Some(i) if i == j => 0.0,
            Some(i) if layout[j][0] < layout[i][0] || (layout[j][0] == layout[i][0] && j < i) => -1.0,
            Some(_) => 1.0,
            None => (layout[j][0] - middle) / half(left, right),
        };
        let y = (height - (top + bottom) / 2.0) / half(top, bottom);
        let row = match y {
            y if y < -OUTER_ROW => "top",
            y if y < -ROW => "upper",
            y if y <= ROW => "",
            y if y <= OUTER_ROW => "lower",
            _ => "bottom",
        };
        let column = match x {
            x if x < -COLUMN => "left",
            x if x <= COLUMN => "centre",
            _ => "right",
        };
        let name = if row.is_empty() { column.to_owned() } else { format!("{row}-{column}") };
        Stem { name, rank: height }
    };
    (0..layout.len()).map(place).collect()
}

/// The landmark that each keypoint keeps to, if one is near enough; `size` is the layout's.
fn by_landmark(landmarks: &LandmarkDistances, size: f64) -> Vec<Option<Stem>> {
    let neighbours: Vec<f64> = (0..landmarks.layout.len())
        .map(|a| {
            let others = (0..landmarks.layout.len()).filter(|b| *b != a);
            others.map(|b| distance(landmarks.layout[a], landmarks.layout[b])).fold(f64::INFINITY, f64::min)
        })
        .collect();
    let spacing = (neighbours.iter().sum::<f64>() / neighbours.len().max(1) as f64).min(size);
    let (rows, most) = match landmarks.eyes {
        Some(eyes) => (&landmarks.offsets, TOLERANCE * eyes),
        None => (&landmarks.distances, NEAR * spacing),
    };
    let nearest = |row: &Vec<f64>| {
        let (i, d) = row.iter().enumerate().min_by(|a, b| a.1.total_cmp(b.1))?;
        (*d < most).then(|| Stem { name: landmarks.names[i].clone(), rank: *d })
    };
    rows.iter().map(nearest).collect()
}

/// Numbers where a stem is wanted more than once; partners get the same number.
fn number(stems: &[Stem], mirror: &Mirror) -> Vec<String> {
    // Partners that are called alike can't bear the same number.
    let partner = |j: usize| mirror.image(j).filter(|p| stems[*p].name != stems[j].name);
    let mut order: Vec<usize> = (0..stems.len()).collect();
    // Partners first, so that there is no second one on one side without a first.
    let first = |j: usize| (partner(j).is_none(), stems[j].rank);
    order.sort_by(|a, b| {
        let ((single, rank), (other_single, other_rank)) = (first(*a), first(*b));
        single.cmp(&other_single).then(rank.total_cmp(&other_rank)).then(a.cmp(b))
    });
    let mut names: Vec<Option<String>> = vec![None; stems.len()];
    for first in order {
        if names[first].is_some() {
            continue;
        }
        let unnamed = |p: &usize| names[*p].is_none();
        let unit: Vec<usize> = std::iter::once(first).chain(partner(first).filter(unnamed)).collect();
        let numbered = |j: usize, n: usize| match n {
            1 => stems[j].name.clone(),
            n => format!("{}-{n}", stems[j].name),
        };
        let free = |n: &usize| !unit.iter().any(|j| names.contains(&Some(numbered(*j, *n))));
        let number = (1..).find(free).unwrap_or_default();
        let given: Vec<String> = unit.iter().map(|j| numbered(*j, number)).collect();
        for (j, name) in unit.into_iter().zip(given) {
            names[j] = Some(name);
        }
    }
    names.into_iter().flatten().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn symmetric(pairs: &[[usize; 2]], axis: &[usize]) -> Mirror {
        Mirror { pairs: pairs.to_vec(), axis: axis.to_vec(), landings: vec![] }
    }

    const FACE: [[f64; 2]; 7] =
        [[0.35, -0.3], [0.0, 0.1], [-0.3, 0.45], [-0.35, -0.32], [0.3, 0.45], [0.02, 0.8], [0.05, -0.8]];

    #[test]
    fn partners_are_left_and_right_and_the_axis_is_the_centre() {
        let found = names(&FACE, &symmetric(&[[0, 3], [2, 4]], &[1, 5]), None);
        let want = [
            "upper-right",
            "centre",
            "lower-left",
            "upper-left",
            "lower-right",
            "bottom-centre",
            "top-centre",
        ];
        assert_eq!(found, want);
    }

    #[test]
    fn names_told_apart_by_numbers_stay_together_in_pairs() {
        // Two pairs in one row, the higher one first, and a point without a partner beside them.
        let layout =
            [[-0.5, -0.5], [0.5, -0.5], [-0.3, -0.4], [0.3, -0.4], [0.8, -0.45], [0.0, 1.0], [0.0, -1.0]];
        let found = names(&layout, &symmetric(&[[0, 1], [2, 3]], &[5, 6]), None);
        assert_eq!(&found[..4], ["upper-left", "upper-right", "upper-left-2", "upper-right-2"]);
        assert_eq!(found[4], "upper-right-3");
        let mut unique = found.clone();
        unique.sort();
        unique.dedup();
        assert_eq!(unique.len(), found.len());
    }

    #[test]
    fn names_are_a_function_of_the_layout_alone() {
        let plain = names(&FACE, &Mirror::default(), None);
        let moved: Vec<[f64; 2]> = FACE.iter().map(|p| [p[0] * 0.5 + 0.1, p[1] * 0.5 - 0.2]).collect();
        assert_eq!(plain, names(&moved, &Mirror::default(), None));
        assert_eq!(plain[0], "upper-right");
        assert!(names(&[], &Mirror::default(), None).is_empty());
        assert_eq!(names(&[[0.3, 0.2]], &Mirror::default(), None), ["centre"]);
    }

    #[test]
    fn landmarks_name_what_keeps_to_them_and_the_rest_keeps_its_place() {
        let layout = vec![[-0.3, -0.3], [0.3, -0.3], [0.0, 0.4]];
        // Keypoint 1 is nearest of all to the first landmark, but 0 and 3 are partners.
        let mut distances: Vec<Vec<f64>> =
            FACE.iter().map(|p| layout.iter().map(|l| distance(*p, *l)).collect()).collect();
        distances[1][0] = 0.01;
        let landmarks = LandmarkDistances {
            names: ["eye-left", "eye-right", "mouth"].map(str::to_owned).to_vec(),
            layout,
            offsets: distances.clone(),
            distances,
            eyes: None,
            n: 5,
        };
        let found = names(&FACE, &symmetric(&[[0, 3], [2, 4]], &[5]), Some(&landmarks));
        assert_eq!([0, 3, 1].map(|j| found[j].as_str()), ["eye-right", "eye-left", "eye-left-2"]);
        assert_eq!([2, 6].map(|j| found[j].as_str()), ["lower-left", "top-centre"]);
    }

    /// "mouth-right" lay on the cheek.
    #[test]
    fn parts_of_faces_bear_names_of_places_that_they_are_at() {
        let parts: Vec<_> = lkg_bundle::face_parts::all().collect();
        let face = [[-0.25, -0.2], [0.25, -0.2], [0.0, 0.12], [-0.22, 0.32], [0.22, 0.32]];
        let places: Vec<[f64; 2]> = parts.iter().map(|(_, place)| place.point(&face)).collect();
        // The corner of a mouth, a point a quarter of the eyes' distance beside the other, and one above the head.
        let layout = [[-0.23, 0.33], [0.33, 0.24], [0.0, -0.95]];
        let rows: Vec<Vec<f64>> =
            layout.iter().map(|p| places.iter().map(|q| distance(*p, *q)).collect()).collect();
        let landmarks = LandmarkDistances {
            names: parts.iter().map(|(name, _)| (*name).to_owned()).collect(),
            layout: places,
            distances: rows.iter().map(|r| r.iter().map(|d| d + 0.2).collect()).collect(),
            offsets: rows,
            eyes: Some(0.5),
            n: 9,
        };
        let found = names(&layout, &symmetric(&[[0, 1]], &[2]), Some(&landmarks));
        assert_eq!(found, ["mouth-left", "cheek-right-lower", "top-centre"]);
    }

    #[test]
    fn partners_at_one_landmark_are_both_named_after_it() {
        let landmarks = LandmarkDistances {
            names: vec!["beak".into()],
            layout: vec![[0.0, 0.0]],
            distances: vec![vec![0.1], vec![0.05], vec![2.0]],
            offsets: vec![vec![0.1], vec![0.05], vec![2.0]],
            eyes: None,
            n: 5,
        };
        let layout = [[-0.1, 0.0], [0.1, 0.0], [0.0, 1.0]];
        let found = names(&layout, &symmetric(&[[0, 1]], &[2]), Some(&landmarks));
        assert_eq!(found, ["beak-2", "beak", "bottom-centre"]);
    }
}
