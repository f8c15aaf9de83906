//! `SureClock`: what users hold.

use crate::bound::lines::elapsed_ns;
use crate::bound::{AtError, NowError};
use crate::builder::Builder;
use crate::causality::{Envelope, OpenError, Opened};
use crate::counter::{self, Scope};
use crate::lease::LeaseClock;
use crate::sync::{Driver, SharedSynchronizer, State, Status};
use crate::testing::{self, Manual, ManualTime};
use crate::time::{CounterId, Elapsed, MonotonicTime, TimeInterval, Timestamp, WallTime};
use std::sync::Arc;
use std::time::{Duration, Instant};

mod reader;

pub(crate) use reader::{Limits, Shared};

/// A clock that knows its error: intervals that contain true time, or an error.
///
/// Cheap to clone; all clones are one clock, usable from any thread by `&self`. When the last one
/// is dropped its thread ends, without blocking. There is no global clock; to have one for a whole
/// process, keep it in a static:
///
/// ```no_run
/// use std::sync::OnceLock;
/// use sureclock::SureClock;
///
/// static CLOCK: OnceLock<SureClock> = OnceLock::new();
/// # fn main() -> Result<(), sureclock::BuildError> {
/// let clock = SureClock::builder().ntp("a.example").ntp("b.example").ntp("c.example").start()?;
/// let _ = CLOCK.set(clock);
/// # Ok(()) }
/// ```
#[derive(Clone, Debug)]
pub struct SureClock {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    shared: Arc<Shared>,
    source: Source,
    /// Dropped with the last clock; ends the thread.
    _driver: Option<Driver>,
}

#[derive(Debug)]
enum Source {
    Synced(Arc<SharedSynchronizer>),
    Manual(Arc<Manual>),
}

impl SureClock {
    /// Collects sources and settings.
    #[must_use]
    pub fn builder() -> Builder {
        Builder::new()
    }

    /// A clock for a unit test: true time is in `interval`, and stands still until the test moves
    /// it.
    ///
    /// ```
    /// use sureclock::{SureClock, TimeInterval};
    /// use std::time::Duration;
    ///
    /// let interval: TimeInterval = "2026-11-23T11:03:00Z ± 1 ms".parse()?;
    /// let (clock, time) = SureClock::manual(interval);
    /// assert_eq!(clock.now()?, interval);
    /// let s = clock.commit_timestamp()?;
    /// assert!(!clock.after(s.timestamp())?);
    /// time.advance(Duration::from_millis(3));
    /// assert!(clock.after(s.timestamp())?);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn manual(interval: TimeInterval) -> (SureClock, ManualTime) {
        let (shared, manual, time) = testing::start(interval);
        let (shared, source) = (Arc::new(shared), Source::Manual(manual));
        (SureClock { inner: Arc::new(Inner { shared, source, _driver: None }) }, time)
    }

    pub(crate) fn synced(
        shared: Shared,
        synchronizer: Arc<SharedSynchronizer>,
        driver: Option<Driver>,
    ) -> SureClock {
        let source = Source::Synced(synchronizer);
        SureClock { inner: Arc::new(Inner { shared: Arc::new(shared), source, _driver: driver }) }
    }

    /// Makes a suspend that can be seen now a disruption, before something that cannot be taken
    /// back.
    pub(crate) fn check_continuity(&self) {
        if let Source::Synced(synchronizer) = &self.inner.source {
            synchronizer.check_continuity(&self.inner.shared.counter, Scope::Clocks);
        }
    }

    /// Counts the epochs, as the publication in force says. No look at the counter.
    #[cfg(feature = "sim")]
    pub(crate) fn epoch(&self) -> u32 {
        self.inner.shared.outline().epoch
    }

    pub(crate) fn shared(&self) -> &Arc<Shared> {
        &self.inner.shared
    }

    /// An interval that contains true time at some moment between the call and its return.
    ///
    /// Lock-free, without allocation and (where the vDSO serves the counter) without a system call.
    /// But while a hypervisor writes a [VM clock device](crate::Builder::vm_clock) it waits, and
    /// should that take longer than a moment, asleep: for 20 ms or so.
    ///
    /// # Errors
    ///
    /// [`NowError`]: there is no certain interval, or it is older or wider than the limits allow.
    ///
    /// # References
    ///
    /// Spanner's `TT.now()`; the bound is in `bound::params`.
    #[inline]
    pub fn now(&self) -> Result<TimeInterval, NowError> {
        self.inner.shared.now()
    }

    /// A reading of the local counter. Always there, synchronized or not.
    #[inline]
    #[must_use]
    pub fn monotonic(&self) -> MonotonicTime {
        self.inner.shared.counter.read()
    }

    /// The interval that contained true time at an earlier reading. The error grows backward by the
    /// drift bound.
    ///
    /// # Errors
    ///
    /// [`AtError::Now`] where [`now`](SureClock::now) would be an error at the time of the call:
    /// also [`Stale`](NowError::Stale), if the last agreement is older than `max_age` by now,
    /// however young it was at the reading. [`TooUncertain`](NowError::TooUncertain) goes by the
    /// interval at the reading. Otherwise for readings of another counter, from before the last
    /// disruption or from before the end of a leap second that is over.
    pub fn at(&self, reading: MonotonicTime) -> Result<TimeInterval, AtError> {
        let shared = &self.inner.shared;
        if reading.counter() != shared.counter.id() {
            return Err(AtError::ForeignCounter);
        }
        let (params, incarnation, ticks) = shared.running()?;
        params.check(ticks)?;
        shared.check_age(&params, ticks)?;
        // Above what the counter shows now: a reading from before it went back.
        let shown = ticks.saturating_add(shared.counter.margin());
        if reading.incarnation() != incarnation
            || reading.ticks() < params.since
            || reading.ticks() > shown
        {
            return Err(AtError::BeforeEpoch);
        }
        let (earliest_ns, latest_ns) = params.at(reading.ticks())?;
        Ok(shared.certain(earliest_ns, latest_ns)?)
    }

    /// How much true time passed between two readings of this clock's counter, under the drift
    /// bound. Needs no synchronization.
    ///
    /// `None` if a reading belongs to another counter, if the clock was disrupted between the two
    /// (the counter may not have run through; with the hardware counter or a VM clock device, or
    /// where every reading looks for a suspend, also after the two), while the counter cannot be
    /// trusted, or if `later` is before `earlier`. A suspend that nobody has noticed yet is not
    /// seen: *Not guaranteed*.
    #[must_use]
    pub fn elapsed(&self, earlier: MonotonicTime, later: MonotonicTime) -> Option<Elapsed> {
        let shared = &self.inner.shared;
        let ours = |reading: MonotonicTime| reading.counter() == shared.counter.id();
        let disrupted_between = earlier.incarnation() != later.incarnation();
        if !ours(earlier) || !ours(later) || disrupted_between || later.ticks() < earlier.ticks() {
            return None;
        }
        let (n, margin) = (later.ticks() - earlier.ticks(), shared.counter.margin());
        // Before the publication is loaded: who does not see a suspend or a move any more sees the
        // disruption that it is.
        if shared.unnoted().is_some() {
            return None;
        }
        // The rate is that of the readings' time; and there is none while the counter itself cannot
        // be trusted.
        let outline = shared.outline();
        let other = outline.incarnation != later.incarnation();
        if !outline.trusted
            || other && (shared.counter.rate_is_learned() || shared.looks_in_readings())
        {
            return None;
        }
        let (at_least, at_most) = elapsed_ns(n, margin, outline.slopes)?;
        Some(Elapsed {
            at_least: Duration::from_nanos(at_least),
            at_most: Duration::from_nanos(at_most),
        })
    }

    /// Whether `t` is certainly in the past: once true, true for the epoch.
    ///
    /// # Errors
    ///
    /// [`NowError`], but neither [`Stale`](NowError::Stale) nor
    /// [`TooUncertain`](NowError::TooUncertain): `after` needs the lower bound only.
    ///
    /// # References
    ///
    /// Spanner's `TT.after(t)`.
    #[inline]
    pub fn after(&self, t: Timestamp) -> Result<bool, NowError> {
        Ok(t.as_unix_nanos() < self.inner.shared.earliest()?)
    }

    /// Whether `t` is certainly in the future. True only at the reading: it expires.
    ///
    /// # Errors
    ///
    /// As [`after`](SureClock::after).
    ///
    /// # References
    ///
    /// Spanner's `TT.before(t)`.
    #[inline]
    pub fn before(&self, t: Timestamp) -> Result<bool, NowError> {
        Ok(t.as_unix_nanos() > self.inner.shared.latest()?)
    }

    /// Blocks until the clock has an interval, or `timeout` is over.
    ///
    /// # Errors
    ///
    /// What [`now`](SureClock::now) says when the time is over; the sources' reasons are in the
    /// [`status`](SureClock::status).
    pub fn wait_synchronized(&self, timeout: Duration) -> Result<TimeInterval, NowError> {
        let deadline = Instant::now().checked_add(timeout);
        loop {
            if self.inner.shared.forked() {
                return Err(NowError::Forked);
            }
            let waiters = &self.inner.shared.waiters;
            let seen = waiters.changes();
            match self.now() {
                Ok(interval) => return Ok(interval),
                Err(error @ (NowError::Forked | NowError::SyncThreadDied)) => return Err(error),
                Err(error) if deadline.is_some_and(|deadline| Instant::now() >= deadline) => {
                    return Err(error);
                }
                Err(_) => waiters.wait(seen, deadline),
            }
        }
    }

    /// Waits for the clock's first interval as a future, on any runtime and without a limit:
    /// combine it with your runtime's timeout.
    pub async fn synchronized(&self) -> Result<TimeInterval, NowError> {
        crate::commit::synchronized(self).await
    }

    /// Blocks until the state of the clock is another than `known`, or `timeout` is over; gives the
    /// state then.
    ///
    /// A change to [`State::Holdover`] is a matter of time, not of a publication, and is seen at
    /// the next one.
    #[must_use]
    pub fn wait_state_change(&self, known: State, timeout: Duration) -> State {
        let deadline = Instant::now().checked_add(timeout);
        loop {
            if self.inner.shared.forked() {
                return State::Dead;
            }
            let seen = self.inner.shared.waiters.changes();
            let state = self.status().state;
            if state != known || deadline.is_some_and(|deadline| Instant::now() >= deadline) {
                return state;
            }
            self.inner.shared.waiters.wait(seen, deadline);
        }
    }

    /// Everything there is to see. Takes a lock and allocates: for metrics and for people, not for
    /// a hot path.
    #[must_use]
    pub fn status(&self) -> Status {
        match &self.inner.source {
            _ if self.inner.shared.forked() => testing::status(self, None),
            Source::Synced(synchronizer) => {
                if self.inner.shared.counter.vm_clock().unnoted() {
                    // What is published is of before a move, what the counter shows of after it.
                    synchronizer.check_continuity(&self.inner.shared.counter, Scope::Clocks);
                }
                synchronizer.lock().status(self.monotonic())
            }
            Source::Manual(manual) => testing::status(self, Some(manual)),
        }
    }

    /// Accepts, after a disruption, that time may be seen to go back: the next agreement counts,
    /// whatever was published before, and commit timestamps begin afresh. Earlier answers of
    /// `after` and earlier timestamps belong to the earlier epoch.
    ///
    /// **Do not call it for every disruption.** It acts in any of them, also in those that end by
    /// themselves within seconds. Call it only where the status shows
    /// [`needs_new_epoch`](crate::State::Disrupted::needs_new_epoch) and a person has found that
    /// the sources are right.
    ///
    /// Returns false and does nothing if the clock is not disrupted, if its rate bound was refuted
    /// ([`RateBeyondBound`](crate::DisruptionReason::RateBeyondBound)), or in the child of a fork.
    /// It does not block: the new epoch's first timestamp overwrites a
    /// [`mark_file`](Builder::mark_file), perhaps with a lower value.
    pub fn start_new_epoch(&self) -> bool {
        // Each epoch has words of its own for what it gives out, so there is nothing to reset here.
        match &self.inner.source {
            _ if self.inner.shared.forked() => false,
            Source::Synced(synchronizer) => synchronizer.lock().start_new_epoch(),
            Source::Manual(manual) => manual.start_new_epoch(),
        }
    }

    /// Puts the interval before a payload that is sent: whoever [opens](SureClock::open) it audits
    /// both clocks.
    ///
    /// # Errors
    ///
    /// As [`now`](SureClock::now).
    pub fn seal<P: AsRef<[u8]>>(&self, payload: P) -> Result<Envelope<P>, NowError> {
        loop {
            let (epoch, interval) = (self.inner.shared.outline().epoch, self.now()?);
            // An interval of before a new epoch must not travel under its number.
            if self.inner.shared.outline().epoch == epoch {
                return Ok(Envelope::new(interval, epoch, payload));
            }
        }
    }

    /// Opens what was received. Says so if it proves that one of the two clocks is wrong; it
    /// changes nothing.
    ///
    /// # Errors
    ///
    /// [`OpenError`]: damaged, of another timescale, or this clock has no interval.
    pub fn open<'a, P: AsRef<[u8]>>(
        &self,
        envelope: &'a Envelope<P>,
    ) -> Result<Opened<'a, P>, OpenError> {
        envelope.open(self.now()?)
    }

    /// The operating system's guess, for showing beside a bound.
    #[must_use]
    pub fn wall_time() -> WallTime {
        counter::read_wall()
    }

    /// The identity of this clock's counter.
    #[must_use]
    pub fn counter(&self) -> CounterId {
        self.inner.shared.counter.id()
    }
}

impl crate::lease::sealed::Sealed for SureClock {}

impl LeaseClock for SureClock {
    fn lease_reading(&self) -> MonotonicTime {
        // The child of a fork takes no lock.
        if !self.inner.shared.forked() {
            self.check_continuity();
        }
        self.monotonic()
    }

    fn lease_elapsed(&self, earlier: MonotonicTime, later: MonotonicTime) -> Option<Elapsed> {
        if self.inner.shared.forked() { None } else { self.elapsed(earlier, later) }
    }

    fn lease_restores(&self) -> u32 {
        self.inner.shared.counter.incarnation().restores()
    }

    fn lease_interval(&self) -> Result<(TimeInterval, u32), NowError> {
        self.inner.shared.now_with_spell().map(|(interval, spell)| (interval, spell.incarnation))
    }
}
