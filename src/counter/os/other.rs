//! Other platforms: no counter that is known never to be slewed, and nobody who tells of sleeps.
//!
//! What is left is [`std::time::Instant`], at the rate that any clock may be slewed to
//! (`OS_MONOTONIC_RATE_ERROR_PPB`). On FreeBSD and NetBSD that is CLOCK_MONOTONIC, whose length of
//! a tick ntp_adjtime(2) and adjtime(2) change, by half a percent at most: within it. Not seen
//! there: a suspend, before the next exchanges contradict what was published.

use crate::counter::nominal::Nominal;

pub(in crate::counter) const RAW_MAY_CHANGE: bool = false;

pub(in crate::counter) fn raw() -> Result<Nominal, &'static str> {
    Err("this platform has no clock that is known never to be slewed")
}

/// Never asked, since there is none.
pub(in crate::counter) fn raw_ticks_after(_loaded: u64) -> u64 {
    u64::MAX
}

pub(in crate::counter) fn suspended_ns() -> (i64, i64) {
    (0, 0)
}

pub(in crate::counter) fn clock_source() -> Option<String> {
    None
}

pub(in crate::counter) fn time_namespace() -> Option<u64> {
    None
}

pub(in crate::counter) fn raw_is_its_own() -> bool {
    true
}
