//! The editor on a page.

use std::sync::Arc;
use std::time::Duration;

use super::MarkArgs;
use super::window;
use crate::cli::remark;
use crate::edit::Workspace;
use crate::error::{Error, Result};
use crate::interrupt;
use crate::media::picture::png_like;
use crate::serve::edit::{EditPages, Export};
use crate::serve::{Access, Server};

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
}

/// Serves the page until Ctrl-C.
///
/// # Errors
/// The port is taken.
pub fn run(workspace: Workspace, access: &Access, mark: MarkArgs) -> Result<()> {
    let server = Server::start(access, vec![Arc::new(EditPages::new(workspace, Box::new(mark)))])?;
    remark(&format!("edit page: {} (Ctrl-C ends)", server.url()));
    while !interrupt::requested() {
        std::thread::sleep(IDLE);
    }
    Ok(())
}
