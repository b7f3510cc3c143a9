//! The live loop's page: the picture, what is found in it, how long it takes, and switches.

mod hub;
mod page;
mod sink;

#[cfg(test)]
mod tests;

pub use sink::LiveSink;
