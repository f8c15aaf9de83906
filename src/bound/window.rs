//! The facts of one source over the last window, and the bound they make together.
//!
//! Every fact is true (if the source is right), so the best lower and the best upper one may come
//! from two exchanges. Facts that contradict each other prove the source wrong or (R) or (W)
//! broken; they are never clamped into an interval.

use super::Facts;
use super::lines::Line;
use super::slopes::Rates;
use std::collections::VecDeque;
use std::ops::RangeInclusive;

/// What one source, or one failure domain, says of true time at one reading.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Bound {
    /// No fact within the window: says nothing.
    Silent,
    /// Its facts contradict each other: it is wrong, whatever true time is.
    Empty,
    /// True time is between the two, in nanoseconds, if the source is right.
    Within { earliest_ns: i64, latest_ns: i64 },
}

/// How a counter's readings are turned into time: its rates and its margin in ticks.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Ageing {
    pub(crate) rates: Rates,
    pub(crate) margin: u64,
}

/// The facts of one source that are not older than the window.
#[derive(Debug)]
pub(crate) struct Window {
    margin: u64,
    length: u64,
    entries: VecDeque<Entry>,
    /// Until this reading some fact contradicts another that is still in the window.
    contradicted_until: Option<u64>,
}

#[derive(Clone, Copy, Debug)]
struct Entry {
    oldest: u64,
    upper_tick: u64,
    upper: Line,
    lower_tick: u64,
    lower: Line,
}

impl Window {
    /// A window that keeps facts for `length` ticks, over a counter with this margin.
    pub(crate) fn new(margin: u64, length: u64) -> Window {
        Window { margin, length, entries: VecDeque::new(), contradicted_until: None }
    }

    /// Finds anew which facts contradict each other: `rates` say less than those by which they were
    /// compared, so some may not do so any more.
    pub(crate) fn compare_again(&mut self, rates: &Rates) {
        self.contradicted_until = None;
        for index in 0..self.entries.len() {
            let entry = self.entries[index];
            for other in 0..=index {
                self.note_contradiction(&entry, other, rates);
            }
        }
    }

    /// Adds the facts of one exchange. Facts that cannot be aged (a counter close to an end of its
    /// range) are dropped.
    pub(crate) fn add(&mut self, facts: &Facts, rates: &Rates) {
        let margin = self.margin;
        let (upper_tick, lower_tick) = (facts.before().ticks(), facts.after().ticks());
        let Some(upper) = Line::upper(upper_tick, margin, facts.no_later_than().as_unix_nanos())
        else {
            return;
        };
        let Some(lower) = Line::lower(lower_tick, margin, facts.no_earlier_than().as_unix_nanos())
        else {
            return;
        };
        let entry = Entry { oldest: upper_tick, upper_tick, upper, lower_tick, lower };
        self.entries.push_back(entry);
        for index in 0..self.entries.len() {
            self.note_contradiction(&entry, index, rates);
        }
        if self.entries.len() > CAPACITY {
            self.entries.pop_front();
        }
    }

    /// Forgets every fact.
    pub(crate) fn clear(&mut self) {
        self.entries.clear();
        self.contradicted_until = None;
    }

    /// Drops the facts that may be from before the end of `span_ns` and that ageing to reading
    /// `now` may have brought into it or beyond.
    pub(crate) fn drop_aged_into(&mut self, now: u64, span_ns: RangeInclusive<i64>, rates: &Rates) {
        let kept = self.entries.len();
        self.entries.retain(|entry| {
            let reaches = entry.upper.upper_at(now, rates).is_none_or(|ns| ns >= *span_ns.start());
            !(entry.lower.ns <= *span_ns.end() && reaches)
        });
        if self.entries.len() < kept {
            // Facts of before and after a leap second contradict each other without anyone's fault.
            self.contradicted_until = None;
        }
    }

    /// Moves what every fact says by so much, down and up: a leap second is over, and nobody knows
    /// of which kind it was. A fact that does not fit any more is dropped.
    pub(crate) fn widen_by(&mut self, (down_ns, up_ns): (i64, i64)) {
        self.entries.retain_mut(|entry| {
            let moved = entry.lower.ns.checked_sub(down_ns).zip(entry.upper.ns.checked_add(up_ns));
            moved.map(|(lower, upper)| (entry.lower.ns, entry.upper.ns) = (lower, upper)).is_some()
        });
    }

    /// What the facts within the window say of true time at reading `now`, aged by `rates`.
    pub(crate) fn bound(&mut self, now: u64, rates: &Rates) -> Bound {
        let length = self.length;
        self.entries.retain(|entry| now.saturating_sub(entry.oldest) <= length);
        if self.entries.is_empty() {
            return Bound::Silent;
        }
        if self.contradicted_until.is_some_and(|until| now <= until) {
            return Bound::Empty;
        }
        // A fact that cannot be aged to `now` bounds nothing; the others still do.
        let earliest =
            self.entries.iter().filter_map(|entry| entry.lower.lower_at(now, rates)).max();
        let latest = self.entries.iter().filter_map(|entry| entry.upper.upper_at(now, rates)).min();
        match (earliest, latest) {
            (Some(earliest_ns), Some(latest_ns)) if earliest_ns <= latest_ns => {
                Bound::Within { earliest_ns, latest_ns }
            }
            (Some(_), Some(_)) => Bound::Empty,
            _ => Bound::Silent,
        }
    }

    /// The reading after the newest reply, if a fact is in the window.
    pub(crate) fn newest(&self) -> Option<u64> {
        self.entries.iter().map(|entry| entry.lower_tick).max()
    }

    fn note_contradiction(&mut self, entry: &Entry, other: usize, rates: &Rates) {
        let other = self.entries[other];
        if contradict(entry, &other, rates) || contradict(&other, entry, rates) {
            let until = other.oldest.min(entry.oldest).saturating_add(self.length);
            self.contradicted_until = Some(self.contradicted_until.map_or(until, |u| u.max(until)));
        }
    }
}

/// Whether the lower fact of one and the upper fact of the other exclude each other at the later of
/// their readings. Later than that the gap only closes, so this is where a contradiction shows.
fn contradict(lower: &Entry, upper: &Entry, rates: &Rates) -> bool {
    let at = lower.lower_tick.max(upper.upper_tick);
    match (lower.lower.lower_at(at, rates), upper.upper.upper_at(at, rates)) {
        (Some(earliest), Some(latest)) => earliest > latest,
        _ => false,
    }
}

/// At most this many exchanges are kept of a source; beyond it the oldest goes, which only widens.
/// At the default poll interval of 16 s a window of 1024 s holds 64; where a source is asked more
/// often, the newest 64 are the ones that bound. Smaller: loses good facts. Larger: each poll costs
/// more time, all of it in the sync thread.
const CAPACITY: usize = 64;

#[cfg(test)]
mod tests;
