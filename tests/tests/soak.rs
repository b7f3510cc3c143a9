//! `scripts/soak --check`: the check of a long run sees what leaks, on samples made up here.

#![allow(clippy::unwrap_used)]

use std::fmt::Write;
use std::path::Path;
use std::process::Command;

/// Memory in kB, threads and files at a second of the run.
type Sample = (f64, u32, u32);

/// What the script says of three minutes of samples, one a second, and whether it accepts them.
fn assessed(seconds: u32, sample: impl Fn(u32) -> Sample) -> (bool, String) {
    let mut text = String::new();
    for second in 1..=seconds {
        let (memory, threads, files) = sample(second);
        writeln!(text, "{second} {memory:.0} {threads} {files}").unwrap();
    }
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), text).unwrap();
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().join("scripts/soak");
    let output = Command::new(script).arg("--check").arg(file.path()).output().unwrap();
    (output.status.success(), String::from_utf8(output.stdout).unwrap())
}

#[test]
fn a_steady_run_passes_however_it_warms_up() {
    // Grows while it warms up, then shakes by 5 %, as a clip that is opened anew does; every fifth second a file is open for an instant.
    let (ok, said) = assessed(180, |second| {
        let memory = 80_000.0 + f64::from(400 * second.min(55)) + f64::from(second % 7) * 800.0;
        (memory, 5, 12 + u32::from(second % 5 == 0))
    });
    assert!(ok, "{said}");
    assert!(said.contains("n = 180 samples"), "{said}");
}

#[test]
fn what_leaks_is_seen() {
    // 40 kB a second: 2.4 % in the minute between the windows.
    let (ok, said) = assessed(180, |second| (100_000.0 + 40.0 * f64::from(second), 5, 12));
    assert!(!ok && said.contains("memory grows"), "{said}");
    let (ok, said) = assessed(180, |second| (100_000.0, 5 + second / 120, 12));
    assert!(!ok && said.contains("threads went from 5 to 6"), "{said}");
    let (ok, said) = assessed(180, |second| (100_000.0, 5, 12 + second / 60));
    assert!(!ok && said.contains("open files went from 13 to 14"), "{said}");
    let (ok, said) = assessed(120, |_| (100_000.0, 5, 12));
    assert!(!ok && said.contains("too short"), "{said}");
}

/// Windows of 1000 frames: second, frames, kB, threads, files, four times of a frame, and the processor's.
type Window = (f64, u32, u32, f64);

/// What the script says of a hundred windows of a run that was counted in frames.
fn by_frames(window: impl Fn(u32) -> Window) -> (bool, String) {
    let dir = tempfile::tempdir().unwrap();
    let mut text = "second\tframes\tmemory\tthreads\tfiles\tp50\tp90\tp99\tlongest\tprocessor\n".to_owned();
    for i in 1..=100 {
        let (memory, threads, files, processor) = window(i);
        writeln!(text, "{i}\t{}\t{memory:.0}\t{threads}\t{files}\t2\t3\t5\t40\t{processor}", i * 1000)
            .unwrap();
    }
    std::fs::write(dir.path().join("run.tsv"), text).unwrap();
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().join("scripts/soak");
    let output = Command::new(script).arg("--check-frames").arg(dir.path().join("run")).output().unwrap();
    let said = String::from_utf8(output.stdout).unwrap();
    // Where gnuplot is there it draws.
    assert!(said.contains("no plot") || dir.path().join("run.png").is_file(), "{said}");
    (output.status.success(), said)
}

#[test]
fn a_run_by_frames_is_held_to_the_same() {
    let (ok, said) =
        by_frames(|i| (80_000.0 + f64::from(900 * i.min(10)), 5, 12 + i % 3, 2.0 + f64::from(i % 7) / 10.0));
    assert!(ok && said.contains("100000"), "{said}");
    let (ok, said) = by_frames(|i| (100_000.0 + 30.0 * f64::from(i), 5, 12, 2.0));
    assert!(!ok && said.contains("memory grows"), "{said}");
    let (ok, said) = by_frames(|i| (100_000.0, 5 + i / 50, 12, 2.0));
    assert!(!ok && said.contains("threads went from 5 to 6"), "{said}");
    let (ok, said) = by_frames(|i| (100_000.0, 5, 12 + i / 40, 2.0));
    assert!(!ok && said.contains("files went from 12 to 14"), "{said}");
    let (ok, said) = by_frames(|i| (100_000.0, 5, 12, 2.0 + f64::from(i) / 40.0));
    assert!(!ok && said.contains("more and more work"), "{said}");
}
