//! `trainer export` of portrait networks: a bundle without a generator, its names, expressions and pictures found from people.

#![allow(clippy::unwrap_used)]

use std::fs;

use lkg_bundle::testing::write_tiny_portrait_bundle;
use lkg_bundle::{Bundle, Network};
use workspace_tests::tiny::Tiny;
use workspace_tests::trainer;

/// Puts the tiny set's pictures into folders of people, two each, with moves that they might have been drawn with.
fn people(tiny: &Tiny, count: usize) {
    let pictures: Vec<_> =
        fs::read_dir(tiny.path("pictures")).unwrap().map(|entry| entry.unwrap().path()).collect();
    for person in 0..count {
        let folder = tiny.dir().join("people").join(format!("{person:03}"));
        fs::create_dir_all(&folder).unwrap();
        for n in 0..2 {
            let picture = image::open(&pictures[(2 * person + n) % pictures.len()]).unwrap();
            picture.into_rgb8().save(folder.join(format!("{n}.jpg"))).unwrap();
        }
        let open = (person % 7) as f32;
        let amounts = format!("[{{\"yaw\":1.5,\"mouth_open\":{open}}},{{\"yaw\":-2.0,\"eyes\":-{open}}}]");
        fs::write(folder.join("amounts.json"), amounts).unwrap();
    }
}

#[test]
fn portrait_networks_become_a_bundle_with_what_people_tell() {
    let tiny = Tiny::new();
    people(&tiny, 12);
    let text = fs::read_to_string(tiny.path("tiny.toml")).unwrap();
    let text = text.replace("[architecture]\n", "[architecture]\nstates = 2\nportrait_size = 64\n")
        + "[portrait]\nbatch = 2\nimages = 4\nperceptual_weight = 0.0\n[portrait.adversarial]\nweight = 0.0\n";
    fs::write(tiny.path("portrait.toml"), text).unwrap();
    let (people, run, bundle) = (tiny.path("people"), tiny.path("run"), tiny.path("bundle"));
    let config = tiny.path("portrait.toml");
    trainer(&["portrait", "--threads", "1", &people, "--out", &run, "--config", &config]).succeeded();

    let export = ["export", "--threads", "1", "--onnx", &bundle, "--run", &run];
    trainer(&export).refused("--pictures");
    let empty = trainer(&[&export[..], &["--people", &tiny.path("pictures")]].concat());
    assert!(empty.code != 0 && empty.stderr.contains("amounts.json"), "{empty:?}");
    assert!(!tiny.dir().join("bundle").exists());

    let outcome = trainer(&[&export[..], &["--people", &people]].concat());
    let lines = outcome.succeeded();
    assert!(lines.contains("expressions: ") && lines.contains("portrait_source: "), "{lines}");
    let opened = Bundle::open(&bundle).unwrap();
    opened.verify_files().unwrap();
    assert_eq!(opened.networks(), [Network::Detector, Network::PortraitSource, Network::Portrait]);
    let manifest = opened.manifest();
    let d = manifest.dims;
    assert_eq!((d.latent, d.embedding, d.image_size), (0, 0, 0));
    assert_eq!((d.states, d.portrait_size), (Some(2), Some(64)));
    for file in ["reenactment.jpg", "detections.jpg", "MODEL_CARD.md"] {
        assert!(manifest.files.contains_key(file), "{:?}", manifest.files.keys());
    }
    // What was sought is either there or said to be left out, and measured.
    let sought = ["mouth-open", "smile", "eye-left", "eye-right", "brows"];
    for name in sought {
        assert!(lines.contains(&format!("{name} (correlation")), "{name}: {lines}");
        let there = manifest.expressions.iter().any(|e| e.name == name);
        let measured = manifest.metrics.iter().any(|m| m.name == format!("expression reading ({name})"));
        assert_eq!(there, measured, "{name}");
    }
    let card = fs::read_to_string(tiny.dir().join("bundle/MODEL_CARD.md")).unwrap();
    assert!(card.contains("learned without labels") && card.contains("teacher's landmarks"), "{card}");
    assert!(card.contains("There is no generator") && card.contains("pairs of pictures seen | 4"), "{card}");

    trainer(&["export", "--onnx", &bundle, "--check", "--run", &run]).succeeded();
    trainer(&["export", "--onnx", "--check", "--run", &run]).succeeded();
    trainer(&["export", "--weights", &tiny.path("w.safetensors"), "--run", &run]).succeeded();
    trainer(&[&export[..], &["--people", &people]].concat()).refused("--force");

    // A detector that a stage of its own made robust takes the place of the one that was trained along.
    let detector =
        ["detector", &people, "--threads", "1", "--run", &run, "--images", "8", "--log-every", "1"];
    trainer(&detector).succeeded();
    let log = fs::read_to_string(tiny.dir().join("run/detector.jsonl")).unwrap();
    assert!(log.contains("\"states\":0.") && log.contains("\"equivariance\":null"), "{log}");
    trainer(&detector).refused("--resume");
    let before = fs::read(tiny.dir().join("bundle/detector.onnx")).unwrap();
    trainer(&[&export[..], &["--people", &people, "--force"]].concat()).succeeded();
    assert_ne!(before, fs::read(tiny.dir().join("bundle/detector.onnx")).unwrap());
    trainer(&["export", "--onnx", &bundle, "--check", "--run", &run]).succeeded();
    let card = fs::read_to_string(tiny.dir().join("bundle/MODEL_CARD.md")).unwrap();
    assert!(card.contains("the detector's own stage | 8"), "{card}");
}

/// What tests of other crates rely on.
#[test]
fn the_tiny_portrait_bundle_computes_what_it_says() {
    let dir = tempfile::tempdir().unwrap();
    write_tiny_portrait_bundle(dir.path()).unwrap();
    let lines = trainer(&["export", "--onnx", dir.path().to_str().unwrap(), "--check"]);
    let lines = lines.succeeded();
    assert!(lines.contains("portrait, golden, mask: 0.0e0"), "{lines}");
}
