//! Training with everything it needs to be stopped and carried on.
//!
//! Rooms may use those before them: `optim` (what updates parameters), `ranks` (processes that train together), `run` (what a
//! run leaves on disk and reads back), `stages` (the phases of training and their loop), `bench` (size, memory and speed).

pub mod bench;
pub mod optim;
pub mod ranks;
pub mod run;
pub mod stages;
