//! What a clip says of itself is honoured: one film as many kinds of files gives the same pictures, size and times.

#![allow(clippy::unwrap_used)]

mod common;

use std::path::{Path, PathBuf};
use std::time::Duration;

use common::{Place, ffmpeg, has_ffmpeg, report, text};
use image::{Rgb, RgbImage};
use lkg_runtime::video::{Next, SourceOptions, SourceSpec, open};

/// Pictures of the film, and how many of them are shown in a second.
const FRAMES: usize = 12;
const FPS: f64 = 24.0;
/// Patches of 16 pixels, beside and above each other.
const PATCHES: (u32, u32) = (8, 6);

/// A clip as it was read.
struct Seen {
    described: String,
    pictures: Vec<RgbImage>,
    seconds: Vec<f64>,
}

fn see(path: &Path) -> Seen {
    let spec: SourceSpec = path.to_str().unwrap().parse().unwrap();
    let mut source =
        open(&spec, &SourceOptions { fps: Some(FPS as f32), ..SourceOptions::default() }).unwrap();
    let (mut pictures, mut seconds) = (Vec::new(), Vec::new());
    loop {
        match source.next(Duration::from_secs(10)).unwrap() {
            Next::Frame(captured) => {
                assert_eq!(captured.frame.index, pictures.len() as u64, "{}", path.display());
                pictures.push(captured.frame.picture);
                seconds.push(captured.frame.time.as_secs_f64());
            }
            Next::Waiting => {}
            Next::End => break,
        }
    }
    Seen { described: source.describe(), pictures, seconds }
}

fn case(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/fixtures/cases").join(name)
}

/// The colour of a patch of a picture: none is near an end, where all conversions cut.
fn patch(frame: usize, column: u32, row: u32) -> [u8; 3] {
    let n = frame as u32 * 5 + column + row * PATCHES.0;
    [n * 37 % 160, n * 91 % 160, n * 53 % 160].map(|value| 50 + value as u8)
}

fn film(folder: &Path) {
    for frame in 0..FRAMES {
        let picture =
            RgbImage::from_fn(16 * PATCHES.0, 16 * PATCHES.1, |x, y| Rgb(patch(frame, x / 16, y / 16)));
        picture.save(folder.join(format!("in{frame:03}.png"))).unwrap();
    }
}

/// The largest difference between the middles of patches and their colours, `turned` clockwise or not.
fn worst(picture: &RgbImage, frame: usize, turned: bool) -> u8 {
    let (width, height) = picture.dimensions();
    let mut worst = 0;
    for (column, row) in (0..PATCHES.0).flat_map(|c| (0..PATCHES.1).map(move |r| (c, r))) {
        let (x, y) = ((column as f64 + 0.5) / PATCHES.0 as f64, (row as f64 + 0.5) / PATCHES.1 as f64);
        let (x, y) = if turned { (1.0 - y, x) } else { (x, y) };
        let seen = picture.get_pixel((x * width as f64) as u32, (y * height as f64) as u32).0;
        let wanted = patch(frame, column, row);
        worst = seen.iter().zip(wanted).map(|(a, b)| a.abs_diff(b)).max().unwrap().max(worst);
    }
    worst
}

/// A kind of file.
struct Kind {
    name: &'static str,
    /// What makes it of the film's pictures.
    how: &'static str,
    size: (u32, u32),
    /// Largest difference of a patch; none where halves of pictures are mixed.
    within: Option<u8>,
    /// Whether the program reads it by itself.
    here: bool,
}

const IN: &str = "-framerate 24 -i in%03d.png";

fn kinds() -> Vec<Kind> {
    let plain = (128, 96);
    let kind = |name, how, size, here| Kind { name, how, size, within: Some(3), here };
    let h264 = "-pix_fmt yuv420p -c:v libx264 -qp 1";
    let leak = |text: String| -> &'static str { Box::leak(text.into_boxed_str()) };
    let matrix = |matrix: &str, range: &str, tags: &str, codec: &str| {
        leak(format!(
            "{IN} -vf scale=out_color_matrix={matrix}:out_range={range}:flags=accurate_rnd+full_chroma_int+bicubic,\
             format=yuv420p {tags} -color_range {range} {codec}"
        ))
    };
    let x264 = "-c:v libx264 -qp 1";
    let hevc = "-c:v libx265 -x265-params lossless=1:log-level=error";
    let bt709 = "-colorspace bt709 -color_primaries bt709 -color_trc bt709";
    let bt601 = "-colorspace smpte170m -color_primaries smpte170m -color_trc smpte170m";
    let bt470 = "-colorspace bt470bg -color_primaries bt470bg -color_trc bt709";
    let wide = "format=gbrp,zscale=min=gbr:pin=bt709:tin=bt709:rin=full:m=gbr:p=bt709:r=full:t=linear:npl=203,format=gbrpf32le";
    let bt2020 = "-colorspace bt2020nc -color_primaries bt2020";
    let mut kinds = vec![
        kind("plain.mp4", leak(format!("{IN} {h264} -bf 3")), plain, true),
        kind("baseline.mp4", leak(format!("{IN} {h264} -profile:v baseline")), plain, true),
        kind(
            "open.mp4",
            leak(format!("{IN} {h264} -x264-params open-gop=1:keyint=4:min-keyint=4:bframes=2")),
            plain,
            true,
        ),
        kind(
            "phone.mov",
            leak(format!("{IN} -f lavfi -i sine=d=0.5 {h264} -c:a aac -shortest")),
            plain,
            true,
        ),
        kind("late.mp4", leak(format!("{IN} {h264} -movflags faststart")), plain, true),
        kind("plain.mkv", leak(format!("{IN} {h264}")), plain, false),
        kind(
            "fragments.mp4",
            leak(format!("{IN} {h264} -bf 0 -movflags frag_keyframe+empty_moov")),
            plain,
            false,
        ),
        kind("plain.ts", leak(format!("{IN} {h264}")), plain, false),
        kind("hevc.mp4", leak(format!("{IN} -pix_fmt yuv420p {hevc}")), plain, false),
        kind("ten.mp4", leak(format!("{IN} -pix_fmt yuv420p10le {hevc}")), plain, false),
        kind("vp9.webm", leak(format!("{IN} -pix_fmt yuv420p -c:v libvpx-vp9 -lossless 1")), plain, false),
        kind("film.y4m", leak(format!("{IN} -pix_fmt yuv420p")), plain, true),
        kind("film422.y4m", leak(format!("{IN} -pix_fmt yuv422p")), plain, true),
        kind("png.mov", leak(format!("{IN} -c:v png")), plain, false),
        kind("rgb.avi", leak(format!("{IN} -c:v ffv1 -pix_fmt gbrp")), plain, false),
        kind("high444.mp4", leak(format!("{IN} -pix_fmt yuv444p -c:v libx264 -qp 1")), plain, false),
        kind("bt709.mp4", matrix("bt709", "tv", bt709, x264), plain, true),
        kind("bt709-hevc.mp4", matrix("bt709", "tv", bt709, hevc), plain, false),
        kind("bt601.mp4", matrix("smpte170m", "tv", bt601, x264), plain, true),
        kind("bt470-hevc.mov", matrix("bt470bg", "tv", bt470, hevc), plain, false),
        kind("full.mp4", matrix("bt709", "pc", bt709, x264), plain, true),
        kind("full-hevc.mp4", matrix("bt709", "pc", bt709, hevc), plain, false),
        kind("full601.mkv", matrix("smpte170m", "pc", bt601, x264), plain, false),
        kind("wide.mp4", leak(format!("{IN} {h264} -vf setsar=2/1")), (256, 96), true),
        kind("tall.mp4", leak(format!("{IN} {h264} -vf setsar=3/4")), (128, 128), true),
        kind("wide-hevc.mkv", leak(format!("{IN} -pix_fmt yuv420p {hevc} -vf setsar=2/1")), (256, 96), false),
        kind("wide.y4m", leak(format!("{IN} -pix_fmt yuv420p -vf setsar=2/1")), (256, 96), true),
        Kind {
            within: None,
            ..kind(
                "interlaced.mp4",
                leak(format!("{IN} {h264} -flags +ilme+ildct -x264-params tff=1")),
                plain,
                false,
            )
        },
        Kind {
            within: None,
            ..kind(
                "interlaced.mpg",
                leak(format!("{IN} -c:v mpeg2video -q:v 1 -flags +ilme+ildct -top 1")),
                plain,
                false,
            )
        },
    ];
    for (name, transfer, within) in
        [("pq.mp4", "smpte2084", 3), ("hlg.mp4", "arib-std-b67", 3), ("bt2020.mp4", "bt2020-10", 4)]
    {
        let how = leak(format!(
            "{IN} -vf {wide},zscale=t={transfer}:p=bt2020:m=bt2020nc:r=limited:npl=203,format=yuv420p10le {bt2020} \
             -color_trc {transfer} -color_range tv {hevc}"
        ));
        kinds.push(Kind { within: Some(within), ..kind(name, how, plain, false) });
    }
    kinds
}

#[test]
fn one_film_is_the_same_as_any_kind_of_file() {
    if !has_ffmpeg() {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    film(dir.path());
    let mut wrong = Vec::new();
    for Kind { name, how, size, within, here } in kinds() {
        ffmpeg(dir.path(), &format!("{how} {name}"));
        let seen = see(&dir.path().join(name));
        let times = seen.seconds.iter().enumerate().map(|(i, s)| (s - i as f64 / FPS).abs());
        let off = times.fold(0.0, f64::max);
        let worst = seen.pictures.iter().enumerate().map(|(i, p)| worst(p, i, false)).max().unwrap_or(255);
        let read_here = !seen.described.contains("through ffmpeg");
        println!("{name}: {} pictures, {worst} of 255, {off:.6} s, {}", seen.pictures.len(), seen.described);
        let same_size = seen.pictures.iter().all(|p| p.dimensions() == size);
        let fits = within.is_none_or(|within| worst <= within);
        if seen.pictures.len() != FRAMES || !same_size || off > 1e-3 || !fits || read_here != here {
            wrong.push(name);
        }
    }
    // The pictures themselves.
    let seen = see(&dir.path().join("in%03d.png"));
    assert_eq!(seen.pictures.len(), FRAMES);
    assert!(seen.pictures.iter().enumerate().all(|(i, p)| worst(p, i, false) == 0));
    assert!(wrong.is_empty(), "{wrong:?}");
}

#[test]
fn what_was_filmed_upright_is_shown_upright() {
    if !has_ffmpeg() {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    film(dir.path());
    for (name, codec) in [
        ("turned.mp4", "-c:v libx264 -qp 1"),
        ("turned-hevc.mov", "-c:v libx265 -x265-params lossless=1:log-level=error"),
    ] {
        ffmpeg(dir.path(), &format!("{IN} -pix_fmt yuv420p {codec} lying-{name}"));
        // ffmpeg counts against the clock from some version on, and this key with it in every version.
        ffmpeg(dir.path(), &format!("-i lying-{name} -c copy -metadata:s:v rotate=270 {name}"));
        let seen = see(&dir.path().join(name));
        assert_eq!(seen.pictures.len(), FRAMES, "{name}");
        assert_eq!(seen.pictures[3].dimensions(), (96, 128), "{name}");
        // ffmpeg itself says which way round.
        ffmpeg(dir.path(), &format!("-i {name} -frames:v 1 shown.png"));
        let shown = image::open(dir.path().join("shown.png")).unwrap().into_rgb8();
        assert_eq!(shown.dimensions(), (96, 128));
        let far = shown.iter().zip(seen.pictures[0].iter()).filter(|(a, b)| a.abs_diff(**b) > 5).count();
        assert!(far < shown.len() / 100, "{name}: {far} numbers of {}", shown.len());
    }
}

#[test]
fn times_are_the_clips_own() {
    if !has_ffmpeg() {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    film(dir.path());
    let when = |i: usize| if i < 6 { i as f64 / FPS } else { 0.25 + (i - 6) as f64 * 5.0 / FPS };
    let rate = "setpts='if(lt(N,6),N,6+(N-6)*5)/24/TB'";
    for (name, codec) in [
        ("vfr.mp4", "-c:v libx264 -qp 1 -bf 2 -video_track_timescale 24000"),
        ("vfr-hevc.mp4", "-c:v libx265 -x265-params log-level=error -video_track_timescale 24000"),
        ("vfr.webm", "-c:v libvpx-vp9 -lossless 1"),
    ] {
        ffmpeg(
            dir.path(),
            &format!("{IN} -vf settb=1/24000,{rate} -vsync passthrough -pix_fmt yuv420p {codec} {name}"),
        );
        let seen = see(&dir.path().join(name));
        assert_eq!(seen.seconds.len(), FRAMES, "{name}");
        for (i, seconds) in seen.seconds.iter().enumerate() {
            assert!((seconds - when(i)).abs() <= 1e-3, "{name}: frame {i} at {seconds}, not {}", when(i));
        }
    }
    // Half of a clip, cut without decoding: an edit list hides what comes before.
    for (name, codec) in [
        ("h.mp4", "-c:v libx264 -qp 1 -bf 2"),
        ("x.mp4", "-c:v libx265 -x265-params log-level=error:lossless=1"),
    ] {
        ffmpeg(dir.path(), &format!("{IN} -pix_fmt yuv420p {codec} whole-{name}"));
        ffmpeg(dir.path(), &format!("-ss 0.25 -i whole-{name} -c copy {name}"));
        let seen = see(&dir.path().join(name));
        assert_eq!(seen.pictures.len(), 6, "{name}");
        for (i, picture) in seen.pictures.iter().enumerate() {
            assert!((seen.seconds[i] - i as f64 / FPS).abs() <= 1e-3, "{name}: {:?}", seen.seconds);
            assert!(worst(picture, i + 6, false) <= 3, "{name}: frame {i}");
        }
    }
}

/// A frame that the built-in decoder fails on was skipped, and all that depend on it shown broken.
#[test]
fn damage_on_the_way_ends_nothing() {
    if !has_ffmpeg() {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    film(dir.path());
    ffmpeg(dir.path(), &format!("{IN} -pix_fmt yuv420p -c:v libx264 -qp 1 -g 4 -bf 0 clip.mp4"));
    let path = dir.path().join("clip.mp4");
    let mut bytes = std::fs::read(&path).unwrap();
    let data = bytes.windows(4).position(|w| w == b"mdat").unwrap();
    let middle = data + (bytes.len() - data) / 2;
    bytes[middle..middle + 200].fill(0xff);
    std::fs::write(&path, &bytes).unwrap();
    let seen = see(&path);
    println!("{} pictures", seen.pictures.len());
    assert!((8..=FRAMES).contains(&seen.pictures.len()), "{}", seen.pictures.len());
    assert!(seen.seconds.windows(2).all(|w| w[0] < w[1]), "{:?}", seen.seconds);
    assert!(worst(&seen.pictures[0], 0, false) <= 3);
}

/// Clips that were refused, squeezed, shown longer than they are or in other colours.
#[test]
fn clips_that_went_wrong_are_right() {
    let there = has_ffmpeg();
    let patches = image::open(case("patches.png")).unwrap().into_rgb8();
    for (name, frames, size, last, here) in [
        ("quicktime-aac.mov", 60, (320, 240), 59.0 / 30.0, true),
        ("interlaced.mp4", 60, (320, 240), 59.0 / 30.0, false),
        ("cut-open-gop.mp4", 36, (320, 240), 35.0 / 30.0, false),
        ("edit-list.mp4", 24, (320, 240), 23.0 / 30.0, true),
        ("nonsquare.mp4", 60, (320, 240), 59.0 / 30.0, true),
        ("vfr.mp4", 35, (320, 240), 1.8, true),
        ("colours-bt709.mp4", 10, (480, 360), 0.36, true),
        ("colours-bt709-hevc-right.mp4", 10, (480, 360), 0.36, false),
    ] {
        if !here && !there {
            continue;
        }
        let seen = see(&case(name));
        assert_eq!((seen.pictures.len(), seen.pictures[0].dimensions()), (frames, size), "{name}");
        assert!((seen.seconds[frames - 1] - last).abs() < 1e-3, "{name}: {:?}", seen.seconds);
        assert_eq!(!seen.described.contains("through ffmpeg"), here, "{name}: {}", seen.described);
        if name.starts_with("colours") {
            // Away from the edges of patches, which codecs blur.
            for (x, y, wanted) in patches.enumerate_pixels() {
                let near = |dx: i32, dy: i32| {
                    let (x, y) = (x as i32 + dx, y as i32 + dy);
                    (0..480).contains(&x)
                        && (0..360).contains(&y)
                        && patches.get_pixel(x as u32, y as u32) == wanted
                };
                if [(-8, -8), (8, -8), (-8, 8), (8, 8)].iter().all(|(dx, dy)| near(*dx, *dy)) {
                    let pixel = seen.pictures[5].get_pixel(x, y);
                    let far = pixel.0.iter().zip(wanted.0).any(|(a, b)| a.abs_diff(b) > 3);
                    assert!(!far, "{name}: {pixel:?} at {x}, {y}, not {wanted:?}");
                }
            }
        }
    }
}

#[test]
fn without_ffmpeg_it_is_said_what_needs_it() {
    let place = Place::new();
    let run = |name: &str| {
        let path = case(name);
        let mut command = place.webcam(&[path.to_str().unwrap(), "--out", "null", "--json"]);
        command.env("PATH", "").output().unwrap()
    };
    for name in ["quicktime-aac.mov", "edit-list.mp4", "nonsquare.mp4", "vfr.mp4", "colours-bt709.mp4"] {
        report(&run(name), 0);
    }
    for (name, what) in [
        ("interlaced.mp4", "reading interlaced video needs ffmpeg"),
        ("cut-open-gop.mp4", "reading video that begins between two key frames needs ffmpeg"),
        ("colours-bt709-hevc-right.mp4", "reading this kind of video needs ffmpeg"),
    ] {
        let output = run(name);
        let said = text(&output.stderr);
        assert!(output.status.code() == Some(2) && said.contains(what), "{name}: {said}");
    }
}

/// An AVI was written at one mean rate.
#[test]
fn recordings_keep_the_times_of_frames() {
    let place = Place::new();
    let vfr = case("vfr.mp4");
    let made = place
        .webcam(&[vfr.to_str().unwrap(), "--no-hud", "--out", "o.avi", "--out", "o.mp4", "--json"])
        .output();
    report(&made.unwrap(), 0);
    for name in ["o.avi", "o.mp4"] {
        let seen = see(&place.path(name));
        assert_eq!(seen.seconds.len(), 35, "{name}");
        for (i, seconds) in seen.seconds.iter().enumerate() {
            let wanted = if i <= 30 { i as f64 / 30.0 } else { 1.0 + (i - 30) as f64 / 5.0 };
            assert!((seconds - wanted).abs() <= 1e-3, "{name}: frame {i} at {seconds}, not {wanted}");
        }
    }
}
