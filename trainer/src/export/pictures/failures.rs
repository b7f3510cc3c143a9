//! What goes wrong, sought out: where the detector contradicts itself, and what is reconstructed worst.

use tch::{Kind, Tensor};

use super::{CardPicture, REAL_SIDE, Scene, Table, tile};
use crate::dataset::batches::in_batches;
use crate::error::Result;
use crate::nets::keypoint_generator::Latents;
use crate::nets::resize::resize;
use crate::semantics::Shape;
use crate::semantics::mirror::Mirror;
use crate::subject::{KeypointDetector, RunSubject, Subject, narrow};

/// Pictures of each kind.
const COLUMNS: usize = 8;

impl Scene<'_, RunSubject> {
    /// Of the real pictures those that come out worst.
    pub(super) fn failures(&mut self) -> Result<CardPicture> {
        let doubts =
            self_contradictions(&self.observed.points, &self.observed.mirrored, &self.semantics.mirror);
        let doubtful = largest(&doubts, COLUMNS);
        let mut headings = vec![""; doubtful.len()];
        if let Some(first) = headings.first_mut() {
            *first = "detected";
        }
        let keypoints = self.observed.keypoints();
        let reconstructed = self.all_reconstructed(&keypoints)?;
        let mut table = Table::new(&headings, if reconstructed.is_some() { 3 } else { 1 }, REAL_SIDE)?;
        for (column, i) in doubtful.iter().enumerate() {
            let image = self.observed.images.get(*i as i64);
            let mut picture = tile(&image, REAL_SIDE)?;
            self.mark(&mut picture, &keypoints.get(*i as i64))?;
            table.put(column, 0, &picture);
        }
        let mut caption = format!(
            "Failures, the worst of {}. Above: keypoints where the detector contradicts itself most between a picture and \
             its mirror image.",
            self.observed.source
        );
        if let Some(reconstructed) = reconstructed {
            let photos = resize(&self.observed.images, reconstructed.size()[2]);
            let error =
                (&reconstructed - &photos).square().mean_dim([1i64, 2, 3].as_slice(), false, Kind::Double);
            for (column, i) in largest(&Vec::<f64>::try_from(&error)?, COLUMNS).into_iter().enumerate() {
                table.put(column, 1, &tile(&photos.get(i as i64), REAL_SIDE)?);
                table.put(column, 2, &tile(&reconstructed.get(i as i64), REAL_SIDE)?);
            }
            caption.push_str(" Below: pictures and their reconstructions that differ most (mean square).");
        }
        CardPicture::photo("failures", caption, table.sheet)
    }

    /// The real pictures reconstructed from `keypoints` `[N, K, 2]`, `[N, 3, S, S]`; none without an encoder.
    fn all_reconstructed(&mut self, keypoints: &Tensor) -> Result<Option<Tensor>> {
        let images = resize(&self.observed.images, self.subject.image_size());
        let Some(appearance) = self.subject.encode(&images)? else { return Ok(None) };
        let latents = Latents {
            keypoints: keypoints.shallow_clone(),
            embeddings: appearance.embeddings,
            background: appearance.background,
        };
        let n = images.size()[0] as usize;
        let generate = |r: std::ops::Range<usize>| {
            self.subject.generate(&narrow(&latents, r.start as i64, r.len() as i64))
        };
        in_batches("reconstructions", n, generate).map(Some)
    }
}

/// For each picture, how far its mirror image's keypoints lie from those that they land on as a rule, on average.
fn self_contradictions(points: &[Shape], mirrored: &[Shape], mirror: &Mirror) -> Vec<f64> {
    let apart = |(p, m): (&Shape, &Shape)| {
        let each = mirror.landings.iter().zip(m).map(|(landing, m)| {
            let p = p[landing.nearest];
            (m[0] - p[0]).hypot(m[1] - p[1])
        });
        each.sum::<f64>() / mirror.landings.len().max(1) as f64
    };
    points.iter().zip(mirrored).map(apart).collect()
}

/// Places of the `count` largest, the largest first.
fn largest(values: &[f64], count: usize) -> Vec<usize> {
    let mut order: Vec<usize> = (0..values.len()).collect();
    order.sort_by(|a, b| values[*b].total_cmp(&values[*a]));
    order.truncate(count);
    order
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_picture_whose_mirror_image_disagrees_comes_first() {
        let shape = |shift: f64| vec![[-0.4 + shift, 0.0], [0.4 + shift, 0.0], [shift, 0.5]];
        let points = [shape(0.0), shape(0.1), shape(-0.1)];
        // Mirrored back, left and right have changed places; the second picture's are off by 0.2.
        let back = |s: Shape| vec![s[1], s[0], s[2]];
        let mirrored = [back(shape(0.0)), back(shape(0.3)), back(shape(-0.1))];
        let mirror = Mirror::test(&points, &mirrored, &shape(0.0));
        let doubts = self_contradictions(&points, &mirrored, &mirror);
        assert!((doubts[1] - 0.2).abs() < 1e-9 && doubts[0] < 1e-9 && doubts[2] < 1e-9, "{doubts:?}");
        assert_eq!(largest(&doubts, 2)[0], 1);
        assert_eq!(largest(&[1.0, 3.0, 2.0], 9), [1, 2, 0]);
    }
}
