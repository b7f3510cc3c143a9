use std::collections::VecDeque;
use std::time::{Duration, Instant};

use image::{RgbImage, imageops};
use lkg_bundle::Manifest;
use ndarray::{Array3, s};

use super::calibrate::{Calibration, Neutral};
use super::ease::Ease;
use super::limit::Limit;
use super::motion::{Drive, Gains, Motion};
use crate::edit::blend::{Colours, PhotoBlender, sample};
use crate::edit::{self, Compositor, FaceLatents, FaceModel, OpenedPhoto};
use crate::engine::Noise;
use crate::error::{Error, Result};
use crate::live::{Command, Marks, Painter, Scene, View as FrameView};
use crate::media::mark::Origin;
use crate::vision::crop::Crop;
use crate::vision::face_layout::FaceLayout;
use crate::vision::text;

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

/// Where the driven face is shown.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum View {
    /// As a bare square, beside the driver's picture where there is one.
    #[default]
    Beside,
    /// Over the driver's face.
    Driver,
    /// In the source's photo, which is warped as the keypoints move.
    Source,
}

impl std::str::FromStr for View {
    type Err = String;

    fn from_str(text: &str) -> std::result::Result<Self, String> {
        match text {
            "beside" | "none" => Ok(View::Beside),
            "driver" => Ok(View::Driver),
            "source" => Ok(View::Source),
            _ => Err("must be beside, driver or source".to_owned()),
        }
    }
}

/// Settings of a [`Reenactor`].
#[derive(Clone, Debug)]
pub struct ReenactOptions {
    /// Which motion is taken over.
    pub drive: Drive,
    /// By what it is multiplied.
    pub gains: Gains,
    /// Take the driver's keypoints themselves, not their motion against a neutral face.
    pub absolute: bool,
    /// Where the driven face is shown.
    pub view: View,
    /// Whether the driver has pictures, not keypoints alone.
    pub pictures: bool,
    /// Write into the picture that it is AI-made.
    pub visible_mark: bool,
}

/// Moves a source face as the driver moves.
pub struct Reenactor<'a> {
    model: &'a mut FaceModel,
    source: FaceLatents,
    options: ReenactOptions,
    /// Faces that wait to be driven, the next one first.
    others: VecDeque<(FaceLatents, Option<Compositor>)>,
    drives_pose: bool,
    /// Gain of each part across and down.
    part_gains: Vec<[f32; 2]>,
    limit: Limit,
    layout: FaceLayout,
    /// The square that frames the driver's face.
    crop: Crop,
    calibration: Calibration,
    neutral: Option<Neutral>,
    ease: Ease,
    /// Where the driver took the keypoints last.
    target: Vec<[f32; 2]>,
    compositor: Option<Compositor>,
    square: Option<PhotoBlender>,
    colours: Option<Colours>,
    frame_view: FrameView,
    /// The driver's picture as it is shown beside the square.
    driver: RgbImage,
}

impl<'a> Reenactor<'a> {
    /// A re-enactment of the first of `sources`, with the others at hand.
    ///
    /// # Errors
    /// There is no source, one has no photo to edit, no part is driven, or a network failed.
    pub fn new(model: &'a mut FaceModel, sources: &[OpenedPhoto], options: ReenactOptions) -> Result<Self> {
        let (drives_pose, part_gains) = driven(&options, model.manifest())?;
        let mut others = VecDeque::new();
        let mut size = None;
        for source in sources {
            let compositor = match (options.view, &source.photo) {
                (View::Source, None) => {
                    return Err(Error::Usage(format!(
                        "--view source draws into the source's photo, and {} has none",
                        source.source
                    )));
                }
                (View::Source, Some(photo)) => {
                    let photo = photo.shrunk(MOST_SIDE);
                    // A run's pictures have one size.
                    let photo = photo.within(*size.get_or_insert(photo.picture.dimensions()));
                    Some(Compositor::new(model, &source.session, Some(&photo), edit::Blend::Warp)?)
                }
                _ => None,
            };
            others.push_back((source.session.face().clone(), compositor));
        }
        let Some((face, compositor)) = others.pop_front() else {
            return Err(Error::Usage("--source names no face".to_owned()));
        };
        let limit = sampled_limit(model)?;
        if compositor.is_none() {
            // The first frame should not wait for what a first run sets up.
            model.generate(&face)?;
        }
        Ok(Self {
            target: face.keypoints.clone(),
            source: face,
            others,
            drives_pose,
            part_gains,
            limit,
            layout: FaceLayout::new(model.manifest()),
            crop: Crop::inside(1, 1),
            calibration: Calibration::default(),
            neutral: None,
            ease: Ease::default(),
            compositor,
            square: None,
            colours: None,
            frame_view: FrameView::default(),
            driver: RgbImage::default(),
            model,
            options,
        })
    }

    /// How far the source's keypoints lie from the generator's mean layout, and how far nearly all of its own do.
    pub fn reach(&self) -> (f64, f64) {
        (self.limit.distance(&self.source.keypoints), self.limit.most())
    }

    /// How its pictures come about.
    pub fn origin(&self) -> Origin {
        if self.options.view == View::Beside { Origin::Generated } else { Origin::Edited }
    }

    /// Where the source's keypoints go for what was seen at `time`.
    fn follow(&mut self, scene: &Scene<'_>) -> Vec<[f32; 2]> {
        let Scene { tracked, time, .. } = scene;
        let face = tracked.face.as_ref();
        if let Some(face) = face {
            // Not the tracker's crop: that one comes a frame late, and recorded motion has none.
            let frame = self.layout.frame(&face.keypoints);
            self.crop = Crop { angle: 0.0, side: frame.side.max(1.0), ..frame };
        }
        if self.neutral.is_none() && !self.options.absolute {
            self.neutral = self.calibration.add(face, &self.crop, *time);
        } else if face.is_some() {
            // Goes on listening, for when the user asks for another neutral face.
            self.calibration.add(face, &self.crop, *time);
        }
        let seen = |crop: &Crop| -> Option<Vec<[f32; 2]>> {
            face.map(|f| f.keypoints.iter().map(|k| crop.to_network([k.x, k.y])).collect())
        };
        let driven = match &self.neutral {
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
        let share = self.ease.step(driven.is_some(), *time);
        if let Some(driven) = driven {
            self.target = driven;
        }
        let between =
            |(a, b): (&[f32; 2], &[f32; 2])| [a[0] + (b[0] - a[0]) * share, a[1] + (b[1] - a[1]) * share];
        self.source.keypoints.iter().zip(&self.target).map(between).collect()
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

    /// Draws the driver's picture with the square beside it, or the square alone.
    fn beside(&mut self, scene: Scene<'_>, image: Array3<f32>, canvas: &mut RgbImage) {
        let size = self.model.size();
        let image = if scene.mirror { image.slice_move(s![.., .., ..;-1]) } else { image };
        let (mut left, mut side) = (0, ALONE);
        if self.options.pictures {
            let (marks, manifest) = (Marks::face(scene.tracked.face.as_ref()), self.model.manifest());
            self.frame_view.compose(scene.picture, &mut self.driver, &marks, scene.mirror, manifest);
            (left, side) = self.driver.dimensions();
        }
        if canvas.dimensions() != (left + side, side) {
            *canvas = RgbImage::new(left + side, side);
        }
        if left > 0 {
            imageops::replace(canvas, &self.driver, 0, 0);
        }
        let blender = self.square.get_or_insert_with(|| PhotoBlender::whole(size, side, (left, 0)));
        // Another size of the driver's pictures moves the square.
        if !blender.fits(side, (left, 0)) {
            *blender = PhotoBlender::whole(size, side, (left, 0));
        }
        blender.replace(canvas, image.view());
    }

    /// Makes the canvas the driver's picture with the square over the face.
    fn over(&mut self, scene: Scene<'_>, image: &Array3<f32>, canvas: &mut RgbImage) {
        std::mem::swap(scene.picture, canvas);
        if scene.tracked.face.is_some() && self.neutral.is_some() | self.options.absolute {
            let (size, crop) = (self.model.size(), self.crop);
            let wanted = Colours::matching(image.view(), sample(canvas, &crop, size).view());
            let colours = self.colours.map_or(wanted, |now| now.towards(&wanted, COLOUR_SPEED));
            self.colours = Some(colours);
            let mut blender = PhotoBlender::new(size, &crop, canvas.dimensions());
            blender.replace(canvas, colours.apply(image.view()).view());
        }
        if scene.mirror {
            imageops::flip_horizontal_in_place(canvas);
        }
    }
}

impl Painter for Reenactor<'_> {
    fn paint(&mut self, scene: Scene<'_>, canvas: &mut RgbImage) -> Result<Option<Duration>> {
        let face = FaceLatents { keypoints: self.follow(&scene), ..self.source.clone() };
        let start = Instant::now();
        let mut generate = None;
        if let Some(compositor) = &mut self.compositor {
            *canvas = compositor.compose(self.model, &face)?;
            if scene.mirror {
                imageops::flip_horizontal_in_place(canvas);
            }
        } else {
            let image = self.model.generate(&face)?;
            generate = Some(start.elapsed());
            match self.options.view {
                View::Driver => self.over(scene, &image, canvas),
                _ => self.beside(scene, image, canvas),
            }
        }
        if self.neutral.is_none() && !self.options.absolute {
            let scale = (canvas.height() / 240).max(1);
            let y = canvas.height().saturating_sub((text::LINE + 3) * scale);
            let message = "calibrating: look ahead and hold still";
            text::draw(canvas, message, (4 * scale as i32, y as i32), scale, [255, 214, 90]);
        }
        if self.options.visible_mark {
            self.origin().stamp(canvas);
        }
        Ok(generate)
    }

    fn handle(&mut self, command: Command) -> Option<&'static str> {
        match command {
            Command::Calibrate => Some(match self.calibration.neutral() {
                Some(neutral) => {
                    self.neutral = Some(neutral);
                    "calibrated: the last second is the neutral face"
                }
                None => "no face to calibrate with",
            }),
            Command::NextFace => Some(self.next_face()),
            Command::NextDrive => Some(self.next_drive()),
            _ => None,
        }
    }

    fn offers(&self) -> &'static [(&'static str, &'static str)] {
        &[("calibrate", "Calibrate"), ("next_face", "Next face"), ("next_drive", "Which motion")]
    }

    fn keys(&self) -> &'static [&'static str] {
        &["c       calibrate", "f       next face", "d       which motion"]
    }
}

impl Reenactor<'_> {
    /// Drives the next face, in the same neutral pose of the driver.
    fn next_face(&mut self) -> &'static str {
        let Some((face, compositor)) = self.others.pop_front() else {
            return "there is no other face: give --source several times";
        };
        let before =
            (std::mem::replace(&mut self.source, face), std::mem::replace(&mut self.compositor, compositor));
        self.others.push_back(before);
        self.target.clone_from(&self.source.keypoints);
        self.colours = None;
        "the next face"
    }

    /// Drives by the next kind of motion that this bundle has parts for.
    fn next_drive(&mut self) -> &'static str {
        for _ in 0..4 {
            self.options.drive = self.options.drive.next();
            if let Ok((pose, gains)) = driven(&self.options, self.model.manifest()) {
                (self.drives_pose, self.part_gains) = (pose, gains);
                break;
            }
        }
        self.options.drive.announcement()
    }
}

/// Whether the head is driven, and by how much each part is, across and down.
fn driven(options: &ReenactOptions, manifest: &Manifest) -> Result<(bool, Vec<[f32; 2]>)> {
    let (pose, parts) = options.drive.resolve(manifest);
    if !pose && !parts.contains(&true) {
        return Err(Error::Usage("--drive: no part of this bundle is of that group".to_owned()));
    }
    let gains = options.gains.of_parts(&parts, manifest);
    Ok((pose, gains.map_err(|what| Error::Usage(format!("--gain-of: {what}")))?))
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

#[cfg(test)]
mod tests;
