//! `runtime detect CLIP --json`: keypoints of every frame of a clip, the same each time. One thread reads and decodes,
//! another one looks at what is decoded.

use std::path::Path;
use std::sync::mpsc::{Receiver, Sender, SyncSender, channel, sync_channel};

use image::RgbImage;

use super::args::{Common, DetectArgs};
use super::output::Output;
use super::progress::Progress;
use super::{open_bundle, remark};
use crate::engine::Detector;
use crate::error::{Error, Result};
use crate::frame::Frame;
use crate::interrupt;
use crate::live::Change;
use crate::media::source::{self, Next, Source, SourceOptions};
use crate::media::{self, keypoints};
use crate::vision::track::{FaceTracker, TrackOptions};

/// Frames decoded ahead.
const AHEAD: usize = 4;

/// The clip among the inputs.
///
/// # Errors
/// It is not the only one, or something is asked that is done for pictures only.
pub(super) fn named(args: &DetectArgs) -> Result<Option<&Path>> {
    let Some(clip) = args.inputs.iter().find(|input| source::is_clip(input)) else { return Ok(None) };
    let usage = |text: &str| Err(Error::Usage(format!("{}: {text}", clip.display())));
    if args.inputs.len() > 1 {
        return usage("a clip is looked at alone: give one input");
    }
    if args.out.is_some() {
        return usage("--out draws on pictures; for a clip: runtime webcam CLIP --headless --out FILE.mp4");
    }
    if args.refine {
        return usage("--refine is for pictures; the face in a clip is followed");
    }
    if !args.json {
        return usage("add --json for a line a frame");
    }
    Ok(Some(clip))
}

/// Prints a line for every frame, until the clip ends.
pub(super) fn run(common: &Common, args: &DetectArgs, clip: &Path) -> Result<u8> {
    let bundle = open_bundle(common)?;
    // The name is that of a file, whatever it looks like.
    let mut source = source::open_file(clip, None)?;
    let detector = Detector::load(&bundle, &common.engine())?;
    if common.verbose {
        remark(&format!("source: {}", source.describe()));
        remark(&format!("detector: {}", detector.summary()));
    }
    let progress = source.frames().map(|n| Progress::new(n as usize));
    let mut options = TrackOptions::live(bundle.manifest());
    options.min_confidence = args.min_confidence.unwrap_or(options.min_confidence);
    let (sender, frames) = sync_channel(AHEAD);
    let (used, spares) = channel();
    std::thread::scope(|scope| {
        scope.spawn(move || read(source.as_mut(), &sender, &spares));
        look(frames, &used, FaceTracker::new(detector, options), progress)
    })?;
    Ok(0)
}

/// Reads and decodes until the clip ends, something is wrong, or nobody takes frames any more.
fn read(source: &mut dyn Source, frames: &SyncSender<media::Result<Frame>>, spares: &Receiver<RgbImage>) {
    loop {
        spares.try_iter().for_each(|picture| source.reuse(picture));
        let next = match source.next(SourceOptions::default().patience) {
            Ok(Next::Frame(captured)) => Ok(captured.frame),
            Ok(Next::Waiting) => continue,
            Ok(Next::End) => return,
            Err(e) => Err(e),
        };
        let failed = next.is_err();
        if frames.send(next).is_err() || failed {
            return;
        }
    }
}

/// Follows the face from frame to frame, which is why frames are looked at in their order.
fn look(
    frames: Receiver<media::Result<Frame>>,
    used: &Sender<RgbImage>,
    mut tracker: FaceTracker,
    mut progress: Option<Progress>,
) -> Result<()> {
    let mut change = Change::default();
    let mut output = Output::new();
    for frame in frames {
        interrupt::check()?;
        let Frame { picture, index, time } = frame?;
        let tracked = tracker.track(&picture, time)?;
        let changed = change.of(&picture, &tracked.crop);
        output.json(&keypoints::line(index, time, changed, tracked.face.as_ref()))?;
        tracker.reuse(tracked);
        // Where the reader has ended already nobody needs it.
        used.send(picture).ok();
        if let Some(progress) = &mut progress {
            progress.step();
        }
    }
    drop(progress);
    output.flush()
}
