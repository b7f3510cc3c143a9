//! Annotated pictures: how close each keypoint keeps to each landmark.

use std::path::Path;

use lkg_bundle::face_parts::{self, LANDMARKS};
use serde::Serialize;

use super::Shape;
use super::align::{Similarity, centre, distance};
use crate::dataset::annotations::ANNOTATIONS;
use crate::dataset::batches::in_batches;
use crate::dataset::tensors::{load, tensor};
use crate::error::{Error, Result};
use crate::subject::KeypointDetector;
use crate::support::rows::{self, Row};

/// Most pictures, spread over the set.
const PICTURES: usize = 300;

/// A picture's file and its landmarks, normalised coordinates.
type Annotated = (String, Shape);

/// How close keypoints keep to landmarks.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct LandmarkDistances {
    /// Names of the landmarks.
    pub names: Vec<String>,
    /// Their mean places in the mean shape's coordinates.
    pub layout: Vec<[f64; 2]>,
    /// `distances[keypoint][landmark]`: root mean square distance after alignment, normalised coordinates.
    pub distances: Vec<Vec<f64>>,
    /// The same with the distance of the mean places.
    pub offsets: Vec<Vec<f64>>,
    /// The distance between the eyes, where landmarks are those of a face.
    pub eyes: Option<f64>,
    /// Pictures.
    pub n: usize,
}

impl LandmarkDistances {
    /// Finds keypoints in the pictures of the training side of `set` (a folder with `train/`, in it pictures and a
    /// `landmarks.csv`) and lays their keypoints over the mean shape `layout`.
    ///
    /// # Errors
    /// [`Error::Io`] or [`Error::Data`] naming what is missing or does not parse; those of the detector.
    pub fn measure(subject: &mut dyn KeypointDetector, set: &Path, layout: &[[f64; 2]]) -> Result<Self> {
        let folder = set.join("train");
        let path = folder.join(ANNOTATIONS);
        let (names, rows) = parse(rows::read(&path)?, &path)?;
        let (names, rows) = with_parts_of_faces(names, rows);
        let step = rows.len().div_ceil(PICTURES).max(1);
        let rows: Vec<_> = rows.into_iter().step_by(step).collect();
        let side = subject.detector_size().ok_or(Error::NoDetector)?;
        let seen = in_batches("annotated pictures", rows.len(), |range| {
            let pictures = rows[range]
                .iter()
                .map(|(file, _)| load(&folder.join(file), side as u32))
                .collect::<Result<Vec<_>>>()?;
            subject.detect(&tensor(&pictures, side))
        })?;
        let shapes = super::shapes(&seen)?;
        let landmarks: Vec<Shape> = rows.into_iter().map(|(_, landmarks)| landmarks).collect();
        Ok(Self::of(names, &shapes, &landmarks, layout))
    }

    /// Lays each shape of keypoints over `layout` and takes its landmarks along.
    pub fn of(names: Vec<String>, shapes: &[Shape], landmarks: &[Shape], layout: &[[f64; 2]]) -> Self {
        let moves: Vec<Similarity> = shapes.iter().map(|s| Similarity::fit(s, layout)).collect();
        // How far each picture's keypoint lies from its landmark.
        let apart = |k: usize, l: usize| -> Vec<[f64; 2]> {
            let off = |((s, m), marks): ((&Shape, &Similarity), &Shape)| {
                let (p, q) = (m.apply(s[k]), m.apply(marks[l]));
                [p[0] - q[0], p[1] - q[1]]
            };
            shapes.iter().zip(&moves).zip(landmarks).map(off).collect()
        };
        let spread = |k: usize, l: usize| {
            let sum: f64 = apart(k, l).iter().map(|[x, y]| x * x + y * y).sum();
            (sum / shapes.len().max(1) as f64).sqrt()
        };
        let offset = |k: usize, l: usize| {
            let [x, y] = centre(&apart(k, l));
            x.hypot(y)
        };
        let place = |l: usize| {
            centre(&moves.iter().zip(landmarks).map(|(m, marks)| m.apply(marks[l])).collect::<Vec<_>>())
        };
        let at = |name: &str| names.iter().position(|known| known == name).map(place);
        let eyes = at(LANDMARKS[0]).zip(at(LANDMARKS[1])).map(|(left, right)| distance(left, right));
        Self {
            eyes,
            offsets: (0..layout.len()).map(|k| (0..names.len()).map(|l| offset(k, l)).collect()).collect(),
            layout: (0..names.len()).map(place).collect(),
            distances: (0..layout.len()).map(|k| (0..names.len()).map(|l| spread(k, l)).collect()).collect(),
            n: shapes.len(),
            names,
        }
    }
}

/// Names of the landmarks, and for each picture its file and landmarks in normalised coordinates. The first line names
/// the columns: `file,NAME_x,NAME_y,…`; where it does not, landmarks are numbered.
fn parse(rows: Vec<Row>, path: &Path) -> Result<(Vec<String>, Vec<Annotated>)> {
    let fail = |line: u64, reason: &str| Error::Data {
        path: path.to_owned(),
        reason: format!("line {line}: {reason}"),
    };
    let row = |Row { line, fields }: Row| {
        let numbers: Option<Vec<f64>> =
            fields.iter().skip(1).map(|f| f.parse().ok().filter(|v: &f64| v.is_finite())).collect();
        let numbers = numbers.filter(|n| !n.is_empty() && n.len().is_multiple_of(2));
        let numbers = numbers.ok_or_else(|| fail(line, "not a name and two numbers for each landmark"))?;
        // [0, 1] of the picture to [-1, 1].
        let points: Shape = numbers.as_chunks::<2>().0.iter().map(|p| p.map(|v| 2.0 * v - 1.0)).collect();
        Ok((line, fields.into_iter().next().unwrap_or_default(), points))
    };
    let mut rows = rows.into_iter();
    let header = rows.next().map(|row| row.fields).unwrap_or_default();
    let header: Vec<&str> = header.iter().skip(1).map(String::as_str).collect();
    let rows = rows.map(row).collect::<Result<Vec<_>>>()?;
    let count = rows.first().map(|r| r.2.len()).ok_or_else(|| fail(2, "no picture is annotated"))?;
    if let Some((line, ..)) = rows.iter().find(|r| r.2.len() != count) {
        return Err(fail(*line, &format!("not {count} landmarks as in the line before")));
    }
    let rows = rows.into_iter().map(|(_, file, points)| (file, points)).collect();
    let named = |pair: &[&str]| Some(name(pair.first()?.strip_suffix("_x")?));
    let names = header.chunks(2).map(named).collect::<Option<Vec<_>>>().filter(|n| n.len() == count);
    let names = names.unwrap_or_else(|| (1..=count).map(|i| format!("landmark-{i}")).collect());
    Ok((names, rows))
}

/// Where the five landmarks of faces are, the other parts of faces that have names are put after them.
fn with_parts_of_faces(mut names: Vec<String>, mut rows: Vec<Annotated>) -> (Vec<String>, Vec<Annotated>) {
    let five = LANDMARKS.map(|landmark| names.iter().position(|name| name == landmark));
    let [Some(a), Some(b), Some(c), Some(d), Some(e)] = five else { return (names, rows) };
    let added: Vec<_> = face_parts::all().filter(|(name, _)| !LANDMARKS.contains(name)).collect();
    names.extend(added.iter().map(|(name, _)| (*name).to_owned()));
    for (_, marks) in &mut rows {
        let face = [a, b, c, d, e].map(|i| marks[i]);
        marks.extend(added.iter().map(|(_, place)| place.point(&face)));
    }
    (names, rows)
}

/// `eye_l` becomes `eye-left`.
fn name(column: &str) -> String {
    let words = column.split('_').map(|word| match word {
        "l" => "left",
        "r" => "right",
        word => word,
    });
    words.collect::<Vec<_>>().join("-")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_name_the_landmarks() {
        let path = Path::new("x/landmarks.csv");
        let parse = |text: &str| super::parse(rows::parse(text.as_bytes(), path).unwrap(), path);
        let (names, rows) = parse("file,eye_l_x,eye_l_y,beak_x,beak_y\na.png,0.5,0,1,0.25\n").unwrap();
        assert_eq!(names, ["eye-left", "beak"]);
        assert_eq!(rows, [("a.png".to_owned(), vec![[0.0, -1.0], [1.0, -0.5]])]);
        let (names, _) = parse("picture,a,b\na.png,0.5,0\n").unwrap();
        assert_eq!(names, ["landmark-1"]);
        for (text, part) in [
            ("file,a_x,a_y\nx.png,1\n", "line 2: not a name and two numbers"),
            ("file,a_x,a_y\nx.png,1,2\ny.png,1,2,3,4\n", "line 3: not 1 landmarks"),
            ("file,a_x,a_y\nx.png,1,nan\n", "line 2"),
            ("file,a_x,a_y\n", "no picture"),
            ("", "no picture"),
        ] {
            let error = parse(text).unwrap_err().to_string();
            assert!(error.contains(part) && error.contains("landmarks.csv"), "{error}");
        }
    }

    #[test]
    fn faces_have_more_parts_than_landmarks() {
        let path = Path::new("x/landmarks.csv");
        let heads: Vec<String> =
            ["eye_l", "eye_r", "nose", "mouth_l", "mouth_r"].map(|n| format!("{n}_x,{n}_y")).to_vec();
        let text = format!("file,{}\na.png,0.3,0.4,0.7,0.4,0.5,0.6,0.35,0.8,0.65,0.8\n", heads.join(","));
        let rows = rows::parse(text.as_bytes(), path).unwrap();
        let (names, rows) = super::parse(rows, path).unwrap();
        let (names, rows) = with_parts_of_faces(names, rows);
        let mouth = names.iter().position(|n| n == "mouth").unwrap();
        assert!(distance(rows[0].1[mouth], [0.0, 0.6]) < 1e-9 && names.len() == rows[0].1.len());
        let (names, _) = with_parts_of_faces(vec!["beak".into()], vec![]);
        assert_eq!(names, ["beak"]);
    }

    #[test]
    fn distances_are_those_after_alignment() {
        let layout = [[-0.5, 0.0], [0.5, 0.0], [0.0, 0.5]];
        // Twice as large and shifted; the landmark lies on keypoint 2.
        let shapes: Vec<Shape> =
            [0.1, -0.2].map(|s| layout.iter().map(|p| [2.0 * p[0] + s, 2.0 * p[1]]).collect()).to_vec();
        let landmarks: Vec<Shape> = shapes.iter().map(|s| vec![s[2]]).collect();
        let found = LandmarkDistances::of(vec!["tip".into()], &shapes, &landmarks, &layout);
        assert!(found.distances[2][0] < 1e-9);
        assert!((found.distances[0][0] - 0.5f64.sqrt()).abs() < 1e-9, "{found:?}");
        assert!((found.layout[0][1] - 0.5).abs() < 1e-9 && found.n == 2);
        assert!((found.offsets[0][0] - 0.5f64.sqrt()).abs() < 1e-9 && found.eyes.is_none());
    }
}
