//! Memory for plugins that are no_std.

use core::alloc::{GlobalAlloc, Layout};
use core::arch::wasm32::{memory_grow, memory_size};
use core::cell::Cell;

/// An allocator that never frees, in a few instructions: every call starts
/// from the image, so what it leaves is gone anyway. Under a host that uses
/// one instance for many calls the memory only grows.
///
/// ```ignore
/// #[global_allocator]
/// static ALLOCATOR: trama_pdk::Bump = trama_pdk::Bump::new();
/// ```
#[derive(Debug)]
pub struct Bump {
    /// The first address that is free; 0 before the first use.
    next: Cell<usize>,
}

// A plugin has one thread.
unsafe impl Sync for Bump {}

impl Bump {
    #[allow(clippy::new_without_default)]
    pub const fn new() -> Bump {
        Bump { next: Cell::new(0) }
    }
}

const PAGE: usize = 1 << 16;

unsafe impl GlobalAlloc for Bump {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        let end = memory_size(0) * PAGE;
        let next = match self.next.get() {
            0 => end, // what lies before is the module's own
            next => next,
        };
        let start = match next.checked_add(layout.align() - 1) {
            Some(next) => next & !(layout.align() - 1),
            None => return core::ptr::null_mut(),
        };
        let stop = match start.checked_add(layout.size()) {
            Some(stop) => stop,
            None => return core::ptr::null_mut(),
        };
        if stop > end && memory_grow(0, (stop - end + PAGE - 1) / PAGE) == usize::MAX {
            return core::ptr::null_mut();
        }
        self.next.set(stop);
        start as *mut u8
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        if block as usize + layout.size() == self.next.get() {
            self.next.set(block as usize); // it was the last one
        }
    }
}
