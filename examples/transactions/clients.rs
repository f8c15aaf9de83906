//! Starts the nodes as processes, sends them transactions from several clients at once, and writes
//! down what each client saw.

use crate::history::{INITIAL, Operation};
use crate::node::{Connection, Request};
use crate::partition::Error;
use crate::storage::{Id, Key};
use crate::transaction::Reply;
use std::io::{BufRead as _, BufReader, Lines, Write as _};
use std::net::SocketAddr;
use std::process::{Child, ChildStdout, Command, Stdio};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

/// Accounts; the key modulo the number of nodes is its owner.
pub(crate) const ACCOUNTS: Key = 48;

/// What everyone counts the transactions by. Nothing else depends on the order.
static NEXT: AtomicU64 = AtomicU64::new(1);

/// What the clients saw.
#[derive(Default)]
pub(crate) struct Outcome {
    /// Every transaction.
    pub(crate) history: Vec<Operation>,
    /// Audits in which money was made or lost.
    pub(crate) unbalanced: u64,
}

/// Node processes, which end when this is dropped.
pub(crate) struct Nodes {
    children: Vec<Child>,
    /// Open until they have ended: what they say last goes nowhere, but is no error.
    outputs: Vec<Lines<BufReader<ChildStdout>>>,
    addresses: Vec<SocketAddr>,
    /// The uncertainty of each clock at the start, in microseconds.
    pub(crate) uncertainty_us: Vec<u64>,
}

impl Nodes {
    /// Starts a process for each command, which must [`run`](crate::node::run) a node.
    pub(crate) fn start(commands: impl IntoIterator<Item = Command>) -> Result<Nodes, Error> {
        let mut nodes =
            Nodes { children: vec![], outputs: vec![], addresses: vec![], uncertainty_us: vec![] };
        for mut command in commands {
            nodes.children.push(command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?);
        }
        for child in &mut nodes.children {
            let mut output =
                BufReader::new(child.stdout.take().ok_or("no standard output")?).lines();
            // A test's harness says something of its own first.
            let said = output.by_ref().map_while(Result::ok).find_map(|line| {
                let (rest, uncertainty) = line.rsplit_once(' ')?;
                let address = rest.rsplit(' ').next()?;
                Some((address.parse().ok()?, uncertainty.parse().ok()?))
            });
            let (address, uncertainty) = said.ok_or("a node did not start; it says why")?;
            nodes.outputs.push(output);
            nodes.addresses.push(address);
            nodes.uncertainty_us.push(uncertainty);
        }
        let all: Vec<String> = nodes.addresses.iter().map(SocketAddr::to_string).collect();
        for child in &mut nodes.children {
            writeln!(child.stdin.as_mut().ok_or("no standard input")?, "{}", all.join(" "))?;
        }
        Ok(nodes)
    }

    /// `clients` clients make so many transactions in all, one in four an audit; what each of them
    /// saw.
    pub(crate) fn run(&self, clients: u64, transactions: u64) -> Result<Outcome, Error> {
        let began = Instant::now();
        std::thread::scope(|scope| {
            let each = transactions / clients;
            let threads: Vec<_> = (0..clients)
                .map(|client| scope.spawn(move || self.client(client, each, began)))
                .collect();
            let mut all = Outcome::default();
            for thread in threads {
                let outcome = thread.join().map_err(|_| "a client panicked")??;
                all.history.extend(outcome.history);
                all.unbalanced += outcome.unbalanced;
            }
            Ok(all)
        })
    }

    fn client(&self, client: u64, transactions: u64, began: Instant) -> Result<Outcome, Error> {
        let mut connections = Vec::new();
        for address in &self.addresses {
            connections.push(Connection::to(*address)?);
        }
        let mut outcome = Outcome::default();
        let mut chance = client + 1;
        let mut below = |end: u64| {
            // SplitMix64; nothing hangs on it being good.
            chance = chance.wrapping_add(0x9e37_79b9_7f4a_7c15);
            let mixed = (chance ^ (chance >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
            let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
            (mixed ^ (mixed >> 31)) % end
        };
        let ns = || i64::try_from(began.elapsed().as_nanos());
        for _ in 0..transactions {
            let node = usize::try_from(below(self.addresses.len() as u64))?;
            let id: Id = NEXT.fetch_add(1, Ordering::Relaxed);
            let from = below(ACCOUNTS);
            let to = (from + 1 + below(ACCOUNTS - 1)) % ACCOUNTS;
            let (what, request) = if below(4) == 0 {
                (format!("audit {id} at node {node}"), Request::Audit)
            } else {
                let amount = i64::try_from(1 + below(100))?;
                (
                    format!("transfer {id} ({from} to {to}) at node {node}"),
                    Request::Transfer { id, from, to, amount },
                )
            };
            let invoked_ns = ns()?;
            let reply: Reply = connections[node].ask(&request)??;
            outcome.history.push(operation(what, invoked_ns, ns()?, &reply));
            outcome.unbalanced += u64::from(is_unbalanced(&reply));
        }
        Ok(outcome)
    }
}

/// What a client writes down of a reply.
#[must_use]
pub(crate) fn operation(
    name: String,
    invoked_ns: i64,
    answered_ns: i64,
    reply: &Reply,
) -> Operation {
    let mut saw: Vec<(Key, i64)> =
        reply.saw.iter().map(|version| (version.key, version.at)).collect();
    if reply.wrote.is_empty() {
        let unseen =
            (0..ACCOUNTS).filter(|key| reply.saw.iter().all(|version| version.key != *key));
        saw.extend(unseen.map(|key| (key, INITIAL)));
    }
    Operation { name, invoked_ns, answered_ns, at: reply.at, saw, wrote: reply.wrote.clone() }
}

/// Whether an audit shows that money was made or lost: together the accounts hold none.
#[must_use]
pub(crate) fn is_unbalanced(reply: &Reply) -> bool {
    reply.wrote.is_empty() && reply.saw.iter().map(|version| version.value).sum::<i64>() != 0
}

impl Drop for Nodes {
    fn drop(&mut self) {
        for child in &mut self.children {
            drop(child.stdin.take());
            let _ = child.wait();
        }
    }
}
