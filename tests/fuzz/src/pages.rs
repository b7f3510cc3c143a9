//! Requests, as anybody on the network may send them.

use std::cell::RefCell;

use lkg_bundle::Bundle;
use lkg_bundle::testing::write_tiny_portrait_bundle;
use lkg_runtime::internals::edit::Workspace;
use lkg_runtime::internals::serve::Unconnected;
use lkg_runtime::{Blend, EngineOptions, FaceModel, Provider};

/// Requests after which the editor starts anew: its history only grows.
const FRESH: u32 = 2000;

/// A whole request: the pages ask for a token if the first byte is odd.
pub fn http(data: &[u8]) {
    thread_local! {
        static OPEN: Unconnected = Unconnected::new(None, None);
        static CLOSED: Unconnected = Unconnected::new(None, Some("0123456789abcdef"));
    }
    let Some((which, request)) = data.split_first() else { return };
    if which % 2 == 0 {
        OPEN.with(|pages| pages.answer(request));
    } else {
        let passed = CLOSED.with(|pages| pages.answer(request)) == Some(200);
        let known = request.windows(16).any(|w| w == b"0123456789abcdef");
        assert!(known || !passed, "answered without the token");
    }
}

/// Routes that take a body or a query, the rest of the bytes.
const ROUTES: [(&str, &str); 6] = [
    ("POST", "/do"),
    ("POST", "/preview"),
    ("POST", "/photo"),
    ("GET", "/donor.jpg"),
    ("GET", "/patch.jpg"),
    ("POST", "/faces"),
];

/// A request of the editor's page that passes the gate: the first byte tells which.
pub fn api(data: &[u8]) {
    thread_local! {
        static EDITOR: RefCell<Option<(Unconnected, u32)>> = const { RefCell::new(None) };
    }
    let Some((which, content)) = data.split_first() else { return };
    let (method, path) = ROUTES[usize::from(*which) % ROUTES.len()];
    let mut request = match method {
        "GET" => {
            let query: String = content.iter().map(|b| format!("%{b:02x}")).collect();
            format!("GET {path}?i={query} HTTP/1.1\r\nHost: localhost\r\n\r\n").into_bytes()
        }
        _ => {
            let origin = "Host: localhost\r\nOrigin: http://localhost";
            format!("{method} {path} HTTP/1.1\r\n{origin}\r\nContent-Length: {}\r\n\r\n", content.len())
                .into_bytes()
        }
    };
    if method == "POST" {
        request.extend_from_slice(content);
    }
    EDITOR.with_borrow_mut(|editor| {
        if editor.as_ref().is_some_and(|(_, answered)| *answered >= FRESH) {
            *editor = None;
        }
        let (pages, answered) = editor.get_or_insert_with(|| (pages(), 0));
        *answered += 1;
        let status = pages.answer(&request);
        assert!(status.is_some_and(|s| s != 503), "{status:?}: what is wrong with it is the sender's");
    });
}

#[allow(clippy::expect_used)]
fn pages() -> Unconnected {
    let dir = crate::folder();
    write_tiny_portrait_bundle(dir.path()).expect("a tiny bundle");
    let bundle = Bundle::open(dir.path()).expect("a sound bundle");
    let options = EngineOptions { provider: Provider::Cpu, threads: Some(1), ..EngineOptions::default() };
    let mut model = FaceModel::new(bundle, options);
    // It finds a face in anything.
    model.anyway = true;
    let opened = model.open_image(photo(), "photo").expect("a face");
    // Everything is loaded then, so that the folder may go.
    let workspace = Workspace::new(model, opened, Blend::Warp, &[], 16).expect("a workspace");
    Unconnected::new(Some(workspace), None)
}

/// A small photo with something to see in it.
fn photo() -> image::RgbImage {
    image::RgbImage::from_fn(64, 48, |x, y| image::Rgb([x as u8 * 3, y as u8 * 5, (x * y) as u8]))
}
