//! Uncompressed frames in a row, as pipes carry them: YUV4MPEG2 ("y4m"), which tells its size, or bare RGB.

use std::io::{self, Chain, Cursor, Read};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use image::RgbImage;
use y4m::{Colorspace, Decoder, Limits};

use super::frame_pool::FramePool;
use super::frame_size::{MAX_SIDE, check};
use super::keypoints::rounded;
use super::shape::{Shape, Shaper};
use super::yuv::{Matrix, Planar, to_rgb};

/// What a y4m stream begins with.
const MAGIC: &[u8] = b"YUV4MPEG2 ";

/// Frames a second of bare RGB when nothing else is said.
const RAW_FPS: f64 = 30.0;

/// Largest frame read, in bytes: three full planes of the largest picture.
const MAX_BYTES: usize = 3 * MAX_SIDE as usize * MAX_SIDE as usize;

/// What bare RGB does not tell.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct RawHint {
    /// Width and height in pixels.
    pub size: Option<(u32, u32)>,
    /// Frames a second.
    pub fps: Option<f32>,
}

/// What the frames of a stream are.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct RawFormat {
    /// Pixels.
    pub width: u32,
    /// Pixels.
    pub height: u32,
    /// Frames a second.
    pub fps: f64,
    /// `y4m` or `RGB`.
    pub kind: &'static str,
}

impl std::fmt::Display for RawFormat {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let fps = rounded(self.fps, 2);
        write!(f, "{}, {}x{}, {fps} fps", self.kind, self.width, self.height)
    }
}

/// A frame of a stream.
pub(super) struct RawFrame {
    pub picture: RgbImage,
    /// When its last byte was there.
    pub arrived: Instant,
    /// How long its colours took to compute.
    pub decode: Duration,
}

type Rest<R> = Counted<Chain<Cursor<Vec<u8>>, R>>;

/// Counts what is read: the decoder does not tell an end between frames from one within a frame.
struct Counted<R> {
    reader: R,
    read: Arc<AtomicU64>,
}

impl<R: Read> Read for Counted<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let n = self.reader.read(buffer)?;
        self.read.fetch_add(n as u64, Ordering::Relaxed);
        Ok(n)
    }
}

/// Reads frame after frame.
pub(super) struct RawFrames<R: Read> {
    format: RawFormat,
    reader: Reader<R>,
    pool: FramePool,
}

enum Reader<R: Read> {
    Y4m(Box<Y4m<R>>),
    Rgb(Rest<R>),
}

struct Y4m<R: Read> {
    decoder: Decoder<Rest<R>>,
    /// Bytes read since the last whole frame.
    read: Arc<AtomicU64>,
    planar: Planar,
    shape: Shape,
    shaper: Shaper,
}

impl<R: Read> RawFrames<R> {
    /// Reads the head of a stream.
    ///
    /// # Errors
    /// One line on what is wrong with it.
    pub fn open(mut reader: R, hint: RawHint) -> Result<Self, String> {
        let mut head = Vec::new();
        reader.by_ref().take(MAGIC.len() as u64).read_to_end(&mut head).map_err(|e| e.to_string())?;
        if head.is_empty() {
            return Err("sent no picture".to_owned());
        }
        let is_y4m = head == MAGIC;
        if is_y4m {
            read_line(&mut reader, &mut head)?;
            check_size(&head)?;
        }
        let rest = Counted { reader: Cursor::new(head).chain(reader), read: Arc::default() };
        if is_y4m {
            return Self::open_y4m(rest);
        }
        let Some((width, height)) = hint.size else {
            return Err("sends something else than y4m; for bare RGB (rgb24) give --size WxH".to_owned());
        };
        let fps = hint.fps.map_or(RAW_FPS, f64::from);
        Ok(Self {
            format: RawFormat { width, height, fps, kind: "RGB" },
            reader: Reader::Rgb(rest),
            pool: FramePool::default(),
        })
    }

    fn open_y4m(rest: Rest<R>) -> Result<Self, String> {
        let read = Arc::clone(&rest.read);
        let decoder = Decoder::new_with_limits(rest, Limits { bytes: MAX_BYTES }).map_err(|e| match e {
            y4m::Error::UnknownColorspace => UNKNOWN_COLOURS.to_owned(),
            y4m::Error::OutOfMemory => {
                format!("sends frames too large, at most {MAX_SIDE} pixels a side are read")
            }
            y4m::Error::IoError(e) => e.to_string(),
            _ => "sends a y4m head without a sound width, height or rate (W640 H480 F30:1)".to_owned(),
        })?;
        read.store(0, Ordering::Relaxed);
        let block = match decoder.get_colorspace() {
            Colorspace::Cmono => None,
            Colorspace::C420 | Colorspace::C420jpeg | Colorspace::C420paldv | Colorspace::C420mpeg2 => {
                Some((2, 2))
            }
            Colorspace::C422 => Some((2, 1)),
            Colorspace::C444 => Some((1, 1)),
            _ => return Err(UNKNOWN_COLOURS.to_owned()),
        };
        let (width, height) = (decoder.get_width(), decoder.get_height());
        let (width, height) = (width as u32, height as u32);
        check((width, height))?;
        let rate = decoder.get_framerate();
        let fps = rate.num as f64 / rate.den as f64;
        // 0:0 means unknown.
        let fps = if (0.01..=1000.0).contains(&fps) { fps } else { RAW_FPS };
        let words: Vec<_> = decoder.get_raw_params().split(|b| *b == b' ').map(<[u8]>::to_vec).collect();
        let says = |word: &[u8]| words.iter().any(|w| w == word);
        if says(b"It") || says(b"Ib") || says(b"Im") {
            return Err(INTERLACED.to_owned());
        }
        let aspect = words.iter().find_map(|word| pair(word.strip_prefix(b"A")?));
        let shape = Shape { pixel: aspect.unwrap_or((1, 1)), turns: 0 };
        // Of its matrix it says nothing: that of standard definition is what programs write.
        let matrix = Matrix::Bt601;
        let planar = Planar { width, height, block, matrix, full_range: says(b"XCOLORRANGE=FULL") };
        let (width, height) = shape.shown((width, height));
        let format = RawFormat { width, height, fps, kind: "y4m" };
        let reader = Reader::Y4m(Box::new(Y4m { decoder, read, planar, shape, shaper: Shaper::default() }));
        Ok(Self { format, reader, pool: FramePool::default() })
    }

    /// Where to put pictures that nobody needs any more.
    pub fn pool(&self) -> FramePool {
        self.pool.clone()
    }

    /// What the frames are.
    pub fn format(&self) -> RawFormat {
        self.format
    }

    /// The next frame; none at the end.
    ///
    /// # Errors
    /// One line on what is wrong with the stream.
    pub fn next(&mut self) -> Result<Option<RawFrame>, String> {
        match &mut self.reader {
            Reader::Y4m(stream) => {
                let Y4m { decoder, read, planar, shape, shaper } = &mut **stream;
                match decoder.read_frame() {
                    Ok(frame) => {
                        read.store(0, Ordering::Relaxed);
                        let arrived = Instant::now();
                        let planes = [frame.get_y_plane(), frame.get_u_plane(), frame.get_v_plane()];
                        let mut picture = self.pool.take(planar.width, planar.height);
                        let (luma, colours, _) = planar.layout();
                        to_rgb(*planar, planes, [luma, colours], &mut picture);
                        let picture = shaper.apply(*shape, picture, &self.pool);
                        Ok(Some(RawFrame { picture, arrived, decode: arrived.elapsed() }))
                    }
                    Err(y4m::Error::EOF) if read.load(Ordering::Relaxed) == 0 => Ok(None),
                    Err(y4m::Error::EOF) => Err("ends within a frame: it was cut short".to_owned()),
                    Err(y4m::Error::IoError(e)) => Err(e.to_string()),
                    Err(_) => Err("sends something else than a y4m frame after the one before".to_owned()),
                }
            }
            Reader::Rgb(rest) => {
                let mut picture = self.pool.take(self.format.width, self.format.height);
                let bytes: &mut [u8] = &mut picture;
                let mut filled = 0;
                while filled < bytes.len() {
                    match rest.read(&mut bytes[filled..]) {
                        Ok(0) if filled == 0 => return Ok(None),
                        Ok(0) => return Err("ends within a frame: is --size right?".to_owned()),
                        Ok(n) => filled += n,
                        Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                        Err(e) => return Err(e.to_string()),
                    }
                }
                Ok(Some(RawFrame { picture, arrived: Instant::now(), decode: Duration::ZERO }))
            }
        }
    }
}

/// Longest head of a stream that is read, in bytes.
const MAX_HEAD: usize = 2048;

/// Appends the rest of the first line to `head`, with its end.
fn read_line(reader: &mut impl Read, head: &mut Vec<u8>) -> Result<(), String> {
    // A byte at a time, so that none of the first frame is taken.
    let mut byte = [0];
    while head.len() < MAX_HEAD && head.last() != Some(&b'\n') {
        match reader.read(&mut byte) {
            Ok(0) => break,
            Ok(_) => head.push(byte[0]),
            Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
            Err(e) => return Err(e.to_string()),
        }
    }
    Ok(())
}

/// Holds the sizes in a head against the largest that is read, before anything is computed with them.
fn check_size(head: &[u8]) -> Result<(), String> {
    for word in head.split(|b| b.is_ascii_whitespace()) {
        if let [b'W' | b'H', digits @ ..] = word
            && let Some(side) = std::str::from_utf8(digits).ok()
            && side.bytes().all(|b| b.is_ascii_digit())
            && side.parse::<u32>().map_or(!side.is_empty(), |side| side > MAX_SIDE)
        {
            return Err(format!("{side} pixels a side, at most {MAX_SIDE} are read"));
        }
    }
    Ok(())
}

/// `2:1`; none for 0, which means unknown.
fn pair(text: &[u8]) -> Option<(u32, u32)> {
    let (a, b) = std::str::from_utf8(text).ok()?.split_once(':')?;
    let (a, b) = (a.parse().ok()?, b.parse().ok()?);
    (a > 0 && b > 0).then_some((a, b))
}

const INTERLACED: &str = "sends interlaced y4m: make whole frames of it (ffmpeg: -vf bwdif)";

const UNKNOWN_COLOURS: &str =
    "sends y4m of a kind that is not read: make it 8-bit 420, 422, 444 or grey (ffmpeg: -pix_fmt yuv420p)";

#[cfg(test)]
mod tests {
    use super::*;

    const HINT: RawHint = RawHint { size: Some((2, 1)), fps: Some(10.0) };

    fn y4m(head: &str, frames: &[&[u8]]) -> Vec<u8> {
        let mut stream = format!("YUV4MPEG2 {head}\n").into_bytes();
        for frame in frames {
            stream.extend_from_slice(b"FRAME\n");
            stream.extend_from_slice(frame);
        }
        stream
    }

    #[test]
    fn y4m_tells_its_size_and_rate() {
        let stream = y4m("W2 H2 F30000:1001 Ip C420jpeg", &[&[16, 235, 16, 235, 128, 128], &[16; 6]]);
        let mut frames = RawFrames::open(&stream[..], HINT).unwrap();
        let format = frames.format();
        assert_eq!((format.width, format.height, format.kind), (2, 2, "y4m"));
        assert!((format.fps - 29.97).abs() < 0.01);
        let first = frames.next().unwrap().unwrap().picture;
        assert_eq!(first.as_raw(), &[0, 0, 0, 255, 255, 255, 0, 0, 0, 255, 255, 255]);
        assert!(frames.next().unwrap().is_some());
        assert!(frames.next().unwrap().is_none());
    }

    #[test]
    fn pixels_of_y4m_become_square() {
        let stream = y4m("W2 H2 F25:1 A2:1 Cmono", &[&[16, 235, 16, 235]]);
        let mut frames = RawFrames::open(&stream[..], HINT).unwrap();
        assert_eq!((frames.format().width, frames.format().height), (4, 2));
        assert_eq!(frames.next().unwrap().unwrap().picture.dimensions(), (4, 2));
    }

    #[test]
    fn every_layout_of_colours_is_read() {
        for (name, bytes) in [("mono", 6), ("420mpeg2", 6 + 4), ("422", 6 + 8), ("444", 18)] {
            let frame = vec![128; bytes];
            let stream = y4m(&format!("W3 H2 F25:1 C{name}"), &[&frame, &frame]);
            let mut frames = RawFrames::open(&stream[..], RawHint::default()).unwrap();
            for _ in 0..2 {
                assert_eq!(frames.next().unwrap().unwrap().picture.get_pixel(2, 1).0, [130; 3], "{name}");
            }
            assert!(frames.next().unwrap().is_none(), "{name}");
        }
    }

    #[test]
    fn bare_rgb_needs_a_size() {
        let stream = [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13];
        assert!(RawFrames::open(&stream[..], RawHint::default()).is_err_and(|e| e.contains("--size")));
        let mut frames = RawFrames::open(&stream[..], HINT).unwrap();
        assert_eq!(frames.next().unwrap().unwrap().picture.as_raw(), &[1, 2, 3, 4, 5, 6]);
        assert_eq!(frames.next().unwrap().unwrap().picture.as_raw(), &[7, 8, 9, 10, 11, 12]);
        assert!(frames.next().is_err_and(|e| e.contains("within a frame")));
        assert!(RawFrames::open(&[][..], HINT).is_err());
    }

    /// The last frame was missing, and nothing said so.
    #[test]
    fn an_end_within_a_frame_is_no_end() {
        let whole = y4m("W2 H2 F25:1 Cmono", &[&[16; 4], &[16; 4]]);
        for cut in 1..10 {
            let mut frames = RawFrames::open(&whole[..whole.len() - cut], RawHint::default()).unwrap();
            assert!(frames.next().unwrap().is_some(), "{cut}");
            assert_eq!(frames.next().is_err_and(|e| e.contains("within a frame")), cut < 10, "{cut}");
        }
        let mut junk = whole.clone();
        junk[whole.len() - 8] = b'x';
        let mut frames = RawFrames::open(&junk[..], RawHint::default()).unwrap();
        frames.next().unwrap();
        assert!(frames.next().is_err_and(|e| e.contains("something else")));
    }

    #[test]
    fn what_cannot_be_read_is_said() {
        for head in [
            "W2 H2 F25:1 C420p10",
            "W2 H2 F25:1 C411",
            "W0 H2 F25:1",
            "W2 H2 F25:1 It",
            "W20000 H2 F25:1",
            // Found by fuzzing: the product is more than a number holds.
            "W32 H00000000000000000000000058554452 H18446744073709551615 F25:1",
            "W9223372036854775807 H9223372036854775807 F25:1",
            "H2",
        ] {
            assert!(RawFrames::open(&y4m(head, &[])[..], HINT).is_err(), "{head}");
        }
    }
}
