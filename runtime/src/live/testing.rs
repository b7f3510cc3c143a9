//! Sources for tests, which do what a script says, and a finder of nobody.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use image::RgbImage;

use super::Finder;
use super::frame_supply::Opener;
use crate::frame::Frame;
use crate::media::{Captured, Error, Next, Result, Source};
use crate::vision::crop::Crop;
use crate::vision::track::Tracked;

/// Finds nobody.
pub(super) struct Nobody;

impl Finder for Nobody {
    fn find(&mut self, _: &RgbImage, _: Duration) -> crate::error::Result<Tracked> {
        Ok(Tracked::of(None, Crop::inside(9, 9)))
    }
}

/// What a scripted source does next.
pub(super) enum Act {
    Frame(u64),
    Unplug,
    End,
}

pub(super) struct Scripted {
    pub acts: VecDeque<Act>,
    pub live: bool,
}

impl Source for Scripted {
    fn describe(&self) -> String {
        "scripted".to_owned()
    }

    fn is_live(&self) -> bool {
        self.live
    }

    fn next(&mut self, timeout: Duration) -> Result<Next> {
        match self.acts.pop_front() {
            Some(Act::Frame(index)) => {
                let time = Duration::from_millis(40 * index);
                let frame = Frame { picture: RgbImage::new(64, 48), index, time };
                Ok(Next::Frame(Captured { frame, taken: Instant::now(), decode: Duration::from_micros(3) }))
            }
            Some(Act::Unplug) => Err(Error::CameraUnplugged("scripted".to_owned())),
            Some(Act::End) => Ok(Next::End),
            None => {
                std::thread::sleep(timeout);
                Ok(Next::Waiting)
            }
        }
    }
}

/// An opener that plays one script after the other, then finds no camera.
pub(super) fn scripts(live: bool, scripts: Vec<Vec<Act>>) -> Opener {
    let left = Mutex::new(VecDeque::from(scripts));
    Arc::new(move || {
        let acts = left.lock().unwrap().pop_front().ok_or(Error::NoCamera)?.into();
        Ok(Box::new(Scripted { acts, live }) as Box<dyn Source>)
    })
}
