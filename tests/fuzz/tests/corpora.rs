//! What once was found, and what is sound, goes through every target.

#![allow(clippy::unwrap_used)]

use std::fs;

use lkg_fuzz::Bounded;

#[global_allocator]
static ALLOCATOR: Bounded = Bounded;

#[test]
fn every_target_takes_its_corpus() {
    for target in lkg_fuzz::targets() {
        let dir = lkg_fuzz::corpus(target.name);
        let mut files: Vec<_> =
            fs::read_dir(&dir).unwrap_or_else(|e| panic!("{}: {e}", dir.display())).flatten().collect();
        files.sort_by_key(fs::DirEntry::file_name);
        assert!(!files.is_empty(), "{}: no corpus", target.name);
        for file in files {
            let content = fs::read(file.path()).unwrap();
            eprintln!("{}", file.path().display());
            (target.run)(&content);
            // Cut and changed copies, the same ones every time.
            for i in 0..8 {
                let mut changed = content[..content.len() * (i + 1) / 8].to_vec();
                let length = changed.len().max(1);
                for (k, byte) in changed.iter_mut().enumerate() {
                    if (k * 7919 + i * 104_729) % length < 2 {
                        *byte = byte.wrapping_add(1 + 31 * i as u8);
                    }
                }
                (target.run)(&changed);
            }
        }
    }
}
