//! Two machines whose clocks are right, and as different as their intervals allow. A client sees
//! one transaction and begins the next, on the other machine: without the wait the later one may
//! get the smaller timestamp, with it never. What the wait costs. Offline.
//!
//! `cargo run --release --example commit_wait`

use std::time::{Duration, Instant};
use sureclock::{CommitTimestamp, Past, SureClock};

mod support;

const TRANSACTIONS: u32 = 20;
const WAY: Duration = Duration::from_millis(3);

type Result<T> = std::result::Result<T, Box<dyn std::error::Error>>;

/// A machine whose questions take so long to arrive, and the answers to come back. It cannot know
/// which of the two it was.
fn machine(there: Duration, back: Duration) -> Result<SureClock> {
    let server = support::start_reference_server_behind(there, back)?;
    let builder = SureClock::builder().ntp(server.to_string()).max_faulty(0);
    let clock = builder.poll_interval(Duration::from_secs(1)).start()?;
    clock.wait_synchronized(Duration::from_secs(10))?;
    Ok(clock)
}

/// Transactions that follow one another, each on the other machine: how many have a smaller
/// timestamp than the one before.
fn reversed(
    machines: &[SureClock; 2],
    mut commit: impl FnMut(&SureClock, CommitTimestamp, u32) -> Result<()>,
) -> Result<u32> {
    let (mut reversed, mut last) = (0, None);
    for transaction in 0..TRANSACTIONS {
        let clock = &machines[(transaction % 2) as usize];
        // The request has arrived: only now is a timestamp asked for.
        let s = clock.commit_timestamp()?;
        commit(clock, s, transaction)?;
        reversed += u32::from(last.is_some_and(|last| s.timestamp() <= last));
        last = Some(s.timestamp());
    }
    Ok(reversed)
}

fn main() -> Result<()> {
    let machines = [machine(WAY, Duration::ZERO)?, machine(Duration::ZERO, WAY)?];
    for (name, clock) in ["east", "west"].into_iter().zip(&machines) {
        println!("the clock of the {name} says {}", clock.now()?);
    }

    let without = reversed(&machines, |_, _, _| Ok(()))?;
    println!(
        "\n{TRANSACTIONS} transactions, each begun when the one before was seen; the servers' way is {WAY:?}:"
    );
    println!("  without the wait {without} have a smaller timestamp than the one before");

    let mut waited = Duration::ZERO;
    let with = reversed(&machines, |clock, s, transaction| {
        // .. the write at s, and its replication, go on during the wait ..
        let started = Instant::now();
        let reply = clock.commit_wait(s).guard(transaction).wait()?;
        waited += started.elapsed();
        send(reply);
        Ok(())
    })?;
    println!("  with it {with}, at {:?} each", waited / TRANSACTIONS);
    assert!(without > 0 && with == 0);
    Ok(())
}

/// Takes a value only when its timestamp is certainly in the past: to send it sooner does not
/// compile.
fn send(_reply: Past<u32>) {}
