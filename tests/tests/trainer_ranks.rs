//! Training over two processes by MPI: the gradients of one, the same networks on both, and no process left waiting.
//! These tests need `mpirun` and a trainer with the feature `mpi`: `scripts/test-ranks` sees to both and sets LKG_RANKS,
//! without which they are skipped.

#![allow(clippy::unwrap_used)]

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use safetensors::SafeTensors;
use workspace_tests::tiny::{CONFIG, Tiny, log_lines};
use workspace_tests::{program, trainer};

/// Processes that are still there after this long wait for something that won't happen.
const PATIENCE: Duration = Duration::from_secs(60);

/// Every loss, groups of 4 images, 8 a step; 20 steps, of which 6 at the smaller size.
fn config() -> String {
    let all = "[gan]\nnorm_group = 4\nkeypoint_discriminator.weight = 0.5\nappearance_discriminator.weight = 0.5\ncycle.keypoints_weight = 1.0\n\
        cycle.embeddings_weight = 1.0\nreconstruction.image_weight = 1.0\nreconstruction.perceptual_weight = 0.5\nfeature_matching.weight = 1.0\n\
        diversity.weight = 0.3\ndiversity.every = 2\naugment.translation = 0.2\naugment.cutout = 0.3\n";
    CONFIG
        .replace("[gan]\nbatch = 4\n", &format!("{all}batch = 8\n"))
        .replace("images = [24, 56]", "images = [48, 112]")
}

/// Whether this is `scripts/test-ranks`; says so if not.
fn ready() -> bool {
    let ready = std::env::var_os("LKG_RANKS").is_some();
    if !ready {
        eprintln!("skipped: scripts/test-ranks builds a trainer with MPI and runs this");
    }
    ready
}

fn tiny() -> Tiny {
    let tiny = Tiny::new();
    fs::write(tiny.path("ranks.toml"), config()).unwrap();
    tiny
}

/// A new run with the configuration, saving every step.
fn train(tiny: &Tiny, run: &str, more: &[&str]) -> Vec<String> {
    let config = ["--config".to_owned(), tiny.path("ranks.toml")];
    let more = more.iter().map(|&m| m.to_owned());
    tiny.train(run).into_iter().chain(config).chain(more).collect()
}

/// `mpirun` with one process for each of `ranks`, which are arguments of `trainer`.
fn mpirun(ranks: &[Vec<String>]) -> Child {
    let mut command = Command::new("mpirun");
    for (i, arguments) in ranks.iter().enumerate() {
        if i > 0 {
            command.arg(":");
        }
        command.args(["-n", "1"]).arg(program("trainer")).args(arguments).arg("--ranks");
    }
    command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
}

/// Exit code, standard output and standard error of `child`, which must end by itself.
fn ended(mut child: Child) -> (i32, String, String) {
    let begun = Instant::now();
    while child.try_wait().unwrap().is_none() {
        if begun.elapsed() > PATIENCE {
            child.kill().unwrap();
            let output = child.wait_with_output().unwrap();
            panic!("the ranks hang: {}", String::from_utf8_lossy(&output.stderr));
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    let output = child.wait_with_output().unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (output.status.code().unwrap_or(-1), text(&output.stdout), text(&output.stderr))
}

fn two(arguments: &[String]) -> (i32, String, String) {
    ended(mpirun(&[arguments.to_vec(), arguments.to_vec()]))
}

fn one(arguments: &[String]) {
    trainer(&arguments.iter().map(String::as_str).collect::<Vec<_>>()).succeeded();
}

/// The numbers of each float32 tensor in a file.
fn tensors(path: impl AsRef<Path>) -> BTreeMap<String, Vec<f32>> {
    let content = fs::read(path).unwrap();
    let file = SafeTensors::deserialize(&content).unwrap();
    let numbers = |data: &[u8]| {
        data.chunks_exact(4).map(|b| f32::from_le_bytes(b.try_into().unwrap())).collect::<Vec<_>>()
    };
    file.iter()
        .filter(|(_, t)| t.dtype() == safetensors::Dtype::F32)
        .map(|(n, t)| (n.into(), numbers(t.data())))
        .collect()
}

fn most(numbers: impl IntoIterator<Item = f32>) -> f32 {
    numbers.into_iter().fold(0.0, |most, x| most.max(x.abs()))
}

fn off(a: &[f32], b: &[f32]) -> f32 {
    assert_eq!(a.len(), b.len());
    most(a.iter().zip(b).map(|(a, b)| a - b))
}

#[test]
fn two_ranks_with_half_the_batch_compute_what_one_with_the_whole_does() {
    if !ready() {
        return;
    }
    let tiny = tiny();
    // The first step; that of the first gradient penalty; one at the larger size while it is blended in.
    for (steps, tolerance) in [(1, 1e-5), (4, 1e-5), (8, 1e-4)] {
        let images = (8 * steps).to_string();
        let gradients = |run: &str| {
            let file = tiny.path(&format!("{run}.gradients"));
            (train(&tiny, run, &["--images", &images, "--dump-gradients", &file]), file)
        };
        let (whole, whole_file) = gradients(&format!("whole{steps}"));
        let (halves, halves_file) = gradients(&format!("halves{steps}"));
        one(&whole);
        let (code, _, stderr) = two(&halves);
        assert_eq!(code, 0, "{stderr}");
        let (whole, halves) = (tensors(whole_file), tensors(halves_file));
        assert!(whole.len() > 100 && whole.keys().eq(halves.keys()));
        for network in ["generator/", "discriminator/", "inference/"] {
            let of = |(name, _): &(&String, &Vec<f32>)| name.starts_with(network);
            // Relative to the network's largest: some gradients are nothing but rounding.
            let largest = most(whole.iter().filter(of).flat_map(|(_, g)| g.iter().copied()));
            for (name, gradient) in whole.iter().filter(of) {
                let off = off(gradient, &halves[name]) / largest;
                assert!(off <= tolerance, "step {steps}, {name}: {off}");
            }
        }
    }
}

#[test]
fn networks_stay_close_to_those_of_one_process_and_equal_on_both_ranks() {
    if !ready() {
        return;
    }
    let tiny = tiny();
    // Every step is saved, and what differed between ranks would not be.
    one(&train(&tiny, "whole", &[]));
    let (code, stdout, stderr) = two(&train(&tiny, "halves", &[]));
    assert_eq!((code, stdout.lines().count()), (0, 1), "{stdout}{stderr}");
    let losses = |run: &str| -> Vec<BTreeMap<String, serde_json::Value>> {
        log_lines(tiny.path(run), "gan").iter().map(|l| serde_json::from_str(l).unwrap()).collect()
    };
    let (whole, halves) = (losses("whole"), losses("halves"));
    assert_eq!((whole.len(), halves.len()), (20, 20));
    for (a, b) in whole.iter().zip(&halves) {
        assert_eq!((&a["step"], &a["images"]), (&b["step"], &b["images"]));
        for key in ["discriminator", "generator", "background", "spread"] {
            let (a, b) = (a[key].as_f64().unwrap(), b[key].as_f64().unwrap());
            assert!((a - b).abs() <= 0.01 * (a.abs() + 0.1), "{key}: {a} {b}");
        }
    }
    let (whole, halves) =
        (tensors(tiny.path("whole/gan.safetensors")), tensors(tiny.path("halves/gan.safetensors")));
    let networks = |name: &str| name.starts_with("generator/") || name.starts_with("discriminator/");
    let (mut apart, mut count) = (0.0, 0);
    for (name, numbers) in whole.iter().filter(|(name, _)| networks(name)) {
        apart += numbers.iter().zip(&halves[name]).map(|(a, b)| f64::from((a - b).abs())).sum::<f64>();
        count += numbers.len();
    }
    // Twenty steps of at most 2e-4 and 4e-4 each.
    assert!(apart / count as f64 <= 1e-5, "{} on average", apart / count as f64);
}

#[test]
fn interrupted_ranks_stop_after_the_same_step_and_carry_on_bit_by_bit() {
    if !ready() {
        return;
    }
    let tiny = tiny();
    let (code, _, stderr) = two(&train(&tiny, "whole", &[]));
    assert_eq!(code, 0, "{stderr}");
    let arguments = train(&tiny, "stopped", &[]);
    let child = mpirun(&[arguments.clone(), arguments]);
    let ranks = wait_for_steps(&tiny, "stopped", &child);
    // Only the second rank is asked.
    signal("-INT", ranks[1]);
    let (code, _, stderr) = ended(child);
    assert_eq!(code, 130, "{stderr}");
    assert_eq!(stderr.matches("trainer: interrupted").count(), 1, "{stderr}");
    let steps = log_lines(tiny.path("stopped"), "gan").len();
    assert!(steps < 20, "it was over before");
    let (code, _, stderr) = two(&[tiny.train("stopped"), vec!["--resume".into()]].concat());
    assert_eq!(code, 0, "{stderr}");
    assert!(stderr.contains(&format!("carrying on at step {steps},")), "{stderr}");
    assert_eq!(log_lines(tiny.path("stopped"), "gan"), log_lines(tiny.path("whole"), "gan"));
    let of = |run: &str| tensors(tiny.path(&format!("{run}/gan.safetensors")));
    assert_eq!(of("stopped"), of("whole"));
}

#[test]
fn a_rank_that_dies_or_fails_ends_the_other() {
    if !ready() {
        return;
    }
    let tiny = tiny();
    fs::write(tiny.path("ranks.toml"), config().replace("[48, 112]", "[48, 1000000]")).unwrap();
    let arguments = train(&tiny, "killed", &[]);
    let child = mpirun(&[arguments.clone(), arguments]);
    let ranks = wait_for_steps(&tiny, "killed", &child);
    signal("-KILL", ranks[1]);
    let (code, _, stderr) = ended(child);
    assert_ne!(code, 0, "{stderr}");

    let arguments = train(&tiny, "failed", &[]);
    let child = mpirun(&[arguments.clone(), arguments]);
    wait_for_steps(&tiny, "failed", &child);
    // Only the first rank writes, and can't any more.
    let log = tiny.dir().join("failed/gan.jsonl");
    fs::rename(&log, tiny.dir().join("failed/moved")).unwrap();
    fs::create_dir(&log).unwrap();
    let (code, _, stderr) = ended(child);
    assert_eq!(code, 2, "{stderr}");
    assert!(stderr.contains("trainer: error: rank 0: ") && stderr.contains("gan.jsonl"), "{stderr}");
}

#[test]
fn ranks_that_do_not_fit_together_are_refused_in_one_line_and_leave_nothing() {
    if !ready() {
        return;
    }
    let tiny = tiny();
    let refused = |ranks: &[Vec<String>], part: &str| {
        let (code, stdout, stderr) = ended(mpirun(ranks));
        let errors: Vec<_> = stderr.lines().filter(|l| l.starts_with("trainer: error: ")).collect();
        assert!(code == 2 && stdout.is_empty(), "{code} {stdout} {stderr}");
        assert!(errors.len() == 1 && errors[0].contains(part), "expected {part:?}: {stderr}");
        assert!(!tiny.dir().join("run").exists());
    };
    let sound = train(&tiny, "run", &[]);
    refused(&[sound.clone(), sound.clone(), sound.clone()], "gan.batch 8 can't be shared by 3 ranks");
    let other = train(&tiny, "run", &["--seed", "5"]);
    refused(&[sound.clone(), other], "rank 1 has another configuration than rank 0");
    fs::create_dir(tiny.dir().join("few")).unwrap();
    for i in 0..10 {
        fs::copy(tiny.path(&format!("pictures/{i:02}.png")), tiny.path(&format!("few/{i}.png"))).unwrap();
    }
    let few: Vec<_> = sound.iter().map(|a| a.replace("/pictures", "/few")).collect();
    refused(&[sound.clone(), few], "rank 1 has other pictures than rank 0");
    let gone: Vec<_> = sound.iter().map(|a| a.replace("ranks.toml", "gone.toml")).collect();
    refused(&[sound, gone], "rank 1: ");
}

#[test]
fn one_process_with_ranks_is_the_only_rank() {
    if !ready() {
        return;
    }
    let tiny = tiny();
    one(&train(&tiny, "plain", &["--images", "16"]));
    let alone = train(&tiny, "alone", &["--images", "16", "--ranks"]);
    let outcome = trainer(&alone.iter().map(String::as_str).collect::<Vec<_>>());
    outcome.succeeded();
    assert!(outcome.stderr.starts_with("one rank: "), "{outcome:?}");
    assert_eq!(log_lines(tiny.path("alone"), "gan"), log_lines(tiny.path("plain"), "gan"));
}

/// Waits until a run has logged some steps, and returns its processes, rank 0 first.
fn wait_for_steps(tiny: &Tiny, run: &str, mpirun: &Child) -> Vec<u32> {
    let log = tiny.dir().join(run).join("gan.jsonl");
    let begun = Instant::now();
    while !fs::read_to_string(&log).is_ok_and(|t| t.lines().count() > 2) {
        assert!(begun.elapsed() < PATIENCE, "{run} does not get going");
        std::thread::sleep(Duration::from_millis(5));
    }
    let children = format!("/proc/{0}/task/{0}/children", mpirun.id());
    let mut ranks: Vec<u32> =
        fs::read_to_string(children).unwrap().split_whitespace().map(|p| p.parse().unwrap()).collect();
    ranks.sort_unstable();
    assert_eq!(ranks.len(), 2);
    ranks
}

fn signal(name: &str, process: u32) {
    assert!(Command::new("kill").args([name, &process.to_string()]).status().unwrap().success());
}
