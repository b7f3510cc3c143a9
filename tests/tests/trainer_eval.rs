//! `trainer eval` on a run and on its bundle: both write a whole report, and agree.

#![allow(clippy::unwrap_used)]

use std::fs;
use std::path::Path;

use image::{Rgb, RgbImage};
use serde_json::Value;
use workspace_tests::Outcome;
use workspace_tests::tiny::Tiny;

/// A set of pictures of a square with five landmarks in and round it.
fn landmark_set(dir: &Path) {
    for (split, count) in [("train", 16u32), ("test", 9)] {
        let folder = dir.join(split);
        fs::create_dir_all(&folder).unwrap();
        let mut csv = "file,eye_l_x,…\n".to_owned();
        for i in 0..count {
            let (cx, cy) = (14 + 2 * (i % 5), 20 + 3 * (i % 4));
            let picture = RgbImage::from_fn(48, 48, |x, y| {
                if x.abs_diff(cx) < 6 && y.abs_diff(cy) < 6 {
                    Rgb([250, 240, 200])
                } else {
                    Rgb([40, 60, 90])
                }
            });
            picture.save(folder.join(format!("{i}.png"))).unwrap();
            let (x, y) = (f64::from(cx) / 48.0, f64::from(cy) / 48.0);
            let points = [(-0.1, -0.1), (0.1, -0.1), (0.0, 0.0), (-0.1, 0.1), (0.1, 0.1)];
            let fields = points.map(|(dx, dy)| format!("{:.4},{:.4}", x + dx, y + dy));
            csv += &format!("{i}.png,{}\n", fields.join(","));
        }
        fs::write(folder.join("landmarks.csv"), csv).unwrap();
    }
}

/// On one thread: these networks are too small to share, and tests run beside each other.
fn trainer(args: &[&str]) -> Outcome {
    workspace_tests::trainer(&[args, &["--threads", "1"]].concat())
}

#[test]
fn a_run_and_its_bundle_get_the_same_report() {
    let tiny = Tiny::new();
    let (run, bundle, set) = (tiny.path("run"), tiny.path("bundle"), tiny.path("squares"));
    landmark_set(Path::new(&set));
    let args = tiny.train("run");
    let config = tiny.path("tiny.toml");
    let mut args: Vec<&str> = args.iter().map(String::as_str).collect();
    args.extend(["--config", &config]);
    workspace_tests::trainer(&args).succeeded();
    let report = |name: &str, subject: [&str; 2], more: &[&str]| -> Value {
        let out = tiny.path(name);
        let args = ["eval", subject[0], subject[1], "--out", &out, "--samples", "12", "--json"];
        let outcome = trainer(&[&args, more].concat());
        let printed: Value = serde_json::from_str(outcome.succeeded()).unwrap();
        let written: Value =
            serde_json::from_str(&fs::read_to_string(format!("{out}/report.json")).unwrap()).unwrap();
        assert_eq!(printed, written);
        written
    };
    // Without a detector, what needs one is left out, and asking for it is refused.
    let early = report("early", ["--run", &run], &[]);
    assert!(early["disentanglement"]["own"].is_null());
    assert!(early["left_out"].to_string().contains("trainer detector"), "{}", early["left_out"]);
    assert!(early["meaning"].is_null());
    trainer(&["eval", "--run", &run, "--landmarks", &set, "--out", &tiny.path("no")])
        .refused("train it with `trainer detector`");
    assert!(!tiny.dir().join("no").exists());

    trainer(&["detector", &tiny.path("pictures"), "--run", &run]).succeeded();
    trainer(&["export", "--onnx", &bundle, "--run", &run]).succeeded();
    let a = report("a", ["--run", &run], &["--landmarks", &set, "--plots"]);
    let b = report("b", ["--bundle", &bundle], &["--landmarks", &set]);
    assert_eq!(a["schema_version"], 1);
    for path in [
        "/landmarks/0/error",
        "/landmarks/0/interval/0",
        "/disentanglement/own",
        "/disentanglement/leakage",
        "/disentanglement/background/inside",
        "/health/keypoints/2/spread",
    ] {
        let [x, y] = [&a, &b].map(|r| r.pointer(path).and_then(Value::as_f64).unwrap());
        assert!((x - y).abs() < 1e-3 * x.abs().max(1.0), "{path}: {x} and {y}");
    }
    assert_eq!(
        (a["landmarks"][0]["test"].as_u64(), a["landmarks"][0]["train"].as_u64()),
        (Some(9), Some(16))
    );
    for r in [&a, &b] {
        let meaning = &r["meaning"];
        assert_eq!(meaning["names"].as_array().unwrap().len(), 3, "{meaning}");
        // The header of this set names no landmarks.
        assert_eq!(meaning["landmarks"]["names"][4], "landmark-5");
        assert_eq!(meaning["landmarks"]["n"].as_u64(), Some(16));
    }
    for plot in a["plots"].as_array().unwrap() {
        assert!(image::open(tiny.dir().join("a").join(plot["file"].as_str().unwrap())).is_ok(), "{plot}");
    }
    let text = fs::read_to_string(tiny.path("a/report.md")).unwrap();
    assert!(text.contains("| squares | **") && text.contains("![](leakage.png)"), "{text}");
    // What export takes.
    trainer(&["export", "--onnx", &tiny.path("c"), "--run", &run, "--metrics", &tiny.path("a/metrics.json")])
        .succeeded();
    assert!(fs::read_to_string(tiny.path("c/MODEL_CARD.md")).unwrap().contains("landmark error (squares)"));

    trainer(&["eval", "--run", &run, "--out", &tiny.path("a")]).refused("--force");
    trainer(&["eval", "--run", &run, "--landmarks", &tiny.path("pictures"), "--out", &tiny.path("d")])
        .refused("landmarks.csv");
}

#[test]
fn portrait_networks_are_measured_on_people_in_folders() {
    let tiny = Tiny::new();
    for (i, picture) in fs::read_dir(tiny.path("pictures")).unwrap().enumerate() {
        let person = tiny.dir().join("people").join(format!("{}", i % 4));
        fs::create_dir_all(&person).unwrap();
        fs::copy(picture.unwrap().path(), person.join(format!("{}.png", i / 4))).unwrap();
        let amounts: Vec<_> = (0..3).map(|v| serde_json::json!({ "yaw": v + i % 4 })).collect();
        fs::write(person.join("amounts.json"), serde_json::to_string(&amounts).unwrap()).unwrap();
    }
    let sections =
        "[portrait]\nbatch = 2\nimages = 4\nperceptual_weight = 0\n[portrait.adversarial]\nweight = 0\n";
    let text = fs::read_to_string(tiny.path("tiny.toml")).unwrap();
    let text = text.replace("[architecture]\n", "[architecture]\nstates = 2\nportrait_size = 64\n");
    fs::write(tiny.path("portrait.toml"), text + sections).unwrap();
    let (people, run, sheet) = (tiny.path("people"), tiny.path("run"), tiny.path("sheet.png"));
    trainer(&["portrait", &people, "--out", &run, "--config", &tiny.path("portrait.toml")]).succeeded();
    let args = ["eval", "portrait", &people, "--run", &run, "--pairs", "4", "--sheet", &sheet];
    let outcome = trainer(&[&args[..], &["--json"]].concat());
    let report: Value = serde_json::from_str(outcome.succeeded()).unwrap();
    assert_eq!((report["people"].as_u64(), report["pairs"].as_u64()), (Some(4), Some(16)));
    let number = |path: &str| report.pointer(path).and_then(Value::as_f64).unwrap();
    // Flow begins as no motion but that of keypoints.
    assert!(number("/warped/psnr") > 5.0 && number("/still/psnr") > 5.0 && number("/kept") > 0.5, "{report}");
    assert!(number("/cross_person/states/slope").is_finite());
    assert_eq!(report["directions"][0]["name"], "yaw");
    let picture = image::open(&sheet).unwrap();
    assert_eq!((picture.width(), picture.height()), (4 * 128, 8 * 128));

    trainer(&args).refused("--force");
    let metrics = tiny.path("metrics.json");
    let more = ["--force", "--metrics", &metrics, "--most", "2"];
    let table = trainer(&[&args[..], &more].concat());
    assert!(table.succeeded().contains("| photo, no motion |"), "{table:?}");
    assert!(fs::read_to_string(&metrics).unwrap().contains("portrait PSNR"));
    let alone = tiny.path("people/0/0.png");
    trainer(&["eval", "portrait", &alone, "--run", &run]).refused("no pairs of pictures");
    trainer(&["eval", "portrait", &people, "--run", &tiny.path("none")]).refused("no run here");
}
