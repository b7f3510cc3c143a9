//! A progress line on standard error: rewritten in place on a terminal, now and then a new line elsewhere.

use std::io::{IsTerminal, Write};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// How often the line is rewritten on a terminal.
const ON_TERMINAL: Duration = Duration::from_millis(250);
/// How often a line is written to a file or pipe.
const ELSEWHERE: Duration = Duration::from_secs(10);

static MUTED: AtomicBool = AtomicBool::new(false);

/// Shows no progress from here on: of several processes that do the same, one shows it.
pub fn mute() {
    MUTED.store(true, Ordering::Relaxed);
}

/// Counts towards a total and shows speed and time left.
pub struct Progress {
    label: String,
    total: u64,
    done: u64,
    /// Where this process began, which differs from 0 after a resume.
    first: u64,
    begun: Instant,
    shown: Option<Instant>,
    terminal: bool,
}

impl Progress {
    /// Starts at 0 of `total`.
    pub fn new(label: &str, total: u64) -> Self {
        Self::resumed(label, 0, total)
    }

    /// Starts at `done` of `total`.
    pub fn resumed(label: &str, done: u64, total: u64) -> Self {
        let terminal = std::io::stderr().is_terminal();
        Self { label: label.into(), total, done, first: done, begun: Instant::now(), shown: None, terminal }
    }

    /// Counts `n` more and shows the line if it is due.
    pub fn advance(&mut self, n: u64, note: &str) {
        self.done += n;
        if self.is_due() {
            self.show(note);
        }
    }

    /// Whether the next [`Progress::advance`] would show the line: notes are worth computing only then.
    pub fn is_due(&self) -> bool {
        let every = if self.terminal { ON_TERMINAL } else { ELSEWHERE };
        !MUTED.load(Ordering::Relaxed) && self.shown.unwrap_or(self.begun).elapsed() >= every
    }

    /// Shows the last state for good, if anything was shown before.
    pub fn finish(&mut self, note: &str) {
        if self.shown.is_some() {
            self.show(note);
            if self.terminal {
                eprintln!();
            }
        }
    }

    fn show(&mut self, note: &str) {
        self.shown = Some(Instant::now());
        let line = self.line(self.begun.elapsed(), note);
        // A broken standard error must not stop training.
        let mut err = std::io::stderr().lock();
        let _ = if self.terminal { write!(err, "\r\x1b[K{line}") } else { writeln!(err, "{line}") };
        let _ = err.flush();
    }

    fn line(&self, elapsed: Duration, note: &str) -> String {
        let rate = (self.done - self.first) as f64 / elapsed.as_secs_f64().max(1e-3);
        let left = self.total.saturating_sub(self.done);
        let eta = if rate > 0.0 { clock(left as f64 / rate) } else { "?".into() };
        let mut line = format!("{} {}/{} {rate:.1}/s ETA {eta}", self.label, self.done, self.total);
        if !note.is_empty() {
            line.push_str("  ");
            line.push_str(note);
        }
        line
    }
}

/// Seconds as `h:mm:ss`.
fn clock(seconds: f64) -> String {
    let s = seconds.round() as u64;
    format!("{}:{:02}:{:02}", s / 3600, s / 60 % 60, s % 60)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rate_counts_only_what_this_process_did() {
        let mut p = Progress::resumed("training", 1000, 2000);
        p.done = 1100;
        let line = p.line(Duration::from_secs(10), "loss 1");
        assert_eq!(line, "training 1100/2000 10.0/s ETA 0:01:30  loss 1");
    }
}
