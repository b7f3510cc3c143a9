use std::time::Duration;

use serde_json::{Value, json};

use super::*;
use crate::vision::testing::{expressions, manifest};

fn face(id: u32, x: f32) -> DetectedFace {
    let at = |x, y, confidence| DetectedKeypoint { x, y, confidence };
    DetectedFace { id, keypoints: vec![at(x, 20.0, 0.75), at(x + 10.123, 20.0, 0.25)], ..Default::default() }
}

fn found<'a>(faces: &'a [DetectedFace], frame: Option<u64>) -> Found<'a> {
    let time = frame.map(|n| Duration::from_millis(40 * n));
    Found { file: "a, b.mp4", size: (100, 80), time, frame, change: Some(1.5), faces: faces.into() }
}

fn written(format: DetectionFormat, frames: &[(&[DetectedFace], Option<u64>)]) -> String {
    let mut m = manifest(2);
    m.expressions = expressions(&["smile"]);
    let mut writer = DetectionWriter::new(format, &m);
    let mut text = Vec::new();
    for (faces, frame) in frames {
        text.extend_from_slice(writer.add(&found(faces, *frame)).unwrap());
    }
    text.extend_from_slice(writer.finish().unwrap());
    String::from_utf8(text).unwrap()
}

#[test]
fn pictures_and_frames_are_one_object_with_names() {
    let mut two = [face(1, 40.0), face(3, 90.0)];
    two[1].states = vec![0.12345, -0.5];
    two[1].expressions = vec![0.25];
    let text = written(DetectionFormat::Json, &[(&two, None), (&[], Some(2))]);
    let (picture, frame) = text.split_once('\n').unwrap();
    let start = "{\"schema\":2,\"file\":\"a, b.mp4\",\"width\":100,\"height\":80,\"time\":null,\"faces\":[{\"id\":1,\
                 \"box\":[";
    assert!(picture.starts_with(start), "{picture}");
    let picture: Value = serde_json::from_str(picture).unwrap();
    let [one, other] = [0, 1].map(|i| picture["faces"][i].clone());
    assert_eq!(one["confidence"], 0.5);
    assert_eq!(one["keypoints"], json!({ "point 0": [40.0, 20.0, 0.75], "point 1": [50.12, 20.0, 0.25] }));
    assert!(one.get("states").is_none() && one.get("expressions").is_none());
    assert_eq!((&other["id"], &other["states"]), (&3.into(), &json!([0.1235, -0.5])));
    assert_eq!(other["expressions"], json!({ "smile": 0.25 }));
    // What lies beyond the picture's edge is cut off.
    let numbers = |face: &Value| serde_json::from_value::<[f64; 4]>(face["box"].clone()).unwrap();
    assert!(numbers(&other)[0] + numbers(&other)[2] == 100.0 && numbers(&one)[0] > 0.0);
    let frame: Value = serde_json::from_str(frame).unwrap();
    let empty = json!({ "schema": 2, "file": "a, b.mp4", "width": 100, "height": 80, "time": 0.08, "faces": [], "frame": 2 });
    assert_eq!(frame, empty);
}

/// The schema file names every field that is written, and no other.
#[test]
fn the_schema_file_says_what_is_written() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/reference/detections.schema.json");
    let schema: Value = serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
    let mut faces = [face(1, 40.0)];
    faces[0].states = vec![0.5];
    faces[0].expressions = vec![0.5];
    let object: Value = serde_json::from_str(&written(DetectionFormat::Json, &[(&faces, Some(1))])).unwrap();
    let keys = |v: &Value| v.as_object().unwrap().keys().cloned().collect::<Vec<_>>();
    assert_eq!(keys(&schema["properties"]), keys(&object));
    let described = &schema["properties"]["faces"]["items"];
    assert_eq!(keys(&described["properties"]), keys(&object["faces"][0]));
    assert_eq!(schema["properties"]["schema"]["const"], SCHEMA);
    // What is required is written of a picture without states, too.
    let plain = written(DetectionFormat::Json, &[(&[face(1, 40.0)], None)]);
    let plain: Value = serde_json::from_str(&plain).unwrap();
    for (schema, object) in [(&schema, &plain), (described, &plain["faces"][0])] {
        let mut required: Vec<String> = serde_json::from_value(schema["required"].clone()).unwrap();
        required.sort();
        assert_eq!(required, keys(object));
    }
}

#[test]
fn a_table_has_a_row_a_face() {
    let text = written(DetectionFormat::Csv, &[(&[face(1, 40.0), face(2, 60.0)], Some(3)), (&[], Some(4))]);
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(lines.len(), 3, "{text}");
    assert!(
        lines[0]
            .starts_with("file,width,height,time,frame,id,x,y,box_width,box_height,confidence,point 0_x,")
    );
    assert!(lines[1].starts_with("\"a, b.mp4\",100,80,0.12,3,1,"), "{text}");
    let columns = |line: &str| line.replace("a, b", "ab").split(',').count();
    assert!(lines.iter().all(|line| columns(line) == 11 + 2 * 3 + 1), "{text}");
    assert_eq!(written(DetectionFormat::Csv, &[]).lines().count(), 1, "a table of nothing has a head");
}

#[test]
fn coco_has_images_annotations_and_a_category() {
    let text = written(
        DetectionFormat::Coco,
        &[(&[face(1, 40.0)], Some(0)), (&[face(1, 41.0), face(2, 70.0)], Some(1))],
    );
    let coco: Value = serde_json::from_str(&text).unwrap();
    assert_eq!(coco["categories"][0]["keypoints"], json!(["point 0", "point 1"]));
    assert_eq!(coco["categories"][0]["skeleton"], json!([[1, 2]]), "counted from 1");
    let annotations = coco["annotations"].as_array().unwrap();
    let of = |key: &str| annotations.iter().map(|a| a[key].clone()).collect::<Vec<_>>();
    assert_eq!(
        (of("id"), of("image_id")),
        (vec![json!(1), json!(2), json!(3)], vec![json!(1), json!(2), json!(2)])
    );
    assert_eq!(of("track_id"), [json!(1), json!(1), json!(2)]);
    assert_eq!(annotations[0]["keypoints"], json!([40.0, 20.0, 2, 50.12, 20.0, 1]));
    assert_eq!(coco["images"][1]["file_name"], "a, b.mp4#1");
    let nothing: Value = serde_json::from_str(&written(DetectionFormat::Coco, &[])).unwrap();
    assert_eq!((&nothing["images"], &nothing["annotations"]), (&json!([]), &json!([])));
}

#[test]
fn the_old_form_is_as_it_was() {
    let text =
        written(DetectionFormat::V1, &[(&[face(1, 40.0), face(2, 60.0)], None), (&[face(1, 40.0)], Some(1))]);
    let lines: Vec<Value> = text.lines().map(|l| serde_json::from_str(l).unwrap()).collect();
    let keypoints = json!([[40.0, 20.0, 0.75], [50.12, 20.0, 0.25]]);
    let faces = json!([{ "confidence": 0.5, "live": false, "keypoints": keypoints }]);
    assert_eq!(lines[0], json!({ "file": "a, b.mp4", "width": 100, "height": 80, "faces": faces }));
    assert_eq!(
        lines[1],
        json!({ "change": 1.5, "faces": [{ "keypoints": keypoints }], "frame": 1, "time": 0.04 })
    );
}

/// On a full disk all of the file was deleted.
#[test]
fn faces_that_fit_stay_in_every_form_when_a_write_fails() {
    let dir = tempfile::tempdir().unwrap();
    let manifest = crate::vision::testing::manifest(1);
    let face = DetectedFace::new(vec![DetectedKeypoint { x: 1.5, y: 2.25, confidence: 0.5 }]);
    let picture = image::RgbImage::new(8, 8);
    for (format, name) in [
        (DetectionFormat::Json, "k.jsonl"),
        (DetectionFormat::Csv, "k.csv"),
        (DetectionFormat::Coco, "k.json"),
    ] {
        let path = dir.path().join(name);
        let mut sink =
            Box::new(DetectionsSink::create(&path, false, format, &manifest, "a.mp4".to_owned()).unwrap());
        for index in 0..400 {
            let faces = Faces::new(Some(&face), &[]);
            crate::media::sink::Sink::write(
                sink.as_mut(),
                &Shown { faces, ..Shown::new(&picture, index, Duration::ZERO) },
            )
            .unwrap();
        }
        let written = crate::media::sink::Sink::abandon(sink);
        assert_eq!(written.len(), 1, "{name}");
        let text = std::fs::read_to_string(&path).unwrap();
        match format {
            DetectionFormat::Coco => {
                let whole: serde_json::Value = serde_json::from_str(&text).unwrap();
                let faces = whole["annotations"].as_array().unwrap().len();
                assert!(
                    (10..400).contains(&faces) && whole["images"].as_array().unwrap().len() == 400,
                    "{faces}"
                );
            }
            _ => assert!(text.ends_with('\n') && (100..401).contains(&text.lines().count()), "{name}"),
        }
    }
}
