//! Notes what the program was built from, for the reports of `runtime bench`.

use std::process::Command;

fn main() {
    let output = |program: &str, arguments: &[&str]| {
        let output = Command::new(program).args(arguments).output().ok().filter(|o| o.status.success())?;
        Some(String::from_utf8_lossy(&output.stdout).trim().to_owned())
    };
    let rustc = std::env::var("RUSTC").unwrap_or_else(|_| "rustc".to_owned());
    println!("cargo::rustc-env=LKG_RUSTC={}", output(&rustc, &["--version"]).unwrap_or_default());
    let commit = output("git", &["describe", "--always", "--dirty", "--abbrev=12", "--exclude=*"]);
    println!("cargo::rustc-env=LKG_GIT={}", commit.unwrap_or_default());
    // Optimised otherwise than the workspace says, the program is another one.
    let mut settings: Vec<String> = std::env::vars()
        .filter(|(name, _)| name.starts_with("CARGO_PROFILE_RELEASE_") || name == "RUSTFLAGS")
        .map(|(name, value)| format!("{name}={value}"))
        .collect();
    settings.sort();
    println!("cargo::rustc-env=LKG_SETTINGS={}", settings.join(" "));
    for name in ["LTO", "CODEGEN_UNITS", "INCREMENTAL", "OPT_LEVEL", "DEBUG_ASSERTIONS"] {
        println!("cargo::rerun-if-env-changed=CARGO_PROFILE_RELEASE_{name}");
    }
    println!("cargo::rerun-if-env-changed=RUSTFLAGS");
    // Sources of this crate, and the commit that is checked out (in a linked work tree git tells where it lies).
    println!("cargo::rerun-if-changed=src");
    println!("cargo::rerun-if-changed=build.rs");
    if let Some(head) = output("git", &["rev-parse", "--git-path", "logs/HEAD"])
        && std::path::Path::new(&head).exists()
    {
        println!("cargo::rerun-if-changed={head}");
    }
}
