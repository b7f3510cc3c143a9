//! Pictures, clips, pipes and cameras.

use lkg_runtime::internals::media::foreign;
use lkg_runtime::video::PixelFormat;

/// Frames that are looked at: damage shows in the first ones, and decoding takes most of the time.
const FRAMES: usize = 3;

thread_local! {
    static FOLDER: tempfile::TempDir = crate::folder();
}

/// A buffer of a camera whose format and size the first bytes tell.
pub fn camera(data: &[u8]) {
    let [format, width, height, buffer @ ..] = data else { return };
    let format = PixelFormat::ALL[usize::from(*format) % PixelFormat::ALL.len()];
    foreign::camera(format, (u32::from(*width), u32::from(*height)), buffer).ok();
}

/// y4m, or bare RGB of the size that the first bytes tell.
pub fn stream(data: &[u8]) {
    let [width, height, content @ ..] = data else { return };
    let size = (*width > 0 && *height > 0).then_some((u32::from(*width), u32::from(*height)));
    foreign::stream(content, size, FRAMES).ok();
}

pub fn picture(data: &[u8]) {
    foreign::picture(data).ok();
}

pub fn mp4(data: &[u8]) {
    FOLDER.with(|dir| foreign::mp4(&crate::file(dir, "clip.mp4", data), FRAMES)).ok();
}

pub fn avi(data: &[u8]) {
    FOLDER.with(|dir| foreign::avi(&crate::file(dir, "clip.avi", data), FRAMES)).ok();
}
