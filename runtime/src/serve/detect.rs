//! `POST /api/detect`: the faces of a picture that a program sends, as `runtime detect --json` prints them.

use std::sync::{Mutex, PoisonError};

use lkg_bundle::Bundle;

use super::intake::{self, Intake, UNNAMED};
use super::{Answer, Body, Pages, Request, Response, Route};
use crate::engine::EngineOptions;
use crate::error::{Error, Result, one_line};
use crate::media::detections::{DetectionFormat, DetectionWriter, Found};
use crate::vision::detect::FaceDetector;
use crate::vision::track::LIVE_CONFIDENCE;

/// Finds faces in pictures that are sent, with a session of its own beside the live loop's.
pub struct DetectApi {
    bundle: Bundle,
    engine: EngineOptions,
    intake: Intake,
    /// Opened at the first request.
    opened: Mutex<Option<Opened>>,
}

struct Opened {
    detector: FaceDetector,
    writer: DetectionWriter,
}

impl DetectApi {
    /// The detector of `bundle`, which is opened when the first picture comes.
    pub fn new(bundle: Bundle, engine: EngineOptions, intake: Intake) -> Self {
        Self { bundle, engine, intake, opened: Mutex::default() }
    }

    fn detect(&self, request: &Request) -> Response {
        let read = match intake::decode(&request.body) {
            Ok(read) => read,
            Err(refused) => return refused,
        };
        let file = request.decoded("file").unwrap_or_else(|| UNNAMED.to_owned());
        match self.describe(&read.pixels, &file) {
            Ok(json) => Response::content("application/json", json),
            Err(e) => Response::text(503, &one_line(&e.to_string())),
        }
    }

    fn describe(&self, picture: &image::RgbImage, file: &str) -> Result<Vec<u8>> {
        let manifest = self.bundle.manifest();
        // What a panic leaves is replaced whole by the next picture.
        let mut opened = self.opened.lock().unwrap_or_else(PoisonError::into_inner);
        let Opened { detector, writer } = match &mut *opened {
            Some(opened) => opened,
            none => none.insert(Opened {
                detector: FaceDetector::new(&self.bundle, &self.engine)?,
                writer: DetectionWriter::new(DetectionFormat::Json, manifest),
            }),
        };
        let faces = detector.faces(picture, LIVE_CONFIDENCE)?;
        let size = picture.dimensions();
        let found = Found { file, size, faces: faces.as_slice().into(), ..Found::default() };
        let failed = |source| Error::Io { what: "writing JSON".to_owned(), source };
        Ok(writer.add(&found).map_err(failed)?.to_vec())
    }
}

impl Pages for DetectApi {
    fn routes(&self) -> &'static [Route] {
        &[("POST", "/api/detect")]
    }

    fn admit(&self, _request: &Request) -> std::result::Result<Body, Response> {
        self.intake.admit()
    }

    fn answer(&self, request: &Request) -> Option<Answer> {
        Some(self.detect(request).into())
    }
}
