use std::path::PathBuf;

use v4l::capability::Flags;
use v4l::device::Device;
use v4l::format::FourCC;
use v4l::frameinterval::FrameIntervalEnum;
use v4l::framesize::FrameSizeEnum;
use v4l::video::Capture;

use super::choose::{Mode, PixelFormat};

/// Sizes tried with cameras that take any size between two bounds.
const COMMON_SIZES: [(u32, u32); 6] =
    [(320, 240), (640, 360), (640, 480), (1280, 720), (1280, 960), (1920, 1080)];

/// Rates tried with cameras that take any rate between two bounds.
const COMMON_RATES: [u32; 5] = [60, 30, 25, 15, 10];

/// A camera as the system describes it.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct CameraInfo {
    /// The N of `/dev/videoN`.
    pub index: u32,
    /// The device's path.
    pub path: PathBuf,
    /// What the driver calls it.
    pub name: String,
    /// The modes that can be used here; empty if another program holds the camera so that it cannot be asked.
    pub modes: Vec<Mode>,
}

/// The cameras of this machine, by index. Cheap: nothing is started or changed.
pub fn list() -> Vec<CameraInfo> {
    let Ok(entries) = std::fs::read_dir("/dev") else { return Vec::new() };
    let mut indices: Vec<u32> = entries
        .flatten()
        .filter_map(|entry| entry.file_name().to_str()?.strip_prefix("video")?.parse().ok())
        .collect();
    indices.sort_unstable();
    indices.into_iter().filter_map(describe).collect()
}

/// None for nodes that are no cameras: outputs, encoders, and the metadata node that every webcam has.
fn describe(index: u32) -> Option<CameraInfo> {
    let path = PathBuf::from(format!("/dev/video{index}"));
    let name = std::fs::read(format!("/sys/class/video4linux/video{index}/name"));
    let name =
        name.map_or_else(|_| format!("video{index}"), |n| String::from_utf8_lossy(&n).trim().to_owned());
    let device = match Device::with_path(&path) {
        Ok(device) => device,
        // It is there and may be a camera: opening it will say why it cannot be had.
        Err(_) => return Some(CameraInfo { index, path, name, modes: Vec::new() }),
    };
    let captures = if is_text(&name) {
        device.query_caps().is_ok_and(|c| c.capabilities.contains(Flags::VIDEO_CAPTURE))
    } else {
        // The v4l crate panics on such a name. Only cameras list formats of pictures to be captured.
        !device.enum_formats().unwrap_or_default().is_empty()
    };
    captures.then(|| CameraInfo { index, path, name, modes: modes(&device) })
}

/// Whether a camera's name was valid text. Drivers cut long names after 31 bytes, in the middle of a letter if need be.
pub(super) fn is_text(name: &str) -> bool {
    !name.contains(char::REPLACEMENT_CHARACTER)
}

fn modes(device: &Device) -> Vec<Mode> {
    let offered = device.enum_formats().unwrap_or_default();
    let mut modes = Vec::new();
    for format in PixelFormat::ALL {
        let fourcc = FourCC::new(format.fourcc());
        if !offered.iter().any(|o| o.fourcc == fourcc) {
            continue;
        }
        for (width, height) in sizes(device, fourcc) {
            let rates = rates(device, fourcc, width, height);
            modes.extend(rates.into_iter().map(|fps| Mode { format, width, height, fps }));
        }
    }
    modes
}

fn sizes(device: &Device, fourcc: FourCC) -> Vec<(u32, u32)> {
    let mut sizes = Vec::new();
    for size in device.enum_framesizes(fourcc).unwrap_or_default() {
        match size.size {
            FrameSizeEnum::Discrete(d) => sizes.push((d.width, d.height)),
            FrameSizeEnum::Stepwise(s) => {
                let fits = |value: u32, low: u32, high: u32, step: u32| {
                    (low..=high).contains(&value) && (value - low).is_multiple_of(step.max(1))
                };
                sizes.extend(COMMON_SIZES.into_iter().filter(|(w, h)| {
                    fits(*w, s.min_width, s.max_width, s.step_width)
                        && fits(*h, s.min_height, s.max_height, s.step_height)
                }));
            }
        }
    }
    // Some virtual cameras list nothing and have just the one size that their feeder set.
    if sizes.is_empty() {
        sizes.extend(device.format().ok().filter(|f| f.fourcc == fourcc).map(|f| (f.width, f.height)));
    }
    sizes
}

/// Whole rates only: cameras in a fractional one cannot be opened by nokhwa.
fn rates(device: &Device, fourcc: FourCC, width: u32, height: u32) -> Vec<u32> {
    let mut rates = Vec::new();
    let intervals = device.enum_frameintervals(fourcc, width, height).unwrap_or_default();
    let silent = intervals.is_empty();
    for interval in intervals {
        match interval.interval {
            FrameIntervalEnum::Discrete(d) => rates.extend(whole_rate(d.numerator, d.denominator)),
            FrameIntervalEnum::Stepwise(s) => {
                let seconds = |f: &v4l::Fraction| f64::from(f.numerator) / f64::from(f.denominator.max(1));
                let (shortest, longest) = (seconds(&s.min), seconds(&s.max));
                let fits = |fps: &u32| (shortest..=longest).contains(&(1.0 / f64::from(*fps)));
                rates.extend(COMMON_RATES.into_iter().filter(fits));
            }
        }
    }
    if silent {
        let current = device.params().ok().map(|p| p.interval);
        rates.extend(current.and_then(|i| whole_rate(i.numerator, i.denominator)));
    }
    rates.sort_unstable_by(|a, b| b.cmp(a));
    rates.dedup();
    rates
}

fn whole_rate(numerator: u32, denominator: u32) -> Option<u32> {
    (numerator > 0 && denominator >= numerator && denominator.is_multiple_of(numerator))
        .then(|| denominator / numerator)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_whole_rates_count() {
        assert_eq!(whole_rate(1, 30), Some(30));
        assert_eq!(whole_rate(2, 60), Some(30));
        assert_eq!(whole_rate(2, 25), None);
        assert_eq!(whole_rate(1001, 30000), None);
        assert_eq!(whole_rate(0, 30), None);
    }
}
