//! `runtime devices`: the cameras there are, what they offer, and what they really deliver.

use std::fmt::Write;
use std::time::{Duration, Instant};

use serde::Serialize;

use super::args::DevicesArgs;
use super::output::Output;
use super::progress::Progress;
use super::{REPORTED, remark};
use crate::error::{Result, one_line};
use crate::interrupt;
use crate::media::camera::{self, CameraInfo, Delivered, Mode};

/// How long the frames of each camera are counted.
const COUNTED: Duration = Duration::from_secs(2);

/// What `--json` prints.
#[derive(Serialize)]
struct CamerasReport {
    cameras: Vec<Row>,
}

/// A camera.
#[derive(Serialize)]
struct Row {
    #[serde(flatten)]
    camera: CameraInfo,
    /// Absent where nothing was measured.
    #[serde(skip_serializing_if = "Option::is_none")]
    measured: Option<Measured>,
    /// Why it cannot be used.
    #[serde(skip_serializing_if = "Option::is_none")]
    problem: Option<String>,
}

/// What was asked of a camera, and what came.
#[derive(Serialize)]
struct Measured {
    asked: Mode,
    delivered: Delivered,
}

/// Runs the command; returns the exit code: 2 if a camera could not be measured.
pub fn run(args: &DevicesArgs) -> Result<u8> {
    let mut rows: Vec<_> = camera::list()
        .into_iter()
        .map(|camera| {
            let problem = camera::usable(&camera).err().map(|e| one_line(&e.to_string()));
            Row { camera, measured: None, problem }
        })
        .collect();
    if args.measure {
        measure(&mut rows)?;
    }
    let failed = args.measure && rows.iter().any(|r| r.problem.is_some());
    if rows.is_empty() {
        remark("no camera found: plug one in, or use a clip or pictures instead");
    }
    let mut output = Output::new();
    if args.json {
        output.json(&CamerasReport { cameras: rows })?;
    } else {
        for row in &rows {
            output.text(text(row).as_bytes())?;
        }
    }
    output.flush()?;
    Ok(if failed { REPORTED } else { 0 })
}

/// Measures one camera after the other: two at a time can be too much for one USB bus.
fn measure(rows: &mut [Row]) -> Result<()> {
    let mut progress = Progress::new(rows.len());
    let count = rows.len() as f64;
    for (i, row) in rows.iter_mut().enumerate().filter(|(_, r)| r.problem.is_none()) {
        let start = Instant::now();
        let measured = camera::measure(&row.camera, COUNTED, &mut || {
            let part = (start.elapsed().as_secs_f64() / COUNTED.as_secs_f64()).min(1.0);
            progress.share((i as f64 + part) / count, &format!("measuring {}", row.camera.path.display()));
            !interrupt::requested()
        });
        interrupt::check()?;
        match measured {
            Ok((asked, delivered)) => row.measured = Some(Measured { asked, delivered }),
            Err(e) => row.problem = Some(one_line(&e.to_string())),
        }
    }
    Ok(())
}

/// A camera on a line of its own, then what is known of it.
fn text(row: &Row) -> String {
    let camera = &row.camera;
    let mut text = format!("{}  {}  {}\n", camera.index, camera.path.display(), camera.name);
    for line in modes(&camera.modes) {
        writeln!(text, "     {line}").ok();
    }
    if let Some(Measured { asked, delivered }) = &row.measured {
        let Delivered { frames, seconds, fps } = delivered;
        writeln!(text, "     measured: {fps:.1} fps ({frames} frames in {seconds:.2} s), asked for {asked}")
            .ok();
    }
    if let Some(problem) = &row.problem {
        writeln!(text, "     problem: {problem}").ok();
    }
    text
}

/// One line for each format and size, with the rates it comes at.
fn modes(modes: &[Mode]) -> Vec<String> {
    let same = |a: &Mode, b: &Mode| (a.format, a.width, a.height) == (b.format, b.width, b.height);
    modes
        .chunk_by(same)
        .map(|group| {
            let first = group[0];
            let rates: Vec<_> = group.iter().map(|m| m.fps.to_string()).collect();
            let code = String::from_utf8_lossy(first.format.fourcc());
            format!("{code} {}x{} at {} fps", first.width, first.height, rates.join(", "))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::media::camera::PixelFormat;

    fn row() -> Row {
        let mode = |format, width, fps| Mode { format, width, height: 480, fps };
        let modes = vec![
            mode(PixelFormat::Yuyv, 640, 30),
            mode(PixelFormat::Yuyv, 640, 15),
            mode(PixelFormat::Mjpg, 640, 30),
        ];
        let name = "HD Pro Webcam".to_owned();
        let camera = CameraInfo { index: 2, path: "/dev/video2".into(), name, modes };
        Row { camera, measured: None, problem: None }
    }

    #[test]
    fn a_size_is_a_line_and_a_measurement_says_what_was_asked() {
        let mut row = row();
        let listed =
            "2  /dev/video2  HD Pro Webcam\n     YUYV 640x480 at 30, 15 fps\n     MJPG 640x480 at 30 fps\n";
        assert_eq!(text(&row), listed);
        let delivered = Delivered { frames: 30, seconds: 2.0, fps: 15.0 };
        row.measured = Some(Measured { asked: row.camera.modes[0], delivered });
        let measured = "     measured: 15.0 fps (30 frames in 2.00 s), asked for 640x480 YUYV 30 fps\n";
        assert_eq!(text(&row), format!("{listed}{measured}"));
    }

    #[test]
    fn json_has_the_camera_and_what_is_wrong_with_it() {
        let mut row = row();
        row.problem = Some("camera Cam is in use".to_owned());
        let json = serde_json::to_value(CamerasReport { cameras: vec![row] }).unwrap();
        let camera = &json["cameras"][0];
        assert_eq!((&camera["index"], &camera["problem"]), (&2.into(), &"camera Cam is in use".into()));
        assert_eq!(camera["modes"][2]["format"], "MJPG");
        assert!(camera.get("measured").is_none());
    }
}
