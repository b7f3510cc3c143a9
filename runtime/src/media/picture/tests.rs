use image::Rgb;

use super::*;

fn picture() -> RgbImage {
    RgbImage::from_fn(40, 24, |x, y| Rgb([(x * 6) as u8, (y * 10) as u8, 77]))
}

fn trouble(path: &Path) -> String {
    let text = read_picture(path).unwrap_err().to_string();
    assert!(!text.contains('\n'), "{text}");
    text
}

/// A PNG header that promises `width` x `height` RGB pixels, with its right checksum.
fn png_header(width: u32, height: u32) -> Vec<u8> {
    let mut body = b"IHDR".to_vec();
    body.extend(width.to_be_bytes());
    body.extend(height.to_be_bytes());
    body.extend([8, 2, 0, 0, 0]);
    let crc = !body.iter().fold(!0u32, |crc, byte| {
        (0..8).fold(crc ^ u32::from(*byte), |c, _| (c >> 1) ^ if c & 1 == 1 { 0xedb8_8320 } else { 0 })
    });
    let mut file = b"\x89PNG\r\n\x1a\n\0\0\0\x0d".to_vec();
    file.extend(body);
    file.extend(crc.to_be_bytes());
    file.extend(b"\0\0\0\x10IDAT");
    file
}

#[test]
fn what_is_written_reads_back() {
    let dir = tempfile::tempdir().unwrap();
    for (name, tolerance) in [("a.png", 0), ("b.JPG", 12), ("c.jpeg", 12)] {
        let path = dir.path().join(name);
        write_picture(&path, &picture()).unwrap();
        let back = read_picture(&path).unwrap();
        assert_eq!(back.dimensions(), (40, 24));
        let worst = back.iter().zip(picture().iter()).map(|(a, b)| a.abs_diff(*b)).max().unwrap();
        assert!(worst <= tolerance, "{name}: {worst}");
    }
}

#[test]
fn what_is_not_a_picture_is_named() {
    let dir = tempfile::tempdir().unwrap();
    let write = |name: &str, content: &[u8]| {
        let path = dir.path().join(name);
        fs::write(&path, content).unwrap();
        path
    };
    assert!(trouble(&dir.path().join("none.png")).contains("no such file"));
    assert!(trouble(dir.path()).contains("a folder"));
    assert!(trouble(&write("e.png", b"")).contains("empty"));
    assert!(trouble(&write("t.jpg", b"hello there")).contains("JPEG, PNG and WebP can be read"));
    assert!(trouble(&write("g.png", b"GIF89a\x01\0\x01\0\0\0\0;")).contains("a GIF picture"));
}

#[test]
fn truncated_pictures_are_refused() {
    let dir = tempfile::tempdir().unwrap();
    for name in ["a.png", "a.jpg"] {
        let path = dir.path().join(name);
        write_picture(&path, &picture()).unwrap();
        let content = fs::read(&path).unwrap();
        for keep in [content.len() / 2, content.len() - 20, 30] {
            fs::write(&path, &content[..keep]).unwrap();
            assert!(trouble(&path).contains("damaged or cut short"), "{name} {keep}");
        }
    }
}

#[test]
fn bombs_are_refused_by_their_header() {
    let dir = tempfile::tempdir().unwrap();
    for (width, height) in [(60_000, 60_000), (16_385, 1), (12_000, 12_000)] {
        let path = dir.path().join("bomb.png");
        fs::write(&path, png_header(width, height)).unwrap();
        assert!(trouble(&path).contains(&format!("{width} x {height} pixels")), "{}", trouble(&path));
    }
}

/// A file of some kilobytes took 600 MB, by a colour profile or by coefficients.
#[test]
fn what_is_beside_the_pixels_is_bounded_too() {
    let mut info = png::Info::with_size(8, 8);
    info.color_type = png::ColorType::Grayscale;
    info.icc_profile = Some(vec![0; 2 * MAX_METADATA as usize].into());
    let mut content = Vec::new();
    let mut writer = png::Encoder::with_info(&mut content, info).unwrap().write_header().unwrap();
    writer.write_image_data(&[7; 64]).unwrap();
    writer.finish().unwrap();
    let read = decode(&content).unwrap();
    assert!(
        read.original.colours.icc.is_none() && read.notes[0].contains("colour profile"),
        "{:?}",
        read.notes
    );

    let mut content = Vec::new();
    let mut encoder = jpeg_encoder::Encoder::new(&mut content, 90);
    encoder.set_progressive(true);
    encoder.encode(&picture(), 40, 24, jpeg_encoder::ColorType::Rgb).unwrap();
    assert!(decode(&content).is_ok());
    let frame = content.windows(2).position(|marker| marker == [0xff, 0xc2]).unwrap();
    content[frame + 5..frame + 9].copy_from_slice(&[0x27, 0x10, 0x27, 0x10]);
    let refused = decode(&content).unwrap_err();
    assert!(refused.contains("takes") && refused.contains("not progressive"), "{refused}");
}

/// Megabytes of notes before the pixels were kept several times.
#[test]
fn metadata_of_a_jpeg_have_an_end() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("notes.jpg");
    write_picture(&path, &picture()).unwrap();
    let content = fs::read(&path).unwrap();
    let note = [&b"\xff\xfe\xff\xff"[..], &[b'x'; 65533]].concat();
    let with = |notes: u64| [&content[..2], &note.repeat(notes as usize), &content[2..]].concat();
    assert!(decode(&with(10)).is_ok());
    let refused = decode(&with(MAX_METADATA / 65537 + 1)).unwrap_err();
    assert!(refused.contains("32 MiB of metadata"), "{refused}");
}

#[test]
fn exif_orientation_is_applied() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("turned.jpg");
    write_picture(&path, &picture()).unwrap();
    let content = fs::read(&path).unwrap();
    // APP1 with a one-entry TIFF directory: orientation 6, to be turned a quarter to the right.
    let mut exif =
        b"\xff\xe1\0\x22Exif\0\0MM\0\x2a\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0\x06\0\0\0\0\0\0".to_vec();
    exif.splice(0..0, content[..2].iter().copied());
    exif.extend(&content[2..]);
    fs::write(&path, exif).unwrap();
    assert_eq!(read_picture(&path).unwrap().dimensions(), (24, 40));
}

/// Alpha was dropped, and what clear pixels happen to hold was seen.
#[test]
fn clear_pixels_show_white() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("clear.png");
    let shades = [[200, 0, 0, 255], [200, 0, 0, 128], [200, 0, 0, 0]];
    image::RgbaImage::from_fn(3, 1, |x, _| image::Rgba(shades[x as usize])).save(&path).unwrap();
    let seen = read_picture(&path).unwrap();
    assert_eq!(seen.as_raw(), &[200, 0, 0, 227, 127, 127, 255, 255, 255]);
    let deep = image::ImageBuffer::<image::LumaA<u16>, _>::from_raw(2, 1, vec![0, 65535, 0, 0]).unwrap();
    deep.save(&path).unwrap();
    assert_eq!(read_picture(&path).unwrap().as_raw(), &[0, 0, 0, 255, 255, 255]);
}

#[test]
fn inks_and_sixteen_bits_become_rgb() {
    let near = |path: &Path, at: [u32; 2], wanted: [u8; 3]| {
        let pixel = read_picture(path).unwrap().get_pixel(at[0], at[1]).0;
        assert!(pixel.iter().zip(wanted).all(|(a, b)| a.abs_diff(b) < 12), "{pixel:?}, not {wanted:?}");
    };
    // Four inks as Adobe writes them, reversed: left red, right green.
    let inks = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/media/test-data/cmyk.jpg");
    near(&inks, [2, 8], [200, 30, 40]);
    near(&inks, [13, 8], [40, 160, 60]);
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("deep.png");
    let deep = |v: u16| v * 257;
    image::ImageBuffer::from_pixel(2, 2, image::Rgb([200, 30, 40].map(deep))).save(&path).unwrap();
    near(&path, [1, 1], [200, 30, 40]);
}

#[test]
fn targets_are_checked_before_work() {
    let dir = tempfile::tempdir().unwrap();
    let there = dir.path().join("a.png");
    check_target(&there, false).unwrap();
    fs::write(&there, b"x").unwrap();
    assert!(check_target(&there, false).unwrap_err().to_string().contains("--force"));
    check_target(&there, true).unwrap();
    assert!(check_target(&dir.path().join("a.gif"), true).is_err());
    assert!(check_target(&dir.path().join("no/a.png"), true).unwrap_err().to_string().contains("folder"));
}
