//! Frames in a row, from standard input, the far end of a pipe, or from a file.

use std::fs::File;
use std::io::{BufReader, Read};
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, RecvTimeoutError, sync_channel};
use std::time::{Duration, Instant};

use image::RgbImage;

use super::frame_pool::FramePool;
use super::raw::{RawFormat, RawFrame, RawFrames, RawHint};
use super::source::{Captured, Next, Source, short_name};
use crate::error::media::{Error, Result};
use crate::error::panic::guard;
use crate::frame::Frame;
use crate::interrupt::{Waited, wait_for};

/// Frames read ahead. When that many wait, the program that writes them waits, too: none is lost.
const AHEAD: usize = 2;

/// How long the head of a file may take.
const FILE_PATIENCE: Duration = Duration::from_secs(10);

/// Takes every frame of a stream in turn.
pub(super) struct StreamSource {
    name: String,
    format: RawFormat,
    frames: Receiver<std::result::Result<Option<RawFrame>, String>>,
    given: u64,
    pool: FramePool,
    /// The file, if it is one.
    file: Option<PathBuf>,
    /// Whether it has ended.
    over: bool,
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
        let source = Self::read(&short_name(path), file()?, RawHint::default(), FILE_PATIENCE)?;
        Ok(Some(Self { file: Some(path.to_owned()), ..source }))
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
            let opened = guard(|| RawFrames::open(BufReader::with_capacity(1 << 20, reader), hint));
            let mut stream = match opened.and_then(|opened| opened) {
                Ok(stream) => stream,
                Err(e) => return head.send(Err(e)).unwrap_or_default(),
            };
            head.send(Ok((stream.format(), stream.pool()))).ok();
            loop {
                let frame = guard(|| stream.next()).and_then(|next| next);
                let over = !matches!(frame, Ok(Some(_)));
                if sender.send(frame).is_err() || over {
                    break;
                }
            }
        });
        let failed = |reason: String| Error::Stream { name: name.to_owned(), reason };
        let (format, pool) = match wait_for(&opened, patience) {
            Waited::Came(head) => head.map_err(failed)?,
            Waited::Stopped => return Err(Error::Interrupted),
            Waited::Late => return Err(failed(format!("nothing came in {} s", patience.as_secs()))),
            Waited::Gone => return Err(failed("its reader is gone".to_owned())),
        };
        Ok(Self { name: name.to_owned(), format, frames, given: 0, pool, file: None, over: false })
    }
}

impl Source for StreamSource {
    fn describe(&self) -> String {
        format!("{} ({})", self.name, self.format)
    }

    fn comes_once(&self) -> bool {
        self.file.is_none()
    }

    fn next(&mut self, timeout: Duration) -> Result<Next> {
        let taken = Instant::now();
        if self.over {
            return Ok(Next::End);
        }
        let frame = match self.frames.recv_timeout(timeout) {
            Ok(frame) => frame,
            Err(RecvTimeoutError::Timeout) => return Ok(Next::Waiting),
            Err(RecvTimeoutError::Disconnected) => Err("its reader is gone".to_owned()),
        };
        self.over = !matches!(frame, Ok(Some(_)));
        let RawFrame { picture, decode, .. } = match (frame, &self.file) {
            (Ok(Some(frame)), _) => frame,
            (Ok(None), _) => return Ok(Next::End),
            (Err(reason), Some(path)) => return Err(Error::damaged(path, reason)),
            (Err(reason), None) => return Err(Error::Stream { name: self.name.clone(), reason }),
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
