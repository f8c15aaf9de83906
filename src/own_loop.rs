//! `OwnLoop`: the synchronizer for a program that does its own input and output.

use crate::bound::{DisruptionReason, Facts};
use crate::counter::{Counter, Scope};
use crate::sync::{Ask, AskId, Problem, SharedSynchronizer, Synchronizer};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

/// Decides when to ask which source, and publishes what their facts agree on; you do the asking.
///
/// A clock started by [`Builder::start`](crate::Builder::start) does this in a thread. With
/// [`Builder::own_loop`](crate::Builder::own_loop) you do it: ask what
/// [`next_ask`](OwnLoop::next_ask) says, report [`answered`](OwnLoop::answered) or
/// [`failed`](OwnLoop::failed), and come back after [`wake_after`](OwnLoop::wake_after). Nothing
/// here blocks, but where there is a [VM clock device](crate::Builder::vm_clock): for 20 ms or so
/// in the middle of an update that a hypervisor does not finish, and after a move for some tenth of
/// a second at a time, in [`next_ask`](OwnLoop::next_ask), while the cores are compared; the same
/// when the process may run on further cores. `examples/own_loop.rs` is a whole program.
///
/// [`next_ask`](OwnLoop::next_ask) and [`answered`](OwnLoop::answered) look for a suspend and at
/// the hardware counter, as the thread does; so come back at least as often as you want such things
/// to be noticed. A loop that stops asking lets the last answer age; one that sees a restore of the
/// machine by other means than the [VM clock device](crate::Builder::vm_clock) must say so with
/// [`disrupt`](OwnLoop::disrupt). Dropping it makes every later reading an error.
///
/// **Addresses.** Either resolve each source's name once at the start and pass all its addresses to
/// [`resolved`](OwnLoop::resolved); then ask [`Ask::address`](crate::Ask::address), and look up
/// again what [`next_lookup`](OwnLoop::next_lookup) names. Or choose an address yourself and
/// report it by [`located`](OwnLoop::located).
///
/// A program that enters another time namespace finds its clock disrupted at the next call here;
/// until then readings may be off by the namespace's offset, so call
/// [`next_ask`](OwnLoop::next_ask) right after it.
///
/// In the child of a fork it asks nothing and does nothing, whatever a thread of the parent was
/// doing with it; the clock there says [`Forked`](crate::NowError::Forked).
#[derive(Debug)]
pub struct OwnLoop {
    synchronizer: Arc<SharedSynchronizer>,
    counter: Counter,
}

impl OwnLoop {
    pub(crate) fn new(synchronizer: Arc<SharedSynchronizer>, counter: Counter) -> OwnLoop {
        OwnLoop { synchronizer, counter }
    }

    /// The next question that is due, if any. Call until `None`. Looks first whether the counter
    /// ran on.
    #[must_use]
    pub fn next_ask(&self) -> Option<Ask> {
        let synchronizer = self.here()?;
        synchronizer.check_continuity(&self.counter, Scope::All);
        synchronizer.lock().next_ask(self.counter.read())
    }

    /// How long until [`next_ask`](OwnLoop::next_ask) is to be called again, at the latest.
    #[must_use]
    pub fn wake_after(&self) -> Duration {
        self.here().map_or(Duration::MAX, |synchronizer| {
            synchronizer.lock().wake_after(self.counter.read())
        })
    }

    /// Whether the question still waits for its answer. After its timeout or a disruption it does
    /// not.
    #[must_use]
    pub fn awaits(&self, id: AskId) -> bool {
        self.here().is_some_and(|synchronizer| synchronizer.lock().awaits(id))
    }

    /// The question was answered with `facts`, whose first reading was taken after the question was
    /// put. An answer to a question no longer awaited is ignored. Looks first whether the counter
    /// ran on since it was put.
    pub fn answered(&self, id: AskId, facts: Facts) {
        self.with_checked(|synchronizer| synchronizer.answered(self.counter.read(), id, facts));
    }

    /// The question was not answered. One no longer awaited is ignored. Looks first whether the
    /// counter ran on.
    pub fn failed(&self, id: AskId, problem: Problem) {
        self.with_checked(|synchronizer| synchronizer.failed(self.counter.read(), id, problem));
    }

    /// The next source whose name is to be looked up again, if any; the resolver's answer goes to
    /// [`resolved`](OwnLoop::resolved) or [`unresolved`](OwnLoop::unresolved). Call until `None`.
    /// It names only sources for which `resolved` has been called once.
    #[must_use]
    pub fn next_lookup(&self) -> Option<usize> {
        self.here()?.lock().next_lookup(self.counter.read())
    }

    /// The addresses that the name of a source stands for, in the resolver's order. From now on
    /// [`Ask::address`] says which one to ask: families by turns, those that do not answer skipped,
    /// those that no other source has first.
    pub fn resolved(&self, source: usize, addresses: &[SocketAddr]) {
        let Some(synchronizer) = self.here() else { return };
        let mut synchronizer = synchronizer.lock();
        synchronizer.has_a_name(source);
        synchronizer.resolved(self.counter.read(), source, addresses);
    }

    /// The look-up of a source's name failed.
    pub fn unresolved(&self, source: usize, error: impl Into<crate::OsError>) {
        let problem = Problem::Unresolved(error.into());
        if let Some(synchronizer) = self.here() {
            synchronizer.lock().unresolved(self.counter.read(), source, problem);
        }
    }

    /// Something came for this question that is no answer to it, and does not end it (a forged
    /// packet, an ICMP error): shown in the status if nothing better comes. Go on listening until
    /// [`awaits`](OwnLoop::awaits) is false.
    pub fn unusable(&self, id: AskId, problem: Problem) {
        if let Some(synchronizer) = self.here() {
            synchronizer.lock().unusable(id, problem);
        }
    }

    /// The address at which a source is asked from now on. Two sources at one address are one
    /// failure domain, and the facts of another address are another source's: they are dropped.
    pub fn located(&self, source: usize, address: SocketAddr) {
        if let Some(synchronizer) = self.here() {
            synchronizer.lock().located(source, address);
        }
    }

    /// An assumption was seen to be broken: what was published is withdrawn, and later facts alone
    /// count. Looks first whether the counter ran on.
    pub fn disrupt(&self, reason: DisruptionReason) {
        self.with_checked(|synchronizer| {
            if reason.leaves_the_counter_in_doubt() {
                synchronizer.disrupt_in_doubt(self.counter.read(), reason, None);
            } else {
                synchronizer.disrupt(self.counter.read(), reason);
            }
        });
    }

    fn with_checked(&self, act: impl FnOnce(&mut Synchronizer)) {
        if let Some(synchronizer) = self.here() {
            synchronizer.check_continuity(&self.counter, Scope::All);
            act(&mut synchronizer.lock());
        }
    }

    /// The synchronizer, except in the child of a fork.
    fn here(&self) -> Option<&SharedSynchronizer> {
        Some(&*self.synchronizer).filter(|synchronizer| !synchronizer.forked())
    }
}

impl Drop for OwnLoop {
    fn drop(&mut self) {
        if let Some(synchronizer) = self.here() {
            synchronizer.lock().die();
        }
    }
}
