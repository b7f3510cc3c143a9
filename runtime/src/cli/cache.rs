//! `runtime cache` lists or deletes TensorRT's engines.

use super::args::{CacheAction, CacheArgs};
use super::output::Output;
use super::remark;
use crate::engine::cache::{CachedEngine, EngineCache};
use crate::error::{Error, Result};

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

fn describe(entry: &CachedEngine) -> String {
    let size = entry.bytes as f64 / 1e6;
    match &entry.key {
        Some(key) => format!(
            "{:<20} {:<7} {size:>7.1} MB  TensorRT {}, ONNX Runtime {}, {}",
            key.network, key.precision, key.tensorrt, key.onnxruntime, key.device
        ),
        None => format!("{}: incomplete or changed, {size:.1} MB; it will not be used", entry.path.display()),
    }
}
