use std::sync::Arc;

use image::RgbImage;
use lkg_bundle::Manifest;
use serde_json::{Value, json};

use super::hub::Hub;
use super::page::LivePages;
use crate::frame::DetectedFace;
use crate::media;
use crate::media::control::{Standing, Wish};
use crate::media::sink::{Shown, Sink, Written};
use crate::serve::{Access, Error, Pages, Server};

/// Shows frames to browsers. Never waits for one.
pub struct LiveSink {
    server: Server,
    hub: Hub,
    standing: Value,
    /// What was said of the latest frame, for pictures that are none.
    face: Value,
}

impl LiveSink {
    /// Starts a server for at most `viewers` who look on at the keypoints of `manifest`, with `more` pages beside the live
    /// one.
    ///
    /// # Errors
    /// [`Error`].
    pub fn start(
        access: &Access,
        viewers: usize,
        manifest: &Manifest,
        more: Vec<Arc<dyn Pages>>,
    ) -> Result<Self, Error> {
        let hub = Hub::default();
        let keypoints: Vec<Value> =
            manifest.keypoints.iter().map(|k| json!({ "name": k.name, "colour": k.colour })).collect();
        hub.set_info(json!({ "bundle": manifest.name, "keypoints": keypoints }).to_string());
        let mut pages: Vec<Arc<dyn Pages>> = vec![Arc::new(LivePages::new(hub.clone(), viewers))];
        pages.extend(more);
        let server = Server::start(access, pages)?;
        hub.start_encoder();
        Ok(Self { server, hub, standing: Value::Null, face: Value::Null })
    }

    /// The server.
    pub fn server(&self) -> &Server {
        &self.server
    }

    #[cfg(test)]
    pub(super) fn hub_viewers(&self) -> usize {
        self.hub.viewers()
    }

    fn put(&self, picture: &RgbImage, frame: Option<(u64, f64)>) {
        let facts = json!({
            "frame": frame.map(|f| f.0),
            "time": frame.map(|f| f.1),
            "face": self.face,
            "viewers": self.hub.viewers(),
            "run": self.standing,
        });
        self.hub.put(picture, in_ascii(&facts.to_string()));
    }
}

impl Sink for LiveSink {
    fn name(&self) -> String {
        format!("http://{}", self.server.address())
    }

    fn write(&mut self, shown: &Shown<'_>) -> media::Result<()> {
        self.face = shown.face.map_or(Value::Null, describe);
        self.put(shown.picture, Some((shown.index, shown.time.as_secs_f64())));
        Ok(())
    }

    fn finish(self: Box<Self>) -> media::Result<Vec<Written>> {
        Ok(Vec::new())
    }

    fn is_watched(&self) -> bool {
        true
    }

    fn wants_standing(&self) -> bool {
        true
    }

    fn tell(&mut self, standing: Standing) {
        self.hub.set_recordings(&standing.recordings);
        let names = standing.recordings.iter().filter_map(|p| p.file_name()?.to_str());
        self.standing = json!({
            "frames": standing.frames,
            "dropped": standing.dropped,
            "fps": standing.fps,
            "stages": standing.stages,
            "source": standing.source,
            "engine": standing.engine,
            "trouble": standing.trouble,
            "switches": standing.switches,
            "recordings": names.collect::<Vec<_>>(),
            "offers": standing.offers,
        });
    }

    fn hold(&mut self, picture: &RgbImage) -> media::Result<()> {
        self.put(picture, None);
        Ok(())
    }

    fn wishes(&mut self) -> Vec<Wish> {
        self.hub.take_wishes()
    }
}

/// A face in as many digits as it is worth: pixels of the source's picture, confidence.
fn describe(face: &DetectedFace) -> Value {
    let rounded = |v: f32, scale: f64| (f64::from(v) * scale).round() / scale;
    let keypoints: Vec<[f64; 3]> = face
        .keypoints
        .iter()
        .map(|k| [rounded(k.x, 10.0), rounded(k.y, 10.0), rounded(k.confidence, 1e3)])
        .collect();
    json!({ "confidence": rounded(face.confidence(), 1e3), "keypoints": keypoints })
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
