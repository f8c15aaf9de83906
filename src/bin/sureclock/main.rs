//! The command `sureclock`: readings with their error, and the state of the sources.
//!
//! Exit status of `now`: 0 if every reading had a bound, 1 otherwise, 2 for bad usage. A closed pipe ends it quietly.

mod course;
mod plot;
mod watch;

use clap::{Args, Parser, Subcommand};
use serde_json::json;
use std::io::{self, ErrorKind, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{Duration, Instant};
use sureclock::{
    BuildError, CounterChoice, Drift, NowError, SourceStatus, State, Status, SureClock, Verdict, VmClockChoice,
};

/// What time is it, with certainty: an interval that contains true time, or an error.
#[derive(Parser)]
#[command(version)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Prints readings: midpoint ± half the width; true time is inside.
    Now {
        #[command(flatten)]
        clock: ClockArgs,
        /// How many readings; 0 until interrupted.
        #[arg(long, default_value_t = 1)]
        count: u64,
        /// How long between two readings, as in 100ms, 2s.
        #[arg(long, default_value = "1s", value_parser = parse_length)]
        every: Duration,
        /// An object a line: earliest_ns, latest_ns, uncertainty_ns, os_before_ns, os_after_ns, sources, agreeing, state.
        #[arg(long)]
        json: bool,
    },
    /// Shows interval, sources and uncertainty as they change; q ends it. Without a terminal it prints a line a second.
    Watch {
        #[command(flatten)]
        clock: ClockArgs,
        /// How often to look, as in 100ms, 2s.
        #[arg(long, default_value = "250ms", value_parser = parse_length)]
        every: Duration,
        /// Ends after this long, as in 60s, 10m; without it when q is pressed.
        #[arg(long, value_parser = parse_length)]
        length: Option<Duration>,
        /// Writes what was seen to this SVG file at the end: the interval over time, each source's, and a histogram.
        #[arg(long, value_name = "FILE.svg")]
        plot: Option<PathBuf>,
    },
    /// Prints a table of the sources: verdict, offset to the OS clock, delay, root distance, last heard.
    Sources {
        #[command(flatten)]
        clock: ClockArgs,
    },
}

#[derive(Args)]
struct ClockArgs {
    /// An NTP server, HOST or HOST:PORT; may be repeated. Without one, five public servers of independent operators are
    /// asked: time.cloudflare.com, time.nist.gov, ntp.time.nl, ptbtime1.ptb.de, ntp.se.
    #[arg(long = "server", value_name = "HOST[:PORT]")]
    servers: Vec<String>,
    /// f: how many servers may be wrong. Default floor((N-1)/2) of N.
    #[arg(long, value_name = "N")]
    max_faulty: Option<usize>,
    /// A fixed drift bound of this machine's oscillator, in parts per million. Without it the rate is learned: 2 ppm of wander within
    /// 200 ppm.
    #[arg(long, value_name = "N", conflicts_with = "wander_ppb")]
    drift_ppm: Option<u32>,
    /// The wander of a rate that is learned, in parts per billion.
    #[arg(long, value_name = "N")]
    wander_ppb: Option<u32>,
    /// How long between two questions to a server, as in 1s, 64s.
    #[arg(long, default_value = "16s", value_parser = parse_length)]
    poll: Duration,
    /// How long to wait for the first bound, as in 500ms, 10s.
    #[arg(long, default_value = "10s", value_parser = parse_length)]
    timeout: Duration,
    /// Which local counter to read: auto, hardware (tsc, cntvct), raw or os.
    #[arg(long, default_value = "auto", value_parser = parse_counter)]
    counter: CounterChoice,
    /// The VM clock device that tells of moves and restores of this virtual machine: auto (/dev/vmclock0 if it can be read), off, or a path.
    #[arg(long, default_value = "auto", value_parser = parse_vm_clock)]
    vm_clock: VmClockChoice,
}

fn main() -> ExitCode {
    // clap prints and exits by itself: 2 for bad usage.
    let cli = Cli::parse();
    let result = match &cli.command {
        Command::Now { clock, count, every, json } => now(clock, *count, *every, *json),
        Command::Sources { clock } => sources(clock),
        Command::Watch { clock, every, length, plot } => watch_it(clock, *every, *length, plot.as_deref()),
    };
    match result {
        Ok(code) => code,
        Err(Failure::Usage(error)) => {
            eprintln!("sureclock: {error}");
            ExitCode::from(2)
        }
        Err(Failure::Output(error)) if error.kind() == ErrorKind::BrokenPipe => ExitCode::SUCCESS,
        Err(Failure::Picture(error)) => {
            eprintln!("sureclock: no picture: {error}");
            ExitCode::FAILURE
        }
        Err(Failure::Output(error)) => {
            eprintln!("sureclock: cannot write: {error}");
            ExitCode::FAILURE
        }
    }
}

enum Failure {
    Usage(BuildError),
    Picture(String),
    Output(io::Error),
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Failure {
        Failure::Output(error)
    }
}

fn now(args: &ClockArgs, count: u64, every: Duration, json: bool) -> Result<ExitCode, Failure> {
    let clock = start(args)?;
    let mut out = io::stdout().lock();
    let mut all_had_a_bound = true;
    let mut reading = 0;
    // The wait for the first bound is no reading; its failure is the first reading's.
    let mut due = Instant::now();
    let _ = clock.wait_synchronized(args.timeout);
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
                let agreeing = status.sources.iter().filter(|source| source.verdict == Verdict::Agrees).count();
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
    let clock = start(args)?;
    let synchronized = clock.wait_synchronized(args.timeout);
    // The slower ones may still answer within their own time.
    let patience = Instant::now() + Duration::from_secs(2).min(args.timeout);
    let pending = |source: &SourceStatus| source.verdict == Verdict::Silent && source.problem.is_none();
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
        // Reference minus local, as RFC 5905 has it: how far the source's midpoint is ahead of the OS clock.
        let offset = source.interval.map(|interval| {
            i128::from(interval.midpoint().as_unix_nanos()) - i128::from(os.assume_true().as_unix_nanos())
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
    let domains = format!("{} failure domains, {} may be wrong", status.domains, status.max_faulty);
    writeln!(out, "{domains}; rate bound {} ppb; counter: {}", status.rate_bound_ppb, status.counter)?;
    writeln!(out, "VM clock: {}", status.vm_clock)?;
    Ok(if synchronized.is_ok() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn watch_it(
    args: &ClockArgs,
    every: Duration,
    length: Option<Duration>,
    plot: Option<&Path>,
) -> Result<ExitCode, Failure> {
    let clock = start(args)?;
    let course = watch::watch(&clock, every.max(Duration::from_millis(1)), length)?;
    if let Some(file) = plot {
        plot::write(&course, file).map_err(Failure::Picture)?;
    }
    Ok(if clock.now().is_ok() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn start(args: &ClockArgs) -> Result<SureClock, Failure> {
    let servers: Vec<&str> = match args.servers.is_empty() {
        true => PUBLIC_SERVERS.to_vec(),
        false => args.servers.iter().map(String::as_str).collect(),
    };
    let builder = servers.iter().fold(SureClock::builder(), |builder, server| builder.ntp(*server));
    let faulty = args.max_faulty.unwrap_or((servers.len() - 1) / 2);
    if faulty == 0 {
        eprintln!("sureclock: warning: no server may be wrong (max-faulty 0); name three servers to stand one that is");
    }
    let drift = match (args.drift_ppm, args.wander_ppb) {
        (Some(ppm), _) => Drift::fixed_ppm(ppm),
        (None, Some(ppb)) => Drift::learned_ppb(ppb),
        (None, None) => Drift::default(),
    };
    let builder = builder.max_faulty(faulty).drift(drift).poll_interval(args.poll);
    builder.counter(args.counter).vm_clock(args.vm_clock.clone()).start().map_err(Failure::Usage)
}

/// The reason, and the reason of each source, on stderr.
fn explain(error: &NowError, status: &Status) {
    eprintln!("sureclock: {error}");
    for source in &status.sources {
        let problem = source.problem.map_or(String::new(), |problem| format!(": {problem}"));
        eprintln!("  {}: {}{problem}", source.name, verdict_name(source.verdict));
    }
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
        _ => "stopped",
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

/// A whole number with a unit: ns, us, ms, s, m.
fn parse_length(text: &str) -> Result<Duration, String> {
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let number: u64 = text[..digits].parse().map_err(|_| "not a length as in 100ms or 10s".to_owned())?;
    let length = match &text[digits..] {
        "ns" => Some(Duration::from_nanos(number)),
        "us" | "µs" => Some(Duration::from_micros(number)),
        "ms" => Some(Duration::from_millis(number)),
        "s" => Some(Duration::from_secs(number)),
        "m" => number.checked_mul(60).map(Duration::from_secs),
        _ => None,
    };
    let longest = Duration::from_secs(86_400 * 365);
    length.filter(|length| *length <= longest).ok_or_else(|| "not a length as in 100ms or 10s".to_owned())
}

#[allow(clippy::unnecessary_wraps, reason = "a parser of arguments")]
fn parse_vm_clock(text: &str) -> Result<VmClockChoice, String> {
    Ok(match text {
        "auto" => VmClockChoice::Auto,
        "off" => VmClockChoice::Off,
        path => VmClockChoice::Device(path.into()),
    })
}

fn parse_counter(text: &str) -> Result<CounterChoice, String> {
    match text {
        "auto" => Ok(CounterChoice::Auto),
        "hardware" | "tsc" | "cntvct" => Ok(CounterChoice::Hardware),
        "raw" => Ok(CounterChoice::Raw),
        "os" => Ok(CounterChoice::OsMonotonic),
        _ => Err("the counters are auto, hardware (or tsc, or cntvct), raw and os".to_owned()),
    }
}

/// Public servers of UTC without a smear, each of another operator, whose operators offer them to the public: Cloudflare,
/// NIST (asks for at most one query in four seconds), SIDN Labs, PTB, Netnod. Used by this command only, never by the library.
const PUBLIC_SERVERS: [&str; 5] = ["time.cloudflare.com", "time.nist.gov", "ntp.time.nl", "ptbtime1.ptb.de", "ntp.se"];
