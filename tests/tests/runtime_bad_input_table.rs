//! Everything that may come in through a door and is bad: `docs/reference/bad-input.md` says what each gives, and is what this
//! test finds. With `LKG_WRITE_TABLES=1` it is written anew.
//!
//! Every row is run in a folder of its own, with its exit code, the lines that it says, the files that it leaves, its processor
//! time and its memory held against what it may.

#![allow(clippy::unwrap_used)]

#[path = "runtime_bad_input_table/bundles.rs"]
mod bundles;
#[path = "runtime_bad_input_table/harness.rs"]
mod harness;
#[path = "runtime_bad_input_table/inputs.rs"]
mod inputs;
#[path = "runtime_bad_input_table/others.rs"]
mod others;
#[path = "runtime_bad_input_table/pictures.rs"]
mod pictures;
#[path = "runtime_bad_input_table/videos.rs"]
mod videos;

use std::fs;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use harness::Row;
use workspace_tests::checkout;

const DOCUMENT: &str = "docs/reference/bad-input.md";
/// Set to anything, it has the document written.
const WRITE: &str = "LKG_WRITE_TABLES";
/// Rows that are run at once.
const AT_ONCE: usize = 3;

const INTRO: &str = "\
# Bad input

What the programs do with input that is damaged, lies, never ends or was made to do harm: the command (`runtime` unless it
says `trainer`), its exit code ([commands.md](commands.md)), what it says on standard error without `runtime: error:` (of what
is no error the first line of its output), and what it takes at most: seconds of the processor and MB of memory, whatever a
file says of itself. What is refused leaves no file.

`tests/tests/runtime_bad_input_table.rs` runs every row, and fails where this page says something else; `LKG_WRITE_TABLES=1`
has it written anew. There is no `ffmpeg` in these rows but where one is named.
";

fn sections() -> Vec<(&'static str, Vec<Row>)> {
    vec![
        ("Pictures", pictures::rows()),
        ("Clips", videos::files()),
        ("Streams and programs", videos::streams()),
        ("Bundles", bundles::bundles()),
        ("Checkpoints", bundles::checkpoints()),
        ("Arguments", others::arguments()),
        ("Edits, faces, motion, configuration", others::scripts()),
        ("Environment", others::environment()),
        ("Disks and output", others::disks()),
        ("Signals", others::signals()),
    ]
}

#[test]
fn every_bad_input_gives_what_the_table_says() {
    let before = fs::read_to_string(checkout::root().join(DOCUMENT)).unwrap_or_default();
    let mut text = INTRO.to_owned();
    let (mut rows, mut lines) = (Vec::new(), Vec::new());
    for (title, section) in sections() {
        lines.push(format!(
            "\n## {title}\n\n| input | command | exit code | says | takes at most |\n|---|---|---|---|---|\n"
        ));
        for row in section {
            rows.push(Mutex::new(Some((lines.len(), row))));
            lines.push(String::new());
        }
    }
    let (next, wrong, done) = (AtomicUsize::new(0), Mutex::new(Vec::new()), Mutex::new(Vec::new()));
    std::thread::scope(|scope| {
        for _ in 0..AT_ONCE {
            scope.spawn(|| {
                while let Some(row) = rows.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let (at, row) = row.lock().unwrap().take().unwrap();
                    match row.run() {
                        Ok(line) => done.lock().unwrap().push((at, line)),
                        Err(what) => wrong.lock().unwrap().push(what),
                    }
                }
            });
        }
    });
    let wrong = wrong.into_inner().unwrap();
    for (at, line) in done.into_inner().unwrap() {
        lines[at] = format!("{line}\n");
    }
    text.extend(lines);
    if std::env::var_os(WRITE).is_some() {
        fs::write(checkout::root().join(DOCUMENT), &text).unwrap();
    }
    assert!(wrong.is_empty(), "{} rows:\n{}", wrong.len(), wrong.join("\n"));
    let others: Vec<&str> = text.lines().filter(|line| !before.lines().any(|old| old == *line)).collect();
    assert!(
        std::env::var_os(WRITE).is_some()
            || (others.is_empty() && text.lines().count() == before.lines().count()),
        "{DOCUMENT} says something else than what happens ({WRITE}=1 writes it anew):\n{}",
        others.join("\n")
    );
}
