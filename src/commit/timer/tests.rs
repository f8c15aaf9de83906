//! Turns of the timing thread on a manual clock, where each can be looked at; then the thread
//! itself on a real counter.

use super::super::Sleeper;
use super::*;
use crate::commit::tests::set_once;
use crate::{DisruptionReason, ManualTime, SureClock};
use std::future::Future as _;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::Context;

const MS: Duration = Duration::from_millis(1);
const US: Duration = Duration::from_micros(1);

#[derive(Default)]
struct Count(AtomicUsize);

impl Wake for Count {
    fn wake(self: Arc<Count>) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

/// A manual clock whose waits may spin for so long, a turn that knows nothing yet, and how often
/// what it pends was woken.
struct Stage {
    shared: Shared,
    time: ManualTime,
    known: Known,
    woken: Arc<Count>,
}

impl Stage {
    fn new(budget: Duration) -> Stage {
        let (mut shared, _, time) =
            crate::testing::start("2026-11-23T11:03:00Z ± 1 ms".parse().unwrap());
        shared.limits.spin_budget = budget;
        shared.timer_sleeper = Sleeper::new(budget);
        // Sleeps that end late make the lead as long as it may be.
        shared.timer_sleeper.woke(Instant::now().checked_sub(budget).unwrap());
        assert_eq!(shared.timer_sleeper.lead(), budget);
        Stage {
            shared,
            time,
            known: Known { registered: None, incarnation: None },
            woken: Arc::default(),
        }
    }

    /// Somebody waits for a point so far beyond `earliest`.
    fn pend(&self, beyond: Duration) {
        let (params, _, ticks) = self.shared.running().unwrap();
        let at = params.earliest_now(ticks).unwrap() + i64::try_from(beyond.as_nanos()).unwrap();
        self.shared.pending.register(at, Arc::clone(&self.woken).into(), || Ok(())).unwrap();
    }

    fn turn(&mut self) -> Option<Instant> {
        self.known.turn(&self.shared, &self.shared.pending, Waker::noop())
    }

    /// How long the turn says to sleep, at the least of some: the thread of the test may be stopped
    /// in any of them.
    fn sleeps(&mut self) -> Duration {
        (0..5).map(|_| Instant::now()).map(|began| self.turn().unwrap() - began).min().unwrap()
    }

    fn woken(&self) -> usize {
        self.woken.0.load(Ordering::SeqCst)
    }
}

#[test]
#[cfg_attr(miri, ignore = "of real time")]
fn a_turn_wakes_who_is_due_and_sleeps_until_a_lead_before_the_next() {
    let mut stage = Stage::new(20 * MS);
    for beyond in [3 * US, 400 * MS] {
        stage.pend(beyond);
    }
    let sleeps = stage.sleeps();
    assert_eq!(stage.woken(), 1, "early enough to be polled in time");
    assert!(sleeps >= 380 * MS - 5 * US && sleeps < 400 * MS, "{sleeps:?}");
    // What is left is too short for a sleep, and the counter of this clock does not move by itself.
    stage.time.advance(390 * MS);
    assert_eq!((stage.turn(), stage.woken()), (None, 1), "it has spun, and looks again");
    stage.time.advance(10 * MS);
    assert!(stage.sleeps() >= LONGEST_SLEEP, "nobody is left");
    assert_eq!(stage.woken(), 2);
}

#[test]
fn without_a_budget_a_turn_sleeps_until_the_moment_itself() {
    let mut stage = Stage::new(Duration::ZERO);
    stage.pend(400 * MS);
    let sleeps = stage.sleeps();
    assert!(sleeps >= 400 * MS && sleeps < LONGEST_SLEEP, "{sleeps:?}");
    assert_eq!(
        [Duration::ZERO, 4 * US, 9 * US, MS].map(early),
        [Duration::ZERO, 2 * US, 4_500 * US / 1_000, EARLY]
    );
}

#[test]
fn a_disruption_wakes_everyone_seen_or_not() {
    let mut stage = Stage::new(Duration::ZERO);
    stage.pend(400 * MS);
    stage.sleeps();
    assert_eq!(stage.woken(), 0);
    stage.time.disrupt();
    assert!(stage.sleeps() >= LONGEST_SLEEP, "no answer is no reason to turn again at once");
    assert_eq!(stage.woken(), 1);
    let later = "2026-11-23T11:04:00Z ± 1 ms".parse().unwrap();
    stage.time.set(later).unwrap();
    stage.sleeps();
    stage.pend(400 * MS);
    stage.sleeps();
    assert_eq!(stage.woken(), 1);
    // Over before the thread has had a turn.
    stage.time.disrupt();
    stage.time.set(later).unwrap();
    stage.sleeps();
    assert_eq!(stage.woken(), 2);
}

/// How long it takes until `woken` says so.
fn until_woken(woken: &Count) -> Duration {
    let began = Instant::now();
    while woken.0.load(Ordering::SeqCst) == 0 {
        assert!(began.elapsed() < 20_000 * MS, "nobody was woken");
        std::thread::sleep(MS);
    }
    began.elapsed()
}

#[cfg_attr(miri, ignore = "of real time")]
#[test]
fn the_thread_wakes_a_future_at_its_time_and_learns_how_late_its_sleeps_end() {
    let (clock, _own_loop) = set_once(SureClock::builder());
    let before = clock.shared().timer_sleeper.lead();
    for _ in 0..3 {
        let woken: Arc<Count> = Arc::default();
        let t = clock.now().unwrap().earliest().checked_add(30 * MS).unwrap();
        let mut wait = clock.wait_until_after(t);
        let waker = Waker::from(Arc::clone(&woken));
        assert!(std::pin::Pin::new(&mut wait).poll(&mut Context::from_waker(&waker)).is_pending());
        until_woken(&woken);
        assert_eq!(clock.after(t.checked_sub(6 * US).unwrap()), Ok(true), "woken early");
    }
    assert_ne!(clock.shared().timer_sleeper.lead(), before);
}

#[cfg_attr(miri, ignore = "of real time")]
#[test]
fn a_disruption_reaches_the_thread_in_its_sleep() {
    // The least of three: the thread would wake by itself within a second.
    let took = (0..3).map(|_| {
        let (clock, own_loop) = set_once(SureClock::builder());
        let woken: Arc<Count> = Arc::default();
        let t = clock.now().unwrap().earliest().checked_add(600_000 * MS).unwrap();
        let mut wait = clock.wait_until_after(t);
        let waker = Waker::from(Arc::clone(&woken));
        assert!(std::pin::Pin::new(&mut wait).poll(&mut Context::from_waker(&waker)).is_pending());
        std::thread::sleep(50 * MS);
        own_loop.disrupt(DisruptionReason::Suspended);
        until_woken(&woken)
    });
    let took = took.min().unwrap();
    assert!(took < LONGEST_SLEEP / 2, "{took:?}");
}
