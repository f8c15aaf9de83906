//! The same links in the simulator: long runs in no time, and true time known to the nanosecond.

use std::time::Duration;
use sureclock::Drift;
use sureclock::sim::{Delay, Dice, Host, Oscillator, Path, Server, World};

const MS: Duration = Duration::from_millis(1);
const S: Duration = Duration::from_secs(1);

/// One line of the table.
struct Case {
    name: &'static str,
    /// Each way.
    least: Duration,
    jitter: Duration,
    poll: Duration,
    drift: Drift,
    /// Readings count from the first of these on until the second.
    span: (Duration, Duration),
    rounded_up: bool,
}

pub(crate) fn table() {
    let ten = |drift, span| (8 * MS, 4 * MS, 16 * S, drift, span, false);
    let short = |poll, drift, up| (MS / 10, MS / 5, poll, drift, (600 * S, 1800 * S), up);
    let (first, second) = ((S, 600 * S), (3600 * S, 7200 * S));
    let cases = [
        ("fixed 200 ppm, first ten minutes", ten(Drift::fixed_ppm(200), first)),
        ("fixed 15 ppm, first ten minutes", ten(Drift::fixed_ppm(15), first)),
        ("default, first ten minutes", ten(Drift::default(), first)),
        ("default, second hour", ten(Drift::default(), second)),
        ("fixed 200 ppm", short(S, Drift::fixed_ppm(200), true)),
        ("default", short(S, Drift::default(), true)),
        ("default", short(2 * S, Drift::default(), true)),
        ("learned, 1 ppm", short(S, Drift::learned_ppm(1), true)),
        ("learned, 1 ppm", short(2 * S, Drift::learned_ppm(1), true)),
        ("default, fields cut off", short(S, Drift::default(), false)),
    ];
    for (name, (least, jitter, poll, drift, span, rounded_up)) in cases {
        let case = Case { name, least, jitter, poll, drift, span, rounded_up };
        let (median, worst, first, burst) = case.run();
        println!(
            "{:<36} {:>6.1?} +{:<6.1?} poll {:>3?}  median {median:.3} p99 {worst:.3} first {first:.3} burst {burst:.3}",
            case.name, case.least, case.jitter, case.poll
        );
    }
}

impl Case {
    /// Medians over worlds of: the uncertainty as a multiple of the limit at the median, and at the 99th percentile; at the first
    /// answer; after the burst.
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
        let host = Host::named("east").oscillator(Oscillator::steady(ppb)).settings(move |builder| {
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
            if passed > 6 * S {
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
