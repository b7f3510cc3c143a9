//! Frames from a child process: any program that writes y4m or bare RGB to its standard output is a camera.

mod command;
mod group;
mod process;

use std::collections::VecDeque;
use std::io::{BufReader, Read};
use std::os::unix::process::ExitStatusExt;
use std::process::{ChildStdout, ExitStatus};
use std::sync::mpsc::{SyncSender, sync_channel};
use std::sync::{Arc, OnceLock};
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
pub(super) use self::group::Group;
pub use self::group::kill_all;

/// How long a child whose output ended may take to end itself.
const ENDING: Duration = Duration::from_secs(2);

/// A frame on its way out of the reader.
struct Arrived {
    frame: RawFrame,
    index: u64,
}

/// Shows what a child process sends: the newest frame only, or where it sends a file, every frame in turn.
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
    /// Whether its frames are a file's.
    sends_file: bool,
    given: u64,
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
        let (kind, told) = (Arc::new(OnceLock::new()), sync_channel(1));
        let (own_kind, tell) = (Arc::clone(&kind), told.0);
        std::thread::spawn(move || {
            if let Err(said) =
                guard(|| read(stdout, hint, &head, &filled, ends.then_some((&own_kind, &tell))))
            {
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
                if ends {
                    wait_for(&told.1, PROBE);
                }
                let sends_file = *kind.get_or_init(|| false);
                Ok(Self { name, format, slot, process, start: None, ends, sends_file, given: 0, pool })
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

/// How long a program may take to show whether it sends a file.
const PROBE: Duration = Duration::from_millis(400);
/// How far ahead of their own rate frames must be for that.
const LEAD: Duration = Duration::from_millis(300);
/// How many times as fast as their own rate they must come at least.
const EARLY: f64 = 1.5;
/// Most bytes of frames that are held meanwhile.
const HELD: usize = 64 << 20;

/// What the first frames of a program showed.
#[derive(Default)]
struct Probed {
    /// Those after the very first one, which is in the slot.
    held: VecDeque<RawFrame>,
    /// Whether they are a file's, which come as fast as they are decoded; a camera's come when they are due.
    is_file: bool,
    /// What came after them, if that was no frame.
    end: Option<std::result::Result<Option<RawFrame>, String>>,
}

/// Reads the first frames of a program until they show what they are, or that was `decided` elsewhere.
fn probe(
    frames: &mut RawFrames<impl Read>,
    slot: &Slot<std::result::Result<Arrived, String>>,
    decided: &OnceLock<bool>,
) -> Probed {
    let (interval, start) = (1.0 / frames.format().fps, Instant::now());
    let mut probed = Probed::default();
    let (mut count, mut bytes) = (0u32, 0);
    loop {
        // When the latest frame was due, after the first one.
        let (due, now) = (interval * f64::from(count.saturating_sub(1)), start.elapsed().as_secs_f64());
        probed.is_file = due > EARLY * now;
        let is_certain = due > now + LEAD.as_secs_f64() || (count > 2 && !probed.is_file);
        if is_certain || bytes > HELD || decided.get().is_some() {
            return probed;
        }
        match frames.next() {
            Ok(Some(frame)) => {
                bytes += frame.picture.as_raw().len();
                count += 1;
                if count > 1 {
                    probed.held.push_back(frame);
                } else {
                    slot.put(Ok(Arrived { frame, index: 0 }));
                }
            }
            end => {
                probed.end = Some(end);
                return probed;
            }
        }
    }
}

/// Fills the slot until the stream ends or nobody wants it any more. Of a program that may send a file, `kind` is what is decided
/// first of whether it does, here or by who waits to be told; of a file no frame takes the place of one that nobody has seen.
fn read(
    stdout: ChildStdout,
    hint: RawHint,
    head: &SyncSender<std::result::Result<(RawFormat, FramePool), String>>,
    slot: &Slot<std::result::Result<Arrived, String>>,
    kind: Option<(&OnceLock<bool>, &SyncSender<()>)>,
) {
    let mut frames = match RawFrames::open(BufReader::with_capacity(1 << 20, stdout), hint) {
        Ok(frames) => frames,
        Err(e) => return head.send(Err(e)).unwrap_or_default(),
    };
    let pool = frames.pool();
    head.send(Ok((frames.format(), pool.clone()))).ok();
    let (mut probed, mut first, mut every) = (Probed::default(), 0, false);
    if let Some((kind, tell)) = kind {
        probed = probe(&mut frames, slot, kind);
        first = 1;
        every = *kind.get_or_init(|| probed.is_file);
        tell.send(()).ok();
    }
    for index in first.. {
        let held = probed.held.pop_front().map(|frame| Ok(Some(frame)));
        let next = held.or_else(|| probed.end.take()).unwrap_or_else(|| frames.next());
        let arrived = match next {
            Ok(Some(frame)) => Ok(Arrived { frame, index }),
            Ok(None) => return,
            Err(e) => Err(e),
        };
        if every {
            slot.wait_taken();
        }
        let failed = arrived.is_err();
        if let Some(Ok(unseen)) = slot.put(arrived) {
            pool.give(unseen.frame.picture);
        }
        if failed || slot.is_closed() {
            return;
        }
    }
}

impl Source for ChildSource {
    fn describe(&self) -> String {
        format!("{} ({})", self.name, self.format)
    }

    fn is_live(&self) -> bool {
        !self.sends_file
    }

    fn comes_once(&self) -> bool {
        true
    }

    fn next(&mut self, timeout: Duration) -> Result<Next> {
        match self.slot.take(timeout) {
            Taken::Item(Ok(Arrived { frame: RawFrame { picture, arrived: taken, decode }, index })) => {
                if self.sends_file {
                    let time = Duration::from_secs_f64(self.given as f64 / self.format.fps);
                    self.given += 1;
                    let taken = Instant::now();
                    return Ok(Next::Frame(Captured {
                        frame: Frame { picture, index, time },
                        taken,
                        decode,
                    }));
                }
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
