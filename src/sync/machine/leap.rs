//! An announced leap second: nothing is answered from one second before it until facts from after it agree.
//!
//! Around an insertion or deletion POSIX readings are ambiguous by a second, and every fact from before is wrong by one
//! after. So, once any source announces one for the end of its UTC day:
//!
//! - parameters get a horizon one second before that midnight, where the clock is disrupted and drops every fact;
//! - facts within two seconds of it are refused;
//! - facts from before it are dropped, in any phase, once ageing has brought them to within a second of it.
//!
//! One announcement is enough; a false one costs a few seconds without an answer around one midnight. A source can move only
//! the midnight it announces itself, so a liar cannot make the others' forgotten.

use super::{Machine, Phase};
use crate::bound::{Facts, LeapAnnouncement};
use crate::publish::Content;

/// The leap seconds that sources announce, and the last one that each has announced.
#[derive(Debug, Default)]
pub(super) struct LeapGuard {
    /// By source: the midnight it announces now, ns since the Unix epoch.
    announced: Vec<(usize, i64)>,
    /// By source: the midnight it announced last, also after it has stopped announcing it.
    remembered: Vec<(usize, i64)>,
}

impl LeapGuard {
    /// What a source's answer announces.
    pub(super) fn heard(&mut self, source: usize, facts: &Facts) {
        self.announced.retain(|(s, _)| *s != source);
        if facts.leap == LeapAnnouncement::None {
            return;
        }
        if let Some(midnight) = next_midnight(facts.no_earlier_than().as_unix_nanos()) {
            self.announced.push((source, midnight));
            self.remembered.retain(|(s, _)| *s != source);
            self.remembered.push((source, midnight));
        }
    }

    /// Whether the facts are too close to a leap second to be read.
    pub(super) fn forbids(&self, facts: &Facts) -> bool {
        let (from, to) = (facts.no_earlier_than().as_unix_nanos(), facts.no_later_than().as_unix_nanos());
        self.midnights().any(|midnight| {
            from.min(to) <= midnight.saturating_add(AROUND_NS) && from.max(to) >= midnight.saturating_sub(AROUND_NS)
        })
    }

    /// Where parameters must end, if a leap second is announced that true time may not have left behind at `earliest_ns`.
    pub(super) fn guard_ns(&self, earliest_ns: i64) -> Option<i64> {
        let ahead = self
            .announced
            .iter()
            .map(|(_, midnight)| *midnight)
            .filter(|m| m.saturating_add(AROUND_NS) >= earliest_ns)
            .min();
        ahead.map(|midnight| midnight.saturating_sub(BEFORE_NS))
    }

    /// The midnights across which no fact may be aged.
    pub(super) fn midnights(&self) -> impl Iterator<Item = i64> + '_ {
        self.remembered.iter().map(|(_, midnight)| *midnight)
    }

    /// The span around a midnight into which no fact from before its end may be aged.
    pub(super) fn ambiguous(midnight: i64) -> std::ops::RangeInclusive<i64> {
        midnight.saturating_sub(BEFORE_NS)..=midnight.saturating_add(AROUND_NS)
    }
}

impl Machine {
    /// Keeps facts and parameters from being aged across an announced leap second, whatever the phase and however few
    /// sources answer.
    pub(super) fn mind_the_leap(&mut self, now: u64) {
        for midnight in self.leap.midnights() {
            for source in &mut self.sources {
                source.window.drop_aged_into(now, LeapGuard::ambiguous(midnight));
            }
        }
        if let Phase::Running(params) = self.phase {
            let earliest = params.until(None).earliest_now(now).unwrap_or(i64::MIN);
            let guarded = params.until(self.leap.guard_ns(earliest));
            if guarded.horizon < params.horizon {
                self.phase = Phase::Running(guarded);
                self.publish(Content::Running(guarded));
            }
        }
    }
}

/// The end of the UTC day, or `None` beyond the representable years.
fn next_midnight(ns: i64) -> Option<i64> {
    ns.div_euclid(DAY_NS).checked_add(1)?.checked_mul(DAY_NS)
}

const DAY_NS: i64 = 86_400 * 1_000_000_000;
/// Answers end this long before the leap.
const BEFORE_NS: i64 = 1_000_000_000;
/// Conventions differ for a second on either side; a second more for servers that step late.
const AROUND_NS: i64 = 2_000_000_000;
