//! `runtime detect CLIP --json`: the faces of every frame of a clip, the same each time.

use std::path::Path;

use super::args::{Common, DetectArgs};
use super::output::Output;
use super::progress::Progress;
use super::{open_bundle, remark};
use crate::engine::Detector;
use crate::error::{Error, Result};
use crate::frame::Frame;
use crate::interrupt;
use crate::live::{Change, ExpressionFinder, Finder};
use crate::media::detections::{DetectionFormat, DetectionWriter, Found};
use crate::media::source::{self, Next, Source, SourceOptions};
use crate::vision::track::{FaceTracker, TrackOptions};

/// The clip among the inputs.
///
/// # Errors
/// It is not the only one, or something is asked that is done for pictures only.
pub(super) fn named(args: &DetectArgs) -> Result<Option<&Path>> {
    let Some(clip) = args.inputs.iter().find(|input| source::is_clip(input)) else { return Ok(None) };
    let usage = |text: &str| Err(Error::Usage(format!("{}: {text}", clip.display())));
    if args.inputs.len() > 1 {
        return usage("a clip is processed alone: give one input");
    }
    if args.out.is_some() {
        return usage("--out draws on pictures; for a clip: runtime webcam CLIP --headless --out FILE.mp4");
    }
    if args.once {
        return usage("--once is for pictures; the faces in a clip are followed");
    }
    if args.format().is_none() {
        return usage("add --json for a line a frame, or --format csv or coco");
    }
    Ok(Some(clip))
}

/// Prints the faces of every frame, until the clip ends.
pub(super) fn run(common: &Common, args: &DetectArgs, clip: &Path) -> Result<u8> {
    let bundle = open_bundle(common)?;
    // It is a file, whatever its name.
    let mut source = source::open_file(clip, None)?;
    let detector = Detector::load(&bundle, &common.engine())?;
    if common.verbose {
        remark(&format!("source: {}", source.describe()));
        remark(&format!("detector: {}", detector.summary()));
    }
    let progress = source.frames().map(|n| Progress::new(n as usize));
    let mut options = TrackOptions { faces: args.faces.into(), ..TrackOptions::live(bundle.manifest()) };
    options.min_confidence = args.min_confidence.unwrap_or(options.min_confidence);
    let tracker = FaceTracker::new(detector, options);
    let writer = DetectionWriter::new(args.format().unwrap_or(DetectionFormat::Json), bundle.manifest());
    let finder = ExpressionFinder::new(tracker, bundle.manifest());
    follow(source.as_mut(), &clip.to_string_lossy(), finder, writer, progress)?;
    Ok(0)
}

/// Follows the faces from frame to frame, in their order.
fn follow(
    source: &mut dyn Source,
    file: &str,
    mut finder: ExpressionFinder,
    mut writer: DetectionWriter,
    mut progress: Option<Progress>,
) -> Result<()> {
    let mut change = writer.format().has_change().then(Change::default);
    let mut output = Output::new();
    loop {
        interrupt::check()?;
        let Frame { picture, index, time } = match source.next(SourceOptions::default().patience)? {
            Next::Frame(captured) => captured.frame,
            Next::Waiting => continue,
            Next::End => break,
        };
        let tracked = finder.find(&picture, time)?;
        let change = change.as_mut().and_then(|change| change.of(&picture, &tracked.crop));
        let (size, faces) = (picture.dimensions(), tracked.faces());
        let found = Found { file, size, time: Some(time), frame: Some(index), change, faces };
        output.made(writer.add(&found))?;
        finder.reuse(tracked);
        source.reuse(picture);
        if let Some(progress) = &mut progress {
            progress.step();
        }
    }
    drop(progress);
    output.made(writer.finish())?;
    output.flush()?;
    source.fault().map_or(Ok(()), |fault| Err(Error::Usage(fault)))
}
