//! Which pictures of a pack are kept from training.

use std::collections::BTreeMap;
use std::path::Path;

use sha2::{Digest, Sha256};

use super::pack::PackedPicture;
use crate::error::{Error, Result};

/// Which pictures are kept from training: where it is known whom each shows, people, all pictures of one.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum HoldOut {
    /// Those that the layout's published split tests on.
    Published,
    /// Also this many, those whose names have the smallest checksums.
    Count(usize),
    /// Also this share of them, chosen by checksums of names: a picture stays on its side when others join.
    Share(f64),
}

/// Marks pictures as kept from training.
///
/// # Errors
/// [`Error::Usage`] if none is left to learn from.
pub fn mark(pictures: &mut [PackedPicture], wanted: HoldOut) -> Result<()> {
    // What stays on one side: a person, or a picture.
    let mut units: BTreeMap<(Option<u32>, usize), Vec<usize>> = BTreeMap::new();
    for (i, picture) in pictures.iter().enumerate() {
        let alone = if picture.person.is_some() { 0 } else { i };
        units.entry((picture.person, alone)).or_default().push(i);
    }
    let mut units: Vec<(f64, Vec<usize>)> = units
        .into_values()
        .filter(|unit| unit.iter().all(|i| !pictures[*i].held_out))
        .map(|unit| (draw(&pictures[unit[0]]), unit))
        .collect();
    // Those with the same checksum stay in their order.
    units.sort_by(|a, b| a.0.total_cmp(&b.0));
    let kept = match wanted {
        HoldOut::Published => 0,
        HoldOut::Share(share) => units.partition_point(|(draw, _)| *draw < share),
        HoldOut::Count(count) => count.min(units.len()),
    };
    for i in units[..kept].iter().flat_map(|(_, unit)| unit) {
        pictures[*i].held_out = true;
    }
    if pictures.iter().all(|p| p.held_out) {
        let n = pictures.len();
        return Err(Error::Usage(format!(
            "holding out all {n} pictures leaves none to learn from: give a smaller --hold-out"
        )));
    }
    Ok(())
}

/// A number that depends on a picture's name alone, or on that of its person, spread evenly over [0, 1).
fn draw(picture: &PackedPicture) -> f64 {
    let name = match (picture.person, Path::new(&picture.name).parent()) {
        (Some(_), Some(folder)) => folder.display().to_string(),
        _ => picture.name.clone(),
    };
    let first = Sha256::digest(name).iter().take(8).fold(0u64, |n, b| n << 8 | u64::from(*b));
    first as f64 / 2f64.powi(64)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn person(number: u32, pictures: usize) -> impl Iterator<Item = PackedPicture> {
        (0..pictures).map(move |i| PackedPicture {
            name: format!("{number}/{i}.jpg"),
            sha256: String::new(),
            size: [8; 2],
            crop: [0, 0, 8, 8].into(),
            held_out: false,
            person: Some(number),
            points: vec![],
        })
    }

    #[test]
    fn people_are_kept_from_training_whole() {
        let held = |wanted, people: u32| {
            let mut all: Vec<_> = (0..people).flat_map(|n| person(n, 2 + n as usize % 3)).collect();
            mark(&mut all, wanted).unwrap();
            let mut sides = BTreeMap::<u32, Vec<bool>>::new();
            for p in &all {
                sides.entry(p.person.unwrap()).or_default().push(p.held_out);
            }
            assert!(sides.values().all(|s| s.iter().all(|side| *side == s[0])));
            let held = sides.into_iter().filter(|(_, s)| s[0]).map(|(n, _)| n);
            held.collect::<std::collections::BTreeSet<_>>()
        };
        assert_eq!(held(HoldOut::Count(3), 10).len(), 3);
        assert!(held(HoldOut::Published, 10).is_empty());
        let share = held(HoldOut::Share(0.4), 20);
        assert!((3..=13).contains(&share.len()), "{share:?}");
        // Whoever else joins.
        assert!(held(HoldOut::Share(0.4), 30).is_superset(&share));
        let mut all: Vec<_> = person(1, 4).collect();
        assert!(mark(&mut all, HoldOut::Count(1)).unwrap_err().to_string().contains("none to learn from"));
    }
}
