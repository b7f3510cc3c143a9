//! The quick part of `scripts/test-page-attacks`: attacks on a real server, none of which may get through.

#![allow(clippy::unwrap_used)]

use std::path::Path;
use std::process::Command;

use workspace_tests::program;

#[test]
fn no_attack_gets_through() {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../scripts/test-page-attacks");
    let output = Command::new(script).arg("--quick").env("RUNTIME", program("runtime")).output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{said}{}", String::from_utf8_lossy(&output.stderr));
    let count = said.lines().last().and_then(|line| line.strip_suffix(" passed, 0 failed"));
    let count: u32 = count.and_then(|n| n.parse().ok()).unwrap_or_else(|| panic!("{said}"));
    assert!(count > 1000, "{said}");
    println!("{count} attacks");
}
