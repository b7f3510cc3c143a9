//! The editor on a page.

use std::sync::Arc;
use std::time::Duration;

use super::MarkArgs;
use super::window;
use crate::cli::args::Common;
use crate::cli::{remark, serve};
use crate::edit::{Blend, FaceModel, Workspace};
use crate::error::{Error, Result};
use crate::interrupt;
use crate::media::picture::png_like;
use crate::serve::edit::{EditPages, Export};
use crate::serve::{Access, DetectApi, Intake, Job, Server};

/// Side of a face on the page's strip, in pixels.
pub(super) const TILE: u32 = 128;

/// Pause between checks whether the user wants to end.
const IDLE: Duration = Duration::from_millis(100);

impl Export for MarkArgs {
    fn picture(&self, workspace: &mut Workspace) -> Result<Vec<u8>> {
        let (mut picture, mut alpha) = workspace.finished()?;
        self.stamp_whole(workspace.origin(), &mut picture, &mut alpha);
        png_like(&picture, &alpha, &workspace.opened().original, self.origin(workspace.origin()))
            .map_err(|reason| Error::Picture { path: "the picture".into(), reason })
    }

    fn save(&self, workspace: &mut Workspace) -> Result<String> {
        let said = window::save(workspace, *self)?;
        remark(&said);
        Ok(said)
    }

    fn leave(&self, workspace: &mut Workspace) {
        window::leave(workspace);
    }
}

/// How photos are edited that are sent.
#[derive(Clone, Debug, Default)]
pub(in crate::cli) struct Editing {
    /// How an edit gets into the photo.
    pub blend: Blend,
    /// Faces that come first on the strip.
    pub donors: Vec<String>,
    /// What is written into pictures.
    pub mark: MarkArgs,
}

/// The editor's pages for a workspace, or for the first photo that is sent, which a model that `model` makes opens.
pub(in crate::cli) fn pages(
    workspace: Option<Workspace>,
    Editing { blend, donors, mark }: Editing,
    model: impl Fn() -> FaceModel + Send + Sync + 'static,
    intake: Intake,
) -> EditPages {
    let first = move |sent| {
        let mut model = model();
        let opened = model.open_sent(sent)?;
        Ok(Workspace::new(model, opened, blend, &donors, TILE)?.of_sent())
    };
    EditPages::new(workspace, Box::new(first), Box::new(mark), intake)
}

/// Serves the page until Ctrl-C.
///
/// # Errors
/// The port is taken.
pub fn run(
    workspace: Option<Workspace>,
    editing: Editing,
    model: impl Fn() -> FaceModel + Send + Sync + 'static,
    (common, bundle): (&Common, &lkg_bundle::Bundle),
    access: &Access,
) -> Result<()> {
    let intake = Intake::default();
    let start = serve::start_page(&[Job::Editor], bundle, None);
    let detect = DetectApi::new(bundle.clone(), common.engine(), intake.clone());
    let edit = pages(workspace, editing, model, intake);
    let server = Server::start(access, vec![Arc::new(start), Arc::new(edit), Arc::new(detect)])?;
    remark(&format!("edit page: {} (Ctrl-C ends)", server.url(Job::Editor.path())));
    while !interrupt::requested() {
        std::thread::sleep(IDLE);
    }
    Ok(())
}
