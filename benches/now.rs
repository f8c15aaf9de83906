//! The hot paths beside the operating system's own calls: `cargo bench --bench now`
//!
//! First a table of interleaved rounds, whose ratios can be compared between machines; then
//! criterion's statistics of each call. `benches/peers` measures other crates in the same way.
#![allow(missing_docs, reason = "a program")]

mod support;

use criterion::Criterion;
use std::hint::black_box;
use std::time::{Duration, Instant, SystemTime};
use support::{median, ordered_counter, ratio, rounds, subject, two_threads, with_writer};
use sureclock::{OwnLoop, SureClock, TimeInterval};

fn main() {
    let quick = std::env::args().any(|argument| argument == "--test");
    let (clock, own_loop) = support::clock();
    println!("{}", clock.status().counter);
    table(&clock, &own_loop, if quick { 3 } else { 301 });
    threads(
        &clock,
        &own_loop,
        if quick { Duration::from_millis(2) } else { Duration::from_millis(200) },
    );
    let mut criterion = Criterion::default().configure_from_args();
    statistics(&clock, &mut criterion);
    criterion.final_summary();
}

/// Medians of interleaved rounds, and of their ratios.
fn table(clock: &SureClock, own_loop: &OwnLoop, count: usize) {
    let interval = clock.now().expect("synchronized");
    let far = interval.latest().checked_add(Duration::from_secs(86_400)).expect("in range");
    let mut deadline = clock.deadline(far);
    let moving = support::clock_with_a_vm_clock();
    let mut subjects = vec![
        subject("ordered counter read", ordered_counter),
        subject("SystemTime::now", SystemTime::now),
        subject("Instant::now", Instant::now),
        subject("monotonic", || clock.monotonic()),
        // What a caller looks at: both ends, or the answer. (A whole `Result` would be copied right
        // after parts of it were written, which stalls a processor for longer than the call takes.)
        subject("now", || clock.now().map_or((0, 0), ends)),
        subject("after", || clock.after(black_box(far)).unwrap_or(true)),
        subject("deadline.is_past", || deadline.is_past().unwrap_or(true)),
        subject("before", || clock.before(black_box(far)).unwrap_or(false)),
        subject("commit_timestamp", || {
            clock.commit_timestamp().map_or(0, |s| s.timestamp().as_unix_nanos())
        }),
    ];
    if let Some((moving, _)) = &moving {
        subjects.push(subject("now, with a VM clock device", || moving.now().map_or((0, 0), ends)));
    }
    let names: Vec<&str> = subjects.iter().map(|subject| subject.name).collect();
    let mut alone = Vec::new();
    let mut disturbed = Vec::new();
    // The first rounds are warm-up.
    rounds(&mut subjects, 3, 20_000);
    alone.extend(rounds(&mut subjects, count, 20_000));
    let published =
        with_writer(clock, own_loop, || disturbed.extend(rounds(&mut subjects, count, 20_000)));
    println!(
        "\nMedians of {count} interleaved rounds, and of the ratios within each round; with a writer: {published} publications.\n"
    );
    println!(
        "| call | ns | to the counter read | to SystemTime::now | to now | with a writer, to now |"
    );
    println!("|---|---|---|---|---|---|");
    for (at, name) in names.iter().enumerate() {
        let to = |other: usize| ratio(&alone[at], &alone[other]);
        let writer = ratio(&disturbed[at], &disturbed[4]);
        println!(
            "| {name} | {:.1} | {:.2} | {:.2} | {:.2} | {writer:.2} |",
            median(&alone[at]),
            to(0),
            to(1),
            to(4)
        );
    }
}

fn ends(interval: TimeInterval) -> (i64, i64) {
    (interval.earliest().as_unix_nanos(), interval.latest().as_unix_nanos())
}

/// How two threads scale.
fn threads(clock: &SureClock, own_loop: &OwnLoop, length: Duration) {
    let now = || {
        black_box(clock.now().map_or((0, 0), ends));
    };
    let counter = || {
        black_box(ordered_counter());
    };
    let (of_counter, of_now) = (two_threads(9, length, counter), two_threads(9, length, now));
    let mut with = 0.0;
    with_writer(clock, own_loop, || with = two_threads(9, length, now));
    println!(
        "\nTwo threads do, of what one does (medians of nine pairs): counter read {of_counter:.2}, now {of_now:.2}, now with a writer {with:.2}\n"
    );
}

fn statistics(clock: &SureClock, criterion: &mut Criterion) {
    let past = clock.now().expect("synchronized").earliest();
    let mut deadline = clock.deadline(past);
    let mut group = criterion.benchmark_group("now");
    group.bench_function("ordered counter read", |b| b.iter(|| black_box(ordered_counter())));
    group.bench_function("SystemTime::now", |b| b.iter(|| black_box(SystemTime::now())));
    group.bench_function("Instant::now", |b| b.iter(|| black_box(Instant::now())));
    group.bench_function("monotonic", |b| b.iter(|| black_box(clock.monotonic())));
    group.bench_function("now", |b| b.iter(|| clock.now().map_or((0, 0), ends)));
    group.bench_function("after", |b| b.iter(|| clock.after(black_box(past)).unwrap_or(false)));
    group.bench_function("deadline.is_past", |b| b.iter(|| deadline.is_past().unwrap_or(false)));
    group.bench_function("commit_timestamp", |b| {
        b.iter(|| clock.commit_timestamp().map_or(0, |s| s.timestamp().as_unix_nanos()))
    });
    group.finish();
}
