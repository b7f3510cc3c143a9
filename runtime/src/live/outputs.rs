//! Where frames go, several places at once. One that fails is left behind; the others go on.

use std::path::{Path, PathBuf};
use std::time::SystemTime;

use image::RgbImage;

use super::control::{Command, Status};
use super::offered::Offered;
use super::viewer::Viewer;
use crate::media::mark::Origin;
use crate::media::output::{PendingFile, stamp};
use crate::media::picture::{Alpha, Original, png_like};
use crate::media::sink::{OutputOptions, Shown, Sink, Written, open_output, unnamed_recording};
use crate::media::{self, ClipSound, Error, SinkSpec};

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
    viewers: Vec<Box<dyn Viewer>>,
    window: Option<Box<dyn Viewer>>,
    /// A clip that a viewer asked for.
    recording: Option<Box<dyn Sink>>,
    recordings: Vec<PathBuf>,
    written: Vec<Written>,
    failed: Vec<Failed>,
    /// How the pictures came about, noted in files.
    origin: Option<Origin>,
    /// The clip whose sound recordings keep, until that was found.
    clip: Option<PathBuf>,
    /// That sound, if there is any.
    sound: Option<ClipSound>,
    /// What they are made of, if that is one picture.
    original: Original,
}

/// Gets what people should know at once.
pub(super) type Notice<'a> = &'a mut dyn FnMut(&str);

impl Outputs {
    pub fn new(
        mut sinks: Vec<Box<dyn Sink>>,
        viewers: Vec<Box<dyn Viewer>>,
        origin: Option<Origin>,
        clip: Option<PathBuf>,
        original: Original,
    ) -> Self {
        if let Some(origin) = origin {
            sinks.iter_mut().for_each(|sink| sink.mark(origin));
        }
        sinks.iter_mut().for_each(|sink| sink.like(&original));
        Self { sinks, viewers, origin, clip, original, ..Self::default() }
    }

    /// Whether how much of each pixel shows is kept of every frame.
    pub fn want_alpha(&self) -> bool {
        self.sinks.iter().any(|sink| sink.wants_alpha())
    }

    pub fn set_window(&mut self, window: Box<dyn Viewer>) {
        self.window = Some(window);
    }

    pub fn has_window(&self) -> bool {
        self.window.is_some()
    }

    /// Lets go of a window that was closed; false if nothing else is left to go on for.
    pub fn close_window(&mut self, notice: Notice<'_>) -> bool {
        if self.has_others() && self.window.take().is_some() {
            self.note("window".to_owned(), &Error::NoWindow("it was closed".to_owned()), notice);
        }
        self.has_others()
    }

    /// Whether there is an output besides the window.
    pub fn has_others(&self) -> bool {
        !self.sinks.is_empty() || !self.viewers.is_empty() || self.recording.is_some()
    }

    /// Whether every output that there was has failed.
    pub fn all_failed(&self) -> bool {
        !self.failed.is_empty() && self.window.is_none() && !self.has_others()
    }

    pub fn want_status(&self) -> bool {
        self.viewers.iter().any(|viewer| viewer.wants_status())
    }

    /// Whether somebody watches to whom keys and numbers may be shown.
    pub fn are_seen(&self) -> bool {
        self.window.is_some() || self.viewers.iter().any(|viewer| !viewer.hands_on())
    }

    pub fn are_watched(&self) -> bool {
        self.window.is_some() || !self.viewers.is_empty()
    }

    pub fn is_recording(&self) -> bool {
        self.recording.is_some()
    }

    /// Whether anything of a frame stays somewhere.
    pub fn keep(&self) -> bool {
        self.recording.is_some() || self.sinks.iter().any(|sink| sink.keeps())
    }

    pub fn recordings(&self) -> &[PathBuf] {
        &self.recordings
    }

    /// Reports how the run goes to the viewers that want it.
    pub fn report(&mut self, status: &Status) {
        for viewer in self.viewers.iter_mut().filter(|viewer| viewer.wants_status()) {
            viewer.report(status);
        }
    }

    /// What those who watch asked for.
    pub fn commands(&mut self) -> Vec<Command> {
        let all = self.window.iter_mut().chain(&mut self.viewers);
        all.flat_map(|viewer| viewer.commands()).collect()
    }

    /// The photo that one of those who watch sent.
    pub fn offered(&mut self) -> Option<Offered> {
        self.viewers.iter_mut().find_map(|viewer| viewer.offered())
    }

    /// Writes single pictures from now on as those of `original`.
    pub fn be_like(&mut self, original: &Original) {
        self.original.clone_from(original);
        self.sinks.iter_mut().for_each(|sink| sink.like(original));
    }

    /// Shows a frame in the window, if there is one.
    pub fn show(&mut self, shown: &Shown<'_>, notice: Notice<'_>) {
        self.in_window(notice, |window| window.show(shown));
    }

    /// Keeps what the window shows, and takes in what happened to it.
    pub fn refresh(&mut self, notice: Notice<'_>) {
        self.in_window(notice, |window| window.refresh());
        self.in_viewers(notice, |viewer| viewer.refresh());
    }

    /// Shows a picture that is no frame wherever somebody watches.
    pub fn hold(&mut self, picture: &RgbImage, notice: Notice<'_>) {
        self.in_window(notice, |window| window.hold(picture));
        self.in_viewers(notice, |viewer| viewer.hold(picture));
    }

    /// Hands a frame to everything but the window; those who watch get the picture `watched`.
    pub fn write(&mut self, shown: &Shown<'_>, watched: &RgbImage, notice: Notice<'_>) {
        let mut i = 0;
        while i < self.sinks.len() {
            match self.sinks[i].write(shown) {
                Ok(()) => i += 1,
                Err(e) => {
                    let sink = self.sinks.remove(i);
                    self.give_up(sink, &e, notice);
                }
            }
        }
        self.in_viewers(notice, |viewer| {
            let picture = if viewer.hands_on() { shown.picture } else { watched };
            viewer.show(&Shown { picture, ..*shown })
        });
        if let Some(recording) = &mut self.recording
            && let Err(e) = recording.write(shown)
            && let Some(recording) = self.recording.take()
        {
            self.give_up(recording, &e, notice);
        }
    }

    fn in_window(&mut self, notice: Notice<'_>, act: impl FnOnce(&mut dyn Viewer) -> media::Result<()>) {
        if let Some(window) = &mut self.window
            && let Err(e) = act(window.as_mut())
        {
            let name = window.name();
            self.window = None;
            self.note(name, &e, notice);
        }
    }

    fn in_viewers(&mut self, notice: Notice<'_>, mut act: impl FnMut(&mut dyn Viewer) -> media::Result<()>) {
        let mut i = 0;
        while i < self.viewers.len() {
            match act(self.viewers[i].as_mut()) {
                Ok(()) => i += 1,
                Err(e) => {
                    let name = self.viewers.remove(i).name();
                    self.note(name, &e, notice);
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
        let left = if self.window.is_some() || self.has_others() { "; the rest goes on" } else { "" };
        tracing::warn!(output, %error, "output failed");
        notice(&format!("output {output} failed: {error}{left}"));
        self.failed.push(Failed { output, reason: error.to_string() });
    }

    /// Starts or ends a recording, named by the date, in the working folder.
    pub fn record(&mut self, on: bool, notice: Notice<'_>) {
        if on && self.recording.is_none() {
            let mut spec = SinkSpec::Null;
            let path = free_name(|stem| {
                spec = unnamed_recording(&format!("recording-{stem}"));
                spec.path().unwrap_or_default()
            });
            if let Some(clip) = &self.clip {
                // It takes programs that are started, which the next recording need not wait for again.
                match ClipSound::of(clip) {
                    Ok(sound) => (self.clip, self.sound) = (None, sound),
                    Err(e) => notice(&format!("{e}; the recording has no sound")),
                }
            }
            let options = OutputOptions { sound: self.sound.clone(), ..OutputOptions::default() };
            match open_output(&spec, &options) {
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

    /// Saves a picture, of which `alpha` shows, in the working folder.
    pub fn snapshot(&mut self, picture: &RgbImage, alpha: &Alpha, notice: Notice<'_>) {
        let path = free_name(|stem| format!("snapshot-{stem}.png").into());
        match self.save_png(picture, alpha, &path) {
            Ok(()) => {
                notice(&format!("saved {}", path.display()));
                self.written.push(Written { what: "picture", path });
            }
            Err(e) => self.note(path.display().to_string(), &e, notice),
        }
    }

    fn save_png(&self, picture: &RgbImage, alpha: &Alpha, path: &Path) -> media::Result<()> {
        let png = png_like(picture, alpha, &self.original, self.origin);
        let mut file = PendingFile::create(path, false)?;
        file.write(&png.map_err(|e| Error::damaged(path, e))?)?;
        file.finish().map(|_| ())
    }

    /// Completes everything, and says what was written and what failed.
    pub fn finish(mut self, notice: Notice<'_>) -> (Vec<Written>, Vec<Failed>) {
        self.record(false, notice);
        self.window = None;
        self.viewers.clear();
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

/// The first name that no file has of those that `named` makes of the date, and of the date with a number.
fn free_name(mut named: impl FnMut(&str) -> PathBuf) -> PathBuf {
    let date = stamp(SystemTime::now());
    let mut path = named(&date);
    for n in 2.. {
        if path.symlink_metadata().is_err() {
            break;
        }
        path = named(&format!("{date}-{n}"));
    }
    path
}

#[cfg(test)]
mod tests {
    use std::cell::{Cell, RefCell};
    use std::rc::Rc;
    use std::time::Duration;

    use image::{GrayImage, Luma, Rgba, RgbaImage};

    use super::*;
    use crate::live::testing::{Act, Nobody, scripts};
    use crate::live::{FrameSupply, LiveLoop, LoopOptions, Painter, Scene};
    use crate::media::testing::read_back;

    /// Counts how often it was asked how much shows, and says so in its answer.
    #[derive(Default)]
    struct Asked(Cell<u8>);

    impl Painter for Asked {
        fn paint(&mut self, _: Scene<'_>, canvas: &mut RgbImage) -> crate::error::Result<Option<Duration>> {
            *canvas = RgbImage::new(1, 1);
            Ok(None)
        }

        fn alpha(&self) -> Option<GrayImage> {
            self.0.set(self.0.get() + 1);
            Some(GrayImage::from_pixel(1, 1, Luma([self.0.get()])))
        }
    }

    /// What a sink got of each frame's alpha, and whether it wants it.
    struct Keep(Rc<RefCell<Vec<Option<u8>>>>, bool);

    impl Sink for Keep {
        fn name(&self) -> String {
            String::new()
        }

        fn wants_alpha(&self) -> bool {
            self.1
        }

        fn write(&mut self, shown: &Shown<'_>) -> media::Result<()> {
            self.0.borrow_mut().push(match shown.alpha {
                Alpha::Moved(alpha) => Some(alpha.get_pixel(0, 0).0[0]),
                _ => None,
            });
            Ok(())
        }

        fn finish(self: Box<Self>) -> media::Result<Vec<Written>> {
            Ok(Vec::new())
        }
    }

    /// Alpha was made anew for every frame even where nobody kept it.
    #[test]
    fn a_painter_is_asked_how_much_shows_where_a_sink_keeps_that() {
        let clear = read_back(RgbaImage::from_pixel(4, 4, Rgba([9, 9, 9, 100]))).original;
        for (original, wants, seen) in [
            (clear.clone(), true, [Some(1), Some(2)]),
            (clear, false, [None; 2]),
            (Original::default(), true, [None; 2]),
        ] {
            let kept = Rc::new(RefCell::new(Vec::new()));
            let frames = vec![Act::Frame(0), Act::Frame(1), Act::End];
            let mut painter = Asked::default();
            LiveLoop {
                supply: FrameSupply::open(scripts(false, vec![frames]), false, None).unwrap(),
                finder: &mut Nobody,
                painter: &mut painter,
                sinks: vec![Box::new(Keep(Rc::clone(&kept), wants))],
                viewers: vec![],
                window: None,
                options: LoopOptions { original, ..LoopOptions::default() },
                stop: &|| false,
                notice: &mut |_| {},
            }
            .run()
            .unwrap();
            assert_eq!(*kept.borrow(), seen);
            assert_eq!(painter.0.get(), seen.iter().flatten().count() as u8);
        }
    }
}
