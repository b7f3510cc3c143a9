use std::time::Duration;

use clap::Args;

use super::minutes;
use crate::support::interrupt;

#[derive(Debug, Args)]
pub struct StopAfter {
    /// Save and end with success after this many minutes, counted from the start of the program.
    #[arg(long, value_name = "MINUTES", value_parser = minutes::some)]
    stop_after: Option<Duration>,
}

impl StopAfter {
    /// Starts the clock.
    pub fn begin(&self) {
        if let Some(time) = self.stop_after {
            interrupt::stop_after(time);
        }
    }
}
