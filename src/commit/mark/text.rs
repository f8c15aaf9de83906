//! What a mark's file says: four lines, with a checksum.

use super::MarkFileError;
use crate::time::{Timescale, Timestamp};

pub(super) fn write(reserved: Timestamp, timescale: Timescale) -> String {
    let body =
        format!("{FIRST_LINE}\ntimescale {timescale}\nreserved {}\n", reserved.as_unix_nanos());
    format!("{body}checksum {:016x}\n", fnv1a(body.as_bytes()))
}

/// The timescale and what is reserved, or [`MarkFileError::Damaged`].
pub(super) fn read(bytes: &[u8]) -> Result<(Timescale, i64), MarkFileError> {
    let parsed = || {
        let mut lines = std::str::from_utf8(bytes).ok()?.lines().skip(1);
        let found: Timescale = lines.next()?.strip_prefix("timescale ")?.parse().ok()?;
        let ns = lines.next()?.strip_prefix("reserved ")?.parse().ok()?;
        // As it would be written: the first line, the checksum, and nothing else.
        (write(Timestamp::from_unix_nanos(ns), found).as_bytes() == bytes).then_some((found, ns))
    };
    parsed().ok_or(MarkFileError::Damaged)
}

/// What is reserved in `wanted`.
pub(super) fn read_in(bytes: &[u8], wanted: Timescale) -> Result<i64, MarkFileError> {
    let (found, ns) = read(bytes)?;
    if found == wanted { Ok(ns) } else { Err(MarkFileError::OtherTimescale { found, wanted }) }
}

/// Fowler, Noll and Vo's hash of 64 bits: any one changed byte changes it.
fn fnv1a(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3)
    })
}

const FIRST_LINE: &str = "sureclock high-water mark, version 1";
