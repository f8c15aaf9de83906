//! What the synchronizer reports through the tracing crate (feature `tracing`); nothing without the
//! feature.
//!
//! A subscriber is the user's code, and may ask the clock for its status, which takes the
//! synchronizer's lock. So events are kept while the lock is held, and emitted by whoever held it
//! when it is free.

use super::super::status::Problem;
use crate::bound::DisruptionReason;
use crate::bound::params::AgreedBound;
#[cfg(feature = "tracing")]
use crate::contain::contain;
use std::time::Duration;

/// What has happened since the lock was taken, and which state was reported last.
#[derive(Debug, Default)]
pub(super) struct Events {
    waiting: Waiting,
    reported: Option<Reported>,
}

/// Events that nobody has been told of yet.
#[derive(Debug, Default)]
pub(crate) struct Waiting(#[cfg(feature = "tracing")] Vec<Event>);

/// The states whose changes are reported.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Reported {
    Synchronized,
    Degraded,
    Holdover,
}

#[derive(Debug)]
#[cfg_attr(
    not(feature = "tracing"),
    allow(dead_code, reason = "nobody reads them without the feature")
)]
enum Event {
    Agreed { earliest_ns: i64, latest_ns: i64, degraded: bool },
    Holdover { age: Duration },
    Disrupted { reason: DisruptionReason },
    Failed { source: String, problem: Problem },
}

impl Events {
    /// Sources agree: reported if the state is another one than before.
    pub(super) fn agreed(&mut self, agreed: &AgreedBound) {
        let state = if agreed.degraded { Reported::Degraded } else { Reported::Synchronized };
        if self.reported.replace(state) != Some(state) {
            let AgreedBound { earliest_ns, latest_ns, degraded, .. } = *agreed;
            self.waiting.push(|| Event::Agreed { earliest_ns, latest_ns, degraded });
        }
    }

    /// The last agreement is older than it should be, by so much.
    pub(super) fn holdover(&mut self, age: Duration) {
        if self.reported.replace(Reported::Holdover) != Some(Reported::Holdover) {
            self.waiting.push(|| Event::Holdover { age });
        }
    }

    pub(super) fn disrupted(&mut self, reason: DisruptionReason) {
        self.reported = None;
        self.waiting.push(|| Event::Disrupted { reason });
    }

    pub(super) fn failed(&mut self, source: &str, problem: Problem) {
        self.waiting.push(|| Event::Failed { source: source.to_owned(), problem });
    }

    /// What is to be emitted once the lock is free.
    pub(super) fn take(&mut self) -> Waiting {
        std::mem::take(&mut self.waiting)
    }
}

impl Waiting {
    #[cfg_attr(
        not(feature = "tracing"),
        allow(unused_variables, reason = "nothing is kept without the feature")
    )]
    fn push(&mut self, event: impl FnOnce() -> Event) {
        #[cfg(feature = "tracing")]
        self.0.push(event());
    }

    /// Hands them to the subscriber. The synchronizer's lock must be free. A subscriber that panics
    /// harms nobody else.
    pub(crate) fn emit(self) {
        #[cfg(feature = "tracing")]
        for event in self.0 {
            let _ = contain(|| event.emit());
        }
    }
}

#[cfg(feature = "tracing")]
impl Event {
    fn emit(self) {
        match self {
            Event::Agreed { earliest_ns, latest_ns, degraded: false } => {
                tracing::info!(earliest_ns, latest_ns, degraded = false, "synchronized");
            }
            Event::Agreed { earliest_ns, latest_ns, degraded: true } => {
                tracing::warn!(
                    earliest_ns,
                    latest_ns,
                    degraded = true,
                    "degraded: a liar could widen the interval"
                );
            }
            Event::Holdover { age } => tracing::warn!(?age, "holdover: too few sources answer"),
            Event::Disrupted { reason } => {
                tracing::warn!(%reason, "disrupted: no answer until later facts agree");
            }
            Event::Failed { source, problem } => {
                tracing::debug!(source, %problem, "an exchange gave no facts")
            }
        }
    }
}
