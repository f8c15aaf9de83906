//! Values and arithmetic on a machine without an operating system: WebAssembly. `run.mjs` calls
//! `failed`.

use std::future::Future;
use std::pin::pin;
use std::task::{Context, Poll, Waker};
use std::time::Duration;
use sureclock::{BuildError, Order, SureClock, TimeInterval, Timestamp, fence};

/// The first check that fails, counted from one; 0 if none does. `ahead_ms` is how far a lying peer
/// says that it is ahead: 0 of none.
#[unsafe(no_mangle)]
pub extern "C" fn failed(ahead_ms: u32) -> u32 {
    let checks = checks(u64::from(ahead_ms));
    let first = checks.iter().position(|holds| !holds).map_or(0, |at| at + 1);
    u32::try_from(first).unwrap_or(u32::MAX)
}

fn checks(ahead_ms: u64) -> [bool; 8] {
    let interval: TimeInterval = "2026-11-23T11:03:00Z ± 1 ms".parse().unwrap();
    let later: TimeInterval = "2026-11-23T11:03:01Z ± 1 ms".parse().unwrap();
    let (clock, time) = SureClock::manual(interval);
    let s = clock.commit_timestamp().unwrap();
    let mut wait = pin!(clock.commit_wait(s).guard("done"));
    let mut context = Context::from_waker(Waker::noop());
    let waited = wait.as_mut().poll(&mut context).is_pending();
    let message = clock.seal("hello").unwrap();
    let shown = clock.now();
    time.advance(Duration::from_millis(3));
    let done = matches!(wait.as_mut().poll(&mut context), Poll::Ready(Ok(past)) if *past.get() == "done");
    // A peer whose time is that far behind, so that the message is of its future.
    let behind = Timestamp::from_unix_nanos(interval.latest().as_unix_nanos() - 1_000_000 * ahead_ms as i64);
    let peer = TimeInterval::new(behind, behind, interval.timescale()).unwrap();
    let (peer, _) = SureClock::manual(peer);
    let opened = peer.open(&message).unwrap();
    [
        interval.order(&later) == Ok(Order::Before) && interval.order(&interval) == Ok(Order::Concurrent),
        shown == Ok(interval),
        waited && done,
        clock.after(s.timestamp()) == Ok(true),
        later.to_string().parse() == Ok(later),
        opened.broken_bound.is_none(),
        fence::FencingHolder::new(1).is_err(),
        matches!(
            SureClock::builder().ntp("192.0.2.1").max_faulty(0).start(),
            Err(BuildError::CounterUnavailable { .. })
        ),
    ]
}
