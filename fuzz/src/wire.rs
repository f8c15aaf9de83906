//! The law of what travels: whatever is read, as JSON, CBOR or text, is written and read again as
//! it was; and so is whatever an operation makes of it.

use crate::input::Input;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use std::fmt::{Debug, Display};
use std::str::FromStr;
use std::time::Duration;
use sureclock::causality::{BrokenBound, Envelope};
use sureclock::fence::{Admitted, Fence, FenceState, FencingToken, Locked, Rejected, admit};
use sureclock::register::{MOST_VERSIONS, MOST_WRITERS, Register, Seen, State, Version};
use sureclock::request::{Answers, Begun, Expiry, NotDone, Outcome, Reply, RequestId};
use sureclock::{
    AheadOfTime, HolderId, HybridClock, HybridTimestamp, Lease, LeaseForm, LeaseGrant,
    LeaseGrantor, LeaseRelease, LeaseRequest, ReceiveError, ResourceName, SureClock, TimeInterval,
    Timescale, Timestamp,
};

/// The first byte says which kind of value, the second in which form; the rest is what is read.
/// True if it was read.
pub fn wire(data: &[u8]) -> bool {
    let [kind, form, rest @ ..] = data else { return false };
    let kind = usize::from(*kind) % KINDS.len();
    match form % 4 {
        0 => KINDS[kind].read(&Document::Json(rest)),
        1 => KINDS[kind].read(&Document::Cbor(rest)),
        2 => std::str::from_utf8(rest).is_ok_and(texts),
        // What an honest machine sends, with some of it changed.
        _ => {
            let mut value: Value = serde_json::from_str(KINDS[kind].honest).expect("an example");
            change(&mut value, &mut Input(rest));
            KINDS[kind].read(&Document::Json(value.to_string().as_bytes()))
        }
    }
}

/// What was received.
enum Document<'a> {
    Json(&'a [u8]),
    Cbor(&'a [u8]),
}

/// A kind of message: an honest one, and what is done with one that was read.
struct Kind {
    honest: &'static str,
    law: fn(&Document<'_>) -> bool,
}

impl Kind {
    fn read(&self, document: &Document<'_>) -> bool {
        (self.law)(document)
    }
}

const KINDS: [Kind; 8] = [
    Kind { honest: include_str!("wire/times.json"), law: |document| read(document, times) },
    Kind { honest: include_str!("wire/lease.json"), law: |document| read(document, lease) },
    Kind { honest: include_str!("wire/fence.json"), law: |document| read(document, fence) },
    Kind {
        honest: include_str!("wire/rejected.json"),
        law: |document| read(document, |_: Vec<Rejected>| ()),
    },
    Kind { honest: include_str!("wire/proofs.json"), law: |document| read(document, proofs) },
    Kind { honest: include_str!("wire/register.json"), law: |document| read(document, register) },
    Kind { honest: include_str!("wire/request.json"), law: |document| read(document, request) },
    Kind { honest: include_str!("wire/envelope.json"), law: |document| read(document, envelope) },
];

fn read<T: Serialize + DeserializeOwned + PartialEq + Debug>(
    document: &Document<'_>,
    then: fn(T),
) -> bool {
    let value = match document {
        Document::Json(bytes) => serde_json::from_slice(bytes).ok(),
        Document::Cbor(bytes) => ciborium::from_reader(*bytes).ok(),
    };
    let Some(value) = value else { return false };
    comes_back(&value);
    then(value);
    true
}

/// What is written is read, and is the same: as text, as a tree of values, as bytes.
fn comes_back<T: Serialize + DeserializeOwned + PartialEq + Debug>(value: &T) {
    let text = serde_json::to_string(value).expect("every value is written");
    let read = serde_json::from_str::<T>(&text);
    assert_eq!(read.as_ref().ok(), Some(value), "{text}: {:?}", read.as_ref().err());
    let tree = serde_json::to_value(value).expect("every value is written");
    assert_eq!(serde_json::from_value::<T>(tree).ok().as_ref(), Some(value), "{text} as a tree");
    let mut bytes = Vec::new();
    ciborium::into_writer(value, &mut bytes).expect("every value is written");
    let read = ciborium::from_reader::<T, _>(&bytes[..]);
    assert_eq!(read.as_ref().ok(), Some(value), "{text} as bytes: {:?}", read.as_ref().err());
}

/// What parses prints, and parses back.
fn texts(text: &str) -> bool {
    fn back<T: FromStr + Display + PartialEq + Debug>(text: &str) -> Option<T> {
        let value: T = text.parse().ok()?;
        assert!(
            value.to_string().parse::<T>().is_ok_and(|back| back == value),
            "{text:?}: {value:?}"
        );
        Some(value)
    }
    let (time, stamp) = (back::<Timestamp>(text), back::<HybridTimestamp>(text));
    let (timescale, name) = (back::<Timescale>(text), back::<ResourceName>(text));
    time.iter().for_each(comes_back);
    stamp.iter().for_each(comes_back);
    timescale.iter().for_each(comes_back);
    name.iter().for_each(comes_back);
    if let Ok(interval) = text.parse::<TimeInterval>() {
        comes_back(&interval);
        // It prints outward, and exactly in the alternate form.
        assert_eq!(format!("{interval:#}").parse(), Ok(interval));
    }
    time.is_some() || stamp.is_some() || timescale.is_some() || text.parse::<TimeInterval>().is_ok()
}

fn now() -> TimeInterval {
    "2026-11-23T11:03:00.005Z ± 5 ms".parse().expect("an interval")
}

fn times((first, second, stamp, expiry, names): Times) {
    if let Ok(Some(proof)) = BrokenBound::between(&first, &second) {
        comes_back(&proof);
    }
    assert!(names.0.as_str().len() <= ResourceName::LONGEST);
    let _known = expiry.state(&first);
    let (clock, _time) = SureClock::manual(first);
    for lead in [Duration::ZERO, Duration::from_millis(10), Duration::MAX] {
        if let Err(ReceiveError::AheadOfTime(proof)) =
            HybridClock::with_max_lead(clock.clone(), lead).receive(stamp)
        {
            comes_back(&proof);
        }
    }
}

type Times = (
    TimeInterval,
    TimeInterval,
    HybridTimestamp,
    Expiry,
    (ResourceName, Timescale, HolderId, LeaseForm),
);

fn lease((request, grant, release): (LeaseRequest, LeaseGrant, LeaseRelease)) {
    let (clock, time) = SureClock::manual(now());
    let longest = Duration::from_secs(10);
    for form in [LeaseForm::Duration, LeaseForm::Deadline, LeaseForm::Both] {
        let mut grantor = LeaseGrantor::first_ever(request.resource(), form, longest);
        if let Ok(granted) = grantor.grant(&clock, &request) {
            assert!(granted.term() <= request.term() && granted.term() <= longest);
            comes_back(&granted);
        }
        let _given_up = grantor.release(&release);
    }
    // No grant that comes from elsewhere counts.
    let mut lease = Lease::new(grant.resource()).expect("random numbers");
    let asked = lease.request(&clock, Duration::from_secs(1)).expect("random numbers");
    comes_back(&asked);
    assert!(lease.granted(&clock, &grant).is_err() && !lease.state(&clock).is_held());
    // And what answers this request counts for no longer than was asked.
    lease.granted(&clock, &asked.granted_by_store(grant.term())).expect("its answer");
    time.advance(Duration::from_secs(2));
    assert!(!lease.state(&clock).is_held(), "{grant:?}");
    lease.release().iter().for_each(comes_back);
}

fn fence((state, tokens): (FenceState, Vec<FencingToken>)) {
    let (mut at, memory) = (state, Fence::with_state(state, 0));
    for token in &tokens {
        let verdict = admit(&at, token);
        let locked = memory.lock(token).map(|locked| match locked {
            Locked::Write(guard) => guard.commit(),
            Locked::BarrierSet | Locked::Retry => (),
        });
        match verdict {
            Ok(Admitted::Write(new)) => {
                assert!(
                    new.sequence >= at.sequence
                        && new.sequence - at.sequence <= FenceState::MOST_AHEAD
                );
                assert_eq!(new.resource, state.resource, "a token of another resource");
                at = new;
            }
            Ok(Admitted::Retry) => {}
            Err(rejected) => comes_back(&rejected),
        }
        assert_eq!(locked.is_ok(), verdict.is_ok());
        assert_eq!(memory.state(), at);
        comes_back(&at);
    }
}

fn proofs((broken, ahead): (BrokenBound, AheadOfTime)) {
    let again = BrokenBound::between(&broken.first, &broken.second);
    assert_eq!(again, Ok(Some(broken)), "a proof that proves nothing");
    assert!(
        ahead.stamp.time() >= ahead.latest && ahead.by <= Duration::from_secs(1 << 33),
        "{ahead:?}"
    );
    // As a machine that received it would have found.
    let highest = ahead.stamp.time().checked_sub(ahead.by).expect("within the range");
    let point = TimeInterval::new(highest, highest, Timescale::Utc).expect("a point");
    let (clock, _time) = SureClock::manual(point);
    let found = HybridClock::with_max_lead(clock, Duration::ZERO).receive(ahead.stamp);
    assert!(
        matches!(found, Err(ReceiveError::AheadOfTime(proof)) if proof.by == ahead.by),
        "{ahead:?}: {found:?}"
    );
}

type Registers = (State<u32>, Seen, State<u32>, TimeInterval, Vec<Version<u32>>);

fn register((ours, seen, theirs, at, _versions): Registers) {
    let check = |register: &Register<u32>| {
        let state = register.state();
        comes_back(state);
        comes_back(state.read().seen());
        let size = serde_json::to_string(state).expect("every value is written").len();
        assert!(size < 300 * (MOST_VERSIONS + MOST_WRITERS), "{size} bytes");
    };
    let mut replicas =
        [Register::open(ours.clone()), Register::open(theirs.clone()), Register::new()];
    for (value, replica) in (0..).zip(&mut replicas) {
        for now in [&at, &now()] {
            let _refused = replica.write(value, now, &seen);
            check(replica);
            let blind = replica.write(value + 10, now, &Seen::nothing());
            check(replica);
            assert!(blind.is_err() || !replica.read().versions().is_empty());
        }
    }
    let sent = replicas.each_ref().map(|replica| replica.state().clone());
    let now = TimeInterval::new(Timestamp::MAX, Timestamp::MAX, at.timescale()).expect("a point");
    for replica in &mut replicas {
        for state in sent.iter().chain([&ours, &theirs]) {
            let had_some =
                !replica.read().versions().is_empty() || !state.read().versions().is_empty();
            let merged = replica.merge(state, &now);
            check(replica);
            assert!(
                merged.is_err() || !had_some || !replica.read().versions().is_empty(),
                "all is gone"
            );
        }
    }
    // In either order it is the same.
    let merged = |a: &State<u32>, b: &State<u32>| {
        let mut register = Register::open(a.clone());
        register.merge(b, &now).ok().map(|_| register.state().clone())
    };
    assert_eq!(merged(&ours, &theirs), merged(&theirs, &ours));
}

fn request((ids, replies, _reasons): (Vec<RequestId>, Vec<Reply<u32>>, Vec<NotDone>)) {
    for reply in replies {
        let _outcome = Outcome::from(reply);
    }
    let (keep, longest) = (Duration::from_secs(60), Duration::from_secs(3600));
    let mut answers = Answers::first_ever(Timescale::Utc, keep, longest).at_most(3);
    let mut times: Vec<TimeInterval> = ids.iter().map(|id| id.issued()).collect();
    times.extend(ids.iter().map(|id| id.expiry().interval()));
    for time in times.iter().chain([&now()]) {
        for id in &ids {
            match answers.begin(id, b"x", time) {
                Begun::New => assert!(answers.finish(id, 7)),
                Begun::Known(reply) => comes_back(&reply),
            }
            assert!(answers.len() <= 3);
        }
        answers.forget(time);
    }
}

fn envelope(envelope: Envelope<String>) {
    let (clock, _time) = SureClock::manual(now());
    if let Ok(opened) = clock.open(&envelope) {
        opened.broken_bound.iter().for_each(comes_back);
    }
    comes_back(&clock.seal("x".to_owned()).expect("a bound"));
}

/// Changes numbers, times, names and lists of a value, as the bytes say.
fn change(value: &mut Value, input: &mut Input<'_>) {
    if input.is_empty() {
        return;
    }
    match value {
        Value::Array(all) => {
            match input.number(1) % 16 {
                0 if !all.is_empty() => all.push(all[input.number(1) as usize % all.len()].clone()),
                1 => drop(all.pop()),
                2 => all.reverse(),
                _ => {}
            }
            all.iter_mut().for_each(|value| change(value, input));
        }
        Value::Object(all) => {
            if input.number(1) % 64 == 1 {
                all.insert("more".into(), Value::Null);
            }
            all.iter_mut().for_each(|(_, value)| change(value, input));
        }
        Value::Number(number) => match input.number(1) % 8 {
            0 => *number = input.number(1).into(),
            1 => *number = (u64::MAX - input.number(1)).into(),
            2 => *number = input.number(8).into(),
            _ => {}
        },
        Value::String(text) => match (input.number(1) % 8, text.parse::<Timestamp>()) {
            (0..=2, Ok(time)) => {
                // Some nanoseconds to some hours, to either side.
                let (by, later) = (input.delay(), input.number(1) & 1 == 0);
                let moved = if later { time.checked_add(by) } else { time.checked_sub(by) };
                *text = moved.unwrap_or(Timestamp::MAX).to_string();
            }
            (3, Ok(_)) => *text = input.timestamp().to_string(),
            (0, Err(_)) if text.contains('#') => {
                *text = HybridTimestamp::from_bits(input.number(8)).to_string()
            }
            (0 | 1, Err(_)) if text.len() == 32 => *text = format!("{:032x}", input.number(1) % 4),
            (0, Err(_)) if text.parse::<Timescale>().is_ok() => {
                *text = Timescale::Smear24h.to_string()
            }
            (1, Err(_)) => *text = format!("{text}{}", char::from(input.number(1) as u8)),
            _ => {}
        },
        Value::Bool(_) | Value::Null => {}
    }
}
