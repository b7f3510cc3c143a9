//! Moves the face of a photo, or a generated one, as the face in a clip moves, and writes every tenth frame.
//!
//! ```sh
//! cargo run -p lkg-runtime --no-default-features --features video --example reenact_frames -- \
//!     models/faces128 seed:3 clip.mp4 frames
//! ```

use std::error::Error;
use std::path::Path;
use std::time::Duration;

use lkg_runtime::picture::write_marked;
use lkg_runtime::video::{self, Next, SourceOptions};
use lkg_runtime::{
    Bundle, EngineOptions, FaceModel, FaceTracker, ReenactOptions, Reenactor, TrackOptions, View,
};

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [bundle, source, driver, folder] = &arguments[..] else {
        return Err("usage: reenact_frames BUNDLE SOURCE DRIVER FOLDER".into());
    };
    let (bundle, engine) = (Bundle::open(bundle)?, EngineOptions::default());
    let mut tracker = FaceTracker::open(&bundle, &engine, TrackOptions::live(bundle.manifest()))?;
    let mut model = FaceModel::new(bundle, engine);
    let source = model.open(source)?;
    // Its photo with the moving face in it, where it has one, else the face beside the driver.
    let view = if source.photo.is_some() { View::Source } else { View::Beside };
    let options = ReenactOptions { view, ..ReenactOptions::default() };
    let mut reenactor = Reenactor::new(&mut model, &[source], options)?;

    std::fs::create_dir_all(folder)?;
    let mut frames = video::open(&driver.parse()?, &SourceOptions::default())?;
    // The first second, in which the driver's face should be at rest, calibrates.
    while let Next::Frame(captured) = frames.next(Duration::from_secs(10))? {
        let frame = captured.frame;
        let face = tracker.track(&frame.picture, frame.time)?.face;
        let picture = reenactor.reenact(&frame.picture, face.as_ref(), frame.time)?;
        if frame.index % 10 == 0 {
            let path = Path::new(folder).join(format!("{:05}.png", frame.index));
            write_marked(&path, &picture, Some(reenactor.origin()))?;
        }
    }
    Ok(())
}
