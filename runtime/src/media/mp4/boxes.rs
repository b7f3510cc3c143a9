//! The boxes of an MP4 or QuickTime file. What sizes say is checked before anything is believed.

use std::io::{Read, Seek, SeekFrom};

/// Largest description of a clip that is read, in bytes.
const MAX_DESCRIPTION: u64 = 64 << 20;

/// Most boxes that lie one after the other: a clip of a thousand tracks has fewer.
const MAX_BOXES: usize = 500_000;

/// What describes a file.
pub(super) struct Description {
    /// The boxes in `moov`.
    pub moov: Vec<u8>,
    /// Whether frames are described elsewhere, too.
    pub fragmented: bool,
}

/// A box in memory.
#[derive(Clone, Copy, Debug)]
pub(super) struct Boxed<'a> {
    pub kind: [u8; 4],
    /// With its head, as parsers want it.
    pub whole: &'a [u8],
    /// What is in it.
    pub content: &'a [u8],
}

/// Finds what describes the file of `length` bytes, and checks that all of that is there.
///
/// # Errors
/// A sentence that says where the file is not whole.
pub(super) fn description(file: &mut (impl Read + Seek), length: u64) -> Result<Description, String> {
    let (mut at, mut moov, mut fragmented) = (0, None, false);
    // Less than a head is padding, which some writers leave at the end.
    while at + 8 <= length {
        let (kind, size) = (bytes(file, at + 4)?, u32::from_be_bytes(bytes(file, at)?));
        let (mut size, mut head) = (u64::from(size), 8);
        if size == 1 {
            size = u64::from_be_bytes(bytes(file, at + 8)?);
            head = 16;
        }
        // The last box may say 0, up to the end of the file.
        if size == 0 {
            size = length - at;
        }
        if size < head || size > length - at {
            return Err(format!("the box at byte {at} says {size} bytes, {} are there", length - at));
        }
        match &kind {
            b"moov" if size > MAX_DESCRIPTION => return Err(format!("an index (moov) of {size} bytes")),
            b"moov" if moov.is_none() => {
                let mut content = vec![0; (size - head) as usize];
                let read = file.seek(SeekFrom::Start(at + head)).and_then(|_| file.read_exact(&mut content));
                read.map_err(|e| e.to_string())?;
                moov = Some(content);
            }
            b"moof" => fragmented = true,
            _ => {}
        }
        at += size;
    }
    let moov = moov.ok_or("its index (moov) is missing")?;
    fragmented |= find(&moov, b"mvex")?.is_some();
    Ok(Description { moov, fragmented })
}

/// The boxes that lie one after the other in `content`.
///
/// # Errors
/// A sentence that says which one does not lie in it.
pub(super) fn boxes(content: &[u8]) -> Result<Vec<Boxed<'_>>, String> {
    let (mut found, mut rest) = (Vec::new(), content);
    while let Some((size, kind)) = head(rest) {
        // QuickTime ends some lists with zeros.
        if size == 0 && kind == [0; 4] {
            break;
        }
        let (size, head) = match size {
            1 => (bytes_at(rest, 8).map_or(0, u64::from_be_bytes), 16),
            size => (u64::from(size), 8),
        };
        let whole = usize::try_from(size).ok().and_then(|size| rest.get(..size));
        let Some((whole, content)) = whole.and_then(|whole| Some((whole, whole.get(head..)?))) else {
            let name = String::from_utf8_lossy(&kind).into_owned();
            return Err(format!("its box {name:?} says {size} bytes, {} are there", rest.len()));
        };
        if found.len() == MAX_BOXES {
            return Err(format!("more than {MAX_BOXES} boxes in a row"));
        }
        found.push(Boxed { kind, whole, content });
        rest = &rest[whole.len()..];
    }
    Ok(found)
}

/// The first box of a kind among those in `content`.
///
/// # Errors
/// Those of [`boxes`].
pub(super) fn find<'a>(content: &'a [u8], kind: &[u8; 4]) -> Result<Option<Boxed<'a>>, String> {
    Ok(boxes(content)?.into_iter().find(|b| &b.kind == kind))
}

/// The box at the end of a path of kinds.
///
/// # Errors
/// It is missing, and those of [`boxes`].
pub(super) fn at<'a>(content: &'a [u8], path: &[&[u8; 4]]) -> Result<Boxed<'a>, String> {
    let mut found = Boxed { kind: [0; 4], whole: content, content };
    for kind in path {
        let missing = || format!("its box {:?} is missing", String::from_utf8_lossy(*kind));
        found = find(found.content, kind)?.ok_or_else(missing)?;
    }
    Ok(found)
}

fn head(bytes: &[u8]) -> Option<(u32, [u8; 4])> {
    Some((word(bytes, 0)?, bytes_at(bytes, 4)?))
}

/// The number of two bytes at a place, the larger byte first.
pub(super) fn half(bytes: &[u8], at: usize) -> Option<u16> {
    bytes_at(bytes, at).map(u16::from_be_bytes)
}

/// The number of four bytes at a place, the largest byte first.
pub(super) fn word(bytes: &[u8], at: usize) -> Option<u32> {
    bytes_at(bytes, at).map(u32::from_be_bytes)
}

fn bytes_at<const N: usize>(bytes: &[u8], at: usize) -> Option<[u8; N]> {
    bytes.get(at..)?.first_chunk().copied()
}

fn bytes<const N: usize>(file: &mut (impl Read + Seek), at: u64) -> Result<[u8; N], String> {
    let mut bytes = [0; N];
    let read = file.seek(SeekFrom::Start(at)).and_then(|_| file.read_exact(&mut bytes));
    read.map(|()| bytes).map_err(|e| e.to_string())
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use super::*;

    fn of(kind: &[u8; 4], content: &[u8]) -> Vec<u8> {
        [&(content.len() as u32 + 8).to_be_bytes()[..], kind, content].concat()
    }

    fn described(content: Vec<u8>) -> Result<Description, String> {
        let length = content.len() as u64;
        description(&mut Cursor::new(content), length)
    }

    #[test]
    fn sound_nesting_passes() {
        let moov = of(b"moov", &of(b"trak", &of(b"mdia", &of(b"mdhd", &[7]))));
        let found = described([of(b"ftyp", b"isom"), moov, of(b"mdat", &[0; 9])].concat()).unwrap();
        assert!(!found.fragmented);
        assert_eq!(at(&found.moov, &[b"trak", b"mdia", b"mdhd"]).unwrap().content, [7]);
        assert!(at(&found.moov, &[b"trak", b"minf"]).is_err());
        let fragments = [of(b"moov", &of(b"mvex", &[])), of(b"moof", &[])].concat();
        assert!(described(fragments).unwrap().fragmented);
    }

    #[test]
    fn a_list_has_an_end() {
        let list = |n: usize| boxes(&of(b"free", &[]).repeat(n)).map(|found| found.len());
        assert_eq!(list(1000), Ok(1000));
        assert!(list(MAX_BOXES + 1).is_err());
    }

    #[test]
    fn boxes_that_lead_nowhere_or_outside_are_found() {
        for inner in [
            &[0, 0, 0, 0, 1, 2, 3, 4][..],
            b"\0\0\0\x07trak",
            b"\0\0\0\x09trak",
            b"\0\0\0\x01free\0\0\0\0\0\0\0\x02",
        ] {
            assert!(described(of(b"moov", inner)).is_err(), "{inner:?}");
        }
        assert!(described(of(b"mdat", &[0; 9])).is_err(), "no moov");
        assert!(described(of(b"moov", &[0; 4])[..9].to_vec()).is_err(), "cut");
        assert!(described([of(b"moov", &[]), of(b"mdat", &[0; 9])[..12].to_vec()].concat()).is_err(), "cut");
        assert_eq!(boxes(&[0; 8]).unwrap().len(), 0, "an end of QuickTime's");
    }
}
