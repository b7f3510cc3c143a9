//! Settings to be compared with each other: every combination of the values given.

use std::str::FromStr;

use crate::engine::{EngineOptions, Precision, Provider};
use crate::error::bench::Error;

/// One `KEY=VALUE,VALUE...`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Axis {
    /// Threads within an operator.
    Threads(Vec<usize>),
    /// Images in a run.
    Batch(Vec<usize>),
    /// Numbers to compute in.
    Precision(Vec<Precision>),
    /// Where to compute.
    Provider(Vec<Provider>),
}

/// Largest batch and most threads: more is a slip of the finger.
const MOST: usize = 256;

fn values<T: FromStr>(text: &str, wrong: impl Fn(&str) -> String) -> Result<Vec<T>, String> {
    text.split(',').map(|v| v.trim().parse().map_err(|_| wrong(v))).collect()
}

fn numbers(key: &str, text: &str) -> Result<Vec<usize>, String> {
    let wrong = |v: &str| format!("{key}: {v:?} is not a number from 1 to {MOST}");
    let numbers = values::<usize>(text, wrong)?;
    match numbers.iter().find(|n| !(1..=MOST).contains(*n)) {
        Some(n) => Err(wrong(&n.to_string())),
        None => Ok(numbers),
    }
}

impl FromStr for Axis {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (key, list) = text
            .split_once('=')
            .ok_or_else(|| format!("{text:?}: give KEY=VALUE,VALUE, for instance threads=1,2"))?;
        let named = |v: &str| format!("{key}: unknown value {v:?}");
        match key {
            "threads" => Ok(Self::Threads(numbers(key, list)?)),
            "batch" => Ok(Self::Batch(numbers(key, list)?)),
            "precision" => Ok(Self::Precision(values(list, named)?)),
            "provider" | "ep" => Ok(Self::Provider(values(list, named)?)),
            _ => Err(format!("unknown key {key:?}, choose of: threads, batch, precision, provider")),
        }
    }
}

impl std::fmt::Display for Axis {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let numbers = |list: &[usize]| list.iter().map(ToString::to_string).collect::<Vec<_>>().join(",");
        match self {
            Self::Threads(list) => write!(f, "threads={}", numbers(list)),
            Self::Batch(list) => write!(f, "batch={}", numbers(list)),
            Self::Precision(list) => {
                write!(f, "precision={}", list.iter().map(|p| p.name()).collect::<Vec<_>>().join(","))
            }
            Self::Provider(list) => {
                write!(f, "provider={}", list.iter().map(|p| p.name()).collect::<Vec<_>>().join(","))
            }
        }
    }
}

/// A combination.
#[derive(Clone, Debug)]
pub struct Combination {
    /// Threads, precision and provider.
    pub options: EngineOptions,
    /// Images in a run.
    pub batch: usize,
    /// What tells it from the others, for names: `, threads 2`, empty where nothing but the batch differs.
    pub suffix: String,
}

/// Every combination of the axes, the first axis slowest; what no axis says is as in `base` and `batch`.
///
/// # Errors
/// [`Error::RepeatedAxis`].
pub fn combinations(axes: &[Axis], base: &EngineOptions, batch: usize) -> Result<Vec<Combination>, Error> {
    let mut all = vec![Combination { options: base.clone(), batch, suffix: String::new() }];
    for (i, axis) in axes.iter().enumerate() {
        let same = |other: &Axis| std::mem::discriminant(other) == std::mem::discriminant(axis);
        if axes[..i].iter().any(same) {
            return Err(Error::RepeatedAxis);
        }
        all = all.iter().flat_map(|c| vary(c, axis)).collect();
    }
    Ok(all)
}

fn vary(from: &Combination, axis: &Axis) -> Vec<Combination> {
    let with = |set: &dyn Fn(&mut Combination), suffix: String| {
        let mut one = from.clone();
        set(&mut one);
        one.suffix += &suffix;
        one
    };
    match axis {
        Axis::Threads(list) => {
            list.iter().map(|n| with(&|c| c.options.threads = Some(*n), format!(", threads {n}"))).collect()
        }
        Axis::Batch(list) => list.iter().map(|n| with(&|c| c.batch = *n, String::new())).collect(),
        Axis::Precision(list) => {
            list.iter().map(|p| with(&|c| c.options.precision = *p, format!(", {}", p.name()))).collect()
        }
        Axis::Provider(list) => {
            list.iter().map(|p| with(&|c| c.options.provider = *p, format!(", {p}"))).collect()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn axes_parse_and_say_what_is_wrong() {
        assert_eq!("threads=1,2".parse(), Ok(Axis::Threads(vec![1, 2])));
        assert_eq!("ep=cpu".parse(), Ok(Axis::Provider(vec![Provider::Cpu])));
        assert_eq!("precision=stored,tf32,fp16".parse(), Ok(Axis::Precision(Precision::ALL.to_vec())));
        for text in ["threads=1,2", "batch=8", "precision=fp16", "provider=cpu,cuda"] {
            assert_eq!(text.parse::<Axis>().unwrap().to_string(), text);
        }
        for (bad, part) in [
            ("threads", "KEY=VALUE"),
            ("threads=0", "1 to 256"),
            ("batch=a", "\"a\""),
            ("batch=1,,2", "\"\""),
            ("provider=gpu", "unknown value"),
            ("colour=red", "choose of"),
        ] {
            assert!(bad.parse::<Axis>().unwrap_err().contains(part), "{bad}");
        }
    }

    #[test]
    fn every_combination_comes_once_and_is_told_apart() {
        let axes = ["threads=1,2", "batch=1,4,8"].map(|a| a.parse().unwrap());
        let all = combinations(&axes, &EngineOptions::default(), 1).unwrap();
        let found: Vec<_> = all.iter().map(|c| (c.options.threads, c.batch, c.suffix.as_str())).collect();
        assert_eq!(found.len(), 6);
        assert_eq!(found[1], (Some(1), 4, ", threads 1"));
        assert_eq!(found[5], (Some(2), 8, ", threads 2"));
        assert_eq!(combinations(&[], &EngineOptions::default(), 3).unwrap()[0].batch, 3);
        let twice = ["batch=1", "batch=2"].map(|a| a.parse().unwrap());
        assert!(combinations(&twice, &EngineOptions::default(), 1).is_err());
    }
}
