//! The synchronizer by hand, over a manual counter: states, disruptions, recovery, liars, kisses,
//! leap seconds.
#![cfg(not(sureclock_loom))]

mod event_tests;
mod leap_tests;
mod lifetime_tests;
mod moved_tests;
mod night_tests;

use super::*;
use crate::counter::{Counter, ManualCounter};
use crate::source::ntp::{KissCode, Rejected};
use crate::sync::SharedSynchronizer;
use crate::sync::{State, Verdict};
use crate::{Builder, SureClock};
use crate::{LeapAnnouncement, NowError};
use std::sync::Arc;

const S: u64 = 1_000_000_000;
/// True time at tick 0, far from a midnight.
const TRUTH: i64 = 1_795_431_780_000_000_000;

/// A world of three servers and one client whose counter is exact.
struct World {
    counter: Arc<ManualCounter>,
    clock: SureClock,
    synchronizer: Arc<SharedSynchronizer>,
    truth: i64,
}

impl World {
    fn new() -> World {
        World::with(|builder| builder)
    }

    fn with(settings: impl FnOnce(Builder) -> Builder) -> World {
        let counter = ManualCounter::new(100 * S);
        let builder = (1..=3).fold(SureClock::builder(), |b, i| b.ntp(format!("127.0.0.1:{i}")));
        let builder = settings(builder);
        let (clock, synchronizer) =
            builder.synchronizer_over(Counter::manual(Arc::clone(&counter))).unwrap();
        World { counter, clock, synchronizer, truth: TRUTH }
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
        self.round_by(wrong, |_| leap);
    }

    /// The questions that are due, with the reading before each.
    fn asks(&self) -> Vec<(Ask, MonotonicTime)> {
        let due = || self.synchronizer.lock().next_ask(self.clock.monotonic());
        std::iter::from_fn(due).map(|ask| (ask, self.clock.monotonic())).collect()
    }

    /// As a thread that looks whether anything is due.
    fn check(&self) {
        let _ = self.synchronizer.lock().next_ask(self.clock.monotonic());
    }

    fn round_by(&self, wrong: [Option<i64>; 3], leap: impl Fn(usize) -> LeapAnnouncement) {
        let asks = self.asks();
        self.pass(1_000_000);
        let server = self.now_ns();
        self.pass(1_000_000);
        for (ask, before) in asks {
            let now = self.clock.monotonic();
            match wrong[ask.source] {
                Some(wrong) => {
                    let point = Timestamp::from_unix_nanos(server + wrong);
                    // Another answer of this round may have disrupted the clock: then these make no
                    // facts, and nobody waits.
                    if let Ok(facts) = Facts::new(before, point, now, point) {
                        self.synchronizer.lock().answered(
                            now,
                            ask.id,
                            facts.with_leap(leap(ask.source)),
                        );
                    }
                }
                None => self.synchronizer.lock().failed(now, ask.id, Problem::Timeout),
            }
        }
    }

    /// What a server says that is so many nanoseconds off, and answers at once.
    fn facts(&self, wrong: i64) -> Facts {
        let point = Timestamp::from_unix_nanos(self.now_ns() + wrong);
        Facts::new(self.clock.monotonic(), point, self.clock.monotonic(), point).unwrap()
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
    assert_eq!(
        (world.state(), world.clock.now()),
        (State::Starting, Err(NowError::NotSynchronized))
    );
    world.round(HONEST);
    assert_eq!(world.state(), State::Synchronized);
    assert!(world.inside());
    assert!(
        world.clock.now().unwrap().uncertainty() <= Duration::from_micros(1_100),
        "half the round trip"
    );
    assert!(world.synchronizer.lock().next_ask(world.clock.monotonic()).is_none(), "nobody is due");
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
    assert!(matches!(
        world.clock.now(),
        Err(NowError::Stale { .. } | NowError::TooUncertain { .. })
    ));
    assert!(
        world.clock.after(Timestamp::from_unix_nanos(TRUTH)).unwrap(),
        "age ends readings, not the lower bound"
    );
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
    world.pass(3_000_000); // until true time has passed the `latest` of that agreement
    world.check();
    assert!(world.inside());
    assert!(world.clock.now().unwrap().earliest() > before.earliest());
    assert_eq!(world.clock.status().counts.disruptions, 1);
}

#[test]
fn facts_asked_for_before_a_disruption_count_no_more() {
    let world = World::new();
    world.round(HONEST);
    world.pass(16 * S);
    let ask = world.synchronizer.lock().next_ask(world.clock.monotonic()).unwrap();
    let before = world.clock.monotonic();
    world.pass(1_000);
    let point = Timestamp::from_unix_nanos(world.now_ns());
    let facts = Facts::new(before, point, world.clock.monotonic(), point).unwrap();
    world.synchronizer.lock().disrupt(world.clock.monotonic(), DisruptionReason::Suspended);
    let across = Facts::new(before, point, world.clock.monotonic(), point);
    assert_eq!(across, Err(crate::FactsError::Disrupted), "read across it they are none");
    world.synchronizer.lock().answered(world.clock.monotonic(), ask.id, facts);
    assert!(world.clock.now().is_err());
    assert!(world.clock.status().sources.iter().all(|source| source.verdict == Verdict::Silent));
}

#[test]
fn a_recovery_waits_until_it_is_above_what_was_published_and_never_clamps() {
    let mut world = World::new();
    world.round(HONEST);
    let given = world.clock.now().unwrap().earliest();
    // Two of three were lying by a second all along, as far as anyone will ever know: time was 1 s
    // less.
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
                assert!(now.earliest() >= given && world.inside());
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
    assert!(matches!(
        world.state(),
        State::Disrupted { needs_new_epoch: true, behind_by: Some(_), .. }
    ));
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
    world.check();
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
    world.synchronizer.lock().disrupt(world.clock.monotonic(), DisruptionReason::Suspended);
    world.pass(16 * S);
    world.round(HONEST);
    world.pass(3_000_000);
    world.check();
    assert_eq!(world.clock.at(old), Err(crate::AtError::BeforeEpoch));
    assert!(world.clock.at(world.clock.monotonic()).is_ok());
    let other = World::new();
    assert_eq!(world.clock.at(other.clock.monotonic()), Err(crate::AtError::ForeignCounter));
}

#[test]
fn two_names_for_one_host_are_one_domain() {
    let world = World::new();
    for source in [0, 1] {
        world.synchronizer.lock().located(source, "192.0.2.7:123".parse().unwrap());
    }
    world.synchronizer.lock().located(2, "192.0.2.8:123".parse().unwrap());
    world.round([Some(500_000_000), Some(500_000_000), Some(0)]);
    // Three names, two domains: one liar can only widen the answer, while counted as two sources it
    // would have won.
    assert_eq!(world.state(), State::Degraded);
    assert!(world.inside());
}

#[test]
fn found_kisses_let_a_source_rest_or_slow_it_down_and_never_end_it() {
    let world = World::new();
    let asks = world.asks();
    for ((ask, _), code) in asks.iter().zip([*b"DENY", *b"RATE", *b"RSTR"]) {
        let problem = Problem::Rejected(Rejected::KissOfDeath { code: KissCode(code) });
        world.synchronizer.lock().failed(world.clock.monotonic(), ask.id, problem);
    }
    let status = world.clock.status();
    let verdicts = status.sources.iter().map(|s| s.verdict).collect::<Vec<_>>();
    assert_eq!(verdicts, [Verdict::Resting, Verdict::Silent, Verdict::Resting]);
    assert_eq!(status.sources[0].rests_for, Some(Duration::from_secs(256)));
    assert_eq!(status.sources[1].asked_every, Duration::from_secs(32));
    assert!(status.sources.iter().all(|source| source.problem.is_some()), "and why");
    world.pass(31 * S);
    assert!(world.synchronizer.lock().next_ask(world.clock.monotonic()).is_none());
    world.pass(2 * S);
    assert_eq!(
        world.synchronizer.lock().next_ask(world.clock.monotonic()).map(|ask| ask.source),
        Some(1)
    );
    world.pass(256 * S);
    world.check();
    world.pass(16 * S);
    world.round(HONEST);
    assert_eq!(
        world.state(),
        State::Synchronized,
        "five minutes later all of them are asked again"
    );
    assert_eq!(world.clock.status().sources[0].rests_for, None);
}

#[test]
fn found_a_disruption_does_not_end_the_rest_of_a_source() {
    let world = World::new();
    world.round(HONEST);
    world.pass(16 * S);
    let (ask, _) = world.asks()[0];
    let problem = Problem::Source(crate::SourceError::Denied);
    world.synchronizer.lock().failed(world.clock.monotonic(), ask.id, problem);
    world.synchronizer.lock().disrupt(world.clock.monotonic(), DisruptionReason::Suspended);
    world.pass(100 * S);
    assert!(world.asks().iter().all(|(again, _)| again.source != ask.source));
    world.pass(200 * S);
    assert!(world.asks().iter().any(|(again, _)| again.source == ask.source));
}

#[test]
fn found_what_came_in_place_of_an_answer_is_shown() {
    let world = World::new();
    let (ask, _) = world.asks()[0];
    let refused = Problem::Network(std::io::ErrorKind::ConnectionRefused.into());
    world.synchronizer.lock().unusable(ask.id, refused);
    assert!(world.synchronizer.lock().awaits(ask.id), "it does not end the exchange");
    world.pass(3 * S);
    world.check();
    assert_eq!(world.clock.status().sources[ask.source].problem, Some(refused));
}

#[test]
fn found_sources_that_share_a_host_are_shown_as_one_domain() {
    let world = World::new();
    for source in 0..3 {
        // One server on this machine, by each of its loopback addresses.
        let address = ["127.0.0.1:123", "[::1]:123", "127.0.0.2:123"][source];
        world.synchronizer.lock().located(source, address.parse().unwrap());
    }
    let status = world.clock.status();
    assert_eq!((status.sources.len(), status.domains, status.distinct_domains), (3, 3, 1));
    world.round(HONEST);
    assert_eq!(
        world.clock.now(),
        Err(NowError::NotSynchronized),
        "one domain of three is no agreement"
    );
    world.synchronizer.lock().located(0, "127.0.0.1:124".parse().unwrap());
    assert_eq!(
        world.clock.status().distinct_domains,
        2,
        "the twin: another port is another server"
    );
}

#[test]
fn an_unanswered_question_times_out_by_itself() {
    let world = World::new();
    let ask = world.synchronizer.lock().next_ask(world.clock.monotonic()).unwrap();
    assert!(world.synchronizer.lock().awaits(ask.id));
    world.pass(3 * S);
    world.check();
    assert!(!world.synchronizer.lock().awaits(ask.id));
    assert_eq!(world.clock.status().sources[ask.source].problem, Some(Problem::Timeout));
}

/// What the clock answered in each tenth of the minute around a midnight: a width, in milliseconds.
fn widths_around_midnight(
    announced: LeapAnnouncement,
    by: &[usize],
    really: LeapAnnouncement,
) -> Vec<i64> {
    let (mut world, _) = before_midnight(30_000_000_000);
    let mut widths = Vec::new();
    let mut last = None;
    for step in 0..600 {
        // An insertion counts the last second of the day twice, a deletion leaves it out.
        let (at, truth) = match really {
            LeapAnnouncement::None => (0, 0),
            LeapAnnouncement::Insert => (300, -1_000_000_000),
            LeapAnnouncement::Delete => (290, 1_000_000_000),
        };
        if step == at {
            world.truth += truth;
        }
        let on_the_day = step < 290;
        world.round_by(HONEST, |source| {
            if on_the_day && by.contains(&source) { announced } else { LeapAnnouncement::None }
        });
        let now = world.clock.now().unwrap_or_else(|error| panic!("at step {step}: {error}"));
        assert!(
            world.inside(),
            "at step {step}: {now}, but it is {}",
            Timestamp::from_unix_nanos(world.now_ns())
        );
        assert!(
            last.is_none_or(|last| last <= now.earliest()),
            "earliest went back at step {step}"
        );
        last = Some(now.earliest());
        widths.push((now.latest().as_unix_nanos() - now.earliest().as_unix_nanos()) / 1_000_000);
        world.pass(S / 10 - 2_000_000);
    }
    widths
}

#[test]
fn an_announced_leap_second_widens_the_answer_by_a_second_and_no_longer_than_needed() {
    for kind in [LeapAnnouncement::Insert, LeapAnnouncement::Delete] {
        // Announced by all or by one, true or false.
        for (by, really) in [(&[0, 1, 2][..], kind), (&[1], kind), (&[1], LeapAnnouncement::None)] {
            let widths = widths_around_midnight(kind, by, really);
            assert!(widths.iter().all(|ms| *ms < 1_030), "{kind:?}: {widths:?}");
            let wide = widths.iter().filter(|ms| **ms > 30).count();
            // From a second before midnight to two after it, by the count of before, and a poll.
            assert!(
                (25..=230).contains(&wide),
                "{kind:?} by {by:?}, really {really:?}: wide for {wide} tenths"
            );
            assert!(
                widths[..285].iter().chain(&widths[530..]).all(|ms| *ms < 30),
                "{kind:?}: {widths:?}"
            );
        }
    }
}

#[test]
fn a_leap_second_that_the_user_knows_of_needs_no_announcement() {
    for known in [false, true] {
        let (mut world, midnight) = before_midnight(30_000_000_000);
        if known {
            let builder = |b: Builder| {
                b.leap_second(Timestamp::from_unix_nanos(midnight), LeapAnnouncement::Insert)
            };
            let truth = world.truth;
            world = World { truth, ..World::with(builder) };
        }
        world.round(HONEST);
        assert_eq!(world.clock.status().leap_second.is_some(), known);
        world.pass(30 * S);
        world.truth -= 1_000_000_000;
        assert_eq!(world.inside(), known);
        for _ in 0..300 {
            world.pass(S / 10);
            world.round(HONEST);
            assert!(!known || world.inside());
        }
        assert_eq!(world.clock.status().counts.disruptions, if known { 0 } else { 1 });
        assert_eq!(world.clock.status().leap_second, None, "it is over");
    }
}

#[test]
fn found_one_source_is_not_believed_where_leap_seconds_do_not_come() {
    let day = 86_400_000_000_000;
    // The ends of January, June and December 2027.
    for (midnight, is_usual) in
        [(1_801_440_000, false), (1_814_400_000, true), (1_830_297_600, true)]
    {
        let midnight = midnight * 1_000_000_000;
        assert_eq!(midnight % day, 0);
        for (by, believed) in [(&[1][..], is_usual), (&[0, 2], true), (&[0, 1, 2], true)] {
            let mut world = World::new();
            world.truth = midnight - 30_000_000_000 - world.counter.ticks() as i64;
            world.round_by(HONEST, |source| {
                if by.contains(&source) { LeapAnnouncement::Insert } else { LeapAnnouncement::None }
            });
            let expected = believed.then(|| Timestamp::from_unix_nanos(midnight));
            assert_eq!(world.clock.status().leap_second, expected, "{by:?}");
        }
    }
}

#[test]
fn found_two_names_of_one_host_announce_a_leap_second_once() {
    let mut world = World::new();
    world.truth = 1_801_440_000_000_000_000 - 30_000_000_000 - world.counter.ticks() as i64;
    world.synchronizer.lock().located(0, "192.0.2.1:123".parse().unwrap());
    world.synchronizer.lock().located(1, "192.0.2.1:123".parse().unwrap());
    world.round_by(HONEST, |source| {
        if source < 2 { LeapAnnouncement::Insert } else { LeapAnnouncement::None }
    });
    assert_eq!(world.clock.status().leap_second, None);
    let deletes =
        |source| if source == 2 { LeapAnnouncement::Delete } else { LeapAnnouncement::Insert };
    world.pass(16 * S);
    world.round_by(HONEST, deletes);
    assert_eq!(world.clock.status().leap_second, None, "each kind needs f+1 of its own");
}

#[test]
fn a_liar_takes_no_announcement_back() {
    let (mut world, midnight) = before_midnight(30_000_000_000);
    world.round_by(HONEST, |source| {
        if source == 1 { LeapAnnouncement::Insert } else { LeapAnnouncement::None }
    });
    assert_eq!(world.clock.status().leap_second, Some(Timestamp::from_unix_nanos(midnight)));
    // The one that announced it says now that it is another day, and announces for that; then
    // nothing any more.
    let days = 86_400_000_000_000;
    for lie in [3 * days, 5 * days, -days] {
        world.pass(5 * S);
        world.round_by([Some(0), Some(lie), Some(0)], |source| {
            if source == 1 { LeapAnnouncement::Delete } else { LeapAnnouncement::None }
        });
    }
    world.pass(15 * S);
    world.truth -= 1_000_000_000;
    assert!(world.inside(), "{:?}", world.clock.now());
}

#[test]
fn an_announcement_in_the_last_seconds_is_a_disruption() {
    let (world, _) = before_midnight(30_000_000_000);
    world.round(HONEST);
    world.pass(28_500_000_000);
    world.round_with([Some(0), None, None], LeapAnnouncement::Insert);
    let late = NowError::Disrupted { reason: DisruptionReason::LeapSecond };
    assert_eq!(world.clock.now(), Err(late));
}

#[test]
fn an_announcement_that_is_published_too_late_is_a_disruption() {
    for late in [false, true] {
        let (world, _) = before_midnight(30_000_000_000);
        world.round(HONEST);
        world.pass(20 * S);
        let asks = world.asks();
        let (facts, read) = (world.facts(0), world.clock.monotonic());
        // The writer is held up here: readers answer from before the announcement, up to half a
        // second before midnight.
        if late {
            world.pass(9_500_000_000);
        }
        world.synchronizer.lock().answered(
            read,
            asks[0].0.id,
            facts.with_leap(LeapAnnouncement::Insert),
        );
        world.check();
        assert_eq!(world.clock.now().is_err(), late);
    }
}

#[test]
fn commits_across_a_leap_second_wait_until_it_is_certain() {
    let (mut world, midnight) = before_midnight(30_000_000_000);
    world.round_with(HONEST, LeapAnnouncement::Insert);
    world.pass(30 * S - 300_000_000);
    let s = world.clock.commit_timestamp().unwrap();
    assert!(s.timestamp().as_unix_nanos() > midnight - 500_000_000);
    let wait = world.clock.commit_wait(s);
    let mut deadline = world.clock.deadline(s.timestamp());
    let mut waited = 0;
    while wait.check() == Ok(false) {
        assert_eq!(deadline.is_past(), Ok(false));
        if waited == 3 {
            world.truth -= 1_000_000_000;
        }
        world.pass(S / 10);
        waited += 1;
    }
    assert!((10..=13).contains(&waited), "a second longer than the uncertainty: {waited} tenths");
    assert!(world.now_ns() > s.timestamp().as_unix_nanos());
    assert_eq!(deadline.is_past(), Ok(true));
}

#[test]
fn at_says_nothing_across_a_leap_second_that_is_over() {
    let (mut world, _) = before_midnight(30_000_000_000);
    world.round_with(HONEST, LeapAnnouncement::Insert);
    let before = world.clock.monotonic();
    world.pass(29 * S);
    let during = world.clock.monotonic();
    assert!(world.clock.at(before).is_ok() && world.clock.at(during).is_ok());
    world.pass(S);
    world.truth -= 1_000_000_000;
    world.pass(4 * S);
    world.round(HONEST);
    assert_eq!(
        [before, during].map(|reading| world.clock.at(reading)),
        [Err(crate::AtError::BeforeEpoch); 2]
    );
    assert!(world.clock.at(world.clock.monotonic()).is_ok());
}

/// Asked at M+1.9 by the count of before, stamped by a server that is a second late, answered when
/// the leap second is over.
fn answered_across_the_end(for_the_day_after: LeapAnnouncement) {
    let (mut world, _) = before_midnight(30_000_000_000);
    world.round_with(HONEST, LeapAnnouncement::Insert);
    world.pass(31_900_000_000);
    world.truth -= 1_000_000_000;
    let asks = world.asks();
    let late = Timestamp::from_unix_nanos(world.now_ns() + 1_000_000_000);
    world.pass(S / 5);
    world.check();
    for (ask, before) in asks {
        let now = world.clock.monotonic();
        let facts = Facts::new(before, late, now, late).unwrap().with_leap(for_the_day_after);
        world.synchronizer.lock().answered(now, ask.id, facts);
        assert!(world.inside(), "{:?}", world.clock.now());
    }
}

#[test]
fn facts_asked_before_everyone_had_stepped_and_answered_after_are_widened() {
    answered_across_the_end(LeapAnnouncement::None);
}

#[test]
fn found_one_announced_for_the_day_after_does_not_keep_such_facts_narrow() {
    answered_across_the_end(LeapAnnouncement::Insert);
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
    let ask = world.synchronizer.lock().next_ask(world.clock.monotonic()).unwrap();
    let point = Timestamp::from_unix_nanos(world.now_ns());
    let facts = Facts::new(early, point, world.clock.monotonic(), point).unwrap();
    world.synchronizer.lock().answered(world.clock.monotonic(), ask.id, facts);
    assert_eq!(world.clock.status().sources[ask.source].problem, Some(Problem::OutOfPlace));
}

#[test]
fn a_dead_machine_is_an_error_of_every_reading() {
    let world = World::new();
    world.round(HONEST);
    world.synchronizer.lock().die();
    assert_eq!(world.clock.now(), Err(NowError::SyncThreadDied));
    assert_eq!(world.state(), State::Dead);
}

/// A world `before_ns` before a midnight at which a second is inserted.
fn before_midnight(before_ns: i64) -> (World, i64) {
    let mut world = World::new();
    // The end of 2026: one source is believed there.
    let midnight = 1_798_761_600_000_000_000;
    world.truth = midnight - before_ns - world.counter.ticks() as i64;
    (world, midnight)
}

#[test]
fn found_an_agreed_error_of_years_does_not_name_the_era_after_the_disruption() {
    let world = World::new();
    let twelve_years = 12 * 365 * 86_400 * 1_000_000_000;
    world.round([Some(0), Some(twelve_years), Some(twelve_years)]);
    let built = crate::ntp::ExchangeSettings::default().era_pivot;
    assert!(
        world.synchronizer.lock().exchange_settings().era_pivot > built,
        "the twin: two liars did name it"
    );
    world.synchronizer.lock().disrupt(world.clock.monotonic(), DisruptionReason::SourcesDisagree);
    assert_eq!(world.synchronizer.lock().exchange_settings().era_pivot, built);
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
    assert_eq!(world.clock.after(soon), Ok(false));
    assert!(
        matches!(world.clock.now(), Err(NowError::TooUncertain { .. })),
        "after 15 minutes it is wider than that"
    );
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
    world.synchronizer.lock().disrupt(world.clock.monotonic(), DisruptionReason::ByHand);
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
    world.check();
    world.pass(5 * S);
    assert!(world.synchronizer.lock().next_ask(world.clock.monotonic()).is_some());
}

#[test]
fn found_a_recovery_from_a_counter_that_went_back_is_above_all_that_was_given() {
    let mut world = World::new();
    world.round(HONEST);
    let given = world.clock.now().unwrap().earliest();
    world.counter.set(world.counter.ticks() - 100_000_000);
    world.truth += 100_000_000; // true time goes on
    world.check();
    for _ in 0..100 {
        world.pass(S / 10);
        world.round(HONEST);
        if let Ok(now) = world.clock.now() {
            assert!(now.earliest() >= given && world.inside());
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
    let poll =
        std::future::Future::poll(wait.as_mut(), &mut std::task::Context::from_waker(&waker));
    assert!(poll.is_pending());
    world.pass(16 * S);
    world.round(HONEST);
    assert!(world.inside());
}

#[test]
fn found_a_recovery_that_waits_does_not_age_facts_over_a_leap_second() {
    // Published three seconds too late a time, disrupted before midnight: the recovery waits for
    // the floor across it.
    let (mut world, _) = before_midnight(9_000_000_000);
    world.round([Some(3_000_000_000); 3]);
    world.synchronizer.lock().disrupt(world.clock.monotonic(), DisruptionReason::ByHand);
    world.pass(4 * S);
    world.round_with(HONEST, LeapAnnouncement::Insert);
    assert!(matches!(world.state(), State::Disrupted { behind_by: Some(_), .. }), "it waits");
    world.pass(5 * S);
    world.truth -= 1_000_000_000;
    for _ in 0..60 {
        world.pass(S / 10);
        world.check();
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

#[test]
fn found_a_clock_that_begins_during_a_leap_second_that_nobody_announces_any_more() {
    // 2026-12-31 is the end of a month, the day after is none.
    let end_of_month = 1_798_761_600_000_000_000;
    for (midnight, may_be_one) in [(end_of_month, true), (end_of_month + 86_400_000_000_000, false)]
    {
        let mut world = World::new();
        // 0.4 s after midnight for servers that step late.
        world.truth = midnight + 400_000_000 - world.counter.ticks() as i64;
        world.round(HONEST);
        assert_eq!(world.clock.now().is_err(), may_be_one);
        world.pass(17 * S);
        world.round(HONEST);
        assert!(world.inside(), "it begins afterwards");
    }
}

#[test]
fn found_facts_of_before_a_leap_second_that_was_not_heard_of_wait_for_others_across_it() {
    let mut world = World::new();
    world.truth = 1_798_761_600_000_000_000 - 5_000_000_000 - world.counter.ticks() as i64;
    world.round([Some(0), None, None]);
    world.pass(15 * S);
    world.truth -= 1_000_000_000;
    // A liar that is a second ahead would agree with what is left of before.
    world.round([None, Some(1_000_000_000), None]);
    assert!(world.clock.now().is_err(), "{:?}", world.clock.now());
}

#[test]
fn found_readings_of_cores_that_differ_take_no_facts_away() {
    // Asked on a core that is ahead by less than the margin: the reading before the exchange shows
    // less than that of the question.
    let counter = ManualCounter::new(100 * S);
    let builder = (1..=3).fold(SureClock::builder(), |b, i| b.ntp(format!("127.0.0.1:{i}")));
    let (clock, synchronizer) =
        builder.synchronizer_over(Counter::manual(Arc::clone(&counter))).unwrap();
    let ask = synchronizer.lock().next_ask(clock.monotonic()).unwrap();
    let margin = synchronizer.lock().counter.margin();
    counter.set(100 * S - margin);
    let before = clock.monotonic();
    let point = Timestamp::from_unix_nanos(TRUTH);
    counter.set(100 * S + 5);
    let facts = Facts::new(before, point, clock.monotonic(), point).unwrap();
    synchronizer.lock().answered(clock.monotonic(), ask.id, facts);
    assert_eq!(clock.status().sources[ask.source].problem, None);
    assert!(margin > 0, "or it shows nothing");
}
