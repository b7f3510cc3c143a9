use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{RecvTimeoutError, SyncSender, sync_channel};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use image::RgbImage;
use nokhwa::utils::{CameraFormat, CameraIndex, RequestedFormat, RequestedFormatType};
use nokhwa::{Buffer, Camera, NokhwaError};
use v4l::device::Device;
use v4l::format::{Format, FourCC};
use v4l::video::Capture;
use v4l::video::capture::Parameters;

use super::choose::{Mode, PixelFormat, candidates};
use super::list::{CameraInfo, is_text, list};
use super::{Selector, decode, holder};
use crate::error::media::{Error, Result};
use crate::frame::Frame;
use crate::media::frame_pool::FramePool;
use crate::media::slot::{Slot, Taken};
use crate::media::source::{Captured, Next, Source};

/// Pictures in a row that may fail to decode: the first ones of many webcams are torn.
const MOST_TORN: u32 = 30;

/// What to ask of a camera.
#[derive(Clone, Debug)]
pub struct CameraOptions {
    /// Size in pixels, if it matters; the nearest that the camera offers is taken.
    pub size: Option<(u32, u32)>,
    /// Frames a second, if it matters.
    pub fps: Option<f32>,
    /// Pixel format, if it matters; another one is taken where the camera does not offer it.
    pub format: Option<PixelFormat>,
    /// How long opening and the first frame may take together.
    pub patience: Duration,
}

/// A buffer as the driver gave it.
struct Shot {
    buffer: Buffer,
    number: u64,
    taken: Instant,
}

/// How the capture thread ended, for whoever finds its slot closed.
type Ending = Arc<std::sync::Mutex<Option<Error>>>;

/// A camera that streams.
pub struct CameraSource {
    info: CameraInfo,
    mode: Mode,
    slot: Slot<Shot>,
    ending: Ending,
    stop: Arc<AtomicBool>,
    first: Option<Instant>,
    torn: u32,
    pool: FramePool,
}

impl CameraSource {
    /// Opens the first camera that works.
    ///
    /// # Errors
    /// [`Error::NoCamera`], or why the only ones there are cannot be had.
    pub fn open_first(options: &CameraOptions) -> Result<Self> {
        Self::open_any(list(), options)
    }

    /// Opens the camera named.
    ///
    /// # Errors
    /// [`Error::NoCamera`] if none has that name, [`Error::CameraBusy`], or what the camera says.
    pub fn open(selector: &Selector, options: &CameraOptions) -> Result<Self> {
        let matching: Vec<_> = list().into_iter().filter(|c| selector.matches(c)).collect();
        match (matching.is_empty(), selector) {
            (true, Selector::Index(index)) => Err(Error::Camera {
                camera: index.to_string(),
                reason: format!("there is no camera /dev/video{index}{}", others()),
            }),
            _ => Self::open_any(matching, options),
        }
    }

    /// The mode that it streams in.
    pub fn mode(&self) -> Mode {
        self.mode
    }

    fn open_any(cameras: Vec<CameraInfo>, options: &CameraOptions) -> Result<Self> {
        let mut first_failure = None;
        for info in cameras {
            match Self::start(info, options) {
                Ok(source) => return Ok(source),
                Err(e) => {
                    tracing::warn!(reason = %e, "camera does not open");
                    first_failure = first_failure.or(Some(e));
                }
            }
        }
        Err(first_failure.unwrap_or(Error::NoCamera))
    }

    fn start(info: CameraInfo, options: &CameraOptions) -> Result<Self> {
        usable(&info)?;
        let fps = options.fps.map(|f| f.round().max(1.0) as u32);
        let modes = candidates(&info.modes, options.size, fps, options.format);
        let slot = Slot::default();
        let ending = Ending::default();
        let stop = Arc::new(AtomicBool::new(false));
        let (started, opened) = sync_channel(1);
        let thread = CaptureThread {
            info: info.clone(),
            modes,
            slot: slot.clone(),
            ending: Arc::clone(&ending),
            stop: Arc::clone(&stop),
        };
        // Not joined: a driver may hold it for ever, and the process must end all the same.
        std::thread::Builder::new()
            .name(format!("camera {}", info.index))
            .spawn(move || thread.run(&started))
            .map_err(Error::io(&info.path))?;
        let mode = match opened.recv_timeout(options.patience) {
            Ok(opened) => opened?,
            Err(RecvTimeoutError::Disconnected) => {
                let reason = "the camera library gave up on it (the lines above say why)".to_owned();
                return Err(Error::Camera { camera: label(&info), reason });
            }
            Err(RecvTimeoutError::Timeout) => {
                stop.store(true, Ordering::Relaxed);
                let seconds = options.patience.as_secs_f32();
                return Err(Error::CameraStalled { camera: info.name, seconds });
            }
        };
        tracing::info!(camera = %label(&info), offered = info.modes.len(), ?options, %mode, "camera streams");
        Ok(Self { info, mode, slot, ending, stop, first: None, torn: 0, pool: FramePool::default() })
    }
}

/// Checks a camera without starting it.
///
/// # Errors
/// Why it cannot be used, where that is known beforehand: it may not be opened, or offers nothing that can be read.
pub fn usable(info: &CameraInfo) -> Result<()> {
    // A node that may not be opened has no modes either; say why.
    Device::with_path(&info.path).map_err(|e| open_error(info, &e))?;
    if !is_text(&info.name) {
        let reason =
            "its name is no valid text, which the camera library cannot read; let ffmpeg feed it into a \
                      v4l2loopback device and open that"
                .to_owned();
        return Err(Error::Camera { camera: label(info), reason });
    }
    if info.modes.is_empty() {
        let reason = "it offers no MJPG, YUYV or NV12 mode at a whole frame rate".to_owned();
        return Err(Error::Camera { camera: label(info), reason });
    }
    Ok(())
}

impl Drop for CameraSource {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
    }
}

impl Source for CameraSource {
    fn describe(&self) -> String {
        format!("{} ({}, {})", self.info.name, self.info.path.display(), self.mode)
    }

    fn camera(&self) -> Option<u32> {
        Some(self.info.index)
    }

    fn is_live(&self) -> bool {
        true
    }

    fn next(&mut self, timeout: Duration) -> Result<Next> {
        let shot = match self.slot.take(timeout) {
            Taken::Item(shot) => shot,
            Taken::Nothing => return Ok(Next::Waiting),
            Taken::Closed => {
                let ending = self.ending.lock().ok().and_then(|mut e| e.take());
                return Err(ending.unwrap_or_else(|| Error::CameraUnplugged(self.info.name.clone())));
            }
        };
        let start = Instant::now();
        let size = (self.mode.width, self.mode.height);
        let mut picture = self.pool.take(size.0, size.1);
        match decode::to_rgb(self.mode.format, size, shot.buffer.buffer(), &mut picture) {
            Ok(()) => {
                self.torn = 0;
                let first = *self.first.get_or_insert(shot.taken);
                let time = shot.taken.saturating_duration_since(first);
                let frame = Frame { picture, index: shot.number, time };
                Ok(Next::Frame(Captured { frame, taken: shot.taken, decode: start.elapsed() }))
            }
            Err(reason) if self.torn < MOST_TORN => {
                self.torn += 1;
                tracing::debug!(frame = shot.number, reason, "picture left out");
                Ok(Next::Waiting)
            }
            Err(reason) => Err(Error::Camera { camera: self.info.name.clone(), reason }),
        }
    }

    fn reuse(&mut self, picture: RgbImage) {
        self.pool.give(picture);
    }
}

/// The thread that owns the camera; nokhwa's is not `Send`.
struct CaptureThread {
    info: CameraInfo,
    modes: Vec<Mode>,
    slot: Slot<Shot>,
    ending: Ending,
    stop: Arc<AtomicBool>,
}

impl CaptureThread {
    fn run(self, started: &SyncSender<Result<Mode>>) {
        let mut failure = None;
        for mode in &self.modes {
            match open(&self.info, *mode) {
                Ok((camera, first)) => {
                    if started.send(Ok(*mode)).is_ok() {
                        self.pump(camera, first);
                    }
                    return self.slot.close();
                }
                // Neither comes from the mode, so no other mode will do.
                Err(e @ (Error::CameraBusy { .. } | Error::CameraUnplugged(_))) => {
                    failure = Some(e);
                    break;
                }
                Err(e) => {
                    tracing::debug!(camera = %label(&self.info), %mode, reason = %e, "mode not taken");
                    failure = failure.or(Some(e));
                }
            }
            if self.stop.load(Ordering::Relaxed) {
                break;
            }
        }
        // The receiver may have given up waiting; then nobody asks.
        started.send(Err(failure.unwrap_or(Error::NoCamera))).ok();
    }

    fn pump(&self, mut camera: Camera, first: Buffer) {
        let mut number = 0;
        let mut buffer = Ok(first);
        while !self.stop.load(Ordering::Relaxed) {
            match buffer {
                Ok(buffer) => {
                    let taken = taken_at(&buffer);
                    self.slot.put(Shot { buffer, number, taken });
                    number += 1;
                }
                Err(e) => {
                    if let Ok(mut ending) = self.ending.lock() {
                        *ending = Some(stream_error(&self.info, &e));
                    }
                    return;
                }
            }
            buffer = camera.frame();
        }
    }
}

/// When the driver says the picture was taken; now, where it says nothing credible.
fn taken_at(buffer: &Buffer) -> Instant {
    let now = Instant::now();
    let age = buffer
        .capture_timestamp()
        .and_then(|stamp| SystemTime::now().duration_since(UNIX_EPOCH).ok()?.checked_sub(stamp));
    age.filter(|age| *age < Duration::from_secs(2)).and_then(|age| now.checked_sub(age)).unwrap_or(now)
}

/// Starts the stream in exactly this mode and waits for its first frame.
fn open(info: &CameraInfo, mode: Mode) -> Result<(Camera, Buffer)> {
    set_mode(info, mode)?;
    let format = CameraFormat::new_from(mode.width, mode.height, mode.format.nokhwa(), mode.fps);
    let formats = [mode.format.nokhwa()];
    let request = RequestedFormat::with_formats(RequestedFormatType::Exact(format), &formats);
    let fail = |e: NokhwaError| stream_error(info, &e);
    let mut camera = Camera::new(CameraIndex::Index(info.index), request).map_err(fail)?;
    camera.open_stream().map_err(fail)?;
    let first = camera.frame().map_err(fail)?;
    Ok((camera, first))
}

/// Sets format, then rate, through V4L2: nokhwa cannot open a camera left in a mode that it does not know.
fn set_mode(info: &CameraInfo, mode: Mode) -> Result<()> {
    let device = Device::with_path(&info.path).map_err(|e| open_error(info, &e))?;
    let wanted = Format::new(mode.width, mode.height, FourCC::new(mode.format.fourcc()));
    device.set_format(&wanted).map_err(|e| open_error(info, &e))?;
    // Cameras without a settable rate refuse; theirs is the only one anyway.
    device.set_params(&Parameters::with_fps(mode.fps)).ok();
    Ok(())
}

fn label(info: &CameraInfo) -> String {
    format!("{} ({})", info.name, info.path.display())
}

fn open_error(info: &CameraInfo, error: &std::io::Error) -> Error {
    const BUSY: i32 = 16;
    const GONE: [i32; 3] = [2, 6, 19];
    match error.raw_os_error() {
        Some(BUSY) => Error::CameraBusy { camera: label(info), holder: holder::sentence(&info.path) },
        Some(code) if GONE.contains(&code) => Error::CameraUnplugged(label(info)),
        Some(13) => Error::Camera {
            camera: label(info),
            reason: "permission denied; on most systems members of the group `video` may use cameras"
                .to_owned(),
        },
        _ => Error::Camera { camera: label(info), reason: error.to_string() },
    }
}

/// nokhwa's errors are texts with the system's number in them.
fn stream_error(info: &CameraInfo, error: &NokhwaError) -> Error {
    let text = error.to_string();
    let code = text
        .rsplit_once("os error ")
        .and_then(|(_, rest)| rest.chars().take_while(char::is_ascii_digit).collect::<String>().parse().ok());
    match code {
        Some(code) => open_error(info, &std::io::Error::from_raw_os_error(code)),
        None => Error::Camera { camera: label(info), reason: text },
    }
}

/// The cameras there are, for a message about one that is not.
fn others() -> String {
    let names: Vec<_> = list().iter().map(|c| format!("{} {}", c.index, c.name)).collect();
    if names.is_empty() {
        "; no camera is plugged in".to_owned()
    } else {
        format!("; there are: {}", names.join(", "))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn info() -> CameraInfo {
        CameraInfo { index: 0, path: "/dev/video0".into(), name: "Cam".to_owned(), modes: vec![] }
    }

    #[test]
    fn the_systems_numbers_become_plain_words() {
        let said = |text: &str| stream_error(&info(), &NokhwaError::ReadFrameError(text.to_owned()));
        assert!(matches!(said("No such device (os error 19)"), Error::CameraUnplugged(_)));
        assert!(matches!(said("Device or resource busy (os error 16)"), Error::CameraBusy { .. }));
        let Error::Camera { reason, .. } = said("odd") else { panic!("not a camera error") };
        assert!(reason.contains("odd"));
    }

    /// The camera library panics on these; `runtime doctor` and `runtime webcam` went down with it.
    #[test]
    fn a_name_that_was_cut_in_a_letter_is_refused_with_a_reason() {
        let cut = String::from_utf8_lossy(&"Камера".as_bytes()[..5]).into_owned();
        let camera = CameraInfo { path: "/dev/null".into(), name: cut, ..info() };
        let error = usable(&camera).err().unwrap().to_string();
        assert!(error.contains("no valid text"), "{error}");
        let error = usable(&CameraInfo { path: "/dev/null".into(), ..info() }).err().unwrap().to_string();
        assert!(error.contains("offers no MJPG"), "{error}");
    }

    #[test]
    fn a_missing_camera_is_named() {
        let options = CameraOptions { size: None, fps: None, format: None, patience: Duration::from_secs(1) };
        let error = CameraSource::open(&Selector::Index(987), &options).err().unwrap();
        assert!(error.to_string().contains("no camera /dev/video987"), "{error}");
    }
}
