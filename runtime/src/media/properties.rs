//! What holds of every name of a source or an output, and of every file's times.

use std::fmt::Display;
use std::path::Path;
use std::str::FromStr;
use std::time::Duration;

use proptest::prelude::*;

use super::avi::AviReader;
use super::avi::AviWriter;
use super::source::{Next, Source};
use super::testing::gradient;
use super::{OutputSpec, Pattern, SinkSpec, SourceSpec};

/// Names as people write them: forms that mean something, with anything behind.
fn name() -> impl Strategy<Value = String> {
    let head = prop::sample::select(vec![
        "",
        "-",
        "camera://",
        "csi://",
        "rtsp://",
        "rtsps://",
        "exec:",
        "/dev/video",
        "http://",
        "http://localhost:",
        "window",
        "null",
        "nowhere/",
        "nowhere/%05d",
    ]);
    let tail = prop::sample::select(vec!["", ".avi", ".mp4", ".png", ".jpg", "%d.png", "/", ":80", " "]);
    (head, "[ -~äß]{0,12}", tail).prop_map(|(head, middle, tail)| format!("{head}{middle}{tail}"))
}

fn same<T: FromStr + Display + PartialEq + std::fmt::Debug>(text: &str) -> Result<(), TestCaseError> {
    let Ok(read) = text.parse::<T>() else { return Ok(()) };
    let written = read.to_string();
    prop_assert_eq!(written.parse::<T>().ok(), Some(read), "{:?} is written as {:?}", text, written);
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1024, failure_persistence: None, ..ProptestConfig::default() })]

    /// What is read is written as what is read as the same.
    #[test]
    fn names_survive_being_written(text in name()) {
        same::<SourceSpec>(&text)?;
        same::<OutputSpec>(&text)?;
        same::<SinkSpec>(&text)?;
        if let Some(pattern) = Pattern::parse(Path::new(&text)) {
            prop_assert_eq!(Pattern::parse(&pattern.to_path()), Some(pattern.clone()));
        }
    }

    /// A pattern finds the numbers that it made, and no others.
    #[test]
    fn a_pattern_finds_its_own_numbers(digits in 1usize..=9, number in 0u64..10_000_000_000, before in "[a-z0-9.]{0,4}") {
        let pattern = Pattern::parse(Path::new(&format!("{before}%0{digits}d.png"))).unwrap();
        let path = pattern.path(number);
        prop_assert_eq!(pattern.number(path.to_str().unwrap()), Some(number));
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, failure_persistence: None, ..ProptestConfig::default() })]

    /// Frames keep their times, a millisecond more or less (and what the rounded rate adds), whatever they are.
    #[test]
    fn a_clip_keeps_its_times(gaps in prop::collection::vec(2u64..700, 0..12)) {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("clip.avi");
        let mut writer = AviWriter::create(&path, (16, 16), false, None).unwrap();
        let mut times = vec![Duration::ZERO];
        times.extend(gaps.iter().scan(Duration::ZERO, |time, gap| {
            *time += Duration::from_millis(*gap);
            Some(*time)
        }));
        for time in &times {
            writer.add(&gradient(16, 16), *time).unwrap();
        }
        writer.finish().unwrap();
        let mut reader = AviReader::open(&path).unwrap().unwrap();
        for time in &times {
            let Next::Frame(captured) = reader.next(Duration::ZERO).unwrap() else { panic!("a frame is missing") };
            prop_assert!(captured.frame.time.abs_diff(*time) <= Duration::from_micros(1100), "{:?}", captured.frame.time);
        }
    }
}
