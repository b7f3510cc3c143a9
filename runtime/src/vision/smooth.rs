//! The One-Euro filter: still where the face is still, quick where it moves.

use std::f32::consts::TAU;
use std::time::Duration;

use crate::frame::DetectedKeypoint;

/// Settings of the filter. Positions are divided by the object's size before speeds are taken, so they suit every
/// size of face and picture.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct OneEuroOptions {
    /// Cut-off frequency of a point at rest, in hertz: lower is stiller.
    pub min_cutoff: f32,
    /// How much the cut-off rises with speed, in hertz for one object size a second: higher lags less.
    pub beta: f32,
    /// Cut-off frequency of the speed estimate, in hertz.
    pub d_cutoff: f32,
}

impl Default for OneEuroOptions {
    fn default() -> Self {
        Self { min_cutoff: 0.05, beta: 80.0, d_cutoff: 1.0 }
    }
}

/// One filtered coordinate.
#[derive(Clone, Copy, Debug)]
struct Axis {
    /// Last filtered value.
    value: f32,
    /// Last input.
    raw: f32,
    /// Filtered speed, in object sizes a second.
    speed: f32,
}

impl Axis {
    fn new(value: f32) -> Self {
        Self { value, raw: value, speed: 0.0 }
    }

    fn apply(&mut self, raw: f32, scale: f32, interval: f32, options: &OneEuroOptions) -> f32 {
        let alpha = |cutoff: f32| 1.0 / (1.0 + 1.0 / (TAU * cutoff * interval));
        let speed = (raw - self.raw) * scale / interval;
        self.speed += alpha(options.d_cutoff) * (speed - self.speed);
        let cutoff = options.min_cutoff + options.beta * self.speed.abs();
        self.value += alpha(cutoff) * (raw - self.value);
        self.raw = raw;
        self.value
    }
}

/// Filters the keypoints of one face over time.
#[derive(Clone, Debug)]
pub struct KeypointSmoother {
    options: OneEuroOptions,
    axes: Vec<[Axis; 2]>,
    time: Duration,
}

impl KeypointSmoother {
    /// A filter that has seen nothing.
    pub fn new(options: OneEuroOptions) -> Self {
        Self { options, axes: Vec::new(), time: Duration::ZERO }
    }

    /// Forgets the past; to be called when the face is lost.
    pub fn reset(&mut self) {
        self.axes.clear();
    }

    /// Replaces the positions of `keypoints`, seen at `time` on an object of `size` pixels, by filtered ones. The
    /// first call after a reset, or one whose time lies before the last, starts afresh and changes nothing.
    pub fn apply(&mut self, keypoints: &mut [DetectedKeypoint], size: f32, time: Duration) {
        if self.axes.len() != keypoints.len() || time < self.time {
            self.axes.clear();
            self.axes.extend(keypoints.iter().map(|k| [Axis::new(k.x), Axis::new(k.y)]));
            self.time = time;
            return;
        }
        let interval = (time - self.time).as_secs_f32();
        let scale = 1.0 / size.max(f32::MIN_POSITIVE);
        for (keypoint, [x, y]) in keypoints.iter_mut().zip(&mut self.axes) {
            // Two frames of one instant have no speed between them: the first stands.
            if interval > 0.0 {
                x.apply(keypoint.x, scale, interval, &self.options);
                y.apply(keypoint.y, scale, interval, &self.options);
            }
            (keypoint.x, keypoint.y) = (x.value, y.value);
        }
        self.time = time;
    }
}

/// Filters the states of one face over time, each number by itself.
#[derive(Clone, Debug)]
pub struct StateSmoother {
    options: OneEuroOptions,
    axes: Vec<Axis>,
    time: Duration,
}

impl StateSmoother {
    /// A filter that has seen nothing.
    pub fn new(options: OneEuroOptions) -> Self {
        Self { options, axes: Vec::new(), time: Duration::ZERO }
    }

    /// Settings that leave a blink alone and quiet a face at rest; speeds are changes of a number in [-1, 1] a second.
    pub const USUAL: OneEuroOptions = OneEuroOptions { min_cutoff: 1.0, beta: 12.0, d_cutoff: 1.0 };

    /// Forgets the past; to be called when the face is lost.
    pub fn reset(&mut self) {
        self.axes.clear();
    }

    /// Replaces `states`, seen at `time`, by filtered ones, as [`KeypointSmoother::apply`] does keypoints.
    pub fn apply(&mut self, states: &mut [f32], time: Duration) {
        if self.axes.len() != states.len() || time < self.time {
            self.axes.clear();
            self.axes.extend(states.iter().map(|s| Axis::new(*s)));
            self.time = time;
            return;
        }
        let interval = (time - self.time).as_secs_f32();
        for (state, axis) in states.iter_mut().zip(&mut self.axes) {
            if interval > 0.0 {
                axis.apply(*state, 1.0, interval, &self.options);
            }
            *state = axis.value;
        }
        self.time = time;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(filter: &mut KeypointSmoother, frame: u64, x: f32, size: f32) -> f32 {
        let mut points = [DetectedKeypoint { x, y: 0.0, confidence: 1.0 }];
        filter.apply(&mut points, size, Duration::from_millis(33 * frame));
        points[0].x
    }

    #[test]
    fn jitter_shrinks_and_the_mean_stays() {
        let mut filter = KeypointSmoother::new(OneEuroOptions::default());
        let outputs: Vec<f32> = (0..200)
            .map(|i| run(&mut filter, i, 100.0 + if i % 2 == 0 { 0.2 } else { -0.2 }, 200.0))
            .collect();
        let late = &outputs[100..];
        let spread =
            late.iter().copied().fold(f32::MIN, f32::max) - late.iter().copied().fold(f32::MAX, f32::min);
        assert!(spread < 0.2, "{spread}");
        assert!((late.iter().sum::<f32>() / late.len() as f32 - 100.0).abs() < 0.1);
    }

    #[test]
    fn quick_motion_is_followed_closely() {
        let mut filter = KeypointSmoother::new(OneEuroOptions::default());
        let lag =
            (0..30).map(|i| 10.0 * i as f32 - run(&mut filter, i, 10.0 * i as f32, 200.0)).last().unwrap();
        assert!(lag.abs() < 2.0, "{lag}");
    }

    #[test]
    fn size_and_time_scale_out() {
        let (mut small, mut large) = (
            KeypointSmoother::new(OneEuroOptions::default()),
            KeypointSmoother::new(OneEuroOptions::default()),
        );
        for i in 0..20 {
            let x = (i as f32 * 0.7).sin();
            let a = run(&mut small, i, x, 10.0);
            let b = run(&mut large, i, x * 100.0, 1000.0);
            assert!((a * 100.0 - b).abs() < 0.01);
        }
    }

    #[test]
    fn states_are_quieted_and_a_blink_is_not() {
        let mut filter = StateSmoother::new(StateSmoother::USUAL);
        let mut run = |frame: u64, value: f32| {
            let mut states = [value, -value];
            filter.apply(&mut states, Duration::from_millis(33 * frame));
            assert!((states[0] + states[1]).abs() < 1e-6);
            states[0]
        };
        let still: Vec<f32> = (0..60).map(|i| run(i, if i % 2 == 0 { 0.02 } else { -0.02 })).collect();
        let spread = still[30..].iter().fold(0.0f32, |most, v| most.max(v.abs()));
        assert!(spread < 0.014, "{spread}");
        let closed = (60..64).map(|i| run(i, 0.6)).last().unwrap();
        assert!(closed > 0.5, "{closed}");
    }

    #[test]
    fn after_a_reset_or_a_jump_back_in_time_the_first_value_stands() {
        let mut filter = KeypointSmoother::new(OneEuroOptions::default());
        run(&mut filter, 5, 0.0, 100.0);
        filter.reset();
        assert_eq!(run(&mut filter, 6, 50.0, 100.0), 50.0);
        assert_eq!(run(&mut filter, 0, 7.0, 100.0), 7.0);
    }

    #[test]
    fn a_repeated_timestamp_repeats_the_value() {
        let mut filter = KeypointSmoother::new(OneEuroOptions::default());
        run(&mut filter, 1, 10.0, 100.0);
        assert_eq!(run(&mut filter, 1, 90.0, 100.0), 10.0);
        assert!(run(&mut filter, 2, 90.0, 100.0).is_finite());
    }
}
