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

#[cfg(test)]
mod tests {
    use super::*;

    fn term(name: &'static str, value: f32) -> Term {
        Term { name, weight: 1.0, value: Tensor::from(value) }
    }

    #[test]
    fn terms_are_added_up_with_their_weights() {
        let mut terms = Terms::default();
        assert!(terms.total().is_none());
        terms.add("a", 1.0, Tensor::from(1.5f32));
        terms.add("b", 0.5 * 16.0, Tensor::from(3.0f32));
        assert_eq!(terms.total().unwrap().double_value(&[]), 25.5);
        // The terms themselves stay as they are.
        assert_eq!(terms.total().unwrap().double_value(&[]), 25.5);
    }

    #[test]
    fn the_first_failure_is_remembered_over_sets_of_terms() {
        let mut watch = Watch::default();
        watch.look(1, &[term("a", 1.0), term("b", -1.0)]);
        assert_eq!(watch.failure().unwrap(), None);
        watch.look(2, &[term("a", 1.0), term("b", -1.0), term("lazy", f32::INFINITY), term("c", f32::NAN)]);
        watch.look(3, &[term("a", f32::NAN), term("b", 0.0)]);
        watch.look(4, &[term("a", 0.0), term("b", f32::NAN)]);
        let failure = watch.failure().unwrap().unwrap();
        assert_eq!((failure.step, failure.terms), (2, vec!["lazy", "c"]));
    }
}
