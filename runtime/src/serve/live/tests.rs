//! Over real sockets: what a browser, a stranger and a slow network see.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use image::{Rgb, RgbImage};
use serde_json::Value;

use super::LivePage;
use super::hub::Hub;
use super::page::LivePages;
use crate::edit::Workspace;
use crate::engine::EngineOptions;
use crate::frame::{DetectedFace, DetectedKeypoint, Faces};
use crate::live::{Command, Status, Switch, Switches, Viewer};
use crate::media::jpeg;
use crate::media::sink::Shown;
use crate::serve::edit::{EditPages, Export};
use crate::serve::{Access, DetectApi, Error, Intake, Job, Pages, StartPages};
use crate::vision::testing::manifest;

const TOKEN: &str = "0123456789abcdef";

fn start(token: Option<&str>, viewers: usize) -> LivePage {
    let access =
        Access { address: ([127, 0, 0, 1], 0).into(), token: token.map(str::to_owned), names: Vec::new() };
    LivePage::start(&access, viewers, &manifest(2), Intake::default(), Vec::new()).unwrap()
}

fn show(page: &mut LivePage, index: u64, (width, height): (u32, u32)) {
    let picture = RgbImage::from_pixel(width, height, Rgb([(index % 200) as u8; 3]));
    let face = DetectedFace::new(vec![DetectedKeypoint { x: 1.5, y: 2.25, confidence: 0.5 }]);
    let time = Duration::from_millis(40 * index);
    page.show(&Shown { faces: Faces::new(Some(&face), &[]), ..Shown::new(&picture, index, time) }).unwrap();
}

fn connect(page: &LivePage) -> TcpStream {
    let stream = TcpStream::connect(page.server().address()).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
    stream
}

fn host(address: SocketAddr) -> String {
    format!("Host: {address}\r\n")
}

/// A whole answer: status, head, body.
fn ask(page: &LivePage, line: &str, headers: &str) -> (u16, String, Vec<u8>) {
    let mut stream = connect(page);
    stream.write_all(format!("{line} HTTP/1.1\r\n{headers}\r\n").as_bytes()).unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).unwrap();
    let end = answer.windows(4).position(|w| w == b"\r\n\r\n").unwrap() + 4;
    let head = String::from_utf8(answer[..end].to_vec()).unwrap();
    let status = head.split(' ').nth(1).unwrap().parse().unwrap();
    (status, head, answer[end..].to_vec())
}

fn get(page: &LivePage, target: &str) -> (u16, String, Vec<u8>) {
    ask(page, &format!("GET {target}"), &host(page.server().address()))
}

/// One who watches the stream.
struct Watcher(BufReader<TcpStream>);

impl Watcher {
    fn new(page: &LivePage) -> Self {
        let mut stream = connect(page);
        let head = format!("GET /stream.mjpg HTTP/1.1\r\n{}\r\n", host(page.server().address()));
        stream.write_all(head.as_bytes()).unwrap();
        let mut watcher = Self(BufReader::new(stream));
        assert!(watcher.head().contains("multipart/x-mixed-replace"));
        watcher
    }

    fn head(&mut self) -> String {
        let mut head = String::new();
        while !head.ends_with("\r\n\r\n") {
            assert!(self.0.read_line(&mut head).unwrap() > 0, "{head}");
        }
        head
    }

    /// The next picture and its facts.
    fn next(&mut self) -> (RgbImage, Value) {
        let head = self.head();
        let field = |name: &str| head.lines().find_map(|l| l.strip_prefix(name)).unwrap();
        let mut jpeg = vec![0; field("Content-Length: ").parse().unwrap()];
        self.0.read_exact(&mut jpeg).unwrap();
        self.0.read_exact(&mut [0; 2]).unwrap();
        (jpeg::decode(&jpeg).unwrap(), serde_json::from_str(field("X-Frame: ")).unwrap())
    }
}

fn status(switches: Switches) -> Status {
    Status {
        frames: 7,
        dropped: 1,
        fps: Some(25.0),
        steps: vec![("network", 1.5), ("capture to display", 2.5)],
        live: true,
        takes_source: false,
        source: "Kamera \u{fc}".to_owned(),
        engine: "test".to_owned(),
        trouble: None,
        switches,
        recordings: Vec::new(),
        offers: &[("calibrate", "Calibrate")],
    }
}

const SWITCHES: Switches = Switches {
    mirror: false,
    pause: false,
    overlay: true,
    names: true,
    skeleton: true,
    heat_maps: false,
    crop: false,
    smoothing: true,
    numbers: true,
    recording: false,
};

#[test]
fn the_page_arrives_whole_and_sealed() {
    let page = start(None, 4);
    let (status, head, body) = get(&page, "/live");
    let text = String::from_utf8(body).unwrap();
    assert_eq!(status, 200);
    let nonce = head.split("'nonce-").nth(1).unwrap().split('\'').next().unwrap();
    assert!(head.contains("default-src 'none'") && nonce.len() == 32);
    assert_eq!(text.matches(&format!("nonce=\"{nonce}\"")).count(), 2);
    assert!(!text.contains("{{") && text.contains("</html>"));
    // Nothing is fetched from elsewhere, and nothing runs that the policy would stop.
    for stranger in ["http://", "https://", "src=", " style=", " onclick="] {
        assert!(!text.contains(stranger), "{stranger}");
    }
    assert!(get(&page, "/live").2 != text.as_bytes(), "the word is another each time");
    assert_eq!(get(&page, "/nothing").0, 404);
    let info: Value = serde_json::from_slice(&get(&page, "/info.json").2).unwrap();
    assert_eq!(info["keypoints"][1]["name"], "point 1");
}

#[test]
fn the_title_says_what_runs() {
    let page = start(None, 4).titled(Job::Reenactment.title());
    let text = String::from_utf8(get(&page, "/live").2).unwrap();
    assert!(text.contains("<title>Re-enactment</title>") && text.contains("<h1>Re-enactment</h1>"));
}

/// Every button has words, not a sign alone.
#[test]
fn buttons_have_words() {
    let dialogs = include_str!("../parts/dialogs.html");
    for page in [include_str!("page.html"), include_str!("../edit/page.html"), dialogs] {
        for button in page.split("<button ").skip(1) {
            let label = button.split_once('>').unwrap().1.split('<').next().unwrap();
            assert!(label.chars().filter(|c| c.is_alphabetic()).count() >= 3, "{label:?}");
        }
    }
}

#[test]
fn programs_see_the_state_and_the_stream() {
    let mut page = start(None, 4);
    let (status, _, body) = get(&page, "/api/state");
    let told: Value = serde_json::from_slice(&body).unwrap();
    assert_eq!(
        (status, &told["status"], &told["error"]),
        (503, &503.into(), &"there is no picture yet".into())
    );
    for index in 1..3 {
        show(&mut page, index, (64, 48));
        let state: Value = serde_json::from_slice(&get(&page, "/api/state").2).unwrap();
        assert_eq!((&state["frame"], &state["detections"]["schema"]), (&index.into(), &2.into()));
    }
    assert_eq!(get(&page, "/api/info").2, get(&page, "/info.json").2);
    let (status, head, _) = ask(
        &page,
        "POST /api/state",
        &format!("{0}Origin: http://{1}\r\n", host(page.server().address()), page.server().address()),
    );
    assert!(status == 405 && head.contains("Allow: GET\r\n"), "{head}");
    let mut stream = connect(&page);
    let address = host(page.server().address());
    stream.write_all(format!("GET /api/stream HTTP/1.1\r\n{address}\r\n").as_bytes()).unwrap();
    let mut watcher = Watcher(BufReader::new(stream));
    assert!(watcher.head().contains("multipart/x-mixed-replace"));
    assert_eq!(watcher.next().1["frame"], 2);
}

/// `docs/reference/openapi.json` has every route of the server, and no other.
#[test]
fn the_description_and_the_routes_agree() {
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let text = std::fs::read_to_string(root.join("docs/reference/openapi.json")).unwrap();
    let described: Value = serde_json::from_str(&text).unwrap();
    let mut written: Vec<(String, String)> = Vec::new();
    for (path, methods) in described["paths"].as_object().unwrap() {
        written.extend(methods.as_object().unwrap().keys().map(|m| (m.to_uppercase(), path.clone())));
    }
    let bundle = lkg_bundle::Bundle::open(root.join("models/faces64-edge")).unwrap();
    let editor = EditPages::new(None, Box::new(|_| unreachable!()), Box::new(Nothing), Intake::default());
    let pages: [Box<dyn Pages>; 4] = [
        Box::new(LivePages::new(Hub::default(), 1, Intake::default())),
        Box::new(DetectApi::new(bundle, EngineOptions::default(), Intake::default())),
        Box::new(editor),
        Box::new(StartPages::new(&[], "")),
    ];
    let mut routes: Vec<_> =
        pages.iter().flat_map(|p| p.routes()).map(|(m, p)| (m.to_string(), p.to_string())).collect();
    written.sort();
    routes.sort();
    assert_eq!(written, routes);
}

/// Sees nothing saved.
struct Nothing;

impl Export for Nothing {
    fn picture(&self, _: &mut Workspace) -> crate::error::Result<Vec<u8>> {
        unreachable!()
    }

    fn save(&self, _: &mut Workspace) -> crate::error::Result<String> {
        unreachable!()
    }

    fn leave(&self, _: &mut Workspace) {
        unreachable!()
    }
}

/// Posts a picture, however it is encoded.
fn send(address: SocketAddr, target: &str, headers: &str, body: &[u8]) -> (u16, String) {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
    let (host, length) = (host(address), body.len());
    write!(stream, "POST {target} HTTP/1.1\r\n{host}{headers}Content-Length: {length}\r\n\r\n").unwrap();
    stream.write_all(body).ok();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    let status = answer.split(' ').nth(1).unwrap().parse().unwrap();
    (status, answer.split_once("\r\n\r\n").unwrap().1.trim_end().to_owned())
}

fn png(width: u32, height: u32) -> Vec<u8> {
    let mut content = std::io::Cursor::new(Vec::new());
    RgbImage::new(width, height).write_to(&mut content, image::ImageFormat::Png).unwrap();
    content.into_inner()
}

/// What is sent is handed to the loop, and who sent it hears what the loop makes of it.
#[test]
fn a_photo_that_is_sent_is_offered_to_the_loop() {
    let mut page = start(None, 4);
    let address = page.server().address();
    let ours = format!("Origin: http://{address}\r\n");
    let refused = send(address, "/source", &ours, &png(8, 8));
    assert_eq!(refused, (409, "nothing is re-enacted here: start runtime reenact".to_owned()));
    page.report(&Status { takes_source: true, ..status(SWITCHES) });
    for (headers, body, expected, part) in [
        ("Origin: http://evil.example\r\n", png(8, 8), 403, "another site"),
        ("", png(8, 8), 403, "a program says Origin: http://"),
        (ours.as_str(), Vec::new(), 400, "empty"),
        (ours.as_str(), b"hello".to_vec(), 400, "JPEG, PNG and WebP can be read"),
        (ours.as_str(), b"\0\0\0\x18ftypheic\0\0\0\0mif1heic".to_vec(), 400, "HEIC"),
        (ours.as_str(), png(20_000, 1), 400, "the most are 16384 a side"),
    ] {
        let (status, told) = send(address, "/source", headers, &body);
        assert!(status == expected && told.contains(part), "{part}: {status} {told}");
    }
    let (status, told) = send(address, "/source?face=two", &ours, &png(8, 8));
    assert!(status == 400 && told.starts_with("face: give a number"), "{told}");
    assert!(page.offered().is_none(), "nothing of that came through");

    let sent = |page: &mut LivePage, answer: crate::error::Result<Vec<String>>| {
        let target = "/source?file=..%2Fa%20photo.png&face=3,4&anyway=1";
        let (ours, body) = (ours.clone(), png(16, 12));
        let sender = std::thread::spawn(move || send(address, target, &ours, &body));
        let start = Instant::now();
        let offered = loop {
            assert!(start.elapsed() < Duration::from_secs(10));
            if let Some(offered) = page.offered() {
                break offered;
            }
            std::thread::sleep(Duration::from_millis(2));
        };
        let photo = offered.photo;
        assert_eq!((photo.name.as_str(), photo.read.pixels.dimensions()), ("a photo.png", (16, 12)));
        assert_eq!((photo.choice, photo.anyway), ("3,4".parse().unwrap(), true));
        offered.answer.send(answer).unwrap();
        sender.join().unwrap()
    };
    let taken = sent(
        &mut page,
        Ok(vec!["a photo.png: 2 faces found; the largest is taken, --face takes another".to_owned()]),
    );
    assert_eq!(taken, (200, r#"{"said":"a photo.png: 2 faces found; the largest is taken"}"#.to_owned()));
    let refuse =
        |reason: &str| crate::error::Error::Picture { path: "a.png".into(), reason: reason.to_owned() };
    let told = sent(&mut page, Err(refuse("no face found; --anyway takes the best guess")));
    assert_eq!(told, (422, "a.png: no face found".to_owned()), "no flags for who has none");
}

#[test]
fn the_start_page_leads_on_behind_the_same_gate() {
    let access =
        Access { address: ([127, 0, 0, 1], 0).into(), token: Some(TOKEN.to_owned()), names: Vec::new() };
    let start: std::sync::Arc<dyn Pages> =
        std::sync::Arc::new(StartPages::new(&[Job::Keypoints], "clip.mp4"));
    let page = LivePage::start(&access, 4, &manifest(2), Intake::default(), vec![start]).unwrap();
    assert!(page.server().url("/live").ends_with(&format!("/live?token={TOKEN}")));
    assert_eq!(get(&page, "/").0, 401);
    let bearer = format!("{}Authorization: Bearer {TOKEN}\r\n", host(page.server().address()));
    let (status, head, body) = ask(&page, "GET /", &bearer);
    let text = String::from_utf8(body).unwrap();
    assert!(status == 200 && head.contains("default-src 'none'"));
    assert!(
        text.contains("href=\"/live\"") && text.contains(Job::Editor.command()) && text.contains("clip.mp4")
    );
    for stranger in ["http://", "https://", " src=", " style=", " onclick=", "{{"] {
        assert!(!text.contains(stranger), "{stranger}");
    }
}

#[test]
fn frames_arrive_and_change() {
    let mut page = start(None, 4);
    page.report(&status(SWITCHES));
    show(&mut page, 10, (64, 48));
    let mut watcher = Watcher::new(&page);
    let (picture, facts) = watcher.next();
    assert_eq!(picture.dimensions(), (64, 48));
    assert!(picture.get_pixel(5, 5).0[0].abs_diff(10) < 4);
    assert_eq!(facts["run"]["offers"][0], serde_json::json!(["calibrate", "Calibrate"]));
    assert_eq!((&facts["frame"], &facts["time"]), (&10.into(), &0.4.into()));
    let face = &facts["detections"]["faces"][0];
    assert_eq!(face["keypoints"]["point 0"], serde_json::json!([1.5, 2.25, 0.5]));
    assert_eq!((&facts["run"]["source"], &facts["run"]["fps"]), (&"Kamera \u{fc}".into(), &25.0.into()));
    show(&mut page, 90, (64, 48));
    let (picture, facts) = watcher.next();
    assert!(picture.get_pixel(5, 5).0[0].abs_diff(90) < 4);
    assert_eq!(facts["frame"], 90);
    // Where no frame comes the picture stays, with a message on it.
    page.hold(&RgbImage::new(64, 48)).unwrap();
    assert_eq!(watcher.next().1["frame"], Value::Null);
    // Somebody who comes later sees it at once.
    assert_eq!(Watcher::new(&page).next().1["viewers"], 1);
    let (status, head, png) = get(&page, "/snapshot.png");
    assert!(status == 200 && head.contains("image/png") && head.contains("attachment"));
    assert_eq!(image::load_from_memory(&png).unwrap().width(), 64);
}

#[test]
fn switches_reach_the_loop() {
    let mut page = start(None, 4);
    let address = page.server().address();
    let post = |target: &str, origin: &str| {
        ask(&page, &format!("POST {target}"), &format!("{}Origin: {origin}\r\n", host(address))).0
    };
    let ours = format!("http://{address}");
    assert_eq!(post("/switch?name=overlay&on=0", &ours), 204);
    assert_eq!(post("/switch?name=recording&on=1", &ours), 204);
    assert_eq!(post("/switch?name=square&on=1", &ours), 204);
    assert_eq!(post("/switch?name=overlay&on=0", "http://evil.example"), 403);
    assert_eq!(post("/switch?name=quit&on=1", &ours), 400);
    assert_eq!(post("/switch?name=mirror", &ours), 400);
    assert_eq!(post("/command?name=next_face", &ours), 204);
    assert_eq!(post("/command?name=next_camera", &ours), 204);
    assert_eq!(post("/command?name=quit", &ours), 400);
    assert_eq!(post("/wish?name=calibrate", &ours), 204, "its old name");
    assert_eq!(post("/command?name=calibrate", "http://evil.example"), 403);
    let commands = [
        Command::Set(Switch::Overlay, false),
        Command::Set(Switch::Recording, true),
        Command::Set(Switch::Crop, true),
        Command::NextFace,
        Command::NextCamera,
        Command::Calibrate,
    ];
    assert_eq!(page.commands(), commands);
    assert!(page.commands().is_empty());
    page.report(&status(Switches { overlay: false, ..SWITCHES }));
    show(&mut page, 1, (16, 16));
    let facts = Watcher::new(&page).next().1;
    assert_eq!(facts["run"]["switches"]["square"], false, "the crop's first name");
    assert_eq!(
        (&facts["run"]["switches"]["overlay"], &facts["run"]["switches"]["mirror"]),
        (&false.into(), &false.into())
    );
}

#[test]
fn strangers_are_turned_away() {
    let page = start(Some(TOKEN), 4);
    let address = host(page.server().address());
    for path in ["/live", "/api/state", "/snapshot.png", "/nothing"] {
        assert_eq!(get(&page, path).0, 401, "{path}");
    }
    assert_eq!(get(&page, "/stream.mjpg?token=0123456789abcdeg").0, 401);
    assert_eq!(ask(&page, "GET /info.json", &format!("{address}Authorization: Bearer {TOKEN}\r\n")).0, 200);
    let (status, head, _) =
        ask(&page, &format!("GET /live?token={TOKEN}"), &format!("{address}Accept: text/html\r\n"));
    assert_eq!(status, 303);
    let cookie = head.lines().find_map(|l| l.strip_prefix("Set-Cookie: ")).unwrap();
    assert!(head.contains("Location: /live\r\n") && cookie.contains("HttpOnly"));
    let kept = cookie.split(';').next().unwrap();
    assert_eq!(ask(&page, "GET /live", &format!("{address}Cookie: {kept}\r\n")).0, 200);
    let open = start(None, 4);
    assert_eq!(ask(&open, "GET /live", "Host: evil.example\r\n").0, 403);
    assert_eq!(ask(&open, "GET /live", "").0, 400);
    // No path leads out of the list of recordings.
    for path in [
        "/recordings/",
        "/recordings/../Cargo.toml",
        "/recordings/%2e%2e%2fCargo.toml",
        "/recordings//etc/passwd",
    ] {
        assert_eq!(get(&open, path).0, 404, "{path}");
    }
    let elsewhere = Access { address: ([0, 0, 0, 0], 0).into(), token: None, names: Vec::new() };
    assert!(matches!(
        LivePage::start(&elsewhere, 4, &manifest(2), Intake::default(), Vec::new()),
        Err(Error::Open(_))
    ));
}

#[test]
fn one_viewer_too_many_is_told_to_wait() {
    let mut page = start(None, 2);
    show(&mut page, 0, (16, 16));
    let (mut first, mut second) = (Watcher::new(&page), Watcher::new(&page));
    first.next();
    second.next();
    let (status, head, _) = get(&page, "/stream.mjpg");
    assert!(status == 503 && head.contains("Retry-After"));
    assert_eq!(get(&page, "/snapshot.png").0, 200, "a single picture takes no place");
    drop(first);
    // That somebody left is noticed when the next picture is sent.
    let start = Instant::now();
    while page.browsers() == 2 {
        show(&mut page, 1, (16, 16));
        std::thread::sleep(Duration::from_millis(10));
        assert!(start.elapsed() < Duration::from_secs(10));
    }
    Watcher::new(&page).next();
}

/// Four that never read kept everybody else out for 25 s, again and again: each write that got a byte through began a time
/// limit of its own.
#[test]
fn who_never_reads_gives_way() {
    let mut page = start(None, 2);
    show(&mut page, 0, (16, 16));
    let stuck = [0, 1].map(|_| {
        let mut stream = connect(&page);
        let head = format!("GET /stream.mjpg HTTP/1.1\r\n{}\r\n", host(page.server().address()));
        stream.write_all(head.as_bytes()).unwrap();
        stream
    });
    let start = Instant::now();
    let mut index = 0;
    let mut reads = loop {
        index += 1;
        show_noise(&mut page, index);
        std::thread::sleep(Duration::from_millis(20));
        assert!(start.elapsed() < Duration::from_secs(30), "they keep their places");
        if page.browsers() == 2 && index % 20 == 0 {
            let mut stream = connect(&page);
            let head = format!("GET /stream.mjpg HTTP/1.1\r\n{}\r\n", host(page.server().address()));
            stream.write_all(head.as_bytes()).unwrap();
            let mut watcher = Watcher(BufReader::new(stream));
            if watcher.head().contains("multipart/x-mixed-replace") {
                break watcher;
            }
        }
    };
    show_noise(&mut page, index + 1);
    assert!(reads.next().1["frame"].as_u64().is_some());
    assert_eq!(page.browsers(), 2);
    drop(stuck);
}

/// 40 connections that sent nothing kept every visitor out.
#[test]
fn the_idle_keep_nobody_out() {
    let page = start(None, 4);
    let idle: Vec<_> = (0..200).map(|_| connect(&page)).collect();
    for _ in 0..5 {
        assert_eq!(get(&page, "/info.json").0, 200);
    }
    // Nor do those that began a head, or do not send the body that they said.
    let heads: Vec<_> = [
        "GET /info.json HT",
        "POST /switch HTTP/1.1\r\nHost: localhost\r\nOrigin: http://localhost\r\nContent-Length: 9\r\n\r\n",
    ]
    .into_iter()
    .flat_map(|begun| std::iter::repeat_n(begun, 100))
    .map(|begun| {
        let mut stream = connect(&page);
        stream.write_all(begun.as_bytes()).ok();
        stream
    })
    .collect();
    for _ in 0..5 {
        assert_eq!(get(&page, "/info.json").0, 200);
    }
    drop((idle, heads));
}

#[test]
fn a_slow_viewer_slows_nobody_and_sees_the_newest() {
    let mut page = start(None, 4);
    show(&mut page, 0, (640, 480));
    let mut slow = Watcher::new(&page);
    let mut quick = Watcher::new(&page);
    slow.next();
    let frames = 150;
    let reader = std::thread::spawn(move || {
        let mut seen = Vec::new();
        while seen.last() != Some(&frames) {
            seen.push(quick.next().1["frame"].as_u64().unwrap());
        }
        seen
    });
    let mut longest = Duration::ZERO;
    for index in 1..=frames {
        let start = Instant::now();
        show_noise(&mut page, index);
        longest = longest.max(start.elapsed());
        std::thread::sleep(Duration::from_millis(10));
    }
    assert!(longest < Duration::from_millis(150), "the loop waited {longest:?}");
    let seen = reader.join().unwrap();
    assert!(seen.len() > 5 && seen.is_sorted(), "{seen:?}");
    // What was on its way when the slow one stopped reading comes first; then the newest, not all between.
    let mut later = Vec::new();
    while later.last() != Some(&frames) {
        later.push(slow.next().1["frame"].as_u64().unwrap());
    }
    assert!(later.len() < seen.len(), "{} of {}", later.len(), seen.len());
}

/// Noise makes long JPEGs, which fill what a connection holds.
fn show_noise(page: &mut LivePage, index: u64) {
    let mut state = index | 1;
    let mut picture = RgbImage::new(640, 480);
    for byte in picture.iter_mut() {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        *byte = (state >> 56) as u8;
    }
    let time = Duration::from_millis(index);
    page.show(&Shown::new(&picture, index, time)).unwrap();
}

#[test]
fn dropping_the_server_ends_its_streams() {
    let mut page = start(None, 4);
    show(&mut page, 0, (16, 16));
    let mut watcher = Watcher::new(&page);
    watcher.next();
    let address = page.server().address();
    drop(page);
    let mut rest = Vec::new();
    watcher.0.read_to_end(&mut rest).unwrap();
    assert!(rest.ends_with(b"--frame--\r\n"));
    std::thread::sleep(Duration::from_millis(50));
    assert!(TcpStream::connect_timeout(&address, Duration::from_millis(300)).is_err());
}
