//! Pages for a browser, served by this process: a machine without a screen is watched and steered from another.
//!
//! `server` accepts connections, for which there are `places`, and each of which (`connection`) must get on; `gate` decides
//! who may ask, `http` reads requests and writes answers, `live` is the page of the live loop, `edit` that of the editor, `start` leads to them, `detect` finds faces in pictures that are sent, which
//! come in by `intake`. A further page implements [`Pages`] and is handed to [`Server::start`]; the gate stands before it.
//!
//! Requests are parsed by `httparse`; sockets are the standard library's, one thread each. Of the small server crates
//! none sets time limits: a peer that stalls would hold a thread for ever.

mod connection;
mod detect;
pub mod edit;
#[cfg(feature = "cli")]
pub mod foreign;
mod gate;
mod http;
mod intake;
pub mod live;
mod places;
mod sealed;
mod server;
mod start;

pub use self::detect::DetectApi;
pub use crate::error::serve::Error;
pub use gate::Access;
pub use http::{Answer, Body, Pages, Request, Response, Route};
pub use intake::Intake;
pub use server::Server;
pub use start::{Job, StartPages};
