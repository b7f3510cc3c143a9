//! The processes that `mpirun` has started. Failures inside MPI end all of them: its default, and the right one here.

use mpi::Threading;
use mpi::collective::SystemOperation;
use mpi::datatype::PartitionMut;
use mpi::environment::Universe;
use mpi::topology::SimpleCommunicator;
use mpi::traits::{Communicator, CommunicatorCollectives};
use tch::{Device, Tensor};

use super::Ranks;
use crate::error::{Error, Result};

/// All processes of `MPI_COMM_WORLD`.
pub struct Mpi {
    world: SimpleCommunicator,
    /// Leaves MPI when dropped.
    _universe: Universe,
}

impl Mpi {
    /// Enters MPI. A process that was not started by `mpirun` is the only rank.
    pub fn join() -> Result<Self> {
        // Other threads make batches; MPI is called from this one only.
        let (universe, threading) = mpi::initialize_with_threading(Threading::Funneled)
            .ok_or_else(|| Error::Usage("MPI has been entered already".into()))?;
        if threading < Threading::Funneled {
            return Err(Error::Usage(
                "this MPI library allows no threads: use one built with thread support".into(),
            ));
        }
        Ok(Self { world: universe.world(), _universe: universe })
    }
}

impl Ranks for Mpi {
    fn rank(&self) -> usize {
        self.world.rank() as usize
    }

    fn size(&self) -> usize {
        self.world.size() as usize
    }

    fn average(&self, tensors: &[Tensor]) -> Result<()> {
        if self.size() == 1 || tensors.is_empty() {
            return Ok(());
        }
        // One message for all: most gradients are so small that the time of flight would count.
        let flat = |t: &Tensor| t.detach().to_device(Device::Cpu).flatten(0, -1);
        let flat = Tensor::f_cat(&tensors.iter().map(flat).collect::<Vec<_>>(), 0)?;
        let mut mine = vec![0f32; flat.numel()];
        flat.f_copy_data(&mut mine, flat.numel())?;
        // The standard promises the same result to all processes.
        let mut sum = vec![0f32; mine.len()];
        self.world.all_reduce_into(&mine[..], &mut sum[..], SystemOperation::sum());
        let mean = Tensor::from_slice(&sum) / self.size() as f64;
        let lengths: Vec<i64> = tensors.iter().map(|t| t.numel() as i64).collect();
        tch::no_grad(|| {
            for (tensor, mean) in tensors.iter().zip(mean.f_split_sizes(&lengths, 0)?) {
                tensor.shallow_clone().f_copy_(&mean.f_view_as(tensor)?)?;
            }
            Ok(())
        })
    }

    fn any(&self, flags: &mut [bool]) {
        let mine: Vec<u8> = flags.iter().map(|f| u8::from(*f)).collect();
        let mut most = vec![0u8; mine.len()];
        self.world.all_reduce_into(&mine[..], &mut most[..], SystemOperation::max());
        for (flag, most) in flags.iter_mut().zip(most) {
            *flag = most > 0;
        }
    }

    fn gather(&self, mine: &[u8]) -> Vec<Vec<u8>> {
        // A byte in front: the address of an empty slice is 1, which Open MPI takes for its MPI_IN_PLACE.
        let mine = [&[0], mine].concat();
        let mut lengths = vec![0i32; self.size()];
        self.world.all_gather_into(&[mine.len() as i32][..], &mut lengths[..]);
        let offsets: Vec<i32> = lengths
            .iter()
            .scan(0, |end, length| {
                let begin = *end;
                *end += length;
                Some(begin)
            })
            .collect();
        let mut all = vec![0u8; lengths.iter().map(|l| *l as usize).sum()];
        {
            let mut parts = PartitionMut::new(&mut all[..], &lengths[..], &offsets[..]);
            self.world.all_gather_varcount_into(&mine[..], &mut parts);
        }
        lengths.iter().zip(&offsets).map(|(l, o)| all[*o as usize + 1..(*o + *l) as usize].to_vec()).collect()
    }

    fn abort(&self, code: u8) -> ! {
        self.world.abort(code.into())
    }
}
