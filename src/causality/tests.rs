//! Proofs of broken bounds: where there is one, and where there is none.

use super::*;
use crate::clock::SureClock;
use crate::time::{Timescale, Timestamp};
use proptest::prelude::*;

fn interval(earliest: i64, latest: i64) -> TimeInterval {
    let at = Timestamp::from_unix_nanos;
    TimeInterval::new(at(earliest), at(latest), Timescale::Utc).unwrap()
}

#[test]
fn a_message_from_the_future_proves_that_a_bound_is_broken() {
    let (sender, _time) = SureClock::manual("2026-11-23T11:03:01Z ± 1 ms".parse().unwrap());
    let (receiver, time) = SureClock::manual("2026-11-23T11:03:00Z ± 1 ms".parse().unwrap());
    let envelope = sender.seal(b"x").unwrap();
    let opened = receiver.open(&envelope).unwrap();
    let broken = opened.broken_bound.unwrap();
    assert_eq!(broken.by, Duration::from_millis(998));
    assert_eq!((broken.first, broken.second), (sender.now().unwrap(), receiver.now().unwrap()));
    assert!(broken.to_string().contains("998ms"), "{broken}");
    // Equal ends prove nothing.
    time.advance(Duration::from_millis(998));
    assert_eq!(receiver.open(&envelope).unwrap().broken_bound, None);
    // Nor does a message that took an hour.
    time.advance(Duration::from_secs(3600));
    assert_eq!(receiver.open(&envelope).unwrap().broken_bound, None);
}

#[test]
fn what_was_damaged_on_its_way_is_an_error() {
    let envelope = Envelope::new(interval(1, 5), 3, *b"payload");
    assert_eq!(envelope.payload(), Ok(b"payload"));
    let damaged = [
        Envelope { sent: interval(0, 5), ..envelope.clone() },
        Envelope { sent: interval(1, 6), ..envelope.clone() },
        Envelope { epoch: 2, ..envelope.clone() },
        Envelope { payload: *b"pay1oad", ..envelope.clone() },
        Envelope { checksum: envelope.checksum ^ 1, ..envelope.clone() },
    ];
    for damaged in damaged {
        assert_eq!(damaged.open(interval(10, 20)), Err(OpenError::Damaged));
    }
}

#[test]
fn two_timescales_are_an_error_and_no_proof() {
    let at = Timestamp::from_unix_nanos;
    let smeared = TimeInterval::new(at(50), at(60), Timescale::Smear24h).unwrap();
    let mismatch = TimescaleMismatch { left: Timescale::Utc, right: Timescale::Smear24h };
    assert_eq!(BrokenBound::between(&interval(100, 110), &smeared), Err(mismatch));
    assert_eq!(audit(&[interval(100, 110), smeared]), Err(mismatch));
}

#[test]
fn the_checksum_is_the_published_one_and_the_same_for_ever() {
    // The first vector of SipHash's authors: no bytes, and a key that counts from 0.
    let key: [u8; 16] = std::array::from_fn(|i| u8::try_from(i).unwrap());
    let vector = SipHasher24::new_with_key(&key).finish128().as_bytes();
    assert_eq!(vector[..4], [0xa3, 0x81, 0x7f, 0x04]);
    assert_eq!(vector[12..], [0xc7, 0x55, 0x02, 0x93]);
    assert_eq!(checksum(b"sureclock"), 155_288_357_911_281_295_001_943_638_460_643_485_589);
}

proptest! {
    #[test]
    fn an_audit_finds_exactly_the_events_that_lie_before_one_that_came_before(
        log in proptest::collection::vec((0_i64..40, 0_i64..8), 0..20)
    ) {
        let log: Vec<TimeInterval> = log.iter().map(|(earliest, width)| interval(*earliest, earliest + width)).collect();
        let found = audit(&log).unwrap();
        let lies_before = |j: &usize| log[..*j].iter().any(|before| before.earliest() > log[*j].latest());
        let expected: Vec<TimeInterval> = (0..log.len()).filter(lies_before).map(|j| log[j]).collect();
        prop_assert_eq!(found.iter().map(|proof| proof.second).collect::<Vec<_>>(), expected);
    }
}

#[cfg(feature = "serde")]
#[test]
fn found_a_proof_that_proves_nothing_is_not_read() {
    let proof = BrokenBound::between(&interval(100, 110), &interval(10, 20)).unwrap().unwrap();
    let sent = serde_json::to_value(proof).unwrap();
    assert_eq!(serde_json::from_value::<BrokenBound>(sent.clone()).unwrap(), proof, "the twin");
    let read = |change: &dyn Fn(&mut serde_json::Value)| {
        let mut sent = sent.clone();
        change(&mut sent);
        serde_json::from_value::<BrokenBound>(sent).is_ok()
    };
    assert!(
        !read(&|sent| sent["by"] = serde_json::to_value(Duration::from_nanos(81)).unwrap()),
        "by more"
    );
    assert!(
        !read(&|sent| sent["by"] = serde_json::to_value(Duration::ZERO).unwrap()),
        "by nothing"
    );
    let earlier = serde_json::to_value(interval(10, 20)).unwrap();
    assert!(!read(&|sent| sent["first"] = earlier.clone()), "they overlap");
    assert!(
        !read(&|sent| sent["second"]["timescale"] = "smear-24h".into()),
        "two timescales have no order"
    );
    assert!(!read(&|sent| sent["more"] = 1.into()), "a field that nobody knows");
}
