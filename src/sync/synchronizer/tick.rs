//! What the synchronizer learns of its counter: the length of a tick, and whether it can be trusted at all.

use super::{Phase, Synchronizer};
use crate::bound::params::Params;
use crate::bound::slopes::Slopes;
use crate::time::TickBounds;

impl Synchronizer {
    /// Whether the counter can be trusted from now on. While it cannot nobody is asked; whoever says so disrupts, too.
    pub(crate) fn set_usable(&mut self, usable: bool) {
        self.usable = usable;
        if usable {
            // Between a reading from before and one from after it the counter may not have run evenly.
            self.next_incarnation();
            self.sources.iter_mut().for_each(|source| source.schedule.hurry());
        }
        self.publish_phase();
    }

    /// What is known of the length of a tick has changed. Where it is more, lines only become better: the true length is within both
    /// bounds. Other than before it is only while the counter cannot be trusted, when there is no line that it could make worse.
    pub(crate) fn learn(&mut self, tick: TickBounds, incarnation: u32) {
        if incarnation != self.incarnation {
            // Of before a disruption that has come meanwhile.
            return;
        }
        let more = tick.is_within(self.config.tick);
        // Each time is a publication, so every little is not worth it.
        let little = more && tick.width_ppb() > self.config.tick.width_ppb() / 2;
        if little || !more && self.usable {
            return;
        }
        if !more {
            self.config.tick_at_first = tick;
        }
        self.set_tick(tick);
        let wide = self.config.ageing.rates.wide();
        if let Phase::Running(params) = self.phase {
            self.phase = Phase::Running(Params { rates: params.rates.narrowed(wide), ..params });
        }
        self.publish_phase();
    }

    /// What is known of a tick without anything from before a disruption.
    pub(super) fn forget_tick(&mut self) {
        self.set_tick(self.config.tick_at_first);
    }

    fn set_tick(&mut self, tick: TickBounds) {
        let Some(slopes) = Slopes::new(tick, self.config.rate) else { return };
        self.config.tick = tick;
        self.set_rates(self.learner.rates(slopes));
    }
}
