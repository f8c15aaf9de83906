//! The process under test: one clock, threads that use it all the time, and a line about it every
//! few seconds.
//!
//! Truth is the OS clock of this machine, which the honest servers serve: it is read before and
//! after each use.

use std::io::Read as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};
use sureclock::{State, SureClock, Timestamp, Verdict};

/// What one line tells.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Told {
    pub(crate) state: String,
    /// Of the last interval, in ns; 0 where there was none.
    pub(crate) uncertainty_ns: u64,
    /// Sources whose interval is apart from the agreement, or whose facts contradict each other.
    pub(crate) apart: u64,
    /// Sources whose last exchange failed.
    pub(crate) failing: u64,
    pub(crate) readings: u64,
    pub(crate) intervals: u64,
    /// What broke a law: a reading without true time in it, an `after` that came too soon, a wait
    /// that ended early.
    pub(crate) outside: u64,
    pub(crate) commits: u64,
    pub(crate) disruptions: u64,
    /// By how much the OS clock ran ahead of the monotonic one since the start: a step of it shows
    /// here.
    pub(crate) os_ahead_ns: i64,
}

impl Told {
    fn line(&self) -> String {
        format!(
            "{} {} {} {} {} {} {} {} {} {}",
            self.state,
            self.uncertainty_ns,
            self.apart,
            self.failing,
            self.readings,
            self.intervals,
            self.outside,
            self.commits,
            self.disruptions,
            self.os_ahead_ns
        )
    }

    /// The line read back; `None` if it is none.
    pub(crate) fn read(line: &str) -> Option<Told> {
        let mut words = line.split_whitespace();
        let state = words.next()?.to_owned();
        let mut number = || words.next()?.parse::<i64>().ok();
        let mut count = || u64::try_from(number()?).ok();
        let (uncertainty_ns, apart, failing, readings) = (count()?, count()?, count()?, count()?);
        let (intervals, outside, commits, disruptions) = (count()?, count()?, count()?, count()?);
        let os_ahead_ns = number()?;
        Some(Told {
            state,
            uncertainty_ns,
            apart,
            failing,
            readings,
            intervals,
            outside,
            commits,
            disruptions,
            os_ahead_ns,
        })
    }
}

#[derive(Default)]
struct Tallies {
    readings: AtomicU64,
    intervals: AtomicU64,
    outside: AtomicU64,
    commits: AtomicU64,
}

/// Runs until the other end of standard input is closed.
pub(crate) fn run(
    servers: &[String],
    window: Duration,
    every: Duration,
    leak: bool,
) -> Result<(), String> {
    let builder = servers.iter().fold(SureClock::builder(), |builder, server| builder.ntp(server));
    let builder = builder
        .max_faulty(1)
        .window(window)
        .poll_interval(POLL)
        .timeout(TIMEOUT)
        .max_wait(LONGEST_WAIT);
    let clock = builder.start().map_err(|error| error.to_string())?;
    let tallies = Arc::new(Tallies::default());
    for (number, work) in [look, look, compare, commit].into_iter().enumerate() {
        let (clock, tallies) = (clock.clone(), Arc::clone(&tallies));
        let thread = std::thread::Builder::new().name(format!("user-{number}"));
        let forever = move || {
            let mut last = None;
            loop {
                work(&clock, &tallies, &mut last);
                std::thread::sleep(BETWEEN_USES);
            }
        };
        thread.spawn(forever).map_err(|error| error.to_string())?;
    }
    std::thread::spawn(|| {
        let _ = std::io::stdin().read_to_end(&mut Vec::new());
        std::process::exit(0);
    });
    let (os_start, start) = (wall(), Instant::now());
    let mut leaked = Vec::new();
    loop {
        std::thread::sleep(every);
        if leak {
            leaked.push((std::net::UdpSocket::bind("127.0.0.1:0"), vec![1_u8; 1 << 20]));
        }
        let os_ahead =
            i128::from(wall().as_unix_nanos() - os_start.as_unix_nanos()) - ns(start.elapsed());
        println!("{}", told(&clock, &tallies, i64::try_from(os_ahead).unwrap_or(i64::MAX)).line());
    }
}

fn told(clock: &SureClock, tallies: &Tallies, os_ahead_ns: i64) -> Told {
    let status = clock.status();
    let state = match status.state {
        State::Starting => "starting",
        State::Synchronized => "synchronized",
        State::Degraded => "degraded",
        State::Holdover => "holdover",
        State::Disrupted { .. } => "disrupted",
        _ => "dead",
    };
    let sources = |of: fn(&sureclock::SourceStatus) -> bool| {
        u64::try_from(status.sources.iter().filter(|source| of(source)).count()).unwrap_or(0)
    };
    let uncertainty = status.interval.map_or(Duration::ZERO, |interval| interval.uncertainty());
    let count = |tally: &AtomicU64| tally.load(Ordering::Relaxed);
    Told {
        state: state.into(),
        uncertainty_ns: u64::try_from(uncertainty.as_nanos()).unwrap_or(u64::MAX),
        apart: sources(|source| {
            matches!(source.verdict, Verdict::Falseticker | Verdict::Contradictory)
        }),
        failing: sources(|source| source.problem.is_some()),
        readings: count(&tallies.readings),
        intervals: count(&tallies.intervals),
        outside: count(&tallies.outside),
        commits: count(&tallies.commits),
        disruptions: status.counts.disruptions,
        os_ahead_ns,
    }
}

fn look(clock: &SureClock, tallies: &Tallies, last: &mut Option<Timestamp>) {
    let before = wall();
    let now = clock.now();
    let after = wall();
    one_more(&tallies.readings);
    let Ok(now) = now else { return *last = None };
    one_more(&tallies.intervals);
    if now.earliest() > after || before > now.latest() {
        broken(tallies, &format!("{before} to {after} outside {now:#}: {:?}", clock.status()));
    }
    // Within an epoch it never goes back; an error between may be a new epoch.
    if last.is_some_and(|last| now.earliest() < last) {
        broken(tallies, &format!("earliest went back to {now:#} from {last:?}"));
    }
    *last = Some(now.earliest());
}

fn compare(clock: &SureClock, tallies: &Tallies, _: &mut Option<Timestamp>) {
    let before = wall();
    let Some((past, future)) = before.checked_sub(LEAD).zip(before.checked_add(LEAD)) else {
        return;
    };
    for s in [past, before, future] {
        let (is_past, is_future) = (clock.after(s), clock.before(s));
        let after = wall();
        if is_past == Ok(true) && s >= after || is_future == Ok(true) && s < before {
            broken(
                tallies,
                &format!(
                    "at {before} to {after}: after({s}) = {is_past:?}, before = {is_future:?}"
                ),
            );
        }
    }
}

fn commit(clock: &SureClock, tallies: &Tallies, last: &mut Option<Timestamp>) {
    let before = wall();
    let Ok(commit) = clock.commit_timestamp() else { return };
    let s = commit.timestamp();
    if s < before || last.is_some_and(|last| s <= last) {
        broken(tallies, &format!("at {before}: {s} given out after {last:?}"));
    }
    *last = Some(s);
    if clock.commit_wait(commit).wait().is_ok() {
        one_more(&tallies.commits);
        let after = wall();
        if s >= after {
            broken(tallies, &format!("the wait for {s} ended at {after}"));
        }
    }
}

fn wall() -> Timestamp {
    SureClock::wall_time().assume_true()
}

fn broken(tallies: &Tallies, what: &str) {
    one_more(&tallies.outside);
    eprintln!("OUTSIDE: {what}");
}

/// Pairs with nothing: the tallies are only counted.
fn one_more(tally: &AtomicU64) {
    tally.fetch_add(1, Ordering::Relaxed);
}

fn ns(length: Duration) -> i128 {
    i128::try_from(length.as_nanos()).unwrap_or(i128::MAX)
}

const POLL: Duration = Duration::from_millis(200);
const TIMEOUT: Duration = Duration::from_millis(500);
const BETWEEN_USES: Duration = Duration::from_millis(2);
/// So far before and after the OS clock `after` and `before` are asked about, too: near the edge of
/// a usual interval.
const LEAD: Duration = Duration::from_millis(5);
/// Of a commit, by when it gives up and the next begins.
const LONGEST_WAIT: Duration = Duration::from_secs(10);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_comes_back_and_no_line_is_none() {
        let told = Told {
            state: "holdover".into(),
            readings: 7,
            outside: 1,
            os_ahead_ns: -5,
            ..Told::default()
        };
        assert_eq!(Told::read(&told.line()), Some(told));
        assert_eq!(Told::read("holdover 1 2"), None);
    }
}
