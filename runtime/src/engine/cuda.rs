//! CUDA: the settings of ONNX Runtime's provider, and what it takes for a GPU to be used at all.

use ort::ep::{self, ArbitrarilyConfigurableExecutionProvider};

use super::precision::Precision;
use super::provider::SessionOptions;
use crate::error::{Error, Result};

/// Memory that a network may take on the GPU where nobody says otherwise, MiB: a Jetson shares it with the processor, and
/// the networks need some tens of it.
pub const DEFAULT_MEMORY_MIB: u32 = 1024;

/// First version of ONNX Runtime with a setting for TF32, and that keeps one CUDA graph a shape.
const SINCE_1_18: [u32; 2] = [1, 18];

/// How a GPU is to be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Gpu {
    /// Record the kernels of a run once and replay them, for each size of batch: saves the time it takes to start them.
    pub graph: bool,
    /// Memory that a network's values may take, MiB. TensorRT builds its engines in no more.
    pub memory_mib: u32,
}

impl Default for Gpu {
    fn default() -> Self {
        Self { graph: false, memory_mib: DEFAULT_MEMORY_MIB }
    }
}

impl Gpu {
    /// The memory in bytes.
    pub(super) fn memory(self) -> u64 {
        u64::from(self.memory_mib) << 20
    }
}

/// Whether the version `text`, such as `1.31.1`, is `least` or newer; what cannot be read is taken for old.
fn at_least(text: &str, least: [u32; 2]) -> bool {
    let mut numbers = text.split('.').map(|n| n.parse::<u32>().ok());
    match (numbers.next().flatten(), numbers.next().flatten()) {
        (Some(major), Some(minor)) => [major, minor] >= least,
        _ => false,
    }
}

/// The provider with its settings, for ONNX Runtime of `version`.
///
/// # Errors
/// [`Error::Provider`] if that version cannot do what is asked.
pub(super) fn provider(options: &SessionOptions<'_>, version: &str) -> Result<ep::CUDA> {
    let settings = settings(options, version)?;
    Ok(settings
        .into_iter()
        .fold(ep::CUDA::default(), |ep, (key, value)| ep.with_arbitrary_config(key, value)))
}

/// ONNX Runtime's names of settings, and their values.
fn settings(options: &SessionOptions<'_>, version: &str) -> Result<Vec<(&'static str, String)>> {
    let newer = at_least(version, SINCE_1_18);
    let refuse = |what: &str| Error::Provider {
        provider: options.provider.name(),
        reason: format!("{what} needs ONNX Runtime 1.18 or newer, this is {version}"),
    };
    let mut settings = vec![
        // Grows by what is needed, not to the next power of two, and no further than this.
        ("arena_extend_strategy", "kSameAsRequested".to_owned()),
        ("gpu_mem_limit", options.gpu.memory().to_string()),
        // Shapes stay, so that the search for the fastest convolutions is paid once; in 32 MB, not in all there is.
        ("cudnn_conv_algo_search", "EXHAUSTIVE".to_owned()),
        ("cudnn_conv_use_max_workspace", "0".to_owned()),
    ];
    let tf32 = options.precision == Precision::Tf32;
    match (newer, tf32) {
        // On where nobody says otherwise; then keypoints would not be those that the bundle promises.
        (true, _) => settings.push(("use_tf32", u8::from(tf32).to_string())),
        (false, true) => return Err(refuse("precision tf32")),
        (false, false) => {}
    }
    if options.gpu.graph {
        if !newer {
            return Err(refuse("--cuda-graph"));
        }
        settings.push(("enable_cuda_graph", "1".to_owned()));
    }
    Ok(settings)
}

/// How to fix a failure whose `reason` ONNX Runtime gave, where that is known: what is missing, and where it comes from.
pub(super) fn fix(reason: &str) -> Option<String> {
    if reason.contains("is not enabled in this build") || reason.contains("was not compiled") {
        let library = if reason.contains("TensorRT") || reason.contains("TensorrtExecutionProvider") {
            "libonnxruntime_providers_tensorrt.so"
        } else {
            "libonnxruntime_providers_cuda.so"
        };
        let from = match lkg_bundle::onnx_runtime::in_checkout() {
            true => "on x86-64 scripts/setup gpu, on a Jetson scripts/jetson/install",
            false => {
                "on x86-64 onnxruntime-linux-x64-gpu of https://github.com/microsoft/onnxruntime/releases, on a Jetson \
                 the wheel onnxruntime-gpu for its JetPack"
            }
        };
        return Some(format!(
            "this ONNX Runtime is the one for processors, which has no {library}: install ONNX Runtime for GPUs ({from}), \
             or name its libonnxruntime.so in ORT_DYLIB_PATH"
        ));
    }
    if reason.contains("CUDA driver version is insufficient") {
        return Some(
            "install a newer NVIDIA driver: nvidia-smi shows the newest CUDA that yours runs".to_owned(),
        );
    }
    if reason.contains("no CUDA-capable device") {
        return Some(
            "no NVIDIA GPU is seen: nvidia-smi must list one, in a container it must be passed in".to_owned(),
        );
    }
    let missing = missing_library(reason)?;
    let from = PACKAGES
        .iter()
        .find(|(start, _)| missing.starts_with(start))
        .map_or("install what it belongs to, or name its folder in LD_LIBRARY_PATH", |(_, package)| package);
    Some(format!("{missing} is missing: {from}"))
}

/// What a library is part of, by the beginning of its name.
const PACKAGES: &[(&str, &str)] = &[
    ("libcuda.so", "it comes with NVIDIA's driver, install that"),
    ("libcudnn", "install cuDNN of the version in its name, or name its folder in LD_LIBRARY_PATH"),
    ("libnvinfer", "install TensorRT of the version in its name, or name its folder in LD_LIBRARY_PATH"),
    ("libnvonnxparser", "install TensorRT of the version in its name, or name its folder in LD_LIBRARY_PATH"),
    ("libcu", "install the CUDA toolkit of the version in its name, or name its folder in LD_LIBRARY_PATH"),
    ("libonnxruntime_providers", "it belongs beside libonnxruntime.so, copy it there"),
];

/// The library that the system's loader did not find, as it says: `NAME: cannot open shared object file`.
fn missing_library(reason: &str) -> Option<&str> {
    let before =
        reason.split(": cannot open shared object file").next().filter(|b| b.len() < reason.len())?;
    let name = before.rsplit(|c: char| c.is_whitespace() || c == '/').next()?;
    name.contains(".so").then_some(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set(options: &SessionOptions<'_>, version: &str) -> String {
        let settings = settings(options, version).unwrap();
        settings.iter().map(|(key, value)| format!("{key}={value} ")).collect()
    }

    #[test]
    fn memory_is_bounded_and_numbers_are_those_of_the_bundle() {
        let options = SessionOptions::default();
        assert_eq!(
            set(&options, "1.31.1"),
            "arena_extend_strategy=kSameAsRequested gpu_mem_limit=1073741824 cudnn_conv_algo_search=EXHAUSTIVE \
             cudnn_conv_use_max_workspace=0 use_tf32=0 "
        );
        // Settings that an older one does not know would make it refuse all of them.
        assert!(!set(&options, "1.17.3").contains("tf32"));
        let gpu = Gpu { memory_mib: 256, graph: true };
        let text = set(&SessionOptions { gpu, precision: Precision::Tf32, ..options }, "1.18.0");
        assert!(text.contains("gpu_mem_limit=268435456 "), "{text}");
        assert!(text.ends_with("use_tf32=1 enable_cuda_graph=1 "), "{text}");
    }

    #[test]
    fn what_an_old_version_cannot_do_is_refused() {
        let graph = SessionOptions { gpu: Gpu { graph: true, ..Gpu::default() }, ..Default::default() };
        assert!(settings(&graph, "1.17.1").unwrap_err().to_string().contains("--cuda-graph needs"));
        let tf32 = SessionOptions { precision: Precision::Tf32, ..Default::default() };
        assert!(settings(&tf32, "1.9.0").unwrap_err().to_string().contains("this is 1.9.0"));
        assert!(at_least("2.0", SINCE_1_18) && !at_least("nightly", SINCE_1_18));
    }

    #[test]
    fn the_missing_library_and_the_fix_are_named() {
        let loader = "Failed to load library libonnxruntime_providers_cuda.so with error: libcublasLt.so.12: cannot open \
                      shared object file: No such file or directory";
        let fixes = [
            (loader, "libcublasLt.so.12 is missing: install the CUDA toolkit"),
            ("/opt/libcudnn.so.9: cannot open shared object file", "libcudnn.so.9 is missing: install cuDNN"),
            ("CUDA failure 35: CUDA driver version is insufficient for", "a newer NVIDIA driver"),
            ("CUDA failure 100: no CUDA-capable device is detected", "no NVIDIA GPU is seen"),
            ("libcuda.so.1: cannot open shared object file", "it comes with NVIDIA's driver"),
            (
                "CUDA execution provider is not enabled in this build.",
                "no libonnxruntime_providers_cuda.so: install",
            ),
            (
                "TensorRT execution provider is not enabled in this build.",
                "no libonnxruntime_providers_tensorrt.so",
            ),
        ];
        for (reason, part) in fixes {
            let fix = fix(reason).unwrap();
            assert!(fix.contains(part), "{fix}");
        }
        assert_eq!(fix("something else"), None);
    }
}
