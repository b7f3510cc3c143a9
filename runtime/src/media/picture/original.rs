//! What a picture's file holds beyond RGB of 8 bits, so that what is made of the picture stays what it was.

use std::sync::Arc;

use image::imageops::{FilterType, resize};
use image::{DynamicImage, GrayImage, ImageBuffer, Luma, LumaA, Pixel, Rgb, RgbImage, Rgba};

/// RGB and alpha, 16 bits each: holds every kind of picture that is read without loss.
pub(super) type Samples = ImageBuffer<Rgba<u16>, Vec<u16>>;

/// 16-bit steps in one of 8 bits.
const STEP: u16 = 257;

/// What a picture's file holds beyond its pixels as RGB of 8 bits. That of a picture without a file is the default: RGB of 8
/// bits, sRGB, nothing known of its size in the world.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Original {
    pub(super) colours: Colours,
    /// Pixels a metre, across and down.
    pub(super) per_metre: Option<[f64; 2]>,
    /// Whether its file has one channel of grey.
    pub(super) grey_file: bool,
    /// Whether all of its pixels are grey, whatever its file has.
    pub(super) grey: bool,
    /// Whether its channels have 16 bits.
    pub(super) deep: bool,
    /// Whether it has alpha.
    pub(super) clear: bool,
    /// The pixels, upright, where RGB of 8 bits does not hold all of them.
    pub(super) samples: Option<Arc<Samples>>,
}

/// What a picture's numbers mean as colours.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Colours {
    /// An ICC profile.
    pub icc: Option<Vec<u8>>,
    /// Code points as a PNG's `cICP` has them (ITU-T H.273).
    pub cicp: Option<[u8; 4]>,
    /// A PNG's rendering intent, which says that it is sRGB.
    pub srgb: Option<png::SrgbRenderingIntent>,
    /// A PNG's exponent.
    pub gamma: Option<png::ScaledFloat>,
    /// A PNG's primaries and white.
    pub chromaticities: Option<png::SourceChromaticities>,
}

/// How much of each pixel shows in a picture made of one that has alpha.
#[derive(Clone, Debug, Default)]
pub enum Alpha {
    /// As much as before.
    #[default]
    Own,
    /// This much.
    Moved(GrayImage),
    /// All of what was drawn, as much as before of the rest.
    Covered,
}

impl Original {
    /// Whether it has alpha.
    pub fn has_alpha(&self) -> bool {
        self.clear
    }

    /// The alpha of each pixel, where there is any.
    pub fn alpha(&self) -> Option<GrayImage> {
        let samples = self.samples.as_ref().filter(|_| self.clear)?;
        Some(GrayImage::from_fn(samples.width(), samples.height(), |x, y| {
            Luma([byte(samples.get_pixel(x, y).0[3])])
        }))
    }

    /// The same for what is drawn on in colour.
    #[must_use]
    pub fn in_colour(mut self) -> Self {
        let is_grey = |icc: &Vec<u8>| icc.get(16..20) == Some(b"GRAY");
        if self.colours.icc.as_ref().is_some_and(is_grey) {
            self.colours.icc = None;
        }
        (self.grey, self.grey_file) = (false, false);
        self
    }

    /// The same for pictures that show other pixels: colours, greyness and density.
    #[must_use]
    pub fn without_pixels(&self) -> Self {
        Self { deep: false, clear: false, samples: None, ..self.clone() }
    }

    /// A pixel of `edited`, grey where all of this picture is.
    fn pixel(&self, edited: &RgbImage, x: u32, y: u32) -> [u8; 3] {
        let pixel = edited.get_pixel(x, y);
        if self.grey { [luma(pixel); 3] } else { pixel.0 }
    }

    /// `edited`, made of this picture, with 8 bits and without alpha, grey as the picture was; none where that is `edited` as
    /// it is.
    pub(super) fn flat(&self, edited: &RgbImage) -> Option<DynamicImage> {
        let (width, height) = edited.dimensions();
        let pixel = |x: u32, y: u32| self.pixel(edited, x, y);
        if self.grey_file {
            return Some(GrayImage::from_fn(width, height, |x, y| Luma([pixel(x, y)[0]])).into());
        }
        self.grey.then(|| RgbImage::from_fn(width, height, |x, y| Rgb(pixel(x, y))).into())
    }

    /// `edited`, made of this picture, in the picture's own form: grey, deep and clear as it was; none where that is `edited`
    /// as it is. A pixel that is as it was stays what it was to the bit.
    pub(super) fn restored(&self, edited: &RgbImage, alpha: &Alpha) -> Option<DynamicImage> {
        let Some(samples) = &self.samples else { return self.flat(edited) };
        let (width, height) = edited.dimensions();
        // What is made of it may be smaller or larger than it is.
        let scaled = (samples.dimensions() != (width, height))
            .then(|| resize(samples.as_ref(), width, height, FilterType::Triangle));
        let samples = scaled.as_ref().unwrap_or(samples);
        let all = Samples::from_fn(width, height, |x, y| {
            let own = samples.get_pixel(x, y).0;
            let (seen, edited) = (shown(own), self.pixel(edited, x, y));
            let alpha = match alpha {
                Alpha::Own => own[3],
                Alpha::Covered => {
                    if edited == seen {
                        own[3]
                    } else {
                        u16::MAX
                    }
                }
                Alpha::Moved(moved) => match moved.get_pixel_checked(x, y) {
                    Some(Luma([alpha])) if *alpha != byte(own[3]) => u16::from(*alpha) * STEP,
                    _ => own[3],
                },
            };
            let same = edited == seen && alpha == own[3];
            Rgba(if same { own } else { drawn(edited, own, alpha) })
        });
        let grey = |p: &Rgba<u16>| p.0[0];
        Some(match (self.grey_file, self.clear, self.deep) {
            (false, true, true) => DynamicImage::ImageRgba16(all),
            (false, false, true) => DynamicImage::ImageRgb16(each(&all, |p| p.to_rgb())),
            (false, true, false) => DynamicImage::ImageRgba8(each(&all, |p| Rgba(p.0.map(byte)))),
            (false, false, false) => DynamicImage::ImageRgb8(each(&all, |p| p.to_rgb().0.map(byte).into())),
            (true, true, true) => DynamicImage::ImageLumaA16(each(&all, |p| LumaA([grey(p), p.0[3]]))),
            (true, true, false) => {
                DynamicImage::ImageLumaA8(each(&all, |p| LumaA([grey(p), p.0[3]].map(byte))))
            }
            (true, false, true) => DynamicImage::ImageLuma16(each(&all, |p| Luma([grey(p)]))),
            (true, false, false) => DynamicImage::ImageLuma8(each(&all, |p| Luma([byte(grey(p))]))),
        })
    }
}

fn each<P: Pixel>(all: &Samples, of: impl Fn(&Rgba<u16>) -> P) -> ImageBuffer<P, Vec<P::Subpixel>> {
    ImageBuffer::from_fn(all.width(), all.height(), |x, y| of(all.get_pixel(x, y)))
}

/// A sample of 16 bits in 8.
fn byte(sample: u16) -> u8 {
    ((u32::from(sample) + 128) / u32::from(STEP)) as u8
}

/// How bright a colour is (ITU-R BT.601); that of a grey is itself.
fn luma(Rgb([r, g, b]): &Rgb<u8>) -> u8 {
    ((299 * u32::from(*r) + 587 * u32::from(*g) + 114 * u32::from(*b) + 500) / 1000) as u8
}

/// A pixel as RGB of 8 bits, on white where it is clear: what lies under clear pixels was never meant to be seen.
pub(super) fn shown(pixel: [u16; 4]) -> [u8; 3] {
    let [r, g, b, alpha] = pixel.map(|v| u32::from(byte(v)));
    [r, g, b].map(|v| ((v * alpha + 255 * (255 - alpha) + 127) / 255) as u8)
}

/// The pixel that shows `edited` with this much alpha. Where that is all, what `own` has beyond 8 bits stays, so that
/// smooth tones have no steps.
fn drawn(edited: [u8; 3], own: [u16; 4], alpha: u16) -> [u16; 4] {
    let a = i32::from(byte(alpha));
    let colour = |c: usize| -> u16 {
        let seen = i32::from(edited[c]);
        match a {
            // Nothing of it shows.
            0 => own[c],
            255 => {
                let finer = i32::from(own[c]) - i32::from(byte(own[c])) * i32::from(STEP);
                (seen * i32::from(STEP) + finer).clamp(0, i32::from(u16::MAX)) as u16
            }
            // What shows is the colour on white.
            _ => (((seen - (255 - a)) * 255 + a / 2) / a).clamp(0, 255) as u16 * STEP,
        }
    };
    [colour(0), colour(1), colour(2), alpha]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn original(samples: Samples, [grey, deep, clear]: [bool; 3]) -> (Original, RgbImage) {
        let seen = RgbImage::from_fn(samples.width(), samples.height(), |x, y| {
            Rgb(shown(samples.get_pixel(x, y).0))
        });
        let samples = Some(Arc::new(samples));
        (Original { samples, deep, clear, grey, grey_file: grey, ..Original::default() }, seen)
    }

    #[test]
    fn what_was_not_edited_is_what_it_was_to_the_bit() {
        for alpha in [u16::MAX, 40_000, 257, 0] {
            let samples =
                Samples::from_fn(7, 5, |x, y| Rgba([x as u16 * 9_001, y as u16 * 13_007, 4_242, alpha]));
            let (original, seen) = original(samples.clone(), [false, true, true]);
            assert_eq!(original.restored(&seen, &Alpha::Own).unwrap().into_rgba16(), samples, "{alpha}");
            // And what was shows where it was.
            let mut edited = seen.clone();
            edited.put_pixel(3, 3, Rgb([250, 200, 230]));
            let back = original.restored(&edited, &Alpha::Own).unwrap().into_rgba16();
            let changed = back.enumerate_pixels().filter(|(x, y, p)| *p != samples.get_pixel(*x, *y)).count();
            assert_eq!(changed, usize::from(alpha != 0), "{alpha}");
            if alpha == u16::MAX || alpha == 40_000 {
                let now = shown(back.get_pixel(3, 3).0);
                assert!(now.iter().zip([250, 200, 230]).all(|(a, b)| a.abs_diff(b) <= 1), "{now:?}");
            }
            let covered = original.restored(&edited, &Alpha::Covered).unwrap().into_rgba16();
            assert_eq!(shown(covered.get_pixel(3, 3).0), [250, 200, 230]);
            assert_eq!(covered.get_pixel(3, 3).0[3], u16::MAX);
        }
    }

    #[test]
    fn every_kind_comes_back_as_its_kind() {
        for [grey, deep, clear] in [
            [false; 3],
            [true, false, false],
            [false, true, false],
            [false, false, true],
            [true, true, false],
            [true; 3],
        ] {
            let alpha = if clear { 30_000 / 257 * 257 } else { u16::MAX };
            let samples = Samples::from_pixel(4, 4, Rgba([25_700, 25_700, 25_700, alpha]));
            let (original, seen) = original(samples, [grey, deep, clear]);
            let restored = original.restored(&seen, &Alpha::Own).unwrap().color();
            assert_eq!(
                (
                    restored.has_color(),
                    restored.has_alpha(),
                    restored.bytes_per_pixel() / restored.channel_count()
                ),
                (!grey, clear, 1 + u8::from(deep))
            );
            // Half as large, too.
            assert_eq!(original.restored(&RgbImage::new(2, 2), &Alpha::Own).unwrap().color(), restored);
        }
    }

    #[test]
    fn grey_stays_grey_and_fine_steps_stay_fine() {
        let grey = Original { grey: true, grey_file: true, ..Original::default() };
        let edited = RgbImage::from_pixel(2, 2, Rgb([255, 128, 0]));
        assert_eq!(grey.restored(&edited, &Alpha::Own).unwrap().into_luma8().get_pixel(0, 0).0, [151]);
        let samples = Samples::from_fn(200, 1, |x, _| Rgba([10_000 + x as u16, 0, 0, u16::MAX]));
        let (original, seen) = original(samples, [false, true, false]);
        // One step brighter.
        let edited = RgbImage::from_fn(200, 1, |x, _| Rgb([seen.get_pixel(x, 0).0[0] + 1, 0, 0]));
        let back = original.restored(&edited, &Alpha::Own).unwrap().into_rgb16();
        assert!((0..200).all(|x| back.get_pixel(x, 0).0[0] == 10_257 + x as u16));
    }

    #[test]
    fn alpha_that_moves_takes_its_colour_along() {
        let samples = Samples::from_fn(2, 1, |x, _| Rgba([51_400, 0, 0, if x == 0 { u16::MAX } else { 0 }]));
        let (original, _) = original(samples, [false, false, true]);
        let moved = GrayImage::from_raw(2, 1, vec![0, 255]).unwrap();
        let edited = RgbImage::from_raw(2, 1, vec![255, 255, 255, 200, 0, 0]).unwrap();
        let back = original.restored(&edited, &Alpha::Moved(moved)).unwrap().into_rgba8();
        assert_eq!((back.get_pixel(0, 0).0[3], back.get_pixel(1, 0).0), (0, [200, 0, 0, 255]));
    }
}
