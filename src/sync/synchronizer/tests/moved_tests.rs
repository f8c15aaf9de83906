//! Moves of the virtual machine, told by its VM clock device, between any two calls of the
//! synchronizer.

use super::*;
use crate::counter::Scope;
use crate::{Lease, LeaseForm, LeaseGrantor, LeaseState, OwnLoop};

const HOUR: i64 = 3_600_000_000_000;

/// A world whose client has a VM clock device, with its own loop.
struct Moving {
    world: World,
    own: OwnLoop,
    counter: Counter,
}

impl Moving {
    fn new() -> Moving {
        let moving = Moving::unsynchronized();
        moving.world.round(HONEST);
        assert!(moving.world.inside());
        moving
    }

    fn unsynchronized() -> Moving {
        let manual = ManualCounter::new(100 * S);
        let counter = Counter::manual(Arc::clone(&manual)).with_vm_clock();
        let builder = (1..=3).fold(SureClock::builder(), |b, i| b.ntp(format!("127.0.0.1:{i}")));
        let (clock, synchronizer) = builder.synchronizer_over(counter.clone()).unwrap();
        let own = OwnLoop::new(Arc::clone(&synchronizer), counter.clone());
        Moving { world: World { counter: manual, clock, synchronizer, truth: TRUTH }, own, counter }
    }

    /// The machine is moved, and its counter shows so many ticks more afterwards.
    fn move_it(&mut self, ticks: i64) {
        let world = &mut self.world;
        world.counter.set(world.counter.shown().saturating_add_signed(ticks));
        world.truth -= ticks;
        world.counter.mark(true, false);
    }

    fn check(&self) {
        self.world.synchronizer.check_continuity(&self.counter, Scope::All);
    }

    /// Answers of so many rounds; true if the clock has an interval then, with the truth inside,
    /// and it never was outside.
    fn recovers(&self, rounds: u32) -> bool {
        for _ in 0..rounds {
            self.check();
            self.world.round(HONEST);
            assert!(self.world.clock.now().is_err() || self.world.inside());
            self.world.pass(16 * S);
        }
        self.world.round(HONEST);
        self.world.inside()
    }
}

#[test]
fn found_what_readers_were_given_stays_given_over_a_move_though_it_was_wrong() {
    for jump in [0, 1_000, -1_000_000_000, HOUR] {
        let mut moving = Moving::unsynchronized();
        // More than f lie, and nobody knows.
        moving.world.round([Some(10 * S as i64); 3]);
        let given = moving.world.clock.now().unwrap().earliest();
        moving.move_it(jump);
        for _ in 0..8 {
            moving.check();
            moving.world.round(HONEST);
            if let Ok(now) = moving.world.clock.now() {
                assert!(now.earliest() >= given, "{now:#} after {given}");
            }
            moving.world.pass(S);
        }
        assert_ne!(
            moving.world.state(),
            State::Synchronized,
            "the sources are ten seconds below what was given"
        );
    }
}

#[test]
fn found_no_call_of_the_machine_lets_the_counter_of_after_a_move_in() {
    // What is called between the move and the look for it.
    let calls: [fn(&Moving); 5] = [
        |_| (),
        |moving| moving.world.check(),
        |moving| moving.own.disrupt(DisruptionReason::Restored),
        |moving| {
            let ask = moving.world.synchronizer.lock().next_ask(moving.world.clock.monotonic());
            assert!(ask.is_none(), "nobody is asked at a reading of nobody knows when");
        },
        |moving| {
            let facts = moving.world.facts(0);
            moving.own.answered(AskId(1), facts);
        },
    ];
    for (number, call) in calls.into_iter().enumerate() {
        for jump in [HOUR, 10_000_000, 0, -10_000_000, -50 * S as i64] {
            let mut moving = Moving::new();
            moving.world.pass(17 * S);
            moving.move_it(jump);
            call(&moving);
            assert!(moving.world.clock.now().is_err());
            assert!(moving.recovers(3), "call {number}, {jump}: {:?}", moving.world.state());
        }
    }
}

#[test]
fn found_a_move_after_another_disruption_does_not_move_its_floor() {
    for failing in [false, true] {
        let mut moving = Moving::new();
        moving.world.pass(16 * S);
        let asks = moving.world.asks();
        // No reading has been taken since the disruption was published: its floor is still to be
        // found.
        moving
            .world
            .synchronizer
            .lock()
            .disrupt(moving.world.clock.monotonic(), DisruptionReason::SourcesDisagree);
        moving.move_it(HOUR);
        if failing {
            moving.own.failed(asks[0].0.id, Problem::Timeout);
        } else {
            moving.world.check();
        }
        assert!(moving.recovers(3), "{:?}", moving.world.state());
    }
}

#[test]
fn found_nothing_is_lost_in_an_update_that_takes_long() {
    let moving = Moving::new();
    moving.world.pass(16 * S);
    let asks = moving.world.asks();
    moving.world.counter.update_vm_clock();
    let deny = Problem::Rejected(Rejected::KissOfDeath { code: KissCode(*b"DENY") });
    moving.own.failed(asks[0].0.id, deny);
    // A suspend that a look has seen is not seen again.
    moving.world.counter.suspend(S);
    moving.check();
    moving.world.counter.update_vm_clock();
    let status = moving.world.clock.status();
    assert_eq!(status.counts.disruptions, 1);
    assert!(
        matches!(status.state, State::Disrupted { reason: DisruptionReason::Suspended, .. }),
        "{:?}",
        status.state
    );
    assert_eq!(status.sources[asks[0].0.source].problem, Some(deny));
}

#[test]
fn found_the_status_after_a_move_shows_no_interval_of_before_it() {
    for updating in [false, true] {
        let mut moving = Moving::new();
        moving.world.pass(S);
        if updating {
            moving.world.counter.update_vm_clock();
        }
        moving.move_it(HOUR);
        let status = moving.world.clock.status();
        assert_eq!(status.interval, None);
        assert!(status.sources.iter().all(|source| source.interval.is_none()));
        let restored =
            matches!(status.state, State::Disrupted { reason: DisruptionReason::Restored, .. });
        assert!(restored, "{:?}", status.state);
    }
}

#[test]
fn found_a_clock_whose_thread_died_still_counts_moves() {
    let mut moving = Moving::new();
    let mut grantor = LeaseGrantor::first_ever(
        "leader".parse().unwrap(),
        LeaseForm::Duration,
        Duration::from_secs(100),
    );
    let mut lease = Lease::new("leader".parse().unwrap()).unwrap();
    let request = lease.request(&moving.world.clock, Duration::from_secs(50)).unwrap();
    lease
        .granted(&moving.world.clock, &grantor.grant(&moving.world.clock, &request).unwrap())
        .unwrap();
    let mut idle = LeaseGrantor::first_ever(
        "leader".parse().unwrap(),
        LeaseForm::Duration,
        Duration::from_secs(100),
    );
    assert!(lease.state(&moving.world.clock).is_held() && idle.is_free(&moving.world.clock));
    moving.world.synchronizer.lock().die();
    assert!(lease.state(&moving.world.clock).is_held(), "by duration the counter is enough");
    let before = moving.world.clock.monotonic();
    moving.move_it(0);
    moving.check();
    assert_eq!(moving.world.clock.elapsed(before, moving.world.clock.monotonic()), None);
    assert_eq!(lease.state(&moving.world.clock), LeaseState::Indeterminate);
    assert!(!idle.is_free(&moving.world.clock), "what it remembers may be of before a grant");
    assert_eq!(moving.world.clock.now(), Err(NowError::SyncThreadDied));
}

#[test]
fn found_a_copy_does_not_lower_what_readers_were_given_since_the_last_check() {
    let moving = Moving::unsynchronized();
    moving.world.round([Some(10 * S as i64); 3]);
    // Readers read on for longer than a driver should sleep.
    moving.world.pass(30 * S);
    let given = moving.world.clock.now().unwrap().earliest();
    moving.world.counter.mark(false, true);
    for _ in 0..8 {
        moving.check();
        moving.world.round(HONEST);
        assert!(moving.world.clock.now().map_or(true, |now| now.earliest() >= given));
        moving.world.pass(S / 10);
    }
    assert_eq!(moving.world.clock.status().counts.disruptions, 1);
}

/// The order of answers after a move: one near, then a liar, then one far away.
fn recovers_from(ns: i64, by_order: [usize; 3], disturb: impl Fn(&mut Moving)) -> Option<u64> {
    let mut moving = Moving::new();
    moving.world.pass(17 * S);
    disturb(&mut moving);
    let began = moving.world.counter.shown();
    for _ in 0..400 {
        moving.check();
        let asks = moving.world.asks();
        moving.world.pass(if asks.is_empty() { 100_000_000 } else { 5_000_000 });
        for source in by_order {
            let Some((ask, before)) = asks.iter().find(|(ask, _)| ask.source == source) else {
                continue;
            };
            moving.world.pass(5_000_000);
            let now = moving.world.clock.monotonic();
            let wrong = if source == 1 { ns } else { 0 };
            let point = Timestamp::from_unix_nanos(moving.world.now_ns() - 2_500_000 + wrong);
            if let Ok(facts) = Facts::new(*before, point, now, point) {
                moving.world.synchronizer.lock().answered(now, ask.id, facts);
            }
            assert!(moving.world.clock.now().is_err() || moving.world.inside());
        }
        if moving.world.inside() {
            return Some(moving.world.counter.shown() - began);
        }
    }
    None
}

#[test]
fn found_one_far_liar_of_three_does_not_stop_a_clock_after_a_move() {
    let day = 24 * HOUR;
    for ns in [day, -day, 4 * S as i64, 100_000_000] {
        for by_order in [[0, 1, 2], [1, 0, 2], [0, 2, 1]] {
            for disturb in [
                (|moving| moving.move_it(0)) as fn(&mut Moving),
                |moving| moving.move_it(HOUR),
                |moving| {
                    moving.world.counter.set(50 * S);
                    moving.world.truth += 67 * S as i64;
                },
                |moving| {
                    moving.world.counter.suspend(S);
                    moving.world.truth += S as i64;
                },
            ] {
                let after = recovers_from(ns, by_order, disturb);
                assert!(
                    after.is_some_and(|ticks| ticks < 32 * S),
                    "{ns} ns, {by_order:?}: {after:?}"
                );
            }
        }
    }
}

#[test]
fn while_a_liar_may_still_be_outvoted_nobody_is_asked_to_decide() {
    let mut moving = Moving::new();
    moving.world.pass(17 * S);
    moving.move_it(0);
    moving.check();
    moving.world.round([Some(0), Some(24 * HOUR), None]);
    let state = moving.world.state();
    assert!(
        matches!(state, State::Disrupted { behind_by: Some(_), needs_new_epoch: false, .. }),
        "{state:?}"
    );
}

#[test]
fn found_a_jump_of_a_century_waits_for_a_person_and_one_of_days_does_not() {
    let day = 24 * HOUR;
    for (days, asks) in [(29, false), (31, true), (20_000, true)] {
        let mut moving = Moving::new();
        moving.move_it(0);
        moving.check();
        // The machine stood still for so long, or more than f say so.
        moving.world.truth += days * day;
        moving.world.pass(17 * S);
        for _ in 0..3 {
            moving.world.round(HONEST);
            moving.world.pass(16 * S);
            moving.world.check();
        }
        assert_eq!(moving.world.clock.now().is_err(), asks, "{days} days");
        if asks {
            let state = moving.world.state();
            assert!(
                matches!(state, State::Disrupted { ahead_by: Some(_), needs_new_epoch: true, .. }),
                "{state:?}"
            );
            assert!(moving.world.clock.start_new_epoch());
            moving.world.pass(16 * S);
            moving.world.round(HONEST);
            assert!(moving.world.inside());
        }
    }
}
