//! The manual clock of a user's unit test: exact, and moved by hand.

use crate::bound::lines::Line;
use crate::bound::params::Params;
use crate::bound::slopes::{Rates, Slopes};
use crate::bound::{DisruptionReason, NowError};
use crate::clock::{Limits, Shared, SureClock};
use crate::counter::{Counter, Incarnation, ManualCounter, ProcessMark};
use crate::publish::{Content, Publication, Publisher, WORDS, Waiters, channel};
use crate::sync::{Counts, State, Status};
use crate::time::{InvertedInterval, TickScale, TimeInterval, Timescale};
use parking_lot::{Mutex, MutexGuard};
use std::sync::Arc;
use std::time::Duration;

/// Moves the time of a [manual clock](SureClock::manual), and breaks it. Dropping it leaves the
/// clock as it is.
///
/// In the child of a fork it does nothing. Its limits are those that a [`Builder`](crate::Builder)
/// begins with: `max_age` is 1024 s, `max_uncertainty` 600 ms, `max_floor_lead` 1.5 s, `max_wait`
/// 60 s. How to bring about what a service must handle:
///
/// | error or state | call |
/// |---|---|
/// | [`NowError::NotSynchronized`] | [`unsynchronize`](ManualTime::unsynchronize) |
/// | [`NowError::Stale`] | [`age`](ManualTime::age) by more than 1024 s |
/// | [`NowError::TooUncertain`] | [`set`](ManualTime::set) an interval wider than 1.2 s |
/// | [`NowError::Disrupted`], [`WaitError::DisruptedMeanwhile`](crate::WaitError::DisruptedMeanwhile) | [`disrupt`](ManualTime::disrupt), [`disrupt_because`](ManualTime::disrupt_because); then [`set`](ManualTime::set) |
/// | `needs_new_epoch` in the status | [`require_new_epoch`](ManualTime::require_new_epoch) |
/// | [`NowError::SyncThreadDied`] | [`die`](ManualTime::die) |
/// | [`CommitError::FloorTooFar`](crate::CommitError::FloorTooFar) | [`set`](ManualTime::set) after a commit with a floor, or a floor beyond 1.5 s |
#[derive(Debug)]
pub struct ManualTime {
    manual: Arc<Manual>,
}

/// What a manual clock and its time share.
#[derive(Debug)]
pub(crate) struct Manual {
    counter: Arc<ManualCounter>,
    incarnation: Arc<Incarnation>,
    waiters: Arc<Waiters>,
    timescale: Timescale,
    state: Mutex<ManualState>,
    process: ProcessMark,
}

#[derive(Debug)]
struct ManualState {
    publisher: Publisher<WORDS>,
    publication: Publication,
    /// How old the agreement is: [`ManualTime::age`].
    aged_ns: u64,
    needs_new_epoch: bool,
    disruptions: u64,
    /// Begun with [`SureClock::start_new_epoch`]; the next interval is published in it.
    epoch: u32,
}

/// The interval cannot be set.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SetTimeError {
    /// `earliest` would go back, which no clock does within an epoch.
    /// [`disrupt`](ManualTime::disrupt) first.
    #[error("earliest would go back: disrupt the clock first")]
    WouldGoBack,
    /// A manual clock keeps the timescale it was made with.
    #[error("a manual clock keeps its timescale")]
    OtherTimescale,
    /// [`require_new_epoch`](ManualTime::require_new_epoch) was called, and
    /// [`start_new_epoch`](SureClock::start_new_epoch) was not.
    #[error("the clock waits for a new epoch")]
    NeedsNewEpoch,
    /// This process is a fork of the one that made the clock.
    #[error("this process was forked from the one that made the clock")]
    Forked,
    /// The interval ends before it begins.
    #[error(transparent)]
    Inverted(#[from] InvertedInterval),
}

pub(crate) fn start(interval: TimeInterval) -> (Shared, Arc<Manual>, ManualTime) {
    let counter_by_hand = ManualCounter::new(ORIGIN);
    let counter = Counter::manual(Arc::clone(&counter_by_hand));
    let incarnation = Arc::clone(counter.incarnation());
    let publication =
        Publication { content: exact(&interval, ORIGIN), ..Publication::start(EXACT) };
    let (publisher, cell) = channel(publication.encode(Some(u64::MAX)));
    let waiters = Arc::new(Waiters::default());
    let limits = Limits { spin_budget: Duration::ZERO, ..Limits::default() };
    let timescale = interval.timescale();
    let shared = Shared::new(counter, cell, Arc::clone(&waiters), limits, timescale, None);
    let (aged_ns, needs_new_epoch, disruptions, epoch) = (0, false, 0, 0);
    let state =
        ManualState { publisher, publication, aged_ns, needs_new_epoch, disruptions, epoch };
    let (counter, state, process) = (counter_by_hand, Mutex::new(state), ProcessMark::take());
    let manual = Arc::new(Manual { counter, incarnation, waiters, timescale, state, process });
    (shared, Arc::clone(&manual), ManualTime { manual })
}

impl ManualTime {
    /// Moves true time and both bounds on by `by`, to the nanosecond. The agreement does not get
    /// older.
    pub fn advance(&self, by: Duration) {
        let by = u64::try_from(by.as_nanos()).unwrap_or(u64::MAX);
        let Some(mut state) = self.manual.lock() else { return };
        // Before the counter moves: no reading in between finds the agreement old.
        state.hear(self.manual.counter.shown().saturating_add(by));
        self.manual.counter.advance(by);
        drop(state);
        self.manual.waiters.notify();
    }

    /// Makes the agreement older by `by`, as if no source had answered for so long; the time stays
    /// what it is. The next [`set`](ManualTime::set) is a new agreement.
    pub fn age(&self, by: Duration) {
        let by = u64::try_from(by.as_nanos()).unwrap_or(u64::MAX);
        let Some(mut state) = self.manual.lock() else { return };
        state.aged_ns = state.aged_ns.saturating_add(by);
        state.hear(self.manual.counter.shown());
        drop(state);
        self.manual.waiters.notify();
    }

    /// Sets the interval that contains true time now. The clock is synchronized afterwards,
    /// whatever it was before.
    ///
    /// # Errors
    ///
    /// [`SetTimeError::WouldGoBack`] if `earliest` would go back within the epoch;
    /// [`SetTimeError::OtherTimescale`]; [`SetTimeError::NeedsNewEpoch`].
    pub fn set(&self, interval: TimeInterval) -> Result<(), SetTimeError> {
        if interval.timescale() != self.manual.timescale {
            return Err(SetTimeError::OtherTimescale);
        }
        let now = self.manual.counter.shown();
        let mut state = self.manual.lock().ok_or(SetTimeError::Forked)?;
        if state.needs_new_epoch {
            return Err(SetTimeError::NeedsNewEpoch);
        }
        if let Content::Running(params) = state.publication.content {
            if params
                .earliest_now(now)
                .is_ok_and(|earliest| interval.earliest().as_unix_nanos() < earliest)
            {
                return Err(SetTimeError::WouldGoBack);
            }
        }
        state.aged_ns = 0;
        state.publication.epoch = state.epoch;
        state.publish(exact(&interval, now));
        drop(state);
        self.manual.waiters.notify();
        Ok(())
    }

    /// Breaks the clock, as a contradiction among real sources would: readings and waits fail until
    /// [`set`](ManualTime::set). The reason is [`ByHand`](DisruptionReason::ByHand).
    pub fn disrupt(&self) {
        self.disrupt_because(DisruptionReason::ByHand);
    }

    /// Breaks the clock for a reason of your choice, until [`set`](ManualTime::set).
    pub fn disrupt_because(&self, reason: DisruptionReason) {
        let Some(mut state) = self.manual.lock() else { return };
        self.manual.disrupt(&mut state, reason);
        drop(state);
        self.manual.waiters.notify();
    }

    /// Breaks the clock so that only a person's decision helps: the status shows `needs_new_epoch`,
    /// and [`set`](ManualTime::set) is an error until
    /// [`start_new_epoch`](SureClock::start_new_epoch).
    pub fn require_new_epoch(&self) {
        let Some(mut state) = self.manual.lock() else { return };
        state.needs_new_epoch = true;
        self.manual.disrupt(&mut state, DisruptionReason::ContradictsPublished);
        drop(state);
        self.manual.waiters.notify();
    }

    /// As before the first agreement of the sources: [`NowError::NotSynchronized`] until
    /// [`set`](ManualTime::set).
    pub fn unsynchronize(&self) {
        self.show(Content::NotSynchronized);
    }

    /// As after a panic of the sync thread: [`NowError::SyncThreadDied`]. A real clock does not
    /// come back from that.
    pub fn die(&self) {
        self.show(Content::ThreadDied);
    }

    fn show(&self, content: Content) {
        let Some(mut state) = self.manual.lock() else { return };
        state.publish(content);
        drop(state);
        self.manual.waiters.notify();
    }
}

impl Manual {
    /// `None` in the child of a fork, where a thread that it does not have may hold the lock.
    fn lock(&self) -> Option<MutexGuard<'_, ManualState>> {
        self.process.holds().then(|| self.state.lock())
    }

    fn disrupt(&self, state: &mut ManualState, reason: DisruptionReason) {
        state.publication.incarnation = state.publication.incarnation.wrapping_add(1);
        state.disruptions += 1;
        self.incarnation.set(state.publication.incarnation);
        state.publish(Content::Disrupted(reason));
    }

    /// What [`SureClock::start_new_epoch`] does.
    pub(crate) fn start_new_epoch(&self) -> bool {
        let mut state = self.state.lock();
        let disrupted = matches!(state.publication.content, Content::Disrupted(_));
        if disrupted {
            (state.epoch, state.needs_new_epoch) = (state.epoch.wrapping_add(1), false);
        }
        disrupted
    }
}

impl ManualState {
    fn publish(&mut self, content: Content) {
        self.publication.content = content;
        self.publisher.publish(self.publication.encode(Some(Limits::default_max_age_ns())));
    }

    /// The agreement is as old as it was made, at this reading of the counter.
    fn hear(&mut self, now: u64) {
        if let Content::Running(params) = &mut self.publication.content {
            params.heard = now.saturating_sub(self.aged_ns);
            let content = self.publication.content;
            self.publish(content);
        }
    }
}

/// What a manual clock's status says. `manual` is `None` for the child of a fork, which takes no
/// lock.
pub(crate) fn status(clock: &SureClock, manual: Option<&Manual>) -> Status {
    let interval = clock.now();
    let (mut counts, mut epoch, mut needs_new_epoch, mut agreement_age) =
        (Counts::default(), 0, false, None);
    if let Some(manual) = manual {
        let state = manual.state.lock();
        (counts.disruptions, epoch, needs_new_epoch) =
            (state.disruptions, state.epoch, state.needs_new_epoch);
        agreement_age = Some(Duration::from_nanos(state.aged_ns));
    }
    let state = match interval {
        Ok(_) => State::Synchronized,
        // Certain still, but beyond a limit.
        Err(NowError::Stale { .. }) => State::Holdover,
        Err(NowError::TooUncertain { .. }) => State::Synchronized,
        Err(NowError::NotSynchronized) => State::Starting,
        Err(NowError::Disrupted { reason }) => {
            State::Disrupted { reason, behind_by: None, ahead_by: None, needs_new_epoch }
        }
        Err(_) => State::Dead,
    };
    Status {
        state,
        epoch,
        interval: interval.ok(),
        agreement_age,
        domains: 0,
        distinct_domains: 0,
        max_faulty: 0,
        counter: clock.shared().counter.describe().to_string(),
        rate_bound_ppb: 0,
        learned_rate: None,
        leap_second: None,
        vm_clock: clock.shared().counter.vm_clock().status(),
        counter_margin: Duration::ZERO,
        counts,
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
        leap_from: u64::MAX,
        degraded: false,
    })
}

const EXACT: Slopes = Slopes { slow: 1 << 40, fast: 1 << 40 };
/// Somewhere with room behind it (in ns, 13 days), for earlier readings and for an agreement that
/// was made old.
const ORIGIN: u64 = 1 << 50;

/// The slopes are those of the arithmetic for a counter of nanoseconds without drift.
const _: () = assert!(TickScale::NANOSECOND.ns_per_tick_2_40 == EXACT.slow);

#[cfg(all(test, not(sureclock_loom)))]
mod tests {
    use super::*;
    use crate::{CommitError, WaitError};

    fn clock() -> (SureClock, ManualTime) {
        SureClock::manual("2026-11-23T11:03:00Z ± 1 ms".parse().unwrap())
    }

    #[test]
    fn its_limits_are_those_that_a_builder_begins_with() {
        let (clock, _time) = clock();
        let built = SureClock::builder().ntp("127.0.0.1:1").max_faulty(0);
        let (built, _own_loop) =
            built.synchronizer_over(Counter::manual(ManualCounter::new(0))).unwrap();
        let mut limits = built.shared().limits;
        limits.spin_budget = Duration::ZERO;
        assert_eq!(format!("{:?}", clock.shared().limits), format!("{limits:?}"));
    }

    #[test]
    fn every_error_that_a_service_must_handle_can_be_brought_about_and_ends_with_the_next_interval()
    {
        let (clock, time) = clock();
        let interval = clock.now().unwrap();
        let heals = || {
            time.set(interval).unwrap();
            assert_eq!(clock.now(), Ok(interval));
        };
        time.unsynchronize();
        assert_eq!(
            (clock.now(), clock.status().state),
            (Err(NowError::NotSynchronized), State::Starting)
        );
        heals();
        time.age(Duration::from_secs(1024));
        assert_eq!(clock.now(), Ok(interval), "as old as it may be");
        time.age(Duration::from_nanos(1));
        let (age, limit) =
            (Duration::from_secs(1024) + Duration::from_nanos(1), Duration::from_secs(1024));
        assert_eq!(
            (clock.now(), clock.status().state),
            (Err(NowError::Stale { age, limit }), State::Holdover)
        );
        assert!(clock.after(interval.earliest()).is_ok(), "waits go on");
        heals();
        let wide = "2026-11-23T11:03:00.701Z ± 701 ms".parse().unwrap();
        time.set(wide).unwrap();
        assert!(matches!(clock.now(), Err(NowError::TooUncertain { .. })));
        time.disrupt_because(DisruptionReason::Suspended);
        assert_eq!(clock.now(), Err(NowError::Disrupted { reason: DisruptionReason::Suspended }));
        heals();
        let s = clock
            .commit_timestamp_above(interval.latest().checked_add(Duration::from_secs(1)).unwrap())
            .unwrap();
        time.disrupt();
        heals();
        assert_eq!(clock.commit_wait(s).check(), Err(WaitError::DisruptedMeanwhile));
        time.die();
        assert_eq!(
            (clock.now(), clock.status().state),
            (Err(NowError::SyncThreadDied), State::Dead)
        );
    }

    #[test]
    fn an_earlier_reading_is_refused_where_the_agreement_is_too_old_by_now() {
        let (clock, time) = clock();
        let (reading, interval) = (clock.monotonic(), clock.now().unwrap());
        time.advance(Duration::from_millis(1));
        time.age(Duration::from_secs(1024));
        assert_eq!(clock.at(reading), Ok(interval), "the twin: as old as it may be");
        time.age(Duration::from_nanos(1));
        let stale = clock.now().unwrap_err();
        assert!(matches!(stale, NowError::Stale { .. }));
        assert_eq!(clock.at(reading), Err(crate::AtError::Now(stale)));
    }

    #[test]
    fn disruptions_are_counted() {
        let (clock, time) = clock();
        let now = clock.now().unwrap();
        assert_eq!(clock.status().counts.disruptions, 0);
        for n in 1..=3 {
            time.disrupt();
            time.set(now).unwrap();
            assert_eq!(clock.status().counts.disruptions, n);
        }
    }

    #[test]
    fn a_new_epoch_is_begun_by_the_caller_and_commits_begin_afresh() {
        let (clock, time) = clock();
        let now = clock.now().unwrap();
        let floor = now.latest().checked_add(Duration::from_secs(1)).unwrap();
        let ahead = clock.commit_timestamp_above(floor).unwrap().timestamp();
        assert!(!clock.start_new_epoch(), "only while disrupted");
        time.require_new_epoch();
        assert!(matches!(clock.status().state, State::Disrupted { needs_new_epoch: true, .. }));
        assert_eq!(time.set(now), Err(SetTimeError::NeedsNewEpoch));
        assert!(clock.start_new_epoch());
        time.set(now).unwrap();
        assert_eq!(clock.status().epoch, 1);
        assert!(clock.commit_timestamp().unwrap().timestamp() < ahead);
        // The twin: a disruption alone begins no epoch, and what was given out holds.
        time.disrupt();
        time.set(now).unwrap();
        let next = clock.commit_timestamp_above(floor).map(|s| s.timestamp());
        assert!(matches!(next, Ok(next) if next > floor), "{next:?}");
        assert!(!matches!(clock.commit_timestamp(), Err(CommitError::FloorTooFar { .. })));
        assert!(clock.commit_timestamp().unwrap().timestamp() > floor);
    }

    #[test]
    fn the_news_does_not_get_older_with_the_time() {
        let (clock, time) = clock();
        time.advance(Duration::from_secs(86_400));
        assert!(clock.now().is_ok());
        // The twin.
        time.age(Duration::from_secs(86_400));
        assert!(matches!(clock.now(), Err(NowError::Stale { .. })));
    }
}
