//! The regressions.

use tch::{Device, Kind, Tensor};

use crate::error::Result;

/// Ridge of a regression, as a share of the mean variance of what it reads from.
const RIDGE: f64 = 0.01;
/// Pose is kept out of readings as if heads had turned this many times as far: real ones turn further than drawn ones.
const MORE_POSE: f64 = 2.0;

/// Numbers, a row for each picture.
#[derive(Debug)]
pub struct Columns(Tensor);

impl Columns {
    /// Rows of equal length.
    pub fn of(rows: impl Iterator<Item = Vec<f64>>) -> Self {
        let rows: Vec<Vec<f64>> = rows.collect();
        let flat: Vec<f64> = rows.iter().flatten().copied().collect();
        Self(Tensor::from_slice(&flat).view([rows.len() as i64, -1]))
    }
}

/// How a value is read.
#[derive(Debug)]
pub struct Reading {
    pub weights: Vec<f64>,
    pub bias: f64,
}

/// Weights that read `values` off `states`, of unit gain; `pose` are changes of the states by common moves of pose, to which
/// readings must be blind.
///
/// # Errors
/// [`crate::Error::Torch`].
pub fn reading(states: &Columns, values: &[f64], pose: &[Vec<f64>]) -> Result<Reading> {
    let n = values.len() as f64;
    let mean = states.0.mean_dim([0i64].as_slice(), true, Kind::Double);
    let centred = &states.0 - &mean;
    let values = Tensor::from_slice(values).view([-1, 1]);
    let centre = values.mean(Kind::Double);
    let wanted = &values - &centre;
    let mut square = centred.transpose(0, 1).matmul(&centred) / n;
    // Drawn poses are in the states already; what comes on top stands for those that are not.
    for change in pose {
        let change = Tensor::from_slice(change).view([-1, 1]);
        square += change.matmul(&change.transpose(0, 1)) * (MORE_POSE * MORE_POSE - 1.0);
    }
    let weights = solve(&square, &(centred.transpose(0, 1).matmul(&wanted) / n))?;
    let read = centred.matmul(&weights);
    let gain = (&read * &wanted).mean(Kind::Double) / wanted.square().mean(Kind::Double).clamp_min(1e-12);
    let weights = weights / gain.clamp_min(1e-6);
    let bias = centre - mean.matmul(&weights).sum(Kind::Double);
    Ok(Reading { weights: Vec::try_from(weights.view([-1]))?, bias: bias.double_value(&[]) })
}

/// Changes of what was seen by a unit of each of several causes.
#[derive(Debug)]
pub struct Directions {
    names: Vec<&'static str>,
    changes: Vec<Vec<f64>>,
    deviations: Vec<f64>,
}

impl Directions {
    /// By a unit of the cause called `name`.
    pub fn of(&self, name: &str) -> Option<&[f64]> {
        let place = self.names.iter().position(|n| *n == name)?;
        Some(&self.changes[place])
    }

    /// By one standard deviation of it.
    pub fn common(&self, name: &str) -> Option<Vec<f64>> {
        let place = self.names.iter().position(|n| *n == name)?;
        Some(self.changes[place].iter().map(|c| c * self.deviations[place]).collect())
    }
}

/// Regression of what was `seen` on the `causes`, all less their means of each `person`.
///
/// # Errors
/// [`crate::Error::Torch`].
pub fn directions(
    names: Vec<&'static str>,
    causes: &[Vec<f64>],
    seen: &Columns,
    person: &[usize],
) -> Result<Directions> {
    let flat: Vec<f64> = causes.iter().flatten().copied().collect();
    let causes = Tensor::from_slice(&flat).view([causes.len() as i64, -1]).transpose(0, 1);
    let (x, y) = (within(&causes, person), within(&seen.0, person));
    // In units of their own deviations, so that the ridge treats all alike.
    let scale = x.square().mean_dim([0i64].as_slice(), true, Kind::Double).sqrt().clamp_min(1e-9);
    let x = &x / &scale;
    let n = person.len() as f64;
    let changes = solve(&(x.transpose(0, 1).matmul(&x) / n), &(x.transpose(0, 1).matmul(&y) / n))?;
    let changes = changes / scale.transpose(0, 1);
    let rows = (0..changes.size()[0]).map(|i| Ok(Vec::try_from(changes.get(i))?)).collect::<Result<_>>()?;
    Ok(Directions { names, changes: rows, deviations: Vec::try_from(scale.view([-1]))? })
}

/// Rows less the mean of their person's rows.
fn within(rows: &Tensor, person: &[usize]) -> Tensor {
    let people = person.iter().max().map_or(0, |last| last + 1) as i64;
    let person = Tensor::from_slice(&person.iter().map(|p| *p as i64).collect::<Vec<_>>());
    let options = (Kind::Double, Device::Cpu);
    let sums = Tensor::zeros([people, rows.size()[1]], options).index_add(0, &person, rows);
    let ones = Tensor::ones([person.size()[0], 1], options);
    let counts = Tensor::zeros([people, 1], options).index_add(0, &person, &ones).clamp_min(1.0);
    rows - (sums / counts).index_select(0, &person)
}

/// Solves `(square + ridge) x = right`.
fn solve(square: &Tensor, right: &Tensor) -> Result<Tensor> {
    let size = square.size()[0];
    let mean = square.diagonal(0, 0, 1).mean(Kind::Double).double_value(&[]);
    let ridge = Tensor::eye(size, (Kind::Double, Device::Cpu)) * (RIDGE * mean + 1e-12);
    Ok(Tensor::f_linalg_solve(&(square + ridge), right, true)?)
}

/// Pearson's; 0 if either side is always the same.
pub fn correlation(pairs: &[(f64, f64)]) -> f64 {
    let n = pairs.len().max(1) as f64;
    let (a, b) = (pairs.iter().map(|p| p.0).sum::<f64>() / n, pairs.iter().map(|p| p.1).sum::<f64>() / n);
    let (mut ab, mut aa, mut bb) = (0.0, 0.0, 0.0);
    for (x, y) in pairs {
        ab += (x - a) * (y - b);
        aa += (x - a).powi(2);
        bb += (y - b).powi(2);
    }
    if aa * bb > 0.0 { ab / (aa * bb).sqrt() } else { 0.0 }
}
