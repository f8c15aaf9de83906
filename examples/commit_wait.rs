//! Commit wait in a transaction: what it costs and what it buys, with servers on loopback. Offline.
//!
//! `cargo run --release --example commit_wait`

use std::time::{Duration, Instant};
use sureclock::{Past, SureClock};

mod support;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut builder = SureClock::builder();
    for _ in 0..3 {
        builder = builder.ntp(support::start_reference_server()?.to_string());
    }
    let clock = builder.start()?;
    clock.wait_synchronized(Duration::from_secs(10))?;
    println!("three reference servers on loopback, which take the OS clock for the truth\n");

    let mut last = None;
    for transaction in 1..=5 {
        // The request has arrived: only now is a timestamp asked for.
        let uncertainty = clock.now()?.uncertainty();
        let s = clock.commit_timestamp()?;
        // .. the write at s, and its replication, go on during the wait ..
        let started = Instant::now();
        let reply = clock.commit_wait(s).guard(transaction).wait()?;
        println!("transaction {transaction} at {s}: uncertainty {uncertainty:?}, waited {:?}", started.elapsed());
        send(reply);
        assert!(last < Some(s), "whoever began after the reply has a larger timestamp");
        last = Some(s);
    }
    Ok(())
}

/// Takes a value only when its timestamp is certainly in the past.
fn send(reply: Past<u32>) {
    println!("  reply: transaction {} is committed, everywhere", reply.get());
}
