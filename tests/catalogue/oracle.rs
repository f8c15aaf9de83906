//! How narrow the interval could be: an oracle that knows the same facts, written from the
//! definitions, in floating point.

use super::generators::*;
use super::run::{Checked, Run};
use std::time::Duration;
use sureclock::sim::{Exchanged, Host, Law, Path, Server};
use sureclock::{Drift, SureClock};

/// The oracle's knowledge: facts as (counter, bound) with counters of nanoseconds, relative to a
/// moment.
struct Oracle {
    k: f64,
    window: f64,
    faulty: usize,
    sources: Vec<Vec<Exchanged>>,
    /// The best of all agreements so far: (counter, bound).
    lower: Option<(f64, f64)>,
    upper: Option<(f64, f64)>,
    origin: (u64, i64),
}

impl Oracle {
    fn relative(&self, exchanged: &Exchanged) -> (f64, f64, f64, f64) {
        let ticks = |reading: sureclock::MonotonicTime| (reading.ticks() - self.origin.0) as f64;
        let ns = |time: sureclock::Timestamp| (time.as_unix_nanos() - self.origin.1) as f64;
        let facts = &exchanged.facts;
        (
            ticks(facts.before()),
            ns(facts.no_later_than()),
            ticks(facts.after()),
            ns(facts.no_earlier_than()),
        )
    }

    /// Takes an exchange in, and what the sources agree on then.
    fn learn(&mut self, exchanged: Exchanged) {
        self.sources[exchanged.source].push(exchanged);
        let now = (exchanged.at.ticks() - self.origin.0) as f64;
        let mut bounds = Vec::new();
        for source in &self.sources {
            let live =
                source.iter().map(|e| self.relative(e)).filter(|(c1, ..)| now - c1 <= self.window);
            let (mut from, mut to) = (f64::NEG_INFINITY, f64::INFINITY);
            for (c1, upper, c4, lower) in live {
                from = from.max(lower + (now - c4 - 1.0) * (1.0 - self.k));
                to = to.min(upper + (now - c1 + 1.0) * (1.0 + self.k));
            }
            if from.is_finite() {
                bounds.push((from, to));
            }
        }
        if bounds.len() <= self.faulty {
            return;
        }
        let needed = bounds.len() - self.faulty;
        let covered = |x: f64| bounds.iter().filter(|(from, to)| *from <= x && x <= *to).count();
        let from = bounds
            .iter()
            .map(|b| b.0)
            .filter(|x| covered(*x) >= needed)
            .fold(f64::INFINITY, f64::min);
        let to = bounds
            .iter()
            .map(|b| b.1)
            .filter(|x| covered(*x) >= needed)
            .fold(f64::NEG_INFINITY, f64::max);
        let (old_from, old_to) = (self.from(now), self.to(now));
        self.lower = Some((now, old_from.max(from)));
        self.upper = Some((now, old_to.min(to)));
    }

    fn from(&self, now: f64) -> f64 {
        self.lower.map_or(f64::NEG_INFINITY, |(at, ns)| ns + (now - at) * (1.0 - self.k))
    }

    fn to(&self, now: f64) -> f64 {
        self.upper.map_or(f64::INFINITY, |(at, ns)| ns + (now - at) * (1.0 + self.k))
    }
}

/// With the assumptions kept and all sources answering: at least 99 % of the readings are
/// intervals, and their median width is at most 1.05 times the oracle's.
pub(crate) fn as_narrow_as_the_facts_allow(run: &mut Run) -> Checked {
    usefulness(run, 1.0)
}

/// The twin: an oracle that knows half of the drift bound is narrower by more than that.
pub(crate) fn narrower_than_the_facts_allow(run: &mut Run) -> Checked {
    usefulness(run, 0.5)
}

fn usefulness(run: &mut Run, oracle_knows: f64) -> Checked {
    let n = usize::try_from(3 + run.dice.below(5)).unwrap_or(3);
    for number in 0..n {
        let path = Path::symmetric(
            run.dice.length(Duration::ZERO, 2 * MS),
            run.dice.length(Duration::ZERO, MS),
        );
        let server = if run.dice.below(3) == 0 { Server::direct() } else { Server::honest() };
        run.server(&format!("s{number}"), server.path(path));
    }
    let (k, oscillator) = any_oscillator(&mut run.dice);
    let k = k.min(200_000);
    let poll = *run.dice.one_of(&[S, 4 * S, 16 * S]);
    let oscillator =
        if k == 200_000 { sureclock::sim::Oscillator::steady(-150_000) } else { oscillator };
    let host = Host::named("east").oscillator(oscillator);
    let host =
        host.settings(move |b| b.drift(Drift::fixed_ppb(k)).poll_interval(poll).window(300 * S));
    run.world.record_exchanges();
    let clock = run.clock(host);
    let begin = (clock.monotonic().ticks(), run.world.true_time().as_unix_nanos());
    run.settle()?;
    run.tally.acts += 1;
    let mut oracle = Oracle {
        k: f64::from(k) * 1e-9 * oracle_knows,
        window: 300e9,
        faulty: (n - 1) / 2,
        sources: vec![Vec::new(); n],
        lower: None,
        upper: None,
        origin: begin,
    };
    let (mut learnt, mut ratios, mut errors) = (0, Vec::new(), 0);
    for _ in 0..100 {
        let step = run.dice.length(Duration::ZERO, poll);
        run.world.advance(step);
        run.check()?;
        let known = run.world.exchanges();
        known[learnt..].iter().for_each(|exchanged| oracle.learn(*exchanged));
        learnt = known.len();
        match ratio(&clock, &oracle) {
            Some(ratio) => ratios.push(ratio),
            None => errors += 1,
        }
    }
    ratios.sort_by(f64::total_cmp);
    let median = ratios.get(ratios.len() / 2).copied().unwrap_or(f64::INFINITY);
    if errors > 1 || median > 1.05 {
        let what = || {
            format!(
                "{errors} of 100 readings are errors; the median width is {median:.3} of the oracle's"
            )
        };
        return Err(run.world.violation(Law::Usefulness, what));
    }
    Ok(())
}

fn ratio(clock: &SureClock, oracle: &Oracle) -> Option<f64> {
    let interval = clock.now().ok()?;
    let now = (clock.monotonic().ticks() - oracle.origin.0) as f64;
    Some(interval.width().as_nanos() as f64 / (oracle.to(now) - oracle.from(now)))
}
