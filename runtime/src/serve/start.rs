//! The start page: what the running program does, with ways to it, and how to start the rest.

use super::sealed::sealed;
use super::{Answer, Pages, Request, Route};

/// The page: markup and style in one.
const PAGE: &str = include_str!("start.html");

/// What stands in it for a few words about the program.
const ABOUT: &str = "{{about}}";

/// What a program with pages does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Job {
    /// Finds keypoints in live pictures.
    Keypoints,
    /// Has a photo move as the face in them.
    Reenactment,
    /// Edits a photo.
    Editor,
}

impl Job {
    /// All that there are.
    pub const ALL: [Self; 3] = [Self::Keypoints, Self::Reenactment, Self::Editor];

    /// What its page is called.
    pub fn title(self) -> &'static str {
        match self {
            Self::Keypoints => "Live keypoints",
            Self::Reenactment => "Re-enactment",
            Self::Editor => "Face editor",
        }
    }

    /// Where its page is.
    pub fn path(self) -> &'static str {
        match self {
            Self::Keypoints | Self::Reenactment => "/live",
            Self::Editor => "/edit",
        }
    }

    /// What starts it.
    pub fn command(self) -> &'static str {
        match self {
            Self::Keypoints => "runtime webcam --serve",
            Self::Reenactment => "runtime --bundle models/portrait128 reenact --source photo.jpg --serve",
            Self::Editor => "runtime edit --serve",
        }
    }

    /// What stands in the page for the way to it.
    fn mark(self) -> &'static str {
        match self {
            Self::Keypoints => "{{keypoints}}",
            Self::Reenactment => "{{reenactment}}",
            Self::Editor => "{{editor}}",
        }
    }
}

/// The route of the start page.
pub struct StartPages {
    page: String,
}

impl StartPages {
    /// The start page of a program that does `jobs`, with a few words `about` it.
    pub fn new(jobs: &[Job], about: &str) -> Self {
        let way = |job: Job| match jobs.contains(&job) {
            true => format!("<a class=\"button main\" href=\"{}\">Open</a>", job.path()),
            false => format!(
                "<p class=\"off\">Does not run now. This starts it:</p><code>{}</code>",
                job.command()
            ),
        };
        let page =
            Job::ALL.into_iter().fold(PAGE.to_owned(), |page, job| page.replace(job.mark(), &way(job)));
        Self { page: page.replace(ABOUT, &escaped(about)) }
    }
}

impl Pages for StartPages {
    fn routes(&self) -> &'static [Route] {
        &[("GET", "/")]
    }

    fn answer(&self, _request: &Request) -> Option<Answer> {
        Some(sealed(&self.page).into())
    }
}

/// A text that stands in a page as it is: no markup, and nothing that is replaced.
fn escaped(text: &str) -> String {
    let one = |c: char| match c {
        '<' | '>' | '&' | '"' | '\'' | '{' | '}' => format!("&#{};", u32::from(c)),
        c => c.to_string(),
    };
    text.chars().map(one).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(pages: &StartPages) -> String {
        match pages.answer(&Request::default()) {
            Some(Answer::Whole(response)) => String::from_utf8(response.body.into_owned()).unwrap(),
            _ => panic!("no page"),
        }
    }

    #[test]
    fn what_runs_is_a_way_and_the_rest_a_command() {
        let pages = StartPages::new(&[Job::Reenactment, Job::Editor], "faces \u{b7} <b>{{nonce}}.mp4");
        let page = text(&pages);
        for there in
            [r#"href="/live""#, r#"href="/edit""#, Job::Keypoints.command(), "&#60;b&#62;&#123;&#123;nonce"]
        {
            assert_eq!(page.matches(there).count(), 1, "{there}");
        }
        assert!(!page.contains(Job::Editor.command()) && !page.contains("{{") && !page.contains("<b>"));
    }
}
