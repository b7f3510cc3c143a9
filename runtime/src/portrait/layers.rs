//! What the portrait network says of a photo's square, made ready to be enlarged: at the network's resolution, eased to the
//! photo itself towards the square's border.

use lkg_bundle::contract::PORTRAIT_COARSE;
use lkg_bundle::conventions::pixel_centre;

use super::swirl::Swirl;
use crate::engine::Carried;
use crate::vision::crop::Crop;
use crate::vision::hermite::eased;

/// Values of a place: how far right and down of it lies what shows there, how much of the photo shows, red, green and blue of
/// what shows elsewhere, and two that fill up the lanes.
pub(super) const LANES: usize = 8;

/// One place's values.
pub(super) type Place = [f32; LANES];

/// What a place has where nothing is to happen.
const STILL: Place = [0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 0.0, 0.0];

/// Width of the band along the border, in half sides, within which motion and new colours fade out.
const BORDER: f32 = 0.22;
/// How far colour and photo may lie apart, of 255, for the photo's own pixels to be taken where the network would draw.
const ALIKE: f32 = 10.0;
/// How much sharper colours are made where they are enlarged.
const SHARPEN: f32 = 0.6;

/// The places of one square; keeps its room.
#[derive(Clone, Debug)]
pub(super) struct Layers {
    side: usize,
    /// `P + 2` places a side: the outermost ones repeat their neighbours.
    places: Vec<Place>,
    /// The same without them, before they are turned.
    flat: Vec<Place>,
    /// The photo at this resolution, 0 to 255.
    small: Vec<[f32; 4]>,
    /// For each position the coarse one before it, and how far on it lies.
    coarse: Vec<(usize, f32)>,
    /// 1 inside, 0 along the border, for each position.
    window: Vec<f32>,
    sharpen: f32,
    lines: [Vec<f32>; 2],
}

impl Layers {
    /// For a square of P x P places whose photo at this resolution is `small`, `[3, P, P]` in [-1, 1], and that is shown
    /// `enlarged` times as large.
    pub(super) fn new(side: usize, small: &[f32], enlarged: f32) -> Self {
        let pixel = |i: usize| {
            let channel = |c: usize| small.get(c * side * side + i).map_or(0.0, |v| (v + 1.0) * 127.5);
            [channel(0), channel(1), channel(2), 0.0]
        };
        let coarse = |i: usize| {
            let at = (i as f32 + 0.5) * PORTRAIT_COARSE as f32 / side as f32 - 0.5;
            let at = at.clamp(0.0, (PORTRAIT_COARSE - 1) as f32);
            let low = (at as usize).min(PORTRAIT_COARSE - 2);
            (low, at - low as f32)
        };
        let window = |i: usize| {
            // The outermost place is still, so that beyond it nothing moves.
            let inside = 1.0 - 1.0 / side as f32 - pixel_centre(i, side).abs();
            eased(inside / BORDER)
        };
        Self {
            side,
            places: vec![STILL; (side + 2) * (side + 2)],
            flat: vec![STILL; side * side],
            small: (0..side * side).map(pixel).collect(),
            coarse: (0..side).map(coarse).collect(),
            window: (0..side).map(window).collect(),
            // Where it is not enlarged there is nothing to be gained.
            sharpen: SHARPEN * (enlarged - 1.0).clamp(0.0, 1.0),
            lines: [vec![0.0; PORTRAIT_COARSE], vec![0.0; PORTRAIT_COARSE]],
        }
    }

    /// Places a side, the repeated ones counted.
    pub(super) fn stride(&self) -> usize {
        self.side + 2
    }

    /// The places, row by row.
    pub(super) fn places(&self) -> &[Place] {
        &self.places
    }

    /// Fills the places with what the network says, turned by `swirl`, distances in pixels of the photo of which `crop` is
    /// the square.
    pub(super) fn fill(&mut self, carried: &Carried<'_>, crop: &Crop, swirl: Option<&Swirl>) {
        let n = self.side;
        if carried.side != n || carried.mask.len() != n * n || carried.colour.len() != 3 * n * n {
            return;
        }
        for y in 0..n {
            self.coarse_line(carried.flow, y);
            let row = &mut self.flat[y * n..(y + 1) * n];
            let colour = carried.colour;
            let channels = [0, 1, 2].map(|c| &colour[(c * n + y) * n..(c * n + y + 1) * n]);
            let mask = &carried.mask[y * n..(y + 1) * n];
            for (x, place) in row.iter_mut().enumerate() {
                let (low, share) = self.coarse[x];
                let flow = [0, 1].map(|axis| {
                    let line = &self.lines[axis];
                    line[low] + (line[low + 1] - line[low]) * share
                });
                let [r, g, b] = channels.map(|c| (c[x] + 1.0) * 127.5);
                *place = [flow[0], flow[1], mask[x], r, g, b, 0.0, 0.0];
            }
        }
        self.keep_own();
        let half = crop.side / 2.0;
        let (sin, cos) = crop.angle.sin_cos();
        let stride = self.stride();
        for y in 0..n {
            for x in 0..n {
                let at = [pixel_centre(x, n), pixel_centre(y, n)];
                let window = self.window[x] * self.window[y];
                let (mut place, moved) = match swirl {
                    None => (self.sharpened(x, y), [0.0; 2]),
                    Some(swirl) => {
                        let moved = swirl.moved(at);
                        (self.between([at[0] + moved[0], at[1] + moved[1]]), moved)
                    }
                };
                let (u, v) = (place[0] * window + moved[0], place[1] * window + moved[1]);
                (place[0], place[1]) = (half * (u * cos - v * sin), half * (u * sin + v * cos));
                place[2] = 1.0 - (1.0 - place[2]) * window;
                self.places[(y + 1) * stride + x + 1] = place;
            }
        }
        self.repeat_border();
    }

    /// A row of the flow, enlarged downwards.
    fn coarse_line(&mut self, flow: &[f32], y: usize) {
        const C: usize = PORTRAIT_COARSE;
        let (low, share) = self.coarse[y];
        for (axis, line) in self.lines.iter_mut().enumerate() {
            let Some(plane) = flow.get(axis * C * C..(axis + 1) * C * C) else { return };
            let (above, below) = (&plane[low * C..(low + 1) * C], &plane[(low + 1) * C..(low + 2) * C]);
            for ((to, a), b) in line.iter_mut().zip(above).zip(below) {
                *to = a + (b - a) * share;
            }
        }
    }

    /// Where the network would draw what the photo shows anyway, the photo's own pixels are sharper.
    fn keep_own(&mut self) {
        let n = self.side;
        for y in 0..n {
            for x in 0..n {
                let place = self.flat[y * n + x];
                if place[2] >= 1.0 {
                    continue;
                }
                let half = n as f32 / 2.0;
                let own = self.small_at([x as f32 + place[0] * half, y as f32 + place[1] * half]);
                let apart = (0..3).map(|c| (own[c] - place[3 + c]).abs()).fold(0.0, f32::max) / ALIKE;
                let alike = 1.0 / (1.0 + apart.powi(4));
                self.flat[y * n + x][2] = place[2] + (1.0 - place[2]) * alike;
            }
        }
    }

    /// The photo at this resolution at a place in its pixels, 0 being the first one's centre.
    fn small_at(&self, [x, y]: [f32; 2]) -> [f32; 4] {
        let n = self.side;
        let axis = |v: f32| {
            let v = v.clamp(0.0, (n - 1) as f32);
            let low = (v as usize).min(n - 2);
            (low, v - low as f32)
        };
        let ((x, fx), (y, fy)) = (axis(x), axis(y));
        let at = |x: usize, y: usize| &self.small[y * n + x];
        let (a, b, c, d) = (at(x, y), at(x + 1, y), at(x, y + 1), at(x + 1, y + 1));
        std::array::from_fn(|i| {
            let (top, bottom) = (a[i] + (b[i] - a[i]) * fx, c[i] + (d[i] - c[i]) * fx);
            top + (bottom - top) * fy
        })
    }

    /// A place with its colour sharpened against its neighbours.
    fn sharpened(&self, x: usize, y: usize) -> Place {
        let n = self.side;
        let mut place = self.flat[y * n + x];
        if self.sharpen == 0.0 || place[2] >= 1.0 {
            return place;
        }
        let (left, right) = (x.saturating_sub(1), (x + 1).min(n - 1));
        let (up, down) = (y.saturating_sub(1), (y + 1).min(n - 1));
        let near = [(left, y), (right, y), (x, up), (x, down)].map(|(x, y)| &self.flat[y * n + x]);
        for (c, value) in place.iter_mut().enumerate().skip(3).take(3) {
            let mean = near.iter().map(|p| p[c]).sum::<f32>() / 4.0;
            *value = (*value + self.sharpen * (*value - mean)).clamp(0.0, 255.0);
        }
        place
    }

    /// The values at a point in normalised coordinates.
    fn between(&self, at: [f32; 2]) -> Place {
        let n = self.side;
        let axis = |v: f32| {
            let v = ((v + 1.0) * n as f32 / 2.0 - 0.5).clamp(0.0, (n - 1) as f32);
            let low = (v as usize).min(n - 2);
            (low, v - low as f32)
        };
        let ((x, fx), (y, fy)) = (axis(at[0]), axis(at[1]));
        let (a, b) = (self.sharpened(x, y), self.sharpened(x + 1, y));
        let (c, d) = (self.sharpened(x, y + 1), self.sharpened(x + 1, y + 1));
        std::array::from_fn(|i| {
            let (top, bottom) = (a[i] + (b[i] - a[i]) * fx, c[i] + (d[i] - c[i]) * fx);
            top + (bottom - top) * fy
        })
    }

    fn repeat_border(&mut self) {
        let (n, stride) = (self.side, self.stride());
        for y in 1..=n {
            self.places[y * stride] = self.places[y * stride + 1];
            self.places[y * stride + n + 1] = self.places[y * stride + n];
        }
        self.places.copy_within(stride..2 * stride, 0);
        self.places.copy_within(n * stride..(n + 1) * stride, (n + 1) * stride);
    }
}
