//! How values travel under the feature `serde`: as text where people may read it, as big-endian
//! bytes elsewhere.
//!
//! Not as numbers: readers of JSON in other languages, browsers first of all, round those beyond
//! 2^53. A bound would be wrong by that, and a name would be another one. And serde has no number
//! of 128 bits inside of a tagged or flattened type.

use serde::de::{Error, SeqAccess, Visitor};
use serde::{Deserializer, Serializer};
use std::fmt::{self, Display};
use std::marker::PhantomData;

/// A value with a text and with bytes, each of which says all of it.
pub(crate) trait Wire: Copy {
    type Bytes: AsRef<[u8]> + for<'a> TryFrom<&'a [u8]>;
    /// What was to be read, for the error.
    const WHAT: &str;

    fn to_bytes(self) -> Self::Bytes;
    fn from_bytes(bytes: Self::Bytes) -> Self;
    fn to_text(self) -> impl Display;
    /// The value, or what is wrong with the text.
    fn from_text(text: &str) -> Result<Self, impl Display>;
}

pub(crate) fn serialize<T: Wire, S: Serializer>(
    value: &T,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    if serializer.is_human_readable() {
        serializer.collect_str(&value.to_text())
    } else {
        serializer.serialize_bytes(value.to_bytes().as_ref())
    }
}

pub(crate) fn deserialize<'de, T: Wire, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<T, D::Error> {
    let visitor = Form(PhantomData);
    // A tagged type is read from a form of serde's own, which says that people may read it whatever
    // was written; it gives bytes all the same.
    if deserializer.is_human_readable() {
        deserializer.deserialize_str(visitor)
    } else {
        deserializer.deserialize_bytes(visitor)
    }
}

struct Form<T>(PhantomData<T>);

impl<'de, T: Wire> Visitor<'de> for Form<T> {
    type Value = T;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(T::WHAT)
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<T, E> {
        let invalid = |why| E::custom(format_args!("{text:?} is not {}: {why}", T::WHAT));
        T::from_text(text).map_err(invalid)
    }

    fn visit_bytes<E: Error>(self, bytes: &[u8]) -> Result<T, E> {
        T::Bytes::try_from(bytes)
            .map(T::from_bytes)
            .map_err(|_| E::invalid_length(bytes.len(), &self))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<T, A::Error> {
        let mut bytes = Vec::with_capacity(size_of::<T::Bytes>());
        while let Some(byte) = seq.next_element::<u8>()? {
            if bytes.len() == bytes.capacity() {
                return Err(A::Error::invalid_length(bytes.len() + 1, &self));
            }
            bytes.push(byte);
        }
        self.visit_bytes(&bytes)
    }
}

/// Names and checksums of 128 bits.
impl Wire for u128 {
    type Bytes = [u8; 16];
    const WHAT: &str = "128 bits: 32 hexadecimal digits, or 16 bytes";

    fn to_bytes(self) -> [u8; 16] {
        self.to_be_bytes()
    }

    fn from_bytes(bytes: [u8; 16]) -> u128 {
        u128::from_be_bytes(bytes)
    }

    fn to_text(self) -> impl Display {
        format!("{self:032x}")
    }

    fn from_text(text: &str) -> Result<u128, impl Display> {
        let is_digit = |digit: u8| digit.is_ascii_digit() || (b'a'..=b'f').contains(&digit);
        let is_whole = text.len() == 32 && text.bytes().all(is_digit);
        let number = u128::from_str_radix(text, 16).ok().filter(|_| is_whole);
        number.ok_or("other characters, or not 32 of them")
    }
}
