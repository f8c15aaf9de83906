//! An announced leap second: what is known is widened around it, as [`Leap`] says, until facts of
//! after it say which second it is.
//!
//! A clock that runs counts on through the leap second. From the first announcement that is
//! believed on, its parameters say for which midnight; facts are brought back to the count of
//! before. When by that count everyone has stepped, the uncertainty is put into lines and facts,
//! once, and the next answers, asked for at once, narrow the interval again. A false announcement
//! costs a second of width for as long. Rules:
//!
//! - An announcement that comes too late is a disruption: readers may have been told what it takes
//!   back.
//! - A clock that does not run has no count of its own: it takes no facts from around an announced
//!   leap second, drops those that ageing brings there, and begins on one side of it. It may begin
//!   just after one, when nobody announces it any more: so it holds every end of a month for one,
//!   until two seconds after it.
//! - An announcement is not taken back, by nobody: a liar can announce more, and make nothing
//!   forgotten.

use super::{Phase, Synchronizer};
use crate::bound::leap::Leap;
use crate::bound::params::Params;
use crate::bound::{DisruptionReason, Facts};
use crate::publish::Content;
use crate::time::Timescale;
use chrono::{DateTime, Datelike};
use std::collections::{BTreeMap, BTreeSet};
use std::ops::RangeInclusive;

/// The leap seconds that sources announce, and where the clock stands.
#[derive(Debug)]
pub(super) struct LeapGuard {
    /// By midnight: what has been announced of it and is believed. Nothing is forgotten: a clock
    /// that does not run cannot tell which of them is near.
    heard: BTreeMap<i64, Leap>,
    /// What each source announced last, believed or not.
    said: Vec<Option<Leap>>,
    /// What the user knows.
    known: Option<Leap>,
    /// What is over, and the reading since which it is.
    over: Option<(Leap, u64)>,
    /// Published before an announcement was: readers may answer from them until the announcement
    /// is.
    before_announcement: Option<Params>,
}

impl LeapGuard {
    pub(super) fn new(known: Option<Leap>) -> LeapGuard {
        LeapGuard {
            heard: BTreeMap::new(),
            said: Vec::new(),
            known,
            over: None,
            before_announcement: None,
        }
    }

    /// What an answer of `source` announces. `domains`: the failure domain of each source.
    ///
    /// One source is believed for the end of June and of December, where leap seconds have come so
    /// far; for any other day more than `faulty` domains have to say so, each kind for itself, or
    /// one liar could widen any midnight.
    fn hear(&mut self, source: usize, facts: &Facts, domains: &[usize], faulty: usize) {
        // The day of its server's own clock: between the facts' ends lies what that read.
        let (a, b) =
            (facts.no_earlier_than().as_unix_nanos(), facts.no_later_than().as_unix_nanos());
        let Some(midnight) = next_midnight((a & b) + ((a ^ b) >> 1)) else { return };
        let Some(leap) = Leap::announced(midnight, facts.leap) else { return };
        self.said.resize(domains.len(), None);
        self.said[source] = Some(leap);
        let announced_by = |kind: fn(&Leap) -> bool| {
            let by = |said: &Option<Leap>| {
                said.is_some_and(|said| said.midnight_ns == midnight && kind(&said))
            };
            let of: BTreeSet<usize> = domains
                .iter()
                .zip(&self.said)
                .filter(|(_, said)| by(said))
                .map(|(d, _)| *d)
                .collect();
            of.len()
        };
        let needed = if is_usual(midnight) { 1 } else { faulty + 1 };
        let inserted = announced_by(|leap| leap.inserted) >= needed;
        let deleted = announced_by(|leap| leap.deleted) >= needed;
        if inserted || deleted {
            let leap = Leap { midnight_ns: midnight, inserted, deleted };
            self.heard
                .entry(midnight)
                .and_modify(|before| *before = before.and(leap))
                .or_insert(leap);
        }
    }

    /// The leap seconds of these midnights that are not over; those that were announced in their
    /// order, then what the user knows.
    fn to_come(&self, midnights: RangeInclusive<i64>) -> impl Iterator<Item = Leap> + '_ {
        let is_over =
            |leap: &Leap| self.over.is_some_and(|(over, _)| over.midnight_ns == leap.midnight_ns);
        let known = self.known.filter(|leap| midnights.contains(&leap.midnight_ns));
        self.heard
            .range(midnights)
            .map(|(_, leap)| *leap)
            .chain(known)
            .filter(move |leap| !is_over(leap))
    }

    /// The next one that a clock at `earliest_ns` may not have left behind, with all that is said
    /// of it; the one that it counts through already is not taken back.
    fn next(&self, earliest_ns: i64, counted_through: Option<Leap>) -> Option<Leap> {
        let is_ahead = |leap: &Leap| leap.is_over_ns() >= earliest_ns;
        let counted_through = counted_through.filter(is_ahead);
        let from = |ns: i64| self.to_come(ns.saturating_sub(DAY_NS)..=i64::MAX).filter(is_ahead);
        let known = self.known.map(|leap| leap.midnight_ns);
        // The first that was announced, or what the user knows: one of the two comes first.
        let first = from(earliest_ns)
            .next()
            .into_iter()
            .chain(known.and_then(|at| from(at).find(|leap| leap.midnight_ns == at)));
        let midnight = first.chain(counted_through).map(|leap| leap.midnight_ns).min()?;
        self.to_come(midnight..=midnight)
            .chain(counted_through.filter(|leap| leap.midnight_ns == midnight))
            .reduce(Leap::and)
    }

    /// Whether the facts are too close to a leap second to be read by a clock without a count of
    /// its own.
    fn forbids(&self, facts: &Facts) -> bool {
        let (a, b) =
            (facts.no_earlier_than().as_unix_nanos(), facts.no_later_than().as_unix_nanos());
        let touch =
            |span: RangeInclusive<i64>| a.min(b) <= *span.end() && a.max(b) >= *span.start();
        // Before the end of a month servers still announce.
        let just_after = end_of_month(a.min(b).saturating_sub(DAY_NS))
            .map(|m| m..=m.saturating_add(JUST_AFTER_NS));
        let near = a.min(b).saturating_sub(DAY_NS)..=a.max(b).saturating_add(DAY_NS);
        self.to_come(near).map(|leap| around(&leap, EARLY_NS)).chain(just_after).any(touch)
    }

    /// What is over for a clock that is disrupted: nothing, for it may begin again before it.
    pub(super) fn disrupted(&mut self) {
        (self.over, self.before_announcement) = (None, None);
    }

    /// What readers may have been told of last: the parameters of before an announcement that is
    /// not looked back on yet, or these.
    pub(super) fn published(&self, running: Params) -> Params {
        self.before_announcement.unwrap_or(running)
    }
}

impl Synchronizer {
    /// The facts of an answer, as facts of the count that the clock follows; `None` where they are
    /// of no use.
    pub(super) fn read_facts(&mut self, now: u64, source: usize, facts: Facts) -> Option<Facts> {
        // Heard first: the first announcement may come with facts that are already too close to it.
        let domains = self.merged_domains();
        self.leap.hear(source, &facts, &domains, self.config.faulty);
        self.mind_the_leap(now);
        let Phase::Running(params) = self.phase else {
            return (!self.leap.forbids(&facts)
                && facts.before().incarnation() == self.incarnation)
                .then_some(facts);
        };
        let facts = match self.leap.over {
            // Asked before everyone had stepped.
            Some((leap, since)) if facts.before().ticks() < since => {
                let (down, up) = leap.after_ns();
                leap.before(&facts)?.widened(down, up)?
            }
            _ => facts,
        };
        // The one to come: it may have been announced for the day after already.
        params.leap.map_or(Some(facts), |leap| leap.before(&facts))
    }

    /// Keeps up with announced leap seconds, whatever the phase and however few sources answer.
    pub(super) fn mind_the_leap(&mut self, now: u64) {
        let Phase::Running(params) = self.phase else { return self.drop_facts_of_before(now) };
        // Out of range nothing is answered.
        let Some((earliest, latest)) = params.counted_on(now) else { return };
        if let Some(leap) = params.leap.filter(|leap| earliest >= leap.is_over_ns()) {
            return self.leave_behind(now, leap);
        }
        let next = self.leap.next(earliest, params.leap);
        if next != params.leap {
            if next.is_some_and(|leap| latest.saturating_add(EARLY_NS) >= leap.begins_ns()) {
                return self.enter_disruption(DisruptionReason::LeapSecond, None);
            }
            self.leap.before_announcement.get_or_insert(params);
            self.run_with(params.with_leap(next));
        }
        self.drop_facts_around(now, next);
    }

    /// The leap second to begin with where sources agree on this interval.
    ///
    /// # Errors
    ///
    /// The interval reaches into one, or over it: there is nothing to begin with.
    pub(super) fn leap_to_come(
        &self,
        earliest_ns: i64,
        latest_ns: i64,
    ) -> Result<Option<Leap>, AroundALeap> {
        match self.leap.next(earliest_ns, None) {
            Some(leap) if latest_ns.saturating_add(EARLY_NS) >= leap.begins_ns() => {
                Err(AroundALeap)
            }
            next => Ok(next),
        }
    }

    /// A writer that was held up between the announcement and its publication may have let readers
    /// answer beyond what it takes back. `now` was read after the publication.
    pub(super) fn recheck_announcement(&mut self, now: u64) {
        let Some(before) = self.leap.before_announcement.take() else { return };
        let Phase::Running(params) = self.phase else { return };
        let until = now.saturating_add(self.overlap());
        let (Ok(given), Some(counted)) = (before.now(until), before.counted_on(until)) else {
            return;
        };
        let takes_back = |leap: Leap| {
            leap.earliest(counted.0) < given.0
                || leap.latest(counted.1).is_none_or(|ns| ns > given.1)
        };
        if params.leap.is_some_and(takes_back) {
            self.phase = Phase::Running(before);
            self.enter_disruption(DisruptionReason::LeapSecond, None);
        }
    }

    /// Everyone has stepped: what was known of the count of before becomes what is known of the one
    /// of after.
    fn leave_behind(&mut self, now: u64, leap: Leap) {
        let Phase::Running(params) = self.phase else { return };
        let Some(params) = params.with_leap_over(now) else {
            return self.enter_disruption(DisruptionReason::LeapSecond, None);
        };
        self.leap.over = Some((leap, now));
        self.counter.begin_again();
        for source in &mut self.sources {
            source.window.widen_by(leap.after_ns());
            // The sooner there are facts of after, the sooner the interval is narrow again.
            source.schedule.hurry();
        }
        self.last_earliest_ns =
            self.last_earliest_ns.map(|ns| ns.saturating_sub(leap.after_ns().0));
        self.run_with(params);
    }

    fn run_with(&mut self, params: Params) {
        self.phase = Phase::Running(params);
        self.publish(Content::Running(params));
    }

    /// Drops what is from before what may be a leap second, and is aged into it.
    fn drop_facts_of_before(&mut self, now: u64) {
        if self.config.timescale != Timescale::Utc {
            return;
        }
        self.drop_facts_around(now, None);
        for source in &mut self.sources {
            let newest = source.last.map(|facts| facts.no_earlier_than().as_unix_nanos());
            if let Some(midnight) = newest.and_then(|ns| end_of_month(ns.saturating_sub(DAY_NS))) {
                let span =
                    midnight.saturating_sub(EARLY_NS)..=midnight.saturating_add(JUST_AFTER_NS);
                source.window.drop_aged_into(now, span, self.counter.rates());
            }
        }
    }

    /// Drops what may be from before the end of a leap second and is aged into it, but for the one
    /// that the clock counts through.
    fn drop_facts_around(&mut self, now: u64, counted_through: Option<Leap>) {
        let midnight = counted_through.map(|leap| leap.midnight_ns);
        for source in &mut self.sources {
            let Some(newest) = source.last.map(|facts| facts.no_earlier_than().as_unix_nanos())
            else {
                continue;
            };
            // No window is longer than a day.
            let near = newest.saturating_sub(2 * DAY_NS)..=newest.saturating_add(2 * DAY_NS);
            for leap in self.leap.to_come(near).filter(|leap| Some(leap.midnight_ns) != midnight) {
                source.window.drop_aged_into(now, around(&leap, 0), self.counter.rates());
            }
        }
    }
}

/// An interval from which no clock can begin.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct AroundALeap;

/// From so much before its beginning to its end.
fn around(leap: &Leap, before_ns: i64) -> RangeInclusive<i64> {
    leap.begins_ns().saturating_sub(before_ns)..=leap.is_over_ns()
}

/// Whether leap seconds come at this midnight by first preference: the end of June or December
/// (ITU-R TF.460-6, annex 1, 2.1).
fn is_usual(midnight_ns: i64) -> bool {
    let day = DateTime::from_timestamp_nanos(midnight_ns);
    day.day() == 1 && matches!(day.month(), 1 | 7)
}

/// The end of the UTC day, or `None` beyond the representable years.
fn next_midnight(ns: i64) -> Option<i64> {
    ns.div_euclid(DAY_NS).checked_add(1)?.checked_mul(DAY_NS)
}

/// The first midnight after `ns` that ends a month: leap seconds come there (ITU-R TF.460), at the
/// end of June or December for choice. `None` beyond the representable years.
fn end_of_month(ns: i64) -> Option<i64> {
    let begins_a_month = |ns: &i64| DateTime::from_timestamp_nanos(*ns).day() == 1;
    let midnights = std::iter::successors(next_midnight(ns), |ns| ns.checked_add(DAY_NS));
    midnights.take(31).find(begins_a_month)
}

/// Until so long after midnight servers differ about a leap second at it, one that steps a second
/// late included.
const JUST_AFTER_NS: i64 = 2_000_000_000;
const DAY_NS: i64 = 86_400 * 1_000_000_000;
/// A leap second must be known so long before it begins. Smaller: a writer that is held up tells
/// readers too late, and disrupts. Larger: an announcement in the last seconds disrupts.
const EARLY_NS: i64 = 1_000_000_000;
