//! The end of what was published: an assumption was seen to be broken. How the clock recovers is in
//! `recovery`.

use super::recovery::Floor;
use super::{FIRST_REST, LONGEST_SLEEP, Phase, Synchronizer};
use crate::bound::DisruptionReason;
use crate::time::MonotonicTime;

impl Synchronizer {
    /// An assumption was seen to be broken at reading `now`, by something that the synchronizer
    /// cannot see itself; the counter ran on.
    pub(crate) fn disrupt(&mut self, now: MonotonicTime, reason: DisruptionReason) {
        if now.counter() == self.counter.id() {
            // The reading may be of no use, after a move that is not noted; that there was a
            // disruption is true all the same.
            let _ = self.advance(now);
            self.enter_disruption(reason, None);
        }
    }

    /// The counter may have moved before reading `now`, forward or back. It ran on until
    /// `ran_until` at least; `None`: until the last reading that the synchronizer took.
    ///
    /// No line is evaluated at `now`: a counter that came back lower would make the floor of the
    /// recovery too low, and one that jumped an hour ahead would make the recovery an hour long.
    pub(crate) fn disrupt_in_doubt(
        &mut self,
        now: MonotonicTime,
        reason: DisruptionReason,
        ran_until: Option<u64>,
    ) {
        if now.counter() != self.counter.id() {
            return;
        }
        let last = std::mem::replace(&mut self.last_now, now.ticks());
        self.enter_disruption(reason, Some(ran_until.unwrap_or(last)));
    }

    /// Accepts that time may be seen to go back: the next agreement is published whatever was
    /// published before.
    ///
    /// Returns false, and does nothing, while the clock is not disrupted, or is because its rate
    /// bound is too small.
    pub(crate) fn start_new_epoch(&mut self) -> bool {
        if self.is_refused() {
            return false;
        }
        let Phase::Disrupted { floor, gap, .. } = &mut self.phase else { return false };
        (*floor, *gap) = (Floor::NONE, None);
        // Asked for again and again, as by a watchdog, it is one.
        if !std::mem::replace(&mut self.epoch_is_fresh, true) {
            self.epoch = self.epoch.wrapping_add(1);
        }
        self.sources.iter_mut().for_each(|source| source.schedule.hurry());
        true
    }

    /// `ran_until`: where the counter may have moved, the last reading from before it was in doubt.
    pub(super) fn enter_disruption(&mut self, reason: DisruptionReason, ran_until: Option<u64>) {
        let shown = match self.phase {
            // The rate is what it was, and so is the reason why there is no answer.
            Phase::Disrupted { reason: found, .. } if self.is_refused() && ran_until.is_none() => {
                found
            }
            _ => reason,
        };
        if ran_until.is_some() {
            // What was found out of the rate was found across a move of the counter, or of another
            // one.
            self.excess.forget();
        }
        // Readers may have read on for as long as a driver sleeps.
        let read_on = self.counter.scale().ticks(self.config.check_interval.min(LONGEST_SLEEP));
        let given_until = ran_until.map(|at| at.saturating_add(read_on));
        let mut floor = match &self.phase {
            Phase::Dead => {
                // Of readings on either side, and of grantors, this is still true.
                self.count_disruption(reason);
                return self.publish_phase();
            }
            Phase::Starting => Floor::NONE,
            Phase::Running(params) => {
                let given = self.leap.published(*params);
                match given_until {
                    Some(until) => Floor::before_the_counter_moved(&given, until),
                    None => Floor::while_the_counter_runs_on(given),
                }
            }
            Phase::Disrupted { floor, .. } => floor.again(given_until),
        };
        if let Some(until) = ran_until {
            floor.rebase(until, self.last_now, self.counter.scale());
        }
        self.events.disrupted(reason);
        // What was agreed on may be years off: it must not name the era any more.
        self.last_earliest_ns = None;
        self.sources.iter_mut().for_each(|source| source.window.clear());
        self.leap.disrupted();
        self.counter.forget();
        self.count_disruption(reason);
        self.phase = Phase::Disrupted { reason: shown, floor, gap: None };
        self.publish_phase();
        for source in &mut self.sources {
            source.in_flight = None;
            source.rebase(self.last_now, self.counter.scale().ticks(FIRST_REST));
            source.schedule.hurry();
        }
    }

    fn count_disruption(&mut self, reason: DisruptionReason) {
        self.next_incarnation();
        if reason == DisruptionReason::Restored {
            self.config.incarnation.restored();
        }
        self.counts.disruptions += 1;
    }

    pub(super) fn next_incarnation(&mut self) {
        self.incarnation = self.incarnation.wrapping_add(1);
        self.config.incarnation.set(self.incarnation);
    }
}
