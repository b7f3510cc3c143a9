//! The model card: what people should know before they use a bundle.

use lkg_bundle::manifest::{Metric, Provenance};

use super::pictures::CardPicture;
use crate::config::{Architecture, ImageFamily, KeypointFamily, ModulationForm, StyleMap};
use crate::train::checkpoint::State;

/// What the card is written from.
pub struct CardFacts<'a> {
    /// The bundle's name.
    pub name: &'a str,
    /// One line on what the model shows.
    pub description: &'a str,
    /// What was measured.
    pub metrics: &'a [Metric],
    /// How it came about.
    pub provenance: &'a Provenance,
    /// Licence of the weights.
    pub licence: &'a str,
    /// The generator's training.
    pub gan: &'a State,
    /// The detector's training.
    pub detector: &'a State,
    /// What the keypoints mean, in lines.
    pub keypoints: &'a [String],
    /// Pictures in the bundle.
    pub pictures: &'a [CardPicture],
    /// Hand-written Markdown: pictures, what was seen, limits, intended use.
    pub notes: Option<&'a str>,
}

/// The card as Markdown.
pub fn write(f: &CardFacts) -> String {
    let a = &f.gan.config.architecture;
    let first = match f.gan.config.keypoints.images {
        0 => String::new(),
        n => format!("| masked pictures that keypoints were learned from, before the generator | {n} |\n"),
    };
    let mut card = format!(
        "# {}\n\n{}\n\n## Model\n\n\
         LatentKeypointGAN (He, Wandt, Rhodin, 2021), trained from scratch by this project: {} keypoints, embeddings \
         of {}, images of {} px, detector input of {} px. Keypoints and their meaning were found without labels. {}.\n\n\
         ## Training\n\n| | |\n|---|---|\n\
         | data | {} |\n| pictures | {} |\n{first}| real images seen by the discriminator | {} |\n\
         | generated pairs seen by the detector | {} |\n| time | generator {}, detector {} |\n| machine | {} |\n\
         | trainer revision | `{}` |\n| exported | {} |\n\nThe whole configuration is in `manifest.json`.\n\n## Measured\n\n",
        f.name,
        f.description,
        a.keypoints,
        a.embedding,
        a.image_size,
        a.detector_size,
        families(a),
        f.provenance.data,
        f.provenance.dataset_size,
        f.provenance.images_seen,
        f.provenance.detector_images_seen,
        hours(f.gan.seconds),
        hours(f.detector.seconds),
        f.provenance.machine,
        f.provenance.commit,
        f.provenance.date,
    );
    if f.metrics.is_empty() {
        card.push_str("Nothing yet.\n");
    } else {
        card.push_str("| what | value | n | how |\n|---|---|---|---|\n");
        for m in f.metrics {
            // A KID is a few hundredths.
            let digits = if m.value.abs() < 0.1 && !m.unit.starts_with('%') { 3 } else { 2 };
            let value = format!("{:.digits$} {}", m.value, m.unit);
            card.push_str(&format!("| {} | {} | {} | {} |\n", m.name, value.trim_end(), m.n, m.protocol));
        }
    }
    if !f.keypoints.is_empty() {
        card.push_str(
            "\n## Keypoints\n\nFound from the trained networks alone; left and right are the picture's.\n\n",
        );
        f.keypoints.iter().for_each(|line| card.push_str(&format!("- {line}\n")));
    }
    if !f.pictures.is_empty() {
        card.push_str("\n## Pictures\n");
    }
    for p in f.pictures {
        card.push_str(&format!("\n![{}]({})\n\n{}\n", p.file, p.file, p.caption));
    }
    if let Some(notes) = f.notes {
        card.push_str(&format!("\n{}\n", notes.trim()));
    }
    card.push_str(&format!("\n## Licence\n\n{}\n", f.licence));
    card
}

/// Which kinds of generator these are.
fn families(a: &Architecture) -> String {
    let images = match (a.image_generator, a.modulation, a.style_map) {
        (ImageFamily::Warp, ..) => "maps of the parts warped to their keypoints".to_owned(),
        (ImageFamily::Spade, form, map) => format!(
            "spatially adaptive normalisation ({}, parts {}{})",
            match form {
                ModulationForm::Linear => "linear",
                ModulationForm::Conv => "convolutional",
            },
            match map {
                StyleMap::Sum => "added up",
                StyleMap::Concat => "side by side",
            },
            if a.shortcut { ", with shortcuts" } else { "" }
        ),
    };
    let keypoints = match a.keypoint_generator {
        KeypointFamily::Product => "a network for each noise",
        KeypointFamily::Trunk => "one trunk, so pose and appearance are entangled",
    };
    format!("Images: {images}. Keypoints: {keypoints}")
}

fn hours(seconds: f64) -> String {
    format!("{:.1} h", seconds / 3600.0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Config;

    #[test]
    fn metrics_notes_and_licence_are_on_the_card() {
        let state = State { seconds: 5400.0, ..State::new("gan", &Config::default(), 5) };
        let metric =
            Metric { name: "error".into(), value: 12.345, unit: "%".into(), n: 300, protocol: "p".into() };
        let small =
            Metric { name: "KID".into(), value: 0.0394, unit: String::new(), n: 9, protocol: "q".into() };
        let none = Metric {
            name: "lost".into(),
            value: 0.0,
            unit: "% of pictures".into(),
            n: 7,
            protocol: "r".into(),
        };
        let card = write(&CardFacts {
            name: "tiny",
            description: "d",
            metrics: &[metric, small, none],
            provenance: &Provenance::default(),
            licence: "L",
            gan: &state,
            detector: &state,
            keypoints: &["skeleton: a - b".into()],
            pictures: &[CardPicture {
                file: "samples.png".into(),
                caption: "Some samples.".into(),
                content: vec![],
            }],
            notes: Some("## Limits\n\nmany"),
        });
        for part in [
            "# tiny",
            "normalisation (linear, parts added up). Keypoints: a network",
            "| error | 12.35 % | 300 | p |",
            "| KID | 0.039 | 9 | q |",
            "| lost | 0.00 % of pictures | 7 | r |",
            "generator 1.5 h",
            "## Keypoints",
            "- skeleton: a - b\n",
            "![samples.png](samples.png)\n\nSome samples.\n",
            "## Limits",
            "## Licence\n\nL",
        ] {
            assert!(card.contains(part), "{part} in {card}");
        }
    }
}
