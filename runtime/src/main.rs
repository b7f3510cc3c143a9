//! The `runtime` program.

use std::process::ExitCode;

fn main() -> ExitCode {
    runtime::engine::library::disable_telemetry();
    runtime::cli::main()
}
