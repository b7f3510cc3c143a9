//! Operators that move elements: pixels into channels and back, and elements picked by computed places.

use lkg_bundle::Dim;

use super::ops::{int, ints, text, times};
use super::{Graph, Value};

/// `TensorProto.DataType` of 64-bit integers.
const INT64: i64 = 7;

impl Graph {
    /// `[N, C f f, H, W]` to `[N, C, f H, f W]`, as libtorch's pixel shuffle.
    pub fn depth_to_space(&mut self, x: &Value, factor: i64) -> Value {
        if factor == 1 {
            return x.clone();
        }
        let f = factor as usize;
        let shape = vec![
            x.shape[0],
            Dim::Fixed(x.length(1) as usize / (f * f)),
            times(&x.shape[2], f),
            times(&x.shape[3], f),
        ];
        // CRD is the order of a pixel shuffle, DCR, the default, is not.
        self.node("DepthToSpace", &[x], vec![int("blocksize", factor), text("mode", "CRD")], shape)
    }

    /// `[N, C, f H, f W]` to `[N, f f C, H, W]`: the channels of each place in a square of f x f together. (libtorch's pixel
    /// unshuffle has the places of each channel together.)
    pub fn space_to_depth(&mut self, x: &Value, factor: i64) -> Value {
        if factor == 1 {
            return x.clone();
        }
        let side = |axis: usize| Dim::Fixed((x.length(axis) / factor) as usize);
        let channels = Dim::Fixed((x.length(1) * factor * factor) as usize);
        let shape = vec![x.shape[0], channels, side(2), side(3)];
        self.node("SpaceToDepth", &[x], vec![int("blocksize", factor)], shape)
    }

    /// Mean over windows of `[height, width]`, odd, at every place of `[N, C, H, W]`; beyond the border are zeros that count.
    pub fn mean_around(&mut self, x: &Value, [height, width]: [i64; 2]) -> Value {
        let (y, x_pad) = (height / 2, width / 2);
        let attributes = vec![
            ints("kernel_shape", &[height, width]),
            ints("strides", &[1, 1]),
            ints("pads", &[y, x_pad, y, x_pad]),
            int("count_include_pad", 1),
        ];
        self.node("AveragePool", &[x], attributes, x.shape.clone())
    }

    /// Mean of each 2 x 2 pixels of `[N, C, H, W]`.
    pub fn halve(&mut self, x: &Value) -> Value {
        let half = |axis: usize| Dim::Fixed(x.length(axis) as usize / 2);
        let shape = vec![x.shape[0], x.shape[1], half(2), half(3)];
        let attributes = vec![ints("kernel_shape", &[2, 2]), ints("strides", &[2, 2])];
        self.node("AveragePool", &[x], attributes, shape)
    }

    /// Whole numbers as the gathering operators want them.
    fn whole(&mut self, x: &Value) -> Value {
        self.node("Cast", &[x], vec![int("to", INT64)], x.shape.clone())
    }

    /// Rows `[N, P, C]` of `x` `[N, R, C]`; `rows` `[N, P, 1]` are whole numbers from 0 to R - 1.
    pub fn gather_rows(&mut self, x: &Value, rows: &Value) -> Value {
        let rows = self.whole(rows);
        let shape = vec![x.shape[0], rows.shape[1], x.shape[2]];
        self.node("GatherND", &[x, &rows], vec![int("batch_dims", 1)], shape)
    }

    /// Elements of `x` `[N, C, R]` along its last axis; `places` `[N, C, P]` are whole numbers from 0 to R - 1.
    pub fn gather_elements(&mut self, x: &Value, places: &Value) -> Value {
        let places = self.whole(places);
        let shape = places.shape.clone();
        self.node("GatherElements", &[x, &places], vec![int("axis", 2)], shape)
    }

    /// Sum over the channel axis, which is kept with length 1.
    pub fn sum_channels(&mut self, x: &Value) -> Value {
        let mut shape = x.shape.clone();
        shape[1] = Dim::Fixed(1);
        // ReduceSum takes its axes as an input from opset 13 on.
        let axes = self.integers(&[1]);
        self.node("ReduceSum", &[x, &axes], vec![int("keepdims", 1)], shape)
    }
}
