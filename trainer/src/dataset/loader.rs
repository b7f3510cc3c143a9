//! Batches of random crops, made ahead in the background. A batch is a function of seed and step alone, so that a
//! resumed run sees what an uninterrupted one would have seen.

use std::sync::Arc;
use std::sync::mpsc::{Receiver, sync_channel};
use std::thread;

use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use rayon::prelude::*;
use tch::Tensor;

use super::crop::Crop;
use super::store::Store;
use crate::config::CropConfig;
use crate::error::{Error, Result};
use crate::support::share::Share;

/// Batches made ahead.
const AHEAD: usize = 3;

/// Which pictures make a batch.
#[derive(Clone, Debug)]
pub enum Pick {
    /// Any.
    Single,
    /// Pairs of one person: image `i` of the first half of a batch and image `i` of the second half. The pictures of each
    /// person.
    Pairs(Arc<Vec<Vec<usize>>>),
}

/// What batches hold.
#[derive(Clone, Debug)]
pub struct Batches {
    /// How pictures are cropped.
    pub crops: CropConfig,
    /// The source of every random number.
    pub seed: u64,
    /// Crops a batch.
    pub count: usize,
    /// Their side in pixels.
    pub size: usize,
    /// Of a larger batch.
    pub share: Share,
    /// Which pictures.
    pub pick: Pick,
}

/// Hands out batches step by step.
pub struct Loader {
    batches: Receiver<Vec<f32>>,
    batch: usize,
    size: usize,
}

impl Loader {
    /// Starts making batches from step `first_step` on.
    pub fn start(store: Arc<Store>, first_step: u64, what: Batches) -> Self {
        let (sender, batches) = sync_channel(AHEAD);
        let (batch, size) = (what.count, what.size);
        thread::spawn(move || {
            for step in first_step.. {
                // The receiver is gone when training ends or moves on to another size.
                if sender.send(make_batch(&store, step, &what)).is_err() {
                    break;
                }
            }
        });
        Self { batches, batch, size }
    }

    /// The next batch, `[batch, 3, size, size]` in [-1, 1], float32 on the CPU.
    ///
    /// # Errors
    /// [`Error::LoaderStopped`] if the thread that makes them has died.
    pub fn next_batch(&mut self) -> Result<Tensor> {
        let data = self.batches.recv().map_err(|_| Error::LoaderStopped)?;
        let (n, s) = (self.batch as i64, self.size as i64);
        Ok(Tensor::from_slice(&data).view([n, 3, s, s]))
    }
}

/// The pictures of one step: planar RGB crops one after the other.
fn make_batch(store: &Store, step: u64, what: &Batches) -> Vec<f32> {
    let Batches { crops, seed, count: batch, size, share, pick } = what;
    let (batch, size) = (*batch, *size);
    let each = 3 * size * size;
    // Images of the whole step before this part's.
    let before = step * batch as u64 * share.count as u64 + batch as u64 * share.index as u64;
    let mut data = vec![0.0; batch * each];
    data.par_chunks_mut(each).enumerate().for_each(|(i, out)| {
        let stream = |i: usize| {
            let mut rng = ChaCha8Rng::seed_from_u64(*seed);
            rng.set_stream(before + i as u64);
            rng
        };
        match pick {
            Pick::Single => {
                let mut rng = stream(i);
                let picture = store.picture(rng.random_range(0..store.len()));
                Crop::random(&mut rng, crops).cut(picture, store.side(), size, out);
            }
            Pick::Pairs(people) => {
                // Both of a pair draw the person, their pictures and the mirror from one stream, and each its crop.
                let mut rng = stream(i % (batch / 2));
                let person = &people[rng.random_range(0..people.len())];
                let first = rng.random_range(0..person.len());
                let other = (first + rng.random_range(1..person.len())) % person.len();
                let mirrored = rng.random_bool(0.5);
                let second = i >= batch / 2;
                let picture = store.picture(person[if second { other } else { first }]);
                let mut rng = if second { stream(i) } else { rng };
                Crop::random(&mut rng, crops).cut(picture, store.side(), size, out);
                if mirrored {
                    out.chunks_mut(size).for_each(<[f32]>::reverse);
                }
            }
        }
    });
    data
}

#[cfg(test)]
mod tests {
    use std::fs;

    use image::{Rgb, RgbImage};

    use super::*;

    /// Three people, each of one colour, with three pictures each that differ in brightness.
    fn people() -> (tempfile::TempDir, Arc<Store>) {
        let dir = tempfile::tempdir().unwrap();
        for person in 0..3u8 {
            let folder = dir.path().join(format!("{person}"));
            fs::create_dir(&folder).unwrap();
            for picture in 0..3u8 {
                let mut colour = [0; 3];
                colour[usize::from(person)] = 80 + 60 * picture;
                RgbImage::from_pixel(16, 16, Rgb(colour))
                    .save(folder.join(format!("{picture}.png")))
                    .unwrap();
            }
        }
        fs::write(dir.path().join("alone.png"), fs::read(dir.path().join("0/0.png")).unwrap()).unwrap();
        let store = Arc::new(Store::load(&[dir.path().to_owned()], 16).unwrap());
        (dir, store)
    }

    #[test]
    fn pairs_are_two_pictures_of_one_person() {
        let (_dir, store) = people();
        let people = store.people().unwrap();
        assert_eq!((store.len(), people.len()), (10, 3));
        let pick = Pick::Pairs(Arc::new(people));
        let crops = CropConfig::default();
        let what = Batches { crops, seed: 7, count: 8, size: 8, share: Share::WHOLE, pick };
        let batch = |step| make_batch(&store, step, &what);
        let colour = |batch: &[f32], image: usize| -> [f32; 3] {
            std::array::from_fn(|c| ((batch[(image * 3 + c) * 64] + 1.0) * 127.5).round())
        };
        let mut seen = std::collections::BTreeSet::new();
        for step in 0..20 {
            let batch = batch(step);
            for i in 0..4 {
                let (a, b) = (colour(&batch, i), colour(&batch, i + 4));
                let person = |c: [f32; 3]| c.iter().position(|v| *v > 0.0).unwrap();
                assert_eq!(person(a), person(b));
                assert_ne!(a, b);
                seen.insert(person(a));
            }
        }
        assert_eq!(seen.len(), 3);
        assert_eq!(batch(3), batch(3));
    }

    #[test]
    fn pictures_without_folders_of_people_are_refused() {
        let dir = tempfile::tempdir().unwrap();
        for i in 0..4u8 {
            RgbImage::from_pixel(8, 8, Rgb([i; 3])).save(dir.path().join(format!("{i}.png"))).unwrap();
        }
        let store = Store::load(&[dir.path().to_owned()], 8).unwrap();
        assert!(store.people().unwrap_err().to_string().contains("--variants"));
    }
}
