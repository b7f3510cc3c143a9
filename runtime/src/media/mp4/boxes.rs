//! The box structure of an MP4 file, checked before a parser that trusts it sees it.

use std::io::{Read, Seek, SeekFrom};

/// Boxes that hold boxes, and the bytes of their own before them.
const CONTAINERS: [(&[u8; 4], u64); 14] = [
    (b"moov", 0),
    (b"trak", 0),
    (b"mdia", 0),
    (b"minf", 0),
    (b"stbl", 0),
    (b"stsd", 8),
    (b"avc1", 78),
    (b"hvc1", 78),
    (b"hev1", 78),
    (b"mp4a", 28),
    (b"edts", 0),
    (b"mvex", 0),
    (b"moof", 0),
    (b"traf", 0),
];

/// Checks that every box lies within the one around it and has a size that leads on.
///
/// # Errors
/// A sentence that says where it does not.
pub(super) fn check(file: &mut (impl Read + Seek), length: u64) -> Result<(), String> {
    let mut found_moov = false;
    walk(file, 0, length, 0, &mut found_moov)?;
    if found_moov { Ok(()) } else { Err("its index (moov) is missing".to_owned()) }
}

fn walk(
    file: &mut (impl Read + Seek),
    mut at: u64,
    end: u64,
    depth: u8,
    found_moov: &mut bool,
) -> Result<(), String> {
    if depth > 10 {
        return Err("boxes nested too deep".to_owned());
    }
    // Less than a header is padding, which some writers leave at the end.
    while at + 8 <= end {
        let (kind, mut size, mut header) = (bytes::<4>(file, at + 4)?, word(file, at)?, 8);
        if size == 1 {
            size = u64::from_be_bytes(bytes(file, at + 8)?);
            header = 16;
        }
        // At top level a size of 0 means up to the end of the file.
        if size == 0 && depth == 0 {
            return Ok(());
        }
        if size < header || size > end - at {
            return Err(format!("the box at byte {at} says {size} bytes, {} are there", end - at));
        }
        *found_moov |= &kind == b"moov";
        if let Some((_, own)) = CONTAINERS.iter().find(|(name, _)| **name == kind) {
            walk(file, (at + header + own).min(at + size), at + size, depth + 1, found_moov)?;
        }
        at += size;
    }
    Ok(())
}

fn bytes<const N: usize>(file: &mut (impl Read + Seek), at: u64) -> Result<[u8; N], String> {
    let mut bytes = [0; N];
    let read = file.seek(SeekFrom::Start(at)).and_then(|_| file.read_exact(&mut bytes));
    read.map(|()| bytes).map_err(|e| e.to_string())
}

fn word(file: &mut (impl Read + Seek), at: u64) -> Result<u64, String> {
    Ok(u32::from_be_bytes(bytes(file, at)?).into())
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use super::*;

    fn of(kind: &[u8; 4], content: &[u8]) -> Vec<u8> {
        [&(content.len() as u32 + 8).to_be_bytes()[..], kind, content].concat()
    }

    fn checked(content: Vec<u8>) -> Result<(), String> {
        let length = content.len() as u64;
        check(&mut Cursor::new(content), length)
    }

    #[test]
    fn sound_nesting_passes() {
        let stsd =
            of(b"stsd", &[&[0; 8][..], &of(b"avc1", &[&[0; 78][..], &of(b"avcC", &[1])].concat())].concat());
        let moov = of(b"moov", &of(b"trak", &stsd));
        assert_eq!(checked([of(b"ftyp", b"isom"), moov, of(b"mdat", &[0; 9])].concat()), Ok(()));
    }

    #[test]
    fn boxes_that_lead_nowhere_or_outside_are_found() {
        for inner in [&[0; 8][..], b"\0\0\0\x07trak", b"\0\0\0\x09trak", b"\0\0\0\x01free\0\0\0\0\0\0\0\x02"]
        {
            assert!(checked(of(b"moov", inner)).is_err(), "{inner:?}");
        }
        assert!(checked(of(b"mdat", &[0; 9])).is_err(), "no moov");
        assert!(checked(of(b"moov", &[0; 4])[..9].to_vec()).is_err(), "cut");
        let mut deep = Vec::new();
        for _ in 0..20 {
            deep = of(b"moov", &deep);
        }
        assert!(checked(deep).is_err());
    }
}
