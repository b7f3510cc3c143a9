//! Values that are read from the name that people give them.

use std::ffi::OsStr;
use std::fmt::Display;
use std::marker::PhantomData;
use std::str::FromStr;

use clap::builder::TypedValueParser;
use clap::error::ErrorKind;
use clap::{Arg, Command, Error};

/// Reads a value by its type's [`FromStr`], and says of a wrong one what that says and no more: clap would begin with the
/// value itself, and an address may have a password in it.
#[derive(Debug)]
pub(super) struct ByName<T>(PhantomData<fn() -> T>);

impl<T> Clone for ByName<T> {
    fn clone(&self) -> Self {
        Self(PhantomData)
    }
}

/// The parser of a `T`.
pub(super) fn by_name<T>() -> ByName<T> {
    ByName(PhantomData)
}

impl<T> TypedValueParser for ByName<T>
where
    T: FromStr<Err: Display> + Clone + Send + Sync + 'static,
{
    type Value = T;

    fn parse_ref(&self, command: &Command, _: Option<&Arg>, value: &OsStr) -> Result<T, Error> {
        let text = value.to_str().ok_or_else(|| Error::new(ErrorKind::InvalidUtf8).with_cmd(command))?;
        text.parse().map_err(|e| Error::raw(ErrorKind::ValueValidation, format!("{e}\n")).with_cmd(command))
    }
}
