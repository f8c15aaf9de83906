//! F2 with a learned rate, assumption (W).

use super::generators::*;
use super::run::{Checked, Run};
use std::time::Duration;
use sureclock::sim::{Dice, Host, Law, Oscillator, Path, Server};
use sureclock::{DisruptionReason, Drift};

/// Wanders, and rates that keep them: all of them lie within a band as wide as the wander, so none
/// is further than that from any mean.
struct Band {
    wander: u32,
    low: i32,
    high: i32,
}

impl Band {
    fn any(dice: &mut Dice) -> Band {
        let wander = *dice.one_of(&[50, 1_000, 2_000, 2_000, 20_000, 100_000]);
        // The wander is a part of the mean, which may be a little less than one.
        let width = i32::try_from(wander - wander / 4_000 - 1).unwrap_or(0);
        let low = i32::try_from(dice.within(-200_000, 200_000 - i64::from(width))).unwrap_or(0);
        Band { wander, low, high: low + width }
    }

    /// An oscillator that stays within it, and mostly goes from one end to the other.
    fn oscillator(&self, dice: &mut Dice, window: Duration) -> Oscillator {
        match dice.below(6) {
            0 => Oscillator::steady(self.low),
            1 => Oscillator::steady(self.high),
            2 => Oscillator::square(self.low, self.high, dice.length(S, window)),
            _ => Oscillator::square(self.low, self.high, dice.length(window, 6 * window)),
        }
    }

    fn drift(&self) -> Drift {
        Drift::learned_ppb(self.wander)
    }
}

fn host(dice: &mut Dice, drift: Drift, window: Duration) -> Host {
    let poll = *dice.one_of(&[window / 256, window / 64, window / 64, window / 16]);
    let hz = *dice.one_of(&[1_000_000_000, 1_000_000_000, 3_000_000_000, 24_000_000]);
    let adapts = dice.below(4) == 0;
    let host = Host::named("east").counter_hz(hz).settings(move |builder| {
        builder
            .adapt_poll_interval(adapts)
            .drift(drift)
            .window(window)
            .max_age(window)
            .poll_interval(poll.max(S))
            .max_uncertainty(3600 * S)
            .check_interval(S)
    });
    let host = if dice.below(3) == 0 { calibrated(host, dice) } else { host };
    match dice.below(6) {
        0 => host.skew_ticks(u32::try_from(dice.below(2_000)).unwrap_or(0)),
        1 => host.granularity(300, 300),
        2 => host.stalls(50_000, dice.length(MS, S)),
        3 => host.nominal_error(*dice.one_of(&[100_000, -100_000]), 100_000),
        _ => host,
    }
}

fn any_short_path(dice: &mut Dice) -> Path {
    Path::symmetric(dice.length(MS / 5, MS), dice.length(Duration::ZERO, MS / 5))
}

fn any_window(dice: &mut Dice) -> Duration {
    *dice.one_of(&[64 * S, 64 * S, 64 * S, 256 * S, 256 * S, 256 * S, 256 * S, 1024 * S])
}

/// A rate that wanders exactly as far as it may, from one end of its band to the other.
pub(crate) fn rate_wanders_at_the_limit(run: &mut Run) -> Checked {
    if run.dice.below(2) == 0 {
        any_servers(run);
    } else {
        for name in ["a", "b", "c"] {
            let server = sharp(&mut run.dice);
            run.server(name, server);
        }
    }
    let (band, window) = (Band::any(&mut run.dice), any_window(&mut run.dice));
    let host = host(&mut run.dice, band.drift(), window)
        .oscillator(band.oscillator(&mut run.dice, window));
    run.clock(host);
    run.settle()?;
    for _ in 0..6 {
        let oscillator = band.oscillator(&mut run.dice, window);
        run.act(|world, clocks| world.replace_oscillator(&clocks[0], oscillator))?;
        run.run(window * 3 / 2)?;
    }
    Ok(())
}

/// The twin: it wanders by 20 to 100 times as much as is assumed, after it has been learned.
pub(crate) fn rate_wanders_beyond_the_limit(run: &mut Run) -> Checked {
    for name in ["a", "b", "c"] {
        let server = sharp(&mut run.dice);
        run.server(name, server);
    }
    let host = Host::named("east")
        .settings(|b| b.drift(Drift::learned_ppb(1_000)).window(256 * S).poll_interval(16 * S));
    run.clock(host);
    run.run(1_500 * S)?;
    let ppb = *run.dice.one_of(&[20_000, -20_000, 100_000, -100_000]);
    run.act(|world, clocks| world.replace_oscillator(&clocks[0], Oscillator::steady(ppb)))?;
    run.run(200 * S)
}

/// All servers fall silent; the rate stays where it was learned for as long as is assumed, and then
/// goes to the drift bound.
pub(crate) fn rate_leaves_after_its_horizon(run: &mut Run) -> Checked {
    cut_off(run, 257 * S)
}

/// The twin: it goes there before.
pub(crate) fn rate_leaves_before_its_horizon(run: &mut Run) -> Checked {
    cut_off(run, 20 * S)
}

fn cut_off(run: &mut Run, leaves_after: Duration) -> Checked {
    for name in ["a", "b", "c"] {
        run.server(name, Server::direct().path(Path::default()).processing(Duration::ZERO));
    }
    let host = Host::named("east").settings(|builder| {
        builder
            .drift(Drift::learned_ppb(1_000))
            .window(256 * S)
            .poll_interval(8 * S)
            .max_uncertainty(S)
    });
    run.clock(host);
    run.run(1_500 * S)?;
    for name in ["a", "b", "c"] {
        run.act(|world, _| {
            world.server(name, Server::direct().path(Path::default().partitioned()))
        })?;
    }
    run.run(leaves_after)?;
    let ppb = *run.dice.one_of(&[200_000, -200_000]);
    run.act(|world, clocks| world.replace_oscillator(&clocks[0], Oscillator::steady(ppb)))?;
    run.run(500 * S)
}

/// Servers up to a millisecond away, a rate that is learned, and a step of it by `ppb`, which
/// nobody can know of at once.
fn step(run: &mut Run, ppb: i32) -> Checked {
    for name in ["a", "b", "c"] {
        let path = any_short_path(&mut run.dice);
        run.server(name, Server::honest().path(path));
    }
    let host = Host::named("east")
        .settings(|b| b.drift(Drift::learned_ppb(2_000)).window(256 * S).poll_interval(4 * S));
    let clock = run.clock(host);
    run.run(1_500 * S)?;
    if clock.status().learned_rate.is_none() {
        return Err(run.world.violation(Law::Usefulness, || "no rate was learned".to_owned()));
    }
    run.excuse_readings(0);
    run.act(|world, clocks| world.replace_oscillator(&clocks[0], Oscillator::steady(ppb)))?;
    run.must_notice(0, Duration::ZERO, 120 * S, &[DisruptionReason::RateWandered])
}

/// A rate that steps by more than is assumed, but not out of the drift bound: seen in time, given
/// up, and certain from then on, also with the rate that is learned afresh.
pub(crate) fn rate_wandering_beyond_is_seen(run: &mut Run) -> Checked {
    let ppb = *run.dice.one_of(&[60_000, -60_000, 150_000, -150_000]);
    step(run, ppb)?;
    let clock = run.clocks[0].clone();
    let status = clock.status();
    if (status.counts.rates_given_up, status.learned_rate) != (1, None) {
        return Err(run
            .world
            .violation(Law::Usefulness, || format!("not given up once: {status:?}")));
    }
    run.run(10 * S)?;
    if run.now(0).is_err() {
        return Err(run
            .world
            .violation(Law::Usefulness, || "no answer after ten seconds".to_owned()));
    }
    run.run(1_500 * S)?;
    match clock.status().learned_rate {
        Some(learned) if (learned.least_ppb..=learned.most_ppb).contains(&i64::from(ppb)) => Ok(()),
        other => Err(run
            .world
            .violation(Law::Usefulness, || format!("{ppb} was not learned: {other:?}"))),
    }
}

/// The twin: a step as large as is assumed is nothing to be seen.
pub(crate) fn rate_wandering_within_is_not_seen(run: &mut Run) -> Checked {
    let ppb = *run.dice.one_of(&[1_990, -1_990]);
    step(run, ppb)
}

/// With a learned rate the interval is narrower than with the drift bound alone: to a fifth where
/// polls are far apart and paths short.
pub(crate) fn learning_pays(run: &mut Run) -> Checked {
    pays(run, Drift::learned_ppb(2_000))
}

/// The twin: with the bound alone it is not.
pub(crate) fn a_fixed_bound_does_not_pay(run: &mut Run) -> Checked {
    pays(run, Drift::fixed_ppm(200))
}

fn pays(run: &mut Run, drift: Drift) -> Checked {
    for name in ["a", "b", "c"] {
        let path = any_short_path(&mut run.dice);
        run.server(name, Server::direct().path(path).processing(Duration::ZERO));
    }
    let ppb = i32::try_from(run.dice.within(-150_000, 150_000)).unwrap_or(0);
    let host = Host::named("east").oscillator(Oscillator::steady(ppb));
    run.clock(
        host.settings(move |b| b.drift(drift).poll_interval(64 * S).adapt_poll_interval(false)),
    );
    run.settle()?;
    run.tally.acts += 1;
    run.run(3_600 * S)?;
    let mut widths = Vec::new();
    for _ in 0..40 {
        let step = run.dice.length(Duration::ZERO, 64 * S);
        run.world.advance(step);
        run.check()?;
        widths.extend(run.now(0).map(|interval| interval.width()));
    }
    widths.sort_unstable();
    let median = widths.get(widths.len() / 2).copied().unwrap_or(Duration::MAX);
    // Both edges leave each other by 400 ppm of half a poll interval at the median, else.
    if median > 32 * S * 400 / 1_000_000 / 2 {
        return Err(run
            .world
            .violation(Law::Usefulness, || format!("the median width is {median:?}")));
    }
    Ok(())
}
