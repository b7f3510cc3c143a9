//! Times that are given in minutes.

use std::time::Duration;

/// A time that may be none at all.
pub fn any(text: &str) -> Result<Duration, String> {
    let minutes: f64 = text.parse().map_err(|_| "a number of minutes".to_owned())?;
    if !(0.0..1e6).contains(&minutes) {
        return Err("0 minutes or more, below a million".into());
    }
    Ok(Duration::from_secs_f64(minutes * 60.0))
}

/// A time that takes some.
pub fn some(text: &str) -> Result<Duration, String> {
    match any(text)? {
        Duration::ZERO => Err("more than 0 minutes".into()),
        time => Ok(time),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn minutes_are_finite_and_not_negative() {
        assert_eq!(any("0"), Ok(Duration::ZERO));
        assert_eq!(some("1.5"), Ok(Duration::from_secs(90)));
        for text in ["-1", "nan", "inf", "1e7", "", "3m"] {
            assert!(any(text).is_err() && some(text).is_err(), "{text}");
        }
        assert!(some("0").is_err());
    }
}
