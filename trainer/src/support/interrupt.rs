//! Ctrl-C, SIGTERM and time limits as a question that loops ask.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use crate::error::{Error, Result};

static ASKED: AtomicBool = AtomicBool::new(false);
static DEADLINE: OnceLock<Instant> = OnceLock::new();

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

/// Makes running loops save and end once `time` has passed. Only the first call counts.
pub fn stop_after(time: Duration) {
    let _ = DEADLINE.set(Instant::now() + time);
}

fn time_is_up() -> bool {
    DEADLINE.get().is_some_and(|deadline| Instant::now() >= *deadline)
}

/// Whether the user asked to stop, or the time given is over.
pub fn asked() -> bool {
    ASKED.load(Ordering::SeqCst) || time_is_up()
}

/// [`Error::Interrupted`] if the user asked to stop.
///
/// # Errors
/// Only that.
pub fn check() -> Result<()> {
    if ASKED.load(Ordering::SeqCst) { Err(Error::Interrupted) } else { Ok(()) }
}

/// Ends a training loop that has saved: [`Error::Interrupted`] or [`Error::TimeUp`] if it should. What comes before
/// training asks [`check`] instead, so that however short the time a run has a checkpoint to carry on from.
///
/// # Errors
/// Only those.
pub fn end() -> Result<()> {
    check()?;
    if time_is_up() { Err(Error::TimeUp) } else { Ok(()) }
}
