//! Several pictures of one person: the style of a seed, moved along directions of pose and expression.
//!
//! Each direction is the coefficient of one attribute (measured on generated faces by a landmark detector) in a linear
//! regression of the style on that attribute and on what must not change with it, normalised. The vectors come with
//! the program; no landmark detector is needed to draw.

use std::collections::BTreeMap;

use safetensors::SafeTensors;

use super::network::NOISE;
use super::random::RandomState;
use crate::error::{Error, Result};

/// Directions of pose, which the 4 and 8 px layers take.
const POSE: [&str; 2] = ["yaw", "pitch"];
/// Directions of expression, which the 16 and 32 px layers take.
const EXPRESSION: [&str; 6] = ["mouth_open", "laugh", "mouth_round", "smile", "eyes", "brows"];
/// Largest sum of moves of an expression, in unit vectors: faces break beyond.
const MOST_EXPRESSION: f32 = 8.0;
/// How far from the mean face along each direction of pose a moved one lies at most, in unit vectors. Of 23 variants whose yaw
/// was beyond 6, a detector of faces was uncertain of eight; of 325 within, of eleven.
const MOST_POSE: [f32; 2] = [5.5, 4.5];
/// How far from the mean the person's style lies, over that of the plain face of the seed: moves break extreme faces.
const TRUNCATION: f32 = 0.85;
/// Added to a person's seed for the random numbers of the moves.
const MOVE_SEED: u32 = 777_777;

/// Multiples of the unit vectors of the directions, by name.
pub type Amounts = BTreeMap<&'static str, f32>;

/// Styles of the three groups of layers, [`NOISE`] numbers each.
#[derive(Clone, Debug, PartialEq)]
pub struct Styles {
    /// Of the 4 and 8 px layers.
    pub pose: Vec<f32>,
    /// Of the 16 and 32 px layers.
    pub expression: Vec<f32>,
    /// Of all others.
    pub rest: Vec<f32>,
}

impl Styles {
    /// The same style for all layers.
    pub fn same(style: &[f32]) -> Self {
        Self { pose: style.to_vec(), expression: style.to_vec(), rest: style.to_vec() }
    }
}

/// Unit vectors in the space of styles.
#[derive(Debug)]
pub struct Directions(BTreeMap<&'static str, Vec<f32>>);

impl Directions {
    /// Those that come with the program.
    ///
    /// # Errors
    /// [`Error::OpenVino`] if the program was put together wrongly.
    pub fn load() -> Result<Self> {
        let wrong = |reason: String| Error::OpenVino(format!("directions of the faces: {reason}"));
        let file = SafeTensors::deserialize(include_bytes!("directions.safetensors"))
            .map_err(|e| wrong(e.to_string()))?;
        let vector = |name: &'static str| {
            let tensor = file.tensor(name).map_err(|e| wrong(e.to_string()))?;
            let bytes = tensor.data().as_chunks().0;
            let vector: Vec<f32> = bytes.iter().map(|b| f32::from_le_bytes(*b)).collect();
            if vector.len() == NOISE {
                Ok((name, vector))
            } else {
                Err(wrong(format!("{name} has {} numbers", vector.len())))
            }
        };
        Ok(Self(POSE.into_iter().chain(EXPRESSION).map(vector).collect::<Result<_>>()?))
    }

    /// Moves of `count` pictures of the person `seed`.
    pub fn draw(&self, seed: u32, count: usize) -> Vec<Amounts> {
        let mut random = RandomState::new(seed.wrapping_add(MOVE_SEED));
        (0..count).map(|_| self.draw_one(&mut random)).collect()
    }

    /// Shortens moves of pose that would take a person whose plain face has `style` further than faces bear: one that is turned
    /// already turns less.
    pub fn limit(&self, amounts: &mut Amounts, style: &[f32], mean: &[f32]) {
        for (name, most) in POSE.into_iter().zip(MOST_POSE) {
            let Some((amount, vector)) = amounts.get_mut(name).zip(self.0.get(name)) else { continue };
            let own = |((s, m), v): ((&f32, &f32), &f32)| TRUNCATION * (s - m) * v;
            let own: f32 = style.iter().zip(mean).zip(vector).map(own).sum();
            // Whoever is beyond the limit without a move may move back alone.
            *amount = amount.clamp((-most - own).min(0.0), (most - own).max(0.0));
        }
    }

    /// Yaw within 5, pitch within 3.5; an open, a laughing, a round mouth or none; closed eyes in three of ten. Beyond these
    /// limits a recognition network takes a person for another more often than not (distances among 58 people).
    fn draw_one(&self, random: &mut RandomState) -> Amounts {
        let mut gauss = |deviation: f64| deviation * random.normal();
        let mut amounts = Amounts::new();
        amounts.insert("yaw", gauss(2.6).clamp(-5.0, 5.0) as f32);
        amounts.insert("pitch", gauss(1.7).clamp(-3.5, 3.5) as f32);
        let kind = random.uniform(0.0, 1.0);
        let mouth = match kind {
            k if k < 0.24 => Some(("mouth_open", 2.0, 5.0)),
            k if k < 0.36 => Some(("laugh", 2.0, 5.0)),
            k if k < 0.46 => Some(("mouth_round", 2.0, 4.0)),
            _ => None,
        };
        if let Some((name, least, most)) = mouth {
            amounts.insert(name, random.uniform(least, most) as f32);
        }
        // A mouth that is open already smiles less.
        let smile = if mouth.is_some() { 1.0 } else { 2.4 };
        amounts.insert("smile", (smile * random.normal()).clamp(-4.0, 4.0) as f32);
        let closed = random.uniform(0.0, 1.0) < 0.3;
        let eyes = if closed { random.uniform(-6.0, -3.0) } else { 1.2 * random.normal() };
        amounts.insert("eyes", eyes as f32);
        amounts.insert("brows", (1.7 * random.normal()).clamp(-3.0, 3.0) as f32);
        let length = self.sum(&amounts, &EXPRESSION).iter().map(|v| v * v).sum::<f32>().sqrt();
        for name in EXPRESSION {
            if let Some(amount) = amounts.get_mut(name) {
                *amount *= (MOST_EXPRESSION / length).min(1.0);
            }
        }
        amounts
    }

    /// Styles of a person whose plain face has `style`, moved by `amounts`; `mean` is the mean of all styles.
    pub fn styles(&self, style: &[f32], mean: &[f32], amounts: &Amounts) -> Styles {
        let base: Vec<f32> = style.iter().zip(mean).map(|(s, m)| m + TRUNCATION * (s - m)).collect();
        let moved = |names: &[&str]| base.iter().zip(self.sum(amounts, names)).map(|(b, d)| b + d).collect();
        Styles { pose: moved(&POSE), expression: moved(&EXPRESSION), rest: base }
    }

    /// The sum of the directions `names`, each by its amount.
    fn sum(&self, amounts: &Amounts, names: &[&str]) -> Vec<f32> {
        let mut sum = vec![0.0; NOISE];
        for (name, vector) in self.0.iter().filter(|(name, _)| names.contains(name)) {
            let amount = amounts.get(name).copied().unwrap_or(0.0);
            for (s, v) in sum.iter_mut().zip(vector) {
                *s += amount * v;
            }
        }
        sum
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn length(vector: &[f32]) -> f32 {
        vector.iter().map(|v| v * v).sum::<f32>().sqrt()
    }

    #[test]
    fn directions_have_unit_length() {
        let directions = Directions::load().unwrap();
        assert_eq!(directions.0.len(), 8);
        for (name, vector) in &directions.0 {
            assert!((length(vector) - 1.0).abs() < 1e-3, "{name}: {}", length(vector));
        }
    }

    #[test]
    fn moves_vary_and_stay_within_what_faces_bear() {
        let directions = Directions::load().unwrap();
        let all: Vec<Amounts> = (1400..1500).flat_map(|seed| directions.draw(seed, 6)).collect();
        for amounts in &all {
            assert!(amounts["yaw"].abs() <= 5.0 && amounts["pitch"].abs() <= 3.5);
            assert!(length(&directions.sum(amounts, &EXPRESSION)) <= MOST_EXPRESSION + 1e-3);
        }
        let share =
            |has: &dyn Fn(&Amounts) -> bool| all.iter().filter(|a| has(a)).count() as f32 / all.len() as f32;
        let mouth = share(&|a| ["mouth_open", "laugh", "mouth_round"].iter().any(|n| a.contains_key(n)));
        assert!((0.38..0.54).contains(&mouth), "{mouth}");
        assert!((0.2..0.4).contains(&share(&|a| a["eyes"] < -2.5)));
        // More pictures of a person begin with the same ones.
        assert_eq!(directions.draw(1400, 6)[..3], directions.draw(1400, 3));
        assert_ne!(directions.draw(1400, 1), directions.draw(1401, 1));
    }

    #[test]
    fn whoever_is_turned_already_turns_less() {
        let directions = Directions::load().unwrap();
        let mean = vec![0.0; NOISE];
        let limited = |own: f32, amount: f32| {
            let style: Vec<f32> = directions.0["yaw"].iter().map(|v| v * own / TRUNCATION).collect();
            let mut amounts = Amounts::from([("yaw", amount), ("smile", 3.0)]);
            directions.limit(&mut amounts, &style, &mean);
            assert_eq!(amounts["smile"], 3.0);
            (amounts["yaw"] * 100.0).round() / 100.0
        };
        assert_eq!(limited(0.0, 5.0), 5.0);
        assert_eq!((limited(3.0, 5.0), limited(3.0, -5.0)), (2.5, -5.0));
        assert_eq!((limited(-6.0, -2.0), limited(-6.0, 2.0)), (0.0, 2.0));
    }

    #[test]
    fn pose_and_expression_move_their_own_layers() {
        let directions = Directions::load().unwrap();
        let (mean, style) = (vec![0.0; NOISE], vec![1.0; NOISE]);
        let apart = |a: &[f32], b: &[f32]| length(&a.iter().zip(b).map(|(x, y)| x - y).collect::<Vec<_>>());
        let still = directions.styles(&style, &mean, &Amounts::new());
        assert_eq!(still, Styles::same(&[TRUNCATION; NOISE]));
        let turned = directions.styles(&style, &mean, &Amounts::from([("yaw", 3.0)]));
        assert!((apart(&turned.pose, &still.pose) - 3.0).abs() < 1e-2);
        assert_eq!((&turned.expression, &turned.rest), (&still.expression, &still.rest));
        let open = directions.styles(&style, &mean, &Amounts::from([("mouth_open", 4.0)]));
        assert!((apart(&open.expression, &still.expression) - 4.0).abs() < 1e-2);
        assert_eq!((&open.pose, &open.rest), (&still.pose, &still.rest));
    }
}
