//! `runtime warm` loads every network, so that TensorRT's engines are built before they are needed, and holds what was
//! loaded against the bundle: that no node was left to the processor, and that the golden outputs come out.

use std::collections::BTreeMap;
use std::time::Instant;

use serde::Serialize;

use super::args::{Common, WarmArgs};
use super::output::Output;
use super::{REPORTED, open_bundle};
use crate::engine::golden::{self, Deviation};
use crate::engine::{OrtRunner, nodes_per_provider, placement};
use crate::error::{Error, Result};

/// What warming a network took, and came to.
#[derive(Serialize)]
struct Warmed {
    network: &'static str,
    provider: &'static str,
    seconds: f64,
    /// Providers that were tried before, each with why it failed.
    failed: Vec<String>,
    /// Nodes on each of ONNX Runtime's providers, as its own profile counts them.
    nodes: BTreeMap<String, usize>,
    /// Largest difference from the golden outputs, and the largest that is accepted; none of the first half of an image
    /// generator, which is compared with the second.
    difference: Option<f32>,
    tolerance: Option<f32>,
    /// Whether all nodes are where they should be, and the outputs what they should be.
    ok: bool,
}

/// Runs the command; returns the exit code.
pub fn run(common: &Common, args: &WarmArgs) -> Result<u8> {
    let bundle = open_bundle(common)?;
    let options = common.engine();
    let mut output = Output::new();
    let (mut sound, mut said) = (true, Vec::new());
    for network in bundle.networks() {
        let start = Instant::now();
        let runner = OrtRunner::load(&bundle, network, &options)?;
        let seconds = start.elapsed().as_secs_f64();
        let (used, before) = runner.attempts().split_last().ok_or_else(|| Error::Engine {
            what: format!("loading {network}"),
            reason: "no provider was tried".to_owned(),
        })?;
        let failed: Vec<String> = before
            .iter()
            .map(|a| format!("{}: {}", a.provider, a.failure.as_deref().unwrap_or_default()))
            .collect();
        let provider = used.provider;
        // What is measured next loads it again: from the engine that is kept now.
        drop(runner);
        let nodes = nodes_per_provider(&bundle, network, &options)?;
        let golden = golden::check_one(&bundle, network, &options)?;
        let worst = golden.iter().max_by(|a, b| a.difference.total_cmp(&b.difference));
        let ok = placement::is_whole(provider, &nodes) && golden.iter().all(Deviation::passes);
        sound &= ok;
        let row = Warmed {
            network: network.name(),
            provider: provider.name(),
            seconds,
            failed,
            nodes,
            difference: worst.map(|d| d.difference),
            tolerance: worst.map(|d| d.tolerance),
            ok,
        };
        if args.json {
            output.json(&row)?
        } else {
            write(&mut output, &row, &mut said)?
        }
        output.flush()?;
    }
    Ok(if sound { 0 } else { REPORTED })
}

/// Writes a row; reasons that stand in `said` are not repeated.
fn write(output: &mut Output, row: &Warmed, said: &mut Vec<String>) -> Result<()> {
    let golden = match (row.difference, row.tolerance) {
        (Some(difference), Some(most)) => {
            format!("golden outputs within {difference:.1e} (at most {most:.0e})")
        }
        _ => "golden outputs are the next one's".to_owned(),
    };
    output.line(&format!(
        "{:<20} on {}, loaded in {:.2} s; {}; {golden}{}",
        row.network,
        row.provider,
        row.seconds,
        placement::describe(&row.nodes),
        if row.ok { "" } else { ": FAILED" }
    ))?;
    for reason in &row.failed {
        if !said.contains(reason) {
            output.line(&format!("{:<20} not on {reason}", ""))?;
            said.push(reason.clone());
        }
    }
    Ok(())
}
