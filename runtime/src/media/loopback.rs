//! A camera for other programs: pictures written to a v4l2loopback device.

use std::fs;
use std::io::{ErrorKind, Write};
use std::os::unix::fs::FileTypeExt;
use std::path::{Path, PathBuf};

use image::RgbImage;
use image::imageops::{self, FilterType};
use v4l::capability::Flags;
use v4l::video::Output;
use v4l::{Device, Format, FourCC};

use super::sink::{Shown, Sink, Written};
use super::yuv::fill_yuyv;
use crate::error::media::{Error, Result};

/// The layout that the device takes.
#[derive(Clone, Copy, PartialEq)]
enum Layout {
    Yuyv,
    Rgb,
}

/// Writes every frame to the device, YUYV where it takes that, else RGB.
pub struct LoopbackSink {
    path: PathBuf,
    device: Device,
    /// Size and layout, from the first frame on.
    set: Option<((u32, u32), Layout)>,
    bytes: Vec<u8>,
}

impl LoopbackSink {
    /// Opens the device and asks what it is.
    ///
    /// # Errors
    /// [`Error::NoOutputDevice`]: it is missing, or no device that takes pictures.
    pub fn open(path: &Path) -> Result<Self> {
        let refused = |reason: String| Error::NoOutputDevice { path: path.to_owned(), reason };
        let is_device = fs::metadata(path).map(|m| m.file_type().is_char_device());
        match is_device {
            Err(e) if e.kind() == ErrorKind::NotFound => {
                let number = path.to_string_lossy().trim_start_matches("/dev/video").to_owned();
                let number = if number.parse::<u16>().is_ok() { number } else { "N".to_owned() };
                return Err(refused(format!(
                    "no such device; make one with: modprobe v4l2loopback video_nr={number} exclusive_caps=1"
                )));
            }
            Err(e) => return Err(Error::io(path)(e)),
            Ok(_) => {}
        }
        let device = Device::with_path(path).map_err(Error::io(path))?;
        let (driver, capabilities) =
            device.query_caps().map_or((String::new(), Flags::empty()), |c| (c.driver, c.capabilities));
        if let Some(reason) = refusal(&driver, capabilities) {
            return Err(refused(reason.to_owned()));
        }
        Ok(Self { path: path.to_owned(), device, set: None, bytes: Vec::new() })
    }

    /// Sets what the device takes. Both sides must be even for colours shared by two pixels.
    fn set(&mut self, picture: &RgbImage) -> Result<((u32, u32), Layout)> {
        if let Some(set) = self.set {
            return Ok(set);
        }
        let size = (picture.width() & !1, picture.height() & !1);
        for (code, layout, bytes) in [(b"YUYV", Layout::Yuyv, 2), (b"RGB3", Layout::Rgb, 3)] {
            let mut wanted = Format::new(size.0, size.1, FourCC::new(code));
            wanted.stride = size.0 * bytes;
            wanted.size = size.0 * size.1 * bytes;
            match Output::set_format(&self.device, &wanted) {
                Ok(got) if (got.width, got.height, got.fourcc) == (size.0, size.1, wanted.fourcc) => {
                    self.set = Some((size, layout));
                    return Ok((size, layout));
                }
                _ => {}
            }
        }
        let reason = format!(
            "takes no {}x{} pictures; close the programs that watch it, since they hold it to another size",
            size.0, size.1
        );
        Err(Error::NoOutputDevice { path: self.path.clone(), reason })
    }

    /// The device's path.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Hands a picture to the programs that watch.
    ///
    /// # Errors
    /// The device takes no pictures of this size, or is gone.
    pub fn send(&mut self, picture: &RgbImage) -> Result<()> {
        let (size, layout) = self.set(picture)?;
        let fitted;
        let picture = if picture.dimensions() == size {
            picture
        } else {
            fitted = imageops::resize(picture, size.0, size.1, FilterType::Triangle);
            &fitted
        };
        let bytes: &[u8] = if layout == Layout::Yuyv {
            fill_yuyv(picture, &mut self.bytes);
            &self.bytes
        } else {
            picture
        };
        self.device.write_all(bytes).map_err(Error::io(&self.path))
    }
}

/// Why pictures can't be written to what has these capabilities, if they can't.
fn refusal(driver: &str, capabilities: Flags) -> Option<&'static str> {
    if capabilities.contains(Flags::VIDEO_OUTPUT) {
        None
    } else if capabilities.contains(Flags::VIDEO_CAPTURE) {
        Some(
            "takes no pictures, it is a camera or another program feeds it; name a v4l2loopback device of its own",
        )
    } else if driver == "v4l2 loopback" {
        Some(
            "takes no pictures since a program that fed it ended without notice; load the driver anew: \
            modprobe -r v4l2loopback && modprobe v4l2loopback exclusive_caps=1",
        )
    } else {
        Some("takes no pictures, it is no video device; name a v4l2loopback device")
    }
}

impl Drop for LoopbackSink {
    /// Version 0.12 of v4l2loopback lets the next program in when one that streams has gone. What has merely written
    /// leaves it, with `exclusive_caps=1`, taking nothing from anyone.
    #[allow(unsafe_code)]
    fn drop(&mut self) {
        if self.set.is_none() {
            return;
        }
        let mut kind = v4l::buffer::Type::VideoOutput as std::os::raw::c_int;
        let fd = self.device.handle().fd();
        // SAFETY: the device is open, and the request reads one C int, which outlives the call. Newer versions refuse it,
        // and need none.
        let _ = unsafe { v4l::v4l2::ioctl(fd, v4l::v4l2::vidioc::VIDIOC_STREAMON, (&raw mut kind).cast()) };
    }
}

impl Sink for LoopbackSink {
    fn name(&self) -> String {
        self.path.display().to_string()
    }

    fn write(&mut self, shown: &Shown<'_>) -> Result<()> {
        self.send(shown.picture)
    }

    fn finish(self: Box<Self>) -> Result<Vec<Written>> {
        Ok(Vec::new())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_takes_no_pictures_is_told_apart() {
        let rest = Flags::STREAMING | Flags::READ_WRITE;
        assert_eq!(refusal("vivid", rest | Flags::VIDEO_OUTPUT), None);
        let said = |driver: &str, flags, part: &str| refusal(driver, flags).is_some_and(|r| r.contains(part));
        assert!(said("v4l2 loopback", rest | Flags::VIDEO_CAPTURE, "another program feeds it"));
        assert!(said("v4l2 loopback", rest, "modprobe -r v4l2loopback"));
        assert!(said("uvcvideo", rest, "no video device") && said("", Flags::empty(), "no video device"));
    }
}
