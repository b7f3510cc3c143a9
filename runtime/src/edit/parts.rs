//! Parts by index, name or group.

use lkg_bundle::Manifest;
use serde::{Deserialize, Serialize};

/// Groups of parts, each with the words that its parts' names begin with or contain. A bundle names its keypoints as
/// training found them, so a group may be empty.
const GROUPS: [(&str, &[&str]); 4] =
    [("eyes", &["eye", "brow"]), ("brows", &["brow"]), ("mouth", &["mouth", "lip"]), ("nose", &["nose"])];

/// Names of the groups that every bundle may have, besides `all`.
pub fn group_names() -> impl Iterator<Item = &'static str> {
    GROUPS.iter().map(|(name, _)| *name)
}

/// Indices of the parts in `group` (`all`, `eyes`, `brows`, `mouth` or `nose`), those that are named after it and their mirror images; `None` for another word. Where no part is named
/// after it, those are meant whose states change with its expressions; else, of the mouth, the one found nearest to a nose stands in:
/// it moves with the upper lip.
pub fn group(name: &str, manifest: &Manifest) -> Option<Vec<usize>> {
    let count = manifest.keypoints.len();
    if name == "all" {
        return Some((0..count).collect());
    }
    let having = |words: &[&str]| -> Vec<usize> {
        let has = |i: &usize| words.iter().any(|w| manifest.keypoints[*i].name.contains(w));
        (0..count).filter(has).collect()
    };
    let (_, words) = GROUPS.iter().find(|(group, _)| *group == name)?;
    let mut parts = having(words);
    // What lies where nothing is named after the group may be the mirror image of what does.
    let images = manifest.symmetric_pairs.iter().flat_map(|[a, b]| [(*a, *b), (*b, *a)]);
    let images: Vec<usize> = images.filter(|(a, _)| parts.contains(a)).map(|(_, b)| b).collect();
    parts.extend(images);
    parts.sort_unstable();
    parts.dedup();
    if parts.is_empty() {
        parts = shown_by(words, manifest);
    }
    Some(if parts.is_empty() && name == "mouth" { having(&["nose"]) } else { parts })
}

/// Share of the most that an expression changes a part's states by, from which on the part counts as one that shows it.
const SHOWS: f32 = 0.2;

/// The parts whose states change with the expressions whose names contain one of `words`, and their mirror images.
fn shown_by(words: &[&str], manifest: &Manifest) -> Vec<usize> {
    let mut shown = vec![false; manifest.keypoints.len()];
    for expression in manifest.expressions.iter().filter(|e| words.iter().any(|w| e.name.contains(w))) {
        for (shown, share) in shown.iter_mut().zip(expression.part_shares()) {
            *shown |= share >= SHOWS;
        }
    }
    for [a, b] in &manifest.symmetric_pairs {
        let either = shown[*a] || shown[*b];
        (shown[*a], shown[*b]) = (either, either);
    }
    (0..shown.len()).filter(|i| shown[*i]).collect()
}

/// Which parts an operation is about: an index, a name, a group, or a list of those.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Parts {
    /// Position in the manifest, from 0.
    Index(usize),
    /// Name in the manifest, or of a group.
    Name(String),
    /// Several.
    List(Vec<Parts>),
}

impl Parts {
    /// The parts' indices, each once, in the manifest's order.
    ///
    /// # Errors
    /// A sentence without the field's name: no such part, with the names there are.
    pub fn resolve(&self, manifest: &Manifest) -> Result<Vec<usize>, String> {
        let mut parts = self.collect(manifest)?;
        parts.sort_unstable();
        parts.dedup();
        if parts.is_empty() { Err("names no part".to_owned()) } else { Ok(parts) }
    }

    /// Whether this names one part by itself, not as one of a group or list.
    pub fn is_single(&self, manifest: &Manifest) -> bool {
        match self {
            Parts::Index(_) => true,
            Parts::Name(name) => group(name, manifest).is_none() || manifest.part(name).is_some(),
            Parts::List(list) => list.len() == 1 && list[0].is_single(manifest),
        }
    }

    fn collect(&self, manifest: &Manifest) -> Result<Vec<usize>, String> {
        let names = || manifest.keypoints.iter().map(|k| k.name.as_str()).collect::<Vec<_>>().join(", ");
        match self {
            Parts::Index(i) if *i < manifest.keypoints.len() => Ok(vec![*i]),
            Parts::Index(i) => {
                Err(format!("no part {i}; they are 0 to {} ({})", manifest.keypoints.len() - 1, names()))
            }
            Parts::Name(name) => {
                if let Some(i) = manifest.part(name) {
                    return Ok(vec![i]);
                }
                match group(name, manifest) {
                    Some(parts) if parts.is_empty() => Err(format!(
                        "no part of this bundle is of the group {name}; its parts are {}",
                        names()
                    )),
                    Some(parts) => Ok(parts),
                    None => Err(format!(
                        "no part {name:?}; the parts are {}, the groups all, {}",
                        names(),
                        group_names().collect::<Vec<_>>().join(", ")
                    )),
                }
            }
            Parts::List(list) => {
                let mut all = Vec::new();
                for parts in list {
                    all.extend(parts.collect(manifest)?);
                }
                Ok(all)
            }
        }
    }

    /// For labels.
    pub fn describe(&self, manifest: &Manifest) -> String {
        match self {
            Parts::Index(i) => manifest.keypoints.get(*i).map_or_else(|| i.to_string(), |k| k.name.clone()),
            Parts::Name(name) => name.clone(),
            Parts::List(list) => list.iter().map(|p| p.describe(manifest)).collect::<Vec<_>>().join(" and "),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::edit::testing::named_manifest;

    #[test]
    fn parts_go_by_index_name_group_and_list() {
        let m = named_manifest(&["left", "eye-left", "nose", "eye-right"]);
        let resolve = |json: &str| serde_json::from_str::<Parts>(json).unwrap().resolve(&m);
        assert_eq!(resolve("2").unwrap(), [2]);
        assert_eq!(resolve("\"eye-right\"").unwrap(), [3]);
        assert_eq!(resolve("\"eyes\"").unwrap(), [1, 3]);
        assert_eq!(resolve("[\"eyes\", 0, \"eye-left\"]").unwrap(), [0, 1, 3]);
        assert_eq!(resolve("\"all\"").unwrap(), [0, 1, 2, 3]);
        // Nothing is named after the mouth: what moves with it stands in.
        assert_eq!(resolve("\"mouth\"").unwrap(), [2]);
        assert!(resolve("9").unwrap_err().contains("0 to 3"));
        assert!(resolve("\"ear\"").unwrap_err().contains("left, eye-left, nose, eye-right"));
        let mut by_states = named_manifest(&["a", "b", "c"]);
        by_states.expressions = crate::vision::testing::expressions(&["mouth-open"]);
        by_states.expressions[0].states = vec![vec![0.1, 0.0], vec![0.0, -1.0], vec![0.3, 0.0]];
        assert_eq!(group("mouth", &by_states), Some(vec![1, 2]));
        assert_eq!(group("eyes", &by_states), Some(vec![]));
        by_states.symmetric_pairs = vec![[0, 2]];
        assert_eq!(group("mouth", &by_states), Some(vec![0, 1, 2]));
        // Scripts that were written for earlier names still work.
        let mut renamed = named_manifest(&["mouth-left", "cheek-right-lower", "nose-base"]);
        renamed.symmetric_pairs = vec![[0, 1]];
        renamed.keypoints[1].aliases = vec!["mouth-right".to_owned()];
        assert_eq!(Parts::Name("mouth-right".to_owned()).resolve(&renamed).unwrap(), [1]);
        assert!(Parts::Name("mouth-right".to_owned()).is_single(&renamed));
        assert_eq!(group("mouth", &renamed), Some(vec![0, 1]));
        let bare = named_manifest(&["a"]);
        assert!(Parts::Name("eyes".to_owned()).resolve(&bare).unwrap_err().contains("group eyes"));
    }
}
