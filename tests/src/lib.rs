//! What the workspace tests share.

pub mod checkout;
pub mod tiny;

use std::path::PathBuf;
use std::process::{Command, Output};

/// A program of the workspace, built in the same profile as the tests.
///
/// # Panics
/// If it has not been built, or would read the configuration file of whoever runs the tests.
pub fn program(name: &str) -> PathBuf {
    let none = std::env::var_os("LKG_CONFIG").is_some_and(|name| name.is_empty());
    assert!(none, "LKG_CONFIG is not empty: run the tests with cargo, which empties it (.cargo/config.toml)");
    let test = std::env::current_exe().unwrap_or_default();
    let path = test.parent().and_then(|deps| deps.parent()).map(|p| p.join(name)).unwrap_or_default();
    assert!(
        path.is_file(),
        "{} is not built; build {name} in the profile of the tests first",
        path.display()
    );
    path
}

/// Runs `runtime` with `args`, away from any bundle that the environment may name.
///
/// # Panics
/// If it does not start.
pub fn runtime(args: &[&str]) -> Outcome {
    run("runtime", args)
}

/// Runs `trainer` with `args`.
///
/// # Panics
/// If it does not start.
pub fn trainer(args: &[&str]) -> Outcome {
    run("trainer", args)
}

fn run(name: &'static str, args: &[&str]) -> Outcome {
    match Command::new(program(name)).args(args).env_remove("LKG_BUNDLE").output() {
        Ok(output) => Outcome::of(name, &output),
        Err(e) => panic!("{name} does not start: {e}"),
    }
}

/// What a finished program left.
#[derive(Debug)]
pub struct Outcome {
    /// The program.
    pub name: &'static str,
    /// Exit code, -1 if a signal ended it.
    pub code: i32,
    /// Standard output.
    pub stdout: String,
    /// Standard error.
    pub stderr: String,
}

impl Outcome {
    /// What the program `name` left in `output`.
    pub fn of(name: &'static str, output: &Output) -> Self {
        Self {
            name,
            code: output.status.code().unwrap_or(-1),
            stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
        }
    }

    /// Asserts exit code 0 and returns standard output.
    ///
    /// # Panics
    /// If it is otherwise.
    pub fn succeeded(&self) -> &str {
        assert!(self.code == 0, "expected success: {self:?}");
        &self.stdout
    }

    /// Asserts exit code 2, nothing on stdout and one line on stderr that contains `part`.
    ///
    /// # Panics
    /// If it is otherwise.
    pub fn refused(&self, part: &str) {
        let start = format!("{}: error: ", self.name);
        let one_line = self.stderr.lines().count() == 1 && self.stderr.starts_with(&start);
        assert!(
            self.code == 2 && self.stdout.is_empty() && one_line && self.stderr.contains(part),
            "expected a refusal with {part:?}: {self:?}"
        );
    }
}
