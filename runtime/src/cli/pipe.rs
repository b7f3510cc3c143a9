//! Files that may be pipes.

use std::fs::File;
use std::io::{self, ErrorKind, Read};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::time::{Duration, Instant};

use rustix::fs::OFlags;

use crate::error::{Error, Result};
use crate::interrupt;

/// How long a pipe may be silent.
const PATIENCE: Duration = Duration::from_secs(10);
/// Pause between looks at one that is.
const LOOK: Duration = Duration::from_millis(20);

/// Reads a file, or a pipe to its end, of at most `most` bytes. It ends with Ctrl-C, as opening or reading a pipe by the usual
/// way does not where nobody writes.
///
/// # Errors
/// [`Error::Io`] with the system's reason, also where it is longer or silent for 10 s, or [`Error::Interrupted`].
pub(super) fn read_patiently(path: &Path, most: u64) -> Result<Vec<u8>> {
    let failed = |source| Error::Io { what: path.display().to_string(), source };
    let flags = OFlags::NONBLOCK.bits() as i32;
    let file = File::options().read(true).custom_flags(flags).open(path).map_err(failed)?;
    let mut file = file.take(most + 1);
    let (mut content, mut block, mut heard) = (Vec::new(), [0; 1 << 14], Instant::now());
    loop {
        interrupt::check()?;
        match file.read(&mut block) {
            Ok(0) => break,
            Ok(n) => {
                content.extend_from_slice(&block[..n]);
                heard = Instant::now();
            }
            Err(e) if e.kind() == ErrorKind::Interrupted => {}
            Err(e) if e.kind() == ErrorKind::WouldBlock && heard.elapsed() < PATIENCE => {
                std::thread::sleep(LOOK);
            }
            Err(e) if e.kind() == ErrorKind::WouldBlock => {
                return Err(failed(io::Error::other(format!("nothing came in {} s", PATIENCE.as_secs()))));
            }
            Err(e) => return Err(failed(e)),
        }
    }
    if content.len() as u64 > most {
        return Err(failed(io::Error::other(format!("larger than {most} bytes"))));
    }
    Ok(content)
}
