//! What drives a re-enactment, opened.

use std::sync::Arc;
use std::time::Duration;

use lkg_bundle::Bundle;

use super::args::Common;
use super::live;
use super::reenact_args::Driver;
use super::service;
use crate::edit::BundleId;
use crate::engine::{Detector, EngineSummary};
use crate::error::Result;
use crate::frame::DetectedFace;
use crate::live::{Finder, Opener};
use crate::media::{self, Next, Source, SourceOptions, SourceSpec};
use crate::reenact::{LOOK_AHEAD, PhotoReenactor, Recording, Replay};
use crate::vision::track::{FaceTracker, TrackOptions};

/// A driver whose file, if it is one of motion, is read.
pub(super) enum Motion {
    Found(SourceSpec),
    Recorded(Recording),
}

/// What finds the driver's face.
pub(super) enum DriverFinder {
    Tracker(Box<FaceTracker>),
    Replay(Replay),
}

impl DriverFinder {
    /// As the loop takes it.
    pub(super) fn finder(&mut self) -> &mut dyn Finder {
        match self {
            Self::Tracker(tracker) => tracker.as_mut(),
            Self::Replay(replay) => replay,
        }
    }
}

impl Motion {
    /// Reads the driver's file of motion, if it is one.
    pub(super) fn of(driver: &Driver, bundle: &Bundle) -> Result<Self> {
        Ok(match driver {
            Driver::Frames(source) => Self::Found(source.clone()),
            Driver::Motion(path) => {
                Self::Recorded(Recording::read(path, &BundleId::of(bundle), bundle.manifest())?)
            }
        })
    }

    /// What the user should know about how it was read.
    pub(super) fn notes(&self) -> &[String] {
        match self {
            Self::Found(_) => &[],
            Self::Recorded(recording) => recording.notes(),
        }
    }

    /// Whether the driver has pictures, not keypoints alone.
    pub(super) fn has_pictures(&self) -> bool {
        matches!(self, Self::Found(_))
    }

    /// Opens its frames.
    pub(super) fn opener(&self, options: &SourceOptions) -> Opener {
        match self {
            Self::Found(source) => live::opener(source.clone(), options.clone()),
            Self::Recorded(recording) => {
                let recording = recording.clone();
                Arc::new(move || Ok(Box::new(recording.source()) as Box<dyn Source>))
            }
        }
    }

    /// What finds keypoints in the driver's frames, and what computes.
    pub(super) fn finder(
        &self,
        common: &Common,
        bundle: &Bundle,
        options: TrackOptions,
    ) -> Result<(DriverFinder, EngineSummary)> {
        match self {
            Self::Recorded(recording) => {
                let engine =
                    EngineSummary { chosen: "recorded motion".to_owned(), ..EngineSummary::default() };
                Ok((DriverFinder::Replay(recording.clone().finder()), engine))
            }
            Self::Found(_) => {
                let detector = Detector::load(bundle, &common.engine())?;
                let engine = detector.summary();
                let mut tracker = FaceTracker::new(detector, options);
                tracker.warm_up()?;
                Ok((DriverFinder::Tracker(Box::new(tracker)), engine))
            }
        }
    }

    /// Lets `reenactor` see the driver's first seconds, where they can be had twice.
    pub(super) fn look_ahead(
        &self,
        finder: &mut DriverFinder,
        options: &SourceOptions,
        reenactor: &mut PhotoReenactor<'_>,
    ) -> Result<()> {
        match (self, finder) {
            (Self::Recorded(recording), _) => reenactor.look_ahead(recording.faces()),
            (Self::Found(spec), DriverFinder::Tracker(tracker)) if spec.path().is_some() => {
                let seen = first_faces(spec, options, tracker)?;
                reenactor.look_ahead(seen.iter().map(|(time, face)| (*time, face)));
            }
            // What is read only once is not, and its neutral face is found on the way.
            _ => {}
        }
        Ok(())
    }
}

/// The faces of a file's first seconds.
fn first_faces(
    spec: &SourceSpec,
    options: &SourceOptions,
    tracker: &mut FaceTracker,
) -> Result<Vec<(Duration, DetectedFace)>> {
    let mut source = media::open(spec, options)?;
    let mut seen: Vec<(Duration, DetectedFace)> = Vec::new();
    while !service::stop() {
        let Next::Frame(captured) = source.next(Duration::from_secs(10))? else { break };
        let frame = captured.frame;
        let first = seen.first().map_or(frame.time, |(time, _)| *time);
        if frame.time.saturating_sub(first) > LOOK_AHEAD {
            break;
        }
        if let Some(face) = tracker.track(&frame.picture, frame.time)?.face {
            seen.push((frame.time, face));
        }
    }
    tracker.reset();
    Ok(seen)
}
