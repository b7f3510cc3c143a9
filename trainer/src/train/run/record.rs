//! What a stage measures as it goes: lines of `STAGE.jsonl`, the same numbers for TensorBoard, and curves of them.
//!
//! A line is whatever the training loop serialises, with `step` in it. Every number of it becomes a scalar under its
//! name, numbers of a nested map under `map/name`. There is one pair of files for each stage, since stages count steps
//! on their own; a resumed run cuts both back to its checkpoint's step and writes what follows anew.

use std::fs;
use std::io::{Cursor, Write};
use std::path::{Path, PathBuf};

use image::RgbImage;
use serde::Serialize;
use serde_json::Value;

use crate::error::{Error, Result};
use crate::plot::{self, Panel, Series};
use crate::sample::write_png;
use crate::train::run::tensorboard::EventFile;

/// Longest side of a sample sheet among the events, in pixels.
const SHEET_SIDE: u32 = 768;
/// Numbers that place a line rather than measure anything.
const COUNTERS: [&str; 2] = ["step", "images"];
/// Numbers that are shown in one chart; all others get a chart of their own, or share that of their map.
const TOGETHER: [(&str, &[&str]); 3] = [
    ("losses", &["discriminator", "generator"]),
    ("keypoints", &["spread", "at_border"]),
    ("distances", &["error", "equivariance"]),
];

/// The records of one stage.
#[derive(Clone, Debug)]
pub struct Recorder {
    lines: PathBuf,
    events: EventFile,
    curves: PathBuf,
}

impl Recorder {
    /// The records of `stage` in the run folder `dir`.
    pub fn new(dir: &Path, stage: &str) -> Self {
        Self {
            lines: dir.join(format!("{stage}.jsonl")),
            events: EventFile::new(&dir.join("tensorboard").join(stage)),
            curves: dir.join(format!("{stage}-curves.png")),
        }
    }

    /// The file of lines.
    pub fn lines(&self) -> &Path {
        &self.lines
    }

    /// The picture of curves.
    pub fn curves(&self) -> &Path {
        &self.curves
    }

    /// Adds a line.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub fn add(&self, line: &impl Serialize) -> Result<()> {
        let value = serde_json::to_value(line).map_err(|e| Error::Usage(e.to_string()))?;
        let mut text = serde_json::to_string(line).map_err(|e| Error::Usage(e.to_string()))?;
        text.push('\n');
        let mut file = fs::OpenOptions::new()
            .create(true)
            .append(true)
            .open(&self.lines)
            .map_err(Error::io(&self.lines))?;
        file.write_all(text.as_bytes()).map_err(Error::io(&self.lines))?;
        let mut scalars = flat(&value);
        scalars.retain(|(name, _)| name != COUNTERS[0]);
        self.events.scalars(value["step"].as_u64().unwrap_or(0), &scalars)
    }

    /// Adds the sample sheet in the PNG file `path`.
    ///
    /// # Errors
    /// [`Error::Io`], [`Error::Data`] if it is no PNG.
    pub fn add_sheet(&self, step: u64, path: &Path) -> Result<()> {
        let fail = |e: image::ImageError| Error::Data { path: path.to_owned(), reason: e.to_string() };
        let sheet = image::open(path).map_err(fail)?;
        // The file itself is there to be seen closely; all sheets of a run would make the events large.
        let sheet = sheet.thumbnail(SHEET_SIDE, SHEET_SIDE);
        let mut png = Cursor::new(vec![]);
        sheet.write_to(&mut png, image::ImageFormat::Png).map_err(fail)?;
        self.events.picture(step, "samples", png.get_ref(), (sheet.width(), sheet.height()))
    }

    /// Drops what steps after `step` wrote, and what was cut short.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub fn trim(&self, step: u64) -> Result<()> {
        self.events.trim(step)?;
        let Ok(text) = fs::read_to_string(&self.lines) else { return Ok(()) };
        let kept: String = text
            .split_inclusive('\n')
            .filter(|line| {
                let parsed: Option<Value> = serde_json::from_str(line).ok();
                parsed.and_then(|v| v["step"].as_u64()).is_some_and(|s| s <= step) && line.ends_with('\n')
            })
            .collect();
        Ok(lkg_bundle::files::write_atomically(&self.lines, kept.as_bytes())?)
    }

    /// Draws the curves of all lines so far; nothing if there are fewer than two.
    ///
    /// # Errors
    /// [`Error::Io`], [`Error::Plot`].
    pub fn draw_curves(&self) -> Result<()> {
        self.picture()?.map_or(Ok(()), |picture| write_png(&self.curves, &picture))
    }

    /// The curves of all lines so far; none of fewer than two.
    ///
    /// # Errors
    /// [`Error::Plot`].
    pub fn picture(&self) -> Result<Option<RgbImage>> {
        let Ok(text) = fs::read_to_string(&self.lines) else { return Ok(None) };
        let lines: Vec<Value> = text.lines().filter_map(|l| serde_json::from_str(l).ok()).collect();
        let charts = charts(&lines);
        if lines.len() < 2 || charts.is_empty() {
            return Ok(None);
        }
        plot::panels(&charts, 2).map(Some)
    }
}

/// The numbers of a line by name, those of maps as `map/name`.
fn flat(line: &Value) -> Vec<(String, f64)> {
    fn walk(prefix: &str, value: &Value, out: &mut Vec<(String, f64)>) {
        match value {
            Value::Number(n) => out.extend(n.as_f64().map(|n| (prefix.to_owned(), n))),
            Value::Object(map) => {
                for (name, value) in map {
                    let slash = if prefix.is_empty() { "" } else { "/" };
                    walk(&format!("{prefix}{slash}{name}"), value, out);
                }
            }
            _ => {}
        }
    }
    let mut out = vec![];
    walk("", line, &mut out);
    out
}

/// The chart that a number belongs to.
fn chart_of(name: &str) -> &str {
    let shared = TOGETHER.iter().find(|(_, names)| names.contains(&name)).map(|(chart, _)| *chart);
    shared.unwrap_or_else(|| name.split_once('/').map_or(name, |(group, _)| group))
}

/// One chart for each group of numbers; numbers that never change are left out.
fn charts(lines: &[Value]) -> Vec<Panel> {
    let mut charts: Vec<Panel> = vec![];
    for line in lines {
        let numbers = flat(line);
        let x = line["images"].as_f64().or(line["step"].as_f64()).unwrap_or(0.0);
        for (name, y) in numbers.into_iter().filter(|(name, _)| !COUNTERS.contains(&name.as_str())) {
            let title = chart_of(&name).to_owned();
            let place = charts.iter().position(|c| c.title == title).unwrap_or_else(|| {
                charts.push(Panel { title, x: "images".into(), series: vec![] });
                charts.len() - 1
            });
            let series = &mut charts[place].series;
            let of = series.iter().position(|s| s.name == name).unwrap_or_else(|| {
                series.push(Series { name, points: vec![] });
                series.len() - 1
            });
            series[of].points.push((x, y));
        }
    }
    for chart in &mut charts {
        chart.series.retain(|s| s.points.windows(2).any(|w| w[0].1 != w[1].1));
    }
    charts.retain(|c| !c.series.is_empty());
    for chart in &mut charts {
        if let [alone] = chart.series.as_slice() {
            chart.title = alone.name.clone();
        }
    }
    charts
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn nested_numbers_are_named_by_their_path() {
        let line =
            json!({ "step": 3, "r1": null, "loss": 0.5, "terms": { "cycle": { "k": 2 } }, "text": "x" });
        let want = [("step", 3.0), ("loss", 0.5), ("terms/cycle/k", 2.0)];
        let mut have = flat(&line);
        have.sort_by(|a, b| a.0.cmp(&b.0));
        let mut want: Vec<(String, f64)> = want.iter().map(|(n, v)| ((*n).to_owned(), *v)).collect();
        want.sort_by(|a, b| a.0.cmp(&b.0));
        assert_eq!(have, want);
    }

    #[test]
    fn charts_group_what_belongs_together_and_leave_out_constants() {
        let line = |i: u64| {
            json!({ "step": i, "images": i * 4, "discriminator": i, "generator": 2 * i, "size": 32,
            "terms": { "a": i, "b": 3 * i } })
        };
        let charts = charts(&[line(1), line(2), line(3)]);
        let of = |title: &str| charts.iter().find(|c| c.title == title).unwrap();
        assert_eq!(charts.len(), 2);
        // Alone in its chart, a number gives it its name.
        let alone =
            super::charts(&[json!({ "step": 1, "spread": 0.1 }), json!({ "step": 2, "spread": 0.2 })]);
        assert_eq!(alone[0].title, "spread");
        assert_eq!(of("losses").series.len(), 2);
        let b = of("terms").series.iter().find(|s| s.name == "terms/b").unwrap();
        assert_eq!(b.points, [(4.0, 3.0), (8.0, 6.0), (12.0, 9.0)]);
    }

    #[test]
    fn lines_are_cut_back_to_the_checkpoint_and_curves_drawn() {
        let dir = tempfile::tempdir().unwrap();
        let recorder = Recorder::new(dir.path(), "gan");
        recorder.draw_curves().unwrap();
        assert!(!recorder.curves().exists());
        for step in 1..=4 {
            recorder.add(&json!({ "step": step, "images": step, "loss": step })).unwrap();
        }
        let path = recorder.lines();
        fs::write(path, fs::read_to_string(path).unwrap() + "{\"step\": 2, \"lo").unwrap();
        recorder.trim(3).unwrap();
        assert_eq!(fs::read_to_string(path).unwrap().lines().count(), 3);
        recorder.draw_curves().unwrap();
        assert!(image::open(recorder.curves()).is_ok());
    }
}
