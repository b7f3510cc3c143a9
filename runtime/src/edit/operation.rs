//! What can be done to a face, as files and flags say it.

use std::collections::BTreeMap;

use lkg_bundle::Manifest;
use serde::{Deserialize, Serialize};

use super::Parts;
use super::context::{OperationContext, OperationError, Outcome};
use super::expressions::{asked, express, express_as};
use super::latents::{REACH, SCALES, Taken};
use super::mix::{mix, mix_all};
use super::pose::posed_as;

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
    /// Takes another face's appearance of the parts; in a photo that is carried, the other photo's own pixels.
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
    /// Takes another face's keypoints; a photo that is carried keeps its own face's shape and turns as the other does.
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
    /// Sets expressions of a photo that is carried: parts and their states move along the manifest's directions.
    Expression {
        /// Values by the names in the manifest, within their ranges.
        set: BTreeMap<String, f32>,
    },
    /// Takes another face's expression.
    TakeExpression {
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
    /// Duplicates a part by means of one that was removed: a generator has so many and no more.
    Duplicate {
        /// Which.
        part: Parts,
        /// The removed one that takes on its embedding and width [default: the first].
        #[serde(default)]
        into: Option<Parts>,
        /// (x, y) of the second one.
        to: [f32; 2],
    },
    /// Makes parts as they were in the beginning, their embedding, place, width and presence.
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
    Err(OperationError::Field(field, format!("{value} is not from {least} to {most}")))
}

impl Operation {
    /// Does it to the face (or the locks) of `context`. On an error the context is worth nothing.
    ///
    /// # Errors
    /// An [`OperationError`] that names the field.
    pub(crate) fn apply(&self, context: &mut OperationContext<'_>) -> Outcome<()> {
        let far = [-2.0 * REACH, 2.0 * REACH];
        self.check_kind(context.original.is_carried())?;
        match self {
            Operation::Move { part, dx, dy, to } => {
                let which = context.parts(part)?;
                within("dx", *dx, far)?;
                within("dy", *dy, far)?;
                if let Some(to) = to {
                    if which.len() > 1 || *dx != 0.0 || *dy != 0.0 {
                        let what = "moves one part, without dx and dy";
                        return Err(OperationError::Field("to", what.to_owned()));
                    }
                    return context.put(which[0], *to, "to");
                }
                for i in which {
                    let [x, y] = context.face.keypoints[i];
                    let field = if (x + dx).abs() > REACH { "dx" } else { "dy" };
                    context.put(i, [x + dx, y + dy], field)?;
                }
            }
            Operation::Pose { scale, rotate, dx, dy } => {
                within("scale", *scale, SCALES)?;
                within("rotate", *rotate, [-360.0, 360.0])?;
                within("dx", *dx, far)?;
                within("dy", *dy, far)?;
                let which = context.parts(&every())?;
                let field = if *dx != 0.0 || *dy != 0.0 { "dx" } else { "scale" };
                context.turn(&which, *scale, *rotate, [*dx, *dy], field)?;
            }
            Operation::Spread { part, by } => {
                within("by", *by, SCALES)?;
                let which = context.parts(part)?;
                if which.len() < 2 {
                    return Err(OperationError::Field(
                        "part",
                        "spreading takes two parts or more".to_owned(),
                    ));
                }
                context.turn(&which, *by, 0.0, [0.0; 2], "by")?;
            }
            Operation::Scale { part, by } => {
                within("by", *by, SCALES)?;
                for i in context.parts(part)? {
                    let scale = context.face.scales[i] * by;
                    within("by", scale, SCALES)?;
                    context.face.scales[i] = scale;
                }
            }
            Operation::Swap { part, from, weight } => {
                within("weight", *weight, [0.0, 1.0])?;
                let which = context.parts(part)?;
                let donor = context.donor(from)?;
                if donor.is_carried() {
                    for i in which {
                        let taken = Taken { from: from.clone(), weight: *weight };
                        context.face.taken.insert(i, taken);
                    }
                    return Ok(());
                }
                for i in which {
                    context.face.embeddings[i] =
                        mix_all(&context.face.embeddings[i], &donor.embeddings[i], *weight);
                }
            }
            Operation::Background { from, weight } => {
                within("weight", *weight, [0.0, 1.0])?;
                let donor = context.donor(from)?;
                context.face.background = mix_all(&context.face.background, &donor.background, *weight);
            }
            Operation::TakePose { from, weight, part } => {
                within("weight", *weight, [0.0, 1.0])?;
                let which = context.parts(part)?;
                let donor = context.donor(from)?;
                if donor.is_carried() {
                    let posed = posed_as(context.manifest, &context.face, &donor, *weight);
                    for i in which {
                        context.face.keypoints[i] = posed[i].map(|v| v.clamp(-REACH, REACH));
                    }
                    return Ok(());
                }
                for i in which {
                    let (a, b) = (context.face.keypoints[i], donor.keypoints[i]);
                    context.face.keypoints[i] = [mix(a[0], b[0], *weight), mix(a[1], b[1], *weight)];
                }
            }
            Operation::Expression { set } => {
                let asked =
                    asked(context.manifest, set).map_err(|what| OperationError::Field("set", what))?;
                let face = express(context.manifest, context.original, &context.face, &asked);
                let free: Vec<usize> = (0..context.face.parts()).filter(|i| !context.locked[*i]).collect();
                context.take_parts(&free, &face);
            }
            Operation::TakeExpression { from, weight, part } => {
                within("weight", *weight, [0.0, 1.0])?;
                let which = context.parts(part)?;
                let donor = context.donor(from)?;
                let face = express_as(context.manifest, context.original, &context.face, &donor, *weight);
                context.take_parts(&which, &face);
            }
            Operation::Remove { part } => {
                for i in context.parts(part)? {
                    context.face.visible[i] = 0.0;
                }
            }
            Operation::Add { part, to } => {
                let which = context.parts(part)?;
                if let Some(there) = which.iter().find(|i| context.face.visible[**i] > 0.0) {
                    let what = format!("{} is there already", context.name(*there));
                    return Err(OperationError::Field("part", what));
                }
                match (to, &which[..]) {
                    (Some(to), [only]) => context.put(*only, *to, "to")?,
                    (Some(_), _) => return Err(OperationError::Field("to", "is for one part".to_owned())),
                    (None, _) => {}
                }
                which.into_iter().for_each(|i| context.face.visible[i] = 1.0);
            }
            Operation::Duplicate { part, into, to } => {
                let [of] = context.parts(part)?[..] else {
                    return Err(OperationError::Field("part", "one part is duplicated".to_owned()));
                };
                let free = context.spare(into.as_ref())?;
                context.put(free, *to, "to")?;
                context.face.scales[free] = context.face.scales[of];
                context.face.embeddings[free] = context.face.embeddings[of].clone();
                context.face.visible[free] = 1.0;
            }
            Operation::Reset { part } => {
                for i in context.parts(part)? {
                    context.face.keypoints[i] = context.original.keypoints[i];
                    context.face.scales[i] = context.original.scales[i];
                    context.face.visible[i] = context.original.visible[i];
                    context.face.embeddings[i].clone_from(&context.original.embeddings[i]);
                    let states = context.original.states_of(i);
                    context.face.states_of_mut(i).copy_from_slice(states);
                    match context.original.taken.get(&i) {
                        Some(taken) => drop(context.face.taken.insert(i, taken.clone())),
                        None => drop(context.face.taken.remove(&i)),
                    }
                }
            }
            Operation::Lock { part } => {
                for i in part.resolve(context.manifest).map_err(|what| OperationError::Field("part", what))? {
                    if !context.face.same_part(context.original, i) {
                        // Its region is to stay as it was in the beginning, so it must still be that.
                        let what =
                            format!("{} was changed already; reset it before locking", context.name(i));
                        return Err(OperationError::Field("part", what));
                    }
                    context.locked[i] = true;
                }
            }
            Operation::Unlock { part } => {
                for i in part.resolve(context.manifest).map_err(|what| OperationError::Field("part", what))? {
                    context.locked[i] = false;
                }
            }
            // The session's own affair.
            Operation::Undo {} | Operation::Redo {} => {}
        }
        Ok(())
    }

    /// Refuses what only the other kind of face can be given: one that is drawn, or a photo that is `carried`.
    fn check_kind(&self, carried: bool) -> Outcome<()> {
        let name = match self {
            Operation::Background { .. } => "background",
            Operation::Remove { .. } => "remove",
            Operation::Add { .. } => "add",
            Operation::Duplicate { .. } => "duplicate",
            Operation::Expression { .. } | Operation::TakeExpression { .. } if !carried => {
                let what = "expressions are of photos that portrait networks carry: name a bundle that has such networks, \
                            as --bundle models/portrait128, and leave out --blend";
                return Err(OperationError::Field("op", what.to_owned()));
            }
            _ => return Ok(()),
        };
        if !carried {
            return Ok(());
        }
        let what = format!(
            "{name} takes a generator, and this photo is carried with its own pixels: name a bundle with a generator, as \
             --bundle models/faces128, and add --blend warp"
        );
        Err(OperationError::Field("op", what))
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
            Operation::Expression { set } => {
                set.iter().map(|(name, v)| format!("{name} {v:.2}")).collect::<Vec<_>>().join(", ")
            }
            Operation::TakeExpression { from, weight, .. } => format!("expression: {weight:.2} of {from}"),
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
