//! Ctrl-C as a flag that loops check, so that nothing is left half-written.

use std::sync::atomic::{AtomicBool, Ordering};

use crate::error::{Error, Result};

static REQUESTED: AtomicBool = AtomicBool::new(false);

/// Makes Ctrl-C (and SIGTERM, SIGHUP) set the flag; a second one ends the process at once with code 130, after `cleanup`.
///
/// # Errors
/// [`Error::Io`] if the handler cannot be set, for instance because one is set already.
#[cfg(feature = "cli")]
pub fn install(cleanup: fn()) -> Result<()> {
    ctrlc::set_handler(move || {
        if REQUESTED.swap(true, Ordering::SeqCst) {
            cleanup();
            std::process::exit(130);
        }
    })
    .map_err(|e| Error::Io {
        what: "setting the Ctrl-C handler".to_owned(),
        source: std::io::Error::other(e),
    })
}

/// Whether the user asked to stop.
pub fn requested() -> bool {
    REQUESTED.load(Ordering::SeqCst)
}

/// [`Error::Interrupted`] if the user asked to stop.
///
/// # Errors
/// That one.
pub fn check() -> Result<()> {
    if requested() { Err(Error::Interrupted) } else { Ok(()) }
}
