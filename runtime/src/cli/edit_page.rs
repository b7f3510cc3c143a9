//! The editor on a page.

use std::sync::Arc;
use std::time::Duration;

use super::edit_args::MarkArgs;
use super::{edit_window, remark};
use crate::edit::Workspace;
use crate::error::{Error, Result};
use crate::interrupt;
use crate::media::mark;
use crate::serve::edit::{EditPages, Hands};
use crate::serve::{Access, Server};

/// Side of a face on the page's strip, in pixels.
pub(super) const TILE: u32 = 128;

/// Pause between looks at whether the user wants to end.
const IDLE: Duration = Duration::from_millis(100);

impl Hands for MarkArgs {
    fn picture(&self, bench: &mut Workspace) -> Result<Vec<u8>> {
        let mut picture = bench.finished()?;
        self.stamp(bench.origin(), &mut picture);
        mark::png(&picture, self.origin(bench.origin()))
            .map_err(|reason| Error::Picture { path: "the picture".into(), reason })
    }

    fn save(&self, bench: &mut Workspace) -> Result<String> {
        let said = edit_window::save(bench, *self)?;
        remark(&said);
        Ok(said)
    }
}

/// Serves the page until Ctrl-C.
///
/// # Errors
/// The port is taken.
pub fn run(bench: Workspace, access: &Access, mark: MarkArgs) -> Result<()> {
    let server = Server::start(access, vec![Arc::new(EditPages::new(bench, Box::new(mark)))])?;
    remark(&format!("edit page: {} (Ctrl-C ends)", server.url()));
    while !interrupt::requested() {
        std::thread::sleep(IDLE);
    }
    Ok(())
}
