//! A soft step.

/// 0 below 0, 1 above 1, smooth between (Hermite).
pub(crate) fn eased(t: f32) -> f32 {
    let t = t.clamp(0.0, 1.0);
    t * t * (3.0 - 2.0 * t)
}
