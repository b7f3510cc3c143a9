//! Which of a picture's faces is meant.

use std::fmt;
use std::str::FromStr;

use super::crop::Crop;
use super::track::LocatedFace;

/// Which of a picture's faces is meant.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub enum FaceChoice {
    /// The largest of those that are certain; where none is, the most confident.
    #[default]
    Largest,
    /// The one with this [`DetectedFace::id`](crate::DetectedFace::id), from 1.
    Number(u32),
    /// The one at this point, in pixels of the picture.
    At([f32; 2]),
}

impl FaceChoice {
    /// Where the face lies in `faces`, which are numbered from 1.
    ///
    /// # Errors
    /// A sentence that says what faces there are.
    pub(crate) fn among(self, faces: &[LocatedFace]) -> Result<usize, String> {
        let at = match self {
            Self::Largest => (!faces.is_empty()).then_some(0),
            Self::Number(number) => faces.iter().position(|f| f.face.id == number),
            Self::At(point) => Crop::nearest(point, faces.iter().map(|f| f.crop).enumerate()),
        };
        at.ok_or_else(|| {
            if faces.is_empty() {
                return "no face found".to_owned();
            }
            let all: Vec<String> =
                faces.iter().map(|f| format!("{} at {:.0},{:.0}", f.face.id, f.crop.cx, f.crop.cy)).collect();
            format!("no face {self}; found: {}", all.join("; "))
        })
    }
}

impl FromStr for FaceChoice {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong =
            || "give a number as detect counts (from 1), largest, or a point in pixels as 320,180".to_owned();
        if text == "largest" {
            return Ok(Self::Largest);
        }
        if let Some((x, y)) = text.split_once(',') {
            let number = |t: &str| t.trim().parse::<f32>().ok().filter(|v| v.is_finite()).ok_or_else(wrong);
            return Ok(Self::At([number(x)?, number(y)?]));
        }
        text.parse().ok().filter(|n| *n > 0).map(Self::Number).ok_or_else(wrong)
    }
}

impl fmt::Display for FaceChoice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Largest => f.write_str("largest"),
            Self::Number(number) => number.fmt(f),
            Self::At([x, y]) => write!(f, "{x},{y}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::frame::DetectedFace;

    fn located(id: u32, cx: f32, side: f32) -> LocatedFace {
        let face = DetectedFace { id, ..DetectedFace::default() };
        LocatedFace { face, crop: Crop { cx, cy: 50.0, side, angle: 0.0 }, confident: true }
    }

    #[test]
    fn a_face_is_chosen_by_size_number_or_place() {
        let faces = [located(1, 60.0, 80.0), located(2, 200.0, 40.0)];
        let among = |text: &str| text.parse::<FaceChoice>().unwrap().among(&faces);
        assert_eq!(
            [among("largest"), among("2"), among("190, 60"), among("60,20")],
            [Ok(0), Ok(1), Ok(1), Ok(0)]
        );
        let refused = among("3").unwrap_err();
        assert_eq!(refused, "no face 3; found: 1 at 60,50; 2 at 200,50");
        assert!(among("130,50").unwrap_err().starts_with("no face 130,50"));
        assert_eq!(FaceChoice::Largest.among(&[]).unwrap_err(), "no face found");
        for bad in ["0", "-1", "x", "1,", "nan,2", ""] {
            assert!(bad.parse::<FaceChoice>().is_err(), "{bad}");
        }
    }
}
