//! What can go wrong with pages for browsers.

use std::io;
use std::net::SocketAddr;

/// What can go wrong at the start of a server.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The port is taken, or may not be used.
    #[error("cannot listen at {address}: {source}; choose another port with --serve PORT")]
    Listen {
        /// Where it should have been.
        address: SocketAddr,
        /// The reason the operating system gave.
        source: io::Error,
    },
    /// Others than this machine's own users could watch, directly or by way of a proxy.
    #[error("{0} can be reached from elsewhere: give a token, too")]
    Open(SocketAddr),
}
