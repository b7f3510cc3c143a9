//! Finds the faces of a picture, prints their keypoints and draws them.
//!
//! ```sh
//! cargo run -p lkg-runtime --no-default-features --example detect_image -- models/faces128 photo.jpg marked.png
//! ```

use std::error::Error;
use std::path::Path;

use lkg_runtime::picture::{read_picture, write_picture};
use lkg_runtime::{Bundle, EngineOptions, FaceDetector, draw_face};

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [bundle, photo, marked] = &arguments[..] else {
        return Err("usage: detect_image BUNDLE PHOTO MARKED.png".into());
    };
    let bundle = Bundle::open(bundle)?;
    let mut detector = FaceDetector::new(&bundle, &EngineOptions::default())?;
    println!("{}", detector.summary());

    let mut picture = read_picture(Path::new(photo))?;
    let faces = detector.detect(&picture)?;
    for (i, face) in faces.iter().enumerate() {
        println!("face {i}, confidence {:.2}", face.confidence());
        for (keypoint, described) in face.keypoints.iter().zip(&bundle.manifest().keypoints) {
            let (x, y, confidence) = (keypoint.x, keypoint.y, keypoint.confidence);
            println!("  {:14} {x:7.1} {y:7.1}  {confidence:.2}", described.name);
        }
    }
    for face in &faces {
        draw_face(&mut picture, face, bundle.manifest());
    }
    write_picture(Path::new(marked), &picture)?;
    Ok(())
}
