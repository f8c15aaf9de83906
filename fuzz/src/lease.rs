//! The law of leases: whatever is sent, lost, sent twice or late, restarted or disrupted: never two
//! holders.

use crate::input::Input;
use std::time::Duration;
use sureclock::{
    Lease, LeaseForm, LeaseGrant, LeaseGrantor, LeaseRelease, LeaseRequest, ManualTime, SureClock,
    TimeInterval, Timescale, Timestamp,
};

/// A clock whose interval contains true time, however wide it is.
struct Node {
    clock: SureClock,
    time: ManualTime,
}

impl Node {
    fn new(truth_ns: i64) -> Node {
        let (clock, time) = SureClock::manual(around(truth_ns, 0, 0));
        Node { clock, time }
    }

    /// Another interval around true time. `earliest` does not go back: what would is refused, and
    /// the old one is as good.
    fn reads(&self, truth_ns: i64, below: u64, above: u64) {
        let _refused = self.time.set(around(truth_ns, below, above));
    }
}

/// Two holders and a grantor by three clocks; what the bytes say happens. True if somebody held the
/// lease.
pub fn lease(data: &[u8]) -> bool {
    let mut input = Input(data);
    let leader = "leader".parse().expect("a name");
    let form =
        [LeaseForm::Duration, LeaseForm::Deadline, LeaseForm::Both][input.number(1) as usize % 3];
    let longest = Duration::from_nanos(1 + input.number(3));
    let mut truth_ns = 1 << 60;
    let nodes: Vec<Node> = (0..3).map(|_| Node::new(truth_ns)).collect();
    let at_grantor = &nodes[2].clock;
    let mut leases: Vec<Lease> =
        (0..2).map(|_| Lease::new(leader).expect("random numbers")).collect();
    let mut grantor = LeaseGrantor::first_ever(leader, form, longest);
    let (mut requests, mut grants, mut releases) =
        (Vec::<LeaseRequest>::new(), Vec::<LeaseGrant>::new(), Vec::<LeaseRelease>::new());
    let mut was_held = false;
    for _ in 0..STEPS {
        if input.is_empty() {
            break;
        }
        let (act, which) = (input.number(1), input.number(1) as usize);
        let node = which % 2;
        match act % 10 {
            0 | 1 => {
                let passes = input.number(3);
                truth_ns += passes as i64;
                nodes.iter().for_each(|node| node.time.advance(Duration::from_nanos(passes)));
            }
            2 => nodes[which % 3].reads(truth_ns, input.number(2), input.number(2)),
            3 => {
                let term = Duration::from_nanos(input.number(3));
                requests.extend(leases[node].request(&nodes[node].clock, term));
            }
            // Any request of the past arrives, also one that has arrived before.
            4 | 5 => grants.extend(
                of(&requests, which).and_then(|request| grantor.grant(at_grantor, request).ok()),
            ),
            6 | 7 => {
                if let Some(grant) = of(&grants, which / 2) {
                    let _refused = leases[node].granted(&nodes[node].clock, grant);
                }
            }
            8 => match which % 4 {
                0 => grantor = LeaseGrantor::restarted(leader, form, longest, at_grantor),
                1 => nodes[which / 4 % 3].time.disrupt(),
                _ => {
                    // Who gives a lease up comes back as somebody else.
                    let given_up = std::mem::replace(
                        &mut leases[node],
                        Lease::new(leader).expect("random numbers"),
                    );
                    releases.extend(given_up.release());
                }
            },
            _ => {
                if let Some(release) = of(&releases, which) {
                    let _ours = grantor.release(release);
                }
            }
        }
        let held = |at: usize| leases[at].state(&nodes[at].clock).is_held();
        assert!(!(held(0) && held(1)), "two holders of a lease by {form:?}");
        let somebody = held(0) || held(1);
        was_held |= somebody;
        assert!(!(somebody && grantor.is_free(at_grantor)), "free by {form:?}, and held");
    }
    was_held
}

fn of<T>(all: &[T], which: usize) -> Option<&T> {
    (!all.is_empty()).then(|| &all[which % all.len()])
}

fn around(truth_ns: i64, below: u64, above: u64) -> TimeInterval {
    let end = |ns| Timestamp::from_unix_nanos(ns);
    TimeInterval::new(end(truth_ns - below as i64), end(truth_ns + above as i64), Timescale::Utc)
        .expect("around a point")
}

const STEPS: usize = 200;
