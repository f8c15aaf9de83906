//! The commit wait: until a timestamp is certainly in the past, blocking, as a future, or step by
//! step.

use super::sleeper::LeastSlack;
use super::timer;
use crate::bound::NowError;
use crate::clock::{Shared, SureClock};
use crate::publish::{PendingKey, WakerKey};
use crate::time::{TimeInterval, Timestamp};
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

/// A wait until a timestamp is certainly in the past.
///
/// A `Future` on any runtime; [`wait`](CommitWait::wait) blocks; [`check`](CommitWait::check) looks
/// once, for event loops. The clock is looked at after every wake, so early and late wakes do no
/// harm, and a better bound that is published meanwhile ends the wait sooner.
///
/// **A wait that failed or was dropped means that the outcome is unknown**, never success and never
/// failure: the commit may or may not come before others in true time.
///
/// ```
/// # let interval: sureclock::TimeInterval = "2026-11-23T11:03:00Z ± 1 ms".parse()?;
/// # let (clock, time) = sureclock::SureClock::manual(interval);
/// let s = clock.commit_timestamp()?;
/// // apply the transaction at s, then:
/// # time.advance(std::time::Duration::from_millis(3));
/// let reply = clock.commit_wait(s).guard("committed").wait()?;
/// assert_eq!(*reply.get(), "committed");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
#[must_use = "a commit wait that is not waited for keeps no promise"]
pub struct CommitWait {
    clock: SureClock,
    timestamp: Timestamp,
    /// The incarnation in which the timestamp was made, or why none ends the wait well.
    began: Result<u32, WaitError>,
    waker: Option<WakerKey>,
    pending: Option<PendingKey>,
}

/// Why a wait did not end well. The outcome is unknown.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum WaitError {
    /// The clock has no certain lower bound (any more).
    #[error("the outcome is unknown: {0}")]
    Now(#[from] NowError),
    /// The clock was disrupted and has recovered since the timestamp was made: under a broken
    /// assumption, perhaps.
    #[error("the outcome is unknown: the clock was disrupted after the timestamp was made")]
    DisruptedMeanwhile,
    /// Another clock made the timestamp: that one knows whether it holds.
    #[error("the outcome is unknown: the timestamp was made by another clock")]
    ForeignTimestamp,
    /// The time given to [`wait_timeout`](CommitWait::wait_timeout) is over.
    #[error(
        "the outcome is unknown yet: the timestamp is not certainly in the past after {waited:?}"
    )]
    Timeout {
        /// The time given.
        waited: Duration,
    },
    /// [`GuardedWait::give_up`] was called before the wait had ended.
    #[error("the outcome is unknown: the wait was given up")]
    GivenUp,
    /// The system refused the thread that wakes futures.
    #[error("the outcome is unknown: the system refused a thread")]
    NoTimer,
}

impl CommitWait {
    pub(super) fn new(
        clock: SureClock,
        timestamp: Timestamp,
        began: Result<u32, WaitError>,
    ) -> CommitWait {
        CommitWait { clock, timestamp, began, waker: None, pending: None }
    }

    #[cfg(feature = "sim")]
    pub(crate) fn clock(&self) -> &SureClock {
        &self.clock
    }

    /// The timestamp that is waited for.
    #[must_use]
    pub fn timestamp(&self) -> Timestamp {
        self.timestamp
    }

    /// Of two waits of one clock the one that ends well only if both do: one that cannot, one of
    /// before a disruption, the later one.
    pub(super) fn harder(self, other: CommitWait) -> CommitWait {
        let takes_self = match (self.began, other.began) {
            (Err(_), _) => true,
            (_, Err(_)) => false,
            // Of two incarnations only one can be in force.
            (Ok(a), Ok(b)) if a != b => a < b,
            _ => self.timestamp >= other.timestamp,
        };
        if takes_self { self } else { other }
    }

    /// Looks once: `Ok(true)` when the timestamp is certainly in the past.
    ///
    /// # Errors
    ///
    /// [`WaitError`]: the outcome is unknown.
    pub fn check(&self) -> Result<bool, WaitError> {
        self.remaining().map(|remaining| remaining.is_none())
    }

    /// Blocks until the timestamp is certainly in the past.
    ///
    /// # Errors
    ///
    /// [`WaitError`]: the outcome is unknown.
    pub fn wait(&self) -> Result<(), WaitError> {
        self.block(None)
    }

    /// As [`wait`](CommitWait::wait), for `timeout` at most.
    ///
    /// # Errors
    ///
    /// [`WaitError::Timeout`] when the time is over; the wait can be taken up again.
    pub fn wait_timeout(&self, timeout: Duration) -> Result<(), WaitError> {
        self.block(Some(timeout))
    }

    /// Ties `value`, the reply that may leave only after the wait, to it: only a finished wait
    /// gives it out as [`Past`].
    pub fn guard<T>(self, value: T) -> GuardedWait<T> {
        GuardedWait { wait: self, value: Some(value) }
    }

    /// How long until the timestamp is in the past by the bound in force; `None` if it is.
    ///
    /// Before it says so it looks for a suspend: a timestamp taken after one that nobody had
    /// noticed may be too low.
    fn remaining(&self) -> Result<Option<Remaining>, WaitError> {
        let remaining = self.remaining_by_the_bound()?;
        if remaining.is_some() {
            return Ok(remaining);
        }
        self.clock.check_continuity();
        self.remaining_by_the_bound()
    }

    /// The same, after spinning for what is too short for another wake; not for longer, whatever
    /// the counter does.
    fn remaining_after_a_spin(&self) -> Result<Option<Remaining>, WaitError> {
        let shared = self.clock.shared();
        let most = 2 * timer::early(shared.limits.spin_budget);
        // Where nothing has to be waited for, no clock of the system is asked: there may be none.
        let mut began = None;
        loop {
            let remaining = self.remaining()?;
            let Some(Remaining::Until { tick, stamp, length }) = remaining else {
                return Ok(remaining);
            };
            let began = *began.get_or_insert_with(Instant::now);
            if length > most || began.elapsed() >= 2 * most {
                return Ok(remaining);
            }
            shared.spin_until(tick, stamp, || began.elapsed() >= 2 * most);
        }
    }

    fn remaining_by_the_bound(&self) -> Result<Option<Remaining>, WaitError> {
        let began = self.began?;
        let shared = self.clock.shared();
        let (publication, ticks, stamp) = shared.load_stamped()?;
        let params = publication.running()?;
        if publication.incarnation != began {
            return Err(WaitError::DisruptedMeanwhile);
        }
        let s = self.timestamp.as_unix_nanos();
        if s < params.earliest_now(ticks)? {
            return Ok(None);
        }
        if !shared.counter.runs_by_itself() {
            return Ok(Some(Remaining::Unknown));
        }
        let tick = params.past_from(s).unwrap_or(u64::MAX);
        // A look now and then, whatever the counter does meanwhile.
        let length = shared.counter.scale().duration(tick.saturating_sub(ticks)).min(LONGEST_SLEEP);
        Ok(Some(Remaining::Until { tick, stamp, length }))
    }

    fn block(&self, timeout: Option<Duration>) -> Result<(), WaitError> {
        let give_up = timeout.and_then(|timeout| Instant::now().checked_add(timeout));
        let shared = self.clock.shared();
        let waiters = &shared.waiters;
        // Since the last sleep.
        let mut checked_for_suspends = false;
        loop {
            if shared.forked() {
                return Err(WaitError::Now(NowError::Forked));
            }
            let seen = waiters.changes();
            let Some(remaining) = self.remaining_by_the_bound()? else { break };
            if give_up.is_some_and(|at| Instant::now() >= at) {
                return Err(WaitError::Timeout { waited: timeout.unwrap_or_default() });
            }
            let Remaining::Until { tick, stamp, length } = remaining else {
                waiters.wait(seen, give_up);
                continue;
            };
            let lead = shared.sleeper.lead();
            if length > lead || lead.is_zero() {
                checked_for_suspends = false;
                let due = Instant::now() + (length - lead);
                let _least = LeastSlack::new();
                waiters.wait(seen, Some(give_up.map_or(due, |give_up| give_up.min(due))));
                // Woken by a publication says nothing of how late a sleep ends.
                if Instant::now() >= due {
                    shared.sleeper.woke(due);
                }
                continue;
            }
            if !checked_for_suspends {
                // Before the last microseconds, not after them.
                self.clock.check_continuity();
                checked_for_suspends = true;
                continue;
            }
            shared.spin_until(tick, stamp, || false);
        }
        if checked_for_suspends {
            return Ok(());
        }
        match self.remaining()? {
            None => Ok(()),
            // A suspend that was noticed is an error, so this does not come.
            Some(_) => self.block(timeout),
        }
    }

    fn forget(&mut self) {
        let shared = self.clock.shared();
        if shared.forked() {
            return;
        }
        if let Some(key) = self.waker.take() {
            shared.waiters.deregister(&key);
        }
        if let Some(key) = self.pending.take() {
            shared.pending.deregister(&key);
        }
    }
}

enum Remaining {
    /// Past at this reading by the publication of this stamp, in so long.
    Until { tick: u64, stamp: u64, length: Duration },
    /// The counter moves only by hand, which notifies.
    Unknown,
}

impl Future for CommitWait {
    type Output = Result<(), WaitError>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let this = &mut *self;
        let shared = std::sync::Arc::clone(this.clock.shared());
        if shared.forked() {
            return Poll::Ready(Err(WaitError::Now(NowError::Forked)));
        }
        // Nothing to wait for needs no thread.
        let first = this.remaining_after_a_spin();
        if !matches!(first, Ok(Some(_))) {
            this.forget();
            return Poll::Ready(first.map(|_| ()));
        }
        // Registered before another look: what happens in between wakes us. By hand a counter moves
        // with a publication.
        let waker = context.waker().clone();
        let registered = if shared.counter.runs_by_itself() {
            this.forget();
            let start = || timer::start(&shared);
            shared
                .pending
                .register(this.timestamp.as_unix_nanos(), waker, start)
                .map(|key| this.pending = Some(key))
        } else {
            this.waker = Some(shared.waiters.register(this.waker.take(), waker));
            Ok(())
        };
        let result = match registered {
            Err(_) => Err(WaitError::NoTimer),
            Ok(()) => match this.remaining_after_a_spin() {
                Ok(Some(_)) => return Poll::Pending,
                Ok(None) => Ok(()),
                Err(error) => Err(error),
            },
        };
        this.forget();
        Poll::Ready(result)
    }
}

impl Drop for CommitWait {
    fn drop(&mut self) {
        self.forget();
    }
}

/// A commit wait with the value that may leave after it. A `Future`, or blocking by
/// [`wait`](GuardedWait::wait).
///
/// Dropped, it takes the value along. Where a wait may be cut short, as by a timeout, wait for
/// `&mut guarded` and [give it up](GuardedWait::give_up) afterwards.
///
/// # Panics
///
/// As a future, if it is polled after it has ended.
#[derive(Debug)]
#[must_use = "the value is given out only by a finished wait"]
pub struct GuardedWait<T> {
    wait: CommitWait,
    value: Option<T>,
}

/// A value whose commit timestamp is certainly in the past. Only a finished wait makes one, so a
/// function that takes it cannot be called by someone who forgot to wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub struct Past<T> {
    timestamp: Timestamp,
    value: T,
}

impl<T> Past<T> {
    /// The commit timestamp.
    pub fn timestamp(&self) -> Timestamp {
        self.timestamp
    }

    /// The value.
    pub fn get(&self) -> &T {
        &self.value
    }

    /// The value, on its way out.
    pub fn into_inner(self) -> T {
        self.value
    }
}

/// A guarded wait that failed: the error, and the value, whose outcome is unknown.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{error}")]
pub struct Unconfirmed<T> {
    /// Why.
    pub error: WaitError,
    /// The value given to [`guard`](CommitWait::guard). It must not be reported as committed.
    pub value: T,
}

impl<T> GuardedWait<T> {
    /// Blocks until the value may leave.
    ///
    /// # Errors
    ///
    /// [`Unconfirmed`]: the outcome is unknown; the value comes back.
    pub fn wait(mut self) -> Result<Past<T>, Unconfirmed<T>> {
        let result = self.wait.wait();
        self.finish(result)
    }

    /// Gives the wait up: the value comes back, and its outcome is unknown. `None` if the wait has
    /// ended, and has given it out already.
    ///
    /// With a runtime's timeout, wait by reference, so that the value is not lost with the future:
    ///
    /// ```
    /// # use std::time::Duration;
    /// # let interval: sureclock::TimeInterval = "2026-11-23T11:03:00Z ± 1 ms".parse()?;
    /// # let (clock, _time) = sureclock::SureClock::manual(interval);
    /// # let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build()?;
    /// # runtime.block_on(async {
    /// let s = clock.commit_timestamp()?;
    /// let mut guarded = clock.commit_wait(s).guard("reply");
    /// match tokio::time::timeout(Duration::from_millis(20), &mut guarded).await {
    ///     Ok(finished) => println!("{}", finished?.get()),
    ///     // It may be waited for again, or given up.
    ///     Err(_elapsed) => {
    ///         assert_eq!(guarded.give_up().map(|unconfirmed| unconfirmed.value), Some("reply"));
    ///     }
    /// }
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// # })?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn give_up(mut self) -> Option<Unconfirmed<T>> {
        self.value.take().map(|value| Unconfirmed { error: WaitError::GivenUp, value })
    }

    /// Blocks until the value may leave, for `timeout` at most. The wait can be taken up again.
    ///
    /// # Errors
    ///
    /// `Ok(None)` when the time is over, or the value has been given out already; [`Unconfirmed`]
    /// where no wait helps.
    pub fn wait_timeout(&mut self, timeout: Duration) -> Result<Option<Past<T>>, Unconfirmed<T>> {
        if self.value.is_none() {
            return Ok(None);
        }
        match self.wait.wait_timeout(timeout) {
            Err(WaitError::Timeout { .. }) => Ok(None),
            result => self.finish(result).map(Some),
        }
    }

    fn finish(&mut self, result: Result<(), WaitError>) -> Result<Past<T>, Unconfirmed<T>> {
        let value = self.value.take().expect("a guarded wait is finished once");
        match result {
            Ok(()) => Ok(Past { timestamp: self.wait.timestamp, value }),
            Err(error) => Err(Unconfirmed { error, value }),
        }
    }
}

// The value is moved out as a whole, never pinned.
impl<T> Unpin for GuardedWait<T> {}

impl<T> Future for GuardedWait<T> {
    type Output = Result<Past<T>, Unconfirmed<T>>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        Pin::new(&mut self.wait).poll(context).map(|result| self.finish(result))
    }
}

/// Resolves with the clock's first interval.
pub(crate) async fn synchronized(clock: &SureClock) -> Result<TimeInterval, NowError> {
    struct Registered<'a>(&'a Shared, Option<WakerKey>);
    impl Drop for Registered<'_> {
        fn drop(&mut self) {
            if let Some(key) = self.1.take().filter(|_| !self.0.forked()) {
                self.0.waiters.deregister(&key);
            }
        }
    }
    let mut registered = Registered(clock.shared(), None);
    std::future::poll_fn(|context| {
        if registered.0.forked() {
            return Poll::Ready(Err(NowError::Forked));
        }
        let key = registered.1.take();
        registered.1 = Some(registered.0.waiters.register(key, context.waker().clone()));
        match clock.now() {
            Ok(interval) => Poll::Ready(Ok(interval)),
            Err(error @ (NowError::Forked | NowError::SyncThreadDied)) => Poll::Ready(Err(error)),
            Err(_) => Poll::Pending,
        }
    })
    .await
}

/// However far the deadline: a look at the clock now and then.
const LONGEST_SLEEP: Duration = Duration::from_millis(500);

#[cfg(all(test, not(sureclock_loom)))]
mod tests;
