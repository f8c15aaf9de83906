//! Sleeping until shortly before a moment, and spinning until it: how late the system wakes a
//! thread is learned.
//!
//! A sleep ends late, by tens of microseconds with the least timer slack, sometimes by
//! milliseconds. So a wait sleeps until a *lead* before its deadline and spins for the rest. The
//! lead follows the oversleep that is seen: up at once, down by a sixteenth, so that most sleeps
//! end before the deadline; never above the *spin budget*, which is what a wait may cost of a
//! processor's time.

use parking_lot::Mutex;
use std::num::NonZeroU64;
use std::time::{Duration, Instant};

/// What was learned of oversleeping.
#[derive(Debug)]
pub(crate) struct Sleeper {
    budget: Duration,
    lead: Mutex<Duration>,
}

impl Sleeper {
    /// Spins for `budget` at most in each wait; zero: never.
    pub(crate) fn new(budget: Duration) -> Sleeper {
        Sleeper { budget, lead: Mutex::new(FIRST_LEAD.min(budget)) }
    }

    /// How long before a deadline a sleep should end.
    pub(crate) fn lead(&self) -> Duration {
        *self.lead.lock()
    }

    /// A sleep that was to end at `due` ended now.
    pub(crate) fn woke(&self, due: Instant) {
        self.was_late(due.elapsed());
    }

    fn was_late(&self, late: Duration) {
        let mut lead = self.lead.lock();
        *lead = if late > *lead { late.min(self.budget) } else { *lead - (*lead - late) / 16 };
    }
}

/// The thread's timer slack, at its least while this lives: by default Linux wakes 50 us late on
/// purpose.
#[derive(Debug)]
pub(crate) struct LeastSlack {
    before: Option<NonZeroU64>,
}

impl LeastSlack {
    pub(crate) fn new() -> LeastSlack {
        LeastSlack { before: least_slack() }
    }
}

impl Drop for LeastSlack {
    fn drop(&mut self) {
        if let Some(before) = self.before {
            set_slack(before);
        }
    }
}

#[cfg(target_os = "linux")]
fn least_slack() -> Option<NonZeroU64> {
    let before = NonZeroU64::new(rustix::thread::current_timer_slack().ok()?)?;
    set_slack(NonZeroU64::MIN);
    Some(before)
}

#[cfg(target_os = "linux")]
fn set_slack(ns: NonZeroU64) {
    // Refused, a sleep ends later, and the lead learns of it.
    let _ = rustix::thread::set_current_timer_slack(Some(ns));
}

#[cfg(not(target_os = "linux"))]
fn least_slack() -> Option<NonZeroU64> {
    None
}

#[cfg(not(target_os = "linux"))]
fn set_slack(_ns: NonZeroU64) {}

/// What a sleep with the least slack is usually late by, before anything was seen.
const FIRST_LEAD: Duration = Duration::from_micros(80);

#[cfg(all(test, not(sureclock_loom)))]
mod tests {
    use super::*;

    const US: Duration = Duration::from_micros(1);

    #[test]
    fn the_lead_rises_at_once_to_what_was_seen_and_falls_slowly() {
        let sleeper = Sleeper::new(200 * US);
        let late = |by: Duration| sleeper.was_late(by);
        late(150 * US);
        assert_eq!(sleeper.lead(), 150 * US);
        (0..100).for_each(|_| late(Duration::ZERO));
        assert!(sleeper.lead() < 50 * US, "{:?}", sleeper.lead());
        late(Duration::from_millis(20));
        assert_eq!(sleeper.lead(), 200 * US, "no more than the budget");
    }

    #[test]
    fn the_lead_falls_by_a_sixteenth_of_what_it_is_too_long_by() {
        let sleeper = Sleeper::new(10_000 * US);
        let late = |by: Duration| sleeper.was_late(by);
        late(8_000 * US);
        late(7_200 * US);
        assert_eq!(sleeper.lead(), 7_950 * US);
    }

    #[test]
    fn without_a_budget_it_never_spins() {
        let sleeper = Sleeper::new(Duration::ZERO);
        sleeper.woke(Instant::now().checked_sub(100 * US).unwrap());
        assert_eq!(sleeper.lead(), Duration::ZERO);
    }

    #[cfg(target_os = "linux")]
    #[test]
    #[cfg_attr(miri, ignore = "of the system's timers")]
    fn the_slack_is_least_and_then_what_it_was() {
        let slack = || rustix::thread::current_timer_slack().unwrap();
        let before = slack();
        {
            let _least = LeastSlack::new();
            assert_eq!(slack(), 1);
        }
        assert_eq!(slack(), before);
        assert_ne!(before, 1);
    }
}
