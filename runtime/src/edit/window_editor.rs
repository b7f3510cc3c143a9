//! The editor behind the window: points under the mouse, keys, a strip of faces to take from. Draws its own picture and
//! knows of no screen.

use image::{RgbImage, imageops};

use super::blend::sample;
use super::latents::REACH;
use super::operation::Operation;
use super::sliders::Sliders;
pub use super::window_command::Command;
use super::window_command::HELP;
use super::{FaceLatents, Parts, Workspace};
use crate::error::Result;
use crate::frame::{DetectedFace as Marks, DetectedKeypoint};
use crate::media::picture::from_network;
use crate::vision::crop::Crop;
use crate::vision::{hud, overlay, text};

/// Side of the picture being edited, in pixels.
const VIEW: u32 = 640;
/// How much more of a photo than the face's square is shown.
const MARGIN: f32 = 1.15;
/// Side of a face on the strip, in pixels.
pub const DONOR: u32 = 70;
/// Height of the numbers below the strip, and of the line below these, in pixels.
const NUMBERS: u32 = 18;
const LINE: u32 = 26;
/// Size of their letters, in pixels.
const SMALL: u32 = 13;
const LETTERS: u32 = 15;
/// How far beside a part its duplicate is put, in normalised coordinates.
const BESIDE: f32 = 0.3;
/// How near to a point a click must be, in pixels.
const GRAB: f32 = 14.0;
/// By how much the view comes nearer at once.
pub const ZOOM: f32 = 1.25;
/// By how much it does at most.
const NEAREST: f32 = 8.0;
/// How much of another face is taken, as the key goes through it.
const WEIGHTS: [f32; 4] = [1.0, 0.25, 0.5, 0.75];

/// Size of the editor's picture without sliders, in pixels.
pub const SIZE: (u32, u32) = (VIEW, VIEW + DONOR + 4 + NUMBERS + LINE);

/// An editor of one face.
pub struct Editor {
    workspace: Workspace,
    /// The square of the workspace's view that is shown.
    shown: Crop,
    zoom: f32,
    selected: usize,
    /// Where the selected point is dragged to.
    dragged: Option<[f32; 2]>,
    was_held: bool,
    before: bool,
    help: bool,
    chosen: usize,
    weight: usize,
    status: String,
    sliders: Sliders,
    /// The view of a face that was drawn last.
    view: Option<(FaceLatents, Vec<bool>, Crop, RgbImage)>,
}

impl Editor {
    /// An editor of a workspace whose tiles are [`DONOR`] pixels a side.
    pub fn new(workspace: Workspace) -> Self {
        let carried = workspace.opened().session.original().is_carried();
        let expressions = workspace.model().manifest().expressions.iter();
        Self {
            shown: whole(&workspace),
            sliders: Sliders::new(if carried { expressions.cloned().collect() } else { Vec::new() }),
            workspace,
            zoom: 1.0,
            selected: 0,
            dragged: None,
            was_held: false,
            before: false,
            help: false,
            chosen: 0,
            weight: 0,
            status: "drag a point; h shows the keys".to_owned(),
            view: None,
        }
    }

    /// What is being edited.
    pub fn workspace(&mut self) -> &mut Workspace {
        &mut self.workspace
    }

    /// Size of the editor's picture, in pixels.
    pub fn size(&self) -> (u32, u32) {
        (SIZE.0 + self.sliders.width(), SIZE.1)
    }

    /// Says something on the line below.
    pub fn say(&mut self, text: String) {
        self.status = text;
    }

    /// Does `operation` and says so, or why not.
    fn apply(&mut self, operation: &Operation) {
        let label = operation.label(self.workspace.model().manifest());
        self.status = match self.workspace.apply(operation) {
            Ok(true) => label,
            Ok(false) => format!("{label}: nothing changed"),
            Err(error) => error.at("").to_string(),
        };
    }

    /// Does what a key asks for.
    ///
    /// # Errors
    /// A network failed.
    pub fn obey(&mut self, command: Command) -> Result<()> {
        self.before = command == Command::Before && !self.before;
        let part = Parts::Index(self.selected);
        let from = self.workspace.strip().get(self.chosen).map(|d| d.name.clone()).unwrap_or_default();
        let weight = WEIGHTS[self.weight];
        let every = || Parts::Name("all".to_owned());
        let session = &self.workspace.opened().session;
        let locked = session.locked().get(self.selected) == Some(&true);
        let (place, visible) =
            (session.face().keypoints[self.selected], session.face().visible[self.selected]);
        match command {
            Command::Choose(i) => self.choose(i),
            Command::Weight => {
                self.weight = (self.weight + 1) % WEIGHTS.len();
                self.status = format!("{:.0} % of a face is taken", 100.0 * WEIGHTS[self.weight]);
            }
            Command::TakeAppearance => self.apply(&Operation::Swap { part, from, weight }),
            Command::TakeAllAppearances => self.apply(&Operation::Swap { part: every(), from, weight }),
            Command::TakeBackground => self.apply(&Operation::Background { from, weight }),
            Command::TakePose => self.apply(&Operation::TakePose { from, weight, part: every() }),
            Command::TakeExpression => {
                self.apply(&Operation::TakeExpression { from, weight, part: every() });
            }
            Command::NextExpression => {
                self.sliders.next();
                let name = self.sliders.name(self.sliders.chosen).unwrap_or("no expressions here");
                self.status = format!("{name}: [ less, ] more");
            }
            Command::Express(by) => {
                let (i, values) = (self.sliders.chosen, self.workspace.expressions());
                let now = values.get(i).copied().unwrap_or_default();
                if let Some(operation) = self.sliders.stepped(i, now, by).and_then(|v| self.expression(i, v))
                {
                    self.apply(&operation);
                }
            }
            Command::OtherFaces => self.workspace.other_faces()?,
            Command::Scale(by) => self.apply(&Operation::Scale { part, by }),
            Command::Remove if visible == 0.0 => self.apply(&Operation::Add { part, to: None }),
            Command::Remove => self.apply(&Operation::Remove { part }),
            Command::Duplicate => {
                let to = [if place[0] > 0.0 { place[0] - BESIDE } else { place[0] + BESIDE }, place[1]];
                self.apply(&Operation::Duplicate { part, into: None, to });
            }
            Command::Reset => self.apply(&Operation::Reset { part }),
            Command::Lock if locked => self.apply(&Operation::Unlock { part }),
            Command::Lock => self.apply(&Operation::Lock { part }),
            Command::Undo => self.apply(&Operation::Undo {}),
            Command::Redo => self.apply(&Operation::Redo {}),
            Command::Before => {
                self.status = if self.before { "before" } else { "after" }.to_owned();
            }
            Command::Zoom(by) => self.come_nearer(by),
            Command::Help => self.help = !self.help,
        }
        Ok(())
    }

    fn choose(&mut self, i: usize) {
        self.chosen = i.min(self.workspace.strip().len().saturating_sub(1));
        let name = self.workspace.strip().get(self.chosen).map_or("", |d| d.name.as_str());
        self.status = match self.workspace.opened().session.original().is_carried() {
            true => format!("{name}: e part, p pose, f expression"),
            false => format!("{name}: e part, a all parts, g background, p pose"),
        };
    }

    /// The operation that sets an expression.
    fn expression(&self, i: usize, value: f32) -> Option<Operation> {
        let set = [(self.sliders.name(i)?.to_owned(), value)].into();
        Some(Operation::Expression { set })
    }

    /// Shows the surroundings of the selected point `by` times as large, never beyond what is shown in the beginning.
    fn come_nearer(&mut self, by: f32) {
        let all = whole(&self.workspace);
        self.zoom = (self.zoom * by).clamp(1.0, NEAREST);
        let side = all.side / self.zoom;
        let point =
            self.workspace.crop().to_picture(self.workspace.opened().session.face().keypoints[self.selected]);
        let within = |at: f32, centre: f32| {
            let room = (all.side - side) / 2.0;
            at.clamp(centre - room, centre + room)
        };
        self.shown = Crop { cx: within(point[0], all.cx), cy: within(point[1], all.cy), side, angle: 0.0 };
        self.status = format!("{:.1} times as large", self.zoom);
    }

    /// Pixels of the view for a point of the face's square.
    fn in_view(&self, point: [f32; 2]) -> [f32; 2] {
        let [u, v] = self.shown.to_network(self.workspace.crop().to_picture(point));
        [(u + 1.0) * 0.5 * VIEW as f32, (v + 1.0) * 0.5 * VIEW as f32]
    }

    fn in_square(&self, [x, y]: [f32; 2]) -> [f32; 2] {
        let point = [2.0 * x / VIEW as f32 - 1.0, 2.0 * y / VIEW as f32 - 1.0];
        self.workspace.crop().to_network(self.shown.to_picture(point))
    }

    /// Takes in where the mouse is, in pixels of the editor's picture, and whether its button is held.
    pub fn mouse(&mut self, x: f32, y: f32, held: bool) {
        let pressed = held && !self.was_held;
        let released = !held && self.was_held;
        self.was_held = held;
        if pressed {
            self.press(x, y);
        } else if released && let Some((i, value)) = self.sliders.held.take() {
            if let Some(operation) = self.expression(i, value) {
                self.apply(&operation);
            }
        } else if held && let Some((i, _)) = self.sliders.held {
            self.sliders.held = self.sliders.value(i, x - VIEW as f32).map(|value| (i, value));
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
        if let Some(i) = self.sliders.at(x - VIEW as f32, y) {
            self.sliders.chosen = i;
            self.sliders.held = self.sliders.value(i, x - VIEW as f32).map(|value| (i, value));
            return;
        }
        if y >= VIEW as f32 + 4.0 && y < (VIEW + 4 + DONOR) as f32 && x >= 0.0 {
            let i = (x / (DONOR + 1) as f32) as usize;
            if i < self.workspace.strip().len() {
                self.choose(i);
            }
            return;
        }
        let keypoints = &self.workspace.opened().session.face().keypoints;
        let distance = |i: &usize| {
            let [px, py] = self.in_view(keypoints[*i]);
            (px - x).hypot(py - y)
        };
        let nearest = (0..keypoints.len()).min_by(|a, b| distance(a).total_cmp(&distance(b)));
        let Some(part) = nearest.filter(|i| distance(i) < GRAB) else { return };
        self.selected = part;
        let name = &self.workspace.model().manifest().keypoints[part].name;
        if self.workspace.opened().session.locked()[part] {
            self.status = format!("{name} is locked; l unlocks it");
        } else {
            self.status = format!("selected {name}");
            self.dragged = Some(keypoints[part]);
        }
    }

    /// The face as it is shown.
    fn shown(&self) -> FaceLatents {
        if self.before {
            return self.workspace.opened().session.original().clone();
        }
        let held = self.sliders.held.and_then(|(i, value)| self.expression(i, value));
        if let Some(Ok((face, _))) = held.map(|operation| self.workspace.preview(&operation)) {
            return face;
        }
        let mut face = self.workspace.opened().session.face().clone();
        if let Some(to) = self.dragged {
            face.keypoints[self.selected] = to;
        }
        face
    }

    /// The editor's picture, [`Editor::size`] large.
    ///
    /// # Errors
    /// A network failed.
    pub fn draw(&mut self) -> Result<RgbImage> {
        let face = self.shown();
        let locked = self.workspace.opened().session.locked().to_vec();
        let shown = self.shown;
        let known = self.view.as_ref().is_some_and(|(f, l, s, _)| *f == face && *l == locked && *s == shown);
        if !known {
            let picture = self.workspace.draw(&face, &locked)?;
            let view = from_network(sample(&picture, &shown, VIEW as usize).view());
            self.view = Some((face.clone(), locked.clone(), shown, view));
        }
        let (width, height) = self.size();
        let mut canvas = RgbImage::from_pixel(width, height, image::Rgb([24; 3]));
        if let Some((.., view)) = &self.view {
            imageops::replace(&mut canvas, view, 0, 0);
        }
        if !self.before {
            let mut view = imageops::crop_imm(&canvas, 0, 0, VIEW, VIEW).to_image();
            let mark = |(point, visible): (&[f32; 2], &f32)| {
                let [x, y] = self.in_view(*point);
                DetectedKeypoint { x, y, confidence: *visible }
            };
            let marks = Marks::new(face.keypoints.iter().zip(&face.visible).map(mark).collect());
            overlay::draw_face(&mut view, &marks, self.workspace.model().manifest());
            imageops::replace(&mut canvas, &view, 0, 0);
        }
        self.sliders.draw(&mut canvas, VIEW, &self.workspace.expressions());
        for (i, donor) in self.workspace.strip().iter().enumerate() {
            let (x, y) = (i as u32 * (DONOR + 1), VIEW + 4);
            imageops::replace(&mut canvas, &donor.tile, i64::from(x), i64::from(y));
            let colour = if i == self.chosen { [255, 214, 90] } else { [235, 240, 245] };
            let number = format!("{}", i + 1);
            let x = x + (DONOR - text::width(&number, SMALL).min(DONOR)) / 2;
            text::draw_plain(&mut canvas, &number, (x as i32, (y + DONOR) as i32), SMALL, colour);
        }
        let lock = if locked[self.selected] { ", locked" } else { "" };
        let name = &self.workspace.model().manifest().keypoints[self.selected].name;
        let line = format!("[{name}{lock}] {}", self.status);
        let line = text::shortened(&line, LETTERS, width - 12);
        text::draw_plain(&mut canvas, &line, (6, (SIZE.1 - LINE + 2) as i32), LETTERS, [235, 240, 245]);
        if self.help {
            hud::draw_hud(&mut canvas, &HELP);
        }
        Ok(canvas)
    }
}

/// The square of the view that is shown in the beginning: the face's, of a photo with a margin.
fn whole(workspace: &Workspace) -> Crop {
    let crop = *workspace.crop();
    let margin = if workspace.opened().photo.is_some() { MARGIN } else { 1.0 };
    Crop { side: crop.side * margin, angle: 0.0, ..crop }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use lkg_bundle::Bundle;

    use super::*;
    use crate::edit::{Blend, FaceModel};
    use crate::engine::EngineOptions;

    fn drag(editor: &mut Editor, from: [f32; 2], by: [f32; 2]) {
        editor.mouse(from[0], from[1], true);
        for i in 1..=4 {
            let t = i as f32 / 4.0;
            editor.mouse(from[0] + by[0] * t, from[1] + by[1] * t, true);
        }
        editor.mouse(from[0] + by[0], from[1] + by[1], false);
    }

    #[test]
    fn a_slider_is_seen_while_it_is_dragged_and_set_when_it_is_let_go() {
        let (_dir, workspace) = crate::edit::testing::carried_workspace(&[]);
        let mut editor = Editor::new(workspace);
        let size = editor.size();
        assert!(size.0 > SIZE.0);
        let before = editor.draw().unwrap();
        assert_eq!(before.dimensions(), size);
        // The first slider's right end; the picture is drawn anew where the mouse is held.
        let (x, y) = ((size.0 - 5) as f32, 30.0);
        editor.mouse(x, y, true);
        let held = editor.draw().unwrap();
        let view = |picture: &RgbImage| imageops::crop_imm(picture, 0, 0, VIEW, VIEW).to_image();
        assert!(view(&held) != view(&before));
        assert_eq!(editor.workspace().opened().session.history().1, 0);
        editor.mouse(x, y, false);
        assert_eq!(editor.workspace().opened().session.history().1, 1);
        assert!((editor.workspace().expressions()[0] - 1.0).abs() < 1e-3);
        assert!(view(&editor.draw().unwrap()) == view(&held));
        for command in [Command::Express(-0.1), Command::NextExpression, Command::Express(0.1)] {
            editor.obey(command).unwrap();
        }
        let values = editor.workspace().expressions();
        assert!((values[0] - 0.9).abs() < 1e-3 && values[1] > -0.3, "{values:?}");
        for _ in 0..3 {
            editor.obey(Command::Undo).unwrap();
        }
        assert!(view(&editor.draw().unwrap()) == view(&before));
    }

    #[test]
    fn a_dragged_point_moves_its_part_by_one_edit_that_can_be_undone() {
        let bundle =
            Bundle::open(Path::new(env!("CARGO_MANIFEST_DIR")).join("../models/faces64-edge")).unwrap();
        let mut model = FaceModel::new(bundle, EngineOptions::default());
        let opened = model.open("seed:1").unwrap();
        let before = opened.session.face().clone();
        let mut editor = Editor::new(Workspace::new(model, opened, Blend::Warp, &[], DONOR).unwrap());
        let untouched = editor.draw().unwrap();
        assert_eq!(untouched.dimensions(), SIZE);
        let at = editor.in_view(before.keypoints[9]);
        drag(&mut editor, at, [40.0, 0.0]);
        let session = &editor.workspace().opened().session;
        let moved = session.face().keypoints[9][0] - before.keypoints[9][0];
        assert!((moved - 40.0 / 320.0).abs() < 1e-4 && session.history().1 == 1, "{moved}");
        assert!(editor.draw().unwrap() != untouched);

        // A click where nothing is does nothing; keys act on the point selected last and on the face chosen.
        drag(&mut editor, [2.0, 2.0], [50.0, 50.0]);
        assert_eq!(editor.workspace().opened().session.history().1, 1);
        for command in [Command::Choose(3), Command::TakeAppearance, Command::Scale(1.2), Command::Remove] {
            editor.obey(command).unwrap();
        }
        let session = &editor.workspace().opened().session;
        assert_eq!((session.history().1, session.face().visible[9]), (4, 0.0));
        assert_ne!(session.face().embeddings[9], before.embeddings[9]);
        for _ in 0..4 {
            editor.obey(Command::Undo).unwrap();
        }
        assert_eq!(editor.workspace().opened().session.face(), &before);

        // A locked point stays.
        editor.obey(Command::Lock).unwrap();
        drag(&mut editor, at, [40.0, 0.0]);
        assert_eq!(editor.workspace().opened().session.face(), &before);
    }
}
