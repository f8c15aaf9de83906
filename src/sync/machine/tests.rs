//! The machine by hand, over a manual counter: states, disruptions, recovery, liars, kisses, leap seconds.
#![cfg(not(sureclock_loom))]

use super::*;
use crate::SureClock;
use crate::counter::{Counter, ManualCounter};
use crate::source::ntp::{KissCode, Rejected};
use crate::sync::SharedMachine;
use crate::sync::{State, Verdict};
use crate::{LeapAnnouncement, NowError};
use std::sync::Arc;

const S: u64 = 1_000_000_000;
/// True time at tick 0, far from a midnight.
const TRUTH: i64 = 1_795_431_780_000_000_000;

/// A world of three servers and one client whose counter is exact.
struct World {
    counter: Arc<ManualCounter>,
    clock: SureClock,
    machine: Arc<SharedMachine>,
    truth: i64,
}

impl World {
    fn new() -> World {
        let counter = ManualCounter::new(100 * S);
        let builder = (1..=3).fold(SureClock::builder(), |b, i| b.ntp(format!("127.0.0.1:{i}")));
        let (clock, machine) = builder.machine_over(Counter::manual(Arc::clone(&counter))).unwrap();
        World { counter, clock, machine, truth: TRUTH }
    }

    fn pass(&self, ns: u64) {
        self.counter.advance(ns);
    }

    /// True time now.
    fn now_ns(&self) -> i64 {
        self.truth + self.counter.ticks() as i64
    }

    /// Asks everyone who is due; source i answers with an error of `wrong[i]`, or not at all.
    fn round(&self, wrong: [Option<i64>; 3]) {
        self.round_with(wrong, LeapAnnouncement::None);
    }

    fn round_with(&self, wrong: [Option<i64>; 3], leap: LeapAnnouncement) {
        let mut asks = Vec::new();
        while let Some(ask) = self.machine.lock().next_ask(self.clock.monotonic()) {
            asks.push((ask, self.clock.monotonic()));
        }
        self.pass(1_000_000);
        let server = self.now_ns();
        self.pass(1_000_000);
        for (ask, before) in asks {
            let now = self.clock.monotonic();
            match wrong[ask.source] {
                Some(wrong) => {
                    let point = Timestamp::from_unix_nanos(server + wrong);
                    // Another answer of this round may have disrupted the clock: then these make no facts, and nobody waits.
                    if let Ok(facts) = Facts::new(before, point, now, point) {
                        self.machine.lock().answered(now, ask.id, facts.with_leap(leap));
                    }
                }
                None => self.machine.lock().failed(now, ask.id, Problem::Timeout),
            }
        }
    }

    fn state(&self) -> State {
        self.clock.status().state
    }

    fn inside(&self) -> bool {
        self.clock.now().is_ok_and(|i| i.contains(Timestamp::from_unix_nanos(self.now_ns())))
    }
}

const HONEST: [Option<i64>; 3] = [Some(0); 3];

#[test]
fn three_honest_sources_synchronize_in_one_round() {
    let world = World::new();
    assert_eq!((world.state(), world.clock.now()), (State::Starting, Err(NowError::NotSynchronized)));
    world.round(HONEST);
    assert_eq!(world.state(), State::Synchronized);
    assert!(world.inside());
    assert!(world.clock.now().unwrap().uncertainty() <= Duration::from_micros(1_100), "half the round trip");
    assert!(world.machine.lock().next_ask(world.clock.monotonic()).is_none(), "nobody is due");
}

#[test]
fn one_liar_is_a_falseticker_and_moves_nothing() {
    for lie in [500_000_000, -15_000_000, i64::from(i32::MIN), 12 * 365 * 86_400 * 1_000_000_000] {
        let world = World::new();
        for _ in 0..10 {
            world.round([Some(0), Some(lie), Some(0)]);
            assert!(world.inside());
            world.pass(16 * S);
        }
        assert_eq!(world.clock.status().sources[1].verdict, Verdict::Falseticker);
        assert_eq!(world.state(), State::Synchronized);
    }
}

#[test]
fn two_liars_of_three_do_move_it_as_the_docs_say() {
    let world = World::new();
    world.round([Some(0), Some(500_000_000), Some(500_000_000)]);
    assert!(!world.inside(), "beyond f nothing is promised");
}

#[test]
fn two_of_three_are_degraded_and_certain_and_one_is_holdover() {
    let world = World::new();
    world.round([Some(0), Some(0), None]);
    assert_eq!(world.state(), State::Degraded);
    assert!(world.inside());
    for _ in 0..8 {
        world.pass(16 * S);
        world.round([Some(0), None, None]);
    }
    assert!(world.inside());
    assert_eq!(world.state(), State::Holdover);
    let growing = world.clock.now().unwrap().uncertainty();
    world.pass(60 * S);
    assert!(world.clock.now().unwrap().uncertainty() > growing);
    world.pass(1024 * S);
    assert!(matches!(world.clock.now(), Err(NowError::Stale { .. } | NowError::TooUncertain { .. })));
    assert!(world.clock.after(Timestamp::from_unix_nanos(TRUTH)).unwrap(), "age ends readings, not the lower bound");
    world.round(HONEST);
    assert!(world.inside());
}

#[test]
fn one_alone_of_three_is_no_news() {
    let world = World::new();
    world.round([Some(0), None, None]);
    assert_eq!(world.clock.now(), Err(NowError::NotSynchronized));
}

#[test]
fn sources_that_all_disagree_disrupt_and_agreement_of_later_facts_recovers() {
    let world = World::new();
    world.round(HONEST);
    let before = world.clock.now().unwrap();
    world.pass(16 * S);
    world.round([Some(0), Some(90_000_000), Some(-90_000_000)]);
    let reason = DisruptionReason::SourcesDisagree;
    assert_eq!(world.clock.now(), Err(NowError::Disrupted { reason }));
    assert!(matches!(world.state(), State::Disrupted { needs_new_epoch: false, .. }));
    world.pass(16 * S);
    world.round(HONEST);
    assert!(world.inside());
    assert!(world.clock.now().unwrap().earliest() > before.earliest());
    assert_eq!(world.clock.status().counts.disruptions, 1);
}

#[test]
fn facts_asked_for_before_a_disruption_count_no_more() {
    let world = World::new();
    world.round(HONEST);
    world.pass(16 * S);
    let ask = world.machine.lock().next_ask(world.clock.monotonic()).unwrap();
    let before = world.clock.monotonic();
    world.pass(1_000);
    let point = Timestamp::from_unix_nanos(world.now_ns());
    let facts = Facts::new(before, point, world.clock.monotonic(), point).unwrap();
    world.machine.lock().disrupt(world.clock.monotonic(), DisruptionReason::Suspended);
    let across = Facts::new(before, point, world.clock.monotonic(), point);
    assert_eq!(across, Err(crate::FactsError::Disrupted), "read across it they are none");
    world.machine.lock().answered(world.clock.monotonic(), ask.id, facts);
    assert!(world.clock.now().is_err());
    assert!(world.clock.status().sources.iter().all(|source| source.verdict == Verdict::Silent));
}

#[test]
fn a_recovery_waits_until_it_is_above_what_was_published_and_never_clamps() {
    let mut world = World::new();
    world.round(HONEST);
    let told = world.clock.now().unwrap().earliest();
    // Two of three were lying by a second all along, as far as anyone will ever know: time was 1 s less.
    world.truth -= 1_000_000_000;
    world.pass(16 * S / 1000);
    world.pass(16 * S);
    world.round(HONEST);
    assert!(matches!(world.clock.now(), Err(NowError::Disrupted { .. })));
    for _ in 0..200 {
        world.pass(S / 10);
        world.round(HONEST);
        match world.clock.now() {
            Ok(now) => {
                assert!(now.earliest() >= told && world.inside());
                return;
            }
            Err(error) => assert!(matches!(error, NowError::Disrupted { .. })),
        }
    }
    panic!("a second later it is above what was published");
}

#[test]
fn a_step_back_of_years_needs_the_callers_new_epoch() {
    let mut world = World::new();
    world.round(HONEST);
    let s = world.clock.commit_timestamp().unwrap();
    world.truth -= 12 * 365 * 86_400 * 1_000_000_000;
    for _ in 0..4 {
        world.pass(16 * S);
        world.round(HONEST);
    }
    assert!(matches!(world.state(), State::Disrupted { needs_new_epoch: true, behind_by: Some(_), .. }));
    assert!(world.clock.start_new_epoch());
    world.pass(16 * S);
    world.round(HONEST);
    assert!(world.inside());
    assert_eq!(world.clock.status().epoch, 1);
    assert!(world.clock.commit_timestamp().unwrap() < s, "a new epoch gives timestamps of its own");
    assert!(!world.clock.start_new_epoch(), "only while disrupted");
}

#[test]
fn a_counter_that_goes_back_is_an_error_at_once_and_a_disruption_at_the_next_wake() {
    let world = World::new();
    world.round(HONEST);
    world.counter.set(50 * S);
    assert!(matches!(world.clock.now(), Err(NowError::CounterWentBack { .. })));
    let _ = world.machine.lock().next_ask(world.clock.monotonic());
    let reason = DisruptionReason::CounterWentBack;
    assert_eq!(world.clock.now(), Err(NowError::Disrupted { reason }));
}

#[test]
fn a_reading_of_before_a_disruption_has_no_interval_and_one_of_after_has() {
    let world = World::new();
    world.round(HONEST);
    let (old, old_truth) = (world.clock.monotonic(), world.now_ns());
    world.pass(S);
    assert!(world.clock.at(old).unwrap().contains(Timestamp::from_unix_nanos(old_truth)));
    world.machine.lock().disrupt(world.clock.monotonic(), DisruptionReason::Suspended);
    world.pass(16 * S);
    world.round(HONEST);
    assert_eq!(world.clock.at(old), Err(crate::AtError::BeforeEpoch));
    assert!(world.clock.at(world.clock.monotonic()).is_ok());
    let other = World::new();
    assert_eq!(world.clock.at(other.clock.monotonic()), Err(crate::AtError::ForeignCounter));
}

#[test]
fn two_names_for_one_host_are_one_domain() {
    let world = World::new();
    for source in [0, 1] {
        world.machine.lock().located(source, "192.0.2.7:123".parse().unwrap());
    }
    world.machine.lock().located(2, "192.0.2.8:123".parse().unwrap());
    world.round([Some(500_000_000), Some(500_000_000), Some(0)]);
    // Three names, two domains: one liar can only widen the answer, while counted as two sources it would have won.
    assert_eq!(world.state(), State::Degraded);
    assert!(world.inside());
}

#[test]
fn kisses_stop_or_slow_a_source() {
    let world = World::new();
    let mut asks = Vec::new();
    while let Some(ask) = world.machine.lock().next_ask(world.clock.monotonic()) {
        asks.push(ask);
    }
    for (ask, code) in asks.iter().zip([*b"DENY", *b"RATE", *b"RSTR"]) {
        let problem = Problem::Rejected(Rejected::KissOfDeath { code: KissCode(code) });
        world.machine.lock().failed(world.clock.monotonic(), ask.id, problem);
    }
    let verdicts = world.clock.status().sources.iter().map(|s| s.verdict).collect::<Vec<_>>();
    assert_eq!(verdicts, [Verdict::Stopped, Verdict::Silent, Verdict::Stopped]);
    world.pass(31 * S);
    assert!(world.machine.lock().next_ask(world.clock.monotonic()).is_none());
    world.pass(2 * S);
    assert_eq!(world.machine.lock().next_ask(world.clock.monotonic()).map(|ask| ask.source), Some(1));
    world.pass(4000 * S);
    let again = world.machine.lock().next_ask(world.clock.monotonic());
    assert_eq!(again.map(|ask| ask.source), Some(1), "the others are left alone for good");
}

#[test]
fn an_unanswered_question_times_out_by_itself() {
    let world = World::new();
    let ask = world.machine.lock().next_ask(world.clock.monotonic()).unwrap();
    assert!(world.machine.lock().awaits(ask.id));
    world.pass(3 * S);
    let _ = world.machine.lock().next_ask(world.clock.monotonic());
    assert!(!world.machine.lock().awaits(ask.id));
    assert_eq!(world.clock.status().sources[ask.source].problem, Some(Problem::Timeout));
}

#[test]
fn an_announced_leap_second_is_passed_without_an_answer_and_without_a_wrong_one() {
    // 30 s before a midnight.
    let mut world = World::new();
    let midnight = (TRUTH / 86_400_000_000_000 + 1) * 86_400_000_000_000;
    world.truth = midnight - 30_000_000_000 - world.counter.ticks() as i64;
    world.round_with(HONEST, LeapAnnouncement::Insert);
    assert!(world.inside());
    let mut silent = 0;
    for step in 0..600 {
        world.pass(S / 10);
        // The insertion: the last second of the day is counted twice.
        if step == 300 {
            world.truth -= 1_000_000_000;
        }
        let leap = if step < 300 { LeapAnnouncement::Insert } else { LeapAnnouncement::None };
        world.round_with(HONEST, leap);
        match world.clock.now() {
            Ok(_) => assert!(world.inside(), "at step {step}"),
            Err(error) => {
                assert!(matches!(error, NowError::Disrupted { .. }), "{error}");
                silent += 1;
            }
        }
    }
    assert!(world.inside(), "back after the leap");
    assert!((10..250).contains(&silent), "silent for {silent} tenths");
}

#[test]
fn an_unannounced_leap_second_is_a_disruption() {
    let mut world = World::new();
    world.round(HONEST);
    world.truth -= 1_000_000_000;
    world.pass(16 * S);
    world.round(HONEST);
    assert!(matches!(world.clock.now(), Err(NowError::Disrupted { .. })));
}

#[test]
fn facts_read_outside_their_question_are_refused() {
    let world = World::new();
    let early = world.clock.monotonic();
    world.pass(1_000);
    let ask = world.machine.lock().next_ask(world.clock.monotonic()).unwrap();
    let point = Timestamp::from_unix_nanos(world.now_ns());
    let facts = Facts::new(early, point, world.clock.monotonic(), point).unwrap();
    world.machine.lock().answered(world.clock.monotonic(), ask.id, facts);
    assert_eq!(world.clock.status().sources[ask.source].problem, Some(Problem::OutOfPlace));
}

#[test]
fn a_dead_machine_is_an_error_of_every_reading() {
    let world = World::new();
    world.round(HONEST);
    world.machine.lock().die();
    assert_eq!(world.clock.now(), Err(NowError::SyncThreadDied));
    assert_eq!(world.state(), State::Dead);
}

/// A world `before_ns` before a midnight at which a second is inserted.
fn before_midnight(before_ns: i64) -> (World, i64) {
    let mut world = World::new();
    let midnight = (TRUTH / 86_400_000_000_000 + 1) * 86_400_000_000_000;
    world.truth = midnight - before_ns - world.counter.ticks() as i64;
    (world, midnight)
}

#[test]
fn found_an_agreed_error_of_years_does_not_name_the_era_after_the_disruption() {
    let world = World::new();
    let twelve_years = 12 * 365 * 86_400 * 1_000_000_000;
    world.round([Some(0), Some(twelve_years), Some(twelve_years)]);
    let built = crate::ntp::ExchangeSettings::default().era_pivot;
    assert!(world.machine.lock().exchange_settings().era_pivot > built, "the twin: two liars did name it");
    world.machine.lock().disrupt(world.clock.monotonic(), DisruptionReason::SourcesDisagree);
    assert_eq!(world.machine.lock().exchange_settings().era_pivot, built);
}

#[test]
fn found_a_leap_second_announced_by_one_source_alone_ends_what_others_agreed_on() {
    let (mut world, midnight) = before_midnight(900_000_000_000);
    world.round(HONEST);
    world.pass(400 * S);
    for wrong in [[Some(0), None, None]; 2] {
        world.pass(200 * S);
        world.round_with(wrong, LeapAnnouncement::Insert);
    }
    world.pass(120 * S);
    world.truth -= 1_000_000_000;
    let soon = Timestamp::from_unix_nanos(world.now_ns() + 500_000_000);
    assert!(world.now_ns() > midnight);
    assert_ne!(world.clock.after(soon), Ok(true));
    assert!(world.clock.after(soon).is_err());
}

#[test]
fn found_facts_of_before_a_leap_second_do_not_agree_with_a_liar_after_it() {
    let (mut world, _) = before_midnight(5_000_000_000);
    world.round_with([Some(0), None, None], LeapAnnouncement::Insert);
    world.pass(10 * S);
    world.truth -= 1_000_000_000;
    world.round([None, Some(1_000_000_000), None]);
    assert!(world.clock.now().is_err() || world.inside(), "{:?}", world.clock.now());
}

#[test]
fn found_a_new_epoch_does_not_forget_an_announced_leap_second() {
    let (mut world, _) = before_midnight(90_000_000_000);
    world.round_with(HONEST, LeapAnnouncement::Insert);
    world.machine.lock().disrupt(world.clock.monotonic(), DisruptionReason::ByHand);
    assert!(world.clock.start_new_epoch());
    world.pass(20 * S);
    world.round_with([Some(0), None, None], LeapAnnouncement::Insert);
    world.pass(3 * S);
    world.round([None, Some(0), Some(0)]);
    world.pass(80 * S);
    world.truth -= 1_000_000_000;
    assert!(world.clock.now().is_err() || world.inside(), "{:?}", world.clock.now());
}

#[test]
fn found_sources_are_asked_again_after_the_counter_went_back() {
    let world = World::new();
    world.round(HONEST);
    world.counter.set(5 * S);
    let _ = world.machine.lock().next_ask(world.clock.monotonic());
    world.pass(5 * S);
    assert!(world.machine.lock().next_ask(world.clock.monotonic()).is_some());
}

#[test]
fn found_a_recovery_from_a_counter_that_went_back_is_above_all_that_was_told() {
    let mut world = World::new();
    world.round(HONEST);
    let told = world.clock.now().unwrap().earliest();
    world.counter.set(world.counter.ticks() - 100_000_000);
    world.truth += 100_000_000; // true time goes on
    let _ = world.machine.lock().next_ask(world.clock.monotonic());
    for _ in 0..100 {
        world.pass(S / 10);
        world.round(HONEST);
        if let Ok(now) = world.clock.now() {
            assert!(now.earliest() >= told && world.inside());
            return;
        }
    }
    panic!("it recovers");
}

#[test]
fn found_a_waker_that_asks_for_the_status_does_not_deadlock() {
    struct AsksForStatus(SureClock);
    impl std::task::Wake for AsksForStatus {
        fn wake(self: Arc<Self>) {
            let _ = self.0.status();
            panic!("and a waker that panics harms no one else");
        }
    }
    let world = World::new();
    world.round(HONEST);
    let s = world.clock.commit_timestamp().unwrap();
    let mut wait = Box::pin(world.clock.commit_wait(s));
    let waker = std::task::Waker::from(Arc::new(AsksForStatus(world.clock.clone())));
    let poll = std::future::Future::poll(wait.as_mut(), &mut std::task::Context::from_waker(&waker));
    assert!(poll.is_pending());
    world.pass(16 * S);
    world.round(HONEST);
    assert!(world.inside());
}

#[test]
fn found_a_recovery_that_waits_does_not_age_facts_over_a_leap_second() {
    // Published three seconds too late a time, disrupted before midnight: the recovery waits for the floor across it.
    let (mut world, _) = before_midnight(9_000_000_000);
    world.round([Some(3_000_000_000); 3]);
    world.machine.lock().disrupt(world.clock.monotonic(), DisruptionReason::ByHand);
    world.pass(4 * S);
    world.round_with(HONEST, LeapAnnouncement::Insert);
    assert!(matches!(world.state(), State::Disrupted { behind_by: Some(_), .. }), "it waits");
    world.pass(5 * S);
    world.truth -= 1_000_000_000;
    for _ in 0..60 {
        world.pass(S / 10);
        let _ = world.machine.lock().next_ask(world.clock.monotonic());
        assert!(world.clock.now().is_err() || world.inside(), "{:?}", world.clock.now());
    }
}

#[test]
fn found_the_first_announcement_of_a_leap_second_counts_for_its_own_facts() {
    let (world, _) = before_midnight(1_500_000_000);
    world.round_with(HONEST, LeapAnnouncement::Insert);
    assert!(world.clock.now().is_err());
    assert_eq!(world.clock.status().sources[0].problem, Some(Problem::LeapSecond));
}

#[test]
fn found_a_reading_from_before_the_counter_went_back_is_not_one_of_the_future() {
    let mut world = World::new();
    world.round(HONEST);
    let old = world.clock.monotonic();
    world.truth += (world.counter.ticks() - 20 * S) as i64; // true time goes on
    world.counter.set(20 * S);
    for _ in 0..10 {
        world.pass(2 * S);
        world.round(HONEST);
    }
    assert_eq!(world.clock.at(old), Err(crate::AtError::BeforeEpoch));
}

#[test]
fn a_suspend_that_nobody_noticed_is_seen_before_a_commit_wait_ends() {
    let world = World::new();
    world.round(HONEST);
    let s = world.clock.commit_timestamp().unwrap();
    let wait = world.clock.commit_wait(s);
    world.pass(S);
    assert_eq!(world.clock.commit_wait(s).check(), Ok(true), "the twin: without a suspend it ends");
    world.counter.suspend(1_000_000_000);
    let reason = DisruptionReason::Suspended;
    assert_eq!(wait.check(), Err(crate::WaitError::Now(NowError::Disrupted { reason })));
}
