//! One timing thread for the futures of a clock: wakes those whose timestamp is in the past, in the
//! order of the timestamps, on any runtime.
//!
//! A wake is a hint: whoever is woken looks at the clock again. So it comes a little before the
//! moment, by a part of what it takes until a woken thread runs, and the future spins for what is
//! left ([`EARLY`]). The thread looks at the publication in force at each turn, so a better bound
//! wakes sooner, and a disruption wakes all of them at once; a publication that changes nothing for
//! them wakes none. It starts with the first future that has to wait and ends when the clock is
//! dropped, a second later at most.

use super::sleeper::LeastSlack;
use crate::clock::Shared;
use crate::publish::{Pending, WakerKey, wake};
use std::sync::{Arc, Weak};
use std::task::{Wake, Waker};
use std::time::{Duration, Instant};

/// Starts the thread.
///
/// # Errors
///
/// Where the system has no thread left.
pub(crate) fn start(shared: &Arc<Shared>) -> std::io::Result<()> {
    let (shared, pending) = (Arc::downgrade(shared), Arc::clone(&shared.pending));
    std::thread::Builder::new()
        .name("sureclock-timer".into())
        .spawn(move || run(&shared, &pending))?;
    Ok(())
}

/// Tells the thread of a publication.
struct Poke(Arc<Pending>);

impl Wake for Poke {
    fn wake(self: Arc<Poke>) {
        self.0.poke();
    }
}

fn run(shared: &Weak<Shared>, pending: &Arc<Pending>) {
    let _least = LeastSlack::new();
    let publication = Waker::from(Arc::new(Poke(Arc::clone(pending))));
    let mut known = Known { registered: None, incarnation: None };
    loop {
        // Held only while it looks and spins, so that the last clock can go.
        let Some(held) = shared.upgrade() else { return };
        let due = known.turn(&held, pending, &publication);
        drop(held);
        if let Some(due) = due {
            pending.sleep(due);
            // A change has no due moment, and says nothing about how late a sleep ends.
            if Instant::now() >= due && !pending.has_changed() {
                if let Some(held) = shared.upgrade() {
                    held.timer_sleeper.woke(due);
                }
            }
        }
    }
}

/// What the thread knows from turn to turn.
struct Known {
    registered: Option<WakerKey>,
    incarnation: Option<u32>,
}

impl Known {
    /// Wakes who is due. Gives until when to sleep; `None`: another turn at once.
    fn turn(&mut self, shared: &Shared, pending: &Pending, publication: &Waker) -> Option<Instant> {
        // The turn begins before the registration, and that comes before the look: a publication
        // uses the registration up, and what it then says must count as a change for this turn's
        // sleep, or the next publication would wake nobody.
        pending.begin_turn();
        self.registered =
            Some(shared.waiters.register(self.registered.take(), publication.clone()));
        let read = shared.load_stamped().and_then(|(published, ticks, stamp)| {
            let params = published.running()?;
            Ok((params.earliest_now(ticks)?, published.incarnation, params, ticks, stamp))
        });
        let Ok((earliest, incarnation, params, ticks, stamp)) = read else {
            // No answer: they shall say why.
            pending.take_all().into_iter().for_each(wake);
            return Some(Instant::now() + LONGEST_SLEEP);
        };
        if self.incarnation.replace(incarnation).is_some_and(|known| known != incarnation) {
            pending.take_all().into_iter().for_each(wake);
        }
        let early = early(shared.limits.spin_budget);
        let early_ns = i64::try_from(early.as_nanos()).unwrap_or(0);
        pending.take_due(earliest.saturating_add(early_ns)).into_iter().for_each(wake);
        let now = Instant::now();
        let Some(at) = pending.first().and_then(|first| params.past_from(first)) else {
            return Some(now + LONGEST_SLEEP);
        };
        let at = at.saturating_sub(shared.counter.scale().ticks(early));
        let length = shared.counter.scale().duration(at.saturating_sub(ticks));
        let lead = shared.timer_sleeper.lead();
        if length > lead {
            return Some(now + (length - lead).min(LONGEST_SLEEP));
        }
        shared.spin_until(at, stamp, || pending.has_changed());
        // Without a budget for spinning it comes a little late instead.
        (lead == Duration::ZERO && length > Duration::ZERO).then(|| now + length)
    }
}

/// How long before its moment a future is woken, and twice that is what it spins for at most when
/// it is polled.
pub(super) fn early(spin_budget: Duration) -> Duration {
    EARLY.min(spin_budget / 2)
}

/// Between a wake and the poll lie 5 us at the least, if the woken thread slept, mostly more. Less:
/// futures end later; more: an executor whose thread was awake spins for longer.
const EARLY: Duration = Duration::from_micros(5);

/// How long the thread outlives its clock at most.
const LONGEST_SLEEP: Duration = Duration::from_secs(1);

#[cfg(all(test, not(sureclock_loom)))]
mod tests;
