//! The arguments of the command, and the clock that they ask for.

use super::{Failure, complain};
use clap::{Args, Parser, Subcommand};
use std::path::PathBuf;
use std::time::Duration;
use sureclock::{Builder, CounterChoice, Drift, SureClock, Timescale, Timestamp, VmClockChoice};

/// What time is it, with certainty: an interval that contains true time, or an error.
#[derive(Parser)]
#[command(version)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Subcommand)]
pub(crate) enum Command {
    /// Prints readings: midpoint ± half the width; true time is inside.
    Now {
        #[command(flatten)]
        clock: ClockArgs,
        /// How many readings; 0 until interrupted.
        #[arg(long, default_value_t = 1)]
        count: u64,
        /// How long between two readings, as in 2.5ms, 2s.
        #[arg(long, default_value = "1s", value_parser = parse_length)]
        every: Duration,
        /// Prints one JSON object per line: earliest_ns, latest_ns, uncertainty_ns, os_before_ns,
        /// os_after_ns, sources, agreeing, state. A reading without a bound has the field error.
        #[arg(long)]
        json: bool,
    },
    /// Shows interval, sources and uncertainty as they change; q ends it. Without a terminal it
    /// prints a line a second.
    Watch {
        #[command(flatten)]
        clock: ClockArgs,
        /// How often to look, as in 100ms, 2s.
        #[arg(long, default_value = "250ms", value_parser = parse_length)]
        every: Duration,
        /// Ends after this long, as in 60s, 10m; without it when q is pressed.
        #[arg(long, value_parser = parse_length)]
        length: Option<Duration>,
        /// Writes what was seen to this SVG file at the end: the interval over time, each source's,
        /// and a histogram.
        #[arg(long, value_name = "FILE.svg")]
        plot: Option<PathBuf>,
    },
    /// Prints a table of the sources: verdict, offset to the OS clock, delay, root distance, last
    /// heard.
    Sources {
        #[command(flatten)]
        clock: ClockArgs,
    },
    /// Shows a high-water mark's file, or resets one that is wrong. No clock is started.
    Mark {
        #[command(subcommand)]
        what: MarkCommand,
    },
}

#[derive(Subcommand)]
pub(crate) enum MarkCommand {
    /// Prints what the file says.
    Show {
        /// The file of the service's `mark_file`.
        path: PathBuf,
    },
    /// Writes the file anew. GIVES UP A PROMISE: timestamps between TIME and what it said may be
    /// given out again.
    ///
    /// For a mark that is damaged, or so far in the future that every commit is refused. Stop the
    /// service first, and run it as the service's user. TIME: the highest timestamp in your log or
    /// the latest possible time now (the upper end of `sureclock now`), whichever is later. The old
    /// file is kept beside the new one.
    Reset {
        /// The file of the service's `mark_file`.
        path: PathBuf,
        /// No commit gets a timestamp at or below this, as in 2026-11-23T11:03:00Z.
        #[arg(long, value_name = "TIME")]
        to: Timestamp,
        /// The timescale of the service's clock, where the file is damaged and does not say it:
        /// utc, smear-24h or smear-62500s.
        #[arg(long, value_name = "SCALE")]
        timescale: Option<Timescale>,
    },
}

#[derive(Args)]
pub(crate) struct ClockArgs {
    /// An NTP server, HOST or HOST:PORT; may be repeated. If neither this nor `--domain` is given,
    /// five public servers of independent operators are asked: time.cloudflare.com, time.nist.gov,
    /// ntp.time.nl, ptbtime1.ptb.de, ntp.se.
    #[arg(long = "server", value_name = "HOST[:PORT]")]
    servers: Vec<String>,
    /// Servers that can be wrong together, and so count once; may be repeated. Each `--server` is a
    /// domain of its own.
    #[arg(long = "domain", value_name = "NAME=HOST[,HOST..]", value_parser = parse_domain)]
    domains: Vec<(String, Vec<String>)>,
    /// The timescale of all servers: utc, smear-24h or smear-62500s.
    #[arg(long, value_name = "SCALE", default_value = "utc")]
    timescale: Timescale,
    /// f: how many failure domains may be wrong. Default floor((N-1)/2) of N.
    #[arg(long, value_name = "N")]
    max_faulty: Option<usize>,
    /// A fixed drift bound of this machine's oscillator, in parts per million. Without it the rate
    /// is learned: 2 ppm of wander within 200 ppm.
    #[arg(long, value_name = "N", conflicts_with = "wander_ppb")]
    drift_ppm: Option<u32>,
    /// The wander of a rate that is learned, in parts per billion.
    #[arg(long, value_name = "N")]
    wander_ppb: Option<u32>,
    /// How long between two questions to a server, as in 1s, 64s.
    #[arg(long, default_value = "16s", value_parser = parse_length)]
    poll: Duration,
    /// How long to wait for the first bound, as in 500ms, 10s. Default 10s; `watch` goes on without
    /// one unless this is given.
    #[arg(long, value_parser = parse_length)]
    timeout: Option<Duration>,
    /// How long one answer may take, as in 500ms, 2s.
    #[arg(long, value_parser = parse_length)]
    exchange_timeout: Option<Duration>,
    /// Readings are an error when the last agreement of enough servers is older, as in 5m.
    #[arg(long, value_parser = parse_length)]
    max_age: Option<Duration>,
    /// Readings are an error when the uncertainty is larger, as in 10ms.
    #[arg(long, value_parser = parse_length)]
    max_uncertainty: Option<Duration>,
    /// Which local counter to read: auto, hardware (tsc, cntvct), raw or os.
    #[arg(long, default_value = "auto", value_parser = parse_counter)]
    counter: CounterChoice,
    /// The VM clock device that tells of moves and restores of this virtual machine: auto
    /// (/dev/vmclock0 if it can be read), off, or a path.
    #[arg(long, default_value = "auto", value_parser = parse_vm_clock)]
    vm_clock: VmClockChoice,
}

impl ClockArgs {
    /// How long to wait for the first bound.
    pub(crate) fn patience(&self) -> Duration {
        self.timeout.unwrap_or(Duration::from_secs(10))
    }

    /// The same, if it was given.
    pub(crate) fn timeout(&self) -> Option<Duration> {
        self.timeout
    }

    /// The clock, started.
    pub(crate) fn start(&self) -> Result<SureClock, Failure> {
        if self.servers.is_empty() && self.domains.is_empty() && self.timescale != Timescale::Utc {
            let scale = self.timescale;
            return Err(Failure::Usage(format!(
                "the public servers serve utc: name servers of {scale} with --server"
            )));
        }
        let drift = match (self.drift_ppm, self.wander_ppb) {
            (Some(ppm), _) => Drift::fixed_ppm(ppm),
            (None, Some(ppb)) => Drift::learned_ppb(ppb),
            (None, None) => Drift::default(),
        };
        let (builder, domains) = self.sources();
        let faulty = self.max_faulty.unwrap_or(domains.saturating_sub(1) / 2);
        if faulty == 0 {
            let none = "no server may be wrong (max-faulty 0); name three of different domains to tolerate one that is";
            complain(format_args!("warning: {none}"));
        }
        let mut builder = builder
            .max_faulty(faulty)
            .drift(drift)
            .poll_interval(self.poll)
            .timescale(self.timescale);
        if let Some(timeout) = self.exchange_timeout {
            builder = builder.timeout(timeout);
        }
        if let Some(age) = self.max_age {
            builder = builder.max_age(age);
        }
        if let Some(uncertainty) = self.max_uncertainty {
            builder = builder.max_uncertainty(uncertainty);
        }
        let builder = builder.counter(self.counter).vm_clock(self.vm_clock.clone());
        builder.start().map_err(|error| Failure::Usage(error.to_string()))
    }

    /// The builder with all sources in their domains, and how many domains they name.
    fn sources(&self) -> (Builder, usize) {
        let servers: Vec<&str> = match self.servers.is_empty() && self.domains.is_empty() {
            true => PUBLIC_SERVERS.to_vec(),
            false => self.servers.iter().map(String::as_str).collect(),
        };
        let mut names: Vec<&str> = servers.clone();
        let mut builder =
            servers.iter().fold(SureClock::builder(), |builder, server| builder.ntp(*server));
        for (name, hosts) in &self.domains {
            names.push(name);
            builder = builder
                .domain(name, |domain| hosts.iter().fold(domain, |domain, host| domain.ntp(host)));
        }
        names.sort_unstable();
        names.dedup();
        (builder, names.len())
    }
}

/// NAME=HOST[,HOST..]
fn parse_domain(text: &str) -> Result<(String, Vec<String>), String> {
    let parsed = text.split_once('=').filter(|(name, hosts)| !name.is_empty() && !hosts.is_empty());
    let (name, hosts) = parsed.ok_or_else(|| "not a domain as in NAME=HOST,HOST".to_owned())?;
    Ok((name.to_owned(), hosts.split(',').map(str::to_owned).collect()))
}

/// A decimal number with a unit: ns, us, ms, s, m; of whole nanoseconds.
fn parse_length(text: &str) -> Result<Duration, String> {
    let wrong = || "not a length as in 100ms, 2.5ms or 10s".to_owned();
    let number_ends = text.find(|c: char| !c.is_ascii_digit() && c != '.').ok_or_else(wrong)?;
    let (number, unit) = text.split_at(number_ends);
    let unit_ns: u64 = match unit {
        "ns" => 1,
        "us" | "µs" => 1_000,
        "ms" => 1_000_000,
        "s" => 1_000_000_000,
        "m" => 60_000_000_000,
        _ => return Err(wrong()),
    };
    let (whole, part) = number.split_once('.').unwrap_or((number, "0"));
    if part.is_empty() || part.len() > 9 {
        return Err(wrong());
    }
    let whole: u64 = whole.parse().map_err(|_| wrong())?;
    let parts: u64 = part.parse().map_err(|_| wrong())?;
    let of = 10_u128.pow(u32::try_from(part.len()).map_err(|_| wrong())?);
    let part_ns = u128::from(parts) * u128::from(unit_ns);
    if part_ns % of != 0 {
        return Err(format!("{text} is not a whole number of nanoseconds"));
    }
    let ns = u128::from(whole) * u128::from(unit_ns) + part_ns / of;
    let longest = Duration::from_secs(86_400 * 365);
    let length = u64::try_from(ns).ok().map(Duration::from_nanos);
    length.filter(|length| *length <= longest).ok_or_else(wrong)
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

/// Public servers of UTC without a smear, each of another operator, whose operators offer them to
/// the public: Cloudflare, NIST (asks for at most one query in four seconds), SIDN Labs, PTB,
/// Netnod. Used by this command only, never by the library.
const PUBLIC_SERVERS: [&str; 5] =
    ["time.cloudflare.com", "time.nist.gov", "ntp.time.nl", "ptbtime1.ptb.de", "ntp.se"];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_length_may_have_a_fraction_of_whole_nanoseconds() {
        let ns = |text: &str| parse_length(text).map(|length| length.as_nanos());
        let lengths = [
            ("2.5ms", 2_500_000),
            ("0.1us", 100),
            ("1.5m", 90_000_000_000),
            ("10s", 10_000_000_000),
            ("7ns", 7),
        ];
        for (text, wanted) in lengths {
            assert_eq!(ns(text), Ok(wanted), "{text}");
        }
        for bad in [
            "",
            "ms",
            ".5ms",
            "5.ms",
            "1.2.3ms",
            "0.5ns",
            "0.1234567891s",
            "1h",
            "-1s",
            "1",
            "99999999999999s",
        ] {
            assert!(ns(bad).is_err(), "{bad}");
        }
    }
}
