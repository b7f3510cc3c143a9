//! A strip of re-enactment: real pictures with the poses of others.

use tch::Tensor;

use super::real::spread;
use super::{CardPicture, REAL_SIDE, Scene, Table, tile};
use crate::error::Result;
use crate::nets::heatmap::Pose;
use crate::nets::resize::resize;
use crate::subject::{KeypointDetector, RunSubject, Subject, detect};

/// Pictures whose poses are taken.
const DRIVERS: i64 = 7;
/// Pictures that get them.
const SOURCES: i64 = 3;

impl Scene<'_, RunSubject> {
    /// Each of a few real pictures with the poses of others; none without an encoder.
    pub(super) fn reenactment(&mut self) -> Result<Option<CardPicture>> {
        let all = spread(&self.observed.images, DRIVERS + SOURCES);
        let n = all.size()[0];
        let (drivers, sources) = shares(n);
        let (driving, source) = (all.narrow(0, 0, drivers), all.narrow(0, n - sources, sources));
        let poses = detect(self.subject, &driving)?;
        let Some(appearance) = self.subject.encode(&resize(&source, self.subject.image_size()))? else {
            return Ok(None);
        };
        let mut headings = vec![""; drivers as usize + 1];
        headings[1] = "poses of";
        let mut table = Table::new(&headings, sources as usize + 1, REAL_SIDE)?;
        for d in 0..drivers {
            let mut picture = tile(&driving.get(d), REAL_SIDE)?;
            self.mark(&mut picture, &poses.get(d))?;
            table.put(d as usize + 1, 0, &picture);
        }
        for s in 0..sources {
            let row = s as usize + 1;
            table.put(0, row, &tile(&source.get(s), REAL_SIDE)?);
            let repeat = |t: &Tensor| t.narrow(0, s, 1).repeat_interleave_self_int(drivers, 0, None);
            let generated = self.subject.generate_posed(
                &Pose::natural(poses.shallow_clone()),
                &repeat(&appearance.embeddings),
                &repeat(&appearance.background),
            );
            for d in 0..drivers {
                table.put(d as usize + 1, row, &tile(&generated.get(d), REAL_SIDE)?);
            }
        }
        let caption = format!(
            "Re-enactment: {sources} of {} (left), unselected, with the keypoints of {drivers} others (top).",
            self.observed.source
        );
        CardPicture::photo("reenactment", caption, table.sheet).map(Some)
    }
}

/// How many of `n` pictures, the first ones, are drivers, and how many, the last ones, sources. A picture that is alone is both.
fn shares(n: i64) -> (i64, i64) {
    let drivers = (n - SOURCES).max(1);
    (drivers, (n - drivers).max(1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn few_pictures_have_drivers_and_sources_too() {
        assert_eq!([1, 2, 4, 10].map(shares), [(1, 1), (1, 1), (1, 3), (7, 3)]);
    }
}
