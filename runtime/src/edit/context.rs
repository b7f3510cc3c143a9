//! What an operation works on, and what it refuses.

use lkg_bundle::Manifest;

use super::latents::REACH;
use super::{EditError, FaceLatents, Parts};
use crate::error::{Error, Result};

/// A value of an operation that cannot be, by its field's name.
#[derive(Debug, thiserror::Error)]
pub enum OperationError {
    /// The field and what is wrong with it.
    #[error("{0}: {1}")]
    Field(&'static str, String),
    /// Something else failed, for instance reading a donor, given in the field.
    #[error("{0}: {1}")]
    Donor(&'static str, #[source] Error),
}

impl OperationError {
    /// The error, with `place` (`edits[3].`) right before the field.
    pub fn at(self, place: &str) -> Error {
        let refused = |field, reason| EditError::Operation { place: place.to_owned(), field, reason }.into();
        match self {
            OperationError::Field(field, reason) => refused(field, reason),
            // What is wrong with the donor itself; a network that failed is no matter of this field.
            OperationError::Donor(field, e) if e.exit_code() == 2 => refused(field, e.to_string()),
            OperationError::Donor(_, e) => e,
        }
    }
}

/// What an operation works on.
pub struct OperationContext<'a> {
    /// Names of the parts.
    pub manifest: &'a Manifest,
    /// The face as it was in the beginning.
    pub original: &'a FaceLatents,
    /// The face.
    pub face: FaceLatents,
    /// Which parts are locked.
    pub locked: Vec<bool>,
    /// Finds another face by its name.
    pub donors: &'a mut dyn FnMut(&str) -> Result<FaceLatents>,
}

pub(super) type Outcome<T> = std::result::Result<T, OperationError>;

impl OperationContext<'_> {
    /// The parts meant, without those that are locked.
    ///
    /// A locked part that is named by itself is an error; as one of several it is left out.
    pub(super) fn parts(&self, parts: &Parts) -> Outcome<Vec<usize>> {
        let refuse = |what| OperationError::Field("part", what);
        let mut which = parts.resolve(self.manifest).map_err(refuse)?;
        if let [only] = which[..]
            && self.locked[only]
        {
            return Err(refuse(format!("{} is locked; unlock it first", self.name(only))));
        }
        which.retain(|i| !self.locked[*i]);
        if which.is_empty() { Err(refuse("all of these parts are locked".to_owned())) } else { Ok(which) }
    }

    pub(super) fn name(&self, part: usize) -> &str {
        self.manifest.keypoints.get(part).map_or("?", |k| k.name.as_str())
    }

    pub(super) fn put(&mut self, part: usize, [x, y]: [f32; 2], field: &'static str) -> Outcome<()> {
        if x.abs() <= REACH && y.abs() <= REACH {
            self.face.keypoints[part] = [x, y];
            return Ok(());
        }
        let name = self.name(part);
        Err(OperationError::Field(
            field,
            format!("would put {name} at ({x:.2}, {y:.2}), outside -{REACH} to {REACH}"),
        ))
    }

    /// The removed part that may stand in for another: the one asked for, else the first that is not locked.
    pub(super) fn spare(&self, into: Option<&Parts>) -> Outcome<usize> {
        let refuse = |what: String| OperationError::Field("into", what);
        let Some(into) = into else {
            let free = (0..self.face.parts()).find(|i| self.face.visible[*i] == 0.0 && !self.locked[*i]);
            let n = self.face.parts();
            return free.ok_or_else(|| {
                refuse(format!(
                    "this bundle's generator has {n} parts, and all of them are there: remove one first, which then \
                     stands in"
                ))
            });
        };
        match into.resolve(self.manifest).map_err(refuse)?[..] {
            [only] if self.locked[only] => {
                Err(refuse(format!("{} is locked; unlock it first", self.name(only))))
            }
            [only] if self.face.visible[only] == 0.0 => Ok(only),
            [only] => Err(refuse(format!("{} is there; remove it first", self.name(only)))),
            _ => Err(refuse("one part stands in".to_owned())),
        }
    }

    /// Takes places and states of the parts `which` from `face`.
    pub(super) fn take_parts(&mut self, which: &[usize], face: &FaceLatents) {
        for &i in which {
            self.face.keypoints[i] = face.keypoints[i];
            self.face.states_of_mut(i).copy_from_slice(face.states_of(i));
        }
    }

    pub(super) fn donor(&mut self, from: &str) -> Outcome<FaceLatents> {
        let donor = (self.donors)(from).map_err(|e| OperationError::Donor("from", e))?;
        if donor.is_carried() == self.face.is_carried() {
            return Ok(donor);
        }
        let what = match self.face.is_carried() {
            true => "was not opened as a photo that is carried: name the photo itself",
            false => {
                "is a photo's face that portrait networks carry, and this one is drawn: name the photo itself"
            }
        };
        Err(OperationError::Field("from", format!("{from}: {what}")))
    }

    /// Points `which` scaled by `scale` and turned by `degrees` about their centre, then moved.
    pub(super) fn turn(
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
