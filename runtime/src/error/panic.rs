//! Faults of the program itself, told in a line as everything else is.

use std::any::Any;
use std::cell::Cell;
use std::panic::{self, AssertUnwindSafe};

use super::one_line;

thread_local! {
    /// Whether this thread's panics are caught and told by [`guard`].
    static GUARDED: Cell<bool> = const { Cell::new(false) };
}

/// Does `work`, in which a library may panic on what a file holds: then that is the error.
///
/// # Errors
/// What the panic said. What `work` was changing has no meaning then.
pub(crate) fn guard<T>(work: impl FnOnce() -> T) -> Result<T, String> {
    let before = GUARDED.replace(true);
    let done = panic::catch_unwind(AssertUnwindSafe(work));
    GUARDED.set(before);
    done.map_err(|said| format!("reading it failed: {}; please report this", text(said.as_ref())))
}

/// Has panics of the program told on one line of standard error, and those that [`guard`] catches not at all.
#[cfg_attr(not(feature = "cli"), allow(dead_code))]
pub(crate) fn tell_on_one_line() {
    panic::set_hook(Box::new(|info| {
        if GUARDED.get() {
            return;
        }
        let place = info.location().map_or_else(String::new, |l| format!(" at {}:{}", l.file(), l.line()));
        let said = one_line(&text(info.payload()));
        eprintln!("runtime: error: a fault of the program{place}: {said}; please report this");
    }));
}

/// What a panic says.
fn text(said: &(dyn Any + Send)) -> String {
    let words = said.downcast_ref::<&str>().map(|s| (*s).to_owned());
    words.or_else(|| said.downcast_ref::<String>().cloned()).unwrap_or_else(|| "a panic".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_becomes_an_error() {
        assert_eq!(guard(|| 7), Ok(7));
        let said = guard(|| -> u8 { panic!("index {} is out of range", 9) }).unwrap_err();
        assert!(said.contains("index 9 is out of range"), "{said}");
        assert!(!GUARDED.get());
    }
}
