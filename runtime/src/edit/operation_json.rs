//! An operation as JSON tells of it, with the field that is wrong in the error.

use serde_json::Value;

use super::Operation;

impl Operation {
    /// The operation that `value` tells of, an object as those of `runtime edit --do`, which errors call `place`.
    ///
    /// # Errors
    /// A sentence, with the field before it where one is of the wrong kind, as in `edits[3].dx: invalid type: string "far",
    /// expected f32`.
    pub fn from_json(value: Value, place: &str) -> Result<Self, String> {
        let read = |value: Value| serde_json::from_value::<Self>(value).map_err(|e| e.to_string());
        read(value.clone()).map_err(|said| match field_at_fault(&value, &said, read) {
            Some(field) => format!("{place}.{field}: {said}"),
            None => format!("{place}: {said}"),
        })
    }

    /// The other face that it takes something of.
    pub fn donor(&self) -> Option<&str> {
        match self {
            Self::Swap { from, .. }
            | Self::Background { from, .. }
            | Self::TakePose { from, .. }
            | Self::TakeExpression { from, .. } => Some(from),
            _ => None,
        }
    }
}

/// The field without which another thing is wrong, or nothing: serde does not tell it of what is read by its tag.
fn field_at_fault<'v>(
    value: &'v Value,
    said: &str,
    read: impl Fn(Value) -> Result<Operation, String>,
) -> Option<&'v str> {
    let fields = value.as_object()?;
    if !said.starts_with("invalid") {
        return None;
    }
    let others = fields.keys().filter(|key| *key != "op");
    let at_fault = |key: &&String| {
        let mut without = fields.clone();
        without.remove(key.as_str());
        read(Value::Object(without)).err().is_none_or(|other| other != said)
    };
    others.into_iter().find(at_fault).map(String::as_str)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    /// "invalid type: string, expected f32" left the field to be guessed.
    #[test]
    fn the_field_that_is_wrong_is_named() {
        for (value, said) in [
            (json!({ "op": "move", "part": 0, "dx": "far" }), "e.dx: invalid type"),
            (json!({ "op": "spread", "part": "eyes", "by": [] }), "e.by: invalid type"),
            (json!({ "op": "move", "part": 0, "to": [1] }), "e.to: invalid length 1"),
            (json!({ "op": "swap", "part": 0, "from": 7 }), "e.from: invalid type"),
            (json!({ "op": "fly" }), "e: unknown variant `fly`"),
            (json!({ "op": "move", "prt": 0 }), "e: unknown field `prt`"),
            (json!({ "op": "spread", "part": 0 }), "e: missing field `by`"),
            (json!([1]), "e: invalid"),
        ] {
            let wrong = Operation::from_json(value.clone(), "e").unwrap_err();
            assert!(wrong.starts_with(said), "{value}: {wrong}");
        }
        let swap = Operation::from_json(json!({ "op": "swap", "part": 0, "from": "seed:1" }), "e").unwrap();
        assert_eq!(swap.donor(), Some("seed:1"));
    }
}
