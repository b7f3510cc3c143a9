//! What every way of editing by hand shares: a session, its picture at the size of a screen, and a strip of faces to take
//! from. The window and the page only show it.

use image::RgbImage;

use super::EditError;
use super::blend::{PhotoBlender, sample};
use super::{
    Blend, Compositor, Donors, FaceLatents, FaceModel, OpenedPhoto, Operation, OperationError,
    expression_values,
};
use crate::error::Result;
use crate::media::SentPhoto;
use crate::media::mark::Origin;
use crate::media::picture::{Alpha, from_network};
use crate::vision::crop::Crop;

/// Longest side of a photo while it is being edited, in pixels.
const MOST_SIDE: u32 = 960;
/// Side of a generated picture while it is being edited, in pixels.
const ALONE: u32 = 640;
/// Faces on the strip.
const DONORS: usize = 9;

/// A face to take from.
pub struct Donor {
    /// What operations call it.
    pub name: String,
    /// It.
    pub face: FaceLatents,
    /// Its picture, a square.
    pub tile: RgbImage,
}

/// A face being edited by hand.
pub struct Workspace {
    model: FaceModel,
    opened: OpenedPhoto,
    screen: Screen,
    paste: Blend,
    given: Vec<String>,
    strip: Vec<Donor>,
    /// Place of the strip's first face among all that could be on it: those given, then the seeds from 1 on.
    first: usize,
    tile: u32,
    /// Whether something was done since it was opened or saved.
    changed: bool,
    /// Whether the photo was sent, so that nothing of it is written unasked.
    sent: bool,
}

/// A face as it is shown while it is edited.
struct Screen {
    compositor: Compositor,
    /// The square of the view that the face fills, in pixels.
    crop: Crop,
    size: (u32, u32),
    /// Enlarges a picture that is no photo.
    alone: Option<PhotoBlender>,
}

impl Screen {
    fn new(model: &mut FaceModel, opened: &OpenedPhoto, paste: Blend) -> Result<Self> {
        let photo = opened.photo.as_ref().map(|p| p.shrunk(MOST_SIDE));
        let compositor = Compositor::new(model, &opened.session, photo.as_ref(), paste)?;
        let (crop, size) = match &photo {
            Some(photo) => (photo.crop, photo.picture.dimensions()),
            None => (Crop::inside(ALONE, ALONE), (ALONE, ALONE)),
        };
        let alone = photo.is_none().then(|| PhotoBlender::whole(model.size(), ALONE, (0, 0)));
        Ok(Self { compositor, crop, size, alone })
    }
}

impl Workspace {
    /// A workspace for what was opened; the faces `given` come first on the strip, whose tiles are `tile` pixels a side.
    ///
    /// # Errors
    /// A network failed, or a face given cannot be opened.
    pub fn new(
        mut model: FaceModel,
        opened: OpenedPhoto,
        paste: Blend,
        given: &[String],
        tile: u32,
    ) -> Result<Self> {
        let screen = Screen::new(&mut model, &opened, paste)?;
        let (given, strip) = (given.to_vec(), Vec::new());
        let (changed, sent) = (false, false);
        let mut workspace =
            Self { model, opened, screen, paste, given, strip, first: 0, tile, changed, sent };
        workspace.fill_strip()?;
        Ok(workspace)
    }

    /// Edits a photo that was sent, in the place of what is being edited: what was done to that is gone. Where the photo
    /// cannot be edited all stays.
    ///
    /// # Errors
    /// There is no face in it to be confident of, or a network failed.
    pub fn open(&mut self, sent: SentPhoto) -> Result<()> {
        let opened = self.model.open_sent(sent)?;
        self.screen = Screen::new(&mut self.model, &opened, self.paste)?;
        let was_carried = self.opened.session.original().is_carried();
        self.opened = opened;
        (self.changed, self.sent) = (false, true);
        if self.opened.session.original().is_carried() != was_carried {
            self.first = 0;
            self.fill_strip()?;
        }
        Ok(())
    }

    /// The same for a photo that was sent.
    #[must_use]
    pub fn of_sent(self) -> Self {
        Self { sent: true, ..self }
    }

    /// Whether the photo was sent: nothing of it may be written unless somebody asks for it.
    pub fn is_sent(&self) -> bool {
        self.sent
    }

    /// Notes that what was done until now is saved.
    pub fn note_saved(&mut self) {
        self.changed = false;
    }

    /// How many edits would be lost: all that are done, if one came after the last saving.
    pub fn unsaved(&self) -> usize {
        if self.changed { self.opened.session.history().1 } else { 0 }
    }

    /// What is being edited.
    pub fn opened(&self) -> &OpenedPhoto {
        &self.opened
    }

    /// The bundle's networks.
    pub fn model(&self) -> &FaceModel {
        &self.model
    }

    /// How the pictures come about.
    pub fn origin(&self) -> Origin {
        self.screen.compositor.origin()
    }

    /// Faces to take from.
    pub fn strip(&self) -> &[Donor] {
        &self.strip
    }

    /// The values of the manifest's expressions; none of a face that is generated.
    pub fn expressions(&self) -> Vec<f32> {
        let session = &self.opened.session;
        expression_values(self.model.manifest(), session.original(), session.face())
    }

    /// Size of the view, in pixels.
    pub fn size(&self) -> (u32, u32) {
        self.screen.size
    }

    /// The square of the view that the face fills.
    pub fn crop(&self) -> &Crop {
        &self.screen.crop
    }

    /// Left, top, width and height of what of the view edits can change, in pixels.
    pub fn place(&self) -> [u32; 4] {
        let Crop { cx, cy, side, angle } = self.screen.crop;
        let side = side * (angle.cos().abs() + angle.sin().abs());
        let range = |centre: f32, most: u32| {
            // A float cast to an unsigned integer saturates.
            let low = ((centre - side / 2.0).floor() as u32).min(most);
            (low, ((centre + side / 2.0).ceil() as u32).clamp(low, most) - low)
        };
        let ((x, width), (y, height)) = (range(cx, self.screen.size.0), range(cy, self.screen.size.1));
        [x, y, width, height]
    }

    /// Puts the next faces on the strip.
    ///
    /// # Errors
    /// A network failed.
    pub fn other_faces(&mut self) -> Result<()> {
        if self.model.draws() || self.first + DONORS < self.given.len() {
            self.first += DONORS;
        }
        self.fill_strip()
    }

    fn fill_strip(&mut self) -> Result<()> {
        self.strip.clear();
        let carried = self.opened.session.original().is_carried();
        for i in self.first..self.first + DONORS {
            let name = match self.given.get(i) {
                Some(name) => name.clone(),
                None if !self.model.draws() => break,
                None => format!("seed:{}", i - self.given.len() + 1),
            };
            let donor = self.model.open_donor(&name, carried)?;
            let face = donor.session.face().clone();
            let tile = match &donor.photo {
                Some(photo) => from_network(sample(&photo.picture, &photo.crop, self.tile as usize).view()),
                None => {
                    let mut tile = RgbImage::new(self.tile, self.tile);
                    let image = self.model.generate(&face)?;
                    PhotoBlender::whole(self.model.size(), self.tile, (0, 0))
                        .replace(&mut tile, image.view());
                    tile
                }
            };
            self.strip.push(Donor { name, face, tile });
        }
        Ok(())
    }

    /// Does `operation`, which may take only from faces on the strip. Gives back whether anything changed.
    ///
    /// # Errors
    /// An [`OperationError`] that names the field; nothing is changed then.
    pub fn apply(&mut self, operation: &Operation) -> std::result::Result<bool, OperationError> {
        let mut donors = donors(&self.strip);
        let changed = self.opened.session.apply(operation, self.model.manifest(), &mut donors)?;
        self.changed |= changed;
        Ok(changed)
    }

    /// The face and the locks that `operation` would lead to.
    ///
    /// # Errors
    /// An [`OperationError`] that names the field.
    pub fn preview(
        &self,
        operation: &Operation,
    ) -> std::result::Result<(FaceLatents, Vec<bool>), OperationError> {
        self.opened.session.preview(operation, self.model.manifest(), &mut donors(&self.strip))
    }

    /// The view with `face` in it; regions of locked parts are as they were.
    ///
    /// # Errors
    /// A network failed.
    pub fn draw(&mut self, face: &FaceLatents, locked: &[bool]) -> Result<RgbImage> {
        self.screen.compositor.lock(&self.model, locked);
        match &mut self.screen.alone {
            None => self.screen.compositor.compose(&mut self.model, face),
            Some(blender) => {
                let image = self.screen.compositor.square(&mut self.model, face)?;
                let mut view = RgbImage::new(ALONE, ALONE);
                blender.replace(&mut view, image.view());
                Ok(view)
            }
        }
    }

    /// The picture as it is saved, a photo at its full size, and how much of each pixel shows.
    ///
    /// # Errors
    /// A network failed.
    pub fn finished(&mut self) -> Result<(RgbImage, Alpha)> {
        let OpenedPhoto { session, photo, original, .. } = &self.opened;
        let mut compositor = Compositor::new(&mut self.model, session, photo.as_ref(), self.paste)?;
        let picture = compositor.compose(&mut self.model, session.face())?;
        Ok((picture, compositor.alpha(session.face(), original)))
    }
}

fn donors(strip: &[Donor]) -> Donors<'_> {
    Donors::new(move |name| match strip.iter().find(|d| d.name == name) {
        Some(donor) => Ok(donor.face.clone()),
        None => Err(EditError::NotOnStrip(name.to_owned()).into()),
    })
}
