//! Landmark regression: how well the keypoints, found without labels, predict annotated landmarks.
//!
//! On the training split the detected keypoints, flattened, are regressed linearly without intercept onto five
//! landmarks (eyes, nose, mouth corners); on the test split the mean distance over the distance between the eyes is
//! reported in percent (the protocol of Thewlis et al., 2017, on MAFL). Both sides are in [0, 1] of the picture.

use std::collections::BTreeMap;
use std::path::Path;

use lkg_bundle::manifest::Metric;
use serde::Serialize;
use tch::{Kind, Tensor};

use super::{bootstrap, detections};
use crate::dataset::annotations::{LANDMARKS, Landmarks, annotations};
use crate::error::{Error, Result};

/// A split: matching rows of keypoints and landmarks, [0, 1] of the picture.
#[derive(Debug, Default)]
pub struct Split {
    /// `2 K` numbers a picture.
    pub keypoints: Vec<Vec<f64>>,
    /// Ten numbers a picture.
    pub landmarks: Vec<Landmarks>,
}

/// What the protocol found.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct LandmarkReport {
    /// Mean error, percent of the distance between the eyes.
    pub error: f64,
    /// Its 95 % interval over test pictures: [`bootstrap::interval`].
    pub interval: [f64; 2],
    /// Error of each landmark: eyes, nose, mouth corners.
    pub landmarks: [f64; LANDMARKS],
    /// Error of predicting the training mean for every picture.
    pub ignoring_the_picture: f64,
    /// Training pictures.
    pub train: usize,
    /// Test pictures.
    pub test: usize,
}

impl Split {
    /// Joins the annotations of the folder `split` with what `runtime detect --json` wrote for its pictures.
    ///
    /// # Errors
    /// [`Error::Data`] if either file does not parse, or an annotated picture has no detection.
    pub fn read(split: &Path, detections: &Path) -> Result<Self> {
        let mut found = BTreeMap::new();
        for detection in detections::read(detections)? {
            let Some(face) = detection.faces.first() else { continue };
            let flat = |[x, y, _]: &[f64; 3]| [x / detection.width, y / detection.height];
            found.insert(detection.name(), face.keypoints.iter().flat_map(flat).collect::<Vec<_>>());
        }
        Self::join(annotations(split)?, &found, detections)
    }

    /// Joins annotations with what was found in the pictures of those names; `source` is where the latter is from.
    ///
    /// # Errors
    /// [`Error::Data`] if nothing was found for an annotated picture.
    pub fn join(
        annotated: Vec<(String, Landmarks)>,
        found: &BTreeMap<String, Vec<f64>>,
        source: &Path,
    ) -> Result<Self> {
        let fail = |reason: String| Error::Data { path: source.to_owned(), reason };
        let mut joined = Self::default();
        for (name, landmarks) in annotated {
            let keypoints = found
                .get(&name)
                .ok_or_else(|| fail(format!("no face reported for {name}, which is annotated")))?;
            joined.keypoints.push(keypoints.clone());
            joined.landmarks.push(landmarks);
        }
        let k = joined.keypoints.first().map_or(0, Vec::len);
        if k == 0 || joined.keypoints.iter().any(|row| row.len() != k) {
            return Err(fail("no keypoints, or not the same number in every picture".into()));
        }
        Ok(joined)
    }

    fn tensors(&self) -> Result<(Tensor, Tensor)> {
        let n = self.landmarks.len() as i64;
        let keypoints = Tensor::f_from_slice(&self.keypoints.concat())?.f_view([n, -1])?;
        let landmarks = Tensor::f_from_slice(self.landmarks.as_flattened())?.f_view([n, -1])?;
        Ok((keypoints, landmarks))
    }
}

/// The report with what it was made from, a row a test picture.
#[derive(Clone, Debug, PartialEq)]
pub struct Outcome {
    /// The numbers.
    pub report: LandmarkReport,
    /// Predicted landmarks, [0, 1] of the picture.
    pub predictions: Vec<Landmarks>,
    /// Mean error over landmarks, percent.
    pub errors: Vec<f64>,
}

/// Fits on `train`, measures on `test`.
///
/// # Errors
/// [`Error::Incomparable`] if the splits do not go together, [`Error::Torch`] if the regression fails.
pub fn evaluate(train: &Split, test: &Split) -> Result<Outcome> {
    if train.keypoints[0].len() != test.keypoints[0].len() {
        return Err(Error::Incomparable(
            "training and test pictures have different numbers of keypoints".into(),
        ));
    }
    let (x, y) = train.tensors()?;
    let (x_test, y_test) = test.tensors()?;
    // Keypoints that never move or coincide make the problem rank deficient: the minimum-norm driver copes.
    let (solution, _, _, _) = x.f_linalg_lstsq(&y, None::<f64>, "gelsd")?;
    let predicted = x_test.matmul(&solution);
    let distances = normalised_distances(&predicted, &y_test);
    let mean = y.mean_dim([0i64].as_slice(), true, Kind::Double).expand_as(&y_test);
    let errors = Vec::<f64>::try_from(distances.mean_dim([1i64].as_slice(), false, Kind::Double))?;
    let n = test.landmarks.len();
    let per_landmark: Vec<f64> = Vec::try_from(distances.mean_dim([0i64].as_slice(), false, Kind::Double))?;
    let report = LandmarkReport {
        error: errors.iter().sum::<f64>() / n as f64,
        interval: bootstrap::interval(&errors),
        landmarks: std::array::from_fn(|i| per_landmark[i]),
        ignoring_the_picture: normalised_distances(&mean, &y_test).mean(Kind::Double).double_value(&[]),
        train: train.landmarks.len(),
        test: n,
    };
    let flat = Vec::<f64>::try_from(&predicted.contiguous().flatten(0, 1))?;
    let predictions = flat.as_chunks::<{ 2 * LANDMARKS }>().0.to_vec();
    Ok(Outcome { report, predictions, errors })
}

/// `[N, 5]`: distances in percent of the distance between the first two landmarks.
fn normalised_distances(predicted: &Tensor, truth: &Tensor) -> Tensor {
    let points = |t: &Tensor| t.view([-1, LANDMARKS as i64, 2]);
    let (p, t) = (points(predicted), points(truth));
    let norm = |d: Tensor| d.square().sum_dim_intlist([-1i64].as_slice(), false, Kind::Double).sqrt();
    let eyes = norm(t.select(1, 0) - t.select(1, 1)).unsqueeze(1);
    norm(p - t) / eyes * 100.0
}

impl LandmarkReport {
    /// The number as a bundle's manifest keeps it; `set` names the pictures.
    ///
    /// `way` says how the keypoints were found, `keypoints` how many there are.
    pub fn metric(&self, set: &str, keypoints: usize, way: &str) -> Metric {
        Metric {
            name: format!("landmark error ({set})"),
            value: self.error,
            unit: "% of inter-ocular distance".into(),
            n: self.test as u64,
            protocol: format!(
                "linear regression without intercept from K = {} keypoints to 5 landmarks, fitted on {} pictures, \
                 95 % bootstrap interval over test pictures {:.2} to {:.2}; ignoring the picture scores {:.2}; {way}",
                keypoints, self.train, self.interval[0], self.interval[1], self.ignoring_the_picture
            ),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn split(n: usize, noise: f64) -> Split {
        let mut s = Split::default();
        for i in 0..n {
            let (dx, dy) = ((i % 7) as f64 * 0.02, (i % 11) as f64 * 0.01);
            let wobble = if i % 2 == 0 { noise } else { -noise };
            s.keypoints.push(vec![0.4 + dx, 0.4 + dy, 0.6 + dx, 0.6 + dy]);
            let eyes_y = 0.4 + dy + wobble;
            s.landmarks.push([
                0.3 + dx,
                eyes_y,
                0.7 + dx,
                eyes_y,
                0.5 + dx,
                0.5 + dy + wobble,
                0.4 + dx,
                0.7 + dy + wobble,
                0.6 + dx,
                0.7 + dy + wobble,
            ]);
        }
        s
    }

    #[test]
    fn landmarks_that_follow_the_keypoints_are_found() {
        let report = evaluate(&split(100, 0.0), &split(37, 0.0)).unwrap().report;
        assert!(report.error < 1e-6 && report.ignoring_the_picture > 5.0, "{report:?}");
    }

    #[test]
    fn what_the_keypoints_do_not_tell_is_the_error() {
        // Distance between the eyes 0.4, unexplained offset 0.02: 5 %.
        let report = evaluate(&split(154, 0.02), &split(154, 0.02)).unwrap().report;
        assert!((report.error - 5.0).abs() < 0.1, "{report:?}");
        assert_eq!((report.train, report.test), (154, 154));
        assert!(report.interval[0] < report.error && report.error < report.interval[1], "{report:?}");
    }

    #[test]
    fn axes_swapped_in_one_split_are_an_error_of_a_face() {
        let mut swapped = split(100, 0.0);
        for row in &mut swapped.keypoints {
            row.as_chunks_mut::<2>().0.iter_mut().for_each(|p| p.swap(0, 1));
        }
        let right = evaluate(&split(100, 0.0), &split(100, 0.0)).unwrap().report.error;
        let wrong = evaluate(&split(100, 0.0), &swapped).unwrap().report.error;
        assert!(right < 1e-6 && wrong > 10.0, "{right} {wrong}");
    }

    #[test]
    fn files_are_joined_by_name_and_gaps_are_errors() {
        let dir = tempfile::tempdir().unwrap();
        let csv = "file,a\nx.png,.1,.2,.3,.4,.5,.6,.7,.8,.9,1\n";
        std::fs::write(dir.path().join("landmarks.csv"), csv).unwrap();
        let detections = dir.path().join("d.jsonl");
        let line = r#"{"file":"some/x.png","width":100,"height":50,"faces":[{"keypoints":[[20,40,0.9]]}]}"#;
        std::fs::write(&detections, line).unwrap();
        let s = Split::read(dir.path(), &detections).unwrap();
        // x over the width, y over the height, in this order.
        assert_eq!(s.keypoints, [[0.2, 0.8]]);
        assert_eq!((s.landmarks[0][0], s.landmarks[0][1], s.landmarks[0][9]), (0.1, 0.2, 1.0));
        std::fs::write(&detections, line.replace("x.png", "y.png")).unwrap();
        assert!(Split::read(dir.path(), &detections).unwrap_err().to_string().contains("x.png"));
    }
}
