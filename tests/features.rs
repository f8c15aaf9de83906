//! What the optional features add: wire forms under `serde`, and the rsntp source against a server.

#[cfg(feature = "serde")]
#[test]
fn an_interval_travels_as_two_numbers_and_its_timescale() {
    use sureclock::{TimeInterval, Timestamp};
    let interval: TimeInterval =
        "[1970-01-01T00:00:00.000000001Z, 1970-01-01T00:00:00.000000009Z] smear-24h".parse().unwrap();
    let json = serde_json::to_string(&interval).unwrap();
    assert_eq!(json, r#"{"earliest_ns":1,"latest_ns":9,"timescale":"smear-24h"}"#);
    assert_eq!(serde_json::from_str::<TimeInterval>(&json).unwrap(), interval);
    assert_eq!(serde_json::to_string(&Timestamp::from_unix_nanos(-5)).unwrap(), "-5");
    for bad in [
        r#"{"earliest_ns":9,"latest_ns":1,"timescale":"utc"}"#,
        r#"{"earliest_ns":1,"latest_ns":9}"#,
        r#"{"earliest_ns":1,"latest_ns":9,"timescale":"tai"}"#,
        r#"{"earliest_ns":1.5,"latest_ns":9,"timescale":"utc"}"#,
    ] {
        assert!(serde_json::from_str::<TimeInterval>(bad).is_err(), "{bad}");
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
            if let Ok(reply) = respond(&buffer[..length], &time, &time, &ServerIdentity::default()) {
                let _ = socket.send_to(&reply, client);
            }
        }
    });
    let builder = SureClock::builder().rsntp_assuming_steady_os_clock(server.to_string(), Duration::from_micros(50));
    let clock = builder.max_faulty(0).start().unwrap();
    clock.wait_synchronized(Duration::from_secs(20)).unwrap_or_else(|e| panic!("{e}: {:#?}", clock.status()));
    for _ in 0..1000 {
        let before = SureClock::wall_time().assume_true();
        let now = clock.now().unwrap();
        let after = SureClock::wall_time().assume_true();
        assert!(now.earliest() <= after && before <= now.latest(), "{before} {now:#} {after}");
    }
}
