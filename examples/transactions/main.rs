//! A small bank over three processes whose clocks are as different as their uncertainty allows:
//! with commit wait its history is strictly serializable, without it a transaction is missing from
//! what began after its answer. Offline.
//!
//! `cargo run --release --example transactions`

mod clients;
mod history;
mod node;
mod partition;
mod storage;
#[path = "../support/mod.rs"]
mod support;
mod transaction;

use clients::Nodes;
use node::Settings;
use partition::Error;
use std::process::Command;
use std::time::{Duration, Instant};

const CLIENTS: u64 = 8;
const TRANSACTIONS: u64 = 4000;

/// Where all of the delay to the servers lies: an uncertainty of a millisecond, and true time at
/// one end of the interval or the other.
const PATHS: [(Duration, Duration); 3] = [
    (ROUND_TRIP, Duration::ZERO),
    (Duration::ZERO, ROUND_TRIP),
    (Duration::from_millis(1), Duration::from_millis(1)),
];
const ROUND_TRIP: Duration = Duration::from_millis(2);

fn main() -> Result<(), Error> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if let [role, wait, servers @ ..] = &arguments[..] {
        assert_eq!(role, "node", "started by hand it takes no arguments");
        let settings = Settings { wait: wait == "true", servers: servers.to_vec() };
        return node::run(&settings, storage::Memory::default());
    }
    let mut paths = Vec::new();
    for (there, back) in PATHS {
        let servers = (0..3).map(|_| support::start_reference_server_behind(there, back));
        paths.push(servers.collect::<Result<Vec<_>, _>>()?);
    }
    println!("{TRANSACTIONS} transactions of {CLIENTS} clients over three nodes\n");
    for wait in [true, false] {
        let nodes = Nodes::start(paths.iter().map(|servers| {
            let mut command =
                Command::new(std::env::current_exe().expect("this program has a path"));
            command.arg("node").arg(wait.to_string()).args(servers.iter().map(ToString::to_string));
            command
        }))?;
        let began = Instant::now();
        let outcome = nodes.run(CLIENTS, TRANSACTIONS)?;
        let verdict = history::check(&outcome.history);
        let (how, took, uncertainty) =
            (if wait { "with" } else { "without" }, began.elapsed(), &nodes.uncertainty_us);
        println!("{how} commit wait, uncertainties of {uncertainty:?} us, {took:.1?}:");
        match &verdict {
            Ok(()) => println!("strictly serializable"),
            Err(violation) => println!("not strictly serializable:\n{violation}"),
        }
        println!("audits in which money was made or lost: {}\n", outcome.unbalanced);
        assert_eq!(
            verdict.is_ok() && outcome.unbalanced == 0,
            wait,
            "commit wait makes the difference"
        );
    }
    Ok(())
}
