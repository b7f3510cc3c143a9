//! What can be done to a face, as files and flags say it.

use models::Manifest;
use serde::{Deserialize, Serialize};

use super::face::{REACH, SCALES};
use super::mix::{mix, mix_all};
use super::{Face, Parts};
use crate::error::{Error, Result};

/// One edit. Distances are in normalised coordinates: the picture is 2 wide.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "op", rename_all = "snake_case", deny_unknown_fields)]
pub enum Operation {
    /// Moves parts: by `dx` and `dy`, or one part `to` a place.
    Move {
        /// Which.
        part: Parts,
        /// To the right.
        #[serde(default)]
        dx: f32,
        /// Down.
        #[serde(default)]
        dy: f32,
        /// (x, y) instead of a distance.
        #[serde(default)]
        to: Option<[f32; 2]>,
    },
    /// Scales, then turns, then moves the whole pose about its centre.
    Pose {
        /// Factor, 0.25 to 4.
        #[serde(default = "one")]
        scale: f32,
        /// Degrees, clockwise.
        #[serde(default)]
        rotate: f32,
        /// To the right.
        #[serde(default)]
        dx: f32,
        /// Down.
        #[serde(default)]
        dy: f32,
    },
    /// Moves several parts away from (or towards) their centre.
    Spread {
        /// Which, at least two.
        part: Parts,
        /// Factor, 0.25 to 4.
        by: f32,
    },
    /// Makes parts wider or narrower where they are.
    Scale {
        /// Which.
        part: Parts,
        /// Factor, 0.25 to 4.
        by: f32,
    },
    /// Takes another face's look of the parts.
    Swap {
        /// Which.
        part: Parts,
        /// The other face: `seed:N`, a photo, or a saved face.
        from: String,
        /// How much of it, 0 to 1.
        #[serde(default = "one")]
        weight: f32,
    },
    /// Takes another face's background.
    Background {
        /// The other face.
        from: String,
        /// How much of it, 0 to 1.
        #[serde(default = "one")]
        weight: f32,
    },
    /// Takes another face's keypoints.
    TakePose {
        /// The other face.
        from: String,
        /// How much of it, 0 to 1.
        #[serde(default = "one")]
        weight: f32,
        /// Which parts.
        #[serde(default = "every")]
        part: Parts,
    },
    /// Takes parts away: their heat maps are zero, the background fills their place.
    Remove {
        /// Which.
        part: Parts,
    },
    /// Would add a part of the same look.
    Duplicate {
        /// Which.
        part: Parts,
    },
    /// Makes parts as they were in the beginning, their look, place, width and presence.
    Reset {
        /// Which.
        part: Parts,
    },
    /// Keeps parts from being changed by later operations, and their region of the picture as it was.
    Lock {
        /// Which.
        part: Parts,
    },
    /// Takes the lock off.
    Unlock {
        /// Which.
        part: Parts,
    },
    /// Takes the last operation back.
    Undo {},
    /// Does what was taken back again.
    Redo {},
}

fn one() -> f32 {
    1.0
}

fn every() -> Parts {
    Parts::Name("all".to_owned())
}

/// A value of an operation that cannot be, by its field's name.
#[derive(Debug)]
pub enum Fault {
    /// The field and what is wrong with it.
    Field(&'static str, String),
    /// Something else failed, for instance reading a donor, given in the field.
    Donor(&'static str, Error),
}

impl Fault {
    /// The error, with `place` (`edits[3].`) right before the field.
    pub fn at(self, place: &str) -> Error {
        match self {
            Fault::Field(field, what) => Error::Usage(format!("{place}{field}: {what}")),
            Fault::Donor(field, e @ (Error::Usage(_) | Error::Picture { .. })) => {
                Error::Usage(format!("{place}{field}: {e}"))
            }
            Fault::Donor(_, e) => e,
        }
    }
}

/// What an operation works on.
pub struct Desk<'a> {
    /// Names of the parts.
    pub manifest: &'a Manifest,
    /// The face as it was in the beginning.
    pub original: &'a Face,
    /// The face.
    pub face: Face,
    /// Which parts are locked.
    pub locked: Vec<bool>,
    /// Finds another face by its name.
    pub donors: &'a mut dyn FnMut(&str) -> Result<Face>,
}

type Outcome<T> = std::result::Result<T, Fault>;

impl Desk<'_> {
    /// The parts meant, without those that are locked.
    ///
    /// A locked part that is named by itself is an error; as one of several it is left out.
    fn parts(&self, parts: &Parts) -> Outcome<Vec<usize>> {
        let fault = |what| Fault::Field("part", what);
        let mut which = parts.resolve(self.manifest).map_err(fault)?;
        if let [only] = which[..]
            && self.locked[only]
        {
            return Err(fault(format!("{} is locked; unlock it first", self.name(only))));
        }
        which.retain(|i| !self.locked[*i]);
        if which.is_empty() { Err(fault("all of these parts are locked".to_owned())) } else { Ok(which) }
    }

    fn name(&self, part: usize) -> &str {
        self.manifest.keypoints.get(part).map_or("?", |k| k.name.as_str())
    }

    fn put(&mut self, part: usize, [x, y]: [f32; 2], field: &'static str) -> Outcome<()> {
        if x.abs() <= REACH && y.abs() <= REACH {
            self.face.keypoints[part] = [x, y];
            return Ok(());
        }
        let name = self.name(part);
        Err(Fault::Field(field, format!("would put {name} at ({x:.2}, {y:.2}), outside -{REACH} to {REACH}")))
    }

    fn donor(&mut self, from: &str) -> Outcome<Face> {
        (self.donors)(from).map_err(|e| Fault::Donor("from", e))
    }

    /// Points `which` scaled by `scale` and turned by `degrees` about their centre, then moved.
    fn turn(
        &mut self,
        which: &[usize],
        scale: f32,
        degrees: f32,
        by: [f32; 2],
        field: &'static str,
    ) -> Outcome<()> {
        let n = which.len().max(1) as f32;
        let mean = |axis: usize| which.iter().map(|i| self.face.keypoints[*i][axis]).sum::<f32>() / n;
        let [cx, cy] = [mean(0), mean(1)];
        let (sin, cos) = degrees.to_radians().sin_cos();
        for &i in which {
            let [x, y] = self.face.keypoints[i];
            let (u, v) = (scale * (x - cx), scale * (y - cy));
            self.put(i, [cx + u * cos - v * sin + by[0], cy + u * sin + v * cos + by[1]], field)?;
        }
        Ok(())
    }
}

fn within(field: &'static str, value: f32, [least, most]: [f32; 2]) -> Outcome<()> {
    if value >= least && value <= most {
        return Ok(());
    }
    Err(Fault::Field(field, format!("{value} is not from {least} to {most}")))
}

impl Operation {
    /// Does it to the face (or the locks) on the desk. On a fault the desk is worth nothing.
    ///
    /// # Errors
    /// A [`Fault`] that names the field.
    pub fn apply(&self, desk: &mut Desk<'_>) -> Outcome<()> {
        let far = [-2.0 * REACH, 2.0 * REACH];
        match self {
            Operation::Move { part, dx, dy, to } => {
                let which = desk.parts(part)?;
                within("dx", *dx, far)?;
                within("dy", *dy, far)?;
                if let Some(to) = to {
                    if which.len() > 1 || *dx != 0.0 || *dy != 0.0 {
                        let what = "moves one part, without dx and dy";
                        return Err(Fault::Field("to", what.to_owned()));
                    }
                    return desk.put(which[0], *to, "to");
                }
                for i in which {
                    let [x, y] = desk.face.keypoints[i];
                    let field = if (x + dx).abs() > REACH { "dx" } else { "dy" };
                    desk.put(i, [x + dx, y + dy], field)?;
                }
            }
            Operation::Pose { scale, rotate, dx, dy } => {
                within("scale", *scale, SCALES)?;
                within("rotate", *rotate, [-360.0, 360.0])?;
                within("dx", *dx, far)?;
                within("dy", *dy, far)?;
                let which = desk.parts(&every())?;
                let field = if *dx != 0.0 || *dy != 0.0 { "dx" } else { "scale" };
                desk.turn(&which, *scale, *rotate, [*dx, *dy], field)?;
            }
            Operation::Spread { part, by } => {
                within("by", *by, SCALES)?;
                let which = desk.parts(part)?;
                if which.len() < 2 {
                    return Err(Fault::Field("part", "spreading takes two parts or more".to_owned()));
                }
                desk.turn(&which, *by, 0.0, [0.0; 2], "by")?;
            }
            Operation::Scale { part, by } => {
                within("by", *by, SCALES)?;
                for i in desk.parts(part)? {
                    let scale = desk.face.scales[i] * by;
                    within("by", scale, SCALES)?;
                    desk.face.scales[i] = scale;
                }
            }
            Operation::Swap { part, from, weight } => {
                within("weight", *weight, [0.0, 1.0])?;
                let which = desk.parts(part)?;
                let donor = desk.donor(from)?;
                for i in which {
                    desk.face.embeddings[i] =
                        mix_all(&desk.face.embeddings[i], &donor.embeddings[i], *weight);
                }
            }
            Operation::Background { from, weight } => {
                within("weight", *weight, [0.0, 1.0])?;
                let donor = desk.donor(from)?;
                desk.face.background = mix_all(&desk.face.background, &donor.background, *weight);
            }
            Operation::TakePose { from, weight, part } => {
                within("weight", *weight, [0.0, 1.0])?;
                let which = desk.parts(part)?;
                let donor = desk.donor(from)?;
                for i in which {
                    let (a, b) = (desk.face.keypoints[i], donor.keypoints[i]);
                    desk.face.keypoints[i] = [mix(a[0], b[0], *weight), mix(a[1], b[1], *weight)];
                }
            }
            Operation::Remove { part } => {
                for i in desk.parts(part)? {
                    desk.face.visible[i] = 0.0;
                }
            }
            Operation::Duplicate { part } => {
                desk.parts(part)?;
                let n = desk.manifest.dims.keypoints;
                return Err(Fault::Field(
                    "op",
                    format!(
                        "this bundle's generator draws {n} parts, no more and no fewer: none can be added; move or swap \
                         one that is there"
                    ),
                ));
            }
            Operation::Reset { part } => {
                for i in desk.parts(part)? {
                    desk.face.keypoints[i] = desk.original.keypoints[i];
                    desk.face.scales[i] = desk.original.scales[i];
                    desk.face.visible[i] = desk.original.visible[i];
                    desk.face.embeddings[i].clone_from(&desk.original.embeddings[i]);
                }
            }
            Operation::Lock { part } => {
                for i in part.resolve(desk.manifest).map_err(|what| Fault::Field("part", what))? {
                    let (a, b) = (&desk.face, desk.original);
                    let same = a.keypoints[i] == b.keypoints[i]
                        && a.scales[i] == b.scales[i]
                        && a.visible[i] == b.visible[i]
                        && a.embeddings[i] == b.embeddings[i];
                    if !same {
                        // Its region is to stay as it was in the beginning, so it must still be that.
                        let what = format!("{} was changed already; reset it before locking", desk.name(i));
                        return Err(Fault::Field("part", what));
                    }
                    desk.locked[i] = true;
                }
            }
            Operation::Unlock { part } => {
                for i in part.resolve(desk.manifest).map_err(|what| Fault::Field("part", what))? {
                    desk.locked[i] = false;
                }
            }
            // The session's own affair.
            Operation::Undo {} | Operation::Redo {} => {}
        }
        Ok(())
    }

    /// What it does, for people.
    pub fn label(&self, manifest: &Manifest) -> String {
        let name = |parts: &Parts| parts.describe(manifest);
        match self {
            Operation::Move { part, to: Some([x, y]), .. } => {
                format!("move {} to {x:.2}, {y:.2}", name(part))
            }
            Operation::Move { part, dx, dy, .. } => format!("move {} by {dx:.2}, {dy:.2}", name(part)),
            Operation::Pose { scale, rotate, dx, dy } => {
                format!("pose: scale {scale:.2}, turn {rotate:.0}, move {dx:.2}, {dy:.2}")
            }
            Operation::Spread { part, by } => format!("spread {} by {by:.2}", name(part)),
            Operation::Scale { part, by } => format!("scale {} by {by:.2}", name(part)),
            Operation::Swap { part, from, weight } => format!("swap {}: {weight:.2} of {from}", name(part)),
            Operation::Background { from, weight } => format!("background: {weight:.2} of {from}"),
            Operation::TakePose { from, weight, .. } => format!("pose: {weight:.2} of {from}"),
            Operation::Remove { part } => format!("remove {}", name(part)),
            Operation::Duplicate { part } => format!("duplicate {}", name(part)),
            Operation::Reset { part } => format!("reset {}", name(part)),
            Operation::Lock { part } => format!("lock {}", name(part)),
            Operation::Unlock { part } => format!("unlock {}", name(part)),
            Operation::Undo {} => "undo".to_owned(),
            Operation::Redo {} => "redo".to_owned(),
        }
    }
}
