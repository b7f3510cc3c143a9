use std::fs::File;
use std::io::{self, Cursor, Write};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use super::hub::{Hub, Part};
use crate::live::{Command, Switch};
use crate::serve::intake::{self, Intake};
use crate::serve::sealed::sealed;
use crate::serve::server::busy;
use crate::serve::{Answer, Body, Pages, Request, Response, Route};

/// The page: markup, style and script in one.
const PAGE: &str = include_str!("page.html");

/// What stands in it for the title.
const TITLE: &str = "{{title}}";

/// Where no frame comes the last one is sent again after this long.
const STILL: Duration = Duration::from_secs(1);

/// How long a single picture is waited for.
const PATIENCE: Duration = Duration::from_secs(3);

/// How long a photo may take to be opened by the loop.
const OPENING: Duration = Duration::from_secs(30);

/// What stands between the parts of a stream.
const BOUNDARY: &str = "frame";

/// The routes of the live page.
pub(super) struct LivePages {
    hub: Hub,
    most: usize,
    intake: Intake,
}

impl LivePages {
    pub fn new(hub: Hub, most: usize, intake: Intake) -> Self {
        Self { hub, most, intake }
    }

    /// Pictures for as long as somebody watches, in the form that `<img>`, ffmpeg and VLC take. The head of each part says
    /// what is known of it, for the page.
    fn stream(&self) -> Answer {
        let Some(mut browser) = self.hub.join(self.most) else { return busy().into() };
        let kind = format!("multipart/x-mixed-replace; boundary={BOUNDARY}");
        let body = move |out: &mut dyn Write| -> io::Result<()> {
            while let Some(part) = browser.next(STILL) {
                write_part(out, &part)?;
            }
            write!(out, "--{BOUNDARY}--\r\n")?;
            out.flush()
        };
        Answer::Stream { headers: vec![("Content-Type", kind)], body: Box::new(body) }
    }

    fn snapshot(&self) -> Response {
        // One picture is no watching: it counts for nothing beyond its connection.
        let part = self.hub.join(usize::MAX).and_then(|mut browser| browser.next(PATIENCE));
        let Some(part) = part else { return Response::text(503, "there is no picture yet") };
        let mut png = Vec::new();
        match part.picture.write_to(&mut Cursor::new(&mut png), image::ImageFormat::Png) {
            Ok(()) => Response::content("image/png", png)
                .with("Content-Disposition", "attachment; filename=\"snapshot.png\""),
            Err(_) => Response::text(503, "the picture cannot be encoded"),
        }
    }

    /// What is known of the newest frame.
    fn state(&self) -> Response {
        match self.hub.facts() {
            Some(facts) => Response::content("application/json", format!("{facts}\n").into_bytes()),
            None => Response::text(503, "there is no picture yet"),
        }
    }

    /// `POST /command?name=calibrate`, or `name=follow&x=0.5&y=0.25` for whoever is at that share of the picture.
    fn command(&self, request: &Request) -> Response {
        let name = request.parameter("name").unwrap_or_default();
        let share = |name: &str| {
            request.parameter(name)?.parse().ok().filter(|share: &f32| (0.0..=1.0).contains(share))
        };
        let command = match (name, share("x"), share("y")) {
            ("follow", Some(x), Some(y)) => Some(Command::FollowAt([x, y])),
            ("follow", ..) => return Response::text(400, "x and y are shares of the picture, 0 to 1"),
            _ => Command::named(name),
        };
        match command {
            Some(command) => {
                self.hub.command(command);
                Response::done()
            }
            None => Response::text(400, "there is no such command"),
        }
    }

    /// `POST /source` with a picture: it is driven from now on, in the place of the one shown.
    fn source(&self, request: &Request) -> Response {
        let photo = match intake::photo(request) {
            Ok(photo) => photo,
            Err(refused) => return refused,
        };
        let name = photo.name.clone();
        match self.hub.offer(photo).recv_timeout(OPENING) {
            Ok(Ok(notes)) => {
                let said = intake::said(&name, &notes);
                let body = format!("{}\n", serde_json::json!({ "said": said }));
                Response::content("application/json", body.into_bytes())
            }
            Ok(Err(e)) => intake::refusal(&e),
            Err(_) => Response::text(503, "the program is busy, or ends; try again later"),
        }
    }

    /// `POST /switch?name=overlay&on=1`.
    fn turn(&self, request: &Request) -> Response {
        let name = request.parameter("name").unwrap_or_default();
        let switch = serde_json::from_value::<Switch>(serde_json::Value::String(name.to_owned()));
        let on = match request.parameter("on") {
            Some("1") => true,
            Some("0") => false,
            _ => return Response::text(400, "on is 1 or 0"),
        };
        match switch {
            Ok(switch) => {
                self.hub.command(Command::Set(switch, on));
                Response::done()
            }
            Err(_) => Response::text(400, "there is no such switch"),
        }
    }
}

impl Pages for LivePages {
    fn routes(&self) -> &'static [Route] {
        &[
            ("GET", "/live"),
            ("GET", "/info.json"),
            ("GET", "/stream.mjpg"),
            ("GET", "/snapshot.png"),
            ("POST", "/switch"),
            ("POST", "/command"),
            ("POST", "/wish"),
            ("POST", "/source"),
            ("GET", "/recordings/{name}"),
            ("GET", "/api/info"),
            ("GET", "/api/state"),
            ("GET", "/api/stream"),
        ]
    }

    fn admit(&self, request: &Request) -> Result<Body, Response> {
        match request.path.as_str() {
            "/source" if self.hub.takes_source() => self.intake.admit(),
            "/source" => Err(Response::text(409, "nothing is re-enacted here: start runtime reenact")),
            _ => Ok(Body::default()),
        }
    }

    fn answer(&self, request: &Request) -> Option<Answer> {
        let answer = match (request.method.as_str(), request.path.as_str()) {
            ("GET", "/live") => sealed(&PAGE.replace(TITLE, self.hub.title())).into(),
            ("GET", "/info.json" | "/api/info") => {
                Response::content("application/json", self.hub.info().into_bytes()).into()
            }
            ("GET", "/stream.mjpg" | "/api/stream") => self.stream(),
            ("GET", "/api/state") => self.state().into(),
            ("GET", "/snapshot.png") => self.snapshot().into(),
            ("POST", "/switch") => self.turn(request).into(),
            // Its first name was "/wish".
            ("POST", "/command" | "/wish") => self.command(request).into(),
            ("POST", "/source") => self.source(request).into(),
            ("GET", path) => {
                // Only what was recorded in this run has a name here: no path leads elsewhere.
                let name = path.strip_prefix("/recordings/")?;
                download(&self.hub.recording(name)?, name)
            }
            _ => return None,
        };
        Some(answer)
    }

    fn close(&self) {
        self.hub.close();
    }
}

fn write_part(out: &mut dyn Write, part: &Arc<Part>) -> io::Result<()> {
    write!(
        out,
        "--{BOUNDARY}\r\nContent-Type: image/jpeg\r\nContent-Length: {}\r\nX-Frame: {}\r\n\r\n",
        part.jpeg.len(),
        part.facts
    )?;
    out.write_all(&part.jpeg)?;
    out.write_all(b"\r\n")?;
    out.flush()
}

fn download(path: &Path, name: &str) -> Answer {
    let opened = File::open(path).and_then(|file| file.metadata().map(|m| (file, m.len())));
    let Ok((mut file, length)) = opened else {
        return Response::text(404, "the recording is gone").into();
    };
    let is_mp4 = path.extension().is_some_and(|ending| ending == "mp4");
    let content_type = if is_mp4 { "video/mp4" } else { "video/x-msvideo" };
    Answer::Stream {
        headers: vec![
            ("Content-Type", content_type.to_owned()),
            ("Content-Length", length.to_string()),
            // Names are made here, of letters, digits, dots and hyphens.
            ("Content-Disposition", format!("attachment; filename=\"{name}\"")),
        ],
        body: Box::new(move |out| io::copy(&mut file, out).map(|_| ())),
    }
}
