//! Real pictures: keypoints found in them, and reconstructions.

use tch::Tensor;

use super::{CardPicture, GAP, REAL_SIDE, Scene, Table, swap, tile};
use crate::error::Result;
use crate::nets::heatmap::Pose;
use crate::nets::resize::resize;
use crate::plot;
use crate::subject::{KeypointDetector, RunSubject, Subject, detect};

/// Pictures with their keypoints, and how many a row.
const DETECTIONS: (i64, u32) = (24, 8);
/// Pictures reconstructed.
const RECONSTRUCTED: i64 = 6;

impl<S: KeypointDetector> Scene<'_, S> {
    /// Keypoints found in real pictures.
    pub(super) fn detections(&mut self) -> Result<CardPicture> {
        let (most, columns) = DETECTIONS;
        let images = spread(&self.observed.images, most);
        let keypoints = detect(self.subject, &images)?;
        let n = images.size()[0];
        let step = REAL_SIDE + GAP;
        let mut sheet = plot::blank(step * columns, step * (n as u32).div_ceil(columns));
        for i in 0..n {
            let mut picture = tile(&images.get(i), REAL_SIDE)?;
            self.mark(&mut picture, &keypoints.get(i))?;
            let (x, y) = (i as u32 % columns * step, i as u32 / columns * step);
            image::imageops::replace(&mut sheet, &picture, i64::from(x), i64::from(y));
        }
        let caption = format!("Keypoints found in {n} of {}, unselected.", self.observed.source);
        CardPicture::photo("detections", caption, sheet)
    }
}

impl Scene<'_, RunSubject> {
    /// Real pictures through detector and encoder and back, as they are and mixed; none without an encoder.
    pub(super) fn reconstructions(&mut self) -> Result<Option<CardPicture>> {
        let photos = spread(&self.observed.images, RECONSTRUCTED);
        let n = photos.size()[0];
        let keypoints = detect(self.subject, &photos)?;
        let Some(appearance) = self.subject.encode(&resize(&photos, self.subject.image_size()))? else {
            return Ok(None);
        };
        // From the next picture.
        let next = |t: &Tensor| t.roll([-1i64], [0i64]);
        let pose = |keypoints: &Tensor| Pose::natural(keypoints.shallow_clone());
        let generate =
            |keypoints: &Tensor, e: &Tensor, b: &Tensor| self.subject.generate_posed(&pose(keypoints), e, b);
        let (own, background) = (&appearance.embeddings, &appearance.background);
        let reconstructed = generate(&keypoints, own, background);
        let k = self.most_changed(&keypoints, (own, background), &next(own), &reconstructed);
        let swapped = swap(own, &next(own), k);
        let columns = [
            ("photo", photos.shallow_clone()),
            ("reconstructed", reconstructed.shallow_clone()),
            ("the next one", next(&photos)),
            ("its pose", generate(&next(&keypoints), own, background)),
            ("its appearance", generate(&keypoints, &next(own), background)),
            ("appearance of one part", generate(&keypoints, &swapped, background)),
            ("its background", generate(&keypoints, own, &next(background))),
        ];
        let mut table = Table::new(&columns.each_ref().map(|c| c.0), n as usize, REAL_SIDE)?;
        for (c, (_, images)) in columns.iter().enumerate() {
            for i in 0..n {
                table.put(c, i as usize, &tile(&images.get(i), REAL_SIDE)?);
            }
        }
        let caption = format!(
            "{n} of {}, unselected: each reconstructed from the keypoints that the detector and the embeddings that the encoder \
             finds, and then with those of the next one. The part is `{}`, the one whose appearance changes these most.",
            self.observed.source, self.names[k as usize]
        );
        CardPicture::lossless("reconstructions", caption, table.sheet).map(Some)
    }
}

/// At most `count` images, spread evenly.
pub(super) fn spread(images: &Tensor, count: i64) -> Tensor {
    let n = images.size()[0];
    let count = count.min(n);
    let places: Vec<i64> = (0..count).map(|i| i * n / count).collect();
    images.index_select(0, &Tensor::from_slice(&places))
}

#[cfg(test)]
mod tests {
    use tch::{Device, Kind};

    use super::*;

    #[test]
    fn one_part_is_swapped_and_pictures_are_spread() {
        let zeros = Tensor::zeros([2, 3, 4], (Kind::Float, Device::Cpu));
        let swapped = swap(&zeros, &zeros.ones_like(), 2);
        assert_eq!(swapped.sum(Kind::Float).double_value(&[]), 8.0);
        assert_eq!(swapped.double_value(&[1, 2, 3]), 1.0);
        assert_eq!(zeros.sum(Kind::Float).double_value(&[]), 0.0);
        let images = Tensor::arange(10, (Kind::Float, Device::Cpu)).view([10, 1, 1, 1]);
        assert_eq!(Vec::<f32>::try_from(&spread(&images, 3).flatten(0, 3)).unwrap(), [0.0, 3.0, 6.0]);
        assert_eq!(spread(&images, 99).size()[0], 10);
    }
}
