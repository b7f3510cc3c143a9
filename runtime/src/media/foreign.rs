//! Doors for tests that feed foreign bytes to parsers: each reads them the way files, pipes and devices are read.

use std::path::Path;
use std::time::Duration;

use image::RgbImage;

use super::avi::AviReader;
use super::camera::PixelFormat;
use super::mp4::{self, Mp4Source};
use super::picture::{self, ReadPicture};
use super::raw::{RawFrames, RawHint};
use super::source::{Next, Source};
use super::{Result, camera};

/// The first `most` frames of an MP4 or QuickTime file, and its sound; how many frames came.
///
/// # Errors
/// It is damaged, or has video that is not decoded here.
pub fn mp4(path: &Path, most: usize) -> Result<usize> {
    mp4::hear(path)?;
    match Mp4Source::open(path)? {
        mp4::Opened::H264(source) => frames(*source, most),
        mp4::Opened::Other(_) => Ok(0),
    }
}

/// The first `most` frames of an AVI; how many came.
///
/// # Errors
/// It is damaged.
pub fn avi(path: &Path, most: usize) -> Result<usize> {
    AviReader::open(path)?.map_or(Ok(0), |source| frames(source, most))
}

fn frames(mut source: impl Source, most: usize) -> Result<usize> {
    let mut given = 0;
    while given < most {
        let Next::Frame(captured) = source.next(Duration::ZERO)? else { break };
        source.reuse(captured.frame.picture);
        given += 1;
    }
    Ok(given)
}

/// The first `most` frames of what a pipe carries, y4m or bare RGB of `size` pixels; how many came.
///
/// # Errors
/// A sentence that says what is wrong.
pub fn stream(content: &[u8], size: Option<(u32, u32)>, most: usize) -> std::result::Result<usize, String> {
    let mut frames = RawFrames::open(content, RawHint { size, fps: None })?;
    let (pool, mut given) = (frames.pool(), 0);
    while given < most {
        let Some(frame) = frames.next()? else { break };
        pool.give(frame.picture);
        given += 1;
    }
    Ok(given)
}

/// A camera's buffer as a picture of `size` pixels.
///
/// # Errors
/// A sentence that says what is wrong.
pub fn camera(format: PixelFormat, size: (u32, u32), data: &[u8]) -> std::result::Result<RgbImage, String> {
    let mut picture = RgbImage::default();
    camera::to_rgb(format, size, data, &mut picture)?;
    Ok(picture)
}

/// A picture's file, with what else it holds.
///
/// # Errors
/// A sentence that says what is wrong.
pub fn picture(content: &[u8]) -> std::result::Result<ReadPicture, String> {
    picture::decode(content)
}
