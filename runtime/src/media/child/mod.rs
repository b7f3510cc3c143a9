//! Frames from a child process: any program that writes y4m or bare RGB to its standard output is a camera.

mod command;
mod process;

use std::io::BufReader;
use std::os::unix::process::ExitStatusExt;
use std::process::{ChildStdout, ExitStatus};
use std::sync::mpsc::{SyncSender, sync_channel};
use std::time::{Duration, Instant};

use image::RgbImage;

use self::command::Wanted;
use self::process::Process;
use super::frame_pool::FramePool;
use super::raw::{RawFormat, RawFrame, RawFrames, RawHint};
use super::slot::{Slot, Taken};
use super::source::{Captured, Next, Source, SourceOptions};
use crate::error::media::{Error, Result};
use crate::error::panic::guard;
use crate::frame::Frame;
use crate::interrupt::{Waited, wait_for};

pub(super) use self::command::csi_sensor;
pub use self::command::{CommandLine, RtspAddress};
pub use self::process::kill_all;

/// How long a child whose output ended may take to end itself.
const ENDING: Duration = Duration::from_secs(2);

/// How far ahead of their stream's own rate frames of a program may come: a camera's come when they are due, but its first
/// one may have been late; those of a file come as fast as they are decoded.
const SLACK: Duration = Duration::from_millis(250);

/// A frame on its way out of the reader.
struct Arrived {
    frame: RawFrame,
    index: u64,
}

/// Shows what a child process sends, the newest frame only.
pub(super) struct ChildSource {
    name: String,
    format: RawFormat,
    slot: Slot<std::result::Result<Arrived, String>>,
    /// Dropped after the slot is closed, so that the reader has let go of the pipe.
    process: Process,
    /// When the first frame came; times count from there.
    start: Option<Instant>,
    /// Whether the child may end: a camera does not.
    ends: bool,
    pool: FramePool,
}

impl ChildSource {
    /// Starts a command and waits for its first bytes. It may end, and then its frames do.
    ///
    /// # Errors
    /// The program is missing, or sends no frames.
    pub fn exec(line: &CommandLine, options: &SourceOptions) -> Result<Self> {
        Self::start(line.words(), format!("exec:{line}"), None, options, true)
    }

    /// Opens sensor `number` (0 to 15) of a Jetson's CSI connectors.
    ///
    /// # Errors
    /// The size cannot be had, GStreamer is missing, or no frames come.
    pub fn csi(sensor: u8, options: &SourceOptions) -> Result<Self> {
        let words = command::csi(sensor, Wanted { size: options.size, fps: options.fps })?;
        Self::start(&words, format!("csi://{sensor}"), None, options, false)
    }

    /// Opens a network camera.
    ///
    /// # Errors
    /// Neither ffmpeg nor GStreamer is there, or no frames come.
    pub fn rtsp(address: &RtspAddress, options: &SourceOptions) -> Result<Self> {
        let words = command::rtsp(address, command::is_installed);
        let secret = address.secret().map(str::to_owned);
        Self::start(&words, address.without_secret(), secret, options, false)
    }

    fn start(
        words: &[String],
        name: String,
        secret: Option<String>,
        options: &SourceOptions,
        ends: bool,
    ) -> Result<Self> {
        let hint = RawHint { size: options.size, fps: options.fps };
        let patience = options.patience;
        // Its arguments may hold a password.
        tracing::info!(source = name, program = words.first(), "starting a program for frames");
        let (mut process, stdout) = Process::start(words, secret)?;
        let (head, opened) = sync_channel(1);
        let slot = Slot::default();
        let filled = slot.clone();
        std::thread::spawn(move || {
            if let Err(said) = guard(|| read(stdout, hint, &head, &filled, ends)) {
                filled.put(Err(said));
            }
            filled.close();
        });
        let error = |name: &str, reason| Error::Stream { name: name.to_owned(), reason };
        let waited = wait_for(&opened, patience);
        if !matches!(waited, Waited::Came(Ok(_))) {
            slot.close();
        }
        match waited {
            Waited::Came(Ok((format, pool))) => {
                Ok(Self { name, format, slot, process, start: None, ends, pool })
            }
            Waited::Came(Err(reason)) => Err(match process.wait(ENDING) {
                // A program that failed knows better why, unless it is that nobody reads on.
                Some(status) if !status.success() && !is_broken_pipe(status) => {
                    error(&name, process.reason(Some(status)))
                }
                _ => error(&name, reason),
            }),
            Waited::Stopped => Err(Error::Interrupted),
            Waited::Late | Waited::Gone => {
                let reason = format!("no picture in {} s: {}", patience.as_secs(), process.reason(None));
                Err(error(&name, reason))
            }
        }
    }

    /// What was sent is no frame: why. A child that failed on the way may do better another time, one that is well and
    /// sends rubbish will not.
    fn broken(&mut self, reason: &str) -> Error {
        match self.process.wait(ENDING) {
            Some(status) if !status.success() && !is_broken_pipe(status) => {
                Error::Stream { name: self.name.clone(), reason: self.process.reason(Some(status)) }
            }
            _ => Error::damaged(&self.name, reason),
        }
    }

    /// The child sends nothing more: why.
    fn ended(&mut self) -> Result<Next> {
        let status = self.process.wait(ENDING);
        if self.ends && status.is_some_and(|s| s.success()) {
            return Ok(Next::End);
        }
        Err(Error::Stream { name: self.name.clone(), reason: self.process.reason(status) })
    }
}

impl Drop for ChildSource {
    fn drop(&mut self) {
        self.slot.close();
    }
}

/// Whether a program ended since nobody reads its output any more; shells say so by a code.
fn is_broken_pipe(status: ExitStatus) -> bool {
    const SIGPIPE: i32 = 13;
    status.signal() == Some(SIGPIPE) || status.code() == Some(128 + SIGPIPE)
}

/// Fills the slot until the stream ends or nobody wants it any more. Where it `ends`, it may be a file's: its frames are then
/// held back until they are due, and the first until it was taken, so that none is lost to one that comes too soon.
fn read(
    stdout: ChildStdout,
    hint: RawHint,
    head: &SyncSender<std::result::Result<(RawFormat, FramePool), String>>,
    slot: &Slot<std::result::Result<Arrived, String>>,
    ends: bool,
) {
    let mut frames = match RawFrames::open(BufReader::with_capacity(1 << 20, stdout), hint) {
        Ok(frames) => frames,
        Err(e) => return head.send(Err(e)).unwrap_or_default(),
    };
    let (pool, interval) = (frames.pool(), 1.0 / frames.format().fps);
    head.send(Ok((frames.format(), pool.clone()))).ok();
    let mut begun = None;
    for index in 0.. {
        let arrived = match frames.next() {
            Ok(Some(frame)) => Ok(Arrived { frame, index }),
            Ok(None) => return,
            Err(e) => Err(e),
        };
        let arrived = match (arrived, ends, begun) {
            (Ok(Arrived { mut frame, index }), true, Some(begun)) => {
                let due: Instant = begun + Duration::from_secs_f64(interval * index as f64);
                // Asleep, as a closed slot ends no sleep, for no longer than that is noticed.
                while frame.arrived + SLACK < due && !slot.is_closed() {
                    std::thread::sleep((due - SLACK - frame.arrived).min(SLACK));
                    frame.arrived = Instant::now();
                }
                slot.wait_taken(Some(due));
                Ok(Arrived { frame, index })
            }
            // What went wrong must not take the place of a frame that nobody has seen.
            (Err(e), true, _) => {
                slot.wait_taken(None);
                Err(e)
            }
            (arrived, ..) => arrived,
        };
        let failed = arrived.is_err();
        if let Some(Ok(unseen)) = slot.put(arrived) {
            pool.give(unseen.frame.picture);
        }
        if failed || slot.is_closed() {
            return;
        }
        if ends && begun.is_none() {
            slot.wait_taken(None);
            begun = Some(Instant::now());
        }
    }
}

impl Source for ChildSource {
    fn describe(&self) -> String {
        format!("{} ({})", self.name, self.format)
    }

    fn is_live(&self) -> bool {
        true
    }

    fn next(&mut self, timeout: Duration) -> Result<Next> {
        match self.slot.take(timeout) {
            Taken::Item(Ok(Arrived { frame: RawFrame { picture, arrived: taken, decode }, index })) => {
                let time = taken.saturating_duration_since(*self.start.get_or_insert(taken));
                Ok(Next::Frame(Captured { frame: Frame { picture, index, time }, taken, decode }))
            }
            Taken::Item(Err(reason)) => Err(self.broken(&reason)),
            Taken::Nothing => Ok(Next::Waiting),
            Taken::Closed => self.ended(),
        }
    }

    fn reuse(&mut self, picture: RgbImage) {
        self.pool.give(picture);
    }
}

#[cfg(test)]
mod tests;
