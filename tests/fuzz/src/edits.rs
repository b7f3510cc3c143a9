//! What is done to faces, and where it is kept: edits, sessions and recorded motion.

use std::path::Path;

use lkg_bundle::testing::{PORTRAIT_DIMS, write_tiny_bundle, write_tiny_portrait_bundle};
use lkg_bundle::{Bundle, Manifest};
use lkg_runtime::internals::edit::BundleId;
use lkg_runtime::internals::reenact::Recording;
use lkg_runtime::{Donors, Error, FaceLatents, Operation, Session, SessionFile};

/// A tiny bundle of a kind, in a folder of its own.
struct Tiny {
    dir: tempfile::TempDir,
    bundle: Bundle,
    manifest: Manifest,
}

impl Tiny {
    #[allow(clippy::expect_used)]
    fn new(portrait: bool) -> Self {
        let dir = crate::folder();
        let written =
            if portrait { write_tiny_portrait_bundle(dir.path()) } else { write_tiny_bundle(dir.path()) };
        let manifest = written.expect("a tiny bundle");
        let bundle = Bundle::open(dir.path()).expect("a sound bundle");
        Self { dir, bundle, manifest }
    }
}

thread_local! {
    static DRAWN: Tiny = Tiny::new(false);
    static CARRIED: Tiny = Tiny::new(true);
}

/// A face of the tiny bundle that draws faces.
fn drawn(shift: f32) -> FaceLatents {
    FaceLatents::new(
        vec![[-0.5 + shift, 0.1], [0.5, 0.2]],
        vec![vec![shift, 1.0, 2.0], vec![3.0, 4.0, 5.0]],
        vec![6.0, 7.0, 8.0],
    )
}

/// A face of the tiny bundle that carries photos.
fn carried(shift: f32) -> FaceLatents {
    let keypoints: Vec<_> =
        (0..PORTRAIT_DIMS.keypoints).map(|k| [-0.5 + shift + 0.25 * k as f32, 0.1 * k as f32]).collect();
    let states = vec![0.1; PORTRAIT_DIMS.keypoints * PORTRAIT_DIMS.states.unwrap_or_default()];
    FaceLatents::carried(keypoints, states, 0.0)
}

/// Edits one after the other, a line each, in a drawn or a carried face. All are then taken back and done again.
pub fn script(data: &[u8]) {
    let Some((kind, lines)) = data.split_first() else { return };
    let is_carried = kind % 2 == 1;
    let face = if is_carried { carried } else { drawn };
    let kind = if is_carried { &CARRIED } else { &DRAWN };
    kind.with(|tiny| {
        let mut session = Session::new(face(0.0));
        let mut donors = Donors::new(|name| match name {
            "seed:1" => Ok(face(0.25)),
            other => Err(Error::Usage(format!("no face {other}"))),
        });
        for line in lines.split(|b| *b == b'\n').take(64) {
            let Ok(operation) = serde_json::from_slice::<Operation>(line) else { continue };
            let (before, locked) = (session.face().clone(), session.locked().to_vec());
            match session.apply(&operation, &tiny.manifest, &mut donors) {
                Ok(_) => {
                    let checked = session.face().check(&tiny.manifest.dims);
                    assert!(checked.is_ok(), "an edit led to what no file may hold: {checked:?}");
                }
                Err(_) => assert!(*session.face() == before && session.locked() == locked, "half an edit"),
            }
        }
        let text = |session: &Session| serde_json::to_string(session.face()).unwrap_or_default();
        let edited = text(&session);
        while let Some(fits) = session.undo() {
            assert!(fits, "what was done can be taken back");
        }
        assert_eq!(text(&session), serde_json::to_string(&face(0.0)).unwrap_or_default());
        while let Some(fits) = session.redo() {
            assert!(fits, "and done again");
        }
        // What had been taken back within the script is done now, too.
        if !lines.windows(6).any(|w| w == b"\"undo\"") {
            assert_eq!(text(&session), edited);
        }
    });
}

pub fn session(data: &[u8]) {
    let Some((kind, text)) = data.split_first() else { return };
    let kind = if kind % 2 == 1 { &CARRIED } else { &DRAWN };
    kind.with(|tiny| {
        // A session is of one bundle: its checksum is put in, as no mutation finds it.
        let own = BundleId::of(&tiny.bundle).sha256;
        let text = String::from_utf8_lossy(text).replace("OWN", &own);
        let path = crate::file(&tiny.dir, "face.json", text.as_bytes());
        let Ok((file, _)) = SessionFile::read(&path, &tiny.bundle) else { return };
        let written = file.to_json().unwrap_or_default();
        let path = crate::file(&tiny.dir, "face.json", written.as_bytes());
        assert_eq!(SessionFile::read(&path, &tiny.bundle).ok().map(|(again, _)| again), Some(file));
    });
}

pub fn motion(data: &[u8]) {
    let Some((kind, text)) = data.split_first() else { return };
    let kind = if kind % 2 == 1 { &CARRIED } else { &DRAWN };
    kind.with(|tiny| {
        let own = BundleId::of(&tiny.bundle);
        let text = String::from_utf8_lossy(text).replace("OWN", &own.sha256);
        let path = crate::file(&tiny.dir, "motion.jsonl", text.as_bytes());
        let Ok(recording) = Recording::read(Path::new(&path), &own, &tiny.manifest) else { return };
        for (_, face) in recording.faces() {
            assert_eq!(face.keypoints.len(), tiny.manifest.keypoints.len());
            assert!(face.keypoints.iter().all(|k| k.x.is_finite() && k.y.is_finite()));
        }
    });
}
