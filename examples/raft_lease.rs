//! Leader leases for Raft: a leader that a majority has granted a lease may answer reads by itself,
//! without asking anybody. Five simulated machines whose clocks run as fast and as slow as they
//! may, a slow network, and partitions. First a leader that counts its term from the answers, as is
//! often done, then from the requests.
//!
//! `cargo run --release --features sim --example raft_lease`

use std::time::Duration;
use sureclock::sim::{Dice, Host, Oscillator, Server, World};
use sureclock::{Drift, Lease, LeaseForm, LeaseGrant, LeaseGrantor, LeaseRequest, SureClock};

const NODES: usize = 5;
const TERM: Duration = Duration::from_secs(1);

struct Node {
    clock: SureClock,
    /// To whom this node has given its vote, and until when.
    vote: LeaseGrantor,
    /// The votes of all nodes for this one.
    votes: Vec<Lease>,
    /// The last write that it knows of: a leader reads it from a majority when it is elected.
    knows: u64,
    leads: bool,
}

#[derive(Clone, Copy)]
enum Message {
    Request(LeaseRequest),
    Grant(LeaseGrant),
}

impl Node {
    /// Two majorities have a node in common, and that one gives its vote to one at a time.
    fn has_majority(&self) -> bool {
        self.votes.iter().filter(|vote| vote.state(&self.clock).is_held()).count() > NODES / 2
    }

    fn receive(
        &mut self,
        from: usize,
        message: Message,
        counts_from_answer: bool,
    ) -> Option<Message> {
        match message {
            Message::Request(request) => {
                self.vote.grant(&self.clock, &request).ok().map(Message::Grant)
            }
            Message::Grant(mut grant) => {
                if counts_from_answer {
                    // As if it had been requested when the answer came.
                    grant =
                        self.votes[from].request(&self.clock, TERM).ok()?.granted_by_store(TERM);
                }
                let _ = self.votes[from].granted(&self.clock, &grant);
                None
            }
        }
    }
}

/// How many reads leaders answered by themselves, and how many of them missed a write.
fn run(counts_from_answer: bool) -> Result<(u64, u64), Box<dyn std::error::Error>> {
    let (mut world, mut dice) = (World::new(1), Dice::new(2));
    world.server("a", Server::honest());
    let leader = "leader".parse()?;
    let mut nodes = Vec::new();
    for (number, ppb) in [200_000, -200_000, 0, 100_000, -100_000].into_iter().enumerate() {
        let host = Host::named(format!("node {number}")).oscillator(Oscillator::steady(ppb));
        // A lease by duration needs the counter alone.
        let clock = world
            .clock(host.settings(|builder| builder.max_faulty(0).drift(Drift::fixed_ppm(200))))?;
        let votes = (0..NODES).map(|_| Lease::new(leader)).collect::<Result<_, _>>()?;
        let vote = LeaseGrantor::first_ever(leader, LeaseForm::Duration, TERM);
        nodes.push(Node { clock, vote, votes, knows: 0, leads: false });
    }
    let (mut messages, mut written, mut alone) =
        (Vec::<(u64, usize, usize, Message)>::new(), 0, usize::MAX);
    let (mut reads, mut stale) = (0, 0);
    for now in 0..200_000_u64 {
        world.advance(Duration::from_millis(5));
        if now % 500 == 0 {
            // One node is alone for a while, often the leader.
            alone = nodes
                .iter()
                .position(|node| node.leads)
                .filter(|_| now % 1000 == 0)
                .unwrap_or(usize::MAX);
        }
        let (due, later): (Vec<_>, Vec<_>) = messages.into_iter().partition(|(at, ..)| *at <= now);
        messages = later;
        let mut sent = Vec::new();
        for (_, from, to, message) in due {
            sent.extend(
                nodes[to]
                    .receive(from, message, counts_from_answer)
                    .map(|answer| (to, from, answer)),
            );
        }
        for (asks, node) in nodes.iter_mut().enumerate() {
            let leads = node.has_majority();
            if leads && !node.leads {
                node.knows = written;
            }
            node.leads = leads;
            if leads {
                (reads, stale) = (reads + 1, stale + u64::from(node.knows != written));
                if asks != alone && now % 10 == 0 {
                    // A write that a majority has; the simulation knows at once who is told.
                    written += 1;
                    node.knows = written;
                }
            }
            if now % 40 == 8 * asks as u64 && (leads || dice.below(3) == 0) {
                for to in 0..NODES {
                    let request = node.votes[to].request(&node.clock, TERM)?;
                    sent.push((asks, to, Message::Request(request)));
                }
            }
        }
        for (from, to, message) in
            sent.into_iter().filter(|(from, to, _)| from == to || (*from != alone && *to != alone))
        {
            // Most take some milliseconds; some a second.
            let delay = if dice.below(20) == 0 { dice.below(200) } else { dice.below(4) };
            messages.push((now + delay, from, to, message));
        }
    }
    Ok((reads, stale))
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    for counts_from_answer in [true, false] {
        let (reads, stale) = run(counts_from_answer)?;
        let from = if counts_from_answer { "answers" } else { "requests" };
        println!(
            "terms from the {from}: {reads} reads that leaders answered by themselves, {stale} of them missed a write"
        );
        assert_eq!(stale > 0, counts_from_answer, "what the term counts from makes the difference");
        assert!(reads > 10_000);
    }
    Ok(())
}
