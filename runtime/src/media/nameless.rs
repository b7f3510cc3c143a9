//! A file without a name: nothing of it stays, however the program ends.

use std::fs::File;
use std::io;
use std::os::fd::AsRawFd;
use std::path::PathBuf;

/// A file of this process that other programs reach while it lasts.
#[derive(Debug)]
pub(super) struct Nameless(File);

impl Nameless {
    /// An empty one, in the folder for temporary files.
    ///
    /// # Errors
    /// Those of the system.
    pub fn new() -> io::Result<Self> {
        tempfile::tempfile().map(Self)
    }

    /// Where it is opened, by this process and by others of this user.
    pub fn path(&self) -> PathBuf {
        format!("/proc/{}/fd/{}", std::process::id(), self.0.as_raw_fd()).into()
    }
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;

    /// A killed recording left its sound among the temporary files.
    #[test]
    fn other_programs_write_what_has_no_name() {
        let file = Nameless::new().unwrap();
        let written = Command::new("sh").args(["-c", "echo sound > \"$0\""]).arg(file.path()).status();
        assert!(written.unwrap().success());
        assert_eq!(std::fs::read(file.path()).unwrap(), b"sound\n");
        let name = std::fs::read_link(file.path()).unwrap();
        assert!(!name.exists(), "{}", name.display());
    }
}
