//! The program of scripts/fuzz: libFuzzer, on the target that the variable `LKG_FUZZ` names.

#![no_main]

use std::sync::OnceLock;

use libfuzzer_sys::fuzz_target;
use lkg_fuzz::Bounded;
use lkg_fuzz::targets;

#[global_allocator]
static ALLOCATOR: Bounded = Bounded;

fuzz_target!(|data: &[u8]| {
    static TARGET: OnceLock<fn(&[u8])> = OnceLock::new();
    let target = TARGET.get_or_init(|| {
        let name = std::env::var("LKG_FUZZ").unwrap_or_default();
        match targets().iter().find(|t| t.name == name) {
            Some(target) => target.run,
            None => {
                let names: Vec<_> = targets().iter().map(|t| t.name).collect();
                eprintln!("LKG_FUZZ={name:?}: name one of {}", names.join(", "));
                std::process::exit(2)
            }
        }
    });
    target(data);
});
