//! The laws that every input must obey, one function each: called by the fuzz targets and by the
//! replay on stable.
//!
//! A law panics where it is broken. It returns whether the input got past the first refusal, so
//! that the replay can notice a law that has become empty.

mod agreement;
mod input;
mod lease;
mod register;
mod request;
mod wire;
mod world;

pub use agreement::agreement;
pub use lease::lease;
pub use register::register;
pub use request::request;
pub use wire::wire;
pub use world::world;

use input::Input;
use std::time::Duration;
use sureclock::ntp::{
    Exchange, ExchangeSettings, NtpTime, Packet, Rejected, ServerIdentity, respond,
};
use sureclock::{Order, SureClock, TimeInterval, Timescale, Timestamp};

/// Decoding is total: any 48 bytes are a packet and come back as they were; any other length is an
/// error.
pub fn packet(data: &[u8]) -> bool {
    let decoded = Packet::decode(data);
    assert_eq!(decoded.is_ok(), data.len() == 48, "{} bytes gave {decoded:?}", data.len());
    let Ok(packet) = decoded else { return false };
    assert_eq!(packet.encode().as_slice(), data, "{packet:?} came back differently");
    let origin = packet.origin.0.to_be_bytes();
    assert_eq!(origin.as_slice(), &data[24..32], "the origin is bytes 24..32");
    true
}

/// Garbage makes no facts, and facts of an honest server contain the truth.
pub fn exchange(data: &[u8]) -> bool {
    garbage_makes_no_facts(data);
    honest_facts_contain_truth(data)
}

/// Any text is refused, or is an interval that prints outward and, in the alternate form, exactly;
/// so does the interval that the bytes spell as two numbers.
pub fn interval_text(data: &[u8]) -> bool {
    if let Some(interval) = Input(data).interval() {
        prints_outward(&interval);
    }
    let Ok(text) = std::str::from_utf8(data) else { return false };
    let Ok(interval) = text.parse::<TimeInterval>() else { return false };
    prints_outward(&interval);
    true
}

/// Order is antisymmetric, and certain iff the intervals are apart; two timescales have none.
pub fn order(data: &[u8]) -> bool {
    let mut input = Input(data);
    let (Some(a), Some(b)) = (input.interval(), input.interval()) else { return false };
    if a.timescale() != b.timescale() {
        assert!(a.order(&b).is_err() && b.order(&a).is_err(), "{a:#} and {b:#} have an order");
        return true;
    }
    let (forth, back) = (a.order(&b).expect("one timescale"), b.order(&a).expect("one timescale"));
    assert_eq!(forth, back.reverse(), "{a:#} and {b:#} from both sides");
    assert_eq!(forth == Order::Before, a.latest() < b.earliest(), "{a:#} before {b:#}");
    assert_eq!(forth == Order::After, b.latest() < a.earliest(), "{a:#} after {b:#}");
    assert_eq!(a.order(&a), Ok(Order::Concurrent), "{a:#} and itself");
    true
}

/// A nonce, a choice of settings, then a datagram: facts only for a reply with this request's nonce
/// as origin, and nothing else ends the exchange.
fn garbage_makes_no_facts(data: &[u8]) {
    let mut input = Input(data);
    let (choice, nonce) = (input.number(1), input.number(8));
    let (clock, time) = SureClock::manual(point(Timestamp::UNIX_EPOCH));
    let settings = ExchangeSettings {
        era_pivot: if choice & 2 == 0 {
            ExchangeSettings::default().era_pivot
        } else {
            input.timestamp()
        },
        not_before: if choice & 16 == 0 {
            Timestamp::MIN
        } else {
            ExchangeSettings::default().not_before
        },
        assume_unaged_root_dispersion: choice & 4 != 0,
        assume_root_fields_rounded_up: choice & 8 != 0,
    };
    let exchange = Exchange::with_nonce(nonce, clock.monotonic(), settings);
    let request = Packet::decode(&exchange.request()).expect("a request is a packet");
    let mut datagram = input.0.to_vec();
    // Guessing 64 bits would take the fuzzer long: half of the time it is given the nonce.
    if choice & 1 != 0 && datagram.len() >= 32 {
        datagram[24..32].copy_from_slice(&request.transmit.0.to_be_bytes());
    }
    let before = clock.monotonic();
    time.advance(Duration::from_millis(1));
    let after = clock.monotonic();
    let is_answer = (48..=1024).contains(&datagram.len())
        && datagram.len() % 4 == 0
        && datagram[24..32] == request.transmit.0.to_be_bytes();
    match exchange.receive(&datagram, after) {
        Ok(facts) => {
            assert!(
                is_answer,
                "facts from {datagram:x?}, which is no answer to nonce {:x}",
                request.transmit.0
            );
            assert_eq!(
                (facts.before(), facts.after()),
                (before, after),
                "the readings are the caller's"
            );
        }
        Err(rejected) => {
            assert!(
                is_answer || !rejected.is_final(),
                "{rejected:?} ended the exchange, forged by {datagram:x?}"
            );
        }
    }
}

/// Truth is an exact manual clock; the network delays as it likes; the server is wrong within what
/// it says.
fn honest_facts_contain_truth(data: &[u8]) -> bool {
    let mut input = Input(data);
    let choice = input.number(1);
    let pivot = ExchangeSettings::default().era_pivot;
    // From the build on, 67 years, to the end of the half of the era that is read as ahead of it.
    let start_s = input.number(4) % (67 * YEAR_S);
    let start_ns =
        pivot.as_unix_nanos() + (start_s as i64 * NS_PER_S + (input.number(4) as i64) % NS_PER_S);
    let (clock, time) = SureClock::manual(point(Timestamp::from_unix_nanos(start_ns)));
    let truth = || clock.now().expect("a manual clock always answers").earliest();

    let unaged = choice & 1 != 0;
    let settings =
        ExchangeSettings { assume_unaged_root_dispersion: unaged, ..ExchangeSettings::default() };
    let (before_truth, before) = (truth(), clock.monotonic());
    let exchange = Exchange::with_nonce(input.number(8), before, settings);
    time.advance(input.delay());
    let (received_truth, mut received) = (truth(), input.around(truth()));
    time.advance(input.delay());
    let transmitted = input.around(truth());
    let mut reference_age = Duration::from_secs(input.number(2));
    // The server's clock was set between the two stamps: the first one is of the older setting, and
    // behind.
    let set_between = choice & 2 != 0 && received.midpoint() <= transmitted.midpoint();
    if set_between {
        let behind = Duration::from_secs(input.number(2));
        let moved = |end: Timestamp| end.checked_sub(behind).expect("in range");
        received =
            TimeInterval::new(moved(received.earliest()), moved(received.latest()), Timescale::Utc)
                .expect("moved");
        reference_age = Duration::ZERO;
    } else {
        assert!(received.contains(received_truth), "an error of this harness");
    }
    let set_at = if set_between { transmitted.midpoint() } else { received.midpoint() };
    let known = unaged || set_between || choice & 4 != 0;
    let reference =
        set_at.checked_sub(reference_age).filter(|_| known).map(NtpTime::from_timestamp_floor);
    let identity =
        ServerIdentity { reference: reference.unwrap_or(NtpTime(0)), ..ServerIdentity::default() };
    let reply = respond(&exchange.request(), &received, &transmitted, &identity)
        .expect("an honest request");
    time.advance(input.delay());
    let (after_truth, after) = (truth(), clock.monotonic());

    let facts = match exchange.receive(&reply, after) {
        Ok(facts) => facts,
        // Second 0 of an era is spelled as *unknown*; the reply is lost, and no harm done.
        Err(Rejected::ZeroStamp | Rejected::ReferenceUnknown) => return false,
        Err(rejected) => panic!("an honest reply was refused: {rejected}"),
    };
    assert_eq!((facts.before(), facts.after()), (before, after), "the readings are the caller's");
    assert!(facts.no_later_than() >= before_truth, "{facts:?}, but it was {before_truth} before");
    assert!(facts.no_earlier_than() <= after_truth, "{facts:?}, but it was {after_truth} after");

    // One bit of the origin changed on the way.
    let mut forged = reply;
    forged[24 + usize::from(choice as u8 >> 5)] ^= 1 << (choice >> 3 & 3);
    assert_eq!(
        exchange.receive(&forged, after),
        Err(Rejected::ForeignOrigin),
        "forged {forged:x?}"
    );
    true
}

fn prints_outward(interval: &TimeInterval) {
    let back: TimeInterval =
        interval.to_string().parse().unwrap_or_else(|e| panic!("{interval} does not parse: {e}"));
    assert!(
        back.earliest() <= interval.earliest() && interval.latest() <= back.latest(),
        "{interval} does not contain {interval:#}"
    );
    assert_eq!(back.timescale(), interval.timescale(), "the timescale of {interval}");
    assert_eq!(
        format!("{interval:#}").parse::<TimeInterval>(),
        Ok(*interval),
        "{interval:#} is not exact"
    );
}

/// The interval of one point.
fn point(time: Timestamp) -> TimeInterval {
    TimeInterval::new(time, time, Timescale::Utc).expect("a point is not inverted")
}

const NS_PER_S: i64 = 1_000_000_000;
const YEAR_S: u64 = 366 * 86_400;
