//! A deadline: `after(t)` asked again and again, for the price of one look at the counter.

use crate::bound::NowError;
use crate::clock::SureClock;
use crate::time::Timestamp;
use std::ops::RangeInclusive;

/// A point in time, and from which reading of the counter on it is certainly in the past.
///
/// [`is_past`](Deadline::is_past) answers as [`after`](SureClock::after) does, but works the point
/// out only once for each publication of the clock (one an answer of a source; at every call where
/// each reading [looks for a suspend](crate::Builder::suspend_check)): the other calls read the
/// counter and compare. For event loops and for checks on every request; for one wait
/// [`commit_wait`](SureClock::commit_wait) is the thing.
///
/// # Why it is right
///
/// Let T be the first reading at which the line of `earliest` that is in force exceeds t, worked
/// out under stamp s.
///
/// 1. A reading c of T or more says that true time was beyond t when it was taken, on any core: the
///    counter's margin is in the line. (If t was past already when the line began, it is past at
///    the return whatever c says.)
/// 2. The counter is read before the stamp is loaded, in the order of the program. If the processor
///    reads it earlier still, c is smaller: the answer may be *not yet* where `after` would say
///    *past*, for less than a microsecond, and never the contrary, since what was past at c is past
///    at the return.
/// 3. If it loads the stamp first, it does so by as much as it runs ahead, less than a microsecond:
///    s was in force so shortly before c that the clock's allowance for readers that overlap a
///    publication covers it, as it does for `now`.
/// 4. The stamp is still s: no disruption was published, no better or other line, no leap second; c
///    is not below the publication, as after a counter went back. Otherwise all of it is worked out
///    again, from what is in force.
///
/// ```
/// # let interval: sureclock::TimeInterval = "2026-11-23T11:03:00Z ± 1 ms".parse()?;
/// # let (clock, time) = sureclock::SureClock::manual(interval);
/// let mut deadline = clock.deadline("2026-11-23T11:03:00.002Z".parse()?);
/// assert!(!deadline.is_past()?);
/// time.advance(std::time::Duration::from_millis(4));
/// assert!(deadline.is_past()?);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
pub struct Deadline {
    clock: SureClock,
    t: Timestamp,
    /// The stamp of the publication that the rest is of.
    stamp: u64,
    past_from: u64,
    /// The readings that are answered from here.
    answers: RangeInclusive<u64>,
}

impl SureClock {
    /// A [`Deadline`] at `t`. Needs no synchronization yet.
    #[must_use]
    pub fn deadline(&self, t: Timestamp) -> Deadline {
        Deadline { clock: self.clone(), t, stamp: 0, past_from: u64::MAX, answers: NONE }
    }
}

impl Deadline {
    /// The point in time.
    #[must_use]
    pub fn timestamp(&self) -> Timestamp {
        self.t
    }

    /// Whether the point is certainly in the past: once true, true for the epoch; what was true on
    /// another thread may be false here for less than a microsecond, and as long as the cores'
    /// counters differ (the counter's margin, in the status).
    ///
    /// # Errors
    ///
    /// As [`after`](SureClock::after).
    #[inline]
    pub fn is_past(&mut self) -> Result<bool, NowError> {
        let shared = self.clock.shared();
        let ticks = shared.counter.ticks_unordered();
        if self.answers.contains(&ticks) && shared.is_in_force(self.stamp) {
            return Ok(ticks >= self.past_from);
        }
        self.work_out()
    }

    #[cold]
    #[inline(never)]
    fn work_out(&mut self) -> Result<bool, NowError> {
        self.answers = NONE;
        let shared = self.clock.shared();
        let (publication, ticks, stamp) = shared.load_stamped()?;
        let params = publication.running()?;
        let is_past = self.t.as_unix_nanos() < params.earliest_now(ticks)?;
        if shared.may_be_cached() {
            // Where the line never exceeds it within the range of readings, no reading is enough.
            let from = params.past_from(self.t.as_unix_nanos());
            self.past_from = from.unwrap_or(u64::MAX);
            let answers = params.earliest_answers();
            self.answers = *answers.start()..=(*answers.end()).min(u64::MAX - 1);
            self.stamp = stamp;
        }
        Ok(is_past)
    }
}

/// No readings.
#[allow(clippy::reversed_empty_ranges, reason = "on purpose")]
const NONE: RangeInclusive<u64> = 1..=0;

#[cfg(all(test, not(sureclock_loom)))]
mod tests {
    use super::*;
    use std::time::Duration;

    fn manual() -> (SureClock, crate::ManualTime) {
        SureClock::manual("2026-11-23T11:03:00Z ± 1 ms".parse().unwrap())
    }

    #[test]
    fn it_turns_when_after_does_to_the_nanosecond() {
        let (clock, time) = manual();
        let t = clock.now().unwrap().earliest().checked_add(Duration::from_nanos(1_000)).unwrap();
        let mut deadline = clock.deadline(t);
        assert_eq!(deadline.timestamp(), t);
        assert_eq!((deadline.is_past(), clock.after(t)), (Ok(false), Ok(false)));
        time.advance(Duration::from_nanos(1_000));
        assert_eq!(
            (deadline.is_past(), clock.after(t)),
            (Ok(false), Ok(false)),
            "not after itself"
        );
        time.advance(Duration::from_nanos(1));
        assert_eq!((deadline.is_past(), clock.after(t)), (Ok(true), Ok(true)));
    }

    #[test]
    fn a_publication_and_a_disruption_are_seen_at_once() {
        let (clock, time) = manual();
        let now = clock.now().unwrap();
        let t = now.latest().checked_add(Duration::from_secs(1)).unwrap();
        let (mut deadline, mut other) = (clock.deadline(t), clock.deadline(t));
        assert_eq!((deadline.is_past(), other.is_past()), (Ok(false), Ok(false)));
        let later = |s: u64| now.earliest().checked_add(Duration::from_secs(s)).unwrap();
        time.set(crate::TimeInterval::new(later(5), later(6), now.timescale()).unwrap()).unwrap();
        assert_eq!(deadline.is_past(), Ok(true));
        time.disrupt();
        assert!(matches!(deadline.is_past(), Err(NowError::Disrupted { .. })));
        assert!(
            matches!(other.is_past(), Err(NowError::Disrupted { .. })),
            "also where it was past by the old lines"
        );
        time.set(now).unwrap();
        assert_eq!(
            (deadline.is_past(), other.is_past()),
            (Ok(false), Ok(false)),
            "after a recovery it is worked out again"
        );
    }

    #[test]
    fn the_ends_of_the_range_are_no_exception() {
        let (clock, time) = manual();
        assert_eq!(clock.deadline(Timestamp::MIN).is_past(), Ok(true));
        let mut never = clock.deadline(Timestamp::MAX);
        assert_eq!(never.is_past(), Ok(false));
        time.advance(Duration::from_secs(86_400 * 365 * 100));
        assert_eq!(never.is_past(), Ok(false));
    }
    #[test]
    fn worked_out_at_the_point_itself_it_is_not_past() {
        let (clock, time) = manual();
        let t = clock.now().unwrap().earliest();
        assert_eq!(clock.deadline(t).is_past(), Ok(false));
        time.advance(Duration::from_nanos(1));
        assert_eq!(clock.deadline(t).is_past(), Ok(true));
    }

    #[test]
    fn a_point_that_no_reading_reaches_is_not_past_at_the_last_one_either() {
        let (clock, time) = SureClock::manual(
            crate::TimeInterval::new(Timestamp::MIN, Timestamp::MIN, crate::Timescale::Utc)
                .unwrap(),
        );
        let mut never = clock.deadline(Timestamp::MAX);
        assert_eq!(never.is_past(), Ok(false));
        time.advance(Duration::MAX);
        assert_eq!((never.is_past(), clock.after(Timestamp::MAX)), (Ok(false), Ok(false)));
    }
}
