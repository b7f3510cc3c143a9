//! What portrait networks make of people's pictures.

use std::path::PathBuf;

use tch::Tensor;

use super::{CardPicture, REAL_SIDE, Scene, Table, tile};
use crate::error::Result;
use crate::nets::portrait::{COARSE, Parts, grid};
use crate::semantics::expressions::people::{Frame, Person};
use crate::subject::{KeypointDetector, PortraitSubject};
use lkg_bundle::manifest::Expression;

/// People shown.
const ROWS: usize = 6;
/// Flow this large, normalised coordinates, is shown at full colour.
const MOST_FLOW: f64 = 0.5;
const COLUMNS: [&str; 8] =
    ["photo", "driver, the same person", "driven", "flow alone", "mask", "flow", "driver, another", "driven"];

/// People whose pictures the sheets are made of.
#[derive(Clone, Copy, Debug)]
pub struct People<'a> {
    /// Each with his pictures.
    pub people: &'a [Person],
    /// Expressions found from them.
    pub expressions: &'a [Expression],
}

impl People<'_> {
    /// At most `count` of them, spread evenly, of several pictures each.
    pub(super) fn spread(&self, count: usize) -> Vec<&Person> {
        let several: Vec<&Person> = self.people.iter().filter(|p| p.amounts.len() > 1).collect();
        let count = count.min(several.len());
        (0..count).map(|i| several[i * several.len() / count]).collect()
    }
}

impl Scene<'_, PortraitSubject> {
    /// Makes all pictures: of people those that they are needed for.
    ///
    /// # Errors
    /// Those of the networks, of reading pictures and of drawing; [`crate::Error::Interrupted`].
    pub fn draw_portrait(&mut self, people: Option<People>) -> Result<Vec<CardPicture>> {
        let _no_grad = tch::no_grad_guard();
        let mut pictures = vec![self.mean()?, self.detections()?];
        if let Some(people) = people {
            pictures.extend(self.carried(&people)?);
            pictures.extend(self.sliders(&people)?);
        }
        Ok(pictures)
    }

    /// A photo of each of some people, driven by another of his pictures, and by the next person's against that one's mean.
    fn carried(&mut self, people: &People) -> Result<Option<CardPicture>> {
        let shown = people.spread(ROWS);
        if shown.is_empty() {
            return Ok(None);
        }
        let frame = Frame::of(self.subject, self.subject.image_size());
        let mut table = Table::new(&COLUMNS, shown.len(), REAL_SIDE)?;
        for (row, person) in shown.iter().enumerate() {
            let own = frame.images(&files(person))?;
            let other = frame.images(&files(shown[(row + 1) % shown.len()]))?;
            let (parts, others) = (self.subject.parts(&own)?, self.subject.parts(&other)?);
            let (photo, source) = (own.narrow(0, 0, 1), parts.narrow(0, 1));
            let (flow, rendered) = self.subject.drive(&photo, &source, &parts.narrow(1, 1));
            let relative = relative(&source, &others);
            let (_, across) = self.subject.drive(&photo, &source, &relative);
            let mask = rendered.mask.get(0).expand([3, -1, -1], false) * 2.0 - 1.0;
            let motion = (&flow.field - grid(COARSE, &photo)).permute([0, 3, 1, 2]).get(0) / MOST_FLOW;
            let motion = Tensor::cat(&[&motion, &motion.narrow(0, 0, 1).zeros_like()], 0).clamp(-1.0, 1.0);
            let images = [
                own.get(0),
                own.get(1),
                rendered.image.get(0),
                rendered.warped.get(0),
                mask,
                motion,
                other.get(1),
                across.image.get(0),
            ];
            for (column, image) in images.iter().enumerate() {
                let mut picture = tile(image, REAL_SIDE)?;
                match column {
                    0 => self.mark(&mut picture, &parts.keypoints.get(0))?,
                    1 => self.mark(&mut picture, &parts.keypoints.get(1))?,
                    _ => {}
                }
                table.put(column, row, &picture);
            }
        }
        let caption = format!(
            "A photo of each of {} people, unselected, driven by another picture of him, and by one of the next person (against \
             that one's mean). Mask: white shows the photo's own pixels, black what is drawn anew. Flow: red to the right, \
             green down.",
            shown.len()
        );
        CardPicture::photo("reenactment", caption, table.sheet).map(Some)
    }
}

/// Files of all pictures of a person.
fn files(person: &Person) -> Vec<PathBuf> {
    (0..person.amounts.len()).map(|n| person.picture(n)).collect()
}

/// `source` moved as the second of `others` differs from their mean.
fn relative(source: &Parts, others: &Parts) -> Parts {
    let apart = |all: &Tensor| all.narrow(0, 1, 1) - all.mean_dim([0i64].as_slice(), true, all.kind());
    Parts {
        keypoints: &source.keypoints + apart(&others.keypoints),
        states: &source.states + apart(&others.states),
    }
}
