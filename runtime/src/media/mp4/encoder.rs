//! The encoder of H.264, and what its stream is.

use openh264::OpenH264API;
use openh264::encoder::{Encoder, EncoderConfig, IntraFramePeriod, RateControlMode, UsageType, VuiConfig};
use shiguredo_mp4::Uint;
use shiguredo_mp4::boxes::{Avc1Box, AvccBox, SampleEntry, VisualSampleEntryFields};

/// Frames from one that stands alone to the next: a player can jump to those.
const KEY_FRAMES: u32 = 60;

/// Whether H.264 can be written on this machine.
pub(in crate::media) fn can_write() -> bool {
    encoder().is_ok()
}

/// An encoder for frames as they come.
pub(super) fn encoder() -> std::result::Result<Encoder, openh264::Error> {
    let config = EncoderConfig::new()
        .usage_type(UsageType::CameraVideoRealTime)
        // Each frame as good as the next, at the size that takes: its quantiser is the encoder's own, 26.
        .rate_control_mode(RateControlMode::Off)
        .intra_frame_period(IntraFramePeriod::from_num_frames(KEY_FRAMES))
        .vui(VuiConfig::bt601())
        .skip_frames(false)
        // A thread would take a core from the detector.
        .num_threads(1);
    Encoder::with_api_config(OpenH264API::from_source(), config)
}

/// What the stream is, for players.
pub(super) fn entry(
    (width, height): (u32, u32),
    sps: Option<Vec<u8>>,
    pps: Option<Vec<u8>>,
) -> Option<SampleEntry> {
    let (sps, pps) = (sps?, pps?);
    let [profile, compatibility, level] = *sps.get(1..4)? else { return None };
    let visual = VisualSampleEntryFields {
        data_reference_index: VisualSampleEntryFields::DEFAULT_DATA_REFERENCE_INDEX,
        width: u16::try_from(width).ok()?,
        height: u16::try_from(height).ok()?,
        horizresolution: VisualSampleEntryFields::DEFAULT_HORIZRESOLUTION,
        vertresolution: VisualSampleEntryFields::DEFAULT_VERTRESOLUTION,
        frame_count: VisualSampleEntryFields::DEFAULT_FRAME_COUNT,
        compressorname: VisualSampleEntryFields::NULL_COMPRESSORNAME,
        depth: VisualSampleEntryFields::DEFAULT_DEPTH,
    };
    // Profiles from High on say more of their colours; the encoder's own is below.
    let high = !matches!(profile, 66 | 77 | 88);
    let avcc_box = AvccBox {
        avc_profile_indication: profile,
        profile_compatibility: compatibility,
        avc_level_indication: level,
        length_size_minus_one: Uint::new(3),
        sps_list: vec![sps],
        pps_list: vec![pps],
        chroma_format: high.then(|| Uint::new(1)),
        bit_depth_luma_minus8: high.then(|| Uint::new(0)),
        bit_depth_chroma_minus8: high.then(|| Uint::new(0)),
        sps_ext_list: Vec::new(),
    };
    Some(SampleEntry::Avc1(Avc1Box { visual, avcc_box, unknown_boxes: Vec::new() }))
}

/// A unit without the zeros and the one that mark its start in a stream.
pub(super) fn without_start_code(unit: &[u8]) -> &[u8] {
    let zeros = unit.iter().take_while(|b| **b == 0).count();
    match unit.get(zeros) {
        Some(1) if zeros >= 2 => &unit[zeros + 1..],
        _ => unit,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn start_codes_are_cut_off() {
        for (unit, bare) in
            [(&[0, 0, 0, 1, 7][..], &[7][..]), (&[0, 0, 1, 0, 0], &[0, 0]), (&[5, 0, 0, 1], &[5, 0, 0, 1])]
        {
            assert_eq!(without_start_code(unit), bare);
        }
    }
}
