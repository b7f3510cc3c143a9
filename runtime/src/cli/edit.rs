//! `runtime edit`: a face changed part by part, in its photo.

use std::path::{Path, PathBuf};

use lkg_bundle::files::read_at_most;

use super::args::Common;
use super::edit_args::EditArgs;
use super::output::Output;
use super::{clip, edit_page, edit_window, open_bundle, remark, serve};
use crate::edit::{
    Compositor, Donors, FaceModel, OpenedPhoto, Operation, SessionFile, Workspace, draw_sheet, window_editor,
};
use crate::error::{Error, Result};
use crate::interrupt;
use crate::media::output::check_target;
use crate::media::picture::{self, write_marked};
use crate::media::sink::{OutputOptions, open_output};
use crate::media::window::Display;

/// Largest file of edits that is read, in bytes.
const MAX_EDITS: u64 = 16 << 20;

/// Runs the command; returns the exit code.
pub fn run(common: &Common, args: &EditArgs) -> Result<u8> {
    let writes = args.out.is_some() || args.sheet.is_some() || args.save.is_some();
    let page = serve::page_access(&args.page)?;
    if page.is_some() && writes {
        return Err(Error::Usage(
            "--serve shows a page that saves by itself; leave out --out, --sheet and --save".to_owned(),
        ));
    }
    if !writes && page.is_none() {
        Display::available().map_err(|e| {
            Error::Usage(format!(
                "{e}; without a window there is nothing to do: add --serve for a page, or name --out FILE, --sheet FILE.png or \
                 --save FACE.json"
            ))
        })?;
    }
    check(args)?;
    let edits = edits(args)?;
    let mut studio = FaceModel::new(open_bundle(common)?, common.engine());
    studio.anyway = args.anyway;
    let mut opened = studio.open(&args.face)?;
    opened.notes.drain(..).for_each(|note| remark(&note));
    let done = apply(&mut studio, &mut opened, &edits)?;
    if !writes {
        let tile = if page.is_some() { edit_page::TILE } else { window_editor::DONOR };
        let bench = Workspace::new(studio, opened, args.blend, &args.donors, tile)?;
        match page {
            Some(access) => edit_page::run(bench, &access, args.mark)?,
            None => edit_window::run(bench, args.mark)?,
        }
        return Ok(0);
    }
    if let Some(to) = &args.to {
        let out = args.out.as_deref().unwrap_or(Path::new("clip.avi"));
        return interpolate(&mut studio, &opened, to, args, out);
    }
    let mut composer = Compositor::new(&mut studio, &opened.session, opened.photo.as_ref(), args.blend)?;
    let mut picture = composer.compose(&mut studio, opened.session.face())?;
    if common.verbose {
        remark(&format!("generator: {}", studio.summary()));
    }
    let mut output = Output::new();
    output.line(&format!("{}: {done} edit{}", opened.source, if done == 1 { "" } else { "s" }))?;
    args.mark.stamp(composer.origin(), &mut picture);
    let origin = args.mark.origin(composer.origin());
    if let Some(out) = &args.out {
        write_marked(out, &picture, origin)?;
        output.line(&format!("wrote picture: {}", out.display()))?;
    }
    if let Some(sheet) = &args.sheet {
        write_marked(sheet, &draw_sheet(&mut studio, &opened, &mut composer)?, origin)?;
        output.line(&format!("wrote sheet: {}", sheet.display()))?;
    }
    if let Some(save) = &args.save {
        studio.to_file(&opened).write(save, args.force)?;
        output.line(&format!("wrote face: {}", save.display()))?;
    }
    output.flush()?;
    Ok(0)
}

/// What can be refused before anything is opened.
fn check(args: &EditArgs) -> Result<()> {
    if let Some(out) = &args.out
        && args.to.is_none()
    {
        picture::check_target(out, args.force)?;
    }
    if let Some(sheet) = &args.sheet {
        if args.to.is_some() {
            return Err(Error::Usage("--sheet shows one picture; leave it out with --to".to_owned()));
        }
        picture::check_target(sheet, args.force)?;
    }
    if let Some(save) = &args.save {
        if !SessionFile::has_name(save) {
            return Err(Error::Usage("--save writes a FACE.json".to_owned()));
        }
        check_target(save, args.force)?;
    }
    let named: Vec<&PathBuf> =
        [&args.out, &args.sheet, &args.save, &args.edits].into_iter().flatten().collect();
    let source = PathBuf::from(&args.face);
    for (i, path) in named.iter().enumerate() {
        if named[i + 1..].contains(path) || *path == &source {
            return Err(Error::Usage(format!("{}: named twice", path.display())));
        }
    }
    Ok(())
}

/// Edits with the place that an error names them by.
fn edits(args: &EditArgs) -> Result<Vec<(String, Operation)>> {
    let mut all = Vec::new();
    if let Some(path) = &args.edits {
        let refuse = |what: String| Error::Usage(format!("{}: {what}", path.display()));
        // It may be a pipe.
        if !path.exists() {
            return Err(refuse("no such file".to_owned()));
        }
        let content = read_at_most(path, MAX_EDITS)?;
        let list: Vec<serde_json::Value> =
            serde_json::from_slice(&content).map_err(|e| refuse(format!("not a JSON list of edits: {e}")))?;
        for (i, value) in list.into_iter().enumerate() {
            let edit = serde_json::from_value(value).map_err(|e| refuse(format!("edits[{i}]: {e}")))?;
            all.push((format!("{}: edits[{i}].", path.display()), edit));
        }
    }
    let flags = [("--move", &args.moves), ("--swap", &args.swap)];
    for (flag, operations) in flags {
        all.extend(operations.iter().map(|o| (format!("{flag}: "), o.clone())));
    }
    for (flag, operation) in [("--pose", &args.pose), ("--background", &args.background)] {
        all.extend(operation.iter().map(|o| (format!("{flag}: "), o.clone())));
    }
    Ok(all)
}

/// Does the edits; gives back how many changed something.
fn apply(studio: &mut FaceModel, opened: &mut OpenedPhoto, edits: &[(String, Operation)]) -> Result<usize> {
    let manifest = studio.manifest().clone();
    let mut donors = Donors::new(|name| {
        let donor = studio.open(name)?;
        donor.notes.iter().for_each(|note| remark(note));
        Ok(donor.session.face().clone())
    });
    let mut done = 0;
    for (place, edit) in edits {
        interrupt::check()?;
        let changed = opened.session.apply(edit, &manifest, &mut donors).map_err(|fault| fault.at(place))?;
        done += usize::from(changed);
    }
    Ok(done)
}

/// Writes the way from the edited face to another as a clip.
fn interpolate(
    studio: &mut FaceModel,
    opened: &OpenedPhoto,
    to: &str,
    args: &EditArgs,
    out: &Path,
) -> Result<u8> {
    let options = OutputOptions { force: args.force, fps: Some(args.fps) };
    let sink = open_output(&out.to_string_lossy().parse()?, options)?;
    let other = studio.open(to)?;
    other.notes.iter().for_each(|note| remark(note));
    let (from, to) = (opened.session.face(), other.session.face());
    let mut composer = Compositor::new(studio, &opened.session, opened.photo.as_ref(), args.blend)?;
    let mark = (args.mark, composer.origin());
    let written = clip::write(sink, args.frames, f64::from(args.fps), mark, |i| {
        composer.compose(studio, &from.towards(to, i as f32 / (args.frames - 1) as f32))
    })?;
    let mut output = Output::new();
    for written in written {
        output.line(&format!("wrote {}: {}", written.what, written.path.display()))?;
    }
    if let Some(save) = &args.save {
        studio.to_file(opened).write(save, args.force)?;
        output.line(&format!("wrote face: {}", save.display()))?;
    }
    output.flush()?;
    Ok(0)
}
