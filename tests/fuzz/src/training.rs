//! What the trainer reads.

use std::path::Path;

use lkg_trainer::config::Config;
use lkg_trainer::dataset::layout::table::Boxes;
use lkg_trainer::dataset::pack::Pack;
use lkg_trainer::train::run::checkpoint::{self, Checkpoint};

thread_local! {
    static FOLDER: tempfile::TempDir = crate::folder();
}

pub fn checkpoint(data: &[u8]) {
    FOLDER.with(|dir| {
        let path = crate::file(dir, "gan.safetensors", data);
        checkpoint::peek(&path).ok();
        let Ok(checkpoint) = Checkpoint::open(&path) else { return };
        checkpoint.is_weights_only().ok();
        checkpoint.save_weights(&dir.path().join("weights.safetensors")).ok();
    });
}

/// A pack: the first line is its manifest, the rest the pixels of its level.
pub fn pack(data: &[u8]) {
    let cut = data.iter().position(|b| *b == b'\n').unwrap_or(data.len());
    let (manifest, pixels) = data.split_at(cut);
    FOLDER.with(|dir| {
        crate::file(dir, "pack.json", manifest);
        crate::file(dir, "pictures-4.bin", pixels.get(1..).unwrap_or_default());
        let Ok(pack) = Pack::open(dir.path()) else { return };
        for level in &pack.manifest().content.levels {
            pack.map(level).ok();
        }
        pack.level(64);
        pack.verify().ok();
    });
}

pub fn table(data: &[u8]) {
    FOLDER.with(|dir| Boxes::read(&crate::file(dir, "boxes.csv", data))).ok();
}

pub fn config(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let Ok(config) = Config::parse(text, "train.toml") else { return };
    // A checkpoint holds it as JSON.
    let written = serde_json::to_string(&config).unwrap_or_default();
    assert_eq!(
        serde_json::from_str::<Config>(&written).ok(),
        Some(config),
        "{}",
        Path::new("train.toml").display()
    );
}
