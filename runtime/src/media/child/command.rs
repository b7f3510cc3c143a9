//! The command lines that sources of a child process stand for.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

use crate::error::media::{Error, Result};

/// What is asked of a camera behind a pipeline.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Wanted {
    pub size: Option<(u32, u32)>,
    pub fps: Option<f32>,
}

/// Pixels and frames a second asked of a camera on the CSI connector.
const CSI_SIZE: (u32, u32) = (1280, 720);
const CSI_FPS: f32 = 30.0;

/// A command line, split into words as a shell would, but for everything that only a shell does: no variables, no
/// patterns, no pipes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CommandLine {
    text: String,
    words: Vec<String>,
}

impl CommandLine {
    /// The program and its arguments; never empty.
    pub fn words(&self) -> &[String] {
        &self.words
    }
}

impl FromStr for CommandLine {
    type Err = Error;

    /// [`Error::NoCommand`]: there is none, or a quote is not closed.
    fn from_str(text: &str) -> Result<Self> {
        let words = shlex::split(text).filter(|words| !words.is_empty()).ok_or(Error::NoCommand)?;
        Ok(Self { text: text.to_owned(), words })
    }
}

impl fmt::Display for CommandLine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// The address of a network camera, `rtsp://HOST/PATH` or `rtsps://HOST/PATH`. Its characters mean nothing to gst-launch,
/// which reads its arguments once more: its own link sign `!`, quotes, brackets, back slashes and spaces must be written as
/// %21 and so on.
#[derive(Clone, PartialEq, Eq)]
pub struct RtspAddress(String);

impl RtspAddress {
    /// The name and password in it.
    pub(super) fn secret(&self) -> Option<&str> {
        secret(&self.0)
    }

    /// The address without the name and password that may stand in it.
    pub fn without_secret(&self) -> String {
        without_secret(&self.0)
    }
}

impl FromStr for RtspAddress {
    type Err = Error;

    /// [`Error::BadAddress`].
    fn from_str(address: &str) -> Result<Self> {
        check_rtsp(address).map(|()| Self(address.to_owned()))
    }
}

impl fmt::Display for RtspAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for RtspAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "RtspAddress({:?})", self.without_secret())
    }
}

/// The number of a sensor on a Jetson's CSI connectors.
///
/// # Errors
/// [`Error::BadAddress`]: it is none from 0 to 15.
pub(in crate::media) fn csi_sensor(number: &str) -> Result<u8> {
    number.parse().ok().filter(|n| *n < 16).ok_or_else(|| Error::BadAddress {
        address: format!("csi://{number}"),
        reason: "name the sensor by its number, csi://0 to csi://15",
    })
}

/// The pipeline for a sensor of a Jetson's CSI connectors: its image processor is reached through nvarguscamerasrc only.
/// Frames leave it as y4m; the queue drops what is not fetched in time.
pub(super) fn csi(sensor: u8, wanted: Wanted) -> Result<Vec<String>> {
    let (width, height) = wanted.size.unwrap_or(CSI_SIZE);
    if width % 8 != 0 || height % 2 != 0 {
        // y4menc writes rows as they lie in memory, padded where a row of colours is not a multiple of four.
        let reason = "--size needs a width that 8 divides and an even height";
        return Err(Error::BadAddress { address: format!("csi://{sensor}"), reason });
    }
    let rate = fraction(wanted.fps.unwrap_or(CSI_FPS));
    let from = format!("video/x-raw(memory:NVMM),width={width},height={height},framerate={rate},format=NV12");
    let sensor = format!("sensor-id={sensor}");
    Ok(pipeline(&[
        &["nvarguscamerasrc", &sensor],
        &[&from],
        &["nvvidconv"],
        &["video/x-raw,format=I420"],
        &["queue", "leaky=downstream", "max-size-buffers=1"],
        &["y4menc"],
        &["fdsink", "fd=1"],
    ]))
}

/// A network camera, through ffmpeg or GStreamer, whichever `has` finds.
pub(super) fn rtsp(address: &RtspAddress, has: impl Fn(&str) -> bool) -> Vec<String> {
    if has("ffmpeg") || !has("gst-launch-1.0") {
        let options = "-nostdin -v error -rtsp_transport tcp -fflags nobuffer -flags low_delay -i";
        let mut words: Vec<String> = vec!["ffmpeg".to_owned()];
        words.extend(options.split(' ').map(str::to_owned));
        words.push(address.to_string());
        words.extend("-map 0:v:0 -pix_fmt yuv420p -f yuv4mpegpipe -".split(' ').map(str::to_owned));
        return words;
    }
    let location = format!("location={address}");
    pipeline(&[
        &["rtspsrc", &location, "protocols=tcp", "latency=100"],
        &["decodebin"],
        &["videoconvert"],
        // y4m says nothing of colours, so they must be those that it is read with.
        &["video/x-raw,format=I420,colorimetry=bt601"],
        &["queue", "leaky=downstream", "max-size-buffers=1"],
        &["y4menc"],
        &["fdsink", "fd=1"],
    ])
}

fn pipeline(elements: &[&[&str]]) -> Vec<String> {
    let mut words = vec!["gst-launch-1.0".to_owned(), "-q".to_owned()];
    for (i, element) in elements.iter().enumerate() {
        if i > 0 {
            words.push("!".to_owned());
        }
        words.extend(element.iter().map(|w| (*w).to_owned()));
    }
    words
}

/// `30` as `30/1`, `29.97` as `29970/1000`.
fn fraction(rate: f32) -> String {
    if rate.fract() == 0.0 { format!("{rate}/1") } else { format!("{:.0}/1000", f64::from(rate) * 1e3) }
}

/// Lets pass only what [`RtspAddress`] may be.
fn check_rtsp(address: &str) -> Result<()> {
    let bad = |reason| Error::BadAddress { address: without_secret(address), reason };
    let rest = address
        .strip_prefix("rtsp://")
        .or_else(|| address.strip_prefix("rtsps://"))
        .ok_or_else(|| bad("write rtsp://HOST/PATH"))?;
    let host = rest.split(['/', '?', '#']).next().unwrap_or_default();
    let host = host.rsplit('@').next().unwrap_or_default();
    if host.is_empty() || host.starts_with(':') {
        return Err(bad("it names no host"));
    }
    let plain = |c: char| c.is_ascii_alphanumeric() || "-._~:/?#@&=+,;%[]".contains(c);
    if address.len() > 2000 || !rest.chars().all(plain) {
        return Err(bad("write characters other than letters, digits and -._~:/?#@&=+,;%[] as %XX"));
    }
    Ok(())
}

/// The name and password in an address.
fn secret(address: &str) -> Option<&str> {
    let (_scheme, rest) = address.split_once("://")?;
    let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    rest[..end].rsplit_once('@').map(|(secret, _host)| secret)
}

/// An address without the name and password that may stand in it.
fn without_secret(address: &str) -> String {
    secret(address).map_or_else(|| address.to_owned(), |s| address.replacen(&format!("{s}@"), "", 1))
}

/// Whether a program is in one of the folders of PATH.
pub(super) fn is_installed(program: &str) -> bool {
    let folders = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&folders).map(|f| -> PathBuf { f.join(program) }).any(|p| p.is_file())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_split_without_a_shell() {
        let words = |text: &str| text.parse::<CommandLine>().map(|line| line.words);
        assert_eq!(words("cat 'a b' \"c d\" e\\ f").unwrap(), ["cat", "a b", "c d", "e f"]);
        assert_eq!(words("echo $HOME | rm *").unwrap(), ["echo", "$HOME", "|", "rm", "*"]);
        assert!(words("").is_err() && words("  ").is_err() && words("a 'b").is_err());
    }

    #[test]
    fn csi_pipelines_ask_for_size_and_rate() {
        let line = csi(1, Wanted { size: Some((640, 480)), fps: Some(29.97) }).unwrap().join(" ");
        assert!(
            line.starts_with("gst-launch-1.0 -q nvarguscamerasrc sensor-id=1 ! video/x-raw(memory:NVMM)")
        );
        assert!(line.contains("width=640,height=480,framerate=29970/1000") && line.ends_with("fdsink fd=1"));
        assert!(
            csi(0, Wanted::default()).unwrap().join(" ").contains("width=1280,height=720,framerate=30/1")
        );
        for bad in ["", "x", "16", "0 ! filesink location=a", "-1"] {
            assert!(csi_sensor(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn addresses_cannot_add_to_a_command() {
        for good in ["rtsp://cam/1", "rtsps://u:p%21@10.0.0.2:554/h264?x=1&y=2", "rtsp://[fe80::1]/s"] {
            let address: RtspAddress = good.parse().unwrap();
            let ffmpeg = rtsp(&address, |p| p == "ffmpeg");
            assert_eq!(ffmpeg.iter().filter(|w| *w == good).count(), 1);
            let gst = rtsp(&address, |p| p == "gst-launch-1.0");
            assert!(gst[0] == "gst-launch-1.0" && gst.contains(&format!("location={good}")));
        }
        for bad in [
            "rtsp://",
            "rtsp:///path",
            "rtsp://u@/x",
            "rtsp://:554/x",
            "http://cam/1",
            "rtsp://cam/1 ! filesink location=/tmp/x",
            "rtsp://cam/!",
            "rtsp://cam/\"x",
            "rtsp://cam/a\nb",
            "rtsp://cam/$(reboot)",
            "rtsp://cam/`reboot`",
        ] {
            assert!(matches!(bad.parse::<RtspAddress>(), Err(Error::BadAddress { .. })), "{bad}");
        }
    }

    #[test]
    fn passwords_are_not_shown() {
        assert_eq!(without_secret("rtsp://me:p@ss@cam:554/a@b"), "rtsp://cam:554/a@b");
        assert_eq!(without_secret("rtsp://cam/a@b"), "rtsp://cam/a@b");
    }
}
