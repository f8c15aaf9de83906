//! An announced leap second: nothing is answered from one second before it until facts from after it agree.
//!
//! Around an insertion or deletion POSIX readings are ambiguous by a second, and every fact from before is wrong by one
//! after. So parameters get a horizon one second before the end of the UTC day for which any source announces a leap
//! second; at the horizon the clock is disrupted, which drops every fact; and facts within two seconds of the leap are
//! refused. One announcement is enough; a false one costs a few seconds without an answer around a midnight.

use crate::bound::params::News;
use crate::bound::{Facts, LeapAnnouncement};

/// The leap second that is announced, and the one that is being passed.
#[derive(Debug, Default)]
pub(super) struct LeapGuard {
    /// By source: the midnight it announces, ns since the Unix epoch.
    announced: Vec<(usize, i64)>,
    /// The midnight being passed since the horizon was reached.
    passing: Option<i64>,
}

impl LeapGuard {
    /// What a source's answer announces.
    pub(super) fn heard(&mut self, source: usize, facts: &Facts) {
        self.announced.retain(|(s, _)| *s != source);
        let now_ns = facts.no_earlier_than().as_unix_nanos();
        if facts.leap != LeapAnnouncement::None {
            if let Some(midnight) = next_midnight(now_ns) {
                self.announced.push((source, midnight));
            }
        }
        if self.passing.is_some_and(|midnight| now_ns > midnight.saturating_add(AROUND_NS)) {
            self.passing = None;
        }
    }

    /// Whether the facts are too close to a leap second to be read.
    pub(super) fn forbids(&self, facts: &Facts) -> bool {
        let (from, to) = (facts.no_earlier_than().as_unix_nanos(), facts.no_later_than().as_unix_nanos());
        let near = |midnight: i64| {
            from.min(to) <= midnight.saturating_add(AROUND_NS) && from.max(to) >= midnight.saturating_sub(AROUND_NS)
        };
        self.passing.into_iter().chain(self.announced.iter().map(|(_, midnight)| *midnight)).any(near)
    }

    /// Where parameters must end, if a leap second is announced.
    pub(super) fn guard_ns(&self, news: &News) -> Option<i64> {
        let ahead = self.announced.iter().map(|(_, midnight)| *midnight).filter(|m| *m > news.earliest_ns).min();
        ahead.map(|midnight| midnight.saturating_sub(BEFORE_NS))
    }

    /// The horizon has been reached.
    pub(super) fn begin(&mut self) {
        self.passing = self.announced.iter().map(|(_, midnight)| *midnight).min();
    }

    pub(super) fn clear(&mut self) {
        *self = LeapGuard::default();
    }
}

/// The end of the UTC day, or `None` beyond the representable years.
fn next_midnight(ns: i64) -> Option<i64> {
    ns.div_euclid(DAY_NS).checked_add(1)?.checked_mul(DAY_NS)
}

const DAY_NS: i64 = 86_400 * 1_000_000_000;
/// Answers end this long before the leap (DESIGN section 3).
const BEFORE_NS: i64 = 1_000_000_000;
/// Conventions differ for a second on either side; a second more for servers that step late.
const AROUND_NS: i64 = 2_000_000_000;
