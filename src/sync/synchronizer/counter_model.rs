//! What is known of the counter: which one it is, how long its ticks are, at which rate it runs,
//! and whether it can be trusted.
//!
//! This is the only writer of the rates by which facts and lines age. Windows, lines and parameters
//! take them by value or by reference, and keep none that they could change.

use super::super::status::LearnedRate;
use crate::bound::learned_rate::{Contradiction, Learner, Wander};
use crate::bound::slopes::{Rates, Slopes};
use crate::bound::window::Ageing;
use crate::counter::Counter;
use crate::time::{CounterId, RateBound, TickBounds, TickScale};

/// The counter as the synchronizer knows it.
#[derive(Debug)]
pub(crate) struct CounterModel {
    id: CounterId,
    scale: TickScale,
    margin: u64,
    /// The rate bound of assumption (R), in addition to what the bounds of a tick allow.
    rate: RateBound,
    tick: TickBounds,
    /// The bounds of a tick without anything that was learned before a disruption.
    tick_at_first: TickBounds,
    learner: Learner,
    rates: Rates,
    usable: bool,
}

impl CounterModel {
    /// The model of a counter whose oscillator is within `rate`. The rate is learned where `wander`
    /// says what is assumed of it. `None` if the slopes do not fit.
    pub(crate) fn new(
        counter: &Counter,
        rate: RateBound,
        wander: Option<Wander>,
    ) -> Option<CounterModel> {
        let (tick, margin) = (counter.tick(), counter.margin());
        Some(CounterModel {
            id: counter.id(),
            scale: counter.scale(),
            margin,
            rate,
            tick,
            tick_at_first: tick,
            learner: Learner::new(wander, margin),
            rates: Rates::plain(Slopes::new(tick, rate)?),
            usable: true,
        })
    }

    /// The counter whose readings this model explains.
    pub(super) fn id(&self) -> CounterId {
        self.id
    }

    /// How ticks and lengths are converted, by the nominal length of a tick.
    pub(super) fn scale(&self) -> TickScale {
        self.scale
    }

    /// By how many ticks two readings may differ because of granularity and skew between cores.
    pub(super) fn margin(&self) -> u64 {
        self.margin
    }

    /// Everything that is known of the rate: (R), and what was learned under (W).
    pub(super) fn rates(&self) -> &Rates {
        &self.rates
    }

    /// The slopes under (R) alone.
    pub(crate) fn wide(&self) -> Slopes {
        self.rates.wide()
    }

    /// How a reading becomes time: the rates and the margin.
    pub(super) fn ageing(&self) -> Ageing {
        Ageing { rates: self.rates, margin: self.margin }
    }

    /// Whether the counter can be trusted.
    pub(super) fn is_usable(&self) -> bool {
        self.usable
    }

    pub(super) fn set_usable(&mut self, usable: bool) {
        self.usable = usable;
    }

    /// The bounds of a tick were measured again. True if they are taken over.
    ///
    /// Narrower bounds make every line better, because the true length is within both. Each change
    /// is a publication, so bounds that are narrower by less than half are not taken over. Bounds
    /// that are not within the present ones come only while the counter cannot be trusted: then
    /// there is no line that they could make worse.
    pub(super) fn learn_tick(&mut self, tick: TickBounds) -> bool {
        let is_narrower = tick.is_within(self.tick);
        let by_little = is_narrower && tick.width_ppb() > self.tick.width_ppb() / 2;
        if by_little || !is_narrower && self.usable {
            return false;
        }
        if !is_narrower {
            self.tick_at_first = tick;
        }
        self.set_tick(tick);
        true
    }

    fn set_tick(&mut self, tick: TickBounds) {
        let Some(slopes) = Slopes::new(tick, self.rate) else { return };
        self.tick = tick;
        self.rates = self.learner.rates(slopes);
    }

    /// Whether an agreement at reading `now` can say anything new about the rate.
    pub(super) fn rate_is_due(&self, now: u64) -> bool {
        self.learner.is_due(now)
    }

    /// The sources agree on `interval_ns` at reading `now`, under (R) alone: a learned rate must
    /// not prove itself.
    ///
    /// # Errors
    ///
    /// [`Contradiction`]; then the rates are what they were.
    pub(super) fn learn_rate(
        &mut self,
        now: u64,
        interval_ns: (i64, i64),
    ) -> Result<(), Contradiction> {
        let wide = self.wide();
        if self.learner.note(now, interval_ns, wide)? {
            self.rates = self.learner.rates(wide);
        }
        Ok(())
    }

    /// A leap second separates the agreements so far from those to come. What they have certified
    /// stays.
    pub(super) fn begin_again(&mut self) {
        self.learner.begin_again();
    }

    /// Forgets what was learned of the rate. Only (R) is left.
    pub(super) fn forget_rate(&mut self) {
        self.learner.forget();
        self.rates = Rates::plain(self.wide());
    }

    /// Forgets everything that was learned before a disruption.
    pub(super) fn forget(&mut self) {
        self.set_tick(self.tick_at_first);
        self.forget_rate();
    }

    /// The learned rate in force at reading `now`, for showing.
    pub(super) fn learned_rate(&self, now: u64) -> Option<LearnedRate> {
        let (wander, scale) = (self.learner.wander()?, self.scale);
        let mut in_force = self.learner.certified().iter().filter(|known| known.until > now);
        let (first, last) = (in_force.clone().next()?, in_force.next_back()?);
        let slopes = first.slopes.and(last.slopes)?;
        Some(LearnedRate {
            least_ppb: scale.excess_ppb(slopes.slow).0,
            most_ppb: scale.excess_ppb(slopes.fast).1,
            wander_ppb: wander.ppb,
            since: scale.duration(now.saturating_sub(first.from.max(last.from))),
            until: scale.duration(last.until - now),
        })
    }
}
