//! JSON: values read as what they should be, with the field that is wrong in the error, and values written as any terminal
//! may show them.

use std::io::{self, Write};

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use serde_json::ser::{Formatter, Serializer};

/// `value` as a `T`.
///
/// # Errors
/// A sentence that begins with the field, as in `keypoints[3].mean: invalid length 1, expected an array of length 2`.
pub fn from_value<T: DeserializeOwned>(value: Value) -> Result<T, String> {
    serde_path_to_error::deserialize(value).map_err(|e| said(&e))
}

fn said(error: &serde_path_to_error::Error<serde_json::Error>) -> String {
    let (path, inner) = (error.path(), error.inner());
    if path.iter().next().is_none() { inner.to_string() } else { format!("{path}: {inner}") }
}

/// Whether a character steers a terminal, or turns the direction of writing.
pub fn steers(c: char) -> bool {
    c.is_control() || matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// Writes `value` on one line, with characters that [steer](steers) as their numbers (`\u009b`): a file's name may hold them.
///
/// # Errors
/// Those of `out`, and a map whose keys are no texts.
pub fn to_writer(out: impl Write, value: &(impl Serialize + ?Sized)) -> serde_json::Result<()> {
    value.serialize(&mut Serializer::with_formatter(out, Printable))
}

/// The same as a text.
///
/// # Errors
/// A map whose keys are no texts.
pub fn to_string(value: &(impl Serialize + ?Sized)) -> serde_json::Result<String> {
    let mut text = Vec::new();
    to_writer(&mut text, value)?;
    String::from_utf8(text).map_err(serde::ser::Error::custom)
}

/// Compact, and every character printable.
struct Printable;

impl Formatter for Printable {
    fn write_string_fragment<W: Write + ?Sized>(&mut self, out: &mut W, fragment: &str) -> io::Result<()> {
        let mut plain = 0;
        for (at, c) in fragment.char_indices().filter(|(_, c)| steers(*c)) {
            out.write_all(&fragment.as_bytes()[plain..at])?;
            // All of them lie in the first plane, which takes one number.
            write!(out, "\\u{:04x}", u32::from(c))?;
            plain = at + c.len_utf8();
        }
        out.write_all(&fragment.as_bytes()[plain..])
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[derive(Debug, serde::Deserialize)]
    struct Outer {
        #[serde(rename = "points")]
        _points: Vec<[f32; 2]>,
    }

    /// That something was of the wrong kind was said, not what.
    #[test]
    fn errors_begin_with_the_field() {
        let wrong = from_value::<Outer>(json!({ "points": [[1, 2], [1, "x"]] })).unwrap_err();
        assert!(wrong.starts_with("points[1][1]: invalid type"), "{wrong}");
        assert!(from_value::<Outer>(json!({})).unwrap_err().starts_with("missing field `points`"));
    }

    /// The names of files reached the terminal with what steers it.
    #[test]
    fn names_in_json_steer_no_terminal() {
        let value = json!({ "a\u{9b}2J": "x\u{202e}\u{1b}\"\\\n\u{7f}é\u{1f600}" });
        let text = to_string(&value).unwrap();
        assert_eq!(text, "{\"a\\u009b2J\":\"x\\u202e\\u001b\\\"\\\\\\n\\u007fé\u{1f600}\"}");
        assert_eq!(serde_json::from_str::<Value>(&text).unwrap(), value);
        let plain = json!({ "a": [1.5, null, "b"], "c": {} });
        assert_eq!(to_string(&plain).unwrap(), plain.to_string());
    }
}
