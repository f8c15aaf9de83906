//! Random numbers of the system, and how 128 bits of them travel: floor 0. Nonces, holders and ids of writes come from here.

/// Fills `bytes` from the system's random source.
///
/// # Errors
///
/// [`NoRandom`] where it has none: without an operating system (wasm32-unknown-unknown) always.
#[cfg(not(all(target_family = "wasm", target_os = "unknown")))]
pub(crate) fn fill(bytes: &mut [u8]) -> Result<(), NoRandom> {
    getrandom::fill(bytes).map_err(|_| NoRandom)
}

#[cfg(all(target_family = "wasm", target_os = "unknown"))]
pub(crate) fn fill(_bytes: &mut [u8]) -> Result<(), NoRandom> {
    Err(NoRandom)
}

/// The system gave none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct NoRandom;

/// 128 bits as data: 32 hexadecimal digits where people may read it, 16 bytes (big-endian) elsewhere. As a number many readers of JSON round it,
/// and serde has none of this width inside of a tagged or flattened type.
#[cfg(feature = "serde")]
pub(crate) mod bits128 {
    use serde::de::{Error, SeqAccess, Visitor};
    use serde::{Deserializer, Serializer};
    use std::fmt;

    pub(crate) fn serialize<S: Serializer>(bits: &u128, serializer: S) -> Result<S::Ok, S::Error> {
        if serializer.is_human_readable() {
            serializer.collect_str(&format_args!("{bits:032x}"))
        } else {
            serializer.serialize_bytes(&bits.to_be_bytes())
        }
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u128, D::Error> {
        // A tagged type is read from a form of serde's own, which says that people may read it whatever was written.
        if deserializer.is_human_readable() {
            deserializer.deserialize_str(Bits)
        } else {
            deserializer.deserialize_bytes(Bits)
        }
    }

    struct Bits;

    impl<'de> Visitor<'de> for Bits {
        type Value = u128;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("32 hexadecimal digits, or 16 bytes")
        }

        fn visit_str<E: Error>(self, text: &str) -> Result<u128, E> {
            let is_whole = text.len() == 32 && text.bytes().all(|digit| digit.is_ascii_hexdigit());
            let bits = if is_whole { u128::from_str_radix(text, 16).ok() } else { None };
            bits.ok_or_else(|| E::custom("128 bits are 32 hexadecimal digits"))
        }

        fn visit_bytes<E: Error>(self, bytes: &[u8]) -> Result<u128, E> {
            bytes.try_into().map(u128::from_be_bytes).map_err(|_| E::invalid_length(bytes.len(), &self))
        }

        fn visit_seq<A: SeqAccess<'de>>(self, mut bytes: A) -> Result<u128, A::Error> {
            let mut all = [0; 16];
            for (at, byte) in all.iter_mut().enumerate() {
                *byte = bytes.next_element()?.ok_or_else(|| A::Error::invalid_length(at, &self))?;
            }
            Ok(u128::from_be_bytes(all))
        }
    }
}
