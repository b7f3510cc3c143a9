//! Who has a device open, for the message that says it is busy.

use std::path::Path;

/// Programs other than this one that have `device` open, as `NAME (process N)`, by number. What may not be looked at
/// (another user's programs) is left out.
pub(super) fn holders(device: &Path) -> Vec<String> {
    let Ok(processes) = std::fs::read_dir("/proc") else { return Vec::new() };
    let number = |entry: std::fs::DirEntry| entry.file_name().to_str()?.parse::<u32>().ok();
    let mut numbers: Vec<u32> = processes.flatten().filter_map(number).collect();
    numbers.sort_unstable();
    numbers
        .into_iter()
        .filter(|pid| *pid != std::process::id() && has_open(*pid, device))
        .map(|pid| {
            let name = std::fs::read_to_string(format!("/proc/{pid}/comm")).unwrap_or_default();
            format!("{} (process {pid})", name.trim())
        })
        .collect()
}

fn has_open(pid: u32, device: &Path) -> bool {
    let Ok(files) = std::fs::read_dir(format!("/proc/{pid}/fd")) else { return false };
    files.flatten().any(|file| std::fs::read_link(file.path()).is_ok_and(|target| target == device))
}

/// The holders in a sentence: `ffmpeg (process 7)`, or `another program` where none can be seen.
pub(super) fn sentence(device: &Path) -> String {
    match holders(device) {
        names if names.is_empty() => "another program".to_owned(),
        names => names.join(" and "),
    }
}

#[cfg(test)]
mod tests {
    use std::process::{Command, Stdio};

    use super::*;

    #[test]
    fn the_program_that_holds_a_file_is_named() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let path = file.path().canonicalize().unwrap();
        assert_eq!(sentence(&path), "another program", "this program does not count");
        let held = Stdio::from(file.reopen().unwrap());
        let mut child = Command::new("sleep").arg("60").stdin(held).spawn().unwrap();
        let said = sentence(&path);
        child.kill().unwrap();
        child.wait().unwrap();
        assert_eq!(said, format!("sleep (process {})", child.id()));
    }
}
