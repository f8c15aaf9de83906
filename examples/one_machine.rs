//! Do you need this at all? On one machine, in one process, no: a counter orders events, and
//! `Instant` measures them. What a clock with a bound is for begins where two machines are.
//! Offline.
//!
//! `cargo run --release --example one_machine`

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};
use sureclock::{Order, TimeInterval};

mod support;

const EVENTS: usize = 20_000;
const THREADS: usize = 4;

type Result<T> = std::result::Result<T, Box<dyn std::error::Error>>;

/// What one event costs, and what each gave.
fn timed<T>(mut event: impl FnMut() -> T) -> (Duration, Vec<T>) {
    let began = Instant::now();
    let all: Vec<T> = (0..EVENTS).map(|_| event()).collect();
    (began.elapsed() / EVENTS as u32, all)
}

fn main() -> Result<()> {
    let clock = support::start_clock()?;
    println!("{EVENTS} events in one process, one after the other\n");

    let counter = AtomicU64::new(0);
    let (cost, numbers) = timed(|| counter.fetch_add(1, Ordering::Relaxed));
    println!("a counter:  {cost:?} each, all of them in order: {}", numbers.is_sorted());

    let (cost, instants) = timed(Instant::now);
    println!("Instant:    {cost:?} each, none goes back: {}", instants.is_sorted());

    let (cost, intervals) = timed(|| clock.now());
    let intervals: Vec<TimeInterval> =
        intervals.into_iter().collect::<std::result::Result<_, _>>()?;
    let told =
        intervals.windows(2).filter(|pair| pair[0].order(&pair[1]) == Ok(Order::Before)).count();
    println!(
        "now():      {cost:?} each, {told} of {} neighbours are certainly in order",
        EVENTS - 1
    );
    println!(
        "            an interval is no better at what a counter does; it says how far two events are apart at least, no more"
    );
    assert!(numbers.is_sorted() && instants.is_sorted() && told < EVENTS / 2);

    let threads: Vec<Vec<u64>> = std::thread::scope(|scope| {
        let take = || (0..EVENTS).map(|_| counter.fetch_add(1, Ordering::Relaxed)).collect();
        let running: Vec<_> = (0..THREADS).map(|_| scope.spawn(take)).collect();
        running.into_iter().map(|thread| thread.join().expect("it counts")).collect()
    });
    let distinct: BTreeSet<u64> = threads.iter().flatten().copied().collect();
    println!(
        "\n{THREADS} threads:  {} numbers, {} of them distinct",
        THREADS * EVENTS,
        distinct.len()
    );
    assert_eq!(distinct.len(), THREADS * EVENTS);

    println!("\nand two machines:");
    let other = support::start_clock()?;
    let (ours, theirs) = (clock.monotonic(), other.monotonic());
    println!(
        "  their counters:   {:?} between two readings: no answer, on purpose",
        clock.elapsed(ours, theirs)
    );
    assert_eq!(clock.elapsed(ours, theirs), None);

    let first = clock.now()?;
    let began = Instant::now();
    while !other.after(first.latest())? {
        std::thread::sleep(Duration::from_micros(100));
    }
    let second = other.now()?;
    println!(
        "  {:>7.1?} apart:    {:?}, on whichever machine",
        began.elapsed(),
        first.order(&second)?
    );
    let third = clock.now()?;
    let order = third.order(&second)?;
    let why = if order == Order::Concurrent {
        "nobody can know, and it says so"
    } else {
        "the machine was busy in between"
    };
    println!("  at once:          {order:?}: {why}");
    assert_eq!(first.order(&second), Ok(Order::Before));
    Ok(())
}
