//! Standard output, with its errors.

use std::io::{BufWriter, StdoutLock, Write};

use serde::Serialize;

use crate::error::{Error, Result, printable};

/// Buffered standard output.
pub struct Output(BufWriter<StdoutLock<'static>>);

impl Output {
    /// Takes standard output.
    pub fn new() -> Self {
        Self(BufWriter::new(std::io::stdout().lock()))
    }

    /// Writes a line for people: nothing in it steers the terminal.
    ///
    /// # Errors
    /// [`Error::Io`]; see [`Error::is_broken_pipe`].
    pub fn line(&mut self, text: &str) -> Result<()> {
        writeln!(self.0, "{}", printable(text)).map_err(failed)
    }

    /// Writes text as it is.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub fn text(&mut self, text: &[u8]) -> Result<()> {
        self.0.write_all(text).map_err(failed)
    }

    /// Writes a value as JSON on one line.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub fn json(&mut self, value: &impl Serialize) -> Result<()> {
        let text = lkg_bundle::json::to_string(value).map_err(|e| failed(e.into()))?;
        writeln!(self.0, "{text}").map_err(failed)
    }

    /// Writes text that was made for it, if it could be.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub fn made(&mut self, text: std::io::Result<&[u8]>) -> Result<()> {
        self.text(text.map_err(failed)?)
    }

    /// Hands what is buffered to the reader.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub fn flush(&mut self) -> Result<()> {
        self.0.flush().map_err(failed)
    }
}

impl Default for Output {
    fn default() -> Self {
        Self::new()
    }
}

fn failed(source: std::io::Error) -> Error {
    Error::Io { what: "writing to standard output".to_owned(), source }
}
