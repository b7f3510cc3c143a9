//! What a bundle is made of.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use lkg_bundle::bundle::{MANIFEST, describe_files};
use lkg_bundle::testing::{DIMS, write_tiny_bundle};
use lkg_bundle::{Bundle, Manifest, Network, golden, onnx};

pub fn manifest(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let path = Path::new(MANIFEST);
    let Ok(manifest) = Manifest::parse(text, path) else { return };
    let written = manifest.to_json(path).and_then(|text| Manifest::parse(&text, path));
    assert_eq!(written.ok(), Some(manifest), "written and read again");
}

pub fn network(data: &[u8]) {
    let Some((which, content)) = data.split_first() else { return };
    let network = Network::ALL[usize::from(*which) % Network::ALL.len()];
    onnx::check_model(content, network, &DIMS).ok();
}

pub fn golden(data: &[u8]) {
    let functions = [Network::KeypointGenerator, Network::ImageGenerator, Network::Detector];
    golden::parse(data, Path::new(golden::FILE_NAME), &functions, &DIMS).ok();
}

/// A sound bundle in a folder of its own, and its files.
type Sound = (tempfile::TempDir, BTreeMap<String, Vec<u8>>);

/// A sound bundle with one file changed: which it is and whether its checksum is right are told by the first byte.
pub fn folder(data: &[u8]) {
    thread_local! {
        static SOUND: RefCell<Option<Sound>> = const { RefCell::new(None) };
    }
    let Some((which, content)) = data.split_first() else { return };
    SOUND.with_borrow_mut(|sound| {
        let (dir, files) = sound.get_or_insert_with(|| {
            let dir = crate::folder();
            let _ = write_tiny_bundle(dir.path());
            let read = |e: fs::DirEntry| Some((e.file_name().into_string().ok()?, fs::read(e.path()).ok()?));
            let files = fs::read_dir(dir.path()).into_iter().flatten().flatten().filter_map(read).collect();
            (dir, files)
        });
        let Some((name, whole)) = files.iter().nth(usize::from(which & 15) % files.len()) else { return };
        crate::file(dir, name, content);
        let known = files.get(MANIFEST).cloned().unwrap_or_default();
        if which & 16 != 0 && name != MANIFEST {
            let text = String::from_utf8_lossy(&known);
            let parsed = Manifest::parse(&text, Path::new(MANIFEST));
            if let (Ok(mut manifest), Ok(entries)) =
                (parsed, describe_files(dir.path(), std::slice::from_ref(name)))
            {
                manifest.files.extend(entries);
                let text = manifest.to_json(Path::new(MANIFEST)).unwrap_or_default();
                crate::file(dir, MANIFEST, text.as_bytes());
            }
        }
        let opened = Bundle::open(dir.path()).and_then(|bundle| bundle.verify_files());
        assert!(
            opened.is_err() || which & 16 != 0 || name == MANIFEST || content == whole,
            "a wrong checksum passed"
        );
        crate::file(dir, name, whole);
        crate::file(dir, MANIFEST, &known);
    });
}
