//! The frame rate that a camera really delivers: many give half of what they promise in a dark room.

use std::time::{Duration, Instant};

use super::choose::Mode;
use super::list::CameraInfo;
use super::{CameraOptions, CameraSource, Selector};
use crate::error::media::{Error, Result};
use crate::media::source::{Next, Source};

/// How long opening a camera may take before it counts as silent.
const PATIENCE: Duration = Duration::from_secs(5);

/// Longest wait between two checks whether to go on.
const POLL: Duration = Duration::from_millis(100);

/// What a camera delivered.
#[derive(Clone, Copy, Debug, PartialEq, serde::Serialize)]
pub struct Delivered {
    /// Frames after the first one.
    pub frames: u64,
    /// Seconds from the first to the last frame, by the driver's clock.
    pub seconds: f64,
    /// Frames a second.
    pub fps: f64,
}

/// Opens a camera in the mode that `runtime webcam` would ask for, and counts its frames for `time` from the first one.
/// `go_on` is asked at least every 100 ms while frames are counted.
///
/// # Errors
/// The camera does not open, or sends fewer than two frames.
pub fn measure(
    camera: &CameraInfo,
    time: Duration,
    go_on: &mut dyn FnMut() -> bool,
) -> Result<(Mode, Delivered)> {
    let options = CameraOptions { size: None, fps: None, format: None, patience: PATIENCE };
    let mut source = CameraSource::open(&Selector::Index(camera.index), &options)?;
    let delivered = delivered(&mut source, time, go_on)?;
    let seconds = time.as_secs_f32();
    delivered
        .map(|d| (source.mode(), d))
        .ok_or_else(|| Error::CameraStalled { camera: source.describe(), seconds })
}

/// `None` where fewer than two frames came. Frames that came while one was decoded count, too.
fn delivered(
    source: &mut dyn Source,
    time: Duration,
    go_on: &mut dyn FnMut() -> bool,
) -> Result<Option<Delivered>> {
    let mut end = Instant::now() + time;
    let mut first = None;
    let mut last = None;
    while Instant::now() < end && go_on() {
        match source.next(POLL)? {
            Next::Frame(captured) => {
                let now = (captured.frame.index, captured.taken);
                if first.is_none() {
                    first = Some(now);
                    end = Instant::now() + time;
                }
                last = Some(now);
            }
            Next::Waiting => {}
            Next::End => break,
        }
    }
    let (Some(first), Some(last)) = (first, last) else { return Ok(None) };
    let (frames, seconds) = (last.0 - first.0, last.1.saturating_duration_since(first.1).as_secs_f64());
    Ok((frames > 0 && seconds > 0.0).then(|| Delivered { frames, seconds, fps: frames as f64 / seconds }))
}

#[cfg(test)]
mod tests {
    use image::RgbImage;

    use super::*;
    use crate::frame::Frame;
    use crate::media::Captured;

    /// Gives every other frame of a camera that takes one each 10 ms, and stops after frame 20.
    struct HalfSeen(u64, Instant);

    impl Source for HalfSeen {
        fn describe(&self) -> String {
            "half seen".to_owned()
        }

        fn next(&mut self, timeout: Duration) -> Result<Next> {
            if self.0 > 20 {
                std::thread::sleep(timeout);
                return Ok(Next::Waiting);
            }
            let taken = self.1 + Duration::from_millis(10 * self.0);
            let frame = Frame { picture: RgbImage::new(2, 2), index: self.0, time: Duration::ZERO };
            self.0 += 2;
            Ok(Next::Frame(Captured { frame, taken, decode: Duration::ZERO }))
        }
    }

    #[test]
    fn frames_that_nobody_fetched_count_and_waits_end() {
        let start = Instant::now();
        let time = Duration::from_millis(150);
        let found = delivered(&mut HalfSeen(0, start), time, &mut || true).unwrap().unwrap();
        assert_eq!(found.frames, 20);
        assert!((found.fps - 100.0).abs() < 1e-6, "{found:?}");
        let silent = delivered(&mut HalfSeen(21, start), time, &mut || true).unwrap();
        assert_eq!(silent, None);
        assert!(start.elapsed() < Duration::from_secs(5));
    }

    #[test]
    fn the_user_may_stop_it() {
        let start = Instant::now();
        let found = delivered(&mut HalfSeen(21, start), Duration::from_secs(60), &mut || false).unwrap();
        assert!(found.is_none() && start.elapsed() < Duration::from_secs(5));
    }
}
