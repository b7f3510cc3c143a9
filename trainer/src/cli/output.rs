//! What commands print for people and programs: to standard output.

use std::fmt::Arguments;
use std::io::{ErrorKind, Write};

/// Prints a line. A reader that went away, as `head` does, ends the program, and it is no failure.
pub fn line(text: Arguments<'_>) {
    if let Err(e) = writeln!(std::io::stdout().lock(), "{text}") {
        if e.kind() == ErrorKind::BrokenPipe {
            std::process::exit(0);
        }
        eprintln!("trainer: error: standard output: {e}");
        std::process::exit(1);
    }
}

/// `println!` that survives a reader that went away.
macro_rules! print_line {
    ($($text:tt)*) => { $crate::cli::output::line(format_args!($($text)*)) };
}
pub(crate) use print_line;
