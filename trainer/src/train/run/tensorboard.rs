//! TensorBoard event files: scalars and pictures by step.
//!
//! A file is a row of TFRecords: length (u64, little endian), masked CRC32C of the length, data, masked CRC32C of the
//! data; the data is an `Event` protocol buffer (field numbers of TensorFlow's `event.proto` and `summary.proto`).

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};

use prost::Message;

use crate::error::{Error, Result};

/// First record of every file.
const VERSION: &str = "brain.Event:2";
/// A longer record is taken for damage.
const MAX_RECORD: u64 = 64 << 20;

#[derive(Clone, PartialEq, Message)]
struct Event {
    /// Seconds since 1970.
    #[prost(double, tag = "1")]
    wall_time: f64,
    #[prost(int64, tag = "2")]
    step: i64,
    #[prost(string, optional, tag = "3")]
    file_version: Option<String>,
    #[prost(message, optional, tag = "5")]
    summary: Option<Summary>,
}

#[derive(Clone, PartialEq, Message)]
struct Summary {
    #[prost(message, repeated, tag = "1")]
    value: Vec<Value>,
}

#[derive(Clone, PartialEq, Message)]
struct Value {
    #[prost(string, tag = "1")]
    tag: String,
    #[prost(float, optional, tag = "2")]
    simple_value: Option<f32>,
    #[prost(message, optional, tag = "4")]
    image: Option<Picture>,
}

/// `Summary.Image`.
#[derive(Clone, PartialEq, Message)]
struct Picture {
    #[prost(int32, tag = "1")]
    height: i32,
    #[prost(int32, tag = "2")]
    width: i32,
    /// 3 is RGB.
    #[prost(int32, tag = "3")]
    colorspace: i32,
    #[prost(bytes = "vec", tag = "4")]
    encoded_image_string: Vec<u8>,
}

/// Appends to one event file. Nothing is kept open, so that a killed run loses nothing.
#[derive(Clone, Debug)]
pub struct EventFile {
    path: PathBuf,
}

impl EventFile {
    /// The event file in the folder `dir`, which need not exist yet.
    pub fn new(dir: &Path) -> Self {
        // TensorBoard takes any file with "tfevents" in its name; a fixed one lets a resumed run go on in it.
        Self { path: dir.join("events.out.tfevents.0000000000.run") }
    }

    /// Adds scalars of a step.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub fn scalars(&self, step: u64, values: &[(String, f64)]) -> Result<()> {
        let value =
            |(tag, v): &(String, f64)| Value { tag: tag.clone(), simple_value: Some(*v as f32), image: None };
        self.append(step, values.iter().map(value).collect())
    }

    /// Adds a picture, encoded as PNG, to a step.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub fn picture(&self, step: u64, tag: &str, png: &[u8], (width, height): (u32, u32)) -> Result<()> {
        let image = Picture {
            height: height as i32,
            width: width as i32,
            colorspace: 3,
            encoded_image_string: png.to_vec(),
        };
        self.append(step, vec![Value { tag: tag.to_owned(), simple_value: None, image: Some(image) }])
    }

    fn append(&self, step: u64, value: Vec<Value>) -> Result<()> {
        let wall_time = time::OffsetDateTime::now_utc().unix_timestamp_nanos() as f64 / 1e9;
        let mut bytes = Vec::new();
        if !self.path.exists() {
            if let Some(dir) = self.path.parent() {
                fs::create_dir_all(dir).map_err(Error::io(dir))?;
            }
            let version = Event { wall_time, step: 0, file_version: Some(VERSION.into()), summary: None };
            bytes.extend(frame(&version.encode_to_vec()));
        }
        let event =
            Event { wall_time, step: step as i64, file_version: None, summary: Some(Summary { value }) };
        bytes.extend(frame(&event.encode_to_vec()));
        let mut file = fs::OpenOptions::new()
            .create(true)
            .append(true)
            .open(&self.path)
            .map_err(Error::io(&self.path))?;
        file.write_all(&bytes).map_err(Error::io(&self.path))
    }

    /// Drops records of steps after `step`, which a resumed run writes anew, and whatever is cut short.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub fn trim(&self, step: u64) -> Result<()> {
        let Ok(content) = fs::read(&self.path) else { return Ok(()) };
        let mut kept = Vec::with_capacity(content.len());
        let mut rest = content.as_slice();
        while let Some((record, data, after)) = next(rest) {
            // A damaged record ends what TensorBoard reads, so nothing after it is worth keeping.
            let Ok(event) = Event::decode(data) else { break };
            if event.step <= step as i64 {
                kept.extend_from_slice(record);
            }
            rest = after;
        }
        if kept.len() == content.len() {
            return Ok(());
        }
        Ok(lkg_bundle::files::write_atomically(&self.path, &kept)?)
    }
}

/// The first record of `bytes`: all of it, its data, and what follows.
fn next(bytes: &[u8]) -> Option<(&[u8], &[u8], &[u8])> {
    let length = u64::from_le_bytes(*bytes.first_chunk::<8>()?);
    if length > MAX_RECORD {
        return None;
    }
    let end = 12 + length as usize;
    let check =
        |from: usize, of: &[u8]| bytes.get(from..from + 4).is_some_and(|c| c == masked_crc(of).to_le_bytes());
    let data = bytes.get(12..end)?;
    (check(8, &bytes[..8]) && check(end, data)).then(|| (&bytes[..end + 4], data, &bytes[end + 4..]))
}

/// `data` as a TFRecord.
fn frame(data: &[u8]) -> Vec<u8> {
    let length = (data.len() as u64).to_le_bytes();
    let mut record = Vec::with_capacity(data.len() + 16);
    record.extend(length);
    record.extend(masked_crc(&length).to_le_bytes());
    record.extend(data);
    record.extend(masked_crc(data).to_le_bytes());
    record
}

/// TensorFlow masks checksums, since a checksum of data that holds checksums is weak.
fn masked_crc(data: &[u8]) -> u32 {
    crc32c::crc32c(data).rotate_right(15).wrapping_add(0xa282_ead8)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn records(path: &Path) -> Vec<Event> {
        let content = fs::read(path).unwrap();
        let (mut rest, mut events) = (content.as_slice(), vec![]);
        while let Some((_, data, after)) = next(rest) {
            events.push(Event::decode(data).unwrap());
            rest = after;
        }
        assert!(rest.is_empty(), "{} bytes left over", rest.len());
        events
    }

    #[test]
    fn a_record_is_byte_for_byte_what_tensorboard_writes() {
        // Written by tensorboard 2.21 (PyPI): RecordWriter(f).write(Event(wall_time=1.5, step=3, …).SerializeToString())
        // with the scalar loss/a = 0.25.
        let event = Event {
            wall_time: 1.5,
            step: 3,
            file_version: None,
            summary: Some(Summary {
                value: vec![Value { tag: "loss/a".into(), simple_value: Some(0.25), image: None }],
            }),
        };
        assert_eq!(hex(&frame(&event.encode_to_vec())), KNOWN);
    }

    const KNOWN: &str =
        "1c00000000000000c8c1951d09000000000000f83f10032a0f0a0d0a066c6f73732f61150000803e059d63bb";

    fn hex(bytes: &[u8]) -> String {
        bytes.iter().map(|b| format!("{b:02x}")).collect()
    }

    #[test]
    fn a_resumed_run_repeats_no_step_and_drops_what_is_cut_short() {
        let dir = tempfile::tempdir().unwrap();
        let file = EventFile::new(&dir.path().join("gan"));
        file.trim(5).unwrap();
        for step in 1..=4 {
            file.scalars(step, &[("a".into(), step as f64)]).unwrap();
        }
        file.picture(4, "sheet", b"png", (3, 2)).unwrap();
        let whole = fs::read(&file.path).unwrap();
        fs::write(&file.path, &whole[..whole.len() - 3]).unwrap();
        file.trim(9).unwrap();
        assert_eq!(records(&file.path).iter().map(|e| e.step).collect::<Vec<_>>(), [0, 1, 2, 3, 4]);
        file.trim(2).unwrap();
        file.scalars(3, &[("a".into(), 3.0)]).unwrap();
        let events = records(&file.path);
        assert_eq!(events.iter().map(|e| e.step).collect::<Vec<_>>(), [0, 1, 2, 3]);
        assert_eq!(events[0].file_version.as_deref(), Some(VERSION));
    }
}
