//! NumPy's older generator, `RandomState`: a seed gives the same numbers here as there, and so the same face.

use rand_mt::Mt;

/// Numbers of `numpy.random.RandomState(seed)`: MT19937 (Matsumoto & Nishimura, 1998), doubles of 53 bits, normal
/// numbers by the polar method (Marsaglia & Bray, 1964) in NumPy's order.
#[derive(Debug)]
pub struct RandomState {
    bits: Mt,
    /// The second of a pair of normal numbers.
    kept: Option<f64>,
}

impl RandomState {
    /// Seeded as with one integer.
    pub fn new(seed: u32) -> Self {
        Self { bits: Mt::new(seed), kept: None }
    }

    /// Evenly spread over [0, 1).
    fn double(&mut self) -> f64 {
        let high = f64::from(self.bits.next_u32() >> 5);
        let low = f64::from(self.bits.next_u32() >> 6);
        (high * 67_108_864.0 + low) / 9_007_199_254_740_992.0
    }

    /// `uniform(low, high)`.
    pub fn uniform(&mut self, low: f64, high: f64) -> f64 {
        low + (high - low) * self.double()
    }

    /// One number of `randn`.
    pub fn normal(&mut self) -> f64 {
        if let Some(kept) = self.kept.take() {
            return kept;
        }
        loop {
            let x = 2.0 * self.double() - 1.0;
            let y = 2.0 * self.double() - 1.0;
            let square = x * x + y * y;
            if square < 1.0 && square != 0.0 {
                let factor = (-2.0 * square.ln() / square).sqrt();
                self.kept = Some(factor * x);
                return factor * y;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Printed by NumPy 2.
    #[test]
    fn numbers_are_those_of_numpy() {
        let close = |a: f64, b: f64| assert!((a - b).abs() < 1e-14, "{a} {b}");
        let mut r = RandomState::new(1300);
        close(r.uniform(0.5, 1.0), 0.660_204_072_174_558_8);
        let z: Vec<f64> = (0..512).map(|_| r.normal()).collect();
        close(z[0], NUMPY[0]);
        close(z[1], NUMPY[1]);
        close(z[2], NUMPY[2]);
        close(z[511], NUMPY[3]);
        // randn hands out an odd number first, and keeps the second for the next call.
        let mut r = RandomState::new(12345);
        close(r.normal(), NUMPY[4]);
        close(r.normal(), NUMPY[5]);
        close(r.uniform(0.0, 1.0), NUMPY[6]);
        let mut r = RandomState::new(u32::MAX);
        close(r.uniform(0.0, 1.0), NUMPY[7]);
    }

    const NUMPY: [f64; 8] = [
        -0.32765962682577343,
        0.35500946845020154,
        1.3724694664850317,
        0.4079163052931558,
        -0.20470765948471295,
        0.47894333805754824,
        0.18391881167709445,
        0.0976320289940138,
    ];
}
