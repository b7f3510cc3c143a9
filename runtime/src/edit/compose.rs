use image::RgbImage;
use ndarray::{Array2, Array3, Zip};

use super::paste::{Colours, Paster, sample};
use super::studio::{changed_region, locked_region};
use super::warp::warp;
use super::{Face, Photo, Session, Studio};
use crate::error::Result;
use crate::media::mark::Origin;
use crate::media::picture;

/// How an edit gets into its photo.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Paste {
    /// Bends the photo as the keypoints moved and the parts grew, then adds what other looks change in the generated square
    /// near their parts. A photo stays as sharp as it is.
    #[default]
    Warp,
    /// Adds all that the edit changes in the generated square to the photo.
    Change,
    /// Lays the generated square over the photo, in its colours.
    Square,
}

impl std::str::FromStr for Paste {
    type Err = String;

    fn from_str(text: &str) -> std::result::Result<Self, String> {
        match text {
            "warp" => Ok(Paste::Warp),
            "change" => Ok(Paste::Change),
            "square" => Ok(Paste::Square),
            _ => Err("must be warp, change or square".to_owned()),
        }
    }
}

/// A photo with what is needed to put a face back into it.
struct Place {
    photo: Photo,
    paster: Paster,
    colours: Colours,
}

/// Draws faces and puts them where the first of them came from.
pub struct Composer {
    place: Option<Place>,
    paste: Paste,
    original: Face,
    /// The generated square before any edit.
    before: Array3<f32>,
    /// How much of each pixel stays as it was, `[S, S]`, if parts are locked.
    kept: Option<Array2<f32>>,
}

impl Composer {
    /// For the faces of a session of `photo`, or of one without.
    ///
    /// # Errors
    /// A network failed.
    pub fn new(studio: &mut Studio, session: &Session, photo: Option<&Photo>, paste: Paste) -> Result<Self> {
        let before = studio.draw(session.original())?;
        let size = studio.size();
        let place = photo.map(|photo| Place {
            paster: Paster::new(size, &photo.crop, photo.picture.dimensions()),
            colours: Colours::matching(before.view(), sample(&photo.picture, &photo.crop, size).view()),
            photo: photo.clone(),
        });
        let original = session.original().clone();
        let mut composer = Self { place, paste, original, before, kept: None };
        composer.lock(studio, session.locked());
        Ok(composer)
    }

    /// Keeps the regions of `locked` parts as they were from now on, and no others.
    pub fn lock(&mut self, studio: &Studio, locked: &[bool]) {
        let region = || locked_region(&self.original, locked, studio.manifest().tau, studio.size());
        self.kept = locked.contains(&true).then(region);
    }

    /// How its pictures come about.
    pub fn origin(&self) -> Origin {
        if self.place.is_some() { Origin::Edited } else { Origin::Generated }
    }

    /// The generated square before any edit.
    pub fn before(&self) -> &Array3<f32> {
        &self.before
    }

    /// The generated square of `face`, `[3, S, S]`; regions of locked parts are as they were.
    ///
    /// # Errors
    /// A network failed.
    pub fn square(&self, studio: &mut Studio, face: &Face) -> Result<Array3<f32>> {
        let mut image = studio.draw(face)?;
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
    pub fn compose(&mut self, studio: &mut Studio, face: &Face) -> Result<RgbImage> {
        if self.place.is_none() {
            return Ok(picture::from_network(self.square(studio, face)?.view()));
        }
        // What the photo shows before looks change.
        let posed = posed(&self.original, face);
        let looks_change = posed != *face;
        let image = match self.paste {
            Paste::Warp if !looks_change => None,
            Paste::Warp => {
                let mut change = self.square(studio, face)? - self.square(studio, &posed)?;
                let region = changed_region(&posed, face, studio.manifest().tau, studio.size());
                change.outer_iter_mut().for_each(|mut channel| channel *= &region);
                Some(change)
            }
            Paste::Change => Some(self.square(studio, face)? - &self.before),
            Paste::Square => Some(self.square(studio, face)?),
        };
        let Some(Place { photo, paster, colours }) = &mut self.place else {
            return Ok(RgbImage::default());
        };
        let mut canvas = match self.paste {
            Paste::Warp => warp(&photo.picture, &photo.crop, &self.original, &posed),
            _ => photo.picture.clone(),
        };
        match (self.paste, image) {
            (_, None) => {}
            (Paste::Square, Some(image)) => paster.replace(&mut canvas, colours.apply(image.view()).view()),
            (_, Some(change)) => {
                paster.add(&mut canvas, colours.apply_to_difference(change.view()).view());
            }
        }
        Ok(canvas)
    }
}

/// The face as it was, in the pose of `face`. A part that was removed, or that stands in for another, stays where it was:
/// the photo is not to be bent by it.
fn posed(original: &Face, face: &Face) -> Face {
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
    use crate::edit::face::tests::face;

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
        // Part 1 gone, then drawn as part 0.
        moved.visible[1] = 0.0;
        let kept = vec![moved.keypoints[0], original.keypoints[1]];
        assert_eq!(posed(&original, &moved).keypoints, kept);
        moved.visible[1] = 1.0;
        moved.embeddings[1] = moved.embeddings[0].clone();
        assert_eq!((posed(&original, &moved).keypoints, posed(&original, &moved).scales[1]), (kept, 1.0));
    }
}
