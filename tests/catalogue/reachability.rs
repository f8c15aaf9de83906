//! Where sources are asked, and what they answer that is no time: names with many addresses,
//! kisses, wrong centuries.

use super::generators::*;
use super::run::{Checked, Run};
use std::net::{Ipv6Addr, SocketAddr};
use std::time::Duration;
use sureclock::sim::{ClockError, Host, Law, Oscillator, Path, Reply, Server};
use sureclock::{NowError, State};

/// Names with 1 to 8 addresses of each family, any of them dead, in any order: a bound within 4 s
/// of the turn of the first living one.
pub(crate) fn names_with_dead_addresses(run: &mut Run) -> Checked {
    names(run, false)
}

/// Its twin: of two of the names every address is dead.
pub(crate) fn names_without_a_living_address(run: &mut Run) -> Checked {
    names(run, true)
}

fn names(run: &mut Run, two_are_dead: bool) -> Checked {
    let (k, oscillator) = any_oscillator(&mut run.dice);
    let mut host =
        plain_host("east", k, oscillator).settings(|builder| builder.poll_interval(16 * S));
    let mut latest_turn = 0;
    for source in 0..3_u16 {
        let counts = [1 + run.dice.below(8), 1 + run.dice.below(8)];
        let mut servers = Vec::new();
        for (family, count) in [0_u16, 1].into_iter().zip(counts) {
            for number in 0..count {
                let number = u16::try_from(number).unwrap_or(0);
                let address: SocketAddr = match family {
                    0 => ([198, 19, source.to_be_bytes()[1], number.to_be_bytes()[1] + 1], 123)
                        .into(),
                    _ => (Ipv6Addr::new(0x2001, 0xdb8, 0, source, 0, 0, 0, number + 1), 123).into(),
                };
                servers.push(address);
            }
        }
        for at in (1..servers.len()).rev() {
            let with = usize::try_from(run.dice.below(at as u64 + 1)).unwrap_or(0);
            servers.swap(at, with);
        }
        // The resolver's order is anything; most put one family first, which may be dead as a
        // whole.
        let order = run.dice.below(4);
        match order {
            0 | 1 => servers.sort_by_key(SocketAddr::is_ipv4),
            2 => servers.sort_by_key(SocketAddr::is_ipv6),
            _ => {}
        }
        let first_family_is_dead = run.dice.below(2) == 0;
        let may_live: Vec<usize> = (0..servers.len())
            .filter(|at| !first_family_is_dead || servers[*at].is_ipv4() != servers[0].is_ipv4())
            .collect();
        let living = *run.dice.one_of(&may_live);
        let mut names = Vec::new();
        for (at, address) in servers.iter().enumerate() {
            // One lives for certain, and some others.
            let lives = at == living || may_live.contains(&at) && run.dice.below(4) == 0;
            let lives = lives && !(two_are_dead && source < 2);
            let server = Server::honest()
                .path(Path::symmetric(run.dice.length(MS, 20 * MS), MS))
                .at(*address);
            let name = format!("n{source}-{at}");
            run.server(&name, if lives { server } else { server.reply(Reply::None) });
            names.push(name);
        }
        latest_turn = latest_turn.max(turn_of(&servers, living));
        host = host.asks_name(format!("pool{source}"), names);
    }
    run.clock(host);
    run.tally.acts += 1;
    // A dead address costs its timeout of 2 s.
    let limit = 2 * S * u32::try_from(latest_turn).unwrap_or(u32::MAX) + 4 * S;
    let mut passed = Duration::ZERO;
    while passed <= limit {
        run.check()?;
        if run.now(0).is_ok() {
            return run.run(60 * S);
        }
        run.world.advance(100 * MS);
        passed += 100 * MS;
    }
    Err(run.world.violation(Law::Usefulness, || {
        format!("no bound after {limit:?}, {latest_turn} turns and 4 s")
    }))
}

/// How many addresses have their turn before this one: the families alternate.
fn turn_of(addresses: &[SocketAddr], of: usize) -> usize {
    let same = |a: &SocketAddr| a.is_ipv4() == addresses[of].is_ipv4();
    let place = addresses[..of].iter().filter(|address| same(address)).count();
    let others = addresses.iter().filter(|address| !same(address)).count();
    let is_first_family = same(&addresses[0]);
    place + others.min(if is_first_family { place } else { place + 1 })
}

/// For a while someone on the path answers for all servers that they want to be left alone, or
/// asked less often: once that is over, so is the silence, and no disruption after it waits for the
/// slow pace.
pub(crate) fn kisses_from_nobody(run: &mut Run) -> Checked {
    kisses(run, true)
}

/// Its twin: the kisses do not end.
pub(crate) fn kisses_without_end(run: &mut Run) -> Checked {
    kisses(run, false)
}

fn kisses(run: &mut Run, end: bool) -> Checked {
    let path = |run: &mut Run| Path::symmetric(run.dice.length(MS, 10 * MS), MS);
    let code = *run.dice.one_of(&[*b"DENY", *b"RSTR", *b"RATE"]);
    let at_the_start = run.dice.below(2) == 0;
    let (k, oscillator) = any_oscillator(&mut run.dice);
    let kissing = |run: &mut Run, on: bool| {
        for name in ["a", "b", "c"] {
            let server = Server::honest().path(path(run));
            run.server(name, if on { server.reply(Reply::Kiss(code)) } else { server });
        }
    };
    kissing(run, at_the_start);
    let host = plain_host("east", k, oscillator).settings(|builder| builder.poll_interval(16 * S));
    run.clock(host);
    if !at_the_start {
        run.settle()?;
        run.run(60 * S)?;
        kissing(run, true);
    }
    run.tally.acts += 1;
    let length = if code == *b"RATE" { 1200 * S } else { 20 * S };
    run.run(length)?;
    if end {
        kissing(run, false);
    }
    // The first rest is 256 s, the slowest pace 1024 s: then all is as it was.
    run.run(1100 * S)?;
    if run.now(0).is_err() {
        let state = run.clocks[0].status();
        return Err(run.world.violation(Law::Usefulness, || format!("still nothing: {state:?}")));
    }
    run.run(4000 * S)?;
    let clock = run.clocks[0].clone();
    run.excuse_readings(0);
    run.world.suspend(&clock, S);
    run.world.advance(S);
    run.must_notice(0, S, 105 * MS, &[sureclock::DisruptionReason::Suspended])?;
    run.run(70 * S)?;
    match run.now(0) {
        Ok(_) => Ok(()),
        Err(error) => {
            Err(run.world.violation(Law::Usefulness, || format!("70 s after a suspend: {error}")))
        }
    }
}

/// Several names stand for one pool of hosts: each source takes a host of its own.
pub(crate) fn names_that_share_a_pool(run: &mut Run) -> Checked {
    pool(run, 4)
}

/// Its twin: the pool is one host, and one domain is no agreement.
pub(crate) fn names_that_share_a_host(run: &mut Run) -> Checked {
    pool(run, 1)
}

fn pool(run: &mut Run, hosts: u64) -> Checked {
    let servers: Vec<String> = (0..hosts).map(|number| format!("s{number}")).collect();
    for name in &servers {
        let path = Path::symmetric(run.dice.length(MS, 10 * MS), MS);
        run.server(name, Server::honest().path(path));
    }
    let mut host = plain_host("east", 200_000, Oscillator::steady(0))
        .settings(|builder| builder.poll_interval(16 * S));
    for number in 0..3 {
        let mut order = servers.clone();
        order.rotate_left(usize::try_from(run.dice.below(hosts)).unwrap_or(0));
        host = host.asks_name(format!("{number}.pool"), order);
    }
    run.clock(host);
    run.tally.acts += 1;
    run.run(30 * S)?;
    let status = run.clocks[0].status();
    if status.distinct_domains == 3 && run.now(0).is_ok() {
        return Ok(());
    }
    let (domains, now) = (status.distinct_domains, run.now(0));
    Err(run
        .world
        .violation(Law::Usefulness, || format!("three names, {domains} failure domains, {now:?}")))
}

/// At most f servers are years off, in either direction, at the start or later: nothing but the
/// truth is believed.
pub(crate) fn some_in_the_wrong_century(run: &mut Run) -> Checked {
    let faulty = any_servers(run);
    let host = any_host("east", &mut run.dice);
    for number in 0..faulty {
        let server = in_the_wrong_century(run);
        run.server(&format!("s{number}"), server);
    }
    run.clock(host);
    run.settle()?;
    for _ in 0..4 {
        let (number, server) = (run.dice.below(faulty as u64), in_the_wrong_century(run));
        run.act(|world, _| world.server(format!("s{number}"), server))?;
        run.run(60 * S)?;
    }
    Ok(())
}

/// More than f servers become years wrong together, and right again: meanwhile there is no answer,
/// or the old one ages on, but no wrong year is believed; afterwards there is one within a minute,
/// and nobody had to decide anything.
pub(crate) fn most_in_the_wrong_century(run: &mut Run) -> Checked {
    wrong_year(run, &[31, 400, 7_168, 20_000, -31, -400, -7_168, -20_000])
}

/// Its twin: wrong by hours, which is within the limit of a jump, and believed.
pub(crate) fn most_wrong_by_hours(run: &mut Run) -> Checked {
    wrong_year(run, &[1])
}

fn wrong_year(run: &mut Run, days: &[i64]) -> Checked {
    let good =
        |run: &mut Run| Server::honest().path(Path::symmetric(run.dice.length(MS, 10 * MS), MS));
    for name in ["a", "b", "c"] {
        let server = good(run);
        run.server(name, server);
    }
    let (k, oscillator) = any_oscillator(&mut run.dice);
    run.clock(plain_host("east", k, oscillator).settings(|builder| builder.poll_interval(16 * S)));
    run.settle()?;
    run.run(60 * S)?;
    let days = *run.dice.one_of(days);
    for name in ["a", "b"] {
        let server = good(run).error(ClockError::Fixed { ns: days * DAY_NS });
        run.act(|world, _| world.server(name, server))?;
    }
    // Nobody is excused: not one wrong interval.
    run.run(300 * S)?;
    for name in ["a", "b"] {
        let server = good(run);
        run.act(|world, _| world.server(name, server))?;
    }
    run.run(60 * S)?;
    let state = run.clocks[0].status().state;
    match (run.now(0), state) {
        (Ok(_) | Err(NowError::TooUncertain { .. }), State::Synchronized) => Ok(()),
        (now, state) => {
            let what = || format!("a minute after {days} days were over: {now:?}, {state:?}");
            Err(run.world.violation(Law::Usefulness, what))
        }
    }
}

fn in_the_wrong_century(run: &mut Run) -> Server {
    let days = *run.dice.one_of(&[300, 400, 7_168, 24_000, 36_500, 49_000]);
    let days = if run.dice.below(2) == 0 { days } else { -days };
    Server::honest().path(any_path(&mut run.dice)).error(ClockError::Fixed { ns: days * DAY_NS })
}

/// One server of three announces a leap second for a day on which none comes: nothing is widened.
pub(crate) fn leap_second_on_an_ordinary_day(run: &mut Run) -> Checked {
    ordinary_day(run, 1)
}

/// Its twin: two of three do, and are believed.
pub(crate) fn leap_second_announced_by_most(run: &mut Run) -> Checked {
    ordinary_day(run, 2)
}

fn ordinary_day(run: &mut Run, liars: usize) -> Checked {
    let midnight: sureclock::Timestamp = "2026-11-24T00:00:00Z".parse().expect("a timestamp");
    let before = run.dice.length(60 * S, 300 * S);
    run.world = sureclock::sim::World::starting_at(
        run.world.seed(),
        midnight.checked_sub(before).expect("in range"),
    );
    let kind = *run
        .dice
        .one_of(&[sureclock::LeapAnnouncement::Insert, sureclock::LeapAnnouncement::Delete]);
    for (number, name) in ["a", "b", "c"].into_iter().enumerate() {
        let server = Server::honest();
        run.server(name, if number < liars { server.announces(kind) } else { server });
    }
    let host: Host = plain_host("east", 200_000, Oscillator::steady(200_000));
    run.clock(host);
    run.settle()?;
    run.tally.acts += 1;
    let mut most = Duration::ZERO;
    while run.world.true_time() < midnight.checked_add(30 * S).expect("in range") {
        run.run(S)?;
        most = most.max(run.now(0).map_or(Duration::MAX, |now| now.uncertainty()));
    }
    if most <= 100 * MS {
        return Ok(());
    }
    Err(run.world.violation(Law::Usefulness, || format!("an ordinary midnight is {most:?} wide")))
}

const DAY_NS: i64 = 86_400_000_000_000;
