//! Weighted sums of losses, and what to say when they diverge. Every training adds its losses as terms, each of which knows
//! its name and the keys of the configuration that fix it. Nothing here waits for the device until it is asked for numbers.

use tch::{Kind, Tensor};

use super::Loss;
use crate::error::{Error, Result};

/// One term of a sum.
#[derive(Debug)]
pub struct Term {
    /// What it is.
    pub loss: &'static Loss,
    /// What it is multiplied by.
    pub weight: f64,
    /// A scalar.
    pub value: Tensor,
}

/// A weighted sum of terms.
#[derive(Debug, Default)]
pub struct Terms {
    /// Each group is added up by itself, then the sums.
    groups: Vec<Vec<Term>>,
}

impl Terms {
    /// Adds a term.
    pub fn add(&mut self, loss: &'static Loss, weight: f64, value: Tensor) {
        let term = Term { loss, weight, value };
        match self.groups.first_mut() {
            Some(first) => first.push(term),
            None => self.groups.push(vec![term]),
        }
    }

    /// Adds the sum of others: rounding depends on what is added up first.
    pub fn add_sum(&mut self, others: Self) {
        self.groups.extend(others.groups);
    }

    /// The sum, to be differentiated.
    pub fn total(&self) -> Option<Tensor> {
        let sum =
            |group: &Vec<Term>| group.iter().map(|t| &t.value * t.weight).reduce(|sum, term| sum + term);
        self.groups.iter().filter_map(sum).reduce(|sum, group| sum + group)
    }

    /// The term that was added first.
    pub fn first(&self) -> Option<&Term> {
        self.groups.first()?.first()
    }

    /// The terms without their gradients.
    pub fn detached(self) -> Vec<Term> {
        let detach = |t: Term| Term { value: t.value.detach(), ..t };
        self.groups.into_iter().flatten().map(detach).collect()
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
    pub losses: Vec<&'static Loss>,
}

/// Remembers on the device on which step each term was not finite for the first time.
#[derive(Debug, Default)]
pub struct Watch {
    /// For each set of terms met: what they are and `[terms]`, 0 or the step (float64: whole numbers up to 2^53).
    sets: Vec<(Vec<&'static Loss>, Tensor)>,
}

impl Watch {
    /// Notes the terms of step number `step`, from 1.
    pub fn note(&mut self, step: u64, terms: &[Term]) {
        if terms.is_empty() {
            return;
        }
        let losses: Vec<_> = terms.iter().map(|t| t.loss).collect();
        let scalars: Vec<_> = terms.iter().map(|t| &t.value).collect();
        let now = Tensor::stack(&scalars, 0).isfinite().logical_not().to_kind(Kind::Double) * step as f64;
        match self.sets.iter_mut().find(|(known, _)| *known == losses) {
            Some((_, first)) => *first = first.where_self(&first.gt(0.0), &now),
            None => self.sets.push((losses, now)),
        }
    }

    /// The first failure, if there was one.
    ///
    /// # Errors
    /// [`crate::Error::Torch`].
    pub fn failure(&self) -> Result<Option<Failure>> {
        let mut failures = Vec::new();
        for (losses, first) in &self.sets {
            let steps = Vec::<f64>::try_from(&first.to_device(tch::Device::Cpu))?;
            failures.extend(losses.iter().zip(steps).filter(|(_, step)| *step > 0.0));
        }
        let Some(step) = failures.iter().map(|(_, step)| *step).reduce(f64::min) else { return Ok(None) };
        let losses = failures.iter().filter(|(_, s)| *s == step).map(|(loss, _)| **loss).collect();
        Ok(Some(Failure { step: step as u64, losses }))
    }

    /// Stops if a term of any step so far was not a finite number; `saved` is the step of the last checkpoint.
    ///
    /// # Errors
    /// [`Error::Diverged`] naming the terms, and [`Error::Torch`].
    pub fn check(&self, saved: Option<u64>) -> Result<()> {
        match self.failure()? {
            Some(failure) => Err(failure.error(saved)),
            None => Ok(()),
        }
    }
}

impl Failure {
    /// What to say of it: which terms, when, what is left (the checkpoint of step `saved`) and what to try.
    pub fn error(&self, saved: Option<u64>) -> Error {
        let mut fixes: Vec<&str> = self.losses.iter().map(|loss| loss.fix).collect();
        fixes.dedup();
        let names: Vec<&str> = self.losses.iter().map(|loss| loss.name).collect();
        Error::Diverged(format!(
            "training diverged at step {}: {} not a finite number; {} a lower {}",
            self.step,
            named(&names),
            left(saved),
            fixes.join(" or ")
        ))
    }
}

/// What to say where all losses were finite by `step` and yet the tensor `name` is not.
pub fn spoiled(name: &str, step: u64, saved: Option<u64>) -> Error {
    Error::Diverged(format!(
        "training diverged by step {step}: {name} is not finite though all losses were; {} lower learning rates or weights",
        left(saved)
    ))
}

fn left(saved: Option<u64>) -> String {
    match saved {
        Some(step) => {
            format!("the checkpoint of step {step} is untouched: carry on from it with --resume and")
        }
        None => "no checkpoint was written yet: start anew with".to_owned(),
    }
}

fn named(terms: &[&str]) -> String {
    match terms {
        [one] => format!("the term {one} was"),
        many => format!("the terms {} were", many.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    static A: Loss = Loss { name: "a", fix: "gan.a.weight" };
    static B: Loss = Loss { name: "b", fix: "gan.b.weight" };
    static C: Loss = Loss { name: "c", fix: "gan.c.weight" };
    static LAZY: Loss = Loss { name: "lazy", fix: "gan.c.weight" };

    fn term(loss: &'static Loss, value: f32) -> Term {
        Term { loss, weight: 1.0, value: Tensor::from(value) }
    }

    #[test]
    fn terms_are_added_up_with_their_weights() {
        let mut terms = Terms::default();
        assert!(terms.total().is_none());
        terms.add(&A, 1.0, Tensor::from(1.5f32));
        terms.add(&B, 0.5 * 16.0, Tensor::from(3.0f32));
        assert_eq!(terms.total().unwrap().double_value(&[]), 25.5);
        // The terms themselves stay as they are.
        assert_eq!(terms.total().unwrap().double_value(&[]), 25.5);
    }

    #[test]
    fn a_sum_of_others_is_added_up_first() {
        let numbers = |terms: &mut Terms, values: &[f32]| {
            values.iter().for_each(|v| terms.add(&A, 1.0, Tensor::from(*v)));
        };
        // 2^24 + 1 is 2^24 in float32, and + 2 is not.
        let (mut one, mut others) = (Terms::default(), Terms::default());
        numbers(&mut one, &[16_777_216.0]);
        numbers(&mut others, &[1.0, 1.0]);
        one.add_sum(others);
        assert_eq!(one.total().unwrap().double_value(&[]), 16_777_218.0);
        assert_eq!(one.detached().len(), 3);
    }

    #[test]
    fn the_first_failure_is_remembered_over_sets_of_terms() {
        let mut watch = Watch::default();
        watch.note(1, &[term(&A, 1.0), term(&B, -1.0)]);
        assert_eq!(watch.failure().unwrap(), None);
        watch.note(2, &[term(&A, 1.0), term(&B, -1.0), term(&LAZY, f32::INFINITY), term(&C, f32::NAN)]);
        watch.note(3, &[term(&A, f32::NAN), term(&B, 0.0)]);
        watch.note(4, &[term(&A, 0.0), term(&B, f32::NAN)]);
        let failure = watch.failure().unwrap().unwrap();
        assert_eq!((failure.step, failure.losses), (2, vec![&LAZY, &C]));
    }

    #[test]
    fn messages_name_terms_step_checkpoint_and_fix() {
        let failure = Failure { step: 7, losses: vec![&A, &B] };
        assert_eq!(
            failure.error(Some(4)).to_string(),
            "training diverged at step 7: the terms a, b were not a finite number; the checkpoint of step 4 is untouched: \
             carry on from it with --resume and a lower gan.a.weight or gan.b.weight"
        );
        let failure = Failure { step: 1, losses: vec![&C, &LAZY] };
        assert_eq!(
            failure.error(None).to_string(),
            "training diverged at step 1: the terms c, lazy were not a finite number; no checkpoint was written yet: start \
             anew with a lower gan.c.weight"
        );
    }
}
