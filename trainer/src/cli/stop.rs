use std::time::Duration;

use clap::Args;

use crate::train::interrupt;

#[derive(Debug, Args)]
pub struct StopAfter {
    /// Save and end with success after this many minutes, counted from the start of the program.
    #[arg(long, value_name = "MINUTES", value_parser = minutes)]
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

fn minutes(text: &str) -> Result<Duration, String> {
    let minutes: f64 = text.parse().map_err(|_| "a number of minutes".to_owned())?;
    if !(minutes > 0.0 && minutes < 1e6) {
        return Err("more than 0 minutes, below a million".into());
    }
    Ok(Duration::from_secs_f64(minutes * 60.0))
}
