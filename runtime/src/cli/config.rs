//! `runtime config`: where the configuration file is looked for, what it sets, and what it could.

use std::fmt::Write;

use clap::{Arg, ArgAction, Command};

use super::args::{Common, ConfigArgs};
use super::config_file::{ConfigFile, long_of, program, settable, usual_place};
use super::output::Output;
use crate::error::Result;

/// Runs the command; returns the exit code.
pub fn run(common: &Common, args: &ConfigArgs) -> Result<u8> {
    let mut output = Output::new();
    if args.template {
        output.text(template(&program()).as_bytes())?;
        output.flush()?;
        return Ok(0);
    }
    let named = common.config.clone();
    let Some(path) = named.clone().or_else(usual_place).filter(|path| !path.as_os_str().is_empty()) else {
        output.line("no configuration file is read")?;
        output.flush()?;
        return Ok(0);
    };
    let there = path.exists();
    if !there && named.is_none() {
        output.line(&format!("{}: not there; runtime config --template prints one", path.display()))?;
        output.flush()?;
        return Ok(0);
    }
    let file = ConfigFile::read(&path, &program())?;
    output.line(&file.path().display().to_string())?;
    for (table, settings) in file.tables().filter(|(_, settings)| !settings.is_empty()) {
        let flags: Vec<&str> = settings.iter().map(|setting| setting.flag.as_str()).collect();
        let table = if table.is_empty() { "every command".to_owned() } else { format!("[{table}]") };
        output.line(&format!("  {table}: {}", flags.join(", ")))?;
    }
    output.flush()?;
    Ok(0)
}

/// A file with every key, each as a remark.
pub(super) fn template(program: &Command) -> String {
    let mut text = String::from(
        "# Flags of the commands of `runtime`. Take away the # before a key to set it. A flag on the command line wins over\n\
         # this file, --FLAG=false takes back what is true here. Values are as on the command line.\n",
    );
    settable(program).filter(|arg| arg.is_global_set()).for_each(|arg| key(&mut text, arg));
    for command in program.get_subcommands() {
        let own: Vec<&Arg> = settable(command).filter(|arg| !arg.is_global_set()).collect();
        if !own.is_empty() {
            // Writing to a string does not fail.
            write!(text, "\n[{}]\n", command.get_name()).ok();
            own.into_iter().for_each(|arg| key(&mut text, arg));
        }
    }
    text
}

fn key(text: &mut String, arg: &Arg) {
    let help = arg.get_help().map(ToString::to_string).unwrap_or_default();
    let takes = arg.get_num_args().is_some_and(|n| n.takes_values());
    let default: Vec<String> =
        arg.get_default_values().iter().map(|value| value.to_string_lossy().into_owned()).collect();
    let names = arg.get_value_names().unwrap_or_default();
    let value = match &default[..] {
        _ if !takes => "true".to_owned(),
        [] => names.iter().map(|name| format!("{name:?}")).collect::<Vec<_>>().join(", "),
        [one] if one.parse::<f64>().is_ok() => one.clone(),
        [one] => format!("{one:?}"),
        several => several.join(", "),
    };
    let several = takes && matches!(arg.get_action(), ArgAction::Append);
    let value = if several { format!("[{value}]") } else { value };
    writeln!(text, "# {help}\n#{} = {value}", long_of(arg)).ok();
}
