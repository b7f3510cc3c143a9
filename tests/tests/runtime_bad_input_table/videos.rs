//! Clips, streams and programs that send something else than they say.

use std::os::unix::fs::symlink;

use rustix::fs::{CWD, FileType, Mode, mknodat};

use super::harness::{Row, Stdin, row};
use super::inputs::{avi, case, jpeg, large_jpeg, mp4, mp4_of_frames, png, y4m};

const PLAY: &str = "webcam clip --headless --out null";

fn play(what: &'static str, content: impl Into<Vec<u8>>) -> Row {
    row(what, PLAY).file("clip", content)
}

pub fn files() -> Vec<Row> {
    let frame = jpeg(64, 48);
    let sound = avi((64, 48), &vec![frame.clone(); 3]);
    let broken = avi((64, 48), &[frame.clone(), frame[..frame.len() / 4].to_vec()]);
    let mut stream = y4m(3);
    stream.truncate(stream.len() - 1);
    let fifo = |name: &'static str| {
        move |dir: &std::path::Path| {
            mknodat(CWD, dir.join(name), FileType::Fifo, Mode::from_raw_mode(0o600), 0).unwrap();
        }
    };
    vec![
        row("missing", "webcam none.mp4 --headless --out null"),
        play("empty", ""),
        play("text", "not a clip, whatever its name"),
        play("an MP4 cut in its head", *b"\0\0\0\x18ftypisom\0\0\0\0isommp41\0\0\x10\0mdat\0\0"),
        row("an MP4 cut short", PLAY).make(|dir| {
            let content = mp4(dir);
            std::fs::write(dir.join("clip"), &content[..content.len() - 200]).unwrap();
        }),
        row("an MP4 without a key frame", PLAY).make(|dir| {
            let mut content = mp4(dir);
            // The first frame is there as its length in four bytes, then its kind: 5 stands alone, 1 does not.
            let key = (0..content.len() - 5)
                .find(|&at| {
                    let length = u32::from_be_bytes(content[at..at + 4].try_into().unwrap()) as usize;
                    content[at + 4] == 0x65 && (8..content.len() - at - 3).contains(&length)
                })
                .unwrap()
                + 4;
            content[key] = 0x41;
            std::fs::write(dir.join("clip"), content).unwrap();
        }),
        row("an MP4 that says to have 5 million frames", PLAY)
            .make(|dir| std::fs::write(dir.join("clip"), mp4_of_frames(dir, 5_000_000)).unwrap()),
        play("an MP4 that says to have 2^31 frames", case("b_stsz_fixed.mp4")),
        play("an MP4 of which 1 of 10 frames can be decoded", case("one_of_ten_frames.mp4")).exits(2, 1),
        play("an MP4 whose pictures change size", case("change.mp4")).exits(2, 1),
        play("MPEG-4 Part 2, without ffmpeg", case("mpeg4.mp4")),
        play("an AVI cut short", &sound[..sound.len() - 5]),
        play("an AVI without frames", avi((64, 48), &[])),
        play("an AVI of 0 x 0", avi((0, 0), std::slice::from_ref(&frame))),
        play("an AVI of 100,000 x 100,000", avi((100_000, 100_000), std::slice::from_ref(&frame))),
        play("an AVI of 2^32 - 1 a side", avi((u32::MAX, u32::MAX), std::slice::from_ref(&frame))),
        row("the same, for its faces", "detect clip.avi --json")
            .file("clip.avi", avi((u32::MAX, u32::MAX), std::slice::from_ref(&frame))),
        play("an AVI whose second frame is cut", broken),
        play("an AVI whose pictures change size", avi((64, 48), &[frame, jpeg(320, 240)])).exits(0, 0),
        play("an AVI of 8K", avi((7680, 4320), &vec![large_jpeg(); 3])).exits(0, 0).takes(6.0, 500),
        play("y4m cut in a frame", stream.clone()),
        row("the same, for its faces", "detect clip.y4m --json").file("clip.y4m", stream),
        play("y4m without a width, without ffmpeg", *b"YUV4MPEG2 H48 F25:1\nFRAME\n"),
        play("y4m of 20000 x 20000, without ffmpeg", *b"YUV4MPEG2 W20000 H20000 F25:1\nFRAME\n"),
        row("a pipe by its name", "webcam pipe --headless --out null").make(fifo("pipe")),
        row("a pipe by its name, that drives", "reenact -s seed:1 pipe --headless --out null")
            .make(fifo("pipe")),
        row("/dev/zero", "webcam /dev/zero --headless --out null"),
        row("a terminal", "webcam /dev/tty --headless --out null"),
        row("a loop of links", "webcam a --headless --out null").make(|dir| {
            symlink("b", dir.join("a")).unwrap();
            symlink("a", dir.join("b")).unwrap();
        }),
        row("a folder without pictures", "webcam empty --headless --out null")
            .make(|dir| std::fs::create_dir(dir.join("empty")).unwrap()),
        row("numbered pictures that are not there", "webcam f%03d.png --headless --out null"),
        row("numbered pictures, one of them broken", "webcam f%d.png --headless --out null")
            .file("f1.png", png(40, 40))
            .file("f2.png", "x"),
    ]
}

pub fn streams() -> Vec<Row> {
    let read = |what, line, bytes: Vec<u8>| row(what, line).stdin(Stdin::Bytes(bytes));
    let live = "webcam - --headless --out null";
    let mut cut = y4m(3);
    cut.truncate(cut.len() - 100);
    vec![
        read("nothing on standard input", live, Vec::new()),
        read("rubbish on standard input", live, vec![7; 100_000]),
        read("y4m without a rate", live, b"YUV4MPEG2 W64\n".to_vec()),
        read(
            "y4m of 8K whose pixels are eight times as wide: read as it is stored",
            live,
            [&b"YUV4MPEG2 W8192 H4320 F25:1 A8:1 Cmono\nFRAME\n"[..], &vec![90; 8192 * 4320]].concat(),
        )
        .exits(0, 0)
        .takes(4.0, 500),
        read("y4m of more pixels than 8K", live, b"YUV4MPEG2 W8192 H8192 F25:1 Cmono\n".to_vec()),
        read("interlaced y4m", live, b"YUV4MPEG2 W64 H48 F25:1 It\n".to_vec()),
        read("y4m of 10 bits", live, b"YUV4MPEG2 W64 H48 F25:1 C420p10\n".to_vec()),
        read("bare RGB without --size", live, vec![0; 64 * 48 * 3]),
        read(
            "a program that ends in a frame: what was recorded stays",
            "webcam - --headless --out a.avi --keypoints k.jsonl --json",
            cut.clone(),
        )
        .leaves(&["a.avi", "k.jsonl"]),
        read(
            "bare RGB of another size",
            "webcam - --size 64x64 --headless --out null --json",
            vec![0; 64 * 48 * 5],
        ),
        read("it cannot be looped", "webcam - --loop --headless --out null", Vec::new()),
        row("exec: of no command", "webcam exec: --headless --out null"),
        row("exec: of a program that is not there", "webcam exec:/none/such --headless --out null"),
        row(
            "exec: of one that sends rubbish",
            "webcam 'exec:/usr/bin/head -c 3000000 /dev/zero' --headless --out null",
        ),
        row(
            "exec: of one that fails",
            "webcam \"exec:/bin/sh -c 'echo no lens >&2; exit 3'\" --headless --out null",
        ),
        row("rtsp: without a host", "webcam rtsp:// --headless --out null"),
        row("rtsp: with a password and a blank", "webcam 'rtsp://me:secret@cam/a b' --headless --out null"),
        row("csi: without a number", "webcam csi://x --headless --out null"),
        row("a camera that is not there", "webcam camera://97 --headless --out null"),
    ]
}
