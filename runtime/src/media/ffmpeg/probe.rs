//! What `ffprobe` says of a clip.

use std::path::Path;

use super::ask::{SOON, ask};
use super::{command, no_answer};
use crate::error::media::{Error, Result};
use crate::media::colour::{Colours, MATRICES, PRIMARIES, TRANSFERS, by_name};

/// A clip's first video that is no cover picture.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Probed {
    pub codec: String,
    /// Mean frames a second.
    pub fps: f64,
    /// Stored pixels.
    pub size: (u32, u32),
    /// ffmpeg's name of the layout of pixels.
    pub pixels: String,
    /// ffmpeg's word for which half of a frame comes first; `progressive` or `unknown`, too.
    pub field_order: String,
    pub colours: Colours,
    /// Whether ffmpeg turns the pictures.
    pub turned: bool,
    /// Whether times count from wherever a broadcast happened to be.
    pub broadcast: bool,
}

#[derive(serde::Deserialize)]
struct Answer {
    #[serde(default)]
    streams: Vec<Stream>,
    #[serde(default)]
    format: Format,
}

#[derive(Default, serde::Deserialize)]
#[serde(default)]
struct Format {
    format_name: String,
}

impl Format {
    /// Whether times count from wherever a broadcast happened to be.
    fn is_broadcast(&self) -> bool {
        self.format_name.starts_with("mpeg")
    }
}

#[derive(Default, serde::Deserialize)]
#[serde(default)]
struct Stream {
    codec_name: String,
    width: u32,
    height: u32,
    pix_fmt: String,
    field_order: String,
    color_range: String,
    color_space: String,
    color_transfer: String,
    color_primaries: String,
    avg_frame_rate: String,
    r_frame_rate: String,
    side_data_list: Vec<SideData>,
}

#[derive(Default, serde::Deserialize)]
#[serde(default)]
struct SideData {
    rotation: f64,
}

/// What is asked of the video.
const VIDEO: &str = "codec_name,width,height,pix_fmt,field_order,color_range,color_space,color_transfer,color_primaries,\
                     avg_frame_rate,r_frame_rate";

/// What `ffprobe` says of the `entries` of a stream of `path`; none where it cannot read the file.
///
/// # Errors
/// [`Error::NeedsFfmpeg`] with `what` if it is not installed, [`Error::Picture`] if it does not answer.
fn answer(path: &Path, what: &str, stream: &str, entries: &str) -> Result<Option<Answer>> {
    let mut command = command("ffprobe", path);
    command.args(["-select_streams", stream, "-show_entries", entries, "-of", "json"]);
    let answer = ask(&mut command, SOON).map_err(|e| no_answer("ffprobe", path, what, e))?;
    Ok(serde_json::from_slice(&answer.output).ok())
}

/// Asks of the first video of `path`.
///
/// # Errors
/// [`Error::NeedsFfmpeg`] with `what` if it is not installed, [`Error::NotMedia`] if it finds no video in the file.
pub(super) fn video(path: &Path, what: &str) -> Result<Probed> {
    let entries = format!("stream={VIDEO}:stream_side_data=rotation:format=format_name");
    let not_media = || Error::NotMedia(path.to_owned());
    let answer = answer(path, what, "V:0", &entries)?.ok_or_else(not_media)?;
    let stream = answer.streams.into_iter().next().ok_or_else(not_media)?;
    // A text file "decodes" as ANSI art: what has no frame rate worth the name is no video.
    let rate = rate(&stream.avg_frame_rate).or_else(|| rate(&stream.r_frame_rate));
    let fps = rate.filter(|_| stream.codec_name != "ansi").ok_or_else(not_media)?;
    Ok(Probed {
        fps,
        size: (stream.width, stream.height),
        colours: Colours {
            primaries: by_name(&PRIMARIES, &stream.color_primaries),
            transfer: by_name(&TRANSFERS, &stream.color_transfer),
            matrix: by_name(&MATRICES, &stream.color_space),
            // Old ffmpeg has names of their own for layouts of the full range.
            full_range: stream.color_range == "pc" || stream.pix_fmt.starts_with("yuvj"),
        },
        turned: stream.side_data_list.iter().any(|data| data.rotation != 0.0),
        broadcast: answer.format.is_broadcast(),
        codec: stream.codec_name,
        pixels: stream.pix_fmt,
        field_order: stream.field_order,
    })
}

/// The codec of the first sound of `path`, and whether it was broadcast; none if it is silent.
///
/// # Errors
/// [`Error::NeedsFfmpeg`] with `what` if it is not installed.
pub(super) fn sound(path: &Path, what: &str) -> Result<Option<(String, bool)>> {
    let entries = "stream=codec_name:format=format_name";
    let Some(answer) = answer(path, what, "a:0", entries)? else { return Ok(None) };
    let broadcast = answer.format.is_broadcast();
    Ok(answer.streams.into_iter().next().map(|stream| (stream.codec_name, broadcast)))
}

/// `30000/1001` to a rate between a frame a minute and 1000 a second.
fn rate(text: &str) -> Option<f64> {
    let (over, under) = text.split_once('/')?;
    let rate = over.parse::<f64>().ok()? / under.parse::<f64>().ok()?;
    (1.0 / 60.0..=1000.0).contains(&rate).then_some(rate)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rates_are_fractions_within_reason() {
        assert_eq!(rate("25/1"), Some(25.0));
        assert!(rate("30000/1001").is_some_and(|f| (f - 29.97).abs() < 0.01));
        for bad in ["0/0", "1/0", "90000/1", "x", "5"] {
            assert_eq!(rate(bad), None, "{bad}");
        }
    }
}
