//! `/api` of the pages: what a program gets that posts a picture is what `runtime detect --json` prints for it.

#![allow(clippy::unwrap_used)]

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, ChildStderr, Command, Stdio};
use std::time::{Duration, Instant};

use image::{DynamicImage, ImageFormat, RgbImage};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use workspace_tests::{checkout, program, runtime};

const TOKEN: &str = "0123456789abcdef";

/// A program with a page.
struct Live {
    child: Child,
    address: String,
    /// Kept open, so that the program can go on talking.
    stderr: BufReader<ChildStderr>,
}

impl Live {
    /// A live run on photos that are shown again and again.
    fn start(folder: &Path, bundle: &str) -> Self {
        let shown = folder.to_str().unwrap();
        let job = ["webcam", shown, "--loop", "--headless", "--fps", "10", "--out", "null"];
        Self::serve(folder, bundle, &job)
    }

    /// A program that does `job` in a folder.
    fn serve(folder: &Path, bundle: &str, job: &[&str]) -> Self {
        let mut child = Command::new(program("runtime"))
            .args(job)
            .args(["--provider", "cpu", "--bundle", bundle, "--token", TOKEN, "--serve", "0"])
            .current_dir(folder)
            .stderr(Stdio::piped())
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        let mut line = String::new();
        let mut stderr = BufReader::new(child.stderr.take().unwrap());
        stderr.read_line(&mut line).unwrap();
        let address = line.split("http://").nth(1).unwrap().split('/').next().unwrap().to_owned();
        Self { child, address, stderr }
    }

    /// Status and body of the answer to a request with the token and these further headers.
    fn ask(&self, line: &str, headers: &str, body: &[u8]) -> (u16, String) {
        self.send(line, headers, body.len(), body)
    }

    fn send(&self, line: &str, headers: &str, length: usize, body: &[u8]) -> (u16, String) {
        let mut stream = TcpStream::connect(&self.address).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(120))).unwrap();
        let address = &self.address;
        write!(stream, "{line} HTTP/1.1\r\nHost: {address}\r\nContent-Length: {length}\r\n").unwrap();
        write!(stream, "Authorization: Bearer {TOKEN}\r\n{headers}\r\n").unwrap();
        // A body that is refused may not be taken to its end.
        stream.write_all(body).ok();
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).unwrap();
        let answer = String::from_utf8(answer).unwrap();
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        (head.split(' ').nth(1).unwrap().parse().unwrap(), body.to_owned())
    }

    fn post(&self, target: &str, body: &[u8]) -> (u16, String) {
        self.ask(&format!("POST {target}"), &format!("Origin: http://{}\r\n", self.address), body)
    }

    /// Ends the program as Ctrl-C does; what it says then.
    fn interrupt(mut self) -> String {
        let id = self.child.id().to_string();
        assert!(Command::new("kill").args(["-INT", &id]).status().unwrap().success());
        let mut said = String::new();
        self.stderr.read_to_string(&mut said).unwrap();
        assert!(self.child.wait().unwrap().success(), "{said}");
        said
    }

    /// The number of the newest frame.
    fn frame(&self) -> u64 {
        let start = Instant::now();
        loop {
            let (status, state) = self.ask("GET /api/state", "", b"");
            if status == 200 {
                let state: Value = serde_json::from_str(&state).unwrap();
                return state["frame"].as_u64().unwrap();
            }
            assert!(status == 503 && start.elapsed() < Duration::from_secs(60), "{state}");
            std::thread::sleep(Duration::from_millis(50));
        }
    }
}

impl Drop for Live {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

#[test]
fn a_picture_that_is_posted_gives_what_detect_prints() {
    let place = tempfile::tempdir().unwrap();
    let bundle = checkout::root().join("models/faces64-edge").to_str().unwrap().to_owned();
    let folder = place.path().join("shown");
    fs::create_dir(&folder).unwrap();
    RgbImage::new(64, 48).save(folder.join("black.png")).unwrap();

    let cases = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/cases");
    let mut pictures: Vec<String> = ["alpha.png", "display-p3.png", "gray.png"]
        .map(|name| cases.join(name).to_str().unwrap().to_owned())
        .into();
    // Every kind that is read, and a name that an address cannot hold as it is.
    let photo = DynamicImage::ImageRgb8(image::open(&pictures[1]).unwrap().to_rgb8());
    for (name, format) in [("a photo & more+.jpg", ImageFormat::Jpeg), ("w.webp", ImageFormat::WebP)] {
        let path = place.path().join(name);
        photo.save_with_format(&path, format).unwrap();
        pictures.push(path.to_str().unwrap().to_owned());
    }

    let live = Live::start(&folder, &bundle);
    let before = live.frame();
    let mut faces = 0;
    for path in &pictures {
        let detect = runtime(&["detect", path, "--json", "--provider", "cpu", "--bundle", &bundle]);
        let printed = detect.succeeded();
        let name: String = path.bytes().map(|b| format!("%{b:02X}")).collect();
        let (status, body) = live.post(&format!("/api/detect?file={name}"), &fs::read(path).unwrap());
        assert_eq!((status, body.as_str()), (200, printed), "{path}");
        faces += serde_json::from_str::<Value>(printed).unwrap()["faces"].as_array().unwrap().len();
    }
    assert!(faces > 0);
    assert!(live.frame() > before, "the loop went on");
    // Nothing of it is kept.
    assert_eq!(fs::read_dir(&folder).unwrap().count(), 1);
    let unnamed = live.post("/api/detect", &fs::read(&pictures[0]).unwrap()).1;
    assert_eq!(serde_json::from_str::<Value>(&unnamed).unwrap()["file"], "picture");

    // What is refused is refused in JSON, with a status.
    let origin = format!("Origin: http://{}\r\n", live.address);
    let large = vec![0; 1 << 20];
    let post = |body: &[u8]| live.post("/api/detect", body);
    let refusals = [
        (400, "empty", post(b"")),
        (400, "not a picture", post(b"hello")),
        (400, "damaged", post(&fs::read(&pictures[3]).unwrap()[..2000])),
        (403, "another site", live.ask("POST /api/detect", "Origin: http://evil.example\r\n", &large)),
        (401, "token", live.ask("POST /api/detect", "Authorization: Bearer no\r\n", &large)),
        (405, "POST", live.ask("GET /api/detect", "", b"")),
        (404, "nothing", live.post("/api/nothing", &large)),
        (413, "too long", live.send("POST /api/detect", &origin, 1 << 40, b"")),
    ];
    for (expected, part, (status, body)) in refusals {
        let told: Value = serde_json::from_str(&body).unwrap();
        let error = told["error"].as_str().unwrap();
        assert!(status == expected && told["status"] == expected && error.contains(part), "{part}: {body}");
    }
}

/// A photo's way through the editor that was started with none: what is said of it, and that it is kept nowhere.
#[test]
fn the_editor_answers_programs_too() {
    let place = tempfile::tempdir().unwrap();
    let bundle = checkout::root().join("models/faces64-edge").to_str().unwrap().to_owned();
    let editor = Live::serve(place.path(), &bundle, &["edit"]);
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/cases/display-p3.png");
    let (path, photo) = (path.to_str().unwrap(), fs::read(&path).unwrap());

    let detect = runtime(&["detect", path, "--json", "--provider", "cpu", "--bundle", &bundle]);
    let name: String = path.bytes().map(|b| format!("%{b:02X}")).collect();
    let answer = editor.post(&format!("/api/detect?file={name}"), &photo);
    assert_eq!((answer.0, answer.1.as_str()), (200, detect.succeeded()));
    let found: Value = serde_json::from_str(&answer.1).unwrap();

    let state = || serde_json::from_str::<Value>(&editor.ask("GET /api/edit/state", "", b"").1).unwrap();
    assert_eq!(state()["source"], Value::Null);
    // The face that was found, as a page points at it.
    let b: Vec<f64> =
        found["faces"][0]["box"].as_array().unwrap().iter().map(|v| v.as_f64().unwrap()).collect();
    let at = format!("{:.1},{:.1}", b[0] + b[2] / 2.0, b[1] + b[3] / 2.0);
    let (status, said) = editor.post(&format!("/photo?file=p3.png&face={at}"), &photo);
    assert_eq!(status, 200, "{said}");
    assert_eq!((&state()["source"], &state()["photo"]), (&"p3.png".into(), &found_size(&found)));
    let (status, why) = editor.post("/photo?face=1,1", &photo);
    assert!(status == 422 && why.contains("no face 1,1; found: 1 at"), "{status} {why}");

    for (expected, part, (status, body)) in [
        (401, "token", editor.ask("GET /api/edit/state", "Authorization: Bearer no\r\n", b"")),
        (403, "another site", editor.ask("POST /photo", "Origin: http://evil.example\r\n", &photo)),
        (413, "256 MiB at most", {
            let origin = format!("Origin: http://{}\r\n", editor.address);
            editor.send("POST /photo", &origin, (256 << 20) + 1, b"")
        }),
        (404, "nothing", editor.ask("GET /api/state", "", b"")),
    ] {
        assert!(status == expected && body.contains(part), "{part}: {status} {body}");
    }
    // The program's own start page leads to it.
    let (status, page) = editor.ask("GET /", "", b"");
    assert!(status == 200 && page.contains("href=\"/edit\"") && page.contains("runtime webcam --serve"));
    assert_eq!(fs::read_dir(place.path()).unwrap().count(), 0, "the photo is kept nowhere");
}

/// Ctrl-C threw edits away without a word.
#[test]
fn edits_that_were_not_saved_are_kept_or_told_of() {
    let place = tempfile::tempdir().unwrap();
    let bundle = checkout::root().join("models/faces64-edge").to_str().unwrap().to_owned();
    let files = || fs::read_dir(place.path()).unwrap().count();
    let edit = |editor: &Live| {
        for operation in [r#"{"op": "move", "part": 1, "dx": 0.1}"#, r#"{"op": "remove", "part": 0}"#] {
            let (status, said) = editor.post("/do", operation.as_bytes());
            assert_eq!(status, 200, "{said}");
        }
    };
    assert_eq!(Live::serve(place.path(), &bundle, &["edit", "seed:1"]).interrupt(), "", "nothing was done");
    let editor = Live::serve(place.path(), &bundle, &["edit", "seed:1"]);
    edit(&editor);
    let said = editor.interrupt();
    let kept = said.split("they are kept in ").nth(1).and_then(|rest| rest.split(':').next());
    let kept = place.path().join(kept.unwrap_or_else(|| panic!("{said}")));
    assert!(said.contains("2 edits were not saved") && files() == 1, "{said}");
    let session: Value = serde_json::from_slice(&fs::read(&kept).unwrap()).unwrap();
    assert_eq!(session["done"], 2);
    let (kept, out) = (kept.to_str().unwrap(), place.path().join("a.png"));
    let again = ["--provider", "cpu", "--bundle", &bundle, "edit", kept, "--out", out.to_str().unwrap()];
    runtime(&again).succeeded();

    let editor = Live::serve(place.path(), &bundle, &["edit"]);
    let photo = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/cases/display-p3.png");
    let (status, said) = editor.post("/photo?file=p3.png&anyway=1", &fs::read(photo).unwrap());
    assert_eq!(status, 200, "{said}");
    edit(&editor);
    let (before, said) = (files(), editor.interrupt());
    assert!(said.contains("2 edits were not saved and are gone") && said.contains("p3.png"), "{said}");
    assert_eq!(files(), before, "nothing of a photo that is sent is written unasked");
}

fn found_size(found: &Value) -> Value {
    serde_json::json!([found["width"], found["height"]])
}

/// Edits of a page that ended were gone without a word.
#[test]
fn edits_that_were_not_saved_are_kept_when_the_page_ends() {
    let place = tempfile::tempdir().unwrap();
    let bundle = place.path().join("bundle");
    fs::create_dir(&bundle).unwrap();
    lkg_bundle::testing::write_tiny_bundle(&bundle).unwrap();
    for edits in [0, 1] {
        let mut live = Live::serve(place.path(), bundle.to_str().unwrap(), &["edit", "seed:1"]);
        for _ in 0..edits {
            let (status, state) = live.post("/do", br#"{"op":"scale","part":0,"by":1.5}"#);
            assert_eq!(status, 200, "{state}");
        }
        kill_process(Pid::from_raw(live.child.id().cast_signed()).unwrap(), Signal::INT).unwrap();
        assert!(live.child.wait().unwrap().success());
        let kept = fs::read_dir(place.path()).unwrap().filter(|entry| {
            entry.as_ref().unwrap().file_name().to_str().is_some_and(|name| name.starts_with("edit-"))
        });
        assert_eq!(kept.count(), edits);
    }
}
