//! The window.

use std::sync::mpsc::{Receiver, Sender, channel};

use image::RgbImage;
use minifb::{InputCallback, Key, ScaleMode, Window, WindowOptions};

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
    wishes: Receiver<Wish>,
    pixels: Vec<u32>,
    size: (usize, usize),
}

/// Polling misses a key pressed and released between two updates; a callback sees every one.
struct Keys(Sender<Wish>);

impl InputCallback for Keys {
    fn add_char(&mut self, _character: u32) {}

    fn set_key_state(&mut self, key: Key, pressed: bool) {
        let wish = match key {
            Key::Q | Key::Escape => Wish::Quit,
            Key::Space => Wish::Pause,
            Key::S => Wish::Snapshot,
            Key::M => Wish::Mirror,
            Key::H => Wish::Help,
            Key::C => Wish::Calibrate,
            _ => return,
        };
        if pressed {
            // Nobody listens any more once the window is closing.
            self.0.send(wish).ok();
        }
    }
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
        let (sender, wishes) = channel();
        window.set_input_callback(Box::new(Keys(sender)));
        Ok(Self { window, wishes, pixels: Vec::new(), size: (0, 0) })
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
        let mut wishes: Vec<_> = self.wishes.try_iter().collect();
        if !self.window.is_open() {
            wishes.push(Wish::Quit);
        }
        wishes
    }
}
