//! What can go wrong with sources and sinks.

use std::path::PathBuf;

/// What can go wrong with sources and sinks. Each message is one line that names the thing and, where there is one, the fix.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The operating system refused to read or write a file.
    #[error("{path}: {}", lkg_bundle::files::reason(source))]
    Io {
        /// The file concerned.
        path: PathBuf,
        /// The reason the operating system gave.
        source: std::io::Error,
    },
    /// A file is to be written into a folder that is not there.
    #[error("there is no folder {0:?}: make it first, or name another place")]
    NoFolder(PathBuf),
    /// A file would be put in the place of what is none.
    #[error(
        "{0}: a device, pipe or socket, or in a folder of the system's own: no file is put there; name another"
    )]
    NotReplaced(PathBuf),
    /// What is to be read as a file is none.
    #[error("{0}: not a regular file; frames from a pipe are read from standard input: runtime ... - < {0}")]
    NotRegular(PathBuf),
    /// Pictures are larger than a file's form takes.
    #[error("{path}: {}x{} pixels, {form} takes {most}; name another kind of file, or shrink them", .size.0, .size.1)]
    TooLarge {
        /// The file.
        path: PathBuf,
        /// Width and height, pixels.
        size: (u32, u32),
        /// What does not take them.
        form: &'static str,
        /// What it takes.
        most: &'static str,
    },
    /// The name is that of no file, folder or camera.
    #[error("no file, folder or camera is called {0:?}")]
    NoSuchSource(String),
    /// The file has no content.
    #[error("{0}: the file is empty")]
    Empty(PathBuf),
    /// The file claims to be something readable and is not whole.
    #[error("{path}: damaged or cut short ({reason})")]
    Damaged {
        /// The file concerned.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// A picture cannot be read.
    #[error("{path}: {reason}")]
    Picture {
        /// The picture's file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// The file is of no kind that can be read.
    #[error("{0}: not a video or picture that can be read")]
    NotMedia(PathBuf),
    /// The folder has nothing to show.
    #[error("{0}: no pictures (PNG, JPEG or WebP) there")]
    NoPictures(PathBuf),
    /// The file needs a program that is not there.
    #[error(
        "{path}: reading {what} needs ffmpeg and ffprobe, please install them (Debian, Ubuntu: apt-get install ffmpeg)"
    )]
    NeedsFfmpeg {
        /// The file concerned.
        path: PathBuf,
        /// What in it is not read by this program itself.
        what: String,
    },
    /// No camera was asked for by name, and none could be opened.
    #[error("no camera found: plug one in, or name a video file or a folder of pictures")]
    NoCamera,
    /// Another program streams from the camera.
    #[error("camera {camera} is in use by {holder} (close it, or choose another with camera://N)")]
    CameraBusy {
        /// Its name.
        camera: String,
        /// Who has it open, as far as that can be seen.
        holder: String,
    },
    /// The camera is not there any more.
    #[error("camera {0} was unplugged")]
    CameraUnplugged(String),
    /// The camera is there and sends nothing.
    #[error("camera {camera} sent no picture for {seconds:.0} s")]
    CameraStalled {
        /// Its name.
        camera: String,
        /// How long was waited, in seconds.
        seconds: f32,
    },
    /// The camera refused in another way.
    #[error("camera {camera}: {reason}")]
    Camera {
        /// Its name.
        camera: String,
        /// What it said.
        reason: String,
    },
    /// A file would be overwritten.
    #[error("{0} exists already: choose another name, or overwrite it with --force")]
    Exists(PathBuf),
    /// The name of an output says nothing that can be written.
    #[error(
        "{0}: name an output FILE.avi, FILE.mp4, a folder, DIR/%05d.png, /dev/videoN, - (standard output) or null"
    )]
    UnknownOutput(PathBuf),
    /// The address of a page is none.
    #[error("{0}: write http://127.0.0.1:PORT")]
    BadPage(String),
    /// A stream of frames broke off or was none.
    #[error("{name}: {reason}")]
    Stream {
        /// The command or stream.
        name: String,
        /// What it said, or what is wrong with it.
        reason: String,
    },
    /// A source needs a program that is not there.
    #[error("{program} is not installed{fix}")]
    NeedsProgram {
        /// Its name.
        program: String,
        /// How to get it.
        fix: &'static str,
    },
    /// `exec:` is followed by no command.
    #[error("exec: needs a command with its quotes closed, as in exec:'ffmpeg -i x.mkv -f yuv4mpegpipe -'")]
    NoCommand,
    /// An address makes no sense.
    #[error("{address}: {reason}")]
    BadAddress {
        /// The address.
        address: String,
        /// How to write it.
        reason: &'static str,
    },
    /// A device that pictures should go to takes none.
    #[error("{path}: {reason}")]
    NoOutputDevice {
        /// The device.
        path: PathBuf,
        /// What is wrong, and the fix.
        reason: String,
    },
    /// The user stopped the program while a source was waited for.
    #[error("interrupted")]
    Interrupted,
    /// There is no screen to open a window on.
    #[error("no window: {0}")]
    NoWindow(String),
}

/// A result whose error is [`enum@Error`].
pub type Result<T> = std::result::Result<T, Error>;

impl Error {
    /// Wraps an operating-system error with the path it concerns. The path is copied only where there is one.
    pub fn io(path: impl Into<PathBuf>) -> impl FnOnce(std::io::Error) -> Self {
        move |source| Self::Io { path: path.into(), source }
    }

    pub(crate) fn damaged(path: impl Into<PathBuf>, reason: impl std::fmt::Display) -> Self {
        Self::Damaged { path: path.into(), reason: reason.to_string() }
    }

    /// A program that is not there, with the package that has it.
    pub(crate) fn needs_program(program: &str) -> Self {
        let fix = match program {
            "ffmpeg" | "ffprobe" => " (Debian, Ubuntu: apt-get install ffmpeg)",
            "gst-launch-1.0" => {
                " (Debian, Ubuntu: apt-get install gstreamer1.0-tools gstreamer1.0-plugins-good)"
            }
            _ => ": install it, or write its whole path",
        };
        Self::NeedsProgram { program: program.to_owned(), fix }
    }

    /// Whether the source may come back by itself: worth another try.
    pub fn is_lost_camera(&self) -> bool {
        matches!(
            self,
            Self::CameraUnplugged(_)
                | Self::CameraStalled { .. }
                | Self::CameraBusy { .. }
                | Self::Camera { .. }
                | Self::NoCamera
                | Self::Stream { .. }
        )
    }
}
