//! `POST /api/detect`: the faces of a picture that a program sends, as `runtime detect --json` prints them. The picture is
//! held in memory only, and only one at a time.

use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use lkg_bundle::Bundle;

use super::{Answer, Body, Pages, Request, Response, Route};
use crate::engine::EngineOptions;
use crate::error::{Error, Result, one_line};
use crate::media::detections::{DetectionFormat, DetectionWriter, Found};
use crate::media::picture::{self, MAX_FILE_BYTES};
use crate::vision::detect::FaceDetector;
use crate::vision::track::LIVE_CONFIDENCE;

/// What `file` is where the request does not name the picture.
const UNNAMED: &str = "picture";

/// How long a picture may take to arrive.
const ARRIVAL: Duration = Duration::from_secs(60);

/// How long a request waits for those before it.
const PATIENCE: Duration = Duration::from_secs(30);

/// Requests that wait at once; more are asked to come back.
const WAITING: usize = 8;

/// How much the live loop comes first where the processor is scarce.
const NICENESS: i32 = 5;

/// Finds faces in pictures that are sent, with a session of its own beside the live loop's.
pub struct DetectApi {
    bundle: Bundle,
    engine: EngineOptions,
    queue: Arc<Queue>,
    /// Opened at the first request.
    opened: Mutex<Option<Opened>>,
}

struct Opened {
    detector: FaceDetector,
    writer: DetectionWriter,
}

impl DetectApi {
    /// The detector of `bundle`, which is opened when the first picture comes.
    pub fn new(bundle: Bundle, engine: EngineOptions) -> Self {
        Self { bundle, engine, queue: Arc::default(), opened: Mutex::default() }
    }

    fn detect(&self, request: &Request) -> Response {
        if request.body.is_empty() {
            return Response::text(400, "the body is empty: send a picture");
        }
        let read = match picture::decode(&request.body) {
            Ok(read) => read,
            Err(reason) => return Response::text(400, &one_line(&reason)),
        };
        let file = request.decoded("file").unwrap_or_else(|| UNNAMED.to_owned());
        match self.describe(&read.pixels, &file) {
            Ok(json) => Response::content("application/json", json),
            Err(e) => Response::text(503, &one_line(&e.to_string())),
        }
    }

    fn describe(&self, picture: &image::RgbImage, file: &str) -> Result<Vec<u8>> {
        // Of this thread and those that the session starts from it. Where it is refused, the loop is no worse off than
        // beside any other program.
        rustix::process::nice(NICENESS).ok();
        let manifest = self.bundle.manifest();
        let mut opened = lock(&self.opened);
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
        let Some(turn) = self.queue.take(PATIENCE) else {
            return Err(
                Response::text(503, "other pictures come first; try again later").with("Retry-After", "5")
            );
        };
        Ok(Body { most: MAX_FILE_BYTES as usize, within: ARRIVAL, place: Some(Box::new(turn)) })
    }

    fn answer(&self, request: &Request) -> Option<Answer> {
        Some(self.detect(request).into())
    }
}

/// Lets one through at a time.
#[derive(Default)]
struct Queue {
    state: Mutex<QueueState>,
    changed: Condvar,
}

#[derive(Default)]
struct QueueState {
    taken: bool,
    waiting: usize,
}

impl Queue {
    /// A turn, which lasts until it is dropped; none if too many wait, or if it does not come within `patience`.
    fn take(self: &Arc<Self>, patience: Duration) -> Option<Turn> {
        let deadline = Instant::now() + patience;
        let mut state = lock(&self.state);
        if state.taken && state.waiting >= WAITING {
            return None;
        }
        state.waiting += 1;
        while state.taken {
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                state.waiting -= 1;
                return None;
            }
            state = self.changed.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner).0;
        }
        state.waiting -= 1;
        state.taken = true;
        Some(Turn(Arc::clone(self)))
    }
}

struct Turn(Arc<Queue>);

impl Drop for Turn {
    fn drop(&mut self) {
        lock(&self.0.state).taken = false;
        self.0.changed.notify_one();
    }
}

fn lock<T>(of: &Mutex<T>) -> MutexGuard<'_, T> {
    // What a panic leaves is replaced whole by the next picture.
    of.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_comes_after_the_other() {
        let queue = Arc::new(Queue::default());
        let first = queue.take(Duration::ZERO).unwrap();
        assert!(queue.take(Duration::from_millis(5)).is_none());
        let waiting: Vec<_> = (0..WAITING)
            .map(|_| {
                let queue = Arc::clone(&queue);
                std::thread::spawn(move || queue.take(Duration::from_secs(20)).is_some())
            })
            .collect();
        while lock(&queue.state).waiting < WAITING {
            std::thread::yield_now();
        }
        let start = Instant::now();
        assert!(queue.take(Duration::from_secs(20)).is_none() && start.elapsed() < Duration::from_secs(5));
        drop(first);
        assert!(waiting.into_iter().all(|thread| thread.join().unwrap()));
        assert!(queue.take(Duration::ZERO).is_some());
    }
}
