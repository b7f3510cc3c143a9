//! A slow reader of a live source sees the present: what came while it was busy is left out, not put in a queue.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use image::RgbImage;

use super::frame_supply::{FrameSupply, Opener, Supplied};
use crate::frame::Frame;
use crate::media::slot::{Slot, Taken};
use crate::media::{Captured, Next, Result, Source};

/// Time between two frames of the camera.
const PERIOD: Duration = Duration::from_millis(33);

/// A camera of 30 frames a second behind a [`Slot`], as [`crate::media::camera::CameraSource`] is.
struct Steady {
    slot: Slot<(u64, Instant)>,
    made: Arc<AtomicU64>,
    stop: Arc<AtomicBool>,
}

impl Steady {
    fn start(made: Arc<AtomicU64>) -> Self {
        let (slot, stop) = (Slot::default(), Arc::new(AtomicBool::new(false)));
        let (maker, count, ended) = (slot.clone(), Arc::clone(&made), Arc::clone(&stop));
        std::thread::spawn(move || {
            let start = Instant::now();
            for number in 0u32.. {
                let due = start + PERIOD * number;
                std::thread::sleep(due.saturating_duration_since(Instant::now()));
                if ended.load(Ordering::Relaxed) {
                    break;
                }
                maker.put((u64::from(number), Instant::now()));
                count.store(u64::from(number) + 1, Ordering::SeqCst);
            }
        });
        Self { slot, made, stop }
    }
}

impl Drop for Steady {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
    }
}

impl Source for Steady {
    fn describe(&self) -> String {
        format!("steady, {} made", self.made.load(Ordering::SeqCst))
    }

    fn is_live(&self) -> bool {
        true
    }

    fn next(&mut self, timeout: Duration) -> Result<Next> {
        let Taken::Item((index, taken)) = self.slot.take(timeout) else { return Ok(Next::Waiting) };
        let frame = Frame { picture: RgbImage::new(2, 2), index, time: Duration::ZERO };
        Ok(Next::Frame(Captured { frame, taken, decode: Duration::ZERO }))
    }
}

/// Three times too slow, a reader behind a queue of four buffers would see frames 300 ms old.
#[test]
fn a_reader_three_times_too_slow_sees_frames_no_older_than_one_period() {
    let made = Arc::new(AtomicU64::new(0));
    let count = Arc::clone(&made);
    let opener: Opener = Arc::new(move || Ok(Box::new(Steady::start(Arc::clone(&count))) as Box<dyn Source>));
    let mut supply = FrameSupply::open(opener, false, None).unwrap();
    let mut ages = Vec::new();
    let mut last = 0;
    while ages.len() < 15 {
        let newest = made.load(Ordering::SeqCst);
        let Supplied::Frame(captured) = supply.poll(Duration::from_millis(500)).unwrap() else { continue };
        ages.push(captured.taken.elapsed());
        last = captured.frame.index;
        // Holds however unevenly the machine lets the two threads run.
        assert!(last + 1 >= newest, "frame {last} of {newest}");
        std::thread::sleep(3 * PERIOD);
    }
    ages.sort_unstable();
    // A busy machine may let the camera's thread wait, so the middle is looked at.
    assert!(ages[7] <= PERIOD, "{ages:?}");
    assert_eq!(supply.dropped() + 15, last + 1, "what was left out is counted");
}
