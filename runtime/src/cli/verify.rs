//! `runtime verify`: is a bundle whole, and does this machine compute what its golden tensors say?

use lkg_bundle::Bundle;
use serde::Serialize;

use super::args::{Common, VerifyArgs};
use super::output::Output;
use super::{REPORTED, locate};
use crate::engine::golden;
use crate::error::{Result, one_line};

/// The check that runs the networks.
pub(super) const GOLDEN: &str = "golden check";

/// The outcome of a verification.
#[derive(Debug, Serialize)]
pub struct Verdict {
    /// The bundle's folder.
    pub bundle: String,
    /// Whether everything below passed.
    pub ok: bool,
    /// Checksums, then the contract of each network, then what could not be checked at all.
    pub files: Vec<FileCheck>,
    /// The golden outputs; empty if a file failed.
    pub outputs: Vec<OutputCheck>,
}

/// A file's check.
#[derive(Debug, Serialize)]
pub struct FileCheck {
    /// The file, or what else was checked.
    pub file: String,
    /// What is wrong with it.
    pub problem: Option<String>,
}

/// A network output's check.
#[derive(Debug, Serialize)]
pub struct OutputCheck {
    /// The network.
    pub network: String,
    /// The output.
    pub output: String,
    /// Largest absolute difference from the golden value; `null` in JSON if it is not a number.
    pub max_abs_difference: f32,
    /// The largest that the manifest accepts.
    pub tolerance: f32,
    /// Whether it is accepted.
    pub ok: bool,
}

/// Runs the command; returns the exit code.
pub fn run(common: &Common, args: &VerifyArgs) -> Result<u8> {
    let dir = args.target.clone().map_or_else(|| locate::find(common), Ok)?;
    let bundle = Bundle::open(dir)?;
    let verdict = verify(common, &bundle);
    let mut output = Output::new();
    if args.json {
        output.json(&verdict)?;
    } else {
        write(&mut output, &verdict)?;
    }
    output.flush()?;
    Ok(if verdict.ok { 0 } else { REPORTED })
}

/// Checks everything about a bundle that can be checked here.
pub fn verify(common: &Common, bundle: &Bundle) -> Verdict {
    let mut files = Vec::new();
    let mut check = |file: String, outcome: lkg_bundle::Result<()>| {
        let problem = outcome.err().map(|e| one_line(&e.to_string()));
        files.push(FileCheck { file, problem });
    };
    for file in bundle.manifest().files.keys() {
        check(file.clone(), bundle.read(file).map(drop));
    }
    for network in bundle.networks() {
        check(format!("{network} (contract)"), bundle.read_network(network).map(drop));
    }
    let mut outputs = Vec::new();
    // Networks that are not what the manifest says are not run.
    if files.iter().all(|f| f.problem.is_none()) {
        match golden::check(bundle, &common.engine()) {
            Ok(deviations) => outputs.extend(deviations.into_iter().map(|d| OutputCheck {
                ok: d.passes(),
                network: d.network.to_string(),
                output: d.output,
                max_abs_difference: d.difference,
                tolerance: d.tolerance,
            })),
            Err(e) => {
                files.push(FileCheck { file: GOLDEN.to_owned(), problem: Some(one_line(&e.to_string())) });
            }
        }
    }
    let ok = files.iter().all(|f| f.problem.is_none()) && outputs.iter().all(|o| o.ok);
    Verdict { bundle: bundle.dir().to_string_lossy().into_owned(), ok, files, outputs }
}

fn write(output: &mut Output, verdict: &Verdict) -> Result<()> {
    for check in &verdict.files {
        match &check.problem {
            None => output.line(&format!("ok      {}", check.file))?,
            Some(problem) => output.line(&format!("FAILED  {}: {problem}", check.file))?,
        }
    }
    for check in &verdict.outputs {
        output.line(&format!(
            "{}  {}/{}: max abs difference {:.2e} (at most {:.0e})",
            if check.ok { "ok    " } else { "FAILED" },
            check.network,
            check.output,
            check.max_abs_difference,
            check.tolerance
        ))?;
    }
    let state = if verdict.ok { "sound" } else { "NOT sound; fetch or export the bundle again" };
    output.line(&format!("{}: {state}", verdict.bundle))
}
