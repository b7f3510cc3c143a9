//! What a photo is beyond its pixels: its profile, alpha, greyness, depth, orientation and density come through `runtime edit`,
//! `runtime reenact` and `runtime detect --out`. The files of `fixtures/cases` failed once; others of their kinds are made here.

#![allow(clippy::unwrap_used)]

use std::fs;
use std::io::Cursor;
use std::path::{Path, PathBuf};

use image::{DynamicImage, ImageDecoder, ImageFormat, ImageReader, RgbImage};
use jpeg_encoder::{ColorType, Encoder, PixelDensity};
use workspace_tests::{Outcome, runtime};

fn case(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/cases").join(name)
}

fn open(path: impl AsRef<Path>) -> DynamicImage {
    image::open(path).unwrap()
}

/// The profile in a picture's file.
fn profile(path: &Path) -> Option<Vec<u8>> {
    let reader = ImageReader::open(path).unwrap().with_guessed_format().unwrap();
    reader.into_decoder().unwrap().icc_profile().unwrap()
}

/// Pixels a metre, of a PNG.
fn density(path: &Path) -> Option<(u32, u32)> {
    let reader = png::Decoder::new(Cursor::new(fs::read(path).unwrap())).read_info().unwrap();
    reader.info().pixel_dims.map(|d| (d.xppu, d.yppu))
}

/// Mean absolute difference, of 255.
fn difference(a: &RgbImage, b: &RgbImage) -> f64 {
    assert_eq!(a.dimensions(), b.dimensions());
    let sum: u64 = a.iter().zip(b.iter()).map(|(a, b)| u64::from(a.abs_diff(*b))).sum();
    sum as f64 / a.len() as f64
}

struct Place(tempfile::TempDir);

impl Place {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn text(&self, name: &str) -> String {
        self.path(name).to_str().unwrap().to_owned()
    }

    fn write(&self, name: &str, content: &[u8]) -> PathBuf {
        fs::write(self.path(name), content).unwrap();
        self.path(name)
    }

    fn try_edit(&self, photo: &Path, out: &str) -> Outcome {
        let swap = ["--swap", "eyes=seed:4", "-o", &self.text(out), "--force"];
        runtime(&[&["edit", photo.to_str().unwrap(), "--provider", "cpu"][..], &swap].concat())
    }

    /// The photo with other eyes.
    fn edit(&self, photo: &Path, out: &str) -> DynamicImage {
        self.try_edit(photo, out).succeeded();
        open(self.path(out))
    }
}

/// A face of the fixtures as a JPEG with these segments after its first marker.
fn jpeg(picture: &DynamicImage, segments: &[u8], set: impl FnOnce(&mut Encoder<&mut Vec<u8>>)) -> Vec<u8> {
    let (width, height) = (picture.width() as u16, picture.height() as u16);
    let mut content = Vec::new();
    let mut encoder = Encoder::new(&mut content, 95);
    set(&mut encoder);
    match picture {
        DynamicImage::ImageLuma8(grey) => encoder.encode(grey, width, height, ColorType::Luma),
        other => encoder.encode(&other.to_rgb8(), width, height, ColorType::Rgb),
    }
    .unwrap();
    content.splice(2..2, segments.iter().copied());
    content
}

/// EXIF that says how the picture is to be turned.
fn orientation(value: u8) -> Vec<u8> {
    let mut exif = b"\xff\xe1\0\x22Exif\0\0MM\0\x2a\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0".to_vec();
    exif.extend([value, 0, 0, 0, 0, 0, 0]);
    exif
}

#[test]
fn grey_photos_stay_grey() {
    let place = Place::new();
    let original = open(case("gray.png"));
    let edited = place.edit(&case("gray.png"), "a.png");
    assert_eq!(edited.color(), image::ColorType::L8);
    assert!(difference(&edited.to_rgb8(), &original.to_rgb8()) > 0.05, "nothing was edited");

    // A grey JPEG, and one of colours that shows greys.
    let grey = place.write("grey.jpg", &jpeg(&original, &[], |_| {}));
    assert_eq!(place.edit(&grey, "b.jpg").color(), image::ColorType::L8);
    let as_colours = DynamicImage::ImageRgb8(original.to_rgb8());
    as_colours.save(place.path("rgb.png")).unwrap();
    let edited = place.edit(&place.path("rgb.png"), "c.png");
    assert_eq!(edited.color(), image::ColorType::Rgb8);
    assert!(edited.to_rgb8().pixels().all(|p| p[0] == p[1] && p[1] == p[2]), "orange spots");

    // Grey with alpha, and in 16 bits.
    DynamicImage::ImageLumaA8(original.to_luma_alpha8()).save(place.path("la.png")).unwrap();
    assert_eq!(place.edit(&place.path("la.png"), "d.png").color(), image::ColorType::La8);
    DynamicImage::ImageLuma16(original.to_luma16()).save(place.path("l16.png")).unwrap();
    assert_eq!(place.edit(&place.path("l16.png"), "e.png").color(), image::ColorType::L16);
}

#[test]
fn colours_mean_what_they_meant() {
    let place = Place::new();
    let wide = case("display-p3.png");
    let icc = profile(&wide).unwrap();
    let original = open(&wide);
    for out in ["a.png", "a.jpg"] {
        let edited = place.edit(&wide, out);
        assert_eq!(profile(&place.path(out)), Some(icc.clone()), "{out}");
        // Under the same profile the same numbers are the same colours.
        assert!(difference(&edited.to_rgb8(), &original.to_rgb8()) < 8.0, "{out}");
    }
    // A JPEG with a profile of another kind, in parts, and a density.
    let adobe: Vec<u8> = icc.iter().copied().chain((0..70_000u32).map(|i| i as u8)).collect();
    let content = jpeg(&original, &[], |encoder| {
        encoder.add_icc_profile(&adobe).unwrap();
        encoder.set_density(PixelDensity::dpi(300));
    });
    let photo = place.write("adobe.jpg", &content);
    for out in ["b.png", "b.jpg"] {
        place.edit(&photo, out);
        assert_eq!(profile(&place.path(out)).as_ref(), Some(&adobe), "{out}");
    }
    assert_eq!(density(&place.path("b.png")), Some((11_811, 11_811)));
    let jfif = fs::read(place.path("b.jpg")).unwrap();
    assert_eq!(jfif[6..18], *b"JFIF\0\x01\x02\x01\x01\x2c\x01\x2c");
    // Keypoints are drawn in colours, under the same profile.
    let (wide, drawn) = (wide.to_str().unwrap(), place.text("drawn"));
    runtime(&["detect", wide, "--provider", "cpu", "--out", &drawn]).succeeded();
    assert_eq!(profile(&place.path("drawn/display-p3.png")), Some(icc));
}

#[test]
fn what_is_clear_stays_clear() {
    let place = Place::new();
    let original = open(case("alpha.png")).into_rgba8();
    let check = |edited: DynamicImage| {
        assert_eq!(edited.color(), image::ColorType::Rgba8);
        let edited = edited.into_rgba8();
        let changed = edited.pixels().zip(original.pixels()).filter(|(a, b)| a != b).count();
        assert!((50..original.len() / 8).contains(&changed), "{changed}");
        for (x, y) in [(0, 0), (319, 0), (5, 310)] {
            assert_eq!(edited.get_pixel(x, y), original.get_pixel(x, y), "outside, to the bit");
        }
        assert_eq!(edited.get_pixel(160, 160)[3], 255);
    };
    check(place.edit(&case("alpha.png"), "a.png"));
    let mut webp = Cursor::new(Vec::new());
    original.write_to(&mut webp, ImageFormat::WebP).unwrap();
    check(place.edit(&place.write("clear.webp", &webp.into_inner()), "b.png"));
    // On a JPEG what is clear is white.
    assert!(place.edit(&case("alpha.png"), "a.jpg").to_rgb8().get_pixel(2, 2).0.iter().all(|v| *v > 250));

    // Of 256 colours, one of them clear.
    let corner = *original.get_pixel(0, 0);
    assert_eq!(corner[3], 0);
    let opaque = DynamicImage::ImageRgba8(original.clone()).to_rgb8();
    let shade = |x: u32, y: u32| 1 + opaque.get_pixel(x, y)[1] / 2;
    let mut content = Vec::new();
    let mut encoder = png::Encoder::new(&mut content, 320, 320);
    encoder.set_color(png::ColorType::Indexed);
    encoder.set_depth(png::BitDepth::Eight);
    encoder.set_palette(
        (0..=255u8).flat_map(|i| [i.saturating_mul(2), i.saturating_mul(2), i]).collect::<Vec<_>>(),
    );
    encoder.set_trns(vec![0u8]);
    let pixels: Vec<u8> =
        original.enumerate_pixels().map(|(x, y, p)| if p[3] == 0 { 0 } else { shade(x, y) }).collect();
    let mut writer = encoder.write_header().unwrap();
    writer.write_image_data(&pixels).unwrap();
    writer.finish().unwrap();
    let edited = place.edit(&place.write("palette.png", &content), "c.png");
    assert_eq!((edited.color(), edited.to_rgba8().get_pixel(0, 0)[3]), (image::ColorType::Rgba8, 0));

    // A marked copy shows its marks, and the rest as it was.
    let (photo, drawn) = (case("alpha.png"), place.text("drawn"));
    runtime(&["detect", photo.to_str().unwrap(), "--provider", "cpu", "--out", &drawn]).succeeded();
    let drawn = open(place.path("drawn/alpha.png"));
    assert_eq!((drawn.color(), drawn.to_rgba8().get_pixel(0, 0)[3]), (image::ColorType::Rgba8, 0));
}

#[test]
fn sixteen_bits_stay_sixteen() {
    let place = Place::new();
    let original = open(case("display-p3.png")).into_rgb16();
    let deep = image::ImageBuffer::from_fn(320, 320, |x, y| {
        let image::Rgb([r, g, b]) = *original.get_pixel(x, y);
        image::Rgb([r.saturating_sub(x as u16 % 100), g, b.saturating_sub(y as u16 % 90)])
    });
    deep.save(place.path("deep.png")).unwrap();
    let edited = place.edit(&place.path("deep.png"), "a.png");
    assert_eq!(edited.color(), image::ColorType::Rgb16);
    let edited = edited.into_rgb16();
    let same = edited.pixels().zip(deep.pixels()).filter(|(a, b)| a == b).count();
    assert!((30_000..320 * 320 - 50).contains(&same), "{same} are what they were to the bit");
}

#[test]
fn photos_come_upright() {
    let place = Place::new();
    let upright = DynamicImage::ImageRgb8(open(case("display-p3.png")).to_rgb8()).crop_imm(0, 20, 320, 300);
    // What a camera writes that was turned: the picture on its side, and how to turn it.
    for (value, turned) in [(6, upright.rotate270()), (8, upright.rotate90())] {
        let photo = place.write("turned.jpg", &jpeg(&turned, &orientation(value), |_| {}));
        for out in ["a.png", "a.jpg"] {
            let edited = place.edit(&photo, out);
            assert_eq!((edited.width(), edited.height()), (320, 300));
            let reader = ImageReader::open(place.path(out)).unwrap().with_guessed_format().unwrap();
            let left = reader.into_decoder().unwrap().orientation().unwrap();
            assert_eq!(left, image::metadata::Orientation::NoTransforms, "turned twice");
            assert!(difference(&edited.to_rgb8(), &upright.to_rgb8()) < 10.0, "{value} {out}");
        }
    }
}

#[test]
fn what_cannot_be_kept_or_read_is_said() {
    let place = Place::new();
    // Four inks: read, with a word on what is lost.
    let face = open(case("display-p3.png")).to_rgb8();
    let inks: Vec<u8> = face.pixels().flat_map(|p| [255 - p[0], 255 - p[1], 255 - p[2], 0]).collect();
    let mut content = Vec::new();
    Encoder::new(&mut content, 95).encode(&inks, 320, 320, ColorType::CmykAsYcck).unwrap();
    let photo = place.write("inks.jpg", &content);
    let said = place.try_edit(&photo, "a.png");
    said.succeeded();
    assert!(said.stderr.contains("inks.jpg") && said.stderr.contains("CMYK"), "{}", said.stderr);
    assert_eq!(profile(&place.path("a.png")), None);
    assert!(difference(&open(place.path("a.png")).to_rgb8(), &face) < 12.0);

    // HEIC: not read, with what to do, wherever it is given.
    let heic = case("heic.heic");
    let heic = heic.to_str().unwrap();
    place.try_edit(Path::new(heic), "b.png").refused("heif-convert");
    let said = runtime(&["detect", heic]);
    assert!(said.code == 2 && said.stderr.contains("heif-convert"), "{said:?}");
    runtime(&["webcam", heic, "--headless", "--out", "null"]).refused("heif-convert");
    runtime(&["reenact", "--source", heic, "--driver", heic, "--headless", "--out", "null"]).refused("HEIC");
    // In a folder, too, of which the rest is read.
    fs::create_dir(place.path("photos")).unwrap();
    fs::copy(heic, place.path("photos/a.heic")).unwrap();
    let folder = place.text("photos");
    runtime(&["detect", &folder]).refused("heif-convert");
    fs::copy(case("trainer/c.webp"), place.path("photos/b.webp")).unwrap();
    let said = runtime(&["detect", &folder, "--provider", "cpu", "--out", &place.text("drawn")]);
    assert!(said.succeeded().contains("b.webp") && said.stderr.contains("a.heic"), "{said:?}");
    assert!(place.path("drawn/b.png").is_file());
    place.try_edit(&case("alpha.png"), "c.webp").refused(".png, .jpg or .jpeg");
}

#[test]
fn frames_of_a_driven_photo_are_as_it_is() {
    let place = Place::new();
    let driver = case("display-p3.png");
    let driver = driver.to_str().unwrap();
    let reenact = |source: &str, view: &str, out: &str| {
        let (source, out) = (case(source), place.text(out));
        let args = [
            "reenact",
            "--source",
            source.to_str().unwrap(),
            "--driver",
            driver,
            "--view",
            view,
            "--out",
            &out,
        ];
        runtime(&[&args[..], &["--headless", "--no-hud", "--provider", "cpu"]].concat()).succeeded();
    };
    reenact("display-p3.png", "photo", "a-%03d.png");
    assert_eq!(profile(&place.path("a-000.png")), profile(&case("display-p3.png")));
    reenact("gray.png", "photo", "b-%03d.png");
    assert_eq!(open(place.path("b-000.png")).color(), image::ColorType::L8);
    reenact("alpha.png", "photo", "c-%03d.png");
    let clear = open(place.path("c-000.png"));
    assert_eq!((clear.color(), clear.to_rgba8().get_pixel(1, 1)[3]), (image::ColorType::Rgba8, 0));
    // The face alone is a square, without what drives it.
    reenact("display-p3.png", "face", "d-%03d.png");
    let face = open(place.path("d-000.png"));
    assert!(face.width() == face.height() && face.width() > 100, "{} x {}", face.width(), face.height());
}
