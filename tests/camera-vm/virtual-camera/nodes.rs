//! What other programs do to a video node, through V4L2.

use std::io::Write;
use std::path::Path;
use std::time::{Duration, Instant};

use image::GrayImage;
use v4l::Fraction;
use v4l::buffer::Type;
use v4l::control::{Control, Value};
use v4l::device::Device;
use v4l::format::{Format, FourCC};
use v4l::io::mmap::Stream;
use v4l::io::traits::CaptureStream;
use v4l::video::capture::Parameters;
use v4l::video::{Capture, Output};

use crate::{Result, code};

/// Plays a clip into a loopback device, until ended: its JPEGs, or raw pictures of half its size, which fill no whole
/// number of memory pages.
pub fn feed(device: &Path, fourcc: [u8; 4], folder: &Path, fps: f64) -> Result<()> {
    let clip = code::read_clip(folder)?;
    let raw = &fourcc == b"YUYV";
    let (width, height) = if raw { (clip.size.0 / 2, clip.size.1 / 2) } else { clip.size };
    let mut node = Device::with_path(device)?;
    let mut format = Format::new(width, height, FourCC::new(&fourcc));
    format.size = width * height * 2;
    Output::set_format(&node, &format)?;
    println!("feeding {}", device.display());
    let mut due = Instant::now();
    for number in 0..=u16::MAX {
        if raw {
            node.write_all(&code::yuyv(&code::draw(number, (width, height))))?;
        } else {
            node.write_all(&clip.jpegs[usize::from(number) % clip.jpegs.len()])?;
        }
        due += Duration::from_secs_f64(1.0 / fps);
        std::thread::sleep(due.saturating_duration_since(Instant::now()));
    }
    Ok(())
}

/// Reads frames and prints the number that each carries, a line each.
pub fn read(device: &Path, frames: usize) -> Result<()> {
    let node = Device::with_path(device)?;
    let format = Capture::format(&node)?;
    let mut stream = Stream::with_buffers(&node, Type::VideoCapture, 4)?;
    stream.set_timeout(Duration::from_secs(10));
    for _ in 0..frames {
        let (data, meta) = stream.next()?;
        let data = &data[..(meta.bytesused as usize).min(data.len())];
        let picture = match &format.fourcc.repr {
            b"MJPG" | b"JPEG" => image::load_from_memory(data)?.to_luma8(),
            b"YUYV" => {
                let luma = data.iter().copied().step_by(2).take((format.width * format.height) as usize);
                GrayImage::from_raw(format.width, format.height, luma.collect()).ok_or("too short a frame")?
            }
            other => {
                return Err(format!("reads MJPG and YUYV, not {}", String::from_utf8_lossy(other)).into());
            }
        };
        let number = code::read(&picture).map_or_else(|| "none".to_owned(), |n| n.to_string());
        println!("{} {}x{} {number}", format.fourcc, format.width, format.height);
    }
    Ok(())
}

/// Streams and never gives way, as a program does that forgot its camera.
pub fn hold(device: &Path) -> Result<()> {
    let node = Device::with_path(device)?;
    let mut stream = Stream::with_buffers(&node, Type::VideoCapture, 2)?;
    stream.next()?;
    println!("holding {}", device.display());
    loop {
        std::thread::park();
    }
}

/// Leaves a camera in a mode, `interval` seconds between two frames.
pub fn set(device: &Path, fourcc: [u8; 4], size: (u32, u32), interval: (u32, u32)) -> Result<()> {
    let node = Device::with_path(device)?;
    let format = Capture::set_format(&node, &Format::new(size.0, size.1, FourCC::new(&fourcc)))?;
    let parameters = Parameters::new(Fraction::new(interval.0, interval.1));
    let interval = Capture::set_params(&node, &parameters)?.interval;
    println!("{} {}x{} every {interval} s", format.fourcc, format.width, format.height);
    Ok(())
}

/// Takes a node of vivid away while programs have it open, as unplugging does.
pub fn disconnect(device: &Path) -> Result<()> {
    let node = Device::with_path(device)?;
    let controls = node.query_controls()?;
    let button =
        controls.iter().find(|c| c.name == "Disconnect").ok_or("it has no button to disconnect it")?;
    node.set_control(Control { id: button.id, value: Value::Integer(1) })?;
    Ok(())
}
