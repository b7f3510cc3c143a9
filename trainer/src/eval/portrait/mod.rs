//! Portrait networks on people they were never trained with: how near a photo driven by another picture of the same
//! person comes to that picture, whether one direction changes alone, and whether a photo follows somebody else.

pub mod directions;
pub mod nearness;
pub mod networks;
pub mod people;
mod report;

use serde::Serialize;
use tch::{Device, Kind, Tensor};

use self::directions::{DirectionReport, Moves};
use self::nearness::{Following, Nearness, Sums};
use self::networks::PortraitNetworks;
use self::people::Person;
use crate::dataset::faces::amounts::moved;
use crate::dataset::tensors::tensor;
use crate::error::Result;
use crate::nets::features::FeatureNet;
use crate::nets::portrait::Parts;
use crate::nets::resize::resize;
use crate::support::interrupt;
use crate::support::progress::Progress;

/// Pairs a batch.
const BATCH: usize = 16;
/// Columns of the sheet.
const COLUMNS: usize = 8;

/// Keypoints and states of driven pictures, as the detector sees them, against what they were driven to: changes from the
/// source.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct PartsFollow {
    /// Of keypoints.
    pub keypoints: Following,
    /// Of states.
    pub states: Following,
}

/// What was found.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct PortraitReport {
    /// What was measured.
    pub subject: String,
    /// How many people.
    pub people: usize,
    /// Pairs of pictures of one person.
    pub pairs: usize,
    /// Driven pictures against drivers.
    pub driven: Nearness,
    /// The photo as the flow alone carries it.
    pub warped: Nearness,
    /// The photo as it is.
    pub still: Nearness,
    /// Share of driven pictures that is the photo's own pixels.
    pub kept: f64,
    /// How the parts of a photo follow another picture of the same person.
    pub same_person: PartsFollow,
    /// How they follow somebody else's motion; none if there is one person.
    pub cross_person: Option<PartsFollow>,
    /// Each direction, where it is known how pictures were drawn.
    pub directions: Vec<DirectionReport>,
}

/// A picture to look at: images `[N, 3, P, P]` in rows of `columns`: sources, drivers, driven, carried by the flow alone,
/// masks; then photos at rest, others' pictures and what they drive the photos to.
#[derive(Debug)]
pub struct Sheet {
    /// The images.
    pub images: Tensor,
    /// How many in a row.
    pub columns: i64,
}

/// All pictures in a row, with the parts seen in them.
struct Gallery<'a> {
    pictures: Vec<&'a image::RgbImage>,
    /// Number of each person's first picture, and one beyond the last.
    first: Vec<usize>,
    parts: Parts,
    side: i64,
    portrait: i64,
}

impl<'a> Gallery<'a> {
    fn look(networks: &mut dyn PortraitNetworks, people: &'a [Person]) -> Result<Self> {
        let pictures: Vec<_> = people.iter().flat_map(|p| &p.pictures).collect();
        let first = people.iter().fold(vec![0], |mut all, p| {
            all.push(all[all.len() - 1] + p.pictures.len());
            all
        });
        let (detector, portrait) = networks.sizes();
        let side = pictures.first().map_or(portrait, |p| i64::from(p.width()));
        let mut progress = Progress::new("keypoints", pictures.len() as u64);
        let mut seen = vec![];
        for some in pictures.chunks(BATCH) {
            interrupt::check()?;
            let images: Vec<_> = some.iter().map(|p| (*p).clone()).collect();
            seen.push(networks.detect(&resize(&tensor(&images, side), detector))?);
            progress.advance(some.len() as u64, "");
        }
        progress.finish("");
        Ok(Self { pictures, first, parts: joined(&seen), side, portrait })
    }

    /// Pictures as portrait networks take them, with their parts.
    fn take(&self, numbers: &[usize]) -> (Tensor, Parts) {
        let images: Vec<_> = numbers.iter().map(|&i| self.pictures[i].clone()).collect();
        let index = Tensor::from_slice(&numbers.iter().map(|&i| i as i64).collect::<Vec<_>>());
        (resize(&tensor(&images, self.side), self.portrait), selected(&self.parts, &index))
    }

    /// Pairs of (source, driver) of one person, at most `most` a person, each picture in turn.
    fn pairs(&self, most: usize) -> Vec<(usize, usize)> {
        let people = self.first.windows(2);
        let of = |first: usize, n: usize| {
            (1..n).flat_map(move |by| (0..n).map(move |i| (first + i, first + (i + by) % n)))
        };
        people.flat_map(|w| of(w[0], w[1] - w[0]).take(most)).collect()
    }
}

fn joined(all: &[Parts]) -> Parts {
    let cat = |part: fn(&Parts) -> &Tensor| Tensor::cat(&all.iter().map(part).collect::<Vec<_>>(), 0);
    Parts { keypoints: cat(|p| &p.keypoints), states: cat(|p| &p.states) }
}

fn selected(parts: &Parts, index: &Tensor) -> Parts {
    Parts { keypoints: parts.keypoints.index_select(0, index), states: parts.states.index_select(0, index) }
}

/// `[N, F]`.
fn flat(parts: &Parts) -> Tensor {
    Tensor::cat(&[parts.keypoints.flatten(1, 2), parts.states.flatten(1, 2)], 1)
}

fn follow(source: &Parts, wanted: &Parts, found: &Parts) -> PartsFollow {
    let of = |part: fn(&Parts) -> &Tensor| {
        Following::of(&(part(wanted) - part(source)), &(part(found) - part(source)))
    };
    PartsFollow { keypoints: of(|p| &p.keypoints), states: of(|p| &p.states) }
}

/// What the detector sees in pictures of the portrait's size.
fn seen(networks: &mut dyn PortraitNetworks, images: &Tensor) -> Result<Parts> {
    let side = networks.sizes().0;
    networks.detect(&resize(&images.clamp(-1.0, 1.0), side))
}

/// Measures `networks` on `people`, whose pictures have one side, by at most `most` pairs a person.
///
/// # Errors
/// Those of the networks; [`crate::Error::Interrupted`].
pub fn measure(
    networks: &mut dyn PortraitNetworks,
    people: &[Person],
    net: Option<&FeatureNet>,
    most: usize,
) -> Result<(PortraitReport, Sheet)> {
    let _no_grad = tch::no_grad_guard();
    let gallery = Gallery::look(networks, people)?;
    let pairs = gallery.pairs(most);
    let [mut driven, mut warped, mut still] = [(); 3].map(|()| Sums::default());
    let (mut kept, mut found) = (0.0, vec![]);
    let mut progress = Progress::new("same person", pairs.len() as u64);
    for some in pairs.chunks(BATCH) {
        interrupt::check()?;
        let (photos, source) = gallery.take(&some.iter().map(|p| p.0).collect::<Vec<_>>());
        let (drivers, driver) = gallery.take(&some.iter().map(|p| p.1).collect::<Vec<_>>());
        let done = networks.drive(&photos, &source, &driver)?;
        driven.add(net, &done.image, &drivers)?;
        warped.add(net, &done.warped, &drivers)?;
        still.add(net, &photos, &drivers)?;
        kept += done.mask.mean(Kind::Double).double_value(&[]) * some.len() as f64;
        found.push(seen(networks, &done.image)?);
        progress.advance(some.len() as u64, "");
    }
    progress.finish("");
    let found = joined(&found);
    let index = |of: fn(&(usize, usize)) -> usize| {
        Tensor::from_slice(&pairs.iter().map(|p| of(p) as i64).collect::<Vec<_>>())
    };
    let [sources, drivers] = [index(|p| p.0), index(|p| p.1)].map(|i| selected(&gallery.parts, &i));
    let directions = match Moves::of(people) {
        Some(moves) => moves.measure(&flat(&gallery.parts), &pairs, &flat(&found))?,
        None => vec![],
    };
    let (cross_person, crossed) = cross(networks, &gallery, people)?;
    let sheet = sheet(networks, &gallery, &pairs, crossed)?;
    let report = PortraitReport {
        subject: networks.describe(),
        people: people.len(),
        pairs: pairs.len(),
        driven: driven.nearness(),
        warped: warped.nearness(),
        still: still.nearness(),
        kept: kept / pairs.len().max(1) as f64,
        same_person: follow(&sources, &drivers, &found),
        cross_person,
        directions,
    };
    Ok((report, sheet))
}

/// The picture of a person that was moved least, else the first.
fn at_rest(person: &Person) -> usize {
    let length = |i: &usize| person.amounts[*i].as_ref().map_or(f64::INFINITY, moved);
    (0..person.pictures.len()).min_by(|a, b| length(a).total_cmp(&length(b))).unwrap_or(0)
}

/// Root mean square distance of keypoints `[N, K, 2]` from their middle: `[N, 1, 1]`.
fn extent(keypoints: &Tensor) -> Tensor {
    let off = keypoints - keypoints.mean_dim([1i64].as_slice(), true, Kind::Float);
    off.square().mean_dim([1i64, 2].as_slice(), true, Kind::Float).sqrt().clamp_min(1e-6)
}

/// Everyone's photo at rest driven by the next person's motion from rest: how the parts follow, and rows for the sheet:
/// photo, driver, driven.
fn cross(
    networks: &mut dyn PortraitNetworks,
    gallery: &Gallery,
    people: &[Person],
) -> Result<(Option<PartsFollow>, Vec<[Tensor; 3]>)> {
    if people.len() < 2 {
        return Ok((None, vec![]));
    }
    let mut progress = Progress::new("others", people.len() as u64);
    let (mut sources, mut wanted, mut found, mut rows) = (vec![], vec![], vec![], vec![]);
    let rest: Vec<usize> = people.iter().zip(&gallery.first).map(|(p, first)| first + at_rest(p)).collect();
    for i in 0..people.len() {
        interrupt::check()?;
        let j = (i + 1) % people.len();
        let others: Vec<usize> = (gallery.first[j]..gallery.first[j + 1]).filter(|&v| v != rest[j]).collect();
        let (photos, source) = gallery.take(&vec![rest[i]; others.len()]);
        let (_, neutral) = gallery.take(&vec![rest[j]; others.len()]);
        let (drivers, driver) = gallery.take(&others);
        let scale = extent(&source.keypoints) / extent(&neutral.keypoints);
        let target = Parts {
            keypoints: &source.keypoints + (driver.keypoints - neutral.keypoints) * scale,
            states: &source.states + (driver.states - neutral.states),
        };
        let done = networks.drive(&photos, &source, &target)?;
        found.push(seen(networks, &done.image)?);
        if rows.len() < COLUMNS {
            rows.push([&photos, &drivers, &done.image].map(|t| t.narrow(0, 0, 1)));
        }
        sources.push(source);
        wanted.push(target);
        progress.advance(1, "");
    }
    progress.finish("");
    Ok((Some(follow(&joined(&sources), &joined(&wanted), &joined(&found))), rows))
}

/// The first pair of each of the first people, and what [`cross`] made.
fn sheet(
    networks: &mut dyn PortraitNetworks,
    gallery: &Gallery,
    pairs: &[(usize, usize)],
    crossed: Vec<[Tensor; 3]>,
) -> Result<Sheet> {
    let firsts = gallery.first.windows(2).take(COLUMNS);
    let shown: Vec<(usize, usize)> =
        firsts.filter_map(|w| pairs.iter().find(|p| p.0 >= w[0] && p.0 < w[1]).copied()).collect();
    let (photos, source) = gallery.take(&shown.iter().map(|p| p.0).collect::<Vec<_>>());
    let (drivers, driver) = gallery.take(&shown.iter().map(|p| p.1).collect::<Vec<_>>());
    let done = networks.drive(&photos, &source, &driver)?;
    let mask = done.mask.expand_as(&photos) * 2.0 - 1.0;
    let mut rows = vec![photos, drivers, done.image, done.warped, mask];
    let columns = shown.len();
    for row in 0..3 {
        if crossed.len() == columns {
            rows.push(Tensor::cat(&crossed.iter().map(|c| &c[row]).collect::<Vec<_>>(), 0));
        }
    }
    Ok(Sheet { images: Tensor::cat(&rows, 0).to_device(Device::Cpu), columns: columns as i64 })
}

#[cfg(test)]
mod tests;
