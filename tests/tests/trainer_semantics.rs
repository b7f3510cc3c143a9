//! `trainer export` finds what keypoints stand for, writes it into the manifest and puts pictures on the card.

#![allow(clippy::unwrap_used)]

use std::fs;

use lkg_bundle::{Bundle, Network};
use workspace_tests::tiny::{CONFIG, Tiny};
use workspace_tests::{runtime, trainer};

/// Whether the lines join all of `k` keypoints.
fn connected(k: usize, lines: &[[usize; 2]]) -> bool {
    let mut group: Vec<usize> = (0..k).collect();
    for _ in 0..k {
        for [a, b] in lines {
            let low = group[*a].min(group[*b]);
            (group[*a], group[*b]) = (low, low);
        }
    }
    group.iter().all(|g| *g == 0)
}

#[test]
fn a_bundle_says_what_its_keypoints_stand_for_and_shows_it() {
    let tiny = Tiny::new();
    let (run, pictures) = (tiny.path("run"), tiny.path("pictures"));
    // A cycle loss trains an encoder.
    let config = tiny.path("tiny.toml");
    fs::write(&config, CONFIG.replace("[gan]\n", "[gan]\ncycle_image_weight = 1.0\n")).unwrap();
    let args = tiny.train("run");
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    trainer(&[&args[..], &["--config", &config]].concat()).succeeded();
    trainer(&["detector", &pictures, "--run", &run, "--threads", "1"]).succeeded();
    let export = |name: &str, more: &[&str]| {
        let bundle = tiny.path(name);
        let outcome =
            trainer(&[&["export", "--onnx", &bundle, "--run", &run, "--threads", "1"], more].concat());
        (bundle, outcome)
    };

    // Real pictures: everything is shown, and the same twice.
    let (real, outcome) = export("real", &["--pictures", &pictures]);
    let said = outcome.succeeded().to_owned();
    assert!(said.contains("symmetric pairs: ") && said.contains("(12 real pictures)"), "{said}");
    let bundle = Bundle::open(&real).unwrap();
    bundle.verify_files().unwrap();
    let m = bundle.manifest();
    assert!(bundle.has(Network::Encoder));
    assert!(connected(3, &m.skeleton), "{:?}", m.skeleton);
    let names: Vec<&str> = m.keypoints.iter().map(|k| k.name.as_str()).collect();
    let words = ["top", "upper", "lower", "bottom", "left", "right", "centre"];
    let is_place = |n: &&str| n.split('-').all(|w| words.contains(&w) || w.parse::<u32>().is_ok());
    assert!(names.iter().all(is_place), "{names:?}");
    let card = fs::read_to_string(format!("{real}/MODEL_CARD.md")).unwrap();
    for stem in ["samples", "keypoints", "edits", "detections", "reconstructions", "reenactment", "failures"]
    {
        let file = m.files.keys().find(|f| f.starts_with(stem)).unwrap_or_else(|| panic!("no {stem}"));
        let content = bundle.read(file).unwrap();
        assert!(content.len() <= 600_000 && image::load_from_memory(&content).is_ok(), "{file}");
        assert!(card.contains(&format!("]({file})")), "{file} is not on the card");
    }
    assert!(names.iter().all(|n| card.contains(n)));
    let headings: Vec<&str> = card.lines().filter_map(|line| line.strip_prefix("## ")).collect();
    let order = ["Model", "Intended use", "Limits", "Metrics", "Data and licence", "Training", "Files"];
    assert_eq!(headings, order);
    let (again, outcome) = export("again", &["--pictures", &pictures]);
    outcome.succeeded();
    let again = Bundle::open(&again).unwrap();
    assert_eq!(again.manifest().keypoints, m.keypoints);
    assert_eq!(
        (&again.manifest().skeleton, &again.manifest().symmetric_pairs),
        (&m.skeleton, &m.symmetric_pairs)
    );
    // What overlays draw with it.
    runtime(&["--bundle", &real, "detect", &pictures, "--json"]).succeeded();

    // Generated pictures: nothing real is shown. Names that are given overrule those found.
    let (named, outcome) = export("named", &["--keypoint-names", "a,b,c"]);
    assert!(outcome.succeeded().contains("generated pictures"));
    let named = Bundle::open(&named).unwrap();
    assert_eq!(named.manifest().keypoints[2].name, "c");
    assert!(!named.manifest().files.keys().any(|f| f.starts_with("detections")));

    // Landmarks that lie on the detected keypoints give them their names, whatever the detector sees.
    let args = ["--bundle", &real, "detect", &pictures, "--format", "v1", "--once", "--min-confidence", "0"];
    let lines = runtime(&args);
    let set = tiny.dir().join("set/train");
    fs::create_dir_all(&set).unwrap();
    let mut csv = "file,wing_l_x,wing_l_y,beak_x,beak_y,tail_x,tail_y\n".to_owned();
    for line in lines.succeeded().lines() {
        let seen: serde_json::Value = serde_json::from_str(line).unwrap();
        let file = std::path::Path::new(seen["file"].as_str().unwrap());
        let name = file.file_name().unwrap();
        fs::copy(file, set.join(name)).unwrap();
        csv += name.to_str().unwrap();
        for point in seen["faces"][0]["keypoints"].as_array().unwrap() {
            csv += &format!(",{},{}", point[0].as_f64().unwrap() / 48.0, point[1].as_f64().unwrap() / 48.0);
        }
        csv.push('\n');
    }
    fs::write(set.join("landmarks.csv"), csv).unwrap();
    let (landmarks, outcome) = export("landmarks", &["--landmarks", &tiny.path("set")]);
    outcome.succeeded();
    let names: Vec<String> =
        Bundle::open(&landmarks).unwrap().manifest().keypoints.iter().map(|k| k.name.clone()).collect();
    assert_eq!(names, ["wing-left", "beak", "tail"]);

    let (_, outcome) = export("no", &["--landmarks", &pictures]);
    outcome.refused("landmarks.csv");
    let (_, outcome) = export("no", &["--keypoint-names", "a,b"]);
    outcome.refused("2 keypoint names for 3");
    assert!(!tiny.dir().join("no").exists());
}
