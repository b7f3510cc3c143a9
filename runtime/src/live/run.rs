use std::time::{Duration, Instant};

use image::RgbImage;

use super::change::Change;
use super::clock::{Clock, Stage};
use super::outputs::{Outputs, ScreenOpener};
use super::paint::{Layers, Painter, Scene};
use super::report::{Ended, Report};
use super::supply::{Supplied, Supply};
use super::view::Hud;
use crate::error::Result;
use crate::frame::{DetectedFace, Frame};
use crate::media::Captured;
use crate::media::control::{Standing, Switch, Switches, Wish};
use crate::media::mark::Origin;
use crate::media::sink::{Shown, Sink};
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

    /// Takes back an outcome that nobody needs any more, for the next one to be put there.
    fn reuse(&mut self, _tracked: Tracked) {}

    /// Filters keypoints over time or leaves them as detected. Says whether they are filtered now.
    fn smooth(&mut self, _on: bool) -> bool {
        false
    }

    /// Whether keypoints are filtered over time.
    fn is_smoothing(&self) -> bool {
        false
    }
}

impl Finder for FaceTracker {
    fn find(&mut self, picture: &RgbImage, time: Duration) -> Result<Tracked> {
        self.track(picture, time)
    }

    fn reuse(&mut self, tracked: Tracked) {
        FaceTracker::reuse(self, tracked);
    }

    fn smooth(&mut self, on: bool) -> bool {
        self.set_smoothing(on);
        self.is_smoothing()
    }

    fn is_smoothing(&self) -> bool {
        FaceTracker::is_smoothing(self)
    }
}

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
    outputs: Outputs,
    hud: Hud,
    mirror: bool,
    numbers: bool,
    layers: Layers,
    clock: Clock,
    change: Change,
    frames: u64,
    faces: u64,
    paused: bool,
    /// The latest frame as it was shown; no pixels before the first.
    canvas: RgbImage,
    trouble: Option<String>,
    /// When the frame of which time is due, for files shown at their own speed.
    anchor: Option<(Instant, Duration)>,
}

impl LiveLoop<'_> {
    /// Runs until the source ends, the user has enough, or something fails. What was recorded of a camera is completed
    /// whatever ends the run. An output that fails ends it only if no other is left.
    ///
    /// # Errors
    /// The source is damaged, the network failed, or the window does not open.
    pub fn run(mut self) -> Result<Report> {
        let start = Instant::now();
        let hud = Hud::new(short(&self.options.engine));
        let outputs = Outputs::new(std::mem::take(&mut self.sinks), self.options.origin);
        let LoopOptions { mirror, numbers, .. } = self.options;
        let mut progress = Progress { outputs, hud, mirror, numbers, ..Progress::default() };
        let ended = match self.turn(&mut progress) {
            Ok(ended) => ended,
            Err(e) => {
                // A camera's recording cannot be had again; one of a file can, and half of it would mislead.
                if self.supply.is_live() && progress.frames > 0 {
                    progress.outputs.finish(self.notice);
                }
                return Err(e);
            }
        };
        let (written, failed) = progress.outputs.finish(self.notice);
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
            failed,
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
            if p.outputs.all_failed() {
                return Ok(Ended::NoOutputLeft);
            }
            if self.obey(p) {
                return Ok(Ended::Quit);
            }
            if p.paused {
                self.supply.skip();
                p.outputs.refresh(self.notice);
                std::thread::sleep(IDLE);
                continue;
            }
            let timeout = if p.outputs.are_watched() { IDLE } else { IDLE_HEADLESS };
            match self.supply.poll(timeout) {
                Ok(Supplied::Frame(captured)) => self.process(p, captured)?,
                Ok(Supplied::Waiting(trouble)) => self.wait(p, trouble),
                Ok(Supplied::End) => return Ok(Ended::EndOfSource),
                Err(e) if self.supply.is_live() && p.frames > 0 => {
                    (self.notice)(&e.to_string());
                    return Ok(Ended::CameraLost);
                }
                Err(e) => return Err(e.into()),
            }
        }
    }

    /// Does what the users asked for; true means quit.
    fn obey(&mut self, p: &mut Progress) -> bool {
        for wish in p.outputs.wishes() {
            let (switch, on) = match wish {
                Wish::Quit => return true,
                Wish::Close if p.outputs.close_screen(self.notice) => continue,
                Wish::Close => return true,
                Wish::Help => {
                    p.hud.help = !p.hud.help;
                    continue;
                }
                Wish::Snapshot => {
                    if p.frames > 0 {
                        p.outputs.snapshot(&p.canvas, self.notice);
                    }
                    continue;
                }
                Wish::Pause => (Switch::Pause, !p.paused),
                Wish::Mirror => (Switch::Mirror, !p.mirror),
                Wish::Record => (Switch::Recording, !p.outputs.is_recording()),
                Wish::HeatMaps => (Switch::HeatMaps, !p.layers.heat_maps),
                Wish::Square => (Switch::Square, !p.layers.square),
                Wish::Set(switch, on) => (switch, on),
                Wish::NextCamera => {
                    if !self.supply.change() {
                        (self.notice)("there is no other camera");
                    }
                    continue;
                }
                Wish::Calibrate | Wish::NextFace | Wish::NextDrive => {
                    if let Some(answer) = self.painter.obey(wish) {
                        (self.notice)(answer);
                    }
                    continue;
                }
            };
            self.turn_switch(p, switch, on);
        }
        false
    }

    fn turn_switch(&mut self, p: &mut Progress, switch: Switch, on: bool) {
        match switch {
            Switch::Mirror => p.mirror = on,
            Switch::Overlay => p.layers.keypoints = on,
            Switch::HeatMaps => p.layers.heat_maps = on,
            Switch::Square => p.layers.square = on,
            Switch::Numbers => p.numbers = on,
            Switch::Smoothing => {
                self.finder.smooth(on);
            }
            Switch::Recording => p.outputs.record(on, self.notice),
            Switch::Pause => p.paused = on,
        }
        if switch == Switch::Pause {
            p.anchor = None;
        }
        if p.paused {
            self.tell(p, Duration::ZERO);
            let text = if p.outputs.has_screen() { "paused: space goes on" } else { "paused" };
            self.banner(p, text);
        } else if switch == Switch::Pause {
            self.banner(p, "");
        }
    }

    /// Shows the last picture with a message across it; an empty message takes it off.
    fn banner(&mut self, p: &mut Progress, message: &str) {
        if p.frames > 0 {
            let mut banner = p.canvas.clone();
            if !message.is_empty() {
                overlay::draw_banner(&mut banner, message);
            }
            p.outputs.hold(&banner, self.notice);
        }
    }

    /// Tells watchers how the run goes.
    fn tell(&mut self, p: &mut Progress, total: Duration) {
        if !p.outputs.want_standing() {
            return;
        }
        let standing = Standing {
            frames: p.frames,
            dropped: self.supply.dropped(),
            fps: p.clock.fps(),
            stages: p.clock.latest(total),
            source: self.supply.describe().to_owned(),
            engine: p.hud.engine().to_owned(),
            trouble: p.trouble.clone(),
            switches: Switches {
                mirror: p.mirror,
                pause: p.paused,
                overlay: p.layers.keypoints,
                heat_maps: p.layers.heat_maps,
                square: p.layers.square,
                smoothing: self.finder.is_smoothing(),
                numbers: p.numbers,
                recording: p.outputs.is_recording(),
            },
            recordings: p.outputs.recordings().to_vec(),
            offers: self.painter.offers(),
        };
        p.outputs.tell(&standing);
    }

    /// Nothing came. The last picture stays, with a word on what is wrong.
    fn wait(&mut self, p: &mut Progress, trouble: Option<String>) {
        match trouble {
            // Said once; that it is over is said when the next frame comes.
            Some(message) if p.trouble.as_ref() != Some(&message) => {
                (self.notice)(&message);
                p.trouble = Some(message.clone());
                self.tell(p, Duration::ZERO);
                self.banner(p, &message);
            }
            _ => p.outputs.refresh(self.notice),
        }
    }

    fn process(&mut self, p: &mut Progress, mut captured: Captured) -> Result<()> {
        if p.trouble.take().is_some() {
            (self.notice)(&self.supply.welcome());
        }
        if !self.supply.is_live() {
            let waited = self.keep_pace(p, captured.frame.time);
            // Waiting for a file's frame to be due is no latency.
            captured.taken += waited;
        }
        let Captured { frame: Frame { mut picture, index, time }, taken, decode } = captured;
        p.clock.add(Stage::Decode, decode);
        let tracked = self.finder.find(&picture, time)?;
        p.clock.add(Stage::Preprocess, tracked.preprocess);
        p.clock.add(Stage::Network, tracked.network);
        let face: Option<&DetectedFace> = tracked.face.as_ref();
        let change = if p.outputs.want_change() { p.change.of(&picture, &tracked.crop) } else { None };
        p.frames += 1;
        p.faces += u64::from(face.is_some());

        let drawing = Instant::now();
        let scene =
            Scene { picture: &mut picture, tracked: &tracked, time, mirror: p.mirror, layers: p.layers };
        let generate = self.painter.paint(scene, &mut p.canvas)?;
        self.supply.reuse(picture);
        if p.numbers {
            let (source, dropped) = (self.supply.describe(), self.supply.dropped());
            let keys = self.painter.keys();
            p.hud.draw(&mut p.canvas, &p.clock, source, dropped, face.is_some(), keys);
        }
        if let Some(generate) = generate {
            p.clock.add(Stage::Generate, generate);
        }
        p.clock.add(Stage::Overlay, drawing.elapsed().saturating_sub(generate.unwrap_or_default()));

        let showing = Instant::now();
        if let Some(open) = self.screen.take() {
            p.outputs.set_screen(open(p.canvas.dimensions())?);
            p.anchor = Some((Instant::now(), time));
        }
        if p.outputs.has_screen() {
            p.outputs.show(&p.canvas, self.notice);
            p.clock.add(Stage::Show, showing.elapsed());
        }
        if p.outputs.has_sinks() {
            let writing = Instant::now();
            self.tell(p, taken.elapsed());
            p.outputs.write(&Shown { picture: &p.canvas, index, time, face, change }, self.notice);
            p.clock.add(Stage::Write, writing.elapsed());
        }
        p.clock.add(Stage::Total, taken.elapsed());
        self.finder.reuse(tracked);
        Ok(())
    }

    /// Where somebody watches, a file's frames wait until they are due. Gives back how long was waited.
    fn keep_pace(&mut self, p: &mut Progress, time: Duration) -> Duration {
        if !p.outputs.are_watched() {
            return Duration::ZERO;
        }
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
                return start.elapsed();
            }
            std::thread::sleep(left.min(IDLE));
            if left > IDLE {
                p.outputs.refresh(self.notice);
            }
        }
    }
}

/// What computes, without the reasons why nothing better does: those are too long for a picture.
fn short(engine: &str) -> String {
    engine.split(';').next().unwrap_or_default().to_owned()
}

#[cfg(test)]
mod tests;
