//! The `runtime` program.

use std::process::ExitCode;

fn main() -> ExitCode {
    lkg_runtime::internals::main()
}
