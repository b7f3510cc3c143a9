use std::sync::Arc;

use image::RgbImage;
use lkg_bundle::Manifest;
use serde_json::{Value, json};

use super::hub::Hub;
use super::page::LivePages;
use crate::live::{Command, Offered, Status, Viewer};
use crate::media;
use crate::media::detections::{Describer, Found};
use crate::media::sink::Shown;
use crate::serve::{Access, Error, Intake, Pages, Server};

/// Shows frames to browsers. Never waits for one.
pub struct LivePage {
    server: Server,
    hub: Hub,
    status: Value,
    /// What was found in the latest frame, for pictures that are none.
    detections: String,
    describer: Describer,
    /// What the frames come from, as it was named.
    source: String,
}

impl LivePage {
    /// Starts a server for at most `viewers` browsers that watch the keypoints of `manifest`, with `more` pages beside the live
    /// one. Photos come in by `intake`.
    ///
    /// # Errors
    /// [`Error`].
    pub fn start(
        access: &Access,
        viewers: usize,
        manifest: &Manifest,
        intake: Intake,
        more: Vec<Arc<dyn Pages>>,
    ) -> Result<Self, Error> {
        let hub = Hub::default();
        let keypoints: Vec<Value> =
            manifest.keypoints.iter().map(|k| json!({ "name": k.name, "colour": k.colour })).collect();
        let expressions: Vec<Value> = manifest
            .expressions
            .iter()
            .map(|e| json!({ "name": e.name, "range": e.range, "rest": e.rest }))
            .collect();
        let info = json!({ "bundle": manifest.name, "keypoints": keypoints, "expressions": expressions });
        hub.set_info(info.to_string());
        let mut pages: Vec<Arc<dyn Pages>> = vec![Arc::new(LivePages::new(hub.clone(), viewers, intake))];
        pages.extend(more);
        let server = Server::start(access, pages)?;
        hub.start_encoder();
        Ok(Self {
            server,
            hub,
            status: Value::Null,
            detections: "null".to_owned(),
            describer: Describer::new(manifest),
            source: String::new(),
        })
    }

    /// The same for frames of `source`, as it was named.
    pub fn of_source(self, source: String) -> Self {
        Self { source, ..self }
    }

    /// The same under a title that says what runs.
    pub fn titled(self, title: &'static str) -> Self {
        self.hub.set_title(title);
        self
    }

    /// The server.
    pub fn server(&self) -> &Server {
        &self.server
    }

    #[cfg(test)]
    pub(super) fn browsers(&self) -> usize {
        self.hub.browsers()
    }

    fn put(&self, picture: &RgbImage, frame: Option<(u64, f64)>) {
        let facts = json!({
            "frame": frame.map(|f| f.0),
            "time": frame.map(|f| f.1),
            "viewers": self.hub.browsers(),
            "run": self.status,
        });
        // Keypoints keep the order of the manifest, which a map of values would not.
        let facts = facts.to_string().replacen('{', &format!("{{\"detections\":{},", self.detections), 1);
        self.hub.put(picture, &in_ascii(&facts));
    }
}

impl Viewer for LivePage {
    fn name(&self) -> String {
        format!("http://{}", self.server.address())
    }

    fn show(&mut self, shown: &Shown<'_>) -> media::Result<()> {
        let found = Found::of(&self.source, shown);
        self.detections = lkg_bundle::json::to_string(&self.describer.describe(found))
            .map_err(|e| media::Error::Io { path: self.source.clone().into(), source: e.into() })?;
        self.put(shown.picture, Some((shown.index, shown.time.as_secs_f64())));
        Ok(())
    }

    fn hold(&mut self, picture: &RgbImage) -> media::Result<()> {
        self.put(picture, None);
        Ok(())
    }

    fn commands(&mut self) -> Vec<Command> {
        self.hub.take_commands()
    }

    fn offered(&mut self) -> Option<Offered> {
        self.hub.take_offered()
    }

    fn wants_status(&self) -> bool {
        true
    }

    fn report(&mut self, status: &Status) {
        self.hub.set_recordings(&status.recordings);
        self.hub.set_takes_source(status.takes_source);
        let names = status.recordings.iter().filter_map(|p| p.file_name()?.to_str());
        self.status = json!({
            "frames": status.frames,
            "dropped": status.dropped,
            "fps": status.fps,
            "stages": status.steps,
            "live": status.live,
            "takes_source": status.takes_source,
            "source": status.source,
            "engine": status.engine,
            "trouble": status.trouble,
            "switches": status.switches,
            "recordings": names.collect::<Vec<_>>(),
            "offers": status.offers,
        });
    }
}

/// JSON without letters beyond ASCII, as the head of a part must be.
fn in_ascii(json: &str) -> String {
    let mut out = String::with_capacity(json.len());
    for c in json.chars() {
        if c.is_ascii() {
            out.push(c);
        } else {
            let mut units = [0; 2];
            for unit in c.encode_utf16(&mut units) {
                out += &format!("\\u{unit:04x}");
            }
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn facts_are_ascii_and_the_same() {
        let value = json!({ "source": "Kamera \u{e4}\u{1f600} \"a\"" });
        let text = in_ascii(&value.to_string());
        assert!(text.is_ascii());
        assert_eq!(serde_json::from_str::<Value>(&text).unwrap(), value);
    }
}
