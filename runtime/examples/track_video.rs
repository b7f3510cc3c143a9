//! Follows a face through a clip (or a camera, with the feature `camera`): prints where it is, and draws the last frame.
//!
//! ```sh
//! cargo run -p lkg-runtime --no-default-features --features video --example track_video -- models/faces128 clip.mp4 last.png
//! ```

use std::error::Error;
use std::path::Path;
use std::time::Duration;

use lkg_runtime::picture::write_picture;
use lkg_runtime::video::{self, Next, SourceOptions};
use lkg_runtime::{Bundle, EngineOptions, FaceTracker, TrackOptions, draw_face};

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [bundle, clip, last] = &arguments[..] else {
        return Err("usage: track_video BUNDLE CLIP LAST.png".into());
    };
    let bundle = Bundle::open(bundle)?;
    let options = TrackOptions::live(bundle.manifest());
    let mut tracker = FaceTracker::open(&bundle, &EngineOptions::default(), options)?;
    let mut source = video::open(&clip.parse()?, &SourceOptions::default())?;
    println!("{}", source.describe());

    let mut shown = None;
    loop {
        let captured = match source.next(Duration::from_secs(1))? {
            Next::Frame(captured) => captured,
            // A camera that has no new frame yet.
            Next::Waiting => continue,
            Next::End => break,
        };
        let mut frame = captured.frame;
        let tracked = tracker.track(&frame.picture, frame.time)?;
        match &tracked.face {
            Some(face) => {
                let [x, y] = [tracked.crop.cx, tracked.crop.cy];
                println!("{:7.3} s: ({x:.0}, {y:.0}), {:.2}", frame.time.as_secs_f32(), face.confidence());
                draw_face(&mut frame.picture, face, bundle.manifest());
            }
            None => println!("{:7.3} s: no face", frame.time.as_secs_f32()),
        }
        shown = Some(frame.picture);
    }
    write_picture(Path::new(last), &shown.ok_or("a clip without frames")?)?;
    Ok(())
}
