//! What viewers ask for while a run goes on, and what is reported to them.

use std::time::Duration;

use super::control::{Command, Status, Switch, Switches};
use super::finder::Follow;
use super::offered::{NewSource, Offered};
use super::run::{LiveLoop, Progress};
use crate::error::Error;
use crate::vision::hud;

impl LiveLoop<'_> {
    /// Does what the users asked for; true means quit.
    pub(super) fn handle_commands(&mut self, p: &mut Progress) -> bool {
        if let Some(offered) = p.outputs.offered() {
            self.take_source(p, offered);
        }
        for command in p.outputs.commands() {
            let (switch, on) = match command {
                Command::Quit => return true,
                Command::Close if p.outputs.close_window(self.notice) => continue,
                Command::Close => return true,
                Command::Help => {
                    p.hud.help = !p.hud.help;
                    continue;
                }
                Command::Snapshot => {
                    if p.frames > 0 {
                        let alpha = p.alpha.get_or_insert_with(|| self.alpha());
                        p.outputs.snapshot(&p.pictures.canvas, alpha, self.notice);
                    }
                    continue;
                }
                Command::Toggle(switch) => (switch, !self.switches(p).of(switch)),
                Command::Set(switch, on) => (switch, on),
                Command::NextCamera => {
                    if !self.supply.change() {
                        (self.notice)("there is no other camera");
                    }
                    continue;
                }
                Command::Calibrate | Command::NextFace | Command::NextDrive => {
                    // Snapshots are of the latest frame, which does not change with the face.
                    if command == Command::NextFace && p.frames > 0 {
                        p.alpha.get_or_insert_with(|| self.alpha());
                    }
                    let neutral = if command == Command::Calibrate { self.finder.calibrate() } else { None };
                    if let Some(answer) = neutral.or(self.painter.handle(command)) {
                        (self.notice)(answer);
                    } else if command == Command::NextFace {
                        self.choose(Follow::Next);
                    }
                    continue;
                }
                Command::FollowAt(at) => {
                    if let Some([x, y]) = self.painter.source_at(at) {
                        let (width, height) = (p.size.0 as f32, p.size.1 as f32);
                        let x = if p.mirror { 1.0 - x } else { x };
                        self.choose(Follow::At([x * width, y * height]));
                    }
                    continue;
                }
            };
            self.turn_switch(p, switch, on);
        }
        false
    }

    /// Drives a photo that was sent, if that can be, and tells who sent it.
    fn take_source(&mut self, p: &mut Progress, Offered { photo, answer }: Offered) {
        let name = photo.name.clone();
        let taken = self.painter.take_source(photo).map(|NewSource { original, notes }| {
            p.outputs.be_like(&original);
            self.options.original = original;
            p.alpha = None;
            notes
        });
        let failed = |e: &Error| format!("a photo that was sent is not driven: {e}");
        (self.notice)(&taken.as_ref().map_or_else(failed, |_| format!("{name} was sent and is driven now")));
        // Who does not wait any more needs no answer.
        answer.send(taken).ok();
    }

    fn choose(&mut self, whom: Follow) {
        if let Some(answer) = self.finder.choose(whom) {
            (self.notice)(&answer);
        }
    }

    /// Where the switches are.
    fn switches(&self, p: &Progress) -> Switches {
        Switches {
            mirror: p.mirror,
            pause: p.paused,
            overlay: p.layers.keypoints,
            names: p.names,
            skeleton: p.layers.skeleton,
            heat_maps: p.layers.heat_maps,
            crop: p.layers.crop,
            smoothing: self.finder.is_smoothing(),
            numbers: p.numbers,
            recording: p.outputs.is_recording(),
        }
    }

    fn turn_switch(&mut self, p: &mut Progress, switch: Switch, on: bool) {
        match switch {
            Switch::Mirror => p.mirror = on,
            Switch::Overlay => p.layers.keypoints = on,
            Switch::Names => p.names = on,
            Switch::Skeleton => p.layers.skeleton = on,
            Switch::HeatMaps => p.layers.heat_maps = on,
            Switch::Crop => p.layers.crop = on,
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
            self.report(p, Duration::ZERO);
            let text = if p.outputs.has_window() { "paused: space goes on" } else { "paused" };
            self.banner(p, text);
        } else if switch == Switch::Pause {
            self.banner(p, "");
        }
    }

    /// Shows the last picture with a message across it; an empty message takes it off.
    pub(super) fn banner(&mut self, p: &mut Progress, message: &str) {
        if p.frames > 0 {
            let mut banner = p.pictures.seen().clone();
            if !message.is_empty() {
                hud::draw_banner(&mut banner, message);
            }
            p.outputs.hold(&banner, self.notice);
        }
    }

    /// Reports to viewers how the run goes; `total` is how long the frame took so far.
    pub(super) fn report(&mut self, p: &mut Progress, total: Duration) {
        if !p.outputs.want_status() {
            return;
        }
        let status = Status {
            frames: p.frames,
            dropped: self.supply.dropped(),
            fps: p.clock.fps(),
            steps: p.clock.latest(total),
            live: self.supply.is_live(),
            takes_source: self.painter.takes_source(),
            source: self.supply.describe().to_owned(),
            engine: p.hud.engine().to_owned(),
            trouble: p.trouble.clone(),
            switches: self.switches(p),
            recordings: p.outputs.recordings().to_vec(),
            offers: self.painter.offers(),
        };
        p.outputs.report(&status);
    }
}
