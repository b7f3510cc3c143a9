//! Any other video, through an `ffmpeg` child that sends whole pictures down a pipe.

mod ask;
mod filters;
mod heads;
mod probe;
mod sound;

use std::io::{BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{ChildStdout, Command, Stdio};
use std::sync::mpsc::{Receiver, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use image::RgbImage;

use self::ask::{Failure, SOON, ask};
use self::filters::Sent;
use self::heads::Head;
pub(super) use self::sound::{has_sound, to_mp4};
use super::child::Group;
use super::frame_pool::FramePool;
use super::frame_size;
use super::keypoints::rounded;
use super::shape::{Shape, Shaper};
use super::source::{Captured, Next, Source, short_name};
use super::yuv::{Planar, to_rgb};
use crate::error::media::{Error, Result};
use crate::error::panic::guard;
use crate::frame::Frame;
use crate::interrupt::{Waited, wait_for};

/// How long the child may take for a frame before it is given up.
const PATIENCE: Duration = Duration::from_secs(30);

/// Frames decoded ahead.
const AHEAD: usize = 2;

/// Frames announced ahead.
const HEADS: usize = 64;

/// How long the child may take to end once it sends no more.
const ENDING: Duration = Duration::from_secs(2);

/// A picture, and its time in the clip where the clip says it.
type Decoded = std::result::Result<(RgbImage, Option<Duration>), String>;

/// Reads a video through an `ffmpeg` child.
#[derive(Debug)]
pub struct FfmpegSource {
    path: PathBuf,
    child: Group,
    pictures: Receiver<Decoded>,
    /// What the child said last of something wrong.
    said: Arc<Mutex<String>>,
    codec: String,
    fps: f64,
    /// Frames that are not wanted, before the first that is.
    skip: u64,
    given: u64,
    last: Option<Duration>,
    pool: FramePool,
}

impl FfmpegSource {
    /// Starts the child on `path`; `what` in it is not read here, in words for whoever lacks ffmpeg.
    ///
    /// # Errors
    /// [`Error::NeedsFfmpeg`] if it is not installed, [`Error::NotMedia`] if it finds no video in the file.
    pub fn open(path: &Path, what: &str) -> Result<Self> {
        Self::after(path, what, 0)
    }

    /// The same, from the frame after the first `skip`.
    ///
    /// # Errors
    /// Those of [`FfmpegSource::open`].
    pub fn after(path: &Path, what: &str, skip: u64) -> Result<Self> {
        let probed = probe::video(path, what)?;
        if filters::needs_zscale(&probed) && !has_filter(path, what, "zscale")? {
            let colours = probed.colours.in_words();
            let reason = format!(
                "its colours are {colours}, for which ffmpeg needs its filter zscale: install one that has it (libzimg)"
            );
            return Err(Error::Picture { path: path.to_owned(), reason });
        }
        let (chain, sent) = filters::chain(&probed);
        let mut command = command("ffmpeg", path);
        if !probed.broadcast {
            // Times stay the clip's own. What was broadcast counts from its beginning, which ffmpeg does by itself.
            command.arg("-copyts");
        }
        command
            .args(["-map", "0:V:0", "-an", "-sn", "-dn", "-vf", &chain, "-r", "25", "-f", "rawvideo", "-"]);
        tracing::info!(path = %path.display(), what, skip, ?command, "read through ffmpeg");
        let child = Group::start(command.stderr(Stdio::piped()));
        let mut child = child.map_err(|e| start_error(path, what, e))?;
        let missing = || Error::io("ffmpeg")(std::io::ErrorKind::BrokenPipe.into());
        let stdout = child.process().stdout.take().ok_or_else(missing)?;
        let stderr = child.process().stderr.take().ok_or_else(missing)?;
        // Heads without pictures wait: their number has no end.
        let (head, heads) = sync_channel(HEADS);
        let said = Arc::new(Mutex::new(String::new()));
        let heard = Arc::clone(&said);
        std::thread::spawn(move || heads::read(stderr, &head, &heard));
        let (sender, pictures) = sync_channel(AHEAD);
        let pool = FramePool::default();
        let mut pictures_in = PicturesIn {
            pipe: BufReader::with_capacity(1 << 20, stdout),
            heads,
            sent,
            bytes: Vec::new(),
            shaper: Shaper::default(),
            pool: pool.clone(),
        };
        std::thread::spawn(move || {
            while let Some(picture) = guard(|| pictures_in.next()).and_then(|next| next).transpose() {
                let failed = picture.is_err();
                if sender.send(picture).is_err() || failed {
                    break;
                }
            }
        });
        let path = path.to_owned();
        let (codec, fps) = (probed.codec, probed.fps);
        Ok(Self { path, child, pictures, said, codec, fps, skip, given: 0, last: None, pool })
    }

    /// Frames given so far, those skipped among them.
    pub fn given(&self) -> u64 {
        self.given
    }

    fn failed(&self, otherwise: &str) -> Error {
        let said = self.said.lock().unwrap_or_else(PoisonError::into_inner);
        if said.is_empty() {
            Error::damaged(&self.path, otherwise)
        } else {
            Error::damaged(&self.path, format!("{otherwise}: {said}"))
        }
    }

    /// The next picture with its time; none at the end.
    fn take(&mut self) -> Result<Option<(RgbImage, Duration)>> {
        let (picture, time) = match wait_for(&self.pictures, PATIENCE) {
            Waited::Came(picture) => picture.map_err(|e| Error::damaged(&self.path, e))?,
            Waited::Late => return Err(self.failed("ffmpeg sends no further frame")),
            Waited::Stopped => return Err(Error::Interrupted),
            Waited::Gone if self.last.is_none() => {
                return Err(self.failed("ffmpeg decodes none of its frames"));
            }
            Waited::Gone => {
                return match self.child.wait(ENDING) {
                    Some(status) if !status.success() => {
                        Err(self.failed(&format!("ffmpeg broke off ({status})")))
                    }
                    _ => Ok(None),
                };
            }
        };
        let interval = Duration::from_secs_f64(1.0 / self.fps);
        let due = || self.last.map_or(Duration::ZERO, |last| last + interval);
        let time = time.unwrap_or_else(due);
        self.last = Some(time);
        Ok(Some((picture, time)))
    }
}

impl Source for FfmpegSource {
    fn describe(&self) -> String {
        let fps = rounded(self.fps, 2);
        format!("{} ({}, {fps} fps, through ffmpeg)", short_name(&self.path), self.codec)
    }

    fn next(&mut self, _timeout: Duration) -> Result<Next> {
        let taken = Instant::now();
        while self.skip > 0 {
            let Some((picture, _)) = self.take()? else { return Ok(Next::End) };
            self.pool.give(picture);
            self.skip -= 1;
            self.given += 1;
        }
        let Some((picture, time)) = self.take()? else { return Ok(Next::End) };
        let index = self.given;
        self.given += 1;
        Ok(Next::Frame(Captured { frame: Frame { picture, index, time }, taken, decode: taken.elapsed() }))
    }

    fn reuse(&mut self, picture: RgbImage) {
        self.pool.give(picture);
    }
}

/// The pictures of a pipe, each announced on another.
struct PicturesIn {
    pipe: BufReader<ChildStdout>,
    heads: Receiver<Head>,
    sent: Sent,
    /// A picture's planes.
    bytes: Vec<u8>,
    shaper: Shaper,
    pool: FramePool,
}

impl PicturesIn {
    fn next(&mut self) -> std::result::Result<Option<(RgbImage, Option<Duration>)>, String> {
        let Ok(head) = self.heads.recv() else { return Ok(None) };
        let (width, height) = head.size;
        frame_size::check((width, height))?;
        let mut picture = self.pool.take(width, height);
        match (self.sent, head.layout.as_str()) {
            (Sent::Rgb, "rgb24") => {
                if self.pipe.read_exact(&mut picture).is_err() {
                    return Ok(None);
                }
            }
            (Sent::Planes(matrix), layout) => {
                let block = match layout {
                    "yuv420p" => (2, 2),
                    "yuv422p" => (2, 1),
                    "yuv444p" => (1, 1),
                    _ => return Err("ffmpeg sends something else than was asked of it".to_owned()),
                };
                let format = Planar { width, height, block: Some(block), matrix, full_range: false };
                let (luma, colours, rows) = format.layout();
                let (first, second) = (luma * height as usize, colours * rows);
                self.bytes.resize(first + 2 * second, 0);
                // The child ended within a picture: what it has to say of that is said elsewhere.
                if self.pipe.read_exact(&mut self.bytes).is_err() {
                    return Ok(None);
                }
                let (y, rest) = self.bytes.split_at(first);
                let (u, v) = rest.split_at(second);
                to_rgb(format, [y, u, v], [luma, colours], &mut picture);
            }
            _ => return Err("ffmpeg sends something else than was asked of it".to_owned()),
        }
        let shape = Shape { pixel: head.pixel, turns: 0 };
        let picture = self.shaper.apply(shape, picture, &self.pool);
        Ok(Some((picture, head.time_us.map(|us| Duration::from_micros(us.max(0).unsigned_abs())))))
    }
}

/// Containers that hold what they show, by ffmpeg's names of their readers.
const FORMATS: &str = "mov,mp4,m4a,3gp,3g2,mj2,matroska,webm,avi,flv,live_flv,mpeg,mpegts,mpegtsraw,mpegvideo,m4v,asf,ogg,\
                       mxf,dv,h263,h264,hevc,vvc,av1,obu,ivf,mjpeg,vc1,cavsvideo,yuv4mpegpipe,nut,rm,gxf,wtv,swf,nsv,vob,\
                       gif,apng";

/// A command that reads `path` and nothing else, whatever characters are in the name.
fn command(program: &str, path: &Path) -> Command {
    let mut input = std::ffi::OsString::from("file:");
    input.push(path);
    let mut command = Command::new(program);
    command.arg("-hide_banner");
    if program == "ffmpeg" {
        command.args(["-v", "info", "-nostdin", "-nostats", "-reinit_filter", "0"]);
    } else {
        command.args(["-v", "error"]);
    }
    // A list of what to play, which names other files, is no clip, whatever it is called.
    command.args(["-protocol_whitelist", "file", "-format_whitelist", FORMATS]);
    command.arg("-i").arg(input).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null());
    command
}

fn start_error(path: &Path, what: &str, error: std::io::Error) -> Error {
    match error.kind() {
        std::io::ErrorKind::NotFound => Error::NeedsFfmpeg { path: path.to_owned(), what: what.to_owned() },
        _ => Error::io("ffmpeg")(error),
    }
}

/// Why `program`, asked about `path`, gave no answer.
fn no_answer(program: &str, path: &Path, what: &str, failure: Failure) -> Error {
    let reason = match failure {
        Failure::Io(e) => return start_error(path, what, e),
        Failure::Stopped => return Error::Interrupted,
        Failure::Late => format!("{program} gives no answer about it within {} s", SOON.as_secs()),
        Failure::Endless => format!("{program} gives no end of an answer about it"),
    };
    Error::Picture {
        path: path.to_owned(),
        reason: format!("{reason}: see that {program} -version answers, or convert the file elsewhere"),
    }
}

/// Whether ffmpeg was built with a filter.
fn has_filter(path: &Path, what: &str, name: &str) -> Result<bool> {
    let mut command = Command::new("ffmpeg");
    command.args(["-hide_banner", "-h", &format!("filter={name}")]);
    let answer = ask(&mut command, SOON).map_err(|e| no_answer("ffmpeg", path, what, e))?;
    Ok(!String::from_utf8_lossy(&answer.output).contains("Unknown filter")
        && !String::from_utf8_lossy(&answer.said).contains("Unknown filter"))
}
