//! What every live command does with its [`LiveArgs`]: resolve them, open source, window and sinks, and report the run.

mod args;
mod config;
mod report;
mod wiring;

pub(in crate::cli) use self::args::FRAMES;
pub use self::args::LiveArgs;
pub(super) use self::config::{Files, LiveConfig};
pub(super) use self::report::{exit_code, where_it_runs, write_report};
pub(super) use self::wiring::{Wiring, open, opener, window};
