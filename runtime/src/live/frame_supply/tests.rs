use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::*;
use crate::frame::Frame;
use crate::live::testing::{Act, scripts};

const SHORT: Duration = Duration::from_millis(5);

fn frames_until(supply: &mut FrameSupply, n: usize) -> Vec<u64> {
    let mut indices = Vec::new();
    let start = Instant::now();
    while indices.len() < n && start.elapsed() < Duration::from_secs(20) {
        if let Supplied::Frame(captured) = supply.poll(SHORT).unwrap() {
            indices.push(captured.frame.index);
        }
    }
    indices
}

#[test]
fn gaps_count_as_dropped_unless_left_out_on_purpose() {
    let acts = [0, 1, 5, 9].map(Act::Frame).into();
    let mut supply = FrameSupply::open(scripts(true, vec![acts]), false, None).unwrap();
    assert_eq!(frames_until(&mut supply, 3), [0, 1, 5]);
    assert_eq!(supply.dropped(), 3);
    supply.skip();
    assert_eq!(frames_until(&mut supply, 1), [9]);
    assert_eq!(supply.dropped(), 3);
}

#[test]
fn an_unplugged_camera_comes_back() {
    let first = vec![Act::Frame(0), Act::Frame(1), Act::Unplug];
    let second = vec![Act::Frame(0), Act::Frame(1)];
    let mut supply = FrameSupply::open(scripts(true, vec![first, second]), false, None).unwrap();
    assert_eq!(frames_until(&mut supply, 4), [0, 1, 2, 3]);
    assert_eq!((supply.reopened(), supply.dropped()), (1, 0));
}

#[test]
fn another_source_is_gone_over_to() {
    let mut supply =
        FrameSupply::open(scripts(true, vec![vec![Act::Frame(0), Act::Frame(1)]]), false, None).unwrap();
    assert!(!supply.change(), "nobody says which");
    let seen = Arc::new(Mutex::new(Vec::new()));
    let asked = Arc::clone(&seen);
    let first = scripts(true, vec![vec![Act::Frame(0)]]);
    // Opening takes a while, so that what is told meanwhile is seen.
    let slow: Opener = Arc::new(move || {
        std::thread::sleep(Duration::from_millis(200));
        first()
    });
    let others = vec![slow, scripts(true, vec![])];
    let mut others = (0..).zip(others);
    supply.set_chooser(Box::new(move |now| {
        asked.lock().unwrap().push(now);
        others.next().map(|(i, opener)| Choice { camera: Some(i), name: format!("other {i}"), opener })
    }));
    assert_eq!(frames_until(&mut supply, 2), [0, 1]);
    assert!(supply.change());
    let Supplied::Waiting(Some(message)) = supply.poll(SHORT).unwrap() else { panic!("it is open already") };
    assert_eq!(message, "opening other 0");
    assert_eq!((frames_until(&mut supply, 1), supply.describe()), (vec![2], "scripted"));
    // One that does not open says why, and leaves the way on open.
    assert!(supply.change());
    let start = Instant::now();
    while !matches!(supply.poll(SHORT), Ok(Supplied::Waiting(Some(m))) if m.contains("no camera found")) {
        assert!(start.elapsed() < Duration::from_secs(10));
    }
    assert!(!supply.change());
    // A scripted source is no camera of the machine; one that does not open counts as the present one.
    assert_eq!(*seen.lock().unwrap(), [None, None, Some(1)]);
}

#[test]
fn one_that_stays_away_is_given_up() {
    let script = vec![Act::Frame(0), Act::Unplug];
    let mut supply =
        FrameSupply::open(scripts(true, vec![script]), false, Some(Duration::from_millis(700))).unwrap();
    let start = Instant::now();
    let error = loop {
        match supply.poll(SHORT) {
            Ok(_) => assert!(start.elapsed() < Duration::from_secs(20)),
            Err(e) => break e,
        }
    };
    assert!(matches!(error, Error::CameraUnplugged(_)), "{error}");
}

#[test]
fn a_stall_is_reported_while_it_lasts() {
    let mut supply = FrameSupply::open(scripts(true, vec![vec![Act::Frame(0)]]), false, None).unwrap();
    frames_until(&mut supply, 1);
    assert!(matches!(supply.poll(SHORT).unwrap(), Supplied::Waiting(None)));
    std::thread::sleep(STALLED);
    assert!(matches!(supply.poll(SHORT).unwrap(), Supplied::Waiting(Some(_))));
    // A long silence ends in seeking the camera.
    supply.heard = supply.heard.checked_sub(LOST).unwrap();
    assert!(matches!(supply.poll(SHORT).unwrap(), Supplied::Waiting(Some(_))));
    assert!(matches!(supply.state, State::Lost(_)));
}

/// Ends at once, and counts how many of its kind there are.
struct Counted(Arc<AtomicUsize>, bool);

impl Source for Counted {
    fn describe(&self) -> String {
        "counted".to_owned()
    }

    fn next(&mut self, _timeout: Duration) -> Result<Next> {
        if std::mem::replace(&mut self.1, true) {
            return Ok(Next::End);
        }
        let frame = Frame { picture: RgbImage::new(2, 2), index: 0, time: Duration::ZERO };
        Ok(Next::Frame(Captured { frame, taken: Instant::now(), decode: Duration::ZERO }))
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

/// A looping clip was in memory twice for an instant at every start, so that memory went up and down by its size.
#[test]
fn a_looping_file_is_closed_before_it_is_opened_again() {
    let alive = Arc::new(AtomicUsize::new(0));
    let opener: Opener = Arc::new(move || {
        assert_eq!(alive.fetch_add(1, Ordering::SeqCst), 0, "one at a time");
        Ok(Box::new(Counted(Arc::clone(&alive), false)) as Box<dyn Source>)
    });
    let mut supply = FrameSupply::open(opener, true, None).unwrap();
    assert_eq!(frames_until(&mut supply, 3), [0, 1, 2]);
}

#[test]
fn a_looping_file_goes_on_counting() {
    let script = || vec![Act::Frame(0), Act::Frame(1), Act::End];
    let opener = scripts(false, vec![script(), script(), script()]);
    let mut supply = FrameSupply::open(opener, true, None).unwrap();
    let mut times = Vec::new();
    while times.len() < 6 {
        if let Supplied::Frame(captured) = supply.poll(SHORT).unwrap() {
            times.push((captured.frame.index, captured.frame.time.as_millis()));
        }
    }
    assert_eq!(times, [(0, 0), (1, 40), (2, 80), (3, 120), (4, 160), (5, 200)]);
    let mut once = FrameSupply::open(scripts(false, vec![script()]), false, None).unwrap();
    frames_until(&mut once, 2);
    assert!(matches!(once.poll(SHORT).unwrap(), Supplied::End));
}
