//! Network cameras, against a real RTSP server: GStreamer's own.

#![allow(clippy::unwrap_used)]

mod common;

use std::fs;
use std::io::{BufRead, BufReader};
use std::os::unix::fs::symlink;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use common::{Place, interrupt, report};

/// Serves colour bars at /bars, port given or any, and says the port.
const SERVER: &str = r#"
import sys, gi
gi.require_version("Gst", "1.0")
gi.require_version("GstRtspServer", "1.0")
from gi.repository import GLib, Gst, GstRtspServer
Gst.init(None)
server = GstRtspServer.RTSPServer()
server.set_address("127.0.0.1")
server.set_service(sys.argv[1])
factory = GstRtspServer.RTSPMediaFactory()
factory.set_launch("( videotestsrc is-live=true pattern=smpte75 ! video/x-raw,format=I420,width=320,height=240,framerate=30/1"
                   " ! vp8enc deadline=1 target-bitrate=4000000 keyframe-max-dist=15 ! rtpvp8pay name=pay0 pt=96 )")
factory.set_shared(True)
server.get_mount_points().add_factory("/bars", factory)
assert server.attach(None)
print(server.get_bound_port(), flush=True)
GLib.MainLoop().run()
"#;

struct Server(Child, String);

impl Server {
    /// None where there is no GStreamer with an RTSP server.
    fn start(port: &str) -> Option<Self> {
        let mut python = Command::new("/usr/bin/python3");
        python.args(["-c", SERVER, port]).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut child = python.spawn().ok()?;
        let mut line = String::new();
        BufReader::new(child.stdout.take()?).read_line(&mut line).ok()?;
        let server = Self(child, line.trim().to_owned());
        (!server.1.is_empty()).then_some(server)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.0.kill().ok();
        self.0.wait().ok();
    }
}

/// A place whose `bin` has only this program in it; none where that is not installed.
fn place(program: &str) -> Option<Place> {
    let path = std::env::var_os("PATH")?;
    let found = std::env::split_paths(&path).map(|f| f.join(program)).find(|p| p.is_file())?;
    let place = Place::new();
    fs::create_dir(place.path("bin")).unwrap();
    symlink(found, place.path("bin").join(program)).unwrap();
    Some(place)
}

fn webcam(place: &Place, args: &[&str]) -> Command {
    let own = ["webcam", "--headless", "--no-hud", "--min-confidence", "1", "--json"];
    let mut command = place.runtime(&[&own, args].concat());
    command.env("PATH", place.path("bin"));
    command
}

#[test]
fn a_network_camera_is_seen_through_either_program_and_its_colours_are_right() {
    let Some(server) = Server::start("0") else {
        println!("skipped: GStreamer's RTSP server for Python is not installed (gir1.2-gst-rtsp-server-1.0)");
        return;
    };
    for program in ["gst-launch-1.0", "ffmpeg"] {
        let Some(place) = place(program) else {
            println!("skipped: {program} is not installed");
            continue;
        };
        let address = format!("rtsp://127.0.0.1:{}/bars", server.1);
        let args = [&address, "--max-frames", "20", "--out", "f%02d.png"];
        let report = report(&webcam(&place, &args).output().unwrap(), 0);
        assert!(report["frames"] == 20 && report["source"].as_str().unwrap().contains("320x240"), "{report}");
        let last = fs::read_dir(place.path("")).unwrap().map(|e| e.unwrap().path());
        let last = last.filter(|p| p.extension().is_some_and(|e| e == "png")).max().unwrap();
        let picture = image::open(last).unwrap().into_rgb8();
        // Small pictures are shown enlarged. The upper two thirds of the bars, at three quarters of full brightness.
        let bars = [
            [191, 191, 191],
            [191, 191, 0],
            [0, 191, 191],
            [0, 191, 0],
            [191, 0, 191],
            [191, 0, 0],
            [0, 0, 191],
        ];
        for (i, bar) in (0u32..).zip(bars) {
            let at = picture.get_pixel(picture.width() * (2 * i + 1) / 14, picture.height() / 3).0;
            let off = at.iter().zip(bar).map(|(a, b)| a.abs_diff(b)).max().unwrap();
            assert!(off <= 12, "{program}: bar {i} is {at:?}, not {bar:?}");
        }
    }
}

#[test]
fn a_network_camera_that_goes_away_is_waited_for_and_found_again() {
    let (Some(server), Some(place)) = (Server::start("0"), place("gst-launch-1.0")) else {
        println!("skipped: gst-launch-1.0 or GStreamer's RTSP server for Python is not installed");
        return;
    };
    let port = server.1.clone();
    let address = format!("rtsp://me:secret@127.0.0.1:{port}/bars");
    let mut child = webcam(&place, &[&address, "--out", "a.avi"]).spawn().unwrap();
    let mut said = BufReader::new(child.stderr.take().unwrap()).lines();
    let part = || {
        fs::read_dir(place.path(""))
            .unwrap()
            .any(|e| e.unwrap().path().extension().is_some_and(|e| e == "part"))
    };
    let start = Instant::now();
    while !part() {
        assert!(start.elapsed() < Duration::from_secs(20), "no recording");
        std::thread::sleep(Duration::from_millis(50));
    }
    drop(server);
    let lost = said.next().unwrap().unwrap();
    assert!(lost.contains("waiting for it to come back") && !lost.contains("secret"), "{lost}");
    let again = Server::start(&port).unwrap();
    let back = said.next().unwrap().unwrap();
    assert!(back.ends_with("the camera is back"), "{back}");
    std::thread::sleep(Duration::from_millis(500));
    interrupt(&child);
    let report = report(&child.wait_with_output().unwrap(), 0);
    assert_eq!((&report["ended"], &report["reopened"]), (&"interrupted".into(), &1.into()));
    drop(again);
}
