//! Every fault of networks (F6) and of servers (F7) over real sockets, beside honest chronyd
//! processes.
//!
//! The law of every row: a reading is an interval that contains true time, or an error; with at
//! most f bad ones it is never an error once all are heard. Truth is the host's clock, which the
//! honest servers serve, read before and after. A row also says what must have been seen of its
//! fault, so that none passes empty; the rows stand in `hostile/`.
//!
//! `cargo test --test hostile_servers -- --nocapture` prints the table of `tests/README.md`.

mod hostile;
mod support;

use hostile::{Bad, Law, Row, Seen};
use std::net::SocketAddr;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};
use support::chronyd::{Chronyd, Config, require_chronyd};
use support::hostile::Hostile;
use support::ntpd_rs::{NtpdRs, require_ntpd_rs};
use support::relay::{Direction, Path, Relay, Tally};
use sureclock::{NowError, SourceStatus, SureClock, Timestamp, Verdict};

/// Rows at a time: more starve the servers on a machine with two cores, fewer take longer.
const AT_ONCE: usize = 12;
/// The least time of a row, in which its fault acts.
const ACTS_FOR: Duration = Duration::from_secs(2);
/// By when what must be seen has been seen. Usual are seconds; the rest is for machines under load.
const SEEN_WITHIN: Duration = Duration::from_secs(60);
/// Of a row in which there must be an answer; fewer would be hardly a look.
const LEAST_INTERVALS: u64 = 100;
const POLL: Duration = Duration::from_millis(100);
/// Longer than any delay of the rows there and back, shorter than their row.
const TIMEOUT: Duration = Duration::from_millis(250);
const BETWEEN_READINGS: Duration = Duration::from_millis(4);

fn wall() -> Timestamp {
    SureClock::wall_time().assume_true()
}

fn honest() -> Chronyd {
    let mut daemon = Chronyd::start(Config::honest()).expect("chronyd starts");
    daemon
        .wait_until_serving(Duration::from_secs(30))
        .unwrap_or_else(|error| panic!("{error}\n{}", daemon.log()));
    daemon
}

/// The bad server or the bad path of a row, running.
enum Running {
    Server(Hostile),
    Path(Relay),
}

impl Running {
    fn start(bad: Bad, number: usize, upstream: SocketAddr) -> Running {
        match bad {
            Bad::Server(behaviour) => Running::Server(Hostile::start(behaviour, number).unwrap()),
            Bad::Path(path) | Bad::Ramp(path, _) => {
                Running::Path(Relay::start(upstream, path(Path::clear())).unwrap())
            }
        }
    }

    fn addr(&self) -> SocketAddr {
        match self {
            Running::Server(server) => server.addr(),
            Running::Path(relay) => relay.addr(),
        }
    }

    fn asked(&self) -> u64 {
        match self {
            Running::Server(server) => server.asked_and_sent().0,
            Running::Path(relay) => relay.tally(Direction::Forward).arrived,
        }
    }

    fn tallies(&self) -> [Tally; 2] {
        match self {
            Running::Server(_) => [Tally::default(); 2],
            Running::Path(relay) => {
                [relay.tally(Direction::Forward), relay.tally(Direction::Backward)]
            }
        }
    }
}

/// What a row came to.
#[derive(Default)]
struct Outcome {
    asked: u64,
    readings: u64,
    intervals: u64,
    outside: u64,
    /// Errors after every honest source had been heard.
    errors: u64,
    seen: bool,
    last_error: Option<NowError>,
    /// At the end every honest source agrees and has answered more than once.
    honest_agree: bool,
    status: String,
}

/// Plays one row: its bad ones beside `honest`, until its fault was seen and it has acted for a
/// while.
fn run_row(row: &Row, honest: &[SocketAddr], upstream: SocketAddr) -> Outcome {
    let bad: Vec<Running> =
        (0..row.bad).map(|number| Running::start(row.what, number, upstream)).collect();
    let bad_names: Vec<String> = bad.iter().map(|bad| bad.addr().to_string()).collect();
    let builder =
        SureClock::builder().max_faulty(row.max_faulty).poll_interval(POLL).timeout(TIMEOUT);
    let names = honest.iter().map(SocketAddr::to_string).chain(bad_names.iter().cloned());
    let clock = names.fold(builder, |builder, name| builder.ntp(name)).start().unwrap();
    let started = Instant::now();
    let os_ahead_at_start = os_ahead(started, wall());
    let (mut outcome, mut all_heard) = (Outcome::default(), false);
    let mut seen = vec![false; bad.len()];
    let mut enough = false;
    while started.elapsed() < ACTS_FOR || (!enough && started.elapsed() < SEEN_WITHIN) {
        let before = wall();
        let now = clock.now();
        let after = wall();
        outcome.readings += 1;
        match now {
            Ok(now) => {
                outcome.intervals += 1;
                if now.earliest() > after || before > now.latest() {
                    outcome.outside += 1;
                    outcome.status =
                        format!("{before} to {after} outside {now:#}, {:#?}", clock.status());
                }
            }
            Err(error) if all_heard => {
                outcome.errors += 1;
                outcome.last_error = Some(error);
            }
            Err(_) => {}
        }
        let status = clock.status();
        let of = |name: &str| {
            status.sources.iter().find(|source| source.name == name).expect("configured")
        };
        all_heard = all_heard
            || (now.is_ok()
                && honest.iter().all(|server| of(&server.to_string()).last_heard.is_some()));
        for ((seen, running), name) in seen.iter_mut().zip(&bad).zip(&bad_names) {
            *seen = *seen || has_been_seen(row.seen, of(name), running);
            if let (Bad::Ramp(_, set), Running::Path(relay)) = (row.what, running) {
                relay.set(|path| set(path, started.elapsed()));
            }
        }
        let answers = |server: &SocketAddr| of(&server.to_string()).counts.answered > 2;
        enough = seen.iter().all(|seen| *seen)
            && honest.iter().all(answers)
            && (!matches!(row.law, Law::Holds) || outcome.intervals >= LEAST_INTERVALS);
        std::thread::sleep(BETWEEN_READINGS);
    }
    outcome.asked = bad.iter().map(Running::asked).min().unwrap_or(0);
    outcome.seen = seen.iter().all(|seen| *seen);
    let status = clock.status();
    outcome.honest_agree = honest.iter().all(|server| {
        let source = status
            .sources
            .iter()
            .find(|source| source.name == server.to_string())
            .expect("configured");
        source.verdict == Verdict::Agrees && source.counts.answered > 2
    });
    if outcome.status.is_empty() {
        outcome.status = format!("{status:#?}");
    }
    let moved = os_ahead(started, wall()) - os_ahead_at_start;
    outcome
        .status
        .push_str(&format!("\nthe OS clock moved by {moved} ns against the monotonic one"));
    outcome
}

/// Of which only the change means something: a step of the OS clock.
fn os_ahead(start: Instant, os: Timestamp) -> i128 {
    i128::from(os.as_unix_nanos()) - i128::try_from(start.elapsed().as_nanos()).unwrap_or(0)
}

fn has_been_seen(seen: Seen, source: &SourceStatus, running: &Running) -> bool {
    match seen {
        Seen::Source(of) => of(source),
        Seen::Network(of) => of(running.tallies()) && source.counts.asked > 5,
        Seen::PassedOver => {
            let sent = match running {
                Running::Server(server) => server.asked_and_sent().1,
                Running::Path(_) => 0,
            };
            sent > 2
                && source.counts.answered == 0
                && match source.problem {
                    // From another address nothing comes through.
                    Some(sureclock::Problem::Timeout) => true,
                    Some(sureclock::Problem::Rejected(rejected)) => !rejected.is_final(),
                    _ => false,
                }
        }
    }
}

/// Plays the rows in groups, prints the table, and gives back what did not hold.
fn run_all(rows: &[Row], honest: &[SocketAddr]) -> Vec<String> {
    let mut wrong = Vec::new();
    println!(
        "| fault | behaviour | over | bad of N | seen | readings | intervals | outside |\n|---|---|---|---|---|---|---|---|"
    );
    for group in rows.chunks(AT_ONCE) {
        let outcomes: Vec<Outcome> = std::thread::scope(|scope| {
            let running: Vec<_> = group
                .iter()
                .map(|row| {
                    scope.spawn(move || {
                        run_row(row, &honest[..row.honest], honest[honest.len() - 1])
                    })
                })
                .collect();
            running.into_iter().map(|row| row.join().expect("a row panicked; see above")).collect()
        });
        for (row, outcome) in group.iter().zip(outcomes) {
            let over = if matches!(row.what, Bad::Server(_)) { "server" } else { "relay" };
            let seen = if outcome.seen { row.seen_as } else { "NOT SEEN" };
            let (readings, intervals, outside) =
                (outcome.readings, outcome.intervals, outcome.outside);
            let of = format!("{} of {}", row.bad, row.bad + row.honest);
            println!(
                "| {} | {} | {over} | {of} | {seen} | {readings} | {intervals} | {outside} |",
                row.fault, row.name
            );
            if let Err(error) = row.law.judge(row, &outcome) {
                wrong.push(format!("{} {}: {error}\n{}", row.fault, row.name, outcome.status));
            }
        }
    }
    wrong
}

impl Law {
    fn judge(self, row: &Row, outcome: &Outcome) -> Result<(), String> {
        let Outcome { readings, intervals, outside, errors, .. } = *outcome;
        if !outcome.seen {
            return Err(format!("its fault was not seen ({})", row.seen_as));
        }
        if outcome.asked == 0 {
            return Err("the bad one was never asked".into());
        }
        let holds = match self {
            Law::Holds => {
                outside == 0 && errors == 0 && intervals >= LEAST_INTERVALS && outcome.honest_agree
            }
            Law::InsideOrError => outside == 0 && readings > 0,
            Law::ErrorInTheEnd => outside == 0 && outcome.last_error.is_some(),
            Law::NoAnswer => intervals == 0 && readings > 0,
            Law::Violates => outside > 0,
        };
        let counts = format!(
            "{readings} readings, {intervals} intervals, {outside} outside, {errors} errors"
        );
        if holds {
            Ok(())
        } else {
            Err(format!("{self:?} does not hold: {counts}; {:?}", outcome.last_error))
        }
    }
}

fn all_hold(rows: &[Row], honest: &[SocketAddr]) {
    // One test at a time: together they starve each other.
    static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());
    let _turn = ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner);
    let wrong = run_all(rows, honest);
    assert!(wrong.is_empty(), "{} of {} rows:\n{}", wrong.len(), rows.len(), wrong.join("\n\n"));
}

#[test]
fn beside_chronyd_servers_and_networks_that_misbehave_move_nothing() {
    if require_chronyd().is_none() {
        return;
    }
    let daemons = [honest(), honest(), honest()];
    all_hold(&hostile::rows(), &daemons.each_ref().map(Chronyd::addr));
}

#[test]
fn beside_chronyd_and_ntpd_rs_they_move_nothing() {
    let (Some(_), Some(program)) = (require_chronyd(), require_ntpd_rs()) else { return };
    let ntpd_rs = || NtpdRs::start(&program).unwrap_or_else(|error| panic!("{error}"));
    let (first, second, third) = (honest(), ntpd_rs(), ntpd_rs());
    // The bad paths lead to the last one.
    all_hold(&hostile::rows(), &[first.addr(), second.addr(), third.addr()]);
}

#[test]
#[should_panic(expected = "SURECLOCK_REQUIRE_NTPD_RS is set")]
fn a_skip_that_is_not_allowed_is_a_failure() {
    support::ntpd_rs::found_or_skipped(None, true);
}
