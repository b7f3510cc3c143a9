//! `runtime bench`: how fast is this machine with this bundle, and can the answer be believed?

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use lkg_bundle::Bundle;

use super::args::{BenchArgs, Common};
use super::output::Output;
use super::progress::Progress;
use super::{REPORTED, open_bundle, remark};
use crate::bench::executor::{Bounds, Executor, Reading, Series, Watch};
use crate::bench::export::{self, Exporter, Outputs};
use crate::bench::frames::Material;
use crate::bench::host::{Accelerator, Condition, Host};
use crate::bench::live::{self, LiveOptions};
use crate::bench::measure::{Measured, measure};
use crate::bench::meter::{self, MachineTime, Meters};
use crate::bench::photo::PhotoPipeline;
use crate::bench::report::{
    BenchReport, Config, Contention, Ends, Measurement, Memory, SCHEMA, Tool, Verdict,
};
use crate::bench::verdict::judge;
use crate::bench::workload::Pipeline;
use crate::bench::{cold, compare, plan, worker};
use crate::engine::EngineOptions;
use crate::error::{Error, Result};
use crate::interrupt;
use crate::media::output::stamp;
use crate::portrait::PortraitModel;

/// What the command does.
enum Task {
    /// Compares two reports.
    Compare { a: PathBuf, b: PathBuf },
    /// Is the fresh process of the cold times.
    ColdChild,
    /// Takes turns with other programs on the frames of a folder.
    Worker { mode: worker::Mode, dir: PathBuf },
    /// Measures this machine.
    Measure,
}

impl Task {
    fn resolve(args: &BenchArgs) -> Result<Self> {
        Ok(match (args.compare.as_deref(), args.worker, &args.source) {
            (Some([a, b]), ..) => Self::Compare { a: a.clone(), b: b.clone() },
            (Some(_), ..) => return Err(Error::Usage("--compare takes two reports".to_owned())),
            _ if args.cold_child => Self::ColdChild,
            (None, Some(mode), Some(source)) => {
                let dir = source.path();
                let dir = dir.ok_or_else(|| Error::Usage(format!("{source}: no folder of frames")))?;
                Self::Worker { mode, dir }
            }
            _ => Self::Measure,
        })
    }
}

/// Runs the command; returns the exit code.
pub fn run(common: &Common, args: &BenchArgs) -> Result<u8> {
    let options = common.engine();
    let (mut input, mut output) = (std::io::stdin().lock(), std::io::stdout());
    match Task::resolve(args)? {
        Task::Compare { a, b } => run_compare(args, &a, &b),
        Task::ColdChild => {
            let dir = common.bundle.clone().unwrap_or_default();
            cold::child(&dir, &options, &mut input, &mut output.lock())?;
            Ok(0)
        }
        Task::Worker { mode, dir } => {
            worker::run(&open_bundle(common)?, &options, mode, &dir, &mut input, &mut output)?;
            Ok(0)
        }
        Task::Measure => measure_all(common, args, options),
    }
}

fn measure_all(common: &Common, args: &BenchArgs, options: EngineOptions) -> Result<u8> {
    let (outputs, times) = outputs(args)?;
    let (report, series) = Run::new(common, args, options)?.all(times)?;
    let interrupted = report.config.interrupted;
    if report.measurements.is_empty() && interrupted {
        return Err(Error::Interrupted);
    }
    let mut output = Output::new();
    let json = to_stdout(args);
    output.text(&if json {
        export::Json.export(&report, &series)?
    } else {
        export::Text.export(&report, &series)?
    })?;
    output.flush()?;
    for path in outputs.write(&report, &series)? {
        remark(&format!("wrote {}", path.display()));
    }
    Ok(match (interrupted, args.strict && !report.verdict.valid) {
        (true, _) => 130,
        (_, true) => REPORTED,
        _ => 0,
    })
}

fn run_compare(args: &BenchArgs, a: &Path, b: &Path) -> Result<u8> {
    let mut files = Vec::new();
    for path in [&args.json, &args.markdown].into_iter().flatten().filter(|p| p.as_os_str() != "-") {
        files.push((path, crate::media::output::PendingFile::create(path, args.force)?));
    }
    let comparison = compare::compare(a, b)?;
    let json = serde_json::to_string_pretty(&comparison).unwrap_or_default() + "\n";
    let table = comparison.table();
    for (path, mut file) in files {
        let content = if Some(path) == args.json.as_ref() { json.clone() } else { table.to_markdown() };
        file.write(content.as_bytes())?;
        file.finish()?;
    }
    let mut output = Output::new();
    if to_stdout(args) {
        output.text(json.as_bytes())?;
    } else {
        output.text(table.to_text().as_bytes())?;
        for text in &comparison.remarks {
            output.line(&format!("note: {text}"))?;
        }
    }
    output.flush()?;
    Ok(0)
}

fn to_stdout(args: &BenchArgs) -> bool {
    args.json.as_ref().is_some_and(|p| p.as_os_str() == "-")
}

/// Makes every file, before anything else is done; gives the name under which the report names that of single times.
fn outputs(args: &BenchArgs) -> Result<(Outputs, Option<String>)> {
    let mut outputs = Outputs::default();
    let file = args.json.as_deref().filter(|_| !to_stdout(args));
    let times = args.times.clone().or_else(|| file.map(|f| f.with_extension("times.csv")));
    if let Some(path) = file {
        outputs.add(path, export::Json, args.force)?;
    }
    if let Some(path) = &args.csv {
        outputs.add(path, export::Csv, args.force)?;
    }
    if let Some(path) = &args.markdown {
        outputs.add(path, export::Markdown, args.force)?;
    }
    if let Some(path) = &times {
        outputs.add(path, export::Times, args.force)?;
    }
    if let Some(path) = &args.plot {
        let extension = path.extension().map(|e| e.to_string_lossy().to_ascii_lowercase());
        let plot = match extension.as_deref() {
            Some("png") => export::Plot::Png,
            Some("html" | "htm") => export::Plot::Html,
            _ => {
                let path = path.display();
                return Err(Error::Usage(format!("{path}: name a plot FILE.png or FILE.html")));
            }
        };
        outputs.add(path, plot, args.force)?;
    }
    // Beside the report its bare name is enough, and stays right when both are moved.
    let name = |times: &Path| match file {
        Some(json) if json.parent() == times.parent() => {
            times.file_name().map(Path::new).unwrap_or(times).to_owned()
        }
        _ => std::path::absolute(times).unwrap_or_else(|_| times.to_owned()),
    };
    Ok((outputs, times.map(|t| name(&t).to_string_lossy().into_owned())))
}

/// A run and what it found so far.
struct Run<'a> {
    common: &'a Common,
    args: &'a BenchArgs,
    options: EngineOptions,
    bundle: Bundle,
    bounds: Bounds,
    rss_start: Option<u64>,
}

/// Shows progress, reads the meters, and listens for Ctrl-C.
struct Watcher {
    meters: Meters,
    progress: Progress,
}

impl Watcher {
    fn new() -> Self {
        Self { meters: Meters::default(), progress: Progress::new(1) }
    }
}

impl Watch for Watcher {
    fn stop(&mut self) -> bool {
        interrupt::requested()
    }

    fn progress(&mut self, done: f64, what: &str) {
        self.progress.share(done, what);
    }

    fn now(&mut self) -> Duration {
        self.meters.now()
    }

    fn reading(&mut self) -> Reading {
        self.meters.read()
    }
}

impl<'a> Run<'a> {
    fn new(common: &'a Common, args: &'a BenchArgs, options: EngineOptions) -> Result<Self> {
        let bundle = open_bundle(common)?;
        let bounds = Bounds {
            warmup: Duration::from_millis(u64::from(args.warmup)),
            warmup_runs: args.warmup_runs as usize,
            time: Duration::from_secs_f32(args.seconds),
            samples: args.samples as usize,
            rounds: args.rounds as usize,
        };
        Ok(Self { common, args, options, bundle, bounds, rss_start: meter::memory().0 })
    }

    /// Measures everything that was asked for, in the order: networks loaded, cold, warm, live.
    fn all(self, times: Option<String>) -> Result<(BenchReport, Vec<Series>)> {
        let args = self.args;
        let time_utc = iso(&stamp(SystemTime::now()));
        let host = Host::read();
        let scan = !args.scan.is_empty();
        // Loading comes first: a provider that cannot be had must fail before anything else takes time.
        let combinations = plan::combinations(&args.scan, &args.batch, &self.options)?;
        let size = (args.size.width, args.size.height);
        let material = match &args.source {
            Some(source) => Material::file(source)?,
            None => Material::synthetic(&self.bundle, &self.options, size, args.seed)?,
        };
        let mut plan = plan::Plan::load(&self.bundle, &combinations, &material, args.seed, !scan)?;
        let mut photos = match !scan && self.bundle.has_portrait() {
            true => Some(PortraitModel::load(&self.bundle, &self.options)?),
            false => None,
        };
        let mut executors: Vec<Box<dyn Executor + '_>> = Vec::new();
        executors.extend(std::mem::take(&mut plan.executors).into_iter().map(|e| e as Box<dyn Executor>));
        if !scan {
            executors.push(Box::new(Pipeline::load(&self.bundle, &self.options, &material)?));
        }
        if let Some(model) = &mut photos {
            model.anyway = true;
            executors.push(Box::new(PhotoPipeline::load(&self.bundle, &self.options, &material, model)?));
        }
        let engine = plan::engine(&self.bundle, &combinations, &plan, self.common.provider().name())?;
        let uses_gpu = engine.providers_used.iter().any(|p| p != "cpu");
        let rss_loaded = meter::memory().0;

        let cold = if scan || args.cold == 0 { None } else { self.cold(&material)? };
        let mut conditions = Ends { start: Condition::read(), end: Condition::default() };
        let accelerator = if uses_gpu { Accelerator::read() } else { None };
        let (machine, mut watcher) = (MachineTime::now(), Watcher::new());
        let before = watcher.reading();
        let Measured { series, interrupted } = measure(&mut executors, &self.bounds, &mut watcher)?;
        let used = watcher.reading().cpu.saturating_sub(before.cpu);
        drop(watcher);
        let contention = machine.map_or_else(Contention::default, |m| m.contention_since(used));
        let live = if scan || interrupted || args.live == 0.0 { None } else { self.live(&material)? };
        conditions.end = Condition::read();
        let (rss_end, rss_peak) = meter::memory();
        let find = |name: &str| series.iter().find(|s| s.name == name);
        let mut report = BenchReport {
            schema: SCHEMA.to_owned(),
            tool: Tool::this(),
            time_utc,
            host,
            conditions,
            accelerator: accelerator
                .map(|start| Ends { end: Accelerator::read().unwrap_or_default(), start }),
            runtime: engine,
            models: plan::models(&self.bundle)?,
            config: Config {
                source: material.description.clone(),
                source_id: material.id.clone(),
                seed: args.seed,
                scan: args.scan.iter().map(ToString::to_string).collect(),
                interrupted: interrupted || interrupt::requested(),
                ..Config::of(&self.bounds)
            },
            cold,
            measurements: series.iter().filter_map(Measurement::of).collect(),
            overheads: plan.overheads(&find),
            live,
            memory: Memory { rss_start: self.rss_start, rss_loaded, rss_end, rss_peak },
            contention,
            raw_times_file: times,
            warnings: Vec::new(),
            verdict: Verdict::default(),
        };
        judge(&mut report);
        Ok((report, series))
    }

    fn cold(&self, material: &Material) -> Result<Option<crate::bench::report::Cold>> {
        let io = |source| Error::Io { what: "finding this program's file".to_owned(), source };
        let program = std::env::current_exe().map_err(io)?;
        // Whatever of the configuration file is for it stands in these.
        let mut arguments: Vec<OsString> =
            vec!["--config=".into(), "--bundle".into(), self.bundle.dir().into()];
        if let Some(provider) = self.common.provider {
            arguments.extend(["--provider".into(), provider.name().into()]);
        }
        arguments.extend(["--precision".into(), self.common.precision.name().into()]);
        arguments.extend(["--gpu-memory".into(), self.common.gpu_memory.to_string().into()]);
        if self.common.cuda_graph {
            arguments.push("--cuda-graph".into());
        }
        if let Some(threads) = self.common.threads {
            arguments.extend(["--threads".into(), threads.to_string().into()]);
        }
        arguments.extend(["bench".into(), "--cold-child".into()]);
        cold::measure(&program, &arguments, &material.clip[0], self.args.cold as usize, &mut Watcher::new())
    }

    fn live(&self, material: &Material) -> Result<Option<crate::bench::report::Live>> {
        let time = Duration::from_secs_f32(self.args.live);
        let options = LiveOptions { fps: self.args.fps, time, window: self.args.window };
        live::run(&self.bundle, &self.options, material, options, &interrupt::requested)
    }
}

/// `YYYYMMDD-HHMMSS` as `YYYY-MM-DDTHH:MM:SSZ`.
fn iso(stamp: &str) -> String {
    let part = |range: std::ops::Range<usize>| stamp.get(range).unwrap_or_default();
    format!("{}-{}-{}T{}:{}:{}Z", part(0..4), part(4..6), part(6..8), part(9..11), part(11..13), part(13..15))
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;
    use crate::cli::args::{Cli, Command};

    fn parse(line: &str) -> std::result::Result<BenchArgs, clap::Error> {
        let words = ["runtime", "bench"].into_iter().chain(line.split_whitespace());
        match Cli::try_parse_from(words)?.command {
            Command::Bench(args) => Ok(args),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn arguments_parse() {
        let args = parse("").unwrap();
        assert_eq!((args.batch.as_slice(), args.samples, args.rounds), ([1u16, 8].as_slice(), 100, 10));
        assert_eq!(parse("--batch 1,2,4").unwrap().batch, [1, 2, 4]);
        assert_eq!(parse("--scan threads=1,2 batch=1,4").unwrap().scan.len(), 2);
        for bad in
            ["--scan threads", "--compare a.json", "--batch 0", "--seconds -1", "--scan batch=1 --batch 2"]
        {
            assert!(parse(bad).is_err(), "{bad}");
        }
        assert_eq!(iso("20260102-030405"), "2026-01-02T03:04:05Z");
    }

    #[test]
    fn single_times_lie_beside_the_report_unless_told_otherwise() {
        let dir = tempfile::tempdir().unwrap();
        let json = dir.path().join("a.json");
        let line = format!("--json {}", json.display());
        assert_eq!(outputs(&parse(&line).unwrap()).unwrap().1.unwrap(), "a.times.csv");
        let other = format!("{line} --times {}", dir.path().join("b.csv").display());
        assert_eq!(outputs(&parse(&other).unwrap()).unwrap().1.unwrap(), "b.csv");
        assert_eq!(outputs(&parse("--json -").unwrap()).unwrap().1, None);
        let plot = format!("--plot {}", dir.path().join("a.bmp").display());
        assert!(outputs(&parse(&plot).unwrap()).is_err());
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 0, "nothing is left behind");
    }
}
