//! A training that is killed anywhere carries on as if nothing had happened: the same losses to the last bit.

#![allow(clippy::unwrap_used)]

use std::process::{Command, Stdio};
use std::time::Duration;

use workspace_tests::tiny::{Tiny, log_lines};
use workspace_tests::{program, trainer};

fn spawn(args: &[String]) -> std::process::Child {
    Command::new(program("trainer")).args(args).stderr(Stdio::null()).stdout(Stdio::null()).spawn().unwrap()
}

fn run(args: &[String]) {
    trainer(&args.iter().map(String::as_str).collect::<Vec<_>>()).succeeded();
}

/// Kills `args` after ever longer times, resuming in between, then lets it finish.
fn with_kills(first: &[String], resume: &[String]) -> usize {
    let mut kills = 0;
    let mut child = spawn(first);
    for round in 1..40u64 {
        // Every step writes a checkpoint, so that many of these kills fall into a write.
        std::thread::sleep(Duration::from_millis(120 + 37 * round));
        if child.try_wait().unwrap().is_some_and(|s| s.success()) {
            break;
        }
        child.kill().unwrap();
        child.wait().unwrap();
        kills += 1;
        child = spawn(resume);
    }
    child.wait().unwrap();
    run(resume);
    kills
}

#[test]
fn killed_generator_training_repeats_bit_by_bit() {
    let tiny = Tiny::new();
    let config = ["--config".to_owned(), tiny.path("tiny.toml")];
    run(&[tiny.train("whole"), config.to_vec()].concat());
    let whole = log_lines(tiny.path("whole"), "gan");
    assert_eq!(whole.len(), 20);

    let mut first = [tiny.train("killed"), config.to_vec()].concat();
    // The first process must live until there is a checkpoint to resume from.
    first.extend(["--images".into(), "8".into()]);
    run(&first);
    let resume = [tiny.train("killed"), vec!["--resume".into()]].concat();
    let kills = with_kills(&resume, &resume);
    assert!(kills > 0, "nothing was killed");
    assert_eq!(log_lines(tiny.path("killed"), "gan"), whole);
    let left: Vec<_> =
        std::fs::read_dir(tiny.path("killed")).unwrap().map(|e| e.unwrap().file_name()).collect();
    assert!(left.iter().any(|n| n == "gan.safetensors"), "{left:?}");

    let detector = |name: &str| {
        let args = ["detector", "--threads", "1", "--log-every", "1", "--save-every", "0"].map(str::to_owned);
        [args.to_vec(), vec![tiny.path("pictures"), "--run".into(), tiny.path(name)]].concat()
    };
    run(&detector("whole"));
    run(&[detector("killed"), vec!["--images".into(), "64".into()]].concat());
    assert_eq!(log_lines(tiny.path("killed"), "detector"), log_lines(tiny.path("whole"), "detector"));
    let again = [detector("killed"), vec!["--force".into()]].concat();
    let kills = with_kills(&again, &[detector("killed"), vec!["--resume".into()]].concat());
    assert!(kills > 0, "nothing was killed");
    assert_eq!(log_lines(tiny.path("killed"), "detector"), log_lines(tiny.path("whole"), "detector"));
}

#[test]
fn ctrl_c_saves_and_says_so() {
    let tiny = Tiny::new();
    let text = std::fs::read_to_string(tiny.path("tiny.toml")).unwrap().replace("[24, 56]", "[24, 1000000]");
    std::fs::write(tiny.path("long.toml"), text).unwrap();
    let mut args = tiny.train("run");
    args.extend(["--config".into(), tiny.path("long.toml")]);
    // A checkpoint an hour: what is there after Ctrl-C, Ctrl-C has saved.
    let every = args.iter().position(|a| a == "--save-every").unwrap();
    args[every + 1] = "60".into();
    let child = Command::new(program("trainer")).args(&args).stderr(Stdio::piped()).spawn().unwrap();
    let log = std::path::PathBuf::from(tiny.path("run")).join("gan.jsonl");
    for _ in 0..600 {
        if std::fs::read_to_string(&log).is_ok_and(|t| t.lines().count() > 3) {
            break;
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    let killed = Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap();
    assert!(killed.success());
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(130));
    let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(stderr.contains("stopping after this step") && stderr.ends_with("interrupted\n"), "{stderr}");
    let steps = log_lines(tiny.path("run"), "gan").len() as u64;
    let resumed = [tiny.train("run"), vec!["--resume".into(), "--images".into(), "4".into()]].concat();
    let outcome = trainer(&resumed.iter().map(String::as_str).collect::<Vec<_>>());
    outcome.succeeded();
    assert!(outcome.stderr.contains(&format!("carrying on at step {steps},")), "{outcome:?}");
}

/// Lines that switch every loss on.
const EVERY_LOSS: &str = "keypoint_weight = 0.3\nappearance_weight = 0.3\ncycle_keypoints_weight = 1\n\
    cycle_embeddings_weight = 0.5\ncycle_image_weight = 1\nperceptual_weight = 1\nperceptual = 'open-nsfw'\n\
    feature_matching_weight = 1\ndiversity_weight = 0.5\nfeature_discriminator_weight = 0.5\n";

#[test]
fn a_training_with_every_loss_can_be_stopped_carried_on_and_told_apart() {
    let tiny = Tiny::new();
    let text = std::fs::read_to_string(tiny.path("tiny.toml")).unwrap();
    std::fs::write(tiny.path("all.toml"), text.replace("[gan]\n", &format!("[gan]\n{EVERY_LOSS}"))).unwrap();
    let config = ["--config".to_owned(), tiny.path("all.toml")];
    run(&[tiny.train("whole"), config.to_vec()].concat());
    let first = [tiny.train("stopped"), config.to_vec(), vec!["--images".into(), "32".into()]].concat();
    run(&first);
    run(&[tiny.train("stopped"), vec!["--resume".into()]].concat());
    let whole = log_lines(tiny.path("whole"), "gan");
    assert_eq!(log_lines(tiny.path("stopped"), "gan"), whole);
    for term in
        ["keypoints", "appearance", "cycle_image", "perceptual", "feature_matching", "diversity", "features"]
    {
        let named = format!("\"{term}\":");
        assert!(whole.iter().any(|line| line.contains(&named)), "{term}");
    }
    // Features that taught are not to measure without a word.
    let (of, pictures, report) = (tiny.path("whole"), tiny.path("pictures"), tiny.path("report"));
    trainer(&["eval", "--run", &of, "--samples", "8", "--pictures", &pictures, "--out", &report]).succeeded();
    let metrics = std::fs::read_to_string(format!("{report}/metrics.json")).unwrap();
    assert!(metrics.contains("the generator was trained against the same features"), "{metrics}");

    // A loss can be switched on for the rest of a run, and the networks that it needs begin then.
    run(&[
        tiny.train("later"),
        vec!["--config".into(), tiny.path("tiny.toml"), "--images".into(), "32".into()],
    ]
    .concat());
    let later = [tiny.train("later"), config.to_vec(), vec!["--resume".into()]].concat();
    let outcome = trainer(&later.iter().map(String::as_str).collect::<Vec<_>>());
    outcome.succeeded();
    assert!(outcome.stderr.contains("the encoder starts afresh"), "{outcome:?}");
}

/// The stages after the generator's, one after the other, from networks that were trained along with it.
#[test]
fn detector_and_encoder_go_on_from_what_was_trained_along_and_repeat_bit_by_bit() {
    let tiny = Tiny::new();
    let text = std::fs::read_to_string(tiny.path("tiny.toml")).unwrap();
    let losses = "[gan]\ncycle_keypoints_weight = 1\ncycle_image_weight = 1\nequivariance_weight = 0.5\n";
    let config = text.replace("[gan]\n", losses).replace("images = 64", "images = 48");
    std::fs::write(tiny.path("along.toml"), config).unwrap();
    run(&[tiny.train("run"), vec!["--config".into(), tiny.path("along.toml")]].concat());
    let stage = |name: &str, more: &[&str]| {
        let args = [name, "--threads", "1", "--log-every", "1", "--save-every", "0"].map(str::to_owned);
        let run = [tiny.path("pictures"), "--run".into(), tiny.path("run")];
        [args.to_vec(), run.to_vec(), more.iter().map(|a| (*a).to_owned()).collect()].concat()
    };
    let encoder = stage("encoder", &[]);
    trainer(&encoder.iter().map(String::as_str).collect::<Vec<_>>()).refused("trainer detector");
    for name in ["detector", "encoder"] {
        run(&stage(name, &[]));
        let whole = log_lines(tiny.path("run"), name);
        assert_eq!(whole.len(), 12, "{name}");
        run(&stage(name, &["--force", "--stop-after", "0.00001"]));
        let stopped = log_lines(tiny.path("run"), name).len();
        assert!(stopped < whole.len(), "{name}: {stopped}");
        run(&stage(name, &["--resume"]));
        assert_eq!(log_lines(tiny.path("run"), name), whole, "{name}");
    }
    let sheets = std::path::PathBuf::from(tiny.path("run")).join("samples");
    for sheet in ["detector-pairs-000000048.png", "detector-000000048.png", "encoder-000000048.png"] {
        assert!(image::open(sheets.join(sheet)).is_ok(), "{sheet}");
    }
    let bundle = tiny.path("bundle");
    trainer(&["export", "--onnx", &bundle, "--run", &tiny.path("run")]).succeeded();
    trainer(&["export", "--onnx", &bundle, "--check", "--run", &tiny.path("run")]).succeeded();
    assert!(std::path::Path::new(&bundle).join("encoder.onnx").exists());
    let report = tiny.path("report");
    let pictures = tiny.path("pictures");
    trainer(&["eval", "--bundle", &bundle, "--pictures", &pictures, "--samples", "4", "--out", &report])
        .succeeded();
    let text = std::fs::read_to_string(format!("{report}/report.md")).unwrap();
    assert!(text.contains("Real pictures drawn again") && text.contains("dB"), "{text}");
    // A bundle is without the discriminator; a run tells what it makes of pictures that it never saw.
    let (report, run) = (tiny.path("run-report"), tiny.path("run"));
    let quality = |training: &[&str]| {
        let args = ["eval", "--run", &run, "--samples", "8", "--json", "--force", "--out", &report];
        let outcome = trainer(&[&args, ["--pictures", &pictures].as_slice(), training].concat());
        outcome.succeeded();
        let report: serde_json::Value = serde_json::from_str(outcome.stdout.trim()).unwrap();
        report["quality"].clone()
    };
    let plain = quality(&[]);
    assert!(plain["overfitting"].is_null());
    assert_eq!(plain["taught"], false);
    let overfitting = &quality(&["--training", &pictures])["overfitting"];
    assert_eq!(overfitting["n"].as_u64(), Some(8), "{overfitting}");
    let logit = |of: &str| overfitting[of].as_f64().unwrap();
    assert_ne!(logit("training"), logit("generated"));
    let text = std::fs::read_to_string(format!("{report}/report.md")).unwrap();
    assert!(text.contains(&format!("held-out ones {:.2}", logit("held_out"))), "{text}");
}

#[test]
fn a_missing_feature_network_is_named_before_anything_is_written() {
    let tiny = Tiny::new();
    let text = std::fs::read_to_string(tiny.path("tiny.toml")).unwrap();
    std::fs::write(tiny.path("all.toml"), text.replace("[gan]\n", &format!("[gan]\n{EVERY_LOSS}"))).unwrap();
    let args = [tiny.train("run"), vec!["--config".into(), tiny.path("all.toml")]].concat();
    // A program outside any checkout, run outside of it, with an empty cache.
    let copy = tiny.dir().join("trainer");
    std::fs::copy(program("trainer"), &copy).unwrap();
    let output = Command::new(&copy)
        .args(&args)
        .current_dir(tiny.dir())
        .env("LKG_CACHE", tiny.dir())
        .output()
        .unwrap();
    let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(!output.status.success() && stderr.contains("run `scripts/setup features`"), "{stderr}");
    assert!(!std::path::Path::new(&tiny.path("run")).exists());
}

/// Stopped while it learned its keypoints, a run has no generator's checkpoint; `--resume` refused it.
#[test]
fn keypoints_come_first_and_can_be_stopped_too() {
    let tiny = Tiny::new();
    let text = std::fs::read_to_string(tiny.path("tiny.toml")).unwrap();
    let text = text.replace("[gan]\n", "[keypoints]\nimages = 64\nbatch = 4\nperceptual_weight = 0\npatches = 4\n[gan]\ncycle_keypoints_weight = 1\n");
    std::fs::write(tiny.path("first.toml"), text).unwrap();
    let config = ["--config".to_owned(), tiny.path("first.toml")];
    run(&[tiny.train("whole"), config.to_vec()].concat());
    let [keypoints, whole] = ["keypoints", "gan"].map(|stage| log_lines(tiny.path("whole"), stage));
    assert_eq!((keypoints.len(), whole.len()), (16, 20));
    assert!(whole[0].contains("cycle_keypoints"), "{}", whole[0]);

    let mut child = spawn(&[tiny.train("stopped"), config.to_vec()].concat());
    let checkpoint = std::path::PathBuf::from(tiny.path("stopped")).join("keypoints.safetensors");
    for _ in 0..1200 {
        if checkpoint.exists() {
            break;
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    child.kill().unwrap();
    child.wait().unwrap();
    run(&[tiny.train("stopped"), vec!["--resume".into()]].concat());
    assert_eq!(log_lines(tiny.path("stopped"), "keypoints"), keypoints);
    assert_eq!(log_lines(tiny.path("stopped"), "gan"), whole);
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
    let [still, fast] = ["gan.generator_rate=1e-12", "gan.generator_rate=1e-2"];
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
        "gan.cycle_keypoints_weight=1.0",
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
    let first = "[keypoints]\nimages = 16\nbatch = 8\nperceptual_weight = 0\npatches = 4\n[gan]\ncycle_keypoints_weight = 1\n";
    std::fs::write(tiny.path("held.toml"), text.replace("[gan]\n", first)).unwrap();
    run(&[tiny.train("run"), vec!["--config".into(), tiny.path("held.toml")]].concat());
    let (run_dir, pictures) = (tiny.path("run"), tiny.path("pictures"));
    let detector = |more: &[&str]| {
        let args = ["detector", &pictures, "--run", &run_dir, "--threads", "1", "--log-every", "1"];
        let settings = ["--set", "detector.bend=0.5", "--set", "detector.looks=2"];
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
