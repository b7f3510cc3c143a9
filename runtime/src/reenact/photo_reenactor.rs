use std::collections::VecDeque;
use std::time::Duration;

use image::{GrayImage, RgbImage, imageops};
use lkg_bundle::Manifest;

use super::ReenactError;
use super::beside::no_taller;
use super::drivers::Drivers;
use super::ease::Ease;
use super::follow::{Driven, Share};
use super::look;
use super::motion::Drive;
use super::neutral::{NeutralFinder, Pose};
use super::options::{ReenactOptions, View};
use super::reenactor::blend_in;
use crate::edit::blend::{Colours, sample};
use crate::engine::Held;
use crate::error::Result;
use crate::frame::DetectedFace;
use crate::media::SentPhoto;
use crate::media::mark::Origin;
use crate::media::picture::Original;
use crate::portrait::{PortraitModel, PortraitPhoto, Took};
use crate::vision::crop::Crop;
use crate::vision::enlarge::Enlarger;
use crate::vision::face_layout::FaceLayout;

/// Side of the square that is put over the driver's face, in samples.
const OVER: usize = 256;

/// Moves the face of a photo as the driver moves, at the photo's own resolution: its own pixels are carried along, and only what
/// they do not show is drawn by a network. For bundles with portrait networks.
///
/// ```no_run
/// use std::time::Duration;
///
/// use lkg_runtime::{
///     Bundle, EngineOptions, FaceTracker, PhotoReenactor, PortraitModel, ReenactOptions, TrackOptions, View,
/// };
///
/// # fn main() -> lkg_runtime::Result<()> {
/// let (bundle, engine) = (Bundle::open("models/portrait128")?, EngineOptions::default());
/// let mut tracker = FaceTracker::open(&bundle, &engine, TrackOptions::live(bundle.manifest()))?;
/// let mut model = PortraitModel::load(&bundle, &engine)?;
/// let photo = model.open("photo.jpg")?;
/// let options = ReenactOptions { view: View::Source, ..ReenactOptions::default() };
/// let mut reenactor = PhotoReenactor::new(&mut model, vec![photo], options)?;
/// let frame = image::RgbImage::new(640, 480);
/// let face = tracker.track(&frame, Duration::ZERO)?.face;
/// let shown = reenactor.reenact(&frame, face.as_ref(), Duration::ZERO)?;
/// # Ok(())
/// # }
/// ```
pub struct PhotoReenactor<'a> {
    model: Held<'a, PortraitModel>,
    photo: PortraitPhoto,
    /// Photos that wait to be driven, the next one first.
    others: VecDeque<PortraitPhoto>,
    options: ReenactOptions,
    share: Share,
    layout: FaceLayout,
    /// The neutral face of whoever drives.
    neutral: NeutralFinder,
    /// Those of others who drove.
    drivers: Drivers<NeutralFinder>,
    /// What a driver begins with who was not seen before.
    fresh: NeutralFinder,
    ease: Ease,
    /// The driver's latest face.
    pose: Pose,
    /// Where the driver took the photo last, and what of that is shown.
    target: Driven,
    shown: Driven,
    /// The driven photo, where it is not all that is shown.
    square: RgbImage,
    /// The same, enlarged beside a larger picture of the driver.
    large: RgbImage,
    enlarger: Enlarger,
    /// Side of the picture that shows the face alone, in pixels.
    shown_alone: u32,
    colours: Option<Colours>,
}

impl<'a> PhotoReenactor<'a> {
    /// A re-enactment of the first of `photos`, with the others at hand in pictures of its size. The model is lent to it (`&mut`)
    /// or its own (`Box`).
    ///
    /// # Errors
    /// There is no photo, no part is driven, or a network failed.
    pub fn new(
        model: impl Into<Held<'a, PortraitModel>>,
        photos: Vec<PortraitPhoto>,
        options: ReenactOptions,
    ) -> Result<Self> {
        let mut model = model.into();
        let share = share(&options, model.manifest())?;
        let mut photos = photos.into_iter();
        let Some(photo) = photos.next() else { return Err(ReenactError::NoSource.into()) };
        // A run's pictures have one size.
        let size = photo.picture().dimensions();
        let others = photos.map(|photo| model.within(&photo, size)).collect::<Result<_>>()?;
        let still = Driven::still(photo.keypoints(), photo.states().len());
        Ok(Self {
            layout: FaceLayout::new(model.manifest()),
            neutral: NeutralFinder::new(model.manifest()),
            drivers: Drivers::default(),
            fresh: NeutralFinder::new(model.manifest()),
            ease: Ease::full(),
            pose: Pose::default(),
            target: still.clone(),
            shown: still,
            square: RgbImage::default(),
            large: RgbImage::default(),
            enlarger: Enlarger::default(),
            shown_alone: part_alone(&photo)[2],
            colours: None,
            photo,
            others,
            share,
            options,
            model,
        })
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
        Origin::Edited
    }

    /// Takes the face of `picture`, called `name`, as the driver's neutral one.
    ///
    /// # Errors
    /// [`Error::Picture`](crate::Error::Picture) if there is none in it to be confident of.
    pub fn set_neutral(&mut self, picture: &RgbImage, name: &str) -> Result<()> {
        let face = self.model.face(picture, name)?;
        self.neutral.set(&face);
        // Who leaves and comes back may have another number.
        self.fresh = self.neutral.clone();
        Ok(())
    }

    /// Looks at the first seconds of what is to be driven with, a face and when it is seen, so that the neutral face is known
    /// from the first frame on.
    pub fn look_ahead<'f>(&mut self, faces: impl Iterator<Item = (Duration, &'f DetectedFace)>) {
        for (time, face) in faces {
            self.drivers.change(face.id, &mut self.neutral, || self.fresh.clone());
            self.neutral.look_ahead(face, time);
        }
        self.drivers.others().chain(std::iter::once(&mut self.neutral)).for_each(NeutralFinder::settle);
    }

    /// Takes what the driver did in the last half second as the neutral face. False where there was no face.
    pub fn calibrate(&mut self) -> bool {
        self.neutral.take()
    }

    /// Where the driver's `face`, in pixels of its picture, takes the photo's parts at `time` since the first frame. Where the
    /// driver is lost they ease back to where they were.
    fn drive(&mut self, face: Option<&DetectedFace>, time: Duration) {
        let still = self.photo.keypoints();
        if let Some(face) = face {
            self.drivers.change(face.id, &mut self.neutral, || self.fresh.clone());
            self.pose.measure(face, &self.layout);
            self.neutral.add(&self.pose, time);
            if self.options.absolute {
                self.target.copy(still, self.photo.states(), &self.pose, &self.layout);
            } else if let Some(neutral) = self.neutral.current() {
                let gains = &self.options.gains;
                let follows = if self.options.view == View::Driver { 0.0 } else { gains.shift };
                self.target.follow(still, neutral, &self.pose, gains, &self.share, follows);
            }
        }
        let share = self.ease.step(face.is_some(), time);
        self.shown.between(still, &self.target, share);
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
        let mut canvas = RgbImage::default();
        match self.options.view {
            View::Driver => {
                canvas.clone_from(picture);
                self.over(face, time, &mut canvas)?;
            }
            View::Source => drop(self.paint(face, time, &mut canvas)?),
            View::Face => drop(self.alone(face, time, &mut canvas)?),
            View::Beside => drop(self.beside(Some(picture), face, time, false, &mut canvas)?),
        }
        Ok(canvas)
    }

    /// Makes the canvas the driven photo.
    ///
    /// # Errors
    /// [`Error::Engine`](crate::Error::Engine) if a network fails.
    pub(crate) fn paint(
        &mut self,
        face: Option<&DetectedFace>,
        time: Duration,
        canvas: &mut RgbImage,
    ) -> Result<Took> {
        self.drive(face, time);
        let Driven { keypoints, change, turn } = &self.shown;
        self.model.carry(&mut self.photo, keypoints, change, *turn, canvas)
    }

    /// How much of each pixel of the driven photo shows: what is clear around a head moves with it.
    pub(super) fn alpha(&self) -> Option<GrayImage> {
        self.photo.carried_alpha()
    }

    /// Drives the photo and hands it to `put`, for where it is not all that is shown.
    fn put(
        &mut self,
        face: Option<&DetectedFace>,
        time: Duration,
        put: impl FnOnce(&mut Self, &mut RgbImage),
    ) -> Result<Took> {
        let mut square = std::mem::take(&mut self.square);
        let took = self.paint(face, time, &mut square)?;
        put(self, &mut square);
        self.square = square;
        Ok(took)
    }

    /// Makes the canvas the driver's picture with the driven photo beside it, enlarged by a whole factor where it would be less
    /// than half as high.
    pub(super) fn beside(
        &mut self,
        driver: Option<&RgbImage>,
        face: Option<&DetectedFace>,
        time: Duration,
        mirror: bool,
        canvas: &mut RgbImage,
    ) -> Result<Took> {
        let driver = driver.map(no_taller);
        let driver = driver.as_deref();
        self.put(face, time, |this, square| {
            if mirror {
                imageops::flip_horizontal_in_place(square);
            }
            let (left, height) = driver.map_or((0, 0), RgbImage::dimensions);
            let factor = height / square.height().max(1);
            let square = if factor > 1 {
                this.enlarger.enlarge(square, factor, &mut this.large);
                &this.large
            } else {
                square
            };
            let size = (left + square.width(), height.max(square.height()));
            if canvas.dimensions() == size {
                canvas.fill(0);
            } else {
                *canvas = RgbImage::new(size.0, size.1);
            }
            if let Some(driver) = driver {
                imageops::replace(canvas, driver, 0, 0);
            }
            imageops::replace(canvas, square, i64::from(left), 0);
        })
    }

    /// Makes the canvas the square of the driven photo that its face can move in, upright, as far as the photo reaches.
    pub(super) fn alone(
        &mut self,
        face: Option<&DetectedFace>,
        time: Duration,
        canvas: &mut RgbImage,
    ) -> Result<Took> {
        self.put(face, time, |this, square| {
            let ([left, top, side], shown) = (part_alone(&this.photo), this.shown_alone);
            if canvas.dimensions() != (shown, shown) {
                *canvas = RgbImage::new(shown, shown);
            }
            let part = imageops::crop_imm(square, left, top, side, side);
            if side == shown {
                imageops::replace(canvas, &*part, 0, 0);
            } else {
                // Another photo's face, in the size of the first one's.
                *canvas = imageops::resize(&*part, shown, shown, imageops::FilterType::Triangle);
            }
        })
    }

    /// Puts the driven photo's square over the driver's face in the canvas, which is the driver's picture.
    pub(super) fn over(
        &mut self,
        face: Option<&DetectedFace>,
        time: Duration,
        canvas: &mut RgbImage,
    ) -> Result<Took> {
        self.put(face, time, |this, square| {
            if face.is_none() {
                return;
            }
            let own = this.photo.crop();
            let points: Vec<_> = this.photo.keypoints().iter().map(|k| own.to_picture(*k)).collect();
            let at = |[x, y]: [f32; 2]| crate::frame::DetectedKeypoint { x, y, confidence: 1.0 };
            let framed = this.layout.frame(&points.into_iter().map(at).collect::<Vec<_>>());
            // The driver's face is framed as the photo's is.
            let driver = this.pose.crop();
            let crop = Crop { side: driver.side * own.side / framed.side.max(1.0), ..driver };
            let image = sample(square, own, OVER);
            blend_in(canvas, image.view(), &crop, &mut this.colours);
        })
    }

    /// Whether there is another source to drive.
    #[cfg(feature = "live")]
    pub(super) fn has_other_sources(&self) -> bool {
        !self.others.is_empty()
    }

    /// Drives the next photo, from the same neutral face of the driver. False where there is no other.
    pub fn next_source(&mut self) -> bool {
        let Some(photo) = self.others.pop_front() else { return false };
        let before = self.put_up(photo);
        self.others.push_back(before);
        true
    }

    /// Drives a photo that was sent in the place of the one shown, in a picture of that one's size. Gives back what else its
    /// file holds, as far as pictures of this view are to be like it, and what the user should know.
    ///
    /// # Errors
    /// There is no face in it to be confident of, or a network failed; the photo shown stays then.
    pub(super) fn take(&mut self, sent: SentPhoto) -> Result<(Original, Vec<String>)> {
        let opened = self.model.open_sent(sent)?;
        let photo = self.model.within(&opened, self.photo.picture().dimensions())?;
        self.put_up(photo);
        Ok((self.options.original(opened.original(), self.others.is_empty()), opened.notes().to_vec()))
    }

    /// Drives `photo`; gives back the one before.
    fn put_up(&mut self, photo: PortraitPhoto) -> PortraitPhoto {
        let before = std::mem::replace(&mut self.photo, photo);
        self.target = Driven::still(self.photo.keypoints(), self.photo.states().len());
        self.colours = None;
        before
    }

    /// Drives by the next kind of motion that this bundle has parts for, and says which that is.
    pub fn next_drive(&mut self) -> Drive {
        let manifest = self.model.manifest();
        if let Some(share) = self.options.next_drive(|options| share(options, manifest)) {
            self.share = share;
        }
        self.options.drive
    }
}

/// The part of a photo that shows its face alone: left, top and side of the largest square inside the photo that is no
/// larger than the face's own, about the same middle where there is room. Its side is even, as clips need it.
fn part_alone(photo: &PortraitPhoto) -> [u32; 3] {
    let (width, height) = photo.picture().dimensions();
    let crop = photo.crop();
    let side = (crop.side.round() as u32).min(width).min(height).max(1);
    let side = if side > 1 { side & !1 } else { side };
    // A float cast to an unsigned integer saturates.
    let begin = |centre: f32, most: u32| ((centre - side as f32 / 2.0).round() as u32).min(most - side);
    [begin(crop.cx, width), begin(crop.cy, height), side]
}

/// What is driven, and by how much.
fn share(options: &ReenactOptions, manifest: &Manifest) -> Result<Share> {
    let (pose, parts) = options.driven(manifest)?;
    let of = |gains: &super::Gains| gains.of_parts(&parts, manifest).map_err(ReenactError::Gain);
    let states = of(&super::Gains { axes: [1.0; 2], ..options.gains.clone() })?;
    let looks = states.into_iter().zip(look::shares(manifest)).map(|([gain, _], share)| gain * share);
    Ok(Share { pose, parts: of(&options.gains)?, states: looks.collect() })
}

#[cfg(test)]
mod tests;
