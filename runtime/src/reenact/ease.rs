use std::time::Duration;

use crate::vision::hermite::eased;

/// How long it takes back to the still face when the driver is lost.
const OUT: f32 = 0.8;
/// How long it takes into motion when the driver is there again.
const IN: f32 = 0.3;

/// How much of the driver's motion is shown, 0 to 1, without a jump when the driver comes or goes.
#[derive(Clone, Copy, Debug, Default)]
pub struct Ease {
    share: f32,
    time: Duration,
}

impl Ease {
    /// All of it from the first step on, if there is a driver then.
    pub fn full() -> Self {
        Self { share: 1.0, time: Duration::ZERO }
    }

    /// The share at `time`, with or without a driver.
    pub fn step(&mut self, driven: bool, time: Duration) -> f32 {
        // Time that runs backwards, as in a clip that starts anew, is no time.
        let passed = time.saturating_sub(self.time).as_secs_f32();
        self.time = time;
        self.share = (self.share + if driven { passed / IN } else { -passed / OUT }).clamp(0.0, 1.0);
        eased(self.share)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn motion_comes_and_goes_without_a_jump() {
        let mut ease = Ease::default();
        let mut last = 0.0;
        let mut shares = Vec::new();
        for i in 0..90u64 {
            let share = ease.step(!(30..70).contains(&i), Duration::from_millis(33 * i));
            assert!((share - last).abs() < 0.2, "frame {i}: {last} to {share}");
            last = share;
            shares.push(share);
        }
        assert!(shares[0] < 0.01 && shares[20] == 1.0 && shares[69] == 0.0 && shares[89] == 1.0);
    }
}
