//! A question to a program that is to answer and end: within bounds of length and time, and no longer than the user waits.

use std::io::Read;
use std::process::{Command, ExitStatus, Stdio};
use std::sync::mpsc::channel;
use std::time::{Duration, Instant};

use crate::interrupt::{Waited, requested, wait_for};
use crate::media::child::Group;

/// Most of an answer, in bytes.
const LONGEST: u64 = 1 << 20;
/// How much of the end of what is said beside it is kept, in bytes.
const KEPT: usize = 4096;
/// Most time in which a file's head is read.
pub(super) const SOON: Duration = Duration::from_secs(10);

/// How long the last words of a program that ended may take to arrive.
const LAST_WORDS: Duration = Duration::from_secs(1);

/// What a program answered.
pub(super) struct Answer {
    /// What it wrote to standard output.
    pub output: Vec<u8>,
    /// The last of what it wrote to standard error.
    pub said: Vec<u8>,
    pub status: ExitStatus,
}

/// Why there is no answer.
#[derive(Debug)]
pub(super) enum Failure {
    /// It does not start, or cannot be waited for.
    Io(std::io::Error),
    /// It went on for too long.
    Late,
    /// It said more than an answer.
    Endless,
    /// The user asked to stop.
    Stopped,
}

/// Starts `command` and gives what it says until it ends.
///
/// # Errors
/// [`Failure`]; the program is ended then.
pub(super) fn ask(command: &mut Command, patience: Duration) -> Result<Answer, Failure> {
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = Group::start(command).map_err(Failure::Io)?;
    let deadline = Instant::now() + patience;
    let (sender, heard) = channel();
    let (tell, said) = channel();
    if let Some(pipe) = child.process().stderr.take() {
        std::thread::spawn(move || tell.send(end_of(pipe)).ok());
    }
    if let Some(pipe) = child.process().stdout.take() {
        std::thread::spawn(move || {
            let mut output = Vec::new();
            pipe.take(LONGEST + 1).read_to_end(&mut output).ok();
            // Nobody listens after a failure.
            sender.send(output).ok();
        });
    }
    let output = match wait_for(&heard, patience) {
        Waited::Came(output) if output.len() as u64 > LONGEST => return Err(Failure::Endless),
        Waited::Came(output) => output,
        Waited::Stopped => return Err(Failure::Stopped),
        Waited::Late | Waited::Gone => return Err(Failure::Late),
    };
    // It may have closed its output and go on.
    let status = loop {
        match child.process().try_wait().map_err(Failure::Io)? {
            Some(status) => break status,
            None if requested() => return Err(Failure::Stopped),
            None if Instant::now() >= deadline => return Err(Failure::Late),
            None => std::thread::sleep(Duration::from_millis(5)),
        }
    };
    // What it started may hold that pipe open.
    let said = said.recv_timeout(LAST_WORDS).unwrap_or_default();
    Ok(Answer { output, said, status })
}

/// Reads `pipe` to its end and keeps the last of it.
fn end_of(mut pipe: impl Read) -> Vec<u8> {
    let (mut kept, mut piece) = (Vec::new(), [0; 4096]);
    while let Ok(n @ 1..) = pipe.read(&mut piece) {
        kept.extend_from_slice(&piece[..n]);
        if kept.len() > 2 * KEPT {
            kept.drain(..kept.len() - KEPT);
        }
    }
    kept
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shell(script: &str, patience: Duration) -> Result<Answer, Failure> {
        ask(Command::new("sh").args(["-c", script]), patience)
    }

    #[test]
    fn what_is_said_and_how_it_ended_comes_back() {
        let answer =
            shell("echo to one; echo to another >&2; exit 3", SOON).unwrap_or_else(|e| panic!("{e:?}"));
        assert_eq!((&answer.output[..], &answer.said[..]), (&b"to one\n"[..], &b"to another\n"[..]));
        assert_eq!(answer.status.code(), Some(3));
        let long = shell("seq 100000 >&2", SOON).unwrap_or_else(|e| panic!("{e:?}"));
        assert!(long.said.len() <= 2 * KEPT && long.said.ends_with(b"\n99999\n100000\n"));
    }

    /// An endless answer was kept until memory ended, and one that never came was waited for.
    #[test]
    fn what_never_ends_is_ended() {
        assert!(matches!(shell("exec yes", SOON), Err(Failure::Endless)));
        assert!(matches!(shell("exec yes >&2", Duration::from_millis(200)), Err(Failure::Late)));
        assert!(matches!(shell("exec sleep 60", Duration::from_millis(200)), Err(Failure::Late)));
        // What it started held its pipes open.
        let answer = shell("sleep 60 >/dev/null & echo done", SOON).unwrap_or_else(|e| panic!("{e:?}"));
        assert_eq!((&answer.output[..], answer.status.code()), (&b"done\n"[..], Some(0)));
        let missing = ask(&mut Command::new("/no/such/program"), SOON);
        assert!(matches!(missing, Err(Failure::Io(e)) if e.kind() == std::io::ErrorKind::NotFound));
    }
}
