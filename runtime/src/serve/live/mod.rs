//! The live loop's page: the picture, what is found in it, how long it takes, and switches.

mod hub;
mod page;
mod viewer;

#[cfg(test)]
mod tests;

pub use viewer::LivePage;
