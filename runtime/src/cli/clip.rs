//! Clips whose frames are drawn one after the other, not captured.

use std::time::Duration;

use image::RgbImage;

use super::edit::MarkArgs;
use super::progress::Progress;
use crate::error::Result;
use crate::interrupt;
use crate::media::mark::Origin;
use crate::media::sink::{Shown, Sink, Written};

/// Writes `frames` pictures that `draw` makes to `sink`, `fps` a second, marked as `mark` wants.
pub(super) fn write(
    mut sink: Box<dyn Sink>,
    frames: u32,
    fps: f64,
    (mark, origin): (MarkArgs, Origin),
    mut draw: impl FnMut(u32) -> Result<RgbImage>,
) -> Result<Vec<Written>> {
    if let Some(origin) = mark.origin(origin) {
        sink.mark(origin);
    }
    let mut progress = Progress::new(frames as usize);
    for i in 0..frames {
        interrupt::check()?;
        let mut picture = draw(i)?;
        mark.stamp(origin, &mut picture);
        let time = Duration::from_secs_f64(f64::from(i) / fps);
        sink.write(&Shown::new(&picture, u64::from(i), time))?;
        progress.step();
    }
    progress.clear();
    Ok(sink.finish()?)
}
