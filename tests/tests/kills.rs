//! Both programs, killed at random moments of all that they write: afterwards everything on the disk opens, goes on or is
//! made again, and no hidden file stays. `LKG_KILLS` says how many kills there are in all; `scripts/test-kills` asks for 200.

#![allow(clippy::unwrap_used)]

use std::fs;
use std::io::Write;
use std::path::Path;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::time::{Duration, Instant};

use lkg_bundle::testing::write_tiny_bundle;
use serde_json::Value;
use workspace_tests::tiny::{Tiny, log_lines};
use workspace_tests::{Outcome, program, runtime, trainer};

/// Kills of a run that names no number.
const FEW: usize = 8;

/// Frames a second of what is recorded.
const RATE: usize = 20;

/// Frames on their way: in the pipe, in the reader, in the loop.
const UNDER_WAY: usize = 14;

/// Moments, the same ones in every run.
struct Moments(u64);

impl Moments {
    /// A part of `most`.
    fn within(&mut self, most: Duration) -> Duration {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        most.mul_f64((self.0 >> 40) as f64 / f64::from(1u32 << 24))
    }
}

fn start(name: &str, args: &[&str]) -> Child {
    let mut command = Command::new(program(name));
    command.args(args).env_remove("LKG_BUNDLE").stdin(Stdio::piped());
    command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap()
}

/// Runs a program for a while; whether it was killed before its end.
fn killed_after(name: &str, args: &[&str], moment: Duration) -> bool {
    let mut child = start(name, args);
    drop(child.stdin.take());
    let began = Instant::now();
    while began.elapsed() < moment {
        if child.try_wait().unwrap().is_some() {
            return false;
        }
        std::thread::sleep(Duration::from_millis(3));
    }
    child.kill().unwrap();
    child.wait().unwrap();
    true
}

/// How long it takes when nobody kills it.
fn whole(name: &str, args: &[&str]) -> Duration {
    let began = Instant::now();
    let output = Command::new(program(name)).args(args).env_remove("LKG_BUNDLE").output().unwrap();
    assert!(output.status.success(), "{args:?}: {}", String::from_utf8_lossy(&output.stderr));
    began.elapsed()
}

/// Hidden files anywhere in a folder.
fn hidden(folder: &Path) -> Vec<String> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap().flatten() {
        if entry.file_name().to_string_lossy().starts_with('.') {
            found.push(entry.path().display().to_string());
        }
        if entry.file_type().unwrap().is_dir() {
            found.extend(hidden(&entry.path()));
        }
    }
    found
}

/// What is written, and how what a kill left of it is looked at.
struct Place {
    tiny: Tiny,
    bundle: String,
}

impl Place {
    fn new() -> Self {
        let tiny = Tiny::new();
        let bundle = tiny.path("tiny-bundle");
        fs::create_dir(&bundle).unwrap();
        write_tiny_bundle(Path::new(&bundle)).unwrap();
        Self { tiny, bundle }
    }

    fn path(&self, name: &str) -> String {
        self.tiny.path(name)
    }

    fn runtime(&self, args: &[&str]) -> Outcome {
        runtime(&[&["--bundle", &self.bundle], args].concat())
    }

    fn nothing_hidden(&self, after: &str) {
        let left = hidden(self.tiny.dir());
        assert!(left.is_empty(), "after {after}: {left:?}");
    }

    /// A training is killed, carries on and is the same as one that was not killed.
    fn training(&self, kills: usize, moments: &mut Moments) -> usize {
        let config = ["--config".to_owned(), self.path("tiny.toml")];
        let run = |args: &[String]| {
            trainer(&args.iter().map(String::as_str).collect::<Vec<_>>()).succeeded();
        };
        run(&[self.tiny.train("whole"), config.to_vec()].concat());
        let first =
            [self.tiny.train("killed"), config.to_vec(), vec!["--images".into(), "8".into()]].concat();
        run(&first);
        let resume = [self.tiny.train("killed"), vec!["--resume".into()]].concat();
        let resume: Vec<&str> = resume.iter().map(String::as_str).collect();
        let mut done = 0;
        for _ in 0..kills {
            if killed_after("trainer", &resume, moments.within(Duration::from_secs(4))) {
                done += 1;
            } else {
                // It came to its end: once more from the beginning.
                fs::remove_dir_all(self.path("killed")).unwrap();
                run(&first);
            }
        }
        trainer(&resume).succeeded();
        assert_eq!(log_lines(self.path("killed"), "gan"), log_lines(self.path("whole"), "gan"));
        self.nothing_hidden("training");
        done
    }

    /// A pack is there whole, or not, or is the one before.
    fn importing(&self, kills: usize, moments: &mut Moments) -> usize {
        let (pictures, pack) = (self.path("pictures"), self.path("pack"));
        let args = ["data", "import", &pictures, &pack, "--size", "512", "--force"];
        let most = whole("trainer", &args);
        let mut done = 0;
        for _ in 0..kills {
            done += usize::from(killed_after("trainer", &args, moments.within(most)));
            trainer(&["data", "inspect", &pack]).succeeded();
        }
        trainer(&args).succeeded();
        self.nothing_hidden("importing");
        done
    }

    /// A bundle is there whole, or is the one before.
    fn exporting(&self, kills: usize, moments: &mut Moments) -> usize {
        let (run, bundle, pictures) = (self.path("whole"), self.path("exported"), self.path("pictures"));
        trainer(&["detector", &pictures, "--run", &run, "--threads", "1", "--images", "8"]).succeeded();
        let args = ["export", "--onnx", &bundle, "--run", &run, "--force"];
        let most = whole("trainer", &args);
        let mut done = 0;
        for _ in 0..kills {
            done += usize::from(killed_after("trainer", &args, moments.within(most)));
            runtime(&["verify", &bundle]).succeeded();
        }
        trainer(&args).succeeded();
        runtime(&["verify", &bundle]).succeeded();
        self.nothing_hidden("exporting");
        done
    }

    /// Clips play up to about their last second, keypoints are there line by line, pictures are whole.
    fn recording(&self, kills: usize, moments: &mut Moments) -> usize {
        let mut done = 0;
        for number in 0..kills {
            let folder = self.path(&format!("recorded-{number}"));
            fs::create_dir(&folder).unwrap();
            let name = |file: &str| format!("{folder}/{file}");
            let (mp4, avi, lines, pictures) =
                (name("a.mp4"), name("b.avi"), name("k.jsonl"), name("f%04d.png"));
            let args = [
                "--bundle",
                &self.bundle,
                "webcam",
                "-",
                "--headless",
                "--provider",
                "cpu",
                "--min-confidence",
                "0",
                "--out",
                &mp4,
                "--out",
                &avi,
                "--out",
                &pictures,
                "--keypoints",
                &lines,
            ];
            let mut child = start("runtime", &args);
            let (sent, pipe) =
                send_frames(&mut child, Duration::from_millis(300) + moments.within(Duration::from_secs(4)));
            child.kill().unwrap();
            child.wait().unwrap();
            drop(pipe);
            done += 1;
            // The next run in that folder.
            let next = name("next.avi");
            let said = self.runtime(&["webcam", &self.path("pictures"), "--headless", "--out", &next]);
            said.succeeded();
            let left = hidden(Path::new(&folder));
            assert!(left.is_empty(), "recording {number}, {sent} frames: {left:?}");
            let least = sent.saturating_sub(RATE + UNDER_WAY);
            for clip in [&mp4, &avi] {
                if !Path::new(clip).exists() {
                    assert!(least == 0, "{clip} is gone, of {sent} frames");
                    continue;
                }
                assert!(said.stderr.contains("recovered from a run that was killed"), "{said:?}");
                let seen = self.runtime(&["webcam", clip, "--headless", "--out", "null", "--json"]);
                let report: Value = serde_json::from_str(seen.succeeded()).unwrap();
                let frames = report["frames"].as_u64().unwrap() as usize;
                assert!((least..=sent).contains(&frames), "{clip}: {frames} of {sent} frames");
            }
            for line in fs::read_to_string(&lines).unwrap_or_default().lines() {
                serde_json::from_str::<Value>(line).unwrap();
            }
            let whole_pictures = fs::read_dir(&folder).unwrap().flatten().map(|e| e.path());
            let whole_pictures: Vec<_> =
                whole_pictures.filter(|p| p.extension().is_some_and(|e| e == "png")).collect();
            assert!(
                whole_pictures.len() >= sent.saturating_sub(UNDER_WAY),
                "{} pictures",
                whole_pictures.len()
            );
            whole_pictures.iter().for_each(|path| drop(image::open(path).unwrap()));
        }
        done
    }

    /// An edited picture and its session are there whole, or are those before.
    fn editing(&self, kills: usize, moments: &mut Moments) -> usize {
        let (picture, session, script) = (self.path("e.png"), self.path("e.json"), self.path("do.json"));
        fs::write(&script, r#"[{"op":"move","part":0,"dx":0.1}]"#).unwrap();
        let args = [
            "--bundle",
            &self.bundle,
            "edit",
            "seed:1",
            "--do",
            &script,
            "--out",
            &picture,
            "--save",
            &session,
            "--force",
        ];
        let most = whole("runtime", &args);
        let mut done = 0;
        for _ in 0..kills {
            done += usize::from(killed_after("runtime", &args, moments.within(most)));
            image::open(&picture).unwrap();
            let again = self.path("again.png");
            self.runtime(&["edit", &session, "--out", &again, "--force"]).succeeded();
        }
        runtime(&args).succeeded();
        self.nothing_hidden("editing");
        done
    }
}

/// Writes moving pictures to a program's standard input for a while; how many it took. The end of the pipe would be that of the
/// recording.
fn send_frames(child: &mut Child, time: Duration) -> (usize, ChildStdin) {
    let (width, height) = (160usize, 120usize);
    let mut pipe = child.stdin.take().unwrap();
    pipe.write_all(format!("YUV4MPEG2 W{width} H{height} F{RATE}:1 C420jpeg\n").as_bytes()).unwrap();
    let (began, mut sent) = (Instant::now(), 0);
    while began.elapsed() < time {
        let mut frame = b"FRAME\n".to_vec();
        for y in 0..height {
            frame.extend((0..width).map(|x| (16 + (x + y + 5 * sent) % 200) as u8));
        }
        frame.extend(vec![128; width * height / 2]);
        if pipe.write_all(&frame).is_err() {
            break;
        }
        sent += 1;
        std::thread::sleep(Duration::from_millis(10));
    }
    (sent, pipe)
}

#[test]
fn whatever_is_killed_leaves_nothing_broken() {
    let kills = std::env::var("LKG_KILLS").ok().and_then(|n| n.parse().ok()).unwrap_or(FEW);
    let (place, mut moments) = (Place::new(), Moments(27));
    let share = |of: usize| (kills * of).div_ceil(FEW);
    type Job = fn(&Place, usize, &mut Moments) -> usize;
    let jobs: [(&str, usize, Job); 5] = [
        ("training", share(1), Place::training),
        ("importing", share(2), Place::importing),
        ("exporting", share(1), Place::exporting),
        ("recording", share(2), Place::recording),
        ("editing", share(2), Place::editing),
    ];
    let mut all = 0;
    for (name, kills, job) in jobs {
        let began = Instant::now();
        let done = job(&place, kills, &mut moments);
        println!("{name}: {done} of {kills} kills before its end, {:.0} s", began.elapsed().as_secs_f64());
        all += kills;
    }
    println!("{all} kills: everything opens, goes on or is made again");
}
