//! The colours of a cut-out where it is clear: those at its edge go on. What it lies on is then neither carried nor drawn into it.

/// Red, green, blue, 0 to 255, and how much of them shows or is known, 0 to 1.
type Pixel = [f32; 4];

/// How much of a pixel must show for its colour to be certain: of less the rounding of what is seen is seen.
const CERTAIN: f32 = 0.1;
/// What a cut-out lies on, and is where no pixel of it shows.
pub(super) const WHITE: f32 = 255.0;

/// Takes the white that they lie on off pixels, of which there are `width` in a row, and gives clear ones the colours about them.
pub(super) fn bare(pixels: &mut [Pixel], width: usize) {
    let mut known: Vec<Pixel> = pixels.iter().map(certain).collect();
    spread(&mut known, width);
    for (pixel, [r, g, b, _]) in pixels.iter_mut().zip(known) {
        *pixel = [r, g, b, pixel[3]];
    }
}

/// A pixel's own colour times how certain it is, and that.
fn certain(&[r, g, b, shows]: &Pixel) -> Pixel {
    let weight = (shows / CERTAIN).min(1.0);
    if weight <= 0.0 {
        return [0.0; 4];
    }
    let own = |seen: f32| weight * (seen - WHITE * (1.0 - shows)) / shows;
    [own(r), own(g), own(b), weight]
}

/// Fills up what is not known of each pixel with what is of those about it, nearer ones first.
fn spread(level: &mut [Pixel], width: usize) {
    let height = level.len() / width.max(1);
    if level.len() <= 1 {
        for pixel in level {
            let missing = 1.0 - pixel[3];
            *pixel = pixel.map(|v| v + missing * WHITE);
        }
        return;
    }
    let half = width.div_ceil(2);
    let mut coarse = vec![[0.0; 4]; half * height.div_ceil(2)];
    for (y, row) in level.chunks(width).enumerate() {
        for (x, pixel) in row.iter().enumerate() {
            let sum = &mut coarse[y / 2 * half + x / 2];
            sum.iter_mut().zip(pixel).for_each(|(sum, v)| *sum += v);
        }
    }
    for sum in &mut coarse {
        let most = sum[3].max(1.0);
        *sum = sum.map(|v| v / most);
    }
    spread(&mut coarse, half);
    for (y, row) in level.chunks_mut(width).enumerate() {
        for (x, pixel) in row.iter_mut().enumerate() {
            let missing = 1.0 - pixel[3];
            let about = coarse[y / 2 * half + x / 2];
            pixel.iter_mut().zip(about).take(3).for_each(|(v, about)| *v += missing * about);
            pixel[3] = 1.0;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn colours_go_on_where_nothing_shows() {
        // Red to the left, blue to the right, half of a pixel's width of green between, on white.
        let colours = |x: usize| match x {
            0..5 => [200.0, 10.0, 10.0, 1.0],
            5 => [10.0, 90.0, 10.0, 0.5],
            13..16 => [10.0, 10.0, 150.0, 1.0],
            _ => [0.0; 4],
        };
        let mut pixels: Vec<Pixel> = (0..16 * 9)
            .map(|i| {
                let [r, g, b, shows] = colours(i % 16);
                let on_white = |v: f32| v * shows + WHITE * (1.0 - shows);
                [on_white(r), on_white(g), on_white(b), shows]
            })
            .collect();
        bare(&mut pixels, 16);
        for row in pixels.chunks(16) {
            for (x, pixel) in row.iter().enumerate() {
                let [r, g, b, shows] = colours(x);
                assert_eq!(pixel[3], shows);
                let near = |want: [f32; 3]| want.iter().zip(pixel).all(|(w, v)| (w - v).abs() < 0.01);
                assert!(shows == 0.0 || near([r, g, b]), "{x}: {pixel:?}");
                // Nothing white, and what is nearer counts for more.
                assert!(pixel[..3].iter().all(|v| *v < 201.0), "{x}: {pixel:?}");
            }
            assert!(row[6][1] > row[11][1] && row[12][2] > row[6][2], "{row:?}");
        }
        let mut clear = vec![[WHITE, WHITE, WHITE, 0.0]; 6];
        bare(&mut clear, 3);
        assert_eq!(clear, vec![[WHITE, WHITE, WHITE, 0.0]; 6]);
    }
}
