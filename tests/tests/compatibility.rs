//! What revision e12158f wrote still loads and gives the same: its sessions of edits, motion, checkpoints,
//! configurations and bundles. `tests/fixtures/e12158f/make` says how each was made; keys and names in them are the
//! old ones. Processors differ in the last bits, so numbers may, too, by as much as each test says.

#![allow(clippy::unwrap_used)]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use image::RgbImage;
use serde_json::Value;
use workspace_tests::{runtime, trainer};

/// The path of `name` among the fixtures, as text.
fn fixture(name: &str) -> String {
    format!("{}/fixtures/e12158f/{name}", env!("CARGO_MANIFEST_DIR"))
}

fn shipped(bundle: &str) -> String {
    format!("{}/../models/{bundle}", env!("CARGO_MANIFEST_DIR"))
}

/// A temporary folder, in it paths as text.
struct Place(tempfile::TempDir);

impl Place {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn path(&self, name: &str) -> String {
        self.0.path().join(name).to_str().unwrap().to_owned()
    }

    /// A copy of the run that was stopped.
    fn run(&self) -> String {
        let run = self.0.path().join("run");
        fs::create_dir(&run).unwrap();
        for entry in fs::read_dir(fixture("run")).unwrap() {
            let path = entry.unwrap().path();
            fs::copy(&path, run.join(path.file_name().unwrap())).unwrap();
        }
        run.to_str().unwrap().to_owned()
    }
}

fn json_lines(path: impl AsRef<Path>) -> Vec<Value> {
    let text = fs::read_to_string(path).unwrap();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// Asserts that `now` has all that `then` had, numbers within `tolerance` of each other, absolute below 1 and relative
/// above. `at` is named on failure.
fn same(at: &str, then: &Value, now: &Value, tolerance: f64) {
    match (then, now) {
        (Value::Number(a), Value::Number(b)) => {
            let (a, b) = (a.as_f64().unwrap(), b.as_f64().unwrap());
            let apart = (a - b).abs() / a.abs().max(1.0);
            assert!(apart <= tolerance, "{at}: {a} became {b}");
        }
        (Value::Array(a), Value::Array(b)) => {
            assert_eq!(a.len(), b.len(), "{at}");
            a.iter().zip(b).enumerate().for_each(|(i, (a, b))| same(&format!("{at}[{i}]"), a, b, tolerance));
        }
        (Value::Object(a), Value::Object(b)) => {
            for (key, value) in a {
                same(&format!("{at}.{key}"), value, b.get(key).unwrap_or(&Value::Null), tolerance);
            }
        }
        _ => assert_eq!(then, now, "{at}"),
    }
}

fn same_lines(at: &str, then: &[Value], now: &[Value], tolerance: f64) {
    assert_eq!(then.len(), now.len(), "{at}");
    for (i, (then, now)) in then.iter().zip(now).enumerate() {
        same(&format!("{at}:{}", i + 1), then, now, tolerance);
    }
}

fn picture(path: &str) -> RgbImage {
    image::open(path).unwrap().into_rgb8()
}

/// Asserts that pictures differ by no more than rounding does: half a level of 255 on average, and no pixel by much.
fn same_picture(at: &str, then: &RgbImage, now: &RgbImage) {
    assert_eq!(then.dimensions(), now.dimensions(), "{at}");
    let apart = || then.iter().zip(now.iter()).map(|(a, b)| u32::from(a.abs_diff(*b)));
    let (mean, most) = (f64::from(apart().sum::<u32>()) / then.len() as f64, apart().max().unwrap());
    assert!(mean < 0.5 && most <= 12, "{at}: differs by {mean} on average, by {most} at most");
}

/// What `detect` says is rounded to hundredths of a pixel, so that one of them is what the last bits can make.
const LAST_DIGIT: f64 = 0.0101;

/// Keypoints in pixels, confidences from 0 to 1, of `--json`.
fn detects_the_same(bundle: &str, more: &[&str], recorded: &str) {
    let (photo, recorded) = (fixture("photo.jpg"), json_lines(fixture(recorded)));
    // The form of then, and its least confidence.
    let outcome = runtime(
        &[&["--bundle", bundle, "detect", &photo, "--format", "v1", "--min-confidence", "0"], more].concat(),
    );
    let now: Value = serde_json::from_str(outcome.succeeded()).unwrap();
    let (then, now) = (&recorded[0]["faces"], &now["faces"]);
    assert_eq!(then.as_array().unwrap().len(), now.as_array().unwrap().len(), "{bundle}");
    for (then, now) in then.as_array().unwrap().iter().zip(now.as_array().unwrap()) {
        for key in then.as_object().unwrap().keys() {
            let points = |face: &Value| -> Vec<f64> {
                let numbers = |v: &Value| v.as_array().unwrap().clone();
                numbers(&face[key]).iter().flat_map(numbers).map(|v| v.as_f64().unwrap()).collect()
            };
            if key == "keypoints" {
                let apart = points(then).into_iter().zip(points(now)).map(|(a, b)| (a - b).abs());
                let most = apart.fold(0.0, f64::max);
                assert!(most < LAST_DIGIT, "{bundle}: keypoints differ by {most} px");
            } else {
                same(key, &then[key], &now[key], 1e-3);
            }
        }
    }
}

#[test]
fn shipped_bundles_are_sound_and_detect_the_same() {
    for name in ["faces128", "faces64-edge", "cartoons64"] {
        let bundle = shipped(name);
        runtime(&["verify", &bundle]).succeeded();
        detects_the_same(&bundle, &[], &format!("detected-{name}.json"));
        detects_the_same(&bundle, &["--once"], &format!("detected-once-{name}.json"));
    }
}

#[test]
fn a_bundle_of_then_is_sound_and_detects_the_same() {
    let bundle = fixture("bundle");
    runtime(&["verify", &bundle]).succeeded();
    trainer(&["export", "--onnx", &bundle, "--check"]).succeeded();
    // It is unsure of what it sees, and `detect` looks again today.
    detects_the_same(&bundle, &["--once"], "detected-once-tiny.json");
}

/// A saved session opens, looks as it did, and is saved again with the same content; the list of edits that made it makes
/// it today, too.
#[test]
fn saved_sessions_and_lists_of_edits_make_the_same_pictures() {
    let (place, bundle) = (Place::new(), shipped("faces128"));
    for (source, name) in [("photo.jpg", "edited"), ("seed:2", "edited-seed")] {
        let edit = |what: &str, more: &[&str]| {
            let (out, saved) = (place.path("out.png"), place.path("out.json"));
            let args =
                ["--bundle", &bundle, "edit", what, "--out", &out, "--save", &saved, "--no-mark", "--force"];
            runtime(&[&args, more].concat()).succeeded();
            same_picture(what, &picture(&fixture(&format!("{name}.png"))), &picture(&out));
            json_lines(&saved).remove(0)
        };
        let then = json_lines(fixture(&format!("{name}.json"))).remove(0);
        let again = edit(&fixture(&format!("{name}.json")), &[]);
        // The photo's path may be written as it is found today.
        let rest = |session: &Value| {
            let mut session = session.clone();
            session.as_object_mut().unwrap().remove("source");
            session
        };
        same(name, &rest(&then), &rest(&again), 1e-5);
        let source = if source.starts_with("seed:") { source.to_owned() } else { fixture(source) };
        let fresh = edit(&source, &["--do", &fixture("edits.json")]);
        // What the networks say differs in the last bits, of embeddings of some tens.
        same(name, &rest(&then), &rest(&fresh), 1e-3);
    }
}

/// A quarter of the picture's side, each pixel the mean of sixteen.
fn quarter(picture: &RgbImage) -> RgbImage {
    RgbImage::from_fn(picture.width() / 4, picture.height() / 4, |x, y| {
        let sum = |channel: usize| -> u32 {
            let all = (0..16).map(|i| picture.get_pixel(4 * x + i % 4, 4 * y + i / 4).0[channel]);
            all.map(u32::from).sum()
        };
        image::Rgb([0, 1, 2].map(|channel| ((sum(channel) + 8) / 16) as u8))
    })
}

#[test]
fn saved_motion_drives_a_face_the_same_way_and_a_clip_gives_the_same_motion() {
    let (place, bundle) = (Place::new(), shipped("faces64-edge"));
    let reenact = |driver: &str, more: &[&str]| {
        let args = [
            "--bundle",
            &bundle,
            "reenact",
            "--source",
            "seed:3",
            driver,
            "--headless",
            "--no-hud",
            "--no-mark",
        ];
        runtime(&[&args, more].concat()).succeeded();
    };
    reenact(&fixture("motion.jsonl"), &["--out", &place.path("%05d.png")]);
    for frame in ["00000", "00060", "00074"] {
        let (then, now) = (fixture(&format!("driven-{frame}.png")), place.path(&format!("{frame}.png")));
        // "calibrating" stood at the lower edge of the first frames, and is not recorded any more.
        let rows = if frame == "00000" { 112 } else { 120 };
        let seen = |picture: RgbImage| image::imageops::crop_imm(&picture, 0, 0, 120, rows).to_image();
        same_picture(frame, &seen(picture(&then)), &seen(quarter(&picture(&now))));
    }

    let motion = place.path("motion.jsonl");
    reenact(&clip(&place), &["--max-frames", "75", "--out", "null", "--save-motion", &motion]);
    same_lines("motion", &json_lines(fixture("motion.jsonl")), &json_lines(motion), LAST_DIGIT);
}

/// The clip that `scripts/setup demo` fetches, without what it says of its pixels' shape: that was not heard yet.
fn clip(place: &Place) -> String {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let cache = std::env::var_os("LKG_CACHE").map_or_else(|| root.join(".cache"), PathBuf::from);
    let path = place.path("square-pixels.y4m");
    let clip = cache.join("clips/carphone_pristine.mp4");
    let mut ffmpeg = Command::new("ffmpeg");
    ffmpeg.args(["-v", "error", "-i"]).arg(clip).args(["-vf", "setsar=1", "-frames:v", "75", &path]);
    assert!(ffmpeg.status().unwrap().success());
    path
}

/// Arguments that every training of the fixtures was given.
const TRAIN: [&str; 6] = ["--threads", "1", "--log-every", "1", "--save-every", "60"];

/// How far losses may come apart: emulating a processor without AVX moved them by 2e-4.
const LOSSES: f64 = 1e-3;

/// Every key that the configuration had is at work in this training, each with a value that is not its default.
#[test]
fn a_configuration_with_every_old_key_trains_the_same() {
    let place = Place::new();
    let (run, config, pictures) = (place.path("run"), fixture("train.toml"), fixture("pictures"));
    let args = [
        "train",
        &pictures,
        "--config",
        &config,
        "--out",
        &run,
        "--images",
        "40",
        "--sample-every",
        "100000",
    ];
    trainer(&[&args[..], &TRAIN].concat()).succeeded();
    for stage in ["keypoints", "gan"] {
        let recorded = json_lines(fixture(&format!("whole-{stage}.jsonl")));
        same_lines(stage, &recorded, &json_lines(format!("{run}/{stage}.jsonl")), LOSSES);
    }
}

#[test]
fn stopped_runs_carry_on_in_every_stage_as_they_did() {
    let place = Place::new();
    let (run, pictures) = (place.run(), fixture("pictures"));
    let carried_on = |stage: &str| {
        let recorded = json_lines(fixture(&format!("went-on-{stage}.jsonl")));
        same_lines(stage, &recorded, &json_lines(format!("{run}/{stage}.jsonl")), LOSSES);
    };
    for stage in ["detector", "encoder"] {
        trainer(&[&[stage, &pictures, "--run", &run, "--resume"], &TRAIN[..]].concat()).succeeded();
        carried_on(stage);
    }
    let bundle = place.path("bundle");
    trainer(&["export", "--onnx", &bundle, "--run", &run, "--threads", "1", "--name", "tiny"]).succeeded();
    detects_the_same(&bundle, &["--once"], "detected-once-tiny.json");
    let args = ["train", &pictures, "--out", &run, "--resume", "--sample-every", "100000"];
    trainer(&[&args[..], &TRAIN].concat()).succeeded();
    carried_on("gan");
}

/// The configurations beside the shipped bundles, and a change by an old key.
#[test]
fn shipped_configurations_are_read_and_old_keys_can_be_set() {
    let pictures = fixture("pictures");
    // Twelve pictures are too few for these, which is said when all of the configuration has been read and checked.
    for name in ["faces128", "faces64-edge", "cartoons64"] {
        let config = format!("{}/train.toml", shipped(name));
        let settings = ["--set", "gan.batch=64", "--set", "gan.norm_group=0", "--dry-run"];
        trainer(&[&["train", &pictures, "--config", &config], &settings[..]].concat())
            .refused("fewer than a batch");
    }
    let changes = [
        ("gan.generator_rate", "0.00121"),
        ("gan.cycle_disguise", "0.122"),
        ("detector.rate", "0.00123"),
        ("detector.cover", "0.124"),
        ("encoder.rate", "0.00125"),
        ("keypoints.rate", "0.00126"),
    ];
    let settings: Vec<String> =
        changes.iter().flat_map(|(key, value)| ["--set".to_owned(), format!("{key}={value}")]).collect();
    let config = fixture("train.toml");
    let args = ["train", &pictures, "--config", &config, "--dry-run", "--json", "--threads", "1"];
    let args = args.into_iter().chain(settings.iter().map(String::as_str));
    let outcome = trainer(&args.collect::<Vec<_>>());
    for (key, value) in changes {
        assert!(outcome.succeeded().contains(value), "{key}: {outcome:?}");
    }
}
