//! Arguments, files of edits and motion, the environment, disks and signals.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use rustix::fs::{CWD, FileType, Mode, mknodat};
use rustix::process::Signal;
use serde_json::{Value, json};
use workspace_tests::runtime;

use super::harness::{Row, Stdin, Stdout, row};
use super::inputs::{avi, jpeg, png, png_of_size, y4m};

fn fifo(name: &'static str) -> impl FnOnce(&Path) + Send {
    move |dir| mknodat(CWD, dir.join(name), FileType::Fifo, Mode::from_raw_mode(0o600), 0).unwrap()
}

pub fn arguments() -> Vec<Row> {
    let with = |what, line| row(what, line).file("p.png", png(40, 40));
    vec![
        row("an unknown command", "dance"),
        row("no command that is one", "''"),
        row("an unknown flag", "detect --jsn p.png"),
        row("nothing to detect in", "detect"),
        row("a number where none is", "detect --threads many p.png"),
        row("zero threads", "detect --threads 0 p.png"),
        row("a negative number", "reenact -s seed:1 --gain -1 p.png"),
        row("a share below 0", "detect --min-confidence -0.5 p.png"),
        row("not a number", "detect --min-confidence nan p.png"),
        row("a number of 30 digits", "generate --seed 999999999999999999999999999999 --out a.png"),
        row("a size of nothing", "webcam - --size 0x480 --headless --out null"),
        row("a grid beyond reason", "generate --grid 40000x40000 --out a.png"),
        row("an unknown provider", "detect --provider gpu p.png"),
        row("a seed that is none", "edit seed:x --out a.png"),
        row("a picture of a seed that is none", "edit seed:1:4294967295 --out a.png"),
        with("a face that is not there", "edit p.png --face 99 --out a.png").portrait(),
        row("an output of an unknown kind", "webcam p.png --headless --out clip.xyz"),
        row("an output in a folder that is not there", "generate --out none/a.png"),
        with("an output that is there", "generate --out p.png"),
        with("an output that is a folder", "generate --out a.png")
            .make(|dir| fs::create_dir(dir.join("a.png")).unwrap()),
        row("one output for two things", "webcam - --headless --out a.avi --out a.avi"),
        with("one output for two things, by other names", "edit p.png --out a.png --sheet ./a.png"),
        with(
            "a source that would be overwritten, by another name",
            "edit p.png --out bundle/../p.png --force",
        ),
        with("a donor that would be overwritten", "edit seed:1 --swap left=p.png --out ./p.png --force"),
        with("numbered pictures that would be overwritten", "webcam . --headless --out %d.png --force"),
        with("a clip over its own pictures", "webcam f%d.png --headless --out ./f%d.png --force")
            .file("f1.png", png(40, 40)),
        with("a device for a picture, with --force", "generate --out pipe.png --force")
            .make(fifo("pipe.png")),
        with("a device for a clip, with --force", "webcam p.png --headless --out pipe.avi --force")
            .make(fifo("pipe.avi")),
        with("a device for keypoints, with --force", "webcam p.png --headless --keypoints /dev/null --force"),
        with("a device for a face, with --force", "edit seed:1 --save pipe.json --force")
            .make(fifo("pipe.json")),
        with(
            "a pipe among numbered pictures, with --force",
            "webcam p.png --headless --out f%d.png --force --json",
        )
        .make(fifo("f0.png"))
        .exits(2, 1),
        with_ffprobe("an ffprobe that never answers", "exec /bin/sleep 60"),
        with_ffprobe("an ffprobe that never ends its answer", "exec /usr/bin/yes"),
        with_ffprobe("an ffprobe that answers nonsense", "echo '{\"streams\": 7}'"),
        with_ffmpeg("an ffmpeg that breaks off", "head; picture; exit 3").exits(2, 1),
        with_ffmpeg("an ffmpeg that announces pictures without end", "while :; do head; done")
            .gets(Signal::TERM)
            .exits(130, 1)
            .takes(20.0, 500),
        row("a token that is guessed", "webcam - --serve --token short"),
        row("a page for everybody, unsaid", "webcam - --out http://0.0.0.0:1"),
    ]
}

/// A saved face, changed.
fn session(what: &'static str, change: impl FnOnce(&mut Value) + Send + 'static) -> Row {
    row(what, "edit s.json --out a.png").make(move |dir| {
        let path = dir.join("s.json");
        let bundle = dir.join("bundle");
        runtime(&["--bundle", bundle.to_str().unwrap(), "edit", "seed:1", "--save", path.to_str().unwrap()])
            .succeeded();
        let mut face = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
        change(&mut face);
        fs::write(&path, face.to_string()).unwrap();
    })
}

fn edits(what: &'static str, script: impl Into<Vec<u8>>) -> Row {
    row(what, "edit seed:1 --do e.json --out a.png").file("e.json", script)
}

fn motion(what: &'static str, lines: &[Value]) -> Row {
    let head = json!({ "format": "latentkeypointgan-motion", "version": 1, "parts": ["left", "right"],
                       "bundle": { "name": "other", "sha256": "x" } });
    let text: String = [&head].into_iter().chain(lines).map(|line| format!("{line}\n")).collect();
    row(what, "reenact -s seed:1 m.jsonl --headless --out null").file("m.jsonl", text)
}

pub fn scripts() -> Vec<Row> {
    let mut endless = b"[{\"op\":\"".to_vec();
    endless.extend(vec![b'x'; 10 << 20]);
    endless.extend(b"\"}]");
    let face = |x: f64| json!({ "time": 0.0, "faces": [{ "keypoints": [[x, 1, 1], [2, 2, 1]] }] });
    let config = |what, text: &'static str| {
        row(what, "--config c.toml detect p.png").file("c.toml", text).file("p.png", png(40, 40))
    };
    vec![
        row("edits that are not there", "edit seed:1 --do none.json --out a.png"),
        edits("edits that are no JSON", "move left"),
        edits("edits that are no list", "{}"),
        edits("an edit of an unknown kind", "[{\"op\":\"fly\"}]"),
        edits("an edit with a field of another kind", "[{\"op\":\"move\",\"part\":0,\"dx\":\"far\"}]"),
        edits("an edit that goes too far", "[{\"op\":\"move\",\"part\":0,\"dx\":1e300}]"),
        edits("an edit of a part that is not there", "[{\"op\":\"remove\",\"part\":99}]"),
        edits("a word of 10 MB", endless),
        row("edits on a pipe that nobody writes", "edit seed:1 --do pipe --out a.png").make(fifo("pipe")),
        row("edits without end", "edit seed:1 --do /dev/zero --out a.png"),
        row("a face that is not there", "edit none.json --out a.png"),
        row("a face that is no JSON", "edit x.json --out a.png").file("x.json", "x"),
        row("a face that is another object", "edit x.json --out a.png").file("x.json", "{\"format\":\"x\"}"),
        row("a face that is a pipe", "edit pipe.json --out a.png").make(fifo("pipe.json")),
        session("a face of another bundle", |face| face["bundle"]["sha256"] = json!("0".repeat(64))),
        session("a face of another version", |face| face["version"] = json!(2)),
        session("a face with a field of another kind", |face| face["original"]["scales"][0] = json!("wide")),
        session("a face with a background of 3e38", |face| face["original"]["background"][0] = json!(3e38)),
        session("a face with a part outside", |face| face["original"]["keypoints"][0] = json!([9, 9])),
        session("a face whose photo has no square", |face| {
            face["photo"] = json!({ "sha256": "x", "crop": [1, 1, -5] });
        }),
        session("a face with a history of another", |face| face["done"] = json!(7)),
        row("motion that is not there", "reenact -s seed:1 none.jsonl --headless --out null"),
        row("motion that is none", "reenact -s seed:1 m.jsonl --headless --out null").file("m.jsonl", "x\n"),
        motion("motion without frames", &[]),
        motion("motion with a field of another kind", &[json!({ "time": "soon", "faces": [] })]),
        motion("motion of other parts", &[json!({ "time": 0, "faces": [{ "keypoints": [[1, 1, 1]] }] })]),
        motion("motion beyond all pictures", &[face(1e30)]),
        motion(
            "motion that runs backwards",
            &[json!({ "time": 2, "faces": [] }), json!({ "time": 1, "faces": [] })],
        ),
        row("a configuration that is not there", "--config none.toml detect p.png"),
        config("a configuration that is no TOML", "=\n"),
        config("a configuration with an unknown flag", "[detect]\njsn = true\n"),
        config("a configuration with a wrong value", "threads = \"many\"\n"),
        row("a configuration that is a pipe", "--config pipe detect p.png").make(fifo("pipe")),
        row("a report that is none", "bench --compare a.json b.json")
            .file("a.json", "x")
            .file("b.json", "{}"),
    ]
}

pub fn environment() -> Vec<Row> {
    let with = |what| row(what, "detect p.png").file("p.png", png(40, 40));
    vec![
        with("a library that is not there").env("ORT_DYLIB_PATH", "none.so"),
        with("a folder for the library").env("ORT_DYLIB_PATH", "bundle"),
        with("text for the library").env("ORT_DYLIB_PATH", "text.so").file("text.so", "not a library"),
        with("a library that was cut short").env("ORT_DYLIB_PATH", "cut.so").make(|dir| {
            let mut library = fs::read(workspace_tests::program("runtime")).unwrap();
            // Its first segment ends where that of no build does, so that the document stays as it is.
            let segment = usize::try_from(u64::from_le_bytes(library[32..40].try_into().unwrap())).unwrap();
            library[segment + 8..segment + 16].fill(0);
            library[segment + 32..segment + 40].copy_from_slice(&90_000_000_u64.to_le_bytes());
            fs::write(dir.join("cut.so"), &library[..100_000]).unwrap();
        }),
        with("a bundle that is none").env("LKG_BUNDLE", "p.png"),
        with("a configuration that is not there").env("LKG_CONFIG", "none.toml"),
        with("a configuration that is a device").env("LKG_CONFIG", "/dev/zero"),
        with("a level that is none: passed over").env("RUST_LOG", "loud=very").reads(),
        row("a token that is guessed", "webcam - --serve").env("LKG_TOKEN", "short"),
    ]
}

/// A film that ffmpeg would read, beside an ffprobe that is this script.
fn with_ffprobe(what: &'static str, script: impl Into<String>) -> Row {
    let script = script.into();
    row(what, "webcam clip.mkv --headless --out null")
        .file("clip.mkv", [b"\x1a\x45\xdf\xa3\x93\x42\x82\x88matroska".as_slice(), &[0; 64]].concat())
        .env("PATH", "bin")
        .make(move |dir| {
            fs::create_dir(dir.join("bin")).unwrap();
            put_program(dir, "ffprobe", &script);
        })
}

/// Makes a program of a shell's script.
fn put_program(dir: &Path, name: &str, script: &str) {
    let program = dir.join("bin").join(name);
    fs::write(&program, format!("#!/bin/sh\n{script}\n")).unwrap();
    fs::set_permissions(program, fs::Permissions::from_mode(0o755)).unwrap();
}

/// The same, and an ffmpeg that is a script: `head` announces a picture of 64 x 48, and `picture` sends it.
fn with_ffmpeg(what: &'static str, script: &'static str) -> Row {
    let answer = r#"{"streams":[{"codec_name":"vp9","width":64,"height":48,"pix_fmt":"yuv420p","avg_frame_rate":"25/1"}]}"#;
    let announced = "[Parsed_showinfo_0 @ 0] n: 0 pts: 0 fmt:yuv420p sar:1/1 s:64x48";
    let head = format!("head() {{ echo '{announced}' >&2; }}");
    let picture = "picture() { /usr/bin/head -c 4608 /dev/zero; }";
    with_ffprobe(what, format!("echo '{answer}'"))
        .make(move |dir| put_program(dir, "ffmpeg", &format!("{head}\n{picture}\n{script}")))
}

pub fn disks() -> Vec<Row> {
    let clip = || avi((64, 48), &vec![jpeg(64, 48); 250]);
    let live = |what, line, room| {
        row(what, line).file("clip.avi", clip()).with_room(room).exits(2, 1).takes(4.0, 500)
    };
    vec![
        row("a folder of the system", "generate --out /proc/a.png"),
        row("the same for a clip", "generate --interpolate 3 --out /proc/a.avi"),
        row("the same for a face", "edit seed:1 --save /proc/a.json"),
        row("no room for a picture", "generate --out a.png").with_room(0),
        row("no room for a clip", "generate --interpolate 20 --out a.avi").with_room(4096),
        row("no room for a face", "edit seed:1 --save a.json").with_room(0),
        live(
            "the disk gets full: an AVI stays as far as it goes",
            "webcam clip.avi --headless --out a.avi --json",
            128 << 10,
        )
        .leaves(&["a.avi"]),
        live(
            "the disk gets full: lines stay",
            "webcam clip.avi --headless --keypoints k.jsonl --json",
            16 << 10,
        )
        .leaves(&["k.jsonl"]),
        live(
            "the disk is full at the end: lines stay",
            "webcam clip.avi --max-frames 20 --headless --keypoints k.jsonl --json",
            1024,
        )
        .leaves(&["k.jsonl"]),
        live(
            "the disk gets full: motion stays",
            "reenact -s seed:1 clip.avi --headless --save-motion m.jsonl --json",
            4096,
        )
        .leaves(&["m.jsonl"]),
        row("an MP4 larger than H.264 is encoded", "webcam large.png --headless --out a.mp4 --json")
            .file("large.png", png(4000, 3000))
            .exits(2, 1),
        row("100 megapixels without memory for them", "detect large.png")
            .file("large.png", png_of_size(10_000, 10_000))
            .with_memory(400),
        row("nobody reads the output", "detect p.png --json")
            .file("p.png", png(40, 40))
            .stdout(Stdout::Closed)
            .exits(0, 0),
        row("the output is full", "detect p.png --json").file("p.png", png(40, 40)).stdout(Stdout::Full),
        row("the output is full, of completions", "completions bash").stdout(Stdout::Full),
    ]
}

pub fn signals() -> Vec<Row> {
    let camera = "/bin/sh -c \"while :; do /usr/bin/head -c 9216 /dev/zero; /bin/sleep 0.04; done\"";
    let exec = |what, program: &str, out: &str| {
        row(what, &format!("webcam 'exec:{program}' --size 64x48 --headless --json --out {out}"))
            .takes(20.0, 500)
    };
    let looped = "webcam clip.avi --loop --headless --json --out a.avi";
    let long = "generate --interpolate 10000 --count 1000 --out a.avi";
    vec![
        row("Ctrl-C while standard input is silent", "webcam - --headless --out null")
            .stdin(Stdin::Held(Vec::new()))
            .gets(Signal::INT)
            .exits(130, 1),
        row("SIGTERM there", "webcam - --headless --out null")
            .stdin(Stdin::Held(Vec::new()))
            .gets(Signal::TERM)
            .exits(130, 1),
        row("Ctrl-C while a pipe of edits is silent", "edit seed:1 --do /dev/stdin --out a.png")
            .stdin(Stdin::Held(b"[".to_vec()))
            .gets(Signal::INT)
            .exits(130, 1),
        row(
            "SIGTERM between frames of a pipe: what was recorded stays",
            "webcam - --headless --json --out a.avi",
        )
        .stdin(Stdin::Held(y4m(5)))
        .gets(Signal::TERM)
        .leaves(&["a.avi"])
        .exits(130, 0),
        exec("Ctrl-C while recording a camera, MP4", camera, "a.mp4")
            .gets(Signal::INT)
            .leaves(&["a.mp4"])
            .exits(0, 0),
        exec("SIGTERM while recording a camera, AVI", camera, "a.avi")
            .gets(Signal::TERM)
            .leaves(&["a.avi"])
            .exits(0, 0),
        exec("Ctrl-C while recording what a program makes of a file", "/bin/cat /dev/zero", "a.avi")
            .gets(Signal::INT)
            .leaves(&["a.avi"])
            .exits(130, 0),
        row("SIGTERM while a clip is looped", looped)
            .file("clip.avi", avi((64, 48), &vec![jpeg(64, 48); 40]))
            .gets(Signal::TERM)
            .leaves(&["a.avi"])
            .exits(0, 0)
            .takes(20.0, 500),
        row("Ctrl-C while a clip is made", long).gets(Signal::INT).exits(130, 1).takes(20.0, 500),
        row("SIGTERM while a clip is made", long).gets(Signal::TERM).exits(130, 1).takes(20.0, 500),
        row("Ctrl-C while pictures are looked at", "detect pictures --json")
            .make(|dir| {
                let folder = dir.join("pictures");
                fs::create_dir(&folder).unwrap();
                fs::write(folder.join("0.png"), png(320, 240)).unwrap();
                (1..3000).for_each(|i| {
                    fs::hard_link(folder.join("0.png"), folder.join(format!("{i}.png"))).unwrap()
                });
            })
            .gets(Signal::INT)
            .exits(130, 1)
            .takes(20.0, 500),
    ]
}
