//! Pictures that are sent: held in memory only, one at a time, within the limits that files have.

use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::{Body, Request, Response};
use crate::error::{Error, one_line};
use crate::media::SentPhoto;
use crate::media::picture::{self, MAX_FILE_BYTES, ReadPicture};
use crate::vision::choice::FaceChoice;
use crate::vision::detect::HINTS;

/// What a picture is called that the request does not name.
pub(super) const UNNAMED: &str = "picture";

/// Longest name of a photo, in characters.
const MOST_NAME: usize = 80;

/// How long a picture may take to arrive.
const ARRIVAL: Duration = Duration::from_secs(60);

/// How long a request waits for those before it.
const PATIENCE: Duration = Duration::from_secs(30);

/// How much the live loop comes first where the processor is scarce.
const NICENESS: i32 = 5;

/// Requests that wait at once; more are asked to come back.
const WAITING: usize = 8;

/// Where pictures come in; clones share their turn.
#[derive(Clone, Default)]
pub struct Intake(Arc<Queue>);

impl Intake {
    /// The body that a route of pictures takes: what is sent waits here for its turn.
    ///
    /// # Errors
    /// The answer to a request that has to come again later.
    pub(super) fn admit(&self) -> Result<Body, Response> {
        let Some(turn) = self.0.take(PATIENCE) else {
            return Err(
                Response::text(503, "other pictures come first; try again later").with("Retry-After", "5")
            );
        };
        Ok(Body { most: MAX_FILE_BYTES as usize, within: ARRIVAL, place: Some(Box::new(turn)) })
    }
}

/// The picture in a body.
///
/// # Errors
/// The answer to what is none.
pub(super) fn decode(body: &[u8]) -> Result<ReadPicture, Response> {
    if body.is_empty() {
        return Err(Response::text(400, "the body is empty: send a picture"));
    }
    // Of this thread and those that networks start from it. Where it is refused, the loop is no worse off than beside any other
    // program.
    rustix::process::nice(NICENESS).ok();
    picture::decode(body).map_err(|reason| Response::text(400, &one_line(&reason)))
}

/// The photo of a request, `?file=NAME&face=N|largest|X,Y&anyway=1`.
///
/// # Errors
/// The answer to what is none.
pub(super) fn photo(request: &Request) -> Result<SentPhoto, Response> {
    let read = decode(&request.body)?;
    let choice = match request.decoded("face") {
        Some(text) => text.parse::<FaceChoice>().map_err(|e| Response::text(400, &format!("face: {e}")))?,
        None => FaceChoice::Largest,
    };
    let anyway = request.parameter("anyway") == Some("1");
    Ok(SentPhoto { read, name: plain_name(&request.decoded("file").unwrap_or_default()), choice, anyway })
}

/// A name for messages and sessions, whatever was sent: no path, and on one line.
fn plain_name(sent: &str) -> String {
    let last = sent.rsplit(['/', '\\']).next().unwrap_or_default();
    let plain: String = last.chars().filter(|c| !c.is_control()).take(MOST_NAME).collect();
    if plain.trim().is_empty() { UNNAMED.to_owned() } else { plain }
}

/// What is said of a photo, called `name`, that was opened with these notes.
pub(super) fn said(name: &str, notes: &[String]) -> String {
    if notes.is_empty() { name.to_owned() } else { without_flags(&notes.join("; ")) }
}

/// Who sends a photo has no flags.
fn without_flags(text: &str) -> String {
    HINTS.iter().fold(text.to_owned(), |text, hint| text.replace(hint, ""))
}

/// The answer where a photo was not opened: 422 says that it can be read, but has not the face that was meant.
pub(super) fn refusal(error: &Error) -> Response {
    let text = without_flags(&one_line(&error.to_string()));
    match error {
        Error::Picture { .. } => Response::text(422, &text),
        _ => Response::text(if error.exit_code() == 2 { 400 } else { 503 }, &text),
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
    // What is in it is whole at any time.
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

    #[test]
    fn names_lead_nowhere() {
        for (sent, kept) in [
            ("a b.jpg", "a b.jpg"),
            ("../../etc/passwd", "passwd"),
            ("C:\\photos\\me.png", "me.png"),
            ("two\nlines\u{1b}[2J", "twolines[2J"),
            ("", UNNAMED),
            ("a/", UNNAMED),
        ] {
            assert_eq!(plain_name(sent), kept, "{sent:?}");
        }
        assert_eq!(plain_name(&"\u{e4}".repeat(500)).chars().count(), MOST_NAME);
    }
}
