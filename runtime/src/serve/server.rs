use std::io::{self, BufWriter, Read, Write};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use super::connection::Connection;
use super::gate::{Access, Gate};
use super::http::{ARRIVAL, Answer, Pages, Request, Response, leads_to, write_head};
use super::places::{Phase, Place, Places};
use crate::error::serve::Error;

/// Pause before a wrong token is answered, so that guessing takes long.
const WRONG: Duration = Duration::from_millis(250);

/// How long a body that is not wanted may still come: who sends it reads the answer only then.
const UNWANTED: Duration = Duration::from_secs(2);

struct Shared {
    gate: Gate,
    pages: Vec<Arc<dyn Pages>>,
    places: Places,
    stopping: AtomicBool,
}

/// A running server. Dropped, it stops.
pub struct Server {
    address: SocketAddr,
    token: Option<String>,
    shared: Arc<Shared>,
}

impl Server {
    /// Listens and answers from now on. Port 0 means one that is free.
    ///
    /// # Errors
    /// [`Error`].
    pub fn start(access: &Access, pages: Vec<Arc<dyn Pages>>) -> Result<Self, Error> {
        if access.token.is_none() && !(access.address.ip().is_loopback() && access.names.is_empty()) {
            return Err(Error::Open(access.address));
        }
        let failed = |source| Error::Listen { address: access.address, source };
        let listener = TcpListener::bind(access.address).map_err(failed)?;
        let address = listener.local_addr().map_err(failed)?;
        let shared = Arc::new(Shared {
            gate: Gate::new(address, access),
            pages,
            places: Places::default(),
            stopping: AtomicBool::new(false),
        });
        let accepting = Arc::clone(&shared);
        std::thread::spawn(move || accept(&listener, &accepting));
        Ok(Self { address, token: access.token.clone(), shared })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// What to open in a browser for the page under `path`, which begins with a slash. Where any address of the machine will do, it is one that others reach.
    pub fn url(&self, path: &str) -> String {
        let mut shown = self.address;
        if shown.ip().is_unspecified() {
            shown.set_ip(own_address(shown.ip()));
        }
        let token = self.token.as_ref().map(|t| format!("?token={t}")).unwrap_or_default();
        format!("http://{shown}{path}{token}")
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.shared.stopping.store(true, Ordering::SeqCst);
        self.shared.pages.iter().for_each(|pages| pages.close());
        // The listener looks at the flag when somebody comes: so come.
        let mut address = self.address;
        if address.ip().is_unspecified() {
            address.set_ip(loopback(address.ip()));
        }
        TcpStream::connect_timeout(&address, Duration::from_millis(200)).ok();
    }
}

fn loopback(like: IpAddr) -> IpAddr {
    if like.is_ipv4() { Ipv4Addr::LOCALHOST.into() } else { Ipv6Addr::LOCALHOST.into() }
}

/// The address that this machine has towards others. Nothing is sent: a datagram socket only learns its way.
fn own_address(like: IpAddr) -> IpAddr {
    let (from, to): (SocketAddr, SocketAddr) = if like.is_ipv4() {
        ((Ipv4Addr::UNSPECIFIED, 0).into(), (Ipv4Addr::new(192, 0, 2, 1), 9).into())
    } else {
        ((Ipv6Addr::UNSPECIFIED, 0).into(), (Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 1), 9).into())
    };
    let socket = std::net::UdpSocket::bind(from).and_then(|s| s.connect(to).map(|()| s));
    socket.and_then(|s| s.local_addr()).map_or_else(|_| loopback(like), |a| a.ip())
}

fn accept(listener: &TcpListener, shared: &Arc<Shared>) {
    for stream in listener.incoming() {
        if shared.stopping.load(Ordering::SeqCst) {
            return;
        }
        let Ok(stream) = stream else {
            // Out of file descriptors, say: not at once again.
            std::thread::sleep(Duration::from_millis(50));
            continue;
        };
        let Ok(peer) = stream.peer_addr() else { continue };
        let stream = Arc::new(stream);
        let Some(place) = shared.places.enter(&stream, peer.ip()) else {
            // So short an answer to a new connection never waits.
            tracing::info!(%peer, "a connection too many");
            busy().write(&mut &*stream).ok();
            continue;
        };
        let shared = Arc::clone(shared);
        let conversing = std::thread::Builder::new().spawn(move || {
            // A peer that goes away is no news.
            converse(&stream, peer, &place, &shared).ok();
        });
        if let Err(e) = conversing {
            tracing::info!(%peer, "no thread for a connection: {e}");
        }
    }
}

fn converse(stream: &TcpStream, peer: SocketAddr, place: &Place, shared: &Shared) -> io::Result<()> {
    let mut connection = Connection::new(stream, place)?;
    connection.read_for(ARRIVAL);
    let begun = match Request::read(&mut connection)? {
        Ok(begun) => begun,
        Err(response) => {
            tracing::info!(%peer, status = response.status, "not a request");
            respond(&mut connection, stream, &response)?;
            return skip(&mut connection);
        }
    };
    // The query may hold the token.
    let (method, path) = (begun.request.method.clone(), begun.request.path.clone());
    let partial = begun.is_partial();
    let of_program = begun.request.is_of_program();
    let told = |response: Response| if of_program { response.for_program() } else { response };
    let refuse = |mut connection: Connection<'_>, response: Response| {
        tracing::info!(%peer, method, path, status = response.status, "request refused");
        respond(&mut connection, stream, &told(response))?;
        if partial { skip(&mut connection) } else { Ok(()) }
    };
    if let Some(refusal) = shared.gate.refuse(&begun.request) {
        if refusal.status == 401 {
            // It keeps its place, so that the places bound how many tokens are tried in a second.
            connection.does(Phase::Waiting);
            std::thread::sleep(WRONG);
        }
        return refuse(connection, refusal);
    }
    let pages = match pages_for(&shared.pages, &begun.request) {
        Ok(pages) => pages,
        Err(response) => return refuse(connection, response),
    };
    connection.does(Phase::Waiting);
    // Before the body is read: nobody else's is held in memory, nor that of somebody who may not ask.
    let body = match pages.admit(&begun.request) {
        Ok(body) => body,
        Err(response) => return refuse(connection, response),
    };
    connection.read_for(body.within);
    if partial {
        connection.does(Phase::Sending);
    }
    let request = match begun.finish(&mut connection, &body)? {
        Ok(request) => request,
        Err(response) => return refuse(connection, response),
    };
    connection.does(Phase::Waiting);
    let answer = pages.answer(&request);
    drop(body.place);
    drop(request);
    match answer {
        Some(Answer::Whole(response)) => respond(&mut connection, stream, &told(response)),
        Some(Answer::Stream { headers, body }) => {
            let mut out = BufWriter::new(connection);
            write_head(&mut out, 200, &headers)?;
            body(&mut out)?;
            out.flush()
        }
        None => respond(&mut connection, stream, &told(nothing())),
    }
}

fn nothing() -> Response {
    Response::text(404, "there is nothing here")
}

/// Whose routes a request is for. `Err` is the answer where it is nobody's.
pub(super) fn pages_for<'a>(
    pages: &'a [Arc<dyn Pages>],
    request: &Request,
) -> Result<&'a dyn Pages, Response> {
    let under = |pages: &Arc<dyn Pages>| {
        pages.routes().iter().filter(|(_, path)| leads_to(path, &request.path)).map(|(method, _)| *method)
    };
    match pages.iter().find(|pages| under(pages).any(|method| method == request.method)) {
        Some(pages) => Ok(pages.as_ref()),
        None => Err(match pages.iter().flat_map(under).next() {
            Some(method) => Response::text(405, &format!("{method} only")).with("Allow", method),
            None => nothing(),
        }),
    }
}

fn respond(connection: &mut Connection<'_>, stream: &TcpStream, response: &Response) -> io::Result<()> {
    response.write(&mut BufWriter::new(connection))?;
    stream.shutdown(Shutdown::Write)
}

/// Reads what nobody wants, for a while: closing at once would take the answer back.
fn skip(connection: &mut Connection<'_>) -> io::Result<()> {
    connection.does(Phase::Idle);
    connection.read_for(UNWANTED);
    let mut chunk = [0; 16 << 10];
    while connection.read(&mut chunk)? > 0 {}
    Ok(())
}

/// The answer to one too many.
pub(super) fn busy() -> Response {
    Response::text(503, "too many are watching; try again later").with("Retry-After", "5")
}
