//! `runtime doctor`: what of this machine is ready, what is not, and how to fix it.

use lkg_bundle::{Bundle, onnx_runtime};
use serde::Serialize;

use super::args::{Common, DoctorArgs};
use super::output::Output;
use super::{REPORTED, locate, open_bundle, verify};
use crate::engine::{OrtRunner, Provider, library, nodes_per_provider, placement, probe};
use crate::error::{Error, Result, one_line};
use crate::media::camera::{self, CameraInfo};

/// How a check went.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
enum State {
    /// Ready.
    Ok,
    /// Missing, but the main job runs without it.
    Absent,
    /// Without it nothing runs.
    Failed,
}

/// One thing checked.
#[derive(Debug, Serialize)]
struct Check {
    what: String,
    state: State,
    detail: String,
    /// What to do about it.
    fix: Option<String>,
    /// The same by its old name, for programs that read that.
    #[serde(rename = "mend")]
    fix_by_old_name: Option<String>,
}

impl Check {
    fn ok(what: impl Into<String>, detail: impl Into<String>) -> Self {
        Self { what: what.into(), state: State::Ok, detail: detail.into(), fix: None, fix_by_old_name: None }
    }

    fn trouble(what: &str, state: State, detail: impl Into<String>, fix: &str) -> Self {
        let fix = Some(fix.to_owned());
        Self { what: what.to_owned(), state, detail: detail.into(), fix_by_old_name: fix.clone(), fix }
    }
}

/// What `--json` prints.
#[derive(Serialize)]
struct DoctorReport {
    ok: bool,
    checks: Vec<Check>,
}

/// Runs the command; returns the exit code: 0 if pictures can be processed here, whatever else is missing.
pub fn run(common: &Common, args: &DoctorArgs) -> Result<u8> {
    let mut checks = engine(common.provider());
    checks.push(bundle(common));
    checks.extend(placement(common));
    checks.push(cameras());
    checks.push(display());
    let ok = checks.iter().all(|c| c.state != State::Failed);
    let mut output = Output::new();
    if args.json {
        output.json(&DoctorReport { ok, checks })?;
    } else {
        for check in &checks {
            let mark = match check.state {
                State::Ok => "ok    ",
                State::Absent => "absent",
                State::Failed => "FAILED",
            };
            output.line(&format!("{mark}  {}: {}", check.what, check.detail))?;
            if let Some(fix) = &check.fix {
                output.line(&format!("        fix: {fix}"))?;
            }
        }
        output.line(if ok { "ready" } else { "not ready" })?;
    }
    output.flush()?;
    Ok(if ok { 0 } else { REPORTED })
}

/// The library and the providers that really register; the one that is `wanted` by name must.
fn engine(wanted: Provider) -> Vec<Check> {
    let mut checks = Vec::new();
    match library::get() {
        Ok(found) => {
            checks
                .push(Check::ok("ONNX Runtime", format!("{} from {}", found.version, found.path.display())));
        }
        Err(e) => {
            // Its whole text ends with what to do.
            let reason = match e {
                Error::Library(reason) => reason,
                other => other.to_string(),
            };
            let fix = onnx_runtime::how_to_get();
            return vec![Check::trouble("ONNX Runtime", State::Failed, one_line(&reason), fix)];
        }
    }
    for attempt in probe().unwrap_or_default() {
        let what = format!("provider {}", attempt.provider);
        let fix = attempt.fix();
        checks.push(match (attempt.failure, attempt.provider) {
            (None, _) => Check::ok(what, "registers"),
            (Some(reason), Provider::Cpu) => {
                Check::trouble(&what, State::Failed, reason, "this ONNX Runtime is broken; install it again")
            }
            (Some(reason), provider) => {
                let (state, otherwise) = match provider == wanted {
                    true => (State::Failed, "or choose another with --provider"),
                    false => (State::Absent, "otherwise nothing: other providers work without it"),
                };
                let fix = fix.unwrap_or_else(|| {
                    "for an NVIDIA GPU name an ONNX Runtime that is made for it in ORT_DYLIB_PATH".to_owned()
                });
                Check::trouble(&what, state, reason, &format!("{fix}; {otherwise}"))
            }
        });
    }
    checks
}

fn bundle(common: &Common) -> Check {
    let trouble = |detail: String, fix: &str| Check::trouble("bundle", State::Failed, one_line(&detail), fix);
    let opened = locate::find(common).and_then(|dir| Ok(Bundle::open(dir)?));
    let bundle = match opened {
        Ok(bundle) => bundle,
        Err(e) => {
            let fix = match onnx_runtime::in_checkout() {
                true => "name a bundle with --bundle DIR or in LKG_BUNDLE",
                false => {
                    "name a bundle with --bundle DIR or in LKG_BUNDLE; the package latentkeypoint-runtime brings one along"
                }
            };
            return trouble(e.to_string(), fix);
        }
    };
    let verdict = verify::verify(common, &bundle);
    if verdict.ok {
        let worst = verdict.outputs.iter().map(|o| o.max_abs_difference).fold(0.0, f32::max);
        let detail = format!("{}, verified, golden outputs within {worst:.1e}", bundle.dir().display());
        return Check::ok("bundle", detail);
    }
    let file = verdict.files.iter().find_map(|f| f.problem.clone());
    let output = || verdict.outputs.iter().find(|o| !o.ok);
    let detail = file.unwrap_or_else(|| match output() {
        Some(o) => format!("{}/{} is off by {:.1e}", o.network, o.output, o.max_abs_difference),
        None => "not sound".to_owned(),
    });
    // A provider that fails says nothing about the bundle.
    let damaged = verdict.files.iter().any(|f| f.problem.is_some() && f.file != verify::GOLDEN);
    trouble(
        detail,
        match damaged || !verdict.outputs.is_empty() {
            true => "fetch or export the bundle again; runtime verify says more",
            false => "fix the provider, or choose another with --provider",
        },
    )
}

/// Where ONNX Runtime has put the nodes of the bundle's networks; nothing where they do not load, which the check of
/// the bundle reports.
fn placement(common: &Common) -> Option<Check> {
    let bundle = open_bundle(common).ok()?;
    let options = common.engine();
    let (mut whole, mut parts) = (true, Vec::new());
    for network in bundle.networks() {
        let provider = OrtRunner::load(&bundle, network, &options).ok()?.attempts().last()?.provider;
        let nodes = nodes_per_provider(&bundle, network, &options).ok()?;
        whole &= placement::is_whole(provider, &nodes);
        parts.push(format!("{network}: {}", placement::describe(&nodes)));
    }
    let detail = parts.join("; ");
    Some(if whole {
        Check::ok("placement", detail)
    } else {
        let fix = "this ONNX Runtime lacks kernels that the networks need; use another version of it";
        Check::trouble("placement", State::Failed, detail, fix)
    })
}

fn cameras() -> Check {
    let found = camera::list();
    if found.is_empty() {
        let fix = "plug a camera in, or use a clip or pictures instead";
        return Check::trouble("camera", State::Absent, "none found", fix);
    }
    let name = |c: &CameraInfo| format!("{} ({}, {} modes)", c.path.display(), c.name, c.modes.len());
    let names = found.iter().map(name).collect::<Vec<_>>().join(", ");
    let open = |c: &CameraInfo| std::fs::OpenOptions::new().read(true).write(true).open(&c.path);
    match found.iter().find_map(|c| open(c).err()) {
        None => Check::ok("camera", names),
        Some(e) => {
            let fix = "let your user read it: sudo usermod -aG video $USER, then log in again";
            Check::trouble("camera", State::Absent, format!("{names}: {e}"), fix)
        }
    }
}

/// Whether a window could be opened: whether an X server answers at the address in DISPLAY.
fn display() -> Check {
    let variable = |name: &str| std::env::var(name).ok().filter(|v| !v.is_empty());
    let Some(address) = variable("DISPLAY") else {
        return match variable("WAYLAND_DISPLAY") {
            Some(_) => Check::trouble(
                "display",
                State::Absent,
                "Wayland without Xwayland",
                "install Xwayland: windows are opened through X11",
            ),
            None => Check::trouble(
                "display",
                State::Absent,
                "DISPLAY is not set",
                "run in a desktop session, or write the result to a file or a browser instead of a window",
            ),
        };
    };
    match connect(&address) {
        Ok(()) => Check::ok("display", format!("an X server answers at {address}")),
        Err(reason) => Check::trouble(
            "display",
            State::Absent,
            format!("no X server at {address}: {reason}"),
            "set DISPLAY to a running X server, or write the result to a file or a browser instead of a window",
        ),
    }
}

/// Connects to the X server at `address`, `[HOST]:DISPLAY[.SCREEN]`.
fn connect(address: &str) -> std::result::Result<(), String> {
    use std::net::{TcpStream, ToSocketAddrs};
    use std::time::Duration;

    let (host, rest) = address.rsplit_once(':').ok_or("not of the form HOST:NUMBER")?;
    let number: u16 = rest.split('.').next().unwrap_or_default().parse().map_err(|_| "no display number")?;
    if host.is_empty() || host == "unix" {
        return local(number).map_err(|e| e.to_string());
    }
    let port = 6000u16.checked_add(number).ok_or("no such display number")?;
    let target = (host, port).to_socket_addrs().map_err(|e| e.to_string())?.next().ok_or("unknown host")?;
    TcpStream::connect_timeout(&target, Duration::from_secs(2)).map(drop).map_err(|e| e.to_string())
}

#[cfg(unix)]
fn local(number: u16) -> std::io::Result<()> {
    use std::os::unix::net::UnixStream;

    let path = format!("/tmp/.X11-unix/X{number}");
    UnixStream::connect(&path).map(drop).or_else(|e| abstract_socket(&path).map_err(|_| e))
}

/// Some X servers listen at the abstract address only.
#[cfg(target_os = "linux")]
fn abstract_socket(path: &str) -> std::io::Result<()> {
    use std::os::linux::net::SocketAddrExt;
    use std::os::unix::net::{SocketAddr, UnixStream};

    UnixStream::connect_addr(&SocketAddr::from_abstract_name(path)?).map(drop)
}

#[cfg(all(unix, not(target_os = "linux")))]
fn abstract_socket(_: &str) -> std::io::Result<()> {
    Err(std::io::ErrorKind::Unsupported.into())
}

#[cfg(not(unix))]
fn local(_: u16) -> std::io::Result<()> {
    Err(std::io::ErrorKind::Unsupported.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_without_a_server_are_refused_with_a_reason() {
        for address in ["", "nonsense", ":", ":x", ":61234.0", "localhost:59999"] {
            assert!(!connect(address).unwrap_err().is_empty(), "{address}");
        }
    }
}
