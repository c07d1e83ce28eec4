//! How much memory a piece of work takes: a decoder that believes a length it was told shows here.

#![expect(
    unsafe_code,
    reason = "an allocator is unsafe by its contract; this one only counts for the system's"
)]

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::sync::atomic::{AtomicIsize, Ordering};

/// The system's allocator, and counters.
#[derive(Debug)]
pub(crate) struct Counting;

thread_local! {
    static HELD: Cell<isize> = const { Cell::new(0) };
    static MOST: Cell<isize> = const { Cell::new(0) };
}

static ALL_HELD: AtomicIsize = AtomicIsize::new(0);
static ALL_MOST: AtomicIsize = AtomicIsize::new(0);

fn count(change: isize) {
    let held = HELD.get().wrapping_add(change);
    HELD.set(held);
    MOST.set(MOST.get().max(held));
    let held = ALL_HELD.fetch_add(change, Ordering::Relaxed).wrapping_add(change);
    if change > 0 {
        ALL_MOST.fetch_max(held, Ordering::Relaxed);
    }
}

fn signed(bytes: usize) -> isize {
    isize::try_from(bytes).unwrap_or(isize::MAX)
}

// SAFETY: every call is handed on to the system's allocator as it came; counting neither allocates nor fails.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count(signed(layout.size()));
        // SAFETY: the caller keeps the contract of `GlobalAlloc`.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        count(-signed(layout.size()));
        // SAFETY: the caller keeps the contract of `GlobalAlloc`.
        unsafe { System.dealloc(block, layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        count(signed(layout.size()));
        // SAFETY: the caller keeps the contract of `GlobalAlloc`.
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn realloc(&self, block: *mut u8, layout: Layout, bytes: usize) -> *mut u8 {
        count(signed(bytes) - signed(layout.size()));
        // SAFETY: the caller keeps the contract of `GlobalAlloc`.
        unsafe { System.realloc(block, layout, bytes) }
    }
}

/// Whose memory counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scope {
    /// Of the thread that does the work.
    Thread,
    /// Of all threads: nothing else may go on meanwhile.
    Process,
}

/// Do something; the most bytes that it held at a time, beyond those held before.
pub fn most_held<T>(scope: Scope, work: impl FnOnce() -> T) -> (T, usize) {
    let (before, all_before) = (HELD.get(), ALL_HELD.load(Ordering::Relaxed));
    MOST.set(before);
    ALL_MOST.store(all_before, Ordering::Relaxed);
    let done = work();
    let most = match scope {
        Scope::Thread => MOST.get().wrapping_sub(before),
        Scope::Process => ALL_MOST.load(Ordering::Relaxed).wrapping_sub(all_before),
    };
    (done, usize::try_from(most).unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_most_is_counted_and_not_the_last() {
        let ((), most) = most_held(Scope::Thread, || drop(vec![0_u8; 1 << 20]));
        assert!((1 << 20..1 << 21).contains(&most), "{most}");
        let ((), most) = most_held(Scope::Thread, || ());
        assert_eq!(most, 0);
    }
}
