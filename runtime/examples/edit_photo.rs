//! Edits the face of a photo by operations in JSON, as `runtime edit --do` takes them.
//!
//! ```sh
//! cargo run -p lkg-runtime --no-default-features --example edit_photo -- models/faces128 photo.jpg edited.png \
//!     '{"op": "pose", "rotate": 8}' '{"op": "swap", "part": "mouth", "from": "seed:4"}'
//! ```

use std::error::Error;
use std::path::Path;

use lkg_runtime::picture::write_marked;
use lkg_runtime::{Blend, Bundle, EngineOptions, FaceModel, Operation, PhotoEditor};

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [bundle, photo, edited, operations @ ..] = &arguments[..] else {
        return Err("usage: edit_photo BUNDLE PHOTO EDITED.png OPERATION...".into());
    };
    let mut model = FaceModel::new(Bundle::open(bundle)?, EngineOptions::default());
    // A photo, a generated face (seed:3) or a session that was saved.
    let opened = model.open(photo)?;
    opened.notes.iter().for_each(|note| println!("{note}"));

    let mut editor = PhotoEditor::new(&mut model, opened, Blend::Warp)?;
    for text in operations {
        let operation: Operation = serde_json::from_str(text)?;
        let changed = editor.apply(&operation)?;
        println!("{text}: {}", if changed { "done" } else { "nothing changed" });
    }
    // The file notes that a network made its picture.
    write_marked(Path::new(edited), &editor.image()?, Some(editor.origin()))?;
    Ok(())
}
