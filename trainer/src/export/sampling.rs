//! Bilinear sampling where a motion says, without `GridSample`: CUDA has no kernel of it for maps of channels first
//! ([`lkg_bundle::operators`]), and on processors four gathers and a weighted sum take a third of its time.

use super::graph::{Graph, Value};
use super::heat;

/// Where maps of one side are sampled: the corners around each place, and what each counts.
#[derive(Debug)]
pub struct Places {
    /// `[N, 1, P]`: number of the upper left corner, by rows.
    corner: Value,
    /// `[N, 1, P]` each: upper left, upper right, lower left, lower right.
    weights: [Value; 4],
    side: i64,
}

impl Places {
    /// Each pixel's own place moved by `motion` `[N, 2, side, side]`, normalised coordinates; held inside the border.
    pub fn new(g: &mut Graph, motion: &Value) -> Self {
        let side = motion.length(3);
        let pixels = side * side;
        let motion = g.reshape(motion, &[2, pixels]);
        // Normalised coordinates span 2.
        let scale = g.scalar(side as f32 / 2.0);
        let moved = g.zip("Mul", &motion, &scale);
        let own: Vec<f32> =
            (0..pixels).map(|i| (i % side) as f32).chain((0..pixels).map(|i| (i / side) as f32)).collect();
        let own = g.floats(&[2, pixels], &own);
        let place = g.zip("Add", &moved, &own);
        let place = hold(g, &place, side);
        let last_corner = g.scalar(side as f32 - 2.0);
        let low = g.zip("Min", &place, &last_corner);
        let low = g.map("Floor", &low);
        let one = g.scalar(1.0);
        let far = g.zip("Sub", &place, &low);
        let near = g.zip("Sub", &one, &far);
        let [far, near, low] = [far, near, low].map(|v| g.split(&v, 1, &[1, 1]));
        let row = g.scalar(side as f32);
        let above = g.zip("Mul", &low[1], &row);
        let corner = g.zip("Add", &low[0], &above);
        let pairs = [(&near[0], &near[1]), (&far[0], &near[1]), (&near[0], &far[1]), (&far[0], &far[1])];
        Self { corner, weights: pairs.map(|(x, y)| g.zip("Mul", x, y)), side }
    }

    /// The same places, of maps that are multiplied by `gate` `[N, 1, side, side]` where they go.
    pub fn gated(&self, g: &mut Graph, gate: &Value) -> Self {
        let gate = g.reshape(gate, &[1, self.side * self.side]);
        let weights = self.weights.each_ref().map(|w| g.zip("Mul", w, &gate));
        Self { corner: self.corner.clone(), weights, side: self.side }
    }

    /// Samples `x` `[N, C, side, side]`.
    pub fn sample(&self, g: &mut Graph, x: &Value) -> Value {
        let (channels, pixels) = (x.length(1), self.side * self.side);
        let flat = g.reshape(x, &[channels, pixels]);
        let sum = if channels > FEW { self.rows(g, &flat) } else { self.elements(g, &flat) };
        g.reshape(&sum, &[channels, self.side, self.side])
    }

    /// All channels of a place are copied at once, so they must lie together.
    fn rows(&self, g: &mut Graph, flat: &Value) -> Value {
        let pixels = self.side * self.side;
        let rows = g.permute(flat, &[0, 2, 1]);
        let corner = g.reshape(&self.corner, &[pixels, 1]);
        let weights = self.weights.each_ref().map(|w| g.reshape(w, &[pixels, 1]));
        let sum = self.weighted(g, &corner, &weights, |g, corner| g.gather_rows(&rows, corner));
        g.permute(&sum, &[0, 2, 1])
    }

    /// One by one.
    fn elements(&self, g: &mut Graph, flat: &Value) -> Value {
        let channels = flat.length(1);
        let zeros = g.floats(&[channels, 1], &vec![0.0; channels as usize]);
        let corner = g.zip("Add", &self.corner, &zeros);
        self.weighted(g, &corner, &self.weights, |g, corner| g.gather_elements(flat, corner))
    }

    /// The four corners, each times its weight, added up.
    fn weighted(
        &self,
        g: &mut Graph,
        corner: &Value,
        weights: &[Value; 4],
        gather: impl Fn(&mut Graph, &Value) -> Value,
    ) -> Value {
        let steps = [0, 1, self.side, self.side + 1];
        let [a, b, c, d]: [Value; 4] = std::array::from_fn(|i| {
            let step = g.scalar(steps[i] as f32);
            let corner = g.zip("Add", corner, &step);
            let values = gather(g, &corner);
            g.zip("Mul", &values, &weights[i])
        });
        let (upper, lower) = (g.zip("Add", &a, &b), g.zip("Add", &c, &d));
        g.zip("Add", &upper, &lower)
    }
}

/// Most channels of maps that are sampled element by element.
const FEW: i64 = 8;

/// Pixel places held inside a picture of `side`.
fn hold(g: &mut Graph, place: &Value, side: i64) -> Value {
    let (first, last) = (g.scalar(0.0), g.scalar(side as f32 - 1.0));
    let place = g.zip("Max", place, &first);
    g.zip("Min", &place, &last)
}

/// A small picture `[N, C, side, side]` moved as a whole by each of `shifts` `[N, K, 2]`, normalised coordinates:
/// `[N, K, C, side, side]`. A shift takes rows and columns apart, so two products with small matrices do it.
pub fn shifted(g: &mut Graph, picture: &Value, shifts: &Value) -> Value {
    let (k, channels, side) = (shifts.length(1), picture.length(1), picture.length(3));
    let scale = g.scalar(side as f32 / 2.0);
    let shifts = g.zip("Mul", shifts, &scale);
    let shifts = g.reshape(&shifts, &[k, 2, 1]);
    let own: Vec<f32> = (0..side).map(|i| i as f32).collect();
    let (across, down) = (g.floats(&[side], &own), g.floats(&[side, 1], &own));
    let place = g.zip("Add", &shifts, &across);
    let place = hold(g, &place, side);
    let axes = g.split(&place, 2, &[1, 1]);
    // [N, K, from, to] for columns, [N, K, to, from] for rows.
    let columns = g.zip("Sub", &axes[0], &down);
    let columns = hat(g, &columns);
    let to_row = g.reshape(&axes[1], &[k, side, 1]);
    let rows = g.zip("Sub", &to_row, &across);
    let rows = hat(g, &rows);
    let flat = g.reshape(picture, &[1, channels * side, side]);
    let wide = g.matmul(&flat, &columns);
    let wide = g.reshape(&wide, &[k, channels, side, side]);
    let rows = g.reshape(&rows, &[k, 1, side, side]);
    g.matmul(&rows, &wide)
}

/// `max(0, 1 - |x|)`: how much a pixel counts that lies `x` pixels away.
pub fn hat(g: &mut Graph, x: &Value) -> Value {
    let one = g.scalar(1.0);
    let (left, right) = (g.zip("Add", &one, x), g.zip("Sub", &one, x));
    let hat = g.zip("Min", &left, &right);
    g.map("Relu", &hat)
}

/// Gaussians of keypoints `[N, K, 2]` of each of the `variances`, peak 1: `[N, K, side, side]`.
pub fn gaussians(g: &mut Graph, keypoints: &Value, variances: &[f64], side: i64) -> Vec<Value> {
    let k = keypoints.length(1);
    let keypoints = g.reshape(keypoints, &[k, 2, 1]);
    let centres = g.floats(&[side], &heat::centres(&[side]));
    let distance = g.zip("Sub", &keypoints, &centres);
    let squared = g.zip("Mul", &distance, &distance);
    let one = |g: &mut Graph, variance: &f64| {
        let factor = g.scalar((-0.5 / variance) as f32);
        let exponent = g.zip("Mul", &squared, &factor);
        let falloff = heat::falloff(g, &exponent);
        let axes = g.split(&falloff, 2, &[1, 1]);
        let column = g.reshape(&axes[1], &[k, side, 1]);
        g.zip("Mul", &column, &axes[0])
    };
    variances.iter().map(|variance| one(g, variance)).collect()
}
