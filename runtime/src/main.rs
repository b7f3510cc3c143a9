//! The `runtime` program.

use std::process::ExitCode;

fn main() -> ExitCode {
    lkg_runtime::engine::library::disable_telemetry();
    lkg_runtime::cli::main()
}
