//! What `runtime bench` says, as its JSON says it. Times are in milliseconds unless the name says otherwise.

use std::collections::BTreeMap;
use std::path::Path;

use serde::{Deserialize, Serialize};

use super::executor::{Bounds, Scope, Series, Setting, ms};
use super::host::{Accelerator, Condition, Host};
use super::stats::{self, Ratio, Summary};
use crate::error::{Error, Result};

/// Name and version of the form of the report. A reader refuses another one.
pub const SCHEMA: &str = "runtime-bench/1";

/// Everything about a run.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Report {
    /// [`SCHEMA`].
    pub schema: String,
    /// This program.
    pub tool: Tool,
    /// When the run began, UTC.
    pub time_utc: String,
    /// The machine.
    pub host: Host,
    /// The machine's state before and after measuring.
    pub conditions: Ends<Condition>,
    /// The graphics processor before and after, where one is used.
    pub accelerator: Option<Ends<Accelerator>>,
    /// What computes.
    pub runtime: Engine,
    /// The networks measured.
    pub models: Vec<Model>,
    /// How it was measured.
    pub config: Config,
    /// From nothing to the first result, in fresh processes.
    pub cold: Option<Cold>,
    /// Warm times.
    pub measurements: Vec<Measurement>,
    /// What our part adds to ONNX Runtime's.
    pub overheads: Vec<Overhead>,
    /// The live loop.
    pub live: Option<Live>,
    /// Memory of the measuring process.
    pub memory: Memory,
    /// Who else used the machine.
    pub contention: Contention,
    /// The file with every single time, beside this one or absolute.
    pub raw_times_file: Option<String>,
    /// What a reader should know before believing a number.
    pub warnings: Vec<String>,
    /// Whether the numbers count.
    pub verdict: Verdict,
}

/// Before and after.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Ends<T> {
    /// Before measuring.
    pub start: T,
    /// After measuring.
    pub end: T,
}

/// The program that measured.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Tool {
    /// Its version.
    pub version: String,
    /// The commit it was built from, `-dirty` if files had changed; none if git was not there.
    pub git: Option<String>,
    /// The compiler.
    pub rustc: String,
    /// The build profile.
    pub profile: String,
    /// Variables that changed the workspace's release profile for this build, or the compiler's flags.
    pub settings: String,
}

impl Tool {
    /// This program.
    pub fn this() -> Self {
        Self {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            git: option_env!("LKG_GIT").filter(|g| !g.is_empty()).map(str::to_owned),
            rustc: option_env!("LKG_RUSTC").unwrap_or("unknown").to_owned(),
            profile: if cfg!(debug_assertions) { "debug" } else { "release" }.to_owned(),
            settings: option_env!("LKG_SETTINGS").unwrap_or_default().to_owned(),
        }
    }
}

/// What computes the networks.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Engine {
    /// Version of ONNX Runtime.
    pub ort_version: String,
    /// The library's file.
    pub ort_library: String,
    /// The provider asked for.
    pub provider_requested: String,
    /// The providers that sessions were opened on.
    pub providers_used: Vec<String>,
    /// Why better providers are not used.
    pub refused: Vec<String>,
    /// For each network and provider, how many nodes of the optimised graph ran there, as ONNX Runtime's own profile
    /// tells.
    pub nodes_per_provider: BTreeMap<String, BTreeMap<String, usize>>,
    /// Whether ONNX Runtime's threads spin while they wait.
    pub spinning: bool,
    /// Whether inputs and outputs are bound once and kept on the device.
    pub io_binding: bool,
    /// Whether CUDA graphs are used.
    pub cuda_graph: bool,
}

/// A network's file.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Model {
    /// Its name in the contract.
    pub network: String,
    /// Its file.
    pub path: String,
    /// Its hash.
    pub sha256: String,
    /// Its length in bytes.
    pub bytes: u64,
    /// Operator-set version.
    pub opset: i64,
    /// Multiply-accumulates for one image.
    pub macs: u64,
    /// Names and shapes of the inputs.
    pub inputs: Vec<String>,
    /// How many weights there are of each type.
    pub weights: BTreeMap<String, u64>,
}

/// How it was measured.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Config {
    /// Least warm-up.
    pub warmup_ms: f64,
    /// Least runs of warm-up.
    pub warmup_runs: usize,
    /// Least time measured.
    pub min_seconds: f64,
    /// Least runs measured.
    pub min_samples: usize,
    /// Rounds in which everything took its turn.
    pub rounds: usize,
    /// Where frames came from.
    pub source: String,
    /// Tells two sources of frames apart.
    pub source_id: String,
    /// Seed of generated inputs.
    pub seed: u64,
    /// The settings compared with each other, as they were asked for.
    pub scan: Vec<String>,
    /// Whether it was stopped on the way.
    pub interrupted: bool,
}

impl Config {
    /// Notes the bounds.
    pub fn of(bounds: &Bounds) -> Self {
        Self {
            warmup_ms: ms(bounds.warmup),
            warmup_runs: bounds.warmup_runs,
            min_seconds: bounds.time.as_secs_f64(),
            min_samples: bounds.samples,
            rounds: bounds.rounds,
            ..Self::default()
        }
    }
}

/// Times of fresh processes, their files in the system's file cache.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Cold {
    /// How many processes were started.
    pub processes: usize,
    /// Loading ONNX Runtime's library.
    pub library: Summary,
    /// Reading and checking the detector and making a session of it; with TensorRT this builds the engine.
    pub session_create: Summary,
    /// The first frame: decode, look for the face, keypoints.
    pub first_infer: Summary,
    /// From starting the process to its first keypoints, by the clock of the process that started it.
    pub start_to_first_keypoints: Summary,
    /// Most memory that such a process had up to its first keypoints, median, in bytes.
    pub peak_rss: Option<u64>,
    /// The same after a hundred more frames.
    pub peak_rss_warm: Option<u64>,
    /// Time to build an engine apart from making the session; none where a provider builds none of its own.
    pub engine_build_ms: Option<f64>,
    /// Whether a stored engine was found; none where engines are not stored.
    pub engine_cache_hit: Option<bool>,
}

/// Warm times of one thing.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Measurement {
    /// Its name, unique in the report.
    pub name: String,
    /// `network` or `end to end`.
    pub scope: Scope,
    /// Images in a run.
    pub batch: usize,
    /// How it was computed.
    #[serde(flatten)]
    pub setting: Setting,
    /// The first run, before warm-up.
    pub first_ms: f64,
    /// Times of whole runs.
    pub total: Summary,
    /// Images a second: images of all runs over their time.
    pub images_per_second: f64,
    /// Seconds measured.
    pub seconds: f64,
    /// Median of each round.
    pub round_p50: Vec<f64>,
    /// Standard deviation of the rounds' medians over their mean.
    pub round_cv: f64,
    /// Its stages.
    pub stages: Vec<Stage>,
    /// Share of the runs that found something, 0 to 1.
    pub found: f64,
    /// Processors kept busy: processor time over wall time.
    pub cpu_share: f64,
    /// Energy of the board for one image, in joules, idle power included; none where the board does not tell.
    pub joules_per_image: Option<f64>,
}

/// A stage of a measurement.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Stage {
    /// Its name.
    pub stage: String,
    /// Its times.
    #[serde(flatten)]
    pub times: Summary,
}

impl Measurement {
    /// Sums a series up; none of an empty one.
    pub fn of(series: &Series) -> Option<Self> {
        let total = Summary::of(&series.totals())?;
        let rounds = series.samples.last()?.round + 1;
        let round_p50: Vec<f64> = (0..rounds).filter_map(|r| round_median(series, r, None)).collect();
        let images = (total.n * series.batch) as f64;
        let seconds = series.measured().as_secs_f64();
        let stage = |(i, name): (usize, &&str)| {
            let times: Vec<f64> = series.samples.iter().map(|s| ms(s.lap.stages[i])).collect();
            Some(Stage { stage: (*name).to_owned(), times: Summary::of(&times)? })
        };
        let found = series.samples.iter().filter(|s| s.lap.found).count() as f64 / total.n as f64;
        let wall = series.used.wall.as_secs_f64();
        Some(Self {
            name: series.name.clone(),
            scope: series.scope,
            batch: series.batch,
            setting: series.setting.clone(),
            first_ms: ms(series.first),
            images_per_second: if seconds > 0.0 { images / seconds } else { 0.0 },
            seconds,
            round_cv: stats::variation(&round_p50),
            round_p50,
            stages: series.stages.iter().enumerate().filter_map(stage).collect(),
            found,
            cpu_share: if wall > 0.0 { series.used.cpu.as_secs_f64() / wall } else { 0.0 },
            joules_per_image: series.used.joules.map(|j| j / images),
            total,
        })
    }
}

/// Median of a round's runs, or of one of their stages.
pub fn round_median(series: &Series, round: usize, stage: Option<usize>) -> Option<f64> {
    let time = |lap: &super::executor::Lap| stage.map_or(lap.total, |i| lap.stages[i]);
    let times: Vec<f64> =
        series.samples.iter().filter(|s| s.round == round).map(|s| ms(time(&s.lap))).collect();
    stats::median(&times)
}

/// What our part adds to ONNX Runtime's own run on the same network, same session options, same rounds.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Overhead {
    /// What takes longer.
    pub of: String,
    /// What it is compared with.
    pub over: String,
    /// Median of the ratios of the rounds' medians, with its 95 % interval.
    #[serde(flatten)]
    pub ratio: Ratio,
    /// Rounds.
    pub n: usize,
}

impl Overhead {
    /// Compares `of` (or its stage of that number) with `over`, round by round.
    pub fn between(of: &Series, stage: Option<usize>, over: &Series) -> Option<Self> {
        let rounds = of.samples.last()?.round + 1;
        let pairs: Vec<(f64, f64)> = (0..rounds)
            .filter_map(|r| Some((round_median(of, r, stage)?, round_median(over, r, None)?)))
            .collect();
        let name = stage.map_or_else(|| of.name.clone(), |i| of.stages[i].to_owned());
        let ratio = stats::paired_ratio(&pairs)?;
        Some(Self { of: name, over: over.name.clone(), ratio, n: pairs.len() })
    }
}

/// The live loop on frames that come in their own time.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Live {
    /// Frames a second of the source.
    pub source_fps: f64,
    /// What shows the frames.
    pub screen: String,
    /// Frames.
    pub frames: Frames,
    /// Frames a second that were processed.
    pub fps: f64,
    /// From a frame's capture until it was shown.
    pub capture_to_display: LiveRow,
    /// Each stage.
    pub stages: Vec<LiveRow>,
}

/// Counts of frames.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Frames {
    /// Frames that the source took.
    pub captured: u64,
    /// Frames that were processed and shown.
    pub processed: u64,
    /// Frames that a newer one replaced before they were looked at.
    pub dropped: u64,
    /// Frames with something found in them.
    pub found: u64,
}

/// Percentiles of a stage of the live loop, right to 1 %.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct LiveRow {
    /// Its name.
    pub stage: String,
    /// How many frames went through.
    pub n: u64,
    /// Median.
    pub p50: f64,
    /// 90th percentile.
    pub p90: f64,
    /// 99th percentile.
    pub p99: f64,
    /// Longest.
    pub max: f64,
}

/// Memory of the measuring process, in bytes. It holds every session that is measured at once; that of a process that
/// only detects is in [`Cold`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Memory {
    /// Resident before a session was made.
    pub rss_start: Option<u64>,
    /// Resident before measuring, everything loaded and warm.
    pub rss_loaded: Option<u64>,
    /// Resident after measuring.
    pub rss_end: Option<u64>,
    /// The most.
    pub rss_peak: Option<u64>,
}

/// Shares of the machine's processor time during measuring, 0 to 1.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Contention {
    /// Other processes; none where the system does not tell.
    pub others: Option<f64>,
    /// Other virtual machines.
    pub stolen: Option<f64>,
}

/// Whether the numbers count.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Verdict {
    /// Whether they do.
    pub valid: bool,
    /// Why they do not.
    pub reasons: Vec<String>,
}

impl Report {
    /// Reads a report that was written by `--json FILE`.
    ///
    /// # Errors
    /// [`Error::Usage`] if it cannot be read or is something else.
    pub fn read(path: &Path) -> Result<Self> {
        let refused = |reason: String| Error::Usage(format!("{}: {reason}", path.display()));
        let text = std::fs::read_to_string(path).map_err(|e| refused(e.to_string()))?;
        let value: serde_json::Value = serde_json::from_str(&text)
            .map_err(|e| refused(format!("not a report of runtime bench --json: {e}")))?;
        match value.get("schema").and_then(serde_json::Value::as_str) {
            Some(SCHEMA) => {}
            Some(other) => {
                return Err(refused(format!(
                    "its schema is {other}, this program reads {SCHEMA}; measure again"
                )));
            }
            None => return Err(refused("not a report of runtime bench --json".to_owned())),
        }
        serde_json::from_value(value).map_err(|e| refused(format!("not a whole report: {e}")))
    }
}

#[cfg(test)]
pub(super) mod tests {
    use std::time::Duration;

    use super::super::executor::tests::{Looks, Mock};
    use super::super::executor::{Bounds, measure};
    use super::*;

    /// Series of mocks that take these microseconds again and again.
    pub(in crate::bench) fn series(executors: &[(&'static str, &[u64])]) -> Vec<Series> {
        let mut executors: Vec<_> = executors.iter().map(|(n, m)| Mock::boxed(n, m)).collect();
        let time = Duration::from_secs(4);
        let bounds = Bounds { warmup: Duration::ZERO, warmup_runs: 1, time, samples: 100, rounds: 8 };
        measure(&mut executors, &bounds, &mut Looks::default()).unwrap().series
    }

    /// A report of these series that nothing is wrong with.
    pub(in crate::bench) fn report(series: &[Series]) -> Report {
        Report {
            schema: SCHEMA.to_owned(),
            tool: Tool { profile: "release".to_owned(), ..Tool::default() },
            time_utc: "2026-01-02T03:04:05Z".to_owned(),
            host: Host { cpu: "Some CPU".to_owned(), cores: 2, ..Host::default() },
            conditions: Ends::default(),
            accelerator: None,
            runtime: Engine {
                ort_version: "1.2.3".to_owned(),
                provider_requested: "cpu".to_owned(),
                providers_used: vec!["cpu".to_owned()],
                ..Engine::default()
            },
            models: Vec::new(),
            config: Config { min_seconds: 3.0, min_samples: 100, rounds: 8, ..Config::default() },
            cold: None,
            measurements: series.iter().filter_map(Measurement::of).collect(),
            overheads: Vec::new(),
            live: None,
            memory: Memory::default(),
            contention: Contention { others: Some(0.01), stolen: Some(0.0) },
            raw_times_file: None,
            warnings: Vec::new(),
            verdict: Verdict { valid: true, reasons: Vec::new() },
        }
    }

    #[test]
    fn a_series_is_summed_up() {
        let m = Measurement::of(&series(&[("a", &[1000, 3000])])[0]).unwrap();
        assert_eq!((m.total.min, m.total.max, m.total.mean), (1.0, 3.0, 2.0));
        assert!((m.images_per_second - 500.0).abs() < 1e-6 && m.seconds >= 4.0);
        assert_eq!((m.round_p50.len(), m.found), (8, 1.0));
        assert_eq!(
            m.stages.iter().map(|s| s.stage.as_str()).collect::<Vec<_>>(),
            ["first half", "second half"]
        );
        assert_eq!(m.stages[0].times.mean, 1.0);
        // The mock's meter says that half the wall time was processor time.
        assert!((m.cpu_share - 0.5).abs() < 1e-9 && m.joules_per_image.is_some());
    }

    #[test]
    fn an_overhead_is_a_ratio_of_rounds() {
        let all = series(&[("ours", &[1050, 1100, 1070]), ("bare", &[1000])]);
        let overhead = Overhead::between(&all[0], None, &all[1]).unwrap();
        assert_eq!((overhead.ratio.ratio, overhead.n), (1.07, 8));
        assert!(overhead.ratio.differs());
        let half = Overhead::between(&all[0], Some(1), &all[1]).unwrap();
        assert_eq!((half.of.as_str(), half.ratio.ratio), ("second half", 0.535));
    }

    #[test]
    fn a_report_survives_its_file_and_others_are_refused() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a.json");
        let written = report(&series(&[("a", &[1000, 1010])]));
        std::fs::write(&path, serde_json::to_string(&written).unwrap()).unwrap();
        let read = Report::read(&path).unwrap();
        assert_eq!(read.measurements, written.measurements);
        assert_eq!((read.host, read.verdict), (written.host, written.verdict));
        for (content, part) in [
            ("{", "not a report"),
            ("{}", "not a report"),
            (r#"{"schema": "runtime-bench/9"}"#, "measure again"),
            (r#"{"schema": "runtime-bench/1"}"#, "not a whole report"),
        ] {
            std::fs::write(&path, content).unwrap();
            assert!(Report::read(&path).unwrap_err().to_string().contains(part), "{content}");
        }
        assert!(Report::read(&dir.path().join("none")).is_err());
    }
}
