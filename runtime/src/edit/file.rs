use std::path::Path;

use lkg_bundle::files::{read_at_most, sha256_hex};
use lkg_bundle::{Bundle, json};
use serde::{Deserialize, Serialize};

use super::{EditError, FaceLatents, Session, Transaction};
use crate::error::{Error, Result};
use crate::media::output::PendingFile;

/// Says what the file is.
const FORMAT: &str = "latentkeypointgan-face";
/// The version written and read.
const VERSION: u32 = 1;
/// Largest file that is read, in bytes.
const MAX_BYTES: u64 = 64 << 20;

/// Furthest that a face may lie from its photo's corner, in pixels.
const FAR: f32 = 1e5;

/// Which bundle a face belongs to: embeddings mean nothing to another.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BundleId {
    /// The bundle's name.
    pub name: String,
    /// SHA-256 over the names and checksums of its networks.
    pub sha256: String,
}

impl BundleId {
    /// That of `bundle`.
    pub fn of(bundle: &Bundle) -> Self {
        let manifest = bundle.manifest();
        let networks = bundle.networks().into_iter().map(|n| n.file_name());
        let entry = |file: String| {
            let sum = manifest.files.get(&file).map_or("", |f| f.sha256.as_str());
            format!("{file} {sum}\n")
        };
        let text: String = networks.map(entry).collect();
        Self { name: manifest.name.clone(), sha256: sha256_hex(text.as_bytes()) }
    }
}

/// A photo that a face was taken from, and where in it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PhotoId {
    /// SHA-256 over its pixels.
    pub sha256: String,
    /// The square that the face fills: centre x, centre y and side, in pixels of the photo.
    pub crop: [f32; 3],
}

/// A face or a whole session on disk.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SessionFile {
    format: String,
    version: u32,
    /// That made it.
    pub(super) bundle: BundleId,
    /// What it was opened from: `seed:N` or the photo's name. For people.
    pub(super) source: String,
    /// What is needed to put the face back into its photo.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) photo: Option<PhotoId>,
    /// The face in the beginning.
    original: FaceLatents,
    /// What was done to it.
    history: Vec<Transaction>,
    /// How many of the history are done.
    done: usize,
}

impl SessionFile {
    /// A session as a file.
    pub(crate) fn new(bundle: BundleId, source: String, session: &Session) -> Self {
        let (history, done) = session.history();
        Self {
            format: FORMAT.to_owned(),
            version: VERSION,
            bundle,
            source,
            photo: None,
            original: session.original().clone(),
            history: history.to_vec(),
            done,
        }
    }

    /// Whether a file's name says that it is one of these.
    pub fn has_name(path: &Path) -> bool {
        path.extension().is_some_and(|e| e.eq_ignore_ascii_case("json"))
    }

    /// Reads the session in `path`, which must be of `bundle`.
    ///
    /// # Errors
    /// [`EditError::SavedFace`] that says what is wrong, or [`EditError::OtherBundle`].
    pub fn read(path: &Path, bundle: &Bundle) -> Result<(Self, Session)> {
        let refuse = |reason: String| Error::from(EditError::SavedFace { path: path.to_owned(), reason });
        if !path.exists() {
            return Err(refuse("no such file".to_owned()));
        }
        let content = read_at_most(path, MAX_BYTES)?;
        let raw: serde_json::Value =
            serde_json::from_slice(&content).map_err(|e| refuse(format!("not valid JSON: {e}")))?;
        if raw.get("format").and_then(serde_json::Value::as_str) != Some(FORMAT) {
            return Err(refuse(
                "not a saved face (it has no \"format\": \"latentkeypointgan-face\")".to_owned(),
            ));
        }
        match raw.get("version").and_then(serde_json::Value::as_u64) {
            Some(v) if v == u64::from(VERSION) => {}
            other => {
                let have = other.map_or_else(|| "none".to_owned(), |v| v.to_string());
                return Err(refuse(format!("version {have}, this program reads {VERSION}")));
            }
        }
        let file: Self = json::from_value(raw).map_err(|e| refuse(format!("not a saved face: {e}")))?;
        if let Some(PhotoId { crop: [cx, cy, side], .. }) = file.photo
            && !(side > 0.0 && [cx, cy, side].iter().all(|v| v.abs() < FAR))
        {
            return Err(refuse(format!("photo.crop: {cx}, {cy}, {side} is no square of a photo")));
        }
        let own = BundleId::of(bundle);
        if file.bundle.sha256 != own.sha256 {
            let about = |id: &BundleId| format!("{}, networks {}", id.name, short(&id.sha256));
            let (theirs, ours) = (about(&file.bundle), about(&own));
            return Err(EditError::OtherBundle { path: path.to_owned(), theirs, ours }.into());
        }
        let dims = bundle.manifest().dims;
        file.original.check(&dims).map_err(|e| refuse(format!("original.{e}")))?;
        let sound = |face: &FaceLatents| face.check(&dims).is_ok();
        let session = Session::restore(file.original.clone(), file.history.clone(), file.done, sound)
            .ok_or_else(|| refuse("its history does not fit its face: damaged or altered".to_owned()))?;
        Ok((file, session))
    }

    /// What stands in the file.
    ///
    /// # Errors
    /// [`Error::Io`], which no face that was checked gives.
    pub fn to_json(&self) -> Result<String> {
        serde_json::to_string(self).map_err(|e| Error::Io { what: "a face".to_owned(), source: e.into() })
    }

    /// Writes the file whole or not at all.
    ///
    /// # Errors
    /// It exists and may not be overwritten (without `force`), or cannot be written.
    pub fn write(&self, path: &Path, force: bool) -> Result<()> {
        let text = self.to_json()?;
        let mut file = PendingFile::create(path, force)?;
        file.write(text.as_bytes())?;
        file.write(b"\n")?;
        file.finish()?;
        Ok(())
    }
}

fn short(hash: &str) -> &str {
    hash.get(..12).unwrap_or(hash)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use lkg_bundle::testing::{write_manifest, write_tiny_bundle};

    use super::*;
    use crate::edit::Donors;
    use crate::edit::testing::face;

    #[test]
    fn a_session_survives_the_disk_and_another_bundles_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let mut manifest = write_tiny_bundle(dir.path()).unwrap();
        let bundle = Bundle::open(dir.path()).unwrap();
        let mut session = Session::new(face(0.1));
        let edit = serde_json::from_str(r#"{"op":"move","part":0,"dx":0.123456789}"#).unwrap();
        let mut nobody = Donors::new(|name| Err(EditError::NotOnStrip(name.to_owned()).into()));
        session.apply(&edit, bundle.manifest(), &mut nobody).unwrap();
        let file = SessionFile::new(BundleId::of(&bundle), "seed:1".to_owned(), &session);
        let path = dir.path().join("s.json");
        file.write(&path, false).unwrap();
        assert!(file.write(&path, false).unwrap_err().to_string().contains("--force"));
        let (read, restored) = SessionFile::read(&path, &bundle).unwrap();
        assert_eq!((&read, &restored), (&file, &session));

        let trouble = |text: &str| {
            fs::write(&path, text).unwrap();
            SessionFile::read(&path, &bundle).unwrap_err().to_string()
        };
        let sound = fs::read_to_string(&path).unwrap();
        assert!(trouble("{}").contains("not a saved face"));
        assert!(trouble("{").contains("not valid JSON"));
        assert!(trouble(&sound.replace("\"version\":1", "\"version\":2")).contains("version 2"));
        assert!(trouble(&sound.replace("\"done\":1", "\"done\":3")).contains("does not fit"));
        assert!(trouble(&sound.replace("\"scales\":[1.0", "\"scales\":[9.0")).contains("original.scales[0]"));
        assert!(trouble(&sound.replace("\"scales\"", "\"sizes\"")).contains("unknown field `sizes`"));
        assert!(trouble(&sound.replace("\"done\":1", "\"done\":\"x\"")).contains("done: invalid type"));
        // A background like this gave a black picture.
        let (before, after) = sound.split_at(sound.find("\"background\":[").unwrap() + 14);
        let far = trouble(&format!("{before}3e38,{}", after.split_once(',').unwrap().1));
        assert!(far.contains("original.background: 3"), "{far}");
        let crop = r#""photo":{"sha256":"x","crop":[1,1,-5]},"original""#;
        let bad = trouble(&sound.replace("\"original\"", crop));
        assert!(bad.contains("photo.crop: 1, 1, -5"), "{bad}");

        fs::write(&path, &sound).unwrap();
        manifest.files.values_mut().for_each(|f| f.sha256 = "ab".repeat(32));
        write_manifest(dir.path(), &manifest).unwrap();
        let other = Bundle::open(dir.path()).unwrap();
        let refused = SessionFile::read(&path, &other).unwrap_err().to_string();
        assert!(refused.contains("made with another bundle (tiny, networks "), "{refused}");
    }
}
