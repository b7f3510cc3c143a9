//! How libgomp's workers wait.

use std::os::unix::process::CommandExt;
use std::process::Command;

/// libgomp's workers spin while they wait, unless this is `passive`.
const POLICY: &str = "OMP_WAIT_POLICY";

/// Starts the program anew with workers that sleep while they wait, unless the environment says how they shall wait.
///
/// Workers that spin slow a busy machine down tenfold. libgomp reads the variable before `main` begins, so it takes a new
/// start; that costs a fifth of a second, which short commands are spared.
pub fn restart_passive() {
    if std::env::var_os(POLICY).is_none()
        && let Ok(program) = std::env::current_exe()
    {
        // Returns only where it could not start: then it is as well to go on.
        let _ = Command::new(program).args(std::env::args_os().skip(1)).env(POLICY, "passive").exec();
    }
}
