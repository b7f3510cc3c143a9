//! The folders of a crate depend on each other one way. This reads every `use` and every path of both crates, and fails
//! on an arrow that runs back and on a circle. `cargo test -p workspace-tests --test layers -- --nocapture` lists
//! the arrows.

#![allow(clippy::unwrap_used)]

#[path = "layers/paths.rs"]
mod paths;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;

use paths::{Reference, Source};
use workspace_tests::checkout;

/// One crate's folders, or one folder's, in layers.
struct Table {
    /// The folder with the crate's `lib.rs`.
    source: &'static str,
    /// The module whose folders these are, none for the crate itself.
    inside: Option<&'static str>,
    /// Folders and files, the lowest layer first. A folder may use those of lower layers, and those of its own as long as
    /// there is no circle.
    layers: &'static [&'static [&'static str]],
}

const TABLES: [Table; 3] = [
    Table {
        source: "trainer/src",
        inside: None,
        layers: &[
            &["error", "support"],
            &["config", "dataset", "plot", "onnx_runtime"],
            &["nets", "losses", "augment", "sample"],
            &["train"],
            &["subject", "semantics"],
            &["eval"],
            &["export"],
            &["cli"],
        ],
    },
    Table {
        source: "trainer/src",
        inside: Some("train"),
        layers: &[&["optim", "ranks"], &["run"], &["stages"], &["bench"]],
    },
    Table {
        source: "runtime/src",
        inside: None,
        layers: &[
            &["error", "frame", "interrupt"],
            &["engine"],
            &["vision"],
            &["media", "portrait"],
            &["live", "edit"],
            &["reenact", "serve"],
            &["bench"],
            &["cli", "internals"],
        ],
    },
];

/// Who uses whom, with every place.
type Arrows = BTreeMap<(String, String), Vec<Reference>>;

impl Table {
    fn name(&self) -> String {
        self.inside.map_or_else(|| self.source.to_owned(), |inside| format!("{}/{inside}", self.source))
    }

    /// The folder of this table that a module or item is in; none outside, and for what lies in the root itself.
    fn folder<'a>(&self, path: &'a [String]) -> Option<&'a str> {
        let path = match self.inside {
            None => path,
            Some(inside) if path.first().is_some_and(|first| first == inside) => &path[1..],
            Some(_) => return None,
        };
        path.first().map(String::as_str)
    }

    fn folders<'a>(&self, source: &'a Source) -> BTreeSet<&'a str> {
        source.modules.iter().filter_map(|module| self.folder(module)).collect()
    }

    fn arrows(&self, source: &Source) -> Arrows {
        let known = self.folders(source);
        let mut arrows = Arrows::new();
        for reference in &source.references {
            let Some(from) = self.folder(&reference.module) else { continue };
            // What a root itself defines or hands on has no layer.
            let Some(to) = self.folder(&reference.target).filter(|to| known.contains(to)) else { continue };
            if from != to {
                arrows.entry((from.to_owned(), to.to_owned())).or_default().push(reference.clone());
            }
        }
        arrows
    }

    fn layer(&self, folder: &str) -> Option<usize> {
        self.layers.iter().position(|layer| layer.contains(&folder))
    }

    /// Everything wrong with the arrows, a line each.
    fn faults(&self, source: &Source, arrows: &Arrows) -> Vec<String> {
        let (name, folders) = (self.name(), self.folders(source));
        let missing = folders.iter().filter(|f| self.layer(f).is_none());
        let mut faults: Vec<String> =
            missing.map(|f| format!("{name}/{f} is in no layer of the table")).collect();
        let listed = self.layers.iter().copied().flatten().filter(|f| !folders.contains(*f));
        faults.extend(listed.map(|f| format!("{name}/{f} is in the table and not in the crate")));
        for ((from, to), places) in arrows {
            let (Some(low), Some(high)) = (self.layer(from), self.layer(to)) else { continue };
            if high > low {
                let places =
                    places.iter().map(|p| format!("\n    {}:{}: {}", p.file, p.line, p.target.join("::")));
                faults.push(format!(
                    "{name}: {from} uses {to}, which lies above it{}",
                    places.collect::<String>()
                ));
            }
        }
        faults.extend(circles(arrows).into_iter().map(|c| format!("{name}: a circle, {c}")));
        faults
    }

    /// The table as CONTRIBUTING has it.
    fn markdown(&self) -> String {
        let mut text =
            format!("| layer of `{}` | folders and files | may use |\n|---|---|---|\n", self.name());
        for (i, layer) in self.layers.iter().enumerate() {
            let names: Vec<String> = layer.iter().map(|f| format!("`{f}`")).collect();
            let below = match i {
                0 => "nothing below".to_owned(),
                1 => "layer 1".to_owned(),
                _ => format!("layers 1 to {i}"),
            };
            writeln!(text, "| {} | {} | {below} |", i + 1, names.join(", ")).unwrap();
        }
        text
    }

    /// The arrows as a listing, a folder a line, lowest first.
    fn listing(&self, arrows: &Arrows) -> String {
        let mut text = format!("{} ({} arrows)\n", self.name(), arrows.len());
        let mut folders: Vec<&String> = arrows.keys().map(|(from, _)| from).collect();
        folders.dedup();
        folders.sort_by_key(|folder| (self.layer(folder), (*folder).clone()));
        for folder in folders {
            let uses = arrows.iter().filter(|((from, _), _)| from == folder);
            let uses: Vec<String> = uses.map(|((_, to), places)| format!("{to} {}", places.len())).collect();
            writeln!(text, "  {folder} -> {}", uses.join(", ")).unwrap();
        }
        text
    }
}

/// Every circle, each once, as "a -> b -> a"; of circles through the same folders, the one that is found first.
fn circles(arrows: &Arrows) -> Vec<String> {
    let mut found: BTreeMap<BTreeSet<&str>, String> = BTreeMap::new();
    for (from, to) in arrows.keys() {
        if let Some(way) = way(arrows, to, from) {
            let names: Vec<&str> = std::iter::once(from.as_str()).chain(way).collect();
            found.entry(names.iter().copied().collect()).or_insert_with(|| names.join(" -> "));
        }
    }
    found.into_values().collect()
}

/// The shortest way along arrows, both ends in it.
fn way<'a>(arrows: &'a Arrows, from: &'a str, to: &str) -> Option<Vec<&'a str>> {
    let mut ways = vec![vec![from]];
    let mut seen = BTreeSet::from([from]);
    while !ways.is_empty() {
        if let Some(way) = ways.iter().find(|way| way.last() == Some(&to)) {
            return Some(way.clone());
        }
        let mut longer = Vec::new();
        for way in ways {
            for (_, next) in arrows.keys().filter(|(start, _)| way.last() == Some(&start.as_str())) {
                if seen.insert(next) {
                    longer.push([way.clone(), vec![next.as_str()]].concat());
                }
            }
        }
        ways = longer;
    }
    None
}

#[test]
fn no_arrow_runs_back_and_there_is_no_circle() {
    let mut faults = Vec::new();
    for table in TABLES {
        let source = paths::read(&checkout::root(), table.source);
        assert!(source.references.len() > 100, "{}: {} paths read", table.source, source.references.len());
        let arrows = table.arrows(&source);
        println!("{}", table.listing(&arrows));
        faults.extend(table.faults(&source, &arrows));
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

#[test]
fn contributing_has_the_same_tables() {
    let contributing = checkout::read("CONTRIBUTING.md");
    for table in TABLES {
        let wanted = table.markdown();
        assert!(
            contributing.contains(&wanted),
            "CONTRIBUTING.md lacks this table as it stands here:\n\n{wanted}"
        );
    }
}

mod made_up {
    use std::fs;

    use super::*;

    /// A crate with `files`, its faults against a table of two layers.
    fn faults(files: &[(&str, &str)]) -> Vec<String> {
        let dir = tempfile::tempdir().unwrap();
        for (path, text) in files {
            let path = dir.path().join("src").join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        let table = Table { source: "src", inside: None, layers: &[&["low", "base"], &["high"]] };
        let source = paths::read(dir.path(), "src");
        table.faults(&source, &table.arrows(&source))
    }

    fn of_low(low: &str) -> Vec<String> {
        let lib =
            "mod base; mod low; mod high; pub use high::Top; pub mod face { pub use crate::high::Best; }";
        let high = "use crate::{low::A, base}; fn f() { super::low::g() }";
        faults(&[("lib.rs", lib), ("low/mod.rs", low), ("base.rs", "fn f() {}"), ("high/mod.rs", high)])
    }

    #[test]
    fn arrows_down_and_in_tests_pass() {
        assert_eq!(
            of_low("pub struct A; use crate::base::B; use super::base; use std::fs;"),
            Vec::<String>::new()
        );
        assert_eq!(of_low("#[cfg(test)] mod tests { use crate::high::X; }"), Vec::<String>::new());
        assert_eq!(of_low("#[cfg(test)] mod tests;"), Vec::<String>::new());
        assert_eq!(of_low("/// See [`crate::high`].\npub(in crate::low) struct A;"), Vec::<String>::new());
    }

    #[test]
    fn every_way_to_write_an_arrow_back_is_found() {
        for low in [
            "use crate::high::X;",
            "use crate::{base, high::{X, Y}};",
            "use crate::high as h;",
            "use super::high::*;",
            "mod inner { use super::super::high::X; }",
            "fn f() { crate::high::g(); }",
            "fn f() -> crate::high::X { todo!() }",
            "fn f() { println!(\"{}\", crate::high::g()); }",
            "struct A { #[serde(default = \"crate::high::g\")] a: u8 }",
            "use crate::Top;",
            "fn f(top: crate::face::Best) {}",
            "#[cfg(not(test))] use crate::high::X;",
        ] {
            let faults = of_low(low);
            assert!(
                faults
                    .iter()
                    .any(|f| f.contains("src: low uses high, which lies above it\n    src/low/mod.rs:1: ")),
                "{low}: {faults:?}"
            );
            assert!(faults.iter().any(|f| f == "src: a circle, high -> low -> high"), "{low}: {faults:?}");
        }
    }

    #[test]
    fn circles_of_one_layer_and_folders_without_a_layer_are_found() {
        let files = [
            ("lib.rs", "mod base; mod low; mod more;"),
            ("base.rs", "use crate::low::A;"),
            ("low.rs", "use crate::base::B;"),
            ("more.rs", "fn f() {}"),
        ];
        let wanted = [
            "src/more is in no layer of the table",
            "src/high is in the table and not in the crate",
            "src: a circle, base -> low -> base",
        ];
        assert_eq!(faults(&files), wanted);
    }
}
