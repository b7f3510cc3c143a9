//! The file itself: tables of values to arguments of commands, each checked as the flag's own definition checks it.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use clap::builder::ValueRange;
use clap::{Arg, ArgAction, Command};
use lkg_bundle::files::read_at_most;
use toml::{Table, Value};

use super::{FLAG, exclude, shown};
use crate::error::{Error, Result, one_line};

/// Largest file that is read, in bytes.
const MAX_BYTES: u64 = 1 << 20;

/// What is wrong is said in a sentence, to which file and table are added.
type Checked<T> = std::result::Result<T, String>;

/// What a key of the file stands for.
#[derive(Clone, Debug, PartialEq)]
pub struct Setting {
    /// The flag's long name.
    pub flag: String,
    /// The arguments in its place; none for a switch that is off.
    pub arguments: Vec<String>,
}

/// A file whose keys and values are all known and right.
#[derive(Debug)]
pub struct ConfigFile {
    path: PathBuf,
    /// Settings of every command.
    common: Vec<Setting>,
    /// Those of single commands.
    tables: BTreeMap<String, Vec<Setting>>,
}

/// A flag's long name; empty for what has none.
pub fn long_of(arg: &Arg) -> &str {
    arg.get_long().unwrap_or_default()
}

/// The flags of a command, those of every command among them, that the file can set.
pub fn settable(command: &Command) -> impl Iterator<Item = &Arg> {
    let out = [FLAG, "help", "version", ""];
    command.get_arguments().filter(move |arg| !arg.is_hide_set() && !out.contains(&long_of(arg)))
}

/// Commands that have a table.
pub fn commands(program: &Command) -> impl Iterator<Item = &Command> {
    program.get_subcommands().filter(|command| command.get_name() != "help")
}

impl ConfigFile {
    /// Reads the file at `path`, for the command line that `program` defines.
    ///
    /// # Errors
    /// [`Error::Usage`] that names file, table and key, and what is known there.
    pub fn read(path: &Path, program: &Command) -> Result<Self> {
        let refuse = |reason: &str| Error::Usage(format!("{}: {reason}", shown(path)));
        if !path.exists() {
            return Err(refuse("no such configuration file; runtime config says where it is looked for"));
        }
        let content = read_at_most(path, MAX_BYTES)?;
        let text = String::from_utf8(content).map_err(|_| refuse("not UTF-8 text"))?;
        Self::parse(path, &text, program)
    }

    pub(super) fn parse(path: &Path, text: &str, program: &Command) -> Result<Self> {
        let refuse = |reason: String| Error::Usage(format!("{}: {reason}", shown(path)));
        let content: Table = toml::from_str(text).map_err(|e| {
            let line =
                e.span().map_or(1, |span| text[..span.start.min(text.len())].matches('\n').count() + 1);
            refuse(format!("line {line}: {}", one_line(e.message())))
        })?;
        let mut file = Self { path: path.to_owned(), common: Vec::new(), tables: BTreeMap::new() };
        for (key, value) in &content {
            match (value, commands(program).find(|command| command.get_name() == key)) {
                (Value::Table(table), Some(command)) => {
                    let one = |(key, value): (&String, &Value)| {
                        let place = format!("[{}]", command.get_name());
                        setting(command, key, value, &place).map_err(|e| refuse(format!("{place} {e}")))
                    };
                    file.tables.insert(key.clone(), table.iter().map(one).collect::<Result<_>>()?);
                }
                (Value::Table(_), None) => {
                    let known: Vec<&str> = commands(program).map(Command::get_name).collect();
                    return Err(refuse(format!("[{key}]: no such table; there are {}", known.join(", "))));
                }
                (_, Some(_)) => {
                    return Err(refuse(format!("{key}: this is a command: write its flags below [{key}]")));
                }
                (value, None) => {
                    let setting = common(program, key, value).map_err(refuse)?;
                    file.common.push(setting);
                }
            }
        }
        Ok(file)
    }

    /// Where it lies.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The settings of a command: its own, and those of every command that it has none for.
    pub fn of(&self, command: &str) -> Vec<&Setting> {
        let own = self.tables.get(command).map(Vec::as_slice).unwrap_or_default();
        let others = self.common.iter().filter(|s| !own.iter().any(|own| own.flag == s.flag));
        own.iter().chain(others).collect()
    }

    /// The flags that are set, by table; those of every command come first, without a name.
    pub fn tables(&self) -> impl Iterator<Item = (&str, &[Setting])> {
        let tables = self.tables.iter().map(|(name, settings)| (name.as_str(), settings.as_slice()));
        std::iter::once(("", self.common.as_slice())).chain(tables)
    }

    /// Checks that nothing in a command's table rules out something else there.
    ///
    /// # Errors
    /// [`Error::Usage`] that names both.
    pub fn check_conflicts(&self, command: &Command) -> Result<()> {
        let settings = self.tables.get(command.get_name()).map(Vec::as_slice).unwrap_or_default();
        let on = || settings.iter().filter(|setting| !setting.arguments.is_empty());
        let arg = |setting: &Setting| command.get_arguments().find(|arg| long_of(arg) == setting.flag);
        for (i, a) in on().enumerate() {
            for b in on().skip(i + 1) {
                if let (Some(one), Some(other)) = (arg(a), arg(b))
                    && exclude(command, one, other)
                {
                    let (path, name) = (shown(&self.path), command.get_name());
                    let (a, b) = (&a.flag, &b.flag);
                    return Err(Error::Usage(format!("{path}: [{name}] {a} and {b} rule each other out")));
                }
            }
        }
        Ok(())
    }
}

/// A key before all tables.
fn common(program: &Command, key: &str, value: &Value) -> Checked<Setting> {
    let is_common = |arg: &&Arg| arg.is_global_set();
    let known: Vec<&Arg> = settable(program).filter(is_common).collect();
    if let Some(arg) = known.iter().find(|arg| is_called(arg, key)) {
        return one(arg, key, value);
    }
    let of = |command: &&Command| settable(command).any(|arg| is_called(arg, key));
    let tables: Vec<String> =
        commands(program).filter(of).map(|command| format!("[{}]", command.get_name())).collect();
    Err(match tables.is_empty() {
        true => format!("{key}: no such key; before all tables there may be {}", listed(&known)),
        false => format!("{key}: not a flag of every command: write it below {}", tables.join(" or ")),
    })
}

/// A key of a command's table.
fn setting(command: &Command, key: &str, value: &Value, place: &str) -> Checked<Setting> {
    let known: Vec<&Arg> = settable(command).collect();
    match known.iter().find(|arg| is_called(arg, key)) {
        Some(arg) => one(arg, key, value),
        None => Err(format!("{key}: no such key; {place} may have {}", listed(&known))),
    }
}

fn listed(flags: &[&Arg]) -> String {
    let mut names: Vec<&str> = flags.iter().map(|arg| long_of(arg)).collect();
    names.sort_unstable();
    names.join(", ")
}

/// Whether a flag has this name, or had it in an earlier version.
fn is_called(arg: &Arg, key: &str) -> bool {
    long_of(arg) == key || arg.get_all_aliases().is_some_and(|names| names.contains(&key))
}

fn one(arg: &Arg, key: &str, value: &Value) -> Checked<Setting> {
    let fail = |reason: String| format!("{key}: {reason}");
    let arguments = arguments(arg, value).map_err(fail)?;
    check(arg, &arguments).map_err(fail)?;
    Ok(Setting { flag: long_of(arg).to_owned(), arguments })
}

/// The arguments that a value stands for.
fn arguments(arg: &Arg, value: &Value) -> Checked<Vec<String>> {
    let flag = format!("--{}", long_of(arg));
    let values = arg.get_num_args().unwrap_or(ValueRange::SINGLE);
    let kind = value.type_str();
    let text = |value: &Value| match value {
        Value::String(text) => Ok(text.clone()),
        Value::Integer(n) => Ok(n.to_string()),
        Value::Float(v) => Ok(v.to_string()),
        other => Err(format!("text or a number is wanted, not {}", other.type_str())),
    };
    match value {
        Value::Boolean(on) if values.min_values() == 0 => Ok(on.then_some(flag).into_iter().collect()),
        _ if !values.takes_values() => Err(format!("true or false is wanted, not {kind}")),
        Value::Array(list) if matches!(arg.get_action(), ArgAction::Append) => {
            let texts: Vec<String> = list.iter().map(text).collect::<Checked<_>>()?;
            Ok(match values.min_values() > 1 {
                true => std::iter::once(flag).chain(texts).collect(),
                false => texts.into_iter().map(|text| format!("{flag}={text}")).collect(),
            })
        }
        Value::Array(_) => Err("one value is wanted, not several".to_owned()),
        value => Ok(vec![format!("{flag}={}", text(value)?)]),
    }
}

/// Holds arguments against the flag's own definition, whatever others there are.
fn check(arg: &Arg, arguments: &[String]) -> Checked<()> {
    let flag = format!("--{}", long_of(arg));
    let mut alone = Arg::new("value")
        .long("value")
        .action(arg.get_action().clone())
        .value_parser(arg.get_value_parser().clone())
        .allow_hyphen_values(arg.is_allow_hyphen_values_set());
    if let Some(values) = arg.get_num_args() {
        alone = alone.num_args(values);
    }
    if let Some(delimiter) = arg.get_value_delimiter() {
        alone = alone.value_delimiter(delimiter);
    }
    let renamed = arguments.iter().map(|word| match word.strip_prefix(&flag) {
        Some(value) => format!("--value{value}"),
        None => word.clone(),
    });
    let command = Command::new("runtime").no_binary_name(true).arg(alone);
    let Err(error) = command.try_get_matches_from(renamed) else { return Ok(()) };
    let text = error.to_string();
    let said = text.split("\n\nUsage:").next().unwrap_or_default();
    let said = said.split("\n\nFor more information").next().unwrap_or_default();
    let said = one_line(said.strip_prefix("error: ").unwrap_or(said));
    // "invalid value 'x' for '--value <value>': must be ..."
    let reason = said.split_once("'--value <value>': ").map(|(_, reason)| reason.to_owned());
    Err(reason.unwrap_or_else(|| said.replace("--value <value>", &flag)))
}
