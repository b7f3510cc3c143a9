//! Where a face that is small in the picture is searched for: squares of three sizes, a few of them a frame.

use super::crop::Crop;

/// Sides of the tiles, as fractions of the picture's shorter side. The detector sees a face that fills half of its
/// square as well as one that fills it, so steps of less than 2 leave nothing out.
const SIDES: [f32; 3] = [0.7, 0.45, 0.28];

/// How many of those sides are large: tiles of the others are many and see faces that are far away.
const LARGE: usize = 2;

/// Least side of a tile, in pixels: a face in less has no parts.
const LEAST: f32 = 4.0;

/// Most tiles of a picture: of one that is a strip every so many are left out.
const MOST: usize = 600;

/// The tiles of a picture, large ones first, and which of them are next.
#[derive(Debug)]
pub struct Tiles {
    sides: &'static [f32],
    all: Vec<Crop>,
    of: (u32, u32),
    next: usize,
}

impl Default for Tiles {
    fn default() -> Self {
        Self { sides: &SIDES, all: Vec::new(), of: (0, 0), next: 0 }
    }
}

impl Tiles {
    /// The large ones alone.
    pub fn large() -> Self {
        Self { sides: &SIDES[..LARGE], ..Self::default() }
    }

    /// How many tiles a picture of this size has.
    pub fn count(&mut self, size: (u32, u32)) -> usize {
        if self.of != size {
            *self = Self { all: tiles(size, self.sides), of: size, next: 0, ..*self };
        }
        self.all.len()
    }

    /// The next tile of a picture of this size; after the last comes the first.
    pub fn next(&mut self, size: (u32, u32)) -> Option<Crop> {
        let count = self.count(size);
        let tile = self.all.get(self.next).copied();
        self.next = if count == 0 { 0 } else { (self.next + 1) % count };
        tile
    }

    /// Begins with the first again.
    pub fn restart(&mut self) {
        self.next = 0;
    }
}

/// Squares of these sides that cover a picture, each overlapping its neighbours by about half.
fn tiles((width, height): (u32, u32), sides: &[f32]) -> Vec<Crop> {
    let mut tiles = Vec::new();
    for fraction in sides {
        let side = fraction * width.min(height) as f32;
        let places = |length: f32| {
            let steps = ((length - side) / (side / 2.0)).ceil().max(1.0);
            (0..=steps as u32).map(move |i| side / 2.0 + (length - side) * i as f32 / steps)
        };
        if side < LEAST {
            continue;
        }
        for cy in places(height as f32) {
            tiles.extend(places(width as f32).map(|cx| Crop { cx, cy, side, angle: 0.0 }));
        }
    }
    let step = tiles.len().div_ceil(MOST).max(1);
    tiles.into_iter().step_by(step).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tiles_cover_the_picture_and_stay_inside() {
        let tiles = tiles((640, 480), &SIDES);
        assert!(tiles.len() < 100);
        for (x, y) in [(1.0, 1.0), (639.0, 479.0), (320.0, 240.0), (5.0, 470.0)] {
            let covers = |t: &&Crop| (t.cx - x).abs() <= t.side / 2.0 && (t.cy - y).abs() <= t.side / 2.0;
            assert!(tiles.iter().filter(covers).count() >= SIDES.len(), "{x} {y}");
        }
        for t in &tiles {
            let half = t.side / 2.0 - 0.01;
            assert!(t.cx - half >= 0.0 && t.cx + half <= 640.0 && t.cy - half >= 0.0 && t.cy + half <= 480.0);
        }
    }

    /// A strip was searched in some ten thousand tiles.
    #[test]
    fn a_strip_has_no_more_tiles_than_others() {
        for size in [(160, 16384), (16384, 33), (1, 16384), (16384, 16384), (3, 3)] {
            assert!(tiles(size, &SIDES).len() <= MOST, "{size:?}");
        }
        assert!(tiles((160, 16384), &SIDES).len() > MOST / 2 && tiles((1, 16384), &SIDES).is_empty());
    }

    #[test]
    fn every_tile_has_its_turn() {
        let size = (640, 480);
        let all = tiles(size, &SIDES);
        let mut plan = Tiles::default();
        assert_eq!(plan.count(size), all.len());
        for tile in all.iter().chain(&all[..5]) {
            assert_eq!(plan.next(size), Some(*tile));
        }
        // Another size begins anew, and so does a restart.
        let small = tiles((64, 64), &SIDES);
        assert_eq!([plan.next((64, 64)), plan.next((64, 64))], [Some(small[0]), Some(small[1])]);
        plan.restart();
        assert_eq!(plan.next((64, 64)), Some(small[0]));
        assert_eq!(plan.next((0, 0)), None);
    }
}
