use std::io::{BufRead, BufReader, Read};
use std::os::unix::process::CommandExt;
use std::process::{Child, ChildStdout, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process_group};

use crate::error::media::{Error, Result};

/// How long a child may take to end after it was asked to. A camera service that is killed outright may keep the camera.
const GRACE: Duration = Duration::from_millis(700);

/// Most of a line of the child's words that is kept, in bytes.
const LONGEST: u64 = 400;

/// Groups of children that run, for an exit that drops nothing.
static RUNNING: Mutex<Vec<Pid>> = Mutex::new(Vec::new());

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // A panic elsewhere leaves these whole: every change of them is a single call.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Kills every child that still runs, with what it started: for the end of the program.
pub fn kill_all() {
    for group in lock(&RUNNING).drain(..) {
        kill_process_group(group, Signal::KILL).ok();
    }
}

/// A child in a group of its own, so that what it starts goes with it. Ended and waited for when dropped.
pub(super) struct Process {
    child: Child,
    group: Option<Pid>,
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
        let mut child = Command::new(program)
            .args(arguments)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .process_group(0)
            .spawn()
            .map_err(|e| match e.kind() {
                std::io::ErrorKind::NotFound => Error::needs_program(program),
                _ => Error::io(program)(e),
            })?;
        let group = Pid::from_raw(child.id().cast_signed());
        lock(&RUNNING).extend(group);
        let said = Arc::new(Mutex::new(String::new()));
        if let Some(stderr) = child.stderr.take() {
            let said = Arc::clone(&said);
            std::thread::spawn(move || keep_last_line(stderr, &said));
        }
        let stdout = child.stdout.take();
        let process = Self { child, group, said, secret };
        let stdout = stdout.ok_or_else(|| Error::io(program)(std::io::ErrorKind::BrokenPipe.into()))?;
        Ok((process, stdout))
    }

    /// Waits at most `patience` for the child to end by itself.
    pub fn wait(&mut self, patience: Duration) -> Option<ExitStatus> {
        let deadline = Instant::now() + patience;
        loop {
            match self.child.try_wait() {
                Ok(Some(status)) => return Some(status),
                Ok(None) if Instant::now() < deadline => std::thread::sleep(Duration::from_millis(5)),
                _ => return None,
            }
        }
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
        if let Some(group) = self.group {
            // The group may outlive its first process, so it is signalled even when that has ended.
            kill_process_group(group, Signal::TERM).ok();
            self.wait(GRACE);
            kill_process_group(group, Signal::KILL).ok();
            lock(&RUNNING).retain(|g| *g != group);
        }
        self.child.kill().ok();
        self.child.wait().ok();
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
