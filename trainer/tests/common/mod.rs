//! What several test programs need.

use std::sync::{Mutex, MutexGuard, PoisonError};

/// libtorch has one random generator in a process: tests that need its numbers take turns.
pub fn alone() -> MutexGuard<'static, ()> {
    static TURN: Mutex<()> = Mutex::new(());
    // Networks this small are faster on one thread, the more so where other tests run.
    tch::set_num_threads(1);
    TURN.lock().unwrap_or_else(PoisonError::into_inner)
}
