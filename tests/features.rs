//! What the optional features add: wire forms under `serde`, and the rsntp source against a server.

#[cfg(feature = "serde")]
#[test]
fn an_interval_travels_as_two_timestamps_and_its_timescale() {
    use sureclock::{TimeInterval, Timestamp};
    let interval: TimeInterval =
        "[1970-01-01T00:00:00.000000001Z, 1970-01-01T00:00:00.000000009Z] smear-24h"
            .parse()
            .unwrap();
    let json = serde_json::to_string(&interval).unwrap();
    assert_eq!(
        json,
        r#"{"earliest":"1970-01-01T00:00:00.000000001Z","latest":"1970-01-01T00:00:00.000000009Z","timescale":"smear-24h"}"#
    );
    assert_eq!(serde_json::from_str::<TimeInterval>(&json).unwrap(), interval);
    // Not a number, which a browser would round by up to 128 ns.
    let before_1970 = serde_json::to_string(&Timestamp::from_unix_nanos(-5)).unwrap();
    assert_eq!(before_1970, r#""1969-12-31T23:59:59.999999995Z""#);
    for end in [Timestamp::MIN, Timestamp::MAX] {
        let text = serde_json::to_string(&end).unwrap();
        assert_eq!(serde_json::from_str::<Timestamp>(&text).unwrap(), end, "{text}");
    }
    let stamp: sureclock::HybridTimestamp = "2026-11-23T11:03:00.500000000Z#7".parse().unwrap();
    let text = serde_json::to_string(&stamp).unwrap();
    assert_eq!(text, r#""2026-11-23T11:03:00.500000000Z#7""#);
    assert_eq!(serde_json::from_str::<sureclock::HybridTimestamp>(&text).unwrap(), stamp);
    for bad in [
        r#"{"earliest":"1970-01-01T00:00:09Z","latest":"1970-01-01T00:00:01Z","timescale":"utc"}"#,
        r#"{"earliest":"1970-01-01T00:00:01Z","latest":"1970-01-01T00:00:09Z"}"#,
        r#"{"earliest":"1970-01-01T00:00:01Z","latest":"1970-01-01T00:00:09Z","timescale":"tai"}"#,
        r#"{"earliest":"1970-01-01T00:00:01.0000000001Z","latest":"1970-01-01T00:00:09Z","timescale":"utc"}"#,
        r#"{"earliest":1,"latest":9,"timescale":"utc"}"#,
    ] {
        assert!(serde_json::from_str::<TimeInterval>(bad).is_err(), "{bad}");
    }
}

/// What a service sends: a kind, and the rest beside it. Serde reads that from a form of its own,
/// which has no numbers of 128 bits.
#[cfg(feature = "serde")]
#[test]
fn found_what_travels_in_a_tagged_message() {
    use std::time::Duration;
    use sureclock::causality::Envelope;
    use sureclock::fence::{FenceState, FencingHolder, FencingToken};
    use sureclock::register::{Register, Seen, State};
    use sureclock::request::RequestId;
    use sureclock::{
        HybridClock, HybridTimestamp, Lease, LeaseForm, LeaseGrant, LeaseGrantor, LeaseRequest,
        SureClock,
    };

    #[derive(Debug, PartialEq, serde::Serialize, serde::Deserialize)]
    #[serde(tag = "kind")]
    enum Message {
        Ask { id: RequestId, envelope: Envelope<String> },
        Gossip { state: State<u32>, seen: Seen },
        Lease { request: LeaseRequest, grant: LeaseGrant },
        Write { token: FencingToken, fence: FenceState, stamp: HybridTimestamp },
    }
    let (clock, _) = SureClock::manual("2026-11-23T11:03:00Z ± 1 ms".parse().unwrap());
    let now = clock.now().unwrap();
    let mut register = Register::new();
    register.write(1, &now, &Seen::nothing()).unwrap();
    let (name, term) = ("accounts".parse().unwrap(), Duration::from_secs(1));
    let request = Lease::new(name).unwrap().request(&clock, term).unwrap();
    let grant =
        LeaseGrantor::first_ever(name, LeaseForm::Both, term).grant(&clock, &request).unwrap();
    let mut writer = FencingHolder::new(1).unwrap().writer(name);
    let token = writer.token(b"x").unwrap();
    let fence =
        FenceState { resource: name, sequence: 1, holder: token.holder, write: 1, last: u128::MAX };
    for message in [
        Message::Ask {
            id: RequestId::new(&now, term).unwrap(),
            envelope: clock.seal("hello".into()).unwrap(),
        },
        Message::Gossip { state: register.state().clone(), seen: register.read().seen().clone() },
        Message::Lease { request, grant },
        Message::Write { token, fence, stamp: HybridClock::new(clock.clone()).stamp().unwrap() },
    ] {
        let text = serde_json::to_string(&message).unwrap();
        assert_eq!(serde_json::from_str::<Message>(&text).unwrap(), message, "{text}");
        let value = serde_json::to_value(&message).unwrap();
        assert_eq!(serde_json::from_value::<Message>(value).unwrap(), message);
        let mut bytes = Vec::new();
        ciborium::into_writer(&message, &mut bytes).unwrap();
        assert_eq!(ciborium::from_reader::<Message, _>(&bytes[..]).unwrap(), message);
    }
    // In a form for machines 16 bytes.
    let mut bytes = Vec::new();
    ciborium::into_writer(&fence, &mut bytes).unwrap();
    assert_eq!(ciborium::from_reader::<FenceState, _>(&bytes[..]).unwrap(), fence);
    assert!(ciborium::from_reader::<FenceState, _>(&bytes[..bytes.len() - 1]).is_err());
    // 128 bits are 32 digits, not fewer, not others, and no number.
    let text = serde_json::to_string(&fence).unwrap();
    assert!(text.contains(r#""last":"ffffffffffffffffffffffffffffffff""#), "{text}");
    for bad in [r#""last":1"#, r#""last":"ff""#, r#""last":"+fffffffffffffffffffffffffffffff""#] {
        let bad = text.replace(r#""last":"ffffffffffffffffffffffffffffffff""#, bad);
        assert!(serde_json::from_str::<FenceState>(&bad).is_err(), "{bad}");
    }
}

#[cfg(feature = "rsntp")]
#[test]
fn the_rsntp_source_gives_an_interval_around_the_servers_time() {
    use std::time::Duration;
    use sureclock::ntp::{ServerIdentity, respond};
    use sureclock::{SureClock, TimeInterval, Timescale};

    let socket = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
    let server = socket.local_addr().unwrap();
    std::thread::spawn(move || {
        let mut buffer = [0; 512];
        while let Ok((length, client)) = socket.recv_from(&mut buffer) {
            let point = SureClock::wall_time().assume_true();
            let time = TimeInterval::new(point, point, Timescale::Utc).unwrap();
            if let Ok(reply) = respond(&buffer[..length], &time, &time, &ServerIdentity::default())
            {
                let _ = socket.send_to(&reply, client);
            }
        }
    });
    let builder = SureClock::builder()
        .rsntp_assuming_steady_os_clock(server.to_string(), Duration::from_micros(50));
    let clock = builder.max_faulty(0).start().unwrap();
    clock
        .wait_synchronized(Duration::from_secs(20))
        .unwrap_or_else(|e| panic!("{e}: {:#?}", clock.status()));
    for _ in 0..1000 {
        let before = SureClock::wall_time().assume_true();
        let now = clock.now().unwrap();
        let after = SureClock::wall_time().assume_true();
        assert!(now.earliest() <= after && before <= now.latest(), "{before} {now:#} {after}");
    }
}
