use std::path::PathBuf;

use clap::Args;

use super::NAMED;
use crate::cli::json;
use crate::cli::output::print_line;
use crate::dataset::inspect::{Inspection, inspect, sheet};
use crate::error::{Error, Result};
use crate::sample::write_png;

#[derive(Debug, Args)]
#[command(after_help = "Example: trainer data inspect faces.pack --verify --sheet sheet.png")]
pub struct InspectArguments {
    /// Packs, folders, zips or pictures.
    #[arg(required = true)]
    paths: Vec<PathBuf>,
    /// Draw pictures spread over the set into this PNG; those held out are framed in red.
    #[arg(long, value_name = "FILE")]
    sheet: Option<PathBuf>,
    /// Replace the sheet if it exists.
    #[arg(long, requires = "sheet")]
    force: bool,
    /// Hold packs against their checksums.
    #[arg(long)]
    verify: bool,
    /// Print JSON, one line for each path.
    #[arg(long)]
    json: bool,
}

impl InspectArguments {
    pub fn run(self) -> Result<()> {
        if let Some(path) = &self.sheet
            && path.exists()
            && !self.force
        {
            return Err(Error::exists(path, "replace it with --force, or name another file"));
        }
        let mut tiles = Vec::new();
        for path in &self.paths {
            let mut report = inspect(path, self.verify)?;
            if self.json {
                print_line!("{}", json::line(&report)?);
            } else {
                print(&report);
            }
            tiles.append(&mut report.tiles);
        }
        if let Some(path) = &self.sheet {
            let sheet = sheet(&tiles).ok_or(Error::NoPictures)?;
            write_png(path, &sheet)?;
        }
        Ok(())
    }
}

fn print(r: &Inspection) {
    print_line!("{}: {} pictures, {} held out", r.path, r.pictures, r.held_out);
    if let Some(pack) = &r.pack {
        let sides: Vec<String> = pack.sides.iter().map(u32::to_string).collect();
        let verified = if pack.verified { ", checksums verified" } else { "" };
        print_line!("  pack of {} px, layout {}, {}{verified}", sides.join(", "), pack.layout, &pack.sha256);
        print_line!("  made of {}", pack.sources.join(", "));
    }
    let [low, high] = r.shorter_side;
    print_line!("  shorter sides of the originals: {low} to {high} px");
    let most = r.sizes.values().max().copied().unwrap_or(1);
    for (size, count) in &r.sizes {
        let bar = "#".repeat((count * 40).div_ceil(most));
        print_line!("  {size:>6} to {:>5} {count:>8} {bar}", size * 2 - 1);
    }
    let three = |v: [f64; 3]| v.map(|c| format!("{c:.1}")).join(" ");
    print_line!("  red, green, blue: mean {}, standard deviation {}", three(r.mean), three(r.deviation));
    for (what, left) in [("broken", &r.broken), ("repeated", &r.duplicates), ("left out", &r.filtered)] {
        if !left.is_empty() {
            print_line!("  {what}: {}", left.len());
        }
        for l in left.iter().take(NAMED) {
            print_line!("    {}: {}", l.name, l.reason);
        }
        if left.len() > NAMED {
            print_line!("    and {} more (--json names all)", left.len() - NAMED);
        }
    }
}
