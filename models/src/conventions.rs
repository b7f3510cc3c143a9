//! Coordinates and colours, stated once for both halves.
//!
//! * **Keypoints** are `(x, y)`, x to the right and y down, in `[-1, 1]` where -1 and 1 are the outer *edges* of
//!   the picture. The centre of pixel `i` of `S` lies at `(2 i + 1) / S - 1`.
//! * **Images** are RGB, `[N, 3, S, S]`, float32 in `[-1, 1]`: `value = byte / 127.5 - 1`.
//! * **Resizing** to a network's input is antialiased (area or triangle filter over the source pixels covered).
//! * **Heat maps**: `H_k(p) = visible_k * exp(-|p - k|^2 / (tau * scale_k^2))`, peak 1, in normalised coordinates;
//!   the background's is `1 - max_k H_k(p)`.

/// Normalised coordinate of the centre of pixel `index` on an axis of `size` pixels.
pub fn pixel_centre(index: usize, size: usize) -> f32 {
    (2 * index + 1) as f32 / size as f32 - 1.0
}

/// Normalised coordinate (-1 and 1 are the outer edges) to pixels (0 and `size` are the outer edges).
pub fn to_pixels(normalised: f32, size: f32) -> f32 {
    (normalised + 1.0) * 0.5 * size
}

/// Pixels (0 and `size` are the outer edges) to a normalised coordinate.
pub fn from_pixels(pixels: f32, size: f32) -> f32 {
    pixels / size * 2.0 - 1.0
}

/// A colour byte to the networks' range.
pub fn colour_to_unit(byte: u8) -> f32 {
    f32::from(byte) / 127.5 - 1.0
}

/// A network's colour value to a byte, clamped.
pub fn colour_to_byte(value: f32) -> u8 {
    ((value + 1.0) * 127.5).round().clamp(0.0, 255.0) as u8
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pixel_centres_lie_half_a_pixel_inside_the_edges() {
        assert_eq!(pixel_centre(0, 4), -0.75);
        assert_eq!(pixel_centre(3, 4), 0.75);
        assert_eq!(to_pixels(pixel_centre(2, 64), 64.0), 2.5);
    }

    #[test]
    fn pixels_and_normalised_coordinates_invert_each_other() {
        for v in [-1.0, -0.3, 0.0, 0.7, 1.0] {
            assert!((from_pixels(to_pixels(v, 480.0), 480.0) - v).abs() < 1e-6);
        }
    }

    proptest::proptest! {
        #[test]
        fn conversions_invert_each_other_everywhere(v in -1.5f32..1.5, size in 1.0f32..20_000.0, index in 0usize..20_000) {
            proptest::prop_assert!((from_pixels(to_pixels(v, size), size) - v).abs() < 1e-5);
            let whole = index + 1;
            let centre = to_pixels(pixel_centre(index, whole), whole as f32);
            proptest::prop_assert!((centre - index as f32 - 0.5).abs() < 1e-2);
        }
    }

    #[test]
    fn every_colour_byte_survives_the_round_trip() {
        for byte in 0..=255 {
            assert_eq!(colour_to_byte(colour_to_unit(byte)), byte);
        }
        assert_eq!(colour_to_byte(7.0), 255);
        assert_eq!(colour_to_byte(f32::NAN), 0);
    }
}
