//! Between the loop, which must never wait, and browsers, each of which watches as fast as it can.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::mpsc::Receiver;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use image::RgbImage;

use crate::error::Result;
use crate::live::{Command, Offered};
use crate::media::{SentPhoto, jpeg};

/// How long a picture may take to be sent before a browser gives way to one that comes. One that reads asks for the next
/// every second at least.
const STALLED: Duration = Duration::from_secs(2);

/// A picture as it is sent, with what is known of it.
pub(super) struct Part {
    pub jpeg: Vec<u8>,
    pub picture: RgbImage,
    /// One line of JSON in ASCII.
    pub facts: Arc<str>,
}

#[derive(Default)]
struct State {
    /// The newest frame, until somebody is there for whom it is worth encoding.
    raw: Option<(RgbImage, Arc<str>)>,
    part: Option<Arc<Part>>,
    /// How many parts there were.
    version: u64,
    /// Who watches, each with the time at which a picture was handed to it that is still being sent.
    browsers: BTreeMap<u64, Option<Instant>>,
    /// How many ever did.
    joined: u64,
    commands: Vec<Command>,
    /// A photo to be driven, until the loop takes it.
    offered: Option<Offered>,
    /// Whether the loop takes one.
    takes_source: bool,
    recordings: BTreeMap<String, PathBuf>,
    info: String,
    title: Option<&'static str>,
    /// What is known of the newest frame; none before the first.
    facts: Option<Arc<str>>,
    closed: bool,
}

/// Shared by the loop, the encoder and the connections.
#[derive(Clone, Default)]
pub(super) struct Hub(Arc<(Mutex<State>, Condvar)>);

impl Hub {
    fn lock(&self) -> MutexGuard<'_, State> {
        // A panic elsewhere leaves the state whole: what is assigned is assigned at once.
        self.0.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn wait<'a>(&self, state: MutexGuard<'a, State>, most: Duration) -> MutexGuard<'a, State> {
        self.0.1.wait_timeout(state, most).unwrap_or_else(PoisonError::into_inner).0
    }

    /// Starts the thread that encodes. It ends when the hub is closed.
    pub fn start_encoder(&self) {
        let hub = self.clone();
        std::thread::spawn(move || hub.encode_all());
    }

    fn encode_all(&self) {
        loop {
            let mut state = self.lock();
            let (picture, facts) = loop {
                if state.closed {
                    return;
                }
                match state.raw.take() {
                    Some(raw) if !state.browsers.is_empty() => break raw,
                    raw => state.raw = raw,
                }
                state = self.wait(state, Duration::from_secs(1));
            };
            drop(state);
            let mut jpeg = Vec::new();
            if jpeg::encode(&picture, &mut jpeg).is_err() {
                continue;
            }
            let mut state = self.lock();
            state.part = Some(Arc::new(Part { jpeg, picture, facts }));
            state.version += 1;
            self.0.1.notify_all();
        }
    }

    /// Puts the newest picture, which replaces one that nobody fetched.
    pub fn put(&self, picture: &RgbImage, facts: &str) {
        let facts: Arc<str> = facts.into();
        let mut state = self.lock();
        let held = match state.raw.take() {
            Some((mut held, _)) if held.dimensions() == picture.dimensions() => {
                held.copy_from_slice(picture);
                held
            }
            _ => picture.clone(),
        };
        state.facts = Some(Arc::clone(&facts));
        state.raw = Some((held, facts));
        if !state.browsers.is_empty() {
            self.0.1.notify_all();
        }
    }

    /// One browser more that watches, if there are fewer than `most`, or one of them does not take what it is sent: it loses
    /// its place.
    pub fn join(&self, most: usize) -> Option<Browser> {
        let mut state = self.lock();
        if state.closed {
            return None;
        }
        if state.browsers.len() >= most {
            let sending = state.browsers.iter().filter_map(|(id, since)| Some((since.as_ref()?, *id)));
            let (_, stalled) = sending.min().filter(|(since, _)| since.elapsed() > STALLED)?;
            state.browsers.remove(&stalled);
        }
        let id = state.joined;
        state.joined += 1;
        state.browsers.insert(id, None);
        // What was encoded for an earlier browser may be long past; what waits is not.
        let seen = if state.raw.is_some() { state.version } else { 0 };
        self.0.1.notify_all();
        drop(state);
        Some(Browser { hub: self.clone(), id, seen, last: None })
    }

    pub fn command(&self, command: Command) {
        self.lock().commands.push(command);
    }

    pub fn take_commands(&self) -> Vec<Command> {
        std::mem::take(&mut self.lock().commands)
    }

    /// Hands a photo to the loop, in the place of one that it has not taken yet. What becomes of it comes from what is given
    /// back.
    pub fn offer(&self, photo: SentPhoto) -> Receiver<Result<Vec<String>>> {
        let (offered, heard) = Offered::new(photo);
        self.lock().offered = Some(offered);
        heard
    }

    pub fn take_offered(&self) -> Option<Offered> {
        self.lock().offered.take()
    }

    pub fn takes_source(&self) -> bool {
        self.lock().takes_source
    }

    pub fn set_takes_source(&self, takes: bool) {
        self.lock().takes_source = takes;
    }

    /// The file of a recording that may be fetched, by its name.
    pub fn recording(&self, name: &str) -> Option<PathBuf> {
        self.lock().recordings.get(name).cloned()
    }

    pub fn set_recordings(&self, paths: &[PathBuf]) {
        let mut state = self.lock();
        if state.recordings.len() != paths.len() {
            let named = |path: &PathBuf| Some((path.file_name()?.to_str()?.to_owned(), path.clone()));
            state.recordings = paths.iter().filter_map(named).collect();
        }
    }

    /// What does not change during a run, as JSON.
    pub fn info(&self) -> String {
        self.lock().info.clone()
    }

    pub fn set_info(&self, info: String) {
        self.lock().info = info;
    }

    /// What runs, as it stands above the page.
    pub fn title(&self) -> &'static str {
        self.lock().title.unwrap_or("Live keypoints")
    }

    pub fn set_title(&self, title: &'static str) {
        self.lock().title = Some(title);
    }

    /// What is known of the newest frame; none before the first.
    pub fn facts(&self) -> Option<Arc<str>> {
        self.lock().facts.clone()
    }

    pub fn browsers(&self) -> usize {
        self.lock().browsers.len()
    }

    pub fn close(&self) {
        let mut state = self.lock();
        state.closed = true;
        // Who waits for an answer hears that there is none.
        state.offered = None;
        drop(state);
        self.0.1.notify_all();
    }
}

/// A browser that watches: gets the newest part, never an older one.
pub(super) struct Browser {
    hub: Hub,
    id: u64,
    seen: u64,
    last: Option<Arc<Part>>,
}

impl Browser {
    /// The next part. Where none comes in time the last one is given again, so that a peer that went away is noticed;
    /// none at the end, or when another has its place.
    pub fn next(&mut self, timeout: Duration) -> Option<Arc<Part>> {
        let deadline = Instant::now() + timeout;
        let hub = self.hub.clone();
        let mut state = hub.lock();
        *state.browsers.get_mut(&self.id)? = None;
        loop {
            if state.closed {
                return None;
            }
            let left = deadline.saturating_duration_since(Instant::now());
            if state.version > self.seen {
                self.seen = state.version;
                self.last.clone_from(&state.part);
            } else if !left.is_zero() || self.last.is_none() {
                let wait = if left.is_zero() { timeout } else { left };
                state = hub.wait(state, wait);
                continue;
            }
            *state.browsers.get_mut(&self.id)? = Some(Instant::now());
            return self.last.clone();
        }
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        self.hub.lock().browsers.remove(&self.id);
    }
}
