//! A photo that came over the network.

use super::picture::ReadPicture;
use crate::vision::choice::FaceChoice;

/// A photo that somebody sent. It lies in memory only.
#[derive(Clone, Debug)]
pub struct SentPhoto {
    /// It, decoded.
    pub read: ReadPicture,
    /// What messages and saved sessions call it.
    pub name: String,
    /// Which of its faces is meant.
    pub choice: FaceChoice,
    /// Take the best guess of a face where none is certain.
    pub anyway: bool,
}
