//! A child in a group of its own, so that what it starts ends with it.

use std::os::unix::process::CommandExt;
use std::process::{Child, Command, ExitStatus};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process_group};

/// Groups of children that run, for an exit that drops nothing.
static RUNNING: Mutex<Vec<Pid>> = Mutex::new(Vec::new());

fn running() -> MutexGuard<'static, Vec<Pid>> {
    // A panic elsewhere leaves it whole: every change of it is a single call.
    RUNNING.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Kills every child that still runs, with what it started: for the end of the program.
pub fn kill_all() {
    for group in running().drain(..) {
        kill_process_group(group, Signal::KILL).ok();
    }
}

/// A child with all that it starts. Killed and waited for when dropped.
#[derive(Debug)]
pub(in crate::media) struct Group {
    child: Child,
    group: Option<Pid>,
}

impl Group {
    /// Starts `command`.
    ///
    /// # Errors
    /// Those of [`Command::spawn`].
    pub fn start(command: &mut Command) -> std::io::Result<Self> {
        // Held until the group is noted, or a child started at the end of the program would be left.
        let mut running = running();
        let child = command.process_group(0).spawn()?;
        let group = Pid::from_raw(child.id().cast_signed());
        running.extend(group);
        Ok(Self { child, group })
    }

    /// The child, for its pipes.
    pub fn process(&mut self) -> &mut Child {
        &mut self.child
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

    /// Asks all of it to end, and gives the child `grace` for that.
    pub fn end(&mut self, grace: Duration) {
        if let Some(group) = self.group {
            // The group may outlive its first process, so it is signalled even when that has ended.
            kill_process_group(group, Signal::TERM).ok();
        }
        self.wait(grace);
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        if let Some(group) = self.group {
            kill_process_group(group, Signal::KILL).ok();
            running().retain(|g| *g != group);
        }
        self.child.kill().ok();
        // Whether it ended by itself or not, it is waited for, so that no zombie stays.
        self.child.wait().ok();
    }
}

#[cfg(test)]
mod tests {
    use std::io::{BufRead, BufReader};
    use std::path::Path;
    use std::process::Stdio;

    use super::*;

    /// What a program in the place of ffmpeg had started went on after the end of this one.
    #[test]
    fn what_a_child_started_ends_with_it() {
        let script = "sleep 600 & echo $!; exit 0";
        let mut group = Group::start(Command::new("sh").args(["-c", script]).stdout(Stdio::piped())).unwrap();
        let mut pid = String::new();
        BufReader::new(group.process().stdout.take().unwrap()).read_line(&mut pid).unwrap();
        assert!(group.wait(Duration::from_secs(10)).is_some_and(|status| status.success()));
        let process = format!("/proc/{}", pid.trim());
        let runs = || {
            let status = std::fs::read_to_string(Path::new(&process).join("status")).unwrap_or_default();
            status.lines().any(|line| line.starts_with("State:") && !line.contains('Z'))
        };
        assert!(runs());
        drop(group);
        let deadline = Instant::now() + Duration::from_secs(10);
        while runs() && Instant::now() < deadline {
            std::thread::sleep(Duration::from_millis(5));
        }
        assert!(!runs());
    }
}
