//! Reading lists under the feature `serde`: no longer than a register's, whatever length is
//! claimed.

use super::{MOST_VERSIONS, MOST_WRITERS};
use serde::de::{Error, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};
use std::fmt;
use std::marker::PhantomData;

pub(super) fn at_most_writers<'de, T: Deserialize<'de>, D: Deserializer<'de>>(
    reader: D,
) -> Result<Vec<T>, D::Error> {
    reader.deserialize_seq(AtMost(MOST_WRITERS, PhantomData))
}

pub(super) fn at_most_versions<'de, T: Deserialize<'de>, D: Deserializer<'de>>(
    reader: D,
) -> Result<Vec<T>, D::Error> {
    reader.deserialize_seq(AtMost(MOST_VERSIONS, PhantomData))
}

struct AtMost<T>(usize, PhantomData<T>);

impl<'de, T: Deserialize<'de>> Visitor<'de> for AtMost<T> {
    type Value = Vec<T>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "a list of at most {} entries", self.0)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Vec<T>, A::Error> {
        // No room is made for what is only claimed to come.
        let mut entries = Vec::new();
        while let Some(entry) = seq.next_element()? {
            if entries.len() == self.0 {
                return Err(A::Error::invalid_length(self.0 + 1, &self));
            }
            entries.push(entry);
        }
        Ok(entries)
    }
}
