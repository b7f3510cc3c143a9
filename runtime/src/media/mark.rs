//! The mark that says how a picture or clip came about: IPTC's Digital Source Type, as content sites and viewers read it,
//! and the program's name.

use image::RgbImage;

use super::picture::Alpha;
use crate::vision::text;

/// How a picture came about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// Drawn by a network.
    Generated,
    /// A photo, a part of which was drawn by a network.
    Edited,
}

/// The program as metadata name it.
const SOFTWARE: &str = concat!("LatentKeypointGAN runtime ", env!("CARGO_PKG_VERSION"));
/// Longest content of a JPEG segment, in bytes.
const LONGEST_SEGMENT: usize = 65_533;

impl Origin {
    /// IPTC NewsCodes URI of the Digital Source Type.
    pub fn uri(self) -> &'static str {
        match self {
            Origin::Generated => "http://cv.iptc.org/newscodes/digitalsourcetype/trainedAlgorithmicMedia",
            Origin::Edited => {
                "http://cv.iptc.org/newscodes/digitalsourcetype/compositeWithTrainedAlgorithmicMedia"
            }
        }
    }

    /// A sentence for people.
    pub fn sentence(self) -> &'static str {
        match self {
            Origin::Generated => "AI-generated",
            Origin::Edited => "AI-edited",
        }
    }

    /// An XMP packet.
    fn xmp(self) -> String {
        format!(
            "<?xpacket begin=\"\u{feff}\" id=\"W5M0MpCehiHzreSzNTczkc9d\"?><x:xmpmeta xmlns:x=\"adobe:ns:meta/\">\
             <rdf:RDF xmlns:rdf=\"http://www.w3.org/1999/02/22-rdf-syntax-ns#\"><rdf:Description rdf:about=\"\" \
             xmlns:Iptc4xmpExt=\"http://iptc.org/std/Iptc4xmpExt/2008-02-29/\" \
             xmlns:xmp=\"http://ns.adobe.com/xap/1.0/\" Iptc4xmpExt:DigitalSourceType=\"{}\" \
             xmp:CreatorTool=\"{SOFTWARE}\"/></rdf:RDF></x:xmpmeta><?xpacket end=\"w\"?>",
            self.uri()
        )
    }

    /// Writes the sentence, or `AI` where there is no room for it, into the lower right corner, to be seen.
    pub fn stamp(self, picture: &mut RgbImage) {
        let size = text::readable(picture.width(), picture.height());
        let fits = text::width(self.sentence(), size) + size <= picture.width();
        let label = if fits { self.sentence() } else { "AI" };
        let x = picture.width() as i32 - (text::width(label, size) + size / 2) as i32;
        let y = picture.height() as i32 - text::line(size) as i32;
        text::draw(picture, label, (x.max(0), y.max(-(size as i32) / 4)), size, [255, 214, 90]);
    }

    /// The same on a picture that has `alpha`: the mark is seen where the picture is clear, too.
    pub fn stamp_whole(self, picture: &mut RgbImage, alpha: &mut Alpha) {
        let Alpha::Moved(alpha) = alpha else { return self.stamp(picture) };
        let before = picture.clone();
        self.stamp(picture);
        for ((now, before), alpha) in picture.pixels().zip(before.pixels()).zip(alpha.iter_mut()) {
            if now != before {
                *alpha = u8::MAX;
            }
        }
    }
}

/// Puts the mark into a PNG's head.
///
/// # Errors
/// A text chunk is refused.
pub(super) fn mark_png<W: std::io::Write>(
    encoder: &mut png::Encoder<'_, W>,
    origin: Origin,
) -> Result<(), png::EncodingError> {
    encoder.add_text_chunk("Software".to_owned(), SOFTWARE.to_owned())?;
    encoder.add_text_chunk("Comment".to_owned(), origin.sentence().to_owned())?;
    encoder.add_text_chunk("DigitalSourceType".to_owned(), origin.uri().to_owned())?;
    encoder.add_itxt_chunk("XML:com.adobe.xmp".to_owned(), origin.xmp())
}

/// `picture` as a PNG, marked if it has an origin.
///
/// # Errors
/// A sentence that says what is wrong with it.
pub fn png(picture: &RgbImage, origin: Option<Origin>) -> Result<Vec<u8>, String> {
    super::picture::rgb_png(picture, origin)
}

/// Puts the mark into `jpeg`, right after its first marker and any JFIF header.
pub fn mark_jpeg(jpeg: &mut Vec<u8>, origin: Origin) {
    let mut segments = Vec::new();
    for (kind, content) in [
        (0xe1, [b"http://ns.adobe.com/xap/1.0/\0", origin.xmp().as_bytes()].concat()),
        (0xfe, format!("{}, {SOFTWARE}, {}", origin.sentence(), origin.uri()).into_bytes()),
    ] {
        let length = content.len().min(LONGEST_SEGMENT);
        segments.extend([0xff, kind]);
        segments.extend((length as u16 + 2).to_be_bytes());
        segments.extend_from_slice(&content[..length]);
    }
    let at = match jpeg.get(2..6) {
        Some(&[0xff, 0xe0, high, low]) => 4 + usize::from(u16::from_be_bytes([high, low])),
        _ => 2,
    };
    let at = at.min(jpeg.len());
    jpeg.splice(at..at, segments);
}

/// The mark as a list for the head of an AVI file.
pub(super) fn avi_info(origin: Origin) -> Vec<u8> {
    let mut list = b"INFO".to_vec();
    let comment = format!("{}, {}", origin.sentence(), origin.uri());
    for (id, text) in [(b"ISFT", SOFTWARE), (b"ICMT", comment.as_str())] {
        let mut value = text.as_bytes().to_vec();
        value.push(0);
        list.extend_from_slice(id);
        list.extend((value.len() as u32).to_le_bytes());
        if value.len() % 2 == 1 {
            value.push(0);
        }
        list.extend(value);
    }
    let mut chunk = b"LIST".to_vec();
    chunk.extend((list.len() as u32).to_le_bytes());
    chunk.extend(list);
    chunk
}

/// What names a box of an MP4 file that holds an XMP packet (XMP specification, part 3).
const XMP_BOX: [u8; 16] =
    [0xbe, 0x7a, 0xcf, 0xcb, 0x97, 0xa9, 0x42, 0xe8, 0x9c, 0x71, 0x99, 0x94, 0x91, 0xe3, 0xaf, 0xac];

/// The mark as a box of an MP4 file, at its top level.
pub(super) fn mp4_box(origin: Origin) -> Vec<u8> {
    let packet = origin.xmp();
    let length = 8 + XMP_BOX.len() + packet.len();
    [&(length as u32).to_be_bytes()[..], b"uuid", &XMP_BOX, packet.as_bytes()].concat()
}

/// The mark as comments in the head of a y4m stream, which hold no spaces.
pub(super) fn y4m_comments(origin: Origin) -> [Vec<u8>; 2] {
    [
        format!("COMMENT={}", origin.sentence()).into_bytes(),
        format!("DIGITALSOURCETYPE={}", origin.uri()).into_bytes(),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::media::jpeg;
    use crate::media::testing::gradient;

    fn has(content: &[u8], text: &str) -> bool {
        content.windows(text.len()).any(|w| w == text.as_bytes())
    }

    #[test]
    fn marked_pictures_say_so_and_look_the_same() {
        let picture = gradient(40, 30);
        for origin in [Origin::Generated, Origin::Edited] {
            let marked = png(&picture, Some(origin)).unwrap();
            assert_eq!(image::load_from_memory(&marked).unwrap().into_rgb8(), picture);
            let mut plain = Vec::new();
            jpeg::encode(&picture, &mut plain).unwrap();
            let mut marked_jpeg = plain.clone();
            mark_jpeg(&mut marked_jpeg, origin);
            assert_eq!(jpeg::decode(&marked_jpeg).unwrap(), jpeg::decode(&plain).unwrap());
            assert_eq!(
                image::load_from_memory(&marked_jpeg).unwrap().into_rgb8(),
                image::load_from_memory(&plain).unwrap().into_rgb8()
            );
            for content in [&marked, &marked_jpeg] {
                assert!(
                    has(content, origin.uri()) && has(content, SOFTWARE) && has(content, origin.sentence())
                );
            }
        }
        assert!(!has(&png(&picture, None).unwrap(), "cv.iptc.org"));
    }

    #[test]
    fn the_visible_mark_fits_the_picture() {
        for (width, height) in [(400, 300), (64, 64), (5, 4)] {
            let mut picture = RgbImage::new(width, height);
            Origin::Edited.stamp(&mut picture);
            let lit = |x: u32| (0..height).any(|y| picture.get_pixel(x, y).0[0] > 200);
            assert!((width / 2..width).any(lit));
            // Nothing is cut off at the left edge, where there is room at all.
            assert!(width < 20 || !lit(0), "{width}");
        }
    }
}
