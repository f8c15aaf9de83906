//! The end of what was published: an assumption was seen to be broken. How a recovery goes is in `accept`.

use super::{Floor, LONGEST_SLEEP, Machine, Phase, events};
use crate::bound::DisruptionReason;
use crate::time::MonotonicTime;

impl Machine {
    /// An assumption was seen to be broken at reading `now`, by something that the machine cannot see itself.
    pub(crate) fn disrupt(&mut self, now: MonotonicTime, reason: DisruptionReason) {
        if now.counter() == self.config.counter {
            // The reading may be of no use, after a move that is not noted; that there was a disruption is true all the same.
            let _ = self.advance(now);
            self.enter_disruption(reason);
        }
    }

    /// The machine was moved or restored before reading `now`, wherever its counter may show now; and no reader has answered by the old
    /// parameters since, for each looks at the marker after the counter.
    ///
    /// As far as it was true, what readers were told is not above the `latest` of an agreement of later facts alone. Where more than was assumed
    /// had been wrong, unnoticed, it may be more: by the old line as long after the last reading as the driver sleeps. The old line at `now` would
    /// not do: a counter that came back lower makes it too low, and one that jumped an hour ahead makes it an hour's wait.
    pub(crate) fn restored(&mut self, now: MonotonicTime) {
        if now.counter() != self.config.counter {
            return;
        }
        // The last reading is of before the move: `advance` takes none of after one that is not noted.
        let read_on =
            self.last_now.saturating_add(self.config.scale.ticks(self.config.check_interval.min(LONGEST_SLEEP)));
        (self.last_now, self.told_until) = (now.ticks(), now.ticks());
        self.enter_disruption(DisruptionReason::Restored);
        if let Phase::Disrupted { floor, .. } = &mut self.phase {
            if let Floor::Pending(params) = floor {
                *floor = Floor::FirstLatest { told: params.earliest_now(read_on).unwrap_or(i64::MIN) };
            }
        }
    }

    /// Accepts that time may be seen to go back: the next agreement is published whatever was published before.
    ///
    /// Returns false, and does nothing, while the clock is not disrupted.
    pub(crate) fn start_new_epoch(&mut self) -> bool {
        let Phase::Disrupted { floor, behind_by, .. } = &mut self.phase else { return false };
        (*floor, *behind_by) = (Floor::None, None);
        self.epoch = self.epoch.wrapping_add(1);
        self.sources.iter_mut().for_each(|source| source.schedule.hurry());
        true
    }

    pub(super) fn enter_disruption(&mut self, reason: DisruptionReason) {
        let floor = match &self.phase {
            Phase::Dead => {
                // Of readings on either side, and of grantors, this is still true.
                self.count_disruption(reason);
                return self.publish_phase();
            }
            Phase::Starting => Floor::None,
            // The old lines rise with the counter: at the lower reading they would say less than readers were told.
            Phase::Running(params) | Phase::Disrupted { floor: Floor::Pending(params), .. }
                if reason == DisruptionReason::CounterWentBack =>
            {
                let told = params.earliest_now(self.told_until);
                Floor::FirstLatest { told: told.unwrap_or(i64::MIN) }
            }
            Phase::Running(params) => Floor::Pending(self.leap.told(*params)),
            // Disrupted again before a recovery: nothing was published since.
            Phase::Disrupted { floor, .. } => *floor,
        };
        events::disrupted(reason);
        // What was agreed on may be years off: it must not name the era any more.
        self.last_earliest_ns = None;
        self.sources.iter_mut().for_each(|source| source.window.clear());
        self.leap.disrupted();
        self.forget_tick();
        self.forget_rate();
        self.count_disruption(reason);
        self.phase = Phase::Disrupted { reason, floor, behind_by: None };
        self.publish_phase();
        for source in &mut self.sources {
            source.in_flight = None;
            source.schedule.rebase(self.last_now);
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
