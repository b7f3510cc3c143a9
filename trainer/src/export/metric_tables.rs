//! Measured numbers as tables of the card: what is measured in one way stands together, and the way is described once.

use std::fmt::Write;

use lkg_bundle::manifest::Metric;

/// Metrics of one protocol, or of one name and protocols that differ in numbers alone.
struct Group<'a> {
    metrics: Vec<&'a Metric>,
}

/// All `metrics` as Markdown, a section for each way of measuring.
pub fn write(metrics: &[Metric]) -> String {
    let mut groups: Vec<Group> = vec![];
    for metric in metrics {
        match groups.iter_mut().find(|group| group.takes(metric)) {
            Some(group) => group.metrics.push(metric),
            None => groups.push(Group { metrics: vec![metric] }),
        }
    }
    groups.iter().map(Group::markdown).collect::<Vec<_>>().join("\n")
}

impl Group<'_> {
    fn takes(&self, metric: &Metric) -> bool {
        self.metrics.iter().all(|m| m.protocol == metric.protocol)
            || self.metrics.iter().all(|m| {
                stem(&m.name) == stem(&metric.name)
                    && clauses(&m.protocol).len() == clauses(&metric.protocol).len()
            })
    }

    fn markdown(&self) -> String {
        let same = self.metrics.iter().all(|m| m.protocol == self.metrics[0].protocol);
        let rows: Vec<Vec<&str>> = self
            .metrics
            .iter()
            .map(|m| if same { vec![m.protocol.as_str()] } else { clauses(&m.protocol) })
            .collect();
        let (mut shared, mut columns) = (vec![], vec![]);
        for i in 0..rows.first().map_or(0, Vec::len) {
            let clause: Vec<&str> = rows.iter().map(|row| row[i]).collect();
            if clause.iter().all(|c| *c == clause[0]) {
                shared.push(clause[0]);
            } else {
                columns.push(Column::of(&clause));
            }
        }
        let mut stems: Vec<&str> = vec![];
        for metric in &self.metrics {
            let stem = stem(&metric.name);
            if !stems.contains(&stem) {
                stems.push(stem);
            }
        }
        let mut text = format!("### {}\n\n{}.\n\n| what | value | n |", stems.join(", "), shared.join("; "));
        columns.iter().for_each(|c| {
            let _ = write!(text, " {} |", c.heading);
        });
        let _ = write!(text, "\n|---|---|---|{}\n", "---|".repeat(columns.len()));
        for (i, m) in self.metrics.iter().enumerate() {
            // A KID is a few hundredths.
            let digits = if m.value.abs() < 0.1 && !m.unit.starts_with('%') { 3 } else { 2 };
            let value = format!("{:.digits$} {}", m.value, m.unit);
            let _ = write!(text, "| {} | {} | {} |", m.name, value.trim_end(), m.n);
            columns.iter().for_each(|c| {
                let _ = write!(text, " {} |", c.cells[i]);
            });
            text.push('\n');
        }
        text
    }
}

/// A part of the protocol that differs from row to row.
struct Column {
    /// The words that all begin with.
    heading: String,
    /// What follows them.
    cells: Vec<String>,
}

impl Column {
    fn of(clauses: &[&str]) -> Self {
        let words: Vec<Vec<&str>> = clauses.iter().map(|c| c.split(' ').collect()).collect();
        let same = |i: usize| words.iter().all(|w| w.len() > i + 1 && w[i] == words[0][i]);
        let shared = (0..).take_while(|i| same(*i)).count();
        let heading = match shared {
            0 => "protocol".to_owned(),
            n => words[0][..n].join(" "),
        };
        Self { heading, cells: words.iter().map(|w| w[shared..].join(" ")).collect() }
    }
}

/// The name of a metric without the set in brackets.
fn stem(name: &str) -> &str {
    name.split_once(" (").map_or(name, |(stem, _)| stem)
}

/// The parts of a protocol.
fn clauses(protocol: &str) -> Vec<&str> {
    protocol.split("; ").flat_map(|part| part.split(", ")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn metric(name: &str, value: f64, unit: &str, protocol: &str) -> Metric {
        Metric { name: name.into(), value, unit: unit.into(), n: 300, protocol: protocol.into() }
    }

    #[test]
    fn one_protocol_is_described_once_and_what_differs_is_a_column() {
        let error = |set: &str, value: f64, low: f64| {
            let protocol = format!("linear regression, interval {low:.2} to 9.00; through `detect`");
            metric(&format!("landmark error ({set})"), value, "%", &protocol)
        };
        let lost = |set: &str| metric(&format!("faces lost ({set})"), 0.0, "% of pictures", "not kept");
        let metrics = [
            error("wild", 4.2, 3.9),
            lost("wild"),
            error("wild, dark", 4.9, 4.5),
            lost("wild, dark"),
            metric("KID (net)", 0.0154, "", "2000 pictures"),
            metric("FID (net)", 17.2, "", "2000 pictures"),
        ];
        let want = "### landmark error\n\nlinear regression; through `detect`.\n\n\
            | what | value | n | interval |\n|---|---|---|---|\n\
            | landmark error (wild) | 4.20 % | 300 | 3.90 to 9.00 |\n\
            | landmark error (wild, dark) | 4.90 % | 300 | 4.50 to 9.00 |\n\n\
            ### faces lost\n\nnot kept.\n\n| what | value | n |\n|---|---|---|\n\
            | faces lost (wild) | 0.00 % of pictures | 300 |\n\
            | faces lost (wild, dark) | 0.00 % of pictures | 300 |\n\n\
            ### KID, FID\n\n2000 pictures.\n\n| what | value | n |\n|---|---|---|\n\
            | KID (net) | 0.015 | 300 |\n| FID (net) | 17.20 | 300 |\n";
        assert_eq!(write(&metrics), want);
    }

    #[test]
    fn protocols_of_different_parts_stand_apart() {
        let (a, b) = (metric("e (x)", 1.0, "", "p, q"), metric("e (y)", 2.0, "", "p"));
        assert_eq!(write(&[a, b]).matches("### e\n").count(), 2);
        assert_eq!(write(&[]), "");
    }
}
