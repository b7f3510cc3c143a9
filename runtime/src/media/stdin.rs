//! Frames in a row, from standard input, the far end of a pipe, or from a file.

use std::fs::File;
use std::io::{BufReader, Read};
use std::path::Path;
use std::sync::mpsc::{Receiver, RecvTimeoutError, sync_channel};
use std::time::{Duration, Instant};

use image::RgbImage;

use super::frame_pool::FramePool;
use super::raw::{RawFormat, RawFrame, RawFrames, RawHint};
use super::source::{Captured, Next, Source, short_name};
use crate::error::media::{Error, Result};
use crate::frame::Frame;

/// Frames read ahead. When that many wait, the program that writes them waits, too: none is lost.
const AHEAD: usize = 2;

/// How long the head of a file may take.
const FILE_PATIENCE: Duration = Duration::from_secs(10);

/// Takes every frame of a stream in turn.
pub(super) struct StreamSource {
    name: String,
    format: RawFormat,
    frames: Receiver<std::result::Result<RawFrame, String>>,
    given: u64,
    pool: FramePool,
}

impl StreamSource {
    /// Standard input, waiting `patience` for its first bytes.
    ///
    /// # Errors
    /// [`Error::Stream`]: it is no stream of frames, or nothing comes.
    pub fn stdin(hint: RawHint, patience: Duration) -> Result<Self> {
        Self::read("standard input", std::io::stdin(), hint, patience)
    }

    /// A file of y4m; none if it is of a kind that is not read here.
    ///
    /// # Errors
    /// [`Error::Io`], or [`Error::Damaged`]: it is not whole.
    pub fn file(path: &Path) -> Result<Option<Self>> {
        let file = || File::open(path).map_err(Error::io(path));
        if RawFrames::open(BufReader::new(file()?), RawHint::default()).is_err() {
            return Ok(None);
        }
        Self::read(&short_name(path), file()?, RawHint::default(), FILE_PATIENCE).map(Some)
    }

    /// Reads apart from the loop, so that a stream that stalls does not hold up the rest of the program.
    fn read(
        name: &str,
        reader: impl Read + Send + 'static,
        hint: RawHint,
        patience: Duration,
    ) -> Result<Self> {
        let (head, opened) = sync_channel(1);
        let (sender, frames) = sync_channel(AHEAD);
        std::thread::spawn(move || {
            let mut stream = match RawFrames::open(BufReader::with_capacity(1 << 20, reader), hint) {
                Ok(stream) => stream,
                Err(e) => return head.send(Err(e)).unwrap_or_default(),
            };
            head.send(Ok((stream.format(), stream.pool()))).ok();
            while let Some(frame) = stream.next().transpose() {
                let failed = frame.is_err();
                if sender.send(frame).is_err() || failed {
                    break;
                }
            }
        });
        let failed = |reason: String| Error::Stream { name: name.to_owned(), reason };
        let (format, pool) = match opened.recv_timeout(patience) {
            Ok(head) => head.map_err(failed)?,
            Err(_) => return Err(failed(format!("nothing came in {} s", patience.as_secs()))),
        };
        Ok(Self { name: name.to_owned(), format, frames, given: 0, pool })
    }
}

impl Source for StreamSource {
    fn describe(&self) -> String {
        format!("{} ({})", self.name, self.format)
    }

    fn next(&mut self, timeout: Duration) -> Result<Next> {
        let taken = Instant::now();
        let RawFrame { picture, decode, .. } = match self.frames.recv_timeout(timeout) {
            Ok(Ok(frame)) => frame,
            Ok(Err(reason)) => return Err(Error::Stream { name: self.name.clone(), reason }),
            Err(RecvTimeoutError::Timeout) => return Ok(Next::Waiting),
            Err(RecvTimeoutError::Disconnected) => return Ok(Next::End),
        };
        let index = self.given;
        self.given += 1;
        let time = Duration::from_secs_f64(index as f64 / self.format.fps);
        Ok(Next::Frame(Captured { frame: Frame { picture, index, time }, taken, decode }))
    }

    fn reuse(&mut self, picture: RgbImage) {
        self.pool.give(picture);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HINT: RawHint = RawHint { size: Some((1, 1)), fps: Some(10.0) };

    #[test]
    fn every_frame_is_taken_in_turn() {
        let stream: Vec<u8> = (0..30).collect();
        let mut source =
            StreamSource::read("test", std::io::Cursor::new(stream), HINT, Duration::from_secs(5)).unwrap();
        let mut seen = Vec::new();
        loop {
            match source.next(Duration::from_secs(5)).unwrap() {
                Next::Frame(captured) => {
                    let frame = captured.frame;
                    assert_eq!(frame.time, Duration::from_millis(100 * frame.index));
                    seen.push(frame.picture.as_raw()[0]);
                }
                Next::Waiting => panic!("the stream is there"),
                Next::End => break,
            }
        }
        assert_eq!(seen, [0, 3, 6, 9, 12, 15, 18, 21, 24, 27]);
    }

    #[test]
    fn a_silent_stream_is_given_up() {
        let (reader, _writer) = std::io::pipe().unwrap();
        let opened = StreamSource::read("test", reader, HINT, Duration::from_millis(30));
        assert!(opened.is_err_and(|e| e.to_string().contains("nothing came")));
    }
}
