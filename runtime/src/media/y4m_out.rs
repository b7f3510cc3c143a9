//! Frames on standard output, for other programs to take up.

use std::fs::File;
use std::io::Write;
use std::os::fd::AsFd;
use std::time::Duration;

use image::RgbImage;
use image::imageops::{self, FilterType};
use y4m::{Colorspace, Encoder, EncoderBuilder, Ratio, VendorExtensionString};

use super::mark::{self, Origin};
use super::output_spec::SinkSpec;
use super::sink::{Shown, Sink, Written};
use super::yuv::I420;
use crate::error::media::{Error, Result};

/// A longer gap between frames is a pause, and is not filled.
const LONGEST_GAP: Duration = Duration::from_secs(2);

/// Frames a second of a stream of a single frame.
const SINGLE_FRAME_FPS: f64 = 25.0;

/// Writes y4m. Its frames have one rate, so a frame is repeated where the next is late, and left out where there is no
/// room for it.
pub(super) struct Y4mSink<W: Write> {
    /// Until the head is written, which takes the rate to be known.
    writer: Option<W>,
    encoder: Option<Encoder<W>>,
    fps: Option<f64>,
    size: (u32, u32),
    /// The time of place 0.
    zero: Duration,
    written: u64,
    last: Duration,
    /// The latest frame, for as long as its place goes on.
    planes: I420,
    started: bool,
    origin: Option<Origin>,
}

impl Y4mSink<File> {
    /// Standard output, at `fps` frames a second or the rate of the first two frames.
    ///
    /// # Errors
    /// [`Error::Io`]: there is none.
    pub fn stdout(fps: Option<f32>) -> Result<Self> {
        // Past the program's own buffer, in which a frame would wait for the next and a reader's end go unnoticed.
        let descriptor = std::io::stdout().as_fd().try_clone_to_owned();
        Ok(Self::new(descriptor.map_err(Error::io("standard output"))?.into(), fps))
    }
}

impl<W: Write> Y4mSink<W> {
    fn new(writer: W, fps: Option<f32>) -> Self {
        Self {
            writer: Some(writer),
            encoder: None,
            fps: fps.map(f64::from),
            size: (0, 0),
            zero: Duration::ZERO,
            written: 0,
            last: Duration::ZERO,
            planes: I420::default(),
            started: false,
            origin: None,
        }
    }

    fn head(&mut self, fps: f64) -> Result<()> {
        let Some(writer) = self.writer.take() else { return Ok(()) };
        let whole = fps.round();
        let rate = if (fps - whole).abs() < 0.02 && whole >= 1.0 {
            Ratio::new(whole as usize, 1)
        } else {
            Ratio::new((fps * 1000.0).round() as usize, 1000)
        };
        self.fps = Some(rate.num as f64 / rate.den as f64);
        let extension = |text: Vec<u8>| VendorExtensionString::new(text).map_err(failed);
        let mut builder = EncoderBuilder::new(self.size.0 as usize, self.size.1 as usize, rate)
            .with_colorspace(Colorspace::C420jpeg)
            .append_vendor_extension(extension(b"COLORRANGE=LIMITED".to_vec())?);
        for comment in self.origin.into_iter().flat_map(mark::y4m_comments) {
            builder = builder.append_vendor_extension(extension(comment)?);
        }
        self.encoder = Some(builder.write_header(writer).map_err(failed)?);
        Ok(())
    }

    /// Writes the latest frame into every place before `place`.
    fn fill(&mut self, place: u64) -> Result<()> {
        let Some(encoder) = &mut self.encoder else { return Ok(()) };
        while self.written < place {
            let planes = [&self.planes.y[..], &self.planes.u, &self.planes.v];
            encoder.write_frame(&y4m::Frame::new(planes, None)).map_err(failed)?;
            self.written += 1;
        }
        Ok(())
    }

    fn take(&mut self, picture: &RgbImage, time: Duration) -> Result<()> {
        if !self.started {
            self.started = true;
            self.size = picture.dimensions();
            self.zero = time;
            if let Some(fps) = self.fps {
                self.head(fps)?;
            }
        } else {
            let gap = time.saturating_sub(self.last);
            if self.encoder.is_none() {
                let fps = 1.0 / gap.as_secs_f64();
                self.head(if (0.1..=240.0).contains(&fps) { fps } else { SINGLE_FRAME_FPS })?;
            }
            if gap > LONGEST_GAP {
                self.zero += gap - LONGEST_GAP;
            }
            let since = time.saturating_sub(self.zero).as_secs_f64();
            let place = (since * self.fps.unwrap_or(SINGLE_FRAME_FPS)).round() as u64;
            self.fill(place)?;
        }
        self.last = time;
        if picture.dimensions() == self.size {
            self.planes.fill(picture);
        } else {
            self.planes.fill(&imageops::resize(picture, self.size.0, self.size.1, FilterType::Triangle));
        }
        Ok(())
    }
}

fn failed(error: y4m::Error) -> Error {
    let source = match error {
        y4m::Error::IoError(e) => e,
        other => std::io::Error::other(other.to_string()),
    };
    Error::io("standard output")(source)
}

impl<W: Write> Sink for Y4mSink<W> {
    fn name(&self) -> String {
        SinkSpec::Stdout.to_string()
    }

    fn mark(&mut self, origin: Origin) {
        self.origin = Some(origin);
    }

    fn write(&mut self, shown: &Shown<'_>) -> Result<()> {
        self.take(shown.picture, shown.time)
    }

    fn finish(mut self: Box<Self>) -> Result<Vec<Written>> {
        if self.started {
            self.head(SINGLE_FRAME_FPS)?;
            self.fill(self.written + 1)?;
        }
        Ok(Vec::new())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::media::raw::{RawFrames, RawHint};

    /// The brightness of every frame of the stream that comes of frames at these milliseconds, and its rate.
    fn stream(fps: Option<f32>, times: &[u64]) -> (Vec<u8>, f64) {
        let mut bytes = Vec::new();
        let mut sink = Box::new(Y4mSink::new(&mut bytes, fps));
        for (i, ms) in times.iter().enumerate() {
            let picture = RgbImage::from_pixel(5, 3, image::Rgb([20 * i as u8; 3]));
            sink.take(&picture, Duration::from_millis(*ms)).unwrap();
        }
        sink.finish().unwrap();
        let mut frames = RawFrames::open(&bytes[..], RawHint::default()).unwrap();
        let rate = frames.format().fps;
        let mut seen = Vec::new();
        while let Some(frame) = frames.next().unwrap() {
            let picture = frame.picture;
            assert_eq!(picture.dimensions(), (5, 3));
            seen.push((f32::from(picture.get_pixel(4, 2).0[0]) / 20.0).round() as u8);
        }
        (seen, rate)
    }

    #[test]
    fn frames_of_one_rate_go_through_as_they_are() {
        assert_eq!(stream(None, &[0, 40, 80, 120]), (vec![0, 1, 2, 3], 25.0));
        assert_eq!(stream(None, &[0]), (vec![0], 25.0));
    }

    #[test]
    fn late_frames_repeat_the_one_before_and_early_ones_take_its_place() {
        assert_eq!(stream(Some(10.0), &[0, 100, 400, 500]), (vec![0, 1, 1, 1, 2, 3], 10.0));
        assert_eq!(stream(Some(10.0), &[0, 20, 30, 100]), (vec![2, 3], 10.0));
    }

    #[test]
    fn the_head_says_how_the_pictures_came_about() {
        let mut bytes = Vec::new();
        let mut sink = Box::new(Y4mSink::new(&mut bytes, Some(10.0)));
        sink.mark(Origin::Edited);
        sink.take(&RgbImage::new(4, 4), Duration::ZERO).unwrap();
        sink.finish().unwrap();
        let head = String::from_utf8_lossy(bytes.split(|b| *b == b'\n').next().unwrap()).into_owned();
        assert!(head.contains(" XCOMMENT=AI-edited "), "{head}");
        assert!(head.contains(&format!(" XDIGITALSOURCETYPE={}", Origin::Edited.uri())), "{head}");
        assert!(RawFrames::open(&bytes[..], RawHint::default()).unwrap().next().unwrap().is_some());
    }

    #[test]
    fn a_pause_is_not_filled() {
        let (seen, _) = stream(Some(10.0), &[0, 100, 3_600_000, 3_600_100]);
        assert_eq!(seen.len(), 23);
    }
}
