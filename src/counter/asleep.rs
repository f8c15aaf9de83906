//! How long the system was suspended, read so that a thread that is held up hides nothing.
//!
//! The time asleep s is the difference of two clocks of the system. A look reads one of them, the
//! other, and the first again; what the first moved by in between is the width w of the look.
//!
//! Why no suspend longer than twice the [limit](Tightness) is overlooked, however long threads are
//! held up:
//!
//! 1. s changes in a suspend and at nothing else, and only grows.
//! 2. A look bounds s, as it was at its middle reading, to a range of width w.
//! 3. Only a look with w within the limit counts; a wider one is read again.
//! 4. So what is noted of s is too high by the limit at most, and what a later look finds at least
//!    is too low by the limit at most.
//! 5. A suspend of more than both together lies between the two, and is seen.
//! 6. Where no look of many is within the limit, nothing is known, and that counts as a suspend.

use super::{ManualCounter, os};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

/// Who knows of suspends.
#[derive(Clone, Debug)]
pub(super) enum Clocks {
    Os,
    Manual(Arc<ManualCounter>),
    /// Looks as they come, one after another; the last one again and again.
    #[cfg(test)]
    Scripted(Arc<parking_lot::Mutex<Vec<(i64, i64)>>>),
}

impl Clocks {
    /// Bounds of the time spent suspended, as one look shows them.
    fn read(&self) -> (i64, i64) {
        match self {
            Clocks::Manual(counter) => {
                let ns = i64::try_from(counter.suspended_ns()).unwrap_or(i64::MAX);
                (ns, ns)
            }
            Clocks::Os => os::suspended_ns(),
            #[cfg(test)]
            Clocks::Scripted(looks) => {
                let mut looks = looks.lock();
                if looks.len() > 1 { looks.remove(0) } else { looks[0] }
            }
        }
    }
}

/// How wide a look may be that counts.
#[derive(Clone, Copy, Debug)]
struct Tightness {
    widest_ns: i64,
}

impl Tightness {
    /// What these clocks can do at their best, and room for a slower moment.
    fn of(clocks: &Clocks) -> Tightness {
        let width = |(least, most): (i64, i64)| most.saturating_sub(least);
        let least = (0..FIRST_READS).map(|_| width(clocks.read())).min().unwrap_or(0);
        Tightness { widest_ns: least.saturating_add(least / 4).saturating_add(ROOM_NS) }
    }

    /// A look that counts, if there was one.
    fn read(self, clocks: &Clocks) -> Option<(i64, i64)> {
        let fits = |(least, most): &(i64, i64)| most.saturating_sub(*least) <= self.widest_ns;
        (0..TRIES).map(|_| clocks.read()).find(fits)
    }
}

/// The time asleep that the clock has taken note of.
#[derive(Debug)]
pub(super) struct Asleep {
    /// At least this much had been spent suspended at the last look, at most that much.
    pub(super) ns: (i64, i64),
    readers: Suspends,
}

impl Asleep {
    pub(super) fn of(clocks: &Clocks) -> Asleep {
        let tightness = Tightness::of(clocks);
        // Where it is not known, no more than what was certain: the first good look begins with a
        // disruption then.
        let ns = tightness.read(clocks).unwrap_or_else(|| (clocks.read().0, clocks.read().0));
        let readers = Suspends { clocks: clocks.clone(), tightness, noted_ns: Arc::new(AtomicI64::new(ns.1)) };
        Asleep { ns, readers }
    }

    /// For the readers.
    pub(super) fn readers(&self) -> &Suspends {
        &self.readers
    }

    /// Whether there was a suspend since the last look, or that is not known.
    pub(super) fn check(&mut self, clocks: &Clocks) -> bool {
        let Some(new) = self.readers.tightness.read(clocks) else { return true };
        let grew = new.0 > self.ns.1;
        // Both looks bound one number unless it grew: keep what is known best.
        self.ns = if grew { new } else { (new.0.max(self.ns.0), new.1.min(self.ns.1)) };
        if !grew {
            // What a slower look left open is not left open to the readers, either.
            self.note();
        }
        grew
    }

    /// What was seen has been published.
    pub(super) fn note(&self) {
        self.readers.note(self.ns.1);
    }
}

/// The same for readers that look for a suspend themselves.
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
        let Some((suspended, _)) = self.tightness.read(&self.clocks) else { return true };
        // Acquire, with `note`: who sees that a suspend was noted sees the disruption published, at
        // its second look at the stamp.
        suspended > self.noted_ns.load(Ordering::Acquire)
    }

    pub(super) fn note(&self, at_most_ns: i64) {
        self.noted_ns.store(at_most_ns, Ordering::Release);
    }

    #[cfg(test)]
    pub(super) fn noted_ns(&self) -> i64 {
        self.noted_ns.load(Ordering::Relaxed)
    }
}

/// A tenth of the shortest suspend that a system makes. Smaller: more looks are read again on a
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

    const MS: i64 = 1_000_000;

    /// Clocks whose first looks are close; then what is scripted.
    fn scripted(asleep_ns: i64) -> (Clocks, impl Fn(&[(i64, i64)])) {
        let looks = Arc::new(parking_lot::Mutex::new(vec![(asleep_ns, asleep_ns + 50)]));
        let clocks = Clocks::Scripted(Arc::clone(&looks));
        (clocks, move |next: &[(i64, i64)]| *looks.lock() = next.to_vec())
    }

    /// A look held up for 5 ms, after a suspend of 1 ms.
    const HELD_UP: (i64, i64) = (MS - 5 * MS, MS + 50);

    #[test]
    fn a_thread_held_up_between_its_readings_hides_no_suspend() {
        let (clocks, come) = scripted(0);
        let mut asleep = Asleep::of(&clocks);
        come(&[HELD_UP, HELD_UP, (MS, MS + 60)]);
        assert!(asleep.readers().clone().unnoted(), "not from a reader");
        come(&[HELD_UP, HELD_UP, (MS, MS + 60)]);
        assert!(asleep.check(&clocks), "not from the clock");
        assert!(HELD_UP.0 < asleep.ns.0, "what the first read alone says shows nothing");
        asleep.note();
        assert!(!asleep.check(&clocks) && !asleep.readers().unnoted(), "seen once");
    }

    #[test]
    fn where_every_read_is_held_up_nothing_is_known_and_that_is_no_all_clear() {
        let (clocks, come) = scripted(0);
        let mut asleep = Asleep::of(&clocks);
        come(&[(-5 * MS, 5 * MS)]);
        assert!(asleep.check(&clocks) && asleep.readers().unnoted());
        // The twin: nothing happened meanwhile.
        come(&[(0, 40)]);
        assert!(!asleep.check(&clocks) && !asleep.readers().unnoted());
    }

    #[test]
    fn a_held_up_first_read_hides_no_later_suspend() {
        let (clocks, come) = scripted(0);
        // Of the looks by which the limit is found all but one are held up.
        come(&[&[(-9 * MS, 9 * MS); 15][..], &[(0, 50), (-9 * MS, 9 * MS), (0, 50)]].concat());
        let mut asleep = Asleep::of(&clocks);
        come(&[(MS, MS + 50)]);
        assert!(asleep.check(&clocks));
    }

    #[test]
    fn clocks_of_coarse_steps_are_used_as_they_are() {
        let step = 15 * MS;
        let looks = Arc::new(parking_lot::Mutex::new(vec![(-step, step)]));
        let clocks = Clocks::Scripted(Arc::clone(&looks));
        let mut asleep = Asleep::of(&clocks);
        assert!(!asleep.check(&clocks));
        *looks.lock() = vec![(1_000 * MS - step, 1_000 * MS + step)];
        assert!(asleep.check(&clocks));
    }
}
