//! Outliving the X server.

use std::ffi::{c_int, c_void};
use std::sync::atomic::{AtomicBool, Ordering};

use minifb::Window;
use raw_window_handle::{HasDisplayHandle, RawDisplayHandle};

/// What libX11 calls first, for whichever display: its own prints a line and ends the process.
type ErrorHandler = unsafe extern "C" fn(*mut c_void) -> c_int;

/// What libX11 calls then, instead of ending the process.
type ExitHandler = unsafe extern "C" fn(*mut c_void, *mut c_void);

/// Has Xlib set a flag, where it would end the process, when the connection of this window breaks. None where its version
/// (before 1.7) or the display has no such thing.
#[allow(unsafe_code)]
pub(super) fn survive(window: &Window) -> Option<&'static AtomicBool> {
    unsafe extern "C" fn be_silent(_display: *mut c_void) -> c_int {
        0
    }
    unsafe extern "C" fn note(_display: *mut c_void, gone: *mut c_void) {
        let gone = gone.cast_const().cast::<AtomicBool>();
        // SAFETY: it is the leaked flag that was given with this handler.
        if let Some(gone) = unsafe { gone.as_ref() } {
            gone.store(true, Ordering::SeqCst);
        }
    }
    let RawDisplayHandle::Xlib(handle) = window.display_handle().ok()?.as_raw() else { return None };
    let display = handle.display?;
    let gone: &'static AtomicBool = Box::leak(Box::new(AtomicBool::new(false)));
    // SAFETY: minifb has loaded the library already, so no initialiser runs; the symbols' signatures are libX11's
    // (man XSetIOErrorHandler); the display is open, and the flag lives for ever. The handlers touch nothing else.
    unsafe {
        let library = libloading::Library::new("libX11.so.6").ok()?;
        let set_exit = library
            .get::<unsafe extern "C" fn(*mut c_void, ExitHandler, *mut c_void)>(b"XSetIOErrorExitHandler\0")
            .ok()?;
        let set_error = library
            .get::<unsafe extern "C" fn(ErrorHandler) -> Option<ErrorHandler>>(b"XSetIOErrorHandler\0")
            .ok()?;
        set_error(be_silent);
        set_exit(display.as_ptr(), note, std::ptr::from_ref(gone).cast_mut().cast());
        // The handler outlives this call, and the library must outlive the handler.
        std::mem::forget(library);
    }
    Some(gone)
}
