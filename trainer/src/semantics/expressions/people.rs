//! Pictures of people with the moves that they were drawn with.

use std::fs;
use std::path::{Path, PathBuf};

use image::RgbImage;
use tch::{Kind, Tensor};

use super::Picture;
use crate::augment::jitter::jitter;
use crate::dataset::batches::in_batches;
use crate::dataset::crop::Crop;
use crate::dataset::faces::amounts::{self, AMOUNTS, Amounts};
use crate::dataset::tensors::load;
use crate::error::{Error, Result};
use crate::semantics::shapes;
use crate::subject::{KeypointDetector, PortraitSubject};

/// Most people, spread over the folder.
const PEOPLE: usize = 300;
/// Looks at each picture: as it is, then in other light, tones, sharpness and noise, as cameras have them.
const LOOKS: usize = 3;
/// Seed of those changes.
const SEED: i64 = 24;

/// Pictures of one person.
#[derive(Clone, Debug, PartialEq)]
pub struct Person {
    /// The person's folder.
    pub folder: PathBuf,
    /// The moves of each picture; the n-th is `n.jpg`.
    pub amounts: Vec<Amounts>,
}

impl Person {
    /// File of the n-th picture.
    pub fn picture(&self, n: usize) -> PathBuf {
        self.folder.join(format!("{n}.jpg"))
    }
}

/// People in `folder` as `trainer data faces --variants` draws them, in the order of their names, at most 300.
///
/// # Errors
/// [`Error::Io`]; [`Error::Data`] naming what does not parse, or the folder if there is nobody in it.
pub fn read(folder: &Path) -> Result<Vec<Person>> {
    let mut folders = vec![];
    for entry in fs::read_dir(folder).map_err(Error::io(folder))? {
        let path = entry.map_err(Error::io(folder))?.path();
        if path.join(AMOUNTS).is_file() {
            folders.push(path);
        }
    }
    if folders.is_empty() {
        let reason = format!(
            "no folder in it has an {AMOUNTS}: name people as `trainer data faces N OUT --variants V` draws them"
        );
        return Err(Error::Data { path: folder.to_owned(), reason });
    }
    folders.sort();
    let count = folders.len().min(PEOPLE);
    let spread = (0..count).map(|i| folders[i * folders.len() / count].clone());
    let person = |folder: PathBuf| {
        let amounts = amounts::read(&folder)?;
        Ok(Person { folder, amounts })
    };
    spread.map(person).collect()
}

/// The part of a picture that networks are shown: its middle, as closely as training cut pictures on average.
pub struct Frame {
    crop: Crop,
    side: i64,
}

impl Frame {
    /// As `subject`'s training cut pictures, at `side` pixels.
    pub fn of(subject: &PortraitSubject, side: i64) -> Self {
        let cut = subject.crop();
        let zoom = (cut.zoom_min * cut.zoom_max).sqrt();
        Self { crop: Crop { x: 0.5, y: 0.5, side: 1.0 / zoom, angle: 0.0 }, side }
    }

    /// Images `[N, 3, side, side]` in [-1, 1] of picture files.
    ///
    /// # Errors
    /// Those of reading them.
    pub fn images(&self, files: &[PathBuf]) -> Result<Tensor> {
        let side = self.side as usize;
        let mut data = vec![0f32; files.len() * 3 * side * side];
        for (file, out) in files.iter().zip(data.chunks_mut(3 * side * side)) {
            let whole: RgbImage = load(file, 2 * self.side as u32)?;
            self.crop.cut(whole.as_raw(), 2 * side, side, out);
        }
        Ok(Tensor::from_slice(&data).view([-1, 3, self.side, self.side]))
    }
}

/// What `subject` finds in all pictures of `people`, each seen three times: as it is, and twice as cameras might have it.
///
/// # Errors
/// Those of reading the pictures and of the detector; [`Error::Interrupted`].
pub fn observe(subject: &PortraitSubject, people: &[Person]) -> Result<Vec<Picture>> {
    let all: Vec<(usize, usize)> = people
        .iter()
        .enumerate()
        .flat_map(|(person, p)| (0..p.amounts.len()).map(move |n| (person, n)))
        .collect();
    tch::manual_seed(SEED);
    let arch = &subject.checkpoint.state.config.architecture;
    let frame = Frame::of(subject, arch.detector_size);
    let found = in_batches("expressions of people", all.len(), |range| {
        let files: Vec<PathBuf> = all[range].iter().map(|(person, n)| people[*person].picture(*n)).collect();
        let images = frame.images(&files)?;
        let mut looks = vec![];
        for look in 0..LOOKS {
            let parts = subject.parts(&jitter(&images, if look == 0 { 0.0 } else { 1.0 }))?;
            looks.push(Tensor::f_cat(&[parts.keypoints, parts.states], 2)?);
        }
        Ok(Tensor::f_stack(&looks, 1)?)
    })?
    .flatten(0, 1);
    let keypoints = shapes(&found.narrow(2, 0, 2))?;
    let states = found.narrow(2, 2, arch.states).to_kind(Kind::Double).contiguous();
    let mut pictures = Vec::with_capacity(keypoints.len());
    for (i, keypoints) in keypoints.into_iter().enumerate() {
        let (person, n) = all[i / LOOKS];
        pictures.push(Picture {
            person,
            is_plain: i % LOOKS == 0,
            amounts: people[person].amounts[n].clone(),
            keypoints,
            states: Vec::try_from(states.get(i as i64).flatten(0, 1))?,
        });
    }
    Ok(pictures)
}
