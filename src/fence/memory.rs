//! A resource in this process's memory behind a fence. A write works on a copy, which is put in
//! place with the state: all of it or nothing.

use crate::resource::ResourceName;

use super::{Admitted, FenceState, FencingToken, Rejected, admit};
use parking_lot::{Mutex, MutexGuard};
use std::ops::{Deref, DerefMut};

/// A resource in this process's memory with its fence: written to only through a token that is
/// admitted, and held meanwhile.
///
/// The child of a fork has a copy of it that no other process sees, and that may be held for ever
/// by a thread that the child does not have: do not use it there.
///
/// ```
/// use sureclock::fence::{Fence, FencingHolder, Locked};
///
/// let name: sureclock::ResourceName = "accounts/17".parse()?;
/// let balance = Fence::new(name, 100);
/// let mut old = FencingHolder::new(1)?.writer(name);
/// let mut new = FencingHolder::new(2)?.writer(name);
/// balance.lock(&old.barrier())?;
/// balance.lock(&new.barrier())?;
/// match balance.lock(&new.token(b"90")?)? {
///     Locked::Write(mut guard) => {
///         *guard = 90;
///         guard.commit();
///     }
///     Locked::BarrierSet | Locked::Retry => {} // nothing to write
/// }
/// // The old holder wakes up.
/// assert!(balance.lock(&old.token(b"50")?).is_err());
/// assert_eq!(balance.read(), 90);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct Fence<R> {
    inner: Mutex<(FenceState, R)>,
}

/// What a token is good for.
#[derive(Debug)]
#[must_use = "a write is made through its guard"]
pub enum Locked<'a, R> {
    /// Write through this, and commit.
    Write(FenceGuard<'a, R>),
    /// The token was a barrier: it is set.
    BarrierSet,
    /// The last token once more: it was made already. Answer as then.
    Retry,
}

impl<R> Fence<R> {
    /// A resource that nobody has written to.
    #[must_use]
    pub const fn new(name: ResourceName, resource: R) -> Fence<R> {
        Fence::with_state(FenceState::new(name), resource)
    }

    /// A resource with what is known of its writers.
    #[must_use]
    pub const fn with_state(state: FenceState, resource: R) -> Fence<R> {
        Fence { inner: Mutex::new((state, resource)) }
    }

    /// Holds the resource for the write of `token`, or sets the barrier. Blocks while somebody else
    /// holds it: do not call it, nor any other method here, on a thread that has a guard of this
    /// fence.
    ///
    /// # Errors
    ///
    /// [`Rejected`]: nothing is changed.
    pub fn lock(&self, token: &FencingToken) -> Result<Locked<'_, R>, Rejected>
    where
        R: Clone,
    {
        let mut inner = self.inner.lock();
        Ok(match admit(&inner.0, token)? {
            Admitted::Retry => Locked::Retry,
            Admitted::Write(new) if new.write == 0 => {
                inner.0 = new;
                Locked::BarrierSet
            }
            Admitted::Write(new) => {
                let copy = inner.1.clone();
                Locked::Write(FenceGuard { inner, copy, new })
            }
        })
    }

    /// A copy of the resource as it is. Blocks while somebody writes.
    #[must_use]
    pub fn read(&self) -> R
    where
        R: Clone,
    {
        self.inner.lock().1.clone()
    }

    /// The last token admitted. Blocks while somebody writes.
    #[must_use]
    pub fn state(&self) -> FenceState {
        self.inner.lock().0
    }
}

/// The resource, held for one write: a copy of it, which [`commit`](FenceGuard::commit) puts in
/// place. Dropped without, by an early return or a panic, nothing was written, and the same token
/// can be used again.
#[derive(Debug)]
#[must_use = "the write is made by its commit"]
pub struct FenceGuard<'a, R> {
    inner: MutexGuard<'a, (FenceState, R)>,
    copy: R,
    new: FenceState,
}

impl<R> FenceGuard<'_, R> {
    /// Makes the write: what was written and whose it is, in one.
    pub fn commit(mut self) {
        *self.inner = (self.new, self.copy);
    }
}

impl<R> Deref for FenceGuard<'_, R> {
    type Target = R;

    fn deref(&self) -> &R {
        &self.copy
    }
}

impl<R> DerefMut for FenceGuard<'_, R> {
    fn deref_mut(&mut self) -> &mut R {
        &mut self.copy
    }
}
