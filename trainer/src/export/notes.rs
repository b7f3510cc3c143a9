//! Hand-written Markdown for the card, taken apart so that each section gets its place.

/// Sections on what the model is for, in lower case.
pub const USE: &[&str] = &["intended use", "use and limits", "use"];
/// Sections on what it can't do.
pub const LIMITS: &[&str] = &["limits", "limitations", "use and limits"];
/// Sections on how it came to be.
const HISTORY: &[&str] = &["history", "how it came about", "earlier versions"];

/// A section.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Section {
    /// Its heading.
    pub title: String,
    /// What stands below it.
    pub text: String,
}

/// The notes by their places on the card.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Notes {
    /// Before the first heading.
    pub opening: String,
    /// Use and limits, use before limits.
    pub first: Vec<Section>,
    /// All that is neither.
    pub middle: Vec<Section>,
    /// History.
    pub last: Vec<Section>,
}

impl Notes {
    /// Takes `markdown` apart at its headings of the second level; a fenced line is no heading.
    pub fn parse(markdown: &str) -> Self {
        let (mut notes, mut sections, mut fenced) = (Self::default(), Vec::<Section>::new(), false);
        for line in markdown.lines() {
            fenced ^= line.starts_with("```");
            match line.strip_prefix("## ").filter(|_| !fenced) {
                Some(title) => sections.push(Section { title: title.trim().to_owned(), text: String::new() }),
                None => {
                    let text = sections.last_mut().map_or(&mut notes.opening, |s| &mut s.text);
                    text.push_str(line);
                    text.push('\n');
                }
            }
        }
        notes.opening = notes.opening.trim().to_owned();
        for section in sections {
            let place = if names_one_of(&section.title, USE) || names_one_of(&section.title, LIMITS) {
                &mut notes.first
            } else if names_one_of(&section.title, HISTORY) {
                &mut notes.last
            } else {
                &mut notes.middle
            };
            place.push(section);
        }
        notes.first.sort_by_key(|s| !names_one_of(&s.title, USE));
        notes
    }
}

/// Whether a heading is one of `titles`, in whatever case.
pub fn names_one_of(title: &str, titles: &[&str]) -> bool {
    titles.contains(&title.to_lowercase().as_str())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn use_and_limits_come_first_and_history_last() {
        let text = "About it.\n\n## History\n\nold\n\n## Limits\n\nmany\n\n## Seen\n\n```\n## no heading\n```\n\n\
                    ## Intended use\n\nthis\n";
        let notes = Notes::parse(text);
        let titles = |sections: &[Section]| sections.iter().map(|s| s.title.clone()).collect::<Vec<_>>();
        assert_eq!(notes.opening, "About it.");
        assert_eq!(titles(&notes.first), ["Intended use", "Limits"]);
        assert_eq!(
            (titles(&notes.middle), titles(&notes.last)),
            (vec!["Seen".into()], vec!["History".into()])
        );
        assert!(notes.middle[0].text.contains("## no heading"));
        assert_eq!(Notes::parse(""), Notes::default());
    }
}
