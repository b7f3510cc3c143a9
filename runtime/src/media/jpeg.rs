//! JPEG, as cameras and AVI files carry it.

use image::RgbImage;
use zune_jpeg::JpegDecoder;
use zune_jpeg::errors::DecodeErrors;
use zune_jpeg::zune_core::bytestream::ZCursor;
use zune_jpeg::zune_core::colorspace::ColorSpace;
use zune_jpeg::zune_core::options::DecoderOptions;

use super::frame_size::{MAX_SIDE, check};

/// Quality of written JPEGs, 1 to 100.
pub const QUALITY: u8 = 90;

/// Decodes one JPEG; bytes after its end do no harm.
///
/// # Errors
/// A sentence that says what is wrong with it.
pub fn decode(data: &[u8]) -> Result<RgbImage, String> {
    let mut picture = RgbImage::default();
    decode_into(data, &mut picture)?;
    Ok(picture)
}

/// Decodes one JPEG into `picture`, whose room is used again where it has the right size. The decoder's own tables and rows
/// are all that is allocated then: a few, each much smaller than a picture.
///
/// # Errors
/// A sentence that says what is wrong with it; what is on the picture then is undefined.
pub fn decode_into(data: &[u8], picture: &mut RgbImage) -> Result<(), String> {
    let with_tables = (!has_huffman_tables(data)).then(|| mark_as_motion_jpeg(data));
    let data = with_tables.as_deref().unwrap_or(data);
    let options = DecoderOptions::default()
        .jpeg_set_out_colorspace(ColorSpace::RGB)
        .set_max_width(MAX_SIDE as usize)
        .set_max_height(MAX_SIDE as usize);
    let mut decoder = JpegDecoder::new_with_options(ZCursor::new(data), options);
    let unsound = |e: DecodeErrors| format!("not a sound JPEG: {e}");
    decoder.decode_headers().map_err(unsound)?;
    let (width, height) = decoder.dimensions().ok_or("not a sound JPEG: no header")?;
    let size = (width as u32, height as u32);
    check(size)?;
    if picture.dimensions() != size {
        *picture = RgbImage::new(size.0, size.1);
    }
    decoder.decode_into(picture).map_err(unsound)
}

/// Appends `picture` as a JPEG to `out`.
///
/// # Errors
/// The encoder refused the picture (e.g. a side above 65535).
pub fn encode(picture: &RgbImage, out: &mut Vec<u8>) -> Result<(), String> {
    super::picture::jpeg(picture, QUALITY, out)
}

/// Walks the segments up to the first scan.
fn has_huffman_tables(data: &[u8]) -> bool {
    let mut at = 2;
    while let Some(&[0xff, marker, high, low]) = data.get(at..at + 4) {
        match marker {
            0xc4 => return true,
            0xda => return false,
            0xff => at += 1,
            _ => at += 2 + usize::from(u16::from_be_bytes([high, low])),
        }
    }
    // Not walkable: left to the decoder, whose message is better.
    true
}

/// Many webcams leave the standard Huffman tables out; an `AVI1` segment makes the decoder put them in.
fn mark_as_motion_jpeg(data: &[u8]) -> Vec<u8> {
    let mut marked = vec![0xff, 0xd8, 0xff, 0xe0, 0, 16];
    marked.extend_from_slice(b"AVI1");
    marked.extend_from_slice(&[0; 10]);
    marked.extend_from_slice(data.get(2..).unwrap_or_default());
    marked
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::media::testing::{gradient, largest_difference};

    fn without_huffman_tables(jpeg: &[u8]) -> Vec<u8> {
        let (mut out, mut at) = (jpeg[..2].to_vec(), 2);
        while jpeg[at + 1] != 0xda {
            let length = 2 + usize::from(u16::from_be_bytes([jpeg[at + 2], jpeg[at + 3]]));
            if jpeg[at + 1] != 0xc4 {
                out.extend_from_slice(&jpeg[at..at + length]);
            }
            at += length;
        }
        out.extend_from_slice(&jpeg[at..]);
        out
    }

    #[test]
    fn pictures_survive_the_round_trip() {
        let picture = gradient(67, 41);
        let mut jpeg = Vec::new();
        encode(&picture, &mut jpeg).unwrap();
        jpeg.extend_from_slice(&[0; 100]);
        assert!(largest_difference(&decode(&jpeg).unwrap(), &picture) < 20);
    }

    #[test]
    fn a_webcam_jpeg_without_huffman_tables_decodes_the_same() {
        let mut jpeg = Vec::new();
        encode(&gradient(64, 48), &mut jpeg).unwrap();
        let bare = without_huffman_tables(&jpeg);
        assert!(bare.len() < jpeg.len() && !has_huffman_tables(&bare));
        assert_eq!(decode(&bare).unwrap(), decode(&jpeg).unwrap());
    }

    #[test]
    fn rubbish_is_an_error() {
        for bad in [&b""[..], b"\xff\xd8", b"\xff\xd8\xff\xe0\x00\x10JFIF", &[0x55; 300]] {
            assert!(decode(bad).is_err());
        }
    }
}
