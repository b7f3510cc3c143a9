//! Writes the program's man page and shell completions into a folder, from the definition that its command line is parsed
//! with: what `scripts/package` puts into the package.
//!
//! ```sh
//! cargo run --release -p lkg-runtime --example manual -- FOLDER
//! ```

use std::path::PathBuf;

use clap::CommandFactory;
use clap_complete::Shell;
use lkg_runtime::internals::cli::Cli;

fn main() -> std::io::Result<()> {
    let Some(folder) = std::env::args_os().nth(1).map(PathBuf::from) else {
        eprintln!("manual: error: name the folder to write into");
        std::process::exit(2);
    };
    std::fs::create_dir_all(&folder)?;
    let mut command = Cli::command();
    clap_mangen::generate_to(command.clone(), &folder)?;
    for shell in [Shell::Bash, Shell::Zsh, Shell::Fish] {
        clap_complete::generate_to(shell, &mut command, "runtime", &folder)?;
    }
    Ok(())
}
