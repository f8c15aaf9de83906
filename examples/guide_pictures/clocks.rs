//! What a clock can know: runs of one simulated machine, whose true time is known.

use crate::Result;
use crate::chart::{BLACK, BLUE, Bar, Course, GREEN, GREY, Mark, ORANGE, RED, Rows, WHITE};
use plotters::prelude::SeriesLabelPosition::{LowerRight, UpperLeft};
use std::time::Duration;
use sureclock::sim::{
    Agreed, ClockError, Delay, DomainBound, Host, Oscillator, Path, Reply, Server, World, agreement,
};
use sureclock::{Drift, State, SureClock, TimeInterval, Timestamp};

const MS: Duration = Duration::from_millis(1);
const S: Duration = Duration::from_secs(1);

/// Where, from, to.
type Points = Vec<(f64, f64, f64)>;

/// In milliseconds, from true time.
fn error_ms(of: Timestamp, truth: Timestamp) -> f64 {
    (of.as_unix_nanos() - truth.as_unix_nanos()) as f64 / 1e6
}

fn since(world: &World, begin: Timestamp) -> f64 {
    error_ms(world.true_time(), begin) / 1e3
}

/// Three servers so far away.
fn three(world: &mut World, names: [&str; 3], server: &Server) {
    for name in names {
        world.server(name, server.clone());
    }
}

fn far(least: Duration, jitter: Duration) -> Server {
    Server::honest().path(Path::symmetric(least, jitter))
}

fn band_point(world: &World, begin: Timestamp, interval: &TimeInterval) -> (f64, f64, f64) {
    let truth = world.true_time();
    assert!(interval.contains(truth), "the run shows a broken bound");
    (since(world, begin), error_ms(interval.earliest(), truth), error_ms(interval.latest(), truth))
}

/// A counter alone, a counter that was set once, and one that goes on asking.
pub(crate) fn knowledge() -> Result<String> {
    let mut world = World::new(1);
    let (asked, mute) = (far(5 * MS, MS), far(5 * MS, MS).reply(Reply::None));
    three(&mut world, ["a", "b", "c"], &asked);
    three(&mut world, ["x", "y", "z"], &asked);
    let host = |name: &str, servers: [&str; 3]| {
        let host = Host::named(name).oscillator(Oscillator::steady(60_000)).settings(|builder| {
            builder.drift(Drift::fixed_ppm(200)).max_age(3600 * S).max_uncertainty(3600 * S)
        });
        servers.into_iter().fold(host, |host, server| host.asks(server))
    };
    let asks = world.clock(host("asks", ["a", "b", "c"]))?;
    let asked_once = world.clock(host("asked", ["x", "y", "z"]))?;
    world.advance(30 * S);
    three(&mut world, ["x", "y", "z"], &mute);
    let (begin, counter) = (world.true_time(), asked_once.monotonic());
    let (mut goes_on, mut once, mut alone) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..=150 {
        goes_on.push(minutes(band_point(&world, begin, &asks.now()?)));
        once.push(minutes(band_point(&world, begin, &asked_once.now()?)));
        let elapsed = asked_once.elapsed(counter, asked_once.monotonic()).ok_or("one counter")?;
        let middle = (elapsed.at_least + elapsed.at_most) / 2;
        alone.push((
            since(&world, begin) / 60.0,
            middle.as_secs_f64() * 1e3 - since(&world, begin) * 1e3,
        ));
        world.advance(2 * S);
    }
    let course = Course {
        x: ("minutes since the servers of one fell silent", 0.0..5.0),
        y: ("ms from true time", -110.0..110.0),
        marks: vec![
            Mark::Band("what a clock knows that asked once", ORANGE, once),
            Mark::Band("what a clock knows that goes on asking", BLUE, goes_on),
            Mark::Line("its counter, believed as it is (60 ppm slow)", RED, alone),
            Mark::Line("true time", BLACK, vec![(0.0, 0.0), (5.0, 0.0)]),
        ],
        key: UpperLeft,
    };
    course.draw()
}

fn minutes((x, from, to): (f64, f64, f64)) -> (f64, f64, f64) {
    (x / 60.0, from, to)
}

/// The interval from exchange to exchange.
pub(crate) fn interval() -> Result<String> {
    let mut world = World::new(3);
    for (name, there, back) in [("a", 4, 9), ("b", 7, 7), ("c", 12, 5)] {
        let path = Path::new(Delay::new(there * MS, 8 * MS), Delay::new(back * MS, 8 * MS));
        world.server(name, Server::honest().path(path));
    }
    let host = Host::named("east").oscillator(Oscillator::steady(-150_000));
    let clock = world.clock(
        host.settings(|builder| builder.drift(Drift::fixed_ppm(200)).poll_interval(16 * S)),
    )?;
    world.advance(S);
    let begin = world.true_time();
    let (mut band, mut middle) = (Vec::new(), Vec::new());
    for _ in 0..=900 {
        let now = clock.now()?;
        band.push(band_point(&world, begin, &now));
        middle.push((since(&world, begin), error_ms(now.midpoint(), world.true_time())));
        world.advance(200 * MS);
    }
    let course = Course {
        x: ("seconds", 0.0..180.0),
        y: ("ms from true time", -15.0..30.0),
        marks: vec![
            Mark::Band("now(): true time is inside", BLUE, band),
            Mark::Line("its middle: no better a guess than any other point", GREY, middle),
            Mark::Line("true time", BLACK, vec![(0.0, 0.0), (180.0, 0.0)]),
        ],
        key: UpperLeft,
    };
    course.draw()
}

/// A machine is suspended for ten seconds, and its clock does not know yet.
pub(crate) fn limits() -> Result<String> {
    let mut world = World::new(5);
    three(&mut world, ["a", "b", "c"], &far(20 * MS, 10 * MS));
    let clock = world.clock(Host::named("east"))?;
    world.advance(60 * S);
    let (mut before, mut wrong, mut after) = (Vec::new(), Vec::new(), Vec::new());
    // The picture leaves the ten seconds out.
    for ms in 0..3_000 {
        if ms == 500 {
            world.suspend(&clock, 10 * S);
            world.advance(10 * S);
        }
        if let Ok(now) = clock.now() {
            let (truth, to) = (world.true_time(), |of| error_ms(of, world.true_time()) / 1e3);
            let into = if ms < 500 {
                &mut before
            } else if now.contains(truth) {
                &mut after
            } else {
                &mut wrong
            };
            if ms % 20 == 0 || ms >= 500 && into.len() < 120 {
                into.push((f64::from(ms), to(now.earliest()) - 0.15, to(now.latest()) + 0.15));
            }
        }
        world.advance(MS);
    }
    let noticed = wrong.len();
    assert!(
        (1..=110).contains(&noticed) && !after.is_empty(),
        "{noticed} wrong, {} right after",
        after.len()
    );
    let course = Course {
        x: ("ms of running time; at 500 the machine was suspended for ten seconds", 0.0..3000.0),
        y: ("s from true time", -12.0..4.0),
        marks: vec![
            Mark::Band("now(), drawn wider than it is", BLUE, before),
            Mark::Band("not noticed yet: WRONG", RED, wrong),
            Mark::Band("after the new exchanges; between, now() is an error", GREEN, after),
            Mark::Line("true time", BLACK, vec![(0.0, 0.0), (3000.0, 0.0)]),
        ],
        key: LowerRight,
    };
    course.draw()
}

/// What five servers say at one moment, one of them a liar, and what is agreed.
pub(crate) fn servers() -> Result<String> {
    let mut world = World::new(8);
    for (name, there, back) in [("a", 3, 14), ("b", 9, 4), ("c", 6, 6), ("d", 2, 5)] {
        let path = Path::new(Delay::new(there * MS, MS), Delay::new(back * MS, MS));
        world.server(name, Server::honest().path(path));
    }
    world.server("liar", far(2 * MS, MS).error(ClockError::Fixed { ns: 11_000_000 }));
    let clock =
        world.clock(Host::named("east").settings(|builder| builder.poll_interval(16 * S)))?;
    world.advance(5 * S);
    let truth = world.true_time();
    let at = |t| error_ms(t, truth);
    let sources: Vec<TimeInterval> =
        clock.status().sources.iter().filter_map(|source| source.interval).collect();
    let say: Vec<DomainBound> = sources
        .iter()
        .map(|i| DomainBound::Within(i.earliest().as_unix_nanos(), i.latest().as_unix_nanos()))
        .collect();
    let agreed = |faulty| -> Vec<Bar> {
        let point = Timestamp::from_unix_nanos;
        match agreement(&say, faulty) {
            Agreed::Within { earliest_ns, latest_ns, .. } => {
                let (from, to) = (at(point(earliest_ns)), at(point(latest_ns)));
                vec![(from, to, if from <= 0.0 && 0.0 <= to { BLUE } else { RED }, "")]
            }
            _ => vec![(-16.0, -4.0, WHITE, "an error: they contradict each other")],
        }
    };
    let names = ["server a", "server b", "server c", "server d", "the liar"];
    let mut rows: Vec<(&str, Vec<Bar>)> = Vec::new();
    for (name, source) in names.into_iter().zip(&sources) {
        let color = if source.contains(truth) { GREEN } else { RED };
        rows.push((name, vec![(at(source.earliest()), at(source.latest()), color, "")]));
    }
    rows.push(("agreed with f = 0", agreed(0)));
    rows.push(("agreed with f = 1", agreed(1)));
    rows.push(("agreed with f = 2 (default)", agreed(2)));
    let truths = (0..rows.len()).filter(|&row| row != 5).map(|row| (row, 0.0, BLACK)).collect();
    Rows { x: ("ms from true time (the dots)", -16.0..16.0), rows, points: truths }.draw()
}

/// An outage, and a suspend: what the state says, and how wide the interval is.
pub(crate) fn operating() -> Result<String> {
    let mut world = World::new(13);
    let (up, down) = (far(10 * MS, 4 * MS), far(10 * MS, 4 * MS).reply(Reply::None));
    three(&mut world, ["a", "b", "c"], &up);
    let settings =
        |builder: sureclock::Builder| builder.drift(Drift::fixed_ppm(200)).max_age(900 * S);
    let clock = world.clock(Host::named("east").settings(settings))?;
    let mut parts: Vec<(State, Points, bool)> = Vec::new();
    world.advance(60 * S);
    let begin = world.true_time();
    for step in 0..2400_u32 {
        match step {
            300 => three(&mut world, ["a", "b", "c"], &down),
            1500 => three(&mut world, ["a", "b", "c"], &up),
            1900 => {
                world.pause_machine(&clock, 3 * S);
                world.advance(3 * S);
            }
            _ => {}
        }
        world.advance(S);
        let status = clock.status();
        let answers = clock.now().is_ok();
        let width =
            status.interval.map_or(0.0, |interval| interval.uncertainty().as_secs_f64() * 1e3);
        let state = match status.state {
            State::Disrupted { .. } => State::Disrupted {
                reason: sureclock::DisruptionReason::Suspended,
                behind_by: None,
                ahead_by: None,
                needs_new_epoch: false,
            },
            state => state,
        };
        let point = (since(&world, begin) / 60.0, 0.0, width);
        match parts.last_mut() {
            Some((of, points, ok)) if *of == state && *ok == answers => points.push(point),
            _ => parts.push((state, vec![point], answers)),
        }
    }
    let mut named: Vec<&str> = Vec::new();
    let mut marks = Vec::new();
    for (state, mut points, answers) in parts {
        let (name, color) = match (state, answers) {
            (State::Synchronized, _) => ("synchronized", BLUE),
            (State::Holdover, true) => ("holdover: no agreement, it grows", ORANGE),
            (State::Holdover, false) => {
                ("older than max_age: now() is an error, after() goes on", GREY)
            }
            _ => ("disrupted: an error (drawn wider)", RED),
        };
        if matches!(state, State::Disrupted { .. } | State::Starting) {
            points = points
                .iter()
                .flat_map(|&(x, _, _)| [(x, 0.0, 300.0), (x + 0.2, 0.0, 300.0)])
                .collect();
        }
        // Seen also where it is one point.
        points.push(
            points.last().map_or((0.0, 0.0, 0.0), |&(x, from, to)| (x + 1.0 / 60.0, from, to)),
        );
        let label = if named.contains(&name) { "" } else { name };
        named.push(name);
        marks.push(Mark::Band(label, color, points));
    }
    Course {
        x: ("minutes", 0.0..40.0),
        y: ("uncertainty in ms", 0.0..600.0),
        marks,
        key: UpperLeft,
    }
    .draw()
}

/// The operating system's clock while somebody sets it.
pub(crate) fn migrating() -> Result<String> {
    let mut world = World::new(21);
    three(&mut world, ["a", "b", "c"], &far(3 * MS, 2 * MS));
    let clock: SureClock =
        world.clock(Host::named("east").oscillator(Oscillator::steady(90_000)))?;
    world.advance(60 * S);
    let begin = world.true_time();
    let (mut band, mut wall) = (Vec::new(), Vec::new());
    for step in 0..=1200 {
        match step {
            300 => world.step_wall(&clock, -45_000_000),
            700 => world.step_wall(&clock, 70_000_000),
            1000 => world.step_wall(&clock, -38_000_000),
            _ => {}
        }
        band.push(band_point(&world, begin, &clock.now()?));
        let os = world.wall_time(&clock).assume_true();
        wall.push((since(&world, begin), error_ms(os, world.true_time())));
        world.advance(100 * MS);
    }
    let course = Course {
        x: ("seconds", 0.0..120.0),
        y: ("ms from true time", -60.0..60.0),
        marks: vec![
            Mark::Band("now()", BLUE, band),
            Mark::Line("SystemTime, which somebody steps three times", RED, wall),
            Mark::Line("true time", BLACK, vec![(0.0, 0.0), (120.0, 0.0)]),
        ],
        key: UpperLeft,
    };
    course.draw()
}
