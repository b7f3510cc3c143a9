//! Ctrl-C and SIGTERM as a question that loops ask.

use std::sync::atomic::{AtomicBool, Ordering};

use crate::error::{Error, Result};

static ASKED: AtomicBool = AtomicBool::new(false);

/// Makes Ctrl-C, SIGTERM and SIGHUP ask running loops to save and end; a second one ends at once.
///
/// # Errors
/// [`Error::Usage`] if the handler can't be installed.
pub fn install() -> Result<()> {
    ctrlc::set_handler(|| {
        if ASKED.swap(true, Ordering::SeqCst) {
            std::process::exit(130);
        }
        eprintln!("\nstopping after this step (again: at once) …");
    })
    .map_err(|e| Error::Usage(format!("can't handle Ctrl-C: {e}")))
}

/// Whether the user asked to stop.
pub fn asked() -> bool {
    ASKED.load(Ordering::SeqCst)
}

/// [`Error::Interrupted`] if the user asked to stop.
///
/// # Errors
/// Only that.
pub fn check() -> Result<()> {
    if asked() { Err(Error::Interrupted) } else { Ok(()) }
}
