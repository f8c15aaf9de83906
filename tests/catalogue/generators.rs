//! Servers and hosts in all their variety, within the assumptions.

use super::run::Run;
use std::time::Duration;
use sureclock::Drift;
use sureclock::sim::{ClockError, Delay, Dice, Host, Oscillator, Path, Reply, Server};

pub(crate) const MS: Duration = Duration::from_millis(1);
pub(crate) const S: Duration = Duration::from_secs(1);

/// A path of any shape that loses at most a third of the datagrams.
pub(crate) fn any_path(dice: &mut Dice) -> Path {
    let delay = |dice: &mut Dice| match dice.below(6) {
        0 => Delay::default(),
        1 => Delay::new(dice.length(Duration::ZERO, MS), Duration::ZERO),
        2 => {
            Delay::new(dice.length(Duration::ZERO, 50 * MS), dice.length(Duration::ZERO, 100 * MS))
        }
        3 => Delay::new(MS, MS).ramp(u32::try_from(dice.below(200_000)).unwrap_or(0)),
        _ => Delay::new(dice.length(Duration::ZERO, 5 * MS), dice.length(Duration::ZERO, MS)),
    };
    let path = Path::new(delay(dice), delay(dice));
    match dice.below(5) {
        0 => path.loss_ppm(300_000),
        1 => path.duplicate_ppm(300_000).replay_ppm(300_000),
        2 => path.spoof_ppm(500_000).loss_ppm(50_000),
        _ => path,
    }
}

/// An honest server: exact, at either edge of what it claims, or anywhere within.
pub(crate) fn honest(dice: &mut Dice) -> Server {
    let error = *dice.one_of(&[
        ClockError::None,
        ClockError::AtEdge { ahead: true },
        ClockError::AtEdge { ahead: false },
        ClockError::AnywhereWithinClaims,
    ]);
    let path = any_path(dice);
    let server = if dice.below(3) == 0 {
        Server::direct()
    } else {
        let reply = match dice.below(12) {
            2 => Reply::Long,
            0 => Reply::SetBetween { ns: dice.within(-1_000_000_000, 1_000_000_000) },
            1 => Reply::ReferenceUnknown,
            _ => Reply::Proper,
        };
        let stratum = u8::try_from(1 + dice.below(14)).unwrap_or(1);
        Server::honest()
            .reply(reply)
            .stratum(stratum)
            .root_delay(dice.length(Duration::ZERO, 20 * MS))
    };
    let dispersion = dice.length(Duration::ZERO, 5 * MS);
    server
        .error(error)
        .path(path)
        .root_dispersion(dispersion)
        .processing(dice.length(Duration::ZERO, MS))
}

/// An exact source of facts without any delay in one direction or in both: its bound touches the
/// truth.
pub(crate) fn sharp(dice: &mut Dice) -> Server {
    let none = Delay::default();
    let some = Delay::new(dice.length(Duration::ZERO, MS), Duration::ZERO);
    let path = *dice.one_of(&[Path::new(none, none), Path::new(none, some), Path::new(some, none)]);
    if dice.below(2) == 0 {
        Server::direct().path(path).processing(Duration::ZERO)
    } else {
        let ahead = dice.below(2) == 0;
        Server::honest().error(ClockError::AtEdge { ahead }).path(path).processing(Duration::ZERO)
    }
}

/// Any server, sharp ones as often as others.
pub(crate) fn any_server(dice: &mut Dice) -> Server {
    if dice.below(2) == 0 { sharp(dice) } else { honest(dice) }
}

/// A liar of any kind of F7 and of any bad manners of F6.
pub(crate) fn liar(dice: &mut Dice) -> Server {
    const YEAR_NS: i64 = 365 * 86_400 * 1_000_000_000;
    let error = match dice.below(9) {
        0 => ClockError::BeyondClaims { ns: *dice.one_of(&[1_000, -1_000, 1_000_000, -1_000_000]) },
        1 => ClockError::Fixed { ns: *dice.one_of(&[12, -12]) * YEAR_NS },
        2 => ClockError::Ramp { ns_per_s: *dice.one_of(&[200_000, -200_000, 1_000_000, 250_000]) },
        3 => ClockError::Flip {
            ns: dice.within(1_000_000, 1_000_000_000),
            every: dice.length(S, 100 * S),
        },
        4 => ClockError::Random { most_ns: dice.within(1_000_000, 10_000_000_000) },
        _ => ClockError::Fixed { ns: dice.within(-50_000_000, 50_000_000) },
    };
    let wide = dice.below(4) == 0;
    let server = any_server(dice).error(error).reply(Reply::Proper);
    let server = if wide { server.root_dispersion(dice.length(S, 10 * S)) } else { server };
    if dice.below(4) == 0 { server.reply(bad_manners(dice)) } else { server }
}

/// A way of answering that gives no facts.
pub(crate) fn bad_manners(dice: &mut Dice) -> Reply {
    *dice.one_of(&[
        Reply::None,
        Reply::Unsynchronized,
        Reply::Stratum(0),
        Reply::Stratum(16),
        Reply::Stratum(255),
        Reply::Kiss(*b"RATE"),
        Reply::Kiss(*b"DENY"),
        Reply::Kiss(*b"RSTR"),
        Reply::Kiss(*b"XXXX"),
        Reply::TransmitBeforeReceive,
        Reply::ZeroStamps,
        Reply::ReferenceInTheFuture,
        Reply::Precision(0),
        Reply::Precision(127),
        Reply::Short,
        Reply::Ragged,
        Reply::ForeignOrigin,
        Reply::Noise,
    ])
}

/// A drift bound, and an oscillator within it: often exactly at it.
pub(crate) fn any_oscillator(dice: &mut Dice) -> (u32, Oscillator) {
    let k = *dice.one_of(&[200_000u32, 200_000, 15_000, 1_000, 50_000_000]);
    let bound = i32::try_from(k).unwrap_or(i32::MAX);
    let oscillator = match dice.below(8) {
        0 | 1 => Oscillator::steady(bound),
        2 | 3 => Oscillator::steady(-bound),
        4 => Oscillator::square(-bound, bound, dice.length(MS * 100, 60 * S)),
        5 => Oscillator::sine(bound, dice.length(10 * S, 600 * S)),
        6 => Oscillator::random_walk(bound, bound / 4 + 1, dice.length(S, 20 * S)),
        _ => Oscillator::temperature_steps(bound, dice.length(5 * S, 100 * S)),
    };
    (k, oscillator)
}

/// A host within the assumptions, of any kind.
pub(crate) fn any_host(name: &str, dice: &mut Dice) -> Host {
    let (k, oscillator) = any_oscillator(dice);
    let hz = *dice.one_of(&[
        1_000_000_000,
        1_000_000_000,
        25_000_000,
        3_000_000_000,
        24_000_000,
        3_579_545,
        1_000,
    ]);
    let poll = *dice.one_of(&[S, 2 * S, 4 * S, 16 * S, 64 * S]);
    let window = *dice.one_of(&[1024 * S, 1024 * S, 300 * S, 128 * S]);
    let starts_at = *dice.one_of(&[3_600_000_000_000, 5, 1 << 20, 1 << 62]);
    let host = Host::named(name).oscillator(oscillator).counter_hz(hz).counter_starts_at(starts_at);
    let host = host.settings(move |builder| {
        builder
            .drift(Drift::fixed_ppb(k))
            .poll_interval(poll)
            .window(window)
            .max_uncertainty(Duration::from_secs(3600))
            .check_interval(S)
    });
    let host = match dice.below(4) {
        0 => {
            host.nominal_error(i32::try_from(dice.within(-100_000, 100_000)).unwrap_or(0), 100_000)
        }
        1 => host.nominal_error(*dice.one_of(&[100_000, -100_000]), 100_000),
        _ => host,
    };
    let host = if dice.below(3) == 0 { calibrated(host, dice) } else { host };
    match dice.below(6) {
        0 => host.skew_ticks(u32::try_from(dice.below(2_000)).unwrap_or(0)),
        1 => host.granularity(300, 300),
        2 => host.stalls(50_000, dice.length(MS, S)),
        3 => host.stalls(2_000, dice.length(S, 100 * S)),
        _ => host,
    }
}

/// The host with a hardware counter, known to a ten-millionth or hardly at all, and off by as much
/// as it may be.
pub(crate) fn calibrated(host: Host, dice: &mut Dice) -> Host {
    let within = *dice.one_of(&[100, 20_000, 300_000, 20_000_000]);
    let off = i32::try_from(within).unwrap_or(0);
    host.hardware_counter(within, *dice.one_of(&[off, -off, 0]))
}

/// N from 3 to 7 servers, of which at most f are liars; gives f. Liars collude half of the time.
pub(crate) fn any_servers(run: &mut Run) -> usize {
    let n = usize::try_from(3 + 2 * run.dice.below(3) + run.dice.below(2)).unwrap_or(3);
    let faulty = (n - 1) / 2;
    let liars = usize::try_from(run.dice.below(faulty as u64 + 1)).unwrap_or(0);
    let first = liar(&mut run.dice);
    let collude = run.dice.below(2) == 0;
    for number in 0..n {
        let server = match number {
            0 if liars > 0 => first.clone(),
            _ if number < liars && collude => first.clone(),
            _ if number < liars => liar(&mut run.dice),
            _ => any_server(&mut run.dice),
        };
        run.server(&format!("s{number}"), server);
    }
    faulty
}

/// Three exact servers a few milliseconds away, and one host that polls every 4 s at `k` with
/// `oscillator`.
pub(crate) fn plain(run: &mut Run, k_ppb: u32, oscillator: Oscillator) {
    plain_servers(run);
    run.clock(plain_host("east", k_ppb, oscillator));
}

/// Three exact servers a few milliseconds away.
pub(crate) fn plain_servers(run: &mut Run) {
    for name in ["a", "b", "c"] {
        let path =
            Path::symmetric(run.dice.length(MS, 5 * MS), run.dice.length(Duration::ZERO, MS));
        run.server(name, Server::honest().path(path));
    }
}

pub(crate) fn plain_host(name: &str, k_ppb: u32, oscillator: Oscillator) -> Host {
    Host::named(name).oscillator(oscillator).settings(move |builder| {
        builder
            .drift(Drift::fixed_ppb(k_ppb))
            .poll_interval(4 * S)
            .max_uncertainty(Duration::from_secs(3600))
    })
}
