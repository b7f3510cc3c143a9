//! `runtime edit`: a face changed part by part, in its photo.

mod args;
pub(in crate::cli) mod page;
mod window;

use std::path::{Path, PathBuf};

pub use self::args::{EditArgs, MarkArgs};
pub(super) use self::args::{is_photo, parse_part};
use super::args::Common;
use super::output::Output;
use super::paths::{are_same, replaces};
use super::pipe::read_patiently;
use super::{clip, open_bundle, remark, serve};
use crate::edit::{
    Blend, Compositor, Donors, FaceModel, OpenedPhoto, Operation, SessionFile, Workspace, draw_sheet,
    window_editor,
};
use crate::error::{Error, Result};
use crate::interrupt;
use crate::media::SinkSpec;
use crate::media::output::check_target;
use crate::media::picture::{self, write_like, write_marked};
use crate::media::sink::{OutputOptions, Written, open_output};
use crate::media::window::Display;
use crate::serve::Access;
use crate::vision::choice::FaceChoice;

/// Largest file of edits that is read, in bytes.
const MAX_EDITS: u64 = 16 << 20;

/// What the command does.
struct Config {
    /// The face that is edited; none is a photo that is sent to the page.
    face: Option<String>,
    /// What is done to it, each with the place that an error names it by.
    edits: Vec<(String, Operation)>,
    blend: Blend,
    /// Whether a photo's own pixels are carried where the bundle can.
    carry: bool,
    /// Whether a face that is not certain will do.
    anyway: bool,
    /// Which face of a photo is meant.
    choice: FaceChoice,
    mark: MarkArgs,
    task: Task,
}

/// What becomes of the edited face.
enum Task {
    /// It is edited on in a window, with these faces first on the strip.
    Window { donors: Vec<String> },
    /// It is edited on a page.
    Page { donors: Vec<String>, access: Access },
    /// It is written.
    Picture { out: Option<PathBuf>, sheet: Option<PathBuf>, save: Option<Save> },
    /// The way to another face is written.
    Clip { to: String, out: SinkSpec, options: OutputOptions, frames: u32, fps: f32, save: Option<Save> },
}

/// The file that the face is saved to.
struct Save {
    path: PathBuf,
    force: bool,
}

impl Save {
    fn write(&self, model: &FaceModel, opened: &OpenedPhoto) -> Result<String> {
        model.to_file(opened).write(&self.path, self.force)?;
        Ok(format!("wrote face: {}", self.path.display()))
    }
}

impl Config {
    /// What can be refused before anything is opened, is.
    fn resolve(args: &EditArgs) -> Result<Self> {
        let task = task(args)?;
        let edits = edits(args)?;
        check_names(args, &task, &edits)?;
        match &args.face {
            Some(face) if args.choice != FaceChoice::Largest && !is_photo(face) => {
                return Err(Error::Usage(format!(
                    "--face chooses among the faces of a photo, {face} is none"
                )));
            }
            None if args.choice != FaceChoice::Largest || !edits.is_empty() => {
                return Err(Error::Usage(
                    "--face and edits are of a photo that is named: name it, or leave them out and send the page one"
                        .to_owned(),
                ));
            }
            _ => {}
        }
        Ok(Self {
            face: args.face.clone(),
            edits,
            blend: args.blend.unwrap_or_default(),
            carry: args.blend.is_none(),
            anyway: args.anyway,
            choice: args.choice,
            mark: args.mark,
            task,
        })
    }
}

fn task(args: &EditArgs) -> Result<Task> {
    let refuse = |text: &str| Err(Error::Usage(text.to_owned()));
    let writes = args.out.is_some() || args.sheet.is_some() || args.save.is_some();
    let donors = args.donors.clone();
    if let Some(access) = serve::page_access(&args.page)? {
        if writes {
            return refuse("--serve shows a page that saves by itself; leave out --out, --sheet and --save");
        }
        return Ok(Task::Page { donors, access });
    }
    if !writes {
        Display::available().map_err(|e| {
            Error::Usage(format!(
                "{e}; without a window there is nothing to do: add --serve for a page, or name --out FILE, --sheet \
                 FILE.png or --save FACE.json"
            ))
        })?;
        return Ok(Task::Window { donors });
    }
    let save = args.save.clone().map(|path| Save { path, force: args.force });
    if let Some(Save { path, force }) = &save {
        if !SessionFile::has_name(path) {
            return refuse("--save writes a FACE.json");
        }
        check_target(path, *force)?;
    }
    if let (Some(to), Some(out)) = (&args.to, &args.out) {
        if args.sheet.is_some() {
            return refuse("--sheet shows one picture; leave it out with --to");
        }
        let out = out.to_string_lossy().parse()?;
        let options = OutputOptions { force: args.force, fps: Some(args.fps), ..OutputOptions::default() };
        return Ok(Task::Clip { to: to.clone(), out, options, frames: args.frames, fps: args.fps, save });
    }
    for path in [&args.out, &args.sheet].into_iter().flatten() {
        picture::check_target(path, args.force)?;
    }
    Ok(Task::Picture { out: args.out.clone(), sheet: args.sheet.clone(), save })
}

/// Refuses a file that is named for two things, or would take the place of one that is read.
fn check_names(args: &EditArgs, task: &Task, edits: &[(String, Operation)]) -> Result<()> {
    let named: Vec<&PathBuf> =
        [&args.out, &args.sheet, &args.save, &args.edits].into_iter().flatten().collect();
    let donors = edits.iter().filter_map(|(_, edit)| edit.donor()).chain(args.to.as_deref());
    let faces = args.face.as_deref().into_iter().chain(donors).filter(|name| !name.starts_with("seed:"));
    let read: Vec<&Path> = faces.map(Path::new).collect();
    let refuse = |path: &Path, what: &str| Err(Error::Usage(format!("{}: {what}", path.display())));
    for (i, path) in named.iter().enumerate() {
        if named[i + 1..].iter().any(|other| are_same(path, other)) {
            return refuse(path, "named twice");
        }
        if read.iter().any(|input| are_same(path, input)) {
            return refuse(path, "both read and written; name another file");
        }
    }
    match (task, &args.out) {
        (Task::Clip { out, .. }, Some(path)) if read.iter().any(|input| replaces(out, input)) => {
            refuse(path, "both read and written; name another file")
        }
        _ => Ok(()),
    }
}

/// Edits with the place that an error names them by.
fn edits(args: &EditArgs) -> Result<Vec<(String, Operation)>> {
    let mut all = Vec::new();
    if let Some(path) = &args.edits {
        let refuse = |what: String| Error::Usage(format!("{}: {what}", path.display()));
        if !path.exists() {
            return Err(refuse("no such file".to_owned()));
        }
        // It may be a pipe, as a shell makes of <(...).
        let content = read_patiently(path, MAX_EDITS).map_err(|e| match e {
            Error::Io { source, .. } => refuse(source.to_string()),
            other => other,
        })?;
        let list: Vec<serde_json::Value> =
            serde_json::from_slice(&content).map_err(|e| refuse(format!("not a JSON list of edits: {e}")))?;
        for (i, value) in list.into_iter().enumerate() {
            let edit = Operation::from_json(value, &format!("edits[{i}]")).map_err(refuse)?;
            all.push((format!("{}: edits[{i}].", path.display()), edit));
        }
    }
    let mut last = Vec::new();
    let flags = [("--move", &args.moves), ("--swap", &args.swap)];
    for (flag, operations) in flags {
        all.extend(operations.iter().map(|o| (format!("{flag}: "), o.clone())));
    }
    if !args.expressions.is_empty() {
        let set = args.expressions.iter().cloned().collect();
        last.push(("--expression: ".to_owned(), Operation::Expression { set }));
    }
    for (flag, operation) in [("--pose", &args.pose), ("--take-expression", &args.take_expression)] {
        all.extend(operation.iter().map(|o| (format!("{flag}: "), o.clone())));
    }
    all.extend(last);
    all.extend(args.background.iter().map(|o| ("--background: ".to_owned(), o.clone())));
    Ok(all)
}

/// Runs the command; returns the exit code.
pub fn run(common: &Common, args: &EditArgs) -> Result<u8> {
    let config = Config::resolve(args)?;
    let bundle = open_bundle(common)?;
    let (anyway, carry, engine) = (config.anyway, config.carry, common.engine());
    let make = {
        let bundle = bundle.clone();
        move || {
            let mut model = FaceModel::new(bundle.clone(), engine.clone());
            (model.anyway, model.carry) = (anyway, carry);
            model
        }
    };
    let mut model = make();
    model.choice = config.choice;
    if !config.carry && !model.draws() {
        return Err(Error::Usage(format!(
            "--blend is of generators, and bundle {} has none: leave it out",
            model.manifest().name
        )));
    }
    let opened = match &config.face {
        Some(face) => {
            let mut opened = model.open(face)?;
            opened.notes.drain(..).for_each(|note| remark(&note));
            let done = apply(&mut model, &mut opened, &config.edits)?;
            Some((opened, done))
        }
        None => None,
    };
    match (&config.task, opened) {
        (Task::Page { donors, access }, opened) => {
            let editing = page::Editing { blend: config.blend, donors: donors.clone(), mark: config.mark };
            let workspace = |(opened, _)| Workspace::new(model, opened, config.blend, donors, page::TILE);
            page::run(opened.map(workspace).transpose()?, editing, make, (common, &bundle), access)?;
        }
        // The page alone does without a face.
        (_, None) => {}
        (Task::Window { donors }, Some((opened, _))) => {
            let workspace = Workspace::new(model, opened, config.blend, donors, window_editor::DONOR)?;
            window::run(workspace, config.mark)?;
        }
        (Task::Picture { .. }, Some((opened, done))) => {
            write(&config, &mut model, &opened, done)?;
            if common.verbose {
                let what = if opened.session.original().is_carried() { "portrait" } else { "generator" };
                remark(&format!("{what}: {}", model.summary()));
            }
        }
        (Task::Clip { .. }, Some((opened, _))) => interpolate(&config, &mut model, &opened)?,
    }
    Ok(0)
}

/// Writes what of the edited face was asked for.
fn write(config: &Config, model: &mut FaceModel, opened: &OpenedPhoto, done: usize) -> Result<()> {
    let Task::Picture { out, sheet, save } = &config.task else { return Ok(()) };
    let mut compositor = Compositor::new(model, &opened.session, opened.photo.as_ref(), config.blend)?;
    let mut picture = compositor.compose(model, opened.session.face())?;
    let mut output = Output::new();
    output.line(&format!("{}: {done} edit{}", opened.source, if done == 1 { "" } else { "s" }))?;
    let mut alpha = compositor.alpha(opened.session.face(), &opened.original);
    config.mark.stamp_whole(compositor.origin(), &mut picture, &mut alpha);
    let origin = config.mark.origin(compositor.origin());
    if let Some(out) = out {
        write_like(out, &picture, &alpha, &opened.original, origin)?;
        output.line(&format!("wrote picture: {}", out.display()))?;
    }
    if let Some(path) = sheet {
        write_marked(path, &draw_sheet(model, opened, &mut compositor)?, origin)?;
        output.line(&format!("wrote sheet: {}", path.display()))?;
    }
    if let Some(save) = save {
        output.line(&save.write(model, opened)?)?;
    }
    output.flush()
}

/// Does the edits; gives back how many changed something.
fn apply(model: &mut FaceModel, opened: &mut OpenedPhoto, edits: &[(String, Operation)]) -> Result<usize> {
    let manifest = model.manifest().clone();
    let carried = opened.session.original().is_carried();
    let mut donors = Donors::new(|name| {
        let donor = model.open_donor(name, carried)?;
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
fn interpolate(config: &Config, model: &mut FaceModel, opened: &OpenedPhoto) -> Result<()> {
    let Task::Clip { to, out, options, frames, fps, save } = &config.task else { return Ok(()) };
    if opened.session.original().is_carried() {
        return Err(Error::Usage(format!(
            "--to draws faces between two, which takes a generator; bundle {} carries the photo's own pixels: leave --to \
             out, name a bundle with a generator, or move the photo with runtime reenact",
            model.manifest().name
        )));
    }
    let sink = open_output(out, options)?;
    let other = model.open_donor(to, false)?;
    other.notes.iter().for_each(|note| remark(note));
    let (from, to) = (opened.session.face(), other.session.face());
    let mut compositor = Compositor::new(model, &opened.session, opened.photo.as_ref(), config.blend)?;
    let mark = (config.mark, compositor.origin());
    let written = clip::write(sink, *frames, f64::from(*fps), mark, |i| {
        compositor.compose(model, &from.towards(to, i as f32 / (frames - 1) as f32))
    })?;
    let mut output = Output::new();
    for Written { what, path } in written {
        output.line(&format!("wrote {what}: {}", path.display()))?;
    }
    if let Some(save) = save {
        output.line(&save.write(model, opened)?)?;
    }
    output.flush()
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;
    use crate::cli::args::{Cli, Command};

    fn resolve(line: &str) -> Result<Config> {
        let words = ["runtime", "edit"].into_iter().chain(line.split_whitespace());
        let Command::Edit(args) = Cli::try_parse_from(words).unwrap().command else { panic!("not edit") };
        Config::resolve(&args)
    }

    #[test]
    fn the_blend_was_called_paste() {
        for line in ["seed:1 --save a.json --blend square", "seed:1 --save a.json --paste square"] {
            assert_eq!(resolve(line).unwrap().blend, Blend::Square, "{line}");
        }
        assert_eq!(resolve("seed:1 --save a.json").unwrap().blend, Blend::Warp);
    }

    #[test]
    fn what_becomes_of_the_face_is_decided_once() {
        let task = |line: &str| resolve(line).unwrap().task;
        assert!(matches!(task("seed:1 --serve"), Task::Page { .. }));
        assert_eq!(resolve("--serve").unwrap().face, None);
        assert!(Cli::try_parse_from(["runtime", "edit", "--out", "a.png"]).is_err());
        assert!(matches!(task("seed:1 --out a.png --sheet b.png"), Task::Picture { save: None, .. }));
        let Task::Clip { out, frames, .. } = task("seed:1 --to seed:2 --out a.mp4 --frames 5") else {
            panic!("no clip")
        };
        assert_eq!((out, frames), (SinkSpec::Mp4("a.mp4".into()), 5));
        for bad in [
            "seed:1 --serve --out a.png",
            "--face 2 --serve",
            "--move nose=0,0.1 --serve",
            "seed:1 --save a.txt",
            "seed:1 --out a.png --sheet a.png",
            "a.png --out a.png",
            "seed:1 --to seed:2 --out a.mp4 --sheet b.png",
        ] {
            assert!(matches!(resolve(bad), Err(Error::Usage(_))), "{bad}");
        }
    }
}
