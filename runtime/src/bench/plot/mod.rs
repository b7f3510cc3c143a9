//! Drawings of a report: how the times of each measurement are spread, and what the steps take. One layout, put on a
//! page as SVG or into a picture.

mod layout;
mod scene;

use self::scene::Scene;
pub use self::scene::escape;
use super::executor::Series;
use super::export::{STEPS, headline, tables};
use super::report::{BenchReport, Measurement};
use super::table::millis;
use crate::error::{Error, Result};

/// How the page looks.
const STYLE: &str = "body{font-family:sans-serif;max-width:1100px;margin:1em auto;padding:0 1em;color:#1e2228}\
    svg{width:100%;height:auto}figure{margin:1.5em 0}.wide{overflow-x:auto}\
    table{border-collapse:collapse;font-size:.85em;font-variant-numeric:tabular-nums;margin:.5em 0 1.5em}\
    caption{text-align:left;font-weight:bold;padding:.3em 0}th,td{padding:.2em .7em;border-bottom:1px solid #e1e4e8;white-space:nowrap;text-align:left}\
    th{color:#787e86;font-weight:normal}th.n,td.n{text-align:right}.k{display:inline-block;width:.8em;height:.8em;margin-right:.5em}";

/// A page with the drawings and the tables in it. It fetches nothing.
pub fn html(report: &BenchReport, series: &[Series]) -> String {
    let item = |l: &String| format!("<li>{}</li>\n", escape(l));
    let lines: String = headline(report).iter().map(item).collect();
    let verdict = if report.verdict.valid { "VALID" } else { "INVALID" };
    let remarks: String = report.verdict.reasons.iter().chain(&report.warnings).map(item).collect();
    let steps: String = layout::with_steps(report).map(steps).collect();
    // Those of the steps have their own drawings above them.
    let tables = tables(report).into_iter().filter(|t| t.title != STEPS);
    let tables: String = tables.map(|t| t.to_html()).collect();
    format!(
        "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><title>runtime bench</title>\n\
         <meta name=\"viewport\" content=\"width=device-width\"><style>{STYLE}</style></head><body>\n\
         <h1>runtime bench: {verdict}</h1>\n<ul>\n{remarks}</ul>\n<ul>\n{lines}</ul>\n<figure>{}</figure>\n\
         {steps}{tables}</body></html>\n",
        layout::distributions(report, series).to_svg()
    )
}

/// The steps of a measurement: a bar, and a table of what its colours are.
fn steps(m: &Measurement) -> String {
    let sum = layout::sum_of_parts(m);
    let mut scene = Scene { width: layout::WIDTH, height: 26, shapes: Vec::new() };
    if sum > 0.0 {
        layout::step_bar(&mut scene, 0.0, m);
    }
    let mut parts = 0;
    let mut rows = String::new();
    for step in &m.steps {
        let (mut key, mut share) = (String::new(), "-".to_owned());
        if !layout::is_sum(&step.step) {
            let [r, g, b] = layout::step_colour(parts);
            key = format!("<span class=\"k\" style=\"background:rgb({r},{g},{b})\"></span>");
            share = format!("{:.1} %", 100.0 * step.times.p50 / sum.max(f64::MIN_POSITIVE));
            parts += 1;
        }
        let t = &step.times;
        let cells: String =
            [t.p50, t.p90, t.p99].map(|v| format!("<td class=\"n\">{}</td>", millis(v))).concat();
        rows +=
            &format!("<tr><td>{key}{}</td>{cells}<td class=\"n\">{share}</td></tr>\n", escape(&step.step));
    }
    format!(
        "<figure><table><caption>Steps of {}, ms</caption>\n<tr><th>step</th><th class=\"n\">p50</th>\
         <th class=\"n\">p90</th><th class=\"n\">p99</th><th class=\"n\">share of the sum</th></tr>\n{rows}</table>\n\
         {}</figure>\n",
        escape(&m.name),
        scene.to_svg()
    )
}

/// The drawings as a PNG.
///
/// # Errors
/// [`Error::Engine`] if the picture cannot be encoded.
pub fn png(report: &BenchReport, series: &[Series]) -> Result<Vec<u8>> {
    let picture = layout::draw(report, series).to_picture();
    let mut bytes = std::io::Cursor::new(Vec::new());
    picture
        .write_to(&mut bytes, image::ImageFormat::Png)
        .map_err(|e| Error::Engine { what: "the plot".to_owned(), reason: e.to_string() })?;
    Ok(bytes.into_inner())
}

#[cfg(test)]
mod tests {
    use super::super::testing::{report, series};
    use super::*;

    /// Columns were drawn as text of one piece, which browsers collapse, and there was no table.
    #[test]
    fn the_page_has_tables_and_text_as_wide_as_it_is() {
        let series = series(&[("fast <one>", &[100, 110, 400]), ("slow", &[20_000])]);
        let page = html(&report(&series), &series);
        assert!(!page.contains("textLength") && !page.contains("<one>"));
        for part in
            ["<caption>Warm, ms", "<caption>Steps of fast &lt;one&gt;, ms</caption>", "50.0 %", "class=\"k\""]
        {
            assert!(page.contains(part), "{part} not in\n{page}");
        }
        assert_eq!(page.matches("<table").count(), page.matches("</table>").count());
        assert_eq!(page.matches("<caption>Steps").count(), 2, "each once");
    }
}
