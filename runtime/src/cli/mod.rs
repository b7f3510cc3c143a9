//! The command line: arguments are parsed, resolved into what was checked, then run. Errors are reported here, once.

pub mod args;
mod bench;
mod bench_args;
mod by_name;
mod cache;
mod clip;
mod config;
mod config_file;
mod detect;
mod detect_clip;
mod devices;
mod doctor;
mod edit;
mod generate;
mod interpolate;
mod live;
mod locate;
pub mod log;
mod output;
mod paths;
mod pipe;
mod progress;
mod reenact;
mod reenact_args;
mod reenact_driver;
mod serve;
mod serve_args;
mod service;
mod tool_args;
mod verify;
mod warm;
mod webcam;

use std::env;
use std::process::ExitCode;

use clap::CommandFactory;
use clap::error::ErrorKind;

use self::args::{Cli, Command};
use self::config_file::{Parsed, Refused};
use crate::error::{Error, Result, one_line, panic, printable};
use crate::interrupt;
use crate::media::{child, recover};

pub use self::config_file::{check_text, program};
pub use self::locate::open_bundle;

/// Exit code for problems that were reported on the way.
const REPORTED: u8 = 2;

/// Runs the program. The exit code is 0 for success, 2 for what the user can fix, 130 for Ctrl-C, 1 for failures of
/// the program or the machine.
pub fn main() -> ExitCode {
    panic::tell_on_one_line();
    // The hook has told of it.
    std::panic::catch_unwind(start).unwrap_or(ExitCode::FAILURE)
}

fn start() -> ExitCode {
    recover::tell(remark);
    let parsed = match config_file::parse(env::args_os().collect()) {
        Ok(parsed) => parsed,
        Err(Refused::Line(e)) => return refuse(&e),
        Err(Refused::File(e)) => {
            report(&e);
            return ExitCode::from(e.exit_code());
        }
    };
    log::start(parsed.cli.common.log.as_ref());
    let outcome = interrupt::install(child::kill_all).and_then(|()| run(parsed));
    // One that was being started when the run ended belongs to nobody.
    child::kill_all();
    match outcome {
        Ok(code) => ExitCode::from(code),
        // A reader that has seen enough, as `head` has, is no failure.
        Err(e) if e.is_broken_pipe() => ExitCode::SUCCESS,
        Err(e) => {
            report(&e);
            ExitCode::from(e.exit_code())
        }
    }
}

fn run(Parsed { cli, applied }: Parsed) -> Result<u8> {
    if let Some((path, flags)) = &applied {
        tracing::info!(path = %path.display(), ?flags, "configuration file");
    }
    if let Some((path, flags)) = applied.filter(|(_, flags)| cli.common.verbose && !flags.is_empty()) {
        remark(&format!("{} sets {}", path.display(), flags.join(", ")));
    }
    match cli.command {
        Command::Detect(args) => detect::run(&cli.common, &args),
        Command::Generate(args) => generate::run(&cli.common, &args),
        Command::Edit(args) => edit::run(&cli.common, &args),
        Command::Reenact(args) => reenact::run(&cli.common, &args),
        Command::Webcam(args) => webcam::run(&cli.common, &args),
        Command::Bench(args) => bench::run(&cli.common, &args),
        Command::Verify(args) => verify::run(&cli.common, &args),
        Command::Devices(args) => devices::run(&args),
        Command::Doctor(args) => doctor::run(&cli.common, &args),
        Command::Warm(args) => warm::run(&cli.common, &args),
        Command::Cache(args) => cache::run(&args),
        Command::Completions(args) => completions(args.shell),
        Command::Config(args) => config::run(&cli.common, &args),
    }
}

/// Prints the completions of a shell.
fn completions(shell: clap_complete::Shell) -> Result<u8> {
    let mut text = Vec::new();
    clap_complete::generate(shell, &mut Cli::command(), "runtime", &mut text);
    let mut output = output::Output::new();
    output.text(&text)?;
    output.flush()?;
    Ok(0)
}

/// Writes an error to stderr, on one line.
fn report(error: &Error) {
    eprintln!("runtime: error: {}", one_line(&error.to_string()));
}

/// Writes a remark to stderr.
fn remark(text: &str) {
    eprintln!("runtime: {}", printable(text));
}

/// What clap says, but for a suggestion of a flag's old name that no help lists.
fn without_hidden(error: &clap::Error) -> String {
    let text = error.to_string();
    let hint = "\n\n  tip: a similar argument exists: '--ep'";
    text.replace(hint, "")
}

/// Shows help and version as asked, and anything else that clap says as one line.
fn refuse(error: &clap::Error) -> ExitCode {
    if matches!(error.kind(), ErrorKind::DisplayHelp | ErrorKind::DisplayVersion) {
        error.print().ok();
        return ExitCode::SUCCESS;
    }
    if error.kind() == ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand {
        error.print().ok();
        return ExitCode::from(2);
    }
    if error.kind() == ErrorKind::InvalidUtf8 {
        eprintln!(
            "runtime: error: a name that is not UTF-8 is taken for pictures of detect alone: rename the file"
        );
        return ExitCode::from(2);
    }
    let text = without_hidden(error);
    let message = text.split("\n\nUsage:").next().unwrap_or_default();
    let message = message.split("\n\nFor more information").next().unwrap_or_default();
    let message = message.strip_prefix("error: ").unwrap_or(message);
    eprintln!("runtime: error: {} (see --help)", one_line(message));
    ExitCode::from(2)
}
