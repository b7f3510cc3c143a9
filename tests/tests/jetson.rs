//! The scripts for a Jetson, on a root file system made up for them.

#![allow(clippy::unwrap_used)]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use lkg_bundle::testing::{write_tiny_bundle, write_tiny_bundle_in_two};
use workspace_tests::{Outcome, program};

/// What NVIDIA writes on JetPack 6.2.
const JETPACK_6: &str =
    "# R36 (release), REVISION: 4.3, GCID: 38968081, BOARD: generic, EABI: aarch64, DATE: x";

/// A Jetson, as far as the scripts look.
struct Jetson {
    dir: tempfile::TempDir,
    machine: &'static str,
}

impl Jetson {
    fn new(release: &str) -> Self {
        let jetson = Self { dir: tempfile::tempdir().unwrap(), machine: "aarch64" };
        jetson.write("etc/nv_tegra_release", &format!("{release}\n"));
        jetson.write("proc/device-tree/model", "NVIDIA Jetson Orin Nano Developer Kit\0");
        for library in ["libcudart.so.12", "libcublas.so.12", "libcudnn.so.9"] {
            jetson.write(&format!("usr/lib/aarch64-linux-gnu/{library}"), "");
        }
        jetson
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn write(&self, name: &str, content: &str) {
        fs::create_dir_all(self.path(name).parent().unwrap()).unwrap();
        fs::write(self.path(name), content).unwrap();
    }

    /// A wheel with these files beside Python's module.
    fn wheel(&self, name: &str, files: &[&str]) -> String {
        for file in files {
            self.write(&format!("{name}.files/onnxruntime/capi/{file}"), file);
        }
        let wheel = self.path(&format!("{name}.whl"));
        let mut zip = Command::new("python3");
        zip.args(["-m", "zipfile", "-c"]).arg(&wheel).arg("onnxruntime");
        assert!(zip.current_dir(self.path(&format!("{name}.files"))).status().unwrap().success());
        wheel.to_str().unwrap().to_owned()
    }

    /// Runs a script of `scripts/jetson`.
    fn run(&self, script: &'static str, args: &[&str]) -> Outcome {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../scripts/jetson").join(script);
        let mut command = Command::new(path);
        command.args(args).env("LKG_ROOT", self.dir.path()).env("LKG_MACHINE", self.machine);
        command.env("LKG_CACHE", self.path("cache")).env("LKG_RUNTIME", program("runtime"));
        // The library of the tests, as the cache is another one.
        if let Some(library) = library() {
            command.env("ORT_DYLIB_PATH", library);
        }
        command.env("LKG_BUNDLE", self.path("bundle")).current_dir(self.dir.path());
        Outcome::of(script, &command.output().unwrap())
    }

    fn install_says(&self, parts: &[&str]) {
        let outcome = self.run("install", &["--dry-run"]);
        let said = outcome.succeeded();
        assert!(parts.iter().all(|p| said.contains(p)), "{outcome:?}");
    }

    fn install_refuses(&self, args: &[&str], part: &str) {
        let outcome = self.run("install", args);
        assert!(outcome.code == 1 && outcome.stderr.contains(part), "{outcome:?}");
        assert!(!self.path("cache/onnxruntime/lib/libonnxruntime.so").exists());
    }
}

/// ONNX Runtime as the runtime finds it in this checkout.
fn library() -> Option<PathBuf> {
    let cache = std::env::var_os("LKG_CACHE").filter(|v| !v.is_empty()).map(PathBuf::from);
    let cache = cache.unwrap_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../.cache"));
    let entries = fs::read_dir(cache.join("onnxruntime/lib")).ok()?;
    let mut paths = entries.flatten().map(|e| e.path());
    paths.find(|p| p.file_name().is_some_and(|n| n.to_string_lossy().starts_with("libonnxruntime.so")))
}

#[test]
fn each_jetpack_gets_its_own_build() {
    Jetson::new(JETPACK_6).install_says(&["Orin Nano", "L4T 36.4.3, JetPack 6", "extended==1.23.2.12.9"]);
    let older = "# R36 (release), REVISION: 3.0, GCID: 1";
    Jetson::new(older).install_says(&["L4T 36.3.0, JetPack 6.0", "extended==1.22.2.12.8"]);
    for (release, name) in
        [("# R35 (release), REVISION: 5.0,", "JetPack 5"), ("# R39 (release), REVISION: 2,", "JetPack 7")]
    {
        let jetson = Jetson::new(release);
        jetson.install_refuses(&[], &format!("no ONNX Runtime with CUDA for {name}"));
        let outcome = jetson.run("install", &["--dry-run", "--cpu"]);
        assert!(outcome.succeeded().contains("onnxruntime==1.31.1 into"), "{outcome:?}");
    }
}

#[test]
fn what_is_no_jetson_is_told_so() {
    Jetson::new("# R32 (release), REVISION: 7.1,").install_refuses(&[], "L4T 32.7.1 is not known here");
    Jetson::new("something else").install_refuses(&[], "does not begin as NVIDIA writes it");
    let mut jetson = Jetson::new(JETPACK_6);
    jetson.machine = "x86_64";
    jetson.install_refuses(&[], "this machine is x86_64");
    fs::remove_file(jetson.path("etc/nv_tegra_release")).unwrap();
    jetson.install_refuses(&[], "this is no Jetson");
    for script in ["check", "bench"] {
        let outcome = jetson.run(script, &[]);
        assert!(outcome.code == 1 && outcome.stderr.contains("this is no Jetson"), "{outcome:?}");
    }
}

#[test]
fn what_of_jetpack_is_missing_is_named() {
    let jetson = Jetson::new(JETPACK_6);
    fs::remove_file(jetson.path("usr/lib/aarch64-linux-gnu/libcudnn.so.9")).unwrap();
    let outcome = jetson.run("install", &["--dry-run"]);
    assert!(outcome.stderr.contains("missing: libcudnn.so. Install"), "{outcome:?}");
    jetson.install_says(&["TensorRT (libnvinfer.so) is not here"]);
}

#[test]
fn a_wheel_is_unpacked_whole_and_takes_the_place_of_another() {
    let jetson = Jetson::new(JETPACK_6);
    let module = "onnxruntime_pybind11_state.so";
    let cuda = ["libonnxruntime.so.1.24.4", "libonnxruntime_providers_cuda.so", module];
    let good = jetson.wheel("good", &cuda);
    let lib = "cache/onnxruntime/lib";
    jetson.write(&format!("{lib}/libonnxruntime.so.1.31.1"), "of another build");
    jetson.write(&format!("{lib}/libonnxruntime_providers_shared.so"), "of another build");
    let module_only = jetson.wheel("module", &[module]);
    jetson.install_refuses(&["--wheel", &module_only], "no libonnxruntime.so of its own");
    let processor = jetson.wheel("processor", &["libonnxruntime.so.1.24.4"]);
    jetson.install_refuses(&["--wheel", &processor], "a build without CUDA");
    assert!(
        jetson.path(&format!("{lib}/libonnxruntime.so.1.31.1")).exists(),
        "a refusal leaves what was there"
    );
    jetson.run("install", &["--wheel", &good]).succeeded();
    let mut names: Vec<_> = fs::read_dir(jetson.path(lib))
        .unwrap()
        .map(|e| e.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    assert_eq!(names, ["libonnxruntime.so", cuda[0], cuda[1]]);
    let plain = fs::read_link(jetson.path(&format!("{lib}/libonnxruntime.so"))).unwrap();
    assert_eq!(plain, Path::new(cuda[0]));
}

#[test]
fn check_and_bench_say_what_computes() {
    let jetson = Jetson::new(JETPACK_6);
    fs::create_dir(jetson.path("bundle")).unwrap();
    write_tiny_bundle(&jetson.path("bundle")).unwrap();
    let check = jetson.run("check", &[]);
    assert!(check.stdout.contains("power mode: ") && check.stdout.contains("=== tensorrt"), "{check:?}");
    let gpu = check.code == 0;
    assert!(gpu || (check.code == 2 && check.stderr.contains("only the processor computes")), "{check:?}");
    let short =
        "--seconds 0.02 --samples 3 --warmup 0 --warmup-runs 1 --rounds 2 --cold 0 --live 0 --batch 1";
    let short: Vec<_> = short.split(' ').collect();
    let bench = jetson.run("bench", &[&["--out", "r.md"], &short[..]].concat());
    bench.succeeded();
    let report = fs::read_to_string(jetson.path("r.md")).unwrap();
    assert!(report.starts_with("# NVIDIA Jetson Orin Nano") && report.contains("L4T 36.4.3"), "{report}");
    let rows: Vec<_> =
        report.lines().filter(|l| l.starts_with("| cpu") || l.starts_with("| cuda ")).collect();
    let p50 = rows[0].split(['|', ',']).nth(2).and_then(|n| n.trim().parse::<f64>().ok());
    assert!(p50.is_some_and(|ms| ms > 0.0) && rows.len() >= 2, "{report}");
    assert!(gpu || rows[1].contains("CUDA execution provider"), "{report}");
    assert!(report.contains("## cpu") && report.contains("verdict: "), "{report}");
    let again = jetson.run("bench", &["--out", "r.md"]);
    assert!(again.code == 1 && again.stderr.contains("is there already"), "{again:?}");
}

/// The column of the generator was empty: it asked for a network that a bundle with style and render does not have.
#[test]
fn the_report_has_times_of_every_network() {
    for whole in [true, false] {
        let jetson = Jetson::new(JETPACK_6);
        let bundle = jetson.path("bundle");
        fs::create_dir(&bundle).unwrap();
        if whole { write_tiny_bundle(&bundle) } else { write_tiny_bundle_in_two(&bundle) }.unwrap();
        let line = "--out r.md --seconds 0.02 --samples 3 --warmup 0 --warmup-runs 1 --rounds 2 --cold 0 --live 0 \
                    --batch 1 --size 64x48";
        jetson.run("bench", &line.split_whitespace().collect::<Vec<_>>()).succeeded();
        let report = fs::read_to_string(jetson.path("r.md")).unwrap();
        let cells = |start: &str| -> Vec<String> {
            let row = report.lines().find(|l| l.starts_with(start)).unwrap();
            row.trim_matches('|').split('|').map(|c| c.trim().to_owned()).collect()
        };
        let (heads, times) = (cells("| setting"), cells("| cpu"));
        assert_eq!((heads.len(), times.len(), cells("| ---").len()), (8, 8, 8), "{report}");
        for (head, cell) in heads.iter().zip(&times).skip(1).take(4) {
            let timed = cell.split(", ").filter(|t| t.parse::<f64>().is_ok_and(|ms| ms > 0.0)).count() == 2;
            let absent = whole && head.starts_with("style network");
            assert!(timed != absent && (timed || cell == "-"), "{head}: {cell}\n{report}");
        }
        let left_out: Vec<usize> = report
            .lines()
            .filter(|l| l.starts_with("| tensorrt"))
            .map(|l| l.trim_matches('|').split('|').count())
            .collect();
        assert!(left_out.iter().all(|n| *n == 8), "{report}");
    }
}
