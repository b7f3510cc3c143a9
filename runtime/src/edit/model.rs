use std::path::Path;

use image::RgbImage;
use lkg_bundle::conventions::pixel_centre;
use lkg_bundle::files::sha256_hex;
use lkg_bundle::{Bundle, Manifest};
use ndarray::{Array2, Array3, Axis};

use super::blend::sample;
use super::file::{BundleId, PhotoId, SessionFile};
use super::latents::REACH;
use super::{EditError, FaceLatents, Session};
use crate::engine::{Encoder, EngineOptions, EngineSummary, ImageGenerator, KeypointGenerator, Noise};
use crate::error::Result;
use crate::media::SentPhoto;
use crate::media::picture::{self, Original, ReadPicture};
use crate::portrait::{PortraitModel, PortraitPhoto};
use crate::vision::choice::FaceChoice;
use crate::vision::crop::Crop;
use crate::vision::detect::{check_size, face_of_photo};
use crate::vision::photo::Photo;
use crate::vision::track::{FaceTracker, LocatedFace, TrackOptions};

/// Most pictures of one seed.
const MOST_INDEX: u32 = 100_000;

/// A face that was opened, with where it came from.
#[derive(Clone, Debug)]
pub struct OpenedPhoto {
    /// What it was asked for by.
    pub source: String,
    /// The face and what was done to it.
    pub session: Session,
    /// The photo it was taken from, if it was and the photo is there.
    pub photo: Option<Photo>,
    /// What else the photo's file holds.
    pub original: Original,
    /// What the user should know about how it was opened.
    pub notes: Vec<String>,
    /// The photo that it was taken from where that is not there: saved again, so that the face finds back to it.
    absent: Option<PhotoId>,
}

impl OpenedPhoto {
    fn new(source: &str, session: Session, photo: Option<Photo>) -> Self {
        let (source, original) = (source.to_owned(), Original::default());
        Self { source, session, photo, original, notes: Vec::new(), absent: None }
    }
}

/// Opens, samples and generates faces with the networks of one bundle, each loaded when it is first needed.
pub struct FaceModel {
    bundle: Bundle,
    options: EngineOptions,
    keypoint_generator: Option<KeypointGenerator>,
    image_generator: Option<ImageGenerator>,
    tracker: Option<FaceTracker>,
    encoder: Option<Encoder>,
    portrait: Option<PortraitModel>,
    /// Take the best guess of a face where none is confident.
    pub anyway: bool,
    /// Which face of the photo that is opened is meant; of donors it is the largest.
    pub choice: FaceChoice,
    /// Carry photos with their own pixels by the bundle's portrait networks, where it has them; else its generator draws them
    /// again.
    pub carry: bool,
}

/// The network in `place`, loaded if it is not there.
fn loaded<T>(place: &mut Option<T>, load: impl FnOnce() -> Result<T>) -> Result<&mut T> {
    let network = match place.take() {
        Some(network) => network,
        None => load()?,
    };
    Ok(place.insert(network))
}

impl FaceModel {
    /// The model of `bundle`.
    pub fn new(bundle: Bundle, options: EngineOptions) -> Self {
        Self {
            bundle,
            options,
            keypoint_generator: None,
            image_generator: None,
            tracker: None,
            encoder: None,
            portrait: None,
            anyway: false,
            choice: FaceChoice::Largest,
            carry: true,
        }
    }

    /// The bundle's manifest.
    pub fn manifest(&self) -> &Manifest {
        self.bundle.manifest()
    }

    /// Side of a generated picture, in pixels.
    pub fn size(&self) -> usize {
        self.manifest().dims.image_size
    }

    /// Opens `name`: `seed:N` or `seed:N:I` (picture I of seed N, as `runtime generate` numbers them), a saved face
    /// (`.json`), or a photo.
    ///
    /// # Errors
    /// [`Error::Edit`](crate::Error::Edit) or [`Error::Picture`](crate::Error::Picture): there is no such thing, it has no face, or belongs to another bundle.
    pub fn open(&mut self, name: &str) -> Result<OpenedPhoto> {
        if let Some(seed) = name.strip_prefix("seed:") {
            let (seed, index) = parse_seed(seed).ok_or_else(|| EditError::Seed(name.to_owned()))?;
            let session = Session::new(self.sample_face(seed, index, 1.0)?);
            return Ok(OpenedPhoto::new(name, session, None));
        }
        let path = Path::new(name);
        if SessionFile::has_name(path) {
            return self.open_saved(path);
        }
        self.open_read(picture::read_whole(path)?, name)
    }

    /// Opens a photo that somebody sent.
    ///
    /// # Errors
    /// Those of [`FaceModel::open_image`].
    pub(crate) fn open_sent(&mut self, sent: SentPhoto) -> Result<OpenedPhoto> {
        let own = (self.anyway, self.choice);
        (self.anyway, self.choice) = (self.anyway || sent.anyway, sent.choice);
        let opened = self.open_read(sent.read, &sent.name);
        (self.anyway, self.choice) = own;
        opened
    }

    fn open_read(&mut self, read: ReadPicture, name: &str) -> Result<OpenedPhoto> {
        let mut opened = self.open_image(read.pixels, name)?;
        opened.original = read.original;
        if let Some(photo) = &mut opened.photo {
            photo.alpha = opened.original.alpha();
        }
        opened.notes.extend(read.notes.into_iter().map(|note| format!("{name}: {note}")));
        Ok(opened)
    }

    /// Opens a photo: finds the largest face in it, for its own pixels to be carried or for being encoded. `name` is what messages and saved sessions call it.
    ///
    /// # Errors
    /// [`Error::NoEncoder`](crate::Error::NoEncoder), or [`Error::Picture`](crate::Error::Picture) if there is no face in it to be confident of.
    pub fn open_image(&mut self, picture: RgbImage, name: &str) -> Result<OpenedPhoto> {
        if self.carry && self.bundle.has_portrait() {
            return self.open_carried(picture, name);
        }
        let (photo, face, notes) = self.find(picture, name)?;
        Ok(OpenedPhoto { notes, ..OpenedPhoto::new(name, Session::new(face), Some(photo)) })
    }

    fn open_carried(&mut self, picture: RgbImage, name: &str) -> Result<OpenedPhoto> {
        let (anyway, choice) = (self.anyway, self.choice);
        let model = self.portrait()?;
        (model.anyway, model.choice) = (anyway, choice);
        let (photo, notes) = model.locate(picture, name)?;
        let (keypoints, states) = model.measure(&photo)?;
        let session = Session::new(FaceLatents::carried(keypoints, states, photo.crop.angle));
        Ok(OpenedPhoto { notes, ..OpenedPhoto::new(name, session, Some(photo)) })
    }

    /// Opens `name` to be taken from by a face that is `carried` or drawn, and is so itself: a generated face is a picture
    /// for a photo that is carried.
    ///
    /// # Errors
    /// Those of [`FaceModel::open`].
    pub fn open_donor(&mut self, name: &str, carried: bool) -> Result<OpenedPhoto> {
        let (carry, choice) = (self.carry, std::mem::take(&mut self.choice));
        self.carry = carried;
        let opened = self.open(name);
        (self.carry, self.choice) = (carry, choice);
        let opened = opened?;
        if !carried || opened.session.original().is_carried() {
            return Ok(opened);
        }
        let picture = self.image(opened.session.face())?;
        let choice = std::mem::take(&mut self.choice);
        let opened = self.open_carried(picture, name);
        self.choice = choice;
        opened
    }

    /// The photo of the donor `name`, with no side longer than `most` pixels.
    ///
    /// # Errors
    /// Those of [`FaceModel::open`].
    pub(super) fn donor_photo(&mut self, name: &str, most: u32) -> Result<PortraitPhoto> {
        let opened = self.open_donor(name, true)?;
        let Some(photo) = &opened.photo else { return Err(EditError::NotOnStrip(name.to_owned()).into()) };
        let photo = photo.shrunk(most);
        self.hold(&photo, opened.session.original())
    }

    /// A photo ready to be carried, whose face is `face`.
    ///
    /// # Errors
    /// A network failed.
    pub(super) fn hold(&mut self, photo: &Photo, face: &FaceLatents) -> Result<PortraitPhoto> {
        let (keypoints, states) = (face.keypoints.clone(), face.states.clone());
        self.portrait()?.hold(photo.clone(), keypoints, states, Vec::new())
    }

    /// What carries photos.
    ///
    /// # Errors
    /// The bundle has no portrait networks, or they cannot be loaded.
    pub(super) fn portrait(&mut self) -> Result<&mut PortraitModel> {
        loaded(&mut self.portrait, || PortraitModel::load(&self.bundle, &self.options))
    }

    /// Whether the bundle draws faces, so that there are seeds.
    pub fn draws(&self) -> bool {
        self.bundle.has_generator()
    }

    /// The image of `face`, as large as the bundle's generator makes it.
    ///
    /// # Errors
    /// [`Error::Engine`](crate::Error::Engine) if a network fails.
    pub fn image(&mut self, face: &FaceLatents) -> Result<RgbImage> {
        Ok(picture::from_network(self.generate(face)?.view()))
    }

    /// The face called `name` as it is now, for taking parts of it.
    ///
    /// # Errors
    /// Those of [`FaceModel::open`].
    pub fn face(&mut self, name: &str) -> Result<FaceLatents> {
        Ok(self.open(name)?.session.face().clone())
    }

    fn open_saved(&mut self, path: &Path) -> Result<OpenedPhoto> {
        let (file, session) = SessionFile::read(path, &self.bundle)?;
        let mut opened = OpenedPhoto::new(&file.source, session, None);
        let Some(id) = file.photo else { return Ok(opened) };
        let PhotoId { sha256, crop: [cx, cy, side] } = id.clone();
        // Beside the file as well: folders are moved as a whole.
        let beside = Path::new(&file.source).file_name().map(|name| path.with_file_name(name));
        let places = [Some(Path::new(&file.source).to_owned()), beside];
        let found = places.into_iter().flatten().find_map(|p| picture::read_whole(&p).ok());
        let (carried, angle) = (opened.session.original().is_carried(), opened.session.original().tilt);
        match found.filter(|read| sha256_hex(read.pixels.as_raw()) == sha256) {
            Some(read) => {
                let (alpha, crop) = (read.original.alpha(), Crop { cx, cy, side, angle });
                opened.photo = Some(Photo { picture: read.pixels, crop, alpha });
                opened.original = read.original;
            }
            None if carried => {
                let what = format!(
                    "its photo {} is not there or was changed; put it back beside this file",
                    file.source
                );
                return Err(EditError::SavedFace { path: path.to_owned(), reason: what }.into());
            }
            None => {
                opened.notes.push(format!(
                    "the photo {} is not there or was changed: the generated square is all there is; put it back beside \
                     this file",
                    file.source
                ));
                opened.absent = Some(id);
            }
        }
        Ok(opened)
    }

    /// The session of `opened` as a file.
    pub fn to_file(&self, opened: &OpenedPhoto) -> SessionFile {
        let mut file = SessionFile::new(BundleId::of(&self.bundle), opened.source.clone(), &opened.session);
        file.photo = opened.photo.as_ref().map(|Photo { picture, crop, .. }| PhotoId {
            sha256: sha256_hex(picture.as_raw()),
            crop: [crop.cx, crop.cy, crop.side],
        });
        file.photo = file.photo.or_else(|| opened.absent.clone());
        file
    }

    /// The face of picture `index` of `seed`, as `runtime generate` numbers them. `truncation` (0 to 1) scales the noise: the
    /// less, the nearer to the mean face.
    ///
    /// # Errors
    /// A network failed.
    pub fn sample_face(&mut self, seed: u64, index: u32, truncation: f32) -> Result<FaceLatents> {
        let noise = Noise::seeded(seed, index..index + 1, &self.manifest().dims, truncation);
        self.face_from_noise(&noise)
    }

    /// The face that noise of one row gives.
    ///
    /// # Errors
    /// A network failed.
    pub fn face_from_noise(&mut self, noise: &Noise) -> Result<FaceLatents> {
        Ok(FaceLatents::from_latents(&self.keypoint_generator()?.run(noise)?, 0))
    }

    /// The keypoint generator.
    ///
    /// # Errors
    /// It cannot be loaded.
    pub fn keypoint_generator(&mut self) -> Result<&mut KeypointGenerator> {
        loaded(&mut self.keypoint_generator, || KeypointGenerator::load(&self.bundle, &self.options))
    }

    /// Finds the largest face of `picture`, called `name`, and what lies at its keypoints.
    fn find(&mut self, picture: RgbImage, name: &str) -> Result<(Photo, FaceLatents, Vec<String>)> {
        check_size(&picture, name)?;
        // What makes photos editable must be there before anything is looked for.
        loaded(&mut self.encoder, || Encoder::load(&self.bundle, &self.options))?;
        let tracker = loaded(&mut self.tracker, || {
            FaceTracker::open(&self.bundle, &self.options, TrackOptions::picture(self.bundle.manifest()))
        })?;
        let (found, notes) = face_of_photo(tracker, &picture, name, self.anyway, self.choice)?;
        // The square is encoded and generated again, too, framed as the generator's training pictures are framed.
        let LocatedFace { face, crop, .. } = tracker.clearest((&picture).into(), found, 1.0)?;
        let size = self.size();
        let encoder = loaded(&mut self.encoder, || Encoder::load(&self.bundle, &self.options))?;
        let image = sample(&picture, &crop, size);
        let (embeddings, background) = encoder.encode(image.view().insert_axis(Axis(0)))?;
        let place = |v: f32| v.clamp(-REACH, REACH);
        let keypoints = face.keypoints.iter().map(|k| crop.to_network([k.x, k.y]).map(place)).collect();
        let embeddings = embeddings.index_axis(Axis(0), 0).rows().into_iter().map(|e| e.to_vec()).collect();
        let found = FaceLatents::new(keypoints, embeddings, background.row(0).to_vec());
        Ok((Photo { picture, crop: Crop { angle: 0.0, ..crop }, alpha: None }, found, notes))
    }

    /// The image of `face`: `[3, S, S]`, RGB in [-1, 1].
    ///
    /// # Errors
    /// A network failed.
    pub fn generate(&mut self, face: &FaceLatents) -> Result<Array3<f32>> {
        let (latents, scales, visible) = face.to_batch()?;
        let generator =
            loaded(&mut self.image_generator, || ImageGenerator::load(&self.bundle, &self.options))?;
        let image = generator.run(&latents, scales.view(), visible.view())?;
        Ok(image.index_axis_move(Axis(0), 0))
    }

    /// What computes, on one line; empty before anything was drawn.
    pub fn summary(&self) -> EngineSummary {
        let carries = self.portrait.as_ref().map(PortraitModel::summary);
        self.image_generator.as_ref().map(ImageGenerator::summary).or(carries).unwrap_or_default()
    }
}

/// Where the locked parts lie: the largest of their heat maps, `[S, S]`.
pub(super) fn locked_region(face: &FaceLatents, locked: &[bool], tau: f32, size: usize) -> Array2<f32> {
    Array2::from_shape_fn((size, size), |(y, x)| {
        let at = [pixel_centre(x, size), pixel_centre(y, size)];
        let heats = (0..face.parts()).filter(|i| locked[*i]).map(|i| heat(face, i, at, tau));
        heats.fold(0.0, f32::max)
    })
}

/// How much wider than its heat map a part's surroundings are that its appearance may change, in tau.
const SURROUNDINGS: f32 = 3.0;

/// Where a change of appearance from `before` to `after` belongs, 0 to 1, `[S, S]`: near the parts that changed, and away from
/// all parts if the background did. The generator's pictures change a little everywhere.
pub(super) fn changed_region(
    before: &FaceLatents,
    after: &FaceLatents,
    tau: f32,
    size: usize,
) -> Array2<f32> {
    let [old, new] = [before, after].map(|f| FaceLatents { visible: vec![1.0; f.parts()], ..f.clone() });
    let differs =
        |i: usize| before.embeddings[i] != after.embeddings[i] || before.visible[i] != after.visible[i];
    let changed: Vec<bool> = (0..after.parts()).map(differs).collect();
    let background = before.background != after.background;
    Array2::from_shape_fn((size, size), |(y, x)| {
        let at = [pixel_centre(x, size), pixel_centre(y, size)];
        let (mut own, mut any) = (0.0f32, 0.0f32);
        for (i, changed) in changed.iter().enumerate() {
            // A part that stands in for another goes from one place to the other.
            let height = heat(&old, i, at, SURROUNDINGS * tau).max(heat(&new, i, at, SURROUNDINGS * tau));
            any = any.max(height);
            own = if *changed { own.max(height) } else { own };
        }
        if background { own.max(1.0 - any) } else { own }
    })
}

/// Height of a part's heat map at a point, see [`lkg_bundle::conventions`].
pub(crate) fn heat(face: &FaceLatents, part: usize, [x, y]: [f32; 2], tau: f32) -> f32 {
    let ([kx, ky], scale) = (face.keypoints[part], face.scales[part]);
    face.visible[part] * (-((x - kx).powi(2) + (y - ky).powi(2)) / (tau * scale * scale)).exp()
}

fn parse_seed(text: &str) -> Option<(u64, u32)> {
    match text.split_once(':') {
        None => Some((text.parse().ok()?, 0)),
        Some((seed, index)) => Some((seed.parse().ok()?, index.parse().ok().filter(|i| *i <= MOST_INDEX)?)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_changed_look_belongs_to_its_part_and_a_background_to_what_is_no_part() {
        let before = crate::edit::testing::face(0.0);
        let region = |change: &dyn Fn(&mut FaceLatents)| {
            let mut after = before.clone();
            change(&mut after);
            changed_region(&before, &after, 0.02, 32)
        };
        // Part 0 is at (-0.5, 0.1), part 1 at (0.5, 0.2).
        let (own, other, corner) = ([17, 8], [19, 24], [0, 0]);
        for changed in [
            region(&|f: &mut FaceLatents| f.embeddings[0][0] += 1.0),
            region(&|f: &mut FaceLatents| f.visible[0] = 0.0),
        ] {
            assert!(changed[own] > 0.9 && changed[other] < 0.01 && changed[corner] < 0.01);
        }
        let background = region(&|f: &mut FaceLatents| f.background[0] += 1.0);
        assert!(background[own] < 0.1 && background[other] < 0.1 && background[corner] > 0.99);
        assert!(region(&|_: &mut FaceLatents| {}).iter().all(|v| *v == 0.0));
    }

    #[test]
    fn seeds_have_pictures() {
        assert_eq!(parse_seed("7"), Some((7, 0)));
        assert_eq!(parse_seed("7:12"), Some((7, 12)));
        for bad in ["", "x", "7:", "-1", "7:4294967295", "1:2:3"] {
            assert_eq!(parse_seed(bad), None, "{bad}");
        }
    }
}
