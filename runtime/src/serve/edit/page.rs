use std::sync::{Mutex, MutexGuard, PoisonError};

use image::{RgbImage, imageops};
use serde_json::Value;

use super::state::state;
use crate::edit::{Operation, Workspace};
use crate::error::{Error, Result, one_line};
use crate::media::jpeg;
use crate::serve::sealed::sealed;
use crate::serve::{Access, Answer, Pages, Request, Response, Route};

/// The page: markup, style and script in one.
const PAGE: &str = include_str!("page.html");

/// How the finished picture leaves the page.
pub trait Export: Send + Sync {
    /// It as a PNG.
    ///
    /// # Errors
    /// A network failed.
    fn picture(&self, workspace: &mut Workspace) -> Result<Vec<u8>>;

    /// Saves it on this machine and says where.
    ///
    /// # Errors
    /// A network failed, or it cannot be written.
    fn save(&self, workspace: &mut Workspace) -> Result<String>;
}

struct Editing {
    workspace: Workspace,
    /// Grows with everything that changes.
    revision: u64,
}

/// The routes of the editor's page. All who open it edit the same face.
pub struct EditPages {
    editing: Mutex<Editing>,
    export: Box<dyn Export>,
    /// Another one whenever the program starts, so that a page sees that.
    run: String,
}

impl EditPages {
    /// Pages for the face of a workspace.
    pub fn new(workspace: Workspace, export: Box<dyn Export>) -> Self {
        let run = Access::new_token().unwrap_or_default();
        Self { editing: Mutex::new(Editing { workspace, revision: 1 }), export, run }
    }

    fn lock(&self) -> MutexGuard<'_, Editing> {
        // A session changes whole or not at all, so a panic elsewhere leaves it sound.
        self.editing.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn state(&self, editing: &Editing, said: &str) -> Response {
        let mut state = state(&editing.workspace);
        state["run"] = self.run.clone().into();
        state["revision"] = editing.revision.into();
        state["said"] = said.into();
        json(&state)
    }

    /// `POST /do` with an operation, as `--do` files have them; answers the state.
    fn act(&self, body: &[u8]) -> Response {
        let operation = match operation(body) {
            Ok(operation) => operation,
            Err(refused) => return refused,
        };
        let mut editing = self.lock();
        let label = operation.label(editing.workspace.model().manifest());
        match editing.workspace.apply(&operation) {
            Ok(true) => {
                editing.revision += 1;
                self.state(&editing, &label)
            }
            Ok(false) => self.state(&editing, &format!("{label}: nothing changed")),
            Err(fault) => refusal(&fault.at("")),
        }
    }

    /// `POST /preview` with an operation; answers what the picture would be where edits can change it.
    fn preview(&self, body: &[u8]) -> Response {
        let operation = match operation(body) {
            Ok(operation) => operation,
            Err(refused) => return refused,
        };
        let mut editing = self.lock();
        let (face, locked) = match editing.workspace.preview(&operation) {
            Ok(seen) => seen,
            Err(fault) => return refusal(&fault.at("")),
        };
        let place = editing.workspace.place();
        picture(editing.workspace.draw(&face, &locked), Some(place))
    }

    /// The picture as it is where edits can change it, or (`base`) all of it as it was.
    fn view(&self, base: bool) -> Response {
        let mut editing = self.lock();
        let workspace = &mut editing.workspace;
        let session = &workspace.opened().session;
        let (face, locked) =
            (if base { session.original() } else { session.face() }.clone(), session.locked().to_vec());
        let place = (!base).then(|| workspace.place());
        picture(workspace.draw(&face, &locked), place)
    }

    fn donor(&self, request: &Request) -> Response {
        let editing = self.lock();
        let i = request.parameter("i").and_then(|i| i.parse::<usize>().ok());
        match i.and_then(|i| editing.workspace.strip().get(i)) {
            Some(donor) => picture(Ok(donor.tile.clone()), None),
            None => Response::text(404, "no such face on the strip"),
        }
    }

    fn other_faces(&self) -> Response {
        let mut editing = self.lock();
        match editing.workspace.other_faces() {
            Ok(()) => {
                editing.revision += 1;
                self.state(&editing, "other faces")
            }
            Err(e) => refusal(&e),
        }
    }

    fn save(&self) -> Response {
        let mut editing = self.lock();
        match self.export.save(&mut editing.workspace) {
            Ok(said) => self.state(&editing, &said),
            Err(e) => refusal(&e),
        }
    }

    fn finished(&self) -> Response {
        match self.export.picture(&mut self.lock().workspace) {
            Ok(png) => Response::content("image/png", png)
                .with("Content-Disposition", "attachment; filename=\"edited.png\""),
            Err(e) => refusal(&e),
        }
    }

    fn session(&self) -> Response {
        let editing = self.lock();
        match editing.workspace.model().to_file(editing.workspace.opened()).to_json() {
            Ok(text) => Response::content("application/json", text.into_bytes())
                .with("Content-Disposition", "attachment; filename=\"face.json\""),
            Err(e) => refusal(&e),
        }
    }
}

impl Pages for EditPages {
    fn routes(&self) -> &'static [Route] {
        &[
            ("GET", "/"),
            ("GET", "/state.json"),
            ("GET", "/base.jpg"),
            ("GET", "/patch.jpg"),
            ("GET", "/donor.jpg"),
            ("GET", "/picture.png"),
            ("GET", "/face.json"),
            ("POST", "/do"),
            ("POST", "/preview"),
            ("POST", "/faces"),
            ("POST", "/save"),
        ]
    }

    fn answer(&self, request: &Request) -> Option<Answer> {
        let answer = match (request.method.as_str(), request.path.as_str()) {
            ("GET", "/") => sealed(PAGE),
            ("GET", "/state.json") => self.state(&self.lock(), ""),
            ("GET", "/base.jpg") => self.view(true),
            ("GET", "/patch.jpg") => self.view(false),
            ("GET", "/donor.jpg") => self.donor(request),
            ("GET", "/picture.png") => self.finished(),
            ("GET", "/face.json") => self.session(),
            ("POST", "/do") => self.act(&request.body),
            ("POST", "/preview") => self.preview(&request.body),
            ("POST", "/faces") => self.other_faces(),
            ("POST", "/save") => self.save(),
            _ => return None,
        };
        Some(answer.into())
    }
}

fn operation(body: &[u8]) -> std::result::Result<Operation, Response> {
    serde_json::from_slice(body)
        .map_err(|e| Response::text(400, &format!("not an edit: {}", one_line(&e.to_string()))))
}

fn json(value: &Value) -> Response {
    Response::content("application/json", value.to_string().into_bytes())
}

/// What the user can fix is 400.
fn refusal(error: &Error) -> Response {
    let status = if error.exit_code() == 2 { 400 } else { 503 };
    Response::text(status, &one_line(&error.to_string()))
}

/// A picture, or the part of it at `place`, as a JPEG.
fn picture(drawn: Result<RgbImage>, place: Option<[u32; 4]>) -> Response {
    let drawn = match drawn {
        Ok(drawn) => drawn,
        Err(e) => return refusal(&e),
    };
    let part = match place {
        Some([x, y, width, height]) => imageops::crop_imm(&drawn, x, y, width, height).to_image(),
        None => drawn,
    };
    let mut content = Vec::new();
    match jpeg::encode(&part, &mut content) {
        Ok(()) => Response::content("image/jpeg", content),
        Err(e) => Response::text(503, &e),
    }
}
