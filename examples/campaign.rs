//! The catalogue of faults as a campaign of simulated worlds: as long as you like, with progress,
//! over seeds that can be split over machines.
//!
//! `cargo run --release --features sim,cli --example campaign -- --worlds 1000000`
//!
//! Exit status: 0 if every scenario kept its law and every twin was seen to violate, 1 otherwise, 2
//! for bad usage.

#[path = "../tests/catalogue/mod.rs"]
#[allow(dead_code, reason = "the tests use the rest")]
mod catalogue;

use catalogue::{CATALOGUE, Plan, Report, Scenario, Steps, Tally, run_all};
use clap::Parser;
use std::io::{IsTerminal, Write};
use std::process::ExitCode;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// Plays simulated worlds of every fault and checks the laws at every reading.
#[derive(Parser)]
struct Args {
    /// Only scenarios whose name contains this.
    #[arg(default_value = "")]
    scenario: String,
    /// Worlds in all, shared evenly among the scenarios.
    #[arg(long, default_value_t = 10_000)]
    worlds: u64,
    /// The first seed; scenario worlds take the seeds from here on.
    #[arg(long, default_value_t = 0)]
    seed: u64,
    /// Threads; by default one a core.
    #[arg(long)]
    jobs: Option<usize>,
    /// Readings of each clock in each stretch of a scenario; a scenario has one to a hundred
    /// stretches.
    #[arg(long, default_value_t = 40)]
    readings: u64,
    /// Stop at the first violation.
    #[arg(long)]
    fail_fast: bool,
    /// Count the errors of readings by kind.
    #[arg(long)]
    verbose: bool,
    /// No twins.
    #[arg(long)]
    no_twins: bool,
    /// The table in Markdown, as it stands in tests/README.md.
    #[arg(long)]
    markdown: bool,
    /// Worlds of each twin.
    #[arg(long, default_value_t = 100)]
    twin_worlds: u64,
}

fn main() -> ExitCode {
    let args = Args::parse();
    let scenarios: Vec<&Scenario> =
        CATALOGUE.iter().filter(|scenario| scenario.name.contains(&args.scenario)).collect();
    if scenarios.is_empty() {
        eprintln!("campaign: no scenario is called {:?}; there are:", args.scenario);
        CATALOGUE.iter().for_each(|scenario| eprintln!("  {}", scenario.name));
        return ExitCode::from(2);
    }
    let jobs =
        args.jobs.unwrap_or_else(|| std::thread::available_parallelism().map_or(1, usize::from));
    let each = args.worlds.div_ceil(scenarios.len() as u64);
    let seeds = args.seed..args.seed.saturating_add(each);
    let began = Instant::now();
    let (mut total, mut failed) = (Report::default(), false);
    println!("{}", if args.markdown { MARKDOWN_HEAD } else { HEAD });
    for scenario in &scenarios {
        let report = with_progress(
            scenario.name,
            scenario.steps,
            &Plan {
                seeds: seeds.clone(),
                jobs,
                fail_fast: args.fail_fast,
                readings: args.readings,
            },
        );
        let twin = scenario.twin.filter(|_| !args.no_twins).map(|(name, twin)| {
            let seeds = args.seed..args.seed.saturating_add(args.twin_worlds);
            (name, with_progress(name, twin, &Plan { seeds, jobs, fail_fast: false, readings: 40 }))
        });
        let bites = twin.as_ref().is_none_or(|(_, report)| report.violated > 0);
        failed |= !bites;
        if args.markdown {
            print_markdown(scenario, &report, twin.as_ref());
        } else {
            print_row(scenario, &report);
            if let Some((name, report)) = &twin {
                let verdict = if bites { "as it must" } else { "NOBODY SAW IT" };
                println!(
                    "     twin: {name}: {} of {} worlds violate, {verdict}",
                    report.violated, report.worlds
                );
            }
        }
        if args.verbose {
            println!("     errors of readings: {:?}", report.tally.errors);
        }
        if let Some(violation) = &report.first {
            failed = true;
            println!("{violation}");
            println!(
                "  again: cargo run --release --features sim,cli --example campaign -- {} --worlds 1 --seed {}",
                scenario.name, violation.seed
            );
        }
        total.add(report);
        if failed && args.fail_fast {
            return ExitCode::FAILURE;
        }
    }
    let (seconds, tally) = (began.elapsed().as_secs_f64(), &total.tally);
    println!(
        "{} worlds, {} readings ({:.1} % intervals), {} acts, {} commits: {} violations. {seconds:.0} s on {jobs} threads: {:.0} worlds \
         and {:.2} million readings a second.",
        total.worlds,
        tally.readings,
        share(tally.intervals, tally.readings),
        tally.acts,
        tally.commits,
        total.violated,
        total.worlds as f64 / seconds,
        tally.readings as f64 / seconds / 1e6,
    );
    if failed { ExitCode::FAILURE } else { ExitCode::SUCCESS }
}

const HEAD: &str = "     scenario                          worlds     readings  intervals       acts    commits  noticed (median, most)  violations";

fn print_row(scenario: &Scenario, report: &Report) {
    let tally = &report.tally;
    let noticed = noticed(tally);
    println!(
        "{:4} {:32} {:>8} {:>12}    {:>5.1} % {:>10} {:>10}  {noticed:>22}  {:>10}   law: {}",
        scenario.fault,
        scenario.name,
        report.worlds,
        tally.readings,
        share(tally.intervals, tally.readings),
        tally.acts,
        tally.commits,
        report.violated,
        scenario.law,
    );
}

const MARKDOWN_HEAD: &str = "| fault | scenario | law | worlds | readings | intervals | noticed after (median, most) | violations | twin: worlds that violate |\n|---|---|---|---|---|---|---|---|---|";

fn print_markdown(scenario: &Scenario, report: &Report, twin: Option<&(&str, Report)>) {
    let tally = &report.tally;
    let twin = twin.map_or(String::new(), |(name, report)| {
        format!("{name}: {} of {}", report.violated, report.worlds)
    });
    println!(
        "| {} | {} | {} | {} | {} | {:.1} % | {} | {} | {twin} |",
        scenario.fault,
        scenario.name,
        scenario.law,
        report.worlds,
        tally.readings,
        share(tally.intervals, tally.readings),
        noticed(tally),
        report.violated,
    );
}

/// How long after an assumption broke unseen it was noticed.
fn noticed(tally: &Tally) -> String {
    let mut seen = tally.seen_after.clone();
    seen.sort_unstable();
    match (seen.get(seen.len() / 2), seen.last()) {
        (Some(median), Some(most)) => {
            format!("{:.3} s, {:.3} s", median.as_secs_f64(), most.as_secs_f64())
        }
        _ => String::new(),
    }
}

fn share(part: u64, whole: u64) -> f64 {
    if whole == 0 { 0.0 } else { 100.0 * part as f64 / whole as f64 }
}

/// Plays, and shows on a terminal how far it is.
fn with_progress(name: &str, steps: Steps, plan: &Plan) -> Report {
    let (done, ended, worlds) =
        (AtomicU64::new(0), AtomicBool::new(false), plan.seeds.end - plan.seeds.start);
    let shown = std::io::stderr().is_terminal();
    let began = Instant::now();
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while shown && !ended.load(Ordering::Relaxed) {
                std::thread::park_timeout(Duration::from_millis(500));
                let (done, seconds) = (done.load(Ordering::Relaxed), began.elapsed().as_secs_f64());
                let left =
                    if done > 0 { seconds / done as f64 * (worlds - done) as f64 } else { 0.0 };
                eprint!("\r\x1b[K{name}: {done} of {worlds} worlds, {left:.0} s left");
                let _ = std::io::stderr().flush();
            }
            if shown {
                eprint!("\r\x1b[K");
            }
        });
        let report = run_all(steps, plan, &done);
        ended.store(true, Ordering::Relaxed);
        report
    })
}
