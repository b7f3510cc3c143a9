//! Files for the table, made here so that nothing of them lies about.

use std::fs;
use std::io::Cursor;
use std::path::Path;

use image::{DynamicImage, ImageFormat, Rgb, RgbImage};
use lkg_bundle::bundle::describe_files;
use lkg_bundle::onnx::ModelProto;
use lkg_bundle::testing::{tiny_network, write_manifest};
use lkg_bundle::{Manifest, Network};
use prost::Message;

/// A sound picture.
pub fn picture(width: u32, height: u32) -> RgbImage {
    RgbImage::from_fn(width, height, |x, y| Rgb([(x * 7) as u8, (y * 5) as u8, 90]))
}

/// Its bytes as a file.
pub fn encoded(picture: impl Into<DynamicImage>, format: ImageFormat) -> Vec<u8> {
    let mut bytes = Cursor::new(Vec::new());
    picture.into().write_to(&mut bytes, format).unwrap();
    bytes.into_inner()
}

pub fn png(width: u32, height: u32) -> Vec<u8> {
    encoded(picture(width, height), ImageFormat::Png)
}

pub fn jpeg(width: u32, height: u32) -> Vec<u8> {
    encoded(picture(width, height), ImageFormat::Jpeg)
}

/// A PNG that says to be as large as that, and holds next to nothing.
pub fn png_of_size(width: u32, height: u32) -> Vec<u8> {
    let header = [&width.to_be_bytes()[..], &height.to_be_bytes(), &[8, 2, 0, 0, 0]].concat();
    png_of_chunks(&[(b"IHDR", &header), (b"IDAT", b"x\xda\x03\0\0\0\0\x01"), (b"IEND", b"")])
}

/// A PNG of 4 x 4 whose palette ends within a colour.
pub fn png_of_palette() -> Vec<u8> {
    png_of_chunks(&[
        (b"IHDR", b"\0\0\0\x04\0\0\0\x04\x08\x03\0\0\0"),
        (b"PLTE", &[9; 100]),
        (b"IDAT", b"x\xda\x63\x60\x40\x05\0\0\x14\0\x01"),
        (b"IEND", b""),
    ])
}

/// A PNG whose colour profile unfolds to 40 MiB.
pub fn png_with_profile() -> Vec<u8> {
    let mut content = Vec::new();
    let mut info = png::Info::with_size(40, 40);
    (info.color_type, info.bit_depth) = (png::ColorType::Rgb, png::BitDepth::Eight);
    info.icc_profile = Some(vec![0; 40 << 20].into());
    let mut writer = png::Encoder::with_info(&mut content, info).unwrap().write_header().unwrap();
    writer.write_image_data(picture(40, 40).as_raw()).unwrap();
    writer.finish().unwrap();
    content
}

/// A progressive JPEG that says to be of 10,000 x 10,000.
pub fn progressive_jpeg() -> Vec<u8> {
    let mut content = Vec::new();
    let mut encoder = jpeg_encoder::Encoder::new(&mut content, 90);
    encoder.set_progressive(true);
    encoder.encode(picture(40, 40).as_raw(), 40, 40, jpeg_encoder::ColorType::Rgb).unwrap();
    let frame = content.windows(2).position(|marker| marker == [0xff, 0xc2]).unwrap();
    for side in [frame + 5, frame + 7] {
        content[side..side + 2].copy_from_slice(&10_000_u16.to_be_bytes());
    }
    content
}

/// A JPEG with 40 MB before its picture.
pub fn noted_jpeg() -> Vec<u8> {
    let whole = jpeg(40, 40);
    let note = [&b"\xff\xfe\xff\xff"[..], &[b'x'; 65_533]].concat();
    [&whole[..2], &note.repeat(610), &whole[2..]].concat()
}

/// An MP4 that says to have so many frames.
pub fn mp4_of_frames(dir: &Path, frames: u32) -> Vec<u8> {
    let mut content = mp4(dir);
    // Behind its name a table of sizes has its version, the size of all, and the number.
    for at in 0..content.len() - 16 {
        if &content[at..at + 4] == b"stsz" {
            content[at + 12..at + 16].copy_from_slice(&frames.to_be_bytes());
        }
    }
    content
}

fn png_of_chunks(chunks: &[(&[u8; 4], &[u8])]) -> Vec<u8> {
    let mut content = b"\x89PNG\r\n\x1a\n".to_vec();
    for (kind, data) in chunks {
        let chunk = [&kind[..], data].concat();
        content.extend((data.len() as u32).to_be_bytes());
        content.extend(&chunk);
        content.extend(crc(&chunk).to_be_bytes());
    }
    content
}

/// The checksum of a PNG's chunks.
fn crc(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(u32::MAX, |crc, byte| {
        (0..8).fold(crc ^ u32::from(*byte), |c, _| if c & 1 == 1 { c >> 1 ^ 0xedb8_8320 } else { c >> 1 })
    })
}

/// A PNG of several frames.
pub fn animated_png() -> Vec<u8> {
    let mut content = Vec::new();
    let mut encoder = png::Encoder::new(&mut content, 40, 40);
    encoder.set_color(png::ColorType::Rgb);
    encoder.set_animated(2, 0).unwrap();
    let mut writer = encoder.write_header().unwrap();
    for level in [90, 200] {
        writer.write_image_data(&[level; 40 * 40 * 3]).unwrap();
    }
    writer.finish().unwrap();
    content
}

/// A JPEG of 7680 x 4320.
pub fn large_jpeg() -> Vec<u8> {
    let mut content = Vec::new();
    let encoder = jpeg_encoder::Encoder::new(&mut content, 50);
    encoder.encode(&vec![90; 7680 * 4320], 7680, 4320, jpeg_encoder::ColorType::Luma).unwrap();
    content
}

/// A JPEG of four inks.
pub fn cmyk_jpeg() -> Vec<u8> {
    let mut content = Vec::new();
    let encoder = jpeg_encoder::Encoder::new(&mut content, 90);
    encoder.encode(&[60; 40 * 40 * 4], 40, 40, jpeg_encoder::ColorType::Cmyk).unwrap();
    content
}

/// A Motion JPEG AVI that says to be as large as that.
pub fn avi((width, height): (u32, u32), frames: &[Vec<u8>]) -> Vec<u8> {
    let words = |values: &[u32]| values.iter().flat_map(|v| v.to_le_bytes()).collect::<Vec<u8>>();
    let chunk = |kind: &[u8], data: &[u8]| {
        [kind, &(data.len() as u32).to_le_bytes(), data, &vec![0; data.len() % 2]].concat()
    };
    let list = |kind: &[u8], data: &[u8]| chunk(b"LIST", &[kind, data].concat());
    let main = words(&[40_000, 0, 0, 0, frames.len() as u32, 0, 1, 0, width, height, 0, 0, 0, 0]);
    let stream =
        [b"vidsMJPG".to_vec(), words(&[0, 0, 0, 1, 25, 0, frames.len() as u32, 0, 0, 0, 0, 0])].concat();
    let format =
        [words(&[40, width, height, 1 | 24 << 16]), b"MJPG".to_vec(), words(&[0, 0, 0, 0, 0])].concat();
    let stream = list(b"strl", &[chunk(b"strh", &stream), chunk(b"strf", &format)].concat());
    let head = list(b"hdrl", &[chunk(b"avih", &main), stream].concat());
    let frames: Vec<u8> = frames.iter().flat_map(|frame| chunk(b"00dc", frame)).collect();
    chunk(b"RIFF", &[b"AVI ".to_vec(), head, list(b"movi", &frames)].concat())
}

/// A y4m stream of so many grey frames of 64 x 48.
pub fn y4m(frames: usize) -> Vec<u8> {
    let mut stream = b"YUV4MPEG2 W64 H48 F25:1 Cmono\n".to_vec();
    for i in 0..frames {
        stream.extend(b"FRAME\n");
        stream.extend(vec![(40 + 10 * i) as u8; 64 * 48]);
    }
    stream
}

/// A clip that the program writes, H.264.
pub fn mp4(dir: &Path) -> Vec<u8> {
    let out = dir.join("made.mp4");
    let outcome = workspace_tests::runtime(&[
        "--bundle",
        dir.join("bundle").to_str().unwrap(),
        "generate",
        "--interpolate",
        "5",
        "--count",
        "2",
        "--out",
        out.to_str().unwrap(),
    ]);
    outcome.succeeded();
    let content = fs::read(&out).unwrap();
    fs::remove_file(&out).unwrap();
    content
}

/// A file of the project's own cases.
pub fn case(name: &str) -> Vec<u8> {
    fs::read(workspace_tests::checkout::root().join("tests/fixtures/cases").join(name)).unwrap()
}

/// Changes what the bundle's manifest says, right or wrong.
pub fn change_manifest(dir: &Path, change: impl FnOnce(&mut serde_json::Value)) {
    let path = dir.join("bundle/manifest.json");
    let mut manifest = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
    change(&mut manifest);
    fs::write(&path, manifest.to_string()).unwrap();
}

/// Puts other content in the place of a bundle's file, with the right checksum.
pub fn put(dir: &Path, name: &str, content: &[u8]) {
    let bundle = dir.join("bundle");
    fs::write(bundle.join(name), content).unwrap();
    let path = bundle.join("manifest.json");
    let mut manifest = Manifest::parse(&fs::read_to_string(&path).unwrap(), &path).unwrap();
    manifest.files.extend(describe_files(&bundle, &[name.to_owned()]).unwrap());
    write_manifest(&bundle, &manifest).unwrap();
}

/// Puts a changed network into the bundle, with the right checksum.
pub fn change_network(dir: &Path, network: Network, change: impl FnOnce(&mut ModelProto)) {
    let mut model = tiny_network(network);
    change(&mut model);
    put(dir, &network.file_name(), &model.encode_to_vec());
}

/// Fills a constant of a network with a number.
pub fn fill(model: &mut ModelProto, name: &str, number: f32) {
    let constants = &mut model.graph.as_mut().unwrap().initializer;
    let constant = constants.iter_mut().find(|tensor| tensor.name == name).unwrap();
    let count = constant.raw_data.len() / 4;
    constant.raw_data = number.to_le_bytes().repeat(count);
}
