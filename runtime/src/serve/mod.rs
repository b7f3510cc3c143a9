//! Pages for a browser, served by this process: a machine without a screen is watched and steered from another.
//!
//! `server` accepts connections, `gate` decides who may ask, `http` reads requests and writes answers, `live` is the page
//! of the live loop, `edit` that of the editor, `detect` finds faces in pictures that programs send. A further page implements [`Pages`] and is handed to [`Server::start`]; the gate stands before it.
//!
//! Requests are parsed by `httparse`; sockets are the standard library's, one thread each. Of the small server crates
//! none sets time limits: a peer that stalls would hold a thread for ever.

mod detect;
pub mod edit;
mod gate;
mod http;
pub mod live;
mod sealed;
mod server;

pub use self::detect::DetectApi;
pub use crate::error::serve::Error;
pub use gate::Access;
pub use http::{Answer, Body, Pages, Request, Response, Route};
pub use server::Server;
