//! What holds of every sequence of edits.

use proptest::prelude::*;
use serde_json::{Value, json};

use super::testing::{face, named_manifest};
use super::{Donors, EditError, FaceLatents, Operation, Session};

/// A distance; 0 and -0 among them, which compare equal and are written differently.
fn distance() -> impl Strategy<Value = f64> {
    prop_oneof![4 => -0.6..0.6f64, 1 => Just(0.0), 1 => Just(-0.0)]
}

/// An edit as a file has it, sensible or not.
fn edit() -> impl Strategy<Value = Value> {
    let part = prop_oneof![
        Just(json!(0)),
        Just(json!("eye-right")),
        Just(json!("all")),
        Just(json!("eyes")),
        Just(json!(7))
    ];
    let names = [
        "move",
        "to",
        "pose",
        "spread",
        "scale",
        "swap",
        "background",
        "take_pose",
        "remove",
        "add",
        "duplicate",
    ];
    let rest = ["reset", "lock", "unlock", "undo", "redo"];
    let name = prop::sample::select([&names[..], &rest[..]].concat());
    (name, part, distance(), distance(), 0.2..4.2f64, 0.0..1.1f64).prop_map(
        |(name, part, x, y, by, weight)| match name {
            "move" => json!({ "op": "move", "part": part, "dx": x, "dy": y }),
            "to" => json!({ "op": "move", "part": part, "to": [x, y] }),
            "pose" => json!({ "op": "pose", "scale": by, "rotate": 400.0 * x, "dx": x, "dy": y }),
            "spread" | "scale" => json!({ "op": name, "part": part, "by": by }),
            "swap" | "take_pose" => json!({ "op": name, "part": part, "from": "seed:1", "weight": weight }),
            "background" => json!({ "op": name, "from": "seed:1", "weight": weight }),
            "add" | "duplicate" => json!({ "op": name, "part": part, "to": [x, y] }),
            "remove" | "reset" | "lock" | "unlock" => json!({ "op": name, "part": part }),
            _ => json!({ "op": name }),
        },
    )
}

fn text(session: &Session) -> String {
    serde_json::to_string(&(session.face(), session.locked())).unwrap()
}

/// A face with a coordinate on an axis.
fn centred() -> FaceLatents {
    let mut face = face(0.1);
    face.keypoints[0] = [0.0, -0.0];
    face
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    /// Any sequence of edits and then its inverse is the identity, to the byte; so is doing it again.
    #[test]
    fn whatever_is_done_can_be_taken_back_to_the_byte(edits in prop::collection::vec(edit(), 1..20)) {
        let manifest = named_manifest(&["eye-left", "eye-right"]);
        let mut donors = Donors::new(|name| match name {
            "seed:1" => Ok(face(0.25)),
            other => Err(EditError::NotOnStrip(other.to_owned()).into()),
        });
        let mut session = Session::new(centred());
        let untouched = text(&session);
        // What the face was after each edit that is in the history.
        let mut states = vec![untouched.clone()];
        for edit in &edits {
            let operation: Operation = serde_json::from_value(edit.clone()).unwrap();
            let before = text(&session);
            match session.apply(&operation, &manifest, &mut donors) {
                Ok(true) if !matches!(operation, Operation::Undo {} | Operation::Redo {}) => {
                    states.truncate(session.history().1);
                    states.push(text(&session));
                }
                Ok(true) => {}
                Ok(false) | Err(_) => prop_assert_eq!(&before, &text(&session)),
            }
            prop_assert_eq!(&states[session.history().1], &text(&session));
        }
        let edited = text(&session);
        let done = session.history().1;
        for k in (0..done).rev() {
            prop_assert_eq!(session.undo(), Some(true));
            prop_assert_eq!(&states[k], &text(&session));
        }
        prop_assert_eq!(&untouched, &text(&session));
        for _ in 0..done {
            prop_assert_eq!(session.redo(), Some(true));
        }
        prop_assert_eq!(&edited, &text(&session));
    }
}
