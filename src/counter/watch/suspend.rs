//! The suspend watch: whether the system was suspended, read so that a thread that is held up hides
//! nothing.
//!
//! The time asleep s is the difference of two clocks of one rate, of which one stands still in a
//! suspend (`os`):
//!
//! | system | s |
//! |---|---|
//! | Linux, Android | BOOTTIME - MONOTONIC |
//! | Apple's systems | MONOTONIC_RAW - UPTIME_RAW |
//! | Windows | the interrupt time minus the unbiased interrupt time |
//! | others | unknown: no suspend is noticed |
//!
//! Nor is one noticed that is shorter than the platform can measure: a second where only the
//! battery clock runs meanwhile (*Not guaranteed*).
//!
//! A read of s reads one of the two clocks, the other, and the first again; what the first moved by
//! in between is the width w of the read.
//!
//! Why no suspend longer than twice the [limit](Tightness) is overlooked, however long threads are
//! held up:
//!
//! 1. s changes in a suspend and at nothing else, and only grows.
//! 2. A read bounds s, as it was at its middle reading, to a range of width w.
//! 3. Only a read with w within the limit counts; a wider one is made again.
//! 4. So what is noted of s is too high by the limit at most, and what a later read finds at least
//!    is too low by the limit at most.
//! 5. A suspend of more than both together lies between the two, and is seen.
//! 6. Where no read of many is within the limit, nothing is known, and that counts as a suspend.

use super::Break;
use super::clocks::Clocks;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

/// The time asleep that the clock has taken note of.
#[derive(Debug)]
pub(super) struct SuspendWatch {
    /// At least this much had been spent suspended at the last check, at most that much.
    ns: (i64, i64),
    readers: Suspends,
}

impl SuspendWatch {
    pub(super) fn of(clocks: Clocks) -> SuspendWatch {
        let tightness = Tightness::of(&clocks);
        // Where it is not known, no more than what was certain: the first good read begins with a
        // disruption then.
        let unknown = || (clocks.suspended_ns().0, clocks.suspended_ns().0);
        let ns = tightness.read(&clocks).unwrap_or_else(unknown);
        let readers = Suspends { clocks, tightness, noted_ns: Arc::new(AtomicI64::new(ns.1)) };
        SuspendWatch { ns, readers }
    }

    /// For readers, which check for suspends themselves.
    pub(super) fn readers(&self) -> &Suspends {
        &self.readers
    }

    /// Whether there was a suspend since the last check, or that is not known.
    pub(super) fn observe(&mut self) -> Option<Break> {
        let Some(new) = self.readers.read() else { return Some(Break::Suspended) };
        if new.0 > self.ns.1 {
            self.ns = new;
            return Some(Break::Suspended);
        }
        // Both reads bound one number, since it has not grown: keep what is known best.
        self.ns = (new.0.max(self.ns.0), new.1.min(self.ns.1));
        // What a slower read left open is not left open to the readers, either.
        self.note();
        None
    }

    /// What was seen has been published: readers need not notice it any more.
    pub(super) fn note(&self) {
        self.readers.note(self.ns.1);
    }
}

/// The time asleep that the clock has taken note of, for readers that check for a suspend
/// themselves.
#[derive(Clone, Debug)]
pub(crate) struct Suspends {
    clocks: Clocks,
    tightness: Tightness,
    noted_ns: Arc<AtomicI64>,
}

impl Suspends {
    /// Whether there was a suspend that the clock has not taken note of, or that is not known. To
    /// be called within the read section of the cell.
    pub(crate) fn unnoted(&self) -> bool {
        let Some((suspended, _)) = self.read() else { return true };
        // Acquire, with `note`: who sees that a suspend was noted sees the disruption published, at
        // its second read of the stamp.
        suspended > self.noted_ns.load(Ordering::Acquire)
    }

    fn read(&self) -> Option<(i64, i64)> {
        self.tightness.read(&self.clocks)
    }

    fn note(&self, at_most_ns: i64) {
        // Release, with `unnoted`: the disruption was published before.
        self.noted_ns.store(at_most_ns, Ordering::Release);
    }
}

/// How wide a read may be that counts.
#[derive(Clone, Copy, Debug)]
struct Tightness {
    widest_ns: i64,
}

impl Tightness {
    /// What these clocks can do at their best, and room for a slower moment.
    fn of(clocks: &Clocks) -> Tightness {
        let width = |(least, most): (i64, i64)| most.saturating_sub(least);
        let widths = (0..FIRST_READS).map(|_| width(clocks.suspended_ns()));
        let least = widths.min().unwrap_or(0);
        Tightness { widest_ns: least.saturating_add(least / 4).saturating_add(ROOM_NS) }
    }

    /// A read that counts, if there was one.
    fn read(self, clocks: &Clocks) -> Option<(i64, i64)> {
        let fits = |(least, most): &(i64, i64)| most.saturating_sub(*least) <= self.widest_ns;
        (0..TRIES).map(|_| clocks.suspended_ns()).find(fits)
    }
}

/// A tenth of the shortest suspend that a system makes. Smaller: more reads are made again on a
/// busy machine. Larger: shorter suspends are overlooked.
const ROOM_NS: i64 = 100_000;
/// The best of so many shows what the clocks can do. Fewer: a busy moment at the start widens the
/// limit.
const FIRST_READS: u32 = 16;
/// So many in a row are held up only on a machine that hardly runs. Fewer: disruptions there.
const TRIES: u32 = 64;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::counter::watch::{Continuity, Scope, Seen};
    use crate::counter::{Counter, ManualCounter};
    #[cfg(any(target_os = "linux", target_os = "android", target_vendor = "apple", windows))]
    use crate::counter::{CounterChoice, VmClock};

    const MS: i64 = 1_000_000;

    /// Clocks whose first reads are close; then what is scripted.
    fn scripted(asleep_ns: i64) -> (Clocks, impl Fn(&[(i64, i64)])) {
        let reads = Arc::new(parking_lot::Mutex::new(vec![(asleep_ns, asleep_ns + 50)]));
        let clocks = Clocks::Scripted(Arc::clone(&reads));
        (clocks, move |next: &[(i64, i64)]| *reads.lock() = next.to_vec())
    }

    /// A read held up for 5 ms, after a suspend of 1 ms.
    const HELD_UP: (i64, i64) = (MS - 5 * MS, MS + 50);

    #[test]
    fn a_thread_held_up_between_its_readings_hides_no_suspend() {
        let (clocks, come) = scripted(0);
        let mut watch = SuspendWatch::of(clocks);
        come(&[HELD_UP, HELD_UP, (MS, MS + 60)]);
        assert!(watch.readers().clone().unnoted(), "not from a reader");
        come(&[HELD_UP, HELD_UP, (MS, MS + 60)]);
        assert!(watch.observe().is_some(), "not from the clock");
        assert!(HELD_UP.0 < watch.ns.0, "what the first read alone says shows nothing");
        watch.note();
        assert!(watch.observe().is_none() && !watch.readers().unnoted(), "seen once");
    }

    #[test]
    fn where_every_read_is_held_up_nothing_is_known_and_that_is_no_all_clear() {
        let (clocks, come) = scripted(0);
        let mut watch = SuspendWatch::of(clocks);
        come(&[(-5 * MS, 5 * MS)]);
        assert!(watch.observe().is_some() && watch.readers().unnoted());
        // The twin: nothing happened meanwhile.
        come(&[(0, 40)]);
        assert!(watch.observe().is_none() && !watch.readers().unnoted());
    }

    #[test]
    fn a_held_up_first_read_hides_no_later_suspend() {
        let (clocks, come) = scripted(0);
        // Of the reads by which the limit is found all but one are held up.
        come(&[&[(-9 * MS, 9 * MS); 15][..], &[(0, 50), (-9 * MS, 9 * MS), (0, 50)]].concat());
        let mut watch = SuspendWatch::of(clocks);
        come(&[(MS, MS + 50)]);
        assert!(watch.observe().is_some());
    }

    #[test]
    fn clocks_of_coarse_steps_are_used_as_they_are() {
        let step = 15 * MS;
        let reads = Arc::new(parking_lot::Mutex::new(vec![(-step, step)]));
        let clocks = Clocks::Scripted(Arc::clone(&reads));
        let mut watch = SuspendWatch::of(clocks);
        assert!(watch.observe().is_none());
        *reads.lock() = vec![(1_000 * MS - step, 1_000 * MS + step)];
        assert!(watch.observe().is_some());
    }

    #[test]
    fn a_suspend_is_seen_once() {
        let manual = ManualCounter::new(0);
        let mut continuity = Continuity::of(&Counter::manual(Arc::clone(&manual)));
        assert_eq!(continuity.check(Scope::All), Seen::default());
        manual.suspend(1);
        assert!(continuity.suspends().unnoted(), "by readers before anyone has checked");
        assert_eq!(continuity.check(Scope::Clocks).broken, Some(Break::Suspended));
        assert!(continuity.suspends().unnoted(), "by readers until it is published");
        continuity.noted(Seen::default());
        assert!(!continuity.suspends().unnoted());
        assert_eq!(continuity.check(Scope::Clocks), Seen::default());
    }

    #[cfg(any(target_os = "linux", target_os = "android", target_vendor = "apple", windows))]
    fn of_this_machine() -> Continuity {
        Continuity::of(&Counter::choose(CounterChoice::Auto, VmClock::none("")).unwrap())
    }

    #[cfg(any(target_os = "linux", target_os = "android", target_vendor = "apple", windows))]
    #[test]
    #[cfg_attr(miri, ignore = "of the system's clocks")]
    fn a_suspend_that_the_os_knows_is_seen_once() {
        let mut continuity = of_this_machine();
        // As if the last check had been before a suspend of one second.
        continuity.suspend.ns.0 -= 1_000_000_000;
        continuity.suspend.ns.1 -= 1_000_000_000;
        continuity.noted(Seen::default());
        assert!(continuity.suspends().unnoted());
        assert_eq!(continuity.check(Scope::Clocks).broken, Some(Break::Suspended));
        continuity.noted(Seen::default());
        assert!(!continuity.suspends().unnoted());
        assert_eq!(continuity.check(Scope::Clocks).broken, None);
    }

    #[cfg(any(target_os = "linux", target_os = "android", target_vendor = "apple", windows))]
    #[test]
    #[cfg_attr(miri, ignore = "of the system's clocks")]
    fn found_a_slow_first_check_does_not_hide_suspends_from_readers() {
        let mut continuity = of_this_machine();
        // As if the thread had been held up for 2 s between the two readings of MONOTONIC.
        continuity.suspend.ns.1 += 2_000_000_000;
        continuity.noted(Seen::default());
        assert_eq!(continuity.check(Scope::All).broken, None);
        let readers = continuity.suspend.readers();
        let noted = readers.noted_ns.load(Ordering::Relaxed);
        // A suspend of a second: as if what was noted had been a second less.
        readers.note(noted - 1_000_000_000);
        assert!(continuity.suspends().unnoted());
    }
}
