//! The register against its definition: the writes that no other one has seen or is certainly after, of all that was taken in.

use super::*;
use crate::time::{Timescale, Timestamp};
use proptest::prelude::*;
use std::collections::BTreeSet;

fn interval(earliest: i64, latest: i64) -> TimeInterval {
    let point = Timestamp::from_unix_nanos;
    TimeInterval::new(point(earliest), point(latest), Timescale::Utc).unwrap()
}

fn values<V: Clone>(reading: Reading<'_, V>) -> Vec<V> {
    reading.versions().iter().map(|version| version.value().clone()).collect()
}

/// A write as the definition has it: when it was in truth, when it can have been by all that came before, and what its author had seen.
struct Write {
    truth: i64,
    interval: TimeInterval,
    seen: BTreeSet<usize>,
}

/// The definition: of all that a replica has taken in, what no other one of it has seen or is certainly after.
fn left(all: &[Write], taken_in: &BTreeSet<usize>) -> BTreeSet<usize> {
    let is_under =
        |x: usize, y: usize| all[y].seen.contains(&x) || all[x].interval.latest() < all[y].interval.earliest();
    taken_in.iter().copied().filter(|&x| !taken_in.iter().any(|&y| is_under(x, y))).collect()
}

/// What happens in a world of three replicas and two clients.
#[derive(Clone, Debug)]
enum Act {
    /// A client writes at a replica, within an interval that holds the truth.
    Write {
        replica: usize,
        client: usize,
        passes: i64,
        before: i64,
        after: i64,
        blind: bool,
    },
    /// A client reads at a replica.
    Read {
        replica: usize,
        client: usize,
    },
    Merge {
        from: usize,
        into: usize,
    },
}

fn acts() -> impl Strategy<Value = Vec<Act>> {
    let (replica, client) = (0..3_usize, 0..2_usize);
    let write = (replica.clone(), client.clone(), 0..12_i64, 0..25_i64, 0..25_i64, any::<bool>()).prop_map(
        |(replica, client, passes, before, after, blind)| Act::Write { replica, client, passes, before, after, blind },
    );
    let read = (replica.clone(), client).prop_map(|(replica, client)| Act::Read { replica, client });
    let merge = (replica.clone(), replica).prop_map(|(from, into)| Act::Merge { from, into });
    prop::collection::vec(prop_oneof![3 => write, 1 => read, 2 => merge], 1..40)
}

/// The world after the acts: the registers, what each has taken in, all writes.
struct World {
    registers: Vec<Register<usize>>,
    taken_in: Vec<BTreeSet<usize>>,
    all: Vec<Write>,
}

fn play(acts: &[Act]) -> World {
    let mut registers: Vec<Register<usize>> = (0..3).map(|_| Register::new()).collect();
    let mut taken_in = vec![BTreeSet::new(); 3];
    let (mut all, mut truth) = (Vec::<Write>::new(), 0);
    let mut clients = vec![(Seen::nothing(), BTreeSet::<usize>::new()); 2];
    for act in acts {
        match *act {
            Act::Write { replica, client, passes, before, after, blind } => {
                truth += passes;
                let now = interval(truth - before, truth + after);
                let (seen, seen_set) = if blind { (Seen::nothing(), BTreeSet::new()) } else { clients[client].clone() };
                registers[replica].write(all.len(), &now, &seen).expect("the clocks are right");
                let before = taken_in[replica].union(&seen_set).map(|&write| all[write].interval.earliest());
                let earliest = before.chain([now.earliest()]).max().expect("its own at least");
                let interval = TimeInterval::new(earliest, now.latest(), Timescale::Utc).expect("it came after them");
                taken_in[replica].extend(seen_set.iter().copied());
                taken_in[replica].insert(all.len());
                all.push(Write { truth, interval, seen: seen_set });
            }
            Act::Read { replica, client } => {
                clients[client] = (registers[replica].read().seen().clone(), taken_in[replica].clone());
            }
            Act::Merge { from, into } => {
                let state = registers[from].state().clone();
                registers[into].merge(&state).expect("nobody is cloned");
                let theirs = taken_in[from].clone();
                taken_in[into].extend(theirs);
            }
        }
    }
    World { registers, taken_in, all }
}

fn merged(a: &State<usize>, b: &State<usize>) -> State<usize> {
    let mut register = Register::open(a.clone());
    register.merge(b).expect("nobody is cloned");
    register.state().clone()
}

proptest! {
    #[test]
    fn a_replica_has_what_the_definition_leaves(acts in acts()) {
        let World { registers, taken_in, all } = play(&acts);
        for (register, taken_in) in registers.iter().zip(&taken_in) {
            let there: BTreeSet<usize> = values(register.read()).into_iter().collect();
            prop_assert_eq!(there, left(&all, taken_in));
            prop_assert!(register.read().versions().iter().all(|v| v.interval() == all[*v.value()].interval));
        }
    }

    #[test]
    fn merging_is_commutative_associative_and_idempotent(acts in acts()) {
        let World { registers, .. } = play(&acts);
        let [a, b, c] = [0, 1, 2].map(|at| registers[at].state());
        prop_assert_eq!(merged(a, b), merged(b, a));
        prop_assert_eq!(merged(&merged(a, b), c), merged(a, &merged(b, c)));
        prop_assert_eq!(&merged(a, a), a);
        prop_assert_eq!(merged(&merged(a, b), b), merged(a, b));
    }

    #[test]
    fn no_write_is_gone_but_for_one_that_came_later_in_truth(acts in acts()) {
        let World { registers, all, .. } = play(&acts);
        let [a, b, c] = [0, 1, 2].map(|at| registers[at].state());
        let end = merged(&merged(a, b), c);
        let there = values(end.read());
        for (write, lost) in all.iter().enumerate().filter(|(write, _)| !there.contains(write)) {
            // The acts come one after the other: of two at one truth the later act came later.
            let later = there.iter().any(|&w| (all[w].truth, w) > (lost.truth, write));
            prop_assert!(later, "write {} is lost", write);
        }
    }

    #[test]
    fn whoever_merges_hears_of_every_write_that_goes(acts in acts()) {
        let World { mut registers, .. } = play(&acts);
        let (ours, theirs) = (registers[0].state().clone(), registers[1].state().clone());
        let dropped = registers[0].merge(&theirs).unwrap();
        let there = values(registers[0].read());
        let told: BTreeSet<usize> = dropped.iter().map(|gone| *gone.version.value()).collect();
        let before: BTreeSet<usize> = values(ours.read()).into_iter().chain(values(theirs.read())).collect();
        prop_assert_eq!(told, before.into_iter().filter(|write| !there.contains(write)).collect::<BTreeSet<_>>());
    }
}

/// The damage that it is for: the same acts under the larger timestamp.
#[test]
fn the_larger_timestamp_alone_loses_a_write_that_came_later() {
    let (fast, slow) = (interval(0, 20), interval(1, 9));
    let truths = (5, 8);
    assert!(fast.contains(Timestamp::from_unix_nanos(truths.0)) && slow.contains(Timestamp::from_unix_nanos(truths.1)));
    // By a point of each clock, the midpoint say, the first one is the last.
    assert!(fast.midpoint() > slow.midpoint());
    let (mut a, mut b) = (Register::new(), Register::new());
    a.write("first", &fast, &Seen::nothing()).unwrap();
    b.write("second", &slow, &Seen::nothing()).unwrap();
    assert!(a.merge(b.state()).unwrap().is_empty());
    assert_eq!(values(a.read()).len(), 2);
}

#[test]
fn a_write_that_certainly_came_later_stands_alone_and_the_other_is_named() {
    let (mut a, mut b) = (Register::new(), Register::new());
    a.write("first", &interval(0, 5), &Seen::nothing()).unwrap();
    b.write("second", &interval(6, 9), &Seen::nothing()).unwrap();
    let dropped = b.merge(a.state()).unwrap();
    assert_eq!(
        (dropped.len(), *dropped[0].version.value(), dropped[0].superseded),
        (1, "first", Superseded::CertainlyEarlier)
    );
    assert_eq!(b.read().latest(), Latest::One(&"second"));
    // Touching is not certain.
    let (mut a, mut b) = (Register::new(), Register::new());
    a.write("first", &interval(0, 5), &Seen::nothing()).unwrap();
    b.write("second", &interval(5, 9), &Seen::nothing()).unwrap();
    assert!(b.merge(a.state()).unwrap().is_empty());
}

#[test]
fn a_write_that_has_seen_the_others_stands_alone() {
    let mut register = Register::new();
    register.write(1, &interval(0, 9), &Seen::nothing()).unwrap();
    register.write(2, &interval(1, 9), &Seen::nothing()).unwrap();
    assert_eq!(values(register.read()), [1, 2]);
    let seen = register.read().seen().clone();
    let dropped = register.write(3, &interval(2, 9), &seen).unwrap();
    assert!(dropped.iter().all(|gone| gone.superseded == Superseded::Seen) && dropped.len() == 2);
    assert_eq!(register.read().latest(), Latest::One(&3));
}

#[test]
fn a_write_before_what_is_there_is_a_proof_that_a_clock_is_wrong() {
    let mut register = Register::new();
    assert_eq!(register.read().latest(), Latest::Nothing);
    register.write(1, &interval(100, 110), &Seen::nothing()).unwrap();
    let before = register.state().clone();
    let Err(WriteError::BrokenBound(broken)) = register.write(2, &interval(10, 99), &Seen::nothing()) else {
        panic!("refused")
    };
    assert_eq!((broken.first, broken.by.as_nanos()), (interval(100, 110), 1));
    assert_eq!(*register.state(), before);
    // The same of what a client has seen elsewhere.
    let mut other = Register::new();
    let seen = register.read().seen();
    assert!(matches!(other.write(2, &interval(10, 99), seen), Err(WriteError::BrokenBound(_))));
    other.write(2, &interval(10, 100), seen).unwrap();
}

#[test]
fn a_register_keeps_to_one_timescale() {
    let smeared = TimeInterval::new(Timestamp::UNIX_EPOCH, Timestamp::UNIX_EPOCH, Timescale::Smear24h).unwrap();
    let (mut a, mut b) = (Register::new(), Register::new());
    a.write(1, &interval(0, 1), &Seen::nothing()).unwrap();
    assert!(matches!(a.write(2, &smeared, &Seen::nothing()), Err(WriteError::Timescale(_))));
    b.write(3, &smeared, &Seen::nothing()).unwrap();
    assert!(matches!(a.merge(b.state()), Err(MergeError::Timescale(_))));
}

#[test]
fn what_has_been_seen_is_forgotten_when_time_tells_as_much() {
    let mut register = Register::new();
    for writer in 0..100 {
        let mut other = Register::open(register.state().clone());
        other.write(writer, &interval(writer * 10, writer * 10 + 15), &Seen::nothing()).unwrap();
        register.merge(other.state()).unwrap();
    }
    assert_eq!(register.read().seen().writers(), 2);
    assert_eq!(values(register.read()), [98, 99]);
    // An old one that comes again does not come back.
    let mut late = Register::new();
    late.write(50, &interval(500, 515), &Seen::nothing()).unwrap();
    assert_eq!(register.merge(late.state()).unwrap()[0].superseded, Superseded::CertainlyEarlier);
}

#[test]
fn a_clone_is_found_where_it_shows() {
    let mut register = Register::new();
    register.write(1, &interval(0, 9), &Seen::nothing()).unwrap();
    let copy = |register: &Register<i32>| Register { state: register.state.clone(), writer: register.writer };
    let mut clone = copy(&register);
    clone.write(2, &interval(1, 9), &Seen::nothing()).unwrap();
    let before = register.state().clone();
    assert!(
        matches!(register.merge(clone.state()), Err(MergeError::Cloned { .. })),
        "it has written more than this one"
    );
    register.write(3, &interval(1, 9), &Seen::nothing()).unwrap();
    let third = merged_into_new(register.state(), clone.state());
    assert!(matches!(third, Err(MergeError::Cloned { .. })), "two writes of one name");
    assert_eq!(values(before.read()), [1]);
}

#[test]
fn found_a_write_of_a_twin_that_looked_as_if_it_had_been_seen() {
    let mut parent = Register::new();
    parent.write("before", &interval(0, 100), &Seen::nothing()).unwrap();
    let mut twin = Register { state: parent.state.clone(), writer: parent.writer };
    let seen = twin.read().seen().clone();
    twin.write("the twin's", &interval(10, 100), &seen).unwrap();
    parent.write("acknowledged", &interval(12, 120), &seen).unwrap();
    let mut third = Register::open(twin.state().clone());
    let seen = third.read().seen().clone();
    third.write("over the twin's", &interval(11, 100), &seen).unwrap();
    for (a, b) in [(third.state(), parent.state()), (parent.state(), third.state())] {
        let refused = Register::open(a.clone()).merge(b).map(drop);
        assert!(matches!(refused, Err(MergeError::Cloned { .. })), "{refused:?}");
    }
}

#[test]
fn found_a_panic_in_a_clone_that_lost_everything() {
    use std::panic::{AssertUnwindSafe, catch_unwind};
    #[derive(Debug, PartialEq, Eq)]
    struct Fragile(u32);
    impl Clone for Fragile {
        fn clone(&self) -> Fragile {
            panic!("out of memory, say")
        }
    }
    let (mut a, mut b) = (Register::new(), Register::new());
    a.write(Fragile(1), &interval(0, 9), &Seen::nothing()).unwrap();
    b.write(Fragile(2), &interval(0, 9), &Seen::nothing()).unwrap();
    let panicked = catch_unwind(AssertUnwindSafe(|| a.merge(b.state()).map(drop)));
    assert!(panicked.is_err());
    assert_eq!(a.read().latest(), Latest::One(&Fragile(1)));
}

#[test]
fn found_a_write_of_the_far_future_that_stopped_all_others() {
    let (mut good, mut bad) = (Register::new(), Register::new());
    good.write(1, &interval(0, 10), &Seen::nothing()).unwrap();
    bad.write(2, &interval(1_000, 1_010), &Seen::nothing()).unwrap();
    let proof = bad.state().broken_bound(&interval(11, 20)).unwrap().expect("a proof");
    assert_eq!((proof.first, proof.by.as_nanos()), (interval(1_000, 1_010), 980));
    assert_eq!(good.state().broken_bound(&interval(11, 20)), Ok(None));
    assert_eq!(State::<u32>::new().broken_bound(&interval(11, 20)), Ok(None));
    // The damage, for those who do not ask.
    good.merge(bad.state()).unwrap();
    assert!(matches!(good.write(3, &interval(21, 30), &Seen::nothing()), Err(WriteError::BrokenBound(_))));
}

#[test]
fn found_a_claim_to_have_seen_writes_that_were_never_made() {
    let mut register = Register::new();
    register.write(1, &interval(0, 9), &Seen::nothing()).unwrap();
    let mut copied = Register { state: register.state.clone(), writer: register.writer };
    copied.write(2, &interval(1, 9), &Seen::nothing()).unwrap();
    let before = register.state().clone();
    let seen = copied.read().seen().clone();
    let refused = register.write(3, &interval(2, 9), &seen);
    assert!(matches!(refused, Err(WriteError::Unwritten { claimed: 2, made: 1, .. })), "{refused:?}");
    assert_eq!(*register.state(), before);
}

fn merged_into_new(a: &State<i32>, b: &State<i32>) -> Result<(), MergeError> {
    Register::open(a.clone()).merge(b).map(drop)
}

#[test]
fn reopening_draws_another_name() {
    let mut first = Register::new();
    first.write(1, &interval(0, 9), &Seen::nothing()).unwrap();
    let mut second = Register::open(first.state().clone());
    second.write(2, &interval(1, 9), &Seen::nothing()).unwrap();
    first.write(3, &interval(1, 9), &Seen::nothing()).unwrap();
    first.merge(second.state()).unwrap();
    assert_eq!(values(first.read()).len(), 3);
}

#[cfg(feature = "serde")]
mod wire {
    use super::*;

    fn two() -> State<u32> {
        let (mut a, mut b) = (Register::new(), Register::new());
        a.write(1, &interval(0, 9), &Seen::nothing()).unwrap();
        b.write(2, &interval(1, 8), &Seen::nothing()).unwrap();
        a.merge(b.state()).unwrap();
        a.state().clone()
    }

    #[test]
    fn the_name_of_a_replica_travels_whole() {
        let mut register = Register::new();
        register.write(1, &interval(0, 9), &Seen::nothing()).unwrap();
        let text = serde_json::to_string(register.state()).unwrap();
        assert_eq!(serde_json::from_str::<State<u32>>(&text).unwrap(), *register.state());
    }

    #[test]
    fn a_state_comes_back_as_it_was_sent() {
        for state in [two(), State::new()] {
            let text = serde_json::to_string(&state).unwrap();
            assert_eq!(serde_json::from_str::<State<u32>>(&text).unwrap(), state);
        }
    }

    #[test]
    fn what_is_no_state_is_an_error() {
        let sent = serde_json::to_value(two()).unwrap();
        let damaged = |change: &dyn Fn(&mut serde_json::Value)| {
            let mut sent = sent.clone();
            change(&mut sent);
            serde_json::from_value::<State<u32>>(sent).is_err()
        };
        assert!(!damaged(&|_| ()), "the check can pass");
        assert!(damaged(&|sent| sent["versions"][1] = sent["versions"][0].clone()), "twice");
        assert!(damaged(&|sent| sent["versions"] = serde_json::json!([])), "nothing left");
        assert!(damaged(&|sent| sent["versions"][0]["number"] = 7.into()), "not seen");
        assert!(damaged(&|sent| sent["seen"]["newest"] = serde_json::Value::Null), "seen without an interval");
        assert!(
            damaged(&|sent| sent["seen"]["newest"]["earliest"] = "1970-01-01T00:00:00Z".into()),
            "newest is not what is there"
        );
        assert!(
            damaged(&|sent| sent["versions"][0]["interval"]["timescale"] = "smear-24h".into()),
            "another timescale"
        );
        assert!(damaged(&|sent| sent["seen"]["writers"][0]["number"] = 0.into()), "a writer that has not written");
        assert!(damaged(&|sent| sent["versions"][0]["writer"] = 1.into()), "a name of other digits");
        assert!(damaged(&|sent| sent["versions"][0]["writer"] = "+f".repeat(16).into()), "no digits");
    }
}
