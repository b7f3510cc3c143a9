use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::rc::Rc;

use image::RgbImage;

use super::*;
use crate::frame::{DetectedFace, DetectedKeypoint};
use crate::live::control::Command;
use crate::live::outputs::Failed;
use crate::live::testing::{Act, scripts};
use crate::live::{Audience, Overlay, Switch};
use crate::media;
use crate::media::sink::Written;
use crate::vision::crop::Crop;
use crate::vision::testing::manifest;
use crate::vision::track::Tracked;

/// Finds a face with one keypoint in the middle of every picture, and takes a while.
struct Middle(Duration);

impl Finder for Middle {
    fn find(&mut self, picture: &RgbImage, _time: Duration) -> Result<Tracked> {
        std::thread::sleep(self.0);
        let (width, height) = picture.dimensions();
        let middle = DetectedKeypoint { x: width as f32 / 2.0, y: height as f32 / 2.0, confidence: 1.0 };
        let tracked = Tracked::of(Some(DetectedFace::new(vec![middle])), Crop::inside(width, height));
        Ok(Tracked { preprocess: Duration::from_micros(100), network: self.0, ..tracked })
    }
}

/// What a fake window showed, and what its user presses after which picture.
#[derive(Default)]
struct Seen {
    pictures: Vec<RgbImage>,
    presses: VecDeque<(usize, Command)>,
    refreshed: usize,
    /// The picture at which the display goes away.
    gone_at: Option<usize>,
}

struct FakeWindow(Rc<RefCell<Seen>>);

impl Viewer for FakeWindow {
    fn name(&self) -> String {
        "window".to_owned()
    }

    fn show(&mut self, shown: &Shown<'_>) -> media::Result<()> {
        self.hold(shown.picture)
    }

    fn hold(&mut self, picture: &RgbImage) -> media::Result<()> {
        let mut seen = self.0.borrow_mut();
        if seen.gone_at == Some(seen.pictures.len()) {
            return Err(media::Error::NoWindow("the display is gone".to_owned()));
        }
        seen.pictures.push(picture.clone());
        Ok(())
    }

    fn refresh(&mut self) -> media::Result<()> {
        self.0.borrow_mut().refreshed += 1;
        Ok(())
    }

    fn commands(&mut self) -> Vec<Command> {
        let mut seen = self.0.borrow_mut();
        let shown = seen.pictures.len();
        match seen.presses.front().copied() {
            Some((after, command)) if shown >= after => {
                seen.presses.pop_front();
                vec![command]
            }
            _ => Vec::new(),
        }
    }
}

/// Keeps what it was given.
#[derive(Default)]
struct Kept {
    indices: Vec<u64>,
    finished: bool,
    abandoned: bool,
    /// The write at which the disk is full.
    full_at: Option<usize>,
    unfinishable: bool,
}

struct FakeSink(Rc<RefCell<Kept>>);

impl Sink for FakeSink {
    fn name(&self) -> String {
        "fake".to_owned()
    }

    fn write(&mut self, shown: &Shown<'_>) -> media::Result<()> {
        let mut kept = self.0.borrow_mut();
        if kept.full_at == Some(kept.indices.len()) {
            return Err(disk_full());
        }
        kept.indices.push(shown.index);
        Ok(())
    }

    fn finish(self: Box<Self>) -> media::Result<Vec<Written>> {
        if self.0.borrow().unfinishable {
            return Err(disk_full());
        }
        self.0.borrow_mut().finished = true;
        Ok(Vec::new())
    }

    fn abandon(self: Box<Self>) -> Vec<Written> {
        self.0.borrow_mut().abandoned = true;
        vec![Written { what: "part", path: "part".into() }]
    }
}

fn disk_full() -> media::Error {
    media::Error::io("/full/a.avi")(std::io::ErrorKind::StorageFull.into())
}

struct Outcome {
    report: Result<RunReport>,
    kept: Rc<RefCell<Kept>>,
    seen: Rc<RefCell<Seen>>,
    notices: Vec<String>,
}

struct Set {
    live: bool,
    acts: Vec<Vec<Act>>,
    presses: Vec<(usize, Command)>,
    window: bool,
    max_frames: Option<u64>,
    stop_after: Option<u32>,
    give_up: Duration,
    /// A second sink beside the first, which fails at this write.
    full_at: Option<usize>,
    gone_at: Option<usize>,
}

impl Default for Set {
    fn default() -> Self {
        let (live, window, max_frames, stop_after) = (false, false, None, None);
        let (acts, presses, give_up) = (vec![], vec![], Duration::from_millis(100));
        let (full_at, gone_at) = (None, None);
        Self { live, acts, presses, window, max_frames, stop_after, give_up, full_at, gone_at }
    }
}

fn frames(n: u64) -> Vec<Act> {
    (0..n).map(Act::Frame).chain([Act::End]).collect()
}

fn play(set: Set) -> Outcome {
    let kept = Rc::new(RefCell::new(Kept::default()));
    let seen =
        Rc::new(RefCell::new(Seen { presses: set.presses.into(), gone_at: set.gone_at, ..Seen::default() }));
    let shared = Rc::clone(&seen);
    let looks = Cell::new(0);
    let stop = || {
        looks.set(looks.get() + 1);
        set.stop_after.is_some_and(|n| looks.get() > n)
    };
    let mut notices = Vec::new();
    let window: WindowOpener = Box::new(move |_| Ok(Box::new(FakeWindow(shared))));
    let mut sinks: Vec<Box<dyn Sink>> = vec![Box::new(FakeSink(Rc::clone(&kept)))];
    if set.full_at.is_some() {
        let full = Kept { full_at: set.full_at, ..Kept::default() };
        sinks.insert(0, Box::new(FakeSink(Rc::new(RefCell::new(full)))));
    }
    let report = LiveLoop {
        supply: FrameSupply::open(scripts(set.live, set.acts), false, Some(set.give_up)).unwrap(),
        finder: &mut Middle(Duration::from_millis(2)),
        painter: &mut Overlay::new(&manifest(1)),
        sinks,
        viewers: vec![],
        window: set.window.then_some(window),
        options: LoopOptions {
            max_frames: set.max_frames,
            numbers: Audience::Watchers,
            ..LoopOptions::default()
        },
        stop: &stop,
        notice: &mut |text| notices.push(text.to_owned()),
    }
    .run();
    Outcome { report, kept, seen, notices }
}

#[test]
fn every_frame_of_a_file_goes_through_every_step() {
    let outcome = play(Set { acts: vec![frames(5)], ..Set::default() });
    let report = outcome.report.unwrap();
    assert_eq!((report.ended, report.frames, report.faces, report.dropped), (Ended::EndOfSource, 5, 5, 0));
    assert_eq!(outcome.kept.borrow().indices, [0, 1, 2, 3, 4]);
    assert!(outcome.kept.borrow().finished);
    let rows: Vec<_> = report.steps.iter().map(|r| (r.step, r.n)).collect();
    let steps = ["decode", "preprocess", "network", "overlay", "write", "capture to display"];
    assert_eq!(rows, steps.map(|s| (s, 5)));
    assert!(report.steps[2].p50_ms >= 1.9 && report.steps[5].p50_ms >= report.steps[2].p50_ms);
}

#[test]
fn a_run_ends_when_asked_to() {
    let outcome = play(Set { acts: vec![frames(9)], max_frames: Some(3), ..Set::default() });
    assert_eq!(outcome.report.unwrap().ended, Ended::MaxFrames);
    assert_eq!(outcome.kept.borrow().indices.len(), 3);

    let outcome = play(Set { acts: vec![frames(9)], stop_after: Some(4), ..Set::default() });
    assert_eq!(outcome.report.unwrap().ended, Ended::Interrupted);
    assert!(outcome.kept.borrow().finished, "files are completed on Ctrl-C");

    let presses = vec![(2, Command::Quit)];
    let outcome = play(Set { acts: vec![frames(9)], presses, window: true, ..Set::default() });
    let report = outcome.report.unwrap();
    assert_eq!((report.ended, report.frames), (Ended::Quit, 2));
}

#[test]
fn keys_mirror_and_pause() {
    let presses = vec![
        (1, Command::Toggle(Switch::Mirror)),
        (1, Command::Help),
        (2, Command::Toggle(Switch::Pause)),
        (3, Command::Toggle(Switch::Pause)),
    ];
    let outcome = play(Set { acts: vec![frames(4)], presses, window: true, ..Set::default() });
    assert_eq!(outcome.report.unwrap().frames, 4);
    let seen = outcome.seen.borrow();
    // Four frames, and the third one again with the pause's banner and without it.
    assert_eq!(seen.pictures.len(), 6);
    assert!(seen.pictures[2] == seen.pictures[4] && seen.pictures[2] != seen.pictures[3]);
}

#[test]
fn a_file_in_a_window_keeps_its_own_speed() {
    let start = Instant::now();
    let acts = vec![vec![Act::Frame(0), Act::Frame(15), Act::Frame(30), Act::End]];
    let outcome = play(Set { acts, window: true, ..Set::default() });
    assert!(start.elapsed() >= Duration::from_millis(1195), "frames are 600 ms apart");
    let total = outcome.report.unwrap().steps.last().unwrap().p50_ms;
    assert!(total < 550.0, "waiting for a frame to be due is no latency: {total} ms");
}

#[test]
fn a_lost_camera_is_shown_and_what_was_recorded_is_completed() {
    let script = vec![Act::Frame(0), Act::Frame(1), Act::Unplug];
    let outcome = play(Set { live: true, acts: vec![script], window: true, ..Set::default() });
    let report = outcome.report.unwrap();
    assert_eq!((report.ended, report.frames), (Ended::CameraLost, 2));
    assert!(outcome.kept.borrow().finished);
    assert!(outcome.notices[0].contains("was unplugged"), "{:?}", outcome.notices);
    assert!(outcome.seen.borrow().pictures.len() > 2, "a banner over the last picture");
}

#[test]
fn a_camera_that_comes_back_goes_on() {
    let acts = vec![vec![Act::Frame(0), Act::Unplug], vec![Act::Frame(0), Act::Frame(1), Act::Unplug]];
    let give_up = Duration::from_secs(2);
    let outcome =
        play(Set { live: true, acts, window: true, give_up, max_frames: Some(3), ..Set::default() });
    let report = outcome.report.unwrap();
    assert_eq!((report.ended, report.frames, report.reopened), (Ended::MaxFrames, 3, 1));
    assert_eq!(outcome.kept.borrow().indices, [0, 1, 2]);
    assert!(outcome.notices.iter().any(|n| n == "the camera is back"));
}

#[test]
fn a_window_that_does_not_open_is_an_error_and_finishes_no_file() {
    let kept = Rc::new(RefCell::new(Kept::default()));
    let result = LiveLoop {
        supply: FrameSupply::open(scripts(false, vec![frames(3)]), false, None).unwrap(),
        finder: &mut Middle(Duration::ZERO),
        painter: &mut Overlay::new(&manifest(1)),
        sinks: vec![Box::new(FakeSink(Rc::clone(&kept)))],
        viewers: vec![],
        window: Some(Box::new(|_| Err(media::Error::NoWindow("no screen".to_owned())))),
        options: LoopOptions::default(),
        stop: &|| false,
        notice: &mut |_| {},
    }
    .run();
    assert!(result.is_err());
    assert!(!kept.borrow().finished);
}

fn failed(output: &str, reason: &str) -> Failed {
    Failed { output: output.to_owned(), reason: reason.to_owned() }
}

#[test]
fn a_full_disk_ends_one_output_and_not_the_run() {
    let outcome = play(Set { acts: vec![frames(5)], full_at: Some(2), ..Set::default() });
    let report = outcome.report.unwrap();
    assert_eq!((report.ended, report.frames), (Ended::EndOfSource, 5));
    assert_eq!(outcome.kept.borrow().indices, [0, 1, 2, 3, 4]);
    assert_eq!(report.failed, [failed("fake", &disk_full().to_string())]);
    assert_eq!(report.written, [Written { what: "part", path: "part".into() }]);
    assert_eq!(outcome.notices.len(), 1);
    assert!(outcome.notices[0].contains("the rest goes on"), "{:?}", outcome.notices);
}

#[test]
fn a_display_that_goes_away_is_no_quit() {
    let outcome = play(Set { acts: vec![frames(5)], window: true, gone_at: Some(2), ..Set::default() });
    let report = outcome.report.unwrap();
    assert_eq!((report.ended, report.frames), (Ended::EndOfSource, 5));
    assert_eq!((report.failed.len(), report.failed[0].output.as_str()), (1, "window"));
    assert_eq!(outcome.kept.borrow().indices.len(), 5);
}

#[test]
fn a_window_that_is_closed_ends_the_run_only_if_nothing_else_is_left() {
    let presses = vec![(2, Command::Close)];
    let outcome = play(Set { acts: vec![frames(5)], presses, window: true, ..Set::default() });
    let report = outcome.report.unwrap();
    assert_eq!((report.ended, report.frames), (Ended::EndOfSource, 5));
    assert_eq!(report.failed, [failed("window", "no window: it was closed")]);
    assert!(outcome.notices.len() == 1 && outcome.notices[0].ends_with("the rest goes on"));
    assert_eq!((outcome.seen.borrow().pictures.len(), outcome.kept.borrow().indices.len()), (2, 5));

    let seen = Rc::new(RefCell::new(Seen { presses: vec![(2, Command::Close)].into(), ..Seen::default() }));
    let shared = Rc::clone(&seen);
    let report = LiveLoop {
        supply: FrameSupply::open(scripts(false, vec![frames(5)]), false, None).unwrap(),
        finder: &mut Middle(Duration::ZERO),
        painter: &mut Overlay::new(&manifest(1)),
        sinks: vec![],
        viewers: vec![],
        window: Some(Box::new(move |_| Ok(Box::new(FakeWindow(shared))))),
        options: LoopOptions::default(),
        stop: &|| false,
        notice: &mut |_| {},
    }
    .run()
    .unwrap();
    assert_eq!((report.ended, report.frames, report.failed.len()), (Ended::Quit, 2, 0));
}

#[test]
fn keys_show_heat_maps_and_the_crop_and_hide_them_again() {
    let keys = [Switch::HeatMaps, Switch::HeatMaps, Switch::Crop, Switch::Crop].map(Command::Toggle);
    let presses = keys.into_iter().enumerate().map(|(i, command)| (i + 1, command)).collect();
    let outcome = play(Set { acts: vec![frames(5)], presses, window: true, ..Set::default() });
    assert_eq!(outcome.report.unwrap().frames, 5);
    let seen = outcome.seen.borrow();
    // Below the numbers, which change all the time.
    let lower = |i: usize| seen.pictures[i].as_raw().split_at(seen.pictures[i].len() / 2).1;
    assert!(lower(0) != lower(1) && lower(0) == lower(2), "heat maps");
    assert!(lower(0) != lower(3) && lower(0) == lower(4), "crop");
}

/// A run with a single output of which the second write fails.
fn alone(kept: Kept) -> (RunReport, Rc<RefCell<Kept>>) {
    let kept = Rc::new(RefCell::new(kept));
    let report = LiveLoop {
        supply: FrameSupply::open(scripts(false, vec![frames(5)]), false, None).unwrap(),
        finder: &mut Middle(Duration::ZERO),
        painter: &mut Overlay::new(&manifest(1)),
        sinks: vec![Box::new(FakeSink(Rc::clone(&kept)))],
        viewers: vec![],
        window: None,
        options: LoopOptions::default(),
        stop: &|| false,
        notice: &mut |_| {},
    }
    .run();
    (report.unwrap(), kept)
}

#[test]
fn a_run_with_no_output_left_ends() {
    let (report, kept) = alone(Kept { full_at: Some(1), ..Kept::default() });
    assert_eq!((report.ended, report.frames, report.failed.len()), (Ended::NoOutputLeft, 2, 1));
    assert!(kept.borrow().abandoned && !kept.borrow().finished);
    let (report, _) = alone(Kept { unfinishable: true, ..Kept::default() });
    assert_eq!((report.ended, report.frames, report.failed.len()), (Ended::EndOfSource, 5, 1));
}

/// Shows a picture of its own, and its answer to a command from then on.
#[derive(Default)]
struct Brush {
    commanded: u32,
}

impl Painter for Brush {
    fn paint(&mut self, scene: Scene<'_>, canvas: &mut RgbImage) -> Result<Option<Duration>> {
        assert!(scene.tracked.face.is_some());
        *canvas = RgbImage::new(10 + self.commanded, 10);
        Ok(Some(Duration::from_millis(3)))
    }

    fn handle(&mut self, command: Command) -> Option<&'static str> {
        (command == Command::Calibrate).then(|| {
            self.commanded += 1;
            "calibrated"
        })
    }
}

#[test]
fn a_painter_draws_what_is_shown_and_gets_the_commands_that_are_its_own() {
    let presses = vec![(1, Command::Calibrate), (1, Command::Toggle(Switch::Mirror))].into();
    let seen = Rc::new(RefCell::new(Seen { presses, ..Seen::default() }));
    let shared = Rc::clone(&seen);
    let mut notices = Vec::new();
    let report = LiveLoop {
        supply: FrameSupply::open(scripts(false, vec![frames(2)]), false, None).unwrap(),
        finder: &mut Middle(Duration::ZERO),
        painter: &mut Brush::default(),
        sinks: vec![],
        viewers: vec![],
        window: Some(Box::new(move |_| Ok(Box::new(FakeWindow(shared))))),
        options: LoopOptions::default(),
        stop: &|| false,
        notice: &mut |text| notices.push(text.to_owned()),
    }
    .run()
    .unwrap();
    let widths: Vec<u32> = seen.borrow().pictures.iter().map(RgbImage::width).collect();
    assert_eq!((widths, notices), (vec![10, 11], vec!["calibrated".to_owned()]));
    let generate = report.steps.iter().find(|r| r.step == "generate").unwrap();
    assert!(generate.n == 2 && (generate.p50_ms - 3.0).abs() < 0.1);
}
