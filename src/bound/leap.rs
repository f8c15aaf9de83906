//! A leap second that has been announced: what an interval must contain while nobody knows which
//! second it is.
//!
//! Let u be true time as it was counted before, on through the leap second, and M the midnight that
//! it is announced for. POSIX time is u until the step and one second less (insertion) or more
//! (deletion) after it, or u for ever if the announcement is false. An insertion steps at M by one
//! convention and at M+1 by another, a deletion at M-1 or at M.
//!
//! **The law.** Where u is within `[x, y]`, every reading that anyone may rightly take now is
//! within `[earliest(x), latest(y)]`:
//!
//! ```text
//! insertion   earliest(x) = max(x - 1, min(x, M-1))     it stalls before M
//! deletion    latest(y)   = y, from M-1 on y + 1
//! ```
//!
//! and the other end, as well as both where nothing is announced, stays what it is. `earliest`
//! stalls before M, because whoever steps at M reads M-1 then. *Proof* for an insertion: before M
//! everyone reads u, and `earliest(u) <= u`; from M on everyone reads u or u - 1, and `earliest(u)
//! = u - 1`. For a deletion: before M-1 everyone reads u; from then on u or u + 1. Both functions
//! never fall, so what holds for u holds for the ends of an interval around it. A false
//! announcement leaves u, which is within all of them.
//!
//! `earliest` never falls and no reading that comes later is below it: it is the infimum of all
//! readings from now on, so `after` stays true and a commit wait ends when it should. One function,
//! `earliest(u)`, is within the intervals of all clocks that know of the leap second and never
//! falls, so what is proved of a monotone true time (commit wait, leases by deadline) holds of it.
//! A clock that begins after a true deletion counts as everyone does then, u + 1; with it the
//! function is `earliest(u)` until M+1 and u + 1 from there on, by when everyone has stepped.
//!
//! **Facts** of a server that may have stepped, or not, are brought back to u: `u >= L - 1` if a
//! deletion is announced, `u <= U + 1` if an insertion is. A lower fact below M-1 needs neither: if
//! the server had stepped, u would be at M-1 or above. Nor does an upper fact below M-1: the server
//! has not stepped.

use super::Facts;
use super::exchange::LeapAnnouncement;

/// What sources say that one midnight will bring. Both kinds where they say both.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Leap {
    /// The midnight that ends the day, in nanoseconds since the Unix epoch.
    pub(crate) midnight_ns: i64,
    pub(crate) inserted: bool,
    pub(crate) deleted: bool,
}

impl Leap {
    /// `None` where nothing is announced.
    pub(crate) fn announced(midnight_ns: i64, announcement: LeapAnnouncement) -> Option<Leap> {
        let (inserted, deleted) = match announcement {
            LeapAnnouncement::None => return None,
            LeapAnnouncement::Insert => (true, false),
            LeapAnnouncement::Delete => (false, true),
        };
        Some(Leap { midnight_ns, inserted, deleted })
    }

    /// This and what someone else says of the same midnight.
    pub(crate) fn and(self, other: Leap) -> Leap {
        Leap {
            inserted: self.inserted || other.inserted,
            deleted: self.deleted || other.deleted,
            ..self
        }
    }

    /// From here on readings differ by convention, or `earliest` stands still.
    pub(crate) fn begins_ns(&self) -> i64 {
        self.midnight_ns.saturating_sub(SECOND_NS)
    }

    /// From here on, by the count of before, everyone has stepped, also a server that is a second
    /// late.
    pub(crate) fn is_over_ns(&self) -> i64 {
        self.midnight_ns.saturating_add(2 * SECOND_NS)
    }

    /// The lower end, of what is known of u.
    pub(crate) fn earliest(&self, u_ns: i64) -> i64 {
        if self.inserted {
            u_ns.saturating_sub(SECOND_NS).max(u_ns.min(self.begins_ns()))
        } else {
            u_ns
        }
    }

    /// The upper end, of what is known of u; `None` if it does not fit.
    pub(crate) fn latest(&self, u_ns: i64) -> Option<i64> {
        if self.deleted && u_ns >= self.begins_ns() {
            u_ns.checked_add(SECOND_NS)
        } else {
            Some(u_ns)
        }
    }

    /// What u must exceed for `earliest` to exceed `ns`: `earliest(u) > ns` iff `u >` this.
    pub(crate) fn least_to_exceed(&self, ns: i64) -> i64 {
        if self.inserted && ns >= self.begins_ns() { ns.saturating_add(SECOND_NS) } else { ns }
    }

    /// Facts of someone who may have stepped, as facts of u; `None` if they do not fit.
    pub(crate) fn before(&self, facts: &Facts) -> Option<Facts> {
        let (lower, upper) =
            (facts.no_earlier_than().as_unix_nanos(), facts.no_later_than().as_unix_nanos());
        let may_have_stepped = |ns: i64| ns >= self.begins_ns();
        let down = if self.deleted && may_have_stepped(lower) { SECOND_NS } else { 0 };
        let up = if self.inserted && may_have_stepped(upper) { SECOND_NS } else { 0 };
        facts.widened(down, up)
    }

    /// How far the ends of what is known of u must be moved, down and up, to hold of what everyone
    /// reads when it is over.
    pub(crate) fn after_ns(&self) -> (i64, i64) {
        (if self.inserted { SECOND_NS } else { 0 }, if self.deleted { SECOND_NS } else { 0 })
    }
}

const SECOND_NS: i64 = 1_000_000_000;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::time::{CounterId, MonotonicTime, Timestamp};
    use proptest::prelude::*;

    const MIDNIGHT: i64 = 1_798_761_600 * SECOND_NS;

    /// What really happens, and when: the step in nanoseconds by the count of before.
    #[derive(Clone, Copy, Debug)]
    enum Truth {
        False,
        Inserted { at: i64 },
        Deleted { at: i64 },
    }

    /// The definition, straight from what a convention reads at u.
    fn reads(truth: Truth, u: i64) -> i64 {
        match truth {
            Truth::Inserted { at } if u >= at => u - SECOND_NS,
            Truth::Deleted { at } if u >= at => u + SECOND_NS,
            _ => u,
        }
    }

    fn near() -> impl Strategy<Value = i64> {
        prop_oneof![
            -4 * SECOND_NS..4 * SECOND_NS,
            (-4i64..5, -1i64..2).prop_map(|(s, ns)| s * SECOND_NS + ns),
            -86_400 * SECOND_NS..86_400 * SECOND_NS,
        ]
        .prop_map(|by| MIDNIGHT + by)
    }

    /// An announcement and a truth that it covers.
    fn worlds() -> impl Strategy<Value = (Leap, Truth)> {
        (any::<bool>(), any::<bool>(), 0..=SECOND_NS, 0..3u8).prop_map(
            |(inserted, deleted, late, which)| {
                let truth = match which {
                    1 if inserted => Truth::Inserted { at: MIDNIGHT + late },
                    2 if deleted => Truth::Deleted { at: MIDNIGHT - SECOND_NS + late },
                    _ => Truth::False,
                };
                (Leap { midnight_ns: MIDNIGHT, inserted, deleted }, truth)
            },
        )
    }

    fn facts(no_later: i64, no_earlier: i64) -> Facts {
        let at = |ticks| MonotonicTime::new(CounterId::new(1), 0, ticks);
        let point = Timestamp::from_unix_nanos;
        Facts::new(at(5), point(no_later), at(9), point(no_earlier)).unwrap()
    }

    proptest! {
        #[test]
        fn whatever_anyone_reads_is_inside((leap, truth) in worlds(), u in near(), below in 0i64..3 * SECOND_NS, above in 0i64..3 * SECOND_NS) {
            let read = reads(truth, u);
            prop_assert!(leap.earliest(u - below) <= read);
            prop_assert!(read <= leap.latest(u + above).unwrap());
        }

        #[test]
        fn earliest_is_below_all_that_is_read_later_and_never_falls((leap, truth) in worlds(), u in near(), later in 0i64..4 * SECOND_NS) {
            prop_assert!(leap.earliest(u) <= reads(truth, u + later));
            prop_assert!(leap.earliest(u) <= leap.earliest(u + later));
            prop_assert!(leap.latest(u) <= leap.latest(u + later));
        }

        #[test]
        fn least_to_exceed_is_the_inverse((leap, _) in worlds(), u in near(), ns in near()) {
            prop_assert_eq!(leap.earliest(u) > ns, u > leap.least_to_exceed(ns));
        }

        /// A server stamps a reading of its own convention, wrong by at most `b`; the request left
        /// before and the reply came after it.
        #[test]
        fn facts_brought_back_hold_of_the_count_of_before(
            (leap, truth) in worlds(), u in near(), b in prop_oneof![Just(0), 0i64..10 * SECOND_NS], share in -1000i64..=1000,
            forward in 0i64..SECOND_NS, held in 0i64..8 * SECOND_NS, backward in 0i64..SECOND_NS,
        ) {
            let error = (i128::from(b) * i128::from(share) / 1000) as i64;
            let (t2, t3) = (reads(truth, u) + error, reads(truth, u + held) + error);
            let brought = leap.before(&facts(t2 + b, t3 - b)).unwrap();
            prop_assert!(u - forward <= brought.no_later_than().as_unix_nanos());
            prop_assert!(u + held + backward >= brought.no_earlier_than().as_unix_nanos());
        }

        #[test]
        fn when_it_is_over_what_is_known_is_moved_to_what_everyone_reads((leap, truth) in worlds(), over in 0i64..4 * SECOND_NS) {
            let u = leap.is_over_ns() + over;
            let (down, up) = leap.after_ns();
            prop_assert!(u - down <= reads(truth, u) && reads(truth, u) <= u + up);
            prop_assert_eq!((leap.earliest(u), leap.latest(u)), (u - down, Some(u + up)), "nothing moves at that moment");
        }
    }

    #[test]
    fn what_two_say_of_a_midnight_is_what_either_says() {
        let leap = |inserted, deleted| Leap { midnight_ns: MIDNIGHT, inserted, deleted };
        for (a, b, both) in [
            ((1, 0), (1, 0), (1, 0)),
            ((1, 0), (0, 1), (1, 1)),
            ((0, 1), (1, 0), (1, 1)),
            ((0, 1), (0, 1), (0, 1)),
        ] {
            let [a, b, both] =
                [a, b, both].map(|(inserted, deleted)| leap(inserted == 1, deleted == 1));
            assert_eq!(a.and(b), both);
        }
    }

    #[test]
    fn an_insertion_stalls_earliest_for_a_second_and_a_deletion_lifts_latest_by_one() {
        let inserted = Leap::announced(MIDNIGHT, LeapAnnouncement::Insert).unwrap();
        let earliest =
            |tenths: i64| inserted.earliest(MIDNIGHT + tenths * SECOND_NS / 10) - MIDNIGHT;
        assert_eq!(
            [-11, -10, -5, 0, 5].map(earliest),
            [-11, -10, -10, -10, -5].map(|tenths| tenths * SECOND_NS / 10)
        );
        assert_eq!(inserted.latest(MIDNIGHT), Some(MIDNIGHT));
        let deleted = Leap::announced(MIDNIGHT, LeapAnnouncement::Delete).unwrap();
        let latest =
            |tenths: i64| deleted.latest(MIDNIGHT + tenths * SECOND_NS / 10).unwrap() - MIDNIGHT;
        assert_eq!([-11, -10, 0].map(latest), [-11, 0, 10].map(|tenths| tenths * SECOND_NS / 10));
        assert_eq!(deleted.earliest(MIDNIGHT), MIDNIGHT);
        assert_eq!((deleted.latest(i64::MAX), inserted.earliest(i64::MIN)), (None, i64::MIN));
        assert_eq!(Leap::announced(MIDNIGHT, LeapAnnouncement::None), None);
    }
}
