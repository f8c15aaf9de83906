//! The catalogue of faults over simulated worlds: a short campaign, and the twins that must
//! violate.
//!
//! The long one, with progress: `cargo run --release --features sim,cli --example campaign`.
//! `SURECLOCK_SEED` moves the seeds of this one, `SURECLOCK_WORLDS` sets how many worlds each
//! scenario gets.

#[allow(dead_code, reason = "the campaign uses the rest")]
mod catalogue;

use catalogue::{CATALOGUE, Report, Steps, run_one};

fn number(name: &str, default: u64) -> u64 {
    std::env::var(name).map_or(default, |text| {
        text.parse().unwrap_or_else(|_| panic!("{name} is no number: {text:?}"))
    })
}

fn run(steps: Steps, worlds: u64) -> Report {
    let (from, mut report) = (number("SURECLOCK_SEED", 0), Report::default());
    (from..from.saturating_add(worlds)).for_each(|seed| run_one(steps, seed, 40, &mut report));
    report
}

#[test]
fn every_scenario_keeps_its_law() {
    let worlds = number("SURECLOCK_WORLDS", 20);
    for scenario in CATALOGUE {
        let report = run(scenario.steps, worlds);
        if let Some(violation) = report.first {
            panic!("{} {}: {violation}", scenario.fault, scenario.name);
        }
        let tally = report.tally;
        println!(
            "{:4} {:30} {} worlds, {} readings",
            scenario.fault, scenario.name, report.worlds, tally.readings
        );
        assert!(tally.acts >= worlds / 2, "{}: the fault was active", scenario.name);
        // A world without an interval shows nothing: an error is never wrong.
        let least = match scenario.name {
            "never-synchronized" | "oscillator-beyond-is-refused" | "names-with-dead-addresses" => {
                0
            }
            "kisses-from-nobody" | "recovery-with-a-liar" | "restored-behind" => 15,
            "thread-held-up" | "edges-of-time" => 15,
            "restored-with-a-marker" | "moved-with-a-vm-clock" | "cross-core-skew" => 35,
            _ => 65,
        };
        assert!(
            100 * tally.intervals >= least * tally.readings,
            "{}: too few intervals: {tally:?}",
            scenario.name
        );
    }
}

#[test]
fn every_twin_is_seen_to_violate() {
    let worlds = number("SURECLOCK_WORLDS", 20);
    for scenario in CATALOGUE {
        let Some((name, twin)) = scenario.twin else { continue };
        let report = run(twin, worlds);
        println!(
            "{:4} {:30} {name}: {} of {} worlds",
            scenario.fault, scenario.name, report.violated, report.worlds
        );
        assert!(
            report.violated > 0,
            "{} {}: nobody saw that {name}",
            scenario.fault,
            scenario.name
        );
    }
}
