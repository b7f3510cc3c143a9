//! Training over several processes, each with an equal share of every batch.
//!
//! Every process ("rank") holds the whole networks. A rank computes the gradients of its share; their mean over all
//! ranks, which is the gradient of the whole batch as long as losses are means over images, goes to every rank's
//! optimiser, so that all networks stay equal bit for bit. Rank 0 alone writes: log, samples, checkpoints, progress.
//!
//! Which images are whose, and why their random numbers are the same whoever computes them: [`crate::support::share`]. Why
//! batch statistics are: [`crate::train::optim::groups`].
//!
//! No rank waits for one that is gone. Whether any was asked to stop (Ctrl-C) is agreed upon each step, and all save
//! and end after the same one. What goes wrong where all look at the same time is an error of all, [`Error::Shared`].
//! Any other error of one rank ends the others by [`Ranks::abort`]; a rank that is killed is noticed by `mpirun`, which
//! ends the rest.
//!
//! `mpirun` itself gives its ranks one second from Ctrl-C to their end. Where a step takes longer, ask one `trainer` to
//! stop instead (`kill -INT`, or --stop-after), or allow more: `mpirun --mca odls_base_sigkill_timeout 30`.
//!
//! The trait [`Ranks`] is all that the loops know. Another way of exchanging tensors implements it and is opened by
//! [`join`]. What NCCL would take: tch 0.24 binds none of libtorch's collectives (`c10d`: `ProcessGroupNCCL` has no
//! C wrapper in torch-sys, and `libtorch_cuda.so`, which holds it, is not linked against). So either wrappers for
//! `c10d` have to be added to torch-sys, or `ncclAllReduce` called directly on [`tch::Tensor::data_ptr`] with a
//! communicator made from an identifier that rank 0 sends by [`Ranks::gather`] and with libtorch's current CUDA
//! stream, which tch does not expose either. Until then gradients on a GPU pass through the host's memory and MPI.

#[cfg(feature = "mpi")]
mod mpi;
mod single;
#[cfg(test)]
mod threads;

use std::rc::Rc;

use tch::{Device, Kind, Tensor};

use crate::error::{Error, Result};
use crate::support::fingerprint;
use crate::support::share::Share;

pub use single::Single;

/// Most bytes sent at once: MPI counts them with 31 bits.
const MESSAGE: usize = 64 << 20;

/// The processes that train together. Every rank must make the same calls in the same order.
pub trait Ranks {
    /// This process, from 0.
    fn rank(&self) -> usize;

    /// How many there are.
    fn size(&self) -> usize;

    /// Replaces each of `tensors`, float32 and of the same shapes on all ranks, by its mean over the ranks: the same
    /// bits on each.
    ///
    /// # Errors
    /// [`Error::Torch`] for tensors of another kind.
    fn average(&self, tensors: &[Tensor]) -> Result<()>;

    /// Makes each flag true on all ranks that is true on any.
    fn any(&self, flags: &mut [bool]);

    /// What every rank gave, in their order.
    fn gather(&self, mine: &[u8]) -> Vec<Vec<u8>>;

    /// Ends this process and all others at once, with that exit code.
    fn abort(&self, code: u8) -> !;

    /// Whether this is rank 0, which writes files and talks.
    fn leads(&self) -> bool {
        self.rank() == 0
    }

    /// This rank's part of a batch.
    fn share(&self) -> Share {
        Share { index: self.rank() as i64, count: self.size() as i64 }
    }
}

/// The processes that `mpirun` started if `asked` for, else this one.
///
/// # Errors
/// [`Error::Usage`] where the build has no MPI, or `mpirun` has started several processes that were not asked to work
/// together.
pub fn join(asked: bool) -> Result<Rc<dyn Ranks>> {
    if asked {
        return connect();
    }
    match launched() {
        0 | 1 => Ok(Rc::new(Single)),
        n => Err(Error::Usage(format!(
            "{n} processes were started together, and each would train by itself into the same folder: add --ranks"
        ))),
    }
}

#[cfg(feature = "mpi")]
fn connect() -> Result<Rc<dyn Ranks>> {
    let ranks = mpi::Mpi::join()?;
    match (ranks.size(), ranks.leads()) {
        (1, _) => eprintln!("one rank: start several with mpirun -n 2 trainer train … --ranks"),
        (n, true) => eprintln!("{n} ranks"),
        (_, false) => crate::support::progress::mute(),
    }
    Ok(Rc::new(ranks))
}

#[cfg(not(feature = "mpi"))]
fn connect() -> Result<Rc<dyn Ranks>> {
    Err(Error::Usage(
        "this trainer was built without MPI: scripts/setup mpi, then cargo build --release -p trainer --features mpi"
            .into(),
    ))
}

/// How many processes a launcher says that it has started, 0 without one: Open MPI, and what speaks PMI (MPICH, Slurm).
fn launched() -> u64 {
    ["OMPI_COMM_WORLD_SIZE", "PMI_SIZE"]
        .iter()
        .find_map(|name| std::env::var(name).ok()?.parse().ok())
        .unwrap_or(0)
}

/// `mine` if all ranks' results are good; else the same error on every rank, that of the first that failed.
///
/// # Errors
/// That.
pub fn together<T>(ranks: &dyn Ranks, mine: Result<T>) -> Result<T> {
    if ranks.size() == 1 {
        return mine;
    }
    let reported = match &mine {
        Ok(_) => Vec::new(),
        Err(error) => [&[error.exit_code()], error.to_string().as_bytes()].concat(),
    };
    let all = ranks.gather(&reported);
    match all.iter().enumerate().find(|(_, reported)| !reported.is_empty()) {
        None => mine,
        Some((rank, reported)) => {
            let reason = String::from_utf8_lossy(&reported[1..]).into_owned();
            let reason = if rank == 0 { reason } else { format!("rank {rank}: {reason}") };
            Err(Error::Shared { reason, code: reported[0] })
        }
    }
}

/// What rank 0 gives, on all ranks; what others give is ignored.
pub fn from_first(ranks: &dyn Ranks, mine: Vec<u8>) -> Vec<u8> {
    if ranks.size() == 1 {
        return mine;
    }
    let mine = if ranks.leads() { mine } else { Vec::new() };
    let mut parts = mine.chunks(MESSAGE);
    let count = ranks.gather(&(parts.len() as u64).to_le_bytes()).swap_remove(0);
    let count = count.iter().rev().fold(0, |n, byte| n << 8 | u64::from(*byte));
    (0..count).flat_map(|_| ranks.gather(parts.next().unwrap_or_default()).swap_remove(0)).collect()
}

/// Refuses ranks that differ in something that must be the same; `fingerprint` is of that, `what` names it, `fix`
/// says what to do.
///
/// # Errors
/// [`Error::Shared`] on all ranks, naming the first that differs from rank 0.
pub fn check_same(ranks: &dyn Ranks, what: &str, fix: &str, fingerprint: u64) -> Result<()> {
    if ranks.size() == 1 {
        return Ok(());
    }
    let all = ranks.gather(&fingerprint.to_le_bytes());
    match all.iter().position(|other| *other != all[0]) {
        None => Ok(()),
        Some(rank) => {
            Err(Error::Shared { reason: format!("rank {rank} has {what} than rank 0: {fix}"), code: 2 })
        }
    }
}

/// Makes sure that what is trained has not drifted apart. Running statistics don't count: only calibration on rank 0
/// reads those of the average.
///
/// # Errors
/// [`Error::Shared`] on all ranks.
pub fn check_equal(ranks: &dyn Ranks, tensors: &[(String, Tensor)]) -> Result<()> {
    if ranks.size() == 1 {
        return Ok(());
    }
    let mut bytes = Vec::with_capacity(tensors.len());
    for (name, tensor) in tensors {
        let is_statistic = name.starts_with("average") && !tensor.requires_grad();
        if !is_statistic {
            let tensor = tensor.detach().to_kind(Kind::Double).to_device(Device::Cpu).contiguous();
            let mut content = vec![0; tensor.numel() * 8];
            tensor.f_copy_data_u8(&mut content, tensor.numel())?;
            bytes.push(fingerprint([content.as_slice()]).to_le_bytes());
        }
    }
    check_same(
        ranks,
        "other networks",
        "are they alike in processor and libraries?",
        fingerprint(bytes.iter().map(|b| b.as_slice())),
    )
}

/// Ends a rank's work: an error that all ranks share is reported by rank 0 alone, any other ends all ranks at once.
///
/// # Errors
/// `result`'s, on the other ranks [`Error::Reported`] in its place.
pub fn end(ranks: &dyn Ranks, result: Result<()>) -> Result<()> {
    match result {
        Err(error) if ranks.size() > 1 => match error {
            Error::Shared { .. } if ranks.leads() => Err(error),
            Error::Shared { code, .. } => Err(Error::Reported(code)),
            _ => {
                eprintln!("trainer: error: rank {}: {error}", ranks.rank());
                ranks.abort(error.exit_code())
            }
        },
        result => result,
    }
}

#[cfg(test)]
mod tests {
    use super::threads::on_each;
    use super::*;

    #[test]
    fn all_ranks_get_the_error_of_the_first_that_failed() {
        let results = on_each(3, |ranks| {
            let mine = match ranks.rank() {
                0 => Ok(7),
                rank => Err(Error::Diverged(format!("no luck on {rank}"))),
            };
            together(ranks, mine)
        });
        for result in results {
            let error = result.unwrap_err();
            assert_eq!((error.to_string().as_str(), error.exit_code()), ("rank 1: no luck on 1", 1));
        }
        let results = on_each(2, |ranks| together(ranks, Ok(ranks.rank())));
        assert_eq!(results.into_iter().map(Result::unwrap).collect::<Vec<_>>(), [0, 1]);
    }

    #[test]
    fn an_error_of_all_is_reported_by_rank_0_alone() {
        let results = on_each(2, |ranks| {
            let result = together::<()>(ranks, Err(Error::Interrupted));
            end(ranks, result)
        });
        assert!(matches!(&results[0], Err(Error::Shared { code: 130, reason }) if reason == "interrupted"));
        assert!(matches!(results[1], Err(Error::Reported(130))));
    }

    #[test]
    fn what_rank_0_says_reaches_all_however_much_it_says() {
        let said: Vec<u8> = (0..MESSAGE + 5).map(|i| (i % 251) as u8).collect();
        let received = on_each(2, |ranks| {
            from_first(ranks, if ranks.leads() { said.clone() } else { b"noise".to_vec() })
        });
        assert!(received.iter().all(|r| *r == said));
        assert_eq!(on_each(2, |ranks| from_first(ranks, vec![])), [[], [] as [u8; 0]]);
    }

    #[test]
    fn networks_that_have_drifted_apart_are_found() {
        let tensors = |rank: usize, name: &str| {
            let w = Tensor::from_slice(&[1.0f32, if rank == 1 { 1.0 + f32::EPSILON } else { 1.0 }]);
            vec![("generator/w".to_owned(), Tensor::from(2.0f32)), (name.to_owned(), w)]
        };
        let results = on_each(3, |ranks| check_equal(ranks, &tensors(ranks.rank(), "generator/b")));
        for result in results {
            assert!(result.unwrap_err().to_string().starts_with("rank 1 has other networks than rank 0"));
        }
        // Rank 0 calibrates the average for its samples.
        let results = on_each(3, |ranks| check_equal(ranks, &tensors(ranks.rank(), "average/running_var")));
        assert!(results.iter().all(Result::is_ok));
    }

    #[test]
    fn a_flag_of_one_is_a_flag_of_all() {
        let flags = on_each(3, |ranks| {
            let mut flags = [ranks.rank() == 2, false];
            ranks.any(&mut flags);
            flags
        });
        assert_eq!(flags, [[true, false]; 3]);
    }
}
