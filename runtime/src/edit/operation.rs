//! What can be done to a face, as files and flags say it.

use lkg_bundle::Manifest;
use serde::{Deserialize, Serialize};

use super::Parts;
use super::desk::{Desk, Fault, Outcome};
use super::face::{REACH, SCALES};
use super::mix::{mix, mix_all};

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
    /// Puts parts back that were removed.
    Add {
        /// Which.
        part: Parts,
        /// (x, y), for one part [default: where it was].
        #[serde(default)]
        to: Option<[f32; 2]>,
    },
    /// Draws a part a second time, by means of one that was removed: a generator has so many and no more.
    Duplicate {
        /// Which.
        part: Parts,
        /// The removed one that takes on its look and width [default: the first].
        #[serde(default)]
        into: Option<Parts>,
        /// (x, y) of the second one.
        to: [f32; 2],
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
            Operation::Add { part, to } => {
                let which = desk.parts(part)?;
                if let Some(there) = which.iter().find(|i| desk.face.visible[**i] > 0.0) {
                    let what = format!("{} is there already", desk.name(*there));
                    return Err(Fault::Field("part", what));
                }
                match (to, &which[..]) {
                    (Some(to), [only]) => desk.put(*only, *to, "to")?,
                    (Some(_), _) => return Err(Fault::Field("to", "is for one part".to_owned())),
                    (None, _) => {}
                }
                which.into_iter().for_each(|i| desk.face.visible[i] = 1.0);
            }
            Operation::Duplicate { part, into, to } => {
                let [of] = desk.parts(part)?[..] else {
                    return Err(Fault::Field("part", "one part is drawn a second time".to_owned()));
                };
                let free = desk.spare(into.as_ref())?;
                desk.put(free, *to, "to")?;
                desk.face.scales[free] = desk.face.scales[of];
                desk.face.embeddings[free] = desk.face.embeddings[of].clone();
                desk.face.visible[free] = 1.0;
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
            Operation::Add { part, .. } => format!("add {}", name(part)),
            Operation::Duplicate { part, to: [x, y], .. } => {
                format!("duplicate {} at {x:.2}, {y:.2}", name(part))
            }
            Operation::Reset { part } => format!("reset {}", name(part)),
            Operation::Lock { part } => format!("lock {}", name(part)),
            Operation::Unlock { part } => format!("unlock {}", name(part)),
            Operation::Undo {} => "undo".to_owned(),
            Operation::Redo {} => "redo".to_owned(),
        }
    }
}
