//! The world itself: one seed is one world, acts land where they are said to, and the witness
//! bites.

use super::*;
use crate::{CommitWait, DisruptionReason, NowError, SureClock};
use std::time::Duration;

const S: Duration = Duration::from_secs(1);

fn three(world: &mut World, server: &Server) {
    for name in ["a", "b", "c"] {
        world.server(name, server.clone());
    }
}

fn settled(seed: u64) -> (World, SureClock) {
    let mut world = World::new(seed);
    three(&mut world, &Server::honest());
    let clock = world.clock(Host::named("east")).unwrap();
    world.advance(10 * S);
    assert!(clock.now().is_ok());
    (world, clock)
}

#[test]
fn one_seed_is_one_world() {
    let live = |seed| {
        let mut world = World::new(seed);
        let path =
            Path::symmetric(Duration::from_millis(3), Duration::from_millis(30)).loss_ppm(200_000);
        three(&mut world, &Server::honest().path(path));
        let clock = world.clock(Host::named("east").stalls(50_000, S)).unwrap();
        world.advance(200 * S);
        (clock.now(), world.true_time(), world.story())
    };
    assert_eq!(live(7), live(7));
    assert_ne!(live(7).2, live(8).2);
}

#[test]
fn a_violation_names_its_law_its_seed_and_what_happened() {
    let mut world = World::new(41);
    three(&mut world, &Server::honest().error(ClockError::Fixed { ns: 500_000_000 }));
    let clock = world.clock(Host::named("east")).unwrap();
    world.advance(5 * S);
    let violation = world.check(&clock).expect_err("three colluding liars");
    assert_eq!((violation.law, violation.seed), (Law::Containment, 41));
    let text = violation.to_string();
    assert!(
        text.contains("seed 41") && text.contains("east asks a") && text.contains("Fixed"),
        "{text}"
    );
}

#[test]
fn an_act_lands_in_the_reading_and_the_reading_is_of_then() {
    // After the counter was looked at: the interval is of the moment of the look, and contains what
    // was true then.
    let (mut world, clock) = settled(1);
    let before = world.true_time();
    world.in_next_reading(&clock, ReadPoint::AfterCounter, |world| {
        world.advance(Duration::from_millis(500))
    });
    let interval = world.check(&clock).unwrap().unwrap();
    assert!(interval.contains(before) && !interval.contains(world.true_time()));
    // Before it: of afterwards.
    world.in_next_reading(&clock, ReadPoint::BeforeCounter, |world| {
        world.advance(Duration::from_millis(500))
    });
    let interval = world.check(&clock).unwrap().unwrap();
    assert!(interval.contains(world.true_time()));
    // The watch has ended: the next reading is an ordinary one.
    let now = world.true_time();
    assert!(clock.now().unwrap().contains(now) && world.true_time() == now);
}

#[test]
fn a_disruption_in_the_middle_of_a_reading_is_seen_by_it() {
    for point in [ReadPoint::BeforeCounter, ReadPoint::AfterCounter] {
        let (mut world, clock) = settled(2);
        let other = clock.clone();
        world.in_next_reading(&clock, point, move |world| world.report_restore(&other));
        let reason = DisruptionReason::Restored;
        assert_eq!(world.check(&clock).unwrap(), Err(NowError::Disrupted { reason }));
    }
}

#[test]
fn stops_suspends_and_pauses_differ_in_what_runs_on() {
    for (what, counts) in [("stop", true), ("suspend", false), ("pause", false)] {
        let (mut world, clock) = settled(3);
        let before = clock.monotonic();
        match what {
            "stop" => world.stop_process(&clock, 60 * S),
            "suspend" => world.suspend(&clock, 60 * S),
            _ => world.pause_machine(&clock, 60 * S),
        }
        world.advance(60 * S);
        let ticks = clock.monotonic().ticks() - before.ticks();
        assert_eq!(ticks > 59_000_000_000, counts, "{what}: {ticks}");
        world.advance(Duration::from_millis(110));
        let disrupted =
            matches!(clock.now(), Err(NowError::Disrupted { reason: DisruptionReason::Suspended }));
        assert!(!(disrupted && what == "pause"), "nobody can tell");
        assert_eq!(clock.status().counts.disruptions > 0, what == "suspend", "{what}");
    }
}

#[test]
fn what_passed_across_a_disruption_is_not_known() {
    let (mut world, clock) = settled(4);
    let before = clock.monotonic();
    world.advance(S);
    let elapsed = clock.elapsed(before, clock.monotonic()).unwrap();
    assert!(elapsed.at_least <= S && S <= elapsed.at_most);
    world.suspend(&clock, 60 * S);
    world.advance(65 * S);
    assert_eq!(clock.elapsed(before, clock.monotonic()), None);
    assert_eq!(clock.at(before), Err(crate::AtError::BeforeEpoch));
}

#[test]
fn a_wait_ends_when_the_timestamp_is_past_and_not_before() {
    let (mut world, clock) = settled(5);
    let s = clock.commit_timestamp().unwrap();
    let wait: CommitWait = clock.commit_wait(s);
    assert!(world.true_time() <= s.timestamp());
    world.wait(&wait, S).unwrap();
    assert!(s.timestamp() < world.true_time());
    let far = s.timestamp().checked_add(100 * S).unwrap();
    let error = world.wait(&clock.wait_until_after(far), S).unwrap_err();
    assert!(matches!(error, crate::WaitError::Timeout { .. }), "{error}");
}

#[test]
fn the_wall_clock_is_stepped_and_strobed_and_no_clock_minds() {
    let (mut world, clock) = settled(6);
    let error = |world: &World, clock: &SureClock| {
        world.wall_time(clock).assume_true().as_unix_nanos() - world.true_time().as_unix_nanos()
    };
    assert_eq!(error(&world, &clock), 0);
    world.step_wall(&clock, -7_000);
    assert_eq!(error(&world, &clock), -7_000);
    world.strobe_wall(&clock, 1_000_000, Duration::from_millis(1));
    let mut seen: Vec<i64> = Vec::new();
    for _ in 0..40 {
        world.advance(Duration::from_micros(700));
        seen.push(error(&world, &clock));
        assert!(world.check(&clock).unwrap().is_ok());
    }
    assert!(seen.contains(&-7_000) && seen.contains(&993_000), "{seen:?}");
}

#[test]
fn bad_manners_give_no_facts_and_kisses_are_obeyed() {
    let mut world = World::new(9);
    let replies = [
        Reply::Short,
        Reply::ZeroStamps,
        Reply::Noise,
        Reply::Kiss(*b"DENY"),
        Reply::Unsynchronized,
    ];
    for (number, reply) in replies.iter().enumerate() {
        world.server(format!("s{number}"), Server::honest().reply(*reply));
    }
    let clock = world.clock(Host::named("east")).unwrap();
    world.advance(100 * S);
    assert_eq!(clock.now(), Err(NowError::NotSynchronized));
    let status = clock.status();
    assert!(status.sources.iter().all(|source| source.counts.answered == 0), "{status:?}");
    assert_eq!(status.sources[3].counts.asked, 1, "asked once, denied for good");
}

#[test]
#[should_panic(expected = "asks \"nobody\", which is not in the world")]
fn a_host_that_asks_a_stranger_is_an_error() {
    let _ = World::new(1).clock(Host::named("east").asks("nobody"));
}

#[test]
fn found_a_wait_begun_after_the_recovery_does_not_expose_what_was_made_before_it() {
    let (mut world, clock) = settled(10);
    world.suspend(&clock, 60 * S);
    world.advance(60 * S);
    // Nobody has noticed: the timestamp is a minute too low.
    let s = clock.commit_timestamp().unwrap();
    assert!(s.timestamp() < world.true_time(), "or this tests nothing");
    // The transaction is applied for ten seconds, over the disruption and the recovery.
    world.advance(10 * S);
    assert!(clock.now().is_ok());
    assert_eq!(world.wait(&clock.commit_wait(s), S), Err(crate::WaitError::DisruptedMeanwhile));
}

#[test]
fn found_the_elapsed_time_is_not_given_over_a_disruption_in_the_middle_of_a_reading() {
    for point in [ReadPoint::BeforeCounter, ReadPoint::AfterCounter] {
        let (mut world, clock) = settled(11);
        let before = clock.monotonic();
        let other = clock.clone();
        world.in_next_reading(&clock, point, move |world| {
            world.pause_machine(&other, 3600 * S);
            world.advance(3600 * S);
            world.report_restore(&other);
        });
        assert_eq!(clock.elapsed(before, clock.monotonic()), None);
    }
}

#[test]
fn found_earliest_stays_above_what_was_given_by_a_counter_that_jumped_and_went_back() {
    let (mut world, clock) = settled(12);
    world.advance(S);
    world.jump_counter(&clock, 1_500_000_000);
    world.advance(Duration::from_millis(150));
    let given = clock.now().unwrap().earliest();
    world.jump_counter(&clock, -1_500_000_000);
    for _ in 0..200 {
        world.advance(Duration::from_millis(100));
        if let Ok(interval) = clock.now() {
            assert!(interval.earliest() >= given && interval.contains(world.true_time()));
            return;
        }
    }
    panic!("it recovers");
}

#[test]
fn found_no_elapsed_time_is_given_while_the_counter_is_known_to_be_another() {
    for (suspended, marker) in [(false, false), (true, false), (false, true)] {
        let mut world = World::new(1);
        for name in ["a", "b", "c"] {
            world.server(name, Server::honest());
        }
        let clock = world.clock(Host::named("east").hardware_counter(100, 0)).unwrap();
        let ms = Duration::from_millis;
        world.advance(ms(30_000));
        world.change_counter_rate(&clock, 50_000_000);
        if suspended {
            world.suspend(&clock, ms(1_000));
            world.advance(ms(1_000));
        }
        world.advance(ms(101));
        if marker {
            world.report_restore(&clock);
        }
        // Until it is noticed nobody can know; from then on nothing wrong is said.
        let (mut earlier, mut given) = (None, 0);
        for _ in 0..3_000 {
            world.advance(ms(1));
            let (reading, now) = (clock.monotonic(), world.true_time());
            let noticed = matches!(clock.now(), Err(NowError::Disrupted { .. }));
            let elapsed = earlier.and_then(|(then, at)| Some((clock.elapsed(then, reading)?, at)));
            if let Some((elapsed, at)) = elapsed.filter(|_| noticed || given > 0) {
                let passed = now.checked_duration_since(at).unwrap();
                given += 1;
                let slack = Duration::from_nanos(2);
                assert!(
                    elapsed.at_least <= passed + slack && passed <= elapsed.at_most + slack,
                    "{elapsed:?} {passed:?}"
                );
            }
            if earlier.is_none() || elapsed.is_none() {
                earlier = Some((reading, now));
            }
        }
        assert!(suspended || given > 0, "it is given again");
    }
}
