//! Frames of video clips, decoded by the program `ffmpeg`, each clip into a folder of its own.

use std::ffi::OsString;
use std::fs;
use std::io::{ErrorKind, Read};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use super::source::{has_extension, is_archive, is_picture, sorted};
use crate::error::{Error, Result};
use crate::support::interrupt;
use crate::support::progress::Progress;

/// What files of clips end with.
const EXTENSIONS: [&str; 8] = ["mp4", "mov", "m4v", "mkv", "webm", "avi", "mpg", "wmv"];
/// The program.
const FFMPEG: &str = "ffmpeg";
/// How often it is asked whether it is done.
const POLL: Duration = Duration::from_millis(20);

/// Writes every `every`th frame of the clips that `sources` are, or have in them, below the folder `into`, a folder for each
/// clip. What there is to collect pictures from then: sources with more than clips in them, and what was written.
///
/// # Errors
/// [`Error::Usage`] naming what to install if there is no `ffmpeg`; [`Error::Data`] if a clip can't be decoded;
/// [`Error::Interrupted`].
pub fn decode(sources: &[PathBuf], every: usize, into: &Path) -> Result<Vec<PathBuf>> {
    decode_with(FFMPEG, sources, every, into)
}

fn decode_with(program: &str, sources: &[PathBuf], every: usize, into: &Path) -> Result<Vec<PathBuf>> {
    let mut clips = Vec::new();
    let mut others = Vec::new();
    for source in sources {
        let before = clips.len();
        let mut has_others = false;
        if source.is_dir() {
            find(source, source, &mut clips, &mut has_others)?;
        } else if is_clip(source) && source.is_file() {
            clips.push((source.clone(), source.file_name().map(PathBuf::from).unwrap_or_default()));
        }
        if clips.len() == before || has_others {
            others.push(source.clone());
        }
    }
    let mut progress = Progress::new("decoding clips", clips.len() as u64);
    let mut decoded = Vec::with_capacity(clips.len());
    for (i, (clip, name)) in clips.iter().enumerate() {
        // Two sources may have clips of one name.
        let root = into.join(i.to_string());
        let folder = root.join(name);
        fs::create_dir_all(&folder).map_err(Error::io(&folder))?;
        frames(program, clip, every, &folder)?;
        decoded.push(root);
        progress.advance(1, &name.display().to_string());
    }
    progress.finish("");
    Ok(others.into_iter().chain(decoded).collect())
}

/// Clips below `folder` with their paths below `root`, and whether there is any other file that pictures may come from.
fn find(
    folder: &Path,
    root: &Path,
    clips: &mut Vec<(PathBuf, PathBuf)>,
    has_others: &mut bool,
) -> Result<()> {
    for path in sorted(folder)? {
        if path.is_dir() && !path.is_symlink() {
            find(&path, root, clips, has_others)?;
        } else if is_clip(&path) {
            let name = path.strip_prefix(root).unwrap_or(&path).to_owned();
            clips.push((path, name));
        } else {
            *has_others |= is_picture(&path) || is_archive(&path);
        }
    }
    Ok(())
}

fn is_clip(path: &Path) -> bool {
    has_extension(path, &EXTENSIONS)
}

/// Writes every `every`th frame of `clip` into `folder`, as it is to be seen: turned as the camera says.
fn frames(program: &str, clip: &Path, every: usize, folder: &Path) -> Result<()> {
    let mut input = OsString::from("file:");
    input.push(std::path::absolute(clip).map_err(Error::io(clip))?);
    let child = Command::new(program)
        .args(["-v", "error", "-nostdin", "-i"])
        .arg(input)
        // Frames evenly spaced in time: nothing to repeat or leave out, whatever the version's way to choose that.
        .args(["-map", "0:v:0", "-vf", &format!("select=not(mod(n\\,{every})),setpts=N/(25*TB)"), "-r", "25"])
        // Frames are compressed already: the best JPEG loses next to nothing, in a tenth of the room.
        .args(["-c:v", "mjpeg", "-q:v", "1", "-qmin", "1", "-pix_fmt", "yuvj444p", "%06d.jpg"])
        .current_dir(folder)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn();
    let mut child = child.map_err(|e| match e.kind() {
        ErrorKind::NotFound => Error::Usage(format!(
            "{}: decoding clips needs the program ffmpeg: install it (Debian, Ubuntu: apt-get install ffmpeg), or name \
             folders with the frames of a clip in each",
            clip.display()
        )),
        _ => Error::io(program)(e),
    })?;
    let said = wait(&mut child).inspect_err(|_| {
        child.kill().ok();
        child.wait().ok();
    })?;
    let count = fs::read_dir(folder).map_err(Error::io(folder))?.count();
    let reason = match (said, count) {
        (Some(said), _) => format!("ffmpeg can't decode it: {said}"),
        (None, 0) => "ffmpeg finds no frame in it".into(),
        (None, _) => return Ok(()),
    };
    Err(Error::Data { path: clip.to_owned(), reason })
}

/// Waits for the program to end. What it said, if it failed.
fn wait(child: &mut Child) -> Result<Option<String>> {
    // Read aside: a pipe that is full would stop the program.
    let pipe = child.stderr.take();
    let reader = std::thread::spawn(move || {
        let mut said = String::new();
        pipe.map(|mut pipe| pipe.read_to_string(&mut said));
        said
    });
    let status = loop {
        interrupt::check()?;
        if let Some(status) = child.try_wait().map_err(Error::io(FFMPEG))? {
            break status;
        }
        std::thread::sleep(POLL);
    };
    let said = reader.join().unwrap_or_default();
    let line = said.lines().last().unwrap_or("it failed without a word").to_owned();
    Ok((!status.success()).then_some(line))
}

#[cfg(test)]
pub(super) mod tests {
    use super::super::fixtures::png;
    use super::*;

    /// A clip of `frames` frames that become brighter, of a colour of its own, if there is a program to make one.
    pub fn clip(path: &Path, frames: usize, colour: u8) -> bool {
        let source = format!("color=black:s=64x48:r=25:d={}", frames as f64 / 25.0);
        let picture = format!("geq=lum=16+8*N:cb={colour}:cr=128");
        let made = Command::new(FFMPEG)
            .args(["-v", "error", "-f", "lavfi", "-i", &source, "-vf", &picture])
            .args(["-c:v", "mjpeg", "-q:v", "1"])
            .arg(path)
            .stderr(Stdio::null())
            .status();
        let made = made.is_ok_and(|status| status.success());
        if !made {
            eprintln!("skipped: there is no ffmpeg");
        }
        made
    }

    #[test]
    fn every_nth_frame_of_each_clip_lies_in_a_folder_of_its_own() {
        let dir = tempfile::tempdir().unwrap();
        let sources = dir.path().join("clips");
        fs::create_dir_all(sources.join("me")).unwrap();
        if !clip(&sources.join("me/a b.avi"), 20, 128) || !clip(&sources.join("c.AVI"), 3, 128) {
            return;
        }
        fs::write(sources.join("me/still.png"), png([1, 2, 3], 9, 9)).unwrap();
        let into = dir.path().join("frames");
        let found = decode(&[sources.clone(), sources.join("c.AVI")], 5, &into).unwrap();
        // The folder stays a source for its picture, the clip alone does not.
        assert_eq!(found.len(), 4);
        assert_eq!(found[0], sources);
        let count = |folder: &str| fs::read_dir(into.join(folder)).unwrap().count();
        assert_eq!((count("0/c.AVI"), count("1/me/a b.avi"), count("2/c.AVI")), (1, 4, 1));
        let grey = |i: usize| {
            let path = into.join(format!("1/me/a b.avi/{i:06}.jpg"));
            i32::from(image::open(path).unwrap().into_rgb8().get_pixel(30, 20)[1])
        };
        for i in 1..4 {
            assert!((30..60).contains(&(grey(i + 1) - grey(i))), "{} {}", grey(i), grey(i + 1));
        }
    }

    #[test]
    fn what_is_missing_or_broken_is_named() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a.mp4");
        fs::write(&path, "no clip").unwrap();
        let into = dir.path().join("frames");
        let missing = decode_with("no-such-program", std::slice::from_ref(&path), 1, &into).unwrap_err();
        assert!(missing.to_string().contains("apt-get install ffmpeg"), "{missing}");
        if clip(&dir.path().join("b.avi"), 1, 128) {
            let broken = decode(&[path], 1, &into).unwrap_err().to_string();
            assert!(broken.contains("a.mp4") && broken.contains("ffmpeg can't decode it"), "{broken}");
        }
        // Without clips the program is not asked for.
        let gone = [dir.path().join("gone")];
        assert_eq!(decode_with("no-such-program", &gone, 1, &into).unwrap(), gone);
    }
}
