//! The generator of faces: MobileStyleGAN (Belousov, 2021) as the PyPI package `random-face` carries it, run by OpenVINO.

use std::path::{Path, PathBuf};

use image::RgbImage;
use lkg_bundle::cache;
use lkg_bundle::conventions::colour_to_byte;
use openvino::{CompiledModel, Core, DeviceType, ElementType, InferRequest, RwPropertyKey, Shape, Tensor};

use super::layered::{self, split_style};
use super::variants::Styles;
use crate::error::{Error, Result};

/// Numbers in a noise vector and in a style.
pub const NOISE: usize = 512;
/// Side of the network's pictures in pixels.
const SIDE: usize = 1024;

const FOLDER: &str = "faces/lib";
const LIBRARY: &str = "libopenvino_c.so";
const MAPPING: &str = "MappingNetwork";
const SYNTHESIS: &str = "SynthesisNetwork";

/// The loaded networks.
pub struct Networks {
    mapping: CompiledModel,
    synthesis: CompiledModel,
    /// What the synthesis network's constants may point into.
    _weights: Tensor,
}

/// One worker's use of them.
pub struct Painter {
    mapping: InferRequest,
    synthesis: InferRequest,
}

impl Networks {
    /// Loads OpenVINO and the networks for `jobs` workers of a thread each.
    ///
    /// # Errors
    /// [`Error::NotFetched`] if they have not been fetched, [`Error::OpenVino`].
    pub fn load(jobs: usize) -> Result<Self> {
        let folder = find_folder()?;
        openvino_sys::library::load_from(library_in(&folder)?).map_err(Error::OpenVino)?;
        let mut core = Core::new().map_err(|e| Error::OpenVino(e.to_string()))?;
        let jobs = jobs.to_string();
        let properties = [
            (RwPropertyKey::NumStreams, jobs.as_str()),
            (RwPropertyKey::InferenceNumThreads, jobs.as_str()),
            // The same picture on every machine, whether or not it computes with bfloat16.
            (RwPropertyKey::HintInferencePrecision, "f32"),
        ];
        core.set_properties(&DeviceType::CPU, properties).map_err(failed)?;
        let path = |name: &str, extension: &str| folder.join(name).with_extension(extension);
        let text = |path: PathBuf| path.display().to_string();
        let mapping = core
            .read_model_from_file(&text(path(MAPPING, "xml")), &text(path(MAPPING, "bin")))
            .map_err(failed)?;
        let (xml, bin) = (path(SYNTHESIS, "xml"), path(SYNTHESIS, "bin"));
        let xml = split_style(&std::fs::read_to_string(&xml).map_err(Error::io(&xml))?)?;
        let bin = std::fs::read(&bin).map_err(Error::io(&bin))?;
        let shape = Shape::new(&[bin.len() as i64]).map_err(failed)?;
        let mut weights = Tensor::new(ElementType::U8, &shape).map_err(failed)?;
        weights.get_raw_data_mut().map_err(failed)?.copy_from_slice(&bin);
        let synthesis = core.read_model_from_buffer(xml.as_bytes(), Some(&weights)).map_err(failed)?;
        let mut compile = |model| core.compile_model(model, DeviceType::CPU).map_err(failed);
        Ok(Self { mapping: compile(&mapping)?, synthesis: compile(&synthesis)?, _weights: weights })
    }

    /// A worker's part. Each may run in a thread of its own.
    ///
    /// # Errors
    /// [`Error::OpenVino`].
    pub fn painter(&mut self) -> Result<Painter> {
        Ok(Painter {
            mapping: self.mapping.create_infer_request().map_err(failed)?,
            synthesis: self.synthesis.create_infer_request().map_err(failed)?,
        })
    }
}

impl Painter {
    /// The style of a noise vector; both have [`NOISE`] numbers.
    ///
    /// # Errors
    /// [`Error::OpenVino`].
    pub fn style(&mut self, noise: &[f32]) -> Result<Vec<f32>> {
        self.mapping.set_input_tensor(&tensor(noise)?).map_err(failed)?;
        Ok(infer(&mut self.mapping, NOISE)?.get_data::<f32>().map_err(failed)?.to_vec())
    }

    /// Draws styles: 256 x 256 pixels, each the mean of 4 x 4 of the network's.
    ///
    /// # Errors
    /// [`Error::OpenVino`].
    pub fn paint(&mut self, styles: &Styles) -> Result<RgbImage> {
        for (name, style) in [
            (layered::POSE, &styles.pose),
            (layered::EXPRESSION, &styles.expression),
            (layered::STYLE, &styles.rest),
        ] {
            self.synthesis.set_tensor(name, &tensor(style)?).map_err(failed)?;
        }
        let output = infer(&mut self.synthesis, 3 * SIDE * SIDE)?;
        Ok(reduce(output.get_data::<f32>().map_err(failed)?, SIDE))
    }
}

/// A batch of one vector.
fn tensor(vector: &[f32]) -> Result<Tensor> {
    let shape = Shape::new(&[1, vector.len() as i64]).map_err(failed)?;
    let mut tensor = Tensor::new(ElementType::F32, &shape).map_err(failed)?;
    tensor.get_data_mut::<f32>().map_err(failed)?.copy_from_slice(vector);
    Ok(tensor)
}

/// Runs a network whose inputs are set and which has one output of `outputs` numbers.
fn infer(request: &mut InferRequest, outputs: usize) -> Result<Tensor> {
    request.infer().map_err(failed)?;
    let output = request.get_output_tensor().map_err(failed)?;
    let found = output.get_size().map_err(failed)?;
    if found != outputs {
        return Err(Error::OpenVino(format!("a network gave {found} numbers instead of {outputs}")));
    }
    Ok(output)
}

/// Planar RGB in [-1, 1], `side` x `side`, to bytes at a quarter of the side.
fn reduce(planar: &[f32], side: usize) -> RgbImage {
    const FACTOR: usize = 4;
    let small = side / FACTOR;
    RgbImage::from_fn(small as u32, small as u32, |x, y| {
        let (x, y) = (x as usize * FACTOR, y as usize * FACTOR);
        image::Rgb(std::array::from_fn(|c| {
            let rows = (y..y + FACTOR).map(|row| &planar[(c * side + row) * side + x..][..FACTOR]);
            let sum: u32 = rows.flatten().map(|v| u32::from(colour_to_byte(*v))).sum();
            let count = (FACTOR * FACTOR) as u32;
            ((sum + count / 2) / count) as u8
        }))
    })
}

fn failed(error: openvino::InferenceError) -> Error {
    let text = error.to_string();
    Error::OpenVino(text.lines().next().unwrap_or_default().to_owned())
}

/// Where `scripts/setup faces` put library and networks.
fn find_folder() -> Result<PathBuf> {
    let network = format!("{SYNTHESIS}.xml");
    let mut folders = cache::folders().into_iter().map(|cache| cache.join(FOLDER));
    folders
        .find(|folder| folder.join(&network).is_file())
        .ok_or(Error::NotFetched { what: "the generator of faces", part: "faces" })
}

/// The library in `folder`, which carries its version in its name.
fn library_in(folder: &Path) -> Result<PathBuf> {
    let files = std::fs::read_dir(folder).map_err(Error::io(folder))?;
    let mut libraries = files.filter_map(|f| Some(f.ok()?.path()));
    let found = libraries.find(|p| p.file_name().is_some_and(|n| n.to_string_lossy().starts_with(LIBRARY)));
    let path = found.ok_or_else(|| Error::Data {
        path: folder.to_owned(),
        reason: format!("{LIBRARY} is not in it: run `scripts/setup faces`"),
    })?;
    std::path::absolute(&path).map_err(Error::io(&path))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pixel_is_the_mean_of_sixteen() {
        // Red: left half of each block of 4 x 4 black, right half white; green grey; blue white.
        let side = 8;
        let red = (0..side * side).map(|i| if i % 4 < 2 { -1.0 } else { 1.0 });
        let planar: Vec<f32> = red.chain(vec![0.0; side * side]).chain(vec![2.0; side * side]).collect();
        let picture = reduce(&planar, side);
        assert_eq!(picture.dimensions(), (2, 2));
        assert!(picture.pixels().all(|p| p[0] == 128 && p[1] == 128 && p[2] == 255), "{picture:?}");
    }
}
