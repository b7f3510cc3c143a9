use std::any::Any;
use std::borrow::Cow;
use std::io::{self, Read, Write};
use std::time::Duration;

/// Longest head of a request, in bytes.
const MAX_HEAD: usize = 16 << 10;

/// Most headers of a request.
const MAX_HEADERS: usize = 64;

/// Bytes that are read at once.
const CHUNK: usize = 16 << 10;

/// Longest body of a request, in bytes, unless its route takes longer ones.
const MAX_BODY: usize = 64 << 10;

/// How long the head of a request may take to arrive, and its body unless its route is more patient.
pub(super) const ARRIVAL: Duration = Duration::from_secs(10);

/// The body that a route takes.
pub struct Body {
    /// Most bytes of it.
    pub most: usize,
    /// How long it may take to arrive.
    pub within: Duration,
    /// Held from before the body is read until it is answered, where only so many may be at it at once.
    pub place: Option<Box<dyn Any + Send>>,
}

impl Default for Body {
    fn default() -> Self {
        Self { most: MAX_BODY, within: ARRIVAL, place: None }
    }
}

/// What was asked.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Request {
    /// `GET` or `POST`, as it was sent.
    pub method: String,
    /// The path, from its slash to the question mark.
    pub path: String,
    /// What follows the question mark.
    pub query: String,
    /// Names in lower case, values, in the order sent.
    pub headers: Vec<(String, String)>,
    /// What follows the head.
    pub body: Vec<u8>,
}

impl Request {
    /// The value of a header that was sent once; none if it was not sent, or more than once.
    pub fn header(&self, name: &str) -> Option<&str> {
        let mut values = self.headers.iter().filter(|(n, _)| n == name).map(|(_, value)| value.as_str());
        let value = values.next()?;
        values.next().is_none().then_some(value)
    }

    /// A value of the query, as it stands there: nothing is decoded.
    pub fn parameter(&self, name: &str) -> Option<&str> {
        let pairs = self.query.split('&').filter_map(|pair| pair.split_once('='));
        pairs.into_iter().find(|(n, _)| *n == name).map(|(_, value)| value)
    }

    /// A value of the query, decoded as forms encode it (`%20` or `+` for a space).
    pub fn decoded(&self, name: &str) -> Option<String> {
        let mut pairs = form_urlencoded::parse(self.query.as_bytes());
        pairs.find(|(n, _)| n == name).map(|(_, value)| value.into_owned())
    }

    /// Whether it is for a program, which is told of errors in JSON.
    pub(super) fn is_of_program(&self) -> bool {
        self.path == "/api" || self.path.starts_with("/api/")
    }

    /// Reads the head of a request. `Ok(Err(_))` is the answer to one that makes no sense.
    ///
    /// # Errors
    /// The connection broke off or was too slow.
    pub(super) fn read(stream: &mut impl Read) -> io::Result<Result<Begun, Response>> {
        let mut data = Vec::new();
        let mut chunk = [0; CHUNK];
        loop {
            let mut headers = [httparse::EMPTY_HEADER; MAX_HEADERS];
            let mut head = httparse::Request::new(&mut headers);
            match head.parse(&data) {
                Ok(httparse::Status::Complete(length)) => {
                    let Some(mut request) = Self::from_head(&head) else {
                        return Ok(Err(Response::text(400, "not a request")));
                    };
                    request.body = data.split_off(length);
                    return Ok(Ok(Begun { request }));
                }
                Ok(httparse::Status::Partial) if data.len() < MAX_HEAD => {}
                Ok(httparse::Status::Partial) | Err(httparse::Error::TooManyHeaders) => {
                    return Ok(Err(Response::text(431, "the head of the request is too long")));
                }
                Err(_) => return Ok(Err(Response::text(400, "not a request"))),
            }
            let n = read_some(stream, &mut chunk)?;
            data.extend_from_slice(&chunk[..n]);
        }
    }

    fn from_head(head: &httparse::Request<'_, '_>) -> Option<Self> {
        let target = head.path?;
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        let header = |h: &httparse::Header<'_>| {
            Some((
                h.name.to_ascii_lowercase(),
                std::str::from_utf8(h.value).ok()?.trim_matches([' ', '\t']).to_owned(),
            ))
        };
        Some(Self {
            method: head.method?.to_owned(),
            path: path.to_owned(),
            query: query.to_owned(),
            headers: head.headers.iter().map(header).collect::<Option<_>>()?,
            body: Vec::new(),
        })
    }
}

/// A request whose body is still to come.
pub(super) struct Begun {
    /// All but the rest of its body.
    pub request: Request,
}

impl Begun {
    /// Bytes of the body. `Err` is the answer to one whose length is not said.
    fn length(&self) -> Result<usize, Response> {
        let sent = |name: &str| self.request.headers.iter().any(|(n, _)| n == name);
        // Digits alone: the standard library takes a sign, too, which another program on the way may read otherwise.
        let digits =
            |text: &str| text.bytes().all(|b| b.is_ascii_digit()).then(|| text.parse().ok()).flatten();
        match self.request.header("content-length").map(digits) {
            _ if sent("transfer-encoding") => Err(Response::text(411, "give the length of the body")),
            None if sent("content-length") => Err(Response::text(400, "not a request")),
            None => Ok(0),
            Some(length) => length.ok_or_else(|| Response::text(400, "not a request")),
        }
    }

    /// Whether more of the body is to come.
    pub fn is_partial(&self) -> bool {
        self.length().map_or(true, |length| self.request.body.len() < length)
    }

    /// Reads the body. `Ok(Err(_))` is the answer to one that is too long.
    ///
    /// # Errors
    /// The connection broke off or was too slow.
    pub fn finish(
        mut self,
        stream: &mut (impl Read + Write),
        body: &Body,
    ) -> io::Result<Result<Request, Response>> {
        let length = match self.length() {
            Ok(length) if length > body.most => {
                let most = match body.most {
                    most if most < 1 << 20 => format!("{} KiB", most >> 10),
                    most => format!("{} MiB", most >> 20),
                };
                return Ok(Err(Response::text(413, &format!("the body is too long: {most} at most"))));
            }
            Ok(length) => length,
            Err(refused) => return Ok(Err(refused)),
        };
        let waits = self.request.header("expect").is_some_and(|e| e.eq_ignore_ascii_case("100-continue"));
        if waits && self.is_partial() {
            stream.write_all(b"HTTP/1.1 100 Continue\r\n\r\n")?;
        }
        let held = &mut self.request.body;
        if held.try_reserve_exact(length.saturating_sub(held.len())).is_err() {
            return Ok(Err(Response::text(503, "there is no memory for the body")));
        }
        let mut chunk = [0; CHUNK];
        while held.len() < length {
            let n = read_some(stream, &mut chunk)?;
            held.extend_from_slice(&chunk[..n]);
        }
        held.truncate(length);
        Ok(Ok(self.request))
    }
}

fn read_some(stream: &mut impl Read, chunk: &mut [u8]) -> io::Result<usize> {
    match stream.read(chunk)? {
        0 => Err(io::ErrorKind::UnexpectedEof.into()),
        n => Ok(n),
    }
}

/// A whole answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Response {
    /// The status, as 200.
    pub status: u16,
    /// Headers beside those that every answer has.
    pub headers: Vec<(&'static str, String)>,
    /// What follows the head.
    pub body: Cow<'static, [u8]>,
}

impl Response {
    /// Content of a kind, as `image/png`.
    pub fn content(kind: &str, body: impl Into<Cow<'static, [u8]>>) -> Self {
        Self { status: 200, headers: vec![("Content-Type", kind.to_owned())], body: body.into() }
    }

    /// A line of text with a status.
    pub fn text(status: u16, line: &str) -> Self {
        let body = format!("{line}\n").into_bytes();
        Self { status, ..Self::content("text/plain; charset=utf-8", body) }
    }

    /// Success that needs no words.
    pub fn done() -> Self {
        Self { status: 204, headers: Vec::new(), body: Cow::Borrowed(&[]) }
    }

    /// The same with a further header.
    #[must_use]
    pub fn with(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }

    /// The same for a program: an error, which is a line of text, as `{"status": 400, "error": "..."}`.
    pub(super) fn for_program(self) -> Self {
        if self.status < 400 {
            return self;
        }
        let error = String::from_utf8_lossy(&self.body);
        let body = format!("{}\n", serde_json::json!({ "status": self.status, "error": error.trim_end() }));
        let kept = self.headers.into_iter().filter(|(name, _)| *name != "Content-Type");
        let kind = ("Content-Type", "application/json".to_owned());
        Self { headers: kept.chain([kind]).collect(), body: body.into_bytes().into(), ..self }
    }

    pub(super) fn write(&self, out: &mut impl Write) -> io::Result<()> {
        let mut headers = self.headers.clone();
        headers.push(("Content-Length", self.body.len().to_string()));
        write_head(out, self.status, &headers)?;
        out.write_all(&self.body)?;
        out.flush()
    }
}

/// Writes the rest of an answer whose length is not known, until it ends or the peer is gone.
pub type Streamed = Box<dyn FnOnce(&mut dyn Write) -> io::Result<()> + Send>;

/// An answer.
pub enum Answer {
    /// All at once.
    Whole(Response),
    /// A head, then bytes for as long as there are any.
    Stream {
        /// Headers beside those that every answer has.
        headers: Vec<(&'static str, String)>,
        /// Writes them.
        body: Streamed,
    },
}

impl From<Response> for Answer {
    fn from(response: Response) -> Self {
        Self::Whole(response)
    }
}

/// A method and a path; a last part in braces, as in `/recordings/{name}`, stands for the rest of a path.
pub type Route = (&'static str, &'static str);

/// Whether `path` is one of a route's.
pub(super) fn leads_to(route: &str, path: &str) -> bool {
    match route.split_once('{') {
        Some((before, _)) => path.strip_prefix(before).is_some_and(|rest| !rest.is_empty()),
        None => route == path,
    }
}

/// Answers requests for some paths.
pub trait Pages: Send + Sync {
    /// What is answered: requests for anything else do not come here.
    fn routes(&self) -> &'static [Route];

    /// The body that is taken of a request that passed the gate, or why it is not.
    ///
    /// # Errors
    /// The answer to a request that cannot be taken now.
    fn admit(&self, _request: &Request) -> Result<Body, Response> {
        Ok(Body::default())
    }

    /// The answer to a request that passed the gate; none if there is nothing under its path.
    fn answer(&self, request: &Request) -> Option<Answer>;

    /// Ends the streams of these pages: the server stops.
    fn close(&self) {}
}

/// Writes the head of an answer. Nothing may be stored, embedded elsewhere, or taken for another kind than it says.
pub(super) fn write_head(
    out: &mut (impl Write + ?Sized),
    status: u16,
    headers: &[(&'static str, String)],
) -> io::Result<()> {
    let mut head = format!("HTTP/1.1 {status} {}\r\n", reason(status));
    for (name, value) in headers {
        head += &format!("{name}: {value}\r\n");
    }
    if !headers.iter().any(|(name, _)| *name == "Content-Security-Policy") {
        head += "Content-Security-Policy: default-src 'none'; frame-ancestors 'none'\r\n";
    }
    head += "Cache-Control: no-store\r\n\
             Connection: close\r\n\
             Cross-Origin-Opener-Policy: same-origin\r\n\
             Cross-Origin-Resource-Policy: same-origin\r\n\
             Referrer-Policy: no-referrer\r\n\
             X-Content-Type-Options: nosniff\r\n\
             X-Frame-Options: DENY\r\n\r\n";
    out.write_all(head.as_bytes())
}

fn reason(status: u16) -> &'static str {
    match status {
        200 => "OK",
        204 => "No Content",
        303 => "See Other",
        400 => "Bad Request",
        401 => "Unauthorized",
        403 => "Forbidden",
        404 => "Not Found",
        405 => "Method Not Allowed",
        409 => "Conflict",
        411 => "Length Required",
        413 => "Content Too Large",
        422 => "Unprocessable Content",
        431 => "Request Header Fields Too Large",
        503 => "Service Unavailable",
        _ => "Error",
    }
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use super::*;

    fn read(text: &str) -> Result<Request, u16> {
        let mut stream = Cursor::new(text.as_bytes().to_vec());
        let begun = Request::read(&mut stream).unwrap().map_err(|r| r.status)?;
        begun.finish(&mut stream, &Body::default()).unwrap().map_err(|r| r.status)
    }

    #[test]
    fn requests_are_taken_apart() {
        let request =
            read("POST /a/b?x=1&y=%20 HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\n\r\nabcd").unwrap();
        assert_eq!((request.method.as_str(), request.path.as_str()), ("POST", "/a/b"));
        assert_eq!(
            (request.parameter("x"), request.parameter("y"), request.parameter("z")),
            (Some("1"), Some("%20"), None)
        );
        assert_eq!((request.header("host"), request.body.as_slice()), (Some("h"), &b"abc"[..]));
        let twice = read("GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n").unwrap();
        assert_eq!(twice.header("host"), None);
    }

    #[test]
    fn what_is_no_request_is_refused() {
        assert_eq!(read("hello\r\n\r\n"), Err(400));
        assert_eq!(read("POST / HTTP/1.1\r\nContent-Length: 99999999\r\n\r\n"), Err(413));
        for length in ["x", "+3", "-1", "0x3", "3, 3", "3 3", "\u{663}", "99999999999999999999999"] {
            let sent = format!("POST / HTTP/1.1\r\nContent-Length: {length}\r\n\r\nabc");
            assert_eq!(read(&sent), Err(400), "{length}");
        }
        assert_eq!(read("POST / HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab"), Err(400));
        assert_eq!(read("POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"), Err(411));
        assert_eq!(read(&format!("GET / HTTP/1.1\r\nA: {}\r\n\r\n", "a".repeat(MAX_HEAD + 4096))), Err(431));
        assert_eq!(read(&format!("GET / HTTP/1.1\r\n{}\r\n", "A: b\r\n".repeat(MAX_HEADERS + 1))), Err(431));
        assert!(Request::read(&mut &b"GET / HTTP/1.1\r\nHo"[..]).is_err());
    }

    #[test]
    fn names_in_a_query_are_decoded() {
        let request = read("GET /?x=1&file=a%20b+c%2B.jpg HTTP/1.1\r\n\r\n").unwrap();
        assert_eq!(request.decoded("file").as_deref(), Some("a b c+.jpg"));
        assert_eq!(request.decoded("y"), None);
    }

    #[test]
    fn programs_are_told_in_json() {
        let answer = Response::text(503, "later").with("Retry-After", "5").for_program();
        assert_eq!(&answer.body[..], b"{\"error\":\"later\",\"status\":503}\n");
        assert_eq!(answer.headers.len(), 2);
        assert_eq!(Response::done().for_program(), Response::done());
    }

    #[test]
    fn answers_cannot_be_stored_or_embedded() {
        let mut out = Vec::new();
        Response::text(404, "no").write(&mut out).unwrap();
        let text = String::from_utf8(out).unwrap();
        assert!(text.starts_with("HTTP/1.1 404 Not Found\r\n") && text.ends_with("\r\n\r\nno\n"));
        for part in ["no-store", "nosniff", "frame-ancestors 'none'", "same-origin", "Content-Length: 3"] {
            assert!(text.contains(part), "{part}");
        }
    }
}
