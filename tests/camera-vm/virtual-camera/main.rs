//! What the checks of cameras (`scripts/test-cameras`) need beside the runtime: a clip whose frames carry their number,
//! a webcam that plugs itself into the kernel, programs that feed, read, hold and upset a camera, and a reader of what
//! the runtime recorded.

mod code;
mod codes;
mod descriptors;
mod nodes;
mod usbip;
mod webcam;

use std::path::Path;
use std::process::ExitCode;

const USAGE: &str = "usage:
  virtual-camera clip FOLDER FRAMES WIDTHxHEIGHT    write numbered pictures as JPEG
  virtual-camera webcam FOLDER NAME                 plug in a USB webcam that plays them, until ended
  virtual-camera feed DEVICE FORMAT FOLDER FPS      write them to a loopback device (MJPG or YUYV), until ended
  virtual-camera read DEVICE FRAMES                 read frames of a device and print their numbers
  virtual-camera hold DEVICE                        stream from a device and never look, until ended
  virtual-camera set DEVICE FORMAT WIDTHxHEIGHT NUMERATOR/DENOMINATOR    leave a device in a mode
  virtual-camera disconnect DEVICE                  take vivid's node away, as if unplugged
  virtual-camera bundle FOLDER                      write a bundle whose networks cost no time
  virtual-camera codes FOLDER LEAST                 check that a recording's pictures are the right ones";

type Result<T> = std::result::Result<T, Box<dyn std::error::Error>>;

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    match run(&args.iter().map(String::as_str).collect::<Vec<_>>()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(e) => {
            eprintln!("virtual-camera: error: {e}");
            ExitCode::FAILURE
        }
    }
}

fn run(args: &[&str]) -> Result<()> {
    match args {
        ["clip", folder, frames, size] => {
            code::write_clip(Path::new(folder), frames.parse()?, pair(size, 'x')?)
        }
        ["webcam", folder, name] => webcam::run(code::read_clip(Path::new(folder))?, name),
        ["feed", device, format, folder, fps] => {
            nodes::feed(Path::new(device), fourcc(format)?, Path::new(folder), fps.parse()?)
        }
        ["read", device, frames] => nodes::read(Path::new(device), frames.parse()?),
        ["hold", device] => nodes::hold(Path::new(device)),
        ["set", device, format, size, interval] => {
            nodes::set(Path::new(device), fourcc(format)?, pair(size, 'x')?, pair(interval, '/')?)
        }
        ["disconnect", device] => nodes::disconnect(Path::new(device)),
        ["bundle", folder] => {
            std::fs::create_dir_all(folder)?;
            lkg_bundle::testing::write_tiny_bundle(Path::new(folder))?;
            Ok(())
        }
        ["codes", folder, least] => codes::check(Path::new(folder), least.parse()?),
        _ => Err(USAGE.into()),
    }
}

fn pair(text: &str, between: char) -> Result<(u32, u32)> {
    let (a, b) = text.split_once(between).ok_or_else(|| format!("{text}: not two numbers"))?;
    Ok((a.parse()?, b.parse()?))
}

fn fourcc(text: &str) -> Result<[u8; 4]> {
    text.as_bytes().try_into().map_err(|_| format!("{text}: a format has four letters").into())
}
