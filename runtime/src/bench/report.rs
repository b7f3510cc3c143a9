//! What `runtime bench` says, as its JSON says it. Times are in milliseconds unless the name says otherwise.

use std::collections::BTreeMap;
use std::path::Path;

use serde::{Deserialize, Serialize};

use super::executor::{Bounds, ms};
use super::host::{Accelerator, Condition, Host};
pub use super::results::{Cold, Frames, Live, LiveRow, Measurement, Overhead};
use crate::error::bench::{Error, Result};

/// Name and version of the form of the report. A reader refuses another one.
pub const SCHEMA: &str = "runtime-bench/1";

/// Everything about a run.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct BenchReport {
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

impl BenchReport {
    /// Reads a report that was written by `--json FILE`.
    ///
    /// # Errors
    /// It cannot be read or is something else.
    pub fn read(path: &Path) -> Result<Self> {
        let not = |reason| Error::NotReport { path: path.to_owned(), reason };
        let text = std::fs::read_to_string(path).map_err(Error::read(path))?;
        let value: serde_json::Value = serde_json::from_str(&text).map_err(|e| not(Some(e)))?;
        match value.get("schema").and_then(serde_json::Value::as_str) {
            Some(SCHEMA) => {}
            Some(other) => {
                let theirs = other.to_owned();
                return Err(Error::Schema { path: path.to_owned(), theirs, ours: SCHEMA });
            }
            None => return Err(not(None)),
        }
        serde_json::from_value(value).map_err(|source| Error::Incomplete { path: path.to_owned(), source })
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{report, series};
    use super::*;

    #[test]
    fn a_report_survives_its_file_and_others_are_refused() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a.json");
        let written = report(&series(&[("a", &[1000, 1010])]));
        std::fs::write(&path, serde_json::to_string(&written).unwrap()).unwrap();
        let read = BenchReport::read(&path).unwrap();
        assert_eq!(read.measurements, written.measurements);
        assert_eq!((read.host, read.verdict), (written.host, written.verdict));
        for (content, part) in [
            ("{", "not a report"),
            ("{}", "not a report"),
            (r#"{"schema": "runtime-bench/9"}"#, "measure again"),
            (r#"{"schema": "runtime-bench/1"}"#, "not a whole report"),
        ] {
            std::fs::write(&path, content).unwrap();
            assert!(BenchReport::read(&path).unwrap_err().to_string().contains(part), "{content}");
        }
        assert!(BenchReport::read(&dir.path().join("none")).is_err());
    }
}
