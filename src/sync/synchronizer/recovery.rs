//! Recovery: when a clock may answer again after a disruption. One rule for every reason.
//!
//! # The rule
//!
//! Two numbers make the *floor* of a recovery, and the clock answers once an agreement's own
//! `earliest` reaches the larger of them. `earliest` is never clamped up to the floor: that would
//! lose true time.
//!
//! - **Given**: the highest `earliest` that readers may have been given. Where the counter ran on,
//!   it is the value of the old line at the first reading after the disruption was published. Where
//!   the counter may have moved, it is the value of the old line one check interval after the last
//!   reading from before the counter was in doubt.
//! - **Least latest**: the smallest `latest` of all agreements made since the disruption.
//!
//! # Proof that `earliest` never goes back
//!
//! 1. Let `E` be an `earliest` given at true time `t` while the assumptions held. Then `E <= t`.
//! 2. An agreement made after the disruption rests on exchanges begun after it, so its `latest` is
//!    at or above some true time later than `t`. That holds for each such agreement, and so for the
//!    smallest of their `latest`.
//! 3. Hence `E <= t <= least latest <= floor`, whatever the counter did meanwhile.
//! 4. An `E` that was wrong already (another assumption was broken, unnoticed) is not covered by 2.
//!    The first number covers it, except for readings taken while the counter had moved and nobody
//!    had noticed, or while the driver was later than its check interval: those are beyond
//!    assumption (C).
//!
//! # Liveness
//!
//! With at most f wrong domains and at least 2f+1 that answer, the clock answers within two polls.
//! Once all of those have answered, an agreement is at most `w` wide, `w` the sum of two honest
//! widths: so the floor is at most `w` above true time, and true time itself passes it. Liars and
//! wide servers only ever raise `latest`, and the least one counts. The exception is a number given
//! that lies far ahead: the line was wrong by that much, and going on below it is for a person to
//! decide.
//!
//! # Jumps forward
//!
//! An agreement further ahead of the old `latest` than `max_forward_jump`, after what the counter
//! says has passed since, is not believed either until a person decides: wrong years and centuries
//! are persisted by those who read them.

use crate::bound::params::{AgreedBound, Params};
use crate::time::TickScale;
use std::time::Duration;

/// What a recovery must not fall below, and how far ahead it may lie.
#[derive(Clone, Copy, Debug)]
pub(super) struct Floor {
    given: Given,
    /// The smallest `latest` of the agreements since the disruption.
    least_latest_ns: Option<i64>,
    /// The old line of `latest` at a reading, where the two are known.
    old_latest: Option<(u64, i64)>,
}

/// The highest `earliest` that readers may have been given.
#[derive(Clone, Copy, Debug)]
enum Given {
    /// None: nothing had been published, or a person said that time may be seen to go back.
    Nothing,
    /// What these parameters say at the first reading after the disruption was published.
    Until(Params),
    /// At most this.
    UpTo(i64),
}

/// Why an agreement does not end a disruption yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Gap {
    /// Its `earliest` is this far below the floor. It rises by itself. Degraded: an agreement of
    /// more domains may lower the floor.
    Behind { by: Duration, degraded: bool },
    /// Its `earliest` is this far ahead of the old `latest`.
    Ahead { by: Duration },
}

impl Floor {
    /// Nothing was given to anyone: the first agreement is published.
    pub(super) const NONE: Floor =
        Floor { given: Given::Nothing, least_latest_ns: None, old_latest: None };

    /// The counter runs on: readers may be given what `params` say until the disruption is
    /// published.
    pub(super) fn while_the_counter_runs_on(params: Params) -> Floor {
        Floor { given: Given::Until(params), ..Floor::NONE }
    }

    /// The counter may have moved: readers were given what `params` said up to the reading `until`,
    /// by the counter as it was.
    pub(super) fn before_the_counter_moved(params: &Params, until: u64) -> Floor {
        let until = until.max(params.published);
        Floor {
            given: Given::up_to(params, until),
            least_latest_ns: None,
            old_latest: old_latest(params, until),
        }
    }

    /// The clock is disrupted again before it answered: nothing was given since. `until`, where the
    /// counter may have moved, as above.
    pub(super) fn again(self, until: Option<u64>) -> Floor {
        match (self.given, until) {
            (Given::Until(params), Some(until)) => Floor::before_the_counter_moved(&params, until),
            // More than f may have been wrong: their `latest` counts no more.
            _ => Floor { least_latest_ns: None, ..self },
        }
    }

    /// The counter ran on until `ran_until`, and shows `now` now: what it counted until then has
    /// passed, and what it shows since says nothing of before.
    pub(super) fn rebase(&mut self, ran_until: u64, now: u64, scale: TickScale) {
        if let Some((at, latest_ns)) = &mut self.old_latest {
            *latest_ns = later(*latest_ns, scale.duration(ran_until.saturating_sub(*at)));
            *at = now;
        }
    }

    /// `now` was read after the disruption was published, so no later reading is answered from the
    /// old parameters; except for one that overlapped the publication, by at most `overlap` ticks.
    pub(super) fn fix(&mut self, now: u64, overlap: u64) {
        if let Given::Until(params) = self.given {
            self.given = Given::up_to(&params, now.saturating_add(overlap));
            self.old_latest = old_latest(&params, now);
        }
    }

    /// Notes an agreement made after the disruption, at reading `now`; `Ok` if it ends the
    /// disruption.
    pub(super) fn judge(
        &mut self,
        agreed: &AgreedBound,
        scale: TickScale,
        max_forward_jump: Duration,
    ) -> Result<(), Gap> {
        let given = match self.given {
            Given::Nothing => return Ok(()),
            // No reading was taken since the publication, so there is no agreement of later facts
            // either.
            Given::Until(_) => i64::MAX,
            Given::UpTo(ns) => ns,
        };
        let least_latest =
            self.least_latest_ns.map_or(agreed.latest_ns, |least| least.min(agreed.latest_ns));
        self.least_latest_ns = Some(least_latest);
        let floor = given.max(least_latest);
        if agreed.earliest_ns < floor {
            let by = Duration::from_nanos(floor.abs_diff(agreed.earliest_ns));
            return Err(Gap::Behind { by, degraded: agreed.degraded });
        }
        let Some((at, latest_ns)) = self.old_latest else { return Ok(()) };
        let latest_ns = later(latest_ns, scale.duration(agreed.at.saturating_sub(at)));
        let ahead = i128::from(agreed.earliest_ns) - i128::from(latest_ns);
        let by = Duration::from_nanos(u64::try_from(ahead).unwrap_or(0));
        if by > max_forward_jump {
            return Err(Gap::Ahead { by });
        }
        Ok(())
    }
}

/// A length after a point, by a counter whose rate is known better than to an eighth.
fn later(ns: i64, passed: Duration) -> i64 {
    let most = u64::try_from(passed.saturating_add(passed / 8).as_nanos()).unwrap_or(u64::MAX);
    ns.saturating_add_unsigned(most)
}

impl Given {
    /// What a reader may be given at `until`. Where the line leaves the range there, the least
    /// later `latest` is the whole floor.
    fn up_to(params: &Params, until: u64) -> Given {
        Given::UpTo(params.earliest_now(until).unwrap_or(i64::MIN))
    }
}

fn old_latest(params: &Params, at: u64) -> Option<(u64, i64)> {
    params.at(at).ok().map(|(_, latest_ns)| (at, latest_ns))
}
