use std::path::PathBuf;
use std::time::{Duration, Instant, SystemTime};

use image::RgbImage;

use super::change::Change;
use super::clock::{Clock, Stage, StageRow};
use super::paint::{Painted, Painter, Scene};
use super::supply::{Supplied, Supply};
use super::view::View;
use crate::error::Result;
use crate::frame::{Face, Frame};
use crate::media::mark::{self, Origin};
use crate::media::output::{PendingFile, stamp};
use crate::media::sink::{Shown, Sink, Written};
use crate::media::window::{Display, Wish};
use crate::media::{self, Captured};
use crate::vision::overlay;
use crate::vision::track::{FaceTracker, Tracked};

/// Pause between looks at the window while there is nothing to show.
const IDLE: Duration = Duration::from_millis(15);

/// Pause between looks at the stop flag where there is no window.
const IDLE_HEADLESS: Duration = Duration::from_millis(200);

/// What finds keypoints in a frame.
pub trait Finder {
    /// Finds the face in `picture`, seen at `time` since the source's start.
    ///
    /// # Errors
    /// The network failed.
    fn find(&mut self, picture: &RgbImage, time: Duration) -> Result<Tracked>;
}

impl Finder for FaceTracker {
    fn find(&mut self, picture: &RgbImage, time: Duration) -> Result<Tracked> {
        self.track(picture, time)
    }
}

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

/// Settings of a run.
#[derive(Clone, Debug, Default)]
pub struct LoopOptions {
    /// Frames after which the run ends.
    pub max_frames: Option<u64>,
    /// Whether to start with left and right swapped.
    pub mirror: bool,
    /// Whether the rate and latency of the run are written on the pictures.
    pub numbers: bool,
    /// What computes, for the numbers on the pictures.
    pub engine: String,
    /// How the pictures came about, where a network draws them; written into files.
    pub origin: Option<Origin>,
}

/// Why a run ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Ended {
    /// The source gave its last frame.
    EndOfSource,
    /// As many frames as asked for were processed.
    MaxFrames,
    /// The user closed the window or pressed its quit key.
    Quit,
    /// The user asked the process to stop.
    Interrupted,
    /// The camera was lost for good.
    CameraLost,
}

/// What a run did.
#[derive(Clone, Debug, serde::Serialize)]
pub struct Report {
    /// The source in a few words.
    pub source: String,
    /// What computed, in a few words.
    pub engine: String,
    /// Why the run ended.
    pub ended: Ended,
    /// Frames processed.
    pub frames: u64,
    /// Frames with a face in them.
    pub faces: u64,
    /// Frames of a camera that came while the loop was busy.
    pub dropped: u64,
    /// How often a lost camera came back.
    pub reopened: u64,
    /// Length of the run in seconds, pauses included.
    pub seconds: f64,
    /// Frames a second over the whole run.
    pub fps: f64,
    /// Latency by stage.
    pub stages: Vec<StageRow>,
    /// What was written.
    pub written: Vec<Written>,
}

/// A run in the making: source, finder and where frames go.
pub struct LiveLoop<'a> {
    /// Where frames come from.
    pub supply: Supply,
    /// What finds keypoints.
    pub finder: &'a mut dyn Finder,
    /// What draws the frames.
    pub painter: &'a mut dyn Painter,
    /// Where frames go.
    pub sinks: Vec<Box<dyn Sink>>,
    /// The window, opened when the first frame shows its size.
    pub screen: Option<ScreenOpener>,
    /// Settings.
    pub options: LoopOptions,
    /// Tells whether to stop.
    pub stop: &'a dyn Fn() -> bool,
    /// Told what people should know while it happens: a lost camera, a saved picture.
    pub notice: &'a mut dyn FnMut(&str),
}

/// What changes while a run goes on.
#[derive(Default)]
struct Progress {
    screen: Option<Box<dyn Screen>>,
    view: View,
    clock: Clock,
    change: Change,
    frames: u64,
    faces: u64,
    paused: bool,
    canvas: Option<RgbImage>,
    trouble: Option<String>,
    /// When the frame of which time is due, for files shown at their own speed.
    anchor: Option<(Instant, Duration)>,
    snapshots: Vec<Written>,
}

impl LiveLoop<'_> {
    /// Runs until the source ends, the user has enough, or something fails. What was recorded of a camera is completed
    /// whatever ends the run.
    ///
    /// # Errors
    /// The source is damaged, the network failed, or a file cannot be written.
    pub fn run(mut self) -> Result<Report> {
        let start = Instant::now();
        let view = View { mirror: self.options.mirror, help: false, engine: short(&self.options.engine) };
        let mut progress = Progress { view, ..Progress::default() };
        if let Some(origin) = self.options.origin {
            self.sinks.iter_mut().for_each(|sink| sink.mark(origin));
        }
        let ended = match self.turn(&mut progress) {
            Ok(ended) => ended,
            Err(e) => {
                // A camera's recording cannot be had again; one of a file can, and half of it would mislead.
                if self.supply.is_live() && progress.frames > 0 {
                    for sink in self.sinks.drain(..) {
                        sink.finish()?;
                    }
                }
                return Err(e);
            }
        };
        let mut written = progress.snapshots;
        for sink in self.sinks {
            written.extend(sink.finish()?);
        }
        let seconds = start.elapsed().as_secs_f64();
        Ok(Report {
            source: self.supply.describe().to_owned(),
            engine: self.options.engine,
            ended,
            frames: progress.frames,
            faces: progress.faces,
            dropped: self.supply.dropped(),
            reopened: self.supply.reopened(),
            seconds,
            fps: if seconds > 0.0 { progress.frames as f64 / seconds } else { 0.0 },
            stages: progress.clock.table(),
            written,
        })
    }

    fn turn(&mut self, p: &mut Progress) -> Result<Ended> {
        loop {
            if (self.stop)() {
                return Ok(Ended::Interrupted);
            }
            if self.options.max_frames.is_some_and(|most| p.frames >= most) {
                return Ok(Ended::MaxFrames);
            }
            if self.obey(p)? {
                return Ok(Ended::Quit);
            }
            if p.paused {
                self.supply.skip();
                self.idle(p)?;
                continue;
            }
            let timeout = if p.screen.is_some() { IDLE } else { IDLE_HEADLESS };
            match self.supply.poll(timeout) {
                Ok(Supplied::Frame(captured)) => self.process(p, captured)?,
                Ok(Supplied::Waiting(trouble)) => self.wait(p, trouble)?,
                Ok(Supplied::End) => return Ok(Ended::EndOfSource),
                Err(e) if self.supply.is_live() && p.frames > 0 => {
                    (self.notice)(&e.to_string());
                    return Ok(Ended::CameraLost);
                }
                Err(e) => return Err(e.into()),
            }
        }
    }

    /// Does what the user asked for; true means quit.
    fn obey(&mut self, p: &mut Progress) -> Result<bool> {
        let wishes = p.screen.as_mut().map(|s| s.wishes()).unwrap_or_default();
        for wish in wishes {
            match wish {
                Wish::Quit => return Ok(true),
                Wish::Pause => {
                    p.paused = !p.paused;
                    p.anchor = None;
                    let banner = if p.paused { "paused: space goes on" } else { "" };
                    show_banner(p, banner)?;
                }
                Wish::Mirror => p.view.mirror = !p.view.mirror,
                Wish::Help => p.view.help = !p.view.help,
                Wish::Snapshot => {
                    if let Some(canvas) = &p.canvas {
                        let path = save_snapshot(canvas, self.options.origin)?;
                        (self.notice)(&format!("saved {}", path.display()));
                        p.snapshots.push(Written { what: "picture", path });
                    }
                }
                other => {
                    if let Some(answer) = self.painter.obey(other) {
                        (self.notice)(answer);
                    }
                }
            }
        }
        Ok(false)
    }

    fn idle(&mut self, p: &mut Progress) -> Result<()> {
        if let Some(screen) = &mut p.screen {
            screen.refresh()?;
        }
        std::thread::sleep(IDLE);
        Ok(())
    }

    /// Nothing came. The last picture stays, with a word on what is wrong.
    fn wait(&mut self, p: &mut Progress, trouble: Option<String>) -> Result<()> {
        match trouble {
            // Said once; that it is over is said when the next frame comes.
            Some(message) if p.trouble.as_ref() != Some(&message) => {
                (self.notice)(&message);
                show_banner(p, &message)?;
                p.trouble = Some(message);
            }
            _ => {
                if let Some(screen) = &mut p.screen {
                    screen.refresh()?;
                }
            }
        }
        Ok(())
    }

    fn process(&mut self, p: &mut Progress, mut captured: Captured) -> Result<()> {
        if p.trouble.take().is_some() {
            (self.notice)("the camera is back");
        }
        if !self.supply.is_live() {
            let waited = self.keep_pace(p, captured.frame.time)?;
            // Waiting for a file's frame to be due is no latency.
            captured.taken += waited;
        }
        let Captured { frame: Frame { picture, index, time }, taken, decode } = captured;
        p.clock.add(Stage::Decode, decode);
        let tracked = self.finder.find(&picture, time)?;
        p.clock.add(Stage::Preprocess, tracked.preprocess);
        p.clock.add(Stage::Network, tracked.network);
        let face: Option<&Face> = tracked.face.as_ref();
        let change = if self.sinks.is_empty() { None } else { p.change.of(&picture, &tracked.crop) };
        p.frames += 1;
        p.faces += u64::from(face.is_some());

        let drawing = Instant::now();
        let scene = Scene { picture, tracked: &tracked, time, mirror: p.view.mirror };
        let Painted { mut canvas, generate } = self.painter.paint(scene)?;
        if self.options.numbers {
            let (source, dropped) = (self.supply.describe(), self.supply.dropped());
            p.view.annotate(&mut canvas, &p.clock, source, dropped, face.is_some(), self.painter.keys());
        }
        if let Some(generate) = generate {
            p.clock.add(Stage::Generate, generate);
        }
        p.clock.add(Stage::Overlay, drawing.elapsed().saturating_sub(generate.unwrap_or_default()));

        let showing = Instant::now();
        if let Some(open) = self.screen.take() {
            p.screen = Some(open(canvas.dimensions())?);
            p.anchor = Some((Instant::now(), time));
        }
        if let Some(screen) = &mut p.screen {
            screen.show(&canvas)?;
            p.clock.add(Stage::Show, showing.elapsed());
        }
        let writing = Instant::now();
        let shown = Shown { picture: &canvas, index, time, face, change };
        for sink in &mut self.sinks {
            sink.write(&shown)?;
        }
        if !self.sinks.is_empty() {
            p.clock.add(Stage::Write, writing.elapsed());
        }
        p.clock.add(Stage::Total, taken.elapsed());
        p.canvas = Some(canvas);
        Ok(())
    }

    /// Where somebody watches, a file's frames wait until they are due. Gives back how long was waited.
    fn keep_pace(&mut self, p: &mut Progress, time: Duration) -> Result<Duration> {
        let Some(screen) = &mut p.screen else { return Ok(Duration::ZERO) };
        let start = Instant::now();
        let (begun, begun_at) = *p.anchor.get_or_insert((start, time));
        let due = begun + time.saturating_sub(begun_at);
        // Too slow for the file's speed: go on from here rather than rush later.
        if start.saturating_duration_since(due) > Duration::from_millis(200) {
            p.anchor = Some((start, time));
        }
        loop {
            let left = due.saturating_duration_since(Instant::now());
            if left.is_zero() || (self.stop)() {
                return Ok(start.elapsed());
            }
            std::thread::sleep(left.min(IDLE));
            if left > IDLE {
                screen.refresh()?;
            }
        }
    }
}

/// Shows the last picture with a message across it; an empty message takes it off.
fn show_banner(p: &mut Progress, message: &str) -> Result<()> {
    if let (Some(screen), Some(canvas)) = (&mut p.screen, &p.canvas) {
        let mut banner = canvas.clone();
        if !message.is_empty() {
            overlay::draw_banner(&mut banner, message);
        }
        screen.show(&banner)?;
    }
    Ok(())
}

fn save_snapshot(canvas: &RgbImage, origin: Option<Origin>) -> media::Result<PathBuf> {
    let name = format!("snapshot-{}", stamp(SystemTime::now()));
    let mut path = PathBuf::from(format!("{name}.png"));
    for n in 2.. {
        if !path.exists() {
            break;
        }
        path = PathBuf::from(format!("{name}-{n}.png"));
    }
    let png = mark::png(canvas, origin).map_err(|e| media::Error::damaged(&path, e))?;
    let mut file = PendingFile::create(&path, false)?;
    file.write(&png)?;
    file.finish()
}

/// What computes, without the reasons why nothing better does: those are too long for a picture.
fn short(engine: &str) -> String {
    engine.split(';').next().unwrap_or_default().to_owned()
}

#[cfg(test)]
mod tests;
