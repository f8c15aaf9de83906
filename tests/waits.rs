//! Commit waits over a real counter: never early, woken in the order of their timestamps, a million
//! of them in little memory.
#![allow(unsafe_code, reason = "a counting allocator is an unsafe trait")]

use std::alloc::{GlobalAlloc, Layout, System};
use std::future::Future as _;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU32, Ordering};
use std::task::{Context, Poll, Wake, Waker};
use std::time::{Duration, Instant};
use sureclock::{CommitWait, OwnLoop, SureClock, Timestamp, WaitError};

#[path = "support/own_clock.rs"]
#[allow(dead_code, reason = "every test uses its part")]
mod own_clock;

struct Counting;

static IN_USE: AtomicI64 = AtomicI64::new(0);

// SAFETY: every call goes to the system's allocator unchanged; counting touches an atomic.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        IN_USE.fetch_add(layout.size() as i64, Ordering::Relaxed);
        // SAFETY: the caller's promise, passed on.
        unsafe { System.alloc(layout) }
    }
    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        IN_USE.fetch_sub(layout.size() as i64, Ordering::Relaxed);
        // SAFETY: the caller's promise, passed on.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

const MS: Duration = Duration::from_millis(1);

/// A clock over this machine's counter that is told the time once, to a millisecond.
fn own_clock() -> (SureClock, OwnLoop) {
    own_clock::start(own_clock::builder(), MS).unwrap()
}

fn earliest_in(clock: &SureClock, lead: Duration) -> Timestamp {
    clock.now().unwrap().earliest().checked_add(lead).unwrap()
}

/// Notes when it was woken, and whether that was early.
struct Note {
    clock: SureClock,
    timestamp: Timestamp,
    turns: Arc<AtomicU32>,
    turn: AtomicU32,
    early: AtomicBool,
}

impl Wake for Note {
    fn wake(self: Arc<Note>) {
        // 5 us early is meant: the future spins for what is left.
        let at = self.timestamp.checked_sub(Duration::from_micros(6)).unwrap();
        self.early.store(self.clock.after(at) != Ok(true), Ordering::Relaxed);
        self.turn.store(self.turns.fetch_add(1, Ordering::Relaxed) + 1, Ordering::Release);
    }
}

fn poll(wait: &mut CommitWait, waker: &Waker) -> Poll<Result<(), WaitError>> {
    Pin::new(wait).poll(&mut Context::from_waker(waker))
}

#[test]
fn a_million_waits_are_woken_in_order_and_take_little_memory() {
    const COUNT: u64 = 1_000_000;
    let (clock, _own_loop) = own_clock();
    let turns = Arc::new(AtomicU32::new(0));
    // All registered long before the first is due, one each microsecond then, in an order that is
    // none: 7 and the count share no factor.
    let first = earliest_in(&clock, Duration::from_secs(12));
    let at = |i: u64| first.checked_add(Duration::from_micros(i * 700_007 % COUNT)).unwrap();
    let notes: Vec<Arc<Note>> = (0..COUNT)
        .map(|i| {
            let (clock, timestamp, turns) = (clock.clone(), at(i), Arc::clone(&turns));
            Arc::new(Note {
                clock,
                timestamp,
                turns,
                turn: AtomicU32::new(0),
                early: AtomicBool::new(false),
            })
        })
        .collect();
    let before = IN_USE.load(Ordering::Relaxed);
    let mut waits: Vec<CommitWait> = Vec::with_capacity(notes.len());
    for note in &notes {
        let mut wait = clock.wait_until_after(note.timestamp);
        assert!(poll(&mut wait, &Waker::from(Arc::clone(note))).is_pending());
        waits.push(wait);
    }
    let each = (IN_USE.load(Ordering::Relaxed) - before) / COUNT as i64;
    println!("{each} bytes a pending wait");
    assert!(each < 200, "{each} bytes a pending wait");
    assert!(each >= 16, "the counting is broken: {each} bytes a wait");
    assert_eq!(clock.after(first), Ok(false), "registering took longer than the first wait");

    let patience = Instant::now() + Duration::from_secs(60);
    while turns.load(Ordering::Relaxed) < COUNT as u32 && Instant::now() < patience {
        std::thread::sleep(Duration::from_millis(20));
    }
    assert_eq!(turns.load(Ordering::Relaxed), COUNT as u32, "not all were woken");
    assert!(!notes.iter().any(|note| note.early.load(Ordering::Relaxed)), "some were woken early");
    let mut order: Vec<&Arc<Note>> = notes.iter().collect();
    order.sort_by_key(|note| note.timestamp);
    let turns: Vec<u32> = order.iter().map(|note| note.turn.load(Ordering::Acquire)).collect();
    assert!(turns.is_sorted(), "woken out of order");
    for (wait, note) in waits.iter_mut().zip(&notes) {
        assert_eq!(poll(wait, &Waker::from(Arc::clone(note))), Poll::Ready(Ok(())));
    }
}

#[test]
fn a_dropped_wait_wakes_nobody_and_frees_what_it_took() {
    let (clock, _own_loop) = own_clock();
    let (timestamp, turns) =
        (earliest_in(&clock, Duration::from_millis(50)), Arc::new(AtomicU32::new(0)));
    let (turn, early) = (AtomicU32::new(0), AtomicBool::new(false));
    let note =
        Arc::new(Note { clock: clock.clone(), timestamp, turns: Arc::clone(&turns), turn, early });
    let mut waits = [clock.wait_until_after(timestamp), clock.wait_until_after(timestamp)];
    waits
        .iter_mut()
        .for_each(|wait| assert!(poll(wait, &Waker::from(Arc::clone(&note))).is_pending()));
    assert_eq!(Arc::strong_count(&note), 3);
    let [dropped, kept] = waits;
    drop(dropped);
    assert_eq!(Arc::strong_count(&note), 2);
    clock
        .wait_until_after(timestamp.checked_add(Duration::from_millis(100)).unwrap())
        .wait()
        .unwrap();
    assert_eq!(turns.load(Ordering::Relaxed), 1, "the one that was kept, once");
    drop(kept);
    assert_eq!(Arc::strong_count(&note), 1);
}

#[test]
fn no_wait_is_early_whatever_the_budget() {
    for budget in [0, 20, 200, 10_000] {
        let builder = own_clock::builder().spin_budget(Duration::from_micros(budget));
        let (clock, _own_loop) = own_clock::start(builder, MS).unwrap();
        for us in [0, 1, 20, 200, 2_000].into_iter().cycle().take(100) {
            let t = earliest_in(&clock, Duration::from_micros(us));
            clock.wait_until_after(t).wait().unwrap();
            assert_eq!(clock.after(t), Ok(true));
            let t = earliest_in(&clock, Duration::from_micros(us));
            async_io::block_on(clock.wait_until_after(t)).unwrap();
            assert_eq!(clock.after(t), Ok(true));
        }
    }
}

#[test]
fn a_better_bound_ends_a_wait_sooner_and_a_disruption_ends_it_badly() {
    let builder = own_clock::builder().max_uncertainty(Duration::from_secs(3_600));
    let (clock, own_loop) = own_clock::start(builder, Duration::from_secs(1_000)).unwrap();
    // Certainly past only in a quarter of an hour by what is known now, and at once when more is
    // known.
    let t = earliest_in(&clock, Duration::from_secs(900));
    let mut future = clock.wait_until_after(t);
    let far = earliest_in(&clock, Duration::from_secs(3_600));
    std::thread::scope(|scope| {
        let near = scope.spawn(|| clock.wait_until_after(t).wait_timeout(Duration::from_secs(60)));
        let lost = scope.spawn(|| clock.wait_until_after(far).wait());
        assert!(poll(&mut future, Waker::noop()).is_pending());
        own_clock::answer(&clock, &own_loop, MS);
        assert_eq!(near.join().unwrap(), Ok(()));
        assert_eq!(clock.after(t), Ok(true));
        own_loop.disrupt(sureclock::DisruptionReason::Suspended);
        assert!(lost.join().unwrap().is_err(), "a disruption in the middle is no success");
    });
    assert!(matches!(poll(&mut future, Waker::noop()), Poll::Ready(Err(_))));
}
