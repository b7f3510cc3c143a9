#[cfg(feature = "camera")]
use nokhwa::utils::FrameFormat;

/// A pixel format that can be decoded.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
pub enum PixelFormat {
    /// Motion JPEG.
    #[serde(rename = "MJPG")]
    Mjpg,
    /// 4:2:2, interleaved.
    #[serde(rename = "YUYV")]
    Yuyv,
    /// 4:2:0, luma plane then interleaved chroma.
    #[serde(rename = "NV12")]
    Nv12,
}

impl PixelFormat {
    /// All of them, the most wanted first among equals.
    pub const ALL: [Self; 3] = [Self::Yuyv, Self::Mjpg, Self::Nv12];

    /// V4L2's code.
    pub fn fourcc(self) -> &'static [u8; 4] {
        match self {
            Self::Mjpg => b"MJPG",
            Self::Yuyv => b"YUYV",
            Self::Nv12 => b"NV12",
        }
    }

    #[cfg(feature = "camera")]
    pub(super) fn nokhwa(self) -> FrameFormat {
        match self {
            Self::Mjpg => FrameFormat::MJPEG,
            Self::Yuyv => FrameFormat::YUYV,
            Self::Nv12 => FrameFormat::NV12,
        }
    }
}

/// A mode a camera offers, with a whole number of frames a second.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Mode {
    /// The pixel format.
    pub format: PixelFormat,
    /// Pixels.
    pub width: u32,
    /// Pixels.
    pub height: u32,
    /// Frames a second.
    pub fps: u32,
}

impl std::str::FromStr for PixelFormat {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let named = |format: &Self| format.fourcc().eq_ignore_ascii_case(text.as_bytes());
        Self::ALL.into_iter().find(named).ok_or_else(|| "must be mjpg, yuyv or nv12".to_owned())
    }
}

impl std::fmt::Display for Mode {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let code = String::from_utf8_lossy(self.format.fourcc());
        write!(f, "{}x{} {code} {} fps", self.width, self.height, self.fps)
    }
}

/// Size asked for when nothing else is said: enough for a face, cheap enough for any machine.
const USUAL_SIZE: (u32, u32) = (640, 480);

/// Rate asked for when nothing else is said.
const USUAL_FPS: u32 = 30;

/// How many modes are tried before a camera is given up.
const MOST_TRIED: usize = 8;

/// The modes worth trying, best first: of the format, near the size, then near the rate, then cheap to decode.
pub(super) fn candidates(
    modes: &[Mode],
    size: Option<(u32, u32)>,
    fps: Option<u32>,
    format: Option<PixelFormat>,
) -> Vec<Mode> {
    let (width, height) = size.unwrap_or(USUAL_SIZE);
    let fps = fps.unwrap_or(USUAL_FPS);
    let mut sorted = modes.to_vec();
    sorted.sort_by_key(|mode| {
        let off = u64::from(mode.width.abs_diff(width)) + u64::from(mode.height.abs_diff(height));
        // Raw 640x480 at 30 frames/s fits USB 2; larger pictures only arrive at full rate as JPEG.
        let rank = PixelFormat::ALL.iter().position(|f| *f == mode.format);
        // A rate above the one asked for costs nothing but work; one below it is what people notice.
        let slower = fps.saturating_sub(mode.fps);
        let faster = mode.fps.saturating_sub(fps);
        // Unasked, a size is only a preference: a smooth picture of another size is better than a slow one.
        let unusable = u64::from(size.is_none() && mode.fps < 10);
        let other = format.is_some_and(|f| f != mode.format);
        (other, unusable, off, slower, faster, rank)
    });
    sorted.dedup();
    sorted.truncate(MOST_TRIED);
    sorted
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mode(format: PixelFormat, width: u32, height: u32, fps: u32) -> Mode {
        Mode { format, width, height, fps }
    }

    #[test]
    fn the_usual_size_at_full_rate_comes_first() {
        use PixelFormat::{Mjpg, Yuyv};
        let modes = [
            mode(Yuyv, 3840, 2160, 2),
            mode(Yuyv, 640, 480, 15),
            mode(Mjpg, 640, 480, 30),
            mode(Yuyv, 640, 480, 30),
            mode(Mjpg, 1280, 720, 30),
        ];
        let best = candidates(&modes, None, None, None);
        assert_eq!(best[..2], [modes[3], modes[2]]);
        assert_eq!(candidates(&modes, Some((1280, 720)), None, None)[0], modes[4]);
        assert_eq!(candidates(&modes, Some((3840, 2160)), Some(30), None)[0], modes[0]);
        assert_eq!(candidates(&modes, None, Some(15), None)[0], modes[1]);
        assert_eq!(candidates(&modes, None, None, Some(Mjpg))[0], modes[2]);
        assert_eq!(candidates(&modes, None, None, Some(PixelFormat::Nv12))[0], modes[3], "it has none");
    }

    #[test]
    fn a_slide_show_comes_last_unless_asked_for() {
        let modes = [mode(PixelFormat::Yuyv, 640, 480, 5), mode(PixelFormat::Mjpg, 1280, 720, 30)];
        assert_eq!(candidates(&modes, None, None, None)[0], modes[1]);
        assert_eq!(candidates(&modes, Some((640, 480)), None, None)[0], modes[0]);
    }
}
