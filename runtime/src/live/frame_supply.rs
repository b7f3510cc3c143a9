use std::sync::Arc;
use std::sync::mpsc::{Receiver, TryRecvError, channel};
use std::time::{Duration, Instant};

use image::RgbImage;

use crate::media::{Captured, Error, Next, Result, Source};

/// Opens the source, again and again if it must be.
pub type Opener = Arc<dyn Fn() -> Result<Box<dyn Source>> + Send + Sync>;

/// A source to go over to.
pub struct Choice {
    /// Its camera of this machine, as [`Source::camera`] has it.
    pub camera: Option<u32>,
    /// What it is, for people.
    pub name: String,
    /// Opens it.
    pub opener: Opener,
}

/// Finds the source after the one of this camera of the machine, or after one that is none of them.
pub type Chooser = Box<dyn FnMut(Option<u32>) -> Option<Choice>>;

/// Silence after which a live source is said to stall.
const STALLED: Duration = Duration::from_secs(1);

/// Silence after which a live source is given up and opened again.
const LOST: Duration = Duration::from_secs(5);

/// First and longest pause between attempts to open a lost source.
const PAUSES: (Duration, Duration) = (Duration::from_millis(500), Duration::from_secs(4));

/// What a [`FrameSupply`] has at the moment.
#[derive(Debug)]
pub enum Supplied {
    /// A frame; index and time go on across reopening and looping.
    Frame(Captured),
    /// Nothing yet; if something is wrong, what.
    Waiting(Option<String>),
    /// The source has ended.
    End,
}

/// A source that comes back after it was lost, and starts anew at its end if asked to.
pub struct FrameSupply {
    opener: Opener,
    chooser: Option<Chooser>,
    state: State,
    looping: bool,
    give_up_after: Option<Duration>,
    description: String,
    /// The camera of this machine that is open, or is to be opened.
    camera: Option<u32>,
    live: bool,
    once: bool,
    /// What of the source could not be read, once said.
    faults: Vec<String>,
    /// First frame of all, for times; last frame, for silence.
    first: Option<Instant>,
    heard: Instant,
    /// Added to the indices and times of the source that is open now.
    offset: (u64, Duration),
    last: Option<(u64, Duration)>,
    last_raw: Option<u64>,
    interval: Duration,
    dropped: u64,
    reopened: u64,
    /// Whether somebody asked for the source that is open.
    chosen: bool,
}

enum State {
    Open(Box<dyn Source>),
    Lost(Lost),
    /// At its end, and not opened anew.
    Closed,
}

struct Lost {
    since: Instant,
    reason: Error,
    /// What is said meanwhile.
    message: String,
    /// Whether somebody asked for another one.
    chosen: bool,
    pause: Duration,
    next_try: Instant,
    /// Opening can take seconds or hang, so it happens elsewhere.
    attempt: Option<Receiver<Result<Box<dyn Source>>>>,
}

impl Lost {
    fn try_later(&mut self) {
        self.attempt = None;
        self.pause = (self.pause * 2).min(PAUSES.1);
        self.next_try = Instant::now() + self.pause;
    }
}

impl FrameSupply {
    /// Opens the source. `looping` starts a file anew at its end; a lost camera is sought for `give_up_after`, or until
    /// the end of time.
    ///
    /// # Errors
    /// It does not open.
    pub fn open(opener: Opener, looping: bool, give_up_after: Option<Duration>) -> Result<Self> {
        let source = opener()?;
        Ok(Self {
            description: source.describe(),
            camera: source.camera(),
            live: source.is_live(),
            once: source.comes_once(),
            faults: Vec::new(),
            state: State::Open(source),
            opener,
            chooser: None,
            looping,
            give_up_after,
            first: None,
            heard: Instant::now(),
            offset: (0, Duration::ZERO),
            last: None,
            last_raw: None,
            interval: Duration::ZERO,
            dropped: 0,
            reopened: 0,
            chosen: false,
        })
    }

    /// Lets [`FrameSupply::change`] go from source to source.
    pub fn set_chooser(&mut self, chooser: Chooser) {
        self.chooser = Some(chooser);
    }

    /// Goes on with the next source, which is opened in the background; false if there is no other.
    pub fn change(&mut self) -> bool {
        let Some(choice) = self.chooser.as_mut().and_then(|choose| choose(self.camera)) else {
            return false;
        };
        let Choice { camera, name, opener } = choice;
        self.opener = opener;
        // Where it does not open it counts as the present one, so that another change goes on from there.
        self.camera = camera;
        self.description.clone_from(&name);
        tracing::info!(source = name, "changing the source");
        let message = format!("opening {name}");
        self.leave(Error::NoSuchSource(name), message, None);
        true
    }

    /// What to say when frames come again.
    pub fn welcome(&self) -> String {
        if self.chosen { format!("now: {}", self.description) } else { "the camera is back".to_owned() }
    }

    /// The source in a few words.
    pub fn describe(&self) -> &str {
        &self.description
    }

    /// Whether frames come in real time.
    pub fn is_live(&self) -> bool {
        self.live
    }

    /// Whether what came cannot be had again.
    pub fn comes_once(&self) -> bool {
        self.once
    }

    /// What of a source that has ended could not be read, in sentences.
    pub fn faults(&self) -> &[String] {
        &self.faults
    }

    /// Frames that nobody was quick enough to fetch.
    pub fn dropped(&self) -> u64 {
        self.dropped
    }

    /// How often a lost source came back.
    pub fn reopened(&self) -> u64 {
        self.reopened
    }

    /// Takes back a picture that nobody needs any more, for the next frame to be put there.
    pub fn reuse(&mut self, picture: RgbImage) {
        if let State::Open(source) = &mut self.state {
            source.reuse(picture);
        }
    }

    /// Says that frames are left out on purpose, so that they do not count as dropped.
    pub fn skip(&mut self) {
        self.last_raw = None;
        self.heard = Instant::now();
    }

    /// The next frame, waiting at most `timeout` where the source is live.
    ///
    /// # Errors
    /// A file is damaged, or a lost camera did not come back in time.
    pub fn poll(&mut self, timeout: Duration) -> Result<Supplied> {
        let source = match &mut self.state {
            State::Open(source) => source,
            State::Lost(_) => return self.seek(timeout),
            State::Closed => return Ok(Supplied::End),
        };
        let next = source.next(timeout);
        if let (Ok(Next::End), Some(fault)) = (&next, source.fault())
            && !self.faults.contains(&fault)
        {
            self.faults.push(fault);
        }
        match next {
            Ok(Next::Frame(captured)) => Ok(Supplied::Frame(self.numbered(captured))),
            // What feeds a pipe may take its time.
            Ok(Next::Waiting) if !self.live => Ok(Supplied::Waiting(None)),
            Ok(Next::Waiting) => {
                let silence = self.heard.elapsed();
                if silence > LOST {
                    let (camera, seconds) = (self.description.clone(), silence.as_secs_f32());
                    return Ok(self.lose(Error::CameraStalled { camera, seconds }));
                }
                let stalled = silence > STALLED;
                Ok(Supplied::Waiting(stalled.then(|| "no picture from the camera".to_owned())))
            }
            Ok(Next::End) if self.looping && self.last_raw.is_some() => {
                let (index, time) = self.last.unwrap_or_default();
                self.offset = (index + 1, time + self.interval);
                self.last_raw = None;
                // The old source goes first: two at a time would take twice the memory.
                self.state = State::Closed;
                self.state = State::Open((self.opener)()?);
                Ok(Supplied::Waiting(None))
            }
            Ok(Next::End) => Ok(Supplied::End),
            Err(e) if self.live && e.is_lost_camera() => Ok(self.lose(e)),
            Err(e) => Err(e),
        }
    }

    /// Puts index and time on the scale of the whole run, and counts gaps.
    fn numbered(&mut self, mut captured: Captured) -> Captured {
        self.heard = Instant::now();
        let frame = &mut captured.frame;
        let raw = frame.index;
        let gap = self.last_raw.map_or(0, |last| raw.saturating_sub(last + 1));
        if gap > 0 {
            self.dropped += gap;
            tracing::debug!(frame = raw, gap, total = self.dropped, "frames dropped");
        }
        self.last_raw = Some(raw);
        frame.index += self.offset.0;
        if self.live {
            // One clock for the whole run: a camera's own starts anew when it is opened again.
            let first = *self.first.get_or_insert(captured.taken);
            frame.time = captured.taken.saturating_duration_since(first);
        } else {
            frame.time += self.offset.1;
        }
        if let Some((_, before)) = self.last {
            self.interval = frame.time.saturating_sub(before);
        }
        self.last = Some((frame.index, frame.time));
        captured
    }

    fn lose(&mut self, reason: Error) -> Supplied {
        tracing::warn!(source = self.description, %reason, "source lost");
        let message = format!("{reason}; waiting for it to come back");
        self.leave(reason, message.clone(), Some(PAUSES.0));
        Supplied::Waiting(Some(message))
    }

    /// Closes the source, and opens it again after a pause, or at once one that was asked for.
    fn leave(&mut self, reason: Error, message: String, pause: Option<Duration>) {
        let now = Instant::now();
        // Assigning drops the old source: some drivers let go of the device only then.
        self.state = State::Lost(Lost {
            since: now,
            reason,
            message,
            chosen: pause.is_none(),
            pause: PAUSES.0,
            next_try: now + pause.unwrap_or_default(),
            attempt: None,
        });
    }

    /// One step of seeking a lost source.
    fn seek(&mut self, timeout: Duration) -> Result<Supplied> {
        let State::Lost(lost) = &mut self.state else { return Ok(Supplied::Waiting(None)) };
        if self.give_up_after.is_some_and(|limit| lost.since.elapsed() > limit) {
            let reason = std::mem::replace(&mut lost.reason, Error::NoCamera);
            return Err(reason);
        }
        if lost.attempt.is_none() && Instant::now() >= lost.next_try {
            let (sender, receiver) = channel();
            let opener = Arc::clone(&self.opener);
            std::thread::spawn(move || sender.send(opener()).ok());
            lost.attempt = Some(receiver);
        }
        match lost.attempt.as_ref().map(Receiver::try_recv) {
            Some(Ok(Ok(source))) => {
                self.description = source.describe();
                self.camera = source.camera();
                self.chosen = lost.chosen;
                self.reopened += u64::from(!lost.chosen);
                let seconds = lost.since.elapsed().as_secs_f32();
                tracing::info!(source = self.description, seconds, "source open again");
                self.state = State::Open(source);
                self.heard = Instant::now();
                self.offset.0 = self.last.map_or(0, |(index, _)| index + 1);
                self.last_raw = None;
                return Ok(Supplied::Waiting(None));
            }
            Some(Ok(Err(e))) => {
                tracing::debug!(reason = %e, pause = ?lost.pause, "source does not open yet");
                // Only its opening tells what is wrong with one that was never open.
                if lost.chosen {
                    lost.message = format!("{e}; waiting for it");
                    lost.reason = e;
                }
                lost.try_later();
            }
            Some(Err(TryRecvError::Disconnected)) => lost.try_later(),
            Some(Err(TryRecvError::Empty)) | None => {}
        }
        let message = lost.message.clone();
        std::thread::sleep(timeout.min(Duration::from_millis(50)));
        Ok(Supplied::Waiting(Some(message)))
    }
}

#[cfg(test)]
mod tests;
