//! One direction of pose or expression alone: does only that change?
//!
//! How far pictures were moved along each direction is known of drawn people. A linear reader from changes of keypoints
//! and states to changes of these amounts is fitted on real pairs of half of the people, and reads the other half: what
//! it reads off a driven picture is held against what it reads off the driver.

use std::collections::BTreeSet;

use serde::Serialize;
use tch::{Device, Kind, Tensor};

use super::nearness::Following;
use super::people::Person;
use crate::dataset::faces::amounts::Amounts;
use crate::error::Result;

/// Ridge of the reader, over what its standardised inputs sum to.
const RIDGE: f64 = 0.02;
/// Share of a pair's squared move, each direction over its deviation, that is in one direction where it counts as alone.
const ALONE: f64 = 0.5;
/// Fewest people that a reader is fitted and held against.
const LEAST: usize = 4;

/// One direction.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct DirectionReport {
    /// Its name.
    pub name: String,
    /// What the reader reads off real drivers against what they were drawn with.
    pub read: Following,
    /// What it reads off driven pictures against what it reads off their drivers.
    pub followed: Following,
    /// The same of pairs that differ in little else.
    pub alone: Following,
    /// What else changes in these that does not in their drivers, over what should: root mean squares, each direction over its
    /// deviation; none without such pairs.
    pub leakage: Option<f64>,
}

/// Changes of keypoints and states, and of amounts, between two pictures of a person.
#[derive(Debug)]
pub struct Moves {
    names: Vec<String>,
    /// `[M, J]`: of each picture, double.
    amounts: Tensor,
    /// Of each picture, whether its amounts are known.
    known: Vec<bool>,
    /// Of each picture, its person.
    person: Vec<usize>,
}

impl Moves {
    /// What is known of the pictures of `people`; none if it is too little.
    pub fn of(people: &[Person]) -> Option<Self> {
        let all = || people.iter().flat_map(|p| &p.amounts);
        let names: BTreeSet<&String> = all().flatten().flat_map(Amounts::keys).collect();
        let names: Vec<String> = names.into_iter().cloned().collect();
        let told = people.iter().filter(|p| p.amounts.iter().flatten().count() > 1).count();
        if told < LEAST || names.is_empty() {
            return None;
        }
        let none = Amounts::new();
        let rows: Vec<f64> = all()
            .flat_map(|a| {
                let a = a.as_ref().unwrap_or(&none);
                names.iter().map(|name| a.get(name).copied().unwrap_or(0.0)).collect::<Vec<_>>()
            })
            .collect();
        Some(Self {
            amounts: Tensor::from_slice(&rows).view([-1, names.len() as i64]),
            names,
            known: all().map(Option::is_some).collect(),
            person: people.iter().enumerate().flat_map(|(i, p)| vec![i; p.pictures.len()]).collect(),
        })
    }

    /// Whether the amounts of both pictures are known.
    fn is_known(&self, (source, driver): (usize, usize)) -> bool {
        self.known[source] && self.known[driver]
    }

    /// All pairs of two pictures of one person whose amounts are known.
    fn pairs(&self) -> Vec<(usize, usize)> {
        let n = self.person.len();
        let all = (0..n).flat_map(|a| (0..n).map(move |b| (a, b)));
        all.filter(|&(a, b)| a != b && self.person[a] == self.person[b] && self.is_known((a, b))).collect()
    }

    /// Measures driven pictures: `parts` `[M, F]` are keypoints and states of all pictures, `driven` `[P, F]` those of what came
    /// of `pairs` of (source, driver).
    ///
    /// # Errors
    /// Those of libtorch.
    pub fn measure(
        &self,
        parts: &Tensor,
        pairs: &[(usize, usize)],
        driven: &Tensor,
    ) -> Result<Vec<DirectionReport>> {
        let parts = parts.to_kind(Kind::Double);
        let fitted = self.pairs();
        let deviation =
            change(&self.amounts, &fitted).square().mean_dim([0i64].as_slice(), true, Kind::Double);
        let deviation = deviation.sqrt().clamp_min(1e-6);
        let (mut wanted, mut read, mut found) = (vec![], vec![], vec![]);
        for fold in 0..2 {
            let of = |pairs: &[(usize, usize)], fold: usize| -> Vec<usize> {
                let kept = |&i: &usize| self.person[pairs[i].0] % 2 == fold && self.is_known(pairs[i]);
                (0..pairs.len()).filter(kept).collect()
            };
            let learned: Vec<_> = of(&fitted, 1 - fold).into_iter().map(|i| fitted[i]).collect();
            let shown = of(pairs, fold);
            if learned.is_empty() || shown.is_empty() {
                continue;
            }
            let reader = Reader::fit(&change(&parts, &learned), &change(&self.amounts, &learned))?;
            let held: Vec<_> = shown.iter().map(|&i| pairs[i]).collect();
            let sources = parts.index_select(0, &index(held.iter().map(|p| p.0)));
            let driven = driven.to_kind(Kind::Double).index_select(0, &index(shown.iter().copied()));
            wanted.push(change(&self.amounts, &held));
            read.push(reader.read(&change(&parts, &held)));
            found.push(reader.read(&(driven - sources)));
        }
        if wanted.is_empty() {
            return Ok(vec![]);
        }
        let [wanted, read, found] = [wanted, read, found].map(|t| Tensor::cat(&t, 0));
        let squares = (&wanted / &deviation).square();
        let share = &squares / (squares.sum_dim_intlist([1i64].as_slice(), true, Kind::Double) + 1e-9);
        let names = self.names.iter().enumerate();
        names.map(|(j, name)| report(name, j as i64, [&wanted, &read, &found], &share, &deviation)).collect()
    }
}

fn report(
    name: &str,
    j: i64,
    [wanted, read, found]: [&Tensor; 3],
    share: &Tensor,
    deviation: &Tensor,
) -> Result<DirectionReport> {
    let column = |t: &Tensor| t.select(1, j);
    let alone = share.select(1, j).ge(ALONE).nonzero().view([-1]);
    let kept = |t: &Tensor| t.index_select(0, &alone);
    let off = kept(&((found - read) / deviation)).square();
    let size = kept(&(read / deviation)).square().select(1, j).mean(Kind::Double).sqrt();
    let others = (off.sum(Kind::Double) - off.select(1, j).sum(Kind::Double))
        / (off.numel() as f64 - off.size()[0] as f64);
    let some = alone.size()[0] > 0 && wanted.size()[1] > 1;
    Ok(DirectionReport {
        name: name.to_owned(),
        read: Following::of(&column(wanted), &column(read)),
        followed: Following::of(&column(read), &column(found)),
        alone: Following::of(&kept(&column(read)), &kept(&column(found))),
        leakage: some.then(|| (others.sqrt() / size.clamp_min(1e-9)).double_value(&[])),
    })
}

fn index(all: impl Iterator<Item = usize>) -> Tensor {
    Tensor::from_slice(&all.map(|i| i as i64).collect::<Vec<_>>())
}

/// Driver less source, `[P, ...]`, of `[M, ...]`.
fn change(of: &Tensor, pairs: &[(usize, usize)]) -> Tensor {
    of.index_select(0, &index(pairs.iter().map(|p| p.1)))
        - of.index_select(0, &index(pairs.iter().map(|p| p.0)))
}

/// A ridge regression through 0.
struct Reader {
    scale: Tensor,
    weights: Tensor,
}

impl Reader {
    /// From `[P, F]` to `[P, J]`, double.
    fn fit(inputs: &Tensor, outputs: &Tensor) -> Result<Self> {
        let scale = inputs.square().mean_dim([0i64].as_slice(), true, Kind::Double).sqrt().clamp_min(1e-6);
        let x = inputs / &scale;
        let ridge = Tensor::eye(x.size()[1], (Kind::Double, Device::Cpu)) * (RIDGE * x.size()[0] as f64);
        let square = x.transpose(0, 1).matmul(&x) + ridge;
        let weights = Tensor::f_linalg_solve(&square, &x.transpose(0, 1).matmul(outputs), true)?;
        Ok(Self { scale, weights })
    }

    fn read(&self, inputs: &Tensor) -> Tensor {
        (inputs / &self.scale).matmul(&self.weights)
    }
}

#[cfg(test)]
mod tests {
    use image::RgbImage;
    use rand::{Rng, SeedableRng};
    use rand_chacha::ChaCha8Rng;

    use super::*;

    /// People of six pictures each with two directions, mostly one at a time; parts are a rotation of the amounts beside noise
    /// and who it is.
    fn people() -> (Vec<Person>, Tensor) {
        let mut rng = ChaCha8Rng::seed_from_u64(1);
        let (mut people, mut parts) = (vec![], vec![]);
        for person in 0..20 {
            let who: f64 = rng.random_range(-3.0..3.0);
            let mut amounts = vec![];
            for picture in 0..6 {
                let (a, b): (f64, f64) = (rng.random_range(-2.0..2.0), rng.random_range(-0.3..0.3));
                let (a, b) = if (person + picture) % 2 == 0 { (a, b) } else { (b, a) };
                amounts.push(Some(Amounts::from([("smile".to_owned(), a), ("yaw".to_owned(), b)])));
                parts.extend([0.8 * a + 0.6 * b, 0.8 * b - 0.6 * a, who, rng.random_range(-0.01..0.01)]);
            }
            people.push(Person { name: person.to_string(), pictures: vec![RgbImage::new(1, 1); 6], amounts });
        }
        (people, Tensor::from_slice(&parts).view([-1, 4]))
    }

    #[test]
    fn who_follows_one_direction_alone_is_told_from_who_does_not() {
        let (people, parts) = people();
        let moves = Moves::of(&people).unwrap();
        let pairs = moves.pairs();
        assert_eq!(pairs.len(), 20 * 30);
        let drivers = parts.index_select(0, &index(pairs.iter().map(|p| p.1)));
        let sources = parts.index_select(0, &index(pairs.iter().map(|p| p.0)));
        let measure = |driven: &Tensor| moves.measure(&parts, &pairs, driven).unwrap();
        for d in measure(&drivers) {
            assert!(d.read.correlation > 0.99 && (d.read.slope - 1.0).abs() < 0.1, "{d:?}");
            assert!((d.followed.slope - 1.0).abs() < 1e-6 && d.leakage.unwrap() < 1e-6, "{d:?}");
            assert!(d.alone.n > 100 && d.alone.n < 600, "{d:?}");
        }
        for d in measure(&(&sources + (&drivers - &sources) * 0.5)) {
            assert!((d.alone.slope - 0.5).abs() < 1e-6 && d.alone.correlation > 0.99, "{d:?}");
        }
        // One that turns whenever it should smile.
        let turn = Tensor::from_slice(&[0.6f64, 0.8, 0.0, 0.0]);
        let smile = (&drivers - &sources).matmul(&Tensor::from_slice(&[0.8f64, -0.6, 0.0, 0.0])).unsqueeze(1);
        let found = measure(&(&drivers + smile * turn));
        assert_eq!((found[0].name.as_str(), found[1].name.as_str()), ("smile", "yaw"));
        assert!(found[0].leakage.unwrap() > 0.8 && found[0].alone.slope > 0.9, "{found:?}");
    }

    #[test]
    fn too_little_known_is_not_measured() {
        let (mut people, _) = people();
        people.iter_mut().skip(3).for_each(|p| p.amounts = vec![None; 6]);
        assert!(Moves::of(&people).is_none());
    }
}
