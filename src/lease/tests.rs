//! Leases over clocks that a test moves, at the edges of what they may be wrong by.

use super::*;
use crate::clock::SureClock;
use crate::resource::ResourceName;
use crate::testing::ManualTime;
use crate::time::{CounterId, Timescale};
use std::cell::Cell;

const S: Duration = Duration::from_secs(1);
const NS: Duration = Duration::from_nanos(1);

/// A clock whose elapsed times and intervals are as wide as the test says.
struct Fake {
    id: u64,
    ticks: Cell<u64>,
    incarnation: Cell<u32>,
    /// By how much elapsed times are wider on either side.
    doubt: Duration,
    interval: Cell<Option<(i64, i64)>>,
    /// The incarnation of the interval, if it is another one.
    interval_of: Cell<Option<u32>>,
    restores: Cell<u32>,
    untrusted: Cell<bool>,
}

impl Fake {
    fn new(doubt: Duration) -> Fake {
        let (ticks, incarnation, interval) = (Cell::new(0), Cell::new(0), Cell::new(Some((0, 0))));
        Fake {
            id: 1,
            ticks,
            incarnation,
            doubt,
            interval,
            interval_of: Cell::new(None),
            restores: Cell::new(0),
            untrusted: Cell::new(false),
        }
    }

    /// Moves the counter and the interval.
    fn pass(&self, by: Duration) {
        let ns = u64::try_from(by.as_nanos()).unwrap();
        self.ticks.set(self.ticks.get() + ns);
        let moved = |at: i64| at + i64::try_from(ns).unwrap();
        self.interval.set(self.interval.get().map(|(a, b)| (moved(a), moved(b))));
    }
}

impl sealed::Sealed for Fake {}

impl LeaseClock for Fake {
    fn lease_reading(&self) -> MonotonicTime {
        MonotonicTime::new(CounterId::new(self.id), self.incarnation.get(), self.ticks.get())
    }

    fn lease_elapsed(&self, earlier: MonotonicTime, later: MonotonicTime) -> Option<Elapsed> {
        let between = Duration::from_nanos(later.ticks().checked_sub(earlier.ticks())?);
        let known = of_one_incarnation(earlier, later) && !self.untrusted.get();
        known.then(|| Elapsed {
            at_least: between.saturating_sub(self.doubt),
            at_most: between + self.doubt,
        })
    }

    fn lease_restores(&self) -> u32 {
        self.restores.get()
    }

    fn lease_interval(&self) -> Result<(TimeInterval, u32), NowError> {
        let (earliest, latest) = self.interval.get().ok_or(NowError::NotSynchronized)?;
        let at = crate::time::Timestamp::from_unix_nanos;
        let incarnation = self.interval_of.get().unwrap_or(self.incarnation.get());
        Ok((TimeInterval::new(at(earliest), at(latest), Timescale::Utc).unwrap(), incarnation))
    }
}

fn leader() -> ResourceName {
    "leader".parse().unwrap()
}

fn manual() -> (SureClock, ManualTime) {
    SureClock::manual("2026-11-23T11:03:00Z ± 1 ms".parse().unwrap())
}

/// A lease of ten seconds that was requested and granted now.
fn granted(clock: &impl LeaseClock, grantor: &mut LeaseGrantor) -> Lease {
    let mut lease = Lease::new(leader()).unwrap();
    let request = lease.request(clock, 10 * S).unwrap();
    lease.granted(clock, &grantor.grant(clock, &request).unwrap()).unwrap();
    lease
}

#[test]
fn by_duration_it_is_held_before_the_term_and_free_no_sooner() {
    let clock = Fake::new(3 * NS);
    clock.interval.set(None);
    let mut grantor = LeaseGrantor::first_ever(leader(), LeaseForm::Duration, 10 * S);
    assert!(grantor.is_free(&clock));
    let lease = granted(&clock, &mut grantor);
    clock.pass(10 * S - 4 * NS);
    assert_eq!(lease.state(&clock), LeaseState::Held { at_least: NS });
    clock.pass(NS);
    assert_eq!(lease.state(&clock), LeaseState::Indeterminate);
    clock.pass(5 * NS);
    assert_eq!(lease.state(&clock), LeaseState::Indeterminate);
    assert!(!grantor.is_free(&clock));
    clock.pass(NS);
    assert_eq!(lease.state(&clock), LeaseState::Expired);
    assert!(grantor.is_free(&clock));
}

#[test]
fn by_deadline_it_is_held_before_and_free_after_and_at_the_very_deadline_neither() {
    let clock = Fake::new(100 * S);
    clock.interval.set(Some((-5, 5)));
    let mut grantor = LeaseGrantor::first_ever(leader(), LeaseForm::Deadline, 10 * S);
    let lease = granted(&clock, &mut grantor);
    clock.pass(10 * S - 11 * NS);
    assert_eq!(lease.state(&clock), LeaseState::Held { at_least: NS });
    clock.pass(NS);
    assert_eq!(lease.state(&clock), LeaseState::Indeterminate);
    clock.pass(10 * NS);
    assert_eq!(lease.state(&clock), LeaseState::Indeterminate, "`earliest` is at the deadline");
    clock.pass(NS);
    assert_eq!(lease.state(&clock), LeaseState::Expired);
    assert!(!grantor.is_free(&clock), "the grantor's deadline is later by the uncertainty");
    clock.pass(9 * NS);
    assert!(!grantor.is_free(&clock), "at the deadline");
    clock.pass(NS);
    assert!(grantor.is_free(&clock));
}

#[test]
fn the_term_counts_from_the_request_however_late_the_answer_comes() {
    let (clock, time) = manual();
    let mut grantor = LeaseGrantor::first_ever(leader(), LeaseForm::Both, 10 * S);
    let mut lease = Lease::new(leader()).unwrap();
    let request = lease.request(&clock, 10 * S).unwrap();
    time.advance(4 * S);
    let grant = grantor.grant(&clock, &request).unwrap();
    time.advance(5 * S);
    lease.granted(&clock, &grant).unwrap();
    let LeaseState::Held { at_least } = lease.state(&clock) else { panic!("a second is left") };
    assert!(at_least <= S && at_least > S - Duration::from_millis(3), "{at_least:?}");
    time.advance(S);
    assert!(!lease.state(&clock).is_held());
    assert!(!grantor.is_free(&clock), "the grantor counts from the receipt");
    time.advance(4 * S + Duration::from_millis(3));
    assert!(grantor.is_free(&clock));
}

#[test]
fn an_answer_counts_for_its_own_transmission_alone_and_once() {
    let (clock, time) = manual();
    let mut grantor = LeaseGrantor::first_ever(leader(), LeaseForm::Duration, 10 * S);
    let mut lease = Lease::new(leader()).unwrap();
    let first = lease.request(&clock, 10 * S).unwrap();
    let answer_to_first = grantor.grant(&clock, &first).unwrap();
    time.advance(6 * S);
    let second = lease.request(&clock, 10 * S).unwrap();
    assert_ne!(first, second);
    // The second is lost, the answer to the first is late: it must not count from the second.
    lease.granted(&clock, &answer_to_first).unwrap();
    let LeaseState::Held { at_least } = lease.state(&clock) else {
        panic!("four seconds are left")
    };
    assert!(at_least <= 4 * S);
    assert_eq!(lease.granted(&clock, &answer_to_first), Err(LeaseError::UnknownRequest));
    let stranger = Lease::new(leader()).unwrap().request(&clock, S).unwrap();
    let to_stranger = LeaseGrant {
        resource: leader(),
        holder: stranger.holder,
        nonce: 1,
        form: LeaseForm::Duration,
        term: S,
    };
    assert_eq!(lease.granted(&clock, &to_stranger), Err(LeaseError::OtherHolder));
}

#[test]
fn renewals_lengthen_and_never_shorten_on_either_side() {
    for form in [LeaseForm::Duration, LeaseForm::Deadline, LeaseForm::Both] {
        let (clock, time) = manual();
        let mut grantor = LeaseGrantor::first_ever(leader(), form, 10 * S);
        let mut lease = granted(&clock, &mut grantor);
        time.advance(S);
        let short = lease.request(&clock, S).unwrap();
        lease.granted(&clock, &grantor.grant(&clock, &short).unwrap()).unwrap();
        let LeaseState::Held { at_least } = lease.state(&clock) else {
            panic!("nine seconds are left")
        };
        assert!(at_least > 8 * S, "{form:?}: {at_least:?}");
        time.advance(8 * S);
        assert!(!grantor.is_free(&clock), "{form:?}: a second of the first term is left");
        let long = lease.request(&clock, 10 * S).unwrap();
        lease.granted(&clock, &grantor.grant(&clock, &long).unwrap()).unwrap();
        let LeaseState::Held { at_least } = lease.state(&clock) else {
            panic!("ten seconds are left")
        };
        assert!(at_least > 9 * S, "{form:?}: {at_least:?}");
    }
}

#[test]
fn answers_in_the_wrong_order_do_no_harm() {
    let (clock, time) = manual();
    let mut grantor = LeaseGrantor::first_ever(leader(), LeaseForm::Both, 10 * S);
    let mut lease = Lease::new(leader()).unwrap();
    let first = lease.request(&clock, 10 * S).unwrap();
    time.advance(3 * S);
    let second = lease.request(&clock, 10 * S).unwrap();
    let (to_second, to_first) =
        (grantor.grant(&clock, &second).unwrap(), grantor.grant(&clock, &first).unwrap());
    lease.granted(&clock, &to_second).unwrap();
    let before = lease.state(&clock);
    lease.granted(&clock, &to_first).unwrap();
    assert_eq!(lease.state(&clock), before);
}

#[test]
fn only_one_at_a_time_and_no_longer_than_the_longest_term() {
    let (clock, time) = manual();
    let mut grantor = LeaseGrantor::first_ever(leader(), LeaseForm::Both, 5 * S);
    let lease = granted(&clock, &mut grantor);
    let mut other = Lease::new(leader()).unwrap();
    let request = other.request(&clock, 10 * S).unwrap();
    assert_eq!(grantor.grant(&clock, &request), Err(LeaseRefused::Held));
    assert_eq!(grantor.holder(), Some(lease.holder()));
    time.advance(5 * S);
    assert!(!lease.state(&clock).is_held());
    time.advance(Duration::from_millis(3));
    let grant = grantor.grant(&clock, &request).unwrap();
    assert_eq!(grant.term(), 5 * S);
    // The request is five seconds old: nothing is left of the term.
    other.granted(&clock, &grant).unwrap();
    assert!(!other.state(&clock).is_held());
}

#[test]
fn a_disruption_ends_what_is_held_and_begins_the_grantors_term_anew() {
    for form in [LeaseForm::Duration, LeaseForm::Deadline, LeaseForm::Both] {
        let (clock, time) = manual();
        let mut grantor = LeaseGrantor::first_ever(leader(), form, 10 * S);
        let lease = granted(&clock, &mut grantor);
        time.advance(9 * S);
        let interval = clock.now().unwrap();
        time.disrupt();
        assert_eq!(lease.state(&clock), LeaseState::Indeterminate, "{form:?}");
        assert!(!grantor.is_free(&clock));
        time.set(interval).unwrap();
        assert_eq!(lease.state(&clock), LeaseState::Indeterminate, "{form:?}");
        time.advance(2 * S);
        assert!(
            !grantor.is_free(&clock),
            "{form:?}: what was before the disruption counts no more"
        );
        time.advance(11 * S);
        assert!(grantor.is_free(&clock), "{form:?}");
    }
}

#[test]
fn a_renewal_after_a_disruption_does_not_take_the_word_of_before() {
    // The clock was a minute behind when it granted the first term, and nobody knew.
    let clock = Fake::new(Duration::ZERO);
    let mut grantor = LeaseGrantor::first_ever(leader(), LeaseForm::Deadline, 100 * S);
    let mut lease = Lease::new(leader()).unwrap();
    let long = lease.request(&clock, 100 * S).unwrap();
    let _ = grantor.grant(&clock, &long).unwrap();
    clock.incarnation.set(1);
    clock.interval.set(Some((60_000_000_000, 60_000_000_000)));
    let short = lease.request(&clock, S).unwrap();
    let _ = grantor.grant(&clock, &short).unwrap();
    clock.pass(99 * S);
    assert!(!grantor.is_free(&clock), "the term of the first grant may still run");
    clock.pass(2 * S);
    assert!(grantor.is_free(&clock));
}

#[test]
fn a_restarted_grantor_waits_for_the_longest_term() {
    for form in [LeaseForm::Duration, LeaseForm::Deadline, LeaseForm::Both] {
        let (clock, time) = manual();
        let mut grantor = LeaseGrantor::restarted(leader(), form, 10 * S, &clock);
        let request = Lease::new(leader()).unwrap().request(&clock, S).unwrap();
        assert_eq!(grantor.grant(&clock, &request), Err(LeaseRefused::Held));
        time.advance(10 * S - NS);
        assert_eq!(grantor.grant(&clock, &request), Err(LeaseRefused::Held), "{form:?}");
        time.advance(S);
        assert!(grantor.grant(&clock, &request).is_ok(), "{form:?}");
    }
}

#[test]
fn found_an_interval_of_before_a_disruption_is_not_believed_after_it() {
    // The number of disruptions is raised before the publication that says so is out.
    let clock = Fake::new(Duration::ZERO);
    for form in [LeaseForm::Deadline, LeaseForm::Both] {
        let mut grantor = LeaseGrantor::first_ever(leader(), form, 10 * S);
        let lease = granted(&clock, &mut grantor);
        assert!(lease.state(&clock).is_held());
        clock.interval_of.set(Some(clock.incarnation.get() + 1));
        assert_eq!(lease.state(&clock), LeaseState::Indeterminate);
        let mut other = Lease::new(leader()).unwrap();
        let request = other.request(&clock, S).unwrap();
        let mut free = LeaseGrantor::first_ever(leader(), form, 10 * S);
        assert_eq!(free.grant(&clock, &request), Err(LeaseRefused::DisruptedMeanwhile));
        clock.interval_of.set(None);
        let grant = free.grant(&clock, &request).unwrap();
        assert_eq!(other.granted(&clock, &grant), Err(LeaseError::NoInterval));
    }
}

#[test]
fn two_copies_of_a_holder_do_not_take_each_others_answers() {
    let (clock, _time) = manual();
    let mut grantor = LeaseGrantor::first_ever(leader(), LeaseForm::Duration, 10 * S);
    let mut lease = Lease::new(leader()).unwrap();
    let ours = lease.request(&clock, 10 * S).unwrap();
    // What a copy of the holder asks for, from wherever it was copied, is another request.
    let copys = LeaseRequest {
        nonce: Lease::new(leader()).unwrap().request(&clock, S).unwrap().nonce,
        ..ours
    };
    let to_copy = grantor.grant(&clock, &copys).unwrap();
    assert_eq!(lease.granted(&clock, &to_copy), Err(LeaseError::UnknownRequest));
    assert!(!lease.state(&clock).is_held());
}

#[test]
#[cfg_attr(miri, ignore = "of the system's timers")]
fn a_future_under_a_lease_is_done_before_it_is_judged() {
    let (clock, time) = manual();
    let mut grantor = LeaseGrantor::first_ever(leader(), LeaseForm::Both, 10 * S);
    let lease = granted(&clock, &mut grantor);
    let done = Cell::new(0);
    let work = async || done.set(done.get() + 1);
    assert_eq!(async_io::block_on(lease.guard_async(&clock, work())), Guarded::HeldThroughout(()));
    assert_eq!(
        async_io::block_on(lease.guard_async(&clock, async { time.advance(11 * S) })),
        Guarded::CannotKnow(())
    );
    assert_eq!(
        async_io::block_on(lease.guard_async(&clock, work())),
        Guarded::NotHeld(LeaseState::Expired)
    );
    assert_eq!(done.get(), 1, "not begun without the lease");
}

#[test]
fn a_grantor_that_recovers_a_deadline_waits_for_that_and_for_more_after_a_disruption() {
    for disrupted in [false, true] {
        let (one, ones_time) = manual();
        let (other, others_time) = manual();
        let mut grantor = LeaseGrantor::first_ever(leader(), LeaseForm::Deadline, 100 * S);
        let _lease = granted(&one, &mut grantor);
        ones_time.advance(S);
        let until = grantor.promised_until().unwrap();
        let mut successor = LeaseGrantor::recovered(leader(), 100 * S, until, &other);
        others_time.advance(9 * S);
        assert!(!successor.is_free(&other));
        if disrupted {
            let interval = other.now().unwrap();
            others_time.disrupt();
            others_time.set(interval).unwrap();
            assert!(!successor.is_free(&other));
            others_time.advance(99 * S);
            assert!(!successor.is_free(&other), "nothing that was read before counts");
        }
        others_time.advance(2 * S);
        assert!(successor.is_free(&other), "{disrupted}");
    }
}

#[test]
fn both_forms_together_are_held_only_if_both_are() {
    let held = |ns| LeaseState::Held { at_least: Duration::from_nanos(ns) };
    let (unsure, over) = (LeaseState::Indeterminate, LeaseState::Expired);
    let table = [
        (held(1), held(2), held(1)),
        (held(1), unsure, unsure),
        (held(1), over, over),
        (unsure, unsure, unsure),
        (unsure, over, over),
        (over, over, over),
    ];
    for (a, b, both) in table {
        assert_eq!(a.and(b), both);
        assert_eq!(b.and(a), both);
    }
    // Without an interval: by duration yes, by both no.
    let clock = Fake::new(Duration::ZERO);
    for (form, held) in
        [(LeaseForm::Duration, true), (LeaseForm::Deadline, false), (LeaseForm::Both, false)]
    {
        let lease = granted(&clock, &mut LeaseGrantor::first_ever(leader(), form, 10 * S));
        let interval = clock.interval.replace(None);
        assert_eq!(lease.state(&clock).is_held(), held, "{form:?}");
        clock.interval.set(interval);
        assert!(lease.state(&clock).is_held());
    }
}

#[test]
fn a_released_lease_is_free_at_once_and_its_late_requests_are_refused() {
    let (clock, _time) = manual();
    let mut grantor = LeaseGrantor::first_ever(leader(), LeaseForm::Both, 10 * S);
    let mut lease = granted(&clock, &mut grantor);
    let late = lease.request(&clock, 10 * S).unwrap();
    let stranger = Lease::new(leader()).unwrap().release();
    assert!(!grantor.release(&stranger.unwrap()), "not the stranger's to give up");
    assert!(!grantor.is_free(&clock));
    assert!(grantor.release(&lease.release().unwrap()));
    assert!(grantor.is_free(&clock));
    assert_eq!(grantor.grant(&clock, &late), Err(LeaseRefused::Released));
}

#[test]
fn work_under_a_lease_is_not_begun_or_held_throughout_or_nobody_knows() {
    let (clock, time) = manual();
    let mut grantor = LeaseGrantor::first_ever(leader(), LeaseForm::Both, 10 * S);
    let lease = granted(&clock, &mut grantor);
    assert_eq!(lease.guard(&clock, || 1), Guarded::HeldThroughout(1));
    assert_eq!(lease.guard(&clock, || time.advance(11 * S)), Guarded::CannotKnow(()));
    let begun = Cell::new(false);
    assert_eq!(lease.guard(&clock, || begun.set(true)), Guarded::NotHeld(LeaseState::Expired));
    assert!(!begun.get());
    assert_eq!(
        Lease::new(leader()).unwrap().guard(&clock, || ()),
        Guarded::NotHeld(LeaseState::Expired)
    );
}

#[test]
fn terms_at_the_end_of_time_are_errors_or_never_over() {
    let clock = Fake::new(Duration::ZERO);
    let mut lease = Lease::new(leader()).unwrap();
    let request = lease.request(&clock, Duration::MAX).unwrap();
    let mut by_deadline = LeaseGrantor::first_ever(leader(), LeaseForm::Deadline, Duration::MAX);
    assert_eq!(by_deadline.grant(&clock, &request), Err(LeaseRefused::OutOfRange));
    assert!(by_deadline.is_free(&clock), "nothing was granted");
    let mut by_duration = LeaseGrantor::first_ever(leader(), LeaseForm::Duration, Duration::MAX);
    lease.granted(&clock, &by_duration.grant(&clock, &request).unwrap()).unwrap();
    clock.pass(1_000_000 * S);
    assert!(lease.state(&clock).is_held() && !by_duration.is_free(&clock));
    assert_eq!(
        lease.granted(
            &clock,
            &LeaseGrant {
                resource: leader(),
                holder: lease.holder(),
                nonce: 9,
                form: LeaseForm::Deadline,
                term: S
            }
        ),
        Err(LeaseError::OtherForm)
    );
}

#[test]
fn an_answer_from_before_a_disruption_takes_nothing_from_one_of_after_it() {
    for form in [LeaseForm::Duration, LeaseForm::Deadline, LeaseForm::Both] {
        for late_first in [false, true] {
            let clock = Fake::new(Duration::ZERO);
            let mut grantor = LeaseGrantor::first_ever(leader(), form, 10 * S);
            let mut lease = Lease::new(leader()).unwrap();
            let before = lease.request(&clock, 10 * S).unwrap();
            let late = grantor.grant(&clock, &before).unwrap();
            clock.incarnation.set(1);
            let after = lease.request(&clock, 10 * S).unwrap();
            let counts = grantor.grant(&clock, &after).unwrap();
            for grant in if late_first { [late, counts] } else { [counts, late] } {
                lease.granted(&clock, &grant).unwrap();
            }
            assert!(lease.state(&clock).is_held(), "{form:?}, the late one first: {late_first}");
        }
    }
}

#[test]
fn a_lease_that_is_renewed_over_another_clock_is_held_by_that_one() {
    for form in [LeaseForm::Duration, LeaseForm::Deadline, LeaseForm::Both] {
        let (one, other) = (Fake::new(Duration::ZERO), Fake { id: 2, ..Fake::new(Duration::ZERO) });
        let mut grantor = LeaseGrantor::first_ever(leader(), form, 10 * S);
        let mut lease = granted(&one, &mut grantor);
        assert!(!lease.state(&other).is_held(), "no term of one clock is measured by another");
        let renewal = lease.request(&other, 10 * S).unwrap();
        lease.granted(&other, &grantor.grant(&one, &renewal).unwrap()).unwrap();
        assert!(lease.state(&other).is_held(), "{form:?}");
    }
}

#[test]
fn a_holder_is_shown_by_all_of_its_bits() {
    assert_eq!(HolderId(0xfeed << 112 | 7).to_string(), "feed0000000000000000000000000007");
}

#[test]
fn found_a_restored_grantor_does_not_trust_its_memory() {
    for form in [LeaseForm::Duration, LeaseForm::Deadline, LeaseForm::Both] {
        // Nothing had been promised; a short term had; the lease had been another one's, who asks
        // again.
        for snapshot in 0..3 {
            for reported in [true, false] {
                let clock = Fake::new(Duration::ZERO);
                let mut grantor = LeaseGrantor::first_ever(leader(), form, 100 * S);
                assert!(grantor.is_free(&clock));
                let mut other = Lease::new(leader()).unwrap();
                let short = other.request(&clock, S).unwrap();
                if snapshot > 0 {
                    other.granted(&clock, &grantor.grant(&clock, &short).unwrap()).unwrap();
                }
                let mut snapshot_of_it = grantor.remembered();
                clock.pass(3 * S);
                let mut holder = Lease::new(leader()).unwrap();
                let request = holder.request(&clock, 100 * S).unwrap();
                holder.granted(&clock, &grantor.grant(&clock, &request).unwrap()).unwrap();

                clock.incarnation.set(1);
                clock.restores.set(u32::from(reported));
                let asks =
                    if snapshot == 2 { &mut other } else { &mut Lease::new(leader()).unwrap() };
                let again = asks.request(&clock, 10 * S).unwrap();
                let first = snapshot_of_it.grant(&clock, &again);
                clock.pass(2 * S);
                let second = snapshot_of_it.grant(&clock, &again);
                let granted = first.is_ok() || second.is_ok();
                assert_eq!(
                    granted,
                    !reported,
                    "the lease is held for {:?} more: {form:?} {snapshot}",
                    98 * S
                );
                if reported {
                    clock.pass(100 * S);
                    assert!(snapshot_of_it.is_free(&clock), "after the longest term it goes on");
                    // A clock that was built after the restore knows of none.
                    let mut other_clock = Fake::new(Duration::ZERO);
                    other_clock.id = 2;
                    assert!(
                        !snapshot_of_it.is_free(&other_clock),
                        "it may be a new one after another restore"
                    );
                    other_clock.pass(101 * S);
                    clock.pass(101 * S);
                    assert!(snapshot_of_it.is_free(&other_clock));
                    assert!(!snapshot_of_it.is_free(&clock), "and the same again, once");
                    clock.pass(101 * S);
                    assert!(snapshot_of_it.is_free(&clock));
                    assert!(snapshot_of_it.is_free(&clock));
                }
            }
        }
    }
}

#[test]
fn found_a_lease_is_not_free_certainly_on_a_counter_that_is_not_trusted() {
    let clock = Fake::new(Duration::ZERO);
    let mut grantor = LeaseGrantor::first_ever(leader(), LeaseForm::Duration, 10 * S);
    let request = Lease::new(leader()).unwrap().request(&clock, S).unwrap();
    clock.untrusted.set(true);
    assert!(!grantor.is_free(&clock));
    assert_eq!(grantor.grant(&clock, &request), Err(LeaseRefused::NoCounter), "nobody holds it");
    clock.untrusted.set(false);
    assert!(grantor.is_free(&clock));
    assert!(grantor.grant(&clock, &request).is_ok());
}

#[test]
fn found_a_request_for_one_resource_is_not_granted_by_another_nor_counted_for_it() {
    let (clock, _time) = manual();
    let follower: ResourceName = "follower".parse().unwrap();
    let mut leads = LeaseGrantor::first_ever(leader(), LeaseForm::Both, 10 * S);
    let mut follows = LeaseGrantor::first_ever(follower, LeaseForm::Both, 10 * S);
    let mut lease = Lease::new(leader()).unwrap();
    let request = lease.request(&clock, 10 * S).unwrap();
    assert_eq!(
        follows.grant(&clock, &request),
        Err(LeaseRefused::OtherResource { grantor: follower })
    );
    assert!(follows.is_free(&clock), "nothing was granted");
    // A grant of another resource for the same request, however it came about.
    let misdirected = LeaseGrant { resource: follower, ..leads.grant(&clock, &request).unwrap() };
    assert_eq!(
        lease.granted(&clock, &misdirected),
        Err(LeaseError::OtherResource { lease: leader() })
    );
    assert!(!lease.state(&clock).is_held());
    lease.granted(&clock, &leads.grant(&clock, &request).unwrap()).unwrap();
    assert!(lease.state(&clock).is_held(), "the twin");
    let release = LeaseRelease { resource: follower, ..lease.release().unwrap() };
    assert!(
        !leads.release(&release) && !leads.is_free(&clock),
        "a release of another resource frees nothing"
    );
    assert!(leads.release(&LeaseRelease { resource: leader(), ..release }), "the twin");
}

#[test]
fn found_the_name_in_a_log_is_not_the_key_to_a_lease() {
    let (clock, _time) = manual();
    let mut grantor = LeaseGrantor::first_ever(leader(), LeaseForm::Both, 10 * S);
    let lease = granted(&clock, &mut grantor);
    let name = grantor.holder().unwrap();
    assert_eq!(name.to_string(), lease.holder().to_string());
    // Who knows the name alone has to invent the rest.
    let mut stranger = Lease::new(leader()).unwrap();
    let request = LeaseRequest { holder: name, ..stranger.request(&clock, 10 * S).unwrap() };
    assert_eq!(
        grantor.grant(&clock, &request),
        Err(LeaseRefused::Held),
        "no renewal in another's name"
    );
    assert!(!grantor.release(&LeaseRelease { holder: name, ..stranger.release().unwrap() }));
    assert!(!grantor.is_free(&clock) && lease.state(&clock).is_held());
    let shown = format!("{lease:?} {lease:#?} {grantor:?} {request:?} {name:?} {name}");
    let release = lease.release().unwrap();
    let shown = shown + &format!("{release:?}");
    let forms = |bits: u128| [bits.to_string(), format!("{bits:x}")];
    assert!(forms(name.0).iter().all(|form| shown.contains(form)), "the check can fail: {shown}");
    for secret in [request.secret.0, release.secret.0] {
        assert!(!forms(secret).iter().any(|form| shown.contains(form)), "{shown}");
    }
    assert!(grantor.release(&release), "the twin: with the secret it is given up");
    let shown = format!("{grantor:?}");
    assert!(!forms(release.secret.0).iter().any(|form| shown.contains(form)), "{shown}");
}

#[test]
fn found_a_grant_for_longer_than_was_asked_counts_for_what_was_asked() {
    for form in [LeaseForm::Duration, LeaseForm::Deadline, LeaseForm::Both] {
        for longer in [10 * S, 11 * S, Duration::MAX] {
            let clock = Fake::new(Duration::ZERO);
            let mut lease = Lease::new(leader()).unwrap();
            let request = lease.request(&clock, 10 * S).unwrap();
            let mut grantor = LeaseGrantor::first_ever(leader(), form, 10 * S);
            let grant = LeaseGrant { term: longer, ..grantor.grant(&clock, &request).unwrap() };
            lease.granted(&clock, &grant).unwrap();
            clock.pass(9 * S);
            assert!(lease.state(&clock).is_held(), "{form:?} {longer:?}");
            clock.pass(2 * S);
            assert!(!lease.state(&clock).is_held(), "{form:?} {longer:?}");
            assert!(grantor.is_free(&clock), "who granted counts no longer");
        }
    }
    let (clock, mut lease) = (Fake::new(Duration::ZERO), Lease::new(leader()).unwrap());
    let request = lease.request(&clock, 10 * S).unwrap();
    lease.granted(&clock, &request.granted_by_store(100 * S)).unwrap();
    clock.pass(11 * S);
    assert!(!lease.state(&clock).is_held(), "a store, too");
}
