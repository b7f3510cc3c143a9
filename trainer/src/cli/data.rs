use std::path::PathBuf;

use clap::{Args, Subcommand};

use super::harden::HardenArguments;
use crate::dataset::disk;
use crate::dataset::faces::{self, Faces};
use crate::dataset::import::{HoldOut, Import, import};
use crate::dataset::inspect::{Report, inspect, sheet};
use crate::dataset::landmarks::{self, Landmarks};
use crate::dataset::layout::{Fit, Layout, Options};
use crate::dataset::pack::{Left, Manifest};
use crate::error::{Error, Result};

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
    Inspect(Inspect),
    /// Write a set with landmarks in the form that `trainer evaluate landmarks` reads.
    Landmarks(LandmarksArguments),
    /// Write harder versions of a set with landmarks: small, dark, blurred, noisy and half hidden faces to test on.
    Harden(HardenArguments),
    /// Render faces of people who do not exist, to train on (`scripts/setup faces` fetches what draws them).
    Faces(FacesArguments),
}

#[derive(Debug, Args)]
struct ImportArguments {
    /// Folders, zips or pictures.
    #[arg(required = true, value_name = "SOURCE")]
    sources: Vec<PathBuf>,
    /// The pack's folder.
    out: PathBuf,
    #[command(flatten)]
    collect: CollectArguments,
    /// Side of the packed pictures in pixels; its halves down to 64 are packed too, for runs at low resolution.
    #[arg(long, default_value_t = 256, value_name = "PIXELS", value_parser = clap::value_parser!(u32).range(8..=2048))]
    size: u32,
    /// Keep this many pictures (500) or this share of them (0.05) from training, chosen by their names' checksums,
    /// beside those that the layout's published split tests on.
    #[arg(long, value_name = "N|SHARE", value_parser = parse_hold_out)]
    hold_out: Option<HoldOut>,
    /// Replace a pack at OUT.
    #[arg(long)]
    force: bool,
    /// Print a JSON summary.
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Args)]
struct CollectArguments {
    /// How the set is laid out: auto, plain, celeba (with MAFL's lists), ffhq or cub.
    #[arg(long, default_value = "auto", value_parser = parse_layout)]
    layout: LayoutArgument,
    /// CelebA: the pictures in the wild, whole, of those whose box covers enough, instead of the aligned ones.
    #[arg(long)]
    wild: bool,
    /// Leave out pictures whose box covers less than this share of them (default: 0.3 with --wild, else 0).
    #[arg(long, value_name = "SHARE", value_parser = parse_share)]
    min_cover: Option<f64>,
    /// Cut round the boxes of this CSV: file,x,y,width,height in pixels, or file and x, y of points in [0, 1], such as
    /// landmarks.csv. The file is a path below the source, or its last part.
    #[arg(long, value_name = "CSV")]
    boxes: Option<PathBuf>,
    /// What is kept of a picture: square (the largest in its middle), whole (stretched) or box (the square round its
    /// box). Default: box where there is a table of boxes, whole with --wild, else square.
    #[arg(long, value_parser = parse_fit)]
    fit: Option<Fit>,
    /// Side of the square over the longer side of the box (default: 1.25 for boxes, 2.5 for points).
    #[arg(long, value_name = "FACTOR", value_parser = parse_margin)]
    margin: Option<f64>,
}

/// `None` is auto.
#[derive(Clone, Debug)]
struct LayoutArgument(Option<Layout>);

#[derive(Debug, Args)]
struct Inspect {
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

#[derive(Debug, Args)]
struct LandmarksArguments {
    /// The folder of the set.
    source: PathBuf,
    /// The folder to write, with train/ and test/.
    out: PathBuf,
    #[command(flatten)]
    collect: CollectArguments,
    /// Side of the written pictures in pixels.
    #[arg(long, default_value_t = 128, value_name = "PIXELS", value_parser = clap::value_parser!(u32).range(8..=2048))]
    size: u32,
}

#[derive(Debug, Args)]
struct FacesArguments {
    /// Pictures (people, with --variants) that OUT shall hold; those in it count. The same command carries on after Ctrl-C.
    #[arg(value_name = "N")]
    count: usize,
    /// Folder for the pictures, 256 x 256 JPEGs named by seed.
    out: PathBuf,
    /// Pictures of each person that differ in pose and expression, in a folder named by seed.
    #[arg(long, value_name = "V", value_parser = clap::value_parser!(u16).range(2..=64))]
    variants: Option<u16>,
    /// Seed of the first picture (default: after the last in OUT, or 1300).
    #[arg(long, value_name = "SEED")]
    first_seed: Option<u32>,
    /// Allow seeds under 1300, which are kept for testing.
    #[arg(long)]
    test_seeds: bool,
    /// Pictures rendered at once (default: a processor thread each).
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=1024))]
    jobs: Option<u16>,
}

fn parse_layout(text: &str) -> std::result::Result<LayoutArgument, String> {
    let all = [Layout::Plain, Layout::CelebA, Layout::Ffhq, Layout::Cub];
    match (text, all.into_iter().find(|l| l.name() == text)) {
        ("auto", _) => Ok(LayoutArgument(None)),
        (_, Some(layout)) => Ok(LayoutArgument(Some(layout))),
        _ => Err("auto, plain, celeba, ffhq or cub".into()),
    }
}

fn parse_fit(text: &str) -> std::result::Result<Fit, String> {
    match text {
        "square" => Ok(Fit::Square),
        "whole" => Ok(Fit::Whole),
        "box" => Ok(Fit::Box),
        _ => Err("square, whole or box".into()),
    }
}

fn parse_share(text: &str) -> std::result::Result<f64, String> {
    text.parse().ok().filter(|s| (0.0..1.0).contains(s)).ok_or_else(|| "a share from 0 to under 1".into())
}

fn parse_margin(text: &str) -> std::result::Result<f64, String> {
    text.parse().ok().filter(|s| (0.1..=100.0).contains(s)).ok_or_else(|| "a factor from 0.1 to 100".into())
}

fn parse_hold_out(text: &str) -> std::result::Result<HoldOut, String> {
    let fail = || "a number of pictures, as 500, or a share of them, as 0.05".to_owned();
    if text.contains('.') {
        parse_share(text).map(HoldOut::Share).map_err(|_| fail())
    } else {
        text.parse().map(HoldOut::Count).map_err(|_| fail())
    }
}

impl CollectArguments {
    fn options(self) -> Options {
        Options {
            layout: self.layout.0,
            wild: self.wild,
            boxes: self.boxes,
            fit: self.fit,
            margin: self.margin,
            // The field's "wild" set is of faces that cover this much of the picture.
            least_cover: self.min_cover.unwrap_or(if self.wild { 0.3 } else { 0.0 }),
        }
    }
}

impl Data {
    pub fn run(self) -> Result<()> {
        match self.what {
            What::Import(arguments) => arguments.run(),
            What::Inspect(arguments) => arguments.run(),
            What::Landmarks(arguments) => arguments.run(),
            What::Harden(arguments) => arguments.run(),
            What::Faces(arguments) => arguments.run(),
        }
    }
}

impl ImportArguments {
    fn run(self) -> Result<()> {
        let manifest = import(&Import {
            sources: self.sources,
            out: self.out.clone(),
            options: self.collect.options(),
            side: self.size,
            hold_out: self.hold_out.unwrap_or(HoldOut::Published),
            force: self.force,
        })?;
        let content = &manifest.content;
        warn("broken", &content.broken);
        warn("repeated", &content.duplicates);
        warn("left out", &content.filtered);
        let held_out = content.pictures.iter().filter(|p| p.held_out).count();
        let enlarged =
            content.pictures.iter().filter(|p| p.crop.width.min(p.crop.height) < self.size).count();
        if enlarged > 0 {
            eprintln!(
                "warning: {enlarged} pictures have fewer than {} px and were enlarged, which blurs them: a smaller --size, or larger pictures, mend that",
                self.size
            );
        }
        if self.json {
            let summary = serde_json::json!({
                "pack": self.out,
                "layout": content.layout,
                "pictures": content.pictures.len(),
                "held_out": held_out,
                "enlarged": enlarged,
                "broken": content.broken.len(),
                "duplicates": content.duplicates.len(),
                "filtered": content.filtered.len(),
                "sides": content.levels.iter().map(|l| l.side).collect::<Vec<_>>(),
                "bytes": bytes(&manifest),
                "sha256": manifest.sha256,
            });
            println!("{summary}");
        } else {
            eprintln!(
                "{} pictures ({held_out} held out), layout {}, {}; {} broken, {} repeated, {} left out",
                content.pictures.len(),
                content.layout,
                disk::size(bytes(&manifest)),
                content.broken.len(),
                content.duplicates.len(),
                content.filtered.len()
            );
            println!("{}", self.out.display());
        }
        Ok(())
    }
}

fn bytes(manifest: &Manifest) -> u64 {
    let each: u64 = manifest.content.levels.iter().map(|l| u64::from(l.side).pow(2) * 3).sum();
    each * manifest.content.pictures.len() as u64
}

fn warn(what: &str, left: &[Left]) {
    for l in left.iter().take(NAMED) {
        eprintln!("{what}: {}: {}", l.name, l.reason);
    }
    if left.len() > NAMED {
        eprintln!("{what}: {} more, all listed in the pack's manifest", left.len() - NAMED);
    }
}

impl Inspect {
    fn run(self) -> Result<()> {
        if let Some(path) = &self.sheet
            && path.exists()
            && !self.force
        {
            return Err(Error::Usage(format!(
                "{} exists: replace it with --force, or name another file",
                path.display()
            )));
        }
        let mut tiles = Vec::new();
        for path in &self.paths {
            let mut report = inspect(path, self.verify)?;
            if self.json {
                println!("{}", serde_json::to_string(&report).map_err(|e| Error::Usage(e.to_string()))?);
            } else {
                print(&report);
            }
            tiles.append(&mut report.tiles);
        }
        if let Some(path) = &self.sheet {
            let sheet = sheet(&tiles).ok_or_else(|| Error::Usage("no pictures to draw a sheet of".into()))?;
            crate::sample::write_png(path, &sheet)?;
        }
        Ok(())
    }
}

fn print(r: &Report) {
    println!("{}: {} pictures, {} held out", r.path, r.pictures, r.held_out);
    if let Some(pack) = &r.pack {
        let sides: Vec<String> = pack.sides.iter().map(u32::to_string).collect();
        let verified = if pack.verified { ", checksums verified" } else { "" };
        println!("  pack of {} px, layout {}, {}{verified}", sides.join(", "), pack.layout, &pack.sha256);
        println!("  made of {}", pack.sources.join(", "));
    }
    let [low, high] = r.shorter_side;
    println!("  shorter sides of the originals: {low} to {high} px");
    let most = r.sizes.values().max().copied().unwrap_or(1);
    for (size, count) in &r.sizes {
        let bar = "#".repeat((count * 40).div_ceil(most));
        println!("  {size:>6} to {:>5} {count:>8} {bar}", size * 2 - 1);
    }
    let three = |v: [f64; 3]| v.map(|c| format!("{c:.1}")).join(" ");
    println!("  red, green, blue: mean {}, standard deviation {}", three(r.mean), three(r.deviation));
    for (what, left) in [("broken", &r.broken), ("repeated", &r.duplicates), ("left out", &r.filtered)] {
        if !left.is_empty() {
            println!("  {what}: {}", left.len());
        }
        for l in left.iter().take(NAMED) {
            println!("    {}: {}", l.name, l.reason);
        }
        if left.len() > NAMED {
            println!("    and {} more (--json names all)", left.len() - NAMED);
        }
    }
}

impl LandmarksArguments {
    fn run(self) -> Result<()> {
        let out = self.out.clone();
        let written = landmarks::write(&Landmarks {
            source: self.source,
            out: self.out,
            options: self.collect.options(),
            side: self.size,
        })?;
        eprintln!(
            "{} pictures to fit on, {} to test on; {} broken, {} left out",
            written.train, written.test, written.broken, written.filtered
        );
        println!("{}", out.display());
        Ok(())
    }
}

impl FacesArguments {
    fn run(self) -> Result<()> {
        let jobs = self.jobs.map_or_else(rayon::current_num_threads, usize::from);
        let (rendered, held) = faces::render(&Faces {
            out: self.out.clone(),
            count: self.count,
            variants: self.variants.map_or(0, usize::from),
            first_seed: self.first_seed,
            test_seeds: self.test_seeds,
            jobs,
        })?;
        eprintln!(
            "{rendered} {} rendered, {held} there; where they come from is in SOURCE.txt beside them",
            if self.variants.is_some() { "people" } else { "faces" }
        );
        println!("{}", self.out.display());
        Ok(())
    }
}
