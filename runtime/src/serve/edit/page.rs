use std::sync::{Mutex, MutexGuard, PoisonError};

use image::{RgbImage, imageops};
use serde_json::{Value, json};

use super::state::state;
use crate::edit::{Operation, Workspace};
use crate::error::{Error, Result, one_line};
use crate::media::{SentPhoto, jpeg};
use crate::serve::intake::{self, Intake};
use crate::serve::sealed::sealed;
use crate::serve::{Access, Answer, Body, Pages, Request, Response, Route};

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

    /// The program ends: sees to edits that were not saved.
    fn leave(&self, workspace: &mut Workspace);
}

/// Opens the first photo that is sent, where nothing is open.
pub type OpenFirst = Box<dyn Fn(SentPhoto) -> Result<Workspace> + Send + Sync>;

struct Editing {
    workspace: Workspace,
    /// Another one whenever another face is opened, here or by another run, so that a page sees that.
    run: String,
    /// Grows with everything that changes.
    revision: u64,
}

impl Editing {
    fn new(workspace: Workspace) -> Self {
        Self { workspace, run: Access::new_token().unwrap_or_default(), revision: 1 }
    }

    fn state(&self, said: &str) -> Response {
        let mut state = state(&self.workspace);
        state["run"] = self.run.clone().into();
        state["revision"] = self.revision.into();
        state["said"] = said.into();
        to_json(&state)
    }
}

/// The routes of the editor's page. All who open it edit the same face.
pub struct EditPages {
    /// None until a photo is sent, where none was named.
    editing: Mutex<Option<Editing>>,
    first: OpenFirst,
    export: Box<dyn Export>,
    intake: Intake,
}

impl EditPages {
    /// Pages for the face of a workspace, or for the first photo that is sent, which `first` opens.
    pub fn new(
        workspace: Option<Workspace>,
        first: OpenFirst,
        export: Box<dyn Export>,
        intake: Intake,
    ) -> Self {
        Self { editing: Mutex::new(workspace.map(Editing::new)), first, export, intake }
    }

    fn lock(&self) -> MutexGuard<'_, Option<Editing>> {
        // A session changes whole or not at all, so a panic elsewhere leaves it sound.
        self.editing.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Does something with what is being edited.
    fn with(&self, act: impl FnOnce(&mut Editing) -> Response) -> Response {
        match &mut *self.lock() {
            Some(editing) => act(editing),
            None => Response::text(409, "no photo is open: send one first"),
        }
    }

    fn state(&self) -> Response {
        match &*self.lock() {
            Some(editing) => editing.state(""),
            None => to_json(&json!({ "source": null, "run": null, "revision": 0, "said": "" })),
        }
    }

    /// `POST /photo` with a picture: it is edited from now on; answers the state.
    fn open(&self, request: &Request) -> Response {
        let sent = match intake::photo(request) {
            Ok(sent) => sent,
            Err(refused) => return refused,
        };
        let mut editing = self.lock();
        let opened = match editing.take() {
            None => (self.first)(sent).map(Editing::new),
            Some(mut before) => match before.workspace.open(sent) {
                Ok(()) => Ok(Editing::new(before.workspace)),
                Err(e) => {
                    *editing = Some(before);
                    Err(e)
                }
            },
        };
        match opened {
            Ok(opened) => {
                let about = opened.workspace.opened();
                let said = intake::said(&about.source, &about.notes);
                editing.insert(opened).state(&said)
            }
            Err(e) => intake::refusal(&e),
        }
    }

    /// `POST /do` with an operation, as `--do` files have them; answers the state.
    fn act(&self, body: &[u8]) -> Response {
        let operation = match operation(body) {
            Ok(operation) => operation,
            Err(refused) => return refused,
        };
        self.with(|editing| {
            let label = operation.label(editing.workspace.model().manifest());
            match editing.workspace.apply(&operation) {
                Ok(true) => {
                    editing.revision += 1;
                    editing.state(&label)
                }
                Ok(false) => editing.state(&format!("{label}: nothing changed")),
                Err(fault) => refusal(&fault.at("")),
            }
        })
    }

    /// `POST /preview` with an operation; answers what the picture would be where edits can change it.
    fn preview(&self, body: &[u8]) -> Response {
        let operation = match operation(body) {
            Ok(operation) => operation,
            Err(refused) => return refused,
        };
        self.with(|Editing { workspace, .. }| match workspace.preview(&operation) {
            Ok((face, locked)) => {
                let place = workspace.place();
                picture(workspace.draw(&face, &locked), Some(place))
            }
            Err(fault) => refusal(&fault.at("")),
        })
    }

    /// The picture as it is where edits can change it, or (`base`) all of it as it was.
    fn view(&self, base: bool) -> Response {
        self.with(|Editing { workspace, .. }| {
            let session = &workspace.opened().session;
            let (face, locked) =
                (if base { session.original() } else { session.face() }.clone(), session.locked().to_vec());
            let place = (!base).then(|| workspace.place());
            picture(workspace.draw(&face, &locked), place)
        })
    }

    fn donor(&self, request: &Request) -> Response {
        let i = request.parameter("i").and_then(|i| i.parse::<usize>().ok());
        self.with(|editing| match i.and_then(|i| editing.workspace.strip().get(i)) {
            Some(donor) => picture(Ok(donor.tile.clone()), None),
            None => Response::text(404, "no such face on the strip"),
        })
    }

    fn other_faces(&self) -> Response {
        self.with(|editing| match editing.workspace.other_faces() {
            Ok(()) => {
                editing.revision += 1;
                editing.state("other faces")
            }
            Err(e) => refusal(&e),
        })
    }

    fn save(&self) -> Response {
        self.with(|editing| match self.export.save(&mut editing.workspace) {
            Ok(said) => editing.state(&said),
            Err(e) => refusal(&e),
        })
    }

    fn finished(&self) -> Response {
        self.with(|editing| match self.export.picture(&mut editing.workspace) {
            Ok(png) => Response::content("image/png", png)
                .with("Content-Disposition", "attachment; filename=\"edited.png\""),
            Err(e) => refusal(&e),
        })
    }

    fn session(&self) -> Response {
        self.with(|Editing { workspace, .. }| match workspace.model().to_file(workspace.opened()).to_json() {
            Ok(text) => {
                // Whoever fetched it has it.
                workspace.note_saved();
                Response::content("application/json", text.into_bytes())
                    .with("Content-Disposition", "attachment; filename=\"face.json\"")
            }
            Err(e) => refusal(&e),
        })
    }
}

impl Pages for EditPages {
    fn routes(&self) -> &'static [Route] {
        &[
            ("GET", "/edit"),
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
            ("POST", "/photo"),
            ("GET", "/api/edit/state"),
        ]
    }

    fn admit(&self, request: &Request) -> std::result::Result<Body, Response> {
        if request.path == "/photo" { self.intake.admit() } else { Ok(Body::default()) }
    }

    fn answer(&self, request: &Request) -> Option<Answer> {
        let answer = match (request.method.as_str(), request.path.as_str()) {
            ("GET", "/edit") => sealed(PAGE),
            ("GET", "/state.json" | "/api/edit/state") => self.state(),
            ("GET", "/base.jpg") => self.view(true),
            ("GET", "/patch.jpg") => self.view(false),
            ("GET", "/donor.jpg") => self.donor(request),
            ("GET", "/picture.png") => self.finished(),
            ("GET", "/face.json") => self.session(),
            ("POST", "/do") => self.act(&request.body),
            ("POST", "/preview") => self.preview(&request.body),
            ("POST", "/faces") => self.other_faces(),
            ("POST", "/save") => self.save(),
            ("POST", "/photo") => self.open(request),
            _ => return None,
        };
        Some(answer.into())
    }

    fn close(&self) {
        if let Some(editing) = &mut *self.lock() {
            self.export.leave(&mut editing.workspace);
        }
    }
}

fn operation(body: &[u8]) -> std::result::Result<Operation, Response> {
    serde_json::from_slice(body)
        .map_err(|e| Response::text(400, &format!("not an edit: {}", one_line(&e.to_string()))))
}

fn to_json(value: &Value) -> Response {
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
