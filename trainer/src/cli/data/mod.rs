mod collect;
mod corrupt;
mod faces;
mod import;
mod inspect;
mod landmarks;

use clap::{Args, Subcommand};

use self::corrupt::CorruptArguments;
use self::faces::FacesArguments;
use self::import::ImportArguments;
use self::inspect::InspectArguments;
use self::landmarks::LandmarksArguments;
use crate::error::Result;

/// Left-out pictures named one by one before the rest is only counted.
const NAMED: usize = 10;

#[derive(Debug, Args)]
pub struct Data {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    /// Decode, cut and resize pictures once, into a pack that training maps into memory.
    Import(ImportArguments),
    /// Count pictures, find broken and repeated ones, measure colours, draw a contact sheet.
    Inspect(InspectArguments),
    /// Write a set with landmarks in the form that `trainer eval landmarks` reads.
    Landmarks(LandmarksArguments),
    /// Write corrupted versions of a set with landmarks to test on: small, dark, blurred, noisy and occluded faces.
    #[command(alias = "harden")]
    Corrupt(CorruptArguments),
    /// Render faces of people who do not exist, to train on (`scripts/setup faces` fetches what draws them).
    Faces(FacesArguments),
}

impl Data {
    pub fn run(self) -> Result<()> {
        match self.what {
            What::Import(arguments) => arguments.run(),
            What::Inspect(arguments) => arguments.run(),
            What::Landmarks(arguments) => arguments.run(),
            What::Corrupt(arguments) => arguments.run(),
            What::Faces(arguments) => arguments.run(),
        }
    }
}
