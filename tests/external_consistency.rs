//! The bank of `examples/transactions` in simulated worlds: its protocol, its partitions and its checker, over machines whose clocks are
//! as wrong as they may be. Strictly serializable; and with any one condition taken out the checker sees it.

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
struct Stage {
    now_ns: Cell<i64>,
    dice: RefCell<Dice>,
    clocks: Vec<SureClock>,
    partitions: Vec<Partition<Memory>>,
    history: RefCell<Vec<Operation>>,
    failed: Cell<u64>,
    next: Cell<Id>,
    without: Without,
}

impl Stage {
    /// A message on its way, or a client that thinks.
    async fn pass(&self, most_us: u64) {
        let until = self.now_ns.get() + i64::try_from(1000 * self.dice.borrow_mut().below(most_us + 1)).unwrap();
        std::future::poll_fn(|_| if self.now_ns.get() < until { Poll::Pending } else { Poll::Ready(()) }).await;
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
            assert!(!audits || balance(&reply) == 0 || self.without != Without::Nothing, "money was made or lost");
            let answered_ns = Some(self.now_ns.get());
            let mut saw: Vec<(Key, i64)> = reply.saw.iter().map(|version| (version.key, version.at)).collect();
            if audits {
                saw.extend(
                    (0..ACCOUNTS).filter(|key| reply.saw.iter().all(|v| v.key != *key)).map(|key| (key, INITIAL)),
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

impl Network for Stage {
    async fn lock(&self, id: Id, key: Key) -> Result<Version, Error> {
        self.at_owner(|| self.owner(key).try_lock(id, key)).await
    }

    async fn prepare(&self, id: Id, key: Key) -> Result<Timestamp, Error> {
        let at = self.at_owner(|| self.owner(key).prepare(id).map(Some)).await?;
        Ok(if self.without == Without::Floors { Timestamp::MIN } else { at })
    }

    async fn write(&self, version: Version) -> Result<(), Error> {
        let owner = self.owner(version.key);
        self.at_owner(|| owner.write(&[version]).map(Some)).await?;
        if self.without == Without::WaitBeforeLocksEnd {
            owner.finish(version.by);
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
        self.at_owner(|| if forbids { partition.forbid(t).map(Some) } else { Ok(Some(())) }).await?;
        let waits = self.without != Without::Prepared;
        self.at_owner(|| if waits { partition.try_read(t) } else { partition.read_at_once(t).map(Some) }).await
    }
}

/// Plays a world of `transactions` and gives what its clients saw, and how many transactions failed.
fn play(seed: u64, transactions: usize, without: Without) -> (Vec<Operation>, u64) {
    let mut world = World::new(seed);
    let mut dice = Dice::new(seed ^ 0x5eed);
    let mut clocks = Vec::new();
    for node in 0..NODES {
        let mut host = Host::named(format!("node {node}")).settings(|builder| builder.adapt_poll_interval(false));
        // All of the delay on one way, a little to and fro, or some of both.
        let most = Delay::new(Duration::from_micros(2000), Duration::from_micros(dice.below(100)));
        let least = Delay::new(Duration::from_micros(5), Duration::from_micros(5));
        let path = *dice.one_of(&[Path::new(most, least), Path::new(least, most), Path::new(most, most)]);
        let liars = if without == Without::HonestSources { 2 } else { dice.below(2) };
        let lie = if dice.chance_ppm(500_000) { -20_000_000 } else { 20_000_000 };
        for server in 0..3 {
            let name = format!("{node}.{server}");
            let honest = Server::honest().path(path);
            let lies = server < liars;
            world.server(name.clone(), if lies { honest.error(ClockError::Fixed { ns: lie }) } else { honest });
            host = host.asks(name);
        }
        let ppb = *dice.one_of(&[-200_000, 200_000, 0]);
        let host = host.oscillator(Oscillator::steady(ppb)).stalls(20_000, Duration::from_millis(20));
        clocks.push(world.clock(host).unwrap());
    }
    world.advance(Duration::from_secs(10));
    let partitions = clocks.iter().map(|clock| Partition::new(clock.clone(), Memory::default()).unwrap()).collect();
    let stage = Rc::new(Stage {
        now_ns: Cell::new(world.true_time().as_unix_nanos()),
        dice: RefCell::new(dice),
        clocks,
        partitions,
        history: RefCell::default(),
        failed: Cell::new(0),
        next: Cell::new(1),
        without,
    });
    let mut tasks: Vec<Pin<Box<dyn Future<Output = ()>>>> = Vec::new();
    for _ in 0..CLIENTS {
        let stage = Rc::clone(&stage);
        tasks.push(Box::pin(async move { stage.client(transactions / CLIENTS).await }));
    }
    let mut context = Context::from_waker(Waker::noop());
    while !tasks.is_empty() {
        tasks.retain_mut(|task| task.as_mut().poll(&mut context).is_pending());
        let step = Duration::from_micros(5 + stage.dice.borrow_mut().below(40));
        world.advance(step);
        stage.now_ns.set(world.true_time().as_unix_nanos());
    }
    drop(tasks);
    let stage = Rc::into_inner(stage).expect("the clients are done");
    (stage.history.into_inner(), stage.failed.get())
}

/// Worlds of 500 transactions each: a hundred thousand of them.
#[test]
fn a_hundred_thousand_transactions_are_strictly_serializable() {
    let (worlds, each) = (200, 504);
    let (mut finished, mut failed) = (0, 0);
    for seed in 0..worlds {
        let (history, without_answer) = play(seed, each, Without::Nothing);
        if let Err(violation) = check(&history) {
            panic!("in the world of seed {seed}:\n{violation}");
        }
        finished += history.len();
        failed += without_answer;
    }
    println!("{finished} transactions strictly serializable, {failed} failed");
    assert!(finished > 100_000);
}

#[test]
fn with_any_condition_taken_out_the_checker_sees_it() {
    use Without::*;
    for without in [Wait, WaitBeforeLocksEnd, Floors, Forbid, Prepared, HonestSources] {
        let found = (0..100).find_map(|seed| Some((seed, check(&play(seed, 504, without).0).err()?)));
        let Some((seed, violation)) = found else { panic!("without {without:?} nothing was seen") };
        println!("without {without:?}, seed {seed}: {violation}");
    }
}

/// The definition: some order of all operations in which each sees what is current, with writes in the order of their timestamps, and
/// which contains real time.
fn is_strictly_serializable(history: &[Operation]) -> bool {
    fn goes_on(rest: &[&Operation], current: &[(Key, i64)], last_write: i64) -> bool {
        rest.is_empty()
            || (0..rest.len()).any(|next| {
                let operation = rest[next];
                let others: Vec<_> = rest.iter().copied().filter(|other| *other != operation).collect();
                let comes_first = |other: &&Operation| other.answered_ns.is_some_and(|at| at < operation.invoked_ns);
                let version = |key| current.iter().rev().find(|(k, _)| *k == key).map_or(INITIAL, |(_, at)| *at);
                let writes = !operation.wrote.is_empty();
                if others.iter().any(comes_first)
                    || operation.saw.iter().any(|(key, at)| version(*key) != *at)
                    || (writes && operation.at < last_write)
                    || operation.wrote.iter().any(|key| version(*key) >= operation.at)
                {
                    return false;
                }
                let mut after = current.to_vec();
                after.extend(operation.wrote.iter().map(|key| (*key, operation.at)));
                goes_on(&others, &after, if writes { operation.at } else { last_write })
            })
    }
    goes_on(&history.iter().collect::<Vec<_>>(), &[], i64::MIN + 1)
}

#[test]
fn the_checker_agrees_with_the_definition() {
    let mut dice = Dice::new(1);
    let mut verdicts = [0, 0];
    for _ in 0..200_000 {
        let history: Vec<Operation> = (0..2 + dice.below(4))
            .map(|number| {
                let invoked_ns = dice.within(0, 10);
                let answered_ns = (dice.below(8) > 0).then(|| invoked_ns + 1 + dice.within(0, 4));
                let (at, writes) = (dice.within(1, 6), dice.below(2) == 0);
                let wrote = if writes { (0..1 + dice.below(2)).collect() } else { Vec::new() };
                let version = |dice: &mut Dice| if dice.below(2) == 0 { INITIAL } else { dice.within(1, 6) };
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
        answered_ns: Some(invoked_ns + 5),
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
