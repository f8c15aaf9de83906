//! Hours of one clock against real chronyd processes that stop, move, lie by turns and are cut off,
//! while threads use it.
//!
//! The clock lives in a process of its own, so that what it holds (memory, descriptors, sockets,
//! threads) can be measured from outside; this process is the world around it. It fails if a
//! reading was without true time, or if something grew: `growth.rs` says what that is.
//!
//! ```console
//! $ cargo run --release --features cli --example endurance -- --hours 1 --out endurance
//! ```
//!
//! Two twins must fail: `--two-liars` has one more than the clock is told to expect, `--leak` holds
//! on to sockets.

mod faults;
mod growth;
mod plot;
mod service;
#[path = "../../tests/support/mod.rs"]
mod support;

use clap::Parser;
use faults::{Servers, Turn};
use growth::{Held, growth};
use service::Told;
use std::fmt::Write as _;
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::PathBuf;
use std::process::{Child, Command, ExitCode, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

/// Hours of a clock among servers that stop, move and lie.
#[derive(Debug, Parser)]
struct Options {
    /// How long; 60 s if nothing is said.
    #[arg(long, default_value_t = 0.0)]
    hours: f64,
    /// Where `endurance.csv` and `endurance.svg` go.
    #[arg(long, default_value = "target/endurance")]
    out: PathBuf,
    /// The window of assumption (S), in seconds; turns are as long as it asks for.
    #[arg(long, default_value_t = 8)]
    window: u64,
    /// Seconds between two samples.
    #[arg(long, default_value_t = 2)]
    every: u64,
    /// The twin: two servers lie alike at a time.
    #[arg(long)]
    two_liars: bool,
    /// The twin: a socket and memory are kept with each sample.
    #[arg(long)]
    leak: bool,
    /// The process under test: asks these servers.
    #[arg(long, hide = true)]
    service: Vec<String>,
}

/// What one row of the table holds.
#[derive(Clone, Debug)]
struct Sample {
    at_s: f64,
    held: Held,
    told: Told,
}

fn main() -> ExitCode {
    let options = Options::parse();
    let (window, every) =
        (Duration::from_secs(options.window), Duration::from_secs(options.every.max(1)));
    let result = if options.service.is_empty() {
        run(&options, window)
    } else {
        service::run(&options.service, window, every, options.leak)
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("FAILED: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(options: &Options, window: Duration) -> Result<(), String> {
    let length = if options.hours > 0.0 {
        Duration::try_from_secs_f64(options.hours * 3600.0)
            .map_err(|error| format!("--hours: {error}"))?
    } else {
        Duration::from_secs(60)
    };
    let turn = Turn::for_window(window);
    let lifetime = length + Duration::from_secs(120);
    let mut servers =
        Servers::start(lifetime, options.two_liars).map_err(|error| error.to_string())?;
    std::fs::create_dir_all(&options.out)
        .map_err(|error| format!("{}: {error}", options.out.display()))?;
    let (mut child, samples) =
        start_service(&servers, options).map_err(|error| error.to_string())?;
    let end = Instant::now() + length;
    let mut number = 0;
    let mut all: Vec<Sample> = Vec::new();
    let csv = options.out.join("endurance.csv");
    let mut done = Ok(());
    println!(
        "{} s, a turn of lies of {:?} and a rest of {:?}",
        length.as_secs(),
        turn.lie,
        turn.rest
    );
    while Instant::now() < end && done.is_ok() {
        done = servers.run(number, turn, end).map(|what| {
            all.extend(samples.try_iter());
            report(number, &what, all.last());
        });
        number += 1;
        std::fs::write(&csv, table(&all)).map_err(|error| format!("{}: {error}", csv.display()))?;
        if child.try_wait().map_err(|error| error.to_string())?.is_some() {
            return Err("the process under test has ended".into());
        }
    }
    // Closing its input ends it; the kill is for one that hangs.
    drop(child.stdin.take());
    let _ = child.kill();
    let _ = child.wait();
    done.map_err(|error| error.to_string())?;
    let svg = options.out.join("endurance.svg");
    plot::write(&all, &svg).map_err(|error| format!("{}: {error}", svg.display()))?;
    println!("{} samples in {}, drawn in {}", all.len(), csv.display(), svg.display());
    verdict(&all)
}

fn start_service(
    servers: &Servers,
    options: &Options,
) -> std::io::Result<(Child, Receiver<Sample>)> {
    let mut command = Command::new(std::env::current_exe()?);
    for address in servers.addresses() {
        command.arg("--service").arg(address.to_string());
    }
    command.args(["--window", &options.window.to_string(), "--every", &options.every.to_string()]);
    if options.leak {
        command.arg("--leak");
    }
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
    let (pid, started) = (child.id(), Instant::now());
    let lines = BufReader::new(child.stdout.take().expect("piped above")).lines();
    let (to, samples) = channel();
    std::thread::spawn(move || {
        for told in lines.map_while(Result::ok).filter_map(|line| Told::read(&line)) {
            let Ok(held) = Held::by(pid) else { break };
            if to.send(Sample { at_s: started.elapsed().as_secs_f64(), held, told }).is_err() {
                break;
            }
        }
    });
    Ok((child, samples))
}

fn report(number: usize, what: &str, last: Option<&Sample>) {
    let Some(Sample { at_s, held, told }) = last else { return };
    println!(
        "{at_s:7.0} s  turn {number}: {what}\n           {} ± {} us; {} intervals of {} readings, {} commits, {} outside; \
         {} KiB, {} descriptors, {} threads",
        told.state,
        told.uncertainty_ns / 1000,
        told.intervals,
        told.readings,
        told.commits,
        told.outside,
        held.rss_kib,
        held.fds,
        held.threads
    );
    let _ = std::io::stdout().flush();
}

fn table(samples: &[Sample]) -> String {
    let mut table = String::from(
        "seconds,rss_kib,fds,sockets,threads,state,uncertainty_us,sources_apart,sources_failing,readings,intervals,outside,\
         commits,disruptions,os_clock_ahead_us\n",
    );
    for Sample { at_s, held: Held { rss_kib, fds, sockets, threads }, told } in samples {
        let Told {
            state, apart, failing, readings, intervals, outside, commits, disruptions, ..
        } = told;
        let (uncertainty, ahead) = (told.uncertainty_ns as f64 / 1e3, told.os_ahead_ns / 1000);
        let _ = writeln!(
            table,
            "{at_s:.1},{rss_kib},{fds},{sockets},{threads},{state},{uncertainty:.1},{apart},{failing},{readings},\
             {intervals},{outside},{commits},{disruptions},{ahead}"
        );
    }
    table
}

/// Nothing was outside, nothing grew, and what was to be shown took place.
fn verdict(samples: &[Sample]) -> Result<(), String> {
    let last = &samples.last().ok_or("there are no samples")?.told;
    let mut wrong = Vec::new();
    if last.outside > 0 {
        wrong.push(format!("{} times a law was broken; see OUTSIDE above", last.outside));
    }
    wrong.extend(growth(&samples.iter().map(|sample| sample.held).collect::<Vec<_>>()));
    for (name, seen) in [
        ("intervals", last.intervals > 0),
        ("commits", last.commits > 0),
        ("liars found out", samples.iter().any(|s| s.told.apart > 0)),
        ("servers that did not answer", samples.iter().any(|s| s.told.failing > 0)),
    ] {
        if !seen {
            wrong.push(format!("there were no {name}, so nothing was shown"));
        }
    }
    let share = 100.0 * last.intervals as f64 / last.readings.max(1) as f64;
    println!(
        "{} readings, {share:.2} % intervals, {} outside, {} commits",
        last.readings, last.outside, last.commits
    );
    if wrong.is_empty() { Ok(()) } else { Err(wrong.join("; ")) }
}
