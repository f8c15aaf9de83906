//! Every field of a reply that can be wrong, and that truth stays inside for every one that is not.

use super::*;
use crate::source::ntp::{ServerIdentity, respond};
use crate::time::{CounterId, TimeInterval, Timescale};
use proptest::prelude::*;

fn reading(ticks: u64) -> MonotonicTime {
    MonotonicTime::new(CounterId::new(1), 0, ticks)
}

fn exchange() -> Exchange {
    Exchange::with_nonce(0x1234_5678_9abc_def0, reading(1_000), ExchangeSettings::default())
}

fn at(ns: i64, half: i64) -> TimeInterval {
    let base = 1_795_431_780_000_000_000 + ns;
    let (a, b) = (Timestamp::from_unix_nanos(base - half), Timestamp::from_unix_nanos(base + half));
    TimeInterval::new(a, b, Timescale::Utc).unwrap()
}

fn honest_reply(exchange: &Exchange) -> Packet {
    let reply =
        respond(&exchange.request(), &at(0, 50), &at(100, 50), &ServerIdentity::default()).unwrap();
    Packet::decode(&reply).unwrap()
}

fn judge(change: impl FnOnce(&mut Packet)) -> Result<Facts, Rejected> {
    let exchange = exchange();
    let mut reply = honest_reply(&exchange);
    change(&mut reply);
    exchange.receive(&reply.encode(), reading(2_000))
}

#[test]
fn an_honest_reply_gives_facts_around_the_servers_time() {
    let facts = judge(|_| {}).unwrap();
    assert!(facts.no_later_than() >= at(0, 50).latest());
    assert!(facts.no_earlier_than() <= at(100, 50).earliest());
    assert_eq!((facts.before(), facts.after()), (reading(1_000), reading(2_000)));
}

#[test]
fn what_is_not_an_answer_is_passed_over() {
    let mut reply = honest_reply(&exchange()).encode().to_vec();
    for (rejected, result) in [
        (Rejected::Length { length: 47 }, exchange().receive(&reply[..47], reading(2_000))),
        (Rejected::Length { length: 0 }, exchange().receive(&[], reading(2_000))),
        (Rejected::Length { length: 49 }, {
            reply.push(0);
            exchange().receive(&reply, reading(2_000))
        }),
        (Rejected::NotAServersReply { mode: 3, version: 4 }, judge(|p| p.mode = 3)),
        (Rejected::NotAServersReply { mode: 4, version: 2 }, judge(|p| p.version = 2)),
        (Rejected::ForeignOrigin, judge(|p| p.origin.0 ^= 1)),
        (Rejected::ForeignOrigin, judge(|p| p.origin.0 = 0)),
    ] {
        assert_eq!(result, Err(rejected));
        assert!(!rejected.is_final(), "{rejected}");
    }
}

#[test]
fn found_a_reply_with_extension_fields_or_a_mac_is_an_answer() {
    let plain = honest_reply(&exchange()).encode();
    let expected = exchange().receive(&plain, reading(2_000));
    assert!(expected.is_ok());
    for more in [4, 20, 24, 28, 976] {
        let mut reply = plain.to_vec();
        reply.resize(plain.len() + more, 0xab);
        assert_eq!(exchange().receive(&reply, reading(2_000)), expected, "{more} bytes more");
    }
    for more in [1, 2, 3, 29, 980] {
        let mut reply = plain.to_vec();
        reply.resize(plain.len() + more, 0xab);
        let length = reply.len();
        assert_eq!(exchange().receive(&reply, reading(2_000)), Err(Rejected::Length { length }));
    }
}

#[test]
fn found_a_server_of_before_the_build_is_refused_for_that_and_not_read_as_ahead() {
    let built = ExchangeSettings::default().not_before;
    let day = 86_400 * 1_000_000_000;
    let asked = |ns_before: i64| {
        judge(move |p| {
            let time = Timestamp::from_unix_nanos(built.as_unix_nanos() - ns_before);
            p.transmit = NtpTime::from_timestamp_floor(time);
            (p.receive, p.reference) = (p.transmit, p.transmit);
        })
    };
    for days in [1, 300, 400, 20_000] {
        let refused = asked(days * day);
        assert!(
            matches!(refused, Err(Rejected::BeforeTheBuild { .. })),
            "{days} days: {refused:?}"
        );
        assert!(refused.unwrap_err().is_final());
    }
    assert!(asked(-day).is_ok(), "the twin: a day after it");
}

#[test]
fn an_answer_that_cannot_be_used_says_why() {
    let second = 1u64 << 32;
    let kiss = |code: &[u8; 4]| {
        let code = *code;
        judge(move |p| (p.stratum, p.reference_id) = (0, code))
    };
    for (rejected, result) in [
        (Rejected::KissOfDeath { code: KissCode(*b"RATE") }, kiss(b"RATE")),
        (Rejected::KissOfDeath { code: KissCode(*b"DENY") }, kiss(b"DENY")),
        (Rejected::ServerNotSynchronized { leap: 3, stratum: 1 }, judge(|p| p.leap = 3)),
        (Rejected::ServerNotSynchronized { leap: 0, stratum: 16 }, judge(|p| p.stratum = 16)),
        (Rejected::ServerNotSynchronized { leap: 0, stratum: 255 }, judge(|p| p.stratum = 255)),
        (Rejected::ZeroStamp, judge(|p| p.receive.0 = 0)),
        (Rejected::ZeroStamp, judge(|p| p.transmit.0 = 0)),
        (Rejected::TransmitBeforeReceive, judge(|p| p.transmit.0 = p.receive.0 - 1)),
        (Rejected::ReferenceInTheFuture, judge(|p| p.reference.0 = p.transmit.0 + 1)),
        (Rejected::AbsurdPrecision { precision: 0 }, judge(|p| p.precision = 0)),
        (Rejected::AbsurdPrecision { precision: 127 }, judge(|p| p.precision = 127)),
    ] {
        assert_eq!(result, Err(rejected));
        assert!(rejected.is_final(), "{rejected}");
    }
    assert!(matches!(
        judge(|p| p.root_dispersion_16_16 = 16 << 16),
        Err(Rejected::AbsurdRootDistance { .. })
    ));
    assert!(matches!(
        judge(|p| p.root_delay_16_16 = u32::MAX),
        Err(Rejected::AbsurdRootDistance { .. })
    ));
    assert!(KissCode(*b"DENY").forbids() && !KissCode(*b"RATE").forbids());
    assert!(judge(|p| p.reference.0 = 0).is_ok(), "a zero reference time is no reason to refuse");
    assert!(judge(|p| p.root_dispersion_16_16 = 0).is_ok());
    let _ = second;
}

#[test]
fn a_clock_set_between_receipt_and_reply_is_taken_at_the_reply() {
    let second = 1u64 << 32;
    let long_hold = |reference_after_receive: bool| {
        judge(|p| {
            p.transmit.0 = p.receive.0 + second;
            p.reference.0 = if reference_after_receive { p.receive.0 + 5 } else { p.receive.0 - 5 };
        })
        .unwrap()
    };
    let (set, unset) = (long_hold(true).no_later_than(), long_hold(false).no_later_than());
    assert!(set.checked_duration_since(unset).unwrap() >= Duration::from_millis(999));
}

#[test]
fn an_unaged_root_dispersion_is_charged_on_request() {
    let settings = ExchangeSettings { assume_unaged_root_dispersion: true, ..Default::default() };
    let exchange = Exchange::with_nonce(7, reading(1), settings);
    let mut reply = honest_reply(&exchange);
    reply.reference.0 = reply.transmit.0 - (1000 << 32);
    let plain = Exchange::with_nonce(7, reading(1), ExchangeSettings::default());
    let charged = exchange.receive(&reply.encode(), reading(2)).unwrap().no_later_than();
    let uncharged = plain.receive(&reply.encode(), reading(2)).unwrap().no_later_than();
    assert_eq!(
        charged.checked_duration_since(uncharged),
        Some(Duration::from_millis(15)),
        "15 ppm of 1000 s"
    );
    reply.reference.0 = 0;
    assert_eq!(exchange.receive(&reply.encode(), reading(2)), Err(Rejected::ReferenceUnknown));
}

proptest! {
    /// Any bytes whatever: no panic, and facts only with the nonce.
    #[test]
    fn any_datagram_is_judged_without_panic(mut bytes in prop::collection::vec(any::<u8>(), 0..64), with_nonce: bool) {
        let exchange = exchange();
        if with_nonce && bytes.len() >= 32 {
            bytes[24..32].copy_from_slice(&0x1234_5678_9abc_def0u64.to_be_bytes());
        }
        let result = exchange.receive(&bytes, reading(2_000));
        prop_assert!(with_nonce || result.is_err());
    }

    /// A server whose interval holds true time gives facts that do, whatever the delays.
    #[test]
    fn facts_from_a_right_server_hold_true_time(
        out in 0i64..1 << 30, hold in 0i64..1 << 30, back in 0i64..1 << 30,
        half in 0i64..1 << 30, wrong in -1000i64..=1000,
    ) {
        let exchange = exchange();
        let shift = half * wrong / 1000;
        let (received, sent) = (at(out + shift, half), at(out + hold + shift, half));
        let reply = respond(&exchange.request(), &received, &sent, &ServerIdentity::default()).unwrap();
        let facts = exchange.receive(&reply, reading(1_000)).unwrap();
        prop_assert!(facts.no_later_than() >= at(0, 0).earliest());
        prop_assert!(facts.no_earlier_than() <= at(out + hold + back, 0).earliest());
    }
}
