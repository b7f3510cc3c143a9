//! What only the portrait networks minimise.

use tch::{Kind, Tensor};

use super::{cycle, mean};

/// Standard deviation over a batch that each state has at least, of [-1, 1].
const LEAST_DEVIATION: f64 = 0.15;

/// States beyond hardly have a gradient in float32.
const MOST_STATE: f64 = 0.9999;

/// `mean |a - b|` at the full, a quarter and an eighth of the side, summed.
pub fn at_scales(a: &Tensor, b: &Tensor) -> Tensor {
    let pooled = |x: &Tensor, k: i64| x.avg_pool2d([k, k], [k, k], [0, 0], false, true, None);
    cycle::image(a, b)
        + cycle::image(&pooled(a, 4), &pooled(b, 4))
        + cycle::image(&pooled(a, 8), &pooled(b, 8))
}

/// Side of the square, in pixels, that attention is spread over.
const ATTENTION: i64 = 9;
/// Most that a pixel's attention is, relative to the mean.
const MOST_ATTENTION: f64 = 4.0;

/// `mean |driven - driver|` of images `[N, 3, S, S]`, in which pixels count more, by up to `4 focus`, where the photo that the
/// flow alone carried, `warped`, is not the driver: open mouths and closed eyes are small.
pub fn image(driven: &Tensor, driver: &Tensor, warped: &Tensor, focus: f64) -> Tensor {
    let off = (warped - driver).detach().abs().mean_dim([1i64].as_slice(), true, driver.kind());
    let k = [ATTENTION, ATTENTION];
    let off = off.avg_pool2d(k, [1, 1], [ATTENTION / 2, ATTENTION / 2], false, false, None);
    let level = off.mean_dim([1i64, 2, 3].as_slice(), true, off.kind());
    let attention = (&off / (level + 1e-6)).clamp_max(MOST_ATTENTION);
    mean(&((driven - driver).abs() * (attention * focus + 1.0)))
}

/// How much states `[N, K, S]` of deformed pictures differ from those of the pictures, over how much these differ among each
/// other, plus how far each one's deviation over the batch falls short of 0.15: states that say nothing
/// are no way out (the second part as in Bardes et al., "VICReg", 2022).
pub fn state_change(deformed: &Tensor, states: &Tensor) -> Tensor {
    let spread = (states - states.roll([1], [0])).abs().mean(Kind::Float);
    let centred = states - states.mean_dim([0i64].as_slice(), true, Kind::Float);
    let variance = centred.square().mean_dim([0i64].as_slice(), false, Kind::Float);
    let short: Tensor = 1.0 - (variance + 1e-8).sqrt() / LEAST_DEVIATION;
    let short = short.relu().mean(Kind::Float);
    cycle::image(deformed, states) / (spread + 1e-3) + short
}

/// `mean atanh(states)^2` of states in [-1, 1]: one that is at its end cannot say more, so that another person's face, of which
/// it says as much, does not move.
pub fn state_range(states: &Tensor) -> Tensor {
    states.clamp(-MOST_STATE, MOST_STATE).atanh().square().mean(Kind::Float)
}

#[cfg(test)]
mod tests {
    use tch::Device;

    use super::*;

    #[test]
    fn what_the_flow_does_not_explain_counts_more() {
        let kind = (Kind::Float, Device::Cpu);
        let driver = Tensor::zeros([1, 3, 32, 32], kind);
        let spot = |x: i64| {
            let image = driver.copy();
            let _ = image.narrow(2, x, 4).narrow(3, x, 4).fill_(1.0);
            image
        };
        let cost = |driven: &Tensor, focus| image(driven, &driver, &spot(4), focus).double_value(&[]);
        assert!((cost(&spot(4), 0.0) - cost(&spot(24), 0.0)).abs() < 1e-6);
        assert!(cost(&spot(4), 1.0) > 2.0 * cost(&spot(24), 1.0));
    }

    #[test]
    fn states_at_their_end_are_drawn_back_as_much_as_they_are_beyond() {
        let before = Tensor::from_slice(&[0.5f32, 3.0]).set_requires_grad(true);
        state_range(&before.tanh()).backward();
        let pull = before.grad();
        let (near, far) = (pull.double_value(&[0]), pull.double_value(&[1]));
        assert!((near - 0.5).abs() < 1e-3 && (far - 3.0).abs() < 0.05, "{near} {far}");
    }

    #[test]
    fn states_that_say_nothing_cost_more_than_those_that_differ_and_stay() {
        tch::manual_seed(5);
        let kind = (Kind::Float, Device::Cpu);
        let states = Tensor::randn([12, 3, 2], kind) * 0.3;
        let cost = |deformed: &Tensor, states: &Tensor| state_change(deformed, states).double_value(&[]);
        let (still, nothing) = (cost(&states, &states), states.zeros_like());
        assert!(still < 0.01, "{still}");
        assert!(cost(&nothing, &nothing) > 0.9);
        assert!(cost(&(&states * 0.5), &states) > still + 0.1);
        // Smaller states are no cheaper.
        let small = &states * 0.01;
        assert!(cost(&(&small * 0.5), &small) > cost(&(&states * 0.5), &states));
    }
}
