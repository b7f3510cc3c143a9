//! What is reported of a live run: what computes, and what it did.

use lkg_bundle::{Bundle, Network};

use super::config::LiveConfig;
use crate::cli::args::Common;
use crate::cli::output::Output;
use crate::cli::{REPORTED, remark};
use crate::engine::{default_threads, nodes_per_provider};
use crate::error::{Error, Result};
use crate::live::{Ended, RunReport};
use crate::media::SinkSpec;

/// How many nodes of a network run on each provider, as ONNX Runtime itself counts them, and on how many threads.
pub(in crate::cli) fn where_it_runs(common: &Common, bundle: &Bundle, network: Network) -> Result<String> {
    let options = common.engine();
    let nodes = nodes_per_provider(bundle, network, &options)?;
    let nodes: Vec<_> = nodes.iter().map(|(provider, n)| format!("{n} nodes on {provider}")).collect();
    let threads = options.threads.unwrap_or_else(|| default_threads(network));
    Ok(format!("{}, {threads} thread{}", nodes.join(", "), if threads == 1 { "" } else { "s" }))
}

/// The exit code that a run of a `live` source or of a file earns.
pub(in crate::cli) fn exit_code(config: &LiveConfig, report: &RunReport, live: bool) -> u8 {
    match report.ended {
        _ if !report.failed.is_empty() || !report.faults.is_empty() => REPORTED,
        Ended::CameraLost | Ended::StreamBroke => REPORTED,
        // A clip was not finished; with a camera there is no other way to end.
        Ended::Interrupted if !live && !config.looping => 130,
        _ => 0,
    }
}

/// Writes what the run did, for people or as JSON: to standard output, or where frames went there, to standard error.
pub(in crate::cli) fn write_report(config: &LiveConfig, report: &RunReport) -> Result<()> {
    let on_stderr = config.sinks.contains(&SinkSpec::Stdout);
    let mut output = Output::new();
    if config.json {
        if on_stderr {
            eprintln!("runtime: {}", to_json(report)?);
            return Ok(());
        }
        output.json(report)?;
        return output.flush();
    }
    let lines = summary(report);
    if on_stderr {
        lines.iter().for_each(|line| remark(line));
        return Ok(());
    }
    for line in &lines {
        output.line(line)?;
    }
    output.flush()
}

fn to_json(report: &RunReport) -> Result<String> {
    lkg_bundle::json::to_string(report)
        .map_err(|e| Error::Io { what: "making the report".to_owned(), source: e.into() })
}

fn summary(report: &RunReport) -> Vec<String> {
    let mut lines = vec![
        format!(
            "{}: {} frames, {} with a face, {} dropped, {:.1} s, {:.1} fps",
            report.source, report.frames, report.faces, report.dropped, report.seconds, report.fps
        ),
        format!("detector: {}", report.engine),
    ];
    if !report.steps.is_empty() {
        let head = ["n", "p50", "p90", "p99", "max"];
        lines.push(format!(
            "{:<20}{:>7}{:>9}{:>9}{:>9}{:>9}",
            "latency (ms)", head[0], head[1], head[2], head[3], head[4]
        ));
    }
    for row in &report.steps {
        lines.push(format!(
            "{:<20}{:>7}{:>9.2}{:>9.2}{:>9.2}{:>9.2}",
            row.step, row.n, row.p50_ms, row.p90_ms, row.p99_ms, row.max_ms
        ));
    }
    for written in &report.written {
        lines.push(format!("wrote {}: {}", written.what, written.path.display()));
    }
    for failed in &report.failed {
        lines.push(format!("failed {}: {}", failed.output, failed.reason));
    }
    lines
}
