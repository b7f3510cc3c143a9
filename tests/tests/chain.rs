//! The whole chain on a model small enough to train in seconds: pictures in, bundle out, keypoints from the runtime.

#![allow(clippy::unwrap_used)]

use std::fs;
use std::process::Command;

use serde_json::Value;
use workspace_tests::tiny::{CONFIG, Tiny};
use workspace_tests::{runtime, trainer};

/// The published checker knows rules that our own does not.
fn published_checker_accepts(bundle: &str) {
    let python = std::env::var("LKG_PYTHON").expect("LKG_PYTHON is set by scripts/test");
    let check =
        "import onnx, sys\nfor f in sys.argv[1:]: onnx.checker.check_model(onnx.load(f), full_check=True)";
    let paths = fs::read_dir(bundle).unwrap().map(|e| e.unwrap().path());
    let files: Vec<_> = paths.filter(|p| p.extension().is_some_and(|e| e == "onnx")).collect();
    assert!(files.len() >= 3);
    let output = Command::new(python).args(["-c", check]).args(&files).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

#[test]
fn every_kind_of_generator_trains_resumes_and_runs() {
    let tiny = Tiny::new();
    let pictures = tiny.path("pictures");
    for (name, keys) in [
        ("published", "style_map = 'concat'\nmodulation = 'conv'\nmodulation_hidden = 8\nshortcut = true\n"),
        ("warp", "image_generator = 'warp'\nkeypoint_generator = 'trunk'\n"),
    ] {
        let config = tiny.path("kind.toml");
        fs::write(&config, CONFIG.replace("[gan]", &format!("{keys}[gan]"))).unwrap();
        let (run, bundle) = (tiny.path(name), tiny.path(&format!("{name}-bundle")));
        let args = tiny.train(name);
        let args: Vec<&str> = args.iter().map(String::as_str).collect();
        trainer(&[&args[..], &["--config", &config, "--images", "40"]].concat()).succeeded();
        trainer(&[&args[..], &["--resume"]].concat()).succeeded();
        trainer(&["detector", &pictures, "--run", &run, "--threads", "1"]).succeeded();
        trainer(&["export", "--onnx", &bundle, "--run", &run]).succeeded();
        published_checker_accepts(&bundle);
        runtime(&["verify", &bundle]).succeeded();
        // What the appearance decides is no single table in these.
        let path = tiny.path(&format!("{name}-bundle/image_generator.onnx"));
        assert!(fs::metadata(path).is_ok());
        trainer(&["export", "--split", &bundle]).refused("stays in one file");
        let grid = tiny.path(&format!("{name}.png"));
        runtime(&["--bundle", &bundle, "generate", "--seed", "3", "--grid", "2x3", "--out", &grid])
            .succeeded();
    }
}

#[test]
fn pictures_become_a_bundle_that_the_runtime_runs() {
    let tiny = Tiny::new();
    let (run, bundle, pictures) = (tiny.path("run"), tiny.path("bundle"), tiny.path("pictures"));
    let args = tiny.train("run");
    let mut args: Vec<&str> = args.iter().map(String::as_str).collect();
    let config = tiny.path("tiny.toml");
    args.extend(["--config", &config]);
    trainer(&args).succeeded();
    trainer(&["detector", &pictures, "--run", &run, "--threads", "1"]).succeeded();
    trainer(&["sample", "--run", &run, "--out", &tiny.path("sheet.png")]).succeeded();
    trainer(&["export", "--onnx", "--check", "--run", &run]).succeeded();
    assert!(!tiny.dir().join("bundle").exists());
    trainer(&["export", "--onnx", &bundle, "--run", &run, "--keypoint-names", "a,b,c"]).succeeded();
    trainer(&["export", "--onnx", &bundle, "--run", &run]).refused("--force");
    trainer(&["export", "--onnx", &bundle, "--check", "--run", &run]).succeeded();

    runtime(&["verify", &bundle]).succeeded();
    assert!(tiny.dir().join("bundle/render.onnx").exists());
    let lines = runtime(&["--bundle", &bundle, "detect", &pictures, "--json", "--min-confidence", "0"]);
    let lines: Vec<Value> = lines.succeeded().lines().map(|l| serde_json::from_str(l).unwrap()).collect();
    assert_eq!(lines.len(), 12);
    for (i, line) in lines.iter().enumerate() {
        assert!(line["file"].as_str().unwrap().ends_with(&format!("{i:02}.png")));
        assert_eq!((line["width"].as_u64(), line["height"].as_u64()), (Some(48), Some(48)));
        for point in line["faces"][0]["keypoints"].as_object().unwrap().values() {
            let [x, y, confidence] = [0, 1, 2].map(|c| point[c].as_f64().unwrap());
            assert!(
                (0.0..=48.0).contains(&x) && (0.0..=48.0).contains(&y) && (0.0..=1.0).contains(&confidence)
            );
        }
    }
    let grid = tiny.path("grid.png");
    runtime(&["--bundle", &bundle, "generate", "--seed", "3", "--grid", "2x3", "--out", &grid]).succeeded();
    assert!(image::open(&grid).is_ok());

    published_checker_accepts(&bundle);
    assert!(fs::read_to_string(format!("{bundle}/MODEL_CARD.md")).unwrap().starts_with("# bundle"));
}
