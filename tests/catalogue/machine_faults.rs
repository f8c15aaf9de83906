//! F1 to F5, F10, F11, F15: faults of the machine and of its clocks.

use super::generators::*;
use super::run::{Checked, Run};
use std::time::Duration;
use sureclock::sim::{Delay, Host, Law, Oscillator, Path, ReadPoint, Server, World};
use sureclock::{DisruptionReason, Drift, NowError, Timestamp};

const YEAR: i64 = 365 * 86_400 * 1_000_000_000;

/// F1: the OS clock is stepped and strobed, also between the two halves of a reading.
pub(crate) fn os_clock_stepped(run: &mut Run) -> Checked {
    any_servers(run);
    let host = any_host("east", &mut run.dice);
    let clock = run.clock(host);
    run.settle()?;
    for _ in 0..6 {
        let ns = *run.dice.one_of(&[1_000_000, -1_000_000, 1_000_000_000, 12 * YEAR, -12 * YEAR]);
        run.act(|world, clocks| world.step_wall(&clocks[0], ns))?;
        run.act(|world, clocks| world.strobe_wall(&clocks[0], ns, MS))?;
        let point = *run.dice.one_of(&[ReadPoint::BeforeCounter, ReadPoint::AfterCounter]);
        let stepped = clock.clone();
        run.act(|world, clocks| {
            world.in_next_reading(&clocks[0], point, move |w| w.step_wall(&stepped, ns))
        })?;
        run.run(20 * S)?;
    }
    Ok(())
}

/// The twin of F1: sources that are measured against the OS clock, which is stepped meanwhile.
pub(crate) fn os_clock_stepped_under_a_source_that_trusts_it(run: &mut Run) -> Checked {
    run.server("a", Server::through_os_clock().path(Path::symmetric(MS, MS)));
    let host = Host::named("east")
        .stalls(500_000, MS)
        .settings(|builder| builder.poll_interval(S).max_faulty(0));
    run.clock(host);
    run.act(|world, clocks| world.strobe_wall(&clocks[0], 1_000_000_000, MS))?;
    run.run(120 * S)
}

/// F2: oscillators exactly at the bound, in every shape.
pub(crate) fn oscillator_at_the_bound(run: &mut Run) -> Checked {
    for name in ["a", "b", "c"] {
        let server = sharp(&mut run.dice);
        run.server(name, server);
    }
    let (k, oscillator) = any_oscillator(&mut run.dice);
    // The finer the counter, the less its margin hides of a wrong rounding.
    let hz = *run.dice.one_of(&[1_000_000_000, 3_000_000_000, 10_000_000_000]);
    run.clock(plain_host("east", k, oscillator).counter_hz(hz));
    run.settle()?;
    for _ in 0..4 {
        let bound = i32::try_from(k).unwrap_or(0);
        let ppb = *run.dice.one_of(&[bound, -bound]);
        run.act(|world, clocks| world.replace_oscillator(&clocks[0], Oscillator::steady(ppb)))?;
        run.run(30 * S)?;
    }
    Ok(())
}

/// The twin of F2: an oscillator a twentieth to three times beyond the bound.
pub(crate) fn oscillator_beyond_the_bound(run: &mut Run) -> Checked {
    for name in ["a", "b", "c"] {
        run.server(name, Server::direct().path(Path::default()).processing(Duration::ZERO));
    }
    let ppb = i32::try_from(run.dice.within(210_000, 600_000)).unwrap_or(0);
    let ppb = if run.dice.below(2) == 0 { ppb } else { -ppb };
    run.clock(plain_host("east", 200_000, Oscillator::steady(ppb)));
    run.run(60 * S)
}

/// F2: just above the bound becomes visible: the facts of honest sources contradict each other.
pub(crate) fn oscillator_beyond_the_bound_is_seen(run: &mut Run) -> Checked {
    let ppb = *run.dice.one_of(&[300_000, -300_000, 1_000_000]);
    oscillator_is_seen(run, ppb)
}

/// Its twin: within the bound there is nothing to see.
pub(crate) fn oscillator_within_the_bound_is_not_seen(run: &mut Run) -> Checked {
    oscillator_is_seen(run, 199_000)
}

fn oscillator_is_seen(run: &mut Run, ppb: i32) -> Checked {
    for name in ["a", "b", "c"] {
        run.server(name, Server::direct().path(Path::symmetric(MS / 100, Duration::ZERO)));
    }
    run.clock(plain_host("east", 200_000, Oscillator::steady(0)));
    run.settle()?;
    run.run(20 * S)?;
    run.act(|world, clocks| {
        world.replace_oscillator(&clocks[0], Oscillator::steady(ppb));
        world.excuse_readings(&clocks[0]);
    })?;
    run.must_notice(0, Duration::ZERO, 60 * S, &CONTRADICTION)
}

/// F2: an oscillator beyond its bound is found out after some contradictions, and then there is no
/// answer any more: it would be wrong again and again.
pub(crate) fn oscillator_beyond_the_bound_is_refused(run: &mut Run) -> Checked {
    let ppm = *run.dice.one_of(&[681, -681, 500, -2_000]);
    refused(run, ppm)
}

/// Its twin: within the bound it is not.
pub(crate) fn oscillator_within_the_bound_is_not_refused(run: &mut Run) -> Checked {
    refused(run, 190)
}

fn refused(run: &mut Run, ppm: i32) -> Checked {
    for name in ["a", "b", "c"] {
        let path =
            Path::symmetric(run.dice.length(MS, 5 * MS), run.dice.length(Duration::ZERO, 2 * MS));
        run.server(name, Server::honest().path(path));
    }
    run.clock(
        plain_host("east", 200_000, Oscillator::steady(ppm * 1_000))
            .settings(|b| b.poll_interval(16 * S)),
    );
    run.excuse_readings(0);
    run.tally.acts += 1;
    for _ in 0..60 {
        run.world.advance(30 * S);
        let Err(NowError::Disrupted { reason: DisruptionReason::RateBeyondBound { ppm: found } }) =
            run.now(0)
        else {
            continue;
        };
        let names_it = found.signum() == ppm.signum()
            && found.abs() >= ppm.abs()
            && found.abs() <= ppm.abs() + 400;
        // For good, whatever a person says.
        run.clocks[0].start_new_epoch();
        for _ in 0..60 {
            run.world.advance(30 * S);
            if !names_it || run.now(0).is_ok() {
                return Err(run
                    .world
                    .violation(Law::Containment, || format!("{found} ppm were named, not {ppm}")));
            }
        }
        return Ok(());
    }
    Err(run
        .world
        .violation(Law::SeenInTime, || format!("{ppm} ppm were not named in half an hour")))
}

/// F2: CLOCK_MONOTONIC slewed by as much as the kernel lets a daemon slew it: ticks of 0.9 to 1.1
/// of their length, and 500 ppm.
pub(crate) fn monotonic_slewed(run: &mut Run) -> Checked {
    any_servers(run);
    // True time per local time: 1/0.8995 and 1/1.1005.
    let swing = Oscillator::square(-91_322_000, 111_728_000, run.dice.length(S, 20 * S));
    let bound = *run.dice.one_of(&[111_728_000, -91_322_000]);
    let oscillator = if run.dice.below(2) == 0 { swing } else { Oscillator::steady(bound) };
    let host = Host::named("east").oscillator(oscillator).nominal_error(0, 100_500_000);
    // Of such a clock no rate is learned.
    let host = host
        .granularity(300, 300)
        .settings(|builder| builder.drift(Drift::fixed_ppm(200)).poll_interval(4 * S));
    run.clock(host.settings(|builder| builder.max_uncertainty(3600 * S)));
    run.settle()?;
    run.tally.acts += 1;
    run.run(120 * S)
}

/// The twin: slewed by more than is declared for it.
pub(crate) fn monotonic_slewed_beyond(run: &mut Run) -> Checked {
    for name in ["a", "b", "c"] {
        run.server(name, Server::direct().path(Path::default()));
    }
    let oscillator = Oscillator::steady(*run.dice.one_of(&[125_000_000, -110_000_000]));
    let host = Host::named("east").oscillator(oscillator).nominal_error(0, 100_500_000);
    let host = host.settings(|builder| builder.drift(Drift::fixed_ppm(200)));
    run.clock(host.settings(|builder| builder.poll_interval(4 * S).max_uncertainty(3600 * S)));
    run.run(30 * S)
}

/// F3: the counters of the cores differ, as much as is declared.
pub(crate) fn cross_core_skew(run: &mut Run) -> Checked {
    for name in ["a", "b", "c"] {
        // A reply that seems to have come before its request is no fact, so the round trip is
        // longer than the skew.
        let (none, some) = (Delay::default(), Delay::new(MS / 50, Duration::ZERO));
        let path = *run.dice.one_of(&[Path::new(none, some), Path::new(some, none)]);
        run.server(name, Server::direct().path(path).processing(Duration::ZERO));
    }
    let (k, oscillator) = any_oscillator(&mut run.dice);
    let skew = u32::try_from(1 + run.dice.below(20_000)).unwrap_or(1);
    run.clock(plain_host("east", k, oscillator).skew_ticks(skew));
    run.settle()?;
    run.tally.acts += 1;
    run.run(60 * S)
}

/// The twin: by more than is declared; here the counter is put ahead and back by a millisecond.
pub(crate) fn cross_core_skew_undeclared(run: &mut Run) -> Checked {
    for name in ["a", "b", "c"] {
        run.server(name, Server::direct().path(Path::default()));
    }
    run.clock(plain_host("east", 1_000, Oscillator::steady(0)));
    run.settle()?;
    for _ in 0..20 {
        run.act(|world, clocks| world.jump_counter(&clocks[0], 1_000_000))?;
        run.world.advance(S);
        run.act(|world, clocks| world.jump_counter(&clocks[0], -1_000_000))?;
        run.world.advance(S);
    }
    Ok(())
}

/// F3: the counter is reset, or goes back behind the last publication: an error at the next
/// reading, no excuse needed.
pub(crate) fn counter_reset(run: &mut Run) -> Checked {
    let (k, oscillator) = any_oscillator(&mut run.dice);
    plain(run, k, oscillator);
    run.settle()?;
    run.run(20 * S)?;
    let back = *run.dice.one_of(&[-3_500_000_000_000, -60_000_000_000, -30_000_000_000]);
    is_an_error_at_once(run, back)
}

/// Its twin: not behind the last publication, so nobody can know at once.
pub(crate) fn counter_back_by_little(run: &mut Run) -> Checked {
    plain(run, 200_000, Oscillator::steady(0));
    run.settle()?;
    run.world.advance(S);
    is_an_error_at_once(run, -100_000_000)
}

fn is_an_error_at_once(run: &mut Run, back: i64) -> Checked {
    run.act(|world, clocks| world.jump_counter(&clocks[0], back))?;
    let error = run.now(0);
    if !matches!(error, Err(NowError::CounterWentBack { .. } | NowError::Disrupted { .. })) {
        return Err(run
            .world
            .violation(Law::SeenInTime, || format!("a counter behind itself gave {error:?}")));
    }
    run.run(30 * S)
}

/// F3: the counter jumps, forward or back by little: noticed by the exchanges after it.
pub(crate) fn counter_jumps(run: &mut Run) -> Checked {
    plain(run, 200_000, Oscillator::steady(150_000));
    run.settle()?;
    run.run(20 * S)?;
    let by = *run.dice.one_of(&[1_000_000_000, 3_600_000_000_000, 100_000_000, -500_000_000]);
    run.act(|world, clocks| {
        world.jump_counter(&clocks[0], by);
        world.excuse_readings(&clocks[0]);
    })?;
    run.must_notice(
        0,
        Duration::ZERO,
        10 * S,
        &[CONTRADICTION[0], CONTRADICTION[1], DisruptionReason::CounterWentBack],
    )?;
    // What had been told may lie hours ahead: the caller's decision.
    run.start_new_epoch(0)?;
    run.run(30 * S)
}

/// The twin of every jump: without the excuse it is seen to be outside until it is noticed.
pub(crate) fn counter_jumps_without_excuse(run: &mut Run) -> Checked {
    plain(run, 200_000, Oscillator::steady(150_000));
    run.settle()?;
    run.run(20 * S)?;
    let by = *run.dice.one_of(&[1_000_000_000, 3_600_000_000_000, 100_000_000, -500_000_000]);
    run.act(|world, clocks| world.jump_counter(&clocks[0], by))?;
    run.run(10 * S)
}

/// F3: a hardware counter jumps, steps back or changes its rate: it is seen to part from its second
/// clock within the check interval.
pub(crate) fn hardware_counter_parts(run: &mut Run) -> Checked {
    counter_parts(run, true)
}

/// Its twin: no second clock, so it is not seen so soon.
pub(crate) fn counter_parts_from_nothing(run: &mut Run) -> Checked {
    counter_parts(run, false)
}

fn counter_parts(run: &mut Run, watched: bool) -> Checked {
    let (k, oscillator) = any_oscillator(&mut run.dice);
    plain_servers(run);
    let hz = *run.dice.one_of(&[1_000_000_000, 3_000_000_000, 25_000_000]);
    let host = plain_host("east", k, oscillator).counter_hz(hz);
    let host = if watched { calibrated(host, &mut run.dice) } else { host };
    run.clock(host);
    run.settle()?;
    // Not the same rate again: that would be no change.
    for rates in [[20_000, 1_000_000], [-20_000, -50_000_000]] {
        run.run(20 * S)?;
        let second = i64::try_from(hz).unwrap_or(i64::MAX);
        let ticks = *run.dice.one_of(&[
            second / 100_000,
            second,
            3600 * second,
            -second / 100_000,
            -second / 2,
        ]);
        let ppb = *run.dice.one_of(&rates);
        let jumps = run.dice.below(2) == 0;
        run.act(|world, clocks| {
            if jumps {
                world.jump_counter(&clocks[0], ticks)
            } else {
                world.change_counter_rate(&clocks[0], ppb)
            }
            world.excuse_readings(&clocks[0]);
        })?;
        let reasons = [DisruptionReason::CounterJumped, DisruptionReason::CounterWentBack];
        // Another rate may have too little time to show at the first look.
        let limit = Duration::from_millis(if jumps { 105 } else { 205 });
        run.must_notice(0, Duration::ZERO, limit, &reasons)?;
        // What had been told may lie hours ahead: the caller's decision.
        run.start_new_epoch(0)?;
    }
    run.run(30 * S)?;
    match run.now(0) {
        Ok(_) => Ok(()),
        Err(error) => {
            Err(run.world.violation(Law::Usefulness, || format!("half a minute later: {error}")))
        }
    }
}

/// F15: the kernel takes another clock source: within the check interval there is no answer, nor a
/// question, until it comes back.
pub(crate) fn clock_source_changes(run: &mut Run) -> Checked {
    clock_source(run, true)
}

/// Its twin: a clock that does not read the hardware counter has nothing to notice.
pub(crate) fn clock_source_of_others_changes(run: &mut Run) -> Checked {
    clock_source(run, false)
}

fn clock_source(run: &mut Run, hardware: bool) -> Checked {
    let (k, oscillator) = any_oscillator(&mut run.dice);
    plain_servers(run);
    let host = plain_host("east", k, oscillator);
    let host = if hardware { calibrated(host, &mut run.dice) } else { host };
    run.clock(host);
    run.settle()?;
    run.run(10 * S)?;
    run.act(|world, clocks| {
        world.change_clock_source(&clocks[0], false);
        world.excuse_readings(&clocks[0]);
    })?;
    run.must_notice(
        0,
        Duration::ZERO,
        Duration::from_millis(105),
        &[DisruptionReason::ClockSourceChanged],
    )?;
    let asked = run.clocks[0].status().counts.asked;
    run.run(60 * S)?;
    let (now, asked_since) = (run.now(0), run.clocks[0].status().counts.asked - asked);
    let reason = DisruptionReason::ClockSourceChanged;
    if now != Err(NowError::Disrupted { reason }) || asked_since > 0 {
        let what = || format!("a minute later: {now:?}, and {asked_since} questions");
        return Err(run.world.violation(Law::Containment, what));
    }
    run.act(|world, clocks| world.change_clock_source(&clocks[0], true))?;
    run.run(30 * S)?;
    match run.now(0) {
        Ok(_) => Ok(()),
        Err(error) => {
            Err(run.world.violation(Law::Usefulness, || format!("half a minute later: {error}")))
        }
    }
}

/// F4: the process is stopped for up to an hour (SIGSTOP, a freezer), and read at once when it goes
/// on.
pub(crate) fn process_stopped(run: &mut Run) -> Checked {
    any_servers(run);
    let host = any_host("east", &mut run.dice);
    run.clock(host);
    run.settle()?;
    for _ in 0..4 {
        let length = *run.dice.one_of(&[MS, S, 60 * S, 3600 * S]);
        run.check()?;
        let clock = run.clocks[0].clone();
        run.world.stop_process(&clock, length);
        run.world.advance(length);
        run.tally.acts += 1;
        run.check()?;
        run.run(20 * S)?;
    }
    Ok(())
}

/// F4, F10: a reader is held up between the two halves of a reading, over publications and
/// disruptions.
pub(crate) fn reader_held_up(run: &mut Run) -> Checked {
    any_servers(run);
    let host = any_host("east", &mut run.dice);
    run.clock(host);
    run.settle()?;
    for _ in 0..12 {
        let point = *run.dice.one_of(&[ReadPoint::BeforeCounter, ReadPoint::AfterCounter]);
        let length = match run.dice.below(4) {
            0 => run.dice.length(Duration::ZERO, Duration::from_micros(2)),
            1 => run.dice.length(Duration::ZERO, 100 * MS),
            _ => run.dice.length(S, 100 * S),
        };
        let restore = run.dice.below(3) == 0;
        let clock = run.clocks[0].clone();
        run.act(|world, clocks| {
            world.in_next_reading(&clocks[0], point, move |world| {
                world.advance(length / 2);
                if restore {
                    // The machine stood still, and a marker tells of it before the reader goes on.
                    world.pause_machine(&clock, length);
                    world.advance(length);
                    world.report_restore(&clock);
                }
                world.advance(length / 2);
            });
        })?;
        run.run(5 * S)?;
    }
    Ok(())
}

/// The twin of that: the machine stands still in the middle of a reading with all its clocks, and
/// no marker tells.
pub(crate) fn reader_and_machine_held_up(run: &mut Run) -> Checked {
    plain(run, 200_000, Oscillator::steady(0));
    run.settle()?;
    run.act(|world, clocks| {
        let clock = clocks[0].clone();
        world.in_next_reading(&clocks[0], ReadPoint::BeforeCounter, move |world| {
            world.pause_machine(&clock, S);
            world.advance(S);
        });
    })
}

/// The twin of a stopped process: the machine stands still with all its clocks, unseen.
pub(crate) fn reader_and_counter_held_up(run: &mut Run) -> Checked {
    plain(run, 200_000, Oscillator::steady(0));
    run.settle()?;
    run.act(|world, clocks| world.pause_machine(&clocks[0], S))?;
    run.world.advance(S);
    run.check()
}

/// F4: the sync thread is held up between any two of its steps, more often than not.
pub(crate) fn thread_held_up(run: &mut Run) -> Checked {
    any_servers(run);
    let (ppm, longest) =
        *run.dice.one_of(&[(500_000, MS), (300_000, 50 * MS), (100_000, S), (30_000, 60 * S)]);
    let host = any_host("east", &mut run.dice).stalls(ppm, longest);
    run.clock(host);
    run.settle()?;
    run.tally.acts += 1;
    run.run(300 * S)
}

/// Its twin: the machine stands still between the steps, too.
pub(crate) fn thread_and_machine_held_up(run: &mut Run) -> Checked {
    plain(run, 200_000, Oscillator::steady(0));
    run.settle()?;
    for _ in 0..4 {
        run.act(|world, clocks| world.pause_machine(&clocks[0], S))?;
        run.world.advance(S);
        run.run(S)?;
    }
    Ok(())
}

/// F4: the machine is suspended: noticed within the check interval.
pub(crate) fn suspended(run: &mut Run) -> Checked {
    suspend(run, true)
}

/// Its twin: without the excuse it is seen to be outside until it is noticed.
pub(crate) fn suspended_without_excuse(run: &mut Run) -> Checked {
    suspend(run, false)
}

fn suspend(run: &mut Run, excused: bool) -> Checked {
    let (k, oscillator) = any_oscillator(&mut run.dice);
    plain(run, k, oscillator);
    run.settle()?;
    run.run(10 * S)?;
    for _ in 0..2 {
        let length = *run.dice.one_of(&[S, 60 * S, 8 * 3600 * S]);
        let clock = run.clocks[0].clone();
        run.check()?;
        if excused {
            run.excuse_readings(0);
        }
        run.world.suspend(&clock, length);
        run.world.advance(length);
        run.tally.acts += 1;
        if excused {
            run.must_notice(0, length, 105 * MS, &[DisruptionReason::Suspended])?;
        }
        run.run(20 * S)?;
    }
    Ok(())
}

/// F4: the machine is suspended, and every reading looks for that: nobody needs an excuse.
pub(crate) fn suspended_and_looked_for(run: &mut Run) -> Checked {
    suspended_with_a_check(run, true)
}

/// Its twin: only the thread looks, at its interval.
pub(crate) fn suspended_and_not_looked_for(run: &mut Run) -> Checked {
    suspended_with_a_check(run, false)
}

fn suspended_with_a_check(run: &mut Run, every_reading: bool) -> Checked {
    let (k, oscillator) = any_oscillator(&mut run.dice);
    plain_servers(run);
    let host = plain_host("east", k, oscillator)
        .settings(move |builder| builder.suspend_check(every_reading));
    run.clock(host);
    run.settle()?;
    for _ in 0..4 {
        run.run(10 * S)?;
        let length = *run.dice.one_of(&[MS, S, 60 * S, 8 * 3600 * S]);
        let point = *run.dice.one_of(&[ReadPoint::BeforeCounter, ReadPoint::AfterCounter]);
        let (clock, in_a_reading) = (run.clocks[0].clone(), run.dice.below(2) == 0);
        run.act(|world, _| {
            let suspended = clock.clone();
            let suspend = move |world: &mut World| {
                world.suspend(&suspended, length);
                world.advance(length);
            };
            // In the middle of a reading, before its look for a suspend; or before it.
            if in_a_reading {
                world.in_next_reading(&clock, point, suspend)
            } else {
                suspend(world)
            }
        })?;
    }
    run.run(10 * S)
}

/// F4: a timestamp made in the moments after a suspend that nobody has noticed is never exposed,
/// however late its wait begins.
pub(crate) fn suspended_before_a_commit(run: &mut Run) -> Checked {
    stand_still_before_a_commit(run, true)
}

/// Its twin: a pause that the platform does not know of, and a wait that ends before the next
/// exchange.
pub(crate) fn paused_before_a_commit(run: &mut Run) -> Checked {
    stand_still_before_a_commit(run, false)
}

fn stand_still_before_a_commit(run: &mut Run, known: bool) -> Checked {
    plain(run, 200_000, Oscillator::steady(0));
    run.settle()?;
    run.run(5 * S)?;
    let clock = run.clocks[0].clone();
    let length = *run.dice.one_of(&[S, 60 * S]);
    if known {
        run.world.suspend(&clock, length);
    } else {
        run.world.pause_machine(&clock, length);
    }
    run.world.advance(length);
    run.tally.acts += 1;
    let began = run.world.true_time();
    let Ok(s) = clock.commit_timestamp() else { return Ok(()) };
    // The transaction is applied: for no time, for less than until someone looks, or beyond the
    // recovery.
    let applied = *run.dice.one_of(&[Duration::ZERO, 20 * MS, 10 * S]);
    run.world.advance(applied);
    if s.timestamp() < began && run.world.wait(&clock.commit_wait(s), 60 * S).is_ok() {
        return Err(run.world.violation(Law::CommitsAreOrdered, || {
            format!("{s} is exposed, and it began at {began}")
        }));
    }
    Ok(())
}

/// F5: the virtual machine is paused, migrated or restored without a marker: noticed by the
/// exchanges after it.
pub(crate) fn machine_paused_unseen(run: &mut Run) -> Checked {
    let (k, oscillator) = (200_000, Oscillator::sine(200_000, 100 * S));
    plain(run, k, oscillator);
    run.settle()?;
    run.run(20 * S)?;
    for _ in 0..2 {
        let length = *run.dice.one_of(&[S, 10 * S, 3600 * S]);
        let clock = run.clocks[0].clone();
        run.check()?;
        run.excuse_readings(0);
        run.world.pause_machine(&clock, length);
        run.world.advance(length);
        run.tally.acts += 1;
        run.must_notice(0, length, 10 * S, &CONTRADICTION)?;
        run.run(30 * S)?;
    }
    Ok(())
}

/// The twin of F5: without the excuse it is seen to be outside until it is noticed.
pub(crate) fn machine_paused_without_excuse(run: &mut Run) -> Checked {
    plain(run, 200_000, Oscillator::sine(200_000, 100 * S));
    run.settle()?;
    let length = *run.dice.one_of(&[S, 10 * S, 3600 * S]);
    run.act(|world, clocks| world.pause_machine(&clocks[0], length))?;
    run.world.advance(length);
    run.run(10 * S)
}

/// F5: restored with a marker, to a machine with another oscillator: no reading from before it is
/// answered after it.
pub(crate) fn restored_with_a_marker(run: &mut Run) -> Checked {
    any_servers(run);
    let host = if run.dice.below(2) == 0 {
        any_host("east", &mut run.dice)
    } else {
        // Of whose tick little is known yet: a small jump may look like a rate.
        let host =
            plain_host("east", 1_000, Oscillator::steady(1_000)).hardware_counter(20_000_000, 0);
        host.settings(|builder| builder.check_interval(S))
    };
    run.clock(host);
    run.settle()?;
    for _ in 0..3 {
        let length = *run.dice.one_of(&[MS, S, 3600 * S]);
        let jump = *run.dice.one_of(&[0, 1_000_000_000, -1_000, 100_000, 40_000_000_000]);
        run.check()?;
        let clock = run.clocks[0].clone();
        run.world.pause_machine(&clock, length);
        run.world.advance(length);
        run.world.jump_counter(&clock, jump);
        run.world.report_restore(&clock);
        run.tally.acts += 1;
        run.check()?;
        run.run(30 * S)?;
    }
    Ok(())
}

/// Its twin: the marker is not there.
pub(crate) fn restored_without_a_marker(run: &mut Run) -> Checked {
    plain(run, 200_000, Oscillator::steady(0));
    run.settle()?;
    run.act(|world, clocks| world.pause_machine(&clocks[0], 10 * S))?;
    run.world.advance(10 * S);
    run.act(|world, clocks| world.jump_counter(&clocks[0], 40_000_000_000))?;
    run.run(10 * S)
}

/// F5: moved to another host, whose oscillator and counter are others, or restored, and the VM
/// clock device tells: no reading of after it is answered by what was known before it, in the
/// middle of readings and of the thread's steps.
pub(crate) fn moved_with_a_vm_clock(run: &mut Run) -> Checked {
    moved(run, true)
}

/// Its twin: no device.
pub(crate) fn moved_without_a_vm_clock(run: &mut Run) -> Checked {
    moved(run, false)
}

fn moved(run: &mut Run, told: bool) -> Checked {
    let plain = run.dice.below(2) == 0;
    let (k, oscillator) = any_oscillator(&mut run.dice);
    let k = i32::try_from(k).unwrap_or(0);
    if plain {
        plain_servers(run);
    } else {
        any_servers(run);
    }
    let host = plain_host("east", k.unsigned_abs(), oscillator);
    let hardware = run.dice.below(2) == 0;
    let host = if hardware { calibrated(host, &mut run.dice) } else { host };
    let host = if run.dice.below(4) == 0 { host.stalls(300_000, 50 * MS) } else { host };
    let host = if run.dice.below(4) == 0 {
        host.settings(|builder| builder.suspend_check(true))
    } else {
        host
    };
    // The readers look, not only the thread.
    let host = host.settings(|builder| builder.check_interval(S));
    run.clock(if told { host.vm_clock() } else { host });
    run.settle()?;
    for _ in 0..5 {
        let length = run.dice.length(Duration::ZERO, 20 * S);
        run.run(length)?;
        let length = *run.dice.one_of(&[Duration::ZERO, MS, S, 3600 * S]);
        let ticks =
            *run.dice.one_of(&[0, 1_000, -1_000, 1_000_000_000, -500_000_000, 3_600_000_000_000]);
        let oscillator = Oscillator::steady(*run.dice.one_of(&[k, -k]));
        let rate = *run.dice.one_of(&[0, 50_000, -1_000_000, 50_000_000]);
        let point = *run.dice.one_of(&[ReadPoint::BeforeCounter, ReadPoint::AfterCounter]);
        let (clock, in_a_reading) = (run.clocks[0].clone(), run.dice.below(2) == 0);
        let reported = told && run.dice.below(4) == 0;
        run.act(|world, _| {
            let moved = clock.clone();
            let move_it = move |world: &mut World| {
                world.move_machine(&moved, length, ticks);
                world.replace_oscillator(&moved, oscillator);
                if hardware {
                    // By the kernel's clock, of which the length of a tick was learned.
                    world.change_counter_rate(&moved, rate);
                }
                world.advance(length);
                if reported {
                    // By the program, too, as one that read the device itself would.
                    world.report_restore(&moved);
                }
            };
            if in_a_reading {
                world.in_next_reading(&clock, point, move_it)
            } else {
                move_it(world)
            }
        })?;
    }
    run.run(90 * S)?;
    match run.now(0) {
        Err(error) if plain => {
            let state = run.clocks[0].status().state;
            Err(run.world.violation(Law::Usefulness, || {
                format!("a minute and a half later: {error}, {state:?}")
            }))
        }
        _ => Ok(()),
    }
}

/// F10: readings that span the end of publications: every exchange of a second's polls comes in the
/// middle of a reading.
pub(crate) fn publication_during_a_reading(run: &mut Run) -> Checked {
    for name in ["a", "b", "c"] {
        let server = sharp(&mut run.dice);
        run.server(name, server);
    }
    let (k, oscillator) = any_oscillator(&mut run.dice);
    let host = plain_host("east", k, oscillator).settings(|builder| builder.poll_interval(S));
    run.clock(host);
    run.settle()?;
    for _ in 0..30 {
        let point = *run.dice.one_of(&[ReadPoint::BeforeCounter, ReadPoint::AfterCounter]);
        let length = run.dice.length(S / 2, 3 * S);
        run.act(|world, clocks| {
            world.in_next_reading(&clocks[0], point, move |world| world.advance(length))
        })?;
    }
    Ok(())
}

/// The twin of F10: parameters that are read and used across a disruption: here the reader's
/// promise is asked of an interval that was read before a pause and is looked at after it, which no
/// clock can keep.
pub(crate) fn an_interval_used_after_a_pause(run: &mut Run) -> Checked {
    plain(run, 200_000, Oscillator::steady(0));
    run.settle()?;
    let Ok(interval) = run.now(0) else { return Ok(()) };
    run.world.advance(S);
    if interval.contains(run.world.true_time()) {
        return Ok(());
    }
    Err(run.world.violation(Law::Containment, || format!("{interval:#} is of a second ago")))
}

/// F11: the years 1970, 2036, 2038 and 2262, and counters at the ends of their range.
pub(crate) fn edges_of_time(run: &mut Run) -> Checked {
    let (text, ntp) = *run.dice.one_of(&[
        ("1970-01-01T00:00:00Z", false),
        ("1969-12-31T23:59:50Z", false),
        ("1677-09-21T00:12:50Z", false),
        ("2026-11-01T00:00:01Z", true),
        ("2036-02-07T06:28:06Z", true),
        ("2038-01-19T03:14:00Z", true),
        ("2094-11-01T00:00:00Z", true),
        ("2262-04-11T23:47:00Z", false),
    ]);
    let start: Timestamp = text.parse().expect("a timestamp");
    run.world = World::starting_at(run.world.seed(), start);
    for number in 0..3 {
        let server = if ntp {
            honest(&mut run.dice)
        } else {
            Server::direct().path(any_path(&mut run.dice))
        };
        run.server(&format!("s{number}"), server);
    }
    let starts_at = *run.dice.one_of(&[0, 1, 2, 1_000, u64::MAX - 1_000_000_000_000_000, 1 << 63]);
    let host = any_host("east", &mut run.dice).counter_starts_at(starts_at);
    run.clock(host);
    run.settle()?;
    run.tally.acts += 1;
    run.run(30 * S)
}

/// The twin of F11: NTP a whole era after the build, where stamps read as they did then. (From 68
/// years after it on they read as before it, and are refused.)
pub(crate) fn beyond_the_era(run: &mut Run) -> Checked {
    let start: Timestamp = "2163-06-01T00:00:00Z".parse().expect("a timestamp");
    run.world = World::starting_at(run.world.seed(), start);
    plain(run, 200_000, Oscillator::steady(0));
    run.run(10 * S)
}

/// F15: counters of 100 Hz to 1 kHz, and clocks of nanoseconds over them.
pub(crate) fn coarse_counter(run: &mut Run) -> Checked {
    for name in ["a", "b", "c"] {
        let server = sharp(&mut run.dice);
        run.server(name, server);
    }
    let (k, oscillator) = any_oscillator(&mut run.dice);
    let host = plain_host("east", k, oscillator);
    let host = match run.dice.below(3) {
        0 => host.counter_hz(100).counter_starts_at(100_000),
        1 => host.counter_hz(1_000).counter_starts_at(100_000),
        _ => host.granularity(4_000_000, 4_000_000),
    };
    run.clock(host);
    run.settle()?;
    run.tally.acts += 1;
    run.run(120 * S)
}

/// The twin of F15: a counter that steps by 4 ms and is declared to step by 300 ns.
pub(crate) fn coarse_counter_undeclared(run: &mut Run) -> Checked {
    for name in ["a", "b", "c"] {
        let path = Path::new(Delay::default(), Delay::new(MS, MS));
        run.server(name, Server::direct().path(path).processing(Duration::ZERO));
    }
    let host = Host::named("east").granularity(4_000_000, 300);
    run.clock(host.settings(|builder| builder.drift(Drift::fixed_ppm(1)).poll_interval(S)));
    run.run(60 * S)
}

/// What exchanges that contradict what was believed are noticed as.
const CONTRADICTION: [DisruptionReason; 2] =
    [DisruptionReason::SourcesDisagree, DisruptionReason::ContradictsPublished];
