//! Landmark error and lost faces over several sets: the plain one and harder versions of it.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::Path;

use lkg_bundle::manifest::Metric;
use serde::Deserialize;

use super::landmarks::{self, Split};
use crate::dataset::annotations::annotations;
use crate::error::{Error, Result};

/// What was found on one set.
#[derive(Clone, Debug, PartialEq)]
pub struct Row {
    /// The set.
    pub name: String,
    /// Landmark regression.
    pub landmarks: landmarks::Report,
    /// Test pictures in which a live picture's face would be lost.
    pub lost: usize,
}

/// What is read of one line of `runtime detect --json`.
#[derive(Deserialize)]
struct Detected {
    file: String,
    faces: Vec<Face>,
}

#[derive(Deserialize)]
struct Face {
    live: Option<bool>,
}

/// Measures the set in the folder `set` (train/ and test/) by what `runtime detect --json` wrote for both.
///
/// # Errors
/// [`Error::Io`] or [`Error::Data`] naming the file that is missing or does not parse.
pub fn measure(name: &str, set: &Path, train: &Path, test: &Path) -> Result<Row> {
    let (train_set, test_set) = (set.join("train"), set.join("test"));
    let outcome = landmarks::evaluate(&Split::read(&train_set, train)?, &Split::read(&test_set, test)?)?;
    Ok(Row { name: name.to_owned(), landmarks: outcome.report, lost: lost(&test_set, test)? })
}

/// How many annotated pictures of a split have no face that a live picture would keep.
fn lost(split: &Path, detections: &Path) -> Result<usize> {
    let fail = |reason: String| Error::Data { path: detections.to_owned(), reason };
    let text = std::fs::read_to_string(detections).map_err(Error::io(detections))?;
    let mut kept = BTreeMap::new();
    for (i, line) in text.lines().enumerate() {
        let d: Detected = serde_json::from_str(line).map_err(|e| fail(format!("line {}: {e}", i + 1)))?;
        let live = d.faces.first().map_or(Some(false), |face| face.live);
        let live = live.ok_or_else(|| {
            fail("tells no `live`: write it with `runtime detect --json` of this version".into())
        })?;
        let name = Path::new(&d.file).file_name().unwrap_or_default().to_string_lossy().into_owned();
        kept.insert(name, live);
    }
    Ok(annotations(split)?.iter().filter(|(name, _)| kept.get(name) != Some(&true)).count())
}

impl Row {
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
pub fn table(rows: &[Row]) -> String {
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
    fn a_face_that_is_unsure_missing_or_not_looked_at_is_lost() {
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
    fn the_table_and_the_metrics_tell_the_same() {
        let report = landmarks::Report {
            error: 9.5,
            interval: [9.0, 10.25],
            landmarks: [9.5; 5],
            ignoring_the_picture: 39.0,
            train: 500,
            test: 300,
        };
        let row = Row { name: "wild, dark".into(), landmarks: report, lost: 36 };
        let text = table(std::slice::from_ref(&row));
        assert!(text.ends_with("| wild, dark | 9.50 | 9.00 to 10.25 | 39.00 | 12.0 % | 300 |\n"), "{text}");
        let [error, lost] = row.metrics(10);
        assert_eq!((error.name.as_str(), error.value), ("landmark error (wild, dark)", 9.5));
        assert_eq!((lost.name.as_str(), lost.value, lost.n), ("faces lost (wild, dark)", 12.0, 300));
    }
}
