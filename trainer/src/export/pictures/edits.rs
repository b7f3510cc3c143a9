//! Every kind of edit on a few generated pictures.

use lkg_bundle::conventions::to_pixels;
use lkg_bundle::manifest::KEYPOINT_COLOURS;
use tch::Tensor;

use super::{CardPicture, Scene, Table, tile, with_pose, without_part};
use crate::error::Result;
use crate::eval::interventions::{with_background, with_move, with_part};
use crate::nets::keypoint_generator::Latents;
use crate::plot;
use crate::subject::{RunSubject, Subject};

/// Pictures edited.
const FACES: i64 = 3;
/// Seeds of the pictures edited and of those that parts are taken from.
const SEEDS: [i64; 2] = [601, 602];
/// Side of a picture, in pixels.
const SIDE: u32 = 160;
const COLUMNS: [&str; 9] = [
    "original",
    "its keypoints",
    "another",
    "one keypoint moved",
    "another's pose",
    "another's appearance",
    "one part's appearance",
    "another background",
    "part removed",
];

impl Scene<'_, RunSubject> {
    /// A row for each picture, a column for each edit.
    pub(super) fn edits(&mut self) -> Result<CardPicture> {
        let (own, other) = (self.subject.sample(FACES, SEEDS[0])?, self.subject.sample(FACES, SEEDS[1])?);
        let before = self.subject.generate(&own)?;
        let own_appearance = (&own.embeddings, &own.background);
        let k = self.most_changed(&own.keypoints, own_appearance, &other.embeddings, &before);
        let left = Tensor::from_slice(&[1f32, 0.0]).expand([FACES, 2], true);
        let (moved, _) = with_move(&own, k, &left);
        let appearance =
            Latents { background: own.background.shallow_clone(), ..with_pose(&other, &own.keypoints) };
        let removed =
            self.subject.generate_posed(&without_part(&own.keypoints, k), &own.embeddings, &own.background);
        let mut columns =
            vec![before.shallow_clone(), before.shallow_clone(), self.subject.generate(&other)?];
        for edited in [
            &moved,
            &with_pose(&own, &other.keypoints),
            &appearance,
            &with_part(&own, &other, k),
            &with_background(&own, &other),
        ] {
            columns.push(self.subject.generate(edited)?);
        }
        columns.push(removed);
        let mut table = Table::new(&COLUMNS, FACES as usize, SIDE)?;
        for (c, images) in columns.iter().enumerate() {
            for i in 0..FACES {
                let mut picture = tile(&images.get(i), SIDE)?;
                match c {
                    1 => self.mark(&mut picture, &own.keypoints.get(i))?,
                    3 => {
                        let colour = KEYPOINT_COLOURS[k as usize % KEYPOINT_COLOURS.len()];
                        let end = |l: &Latents| -> Result<(f32, f32)> {
                            let p = Vec::<f32>::try_from(&l.keypoints.get(i).get(k))?;
                            Ok((to_pixels(p[0], SIDE as f32), to_pixels(p[1], SIDE as f32)))
                        };
                        plot::arrow(&mut picture, end(&own)?, end(&moved)?, colour)?;
                    }
                    _ => {}
                }
                table.put(c, i as usize, &picture);
            }
        }
        let caption = format!(
            "Edits of {FACES} generated pictures (seed {}), unselected. The part that is moved, gets another appearance and is \
             removed is `{}`, the one whose appearance changes these pictures most.",
            SEEDS[0], self.names[k as usize]
        );
        CardPicture::lossless("edits", caption, table.sheet)
    }
}
