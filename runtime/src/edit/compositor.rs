use image::{GrayImage, Pixel, RgbImage};
use ndarray::{Array2, Array3, Zip};

use super::blend::{Colours, PhotoBlender, sample};
use super::carried::Carried;
use super::model::{changed_region, locked_region};
use super::warp::warp;
use super::{EditError, FaceLatents, FaceModel, Photo, Session};
use crate::error::Result;
use crate::media::mark::Origin;
use crate::media::picture::{self, Alpha, Original};

/// How an edit gets into its photo.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Blend {
    /// Warps the photo as the keypoints moved and the parts grew, then adds what other embeddings change in the generated square
    /// near their parts. A photo stays as sharp as it is.
    #[default]
    Warp,
    /// Adds all that the edit changes in the generated square to the photo.
    Change,
    /// Lays the generated square over the photo, in its colours.
    Square,
}

impl std::str::FromStr for Blend {
    type Err = String;

    fn from_str(text: &str) -> std::result::Result<Self, String> {
        match text {
            "warp" => Ok(Blend::Warp),
            "change" => Ok(Blend::Change),
            "square" => Ok(Blend::Square),
            _ => Err("must be warp, change or square".to_owned()),
        }
    }
}

/// A photo with what is needed to put a face back into it.
struct Place {
    photo: Photo,
    blender: PhotoBlender,
    colours: Colours,
}

/// Generates faces and puts them where the first of them came from.
pub struct Compositor {
    /// A photo that portrait networks carry; nothing is generated of it then.
    carried: Option<Carried>,
    locked: Vec<bool>,
    place: Option<Place>,
    paste: Blend,
    original: FaceLatents,
    /// The generated square before any edit.
    before: Array3<f32>,
    /// How much of each pixel stays as it was, `[S, S]`, if parts are locked.
    kept: Option<Array2<f32>>,
}

impl Compositor {
    /// For the faces of a session of `photo`, or of one without.
    ///
    /// # Errors
    /// A network failed.
    pub fn new(
        model: &mut FaceModel,
        session: &Session,
        photo: Option<&Photo>,
        paste: Blend,
    ) -> Result<Self> {
        let (original, locked) = (session.original().clone(), session.locked().to_vec());
        if original.is_carried() {
            let missing = || EditError::Face {
                field: "photo".to_owned(),
                reason: "a face of a photo cannot be shown without it".to_owned(),
            };
            let carried = Some(Carried::new(model, &original, photo.ok_or_else(missing)?)?);
            let before = Array3::zeros((3, 0, 0));
            return Ok(Self { carried, locked, place: None, paste, original, before, kept: None });
        }
        let before = model.generate(session.original())?;
        let size = model.size();
        let place = photo.map(|photo| Place {
            blender: PhotoBlender::new(size, &photo.crop, photo.picture.dimensions()),
            colours: Colours::matching(before.view(), sample(&photo.picture, &photo.crop, size).view()),
            photo: photo.clone(),
        });
        let mut compositor =
            Self { carried: None, locked: locked.clone(), place, paste, original, before, kept: None };
        compositor.lock(model, session.locked());
        Ok(compositor)
    }

    /// Keeps the regions of `locked` parts as they were from now on, and no others.
    pub fn lock(&mut self, model: &FaceModel, locked: &[bool]) {
        self.locked = locked.to_vec();
        if self.carried.is_some() {
            return;
        }
        let region = || locked_region(&self.original, locked, model.manifest().tau, model.size());
        self.kept = locked.contains(&true).then(region);
    }

    /// How its pictures come about.
    pub fn origin(&self) -> Origin {
        if self.place.is_some() || self.is_carried() { Origin::Edited } else { Origin::Generated }
    }

    /// Whether this is a photo that portrait networks carry.
    pub fn is_carried(&self) -> bool {
        self.carried.is_some()
    }

    /// The generated square before any edit.
    pub fn before(&self) -> &Array3<f32> {
        &self.before
    }

    /// The generated square of `face`, `[3, S, S]`; regions of locked parts are as they were.
    ///
    /// # Errors
    /// A network failed.
    pub fn square(&self, model: &mut FaceModel, face: &FaceLatents) -> Result<Array3<f32>> {
        let mut image = model.generate(face)?;
        if let Some(kept) = &self.kept {
            for (mut after, before) in image.outer_iter_mut().zip(self.before.outer_iter()) {
                Zip::from(&mut after).and(&before).and(kept).for_each(|a, b, k| *a += (b - *a) * k);
            }
        }
        Ok(image)
    }

    /// The picture that shows `face`: the photo with it, or it alone.
    ///
    /// # Errors
    /// A network failed.
    pub fn compose(&mut self, model: &mut FaceModel, face: &FaceLatents) -> Result<RgbImage> {
        if let Some(carried) = &mut self.carried {
            return carried.compose(model, face, &self.locked);
        }
        if self.place.is_none() {
            return Ok(picture::from_network(self.square(model, face)?.view()));
        }
        // What the photo shows before the appearance changes.
        let posed = posed(&self.original, face);
        let appearance_changes = posed != *face;
        let image = match self.paste {
            Blend::Warp if !appearance_changes => None,
            Blend::Warp => {
                let mut change = self.square(model, face)? - self.square(model, &posed)?;
                let region = changed_region(&posed, face, model.manifest().tau, model.size());
                change.outer_iter_mut().for_each(|mut channel| channel *= &region);
                Some(change)
            }
            Blend::Change => Some(self.square(model, face)? - &self.before),
            Blend::Square => Some(self.square(model, face)?),
        };
        let Some(Place { photo, blender, colours }) = &mut self.place else {
            return Ok(RgbImage::default());
        };
        let mut canvas = match self.paste {
            Blend::Warp => warp(&photo.picture, &photo.crop, &self.original, &posed),
            _ => photo.picture.clone(),
        };
        match (self.paste, image) {
            (_, None) => {}
            (Blend::Square, Some(image)) => blender.replace(&mut canvas, colours.apply(image.view()).view()),
            (_, Some(change)) => {
                blender.add(&mut canvas, colours.apply_to_difference(change.view()).view());
            }
        }
        Ok(canvas)
    }
}

impl Compositor {
    /// How much of each pixel shows in the picture of `face` that was composed last, of a photo that is `original`: what is
    /// clear around a head moves with it.
    pub fn alpha(&self, face: &FaceLatents, original: &Original) -> Alpha {
        let Some(alpha) = original.alpha() else { return Alpha::Own };
        if let Some(carried) = &self.carried {
            return Alpha::Moved(carried.channel(face, &alpha));
        }
        let posed = posed(&self.original, face);
        match &self.place {
            Some(Place { photo, .. }) if self.paste == Blend::Warp && posed != self.original => {
                let grey =
                    RgbImage::from_fn(alpha.width(), alpha.height(), |x, y| alpha.get_pixel(x, y).to_rgb());
                let warped = warp(&grey, &photo.crop, &self.original, &posed);
                Alpha::Moved(GrayImage::from_fn(warped.width(), warped.height(), |x, y| {
                    image::Luma([warped.get_pixel(x, y).0[0]])
                }))
            }
            _ => Alpha::Moved(alpha),
        }
    }
}

/// The face as it was, in the pose of `face`. A part that was removed, or that stands in for another, stays where it was:
/// the photo is not to be warped by it.
fn posed(original: &FaceLatents, face: &FaceLatents) -> FaceLatents {
    let mut posed = original.clone();
    for i in 0..face.parts() {
        let changed = face.embeddings[i] != original.embeddings[i];
        let stands_in =
            changed && (0..face.parts()).any(|k| k != i && face.embeddings[k] == face.embeddings[i]);
        if face.visible[i] > 0.0 && !stands_in {
            posed.keypoints[i] = face.keypoints[i];
            posed.scales[i] = face.scales[i];
        }
    }
    posed
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::edit::testing::face;

    #[test]
    fn what_is_gone_or_stands_in_for_another_does_not_bend_the_photo() {
        let original = face(0.0);
        let mut moved = face(0.0);
        moved.keypoints = vec![[0.1, 0.2], [0.3, 0.4]];
        moved.scales[1] = 2.0;
        moved.background[0] += 1.0;
        assert_eq!(posed(&original, &moved).keypoints, moved.keypoints);
        assert_eq!(posed(&original, &moved).scales, moved.scales);
        assert_eq!(posed(&original, &moved).background, original.background);
        // Part 1 gone, then generated as part 0.
        moved.visible[1] = 0.0;
        let kept = vec![moved.keypoints[0], original.keypoints[1]];
        assert_eq!(posed(&original, &moved).keypoints, kept);
        moved.visible[1] = 1.0;
        moved.embeddings[1] = moved.embeddings[0].clone();
        assert_eq!((posed(&original, &moved).keypoints, posed(&original, &moved).scales[1]), (kept, 1.0));
    }
}
