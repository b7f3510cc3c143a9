//! What `ffmpeg` is asked to do with a clip's pictures before they are sent here.

use super::probe::Probed;
use crate::media::colour::{Colours, Way};
use crate::media::yuv::Matrix;

/// How pixels are sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Sent {
    /// Planes of the limited range, to be turned into red, green and blue here as those of every other reader are.
    Planes(Matrix),
    /// Red, green and blue.
    Rgb,
}

/// Light that counts as white in PQ and HLG, in candela a square metre (ITU-R BT.2408).
const WHITE: u32 = 203;

/// Above which share of white light is squeezed, and the most that is told apart, in whites (1000 candela a square metre).
const SQUEEZED: &str = "param=0.7:peak=4.93";

/// Filters that make pictures for a screen of what was probed, and how they come out. They print each picture's time.
pub(super) fn chain(probed: &Probed) -> (String, Sent) {
    let Probed { size, colours, .. } = probed;
    let mut chain = Vec::new();
    if !probed.turned && size.0 > 0 && size.1 > 0 {
        // One size for all: what a conference recorded changes it on the way.
        chain.push(format!("scale={}:{}", size.0, size.1));
    }
    let layout = planes_like(&probed.pixels);
    if is_interlaced(probed) {
        chain.push("bwdif=mode=send_frame:deint=interlaced".to_owned());
    }
    let standard = Sent::Planes(Matrix::Bt709);
    let (layout, sent) = match (layout, colours.way()) {
        (Some(layout), Way::Planes(matrix)) => {
            if colours.full_range {
                // Old layouts of the full range are not ours; limited, they lose nothing that is seen.
                chain.push("scale=out_range=tv".to_owned());
            }
            (layout, Sent::Planes(matrix))
        }
        (Some(_), Way::Convert) => {
            chain.push(format!("zscale={}:p=1:t=1:m=1:r=limited", inputs(*colours)));
            ("yuv444p", standard)
        }
        (Some(_), Way::ToneMap) => {
            // All of what comes out is said as well: the filter finds no way to what a clip leaves out.
            let primaries = colours.completed().primaries;
            chain.push(format!("zscale={}:t=linear:p={primaries}:m=gbr:npl={WHITE}", inputs(*colours)));
            chain.push("format=gbrpf32le,zscale=p=1".to_owned());
            chain.push(format!("tonemap=tonemap=mobius:desat=0:{SQUEEZED}"));
            chain.push("zscale=t=1:p=1:m=1:r=limited".to_owned());
            ("yuv444p", standard)
        }
        (None, _) | (_, Way::Foreign) => ("rgb24", Sent::Rgb),
    };
    chain.push(format!("format={layout}"));
    // In microseconds; then one number after the other, so that no picture is sent twice or left out.
    chain.push("settb=AVTB,showinfo=checksum=0,settb=1/25,setpts=N".to_owned());
    (chain.join(","), sent)
}

/// Whether filters are needed that ffmpeg may have been built without.
pub(super) fn needs_zscale(probed: &Probed) -> bool {
    planes_like(&probed.pixels).is_some() && matches!(probed.colours.way(), Way::Convert | Way::ToneMap)
}

/// Whether frames are made of two halves from different times, or may be: those that are not so are left as they are.
fn is_interlaced(probed: &Probed) -> bool {
    match probed.field_order.as_str() {
        "progressive" => false,
        "tt" | "bb" | "tb" | "bt" => true,
        _ => matches!(probed.codec.as_str(), "mpeg2video" | "h264" | "vc1" | "dvvideo"),
    }
}

/// The layout of 8 bits that has the colours of `pixels` where it has them; none where these are no planes of brightness and
/// colours.
fn planes_like(pixels: &str) -> Option<&'static str> {
    match pixels {
        _ if pixels.starts_with("nv12") || pixels.starts_with("nv21") || pixels.starts_with("p01") => {
            Some("yuv420p")
        }
        _ if !pixels.starts_with("yuv") => None,
        _ if pixels.contains("420") => Some("yuv420p"),
        _ if pixels.contains("422") || pixels.starts_with("yuyv") => Some("yuv422p"),
        _ => Some("yuv444p"),
    }
}

/// What comes in, said in full: the filter takes nothing for granted.
fn inputs(colours: Colours) -> String {
    let Colours { primaries, transfer, matrix, full_range } = colours.completed();
    let range = if full_range { "full" } else { "limited" };
    format!("pin={primaries}:tin={transfer}:min={matrix}:rin={range}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn probed(pixels: &str, field_order: &str, colours: Colours) -> Probed {
        Probed {
            codec: "hevc".to_owned(),
            fps: 25.0,
            size: (4, 2),
            pixels: pixels.to_owned(),
            field_order: field_order.to_owned(),
            colours,
            turned: false,
            broadcast: false,
        }
    }

    #[test]
    fn only_what_a_clip_needs_is_asked_for() {
        let (plain, sent) = chain(&probed("yuv420p", "progressive", Colours::default()));
        assert!(plain.starts_with("scale=4:2,format=yuv420p,settb"), "{plain}");
        assert_eq!(sent, Sent::Planes(Matrix::Bt601));
        assert!(chain(&probed("yuv422p10le", "tt", Colours::default())).0.contains("bwdif"));
        let full = Colours { matrix: 1, full_range: true, ..Colours::default() };
        assert!(chain(&probed("yuvj420p", "progressive", full)).0.contains("out_range=tv"));
        assert_eq!(chain(&probed("gbrp", "progressive", Colours::default())).1, Sent::Rgb);
        let pq = Colours { primaries: 9, transfer: 16, matrix: 9, full_range: false };
        let (mapped, sent) = chain(&probed("yuv420p10le", "progressive", pq));
        assert!(mapped.contains("tonemap") && mapped.contains("tin=16"), "{mapped}");
        assert_eq!(sent, Sent::Planes(Matrix::Bt709));
    }
}
