//! What a run leaves on disk and how it is read back: configuration, checkpoints, records, sample sheets, and the networks of
//! checkpoints.
//!
//! | file | content |
//! |---|---|
//! | `config.toml` | the resolved configuration |
//! | `run.json` | who trained what with which command, one entry a start: [`session`] |
//! | `STAGE.jsonl`, `tensorboard/STAGE/`, `STAGE-curves.png` | what was measured, three times: [`record`] |
//! | `samples/STAGE-IMAGES.png` | sample sheets, the same noise every time |
//! | `STAGE.safetensors`, `STAGE-IMAGES.safetensors`, `STAGE-best.safetensors` | checkpoints: [`keep`] |
//! | `STAGE-best.json`, `STAGE-scores.jsonl` | by what the best is the best: [`best`] |

pub mod best;
pub mod checkpoint;
mod folder;
pub mod generator;
pub mod keep;
pub mod record;
pub mod session;
pub mod sheet;
pub mod stored;
pub mod tensorboard;

pub use folder::Run;
