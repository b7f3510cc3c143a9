use std::collections::VecDeque;
use std::time::{Duration, Instant};

use image::{RgbImage, imageops};
use lkg_bundle::Manifest;
use ndarray::{Array3, ArrayView3, s};

use super::ReenactError;
use super::beside::no_taller;
use super::calibrate::{Calibration, Neutral};
use super::drivers::Drivers;
use super::ease::Ease;
use super::limit::Limit;
use super::motion::{Drive, Gains, Motion};
use super::options::{ReenactOptions, View};
use crate::edit::blend::{Colours, PhotoBlender, sample};
use crate::edit::{self, Compositor, FaceLatents, FaceModel, OpenedPhoto};
use crate::engine::{Held, Noise};
use crate::error::Result;
use crate::frame::DetectedFace;
use crate::media::SentPhoto;
use crate::media::mark::Origin;
use crate::media::picture::Original;
use crate::vision::crop::Crop;
use crate::vision::face_layout::FaceLayout;

/// Layouts of the generator that set how far keypoints may go.
const SAMPLES: u32 = 512;
/// How many of them are made at once.
const BATCH: u32 = 64;
/// Longest side of a source photo that is edited live, in pixels.
const MOST_SIDE: u32 = 960;
/// Side of the square where there is no driver's picture beside it, in pixels.
const ALONE: u32 = 480;
/// How far the colours of a pasted square move towards what each frame asks for.
const COLOUR_SPEED: f32 = 0.1;

/// What is known of somebody who drives.
#[derive(Default)]
pub(super) struct Known {
    calibration: Calibration,
    pub neutral: Option<Neutral>,
}

/// Puts `image` `[3, S, S]` into the square `crop` of the canvas, fading out at its border, in colours that move towards those
/// of what was there.
pub(super) fn blend_in(
    canvas: &mut RgbImage,
    image: ArrayView3<'_, f32>,
    crop: &Crop,
    colours: &mut Option<Colours>,
) {
    let size = image.dim().1;
    let wanted = Colours::matching(image, sample(canvas, crop, size).view());
    let now = colours.map_or(wanted, |now| now.towards(&wanted, COLOUR_SPEED));
    *colours = Some(now);
    PhotoBlender::new(size, crop, canvas.dimensions()).replace(canvas, now.apply(image).view());
}

/// Moves a source face as the driver moves: the driver's motion against a neutral face, kept within the keypoint layouts that
/// the generator makes by itself, with the source's appearance.
///
/// ```
/// use std::time::Duration;
///
/// use lkg_runtime::{Bundle, EngineOptions, FaceModel, FaceTracker, ReenactOptions, Reenactor, TrackOptions};
///
/// # fn main() -> lkg_runtime::Result<()> {
/// let bundle = Bundle::open(concat!(env!("CARGO_MANIFEST_DIR"), "/../models/faces64-edge"))?;
/// let engine = EngineOptions::default();
/// let mut tracker = FaceTracker::open(&bundle, &engine, TrackOptions::live(bundle.manifest()))?;
/// let mut model = FaceModel::new(bundle, engine);
/// // A photo would do as well, see `FaceModel::open`.
/// let source = model.open("seed:3")?;
/// let mut reenactor = Reenactor::new(&mut model, &[source], ReenactOptions::default())?;
/// for frame in 0..3 {
///     let (picture, time) = (image::RgbImage::new(320, 240), Duration::from_millis(40 * frame));
///     let face = tracker.track(&picture, time)?.face;
///     // The driver's picture with the driven face beside it.
///     let shown = reenactor.reenact(&picture, face.as_ref(), time)?;
///     assert_eq!(shown.dimensions(), (320 + 240, 240));
/// }
/// # Ok(())
/// # }
/// ```
pub struct Reenactor<'a> {
    model: Held<'a, FaceModel>,
    pub(super) source: FaceLatents,
    options: ReenactOptions,
    /// Faces that wait to be driven, the next one first.
    others: VecDeque<(FaceLatents, Option<Compositor>)>,
    /// Size of the pictures, where they are the photo.
    size: Option<(u32, u32)>,
    drives_pose: bool,
    /// Gain of each part across and down.
    part_gains: Vec<[f32; 2]>,
    pub(super) limit: Limit,
    layout: FaceLayout,
    /// The square that frames the driver's face.
    crop: Crop,
    /// What is known of whoever drives.
    pub(super) known: Known,
    /// The same of others who drove.
    drivers: Drivers<Known>,
    ease: Ease,
    /// Where the driver took the keypoints last.
    pub(super) target: Vec<[f32; 2]>,
    compositor: Option<Compositor>,
    square: Option<PhotoBlender>,
    colours: Option<Colours>,
}

impl<'a> Reenactor<'a> {
    /// A re-enactment of the first of `sources`, with the others at hand. The model is lent to it (`&mut`) or its own (`Box`).
    ///
    /// # Errors
    /// There is no source, one has no photo to edit, no part is driven, or a network failed.
    pub fn new(
        model: impl Into<Held<'a, FaceModel>>,
        sources: &[OpenedPhoto],
        options: ReenactOptions,
    ) -> Result<Self> {
        let mut model = model.into();
        let (drives_pose, part_gains) = driven(&options, model.manifest())?;
        let mut others = VecDeque::new();
        let mut size = None;
        for source in sources {
            let compositor = match options.view {
                View::Source => Some(in_photo(&mut model, source, &mut size)?),
                _ => None,
            };
            others.push_back((source.session.face().clone(), compositor));
        }
        let Some((face, compositor)) = others.pop_front() else {
            return Err(ReenactError::NoSource.into());
        };
        let limit = sampled_limit(&mut model)?;
        if compositor.is_none() {
            // The first frame should not wait for what a first run sets up.
            model.generate(&face)?;
        }
        Ok(Self {
            target: face.keypoints.clone(),
            source: face,
            others,
            size,
            drives_pose,
            part_gains,
            limit,
            layout: FaceLayout::new(model.manifest()),
            crop: Crop::inside(1, 1),
            known: Known::default(),
            drivers: Drivers::default(),
            ease: Ease::default(),
            compositor,
            square: None,
            colours: None,
            model,
            options,
        })
    }

    /// How far the source's keypoints lie from the generator's mean layout, and how far nearly all of its own do.
    pub fn reach(&self) -> (f64, f64) {
        (self.limit.distance(&self.source.keypoints), self.limit.most())
    }

    /// What is shown.
    pub(super) fn view(&self) -> View {
        self.options.view
    }

    /// The manifest of the bundle in use.
    pub(super) fn manifest(&self) -> &Manifest {
        self.model.manifest()
    }

    /// How its pictures come about, to be noted in their files.
    pub fn origin(&self) -> Origin {
        if matches!(self.options.view, View::Beside | View::Face) {
            Origin::Generated
        } else {
            Origin::Edited
        }
    }

    /// The source's face as the driver's `face`, in pixels of its picture, moves it at `time` since the first frame. Where
    /// the driver is lost it eases back to what it was; until the driver was still for a second it stays so.
    pub fn drive(&mut self, face: Option<&DetectedFace>, time: Duration) -> FaceLatents {
        if let Some(face) = face {
            self.drivers.change(face.id, &mut self.known, Known::default);
            self.crop = self.layout.upright(&face.keypoints);
        }
        if self.known.neutral.is_none() && !self.options.absolute {
            self.known.neutral = self.known.calibration.add(face, &self.crop, time);
        } else if face.is_some() {
            // Goes on listening, for when the user asks for another neutral face.
            self.known.calibration.add(face, &self.crop, time);
        }
        let seen = |crop: &Crop| -> Option<Vec<[f32; 2]>> {
            face.map(|f| f.keypoints.iter().map(|k| crop.to_network([k.x, k.y])).collect())
        };
        let driven = match &self.known.neutral {
            _ if self.options.absolute => {
                // The square that follows the head takes its shift out, which a square of its own needs.
                seen(&self.crop).map(|now| self.limit.keep(&self.limit.mean(), &now))
            }
            Some(neutral) => {
                // Seen from a square that follows the head its shift is gone, from the neutral one it is all there.
                let share = if self.options.view == View::Driver { 0.0 } else { self.options.gains.shift };
                seen(&self.crop.towards(&neutral.crop, share))
                    .map(|now| self.moved(&Motion::between(&neutral.keypoints, &now)))
            }
            None => None,
        };
        let share = self.ease.step(driven.is_some(), time);
        if let Some(driven) = driven {
            self.target = driven;
        }
        let between =
            |(a, b): (&[f32; 2], &[f32; 2])| [a[0] + (b[0] - a[0]) * share, a[1] + (b[1] - a[1]) * share];
        let keypoints = self.source.keypoints.iter().zip(&self.target).map(between).collect();
        FaceLatents { keypoints, ..self.source.clone() }
    }

    /// The source's keypoints after `motion`: first the head's, then the parts', each as far as the generator knows.
    fn moved(&self, motion: &Motion) -> Vec<[f32; 2]> {
        let still = &self.source.keypoints;
        let Gains { pose, axes, .. } = self.options.gains;
        let posed = if self.drives_pose {
            self.limit.keep(still, &motion.pose(still, pose, axes))
        } else {
            still.clone()
        };
        self.limit.keep(&posed, &motion.parts(&posed, &self.part_gains))
    }

    /// Whether the driver's neutral face is known, or none is needed.
    pub fn is_calibrated(&self) -> bool {
        self.known.neutral.is_some() || self.options.absolute
    }

    /// Takes what the driver did in the last second as the neutral face. False where there was no face.
    pub fn calibrate(&mut self) -> bool {
        let neutral = self.known.calibration.neutral();
        let known = neutral.is_some();
        self.known.neutral = neutral.or(self.known.neutral.take());
        known
    }

    /// A driver's frame re-enacted: `picture` at `time` since the first frame, with the `face` found in it, if one was. What
    /// is shown is as [`ReenactOptions::view`] says.
    ///
    /// # Errors
    /// [`Error::Engine`](crate::Error::Engine) if a network fails.
    pub fn reenact(
        &mut self,
        picture: &RgbImage,
        face: Option<&DetectedFace>,
        time: Duration,
    ) -> Result<RgbImage> {
        let driven = self.drive(face, time);
        let mut canvas = RgbImage::default();
        match self.options.view {
            View::Driver => {
                canvas.clone_from(picture);
                self.over(&driven, face.is_some(), &mut canvas)?;
            }
            View::Source => canvas = self.in_photo(&driven)?,
            View::Beside => {
                self.beside(&driven, Some(picture), false, &mut canvas)?;
            }
            View::Face => {
                self.beside(&driven, None, false, &mut canvas)?;
            }
        }
        Ok(canvas)
    }

    /// The source's photo with `face` in it.
    pub(super) fn in_photo(&mut self, face: &FaceLatents) -> Result<RgbImage> {
        match &mut self.compositor {
            Some(compositor) => compositor.compose(&mut self.model, face),
            // `new` makes one where the view is the source's photo.
            None => Err(ReenactError::NoPhoto("the source".to_owned()).into()),
        }
    }

    /// Makes the canvas the driver's picture with the generated square beside it, or the square alone. Gives the time that
    /// generating it took.
    pub(super) fn beside(
        &mut self,
        face: &FaceLatents,
        driver: Option<&RgbImage>,
        mirror: bool,
        canvas: &mut RgbImage,
    ) -> Result<Duration> {
        let driver = driver.map(no_taller);
        let driver = driver.as_deref();
        let (image, took) = self.generate(face)?;
        let image = if mirror { image.slice_move(s![.., .., ..;-1]) } else { image };
        let (left, side) = driver.map_or((0, ALONE), RgbImage::dimensions);
        if canvas.dimensions() != (left + side, side) {
            *canvas = RgbImage::new(left + side, side);
        }
        if let Some(driver) = driver {
            imageops::replace(canvas, driver, 0, 0);
        }
        let size = self.model.size();
        let blender = self.square.get_or_insert_with(|| PhotoBlender::whole(size, side, (left, 0)));
        // Another size of the driver's pictures moves the square.
        if !blender.fits(side, (left, 0)) {
            *blender = PhotoBlender::whole(size, side, (left, 0));
        }
        blender.replace(canvas, image.view());
        Ok(took)
    }

    /// Puts the generated square over the driver's face in the canvas, which is the driver's picture: where there `is_face`,
    /// and once calibrated. Gives the time that generating it took.
    pub(super) fn over(
        &mut self,
        face: &FaceLatents,
        is_face: bool,
        canvas: &mut RgbImage,
    ) -> Result<Duration> {
        let (image, took) = self.generate(face)?;
        if is_face && self.is_calibrated() {
            blend_in(canvas, image.view(), &self.crop, &mut self.colours);
        }
        Ok(took)
    }

    fn generate(&mut self, face: &FaceLatents) -> Result<(Array3<f32>, Duration)> {
        let start = Instant::now();
        Ok((self.model.generate(face)?, start.elapsed()))
    }

    /// Whether there is another source to drive.
    #[cfg(feature = "live")]
    pub(super) fn has_other_sources(&self) -> bool {
        !self.others.is_empty()
    }

    /// Drives the next source, in the same neutral pose of the driver. False where there is no other.
    pub fn next_source(&mut self) -> bool {
        let Some((face, compositor)) = self.others.pop_front() else { return false };
        let before = self.put_up(face, compositor);
        self.others.push_back(before);
        true
    }

    /// Drives the face of a photo that was sent in the place of the one shown. Gives back what else its file holds, as far as
    /// pictures of this view are to be like it, and what the user should know.
    ///
    /// # Errors
    /// The bundle has no encoder, there is no face in the photo to be confident of, or a network failed; the face shown stays
    /// then.
    pub(super) fn take(&mut self, sent: SentPhoto) -> Result<(Original, Vec<String>)> {
        // What is driven here is drawn.
        let carry = std::mem::replace(&mut self.model.carry, false);
        let opened = self.model.open_sent(sent);
        self.model.carry = carry;
        let opened = opened?;
        let compositor = match self.options.view {
            View::Source => Some(in_photo(&mut self.model, &opened, &mut self.size)?),
            _ => None,
        };
        self.put_up(opened.session.face().clone(), compositor);
        Ok((self.options.original(&opened.original, self.others.is_empty()), opened.notes))
    }

    /// Drives `face`; gives back the one before.
    fn put_up(
        &mut self,
        face: FaceLatents,
        compositor: Option<Compositor>,
    ) -> (FaceLatents, Option<Compositor>) {
        let before =
            (std::mem::replace(&mut self.source, face), std::mem::replace(&mut self.compositor, compositor));
        self.target.clone_from(&self.source.keypoints);
        self.colours = None;
        before
    }

    /// Drives by the next kind of motion that this bundle has parts for, and says which that is.
    pub fn next_drive(&mut self) -> Drive {
        let manifest = self.model.manifest();
        if let Some(driven) = self.options.next_drive(|options| driven(options, manifest)) {
            (self.drives_pose, self.part_gains) = driven;
        }
        self.options.drive
    }
}

/// What puts the face of `source` into its photo, in a picture of `size`, which the first photo sets.
fn in_photo(
    model: &mut FaceModel,
    source: &OpenedPhoto,
    size: &mut Option<(u32, u32)>,
) -> Result<Compositor> {
    let Some(photo) = &source.photo else { return Err(ReenactError::NoPhoto(source.source.clone()).into()) };
    let photo = photo.shrunk(MOST_SIDE);
    // A run's pictures have one size.
    let photo = photo.within(*size.get_or_insert(photo.picture.dimensions()));
    Compositor::new(model, &source.session, Some(&photo), edit::Blend::Warp)
}

/// Whether the head is driven, and by how much each part is, across and down.
fn driven(options: &ReenactOptions, manifest: &Manifest) -> Result<(bool, Vec<[f32; 2]>)> {
    let (pose, parts) = options.driven(manifest)?;
    let gains = options.gains.of_parts(&parts, manifest);
    Ok((pose, gains.map_err(ReenactError::Gain)?))
}

/// The limit that the generator's own layouts set.
fn sampled_limit(model: &mut FaceModel) -> Result<Limit> {
    let dims = model.manifest().dims;
    let mut samples = Vec::new();
    for first in (0..SAMPLES).step_by(BATCH as usize) {
        let noise = Noise::seeded(0, first..first + BATCH, &dims, 1.0);
        let latents = model.keypoint_generator()?.run(&noise)?;
        for points in latents.keypoints.outer_iter() {
            samples.push(points.rows().into_iter().map(|p| [p[0], p[1]]).collect());
        }
    }
    Ok(Limit::new(&samples))
}
