//! Two reports held against each other, and whether what differs is more than noise.
//!
//! Single times of one run are not independent: a noisy neighbour slows a hundred in a row. So the medians of rounds
//! are compared, whose scatter is that of the machine. Where both ran on the same frames, the ratio is taken frame by
//! frame, which takes out what frames differ by; the rounds still decide what counts as noise.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::Serialize;

use super::export::read_times;
use super::report::BenchReport;
use super::stats::{self, Ratio};
use super::table::{Table, millis};
use super::verdict::{MOST_OTHERS, MOST_SCATTER};
use crate::error::bench::{Error, Result};

/// Most probability of a difference by chance that is still called a difference.
const SIGNIFICANT: f64 = 0.05;
/// Fewest rounds in each report with which a difference can be told from noise.
const LEAST_ROUNDS: usize = 4;

/// Both reports.
#[derive(Clone, Debug, Serialize)]
pub struct Comparison {
    /// The first report's file.
    pub a: String,
    /// The second report's file.
    pub b: String,
    /// Measurements that both have.
    pub rows: Vec<Row>,
    /// Measurements of one only, and other things to know.
    pub remarks: Vec<String>,
}

/// A measurement that both reports have.
#[derive(Clone, Debug, Serialize)]
pub struct Row {
    /// Its name.
    pub name: String,
    /// Median of the first, in milliseconds.
    pub a_p50: f64,
    /// Median of the second.
    pub b_p50: f64,
    /// Second over first, with its 95 % interval.
    #[serde(flatten)]
    pub ratio: Ratio,
    /// `frames` where it was taken frame by frame, else `rounds`.
    pub by: &'static str,
    /// Pairs of frames, or rounds of both.
    pub n: usize,
    /// Probability of ranks of rounds as far apart as these by chance (Mann-Whitney).
    pub p: f64,
    /// What to make of it.
    pub finding: Finding,
}

/// What to make of a difference.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Finding {
    /// The second is faster.
    Faster,
    /// The second is slower.
    Slower,
    /// The difference is within the noise.
    Noise,
    /// Too few rounds to tell.
    TooFew,
    /// Others used the machine, or the rounds scatter: a difference may be theirs.
    Disturbed,
}

impl Finding {
    fn text(self) -> &'static str {
        match self {
            Self::Faster => "b is faster",
            Self::Slower => "b is slower",
            Self::Noise => "noise",
            Self::TooFew => "too few rounds to tell",
            Self::Disturbed => "cannot tell: a run was disturbed",
        }
    }
}

/// A report with its single times.
struct Side {
    report: BenchReport,
    times: Option<BTreeMap<String, Vec<super::export::Time>>>,
}

impl Side {
    fn read(path: &Path) -> Result<Self> {
        let report = BenchReport::read(path)?;
        let times = match &report.raw_times_file {
            Some(name) => {
                let file = beside(path, name);
                Some(
                    read_times(&file)
                        .map_err(|e| Error::TimesOf { report: path.to_owned(), source: Box::new(e) })?,
                )
            }
            None => None,
        };
        Ok(Self { report, times })
    }

    /// Median time of each frame of a measurement.
    fn frames(&self, name: &str) -> BTreeMap<u64, f64> {
        let mut times: BTreeMap<u64, Vec<f64>> = BTreeMap::new();
        for time in self.times.as_ref().and_then(|t| t.get(name)).into_iter().flatten() {
            times.entry(time.item).or_default().push(time.ms);
        }
        times.into_iter().filter_map(|(item, times)| Some((item, stats::median(&times)?))).collect()
    }
}

/// Whether others had so much of the machine during the run that its times are theirs as well.
fn busy(side: &Side) -> bool {
    side.report.contention.others.is_some_and(|share| share > MOST_OTHERS)
}

fn beside(report: &Path, name: &str) -> PathBuf {
    report.parent().map_or_else(|| PathBuf::from(name), |dir| dir.join(name))
}

/// Compares two reports that `--json FILE` wrote.
///
/// # Errors
/// One cannot be read, or they have nothing in common.
pub fn compare(a: &Path, b: &Path) -> Result<Comparison> {
    let (first, second) = (Side::read(a)?, Side::read(b)?);
    let mut rows = Vec::new();
    let mut remarks = Vec::new();
    for m in &first.report.measurements {
        let Some(other) = second.report.measurements.iter().find(|o| o.name == m.name) else {
            remarks.push(format!("{}: only in {}", m.name, a.display()));
            continue;
        };
        let (x, y) = (&m.round_p50, &other.round_p50);
        let Some(by_rounds) = stats::ratio(y, x) else { continue };
        let pairs = pairs(&first, &second, &m.name);
        let paired = stats::paired_ratio(&pairs);
        let p = stats::mann_whitney(x, y);
        let mut finding = find(x.len().min(y.len()), by_rounds, paired, p);
        let disturbed = m.round_cv.max(other.round_cv) > MOST_SCATTER || busy(&first) || busy(&second);
        if disturbed && matches!(finding, Finding::Faster | Finding::Slower) {
            finding = Finding::Disturbed;
        }
        let (ratio, by, n) = match paired {
            Some(ratio) => (ratio, "frames", pairs.len()),
            None => (by_rounds, "rounds", x.len() + y.len()),
        };
        let (a_p50, b_p50) = (m.total.p50, other.total.p50);
        rows.push(Row { name: m.name.clone(), a_p50, b_p50, ratio, by, n, p, finding });
    }
    let only = |o: &&super::report::Measurement| first.report.measurements.iter().all(|m| m.name != o.name);
    remarks.extend(
        second
            .report
            .measurements
            .iter()
            .filter(only)
            .map(|o| format!("{}: only in {}", o.name, b.display())),
    );
    if rows.is_empty() {
        return Err(Error::NothingInCommon { a: a.to_owned(), b: b.to_owned() });
    }
    remarks.extend(differences(&first.report, &second.report));
    for (path, report) in [(a, &first.report), (b, &second.report)] {
        if !report.verdict.valid {
            let reasons = report.verdict.reasons.len();
            remarks.push(format!("{} is INVALID, for {reasons} reasons that it names", path.display()));
        }
    }
    let name = |p: &Path| p.display().to_string();
    Ok(Comparison { a: name(a), b: name(b), rows, remarks })
}

/// Medians of the frames that both ran on, second first; none where the frames differ or there is only one.
fn pairs(a: &Side, b: &Side, name: &str) -> Vec<(f64, f64)> {
    if a.report.config.source_id != b.report.config.source_id {
        return Vec::new();
    }
    let (a, b) = (a.frames(name), b.frames(name));
    let pairs: Vec<_> = a.iter().filter_map(|(item, a)| Some((*b.get(item)?, *a))).collect();
    if pairs.len() > 1 { pairs } else { Vec::new() }
}

fn find(rounds: usize, by_rounds: Ratio, paired: Option<Ratio>, p: f64) -> Finding {
    if rounds < LEAST_ROUNDS {
        return Finding::TooFew;
    }
    let ratio = paired.unwrap_or(by_rounds);
    let same_side = (by_rounds.ratio > 1.0) == (ratio.ratio > 1.0);
    if p >= SIGNIFICANT || !by_rounds.differs() || !ratio.differs() || !same_side {
        Finding::Noise
    } else if ratio.ratio < 1.0 {
        Finding::Faster
    } else {
        Finding::Slower
    }
}

/// What else differs between the two runs.
fn differences(a: &BenchReport, b: &BenchReport) -> Vec<String> {
    let hashes =
        |r: &BenchReport| r.models.iter().map(|m| m.sha256.get(..12).unwrap_or("").to_owned()).collect();
    let threads = |r: &BenchReport| -> Vec<String> {
        r.measurements.iter().map(|m| m.setting.threads.to_string()).collect()
    };
    let of = |r: &BenchReport| -> [(&str, Vec<String>); 8] {
        [
            ("processor", vec![r.host.cpu.clone(), r.host.cores.to_string()]),
            ("power mode", r.host.power_mode.iter().cloned().collect()),
            ("governor", r.host.governor.iter().cloned().collect()),
            ("program", vec![r.tool.version.clone(), r.tool.git.clone().unwrap_or_default()]),
            ("ONNX Runtime", vec![r.runtime.ort_version.clone()]),
            ("provider", r.runtime.providers_used.clone()),
            ("networks", hashes(r)),
            ("threads", threads(r)),
        ]
    };
    of(a)
        .into_iter()
        .zip(of(b))
        .filter(|((_, x), (_, y))| x != y)
        .map(|((what, x), (_, y))| format!("{what}: {} against {}", x.join(" "), y.join(" ")))
        .collect()
}

impl Comparison {
    /// The comparison as a table.
    pub fn table(&self) -> Table {
        let title = format!("a: {}  b: {}  (p50 in ms, ratio b/a)", self.a, self.b);
        let heads = ["what", "finding", "a", "b", "b/a", "95 % from", "to", "n", "p"];
        let mut table = Table::new(title, 2, &heads);
        for row in &self.rows {
            let Ratio { ratio, low, high } = row.ratio;
            let mut cells = vec![row.name.clone(), row.finding.text().to_owned()];
            cells.extend([row.a_p50, row.b_p50].map(millis));
            cells.extend([ratio, low, high].map(|r| format!("{r:.3}")));
            cells.extend([format!("{} {}", row.n, row.by), format!("{:.4}", row.p)]);
            table.rows.push(cells);
        }
        table
    }
}

#[cfg(test)]
mod tests {
    use super::super::executor::Series;
    use super::super::export::{Exporter, Times};
    use super::super::testing::{report, series};
    use super::*;

    /// Writes a report with its single times, and gives back its path.
    fn write(dir: &Path, name: &str, series: &[Series], change: impl Fn(&mut BenchReport)) -> PathBuf {
        let mut report = report(series);
        report.raw_times_file = Some(format!("{name}.times.csv"));
        report.config.source_id = "frames".to_owned();
        change(&mut report);
        std::fs::write(dir.join(format!("{name}.times.csv")), Times.export(&report, series).unwrap())
            .unwrap();
        let path = dir.join(format!("{name}.json"));
        std::fs::write(&path, serde_json::to_string(&report).unwrap()).unwrap();
        path
    }

    /// Rounds that scatter by some percent around a time, in microseconds.
    fn rounds(report: &mut BenchReport, ms: &[f64]) {
        report.measurements[0].round_p50 = ms.to_vec();
    }

    #[test]
    fn noise_is_called_noise_and_a_difference_a_difference() {
        let dir = tempfile::tempdir().unwrap();
        let same = series(&[("x", &[1000, 1002])]);
        let slow = series(&[("x", &[1100, 1102])]);
        let scatter = [1.0, 1.01, 1.03, 0.98, 1.02, 0.99, 1.0, 1.04];
        let other = [1.02, 0.99, 1.01, 1.0, 0.97, 1.03, 1.01, 1.0];
        let a = write(dir.path(), "a", &same, |r| rounds(r, &scatter));
        let b = write(dir.path(), "b", &same, |r| rounds(r, &other));
        let c = write(dir.path(), "c", &slow, |r| rounds(r, &scatter.map(|v| v * 1.1)));
        let row = |a: &Path, b: &Path| compare(a, b).unwrap().rows[0].clone();
        assert_eq!(row(&a, &b).finding, Finding::Noise);
        let found = row(&a, &c);
        assert_eq!((found.finding, found.by), (Finding::Slower, "frames"));
        assert!((found.ratio.ratio - 1.1).abs() < 0.01 && found.p < 0.01, "{found:?}");
        assert_eq!(row(&c, &a).finding, Finding::Faster);
        let table = compare(&a, &c).unwrap().table().to_text();
        assert!(table.contains("b is slower"), "{table}");
    }

    #[test]
    fn a_disturbed_run_proves_nothing() {
        let dir = tempfile::tempdir().unwrap();
        let a = write(dir.path(), "a", &series(&[("x", &[1000])]), |_| {});
        let b = write(dir.path(), "b", &series(&[("x", &[2000])]), |_| {});
        let c = write(dir.path(), "c", &series(&[("x", &[2000])]), |r| r.contention.others = Some(0.5));
        assert_eq!(compare(&a, &b).unwrap().rows[0].finding, Finding::Slower);
        assert_eq!(compare(&a, &c).unwrap().rows[0].finding, Finding::Disturbed);
    }

    #[test]
    fn two_or_three_rounds_prove_nothing() {
        let dir = tempfile::tempdir().unwrap();
        let a = write(dir.path(), "a", &series(&[("x", &[1000])]), |r| rounds(r, &[1.0, 1.0, 1.0]));
        let b = write(dir.path(), "b", &series(&[("x", &[2000])]), |r| rounds(r, &[2.0, 2.0, 2.0]));
        assert_eq!(compare(&a, &b).unwrap().rows[0].finding, Finding::TooFew);
    }

    #[test]
    fn other_frames_are_not_paired_and_what_differs_is_said() {
        let dir = tempfile::tempdir().unwrap();
        let both = series(&[("x", &[1000, 1100]), ("only here", &[500])]);
        let one = series(&[("x", &[1000, 1100])]);
        let a = write(dir.path(), "a", &both, |_| {});
        let b = write(dir.path(), "b", &one, |r| {
            r.config.source_id = "others".to_owned();
            r.host.cpu = "Other CPU".to_owned();
            r.verdict.valid = false;
            r.verdict.reasons = vec!["it was hot".to_owned()];
        });
        let found = compare(&a, &b).unwrap();
        assert_eq!((found.rows.len(), found.rows[0].by), (1, "rounds"));
        let remarks = found.remarks.join("\n");
        for part in ["only here: only in", "Some CPU 2 against Other CPU 2", "INVALID"] {
            assert!(remarks.contains(part), "{part} not in {remarks}");
        }
        let c = write(dir.path(), "c", &series(&[("y", &[1000])]), |_| {});
        assert!(compare(&b, &c).unwrap_err().to_string().contains("nothing of the same name"));
        std::fs::remove_file(dir.path().join("a.times.csv")).unwrap();
        assert!(compare(&a, &b).unwrap_err().to_string().contains("beside"));
    }
}
