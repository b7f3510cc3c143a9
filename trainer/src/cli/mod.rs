//! The command line: flags to a checked request, a request to a run, an error to one line and an exit code.

mod bench;
mod checkpoint;
mod choice;
mod data;
mod detector;
mod encoder;
mod eval;
mod export;
mod json;
mod keep;
mod minutes;
mod output;
mod portrait;
mod presets;
mod sample;
mod stage;
mod stop;
mod train;
mod workers;

use std::process::ExitCode;

use clap::error::ErrorKind;
use clap::{Parser, Subcommand};

use crate::error::{Error, Result};
use crate::support::device::Wanted;

/// Trains LatentKeypointGAN and exports it to ONNX bundles.
#[derive(Debug, Parser)]
#[command(name = "trainer", version)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
    /// Processor threads for libtorch and for reading pictures (default: all).
    #[arg(long, global = true, value_name = "N", help_heading = "Machine")]
    threads: Option<usize>,
    /// Where networks run: cpu, cuda, cuda:N or auto (a GPU if there is one). For train, detector, encoder, sample and bench.
    #[arg(long, global = true, value_name = "DEVICE", default_value = "auto", help_heading = "Machine")]
    device: Wanted,
    /// Multiply float32 numbers exactly on NVIDIA GPUs, not as TF32.
    #[arg(long, global = true, help_heading = "Machine")]
    no_tf32: bool,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Train generator and discriminator on folders or zips of pictures.
    Train(train::Train),
    /// Train the keypoint detector on pairs that the trained generator makes.
    Detector(detector::Detector),
    /// Learn keypoints, part states and the portrait networks from several pictures of each person.
    Portrait(portrait::PortraitCommand),
    /// Train the encoder to find the embeddings from which the trained generator would reconstruct a real picture.
    Encoder(encoder::Encoder),
    /// List the configurations that come with the program, or print one.
    Presets(presets::Presets),
    /// Measure the speed and memory of training on synthetic pictures.
    Bench(bench::Bench),
    /// Write a sheet of generated pictures with their keypoints.
    Sample(sample::Sample),
    /// Write the trained networks as an ONNX bundle, or check one.
    Export(export::Export),
    /// Pack pictures for training, inspect them, or render some.
    Data(data::Data),
    /// Measure a run or a bundle by the field's protocols, and write a report.
    Eval(Box<eval::Eval>),
}

impl Command {
    /// Whether it runs networks for minutes, on all threads.
    fn computes_long(&self) -> bool {
        matches!(self, Self::Train(_) | Self::Detector(_) | Self::Bench(_))
    }
}

/// Runs the program: 0 for success, 2 for a wrong request or input, 1 for other failures, 130 after Ctrl-C.
pub fn main() -> ExitCode {
    let arguments = match Arguments::try_parse() {
        Ok(arguments) => arguments,
        Err(error) => return refuse(&error),
    };
    if arguments.command.computes_long() && arguments.threads != Some(1) {
        workers::restart_passive();
    }
    choose_tf32(!arguments.no_tf32);
    match run(arguments) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            match (&error, error.exit_code()) {
                (Error::Reported(_), _) => (),
                (_, 0) => eprintln!("trainer: time is up; saved, --resume carries on"),
                (_, 130) => eprintln!("trainer: interrupted"),
                _ => eprintln!("trainer: error: {error}"),
            }
            ExitCode::from(error.exit_code())
        }
    }
}

/// Ends with what is wrong with the command line. A value that its type refuses takes one line, as everything that is
/// found later does; what is more than that also shows how the command is used.
fn refuse(error: &clap::Error) -> ExitCode {
    if error.kind() != ErrorKind::ValueValidation {
        error.exit();
    }
    let text = error.to_string();
    let line = text.lines().next().unwrap_or_default();
    eprintln!("trainer: error: {}", line.trim_start_matches("error: "));
    ExitCode::from(2)
}

fn run(arguments: Arguments) -> Result<()> {
    crate::support::interrupt::install()?;
    if let Some(n) = arguments.threads {
        let n = n.max(1);
        tch::set_num_threads(n as i32);
        rayon::ThreadPoolBuilder::new()
            .num_threads(n)
            .build_global()
            .map_err(|e| Error::Usage(format!("can't start {n} threads: {e}")))?;
    }
    match arguments.command {
        Command::Train(command) => command.run(arguments.device.open()?),
        Command::Detector(command) => command.run(arguments.device.open()?),
        Command::Portrait(command) => command.run(arguments.device.open()?),
        Command::Encoder(command) => command.run(arguments.device.open()?),
        Command::Presets(command) => command.run(),
        Command::Bench(command) => command.run(arguments.device, arguments.threads),
        Command::Sample(command) => command.run(arguments.device.open()?),
        Command::Export(command) => command.run(),
        Command::Eval(command) => command.run(),
        Command::Data(command) => command.run(),
    }
}

/// tch has no switch for TF32; libtorch and cuBLAS read these when they first need a GPU.
fn choose_tf32(allowed: bool) {
    let (name, value) =
        if allowed { ("TORCH_ALLOW_TF32_CUBLAS_OVERRIDE", "1") } else { ("NVIDIA_TF32_OVERRIDE", "0") };
    if std::env::var_os(name).is_none() {
        #[allow(unsafe_code)]
        // SAFETY: called at the start of `main`, when there is no other thread.
        unsafe {
            std::env::set_var(name, value);
        }
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    /// Every command with its path.
    fn commands(command: &clap::Command, path: &str, all: &mut Vec<(String, String)>) {
        let help = command.get_after_help().map(ToString::to_string).unwrap_or_default();
        // What only gathers others needs no example.
        if !command.has_subcommands() || !help.is_empty() {
            all.push((path.to_owned(), help));
        }
        command
            .get_subcommands()
            .filter(|c| c.get_name() != "help")
            .for_each(|c| commands(c, &format!("{path} {}", c.get_name()), all));
    }

    #[test]
    fn the_command_line_is_sound_and_every_command_has_an_example_that_parses() {
        Arguments::command().debug_assert();
        let mut all = vec![];
        commands(&Arguments::command(), "trainer", &mut all);
        assert!(all.len() >= 15, "{all:?}");
        for (path, help) in all {
            let example = help.strip_prefix("Example: ").unwrap_or_else(|| panic!("{path}: no example"));
            assert!(example.starts_with(&path) && !example.contains('\n'), "{path}: {example}");
            Arguments::try_parse_from(example.split_whitespace())
                .unwrap_or_else(|e| panic!("{example}: {e}"));
        }
    }

    #[test]
    fn aliases_are_understood() {
        for alias in ["harden", "corrupt"] {
            Arguments::try_parse_from(["trainer", "data", alias, "set", "out"]).unwrap();
        }
    }
}
