//! The field's words: none of the private ones that GLOSSARY.md lists under "Old names" is in the code, the documents or
//! the scripts. Where an old word must stay, as a name that is still read or written, its line says `alias`, `old name` or `serde(rename`.

use workspace_tests::checkout;

/// Old words and what to write. Upper case stands for itself, lower case for either; a blank stands for whatever joins words:
/// blanks, `_`, `-`, the end of a line, or nothing where a capital begins the next.
const WORDS: [(&[&str], &str); 19] = [
    (&["sureness"], "confidence"),
    (&["mend", "mends", "mended", "mending"], "fix"),
    (
        &["drawn again", "draw again", "draws again", "drawing again", "redrawn"],
        "reconstructed, reconstruct, reconstruction",
    ),
    (&["step length", "step lengths"], "learning rate"),
    (&["unheard"], "zero-initialised"),
    (&["critic", "critics"], "discriminator"),
    (&["judging terms", "judged terms", "judging loss"], "generator loss, discriminator loss"),
    (&["revisit", "revisits", "revisited"], "reconstruct, reconstruction"),
    (&["disguise", "disguises", "disguised"], "cycle augmentation"),
    (&["harden", "hardens", "hardened", "hardening"], "corrupt, corruption"),
    (&["Wish", "Wishes"], "Command"),
    (&["Standing"], "Status"),
    (&["Spares"], "FramePool"),
    (&["Puppet"], "Reenactor"),
    (&["Paster", "Composer", "Workbench"], "PhotoBlender, Compositor, Workspace"),
    (&["closer look", "closer looks", "look closer", "looks closer"], "refinement crop"),
    (
        &[
            "looks of",
            "s looks",
            "its look",
            "its looks",
            "their looks",
            "whose looks",
            "new looks",
            "same looks",
            "other looks",
            "the looks",
            "looks vector",
            "s look of",
            "of looks",
            "and looks",
            "looks and",
            "or looks",
        ],
        "appearance; embeddings, of the vectors",
    ),
    (&["generator rate", "discriminator rate", "inference rate"], "generator_learning_rate and so on"),
    (&["looks on", "look on"], "watches, a viewer"),
];

/// What is not read: records of the past, and the tables and tests of old names themselves.
const EXEMPT: [&str; 5] = [
    "docs/experiments/",
    "tests/fixtures/",
    "tests/tests/vocabulary.rs",
    "tests/tests/compatibility.rs",
    "trainer/src/config/migration.rs",
];

/// Which files are read.
fn is_read(path: &str) -> bool {
    let ends = |endings: &[&str]| endings.iter().any(|e| path.ends_with(e));
    let shipped = path.starts_with("models/") && path.ends_with("train.toml");
    let named = ends(&[".rs", ".md", ".html", ".js", ".css", ".toml", ".sh", ".py"]);
    (named || path.starts_with("scripts/") || path.starts_with("tests/camera-vm/"))
        && !shipped
        && !EXEMPT.iter().any(|e| path.starts_with(e))
}

/// A word of a text, and whether only what may join words stands before it.
struct Word<'a> {
    text: &'a str,
    line: usize,
    joined: bool,
}

/// The words of a text: letters up to the next capital after a small one, so that names fall apart into theirs.
fn words(text: &str) -> Vec<Word<'_>> {
    let mut words = Vec::new();
    for (i, line) in text.lines().enumerate() {
        // Where a comment wraps, its mark stands between the words.
        let content = line.trim_start().trim_start_matches(['/', '!', '#', '*', '>', '|']);
        let mut at = line.len() - content.len();
        let mut joined = true;
        while at < line.len() {
            let rest = &line[at..];
            let length = word_length(rest);
            if length > 0 {
                words.push(Word { text: &rest[..length], line: i + 1, joined });
                joined = true;
                at += length;
            } else {
                let Some(other) = rest.chars().next() else { break };
                joined &= matches!(other, ' ' | '_' | '-' | '`');
                at += other.len_utf8();
            }
        }
        // A line that ends in a stop ends a phrase, too.
        if !joined {
            words.push(Word { text: "", line: i + 1, joined: false });
        }
    }
    words
}

fn word_length(text: &str) -> usize {
    let mut small = false;
    for (at, letter) in text.char_indices() {
        if !letter.is_alphabetic() || (small && letter.is_uppercase()) {
            return at;
        }
        small = letter.is_lowercase();
    }
    text.len()
}

fn is_word(found: &str, wanted: &str) -> bool {
    match wanted.chars().next() {
        Some(first) if first.is_uppercase() => found == wanted,
        _ => found.eq_ignore_ascii_case(wanted),
    }
}

/// Every old word in `text`: line, word, and what to write.
fn old_words(text: &str) -> Vec<(usize, &'static str, &'static str)> {
    let words = words(text);
    let mut found = Vec::new();
    for (phrases, instead) in WORDS {
        for phrase in phrases {
            let parts: Vec<&str> = phrase.split(' ').collect();
            for window in words.windows(parts.len()) {
                let whole = window.iter().skip(1).all(|w| w.joined);
                if whole && window.iter().zip(&parts).all(|(word, part)| is_word(word.text, part)) {
                    found.push((window[0].line, *phrase, instead));
                }
            }
        }
    }
    let excused = |line: usize| {
        let text = text.lines().nth(line - 1).unwrap_or_default();
        ["alias", "old name", "serde(rename"].iter().any(|excuse| text.contains(excuse))
    };
    found.retain(|(line, ..)| !excused(*line));
    found.sort_unstable();
    found.dedup_by_key(|(line, ..)| *line);
    found
}

/// What is read of a file: GLOSSARY and the reference of the configuration up to their tables of old names, CHANGELOG up to
/// what has been released.
fn read_part<'a>(path: &str, text: &'a str) -> &'a str {
    let end = match path {
        "GLOSSARY.md" => text.find("\n## Old names"),
        "docs/reference/configuration.md" => text.find("\n## Keys of earlier versions"),
        "CHANGELOG.md" => text.match_indices("\n## ").nth(1).map(|(at, _)| at),
        _ => None,
    };
    &text[..end.unwrap_or(text.len())]
}

#[test]
fn no_old_word_is_left() {
    let texts = checkout::texts();
    let read: Vec<_> = texts.iter().filter(|(path, _)| is_read(path)).collect();
    assert!(read.len() > 300, "{} files read", read.len());
    let mut faults = Vec::new();
    for (path, text) in read {
        for (line, word, instead) in old_words(read_part(path, text)) {
            faults.push(format!("{path}:{line}: \"{word}\": write {instead}"));
        }
    }
    assert!(faults.is_empty(), "{} old words:\n{}", faults.len(), faults.join("\n"));
}

#[test]
fn an_old_word_is_found_however_it_is_written() {
    for text in [
        "the step length",
        "Step lengths fall",
        "/// Adam's step\n    /// length at the start",
        "let step_length = 1;",
        "struct StepLength;",
        "to mend: run",
        "fn mend_hint()",
        "--set gan.generator_rate=1",
        "struct GanCritics",
        "a closer look",
        "the face's looks",
        "Wish::Quit",
    ] {
        assert_eq!(old_words(text).len(), 1, "{text}");
    }
    for text in [
        "step. Length",
        "a step of that length",
        "recommend amendments",
        "#[serde(alias = \"generator_rate\")]",
        "generator_learning_rate",
        "what a wish; standing on",
        "it looks at the picture",
        "critical",
    ] {
        assert_eq!(old_words(text), [], "{text}");
    }
}
