//! `manifest.json`: what a bundle holds, what it measured and where it came from.

use std::collections::BTreeMap;
use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::contract::{BundleDims, Network};
use crate::error::{Error, Result};

/// The schema this crate reads and writes. A manifest of a higher one is refused.
pub const SCHEMA_VERSION: u32 = 1;

/// Largest manifest that is read, in bytes.
pub const MAX_MANIFEST_BYTES: u64 = 1 << 20;

/// The content of `manifest.json`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Manifest {
    /// [`SCHEMA_VERSION`] of the writer.
    pub schema_version: u32,
    /// Short name, the directory's name on the shelf.
    pub name: String,
    /// One line on what the model shows.
    pub description: String,
    /// K, Z, E and image sizes.
    pub dims: BundleDims,
    /// Width of a keypoint's heat map, see [`crate::conventions`].
    pub tau: f32,
    /// One entry a keypoint, in the order of the tensors.
    pub keypoints: Vec<Keypoint>,
    /// Pairs of keypoint indices that mirror each other.
    pub symmetric_pairs: Vec<[usize; 2]>,
    /// Pairs of keypoint indices joined by a line in overlays.
    pub skeleton: Vec<[usize; 2]>,
    /// Every file of the bundle but the manifest itself.
    pub files: BTreeMap<String, FileEntry>,
    /// The networks present.
    pub networks: BTreeMap<Network, NetworkInfo>,
    /// Largest absolute difference that the golden check accepts, float32.
    pub tolerance: f32,
    /// What was measured on pictures that training never saw.
    pub metrics: Vec<Metric>,
    /// How the model came about.
    pub provenance: Provenance,
    /// Licence of the weights (SPDX id or a sentence).
    pub licence: String,
}

/// A keypoint as overlays show it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Keypoint {
    /// Name, unique in the bundle.
    pub name: String,
    /// sRGB colour.
    pub colour: [u8; 3],
    /// Mean position over generated samples, normalised coordinates.
    pub mean: [f32; 2],
}

/// Size and checksum of a file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileEntry {
    /// Lower-case hexadecimal SHA-256.
    pub sha256: String,
    /// Length in bytes.
    pub bytes: u64,
}

/// What the exporter knows of a network.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct NetworkInfo {
    /// ONNX operator-set version.
    pub opset: i64,
    /// Operators used and how often.
    pub operators: BTreeMap<String, usize>,
    /// Weights in the graph.
    pub parameters: u64,
    /// Multiply-accumulates for one image, convolutions and matrix products only.
    pub macs: u64,
    /// Largest absolute difference between libtorch and ONNX Runtime seen at export, by output; none for style, which is
    /// held against libtorch through what render draws from it.
    pub parity: BTreeMap<String, f32>,
}

/// One measured number.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Metric {
    /// What was measured, e.g. `landmark error (wild)`.
    pub name: String,
    /// The number.
    pub value: f64,
    /// Its unit, e.g. `% of inter-ocular distance`.
    pub unit: String,
    /// How many pictures.
    pub n: u64,
    /// Protocol and data set, in a sentence.
    pub protocol: String,
}

/// How a model came about.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Provenance {
    /// Training data, with its licence.
    pub data: String,
    /// Pictures in the training set.
    pub dataset_size: u64,
    /// Real pictures shown to the discriminator.
    pub images_seen: u64,
    /// Generated pairs shown to the detector.
    pub detector_images_seen: u64,
    /// Revision of the trainer.
    pub commit: String,
    /// The resolved training configuration.
    pub config: serde_json::Value,
    /// Machine and hours, in a sentence.
    pub machine: String,
    /// Date of export, `YYYY-MM-DD`.
    pub date: String,
}

impl Manifest {
    /// Parses and checks a manifest's text; `path` is named in errors.
    ///
    /// # Errors
    /// [`Error::Manifest`] if the text is not a manifest of a schema this crate reads, or contradicts itself.
    pub fn parse(text: &str, path: &Path) -> Result<Self> {
        let fail = |reason: String| Error::Manifest { path: path.to_owned(), reason };
        let raw: serde_json::Value =
            serde_json::from_str(text).map_err(|e| fail(format!("not valid JSON: {e}")))?;
        // The version comes first: a newer manifest must not be reported as a malformed one.
        match raw.get("schema_version").and_then(serde_json::Value::as_u64) {
            Some(v) if v == u64::from(SCHEMA_VERSION) => {}
            Some(v) => {
                return Err(fail(format!(
                    "schema version {v}, this program reads {SCHEMA_VERSION}; use a matching release"
                )));
            }
            None => return Err(fail("no schema_version: not a model manifest".to_owned())),
        }
        let manifest: Self = serde_json::from_value(raw).map_err(|e| fail(format!("not a manifest: {e}")))?;
        manifest.check().map_err(fail)?;
        Ok(manifest)
    }

    /// The manifest as pretty JSON with a final newline.
    ///
    /// # Errors
    /// [`Error::Manifest`] if it contradicts itself: what could not be read back is not written.
    pub fn to_json(&self, path: &Path) -> Result<String> {
        let fail = |reason: String| Error::Manifest { path: path.to_owned(), reason };
        self.check().map_err(fail)?;
        let mut text = serde_json::to_string_pretty(self).map_err(|e| fail(e.to_string()))?;
        text.push('\n');
        Ok(text)
    }

    fn check(&self) -> std::result::Result<(), String> {
        let d = &self.dims;
        for (name, value, most) in [
            ("keypoints", d.keypoints, 256),
            ("latent", d.latent, 8192),
            ("embedding", d.embedding, 8192),
            ("image_size", d.image_size, 4096),
            ("detector_size", d.detector_size, 4096),
        ] {
            if value == 0 || value > most {
                return Err(format!("dims.{name} is {value}, must be 1 to {most}"));
            }
        }
        if !(self.tau.is_finite() && self.tau > 0.0) {
            return Err(format!("tau is {}, must be positive", self.tau));
        }
        if !(self.tolerance.is_finite() && self.tolerance > 0.0) {
            return Err(format!("tolerance is {}, must be positive", self.tolerance));
        }
        if self.keypoints.len() != d.keypoints {
            return Err(format!("{} keypoints described, dims say {}", self.keypoints.len(), d.keypoints));
        }
        for [a, b] in self.symmetric_pairs.iter().chain(&self.skeleton) {
            if *a >= d.keypoints || *b >= d.keypoints || a == b {
                return Err(format!("pair [{a}, {b}] does not name two of the {} keypoints", d.keypoints));
            }
        }
        for (i, keypoint) in self.keypoints.iter().enumerate() {
            let taken = self.keypoints[..i].iter().any(|k| k.name == keypoint.name);
            if taken || keypoint.name.trim().is_empty() {
                return Err(format!("keypoint name {:?} is empty or given twice", keypoint.name));
            }
        }
        for (i, pair) in self.symmetric_pairs.iter().enumerate() {
            if self.symmetric_pairs[..i].as_flattened().iter().any(|j| pair.contains(j)) {
                return Err(format!("symmetric pair {pair:?} shares a keypoint with another pair"));
            }
        }
        for (i, [a, b]) in self.skeleton.iter().enumerate() {
            if self.skeleton[..i].iter().any(|e| e == &[*a, *b] || e == &[*b, *a]) {
                return Err(format!("line [{a}, {b}] of the skeleton is given twice"));
            }
        }
        for name in self.files.keys() {
            let plain = !name.is_empty()
                && name.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-'))
                && !name.starts_with('.');
            if !plain {
                return Err(format!("file name {name:?} is not a plain name inside the bundle"));
            }
        }
        let halves = [Network::Style, Network::Render].map(|n| self.networks.contains_key(&n));
        if halves[0] != halves[1] || halves[0] == self.networks.contains_key(&Network::ImageGenerator) {
            return Err(
                "neither image_generator nor style with render among the networks, or more than that"
                    .to_owned(),
            );
        }
        if halves[0] && !self.dims.tables.is_some_and(|t| t.iter().all(|n| (1..=1 << 20).contains(n))) {
            return Err("dims.tables must say the size of what style makes for render".to_owned());
        }
        for network in Network::ALL {
            let listed = self.networks.contains_key(&network);
            if network.is_required() && !listed {
                return Err(format!("no {network} among the networks"));
            }
            if listed && !self.files.contains_key(&network.file_name()) {
                return Err(format!("{} is not among the files", network.file_name()));
            }
        }
        Ok(())
    }
}

/// Distinct overlay colours, repeated from the start past the tenth keypoint.
pub const KEYPOINT_COLOURS: [[u8; 3]; 10] = [
    [255, 64, 64],
    [64, 160, 255],
    [80, 220, 80],
    [255, 200, 40],
    [220, 90, 255],
    [40, 220, 220],
    [255, 130, 40],
    [255, 120, 180],
    [150, 255, 60],
    [170, 150, 255],
];
