//! Training loops with everything they need to be stopped and carried on: optimiser, averages, checkpoints.

pub mod adam;
pub mod average;
pub mod checkpoint;
pub mod detector;
pub mod elastic;
pub mod encoder;
pub mod gan;
pub mod generator;
pub mod groups;
pub mod interrupt;
pub mod judge;
pub mod keep;
pub mod learner;
pub mod measure;
pub mod memory;
pub mod parameters;
pub mod progress;
pub mod ranks;
pub mod record;
pub mod run;
pub mod session;
pub mod stage;
pub mod stored;
pub mod tensorboard;
pub mod warp;
pub mod webcam;
