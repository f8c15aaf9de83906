//! F6 to F9 and F12: faults of the network, the servers and the calendar, and commits under all of them.

use super::cast::*;
use super::stage::{Checked, Stage};
use std::time::Duration;
use sureclock::sim::{ClockError, Delay, Host, Law, Oscillator, Path, Reply, Server, World};
use sureclock::{CommitTimestamp, DisruptionReason, Drift, LeapAnnouncement, NowError, Timescale, Timestamp};

/// F6: asymmetry from 0 to 100 %, ramps, loss, duplicates, reordering, replay, spoofing; routes change; bad manners come and go.
pub(crate) fn network_misbehaves(stage: &mut Stage) -> Checked {
    any_servers(stage);
    let host = any_host("east", &mut stage.dice);
    stage.clock(host);
    stage.settle()?;
    for _ in 0..5 {
        let name = format!("s{}", stage.dice.below(3));
        let server = any_server(&mut stage.dice).path(any_path(&mut stage.dice));
        let server = match stage.dice.below(2) {
            0 => server.reply(bad_manners(&mut stage.dice)),
            _ => server,
        };
        stage.act(|world, _| world.server(name, server))?;
        stage.run(30 * S)?;
    }
    Ok(())
}

/// The twin of F6: someone on the path to all servers forges their answers.
pub(crate) fn path_forged(stage: &mut Stage) -> Checked {
    plain(stage, 200_000, Oscillator::steady(0));
    stage.settle()?;
    let ns = stage.dice.within(200_000_000, 2_000_000_000);
    for name in ["a", "b", "c"] {
        let forged = Server::honest().error(ClockError::Fixed { ns });
        stage.act(|world, _| world.server(name, forged))?;
    }
    stage.run(30 * S)
}

/// F7: up to f liars of every kind, alone and colluding.
pub(crate) fn liars(stage: &mut Stage) -> Checked {
    let faulty = any_servers(stage);
    let n = 2 * faulty + 1;
    // The first f are liars from now on, whatever they were.
    for number in 0..faulty {
        let server = liar(&mut stage.dice);
        stage.server(&format!("s{number}"), server);
    }
    for number in faulty..n {
        let server = any_server(&mut stage.dice);
        stage.server(&format!("s{number}"), server);
    }
    let host = any_host("east", &mut stage.dice);
    stage.clock(host);
    stage.settle()?;
    for _ in 0..4 {
        let (number, server) = (stage.dice.below(faulty as u64), liar(&mut stage.dice));
        stage.act(|world, _| world.server(format!("s{number}"), server))?;
        stage.run(60 * S)?;
    }
    Ok(())
}

/// F7: liars at the edge: their interval overlaps that of the honest ones, and claims less error than they do.
pub(crate) fn liars_at_the_edge(stage: &mut Stage) -> Checked {
    at_the_edge(stage, &["liar"])
}

/// The twin: two of three at the edge.
pub(crate) fn two_liars_at_the_edge(stage: &mut Stage) -> Checked {
    at_the_edge(stage, &["liar", "liar-too"])
}

fn at_the_edge(stage: &mut Stage, liars: &[&str]) -> Checked {
    let honest = ClockError::AtEdge { ahead: stage.dice.below(2) == 0 };
    let ns = stage.dice.within(1_000, 3_000_000);
    let ns = if stage.dice.below(2) == 0 { ns } else { -ns };
    let path = Path::symmetric(MS, Duration::ZERO);
    for name in liars {
        stage.server(name, Server::honest().error(ClockError::Fixed { ns }).path(path));
    }
    for name in &["a", "b"][..3 - liars.len()] {
        let claims = stage.dice.length(Duration::ZERO, 2 * MS);
        stage.server(name, Server::honest().error(honest).root_dispersion(claims).path(path));
    }
    let (k, oscillator) = any_oscillator(&mut stage.dice);
    stage.clock(plain_host("east", k, oscillator));
    stage.settle()?;
    stage.tally.acts += 1;
    stage.run(60 * S)
}

/// The twin of F7: f+1 liars that collude.
pub(crate) fn more_than_f_collude(stage: &mut Stage) -> Checked {
    let ns = *stage.dice.one_of(&[500_000_000, -500_000_000, 50_000_000, 378_432_000_000_000_000]);
    stage.server("a", Server::honest());
    for name in ["b", "c"] {
        stage.server(name, Server::honest().error(ClockError::Fixed { ns }));
    }
    stage.clock(plain_host("east", 200_000, Oscillator::steady(0)));
    stage.run(30 * S)
}

/// F7: f+1 liars that do not collude are seen: no answer fits, so there is none.
pub(crate) fn more_than_f_apart_are_seen(stage: &mut Stage) -> Checked {
    let ns = stage.dice.within(1_000_000_000, 5_000_000_000);
    apart_are_seen(stage, ns)
}

/// The twin: nobody lies, and there is nothing to see.
pub(crate) fn nobody_apart_is_not_seen(stage: &mut Stage) -> Checked {
    apart_are_seen(stage, 0)
}

fn apart_are_seen(stage: &mut Stage, ns: i64) -> Checked {
    plain(stage, 200_000, Oscillator::steady(0));
    stage.settle()?;
    stage.act(|world, clocks| {
        world.server("a", Server::honest().error(ClockError::Fixed { ns }));
        world.server("b", Server::honest().error(ClockError::Fixed { ns: -ns }));
        world.excuse(&clocks[0]);
    })?;
    stage.must_notice(0, Duration::ZERO, 10 * S, &CONTRADICTION)?;
    for _ in 0..10 {
        stage.world.advance(4 * S);
        if let now @ Ok(_) = stage.now(0) {
            return Err(stage.world.violation(Law::SeenInTime, || format!("three apart gave {now:?}")));
        }
    }
    Ok(())
}

/// F7: a liar for a time, then another, a window apart: at most f in any window.
pub(crate) fn liars_rotate(stage: &mut Stage) -> Checked {
    let window = 64 * S;
    let ns = *stage.dice.one_of(&[20_000_000, -20_000_000, 500_000_000]);
    let good = || Server::honest().path(Path::symmetric(2 * MS, MS));
    for name in ["a", "b", "c"] {
        stage.server(name, good());
    }
    let silent = stage.dice.below(2) == 0;
    let host = Host::named("east").settings(move |builder| {
        builder.drift(Drift::fixed_ppm(1)).poll_interval(4 * S).window(window).max_age(3600 * S)
    });
    stage.clock(host);
    stage.settle()?;
    let mut before: Option<&str> = None;
    for liar in ["a", "b", "c", "a"] {
        stage.act(|world, _| world.server(liar, good().error(ClockError::Fixed { ns })))?;
        stage.run(20 * S)?;
        // Who lied before is silent still: what was kept of it must not speak. Now it comes back.
        if let Some(before) = before.filter(|before| *before != liar) {
            stage.act(|world, _| world.server(before, good()))?;
        }
        let then = if silent { good().reply(Reply::None) } else { good() };
        stage.act(|world, _| world.server(liar, then))?;
        // Its facts are out of the window before the next one lies.
        stage.run(window + 8 * S)?;
        before = silent.then_some(liar);
    }
    Ok(())
}

/// F7: a liar falls silent, and when its facts are out of the window another appears and says the same: never more than one in a
/// window, but what is kept of the first must not speak for the second.
pub(crate) fn liars_relay(stage: &mut Stage) -> Checked {
    relay(stage, 72 * S)
}

/// The twin: the second appears while the facts of the first are in the window.
pub(crate) fn liars_relay_too_soon(stage: &mut Stage) -> Checked {
    relay(stage, 12 * S)
}

fn relay(stage: &mut Stage, pause: Duration) -> Checked {
    let window = 64 * S;
    let ns = *stage.dice.one_of(&[20_000_000, -20_000_000, 500_000_000]);
    let good = || Server::honest().path(Path::symmetric(2 * MS, MS));
    let lying = || good().error(ClockError::Fixed { ns });
    stage.server("honest", good());
    stage.server("first", lying());
    stage.server("second", good().path(Path::default().partitioned()));
    let host = Host::named("east").settings(move |builder| {
        builder.drift(Drift::fixed_ppm(1)).poll_interval(4 * S).window(window).max_age(3600 * S).max_uncertainty(S)
    });
    stage.clock(host);
    stage.settle()?;
    stage.run(20 * S)?;
    stage.act(|world, _| world.server("first", good().path(Path::default().partitioned())))?;
    stage.run(pause)?;
    stage.act(|world, _| world.server("second", lying()))?;
    stage.run(20 * S)
}

/// F7: wrong for a time with more than f, and right again: after the disruption the bound holds, and `earliest` has not gone
/// back.
pub(crate) fn recovery_after_more_than_f(stage: &mut Stage) -> Checked {
    plain(stage, 200_000, Oscillator::steady(-100_000));
    stage.settle()?;
    stage.run(10 * S)?;
    let ns = stage.dice.within(50_000_000, 3_000_000_000);
    let ns = if stage.dice.below(3) == 0 { -ns } else { ns };
    stage.act(|world, clocks| {
        for name in ["a", "b"] {
            world.server(name, Server::honest().error(ClockError::Fixed { ns }));
        }
        world.excuse(&clocks[0]);
    })?;
    // It contradicts what was published; a new epoch takes the lie for the truth.
    stage.must_notice(0, Duration::ZERO, 10 * S, &CONTRADICTION)?;
    let clock = stage.clocks[0].clone();
    for _ in 0..300 {
        clock.start_new_epoch();
        stage.world.advance(100 * MS);
        if clock.now().is_ok() {
            break;
        }
    }
    stage.excuse(0);
    stage.run(5 * S)?;
    for name in ["a", "b"] {
        stage.act(|world, _| world.server(name, Server::honest()))?;
    }
    // From the disruption that the honest answers bring, everything holds again.
    stage.must_notice(0, Duration::ZERO, 10 * S, &CONTRADICTION)?;
    stage.run(60 * S)
}

/// The twin: nobody is excused while they lie.
pub(crate) fn more_than_f_for_a_time(stage: &mut Stage) -> Checked {
    plain(stage, 200_000, Oscillator::steady(-100_000));
    stage.settle()?;
    let clock = stage.clocks[0].clone();
    for name in ["a", "b"] {
        let lying = Server::honest().error(ClockError::Fixed { ns: 500_000_000 });
        stage.act(|world, _| world.server(name, lying))?;
    }
    for _ in 0..100 {
        clock.start_new_epoch();
        stage.world.advance(100 * MS);
        stage.look()?;
    }
    Ok(())
}

/// F8: sources come and go below 2f+1, all are lost for hours, and come back.
pub(crate) fn sources_come_and_go(stage: &mut Stage) -> Checked {
    any_servers(stage);
    let host = any_host("east", &mut stage.dice);
    stage.clock(host.settings(|builder| builder.poll_interval(64 * S).max_age(24 * 3600 * S)));
    stage.settle()?;
    let names: Vec<String> = (0..3).map(|number| format!("s{number}")).collect();
    for _ in 0..4 {
        let lost = 1 + usize::try_from(stage.dice.below(3)).unwrap_or(0);
        for name in &names[..lost] {
            let dead = any_server(&mut stage.dice).reply(Reply::None);
            stage.act(|world, _| world.server(name.clone(), dead))?;
        }
        let length = *stage.dice.one_of(&[20 * S, 100 * S, 100 * S, 3 * 3600 * S]);
        stage.run(length)?;
        for name in &names[..lost] {
            // s0 may have been a liar: as an honest one its old facts would contradict it for a window, which is allowed.
            let back = any_server(&mut stage.dice);
            stage.act(|world, _| world.server(name.clone(), back))?;
        }
        stage.run(60 * S)?;
    }
    Ok(())
}

/// Its twin: of those that come back f+1 lie, and the others stay away.
pub(crate) fn liars_come_back(stage: &mut Stage) -> Checked {
    plain(stage, 200_000, Oscillator::steady(0));
    stage.settle()?;
    let ns = stage.dice.within(50_000_000, 1_000_000_000);
    for name in ["a", "b", "c"] {
        stage.act(|world, _| world.server(name, Server::honest().path(Path::default().partitioned())))?;
    }
    stage.run(2000 * S)?;
    for name in ["a", "b"] {
        stage.act(|world, _| world.server(name, Server::honest().error(ClockError::Fixed { ns })))?;
    }
    stage.run(60 * S)
}

/// F8: cut off from everyone, or from all but f: the interval grows, is too old after `max_age`, and never wrong; `after` goes on.
pub(crate) fn cut_off(stage: &mut Stage) -> Checked {
    cut_off_for(stage, 100 * S)
}

/// Its twin: asked before that age.
pub(crate) fn cut_off_for_less(stage: &mut Stage) -> Checked {
    cut_off_for(stage, 40 * S)
}

fn cut_off_for(stage: &mut Stage, length: Duration) -> Checked {
    for name in ["a", "b", "c"] {
        stage.server(name, Server::honest());
    }
    let (k, oscillator) = any_oscillator(&mut stage.dice);
    let host = plain_host("east", k, oscillator).settings(|builder| builder.max_age(60 * S));
    stage.clock(host);
    stage.settle()?;
    // One that still answers may be the liar: news from it alone is none.
    let one_stays = stage.dice.below(2) == 0;
    for name in if one_stays { &["a", "b"][..] } else { &["a", "b", "c"] } {
        stage.act(|world, _| world.server(*name, Server::honest().path(Path::default().partitioned())))?;
    }
    stage.run(length)?;
    let early = sureclock::Timestamp::from_unix_nanos(stage.world.true_time().as_unix_nanos() - 60_000_000_000);
    let (now, after) = (stage.now(0), stage.clocks[0].after(early));
    if matches!(now, Err(NowError::Stale { .. })) && after == Ok(true) {
        return Ok(());
    }
    Err(stage.world.violation(Law::SeenInTime, || format!("cut off for {length:?}: {now:?}, {after:?}")))
}

/// F8: a domain of an honest server and a liar: its bound is the hull of both, so it is not wrong. (More than is promised: such a
/// domain counts among the f; and where the liar is heard first and alone, it is wrong.)
pub(crate) fn domain_with_a_liar(stage: &mut Stage) -> Checked {
    domain(stage, false)
}

/// Its twin: the domain is trusted whole, and is wrong.
pub(crate) fn domain_with_a_liar_trusted_whole(stage: &mut Stage) -> Checked {
    domain(stage, true)
}

fn domain(stage: &mut Stage, trusted: bool) -> Checked {
    let ns = *stage.dice.one_of(&[2_500_000, -2_500_000]);
    stage.server("right", Server::honest().path(Path::symmetric(MS, Duration::ZERO)));
    let later = Path::symmetric(2 * MS, Duration::ZERO);
    stage.server("liar", Server::honest().path(later).error(ClockError::Fixed { ns }));
    let host = plain_host("east", 1_000, Oscillator::steady(0));
    let host = host.asks_in_domain("right", "site").asks_in_domain("liar", "site");
    let host = host.settings(|builder| builder.max_faulty(0));
    stage.clock(if trusted { host.trusts_domain("site") } else { host });
    stage.tally.acts += 1;
    stage.run(30 * S)
}

/// F8: two names for one lying host are one domain.
pub(crate) fn two_names_for_one_host(stage: &mut Stage) -> Checked {
    two_names(stage, true)
}

/// The twin of F8: two addresses for one lying host.
pub(crate) fn two_addresses_for_one_host(stage: &mut Stage) -> Checked {
    two_names(stage, false)
}

fn two_names(stage: &mut Stage, one_address: bool) -> Checked {
    let ns = *stage.dice.one_of(&[100_000_000, -3_000_000_000]);
    let lying = |number: u8| {
        let address = ([198, 51, 100, if one_address { 9 } else { number }], 123).into();
        Server::honest().error(ClockError::Fixed { ns }).at(address)
    };
    stage.server("a", Server::honest());
    stage.server("b", lying(10));
    stage.server("also-b", lying(11));
    let (k, oscillator) = any_oscillator(&mut stage.dice);
    stage.clock(plain_host("east", k, oscillator));
    stage.tally.acts += 1;
    stage.run(60 * S)
}

/// A world a minute or so before a midnight.
fn before_midnight(stage: &mut Stage) -> Timestamp {
    let midnight: Timestamp = "2027-01-01T00:00:00Z".parse().expect("a timestamp");
    let before = stage.dice.length(5 * S, 300 * S);
    let start = midnight.checked_sub(before).expect("in range");
    stage.world = World::starting_at(stage.world.seed(), start);
    start
}

/// F9: a leap second inserted or deleted, announced by honest servers that step early or late; and readers get answers through it.
pub(crate) fn leap_second(stage: &mut Stage) -> Checked {
    let day = before_midnight(stage);
    let inserted = stage.dice.below(2) == 0;
    stage.world.leap_second(day, inserted, true);
    for number in 0..3 {
        let server = any_server(&mut stage.dice);
        let server = if stage.dice.below(2) == 0 { server.steps_late() } else { server };
        stage.server(&format!("s{number}"), server);
    }
    let often = stage.dice.below(2) == 0;
    let host = any_host("east", &mut stage.dice);
    stage.clock(if often { host.settings(|builder| builder.poll_interval(S)) } else { host });
    stage.settle()?;
    stage.tally.acts += 1;
    // The last seconds before and the first after, closely.
    while stage.world.true_time().as_unix_nanos() < day.as_unix_nanos() + 320_000_000_000 {
        stage.run(4 * S)?;
    }
    let of_a_leap = ["leap second", "sources disagree", "contradicts published"];
    if !stage.tally.errors.keys().any(|kind| of_a_leap.contains(kind)) {
        return Ok(());
    }
    let errors = stage.tally.errors.clone();
    let what = || format!("an announced leap second took the answer away: {errors:?}");
    Err(stage.world.violation(Law::Usefulness, what))
}

/// F9: the same among liars, which announce what they like, or nothing; with pauses of readers and threads, losses, and restores.
pub(crate) fn leap_second_among_liars(stage: &mut Stage) -> Checked {
    let day = before_midnight(stage);
    let midnight: Timestamp = "2027-01-01T00:00:00Z".parse().expect("a timestamp");
    let (inserted, happens) = (stage.dice.below(2) == 0, stage.dice.below(4) != 0);
    if happens {
        stage.world.leap_second(day, inserted, true);
    }
    let n = 3 + 2 * stage.dice.below(2);
    for number in 0..n {
        let server = if number < (n - 1) / 2 {
            let kind =
                *stage.dice.one_of(&[LeapAnnouncement::Insert, LeapAnnouncement::Delete, LeapAnnouncement::None]);
            let by = *stage.dice.one_of(&[0, -1_000_000_000, 1_000_000_000, 2_000_000_000, 86_400_000_000_000]);
            let exact = any_server(&mut stage.dice).error(ClockError::Fixed { ns: by }).announces(kind);
            if stage.dice.below(4) == 0 { liar(&mut stage.dice).announces(kind) } else { exact }
        } else {
            any_server(&mut stage.dice)
        };
        let server = if stage.dice.below(2) == 0 { server.steps_late() } else { server };
        stage.server(&format!("s{number}"), server);
    }
    for name in ["east", "west"] {
        let host = any_host(name, &mut stage.dice);
        stage.clock(host);
    }
    stage.settle()?;
    while stage.world.true_time().as_unix_nanos() < day.as_unix_nanos() + 320_000_000_000 {
        let clock = stage.clocks[usize::try_from(stage.dice.below(2)).unwrap_or(0)].clone();
        let length = *stage.dice.one_of(&[MS, S, 3 * S]);
        // Half of the time a clock has to begin anew just when readings differ.
        let left = u64::try_from(midnight.as_unix_nanos() - stage.world.true_time().as_unix_nanos()).unwrap_or(0);
        if (1..5_000_000_000).contains(&left) && stage.dice.below(2) == 0 {
            let into = stage.dice.length(Duration::ZERO, 3 * S / 2);
            stage.run(Duration::from_nanos(left).saturating_sub(S / 2) + into)?;
            stage.act(|world, _| world.report_restore(&clock))?;
            stage.run(4 * S)?;
            continue;
        }
        match stage.dice.below(12) {
            0 => {
                stage.world.stop_process(&clock, length);
                stage.world.advance(length);
                stage.act(|_, _| ())?;
            }
            1 => stage.act(|world, _| world.report_restore(&clock))?,
            2 => {
                let point = *stage
                    .dice
                    .one_of(&[sureclock::sim::ReadPoint::BeforeCounter, sureclock::sim::ReadPoint::AfterCounter]);
                stage.act(|world, _| world.in_next_reading(&clock, point, move |world| world.advance(length)))?;
            }
            3 => {
                let number = n - 1;
                let other = any_server(&mut stage.dice);
                let other = if stage.dice.below(2) == 0 { other.reply(bad_manners(&mut stage.dice)) } else { other };
                stage.act(|world, _| world.server(format!("s{number}"), other))?;
            }
            _ => {}
        }
        stage.run(4 * S)?;
    }
    Ok(())
}

/// The twin of F9: a leap second that nobody announces.
pub(crate) fn leap_second_unannounced(stage: &mut Stage) -> Checked {
    unannounced(stage, None)
}

/// F9: a leap second that nobody announces is seen at the next answers.
pub(crate) fn leap_second_unannounced_is_seen(stage: &mut Stage) -> Checked {
    unannounced(stage, Some(40 * S))
}

/// F9: a leap second that no server announces, but the user.
pub(crate) fn leap_second_known_to_the_user(stage: &mut Stage) -> Checked {
    let day = before_midnight(stage);
    let inserted = stage.dice.below(2) == 0;
    stage.world.leap_second(day, inserted, false);
    plain_servers(stage);
    let kind = if inserted { LeapAnnouncement::Insert } else { LeapAnnouncement::Delete };
    let midnight: Timestamp = "2027-01-01T00:00:00Z".parse().expect("a timestamp");
    let host = plain_host("east", 200_000, Oscillator::steady(0));
    stage.clock(host.settings(move |builder| builder.leap_second(midnight, kind)));
    stage.settle()?;
    stage.tally.acts += 1;
    while stage.world.true_time().as_unix_nanos() < day.as_unix_nanos() + 320_000_000_000 {
        stage.run(4 * S)?;
    }
    Ok(())
}

fn unannounced(stage: &mut Stage, seen_within: Option<Duration>) -> Checked {
    let day = before_midnight(stage);
    stage.world.leap_second(day, true, false);
    plain(stage, 200_000, Oscillator::steady(0));
    stage.settle()?;
    let midnight: Timestamp = "2027-01-01T00:00:00Z".parse().expect("a timestamp");
    while stage.world.true_time() < midnight {
        let left = u64::try_from(midnight.as_unix_nanos() - stage.world.true_time().as_unix_nanos()).unwrap_or(0);
        stage.run(S.min(Duration::from_nanos(left.saturating_sub(1).max(1))))?;
        if seen_within.is_some() && left <= 1_000_000_000 {
            break;
        }
    }
    stage.tally.acts += 1;
    if let Some(limit) = seen_within {
        // From the last nanosecond of the day on a step may come that nobody has told of.
        stage.excuse(0);
        stage.must_notice(0, Duration::ZERO, limit, &CONTRADICTION)?;
    }
    while stage.world.true_time().as_unix_nanos() < day.as_unix_nanos() + 320_000_000_000 {
        stage.run(S)?;
    }
    Ok(())
}

/// F9: announced by one source, and false: nothing is lost but a second of width for some seconds.
pub(crate) fn leap_second_false(stage: &mut Stage) -> Checked {
    let day = before_midnight(stage);
    let false_alarm = *stage.dice.one_of(&[LeapAnnouncement::Insert, LeapAnnouncement::Delete]);
    for name in ["a", "b", "c"] {
        let server = Server::honest();
        stage.server(name, if name == "a" { server.announces(false_alarm) } else { server });
    }
    stage.clock(plain_host("east", 200_000, Oscillator::steady(200_000)));
    stage.settle()?;
    stage.tally.acts += 1;
    let (mut most, mut errors) = (Duration::ZERO, 0);
    while stage.world.true_time().as_unix_nanos() < day.as_unix_nanos() + 330_000_000_000 {
        stage.run(S)?;
        match stage.now(0) {
            Ok(now) => most = most.max(now.uncertainty()),
            Err(_) => errors += 1,
        }
    }
    let at_last = stage.now(0).map(|now| now.uncertainty());
    let (wide, narrow) = (Duration::from_millis(510), 100 * MS);
    if errors == 0 && most <= wide && at_last.is_ok_and(|uncertainty| uncertainty <= narrow) {
        return Ok(());
    }
    let what = || format!("a false alarm: {errors} errors, at most {most:?}, at last {at_last:?}");
    Err(stage.world.violation(Law::Usefulness, what))
}

/// F9: a server that smears unannounced among servers of UTC is one liar; a clock whose servers all smear follows them.
pub(crate) fn smears(stage: &mut Stage) -> Checked {
    let all = stage.dice.below(2) == 0;
    smear(stage, if all { 3 } else { 1 }, all)
}

/// Its twin: most of the servers smear, and the clock follows UTC.
pub(crate) fn most_smear(stage: &mut Stage) -> Checked {
    smear(stage, 2, false)
}

fn smear(stage: &mut Stage, smearing: usize, all: bool) -> Checked {
    let start: Timestamp = "2026-12-31T11:50:00Z".parse().expect("a timestamp");
    stage.world = World::starting_at(stage.world.seed(), start);
    stage.world.leap_second(start, stage.dice.below(2) == 0, true);
    let timescale = *stage.dice.one_of(&[Timescale::Smear24h, Timescale::Smear62500s]);
    for number in 0..3 {
        let server = sharp(&mut stage.dice);
        let server =
            if number < smearing { server.timescale(timescale).announces(LeapAnnouncement::None) } else { server };
        stage.server(&format!("s{number}"), server);
    }
    let (k, oscillator) = any_oscillator(&mut stage.dice);
    // A rate that is learned is that of the smear, too, which begins and ends.
    let learns = all && stage.dice.below(2) == 0;
    let oscillator = if learns { Oscillator::steady(50_000) } else { oscillator };
    let host = plain_host("east", k, oscillator).settings(move |builder| {
        let builder = builder.poll_interval(64 * S).adapt_poll_interval(false).check_interval(30 * S);
        let builder = if learns { builder.drift(Drift::learned_ppb(1_000)) } else { builder };
        if all { builder.timescale(timescale) } else { builder }
    });
    stage.clock(host);
    stage.settle()?;
    stage.tally.acts += 1;
    // The later of the two smears ends 17.4 hours after midnight.
    for _ in 0..15 {
        stage.run(2 * 3600 * S)?;
    }
    Ok(())
}

/// F12: commits on three machines at the edges of their bounds: early and spurious looks, new parameters and lost
/// synchronization in the middle of a wait, waits that are dropped.
pub(crate) fn commits(stage: &mut Stage) -> Checked {
    let lines =
        [Path::new(Delay::new(20 * MS, MS), Delay::default()), Path::new(Delay::default(), Delay::new(20 * MS, MS))];
    for (number, path) in [lines[0], lines[1], lines[0], lines[1], lines[0], lines[1]].iter().enumerate() {
        let server = if stage.dice.below(2) == 0 { Server::direct() } else { Server::honest() };
        stage.server(&format!("s{number}"), server.path(*path));
    }
    for (name, asks) in [("east", ["s0", "s2", "s4"]), ("west", ["s1", "s3", "s5"])] {
        let (k, oscillator) = any_oscillator(&mut stage.dice);
        let host = asks.iter().fold(plain_host(name, k, oscillator), |host, server| host.asks(*server));
        stage.clock(host);
    }
    stage.settle()?;
    for _ in 0..8 {
        let clock = stage.clocks[usize::try_from(stage.dice.below(2)).unwrap_or(0)].clone();
        match stage.dice.below(4) {
            0 => stage.act(|world, _| world.report_restore(&clock))?,
            1 => {
                // A stopped process: its waits are looked at late.
                stage.world.stop_process(&clock, 3 * S);
                stage.world.advance(3 * S);
                stage.act(|_, _| ())?;
            }
            _ => stage.act(|world, _| world.advance(Duration::from_micros(50)))?,
        }
        for _ in 0..3 {
            stage.run(60 * MS)?;
        }
        stage.run(10 * S)?;
    }
    Ok(())
}

/// The twin of F12: commits are exposed without a wait.
pub(crate) fn commits_without_a_wait(stage: &mut Stage) -> Checked {
    stage.waits_left_out = true;
    commits(stage)
}

/// F12: a timestamp far in the future is refused or waited for, never exposed early.
pub(crate) fn commit_far_in_the_future(stage: &mut Stage) -> Checked {
    let (k, oscillator) = any_oscillator(&mut stage.dice);
    plain(stage, k, oscillator);
    stage.settle()?;
    let clock = stage.clocks[0].clone();
    let Ok(now) = clock.now() else { return Ok(()) };
    let ahead = stage.dice.length(MS, 4 * S);
    let floor = now.latest().checked_add(ahead).expect("in range");
    stage.tally.acts += 1;
    match clock.commit_timestamp_above(floor).map(CommitTimestamp::timestamp) {
        Err(_) if ahead > 1_400 * MS => Ok(()),
        Err(error) => Err(stage.world.violation(Law::Usefulness, || format!("a floor {ahead:?} ahead: {error}"))),
        Ok(s) if s <= floor || ahead > 1_600 * MS => {
            Err(stage.world.violation(Law::CommitsAreOrdered, || format!("{s} above {floor}, {ahead:?} ahead")))
        }
        Ok(s) => {
            let wait = clock.wait_until_after(s);
            let waited = if stage.waits_left_out { Ok(()) } else { stage.world.wait(&wait, 60 * S) };
            let truth = stage.world.true_time();
            if waited.is_ok() && s > truth {
                return Err(stage.world.violation(Law::CommitsAreOrdered, || format!("{s} is exposed at {truth}")));
            }
            stage.run(10 * S)
        }
    }
}

/// Its twin: exposed without a wait.
pub(crate) fn commit_in_the_future_without_a_wait(stage: &mut Stage) -> Checked {
    stage.waits_left_out = true;
    commit_far_in_the_future(stage)
}

/// Everything within the assumptions at once, on two machines.
pub(crate) fn anything(stage: &mut Stage) -> Checked {
    any_servers(stage);
    for name in ["east", "west"] {
        let host = any_host(name, &mut stage.dice);
        stage.clock(host);
    }
    stage.settle()?;
    for _ in 0..6 {
        let clock = stage.clocks[usize::try_from(stage.dice.below(2)).unwrap_or(0)].clone();
        let length = *stage.dice.one_of(&[MS, S, 30 * S]);
        match stage.dice.below(6) {
            0 => {
                stage.world.stop_process(&clock, length);
                stage.world.advance(length);
                stage.act(|_, _| ())?;
            }
            1 => stage.act(|world, _| world.step_wall(&clock, 1_000_000_000))?,
            2 => stage.act(|world, _| world.report_restore(&clock))?,
            3 => {
                let dead = any_server(&mut stage.dice).reply(bad_manners(&mut stage.dice));
                stage.act(|world, _| world.server("s1", dead))?;
            }
            4 => {
                let other = clock.clone();
                stage.act(|world, _| {
                    world.in_next_reading(&clock, sureclock::sim::ReadPoint::AfterCounter, move |world| {
                        world.advance(length);
                        world.step_wall(&other, -5);
                    });
                })?;
            }
            _ => stage.act(|world, _| world.advance(length))?,
        }
        stage.run(40 * S)?;
    }
    Ok(())
}

/// Its twin: and f+1 liars.
pub(crate) fn anything_and_more_than_f(stage: &mut Stage) -> Checked {
    any_servers(stage);
    for number in 0..8 {
        stage.server(&format!("s{number}"), Server::honest().error(ClockError::Fixed { ns: 70_000_000 }));
    }
    let host = any_host("east", &mut stage.dice);
    stage.clock(host);
    stage.settle()?;
    stage.run(60 * S)
}

/// A clock that has lost its sources says so instead of a wrong thing: nothing of this kind is a violation, but it is counted.
pub(crate) fn never_synchronized(stage: &mut Stage) -> Checked {
    let replies = [bad_manners(&mut stage.dice), bad_manners(&mut stage.dice), bad_manners(&mut stage.dice)];
    out_of_nothing(stage, replies)
}

/// Its twin: two of three answer properly.
pub(crate) fn synchronized_by_two(stage: &mut Stage) -> Checked {
    let manners = bad_manners(&mut stage.dice);
    out_of_nothing(stage, [Reply::Proper, Reply::Proper, manners])
}

fn out_of_nothing(stage: &mut Stage, replies: [Reply; 3]) -> Checked {
    for (name, reply) in ["a", "b", "c"].into_iter().zip(replies) {
        stage.server(name, Server::honest().reply(reply));
    }
    stage.clock(plain_host("east", 200_000, Oscillator::steady(0)));
    stage.tally.acts += 1;
    stage.run(60 * S)?;
    match stage.now(0) {
        Err(NowError::NotSynchronized) => Ok(()),
        other => Err(stage.world.violation(Law::Containment, || format!("out of nothing came {other:?}"))),
    }
}

/// What exchanges that contradict what was believed are noticed as.
const CONTRADICTION: [DisruptionReason; 2] =
    [DisruptionReason::SourcesDisagree, DisruptionReason::ContradictsPublished];
