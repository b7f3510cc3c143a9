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
const EVERY_LOSS: &str = "keypoint_discriminator.weight = 0.3\nappearance_discriminator.weight = 0.3\ncycle.keypoints_weight = 1\n\
    cycle.embeddings_weight = 0.5\nreconstruction.image_weight = 1\nreconstruction.perceptual_weight = 1\nreconstruction.perceptual = 'open-nsfw'\n\
    feature_matching.weight = 1\ndiversity.weight = 0.5\nfeature_discriminator.weight = 0.5\n";

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
    let losses =
        "[gan]\ncycle.keypoints_weight = 1\nreconstruction.image_weight = 1\nequivariance.weight = 0.5\n";
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
    assert!(text.contains("Reconstruction of real pictures") && text.contains("dB"), "{text}");
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
    let text = text.replace("[gan]\n", "[keypoints]\nimages = 64\nbatch = 4\nreconstruction.perceptual_weight = 0\nmask.patches = 4\n[gan]\ncycle.keypoints_weight = 1\n");
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

#[test]
fn a_stopped_portrait_training_repeats_bit_by_bit() {
    let tiny = Tiny::new();
    for (i, picture) in std::fs::read_dir(tiny.path("pictures")).unwrap().enumerate() {
        let person = tiny.dir().join("people").join(format!("{}", i % 3));
        std::fs::create_dir_all(&person).unwrap();
        std::fs::copy(picture.unwrap().path(), person.join(format!("{i}.png"))).unwrap();
    }
    let sections = "[portrait]\nbatch = 2\nimages = 8\n[portrait.adversarial]\nfrom = 0.5\n";
    let text = std::fs::read_to_string(tiny.path("tiny.toml")).unwrap();
    let text =
        text.replace("[architecture]\n", "[architecture]\nstates = 2\nportrait_size = 64\n") + sections;
    std::fs::write(tiny.path("portrait.toml"), text).unwrap();
    let train = |name: &str, more: &[&str]| {
        let args = ["portrait", "--threads", "1", "--log-every", "1", "--save-every", "0"].map(str::to_owned);
        let paths = [tiny.path("people"), "--out".into(), tiny.path(name)];
        run(&[args.to_vec(), paths.to_vec(), more.iter().map(|m| (*m).to_owned()).collect()].concat());
    };
    let config = tiny.path("portrait.toml");
    train("whole", &["--config", &config]);
    let whole = log_lines(tiny.path("whole"), "portrait");
    assert_eq!(whole.len(), 4);
    assert!(whole[1].contains("\"discriminator\":null") && !whole[3].contains("\"discriminator\":null"));
    // Stopped after its first steps, before the discriminator sets in.
    train("stopped", &["--config", &config, "--stop-after", "0.01"]);
    train("stopped", &["--resume"]);
    assert_eq!(log_lines(tiny.path("stopped"), "portrait"), whole);
    // Another run begins with its networks, at the start of a schedule, and can be stopped, too; a larger one grows from them.
    train("second", &["--from", &tiny.path("whole"), "--keep", "1"]);
    let second = log_lines(tiny.path("second"), "portrait");
    assert!(second.len() == 4 && second[0].contains("\"step\":1,") && second[0] != whole[0], "{second:?}");
    let left = std::fs::read_dir(tiny.path("second")).unwrap().map(|e| e.unwrap().file_name());
    assert_eq!(left.filter(|n| n.to_string_lossy().ends_with(".safetensors")).count(), 1);
    let of_whole = tiny.path("whole") + "/portrait.safetensors";
    train("again", &["--from", &of_whole, "--stop-after", "0.01"]);
    train("again", &["--resume"]);
    assert_eq!(log_lines(tiny.path("again"), "portrait"), second);
    train("grown", &["--from", &of_whole, "--set", "architecture.portrait_size=128"]);
    assert_eq!(log_lines(tiny.path("grown"), "portrait").len(), 4);
    let out = tiny.path("refused");
    let refuse = |from: &str, more: &[&str], reason: &str| {
        let args = ["portrait", &tiny.path("people"), "--out", &out, "--from", from];
        trainer(&[&args, more].concat()).refused(reason);
        assert!(!std::path::Path::new(&out).exists());
    };
    refuse(&of_whole, &["--set", "architecture.states=3"], "states 2 instead of 3");
    refuse(&tiny.path("nothing"), &[], "no checkpoint here");
    refuse(&tiny.path("people"), &[], "no run here");
    // People need pictures in folders of their own.
    let out = tiny.path("flat");
    let args = ["portrait", &tiny.path("pictures"), "--out", &out, "--config", &config];
    let refused = trainer(&args);
    assert!(refused.code == 2 && refused.stderr.contains("no pairs of pictures"), "{refused:?}");
    assert!(!std::path::Path::new(&out).exists());
}
