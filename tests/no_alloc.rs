//! The hot path allocates nothing: counted by the allocator itself.
#![allow(unsafe_code, reason = "a counting allocator is an unsafe trait")]

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use sureclock::SureClock;

struct Counting;

thread_local! {
    static ALLOCATIONS: Cell<u64> = const { Cell::new(0) };
}

// SAFETY: every call goes to the system's allocator unchanged; counting touches a thread-local
// without a destructor.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ALLOCATIONS.set(ALLOCATIONS.get() + 1);
        // SAFETY: the caller's promise, passed on.
        unsafe { System.alloc(layout) }
    }
    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: the caller's promise, passed on.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

fn allocations(work: impl FnOnce()) -> u64 {
    let before = ALLOCATIONS.get();
    work();
    ALLOCATIONS.get() - before
}

#[test]
fn readings_and_timestamps_allocate_nothing() {
    let (clock, _time) = SureClock::manual("2026-11-23T11:03:00Z ± 1 ms".parse().unwrap());
    let t = clock.now().unwrap().earliest();
    let count = allocations(|| {
        for _ in 0..1000 {
            let reading = clock.monotonic();
            assert!(clock.now().is_ok() && clock.at(reading).is_ok());
            assert!(clock.after(t).is_ok() && clock.before(t).is_ok());
            assert!(clock.commit_timestamp().is_ok() && clock.read_timestamp().is_ok());
        }
    });
    assert_eq!(count, 0);
}

#[test]
fn the_count_sees_an_allocation() {
    assert!(allocations(|| drop(std::hint::black_box(Box::new(1)))) > 0);
}
