//! What the measurements share: a clock without a network, an ordered read of the bare counter, and
//! interleaved rounds.
#![allow(
    dead_code,
    unsafe_code,
    reason = "each bench uses its part; reading the counter is an instruction"
)]

#[path = "../../tests/support/vm_clock.rs"]
mod vm_clock;

#[path = "../../tests/support/own_clock.rs"]
pub(crate) mod own_clock;

use std::hint::black_box;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};
use sureclock::{BuildError, OwnLoop, SureClock, Timescale, VmClockChoice};

/// A clock over the machine's own counter and a loop that can publish 1000 times a second: ten
/// sources, each asked every 10 ms and answered at once with the OS clock.
pub(crate) fn clock() -> (SureClock, OwnLoop) {
    clock_beside(VmClockChoice::Off).expect("a clock")
}

/// The same with a VM clock device, here a file of its layout; `None` on platforms where none is
/// read.
pub(crate) fn clock_with_a_vm_clock() -> Option<(SureClock, OwnLoop)> {
    let device = vm_clock::Device::new();
    clock_beside(VmClockChoice::Device(device.path().to_owned())).ok()
}

fn clock_beside(vm_clock: VmClockChoice) -> Result<(SureClock, OwnLoop), BuildError> {
    let builder = (1..=10)
        .fold(SureClock::builder(), |builder, port| builder.ntp(format!("127.0.0.1:{port}")));
    let builder = builder.poll_interval(Duration::from_millis(10)).timescale(Timescale::Smear24h);
    let (clock, own_loop) = builder.vm_clock(vm_clock).own_loop()?;
    answer(&clock, &own_loop);
    clock.now().expect("synchronized");
    Ok((clock, own_loop))
}

/// Answers what is due.
pub(crate) fn answer(clock: &SureClock, own_loop: &OwnLoop) {
    while let Some(ask) = own_loop.next_ask() {
        own_loop
            .answered(ask.id, own_clock::facts(|| clock.monotonic(), Duration::from_micros(100)));
    }
}

/// Runs `work` while the clock's parameters are published about a thousand times a second; gives
/// how many that were.
pub(crate) fn with_writer(clock: &SureClock, own_loop: &OwnLoop, work: impl FnOnce()) -> u64 {
    let end = AtomicBool::new(false);
    let before = clock.status().counts.published;
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !end.load(Ordering::Relaxed) {
                answer(clock, own_loop);
                std::thread::sleep(Duration::from_millis(1));
            }
        });
        work();
        end.store(true, Ordering::Relaxed);
    });
    clock.status().counts.published - before
}

/// The processor's counter, read after every earlier load: what no certain reading can be cheaper
/// than.
#[cfg(target_arch = "x86_64")]
#[inline(always)]
pub(crate) fn ordered_counter() -> u64 {
    // SAFETY: SSE2 and RDTSC; the library has found that both may be used, or the measurement is of
    // no interest.
    unsafe {
        std::arch::x86_64::_mm_lfence();
        std::arch::x86_64::_rdtsc()
    }
}

/// The same.
#[cfg(target_arch = "aarch64")]
#[inline(always)]
pub(crate) fn ordered_counter() -> u64 {
    let ticks: u64;
    // SAFETY: Linux allows reading CNTVCT_EL0.
    unsafe { std::arch::asm!("isb", "mrs {ticks}, cntvct_el0", ticks = out(reg) ticks) };
    ticks
}

/// One thing to be measured.
pub(crate) struct Subject<'a> {
    pub(crate) name: &'static str,
    /// Calls it so many times.
    pub(crate) batch: Box<dyn FnMut(u32) + 'a>,
}

/// A subject that calls `call` in a loop of its own.
pub(crate) fn subject<'a, R>(name: &'static str, mut call: impl FnMut() -> R + 'a) -> Subject<'a> {
    let batch = move |calls| {
        for _ in 0..calls {
            black_box(call());
        }
    };
    Subject { name, batch: Box::new(batch) }
}

/// Nanoseconds a call: a row a subject, a column a round. In each round every subject has its turn,
/// another one first each time, so that what disturbs the machine disturbs all alike.
pub(crate) fn rounds(subjects: &mut [Subject<'_>], rounds: usize, calls: u32) -> Vec<Vec<f64>> {
    let mut results = vec![Vec::new(); subjects.len()];
    let count = subjects.len();
    for round in 0..rounds {
        for turn in 0..count {
            let at = (round + turn) % count;
            let began = Instant::now();
            (subjects[at].batch)(calls);
            results[at].push(began.elapsed().as_nanos() as f64 / f64::from(calls));
        }
    }
    results
}

/// The middle.
pub(crate) fn median(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    sorted[sorted.len() / 2]
}

/// The median of the ratios of each round.
pub(crate) fn ratio(of: &[f64], to: &[f64]) -> f64 {
    median(&of.iter().zip(to).map(|(of, to)| of / to).collect::<Vec<_>>())
}

/// How much more two threads do than one, in pairs of runs, and the median of these.
pub(crate) fn two_threads(pairs: usize, length: Duration, call: impl Fn() + Sync) -> f64 {
    let run = |threads: usize| {
        let (start, end) = (std::sync::Barrier::new(threads + 1), AtomicBool::new(false));
        let total = Arc::new(AtomicU64::new(0));
        std::thread::scope(|scope| {
            for _ in 0..threads {
                scope.spawn(|| {
                    start.wait();
                    let mut calls = 0;
                    while !end.load(Ordering::Relaxed) {
                        for _ in 0..100 {
                            call();
                        }
                        calls += 100;
                    }
                    total.fetch_add(calls, Ordering::Relaxed);
                });
            }
            start.wait();
            let began = Instant::now();
            std::thread::sleep(length);
            end.store(true, Ordering::Relaxed);
            began.elapsed()
        });
        total.load(Ordering::Relaxed) as f64
    };
    let ratios: Vec<f64> = (0..pairs)
        .map(|pair| {
            // Which is first changes.
            let (one, two) = if pair % 2 == 0 {
                let one = run(1);
                (one, run(2))
            } else {
                let two = run(2);
                (run(1), two)
            };
            two / one
        })
        .collect();
    median(&ratios)
}
