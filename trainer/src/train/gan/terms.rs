//! The terms that a network minimises, by name, and whether they stay finite. Nothing here waits for the device
//! until it is asked for numbers.

use tch::{Kind, Tensor};

use crate::error::Result;

/// One term of a sum.
#[derive(Debug)]
pub struct Term {
    /// The name in logs and messages.
    pub name: &'static str,
    /// What it is multiplied by.
    pub weight: f64,
    /// A scalar.
    pub value: Tensor,
}

/// A weighted sum of terms.
#[derive(Debug, Default)]
pub struct Terms(Vec<Term>);

impl Terms {
    /// Adds a term.
    pub fn add(&mut self, name: &'static str, weight: f64, value: Tensor) {
        self.0.push(Term { name, weight, value });
    }

    /// The sum, to be differentiated.
    pub fn total(&self) -> Option<Tensor> {
        self.0.iter().map(|t| &t.value * t.weight).reduce(|sum, term| sum + term)
    }

    /// The terms of both without their gradients.
    pub fn detached(self, other: Self) -> Vec<Term> {
        let detach = |t: Term| Term { value: t.value.detach(), ..t };
        self.0.into_iter().chain(other.0).map(detach).collect()
    }
}

/// The values of scalars, fetched from the device at once.
///
/// # Errors
/// [`crate::Error::Torch`].
pub fn values(scalars: &[Tensor]) -> Result<Vec<f64>> {
    let together = Tensor::stack(scalars, 0).to_kind(Kind::Double).to_device(tch::Device::Cpu);
    Ok(Vec::try_from(&together)?)
}

/// Terms that were not finite.
#[derive(Clone, Debug, PartialEq)]
pub struct Failure {
    /// The first step on which one was not.
    pub step: u64,
    /// Those of that step.
    pub terms: Vec<&'static str>,
}

/// Remembers on the device on which step each term was not finite for the first time.
#[derive(Debug, Default)]
pub struct Watch {
    /// For each set of terms met: their names and `[terms]`, 0 or the step (float64: whole numbers up to 2^53).
    sets: Vec<(Vec<&'static str>, Tensor)>,
}

impl Watch {
    /// Looks at the terms of step number `step`, from 1.
    pub fn look(&mut self, step: u64, terms: &[Term]) {
        let names: Vec<_> = terms.iter().map(|t| t.name).collect();
        let scalars: Vec<_> = terms.iter().map(|t| &t.value).collect();
        let now = Tensor::stack(&scalars, 0).isfinite().logical_not().to_kind(Kind::Double) * step as f64;
        match self.sets.iter_mut().find(|(known, _)| *known == names) {
            Some((_, first)) => *first = first.where_self(&first.gt(0.0), &now),
            None => self.sets.push((names, now)),
        }
    }

    /// The first failure, if there was one.
    ///
    /// # Errors
    /// [`crate::Error::Torch`].
    pub fn failure(&self) -> Result<Option<Failure>> {
        let mut failures = Vec::new();
        for (names, first) in &self.sets {
            let steps = Vec::<f64>::try_from(&first.to_device(tch::Device::Cpu))?;
            failures.extend(names.iter().zip(steps).filter(|(_, step)| *step > 0.0));
        }
        let Some(step) = failures.iter().map(|(_, step)| *step).reduce(f64::min) else { return Ok(None) };
        let terms = failures.iter().filter(|(_, s)| *s == step).map(|(name, _)| **name).collect();
        Ok(Some(Failure { step: step as u64, terms }))
    }
}
