//! From nothing to intervals and a finished commit wait. Offline by default: three reference
//! servers on loopback inside this process. With host names as arguments it asks those servers
//! instead.
//!
//! `cargo run --release --example quickstart [HOST ...]`

use std::time::{Duration, Instant};
use sureclock::SureClock;

mod support;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut servers: Vec<String> = std::env::args().skip(1).collect();
    if servers.is_empty() {
        println!(
            "no servers named: starting three reference servers on loopback, which take the OS clock for the truth"
        );
        servers = (0..3)
            .map(|_| Ok(support::start_reference_server()?.to_string()))
            .collect::<std::io::Result<_>>()?;
    }
    let mut builder = SureClock::builder();
    for server in &servers {
        builder = builder.ntp(server);
    }
    if servers.len() < 3 {
        println!(
            "with {} server(s) none may be wrong; name three to stand one liar",
            servers.len()
        );
        builder = builder.max_faulty(0);
    }

    let started = Instant::now();
    let clock = builder.start()?;
    if let Err(error) = clock.wait_synchronized(Duration::from_secs(10)) {
        for source in clock.status().sources {
            eprintln!(
                "{}: {:?} {}",
                source.name,
                source.verdict,
                source.problem.map_or(String::new(), |p| p.to_string())
            );
        }
        return Err(error.into());
    }
    println!("synchronized after {:?} with {} servers\n", started.elapsed(), servers.len());

    for _ in 0..5 {
        println!("now()         {}", clock.now()?);
        std::thread::sleep(Duration::from_millis(200));
    }

    let s = clock.commit_timestamp()?;
    println!("\ncommit at     {s}");
    let waiting = Instant::now();
    let reply = clock.commit_wait(s).guard("your transaction is committed").wait()?;
    println!("commit wait   {:?}, and now {s} is in the past everywhere", waiting.elapsed());
    println!("reply         {}", reply.into_inner());

    let status = clock.status();
    println!(
        "\nstate         {:?}, {} of {} domains may be wrong",
        status.state, status.max_faulty, status.domains
    );
    println!("counter       {}", status.counter);
    for source in &status.sources {
        println!(
            "{:<21} {:?}, delay {:?}",
            source.name,
            source.verdict,
            source.delay.unwrap_or_default()
        );
    }
    Ok(())
}
