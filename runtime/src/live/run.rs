use std::path::PathBuf;
use std::time::{Duration, Instant};

use super::annotate::Pictures;
use super::change::Change;
use super::clock::{Clock, Step};
use super::control::Audience;
use super::finder::Finder;
use super::frame_supply::{FrameSupply, Supplied};
use super::outputs::Outputs;
use super::paint::{Layers, Painter, Scene};
use super::report::{Ended, RunReport};
use super::view::Hud;
use super::viewer::{Viewer, WindowOpener};
use crate::engine::EngineSummary;
use crate::error::Result;
use crate::frame::Frame;
use crate::media::mark::Origin;
use crate::media::picture::{Alpha, Original};
use crate::media::sink::{Shown, Sink};
use crate::media::{self, Captured};

/// Pause between looks at the window while there is nothing to show.
const IDLE: Duration = Duration::from_millis(15);

/// Pause between looks at the stop flag where there is no window.
const IDLE_HEADLESS: Duration = Duration::from_millis(200);

/// Settings of a run.
#[derive(Clone, Debug, Default)]
pub struct LoopOptions {
    /// Frames after which the run ends.
    pub max_frames: Option<u64>,
    /// Whether to start with left and right swapped.
    pub mirror: bool,
    /// Who sees the names of keypoints, where there is room for them.
    pub names: Audience,
    /// Who sees rate and latency of the run, and expressions.
    pub numbers: Audience,
    /// Whether the lines between keypoints are left out.
    pub points_only: bool,
    /// What computes, for the report and the numbers on the pictures.
    pub engine: EngineSummary,
    /// Whether [`Shown::change`] is computed.
    pub change: bool,
    /// How the pictures came about, where a network draws them; written into files.
    pub origin: Option<Origin>,
    /// The clip whose sound recordings keep that are begun on the way.
    pub clip: Option<PathBuf>,
    /// What else the file holds of the one picture that all frames are made of: single pictures are written as it was.
    pub original: Original,
}

/// A run in the making: source, finder and where frames go.
pub struct LiveLoop<'a> {
    /// Where frames come from.
    pub supply: FrameSupply,
    /// What finds keypoints.
    pub finder: &'a mut dyn Finder,
    /// What draws the frames.
    pub painter: &'a mut dyn Painter,
    /// Where frames go.
    pub sinks: Vec<Box<dyn Sink>>,
    /// Where they are watched, besides the window.
    pub viewers: Vec<Box<dyn Viewer>>,
    /// The window, opened when the first frame shows its size.
    pub window: Option<WindowOpener>,
    /// Settings.
    pub options: LoopOptions,
    /// Tells whether to stop.
    pub stop: &'a dyn Fn() -> bool,
    /// Gets what people should know while it happens: a lost camera, a saved picture.
    pub notice: &'a mut dyn FnMut(&str),
}

/// What changes while a run goes on.
#[derive(Default)]
pub(super) struct Progress {
    pub outputs: Outputs,
    pub hud: Hud,
    pub mirror: bool,
    /// Whether names and numbers are seen, by whom they are seen at all.
    pub names: bool,
    pub numbers: bool,
    pub layers: Layers,
    pub clock: Clock,
    change: Change,
    pub frames: u64,
    faces: u64,
    pub paused: bool,
    pub pictures: Pictures,
    /// Width and height of the latest frame as it came.
    pub size: (u32, u32),
    /// How much of each pixel of the latest frame shows, once somebody wanted to know.
    pub alpha: Option<Alpha>,
    pub trouble: Option<String>,
    /// When the frame of which time is due, for files shown at their own speed.
    pub anchor: Option<(Instant, Duration)>,
}

impl LiveLoop<'_> {
    /// Runs until the source ends, the user has enough, or something fails. What was recorded of a camera or a pipe is completed
    /// whatever ends the run. An output that fails ends it only if no other is left.
    ///
    /// # Errors
    /// The source is damaged, the network failed, or the window does not open.
    pub fn run(mut self) -> Result<RunReport> {
        let start = Instant::now();
        let hud = Hud::new(self.options.engine.chosen.clone());
        let (sinks, viewers) = (std::mem::take(&mut self.sinks), std::mem::take(&mut self.viewers));
        let (clip, original) = (self.options.clip.clone(), self.options.original.clone());
        let outputs = Outputs::new(sinks, viewers, self.options.origin, clip, original);
        let LoopOptions { mirror, names, numbers, .. } = self.options;
        let (names, numbers) = (names != Audience::Nobody, numbers != Audience::Nobody);
        let layers = Layers { skeleton: !self.options.points_only, ..Layers::default() };
        let mut progress = Progress { outputs, hud, mirror, names, numbers, layers, ..Progress::default() };
        let ended = match self.turn(&mut progress) {
            Ok(ended) => ended,
            Err(e) => {
                // What came once cannot be had again; of a file it can, and half of it would mislead.
                if self.supply.comes_once() && progress.frames > 0 {
                    progress.outputs.finish(self.notice);
                }
                return Err(e);
            }
        };
        let (written, failed) = progress.outputs.finish(self.notice);
        self.supply.faults().iter().for_each(|fault| (self.notice)(fault));
        let seconds = start.elapsed().as_secs_f64();
        Ok(RunReport {
            source: self.supply.describe().to_owned(),
            engine: self.options.engine.chosen.clone(),
            ended,
            frames: progress.frames,
            faces: progress.faces,
            dropped: self.supply.dropped(),
            reopened: self.supply.reopened(),
            seconds,
            fps: if seconds > 0.0 { progress.frames as f64 / seconds } else { 0.0 },
            steps: progress.clock.table(),
            written,
            failed,
            faults: self.supply.faults().to_vec(),
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
            if self.handle_commands(p) {
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
                Err(media::Error::Interrupted) if p.frames > 0 => return Ok(Ended::Interrupted),
                Err(e) if self.supply.comes_once() && p.frames > 0 => {
                    (self.notice)(&e.to_string());
                    return Ok(if self.supply.is_live() { Ended::CameraLost } else { Ended::StreamBroke });
                }
                Err(e) => return Err(e.into()),
            }
        }
    }

    /// Nothing came. The last picture stays, with a word on what is wrong.
    fn wait(&mut self, p: &mut Progress, trouble: Option<String>) {
        match trouble {
            // Said once; that it is over is said when the next frame comes.
            Some(message) if p.trouble.as_ref() != Some(&message) => {
                (self.notice)(&message);
                p.trouble = Some(message.clone());
                self.report(p, Duration::ZERO);
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
        p.clock.add(Step::Decode, decode);
        let tracked = self.finder.find(&picture, time)?;
        p.clock.add(Step::Preprocess, tracked.preprocess);
        p.clock.add(Step::Network, tracked.network);
        let (faces, size) = (tracked.faces(), picture.dimensions());
        let change = if self.options.change { p.change.of(&picture, &tracked.crop) } else { None };
        p.size = size;
        p.frames += 1;
        p.faces += u64::from(!faces.is_empty());

        let drawing = Instant::now();
        let scene =
            Scene { picture: &mut picture, tracked: &tracked, time, mirror: p.mirror, layers: p.layers };
        let generate = self.painter.paint(scene, &mut p.pictures.canvas)?;
        p.alpha = p.outputs.want_alpha().then(|| self.alpha());
        self.supply.reuse(picture);
        self.annotate(p, !faces.is_empty());
        if let Some(generate) = generate {
            p.clock.add(Step::Generate, generate);
        }
        p.clock.add(Step::Overlay, drawing.elapsed().saturating_sub(generate.unwrap_or_default()));

        let showing = Instant::now();
        if let Some(open) = self.window.take() {
            p.outputs.set_window(open(p.pictures.canvas.dimensions())?);
            p.anchor = Some((Instant::now(), time));
        }
        if p.outputs.has_window() {
            let shown = Shown { faces, size, change, ..Shown::new(p.pictures.seen(), index, time) };
            p.outputs.show(&shown, self.notice);
            p.clock.add(Step::Show, showing.elapsed());
        }
        if p.outputs.has_others() {
            let writing = Instant::now();
            self.report(p, taken.elapsed());
            let alpha = p.alpha.as_ref().unwrap_or(&Alpha::Own);
            let shown = Shown { faces, size, change, alpha, ..Shown::new(&p.pictures.canvas, index, time) };
            p.outputs.write(&shown, p.pictures.seen(), self.notice);
            p.clock.add(Step::Write, writing.elapsed());
        }
        p.clock.add(Step::Total, taken.elapsed());
        self.finder.reuse(tracked);
        Ok(())
    }

    /// How much of each pixel of the picture that was painted last shows.
    pub(super) fn alpha(&self) -> Alpha {
        let moved = if self.options.original.has_alpha() { self.painter.alpha() } else { None };
        moved.map_or(Alpha::Own, Alpha::Moved)
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

#[cfg(test)]
mod once_tests;
#[cfg(test)]
mod tests;
