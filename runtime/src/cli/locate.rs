//! Finding the bundle.

use std::path::{Path, PathBuf};

use lkg_bundle::Bundle;
use lkg_bundle::bundle::MANIFEST;

use super::args::Common;
use super::remark;
use crate::error::{Error, Result};

/// Where the shipped bundles of faces lie below the project's folder; the first that is there is taken.
const SHIPPED: [&str; 2] = ["models/faces128", "models/faces64-edge"];

/// Opens the bundle that was asked for, else the shipped one.
///
/// # Errors
/// [`Error::Usage`] if there is none, [`Error::Bundle`] if it does not open.
pub fn open_bundle(common: &Common) -> Result<Bundle> {
    let bundle = Bundle::open(find(common)?)?;
    if common.verbose {
        remark(&format!("bundle {} ({})", bundle.dir().display(), bundle.manifest().name));
    }
    Ok(bundle)
}

/// The folder of the bundle that was asked for, else of the shipped one.
///
/// # Errors
/// [`Error::Usage`] if there is none.
pub fn find(common: &Common) -> Result<PathBuf> {
    if let Some(dir) = common.bundle.as_ref().filter(|dir| !dir.as_os_str().is_empty()) {
        return Ok(dir.clone());
    }
    let executable = std::env::current_exe().ok();
    let places = [std::env::current_dir().ok(), executable.and_then(|p| p.parent().map(Path::to_owned))];
    search(places.iter().flatten().map(PathBuf::as_path)).ok_or_else(|| {
        Error::Usage(format!(
            "no model bundle: there is no {} beside the working folder or the program; name one with \
             --bundle DIR or in LKG_BUNDLE",
            SHIPPED.join(" or ")
        ))
    })
}

fn search<'p>(places: impl Iterator<Item = &'p Path>) -> Option<PathBuf> {
    let in_folder = |dir: &'p Path| SHIPPED.map(|bundle| dir.join(bundle));
    places.flat_map(Path::ancestors).flat_map(in_folder).find(|dir| dir.join(MANIFEST).is_file())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shipped_bundle_is_found_from_below_the_larger_one_first() {
        let dir = tempfile::tempdir().unwrap();
        let deep = dir.path().join("target/release");
        std::fs::create_dir_all(&deep).unwrap();
        assert_eq!(search([deep.as_path()].into_iter()), None);
        let [large, small] = SHIPPED.map(|bundle| dir.path().join(bundle));
        for bundle in [small, large] {
            std::fs::create_dir_all(&bundle).unwrap();
            std::fs::write(bundle.join(MANIFEST), "{}").unwrap();
            assert_eq!(search([deep.as_path()].into_iter()), Some(bundle));
        }
    }
}
