//! `runtime detect`: keypoints of pictures.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::{Path, PathBuf};

use lkg_bundle::manifest::Expression;
use lkg_bundle::pictures;
use lkg_bundle::{Bundle, Manifest};
use rayon::prelude::*;

use super::args::{Common, DetectArgs};
use super::output::Output;
use super::progress::Progress;
use super::{REPORTED, detect_clip, open_bundle, remark, report};
use crate::error::{Error, Result};
use crate::frame::DetectedFace;
use crate::interrupt;
use crate::media::detections::{DetectionWriter, Found};
use crate::media::picture::{self, Alpha, ReadPicture};
use crate::media::pictures::list;
use crate::vision::detect::FaceDetector;
use crate::vision::overlay::draw_faces;
use crate::vision::track::LIVE_CONFIDENCE;

/// Pixels that may be decoded at once, so that memory stays bounded whatever the pictures (one always may).
const PIXELS_AT_ONCE: u64 = 16_000_000;

/// What the command does.
enum Task {
    /// Keypoints of every frame of a clip.
    Clip(PathBuf),
    /// Keypoints of pictures.
    Pictures(Vec<Job>),
}

impl Task {
    /// What can be refused before anything is opened, is.
    fn resolve(args: &DetectArgs) -> Result<Self> {
        match detect_clip::named(args)? {
            Some(clip) => Ok(Self::Clip(clip.to_owned())),
            None => plan(args).map(Self::Pictures),
        }
    }
}

/// A picture and where to put the annotated copy.
struct Job {
    source: PathBuf,
    target: Option<PathBuf>,
}

/// Runs the command; returns the exit code.
pub fn run(common: &Common, args: &DetectArgs) -> Result<u8> {
    match Task::resolve(args)? {
        Task::Clip(clip) => detect_clip::run(common, args, &clip),
        Task::Pictures(jobs) => run_pictures(common, args, &jobs),
    }
}

fn run_pictures(common: &Common, args: &DetectArgs, jobs: &[Job]) -> Result<u8> {
    let bundle = open_bundle(common)?;
    let mut detector = detector(common, args, &bundle)?;
    let least = args.min_confidence.unwrap_or(LIVE_CONFIDENCE);
    let mut writer = args.format().map(|format| DetectionWriter::new(format, bundle.manifest()));
    if let Some(out) = &args.out {
        std::fs::create_dir_all(out)
            .map_err(|e| Error::Usage(format!("{}: cannot make the folder: {e}", out.display())))?;
    }
    let mut output = Output::new();
    let mut progress = Progress::new(jobs.len());
    let mut code = 0;
    for chunk in chunks(jobs) {
        interrupt::check()?;
        let pictures: Vec<Result<ReadPicture>> = match chunk {
            [job] => vec![picture::read_whole(&job.source)],
            _ => chunk.par_iter().map(|job| picture::read_whole(&job.source)).collect(),
        };
        let mut annotated = Vec::new();
        for (job, picture) in chunk.iter().zip(pictures) {
            interrupt::check()?;
            progress.step();
            let ReadPicture { pixels: mut picture, mut original, notes } = match picture {
                Ok(read) => read,
                Err(e) => {
                    progress.clear();
                    report(&e);
                    code = REPORTED;
                    continue;
                }
            };
            let faces = detector.faces(&picture, least)?;
            progress.clear();
            notes.iter().for_each(|note| remark(&format!("{}: {note}", job.source.display())));
            let (file, size) = (job.source.to_string_lossy(), picture.dimensions());
            match &mut writer {
                Some(writer) => {
                    let found =
                        Found { file: &file, size, faces: faces.as_slice().into(), ..Found::default() };
                    output.made(writer.add(&found))?;
                }
                None => write_faces(&mut output, &file, size, &faces, bundle.manifest())?,
            }
            if let Some(target) = &job.target {
                draw_faces(&mut picture, &faces, bundle.manifest(), !args.no_names);
                if !faces.is_empty() {
                    original = original.in_colour();
                }
                annotated.push((target, picture, original));
            }
        }
        output.flush()?;
        let written: Vec<Result<()>> = annotated
            .into_par_iter()
            .map(|(target, picture, original)| {
                picture::write_like(target, &picture, &Alpha::Covered, &original, None)
            })
            .collect();
        for error in written.into_iter().filter_map(Result::err) {
            progress.clear();
            report(&error);
            code = REPORTED;
        }
    }
    if let Some(writer) = &mut writer {
        output.made(writer.finish())?;
    }
    if let Some(out) = &args.out {
        output_note(&mut output, args, out)?;
    }
    output.flush()?;
    Ok(code)
}

/// Says where the annotated copies are, to people.
fn output_note(output: &mut Output, args: &DetectArgs, out: &Path) -> Result<()> {
    match args.format() {
        Some(_) => Ok(()),
        None => output.line(&format!("wrote pictures: {}", out.display())),
    }
}

fn detector(common: &Common, args: &DetectArgs, bundle: &Bundle) -> Result<FaceDetector> {
    let new = if args.once { FaceDetector::once } else { FaceDetector::new };
    let detector = new(bundle, &common.engine())?;
    if common.verbose {
        remark(&format!("detector: {}", detector.summary()));
    }
    Ok(detector)
}

/// The pictures in the order given, folders expanded, with every target checked before any work is done.
fn plan(args: &DetectArgs) -> Result<Vec<Job>> {
    let mut sources = Vec::new();
    for input in &args.inputs {
        if input.is_dir() {
            sources.extend(pictures_in(input)?);
        } else {
            sources.push(input.clone());
        }
    }
    let Some(out) = &args.out else {
        return Ok(sources.into_iter().map(|source| Job { source, target: None }).collect());
    };
    if out.exists() && !out.is_dir() {
        return Err(Error::Usage(format!("{}: --out names a file, not a folder", out.display())));
    }
    let mut names: BTreeMap<OsString, PathBuf> = BTreeMap::new();
    let mut jobs = Vec::new();
    for source in sources {
        let name = match source.file_name() {
            // A picture may lie under any name, its copy needs one that tells its kind.
            Some(name) if picture::has_written_name(Path::new(name)) => name.to_owned(),
            Some(name) if picture::has_picture_name(Path::new(name)) => {
                Path::new(name).with_extension("png").into_os_string()
            }
            name => {
                let mut name = name.unwrap_or_default().to_owned();
                name.push(".png");
                name
            }
        };
        let target = out.join(&name);
        if let Some(other) = names.insert(name, source.clone()) {
            return Err(Error::Usage(format!(
                "{} and {} would both be written to {}",
                other.display(),
                source.display(),
                target.display()
            )));
        }
        if out.is_dir() {
            picture::check_target(&target, args.force)?;
            if let (Ok(a), Ok(b)) = (target.canonicalize(), source.canonicalize())
                && a == b
            {
                return Err(Error::Usage(format!(
                    "{}: --out would overwrite the picture itself; name another folder",
                    source.display()
                )));
            }
        }
        jobs.push(Job { source, target: Some(target) });
    }
    Ok(jobs)
}

/// The pictures of a folder, sorted by name.
fn pictures_in(dir: &Path) -> Result<Vec<PathBuf>> {
    let refused = |e: std::io::Error| Error::Usage(format!("{}: {e}", dir.display()));
    let (mut found, others) = list(dir).map_err(refused)?;
    match others.first() {
        // Reading it says what to do.
        Some(path) if found.is_empty() => {
            return Err(picture::read_picture(path).err().unwrap_or_else(|| {
                Error::Usage(format!("{}: not a picture that can be read", path.display()))
            }));
        }
        Some(path) => remark(&format!(
            "{}: {} of other kinds passed over, as {}; {} can be read",
            dir.display(),
            others.len(),
            path.file_name().unwrap_or_default().display(),
            pictures::READ_KINDS
        )),
        None => {}
    }
    if found.is_empty() {
        return Err(Error::Usage(format!(
            "{}: no pictures (.jpg, .jpeg, .png, .webp) in this folder",
            dir.display()
        )));
    }
    found.sort();
    Ok(found)
}

/// Runs of jobs that may be decoded at once.
fn chunks(jobs: &[Job]) -> impl Iterator<Item = &[Job]> {
    let most = 4 * rayon_threads();
    let mut rest = jobs;
    std::iter::from_fn(move || {
        if rest.is_empty() {
            return None;
        }
        let mut pixels = 0;
        let mut length = 0;
        // The header of a single picture need not be read.
        while length < rest.len().min(most) && rest.len() > 1 {
            pixels +=
                image::image_dimensions(&rest[length].source).map_or(0, |(w, h)| u64::from(w) * u64::from(h));
            if length > 0 && pixels > PIXELS_AT_ONCE {
                break;
            }
            length += 1;
        }
        let (chunk, tail) = rest.split_at(length.max(1));
        rest = tail;
        Some(chunk)
    })
}

/// Threads of the pool, without starting it.
fn rayon_threads() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}

/// Writes the faces of a picture for people.
fn write_faces(
    output: &mut Output,
    file: &str,
    (width, height): (u32, u32),
    faces: &[DetectedFace],
    manifest: &Manifest,
) -> Result<()> {
    if faces.is_empty() {
        return output.line(&format!("{file} ({width} x {height}): no face"));
    }
    for face in faces {
        let which = if faces.len() > 1 { format!("face {}, ", face.id) } else { String::new() };
        output
            .line(&format!("{file} ({width} x {height}): {which}mean confidence {:.2}", face.confidence()))?;
        write_face(output, face, manifest)?;
    }
    Ok(())
}

fn write_face(output: &mut Output, face: &DetectedFace, manifest: &Manifest) -> Result<()> {
    let longest = manifest.keypoints.iter().map(|k| k.name.chars().count()).max().unwrap_or(0);
    for (point, keypoint) in face.keypoints.iter().zip(&manifest.keypoints) {
        let name = &keypoint.name;
        output.line(&format!(
            "  {name:longest$}  x {:8.1}  y {:8.1}  confidence {:.2}",
            point.x, point.y, point.confidence
        ))?;
    }
    let longest = manifest.expressions.iter().map(|e| e.name.chars().count()).max().unwrap_or(0);
    for (value, Expression { name, range: [least, most], .. }) in
        face.expressions.iter().zip(&manifest.expressions)
    {
        output.line(&format!("  {name:longest$}  {value:5.2} of {least} to {most}"))?;
    }
    Ok(())
}
