//! Ranks that are threads of one process: for tests of what ranks give each other.

use std::sync::{Arc, Barrier, Mutex};

use tch::Tensor;

use super::Ranks;
use crate::error::{Error, Result};

struct Table {
    barrier: Barrier,
    given: Mutex<Vec<Vec<u8>>>,
}

/// One of the threads.
pub struct Thread {
    rank: usize,
    size: usize,
    table: Arc<Table>,
}

/// What `work` gives on each of `size` ranks.
pub fn on_each<T: Send>(size: usize, work: impl Fn(&Thread) -> T + Sync) -> Vec<T> {
    let table = Arc::new(Table { barrier: Barrier::new(size), given: Mutex::new(vec![vec![]; size]) });
    std::thread::scope(|scope| {
        let threads: Vec<_> = (0..size)
            .map(|rank| {
                let (table, work) = (table.clone(), &work);
                scope.spawn(move || work(&Thread { rank, size, table }))
            })
            .collect();
        threads.into_iter().map(|t| t.join().unwrap()).collect()
    })
}

impl Ranks for Thread {
    fn rank(&self) -> usize {
        self.rank
    }

    fn size(&self) -> usize {
        self.size
    }

    fn average(&self, _: &[Tensor]) -> Result<()> {
        Err(Error::Usage("threads share libtorch's random numbers and can't train together".into()))
    }

    fn any(&self, flags: &mut [bool]) {
        let mine: Vec<u8> = flags.iter().map(|f| u8::from(*f)).collect();
        for given in self.gather(&mine) {
            flags.iter_mut().zip(given).for_each(|(flag, given)| *flag |= given > 0);
        }
    }

    fn gather(&self, mine: &[u8]) -> Vec<Vec<u8>> {
        self.table.given.lock().unwrap()[self.rank] = mine.to_vec();
        self.table.barrier.wait();
        let all = self.table.given.lock().unwrap().clone();
        self.table.barrier.wait();
        all
    }

    fn abort(&self, _: u8) -> ! {
        panic!("aborted")
    }
}
