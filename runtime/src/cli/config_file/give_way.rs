//! What somebody always wants and one run has no use for: of the command line it is a contradiction that is refused, of the file
//! a preference that gives way.

use std::collections::BTreeSet;

use crate::cli::args::{Command, DetectArgs, ReenactArgs, WebcamArgs};
use crate::cli::edit::{EditArgs, is_photo};
use crate::cli::live::LiveArgs;
use crate::cli::reenact_args::Driver;
use crate::cli::serve_args::ServeArgs;
use crate::media::source::is_clip;
use crate::media::{OutputSpec, SourceSpec};
use crate::reenact::View;
use crate::vision::choice::FaceChoice;

/// Leaves out flags, of those that came from the `file`, that this run has no use for.
pub(super) fn give_way(command: &mut Command, file: &BTreeSet<&str>) {
    match command {
        Command::Detect(args) => detect(args, file),
        Command::Webcam(args) => webcam(args, file),
        Command::Reenact(args) => reenact(args, file),
        Command::Edit(args) => edit(args, file),
        _ => {}
    }
}

fn detect(args: &mut DetectArgs, file: &BTreeSet<&str>) {
    if args.inputs.iter().any(|input| is_clip(input)) {
        args.once &= !file.contains("once");
        args.out = args.out.take().filter(|_| !file.contains("out"));
    }
}

fn webcam(args: &mut WebcamArgs, file: &BTreeSet<&str>) {
    let source = args.source.clone().unwrap_or(SourceSpec::FirstCamera);
    live(&mut args.live, Some(&source), file);
    if file.contains("as-clip") {
        args.as_clip &= matches!(source, SourceSpec::Folder(_));
    }
}

fn reenact(args: &mut ReenactArgs, file: &BTreeSet<&str>) {
    let driver = args.driver.clone().or(args.positional_driver.clone());
    let frames = match driver.unwrap_or(Driver::Frames(SourceSpec::FirstCamera)) {
        Driver::Frames(source) => Some(source),
        Driver::Motion(_) => None,
    };
    if file.contains("view") && frames.is_none() && args.view == Some(View::Driver) {
        args.view = None;
    }
    if file.contains("driver-face") && frames.is_none() {
        args.driver_face = FaceChoice::Largest;
    }
    if file.contains("face") && !args.sources.iter().any(|name| is_photo(name)) {
        args.face = FaceChoice::Largest;
    }
    live(&mut args.live, frames.as_ref(), file);
}

fn edit(args: &mut EditArgs, file: &BTreeSet<&str>) {
    if file.contains("face") && args.face.as_deref().is_some_and(|face| !is_photo(face)) {
        args.choice = FaceChoice::Largest;
    }
    let writes = args.out.is_some() || args.sheet.is_some() || args.save.is_some();
    if file.contains("serve") && writes {
        args.page.serve = None;
    }
    page(&mut args.page, false, file);
}

fn live(args: &mut LiveArgs, source: Option<&SourceSpec>, file: &BTreeSet<&str>) {
    if file.contains("size") && !source.is_some_and(SourceSpec::takes_size) {
        args.size = None;
    }
    if file.contains("loop") {
        args.r#loop &= source != Some(&SourceSpec::Stdin);
    }
    if file.contains("headless") && !file.contains("out") {
        args.headless &= !args.out.contains(&OutputSpec::Window);
    }
    let has_page = args.out.iter().any(|out| matches!(out, OutputSpec::Page(_)));
    page(&mut args.page, has_page, file);
}

fn page(args: &mut ServeArgs, elsewhere: bool, file: &BTreeSet<&str>) {
    if file.contains("listen") && args.serve.is_none() && !elsewhere {
        args.listen = None;
    }
    if file.contains("host") && args.serve.is_none() && !elsewhere {
        args.hosts.clear();
    }
}
