//! The window.

mod gone;

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};

use image::RgbImage;
pub use minifb::Key;
use minifb::{InputCallback, MouseButton, MouseMode, ScaleMode, Window, WindowOptions};

use crate::error::media::{Error, Result};

/// Largest window that opens by itself, in pixels; the user may resize it.
const MOST: (u32, u32) = (1280, 960);

/// A window that shows pictures and listens to keys.
pub struct Display {
    /// None once the display is gone.
    window: Option<Window>,
    /// Set where the display goes away; none where that cannot be known, and Xlib ends the process.
    gone: Option<&'static AtomicBool>,
    presses: Receiver<Key>,
    pixels: Vec<u32>,
    size: (usize, usize),
    /// Whether the left button was held when it was looked at last.
    held: bool,
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
        let gone = gone::survive(&window);
        Ok(Self { window: Some(window), gone, presses, pixels: Vec::new(), size: (0, 0), held: false })
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
        let window = self.window.as_mut().ok_or_else(lost)?;
        let shown = if self.pixels.is_empty() {
            window.update();
            Ok(())
        } else {
            window.update_with_buffer(&self.pixels, self.size.0, self.size.1)
        };
        if self.is_gone() {
            self.leave();
            return Err(lost());
        }
        shown.map_err(|e| Error::NoWindow(e.to_string()))
    }

    /// Lets go of a window whose display is gone; closing it would talk to the display.
    fn leave(&mut self) {
        if let Some(window) = self.window.take() {
            std::mem::forget(window);
        }
    }

    fn is_gone(&self) -> bool {
        self.gone.is_some_and(|gone| gone.load(Ordering::SeqCst))
    }

    /// Whether the user closed the window; one whose display is gone was not closed.
    pub fn is_closed(&self) -> bool {
        self.window.as_ref().is_some_and(|window| !window.is_open()) && !self.is_gone()
    }

    /// The keys pressed since the last call.
    pub fn presses(&mut self) -> Vec<Key> {
        self.presses.try_iter().collect()
    }

    /// Whether the window is still there.
    pub fn is_open(&self) -> bool {
        self.window.as_ref().is_some_and(Window::is_open) && !self.is_gone()
    }

    /// Where the left button went down since the last call, if it is still held: shares of the width and height of the
    /// picture shown, 0 to 1.
    pub fn click(&mut self) -> Option<[f32; 2]> {
        let mouse = self.mouse();
        let before = std::mem::replace(&mut self.held, mouse.is_some_and(|mouse| mouse.held));
        let mouse = mouse.filter(|mouse| mouse.held && !before)?;
        let point = [mouse.x / self.size.0 as f32, mouse.y / self.size.1 as f32];
        point.iter().all(|v| (0.0..1.0).contains(v)).then_some(point)
    }

    /// The mouse; `None` before a picture is shown, or if the system does not tell.
    pub fn mouse(&self) -> Option<Mouse> {
        let window = self.window.as_ref().filter(|_| !self.is_gone())?;
        let point = window.get_mouse_pos(MouseMode::Pass)?;
        let (width, height) = window.get_size();
        if self.size.0 == 0 || self.size.1 == 0 || width == 0 || height == 0 {
            return None;
        }
        let float = |(a, b): (usize, usize)| (a as f32, b as f32);
        let (x, y) = in_picture(point, float((width, height)), float(self.size));
        Some(Mouse { x, y, held: window.get_mouse_down(MouseButton::Left) })
    }
}

impl Drop for Display {
    fn drop(&mut self) {
        if self.is_gone() {
            self.leave();
        }
    }
}

fn lost() -> Error {
    Error::NoWindow("the display is gone".to_owned())
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
