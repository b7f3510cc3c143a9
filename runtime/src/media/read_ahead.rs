//! Reads and decodes the next frame of a file while the one before is looked at.

use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::time::{Duration, Instant};

use image::RgbImage;

use super::source::{Captured, Next, Source};
use crate::error::media::{Error, Result};
use crate::error::panic::guard;

/// Frames that wait to be fetched, besides the one that is being decoded: the reader may be late once without anybody
/// waiting for it.
const AHEAD: usize = 2;

/// Pictures that may come back before the reader looks for them: those that had waited, the one that it had at the door, and the
/// one that was being looked at. One that found no room would be missing later, and be allocated anew.
const BACK: usize = AHEAD + 2;

/// A source that is not live, read by a thread of its own. That ends with the source, and with this.
pub struct ReadAhead {
    description: String,
    frames: Option<u64>,
    decoded: Receiver<Decoded>,
    spares: SyncSender<RgbImage>,
    /// What is known once the source has ended, which it has if it is.
    ended: Option<Option<String>>,
}

/// What the reader got, and at the end of the source what of that could not be read.
type Decoded = (Result<Next>, Option<String>);

/// Bytes of a picture from which on none waits: a few of 8K would take half a gigabyte.
const LARGE: u64 = 48 << 20;

impl ReadAhead {
    /// Begins to read.
    pub fn new(source: Box<dyn Source>) -> Self {
        let bytes = source.size().map_or(0, |(width, height)| 3 * u64::from(width) * u64::from(height));
        let (sender, decoded) = sync_channel(if bytes < LARGE { AHEAD } else { 0 });
        // Bounded, as one without bounds allocates as it goes.
        let (spares, returned) = sync_channel(BACK);
        let (description, frames) = (source.describe(), source.frames());
        std::thread::spawn(move || read(source, &sender, &returned));
        Self { description, frames, decoded, spares, ended: None }
    }
}

/// Reads until the source ends, something is wrong, or nobody takes frames any more.
fn read(mut source: Box<dyn Source>, decoded: &SyncSender<Decoded>, returned: &Receiver<RgbImage>) {
    loop {
        returned.try_iter().for_each(|picture| source.reuse(picture));
        let next = guard(|| source.next(Duration::ZERO));
        let next = next.unwrap_or_else(|said| Err(Error::damaged(source.describe(), said)));
        let over = matches!(next, Ok(Next::End) | Err(_));
        let fault = if over { source.fault() } else { None };
        if decoded.send((next, fault)).is_err() || over {
            return;
        }
    }
}

impl Source for ReadAhead {
    fn describe(&self) -> String {
        self.description.clone()
    }

    fn frames(&self) -> Option<u64> {
        self.frames
    }

    fn fault(&self) -> Option<String> {
        self.ended.clone().flatten()
    }

    fn next(&mut self, _timeout: Duration) -> Result<Next> {
        if self.ended.is_some() {
            return Ok(Next::End);
        }
        // One that is gone before its end is no end.
        let gone = || (Err(Error::damaged(&self.description, "its reader is gone")), None);
        let (next, fault) = self.decoded.recv().unwrap_or_else(|_| gone());
        if matches!(next, Ok(Next::End) | Err(_)) {
            self.ended = Some(fault);
        }
        Ok(match next? {
            // That it was ready before anybody asked is no latency.
            Next::Frame(captured) => {
                let now = Instant::now();
                Next::Frame(Captured { taken: now.checked_sub(captured.decode).unwrap_or(now), ..captured })
            }
            other => other,
        })
    }

    fn reuse(&mut self, picture: RgbImage) {
        // After the end nobody needs it, and where there are enough of them neither.
        self.spares.try_send(picture).ok();
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU64, Ordering};
    use std::sync::{Arc, Mutex};

    use super::*;
    use crate::frame::Frame;
    use crate::media::Error;

    /// So many frames, then the end or a damaged one; counts those read, and keeps what comes back.
    struct Counted {
        left: u64,
        damaged: bool,
        read: Arc<AtomicU64>,
        back: Arc<Mutex<Vec<RgbImage>>>,
    }

    impl Source for Counted {
        fn describe(&self) -> String {
            "counted".into()
        }

        fn frames(&self) -> Option<u64> {
            Some(7)
        }

        fn next(&mut self, _timeout: Duration) -> Result<Next> {
            if self.left == 0 {
                return if self.damaged { Err(Error::Empty("clip".into())) } else { Ok(Next::End) };
            }
            self.left -= 1;
            let index = self.read.fetch_add(1, Ordering::SeqCst);
            let frame = Frame { picture: RgbImage::new(1, 1), index, time: Duration::from_millis(index) };
            let decode = Duration::from_millis(3);
            Ok(Next::Frame(Captured { frame, taken: Instant::now() - Duration::from_secs(9), decode }))
        }

        fn reuse(&mut self, picture: RgbImage) {
            self.back.lock().unwrap().push(picture);
        }
    }

    fn counted(left: u64, damaged: bool) -> (ReadAhead, Arc<AtomicU64>, Arc<Mutex<Vec<RgbImage>>>) {
        let (read, back) = (Arc::default(), Arc::default());
        let source = Counted { left, damaged, read: Arc::clone(&read), back: Arc::clone(&back) };
        (ReadAhead::new(Box::new(source)), read, back)
    }

    #[test]
    fn frames_come_in_order_then_the_end_again_and_again() {
        let (mut source, _, back) = counted(5, false);
        assert_eq!((source.describe().as_str(), source.frames()), ("counted", Some(7)));
        for index in 0..5 {
            let Next::Frame(captured) = source.next(Duration::ZERO).unwrap() else { panic!("no frame") };
            assert_eq!((captured.frame.index, captured.frame.time), (index, Duration::from_millis(index)));
            // Waiting to be fetched does not count.
            assert!(captured.taken.elapsed() < Duration::from_secs(5));
            assert!(captured.taken.elapsed() >= captured.decode);
            source.reuse(captured.frame.picture);
        }
        assert!(matches!(source.next(Duration::ZERO).unwrap(), Next::End));
        assert!(matches!(source.next(Duration::ZERO).unwrap(), Next::End));
        source.reuse(RgbImage::new(2, 2));
        assert!(!back.lock().unwrap().is_empty());
    }

    /// A reader that was late to look got back two pictures of four, and allocated others.
    #[test]
    fn every_picture_comes_back_however_late_the_reader_is() {
        struct Late {
            counted: Counted,
            gate: std::sync::mpsc::Receiver<()>,
        }
        impl Source for Late {
            fn describe(&self) -> String {
                self.counted.describe()
            }
            fn next(&mut self, timeout: Duration) -> Result<Next> {
                if self.counted.read.load(Ordering::SeqCst) as usize == BACK {
                    self.gate.recv().unwrap();
                }
                self.counted.next(timeout)
            }
            fn reuse(&mut self, picture: RgbImage) {
                self.counted.reuse(picture);
            }
        }
        let (open, gate) = std::sync::mpsc::channel();
        let back = Arc::new(Mutex::new(Vec::new()));
        let counted =
            Counted { left: BACK as u64 + 1, damaged: false, read: Arc::default(), back: Arc::clone(&back) };
        let mut source = ReadAhead::new(Box::new(Late { counted, gate }));
        let mut shown = Vec::new();
        for _ in 0..BACK {
            let Next::Frame(captured) = source.next(Duration::ZERO).unwrap() else { panic!("no frame") };
            shown.push(captured.frame.picture);
        }
        shown.into_iter().for_each(|picture| source.reuse(picture));
        open.send(()).unwrap();
        while !matches!(source.next(Duration::ZERO).unwrap(), Next::End) {}
        assert_eq!(back.lock().unwrap().len(), BACK);
    }

    #[test]
    fn damage_is_told_where_it_is() {
        let (mut source, _, _) = counted(1, true);
        assert!(matches!(source.next(Duration::ZERO).unwrap(), Next::Frame(_)));
        assert!(matches!(source.next(Duration::ZERO), Err(Error::Empty(_))));
    }

    /// A reader that had died counted as the source's end: no frames, and success.
    #[test]
    fn a_panic_of_the_reader_is_an_error_and_a_fault_is_kept() {
        struct Odd(bool);
        impl Source for Odd {
            fn describe(&self) -> String {
                "odd.avi".to_owned()
            }
            fn fault(&self) -> Option<String> {
                Some("2 of 3 frames".to_owned())
            }
            fn next(&mut self, _timeout: Duration) -> Result<Next> {
                assert!(self.0, "it overflows");
                Ok(Next::End)
            }
        }
        let said = ReadAhead::new(Box::new(Odd(false))).next(Duration::ZERO).unwrap_err().to_string();
        assert!(said.contains("odd.avi") && said.contains("it overflows"), "{said}");
        let mut ends = ReadAhead::new(Box::new(Odd(true)));
        assert_eq!(ends.fault(), None);
        assert!(matches!(ends.next(Duration::ZERO).unwrap(), Next::End));
        assert_eq!(ends.fault().as_deref(), Some("2 of 3 frames"));
    }

    #[test]
    fn no_more_is_read_than_will_soon_be_wanted_and_nothing_after_that() {
        let (mut source, read, _) = counted(1000, false);
        source.next(Duration::ZERO).unwrap();
        std::thread::sleep(Duration::from_millis(100));
        // One was fetched, some wait, one more is at the door.
        assert!((2..=2 + AHEAD as u64).contains(&read.load(Ordering::SeqCst)));
        drop(source);
        std::thread::sleep(Duration::from_millis(50));
        let then = read.load(Ordering::SeqCst);
        std::thread::sleep(Duration::from_millis(50));
        assert_eq!(read.load(Ordering::SeqCst), then);
    }
}
