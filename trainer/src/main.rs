//! The `trainer` program.

use std::os::unix::process::CommandExt;
use std::process::{Command, ExitCode};

/// libgomp's workers spin while they wait, unless this is `passive`.
const POLICY: &str = "OMP_WAIT_POLICY";

fn main() -> ExitCode {
    // Workers that spin slow a busy machine down tenfold. libgomp reads the variable before `main` begins, so the
    // program must be started anew with it; that costs a fifth of a second, which short commands are spared.
    let arguments: Vec<String> =
        std::env::args_os().skip(1).map(|a| a.to_string_lossy().into_owned()).collect();
    let long = arguments.iter().any(|a| ["train", "detector", "bench"].contains(&a.as_str()));
    let alone = arguments.windows(2).any(|w| w == ["--threads", "1"]);
    if long
        && !alone
        && std::env::var_os(POLICY).is_none()
        && let Ok(program) = std::env::current_exe()
    {
        // Returns only where it could not start: then it is as well to go on.
        let _ = Command::new(program).args(std::env::args_os().skip(1)).env(POLICY, "passive").exec();
    }
    lkg_trainer::cli::main()
}
