//! `run.json`: who trained what on which machine, one entry for each time that a stage was started.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use tch::Device;

use crate::error::{Error, Result};
use crate::support::machine;

/// Version of the layout.
const SCHEMA_VERSION: u32 = 1;

/// The content of `run.json`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Sessions {
    /// Version of the layout.
    pub schema_version: u32,
    /// In the order in which they were started.
    pub sessions: Vec<Session>,
}

impl Sessions {
    /// The content of the file at `path`; no sessions if there is no such file.
    ///
    /// # Errors
    /// [`Error::Data`] if the file does not parse, [`Error::Io`].
    pub fn read(path: &Path) -> Result<Self> {
        if !path.exists() {
            return Ok(Self { schema_version: SCHEMA_VERSION, sessions: vec![] });
        }
        let text = std::fs::read_to_string(path).map_err(Error::io(path))?;
        let reason = |e| format!("not a record of sessions ({e}); move it away and try again");
        serde_json::from_str(&text).map_err(|e| Error::Data { path: path.to_owned(), reason: reason(e) })
    }

    /// The machines, each once, in the order in which they came in.
    pub fn machines(&self) -> Vec<&str> {
        let mut machines = Vec::new();
        for session in &self.sessions {
            if !machines.contains(&session.machine.as_str()) {
                machines.push(session.machine.as_str());
            }
        }
        machines
    }
}

/// One process that trained.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Session {
    /// UTC.
    pub started: String,
    /// `gan` or `detector`.
    pub stage: String,
    /// Steps done before.
    pub first_step: u64,
    /// Revision that the trainer was built from.
    pub revision: String,
    /// Processor and cores, and the GPU that computed, if one did.
    pub machine: String,
    /// Program and arguments.
    pub command: Vec<String>,
    /// Folders, archives and pictures learned from.
    pub data: Vec<PathBuf>,
    /// Pictures in them that could be used.
    pub pictures: u64,
}

impl Session {
    /// This process, about to train `stage` from `first_step` on, on `device`.
    pub fn now(stage: &str, first_step: u64, data: &[PathBuf], pictures: u64, device: Device) -> Self {
        Self {
            started: machine::now(),
            stage: stage.to_owned(),
            first_step,
            revision: machine::REVISION.to_owned(),
            machine: machine::describe_on(device),
            command: std::env::args_os().map(|a| a.to_string_lossy().into_owned()).collect(),
            data: data.to_vec(),
            pictures,
        }
    }

    /// Adds the session to the file at `path`, one line in the log of the terminal as well.
    ///
    /// # Errors
    /// [`Error::Data`] if the file does not parse, [`Error::Io`].
    pub fn add_to(self, path: &Path) -> Result<()> {
        eprintln!("trainer {} on {}: {} pictures", self.revision, self.machine, self.pictures);
        let mut all = Sessions::read(path)?;
        all.sessions.push(self);
        let fail = |e: serde_json::Error| Error::Data { path: path.to_owned(), reason: e.to_string() };
        let text = serde_json::to_string_pretty(&all).map_err(fail)? + "\n";
        Ok(lkg_bundle::files::write_atomically(path, text.as_bytes())?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sessions_add_up() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("run.json");
        Session::now("gan", 0, &["a.zip".into()], 7, Device::Cpu).add_to(&path).unwrap();
        Session::now("detector", 12, &["a.zip".into()], 7, Device::Cpu).add_to(&path).unwrap();
        let all = Sessions::read(&path).unwrap();
        assert_eq!((all.schema_version, all.sessions.len(), all.sessions[1].first_step), (1, 2, 12));
        assert_eq!(all.machines(), [machine::describe()]);
        assert!(Sessions::read(&dir.path().join("none.json")).unwrap().machines().is_empty());
        assert!(!all.sessions[0].machine.is_empty() && all.sessions[0].started.ends_with('Z'));
        std::fs::write(&path, "{").unwrap();
        assert!(Session::now("gan", 0, &[], 0, Device::Cpu).add_to(&path).is_err());
    }
}
