//! Following faces from frame to frame.

use std::time::Duration;

use super::all_faces::shows_only;
use super::crowd::{Candidate, Crowd};
use super::person::Signature;
use super::{Clock, FIND, FaceTracker, Found, LOSE, SETTLED, Tracked, smoothers};
use crate::error::Result;
use crate::frame::{DetectedFace, PictureRef};
use crate::vision::crop::Crop;
use crate::vision::search::Tiles;

/// Looks at other places a second, one a frame, while everybody who is followed is in sight.
const LOOKS: u32 = 12;
/// The same where somebody is out of sight, and how many a frame.
const MORE_LOOKS: (u32, usize) = (40, 2);
/// Of so many looks at large tiles one is at a small one.
const SMALL: usize = 3;

/// When and where others are looked for.
pub(super) struct Sweep {
    large: Tiles,
    all: Tiles,
    /// When the present second began, and how many looks it has had.
    since: Duration,
    looks: u32,
    turn: usize,
    /// Tiles that are left of a look over the whole frame at once.
    left: usize,
}

impl Default for Sweep {
    fn default() -> Self {
        let (large, all) = (Tiles::large(), Tiles::default());
        Self { large, all, since: Duration::ZERO, looks: 0, turn: 0, left: 0 }
    }
}

impl Sweep {
    /// Begins a second.
    fn wait(&mut self, time: Duration) {
        (self.since, self.looks) = (time, LOOKS);
    }

    /// How many looks may be made at `time`, of a tracker that takes `most` tiles a frame.
    fn looks(&mut self, time: Duration, most: usize, missing: bool) -> usize {
        if self.left > 0 {
            let looks = self.left.min(most);
            self.left -= looks;
            return looks;
        }
        // Time that runs backwards is no time.
        if time < self.since || time - self.since >= Duration::from_secs(1) {
            (self.since, self.looks) = (time, 0);
        }
        let (a_second, a_frame) = if missing { MORE_LOOKS } else { (LOOKS, 1) };
        let looks = (a_second.saturating_sub(self.looks) as usize).min(a_frame).min(most);
        self.looks += looks as u32;
        looks
    }
}

impl FaceTracker {
    /// Follows whoever was there, then looks for others.
    pub(super) fn follow(&mut self, picture: PictureRef<'_>, time: Duration) -> Result<Tracked> {
        // The crowd is lent out, so that both it and the detector can be used.
        let mut crowd = std::mem::take(&mut self.crowd);
        let tracked = self.follow_crowd(&mut crowd, picture, time);
        self.crowd = crowd;
        tracked
    }

    fn follow_crowd(
        &mut self,
        crowd: &mut Crowd,
        picture: PictureRef<'_>,
        time: Duration,
    ) -> Result<Tracked> {
        let mut clock = Clock::default();
        crowd.begin(picture.dimensions(), time);
        self.forget();
        for i in 0..crowd.people.len() {
            let person = &crowd.people[i];
            if person.present {
                let found = self.detect_crop(picture, person.crop, &mut clock)?;
                // Of what is left behind where a face was the detector is not confident, and its square wanders.
                let is_there = self.reaches(&found, FIND) || found.drift() < SETTLED;
                if is_there && self.reaches(&found, LOSE) {
                    crowd.candidates.push(self.candidate(found));
                }
            }
        }
        let mut crop = None;
        if crowd.candidates.is_empty() {
            crop = Some(self.look_everywhere(crowd, picture, time, &mut clock)?);
        } else {
            self.look_for_missing(crowd, picture, time, &mut clock)?;
        }
        if !crowd.candidates.is_empty() {
            self.look_for_others(crowd, picture, time, &mut clock)?;
        }
        // One more than are wanted, so that who stands out can be told.
        crowd.assign(self.options.faces.max(2), self.options.crop_speed);
        for person in &mut crowd.people {
            if let Some(found) = person.found {
                let seen = &self.seen[found.at..found.at + self.detector.keypoints()];
                person.watch(seen.iter().map(|k| [k.x, k.y]), time);
            }
        }
        crowd.prefer(self.options.choice);
        let alone = self.options.faces < 2 || self.options.only_main;
        let first = crowd.stand_out(alone);
        let face = first.map(|i| self.person(crowd, i, time));
        if let Some(found) = first.and_then(|i| crowd.people[i].found) {
            crop = Some(found.crop);
        }
        let mut others = std::mem::take(&mut self.spare_list);
        if !alone {
            for i in 0..crowd.people.len() {
                if Some(i) != first
                    && crowd.people[i].found.is_some()
                    && others.len() + 1 < self.options.faces
                {
                    others.push(self.person(crowd, i, time));
                }
            }
        }
        let crop = crop.unwrap_or_else(|| Crop::inside(picture.width(), picture.height()));
        Ok(Tracked { face, others, crop, preprocess: clock.preprocess, network: clock.network })
    }

    fn candidate(&self, found: Found) -> Candidate {
        let input = self.input.as_slice().unwrap_or_default();
        Candidate { found, signature: Signature::of(input, self.detector.size()) }
    }

    /// The filtered face of somebody in sight.
    fn person(&mut self, crowd: &mut Crowd, i: usize, time: Duration) -> DetectedFace {
        let person = &mut crowd.people[i];
        let Some(found) = person.found else { return DetectedFace::default() };
        let mut face = self.face(&found);
        face.id = person.id;
        if let Some(options) = self.smooth {
            let (keypoints, states) = person.smoother.get_or_insert_with(|| smoothers(options));
            keypoints.apply(&mut face.keypoints, found.wanted.side, time);
            states.apply(&mut face.states, time);
        }
        face
    }

    /// Nobody is in sight: looks where somebody was, then in all of the picture. Gives back what was looked at.
    fn look_everywhere(
        &mut self,
        crowd: &mut Crowd,
        picture: PictureRef<'_>,
        time: Duration,
        clock: &mut Clock,
    ) -> Result<Crop> {
        let looks = self.look_for_missing(crowd, picture, time, clock)?;
        if let Some(candidate) = crowd.candidates.first() {
            return Ok(candidate.found.crop);
        }
        // A frame must not take longer than the loop can wait.
        let tiles = self.options.tiles.saturating_sub(looks);
        let (found, is_face) = self.search(picture, tiles, clock)?;
        if is_face {
            crowd.candidates.push(self.candidate(found));
            self.sweep.wait(time);
            if self.options.faces > 1 {
                self.sweep.left = self.sweep.all.count(picture.dimensions());
                self.sweep.all.restart();
            }
        }
        Ok(found.crop)
    }

    /// Looks for those who were out of sight in the frame before where they may be by now. Gives back how many there are.
    fn look_for_missing(
        &mut self,
        crowd: &mut Crowd,
        picture: PictureRef<'_>,
        time: Duration,
        clock: &mut Clock,
    ) -> Result<usize> {
        let mut looks = 0;
        for i in 0..crowd.people.len() {
            let person = &crowd.people[i];
            let expected = person.expected(time);
            if person.present || crowd.knows(&expected) {
                continue;
            }
            looks += 1;
            let first = self.detect_crop(picture, expected, clock)?;
            let seen =
                if self.is_settled(&first) { (first, true) } else { self.settle(picture, first, clock)? };
            self.add(crowd, seen);
        }
        Ok(looks)
    }

    /// Adds what was found to the candidates, if it is a face and not known yet.
    fn add(&self, crowd: &mut Crowd, (found, is_face): (Found, bool)) {
        if is_face && !crowd.knows(&found.wanted) {
            crowd.candidates.push(self.candidate(found));
        }
    }

    /// Looks at some tiles of the picture beside the faces in it.
    fn look_for_others(
        &mut self,
        crowd: &mut Crowd,
        picture: PictureRef<'_>,
        time: Duration,
        clock: &mut Clock,
    ) -> Result<()> {
        let size = picture.dimensions();
        let missing = crowd.people.iter().any(|p| !p.present && p.seen < time);
        let all_at_once = self.sweep.left > 0;
        let most = self.sweep.large.count(size);
        for _ in 0..self.sweep.looks(time, self.options.tiles, missing) {
            self.sweep.turn += 1;
            let small = all_at_once || self.sweep.turn.is_multiple_of(SMALL);
            let tiles = if small { &mut self.sweep.all } else { &mut self.sweep.large };
            // Those in which there is nothing but a face that is followed cost nothing.
            let is_free = |tile: &Crop| !crowd.candidates.iter().any(|c| shows_only(tile, &c.found.wanted));
            let free = (0..most).find_map(|_| tiles.next(size).filter(is_free));
            let Some(tile) = free else { continue };
            let first = self.detect_crop(picture, tile, clock)?;
            if !crowd.knows(&first.wanted) {
                let seen = self.settle(picture, first, clock)?;
                self.add(crowd, seen);
            }
        }
        Ok(())
    }
}
