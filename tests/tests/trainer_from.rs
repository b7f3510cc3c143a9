//! Trainings that begin with networks that are there: weights of bundles, smaller generators, keypoints, detectors.

#![allow(clippy::unwrap_used)]

use workspace_tests::tiny::{Tiny, log_lines};
use workspace_tests::trainer;

fn run(args: &[String]) {
    trainer(&args.iter().map(String::as_str).collect::<Vec<_>>()).succeeded();
}

/// What a bundle's networks go on learning from on another machine, or on other pictures.
#[test]
fn weights_without_optimisers_begin_another_run() {
    let tiny = Tiny::new();
    run(&[tiny.train("first"), vec!["--config".into(), tiny.path("tiny.toml")]].concat());
    let (run_dir, weights) = (tiny.path("first"), tiny.path("weights.safetensors"));
    let export = ["export", "--weights", &weights, "--run", &run_dir];
    trainer(&export).succeeded();
    let refused = trainer(&export);
    assert!(refused.code == 2 && refused.stderr.contains("--force"), "{refused:?}");
    let size = |path: &str| std::fs::metadata(path).unwrap().len();
    assert!(size(&weights) * 3 < size(&format!("{run_dir}/gan.safetensors")));

    let from = |run: &str, more: &[&str]| {
        let args = [tiny.train(run), vec!["--from".into(), weights.clone()]].concat();
        trainer(&args.iter().map(String::as_str).chain(more.iter().copied()).collect::<Vec<_>>())
    };
    let over = from("over", &[]);
    assert!(over.code == 2 && over.stderr.contains("--set gan.images"), "{over:?}");
    assert!(!std::path::Path::new(&tiny.path("over")).exists());
    let more = ["--set", "gan.images=[24, 72]"];
    let begun = from("second", &more);
    begun.succeeded();
    assert!(begun.stderr.contains("optimisers start afresh"), "{begun:?}");
    let lines = log_lines(tiny.path("second"), "gan");
    assert!(lines.len() == 4 && lines[0].contains("\"step\":21,"), "{lines:?}");
}

/// The weights that are shipped to be trained on go on learning.
fn shipped_weights_go_on(name: &str, images: &str, (last_images, size): (u64, u64)) {
    let tiny = Tiny::new();
    let weights = format!("{}/../models/weights/{name}.safetensors", env!("CARGO_MANIFEST_DIR"));
    let images = format!("gan.images={images}");
    let more = ["--from", &weights, "--set", "gan.batch=4", "--set", "gan.norm_group=4", "--set", &images];
    run(&[tiny.train("on"), more.map(str::to_owned).to_vec()].concat());
    let lines = log_lines(tiny.path("on"), "gan");
    let last: serde_json::Value = serde_json::from_str(&lines[lines.len() - 1]).unwrap();
    assert_eq!((last["images"].as_u64(), last["size"].as_u64()), (Some(last_images), Some(size)));
    // A generator that had not learned would miss by half of the picture.
    assert!(last["terms"]["cycle_keypoints"].as_f64().unwrap() < 0.15, "{last}");
}

#[test]
fn the_shipped_weights_go_on_at_64_px() {
    shipped_weights_go_on("faces64-edge", "[30000, 423120]", (453_120, 64));
}

#[test]
fn the_shipped_weights_go_on_at_128_px() {
    shipped_weights_go_on("faces128", "[30000, 203600, 337760]", (571_360, 128));
}

/// A generator goes on with a reader of looks for each part, or with more channels, and begins by drawing the same.
#[test]
fn a_generator_grows_and_draws_the_same_at_first() {
    let tiny = Tiny::new();
    run(&[tiny.train("run"), vec!["--config".into(), tiny.path("tiny.toml")]].concat());
    let gan = tiny.path("run") + "/gan.safetensors";
    let go_on = |run: &str, change: &str, rate: &str| {
        let settings = [change, "gan.images=[24, 72]", rate];
        let mut args = [tiny.train(run), vec!["--from".into(), gan.clone()]].concat();
        args.extend(settings.iter().flat_map(|s| ["--set".to_owned(), (*s).to_owned()]));
        let outcome = trainer(&args.iter().map(String::as_str).collect::<Vec<_>>());
        outcome.succeeded();
        ["read by weights of its own", "generator is wider"].map(|said| outcome.stderr.contains(said))
    };
    // Too slow to learn anything.
    let [still, fast] = ["gan.generator_learning_rate=1e-12", "gan.generator_learning_rate=1e-2"];
    let [none, concat, wide] = [
        "precision='fp32'",
        "architecture.style_map='concat'",
        "architecture.generator_channels=[10, 12, 9]",
    ];
    assert_eq!(go_on("shared", none, still), [false, false]);
    for (kind, change, said) in [("split", concat, [true, false]), ("wide", wide, [false, true])] {
        assert_eq!(go_on(kind, change, still), said);
        assert_eq!(go_on(&format!("{kind}-moved"), change, fast), said);
    }
    let sheet = |run: &str| {
        let out = tiny.path(run) + ".png";
        trainer(&["sample", "--run", &tiny.path(run), "--out", &out, "--threads", "1"]).succeeded();
        image::open(&out).unwrap().into_rgb8()
    };
    let before = sheet("shared");
    let apart = |run: &str| {
        let sum: u64 = before.iter().zip(sheet(run).iter()).map(|(a, b)| u64::from(a.abs_diff(*b))).sum();
        sum as f64 / before.len() as f64
    };
    for kind in ["split", "wide"] {
        let (still, moved) = (apart(kind), apart(&format!("{kind}-moved")));
        assert!(still < 0.05 && moved > 0.5, "{kind}: {still} {moved}");
    }
    // There is no way back: what the parts have learned apart fits no shared reader, and nothing says which channels may go.
    for (kind, change, said) in [
        ("split", "architecture.style_map='sum'", "style_map \"concat\" instead of \"sum\""),
        (
            "wide",
            "architecture.generator_channels=[8, 8, 8]",
            "generator_channels [10,12,9] instead of [8,8,8]",
        ),
    ] {
        let back = [tiny.train("back"), vec!["--from".into(), tiny.path(kind) + "/gan.safetensors"]].concat();
        let back = back.iter().map(String::as_str).chain(["--set", change]);
        trainer(&back.collect::<Vec<_>>()).refused(said);
    }
}

/// The keypoints that are shipped steer a generator from its first step.
#[test]
fn a_generator_begins_with_the_shipped_keypoints() {
    let tiny = Tiny::new();
    let weights = concat!(env!("CARGO_MANIFEST_DIR"), "/../models/weights/keypoints128.safetensors");
    let settings = [
        "architecture.keypoints=10",
        "architecture.detector_size=128",
        "architecture.detector_channels=[24,48,96,160]",
        "gan.cycle.keypoints_weight=1.0",
    ];
    let begin = |run: &str, settings: &[&str]| {
        let config = ["--config".into(), tiny.path("tiny.toml"), "--from".into(), weights.into()];
        let mut args = [tiny.train(run), config.to_vec()].concat();
        args.extend(settings.iter().flat_map(|s| ["--set".to_owned(), (*s).to_owned()]));
        trainer(&args.iter().map(String::as_str).collect::<Vec<_>>())
    };
    begin("other", &settings[..1]).refused("detector_size 128 instead of 32");
    assert!(!std::path::Path::new(&tiny.path("other")).exists());

    let begun = begin("kept", &settings);
    begun.succeeded();
    assert!(!begun.stderr.contains("keypoints first"), "{begun:?}");
    let lines = log_lines(tiny.path("kept"), "gan");
    let first: serde_json::Value = serde_json::from_str(&lines[0]).unwrap();
    // A detector that had learned nothing would see all keypoints in the middle.
    assert!(first["terms"]["cycle_keypoints"].as_f64().unwrap() > 0.0, "{first}");
    let config = std::fs::read_to_string(tiny.path("kept") + "/config.toml").unwrap();
    assert!(config.contains("[keypoints]") && config.contains("images = 120000"), "{config}");
    // Stopped and resumed, the run has them, too.
    let mut again = tiny.train("kept");
    again.extend(["--resume".to_owned(), "--set".to_owned(), "gan.images=[24, 72]".to_owned()]);
    trainer(&again.iter().map(String::as_str).collect::<Vec<_>>()).succeeded();
}

/// A detector that has outgrown its teacher teaches the next one, and then holds the generator to what it sees.
#[test]
fn a_detector_teaches_the_next_one_and_the_generator() {
    let tiny = Tiny::new();
    let text = std::fs::read_to_string(tiny.path("tiny.toml")).unwrap();
    let first = "[keypoints]\nimages = 16\nbatch = 8\nreconstruction.perceptual_weight = 0\nmask.patches = 4\n[gan]\ncycle.keypoints_weight = 1\n";
    std::fs::write(tiny.path("held.toml"), text.replace("[gan]\n", first)).unwrap();
    run(&[tiny.train("run"), vec!["--config".into(), tiny.path("held.toml")]].concat());
    let (run_dir, pictures) = (tiny.path("run"), tiny.path("pictures"));
    let detector = |more: &[&str]| {
        let args = ["detector", &pictures, "--run", &run_dir, "--threads", "1", "--log-every", "1"];
        let settings = ["--set", "detector.local_warp.fraction=0.5", "--set", "detector.refinement_crops=2"];
        trainer(&[args.as_slice(), &settings, more].concat())
    };
    let none = detector(&["--again"]);
    assert!(none.code == 2 && none.stderr.contains("detector.safetensors: no checkpoint"), "{none:?}");
    detector(&["--stop-after", "0.00001"]);
    let early = detector(&["--again"]);
    assert!(early.code == 2 && early.stderr.contains("--resume"), "{early:?}");
    detector(&["--resume"]).succeeded();
    let path = |name: &str| std::path::Path::new(&run_dir).join(name);
    let taught = std::fs::read(path("detector.safetensors")).unwrap();
    let again = detector(&["--again"]);
    again.succeeded();
    assert!(again.stderr.contains("of 64 pairs is the teacher now"), "{again:?}");
    assert_eq!(std::fs::read(path("detector-teacher.safetensors")).unwrap(), taught);
    let whole = log_lines(&run_dir, "detector");
    assert_eq!(whole.len(), 16);
    // Started over or stopped, it learns from the same teacher.
    detector(&["--force", "--stop-after", "0.00001"]);
    detector(&["--resume"]).succeeded();
    assert_eq!(log_lines(&run_dir, "detector"), whole);

    let own = path("detector.safetensors").to_string_lossy().into_owned();
    let hold = |run: &str, from: &[&str], detector: &str| {
        let args = [tiny.train(run), vec!["--detector".into(), detector.to_owned()]].concat();
        trainer(&args.iter().map(String::as_str).chain(from.iter().copied()).collect::<Vec<_>>())
    };
    let gan = path("gan.safetensors").to_string_lossy().into_owned();
    let more = ["--from", &gan, "--set", "gan.images=[24, 64]"];
    hold("other", &more, &gan).refused("detector.safetensors");
    hold("other", &[], &own).refused("keypoints.images");
    assert!(!std::path::Path::new(&tiny.path("other")).exists());
    let seen = |run: &str| {
        let lines = log_lines(tiny.path(run), "gan");
        let first: serde_json::Value = serde_json::from_str(&lines[0]).unwrap();
        first["terms"]["cycle_keypoints"].as_f64().unwrap()
    };
    hold("held", &more, &own).succeeded();
    run(&[tiny.train("unheld"), more.map(str::to_owned).to_vec()].concat());
    assert!((seen("held") - seen("unheld")).abs() > 1e-6, "{} {}", seen("held"), seen("unheld"));

    // A new generator begins with it at once, and its run knows what the keypoints were learned from.
    let more_keypoints = ["--config", &tiny.path("held.toml"), "--set", "keypoints.images=900"];
    let fresh = hold("fresh", &more_keypoints, &own);
    assert!(!fresh.stderr.contains("keypoints first"), "{fresh:?}");
    fresh.succeeded();
    assert!(seen("fresh") > 0.0);
    let config = std::fs::read_to_string(tiny.path("fresh") + "/config.toml").unwrap();
    assert!(config.contains("[keypoints]") && config.contains("images = 16"), "{config}");
}
