//! Nothing leaves the device: no command that reads and writes files opens a socket, or writes anything but what it was
//! asked for. Looked at from outside, by strace.

#![allow(clippy::unwrap_used)]

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use workspace_tests::{program, runtime};

/// What opens a connection, and what makes or changes a file.
const CALLS: &str = "%network,open,openat,openat2,creat,rename,renameat,renameat2,link,linkat,symlink,symlinkat,mkdir,mkdirat,\
                     mknod,mknodat,truncate,unlink,unlinkat,rmdir";

/// Whether strace is there and may look; said where not.
fn can_trace() -> bool {
    let tried =
        Command::new("strace").args(["-f", "true"]).stdout(Stdio::null()).stderr(Stdio::null()).status();
    let can = tried.is_ok_and(|status| status.success());
    if !can {
        println!("skipped: strace is missing or may not trace here (scripts/setup test installs it)");
    }
    can
}

/// A folder to work in, beside an empty home and an empty folder for temporary files.
struct Place(tempfile::TempDir);

impl Place {
    fn new() -> Self {
        let place = Self(tempfile::tempdir().unwrap());
        for name in ["work", "home", "tmp"] {
            fs::create_dir(place.0.path().join(name)).unwrap();
        }
        place
    }

    fn work(&self) -> PathBuf {
        self.0.path().join("work")
    }

    fn has(&self, folder: &str) -> BTreeSet<String> {
        let entries = fs::read_dir(self.0.path().join(folder)).unwrap();
        entries.map(|e| e.unwrap().file_name().into_string().unwrap()).collect()
    }

    /// Runs a command under strace; the lines of what it called.
    fn trace(&self, args: &[&str]) -> Vec<String> {
        let log = self.0.path().join("log");
        let bundle = Path::new(env!("CARGO_MANIFEST_DIR")).join("../models/faces64-edge");
        let mut command = Command::new("strace");
        command
            .args(["-f", "--seccomp-bpf", "-qq", "-s", "4096", "-e", &format!("trace={CALLS}"), "-o"])
            .arg(&log);
        command.arg(program("runtime")).args(["--provider", "cpu", "--bundle"]).arg(bundle).args(args);
        command.current_dir(self.work()).env_remove("LKG_BUNDLE").env_remove("XDG_CONFIG_HOME");
        for name in ["HOME", "XDG_CACHE_HOME", "XDG_RUNTIME_DIR"] {
            command.env(name, self.0.path().join("home"));
        }
        command.env("TMPDIR", self.0.path().join("tmp")).env_remove("DISPLAY").env_remove("WAYLAND_DISPLAY");
        let output = command.output().unwrap();
        assert!(output.status.success(), "{args:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8_lossy(&fs::read(log).unwrap()).lines().map(str::to_owned).collect()
    }

    /// Asserts that a command opens no socket, writes the files `asked` and no other, and keeps those that it is not done
    /// with to this user.
    fn check(&self, args: &[&str], asked: &[&str]) {
        let before = self.has("work");
        let calls = self.trace(args);
        assert!(calls.iter().any(|c| c.contains("openat(")), "{args:?}: nothing was traced");
        for call in &calls {
            let name = call.split_once('(').map_or("", |(name, _)| name.rsplit(' ').next().unwrap());
            let network = ["socket", "connect", "bind", "listen", "accept", "send", "recv", "socketpair"];
            assert!(!network.iter().any(|n| name.starts_with(n)), "{args:?}: {call}");
            let writes = !name.starts_with("open")
                || ["O_WRONLY", "O_RDWR", "O_CREAT"].iter().any(|flag| call.contains(flag));
            if call.contains("= -1 ") || name.is_empty() || !writes || call.contains("\"/dev/null\"") {
                continue;
            }
            let named = call.split('"').skip(1).step_by(2);
            for path in named {
                let path = self.work().join(path);
                let inside = path.parent() == Some(&self.work());
                // A part file is hidden and has the name of what it will be in its own.
                let file = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
                let own =
                    asked.iter().any(|name| file == *name || (file.starts_with('.') && file.contains(*name)));
                assert!(inside && own, "{args:?} wrote {}: {call}", path.display());
                if call.contains("O_CREAT") {
                    let mode = call.rsplit_once(") = ").unwrap().0.rsplit(", ").next().unwrap();
                    let mode = u32::from_str_radix(mode, 8).unwrap_or_else(|_| panic!("no mode: {call}"));
                    assert_eq!(mode & 0o077, 0, "others may read what is not done: {call}");
                }
            }
        }
        let made: BTreeSet<String> = self.has("work").difference(&before).cloned().collect();
        assert_eq!(made, asked.iter().map(|name| (*name).to_owned()).collect(), "{args:?}");
        assert_eq!((self.has("home").len(), self.has("tmp").len()), (0, 0), "{args:?}");
        for name in asked {
            let mode = fs::metadata(self.work().join(name)).unwrap().permissions().mode() & 0o777;
            assert_eq!(mode, self.usual(), "{name}: what is done has the mode that files have here");
        }
    }

    /// The mode that a new file has here.
    fn usual(&self) -> u32 {
        let path = self.0.path().join("usual");
        fs::write(&path, "").unwrap();
        fs::metadata(path).unwrap().permissions().mode() & 0o777
    }
}

/// Every command on files, one after the other, since each takes the processor whole.
#[test]
fn no_command_on_files_opens_a_socket_or_writes_what_it_was_not_asked_for() {
    if !can_trace() {
        return;
    }
    let place = Place::new();
    let check = |line: &str, asked: &[&str]| place.check(&line.split(' ').collect::<Vec<_>>(), asked);
    check("generate --seed 1 --out face.png", &["face.png"]);
    check("generate --seed 1 --count 2 --interpolate 12 --out clip.avi", &["clip.avi"]);
    check("generate --seed 1 --count 2 --interpolate 12 --out clip.mp4", &["clip.mp4"]);
    check("detect face.png --json", &[]);
    check("detect clip.avi --json", &[]);
    check("webcam clip.mp4 --headless --keypoints k.jsonl --out drawn.mp4", &["k.jsonl", "drawn.mp4"]);
    check(
        "edit face.png --anyway --move all=0.1,0 --out edited.png --save face.json",
        &["edited.png", "face.json"],
    );
    check("edit seed:1 --to seed:2 --out way.avi --frames 5", &["way.avi"]);
    check(
        "reenact --source seed:2 clip.avi --headless --out driven.avi --save-motion m.jsonl",
        &["driven.avi", "m.jsonl"],
    );
    check("verify", &[]);
}

/// The check sees what it is there to see: a page opens a socket.
#[test]
fn a_page_would_be_seen() {
    if !can_trace() {
        return;
    }
    let place = Place::new();
    runtime(&[
        "--bundle",
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../models/faces64-edge").to_str().unwrap(),
        "generate",
        "--seed",
        "1",
        "--count",
        "2",
        "--interpolate",
        "5",
        "--out",
        place.work().join("clip.avi").to_str().unwrap(),
    ])
    .succeeded();
    let calls = place.trace(&["webcam", "clip.avi", "--headless", "--out", "null", "--serve", "0"]);
    assert!(calls.iter().any(|call| call.contains("socket(AF_INET")), "no socket was seen");
}
