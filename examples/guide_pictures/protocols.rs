//! What stands on the interval: commit wait, writes, stamps, leases, requests; in simulated runs.

use crate::Result;
use crate::chart::{BLACK, BLUE, Bar, Course, GREEN, GREY, Mark, ORANGE, RED, Rows};
use plotters::prelude::SeriesLabelPosition::{MiddleRight, UpperLeft};
use std::time::Duration;
use sureclock::fence::{Fence, FencedWriter, FencingHolder, Locked};
use sureclock::register::{Latest, Register, Seen};
use sureclock::request::{Answers, Begun, Reply, RequestId};
use sureclock::sim::{Dice, Host, Oscillator, Path, Server, World};
use sureclock::{
    Drift, HybridClock, HybridTimestamp, Lease, LeaseForm, LeaseGrantor, LeaseState, SureClock,
    TimeInterval, Timescale, Timestamp,
};

const MS: Duration = Duration::from_millis(1);
const S: Duration = Duration::from_secs(1);

fn ms_since(of: Timestamp, begin: Timestamp) -> f64 {
    (of.as_unix_nanos() - begin.as_unix_nanos()) as f64 / 1e6
}

/// Two machines whose clocks are as different as their uncertainty of some milliseconds allows.
fn two_machines(world: &mut World) -> Result<[SureClock; 2]> {
    // What takes all of its time on one way looks the same from the machine as what takes it on the
    // other.
    let way = |there, back| {
        let delay = |ms| sureclock::sim::Delay::new(ms * MS, Duration::ZERO);
        Server::honest().path(Path::new(delay(there), delay(back)))
    };
    world.server("late.example", way(6, 0));
    world.server("early.example", way(0, 6));
    let host = |name: &str, server: &str| {
        Host::named(name)
            .asks(server)
            .settings(|builder| builder.max_faulty(0).poll_interval(4 * S))
    };
    Ok([world.clock(host("east", "late.example"))?, world.clock(host("west", "early.example"))?])
}

/// Transactions that follow one another on two machines.
pub(crate) fn commit_wait() -> Result<String> {
    let mut world = World::new(2);
    let machines = two_machines(&mut world)?;
    world.advance(10 * S);
    let begin = world.true_time();
    let names =
        ["first, in the east", "second, in the west", "third, in the east", "fourth, in the west"];
    let (mut rows, mut points, mut last) = (Vec::new(), Vec::new(), None);
    for (number, name) in names.into_iter().enumerate() {
        let clock = &machines[number % 2];
        let from = ms_since(world.true_time(), begin);
        let s = clock.commit_timestamp()?;
        while !clock.after(s.timestamp())? {
            world.advance(MS / 20);
        }
        let to = ms_since(world.true_time(), begin);
        assert!(last < Some(s.timestamp()), "the later transaction has the larger timestamp");
        last = Some(s.timestamp());
        rows.push((name, vec![(from, to, BLUE, "")]));
        points.push((number, ms_since(s.timestamp(), begin), RED));
        // The reply travels, and the client begins the next one.
        world.advance(MS);
    }
    Rows {
        x: (
            "ms of true time: a bar is a transaction with its wait, the dot its timestamp",
            -1.0..36.0,
        ),
        rows,
        points,
    }
    .draw()
}

/// How many acknowledged writes are lost by the larger timestamp, and by the register.
pub(crate) fn writes() -> Result<String> {
    const PAIRS: u32 = 400;
    let mut dice = Dice::new(4);
    let (mut plain, mut lost, mut both) = (Vec::new(), Vec::new(), Vec::new());
    let point = |ns: i64| Timestamp::from_unix_nanos(1_800_000_000_000_000_000 + ns);
    for skew_us in (0..=20_000_i64).step_by(500) {
        let (mut plain_lost, mut register_lost, mut register_both) = (0_u32, 0_u32, 0_u32);
        for _ in 0..PAIRS {
            let think = i64::try_from(dice.below(10_000_000))?;
            let (first, second) = (0, think);
            // The first node's clock is ahead by the skew; both intervals hold true time, and reach
            // up to 2 ms to either side.
            plain_lost += u32::from(first + skew_us * 1_000 > second);
            let mut interval = |truth: i64| {
                let (before, after) = (dice.below(2_000_000) as i64, dice.below(2_000_000) as i64);
                TimeInterval::new(point(truth - before), point(truth + after), Timescale::Utc)
            };
            let (mut east, mut west) = (Register::new(), Register::new());
            east.write(1, &interval(first)?, &Seen::nothing())?;
            west.write(2, &interval(second)?, &Seen::nothing())?;
            // They meet when both writes are over.
            let later = point(1_000_000_000);
            east.merge(west.state(), &TimeInterval::new(later, later, Timescale::Utc)?)?;
            match east.read().latest() {
                Latest::One(2) => {}
                Latest::Several(versions)
                    if versions.iter().any(|version| *version.value() == 2) =>
                {
                    register_both += 1
                }
                _ => register_lost += 1,
            }
        }
        let x = skew_us as f64 / 1e3;
        let percent = |count: u32| f64::from(count) * 100.0 / f64::from(PAIRS);
        plain.push((x, percent(plain_lost)));
        lost.push((x, percent(register_lost)));
        both.push((x, percent(register_both)));
    }
    assert!(lost.iter().all(|&(_, lost)| lost == 0.0));
    let course = Course {
        x: (
            "ms by which one system's clock is ahead (intervals are not); the client writes again within 10 ms",
            0.0..20.0,
        ),
        y: ("% of the pairs of writes", -4.0..104.0),
        marks: vec![
            Mark::Line("the larger timestamp: the later write is lost", RED, plain),
            Mark::Line("register: both are kept, for nobody can know", BLUE, both),
            Mark::Line("register: lost", GREEN, lost),
        ],
        key: MiddleRight,
    };
    course.draw()
}

/// Stamps of three machines that send each other messages.
pub(crate) fn hybrid() -> Result<String> {
    let mut world = World::new(6);
    world.server("a", Server::honest().path(Path::symmetric(3 * MS, 2 * MS)));
    world.server("b", Server::honest().path(Path::symmetric(8 * MS, 4 * MS)));
    let host = |name: &str, server: &str| {
        Host::named(name).asks(server).settings(|builder| builder.max_faulty(0))
    };
    let mut machines = Vec::new();
    for (name, server) in [("east", "a"), ("west", "a"), ("far", "b")] {
        machines.push(HybridClock::new(world.clock(host(name, server))?));
    }
    world.advance(30 * S);
    let (begin, mut dice) = (world.true_time(), Dice::new(9));
    let mut stamps = [Vec::new(), Vec::new(), Vec::new()];
    let mut on_the_way: Vec<(Timestamp, usize, HybridTimestamp)> = Vec::new();
    let mut far = Vec::new();
    for _ in 0..300 {
        world.advance(MS);
        let truth = world.true_time();
        let at = usize::try_from(dice.below(3))?;
        let arrived = on_the_way.iter().position(|&(when, to, _)| when <= truth && to == at);
        let stamp = match arrived {
            Some(message) => machines[at].receive(on_the_way.swap_remove(message).2)?,
            None => machines[at].stamp()?,
        };
        assert!(stamp.time() <= truth, "a stamp leads true time");
        let x = ms_since(truth, begin);
        stamps[at].push((x, ms_since(stamp.time(), truth)));
        let arrives =
            truth.checked_add(Duration::from_micros(200 + dice.below(3_000))).ok_or("in range")?;
        if dice.below(3) == 0 {
            on_the_way.push((arrives, (at + 1) % 3, stamp));
        }
        far.push((x, ms_since(machines[2].clock().now()?.earliest(), truth), 0.0));
    }
    let [east, west, of_far] = stamps;
    let course = Course {
        x: ("ms of true time", 0.0..300.0),
        y: ("ms from true time", -14.0..8.0),
        marks: vec![
            Mark::Band("from earliest of the far machine to true time", GREY, far),
            Mark::Dots("stamps in the east", BLUE, east),
            Mark::Dots("in the west", GREEN, west),
            Mark::Dots("on the far machine: it hears of newer ones", ORANGE, of_far),
            Mark::Line("true time: no stamp leads it here", BLACK, vec![(0.0, 0.0), (300.0, 0.0)]),
        ],
        key: UpperLeft,
    };
    course.draw()
}

fn write(resource: &Fence<u64>, writer: &mut FencedWriter, value: u64) -> bool {
    let Ok(token) = writer.token(&value.to_le_bytes()) else { return false };
    match resource.lock(&token) {
        Ok(Locked::Write(mut guard)) => {
            *guard = value;
            guard.commit();
            true
        }
        _ => false,
    }
}

/// Adds so much to the last bar, or begins another one.
fn extend(
    bars: &mut Vec<Bar>,
    from: f64,
    to: f64,
    color: plotters::style::RGBColor,
    text: &'static str,
) {
    match bars.last_mut() {
        Some(bar) if bar.3 == text => bar.1 = to,
        _ => bars.push((from, to, color, text)),
    }
}

/// A holder that is stopped beyond its lease, its grantor, its successor, and the resource.
pub(crate) fn leases() -> Result<String> {
    let mut world = World::new(7);
    world.server("a", Server::honest());
    let host = |name: &str, ppb| {
        let host = Host::named(name).oscillator(Oscillator::steady(ppb));
        // A bound much wider than real ones, to be seen.
        host.settings(|builder| builder.max_faulty(0).drift(Drift::fixed_ppm(40_000)))
    };
    let first = world.clock(host("first", -30_000_000))?;
    let second = world.clock(host("second", 10_000_000))?;
    let store = world.clock(host("store", 30_000_000))?;
    let name = "account".parse()?;
    let mut grantor = LeaseGrantor::first_ever(name, LeaseForm::Duration, 10 * S);
    let (mut first_lease, mut second_lease) = (Lease::new(name)?, Lease::new(name)?);
    let resource = Fence::new(name, 0);
    let (mut first_writer, mut second_writer) =
        (FencingHolder::new(1)?.writer(name), FencingHolder::new(2)?.writer(name));
    world.advance(S);
    let request = first_lease.request(&first, 10 * S)?;
    let (mut of_first, mut of_store, mut of_second) = (Vec::new(), Vec::new(), Vec::new());
    let (mut points, mut grant, mut asked, mut stopped) = (Vec::new(), None, None, false);
    for step in 0..170_u32 {
        let (from, to) = (f64::from(step) / 10.0, f64::from(step + 1) / 10.0);
        match step {
            8 => grant = Some(grantor.grant(&store, &request)?),
            20 => {
                first_lease.granted(&first, &grant.take().ok_or("granted")?)?;
                assert!(resource.lock(&first_writer.barrier()).is_ok());
            }
            30 | 50 => {
                assert!(write(&resource, &mut first_writer, step.into()));
                points.push((3, from, GREEN));
            }
            70 => {
                stopped = true;
            }
            145 => {
                stopped = false;
                // It had looked before it was stopped, and goes on.
                assert!(!write(&resource, &mut first_writer, 145));
                points.push((3, from, RED));
            }
            _ => {}
        }
        let (color, text) = match first_lease.state(&first) {
            LeaseState::Expired if stopped => (RED, "stopped, and over"),
            _ if stopped => (GREY, "stopped"),
            LeaseState::Held { .. } => (GREEN, "held"),
            LeaseState::Indeterminate => (ORANGE, ""),
            LeaseState::Expired if step < 20 => (GREY, "not yet"),
            LeaseState::Expired => (RED, "over"),
        };
        extend(&mut of_first, from, to, color, text);
        // The successor asks until it gets it.
        if step >= 75 && asked.is_none() {
            let request = second_lease.request(&second, 10 * S)?;
            if let Ok(grant) = grantor.grant(&store, &request) {
                second_lease.granted(&second, &grant)?;
                assert!(resource.lock(&second_writer.barrier()).is_ok());
                assert!(write(&resource, &mut second_writer, 2));
                points.push((3, from, GREEN));
                asked = Some(step);
            }
        }
        let granted = step >= 8 && asked.is_none();
        extend(
            &mut of_store,
            from,
            to,
            if granted { BLUE } else { GREEN },
            match (granted, asked) {
                (true, _) => "promised to the first",
                (false, Some(_)) => "to the second",
                (false, None) => "free",
            },
        );
        let second_holds = second_lease.state(&second).is_held();
        extend(
            &mut of_second,
            from,
            to,
            if second_holds { GREEN } else { GREY },
            if second_holds { "held" } else { "asks" },
        );
        world.advance(100 * MS);
    }
    let rows = vec![
        ("the first holder knows", of_first),
        ("the store", of_store),
        ("the second holder", of_second),
        ("writes at the resource", vec![]),
    ];
    Rows { x: ("seconds; a red dot is a write that the fence refuses", 0.0..17.0), rows, points }
        .draw()
}

/// What a server says of an id, by when the request arrives.
pub(crate) fn silence() -> Result<String> {
    let mut world = World::new(11);
    world.server("a", Server::honest().path(Path::symmetric(150 * MS, 30 * MS)));
    let clock = world.clock(Host::named("server").settings(|builder| builder.max_faulty(0)))?;
    world.advance(30 * S);
    let begin = world.true_time();
    let id = RequestId::new(&clock.now()?, 4 * S)?;
    let mut unknown = Answers::<u32>::first_ever(Timescale::Utc, 4 * S, 60 * S);
    let mut known = unknown.clone();
    let (mut of_unknown, mut of_known, mut of_end) = (Vec::new(), Vec::new(), Vec::new());
    let expiry = id.expiry().interval();
    of_end.push((
        ms_since(expiry.earliest(), begin) / 1e3,
        ms_since(expiry.latest(), begin) / 1e3,
        BLACK,
        "",
    ));
    for step in 0..240 {
        let (from, to) = (f64::from(step) / 20.0, f64::from(step + 1) / 20.0);
        let now = clock.now()?;
        if step == 20 {
            assert_eq!(known.begin(&id, b"", &now), Begun::New);
            assert!(known.finish(&id, 1));
        }
        // Other requests come, too: what has ended is dropped.
        for table in [&mut known, &mut unknown] {
            let other = RequestId::new(&now, MS)?;
            let _ = table.begin(&other, b"", &now);
        }
        for (bars, table) in [(&mut of_unknown, &unknown), (&mut of_known, &known)] {
            // A look, which leaves no trace.
            let (color, text) = match table.clone().begin(&id, b"", &now) {
                Begun::New => (GREEN, "do it"),
                Begun::Known(Reply::Done(_)) => (BLUE, "done: the answer of then"),
                Begun::Known(Reply::NotDone(_)) => (ORANGE, "not done, and never will be"),
                Begun::Known(_) => (GREY, "forgotten"),
            };
            extend(bars, from, to, color, text);
        }
        world.advance(50 * MS);
    }
    let rows = vec![
        ("if it was not here before", of_unknown),
        ("if it was carried out at 1 s", of_known),
        ("the end of the id", of_end),
    ];
    Rows {
        x: ("seconds after the id was made: what the server says to it", 0.0..12.0),
        rows,
        points: vec![],
    }
    .draw()
}
