//! Where versions are kept. In memory here; `tests/stores/` has the same over PostgreSQL.

use crate::history::INITIAL;
use crate::partition::Error;
use parking_lot::Mutex;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use sureclock::Timestamp;

/// An account.
pub(crate) type Key = u64;
/// A transaction.
pub(crate) type Id = u64;

/// What a key holds from a timestamp on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Version {
    /// The key.
    pub(crate) key: Key,
    /// From when on, in nanoseconds since the Unix epoch.
    pub(crate) at: i64,
    /// The balance.
    pub(crate) value: i64,
    /// The transaction that wrote it.
    pub(crate) by: Id,
}

impl Version {
    /// What a key holds that nobody wrote.
    pub(crate) const fn initial(key: Key) -> Version {
        Version { key, at: INITIAL, value: 0, by: 0 }
    }
}

/// The versions of one node's keys.
pub(crate) trait Storage: Send + Sync {
    /// All of them or none, and durable when this returns.
    fn write(&self, versions: &[Version]) -> Result<(), Error>;
    /// Takes back what a transaction wrote that was aborted.
    fn erase(&self, by: Id) -> Result<(), Error>;
    /// The newest version at or below `t`.
    fn read(&self, key: Key, t: Timestamp) -> Result<Version, Error>;
    /// The newest version at or below `t` of every key that has one.
    fn read_all(&self, t: Timestamp) -> Result<Vec<Version>, Error>;
    /// The highest timestamp.
    fn highest(&self) -> Result<Option<Timestamp>, Error>;
}

/// Versions in memory.
#[derive(Default)]
pub(crate) struct Memory {
    versions: Mutex<BTreeMap<(Key, i64), Version>>,
}

impl Storage for Memory {
    fn write(&self, versions: &[Version]) -> Result<(), Error> {
        self.versions
            .lock()
            .extend(versions.iter().map(|version| ((version.key, version.at), *version)));
        Ok(())
    }

    fn erase(&self, by: Id) -> Result<(), Error> {
        self.versions.lock().retain(|_, version| version.by != by);
        Ok(())
    }

    fn read(&self, key: Key, t: Timestamp) -> Result<Version, Error> {
        let versions = self.versions.lock();
        let newest = versions.range((key, i64::MIN)..=(key, t.as_unix_nanos())).next_back();
        Ok(newest.map_or(Version::initial(key), |(_, version)| *version))
    }

    fn read_all(&self, t: Timestamp) -> Result<Vec<Version>, Error> {
        let mut newest: BTreeMap<Key, Version> = BTreeMap::new();
        let versions = self.versions.lock();
        newest.extend(
            versions
                .values()
                .filter(|version| version.at <= t.as_unix_nanos())
                .map(|v| (v.key, *v)),
        );
        Ok(newest.into_values().collect())
    }

    fn highest(&self) -> Result<Option<Timestamp>, Error> {
        let versions = self.versions.lock();
        Ok(versions.values().map(|version| version.at).max().map(Timestamp::from_unix_nanos))
    }
}
