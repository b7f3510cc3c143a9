//! Every path of a crate's source that leads from one module to another.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use proc_macro2::{TokenStream, TokenTree};
use syn::spanned::Spanned;
use syn::visit::{self, Visit};
use syn::{Attribute, Item, ItemMod, ItemUse, UseTree, Visibility};

/// A path in the source.
#[derive(Clone, Debug)]
pub struct Reference {
    /// The file, from the checkout's root.
    pub file: String,
    /// Its line.
    pub line: usize,
    /// The module that it stands in, from the crate's root.
    pub module: Vec<String>,
    /// What it names, from the crate's root.
    pub target: Vec<String>,
}

/// A crate's modules and the paths in them.
pub struct Source {
    /// Every module, from the crate's root.
    pub modules: Vec<Vec<String>>,
    /// Every path.
    pub references: Vec<Reference>,
}

/// Reads the crate whose `lib.rs` lies in `source` under `root`, but for what only its tests use. Names that the crate's
/// root hands on are followed to where they come from.
pub fn read(root: &Path, source: &str) -> Source {
    let read = Source { modules: Vec::new(), references: Vec::new() };
    let mut reader = Reader { root: root.to_owned(), source: read };
    let handed_on = reader.read(&PathBuf::from(source).join("lib.rs"), &mut Vec::new());
    for reference in &mut reader.source.references {
        let begins = |name: &&Vec<String>| reference.target.starts_with(name);
        if let Some(name) = handed_on.keys().rev().find(begins) {
            reference.target.splice(..name.len(), handed_on[name].iter().cloned());
        }
    }
    reader.source
}

struct Reader {
    root: PathBuf,
    source: Source,
}

impl Reader {
    /// Reads a file and those of its modules; returns what it hands on under names of its own.
    fn read(&mut self, file: &Path, module: &mut Vec<String>) -> BTreeMap<Vec<String>, Vec<String>> {
        let text =
            fs::read_to_string(self.root.join(file)).unwrap_or_else(|e| panic!("{}: {e}", file.display()));
        let parsed = syn::parse_file(&text).unwrap_or_else(|e| panic!("{}: {e}", file.display()));
        let name = file.file_stem().and_then(|s| s.to_str()).unwrap_or_default();
        let beside = file.parent().unwrap_or(Path::new(""));
        let folder = if matches!(name, "mod" | "lib") { beside.to_owned() } else { beside.join(name) };
        let mut handed_on = BTreeMap::new();
        hands_on(&parsed.items, &mut Vec::new(), &mut handed_on);
        let mut visitor = Visitor { reader: self, file: file.to_string_lossy().into_owned(), folder, module };
        visitor.visit_file(&parsed);
        handed_on
    }
}

struct Visitor<'a> {
    reader: &'a mut Reader,
    file: String,
    /// Where the files of the present module's modules lie.
    folder: PathBuf,
    module: &'a mut Vec<String>,
}

impl Visitor<'_> {
    /// Notes a path that begins with `crate`, `self` or `super`.
    fn note(&mut self, line: usize, path: &[String]) {
        let mut target = self.module.clone();
        let mut rest = path;
        while let Some((first, others)) = rest.split_first() {
            match first.as_str() {
                "crate" => target.clear(),
                "super" => drop(target.pop()),
                "self" => {}
                _ => break,
            }
            rest = others;
        }
        if rest.len() == path.len() {
            return;
        }
        target.extend_from_slice(rest);
        let (file, module) = (self.file.clone(), self.module.clone());
        self.reader.source.references.push(Reference { file, line, module, target });
    }

    /// Paths among tokens that are not parsed: arguments of macros and attributes.
    fn tokens(&mut self, tokens: TokenStream) {
        let tokens: Vec<TokenTree> = tokens.into_iter().collect();
        let mut i = 0;
        while i < tokens.len() {
            let mut path = Vec::new();
            let line = tokens[i].span().start().line;
            match &tokens[i] {
                TokenTree::Group(group) => self.tokens(group.stream()),
                TokenTree::Literal(literal) => {
                    let text = literal.to_string();
                    let text = text.trim_matches('"');
                    if text.starts_with("crate::") || text.starts_with("super::") {
                        path = text.split("::").map(str::to_owned).collect();
                    }
                }
                TokenTree::Ident(first) => {
                    path.push(first.to_string());
                    while let [TokenTree::Punct(a), TokenTree::Punct(b), TokenTree::Ident(next), ..] =
                        &tokens[i + 1..]
                        && a.as_char() == ':'
                        && b.as_char() == ':'
                    {
                        path.push(next.to_string());
                        i += 3;
                    }
                }
                TokenTree::Punct(_) => {}
            }
            self.note(line, &path);
            i += 1;
        }
    }
}

impl<'ast> Visit<'ast> for Visitor<'_> {
    fn visit_item(&mut self, item: &'ast Item) {
        let attributes: &[Attribute] = match item {
            Item::Const(i) => &i.attrs,
            Item::Enum(i) => &i.attrs,
            Item::Fn(i) => &i.attrs,
            Item::Impl(i) => &i.attrs,
            Item::Macro(i) => &i.attrs,
            Item::Mod(i) => &i.attrs,
            Item::Static(i) => &i.attrs,
            Item::Struct(i) => &i.attrs,
            Item::Trait(i) => &i.attrs,
            Item::Type(i) => &i.attrs,
            Item::Use(i) => &i.attrs,
            _ => &[],
        };
        if !attributes.iter().any(is_for_tests) {
            visit::visit_item(self, item);
        }
    }

    fn visit_impl_item_fn(&mut self, item: &'ast syn::ImplItemFn) {
        if !item.attrs.iter().any(is_for_tests) {
            visit::visit_impl_item_fn(self, item);
        }
    }

    fn visit_item_mod(&mut self, item: &'ast ItemMod) {
        let name = item.ident.to_string();
        // What lies in the crate's root file is the root's.
        if self.module.is_empty() && item.content.is_some() {
            return visit::visit_item_mod(self, item);
        }
        self.module.push(name.clone());
        self.reader.source.modules.push(self.module.clone());
        match &item.content {
            Some((_, items)) => {
                self.folder.push(&name);
                items.iter().for_each(|item| self.visit_item(item));
                self.folder.pop();
            }
            None => {
                let flat = self.folder.join(format!("{name}.rs"));
                let file = if self.reader.root.join(&flat).is_file() {
                    flat
                } else {
                    self.folder.join(&name).join("mod.rs")
                };
                self.reader.read(&file, self.module);
            }
        }
        self.module.pop();
    }

    fn visit_item_use(&mut self, item: &'ast ItemUse) {
        let line = item.span().start().line;
        let mut paths = Vec::new();
        leaves(&item.tree, &mut Vec::new(), &mut |path, _| paths.push(path.to_vec()));
        paths.iter().for_each(|path| self.note(line, path));
    }

    fn visit_path(&mut self, path: &'ast syn::Path) {
        let names: Vec<String> = path.segments.iter().map(|s| s.ident.to_string()).collect();
        self.note(path.span().start().line, &names);
        visit::visit_path(self, path);
    }

    fn visit_macro(&mut self, call: &'ast syn::Macro) {
        self.visit_path(&call.path);
        self.tokens(call.tokens.clone());
    }

    fn visit_attribute(&mut self, attribute: &'ast Attribute) {
        if let syn::Meta::List(list) = &attribute.meta {
            self.tokens(list.tokens.clone());
        }
    }

    /// Who may see an item is no use of where that is.
    fn visit_visibility(&mut self, _: &'ast Visibility) {}
}

/// Notes the names that public `use`s among `items` give, here and in modules within the file, and where each comes from.
fn hands_on(items: &[Item], module: &mut Vec<String>, into: &mut BTreeMap<Vec<String>, Vec<String>>) {
    for item in items {
        match item {
            Item::Use(item) if !matches!(item.vis, Visibility::Inherited) => {
                leaves(&item.tree, &mut Vec::new(), &mut |path, name| {
                    let origin = path.strip_prefix(&["crate".to_owned()]).unwrap_or(path);
                    into.insert([module.as_slice(), &[name.to_owned()]].concat(), origin.to_vec());
                });
            }
            Item::Mod(inner) => {
                module.push(inner.ident.to_string());
                inner.content.iter().for_each(|(_, items)| hands_on(items, module, into));
                module.pop();
            }
            _ => {}
        }
    }
}

/// Calls `each` with every whole path of a `use` and the name that it brings.
fn leaves(tree: &UseTree, path: &mut Vec<String>, each: &mut impl FnMut(&[String], &str)) {
    let depth = path.len();
    match tree {
        UseTree::Path(part) => {
            path.push(part.ident.to_string());
            leaves(&part.tree, path, each);
        }
        UseTree::Group(group) => group.items.iter().for_each(|tree| leaves(tree, path, each)),
        UseTree::Glob(_) => each(path, "*"),
        UseTree::Name(_) | UseTree::Rename(_) => {
            let (name, brought) = match tree {
                UseTree::Name(name) => (name.ident.to_string(), name.ident.to_string()),
                UseTree::Rename(name) => (name.ident.to_string(), name.rename.to_string()),
                _ => return,
            };
            if name != "self" {
                path.push(name);
            }
            each(path, &brought);
        }
    }
    path.truncate(depth);
}

/// Whether an attribute has the compiler leave its item out of all but tests.
fn is_for_tests(attribute: &Attribute) -> bool {
    let syn::Meta::List(list) = &attribute.meta else { return attribute.path().is_ident("test") };
    attribute.path().is_ident("cfg") && requires_test(list.tokens.clone())
}

/// Whether a condition holds in tests alone: `test`, or `all` with that in it.
fn requires_test(condition: TokenStream) -> bool {
    let tokens: Vec<TokenTree> = condition.into_iter().collect();
    match tokens.as_slice() {
        [TokenTree::Ident(name)] => name == "test",
        [TokenTree::Ident(name), TokenTree::Group(group)] if name == "all" => {
            let parts: Vec<TokenTree> = group.stream().into_iter().collect();
            let is_comma = |t: &TokenTree| matches!(t, TokenTree::Punct(p) if p.as_char() == ',');
            parts.split(is_comma).any(|part| requires_test(part.iter().cloned().collect()))
        }
        _ => false,
    }
}
