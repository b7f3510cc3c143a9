use super::{Access, Response};
use crate::media::picture::MAX_FILE_BYTES;

/// What stands in a page for a word that only its own style and script know.
const NONCE: &str = "{{nonce}}";

/// What stands in a page for the most MiB of a picture that is sent.
const MOST: &str = "{{most}}";

/// What pages share, and what stands in them for it.
const PARTS: [(&str, &str); 3] = [
    ("{{base.css}}", include_str!("parts/base.css")),
    ("{{base.js}}", include_str!("parts/base.js")),
    ("{{dialogs}}", include_str!("parts/dialogs.html")),
];

/// A page, markup, style and script in one, with a word of its own, so that nothing that gets into it can run.
pub(super) fn sealed(page: &str) -> Response {
    let Ok(nonce) = Access::new_token() else { return Response::text(503, "no randomness") };
    let policy = format!(
        "default-src 'none'; script-src 'nonce-{nonce}'; style-src 'nonce-{nonce}'; img-src 'self' blob: data:; \
         connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    );
    let whole = PARTS.iter().fold(page.to_owned(), |page, (mark, part)| page.replace(mark, part));
    let whole = whole.replace(MOST, &(MAX_FILE_BYTES >> 20).to_string()).replace(NONCE, &nonce);
    Response::content("text/html; charset=utf-8", whole.into_bytes()).with("Content-Security-Policy", policy)
}
