use image::{RgbImage, imageops};
use models::Manifest;

use super::clock::Clock;
use crate::frame::Face;
use crate::media::window::KEYS;
use crate::vision::overlay;

/// How frames are shown.
#[derive(Clone, Debug, Default)]
pub(crate) struct View {
    /// Left and right swapped, as in a mirror.
    pub mirror: bool,
    /// The keys are listed.
    pub help: bool,
    /// What computes, for the numbers on screen.
    pub engine: String,
}

impl View {
    /// The picture with the face drawn on it, enlarged where it is small.
    pub fn compose(&self, picture: RgbImage, face: Option<&Face>, manifest: &Manifest) -> RgbImage {
        let factor = overlay::enlargement(picture.width(), picture.height());
        // Most pictures are large enough, and are drawn on as they are.
        let mut canvas = if factor > 1 { overlay::enlarge(&picture, factor) } else { picture };
        if self.mirror {
            imageops::flip_horizontal_in_place(&mut canvas);
        }
        if let Some(face) = face {
            let mirrored = self.mirror.then_some(canvas.width());
            overlay::draw_face(&mut canvas, &overlay::placed(face, factor, mirrored), manifest);
        }
        canvas
    }

    /// Writes the numbers of the run so far, and the keys (the painter's `keys` after the loop's own) if they are asked
    /// for.
    pub fn annotate(
        &self,
        canvas: &mut RgbImage,
        clock: &Clock,
        source: &str,
        dropped: u64,
        face: bool,
        keys: &[&str],
    ) {
        let mut first = clock.fps().map_or_else(|| "-- fps".to_owned(), |fps| format!("{fps:.1} fps"));
        if let Some((p50, p90)) = clock.recent_latency() {
            let ms = |d: std::time::Duration| d.as_secs_f64() * 1e3;
            first += &format!("  latency p50 {:.1} p90 {:.1} ms", ms(p50), ms(p90));
        }
        let mut lines = vec![first];
        lines.push(if dropped > 0 { format!("{source}  dropped {dropped}") } else { source.to_owned() });
        lines.push(if face { self.engine.clone() } else { format!("{}  no face", self.engine) });
        if self.help {
            lines.extend(KEYS.iter().chain(keys).map(|key| (*key).to_owned()));
        }
        overlay::draw_hud(canvas, &lines);
    }
}
