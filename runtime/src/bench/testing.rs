//! What the tests of this folder measure and report: executors that take as long as they are set to, and a report of them.

use std::time::Duration;

use super::executor::{Bounds, Executor, Lap, Reading, Scope, Series, Watch};
use super::host::Host;
use super::measure::measure;
use super::report::{
    BenchReport, Config, Contention, Ends, Engine, Measurement, Memory, SCHEMA, Tool, Verdict,
};
use crate::error::Result;

/// Takes the times that it was given, again and again from the start.
pub(in crate::bench) struct Mock {
    pub name: &'static str,
    pub micros: Vec<u64>,
    pub runs: usize,
}

impl Mock {
    pub(in crate::bench) fn boxed(name: &'static str, micros: &[u64]) -> Box<dyn Executor> {
        Box::new(Self { name, micros: micros.to_vec(), runs: 0 })
    }
}

impl Executor for Mock {
    fn name(&self) -> String {
        self.name.to_owned()
    }

    fn scope(&self) -> Scope {
        Scope::EndToEnd
    }

    fn steps(&self) -> &'static [&'static str] {
        &["first half", "second half"]
    }

    fn run(&mut self) -> Result<Lap> {
        let total = Duration::from_micros(self.micros[self.runs % self.micros.len()]);
        let item = (self.runs % self.micros.len()) as u64;
        self.runs += 1;
        Ok(Lap { total, steps: vec![total / 2, total / 2], item, found: true })
    }
}

/// Stops after so many checks, and counts them.
#[derive(Default)]
pub(in crate::bench) struct Checks {
    pub stop_after: Option<usize>,
    pub checks: usize,
    pub most: f64,
}

impl Watch for Checks {
    fn stop(&mut self) -> bool {
        self.checks += 1;
        self.stop_after.is_some_and(|n| self.checks > n)
    }

    fn progress(&mut self, done: f64, _what: &str) {
        assert!(done >= self.most, "progress never goes back");
        self.most = done;
    }

    fn now(&mut self) -> Duration {
        Duration::from_millis(self.checks as u64)
    }

    fn reading(&mut self) -> Reading {
        let wall = self.now();
        Reading { wall, cpu: wall / 2, joules: Some(self.checks as f64) }
    }
}

/// Series of mocks that take these microseconds again and again.
pub(in crate::bench) fn series(executors: &[(&'static str, &[u64])]) -> Vec<Series> {
    let mut executors: Vec<_> = executors.iter().map(|(n, m)| Mock::boxed(n, m)).collect();
    let time = Duration::from_secs(4);
    let bounds = Bounds { warmup: Duration::ZERO, warmup_runs: 1, time, samples: 100, rounds: 8 };
    measure(&mut executors, &bounds, &mut Checks::default()).unwrap().series
}

/// A report of these series that nothing is wrong with.
pub(in crate::bench) fn report(series: &[Series]) -> BenchReport {
    BenchReport {
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
