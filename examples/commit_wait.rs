//! Commit wait in a transaction: what it costs and what it buys, with servers on loopback. Offline.
//!
//! `cargo run --release --example commit_wait`

use std::time::Instant;
use sureclock::Past;

mod support;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let clock = support::start_clock()?;
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
