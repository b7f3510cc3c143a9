//! A recording of a clip keeps the clip's sound.

#![allow(clippy::unwrap_used)]

mod common;

use std::process::Command;

use common::{Place, ffmpeg, has_ffmpeg, report, text};
use serde_json::Value;

/// Numbers of sound in a second that are looked at.
const RATE: usize = 8000;

/// What `ffprobe` says of the streams, one of each kind at most: their lengths in seconds.
fn lengths(place: &Place, name: &str) -> (f64, Option<f64>, Option<String>) {
    let output = Command::new("ffprobe")
        .current_dir(place.0.path())
        .args(["-v", "error", "-of", "json", "-show_entries"])
        .args(["stream=codec_type,codec_name,duration,start_time", name])
        .output()
        .unwrap();
    let answer: Value = serde_json::from_slice(&output.stdout).unwrap();
    let stream = |kind: &str| answer["streams"].as_array().unwrap().iter().find(|s| s["codec_type"] == kind);
    let seconds = |s: &Value| s["duration"].as_str().unwrap().parse().unwrap();
    let codec = stream("audio").map(|s| s["codec_name"].as_str().unwrap().to_owned());
    (seconds(stream("video").unwrap()), stream("audio").map(seconds), codec)
}

/// When frames are shown, in seconds.
fn times(place: &Place, name: &str) -> Vec<f64> {
    let output = Command::new("ffprobe")
        .current_dir(place.0.path())
        .args([
            "-v",
            "error",
            "-select_streams",
            "v:0",
            "-of",
            "csv=p=0",
            "-show_entries",
            "frame=pts_time",
            name,
        ])
        .output()
        .unwrap();
    text(&output.stdout).lines().filter_map(|l| l.split(',').next()?.parse().ok()).collect()
}

/// When tones begin, in seconds of what is heard; silence where sound starts late is heard as such.
fn tones(place: &Place, name: &str) -> Vec<f64> {
    let pcm = ffmpeg(
        place.0.path(),
        &format!("-i {name} -map 0:a -af aresample={RATE}:async=1:first_pts=0 -ac 1 -f s16le -"),
    );
    let samples: Vec<i32> =
        pcm.chunks_exact(2).map(|b| i32::from(i16::from_le_bytes([b[0], b[1]]))).collect();
    let (mut found, mut silent) = (Vec::new(), RATE);
    for (i, sample) in samples.iter().enumerate() {
        let loud = sample.abs() > 3000;
        if loud && silent > RATE / 5 {
            found.push(i as f64 / RATE as f64);
        }
        silent = if loud { 0 } else { silent + 1 };
    }
    found
}

/// Frames of a moving square, a short tone at the beginning of every second, as `seconds` of a file.
fn clip(place: &Place, seconds: u32, codecs: &str, name: &str) {
    let tone = "aevalsrc='if(lt(mod(t,1),0.1),0.8*sin(2*PI*1000*t),0)'";
    let arguments = format!(
        "-f lavfi -i testsrc2=s=64x48:r=30:d={seconds} -f lavfi -i {tone}:s=44100:d={seconds} -pix_fmt yuv420p {codecs} {name}"
    );
    ffmpeg(place.0.path(), &arguments);
}

fn near(a: &[f64], b: &[f64], within: f64) -> bool {
    a.len() == b.len() && a.iter().zip(b).all(|(a, b)| (a - b).abs() <= within)
}

#[test]
fn ten_seconds_keep_their_sound_and_times() {
    if !has_ffmpeg() {
        return;
    }
    let place = Place::new();
    clip(&place, 10, "-c:v libx264 -c:a aac", "in.mp4");
    report(&place.webcam(&["in.mp4", "--no-hud", "--out", "out.mp4", "--json"]).output().unwrap(), 0);
    let ((before, _, _), (video, sound, codec)) = (lengths(&place, "in.mp4"), lengths(&place, "out.mp4"));
    assert_eq!(codec.as_deref(), Some("aac"));
    let sound = sound.unwrap();
    println!("{before} s; {video} s with {sound} s of sound");
    assert!((video - before).abs() < 1e-3 && (sound - before).abs() < 0.02);
    let (before, after) = (times(&place, "in.mp4"), times(&place, "out.mp4"));
    assert_eq!(after.len(), 300);
    assert!(near(&before, &after, 1e-3));
    let (before, after) = (tones(&place, "in.mp4"), tones(&place, "out.mp4"));
    assert_eq!(after.len(), 10, "{after:?}");
    assert!(near(&before, &after, 0.02), "{before:?} {after:?}");
}

#[test]
fn sound_of_every_kind_is_kept_where_it_belongs() {
    if !has_ffmpeg() {
        return;
    }
    let place = Place::new();
    let here = place.0.path();
    for (name, codecs, kept) in [
        ("phone.mov", "-c:v libx264 -c:a aac", "aac"),
        ("opus.webm", "-c:v libvpx-vp9 -deadline realtime -cpu-used 8 -c:a libopus", "opus"),
        ("vorbis.mkv", "-c:v libx264 -c:a libvorbis", "aac"),
        ("pcm.mov", "-c:v libx264 -c:a pcm_s16le", "aac"),
        ("mp3.avi", "-c:v mpeg4 -c:a libmp3lame", "mp3"),
        ("aac.ts", "-c:v libx264 -c:a aac", "aac"),
        ("ac3.mp4", "-c:v libx264 -c:a ac3", "ac3"),
    ] {
        clip(&place, 3, codecs, name);
        report(
            &place.webcam(&[name, "--no-hud", "--force", "--out", "out.mp4", "--json"]).output().unwrap(),
            0,
        );
        let (video, sound, codec) = lengths(&place, "out.mp4");
        assert_eq!(codec.as_deref(), Some(kept), "{name}");
        // Some are a frame longer before they get here.
        assert!(
            (video - 3.0).abs() < 0.04 && sound.is_some_and(|s| (s - video).abs() < 0.04),
            "{name}: {video} {sound:?}"
        );
        let tones = tones(&place, "out.mp4");
        assert!(near(&tones, &[0.0, 1.0, 2.0], 0.03), "{name}: {tones:?}");
    }
    // What is shown begins within the clip, or sound begins late: sound stays with its frames.
    clip(&place, 4, "-g 30 -c:v libx264 -c:a aac", "whole.mp4");
    ffmpeg(here, "-ss 1.3 -i whole.mp4 -c copy cut.mp4");
    ffmpeg(here, "-i whole.mp4 -itsoffset 0.5 -i whole.mp4 -map 0:v -map 1:a -c copy late.mp4");
    for name in ["cut.mp4", "late.mp4"] {
        report(
            &place.webcam(&[name, "--no-hud", "--force", "--out", "out.mp4", "--json"]).output().unwrap(),
            0,
        );
        let (before, mut after) = (tones(&place, name), tones(&place, "out.mp4"));
        // A recording begins with its first frame.
        let moved = times(&place, name)[0] - times(&place, "out.mp4")[0];
        after.iter_mut().for_each(|t| *t += moved);
        let kept: Vec<_> = before.iter().copied().filter(|t| *t < 3.9).collect();
        assert!(near(&kept, &after, 0.03), "{name}: {before:?} {after:?}");
    }
}

#[test]
fn sound_is_cut_to_the_frames_or_left_out() {
    if !has_ffmpeg() {
        return;
    }
    let place = Place::new();
    clip(&place, 4, "-c:v libx264 -c:a aac", "in.mp4");
    let short = ["in.mp4", "--no-hud", "--max-frames", "45", "--out", "short.mp4", "--json"];
    report(&place.webcam(&short).output().unwrap(), 0);
    let (video, sound, _) = lengths(&place, "short.mp4");
    assert!((video - 1.5).abs() < 1e-3 && sound.is_some_and(|s| (s - 1.5).abs() < 0.02), "{video} {sound:?}");
    assert_eq!(tones(&place, "short.mp4").len(), 2);
    let silent = ["in.mp4", "--no-hud", "--max-frames", "15", "--no-audio", "--out", "silent.mp4", "--json"];
    report(&place.webcam(&silent).output().unwrap(), 0);
    assert_eq!(lengths(&place, "silent.mp4").1, None);
    // What is not kept is said, unless that was asked for.
    let run = |more: &[&str]| {
        let args = [&["in.mp4", "--max-frames", "3", "--force", "--out", "a.avi"], more].concat();
        text(&place.webcam(&args).output().unwrap().stderr)
    };
    assert!(run(&[]).contains("a.avi has none, name FILE.mp4"), "{}", run(&[]));
    assert!(!run(&["--no-audio"]).contains("sound"));
}
