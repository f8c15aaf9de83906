//! The holder's side: requests, grants, and whether the lease is held.

use super::message::Secret;
use super::{HolderId, LeaseGrant, LeaseRelease, LeaseRequest};
use super::{LeaseClock, LeaseForm, LeaseState, interval_of, of_one_incarnation};
use crate::counter::ProcessMark;
use crate::random;
use crate::resource::ResourceName;
use crate::time::{MonotonicTime, TimeInterval, Timescale, Timestamp};
use std::collections::VecDeque;
use std::future::Future;
use std::time::Duration;

/// A lease as its holder knows it.
///
/// ```
/// use std::time::Duration;
/// use sureclock::{Guarded, Lease, LeaseForm, LeaseGrantor, SureClock};
///
/// # let interval: sureclock::TimeInterval = "2026-11-23T11:03:00Z ± 1 ms".parse()?;
/// # let (clock, time) = SureClock::manual(interval);
/// # let grantors_clock = &clock;
/// // On another machine:
/// let leader = "accounts".parse()?;
/// let mut grantor = LeaseGrantor::first_ever(leader, LeaseForm::Both, Duration::from_secs(10));
///
/// let mut lease = Lease::new(leader)?;
/// // A new request for each transmission.
/// let request = lease.request(&clock, Duration::from_secs(10))?;
/// let grant = grantor.grant(grantors_clock, &request)?; // .. over the network, there and back ..
/// lease.granted(&clock, &grant)?;
///
/// match lease.guard(&clock, || "written") {
///     Guarded::HeldThroughout(written) => println!("{written}"),
///     Guarded::CannotKnow(_) => println!("done, but perhaps beside another holder"),
///     Guarded::NotHeld(state) => println!("not done: {state:?}"),
///     _ => unreachable!(),
/// }
/// # time.advance(Duration::from_secs(11));
/// # assert!(!lease.state(&clock).is_held());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// A pause between the look and the act cannot be seen beforehand by anyone: what must not happen
/// twice needs a [fence](crate::fence) at the resource.
#[derive(Debug)]
pub struct Lease {
    resource: ResourceName,
    holder: HolderId,
    secret: Secret,
    /// The child of a fork is a copy: it holds nothing and gives nothing up.
    process: ProcessMark,
    /// Requests without an answer, the last ones.
    sent: VecDeque<Sent>,
    by_duration: Option<ByDuration>,
    by_deadline: Option<ByDeadline>,
    form: Option<LeaseForm>,
}

/// What was read before a request was sent.
#[derive(Clone, Copy, Debug)]
struct Sent {
    nonce: u128,
    /// What was asked for: no grant counts for more.
    term: Duration,
    reading: MonotonicTime,
    interval: Option<TimeInterval>,
}

#[derive(Clone, Copy, Debug)]
struct ByDuration {
    sent: MonotonicTime,
    term: Duration,
}

#[derive(Clone, Copy, Debug)]
struct ByDeadline {
    sent: MonotonicTime,
    deadline: Timestamp,
}

/// Why a grant does not count.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum LeaseError {
    /// It is for another resource.
    #[error("the grant is for another resource than {lease}")]
    OtherResource {
        /// What this lease is for.
        lease: ResourceName,
    },
    /// It answers another holder's request.
    #[error("the grant is for another holder")]
    OtherHolder,
    /// It answers no request that is still known: it has counted already, or eight were sent since.
    #[error("the grant answers no request that is still open")]
    UnknownRequest,
    /// It is by deadline, and the clock had no interval when the request was sent.
    #[error("a lease by deadline, and there was no certain time when it was requested")]
    NoInterval,
    /// The deadline is beyond the representable times.
    #[error("the deadline is beyond the representable times")]
    OutOfRange,
    /// The grantor has changed the form since the last grant.
    #[error("the grant is of another form than the one before")]
    OtherForm,
    /// The system has no random numbers.
    #[error("the system has no random numbers")]
    NoRandom,
    /// This is the child of a fork: the lease is its parent's. Make one of its own, on a clock of
    /// its own.
    #[error("this process was forked from the one that made the lease")]
    Forked,
}

impl Lease {
    /// A lease for a resource that nobody has granted yet, with a fresh identity.
    ///
    /// # Errors
    ///
    /// [`LeaseError::NoRandom`].
    pub fn new(resource: ResourceName) -> Result<Lease, LeaseError> {
        let (holder, secret) = (HolderId(random()?), Secret(random()?));
        let (process, sent) = (ProcessMark::take(), VecDeque::new());
        Ok(Lease {
            resource,
            holder,
            secret,
            process,
            sent,
            by_duration: None,
            by_deadline: None,
            form: None,
        })
    }

    /// What it is for.
    #[must_use]
    pub fn resource(&self) -> ResourceName {
        self.resource
    }

    /// Who this is.
    #[must_use]
    pub fn holder(&self) -> HolderId {
        self.holder
    }

    /// A request, for the lease or for a renewal. The term counts from this call: send it right
    /// afterwards, once. To send it again, ask for another one: an answer to the first must not
    /// count from the second.
    ///
    /// # Errors
    ///
    /// [`LeaseError::NoRandom`], [`LeaseError::Forked`].
    pub fn request(
        &mut self,
        clock: &impl LeaseClock,
        term: Duration,
    ) -> Result<LeaseRequest, LeaseError> {
        if !self.process.holds() {
            return Err(LeaseError::Forked);
        }
        let nonce = random()?;
        let reading = clock.lease_reading();
        let interval = interval_of(clock, reading).ok().flatten();
        if self.sent.len() == MOST_OPEN {
            self.sent.pop_front();
        }
        self.sent.push_back(Sent { nonce, term, reading, interval });
        let Lease { resource, holder, secret, .. } = *self;
        Ok(LeaseRequest { resource, holder, secret, nonce, term })
    }

    /// Counts the answer to a request. However late it comes, and in whatever order; no term is
    /// shortened by it. A grant for longer than was asked counts for what was asked.
    ///
    /// # Errors
    ///
    /// [`LeaseError`]: the grant does not count, and what was held before is held as before.
    pub fn granted(
        &mut self,
        clock: &impl LeaseClock,
        grant: &LeaseGrant,
    ) -> Result<(), LeaseError> {
        if !self.process.holds() {
            return Err(LeaseError::Forked);
        }
        if grant.resource != self.resource {
            return Err(LeaseError::OtherResource { lease: self.resource });
        }
        if grant.holder != self.holder {
            return Err(LeaseError::OtherHolder);
        }
        if self.form.is_some_and(|form| form != grant.form) {
            return Err(LeaseError::OtherForm);
        }
        let open = self.sent.iter().position(|sent| sent.nonce == grant.nonce);
        let sent =
            open.and_then(|index| self.sent.remove(index)).ok_or(LeaseError::UnknownRequest)?;
        let term = grant.term.min(sent.term);
        let by_deadline = match grant.form.by_deadline() {
            false => None,
            true => {
                let earliest = sent.interval.ok_or(LeaseError::NoInterval)?.earliest();
                let deadline = earliest.checked_add(term).ok_or(LeaseError::OutOfRange)?;
                Some(ByDeadline { sent: sent.reading, deadline })
            }
        };
        self.form = Some(grant.form);
        if grant.form.by_duration() {
            let new = ByDuration { sent: sent.reading, term };
            self.by_duration = Some(self.by_duration.map_or(new, |old| old.or_longer(new, clock)));
        }
        if let Some(new) = by_deadline {
            self.by_deadline = Some(self.by_deadline.map_or(new, |old| old.or_later(new)));
        }
        Ok(())
    }

    /// Whether the lease is held. It looks for a suspend first.
    pub fn state(&self, clock: &impl LeaseClock) -> LeaseState {
        if !self.process.holds() {
            return LeaseState::Indeterminate;
        }
        let by_duration = self.by_duration.map(|lease| lease.state(clock));
        let by_deadline = self.by_deadline.map(|lease| lease.state(clock));
        match (by_duration, by_deadline) {
            (None, None) => LeaseState::Expired,
            (Some(state), None) | (None, Some(state)) => state,
            (Some(a), Some(b)) => a.and(b),
        }
    }

    /// Does `work` if the lease is held, and says whether it was held until `work` returned. What
    /// is only begun then, a future or a lazy iterator, is not done: for futures there is
    /// [`guard_async`](Lease::guard_async).
    pub fn guard<T>(&self, clock: &impl LeaseClock, work: impl FnOnce() -> T) -> Guarded<T> {
        let before = self.state(clock);
        if !before.is_held() {
            return Guarded::NotHeld(before);
        }
        self.held_throughout(clock, work())
    }

    /// As [`guard`](Lease::guard), for a future: it is polled first when the lease is held, and the
    /// lease is looked at when it is done.
    pub async fn guard_async<T>(
        &self,
        clock: &impl LeaseClock,
        work: impl Future<Output = T>,
    ) -> Guarded<T> {
        let before = self.state(clock);
        if !before.is_held() {
            return Guarded::NotHeld(before);
        }
        self.held_throughout(clock, work.await)
    }

    /// Held at the end is held throughout: true time was before the end of the term then, and so
    /// all the while.
    fn held_throughout<T>(&self, clock: &impl LeaseClock, done: T) -> Guarded<T> {
        if self.state(clock).is_held() {
            Guarded::HeldThroughout(done)
        } else {
            Guarded::CannotKnow(done)
        }
    }

    /// Gives the lease up, with every answer that may still come. `None` in the child of a fork: it
    /// is not the child's to give up.
    pub fn release(self) -> Option<LeaseRelease> {
        let Lease { resource, holder, secret, .. } = self;
        self.process.holds().then_some(LeaseRelease { resource, holder, secret })
    }
}

fn random() -> Result<u128, LeaseError> {
    let mut bytes = [0; 16];
    random::fill(&mut bytes).map_err(|_| LeaseError::NoRandom)?;
    Ok(u128::from_ne_bytes(bytes))
}

impl ByDuration {
    fn state(self, clock: &impl LeaseClock) -> LeaseState {
        let now = clock.lease_reading();
        let Some(elapsed) = clock.lease_elapsed(self.sent, now) else {
            return LeaseState::Indeterminate;
        };
        match self.term.checked_sub(elapsed.at_most) {
            Some(at_least) if !at_least.is_zero() => LeaseState::Held { at_least },
            _ if elapsed.at_least >= self.term => LeaseState::Expired,
            _ => LeaseState::Indeterminate,
        }
    }

    /// The new one, unless the old one may reach further. Either would be true.
    fn or_longer(self, new: ByDuration, clock: &impl LeaseClock) -> ByDuration {
        if !of_one_incarnation(self.sent, new.sent) {
            // The one of an earlier incarnation is worth nothing; the counter's incarnations rise.
            return if self.sent.incarnation() > new.sent.incarnation() { self } else { new };
        }
        let gained = clock.lease_elapsed(self.sent, new.sent).map(|between| between.at_least);
        // `None` also if the new one was sent before the old one.
        if gained.is_some_and(|gained| new.term.saturating_add(gained) >= self.term) {
            new
        } else {
            self
        }
    }
}

impl ByDeadline {
    fn state(self, clock: &impl LeaseClock) -> LeaseState {
        // It looks for a suspend first.
        let reading = clock.lease_reading();
        if !of_one_incarnation(self.sent, reading) {
            return LeaseState::Indeterminate;
        }
        let Ok(Some(now)) = interval_of(clock, reading) else { return LeaseState::Indeterminate };
        if now.earliest() > self.deadline {
            return LeaseState::Expired;
        }
        match self.deadline.checked_duration_since(now.latest()) {
            Some(at_least) if now.latest() < self.deadline => {
                // A second may be left out at a midnight before its end, announced or not yet: then
                // it comes a second sooner.
                let skipped = if may_skip_a_second(&now, self.deadline) {
                    Duration::from_secs(1)
                } else {
                    Duration::ZERO
                };
                LeaseState::Held { at_least: at_least.saturating_sub(skipped) }
            }
            _ => LeaseState::Indeterminate,
        }
    }

    fn or_later(self, new: ByDeadline) -> ByDeadline {
        if !of_one_incarnation(self.sent, new.sent) {
            return if self.sent.incarnation() > new.sent.incarnation() { self } else { new };
        }
        ByDeadline { sent: self.sent, deadline: self.deadline.max(new.deadline) }
    }
}

/// Whether a leap second may leave out a second between now and then: the last one before a
/// midnight of UTC.
fn may_skip_a_second(now: &TimeInterval, until: Timestamp) -> bool {
    const DAY_NS: i64 = 86_400_000_000_000;
    let midnight =
        now.earliest().as_unix_nanos().div_euclid(DAY_NS).saturating_add(1).saturating_mul(DAY_NS);
    now.timescale() == Timescale::Utc
        && midnight.saturating_sub(1_000_000_000) <= until.as_unix_nanos()
}

/// What became of work that was to be done under a lease.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use = "whether the lease was held is what this says"]
#[non_exhaustive]
pub enum Guarded<T> {
    /// The lease was held before and after, and so all the while.
    HeldThroughout(T),
    /// The work is done, and the lease may have ended meanwhile: another holder may have acted too.
    CannotKnow(T),
    /// The lease was not certainly held: the work was not begun.
    NotHeld(LeaseState),
}

/// Requests that may still be answered. Fewer: answers on slow paths come to nothing; more: as much
/// more to search.
const MOST_OPEN: usize = 8;
