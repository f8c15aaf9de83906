//! What the machine learns of its counter's rate, assumption (W), and what it does when that was wrong.
//!
//! What was published by a learned rate is floor and suspect when the rate is contradicted: it may have been too high. So it is not
//! replaced in place but by a disruption, during which readers get an error, and ended by an agreement under (R) alone that is not
//! below it. The facts are right under (R), so that agreement is there at once; how long the error lasts is by how much it is wider.

use super::super::status::LearnedRate;
use super::{Machine, Phase};
use crate::bound::DisruptionReason;
use crate::bound::agree::{Agreement, agree};
use crate::bound::rate::Contradiction;
use crate::bound::rates::Rates;

impl Machine {
    /// Sources agree at reading `now`: from now on facts are aged by all that this says of the rate.
    pub(super) fn learn_rate(&mut self, now: u64, interval_ns: (i64, i64)) -> Result<(), DisruptionReason> {
        let wide = self.config.ageing.rates.wide();
        match self.learner.note(now, interval_ns, wide) {
            Ok(true) => {
                self.set_rates(self.learner.rates(wide));
                Ok(())
            }
            Ok(false) => Ok(()),
            Err(Contradiction) => Err(DisruptionReason::ContradictsPublished),
        }
    }

    pub(super) fn set_rates(&mut self, rates: Rates) {
        self.config.ageing.rates = rates;
        self.sources.iter_mut().for_each(|source| source.window.set_rates(rates));
    }

    /// What was contradicted: the learned rate, where one was in use and the sources agree without it; else what `reason` says. The
    /// learned rate is given up either way.
    pub(super) fn what_broke(&mut self, now: u64, reason: DisruptionReason) -> DisruptionReason {
        let contradicted = matches!(reason, DisruptionReason::SourcesDisagree | DisruptionReason::ContradictsPublished);
        let published = matches!(&self.phase, Phase::Running(params) if params.rates.are_learned());
        let in_use = published || self.config.ageing.rates.are_learned();
        if !contradicted || !in_use {
            return reason;
        }
        self.forget_rate();
        match agree(&self.domain_bounds(now), self.config.faulty) {
            Agreement::Within { .. } => {
                self.counts.rates_given_up += 1;
                DisruptionReason::RateWandered
            }
            _ => reason,
        }
    }

    /// Nothing is known of the rate but (R).
    pub(super) fn forget_rate(&mut self) {
        self.learner.forget();
        let rates = Rates::plain(self.config.ageing.rates.wide());
        self.config.ageing.rates = rates;
        self.sources.iter_mut().for_each(|source| source.window.widen(rates));
    }

    /// The rate in force at reading `now`, for showing.
    pub(super) fn learned_rate(&self, now: u64) -> Option<LearnedRate> {
        let (wander, scale) = (self.learner.wander()?, self.config.scale);
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
