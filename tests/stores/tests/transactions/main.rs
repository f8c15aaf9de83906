//! The bank of `examples/transactions` with PostgreSQL below and chronyd behind relays above: three
//! processes whose clocks are as different as their uncertainty allows.
//!
//! Two durable writes to PostgreSQL take longer than a wait for an uncertainty of a millisecond,
//! which is then over before it begins; so what its absence does is shown with an uncertainty of 10
//! ms.

#[path = "../../../../examples/transactions/clients.rs"]
mod clients;
#[path = "../../../../examples/transactions/history.rs"]
mod history;
#[path = "../../../../examples/transactions/node.rs"]
mod node;
#[path = "../../../../examples/transactions/partition.rs"]
mod partition;
#[path = "../../../../examples/transactions/storage.rs"]
#[allow(dead_code, reason = "the versions are not in memory here")]
mod storage;
#[path = "../../../support/mod.rs"]
mod support;
#[path = "../../../../examples/transactions/transaction.rs"]
mod transaction;
mod versions;

use clients::{Nodes, Outcome};
use std::process::Command;
use std::time::{Duration, Instant};
use storage::{Storage as _, Version};
use support::chronyd::{Chronyd, Config, require_chronyd};
use support::path::{Leg, Path};
use support::relay::Relay;
use sureclock::Timestamp;
use sureclock_stores::{Postgres, require_postgres};

const DATABASE: &str = "SURECLOCK_TEST_DATABASE";
const TABLE: &str = "SURECLOCK_TEST_TABLE";
const SERVERS: &str = "SURECLOCK_TEST_SERVERS";
const WAIT: &str = "SURECLOCK_TEST_WAIT";

#[test]
#[ignore = "the process that the other tests start"]
fn runs_a_node() {
    let Ok(url) = std::env::var(DATABASE) else { return };
    let said = |name| std::env::var(name).unwrap();
    let storage = versions::Postgres::new(&url, &said(TABLE)).unwrap();
    let servers = said(SERVERS).split(' ').map(str::to_owned).collect();
    node::run(&node::Settings { wait: said(WAIT) == "true", servers }, storage).unwrap();
}

/// Plays so many transactions, if there are the servers for it, with clocks of such an uncertainty.
fn play(wait: bool, transactions: u64, uncertainty_ms: u64) -> Option<Outcome> {
    let (bin, _) = (require_postgres()?, require_chronyd()?);
    let database = Postgres::start(&bin).unwrap();
    let mut daemons: Vec<Chronyd> =
        (0..3).map(|_| Chronyd::start(Config::honest()).unwrap()).collect();
    for daemon in &mut daemons {
        daemon.wait_until_serving(Duration::from_secs(20)).unwrap();
    }
    let mut relays = Vec::new();
    let mut commands = Vec::new();
    // Where the delay lies: all of it forward, backward, half and half.
    let (half, all) = (uncertainty_ms, 2 * uncertainty_ms);
    for (number, (there, back)) in [(all, 0), (0, all), (half, half)].into_iter().enumerate() {
        let leg = |ms| Leg::delayed(Duration::from_millis(ms));
        let path = || Path::clear().forward(leg(there)).backward(leg(back));
        let own: Vec<Relay> =
            daemons.iter().map(|daemon| Relay::start(daemon.addr(), path()).unwrap()).collect();
        let servers: Vec<String> = own.iter().map(|relay| relay.addr().to_string()).collect();
        relays.extend(own);
        let mut command = Command::new(std::env::current_exe().unwrap());
        command.args(["--exact", "runs_a_node", "--ignored", "--nocapture"]);
        command.env(DATABASE, database.url()).env(TABLE, format!("node_{number}"));
        command.env(SERVERS, servers.join(" ")).env(WAIT, wait.to_string());
        commands.push(command);
    }
    let nodes = Nodes::start(commands).unwrap();
    let began = Instant::now();
    let outcome = nodes.run(16, transactions).unwrap();
    let (count, took, uncertainty) =
        (outcome.history.len(), began.elapsed(), &nodes.uncertainty_us);
    println!("{count} transactions in {took:.1?}, uncertainties at the start {uncertainty:?} us");
    Some(outcome)
}

#[test]
fn found_two_transactions_of_one_timestamp_are_kept_and_what_fails_says_why() {
    let Some(bin) = require_postgres() else { return };
    let database = Postgres::start(&bin).unwrap();
    let storage = versions::Postgres::new(&database.url(), "node_0").unwrap();
    let version = |by| Version { key: 7, at: 1_000, value: 10, by };
    storage.write(&[version(1)]).unwrap();
    storage.write(&[version(2)]).unwrap();
    assert_eq!(storage.read(7, Timestamp::MAX).unwrap(), version(2));
    assert_eq!(storage.read_all(Timestamp::MAX).unwrap(), [version(2)]);
    storage.erase(2).unwrap();
    assert_eq!(storage.read(7, Timestamp::MAX).unwrap(), version(1));
    let twice = storage.write(&[version(1)]).unwrap_err().to_string();
    assert!(twice.contains("duplicate key"), "{twice}");
}

/// One after the other: each has the processors for itself.
#[test]
fn strictly_serializable_on_postgresql_with_commit_wait_and_not_without() {
    for (transactions, uncertainty_ms) in [(10_000, 1), (2_000, 10)] {
        let Some(outcome) = play(true, transactions, uncertainty_ms) else { return };
        assert_eq!(outcome.history.len() as u64, transactions);
        if let Err(violation) = history::check(&outcome.history) {
            panic!("{violation}");
        }
        assert_eq!(outcome.unbalanced, 0, "audits in which money was made or lost");
    }
    let Some(outcome) = play(false, 2_000, 10) else { return };
    let violation =
        history::check(&outcome.history).expect_err("2 000 transactions without commit wait");
    println!("{violation}\naudits in which money was made or lost: {}", outcome.unbalanced);
}
