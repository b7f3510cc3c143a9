use std::collections::BTreeMap;
use std::fmt::Write;
use std::path::Path;

use super::super::executor::{Series, ms};
use super::super::report::BenchReport;
use super::super::stats::Summary;
use crate::error::bench::{Error, Result};

/// Name of the step that stands for a whole run.
pub const TOTAL: &str = "total";

const HEAD: &str = "measurement,stage,round,item,at_s,ms";

/// A field; names with commas or quotes are quoted (RFC 4180).
fn field(text: &str) -> String {
    if text.contains([',', '"', '\n']) {
        format!("\"{}\"", text.replace('"', "\"\""))
    } else {
        text.to_owned()
    }
}

/// A line for every measurement and step.
pub fn summaries(report: &BenchReport) -> String {
    let mut text = "measurement,scope,stage,batch,provider,threads,precision,n,min_ms,mean_ms,sd_ms,p50_ms,p90_ms,\
                    p95_ms,p99_ms,p999_ms,max_ms,images_per_second,round_cv,cpu_share,joules_per_image,valid\n"
        .to_owned();
    for m in &report.measurements {
        let steps = m.steps.iter().map(|s| (s.step.as_str(), &s.times));
        for (step, t) in std::iter::once((TOTAL, &m.total)).chain(steps) {
            let Summary { n, min, mean, sd, p50, p90, p95, p99, p999, max, .. } = t;
            let whole = step == TOTAL;
            let or_empty =
                |v: Option<f64>| v.filter(|_| whole).map_or_else(String::new, |v| format!("{v:.6}"));
            let fields = [
                field(&m.name),
                m.scope.name().to_owned(),
                field(step),
                m.batch.to_string(),
                field(&m.setting.provider),
                m.setting.threads.to_string(),
                field(&m.setting.precision),
                n.to_string(),
            ];
            let times = [min, mean, sd, p50, p90, p95, p99, p999, max].map(|t| format!("{t:.6}"));
            let rest = [
                or_empty(Some(m.images_per_second)),
                or_empty(Some(m.round_cv)),
                or_empty(Some(m.cpu_share)),
                or_empty(m.joules_per_image),
                report.verdict.valid.to_string(),
            ];
            text += &fields.into_iter().chain(times).chain(rest).collect::<Vec<_>>().join(",");
            text.push('\n');
        }
    }
    text
}

/// A line for every single time.
pub fn times(series: &[Series]) -> String {
    let mut text = format!("{HEAD}\n");
    for series in series {
        let name = field(&series.name);
        for sample in &series.samples {
            let steps = series.steps.iter().zip(&sample.lap.steps);
            for (step, time) in std::iter::once((&TOTAL, &sample.lap.total)).chain(steps) {
                let (round, item, at) = (sample.round, sample.lap.item, sample.at);
                // Writing to a string cannot fail.
                writeln!(text, "{name},{},{round},{item},{at:.6},{:.6}", field(step), ms(*time)).ok();
            }
        }
    }
    text
}

/// One line of [`times`].
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Time {
    /// In which round.
    pub round: usize,
    /// On which input.
    pub item: u64,
    /// Milliseconds.
    pub ms: f64,
}

/// Reads what [`times`] wrote: for each measurement its whole runs.
///
/// # Errors
/// The file cannot be read or is something else.
pub fn read_times(path: &Path) -> Result<BTreeMap<String, Vec<Time>>> {
    let text = std::fs::read_to_string(path).map_err(Error::read(path))?;
    let mut lines = text.lines();
    if lines.next() != Some(HEAD) {
        return Err(Error::NotTimes(path.to_owned()));
    }
    let mut times: BTreeMap<String, Vec<Time>> = BTreeMap::new();
    for (i, line) in lines.enumerate() {
        let fields = split(line);
        let parsed = match fields.as_slice() {
            [_, step, ..] if step != TOTAL => continue,
            [name, _, round, item, _, ms] => {
                let time = || {
                    Some(Time { round: round.parse().ok()?, item: item.parse().ok()?, ms: ms.parse().ok()? })
                };
                time().map(|t| (name, t))
            }
            _ => None,
        };
        let (name, time) = parsed.ok_or_else(|| Error::TimesLine { path: path.to_owned(), line: i + 2 })?;
        times.entry(name.clone()).or_default().push(time);
    }
    Ok(times)
}

/// The fields of a line.
fn split(line: &str) -> Vec<String> {
    let mut fields = vec![String::new()];
    let mut quoted = false;
    let mut characters = line.chars().peekable();
    while let Some(c) = characters.next() {
        match c {
            '"' if quoted && characters.peek() == Some(&'"') => {
                characters.next();
                if let Some(last) = fields.last_mut() {
                    last.push('"');
                }
            }
            '"' => quoted = !quoted,
            ',' if !quoted => fields.push(String::new()),
            c => {
                if let Some(last) = fields.last_mut() {
                    last.push(c);
                }
            }
        }
    }
    fields
}

#[cfg(test)]
mod tests {
    use super::super::super::testing::{report, series};
    use super::*;

    #[test]
    fn single_times_are_read_back() {
        let series = series(&[("a, \"b\"", &[1000, 2000]), ("c", &[500])]);
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a.csv");
        std::fs::write(&path, times(&series)).unwrap();
        let read = read_times(&path).unwrap();
        assert_eq!(read.keys().collect::<Vec<_>>(), ["a, \"b\"", "c"]);
        let first = &read["a, \"b\""];
        assert_eq!(first.len(), series[0].samples.len());
        let sample = &series[0].samples[9];
        let expected = Time { round: sample.round, item: sample.lap.item, ms: ms(sample.lap.total) };
        assert_eq!(first[9], expected);
        for (content, part) in [("", "not a file"), (&format!("{HEAD}\nx,total,y\n"), "line 2")] {
            std::fs::write(&path, content).unwrap();
            assert!(read_times(&path).unwrap_err().to_string().contains(part));
        }
    }

    #[test]
    fn every_line_of_the_summary_has_all_fields() {
        let series = series(&[("a, b", &[1000, 2000])]);
        let text = summaries(&report(&series));
        let lines: Vec<Vec<String>> = text.lines().map(split).collect();
        assert_eq!(lines.len(), 4, "head, total, two steps");
        assert!(lines.iter().all(|l| l.len() == lines[0].len()));
        assert_eq!(lines[1][..3], ["a, b", "end to end", "total"]);
        assert_eq!(lines[1].last().unwrap(), "true");
    }
}
