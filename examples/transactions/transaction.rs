//! The protocol: what a node does with a transaction that a client sent it. Over a network that is
//! sockets in the example, and simulated in `tests/external_consistency.rs`.
//!
//! What a real store has and this one has not: a node that ends is the end of the run. Its locks
//! and prepared transactions would have to be in a replicated log, and its promises to readers in a
//! file ([`mark_file`](sureclock::Builder::mark_file)).

use crate::partition::Error;
use crate::storage::{Id, Key, Version};
use serde::{Deserialize, Serialize};
use sureclock::{SureClock, Timestamp};

/// The way to the owners of the keys. Each call is answered by the owner's
/// [`Partition`](crate::partition::Partition).
#[allow(async_fn_in_trait, reason = "used with one concrete type at a time")]
pub(crate) trait Network {
    async fn lock(&self, id: Id, key: Key) -> Result<Version, Error>;
    async fn prepare(&self, id: Id, key: Key) -> Result<Timestamp, Error>;
    async fn write(&self, version: Version) -> Result<(), Error>;
    async fn finish(&self, id: Id, key: Key) -> Result<(), Error>;
    async fn abort(&self, id: Id, key: Key) -> Result<(), Error>;
    fn nodes(&self) -> usize;
    /// Forbids commits up to `t` at a node, and reads all its keys at `t`.
    async fn read(&self, node: usize, t: Timestamp) -> Result<Vec<Version>, Error>;
}

/// What a client is told.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Reply {
    /// The timestamp of the commit or of the snapshot, in nanoseconds since the Unix epoch.
    pub(crate) at: i64,
    /// What was read.
    pub(crate) saw: Vec<Version>,
    /// What was written.
    pub(crate) wrote: Vec<Key>,
}

/// Moves an amount between two accounts, wherever they are.
pub(crate) async fn transfer(
    clock: &SureClock,
    network: &impl Network,
    id: Id,
    (from, to, amount): (Key, Key, i64),
    wait: bool,
) -> Result<Reply, Error> {
    if from == to {
        return Err("an account and another one are needed".into());
    }
    let reply = match prepare_and_wait(clock, network, id, (from, to, amount), wait).await {
        Ok(reply) => reply,
        Err(error) => {
            // Nobody has seen anything of it. An owner that does not hear of it keeps its key
            // locked.
            for key in [from, to] {
                let _ = network.abort(id, key).await;
            }
            return Err(error);
        }
    };
    // It is committed: from here on there is no way back, an error says that some owner does not
    // know it yet.
    for key in [from, to] {
        network.finish(id, key).await?;
    }
    Ok(reply)
}

/// Everything up to the moment from which others may see it.
async fn prepare_and_wait(
    clock: &SureClock,
    network: &impl Network,
    id: Id,
    (from, to, amount): (Key, Key, i64),
    wait: bool,
) -> Result<Reply, Error> {
    let keys = [from.min(to), from.max(to)];
    let mut saw = Vec::new();
    for key in keys {
        // Everyone locks in this order, so nobody waits for one who waits for him.
        saw.push(network.lock(id, key).await?);
    }
    let mut floor = Timestamp::MIN;
    for key in keys {
        floor = floor.max(network.prepare(id, key).await?);
    }
    let s = clock.commit_timestamp_above(floor)?;
    let at = s.timestamp().as_unix_nanos();
    // The wait counts from here: what it takes to make the versions durable is a part of it.
    let commit_wait = clock.commit_wait(s);
    for before in &saw {
        let change = if before.key == from { -amount } else { amount };
        network
            .write(Version { key: before.key, at, value: before.value + change, by: id })
            .await?;
    }
    if wait {
        commit_wait.await?;
    }
    Ok(Reply { at, saw, wrote: keys.to_vec() })
}

/// All accounts as they are at one moment.
pub(crate) async fn audit(clock: &SureClock, network: &impl Network) -> Result<Reply, Error> {
    let t = clock.read_timestamp()?;
    let mut saw = Vec::new();
    for node in 0..network.nodes() {
        saw.extend(network.read(node, t).await?);
    }
    Ok(Reply { at: t.as_unix_nanos(), saw, wrote: Vec::new() })
}
