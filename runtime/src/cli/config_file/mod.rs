//! A configuration file: flags that somebody always wants, in a table for each command. Its values become arguments before the
//! command line is read, so that the definition of the flags alone says what there is.

mod file;
mod give_way;
#[cfg(test)]
mod tests;

use std::cell::LazyCell;
use std::collections::BTreeSet;
use std::env;
use std::ffi::OsString;
use std::path::{Path, PathBuf};

use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::parser::ValueSource;
use clap::{Arg, ArgMatches, Command, CommandFactory, Parser};

use self::file::Setting;
pub(super) use self::file::{ConfigFile, long_of, settable};
use super::args::Cli;
use super::log;
use crate::error::Error;

/// The flag that names the file.
pub(super) const FLAG: &str = "config";
/// Where it lies below the folder of a user's settings.
const PLACE: &str = "lkg/config.toml";

/// A command line with what the file adds to it.
#[derive(Debug)]
pub(super) struct Parsed {
    pub cli: Cli,
    /// The file and the flags that it gave, if there is one.
    pub applied: Option<(PathBuf, Vec<String>)>,
}

/// Why there is nothing to run.
#[derive(Debug)]
pub(super) enum Refused {
    /// What clap says of the line; help and version, too.
    Line(clap::Error),
    /// What is wrong with the file.
    File(Error),
}

impl From<clap::Error> for Refused {
    fn from(error: clap::Error) -> Self {
        Self::Line(error)
    }
}

/// Where the file is looked for if nothing names one: below `$XDG_CONFIG_HOME`, else `~/.config`.
pub(super) fn usual_place() -> Option<PathBuf> {
    let folder = |name: &str| env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
    folder("XDG_CONFIG_HOME").or_else(|| Some(folder("HOME")?.join(".config"))).map(|dir| dir.join(PLACE))
}

/// Holds the `text` of a file against the definition of the command line, as it is read before a run.
///
/// # Errors
/// [`Error::Usage`] that names table and key, and what is known there.
pub fn check_text(text: &str, program: &Command) -> Result<(), Error> {
    let file = ConfigFile::parse(Path::new("config.toml"), text, program)?;
    program.get_subcommands().try_for_each(|command| file.check_conflicts(command))
}

/// The definition of the command line, complete.
pub fn program() -> Command {
    let mut program = Cli::command();
    program.build();
    program
}

/// Reads the command line `words`, the program's name first, and the file that it or the environment names, or that lies in its
/// usual place.
pub(super) fn parse(words: Vec<OsString>) -> Result<Parsed, Refused> {
    // Most runs have no file, and need it not.
    let program: LazyCell<Command> = LazyCell::new(program);
    let whole_line = words.clone();
    let (words, taken_back) = take_back(words, &program);
    // What is missing may stand in the file, and other mistakes are found when all is read.
    let lenient = Cli::command().ignore_errors(true).try_get_matches_from(&words)?;
    let Some((name, matches)) = lenient.subcommand() else { return whole(words, None) };
    let has = |flag: &String| {
        program.find_subcommand(name).is_some_and(|c| settable(c).any(|arg| long_of(arg) == flag))
    };
    if !taken_back.iter().all(has) {
        // Of another command: clap says so.
        return whole(whole_line, None);
    }
    let path = match matches.try_get_one::<PathBuf>(FLAG).ok().flatten() {
        // These say what there is, whatever the file holds.
        _ if ["config", "completions"].contains(&name) => None,
        Some(none) if none.as_os_str().is_empty() => None,
        Some(named) => Some(named.clone()),
        None => usual_place().filter(|place| place.exists()),
    };
    let Some(path) = path else { return whole(words, None) };
    let Some(command) = program.find_subcommand(name) else { return whole(words, None) };
    let file = ConfigFile::read(&path, &program).map_err(Refused::File)?;
    file.check_conflicts(command).map_err(Refused::File)?;
    let given: Vec<&Arg> = command.get_arguments().filter(|arg| is_given(arg, matches)).collect();
    let mut settings: Vec<&Setting> = file.of(name);
    settings.retain(|setting| {
        let Some(arg) = command.get_arguments().find(|arg| long_of(arg) == setting.flag) else {
            return false;
        };
        let yields = |other: &&Arg| other.get_id() == arg.get_id() || exclude(command, arg, other);
        // Flag, variable, file, default: this variable is no clap's, so that nonsense for others in it stops nothing.
        let of_variable = setting.flag == "log" && env::var_os(log::VARIABLE).is_some_and(|v| !v.is_empty());
        !of_variable && !taken_back.contains(&setting.flag) && !given.iter().any(yields)
    });
    keep_what_applies(&mut settings, &given, name);
    let flags: Vec<String> = settings.iter().map(|setting| setting.flag.clone()).collect();
    let arguments = settings.iter().flat_map(|setting| &setting.arguments).map(OsString::from);
    let mut all = words;
    let end = all.iter().position(|word| *word == "--").unwrap_or(all.len());
    all.splice(end..end, arguments);
    whole(all, Some((path, flags)))
}

/// Reads a line that has all there is.
fn whole(words: Vec<OsString>, applied: Option<(PathBuf, Vec<String>)>) -> Result<Parsed, Refused> {
    let mut cli = Cli::try_parse_from(words)?;
    if let Some((_, flags)) = &applied {
        give_way::give_way(&mut cli.command, &flags.iter().map(String::as_str).collect());
    }
    Ok(Parsed { cli, applied })
}

/// Takes `--FLAG=false` off the line, which no flag without a value has: it takes back what the file sets. Gives what is left,
/// and those flags.
fn take_back(words: Vec<OsString>, program: &LazyCell<Command>) -> (Vec<OsString>, BTreeSet<String>) {
    let is_bare = |flag: &&str| {
        let mut flags = program.get_subcommands().flat_map(settable);
        flags.any(|arg| long_of(arg) == *flag && arg.get_num_args().is_some_and(|n| n.min_values() == 0))
    };
    let (mut left, mut taken, mut over) = (Vec::new(), BTreeSet::new(), false);
    for word in words {
        over |= word == "--";
        let flag = word.to_str().and_then(|text| text.strip_prefix("--")?.strip_suffix("=false"));
        match flag.filter(|flag| !over && is_bare(flag)) {
            Some(flag) => {
                taken.insert(flag.to_owned());
            }
            None => left.push(word),
        }
    }
    (left, taken)
}

/// Whether the line or the environment gives a flag.
fn is_given(arg: &Arg, matches: &ArgMatches) -> bool {
    let id = arg.get_id().as_str();
    if !matches.try_contains_id(id).unwrap_or(false) {
        return false;
    }
    match matches.value_source(id) {
        Some(ValueSource::CommandLine) => true,
        // A variable that is set to nothing counts as unset.
        Some(ValueSource::EnvVariable) => {
            matches.get_raw(id).is_some_and(|mut values| values.any(|value| !value.is_empty()))
        }
        _ => false,
    }
}

/// Whether two flags may not stand together.
fn exclude(command: &Command, a: &Arg, b: &Arg) -> bool {
    let one_way = |a: &Arg, b: &Arg| {
        !a.is_global_set()
            && command.get_arg_conflicts_with(a).iter().any(|other| other.get_id() == b.get_id())
    };
    one_way(a, b) || one_way(b, a)
}

/// Leaves out settings of flags that go with another one which is neither given nor set.
fn keep_what_applies(settings: &mut Vec<&Setting>, given: &[&Arg], command: &str) {
    let needs: Vec<Vec<String>> = settings.iter().map(|setting| needed(setting, command)).collect();
    let mut all: Vec<(&Setting, Vec<String>)> = settings.drain(..).zip(needs).collect();
    loop {
        let there: BTreeSet<String> = all.iter().map(|(setting, _)| setting.flag.clone()).collect();
        let is_there =
            |flag: &String| there.contains(flag) || given.iter().any(|arg| long_of(arg) == flag.as_str());
        let before = all.len();
        all.retain(|(_, needs)| needs.iter().all(is_there));
        if all.len() == before {
            break;
        }
    }
    settings.extend(all.into_iter().map(|(setting, _)| setting));
}

/// The flags without which this one is refused.
fn needed(setting: &Setting, command: &str) -> Vec<String> {
    let lax = Cli::command().mut_subcommand(command, |c| c.mut_args(|arg| arg.required(false)));
    let words = ["runtime", command].into_iter().chain(setting.arguments.iter().map(String::as_str));
    let Err(error) = lax.try_get_matches_from(words) else { return Vec::new() };
    match error.get(ContextKind::InvalidArg) {
        Some(ContextValue::Strings(missing)) if error.kind() == ErrorKind::MissingRequiredArgument => {
            let flag = |text: &String| {
                let name = text.strip_prefix("--")?.split([' ', '=', '[']).next()?;
                Some(name.to_owned())
            };
            missing.iter().filter_map(flag).collect()
        }
        _ => Vec::new(),
    }
}

/// What `path` is called in messages.
fn shown(path: &Path) -> String {
    path.display().to_string()
}
