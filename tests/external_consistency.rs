//! The bank of `examples/transactions` in simulated worlds: its protocol, its partitions and its
//! checker, over machines whose clocks are as wrong as they may be. Strictly serializable; and with
//! any one condition taken out the checker sees it.

#[path = "../examples/transactions/history.rs"]
mod history;
#[path = "../examples/transactions/partition.rs"]
#[allow(dead_code, reason = "blocking is for threads, and a world is one")]
mod partition;
#[path = "../examples/transactions/storage.rs"]
mod storage;
#[path = "../examples/transactions/transaction.rs"]
mod transaction;

use history::{INITIAL, Operation, Violation, check};
use partition::{Error, Partition};
use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;
use storage::{Id, Key, Memory, Version};
use sureclock::sim::{ClockError, Delay, Dice, Host, Oscillator, Path, Server, World};
use sureclock::{SureClock, Timestamp};
use transaction::{Network, Reply, audit, transfer};

const NODES: usize = 3;
const ACCOUNTS: Key = 12;
const CLIENTS: usize = 8;

/// A condition that is taken out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Without {
    Nothing,
    /// Commits are exposed at once.
    Wait,
    /// Commits are exposed at once, and only the client's answer waits.
    WaitBeforeLocksEnd,
    /// The coordinator does not hear the participants' prepare timestamps.
    Floors,
    /// A reader does not forbid what comes at or below its timestamp.
    Forbid,
    /// A reader does not wait for what is prepared at or below its timestamp.
    Prepared,
    /// More sources lie than agreement was told to expect.
    HonestSources,
}

/// What the tasks of one world share. One thread: cells do.
struct Bank {
    now_ns: Cell<i64>,
    dice: RefCell<Dice>,
    clocks: Vec<SureClock>,
    partitions: Vec<Partition<Memory>>,
    history: RefCell<Vec<Operation>>,
    failed: Cell<u64>,
    next: Cell<Id>,
    without: Without,
    /// Of transactions whose commits are exposed too soon: the first of the two keys that was
    /// written.
    half_written: RefCell<HashMap<Id, Key>>,
}

impl Bank {
    /// A message on its way, or a client that thinks.
    async fn pass(&self, most_us: u64) {
        let until = self.now_ns.get()
            + i64::try_from(1000 * self.dice.borrow_mut().below(most_us + 1)).unwrap();
        std::future::poll_fn(|_| {
            if self.now_ns.get() < until { Poll::Pending } else { Poll::Ready(()) }
        })
        .await;
    }

    /// What an owner does with a message, which is asked again until there is an answer.
    async fn at_owner<T>(&self, ask: impl Fn() -> Result<Option<T>, Error>) -> Result<T, Error> {
        self.pass(200).await;
        let answer = std::future::poll_fn(|_| match ask() {
            Ok(None) => Poll::Pending,
            Ok(Some(answer)) => Poll::Ready(Ok(answer)),
            Err(error) => Poll::Ready(Err(error)),
        });
        let answer = answer.await;
        self.pass(200).await;
        answer
    }

    /// One call in two hundred fails: before the owner hears of it, or afterwards.
    async fn may_fail<T>(&self, call: impl Future<Output = Result<T, Error>>) -> Result<T, Error> {
        let fate = self.dice.borrow_mut().below(400);
        if fate == 0 {
            return Err("the question was lost".into());
        }
        let answer = call.await;
        if fate == 1 { Err("the answer was lost".into()) } else { answer }
    }

    fn owner(&self, key: Key) -> &Partition<Memory> {
        &self.partitions[usize::try_from(key).unwrap() % NODES]
    }

    async fn client(&self, transactions: usize) {
        for _ in 0..transactions {
            self.pass(500).await;
            let below = |end| self.dice.borrow_mut().below(end);
            let node = usize::try_from(below(NODES as u64)).unwrap();
            let from = below(ACCOUNTS);
            let to = (from + 1 + below(ACCOUNTS - 1)) % ACCOUNTS;
            let (audits, amount) = (below(4) == 0, i64::try_from(below(100)).unwrap());
            let id = self.next.replace(self.next.get() + 1);
            let (invoked_ns, wait) = (self.now_ns.get(), self.without != Without::Wait);
            self.pass(100).await;
            let clock = &self.clocks[node];
            let reply = match audits {
                true => audit(clock, self).await,
                false => transfer(clock, self, id, (from, to, amount), wait).await,
            };
            self.pass(100).await;
            let Ok(reply) = reply else {
                self.failed.set(self.failed.get() + 1);
                continue;
            };
            assert!(
                !audits || balance(&reply) == 0 || self.without != Without::Nothing,
                "money was made or lost"
            );
            let answered_ns = self.now_ns.get();
            let mut saw: Vec<(Key, i64)> =
                reply.saw.iter().map(|version| (version.key, version.at)).collect();
            if audits {
                saw.extend(
                    (0..ACCOUNTS)
                        .filter(|key| reply.saw.iter().all(|v| v.key != *key))
                        .map(|key| (key, INITIAL)),
                );
            }
            let name = format!("{} {id} at node {node}", if audits { "audit" } else { "transfer" });
            self.history.borrow_mut().push(Operation {
                name,
                invoked_ns,
                answered_ns,
                at: reply.at,
                saw,
                wrote: reply.wrote,
            });
        }
    }
}

fn balance(reply: &Reply) -> i64 {
    reply.saw.iter().map(|version| version.value).sum()
}

impl Network for Bank {
    async fn lock(&self, id: Id, key: Key) -> Result<Version, Error> {
        self.may_fail(self.at_owner(|| self.owner(key).try_lock(id, key))).await
    }

    async fn prepare(&self, id: Id, key: Key) -> Result<Timestamp, Error> {
        let at = self.may_fail(self.at_owner(|| self.owner(key).prepare(id).map(Some))).await?;
        Ok(if self.without == Without::Floors { Timestamp::MIN } else { at })
    }

    async fn write(&self, version: Version) -> Result<(), Error> {
        let owner = self.owner(version.key);
        self.may_fail(self.at_owner(|| owner.write(&[version]).map(Some))).await?;
        if self.without == Without::WaitBeforeLocksEnd {
            let first = self.half_written.borrow_mut().remove(&version.by);
            match first {
                None => _ = self.half_written.borrow_mut().insert(version.by, version.key),
                Some(first) => {
                    [first, version.key].iter().for_each(|key| self.owner(*key).finish(version.by))
                }
            }
        }
        Ok(())
    }

    async fn finish(&self, id: Id, key: Key) -> Result<(), Error> {
        let finish = || {
            self.owner(key).finish(id);
            Ok(Some(()))
        };
        self.at_owner(finish).await
    }

    async fn abort(&self, id: Id, key: Key) -> Result<(), Error> {
        self.at_owner(|| self.owner(key).abort(id).map(Some)).await
    }

    fn nodes(&self) -> usize {
        NODES
    }

    async fn read(&self, node: usize, t: Timestamp) -> Result<Vec<Version>, Error> {
        let partition = &self.partitions[node];
        let forbids = self.without != Without::Forbid;
        // Forbidden once, when the question arrives.
        self.at_owner(|| if forbids { partition.forbid(t).map(Some) } else { Ok(Some(())) })
            .await?;
        let waits = self.without != Without::Prepared;
        self.at_owner(|| {
            if waits { partition.try_read(t) } else { partition.read_at_once(t).map(Some) }
        })
        .await
    }
}

/// Plays a world of `transactions` and gives what its clients saw, and how many transactions
/// failed.
fn run(seed: u64, transactions: usize, without: Without) -> (Vec<Operation>, u64) {
    let mut world = World::new(seed);
    let mut dice = Dice::new(seed ^ 0x5eed);
    let mut clocks = Vec::new();
    for node in 0..NODES {
        let mut host = Host::named(format!("node {node}"))
            .settings(|builder| builder.adapt_poll_interval(false));
        // All of the delay on one way, a little to and fro, or some of both.
        let most = Delay::new(Duration::from_micros(2000), Duration::from_micros(dice.below(100)));
        let least = Delay::new(Duration::from_micros(5), Duration::from_micros(5));
        let path =
            *dice.one_of(&[Path::new(most, least), Path::new(least, most), Path::new(most, most)]);
        let liars = if without == Without::HonestSources { 2 } else { dice.below(2) };
        let lie = if dice.chance_ppm(500_000) { -20_000_000 } else { 20_000_000 };
        for server in 0..3 {
            let name = format!("{node}.{server}");
            let honest = Server::honest().path(path);
            let lies = server < liars;
            world.server(
                name.clone(),
                if lies { honest.error(ClockError::Fixed { ns: lie }) } else { honest },
            );
            host = host.asks(name);
        }
        let ppb = *dice.one_of(&[-200_000, 200_000, 0]);
        let host =
            host.oscillator(Oscillator::steady(ppb)).stalls(20_000, Duration::from_millis(20));
        clocks.push(world.clock(host).unwrap());
    }
    world.advance(Duration::from_secs(10));
    let partitions = clocks
        .iter()
        .map(|clock| Partition::new(clock.clone(), Memory::default()).unwrap())
        .collect();
    let bank = Rc::new(Bank {
        now_ns: Cell::new(world.true_time().as_unix_nanos()),
        dice: RefCell::new(dice),
        clocks,
        partitions,
        history: RefCell::default(),
        failed: Cell::new(0),
        next: Cell::new(1),
        without,
        half_written: RefCell::default(),
    });
    let mut tasks: Vec<Pin<Box<dyn Future<Output = ()>>>> = Vec::new();
    for _ in 0..CLIENTS {
        let bank = Rc::clone(&bank);
        tasks.push(Box::pin(async move { bank.client(transactions / CLIENTS).await }));
    }
    let mut context = Context::from_waker(Waker::noop());
    while !tasks.is_empty() {
        tasks.retain_mut(|task| task.as_mut().poll(&mut context).is_pending());
        let step = Duration::from_micros(5 + bank.dice.borrow_mut().below(40));
        world.advance(step);
        bank.now_ns.set(world.true_time().as_unix_nanos());
    }
    drop(tasks);
    let bank = Rc::into_inner(bank).expect("the clients are done");
    (bank.history.into_inner(), bank.failed.get())
}

/// Worlds of 520 transactions each; some fail.
#[test]
fn a_hundred_thousand_transactions_are_strictly_serializable() {
    let (worlds, each) = (200, 520);
    let (mut finished, mut failed) = (0, 0);
    for seed in 0..worlds {
        let (history, without_answer) = run(seed, each, Without::Nothing);
        if let Err(violation) = check(&history) {
            panic!("in the world of seed {seed}:\n{violation}");
        }
        finished += history.len();
        failed += without_answer;
    }
    println!("{finished} transactions strictly serializable, {failed} failed");
    assert!(finished > 100_000 && failed > 1_000, "{finished} finished, {failed} failed");
}

#[test]
fn with_any_condition_taken_out_the_checker_sees_it() {
    use Violation::{NotCurrent, RealTime, Torn};
    use Without::*;
    type Expected = fn(&Violation) -> bool;
    let cases: [(Without, Expected); 6] = [
        (Wait, |seen| matches!(seen, RealTime { .. })),
        (WaitBeforeLocksEnd, |seen| matches!(seen, NotCurrent { .. })),
        (Floors, |seen| matches!(seen, Torn { .. })),
        (Forbid, |seen| matches!(seen, Torn { .. })),
        (Prepared, |seen| matches!(seen, Torn { .. })),
        (HonestSources, |seen| matches!(seen, RealTime { .. })),
    ];
    for (without, expected) in cases {
        let violations =
            (0..100).filter_map(|seed| Some((seed, check(&run(seed, 520, without).0).err()?)));
        let found = violations.take(20).find(|(_, violation)| expected(violation));
        let Some((seed, violation)) = found else { panic!("without {without:?} it was not seen") };
        println!("without {without:?}, seed {seed}: {violation}");
    }
}

/// The definition: some order of all operations in which each sees what is current, which contains
/// real time, and in which those that write stand in the order of their timestamps, those of one
/// timestamp together.
fn is_strictly_serializable(history: &[Operation]) -> bool {
    fn goes_on(rest: &[&Operation], current: &HashMap<Key, i64>) -> bool {
        let writes = rest.iter().filter(|operation| !operation.wrote.is_empty());
        let first = writes.map(|operation| operation.at).min();
        // Next is one that only reads, or all that write at the first timestamp.
        let mut steps: Vec<Vec<&Operation>> = Vec::new();
        steps.extend(first.map(|at| {
            rest.iter().copied().filter(|o| !o.wrote.is_empty() && o.at == at).collect()
        }));
        steps.extend(
            rest.iter()
                .filter(|operation| operation.wrote.is_empty())
                .map(|operation| vec![*operation]),
        );
        rest.is_empty()
            || steps.iter().any(|step| {
                let sees = |o: &Operation| {
                    o.saw.iter().all(|(key, at)| current.get(key).unwrap_or(&INITIAL) == at)
                };
                let nobody_was_before =
                    |o: &Operation| rest.iter().all(|other| other.answered_ns >= o.invoked_ns);
                let mut keys: Vec<Key> =
                    step.iter().flat_map(|operation| operation.wrote.clone()).collect();
                keys.sort_unstable();
                let apart = keys.windows(2).all(|pair| pair[0] != pair[1]);
                let left: Vec<&Operation> =
                    rest.iter().copied().filter(|o| !step.contains(o)).collect();
                let mut after = current.clone();
                after.extend(keys.iter().map(|key| (*key, step[0].at)));
                apart
                    && step.iter().all(|o| sees(o) && nobody_was_before(o))
                    && goes_on(&left, &after)
            })
    }
    goes_on(&history.iter().collect::<Vec<_>>(), &HashMap::new())
}

#[test]
fn the_checker_agrees_with_the_definition() {
    let mut dice = Dice::new(1);
    let mut verdicts = [0, 0];
    for _ in 0..200_000 {
        let history: Vec<Operation> = (0..2 + dice.below(4))
            .map(|number| {
                let invoked_ns = dice.within(0, 10);
                let answered_ns = invoked_ns + 1 + dice.within(0, 4);
                let at = dice.within(1, 6);
                let wrote = [vec![], vec![], vec![0], vec![1], vec![0, 1]]
                    [usize::try_from(dice.below(5)).unwrap()]
                .clone();
                let version =
                    |dice: &mut Dice| if dice.below(2) == 0 { INITIAL } else { dice.within(1, 6) };
                let saw = (0..1 + dice.below(2)).map(|key| (key, version(&mut dice))).collect();
                Operation { name: number.to_string(), invoked_ns, answered_ns, at, saw, wrote }
            })
            .collect();
        let definition = is_strictly_serializable(&history);
        assert_eq!(check(&history).is_ok(), definition, "{history:#?}");
        verdicts[usize::from(definition)] += 1;
    }
    assert!(verdicts.iter().all(|count| *count > 1000), "both verdicts came: {verdicts:?}");
}

#[test]
fn the_story_of_a_violation_names_both_transactions() {
    let write = |name: &str, at, invoked_ns| Operation {
        name: name.into(),
        invoked_ns,
        answered_ns: invoked_ns + 5,
        at,
        saw: Vec::new(),
        wrote: vec![u64::try_from(invoked_ns).unwrap()],
    };
    let violation = check(&[write("one", 100, 0), write("two", 90, 6)]).unwrap_err();
    assert!(matches!(*violation, Violation::RealTime { .. }));
    let story = violation.to_string();
    assert!(story.contains("one: timestamp 100") && story.contains("two: timestamp 90"), "{story}");
    assert!(story.contains("0.000 ms after the first") && story.contains("lower"), "{story}");
    assert_eq!(check(&[write("one", 100, 0), write("two", 101, 6)]), Ok(()));
}
