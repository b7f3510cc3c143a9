//! TensorRT: engines for fixed ranges of shapes, built once and kept.

use std::sync::mpsc::{RecvTimeoutError, channel};
use std::time::{Duration, Instant};

use models::files::sha256_hex;
use models::{BundleDims, Network};
use ort::ep::{self, ExecutionProvider};

use super::cache::{EngineCache, Entry, Key};
use super::library;
use super::provider::{Precision, SessionOptions};
use crate::error::Result;

/// Least and most images that an engine takes at once; it is fastest with one.
const BATCH: (usize, usize) = (1, 8);
/// Memory for building and running, bytes: a Jetson shares what it has with the processor.
const WORKSPACE: usize = 512 << 20;
/// Between words on an engine that is being built.
const PATIENCE: Duration = Duration::from_secs(5);
/// Names of TensorRT's library, newest first.
const LIBRARIES: [&str; 4] = ["libnvinfer.so.11", "libnvinfer.so.10", "libnvinfer.so.8", "libnvinfer.so"];

/// The shapes of a network's inputs for `batch` images, as TensorRT's options want them.
pub(super) fn shapes(network: Network, dims: &BundleDims, batch: usize) -> String {
    let inputs = network.inputs(dims);
    let shape = |s: &models::TensorSpec| {
        let lengths: Vec<_> = s.with_batch(batch).iter().map(usize::to_string).collect();
        format!("{}:{}", s.name, lengths.join("x"))
    };
    inputs.iter().map(shape).collect::<Vec<_>>().join(",")
}

/// The engine's folder for a network; `None` where there is no TensorRT to build one, or nowhere to keep it, which is
/// said by the options' notice.
///
/// # Errors
/// [`crate::Error::Interrupted`] while another process was waited for.
pub(super) fn entry(model: &[u8], options: &SessionOptions<'_>) -> Result<Option<Entry>> {
    let (Some((network, _)), Ok(true)) = (options.network, ep::TensorRT::is_available()) else {
        return Ok(None);
    };
    let say = |text: &str| options.notice.iter().for_each(|say| say(text));
    let Some(cache) = EngineCache::of_user() else { return Ok(None) };
    let key = Key {
        network: network.name().to_owned(),
        model: sha256_hex(model),
        precision: options.precision.name().to_owned(),
        shapes: options.shapes(BATCH.1),
        onnxruntime: library::get()?.version.clone(),
        tensorrt: version().unwrap_or_else(|| "unknown".to_owned()),
        device: device(),
    };
    let mut waiting = || say("another process builds TensorRT's engines: waiting for it");
    match cache.entry(key, &mut waiting) {
        Ok(entry) => Ok(Some(entry)),
        Err(e @ crate::Error::Interrupted) => Err(e),
        Err(e) => {
            say(&format!("TensorRT's engine is not kept: {e}"));
            Ok(None)
        }
    }
}

/// The provider with its settings.
pub(super) fn provider(options: &SessionOptions<'_>, entry: Option<&Entry>) -> ep::TensorRT {
    let mut provider = ep::TensorRT::default()
        .with_fp16(options.precision == Precision::Fp16)
        .with_max_workspace_size(WORKSPACE)
        .with_auxiliary_streams(0);
    if options.network.is_some() {
        provider = provider
            .with_profile_min_shapes(options.shapes(BATCH.0))
            .with_profile_opt_shapes(options.shapes(BATCH.0))
            .with_profile_max_shapes(options.shapes(BATCH.1));
    }
    if let Some(entry) = entry {
        let path = entry.path().display().to_string();
        provider = provider
            .with_engine_cache(true)
            .with_engine_cache_path(&path)
            .with_timing_cache(true)
            .with_timing_cache_path(path);
    }
    provider
}

/// Does `work`, with a word every five seconds on how long it has taken.
pub(super) fn saying_so<T>(what: &str, say: Option<fn(&str)>, work: impl FnOnce() -> T) -> T {
    let Some(say) = say else { return work() };
    let (done, ended) = channel::<()>();
    std::thread::scope(|scope| {
        scope.spawn(move || {
            let start = Instant::now();
            while ended.recv_timeout(PATIENCE) == Err(RecvTimeoutError::Timeout) {
                say(&format!(
                    "TensorRT builds an engine for {what}, {} s so far; it is kept for the next time",
                    start.elapsed().as_secs()
                ));
            }
        });
        let result = work();
        drop(done);
        result
    })
}

/// GPUs and driver as the system tells them; the same text on the same machine until something is exchanged.
fn device() -> String {
    let mut lines = Vec::new();
    // Desktop drivers, a Jetson's system, and its board.
    for file in ["/proc/driver/nvidia/version", "/etc/nv_tegra_release", "/proc/device-tree/model"] {
        lines.extend(std::fs::read_to_string(file).ok().and_then(|t| t.lines().next().map(str::to_owned)));
    }
    let gpus = std::fs::read_dir("/proc/driver/nvidia/gpus").into_iter().flatten().flatten();
    let mut models: Vec<String> = gpus
        .filter_map(|gpu| std::fs::read_to_string(gpu.path().join("information")).ok())
        .filter_map(|text| text.lines().find(|l| l.starts_with("Model")).map(str::to_owned))
        .collect();
    models.sort();
    lines.extend(models);
    lines.join("; ").split_whitespace().collect::<Vec<_>>().join(" ")
}

/// TensorRT's version, asked of the library itself.
#[allow(unsafe_code)]
fn version() -> Option<String> {
    // SAFETY: ONNX Runtime loads the same library next; the function takes nothing, and its signature is part of
    // TensorRT's stable C interface.
    let number = LIBRARIES.iter().find_map(|name| unsafe {
        let library = libloading::Library::new(*name).ok()?;
        let get: libloading::Symbol<unsafe extern "C" fn() -> i32> =
            library.get(b"getInferLibVersion").ok()?;
        Some(get())
    })?;
    Some(number.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shapes_are_written_as_the_provider_reads_them() {
        let dims = models::testing::DIMS;
        let s = dims.detector_size;
        assert_eq!(shapes(Network::Detector, &dims, 8), format!("image:8x3x{s}x{s}"));
        let k = dims.keypoints;
        let drawn = shapes(Network::ImageGenerator, &dims, 1);
        assert!(drawn.starts_with(&format!("keypoints:1x{k}x2,scales:1x{k},")), "{drawn}");
    }

    #[test]
    fn without_tensorrt_nothing_is_kept_and_work_is_done_all_the_same() {
        let options = SessionOptions {
            network: Some((Network::Detector, models::testing::DIMS)),
            ..Default::default()
        };
        if let Ok(false) = ep::TensorRT::is_available() {
            assert!(entry(b"model", &options).unwrap().is_none());
        }
        assert_eq!(saying_so("x", Some(|_| ()), || 3), 3);
    }
}
