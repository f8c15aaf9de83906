//! Waits on a manual clock: never early, woken by every change, and an error where the outcome is
//! unknown.

use super::*;
use crate::own_loop::OwnLoop;
use crate::{DisruptionReason, ManualTime};
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
    assert_eq!(
        clock.commit_wait(s).check(),
        Err(WaitError::DisruptedMeanwhile),
        "whenever the wait began"
    );
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
    let far = latest.checked_add(1_501 * MS).unwrap();
    assert!(matches!(
        clock.commit_timestamp_above(far),
        Err(crate::CommitError::FloorTooFar { .. })
    ));
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
        assert_eq!(
            clock.commit_wait_all(commits).unwrap().wait(),
            Err(WaitError::DisruptedMeanwhile)
        );
    }
    assert_eq!(clock.commit_wait_all([after, after]).unwrap().wait(), Ok(()));
    assert!(clock.commit_wait_all([]).is_none());
}

#[test]
fn a_future_for_the_first_interval_forgets_its_waker_when_dropped() {
    let (clock, time) = clock();
    time.disrupt();
    let wakes = Arc::new(CountWakes::default());
    let waker = Waker::from(Arc::clone(&wakes));
    let mut future = Box::pin(clock.synchronized());
    assert!(future.as_mut().poll(&mut Context::from_waker(&waker)).is_pending());
    assert_eq!(Arc::strong_count(&wakes), 3, "ours, the waker, the registered one");
    drop(future);
    assert_eq!(Arc::strong_count(&wakes), 2);
}

/// A clock over this machine's counter that is told the time once, whose waits may spin for so
/// long.
fn set_once(budget: Duration) -> (SureClock, OwnLoop) {
    crate::commit::tests::set_once(SureClock::builder().spin_budget(budget))
}

/// A wait until so long after now, by `earliest`.
fn wait_in(clock: &SureClock, length: Duration) -> CommitWait {
    clock.wait_until_after(clock.now().unwrap().earliest().checked_add(length).unwrap())
}

/// How late a wait was over.
fn late(wait: &CommitWait) -> Duration {
    wait.clock
        .now()
        .unwrap()
        .earliest()
        .checked_duration_since(wait.timestamp)
        .expect("a wait is never early")
}

const US: Duration = Duration::from_micros(1);

#[cfg_attr(miri, ignore = "of real time")]
#[test]
fn a_wait_ends_shortly_after_its_moment_however_long_its_lead() {
    let (clock, _own_loop) = set_once(10 * MS);
    for lead in [Duration::ZERO, 10 * MS] {
        // The least of some: the machine may do other things in any of them.
        let late = (0..5).map(|_| {
            clock.shared().sleeper.woke(Instant::now().checked_sub(lead).unwrap());
            let wait = wait_in(&clock, 25 * MS);
            wait.wait_timeout(20_000 * MS).unwrap();
            late(&wait)
        });
        let late = late.min().unwrap();
        assert!(late < 8 * MS, "{late:?} late with a lead of {lead:?}");
    }
}

#[cfg_attr(miri, ignore = "of real time")]
#[test]
fn a_wait_learns_how_late_its_sleeps_end_and_nothing_from_news() {
    let (clock, own_loop) = set_once(10 * MS);
    let before = clock.shared().sleeper.lead();
    let far = wait_in(&clock, 600_000 * MS);
    thread::scope(|scope| {
        let waiter = scope.spawn(|| far.wait_timeout(20_000 * MS));
        thread::sleep(20 * MS);
        own_loop.disrupt(DisruptionReason::Suspended);
        assert!(matches!(waiter.join().unwrap(), Err(WaitError::Now(_))));
    });
    assert_eq!(clock.shared().sleeper.lead(), before);
    let (clock, _own_loop) = set_once(10 * MS);
    wait_in(&clock, 5 * MS).wait_timeout(20_000 * MS).unwrap();
    assert_ne!(clock.shared().sleeper.lead(), before);
}

#[cfg(target_os = "linux")]
#[cfg_attr(miri, ignore = "of real time")]
#[test]
fn a_wait_sleeps_but_for_its_end() {
    let on_the_processor = || {
        let spent = rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
        Duration::new(u64::try_from(spent.tv_sec).unwrap(), u32::try_from(spent.tv_nsec).unwrap())
    };
    for budget in [Duration::ZERO, MS] {
        let (clock, _own_loop) = set_once(budget);
        let (wait, before) = (wait_in(&clock, 60 * MS), on_the_processor());
        wait.wait_timeout(20_000 * MS).unwrap();
        let spent = on_the_processor() - before;
        assert!(spent < 20 * MS, "{spent:?} with a budget of {budget:?}");
    }
}

#[cfg_attr(miri, ignore = "of real time")]
#[test]
fn a_poll_spins_for_the_last_microseconds_and_for_nothing_else() {
    let poll = |wait: &mut CommitWait| Pin::new(wait).poll(&mut Context::from_waker(Waker::noop()));
    let (clock, _own_loop) = set_once(10 * MS);
    for _ in 0..20 {
        assert_eq!(
            poll(&mut wait_in(&clock, 5 * US)),
            Poll::Ready(Ok(())),
            "too short for another wake"
        );
    }
    // The least of some: the machine may do other things in any of them.
    let for_what_is_far_off = |budget| {
        let (clock, _own_loop) = set_once(budget);
        let polls = (0..100).map(|_| {
            let (mut wait, began) = (wait_in(&clock, 600_000 * MS), Instant::now());
            assert_eq!(poll(&mut wait), Poll::Pending);
            began.elapsed()
        });
        polls.min().unwrap()
    };
    let (spinning, never) = (for_what_is_far_off(10 * MS), for_what_is_far_off(Duration::ZERO));
    assert!(spinning < never + 20 * US, "{spinning:?}, without a budget {never:?}");
}

#[test]
#[cfg_attr(miri, ignore = "of the system's timers")]
fn a_timeout_around_a_guarded_wait_does_not_lose_the_value() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    runtime.block_on(async {
        let (clock, time) = clock();
        let mut guarded =
            clock.commit_wait(clock.commit_timestamp().unwrap()).guard("reply".to_owned());
        assert!(tokio::time::timeout(MS, &mut guarded).await.is_err());
        // Taken up again.
        time.advance(3 * MS);
        let past =
            tokio::time::timeout(Duration::from_secs(30), &mut guarded).await.unwrap().unwrap();
        assert_eq!(past.get(), "reply");
        assert!(guarded.give_up().is_none(), "given out already");
        // Given up.
        let mut guarded =
            clock.commit_wait(clock.commit_timestamp().unwrap()).guard("reply".to_owned());
        assert!(tokio::time::timeout(MS, &mut guarded).await.is_err());
        let unconfirmed = guarded.give_up().unwrap();
        assert_eq!((unconfirmed.error, unconfirmed.value.as_str()), (WaitError::GivenUp, "reply"));
    });
}

#[test]
fn a_guarded_wait_may_be_waited_for_again_after_its_time_was_over() {
    let (clock, time) = clock();
    let mut guarded = clock.commit_wait(clock.commit_timestamp().unwrap()).guard(7);
    assert_eq!(guarded.wait_timeout(MS), Ok(None));
    time.advance(3 * MS);
    assert_eq!(guarded.wait_timeout(MS).unwrap().map(Past::into_inner), Some(7));
    assert_eq!(guarded.wait_timeout(MS), Ok(None), "given out already");
    let mut guarded = clock.commit_wait(clock.commit_timestamp().unwrap()).guard(7);
    time.disrupt();
    assert_eq!(guarded.wait_timeout(MS).unwrap_err().value, 7);
}
