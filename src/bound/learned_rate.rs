//! The learned rate: what agreed intervals of the past certify of the counter's mean rate, and what
//! (W) makes of it for a while.
//!
//! At reading a true time was between E_a and L_a, at reading b between E_b and L_b. So over the n
//! = b - a ticks in between, of which more than n - m and less than n + m passed, the mean length
//! of a tick is certified:
//!
//! ```text
//! (E_b - L_a) / (n + m)  <=  mean  <=  (L_b - E_a) / (n - m)
//! ```
//!
//! This says nothing of any single moment. **Assumption (W)**: at every moment from a until a
//! horizon H after b the rate is within `wander` of that mean. So from a to b + H a tick is between
//! `mean (1 - wander)` and `mean (1 + wander)` long, on top of (R).
//!
//! Rules:
//! - *Margins.* A reading may be off by up to m ticks of the core that the bound is used on, so a
//!   rate holds from a + m until b + H - m. (Let a counter show x + d, where 0 <= d <= m differs by
//!   core. The elapsed time between two readings is a sum of slopes over an interval of x. A lower
//!   line is read from m after its fact on, so the interval that its sum is taken over, moved back
//!   by m, lies within the true one; an upper line's lies around it. Either way each tick of the
//!   sum is moved by m at most.)
//! - *Only more.* What is in force is never withdrawn before it ends, only narrowed: a later line
//!   of `earliest` then rises nowhere less than an earlier one, and a publication that comes late
//!   takes nothing back. Two certified rates are kept, the later one taken up when half of the
//!   horizon of the first is over; in between a new one narrows both.
//! - *A contradiction* (two certified rates, or one and (R), exclude each other) shows that an
//!   assumption is broken, whichever.

use super::slopes::{MOST_STEPS, Rates, Slopes, Step};
use std::collections::VecDeque;

/// What is assumed of the rate beyond (R). Lengths in ticks.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Wander {
    /// The most that the rate is off its mean, as a part of it, in parts per billion.
    pub(crate) ppb: u32,
    /// The longest span that a mean is taken over; the shortest is the horizon.
    pub(crate) base: u64,
    /// How long after it the assumption goes on to hold.
    pub(crate) valid_for: u64,
}

/// An agreed interval at a reading.
#[derive(Clone, Copy, Debug)]
pub(super) struct Agreed {
    pub(super) at: u64,
    pub(super) earliest_ns: i64,
    pub(super) latest_ns: i64,
}

/// Between two readings a tick is between two slopes long.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Certified {
    pub(crate) from: u64,
    pub(crate) until: u64,
    pub(crate) slopes: Slopes,
}

/// Certified rates exclude each other, or (R).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Contradiction;

/// Agreed intervals of the past, and the rates in force.
#[derive(Debug)]
pub(crate) struct Learner {
    wander: Option<Wander>,
    margin: u64,
    agreed: VecDeque<Agreed>,
    /// At most two, the one that ends first before the other.
    certified: Vec<Certified>,
}

impl Learner {
    /// Learns nothing without `wander`.
    pub(crate) fn new(wander: Option<Wander>, margin: u64) -> Learner {
        Learner {
            wander,
            margin,
            agreed: VecDeque::new(),
            certified: Vec::with_capacity(MOST_STEPS),
        }
    }

    /// What is assumed.
    pub(crate) fn wander(&self) -> Option<Wander> {
        self.wander
    }

    /// Whether there is anything to learn at reading `now`: not again within the distance at which
    /// the past is kept.
    pub(crate) fn is_due(&self, now: u64) -> bool {
        let spacing = self.wander.map(|wander| wander.base / KEPT);
        spacing.is_some_and(|spacing| {
            self.agreed.back().is_none_or(|last| now.saturating_sub(last.at) >= spacing)
        })
    }

    /// The rates in force, the one that ends last at the end.
    pub(crate) fn certified(&self) -> &[Certified] {
        &self.certified
    }

    /// Everything known of the rate, on top of (R).
    pub(crate) fn rates(&self, wide: Slopes) -> Rates {
        let mut rates = Rates::plain(wide);
        let places = rates.slow.steps.iter_mut().zip(&mut rates.fast.steps);
        for ((slow, fast), known) in places.zip(&self.certified) {
            let step = |slope| Step { from: known.from, until: known.until, slope };
            (*slow, *fast) =
                (step(known.slopes.slow.max(wide.slow)), step(known.slopes.fast.min(wide.fast)));
        }
        rates
    }

    /// Sources agree at reading `at`: certifies a rate where there is enough of a past. True if
    /// more is known of the rate than before.
    ///
    /// # Errors
    ///
    /// [`Contradiction`]; the rates in force are what they were.
    pub(crate) fn note(
        &mut self,
        at: u64,
        interval_ns: (i64, i64),
        wide: Slopes,
    ) -> Result<bool, Contradiction> {
        let Some(wander) = self.wander else { return Ok(false) };
        let now = Agreed { at, earliest_ns: interval_ns.0, latest_ns: interval_ns.1 };
        self.agreed.retain(|old| at.saturating_sub(old.at) <= wander.base);
        let fresh = self.certify(&now, wander, wide)?;
        // Evenly spread, so that a number of them reach over the whole base.
        if self.is_due(at) {
            self.agreed.push_back(now);
        }
        match fresh {
            Some(fresh) => self.take_up(fresh, at, wander.valid_for),
            None => Ok(false),
        }
    }

    /// Forgets the agreed intervals, not what they have certified: a leap second lies between them
    /// and those to come.
    pub(crate) fn begin_again(&mut self) {
        self.agreed.clear();
    }

    /// Forgets everything: nothing of before holds any more.
    pub(crate) fn forget(&mut self) {
        self.agreed.clear();
        self.certified.clear();
    }

    /// The best that the past certifies until a horizon after `b`.
    fn certify(
        &self,
        b: &Agreed,
        wander: Wander,
        wide: Slopes,
    ) -> Result<Option<Certified>, Contradiction> {
        let m = self.margin;
        // Not from the newer half: it says less, and what it says would hold from later on. And
        // what moves the counter once, unseen, is the less of a rate the longer the base: with
        // bases of a whole horizon `earliest` stays behind true time all the same.
        let longest = self.agreed.front().map_or(0, |first| b.at.saturating_sub(first.at));
        let shortest = (longest / 2).max(wander.valid_for).max(m.saturating_mul(16));
        let (mut slopes, mut since) = (wide, 0);
        for a in &self.agreed {
            let n = b.at.saturating_sub(a.at);
            if n <= shortest {
                continue;
            }
            let Some(mean) = mean_between(a, b, (n.saturating_sub(m), n.saturating_add(m))) else {
                continue;
            };
            let Some(known) = spread(mean, wander.ppb) else { continue };
            let narrowed = slopes.and(known).ok_or(Contradiction)?;
            if narrowed != slopes {
                // The whole holds from the latest a on that says something new.
                (slopes, since) = (narrowed, since.max(a.at));
            }
        }
        let from = since.saturating_add(m);
        let until = b.at.saturating_add(wander.valid_for).saturating_sub(m);
        Ok((slopes != wide).then_some(Certified { from, until, slopes }))
    }

    fn take_up(
        &mut self,
        fresh: Certified,
        now: u64,
        valid_for: u64,
    ) -> Result<bool, Contradiction> {
        let mut kept: Vec<Certified> =
            self.certified.iter().copied().filter(|old| old.until > now).collect();
        if kept.iter().all(|old| fresh.slopes.is_within(old.slopes)) {
            // It ends later than they do. Where it begins later, the facts from before that are
            // aged by less.
            let before = std::mem::replace(&mut self.certified, vec![fresh]);
            return Ok(before != [fresh]);
        }
        for old in &mut kept {
            old.slopes = old.slopes.and(fresh.slopes).ok_or(Contradiction)?;
            old.from = old.from.max(fresh.from);
        }
        let is_old = kept.len() == 1
            && kept.iter().all(|old| old.until.saturating_sub(now) <= valid_for / 2);
        if is_old {
            kept.push(fresh);
        }
        self.certified = kept;
        Ok(true)
    }
}

/// The least mean length of a tick, rounded down, and the most, rounded up, where no fewer and no
/// more ticks than `ticks` lie between.
pub(super) fn mean_between(a: &Agreed, b: &Agreed, ticks: (u64, u64)) -> Option<Slopes> {
    let least_ns = i128::from(b.earliest_ns) - i128::from(a.latest_ns);
    let most_ns = i128::from(b.latest_ns) - i128::from(a.earliest_ns);
    let scaled = |ns: i128| u128::try_from(ns.max(0)).ok()?.checked_mul(1 << FRACTION_BITS);
    let slow = scaled(least_ns)? / u128::from(ticks.1);
    let fast = scaled(most_ns)?.div_ceil(u128::from(ticks.0));
    Some(Slopes { slow: u64::try_from(slow).ok()?, fast: u64::try_from(fast).ok()? })
}

/// Within `ppb` of a mean between the two.
fn spread(mean: Slopes, ppb: u32) -> Option<Slopes> {
    let ppb = u128::from(ppb);
    let slow = u128::from(mean.slow) * PPB.checked_sub(ppb)? / PPB;
    let fast = (u128::from(mean.fast) * (PPB + ppb)).div_ceil(PPB);
    Some(Slopes { slow: u64::try_from(slow).ok()?, fast: u64::try_from(fast).ok()? })
}

const FRACTION_BITS: u32 = super::lines::FRACTION_BITS;
const PPB: u128 = 1_000_000_000;
/// So many agreed intervals are kept of a base. Fewer: what is known narrows in larger steps. More:
/// each poll costs that much more.
const KEPT: u64 = 256;

#[cfg(test)]
mod tests;
