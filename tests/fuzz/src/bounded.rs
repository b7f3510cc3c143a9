//! Memory within bounds.

use std::alloc::{GlobalAlloc, Layout, System};
use std::process::abort;

/// Most bytes that a parser may ask for at once, whatever its input claims: a picture of the largest size takes 300 MB.
const MOST: usize = 400 << 20;

/// The system's allocator, which ends the program on an absurd request: libFuzzer then keeps the input.
#[derive(Clone, Copy, Debug)]
pub struct Bounded;

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
