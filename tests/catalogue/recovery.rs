//! Recovery after a disruption: when the clock answers again, and that `earliest` never goes back.

use super::generators::*;
use super::run::{Checked, Run};
use std::time::Duration;
use sureclock::DisruptionReason;
use sureclock::sim::{ClockError, Delay, Law, Oscillator, Path, Server};

/// One of the ways in which a clock learns that its counter may have moved.
#[derive(Clone, Copy)]
enum Move {
    /// To another host, reported by a VM clock device.
    VmClock,
    Suspend,
    /// Behind the last publication, seen at the next reading.
    CounterBack,
    /// By less than the time since the last check, reported by the program.
    ReportedBehind,
    /// A hardware counter jumps, seen against its second clock.
    CounterJump,
}

const MOVES: [Move; 5] =
    [Move::VmClock, Move::Suspend, Move::CounterBack, Move::ReportedBehind, Move::CounterJump];

/// With one liar of three, at any distance and at any place in the order of answers: an answer
/// within two polls.
pub(crate) fn recovers_within_two_polls(run: &mut Run) -> Checked {
    recovers(run, 1)
}

/// Its twin: two of three lie, each for itself, so nothing that they say agrees.
pub(crate) fn recovers_among_more_than_f(run: &mut Run) -> Checked {
    recovers(run, 2)
}

fn recovers(run: &mut Run, odd: usize) -> Checked {
    for number in 0..3 {
        let one_way = |run: &mut Run| {
            let least = run.dice.length(Duration::ZERO, 40 * MS);
            Delay::new(least, run.dice.length(Duration::ZERO, 5 * MS))
        };
        let path = Path::new(one_way(run), one_way(run));
        let server = Server::honest().path(path).error(ClockError::AnywhereWithinClaims);
        let server = if number < odd { odd_one(run, server, odd > 1) } else { server };
        run.server(&format!("s{number}"), server);
    }
    let how = *run.dice.one_of(&MOVES);
    let (k, oscillator) = any_oscillator(&mut run.dice);
    let host = plain_host("east", k, oscillator).settings(|builder| builder.poll_interval(POLL));
    let host =
        if matches!(how, Move::CounterJump) { calibrated(host, &mut run.dice) } else { host };
    run.clock(if matches!(how, Move::VmClock) { host.vm_clock() } else { host });
    run.settle()?;
    if run.now(0).is_err() {
        // With more liars than f there is nothing to recover.
        return Err(run.world.violation(Law::Usefulness, || "no answer at the start".into()));
    }
    for _ in 0..2 {
        let length = run.dice.length(S, 100 * S);
        run.run(length)?;
        disturb(run, how)?;
        answers_within(run, 2 * POLL)?;
    }
    Ok(())
}

/// A liar at any distance, or an honest server that claims little.
fn odd_one(run: &mut Run, server: Server, lies: bool) -> Server {
    const DAY_NS: i64 = 86_400_000_000_000;
    let ns = match run.dice.below(4) {
        0 => run.dice.within(1_000_000, 100_000_000),
        1 => run.dice.within(100_000_000, 10_000_000_000),
        2 => DAY_NS,
        _ => *run.dice.one_of(&[400, 7_168, 20_000]) * DAY_NS,
    };
    let ns = if run.dice.below(2) == 0 { ns } else { -ns };
    if lies || run.dice.below(3) > 0 {
        server.error(ClockError::Fixed { ns })
    } else {
        server.root_dispersion(run.dice.length(MS, 4 * S))
    }
}

fn disturb(run: &mut Run, how: Move) -> Checked {
    let clock = run.clocks[0].clone();
    run.check()?;
    run.tally.acts += 1;
    match how {
        Move::VmClock => {
            let length = *run.dice.one_of(&[Duration::ZERO, MS, S, 3600 * S, 20 * 86_400 * S]);
            let ticks = *run.dice.one_of(&[
                0,
                1_000,
                -70_000_000,
                1_000_000_000,
                -30_000_000_000,
                3_600_000_000_000,
            ]);
            run.world.move_machine(&clock, length, ticks);
            run.world.advance(length);
        }
        Move::Suspend => {
            let length = *run.dice.one_of(&[MS, S, 60 * S, 8 * 3600 * S]);
            run.excuse_readings(0);
            run.world.suspend(&clock, length);
            run.world.advance(length);
            run.must_notice(0, length, 105 * MS, &[DisruptionReason::Suspended])?;
        }
        Move::CounterBack => {
            let by = *run.dice.one_of(&[-3_000_000_000_000, -120_000_000_000]);
            run.world.jump_counter(&clock, by);
        }
        Move::ReportedBehind => {
            let by = -run.dice.within(0, 100_000_000);
            run.world.jump_counter(&clock, by);
            run.world.report_restore(&clock);
        }
        Move::CounterJump => {
            let by = *run.dice.one_of(&[
                3_600_000_000_000,
                1_000_000_000,
                -50_000_000,
                -70_000_000,
                40_000_000,
            ]);
            run.excuse_readings(0);
            run.world.jump_counter(&clock, by);
            let reasons = [DisruptionReason::CounterJumped, DisruptionReason::CounterWentBack];
            run.must_notice(0, Duration::ZERO, 105 * MS, &reasons)?;
        }
    }
    run.check()
}

fn answers_within(run: &mut Run, limit: Duration) -> Checked {
    let step = 100 * MS;
    let mut passed = Duration::ZERO;
    while passed <= limit {
        run.check()?;
        if run.now(0).is_ok() {
            return Ok(());
        }
        run.world.advance(step);
        passed += step;
    }
    let state = run.clocks[0].status().state;
    Err(run.world.violation(Law::Usefulness, || format!("no answer after {limit:?}: {state:?}")))
}

/// A snapshot is restored with the counter behind by less than the time since the last check, and
/// the program reports it.
pub(crate) fn restored_with_the_counter_behind(run: &mut Run) -> Checked {
    restored_behind(run, true)
}

/// Its twin: nobody reports it.
pub(crate) fn restored_behind_unreported(run: &mut Run) -> Checked {
    restored_behind(run, false)
}

fn restored_behind(run: &mut Run, reported: bool) -> Checked {
    let server = |there: u32, back: u32| {
        let one_way = |ms| Delay::new(MS * ms, Duration::ZERO);
        Server::honest().path(Path::new(one_way(there), one_way(back)))
    };
    run.server("a", server(75, 1));
    run.server("b", server(60, 1));
    let third = server(55, 1).root_dispersion(60 * MS).error(ClockError::AtEdge { ahead: true });
    run.server("c", third);
    run.clock(
        plain_host("east", 1_000, Oscillator::steady(0))
            .settings(|builder| builder.poll_interval(POLL)),
    );
    run.settle()?;
    run.run(60 * S)?;
    let (clock, behind) = (run.clocks[0].clone(), -run.dice.within(20_000_000, 95_000_000));
    run.act(|world, _| {
        world.jump_counter(&clock, behind);
        if reported {
            world.report_restore(&clock);
        }
    })?;
    // Every moment of the recovery counts.
    for _ in 0..400 {
        run.world.advance(MS);
        run.check()?;
    }
    run.run(20 * S)
}

const POLL: Duration = Duration::from_secs(16);
