//! Command lines, flags and links as documents, comments and help texts quote them.

/// A piece of a text, with the line that it begins in.
#[derive(Clone, Debug, PartialEq)]
pub struct Quoted {
    /// Line, from 1.
    pub line: usize,
    /// The text, on one line.
    pub text: String,
}

/// What stands between backticks; one that begins in a line may end in the next, where only a comment's mark may precede
/// the rest. Blocks between lines of three backticks are left out.
pub fn spans(text: &str) -> Vec<Quoted> {
    let mut spans: Vec<Quoted> = Vec::new();
    let (mut open, mut block) = (None::<Quoted>, false);
    for (i, line) in text.lines().enumerate() {
        let content = line.trim_start().trim_start_matches(['/', '!', '#', '*', '>']);
        if content.trim_start().starts_with("```") {
            (block, open) = (!block, None);
            continue;
        }
        if block {
            continue;
        }
        // A span does not reach over a paragraph's end, and not over more than one line's.
        if content.trim().is_empty() || open.as_ref().is_some_and(|o| i - o.line > 0) {
            open = None;
        }
        for (j, piece) in content.split('`').enumerate() {
            if j > 0 {
                match open.take() {
                    Some(span) => spans.push(span),
                    None => open = Some(Quoted { line: i + 1, text: String::new() }),
                }
            }
            if let Some(open) = &mut open {
                if !open.text.is_empty() {
                    open.text.push(' ');
                }
                open.text.push_str(piece.trim());
            }
        }
    }
    spans
}

/// The lines of blocks between lines of three backticks, those that end in a backslash joined with what follows.
pub fn block_lines(text: &str) -> Vec<Quoted> {
    let mut lines: Vec<Quoted> = Vec::new();
    let (mut block, mut joins) = (false, false);
    for (i, line) in text.lines().enumerate() {
        let content = line.trim_start().trim_start_matches("//!").trim_start_matches("///").trim();
        if content.starts_with("```") {
            (block, joins) = (!block, false);
            continue;
        }
        if !block {
            continue;
        }
        let part = content.trim_end_matches('\\').trim_end();
        match lines.last_mut().filter(|_| joins) {
            Some(last) => last.text = format!("{} {part}", last.text),
            None => lines.push(Quoted { line: i + 1, text: part.to_owned() }),
        }
        joins = content.ends_with('\\');
    }
    lines
}

/// The programs whose command lines are checked.
pub const PROGRAMS: [&str; 2] = ["runtime", "trainer"];

/// The commands of our programs in a quoted line, each as its words. What is piped, chained or redirected is split off, and
/// so are comments, variables and programs that only start another.
pub fn commands(quoted: &str) -> Vec<Vec<String>> {
    let plain = || quoted.split_whitespace().map(str::to_owned).collect();
    let words: Vec<String> = shlex::split(quoted).unwrap_or_else(plain);
    let ends = |word: &String| {
        matches!(word.as_str(), "|" | "||" | "&&" | ";" | "&" | ")" | "#")
            || word.starts_with(['>', '<']) && word.len() == 1
    };
    let mut found = Vec::new();
    for part in words.split(ends) {
        let starts = |word: &&String| {
            let known = ["sudo", "env", "exec", "time", "mpirun", "-n", "$", "nice", "do", "then"];
            let assigns = word.split_once('=').is_some_and(|(name, _)| {
                !name.is_empty()
                    && name.bytes().all(|b| b.is_ascii_uppercase() || b.is_ascii_digit() || b == b'_')
            });
            assigns || known.contains(&word.as_str()) || word.parse::<u32>().is_ok()
        };
        let before = part.iter().take_while(starts).count();
        let Some(program) = part.get(before) else { continue };
        let name = program.rsplit('/').next().unwrap_or_default();
        let in_path =
            ["", "./", "target/release/", "/usr/bin/"].iter().any(|p| *program == format!("{p}{name}"));
        let goes_on =
            |word: &String| word.starts_with(|c: char| c.is_ascii_alphanumeric() || "-<[{$".contains(c));
        if !PROGRAMS.contains(&name) || !in_path || !part.get(before + 1).is_some_and(goes_on) {
            continue;
        }
        let mut command = vec![name.to_owned()];
        let rest = part[before + 1..].iter().take_while(|w| !w.starts_with("2>") && !w.starts_with('>'));
        let rest = rest.filter(|word| *word != "[OPTIONS]");
        // Brackets mark what may be left out, dots what stands for more.
        let bare = rest.map(|w| w.trim_matches(['[', ']']).trim_end_matches("...").trim_end_matches(';'));
        command.extend(bare.filter(|w| !w.is_empty() && *w != "…").map(str::to_owned));
        found.push(command);
    }
    found
}

/// Names after `scripts/` in a text, with their lines; those that stand for several are left out.
pub fn scripts(text: &str) -> Vec<Quoted> {
    let mut found = Vec::new();
    for (i, line) in text.lines().enumerate() {
        for (at, _) in line.match_indices("scripts/") {
            let longer = line[..at].ends_with(|c: char| c.is_alphanumeric() || "/-_.$}".contains(c));
            let rest = &line[at..];
            let end =
                rest.find(|c: char| !(c.is_ascii_alphanumeric() || "/-_.".contains(c))).unwrap_or(rest.len());
            let several = rest[end..].starts_with(['*', '{', '<', '$', '%']);
            if !longer && !several {
                let name = rest[..end].trim_end_matches(['.', '/']);
                found.push(Quoted { line: i + 1, text: name.to_owned() });
            }
        }
    }
    found
}

/// Targets of links and pictures outside of code.
pub fn links(markdown: &str) -> Vec<Quoted> {
    let mut found = Vec::new();
    let mut block = false;
    for (i, line) in markdown.lines().enumerate() {
        block ^= line.trim_start().starts_with("```");
        if block {
            continue;
        }
        let outside: String = line.split('`').step_by(2).collect::<Vec<_>>().join("``");
        for (open, close) in [("](", ')'), ("src=\"", '"'), ("href=\"", '"')] {
            for (at, _) in outside.match_indices(open) {
                let rest = &outside[at + open.len()..];
                let target = &rest[..rest.find(close).unwrap_or(rest.len())];
                let target = target.split_whitespace().next().unwrap_or_default();
                found.push(Quoted { line: i + 1, text: target.to_owned() });
            }
        }
    }
    found
}

/// The anchors that a Markdown text's headings give.
pub fn anchors(markdown: &str) -> Vec<String> {
    let mut block = false;
    let mut found: Vec<String> = Vec::new();
    for line in markdown.lines() {
        block ^= line.trim_start().starts_with("```");
        let heading = line.trim_start_matches('#');
        if block || heading.len() == line.len() || !heading.starts_with(' ') {
            continue;
        }
        let kept = heading.trim().to_lowercase();
        let kept = kept.chars().filter(|c| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_'));
        let slug: String = kept.map(|c| if c == ' ' { '-' } else { c }).collect();
        let again = found.iter().filter(|f| **f == slug).count();
        found.push(if again == 0 { slug } else { format!("{slug}-{again}") });
    }
    found
}
