//! What is measured: generator and detector, run by libtorch or by ONNX Runtime.

use lkg_bundle::{Bundle, Network};
use serde::de::DeserializeOwned;
use tch::{Device, Kind, Tensor};

use crate::config::{CropConfig, GanConfig};
use crate::error::{Error, Result};
use crate::export::session::Session;
use crate::nets::encoder::Appearance;
use crate::nets::heatmap::Pose;
use crate::nets::image_generator::Mode;
use crate::nets::keypoint_generator::{Latents, Noise};
use crate::nets::layers::Norm;
use crate::nets::{Detector, Encoder};
use crate::train::checkpoint::Checkpoint;
use crate::train::gan::ImageDiscriminator;
use crate::train::generator::Generator;
use crate::train::stored::Stored;
use crate::train::{gan, run::Run};

/// A generator with its detector. Tensors are float32 on the CPU.
pub trait Subject {
    /// What the subject is, in a few words.
    fn describe(&self) -> String;
    /// Names of the keypoints.
    fn names(&self) -> Vec<String>;
    /// Side of the generated images.
    fn image_size(&self) -> i64;
    /// Side of the detector's input; none if there is no detector.
    fn detector_size(&self) -> Option<i64>;
    /// Width of the heat maps.
    fn tau(&self) -> f64;
    /// How training cut its pictures.
    fn crop(&self) -> CropConfig;
    /// How the generator was trained.
    fn gan(&self) -> GanConfig;
    /// Keypoints and embeddings of `n` samples of libtorch's noise: a function of the seed.
    ///
    /// # Errors
    /// Those of libtorch or ONNX Runtime.
    fn sample(&mut self, n: i64, seed: i64) -> Result<Latents>;
    /// Latents to images `[N, 3, S, S]` in [-1, 1].
    ///
    /// # Errors
    /// Those of libtorch or ONNX Runtime.
    fn draw(&mut self, latents: &Latents) -> Result<Tensor>;
    /// Images `[N, 3, D, D]` of the detector's size to keypoints `[N, K, 2]`.
    ///
    /// # Errors
    /// [`Error::Usage`] if there is no detector; those of libtorch or ONNX Runtime.
    fn detect(&mut self, images: &Tensor) -> Result<Tensor>;
    /// Images `[N, 3, S, S]` to the embeddings `[N, K, E]` and background `[N, E]` that would draw them; none if there
    /// is no encoder.
    ///
    /// # Errors
    /// Those of libtorch or ONNX Runtime.
    fn encode(&mut self, images: &Tensor) -> Result<Option<Appearance>>;
    /// The discriminator that the generator was trained against, where it was kept.
    ///
    /// # Errors
    /// Those of the checkpoint.
    fn critic(&self) -> Result<Option<ImageDiscriminator>> {
        Ok(None)
    }
}

/// Keypoints `[N, K, 2]` in images of any side.
///
/// # Errors
/// Those of [`Subject::detect`].
pub fn detect(subject: &mut dyn Subject, images: &Tensor) -> Result<Tensor> {
    let side = subject.detector_size().ok_or_else(no_detector)?;
    let fits = images.size()[2] == side && images.size()[3] == side;
    let images = if fits {
        images.shallow_clone()
    } else {
        images.f_internal_upsample_bilinear2d_aa([side, side], false, None, None)?
    };
    subject.detect(&images)
}

/// What to do where a detector is missing.
pub fn no_detector() -> Error {
    Error::Usage("the run has no detector yet: train it with `trainer detector`".into())
}

/// `count` latents from `start` on.
pub fn narrow(latents: &Latents, start: i64, count: i64) -> Latents {
    let cut = |t: &Tensor| t.narrow(0, start, count);
    Latents {
        keypoints: cut(&latents.keypoints),
        embeddings: cut(&latents.embeddings),
        background: cut(&latents.background),
    }
}

/// The networks of a run, by libtorch.
pub struct Trained {
    /// The averaged generator, calibrated.
    pub generator: Generator,
    /// The averaged detector, if there is one yet.
    pub detector: Option<Stored<Detector>>,
    /// The averaged encoder, if there is one yet.
    pub encoder: Option<Stored<Encoder>>,
    /// The generator's checkpoint.
    pub checkpoint: Checkpoint,
}

impl Trained {
    /// Opens the averaged networks of a run; `which` names the generator's checkpoint.
    ///
    /// # Errors
    /// [`Error::Usage`] or [`Error::Checkpoint`] if there is no generator grown to its full size.
    pub fn open(run: &Run, which: &str) -> Result<Self> {
        let checkpoint = Checkpoint::open(&run.named_checkpoint(gan::STAGE, which))?;
        let detector = Stored::of_run(run, &checkpoint, Device::Cpu)?;
        let encoder = Stored::of_run(run, &checkpoint, Device::Cpu)?;
        Ok(Self { generator: Generator::finished(&checkpoint, Device::Cpu)?, detector, encoder, checkpoint })
    }

    /// Images `[N, 3, S, S]` of parts placed by `pose`, which may be of any size or hidden.
    pub fn draw_posed(&self, pose: &Pose, embeddings: &Tensor, background: &Tensor) -> Tensor {
        let mode = Mode::exported(&self.checkpoint.state.config.architecture);
        tch::no_grad(|| self.generator.images.forward(pose, embeddings, background, mode))
    }
}

impl Subject for Trained {
    fn describe(&self) -> String {
        let state = &self.checkpoint.state;
        format!("run at {} images seen, {} steps, by libtorch", state.images_seen, state.step)
    }

    fn names(&self) -> Vec<String> {
        (0..self.checkpoint.state.config.architecture.keypoints).map(|k| format!("k{k}")).collect()
    }

    fn image_size(&self) -> i64 {
        self.checkpoint.state.config.architecture.image_size
    }

    fn detector_size(&self) -> Option<i64> {
        self.detector.as_ref().map(|_| self.checkpoint.state.config.architecture.detector_size)
    }

    fn tau(&self) -> f64 {
        self.checkpoint.state.config.architecture.tau
    }

    fn crop(&self) -> CropConfig {
        self.checkpoint.state.config.crop.clone()
    }

    fn gan(&self) -> GanConfig {
        self.checkpoint.state.config.gan.clone()
    }

    fn sample(&mut self, n: i64, seed: i64) -> Result<Latents> {
        tch::manual_seed(seed);
        Ok(tch::no_grad(|| self.generator.sample_latents(n)))
    }

    fn draw(&mut self, latents: &Latents) -> Result<Tensor> {
        Ok(tch::no_grad(|| self.generator.render(latents, self.image_size(), 1.0, Kind::Float)))
    }

    fn detect(&mut self, images: &Tensor) -> Result<Tensor> {
        let detector = self.detector.as_ref().ok_or_else(no_detector)?;
        Ok(tch::no_grad(|| detector.net.forward(images, Norm::Running).keypoints))
    }

    fn encode(&mut self, images: &Tensor) -> Result<Option<Appearance>> {
        Ok(self.encoder.as_ref().map(|e| tch::no_grad(|| e.net.forward(images, Kind::Float))))
    }

    fn critic(&self) -> Result<Option<ImageDiscriminator>> {
        let mut critic = ImageDiscriminator::restored(&self.checkpoint, Device::Cpu)?;
        // As it judged in training.
        critic.net.group = self.checkpoint.state.config.gan.norm_group;
        Ok(Some(critic))
    }
}

/// The networks of a bundle, by ONNX Runtime on one thread.
pub struct Exported {
    bundle: Bundle,
    keypoint_generator: Session,
    image_generator: Session,
    detector: Session,
    encoder: Option<Session>,
}

impl Exported {
    /// Loads the graphs of a bundle.
    ///
    /// # Errors
    /// [`Error::Bundle`] if it is not whole, [`Error::Ort`].
    pub fn open(bundle: Bundle) -> Result<Self> {
        let session = |network| Session::of_bundle(&bundle, network);
        let (keypoint_generator, image_generator) =
            (session(Network::KeypointGenerator)?, session(Network::ImageGenerator)?);
        let detector = session(Network::Detector)?;
        let encoder = bundle.has(Network::Encoder).then(|| session(Network::Encoder)).transpose()?;
        Ok(Self { keypoint_generator, image_generator, detector, encoder, bundle })
    }

    /// A table of the configuration that its networks were trained with; a bundle that another trainer wrote may lack it.
    fn trained_with<T: DeserializeOwned + Default>(&self, table: &str) -> T {
        serde_json::from_value(self.bundle.manifest().provenance.config[table].clone()).unwrap_or_default()
    }
}

impl Subject for Exported {
    fn describe(&self) -> String {
        let m = self.bundle.manifest();
        format!("bundle {} of {} images seen, by ONNX Runtime", m.name, m.provenance.images_seen)
    }

    fn names(&self) -> Vec<String> {
        self.bundle.manifest().keypoints.iter().map(|k| k.name.clone()).collect()
    }

    fn image_size(&self) -> i64 {
        self.bundle.manifest().dims.image_size as i64
    }

    fn detector_size(&self) -> Option<i64> {
        Some(self.bundle.manifest().dims.detector_size as i64)
    }

    fn tau(&self) -> f64 {
        f64::from(self.bundle.manifest().tau)
    }

    fn crop(&self) -> CropConfig {
        self.trained_with("crop")
    }

    fn gan(&self) -> GanConfig {
        self.trained_with("gan")
    }

    fn sample(&mut self, n: i64, seed: i64) -> Result<Latents> {
        tch::manual_seed(seed);
        let noise = Noise::sample(n, self.bundle.manifest().dims.latent as i64, Device::Cpu);
        let inputs = [
            ("z_pose", &noise.pose),
            ("z_appearance", &noise.appearance),
            ("z_background", &noise.background),
        ];
        let mut outputs = run(&mut self.keypoint_generator, &inputs)?;
        let mut take = |name| take(&mut outputs, name);
        Ok(Latents {
            keypoints: take("keypoints")?,
            embeddings: take("embeddings")?,
            background: take("background")?,
        })
    }

    fn draw(&mut self, latents: &Latents) -> Result<Tensor> {
        let ones = Tensor::ones(&latents.keypoints.size()[..2], (Kind::Float, Device::Cpu));
        let inputs = [
            ("keypoints", &latents.keypoints),
            ("scales", &ones),
            ("visible", &ones),
            ("embeddings", &latents.embeddings),
            ("background", &latents.background),
        ];
        take(&mut run(&mut self.image_generator, &inputs)?, "image")
    }

    fn detect(&mut self, images: &Tensor) -> Result<Tensor> {
        take(&mut run(&mut self.detector, &[("image", images)])?, "keypoints")
    }

    fn encode(&mut self, images: &Tensor) -> Result<Option<Appearance>> {
        let Some(encoder) = &mut self.encoder else { return Ok(None) };
        let mut outputs = run(encoder, &[("image", images)])?;
        let embeddings = take(&mut outputs, "embeddings")?;
        Ok(Some(Appearance { embeddings, background: take(&mut outputs, "background")? }))
    }
}

/// Runs a session on libtorch's tensors.
fn run(session: &mut Session, inputs: &[(&str, &Tensor)]) -> Result<crate::export::Tensors> {
    let convert = |t: &Tensor| -> Result<lkg_bundle::golden::Tensor> {
        let shape = t.size().iter().map(|d| *d as usize).collect();
        Ok(lkg_bundle::golden::Tensor { shape, data: Vec::<f32>::try_from(&t.contiguous().flatten(0, -1))? })
    };
    let inputs =
        inputs.iter().map(|(name, t)| Ok(((*name).to_owned(), convert(t)?))).collect::<Result<_>>()?;
    session.run(&inputs)
}

fn take(outputs: &mut crate::export::Tensors, name: &str) -> Result<Tensor> {
    let tensor = outputs.remove(name).ok_or_else(|| Error::Ort(format!("the graph has no output {name}")))?;
    let shape: Vec<i64> = tensor.shape.iter().map(|d| *d as i64).collect();
    Ok(Tensor::f_from_slice(&tensor.data)?.f_view(&*shape)?)
}
