//! `--log` and `RUST_LOG`: what the library tells of its work, on standard error.

use std::env;
use std::str::FromStr;

use tracing_subscriber::Layer;
use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;

/// The variable that is looked at where no flag is given.
pub const VARIABLE: &str = "RUST_LOG";

/// Which events are told of.
#[derive(Clone, Debug)]
pub struct Log(Targets);

impl FromStr for Log {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || {
            "give off, error, warn, info, debug or trace, or PART=LEVEL for parts, as lkg_runtime::media=debug,info".to_owned()
        };
        for one in text.split(',') {
            let level = one.rsplit_once('=').map_or(one, |(_, level)| level);
            // A word alone that is no level would be a part of that name, with all its events.
            level.parse::<LevelFilter>().ok().filter(|_| !level.is_empty()).ok_or_else(wrong)?;
        }
        text.parse().map(Self).map_err(|_| wrong())
    }
}

impl Log {
    /// What the environment asks for. What this program does not understand of it is meant for others.
    fn of_environment() -> Option<Self> {
        env::var(VARIABLE).ok()?.parse().ok().map(Self)
    }
}

/// Has events told of from now on, as the flag says or else the environment. Without either there is nobody to tell, and an event
/// costs next to nothing.
pub fn start(flag: Option<&Log>) {
    let Some(Log(targets)) = flag.cloned().or_else(Log::of_environment) else { return };
    let lines = tracing_subscriber::fmt::layer().with_ansi(false).with_writer(std::io::stderr);
    // Fails where there is one already, which is none of the program's own.
    tracing_subscriber::registry().with(lines.with_filter(targets)).try_init().ok();
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn levels_and_parts_are_told_from_slips() {
        for good in ["off", "info", "DEBUG", "lkg_runtime::media=trace,warn", "lkg_runtime=debug"] {
            assert!(good.parse::<Log>().is_ok(), "{good}");
        }
        for bad in ["", "loud", "lkg_runtime", "lkg_runtime=loud", "info,", "lkg_runtime[x]=5x"] {
            assert!(bad.parse::<Log>().unwrap_err().contains("PART=LEVEL"), "{bad}");
        }
    }
}
