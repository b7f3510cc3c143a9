//! Expressions: how part states tell them, and how states and keypoints change with them. Found from people drawn with known
//! moves; nothing here sees landmarks.
//!
//! A move's amount becomes an expression's value (a mouth's opening, 0 to 1). Reading it off the states is a ridge
//! regression; the change that goes with it is a regression of states and keypoints, within people, on all expressions
//! and on pose, so that neither stands for the other.

mod eyes;
mod fit;
pub mod people;

use std::collections::BTreeMap;

use lkg_bundle::manifest::{Expression, Metric};

use super::Shape;
use super::align::{Similarity, centre};
use super::mirror::Mirror;
use crate::error::{Error, Result};
use fit::{Columns, Directions};

/// Of so many people one is kept for testing how well expressions are read.
const TEST_EVERY: usize = 5;
/// Fewest people that anything is found from.
const FEWEST_PEOPLE: usize = 10;
/// Least correlation of what is read with what was drawn.
pub const LEAST_CORRELATION: f64 = 0.5;
/// Values this near to that of no move are of a face at rest.
const AT_REST: f64 = 0.15;
/// Moves that turn the head.
const POSE: [&str; 2] = ["yaw", "pitch"];

/// Whose half of the face an expression is of, as who looks at the picture has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Half {
    Left,
    Right,
}

/// What an expression is in terms of drawn moves.
struct Definition {
    name: &'static str,
    range: [f64; 2],
    /// Value without any move.
    unmoved: f64,
    /// What one unit of each move adds. At its largest amount a move reaches the end of the range.
    moves: &'static [(&'static str, f64)],
    half: Option<Half>,
}

/// Moves close both eyes at once, so each eye's expression takes the parts around it alone.
const DEFINITIONS: [Definition; 5] = [
    Definition {
        name: "mouth-open",
        range: [0.0, 1.0],
        unmoved: 0.0,
        moves: &[("mouth_open", 1.0 / 6.5), ("laugh", 1.0 / 6.0), ("mouth_round", 1.0 / 5.0)],
        half: None,
    },
    Definition {
        name: "smile",
        range: [-1.0, 1.0],
        unmoved: 0.0,
        moves: &[("smile", 0.25), ("laugh", 1.0 / 6.0)],
        half: None,
    },
    Definition {
        name: "eye-left",
        range: [0.0, 1.0],
        unmoved: 1.0,
        moves: &[("eyes", 1.0 / 6.0)],
        half: Some(Half::Left),
    },
    Definition {
        name: "eye-right",
        range: [0.0, 1.0],
        unmoved: 1.0,
        moves: &[("eyes", 1.0 / 6.0)],
        half: Some(Half::Right),
    },
    Definition {
        name: "brows",
        range: [-1.0, 1.0],
        unmoved: 0.0,
        moves: &[("brows", 1.0 / 3.5)],
        half: None,
    },
];

impl Definition {
    fn value(&self, amounts: &BTreeMap<String, f64>) -> f64 {
        let moved = self.moves.iter().map(|(name, by)| amounts.get(*name).unwrap_or(&0.0) * by).sum::<f64>();
        (self.unmoved + moved).clamp(self.range[0], self.range[1])
    }
}

/// A picture of a person, what it was drawn with and what the detector found.
#[derive(Clone, Debug, PartialEq)]
pub struct Picture {
    /// Number of the person.
    pub person: usize,
    /// Whether it was seen as it is, and not with other light and noise: correlations are of those that were.
    pub is_plain: bool,
    /// How far it was moved along each direction.
    pub amounts: BTreeMap<String, f64>,
    /// Keypoints, normalised coordinates.
    pub keypoints: Shape,
    /// `K S` states, the parts' one after the other.
    pub states: Vec<f64>,
}

/// An expression and how well it is read.
#[derive(Clone, Debug, PartialEq)]
pub struct Found {
    /// As the manifest has it.
    pub expression: Expression,
    /// Correlation of what is read with what was drawn, in pictures of people that it was not found from.
    pub correlation: f64,
}

/// What was found.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Expressions {
    /// Those that are read well enough.
    pub found: Vec<Found>,
    /// Names of the others, with their correlations.
    pub left_out: Vec<(String, f64)>,
    /// People and pictures that they were found from.
    pub fitted: [usize; 2],
    /// People and pictures that the correlations are of.
    pub tested: [usize; 2],
}

impl Expressions {
    /// Finds all expressions from `pictures` of people. `layout` is the mean shape of keypoints, `mirror` what mirrors what.
    ///
    /// # Errors
    /// [`Error::Usage`] if there are too few people; [`Error::Torch`] if the regression fails.
    pub fn find(pictures: &[Picture], layout: &[[f64; 2]], mirror: &Mirror) -> Result<Self> {
        let people = pictures.iter().map(|p| p.person).max().map_or(0, |last| last + 1);
        if people < FEWEST_PEOPLE {
            return Err(Error::Usage(format!(
                "expressions are found from {FEWEST_PEOPLE} people and more, there are {people}"
            )));
        }
        let (test, fitted): (Vec<&Picture>, Vec<&Picture>) =
            pictures.iter().partition(|p| p.person % TEST_EVERY == TEST_EVERY - 1);
        let test: Vec<&Picture> = test.into_iter().filter(|p| p.is_plain).collect();
        let count = fitted.iter().filter(|p| p.is_plain).count();
        let shared = directions(&fitted, layout)?;
        let (left, right) = eyes::around(&fitted, layout, mirror)?;
        let mut all = Self {
            fitted: [people - people / TEST_EVERY, count],
            tested: [people / TEST_EVERY, test.len()],
            ..Self::default()
        };
        for definition in &DEFINITIONS {
            let parts = match definition.half {
                Some(Half::Left) => left.clone(),
                Some(Half::Right) => right.clone(),
                None => (0..layout.len()).collect(),
            };
            let expression = definition.read_and_moved(&fitted, layout.len(), &parts, &shared)?;
            let correlation = correlation(&test, definition, &expression);
            if correlation < LEAST_CORRELATION || !correlation.is_finite() {
                all.left_out.push((definition.name.to_owned(), correlation));
            } else {
                all.found.push(Found { expression, correlation });
            }
        }
        Ok(all)
    }

    /// As the manifest has them.
    pub fn listed(&self) -> Vec<Expression> {
        self.found.iter().map(|f| f.expression.clone()).collect()
    }

    /// How well each is read, as a manifest has it.
    pub fn metrics(&self) -> Vec<Metric> {
        let ([fitted, _], [tested, pictures]) = (self.fitted, self.tested);
        let metric = |found: &Found| Metric {
            name: format!("expression reading ({})", found.expression.name),
            value: found.correlation,
            unit: "correlation".to_owned(),
            n: pictures as u64,
            protocol: format!(
                "value read off states against the moves that pictures were drawn with; {tested} people, found from {fitted} others"
            ),
        };
        self.found.iter().map(metric).collect()
    }

    /// The findings in lines; none where nothing was sought.
    pub fn lines(&self) -> Vec<String> {
        if self.found.is_empty() && self.left_out.is_empty() {
            return vec![];
        }
        let of = |name: &str, correlation: f64| format!("{name} (correlation {correlation:.2})");
        let join = |all: Vec<String>| if all.is_empty() { "none".to_owned() } else { all.join(", ") };
        let found = join(self.found.iter().map(|f| of(&f.expression.name, f.correlation)).collect());
        let [people, pictures] = self.tested;
        let mut lines = vec![format!(
            "expressions: {found}; left and right are the picture's; what is read against what was drawn, {pictures} pictures \
             of {people} people not used to find them"
        )];
        if !self.left_out.is_empty() {
            let names = join(self.left_out.iter().map(|(name, c)| of(name, *c)).collect());
            lines.push(format!("expressions left out, read too badly (under {LEAST_CORRELATION}): {names}"));
        }
        lines
    }
}

impl Definition {
    /// The expression of `k` parts, of which it takes `parts`.
    fn read_and_moved(
        &self,
        pictures: &[&Picture],
        k: usize,
        parts: &[usize],
        shared: &Directions,
    ) -> Result<Expression> {
        let s = pictures.first().map_or(0, |p| p.states.len() / k.max(1));
        let columns: Vec<usize> = parts.iter().flat_map(|part| part * s..(part + 1) * s).collect();
        let states = Columns::of(pictures.iter().map(|p| columns.iter().map(|c| p.states[*c]).collect()));
        let values: Vec<f64> = pictures.iter().map(|p| self.value(&p.amounts)).collect();
        let pose: Vec<Vec<f64>> = POSE
            .iter()
            .filter_map(|name| shared.common(name))
            .map(|change| columns.iter().map(|c| change[*c]).collect())
            .collect();
        let reading = fit::reading(&states, &values, &pose)?;
        let mut weights = vec![vec![0f32; s]; k];
        let mut moved = weights.clone();
        let change = shared.of(expression_key(self.name)).unwrap_or_default();
        for (column, weight) in columns.iter().zip(&reading.weights) {
            weights[column / s][column % s] = *weight as f32;
            moved[column / s][column % s] = change[*column] as f32;
        }
        let keypoint = |part: usize| {
            let at = k * s + 2 * part;
            let inside = parts.contains(&part);
            std::array::from_fn(|axis| if inside { change[at + axis] as f32 } else { 0.0 })
        };
        let mut expression = Expression {
            name: self.name.to_owned(),
            range: self.range.map(|v| v as f32),
            rest: self.unmoved as f32,
            bias: reading.bias as f32,
            weights,
            states: moved,
            keypoints: (0..k).map(keypoint).collect(),
        };
        let at_rest = pictures.iter().zip(&values).filter(|(_, v)| (**v - self.unmoved).abs() < AT_REST);
        let readings: Vec<f32> = at_rest.map(|(p, _)| expression.read(&as_f32(&p.states))).collect();
        if !readings.is_empty() {
            expression.rest = readings.iter().sum::<f32>() / readings.len() as f32;
        }
        Ok(expression)
    }
}

/// Both eyes share what was drawn.
fn expression_key(name: &'static str) -> &'static str {
    if name.starts_with("eye-") { "eyes" } else { name }
}

fn as_f32(values: &[f64]) -> Vec<f32> {
    values.iter().map(|v| *v as f32).collect()
}

/// How states, then keypoints, change with each expression's value and with each move of pose, within people. Keypoints are
/// those of the mean shape: a person's deviations are turned and sized as his mean shape must be to lie on it.
fn directions(pictures: &[&Picture], layout: &[[f64; 2]]) -> Result<Directions> {
    let mut people = BTreeMap::<usize, Vec<Shape>>::new();
    for picture in pictures {
        people.entry(picture.person).or_default().push(picture.keypoints.clone());
    }
    let moves: BTreeMap<usize, Similarity> = people
        .iter()
        .map(|(person, shapes)| {
            let mean: Shape =
                (0..layout.len()).map(|k| centre(&shapes.iter().map(|s| s[k]).collect::<Vec<_>>())).collect();
            (*person, Similarity::fit(&mean, layout))
        })
        .collect();
    let seen = Columns::of(pictures.iter().map(|p| {
        let to_layout = &moves[&p.person];
        let placed = p.keypoints.iter().flat_map(|point| to_layout.apply(*point));
        p.states.iter().copied().chain(placed).collect()
    }));
    let mut names = vec![];
    let mut causes = vec![];
    for definition in &DEFINITIONS {
        let key = expression_key(definition.name);
        if !names.contains(&key) {
            names.push(key);
            causes.push(pictures.iter().map(|p| definition.value(&p.amounts)).collect::<Vec<_>>());
        }
    }
    for name in POSE {
        names.push(name);
        causes.push(pictures.iter().map(|p| p.amounts.get(name).copied().unwrap_or_default()).collect());
    }
    let person: Vec<usize> = pictures.iter().map(|p| p.person).collect();
    fit::directions(names, &causes, &seen, &person)
}

/// Of what `expression` reads in `pictures` with what they were drawn with; 0 if either is always the same.
fn correlation(pictures: &[&Picture], definition: &Definition, expression: &Expression) -> f64 {
    let pairs: Vec<(f64, f64)> = pictures
        .iter()
        .map(|p| (definition.value(&p.amounts), f64::from(expression.read(&as_f32(&p.states)))))
        .collect();
    fit::correlation(&pairs)
}

#[cfg(test)]
mod tests;
