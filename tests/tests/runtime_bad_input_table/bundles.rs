//! Bundles and checkpoints that are damaged, made by somebody else, or made to do harm.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;

use lkg_bundle::Network::{Detector, ImageGenerator, KeypointGenerator};
use lkg_bundle::onnx::{Opaque, TensorProto};
use rustix::fs::{CWD, FileType, Mode, mknodat};
use serde_json::json;

use super::harness::{Row, row};
use super::inputs::{change_manifest, change_network, fill, png, put};

const FIND: &str = "detect p.png";
const DRAW: &str = "generate --out a.png";

fn find(what: &'static str, make: impl FnOnce(&Path) + Send + 'static) -> Row {
    row(what, FIND).file("p.png", png(40, 40)).make(make)
}

fn says(what: &'static str, key: &'static str, value: serde_json::Value) -> Row {
    find(what, move |dir| {
        change_manifest(dir, |m| *m.pointer_mut(key).unwrap() = value);
    })
}

pub fn bundles() -> Vec<Row> {
    let write =
        |name: &'static str, content: Vec<u8>| move |dir: &Path| fs::write(dir.join(name), content).unwrap();
    let mut rows = vec![
        row("not there", "--bundle none detect p.png").file("p.png", png(40, 40)),
        find("a folder without a manifest", |dir| fs::remove_file(dir.join("bundle/manifest.json")).unwrap()),
        find("an empty manifest", write("bundle/manifest.json", Vec::new())),
        find("a manifest that is no JSON", write("bundle/manifest.json", b"][".to_vec())),
        find("a manifest of 10,000 brackets", write("bundle/manifest.json", vec![b'['; 10_000])),
        find("a manifest of 2 MB", write("bundle/manifest.json", vec![b' '; 2 << 20])),
        find(
            "a manifest of another time",
            write("bundle/manifest.json", b"{\"schema_version\":99}".to_vec()),
        ),
        find("a manifest that is a pipe", |dir| {
            let path = dir.join("bundle/manifest.json");
            fs::remove_file(&path).unwrap();
            mknodat(CWD, &path, FileType::Fifo, Mode::from_raw_mode(0o600), 0).unwrap();
        }),
        says("a manifest with a field of another kind", "/keypoints/1/mean", json!(["left", 0])),
        says("a manifest with a number of 19 digits", "/dims/keypoints", json!(9_000_000_000_000_000_000u64)),
        says("a manifest with a size of 2^40", "/dims/image_size", json!(1u64 << 40)),
        says("a manifest with a number beyond floats", "/tau", json!(1e300)),
        says("a manifest that tolerates everything", "/tolerance", json!(1e30)),
        says("a manifest with a name of 100,000 letters", "/keypoints/0/name", json!("a".repeat(100_000))),
        says("a manifest with a name that clears the screen", "/keypoints/0/name", json!("\u{1b}[2J")),
        says("a manifest that joins what is not there", "/skeleton", json!([[0, 99]])),
        says("a manifest that says 2^60 bytes", "/files/detector.onnx/bytes", json!(1u64 << 60)),
        says("another length", "/files/detector.onnx/bytes", json!(7)),
        says("another checksum", "/files/detector.onnx/sha256", json!("0".repeat(64))),
        find("a file out of the folder", |dir| {
            change_manifest(dir, |m| m["files"]["../../etc/passwd"] = m["files"]["detector.onnx"].clone());
        }),
        find("a file by an absolute path", |dir| {
            change_manifest(dir, |m| m["files"]["/etc/passwd"] = m["files"]["detector.onnx"].clone());
        }),
        find("a network that is a link to another file", |dir| {
            fs::remove_file(dir.join("bundle/detector.onnx")).unwrap();
            symlink("/etc/passwd", dir.join("bundle/detector.onnx")).unwrap();
        }),
        find("a network that is a device", |dir| {
            fs::remove_file(dir.join("bundle/detector.onnx")).unwrap();
            symlink("/dev/zero", dir.join("bundle/detector.onnx")).unwrap();
        }),
        find("a network that is not there", |dir| fs::remove_file(dir.join("bundle/detector.onnx")).unwrap()),
        find("a network with a byte flipped", |dir| {
            let path = dir.join("bundle/detector.onnx");
            let mut content = fs::read(&path).unwrap();
            content[100] ^= 1;
            fs::write(&path, content).unwrap();
        }),
        find("a network that is no ONNX", |dir| put(dir, "detector.onnx", b"<html>not found</html>")),
    ];
    rows.extend(networks());
    rows
}

fn networks() -> Vec<Row> {
    let graph = |what, change: fn(&mut lkg_bundle::onnx::GraphProto)| {
        find(what, move |dir| change_network(dir, Detector, |m| change(m.graph.as_mut().unwrap())))
    };
    let outside = || TensorProto {
        name: "w".to_owned(),
        data_type: 1,
        dims: vec![1],
        external_data: vec![Opaque {}],
        data_location: 1,
        ..TensorProto::default()
    };
    vec![
        find("a network with data in another file", move |dir| {
            change_network(dir, Detector, |m| m.graph.as_mut().unwrap().initializer.push(outside()));
        }),
        find("a network of an operator set to come", |dir| {
            change_network(dir, Detector, |m| m.opset_import[0].version = 99);
        }),
        graph("an operator outside the list", |g| g.node[0].op_type = "Loop".to_owned()),
        graph("an operator of somebody's own", |g| g.node[0].domain = "com.evil".to_owned()),
        graph("a network of 40,000 nodes", |g| {
            let node = g.node[0].clone();
            g.node.extend(vec![node; 40_000]);
        }),
        graph("a tensor of 2^80 numbers", |g| g.initializer[0].dims = vec![1 << 40, 1 << 40]),
        graph("an input of another shape", |g| g.input.clear()),
        graph("outputs that change places", |g| {
            let (first, second) = (g.output[0].name.clone(), g.output[1].name.clone());
            (g.output[0].name, g.output[1].name) = (second, first);
        }),
        graph("a node that reads what nobody makes", |g| g.node[1].input[0] = "nothing".to_owned()),
        graph("weights that do not fit", |g| {
            let shift = g.initializer.iter_mut().find(|t| t.name == "shift").unwrap();
            (shift.dims, shift.raw_data) = (vec![3], vec![0; 12]);
        }),
        find("NaN in the detector", |dir| change_network(dir, Detector, |m| fill(m, "shift", f32::NAN))),
        row("NaN in the keypoint generator", DRAW)
            .make(|dir| change_network(dir, KeypointGenerator, |m| fill(m, "w_pose", f32::NAN))),
        row("infinity in the keypoint generator", DRAW)
            .make(|dir| change_network(dir, KeypointGenerator, |m| fill(m, "w_background", f32::INFINITY))),
        row("NaN in the image generator", DRAW)
            .make(|dir| change_network(dir, ImageGenerator, |m| fill(m, "w", f32::NAN))),
        row("golden tensors that are none, to verify", "verify --json")
            .exits(2, 0)
            .make(|dir| put(dir, "golden.safetensors", b"\xff\xff\xff\xff\xff\xff\xff\xff{}")),
        row("a damaged network, to verify", "verify --json").exits(2, 0).make(|dir| {
            fs::write(dir.join("bundle/detector.onnx"), "x").unwrap();
        }),
    ]
}

pub fn checkpoints() -> Vec<Row> {
    let sample = |what, change: fn(&Path)| {
        let run = workspace_tests::checkout::root().join("tests/fixtures/e12158f/run");
        row(what, "sample --run run --out a.png").of_trainer().takes(4.0, 600).make(move |dir| {
            fs::create_dir(dir.join("run")).unwrap();
            for name in ["config.toml", "gan.safetensors"] {
                fs::copy(run.join(name), dir.join("run").join(name)).unwrap();
            }
            change(&dir.join("run"));
        })
    };
    vec![
        row("no run", "sample --run none --out a.png").of_trainer().takes(4.0, 600),
        sample("a checkpoint cut short", |run| {
            let path = run.join("gan.safetensors");
            let content = fs::read(&path).unwrap();
            fs::write(&path, &content[..content.len() / 2]).unwrap();
        }),
        sample("a checkpoint that is none", |run| fs::write(run.join("gan.safetensors"), "hello").unwrap()),
        sample("an empty checkpoint", |run| fs::write(run.join("gan.safetensors"), "").unwrap()),
        sample("a checkpoint whose head says 2^63 bytes", |run| {
            fs::write(run.join("gan.safetensors"), [&[0xff; 8][..], b"{}"].concat()).unwrap();
        }),
        sample("a configuration with an unknown key", |run| {
            let path = run.join("config.toml");
            let text = fs::read_to_string(&path).unwrap();
            fs::write(&path, format!("wrong_key = 1\n{text}")).unwrap();
        }),
        sample("a configuration that is no TOML", |run| fs::write(run.join("config.toml"), "][").unwrap()),
    ]
}
