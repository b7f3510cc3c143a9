//! A door for tests that feed foreign bytes to the pages: a request goes the way of one that came by a socket.

use std::io::Cursor;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;

use super::edit::{EditPages, Export};
use super::gate::Gate;
use super::http::{Answer, Pages, Request};
use super::server::pages_for;
use super::{Access, Intake};
use crate::edit::Workspace;
use crate::error::{Error, Result};

/// Pages that no socket leads to.
pub struct Unconnected {
    gate: Gate,
    pages: Vec<Arc<dyn Pages>>,
}

impl Unconnected {
    /// The editor's pages for what is open in `workspace`, behind `token` if there is one.
    pub fn new(workspace: Option<Workspace>, token: Option<&str>) -> Self {
        let first = Box::new(|_| Err(Error::Usage("no photo is taken here".to_owned())));
        let edit = EditPages::new(workspace, first, Box::new(NoExport), Intake::default());
        let pages: Vec<Arc<dyn Pages>> = vec![Arc::new(edit)];
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, 8080));
        let access = Access { address, token: token.map(str::to_owned), names: Vec::new() };
        Self { gate: Gate::new(address, &access), pages }
    }

    /// The status of the answer to the request that `bytes` hold; none if they end within it.
    pub fn answer(&self, bytes: &[u8]) -> Option<u16> {
        let mut stream = Cursor::new(bytes.to_vec());
        let begun = match Request::read(&mut stream).ok()? {
            Ok(begun) => begun,
            Err(refused) => return Some(refused.status),
        };
        if let Some(refused) = self.gate.refuse(&begun.request) {
            return Some(refused.status);
        }
        let pages = match pages_for(&self.pages, &begun.request) {
            Ok(pages) => pages,
            Err(refused) => return Some(refused.status),
        };
        let body = match pages.admit(&begun.request) {
            Ok(body) => body,
            Err(refused) => return Some(refused.status),
        };
        let request = match begun.finish(&mut stream, &body).ok()? {
            Ok(request) => request,
            Err(refused) => return Some(refused.status),
        };
        match pages.answer(&request) {
            Some(Answer::Whole(response)) => Some(response.status),
            Some(Answer::Stream { .. }) => Some(200),
            None => Some(404),
        }
    }
}

struct NoExport;

impl Export for NoExport {
    fn picture(&self, workspace: &mut Workspace) -> Result<Vec<u8>> {
        workspace.finished().map(|(picture, ..)| picture.into_raw())
    }

    fn save(&self, _workspace: &mut Workspace) -> Result<String> {
        Err(Error::Usage("nothing is saved here".to_owned()))
    }

    fn leave(&self, _workspace: &mut Workspace) {}
}
