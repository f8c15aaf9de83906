//! The synchronizer's state as a [`Status`]. Reads only.

use super::super::addresses::Addresses;
use super::super::status::{SourceStatus, State, Status, Verdict};
use super::recovery::Gap;
use super::{Phase, Synchronizer};
use crate::bound::DisruptionReason;
use crate::bound::window::Bound;
use crate::time::{MonotonicTime, TimeInterval, Timestamp};
use std::time::Duration;

impl Synchronizer {
    /// What the synchronizer knows at reading `now`.
    pub(crate) fn status(&mut self, now: MonotonicTime) -> Status {
        let ticks = now.ticks();
        let scale = self.counter.scale();
        // Looked at after the reading: of after a move that is not noted yet it says nothing.
        let moved = self.config.vm_clock.seems_unnoted();
        let agreed = match &self.phase {
            Phase::Running(params) if !moved => params.now(ticks).ok(),
            _ => None,
        };
        let heard = match &self.phase {
            Phase::Running(params) => Some(params.heard),
            _ => None,
        };
        let leap = match &self.phase {
            Phase::Running(params) => params.leap,
            _ => None,
        };
        // As they are published: around a leap second, of all conventions.
        let read = |bound| match (bound, leap) {
            (Bound::Within { earliest_ns, latest_ns }, Some(leap)) => Bound::Within {
                earliest_ns: leap.earliest(earliest_ns),
                latest_ns: leap.latest(latest_ns).unwrap_or(i64::MAX),
            },
            (bound, _) => bound,
        };
        let rates = self.counter.rates();
        let bounds: Vec<Bound> =
            self.sources.iter_mut().map(|source| read(source.window.bound(ticks, rates))).collect();
        let sources = self.sources.iter().zip(&self.config.sources).zip(bounds);
        let sources = sources.map(|((source, setup), bound)| SourceStatus {
            name: setup.name.clone(),
            domain: self.config.domains[setup.domain].name.clone(),
            address: source.address,
            addresses: source.addresses.as_ref().map_or(0, Addresses::count),
            asked_every: scale.duration(source.schedule.interval()),
            rests_for: source.rests_until(ticks).map(|until| scale.duration(until - ticks)),
            verdict: match (bound, agreed) {
                _ if source.rests_until(ticks).is_some() => Verdict::Resting,
                (Bound::Silent, _) => Verdict::Silent,
                (Bound::Empty, _) => Verdict::Contradictory,
                (Bound::Within { .. }, None) => Verdict::NoAgreement,
                (Bound::Within { earliest_ns, latest_ns }, Some((from, to))) => {
                    if earliest_ns <= to && from <= latest_ns {
                        Verdict::Agrees
                    } else {
                        Verdict::Falseticker
                    }
                }
            },
            interval: match bound {
                Bound::Within { earliest_ns, latest_ns } if !moved => {
                    self.interval(earliest_ns, latest_ns)
                }
                _ => None,
            },
            delay: source
                .last
                .map(|f| scale.duration(f.after().ticks().saturating_sub(f.before().ticks()))),
            root_distance: source.last.and_then(|f| f.stratum.map(|_| f.root_bound)),
            stratum: source.last.and_then(|f| f.stratum),
            last_heard: source
                .last
                .map(|f| scale.duration(ticks.saturating_sub(f.after().ticks()))),
            problem: source.problem.or(source.in_flight.and_then(|flight| flight.seen)),
            counts: source.counts,
        });
        let sources = sources.collect();
        Status {
            state: self.state(ticks, moved),
            epoch: self.epoch,
            interval: agreed.and_then(|(earliest, latest)| self.interval(earliest, latest)),
            agreement_age: heard.map(|heard| scale.duration(ticks.saturating_sub(heard))),
            domains: self.config.domains.len(),
            distinct_domains: self.distinct_domains(),
            max_faulty: self.config.faulty,
            counter: self.config.counter_description.to_string(),
            rate_bound_ppb: self.counter.wide().rate_bound_ppb(scale),
            learned_rate: self.counter.learned_rate(ticks),
            leap_second: leap.map(|leap| Timestamp::from_unix_nanos(leap.midnight_ns)),
            vm_clock: self.config.vm_clock.status(),
            counter_margin: scale.duration(self.counter.margin()),
            counts: self.counts,
            sources,
        }
    }

    /// Why it is disrupted, if it is.
    #[cfg(feature = "sim")]
    pub(crate) fn disrupted(&self) -> Option<DisruptionReason> {
        match self.phase {
            Phase::Disrupted { reason, .. } => Some(reason),
            _ => None,
        }
    }

    fn state(&self, ticks: u64, moved: bool) -> State {
        let reason = DisruptionReason::Restored;
        match &self.phase {
            Phase::Running(_) if moved => {
                State::Disrupted { reason, behind_by: None, ahead_by: None, needs_new_epoch: false }
            }
            Phase::Starting => State::Starting,
            Phase::Dead => State::Dead,
            Phase::Disrupted { reason, gap, .. } => {
                let (behind_by, ahead_by, needs_new_epoch) = match *gap {
                    None => (None, None, false),
                    Some(Gap::Behind { by, degraded }) => {
                        (Some(by), None, !degraded && by > self.config.max_recovery)
                    }
                    Some(Gap::Ahead { by }) => (None, Some(by), true),
                };
                State::Disrupted { reason: *reason, behind_by, ahead_by, needs_new_epoch }
            }
            Phase::Running(params) => {
                if self.holdover_age(ticks).is_some() {
                    State::Holdover
                } else if params.degraded {
                    State::Degraded
                } else {
                    State::Synchronized
                }
            }
        }
    }

    /// How old the last agreement is, if that is more than three poll intervals.
    pub(super) fn holdover_age(&self, ticks: u64) -> Option<Duration> {
        let Phase::Running(params) = &self.phase else { return None };
        let age = self.counter.scale().duration(ticks.saturating_sub(params.heard));
        (age > self.config.poll.saturating_mul(3).saturating_add(self.config.timeout))
            .then_some(age)
    }

    fn interval(&self, earliest_ns: i64, latest_ns: i64) -> Option<TimeInterval> {
        let (earliest, latest) =
            (Timestamp::from_unix_nanos(earliest_ns), Timestamp::from_unix_nanos(latest_ns));
        TimeInterval::new(earliest, latest, self.config.timescale).ok()
    }
}
