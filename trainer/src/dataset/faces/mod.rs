//! Faces of people who do not exist, to train on where there is no data set at hand: one for each seed.
//!
//! A seed gives the noise of one face: `r = RandomState(seed); psi = r.uniform(0.5, 1.0); z = r.randn(512);
//! style = mean + psi (map(z) - mean)`, the mean being that of 2,000 styles. Where several pictures of each person are
//! wanted, pose and expression are moved (`variants`) and each person has a folder, named by the seed.

pub mod amounts;
mod judge;
mod layered;
mod network;
mod random;
mod variants;

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc::channel;

use image::RgbImage;
use image::codecs::jpeg::JpegEncoder;

use self::amounts::AMOUNTS;
use super::disk;
use crate::error::{Error, Result};
use crate::support::interrupt;
use crate::support::progress::Progress;
use judge::Judge;
use network::{NOISE, Networks, Painter};
use random::RandomState;
use variants::{Directions, Styles};

/// Seeds below are kept for testing.
pub const FIRST_SEED: u32 = 1300;
/// JPEG quality of the pictures.
const QUALITY: u8 = 88;
/// Styles that the mean is taken over, and the seed of their noise.
const MEAN_OF: usize = 2000;
const MEAN_SEED: u32 = 12_345;
/// About what a picture takes, in bytes.
const BYTES_EACH: u64 = 20_000;

/// How often a broken picture is replaced, and what its moves are multiplied by each time: they end near the plain face.
const TRIES: usize = 4;
const SMALLER: f32 = 0.6;

/// Where the pictures come from, written beside them.
const NOTICE: &str = "Drawn by MobileStyleGAN (PyPI random-face 2021.7.21.1, Apache-2.0), which was distilled from StyleGAN2 \
trained on FFHQ (CC BY-NC-SA 4.0): for research and demonstration. The people do not exist. Each file or folder is named by its \
seed.\n";

/// What to render.
#[derive(Clone, Debug)]
pub struct Faces {
    /// The folder.
    pub out: PathBuf,
    /// Pictures that it shall hold, or people where each has several.
    pub count: usize,
    /// Pictures of each person, differing in pose and expression; 0: one, plain.
    pub variants: usize,
    /// Where to begin, if not after the last one in the folder.
    pub first_seed: Option<u32>,
    /// Whether seeds below [`FIRST_SEED`] may be used.
    pub test_seeds: bool,
    /// Pictures rendered at once, each by one thread.
    pub jobs: usize,
    /// A bundle whose detector must be certain of each variant, or it is replaced by one of smaller moves.
    pub detector: Option<PathBuf>,
}

/// What was rendered: pictures, or people where each has several.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Rendered {
    /// Now.
    pub now: usize,
    /// In all.
    pub held: usize,
    /// Pictures of people that were broken at first.
    pub replaced: usize,
}

/// Renders what is missing.
///
/// # Errors
/// [`Error::Usage`], [`Error::Io`], [`Error::OpenVino`]; [`Error::Interrupted`], after which the same call carries on.
pub fn render(request: &Faces) -> Result<Rendered> {
    let out = &request.out;
    let (present, begun) = if out.exists() { seeds_in(out, request.variants)? } else { Default::default() };
    let todo = todo(&present, &begun, request)?;
    if todo.is_empty() {
        return Ok(Rendered { held: present.len(), ..Rendered::default() });
    }
    let jobs = request.jobs.clamp(1, todo.len());
    let judge = request.detector.as_deref().map(Judge::open).transpose()?;
    let mut networks = Networks::load(jobs)?;
    fs::create_dir_all(out).map_err(Error::io(out))?;
    let pictures = (todo.len() * request.variants.max(1)) as u64;
    disk::check_room(out, BYTES_EACH * pictures, disk::free(out)?, "")?;
    let notice = out.join("SOURCE.txt");
    if !notice.exists() {
        lkg_bundle::files::write_atomically(&notice, NOTICE.as_bytes())?;
    }

    let mean = mean_style(&mut networks.painter()?)?;
    let painters = (0..jobs).map(|_| networks.painter()).collect::<Result<Vec<_>>>()?;
    let directions = Directions::load()?;
    let what = if request.variants > 0 { "people" } else { "faces" };
    let mut progress = Progress::resumed(what, present.len() as u64, (present.len() + todo.len()) as u64);
    let (next, stop) = (AtomicUsize::new(0), AtomicBool::new(false));
    let mut rendered = Rendered { held: present.len(), ..Rendered::default() };
    std::thread::scope(|scope| {
        let (sender, results) = channel();
        for mut painter in painters {
            let (sender, mean, todo, next, stop) = (sender.clone(), &mean, &todo, &next, &stop);
            let (directions, judge) = (&directions, judge.as_ref());
            scope.spawn(move || {
                while interrupt::check().is_ok() && !stop.load(Ordering::Relaxed) {
                    let Some(seed) = todo.get(next.fetch_add(1, Ordering::Relaxed)) else { break };
                    // The receiver is gone after an error.
                    let done = match request.variants {
                        0 => face(&mut painter, mean, *seed, out).map(|()| 0),
                        count => person(&mut painter, mean, (directions, judge), *seed, count, out),
                    };
                    if sender.send(done).is_err() {
                        break;
                    }
                }
            });
        }
        drop(sender);
        for result in results {
            rendered.replaced += result.inspect_err(|_| stop.store(true, Ordering::Relaxed))?;
            rendered.now += 1;
            rendered.held += 1;
            progress.advance(1, "");
        }
        Ok::<(), Error>(())
    })?;
    progress.finish("");
    interrupt::check()?;
    Ok(rendered)
}

/// The seeds to render: those `begun`, then those that follow the ones `present`.
fn todo(present: &BTreeSet<u32>, begun: &BTreeSet<u32>, request: &Faces) -> Result<Vec<u32>> {
    let after_last = present.last().map_or(FIRST_SEED, |last| last.saturating_add(1));
    let first = request.first_seed.unwrap_or(after_last.max(FIRST_SEED));
    if first < FIRST_SEED && !request.test_seeds {
        return Err(Error::Usage(format!(
            "seeds under {FIRST_SEED} are kept for testing: begin at {FIRST_SEED} or later, or add --test-seeds to render a test set"
        )));
    }
    let missing = request.count.saturating_sub(present.len());
    let following = (first..=u32::MAX).filter(|s| !present.contains(s) && !begun.contains(s));
    let seeds: Vec<u32> = begun.iter().copied().chain(following).take(missing).collect();
    if seeds.len() < missing {
        return Err(Error::Usage(format!(
            "there are no {missing} seeds from {first} on: begin at a lower one"
        )));
    }
    Ok(seeds)
}

/// The seeds that the names of the pictures in `folder` are, or those of complete people and of people begun.
///
/// # Errors
/// [`Error::Usage`] if the folder holds the other kind, or people with another number of pictures.
fn seeds_in(folder: &Path, variants: usize) -> Result<(BTreeSet<u32>, BTreeSet<u32>)> {
    let (mut seeds, mut begun) = (BTreeSet::new(), BTreeSet::new());
    for file in fs::read_dir(folder).map_err(Error::io(folder))? {
        let path = file.map_err(Error::io(folder))?.path();
        let Some(name) = path.file_name().and_then(|n| n.to_str()) else { continue };
        let single = name.strip_suffix(".jpg");
        let Ok(seed) = single.unwrap_or(name).parse() else { continue };
        let pictures = match fs::read(path.join(AMOUNTS)) {
            _ if single.is_some() => 0,
            Ok(text) => serde_json::from_slice::<Vec<serde_json::Value>>(&text).map_or(0, |all| all.len()),
            Err(_) if path.is_dir() => {
                begun.insert(seed);
                continue;
            }
            Err(_) => continue,
        };
        if pictures != variants {
            let has = if pictures == 0 {
                "single faces".into()
            } else {
                format!("people of {pictures} pictures each")
            };
            let out = folder.display();
            return Err(Error::Usage(format!(
                "{out} holds {has}: name another folder, or as many --variants as before"
            )));
        }
        seeds.insert(seed);
    }
    Ok((seeds, begun))
}

/// The style of a seed's plain face.
fn style(painter: &mut Painter, mean: &[f32], seed: u32) -> Result<Vec<f32>> {
    let (psi, noise) = noise(seed);
    let mut style = painter.style(&noise)?;
    for (s, m) in style.iter_mut().zip(mean) {
        *s = m + psi * (*s - m);
    }
    Ok(style)
}

fn face(painter: &mut Painter, mean: &[f32], seed: u32, out: &Path) -> Result<()> {
    let style = style(painter, mean, seed)?;
    save(&painter.paint(&Styles::same(&style))?, &out.join(format!("{seed:06}.jpg")))
}

/// Draws the pictures of a person. Returns how many were broken at first.
fn person(
    painter: &mut Painter,
    mean: &[f32],
    (directions, judge): (&Directions, Option<&Judge>),
    seed: u32,
    count: usize,
    out: &Path,
) -> Result<usize> {
    let folder = out.join(format!("{seed:06}"));
    fs::create_dir_all(&folder).map_err(Error::io(&folder))?;
    let style = style(painter, mean, seed)?;
    let mut all = directions.draw(seed, count);
    let mut replaced = 0;
    for (i, amounts) in all.iter_mut().enumerate() {
        interrupt::check()?;
        directions.limit(amounts, &style, mean);
        let mut picture = painter.paint(&directions.styles(&style, mean, amounts))?;
        for tried in 0..TRIES {
            if judge.map_or(Ok(true), |judge| judge.accepts(&picture))? {
                break;
            }
            replaced += usize::from(tried == 0);
            amounts.values_mut().for_each(|amount| *amount *= SMALLER);
            picture = painter.paint(&directions.styles(&style, mean, amounts))?;
        }
        save(&picture, &folder.join(format!("{i}.jpg")))?;
    }
    let path = folder.join(AMOUNTS);
    let text =
        serde_json::to_vec(&all).map_err(|e| Error::Data { path: path.clone(), reason: e.to_string() })?;
    lkg_bundle::files::write_atomically(&path, &text)?;
    Ok(replaced)
}

fn save(picture: &RgbImage, path: &Path) -> Result<()> {
    let mut jpeg = Vec::new();
    picture
        .write_with_encoder(JpegEncoder::new_with_quality(&mut jpeg, QUALITY))
        .map_err(|e| Error::Data { path: path.to_owned(), reason: e.to_string() })?;
    Ok(lkg_bundle::files::write_atomically(path, &jpeg)?)
}

/// How far from the mean a seed's style lies, and its noise.
fn noise(seed: u32) -> (f32, Vec<f32>) {
    let mut random = RandomState::new(seed);
    let psi = random.uniform(0.5, 1.0) as f32;
    (psi, (0..NOISE).map(|_| random.normal() as f32).collect())
}

fn mean_style(painter: &mut Painter) -> Result<Vec<f32>> {
    let mut random = RandomState::new(MEAN_SEED);
    let mut progress = Progress::new("mean style", MEAN_OF as u64);
    let mut sum = vec![0f64; NOISE];
    for _ in 0..MEAN_OF {
        interrupt::check()?;
        let noise: Vec<f32> = (0..NOISE).map(|_| random.normal() as f32).collect();
        for (s, v) in sum.iter_mut().zip(painter.style(&noise)?) {
            *s += f64::from(v);
        }
        progress.advance(1, "");
    }
    progress.finish("");
    Ok(sum.into_iter().map(|s| (s / MEAN_OF as f64) as f32).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(count: usize, first_seed: Option<u32>) -> Faces {
        Faces {
            out: "faces".into(),
            count,
            variants: 0,
            first_seed,
            test_seeds: false,
            jobs: 1,
            detector: None,
        }
    }

    fn counts(rendered: Result<Rendered>) -> (usize, usize) {
        let Rendered { now, held, .. } = rendered.unwrap();
        (now, held)
    }

    #[test]
    fn rendering_carries_on_where_the_folder_ends() {
        let none = BTreeSet::new();
        assert_eq!(todo(&none, &none, &request(3, None)).unwrap(), [1300, 1301, 1302]);
        let some = BTreeSet::from([1300, 1301, 1303]);
        assert_eq!(todo(&some, &none, &request(5, None)).unwrap(), [1304, 1305]);
        assert_eq!(todo(&some, &none, &request(5, Some(1300))).unwrap(), [1302, 1304]);
        assert!(todo(&some, &none, &request(3, None)).unwrap().is_empty());
        assert_eq!(todo(&BTreeSet::from([5]), &none, &request(2, None)).unwrap(), [1300]);
        // A person whose drawing was interrupted comes first, though a later one is complete.
        assert_eq!(todo(&some, &BTreeSet::from([1302]), &request(5, None)).unwrap(), [1302, 1304]);
        assert!(todo(&some, &none, &request(9, Some(u32::MAX))).is_err());
    }

    #[test]
    fn seeds_of_the_test_sets_are_refused() {
        let mut request = request(1, Some(1299));
        let error = todo(&BTreeSet::new(), &BTreeSet::new(), &request).unwrap_err().to_string();
        assert!(error.contains("seeds under 1300 are kept for testing"), "{error}");
        request.test_seeds = true;
        assert_eq!(todo(&BTreeSet::new(), &BTreeSet::new(), &request).unwrap(), [1299]);
    }

    /// The mean colours of 4 x 4 parts of the face of seed 1300, as NumPy and OpenVINO's Python made it.
    #[rustfmt::skip]
    const FACE_1300: [[u8; 3]; 16] = [
        [13, 84, 191], [89, 97, 134], [113, 106, 124], [24, 81, 172], [25, 78, 164], [174, 126, 108], [199, 149, 127], [63, 74, 113], [37, 69, 132], [186, 124, 103], [198, 135, 113], [133, 99, 101], [44, 66, 120], [142, 91, 75], [189, 125, 99], [77, 50, 45]
    ];

    #[test]
    fn a_seed_is_the_face_that_python_draws() {
        let dir = tempfile::tempdir().unwrap();
        let out = dir.path().join("faces");
        let request = Faces { out: out.clone(), ..request(2, None) };
        match render(&request) {
            Err(missing @ Error::NotFetched { .. }) => {
                eprintln!("skipped: {missing}");
                return;
            }
            rendered => assert_eq!(counts(rendered), (2, 2)),
        }
        let picture = image::open(out.join("001300.jpg")).unwrap().into_rgb8();
        assert_eq!(picture.dimensions(), (256, 256));
        for (i, want) in (0..).zip(FACE_1300) {
            let (x, y) = (i % 4 * 64, i / 4 * 64);
            let part = image::imageops::crop_imm(&picture, x, y, 64, 64).to_image();
            for c in 0..3 {
                let mean = part.pixels().map(|p| f64::from(p[c])).sum::<f64>() / 4096.0;
                assert!((mean - f64::from(want[c])).abs() < 2.0, "part {i}, channel {c}: {mean}, {want:?}");
            }
        }
        // What is there is kept, and more is added to it.
        let first = fs::read(out.join("001301.jpg")).unwrap();
        assert_eq!(counts(render(&Faces { count: 3, ..request })), (1, 3));
        assert_eq!(fs::read(out.join("001301.jpg")).unwrap(), first);
        assert!(out.join("001302.jpg").exists() && out.join("SOURCE.txt").exists());
    }

    #[test]
    fn people_are_drawn_each_in_a_folder_and_carried_on_with() {
        let dir = tempfile::tempdir().unwrap();
        let out = dir.path().join("people");
        let request = Faces { out: out.clone(), variants: 2, ..request(1, Some(1400)) };
        match render(&request) {
            Err(missing @ Error::NotFetched { .. }) => {
                eprintln!("skipped: {missing}");
                return;
            }
            rendered => assert_eq!(counts(rendered), (1, 1)),
        }
        let picture = |path: &str| image::open(out.join(path)).unwrap().into_rgb8();
        let difference = |a: &image::RgbImage, b: &image::RgbImage| {
            a.as_raw().iter().zip(b.as_raw()).map(|(a, b)| f64::from(a.abs_diff(*b))).sum::<f64>()
                / a.as_raw().len() as f64
        };
        let (first, second) = (picture("001400/0.jpg"), picture("001400/1.jpg"));
        assert!(difference(&first, &second) > 5.0);
        // Interrupted within the second person: that one is drawn anew, the first is kept.
        fs::create_dir_all(out.join("001401")).unwrap();
        fs::write(out.join("001401/0.jpg"), "half").unwrap();
        let kept = fs::metadata(out.join("001400/0.jpg")).unwrap().modified().unwrap();
        assert_eq!(counts(render(&Faces { count: 2, ..request.clone() })), (1, 2));
        assert_eq!(picture("001401/0.jpg").dimensions(), (256, 256));
        assert_eq!(fs::metadata(out.join("001400/0.jpg")).unwrap().modified().unwrap(), kept);
        // Another number of pictures, or single faces, do not go into the same folder.
        for variants in [0, 3] {
            let error = render(&Faces { count: 3, variants, ..request.clone() }).unwrap_err().to_string();
            assert!(error.contains("people of 2 pictures each"), "{error}");
        }
    }
}
