//! Arguments of `edit`.

use std::path::{Path, PathBuf};

use clap::Args;
use image::RgbImage;

use crate::cli::args::{OUTPUT, frame_rate, in_range};
use crate::cli::serve_args::ServeArgs;
use crate::edit::{Blend, Operation, Parts, SessionFile};
use crate::media::mark::Origin;
use crate::media::picture::Alpha;
use crate::vision::choice::FaceChoice;

/// What is written into what the program draws, and what is drawn onto it.
#[derive(Clone, Copy, Debug, Default, Args)]
#[command(next_help_heading = OUTPUT)]
pub struct MarkArgs {
    /// Do not note in the metadata of what is written that it is AI-generated or AI-edited
    #[arg(long)]
    pub no_mark: bool,
    /// Write "AI-generated" or "AI-edited" into the picture's corner, too
    #[arg(long)]
    pub visible_mark: bool,
}

impl MarkArgs {
    /// What files are to say of pictures that came about by `origin`: nothing if the user wants that.
    pub fn origin(self, origin: Origin) -> Option<Origin> {
        (!self.no_mark).then_some(origin)
    }

    /// Draws the visible mark if the user wants it.
    pub fn stamp(self, origin: Origin, picture: &mut RgbImage) {
        if self.visible_mark {
            origin.stamp(picture);
        }
    }

    /// The same on a picture that has `alpha`: the mark is seen where the picture is clear, too.
    pub fn stamp_whole(self, origin: Origin, picture: &mut RgbImage, alpha: &mut Alpha) {
        if self.visible_mark {
            origin.stamp_whole(picture, alpha);
        }
    }
}

/// Heading of what is done to the face.
const EDITS: &str = "Edits";

/// Arguments of `edit`.
#[derive(Debug, Args)]
pub struct EditArgs {
    /// A photo (JPEG, PNG, WebP), seed:N (picture I of it: seed:N:I), or a face saved with --save (.json); with --serve it may
    /// be left out: the page takes photos
    #[arg(value_name = "PHOTO|seed:N|FACE.json", required_unless_present = "serve")]
    pub face: Option<String>,
    /// Edits to do, a JSON list such as [{"op": "move", "part": "eye-left", "dx": 0.1}]; the operations are move, pose,
    /// spread, scale, swap, background, take_pose, expression, take_expression, remove, add, duplicate, reset, lock, unlock,
    /// undo and redo
    #[arg(long = "do", value_name = "EDITS.json", help_heading = EDITS)]
    pub edits: Option<PathBuf>,
    /// Then move a part, in normalised coordinates (the picture is 2 wide), e.g. eye-left=0.1,0
    #[arg(long = "move", value_name = "PART=DX,DY", value_parser = parse_move, allow_hyphen_values = true, help_heading = EDITS)]
    pub moves: Vec<Operation>,
    /// Then take another face's appearance of a part, all of it or a share from 0 to 1, e.g. eyes=seed:4@0.5
    #[arg(long, value_name = "PART=FACE[@W]", value_parser = parse_swap, help_heading = EDITS)]
    pub swap: Vec<Operation>,
    /// Then take another face's pose
    #[arg(long, value_name = "FACE[@W]", value_parser = parse_pose, help_heading = EDITS)]
    pub pose: Option<Operation>,
    /// Then take another face's expression, of a photo that is carried
    #[arg(long, value_name = "FACE[@W]", value_parser = parse_take_expression, help_heading = EDITS)]
    pub take_expression: Option<Operation>,
    /// Then set an expression of a photo that is carried, e.g. smile=0.8, mouth-open=1, eye-left=0 or brows=0.5; several are
    /// set together
    #[arg(long = "expression", value_name = "NAME=VALUE", value_parser = parse_expression, help_heading = EDITS)]
    pub expressions: Vec<(String, f32)>,
    /// Then take another face's background
    #[arg(long, value_name = "FACE[@W]", value_parser = parse_background, help_heading = EDITS)]
    pub background: Option<Operation>,
    /// The picture to write, PNG or JPEG by its name, with the photo's colours, depth, alpha and density; with --to a clip, FILE.avi, FILE.mp4 or a folder
    #[arg(long, short, value_name = "FILE", help_heading = OUTPUT)]
    pub out: Option<PathBuf>,
    /// Save the face with everything done to it
    #[arg(long, value_name = "FACE.json", help_heading = OUTPUT)]
    pub save: Option<PathBuf>,
    /// Write a sheet of photo, crop, its reconstruction, the same edited, and the result
    #[arg(long, value_name = "FILE.png", help_heading = OUTPUT)]
    pub sheet: Option<PathBuf>,
    /// Write a clip that goes from the edited face to this one
    #[arg(long, value_name = "FACE", requires = "out", help_heading = OUTPUT)]
    pub to: Option<String>,
    /// Frames of that clip
    #[arg(allow_negative_numbers = true, long, value_name = "N", default_value_t = 50, requires = "to", help_heading = OUTPUT, value_parser = clap::value_parser!(u32).range(2..=100_000))]
    pub frames: u32,
    /// Frames a second of that clip
    #[arg(allow_negative_numbers = true, long, value_name = "FPS", default_value_t = 25.0, requires = "to", help_heading = OUTPUT, value_parser = frame_rate)]
    pub fps: f32,
    /// How the edit gets into a photo: warp (the photo follows moved keypoints, and what a new appearance changes is added),
    /// change (all that the edit changes in the generated square is added) or square (that is laid over the photo)
    /// [default: warp; a bundle with portrait networks carries the photo's own pixels unless this is given]
    #[arg(long, alias = "paste", value_name = "BLEND", help_heading = EDITS)]
    pub blend: Option<Blend>,
    /// A face that comes first on the window's and the page's strip of faces to take from; may be given several times
    #[arg(long = "donor", value_name = "FACE", conflicts_with_all = ["out", "sheet", "save"])]
    pub donors: Vec<String>,
    #[command(flatten)]
    #[allow(missing_docs)]
    pub page: ServeArgs,
    /// Which face of the photo is meant: its number as `runtime detect` counts them, from 1, largest, or the one at X,Y in
    /// pixels
    #[arg(long = "face", value_name = "N|largest|X,Y", default_value_t, allow_hyphen_values = true)]
    pub choice: FaceChoice,
    /// Where no face is certain, take the best guess
    #[arg(long)]
    pub anyway: bool,
    #[command(flatten)]
    #[allow(missing_docs)]
    pub mark: MarkArgs,
    /// Overwrite files
    #[arg(long, help_heading = OUTPUT)]
    pub force: bool,
}

fn parse_move(text: &str) -> Result<Operation, String> {
    let wrong = || "give a part and how far, as eye-left=0.1,-0.05".to_owned();
    let (part, by) = text.split_once('=').ok_or_else(wrong)?;
    let (dx, dy) = by.split_once(',').ok_or_else(wrong)?;
    let number = |t: &str| t.trim().parse::<f32>().ok().filter(|v| v.is_finite()).ok_or_else(wrong);
    Ok(Operation::Move { part: parse_part(part), dx: number(dx)?, dy: number(dy)?, to: None })
}

/// Whether a face's name is that of a photo.
pub(in crate::cli) fn is_photo(name: &str) -> bool {
    !name.starts_with("seed:") && !SessionFile::has_name(Path::new(name))
}

/// A part by index or name.
pub(in crate::cli) fn parse_part(text: &str) -> Parts {
    text.parse().map_or_else(|_| Parts::Name(text.to_owned()), Parts::Index)
}

/// A face, and how much of it.
fn parse_donor(text: &str) -> Result<(String, f32), String> {
    match text.rsplit_once('@') {
        Some((from, weight)) => Ok((from.to_owned(), in_range(weight, 0.0, 1.0)?)),
        None if text.is_empty() => Err("names no face".to_owned()),
        None => Ok((text.to_owned(), 1.0)),
    }
}

fn parse_swap(text: &str) -> Result<Operation, String> {
    let (part, donor) = text.split_once('=').ok_or("give a part and a face, as eyes=seed:4")?;
    let (from, weight) = parse_donor(donor)?;
    Ok(Operation::Swap { part: parse_part(part), from, weight })
}

fn parse_pose(text: &str) -> Result<Operation, String> {
    let (from, weight) = parse_donor(text)?;
    Ok(Operation::TakePose { from, weight, part: Parts::Name("all".to_owned()) })
}

fn parse_take_expression(text: &str) -> Result<Operation, String> {
    let (from, weight) = parse_donor(text)?;
    Ok(Operation::TakeExpression { from, weight, part: Parts::Name("all".to_owned()) })
}

fn parse_expression(text: &str) -> Result<(String, f32), String> {
    let wrong = || "give an expression and its value, as smile=0.8".to_owned();
    let (name, value) = text.split_once('=').ok_or_else(wrong)?;
    let value = value.trim().parse::<f32>().ok().filter(|v| v.is_finite()).ok_or_else(wrong)?;
    Ok((name.trim().to_owned(), value))
}

fn parse_background(text: &str) -> Result<Operation, String> {
    let (from, weight) = parse_donor(text)?;
    Ok(Operation::Background { from, weight })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn short_forms_are_operations() {
        let json = |o: Operation| serde_json::to_value(o).unwrap();
        let want = serde_json::json!({"op":"move","part":"eye-left","dx":0.5,"dy":-0.25,"to":null});
        assert_eq!(json(parse_move("eye-left=0.5,-0.25").unwrap()), want);
        let want = serde_json::json!({"op":"swap","part":3,"from":"seed:4:2","weight":0.5});
        assert_eq!(json(parse_swap("3=seed:4:2@0.5").unwrap()), want);
        assert_eq!(parse_donor("a.png").unwrap(), ("a.png".to_owned(), 1.0));
        assert_eq!(parse_expression("brows=-0.5").unwrap(), ("brows".to_owned(), -0.5));
        let want = serde_json::json!({"op":"take_expression","from":"b.jpg","weight":0.5,"part":"all"});
        assert_eq!(json(parse_take_expression("b.jpg@0.5").unwrap()), want);
        assert!(parse_expression("smile").is_err() && parse_expression("smile=nan").is_err());
        for bad in ["eye", "eye=1", "eye=x,1", "eye=nan,0"] {
            assert!(parse_move(bad).is_err(), "{bad}");
        }
        assert!(parse_donor("a@2").is_err() && parse_donor("").is_err() && parse_swap("a").is_err());
    }
}
