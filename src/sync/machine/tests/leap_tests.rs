//! Leap seconds, as a hostile reader tried them: what was found, and a walk of two clocks through random nights.

use super::*;

/// Rounds every tenth of a second; gives for each step the error of a commit timestamp.
fn commits_around(really: LeapAnnouncement, say: impl Fn(usize) -> LeapAnnouncement) -> Vec<(i64, String)> {
    let (mut world, midnight) = before_midnight(10_000_000_000);
    let mut errors = Vec::new();
    for step in 0..250 {
        if step == 100 && really == LeapAnnouncement::Insert {
            world.truth -= 1_000_000_000;
        }
        world.round_by(HONEST, |source| if step < 85 { say(source) } else { LeapAnnouncement::None });
        if let Err(error) = world.clock.commit_timestamp() {
            errors.push(((world.now_ns() - midnight) / 1_000_000, format!("{error:?}; now {:?}", world.clock.now())));
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
    let errors =
        commits_around(
            LeapAnnouncement::None,
            |s| if s == 1 { LeapAnnouncement::Delete } else { LeapAnnouncement::None },
        );
    assert!(errors.is_empty(), "{} {errors:#?}", errors.len());
}

#[test]
fn found_an_honest_announcement_as_its_day_begins_that_disrupted() {
    let (world, midnight) = before_midnight(20_000_000_000);
    world.round(HONEST);
    world.pass(20_000_000_000 - 500_000);
    let mut asks = Vec::new();
    while let Some(ask) = world.machine.lock().next_ask(world.clock.monotonic()) {
        asks.push((ask, world.clock.monotonic()));
    }
    world.pass(2_000_000);
    // Half a millisecond past midnight and more, by a server that may be 5 ms off.
    let t = world.now_ns();
    assert!(t > midnight);
    world.pass(1_000_000);
    let (upper, lower) = (Timestamp::from_unix_nanos(t + 5_000_000), Timestamp::from_unix_nanos(t - 5_000_000));
    for (ask, before) in asks {
        let now = world.clock.monotonic();
        if let Ok(facts) = Facts::new(before, upper, now, lower) {
            world.machine.lock().answered(now, ask.id, facts.with_leap(LeapAnnouncement::Insert));
        }
    }
    assert!(world.inside(), "{:?}", world.clock.now());
}

#[test]
fn found_a_deletion_published_too_late_that_nobody_noticed() {
    let (mut world, _) = before_midnight(30_000_000_000);
    world.round(HONEST);
    world.pass(20 * S);
    let mut asks = Vec::new();
    while let Some(ask) = world.machine.lock().next_ask(world.clock.monotonic()) {
        asks.push(ask);
    }
    let before = world.clock.monotonic();
    let point = Timestamp::from_unix_nanos(world.now_ns());
    let facts = Facts::new(before, point, world.clock.monotonic(), point).unwrap();
    let read = world.clock.monotonic();
    // The writer is held up here: the second from M-1 on is left out meanwhile.
    world.pass(9_000_000_000);
    world.truth += 1_000_000_000;
    world.pass(500_000_000);
    // True time is above `latest`: a commit timestamp below true time.
    let s = world.clock.commit_timestamp().unwrap();
    assert!(s.timestamp().as_unix_nanos() < world.now_ns());
    world.machine.lock().answered(read, asks[0].id, facts.with_leap(LeapAnnouncement::Delete));
    let _ = world.machine.lock().next_ask(world.clock.monotonic());
    let wait = world.clock.commit_wait(s);
    world.pass(5 * S);
    assert!(wait.check().is_err(), "a commit below true time is confirmed: {:?}", wait.check());
}

#[test]
fn found_a_lease_lost_before_a_deletion_sooner_than_it_said() {
    use crate::{Lease, LeaseForm, LeaseGrantor, LeaseState};
    let (world, midnight) = before_midnight(10_000_000_000);
    world.round_by(HONEST, |s| if s == 1 { LeapAnnouncement::Delete } else { LeapAnnouncement::None });
    world.pass(7 * S);
    let mut grantor = LeaseGrantor::first_ever(LeaseForm::Deadline, Duration::from_secs(10));
    let mut lease = Lease::new().unwrap();
    let request = lease.request(&world.clock, Duration::from_secs(10)).unwrap();
    let grant = grantor.grant(&world.clock, &request).unwrap();
    lease.granted(&world.clock, &grant).unwrap();
    let LeaseState::Held { at_least } = lease.state(&world.clock) else { panic!() };
    let from = world.clock.monotonic();
    let mut lost = None;
    for _ in 0..98 {
        world.pass(S / 10);
        let _ = world.machine.lock().next_ask(world.clock.monotonic());
        let elapsed = world.clock.elapsed(from, world.clock.monotonic()).unwrap();
        if elapsed.at_most < at_least && !lease.state(&world.clock).is_held() {
            lost.get_or_insert((elapsed.at_most, lease.state(&world.clock), world.now_ns() - midnight));
        }
    }
    assert_eq!(lost, None, "held for at least {at_least:?}");
}

#[test]
fn found_an_announcement_taken_back_while_the_clock_is_disrupted() {
    let days = 86_400_000_000_000;
    for evict in [false, true] {
        let (mut world, midnight) = before_midnight(120_000_000_000);
        world.round_by(HONEST, |s| if s == 1 { LeapAnnouncement::Insert } else { LeapAnnouncement::None });
        assert_eq!(world.clock.status().leap_second, Some(Timestamp::from_unix_nanos(midnight)));
        world.machine.lock().disrupt(world.clock.monotonic(), DisruptionReason::Suspended);
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
            let _ = world.machine.lock().next_ask(world.clock.monotonic());
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
    use crate::{Lease, LeaseForm, LeaseGrantor, LeaseState};
    let (mut a, midnight) = before_midnight(10_000_000_000);
    a.round_with(HONEST, LeapAnnouncement::Delete);
    a.pass(7 * S);
    let mut grantor = LeaseGrantor::first_ever(LeaseForm::Deadline, Duration::from_secs(10));
    let mut lease = Lease::new().unwrap();
    let request = lease.request(&a.clock, Duration::from_secs(10)).unwrap();
    let grant = grantor.grant(&a.clock, &request).unwrap();
    lease.granted(&a.clock, &grant).unwrap();
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
    let mut successor = LeaseGrantor::recovered(Duration::from_secs(10), promised, &b.clock);
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
    let mut asks = Vec::new();
    while let Some(ask) = world.machine.lock().next_ask(world.clock.monotonic()) {
        asks.push(ask);
    }
    let before = world.clock.monotonic();
    world.pass(1_000_000);
    // Beyond f: two sources agree on another time, half a second off (say: the counter jumped).
    let point = Timestamp::from_unix_nanos(world.now_ns() - 500_000_000);
    let facts = Facts::new(before, point, world.clock.monotonic(), point).unwrap();
    let read = world.clock.monotonic();
    world.machine.lock().answered(read, asks[0].id, facts);
    // Held up here for 15 s; the leap second is inserted meanwhile.
    world.pass(15 * S);
    world.truth -= 1_000_000_000;
    let told = world.clock.now().unwrap().earliest();
    world.machine.lock().answered(read, asks[1].id, facts.with_leap(LeapAnnouncement::Insert));
    assert!(world.clock.now().is_err());
    let mut went_back = None;
    for _ in 0..300 {
        world.pass(S / 10);
        world.round(HONEST);
        if let Ok(now) = world.clock.now() {
            if now.earliest() < told {
                went_back.get_or_insert((now.earliest().as_unix_nanos() - midnight, told.as_unix_nanos() - midnight));
            }
        }
    }
    assert_eq!(went_back, None);
}

#[test]
fn a_lease_that_is_lost_over_an_insertion_is_not_held_again() {
    use crate::{Lease, LeaseForm, LeaseGrantor};
    let (mut world, midnight) = before_midnight(10_000_000_000);
    world.round_with(HONEST, LeapAnnouncement::Insert);
    world.pass(7 * S);
    let mut grantor = LeaseGrantor::first_ever(LeaseForm::Deadline, Duration::from_millis(4_700));
    let mut lease = Lease::new().unwrap();
    let request = lease.request(&world.clock, Duration::from_millis(4_700)).unwrap();
    let grant = grantor.grant(&world.clock, &request).unwrap();
    lease.granted(&world.clock, &grant).unwrap();
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

#[test]
fn two_clocks_hold_every_convention_through_random_nights() {
    const G: i64 = 1_000_000_000;
    const M: i64 = 1_798_761_600 * G;
    struct R(u64);
    impl R {
        fn below(&mut self, n: u64) -> u64 {
            self.0 ^= self.0 << 13;
            self.0 ^= self.0 >> 7;
            self.0 ^= self.0 << 17;
            (self.0 >> 11) % n
        }
    }
    let reads = |kind: u64, u: i64, late: bool| match kind {
        1 if u >= M + if late { G } else { 0 } => u - G,
        2 if u >= M - if late { 0 } else { G } => u + G,
        _ => u,
    };
    let announces = |kind: u64, u: i64| match kind {
        1 if u < M => LeapAnnouncement::Insert,
        2 if u < M - G => LeapAnnouncement::Delete,
        _ => LeapAnnouncement::None,
    };
    let fresh =
        || World::with(|b| b.max_uncertainty(Duration::from_secs(86_400)).max_floor_lead(Duration::from_secs(86_400)));
    let worlds: u64 = std::env::var("WORLDS").map_or(300, |w| w.parse().unwrap());
    for seed in 1..=worlds {
        let mut r = R(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1);
        for _ in 0..5 {
            r.below(2);
        }
        let kind = r.below(3);
        let late = [r.below(2) == 0, r.below(2) == 0];
        let b = [0, 5_000_000, 300_000_000, 1_500_000_000][r.below(4) as usize];
        let mut u = M - G * (3 + r.below(40) as i64) - r.below(1_000_000_000) as i64;
        let mut worlds = [fresh(), fresh()];
        let mut last: [Option<i64>; 2] = [None, None];
        let mut highest = i64::MIN;
        let mut committed = i64::MIN;
        let mut pending: Vec<(usize, crate::CommitTimestamp)> = Vec::new();
        while u < M + 15 * G {
            // Ask, let a time pass, stamp, let a time pass, answer.
            let w = r.below(2) as usize;
            let mut asks = Vec::new();
            while let Some(ask) = worlds[w].machine.lock().next_ask(worlds[w].clock.monotonic()) {
                asks.push((ask, worlds[w].clock.monotonic()));
            }
            let pass = |u: &mut i64, r: &mut R| {
                let by = [1_000, 1_000_000, 100_000_000, 700_000_000][r.below(4) as usize] + r.below(1_000_000);
                *u += by as i64;
                worlds.iter().for_each(|w| w.pass(by));
            };
            pass(&mut u, &mut r);
            let stamped = u;
            pass(&mut u, &mut r);
            for (ask, before) in asks {
                let now = worlds[w].clock.monotonic();
                let (server, said) = if ask.source == 2 {
                    let lie = [0, G, -G, 2 * G, -2 * G, -6 * G, 86_400 * G, -86_400 * G, 3 * G][r.below(9) as usize];
                    let kinds = [
                        LeapAnnouncement::None,
                        LeapAnnouncement::None,
                        LeapAnnouncement::Insert,
                        LeapAnnouncement::Delete,
                    ];
                    (reads(kind, stamped, r.below(2) == 0) + lie, kinds[r.below(4) as usize])
                } else {
                    (reads(kind, stamped, late[ask.source]), announces(kind, stamped))
                };
                let off = r.below(2 * b as u64 + 1) as i64 - b;
                let (upper, lower) =
                    (Timestamp::from_unix_nanos(server + off + b), Timestamp::from_unix_nanos(server + off - b));
                if ask.source != 2 && r.below(8) == 0 && stamped > M + 3 * G {
                    worlds[w].machine.lock().failed(now, ask.id, Problem::Timeout);
                } else if let Ok(facts) = Facts::new(before, upper, now, lower) {
                    worlds[w].machine.lock().answered(now, ask.id, facts.with_leap(said));
                }
            }
            match r.below(40) {
                0 => worlds[w].machine.lock().disrupt(worlds[w].clock.monotonic(), DisruptionReason::Suspended),
                1 => {
                    worlds[w] = fresh();
                    last[w] = None;
                    pending.retain(|(of, _)| *of != w);
                }
                _ => {}
            }
            let (a, z) = (reads(kind, u, false), reads(kind, u, true));
            for i in 0..2 {
                if let Ok(now) = worlds[i].clock.now() {
                    let (e, l) = (now.earliest().as_unix_nanos(), now.latest().as_unix_nanos());
                    let what = format!(
                        "seed {seed} kind {kind} late {late:?} b {b} clock {i} u {} [{}, {}]",
                        u - M,
                        e - M,
                        l - M
                    );
                    assert!(e <= a.min(z) && a.max(z) <= l, "outside: {what}");
                    assert!(
                        last[i].is_none_or(|last| last <= e),
                        "went back from {:?}: {what}",
                        last[i].map(|l| l - M)
                    );
                    assert!(highest <= l, "an earlier earliest {} is above: {what}", highest - M);
                    last[i] = Some(e);
                    highest = highest.max(e);
                    if let Ok(s) = worlds[i].clock.commit_timestamp() {
                        assert!(s.timestamp().as_unix_nanos() > committed, "a commit before one that was seen: {what}");
                        pending.push((i, s));
                    }
                }
            }
            pending.retain(|(of, s)| match worlds[*of].clock.commit_wait(*s).check() {
                Ok(true) => {
                    committed = committed.max(s.timestamp().as_unix_nanos());
                    false
                }
                Ok(false) => true,
                Err(_) => false,
            });
        }
    }
}
