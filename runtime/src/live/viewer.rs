//! Outputs that somebody watches: a window, a page, a camera for other programs.

use image::RgbImage;

#[cfg(feature = "window")]
use super::control::Switch;
use super::control::{Command, Status};
use super::offered::Offered;
use crate::media;
#[cfg(feature = "camera")]
use crate::media::LoopbackSink;
use crate::media::sink::Shown;
#[cfg(feature = "window")]
use crate::media::window::{Display, Key};

/// The loop's keys, for help texts.
pub(crate) const KEYS: [&str; 14] = [
    "q, Esc  quit",
    "space   pause",
    "s       save a picture",
    "r       record, or stop",
    "m       mirror",
    "o       keypoints",
    "k       lines between them",
    "l       names",
    "i       numbers",
    "t       heat maps",
    "b       detector's crop",
    "v       smoothing",
    "n       next camera",
    "h       this help",
];

/// What shows frames to somebody, and may be asked for something. A file's frames come at their own speed while there is
/// one.
pub trait Viewer {
    /// What it is, in a few words for messages.
    fn name(&self) -> String;

    /// Shows a frame.
    ///
    /// # Errors
    /// It went away.
    fn show(&mut self, shown: &Shown<'_>) -> media::Result<()>;

    /// Whether pictures go on to other programs, for which they are as clean as in files.
    fn hands_on(&self) -> bool {
        false
    }

    /// Shows a picture that is no frame: one with a message on it, while frames fail to come.
    ///
    /// # Errors
    /// It went away.
    fn hold(&mut self, picture: &RgbImage) -> media::Result<()>;

    /// Keeps showing what it shows where no frame comes, and takes in what happened to it.
    ///
    /// # Errors
    /// It went away.
    fn refresh(&mut self) -> media::Result<()> {
        Ok(())
    }

    /// What its users asked for since the last call.
    fn commands(&mut self) -> Vec<Command> {
        Vec::new()
    }

    /// The photo that one of its users sent to be driven since the last call.
    fn offered(&mut self) -> Option<Offered> {
        None
    }

    /// Whether [`Viewer::report`] is worth its time now.
    fn wants_status(&self) -> bool {
        false
    }

    /// Gets how the run goes, before each frame and where none comes.
    fn report(&mut self, _status: &Status) {}
}

/// Opens a window for pictures of a size, in pixels.
pub type WindowOpener = Box<dyn FnOnce((u32, u32)) -> media::Result<Box<dyn Viewer>>>;

#[cfg(feature = "window")]
impl Viewer for Display {
    fn name(&self) -> String {
        "window".to_owned()
    }

    fn show(&mut self, shown: &Shown<'_>) -> media::Result<()> {
        Display::show(self, shown.picture)
    }

    fn hold(&mut self, picture: &RgbImage) -> media::Result<()> {
        Display::show(self, picture)
    }

    fn refresh(&mut self) -> media::Result<()> {
        Display::refresh(self)
    }

    fn commands(&mut self) -> Vec<Command> {
        let mut commands: Vec<_> = self.presses().into_iter().filter_map(command).collect();
        commands.extend(self.click().map(Command::FollowAt));
        if self.is_closed() {
            commands.push(Command::Close);
        }
        commands
    }
}

/// What a key asks for.
#[cfg(feature = "window")]
fn command(key: Key) -> Option<Command> {
    match key {
        Key::Q | Key::Escape => Some(Command::Quit),
        Key::F => Some(Command::NextFace),
        Key::D => Some(Command::NextDrive),
        Key::Space => Some(Command::Toggle(Switch::Pause)),
        Key::S => Some(Command::Snapshot),
        Key::M => Some(Command::Toggle(Switch::Mirror)),
        Key::O => Some(Command::Toggle(Switch::Overlay)),
        Key::K => Some(Command::Toggle(Switch::Skeleton)),
        Key::L => Some(Command::Toggle(Switch::Names)),
        Key::I => Some(Command::Toggle(Switch::Numbers)),
        Key::V => Some(Command::Toggle(Switch::Smoothing)),
        Key::H => Some(Command::Help),
        Key::C => Some(Command::Calibrate),
        Key::R => Some(Command::Toggle(Switch::Recording)),
        Key::N => Some(Command::NextCamera),
        Key::T => Some(Command::Toggle(Switch::HeatMaps)),
        Key::B => Some(Command::Toggle(Switch::Crop)),
        _ => None,
    }
}

/// Whoever watches a camera of other programs does so live, and wants no gap where frames fail to come.
#[cfg(feature = "camera")]
impl Viewer for LoopbackSink {
    fn name(&self) -> String {
        self.path().display().to_string()
    }

    fn hands_on(&self) -> bool {
        true
    }

    fn show(&mut self, shown: &Shown<'_>) -> media::Result<()> {
        self.send(shown.picture)
    }

    fn hold(&mut self, picture: &RgbImage) -> media::Result<()> {
        self.send(picture)
    }
}

#[cfg(all(test, feature = "window"))]
mod tests {
    use super::*;

    /// Pairs of an object of the page's script: a key and what it asks for.
    fn pairs(page: &str, object: &str) -> Vec<(String, String)> {
        let (_, rest) = page.split_once(&format!("const {object} = {{")).expect("the object is there");
        let (inside, _) = rest.split_once('}').expect("it ends");
        let word = |text: &str| text.trim().trim_matches('"').to_owned();
        let pair =
            |text: &str| text.split_once(':').map(|(key, name)| (key.trim().replace('"', ""), word(name)));
        inside.split(',').filter_map(pair).collect()
    }

    fn key_of(letter: &str) -> Key {
        match letter {
            " " => Key::Space,
            "b" => Key::B,
            "c" => Key::C,
            "d" => Key::D,
            "f" => Key::F,
            "i" => Key::I,
            "k" => Key::K,
            "l" => Key::L,
            "m" => Key::M,
            "n" => Key::N,
            "o" => Key::O,
            "r" => Key::R,
            "t" => Key::T,
            "v" => Key::V,
            other => panic!("the window has no key {other:?}"),
        }
    }

    /// Each had its own list of keys, which drifted apart.
    #[test]
    fn keys_of_page_and_window_ask_for_the_same() {
        let page = include_str!("../serve/live/page.html");
        let (switches, commands) = (pairs(page, "KEYS"), pairs(page, "COMMANDS"));
        for (letter, name) in &switches {
            let switch = serde_json::from_value(serde_json::Value::from(name.as_str())).unwrap();
            assert_eq!(command(key_of(letter)), Some(Command::Toggle(switch)), "{letter:?} {name}");
        }
        for (letter, name) in &commands {
            assert_eq!(command(key_of(letter)), Command::named(name), "{letter:?} {name}");
        }
        // The window's help has these besides: q, s and h.
        let shared = KEYS.iter().filter(|row| !["q", "s", "h"].iter().any(|own| row.starts_with(own)));
        for row in shared {
            let letter = if row.starts_with("space") { " " } else { &row[..1] };
            assert!(switches.iter().chain(&commands).any(|(key, _)| key == letter), "the page lacks {row:?}");
        }
    }
}
