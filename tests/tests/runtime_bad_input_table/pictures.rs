//! Pictures that are none, claim to be what they are not, or are odd.

use std::os::unix::fs::symlink;

use image::{DynamicImage, ImageBuffer, ImageFormat, Rgb};
use rustix::fs::{CWD, FileType, Mode, mknodat};

use super::harness::{Row, row};
use super::inputs::{
    animated_png, case, cmyk_jpeg, encoded, jpeg, noted_jpeg, png, png_of_palette, png_of_size,
    png_with_profile, progressive_jpeg,
};

pub fn rows() -> Vec<Row> {
    let (whole_png, whole_jpeg) = (png(40, 40), jpeg(40, 40));
    let mut wrong_sum = whole_png.clone();
    let last = wrong_sum.len() - 14;
    wrong_sum[last] ^= 0x55;
    let deep: ImageBuffer<Rgb<u16>, Vec<u16>> = ImageBuffer::from_pixel(40, 40, Rgb([9000, 300, 60_000]));
    let mut rows = vec![
        row("missing", "detect none.png"),
        row("empty", "detect empty.png").file("empty.png", ""),
        row("text", "detect text.jpg").file("text.jpg", "not a picture"),
        row("a PNG cut short", "detect cut.png").file("cut.png", &whole_png[..whole_png.len() / 2]),
        row("a PNG cut in its head", "detect cut.png").file("cut.png", &whole_png[..20]),
        row("a PNG with a byte flipped", "detect flipped.png").file("flipped.png", wrong_sum),
        row("a JPEG cut short", "detect cut.jpg").file("cut.jpg", &whole_jpeg[..whole_jpeg.len() - 40]),
        row("a JPEG cut in its head", "detect cut.jpg").file("cut.jpg", &whole_jpeg[..30]),
        row("a WebP that is not one", "detect x.webp")
            .file("x.webp", *b"RIFF\xff\xff\xff\xffWEBPVP8 xxxxxxxx"),
        row("a PNG of 50,000 x 50,000 in 70 bytes", "detect bomb.png")
            .file("bomb.png", png_of_size(50_000, 50_000)),
        row("a PNG of 0 x 0", "detect none.png").file("none.png", png_of_size(0, 0)),
        row("a PNG of 1 x 65535", "detect thin.png").file("thin.png", png_of_size(1, 65_535)),
        row("a PNG of 200 megapixels", "detect large.png").file("large.png", png_of_size(16_000, 12_500)),
        row("a PNG of 2^31 x 2^31", "detect huge.png").file("huge.png", png_of_size(1 << 31, 1 << 31)),
        row("a PNG whose palette ends within a colour", "detect palette.png")
            .file("palette.png", png_of_palette()),
        row("a progressive JPEG of 100 megapixels", "detect progressive.jpg")
            .file("progressive.jpg", progressive_jpeg()),
        row("a JPEG with 40 MB of notes", "detect notes.jpg").file("notes.jpg", noted_jpeg()),
        row("HEIC", "detect telephone.heic").file("telephone.heic", case("heic.heic")),
        row("HEIC as a clip", "webcam telephone.heic --headless --out null")
            .file("telephone.heic", case("heic.heic")),
        row("AVIF", "detect x.avif").file("x.avif", *b"\0\0\0\x18ftypavif\0\0\0\0avifmif1"),
        row("GIF", "detect x.gif").file("x.gif", *b"GIF89a\x01\0\x01\0\0\0\0;"),
        row("TIFF", "detect x.tiff").file("x.tiff", *b"II*\0\x08\0\0\0\0\0"),
        row("a folder without pictures", "detect empty")
            .make(|dir| std::fs::create_dir(dir.join("empty")).unwrap()),
        row("a folder for a picture", "edit folder --out a.png")
            .make(|dir| std::fs::create_dir(dir.join("folder")).unwrap()),
        row("a pipe", "detect pipe.png").make(|dir| {
            mknodat(CWD, dir.join("pipe.png"), FileType::Fifo, Mode::from_raw_mode(0o600), 0).unwrap();
        }),
        row("/dev/zero", "detect /dev/zero"),
        row("a loop of links", "detect a.png").make(|dir| {
            symlink("b.png", dir.join("a.png")).unwrap();
            symlink("a.png", dir.join("b.png")).unwrap();
        }),
        row("a link that leads nowhere", "detect a.png")
            .make(|dir| symlink("gone", dir.join("a.png")).unwrap()),
        row("a name that would clear the screen", "detect \u{1b}[2Jnone.png"),
        row("a photo too small for a face", "edit small.png --out a.png")
            .portrait()
            .file("small.png", png(8, 900)),
        row("a photo without a face", "edit plain.png --out a.png").portrait().file("plain.png", png(64, 64)),
    ];
    rows.extend([
        row("animated PNG: the first picture", "detect animated.png --json")
            .reads()
            .file("animated.png", animated_png()),
        row("CMYK: read without its profile, which is said", "detect inks.jpg")
            .exits(0, 1)
            .file("inks.jpg", cmyk_jpeg()),
        row("a PNG with a colour profile of 40 MiB: left out, which is said", "detect profile.png")
            .exits(0, 1)
            .file("profile.png", png_with_profile()),
        row("a name that would clear the screen, in JSON", "detect \u{9b}2Jp.png --json")
            .reads()
            .file("\u{9b}2Jp.png", png(40, 40)),
        row("16 bits a channel", "detect deep.png")
            .reads()
            .file("deep.png", encoded(DynamicImage::ImageRgb16(deep), ImageFormat::Png)),
        row("a PNG with the name of a JPEG", "detect named.jpg").reads().file("named.jpg", whole_png),
        row("1 x 16384", "detect thin.png").reads().file("thin.png", png(1, 16_384)),
        row(
            "16384 x 1 as a clip, with a contact sheet",
            "webcam thin.png --headless --sheet sheet.png --json",
        )
        .exits(0, 0)
        .leaves(&["sheet.png"])
        .file("thin.png", png(16_384, 1)),
        row(
            "1 x 16384 as a clip, with a contact sheet",
            "webcam thin.png --headless --sheet sheet.png --json",
        )
        .exits(0, 0)
        .leaves(&["sheet.png"])
        .file("thin.png", png(1, 16_384)),
        row("1 x 16384 drives a face", "reenact -s seed:1 thin.png --headless --out a.avi --json")
            .exits(0, 0)
            .leaves(&["a.avi"])
            .file("thin.png", png(1, 16_384)),
        row("33 megapixels", "detect large.png").reads().takes(3.0, 500).file("large.png", png(7680, 4320)),
    ]);
    rows
}
