//! Any other video, through an `ffmpeg` child that sends whole pictures down a pipe.

use std::io::{BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, sync_channel};
use std::time::{Duration, Instant};

use image::RgbImage;

use super::frame_pool::FramePool;
use super::jpeg::MAX_SIDE;
use super::source::{Captured, Next, Source, short_name};
use crate::error::media::{Error, Result};
use crate::frame::Frame;

/// How long the child may take for a frame before it is given up.
const PATIENCE: Duration = Duration::from_secs(30);

/// Frames decoded ahead.
const AHEAD: usize = 2;

/// Reads a video through an `ffmpeg` child.
#[derive(Debug)]
pub struct FfmpegSource {
    path: PathBuf,
    child: Child,
    pictures: Receiver<std::result::Result<RgbImage, String>>,
    codec: String,
    fps: f64,
    given: u64,
    pool: FramePool,
}

/// What `ffprobe` says of the first video stream.
#[derive(serde::Deserialize)]
struct Probe {
    #[serde(default)]
    streams: Vec<ProbeStream>,
}

#[derive(serde::Deserialize)]
struct ProbeStream {
    #[serde(default)]
    codec_name: String,
    #[serde(default)]
    avg_frame_rate: String,
    #[serde(default)]
    r_frame_rate: String,
}

impl FfmpegSource {
    /// Starts the child on `path`.
    ///
    /// # Errors
    /// [`Error::NeedsFfmpeg`] if it is not installed, [`Error::NotMedia`] if it finds no video in the file.
    pub fn open(path: &Path) -> Result<Self> {
        let (codec, fps) = probe(path)?;
        let mut child = command("ffmpeg", path)
            // One picture a frame interval at the average rate, so that times are the frame number over the rate.
            .args(["-map", "0:v:0", "-r", &format!("{fps:.6}")])
            .args(["-f", "image2pipe", "-c:v", "ppm", "-pix_fmt", "rgb24", "-"])
            .spawn()
            .map_err(|e| start_error(path, e))?;
        let stdout = child.stdout.take().ok_or_else(|| Error::NeedsFfmpeg(path.to_owned()))?;
        let (sender, pictures) = sync_channel(AHEAD);
        let pool = FramePool::default();
        let room = pool.clone();
        std::thread::spawn(move || {
            let mut pipe = BufReader::with_capacity(1 << 20, stdout);
            while let Some(picture) = read_ppm(&mut pipe, &room).transpose() {
                let failed = picture.is_err();
                if sender.send(picture).is_err() || failed {
                    break;
                }
            }
        });
        Ok(Self { path: path.to_owned(), child, pictures, codec, fps, given: 0, pool })
    }
}

impl Drop for FfmpegSource {
    fn drop(&mut self) {
        // It may have ended by itself; either way it is waited for, so that no zombie stays.
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

impl Source for FfmpegSource {
    fn describe(&self) -> String {
        let fps = (self.fps * 100.0).round() / 100.0;
        format!("{} ({}, {fps} fps, through ffmpeg)", short_name(&self.path), self.codec)
    }

    fn next(&mut self, _timeout: Duration) -> Result<Next> {
        let taken = Instant::now();
        let picture = match self.pictures.recv_timeout(PATIENCE) {
            Ok(picture) => picture.map_err(|e| Error::damaged(&self.path, e))?,
            Err(RecvTimeoutError::Timeout) => {
                return Err(Error::damaged(&self.path, "ffmpeg sends no further frame"));
            }
            Err(RecvTimeoutError::Disconnected) if self.given == 0 => {
                return Err(Error::damaged(&self.path, "ffmpeg decodes none of its frames"));
            }
            Err(RecvTimeoutError::Disconnected) => return Ok(Next::End),
        };
        let index = self.given;
        self.given += 1;
        let time = Duration::from_secs_f64(index as f64 / self.fps);
        Ok(Next::Frame(Captured { frame: Frame { picture, index, time }, taken, decode: taken.elapsed() }))
    }

    fn reuse(&mut self, picture: RgbImage) {
        self.pool.give(picture);
    }
}

/// A quiet command that reads `path` and nothing else, whatever characters are in the name.
fn command(program: &str, path: &Path) -> Command {
    let mut input = std::ffi::OsString::from("file:");
    input.push(path);
    let mut command = Command::new(program);
    command.args(["-v", "error"]);
    if program == "ffmpeg" {
        command.arg("-nostdin");
    }
    command.arg("-i").arg(input).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null());
    command
}

fn start_error(path: &Path, error: std::io::Error) -> Error {
    match error.kind() {
        std::io::ErrorKind::NotFound => Error::NeedsFfmpeg(path.to_owned()),
        _ => Error::io("ffmpeg")(error),
    }
}

fn probe(path: &Path) -> Result<(String, f64)> {
    let output = command("ffprobe", path)
        .args(["-select_streams", "v:0", "-show_entries", "stream=codec_name,avg_frame_rate,r_frame_rate"])
        .args(["-of", "json"])
        .output()
        .map_err(|e| start_error(path, e))?;
    let not_media = || Error::NotMedia(path.to_owned());
    let probe: Probe = serde_json::from_slice(&output.stdout).map_err(|_| not_media())?;
    let stream = probe.streams.into_iter().next().ok_or_else(not_media)?;
    // A text file "decodes" as ANSI art: what has no frame rate worth the name is no video.
    let rate = fraction(&stream.avg_frame_rate).or_else(|| fraction(&stream.r_frame_rate));
    match rate {
        Some(fps) if stream.codec_name != "ansi" => Ok((stream.codec_name, fps)),
        _ => Err(not_media()),
    }
}

/// `30000/1001` to a rate between a frame a minute and 1000 a second.
fn fraction(text: &str) -> Option<f64> {
    let (over, under) = text.split_once('/')?;
    let rate = over.parse::<f64>().ok()? / under.parse::<f64>().ok()?;
    (1.0 / 60.0..=1000.0).contains(&rate).then_some(rate)
}

/// One picture of a stream of binary PPMs; none at its end.
fn read_ppm(
    pipe: &mut BufReader<ChildStdout>,
    pool: &FramePool,
) -> std::result::Result<Option<RgbImage>, String> {
    let mut numbers = [0u32; 3];
    match token(pipe)? {
        None => return Ok(None),
        Some(magic) if magic == "P6" => {}
        Some(_) => return Err("ffmpeg sends something else than pictures".to_owned()),
    }
    for number in &mut numbers {
        let text = token(pipe)?.ok_or("cut short")?;
        *number = text.parse().map_err(|_| "ffmpeg sends something else than pictures")?;
    }
    let [width, height, _] = numbers;
    if width == 0 || height == 0 || width > MAX_SIDE || height > MAX_SIDE {
        return Err(format!("{width}x{height} pixels, at most {MAX_SIDE} a side are read"));
    }
    let mut picture = pool.take(width, height);
    pipe.read_exact(&mut picture).map_err(|e| e.to_string())?;
    Ok(Some(picture))
}

/// A word and the one white-space byte after it; none at the end of the stream.
fn token(pipe: &mut impl Read) -> std::result::Result<Option<String>, String> {
    let mut word = String::new();
    let mut byte = [0];
    loop {
        if pipe.read(&mut byte).map_err(|e| e.to_string())? == 0 {
            return if word.is_empty() { Ok(None) } else { Err("cut short".to_owned()) };
        }
        if byte[0].is_ascii_whitespace() {
            return Ok(Some(word));
        }
        if word.len() > 16 {
            return Err("ffmpeg sends something else than pictures".to_owned());
        }
        word.push(char::from(byte[0]));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rates_are_fractions_within_reason() {
        assert_eq!(fraction("25/1"), Some(25.0));
        assert!(fraction("30000/1001").is_some_and(|f| (f - 29.97).abs() < 0.01));
        for bad in ["0/0", "1/0", "90000/1", "x", "5"] {
            assert_eq!(fraction(bad), None, "{bad}");
        }
    }

    #[test]
    fn words_end_at_white_space_and_are_short() {
        let mut text = &b"P6\n12 "[..];
        assert_eq!(token(&mut text).unwrap().as_deref(), Some("P6"));
        assert_eq!(token(&mut text).unwrap().as_deref(), Some("12"));
        assert_eq!(token(&mut text).unwrap(), None);
        assert!(token(&mut &[b'x'; 40][..]).is_err());
    }
}
