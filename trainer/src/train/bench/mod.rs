//! Size, memory and speed of a training, measured by real steps on pictures of noise.

pub mod measure;
pub mod memory;
