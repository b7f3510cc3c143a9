//! Draws a sheet of every kind of edit, to be looked at: `show_edits BUNDLE OUT.png FACE...`, a row a face (photo, seed or
//! saved), a column an edit, the face as it was first. Looks come from the next face of the list.

use std::path::Path;

use image::{Rgb, RgbImage, imageops};
use lkg_bundle::Bundle;
use lkg_runtime::internals::edit::{Workspace, sample};
use lkg_runtime::internals::media::from_network;
use lkg_runtime::internals::vision::text;
use lkg_runtime::picture::write_picture;
use lkg_runtime::{Blend, Crop, EngineOptions, FaceModel, Operation, Provider};

/// Side of a tile, in pixels.
const TILE: u32 = 200;
/// Size of headings, in pixels.
const LETTERS: u32 = 15;
/// How much more of a photo than the face's square is shown.
const MARGIN: f32 = 1.1;

/// What each column does; `DONOR` stands for the next face.
const COLUMNS: [(&str, &str); 13] = [
    ("before", "[]"),
    ("nose moved", r#"[{"op":"move","part":"nose","dx":0.2}]"#),
    ("eyes moved", r#"[{"op":"move","part":"eyes","dy":-0.15}]"#),
    ("all turned", r#"[{"op":"pose","rotate":10,"scale":1.1}]"#),
    ("eyes spread", r#"[{"op":"spread","part":"eyes","by":1.3}]"#),
    ("nose wider", r#"[{"op":"scale","part":"nose","by":2}]"#),
    ("eyes swapped", r#"[{"op":"swap","part":"eyes","from":"DONOR"}]"#),
    ("looks swapped", r#"[{"op":"swap","part":"all","from":"DONOR"}]"#),
    ("looks, half", r#"[{"op":"swap","part":"all","from":"DONOR","weight":0.5}]"#),
    ("background", r#"[{"op":"background","from":"DONOR"}]"#),
    ("eye removed", r#"[{"op":"remove","part":4}]"#),
    ("eye twice", r#"[{"op":"remove","part":0},{"op":"duplicate","part":4,"to":[0.0,-0.5]}]"#),
    ("pose taken", r#"[{"op":"take_pose","from":"DONOR"}]"#),
];

type Failure = Box<dyn std::error::Error>;

fn main() -> Result<(), Failure> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let [bundle, out, faces @ ..] = &args[..] else {
        return Err("usage: show_edits BUNDLE OUT.png FACE...".into());
    };
    let bundle = Bundle::open(bundle)?;
    let line = text::line(LETTERS);
    let (columns, rows) = (COLUMNS.len() as u32, faces.len() as u32);
    let mut sheet = RgbImage::from_pixel(columns * (TILE + 4), line + rows * (TILE + 4), Rgb([24; 3]));
    for (column, (label, _)) in COLUMNS.iter().enumerate() {
        text::draw(&mut sheet, label, ((column as u32 * (TILE + 4)) as i32 + 2, 0), LETTERS, [235, 240, 245]);
    }
    for (row, name) in faces.iter().enumerate() {
        let donor = &faces[(row + 1) % faces.len()];
        let options = EngineOptions { provider: Provider::Cpu, ..EngineOptions::default() };
        let mut model = FaceModel::new(bundle.clone(), options);
        let opened = match model.open(name) {
            Ok(opened) => opened,
            Err(e) => {
                println!("left out: {e}");
                continue;
            }
        };
        let mut workspace = Workspace::new(model, opened, Blend::Warp, std::slice::from_ref(donor), 16)?;
        for (column, (label, edits)) in COLUMNS.iter().enumerate() {
            let edits: Vec<Operation> = serde_json::from_str(&edits.replace("DONOR", donor))?;
            for edit in &edits {
                workspace.apply(edit).map_err(|fault| fault.at(&format!("{name}, {label}: ")))?;
            }
            let session = &workspace.opened().session;
            let (face, locked) = (session.face().clone(), session.locked().to_vec());
            let view = workspace.draw(&face, &locked)?;
            let shown = Crop { side: workspace.crop().side * MARGIN, ..*workspace.crop() };
            let tile = from_network(sample(&view, &shown, TILE as usize).view());
            let at = [column as u32 * (TILE + 4), line + row as u32 * (TILE + 4)].map(i64::from);
            imageops::replace(&mut sheet, &tile, at[0], at[1]);
            for _ in &edits {
                workspace.apply(&Operation::Undo {}).map_err(|fault| fault.at(""))?;
            }
        }
    }
    write_picture(Path::new(out), &sheet)?;
    println!("{out}");
    Ok(())
}
