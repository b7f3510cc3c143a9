//! Inputs and outputs of a network on a GPU, kept from run to run: nothing is allocated once every size of batch has been
//! seen.
//!
//! They lie in ordinary memory. In page-locked memory ONNX Runtime 1.31 does not copy them: it lets the GPU compute in it
//! over the bus, and after that copies outputs onto themselves, which it then refuses.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

use lkg_bundle::{BundleDims, Network, TensorSpec};
use ndarray::{ArrayD, ArrayViewD, ArrayViewMutD};
use ort::memory::{AllocationDevice, Allocator, AllocatorType, MemoryInfo, MemoryType};
use ort::session::{IoBinding, NoSelectedOutputs, RunOptions, Session};
use ort::value::Tensor;

use crate::error::{Error, Result};

/// Where values are put down on their way to and from the network.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// The host's memory, from and to which ONNX Runtime copies at every run.
    Host,
    /// The host's memory, and values on the GPU whose addresses never change, as replaying a graph of kernels asks.
    /// `shapes` says whether a graph is kept for each size of batch; if not, only the first one can be run.
    Graph {
        /// See above.
        shapes: bool,
    },
}

/// A network's values.
pub(super) struct Bound {
    network: Network,
    dims: BundleDims,
    place: Place,
    batches: BTreeMap<usize, Batch>,
}

/// Values for one size of batch.
struct Batch {
    binding: IoBinding,
    inputs: Vec<Slot>,
    outputs: Vec<Slot>,
    options: RunOptions<NoSelectedOutputs>,
}

/// One value.
struct Slot {
    name: &'static str,
    host: Tensor<f32>,
    /// Its fixed place on the GPU, where it needs one.
    device: Option<Tensor<f32>>,
}

impl Bound {
    pub(super) fn new(network: Network, dims: BundleDims, place: Place) -> Self {
        Self { network, dims, place, batches: BTreeMap::new() }
    }

    /// Runs the network in `session`; the outputs come in the order in which they are asked for.
    ///
    /// # Errors
    /// [`Error::Engine`] if a name is unknown, a shape does not fit or the computation fails.
    pub(super) fn run(
        &mut self,
        session: &mut Session,
        inputs: &[(&str, ArrayViewD<'_, f32>)],
        outputs: &[&str],
    ) -> Result<Vec<ArrayD<f32>>> {
        let network = self.network;
        let failed = || Error::engine(format!("running {network}"));
        let wrong = |reason: String| Error::Engine { what: format!("running {network}"), reason };
        let size = inputs.first().and_then(|(_, view)| view.shape().first().copied());
        let size = size.filter(|n| *n > 0).ok_or_else(|| wrong("there is no input".to_owned()))?;
        let batch = self.batch(session, size)?;
        for slot in &mut batch.inputs {
            let (name, place) = (slot.name, slot.shape());
            let view = inputs.iter().find(|(n, _)| *n == name).map(|(_, view)| view);
            let view = view.ok_or_else(|| wrong(format!("input {name:?} is missing")))?;
            if view.shape() != place.as_slice() {
                return Err(wrong(format!("input {name:?} is {:?}, not {place:?}", view.shape())));
            }
            slot.view_mut().map_err(failed())?.assign(view);
        }
        batch.run(session).map_err(failed())?;
        outputs
            .iter()
            .map(|name| {
                let slot = batch.outputs.iter_mut().find(|s| s.name == *name);
                let slot = slot.ok_or_else(|| wrong(format!("it has no output named {name:?}")))?;
                Ok(slot.view_mut().map_err(failed())?.to_owned())
            })
            .collect()
    }

    /// Runs once more on what the inputs held, its outputs left where they are.
    ///
    /// # Errors
    /// As [`Self::run`].
    pub(super) fn again(&mut self, session: &mut Session, size: usize) -> Result<()> {
        let network = self.network;
        self.batch(session, size)?.run(session).map_err(Error::engine(format!("running {network}")))
    }

    fn batch(&mut self, session: &Session, size: usize) -> Result<&mut Batch> {
        let first = self.batches.keys().next().copied();
        let entry = match self.batches.entry(size) {
            Entry::Occupied(entry) => return Ok(entry.into_mut()),
            Entry::Vacant(entry) => entry,
        };
        if let (Place::Graph { shapes: false }, Some(first)) = (self.place, first) {
            let reason = format!("--cuda-graph recorded batches of {first} here, and cannot take {size}");
            return Err(Error::Engine { what: format!("running {}", self.network), reason });
        }
        let (inputs, outputs) = (self.network.inputs(&self.dims), self.network.outputs(&self.dims));
        let made = Batch::new(session, self.place, size, &inputs, &outputs)
            .map_err(Error::engine(format!("memory for {size} images in {}", self.network)))?;
        Ok(entry.insert(made))
    }
}

impl Batch {
    fn new(
        session: &Session,
        place: Place,
        size: usize,
        inputs: &[TensorSpec],
        outputs: &[TensorSpec],
    ) -> ort::Result<Self> {
        let graph = match place {
            Place::Host => None,
            Place::Graph { .. } => {
                let info =
                    MemoryInfo::new(AllocationDevice::CUDA, 0, AllocatorType::Device, MemoryType::Default)?;
                Some(Allocator::new(session, info)?)
            }
        };
        let host = Allocator::default();
        let slots = |specs: &[TensorSpec]| -> ort::Result<Vec<Slot>> {
            let slot = |spec: &TensorSpec| {
                let shape: Vec<i64> = spec.with_batch(size).iter().map(|n| *n as i64).collect();
                let device = graph.as_ref().map(|d| Tensor::new(d, shape.clone())).transpose()?;
                Ok(Slot { name: spec.name, host: Tensor::new(&host, shape)?, device })
            };
            specs.iter().map(slot).collect()
        };
        let (inputs, mut outputs) = (slots(inputs)?, slots(outputs)?);
        let mut binding = session.create_binding()?;
        for slot in inputs.iter().filter(|s| s.device.is_some()) {
            slot.bind_to(&mut binding)?;
        }
        for slot in &mut outputs {
            binding.bind_output(slot.name, slot.device.as_mut().unwrap_or(&mut slot.host))?;
        }
        let mut options = RunOptions::new()?;
        if graph.is_some() {
            // One graph of kernels for each size of batch.
            options.set("gpu_graph_id", size.to_string())?;
        }
        Ok(Self { binding, inputs, outputs, options })
    }

    fn run(&mut self, session: &mut Session) -> ort::Result<()> {
        for slot in &mut self.inputs {
            match &mut slot.device {
                Some(device) => slot.host.copy_into(device)?,
                // Binding is what copies; done once, the GPU would go on with the first picture.
                None => slot.bind_to(&mut self.binding)?,
            }
        }
        // TensorRT does not wait for a copy by itself.
        self.binding.synchronize_inputs()?;
        session.run_binding_with_options(&self.binding, &self.options)?;
        self.binding.synchronize_outputs()?;
        for slot in &mut self.outputs {
            if let Some(device) = &slot.device {
                device.copy_into(&mut slot.host)?;
            }
        }
        Ok(())
    }
}

impl Slot {
    fn bind_to(&self, binding: &mut IoBinding) -> ort::Result<()> {
        binding.bind_input(self.name, self.device.as_ref().unwrap_or(&self.host))
    }

    fn shape(&self) -> Vec<usize> {
        self.host.shape().iter().map(|n| *n as usize).collect()
    }

    /// The value in the host's memory.
    fn view_mut(&mut self) -> ort::Result<ArrayViewMutD<'_, f32>> {
        self.host.try_extract_array_mut()
    }
}

#[cfg(test)]
mod tests {
    use lkg_bundle::Bundle;
    use lkg_bundle::testing::{DIMS, write_tiny_bundle};

    use super::*;
    use crate::engine::runner::session;
    use crate::engine::{EngineOptions, Provider};

    fn tiny() -> Session {
        let dir = tempfile::tempdir().unwrap();
        write_tiny_bundle(dir.path()).unwrap();
        let bundle = Bundle::open(dir.path()).unwrap();
        let options = EngineOptions { provider: Provider::Cpu, ..Default::default() };
        session(&bundle, Network::Detector, &options, None).unwrap().0
    }

    fn picture(batch: usize, value: f32) -> ArrayD<f32> {
        ArrayD::from_elem(vec![batch, 3, DIMS.detector_size, DIMS.detector_size], value)
    }

    #[test]
    fn every_run_sees_its_own_pictures_in_memory_that_is_kept() {
        let mut session = tiny();
        let mut bound = Bound::new(Network::Detector, DIMS, Place::Host);
        let mut addresses = Vec::new();
        for (batch, value) in [(1, 0.1), (3, 0.3), (1, -0.2), (3, 0.5), (1, 0.4)] {
            let input = picture(batch, value);
            let outputs = ["confidence", "keypoints"];
            let found = bound.run(&mut session, &[("image", input.view())], &outputs).unwrap();
            assert_eq!((found[0].shape(), found[1].shape()), (&[batch, 2][..], &[batch, 2, 2][..]));
            for row in 0..batch {
                assert!((found[1][[row, 0, 1]] - value).abs() < 1e-5, "{found:?}");
                assert!((found[0][[row, 1]] - 1.0 / (1.0 + (-value).exp())).abs() < 1e-5);
            }
            addresses.push((batch, bound.batches[&batch].inputs[0].host.data_ptr() as usize));
        }
        addresses.sort_unstable();
        addresses.dedup();
        assert_eq!(addresses.len(), 2, "each size of batch has one place");
        bound.again(&mut session, 3).unwrap();
    }

    #[test]
    fn names_and_shapes_that_do_not_fit_are_errors() {
        let mut session = tiny();
        let mut bound = Bound::new(Network::Detector, DIMS, Place::Host);
        let mut fails = |inputs: &[(&str, ArrayViewD<'_, f32>)], output: &str, part: &str| {
            let error = bound.run(&mut session, inputs, &[output]).unwrap_err().to_string();
            assert!(error.contains(part), "{error}");
        };
        let input = picture(1, 0.0);
        fails(&[], "keypoints", "there is no input");
        fails(&[("picture", input.view())], "keypoints", "\"image\" is missing");
        fails(&[("image", input.view())], "mask", "no output named \"mask\"");
        let narrow = ArrayD::zeros(vec![1, 3, 4, 4]);
        fails(&[("image", narrow.view())], "keypoints", "is [1, 3, 4, 4]");
    }

    #[test]
    fn memory_of_a_gpu_is_an_error_where_there_is_none() {
        let mut session = tiny();
        let mut bound = Bound::new(Network::Detector, DIMS, Place::Graph { shapes: true });
        let input = picture(1, 0.0);
        let error = bound.run(&mut session, &[("image", input.view())], &["keypoints"]).unwrap_err();
        assert!(error.to_string().contains("memory for 1 images"), "{error}");
    }
}
