//! `trainer data corrupt` and the table of `trainer eval robustness`, from pictures to Markdown, through both programs.

#![allow(clippy::unwrap_used)]

use std::fs;
use std::path::Path;

use image::{Rgb, RgbImage};
use lkg_bundle::manifest::Metric;
use lkg_bundle::testing::write_tiny_bundle;
use workspace_tests::{runtime, trainer};

const CORRUPTIONS: [&str; 5] = ["half", "dark", "blurred", "noisy", "covered"];

/// Pictures whose red and green say where the face is, which is what the tiny bundle's detector goes by.
fn landmark_set(dir: &Path) {
    for (split, count) in [("train", 12u32), ("test", 7)] {
        let folder = dir.join(split);
        fs::create_dir_all(&folder).unwrap();
        let mut csv = "file,eye_l_x,eye_l_y\n".to_owned();
        for i in 0..count {
            let (x, y) = (0.35 + 0.06 * f64::from(i % 5), 0.35 + 0.08 * f64::from(i % 4));
            // Blue is the tiny bundle's confidence: most are confident.
            let blue = if i == 3 { 0 } else { 230 };
            let colour = Rgb([(255.0 * x) as u8, (255.0 * y) as u8, blue]);
            RgbImage::from_pixel(40, 40, colour).save(folder.join(format!("{i}.png"))).unwrap();
            let points = [(-0.1, -0.1), (0.1, -0.1), (0.0, 0.0), (-0.1, 0.1), (0.1, 0.1)];
            let fields = points.map(|(dx, dy)| format!("{:.4},{:.4}", x + dx, y + dy));
            csv += &format!("{i}.png,{}\n", fields.join(","));
        }
        fs::write(folder.join("landmarks.csv"), csv).unwrap();
    }
}

#[test]
fn a_set_is_corrupted_and_all_of_it_is_tabulated() {
    let dir = tempfile::tempdir().unwrap();
    let path = |name: &str| dir.path().join(name).to_string_lossy().into_owned();
    landmark_set(&dir.path().join("squares"));
    fs::create_dir(dir.path().join("bundle")).unwrap();
    write_tiny_bundle(&dir.path().join("bundle")).unwrap();
    let (set, bundle, hard, found) = (path("squares"), path("bundle"), path("hard"), path("found"));
    let printed = trainer(&["data", "corrupt", &set, &hard, "--seed", "4"]);
    assert_eq!(printed.succeeded().lines().count(), CORRUPTIONS.len());
    trainer(&["data", "corrupt", &set, &hard]).refused("exists: name another place");
    trainer(&["data", "corrupt", &path("bundle"), &path("none")]).refused("landmarks.csv");
    assert!(!dir.path().join("none").exists());

    fs::create_dir(&found).unwrap();
    let mut rows = vec![("squares".to_owned(), set.clone())];
    rows.extend(CORRUPTIONS.map(|name| (format!("squares, {name}"), path(&format!("hard/{name}")))));
    for (name, set) in &rows {
        for split in ["train", "test"] {
            // The tiny bundle's detector finds the place in whatever it is shown: refinement crops would have it elsewhere.
            let pictures = format!("{set}/{split}");
            let outcome = runtime(&[
                "--bundle",
                &bundle,
                "detect",
                &pictures,
                "--once",
                "--json",
                "--min-confidence",
                "0",
            ]);
            fs::write(format!("{found}/{name}.{split}.jsonl"), outcome.succeeded()).unwrap();
        }
        // What is fitted on is the same, byte for byte.
        for file in ["0.png", "11.png", "landmarks.csv"] {
            let of = |set: &str| fs::read(format!("{set}/train/{file}")).unwrap();
            assert_eq!(of(set), of(&rows[0].1), "{name} {file}");
        }
    }
    let sets: Vec<String> = rows.iter().map(|(name, set)| format!("{name}={set}")).collect();
    let mut args = vec!["eval", "robustness", "--bundle", &bundle, "--detections", &found];
    args.extend(sets.iter().map(String::as_str));
    let table = trainer(&args).succeeded().to_owned();
    assert_eq!(table.lines().count(), 2 + rows.len(), "{table}");
    // One of seven pictures is not confident; the error is that of colours rounded to bytes.
    let plain = table.lines().find(|line| line.starts_with("| squares |")).unwrap();
    assert!(plain.starts_with("| squares | 0.") && plain.ends_with("| 14.3 % | 7 |"), "{table}");
    let metrics = path("metrics.json");
    args.extend(["--json", "--metrics", &metrics]);
    let printed: Vec<Metric> = serde_json::from_str(trainer(&args).succeeded()).unwrap();
    let written: Vec<Metric> = serde_json::from_str(&fs::read_to_string(&metrics).unwrap()).unwrap();
    assert_eq!((printed.len(), &printed), (2 * rows.len(), &written));
    let value = |name: &str| written.iter().find(|m| m.name == name).map(|m| (m.value, m.n)).unwrap();
    let (plain, dark) = (value("landmark error (squares)"), value("landmark error (squares, dark)"));
    assert!(plain.0 < 1.0 && dark.0 > 50.0 && dark.1 == 7, "colours give the place: {plain:?} {dark:?}");
    assert_eq!(value("faces lost (squares)").1, 7);
    let alias = "harden";
    trainer(&["data", alias, &path("none"), &path("gone")]).refused("landmarks.csv");
    // A second time the numbers are replaced, not added.
    trainer(&args).succeeded();
    assert_eq!(serde_json::from_str::<Vec<Metric>>(&fs::read_to_string(&metrics).unwrap()).unwrap(), written);
    trainer(&["eval", "robustness", &set, "--bundle", &bundle, "--detections", &path("bundle")])
        .refused("squares.train.jsonl");
}
