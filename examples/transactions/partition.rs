//! One node's part of the store: which of its keys are locked, what is prepared, and the versions.
//! It never waits: who has to, asks again when something has changed.

use crate::storage::{Id, Key, Storage, Version};
use parking_lot::{Condvar, Mutex};
use std::collections::HashMap;
use sureclock::{SureClock, Timestamp};

/// Anything that goes wrong here ends the transaction.
pub(crate) type Error = Box<dyn std::error::Error + Send + Sync>;

/// The keys of one node.
pub(crate) struct Partition<S> {
    clock: SureClock,
    storage: S,
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    locks: HashMap<Key, Id>,
    /// Transactions that may commit at any timestamp from this one on.
    prepared: HashMap<Id, Timestamp>,
    changes: u64,
}

impl<S: Storage> Partition<S> {
    /// What is in the storage already keeps its timestamps to itself.
    pub(crate) fn new(clock: SureClock, storage: S) -> Result<Partition<S>, Error> {
        if let Some(highest) = storage.highest()? {
            clock.forbid_commits_up_to(highest)?;
        }
        Ok(Partition { clock, storage, state: Mutex::default(), changed: Condvar::new() })
    }

    /// Locks a key for a transaction and reads it; `None` while another one holds it.
    pub(crate) fn try_lock(&self, id: Id, key: Key) -> Result<Option<Version>, Error> {
        if *self.state.lock().locks.entry(key).or_insert(id) != id {
            return Ok(None);
        }
        self.storage.read(key, Timestamp::MAX).map(Some)
    }

    /// Promises that the transaction can commit here, at the timestamp given back or a later one.
    pub(crate) fn prepare(&self, id: Id) -> Result<Timestamp, Error> {
        // Taken and noted in one: a reader that does not find it has forbidden it.
        let mut state = self.state.lock();
        if let Some(at) = state.prepared.get(&id) {
            return Ok(*at);
        }
        let at = self.clock.commit_timestamp()?.timestamp();
        state.prepared.insert(id, at);
        Ok(at)
    }

    /// Makes versions durable. Nobody sees them before [`finish`](Partition::finish): writers do
    /// not get the locks, readers wait.
    pub(crate) fn write(&self, versions: &[Version]) -> Result<(), Error> {
        self.storage.write(versions)
    }

    /// The transaction is committed and its timestamp past: everyone may see it.
    pub(crate) fn finish(&self, id: Id) {
        let mut state = self.state.lock();
        state.prepared.remove(&id);
        state.locks.retain(|_, holder| *holder != id);
        state.changes += 1;
        self.changed.notify_all();
    }

    /// The transaction never was.
    pub(crate) fn abort(&self, id: Id) -> Result<(), Error> {
        self.storage.erase(id)?;
        self.finish(id);
        Ok(())
    }

    /// From now on no transaction is prepared here at or below `t`.
    pub(crate) fn forbid(&self, t: Timestamp) -> Result<(), Error> {
        Ok(self.clock.forbid_commits_up_to(t)?)
    }

    /// All keys as they are at `t`, which was forbidden before; `None` while a transaction might
    /// still commit at or below it.
    pub(crate) fn try_read(&self, t: Timestamp) -> Result<Option<Vec<Version>>, Error> {
        if self.state.lock().prepared.values().any(|at| *at <= t) {
            return Ok(None);
        }
        self.read_at_once(t).map(Some)
    }

    /// All keys as they are at `t`, as far as is known.
    pub(crate) fn read_at_once(&self, t: Timestamp) -> Result<Vec<Version>, Error> {
        self.storage.read_all(t)
    }

    /// Asks again with every change, until there is something.
    pub(crate) fn when<T>(&self, ask: impl Fn() -> Result<Option<T>, Error>) -> Result<T, Error> {
        loop {
            let seen = self.state.lock().changes;
            if let Some(answer) = ask()? {
                return Ok(answer);
            }
            let mut state = self.state.lock();
            self.changed.wait_while(&mut state, |state| state.changes == seen);
        }
    }
}
