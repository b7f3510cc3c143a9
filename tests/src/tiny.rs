//! A training set and a configuration small enough to train in seconds.

use std::fs;
use std::path::{Path, PathBuf};

use image::{Rgb, RgbImage};

/// The configuration: 16 px images grown from 8, three keypoints, float32.
pub const CONFIG: &str = "\
precision = 'fp32'
[architecture]
keypoints = 3
latent = 8
embedding = 8
mlp_hidden = 16
image_size = 16
first_size = 8
generator_channels = [8, 8, 8]
discriminator_channels = [8, 8, 8]
detector_size = 32
detector_channels = [8, 8]
[gan]
batch = 4
images = [24, 56]
fade_images = 16
r1.every = 4
[detector]
batch = 4
images = 64
[encoder]
batch = 4
images = 48
";

/// A folder with [`CONFIG`] in `tiny.toml` and pictures in `pictures`.
pub struct Tiny {
    dir: tempfile::TempDir,
}

impl Tiny {
    /// Makes the folder: 12 pictures of a bright square at different places before different colours.
    ///
    /// # Panics
    /// If the folder can't be written.
    #[allow(clippy::expect_used)]
    pub fn new() -> Self {
        let dir = tempfile::tempdir().expect("a temporary folder");
        let pictures = dir.path().join("pictures");
        fs::create_dir(&pictures).expect("a folder");
        for i in 0..12u32 {
            let picture = RgbImage::from_fn(48, 48, |x, y| {
                let inside = x.abs_diff(14 + 2 * (i % 5)) < 6 && y.abs_diff(20 + 3 * (i % 4)) < 6;
                if inside { Rgb([250, 240, 200]) } else { Rgb([(i * 20) as u8, 60, (y * 3) as u8]) }
            });
            picture.save(pictures.join(format!("{i:02}.png"))).expect("a picture");
        }
        fs::write(dir.path().join("tiny.toml"), CONFIG).expect("a configuration");
        Self { dir }
    }

    /// The path of `name` inside the folder, as text.
    pub fn path(&self, name: &str) -> String {
        self.dir.path().join(name).to_string_lossy().into_owned()
    }

    /// The folder.
    pub fn dir(&self) -> &Path {
        self.dir.path()
    }

    /// Arguments of `trainer train` into the run `name`, on one thread.
    pub fn train(&self, name: &str) -> Vec<String> {
        let args =
            ["train", "--threads", "1", "--log-every", "1", "--sample-every", "1000", "--save-every", "0"];
        let mut args: Vec<String> = args.map(str::to_owned).into();
        args.extend([self.path("pictures"), "--out".into(), self.path(name)]);
        args
    }
}

impl Default for Tiny {
    fn default() -> Self {
        Self::new()
    }
}

/// The lines of a run's log.
///
/// # Panics
/// If there is none.
#[allow(clippy::expect_used)]
pub fn log_lines(run: impl Into<PathBuf>, stage: &str) -> Vec<String> {
    let text = fs::read_to_string(run.into().join(format!("{stage}.jsonl"))).expect("a log");
    text.lines().map(str::to_owned).collect()
}
