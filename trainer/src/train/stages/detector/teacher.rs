//! Whose sight of real pictures a detector learns from.

use tch::Device;

use super::STAGE;
use crate::config::Config;
use crate::error::{Error, Result};
use crate::nets::Detector;
use crate::train::run::Run;
use crate::train::run::checkpoint::Checkpoint;
use crate::train::run::stored::Stored;
use crate::train::stages::portrait;

/// The teacher's name in files, where it is one of an earlier training of this stage.
const NAME: &str = "detector-teacher";

/// A detector whose sight counts.
pub struct Teacher {
    /// The detector.
    pub detector: Stored<Detector>,
    /// Whether its statistics are of other pictures than real ones: learning along with a generator it saw generated and
    /// deformed ones, too.
    pub is_mixed: bool,
}

/// Makes what the detector's stage of `run` has trained the teacher from here on (Furlanello et al., "Born-Again Neural
/// Networks", 2018).
///
/// # Errors
/// [`Error::Checkpoint`] if there is none that fits, [`Error::Usage`] if its training is not at its end, [`Error::Io`].
pub fn promote(run: &Run, config: &Config) -> Result<()> {
    let (from, to) = (run.checkpoint(STAGE), run.checkpoint(NAME));
    let pupil = Checkpoint::open(&from)?;
    pupil.check_architecture(config)?;
    let (seen, planned) = (pupil.state.images_seen, pupil.state.config.detector.images);
    if seen < planned {
        return Err(Error::Usage(format!(
            "{}: it has seen {seen} of {planned} pairs: end its training first, with --resume",
            from.display()
        )));
    }
    std::fs::rename(&from, &to).map_err(Error::io(&to))?;
    eprintln!("the detector of {seen} pairs is the teacher now: {}", to.display());
    Ok(())
}

/// The teacher of `run`: the one that was promoted, or else the detector that was trained along with the generator or the
/// portrait networks of the checkpoint `source`, if there was one.
///
/// # Errors
/// [`Error::Checkpoint`].
pub fn teacher(run: &Run, source: &Checkpoint, device: Device) -> Result<Option<Teacher>> {
    let path = run.checkpoint(NAME);
    if !path.exists() && source.state.stage == portrait::STAGE {
        let detector = Stored::restored(source, "average/detector.", device)?;
        return Ok(Some(Teacher { detector, is_mixed: false }));
    }
    if !path.exists() {
        let along = Stored::trained_along(source, device)?;
        // Where keypoints come first, the generator is held to a detector that stays as it is.
        let is_mixed = !source.state.config.keypoints.is_on();
        return Ok(along.map(|detector| Teacher { detector, is_mixed }));
    }
    let promoted = Checkpoint::open(&path)?;
    promoted.check_architecture(&source.state.config)?;
    Ok(Some(Teacher { detector: Stored::averaged(&promoted, device)?, is_mixed: false }))
}
