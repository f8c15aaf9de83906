//! Containment against three real chronyd processes: the host's CLOCK_REALTIME, which all of them
//! serve, is the truth.
//!
//! The law at every reading: `earliest <= os_after && os_before <= latest`.

mod support;

use std::net::SocketAddr;
use std::time::{Duration, Instant};
use support::chronyd::{Chronyd, Config, require_chronyd};
use support::relay::{Direction, Path, Relay, shift_server_stamps};
use sureclock::{State, SureClock, TimeInterval, Verdict};

const MS: Duration = Duration::from_millis(1);
const SERVING: Duration = Duration::from_secs(30);

fn start(config: Config) -> Chronyd {
    let mut daemon = Chronyd::start(config).expect("chronyd starts");
    daemon.wait_until_serving(SERVING).unwrap_or_else(|error| panic!("{error}\n{}", daemon.log()));
    daemon
}

fn clock(servers: [SocketAddr; 3]) -> SureClock {
    let builder = servers.iter().fold(SureClock::builder(), |b, s| b.ntp(s.to_string()));
    let clock = builder.poll_interval(20 * MS).start().unwrap();
    if let Err(error) = clock.wait_synchronized(Duration::from_secs(20)) {
        panic!("{error}: {:#?}", clock.status());
    }
    clock
}

/// Takes `count` readings over at least `span`, and gives how many had an interval; every one of
/// those holds the truth.
fn readings(clock: &SureClock, count: u32, span: Duration) -> u32 {
    let started = Instant::now();
    let mut held = 0;
    for i in 0..count {
        let before = SureClock::wall_time().assume_true();
        let now = clock.now();
        let after = SureClock::wall_time().assume_true();
        if let Ok(now) = now {
            assert!(
                now.earliest() <= after && before <= now.latest(),
                "reading {i}: {before} to {after} outside {now:#}\n{:#?}",
                clock.status()
            );
            held += 1;
        }
        let due = span * i / count;
        std::thread::sleep(due.saturating_sub(started.elapsed()));
    }
    held
}

fn verdict_of(clock: &SureClock, server: SocketAddr) -> Verdict {
    clock
        .status()
        .sources
        .iter()
        .find(|source| source.name == server.to_string())
        .expect("configured")
        .verdict
}

#[test]
fn the_host_clock_is_inside_every_one_of_10_000_readings() {
    if require_chronyd().is_none() {
        return;
    }
    let (a, b) = (start(Config::honest()), start(Config::honest()));
    let slow = Relay::start(a.addr(), Path::delayed(5 * MS)).unwrap();
    let stratum_2 = start(Config::follower(slow.addr()));
    let clock = clock([a.addr(), b.addr(), stratum_2.addr()]);
    assert_eq!(readings(&clock, 10_000, Duration::from_secs(4)), 10_000);
    let status = clock.status();
    let follower = status.sources.iter().find(|s| s.name == stratum_2.addr().to_string()).unwrap();
    assert_eq!(follower.stratum, Some(2));
    assert!(
        follower.root_distance.unwrap() >= 4 * MS,
        "half of a root delay of at least 8 ms: {follower:?}"
    );
    assert_eq!(status.state, State::Synchronized);
    assert!(status.sources.iter().all(|source| source.verdict == Verdict::Agrees), "{status:#?}");
}

#[test]
fn a_liar_by_500_ms_and_by_15_ms_moves_nothing() {
    if require_chronyd().is_none() {
        return;
    }
    let (a, b) = (start(Config::honest()), start(Config::honest()));
    for offset_ns in [500_000_000, -15_000_000] {
        let liar = start(Config::liar(a.addr(), offset_ns));
        let clock = clock([a.addr(), b.addr(), liar.addr()]);
        assert_eq!(readings(&clock, 10_000, Duration::from_secs(3)), 10_000);
        let verdict = verdict_of(&clock, liar.addr());
        assert!(
            matches!(verdict, Verdict::Falseticker | Verdict::Contradictory),
            "{offset_ns}: {verdict:?}"
        );
    }
}

#[test]
fn a_slow_ramp_of_one_server_moves_nothing() {
    if require_chronyd().is_none() {
        return;
    }
    let (a, b, c) = (start(Config::honest()), start(Config::honest()), start(Config::honest()));
    // 1 ms/s, told by T2 and T3 as if the server's clock ran 1000 ppm fast.
    let ramp = Path::clear().rewrite(|datagram, direction, since| {
        if direction == Direction::Backward {
            shift_server_stamps(datagram, i64::try_from(since.as_nanos() / 1000).unwrap());
        }
    });
    let ramp = Relay::start(c.addr(), ramp).unwrap();
    let clock = clock([a.addr(), b.addr(), ramp.addr()]);
    assert_eq!(readings(&clock, 10_000, Duration::from_secs(6)), 10_000);
    assert_ne!(verdict_of(&clock, ramp.addr()), Verdict::Agrees, "found out in the end");
}

#[test]
fn asymmetry_loss_and_an_outage_lose_freshness_only() {
    if require_chronyd().is_none() {
        return;
    }
    let servers = [start(Config::honest()), start(Config::honest()), start(Config::honest())];
    let mut relays = Vec::new();
    for (i, server) in servers.iter().enumerate() {
        let mut path = Path::clear().seed(u64::try_from(i).unwrap());
        // All of the delay on one way.
        let leg = if i == 0 { &mut path.forward } else { &mut path.backward };
        (leg.delay, leg.jitter, leg.loss_permille, leg.duplicate_permille) =
            (8 * MS, 4 * MS, 300, 100);
        relays.push(Relay::start(server.addr(), path).unwrap());
    }
    let clock = clock([relays[0].addr(), relays[1].addr(), relays[2].addr()]);
    let s = clock.commit_timestamp().unwrap();
    assert!(readings(&clock, 2_000, Duration::from_secs(2)) > 0);
    relays.iter().for_each(|relay| relay.set(Path::cut));
    assert_eq!(readings(&clock, 2_000, Duration::from_secs(2)), 2_000, "the last answer ages on");
    assert_eq!(clock.commit_wait(s).wait(), Ok(()), "a wait needs no new agreement");
    relays.iter().for_each(|relay| relay.set(Path::restore));
    assert_eq!(readings(&clock, 2_000, Duration::from_secs(2)), 2_000);
}

#[test]
fn a_server_that_is_restarted_and_one_that_stays_away_lose_freshness_only() {
    if require_chronyd().is_none() {
        return;
    }
    let (a, b, c) = (start(Config::honest()), start(Config::honest()), start(Config::honest()));
    let clock = clock([a.addr(), b.addr(), c.addr()]);
    drop(c);
    assert_eq!(readings(&clock, 2_000, Duration::from_secs(2)), 2_000);
    drop((a, b));
    assert_eq!(readings(&clock, 2_000, Duration::from_secs(2)), 2_000);
    // A source says why when it is asked again without an answer.
    let deadline = Instant::now() + Duration::from_secs(20);
    while clock.status().sources.iter().any(|source| source.problem.is_none()) {
        assert!(Instant::now() < deadline, "each says why: {:#?}", clock.status());
        std::thread::sleep(MS);
    }
}

#[test]
fn the_first_bound_stands_within_a_second_of_the_start() {
    if require_chronyd().is_none() {
        return;
    }
    let servers = [start(Config::honest()), start(Config::honest()), start(Config::honest())];
    let started = Instant::now();
    let _clock = clock([servers[0].addr(), servers[1].addr(), servers[2].addr()]);
    // A round trip on loopback is a hundred microseconds; a second is the promise, and does not
    // flake.
    assert!(started.elapsed() < Duration::from_secs(1), "{:?}", started.elapsed());
}

#[test]
fn the_twin_two_liars_that_agree_do_move_it() {
    if require_chronyd().is_none() {
        return;
    }
    let a = start(Config::honest());
    let liars =
        [start(Config::liar(a.addr(), 500_000_000)), start(Config::liar(a.addr(), 500_000_000))];
    let clock = clock([a.addr(), liars[0].addr(), liars[1].addr()]);
    // The first answer may come of two servers alone, and is certain still: wait for the third.
    let deadline = Instant::now() + Duration::from_secs(20);
    while clock.status().sources.iter().any(|source| source.last_heard.is_none()) {
        assert!(Instant::now() < deadline, "{:#?}", clock.status());
        std::thread::sleep(MS);
    }
    let outside = |now: TimeInterval| now.earliest() > SureClock::wall_time().assume_true();
    // Beyond f nothing is promised, and this check sees it.
    assert!(clock.now().is_ok_and(outside), "{:#?}", clock.status());
}
