//! The command `sureclock`: readings with their error, and the state of the sources.
//!
//! Exit status of `now`: 0 if every reading had a bound, 1 otherwise, 2 for bad usage. A closed
//! pipe ends it quietly. What cannot be said on stderr is not said.

mod args;
mod course;
mod mark;
mod plot;
mod watch;

use args::{Cli, ClockArgs, Command};
use clap::Parser;
use serde_json::json;
use std::fmt;
use std::io::{self, ErrorKind, Write};
use std::path::Path;
use std::process::ExitCode;
use std::time::{Duration, Instant};
use sureclock::{NowError, SourceStatus, State, Status, SureClock, Verdict};

fn main() -> ExitCode {
    // clap prints and exits by itself: 2 for bad usage.
    let cli = Cli::parse();
    let result = match &cli.command {
        Command::Now { clock, count, every, json } => now(clock, *count, *every, *json),
        Command::Sources { clock } => sources(clock),
        Command::Watch { clock, every, length, plot } => {
            watch_it(clock, *every, *length, plot.as_deref())
        }
        Command::Mark { what } => mark::mark(what),
    };
    match result {
        Ok(code) => code,
        Err(Failure::Usage(error)) => {
            complain(format_args!("{error}"));
            ExitCode::from(2)
        }
        Err(Failure::Output(error)) if error.kind() == ErrorKind::BrokenPipe => ExitCode::SUCCESS,
        Err(Failure::Picture(error)) => {
            complain(format_args!("no picture: {error}"));
            ExitCode::FAILURE
        }
        Err(Failure::Output(error)) => {
            complain(format_args!("cannot write: {error}"));
            ExitCode::FAILURE
        }
    }
}

enum Failure {
    Usage(String),
    Picture(String),
    Output(io::Error),
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Failure {
        Failure::Output(error)
    }
}

/// Says it on stderr; where that cannot be written to, there is nobody to say it to.
fn complain(what: fmt::Arguments<'_>) {
    let _ = writeln!(io::stderr(), "sureclock: {what}");
}

fn now(args: &ClockArgs, count: u64, every: Duration, json: bool) -> Result<ExitCode, Failure> {
    let clock = args.start()?;
    let mut out = io::stdout().lock();
    let mut all_had_a_bound = true;
    let mut reading = 0;
    // The wait for the first bound is no reading; its failure is the first reading's.
    let mut due = Instant::now();
    let _ = clock.wait_synchronized(args.patience());
    while count == 0 || reading < count {
        if reading > 0 {
            due += every;
            std::thread::sleep(due.saturating_duration_since(Instant::now()));
        } else {
            due = Instant::now();
        }
        reading += 1;
        let os_before = SureClock::wall_time();
        let now = clock.now();
        let os_after = SureClock::wall_time();
        match now {
            Ok(now) if json => {
                let status = clock.status();
                let agreeing = status
                    .sources
                    .iter()
                    .filter(|source| source.verdict == Verdict::Agrees)
                    .count();
                let line = json!({
                    "earliest_ns": now.earliest().as_unix_nanos(),
                    "latest_ns": now.latest().as_unix_nanos(),
                    "uncertainty_ns": u64::try_from(now.uncertainty().as_nanos()).unwrap_or(u64::MAX),
                    "os_before_ns": os_before.assume_true().as_unix_nanos(),
                    "os_after_ns": os_after.assume_true().as_unix_nanos(),
                    "sources": status.sources.len(),
                    "agreeing": agreeing,
                    "state": state_name(status.state),
                });
                writeln!(out, "{line}")?;
            }
            Ok(now) => writeln!(out, "{now}")?,
            Err(error) => {
                all_had_a_bound = false;
                if json {
                    writeln!(out, "{}", json!({ "error": error.to_string() }))?;
                }
                explain(&error, &clock.status());
            }
        }
        out.flush()?;
    }
    Ok(if all_had_a_bound { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn sources(args: &ClockArgs) -> Result<ExitCode, Failure> {
    let clock = args.start()?;
    let synchronized = clock.wait_synchronized(args.patience());
    // The slower ones may still answer within their own time.
    let patience = Instant::now() + Duration::from_secs(2).min(args.patience());
    let pending =
        |source: &SourceStatus| source.verdict == Verdict::Silent && source.problem.is_none();
    while Instant::now() < patience && clock.status().sources.iter().any(pending) {
        std::thread::sleep(Duration::from_millis(10));
    }
    let status = clock.status();
    let os = SureClock::wall_time();
    let mut out = io::stdout().lock();
    let width = status.sources.iter().map(|source| source.name.len()).max().unwrap_or(0).max(6);
    writeln!(
        out,
        "{:<width$}  {:<13}  {:>14}  {:>10}  {:>10}  {:>8}  problem",
        "source", "verdict", "offset to OS", "delay", "root dist", "heard"
    )?;
    for source in &status.sources {
        // Reference minus local, as RFC 5905 has it: how far the source's midpoint is ahead of the
        // OS clock.
        let offset = source.interval.map(|interval| {
            i128::from(interval.midpoint().as_unix_nanos())
                - i128::from(os.assume_true().as_unix_nanos())
        });
        writeln!(
            out,
            "{:<width$}  {:<13}  {:>14}  {:>10}  {:>10}  {:>8}  {}",
            source.name,
            verdict_name(source.verdict),
            offset.map_or("-".into(), signed_ms),
            source.delay.map_or("-".into(), ms),
            source.root_distance.map_or("-".into(), ms),
            source.last_heard.map_or("-".into(), |age| format!("{} s", age.as_secs())),
            source.problem.map_or(String::new(), |problem| problem.to_string()),
        )?;
    }
    writeln!(out)?;
    match status.interval {
        Some(interval) => writeln!(out, "{interval}  {}", state_name(status.state))?,
        None => writeln!(out, "no bound: {}", state_name(status.state))?,
    }
    writeln!(
        out,
        "{}; rate bound {} ppb; counter: {}",
        domains(&status),
        status.rate_bound_ppb,
        status.counter
    )?;
    writeln!(out, "VM clock: {}", status.vm_clock)?;
    Ok(if synchronized.is_ok() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn watch_it(
    args: &ClockArgs,
    every: Duration,
    length: Option<Duration>,
    plot: Option<&Path>,
) -> Result<ExitCode, Failure> {
    if let Some(file) = plot {
        // Before the run, whose end may be hours away.
        plot::check(file).map_err(Failure::Picture)?;
    }
    let clock = args.start()?;
    let limits = watch::Limits { length, first_bound: args.timeout() };
    let (course, end) = watch::watch(&clock, every.max(Duration::from_millis(1)), limits)?;
    if end == watch::End::NoBound {
        let error = clock.now().err().unwrap_or(NowError::NotSynchronized);
        explain(&error, &clock.status());
    }
    if let Some(file) = plot {
        plot::write(&course, file).map_err(Failure::Picture)?;
    }
    Ok(match end {
        watch::End::Signal(number) => ExitCode::from(128_u8.saturating_add(number)),
        _ if clock.now().is_ok() => ExitCode::SUCCESS,
        _ => ExitCode::FAILURE,
    })
}

/// The reason, and the reason of each source, on stderr.
fn explain(error: &NowError, status: &Status) {
    complain(format_args!("{error}"));
    let _ = writeln!(io::stderr(), "  {}", domains(status));
    for source in &status.sources {
        let problem = source.problem.map_or(String::new(), |problem| format!(": {problem}"));
        let _ =
            writeln!(io::stderr(), "  {}: {}{problem}", source.name, verdict_name(source.verdict));
    }
}

/// How many sources and failure domains there are, as far as they are distinct.
fn domains(status: &Status) -> String {
    let count = |number: usize, what: &str| {
        format!("{number} {what}{}", if number == 1 { "" } else { "s" })
    };
    let (sources, distinct) =
        (count(status.sources.len(), "source"), count(status.distinct_domains, "failure domain"));
    let shared = match status.domains > status.distinct_domains {
        true => format!(
            " (of {} configured: some sources are one host, and count once)",
            status.domains
        ),
        false => String::new(),
    };
    format!("{sources}, {distinct}{shared}, {} may be wrong", status.max_faulty)
}

fn state_name(state: State) -> &'static str {
    match state {
        State::Starting => "starting",
        State::Synchronized => "synchronized",
        State::Degraded => "degraded",
        State::Holdover => "holdover",
        State::Disrupted { .. } => "disrupted",
        _ => "dead",
    }
}

fn verdict_name(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Silent => "silent",
        Verdict::Agrees => "agrees",
        Verdict::Falseticker => "falseticker",
        Verdict::Contradictory => "contradictory",
        Verdict::NoAgreement => "no agreement",
        Verdict::Resting => "resting",
        _ => "unknown",
    }
}

fn ms(length: Duration) -> String {
    let us = length.as_nanos().div_ceil(1000);
    format!("{}.{:03} ms", us / 1000, us % 1000)
}

fn signed_ms(ns: i128) -> String {
    let length = Duration::from_nanos(u64::try_from(ns.unsigned_abs()).unwrap_or(u64::MAX));
    format!("{}{}", if ns < 0 { '-' } else { '+' }, ms(length))
}
