//! Leadership: a lease from a consensus store, with the sequence that fences its writes. The store
//! is yours: etcd, a database.

use crate::fence::{FencingError, FencingHolder};
use crate::lease::{Lease, LeaseClock, LeaseError};
use crate::resource::ResourceName;
use std::time::Duration;

/// A store that gives a lease to one holder at a time, and a sequence with it. Implement it over
/// the consensus store that you have.
pub trait LeaseStore {
    /// What may go wrong there. The outcome is unknown then.
    type Error;

    /// Takes the lease of this name if nobody has it; `None` if somebody has.
    ///
    /// # Errors
    ///
    /// The store was not reached, or did not answer: it may be taken.
    fn acquire(&mut self, name: &str, term: Duration) -> Result<Option<Acquired>, Self::Error>;

    /// Renews the lease that this store object acquired; the term granted, or `None` if it is lost.
    ///
    /// # Errors
    ///
    /// As [`acquire`](LeaseStore::acquire).
    fn renew(&mut self, name: &str) -> Result<Option<Duration>, Self::Error>;
}

/// What a store gives with a lease.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Acquired {
    /// Higher than every one that was given out for this name before: etcd's revision, a row's
    /// counter.
    pub sequence: u64,
    /// For how long from the receipt of the request on the lease is given to nobody else, in **true
    /// time**: the store's own term, less what its clock may be too fast by.
    pub term: Duration,
}

/// A lease that was acquired from a store, and the holder that fences its writes.
///
/// The lease says when to stop; the [`fence`](crate::fence) keeps out whoever does not hear of it.
#[derive(Debug)]
pub struct Leadership {
    name: ResourceName,
    term: Duration,
    lease: Lease,
    holder: FencingHolder,
}

/// Why there is no leadership.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum LeadershipError<E> {
    /// The store failed; whether the lease was granted is unknown, and if so it ends by itself.
    #[error("the store failed: {0}")]
    Store(E),
    /// There is no lease.
    #[error(transparent)]
    Lease(#[from] LeaseError),
    /// The store's sequence is no sequence.
    #[error(transparent)]
    Fencing(#[from] FencingError),
}

impl Leadership {
    /// Acquires the lease of this name, if nobody has it. The term counts from before the store is
    /// asked; the nonce is drawn after its answer.
    ///
    /// # Errors
    ///
    /// [`LeadershipError`].
    pub fn acquire<S: LeaseStore>(
        store: &mut S,
        clock: &impl LeaseClock,
        name: ResourceName,
        term: Duration,
    ) -> Result<Option<Leadership>, LeadershipError<S::Error>> {
        let mut lease = Lease::new(name)?;
        let request = lease.request(clock, term)?;
        let Some(acquired) = store.acquire(name.as_str(), term).map_err(LeadershipError::Store)?
        else {
            return Ok(None);
        };
        lease.granted(clock, &request.granted_by_store(acquired.term))?;
        let holder = FencingHolder::new(acquired.sequence)?;
        Ok(Some(Leadership { name, term, lease, holder }))
    }

    /// Renews the lease; false if the store says that it is lost. What was granted before is held
    /// as before if the store does not answer.
    ///
    /// # Errors
    ///
    /// [`LeadershipError`].
    pub fn renew<S: LeaseStore>(
        &mut self,
        store: &mut S,
        clock: &impl LeaseClock,
    ) -> Result<bool, LeadershipError<S::Error>> {
        let request = self.lease.request(clock, self.term)?;
        let Some(term) = store.renew(self.name.as_str()).map_err(LeadershipError::Store)? else {
            return Ok(false);
        };
        self.lease.granted(clock, &request.granted_by_store(term))?;
        Ok(true)
    }

    /// The lease: ask it before each act.
    #[must_use]
    pub fn lease(&self) -> &Lease {
        &self.lease
    }

    /// Makes the writers to the resources, each with the name of its resource: that of the lease,
    /// or those of its parts.
    #[must_use]
    pub fn holder(&self) -> &FencingHolder {
        &self.holder
    }
}

#[cfg(all(test, not(sureclock_loom)))]
mod tests {
    use super::*;
    use crate::clock::SureClock;

    const S: Duration = Duration::from_secs(1);

    /// One lease, in the memory of a test; a store that fails says so once.
    struct Store {
        sequence: u64,
        held: bool,
        fails: bool,
    }

    impl LeaseStore for Store {
        type Error = &'static str;

        fn acquire(
            &mut self,
            _name: &str,
            term: Duration,
        ) -> Result<Option<Acquired>, &'static str> {
            if std::mem::take(&mut self.fails) {
                return Err("not reached");
            }
            if std::mem::replace(&mut self.held, true) {
                return Ok(None);
            }
            self.sequence += 1;
            Ok(Some(Acquired { sequence: self.sequence, term: term / 2 }))
        }

        fn renew(&mut self, _name: &str) -> Result<Option<Duration>, &'static str> {
            if std::mem::take(&mut self.fails) {
                return Err("not reached");
            }
            Ok(self.held.then_some(5 * S))
        }
    }

    #[test]
    fn leadership_is_held_for_what_the_store_promises_and_lost_with_it() {
        let (clock, time) = SureClock::manual("2026-11-23T11:03:00Z ± 1 ms".parse().unwrap());
        let x: ResourceName = "x".parse().unwrap();
        let mut store = Store { sequence: 0, held: false, fails: false };
        let mut first = Leadership::acquire(&mut store, &clock, x, 10 * S).unwrap().unwrap();
        assert!(Leadership::acquire(&mut store, &clock, x, 10 * S).unwrap().is_none());
        time.advance(4 * S);
        store.fails = true;
        assert_eq!(first.renew(&mut store, &clock), Err(LeadershipError::Store("not reached")));
        assert!(first.lease().state(&clock).is_held(), "as before");
        assert_eq!(first.renew(&mut store, &clock), Ok(true));
        time.advance(4 * S);
        assert!(first.lease().state(&clock).is_held());
        time.advance(S);
        assert!(!first.lease().state(&clock).is_held());
        store.held = false;
        assert_eq!(first.renew(&mut store, &clock), Ok(false));
        let second = Leadership::acquire(&mut store, &clock, x, 10 * S).unwrap().unwrap();
        let sequence = |leadership: &Leadership| leadership.holder().writer(x).barrier().sequence;
        assert!(sequence(&second) > sequence(&first));
    }
}
