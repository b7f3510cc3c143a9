use std::io::{BufRead, BufReader, Read};
use std::process::{ChildStdout, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::group::Group;
use crate::error::media::{Error, Result};

/// How long a child may take to end after it was asked to. A camera service that is killed outright may keep the camera.
const GRACE: Duration = Duration::from_millis(700);

/// Most of a line of the child's words that is kept, in bytes.
const LONGEST: u64 = 400;

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // A panic elsewhere leaves these whole: every change of them is a single call.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A child that sends frames, and what it says. Asked to end and waited for when dropped.
pub(super) struct Process {
    group: Group,
    said: Arc<Mutex<String>>,
    /// A secret of the child that nobody else should read.
    secret: Option<String>,
}

impl Process {
    /// Starts a program with its arguments; no shell sees them. Gives its standard output, too. `secret` is left out of
    /// what it is said to have said.
    ///
    /// # Errors
    /// [`Error::NeedsProgram`] or [`Error::Io`].
    pub fn start(words: &[String], secret: Option<String>) -> Result<(Self, ChildStdout)> {
        let (program, arguments) = words.split_first().ok_or(Error::NoCommand)?;
        let mut command = Command::new(program);
        command.args(arguments).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut group = Group::start(&mut command).map_err(|e| match e.kind() {
            std::io::ErrorKind::NotFound => Error::needs_program(program),
            _ => Error::io(program)(e),
        })?;
        let said = Arc::new(Mutex::new(String::new()));
        if let Some(stderr) = group.process().stderr.take() {
            let said = Arc::clone(&said);
            std::thread::spawn(move || keep_last_line(stderr, &said));
        }
        let stdout = group.process().stdout.take();
        let process = Self { group, said, secret };
        let stdout = stdout.ok_or_else(|| Error::io(program)(std::io::ErrorKind::BrokenPipe.into()))?;
        Ok((process, stdout))
    }

    /// Waits at most `patience` for the child to end by itself.
    pub fn wait(&mut self, patience: Duration) -> Option<ExitStatus> {
        self.group.wait(patience)
    }

    /// Why the child ended, in its own last words where it said any.
    pub fn reason(&mut self, status: Option<ExitStatus>) -> String {
        // Its last words may still be on their way.
        std::thread::sleep(Duration::from_millis(20));
        let mut said = lock(&self.said).clone();
        if let Some(secret) = self.secret.as_deref().filter(|s| !s.is_empty()) {
            said = said.replace(&format!("{secret}@"), "").replace(secret, "***");
        }
        let how = match status {
            None => "it runs and sends nothing".to_owned(),
            Some(status) if status.success() => "it ended".to_owned(),
            Some(status) => status.to_string(),
        };
        if said.is_empty() { how } else { format!("{said} ({how})") }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.group.end(GRACE);
    }
}

/// Reads what the child says to its end, so that it never waits for us, and keeps the last line.
fn keep_last_line(stderr: impl Read, said: &Mutex<String>) {
    let mut reader = BufReader::new(stderr);
    let mut line = Vec::new();
    while matches!(reader.by_ref().take(LONGEST).read_until(b'\n', &mut line), Ok(n) if n > 0) {
        let text = crate::error::one_line(&String::from_utf8_lossy(&line));
        let text: String = text.chars().filter(|c| !c.is_control()).collect();
        if !text.is_empty() {
            *lock(said) = text;
        }
        line.clear();
    }
}
