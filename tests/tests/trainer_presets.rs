//! `trainer`'s presets, overrides, dry run, devices and time limits.

#![allow(clippy::unwrap_used)]

use std::fs;
use std::process::Command;

use workspace_tests::tiny::{Tiny, log_lines};
use workspace_tests::{Outcome, program, trainer};

fn train(tiny: &Tiny, run: &str, more: &[&str]) -> Outcome {
    let args = tiny.train(run);
    trainer(&[&args.iter().map(String::as_str).collect::<Vec<_>>(), more].concat())
}

#[test]
fn presets_are_listed_printed_and_used() {
    let tiny = Tiny::new();
    let list = trainer(&["presets"]);
    for name in ["faces64-edge", "faces128", "faces256"] {
        assert!(list.succeeded().lines().any(|l| l.starts_with(name)), "{name}");
        fs::write(tiny.path(name), trainer(&["presets", name]).succeeded()).unwrap();
        // What is printed is a configuration, to the last key the same.
        let config = |args: &[&str]| {
            let steps =
                ["--set", "gan.batch=2", "--dry-run", "--json", "--set", "architecture.image_size=32"];
            let widths = ["--set", "architecture.first_size=32", "--set", "gan.images=[5]"];
            let slim = |key: &str| format!("architecture.{key}=[4,4,4,4]");
            let (a, b) = (slim("generator_channels"), slim("discriminator_channels"));
            let slim = ["--set", a.as_str(), "--set", b.as_str(), "--set", "gan.norm_group=0"];
            let pictures = tiny.path("pictures");
            let outcome =
                trainer(&[&["train", &pictures, "--threads", "1"], args, &steps, &widths, &slim].concat());
            let plan: serde_json::Value = serde_json::from_str(outcome.succeeded()).unwrap();
            plan["config"].clone()
        };
        if name == "faces128" {
            assert_eq!(config(&["--preset", name]), config(&["--config", &tiny.path(name)]));
            assert_eq!(config(&["--preset", name])["gan"]["batch"], 2);
        }
    }
    trainer(&["presets", "faces"]).refused("no preset named faces: there are faces64-edge");
    train(&tiny, "out", &["--preset", "faces65"]).refused("no preset named faces65");
    train(&tiny, "out", &["--set", "gan.batchs=2"]).refused("did you mean gan.batch?");
    train(&tiny, "out", &["--set", "gan.batch=few"]).refused("gan.batch must be a whole number");
    train(&tiny, "out", &["--set", "gan.batch=1"]).refused("gan.batch must be at least 2");
    assert!(!tiny.dir().join("out").exists());
}

#[test]
fn a_dry_run_writes_nothing_and_counts_what_is_trained() {
    let tiny = Tiny::new();
    let config = tiny.path("tiny.toml");
    let before = fs::read_dir(tiny.dir()).unwrap().count();
    let flags = ["--config", &config, "--set", "gan.epochs=3", "--dry-run"];
    let text = train(&tiny, "out", &flags);
    assert!(text.succeeded().contains("# discriminator"), "{text:?}");
    let json = train(&tiny, "out", &[&flags[..], &["--json"]].concat());
    assert_eq!(fs::read_dir(tiny.dir()).unwrap().count(), before);
    let plan: serde_json::Value = serde_json::from_str(json.succeeded()).unwrap();
    // 12 pictures, three times each, at the last size.
    assert_eq!(plan["config"]["gan"]["images"], serde_json::json!([24, 36]));
    assert!(plan["total_seconds"].as_f64().unwrap() > 0.0);
    assert!(plan["memory"]["activations"].as_u64().unwrap() > 0);

    train(&tiny, "out", &["--config", &config, "--set", "gan.epochs=3", "--images", "4"]).succeeded();
    let stored = fs::read_to_string(tiny.dir().join("out/config.toml")).unwrap();
    assert!(stored.contains("epochs = 0.0") && stored.contains("36,"), "{stored}");
    let checkpoint = fs::read(tiny.dir().join("out/gan.safetensors")).unwrap();
    let length = u64::from_le_bytes(checkpoint[..8].try_into().unwrap()) as usize;
    let header: serde_json::Value = serde_json::from_slice(&checkpoint[8..8 + length]).unwrap();
    let counted = |prefix: &str| -> u64 {
        let numbers = |shape: &serde_json::Value| -> u64 {
            shape.as_array().unwrap().iter().map(|d| d.as_u64().unwrap()).product()
        };
        let all = header.as_object().unwrap().iter();
        all.filter(|(name, _)| name.starts_with(prefix) && !name.contains("running_"))
            .map(|(_, tensor)| numbers(&tensor["shape"]))
            .sum()
    };
    let networks = plan["networks"].as_array().unwrap();
    for network in networks.iter().filter(|n| n["name"] != "detector (second stage)") {
        let name = network["name"].as_str().unwrap();
        let real = counted(&format!("{name}.")) + counted(&format!("{name}/"));
        assert_eq!(network["parameters"].as_u64().unwrap(), real, "{name}");
    }
    assert!(networks.len() >= 4, "{networks:?}");
}

#[test]
fn bench_measures_rows_of_their_own() {
    let tiny = Tiny::new();
    let config = tiny.path("tiny.toml");
    let bench = ["bench", "--config", &config, "--threads", "1", "--repeats", "2", "--device", "cpu"];
    let report: serde_json::Value =
        serde_json::from_str(trainer(&[&bench[..], &["--json"]].concat()).succeeded()).unwrap();
    let rows = report["rows"].as_array().unwrap();
    assert_eq!(rows.iter().map(|r| r["size"].as_u64().unwrap()).collect::<Vec<_>>(), [8, 16]);
    for row in rows {
        assert_eq!(row["steps"], 4);
        let rates = row["images_per_second"].as_array().unwrap();
        assert!(rates.len() == 2 && rates.iter().all(|r| r.as_f64().unwrap() > 0.0), "{row}");
        assert!(row["peak_bytes"].as_u64().unwrap() > 50 << 20, "{row}");
    }
    assert!(trainer(&[&bench[..], &["--size", "8"]].concat()).succeeded().contains("images/s"));
    trainer(&[&bench[..], &["--size", "64"]].concat()).refused("does not train at 64 px but at [8, 16]");
}

#[test]
fn a_gpu_that_is_not_there_is_refused_with_what_is_missing() {
    let tiny = Tiny::new();
    let refused = |lib: &str, device: &str, part: &str| {
        let output = Command::new(program("trainer"))
            .args(tiny.train("out"))
            .args(["--config", &tiny.path("tiny.toml"), "--device", device])
            .env("LKG_TORCH_LIB", lib)
            .output()
            .unwrap();
        let stderr = String::from_utf8(output.stderr).unwrap();
        assert_eq!((output.status.code(), stderr.lines().count()), (Some(2), 1), "{stderr}");
        assert!(stderr.contains(part), "{stderr}");
        assert!(!tiny.dir().join("out").exists());
    };
    let lib = tiny.path("lib");
    fs::create_dir(&lib).unwrap();
    refused(&lib, "cuda", "no libtorch_cuda.so in");
    refused(&lib, "cuda", "set LKG_TORCH_LIB to its torch/lib");
    fs::write(tiny.path("lib/libtorch_cuda.so"), "not a library").unwrap();
    refused(&lib, "cuda:1", "can't load");
    refused(&lib, "cuda:1", "or use --device cpu");
    // A library that loads but brings no GPU, as on a machine without a driver.
    fs::write(tiny.path("empty.c"), "").unwrap();
    let library = tiny.path("lib/libtorch_cuda.so");
    let built = Command::new("cc").args(["-shared", "-o", &library, &tiny.path("empty.c")]).status().unwrap();
    assert!(built.success());
    refused(&lib, "cuda", "sees no GPU: install NVIDIA's driver");
    assert_eq!(train(&tiny, "out", &["--device", "gpu"]).code, 2);
}

#[test]
fn when_time_is_up_training_is_saved_and_goes_on_as_if_it_had_not_stopped() {
    let tiny = Tiny::new();
    let config = ["--config", &tiny.path("tiny.toml")];
    train(&tiny, "whole", &config).succeeded();
    let mut outcome = train(&tiny, "parts", &[&config[..], &["--stop-after", "0.0001"]].concat());
    let mut parts = 1;
    while outcome.succeeded().is_empty() {
        assert!(outcome.stderr.contains("time is up"), "{outcome:?}");
        parts += 1;
        // Longer each time, so that the test ends on any machine.
        let minutes = format!("{}", 0.0001 + 0.004 * f64::from(parts - 1));
        outcome = train(&tiny, "parts", &["--resume", "--stop-after", &minutes]);
    }
    assert!(parts > 1);
    assert_eq!(log_lines(tiny.path("parts"), "gan"), log_lines(tiny.path("whole"), "gan"));
    let detector = |more: &[&str]| {
        let (pictures, run) = (tiny.path("pictures"), tiny.path("parts"));
        trainer(
            &[&["detector", "--threads", "1", "--log-every", "1", &pictures, "--run", &run], more].concat(),
        )
    };
    let stopped = detector(&["--stop-after", "0.0001"]);
    assert!(stopped.succeeded().is_empty() && stopped.stderr.contains("time is up"), "{stopped:?}");
    assert!(detector(&["--resume"]).succeeded().contains("detector.safetensors"));
    assert_eq!(train(&tiny, "parts", &["--resume", "--stop-after", "0"]).code, 2);
}

#[test]
fn parts_left_by_train_on_gpu_carry_on_as_if_nothing_had_stopped() {
    let tiny = Tiny::new();
    train(&tiny, "whole", &["--config", &tiny.path("tiny.toml")]).succeeded();
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/../scripts/train-on-gpu");
    let call = |minutes: &str, out: &str, more: &[&str]| {
        let output = Command::new(script)
            .args(["--trainer", program("trainer").to_str().unwrap(), "--device", "cpu", "--threads", "1"])
            .args(["--minutes", minutes, "--out", &tiny.path(out), "--part-bytes", "30000"])
            .args(more)
            .arg(tiny.path("pictures"))
            // The libraries that the trainer was built with.
            .env("LKG_TORCH_LIB", std::env::var("LIBTORCH").unwrap() + "/lib")
            .output()
            .unwrap();
        (
            output.status.code(),
            String::from_utf8(output.stdout).unwrap(),
            String::from_utf8(output.stderr).unwrap(),
        )
    };
    let config = tiny.path("tiny.toml");
    let (code, stdout, stderr) = call("0.0001", "a", &["--config", &config]);
    assert!(code == Some(0) && stdout.contains("carry on with --from"), "{stdout}{stderr}");
    assert!(tiny.dir().join("a/gan.safetensors.part-00001").is_file());
    assert!(
        fs::read_dir(tiny.dir().join("a")).unwrap().all(|f| f.unwrap().metadata().unwrap().len() <= 30_000)
    );
    let (code, _, stderr) = call("1", "a", &[]);
    assert!(code == Some(1) && stderr.contains("holds an earlier result"), "{stderr}");

    let stages = ["--from", &tiny.path("a"), "--detector-minutes", "10", "--encoder-minutes", "10"];
    let (code, stdout, stderr) = call("10", "b", &stages);
    assert!(code == Some(0) && stdout.contains("all done"), "{stdout}{stderr}");
    let (whole, parts) = (tiny.dir().join("whole/gan.safetensors"), tiny.dir().join("b"));
    let mut names: Vec<_> = fs::read_dir(&parts).unwrap().map(|f| f.unwrap().path()).collect();
    assert!(names.iter().any(|p| p.to_string_lossy().contains("encoder.safetensors")), "{names:?}");
    names.retain(|p| p.to_string_lossy().contains("gan.safetensors.part-"));
    names.sort();
    let joined: Vec<u8> = names.iter().flat_map(|p| fs::read(p).unwrap()).collect();
    // All but the header, which tells how long it took.
    let body = |file: &[u8]| file[8 + u64::from_le_bytes(file[..8].try_into().unwrap()) as usize..].to_vec();
    assert!(body(&joined) == body(&fs::read(&whole).unwrap()));

    let from = whole.to_str().unwrap();
    let (code, _, stderr) = call("10", "e", &["--weights", from, "--from", &tiny.path("b")]);
    assert!(code == Some(1) && stderr.contains("leave --weights out"), "{stderr}");
    // What comes after the generators is trained where it was asked for, though their time is up.
    let more = ["--weights", from, "--set", "gan.images=[24, 9000]", "--detector-minutes", "10"];
    let (code, stdout, stderr) = call("0.0001", "e", &more);
    assert!(code == Some(0) && stdout.contains("before all was done (generators)"), "{stdout}{stderr}");
    assert!(stderr.contains("carrying on at step"), "{stderr}");
    assert!(
        tiny.dir().join("e/detector.safetensors").is_file()
            || tiny.dir().join("e/detector.safetensors.part-00000").is_file()
    );

    let part = parts.join("gan.safetensors.part-00001");
    fs::write(&part, b"damaged").unwrap();
    let (code, _, stderr) = call("1", "c", &["--from", &tiny.path("b")]);
    assert!(code == Some(1) && stderr.contains("is damaged: copy it again"), "{stderr}");
    assert!(!tiny.dir().join("c").exists());
}
