//! What documents, comments and help texts tell a reader to type or to open is there: every command line of our programs
//! is parsed by them, every script, flag, link and picture exists.

#![allow(clippy::unwrap_used)]

#[path = "documented_commands/quoted.rs"]
mod quoted;

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::OnceLock;
use std::thread;

use quoted::PROGRAMS;
use workspace_tests::{checkout, program};

/// What an older version wrote, or what was done with one.
const EXEMPT: [&str; 4] =
    ["CHANGELOG.md", "docs/experiments/", "tests/fixtures/", "tests/tests/documented_commands"];

/// The texts that are held to what they say.
fn texts() -> Vec<(String, String)> {
    let ends = |path: &str| [".rs", ".md", ".html", ".toml", ".sh"].iter().any(|e| path.ends_with(e));
    let mut texts = checkout::texts();
    texts.retain(|(path, _)| {
        (ends(path) || path.starts_with("scripts/")) && !EXEMPT.iter().any(|exempt| path.starts_with(exempt))
    });
    texts
}

/// What `program ARGS --help` prints, or the reason why it does not: flags and values before are parsed all the same.
fn help(words: &[String]) -> Result<String, String> {
    // In a folder of its own, should a line be carried out after all.
    let folder = tempfile::tempdir().unwrap();
    let mut args = words[1..].to_vec();
    let at = args.iter().position(|a| a == "--").unwrap_or(args.len());
    if args.first().is_none_or(|first| first != "help") {
        args.insert(at, "--help".into());
    }
    let mut command = Command::new(program(&words[0]));
    command.args(&args).current_dir(folder.path()).stdin(Stdio::null()).env_remove("LKG_BUNDLE");
    let output = command.output().unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).trim().to_owned();
    if output.status.success() { Ok(text(&output.stdout)) } else { Err(text(&output.stderr)) }
}

/// Whether a word stands for what a reader fills in: `N`, `FILE`, `<FILE>`, `{}`, `$x`.
fn is_placeholder(word: &str) -> bool {
    let letters = || word.chars().filter(|c| c.is_alphabetic());
    word.contains(['{', '<', '$', '…']) || (letters().next().is_some() && letters().all(char::is_uppercase))
}

/// Why a command line can't be typed as it is, if so. A word may stand for a subcommand or a value, and a flag that is only
/// named needs no value.
fn fault_of_command(words: &[String]) -> Option<String> {
    let reason = help(words).err()?;
    let named = reason.contains("a value is required for") || reason.contains("none was supplied");
    let refused = reason.split('\'').nth(1).unwrap_or_default();
    let refused = refused.rsplit_once('=').map_or(refused, |(_, value)| value);
    let filled_in = is_placeholder(refused) && !reason.contains("unexpected argument");
    if named || filled_in { None } else { Some(reason) }
}

/// Help texts of our programs, of every subcommand: the words that lead to each, and the text.
fn help_texts() -> &'static BTreeMap<Vec<String>, String> {
    static TEXTS: OnceLock<BTreeMap<Vec<String>, String>> = OnceLock::new();
    TEXTS.get_or_init(|| {
        let mut texts = BTreeMap::new();
        let mut open: Vec<Vec<String>> = PROGRAMS.iter().map(|p| vec![(*p).to_owned()]).collect();
        while let Some(words) = open.pop() {
            let text = help(&words).unwrap();
            let listed = text.lines().skip_while(|l| *l != "Commands:").skip(1).take_while(|l| !l.is_empty());
            for line in listed.filter(|l| l.starts_with("  ") && !l.starts_with("   ")) {
                let name = line.split_whitespace().next().unwrap_or_default();
                if name != "help" {
                    open.push([words.clone(), vec![name.to_owned()]].concat());
                }
            }
            texts.insert(words, text);
        }
        texts
    })
}

/// Every flag that a help text lists, as `--name`.
fn flags() -> BTreeSet<String> {
    let lines = help_texts().values().flat_map(|text| text.lines());
    let listed = lines.map(str::trim_start).filter(|line| line.starts_with('-'));
    let long = listed.filter_map(|line| line.split([' ', ',', '[', '=']).find(|word| word.starts_with("--")));
    long.map(str::to_owned).collect()
}

/// Every command line quoted anywhere, and where it stands.
fn quoted_commands() -> BTreeMap<Vec<String>, Vec<String>> {
    let mut found: BTreeMap<Vec<String>, Vec<String>> = BTreeMap::new();
    let mut add = |place: &str, quoted: &quoted::Quoted| {
        for command in quoted::commands(&quoted.text) {
            found.entry(command).or_default().push(format!("{place}:{}", quoted.line));
        }
    };
    for (path, text) in texts() {
        quoted::spans(&text).iter().for_each(|span| add(&path, span));
        quoted::block_lines(&text).iter().for_each(|line| add(&path, line));
    }
    for (words, text) in help_texts() {
        let place = format!("`{} --help`", words.join(" "));
        quoted::spans(text).iter().for_each(|span| add(&place, span));
        for (i, line) in text.lines().enumerate().filter(|(_, line)| line.starts_with(' ')) {
            add(&place, &quoted::Quoted { line: i + 1, text: line.trim().to_owned() });
        }
    }
    found
}

fn assert_none(faults: &[String]) {
    assert!(faults.is_empty(), "{} faults:\n{}", faults.len(), faults.join("\n"));
}

#[test]
fn every_quoted_command_line_is_parsed() {
    let commands: Vec<_> = quoted_commands().into_iter().collect();
    assert!(commands.len() > 50, "{} found", commands.len());
    let check = |(words, places): &(Vec<String>, Vec<String>)| {
        let reason = fault_of_command(words)?;
        let reason = reason.lines().next().unwrap_or_default().to_owned();
        Some(format!("{}: {}\n    {reason}", places.join(", "), words.join(" ")))
    };
    // Programs take a while to start; some threads at once.
    let faults: Vec<String> = thread::scope(|scope| {
        let parts = commands.chunks(commands.len().div_ceil(4));
        let parts: Vec<_> = parts
            .map(|part| scope.spawn(move || part.iter().filter_map(check).collect::<Vec<_>>()))
            .collect();
        parts.into_iter().flat_map(|part| part.join().unwrap()).collect()
    });
    println!("{} command lines", commands.len());
    assert_none(&faults);
}

/// Flags of cargo and of others that documents name by themselves.
const OTHERS_FLAGS: [&str; 8] = [
    "--release",
    "--locked",
    "--offline",
    "--features",
    "--no-default-features",
    "--ignored",
    "--nocapture",
    "--no-deps",
];

#[test]
fn every_flag_named_by_itself_exists() {
    let flags = flags();
    assert!(flags.contains("--bundle") && flags.contains("--resume"), "{flags:?}");
    let texts = texts();
    let scripts: String =
        texts.iter().filter(|(path, _)| path.starts_with("scripts/")).map(|(_, t)| t.as_str()).collect();
    let mut faults = Vec::new();
    for (path, text) in texts.iter().filter(|(path, _)| path.ends_with(".md")) {
        for span in quoted::spans(text) {
            let flag = span.text.split([' ', '=', '[', ',']).next().unwrap_or_default();
            let known = flags.contains(flag)
                || OTHERS_FLAGS.contains(&flag)
                || scripts.contains(&format!("{flag} "))
                || scripts.contains(&format!("{flag})"));
            if flag.starts_with("--") && flag.len() > 2 && !known {
                faults.push(format!("{path}:{}: no flag {flag}", span.line));
            }
        }
    }
    assert_none(&faults);
}

fn script_faults(path: &str, text: &str) -> Vec<String> {
    let missing = |name: &str| !checkout::root().join(name).exists();
    let named = quoted::scripts(text).into_iter().filter(|script| missing(&script.text));
    named.map(|script| format!("{path}:{}: no {}", script.line, script.text)).collect()
}

#[test]
fn every_named_script_exists() {
    let faults: Vec<String> = texts().iter().flat_map(|(path, text)| script_faults(path, text)).collect();
    assert_none(&faults);
}

fn link_faults(path: &str, text: &str) -> Vec<String> {
    let folder = Path::new(path).parent().unwrap_or(Path::new(""));
    let mut faults = Vec::new();
    for link in quoted::links(text) {
        if ["http://", "https://", "mailto:"].iter().any(|scheme| link.text.starts_with(scheme)) {
            continue;
        }
        let (file, anchor) = link.text.split_once('#').unwrap_or((&link.text, ""));
        let target = if file.is_empty() { path.into() } else { folder.join(file) };
        let whole = checkout::root().join(&target);
        let has_anchor = || {
            let text = if file.is_empty() {
                text.to_owned()
            } else {
                std::fs::read_to_string(&whole).unwrap_or_default()
            };
            anchor.is_empty() || quoted::anchors(&text).iter().any(|a| a == anchor)
        };
        if (!whole.exists() && !file.is_empty()) || link.text.is_empty() {
            faults.push(format!("{path}:{}: no file {:?}", link.line, link.text));
        } else if !has_anchor() {
            faults.push(format!("{path}:{}: no heading {:?}", link.line, link.text));
        }
    }
    faults
}

#[test]
fn every_link_and_picture_of_the_documents_exists() {
    let mut texts = checkout::texts();
    texts.retain(|(path, _)| path.ends_with(".md") && !path.starts_with("tests/fixtures/"));
    assert!(texts.iter().any(|(_, text)| !quoted::links(text).is_empty()));
    let faults: Vec<String> = texts.iter().flat_map(|(path, text)| link_faults(path, text)).collect();
    assert_none(&faults);
}

mod made_up {
    use super::*;

    fn faults(text: &str) -> Vec<String> {
        let mut quoted = quoted::spans(text);
        quoted.extend(quoted::block_lines(text));
        let commands = quoted.iter().flat_map(|q| quoted::commands(&q.text)).collect::<Vec<_>>();
        assert!(!commands.is_empty(), "{text}");
        commands.iter().filter_map(|words| fault_of_command(words)).collect()
    }

    #[test]
    fn command_lines_that_can_be_typed_pass() {
        for text in [
            "see `runtime detect photo.jpg --json`",
            "```sh\n$ LKG_BUNDLE=x runtime edit photo.jpg \\\n    --out out.png # a comment\n```",
            "`runtime detect PHOTO [--out DIR]`",
            "a line that ends in `runtime\n/// detect photo.jpg`",
            "`runtime edit --out`, or `trainer export --onnx`",
            "`mpirun -n 2 trainer train … --ranks`",
            "`runtime generate --count N --out FILE`",
            "`ffmpeg -i a.mp4 -f yuv4mpegpipe - | runtime webcam - --headless`",
        ] {
            assert_eq!(faults(text), Vec::<String>::new(), "{text}");
        }
    }

    #[test]
    fn what_can_not_be_typed_is_found() {
        for text in [
            "`runtime detec photo.jpg`",
            "`runtime detect photo.jpg --jsn`",
            "`trainer evaluate landmarks`",
            "```sh\nruntime detect photo.jpg && trainer data pak pictures\n```",
            "```sh\nruntime edit photo.jpg \\\n  --paint nose\n```",
            "`runtime generate --count few --out x.png`",
        ] {
            assert_eq!(faults(text).len(), 1, "{text}");
        }
    }

    #[test]
    fn missing_scripts_links_and_headings_are_found() {
        assert_eq!(
            script_faults("a.md", "run `scripts/setup`, scripts/lib.sh. All of scripts/*"),
            Vec::<String>::new()
        );
        assert_eq!(script_faults("a.md", "\nrun scripts/bench-rivals."), ["a.md:2: no scripts/bench-rivals"]);
        let good = "[a](README.md) [b](#part-two) <img src=\"models/faces128/samples.jpg\"> `[c](d)`\n# Part `two`\n";
        assert_eq!(link_faults("a.md", good), Vec::<String>::new());
        for bad in ["[a](REDME.md)", "[a](#part)", "![a](models/none.jpg)", "<img src=\"none.jpg\">", "[a]()"]
        {
            assert_eq!(link_faults("a.md", bad).len(), 1, "{bad}");
        }
    }
}
