//! Limits that ease: what is small passes as it is, what is large comes ever nearer to a limit and never jumps.

/// Share of a limit up to which values pass as they are.
const KNEE: f32 = 0.5;

/// `value` kept within `-most` to `most`, with a slope of 1 up to half of that and falling from there on.
pub(super) fn soft(value: f32, most: f32) -> f32 {
    if most <= 0.0 {
        return 0.0;
    }
    let (knee, size) = (KNEE * most, value.abs());
    if size <= knee {
        return value;
    }
    let rest = most - knee;
    (knee + rest * ((size - knee) / rest).tanh()).copysign(value)
}

/// A vector kept no longer than `most`, in its own direction.
pub(super) fn soft_vector([x, y]: [f32; 2], most: f32) -> [f32; 2] {
    let length = x.hypot(y);
    let share = if length > 0.0 { soft(length, most) / length } else { 1.0 };
    [x * share, y * share]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn small_values_pass_and_large_ones_ease_towards_the_limit() {
        assert_eq!([soft(0.4, 1.0), soft(-0.5, 1.0), soft(0.3, 0.0)], [0.4, -0.5, 0.0]);
        let mut last = 0.0;
        for i in 1..400 {
            let value = soft(i as f32 * 0.01, 1.0);
            assert!(value >= last && value <= 1.0 && value - last <= 0.0101, "{i}: {last} to {value}");
            last = value;
        }
        assert!(last > 0.99);
        assert_eq!(soft(-2.0, 1.0), -soft(2.0, 1.0));
        let [x, y] = soft_vector([3.0, -4.0], 1.0);
        assert!((x / y + 0.75).abs() < 1e-5 && (x.hypot(y) - soft(5.0, 1.0)).abs() < 1e-5);
        assert_eq!(soft_vector([0.0; 2], 1.0), [0.0; 2]);
    }
}
