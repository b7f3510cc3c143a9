//! The whole chain on a model small enough to train in seconds: pictures in, bundle out, keypoints from the runtime.

#![allow(clippy::unwrap_used)]

use std::fs;
use std::process::Command;

use serde_json::Value;
use workspace_tests::tiny::Tiny;
use workspace_tests::{runtime, trainer};

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
    let lines = runtime(&["--bundle", &bundle, "detect", &pictures, "--json"]);
    let lines: Vec<Value> = lines.succeeded().lines().map(|l| serde_json::from_str(l).unwrap()).collect();
    assert_eq!(lines.len(), 12);
    for (i, line) in lines.iter().enumerate() {
        assert!(line["file"].as_str().unwrap().ends_with(&format!("{i:02}.png")));
        assert_eq!((line["width"].as_u64(), line["height"].as_u64()), (Some(48), Some(48)));
        for point in line["faces"][0]["keypoints"].as_array().unwrap() {
            let [x, y, confidence] = [0, 1, 2].map(|c| point[c].as_f64().unwrap());
            assert!(
                (0.0..=48.0).contains(&x) && (0.0..=48.0).contains(&y) && (0.0..=1.0).contains(&confidence)
            );
        }
    }
    let grid = tiny.path("grid.png");
    runtime(&["--bundle", &bundle, "generate", "--seed", "3", "--grid", "2x3", "--out", &grid]).succeeded();
    assert!(image::open(&grid).is_ok());

    // The published checker knows rules that our own does not.
    let python = std::env::var("LKG_PYTHON").expect("LKG_PYTHON is set by scripts/test");
    let check =
        "import onnx, sys\nfor f in sys.argv[1:]: onnx.checker.check_model(onnx.load(f), full_check=True)";
    let files = ["keypoint_generator", "image_generator", "detector"].map(|n| format!("{bundle}/{n}.onnx"));
    let output = Command::new(python).args(["-c", check]).args(&files).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert!(fs::read_to_string(format!("{bundle}/MODEL_CARD.md")).unwrap().starts_with("# bundle"));
}
