//! A clip's sound, taken out of whatever file it is in.

use std::path::Path;
use std::time::Duration;

use super::ask::ask;
use super::{command, no_answer, probe};
use crate::error::media::{Error, Result};
use crate::media::nameless::Nameless;

/// What ffmpeg is needed for, in words for whoever lacks it.
const WHAT: &str = "sound of this kind of file";

/// Most time that is given to it: a clip is read from end to end, and may last for hours.
const PATIENCE: Duration = Duration::from_hours(12);

/// Codecs that MP4 holds as they are.
const COPIED: [&str; 7] = ["aac", "mp3", "ac3", "eac3", "opus", "flac", "alac"];

/// Whether a clip has sound.
///
/// # Errors
/// [`Error::NeedsFfmpeg`].
pub(in crate::media) fn has_sound(path: &Path) -> Result<bool> {
    Ok(probe::sound(path, WHAT)?.is_some())
}

/// The first sound of a clip as an MP4 of its own, copied, or as AAC where MP4 does not hold it; none if it is silent. Times are
/// those that [`super::FfmpegSource`] gives frames.
///
/// # Errors
/// [`Error::NeedsFfmpeg`], or ffmpeg failed.
pub(in crate::media) fn to_mp4(path: &Path) -> Result<Option<Nameless>> {
    let Some((codec, broadcast)) = probe::sound(path, WHAT)? else { return Ok(None) };
    let target = Nameless::new().map_err(Error::io(std::env::temp_dir()))?;
    let mut command = command("ffmpeg", path);
    if !broadcast {
        command.arg("-copyts");
    }
    command.args(["-map", "0:a:0", "-vn", "-sn", "-dn"]);
    if COPIED.contains(&codec.as_str()) {
        command.args(["-c:a", "copy", "-strict", "-2"]);
    } else {
        command.args(["-c:a", "aac", "-b:a", "192k"]);
    }
    command.args(["-f", "mp4", "-y"]).arg(target.path());
    let answer = ask(&mut command, PATIENCE).map_err(|e| no_answer("ffmpeg", path, WHAT, e))?;
    if !answer.status.success() {
        let said = String::from_utf8_lossy(&answer.said).lines().last().unwrap_or_default().to_owned();
        let reason = format!("ffmpeg cannot take its sound out ({})", crate::error::one_line(&said));
        return Err(Error::Picture { path: path.to_owned(), reason });
    }
    Ok(Some(target))
}
