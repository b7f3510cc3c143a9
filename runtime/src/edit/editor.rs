//! The editor behind the window: points under the mouse, keys, a strip of faces to take from. Draws its own picture and
//! knows of no screen.

use image::{RgbImage, imageops};

use super::face::REACH;
use super::operation::Operation;
use super::paste::{Paster, sample};
use super::{Composer, Donors, Face, Opened, Parts, Paste, Studio};
use crate::error::Result;
use crate::frame::{DetectedKeypoint, Face as Marks};
use crate::media::mark::Origin;
use crate::vision::crop::Crop;
use crate::vision::{overlay, text};

/// Side of the picture being edited, in pixels.
const VIEW: u32 = 640;
/// How much more of a photo than the face's square is shown.
const MARGIN: f32 = 1.15;
/// Side of a face on the strip, in pixels.
const DONOR: u32 = 70;
/// Faces on the strip.
const DONORS: u64 = 9;
/// Height of the line below, in pixels.
const LINE: u32 = 24;
/// How near to a point a click must be, in pixels.
const GRAB: f32 = 14.0;
/// Longest side of a photo while it is being edited, in pixels.
const MOST_SIDE: u32 = 960;

/// Size of the editor's picture, in pixels.
pub const SIZE: (u32, u32) = (VIEW, VIEW + DONOR + 8 + LINE);

/// What the keys do, for help texts.
const HELP: [&str; 15] = [
    "drag      move a point",
    "1 to 9    choose a face",
    "e         its look for the part",
    "a         its look for all parts",
    "g         its background",
    "p         its pose",
    "n         other faces",
    "+ -       part wider, narrower",
    "x         remove the part",
    "t         reset the part",
    "l         lock, unlock the part",
    "u r       undo, redo",
    "b         before and after",
    "s         save picture and face",
    "h q       this help, quit",
];

/// What a key asks for.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Command {
    /// Chooses a face of the strip, from 0.
    Choose(usize),
    /// Takes the chosen face's look of the selected part.
    TakeLook,
    /// Takes all its looks.
    TakeLooks,
    /// Takes its background.
    TakeBackground,
    /// Takes its pose.
    TakePose,
    /// Shows other faces on the strip.
    OtherFaces,
    /// Makes the selected part wider by this factor.
    Scale(f32),
    /// Removes the selected part.
    Remove,
    /// Resets the selected part.
    Reset,
    /// Locks or unlocks the selected part.
    Lock,
    /// Takes the last edit back.
    Undo,
    /// Does it again.
    Redo,
    /// Shows the picture before the edits, or after.
    Before,
    /// Shows or hides the help.
    Help,
}

/// An editor of one face.
pub struct Editor<'a> {
    studio: &'a mut Studio,
    opened: Opened,
    composer: Composer,
    /// The square of the shown photo (shrunk) that the view shows, and the one that the face fills.
    crops: Option<(Crop, Crop)>,
    selected: usize,
    /// Where the selected point is dragged to.
    dragged: Option<[f32; 2]>,
    was_held: bool,
    before: bool,
    help: bool,
    strip: Vec<(String, RgbImage)>,
    first_seed: u64,
    chosen: usize,
    status: String,
    /// The view of a face that was drawn last.
    view: Option<(Face, Vec<bool>, RgbImage)>,
}

impl<'a> Editor<'a> {
    /// An editor for what was opened.
    ///
    /// # Errors
    /// A network failed.
    pub fn new(studio: &'a mut Studio, opened: Opened, paste: Paste) -> Result<Self> {
        let photo = opened.photo.as_ref().map(|p| p.shrunk(MOST_SIDE));
        let composer = Composer::new(studio, &opened.session, photo.as_ref(), paste)?;
        let crops = photo.map(|p| (Crop { side: p.crop.side * MARGIN, ..p.crop }, p.crop));
        let mut editor = Self {
            studio,
            opened,
            composer,
            crops,
            selected: 0,
            dragged: None,
            was_held: false,
            before: false,
            help: false,
            strip: Vec::new(),
            first_seed: 1,
            chosen: 0,
            status: "drag a point; h shows the keys".to_owned(),
            view: None,
        };
        editor.fill_strip()?;
        Ok(editor)
    }

    /// What is being edited.
    pub fn opened(&self) -> &Opened {
        &self.opened
    }

    /// How the pictures come about.
    pub fn origin(&self) -> Origin {
        self.composer.origin()
    }

    /// The studio, and what is being edited, for saving.
    pub fn parts(&mut self) -> (&mut Studio, &Opened) {
        (self.studio, &self.opened)
    }

    /// Says something on the line below.
    pub fn say(&mut self, text: String) {
        self.status = text;
    }

    fn fill_strip(&mut self) -> Result<()> {
        self.strip.clear();
        for seed in self.first_seed..self.first_seed + DONORS {
            let face = self.studio.generate(seed, 0, 1.0)?;
            let image = self.studio.draw(&face)?;
            let mut tile = RgbImage::new(DONOR, DONOR);
            Paster::whole(self.studio.size(), DONOR, (0, 0)).replace(&mut tile, image.view());
            self.strip.push((format!("seed:{seed}"), tile));
        }
        Ok(())
    }

    /// Does `operation` and says so, or why not.
    fn apply(&mut self, operation: &Operation) {
        let manifest = self.studio.manifest().clone();
        let studio = &mut *self.studio;
        let mut donors = Donors::new(|name| studio.face(name));
        self.status = match self.opened.session.apply(operation, &manifest, &mut donors) {
            Ok(true) => operation.label(&manifest),
            Ok(false) => format!("{}: nothing changed", operation.label(&manifest)),
            Err(fault) => fault.at("").to_string(),
        };
    }

    /// Does what a key asks for.
    ///
    /// # Errors
    /// A network failed.
    pub fn obey(&mut self, command: Command) -> Result<()> {
        self.before = command == Command::Before && !self.before;
        let part = Parts::Index(self.selected);
        let from = self.strip.get(self.chosen).map(|(name, _)| name.clone()).unwrap_or_default();
        let every = || Parts::Name("all".to_owned());
        let locked = self.opened.session.locked().get(self.selected) == Some(&true);
        match command {
            Command::Choose(i) => {
                self.chosen = i.min(self.strip.len().saturating_sub(1));
                self.status =
                    format!("{}: e part, a all parts, g background, p pose", self.strip[self.chosen].0);
            }
            Command::TakeLook => self.apply(&Operation::Swap { part, from, weight: 1.0 }),
            Command::TakeLooks => self.apply(&Operation::Swap { part: every(), from, weight: 1.0 }),
            Command::TakeBackground => self.apply(&Operation::Background { from, weight: 1.0 }),
            Command::TakePose => self.apply(&Operation::TakePose { from, weight: 1.0, part: every() }),
            Command::OtherFaces => {
                self.first_seed += DONORS;
                self.fill_strip()?;
            }
            Command::Scale(by) => self.apply(&Operation::Scale { part, by }),
            Command::Remove => self.apply(&Operation::Remove { part }),
            Command::Reset => self.apply(&Operation::Reset { part }),
            Command::Lock if locked => self.apply(&Operation::Unlock { part }),
            Command::Lock => self.apply(&Operation::Lock { part }),
            Command::Undo => self.apply(&Operation::Undo {}),
            Command::Redo => self.apply(&Operation::Redo {}),
            Command::Before => {
                self.status = if self.before { "before" } else { "after" }.to_owned();
            }
            Command::Help => self.help = !self.help,
        }
        Ok(())
    }

    /// Pixels of the view for a point of the face's square.
    fn in_view(&self, point: [f32; 2]) -> [f32; 2] {
        let [u, v] = match self.crops {
            Some((shown, face)) => shown.to_network(face.to_picture(point)),
            None => point,
        };
        [(u + 1.0) * 0.5 * VIEW as f32, (v + 1.0) * 0.5 * VIEW as f32]
    }

    fn in_square(&self, [x, y]: [f32; 2]) -> [f32; 2] {
        let point = [2.0 * x / VIEW as f32 - 1.0, 2.0 * y / VIEW as f32 - 1.0];
        match self.crops {
            Some((shown, face)) => face.to_network(shown.to_picture(point)),
            None => point,
        }
    }

    /// Takes in where the mouse is, in pixels of the editor's picture, and whether its button is held.
    pub fn mouse(&mut self, x: f32, y: f32, held: bool) {
        let pressed = held && !self.was_held;
        let released = !held && self.was_held;
        self.was_held = held;
        if pressed {
            self.press(x, y);
        } else if released {
            if let Some(to) = self.dragged.take() {
                let part = Parts::Index(self.selected);
                self.apply(&Operation::Move { part, dx: 0.0, dy: 0.0, to: Some(to) });
            }
        } else if held && self.dragged.is_some() {
            self.dragged = Some(self.in_square([x, y]).map(|v| v.clamp(-REACH, REACH)));
        }
    }

    fn press(&mut self, x: f32, y: f32) {
        if y >= VIEW as f32 + 4.0 && y < (VIEW + 4 + DONOR) as f32 && x >= 0.0 {
            let i = (x / (DONOR + 1) as f32) as usize;
            if i < self.strip.len() {
                self.chosen = i;
                self.status = format!("{}: e part, a all parts, g background, p pose", self.strip[i].0);
            }
            return;
        }
        let keypoints = &self.opened.session.face().keypoints;
        let distance = |i: &usize| {
            let [px, py] = self.in_view(keypoints[*i]);
            (px - x).hypot(py - y)
        };
        let nearest = (0..keypoints.len()).min_by(|a, b| distance(a).total_cmp(&distance(b)));
        let Some(part) = nearest.filter(|i| distance(i) < GRAB) else { return };
        self.selected = part;
        let name = &self.studio.manifest().keypoints[part].name;
        if self.opened.session.locked()[part] {
            self.status = format!("{name} is locked; l unlocks it");
        } else {
            self.status = format!("selected {name}");
            self.dragged = Some(keypoints[part]);
        }
    }

    /// The face as it is shown.
    fn shown(&self) -> Face {
        if self.before {
            return self.opened.session.original().clone();
        }
        let mut face = self.opened.session.face().clone();
        if let Some(to) = self.dragged {
            face.keypoints[self.selected] = to;
        }
        face
    }

    /// The editor's picture, [`SIZE`] large.
    ///
    /// # Errors
    /// A network failed.
    pub fn draw(&mut self) -> Result<RgbImage> {
        let face = self.shown();
        let locked = self.opened.session.locked().to_vec();
        let known = self.view.as_ref().is_some_and(|(f, l, _)| *f == face && *l == locked);
        if !known {
            self.composer.lock(self.studio, &locked);
            let picture = self.composer.compose(self.studio, &face)?;
            let view = match self.crops {
                Some((shown, _)) => {
                    crate::media::picture::from_network(sample(&picture, &shown, VIEW as usize).view())
                }
                None => {
                    let mut view = RgbImage::new(VIEW, VIEW);
                    let image = sample(
                        &picture,
                        &Crop::inside(picture.width(), picture.height()),
                        self.studio.size(),
                    );
                    Paster::whole(self.studio.size(), VIEW, (0, 0)).replace(&mut view, image.view());
                    view
                }
            };
            self.view = Some((face.clone(), locked.clone(), view));
        }
        let mut canvas = RgbImage::from_pixel(SIZE.0, SIZE.1, image::Rgb([24; 3]));
        if let Some((_, _, view)) = &self.view {
            imageops::replace(&mut canvas, view, 0, 0);
        }
        if !self.before {
            let mut view = imageops::crop_imm(&canvas, 0, 0, VIEW, VIEW).to_image();
            let mark = |(point, visible): (&[f32; 2], &f32)| {
                let [x, y] = self.in_view(*point);
                DetectedKeypoint { x, y, confidence: *visible }
            };
            let marks = Marks { keypoints: face.keypoints.iter().zip(&face.visible).map(mark).collect() };
            overlay::draw_face(&mut view, &marks, self.studio.manifest());
            imageops::replace(&mut canvas, &view, 0, 0);
        }
        for (i, (_, tile)) in self.strip.iter().enumerate() {
            let (x, y) = (i as u32 * (DONOR + 1), VIEW + 4);
            imageops::replace(&mut canvas, tile, i64::from(x), i64::from(y));
            let colour = if i == self.chosen { [255, 214, 90] } else { [235, 240, 245] };
            text::draw(&mut canvas, &format!("{}", i + 1), (x as i32 + 3, y as i32 + 3), 2, colour);
        }
        let lock = if locked[self.selected] { ", locked" } else { "" };
        let name = &self.studio.manifest().keypoints[self.selected].name;
        let line = format!("[{name}{lock}] {}", self.status);
        text::draw(&mut canvas, &line, (4, (SIZE.1 - LINE + 4) as i32), 2, [235, 240, 245]);
        if self.help {
            overlay::draw_hud(&mut canvas, &HELP);
        }
        Ok(canvas)
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use models::Bundle;

    use super::*;
    use crate::engine::EngineOptions;

    fn drag(editor: &mut Editor<'_>, from: [f32; 2], by: [f32; 2]) {
        editor.mouse(from[0], from[1], true);
        for i in 1..=4 {
            let t = i as f32 / 4.0;
            editor.mouse(from[0] + by[0] * t, from[1] + by[1] * t, true);
        }
        editor.mouse(from[0] + by[0], from[1] + by[1], false);
    }

    #[test]
    fn a_dragged_point_moves_its_part_by_one_edit_that_can_be_undone() {
        let bundle = Bundle::open(Path::new(env!("CARGO_MANIFEST_DIR")).join("../models/faces64")).unwrap();
        let mut studio = Studio::new(bundle, EngineOptions::default());
        let opened = studio.open("seed:1").unwrap();
        let before = opened.session.face().clone();
        let mut editor = Editor::new(&mut studio, opened, Paste::Warp).unwrap();
        let untouched = editor.draw().unwrap();
        assert_eq!(untouched.dimensions(), SIZE);
        let at = editor.in_view(before.keypoints[9]);
        drag(&mut editor, at, [40.0, 0.0]);
        let session = &editor.opened().session;
        let moved = session.face().keypoints[9][0] - before.keypoints[9][0];
        assert!((moved - 40.0 / 320.0).abs() < 1e-4 && session.history().1 == 1, "{moved}");
        assert!(editor.draw().unwrap() != untouched);

        // A click where nothing is does nothing; keys act on the point selected last and on the face chosen.
        drag(&mut editor, [2.0, 2.0], [50.0, 50.0]);
        assert_eq!(editor.opened().session.history().1, 1);
        for command in [Command::Choose(3), Command::TakeLook, Command::Scale(1.2), Command::Remove] {
            editor.obey(command).unwrap();
        }
        let session = &editor.opened().session;
        assert_eq!((session.history().1, session.face().visible[9]), (4, 0.0));
        assert_ne!(session.face().embeddings[9], before.embeddings[9]);
        for _ in 0..4 {
            editor.obey(Command::Undo).unwrap();
        }
        assert_eq!(editor.opened().session.face(), &before);

        // A locked point stays.
        editor.obey(Command::Lock).unwrap();
        drag(&mut editor, at, [40.0, 0.0]);
        assert_eq!(editor.opened().session.face(), &before);
    }
}
