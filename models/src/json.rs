//! Values of JSON read as what they should be, with the field that is wrong in the error.

use serde::de::DeserializeOwned;
use serde_json::Value;

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
}
