//! The sound of a clip, for recordings of its frames.

use std::path::Path;
use std::sync::Arc;

use super::ffmpeg;
use super::mp4::{self, Heard, Sound};
use super::source::is_mp4;
use crate::error::media::{Error, Result};

/// A clip's sound, ready to be copied into a recording; cheap to clone.
#[derive(Clone, Debug)]
pub struct ClipSound(Arc<Sound>);

impl ClipSound {
    /// The sound of the clip `path`; none if it is silent. What an MP4 cannot hold becomes AAC.
    ///
    /// # Errors
    /// The file is damaged, or takes an ffmpeg that is not there.
    pub fn of(path: &Path) -> Result<Option<Self>> {
        match hear(path)? {
            Heard::Silence => return Ok(None),
            Heard::Sound(sound) => return Ok(Some(Self(Arc::from(sound)))),
            Heard::Other => {}
        }
        let Some(file) = ffmpeg::to_mp4(path)? else { return Ok(None) };
        match mp4::hear(&file.path())? {
            Heard::Sound(sound) => Ok(Some(Self(Arc::new(sound.keep(file))))),
            _ => {
                Err(Error::Picture { path: path.to_owned(), reason: "its sound cannot be copied".to_owned() })
            }
        }
    }

    /// Whether the clip `path` has sound.
    ///
    /// # Errors
    /// Those of [`ClipSound::of`].
    pub fn is_in(path: &Path) -> Result<bool> {
        match hear(path)? {
            Heard::Silence => Ok(false),
            Heard::Sound(_) => Ok(true),
            Heard::Other => ffmpeg::has_sound(path),
        }
    }

    pub(super) fn track(&self) -> &Sound {
        &self.0
    }
}

/// What there is to hear in the clip `path`, as far as that is known without ffmpeg.
fn hear(path: &Path) -> Result<Heard> {
    if is_mp4(path) { mp4::hear(path) } else { Ok(Heard::Other) }
}
