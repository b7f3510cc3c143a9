//! How a USB Video Class 1.0 webcam introduces itself: one configuration with a control and a streaming interface and
//! one bulk endpoint ("USB Device Class Definition for Video Devices", revision 1.0a, chapter 3).

/// A compressed and a raw format, each with its sizes.
pub const FORMATS: [Format; 2] = [
    Format { kind: Kind::Mjpeg, sizes: &[(640, 480)] },
    Format { kind: Kind::Yuyv, sizes: &[(320, 240), (160, 120)] },
];

/// Times between frames that every size comes at: 30, 15 and 7.5 frames a second, in 100 ns.
pub const INTERVALS: [u32; 3] = [333_333, 666_666, 1_333_333];

/// Most bytes of a bulk transfer.
pub const TRANSFER: u32 = 16 * 1024;

/// Address of the bulk endpoint, device to host.
const ENDPOINT: u8 = 0x81;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Mjpeg,
    Yuyv,
}

/// A pixel format and the sizes it comes in.
#[derive(Clone, Copy, Debug)]
pub struct Format {
    pub kind: Kind,
    pub sizes: &'static [(u32, u32)],
}

/// Bytes that grow field by field, little-endian as everything in USB.
#[derive(Default)]
struct Bytes(Vec<u8>);

impl Bytes {
    /// Starts a descriptor; its length is put in front at the end.
    fn of(kind: u8) -> Self {
        Self(vec![0, kind])
    }

    fn u8s(mut self, values: &[u8]) -> Self {
        self.0.extend_from_slice(values);
        self
    }

    fn u16(mut self, value: u16) -> Self {
        self.0.extend_from_slice(&value.to_le_bytes());
        self
    }

    fn u32(mut self, value: u32) -> Self {
        self.0.extend_from_slice(&value.to_le_bytes());
        self
    }

    fn end(mut self) -> Vec<u8> {
        self.0[0] = self.0.len() as u8;
        self.0
    }
}

const DEVICE: u8 = 1;
const CONFIGURATION: u8 = 2;
const STRING: u8 = 3;
const INTERFACE: u8 = 4;
const ENDPOINT_KIND: u8 = 5;
const QUALIFIER: u8 = 6;
const ASSOCIATION: u8 = 11;
/// Class-specific interface.
const CLASS: u8 = 0x24;

/// What the kernel asks for by kind and number, of a webcam called `name`; none if there is no such thing.
pub fn descriptor(kind: u8, number: u8, name: &str) -> Option<Vec<u8>> {
    match (kind, number) {
        (DEVICE, _) => {
            let head = Bytes::of(DEVICE).u16(0x0200).u8s(&[0xef, 2, 1, 64]);
            // The Linux Foundation's numbers for a webcam made by software.
            Some(head.u16(0x1d6b).u16(0x0102).u16(0x0010).u8s(&[1, 2, 0, 1]).end())
        }
        (CONFIGURATION, _) => Some(configuration()),
        (QUALIFIER, _) => Some(Bytes::of(QUALIFIER).u16(0x0200).u8s(&[0xef, 2, 1, 64, 1, 0]).end()),
        // The languages there are: English.
        (STRING, 0) => Some(Bytes::of(STRING).u16(0x0409).end()),
        (STRING, n) => {
            let texts = ["Keypoint Works", name];
            let text = texts.get(usize::from(n) - 1)?;
            Some(text.encode_utf16().fold(Bytes::of(STRING), Bytes::u16).end())
        }
        _ => None,
    }
}

fn configuration() -> Vec<u8> {
    let association = Bytes::of(ASSOCIATION).u8s(&[0, 2, 0x0e, 3, 0, 2]).end();
    let interface = |number: u8, endpoints: u8, subclass: u8| {
        Bytes::of(INTERFACE).u8s(&[number, 0, endpoints, 0x0e, subclass, 0, 2]).end()
    };
    let endpoint = Bytes::of(ENDPOINT_KIND).u8s(&[ENDPOINT, 2]).u16(512).u8s(&[0]).end();
    let parts =
        [association, interface(0, 0, 1), control(), interface(1, 1, 2), streaming(), endpoint].concat();
    let total = 9 + parts.len() as u16;
    let head = Bytes::of(CONFIGURATION).u16(total).u8s(&[2, 1, 0, 0x80, 50]).end();
    [head, parts].concat()
}

/// A camera terminal that ends in a streaming terminal.
fn control() -> Vec<u8> {
    let camera = Bytes::of(CLASS).u8s(&[2, 1]).u16(0x0201).u8s(&[0; 8]).u8s(&[3, 0, 0, 0]).end();
    let stream = Bytes::of(CLASS).u8s(&[3, 3]).u16(0x0101).u8s(&[0, 1, 0]).end();
    let total = 13 + (camera.len() + stream.len()) as u16;
    let head = Bytes::of(CLASS).u8s(&[1]).u16(0x0100).u16(total).u32(48_000_000).u8s(&[1, 1]).end();
    [head, camera, stream].concat()
}

/// The formats with their frames.
fn streaming() -> Vec<u8> {
    let body: Vec<u8> =
        FORMATS.iter().enumerate().flat_map(|(i, format)| described(i as u8 + 1, format)).collect();
    let count = FORMATS.len() as u8;
    let total = 13 + u16::from(count) + body.len() as u16;
    let head = Bytes::of(CLASS).u8s(&[1, count]).u16(total).u8s(&[ENDPOINT, 0, 3, 0, 0, 0, 1]);
    [head.u8s(&vec![0; FORMATS.len()]).end(), body].concat()
}

fn described(number: u8, format: &Format) -> Vec<u8> {
    let head = Bytes::of(CLASS);
    let sizes = format.sizes.len() as u8;
    let (head, frame_kind) = match format.kind {
        Kind::Mjpeg => (head.u8s(&[6, number, sizes, 1, 1, 0, 0, 0, 0]), 7),
        Kind::Yuyv => {
            // The GUID of YUY2, 16 bits a pixel.
            let guid = *b"YUY2\x00\x00\x10\x00\x80\x00\x00\xaa\x00\x38\x9b\x71";
            (head.u8s(&[4, number, sizes]).u8s(&guid).u8s(&[16, 1, 0, 0, 0, 0]), 5)
        }
    };
    let frames = format.sizes.iter().enumerate().map(|(i, (width, height))| {
        let bytes = width * height * 2;
        let frame =
            Bytes::of(CLASS).u8s(&[frame_kind, i as u8 + 1, 0]).u16(*width as u16).u16(*height as u16);
        let frame = frame.u32(bytes * 60).u32(bytes * 240).u32(bytes).u32(INTERVALS[0]);
        INTERVALS.into_iter().fold(frame.u8s(&[INTERVALS.len() as u8]), Bytes::u32).end()
    });
    let frames: Vec<_> = frames.collect();
    // BT.709 primaries, BT.601 matrix: what webcams say.
    let colours = Bytes::of(CLASS).u8s(&[0x0d, 1, 1, 4]).end();
    [head.end(), frames.concat(), colours].concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_add_up() {
        let whole = configuration();
        assert_eq!(usize::from(u16::from_le_bytes([whole[2], whole[3]])), whole.len());
        let mut rest = whole.as_slice();
        while let [length, _, ..] = *rest {
            assert!(length > 1 && usize::from(length) <= rest.len());
            rest = &rest[usize::from(length)..];
        }
        assert!(rest.is_empty());
    }
}
