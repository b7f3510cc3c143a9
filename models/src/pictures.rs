//! The kinds of picture files that both halves read, and what to do about those that neither does.

use std::path::Path;

/// Endings of the files that are read: JPEG, PNG and WebP.
pub const READ: [&str; 4] = ["jpg", "jpeg", "png", "webp"];

/// The kinds that are read, for messages.
pub const READ_KINDS: &str = "JPEG, PNG and WebP";

/// Endings of pictures that are not read. They are listed where pictures are collected, so that they are told of.
const REFUSED: [&str; 9] = ["heic", "heif", "hif", "avif", "jxl", "tif", "tiff", "gif", "bmp"];

/// What a PNG begins with.
const PNG: &[u8] = b"\x89PNG\r\n\x1a\n";

/// Whether the name of `path` is that of a picture that is read.
pub fn is_read(path: &Path) -> bool {
    has_ending(path, &READ)
}

/// Whether the name of `path` is that of a picture of a kind that is not read.
pub fn is_refused(path: &Path) -> bool {
    has_ending(path, &REFUSED)
}

fn has_ending(path: &Path, endings: &[&str]) -> bool {
    let ending = path.extension().and_then(|e| e.to_str());
    ending.is_some_and(|e| endings.iter().any(|known| e.eq_ignore_ascii_case(known)))
}

/// Why content that begins with `head` (32 bytes are enough) is not read, and what to do, where it is a picture of a kind
/// that is not.
pub fn refusal(head: &[u8]) -> Option<String> {
    let at = |offset: usize, magic: &[u8]| head.get(offset..).is_some_and(|rest| rest.starts_with(magic));
    let kind = match () {
        () if is_heif(head) => {
            return Some(format!(
                "a HEIC picture, as telephones take them; {READ_KINDS} can be read: save it as JPEG first (heif-convert \
                 IN.heic OUT.jpg; on a Mac sips -s format jpeg IN.heic --out OUT.jpg; iPhones: Settings, Camera, Formats, \
                 Most Compatible)"
            ));
        }
        () if at(4, b"ftypavif") || at(4, b"ftypavis") => "AVIF",
        () if at(0, b"\xff\x0a") || at(4, b"JXL \r\n\x87\n") => "JPEG XL",
        () if at(0, b"II*\0") || at(0, b"MM\0*") => "TIFF",
        () if at(0, b"GIF8") => "GIF",
        () if at(0, b"BM") && head.get(6..10) == Some(&[0; 4]) => "BMP",
        () => return None,
    };
    let article = if kind.starts_with('A') { "an" } else { "a" };
    Some(format!("{article} {kind} picture; {READ_KINDS} can be read: save it as one of these first"))
}

/// Refuses a PNG whose palette (PLTE) ends within a colour, on which the decoder panics.
///
/// # Errors
/// What is wrong with it.
pub fn check_palette(content: &[u8]) -> Result<(), String> {
    let mut at = PNG.len();
    while content.starts_with(PNG)
        && let Some(head) = content.get(at..at + 8)
    {
        let (length, kind) = head.split_at(4);
        let length = length.iter().fold(0, |all, byte| all << 8 | usize::from(*byte));
        if kind == b"PLTE" && length % 3 != 0 {
            return Err("its palette (PLTE) ends within a colour".to_owned());
        }
        if kind == b"IDAT" {
            break;
        }
        // Length, kind and checksum.
        at = at.saturating_add(length).saturating_add(12);
    }
    Ok(())
}

/// Whether content that begins with `head` is HEIC or HEIF (ISO/IEC 23008-12): a box `ftyp` with a brand of still pictures.
/// Brands that films share (`mif1` beside `isom`) count where they come first.
fn is_heif(head: &[u8]) -> bool {
    let brand = head.get(4..8).filter(|b| *b == b"ftyp").and_then(|_| head.get(8..12));
    brand.is_some_and(|b| {
        [b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1"]
            .iter()
            .any(|known| b == *known)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn endings_tell_what_is_read_and_what_is_told_of() {
        for (name, read, refused) in [
            ("a.JPG", true, false),
            ("a.webp", true, false),
            ("a.HEIC", false, true),
            ("a.gif", false, true),
            ("a.txt", false, false),
            ("jpg", false, false),
        ] {
            let path = Path::new(name);
            assert_eq!((is_read(path), is_refused(path)), (read, refused), "{name}");
        }
    }

    #[test]
    fn palettes_are_of_whole_colours() {
        let png = |palette: &[u8]| {
            let length = (palette.len() as u32).to_be_bytes();
            let header = [PNG, &[0, 0, 0, 13], b"IHDR", &[0; 13 + 4]].concat();
            [&header, &length[..], b"PLTE", palette, &[0; 4], &[0, 0, 0, 0], b"IDAT"].concat()
        };
        assert_eq!(check_palette(&png(&[0; 6])), Ok(()));
        assert!(check_palette(&png(&[0; 7])).unwrap_err().contains("PLTE"));
        for length in 0..80 {
            check_palette(&png(&[0; 6])[..length.min(png(&[0; 6]).len())]).unwrap();
        }
        assert_eq!(check_palette(b"\xff\xd8\xff"), Ok(()));
    }

    #[test]
    fn kinds_that_are_not_read_are_named_with_the_fix() {
        for (head, part) in [
            (&b"\0\0\0\x18ftypheic\0\0\0\0mif1heic"[..], "heif-convert"),
            (b"\0\0\0\x18ftypmif1\0\0\0\0mif1heic", "HEIC"),
            (b"\0\0\0\x18ftypavif\0\0\0\0avifmif1", "AVIF"),
            (b"GIF89a\x01\0", "a GIF picture; JPEG, PNG and WebP"),
            (b"II*\0\x08\0\0\0", "TIFF"),
            (b"BM\x36\0\x01\0\0\0\0\0\x36", "BMP"),
            (b"\xff\x0a\xfa\x7f", "JPEG XL"),
        ] {
            assert!(refusal(head).unwrap().contains(part), "{part}");
        }
        for head in [
            &b""[..],
            b"\0\0\0\x18ftypisom\0\0\0\0",
            b"\x89PNG\r\n\x1a\n",
            b"RIFF\0\0\0\0WEBP",
            b"BMW is a car",
        ] {
            assert_eq!(refusal(head), None);
        }
    }
}
