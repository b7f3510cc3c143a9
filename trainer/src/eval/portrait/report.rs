//! The numbers as text, and as manifests keep them.

use std::fmt::Write;

use lkg_bundle::manifest::Metric;

use super::nearness::{Following, Nearness};
use super::{PartsFollow, PortraitReport};
use crate::eval::metric::metric;
use crate::nets::features::FeatureNet;

impl PortraitReport {
    /// Tables in Markdown.
    pub fn markdown(&self) -> String {
        let mut t = format!(
            "{}: {} people never trained on, {} pairs of pictures of one person\n\n\
             | driver against | L1 | PSNR | SSIM | perceptual distance |\n|---|---|---|---|---|\n",
            self.subject, self.people, self.pairs
        );
        for (what, near) in [
            ("**driven photo**", self.driven),
            ("photo warped alone", self.warped),
            ("photo, no motion", self.still),
        ] {
            let Nearness { l1, psnr, psnr_interval: [low, high], ssim, perceptual } = near;
            let distance = perceptual.map_or("-".into(), |d| format!("{d:.3}"));
            let _ = writeln!(
                t,
                "| {what} | {l1:.3} | {psnr:.2} dB ({low:.2} to {high:.2}) | {ssim:.3} | {distance} |"
            );
        }
        let _ = writeln!(t, "\n{:.0} % of driven pictures are the photo's own pixels.", self.kept * 100.0);
        t += "\n| the detector sees | n | correlation | slope |\n|---|---|---|---|\n";
        let mut rows = |whose: &str, follow: PartsFollow| {
            for (what, f) in [("keypoints", follow.keypoints), ("states", follow.states)] {
                let _ = writeln!(
                    t,
                    "| {what} follow {whose} | {} | {:.2} | {:.2} |",
                    f.n, f.correlation, f.slope
                );
            }
        };
        rows("the same person", self.same_person);
        if let Some(cross) = self.cross_person {
            rows("somebody else", cross);
        }
        if !self.directions.is_empty() {
            t += "\n| direction | read off drivers | driven follows | alone: n | follows | others change |\n\
                  |---|---|---|---|---|---|\n";
            for d in &self.directions {
                let pair = |f: Following| format!("{:.2} {:.2}", f.correlation, f.slope);
                let leakage = d.leakage.map_or("-".into(), |l| format!("{l:.2}"));
                let alone = if d.alone.n > 0 { pair(d.alone) } else { "-".into() };
                let _ = writeln!(
                    t,
                    "| {} | {} | {} | {} | {alone} | {leakage} |",
                    d.name,
                    pair(d.read),
                    pair(d.followed),
                    d.alone.n
                );
            }
            t += "\nCorrelation and slope, each about no change.\n";
        }
        t
    }

    /// The numbers as a bundle's manifest keeps them.
    pub fn metrics(&self) -> Vec<Metric> {
        let protocol = format!(
            "{} people never trained on, whole pictures; a photo driven by another picture of the same person against that \
             picture",
            self.people
        );
        let psnr = format!(
            "{protocol}; warped alone: {:.1} dB, no motion: {:.1} dB",
            self.warped.psnr, self.still.psnr
        );
        let mut metrics = vec![
            metric("portrait PSNR", self.driven.psnr, "dB", self.pairs, &psnr),
            metric("portrait L1", self.driven.l1, "of [-1, 1]", self.pairs, &protocol),
            metric("portrait SSIM", self.driven.ssim, "", self.pairs, &protocol),
        ];
        if let (Some(driven), Some(warped), Some(still)) =
            (self.driven.perceptual, self.warped.perceptual, self.still.perceptual)
        {
            let protocol = format!(
                "{protocol}, in features of {}; warped alone: {warped:.3}, no motion: {still:.3}",
                FeatureNet::NAME
            );
            metrics.push(metric("portrait, perceptual distance", driven, "", self.pairs, &protocol));
        }
        if let Some(cross) = self.cross_person {
            let protocol = "photos at rest driven by the next person's motion from rest: what the detector sees of the change \
                            they were driven by, slope through 0";
            let rows = [
                ("portrait's keypoints follow others", cross.keypoints),
                ("portrait's states follow others", cross.states),
            ];
            metrics.extend(rows.map(|(name, f)| metric(name, f.slope, "of the change", f.n, protocol)));
        }
        metrics
    }
}
