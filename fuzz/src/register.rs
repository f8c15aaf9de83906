//! The law of registers: whatever is written, read, stored, reopened and merged in whichever order,
//! there is what the definition leaves, and merging is commutative, associative and idempotent.

use crate::input::Input;
use std::collections::BTreeSet;
use sureclock::register::{Register, Seen, State};
use sureclock::{TimeInterval, Timescale, Timestamp};

/// A write as the definition has it.
struct Write {
    interval: TimeInterval,
    seen: BTreeSet<usize>,
}

/// A replica, and what it has taken in.
#[derive(Default)]
struct Replica {
    register: Register<usize>,
    taken_in: BTreeSet<usize>,
}

/// Three replicas and two clients; what the bytes say happens. True if two writes stayed beside
/// each other.
pub fn register(data: &[u8]) -> bool {
    let mut input = Input(data);
    let mut replicas: Vec<Replica> = (0..3).map(|_| Replica::default()).collect();
    let mut clients = vec![(Seen::nothing(), BTreeSet::<usize>::new()); 2];
    let (mut truth_ns, mut all, mut both) = (1_i64 << 60, Vec::<Write>::new(), false);
    for _ in 0..STEPS {
        if input.is_empty() {
            break;
        }
        let (act, which) = (input.number(1), input.number(1) as usize);
        let (at, other) = (which % 3, which / 3 % 3);
        match act % 8 {
            0 => truth_ns += input.number(2) as i64,
            1..=3 => {
                let truth = Timestamp::from_unix_nanos(truth_ns);
                let now = input.around(truth);
                let (seen, seen_writes) = if act & 8 == 0 {
                    (Seen::nothing(), BTreeSet::new())
                } else {
                    clients[which % 2].clone()
                };
                let replica = &mut replicas[at];
                replica
                    .register
                    .write(all.len(), &now, &seen)
                    .expect("it holds true time, and so did what was seen");
                // It came after all that is here or was seen.
                let before = replica
                    .taken_in
                    .union(&seen_writes)
                    .map(|&write| all[write].interval.earliest());
                let earliest = before.chain([now.earliest()]).max().expect("its own");
                let interval = TimeInterval::new(earliest, now.latest(), now.timescale())
                    .expect("true time is after all of them");
                replica.taken_in.extend(&seen_writes);
                replica.taken_in.insert(all.len());
                all.push(Write { interval, seen: seen_writes });
            }
            4 => {
                clients[which / 9 % 2] =
                    (replicas[at].register.read().seen().clone(), replicas[at].taken_in.clone())
            }
            // Stored, and opened again.
            5 => replicas[at].register = Register::open(replicas[at].register.state().clone()),
            _ => {
                let (state, theirs) =
                    (replicas[other].register.state().clone(), replicas[other].taken_in.clone());
                let now = at_truth(truth_ns);
                replicas[at].register.merge(&state, &now).expect("nobody is cloned");
                replicas[at].taken_in.extend(theirs);
            }
        }
        let Replica { register, taken_in } = &replicas[at];
        let there: BTreeSet<usize> =
            register.read().versions().iter().map(|version| *version.value()).collect();
        assert_eq!(
            there,
            left(&all, taken_in),
            "of {} writes, {} taken in",
            all.len(),
            taken_in.len()
        );
        both |= there.len() > 1;
    }
    let [a, b, c] = [0, 1, 2].map(|at| replicas[at].register.state());
    assert_eq!(merged(a, b), merged(b, a), "commutative");
    assert_eq!(merged(&merged(a, b), c), merged(a, &merged(b, c)), "associative");
    assert_eq!(merged(&merged(a, b), b), merged(a, b), "idempotent");
    both
}

/// What no other one has seen or is certainly after.
fn left(all: &[Write], taken_in: &BTreeSet<usize>) -> BTreeSet<usize> {
    let is_under = |x: usize, y: usize| {
        all[y].seen.contains(&x) || all[x].interval.latest() < all[y].interval.earliest()
    };
    taken_in.iter().copied().filter(|&x| !taken_in.iter().any(|&y| is_under(x, y))).collect()
}

fn at_truth(ns: i64) -> TimeInterval {
    let truth = Timestamp::from_unix_nanos(ns);
    TimeInterval::new(truth, truth, Timescale::Utc).expect("a point")
}

fn merged(a: &State<usize>, b: &State<usize>) -> State<usize> {
    let mut register = Register::open(a.clone());
    register.merge(b, &at_truth(i64::MAX)).expect("nobody is cloned");
    register.state().clone()
}

/// More are no more interesting, and slow.
const STEPS: usize = 60;
