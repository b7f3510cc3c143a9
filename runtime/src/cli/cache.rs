//! `runtime cache` lists or deletes TensorRT's engines, `runtime warm` builds them before they are needed.

use std::time::Instant;

use serde::Serialize;

use super::args::{CacheAction, CacheArgs, Common, WarmArgs};
use super::output::Output;
use super::{open_bundle, remark};
use crate::engine::OrtRunner;
use crate::engine::cache::{EngineCache, Kept};
use crate::error::{Error, Result};

/// What warming a network took.
#[derive(Serialize)]
struct Warmed {
    network: &'static str,
    provider: &'static str,
    seconds: f64,
    /// Providers that were tried before, each with why it failed.
    failed: Vec<String>,
}

/// Runs `runtime cache`.
pub fn run(args: &CacheArgs) -> Result<u8> {
    let cache = EngineCache::of_user().ok_or_else(|| {
        Error::Usage("neither XDG_CACHE_HOME nor HOME is set: there is no cache".to_owned())
    })?;
    let mut output = Output::new();
    let cleared = matches!(args.action, CacheAction::Clear);
    let kept = if cleared {
        cache.clear(&mut || remark("another process is at work in the cache: waiting for it"))?
    } else {
        cache.list()?
    };
    if args.json {
        output.json(&kept)?;
        return output.flush().map(|()| 0);
    }
    for entry in &kept {
        output.line(&describe(entry))?;
    }
    let bytes: u64 = kept.iter().map(|k| k.bytes).sum();
    let did = if cleared { "deleted" } else { "kept" };
    output.line(&format!(
        "{} engines {did}, {:.1} MB, in {}",
        kept.len(),
        bytes as f64 / 1e6,
        cache.root().display()
    ))?;
    output.flush().map(|()| 0)
}

fn describe(entry: &Kept) -> String {
    let size = entry.bytes as f64 / 1e6;
    match &entry.key {
        Some(key) => format!(
            "{:<20} {:<7} {size:>7.1} MB  TensorRT {}, ONNX Runtime {}, {}",
            key.network, key.precision, key.tensorrt, key.onnxruntime, key.device
        ),
        None => format!("{}: incomplete or changed, {size:.1} MB; it will not be used", entry.path.display()),
    }
}

/// Runs `runtime warm`.
pub fn warm(common: &Common, args: &WarmArgs) -> Result<u8> {
    let bundle = open_bundle(common)?;
    let mut options = common.engine();
    options.precision = args.precision;
    let mut output = Output::new();
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
        let row = Warmed { network: network.name(), provider: used.provider.name(), seconds, failed };
        if args.json {
            output.json(&row)?;
        } else {
            output
                .line(&format!("{:<20} on {}, loaded in {:.2} s", row.network, row.provider, row.seconds))?;
            for reason in &row.failed {
                output.line(&format!("{:<20} not on {reason}", ""))?;
            }
        }
        output.flush()?;
    }
    Ok(0)
}
