//! Pictures for the model card: what the networks generate and find, unselected, and where they fail, sought out.

mod edits;
mod expressions;
mod failures;
mod mean;
mod portrait;
mod progress;
mod real;
mod reenactment;

use image::codecs::jpeg::JpegEncoder;
use image::{DynamicImage, ImageFormat, RgbImage};
use lkg_bundle::conventions::to_pixels;
use lkg_bundle::manifest::KEYPOINT_COLOURS;
use tch::{Device, Kind, Tensor};

pub use portrait::People;
pub use progress::{portrait_curves, progress};

use crate::error::{Error, Result};
use crate::nets::heatmap::Pose;
use crate::nets::keypoint_generator::Latents;
use crate::plot;
use crate::sample::{compose, to_picture};
use crate::semantics::Semantics;
use crate::semantics::align::Aligned;
use crate::semantics::observed::Observed;
use crate::subject::{RunSubject, Subject, narrow};

/// Largest picture file, in bytes.
const MOST_BYTES: usize = 600_000;
/// Qualities that are tried where lossless is too large.
const QUALITIES: [u8; 5] = [92, 85, 75, 60, 40];
/// Samples shown.
const SAMPLES: i64 = 64;
/// Samples a row.
const COLUMNS: i64 = 16;
/// Seed of the samples.
const SAMPLE_SEED: i64 = 0;
/// Side of a real picture, in pixels.
const REAL_SIDE: u32 = 144;
/// Height of a column's name, in pixels.
const LABEL: u32 = 26;
/// Gap between pictures, in pixels.
const GAP: u32 = 4;

/// A picture of the card.
#[derive(Clone, Debug)]
pub struct CardPicture {
    /// File name in the bundle.
    pub file: String,
    /// What it shows.
    pub caption: String,
    /// The file's content, PNG or JPEG.
    pub content: Vec<u8>,
}

impl CardPicture {
    /// Encodes it as PNG, or as JPEG where that would be larger than a card should carry.
    fn lossless(name: &str, caption: String, picture: RgbImage) -> Result<Self> {
        let mut content = std::io::Cursor::new(vec![]);
        picture.write_to(&mut content, ImageFormat::Png).map_err(unwritable)?;
        let content = content.into_inner();
        if content.len() <= MOST_BYTES {
            return Ok(Self { file: format!("{name}.png"), caption, content });
        }
        Self::photo(name, caption, picture)
    }

    /// Encodes it as JPEG, the best that is small enough.
    fn photo(name: &str, caption: String, picture: RgbImage) -> Result<Self> {
        let picture = DynamicImage::ImageRgb8(picture);
        let mut content = vec![];
        for quality in QUALITIES {
            content.clear();
            JpegEncoder::new_with_quality(&mut content, quality)
                .encode_image(&picture)
                .map_err(unwritable)?;
            if content.len() <= MOST_BYTES {
                break;
            }
        }
        Ok(Self { file: format!("{name}.jpg"), caption, content })
    }
}

fn unwritable(reason: image::ImageError) -> Error {
    Error::Plot(reason.to_string())
}

/// What the pictures are made from.
pub struct Scene<'a, S> {
    /// The networks: generator and detector, and the encoder where one is trained, or portrait networks.
    pub subject: &'a mut S,
    /// Pictures with their keypoints.
    pub observed: &'a Observed,
    /// Their keypoints laid over each other.
    pub aligned: &'a Aligned,
    /// What the keypoints stand for.
    pub semantics: &'a Semantics,
    /// Names of the keypoints.
    pub names: &'a [String],
}

impl Scene<'_, RunSubject> {
    /// Makes all pictures.
    ///
    /// # Errors
    /// Those of the networks and of drawing; [`Error::Interrupted`].
    pub fn draw(&mut self) -> Result<Vec<CardPicture>> {
        let _no_grad = tch::no_grad_guard();
        let mut pictures = vec![self.samples()?, self.mean()?, self.edits()?];
        if self.observed.real {
            pictures.push(self.detections()?);
            pictures.extend(self.reconstructions()?);
            pictures.extend(self.reenactment()?);
            pictures.push(self.failures()?);
        }
        Ok(pictures)
    }

    fn samples(&mut self) -> Result<CardPicture> {
        let latents = self.subject.sample(SAMPLES, SAMPLE_SEED)?;
        let images = (0..SAMPLES / COLUMNS)
            .map(|i| self.subject.generate(&narrow(&latents, i * COLUMNS, COLUMNS)))
            .collect::<Result<Vec<_>>>()?;
        let sheet = compose(&Tensor::f_cat(&images, 0)?, Some(&latents.keypoints), COLUMNS)?;
        let caption = format!(
            "{SAMPLES} generated pictures, unselected (seed {SAMPLE_SEED}); below each row the same with the keypoints \
             that they were generated from."
        );
        CardPicture::lossless("samples", caption, sheet)
    }

    /// The part whose appearance, taken from `others`, changes the pictures most.
    fn most_changed(
        &self,
        keypoints: &Tensor,
        (own, background): (&Tensor, &Tensor),
        others: &Tensor,
        before: &Tensor,
    ) -> i64 {
        let pose = Pose::natural(keypoints.shallow_clone());
        let change = |k: i64| {
            let after = self.subject.generate_posed(&pose, &swap(own, others, k), background);
            (after - before).abs().mean(Kind::Float).double_value(&[])
        };
        let changes: Vec<f64> = (0..keypoints.size()[1]).map(change).collect();
        (0..changes.len()).max_by(|a, b| changes[*a].total_cmp(&changes[*b])).unwrap_or(0) as i64
    }
}

impl<S> Scene<'_, S> {
    /// Draws lines and dots for keypoints `[K, 2]`.
    fn mark(&self, picture: &mut RgbImage, keypoints: &Tensor) -> Result<()> {
        let side = picture.width() as f32;
        let flat = Vec::<f32>::try_from(&keypoints.to_kind(Kind::Float).contiguous().flatten(0, 1))?;
        let points: Vec<(f32, f32)> =
            flat.as_chunks::<2>().0.iter().map(|p| (to_pixels(p[0], side), to_pixels(p[1], side))).collect();
        plot::figure(picture, &points, &KEYPOINT_COLOURS, &self.semantics.skeleton, (side / 48.0).max(2.0));
        Ok(())
    }
}

/// Embeddings `[N, K, E]` with part `k` of `others`.
fn swap(own: &Tensor, others: &Tensor, k: i64) -> Tensor {
    let all = own.copy();
    all.narrow(1, k, 1).copy_(&others.narrow(1, k, 1));
    all
}

/// An image `[3, S, S]`, brought to `side` pixels.
fn tile(image: &Tensor, side: u32) -> Result<RgbImage> {
    let small = to_picture(image)?;
    Ok(image::imageops::resize(&small, side, side, image::imageops::FilterType::CatmullRom))
}

/// Rows of tiles of one side below the names of the columns.
struct Table {
    sheet: RgbImage,
    side: u32,
}

impl Table {
    fn new(columns: &[&str], rows: usize, side: u32) -> Result<Self> {
        let width = (side + GAP) * columns.len() as u32;
        let mut sheet = plot::blank(width, LABEL + (side + GAP) * rows as u32);
        for (i, name) in columns.iter().enumerate() {
            plot::label(&mut sheet, name, ((i as u32 * (side + GAP)) as i32, 2), 15)?;
        }
        Ok(Self { sheet, side })
    }

    fn put(&mut self, column: usize, row: usize, tile: &RgbImage) {
        let step = self.side + GAP;
        let (x, y) = (column as u32 * step, LABEL + row as u32 * step);
        image::imageops::replace(&mut self.sheet, tile, i64::from(x), i64::from(y));
    }
}

/// `latents` with other keypoints.
fn with_pose(latents: &Latents, keypoints: &Tensor) -> Latents {
    Latents {
        keypoints: keypoints.shallow_clone(),
        embeddings: latents.embeddings.shallow_clone(),
        background: latents.background.shallow_clone(),
    }
}

/// Everything visible but part `k`.
fn without_part(keypoints: &Tensor, k: i64) -> Pose {
    let visible = Tensor::ones(&keypoints.size()[..2], (Kind::Float, Device::Cpu));
    let _ = visible.narrow(1, k, 1).zero_();
    Pose { visible, ..Pose::natural(keypoints.shallow_clone()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pictures_keep_within_their_size() {
        let flat = RgbImage::from_pixel(400, 400, image::Rgb([9, 80, 200]));
        let small = CardPicture::lossless("a", String::new(), flat).unwrap();
        assert_eq!(small.file, "a.png");
        let mut seed = 1u32;
        let noise = RgbImage::from_fn(900, 900, |_, _| {
            seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            image::Rgb([(seed >> 24) as u8, (seed >> 16) as u8, 90])
        });
        let large = CardPicture::lossless("b", String::new(), noise).unwrap();
        assert_eq!(large.file, "b.jpg");
        for p in [small, large] {
            assert!(p.content.len() <= MOST_BYTES);
            assert!(image::load_from_memory(&p.content).is_ok());
        }
    }

    #[test]
    fn one_part_is_taken_away() {
        let pose = without_part(&Tensor::zeros([2, 3, 2], (Kind::Float, Device::Cpu)), 1);
        let visible = Vec::<f32>::try_from(&pose.visible.flatten(0, 1)).unwrap();
        assert_eq!(visible, [1.0, 0.0, 1.0, 1.0, 0.0, 1.0]);
        let scales = Vec::<f32>::try_from(&pose.scales.flatten(0, 1)).unwrap();
        assert_eq!(scales, [1.0; 6]);
    }
}
