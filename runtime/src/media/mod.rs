//! Pictures, clips, cameras and windows.

pub mod picture;
