use lkg_bundle::Manifest;

use crate::vision::choice::FaceChoice;
use crate::vision::face_layout::FaceLayout;
use crate::vision::smooth::OneEuroOptions;

/// [`TrackOptions::crop_scale`] where nothing but the keypoints counts: of 0.65 to 1.2, where the shipped
/// detector was most exact on the wild and aligned test pictures.
const CLOSE_UP: f32 = 0.86;
/// Tilt of a head, in radians, that detectors with states have learned to see (15 of 20 degrees).
pub const LEARNED_TILT: f32 = 0.26;
/// Settings of a [`FaceTracker`](super::FaceTracker).
#[derive(Clone, Debug)]
pub struct TrackOptions {
    /// Follow faces: start each frame from the crop of the last one. Off for single pictures.
    pub follow: bool,
    /// Most people that are followed at once; each takes a run of the network a frame.
    pub faces: usize,
    /// Who stands out until somebody else is chosen: by his number, or whoever is seen first at a point. He is waited for; until
    /// then, and once he is forgotten, it is the largest.
    pub choice: FaceChoice,
    /// Report nobody but who stands out, and nobody in his place for as long as he may come back: for what is driven by one
    /// face.
    pub only_main: bool,
    /// After the whole picture, detect again in a refinement crop around the keypoints found, which shows them larger.
    pub refine: bool,
    /// Where the whole picture shows no face, search this many overlapping tiles of it a frame, too: for faces that
    /// are small in it. The next frame goes on with the next tiles.
    pub tiles: usize,
    /// Mean confidence (0 to 1) below which there is no face; a followed one is lost and sought again at 0.8 of that.
    pub min_confidence: f32,
    /// Where no face is confident enough, report the best guess.
    pub guess: bool,
    /// Report the mean of several refinement crops of a face: their errors partly cancel.
    pub average: bool,
    /// Side of a refinement crop, over that of the square in which training pictures frame a face.
    pub crop_scale: f32,
    /// The mean layout of the keypoints, which gives the crop for the keypoints found.
    pub layout: FaceLayout,
    /// How far a head may tilt in its crop, in radians: what it tilts beyond turns the crop. Without a limit every crop is
    /// upright.
    pub most_tilt: f32,
    /// How far the crop moves towards the one that fits the latest keypoints, 0 (never) to 1 (at once).
    pub crop_speed: f32,
    /// Filter of a followed face's keypoints; `None` leaves them as detected.
    pub smooth: Option<OneEuroOptions>,
}

impl TrackOptions {
    /// Single pictures: the face is sought in all of it, and the best guess is reported where there is none.
    pub fn picture(manifest: &Manifest) -> Self {
        let portrait = manifest.dims.portrait_size.is_some();
        Self {
            follow: false,
            faces: 1,
            choice: FaceChoice::Largest,
            only_main: false,
            refine: true,
            tiles: usize::MAX,
            min_confidence: LIVE_CONFIDENCE,
            guess: true,
            average: true,
            // Portrait networks see the square that the detector learned states in.
            crop_scale: if portrait { 1.0 } else { CLOSE_UP },
            most_tilt: if portrait { LEARNED_TILT } else { f32::MAX },
            layout: FaceLayout::new(manifest),
            crop_speed: 1.0,
            smooth: None,
        }
    }

    /// Single pictures that show a face and little else: one pass over a square one, whatever comes of it.
    pub fn once(manifest: &Manifest) -> Self {
        Self { refine: false, tiles: 0, average: false, ..Self::picture(manifest) }
    }

    /// A live picture: the face is followed, its keypoints are smoothed.
    pub fn live(manifest: &Manifest) -> Self {
        Self {
            follow: true,
            tiles: 20,
            guess: false,
            average: false,
            crop_speed: 0.5,
            smooth: Some(OneEuroOptions::default()),
            ..Self::picture(manifest)
        }
    }
}

/// Mean confidence that a live picture's face must have.
pub const LIVE_CONFIDENCE: f32 = 0.65;
