//! As a service of systemd: reports that the live loop has begun and goes on turning, so that one that hangs is started
//! anew (`WatchdogSec`). Elsewhere nothing is reported.

use std::sync::Mutex;
use std::time::{Duration, Instant};

use sd_notify::NotifyState;

use crate::interrupt;

/// Between signs of life.
const EVERY: Duration = Duration::from_secs(1);

/// Whether the live loop is to stop. Asked by every turn of the loop, and so the sign that it turns.
pub(super) fn stop() -> bool {
    static REPORTED: Mutex<Option<Instant>> = Mutex::new(None);
    if let Ok(mut reported) = REPORTED.lock()
        && let Some(states) = due(&mut reported, Instant::now())
    {
        // Without systemd nobody listens; with it a lost message is made up for by the next.
        sd_notify::notify(states).ok();
    }
    interrupt::requested()
}

/// What to report at `now`, if anything; `reported` is when something was last.
fn due(reported: &mut Option<Instant>, now: Instant) -> Option<&'static [NotifyState<'static>]> {
    let states: &[NotifyState<'_>] = match reported {
        None => &[NotifyState::Ready, NotifyState::Watchdog],
        Some(last) if now.saturating_duration_since(*last) >= EVERY => &[NotifyState::Watchdog],
        Some(_) => return None,
    };
    *reported = Some(now);
    Some(states)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn readiness_is_reported_once_and_life_once_a_second() {
        let start = Instant::now();
        let mut reported = None;
        let mut at = |ms| due(&mut reported, start + Duration::from_millis(ms)).map(<[_]>::len);
        assert_eq!(
            [at(0), at(10), at(999), at(1000), at(1500), at(2000)],
            [Some(2), None, None, Some(1), None, Some(1)]
        );
    }
}
