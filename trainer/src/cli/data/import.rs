use std::collections::BTreeSet;
use std::path::PathBuf;

use clap::{Args, ValueEnum};

use super::NAMED;
use super::collect::{CollectArguments, parse_share};
use crate::cli::output::print_line;
use crate::dataset::disk;
use crate::dataset::import::{HoldOut, Import, import};
use crate::dataset::pack::{LeftOut, PackManifest};
use crate::dataset::people::People;
use crate::error::Result;

#[derive(Debug, Args)]
#[command(after_help = "Example: trainer data import photos/ faces.pack --size 256 --hold-out 500")]
pub struct ImportArguments {
    /// Folders, zips or pictures; with --people clip, video files, too.
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
    /// beside those that the layout's published split tests on. With --people, people.
    #[arg(long, value_name = "N|SHARE", value_parser = parse_hold_out)]
    hold_out: Option<HoldOut>,
    /// Have the pack know which pictures are of one person, as `trainer portrait` wants: folder (those in one folder) or
    /// clip (frames of one video file, or of one folder of frames; video files are decoded by the program ffmpeg).
    #[arg(long, value_name = "BY")]
    people: Option<By>,
    /// With --people clip: take one of so many frames.
    #[arg(long, default_value_t = 5, value_name = "N", value_parser = clap::value_parser!(u16).range(1..))]
    every: u16,
    /// Replace a pack at OUT.
    #[arg(long)]
    force: bool,
    /// Print a JSON summary.
    #[arg(long)]
    json: bool,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum By {
    Folder,
    Clip,
}

fn parse_hold_out(text: &str) -> std::result::Result<HoldOut, String> {
    let fail = || "a number of pictures, as 500, or a share of them, as 0.05".to_owned();
    if text.contains('.') {
        parse_share(text).map(HoldOut::Share).map_err(|_| fail())
    } else {
        text.parse().map(HoldOut::Count).map_err(|_| fail())
    }
}

impl ImportArguments {
    pub fn run(self) -> Result<()> {
        let people = self.people.map(|by| match by {
            By::Folder => People::Folder,
            By::Clip => People::Clip { every: usize::from(self.every) },
        });
        let manifest = import(&Import {
            sources: self.sources,
            out: self.out.clone(),
            options: self.collect.options(),
            side: self.size,
            hold_out: self.hold_out.unwrap_or(HoldOut::Published),
            people,
            force: self.force,
        })?;
        let content = &manifest.content;
        warn("broken", &content.broken);
        warn("repeated", &content.duplicates);
        warn("left out", &content.filtered);
        let held_out = content.pictures.iter().filter(|p| p.held_out).count();
        let count = |held: bool| {
            let people = content.pictures.iter().filter(|p| p.held_out == held).filter_map(|p| p.person);
            people.collect::<BTreeSet<_>>().len()
        };
        let [people_training, people_held_out] = [false, true].map(count);
        let enlarged =
            content.pictures.iter().filter(|p| p.crop.width.min(p.crop.height) < self.size).count();
        if enlarged > 0 {
            eprintln!(
                "warning: {enlarged} pictures have fewer than {} px and were enlarged, which blurs them: a smaller --size, or larger pictures, avoid that",
                self.size
            );
        }
        if self.json {
            let summary = serde_json::json!({
                "pack": self.out,
                "layout": content.layout,
                "pictures": content.pictures.len(),
                "held_out": held_out,
                "people": people.map(|_| people_training + people_held_out),
                "people_held_out": people.map(|_| people_held_out),
                "enlarged": enlarged,
                "broken": content.broken.len(),
                "duplicates": content.duplicates.len(),
                "filtered": content.filtered.len(),
                "sides": content.levels.iter().map(|l| l.side).collect::<Vec<_>>(),
                "bytes": bytes(&manifest),
                "sha256": manifest.sha256,
            });
            print_line!("{summary}");
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
            if people.is_some() {
                eprintln!("of {} people ({people_held_out} held out)", people_training + people_held_out);
            }
            print_line!("{}", self.out.display());
        }
        Ok(())
    }
}

fn bytes(manifest: &PackManifest) -> u64 {
    let each: u64 = manifest.content.levels.iter().map(|l| u64::from(l.side).pow(2) * 3).sum();
    each * manifest.content.pictures.len() as u64
}

fn warn(what: &str, left: &[LeftOut]) {
    for l in left.iter().take(NAMED) {
        eprintln!("{what}: {}: {}", l.name, l.reason);
    }
    if left.len() > NAMED {
        eprintln!("{what}: {} more, all listed in the pack's manifest", left.len() - NAMED);
    }
}
