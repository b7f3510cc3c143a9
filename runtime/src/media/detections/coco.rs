//! Detections in the form of COCO's keypoints, which other tools read: <https://cocodataset.org/#format-data>.

use std::io::{self, Write};

use lkg_bundle::json::to_writer;
use serde_json::json;

use super::{Describer, Found, confidence, seconds, triple};

/// Confidence from which on a keypoint counts as visible.
const VISIBLE: f32 = 0.5;
/// COCO's words for a keypoint that is visible, and for one that is not but has a place.
const SEEN: u8 = 2;
const HIDDEN: u8 = 1;

/// Where the list of faces may be cut: before a face that is not the first. Fields are in the order of their names.
pub(super) const NEXT_FACE: (&[u8], usize) = (b",{\"area\"", 0);

/// What was written so far.
#[derive(Debug, Default)]
pub(super) struct Coco {
    /// The pictures, which stand after what was found in them.
    images: Vec<u8>,
    pictures: u64,
    faces: u64,
}

impl Coco {
    /// The beginning, up to the list of faces.
    pub fn begin(&mut self, out: &mut impl Write, describer: &Describer) -> io::Result<()> {
        let lines: Vec<[usize; 2]> = describer.skeleton.iter().map(|line| line.map(|i| i + 1)).collect();
        let category = json!([{
            "id": 1, "name": "face", "supercategory": "person", "keypoints": describer.names, "skeleton": lines,
        }]);
        write!(out, "{{\"info\":{{\"description\":\"faces\",\"version\":\"1.0\"}},\"categories\":")?;
        to_writer(&mut *out, &category)?;
        write!(out, ",\"annotations\":[")
    }

    /// The faces of a picture.
    pub fn add(&mut self, out: &mut impl Write, found: &Found<'_>, describer: &Describer) -> io::Result<()> {
        self.pictures += 1;
        let mut image = json!({ "id": self.pictures, "width": found.size.0, "height": found.size.1 });
        image["file_name"] = match found.frame {
            Some(frame) => format!("{}#{frame}", found.file).into(),
            None => found.file.into(),
        };
        if let (Some(frame), Some(time)) = (found.frame, found.time) {
            image["frame"] = frame.into();
            image["time"] = seconds(time).into();
        }
        let comma = |first: bool| if first { "" } else { "," };
        write!(self.images, "{}", comma(self.pictures == 1))?;
        to_writer(&mut self.images, &image)?;
        for face in found.faces.iter() {
            self.faces += 1;
            let bounds = describer.bounds(face, found.size);
            let keypoints: Vec<serde_json::Value> = face
                .keypoints
                .iter()
                .flat_map(|k| {
                    let [x, y, _] = triple(k);
                    let seen = if k.confidence >= VISIBLE { SEEN } else { HIDDEN };
                    [json!(x), json!(y), json!(seen)]
                })
                .collect();
            let annotation = json!({
                "id": self.faces, "image_id": self.pictures, "category_id": 1, "track_id": face.id, "bbox": bounds,
                "area": bounds[2] * bounds[3], "iscrowd": 0, "score": confidence(face.confidence()),
                "num_keypoints": face.keypoints.len(), "keypoints": keypoints,
            });
            write!(out, "{}", comma(self.faces == 1))?;
            to_writer(&mut *out, &annotation)?;
        }
        Ok(())
    }

    /// The end, with the list of pictures.
    pub fn finish(&mut self, out: &mut impl Write) -> io::Result<()> {
        write!(out, "],\"images\":[")?;
        out.write_all(&self.images)?;
        writeln!(out, "]}}")
    }
}
