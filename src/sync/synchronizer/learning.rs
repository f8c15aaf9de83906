//! What the synchronizer learns of its counter's rate, assumption (W), and what it does when that
//! was wrong.
//!
//! What was published by a learned rate is floor and suspect when the rate is contradicted: it may
//! have been too high. So it is not replaced in place but by a disruption, during which readers get
//! an error, and ended by an agreement of later facts that is not below it. The facts of before go,
//! although they do not contradict each other under (R): a counter that stood still for a moment
//! looks the same, and of that they would be wrong.

use super::{Phase, Synchronizer};
use crate::bound::DisruptionReason;
use crate::bound::agree::{Agreement, agree};
use crate::bound::learned_rate::Contradiction;
use crate::bound::lines::FRACTION_BITS;
use crate::bound::params::{AgreedBound, Params};
use crate::bound::slopes::Rates;

impl Synchronizer {
    /// Sources agree at reading `now`: from now on facts are aged by all that this says of the
    /// rate. What is learned from is what they agree on under (R) alone: aged by a learned rate, a
    /// wrong one would prove itself. Only while running: whatever ends that forgets the rate, a
    /// leap second too.
    pub(super) fn learn_rate(&mut self, now: u64) -> Result<(), DisruptionReason> {
        if !self.counter.rate_is_due(now) {
            return Ok(());
        }
        let wide = self.counter.wide();
        let agreed = agree(&self.domain_bounds_under(now, &Rates::plain(wide)), self.config.faulty);
        let Agreement::Within { earliest_ns, latest_ns, .. } = agreed else { return Ok(()) };
        let learned = self.counter.learn_rate(now, (earliest_ns, latest_ns));
        learned.map_err(|Contradiction| DisruptionReason::ContradictsPublished)
    }

    /// What was contradicted: the learned rate, where one was in use and under (R) alone the
    /// sources agree; else what `reason` says. The learned rate is given up either way.
    pub(super) fn what_broke(&mut self, now: u64, reason: DisruptionReason) -> DisruptionReason {
        let contradicted = matches!(
            reason,
            DisruptionReason::SourcesDisagree | DisruptionReason::ContradictsPublished
        );
        let published = matches!(&self.phase, Phase::Running(params) if params.rates.are_learned());
        let in_use = published || self.counter.rates().are_learned();
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

    /// The clock is about to answer after a contradiction, or for the first time: unless they show
    /// by now that the rate bound is too small.
    ///
    /// # Errors
    ///
    /// [`DisruptionReason::RateBeyondBound`].
    pub(super) fn check_for_excess(
        &mut self,
        agreed: &AgreedBound,
    ) -> Result<(), DisruptionReason> {
        use DisruptionReason::{ContradictsPublished, RateWandered, SourcesDisagree};
        let after_a_contradiction = match self.phase {
            Phase::Starting => true,
            Phase::Disrupted { reason, .. } => {
                matches!(reason, ContradictsPublished | RateWandered | SourcesDisagree)
            }
            _ => false,
        };
        if !after_a_contradiction {
            return Ok(());
        }
        let wide = self.counter.wide();
        let Some(rate) = self.excess.note(agreed.at, (agreed.earliest_ns, agreed.latest_ns), wide)
        else {
            return Ok(());
        };
        let scale = self.counter.scale();
        let too_slow = rate.slow > wide.fast;
        let ppb =
            if too_slow { scale.excess_ppb(rate.fast).1 } else { scale.excess_ppb(rate.slow).0 };
        let away_from_zero =
            if ppb < 0 { ppb.div_euclid(1_000) } else { -(-ppb).div_euclid(1_000) };
        let ppm =
            i32::try_from(away_from_zero).unwrap_or(if ppb < 0 { i32::MIN } else { i32::MAX });
        Err(DisruptionReason::RateBeyondBound { ppm })
    }

    /// Sources agree while the rate bound is known to be too small: ends that if the rate is
    /// another one by now. True if there is no answer still.
    pub(super) fn stays_refused(&mut self, agreed: &AgreedBound) -> bool {
        if !self.is_refused() {
            return false;
        }
        let wide = self.counter.wide();
        if !self.excess.is_over(agreed.at, (agreed.earliest_ns, agreed.latest_ns), wide) {
            return true;
        }
        if let Phase::Disrupted { reason, .. } = &mut self.phase {
            *reason = DisruptionReason::ContradictsPublished;
        }
        self.publish_phase();
        false
    }

    /// Whether the rate bound was shown to be too small: then nothing is published until that is
    /// over.
    pub(super) fn is_refused(&self) -> bool {
        matches!(
            self.phase,
            Phase::Disrupted { reason: DisruptionReason::RateBeyondBound { .. }, .. }
        )
    }

    /// Gives up the learned rate: only (R) is left, by which fewer facts contradict each other.
    fn forget_rate(&mut self) {
        self.counter.forget_rate();
        let rates = self.counter.rates();
        self.sources.iter_mut().for_each(|source| source.window.compare_again(rates));
    }

    /// How often it is worth asking: the uncertainty should not grow by more than a set share of
    /// itself between two questions to a source.
    pub(super) fn pace(&mut self, now: u64, params: &Params) {
        let Ok((earliest, latest)) = params.now(now) else { return };
        let rates = self.counter.rates();
        // Zero where what is known contradicts itself: the next agreement will say so.
        let growth = rates.fast.segment(now).0.saturating_sub(rates.slow.segment(now).0);
        // Both are twice: of the uncertainty, and of its growth.
        let width = u128::from(latest.abs_diff(earliest)) << FRACTION_BITS;
        let worth = width / (u128::from(growth.max(1)) * GROWTH_SHARE);
        let worth =
            if self.config.adapts { u64::try_from(worth).unwrap_or(u64::MAX) } else { u64::MAX };
        self.sources.iter_mut().for_each(|source| source.schedule.is_worth(worth));
    }
}

/// The uncertainty grows by a hundredth of itself at most. Larger: wider than the facts of one more
/// question would make it. Smaller: questions for little.
const GROWTH_SHARE: u128 = 100;
