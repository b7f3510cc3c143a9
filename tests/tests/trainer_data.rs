//! `trainer data`: what it packs is what training sees, and whatever goes wrong leaves nothing half done.

#![allow(clippy::unwrap_used)]

use std::fs;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use workspace_tests::tiny::{Tiny, log_lines};
use workspace_tests::{program, trainer};

fn names(folder: &std::path::Path) -> Vec<String> {
    let mut names: Vec<_> =
        fs::read_dir(folder).unwrap().map(|e| e.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

#[test]
fn training_on_a_pack_is_training_on_its_pictures() {
    let tiny = Tiny::new();
    let (pictures, pack) = (tiny.path("pictures"), tiny.path("pack"));
    let out = trainer(&["data", "import", &pictures, &pack, "--size", "32", "--json"]);
    let summary: serde_json::Value = serde_json::from_str(out.succeeded()).unwrap();
    assert_eq!((&summary["pictures"], &summary["held_out"]), (&12.into(), &0.into()));
    assert_eq!(summary["enlarged"], 0);
    trainer(&["data", "import", &pictures, &pack]).refused("--force");

    let train = |run: &str, data: &str| {
        let mut args = tiny.train(run);
        let place = args.iter().position(|a| *a == pictures).unwrap();
        args[place] = data.to_owned();
        args.extend(["--config".into(), tiny.path("tiny.toml"), "--images".into(), "12".into()]);
        trainer(&args.iter().map(String::as_str).collect::<Vec<_>>())
    };
    train("from-folder", &pictures).succeeded();
    train("from-pack", &pack).succeeded();
    let log = |run: &str| log_lines(tiny.path(run), "gan");
    assert_eq!(log("from-pack"), log("from-folder"));

    // Twelve pictures, nine of them held out, are fewer than a batch of four.
    trainer(&["data", "import", &pictures, &pack, "--size", "32", "--hold-out", "9", "--force"]).succeeded();
    train("small", &pack).refused("3 pictures are fewer than a batch of 4");
    assert!(!tiny.dir().join("small").exists());

    let sheet = tiny.path("sheet.png");
    let out = trainer(&["data", "inspect", &pack, &pictures, "--json", "--sheet", &sheet]);
    let lines: Vec<serde_json::Value> =
        out.succeeded().lines().map(|l| serde_json::from_str(l).unwrap()).collect();
    assert_eq!((&lines[0]["kind"], &lines[0]["held_out"]), (&"pack".into(), &9.into()));
    assert_eq!((&lines[1]["kind"], &lines[1]["pictures"]), (&"files".into(), &12.into()));
    let drawn = image::open(&sheet).unwrap();
    assert_eq!((drawn.width(), drawn.height()), (1280, 3 * 128));
    trainer(&["data", "inspect", &pack, "--sheet", &sheet]).refused("--force");
    trainer(&["data", "inspect", &pack, "--verify"]).succeeded();
    let bin = tiny.dir().join("pack/pictures-32.bin");
    let mut bytes = fs::read(&bin).unwrap();
    bytes[5] ^= 1;
    fs::write(&bin, bytes).unwrap();
    trainer(&["data", "inspect", &pack]).succeeded();
    trainer(&["data", "inspect", &pack, "--verify"]).refused("checksum");
}

#[test]
fn a_pack_says_how_many_people_it_shows() {
    let tiny = Tiny::new();
    for (i, name) in names(&tiny.dir().join("pictures")).iter().enumerate() {
        let person = tiny.dir().join("people").join(format!("person{}", i % 3));
        fs::create_dir_all(&person).unwrap();
        fs::copy(tiny.dir().join("pictures").join(name), person.join(name)).unwrap();
    }
    let (people, pack) = (tiny.path("people"), tiny.path("pack"));
    let import = |more: &[&str]| {
        let args = ["data", "import", &people, &pack, "--size", "32", "--force", "--json"];
        let out = trainer(&[&args, more].concat());
        serde_json::from_str::<serde_json::Value>(out.succeeded()).unwrap()
    };
    let summary = import(&["--people", "folder", "--hold-out", "1"]);
    assert_eq!((&summary["people"], &summary["people_held_out"]), (&3.into(), &1.into()));
    assert_eq!((&summary["pictures"], &summary["held_out"]), (&12.into(), &4.into()));
    let summary = import(&["--people", "clip", "--every", "2"]);
    assert_eq!((&summary["people"], &summary["pictures"]), (&3.into(), &6.into()));
    assert!(import(&[])["people"].is_null());
    trainer(&["data", "import", &tiny.path("pictures"), &tiny.path("flat"), "--people", "folder"])
        .refused("no pairs of pictures");
    assert!(!tiny.dir().join("flat").exists());
}

#[test]
fn bad_requests_are_one_line() {
    let tiny = Tiny::new();
    let (pictures, pack) = (tiny.path("pictures"), tiny.path("pack"));
    let import = |more: &[&str]| trainer(&[&["data", "import", &pictures, &pack], more].concat());
    import(&["--layout", "cub"]).refused("images is not in it");
    import(&["--layout", "celeba"]).refused("list_landmarks_align_celeba.txt is not in it");
    import(&["--wild"]).refused("--wild is for CelebA");
    import(&["--fit", "box"]).refused("--boxes");
    import(&["--min-cover", "0.3"]).refused("--boxes");
    import(&["--margin", "2"]).refused("--margin is for cutting round boxes");
    import(&["--hold-out", "12"]).refused("none to learn from");
    import(&["--boxes", &tiny.path("none.csv")]).refused("none.csv");
    trainer(&["data", "import", &tiny.path("gone"), &pack]).refused("no such file or folder");
    trainer(&["data", "inspect", &pictures, "--verify"]).refused("is no pack");
    trainer(&["data", "landmarks", &pictures, &pack]).refused("no 5 landmarks");
    trainer(&["data", "faces", "2", &pack, "--first-seed", "7"]).refused("kept for testing");
    fs::write(tiny.dir().join("pack"), "a file").unwrap();
    import(&[]).refused("is no pack");
    assert_eq!(names(tiny.dir()), ["pack", "pictures", "tiny.toml"]);
}

#[test]
fn ctrl_c_leaves_no_half_pack() {
    let dir = tempfile::tempdir().unwrap();
    let pictures = dir.path().join("pictures");
    fs::create_dir(&pictures).unwrap();
    // Long enough to be interrupted: one picture under many names.
    let first = pictures.join("0.png");
    image::RgbImage::from_fn(700, 700, |x, y| image::Rgb([(x * y) as u8, x as u8, y as u8]))
        .save(&first)
        .unwrap();
    for i in 1..2000 {
        fs::hard_link(&first, pictures.join(format!("{i}.png"))).unwrap();
    }
    let paths = ["pictures", "pack"].map(|n| dir.path().join(n));
    let child = Command::new(program("trainer"))
        .args(["data", "import"])
        .args(&paths)
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let part = dir.path().join(".pack.part/pictures-256.bin");
    let begun = Instant::now();
    while !part.exists() && begun.elapsed() < Duration::from_secs(60) {
        std::thread::sleep(Duration::from_millis(20));
    }
    assert!(part.exists(), "nothing was begun");
    assert!(Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap().success());
    let output = child.wait_with_output().unwrap();
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(130), "{stderr}");
    assert!(stderr.ends_with("interrupted\n"), "{stderr}");
    assert_eq!(names(dir.path()), ["pictures"]);
}

/// Spreadsheets' tables were refused for want of a heading that is there; a WebP was passed over without a word.
#[test]
fn tables_of_spreadsheets_and_webp_are_read() {
    let cases = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/cases");
    let case = |name: &str| cases.join(name).to_str().unwrap().to_owned();
    let place = tempfile::tempdir().unwrap();
    let import = |source: &str, more: &[&str]| {
        let out = place.path().join("pack");
        let args = ["data", "import", source, out.to_str().unwrap(), "--size", "64", "--force", "--json"];
        let out = trainer(&[&args, more].concat());
        (serde_json::from_str::<serde_json::Value>(out.succeeded()).unwrap(), out.stderr)
    };
    let (summary, _) = import(&case("trainer"), &[]);
    assert_eq!(summary["pictures"], 3, "the WebP, too");
    for (table, count) in [("boxes-bom.csv", 2), ("boxes-quoted.csv", 1)] {
        let (summary, _) = import(&case("trainer"), &["--boxes", &case(table)]);
        assert_eq!(summary["pictures"], count, "{table}");
    }
    // What cannot be read is told of.
    let photos = place.path().join("photos");
    fs::create_dir(&photos).unwrap();
    fs::copy(cases.join("trainer/a.png"), photos.join("a.png")).unwrap();
    fs::copy(cases.join("heic.heic"), photos.join("b.heic")).unwrap();
    let (summary, said) = import(photos.to_str().unwrap(), &[]);
    assert_eq!((&summary["pictures"], &summary["broken"]), (&1.into(), &1.into()));
    assert!(said.contains("b.heic") && said.contains("HEIC"), "{said}");
}
