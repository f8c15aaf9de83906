//! The grantor's side: to whom the lease is granted, and when it is free again.

use super::message::Secret;
use super::{HolderId, LeaseGrant, LeaseRelease, LeaseRequest};
use super::{LeaseClock, LeaseForm, interval_of};
use crate::bound::NowError;
use crate::counter::ProcessMark;
use crate::resource::ResourceName;
use crate::time::{CounterId, MonotonicTime, Timestamp};
use std::time::Duration;

/// Whoever grants the lease for one resource, to one holder at a time.
///
/// Against accidents, not forgers: whoever may send requests can take the lease when it is free.
/// Nobody but its holder can renew or release it who has not read the holder's messages; its
/// [name](LeaseGrantor::holder) is not enough.
///
/// Its state is in memory. Whoever takes over after it, a restarted process too, begins with
/// [`restarted`](LeaseGrantor::restarted) and waits for the longest term ever offered; or, by
/// deadline, with [`recovered`](LeaseGrantor::recovered) from what was stored.
///
/// The memory of a virtual machine that is restored from a snapshot has forgotten grants. Where its
/// [VM clock device](crate::Builder::vm_clock) tells of that, or of a move, which it does not tell
/// apart, the grantor goes on as one that was restarted: nothing is granted or renewed for the
/// longest term. It knows of restores since its first call with a clock; so make that when you make
/// it ([`is_free`](LeaseGrantor::is_free)). And it knows them by the clock: use one for its life,
/// for at the first call with another one it goes on as restarted, too. Where nothing tells, or two
/// copies of the machine grant, only a [fence](crate::fence) helps.
#[derive(Debug)]
pub struct LeaseGrantor {
    /// The child of a fork is no grantor: its parent is.
    process: ProcessMark,
    resource: ResourceName,
    form: LeaseForm,
    longest: Duration,
    promise: Option<Promise>,
    released: Option<Holder>,
    /// How often the machine had been restored at the last call with each clock.
    restores: Vec<(CounterId, u32)>,
}

/// A holder's name, and what shows that it is the one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Holder(HolderId, Secret);

/// The end of all that was granted to one holder, or by a grantor before.
#[derive(Clone, Copy, Debug)]
struct Promise {
    /// `None`: whoever had it from a grantor before.
    holder: Option<Holder>,
    /// After the receipt of the last request.
    received: MonotonicTime,
    /// The longest term granted: counted from the last receipt it is no less than any.
    term: Duration,
    /// `X_g`; `None`: to be found, when there is an interval.
    deadline: Option<Timestamp>,
}

/// Why nothing is granted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum LeaseRefused {
    /// The request is for another resource.
    #[error("the request is for another resource than {grantor}")]
    OtherResource {
        /// What this grantor grants.
        grantor: ResourceName,
    },
    /// Another one holds it, or may.
    #[error("the lease is held by another one, or may be")]
    Held,
    /// The holder that released last: a request of before came late. (Of one that released before
    /// that, such a request is granted if the lease is free, and nobody has it for a term.)
    #[error("the holder has released the lease")]
    Released,
    /// A lease by deadline, and the clock has no interval.
    #[error("a lease by deadline, and there is no certain time: {0}")]
    Now(#[from] NowError),
    /// The clock was disrupted since it received the request. Nothing is granted; the holder may
    /// ask again.
    #[error("the clock was disrupted since it received the request")]
    DisruptedMeanwhile,
    /// The deadline is beyond the representable times.
    #[error("the deadline is beyond the representable times")]
    OutOfRange,
    /// The clock cannot say how much time passes: its counter is not trusted now.
    #[error("the clock cannot measure time now")]
    NoCounter,
    /// This is the child of a fork, and the grantor is its parent's.
    #[error("this process was forked from the one that made the grantor")]
    Forked,
}

impl LeaseGrantor {
    /// A grantor for a lease that **nobody has ever granted**: it is free at once.
    #[must_use]
    pub fn first_ever(
        resource: ResourceName,
        form: LeaseForm,
        longest_term: Duration,
    ) -> LeaseGrantor {
        LeaseGrantor {
            process: ProcessMark::take(),
            resource,
            form,
            longest: longest_term,
            promise: None,
            released: None,
            restores: Vec::new(),
        }
    }

    /// A grantor that comes after another one, a restarted process say: free only when the longest
    /// term that any of them ever offered is over. `longest_term` must be no less than that.
    #[must_use]
    pub fn restarted(
        resource: ResourceName,
        form: LeaseForm,
        longest_term: Duration,
        clock: &impl LeaseClock,
    ) -> LeaseGrantor {
        let mut grantor = LeaseGrantor::first_ever(resource, form, longest_term);
        grantor.begin_again(clock);
        grantor
    }

    /// The grantor as it comes out of a snapshot of now.
    #[cfg(test)]
    pub(super) fn remembered(&self) -> LeaseGrantor {
        LeaseGrantor { restores: self.restores.clone(), ..*self }
    }

    /// Nothing is known of what was granted, but that it was for the longest term at most.
    fn begin_again(&mut self, clock: &impl LeaseClock) {
        let received = clock.lease_reading();
        let mut promise = Promise { holder: None, received, term: self.longest, deadline: None };
        promise.find_deadline(clock, received);
        (self.promise, self.released) = (Some(promise), None);
        self.mind_restores(clock);
    }

    /// If the machine was restored since the last call, its memory may be of before grants that
    /// others know of. A clock that it does not know may have been built after that.
    fn mind_restores(&mut self, clock: &impl LeaseClock) {
        let id = clock.lease_reading().counter();
        // After the look that the reading makes.
        let now = clock.lease_restores();
        match self.restores.iter_mut().find(|(known, _)| *known == id) {
            Some((_, seen)) if *seen == now => {}
            Some((_, seen)) => {
                *seen = now;
                self.begin_again(clock);
            }
            None => {
                let is_first = self.restores.is_empty();
                self.restores.push((id, now));
                if !is_first {
                    self.begin_again(clock);
                }
            }
        }
    }

    /// A grantor of leases by deadline that comes after another one, on this machine or any other,
    /// and knows from storage until when that one had [promised](LeaseGrantor::promised_until) on
    /// the same timescale: free when that is past, without waiting for a longest term.
    /// `longest_term` counts should the clock be disrupted meanwhile, and must be no less than any
    /// ever offered.
    #[must_use]
    pub fn recovered(
        resource: ResourceName,
        longest_term: Duration,
        promised_until: Timestamp,
        clock: &impl LeaseClock,
    ) -> LeaseGrantor {
        let mut grantor =
            LeaseGrantor::restarted(resource, LeaseForm::Deadline, longest_term, clock);
        if let Some(promise) = &mut grantor.promise {
            promise.deadline = Some(promised_until);
        }
        grantor
    }

    /// Until when all that was granted is promised, by deadline: to be stored, where a successor
    /// will find it, **before a grant is sent**.
    ///
    /// `None`: nothing is promised by deadline, or the clock was disrupted since and has no
    /// interval. Leave what is stored then.
    #[must_use]
    pub fn promised_until(&self) -> Option<Timestamp> {
        self.promise.and_then(|promise| promise.deadline)
    }

    /// Grants a term, or renews it, counted from this call; at most the longest term.
    ///
    /// # Errors
    ///
    /// [`LeaseRefused`]; what was granted before is as it was.
    pub fn grant(
        &mut self,
        clock: &impl LeaseClock,
        request: &LeaseRequest,
    ) -> Result<LeaseGrant, LeaseRefused> {
        if !self.process.holds() {
            return Err(LeaseRefused::Forked);
        }
        let LeaseRequest { resource, holder, secret, nonce, term } = *request;
        if resource != self.resource {
            return Err(LeaseRefused::OtherResource { grantor: self.resource });
        }
        self.mind_restores(clock);
        let asks = Some(Holder(holder, secret));
        if self.released == asks {
            return Err(LeaseRefused::Released);
        }
        let renewed = self.promise.filter(|promise| promise.holder == asks);
        if renewed.is_none() && !self.is_free(clock) {
            // Free, but for a clock that cannot say so.
            let nobody = self.promise.is_none();
            return Err(if nobody { LeaseRefused::NoCounter } else { LeaseRefused::Held });
        }
        let received = clock.lease_reading();
        if clock.lease_elapsed(received, received).is_none() {
            return Err(LeaseRefused::NoCounter);
        }
        let term = term.min(self.longest);
        // Nothing granted before reaches further than the longest term from now; what the clock
        // said before need not be believed.
        let reach = renewed.map_or(term, |promise| promise.term.max(term));
        let deadline = match self.form.by_deadline() {
            false => None,
            true => Some(
                interval_of(clock, received)?
                    .ok_or(LeaseRefused::DisruptedMeanwhile)?
                    .latest()
                    .checked_add(reach)
                    .ok_or(LeaseRefused::OutOfRange)?,
            ),
        };
        self.promise = Some(Promise { holder: asks, received, term: reach, deadline });
        Ok(LeaseGrant { resource, holder, nonce, form: self.form, term })
    }

    /// Whether nobody holds the lease, certainly. Never in the child of a fork.
    pub fn is_free(&mut self, clock: &impl LeaseClock) -> bool {
        if !self.process.holds() {
            return false;
        }
        self.mind_restores(clock);
        let now = clock.lease_reading();
        let Some(promise) = &mut self.promise else {
            return clock.lease_elapsed(now, now).is_some();
        };
        let Some(elapsed) = clock.lease_elapsed(promise.received, now) else {
            // Nothing is known of the time since: all of the term is counted again from here, and
            // no deadline of before counts.
            promise.received = now;
            promise.deadline = None;
            promise.find_deadline(clock, now);
            return false;
        };
        let free_by_duration = !self.form.by_duration() || elapsed.at_least >= promise.term;
        let free_by_deadline = !self.form.by_deadline() || promise.is_past(clock, now);
        free_by_duration && free_by_deadline
    }

    /// The holder gives the lease up. True if it was granted to it; a release of another holder,
    /// with another secret or for another resource changes nothing.
    pub fn release(&mut self, release: &LeaseRelease) -> bool {
        let gives_up = Some(Holder(release.holder, release.secret));
        let ours = release.resource == self.resource
            && self.promise.is_some_and(|promise| promise.holder == gives_up);
        if ours {
            self.promise = None;
            self.released = gives_up;
        }
        ours
    }

    /// Who holds the lease, or held it last.
    #[must_use]
    pub fn holder(&self) -> Option<HolderId> {
        self.promise.and_then(|promise| promise.holder).map(|Holder(name, _)| name)
    }
}

impl Promise {
    /// No grant was later than `now`. Without an interval it is to be found later; beyond the
    /// representable times it is never past.
    fn find_deadline(&mut self, clock: &impl LeaseClock, now: MonotonicTime) {
        let interval = interval_of(clock, now).ok().flatten();
        self.deadline =
            interval.map(|now| now.latest().checked_add(self.term).unwrap_or(Timestamp::MAX));
    }

    fn is_past(&mut self, clock: &impl LeaseClock, now: MonotonicTime) -> bool {
        let Some(deadline) = self.deadline else {
            self.find_deadline(clock, now);
            return false;
        };
        interval_of(clock, now).is_ok_and(|now| now.is_some_and(|now| now.earliest() > deadline))
    }
}
