use std::borrow::Cow;
use std::io::{self, Read, Write};
use std::time::{Duration, Instant};

/// Longest head of a request, in bytes.
const MAX_HEAD: usize = 16 << 10;

/// Most headers of a request.
const MAX_HEADERS: usize = 64;

/// Longest body of a request, in bytes.
const MAX_BODY: usize = 64 << 10;

/// How long a request may take to arrive.
const ARRIVAL: Duration = Duration::from_secs(10);

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

    /// Reads a request. `Ok(Err(_))` is the answer to one that makes no sense.
    ///
    /// # Errors
    /// The connection broke off or was too slow.
    pub(super) fn read(stream: &mut impl Read) -> io::Result<Result<Self, Response>> {
        let start = Instant::now();
        let mut data = Vec::new();
        let mut chunk = [0; 4096];
        loop {
            let mut headers = [httparse::EMPTY_HEADER; MAX_HEADERS];
            let mut head = httparse::Request::new(&mut headers);
            match head.parse(&data) {
                Ok(httparse::Status::Complete(length)) => {
                    let mut request = match Self::from_head(&head) {
                        Some(request) => request,
                        None => return Ok(Err(Response::text(400, "not a request"))),
                    };
                    let body = data.split_off(length);
                    return request.read_body(stream, body, start).map(|refused| match refused {
                        Some(response) => Err(response),
                        None => Ok(request),
                    });
                }
                Ok(httparse::Status::Partial) if data.len() < MAX_HEAD => {}
                Ok(httparse::Status::Partial) | Err(httparse::Error::TooManyHeaders) => {
                    return Ok(Err(Response::text(431, "the head of the request is too long")));
                }
                Err(_) => return Ok(Err(Response::text(400, "not a request"))),
            }
            let n = read_some(stream, &mut chunk, start)?;
            data.extend_from_slice(&chunk[..n]);
        }
    }

    fn from_head(head: &httparse::Request<'_, '_>) -> Option<Self> {
        let target = head.path?;
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        let header = |h: &httparse::Header<'_>| {
            Some((h.name.to_ascii_lowercase(), std::str::from_utf8(h.value).ok()?.trim().to_owned()))
        };
        Some(Self {
            method: head.method?.to_owned(),
            path: path.to_owned(),
            query: query.to_owned(),
            headers: head.headers.iter().map(header).collect::<Option<_>>()?,
            body: Vec::new(),
        })
    }

    fn read_body(
        &mut self,
        stream: &mut impl Read,
        begun: Vec<u8>,
        start: Instant,
    ) -> io::Result<Option<Response>> {
        let sent = |name: &str| self.headers.iter().any(|(n, _)| n == name);
        let length = match self.header("content-length").map(str::parse::<usize>) {
            _ if sent("transfer-encoding") => {
                return Ok(Some(Response::text(411, "give the length of the body")));
            }
            None if sent("content-length") => return Ok(Some(Response::text(400, "not a request"))),
            None => 0,
            Some(Ok(length)) if length <= MAX_BODY => length,
            Some(Ok(_)) => return Ok(Some(Response::text(413, "the body is too long"))),
            Some(Err(_)) => return Ok(Some(Response::text(400, "not a request"))),
        };
        self.body = begun;
        let mut chunk = [0; 4096];
        while self.body.len() < length {
            let n = read_some(stream, &mut chunk, start)?;
            self.body.extend_from_slice(&chunk[..n]);
        }
        self.body.truncate(length);
        Ok(None)
    }
}

fn read_some(stream: &mut impl Read, chunk: &mut [u8], start: Instant) -> io::Result<usize> {
    if start.elapsed() > ARRIVAL {
        return Err(io::ErrorKind::TimedOut.into());
    }
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

/// Answers requests for some paths.
pub trait Pages: Send + Sync {
    /// The answer to a request that passed the gate; none if its path is not among these pages.
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
        411 => "Length Required",
        413 => "Content Too Large",
        431 => "Request Header Fields Too Large",
        503 => "Service Unavailable",
        _ => "Error",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Request, u16> {
        Request::read(&mut text.as_bytes()).unwrap().map_err(|r| r.status)
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
        assert_eq!(read("POST / HTTP/1.1\r\nContent-Length: x\r\n\r\n"), Err(400));
        assert_eq!(read("POST / HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab"), Err(400));
        assert_eq!(read("POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"), Err(411));
        assert_eq!(read(&format!("GET / HTTP/1.1\r\nA: {}\r\n\r\n", "a".repeat(MAX_HEAD + 4096))), Err(431));
        assert_eq!(read(&format!("GET / HTTP/1.1\r\n{}\r\n", "A: b\r\n".repeat(MAX_HEADERS + 1))), Err(431));
        assert!(Request::read(&mut &b"GET / HTTP/1.1\r\nHo"[..]).is_err());
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
