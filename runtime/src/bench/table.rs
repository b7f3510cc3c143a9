//! Tables as text for a screen and as Markdown for a document, from the same cells.

/// Rows of cells under heads; the first column is text, the others are numbers.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Table {
    /// What stands above it.
    pub title: String,
    /// Heads of the columns.
    pub heads: Vec<&'static str>,
    /// Columns that hold text, so that they are set to the left.
    pub text_columns: usize,
    /// Rows, each as long as `heads`.
    pub rows: Vec<Vec<String>>,
}

impl Table {
    /// An empty table whose first `text_columns` columns are text.
    pub fn new(title: impl Into<String>, text_columns: usize, heads: &[&'static str]) -> Self {
        Self { title: title.into(), heads: heads.to_vec(), text_columns, rows: Vec::new() }
    }

    /// Lines for a screen.
    pub fn to_text(&self) -> String {
        let width = |column: usize| {
            let cells = self.rows.iter().map(|row| row[column].chars().count());
            cells.chain([self.heads[column].chars().count()]).max().unwrap_or(0)
        };
        let widths: Vec<usize> = (0..self.heads.len()).map(width).collect();
        let line = |cells: &[&str]| {
            let cells = cells.iter().zip(&widths).enumerate().map(|(i, (cell, width))| {
                if i < self.text_columns { format!("{cell:<width$}") } else { format!("{cell:>width$}") }
            });
            cells.collect::<Vec<_>>().join("  ").trim_end().to_owned() + "\n"
        };
        let mut text = format!("{}\n{}", self.title, line(&self.heads));
        for row in &self.rows {
            text += &line(&row.iter().map(String::as_str).collect::<Vec<_>>());
        }
        text
    }

    /// An HTML table.
    pub fn to_html(&self) -> String {
        let escape = super::plot::escape;
        let class = |i| if i < self.text_columns { "" } else { " class=\"n\"" };
        let line = |tag: &str, cells: &[&str]| {
            let cells: Vec<String> = cells
                .iter()
                .enumerate()
                .map(|(i, c)| format!("<{tag}{}>{}</{tag}>", class(i), escape(c)))
                .collect();
            format!("<tr>{}</tr>\n", cells.concat())
        };
        let rows: String = self
            .rows
            .iter()
            .map(|row| line("td", &row.iter().map(String::as_str).collect::<Vec<_>>()))
            .collect();
        format!(
            "<div class=\"wide\"><table><caption>{}</caption>\n{}{rows}</table></div>\n",
            escape(&self.title),
            line("th", &self.heads)
        )
    }

    /// Lines of Markdown.
    pub fn to_markdown(&self) -> String {
        let line = |cells: &[&str]| {
            let cells: Vec<String> = cells.iter().map(|c| c.replace('|', "\\|")).collect();
            format!("| {} |\n", cells.join(" | "))
        };
        let rule = |i| if i < self.text_columns { "---" } else { "---:" };
        let rules: Vec<&str> = (0..self.heads.len()).map(rule).collect();
        let mut text = format!("**{}**\n\n{}{}", self.title, line(&self.heads), line(&rules));
        for row in &self.rows {
            text += &line(&row.iter().map(String::as_str).collect::<Vec<_>>());
        }
        text
    }
}

/// Milliseconds with three significant digits or so: what lies beyond is noise.
pub fn millis(ms: f64) -> String {
    match ms {
        _ if ms >= 100.0 => format!("{ms:.0}"),
        _ if ms >= 10.0 => format!("{ms:.1}"),
        _ if ms >= 1.0 => format!("{ms:.2}"),
        _ if ms >= 0.1 => format!("{ms:.3}"),
        _ => format!("{ms:.4}"),
    }
}

/// Megabytes (of 1,000,000 bytes), or a dash.
pub fn megabytes(bytes: Option<u64>) -> String {
    bytes.map_or_else(|| "-".to_owned(), |b| format!("{:.1}", b as f64 / 1e6))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table() -> Table {
        let mut table = Table::new("Times", 1, &["what", "p50"]);
        table.rows.push(vec!["a|b".to_owned(), "1.25".to_owned()]);
        table.rows.push(vec!["longer".to_owned(), "10.5".to_owned()]);
        table
    }

    #[test]
    fn text_lines_up() {
        assert_eq!(table().to_text(), "Times\nwhat     p50\na|b     1.25\nlonger  10.5\n");
    }

    #[test]
    fn html_aligns_numbers_and_escapes() {
        let mut table = table();
        table.rows.push(vec!["<b>".to_owned(), "1".to_owned()]);
        let html = table.to_html();
        assert!(html.contains("<th>what</th><th class=\"n\">p50</th>"), "{html}");
        assert!(html.contains("<td>&lt;b&gt;</td><td class=\"n\">1</td>"), "{html}");
    }

    #[test]
    fn markdown_keeps_bars_out_of_the_way() {
        let expected = "**Times**\n\n| what | p50 |\n| --- | ---: |\n| a\\|b | 1.25 |\n| longer | 10.5 |\n";
        assert_eq!(table().to_markdown(), expected);
    }

    #[test]
    fn numbers_have_as_many_digits_as_they_deserve() {
        let texts = [1234.5, 99.96, 9.994, 0.12345, 0.012345].map(millis);
        assert_eq!(texts, ["1234", "100.0", "9.99", "0.123", "0.0123"]);
        assert_eq!((megabytes(Some(87_654_321)).as_str(), megabytes(None).as_str()), ("87.7", "-"));
    }
}
