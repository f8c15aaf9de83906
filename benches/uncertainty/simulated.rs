//! The same links in the simulator: long runs in no time, and true time known to the nanosecond.

use std::time::Duration;
use sureclock::Drift;
use sureclock::sim::{Delay, Dice, Host, Oscillator, Path, Server, World};

const MS: Duration = Duration::from_millis(1);
const S: Duration = Duration::from_secs(1);

/// One line of the table.
struct Case {
    /// Each way.
    least: Duration,
    jitter: Duration,
    poll: Duration,
    drift: Drift,
    /// Readings count from the first of these on until the second.
    span: (Duration, Duration),
    rounded_up: bool,
    /// What the nominal tick is declared to be wrong by, as that of a real counter is: 100 ppm.
    nominal_ppb: u32,
}

pub(crate) fn table() {
    let ten = |drift, span| (8 * MS, 4 * MS, 16 * S, drift, span, false);
    let short = |poll, drift, up| (MS / 10, MS / 5, poll, drift, (2400 * S, 3600 * S), up);
    let (first, second) = ((S, 600 * S), (3600 * S, 7200 * S));
    let cases = [
        ("fixed 200 ppm, first ten minutes", ten(Drift::fixed_ppm(200), first)),
        ("fixed 15 ppm, first ten minutes", ten(Drift::fixed_ppm(15), first)),
        ("default, first ten minutes", ten(Drift::default(), first)),
        ("default, second hour", ten(Drift::default(), second)),
        ("fixed 200 ppm, after 40 minutes", short(S, Drift::fixed_ppm(200), true)),
        ("default, after 40 minutes", short(S, Drift::default(), true)),
        ("default, after 40 minutes", short(2 * S, Drift::default(), true)),
        ("learned, 1 ppm, after 40 minutes", short(S, Drift::learned_ppm(1), true)),
        ("learned, 1 ppm, after 40 minutes", short(2 * S, Drift::learned_ppm(1), true)),
        ("default, fields cut off, after 40 minutes", short(S, Drift::default(), false)),
    ];
    println!(
        "| each way ms | polls | drift, span | median | the same with a counter's 100 ppm | p99 | first answer | after 9 s |"
    );
    println!("|---|---|---|---|---|---|---|---|");
    for (name, (least, jitter, poll, drift, span, rounded_up)) in cases {
        let case =
            |nominal_ppb| Case { least, jitter, poll, drift, span, rounded_up, nominal_ppb }.run();
        let ((median, p99, first, burst), (real, ..)) = (case(0), case(100_000));
        let ms = |length: Duration| length.as_secs_f64() * 1e3;
        let (from, to, poll) = (ms(least), ms(least + jitter), poll.as_secs());
        println!(
            "| {from:.1} to {to:.1} | {poll} s | {name} | {median:.2} | {real:.2} | {p99:.2} | {first:.2} | {burst:.2} |"
        );
    }
}

impl Case {
    /// Medians over worlds of: the uncertainty as a multiple of the limit at the median, and at the
    /// 99th percentile; at the first answer; after the burst of the start, which takes 8 s.
    fn run(&self) -> (f64, f64, f64, f64) {
        let mut all = [Vec::new(), Vec::new(), Vec::new(), Vec::new()];
        for seed in 0..10 {
            let results = self.world(seed);
            all.iter_mut().zip(results).for_each(|(all, result)| all.push(result));
        }
        let [a, b, c, d] = all.map(|mut values| {
            values.sort_by(f64::total_cmp);
            values[values.len() / 2]
        });
        (a, b, c, d)
    }

    fn world(&self, seed: u64) -> [f64; 4] {
        let mut world = World::new(seed);
        let mut dice = Dice::new(!seed);
        for name in ["a", "b", "c"] {
            let leg = Delay::new(self.least, self.jitter).evenly();
            world.server(name, Server::honest().path(Path::new(leg, leg)));
        }
        let ppb = i32::try_from(dice.within(-12_000, 12_000)).unwrap_or(0);
        let (drift, poll, up) = (self.drift, self.poll, self.rounded_up);
        let host = Host::named("east")
            .oscillator(Oscillator::steady(ppb))
            .nominal_error(0, self.nominal_ppb);
        let host = host.settings(move |builder| {
            let builder = builder.drift(drift).poll_interval(poll);
            if up { builder.assume_root_fields_rounded_up() } else { builder }
        });
        let clock = world.clock(host).expect("a clock");
        let limit = self.least.as_nanos() as f64;
        let uncertainty = |world: &mut World| {
            let now = world.check(&clock).unwrap_or_else(|violation| panic!("{violation}"));
            now.ok().map(|interval| interval.uncertainty().as_nanos() as f64 / limit)
        };
        let (mut widths, mut first, mut burst) = (Vec::new(), None, None);
        let mut passed = Duration::ZERO;
        while passed < self.span.1 {
            let step = if passed < S { MS / 10 } else { dice.length(Duration::ZERO, 2 * S) };
            world.advance(step);
            passed += step;
            let Some(width) = uncertainty(&mut world) else { continue };
            first.get_or_insert(width);
            if passed > 9 * S {
                burst.get_or_insert(width);
            }
            if passed >= self.span.0 {
                widths.push(width);
            }
        }
        widths.sort_by(f64::total_cmp);
        [
            widths[widths.len() / 2],
            widths[widths.len() * 99 / 100],
            first.expect("an answer"),
            burst.expect("an answer"),
        ]
    }
}

/// What a pause of the machine that nobody can notice at once does, with a learned rate and
/// without: beyond the assumptions, and measured for that reason. For each path the worst of many
/// pauses.
pub(crate) fn pauses() {
    println!(
        "| there, back ms | drift | wrong seconds of 6000 | `earliest` ahead of true time by | `latest` behind it by |"
    );
    println!("|---|---|---|---|---|");
    let us = Duration::from_micros(1);
    for (there, back) in [
        (10_000, 100),
        (20_000, 200),
        (40_000, 200),
        (5_000, 5_000),
        (1_000, 1_000),
        (20_000, 20_000),
    ] {
        for (name, drift) in
            [("learned 2 ppm", Drift::learned_ppm(2)), ("fixed 200 ppm", Drift::fixed_ppm(200))]
        {
            let (mut wrong, mut ahead, mut behind) = (0, 0, 0);
            for warm in [10, 40, 60, 64, 70, 80, 100, 150, 200, 400, 1000] {
                for tenths in [8, 10, 11, 12, 14, 16, 20] {
                    let path = Path::new(
                        Delay::new(there * us, Duration::ZERO),
                        Delay::new(back * us, Duration::ZERO),
                    );
                    let seen =
                        after_a_pause(path, drift, warm * S, (there + back) * us * tenths / 10);
                    wrong = wrong.max(seen.0);
                    ahead = ahead.max(seen.1);
                    behind = behind.max(seen.2);
                }
            }
            let ms = |ns: i64| {
                if ns > 0 { format!("{:.1} ms", ns as f64 / 1e6) } else { "never".into() }
            };
            let (there, back) = (f64::from(there) / 1e3, f64::from(back) / 1e3);
            println!("| {there}, {back} | {name} | {wrong} | {} | {} |", ms(ahead), ms(behind));
        }
    }
}

/// How many seconds an interval was wrong, and by how much at most on either side, in nanoseconds.
fn after_a_pause(path: Path, drift: Drift, warm: Duration, pause: Duration) -> (u64, i64, i64) {
    let mut world = World::new(5);
    for name in ["a", "b", "c"] {
        world.server(name, Server::direct().path(path).processing(Duration::ZERO));
    }
    let clock = world
        .clock(Host::named("east").settings(move |builder| builder.drift(drift)))
        .expect("a clock");
    world.advance(warm);
    world.pause_machine(&clock, pause);
    world.advance(pause);
    let (mut wrong, mut ahead, mut behind) = (0, 0, 0);
    for _ in 0..6_000 {
        world.advance(S);
        let Ok(now) = clock.now() else { continue };
        let truth = world.true_time().as_unix_nanos();
        let (early, late) =
            (now.earliest().as_unix_nanos() - truth, truth - now.latest().as_unix_nanos());
        wrong += u64::from(early > 0 || late > 0);
        ahead = ahead.max(early);
        behind = behind.max(late);
    }
    (wrong, ahead, behind)
}
