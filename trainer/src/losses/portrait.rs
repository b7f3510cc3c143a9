//! What only the portrait networks minimise.

use tch::{Kind, Tensor};

use super::cycle;

/// Standard deviation over a batch that each state has at least, of [-1, 1].
const LEAST_DEVIATION: f64 = 0.15;

/// `mean |a - b|` at the full, a quarter and an eighth of the side, summed.
pub fn at_scales(a: &Tensor, b: &Tensor) -> Tensor {
    let pooled = |x: &Tensor, k: i64| x.avg_pool2d([k, k], [k, k], [0, 0], false, true, None);
    cycle::image(a, b)
        + cycle::image(&pooled(a, 4), &pooled(b, 4))
        + cycle::image(&pooled(a, 8), &pooled(b, 8))
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

#[cfg(test)]
mod tests {
    use tch::Device;

    use super::*;

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
