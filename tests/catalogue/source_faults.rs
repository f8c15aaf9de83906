//! F6 to F9 and F12: faults of the network, the servers and the calendar, and commits under all of
//! them.

use super::generators::*;
use super::run::{Checked, Run};
use std::time::Duration;
use sureclock::sim::{ClockError, Delay, Host, Law, Oscillator, Path, Reply, Server, World};
use sureclock::{
    CommitTimestamp, DisruptionReason, Drift, LeapAnnouncement, NowError, Timescale, Timestamp,
};

/// F6: asymmetry from 0 to 100 %, ramps, loss, duplicates, reordering, replay, spoofing; routes
/// change; bad manners come and go.
pub(crate) fn network_misbehaves(run: &mut Run) -> Checked {
    any_servers(run);
    let host = any_host("east", &mut run.dice);
    run.clock(host);
    run.settle()?;
    for _ in 0..5 {
        let name = format!("s{}", run.dice.below(3));
        let server = any_server(&mut run.dice).path(any_path(&mut run.dice));
        let server = match run.dice.below(2) {
            0 => server.reply(bad_manners(&mut run.dice)),
            _ => server,
        };
        run.act(|world, _| world.server(name, server))?;
        run.run(30 * S)?;
    }
    Ok(())
}

/// The twin of F6: someone on the path to all servers forges their answers.
pub(crate) fn path_forged(run: &mut Run) -> Checked {
    plain(run, 200_000, Oscillator::steady(0));
    run.settle()?;
    let ns = run.dice.within(200_000_000, 2_000_000_000);
    for name in ["a", "b", "c"] {
        let forged = Server::honest().error(ClockError::Fixed { ns });
        run.act(|world, _| world.server(name, forged))?;
    }
    run.run(30 * S)
}

/// F7: up to f liars of every kind, alone and colluding.
pub(crate) fn liars(run: &mut Run) -> Checked {
    let faulty = any_servers(run);
    let n = 2 * faulty + 1;
    // The first f are liars from now on, whatever they were.
    for number in 0..faulty {
        let server = liar(&mut run.dice);
        run.server(&format!("s{number}"), server);
    }
    for number in faulty..n {
        let server = any_server(&mut run.dice);
        run.server(&format!("s{number}"), server);
    }
    let host = any_host("east", &mut run.dice);
    run.clock(host);
    run.settle()?;
    for _ in 0..4 {
        let (number, server) = (run.dice.below(faulty as u64), liar(&mut run.dice));
        run.act(|world, _| world.server(format!("s{number}"), server))?;
        run.run(60 * S)?;
    }
    Ok(())
}

/// F7: liars at the edge: their interval overlaps that of the honest ones, and claims less error
/// than they do.
pub(crate) fn liars_at_the_edge(run: &mut Run) -> Checked {
    at_the_edge(run, &["liar"])
}

/// The twin: two of three at the edge.
pub(crate) fn two_liars_at_the_edge(run: &mut Run) -> Checked {
    at_the_edge(run, &["liar", "liar-too"])
}

fn at_the_edge(run: &mut Run, liars: &[&str]) -> Checked {
    let honest = ClockError::AtEdge { ahead: run.dice.below(2) == 0 };
    let ns = run.dice.within(1_000, 3_000_000);
    let ns = if run.dice.below(2) == 0 { ns } else { -ns };
    let path = Path::symmetric(MS, Duration::ZERO);
    for name in liars {
        run.server(name, Server::honest().error(ClockError::Fixed { ns }).path(path));
    }
    for name in &["a", "b"][..3 - liars.len()] {
        let claims = run.dice.length(Duration::ZERO, 2 * MS);
        run.server(name, Server::honest().error(honest).root_dispersion(claims).path(path));
    }
    let (k, oscillator) = any_oscillator(&mut run.dice);
    run.clock(plain_host("east", k, oscillator));
    run.settle()?;
    run.tally.acts += 1;
    run.run(60 * S)
}

/// The twin of F7: f+1 liars that collude.
pub(crate) fn more_than_f_collude(run: &mut Run) -> Checked {
    let ns = *run.dice.one_of(&[500_000_000, -500_000_000, 50_000_000, 378_432_000_000_000_000]);
    run.server("a", Server::honest());
    for name in ["b", "c"] {
        run.server(name, Server::honest().error(ClockError::Fixed { ns }));
    }
    run.clock(plain_host("east", 200_000, Oscillator::steady(0)));
    run.run(30 * S)
}

/// F7: f+1 liars that do not collude are seen: no answer fits, so there is none.
pub(crate) fn more_than_f_apart_are_seen(run: &mut Run) -> Checked {
    let ns = run.dice.within(1_000_000_000, 5_000_000_000);
    apart_are_seen(run, ns)
}

/// The twin: nobody lies, and there is nothing to see.
pub(crate) fn nobody_apart_is_not_seen(run: &mut Run) -> Checked {
    apart_are_seen(run, 0)
}

fn apart_are_seen(run: &mut Run, ns: i64) -> Checked {
    plain(run, 200_000, Oscillator::steady(0));
    run.settle()?;
    run.act(|world, clocks| {
        world.server("a", Server::honest().error(ClockError::Fixed { ns }));
        world.server("b", Server::honest().error(ClockError::Fixed { ns: -ns }));
        world.excuse_readings(&clocks[0]);
    })?;
    run.must_notice(0, Duration::ZERO, 10 * S, &CONTRADICTION)?;
    for _ in 0..10 {
        run.world.advance(4 * S);
        if let now @ Ok(_) = run.now(0) {
            return Err(run
                .world
                .violation(Law::SeenInTime, || format!("three apart gave {now:?}")));
        }
    }
    Ok(())
}

/// F7: a liar for a time, then another, a window apart: at most f in any window.
pub(crate) fn liars_rotate(run: &mut Run) -> Checked {
    let window = 64 * S;
    let ns = *run.dice.one_of(&[20_000_000, -20_000_000, 500_000_000]);
    let good = || Server::honest().path(Path::symmetric(2 * MS, MS));
    for name in ["a", "b", "c"] {
        run.server(name, good());
    }
    let silent = run.dice.below(2) == 0;
    let host = Host::named("east").settings(move |builder| {
        builder.drift(Drift::fixed_ppm(1)).poll_interval(4 * S).window(window).max_age(3600 * S)
    });
    run.clock(host);
    run.settle()?;
    let mut before: Option<&str> = None;
    for liar in ["a", "b", "c", "a"] {
        run.act(|world, _| world.server(liar, good().error(ClockError::Fixed { ns })))?;
        run.run(20 * S)?;
        // Who lied before is silent still: what was kept of it must not speak. Now it comes back.
        if let Some(before) = before.filter(|before| *before != liar) {
            run.act(|world, _| world.server(before, good()))?;
        }
        let then = if silent { good().reply(Reply::None) } else { good() };
        run.act(|world, _| world.server(liar, then))?;
        // Its facts are out of the window before the next one lies.
        run.run(window + 8 * S)?;
        before = silent.then_some(liar);
    }
    Ok(())
}

/// F7: a liar falls silent, and when its facts are out of the window another appears and says the
/// same: never more than one in a window, but what is kept of the first must not speak for the
/// second.
pub(crate) fn liars_relay(run: &mut Run) -> Checked {
    relay(run, 72 * S)
}

/// The twin: the second appears while the facts of the first are in the window.
pub(crate) fn liars_relay_too_soon(run: &mut Run) -> Checked {
    relay(run, 12 * S)
}

fn relay(run: &mut Run, pause: Duration) -> Checked {
    let window = 64 * S;
    let ns = *run.dice.one_of(&[20_000_000, -20_000_000, 500_000_000]);
    let good = || Server::honest().path(Path::symmetric(2 * MS, MS));
    let lying = || good().error(ClockError::Fixed { ns });
    run.server("honest", good());
    run.server("first", lying());
    run.server("second", good().path(Path::default().partitioned()));
    let host = Host::named("east").settings(move |builder| {
        builder
            .drift(Drift::fixed_ppm(1))
            .poll_interval(4 * S)
            .window(window)
            .max_age(3600 * S)
            .max_uncertainty(S)
    });
    run.clock(host);
    run.settle()?;
    run.run(20 * S)?;
    run.act(|world, _| world.server("first", good().path(Path::default().partitioned())))?;
    run.run(pause)?;
    run.act(|world, _| world.server("second", lying()))?;
    run.run(20 * S)
}

/// F7: wrong for a time with more than f, and right again: after the disruption the bound holds,
/// and `earliest` has not gone back.
pub(crate) fn recovery_after_more_than_f(run: &mut Run) -> Checked {
    plain(run, 200_000, Oscillator::steady(-100_000));
    run.settle()?;
    run.run(10 * S)?;
    let ns = run.dice.within(50_000_000, 3_000_000_000);
    let ns = if run.dice.below(3) == 0 { -ns } else { ns };
    run.act(|world, clocks| {
        for name in ["a", "b"] {
            world.server(name, Server::honest().error(ClockError::Fixed { ns }));
        }
        world.excuse_readings(&clocks[0]);
    })?;
    // It contradicts what was published; a new epoch takes the lie for the truth.
    run.must_notice(0, Duration::ZERO, 10 * S, &CONTRADICTION)?;
    let clock = run.clocks[0].clone();
    for _ in 0..300 {
        clock.start_new_epoch();
        run.world.advance(100 * MS);
        if clock.now().is_ok() {
            break;
        }
    }
    run.excuse_readings(0);
    run.run(5 * S)?;
    for name in ["a", "b"] {
        run.act(|world, _| world.server(name, Server::honest()))?;
    }
    // From the disruption that the honest answers bring, everything holds again.
    run.must_notice(0, Duration::ZERO, 10 * S, &CONTRADICTION)?;
    run.run(60 * S)
}

/// The twin: nobody is excused while they lie.
pub(crate) fn more_than_f_for_a_time(run: &mut Run) -> Checked {
    plain(run, 200_000, Oscillator::steady(-100_000));
    run.settle()?;
    let clock = run.clocks[0].clone();
    for name in ["a", "b"] {
        let lying = Server::honest().error(ClockError::Fixed { ns: 500_000_000 });
        run.act(|world, _| world.server(name, lying))?;
    }
    for _ in 0..100 {
        clock.start_new_epoch();
        run.world.advance(100 * MS);
        run.check()?;
    }
    Ok(())
}

/// F8: sources come and go below 2f+1, all are lost for hours, and come back.
pub(crate) fn sources_come_and_go(run: &mut Run) -> Checked {
    any_servers(run);
    let host = any_host("east", &mut run.dice);
    run.clock(host.settings(|builder| builder.poll_interval(64 * S).max_age(24 * 3600 * S)));
    run.settle()?;
    let names: Vec<String> = (0..3).map(|number| format!("s{number}")).collect();
    for _ in 0..4 {
        let lost = 1 + usize::try_from(run.dice.below(3)).unwrap_or(0);
        for name in &names[..lost] {
            let dead = any_server(&mut run.dice).reply(Reply::None);
            run.act(|world, _| world.server(name.clone(), dead))?;
        }
        let length = *run.dice.one_of(&[20 * S, 100 * S, 100 * S, 3 * 3600 * S]);
        run.run(length)?;
        for name in &names[..lost] {
            // s0 may have been a liar: as an honest one its old facts would contradict it for a
            // window, which is allowed.
            let back = any_server(&mut run.dice);
            run.act(|world, _| world.server(name.clone(), back))?;
        }
        run.run(60 * S)?;
    }
    Ok(())
}

/// Its twin: of those that come back f+1 lie, and the others stay away.
pub(crate) fn liars_come_back(run: &mut Run) -> Checked {
    plain(run, 200_000, Oscillator::steady(0));
    run.settle()?;
    let ns = run.dice.within(50_000_000, 1_000_000_000);
    for name in ["a", "b", "c"] {
        run.act(|world, _| {
            world.server(name, Server::honest().path(Path::default().partitioned()))
        })?;
    }
    run.run(2000 * S)?;
    for name in ["a", "b"] {
        run.act(|world, _| world.server(name, Server::honest().error(ClockError::Fixed { ns })))?;
    }
    run.run(60 * S)
}

/// F8: cut off from everyone, or from all but f: the interval grows, is too old after `max_age`,
/// and never wrong; `after` goes on.
pub(crate) fn cut_off(run: &mut Run) -> Checked {
    cut_off_for(run, 100 * S)
}

/// Its twin: asked before that age.
pub(crate) fn cut_off_for_less(run: &mut Run) -> Checked {
    cut_off_for(run, 40 * S)
}

fn cut_off_for(run: &mut Run, length: Duration) -> Checked {
    for name in ["a", "b", "c"] {
        run.server(name, Server::honest());
    }
    let (k, oscillator) = any_oscillator(&mut run.dice);
    let host = plain_host("east", k, oscillator).settings(|builder| builder.max_age(60 * S));
    run.clock(host);
    run.settle()?;
    // One that still answers may be the liar: its answers alone are no agreement.
    let one_stays = run.dice.below(2) == 0;
    for name in if one_stays { &["a", "b"][..] } else { &["a", "b", "c"] } {
        run.act(|world, _| {
            world.server(*name, Server::honest().path(Path::default().partitioned()))
        })?;
    }
    run.run(length)?;
    let early = sureclock::Timestamp::from_unix_nanos(
        run.world.true_time().as_unix_nanos() - 60_000_000_000,
    );
    let (now, after) = (run.now(0), run.clocks[0].after(early));
    if matches!(now, Err(NowError::Stale { .. })) && after == Ok(true) {
        return Ok(());
    }
    Err(run
        .world
        .violation(Law::SeenInTime, || format!("cut off for {length:?}: {now:?}, {after:?}")))
}

/// F8: a domain of an honest server and a liar: its bound is the hull of both, so it is not wrong.
/// (More than is promised: such a domain counts among the f; and where the liar is heard first and
/// alone, it is wrong.)
pub(crate) fn domain_with_a_liar(run: &mut Run) -> Checked {
    domain(run, false)
}

/// Its twin: the domain is trusted whole, and is wrong.
pub(crate) fn domain_with_a_liar_trusted_whole(run: &mut Run) -> Checked {
    domain(run, true)
}

fn domain(run: &mut Run, trusted: bool) -> Checked {
    let ns = *run.dice.one_of(&[2_500_000, -2_500_000]);
    run.server("right", Server::honest().path(Path::symmetric(MS, Duration::ZERO)));
    let later = Path::symmetric(2 * MS, Duration::ZERO);
    run.server("liar", Server::honest().path(later).error(ClockError::Fixed { ns }));
    let host = plain_host("east", 1_000, Oscillator::steady(0));
    let host = host.asks_in_domain("right", "site").asks_in_domain("liar", "site");
    let host = host.settings(|builder| builder.max_faulty(0));
    run.clock(if trusted { host.trusts_domain("site") } else { host });
    run.tally.acts += 1;
    run.run(30 * S)
}

/// F8: two names for one lying host are one domain.
pub(crate) fn two_names_for_one_host(run: &mut Run) -> Checked {
    two_names(run, true)
}

/// The twin of F8: two addresses for one lying host.
pub(crate) fn two_addresses_for_one_host(run: &mut Run) -> Checked {
    two_names(run, false)
}

fn two_names(run: &mut Run, one_address: bool) -> Checked {
    let ns = *run.dice.one_of(&[100_000_000, -3_000_000_000]);
    let lying = |number: u8| {
        let address = ([198, 51, 100, if one_address { 9 } else { number }], 123).into();
        Server::honest().error(ClockError::Fixed { ns }).at(address)
    };
    run.server("a", Server::honest());
    run.server("b", lying(10));
    run.server("also-b", lying(11));
    let (k, oscillator) = any_oscillator(&mut run.dice);
    run.clock(plain_host("east", k, oscillator));
    run.tally.acts += 1;
    run.run(60 * S)
}

/// A world a minute or so before a midnight.
fn before_midnight(run: &mut Run) -> Timestamp {
    let midnight: Timestamp = "2027-01-01T00:00:00Z".parse().expect("a timestamp");
    let before = run.dice.length(5 * S, 300 * S);
    let start = midnight.checked_sub(before).expect("in range");
    run.world = World::starting_at(run.world.seed(), start);
    start
}

/// F9: a leap second inserted or deleted, announced by honest servers that step early or late; and
/// readers get answers through it.
pub(crate) fn leap_second(run: &mut Run) -> Checked {
    let day = before_midnight(run);
    let inserted = run.dice.below(2) == 0;
    run.world.leap_second(day, inserted, true);
    for number in 0..3 {
        let server = any_server(&mut run.dice);
        let server = if run.dice.below(2) == 0 { server.steps_late() } else { server };
        run.server(&format!("s{number}"), server);
    }
    let often = run.dice.below(2) == 0;
    let host = any_host("east", &mut run.dice);
    run.clock(if often { host.settings(|builder| builder.poll_interval(S)) } else { host });
    run.settle()?;
    run.tally.acts += 1;
    // The last seconds before and the first after, closely.
    while run.world.true_time().as_unix_nanos() < day.as_unix_nanos() + 320_000_000_000 {
        run.run(4 * S)?;
    }
    let of_a_leap = ["leap second", "sources disagree", "contradicts published"];
    if !run.tally.errors.keys().any(|kind| of_a_leap.contains(kind)) {
        return Ok(());
    }
    let errors = run.tally.errors.clone();
    let what = || format!("an announced leap second took the answer away: {errors:?}");
    Err(run.world.violation(Law::Usefulness, what))
}

/// F9: the same among liars, which announce what they like, or nothing; with pauses of readers and
/// threads, losses, and restores.
pub(crate) fn leap_second_among_liars(run: &mut Run) -> Checked {
    let day = before_midnight(run);
    let midnight: Timestamp = "2027-01-01T00:00:00Z".parse().expect("a timestamp");
    let (inserted, happens) = (run.dice.below(2) == 0, run.dice.below(4) != 0);
    if happens {
        run.world.leap_second(day, inserted, true);
    }
    let n = 3 + 2 * run.dice.below(2);
    for number in 0..n {
        let server = if number < (n - 1) / 2 {
            let kind = *run.dice.one_of(&[
                LeapAnnouncement::Insert,
                LeapAnnouncement::Delete,
                LeapAnnouncement::None,
            ]);
            let by = *run.dice.one_of(&[
                0,
                -1_000_000_000,
                1_000_000_000,
                2_000_000_000,
                86_400_000_000_000,
            ]);
            let exact =
                any_server(&mut run.dice).error(ClockError::Fixed { ns: by }).announces(kind);
            if run.dice.below(4) == 0 { liar(&mut run.dice).announces(kind) } else { exact }
        } else {
            any_server(&mut run.dice)
        };
        let server = if run.dice.below(2) == 0 { server.steps_late() } else { server };
        run.server(&format!("s{number}"), server);
    }
    for name in ["east", "west"] {
        let host = any_host(name, &mut run.dice);
        run.clock(host);
    }
    run.settle()?;
    while run.world.true_time().as_unix_nanos() < day.as_unix_nanos() + 320_000_000_000 {
        let clock = run.clocks[usize::try_from(run.dice.below(2)).unwrap_or(0)].clone();
        let length = *run.dice.one_of(&[MS, S, 3 * S]);
        // Half of the time a clock has to begin anew just when readings differ.
        let left = u64::try_from(midnight.as_unix_nanos() - run.world.true_time().as_unix_nanos())
            .unwrap_or(0);
        if (1..5_000_000_000).contains(&left) && run.dice.below(2) == 0 {
            let into = run.dice.length(Duration::ZERO, 3 * S / 2);
            run.run(Duration::from_nanos(left).saturating_sub(S / 2) + into)?;
            run.act(|world, _| world.report_restore(&clock))?;
            run.run(4 * S)?;
            continue;
        }
        match run.dice.below(12) {
            0 => {
                run.world.stop_process(&clock, length);
                run.world.advance(length);
                run.act(|_, _| ())?;
            }
            1 => run.act(|world, _| world.report_restore(&clock))?,
            2 => {
                let point = *run.dice.one_of(&[
                    sureclock::sim::ReadPoint::BeforeCounter,
                    sureclock::sim::ReadPoint::AfterCounter,
                ]);
                run.act(|world, _| {
                    world.in_next_reading(&clock, point, move |world| world.advance(length))
                })?;
            }
            3 => {
                let number = n - 1;
                let other = any_server(&mut run.dice);
                let other = if run.dice.below(2) == 0 {
                    other.reply(bad_manners(&mut run.dice))
                } else {
                    other
                };
                run.act(|world, _| world.server(format!("s{number}"), other))?;
            }
            _ => {}
        }
        run.run(4 * S)?;
    }
    Ok(())
}

/// The twin of F9: a leap second that nobody announces.
pub(crate) fn leap_second_unannounced(run: &mut Run) -> Checked {
    unannounced(run, None)
}

/// F9: a leap second that nobody announces is seen at the next answers.
pub(crate) fn leap_second_unannounced_is_seen(run: &mut Run) -> Checked {
    unannounced(run, Some(40 * S))
}

/// F9: a leap second that no server announces, but the user.
pub(crate) fn leap_second_known_to_the_user(run: &mut Run) -> Checked {
    let day = before_midnight(run);
    let inserted = run.dice.below(2) == 0;
    run.world.leap_second(day, inserted, false);
    plain_servers(run);
    let kind = if inserted { LeapAnnouncement::Insert } else { LeapAnnouncement::Delete };
    let midnight: Timestamp = "2027-01-01T00:00:00Z".parse().expect("a timestamp");
    let host = plain_host("east", 200_000, Oscillator::steady(0));
    run.clock(host.settings(move |builder| builder.leap_second(midnight, kind)));
    run.settle()?;
    run.tally.acts += 1;
    while run.world.true_time().as_unix_nanos() < day.as_unix_nanos() + 320_000_000_000 {
        run.run(4 * S)?;
    }
    Ok(())
}

fn unannounced(run: &mut Run, seen_within: Option<Duration>) -> Checked {
    let day = before_midnight(run);
    run.world.leap_second(day, true, false);
    plain(run, 200_000, Oscillator::steady(0));
    run.settle()?;
    let midnight: Timestamp = "2027-01-01T00:00:00Z".parse().expect("a timestamp");
    while run.world.true_time() < midnight {
        let left = u64::try_from(midnight.as_unix_nanos() - run.world.true_time().as_unix_nanos())
            .unwrap_or(0);
        run.run(S.min(Duration::from_nanos(left.saturating_sub(1).max(1))))?;
        if seen_within.is_some() && left <= 1_000_000_000 {
            break;
        }
    }
    run.tally.acts += 1;
    if let Some(limit) = seen_within {
        // From the last nanosecond of the day on a step may come that nobody has told of.
        run.excuse_readings(0);
        run.must_notice(0, Duration::ZERO, limit, &CONTRADICTION)?;
    }
    while run.world.true_time().as_unix_nanos() < day.as_unix_nanos() + 320_000_000_000 {
        run.run(S)?;
    }
    Ok(())
}

/// F9: announced by one source, and false: nothing is lost but a second of width for some seconds.
pub(crate) fn leap_second_false(run: &mut Run) -> Checked {
    let day = before_midnight(run);
    let false_alarm = *run.dice.one_of(&[LeapAnnouncement::Insert, LeapAnnouncement::Delete]);
    for name in ["a", "b", "c"] {
        let server = Server::honest();
        run.server(name, if name == "a" { server.announces(false_alarm) } else { server });
    }
    run.clock(plain_host("east", 200_000, Oscillator::steady(200_000)));
    run.settle()?;
    run.tally.acts += 1;
    let (mut most, mut errors) = (Duration::ZERO, 0);
    while run.world.true_time().as_unix_nanos() < day.as_unix_nanos() + 330_000_000_000 {
        run.run(S)?;
        match run.now(0) {
            Ok(now) => most = most.max(now.uncertainty()),
            Err(_) => errors += 1,
        }
    }
    let at_last = run.now(0).map(|now| now.uncertainty());
    let (wide, narrow) = (Duration::from_millis(510), 100 * MS);
    if errors == 0 && most <= wide && at_last.is_ok_and(|uncertainty| uncertainty <= narrow) {
        return Ok(());
    }
    let what = || format!("a false alarm: {errors} errors, at most {most:?}, at last {at_last:?}");
    Err(run.world.violation(Law::Usefulness, what))
}

/// F9: a server that smears unannounced among servers of UTC is one liar; a clock whose servers all
/// smear follows them.
pub(crate) fn smears(run: &mut Run) -> Checked {
    let all = run.dice.below(2) == 0;
    smear(run, if all { 3 } else { 1 }, all)
}

/// Its twin: most of the servers smear, and the clock follows UTC.
pub(crate) fn most_smear(run: &mut Run) -> Checked {
    smear(run, 2, false)
}

fn smear(run: &mut Run, smearing: usize, all: bool) -> Checked {
    let start: Timestamp = "2026-12-31T11:50:00Z".parse().expect("a timestamp");
    run.world = World::starting_at(run.world.seed(), start);
    run.world.leap_second(start, run.dice.below(2) == 0, true);
    let timescale = *run.dice.one_of(&[Timescale::Smear24h, Timescale::Smear62500s]);
    for number in 0..3 {
        let server = sharp(&mut run.dice);
        let server = if number < smearing {
            server.timescale(timescale).announces(LeapAnnouncement::None)
        } else {
            server
        };
        run.server(&format!("s{number}"), server);
    }
    let (k, oscillator) = any_oscillator(&mut run.dice);
    // A rate that is learned is that of the smear, too, which begins and ends.
    let learns = all && run.dice.below(2) == 0;
    let oscillator = if learns { Oscillator::steady(50_000) } else { oscillator };
    let host = plain_host("east", k, oscillator).settings(move |builder| {
        let builder =
            builder.poll_interval(64 * S).adapt_poll_interval(false).check_interval(30 * S);
        let builder = if learns { builder.drift(Drift::learned_ppb(1_000)) } else { builder };
        if all { builder.timescale(timescale) } else { builder }
    });
    run.clock(host);
    run.settle()?;
    run.tally.acts += 1;
    // The later of the two smears ends 17.4 hours after midnight.
    for _ in 0..15 {
        run.run(2 * 3600 * S)?;
    }
    Ok(())
}

/// F12: commits on three machines at the edges of their bounds: early and spurious looks, new
/// parameters and lost synchronization in the middle of a wait, waits that are dropped.
pub(crate) fn commits(run: &mut Run) -> Checked {
    let lines = [
        Path::new(Delay::new(20 * MS, MS), Delay::default()),
        Path::new(Delay::default(), Delay::new(20 * MS, MS)),
    ];
    for (number, path) in
        [lines[0], lines[1], lines[0], lines[1], lines[0], lines[1]].iter().enumerate()
    {
        let server = if run.dice.below(2) == 0 { Server::direct() } else { Server::honest() };
        run.server(&format!("s{number}"), server.path(*path));
    }
    for (name, asks) in [("east", ["s0", "s2", "s4"]), ("west", ["s1", "s3", "s5"])] {
        let (k, oscillator) = any_oscillator(&mut run.dice);
        let host =
            asks.iter().fold(plain_host(name, k, oscillator), |host, server| host.asks(*server));
        run.clock(host);
    }
    run.settle()?;
    for _ in 0..8 {
        let clock = run.clocks[usize::try_from(run.dice.below(2)).unwrap_or(0)].clone();
        match run.dice.below(4) {
            0 => run.act(|world, _| world.report_restore(&clock))?,
            1 => {
                // A stopped process: its waits are looked at late.
                run.world.stop_process(&clock, 3 * S);
                run.world.advance(3 * S);
                run.act(|_, _| ())?;
            }
            _ => run.act(|world, _| world.advance(Duration::from_micros(50)))?,
        }
        for _ in 0..3 {
            run.run(60 * MS)?;
        }
        run.run(10 * S)?;
    }
    Ok(())
}

/// The twin of F12: commits are exposed without a wait.
pub(crate) fn commits_without_a_wait(run: &mut Run) -> Checked {
    run.waits_left_out = true;
    commits(run)
}

/// F12: a timestamp far in the future is refused or waited for, never exposed early.
pub(crate) fn commit_far_in_the_future(run: &mut Run) -> Checked {
    let (k, oscillator) = any_oscillator(&mut run.dice);
    plain(run, k, oscillator);
    run.settle()?;
    let clock = run.clocks[0].clone();
    let Ok(now) = clock.now() else { return Ok(()) };
    let ahead = run.dice.length(MS, 4 * S);
    let floor = now.latest().checked_add(ahead).expect("in range");
    run.tally.acts += 1;
    match clock.commit_timestamp_above(floor).map(CommitTimestamp::timestamp) {
        Err(_) if ahead > 1_400 * MS => Ok(()),
        Err(error) => Err(run
            .world
            .violation(Law::Usefulness, || format!("a floor {ahead:?} ahead: {error}"))),
        Ok(s) if s <= floor || ahead > 1_600 * MS => Err(run
            .world
            .violation(Law::CommitsAreOrdered, || format!("{s} above {floor}, {ahead:?} ahead"))),
        Ok(s) => {
            let wait = clock.wait_until_after(s);
            let waited = if run.waits_left_out { Ok(()) } else { run.world.wait(&wait, 60 * S) };
            let truth = run.world.true_time();
            if waited.is_ok() && s > truth {
                return Err(run
                    .world
                    .violation(Law::CommitsAreOrdered, || format!("{s} is exposed at {truth}")));
            }
            run.run(10 * S)
        }
    }
}

/// Its twin: exposed without a wait.
pub(crate) fn commit_in_the_future_without_a_wait(run: &mut Run) -> Checked {
    run.waits_left_out = true;
    commit_far_in_the_future(run)
}

/// Everything within the assumptions at once, on two machines.
pub(crate) fn anything(run: &mut Run) -> Checked {
    any_servers(run);
    for name in ["east", "west"] {
        let host = any_host(name, &mut run.dice);
        run.clock(host);
    }
    run.settle()?;
    for _ in 0..6 {
        let clock = run.clocks[usize::try_from(run.dice.below(2)).unwrap_or(0)].clone();
        let length = *run.dice.one_of(&[MS, S, 30 * S]);
        match run.dice.below(6) {
            0 => {
                run.world.stop_process(&clock, length);
                run.world.advance(length);
                run.act(|_, _| ())?;
            }
            1 => run.act(|world, _| world.step_wall(&clock, 1_000_000_000))?,
            2 => run.act(|world, _| world.report_restore(&clock))?,
            3 => {
                let dead = any_server(&mut run.dice).reply(bad_manners(&mut run.dice));
                run.act(|world, _| world.server("s1", dead))?;
            }
            4 => {
                let other = clock.clone();
                run.act(|world, _| {
                    world.in_next_reading(
                        &clock,
                        sureclock::sim::ReadPoint::AfterCounter,
                        move |world| {
                            world.advance(length);
                            world.step_wall(&other, -5);
                        },
                    );
                })?;
            }
            _ => run.act(|world, _| world.advance(length))?,
        }
        run.run(40 * S)?;
    }
    Ok(())
}

/// Its twin: and f+1 liars.
pub(crate) fn anything_and_more_than_f(run: &mut Run) -> Checked {
    any_servers(run);
    for number in 0..8 {
        run.server(
            &format!("s{number}"),
            Server::honest().error(ClockError::Fixed { ns: 70_000_000 }),
        );
    }
    let host = any_host("east", &mut run.dice);
    run.clock(host);
    run.settle()?;
    run.run(60 * S)
}

/// A clock that has lost its sources says so instead of a wrong thing: nothing of this kind is a
/// violation, but it is counted.
pub(crate) fn never_synchronized(run: &mut Run) -> Checked {
    let replies =
        [bad_manners(&mut run.dice), bad_manners(&mut run.dice), bad_manners(&mut run.dice)];
    out_of_nothing(run, replies)
}

/// Its twin: two of three answer properly.
pub(crate) fn synchronized_by_two(run: &mut Run) -> Checked {
    let manners = bad_manners(&mut run.dice);
    out_of_nothing(run, [Reply::Proper, Reply::Proper, manners])
}

fn out_of_nothing(run: &mut Run, replies: [Reply; 3]) -> Checked {
    for (name, reply) in ["a", "b", "c"].into_iter().zip(replies) {
        run.server(name, Server::honest().reply(reply));
    }
    run.clock(plain_host("east", 200_000, Oscillator::steady(0)));
    run.tally.acts += 1;
    run.run(60 * S)?;
    match run.now(0) {
        Err(NowError::NotSynchronized) => Ok(()),
        other => {
            Err(run.world.violation(Law::Containment, || format!("out of nothing came {other:?}")))
        }
    }
}

/// What exchanges that contradict what was believed are noticed as.
const CONTRADICTION: [DisruptionReason; 2] =
    [DisruptionReason::SourcesDisagree, DisruptionReason::ContradictsPublished];
