//! Over real sockets, on the shipped bundle: what a page sends and gets.

use std::cell::Cell;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use image::RgbImage;
use lkg_bundle::Bundle;
use serde_json::{Value, json};

use super::{EditPages, Export};
use crate::edit::{Blend, FaceModel, Workspace};
use crate::engine::{EngineOptions, Provider};
use crate::error::{Error, Result};
use crate::media::jpeg;
use crate::media::mark::{self, Origin};
use crate::serve::{Access, Intake, Server};

thread_local! {
    /// How many edits were not saved as the server of this thread's test stopped.
    static LEFT: Cell<Option<usize>> = const { Cell::new(None) };
}

struct Test;

impl Export for Test {
    fn picture(&self, workspace: &mut Workspace) -> Result<Vec<u8>> {
        Ok(mark::png(&workspace.finished()?.0, Some(Origin::Edited)).unwrap())
    }

    fn save(&self, _workspace: &mut Workspace) -> Result<String> {
        Err(Error::Usage("the disk is full".to_owned()))
    }

    fn leave(&self, workspace: &mut Workspace) {
        LEFT.with(|left| left.set(Some(workspace.unsaved())));
    }
}

struct Page(Server);

impl Page {
    fn new(token: Option<&str>) -> Self {
        let bundle =
            Bundle::open(Path::new(env!("CARGO_MANIFEST_DIR")).join("../models/faces64-edge")).unwrap();
        let options = EngineOptions { provider: Provider::Cpu, ..EngineOptions::default() };
        let mut model = FaceModel::new(bundle, options);
        let opened = model.open("seed:1").unwrap();
        let given = ["seed:7:3".to_owned()];
        let workspace = Workspace::new(model, opened, Blend::Warp, &given, 32).unwrap();
        let access = Access {
            address: ([127, 0, 0, 1], 0).into(),
            token: token.map(str::to_owned),
            names: Vec::new(),
        };
        Self::of(
            &access,
            EditPages::new(Some(workspace), Box::new(|_| unreachable!()), Box::new(Test), Intake::default()),
        )
    }

    fn of(access: &Access, pages: EditPages) -> Self {
        Self(Server::start(access, vec![Arc::new(pages)]).unwrap())
    }

    /// One on which nothing is open yet. Its bundle takes anything for a face.
    fn empty() -> (tempfile::TempDir, Self) {
        let (dir, model) = crate::edit::testing::carrying_model();
        let model = std::sync::Mutex::new(Some(model));
        let first = move |sent| {
            let mut model = model.lock().unwrap().take().unwrap();
            let opened = model.open_sent(sent)?;
            Workspace::new(model, opened, Blend::Warp, &[], 32)
        };
        let access = Access { address: ([127, 0, 0, 1], 0).into(), token: None, names: Vec::new() };
        (dir, Self::of(&access, EditPages::new(None, Box::new(first), Box::new(Test), Intake::default())))
    }

    /// One of a photo that is carried.
    fn carried() -> (tempfile::TempDir, Self) {
        let (dir, workspace) = crate::edit::testing::carried_workspace(&["other.png"]);
        let access = Access { address: ([127, 0, 0, 1], 0).into(), token: None, names: Vec::new() };
        let pages =
            EditPages::new(Some(workspace), Box::new(|_| unreachable!()), Box::new(Test), Intake::default());
        (dir, Self::of(&access, pages))
    }

    /// Status, head and body of the answer.
    fn ask(&self, line: &str, headers: &str, body: impl AsRef<[u8]>) -> (u16, String, Vec<u8>) {
        let body = body.as_ref();
        let address = self.0.address();
        let mut stream = TcpStream::connect(address).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
        let length = body.len();
        let head = format!("{line} HTTP/1.1\r\nHost: {address}\r\n{headers}Content-Length: {length}\r\n\r\n");
        stream.write_all(&[head.as_bytes(), body].concat()).unwrap();
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).unwrap();
        let end = answer.windows(4).position(|w| w == b"\r\n\r\n").unwrap() + 4;
        let head = String::from_utf8(answer[..end].to_vec()).unwrap();
        (head.split(' ').nth(1).unwrap().parse().unwrap(), head, answer[end..].to_vec())
    }

    fn get(&self, path: &str) -> Vec<u8> {
        let (status, _, body) = self.ask(&format!("GET {path}"), "", "");
        assert_eq!(status, 200, "{path}");
        body
    }

    fn post(&self, path: &str, body: &Value) -> (u16, Vec<u8>) {
        let origin = format!("Origin: http://{}\r\n", self.0.address());
        let (status, _, body) = self.ask(&format!("POST {path}"), &origin, body.to_string());
        (status, body)
    }

    /// Sends a photo; the status, and what is said.
    fn send(&self, target: &str, body: &[u8]) -> (u16, String) {
        let origin = format!("Origin: http://{}\r\n", self.0.address());
        let (status, _, body) = self.ask(&format!("POST {target}"), &origin, body);
        (status, String::from_utf8(body).unwrap())
    }

    fn state(&self) -> Value {
        serde_json::from_slice(&self.get("/state.json")).unwrap()
    }

    fn act(&self, operation: Value) -> Value {
        let (status, body) = self.post("/do", &operation);
        assert_eq!(status, 200, "{operation}: {}", String::from_utf8_lossy(&body));
        serde_json::from_slice(&body).unwrap()
    }

    fn picture(&self, path: &str) -> RgbImage {
        jpeg::decode(&self.get(path)).unwrap()
    }
}

fn difference(a: &RgbImage, b: &RgbImage) -> f64 {
    assert_eq!(a.dimensions(), b.dimensions());
    a.iter().zip(b.iter()).map(|(a, b)| f64::from(a.abs_diff(*b))).sum::<f64>() / a.len() as f64
}

#[test]
fn the_page_arrives_whole_and_sealed() {
    let page = Page::new(None);
    let (status, head, body) = page.ask("GET /edit", "", "");
    let text = String::from_utf8(body).unwrap();
    let nonce = head.split("'nonce-").nth(1).unwrap().split('\'').next().unwrap();
    assert!(status == 200 && head.contains("default-src 'none'") && nonce.len() == 32);
    assert_eq!(text.matches(&format!("nonce=\"{nonce}\"")).count(), 2);
    for stranger in ["http://", "https://", " src=", " style=", " onclick=", "{{"] {
        assert!(!text.contains(stranger), "{stranger}");
    }
}

#[test]
fn a_drag_is_seen_before_it_is_done_and_undone_to_the_byte() {
    let page = Page::new(None);
    let state = page.state();
    assert_eq!(state["parts"].as_array().unwrap().len(), 10);
    assert_eq!(
        (&state["done"], &state["donors"][0], &state["donors"][1]),
        (&json!(0), &json!("seed:7:3"), &json!("seed:1"))
    );
    let untouched = page.get("/patch.jpg");
    let drag = |by: f64| json!({"op": "move", "part": 9, "dx": by, "dy": 0.0});

    // The very next picture shows the part where the finger is, and nothing is done yet.
    let start = Instant::now();
    let (status, body) = page.post("/preview", &drag(0.125));
    let took = start.elapsed();
    let seen = jpeg::decode(&body).unwrap();
    assert_eq!(status, 200);
    assert!(difference(&seen, &jpeg::decode(&untouched).unwrap()) > 0.5);
    assert!(took < Duration::from_secs(2), "{took:?}");
    assert_eq!((&page.state()["revision"], page.get("/patch.jpg")), (&state["revision"], untouched.clone()));

    // Done, it is the same picture.
    let after = page.act(drag(0.125));
    let told = format!("move {} by 0.12, 0.00", state["parts"][9]["name"].as_str().unwrap());
    assert_eq!((&after["done"], &after["history"][0]), (&json!(1), &json!(told)));
    let moved = after["parts"][9]["at"][0].as_f64().unwrap() - state["parts"][9]["at"][0].as_f64().unwrap();
    assert!((moved - 0.125).abs() < 1e-6 && after["parts"][9]["changed"] == true);
    assert_eq!(page.get("/patch.jpg"), body);
    assert_eq!(page.act(json!({"op": "undo"}))["done"], 0);
    assert_eq!(page.get("/patch.jpg"), untouched);
    assert_eq!(page.act(json!({"op": "redo"}))["done"], 1);
    assert_eq!(page.get("/patch.jpg"), body);
    assert_eq!(jpeg::encode(&page.picture("/base.jpg"), &mut Vec::new()), Ok(()));
}

#[test]
fn every_edit_of_the_page_is_taken_and_saved() {
    let page = Page::new(None);
    for (i, operation) in [
        json!({"op": "swap", "part": [4, 7], "from": "seed:7:3", "weight": 0.5}),
        json!({"op": "background", "from": "seed:2", "weight": 1.0}),
        json!({"op": "take_pose", "from": "seed:3", "weight": 0.25}),
        json!({"op": "scale", "part": 9, "by": 1.5}),
        json!({"op": "remove", "part": 0}),
        json!({"op": "duplicate", "part": 9, "to": [0.3, 0.1]}),
        json!({"op": "reset", "part": 5}),
        json!({"op": "lock", "part": 5}),
    ]
    .into_iter()
    .enumerate()
    {
        let before = page.get("/patch.jpg");
        let state = page.act(operation.clone());
        assert_eq!(state["done"], i + 1, "{operation}");
        // What a lock keeps is seen only with the next change of its part.
        assert!(operation["op"] == "lock" || page.get("/patch.jpg") != before, "{operation}");
    }
    let state = page.state();
    assert!(state["parts"][5]["locked"] == true && state["parts"][0]["there"] == true);
    let saved: Value = serde_json::from_slice(&page.get("/face.json")).unwrap();
    assert_eq!((&saved["format"], &saved["done"]), (&json!("latentkeypointgan-face"), &json!(8)));
    let png = page.get("/picture.png");
    assert!(image::load_from_memory(&png).unwrap().width() == 64 && png.windows(4).any(|w| w == b"iptc"));

    let strip = page.get("/donor.jpg?i=0");
    let others: Value = serde_json::from_slice(&page.post("/faces", &Value::Null).1).unwrap();
    assert_eq!(others["donors"][0], "seed:9");
    assert!(page.get("/donor.jpg?i=0") != strip && others["revision"] != state["revision"]);
    let (status, why) = page.post("/save", &Value::Null);
    assert_eq!((status, String::from_utf8(why).unwrap().as_str()), (400, "the disk is full\n"));
}

/// Ctrl-C threw edits away without a word.
#[test]
fn edits_that_are_not_saved_are_seen_to_at_the_end() {
    let left = |acts: &dyn Fn(&Page)| {
        let page = Page::new(None);
        acts(&page);
        drop(page);
        LEFT.take()
    };
    let remove = |page: &Page, part: u32| drop(page.act(json!({"op": "remove", "part": part})));
    let undo = |page: &Page| drop(page.act(json!({"op": "undo"})));
    let fetch = |page: &Page| drop(page.get("/face.json"));
    assert_eq!(left(&|_| ()), Some(0));
    assert_eq!(left(&|page| [0, 1].into_iter().for_each(|part| remove(page, part))), Some(2));
    let taken_back = |page: &Page| {
        remove(page, 0);
        undo(page);
    };
    assert_eq!(left(&taken_back), Some(0));
    let fetched = |page: &Page| {
        remove(page, 0);
        fetch(page);
    };
    assert_eq!(left(&fetched), Some(0));
    let went_on = |page: &Page| {
        fetched(page);
        remove(page, 1);
    };
    assert_eq!(left(&went_on), Some(2));
}

#[test]
fn expressions_of_a_photo_are_sliders() {
    let (_dir, page) = Page::carried();
    let state = page.state();
    assert_eq!((&state["carried"], &state["expressions"][0]["name"]), (&json!(true), &json!("mouth-open")));
    assert_eq!(state["expressions"][1]["range"], json!([-1.0, 1.0]));
    let untouched = page.get("/patch.jpg");
    let open = json!({"op": "expression", "set": {"mouth-open": 0.75}});
    let (status, seen) = page.post("/preview", &open);
    assert!(status == 200 && seen != untouched);
    assert_eq!(page.state()["done"], 0);
    let done = page.act(open);
    assert!((done["expressions"][0]["value"].as_f64().unwrap() - 0.75).abs() < 1e-3);
    assert_eq!((&done["history"][0], page.get("/patch.jpg")), (&json!("mouth-open 0.75"), seen));
    let other = state["donors"][0].as_str().unwrap().to_owned();
    assert_eq!(state["donors"].as_array().unwrap().len(), 1, "no seeds without a generator");
    for (i, operation) in [
        json!({"op": "swap", "part": 0, "from": other}),
        json!({"op": "take_expression", "from": other, "weight": 0.5}),
        json!({"op": "move", "part": "all", "dx": 0.1}),
        json!({"op": "scale", "part": 1, "by": 1.5}),
        json!({"op": "reset", "part": 1}),
    ]
    .into_iter()
    .enumerate()
    {
        assert_eq!(page.act(operation.clone())["done"], i + 2, "{operation}");
        page.picture("/patch.jpg");
    }
    for (refused, what) in [
        (json!({"op": "background", "from": other}), "op: background takes a generator"),
        (json!({"op": "remove", "part": 0}), "--blend warp"),
        (json!({"op": "expression", "set": {"grin": 1.0}}), "they are mouth-open, brows"),
        (json!({"op": "expression", "set": {"brows": -1.5}}), "set: brows: -1.5 is not from -1 to 1"),
    ] {
        let (status, why) = page.post("/do", &refused);
        let why = String::from_utf8(why).unwrap();
        assert!(status == 400 && why.contains(what), "{refused}: {why}");
    }
    let drawn = Page::new(None);
    assert_eq!((&drawn.state()["carried"], &drawn.state()["expressions"]), (&json!(false), &json!([])));
    let (status, why) = drawn.post("/do", &json!({"op": "expression", "set": {"smile": 1.0}}));
    assert!(status == 400 && String::from_utf8(why).unwrap().contains("--bundle models/portrait128"));
}

#[test]
fn what_cannot_be_is_said_and_changes_nothing() {
    let page = Page::new(None);
    let state = page.state();
    for (body, part) in [
        (json!({"op": "move", "part": 10, "dx": 0.1}), "part: no part 10"),
        (json!({"op": "move", "part": 9, "dx": 9}), "dx: 9 is not from"),
        // Only the strip's faces: a page cannot make the program read files.
        (
            json!({"op": "swap", "part": 9, "from": "/etc/passwd"}),
            "from: /etc/passwd: no such face on the strip",
        ),
        (json!({"op": "background", "from": "seed:123456"}), "no such face on the strip"),
        (json!({"op": "fly"}), "unknown variant `fly`"),
        (json!([1]), "not an edit"),
    ] {
        for path in ["/do", "/preview"] {
            let (status, why) = page.post(path, &body);
            let why = String::from_utf8(why).unwrap();
            assert!(status == 400 && why.contains(part) && why.lines().count() == 1, "{body}: {why}");
        }
    }
    assert_eq!(page.state(), state);
    assert_eq!(page.ask("GET /donor.jpg?i=99", "", "").0, 404);
    assert_eq!(page.ask("GET /etc/passwd", "", "").0, 404);
}

#[test]
fn the_gate_stands_before_it() {
    let page = Page::new(Some("0123456789abcdef"));
    assert_eq!(page.ask("GET /state.json", "", "").0, 401);
    assert_eq!(page.ask("GET /edit", "Authorization: Bearer 0123456789abcdef\r\n", "").0, 200);
    let open = Page::new(None);
    let edit = json!({"op": "remove", "part": 0}).to_string();
    assert_eq!(open.ask("POST /do", "Origin: http://evil.example\r\n", &edit).0, 403);
    assert_eq!(open.ask("POST /do", "", &edit).0, 403);
    assert_eq!(open.state()["done"], 0);
}

fn png(picture: &RgbImage) -> Vec<u8> {
    let mut content = std::io::Cursor::new(Vec::new());
    picture.write_to(&mut content, image::ImageFormat::Png).unwrap();
    content.into_inner()
}

#[test]
fn a_photo_is_sent_to_an_empty_page_and_another_takes_its_place() {
    let (dir, page) = Page::empty();
    let files = || std::fs::read_dir(dir.path()).unwrap().count();
    let before = files();
    let empty = page.state();
    assert_eq!((&empty["source"], &empty["run"]), (&Value::Null, &Value::Null));
    for path in ["/base.jpg", "/patch.jpg", "/picture.png", "/face.json", "/donor.jpg?i=0"] {
        let (status, _, why) = page.ask(&format!("GET {path}"), "", "");
        assert_eq!((status, why.as_slice()), (409, &b"no photo is open: send one first\n"[..]), "{path}");
    }
    assert_eq!(page.post("/do", &json!({"op": "undo"})).0, 409);

    let photo = crate::edit::testing::photo();
    let (status, text) = page.send("/photo?file=me.png", &png(&photo));
    let opened: Value = serde_json::from_str(&text).unwrap();
    assert_eq!((status, &opened["source"], &opened["photo"]), (200, &json!("me.png"), &json!([160, 120])));
    assert_eq!(opened["said"], "me.png: no confident face; taking the best guess (0.45)");
    assert!(opened["run"].is_string());
    assert_eq!(page.picture("/base.jpg").dimensions(), (160, 120));
    assert_eq!(page.act(json!({"op": "move", "part": 0, "dx": 0.1}))["done"], 1);

    // What is no photo changes nothing.
    let now = page.state();
    for (body, part) in [(&b"GIF89a"[..], "can be read"), (&png(&photo)[..200], "damaged"), (b"", "empty")] {
        let (status, why) = page.send("/photo", body);
        assert!(status == 400 && why.contains(part), "{why}");
    }
    let (status, why) = page.send("/photo?file=small.png", &png(&RgbImage::new(9, 9)));
    assert_eq!((status, why.as_str()), (422, "small.png: 9 x 9 pixels; a face needs 32 a side at least\n"));
    assert_eq!(page.state(), now);

    let (status, text) = page.send("/photo?file=%2Fhome%2Fyou.png", &png(&RgbImage::new(64, 80)));
    let other: Value = serde_json::from_str(&text).unwrap();
    assert_eq!((status, &other["source"], &other["done"]), (200, &json!("you.png"), &json!(0)));
    assert!(other["run"] != opened["run"], "pages see that it is another one");
    let told: Value = serde_json::from_slice(&page.get("/api/edit/state")).unwrap();
    assert_eq!(told, page.state());
    let saved: Value = serde_json::from_slice(&page.get("/face.json")).unwrap();
    assert_eq!(saved["source"], "you.png");
    assert_eq!(files(), before, "nothing is written");
}

#[test]
fn photos_stand_behind_the_gate_too() {
    let page = Page::new(Some("0123456789abcdef"));
    assert_eq!(page.send("/photo", b"x").0, 401);
    assert_eq!(page.ask("GET /api/edit/state", "", "").0, 401);
    let open = Page::new(None);
    let (status, _, _) = open.ask("POST /photo", "Origin: http://evil.example\r\n", "x");
    assert_eq!((status, open.ask("POST /photo", "", "x").0), (403, 403));
    let (status, _, why) = open.ask("GET /photo", "", "");
    assert!(status == 405 && why == b"POST only\n");
}
