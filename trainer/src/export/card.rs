//! The model card: what people should know before they use a bundle.

use lkg_bundle::manifest::{Metric, Provenance};

use super::metric_tables;
use super::notes::{LIMITS, Notes, USE, names_one_of};
use super::pictures::CardPicture;
use crate::config::{Architecture, ImageFamily, KeypointFamily, ModulationForm, StyleMap};
use crate::train::run::checkpoint::State;

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
    /// What was trained.
    pub trained: Trained<'a>,
    /// What the keypoints mean, in lines.
    pub keypoints: &'a [String],
    /// Pictures in the bundle.
    pub pictures: &'a [CardPicture],
    /// Hand-written Markdown: pictures, what was seen, limits, intended use.
    pub notes: Option<&'a str>,
}

/// The training of what a bundle holds.
#[derive(Clone, Copy)]
pub enum Trained<'a> {
    /// A generator and its detector.
    Generator {
        /// The generator's.
        gan: &'a State,
        /// The detector's.
        detector: &'a State,
    },
    /// A detector and portrait networks, together.
    Portrait {
        /// The stage of all of them.
        portrait: &'a State,
        /// The detector's own, where there was one.
        detector: Option<&'a State>,
    },
}

/// The card as Markdown: what the model is and is for, its limits, what was measured, then where it is from.
pub fn write(f: &CardFacts) -> String {
    let notes = Notes::parse(f.notes.unwrap_or_default());
    let mut card = format!("# {}\n\n{}\n", f.name, f.description);
    let mut section = |title: &str, text: &str| {
        if !text.trim().is_empty() {
            card.push_str(&format!("\n## {title}\n\n{}\n", text.trim()));
        }
    };
    section("Model", &model(f, &notes.opening));
    if !notes.first.iter().any(|s| names_one_of(&s.title, USE)) {
        let what = match f.trained {
            Trained::Generator { .. } => "generating, editing and re-enacting such pictures with them",
            Trained::Portrait { .. } => "editing and re-enacting such pictures with them",
        };
        section(
            "Intended use",
            &format!(
                "Finding the keypoints above in pictures like those of the data, and {what}. No other use was stated."
            ),
        );
    }
    notes.first.iter().for_each(|s| section(&s.title, &s.text));
    if !notes.first.iter().any(|s| names_one_of(&s.title, LIMITS)) {
        section("Limits", "None were stated. What was measured is below.");
    }
    let metrics = metric_tables::write(f.metrics);
    section("Metrics", if metrics.is_empty() { "Nothing was measured yet." } else { &metrics });
    notes.middle.iter().for_each(|s| section(&s.title, &s.text));
    section(
        "Data and licence",
        &format!("Data: {}.\n\nLicence: {}", sentence(&f.provenance.data), f.licence),
    );
    section("Training", &training(f));
    section("Files", &files(f.pictures));
    notes.last.iter().for_each(|s| section(&s.title, &s.text));
    card
}

/// What the networks are, and their keypoints.
fn model(f: &CardFacts, opening: &str) -> String {
    let mut text = match f.trained {
        Trained::Generator { gan, .. } => generator(&gan.config.architecture),
        Trained::Portrait { portrait: state, .. } => portrait(&state.config.architecture),
    };
    if !opening.is_empty() {
        text.push_str(&format!("\n{opening}\n"));
    }
    if !f.keypoints.is_empty() {
        text.push_str(
            "\n### Keypoints\n\nFound from the trained networks alone; left and right are the picture's.\n\n",
        );
        f.keypoints.iter().for_each(|line| text.push_str(&format!("- {line}\n")));
    }
    text
}

/// What a generator is.
fn generator(a: &Architecture) -> String {
    format!(
        "LatentKeypointGAN (He, Wandt, Rhodin, 2021), trained from scratch by this project: {} keypoints, embeddings \
         of {}, images of {} px, detector input of {} px. Keypoints and what they stand for were found without labels. {}.\n",
        a.keypoints,
        a.embedding,
        a.image_size,
        a.detector_size,
        families(a),
    )
}

/// What portrait networks are.
fn portrait(a: &Architecture) -> String {
    format!(
        "Portrait networks of this project's own (first-order motion, Siarohin et al., 2019, in a small form), trained from \
         scratch: a detector of {} keypoints with {} numbers each for the state of its part, input of {} px, and networks that \
         carry a photo's own pixels and features to other keypoints and states, at {} px. There is no generator: nothing is \
         drawn but what a photo does not show.\n\n\
         Keypoints and states were learned without labels, from pairs of pictures of one person each. Where these were drawn \
         by `trainer data faces --variants`, the directions that pose and expression are moved along were found with a \
         teacher's landmarks; the networks saw none.\n",
        a.keypoints, a.states, a.detector_size, a.portrait_size,
    )
}

/// How the networks were trained.
fn training(f: &CardFacts) -> String {
    let (gan, detector) = match f.trained {
        Trained::Generator { gan, detector } => (gan, detector),
        Trained::Portrait { portrait, detector } => return portrait_training(f, portrait, detector),
    };
    let first = match gan.config.keypoints.images {
        0 => String::new(),
        n => format!("| masked pictures that keypoints were learned from, before the generator | {n} |\n"),
    };
    format!(
        "| | |\n|---|---|\n\
         | pictures | {} |\n{first}| real images seen by the discriminator | {} |\n\
         | generated pairs seen by the detector | {} |\n| time | generator {}, detector {} |\n| machine | {} |\n\
         | trainer revision | `{}` |\n| exported | {} |\n\nThe whole configuration is in `manifest.json`.\n",
        f.provenance.dataset_size,
        f.provenance.images_seen,
        f.provenance.detector_images_seen,
        hours(gan.seconds),
        hours(detector.seconds),
        f.provenance.machine,
        f.provenance.commit,
        f.provenance.date,
    )
}

/// How portrait networks were trained.
fn portrait_training(f: &CardFacts, state: &State, detector: Option<&State>) -> String {
    let own = detector.map_or_else(String::new, |detector| {
        format!(
            "| pictures seen by the detector's own stage | {}, in {} |\n",
            detector.images_seen,
            hours(detector.seconds)
        )
    });
    format!(
        "| | |\n|---|---|\n\
         | pictures | {} |\n| pairs of pictures seen | {} |\n| time | {} |\n{own}| machine | {} |\n\
         | trainer revision | `{}` |\n| exported | {} |\n\nThe whole configuration is in `manifest.json`.\n",
        f.provenance.dataset_size,
        state.images_seen,
        hours(state.seconds),
        f.provenance.machine,
        f.provenance.commit,
        f.provenance.date,
    )
}

/// What lies in the bundle, the pictures shown.
fn files(pictures: &[CardPicture]) -> String {
    let mut text = "`manifest.json` lists every file with its checksum; networks are ONNX files, `golden.safetensors` holds \
                    inputs and outputs to check them by.\n"
        .to_owned();
    for p in pictures {
        text.push_str(&format!("\n![{}]({})\n\n{}\n", p.file, p.file, p.caption));
    }
    text
}

/// Without a full stop at its end.
fn sentence(text: &str) -> &str {
    text.trim_end_matches('.')
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
            trained: Trained::Generator { gan: &state, detector: &state },
            keypoints: &["skeleton: a - b".into()],
            pictures: &[CardPicture {
                file: "samples.png".into(),
                caption: "Some samples.".into(),
                content: vec![],
            }],
            notes: Some("## How it came about\n\nslowly\n\n## What was seen\n\nmuch\n\n## Limits\n\nmany"),
        });
        for part in [
            "# tiny",
            "normalisation (linear, parts added up). Keypoints: a network",
            "### error\n\np.\n\n| what | value | n |\n|---|---|---|\n| error | 12.35 % | 300 |",
            "q.\n\n| what | value | n |\n|---|---|---|\n| KID | 0.039 | 9 |",
            "| lost | 0.00 % of pictures | 7 |",
            "generator 1.5 h",
            "## Keypoints",
            "- skeleton: a - b\n",
            "![samples.png](samples.png)\n\nSome samples.\n",
            "## Limits",
            "Licence: L",
        ] {
            assert!(card.contains(part), "{part} in {card}");
        }
        let places: Vec<Option<usize>> = [
            "## Model",
            "## Intended use",
            "## Limits\n\nmany",
            "## Metrics",
            "## What was seen\n\nmuch",
            "## Data and licence",
            "## Training",
            "## Files",
            "## How it came about\n\nslowly",
        ]
        .into_iter()
        .map(|heading| card.find(heading))
        .collect();
        assert!(places[0].is_some() && places.is_sorted(), "{places:?} {card}");
    }
}
