//! Who may ask for anything. A page open in the same browser may send requests here, too, and through a name that it
//! controls even read the answers (DNS rebinding): so names, origins and the token are checked before anything else.

use std::net::{IpAddr, SocketAddr};

use rustix::rand::{GetRandomFlags, getrandom};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

use super::http::{Request, Response};

/// Shortest token, in characters.
const SHORTEST: usize = 8;

/// How to be reached.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Access {
    /// Where to listen.
    pub address: SocketAddr,
    /// What who asks must know; none is for this machine's own users only.
    pub token: Option<String>,
    /// Other names by which it is asked for, in lower case, as those of a proxy before it. With one a token is needed.
    pub names: Vec<String>,
}

impl Access {
    /// Checks a token: letters, digits, and `-._~`, so that it can stand in an address and a cookie.
    ///
    /// # Errors
    /// What a token must be.
    pub fn check_token(token: &str) -> Result<(), String> {
        let plain = |b: u8| b.is_ascii_alphanumeric() || b"-._~".contains(&b);
        if token.len() >= SHORTEST && token.bytes().all(plain) {
            Ok(())
        } else {
            Err(format!("a token has at least {SHORTEST} letters, digits or -._~"))
        }
    }

    /// Checks a name of a host, without a port; gives it in lower case.
    ///
    /// # Errors
    /// What a name must be.
    pub fn check_name(name: &str) -> Result<String, String> {
        let plain = |b: u8| b.is_ascii_alphanumeric() || b"-.".contains(&b);
        if (1..=253).contains(&name.len()) && name.bytes().all(plain) {
            Ok(name.to_ascii_lowercase())
        } else {
            Err("a host's name has letters, digits, hyphens and dots, as faces.example.org".to_owned())
        }
    }

    /// A token that nobody can guess: 128 bits of the operating system's randomness.
    ///
    /// # Errors
    /// The operating system gives none.
    pub fn new_token() -> std::io::Result<String> {
        let mut bytes = [0u8; 16];
        let n = getrandom(&mut bytes, GetRandomFlags::empty())?;
        if n < bytes.len() {
            return Err(std::io::ErrorKind::UnexpectedEof.into());
        }
        Ok(bytes.iter().map(|b| format!("{b:02x}")).collect())
    }
}

/// Lets requests through or refuses them.
#[derive(Clone, Debug)]
pub(super) struct Gate {
    token: Option<String>,
    loopback: bool,
    hostname: String,
    names: Vec<String>,
    cookie: String,
}

impl Gate {
    /// A gate for a server that listens at `address`, which may have another port than was asked for.
    pub fn new(address: SocketAddr, access: &Access) -> Self {
        let hostname = rustix::system::uname().nodename().to_string_lossy().to_ascii_lowercase();
        // A browser sends a host's cookies to all of its ports.
        let cookie = format!("lkg-{}", address.port());
        let (token, names) = (access.token.clone(), access.names.clone());
        Self { token, loopback: address.ip().is_loopback(), hostname, names, cookie }
    }

    /// The answer to a request that may not pass, or that must come again with its token out of the address.
    pub fn refuse(&self, request: &Request) -> Option<Response> {
        let Some(host) = request.header("host") else {
            return Some(Response::text(400, "one Host header is needed"));
        };
        if !self.is_our_name(host) {
            return Some(Response::text(403, "this machine does not go by that name here: use its address"));
        }
        if !matches!(request.method.as_str(), "GET" | "POST") {
            return Some(Response::text(405, "GET or POST"));
        }
        let navigates = request.header("sec-fetch-mode") == Some("navigate");
        let foreign = matches!(request.header("sec-fetch-site"), Some("cross-site" | "same-site"));
        if foreign && !(navigates && request.method == "GET") {
            return Some(Response::text(403, "another site's page may not ask for this"));
        }
        if let Some(answer) = self.ask_token(request) {
            return Some(answer);
        }
        let origin = request.header("origin");
        let ours = origin.and_then(|o| o.split_once("://")).is_some_and(|(scheme, from)| {
            matches!(scheme, "http" | "https") && from.eq_ignore_ascii_case(host)
        });
        (request.method == "POST" && !ours).then(|| {
            let refused = "another site's page may not change this";
            // Browsers send it by themselves, programs have to be told.
            let told = origin.is_none().then(|| format!("{refused}: a program says Origin: http://{host}"));
            Response::text(403, told.as_deref().unwrap_or(refused))
        })
    }

    /// Asks for the token, and has a browser keep it as a cookie once it is known.
    fn ask_token(&self, request: &Request) -> Option<Response> {
        let token = self.token.as_ref()?;
        // Of digests: slices of different lengths would be told apart at once, and their length be seen.
        let digest = |text: &str| Sha256::digest(text.as_bytes());
        let right = |given: &str| bool::from(digest(given).as_slice().ct_eq(digest(token).as_slice()));
        let bearer = request.header("authorization").and_then(|v| v.strip_prefix("Bearer "));
        let cookies = request.header("cookie").into_iter().flat_map(|v| v.split(';'));
        let mut kept = cookies.filter_map(|c| c.trim().split_once('=')).filter(|(n, _)| *n == self.cookie);
        if bearer.is_some_and(right) || kept.any(|(_, value)| right(value)) {
            return None;
        }
        if !request.parameter("token").is_some_and(right) {
            return Some(Response::text(
                401,
                "open the address that was printed at the start, with its token",
            ));
        }
        let wants_page = request.header("accept").is_some_and(|a| a.contains("text/html"));
        (request.method == "GET" && wants_page).then(|| {
            let cookie = format!("{}={token}; Path=/; HttpOnly; SameSite=Lax; Max-Age=604800", self.cookie);
            Response { status: 303, ..Response::done() }
                .with("Location", clean_path(&request.path))
                .with("Set-Cookie", cookie)
        })
    }

    /// Whether a Host header names this machine by an address or by its own name.
    fn is_our_name(&self, host: &str) -> bool {
        let parts = match host.strip_prefix('[') {
            Some(rest) => {
                rest.split_once(']').map(|(name, rest)| (name, rest.strip_prefix(':'), rest.is_empty()))
            }
            None => Some(
                host.split_once(':').map_or((host, None, true), |(name, port)| (name, Some(port), false)),
            ),
        };
        let Some((name, port, is_whole)) = parts else { return false };
        if !is_whole && !port.is_some_and(|port| port.bytes().all(|b| b.is_ascii_digit())) {
            return false;
        }
        let name = name.to_ascii_lowercase();
        if name == "localhost" || self.names.contains(&name) {
            return true;
        }
        if let Ok(address) = name.parse::<IpAddr>() {
            return !self.loopback || address.is_loopback();
        }
        let own = !self.hostname.is_empty() && name.strip_suffix(".local").unwrap_or(&name) == self.hostname;
        !self.loopback && own
    }
}

/// A path that leads nowhere else: one beginning with two slashes would name another host.
fn clean_path(path: &str) -> String {
    format!("/{}", path.trim_start_matches(['/', '\\']))
}

#[cfg(test)]
mod tests {
    use super::*;

    const TOKEN: &str = "0123456789abcdef";

    fn gate(address: &str, token: Option<&str>) -> Gate {
        let hostname = "jetson".to_owned();
        let (address, token) = (address.parse().unwrap(), token.map(str::to_owned));
        Gate {
            hostname,
            ..Gate::new(address, &Access { address, token, names: vec!["faces.example".to_owned()] })
        }
    }

    fn status(gate: &Gate, method: &str, target: &str, headers: &[(&str, &str)]) -> u16 {
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        let headers = headers.iter().map(|(n, v)| ((*n).to_owned(), (*v).to_owned())).collect();
        let (method, path, query) = (method.to_owned(), path.to_owned(), query.to_owned());
        gate.refuse(&Request { method, path, query, headers, body: Vec::new() }).map_or(200, |r| r.status)
    }

    #[test]
    fn only_own_names_are_answered() {
        let home = gate("127.0.0.1:80", None);
        for (host, expected) in [
            ("127.0.0.1:80", 200),
            ("localhost:9000", 200),
            ("[::1]:80", 200),
            ("evil.example", 403),
            ("127.0.0.1.evil.example:80", 403),
            ("192.168.0.9", 403),
            ("jetson.local", 403),
            ("", 403),
            ("[::1]evil.example", 403),
            ("[::1", 403),
            ("localhost:80:evil.example", 403),
            ("127.0.0.1:evil.example", 403),
            ("localhost@evil.example", 403),
            ("localhost.", 403),
            // A name that was given for a proxy, and what only resembles it.
            ("Faces.Example", 200),
            ("faces.example:443", 200),
            ("faces.example.evil.example", 403),
            ("evilfaces.example", 403),
        ] {
            assert_eq!(status(&home, "GET", "/", &[("host", host)]), expected, "{host}");
        }
        assert_eq!(status(&home, "GET", "/", &[]), 400);
        assert_eq!(status(&home, "GET", "/", &[("host", "localhost"), ("host", "evil.example")]), 400);
        let open = gate("0.0.0.0:80", Some(TOKEN));
        let bearer = format!("Bearer {TOKEN}");
        for (host, expected) in
            [("192.168.0.9", 200), ("jetson", 200), ("JETSON.local:80", 200), ("jetson.evil.example", 403)]
        {
            let headers = [("host", host), ("authorization", bearer.as_str())];
            assert_eq!(status(&open, "GET", "/", &headers), expected, "{host}");
        }
    }

    #[test]
    fn a_token_must_be_known() {
        let gate = gate("0.0.0.0:8080", Some(TOKEN));
        let ask = |target: &str, header: (&str, &str)| {
            status(&gate, "GET", target, &[("host", "10.0.0.2"), header])
        };
        let cookie = |value: &str| format!("a=b; lkg-8080={value}");
        assert_eq!(ask("/", ("x", "")), 401);
        assert_eq!(ask("/?token=0123456789abcdeF", ("x", "")), 401);
        assert_eq!(ask("/?token=", ("authorization", "Bearer ")), 401);
        assert_eq!(ask("/?token=0123456789abcde", ("x", "")), 401);
        assert_eq!(ask("/?token=0123456789abcdef0", ("x", "")), 401);
        assert_eq!(ask("/?token=0123456789abcde%66", ("x", "")), 401);
        assert_eq!(ask("/", ("authorization", &format!("Bearer  {TOKEN}"))), 401);
        assert_eq!(ask("/", ("authorization", &format!("Basic {TOKEN}"))), 401);
        assert_eq!(ask("/", ("cookie", &cookie("wrong"))), 401);
        assert_eq!(ask("/", ("cookie", &cookie(TOKEN))), 200);
        assert_eq!(ask("/", ("authorization", &format!("Bearer {TOKEN}"))), 200);
        // A program gets its answer at once, a browser the cookie first and the address without the token.
        let target = format!("//evil.example?token={TOKEN}");
        assert_eq!(ask(&target, ("accept", "*/*")), 200);
        assert_eq!(ask(&target, ("accept", "text/html,*/*")), 303);
        assert_eq!(clean_path("//evil.example"), "/evil.example");
    }

    #[test]
    fn only_our_own_page_may_change_anything() {
        let gate = gate("127.0.0.1:80", None);
        let post = |headers: &[(&str, &str)]| {
            status(&gate, "POST", "/switch", &[&[("host", "localhost:80")], headers].concat())
        };
        assert_eq!(post(&[("origin", "http://localhost:80")]), 200);
        for bad in [
            "http://evil.example",
            "http://localhost:81",
            "null",
            "localhost:80",
            "file://localhost:80",
            "http://localhost:80.evil.example",
            "http://localhost:80/",
        ] {
            assert_eq!(post(&[("origin", bad)]), 403, "{bad}");
        }
        assert_eq!(post(&[]), 403);
        assert_eq!(post(&[("origin", "http://localhost:80"), ("sec-fetch-site", "cross-site")]), 403);
        let get = |headers: &[(&str, &str)]| {
            status(&gate, "GET", "/stream.mjpg", &[&[("host", "localhost:80")], headers].concat())
        };
        assert_eq!(get(&[("sec-fetch-site", "cross-site"), ("sec-fetch-mode", "no-cors")]), 403);
        assert_eq!(get(&[("sec-fetch-site", "cross-site"), ("sec-fetch-mode", "navigate")]), 200);
        assert_eq!(get(&[("sec-fetch-site", "same-origin"), ("sec-fetch-mode", "cors")]), 200);
        assert_eq!(status(&gate, "DELETE", "/", &[("host", "localhost")]), 405);
    }

    #[test]
    fn names_are_of_hosts() {
        assert_eq!(Access::check_name("Faces.Example.org"), Ok("faces.example.org".to_owned()));
        for bad in ["", "faces.example:443", "https://faces.example", "*", "a b", "f\u{e4}ces.example"] {
            assert!(Access::check_name(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn tokens_are_long_and_new() {
        assert!(Access::check_token("a-B.c_9~").is_ok());
        for bad in ["short", "with space", "semi;colon", "umlaut-ä-xx"] {
            assert!(Access::check_token(bad).is_err(), "{bad}");
        }
        let (a, b) = (Access::new_token().unwrap(), Access::new_token().unwrap());
        assert!(a != b && a.len() == 32 && Access::check_token(&a).is_ok());
    }
}
