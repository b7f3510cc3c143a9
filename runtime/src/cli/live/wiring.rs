//! Source, window, page and sinks of a live command, opened as its [`LiveConfig`] says.

use std::path::Path;
use std::sync::Arc;
use std::time::SystemTime;

use lkg_bundle::Bundle;

use super::config::{LiveConfig, Window};
use crate::cli::args::Common;
use crate::cli::{edit, remark, serve};
use crate::edit::FaceModel;
use crate::error::Result;
use crate::live::{Choice, Chooser, FrameSupply, Opener, Viewer, WindowOpener};
use crate::media::camera::{self, Selector};
use crate::media::output::stamp;
use crate::media::sheet::SheetSink;
use crate::media::sink::{OutputOptions, Sink, open_output, unnamed_recording};
use crate::media::window::Display;
use crate::media::{self, ClipSound, LoopbackSink, SinkSpec, SourceOptions, SourceSpec};
use crate::serve::live::LivePage;
use crate::serve::{DetectApi, Intake, Job, Pages};

/// Where the frames of a run come from and go to, all of it open.
pub(in crate::cli) struct Wiring {
    pub supply: FrameSupply,
    pub sinks: Vec<Box<dyn Sink>>,
    pub viewers: Vec<Box<dyn Viewer>>,
    /// Whether a window is shown.
    pub window: bool,
}

/// Opens source, window and sinks. `name` begins the name of the recording that is made where nothing else would be left
/// to look at, `job` says what its page is about, which names the keypoints of `bundle` and finds them in pictures that are sent; `more` are sinks of the command's own; `opener` opens the source.
pub(in crate::cli) fn open(
    config: &LiveConfig,
    (name, job): (&str, Job),
    common: &Common,
    bundle: &Bundle,
    more: Vec<Box<dyn Sink>>,
    opener: Opener,
) -> Result<Wiring> {
    let no_window = match config.window {
        Window::Never => None,
        Window::IfScreen => Display::available().err(),
        Window::Always => Display::available().map(|()| None)?,
    };
    let window = config.window != Window::Never && no_window.is_none();
    let (mut sinks, mut viewers) = (Vec::new(), Vec::<Box<dyn Viewer>>::new());
    let nothing_asked = config.sinks.is_empty() && config.sheet.is_none() && more.is_empty();
    let unasked = (!window && config.page.is_none() && nothing_asked)
        .then(|| unnamed_recording(&format!("{name}-{}", stamp(SystemTime::now()))));
    let specs: Vec<_> = config.sinks.iter().chain(&unasked).collect();
    let sound = config.clip.as_deref().and_then(|clip| sound_for(&specs, clip, config.looping));
    let options = OutputOptions { sound, ..config.output_options.clone() };
    for spec in specs {
        match spec {
            SinkSpec::Device(path) => viewers.push(Box::new(LoopbackSink::open(path)?)),
            other => sinks.push(open_output(other, &options)?),
        }
    }
    if let Some(sheet) = &config.sheet {
        sinks.push(Box::new(SheetSink::create(sheet, config.force)?));
    }
    sinks.extend(more);
    let watched = window || config.page.is_some();
    let mut supply = FrameSupply::open(opener, config.looping, config.give_up_after(watched))?;
    if supply.is_live() {
        supply.set_chooser(next_camera(config.source_options.clone()));
    }
    if let Some(page) = &config.page {
        let intake = Intake::default();
        let more = beside(supply.describe(), job, (common, bundle), &intake);
        let page = LivePage::start(&page.access, page.viewers, bundle.manifest(), intake, more)?
            .of_source(config.source.clone())
            .titled(job.title());
        remark(&format!("live page: {}", page.server().url(job.path())));
        viewers.push(Box::new(page));
    }
    if let Some(path) = unasked.and_then(|spec| spec.path()) {
        let reason = no_window.map(|e| format!("{e}; ")).unwrap_or_default();
        remark(&format!("{reason}recording to {}", path.display()));
    }
    Ok(Wiring { supply, sinks, viewers, window })
}

/// The pages beside the live one of `source`, in a few words: the start page, an editor that nothing is open in yet, and what is
/// there for programs. None of their networks is loaded before it is needed.
fn beside(
    source: &str,
    job: Job,
    (common, bundle): (&Common, &Bundle),
    intake: &Intake,
) -> Vec<Arc<dyn Pages>> {
    let (own, engine) = (bundle.clone(), common.engine());
    let model = move || FaceModel::new(own.clone(), engine.clone());
    vec![
        Arc::new(serve::start_page(&[job, Job::Editor], bundle, Some(source))),
        Arc::new(edit::page::pages(None, edit::page::Editing::default(), model, intake.clone())),
        Arc::new(DetectApi::new(bundle.clone(), common.engine(), intake.clone())),
    ]
}

/// The sound of `clip` for outputs that hold it. What is not kept is said.
fn sound_for(specs: &[&SinkSpec], clip: &Path, looping: bool) -> Option<ClipSound> {
    let keeps = specs.iter().any(|spec| matches!(spec, SinkSpec::Mp4(_)));
    let silent = specs.iter().find(|spec| matches!(spec, SinkSpec::Avi(_)));
    let without = |reason: &str| {
        if ClipSound::is_in(clip).unwrap_or(false) {
            remark(&format!(
                "recording without the clip's sound: {reason} (--no-audio leaves it out unsaid)"
            ));
        }
        None
    };
    match (keeps, silent) {
        (true, _) if looping => without("a clip that is looped has none"),
        (true, _) => ClipSound::of(clip).unwrap_or_else(|e| {
            remark(&format!("recording without the clip's sound: {e}"));
            None
        }),
        (false, Some(avi)) => without(&format!("{avi} has none, name FILE.mp4 to keep it")),
        (false, None) => None,
    }
}

/// Opens a source.
pub(in crate::cli) fn opener(source: SourceSpec, options: SourceOptions) -> Opener {
    Arc::new(move || media::open(&source, &options))
}

/// Goes from camera to camera of this machine, in the order of their numbers.
fn next_camera(options: SourceOptions) -> Chooser {
    Box::new(move |now| {
        let cameras: Vec<_> = camera::list().into_iter().filter(|c| camera::usable(c).is_ok()).collect();
        let current = cameras.iter().position(|c| Some(c.index) == now);
        let next = current.map_or(0, |i| (i + 1) % cameras.len());
        let camera = cameras.get(next).filter(|_| current != Some(next))?;
        let source = SourceSpec::Camera(Selector::Index(camera.index));
        Some(Choice {
            camera: Some(camera.index),
            name: format!("{} ({})", camera.name, camera.path.display()),
            opener: opener(source, options.clone()),
        })
    })
}

/// Opens the window when the first picture shows its size.
pub(in crate::cli) fn window(title: String) -> WindowOpener {
    Box::new(move |size| Ok(Box::new(Display::open(&title, size)?) as Box<dyn Viewer>))
}
