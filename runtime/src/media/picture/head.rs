//! What stands in the heads of JPEG files and of EXIF, beside what the decoder tells.

/// Marker of the first scan of a JPEG.
const SCAN: u8 = 0xda;
/// Markers of frames of progressive pictures.
const PROGRESSIVE: [u8; 4] = [0xc2, 0xc6, 0xca, 0xce];
/// Pixels a metre of one pixel an inch.
const INCH: f64 = 1.0 / 0.0254;
/// Tags of TIFF, which EXIF is written in: pixels a unit across and down, and the unit.
const X_RESOLUTION: u16 = 0x011a;
const Y_RESOLUTION: u16 = 0x011b;
const UNIT: u16 = 0x0128;
/// Finest resolution that is believed, in pixels a metre.
const FINEST: f64 = 1e7;

/// What the head of a JPEG says.
#[derive(Debug, Default, PartialEq)]
pub(super) struct JpegHead {
    /// Whether an end marker follows the first scan. The decoder fills what is missing with grey and says nothing.
    pub whole: bool,
    /// Channels: 1 of grey, 3 of colours, 4 of inks.
    pub channels: Option<u8>,
    /// Bytes of the coefficients that the decoder keeps until the last scan of a picture that is progressive or has its channels
    /// in scans of their own, 2 each; else 0.
    pub coefficient_bytes: u64,
    /// Bytes of what stands before the first scan.
    pub metadata_bytes: u64,
    /// Pixels a metre, across and down.
    pub per_metre: Option<[f64; 2]>,
}

impl JpegHead {
    /// Reads the segments before the first scan. They may hold whole thumbnails, so they are stepped over by their lengths.
    pub fn read(content: &[u8]) -> Self {
        let mut head = Self::default();
        let (mut at, mut progressive) = (2, false);
        while let Some(&[0xff, kind]) = content.get(at..at + 2).and_then(|b| b.first_chunk::<2>()) {
            match kind {
                0xff => at += 1,
                SCAN => {
                    head.metadata_bytes = at as u64;
                    // Of the channels that follow: the scan's length, then their number.
                    let together = content.get(at + 4).copied();
                    if !progressive && together >= head.channels {
                        head.coefficient_bytes = 0;
                    }
                    head.whole = content[at..].windows(2).any(|pair| pair == [0xff, 0xd9]);
                    break;
                }
                0x01 | 0xd0..=0xd8 => at += 2,
                _ => {
                    let Some(length) = u16_at(content, at + 2, true) else { break };
                    let end = at + 2 + usize::from(length);
                    head.segment(kind, content.get(at + 4..end).unwrap_or_default());
                    progressive |= PROGRESSIVE.contains(&kind);
                    at = end;
                }
            }
        }
        head
    }

    fn segment(&mut self, kind: u8, content: &[u8]) {
        match kind {
            0xe0 if content.starts_with(b"JFIF\0") => {
                let unit = match content.get(7) {
                    Some(1) => INCH,
                    Some(2) => 100.0,
                    // The shape of pixels, not their size.
                    _ => return,
                };
                let per = |at| u16_at(content, at, true).map(|v| f64::from(v) * unit);
                self.per_metre = per(8).zip(per(10)).and_then(|(x, y)| believable([x, y]));
            }
            // Frames of all processes; among these numbers are tables (c4, cc) and a reserved one (c8).
            0xc0..=0xcf if ![0xc4, 0xc8, 0xcc].contains(&kind) => {
                self.channels = content.get(5).copied();
                self.coefficient_bytes = coefficient_bytes(content).unwrap_or_default();
            }
            _ => {}
        }
    }
}

/// Bytes of all coefficients of a frame whose header is `content` (ITU-T T.81, B.2.2): as many as each component has samples.
fn coefficient_bytes(content: &[u8]) -> Option<u64> {
    let side = |at| u16_at(content, at, true).map(u64::from);
    let components = content.get(6..)?.chunks_exact(3).take(usize::from(*content.get(5)?));
    let sampled = components.map(|c| u64::from(c[1] >> 4) * u64::from(c[1] & 15));
    let (all, most) = sampled.fold((0, 1), |(all, most), n| (all + n, most.max(n)));
    Some(2 * side(1)? * side(3)? * all / most)
}

fn believable(per_metre: [f64; 2]) -> Option<[f64; 2]> {
    per_metre.iter().all(|v| (1.0..FINEST).contains(v)).then_some(per_metre)
}

fn u16_at(content: &[u8], at: usize, big: bool) -> Option<u16> {
    let bytes = *content.get(at..)?.first_chunk::<2>()?;
    Some(if big { u16::from_be_bytes(bytes) } else { u16::from_le_bytes(bytes) })
}

fn u32_at(content: &[u8], at: usize, big: bool) -> Option<u32> {
    let bytes = *content.get(at..)?.first_chunk::<4>()?;
    Some(if big { u32::from_be_bytes(bytes) } else { u32::from_le_bytes(bytes) })
}

/// Pixels a metre, across and down, as the first directory of EXIF data says.
pub(super) fn exif_resolution(exif: &[u8]) -> Option<[f64; 2]> {
    let big = exif.starts_with(b"MM");
    let directory = u32_at(exif, 4, big)? as usize;
    let entries = usize::from(u16_at(exif, directory, big)?);
    let (mut x, mut y, mut unit) = (None, None, Some(INCH));
    for entry in (0..entries).map(|i| directory + 2 + 12 * i) {
        let ratio = || {
            let at = u32_at(exif, entry + 8, big)? as usize;
            Some(f64::from(u32_at(exif, at, big)?) / f64::from(u32_at(exif, at + 4, big)?))
        };
        match u16_at(exif, entry, big)? {
            X_RESOLUTION => x = ratio(),
            Y_RESOLUTION => y = ratio(),
            UNIT => {
                unit = match u16_at(exif, entry + 8, big)? {
                    2 => Some(INCH),
                    3 => Some(100.0),
                    _ => None,
                };
            }
            _ => {}
        }
    }
    believable([x? * unit?, y? * unit?])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn jpegs_tell_their_channels_and_density() {
        let jfif = |unit: u8| {
            let mut content = b"\xff\xd8\xff\xe0\0\x10JFIF\0\x01\x02".to_vec();
            content.extend([unit, 1, 44, 1, 44, 0, 0]);
            content.extend(b"\xff\xc2\0\x0b\x08\0\x10\0\x10\x01\x01\x11\0\xff\xda\0\0");
            content
        };
        let head = JpegHead::read(&jfif(1));
        assert_eq!((head.whole, head.channels), (false, Some(1)));
        assert_eq!(head.coefficient_bytes, 16 * 16 * 2);
        assert!(head.per_metre.is_some_and(|p| p.iter().all(|v| (v - 300.0 * INCH).abs() < 1e-6)));
        // Those of a picture of one scan are not kept.
        let mut plain = jfif(1);
        let frame = plain.windows(2).position(|m| m == [0xff, 0xc2]).unwrap();
        plain[frame + 1] = 0xc0;
        plain.extend([1, 1, 0]);
        assert_eq!(JpegHead::read(&plain).coefficient_bytes, 0);
        // Of three channels of which the first scan has one, all are.
        plain[frame + 9] = 3;
        assert_eq!(JpegHead::read(&plain).coefficient_bytes, 16 * 16 * 2);
        assert_eq!(JpegHead::read(&jfif(2)).per_metre, Some([30_000.0; 2]));
        assert_eq!(JpegHead::read(&jfif(0)).per_metre, None);
        assert!(JpegHead::read(&[jfif(1), b"\x01\xff\xd9".to_vec()].concat()).whole);
        for rubbish in [&b""[..], b"\xff\xd8", b"\xff\xd8\xff\xe0", b"\xff\xd8\xff\xe0\0\x04JF"] {
            assert_eq!(JpegHead::read(rubbish), JpegHead::default());
        }
    }

    #[test]
    fn exif_tells_density_in_both_orders() {
        for big in [true, false] {
            let short = |v: u16| if big { v.to_be_bytes() } else { v.to_le_bytes() }.to_vec();
            let long = |v: u32| if big { v.to_be_bytes() } else { v.to_le_bytes() }.to_vec();
            let mut exif = if big { b"MM\0*".to_vec() } else { b"II*\0".to_vec() };
            exif.extend([long(8), short(3)].concat());
            for tag in [X_RESOLUTION, Y_RESOLUTION] {
                exif.extend([short(tag), short(5), long(1), long(50)].concat());
            }
            exif.extend([short(UNIT), short(3), long(1), short(2), short(0), long(0)].concat());
            exif.extend([long(240), long(2)].concat());
            assert!(
                exif_resolution(&exif).is_some_and(|p| (p[0] - 120.0 * INCH).abs() < 1e-6 && p[0] == p[1])
            );
            for length in 0..exif.len() {
                assert_eq!(exif_resolution(&exif[..length]), None, "{length}");
            }
        }
    }
}
