//! A bundle on disk: opened only when its files are there, whole and as the contract asks.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use crate::contract::Network;
use crate::error::{Error, Result};
use crate::files::{read_at_most, sha256_hex};
use crate::golden::{self, Cases};
use crate::manifest::{FileEntry, MAX_MANIFEST_BYTES, Manifest};
use crate::onnx;

/// The manifest's name in a bundle.
pub const MANIFEST: &str = "manifest.json";

/// Largest file of a bundle that is read, in bytes.
pub const MAX_FILE_BYTES: u64 = 1 << 30;

/// An opened bundle. Its manifest is checked; each file is checked when it is read.
#[derive(Clone, Debug)]
pub struct Bundle {
    dir: PathBuf,
    manifest: Manifest,
}

impl Bundle {
    /// Reads and checks the manifest of the bundle in `dir`, and that every file it names is there.
    ///
    /// # Errors
    /// [`Error::NotABundle`], [`Error::Manifest`] or [`Error::MissingFile`].
    pub fn open(dir: impl Into<PathBuf>) -> Result<Self> {
        let dir = dir.into();
        let path = dir.join(MANIFEST);
        if !path.is_file() {
            return Err(Error::NotABundle(dir));
        }
        let text = String::from_utf8(read_at_most(&path, MAX_MANIFEST_BYTES)?)
            .map_err(|_| Error::Manifest { path: path.clone(), reason: "not UTF-8 text".to_owned() })?;
        let manifest = Manifest::parse(&text, &path)?;
        for file in manifest.files.keys() {
            if !dir.join(file).is_file() {
                return Err(Error::MissingFile { dir, file: file.clone() });
            }
        }
        Ok(Self { dir, manifest })
    }

    /// The bundle's directory.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// The manifest.
    pub fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    /// Whether the bundle has `network`.
    pub fn has(&self, network: Network) -> bool {
        self.manifest.networks.contains_key(&network)
    }

    /// Whether the bundle draws faces.
    pub fn has_generator(&self) -> bool {
        self.has(Network::KeypointGenerator)
    }

    /// Whether the bundle carries photos along.
    pub fn has_portrait(&self) -> bool {
        self.has(Network::Portrait)
    }

    /// Whether the image generator lies in two files, [`Network::Style`] and [`Network::Render`].
    pub fn draws_in_two(&self) -> bool {
        self.has(Network::Render)
    }

    /// What can be computed, as the golden tensors name it: the networks present, an image generator in two files
    /// counting as one.
    pub fn functions(&self) -> Vec<Network> {
        let halves = [Network::Style, Network::Render];
        let there = |n: &Network| match n {
            Network::ImageGenerator => self.has_generator(),
            n => !halves.contains(n) && self.has(*n),
        };
        Network::ALL.into_iter().filter(there).collect()
    }

    /// The networks present, in the order in which they are reported.
    pub fn networks(&self) -> Vec<Network> {
        Network::ALL.into_iter().filter(|n| self.has(*n)).collect()
    }

    /// Reads a file of the bundle and holds its length and SHA-256 against the manifest.
    ///
    /// # Errors
    /// [`Error::MissingFile`], [`Error::WrongLength`], [`Error::WrongHash`] or [`Error::Io`].
    pub fn read(&self, file: &str) -> Result<Vec<u8>> {
        let missing = || Error::MissingFile { dir: self.dir.clone(), file: file.to_owned() };
        let entry = self.manifest.files.get(file).ok_or_else(missing)?;
        let path = self.dir.join(file);
        let length = std::fs::metadata(&path).map_err(Error::io(&path))?.len();
        if length != entry.bytes {
            return Err(Error::WrongLength { path, expected: entry.bytes, found: length });
        }
        let content = read_at_most(&path, entry.bytes)?;
        let found = sha256_hex(&content);
        if found != entry.sha256 {
            return Err(Error::WrongHash { path, expected: entry.sha256.clone(), found });
        }
        Ok(content)
    }

    /// Reads a network's ONNX file and checks hash, self-containment, operators, names and shapes.
    ///
    /// # Errors
    /// Those of [`Bundle::read`], and [`Error::Onnx`].
    pub fn read_network(&self, network: Network) -> Result<Vec<u8>> {
        let content = self.read(&network.file_name())?;
        match onnx::check_model(&content, network, &self.manifest.dims) {
            Ok(_) => Ok(content),
            Err(Error::Onnx { file, reason }) => Err(Error::Onnx {
                file: self.dir.join(file).display().to_string(),
                reason: format!("{reason}; fetch or export the bundle again"),
            }),
            Err(e) => Err(e),
        }
    }

    /// Reads the golden tensors of all [`Bundle::functions`].
    ///
    /// # Errors
    /// Those of [`Bundle::read`], and [`Error::Golden`].
    pub fn read_golden(&self) -> Result<Cases> {
        let content = self.read(golden::FILE_NAME)?;
        golden::parse(&content, &self.dir.join(golden::FILE_NAME), &self.functions(), &self.manifest.dims)
    }

    /// Checks every file of the bundle against the manifest and every network against the contract.
    ///
    /// # Errors
    /// The first thing wrong.
    pub fn verify_files(&self) -> Result<()> {
        for file in self.manifest.files.keys() {
            self.read(file)?;
        }
        for network in self.networks() {
            self.read_network(network)?;
        }
        self.read_golden().map(|_| ())
    }
}

/// Size and checksum of each of `files` in `dir`, as the manifest records them.
///
/// # Errors
/// [`Error::Io`].
pub fn describe_files(dir: &Path, files: &[String]) -> Result<BTreeMap<String, FileEntry>> {
    files
        .iter()
        .map(|name| {
            let content = read_at_most(&dir.join(name), MAX_FILE_BYTES)?;
            let entry = FileEntry { sha256: sha256_hex(&content), bytes: content.len() as u64 };
            Ok((name.clone(), entry))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use std::fs;

    use prost::Message;

    use super::*;
    use crate::golden::tests::zeros;
    use crate::manifest::{Keypoint, NetworkInfo, Provenance, SCHEMA_VERSION};
    use crate::onnx::tests::{DIMS, skeleton};

    const NETWORKS: [Network; 3] = [Network::KeypointGenerator, Network::ImageGenerator, Network::Detector];

    fn write_bundle(dir: &Path) -> Manifest {
        let mut names = vec![golden::FILE_NAME.to_owned()];
        golden::write(&dir.join(golden::FILE_NAME), &zeros(&NETWORKS)).unwrap();
        for n in NETWORKS {
            fs::write(dir.join(n.file_name()), skeleton(n).encode_to_vec()).unwrap();
            names.push(n.file_name());
        }
        let info = NetworkInfo {
            opset: 17,
            operators: BTreeMap::new(),
            parameters: 6,
            macs: 0,
            parity: BTreeMap::new(),
        };
        let keypoint =
            |i: usize| Keypoint { name: format!("k{i}"), aliases: vec![], colour: [0; 3], mean: [0.0; 2] };
        let manifest = Manifest {
            schema_version: SCHEMA_VERSION,
            name: "tiny".to_owned(),
            description: String::new(),
            dims: DIMS,
            tau: 0.01,
            keypoints: vec![keypoint(0), keypoint(1)],
            symmetric_pairs: vec![[0, 1]],
            skeleton: vec![],
            expressions: vec![],
            files: describe_files(dir, &names).unwrap(),
            networks: NETWORKS.into_iter().map(|n| (n, info.clone())).collect(),
            tolerance: 1e-4,
            metrics: vec![],
            provenance: Provenance::default(),
            licence: "test".to_owned(),
        };
        save(dir, &manifest);
        manifest
    }

    fn save(dir: &Path, manifest: &Manifest) {
        let path = dir.join(MANIFEST);
        fs::write(&path, manifest.to_json(&path).unwrap()).unwrap();
    }

    fn trouble(dir: &Path) -> String {
        Bundle::open(dir).and_then(|b| b.verify_files()).unwrap_err().to_string()
    }

    #[test]
    fn a_sound_bundle_passes() {
        let dir = tempfile::tempdir().unwrap();
        let manifest = write_bundle(dir.path());
        let bundle = Bundle::open(dir.path()).unwrap();
        assert_eq!(bundle.manifest(), &manifest);
        bundle.verify_files().unwrap();
        assert!(!bundle.has(Network::Encoder));
    }

    #[test]
    fn a_flipped_bit_is_found() {
        let dir = tempfile::tempdir().unwrap();
        write_bundle(dir.path());
        let path = dir.path().join("detector.onnx");
        let mut content = fs::read(&path).unwrap();
        content[7] ^= 1;
        fs::write(&path, content).unwrap();
        assert!(trouble(dir.path()).contains("damaged or altered"));
    }

    /// It was read up to 1 GiB whatever the manifest said, and the same checksum was named twice.
    #[test]
    fn a_wrong_length_is_said_before_anything_is_read() {
        let dir = tempfile::tempdir().unwrap();
        let mut manifest = write_bundle(dir.path());
        if let Some(entry) = manifest.files.get_mut("detector.onnx") {
            entry.bytes += 1;
        }
        save(dir.path(), &manifest);
        let (text, bytes) = (trouble(dir.path()), manifest.files["detector.onnx"].bytes);
        assert!(
            text.contains(&format!("{} bytes, the manifest says {bytes}", bytes - 1))
                && text.contains("detector.onnx"),
            "{text}"
        );
    }

    #[test]
    fn missing_files_and_manifests_are_named() {
        let dir = tempfile::tempdir().unwrap();
        assert!(trouble(dir.path()).contains("not a model bundle"));
        write_bundle(dir.path());
        fs::remove_file(dir.path().join("image_generator.onnx")).unwrap();
        assert!(trouble(dir.path()).contains("lacks image_generator.onnx"));
    }

    #[test]
    fn a_graph_of_another_shape_is_refused_even_with_a_right_hash() {
        let dir = tempfile::tempdir().unwrap();
        let mut manifest = write_bundle(dir.path());
        manifest.dims.detector_size = 16;
        save(dir.path(), &manifest);
        assert!(trouble(dir.path()).contains("is not float32 [N, 3, 16, 16]"));
    }

    #[test]
    fn manifests_that_contradict_themselves_are_refused() {
        let dir = tempfile::tempdir().unwrap();
        let sound = write_bundle(dir.path());
        let path = dir.path().join(MANIFEST);
        let refuse = |change: &dyn Fn(&mut Manifest)| {
            let mut m = sound.clone();
            change(&mut m);
            assert!(m.to_json(&path).is_err());
            Manifest::parse(&serde_json::to_string(&m).unwrap(), &path).unwrap_err().to_string()
        };
        assert!(refuse(&|m| m.dims.keypoints = 3).contains("2 keypoints described"));
        assert!(refuse(&|m| m.skeleton.push([0, 9])).contains("[0, 9]"));
        assert!(refuse(&|m| m.tau = -1.0).contains("tau"));
        assert!(refuse(&|m| m.tolerance = 3e38).contains("tolerance"));
        assert!(refuse(&|m| m.keypoints[1].mean[0] = 1e30).contains("keypoints[1].mean"));
        assert!(
            refuse(&|m| m.files.values_mut().for_each(|f| f.bytes = u64::MAX))
                .contains("files[\"detector.onnx\"].bytes")
        );
        assert!(refuse(&|m| m.keypoints[1].name = "k0".to_owned()).contains("given twice"));
        let old = || vec!["old".to_owned()];
        assert!(refuse(&|m| m.keypoints.iter_mut().for_each(|k| k.aliases = old())).contains("were called"));
        assert!(refuse(&|m| m.symmetric_pairs.push([1, 0])).contains("shares a keypoint"));
        assert!(refuse(&|m| m.skeleton = vec![[0, 1], [1, 0]]).contains("given twice"));
        assert!(
            refuse(&|m| {
                m.networks.remove(&Network::Detector);
            })
            .contains("no detector")
        );
        let entry = sound.files["detector.onnx"].clone();
        assert!(
            refuse(&|m| {
                m.files.insert("../x".to_owned(), entry.clone());
            })
            .contains("not a plain name")
        );
        let newer =
            fs::read_to_string(&path).unwrap().replace("\"schema_version\": 1", "\"schema_version\": 99");
        assert!(Manifest::parse(&newer, &path).unwrap_err().to_string().contains("schema version 99"));
    }
}
