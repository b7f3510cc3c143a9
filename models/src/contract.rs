//! Networks of a bundle, with the names and shapes of their tensors. Names are the contract, order is not.

use serde::{Deserialize, Serialize};

/// A network of a bundle.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Network {
    /// Noise to keypoints and embeddings.
    KeypointGenerator,
    /// Keypoints and embeddings to an image.
    ImageGenerator,
    /// Image to keypoints with confidences.
    Detector,
    /// Image to embeddings (optional: makes a real photo editable).
    Encoder,
    /// The half of an image generator that depends on the appearance alone: it runs once a face (see [`Self::Render`]).
    Style,
    /// The half that makes the image from the pose and what style made: it runs every frame. A bundle has these two or [`Self::ImageGenerator`].
    Render,
}

/// One axis of a tensor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dim {
    /// The batch, free at run time.
    Batch,
    /// A fixed length.
    Fixed(usize),
}

/// Name and shape of a network's input or output. All tensors are float32.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TensorSpec {
    /// The tensor's name in the graph.
    pub name: &'static str,
    /// The tensor's axes.
    pub shape: Vec<Dim>,
}

/// The sizes that fix every shape of a bundle.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BundleDims {
    /// K: how many keypoints.
    pub keypoints: usize,
    /// Z: length of each noise vector.
    pub latent: usize,
    /// E: length of each embedding.
    pub embedding: usize,
    /// S: side of the generated (and encoded) square image, in pixels.
    pub image_size: usize,
    /// Side of the detector's square input, in pixels.
    pub detector_size: usize,
    /// Rows and columns of what [`Network::Style`] makes for [`Network::Render`], where the bundle has them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tables: Option<[usize; 2]>,
}

impl Network {
    /// All networks, in the order in which they are reported.
    pub const ALL: [Network; 6] = [
        Network::KeypointGenerator,
        Network::ImageGenerator,
        Network::Style,
        Network::Render,
        Network::Detector,
        Network::Encoder,
    ];

    /// The name used in manifests and golden tensors.
    pub fn name(self) -> &'static str {
        match self {
            Network::KeypointGenerator => "keypoint_generator",
            Network::ImageGenerator => "image_generator",
            Network::Detector => "detector",
            Network::Encoder => "encoder",
            Network::Style => "style",
            Network::Render => "render",
        }
    }

    /// The network's file in a bundle.
    pub fn file_name(self) -> String {
        format!("{}.onnx", self.name())
    }

    /// Whether every bundle must have its file.
    pub fn is_required(self) -> bool {
        matches!(self, Network::KeypointGenerator | Network::Detector)
    }

    /// Inputs of the network for a bundle of the given sizes.
    pub fn inputs(self, d: &BundleDims) -> Vec<TensorSpec> {
        let (k, e) = (d.keypoints, d.embedding);
        let appearance = || [spec("embeddings", &[k, e]), spec("background", &[e])];
        let pose = || [spec("keypoints", &[k, 2]), spec("scales", &[k]), spec("visible", &[k])];
        match self {
            Network::KeypointGenerator => vec![
                spec("z_pose", &[d.latent]),
                spec("z_appearance", &[d.latent]),
                spec("z_background", &[d.latent]),
            ],
            Network::ImageGenerator => pose().into_iter().chain(appearance()).collect(),
            Network::Style => appearance().into(),
            Network::Render => pose().into_iter().chain([tables(d)]).collect(),
            Network::Detector => vec![spec("image", &[3, d.detector_size, d.detector_size])],
            Network::Encoder => vec![spec("image", &[3, d.image_size, d.image_size])],
        }
    }

    /// Outputs of the network for a bundle of the given sizes.
    pub fn outputs(self, d: &BundleDims) -> Vec<TensorSpec> {
        let (k, e) = (d.keypoints, d.embedding);
        match self {
            Network::KeypointGenerator => {
                vec![spec("keypoints", &[k, 2]), spec("embeddings", &[k, e]), spec("background", &[e])]
            }
            Network::ImageGenerator | Network::Render => {
                vec![spec("image", &[3, d.image_size, d.image_size])]
            }
            Network::Style => vec![tables(d)],
            Network::Detector => vec![spec("keypoints", &[k, 2]), spec("confidence", &[k])],
            Network::Encoder => vec![spec("embeddings", &[k, e]), spec("background", &[e])],
        }
    }
}

impl std::fmt::Display for Network {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name())
    }
}

impl TensorSpec {
    /// The shape with the batch axis set to `batch`.
    pub fn with_batch(&self, batch: usize) -> Vec<usize> {
        self.shape
            .iter()
            .map(|d| match d {
                Dim::Batch => batch,
                Dim::Fixed(n) => *n,
            })
            .collect()
    }

    /// Whether a graph's declared shape fits: -1 (dynamic) for the batch, equal lengths elsewhere.
    pub fn accepts(&self, declared: &[i64]) -> bool {
        declared.len() == self.shape.len()
            && self.shape.iter().zip(declared).all(|(want, have)| match want {
                Dim::Batch => *have == -1,
                Dim::Fixed(n) => *have == *n as i64,
            })
    }

    /// The shape as people write it: `[N, 3, 64, 64]`.
    pub fn shape_text(&self) -> String {
        let axes: Vec<String> = self
            .shape
            .iter()
            .map(|d| match d {
                Dim::Batch => "N".to_owned(),
                Dim::Fixed(n) => n.to_string(),
            })
            .collect();
        format!("[{}]", axes.join(", "))
    }
}

fn spec(name: &'static str, rest: &[usize]) -> TensorSpec {
    let shape = std::iter::once(Dim::Batch).chain(rest.iter().map(|n| Dim::Fixed(*n))).collect();
    TensorSpec { name, shape }
}

/// What the two halves of an image generator share; a manifest that lacks its size names neither half.
fn tables(d: &BundleDims) -> TensorSpec {
    spec("tables", &d.tables.unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    const DIMS: BundleDims = BundleDims {
        keypoints: 10,
        latent: 128,
        embedding: 64,
        image_size: 64,
        detector_size: 96,
        tables: Some([100, 12]),
    };

    #[test]
    fn batch_axis_must_be_dynamic_and_the_rest_equal() {
        let image = &Network::Detector.inputs(&DIMS)[0];
        assert!(image.accepts(&[-1, 3, 96, 96]));
        assert!(!image.accepts(&[1, 3, 96, 96]));
        assert!(!image.accepts(&[-1, 3, 64, 64]));
        assert!(!image.accepts(&[-1, 3, 96]));
        assert_eq!(image.shape_text(), "[N, 3, 96, 96]");
    }

    #[test]
    fn what_the_keypoint_generator_makes_feeds_the_image_generator() {
        let inputs = Network::ImageGenerator.inputs(&DIMS);
        for out in Network::KeypointGenerator.outputs(&DIMS) {
            assert!(inputs.contains(&out), "{}", out.name);
        }
    }

    #[test]
    fn two_halves_take_and_make_what_the_whole_does() {
        let mut inputs = Network::Render.inputs(&DIMS);
        let shared = inputs.pop().unwrap();
        assert_eq!(Network::Style.outputs(&DIMS), [shared]);
        inputs.extend(Network::Style.inputs(&DIMS));
        assert_eq!(inputs, Network::ImageGenerator.inputs(&DIMS));
        assert_eq!(Network::Render.outputs(&DIMS), Network::ImageGenerator.outputs(&DIMS));
    }
}
