//! Photos edited with their own pixels, and expressions shown, by the program on a bundle that carries photos.

#![allow(clippy::unwrap_used)]

mod common;

use std::fs;

use common::{Place, text};
use image::{Rgb, RgbImage};
use lkg_bundle::testing::write_tiny_portrait_bundle;
use lkg_runtime::picture::read_picture;
use serde_json::{Value, json};

/// A folder with the bundle, `photo.png` (dull, with a pattern that shows what moves) and `other.png` (bluer).
fn place() -> Place {
    let place = Place::new();
    fs::remove_dir_all(place.path("bundle")).unwrap();
    fs::create_dir(place.path("bundle")).unwrap();
    write_tiny_portrait_bundle(&place.path("bundle")).unwrap();
    place.pictures(6);
    let ramp = |blue: u8| {
        RgbImage::from_fn(160, 120, |x, y| {
            let lit = 60 * ((x / 2 + y / 2) % 2) as u8;
            Rgb([40 + x as u8 / 2 + lit, 60 + y as u8 / 2 + lit, blue])
        })
    };
    ramp(100).save(place.path("photo.png")).unwrap();
    ramp(200).save(place.path("other.png")).unwrap();
    place
}

fn edit(place: &Place, args: &[&str]) -> String {
    let done = place.runtime(&[&["edit"], args, &["--anyway"]].concat()).output().unwrap();
    assert!(done.status.success(), "{args:?}: {}", text(&done.stderr));
    text(&done.stdout)
}

fn refused(place: &Place, args: &[&str]) -> String {
    let done = place.runtime(&[&["edit"], args, &["--anyway"]].concat()).output().unwrap();
    assert_eq!(done.status.code(), Some(2), "{args:?}");
    text(&done.stderr)
}

fn picture(place: &Place, name: &str) -> RgbImage {
    read_picture(&place.path(name)).unwrap()
}

/// The largest difference of their bytes: the face that this bundle sees is small.
fn change(a: &RgbImage, b: &RgbImage) -> u8 {
    assert_eq!(a.dimensions(), b.dimensions(), "a photo keeps its size");
    a.iter().zip(b.iter()).map(|(a, b)| a.abs_diff(*b)).max().unwrap()
}

#[test]
fn expressions_and_moves_carry_the_photo_and_are_undone_to_the_byte() {
    let place = place();
    let photo = picture(&place, "photo.png");
    let said = edit(
        &place,
        &[
            "photo.png",
            "--expression",
            "mouth-open=1",
            "--expression",
            "brows=0.5",
            "--out",
            "a.png",
            "--save",
            "a.json",
        ],
    );
    assert!(said.contains("photo.png: 1 edit\n"), "set together: {said}");
    let opened = picture(&place, "a.png");
    assert!(change(&opened, &photo) > 10);
    let file: Value = serde_json::from_slice(&fs::read(place.path("a.json")).unwrap()).unwrap();
    assert_eq!(file["original"]["states"].as_array().unwrap().len(), 4);
    assert!(file["history"][0]["changes"].as_array().unwrap().iter().any(|c| c["field"] == "states"));

    // The session goes on: the same picture, then more, then back to the photo.
    edit(&place, &["a.json", "--out", "again.png"]);
    assert!(picture(&place, "again.png") == opened);
    edit(&place, &["a.json", "--move", "all=0.2,0", "--out", "moved.png", "--sheet", "sheet.png"]);
    assert!(change(&picture(&place, "moved.png"), &opened) > 3);
    assert_eq!(picture(&place, "sheet.png").height(), 256 + 20 + 8);
    fs::write(place.path("undo.json"), r#"[{"op": "undo"}]"#).unwrap();
    edit(&place, &["a.json", "--do", "undo.json", "--out", "back.png"]);
    assert!(picture(&place, "back.png") == photo);

    // Its photo is needed, as nothing else shows it.
    fs::rename(place.path("photo.png"), place.path("elsewhere.png")).unwrap();
    assert!(refused(&place, &["a.json", "--out", "c.png"]).contains("photo photo.png is not there"));
}

#[test]
fn another_photo_gives_pose_expression_and_parts() {
    let place = place();
    let photo = picture(&place, "photo.png");
    for (i, args) in [
        &["--take-expression", "other.png"][..],
        &["--pose", "other.png@0.5", "--move", "all=0.05,0"],
        &["--swap", "0=other.png"],
    ]
    .into_iter()
    .enumerate()
    {
        let (out, save) = (format!("{i}.png"), format!("{i}.json"));
        edit(&place, &[&["photo.png", "--out", &out, "--save", &save][..], args].concat());
        let edited = picture(&place, &out);
        assert!(change(&edited, &photo) > 3, "{args:?}");
        let again = format!("again{i}.png");
        edit(&place, &[&save, "--out", &again]);
        assert!(picture(&place, &again) == edited, "{args:?}");
    }
}

#[test]
fn what_takes_a_generator_says_so_with_the_fix() {
    let place = place();
    fs::write(place.path("remove.json"), r#"[{"op": "remove", "part": 0}]"#).unwrap();
    for (args, what) in [
        (
            &["--background", "other.png", "--out", "a.png"][..],
            "--background: op: background takes a generator",
        ),
        (&["--do", "remove.json", "--out", "a.png"], "add --blend warp"),
        (&["--to", "other.png", "--out", "a.avi"], "name a bundle with a generator"),
        (&["--swap", "0=seed:4", "--out", "a.png"], "draws no faces"),
        (&["--blend", "square", "--out", "a.png"], "leave it out"),
        (&["--expression", "smile=1", "--out", "a.png"], "they are mouth-open, brows"),
        (&["--expression", "brows=7", "--out", "a.png"], "7 is not from -1 to 1"),
    ] {
        let said = refused(&place, &[&["photo.png"], args].concat());
        let why = said.lines().last().unwrap();
        assert!(why.starts_with("runtime: error: ") && why.contains(what), "{args:?}: {said}");
    }
    let drawn = Place::new();
    drawn.pictures(1);
    let said = refused(&drawn, &["seed:1", "--expression", "smile=1", "--out", "a.png"]);
    assert!(said.contains("expressions are of photos") && said.contains("--bundle"), "{said}");
}

/// A flag that is unknown was answered with a hint at an old name that no help lists.
#[test]
fn no_hint_names_a_flag_that_is_not_listed() {
    let place = place();
    let said = place.runtime(&["verify", "--expression", "smile=1"]).output().unwrap();
    assert!(!text(&said.stderr).contains("--ep'"), "{}", text(&said.stderr));
}

#[test]
fn expressions_have_names_and_values_in_what_programs_read() {
    let place = place();
    let lines = |output: &[u8]| -> Vec<Value> {
        text(output).lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    };
    let found = place
        .runtime(&["detect", "photo.png", "other.png", "--json", "--min-confidence", "0"])
        .output()
        .unwrap();
    let of = |line: &Value| line["faces"][0]["expressions"].clone();
    let [photo, other] = &lines(&found.stdout)[..] else { panic!("{}", text(&found.stderr)) };
    // The state is the mean blue: 200 of 255 is 0.57, and a mouth is no less open than shut.
    assert_eq!(of(photo)["mouth-open"], json!(0.0));
    assert!((of(other)["mouth-open"].as_f64().unwrap() - 0.569).abs() < 0.01, "{other}");
    assert!((of(photo)["brows"].as_f64().unwrap() + 0.216).abs() < 0.01, "{photo}");
    let said = place.runtime(&["detect", "other.png", "--min-confidence", "0"]).output().unwrap();
    assert!(text(&said.stdout).contains("mouth-open   0.57 of 0 to 1"), "{}", text(&said.stdout));

    let live =
        place.webcam(&["in%03d.png", "--out", "with", "--hud", "--keypoints", "k.jsonl"]).output().unwrap();
    assert!(live.status.success(), "{}", text(&live.stderr));
    let kept = lines(&fs::read(place.path("k.jsonl")).unwrap());
    assert_eq!(kept.len(), 6);
    assert!(kept.iter().all(|line| of(line)["brows"].as_f64().is_some()), "{kept:?}");
    let bare = place.webcam(&["in%03d.png", "--out", "without"]).output().unwrap();
    assert!(bare.status.success());
    // Meters stand in the lower left corner, and in files only with the other numbers, when these are asked for.
    let corner = |folder: &str| {
        let first = fs::read_dir(place.path(folder)).unwrap().map(|e| e.unwrap().path()).min().unwrap();
        let picture = read_picture(&first).unwrap();
        let height = picture.height();
        image::imageops::crop_imm(&picture, 0, height * 3 / 4, 60, height / 4).to_image()
    };
    assert!(change(&corner("with"), &corner("without")) > 60);
}
