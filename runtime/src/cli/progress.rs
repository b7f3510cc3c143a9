//! A progress line on stderr for work that takes a while.

use std::io::{IsTerminal, Write};
use std::time::{Duration, Instant};

/// How long work goes on in silence.
const PATIENCE: Duration = Duration::from_secs(2);
/// How often the line is renewed.
const INTERVAL: Duration = Duration::from_millis(200);

/// Counts towards a total; shown only after a while, and only to a person.
pub struct Progress {
    start: Instant,
    last: Instant,
    done: usize,
    total: usize,
    person: bool,
    shown: bool,
}

impl Progress {
    /// Starts counting towards `total`.
    pub fn new(total: usize) -> Self {
        let now = Instant::now();
        Self { start: now, last: now, done: 0, total, person: std::io::stderr().is_terminal(), shown: false }
    }

    /// Counts one more and renews the line when due.
    pub fn step(&mut self) {
        self.done += 1;
        let elapsed = self.start.elapsed();
        if self.person && elapsed > PATIENCE && self.last.elapsed() > INTERVAL {
            self.last = Instant::now();
            self.shown = true;
            let left = remaining(elapsed, self.done, self.total).as_secs();
            eprint!("\r\x1b[K{} of {}, {left} s left", self.done, self.total);
            std::io::stderr().flush().ok();
        }
    }

    /// Renews the line when due, for work of which a share (0 to 1) is `done`.
    pub fn share(&mut self, done: f64, what: &str) {
        if !self.person || self.last.elapsed() <= INTERVAL {
            return;
        }
        self.last = Instant::now();
        let elapsed = self.start.elapsed();
        if elapsed > PATIENCE {
            self.shown = true;
            let parts = (done * 1000.0) as usize;
            let left = remaining(elapsed, parts, 1000).as_secs();
            let rest = if parts > 0 { format!(", {left} s left") } else { String::new() };
            eprint!("\r\x1b[K{:.0} %, {what}{rest}", done * 100.0);
            std::io::stderr().flush().ok();
        }
    }

    /// Removes the line, before other output and at the end.
    pub fn clear(&mut self) {
        if std::mem::take(&mut self.shown) {
            eprint!("\r\x1b[K");
        }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.clear();
    }
}

/// The time left if the rest goes as the part that is done.
fn remaining(elapsed: Duration, done: usize, total: usize) -> Duration {
    elapsed.mul_f64(total.saturating_sub(done) as f64 / done.max(1) as f64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rest_is_expected_to_go_as_the_part_done() {
        assert_eq!(remaining(Duration::from_secs(10), 25, 100), Duration::from_secs(30));
        assert_eq!(remaining(Duration::from_secs(1), 0, 2), Duration::from_secs(2));
    }
}
