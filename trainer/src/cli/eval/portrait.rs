use std::path::PathBuf;

use clap::Args;
use lkg_bundle::Bundle;
use tch::Device;

use super::metrics::add_metrics;
use crate::cli::checkpoint::CheckpointChoice;
use crate::cli::json;
use crate::cli::output::print_line;
use crate::error::{Error, Result};
use crate::eval::portrait::networks::{BundleNetworks, PortraitNetworks, RunNetworks};
use crate::eval::portrait::{measure, people};
use crate::nets::features::FeatureNet;
use crate::sample;
use crate::train::run::Run;
use crate::train::stages::portrait::STAGE;

#[derive(Debug, Args)]
#[command(after_help = "Example: trainer eval portrait held-out/ --run runs/portrait --sheet portrait.png")]
pub struct Portrait {
    /// Folders or zips with a folder of pictures for each person that training never saw; amounts.json beside the pictures, as
    /// `trainer data faces --variants` writes it, lets directions be measured alone.
    #[arg(required = true)]
    people: Vec<PathBuf>,
    /// Folder of the run to measure, by libtorch.
    #[arg(long, value_name = "DIR", required_unless_present = "bundle", conflicts_with = "bundle")]
    run: Option<PathBuf>,
    /// Networks of the run: latest or a checkpoint file.
    #[arg(long, value_name = "CHECKPOINT", default_value = "latest", conflicts_with = "bundle")]
    checkpoint: CheckpointChoice,
    /// Bundle to measure, by ONNX Runtime.
    #[arg(long, value_name = "DIR")]
    bundle: Option<PathBuf>,
    /// Most people.
    #[arg(long, default_value_t = 300, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    most: u32,
    /// Most pairs of pictures of a person: with 6 pictures there are 30.
    #[arg(long, default_value_t = 6, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    pairs: u32,
    /// Write a picture to look at: photos, drivers, driven, warped alone, masks; then photos driven by others.
    #[arg(long, value_name = "FILE.png")]
    sheet: Option<PathBuf>,
    /// Add the numbers to this JSON list, which `trainer export --metrics` takes; those of the same name are replaced.
    #[arg(long, value_name = "FILE")]
    metrics: Option<PathBuf>,
    /// Print JSON.
    #[arg(long)]
    json: bool,
    /// Replace the sheet.
    #[arg(long)]
    force: bool,
}

impl Portrait {
    fn open(&self) -> Result<Box<dyn PortraitNetworks>> {
        Ok(match (&self.bundle, &self.run) {
            (Some(dir), _) => Box::new(BundleNetworks::open(&Bundle::open(dir)?)?),
            (None, Some(dir)) => {
                let (run, _) = Run::open(dir)?;
                Box::new(RunNetworks::open(&self.checkpoint.path(&run, STAGE))?)
            }
            (None, None) => return Err(Error::Usage("name a run (--run) or a bundle (--bundle)".into())),
        })
    }

    pub fn run(self) -> Result<()> {
        if let Some(sheet) = self.sheet.as_ref().filter(|sheet| sheet.exists() && !self.force) {
            return Err(Error::exists(sheet, "replace it with --force"));
        }
        let mut networks = self.open()?;
        let (detector, portrait) = networks.sizes();
        let people = people::read(&self.people, detector.max(portrait) as u32, self.most as usize)?;
        let net = match FeatureNet::find() {
            Ok(path) => Some(FeatureNet::load(&path, Device::Cpu)?),
            Err(missing) => {
                eprintln!("left out: perceptual distance: {missing}");
                None
            }
        };
        let (report, shown) = measure(networks.as_mut(), &people, net.as_ref(), self.pairs as usize)?;
        if let Some(path) = &self.sheet {
            sample::write_png(path, &sample::compose(&shown.images, None, shown.columns)?)?;
        }
        if let Some(path) = &self.metrics {
            add_metrics(path, report.metrics())?;
        }
        if self.json {
            print_line!("{}", json::line(&report)?);
        } else {
            print_line!("{}", report.markdown().trim_end());
        }
        Ok(())
    }
}
