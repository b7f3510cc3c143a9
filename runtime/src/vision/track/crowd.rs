//! Who is who from frame to frame: what was found is given to whom it fits best, and who is out of sight is remembered.

use std::time::Duration;

use super::Found;
use super::all_faces::are_one;
use super::person::{Person, Signature};
use crate::vision::choice::FaceChoice;
use crate::vision::crop::Crop;

/// For how long somebody out of sight is remembered: two seconds, and what it takes to find him again.
const REMEMBERED: Duration = Duration::from_millis(3500);
/// Furthest that somebody in sight goes in a frame from where he is expected, in the face's sides.
const REACH: f32 = 1.0;
/// The same for somebody out of sight, at once and in addition for each second.
const AWAY: (f32, f32) = (0.7, 0.7);
/// How unlike a face may be to be his wherever it is, and at all where he may have gone.
const ALIKE: f32 = 0.13;
const UNLIKE: f32 = 0.3;
/// How much a face may have grown or shrunk out of sight (natural logarithm).
const GROWN: f32 = 0.9;
/// What a different size, look, and way out of sight cost beside a way in sight.
const COSTS: [f32; 3] = [0.5, 2.0, 0.3];
/// How much more another one must weigh to be followed in place of who is, and for how long.
const OUTWEIGHS: f32 = 1.5;
const OUTLASTS: Duration = Duration::from_millis(500);
/// What another one must weigh at least, over the one who is out of sight.
const STANDS_IN: f32 = 0.7;
/// People who are remembered at most.
const MOST: usize = 24;

/// Something that was found, and where.
#[derive(Clone, Copy)]
pub(super) struct Candidate {
    pub found: Found,
    pub signature: Signature,
}

/// Who is followed.
#[derive(Default)]
pub(super) struct Crowd {
    pub people: Vec<Person>,
    /// The room of those who are forgotten.
    spare: Vec<Person>,
    /// What was found in the present frame.
    pub candidates: Vec<Candidate>,
    /// What giving a candidate to somebody costs: cost, person, candidate.
    pairs: Vec<(f32, usize, usize)>,
    taken: Vec<bool>,
    last_id: u32,
    /// The one who stands out.
    main: Option<u32>,
    /// Whether somebody asked for him.
    chosen: bool,
    /// Who may take his place, and since when.
    challenger: Option<(u32, Duration)>,
    size: (u32, u32),
    time: Duration,
}

impl Crowd {
    /// Nobody, with room for everybody: new people come while frames go by.
    pub fn with_room() -> Self {
        Self {
            people: Vec::with_capacity(MOST + 1),
            spare: Vec::with_capacity(MOST + 1),
            candidates: Vec::with_capacity(2 * MOST),
            pairs: Vec::with_capacity(2 * MOST * MOST),
            taken: Vec::with_capacity(2 * MOST),
            ..Self::default()
        }
    }

    /// A picture of `size` at `time` follows. Pictures of another size show others.
    pub fn begin(&mut self, size: (u32, u32), time: Duration) {
        if size != self.size {
            self.clear();
            self.size = size;
        }
        if time < self.time {
            self.people.iter_mut().for_each(|person| person.set_back(time));
            self.challenger = None;
        }
        self.time = time;
        self.candidates.clear();
        self.part_with(|p| time.saturating_sub(p.seen) > REMEMBERED);
        for person in &mut self.people {
            person.present = person.found.take().is_some();
        }
        if !self.people.iter().any(|p| Some(p.id) == self.main) {
            (self.main, self.chosen) = (None, false);
        }
    }

    /// Forgets everybody; numbers go on.
    pub fn clear(&mut self) {
        self.part_with(|_| true);
        (self.main, self.chosen, self.challenger) = (None, false, None);
    }

    /// Whether what lies in `crop` was found already.
    pub fn knows(&self, crop: &Crop) -> bool {
        self.candidates.iter().any(|c| are_one(&c.found.wanted, crop))
    }

    /// Gives what was found to whom it fits, and makes new people of what is left, at most `most` at a time. `speed` is how
    /// far a crop follows at once.
    pub fn assign(&mut self, most: usize, speed: f32) {
        let time = self.time;
        self.drop_doubles();
        let mut pairs = std::mem::take(&mut self.pairs);
        pairs.clear();
        for (p, person) in self.people.iter().enumerate() {
            for (c, candidate) in self.candidates.iter().enumerate() {
                if let Some(cost) = cost(person, candidate, time) {
                    pairs.push((cost, p, c));
                }
            }
        }
        pairs.sort_unstable_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)).then(a.2.cmp(&b.2)));
        self.taken.clear();
        self.taken.resize(self.candidates.len(), false);
        // Who is in sight comes first: it is he who hides another.
        for in_sight in [true, false] {
            for (_, p, c) in &pairs {
                let person = &mut self.people[*p];
                if person.present == in_sight && person.found.is_none() && !self.taken[*c] {
                    self.taken[*c] = true;
                    let Candidate { found, signature } = &self.candidates[*c];
                    person.follow(*found, signature, speed, time);
                }
            }
        }
        self.pairs = pairs;
        for person in &mut self.people {
            if person.found.is_none() {
                person.lose();
            }
        }
        for c in 0..self.candidates.len() {
            if !self.taken[c] {
                let Candidate { found, signature } = self.candidates[c];
                self.welcome(found, signature, most);
            }
        }
    }

    /// Of what was found twice the more confident one stays.
    fn drop_doubles(&mut self) {
        let mut i = 0;
        while i < self.candidates.len() {
            let own = self.candidates[i].found;
            let double = |other: &Candidate| {
                other.found.confidence > own.confidence && are_one(&other.found.wanted, &own.wanted)
            };
            if self.candidates.iter().any(double) {
                self.candidates.remove(i);
            } else {
                i += 1;
            }
        }
        // Of what is equal the first.
        let mut i = 1;
        while i < self.candidates.len() {
            let own = self.candidates[i].found.wanted;
            if self.candidates[..i].iter().any(|c| are_one(&c.found.wanted, &own)) {
                self.candidates.remove(i);
            } else {
                i += 1;
            }
        }
    }

    /// Makes somebody of what was found, in the place of somebody smaller where there are `most`.
    fn welcome(&mut self, found: Found, signature: Signature, most: usize) {
        let present = || self.people.iter().filter(|p| p.found.is_some());
        if present().count() >= most {
            let main = self.main;
            let least =
                present().filter(|p| Some(p.id) != main).min_by(|a, b| a.weight().total_cmp(&b.weight()));
            let Some(least) = least.filter(|p| p.weight() * OUTWEIGHS < found.wanted.side).map(|p| p.id)
            else {
                return;
            };
            self.part_with(|p| p.id == least);
        }
        if self.people.len() >= MOST {
            // Whoever is out of sight for longest.
            let oldest =
                self.people.iter().filter(|p| p.found.is_none()).min_by_key(|p| p.seen).map(|p| p.id);
            self.part_with(|p| Some(p.id) == oldest);
        }
        self.last_id += 1;
        tracing::debug!(id = self.last_id, confidence = found.confidence, "a face is followed");
        let person = match self.spare.pop() {
            Some(known) => known.renewed(self.last_id, found, signature, self.time),
            None => Person::new(self.last_id, found, signature, self.time),
        };
        self.people.push(person);
    }

    /// Forgets some, but for the room that they took.
    fn part_with(&mut self, whom: impl Fn(&Person) -> bool) {
        let mut i = 0;
        while i < self.people.len() {
            if whom(&self.people[i]) {
                let person = self.people.remove(i);
                tracing::debug!(id = person.id, "a face is forgotten");
                self.spare.push(person);
            } else {
                i += 1;
            }
        }
    }

    /// Forgets how keypoints were filtered.
    pub fn drop_filters(&mut self) {
        self.people.iter_mut().chain(&mut self.spare).for_each(|person| person.smoother = None);
    }

    /// Chooses who stands out, and says where he is in [`Crowd::people`] if he is in sight. With `alone` nobody who
    /// weighs less is reported in his place for as long as he may come back.
    pub fn stand_out(&mut self, alone: bool) -> Option<usize> {
        let time = self.time;
        let heaviest = |except: Option<u32>| {
            let present = self.people.iter().filter(|p| p.found.is_some() && Some(p.id) != except);
            present
                .max_by(|a, b| a.weight().total_cmp(&b.weight()).then(b.id.cmp(&a.id)))
                .map(|p| (p.id, p.weight()))
        };
        let main = self.people.iter().find(|p| Some(p.id) == self.main);
        let Some(main) = main else {
            self.main = heaviest(None).map(|(id, _)| id);
            return self.place_of(self.main);
        };
        let other = heaviest(Some(main.id));
        let needed = if main.found.is_some() { OUTWEIGHS } else { STANDS_IN } * main.weight();
        match other.filter(|(_, weight)| *weight > needed && !self.chosen) {
            Some((id, _)) => {
                let since = self.challenger.filter(|(who, _)| *who == id).map_or(time, |(_, since)| since);
                self.challenger = Some((id, since));
                if time.saturating_sub(since) >= OUTLASTS {
                    tracing::debug!(id, before = self.main, "another face stands out");
                    (self.main, self.challenger) = (Some(id), None);
                }
            }
            None => self.challenger = None,
        }
        // Nobody stands in for one who was asked for.
        let may = |weight: f32| !alone || (weight > needed && !self.chosen);
        let stands_in = other.filter(|(_, weight)| may(*weight)).map(|(id, _)| id);
        self.place_of(self.main).or_else(|| self.place_of(stands_in))
    }

    /// Where somebody in sight is.
    fn place_of(&self, id: Option<u32>) -> Option<usize> {
        self.people.iter().position(|p| Some(p.id) == id && p.found.is_some())
    }

    /// Follows whoever is meant once he is in sight, unless somebody was asked for before.
    pub fn prefer(&mut self, whom: FaceChoice) {
        if self.chosen {
            return;
        }
        match whom {
            FaceChoice::Largest => {}
            FaceChoice::Number(id) => {
                let present = self.place_of(Some(id)).is_some();
                self.choose(present.then_some(id));
            }
            FaceChoice::At(point) => {
                self.choose_at(point);
            }
        }
    }

    /// Forgets everybody, and begins to count anew.
    pub fn restart(&mut self) {
        self.clear();
        self.last_id = 0;
    }

    /// Follows the next one in sight; gives back whom.
    pub fn choose_next(&mut self) -> Option<u32> {
        let ids = || self.people.iter().filter(|p| p.found.is_some()).map(|p| p.id);
        let next = ids().filter(|id| Some(*id) > self.main).min().or_else(|| ids().min());
        self.choose(next)
    }

    /// Follows whoever is at a point, in pixels; gives back whom.
    pub fn choose_at(&mut self, point: [f32; 2]) -> Option<u32> {
        let present = self.people.iter().filter(|p| p.found.is_some());
        let at = Crop::nearest(point, present.map(|p| (p.id, p.at)));
        self.choose(at)
    }

    fn choose(&mut self, id: Option<u32>) -> Option<u32> {
        if id.is_some() {
            (self.main, self.chosen, self.challenger) = (id, true, None);
        }
        id
    }
}

/// What it costs to take a candidate for somebody; none where it can't be he.
fn cost(person: &Person, Candidate { found, signature }: &Candidate, time: Duration) -> Option<f32> {
    let (expected, at) = (person.expected(time), found.wanted);
    let side = expected.side.max(at.side);
    let way = expected.distance(&at) / side;
    let size = (at.side / expected.side).ln().abs();
    let unlike = person.unlike(signature);
    let [of_size, of_look, of_way_out_of_sight] = COSTS;
    if person.present {
        // Few frames a second, or a cut: who looks the same is the same.
        return (way < REACH || unlike < ALIKE).then_some(way + of_size * size + of_look * unlike);
    }
    let away = time.saturating_sub(person.seen).as_secs_f32();
    let near = way < AWAY.0 + AWAY.1 * away && unlike < UNLIKE;
    let may_be = size < GROWN && (near || unlike < ALIKE);
    may_be.then_some(of_way_out_of_sight * way.min(3.0) + of_size * size + of_look * unlike)
}

#[cfg(test)]
#[path = "crowd_tests.rs"]
mod tests;
