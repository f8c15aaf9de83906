//! Requests in histories with known truth: no id is carried out twice, and what is said of one
//! stays true.

use super::*;
use crate::time::{TimeInterval, Timescale, Timestamp};
use proptest::prelude::*;
use std::collections::{BTreeMap, BTreeSet};

const S: Duration = Duration::from_secs(1);

fn interval(earliest: i64, latest: i64) -> TimeInterval {
    let point = Timestamp::from_unix_nanos;
    TimeInterval::new(point(earliest), point(latest), Timescale::Utc).unwrap()
}

fn ns(ns: u64) -> Duration {
    Duration::from_nanos(ns)
}

#[test]
fn an_end_is_ahead_past_or_neither() {
    let expiry = Expiry::after(&interval(0, 10), ns(100)).unwrap();
    assert_eq!(expiry.interval(), interval(100, 110));
    assert_eq!(expiry.state(&interval(80, 99)), Ok(ExpiryState::Ahead { at_least: ns(1) }));
    assert_eq!(expiry.state(&interval(80, 100)), Ok(ExpiryState::Indeterminate));
    assert_eq!(expiry.state(&interval(110, 200)), Ok(ExpiryState::Indeterminate));
    assert_eq!(expiry.state(&interval(111, 200)), Ok(ExpiryState::Past));
    let smeared =
        TimeInterval::new(Timestamp::UNIX_EPOCH, Timestamp::UNIX_EPOCH, Timescale::Smear24h)
            .unwrap();
    assert!(expiry.state(&smeared).is_err());
    assert_eq!(Expiry::after(&interval(0, i64::MAX), ns(1)), None);
    assert_eq!(RequestId::new(&interval(0, i64::MAX), ns(1)), Err(RequestError::OutOfRange));
}

#[test]
fn a_retry_gets_the_answer_of_the_first_time() {
    let mut answers = Answers::first_ever(Timescale::Utc, ns(50), ns(1_000));
    let id = RequestId::new(&interval(0, 10), ns(100)).unwrap();
    assert_eq!(answers.begin(&id, b"x", &interval(5, 15)), Begun::New);
    assert_eq!(answers.begin(&id, b"x", &interval(5, 15)), Begun::Known(Reply::InProgress));
    assert!(answers.finish(&id, 7) && !answers.finish(&id, 8));
    // Also long after its end, as long as it is kept.
    assert_eq!(answers.begin(&id, b"x", &interval(140, 200)), Begun::Known(Reply::Done(7)));
    assert_eq!(answers.begin(&id, b"y", &interval(140, 200)), Begun::Known(Reply::OtherRequest));
    assert_eq!(answers.len(), 1);
    // Another request comes when the first is not kept any more.
    let other = RequestId::new(&interval(161, 170), ns(100)).unwrap();
    assert_eq!(answers.begin(&other, b"z", &interval(161, 170)), Begun::New);
    assert_eq!(answers.begin(&id, b"x", &interval(161, 170)), Begun::Known(Reply::Forgotten));
    assert!(!answers.finish(&id, 9), "it is forgotten");
    assert_eq!(answers.len(), 1);
}

#[test]
fn what_comes_too_late_is_not_done_and_never_will_be() {
    let mut answers = Answers::<u32>::first_ever(Timescale::Utc, ns(1_000), ns(1_000));
    let id = RequestId::new(&interval(0, 10), ns(100)).unwrap();
    let too_late = Begun::Known(Reply::NotDone(NotDone::TooLate));
    assert_eq!(answers.begin(&id, b"", &interval(50, 100)), too_late);
    // The uncertainty is smaller now, and the end is certainly ahead: but it has been said that it
    // will not be.
    assert_eq!(answers.begin(&id, b"", &interval(60, 61)), too_late);
}

#[test]
fn a_new_life_does_not_know_what_was_made_before_it() {
    let mut answers = Answers::<u32>::new(&interval(100, 120), ns(50), ns(1_000));
    let before = RequestId::new(&interval(110, 130), ns(500)).unwrap();
    let at_the_edge = RequestId::new(&interval(120, 130), ns(500)).unwrap();
    assert_eq!(
        answers.begin(&at_the_edge, b"", &interval(125, 130)),
        Begun::Known(Reply::Forgotten)
    );
    let after = RequestId::new(&interval(121, 130), ns(500)).unwrap();
    assert_eq!(answers.begin(&before, b"", &interval(125, 130)), Begun::Known(Reply::Forgotten));
    assert_eq!(answers.begin(&after, b"", &interval(125, 130)), Begun::New);
}

#[test]
fn what_lasts_too_long_or_is_of_another_timescale_is_refused() {
    let mut answers = Answers::<u32>::first_ever(Timescale::Utc, ns(50), ns(110));
    let refused = |reason| Begun::Known(Reply::NotDone(reason));
    let now = interval(5, 6);
    let long = RequestId::new(&interval(0, 10), ns(101)).unwrap();
    assert_eq!(answers.begin(&long, b"", &now), refused(NotDone::LastsTooLong));
    let edge = RequestId::new(&interval(0, 10), ns(100)).unwrap();
    assert_eq!(answers.begin(&edge, b"", &now), Begun::New);
    let smeared =
        TimeInterval::new(Timestamp::UNIX_EPOCH, Timestamp::UNIX_EPOCH, Timescale::Smear24h)
            .unwrap();
    let foreign = RequestId::new(&smeared, ns(1)).unwrap();
    assert_eq!(answers.begin(&foreign, b"", &now), refused(NotDone::Timescale));
    let future = RequestId::new(&interval(7, 10), ns(10)).unwrap();
    assert_eq!(answers.begin(&future, b"", &now), Begun::Known(Reply::AheadOfTime));
    // And a server whose own clock has changed its timescale says nothing about what it does not
    // know.
    assert_eq!(answers.begin(&future, b"", &smeared), Begun::Known(Reply::Forgotten));
    assert_eq!(answers.len(), 1);
}

#[derive(Clone, Debug)]
enum Act {
    Pass(i64),
    Issue {
        within: u64,
    },
    /// A transmission of one of the ids arrives; many more than were sent, and in any order.
    Arrive {
        which: prop::sample::Index,
    },
    Finish {
        which: prop::sample::Index,
    },
    Restart,
}

fn acts() -> impl Strategy<Value = Vec<(Act, i64, i64)>> {
    let act = prop_oneof![
        3 => (0..40_i64).prop_map(Act::Pass),
        2 => (0..150_u64).prop_map(|within| Act::Issue { within }),
        6 => any::<prop::sample::Index>().prop_map(|which| Act::Arrive { which }),
        2 => any::<prop::sample::Index>().prop_map(|which| Act::Finish { which }),
        1 => Just(Act::Restart),
    ];
    // With the clock's error at each: what is behind, what is ahead.
    prop::collection::vec((act, 0..30_i64, 0..30_i64), 1..120)
}

/// Plays the acts; what was carried out and how often, and what was said of each id.
fn play(acts: &[(Act, i64, i64)], keep: u64) -> Result<(), TestCaseError> {
    let (keep, longest) = (ns(keep), ns(1_000));
    let mut answers = Answers::<usize>::first_ever(Timescale::Utc, keep, longest);
    let (mut truth, mut ids) = (1_000_i64, Vec::new());
    let mut times_done: BTreeMap<usize, u32> = BTreeMap::new();
    let mut never = BTreeSet::new();
    for (act, behind, ahead) in acts {
        let now = interval(truth - behind, truth + ahead);
        match act {
            Act::Pass(by) => truth += by,
            Act::Issue { within } => ids.push(RequestId::new(&now, ns(*within)).unwrap()),
            // What is done is in no table that survives: the worst that may be.
            Act::Restart => {
                answers = Answers::new(&now, keep, longest);
            }
            Act::Arrive { which } if !ids.is_empty() => {
                let at = which.index(ids.len());
                match answers.begin(&ids[at], b"", &now) {
                    Begun::New => {
                        *times_done.entry(at).or_default() += 1;
                        prop_assert_eq!(times_done[&at], 1, "carried out twice");
                        prop_assert!(!never.contains(&at), "it was said that it never will be");
                        // No end has passed, in truth.
                        prop_assert!(
                            ids[at].expiry().interval().earliest().as_unix_nanos() > truth
                        );
                    }
                    Begun::Known(Reply::NotDone(_)) => {
                        prop_assert!(
                            !times_done.contains_key(&at),
                            "it was done, and the client is answered that it was not"
                        );
                        never.insert(at);
                    }
                    Begun::Known(Reply::Done(answer)) => prop_assert_eq!(answer, at),
                    Begun::Known(Reply::InProgress) => prop_assert!(times_done.contains_key(&at)),
                    Begun::Known(Reply::AheadOfTime | Reply::OtherRequest | Reply::Full) => {
                        prop_assert!(false, "nobody's clock is wrong here, and no table is full");
                    }
                    Begun::Known(Reply::Forgotten) => (),
                }
            }
            Act::Finish { which } if !ids.is_empty() => {
                let at = which.index(ids.len());
                answers.finish(&ids[at], at);
            }
            Act::Arrive { .. } | Act::Finish { .. } => (),
        }
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(if cfg!(miri) { 4 } else { 2_000 }))]

    #[test]
    fn no_id_is_carried_out_twice_and_what_is_said_stays_true(acts in acts(), keep in 0..60_u64) {
        play(&acts, keep)?;
    }
}

#[test]
fn asking_again_ends_with_an_answer_or_with_the_patience() {
    let (clock, time) = SureClock::manual("2026-11-23T11:03:00Z ± 1 ms".parse().unwrap());
    let id = RequestId::new(&clock.now().unwrap(), S).unwrap();
    let mut asked = 0;
    let mut silence = |id: &RequestId| {
        assert!(id.expiry().state(&clock.now().unwrap()).is_ok());
        asked += 1;
        time.advance(S);
        Outcome::<(), NotDone>::unknown()
    };
    assert_eq!(
        ask_until_known(&clock, &id, Duration::ZERO, Duration::ZERO, &mut silence),
        Outcome::Unknown(Unknown::Settled)
    );
    assert_eq!(
        ask_until_known(&clock, &id, Duration::ZERO, 3 * S, &mut silence),
        Outcome::Unknown(Unknown::Settled)
    );
    assert_eq!(asked, 2 + 3);
    // Without an interval it goes by the counter, and does not say that nothing can begin any more.
    let id = RequestId::new(&clock.now().unwrap(), S).unwrap();
    let mut asked = 0;
    let silence = |_: &RequestId| {
        asked += 1;
        time.disrupt();
        time.advance(S);
        Outcome::<(), NotDone>::unknown()
    };
    let outcome = ask_until_known(&clock, &id, Duration::ZERO, Duration::ZERO, silence);
    assert_eq!((outcome, asked), (Outcome::Unknown(Unknown::Unsettled), 1));
}

#[test]
fn found_an_id_of_another_timescale_is_not_asked_with_for_ever() {
    let (clock, time) = SureClock::manual("2026-11-23T11:03:00Z ± 1 ms".parse().unwrap());
    let smeared =
        TimeInterval::new(Timestamp::UNIX_EPOCH, Timestamp::UNIX_EPOCH, Timescale::Smear24h)
            .unwrap();
    let retry = Retry::new(&clock, &RequestId::new(&smeared, S).unwrap(), S);
    assert_eq!(retry.judge(Outcome::<(), NotDone>::unknown()), None);
    time.advance(3 * S);
    assert_eq!(retry.judge(Outcome::<(), NotDone>::unknown()), Some(Outcome::unknown()));
}

#[test]
fn found_not_done_said_of_what_an_earlier_life_had_done() {
    let id = RequestId::new(&interval(0, 10), ns(500)).unwrap();
    let mut first = Answers::first_ever(Timescale::Utc, ns(1_000), ns(1_000));
    assert_eq!(first.begin(&id, b"", &interval(5, 15)), Begun::New);
    first.finish(&id, 1);
    // Ids may not last as long any more; or times are counted otherwise.
    let mut other = Answers::<u32>::new(&interval(20, 30), ns(1_000), ns(100));
    assert_eq!(other.begin(&id, b"", &interval(40, 50)), Begun::Known(Reply::Forgotten));
    let smeared = |ns: i64| {
        let point = Timestamp::from_unix_nanos(ns);
        TimeInterval::new(point, point, Timescale::Smear24h).unwrap()
    };
    let mut other = Answers::<u32>::new(&smeared(20), ns(1_000), ns(1_000));
    assert_eq!(other.begin(&id, b"", &smeared(40)), Begun::Known(Reply::Forgotten));
    // What was certainly made in this life is told what is wrong with it.
    let later = RequestId::new(&interval(90_000_000_000_000, 90_000_000_000_010), ns(500)).unwrap();
    let not_done = Begun::Known(Reply::NotDone(NotDone::Timescale));
    assert_eq!(other.begin(&later, b"", &smeared(90_000_000_000_020)), not_done);
}

#[test]
fn a_reply_is_an_outcome() {
    let outcome = |reply: Reply<u32>| Outcome::from(reply);
    assert_eq!(outcome(Reply::Done(1)).map(|answer| answer + 1).known(), Ok(Ok(2)));
    assert_eq!(outcome(Reply::NotDone(NotDone::TooLate)).known(), Ok(Err(NotDone::TooLate)));
    for reply in [Reply::InProgress, Reply::Forgotten, Reply::OtherRequest, Reply::AheadOfTime] {
        assert_eq!(outcome(reply).map(|answer| answer).known(), Err(Unknown::Unsettled));
    }
}

#[cfg(feature = "serde")]
#[test]
fn an_id_and_a_reply_come_back_as_they_were_sent() {
    let id = RequestId::new(&interval(0, 10), ns(100)).unwrap();
    let text = serde_json::to_string(&id).unwrap();
    assert_eq!(serde_json::from_str::<RequestId>(&text).unwrap(), id);
    let reply = Reply::<u32>::NotDone(NotDone::TooLate);
    assert_eq!(
        serde_json::from_str::<Reply<u32>>(&serde_json::to_string(&reply).unwrap()).unwrap(),
        reply
    );
    assert!(serde_json::from_str::<RequestId>(&text.replace("\"token\"", "\"tokin\"")).is_err());
}

#[test]
fn found_answers_are_forgotten_also_when_no_new_id_comes() {
    let mut answers = Answers::first_ever(Timescale::Utc, ns(50), ns(1_000));
    let ids: Vec<_> =
        (0..100).map(|i| RequestId::new(&interval(i, i + 10), ns(100)).unwrap()).collect();
    for id in &ids {
        assert_eq!(answers.begin(id, b"", &interval(90, 99)), Begun::New);
        assert!(answers.finish(id, 7));
    }
    assert_eq!(answers.len(), 100);
    // The answer that is still kept is asked for again; the others go meanwhile.
    assert_eq!(answers.begin(&ids[99], b"", &interval(259, 300)), Begun::Known(Reply::Done(7)));
    assert_eq!(answers.len(), 1);
    // What is over is over for one that is asked for, too.
    assert_eq!(answers.begin(&ids[99], b"", &interval(260, 300)), Begun::Known(Reply::Forgotten));
    assert!(answers.is_empty());
    let id = RequestId::new(&interval(300, 310), ns(100)).unwrap();
    assert_eq!(answers.begin(&id, b"", &interval(300, 310)), Begun::New);
    let smeared = TimeInterval::new(Timestamp::MAX, Timestamp::MAX, Timescale::Smear24h).unwrap();
    answers.forget(&smeared);
    assert_eq!(answers.len(), 1, "the time of another timescale ends nothing");
    answers.forget(&interval(461, 470));
    assert!(answers.is_empty(), "and nobody asks at all");
}

#[test]
fn found_a_flood_of_ids_fills_no_more_than_its_limit() {
    let mut answers = Answers::<u32>::first_ever(Timescale::Utc, ns(50), ns(1_000)).at_most(10);
    let (now, full) = (interval(0, 10), Begun::Known(Reply::Full));
    let ids: Vec<_> = (0..20).map(|_| RequestId::new(&now, ns(100)).unwrap()).collect();
    for (at, id) in ids.iter().enumerate() {
        assert_eq!(answers.begin(id, b"", &now), if at < 10 { Begun::New } else { full.clone() });
    }
    assert_eq!(answers.len(), 10);
    assert_eq!(
        answers.begin(&ids[0], b"", &now),
        Begun::Known(Reply::InProgress),
        "what is known is answered"
    );
    assert!(
        matches!(Outcome::from(Reply::<u32>::Full), Outcome::Unknown(Unknown::Unsettled)),
        "it may be begun yet"
    );
    let later = interval(161, 165);
    let id = RequestId::new(&later, ns(100)).unwrap();
    assert_eq!(answers.begin(&id, b"", &later), Begun::New, "there is room again");
}

#[cfg(feature = "serde")]
#[test]
fn found_an_id_whose_end_is_not_its_begin_and_a_length_is_not_read() {
    let id = RequestId::new(&interval(0, 10), ns(100)).unwrap();
    let sent = serde_json::to_value(id).unwrap();
    let read = |change: &dyn Fn(&mut serde_json::Value)| {
        let mut sent = sent.clone();
        change(&mut sent);
        serde_json::from_value::<RequestId>(sent).is_ok()
    };
    assert!(read(&|_| ()), "the twin");
    let other = |a, b| serde_json::to_value(interval(a, b)).unwrap();
    assert!(read(&|sent| sent["expiry"] = other(0, 10)), "it ends as it begins");
    assert!(!read(&|sent| sent["expiry"] = other(-1, 9)), "it ends before it begins");
    assert!(
        !read(&|sent| sent["expiry"] = other(100, 111)),
        "the clock that made it is not as wide"
    );
    assert!(!read(&|sent| sent["expiry"]["timescale"] = "smear-24h".into()));
    assert!(!read(&|sent| sent["more"] = 1.into()));
}
