//! The versions of a node's keys in PostgreSQL, durable when a write returns. A table a node, and a
//! connection for each thread at work.
//!
//! Without commit wait two transactions can have one timestamp: nodes whose clocks are behind a
//! reader's all take the next one after its. Both are kept, so that it is the check of the history
//! that finds it.

use crate::partition::Error;
use crate::storage::{Id, Key, Storage, Version};
use parking_lot::Mutex;
use postgres::{Client, NoTls, Row};
use sureclock::Timestamp;

pub(crate) struct Postgres {
    url: String,
    table: String,
    idle: Mutex<Vec<Client>>,
}

impl Postgres {
    pub(crate) fn new(url: &str, table: &str) -> Result<Postgres, Error> {
        let storage = Postgres { url: url.into(), table: table.into(), idle: Mutex::default() };
        let table = &storage.table;
        storage.with(|client| {
            client.batch_execute(&format!(
                "CREATE TABLE IF NOT EXISTS {table} (key int8, at int8, value int8, by int8, PRIMARY KEY (key, at, by));
                 CREATE INDEX IF NOT EXISTS {table}_by ON {table} (by)"
            ))
        })?;
        Ok(storage)
    }

    fn with<T>(
        &self,
        work: impl FnOnce(&mut Client) -> Result<T, postgres::Error>,
    ) -> Result<T, Error> {
        let idle = self.idle.lock().pop();
        let mut client = match idle {
            Some(client) => client,
            None => Client::connect(&self.url, NoTls)?,
        };
        // The server's own words are only in what is behind the error.
        let result = work(&mut client).map_err(|error| {
            error.as_db_error().map_or_else(|| error.to_string(), ToString::to_string)
        })?;
        self.idle.lock().push(client);
        Ok(result)
    }
}

fn version(row: &Row) -> Result<Version, postgres::Error> {
    let unsigned = |column| row.try_get::<_, i64>(column).map(i64::cast_unsigned);
    Ok(Version { key: unsigned(0)?, at: row.try_get(1)?, value: row.try_get(2)?, by: unsigned(3)? })
}

impl Storage for Postgres {
    fn write(&self, versions: &[Version]) -> Result<(), Error> {
        let insert = format!("INSERT INTO {} VALUES ($1, $2, $3, $4)", self.table);
        self.with(|client| {
            let mut transaction = client.transaction()?;
            for version in versions {
                let (key, by) = (version.key.cast_signed(), version.by.cast_signed());
                transaction.execute(&insert, &[&key, &version.at, &version.value, &by])?;
            }
            transaction.commit()
        })
    }

    fn erase(&self, by: Id) -> Result<(), Error> {
        self.with(|client| {
            client
                .execute(&format!("DELETE FROM {} WHERE by = $1", self.table), &[&by.cast_signed()])
                .map(|_| ())
        })
    }

    fn read(&self, key: Key, t: Timestamp) -> Result<Version, Error> {
        let newest = format!(
            "SELECT * FROM {} WHERE key = $1 AND at <= $2 ORDER BY at DESC, by DESC LIMIT 1",
            self.table
        );
        let row = self
            .with(|client| client.query_opt(&newest, &[&key.cast_signed(), &t.as_unix_nanos()]))?;
        Ok(row.as_ref().map(version).transpose()?.unwrap_or(Version::initial(key)))
    }

    fn read_all(&self, t: Timestamp) -> Result<Vec<Version>, Error> {
        let newest = format!(
            "SELECT DISTINCT ON (key) * FROM {} WHERE at <= $1 ORDER BY key, at DESC, by DESC",
            self.table
        );
        let rows = self.with(|client| client.query(&newest, &[&t.as_unix_nanos()]))?;
        Ok(rows.iter().map(version).collect::<Result<_, _>>()?)
    }

    fn highest(&self) -> Result<Option<Timestamp>, Error> {
        let highest = format!("SELECT max(at) FROM {}", self.table);
        let highest: Option<i64> =
            self.with(|client| client.query_one(&highest, &[])?.try_get(0))?;
        Ok(highest.map(Timestamp::from_unix_nanos))
    }
}
