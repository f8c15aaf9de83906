//! Leap seconds, as a hostile reader tried them: what was found.

use super::*;
use crate::{Lease, LeaseForm, LeaseGrantor, LeaseState};

/// A lease by deadline that is granted by a machine to itself.
fn granted_by_deadline(world: &World, term: Duration) -> (LeaseGrantor, Lease) {
    let (mut grantor, mut lease) = (
        LeaseGrantor::first_ever("leader".parse().unwrap(), LeaseForm::Deadline, term),
        Lease::new("leader".parse().unwrap()).unwrap(),
    );
    let request = lease.request(&world.clock, term).unwrap();
    lease.granted(&world.clock, &grantor.grant(&world.clock, &request).unwrap()).unwrap();
    (grantor, lease)
}

/// Rounds every tenth of a second; gives for each step the error of a commit timestamp.
fn commits_around(
    really: LeapAnnouncement,
    say: impl Fn(usize) -> LeapAnnouncement,
) -> Vec<(i64, String)> {
    let (mut world, midnight) = before_midnight(10_000_000_000);
    let mut errors = Vec::new();
    for step in 0..250 {
        if step == 100 && really == LeapAnnouncement::Insert {
            world.truth -= 1_000_000_000;
        }
        world.round_by(
            HONEST,
            |source| if step < 85 { say(source) } else { LeapAnnouncement::None },
        );
        if let Err(error) = world.clock.commit_timestamp() {
            errors.push((
                (world.now_ns() - midnight) / 1_000_000,
                format!("{error:?}; now {:?}", world.clock.now()),
            ));
        }
        world.pass(S / 10 - 2_000_000);
    }
    errors
}

#[test]
fn found_no_commit_timestamps_after_an_inserted_leap_second() {
    let errors = commits_around(LeapAnnouncement::Insert, |_| LeapAnnouncement::Insert);
    assert!(errors.is_empty(), "{} {errors:#?}", errors.len());
}

#[test]
fn found_no_commit_timestamps_after_a_deletion_that_one_liar_announced() {
    let errors = commits_around(LeapAnnouncement::None, |s| {
        if s == 1 { LeapAnnouncement::Delete } else { LeapAnnouncement::None }
    });
    assert!(errors.is_empty(), "{} {errors:#?}", errors.len());
}

#[test]
fn found_an_honest_announcement_as_its_day_begins_that_disrupted() {
    let (world, midnight) = before_midnight(20_000_000_000);
    world.round(HONEST);
    world.pass(20_000_000_000 - 500_000);
    let asks = world.asks();
    world.pass(2_000_000);
    // Half a millisecond past midnight and more, by a server that may be 5 ms off.
    let t = world.now_ns();
    assert!(t > midnight);
    world.pass(1_000_000);
    let (upper, lower) =
        (Timestamp::from_unix_nanos(t + 5_000_000), Timestamp::from_unix_nanos(t - 5_000_000));
    for (ask, before) in asks {
        let now = world.clock.monotonic();
        if let Ok(facts) = Facts::new(before, upper, now, lower) {
            world.synchronizer.lock().answered(
                now,
                ask.id,
                facts.with_leap(LeapAnnouncement::Insert),
            );
        }
    }
    assert!(world.inside(), "{:?}", world.clock.now());
}

#[test]
fn found_a_deletion_published_too_late_that_nobody_noticed() {
    let (mut world, _) = before_midnight(30_000_000_000);
    world.round(HONEST);
    world.pass(20 * S);
    let asks = world.asks();
    let (facts, read) = (world.facts(0), world.clock.monotonic());
    // The writer is held up here: the second from M-1 on is left out meanwhile.
    world.pass(9_000_000_000);
    world.truth += 1_000_000_000;
    world.pass(500_000_000);
    // True time is above `latest`: a commit timestamp below true time.
    let s = world.clock.commit_timestamp().unwrap();
    assert!(s.timestamp().as_unix_nanos() < world.now_ns());
    world.synchronizer.lock().answered(
        read,
        asks[0].0.id,
        facts.with_leap(LeapAnnouncement::Delete),
    );
    world.check();
    let wait = world.clock.commit_wait(s);
    world.pass(5 * S);
    assert!(wait.check().is_err(), "a commit below true time is confirmed: {:?}", wait.check());
}

#[test]
fn found_a_lease_lost_before_a_deletion_sooner_than_it_said() {
    let (world, midnight) = before_midnight(10_000_000_000);
    world.round_by(
        HONEST,
        |s| if s == 1 { LeapAnnouncement::Delete } else { LeapAnnouncement::None },
    );
    world.pass(7 * S);
    let (_, lease) = granted_by_deadline(&world, Duration::from_secs(10));
    let LeaseState::Held { at_least } = lease.state(&world.clock) else { panic!() };
    let from = world.clock.monotonic();
    let mut lost = None;
    for _ in 0..98 {
        world.pass(S / 10);
        world.check();
        let elapsed = world.clock.elapsed(from, world.clock.monotonic()).unwrap();
        if elapsed.at_most < at_least && !lease.state(&world.clock).is_held() {
            lost.get_or_insert((
                elapsed.at_most,
                lease.state(&world.clock),
                world.now_ns() - midnight,
            ));
        }
    }
    assert_eq!(lost, None, "held for at least {at_least:?}");
}

#[test]
fn found_an_announcement_taken_back_while_the_clock_is_disrupted() {
    let days = 86_400_000_000_000;
    for evict in [false, true] {
        let (mut world, midnight) = before_midnight(120_000_000_000);
        world.round_by(HONEST, |s| {
            if s == 1 { LeapAnnouncement::Insert } else { LeapAnnouncement::None }
        });
        assert_eq!(world.clock.status().leap_second, Some(Timestamp::from_unix_nanos(midnight)));
        world.synchronizer.lock().disrupt(world.clock.monotonic(), DisruptionReason::Suspended);
        if evict {
            for lie in [3 * days, 5 * days] {
                world.pass(5 * S);
                world.round_by([None, Some(lie), None], |s| {
                    if s == 1 { LeapAnnouncement::Insert } else { LeapAnnouncement::None }
                });
            }
        } else {
            world.pass(10 * S);
        }
        world.pass(20 * S);
        world.round(HONEST);
        world.pass(5 * S);
        world.round(HONEST);
        assert!(world.inside());
        while world.now_ns() < midnight {
            world.pass(S / 10);
            world.check();
        }
        world.truth -= 1_000_000_000;
        world.pass(S / 10);
        assert!(world.inside(), "evict {evict}: {:?}, true {}", world.clock.now(), world.now_ns());
        let s = Timestamp::from_unix_nanos(world.now_ns() + 500_000_000);
        assert_eq!(world.clock.after(s), Ok(false), "half a second ahead of true time is not past");
    }
}

#[test]
fn found_an_announcement_forgotten_while_the_clock_starts() {
    let days = 86_400_000_000_000;
    let (mut world, midnight) = before_midnight(120_000_000_000);
    world.round_by([None, Some(0), None], |_| LeapAnnouncement::Insert);
    for lie in [3 * days, 5 * days] {
        world.pass(17 * S);
        world.round_by([None, Some(lie), None], |_| LeapAnnouncement::Insert);
    }
    world.pass(17 * S);
    world.round([Some(0), None, Some(0)]);
    assert!(world.inside());
    world.pass((midnight - world.now_ns()) as u64);
    world.truth -= 1_000_000_000;
    world.pass(S / 10);
    assert!(world.inside(), "{:?}", world.clock.now());
}

#[test]
fn found_two_holders_by_deadline_over_a_deletion() {
    let (mut a, midnight) = before_midnight(10_000_000_000);
    a.round_with(HONEST, LeapAnnouncement::Delete);
    a.pass(7 * S);
    let (grantor, lease) = granted_by_deadline(&a, Duration::from_secs(10));
    let promised = grantor.promised_until().unwrap();
    let LeaseState::Held { at_least } = lease.state(&a.clock) else { panic!() };
    let from = a.clock.monotonic();
    // The second from M-1 on is left out; the grantor's machine dies; another one begins after it.
    a.pass(2 * S);
    a.truth += 1_000_000_000;
    a.pass(2_500_000_000);
    let mut b = World::new();
    b.truth = a.now_ns() - b.counter.ticks() as i64;
    b.round(HONEST);
    a.pass(2_000_000);
    assert!(b.inside() && b.now_ns() == a.now_ns());
    let mut successor = LeaseGrantor::recovered(
        "leader".parse().unwrap(),
        Duration::from_secs(10),
        promised,
        &b.clock,
    );
    let mut both = None;
    for _ in 0..60 {
        a.pass(S / 10);
        b.pass(S / 10);
        let elapsed = a.clock.elapsed(from, a.clock.monotonic()).unwrap();
        if successor.is_free(&b.clock) && elapsed.at_most < at_least {
            both.get_or_insert((elapsed.at_most, a.now_ns() - midnight));
        }
    }
    assert_eq!(both, None, "free for another though held for at least {at_least:?}");
}

#[test]
fn found_a_floor_too_low_after_a_late_publication_with_a_contradiction() {
    let (mut world, midnight) = before_midnight(30_000_000_000);
    world.round(HONEST);
    world.pass(20 * S);
    let asks = world.asks();
    // Beyond f: two sources agree on another time, half a second off (say: the counter jumped).
    let (facts, read) = (world.facts(-500_000_000), world.clock.monotonic());
    world.synchronizer.lock().answered(read, asks[0].0.id, facts);
    // Held up here for 15 s; the leap second is inserted meanwhile.
    world.pass(15 * S);
    world.truth -= 1_000_000_000;
    let given = world.clock.now().unwrap().earliest();
    world.synchronizer.lock().answered(
        read,
        asks[1].0.id,
        facts.with_leap(LeapAnnouncement::Insert),
    );
    assert!(world.clock.now().is_err());
    let mut went_back = None;
    for _ in 0..300 {
        world.pass(S / 10);
        world.round(HONEST);
        if let Ok(now) = world.clock.now() {
            if now.earliest() < given {
                went_back.get_or_insert((
                    now.earliest().as_unix_nanos() - midnight,
                    given.as_unix_nanos() - midnight,
                ));
            }
        }
    }
    assert_eq!(went_back, None);
}

#[test]
fn a_lease_that_is_lost_over_an_insertion_is_not_held_again() {
    let (mut world, midnight) = before_midnight(10_000_000_000);
    world.round_with(HONEST, LeapAnnouncement::Insert);
    world.pass(7 * S);
    let (_, lease) = granted_by_deadline(&world, Duration::from_millis(4_700));
    let mut states = Vec::new();
    for step in 0..60 {
        if step == 30 {
            world.truth -= 1_000_000_000;
        }
        world.round(HONEST);
        states.push((lease.state(&world.clock).is_held(), (world.now_ns() - midnight) / 1_000_000));
        world.pass(S / 10 - 2_000_000);
    }
    states.dedup_by_key(|s| s.0);
    assert_eq!(states.len(), 2, "{states:?}");
}
