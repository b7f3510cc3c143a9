use serde::{Deserialize, Serialize};

use super::FaceLatents;
use super::latents::Taken;

/// A field of a face that changed, with what it was and what it is: so it can be done and undone to the bit.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "field", rename_all = "snake_case", deny_unknown_fields)]
pub enum Change {
    /// Where a part is.
    Keypoint {
        /// Index of the part.
        part: usize,
        /// Before.
        from: [f32; 2],
        /// After.
        to: [f32; 2],
    },
    /// How wide a part is.
    Scale {
        /// Index of the part.
        part: usize,
        /// Before.
        from: f32,
        /// After.
        to: f32,
    },
    /// Whether a part is there.
    Visible {
        /// Index of the part.
        part: usize,
        /// Before.
        from: f32,
        /// After.
        to: f32,
    },
    /// The embedding of a part.
    #[serde(rename = "look")]
    Appearance {
        /// Index of the part.
        part: usize,
        /// Before.
        from: Vec<f32>,
        /// After.
        to: Vec<f32>,
    },
    /// The embedding of the background.
    Background {
        /// Before.
        from: Vec<f32>,
        /// After.
        to: Vec<f32>,
    },
    /// The states of a part.
    States {
        /// Index of the part.
        part: usize,
        /// Before.
        from: Vec<f32>,
        /// After.
        to: Vec<f32>,
    },
    /// Whose part is shown; the photo's own where that is nobody's.
    Taken {
        /// Index of the part.
        part: usize,
        /// Before.
        from: Option<Taken>,
        /// After.
        to: Option<Taken>,
    },
    /// Whether a part is locked.
    Lock {
        /// Index of the part.
        part: usize,
        /// Before.
        from: bool,
        /// After.
        to: bool,
    },
}

/// What one operation changed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Transaction {
    /// What was done, for people.
    pub label: String,
    /// The fields that changed, each one once.
    pub changes: Vec<Change>,
}

impl Change {
    /// The change that takes this one back.
    pub fn inverse(&self) -> Self {
        match self.clone() {
            Change::Keypoint { part, from, to } => Change::Keypoint { part, from: to, to: from },
            Change::Scale { part, from, to } => Change::Scale { part, from: to, to: from },
            Change::Visible { part, from, to } => Change::Visible { part, from: to, to: from },
            Change::Appearance { part, from, to } => Change::Appearance { part, from: to, to: from },
            Change::Background { from, to } => Change::Background { from: to, to: from },
            Change::States { part, from, to } => Change::States { part, from: to, to: from },
            Change::Taken { part, from, to } => Change::Taken { part, from: to, to: from },
            Change::Lock { part, from, to } => Change::Lock { part, from: to, to: from },
        }
    }

    /// Puts the new value in place. Gives back false, and changes nothing, where the old one is not as noted.
    #[must_use]
    pub fn apply(&self, face: &mut FaceLatents, locked: &mut [bool]) -> bool {
        fn put<T: PartialEq + Clone>(place: Option<&mut T>, from: &T, to: &T) -> bool {
            match place {
                Some(place) if *place == *from => {
                    place.clone_from(to);
                    true
                }
                _ => false,
            }
        }
        match self {
            Change::Keypoint { part, from, to } => put(face.keypoints.get_mut(*part), from, to),
            Change::Scale { part, from, to } => put(face.scales.get_mut(*part), from, to),
            Change::Visible { part, from, to } => put(face.visible.get_mut(*part), from, to),
            Change::Appearance { part, from, to } => put(face.embeddings.get_mut(*part), from, to),
            Change::Background { from, to } => put(Some(&mut face.background), from, to),
            Change::States { part, from, to } => {
                let (at, old) = (part.saturating_mul(to.len()), from.as_slice());
                match face.states.get_mut(at..at.saturating_add(to.len())) {
                    Some(place) if *place == *old => {
                        place.copy_from_slice(to);
                        true
                    }
                    _ => false,
                }
            }
            Change::Taken { part, from, to } => {
                let fits = face.taken.get(part) == from.as_ref();
                match to.clone().filter(|_| fits) {
                    Some(to) => drop(face.taken.insert(*part, to)),
                    None if fits => drop(face.taken.remove(part)),
                    None => {}
                }
                fits
            }
            Change::Lock { part, from, to } => put(locked.get_mut(*part), from, to),
        }
    }
}

impl Transaction {
    /// What turns `before` into `after`.
    pub fn between(label: String, before: (&FaceLatents, &[bool]), after: (&FaceLatents, &[bool])) -> Self {
        let mut changes = Vec::new();
        let ((a, locked), (b, lock)) = (before, after);
        for part in 0..a.parts() {
            if a.keypoints[part] != b.keypoints[part] {
                changes.push(Change::Keypoint { part, from: a.keypoints[part], to: b.keypoints[part] });
            }
            if a.scales[part] != b.scales[part] {
                changes.push(Change::Scale { part, from: a.scales[part], to: b.scales[part] });
            }
            if a.visible[part] != b.visible[part] {
                changes.push(Change::Visible { part, from: a.visible[part], to: b.visible[part] });
            }
            if a.embeddings[part] != b.embeddings[part] {
                let (from, to) = (a.embeddings[part].clone(), b.embeddings[part].clone());
                changes.push(Change::Appearance { part, from, to });
            }
            let (from, to) = (a.states_of(part), b.states_of(part));
            if from != to {
                changes.push(Change::States { part, from: from.to_vec(), to: to.to_vec() });
            }
            let (from, to) = (a.taken.get(&part).cloned(), b.taken.get(&part).cloned());
            if from != to {
                changes.push(Change::Taken { part, from, to });
            }
            if locked[part] != lock[part] {
                changes.push(Change::Lock { part, from: locked[part], to: lock[part] });
            }
        }
        if a.background != b.background {
            changes.push(Change::Background { from: a.background.clone(), to: b.background.clone() });
        }
        Self { label, changes }
    }

    /// The transaction that takes this one back.
    pub fn inverse(&self) -> Self {
        let changes = self.changes.iter().rev().map(Change::inverse).collect();
        Self { label: self.label.clone(), changes }
    }

    /// Applies every change. Gives back false where one does not fit; the face is then worth nothing.
    #[must_use]
    pub fn apply(&self, face: &mut FaceLatents, locked: &mut [bool]) -> bool {
        self.changes.iter().all(|change| change.apply(face, locked))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::edit::testing::face;

    #[test]
    fn a_transaction_and_its_inverse_leave_everything_as_it_was() {
        let (before, mut after) = (face(0.1), face(0.3));
        after.scales[1] = 2.0;
        after.visible[0] = 0.0;
        let t = Transaction::between("all".to_owned(), (&before, &[false, true]), (&after, &[true, false]));
        // Two keypoints, two embeddings, two locks, a scale, a visibility, the background.
        assert_eq!(t.changes.len(), 9);
        let (mut f, mut locked) = (before.clone(), vec![false, true]);
        assert!(t.apply(&mut f, &mut locked));
        assert_eq!((&f, locked.as_slice()), (&after, &[true, false][..]));
        assert!(t.inverse().apply(&mut f, &mut locked));
        assert_eq!((&f, locked.as_slice()), (&before, &[false, true][..]));
        assert_eq!(t.inverse().inverse(), Transaction { changes: t.changes.clone(), ..t.clone() });
    }

    #[test]
    fn states_and_others_parts_are_done_and_undone() {
        let before = FaceLatents::carried(vec![[0.0; 2]; 2], vec![0.1, 0.2, 0.3, 0.4], 0.0);
        let mut after = before.clone();
        after.states[3] = 0.9;
        after.taken.insert(0, Taken { from: "b.jpg".to_owned(), weight: 0.5 });
        let t = Transaction::between("t".to_owned(), (&before, &[false; 2]), (&after, &[false; 2]));
        assert_eq!(t.changes.len(), 2);
        let text = serde_json::to_string(&t).unwrap();
        let t: Transaction = serde_json::from_str(&text).unwrap();
        let (mut face, mut locked) = (before.clone(), vec![false; 2]);
        assert!(t.apply(&mut face, &mut locked) && face == after);
        assert!(!t.clone().apply(&mut face, &mut locked), "it is done already");
        assert!(t.inverse().apply(&mut face, &mut locked) && face == before);
        let far = Change::States { part: 9, from: vec![0.0; 2], to: vec![0.0; 2] };
        assert!(!far.apply(&mut face, &mut locked));
    }

    #[test]
    fn a_change_of_something_else_is_refused() {
        let mut f = face(0.0);
        let change = Change::Keypoint { part: 0, from: [0.9, 0.9], to: [0.0, 0.0] };
        assert!(!change.apply(&mut f, &mut [false, false]));
        let change = Change::Scale { part: 7, from: 1.0, to: 2.0 };
        assert!(!change.apply(&mut f, &mut [false, false]));
        assert_eq!(f, face(0.0));
    }
}
