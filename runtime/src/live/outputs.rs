//! Where frames go, several places at once. One that fails is left behind; the others go on.

use std::path::{Path, PathBuf};
use std::time::SystemTime;

use image::RgbImage;

use crate::media::control::{Standing, Wish};
use crate::media::mark::{self, Origin};
use crate::media::output::{PendingFile, stamp};
use crate::media::sink::{OutputOptions, Shown, Sink, Written, open_output};
use crate::media::window::Display;
use crate::media::{self, Error, SinkSpec};

/// What shows pictures to a person.
pub trait Screen {
    /// Shows a picture.
    ///
    /// # Errors
    /// The screen went away.
    fn show(&mut self, picture: &RgbImage) -> media::Result<()>;

    /// Keeps the picture on the screen and takes in what happened to the window.
    ///
    /// # Errors
    /// The screen went away.
    fn refresh(&mut self) -> media::Result<()>;

    /// What the user asked for since the last call.
    fn wishes(&mut self) -> Vec<Wish>;
}

impl Screen for Display {
    fn show(&mut self, picture: &RgbImage) -> media::Result<()> {
        Display::show(self, picture)
    }

    fn refresh(&mut self) -> media::Result<()> {
        Display::refresh(self)
    }

    fn wishes(&mut self) -> Vec<Wish> {
        Display::wishes(self)
    }
}

/// Opens a screen for pictures of a size, in pixels.
pub type ScreenOpener = Box<dyn FnOnce((u32, u32)) -> media::Result<Box<dyn Screen>>>;

/// An output that failed while the run went on.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Failed {
    /// The name it was asked for by.
    pub output: String,
    /// What went wrong.
    pub reason: String,
}

/// The outputs of a run and what became of them.
#[derive(Default)]
pub(super) struct Outputs {
    sinks: Vec<Box<dyn Sink>>,
    screen: Option<Box<dyn Screen>>,
    /// A clip that somebody asked for while watching.
    recording: Option<Box<dyn Sink>>,
    recordings: Vec<PathBuf>,
    written: Vec<Written>,
    failed: Vec<Failed>,
    /// How the pictures came about, noted in files.
    origin: Option<Origin>,
}

/// Told what people should know at once.
pub(super) type Notice<'a> = &'a mut dyn FnMut(&str);

impl Outputs {
    pub fn new(mut sinks: Vec<Box<dyn Sink>>, origin: Option<Origin>) -> Self {
        if let Some(origin) = origin {
            sinks.iter_mut().for_each(|sink| sink.mark(origin));
        }
        Self { sinks, origin, ..Self::default() }
    }

    pub fn set_screen(&mut self, screen: Box<dyn Screen>) {
        self.screen = Some(screen);
    }

    pub fn has_screen(&self) -> bool {
        self.screen.is_some()
    }

    /// Lets go of a window that was closed; false if nothing else is left to go on for.
    pub fn close_screen(&mut self, notice: Notice<'_>) -> bool {
        if self.has_sinks() && self.screen.take().is_some() {
            self.note("window".to_owned(), &Error::NoWindow("it was closed".to_owned()), notice);
        }
        self.has_sinks()
    }

    pub fn has_sinks(&self) -> bool {
        !self.sinks.is_empty() || self.recording.is_some()
    }

    /// Whether every output that there was has failed.
    pub fn all_failed(&self) -> bool {
        !self.failed.is_empty() && self.screen.is_none() && !self.has_sinks()
    }

    pub fn want_change(&self) -> bool {
        self.sinks.iter().any(|sink| sink.wants_change())
    }

    pub fn want_standing(&self) -> bool {
        self.sinks.iter().any(|sink| sink.wants_standing())
    }

    pub fn are_watched(&self) -> bool {
        self.screen.is_some() || self.sinks.iter().any(|sink| sink.is_watched())
    }

    pub fn is_recording(&self) -> bool {
        self.recording.is_some()
    }

    pub fn recordings(&self) -> &[PathBuf] {
        &self.recordings
    }

    /// Tells those who want to know how the run goes.
    pub fn tell(&mut self, standing: &Standing) {
        for sink in self.sinks.iter_mut().filter(|sink| sink.wants_standing()) {
            sink.tell(standing.clone());
        }
    }

    /// What those who watch asked for.
    pub fn wishes(&mut self) -> Vec<Wish> {
        let mut wishes = self.screen.as_mut().map(|s| s.wishes()).unwrap_or_default();
        for sink in &mut self.sinks {
            wishes.append(&mut sink.wishes());
        }
        wishes
    }

    /// Shows a frame on the screen, if there is one.
    pub fn show(&mut self, picture: &RgbImage, notice: Notice<'_>) {
        self.on_screen(notice, |screen| screen.show(picture));
    }

    /// Keeps what is on the screen, and takes in what happened to the window.
    pub fn refresh(&mut self, notice: Notice<'_>) {
        self.on_screen(notice, |screen| screen.refresh());
    }

    /// Shows a picture that is no frame wherever somebody watches.
    pub fn hold(&mut self, picture: &RgbImage, notice: Notice<'_>) {
        self.on_screen(notice, |screen| screen.show(picture));
        self.on_sinks(notice, |sink| sink.hold(picture));
    }

    /// Hands a frame to every sink.
    pub fn write(&mut self, shown: &Shown<'_>, notice: Notice<'_>) {
        self.on_sinks(notice, |sink| sink.write(shown));
        if let Some(recording) = &mut self.recording
            && let Err(e) = recording.write(shown)
            && let Some(recording) = self.recording.take()
        {
            self.give_up(recording, &e, notice);
        }
    }

    fn on_screen(&mut self, notice: Notice<'_>, act: impl FnOnce(&mut dyn Screen) -> media::Result<()>) {
        if let Some(screen) = &mut self.screen
            && let Err(e) = act(screen.as_mut())
        {
            self.screen = None;
            self.note("window".to_owned(), &e, notice);
        }
    }

    fn on_sinks(&mut self, notice: Notice<'_>, mut act: impl FnMut(&mut dyn Sink) -> media::Result<()>) {
        let mut i = 0;
        while i < self.sinks.len() {
            match act(self.sinks[i].as_mut()) {
                Ok(()) => i += 1,
                Err(e) => {
                    let sink = self.sinks.remove(i);
                    self.give_up(sink, &e, notice);
                }
            }
        }
    }

    fn give_up(&mut self, sink: Box<dyn Sink>, error: &Error, notice: Notice<'_>) {
        let name = sink.name();
        self.written.extend(sink.abandon());
        self.note(name, error, notice);
    }

    fn note(&mut self, output: String, error: &Error, notice: Notice<'_>) {
        let left = if self.screen.is_some() || self.has_sinks() { "; the rest goes on" } else { "" };
        notice(&format!("output {output} failed: {error}{left}"));
        self.failed.push(Failed { output, reason: error.to_string() });
    }

    /// Starts or ends a recording, named by the date, in the working folder.
    pub fn record(&mut self, on: bool, notice: Notice<'_>) {
        if on && self.recording.is_none() {
            let path = free_name("recording", "avi");
            match open_output(&SinkSpec::Avi(path.clone()), OutputOptions::default()) {
                Ok(mut sink) => {
                    if let Some(origin) = self.origin {
                        sink.mark(origin);
                    }
                    notice(&format!("recording to {}", path.display()));
                    self.recording = Some(sink);
                }
                Err(e) => self.note(path.display().to_string(), &e, notice),
            }
        }
        if !on && let Some(sink) = self.recording.take() {
            let name = sink.name();
            match sink.finish() {
                Ok(written) => {
                    self.recordings.extend(written.iter().map(|w| w.path.clone()));
                    self.written.extend(written);
                }
                Err(e) => self.note(name, &e, notice),
            }
        }
    }

    /// Saves a picture in the working folder.
    pub fn snapshot(&mut self, picture: &RgbImage, notice: Notice<'_>) {
        let path = free_name("snapshot", "png");
        match save_png(picture, self.origin, &path) {
            Ok(()) => {
                notice(&format!("saved {}", path.display()));
                self.written.push(Written { what: "picture", path });
            }
            Err(e) => self.note(path.display().to_string(), &e, notice),
        }
    }

    /// Completes everything, and says what was written and what failed.
    pub fn finish(mut self, notice: Notice<'_>) -> (Vec<Written>, Vec<Failed>) {
        self.record(false, notice);
        self.screen = None;
        for sink in std::mem::take(&mut self.sinks) {
            let name = sink.name();
            match sink.finish() {
                Ok(written) => self.written.extend(written),
                Err(e) => self.note(name, &e, notice),
            }
        }
        (self.written, self.failed)
    }
}

/// A name with the date in it that no file has.
fn free_name(what: &str, extension: &str) -> PathBuf {
    let name = format!("{what}-{}", stamp(SystemTime::now()));
    let mut path = PathBuf::from(format!("{name}.{extension}"));
    for n in 2.. {
        if path.symlink_metadata().is_err() {
            break;
        }
        path = PathBuf::from(format!("{name}-{n}.{extension}"));
    }
    path
}

fn save_png(picture: &RgbImage, origin: Option<Origin>, path: &Path) -> media::Result<()> {
    let png = mark::png(picture, origin).map_err(|e| Error::damaged(path, e))?;
    let mut file = PendingFile::create(path, false)?;
    file.write(&png)?;
    file.finish().map(|_| ())
}
