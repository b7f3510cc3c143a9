//! The program of scripts/fuzz: libFuzzer, on the target that the variable `LKG_FUZZ` names.

#![no_main]

use std::alloc::{GlobalAlloc, Layout, System};
use std::process::abort;
use std::sync::OnceLock;

use libfuzzer_sys::fuzz_target;
use lkg_fuzz::targets;

/// Most bytes that a parser may ask for at once, whatever its input claims: a picture of the largest size takes 300 MB.
const MOST: usize = 400 << 20;

/// The system's allocator, which ends the program on an absurd request: libFuzzer then keeps the input.
struct Bounded;

fn check(size: usize) {
    if size > MOST {
        // Nothing that allocates may be called here.
        rejected(size);
    }
}

#[cold]
fn rejected(size: usize) -> ! {
    let mut text = *b"asked for                     MiB at once\n";
    let mut left = size >> 20;
    for place in (10..29).rev() {
        text[place] = b'0' + (left % 10) as u8;
        left /= 10;
    }
    std::io::Write::write_all(&mut std::io::stderr(), &text).ok();
    abort()
}

// SAFETY: every call is handed on to the system's allocator as it came.
#[allow(unsafe_code)]
unsafe impl GlobalAlloc for Bounded {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        check(layout.size());
        unsafe { System.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        check(layout.size());
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn realloc(&self, place: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        check(size);
        unsafe { System.realloc(place, layout, size) }
    }

    unsafe fn dealloc(&self, place: *mut u8, layout: Layout) {
        unsafe { System.dealloc(place, layout) }
    }
}

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
