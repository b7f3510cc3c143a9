//! Sources that come once, as a pipe does, and sources of which something cannot be read.

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;

use super::*;
use crate::live::Overlay;
use crate::live::testing::{Act, Nobody, Scripted};
use crate::media;
use crate::media::sink::Written;
use crate::media::{Next, Source};
use crate::vision::testing::manifest;

/// A source that says of itself what it is told to.
struct Told {
    acts: Scripted,
    once: bool,
    fault: Option<&'static str>,
}

impl Source for Told {
    fn describe(&self) -> String {
        "told".to_owned()
    }

    fn comes_once(&self) -> bool {
        self.once
    }

    fn fault(&self) -> Option<String> {
        self.fault.map(str::to_owned)
    }

    fn next(&mut self, timeout: Duration) -> media::Result<Next> {
        self.acts.next(timeout)
    }
}

/// Counts frames, and notes that it was finished.
struct Counted(Rc<RefCell<(usize, bool)>>);

impl Sink for Counted {
    fn name(&self) -> String {
        "counted".to_owned()
    }

    fn write(&mut self, _: &Shown<'_>) -> media::Result<()> {
        self.0.borrow_mut().0 += 1;
        Ok(())
    }

    fn finish(self: Box<Self>) -> media::Result<Vec<Written>> {
        self.0.borrow_mut().1 = true;
        Ok(Vec::new())
    }
}

struct Played {
    report: Result<RunReport>,
    frames: usize,
    finished: bool,
    notices: Vec<String>,
}

fn play(once: bool, last: fn() -> Act, fault: Option<&'static str>) -> Played {
    let opener = Arc::new(move || {
        let acts = [Act::Frame(0), Act::Frame(1), last()].into();
        Ok(Box::new(Told { acts: Scripted { acts, live: false }, once, fault }) as Box<dyn Source>)
    });
    let (kept, mut notices) = (Rc::new(RefCell::new((0, false))), Vec::new());
    let report = LiveLoop {
        supply: FrameSupply::open(opener, false, None).unwrap(),
        finder: &mut Nobody,
        painter: &mut Overlay::new(&manifest(1)),
        sinks: vec![Box::new(Counted(Rc::clone(&kept)))],
        viewers: vec![],
        window: None,
        options: LoopOptions::default(),
        stop: &|| false,
        notice: &mut |text| notices.push(text.to_owned()),
    }
    .run();
    let (frames, finished) = *kept.borrow();
    Played { report, frames, finished, notices }
}

/// All recordings were deleted when the program before a pipe died in a frame.
#[test]
fn what_came_of_a_pipe_is_kept_when_it_breaks() {
    let pipe = play(true, || Act::Unplug, None);
    assert_eq!(pipe.report.unwrap().ended, Ended::StreamBroke);
    assert!(pipe.finished && pipe.frames == 2 && pipe.notices.len() == 1, "{:?}", pipe.notices);
    // Half of what can be had again would mislead.
    let file = play(false, || Act::Unplug, None);
    assert!(file.report.is_err() && !file.finished);
}

/// Frames that could not be decoded were missing without a word.
#[test]
fn what_could_not_be_read_is_said_at_the_end() {
    let played = play(false, || Act::End, Some("2 of 4 frames"));
    assert_eq!(played.report.unwrap().faults, ["2 of 4 frames"]);
    assert!(played.finished && played.notices == ["2 of 4 frames"]);
}
