//! Checkpoints: one safetensors file with every tensor and, in its header, step counts and configuration. Written
//! whole or not at all, so that a kill at any moment leaves the one before. What goes back into networks, and which networks a
//! checkpoint fits: `restore.rs`.

mod restore;

use std::borrow::Cow;
use std::collections::HashMap;
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use lkg_bundle::files::{is_full, write_atomically};
use safetensors::tensor::{Dtype, SafeTensors, TensorView, View};
use serde::{Deserialize, Serialize};
use tch::{Kind, Tensor};

use crate::config::Config;
use crate::error::{Error, Result};
use crate::train::optim::parameters;

/// Version of the layout.
const FORMAT: u32 = 1;

/// Longest header that is read, in bytes.
const MAX_HEADER_BYTES: u64 = 64 << 20;

/// What a checkpoint knows besides tensors.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct State {
    /// Version of the layout.
    pub format: u32,
    /// `gan` or `detector`.
    pub stage: String,
    /// Steps done.
    pub step: u64,
    /// Images seen: real ones by the discriminator, or generated ones by the detector.
    pub images_seen: u64,
    /// Images in the training set.
    pub dataset_size: u64,
    /// Seconds spent.
    pub seconds: f64,
    /// The configuration trained with.
    pub config: Config,
}

impl State {
    /// A state before the first step.
    pub fn new(stage: &str, config: &Config, dataset_size: u64) -> Self {
        Self {
            format: FORMAT,
            stage: stage.into(),
            step: 0,
            images_seen: 0,
            dataset_size,
            seconds: 0.0,
            config: config.clone(),
        }
    }
}

/// A tensor copied out of libtorch.
struct Bytes {
    dtype: Dtype,
    shape: Vec<usize>,
    data: Vec<u8>,
}

impl View for Bytes {
    fn dtype(&self) -> Dtype {
        self.dtype
    }
    fn shape(&self) -> &[usize] {
        &self.shape
    }
    fn data(&self) -> Cow<'_, [u8]> {
        Cow::Borrowed(&self.data)
    }
    fn data_len(&self) -> usize {
        self.data.len()
    }
}

/// Writes `tensors` (float16, float32 or float64) and `state` to `path` atomically: what was there stays whole until
/// then.
///
/// # Errors
/// [`Error::Io`] or [`Error::Checkpoint`].
pub fn save(path: &Path, tensors: &[(String, Tensor)], state: &State) -> Result<()> {
    let fail = |reason: String| Error::Checkpoint { path: path.to_owned(), reason };
    let mut views = Vec::with_capacity(tensors.len());
    for (name, tensor) in tensors {
        let tensor = tensor.detach().to_device(tch::Device::Cpu).contiguous();
        let (dtype, width) = match tensor.kind() {
            Kind::Half => (Dtype::F16, 2),
            Kind::Float => (Dtype::F32, 4),
            Kind::Double => (Dtype::F64, 8),
            other => return Err(fail(format!("{name} has kind {other:?}"))),
        };
        let mut data = vec![0; tensor.numel() * width];
        tensor.f_copy_data_u8(&mut data, tensor.numel())?;
        let shape = tensor.size().iter().map(|d| *d as usize).collect();
        views.push((name.clone(), Bytes { dtype, shape, data }));
    }
    let state = serde_json::to_string(state).map_err(|e| fail(e.to_string()))?;
    let header = HashMap::from([("state".to_owned(), state)]);
    let content = safetensors::serialize(views, Some(header)).map_err(|e| fail(e.to_string()))?;
    write_atomically(path, &content).map_err(|e| match e {
        lkg_bundle::Error::Io { source, .. } if is_full(&source) => fail(format!(
            "{source}; make room on its disk, then carry on with --resume: the checkpoint before this one is whole"
        )),
        e => e.into(),
    })
}

/// What the checkpoint at `path` knows besides tensors, without reading those.
///
/// # Errors
/// [`Error::Checkpoint`] if it is not a checkpoint of this trainer.
pub fn peek(path: &Path) -> Result<State> {
    let fail = |reason: String| Error::Checkpoint { path: path.to_owned(), reason };
    let mut file = File::open(path).map_err(Error::io(path))?;
    let mut length = [0; 8];
    file.read_exact(&mut length).map_err(Error::io(path))?;
    let length = u64::from_le_bytes(length);
    if length > MAX_HEADER_BYTES {
        return Err(fail("not a checkpoint".into()));
    }
    let mut header = Vec::new();
    file.take(length).read_to_end(&mut header).map_err(Error::io(path))?;
    let header: serde_json::Value =
        serde_json::from_slice(&header).map_err(|e| fail(format!("not a checkpoint, or cut short ({e})")))?;
    let text = header["__metadata__"]["state"].as_str().unwrap_or_default();
    serde_json::from_str(text).map_err(|e| fail(format!("its state does not parse ({e})")))
}

/// Whether a tensor is an optimiser's.
fn is_optimisers(name: &str) -> bool {
    name.split('/').next().is_some_and(|store| store == "adam" || store.ends_with("_adam"))
}

/// A checkpoint in memory.
pub struct Checkpoint {
    path: PathBuf,
    content: Vec<u8>,
    /// What it knows besides tensors.
    pub state: State,
}

impl Checkpoint {
    /// Reads the checkpoint at `path`.
    ///
    /// # Errors
    /// [`Error::Checkpoint`] if the file is missing, cut short or something else.
    pub fn open(path: &Path) -> Result<Self> {
        let fail = |reason: String| Error::Checkpoint { path: path.to_owned(), reason };
        if !path.is_file() {
            return Err(fail("no checkpoint here".into()));
        }
        Self::parse(path, std::fs::read(path).map_err(Error::io(path))?)
    }

    /// The checkpoint of `content`, a file's: that at `path`, perhaps on another machine.
    ///
    /// # Errors
    /// [`Error::Checkpoint`] if it is cut short or something else.
    pub fn parse(path: &Path, content: Vec<u8>) -> Result<Self> {
        let fail = |reason: String| Error::Checkpoint { path: path.to_owned(), reason };
        let (_, header) = SafeTensors::read_metadata(&content)
            .map_err(|e| fail(format!("not a checkpoint, or cut short ({e})")))?;
        let text = header.metadata().as_ref().and_then(|m| m.get("state").cloned());
        let text = text.ok_or_else(|| fail("not a checkpoint of this trainer".into()))?;
        let state: State = serde_json::from_str(&text)
            .map_err(|e| fail(format!("its state does not parse ({e}); written by another version?")))?;
        if state.format != FORMAT {
            return Err(fail(format!("format {}, this trainer reads {FORMAT}", state.format)));
        }
        // Parsed once more when restored; checked here so that nothing is half restored from a file cut short.
        SafeTensors::deserialize(&content).map_err(|e| fail(format!("cut short ({e})")))?;
        Ok(Self { path: path.to_owned(), content, state })
    }

    /// The file's content.
    pub fn content(&self) -> &[u8] {
        &self.content
    }

    /// Whether it is what [`Checkpoint::save_weights`] leaves: networks without their optimisers' state.
    ///
    /// # Errors
    /// [`Error::Checkpoint`].
    pub fn is_weights_only(&self) -> Result<bool> {
        Ok(!self.file()?.names().iter().any(|name| is_optimisers(name)))
    }

    /// Writes what it takes to train on elsewhere into a fifth of the space: the networks in float16, without their
    /// optimisers' state, which builds up again within some hundred steps.
    ///
    /// # Errors
    /// [`Error::Checkpoint`], also if a number is too large for float16.
    pub fn save_weights(&self, path: &Path) -> Result<()> {
        let file = self.file()?;
        let mut tensors = Vec::new();
        for (name, view) in file.iter().filter(|(name, _)| !is_optimisers(name)) {
            let tensor = self.tensor(name, &view)?.to_kind(Kind::Half);
            tensors.push((name.to_owned(), tensor));
        }
        tensors.sort_by(|a, b| a.0.cmp(&b.0));
        if let Some(name) = parameters::first_not_finite(&tensors)? {
            return Err(self.fail(format!("{name} has numbers too large for float16")));
        }
        save(path, &tensors, &self.state)
    }

    fn fail(&self, reason: String) -> Error {
        Error::Checkpoint { path: self.path.clone(), reason }
    }

    fn file(&self) -> Result<SafeTensors<'_>> {
        SafeTensors::deserialize(&self.content).map_err(|e| self.fail(e.to_string()))
    }

    fn tensor(&self, name: &str, view: &TensorView) -> Result<Tensor> {
        let kind = match view.dtype() {
            Dtype::F16 => Kind::Half,
            Dtype::F32 => Kind::Float,
            Dtype::F64 => Kind::Double,
            other => return Err(self.fail(format!("{name} has type {other:?}"))),
        };
        let shape: Vec<i64> = view.shape().iter().map(|d| *d as i64).collect();
        Ok(Tensor::f_from_data_size(view.data(), &shape, kind)?)
    }
}

#[cfg(test)]
mod tests {
    use tch::Device;

    use super::*;

    pub(super) fn tensors(fill: f64) -> Vec<(String, Tensor)> {
        vec![
            ("a/w".into(), Tensor::full([2, 3], fill, (Kind::Float, Device::Cpu))),
            ("a/steps".into(), Tensor::full([], fill, (Kind::Double, Device::Cpu))),
        ]
    }

    #[test]
    fn tensors_and_state_survive_and_damage_is_found() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("c.safetensors");
        let state = State { step: 7, ..State::new("gan", &Config::default(), 12) };
        save(&path, &tensors(1.25), &state).unwrap();
        let checkpoint = Checkpoint::open(&path).unwrap();
        assert_eq!(checkpoint.state, state);
        assert_eq!(peek(&path).unwrap(), state);
        let mut into = tensors(0.0);
        checkpoint.restore(&mut into).unwrap();
        assert_eq!(into, tensors(1.25));

        let weights = dir.path().join("w.safetensors");
        assert!(checkpoint.is_weights_only().unwrap());
        checkpoint.save_weights(&weights).unwrap();
        let light = Checkpoint::open(&weights).unwrap();
        assert_eq!(light.state, state);
        light.restore(&mut into).unwrap();
        assert_eq!(into, tensors(1.25));
        let mut with_adam = tensors(1e9);
        with_adam.push(("x_adam/w".into(), tensors(0.5).swap_remove(0).1));
        save(&weights, &with_adam, &state).unwrap();
        let heavy = Checkpoint::open(&weights).unwrap();
        assert!(!heavy.is_weights_only().unwrap());
        assert!(heavy.save_weights(&weights).unwrap_err().to_string().contains("too large for float16"));

        let content = std::fs::read(&path).unwrap();
        for cut in [0, 5, content.len() / 2, content.len() - 1] {
            std::fs::write(&path, &content[..cut]).unwrap();
            assert!(matches!(Checkpoint::open(&path), Err(Error::Checkpoint { .. })), "cut at {cut}");
        }
        assert!(Checkpoint::open(&dir.path().join("none")).is_err());
    }
}
