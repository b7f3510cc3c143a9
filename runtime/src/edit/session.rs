use std::collections::BTreeMap;

use lkg_bundle::Manifest;

use super::context::{OperationContext, OperationError};
use super::operation::Operation;
use super::{FaceLatents, Transaction};
use crate::error::Result;

/// What finds a face by its name.
type Find<'a> = dyn FnMut(&str) -> Result<FaceLatents> + 'a;

/// Faces by the names that operations use, found once.
pub struct Donors<'a> {
    find: Box<Find<'a>>,
    found: BTreeMap<String, FaceLatents>,
}

impl<'a> Donors<'a> {
    /// Donors that `find` finds.
    pub fn new(find: impl FnMut(&str) -> Result<FaceLatents> + 'a) -> Self {
        Self { find: Box::new(find), found: BTreeMap::new() }
    }

    /// The face called `name`.
    ///
    /// # Errors
    /// Those of finding it.
    pub fn face(&mut self, name: &str) -> Result<FaceLatents> {
        if let Some(face) = self.found.get(name) {
            return Ok(face.clone());
        }
        let face = (self.find)(name)?;
        self.found.insert(name.to_owned(), face.clone());
        Ok(face)
    }
}

/// A face being edited, with everything done to it.
#[derive(Clone, Debug, PartialEq)]
pub struct Session {
    original: FaceLatents,
    face: FaceLatents,
    locked: Vec<bool>,
    history: Vec<Transaction>,
    /// How many of the history are done; the rest was taken back.
    done: usize,
}

impl Session {
    /// A session in which nothing was done yet.
    pub fn new(original: FaceLatents) -> Self {
        let locked = vec![false; original.parts()];
        Self { face: original.clone(), original, locked, history: Vec::new(), done: 0 }
    }

    /// A session as it was saved; `None` if the history does not fit the face, or leads over one that is not `sound`.
    pub fn restore(
        original: FaceLatents,
        history: Vec<Transaction>,
        done: usize,
        sound: impl Fn(&FaceLatents) -> bool,
    ) -> Option<Self> {
        let mut session = Self::new(original);
        session.history = history;
        // What was taken back must fit, too, else redo would fail later.
        while let Some(fits) = session.redo() {
            (fits && sound(&session.face)).then_some(())?;
        }
        if done > session.done {
            return None;
        }
        while session.done > done {
            session.undo().filter(|fits| *fits)?;
        }
        Some(session)
    }

    /// The face as it is now.
    pub fn face(&self) -> &FaceLatents {
        &self.face
    }

    /// The face as it was in the beginning.
    pub fn original(&self) -> &FaceLatents {
        &self.original
    }

    /// Which parts are locked.
    pub fn locked(&self) -> &[bool] {
        &self.locked
    }

    /// All transactions, and how many of them are done.
    pub fn history(&self) -> (&[Transaction], usize) {
        (&self.history, self.done)
    }

    /// Does `operation`; what had been taken back before can't be redone then. On an error nothing changes. Gives back
    /// whether anything changed.
    ///
    /// # Errors
    /// An [`OperationError`] that names the field.
    pub fn apply(
        &mut self,
        operation: &Operation,
        manifest: &Manifest,
        donors: &mut Donors<'_>,
    ) -> std::result::Result<bool, OperationError> {
        match operation {
            Operation::Undo {} => return Ok(self.undo().is_some()),
            Operation::Redo {} => return Ok(self.redo().is_some()),
            _ => {}
        }
        let (face, locked) = self.preview(operation, manifest, donors)?;
        Ok(self.commit(operation.label(manifest), &face, &locked))
    }

    /// The face and the locks that `operation` would lead to, without doing it. Undo and redo lead nowhere here.
    ///
    /// # Errors
    /// An [`OperationError`] that names the field.
    pub fn preview(
        &self,
        operation: &Operation,
        manifest: &Manifest,
        donors: &mut Donors<'_>,
    ) -> std::result::Result<(FaceLatents, Vec<bool>), OperationError> {
        let mut find = |name: &str| donors.face(name);
        let mut context = OperationContext {
            manifest,
            original: &self.original,
            face: self.face.clone(),
            locked: self.locked.clone(),
            donors: &mut find,
        };
        operation.apply(&mut context)?;
        Ok((context.face, context.locked))
    }

    /// Notes that `face` and `locked` are the new state. Gives back whether anything changed.
    fn commit(&mut self, label: String, face: &FaceLatents, locked: &[bool]) -> bool {
        let transaction = Transaction::between(label, (&self.face, &self.locked), (face, locked));
        if transaction.changes.is_empty() {
            return false;
        }
        // By what is noted, and nothing else: what compares equal, as 0 and -0 do, would be changed and not come back.
        if !transaction.apply(&mut self.face, &mut self.locked) {
            return false;
        }
        self.history.truncate(self.done);
        self.history.push(transaction);
        self.done += 1;
        true
    }

    /// Takes the last transaction back; `None` if there is none, false if it does not fit.
    pub fn undo(&mut self) -> Option<bool> {
        let transaction = self.history[..self.done].last()?.inverse();
        self.done -= 1;
        Some(transaction.apply(&mut self.face, &mut self.locked))
    }

    /// Does again what was taken back last; `None` if nothing was, false if it does not fit.
    pub fn redo(&mut self) -> Option<bool> {
        let transaction = self.history.get(self.done)?;
        self.done += 1;
        Some(transaction.apply(&mut self.face, &mut self.locked))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::edit::EditError;
    use crate::edit::testing::face;
    use crate::edit::testing::named_manifest;

    fn donors<'a>() -> Donors<'a> {
        Donors::new(|name| match name {
            "seed:1" => Ok(face(0.25)),
            other => Err(EditError::NotOnStrip(other.to_owned()).into()),
        })
    }

    fn play(session: &mut Session, edits: &[&str]) -> std::result::Result<(), String> {
        let manifest = named_manifest(&["eye-left", "eye-right"]);
        for (i, edit) in edits.iter().enumerate() {
            let operation: Operation = serde_json::from_str(edit).map_err(|e| e.to_string())?;
            let done = session.apply(&operation, &manifest, &mut donors());
            done.map_err(|error| error.at(&format!("edits[{i}].")).to_string())?;
        }
        Ok(())
    }

    const EVERY: [&str; 11] = [
        r#"{"op":"lock","part":0}"#,
        r#"{"op":"move","part":"all","dx":0.125}"#,
        r#"{"op":"unlock","part":0}"#,
        r#"{"op":"move","part":"eye-left","to":[0.1,-0.3]}"#,
        r#"{"op":"pose","scale":1.1,"rotate":20,"dx":0.1,"dy":-0.1}"#,
        r#"{"op":"spread","part":"eyes","by":0.5}"#,
        r#"{"op":"scale","part":1,"by":1.5}"#,
        r#"{"op":"swap","part":["eye-left","eye-right"],"from":"seed:1","weight":0.3}"#,
        r#"{"op":"background","from":"seed:1"}"#,
        r#"{"op":"take_pose","from":"seed:1","weight":0.7}"#,
        r#"{"op":"remove","part":"eye-right"}"#,
    ];

    #[test]
    fn undoing_everything_gives_back_the_very_face_and_redoing_the_edited_one() {
        let mut session = Session::new(face(0.1));
        play(&mut session, &EVERY).unwrap();
        let edited = session.face().clone();
        assert_eq!(session.history().1, EVERY.len());
        while let Some(fits) = session.undo() {
            assert!(fits);
        }
        assert_eq!((session.face(), session.locked()), (&face(0.1), &[false, false][..]));
        while let Some(fits) = session.redo() {
            assert!(fits);
        }
        assert_eq!(session.face(), &edited);
        play(&mut session, &[r#"{"op":"undo"}"#, r#"{"op":"reset","part":"all"}"#]).unwrap();
        assert_eq!(session.face().keypoints, face(0.1).keypoints);
        assert_eq!(session.redo(), None, "a new edit forgets what was taken back");
    }

    #[test]
    fn a_saved_history_is_restored_and_a_foreign_one_is_not() {
        let mut session = Session::new(face(0.1));
        play(&mut session, &EVERY).unwrap();
        session.undo();
        let (history, done) = session.history();
        let restored = Session::restore(face(0.1), history.to_vec(), done, |_| true);
        assert_eq!(restored.as_ref(), Some(&session));
        assert_eq!(Session::restore(face(0.2), history.to_vec(), done, |_| true), None);
        assert_eq!(Session::restore(face(0.1), history.to_vec(), 99, |_| true), None);
        assert_eq!(Session::restore(face(0.1), history.to_vec(), done, |f| f.scales[1] == 1.0), None);
    }

    #[test]
    fn locked_parts_stay() {
        let mut session = Session::new(face(0.0));
        play(&mut session, &[r#"{"op":"lock","part":"eye-left"}"#, r#"{"op":"move","part":"all","dx":0.1}"#])
            .unwrap();
        assert_eq!(session.face().keypoints, [[-0.5, 0.1], [0.6, 0.2]]);
        let refused = play(&mut session, &[r#"{"op":"move","part":"eye-left","dx":0.1}"#]).unwrap_err();
        assert_eq!(refused, "edits[0].part: eye-left is locked; unlock it first");
        let refused = play(&mut session, &[r#"{"op":"lock","part":"eye-right"}"#]).unwrap_err();
        assert!(refused.contains("changed already"), "{refused}");
    }

    #[test]
    fn a_removed_part_comes_back_or_stands_in_for_another() {
        let mut session = Session::new(face(0.1));
        play(
            &mut session,
            &[
                r#"{"op":"scale","part":0,"by":1.5}"#,
                r#"{"op":"remove","part":1}"#,
                r#"{"op":"add","part":1,"to":[0.2,0.3]}"#,
            ],
        )
        .unwrap();
        assert_eq!((session.face().visible[1], session.face().keypoints[1]), (1.0, [0.2, 0.3]));
        play(
            &mut session,
            &[r#"{"op":"remove","part":1}"#, r#"{"op":"duplicate","part":"eye-left","to":[0.5,0.6]}"#],
        )
        .unwrap();
        let after = session.face();
        assert_eq!((after.embeddings[1].clone(), after.scales[1]), (after.embeddings[0].clone(), 1.5));
        assert_eq!(after.keypoints, [face(0.1).keypoints[0], [0.5, 0.6]]);
        assert_eq!(after.visible, [1.0; 2]);
        (0..5).for_each(|_| assert_eq!(session.undo(), Some(true)));
        assert_eq!(session.face(), &face(0.1));
    }

    #[test]
    fn a_preview_is_what_would_be_and_changes_nothing() {
        let mut session = Session::new(face(0.1));
        let operation: Operation = serde_json::from_str(r#"{"op":"move","part":0,"dx":0.25}"#).unwrap();
        let manifest = named_manifest(&["eye-left", "eye-right"]);
        let (seen, _) = session.preview(&operation, &manifest, &mut donors()).unwrap();
        assert_eq!(session, Session::new(face(0.1)));
        session.apply(&operation, &manifest, &mut donors()).unwrap();
        assert_eq!(session.face(), &seen);
    }

    #[test]
    fn what_cannot_be_names_its_field_and_changes_nothing() {
        let mut session = Session::new(face(0.0));
        for (edit, message) in [
            (
                r#"{"op":"move","part":"ear","dx":0.1}"#,
                "edits[0].part: no part \"ear\"; the parts are eye-left",
            ),
            (r#"{"op":"move","part":"all","dx":0.9}"#, "edits[0].dx: would put eye-right at (1.40, 0.20)"),
            (r#"{"op":"move","part":"all","to":[0,0]}"#, "edits[0].to: moves one part"),
            (r#"{"op":"move","part":0,"dx":5}"#, "edits[0].dx: 5 is not from"),
            (r#"{"op":"scale","part":0,"by":0}"#, "edits[0].by: 0 is not from 0.25 to 4"),
            (r#"{"op":"swap","part":0,"from":"seed:1","weight":1.5}"#, "edits[0].weight: 1.5"),
            (r#"{"op":"swap","part":0,"from":"nobody"}"#, "edits[0].from: nobody: no such face"),
            (r#"{"op":"spread","part":0,"by":2}"#, "edits[0].part: spreading takes two"),
            (
                r#"{"op":"duplicate","part":0,"to":[0,0]}"#,
                "edits[0].into: this bundle's generator has 2 parts, and all of them are there",
            ),
            (r#"{"op":"duplicate","part":0,"into":1,"to":[0,0]}"#, "edits[0].into: eye-right is there"),
            (r#"{"op":"add","part":0}"#, "edits[0].part: eye-left is there already"),
            (r#"{"op":"fly","part":0}"#, "unknown variant `fly`"),
            (r#"{"op":"move","prt":0}"#, "unknown field `prt`"),
        ] {
            let refused = play(&mut session, &[edit]).unwrap_err();
            assert!(refused.contains(message), "{edit}: {refused}");
            assert_eq!(session, Session::new(face(0.0)));
        }
    }
}
