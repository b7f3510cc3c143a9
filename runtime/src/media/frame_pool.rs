//! Pictures that have been shown, kept for their room: frames of one size come and go without allocating.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use image::RgbImage;

/// Most that are kept: one on its way in, one in the slot, one being drawn on, one on the screen.
const MOST: usize = 4;

/// A small store of pictures, shared by clones.
#[derive(Clone, Debug)]
pub struct FramePool(Arc<Mutex<Vec<RgbImage>>>);

impl Default for FramePool {
    fn default() -> Self {
        Self(Arc::new(Mutex::new(Vec::with_capacity(MOST))))
    }
}

impl FramePool {
    fn lock(&self) -> MutexGuard<'_, Vec<RgbImage>> {
        // A panic elsewhere leaves it whole: every change of it is a single call.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A picture of this size; what is on it is whatever was there before.
    pub fn take(&self, width: u32, height: u32) -> RgbImage {
        let mut kept = self.lock();
        if let Some(at) = kept.iter().position(|p| p.dimensions() == (width, height)) {
            return kept.swap_remove(at);
        }
        // Pictures of a size that is not asked for any more would take the place of those that are.
        if kept.len() == MOST {
            kept.clear();
        }
        drop(kept);
        RgbImage::new(width, height)
    }

    /// Keeps a picture that nobody uses any more.
    pub fn give(&self, picture: RgbImage) {
        let mut kept = self.lock();
        if kept.len() < MOST && !picture.is_empty() {
            kept.push(picture);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_picture_of_the_right_size_is_used_again() {
        let pool = FramePool::default();
        let picture = pool.take(4, 3);
        let at = picture.as_ptr();
        pool.give(picture);
        assert_eq!(pool.take(4, 3).as_ptr(), at);
        pool.give(RgbImage::new(2, 2));
        assert_eq!(pool.take(4, 3).dimensions(), (4, 3));
        (0..9).for_each(|_| pool.give(RgbImage::new(1, 1)));
        assert_eq!(pool.lock().len(), MOST);
        pool.take(4, 3);
        assert!(pool.lock().is_empty(), "room for those of the new size");
    }
}
