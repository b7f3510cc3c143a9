//! ONNX Runtime's library, loaded once. Where it is sought: [`onnx_runtime`].

use std::env;
use std::sync::OnceLock;

use lkg_bundle::onnx_runtime;
use ort::environment::Environment;

use crate::error::{Error, Result};

/// One process has one environment, made at the first use; a failure is kept, since a second try can't end better.
static ENVIRONMENT: OnceLock<std::result::Result<Environment, String>> = OnceLock::new();

/// The environment, loading the library at the first call.
pub(super) fn environment() -> Result<&'static Environment> {
    let loaded = ENVIRONMENT.get_or_init(|| {
        // First, as the search may load a library of the system's.
        disable_telemetry();
        let library = onnx_runtime::find(system_has).map_err(|e| {
            format!("{e}; run `scripts/setup runtime`, or name the library in ORT_DYLIB_PATH")
        })?;
        ort::init_from(&library)
            .map_err(|e| e.to_string())?
            .with_telemetry(false)
            .build()
            .map_err(|e| e.to_string())
    });
    loaded.as_ref().map_err(|e| Error::Ort(e.clone()))
}

/// Official builds collect usage data by default and read the switch while they are being loaded.
#[expect(unsafe_code, reason = "the library has no other switch that comes early enough")]
fn disable_telemetry() {
    const SWITCH: &str = "ORT_DISABLE_TELEMETRY";
    if env::var_os(SWITCH).is_none() {
        // SAFETY: called once. Rust's own readers take a lock, and glibc keeps the environment that a reader in C
        // may be walking through when a first variable is added to it.
        unsafe { env::set_var(SWITCH, "1") };
    }
}

/// Whether the system's loader knows a library of this name.
#[expect(unsafe_code, reason = "only loading it tells")]
fn system_has(name: &str) -> bool {
    // SAFETY: loading ONNX Runtime runs its own initialisers only, and it is about to be loaded for good anyway.
    unsafe { libloading::Library::new(name) }.is_ok()
}
