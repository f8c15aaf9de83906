//! The manual clock of a user's unit test: exact, and moved by hand.

use crate::bound::lines::Line;
use crate::bound::params::Params;
use crate::bound::rates::{Rates, Slopes};
use crate::bound::{DisruptionReason, NowError};
use crate::clock::{Limits, Shared, SureClock};
use crate::counter::{Counter, Incarnation, ManualCounter};
use crate::publish::{Content, Publication, Publisher, WORDS, Waiters, channel};
use crate::sync::{Counts, State, Status};
use crate::time::{InvertedInterval, TickScale, TimeInterval, Timescale};
use parking_lot::Mutex;
use std::sync::Arc;
use std::time::Duration;

/// Moves the time of a [manual clock](SureClock::manual). Dropping it leaves the clock as it is.
#[derive(Debug)]
pub struct ManualTime {
    counter: Arc<ManualCounter>,
    incarnation: Arc<Incarnation>,
    waiters: Arc<Waiters>,
    timescale: Timescale,
    state: Mutex<ManualState>,
}

#[derive(Debug)]
struct ManualState {
    publisher: Publisher<WORDS>,
    publication: Publication,
}

/// The interval cannot be set.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SetTimeError {
    /// `earliest` would go back, which no clock does within an epoch. [`disrupt`](ManualTime::disrupt) first.
    #[error("earliest would go back: disrupt the clock first")]
    WouldGoBack,
    /// A manual clock keeps the timescale it was made with.
    #[error("a manual clock keeps its timescale")]
    OtherTimescale,
    /// The interval ends before it begins.
    #[error(transparent)]
    Inverted(#[from] InvertedInterval),
}

pub(crate) fn start(interval: TimeInterval) -> (Shared, ManualTime) {
    let manual = ManualCounter::new(ORIGIN);
    let counter = Counter::manual(Arc::clone(&manual));
    let incarnation = Arc::clone(counter.incarnation());
    let publication = Publication { content: exact(&interval, ORIGIN), ..Publication::start(EXACT) };
    let (publisher, cell) = channel(publication.encode(Some(u64::MAX)));
    let waiters = Arc::new(Waiters::default());
    let limits = Limits {
        max_age: FOREVER,
        max_uncertainty: FOREVER,
        max_floor_lead: Duration::from_millis(500),
        max_wait: Duration::from_secs(60),
        spin_budget: Duration::ZERO,
    };
    let timescale = interval.timescale();
    let shared = Shared::new(counter, cell, Arc::clone(&waiters), limits, timescale, None);
    (
        shared,
        ManualTime {
            counter: manual,
            incarnation,
            waiters,
            timescale,
            state: Mutex::new(ManualState { publisher, publication }),
        },
    )
}

impl ManualTime {
    /// Moves true time and both bounds on by `by`, to the nanosecond.
    pub fn advance(&self, by: Duration) {
        self.counter.advance(u64::try_from(by.as_nanos()).unwrap_or(u64::MAX));
        self.waiters.notify();
    }

    /// Sets the interval that contains true time now.
    ///
    /// # Errors
    ///
    /// [`SetTimeError::WouldGoBack`] if `earliest` would go back within the epoch; [`SetTimeError::OtherTimescale`].
    pub fn set(&self, interval: TimeInterval) -> Result<(), SetTimeError> {
        if interval.timescale() != self.timescale {
            return Err(SetTimeError::OtherTimescale);
        }
        let now = self.counter.shown();
        let mut state = self.state.lock();
        if let Content::Running(params) = state.publication.content {
            if params.earliest_now(now).is_ok_and(|earliest| interval.earliest().as_unix_nanos() < earliest) {
                return Err(SetTimeError::WouldGoBack);
            }
        }
        state.publish(exact(&interval, now));
        drop(state);
        self.waiters.notify();
        Ok(())
    }

    /// Breaks the clock, as a contradiction among real sources would: readings and waits fail until
    /// [`set`](ManualTime::set).
    pub fn disrupt(&self) {
        let mut state = self.state.lock();
        state.publication.incarnation = state.publication.incarnation.wrapping_add(1);
        self.incarnation.set(state.publication.incarnation);
        state.publish(Content::Disrupted(DisruptionReason::ByHand));
        drop(state);
        self.waiters.notify();
    }
}

impl ManualState {
    fn publish(&mut self, content: Content) {
        self.publication.content = content;
        self.publisher.publish(self.publication.encode(Some(u64::MAX)));
    }
}

/// What a manual clock's status says.
pub(crate) fn status(clock: &SureClock) -> Status {
    let interval = clock.now();
    let state = match interval {
        Ok(_) => State::Synchronized,
        Err(NowError::Disrupted { reason }) => {
            State::Disrupted { reason, behind_by: None, ahead_by: None, needs_new_epoch: false }
        }
        Err(_) => State::Dead,
    };
    Status {
        state,
        epoch: 0,
        interval: interval.ok(),
        news_age: Some(Duration::ZERO),
        domains: 0,
        distinct_domains: 0,
        max_faulty: 0,
        counter: clock.shared().counter.describe().to_string(),
        rate_bound_ppb: 0,
        learned_rate: None,
        leap_second: None,
        vm_clock: clock.shared().counter.vm_clock().status(),
        counter_margin: Duration::ZERO,
        counts: Counts::default(),
        sources: Vec::new(),
    }
}

/// Lines without drift or margin: the interval itself, moved with the counter.
fn exact(interval: &TimeInterval, now: u64) -> Content {
    Content::Running(Params {
        published: now,
        margin: 0,
        earliest: Line { anchor: now, ns: interval.earliest().as_unix_nanos() },
        latest: Line { anchor: now, ns: interval.latest().as_unix_nanos() },
        rates: Rates::plain(EXACT),
        since: 0,
        heard: now,
        leap: None,
        horizon: u64::MAX,
        degraded: false,
    })
}

const EXACT: Slopes = Slopes { slow: 1 << 40, fast: 1 << 40 };
/// Somewhere with room behind it, for readings of before.
const ORIGIN: u64 = 1 << 40;
const FOREVER: Duration = Duration::from_secs(86_400 * 365 * 1000);

/// The slopes are those of the arithmetic for a counter of nanoseconds without drift.
const _: () = assert!(TickScale::NANOSECOND.ns_per_tick_2_40 == EXACT.slow);
