//! `manifest.json`: what a bundle holds, what it measured and where it came from.

use std::collections::BTreeMap;
use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::bundle::MAX_FILE_BYTES;
use crate::contract::{BundleDims, Network, PORTRAIT_FINE};
use crate::error::{Error, Result};
use crate::json;

/// The schema this crate reads and writes. A manifest of a higher one is refused.
pub const SCHEMA_VERSION: u32 = 1;

/// Largest manifest that is read, in bytes.
pub const MAX_MANIFEST_BYTES: u64 = 1 << 20;

/// Furthest that a keypoint's mean may lie from the image's middle, normalised coordinates.
const FAR: f32 = 10.0;

/// Most letters of a name.
const LONGEST_NAME: usize = 64;

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
    /// Expressions of the face that states tell, if any.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub expressions: Vec<Expression>,
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
    /// What it was called before, for scripts and sessions that call it so.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub aliases: Vec<String>,
    /// sRGB colour.
    pub colour: [u8; 3],
    /// Mean position over generated samples, normalised coordinates.
    pub mean: [f32; 2],
}

/// An expression as meters show it and sliders change it: a direction in keypoints and states. Its value is 0 to 1, or -1 to 1 where
/// it has two sides, such as brows.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Expression {
    /// Name, unique in the bundle: `mouth-open`, `eye-left`, ...
    pub name: String,
    /// Least and greatest value.
    pub range: [f32; 2],
    /// Value of a face at rest.
    pub rest: f32,
    /// The value is read off states as `bias + sum(weights * states)`, then held to the range.
    pub bias: f32,
    /// `[K][S]`.
    pub weights: Vec<Vec<f32>>,
    /// `[K][S]`: how much states change as the value grows by 1.
    pub states: Vec<Vec<f32>>,
    /// `[K][2]`: how far keypoints move, of an upright face as [`Keypoint::mean`] shows it, normalised coordinates.
    pub keypoints: Vec<[f32; 2]>,
}

impl Expression {
    /// The value of a face with `states`, `K S` of them, the parts' one after the other.
    pub fn read(&self, states: &[f32]) -> f32 {
        self.measure(states).clamp(self.range[0], self.range[1])
    }

    /// The same before it is held to the range.
    pub fn measure(&self, states: &[f32]) -> f32 {
        let sum: f32 = self.weights.iter().flatten().zip(states).map(|(w, s)| w * s).sum();
        self.bias + sum
    }

    /// How much it changes each part's states, K lengths over the largest of them: 0 to 1.
    pub fn part_shares(&self) -> Vec<f32> {
        let change = |states: &Vec<f32>| states.iter().map(|s| s * s).sum::<f32>().sqrt();
        let changes: Vec<f32> = self.states.iter().map(change).collect();
        let most = changes.iter().copied().fold(f32::MIN_POSITIVE, f32::max);
        changes.into_iter().map(|change| change / most).collect()
    }
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
    /// The keypoint of this name, or the one that was called so before.
    pub fn part(&self, name: &str) -> Option<usize> {
        let named = self.keypoints.iter().position(|k| k.name == name);
        named.or_else(|| self.keypoints.iter().position(|k| k.aliases.iter().any(|alias| alias == name)))
    }

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
        let manifest: Self = json::from_value(raw).map_err(|e| fail(format!("not a manifest: {e}")))?;
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
        let has = |n: Network| self.networks.contains_key(&n);
        let generator = self.check_networks()?;
        for (name, value, most, least) in [
            ("keypoints", d.keypoints, 256, 1),
            ("latent", d.latent, 8192, usize::from(generator)),
            ("embedding", d.embedding, 8192, usize::from(generator)),
            ("image_size", d.image_size, 4096, usize::from(generator)),
            ("detector_size", d.detector_size, 4096, 1),
            ("states", d.states.unwrap_or(1), 256, 1),
            ("portrait_size", d.portrait_size.unwrap_or(PORTRAIT_FINE), 4096, PORTRAIT_FINE),
        ] {
            if !(least..=most).contains(&value) {
                return Err(format!("dims.{name} is {value}, must be {least} to {most}"));
            }
        }
        if has(Network::Portrait) && (d.states.is_none() || d.portrait_size.is_none()) {
            return Err("portrait networks want dims.states and dims.portrait_size".to_owned());
        }
        if !(self.tau.is_finite() && self.tau > 0.0) {
            return Err(format!("tau is {}, must be positive", self.tau));
        }
        if !(self.tolerance > 0.0 && self.tolerance <= 1.0) {
            return Err(format!("tolerance is {}, must be above 0 and at most 1", self.tolerance));
        }
        if self.keypoints.len() != d.keypoints {
            return Err(format!("{} keypoints described, dims say {}", self.keypoints.len(), d.keypoints));
        }
        for [a, b] in self.symmetric_pairs.iter().chain(&self.skeleton) {
            if *a >= d.keypoints || *b >= d.keypoints || a == b {
                return Err(format!("pair [{a}, {b}] does not name two of the {} keypoints", d.keypoints));
            }
        }
        check_name("name", &self.name)?;
        for (i, keypoint) in self.keypoints.iter().enumerate() {
            for name in std::iter::once(&keypoint.name).chain(&keypoint.aliases) {
                check_name(&format!("keypoints[{i}]"), name)?;
            }
            let taken = self.keypoints[..i].iter().any(|k| k.name == keypoint.name);
            if taken || keypoint.name.trim().is_empty() {
                return Err(format!("keypoint name {:?} is empty or given twice", keypoint.name));
            }
            if !keypoint.mean.iter().all(|v| v.abs() <= FAR) {
                return Err(format!(
                    "keypoints[{i}].mean is {:?}, must be within -{FAR} and {FAR}",
                    keypoint.mean
                ));
            }
        }
        let mut aliases: Vec<&String> = self.keypoints.iter().flat_map(|k| &k.aliases).collect();
        aliases.sort_unstable();
        if let Some(pair) = aliases.windows(2).find(|pair| pair[0] == pair[1]) {
            return Err(format!("two keypoints were called {:?} before", pair[0]));
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
        for (name, entry) in &self.files {
            let plain = !name.is_empty()
                && name.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-'))
                && !name.starts_with('.');
            if !plain {
                return Err(format!("file name {name:?} is not a plain name inside the bundle"));
            }
            if entry.bytes > MAX_FILE_BYTES {
                return Err(format!(
                    "files[{name:?}].bytes is {}, must be at most {MAX_FILE_BYTES}",
                    entry.bytes
                ));
            }
        }
        if has(Network::Style) && !d.tables.is_some_and(|t| t.iter().all(|n| (1..=1 << 20).contains(n))) {
            return Err("dims.tables must say the size of what style makes for render".to_owned());
        }
        for (i, e) in self.expressions.iter().enumerate() {
            check_name(&format!("expressions[{i}].name"), &e.name)?;
            let (k, s) = (d.keypoints, d.states.unwrap_or_default());
            let per_part = |x: &[Vec<f32>]| x.len() == k && x.iter().all(|x| x.len() == s);
            let numbers = e.weights.iter().chain(&e.states).flatten().chain(e.keypoints.as_flattened());
            let finite = numbers.chain(&e.range).chain([&e.rest, &e.bias]).all(|x| x.is_finite());
            let shaped = per_part(&e.weights) && per_part(&e.states) && e.keypoints.len() == k;
            if !(shaped && finite && e.range[0] < e.range[1]) {
                return Err(format!("expression {:?} does not fit {k} parts of {s} states", e.name));
            }
            if e.name.trim().is_empty() || self.expressions[..i].iter().any(|other| other.name == e.name) {
                return Err(format!("expression name {:?} is empty or given twice", e.name));
            }
        }
        for network in Network::ALL {
            if has(network) && !self.files.contains_key(&network.file_name()) {
                return Err(format!("{} is not among the files", network.file_name()));
            }
        }
        Ok(())
    }

    /// Checks that the networks belong together; whether a generator is among them.
    fn check_networks(&self) -> std::result::Result<bool, String> {
        use Network::{
            Detector, Encoder, ImageGenerator, KeypointGenerator, Portrait, PortraitSource, Render, Style,
        };
        let has = |n: Network| self.networks.contains_key(&n);
        if !has(Detector) {
            return Err(format!("no {Detector} among the networks"));
        }
        if has(PortraitSource) != has(Portrait) {
            return Err("portrait_source and portrait belong together, and one of them is missing".to_owned());
        }
        let draws = [KeypointGenerator, ImageGenerator, Style, Render, Encoder].into_iter().any(has);
        if !draws {
            let reason = "neither a generator nor portrait networks among the networks";
            return if has(Portrait) { Ok(false) } else { Err(reason.to_owned()) };
        }
        if !has(KeypointGenerator) {
            return Err(format!("no {KeypointGenerator} among the networks"));
        }
        if has(Style) != has(Render) || has(Style) == has(ImageGenerator) {
            let reason =
                "neither image_generator nor style with render among the networks, or more than that";
            return Err(reason.to_owned());
        }
        Ok(true)
    }
}

/// Refuses a name that no table, terminal or picture could show.
fn check_name(field: &str, name: &str) -> std::result::Result<(), String> {
    let length = name.chars().count();
    if length > LONGEST_NAME {
        return Err(format!("{field}: a name of {length} letters, the most are {LONGEST_NAME}"));
    }
    if name.chars().any(char::is_control) {
        return Err(format!("{field}: {name:?} has control characters"));
    }
    Ok(())
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
