//! Why there is no answer: the small errors of a reading.

use std::time::Duration;

/// Why [`SureClock::now`](crate::SureClock::now) has no interval.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum NowError {
    /// No agreement since the start. Wait
    /// ([`wait_synchronized`](crate::SureClock::wait_synchronized)), or look at the sources in the
    /// status.
    #[error("not synchronized yet: too few sources have answered")]
    NotSynchronized,
    /// The last agreement of f+1 failure domains is older than `max_age`. The next answers of the
    /// sources end it.
    #[error("the last agreement of enough sources is {age:?} old, more than {limit:?}")]
    Stale {
        /// How old the agreement is, by the local counter, rounded down.
        age: Duration,
        /// The limit `max_age`.
        limit: Duration,
    },
    /// True time is certain to within `uncertainty` only, more than `max_uncertainty` allows.
    #[error("the uncertainty is {uncertainty:?}, more than {limit:?}")]
    TooUncertain {
        /// Half the width of the interval, rounded up.
        uncertainty: Duration,
        /// The limit `max_uncertainty`.
        limit: Duration,
    },
    /// An assumption was seen to be broken. Timestamps and waits of before mean *outcome unknown*.
    #[error("disrupted: {reason}")]
    Disrupted {
        /// What was seen.
        reason: DisruptionReason,
    },
    /// The counter showed a reading before one that was published. The sync thread will find the
    /// cause.
    #[error("the counter went back by {by_ticks} ticks")]
    CounterWentBack {
        /// How far, in ticks of the counter, beyond its margin.
        by_ticks: u64,
    },
    /// The sync thread ended by a panic: nothing will renew the bound. Build a new clock.
    #[error("the sync thread died")]
    SyncThreadDied,
    /// This process is a fork of the one that built the clock. Build a new clock in it.
    #[error("this process was forked from the one that built the clock")]
    Forked,
    /// A bound left the representable range.
    #[error("a bound is outside the years 1677 to 2262")]
    OutOfRange,
}

/// Why [`SureClock::at`](crate::SureClock::at) has no interval.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum AtError {
    /// The clock has no bound at all, or the interval is beyond a limit.
    #[error(transparent)]
    Now(#[from] NowError),
    /// The reading belongs to another counter.
    #[error("the reading belongs to another counter")]
    ForeignCounter,
    /// The reading is from before the start, before the last disruption, or before the end of a
    /// leap second that is over: nothing that holds now reaches back to it.
    #[error("the reading is from before the start, the last disruption or the last leap second")]
    BeforeEpoch,
}

/// What broke an assumption.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
#[non_exhaustive]
pub enum DisruptionReason {
    /// More than f failure domains were wrong, or the rate bound was broken: no point is covered by
    /// n'-f domains.
    #[error(
        "the sources contradict each other: more than f are wrong, or the rate bound is broken"
    )]
    SourcesDisagree,
    /// The agreement of the sources excludes what was published: it was wrong before, or is now, or
    /// the rate bound broke.
    #[error(
        "the sources contradict what was published: they were wrong, or the rate bound is broken"
    )]
    ContradictsPublished,
    /// The counter went back.
    #[error("the counter went back")]
    CounterWentBack,
    /// The hardware counter and CLOCK_MONOTONIC_RAW diverged: one of them jumped or changed its
    /// rate against the other. Where the kernel makes RAW out of this counter, both do so together,
    /// and it shows only if one core leaves the others.
    #[error("the hardware counter jumped, or changed its rate")]
    CounterJumped,
    /// The kernel does not keep time by the hardware counter any more: it found it unstable, or was
    /// told to. There is no answer until it does again; a new clock reads CLOCK_MONOTONIC_RAW
    /// instead. A clock that does so loses what it learned of the rate, and goes on.
    #[error("the kernel keeps time by another clock source now")]
    ClockSourceChanged,
    /// The learned rate was contradicted, the rate bound (R) was not: the oscillator wandered by
    /// more than was assumed, or the counter stood still for a moment. The rate is given up.
    #[error("the oscillator wandered by more than was assumed of it: the learned rate is given up")]
    RateWandered,
    /// Contradictions that came again and again, all explained by one rate beyond the rate bound
    /// (R). There is no answer while the oscillator runs at that rate: build a clock with a
    /// [`Drift`](crate::Drift) that covers it. This clock answers again if later agreements show a
    /// rate within the bound, or after something that leaves the counter in doubt (a suspend, a
    /// move to another host).
    #[error(
        "the oscillator is off by {ppm} ppm, beyond what was assumed of it: build the clock with a wider drift bound"
    )]
    RateBeyondBound {
        /// By how much true time passes faster than local time, in parts per million; rounded away
        /// from zero.
        ppm: i32,
    },
    /// The machine was suspended: the counter stood still for a time.
    #[error("the machine was suspended")]
    Suspended,
    /// A leap second, or another kind of it, was announced from two seconds before its midnight
    /// until two seconds after it: what readers had been given by then did not allow for it. At the
    /// end of June and of December one source is enough, also one that lies; on any other day more
    /// than f domains have to announce it.
    #[error("a leap second was announced too late")]
    LeapSecond,
    /// The virtual machine was moved to another host, restored from a snapshot or copied: its VM
    /// clock device said so ([`Builder::vm_clock`](crate::Builder::vm_clock)), or a program did
    /// with [`OwnLoop::disrupt`](crate::OwnLoop::disrupt).
    #[error("the virtual machine was moved, restored or copied")]
    Restored,
    /// The test in charge of a manual clock said so.
    #[error("disrupted by hand")]
    ByHand,
}

impl DisruptionReason {
    /// Whether the counter may have moved: what it shows afterwards then says nothing of what
    /// readers were given before.
    pub(crate) fn leaves_the_counter_in_doubt(self) -> bool {
        use DisruptionReason::{
            ClockSourceChanged, CounterJumped, CounterWentBack, Restored, Suspended,
        };
        matches!(self, CounterWentBack | CounterJumped | ClockSourceChanged | Suspended | Restored)
    }
}
