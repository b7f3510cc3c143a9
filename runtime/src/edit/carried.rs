//! A photo whose own pixels are carried to other keypoints and states, with parts of other people's photos in it.

use std::collections::BTreeMap;

use image::{GrayImage, Rgb, RgbImage};
use ndarray::ArrayView3;

use super::blend::sample;
use super::latents::Taken;
use super::mix::mix;
use super::warp::{linear, warp};
use super::{FaceLatents, FaceModel, Photo};
use crate::error::Result;
use crate::portrait::{MOST_CHANGE, PortraitPhoto};
use crate::vision::crop::Crop;
use crate::vision::hermite::eased;
use crate::vision::similarity::{centre, fit, turned};

/// Most tilt of the head, in radians, that is left to the networks; the rest turns the picture.
const LEARNED_TURN: f32 = 0.35;
/// Mean square distance of keypoints from their centre below which they show no tilt.
const LEAST_SPREAD: f32 = 1e-4;
/// Squared distance from a keypoint, in normalised coordinates, at which its part has faded to a third.
const PART: f32 = 0.035;
/// How much of parts' fading heights is whole: the rest is their soft rim.
const WHOLE: f32 = 1.7;
/// Side of the squares whose colours are compared, in samples.
const COLOURS: usize = 96;
/// Least and most that the contrast of another person's part is changed by.
const CONTRAST: [f32; 2] = [0.7, 1.4];

/// A photo that portrait networks carry.
pub(super) struct Carried {
    photo: PortraitPhoto,
    original: FaceLatents,
    /// Photos that parts are taken from, by name.
    donors: BTreeMap<String, PortraitPhoto>,
    /// Longest side that donors' photos need.
    most_side: u32,
    tau: f32,
}

impl Carried {
    /// `photo` with its face as it is.
    ///
    /// # Errors
    /// A network failed.
    pub fn new(model: &mut FaceModel, original: &FaceLatents, photo: &Photo) -> Result<Self> {
        let (width, height) = photo.picture.dimensions();
        Ok(Self {
            photo: model.hold(photo, original)?,
            original: original.clone(),
            donors: BTreeMap::new(),
            most_side: width.max(height),
            tau: model.manifest().tau,
        })
    }

    /// The photo with `face`; what lies at `locked` parts stays as it was. A face that was not changed is the photo to the byte.
    ///
    /// # Errors
    /// A network failed, or a photo that a part is taken from cannot be opened.
    pub fn compose(
        &mut self,
        model: &mut FaceModel,
        face: &FaceLatents,
        locked: &[bool],
    ) -> Result<RgbImage> {
        let before = self.photo.picture().clone();
        if *face == self.original {
            return Ok(before);
        }
        let (keypoints, turn) = untilted(&self.original.keypoints, &face.keypoints);
        let states = face.states.iter().zip(&self.original.states);
        let change: Vec<f32> = states.map(|(a, b)| (a - b).clamp(-MOST_CHANGE, MOST_CHANGE)).collect();
        let mut canvas = RgbImage::default();
        // A part from elsewhere alone leaves the rest of the photo as it is.
        if keypoints == self.original.keypoints && change.iter().all(|c| *c == 0.0) && turn == 0.0 {
            canvas = before.clone();
        } else {
            model.portrait()?.carry(&mut self.photo, &keypoints, &change, turn, &mut canvas)?;
        }
        for (name, parts) in by_donor(&face.taken) {
            let mut donor = match self.donors.remove(name) {
                Some(donor) => donor,
                None => model.donor_photo(name, self.most_side)?,
            };
            let mut driven = RgbImage::default();
            model.portrait()?.carry(&mut donor, &keypoints, &change, turn, &mut driven)?;
            let weights = Weights::new(face, &parts, PART);
            put_part(&mut canvas, self.photo.crop(), &driven, donor.crop(), &weights);
            self.donors.insert(name.to_owned(), donor);
        }
        if face.scales != self.original.scales {
            canvas = self.grown(&canvas, face);
        }
        let kept: Vec<(usize, f32)> = (0..face.parts()).filter(|i| locked[*i]).map(|i| (i, 1.0)).collect();
        if !kept.is_empty() {
            let weights = Weights::new(&self.original, &kept, self.tau);
            each_pixel(&mut canvas, self.photo.crop(), &weights, |x, y, _| {
                before.get_pixel(x, y).0.map(f32::from)
            });
        }
        Ok(canvas)
    }

    /// Another channel of the photo, 0 to 255, carried to `face` as the last [`Carried::compose`] carried its colours.
    pub fn channel(&self, face: &FaceLatents, channel: &GrayImage) -> GrayImage {
        let original = &self.original;
        let (keypoints, turn) = untilted(&original.keypoints, &face.keypoints);
        if keypoints == original.keypoints && face.states == original.states && turn == 0.0 {
            return channel.clone();
        }
        self.photo.carry_channel(channel)
    }

    /// `picture` with the parts of `face` as wide as they are to be.
    fn grown(&self, picture: &RgbImage, face: &FaceLatents) -> RgbImage {
        let own = self.photo.crop();
        let upright = Crop { angle: 0.0, ..*own };
        let keypoints = face.keypoints.iter().map(|k| upright.to_network(own.to_picture(*k))).collect();
        let to = FaceLatents { keypoints, ..face.clone() };
        let from = FaceLatents { scales: self.original.scales.clone(), ..to.clone() };
        warp(picture, &upright, &from, &to)
    }
}

/// Parts with their weights by whose they are.
fn by_donor(taken: &BTreeMap<usize, Taken>) -> BTreeMap<&str, Vec<(usize, f32)>> {
    let mut donors: BTreeMap<&str, Vec<(usize, f32)>> = BTreeMap::new();
    for (part, Taken { from, weight }) in taken {
        donors.entry(from).or_default().push((*part, *weight));
    }
    donors
}

/// `keypoints` without what they tilt against `original` beyond what the networks know, and that tilt, in radians.
fn untilted(original: &[[f32; 2]], keypoints: &[[f32; 2]]) -> (Vec<[f32; 2]>, f32) {
    let pairs = original.iter().zip(keypoints).map(|(a, b)| (*a, *b, 1.0));
    let turn = fit(pairs, LEAST_SPREAD).map_or(0.0, |s| s.turn);
    let rest = turn - turn.clamp(-LEARNED_TURN, LEARNED_TURN);
    if rest == 0.0 {
        return (keypoints.to_vec(), 0.0);
    }
    let [cx, cy] = centre(keypoints);
    let back = |[x, y]: &[f32; 2]| {
        let [u, v] = turned([x - cx, y - cy], -rest);
        [cx + u, cy + v]
    };
    (keypoints.iter().map(back).collect(), rest)
}

/// How much each place of a face's square belongs to some of its parts.
struct Weights {
    /// Place, squared reach and weight of each.
    parts: Vec<([f32; 2], f32, f32)>,
}

impl Weights {
    fn new(face: &FaceLatents, parts: &[(usize, f32)], reach: f32) -> Self {
        let one = |(i, weight): &(usize, f32)| (face.keypoints[*i], reach * face.scales[*i].powi(2), *weight);
        Self { parts: parts.iter().map(one).collect() }
    }

    /// How much of the donor shows, 0 to 1.
    fn at(&self, at: [f32; 2]) -> f32 {
        self.shape(at) * self.parts.iter().map(|(.., weight)| *weight).fold(0.0, f32::max)
    }

    /// Where the parts are, 0 to 1. Parts beside each other have no seam between them, and what leaves the square fades.
    fn shape(&self, [x, y]: [f32; 2]) -> f32 {
        let mut rest = 1.0f32;
        for ([kx, ky], reach, _) in &self.parts {
            rest *= 1.0 - (-((x - kx).powi(2) + (y - ky).powi(2)) / reach).exp();
        }
        let edge = super::blend::fading(x.powi(4) + y.powi(4));
        eased(WHOLE * (1.0 - rest)) * edge
    }
}

/// Mixes `other`'s colours (0 to 255) at the pixel x, y, whose place in the square comes third, into the pixels of `canvas` in
/// the square `crop`, by their weights.
fn each_pixel(
    canvas: &mut RgbImage,
    crop: &Crop,
    weights: &Weights,
    other: impl Fn(u32, u32, [f32; 2]) -> [f32; 3],
) {
    let half = crop.side / 2.0 * (crop.angle.cos().abs() + crop.angle.sin().abs());
    // A float cast to an unsigned integer saturates.
    let range = |centre: f32, most: u32| {
        ((centre - half) as u32).min(most)..((centre + half).ceil() as u32).min(most)
    };
    for y in range(crop.cy, canvas.height()) {
        for x in range(crop.cx, canvas.width()) {
            let at = crop.to_network([x as f32 + 0.5, y as f32 + 0.5]);
            let weight = if at[0].abs().max(at[1].abs()) < 1.0 { weights.at(at) } else { 0.0 };
            if weight > 1.0 / 512.0 {
                let new = other(x, y, at);
                let old = canvas.get_pixel_mut(x, y);
                // Rounded: a cast cuts off, and saturates.
                old.0 = std::array::from_fn(|c| (mix(f32::from(old.0[c]), new[c], weight) + 0.5) as u8);
            }
        }
    }
}

/// Puts what `weights` name of the driven `donor`, whose square is `from`, into the square `to` of the canvas, in the colours that
/// the canvas has around it.
fn put_part(canvas: &mut RgbImage, to: &Crop, donor: &RgbImage, from: &Crop, weights: &Weights) {
    let (have, want) = (sample(donor, from, COLOURS), sample(canvas, to, COLOURS));
    let (have, want) = (rim(have.view(), weights), rim(want.view(), weights));
    let colours: [(f32, f32); 3] = std::array::from_fn(|c| {
        let contrast = (want[c][1] / have[c][1].max(0.02)).clamp(CONTRAST[0], CONTRAST[1]);
        // On 0 to 255.
        (contrast, (want[c][0] - contrast * have[c][0] + 1.0 - contrast) * 127.5)
    });
    each_pixel(canvas, to, weights, |_, _, at| {
        let Rgb(colour) = linear(donor, from.to_picture(at));
        std::array::from_fn(|c| f32::from(colour[c]) * colours[c].0 + colours[c].1)
    });
}

/// Mean and standard deviation of each channel where parts fade out: the skin about them, not lips or irises.
fn rim(image: ArrayView3<'_, f32>, weights: &Weights) -> [[f32; 2]; 3] {
    let centre = |i: usize| lkg_bundle::conventions::pixel_centre(i, COLOURS);
    let (mut total, mut sums) = (1e-6, [[0.0f32; 2]; 3]);
    for y in 0..COLOURS {
        for x in 0..COLOURS {
            let w = weights.shape([centre(x), centre(y)]);
            let w = w * (1.0 - w);
            total += w;
            for (c, sum) in sums.iter_mut().enumerate() {
                let v = image[[c, y, x]];
                *sum = [sum[0] + w * v, sum[1] + w * v * v];
            }
        }
    }
    sums.map(|[sum, square]| {
        let mean = sum / total;
        [mean, (square / total - mean * mean).max(0.0).sqrt()]
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const CROP: Crop = Crop { cx: 60.0, cy: 50.0, side: 80.0, angle: 0.0 };

    fn face() -> FaceLatents {
        FaceLatents::carried(vec![[-0.4, 0.0], [0.4, 0.0]], vec![0.0; 4], 0.0)
    }

    #[test]
    fn a_part_from_elsewhere_is_put_softly_in_the_colours_about_it() {
        // The donor is darker, and has a bright spot where the first part is.
        let mut canvas = RgbImage::from_fn(120, 100, |x, _| Rgb([(100 + x % 5) as u8, 120, 140]));
        let before = canvas.clone();
        let spot = |x: u32, y: u32| x.abs_diff(44) <= 3 && y.abs_diff(50) <= 3;
        let donor = RgbImage::from_fn(120, 100, |x, y| {
            Rgb(if spot(x, y) { [250; 3] } else { [(50 + x % 5) as u8, 70, 90] })
        });
        let weights = Weights::new(&face(), &[(0, 1.0)], PART);
        put_part(&mut canvas, &CROP, &donor, &CROP, &weights);
        assert!(canvas.get_pixel(44, 50).0[0] > 200, "{:?}", canvas.get_pixel(44, 50));
        let beside = canvas.get_pixel(52, 50).0;
        assert!(beside[0].abs_diff(102) < 25 && beside[2].abs_diff(140) < 25, "{beside:?}");
        let same = |x: u32, y: u32| canvas.get_pixel(x, y) == before.get_pixel(x, y);
        assert!(same(78, 50) && same(5, 50) && same(110, 90), "elsewhere");
        // Half of it is half way.
        let mut half = before.clone();
        put_part(&mut half, &CROP, &donor, &CROP, &Weights::new(&face(), &[(0, 0.5)], PART));
        let at = |p: &RgbImage| f32::from(p.get_pixel(44, 50).0[0]);
        assert!((at(&half) - (at(&canvas) + at(&before)) / 2.0).abs() < 8.0);
    }

    #[test]
    fn a_tilt_beyond_what_was_learned_turns_the_picture() {
        let face = [[-0.4, -0.3], [0.4, -0.3], [0.0, 0.5]];
        let tilted = |angle: f32| {
            let (sin, cos) = f32::sin_cos(angle);
            face.map(|[x, y]| [x * cos - y * sin, x * sin + y * cos])
        };
        assert_eq!(untilted(&face, &tilted(0.2)), (tilted(0.2).to_vec(), 0.0));
        let (points, turn) = untilted(&face, &tilted(0.6));
        assert!((turn - 0.25).abs() < 1e-3, "{turn}");
        let seen = (points[1][1] - points[0][1]).atan2(points[1][0] - points[0][0]);
        assert!((seen - LEARNED_TURN).abs() < 1e-3, "{seen}");
    }

    #[test]
    fn parts_are_sorted_by_whose_they_are() {
        let of = |from: &str, weight| Taken { from: from.to_owned(), weight };
        let taken = BTreeMap::from([(0, of("a", 1.0)), (3, of("b", 0.5)), (4, of("a", 1.0))]);
        let by = by_donor(&taken);
        assert_eq!(by["a"], [(0, 1.0), (4, 1.0)]);
        assert_eq!(by["b"], [(3, 0.5)]);
    }
}
