//! What a clip says of its colours, and what has to be done for a screen to show them.

use super::yuv::Matrix;

/// Code point of what is not said.
const UNSAID: u8 = 2;

/// Colours by the code points of ITU-T H.273, as H.264, HEVC, MP4 and ffmpeg number them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Colours {
    /// Which red, green and blue.
    pub primaries: u8,
    /// How numbers grow with light.
    pub transfer: u8,
    /// How brightness and colours are made of red, green and blue.
    pub matrix: u8,
    /// Whether brightness goes from 0 to 255, not from 16 to 235.
    pub full_range: bool,
}

impl Default for Colours {
    /// A clip that says nothing.
    fn default() -> Self {
        Self { primaries: UNSAID, transfer: UNSAID, matrix: UNSAID, full_range: false }
    }
}

/// What has to be done with a clip's planes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Way {
    /// They are turned into red, green and blue, and that is all: standard dynamic range, the primaries of a screen.
    Planes(Matrix),
    /// They are of a kind that is not known here, though a screen shows it.
    Foreign,
    /// Their primaries or their transfer are not a screen's.
    Convert,
    /// They show more light than a screen does (PQ, HLG).
    ToneMap,
}

impl Colours {
    /// What has to be done. The primaries of old television differ little from a screen's and count as these, as players do.
    pub fn way(self) -> Way {
        match (self.transfer, self.primaries, Matrix::of(self.matrix)) {
            (16 | 18, ..) => Way::ToneMap,
            (8..=12 | 17, ..) => Way::Convert,
            (_, 1 | UNSAID | 5..=7, Some(matrix)) => Way::Planes(matrix),
            (_, 1 | UNSAID | 5..=7, None) => Way::Foreign,
            _ => Way::Convert,
        }
    }

    /// In words, for messages.
    pub fn in_words(self) -> &'static str {
        match (self.transfer, self.primaries) {
            (16, _) => "HDR (PQ)",
            (18, _) => "HDR (HLG)",
            (_, 9) => "of BT.2020",
            (_, 11 | 12) => "of P3",
            _ => "of a rare kind",
        }
    }

    /// The same with everything said: what is not, is what goes with the rest.
    pub fn completed(self) -> Self {
        let wide = self.way() == Way::ToneMap || self.primaries == 9;
        let or = |said: u8, usual: u8| if said == UNSAID { usual } else { said };
        Self {
            primaries: or(self.primaries, if wide { 9 } else { 1 }),
            transfer: or(self.transfer, 1),
            matrix: or(self.matrix, if wide { 9 } else { 6 }),
            ..self
        }
    }
}

/// The code point of a matrix, transfer or primaries by ffmpeg's name; 2 for one that is not known.
pub(super) fn by_name(names: &[(&str, u8)], name: &str) -> u8 {
    names.iter().find(|(n, _)| *n == name).map_or(UNSAID, |(_, code)| *code)
}

/// ffmpeg's names of matrices.
pub(super) const MATRICES: [(&str, u8); 9] = [
    ("gbr", 0),
    ("bt709", 1),
    ("fcc", 4),
    ("bt470bg", 5),
    ("smpte170m", 6),
    ("smpte240m", 7),
    ("ycgco", 8),
    ("bt2020nc", 9),
    ("bt2020c", 10),
];

/// ffmpeg's names of transfers.
pub(super) const TRANSFERS: [(&str, u8); 17] = [
    ("bt709", 1),
    ("bt470m", 4),
    ("bt470bg", 5),
    ("smpte170m", 6),
    ("smpte240m", 7),
    ("linear", 8),
    ("log100", 9),
    ("log316", 10),
    ("iec61966-2-4", 11),
    ("bt1361e", 12),
    ("iec61966-2-1", 13),
    ("bt2020-10", 14),
    ("bt2020-12", 15),
    ("smpte2084", 16),
    ("smpte428", 17),
    ("smpte428_1", 17),
    ("arib-std-b67", 18),
];

/// ffmpeg's names of primaries.
pub(super) const PRIMARIES: [(&str, u8); 10] = [
    ("bt709", 1),
    ("bt470m", 4),
    ("bt470bg", 5),
    ("smpte170m", 6),
    ("smpte240m", 7),
    ("film", 8),
    ("bt2020", 9),
    ("smpte428", 10),
    ("smpte431", 11),
    ("smpte432", 12),
];

#[cfg(test)]
mod tests {
    use super::*;

    fn way(primaries: u8, transfer: u8, matrix: u8) -> Way {
        Colours { primaries, transfer, matrix, full_range: false }.way()
    }

    #[test]
    fn what_a_clip_says_decides_what_is_done() {
        assert_eq!(Colours::default().way(), Way::Planes(Matrix::Bt601));
        assert_eq!(way(1, 1, 1), Way::Planes(Matrix::Bt709));
        assert_eq!(way(6, 6, 6), Way::Planes(Matrix::Bt601));
        assert_eq!(way(2, 2, 9), Way::Planes(Matrix::Bt2020));
        assert_eq!((way(9, 14, 9), way(12, 13, 1), way(1, 8, 1)), (Way::Convert, Way::Convert, Way::Convert));
        assert_eq!((way(9, 16, 9), way(2, 18, 2)), (Way::ToneMap, Way::ToneMap));
        assert_eq!(way(1, 1, 7), Way::Foreign);
    }

    #[test]
    fn what_is_not_said_goes_with_the_rest() {
        let hdr = Colours { transfer: 16, ..Colours::default() }.completed();
        assert_eq!((hdr.primaries, hdr.transfer, hdr.matrix), (9, 16, 9));
        let plain = Colours::default().completed();
        assert_eq!((plain.primaries, plain.transfer, plain.matrix), (1, 1, 6));
        assert_eq!((by_name(&MATRICES, "bt2020nc"), by_name(&TRANSFERS, "unknown")), (9, 2));
    }
}
