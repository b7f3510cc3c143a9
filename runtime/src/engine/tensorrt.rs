//! TensorRT: engines for fixed ranges of shapes, built once and kept.

use std::path::Path;
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::time::{Duration, Instant};

use lkg_bundle::files::sha256_hex;
use lkg_bundle::{BundleDims, Network};
use ort::ep::{self, ArbitrarilyConfigurableExecutionProvider, ExecutionProvider};

use super::cache::{EngineCache, Entry, Key};
use super::library;
use super::precision::Precision;
use super::provider::SessionOptions;
use crate::error::Result;

/// Least and most images that an engine takes at once; it is fastest with one.
const BATCH: (usize, usize) = (1, 8);
/// Most memory for building and running, bytes: a Jetson shares what it has with the processor.
const WORKSPACE: u64 = 512 << 20;
/// Pause between notices of an engine that is being built.
const PATIENCE: Duration = Duration::from_secs(5);
/// Names of TensorRT's library, newest first.
const LIBRARIES: [&str; 4] = ["libnvinfer.so.11", "libnvinfer.so.10", "libnvinfer.so.8", "libnvinfer.so"];

/// The shapes of a network's inputs for `batch` images, as TensorRT's options want them.
pub(super) fn shapes(network: Network, dims: &BundleDims, batch: usize) -> String {
    let inputs = network.inputs(dims);
    let shape = |s: &lkg_bundle::TensorSpec| {
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
    let folder = entry.map(|e| e.path().display().to_string());
    let settings = settings(options, folder.as_deref());
    settings
        .into_iter()
        .fold(ep::TensorRT::default(), |ep, (key, value)| ep.with_arbitrary_config(key, value))
}

/// ONNX Runtime's names of settings, and their values; `folder` is where the engine is kept.
fn settings(options: &SessionOptions<'_>, folder: Option<&str>) -> Vec<(&'static str, String)> {
    let mut settings = vec![
        ("trt_max_workspace_size", options.gpu.memory().min(WORKSPACE).to_string()),
        // More streams take more memory, and these networks have little to do side by side.
        ("trt_auxiliary_streams", "0".to_owned()),
    ];
    if options.precision == Precision::Fp16 {
        settings.push(("trt_fp16_enable", "1".to_owned()));
    }
    if options.gpu.graph {
        settings.push(("trt_cuda_graph_enable", "1".to_owned()));
    }
    if options.network.is_some() {
        settings.push(("trt_profile_min_shapes", options.shapes(BATCH.0)));
        settings.push(("trt_profile_opt_shapes", options.shapes(BATCH.0)));
        settings.push(("trt_profile_max_shapes", options.shapes(BATCH.1)));
    }
    if let Some(folder) = folder {
        for (key, value) in [
            ("trt_engine_cache_enable", "1"),
            ("trt_engine_cache_path", folder),
            ("trt_timing_cache_enable", "1"),
            ("trt_timing_cache_path", folder),
        ] {
            settings.push((key, value.to_owned()));
        }
    }
    settings
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

/// Whether the system has an NVIDIA driver, a desktop's or a Jetson's.
pub fn has_nvidia_driver() -> bool {
    ["/proc/driver/nvidia/version", "/etc/nv_tegra_release"].iter().any(|file| Path::new(file).exists())
}

/// GPUs and driver as the system reports them; the same text on the same machine until something is exchanged.
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
        let dims = lkg_bundle::testing::DIMS;
        let s = dims.detector_size;
        assert_eq!(shapes(Network::Detector, &dims, 8), format!("image:8x3x{s}x{s}"));
        let k = dims.keypoints;
        let inputs = shapes(Network::ImageGenerator, &dims, 1);
        assert!(inputs.starts_with(&format!("keypoints:1x{k}x2,scales:1x{k},")), "{inputs}");
    }

    #[test]
    fn settings_bound_memory_fix_shapes_and_keep_engines() {
        let gpu = super::super::cuda::Gpu { memory_mib: 256, graph: true };
        let network = Some((Network::Detector, lkg_bundle::testing::DIMS));
        let options = SessionOptions { precision: Precision::Fp16, gpu, network, ..Default::default() };
        let text = |options: &SessionOptions<'_>, folder| {
            settings(options, folder).iter().map(|(key, value)| format!("{key}={value} ")).collect::<String>()
        };
        let s = lkg_bundle::testing::DIMS.detector_size;
        assert_eq!(
            text(&options, Some("/c")),
            format!(
                "trt_max_workspace_size=268435456 trt_auxiliary_streams=0 trt_fp16_enable=1 trt_cuda_graph_enable=1 \
                 trt_profile_min_shapes=image:1x3x{s}x{s} trt_profile_opt_shapes=image:1x3x{s}x{s} \
                 trt_profile_max_shapes=image:8x3x{s}x{s} trt_engine_cache_enable=1 trt_engine_cache_path=/c \
                 trt_timing_cache_enable=1 trt_timing_cache_path=/c "
            )
        );
        let plain = text(&SessionOptions::default(), None);
        assert_eq!(plain, "trt_max_workspace_size=536870912 trt_auxiliary_streams=0 ");
    }

    #[test]
    fn without_tensorrt_nothing_is_kept_and_work_is_done_all_the_same() {
        let options = SessionOptions {
            network: Some((Network::Detector, lkg_bundle::testing::DIMS)),
            ..Default::default()
        };
        if let Ok(false) = ep::TensorRT::is_available() {
            assert!(entry(b"model", &options).unwrap().is_none());
        }
        assert_eq!(saying_so("x", Some(|_| ()), || 3), 3);
    }
}
