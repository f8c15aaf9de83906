//! Clocks that live through several disruptions: what one leaves behind must not harm the next.

use super::*;
use crate::counter::Scope;
use crate::{Lease, LeaseForm, LeaseGrantor, OwnLoop};

struct Own {
    world: World,
    own: OwnLoop,
    counter: Counter,
}

impl Own {
    fn new(start: u64) -> Own {
        let manual = ManualCounter::new(start);
        let counter = Counter::manual(Arc::clone(&manual));
        let builder = (1..=3).fold(SureClock::builder(), |b, i| b.ntp(format!("127.0.0.1:{i}")));
        let (clock, synchronizer) = builder.synchronizer_over(counter.clone()).unwrap();
        let own = OwnLoop::new(Arc::clone(&synchronizer), counter.clone());
        let own = Own {
            world: World { counter: manual, clock, synchronizer, truth: TRUTH },
            own,
            counter,
        };
        own.run(3);
        assert!(own.world.inside());
        own
    }
    fn check(&self) {
        self.world.synchronizer.check_continuity(&self.counter, Scope::All);
    }
    /// Rounds of 16 s.
    fn run(&self, rounds: u32) {
        for _ in 0..rounds {
            self.check();
            self.world.round(HONEST);
            assert!(self.world.clock.now().is_err() || self.world.inside());
            self.world.pass(16 * S);
        }
        self.check();
        self.world.round(HONEST);
    }
    fn suspend(&mut self, ns: u64) {
        self.world.counter.suspend(ns);
        self.world.truth += ns as i64;
    }
    fn back(&mut self, ns: u64) {
        self.world.counter.set(self.world.counter.shown() - ns);
        self.world.truth += ns as i64;
    }
}

#[test]
fn found_a_suspend_after_the_counter_went_back_waits_for_nothing() {
    let mut own = Own::new(10_000 * S);
    own.back(5_000 * S);
    own.run(4);
    assert!(own.world.inside(), "after going back: {:?}", own.world.state());
    own.suspend(S);
    own.run(10);
    assert!(own.world.inside(), "after the suspend: {:?}", own.world.state());
}

#[test]
fn found_a_suspend_after_a_reported_restore_waits_for_nothing() {
    let mut own = Own::new(10_000 * S);
    own.back(5_000 * S);
    own.own.disrupt(DisruptionReason::Restored);
    own.run(4);
    assert!(own.world.inside(), "{:?}", own.world.state());
    own.suspend(S);
    own.run(10);
    assert!(own.world.inside(), "after the suspend: {:?}", own.world.state());
}

#[test]
fn found_suspends_of_one_length_every_hour_are_no_rate() {
    let mut own = Own::new(100 * S);
    for number in 0..8 {
        own.run(225);
        assert!(own.world.inside(), "after {number} suspends: {:?}", own.world.state());
        own.suspend(S);
    }
    own.run(3);
    assert!(own.world.inside(), "{:?}", own.world.state());
}

#[test]
fn found_suspends_of_nearly_one_length_are_no_rate() {
    let mut own = Own::new(100 * S);
    for number in 0..8u64 {
        own.run(225);
        assert!(own.world.inside(), "after {number} suspends: {:?}", own.world.state());
        own.suspend(S + [0, 3, 1, 2, 0, 4, 2, 1][number as usize] * 1_000_000);
    }
    own.run(3);
    assert!(own.world.inside(), "{:?}", own.world.state());
}

#[test]
fn found_pauses_that_nobody_saw_every_hour_are_no_rate() {
    let mut own = Own::new(100 * S);
    for number in 0..8 {
        own.run(225);
        assert!(own.world.inside(), "after {number} pauses: {:?}", own.world.state());
        own.world.truth += S as i64;
        own.check();
        own.world.round(HONEST);
        own.world.pass(16 * S);
    }
}

#[test]
fn found_a_lease_does_not_outlive_a_suspend_whatever_the_clock_says_of_its_rate() {
    let mut own = Own::new(100 * S);
    for _ in 0..8 {
        own.run(225);
        own.suspend(S);
    }
    own.run(3);
    let resource = || "leader".parse().unwrap();
    let mut lease = Lease::new(resource()).unwrap();
    let request = lease.request(&own.world.clock, Duration::from_secs(30)).unwrap();
    // The grantor is on another machine.
    let other = Own::new(100 * S);
    let mut grantor =
        LeaseGrantor::first_ever(resource(), LeaseForm::Duration, Duration::from_secs(100));
    let grant = grantor.grant(&other.world.clock, &request).unwrap();
    lease.granted(&own.world.clock, &grant).unwrap();
    // An hour asleep.
    own.suspend(3_600 * S);
    other.world.pass(3_600 * S);
    own.check();
    let held = lease.state(&own.world.clock);
    assert!(!(held.is_held() && grantor.is_free(&other.world.clock)), "two holders: {held:?}");
}

#[test]
fn found_a_clock_whose_sources_slewed_for_hours_answers_when_they_are_right() {
    let own = Own::new(100 * S);
    let mut wrong = 0;
    for _ in 0..450 {
        own.check();
        own.world.round([Some(wrong); 3]);
        own.world.pass(16 * S);
        wrong += 16_000 * 1_000;
    }
    for _ in 0..450 {
        own.check();
        own.world.round(HONEST);
        own.world.pass(16 * S);
    }
    let epoch = own.world.clock.start_new_epoch();
    own.run(10);
    assert!(own.world.inside(), "{:?}, new epoch {epoch}", own.world.state());
}

fn address(n: u8) -> SocketAddr {
    ([192, 0, 2, n], 123).into()
}

fn deny() -> Problem {
    Problem::Rejected(Rejected::KissOfDeath { code: KissCode(*b"DENY") })
}

#[test]
fn found_a_name_that_stands_for_another_host_does_not_wait_for_the_rest_of_the_old_one() {
    let own = Own::new(100 * S);
    own.own.resolved(0, &[address(1)]);
    let began = own.world.counter.shown();
    let (mut looked_up, mut old) = (0, 0);
    for _ in 0..20_000 {
        own.check();
        for (ask, _) in own.world.asks() {
            let now = own.world.clock.monotonic();
            if ask.address == Some(address(2)) {
                let after = (own.world.counter.shown() - began) / S;
                assert!(
                    after < 60,
                    "the new address waited {after} s; the old one was asked {old} times, looked up {looked_up}"
                );
                return;
            }
            if ask.source == 0 {
                old += 1;
                own.world.synchronizer.lock().failed(now, ask.id, deny());
            } else {
                own.world.synchronizer.lock().failed(now, ask.id, Problem::Timeout);
            }
        }
        while let Some(source) = own.own.next_lookup() {
            // The operator has moved the name a minute ago.
            looked_up += 1;
            own.own.resolved(source, &[address(2)]);
        }
        own.world.pass(S);
    }
    panic!("never: asked {old}, looked up {looked_up}");
}

#[test]
fn found_an_address_that_says_rate_to_everything_is_left_for_another() {
    let own = Own::new(100 * S);
    own.own.resolved(0, &[address(1), address(2)]);
    let mut asked = [0; 3];
    for _ in 0..86_400 {
        own.check();
        for (ask, _) in own.world.asks() {
            let now = own.world.clock.monotonic();
            let problem = if ask.source == 0 {
                let Some(SocketAddr::V4(at)) = ask.address else { panic!() };
                asked[usize::from(at.ip().octets()[3])] += 1;
                Problem::Rejected(Rejected::KissOfDeath { code: KissCode(*b"RATE") })
            } else {
                Problem::Timeout
            };
            own.world.synchronizer.lock().failed(now, ask.id, problem);
        }
        own.world.pass(S);
    }
    assert!(asked[2] > 0, "in a day {asked:?}");
}

#[test]
fn found_weeks_without_a_network_are_no_jump_ahead() {
    let mut own = Own::new(100 * S);
    own.suspend(S);
    own.check();
    // No network for 31 days; the counter runs on.
    for _ in 0..31 * 24 {
        own.world.pass(3_600 * S);
        own.check();
        own.world.round([None; 3]);
    }
    own.suspend(S);
    own.check();
    own.run(20);
    assert!(own.world.inside(), "{:?}", own.world.state());
}

#[test]
fn found_a_name_that_stood_for_nothing_once_is_looked_up_again() {
    let own = Own::new(100 * S);
    own.own.resolved(0, &[]);
    for _ in 0..3_600 {
        own.check();
        if own.own.next_lookup().is_some() {
            return;
        }
        for (ask, _) in own.world.asks() {
            own.world.synchronizer.lock().failed(
                own.world.clock.monotonic(),
                ask.id,
                Problem::Timeout,
            );
        }
        own.world.pass(S);
    }
    panic!("never looked up again");
}

#[test]
fn found_names_of_one_pool_are_several_hosts_again_after_an_outage() {
    let own = Own::new(100 * S);
    let pool = [address(1), address(2), address(3)];
    (0..3).for_each(|source| own.own.resolved(source, &pool));
    let began = own.world.counter.shown();
    for _ in 0..4 * 3_600 {
        own.check();
        for (ask, _) in own.world.asks() {
            let now = own.world.clock.monotonic();
            let up = ask.address == Some(address(1)) || own.world.counter.shown() - began > 300 * S;
            if up {
                own.world.synchronizer.lock().answered(now, ask.id, own.world.facts(0));
            } else {
                own.world.synchronizer.lock().failed(now, ask.id, Problem::Timeout);
            }
        }
        while let Some(source) = own.own.next_lookup() {
            own.own.resolved(source, &pool);
        }
        own.world.pass(S);
    }
    let status = own.world.clock.status();
    assert_eq!(
        (status.distinct_domains, status.state),
        (3, State::Synchronized),
        "{:?}",
        own.world.clock.now()
    );
}

#[test]
fn found_a_new_epoch_begins_once_however_often_it_is_asked_for() {
    let own = Own::new(100 * S);
    own.own.disrupt(DisruptionReason::SourcesDisagree);
    for _ in 0..1_000_000 {
        assert!(own.world.clock.start_new_epoch());
    }
    assert_eq!(own.world.clock.status().epoch, 1);
}

#[test]
fn found_no_elapsed_time_is_certified_by_a_rate_bound_known_to_be_wrong() {
    let mut own = Own::new(100 * S);
    for _ in 0..450 {
        own.check();
        own.world.round(HONEST);
        own.world.pass(16 * S);
        own.world.truth += 16 * 681_000;
    }
    let state = own.world.state();
    assert!(
        matches!(state, State::Disrupted { reason: DisruptionReason::RateBeyondBound { .. }, .. }),
        "{state:?}"
    );
    let (before, began) = (own.world.clock.monotonic(), own.world.now_ns());
    own.world.pass(100 * S);
    own.world.truth += 100 * 681_000;
    let passed = Duration::from_nanos((own.world.now_ns() - began) as u64);
    let elapsed = own.world.clock.elapsed(before, own.world.clock.monotonic());
    assert!(
        elapsed.is_none_or(|elapsed| elapsed.at_most >= passed),
        "{elapsed:?}, and {passed:?} passed"
    );
}

#[test]
fn two_disruptions_of_any_kinds_in_any_phase_end_in_an_answer() {
    let kinds: [fn(&mut Own); 7] = [
        |own| own.suspend(S),
        |own| own.back(30 * S),
        |own| own.own.disrupt(DisruptionReason::SourcesDisagree),
        |own| own.own.disrupt(DisruptionReason::CounterJumped),
        |own| {
            own.world.counter.advance(3_000 * S);
            own.world.truth -= 3_000 * S as i64;
            own.own.disrupt(DisruptionReason::CounterJumped);
        },
        |own| {
            own.world.clock.start_new_epoch();
        },
        |own| own.back(2 * S),
    ];
    let mut bad = Vec::new();
    for a in 0..kinds.len() {
        for b in 0..kinds.len() {
            for between in 0..3 {
                for gap in [0, S / 10, 5 * S] {
                    let mut own = Own::new(1_000 * S);
                    let mut highest = own.world.clock.now().unwrap().earliest();
                    let epoch = own.world.clock.status().epoch;
                    kinds[a](&mut own);
                    own.world.pass(gap);
                    match between {
                        0 => {}
                        1 => own.check(),
                        _ => {
                            own.check();
                            own.world.round([Some(0), None, None]);
                        }
                    }
                    kinds[b](&mut own);
                    if gap == 5 * S && (a == 6 || b == 6) {
                        // Nobody can see it.
                        continue;
                    }
                    for _ in 0..8 {
                        own.check();
                        own.world.round(HONEST);
                        if own.world.clock.now().is_ok() && !own.world.inside() {
                            bad.push(format!("outside: {a} {b} {between} {gap}"));
                        }
                        own.world.pass(16 * S);
                    }
                    own.check();
                    own.world.round(HONEST);
                    let ok = own.world.inside();
                    if let Ok(now) = own.world.clock.now() {
                        if own.world.clock.status().epoch == epoch && now.earliest() < highest {
                            bad.push(format!("back: {a} {b} {between} {gap}"));
                        }
                        highest = now.earliest();
                    }
                    let _ = highest;
                    if !ok {
                        bad.push(format!("{a} {b} {between} {gap}: {:?}", own.world.state()));
                    }
                }
            }
        }
    }
    assert!(bad.is_empty(), "{} of them:\n{}", bad.len(), bad.join("\n"));
}

#[test]
fn disruptions_around_a_leap_second_end_and_earliest_never_goes_back() {
    const MIDNIGHT: i64 = 1_798_761_600_000_000_000;
    let mut bad = Vec::new();
    for announced in [true, false] {
        for quarter in (-24i64..24).step_by(3) {
            for kind in 0..3 {
                let manual = ManualCounter::new(100 * S);
                let counter = Counter::manual(Arc::clone(&manual));
                let builder =
                    (1..=3).fold(SureClock::builder(), |b, i| b.ntp(format!("127.0.0.1:{i}")));
                let (clock, synchronizer) = builder.synchronizer_over(counter.clone()).unwrap();
                let own = OwnLoop::new(Arc::clone(&synchronizer), counter.clone());
                let truth = MIDNIGHT - 600 * S as i64 - 100 * S as i64;
                let mut own = Own {
                    world: World { counter: manual, clock, synchronizer, truth },
                    own,
                    counter,
                };
                let began = own.world.counter.shown();
                let (mut highest, mut stepped) = (None, false);
                let mut recovered = false;
                // Quarters of a second.
                for step in 0..4 * 1_200i64 {
                    let at = (began as i64) + step * (S / 4) as i64;
                    let now = own.world.counter.shown() as i64;
                    own.world.pass((at - now).max(0) as u64);
                    if !stepped && own.world.now_ns() >= MIDNIGHT {
                        own.world.truth -= S as i64;
                        stepped = true;
                    }
                    if step == 2_400 + quarter {
                        match kind {
                            0 => own.own.disrupt(DisruptionReason::CounterJumped),
                            1 => own.own.disrupt(DisruptionReason::SourcesDisagree),
                            _ => own.own.disrupt(DisruptionReason::Suspended),
                        }
                    }
                    own.check();
                    let say = if announced && !stepped {
                        LeapAnnouncement::Insert
                    } else {
                        LeapAnnouncement::None
                    };
                    own.world.round_with(HONEST, say);
                    if let Ok(i) = own.world.clock.now() {
                        if highest.is_some_and(|h| i.earliest() < h) {
                            bad.push(format!("back: {announced} {quarter} {kind} at {step}"));
                        }
                        highest = Some(i.earliest());
                        if announced && !own.world.inside() {
                            bad.push(format!("outside: {announced} {quarter} {kind} at {step}"));
                        }
                        recovered = step > 2_400 + 24 + 400 || recovered;
                    }
                }
                if !recovered || !own.world.inside() {
                    bad.push(format!(
                        "no answer: {announced} {quarter} {kind}: {:?}",
                        own.world.state()
                    ));
                }
            }
        }
    }
    bad.truncate(30);
    assert!(bad.is_empty(), "{}", bad.join("\n"));
}

#[test]
fn found_an_own_loop_that_comes_when_it_should_takes_nothing_back() {
    let own = Own::new(100 * S);
    assert!(own.own.wake_after() <= Duration::from_millis(100), "{:?}", own.own.wake_after());
}

#[test]
fn names_of_a_pool_that_stay_alone_do_not_move() {
    // The twin: each has a host of its own, and keeps it.
    let own = Own::new(100 * S);
    let pool = [address(1), address(2), address(3)];
    (0..3).for_each(|source| own.own.resolved(source, &pool));
    let mut asked = std::collections::BTreeSet::new();
    for _ in 0..3_600 {
        own.check();
        for (ask, _) in own.world.asks() {
            asked.insert((ask.source, ask.address));
            own.world.synchronizer.lock().answered(
                own.world.clock.monotonic(),
                ask.id,
                own.world.facts(0),
            );
        }
        own.world.pass(S);
    }
    assert_eq!(asked.len(), 3, "{asked:?}");
}
