use image::RgbImage;
use lkg_bundle::Manifest;

use super::{Blend, Compositor, Donors, FaceLatents, FaceModel, OpenedPhoto, Operation, SessionFile};
use crate::engine::Held;
use crate::error::Result;
use crate::media::mark::Origin;
use crate::media::picture::{Alpha, Original};

/// Edits the face of one photo, or a generated one.
///
/// ```
/// use lkg_runtime::{Blend, Bundle, EngineOptions, FaceModel, Operation, PhotoEditor};
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let bundle = Bundle::open(concat!(env!("CARGO_MANIFEST_DIR"), "/../models/faces64-edge"))?;
/// let mut model = FaceModel::new(bundle, EngineOptions::default());
/// let face = model.open("seed:3")?;
/// let mut editor = PhotoEditor::new(&mut model, face, Blend::Warp)?;
/// let before = editor.image()?;
/// // The operations of `runtime edit --do`: here the whole pose is turned by ten degrees.
/// let turn: Operation = serde_json::from_str(r#"{"op": "pose", "rotate": 10}"#)?;
/// assert!(editor.apply(&turn)?);
/// assert_ne!(editor.image()?, before);
/// editor.apply(&Operation::Undo {})?;
/// assert_eq!(editor.image()?, before);
/// # Ok(())
/// # }
/// ```
pub struct PhotoEditor<'a> {
    model: Held<'a, FaceModel>,
    manifest: Manifest,
    opened: OpenedPhoto,
    compositor: Compositor,
}

impl<'a> PhotoEditor<'a> {
    /// An editor of what was opened, whose edits get into the photo as `blend` says. The model is lent to it (`&mut`) or its
    /// own (`Box`).
    ///
    /// # Errors
    /// [`Error::Engine`](crate::Error::Engine) if a network fails.
    pub fn new(model: impl Into<Held<'a, FaceModel>>, opened: OpenedPhoto, blend: Blend) -> Result<Self> {
        let mut model = model.into();
        let compositor = Compositor::new(&mut model, &opened.session, opened.photo.as_ref(), blend)?;
        Ok(Self { manifest: model.manifest().clone(), model, opened, compositor })
    }

    /// Does `operation`; `from` names another face as [`FaceModel::open`] does. Gives back whether anything changed.
    ///
    /// # Errors
    /// [`Error::Edit`](crate::Error::Edit) that names the operation's field, or those of opening the other face; nothing is
    /// changed then.
    pub fn apply(&mut self, operation: &Operation) -> Result<bool> {
        let carried = self.opened.session.original().is_carried();
        let mut donors = Donors::new(|name| Ok(self.model.open_donor(name, carried)?.session.face().clone()));
        let done = self.opened.session.apply(operation, &self.manifest, &mut donors);
        done.map_err(|refused| refused.at(""))
    }

    /// The photo at its full size with the edited face in it, or the generated square alone.
    ///
    /// # Errors
    /// [`Error::Engine`](crate::Error::Engine) if a network fails.
    pub fn image(&mut self) -> Result<RgbImage> {
        self.compositor.lock(&self.model, self.opened.session.locked());
        self.compositor.compose(&mut self.model, self.opened.session.face())
    }

    /// The face as it is now.
    pub fn face(&self) -> &FaceLatents {
        self.opened.session.face()
    }

    /// What else the photo's file holds, and how much of each pixel of the last [`PhotoEditor::image`] shows: for
    /// [`write_like`](crate::picture::write_like).
    pub fn kept(&self) -> (&Original, Alpha) {
        let original = &self.opened.original;
        (original, self.compositor.alpha(self.opened.session.face(), original))
    }

    /// How the picture comes about, to be noted in its file.
    pub fn origin(&self) -> Origin {
        self.compositor.origin()
    }

    /// The session, to be written and opened again.
    pub fn to_file(&self) -> SessionFile {
        self.model.to_file(&self.opened)
    }
}
