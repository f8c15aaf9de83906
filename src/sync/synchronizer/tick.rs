//! What follows when more is known of the counter's tick, or when the counter cannot be trusted.

use super::{Phase, Synchronizer};
use crate::bound::params::Params;
use crate::time::TickBounds;

impl Synchronizer {
    /// Says whether the counter can be trusted from now on. While it cannot, no source is asked. A
    /// caller that says it cannot also disrupts the clock.
    pub(crate) fn set_usable(&mut self, usable: bool) {
        self.counter.set_usable(usable);
        if usable {
            // Between an earlier reading and a later one the counter may not have run evenly.
            self.next_incarnation();
            self.sources.iter_mut().for_each(|source| source.schedule.hurry());
        }
        self.publish_phase();
    }

    /// The length of a tick was measured again, in `incarnation`.
    pub(crate) fn learn(&mut self, tick: TickBounds, incarnation: u32) {
        if incarnation != self.incarnation {
            // A disruption has come in between.
            return;
        }
        if !self.counter.learn_tick(tick) {
            return;
        }
        if let Phase::Running(params) = self.phase {
            let rates = params.rates.narrowed(self.counter.wide());
            self.phase = Phase::Running(Params { rates, ..params });
        }
        self.publish_phase();
    }
}
