//! The operators that graphs are made of.

use lkg_bundle::Dim;
use lkg_bundle::onnx::AttributeProto;
use tch::Tensor;

use super::{Graph, Value, per_image};
use crate::error::Result;
use crate::export::fold::Kernel;

/// `AttributeProto.AttributeType` of the attributes written.
mod attribute_type {
    pub const FLOAT: i32 = 1;
    pub const INT: i32 = 2;
    pub const STRING: i32 = 3;
    pub const INTS: i32 = 7;
}

impl Graph {
    /// `op` of one value, element by element, without attributes: `Exp`, `Relu`, `Sigmoid`, `Sqrt`, `Tanh`.
    pub fn map(&mut self, op: &str, x: &Value) -> Value {
        self.node(op, &[x], vec![], x.shape.clone())
    }

    /// LeakyReLU of the given slope.
    pub fn leaky_relu(&mut self, x: &Value, slope: f64) -> Value {
        self.node("LeakyRelu", &[x], vec![float("alpha", slope as f32)], x.shape.clone())
    }

    /// `op` of two values with broadcasting: `Add`, `Sub`, `Mul`, `Div`, `Max`, `Min`.
    pub fn zip(&mut self, op: &str, a: &Value, b: &Value) -> Value {
        self.node(op, &[a, b], vec![], broadcast(&a.shape, &b.shape))
    }

    /// Matrix product over the last two axes, broadcasting the others.
    pub fn matmul(&mut self, a: &Value, b: &Value) -> Value {
        let (a_lead, a_last) = a.shape.split_at(a.shape.len() - 2);
        let (b_lead, b_last) = b.shape.split_at(b.shape.len() - 2);
        let mut shape = broadcast(a_lead, b_lead);
        shape.extend([a_last[0], b_last[1]]);
        self.macs += per_image(&shape) * per_image(&a_last[1..]);
        self.node("MatMul", &[a, b], vec![], shape)
    }

    /// `x` `[N, in]` times the transpose of `weight` `[out, in]`, plus `bias` `[out]`.
    ///
    /// # Errors
    /// [`crate::Error::Torch`] if the weights can't be read.
    pub fn linear(&mut self, x: &Value, weight: &Tensor, bias: &Tensor) -> Result<Value> {
        let (weight, bias) = (self.tensor(weight)?, self.tensor(bias)?);
        let shape = vec![x.shape[0], weight.shape[0]];
        self.macs += per_image(&weight.shape);
        Ok(self.node("Gemm", &[x, &weight, &bias], vec![int("transB", 1)], shape))
    }

    /// Convolution of `x` `[N, C, H, W]`, padded to keep the size (stride 1) or halve it (stride 2).
    ///
    /// # Errors
    /// [`crate::Error::Torch`] if the weights can't be read.
    pub fn conv(&mut self, x: &Value, kernel: &Kernel) -> Result<Value> {
        let size = kernel.weight.size();
        let (outputs, side, pad, stride) = (size[0], size[2], kernel.padding, kernel.stride);
        let (weight, bias) = (self.tensor(&kernel.weight)?, self.tensor(&kernel.bias)?);
        let shrink = |d: &Dim| match d {
            Dim::Fixed(n) => Dim::Fixed((*n + 2 * pad as usize - side as usize) / stride as usize + 1),
            Dim::Batch => Dim::Batch,
        };
        let mut shape = vec![x.shape[0], Dim::Fixed(outputs as usize)];
        shape.extend(x.shape[2..].iter().map(shrink));
        self.macs += per_image(&shape) * per_image(&weight.shape[1..]);
        let attributes = vec![
            ints("kernel_shape", &[side, side]),
            ints("strides", &[stride, stride]),
            ints("pads", &[pad; 4]),
            int("group", kernel.groups),
        ];
        Ok(self.node("Conv", &[x, &weight, &bias], attributes, shape))
    }

    /// Bilinear upsampling of `[N, C, H, W]` by two, as [`crate::nets::layers::upsample`] does it.
    pub fn upsample(&mut self, x: &Value) -> Value {
        self.enlarge(x, 2)
    }

    /// Bilinear upsampling of `[N, C, H, W]` by a whole factor, without aligned corners.
    pub fn enlarge(&mut self, x: &Value, factor: usize) -> Value {
        let attributes = vec![text("mode", "linear"), text("coordinate_transformation_mode", "half_pixel")];
        self.resize(x, factor, attributes)
    }

    /// Each pixel of `[N, C, H, W]` four times.
    pub fn upsample_nearest(&mut self, x: &Value) -> Value {
        let attributes = vec![
            text("mode", "nearest"),
            text("coordinate_transformation_mode", "asymmetric"),
            text("nearest_mode", "floor"),
        ];
        self.resize(x, 2, attributes)
    }

    fn resize(&mut self, x: &Value, factor: usize, attributes: Vec<AttributeProto>) -> Value {
        let scales = self.floats(&[4], &[1.0, 1.0, factor as f32, factor as f32]);
        // The optional region of interest is left out by an empty name.
        let none = Value { name: String::new(), shape: vec![] };
        let shape =
            x.shape[..2].iter().copied().chain(x.shape[2..].iter().map(|d| times(d, factor))).collect();
        self.node("Resize", &[x, &none, &scales], attributes, shape)
    }

    /// The same elements under other axes; `axes` are those after the batch.
    pub fn reshape(&mut self, x: &Value, axes: &[i64]) -> Value {
        let shape = std::iter::once(Dim::Batch).chain(axes.iter().map(|d| Dim::Fixed(*d as usize))).collect();
        // Zero keeps the batch, whatever it is.
        let target: Vec<i64> = std::iter::once(0).chain(axes.iter().copied()).collect();
        let target = self.integers(&target);
        self.node("Reshape", &[x, &target], vec![], shape)
    }

    /// Swaps the last two of three axes.
    pub fn transpose(&mut self, x: &Value) -> Value {
        self.permute(x, &[0, 2, 1])
    }

    /// Puts axes in another order, the batch staying first.
    pub fn permute(&mut self, x: &Value, order: &[i64]) -> Value {
        let shape = order.iter().map(|i| x.shape[*i as usize]).collect();
        self.node("Transpose", &[x], vec![ints("perm", order)], shape)
    }

    /// Joins values along `axis`, which is not the batch.
    pub fn concat(&mut self, values: &[&Value], axis: usize) -> Value {
        let mut shape = values[0].shape.clone();
        shape[axis] = Dim::Fixed(values.iter().map(|v| per_image(&v.shape[axis..=axis]) as usize).sum());
        self.node("Concat", values, vec![int("axis", axis as i64)], shape)
    }

    /// Appends one zero to the last of three axes.
    pub fn pad_last(&mut self, x: &Value) -> Value {
        let pads = self.integers(&[0, 0, 0, 0, 0, 1]);
        let mut shape = x.shape.clone();
        shape[2] = Dim::Fixed(per_image(&x.shape[2..]) as usize + 1);
        self.node("Pad", &[x, &pads], vec![text("mode", "constant")], shape)
    }

    /// Cuts a value along `axis` into pieces of the given lengths.
    pub fn split(&mut self, x: &Value, axis: usize, lengths: &[i64]) -> Vec<Value> {
        let shapes = lengths
            .iter()
            .map(|n| {
                let mut shape = x.shape.clone();
                shape[axis] = Dim::Fixed(*n as usize);
                shape
            })
            .collect();
        let lengths = self.integers(lengths);
        self.nodes("Split", &[x, &lengths], vec![int("axis", axis as i64)], shapes)
    }

    /// Softmax over the last axis.
    pub fn softmax(&mut self, x: &Value) -> Value {
        self.node("Softmax", &[x], vec![int("axis", -1)], x.shape.clone())
    }

    /// Largest element along the channel axis, which is kept with length 1.
    pub fn max_channel(&mut self, x: &Value) -> Value {
        let mut shape = x.shape.clone();
        shape[1] = Dim::Fixed(1);
        // Until opset 18 ReduceMax takes its axes as an attribute.
        self.node("ReduceMax", &[x], vec![ints("axes", &[1]), int("keepdims", 1)], shape)
    }

    /// Mean over height and width of `[N, C, H, W]`, which are kept with length 1.
    pub fn mean_over_image(&mut self, x: &Value) -> Value {
        let shape = vec![x.shape[0], x.shape[1], Dim::Fixed(1), Dim::Fixed(1)];
        // Until opset 18 ReduceMean takes its axes as an attribute.
        self.node("ReduceMean", &[x], vec![ints("axes", &[2, 3]), int("keepdims", 1)], shape)
    }

    /// Sum over the last axis, which is dropped.
    pub fn sum_last(&mut self, x: &Value) -> Value {
        let shape = x.shape[..x.shape.len() - 1].to_vec();
        // ReduceSum takes its axes as an input from opset 13 on.
        let axes = self.integers(&[-1]);
        self.node("ReduceSum", &[x, &axes], vec![int("keepdims", 0)], shape)
    }
}

/// An axis `factor` times as long.
pub(super) fn times(axis: &Dim, factor: usize) -> Dim {
    match axis {
        Dim::Fixed(n) => Dim::Fixed(factor * n),
        Dim::Batch => Dim::Batch,
    }
}

/// Shape of an element-wise result, axes aligned at the end.
fn broadcast(a: &[Dim], b: &[Dim]) -> Vec<Dim> {
    let rank = a.len().max(b.len());
    let at = |shape: &[Dim], i: usize| match (i + shape.len()).checked_sub(rank) {
        Some(i) => shape[i],
        None => Dim::Fixed(1),
    };
    (0..rank).map(|i| if at(a, i) == Dim::Fixed(1) { at(b, i) } else { at(a, i) }).collect()
}

fn attribute(name: &str, kind: i32) -> AttributeProto {
    AttributeProto { name: name.to_owned(), r#type: kind, ..Default::default() }
}

pub(super) fn int(name: &str, i: i64) -> AttributeProto {
    AttributeProto { i, ..attribute(name, attribute_type::INT) }
}

pub(super) fn ints(name: &str, values: &[i64]) -> AttributeProto {
    AttributeProto { ints: values.to_vec(), ..attribute(name, attribute_type::INTS) }
}

fn float(name: &str, f: f32) -> AttributeProto {
    AttributeProto { f, ..attribute(name, attribute_type::FLOAT) }
}

pub(super) fn text(name: &str, value: &str) -> AttributeProto {
    AttributeProto { s: value.as_bytes().to_vec(), ..attribute(name, attribute_type::STRING) }
}
