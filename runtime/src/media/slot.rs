//! The slot between a thread that makes things and one that uses them: the newest wins, nothing queues up.

use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// What a wait on a [`Slot`] ended with.
#[derive(Debug, PartialEq, Eq)]
pub enum Taken<T> {
    /// The newest item.
    Item(T),
    /// Nothing came in time.
    Nothing,
    /// The maker closed the slot, and nothing is left in it.
    Closed,
}

struct State<T> {
    item: Option<T>,
    closed: bool,
}

/// A place for one item, shared by clones. Putting replaces what lies there.
pub struct Slot<T> {
    shared: Arc<(Mutex<State<T>>, Condvar)>,
}

impl<T> Clone for Slot<T> {
    fn clone(&self) -> Self {
        Self { shared: Arc::clone(&self.shared) }
    }
}

impl<T> Default for Slot<T> {
    fn default() -> Self {
        let state = State { item: None, closed: false };
        Self { shared: Arc::new((Mutex::new(state), Condvar::new())) }
    }
}

impl<T> Slot<T> {
    fn lock(&self) -> MutexGuard<'_, State<T>> {
        // A panic elsewhere leaves the state whole: every change of it is a single assignment.
        self.shared.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Puts an item, and gives back the one that nobody took.
    pub fn put(&self, item: T) -> Option<T> {
        let old = self.lock().item.replace(item);
        self.shared.1.notify_one();
        old
    }

    /// Says that nothing more will come; the last item can still be taken.
    pub fn close(&self) {
        self.lock().closed = true;
        self.shared.1.notify_all();
    }

    /// Whether either side has closed the slot.
    pub fn is_closed(&self) -> bool {
        self.lock().closed
    }

    /// Waits until what lies there was taken, or the slot is closed.
    pub fn wait_taken(&self) {
        let mut state = self.lock();
        while state.item.is_some() && !state.closed {
            state = self.shared.1.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// Takes the newest item, waiting at most `timeout` for one.
    pub fn take(&self, timeout: Duration) -> Taken<T> {
        let deadline = Instant::now() + timeout;
        let mut state = self.lock();
        loop {
            if let Some(item) = state.item.take() {
                self.shared.1.notify_all();
                return Taken::Item(item);
            }
            if state.closed {
                return Taken::Closed;
            }
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Taken::Nothing;
            }
            let waited = self.shared.1.wait_timeout(state, left);
            state = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_item_wins() {
        let slot = Slot::default();
        assert_eq!(slot.put(1), None);
        assert_eq!(slot.put(2), Some(1));
        assert_eq!(slot.take(Duration::ZERO), Taken::Item(2));
        assert_eq!(slot.take(Duration::ZERO), Taken::Nothing);
    }

    #[test]
    fn a_slow_taker_sees_only_the_last_of_a_thousand() {
        let slot = Slot::default();
        let maker = slot.clone();
        let dropped = std::thread::spawn(move || (0..1000).filter_map(|i| maker.put(i)).count());
        let dropped = dropped.join().unwrap();
        assert_eq!((slot.take(Duration::from_secs(5)), dropped), (Taken::Item(999), 999));
    }

    #[test]
    fn a_wait_ends_in_time_and_on_closing() {
        let slot = Slot::<u8>::default();
        let start = Instant::now();
        assert_eq!(slot.take(Duration::from_millis(30)), Taken::Nothing);
        assert!(start.elapsed() >= Duration::from_millis(30));
        let closer = slot.clone();
        let thread = std::thread::spawn(move || closer.close());
        assert_eq!(slot.take(Duration::from_secs(10)), Taken::Closed);
        thread.join().unwrap();
        assert!(start.elapsed() < Duration::from_secs(5));
    }

    #[test]
    fn what_lies_in_a_closed_slot_can_still_be_taken() {
        let slot = Slot::default();
        slot.put(7);
        slot.close();
        assert_eq!(slot.take(Duration::ZERO), Taken::Item(7));
        assert_eq!(slot.take(Duration::ZERO), Taken::Closed);
    }
}
