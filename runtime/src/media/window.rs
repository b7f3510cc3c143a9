//! The window.

use std::sync::mpsc::{Receiver, Sender, channel};

use image::RgbImage;
pub use minifb::Key;
use minifb::{InputCallback, MouseButton, MouseMode, ScaleMode, Window, WindowOptions};

use super::error::{Error, Result};

/// The keys, for help texts.
pub const KEYS: [&str; 5] =
    ["q, Esc  quit", "space   pause", "s       save a picture", "m       mirror", "h       this help"];

/// What the user wants.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wish {
    /// End the program.
    Quit,
    /// Stop or go on.
    Pause,
    /// Save the picture shown.
    Snapshot,
    /// Swap left and right.
    Mirror,
    /// Show or hide the help.
    Help,
    /// Take what is seen now as neutral.
    Calibrate,
}

/// Largest window that opens by itself, in pixels; the user may resize it.
const MOST: (u32, u32) = (1280, 960);

/// A window that shows pictures and listens to keys.
pub struct Display {
    window: Window,
    presses: Receiver<Key>,
    pixels: Vec<u32>,
    size: (usize, usize),
}

/// Polling misses a key pressed and released between two updates; a callback sees every one.
struct Keys(Sender<Key>);

impl InputCallback for Keys {
    fn add_char(&mut self, _character: u32) {}

    fn set_key_state(&mut self, key: Key, pressed: bool) {
        if pressed {
            // Nobody listens any more once the window is closing.
            self.0.send(key).ok();
        }
    }
}

/// What a live picture's user wants with a key.
fn wish(key: Key) -> Option<Wish> {
    match key {
        Key::Q | Key::Escape => Some(Wish::Quit),
        Key::Space => Some(Wish::Pause),
        Key::S => Some(Wish::Snapshot),
        Key::M => Some(Wish::Mirror),
        Key::H => Some(Wish::Help),
        Key::C => Some(Wish::Calibrate),
        _ => None,
    }
}

/// The mouse over a window.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Mouse {
    /// Pixels of the picture shown, from its left edge; beyond its edges outside.
    pub x: f32,
    /// Pixels of the picture shown, from its upper edge.
    pub y: f32,
    /// Whether the left button is held.
    pub held: bool,
}

/// Where a point of a window lies in a picture of `picture` pixels that is shown as large as `window` pixels hold it, in
/// the middle.
fn in_picture(point: (f32, f32), window: (f32, f32), picture: (f32, f32)) -> (f32, f32) {
    let scale = (window.0 / picture.0).min(window.1 / picture.1);
    let place = |p: f32, window: f32, picture: f32| (p - (window - picture * scale) / 2.0) / scale;
    (place(point.0, window.0, picture.0), place(point.1, window.1, picture.1))
}

impl Display {
    /// Opens a window for pictures of `size` pixels.
    ///
    /// # Errors
    /// [`Error::NoWindow`]: there is no screen, or no library to reach it.
    pub fn open(title: &str, size: (u32, u32)) -> Result<Self> {
        let fit = (f64::from(MOST.0) / f64::from(size.0)).min(f64::from(MOST.1) / f64::from(size.1)).min(1.0);
        let scaled = |side: u32| (f64::from(side) * fit).round().max(1.0) as usize;
        let options =
            WindowOptions { resize: true, scale_mode: ScaleMode::AspectRatioStretch, ..Default::default() };
        let mut window = Window::new(title, scaled(size.0), scaled(size.1), options)
            .map_err(|e| Error::NoWindow(e.to_string()))?;
        // The loop sets the pace; the window must not sleep.
        window.set_target_fps(0);
        let (sender, presses) = channel();
        window.set_input_callback(Box::new(Keys(sender)));
        Ok(Self { window, presses, pixels: Vec::new(), size: (0, 0) })
    }

    /// Whether a window can be opened, tried with one too small to see.
    ///
    /// # Errors
    /// [`Error::NoWindow`]: there is no screen, or no library to reach it.
    pub fn available() -> Result<()> {
        let options = WindowOptions { borderless: true, title: false, ..Default::default() };
        Window::new("", 1, 1, options).map(|_| ()).map_err(|e| Error::NoWindow(e.to_string()))
    }

    /// Shows a picture.
    ///
    /// # Errors
    /// [`Error::NoWindow`]: the screen went away.
    pub fn show(&mut self, picture: &RgbImage) -> Result<()> {
        self.pixels.clear();
        self.pixels.extend(picture.pixels().map(|p| u32::from_be_bytes([0, p.0[0], p.0[1], p.0[2]])));
        self.size = (picture.width() as usize, picture.height() as usize);
        self.refresh()
    }

    /// Shows the same picture again and takes in what happened to the window.
    ///
    /// # Errors
    /// [`Error::NoWindow`]: the screen went away.
    pub fn refresh(&mut self) -> Result<()> {
        if self.pixels.is_empty() {
            self.window.update();
            return Ok(());
        }
        let shown = self.window.update_with_buffer(&self.pixels, self.size.0, self.size.1);
        shown.map_err(|e| Error::NoWindow(e.to_string()))
    }

    /// What the user asked for since the last call; a closed window is a [`Wish::Quit`].
    pub fn wishes(&mut self) -> Vec<Wish> {
        let mut wishes: Vec<_> = self.presses.try_iter().filter_map(wish).collect();
        if !self.window.is_open() {
            wishes.push(Wish::Quit);
        }
        wishes
    }

    /// The keys pressed since the last call, for programs with keys of their own. [`Display::wishes`] takes them, too.
    pub fn presses(&mut self) -> Vec<Key> {
        self.presses.try_iter().collect()
    }

    /// Whether the window is still there.
    pub fn is_open(&self) -> bool {
        self.window.is_open()
    }

    /// The mouse; `None` before a picture is shown, or if the system does not tell.
    pub fn mouse(&self) -> Option<Mouse> {
        let point = self.window.get_mouse_pos(MouseMode::Pass)?;
        let (width, height) = self.window.get_size();
        if self.size.0 == 0 || self.size.1 == 0 || width == 0 || height == 0 {
            return None;
        }
        let float = |(a, b): (usize, usize)| (a as f32, b as f32);
        let (x, y) = in_picture(point, float((width, height)), float(self.size));
        Some(Mouse { x, y, held: self.window.get_mouse_down(MouseButton::Left) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_mouse_is_where_the_picture_shows_it() {
        // A picture twice as wide as high in a square window has bands above and below.
        assert_eq!(in_picture((100.0, 100.0), (200.0, 200.0), (100.0, 50.0)), (50.0, 25.0));
        assert_eq!(in_picture((0.0, 50.0), (200.0, 200.0), (100.0, 50.0)), (0.0, 0.0));
        assert_eq!(in_picture((10.0, 20.0), (640.0, 480.0), (640.0, 480.0)), (10.0, 20.0));
    }
}
