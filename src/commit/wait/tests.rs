//! Waits on a manual clock: never early, woken by every change, and an error where the outcome is unknown.

use super::*;
use crate::ManualTime;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Wake, Waker};
use std::thread;

fn clock() -> (SureClock, ManualTime) {
    SureClock::manual("2026-11-23T11:03:00Z ± 1 ms".parse().unwrap())
}

const MS: Duration = Duration::from_millis(1);

#[derive(Default)]
struct CountWakes(AtomicUsize);

impl Wake for CountWakes {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

#[test]
fn a_wait_ends_one_nanosecond_after_the_timestamp_and_not_before() {
    let (clock, time) = clock();
    let s = clock.commit_timestamp().unwrap();
    let wait = clock.commit_wait(s);
    time.advance(2 * MS);
    assert_eq!(wait.check(), Ok(false), "earliest = s is not after s");
    time.advance(Duration::from_nanos(1));
    assert_eq!(wait.check(), Ok(true));
    assert_eq!(wait.wait(), Ok(()));
}

#[test]
fn a_blocked_wait_is_woken_by_the_time_and_by_a_better_bound() {
    for better_bound in [false, true] {
        let (clock, time) = clock();
        let s = clock.commit_timestamp().unwrap();
        let waiter = {
            let clock = clock.clone();
            thread::spawn(move || clock.commit_wait(s).guard(7).wait())
        };
        thread::sleep(5 * MS);
        assert!(!waiter.is_finished());
        if better_bound {
            let later = s.timestamp().checked_add(MS).unwrap();
            time.set(TimeInterval::new(later, later, crate::Timescale::Utc).unwrap()).unwrap();
        } else {
            time.advance(3 * MS);
        }
        let past = waiter.join().unwrap().unwrap();
        assert_eq!((past.timestamp(), past.into_inner()), (s.timestamp(), 7));
    }
}

#[test]
fn a_disruption_during_the_wait_is_an_error_even_after_the_recovery() {
    let (clock, time) = clock();
    let s = clock.commit_timestamp().unwrap();
    let (wait, guarded) = (clock.commit_wait(s), clock.commit_wait(s).guard("value"));
    time.disrupt();
    assert!(matches!(wait.wait(), Err(WaitError::Now(NowError::Disrupted { .. }))));
    time.set("2026-11-23T11:04:00Z ± 1 ms".parse().unwrap()).unwrap();
    assert_eq!(wait.check(), Err(WaitError::DisruptedMeanwhile));
    let unconfirmed = guarded.wait().unwrap_err();
    assert_eq!((unconfirmed.error, unconfirmed.value), (WaitError::DisruptedMeanwhile, "value"));
    assert_eq!(clock.commit_wait(s).check(), Err(WaitError::DisruptedMeanwhile), "whenever the wait began");
    let wait = clock.wait_until_after(s.timestamp());
    assert_eq!(wait.check(), Ok(true), "a wait for a timestamp from elsewhere speaks for itself");
}

#[test]
fn a_timeout_leaves_the_outcome_open_and_the_wait_usable() {
    let (clock, time) = clock();
    let wait = clock.commit_wait(clock.commit_timestamp().unwrap());
    assert_eq!(wait.wait_timeout(MS), Err(WaitError::Timeout { waited: MS }));
    time.advance(3 * MS);
    assert_eq!(wait.wait_timeout(Duration::ZERO), Ok(()));
}

#[test]
fn a_future_is_pending_until_woken_and_forgets_its_waker_when_dropped() {
    let (clock, time) = clock();
    let s = clock.commit_timestamp().unwrap();
    let wakes = Arc::new(CountWakes::default());
    let waker = Waker::from(Arc::clone(&wakes));
    let mut context = Context::from_waker(&waker);
    let mut wait = Box::pin(clock.commit_wait(s));
    let dropped = Box::pin(clock.commit_wait(s));
    assert_eq!(wait.as_mut().poll(&mut context), Poll::Pending);
    {
        let mut dropped = dropped;
        assert_eq!(dropped.as_mut().poll(&mut context), Poll::Pending);
    }
    time.advance(MS);
    assert_eq!(wakes.0.load(Ordering::SeqCst), 1, "the dropped one is not woken");
    assert_eq!(wait.as_mut().poll(&mut context), Poll::Pending, "a wake alone is nothing");
    time.advance(2 * MS);
    assert_eq!(wait.as_mut().poll(&mut context), Poll::Ready(Ok(())));
}

#[test]
fn timestamps_rise_and_floors_too_far_ahead_are_refused() {
    let (clock, time) = clock();
    let latest = clock.now().unwrap().latest();
    let s1 = clock.commit_timestamp().unwrap();
    let s2 = clock.commit_timestamp().unwrap();
    assert!(s1.timestamp() == latest && s2 > s1);
    let floor = latest.checked_add(400 * MS).unwrap();
    let s3 = clock.commit_timestamp_above(floor).unwrap();
    assert!(s3.timestamp() > floor);
    assert!(clock.commit_timestamp().unwrap() > s3);
    let far = latest.checked_add(501 * MS).unwrap();
    assert!(matches!(clock.commit_timestamp_above(far), Err(crate::CommitError::FloorTooFar { .. })));
    assert!(clock.commit_timestamp_above(Timestamp::MAX).is_err());
    time.advance(Duration::from_secs(1));
    let read = clock.read_timestamp().unwrap();
    assert!(
        clock.commit_timestamp().unwrap().timestamp() > read,
        "a snapshot read forbids later commits at or below it"
    );
    time.disrupt();
    assert!(clock.commit_timestamp().is_err() && clock.read_timestamp().is_err());
}

#[test]
fn a_manual_clock_cannot_be_set_back_within_an_epoch() {
    let (clock, time) = clock();
    let earlier = "2026-11-23T11:02:00Z ± 1 ms".parse().unwrap();
    assert_eq!(time.set(earlier), Err(crate::SetTimeError::WouldGoBack));
    time.disrupt();
    assert_eq!(time.set(earlier), Ok(()));
    assert_eq!(clock.now(), Ok(earlier));
}

#[test]
fn found_one_wait_for_several_commits_fails_if_one_was_made_before_a_disruption() {
    let (clock, time) = SureClock::manual("2026-11-23T11:03:00Z ± 1 ms".parse().unwrap());
    let before = clock.commit_timestamp().unwrap();
    time.disrupt();
    time.set("2026-11-23T11:03:01Z ± 1 ms".parse().unwrap()).unwrap();
    let after = clock.commit_timestamp().unwrap();
    time.advance(Duration::from_secs(1));
    assert_eq!(clock.commit_wait(after).wait(), Ok(()));
    for commits in [[before, after], [after, before]] {
        assert_eq!(clock.commit_wait_all(commits).unwrap().wait(), Err(WaitError::DisruptedMeanwhile));
    }
    assert_eq!(clock.commit_wait_all([after, after]).unwrap().wait(), Ok(()));
    assert!(clock.commit_wait_all([]).is_none());
}
