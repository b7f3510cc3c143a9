//! Which pictures of a set, and what is cut out of them: flags that two commands share.

use std::path::PathBuf;

use clap::Args;

use crate::dataset::layout::{Fit, Layout, Options};

#[derive(Debug, Args)]
pub struct CollectArguments {
    /// How the set is laid out: auto, plain, celeba (with MAFL's lists), ffhq or cub.
    #[arg(long, help_heading = "What is collected and cut", default_value = "auto", value_parser = parse_layout)]
    layout: LayoutArgument,
    /// CelebA: the pictures in the wild, whole, of those whose box covers enough, instead of the aligned ones.
    #[arg(long, help_heading = "What is collected and cut")]
    wild: bool,
    /// Leave out pictures whose box covers less than this share of them (default: 0.3 with --wild, else 0).
    #[arg(long, help_heading = "What is collected and cut", value_name = "SHARE", value_parser = parse_share)]
    min_cover: Option<f64>,
    /// Cut round the boxes of this CSV: file,x,y,width,height in pixels, or file and x, y of points in [0, 1], such as
    /// landmarks.csv. The file is a path below the source, or its last part.
    #[arg(long, help_heading = "What is collected and cut", value_name = "CSV")]
    boxes: Option<PathBuf>,
    /// What is kept of a picture: square (the largest in its middle), whole (stretched) or box (the square round its
    /// box). Default: box where there is a table of boxes, whole with --wild, else square.
    #[arg(long, help_heading = "What is collected and cut", value_parser = parse_fit)]
    fit: Option<Fit>,
    /// Side of the square over the longer side of the box (default: 1.25 for boxes, 2.5 for points).
    #[arg(long, help_heading = "What is collected and cut", value_name = "FACTOR", value_parser = parse_margin)]
    margin: Option<f64>,
}

/// `None` is auto.
#[derive(Clone, Debug)]
struct LayoutArgument(Option<Layout>);

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

/// A share, from 0 to under 1.
pub fn parse_share(text: &str) -> std::result::Result<f64, String> {
    text.parse().ok().filter(|s| (0.0..1.0).contains(s)).ok_or_else(|| "a share from 0 to under 1".into())
}

fn parse_margin(text: &str) -> std::result::Result<f64, String> {
    text.parse().ok().filter(|s| (0.1..=100.0).contains(s)).ok_or_else(|| "a factor from 0.1 to 100".into())
}

impl CollectArguments {
    /// What is collected and cut.
    pub fn options(self) -> Options {
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
