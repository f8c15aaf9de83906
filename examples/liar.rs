//! One server of three lies by half a second: the agreed interval does not care. Then all servers
//! of one machine lie: its clock is sure of itself and wrong, and the first message that it sends
//! proves that one of the two clocks is. Offline.
//!
//! `cargo run --release --example liar`

use std::time::Duration;
use sureclock::causality::audit;
use sureclock::{SureClock, TimeInterval, Verdict};

mod support;

const LIE: Duration = Duration::from_millis(500);

type Result<T> = std::result::Result<T, Box<dyn std::error::Error>>;

/// A machine that asks three servers of its own, of which some lie.
fn machine(liars: usize) -> Result<SureClock> {
    let mut builder = SureClock::builder().poll_interval(Duration::from_secs(1));
    for number in 0..3 {
        let server = if number < liars {
            support::start_liar(LIE)?
        } else {
            support::start_reference_server()?
        };
        builder = builder.ntp(server.to_string());
    }
    let clock = builder.start()?;
    clock.wait_synchronized(Duration::from_secs(10))?;
    // All three have answered.
    while clock.status().sources.iter().any(|source| source.verdict == Verdict::Silent) {
        std::thread::sleep(Duration::from_millis(20));
    }
    Ok(clock)
}

/// The interval, and whether the truth was in it at some moment of the call.
fn show(name: &str, clock: &SureClock) -> Result<(TimeInterval, bool)> {
    let truth = || SureClock::wall_time().assume_true();
    let (before, now, after) = (truth(), clock.now()?, truth());
    let is_inside = before <= now.latest() && now.earliest() <= after;
    println!("{name}: {now}, and the truth is {}", if is_inside { "inside" } else { "OUTSIDE" });
    for source in clock.status().sources {
        println!("    {} {:?}", source.name, source.verdict);
    }
    Ok((now, is_inside))
}

fn main() -> Result<()> {
    println!("a server lies; the truth is the OS clock here\n");
    let honest = machine(1)?;
    assert!(show("one liar of three", &honest)?.1);

    println!("\nmore of them lie than agreement can bear: then nothing on that machine can tell\n");
    let fooled = machine(3)?;
    let (wrong, is_inside) = show("three of three", &fooled)?;
    assert!(!is_inside);

    println!("\nbut whoever hears from it can: every message is an audit of both clocks\n");
    let envelope = fooled.seal("a message")?;
    let opened = honest.open(&envelope)?;
    let broken = opened.broken_bound.ok_or("the lie was not seen")?;
    println!("{:?}: {broken}", opened.payload);
    assert!(broken.by > LIE / 2);

    // The same from a log, afterwards: entries that were written one after the other, on either
    // machine.
    let log = [honest.now()?, wrong, honest.now()?, honest.now()?];
    let proofs = audit(&log)?;
    println!(
        "a log of {} entries: {} of them lie before one that came before",
        log.len(),
        proofs.len()
    );
    assert_eq!(proofs.len(), 2);
    Ok(())
}
