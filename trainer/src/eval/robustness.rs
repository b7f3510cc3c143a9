//! Landmark error and lost faces over several sets: the plain one and corrupted versions of it.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::Path;

use lkg_bundle::manifest::Metric;

use super::detections;
use super::landmarks::{self, LandmarkReport, RegressionData};
use crate::dataset::annotations::annotations;
use crate::error::{Error, Result};

/// What was found on one set.
#[derive(Clone, Debug, PartialEq)]
pub struct RobustnessRow {
    /// The set.
    pub name: String,
    /// Landmark regression.
    pub landmarks: LandmarkReport,
    /// Test pictures in which a live picture's face would be lost.
    pub lost: usize,
}

/// Measures the set in the folder `set` (train/ and test/) by what `runtime detect --json` wrote for both.
///
/// # Errors
/// [`Error::Io`] or [`Error::Data`] naming the file that is missing or does not parse.
pub fn measure(name: &str, set: &Path, train: &Path, test: &Path) -> Result<RobustnessRow> {
    let (train_set, test_set) = (set.join("train"), set.join("test"));
    let outcome = landmarks::evaluate(
        &RegressionData::read(&train_set, train)?,
        &RegressionData::read(&test_set, test)?,
    )?;
    Ok(RobustnessRow { name: name.to_owned(), landmarks: outcome.report, lost: lost(&test_set, test)? })
}

/// How many annotated pictures of a split have no face that a live picture would keep.
fn lost(split: &Path, detections: &Path) -> Result<usize> {
    let unsaid = || Error::Data {
        path: detections.to_owned(),
        reason: "has no `live`: write it with `runtime detect --json` of this version".into(),
    };
    let mut kept = BTreeMap::new();
    for detection in detections::read(detections)? {
        let live = detection.faces.first().map_or(Some(false), |face| face.is_live());
        kept.insert(detection.name(), live.ok_or_else(unsaid)?);
    }
    Ok(annotations(split)?.iter().filter(|(name, _)| kept.get(name) != Some(&true)).count())
}

impl RobustnessRow {
    fn lost_percent(&self) -> f64 {
        100.0 * self.lost as f64 / self.landmarks.test.max(1) as f64
    }

    /// The numbers as a bundle's manifest keeps them; `keypoints` is how many there are.
    pub fn metrics(&self, keypoints: usize) -> [Metric; 2] {
        let way = "through `runtime detect --json`";
        let lost = Metric {
            name: format!("faces lost ({})", self.name),
            value: self.lost_percent(),
            unit: "% of pictures".into(),
            n: self.landmarks.test as u64,
            protocol: format!("mean confidence too low for `runtime webcam` to keep the face; {way}"),
        };
        [self.landmarks.metric(&self.name, keypoints, way), lost]
    }
}

/// The rows as Markdown.
pub fn table(rows: &[RobustnessRow]) -> String {
    let mut text = "| set | landmark error, % of eye distance | 95 % interval | ignoring the picture | face lost | n |\n\
                    |---|---|---|---|---|---|\n"
        .to_owned();
    for row in rows {
        let r = &row.landmarks;
        let _ = writeln!(
            text,
            "| {} | {:.2} | {:.2} to {:.2} | {:.2} | {:.1} % | {} |",
            row.name,
            r.error,
            r.interval[0],
            r.interval[1],
            r.ignoring_the_picture,
            row.lost_percent(),
            r.test
        );
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_face_of_low_confidence_missing_or_not_detected_is_lost() {
        let dir = tempfile::tempdir().unwrap();
        let lines = "file\na.png,1,2,3,4,5,6,7,8,9,0\nb.png,1,2,3,4,5,6,7,8,9,0\nc.png,1,2,3,4,5,6,7,8,9,0\n\
                     d.png,1,2,3,4,5,6,7,8,9,0\n";
        std::fs::write(dir.path().join("landmarks.csv"), lines).unwrap();
        let detections = dir.path().join("d.jsonl");
        let text = r#"{"file":"x/a.png","faces":[{"live":true}]}
{"file":"x/b.png","faces":[{"live":false}]}
{"file":"x/c.png","faces":[]}
{"file":"x/other.png","faces":[]}
"#;
        std::fs::write(&detections, text).unwrap();
        assert_eq!(lost(dir.path(), &detections).unwrap(), 3);
        std::fs::write(&detections, text.replace(r#""live":true"#, r#""old":true"#)).unwrap();
        let error = lost(dir.path(), &detections).unwrap_err().to_string();
        assert!(error.contains("runtime detect --json"), "{error}");
    }

    #[test]
    fn the_table_and_the_metrics_agree() {
        let report = LandmarkReport {
            error: 9.5,
            interval: [9.0, 10.25],
            landmarks: [9.5; 5],
            ignoring_the_picture: 39.0,
            train: 500,
            test: 300,
        };
        let row = RobustnessRow { name: "wild, dark".into(), landmarks: report, lost: 36 };
        let text = table(std::slice::from_ref(&row));
        assert!(text.ends_with("| wild, dark | 9.50 | 9.00 to 10.25 | 39.00 | 12.0 % | 300 |\n"), "{text}");
        let [error, lost] = row.metrics(10);
        assert_eq!((error.name.as_str(), error.value), ("landmark error (wild, dark)", 9.5));
        assert_eq!((lost.name.as_str(), lost.value, lost.n), ("faces lost (wild, dark)", 12.0, 300));
    }
}
