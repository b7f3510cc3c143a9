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
    /// A photo with its keypoints to features: it runs once a photo (see [`Self::Portrait`]).
    PortraitSource,
    /// A photo's features, carried to other keypoints and states: flow, mask and colour, every frame.
    Portrait,
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
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct BundleDims {
    /// K: how many keypoints.
    pub keypoints: usize,
    /// Z: length of each noise vector; 0 without a generator.
    pub latent: usize,
    /// E: length of each embedding; 0 without a generator.
    pub embedding: usize,
    /// S: side of the generated (and encoded) square image, in pixels; 0 without a generator.
    pub image_size: usize,
    /// Side of the detector's square input, in pixels.
    pub detector_size: usize,
    /// Rows and columns of what [`Network::Style`] makes for [`Network::Render`], where the bundle has them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tables: Option<[usize; 2]>,
    /// Numbers that tell the state of each part, where the detector reads them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub states: Option<usize>,
    /// P: side of the square photo that the portrait networks take, in pixels, where the bundle has them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub portrait_size: Option<usize>,
}

/// Side of the portrait networks' coarse feature maps, at which flow is found.
pub const PORTRAIT_COARSE: usize = 32;
/// Side of the portrait networks' fine feature maps.
pub const PORTRAIT_FINE: usize = 64;
/// Channels of the portrait networks' feature maps, coarse and fine.
pub const PORTRAIT_WIDTHS: (usize, usize) = (96, 48);

impl Network {
    /// All networks, in the order in which they are reported.
    pub const ALL: [Network; 8] = [
        Network::KeypointGenerator,
        Network::ImageGenerator,
        Network::Style,
        Network::Render,
        Network::Detector,
        Network::Encoder,
        Network::PortraitSource,
        Network::Portrait,
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
            Network::PortraitSource => "portrait_source",
            Network::Portrait => "portrait",
        }
    }

    /// The network's file in a bundle.
    pub fn file_name(self) -> String {
        format!("{}.onnx", self.name())
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
            Network::PortraitSource => vec![photo(d), spec("keypoints", &[k, 2])],
            Network::Portrait => {
                let mut inputs = vec![photo(d)];
                inputs.extend(Network::PortraitSource.outputs(d));
                inputs.push(spec("source_keypoints", &[k, 2]));
                inputs.push(spec("keypoints", &[k, 2]));
                inputs.push(spec("change", &[k, d.states.unwrap_or_default()]));
                inputs
            }
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
            Network::Detector => {
                let states = d.states.map(|s| spec("states", &[k, s]));
                [spec("keypoints", &[k, 2]), spec("confidence", &[k])].into_iter().chain(states).collect()
            }
            Network::Encoder => vec![spec("embeddings", &[k, e]), spec("background", &[e])],
            Network::PortraitSource => {
                let (coarse, fine) = (PORTRAIT_COARSE, PORTRAIT_FINE);
                vec![
                    // The photo at the coarse size, its features, behind them its keypoints' Gaussians.
                    spec("small", &[3, coarse, coarse]),
                    spec("coarse", &[PORTRAIT_WIDTHS.0 + k, coarse, coarse]),
                    spec("fine", &[PORTRAIT_WIDTHS.1, fine, fine]),
                ]
            }
            Network::Portrait => {
                let side = d.portrait_size.unwrap_or_default();
                vec![
                    // How far from each place in the photo what shows there lies, normalised coordinates.
                    spec("flow", &[2, PORTRAIT_COARSE, PORTRAIT_COARSE]),
                    // Where the photo's own pixels show, 0 to 1, and what shows elsewhere, [-1, 1].
                    spec("mask", &[1, side, side]),
                    spec("colour", &[3, side, side]),
                ]
            }
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

/// The photo as the portrait networks take it.
fn photo(d: &BundleDims) -> TensorSpec {
    let side = d.portrait_size.unwrap_or_default();
    spec("image", &[3, side, side])
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
        states: Some(4),
        portrait_size: Some(128),
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

    #[test]
    fn states_are_read_where_a_bundle_has_them_and_a_photo_s_features_feed_its_portrait() {
        let names = |d: &BundleDims| Network::Detector.outputs(d).iter().map(|s| s.name).collect::<Vec<_>>();
        assert_eq!(names(&DIMS), ["keypoints", "confidence", "states"]);
        assert_eq!(names(&BundleDims { states: None, ..DIMS }), ["keypoints", "confidence"]);
        let inputs = Network::Portrait.inputs(&DIMS);
        assert!(Network::PortraitSource.outputs(&DIMS).iter().all(|s| inputs.contains(s)));
        assert_eq!(inputs.last().unwrap().shape_text(), "[N, 10, 4]");
    }
}
