//! Ctrl-C as a flag that loops check, so that nothing is left half-written.

use std::sync::atomic::{AtomicBool, Ordering};
#[cfg(feature = "video")]
use std::sync::mpsc::{Receiver, RecvTimeoutError};
#[cfg(feature = "video")]
use std::time::{Duration, Instant};

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

/// Pause between looks at the flag while something is waited for.
#[cfg(feature = "video")]
const LOOK: Duration = Duration::from_millis(50);

/// What a wait ended with.
#[cfg(feature = "video")]
#[derive(Debug)]
pub(crate) enum Waited<T> {
    /// What was waited for.
    Came(T),
    /// It did not come in time.
    Late,
    /// Whoever was to send it is gone.
    Gone,
    /// The user asked to stop.
    Stopped,
}

/// Waits at most `patience` for what `receiver` gets, and not after the user asked to stop.
#[cfg(feature = "video")]
pub(crate) fn wait_for<T>(receiver: &Receiver<T>, patience: Duration) -> Waited<T> {
    let deadline = Instant::now() + patience;
    loop {
        let left = deadline.saturating_duration_since(Instant::now());
        match receiver.recv_timeout(left.min(LOOK)) {
            Ok(item) => return Waited::Came(item),
            Err(RecvTimeoutError::Disconnected) => return Waited::Gone,
            Err(RecvTimeoutError::Timeout) if requested() => return Waited::Stopped,
            Err(RecvTimeoutError::Timeout) if left <= LOOK => return Waited::Late,
            Err(RecvTimeoutError::Timeout) => {}
        }
    }
}
