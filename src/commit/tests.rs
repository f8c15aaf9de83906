//! Timestamps to commit with, on a manual clock: what each call promises, at its edges.

use super::*;
use crate::{Builder, CounterChoice, Facts, ManualTime, OwnLoop, Timescale};
use std::hash::{BuildHasher as _, RandomState};

const NS: Duration = Duration::from_nanos(1);
const MS: Duration = Duration::from_millis(1);

fn clock() -> (SureClock, ManualTime) {
    SureClock::manual("2026-11-23T11:03:00Z ± 1 ms".parse().unwrap())
}

/// A clock over this machine's counter that is told once what the OS clock says, to a millisecond.
/// Its timescale is smeared: at the end of a month a UTC clock may refuse what it is told.
pub(super) fn set_once(builder: Builder) -> (SureClock, OwnLoop) {
    let builder = builder.ntp("127.0.0.1:1").max_faulty(0).timescale(Timescale::Smear24h);
    let (clock, own_loop) = builder.counter(CounterChoice::OsMonotonic).own_loop().unwrap();
    let (ask, before, os) =
        (own_loop.next_ask().unwrap(), clock.monotonic(), SureClock::wall_time().assume_true());
    let (latest, earliest) = (os.checked_add(MS).unwrap(), os.checked_sub(MS).unwrap());
    own_loop.answered(ask.id, Facts::new(before, latest, clock.monotonic(), earliest).unwrap());
    (clock, own_loop)
}

fn latest(clock: &SureClock) -> Timestamp {
    clock.now().unwrap().latest()
}

#[test]
fn compared_and_shown_it_is_its_point_in_time_alone() {
    let ((one, _), (other, _)) = (clock(), clock());
    let (a, b, c) = (
        one.commit_timestamp().unwrap(),
        other.commit_timestamp().unwrap(),
        other.commit_timestamp().unwrap(),
    );
    assert_eq!(
        (a == b, b == c, a.cmp(&b), b.partial_cmp(&c)),
        (true, false, Ordering::Equal, Some(Ordering::Less))
    );
    let hasher = RandomState::new();
    assert_eq!(
        (hasher.hash_one(a) == hasher.hash_one(b), hasher.hash_one(b) == hasher.hash_one(c)),
        (true, false)
    );
    assert_eq!(c.to_string(), c.timestamp().to_string());
}

#[test]
fn a_commit_in_the_future_is_at_its_point_which_no_reading_can_have_reached() {
    let (clock, time) = clock();
    let (latest, most) = (latest(&clock), Duration::from_secs(60));
    let at = |t: Timestamp| clock.commit_timestamp_at(t).map(CommitTimestamp::timestamp);
    assert_eq!(at(latest), Err(CommitError::NotInTheFuture { latest }));
    let t = latest.checked_add(NS).unwrap();
    assert_eq!((at(t), at(t)), (Ok(t), Ok(t)), "two calls for one get it both");
    assert_eq!(clock.commit_timestamp().unwrap().timestamp(), latest, "others go on below it");
    assert_eq!(clock.commit_timestamp().unwrap().timestamp(), t);
    assert_eq!(at(t), Err(CommitError::NotInTheFuture { latest: t }), "given out meanwhile");
    let far = latest.checked_add(most).unwrap();
    assert_eq!(at(far), Ok(far));
    let lead = most + NS;
    assert_eq!(
        at(far.checked_add(NS).unwrap()),
        Err(CommitError::FloorTooFar { lead, limit: most })
    );
    let wait = clock.commit_wait(clock.commit_timestamp_at(far).unwrap());
    time.advance(most + Duration::from_millis(2));
    assert_eq!(wait.check(), Ok(false));
    time.advance(NS);
    assert_eq!(wait.check(), Ok(true));
}

#[test]
fn commits_are_forbidden_up_to_the_most_lead_and_beyond_it_nothing_is_changed() {
    let (clock, _time) = clock();
    let (latest, limit) = (latest(&clock), Duration::from_millis(1_500));
    let ahead = |by: Duration| latest.checked_add(by).unwrap();
    let next = || clock.commit_timestamp().unwrap().timestamp();
    let lead = limit + NS;
    assert_eq!(
        clock.forbid_commits_up_to(ahead(lead)),
        Err(CommitError::FloorTooFar { lead, limit })
    );
    assert_eq!(next(), latest);
    for forbidden in [Duration::ZERO, NS, limit / 2, limit - NS] {
        assert_eq!(clock.forbid_commits_up_to(ahead(forbidden)), Ok(()));
        assert!(next() > ahead(forbidden));
    }
    assert_eq!(clock.forbid_commits_up_to(ahead(limit)), Ok(()));
    assert_eq!(
        next(),
        ahead(lead),
        "what was forbidden is the clock's own by now, and it goes on above it"
    );
    assert_eq!(clock.forbid_commits_up_to(Timestamp::MIN), Ok(()), "what is past is no floor");
}

#[test]
fn one_wait_for_several_commits_ends_with_the_latest_in_whatever_order() {
    let (clock, time) = clock();
    let (early, late) = (clock.commit_timestamp().unwrap(), clock.commit_timestamp().unwrap());
    time.advance(Duration::from_millis(2) + NS);
    assert_eq!(clock.commit_wait(early).check(), Ok(true));
    for commits in [[early, late], [late, early]] {
        let wait = clock.commit_wait_all(commits).unwrap();
        assert_eq!((wait.timestamp(), wait.check()), (late.timestamp(), Ok(false)));
    }
}

#[test]
fn a_commit_of_another_clock_makes_every_wait_for_it_fail() {
    let ((clock, time), (other, _)) = (self::clock(), self::clock());
    let (ours, foreign) = (clock.commit_timestamp().unwrap(), other.commit_timestamp().unwrap());
    let later = clock.commit_timestamp().unwrap();
    time.advance(Duration::from_secs(1));
    assert_eq!(clock.commit_wait(ours).wait(), Ok(()));
    assert_eq!(clock.commit_wait(foreign).check(), Err(WaitError::ForeignTimestamp));
    for commits in [[ours, foreign], [foreign, ours], [later, foreign], [foreign, later]] {
        assert_eq!(
            clock.commit_wait_all(commits).unwrap().check(),
            Err(WaitError::ForeignTimestamp)
        );
    }
}

/// A clock whose intervals were an hour ahead, in the epoch before.
mod over_a_new_epoch {
    use super::*;
    use crate::publish::Spell;

    const OLD: Spell = Spell { incarnation: 0, epoch: 0 };
    const NEW: Spell = Spell { incarnation: 1, epoch: 1 };

    #[test]
    fn a_commit_that_was_held_up_does_not_stop_the_new_epochs() {
        let (clock, time) = clock();
        let (now, latest) = (clock.now().unwrap(), latest(&clock));
        let hour_ahead = latest.checked_add(Duration::from_secs(3600)).unwrap();
        time.disrupt();
        assert!(clock.start_new_epoch());
        time.set(now).unwrap();
        // What is left to do of calls that have read the old publication.
        let late =
            clock.shared().given_out.of(OLD.epoch).mark.next(hour_ahead.as_unix_nanos(), i64::MAX);
        assert_eq!(late, Ok(hour_ahead.as_unix_nanos()));
        assert_eq!(
            clock.raise(OLD, hour_ahead, hour_ahead),
            Ok(false),
            "to be asked again, in the new epoch"
        );
        assert_eq!(clock.commit_timestamp().unwrap().timestamp(), latest);
        // The twin: of its own epoch it would.
        assert_eq!(clock.raise(NEW, hour_ahead, hour_ahead), Ok(true));
        assert!(matches!(clock.commit_timestamp(), Err(CommitError::FloorTooFar { .. })));
    }
}
