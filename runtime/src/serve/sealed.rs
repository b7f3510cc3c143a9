use super::{Access, Response};

/// What stands in a page for a word that only its own style and script know.
const NONCE: &str = "{{nonce}}";

/// A page, markup, style and script in one, with a word of its own, so that nothing that gets into it can run.
pub(super) fn sealed(page: &str) -> Response {
    let Ok(nonce) = Access::new_token() else { return Response::text(503, "no randomness") };
    let policy = format!(
        "default-src 'none'; script-src 'nonce-{nonce}'; style-src 'nonce-{nonce}'; img-src 'self' blob: data:; \
         connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    );
    Response::content("text/html; charset=utf-8", page.replace(NONCE, &nonce).into_bytes())
        .with("Content-Security-Policy", policy)
}
