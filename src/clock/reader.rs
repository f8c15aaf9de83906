//! What all clones of a clock share, and how a reading is made of it: the publication in force, the
//! counter, and what must not have happened in between.

use crate::bound::params::Params;
use crate::bound::quick::Quick;
use crate::bound::{DisruptionReason, NowError};
use crate::commit::{MarkFile, Sleeper};
use crate::counter::{Counter, ProcessMark, Suspends};
use crate::publish::{
    self, Cell, Content, HighWater, Outline, Pending, PerEpoch, Publication, QUICK_WORDS, Reserved,
    Spell, WORDS, Waiters,
};
use crate::time::{TimeInterval, Timescale, Timestamp};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// What readers and waiters need.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) counter: Counter,
    cell: Arc<Cell<WORDS>>,
    process: ProcessMark,
    /// There is a VM clock device, at which every reading looks.
    has_vm_clock: bool,
    pub(crate) waiters: Arc<Waiters>,
    /// Futures that wait, and what their thread has learned of sleeping; and what blocking waits
    /// have.
    pub(crate) pending: Arc<Pending>,
    pub(crate) timer_sleeper: Sleeper,
    pub(crate) sleeper: Sleeper,
    pub(crate) limits: Limits,
    max_age_ticks: u64,
    /// No answer of the quick way is wider.
    max_width_ns: u64,
    /// `max_floor_lead`: how far ahead of `latest` a floor from elsewhere may be.
    pub(crate) floor_lead_ns: i64,
    timescale: Timescale,
    /// Where every reading looks for a suspend.
    suspends: Option<Suspends>,
    pub(crate) given_out: PerEpoch<GivenOut>,
    /// What of it survives the process.
    pub(crate) mark: Option<MarkFile>,
}

/// What one epoch has given out.
#[derive(Debug, Default)]
pub(crate) struct GivenOut {
    /// The highest timestamp.
    pub(crate) mark: HighWater,
    /// Up to where the mark's file covers it.
    pub(crate) reserved: Reserved,
}

/// Limits that end readings, never waits.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    pub(crate) max_age: Duration,
    pub(crate) max_uncertainty: Duration,
    pub(crate) max_floor_lead: Duration,
    pub(crate) max_wait: Duration,
    /// What a commit wait may spin for.
    pub(crate) spin_budget: Duration,
}

impl Default for Limits {
    /// What a builder and a manual clock begin with; the reasons are in the table of `Builder`.
    fn default() -> Limits {
        Limits {
            max_age: Duration::from_secs(1024),
            max_uncertainty: Duration::from_millis(600),
            max_floor_lead: Duration::from_millis(1_500),
            max_wait: Duration::from_secs(60),
            spin_budget: Duration::from_micros(200),
        }
    }
}

impl Limits {
    /// The default `max_age`, in ticks of a counter of nanoseconds.
    pub(crate) fn default_max_age_ns() -> u64 {
        u64::try_from(Limits::default().max_age.as_nanos()).unwrap_or(u64::MAX)
    }
}

impl Shared {
    pub(crate) fn new(
        counter: Counter,
        cell: Arc<Cell<WORDS>>,
        waiters: Arc<Waiters>,
        limits: Limits,
        timescale: Timescale,
        suspends: Option<Suspends>,
    ) -> Shared {
        // An uncertainty is half a width, rounded up: it is above the limit where the width is
        // above twice the limit. Not above the largest signed number, so that an inverted interval,
        // read as unsigned, is wider.
        let twice = limits.max_uncertainty.as_nanos().saturating_mul(2);
        let widest = i64::MAX.unsigned_abs();
        Shared {
            max_width_ns: u64::try_from(twice).map_or(widest, |ns| ns.min(widest)),
            floor_lead_ns: i64::try_from(limits.max_floor_lead.as_nanos()).unwrap_or(i64::MAX),
            max_age_ticks: counter.scale().ticks(limits.max_age),
            cell,
            process: ProcessMark::take(),
            has_vm_clock: counter.vm_clock().marker().is_some(),
            counter,
            waiters,
            pending: Arc::new(Pending::new()),
            timer_sleeper: Sleeper::new(limits.spin_budget),
            sleeper: Sleeper::new(limits.spin_budget),
            limits,
            timescale,
            suspends,
            given_out: PerEpoch::new(),
            mark: None,
        }
    }

    /// Whether this is the child of a fork: its locks may be held by threads that it does not have,
    /// so none is taken.
    pub(crate) fn forked(&self) -> bool {
        !self.process.holds()
    }

    /// How far `latest` may fall when an interval within the limits becomes narrow, or a leap
    /// second is over: twice the uncertainty.
    pub(crate) fn narrows_by_ns(&self) -> i64 {
        i64::try_from(self.max_width_ns).unwrap_or(i64::MAX)
    }

    /// The publication in force, and a reading of the counter taken while it was.
    pub(crate) fn load(&self) -> Result<(Publication, u64), NowError> {
        self.load_stamped().map(|(publication, ticks, _)| (publication, ticks))
    }

    /// The same, with the stamp of the publication.
    pub(crate) fn load_stamped(&self) -> Result<(Publication, u64, u64), NowError> {
        if !self.process.holds() {
            return Err(NowError::Forked);
        }
        let (words, (ticks, unnoted, stamp)) = self.cell.load_with(|stamp| {
            let ticks = self.counter.ticks_after(stamp);
            (ticks, self.unnoted(), stamp)
        });
        let publication = Publication::decode(&words);
        match unnoted {
            Some(reason) if matches!(publication.content, Content::Running(_)) => {
                Err(NowError::Disrupted { reason })
            }
            _ => Ok((publication, ticks, stamp)),
        }
    }

    /// A disruption that the clock has not taken note of, as far as readers look for such. After
    /// the counter, within the read section.
    #[inline]
    pub(super) fn unnoted(&self) -> Option<DisruptionReason> {
        if self.counter.vm_clock().unnoted() {
            return Some(DisruptionReason::Restored);
        }
        let suspended = self.suspends.as_ref().is_some_and(Suspends::unnoted);
        suspended.then_some(DisruptionReason::Suspended)
    }

    /// The parameters in force with a reading, or why there are none.
    pub(crate) fn running(&self) -> Result<(Params, u32, u64), NowError> {
        let (publication, ticks) = self.load()?;
        Ok((publication.running()?, publication.incarnation, ticks))
    }

    /// What is in force, but for the content.
    #[inline]
    pub(crate) fn outline(&self) -> Outline {
        let (words, ()) = self.cell.load_with(|_| ());
        publish::outline(&words)
    }

    /// The first words in force with a reading: the quick parameters, which answer it only if there
    /// is nothing to be said against it.
    ///
    /// Not with a VM clock device: then it is asked for below, out of the way of clocks without
    /// one. Suspends are not looked for, for where they are, nothing is answered quickly.
    #[inline]
    fn quick<const M: usize>(&self) -> Option<([u64; M], Quick, u64)> {
        if self.has_vm_clock || !self.process.holds() {
            return None;
        }
        let (words, ticks) = self.cell.load_first_with(|stamp| self.counter.ticks_after(stamp));
        Some((words, publish::quick(&words), ticks))
    }

    /// The same beside a VM clock device.
    #[inline]
    fn quick_beside_a_vm_clock<const M: usize>(&self) -> Option<([u64; M], Quick, u64)> {
        if !self.has_vm_clock || !self.process.holds() {
            return None;
        }
        let (words, (ticks, unnoted)) = self.cell.load_first_with(|stamp| {
            let ticks = self.counter.ticks_after(stamp);
            (ticks, self.counter.vm_clock().seems_unnoted())
        });
        if unnoted {
            return None;
        }
        Some((words, publish::quick(&words), ticks))
    }

    /// Whether what was read under `stamp` is still in force.
    #[inline]
    pub(crate) fn is_in_force(&self, stamp: u64) -> bool {
        let moved = self.has_vm_clock && self.counter.vm_clock().seems_unnoted();
        !moved && self.cell.stamp() == stamp && self.process.holds()
    }

    /// Spins until the counter shows `tick`, or what was read under `stamp` is not in force any
    /// more, or `stop` says so.
    pub(crate) fn spin_until(&self, tick: u64, stamp: u64, stop: impl Fn() -> bool) {
        let began = Instant::now();
        while self.counter.ticks_unordered() < tick && self.is_in_force(stamp) && !stop() {
            // The caller looks at the clock again.
            if began.elapsed() > self.limits.spin_budget {
                return;
            }
            std::hint::spin_loop();
        }
    }

    /// Whether readers look for disruptions that are not noted. Then a reading of after one may
    /// carry the number of before it.
    pub(super) fn looks_in_readings(&self) -> bool {
        self.suspends.is_some() || self.has_vm_clock
    }

    /// Whether readings may be answered from what was read before: not where each looks for a
    /// suspend.
    pub(crate) fn may_be_cached(&self) -> bool {
        self.suspends.is_none()
    }

    /// The interval of a quick reading, if it is within the limit of uncertainty.
    #[inline]
    fn quickly_certain(&self, quick: &Quick, ticks: u64) -> Option<TimeInterval> {
        let (earliest_ns, latest_ns) = quick.now(ticks)?;
        // Read as unsigned, an inverted interval is wider than any limit.
        if u64::from_ne_bytes(latest_ns.wrapping_sub(earliest_ns).to_ne_bytes()) > self.max_width_ns
        {
            return None;
        }
        let (earliest, latest) =
            (Timestamp::from_unix_nanos(earliest_ns), Timestamp::from_unix_nanos(latest_ns));
        TimeInterval::new(earliest, latest, self.timescale).ok()
    }

    #[inline]
    pub(super) fn now(&self) -> Result<TimeInterval, NowError> {
        if let Some((_, quick, ticks)) = self.quick::<QUICK_WORDS>() {
            if let Some(interval) = self.quickly_certain(&quick, ticks) {
                return Ok(interval);
            }
        }
        self.now_in_full().map(|(interval, _)| interval)
    }

    /// The interval now, and the spell it is of, from one publication. Its result is too large to
    /// be handed over by a call.
    #[inline(always)]
    pub(crate) fn now_with_spell(&self) -> Result<(TimeInterval, Spell), NowError> {
        if let Some((words, quick, ticks)) = self.quick::<{ QUICK_WORDS + 1 }>() {
            if let Some(interval) = self.quickly_certain(&quick, ticks) {
                return Ok((interval, publish::spell(&words)));
            }
        }
        self.now_in_full()
    }

    /// The same beside a VM clock device; and with the right error for whatever is wrong.
    #[cold]
    #[inline(never)]
    fn now_in_full(&self) -> Result<(TimeInterval, Spell), NowError> {
        if let Some((words, quick, ticks)) = self.quick_beside_a_vm_clock::<{ QUICK_WORDS + 1 }>() {
            if let Some(interval) = self.quickly_certain(&quick, ticks) {
                return Ok((interval, publish::spell(&words)));
            }
        }
        let (publication, ticks) = self.load()?;
        let params = publication.running()?;
        let (earliest_ns, latest_ns) = params.now(ticks)?;
        self.check_age(&params, ticks)?;
        Ok((self.certain(earliest_ns, latest_ns)?, publication.spell()))
    }

    /// Whether the last agreement is young enough at this reading.
    pub(super) fn check_age(&self, params: &Params, ticks: u64) -> Result<(), NowError> {
        let age = ticks.saturating_sub(params.heard);
        if age <= self.max_age_ticks {
            return Ok(());
        }
        let age = self.counter.scale().duration(age);
        Err(NowError::Stale { age, limit: self.limits.max_age })
    }

    /// `earliest`, whatever the age and the width.
    #[inline]
    pub(crate) fn earliest(&self) -> Result<i64, NowError> {
        if let Some(earliest) =
            self.quick::<QUICK_WORDS>().and_then(|(_, quick, ticks)| quick.earliest_now(ticks))
        {
            return Ok(earliest);
        }
        self.earliest_in_full()
    }

    /// `latest`, whatever the age and the width.
    #[inline]
    pub(crate) fn latest(&self) -> Result<i64, NowError> {
        if let Some((_, latest)) =
            self.quick::<QUICK_WORDS>().and_then(|(_, quick, ticks)| quick.now(ticks))
        {
            return Ok(latest);
        }
        self.latest_in_full()
    }

    #[cold]
    #[inline(never)]
    fn earliest_in_full(&self) -> Result<i64, NowError> {
        let beside = self.quick_beside_a_vm_clock::<QUICK_WORDS>();
        if let Some(earliest) = beside.and_then(|(_, quick, ticks)| quick.earliest_now(ticks)) {
            return Ok(earliest);
        }
        let (params, _, ticks) = self.running()?;
        params.earliest_now(ticks)
    }

    #[cold]
    #[inline(never)]
    fn latest_in_full(&self) -> Result<i64, NowError> {
        let beside = self.quick_beside_a_vm_clock::<QUICK_WORDS>();
        if let Some((_, latest)) = beside.and_then(|(_, quick, ticks)| quick.now(ticks)) {
            return Ok(latest);
        }
        let (params, _, ticks) = self.running()?;
        Ok(params.now(ticks)?.1)
    }

    /// The interval, if it is within the limit of uncertainty.
    pub(super) fn certain(
        &self,
        earliest_ns: i64,
        latest_ns: i64,
    ) -> Result<TimeInterval, NowError> {
        let (earliest, latest) =
            (Timestamp::from_unix_nanos(earliest_ns), Timestamp::from_unix_nanos(latest_ns));
        // Lines that have crossed contradict each other: (R) or (W) is broken, and the next
        // agreement will say so.
        let interval = TimeInterval::new(earliest, latest, self.timescale)
            .map_err(|_| NowError::Disrupted { reason: DisruptionReason::ContradictsPublished })?;
        let uncertainty = interval.uncertainty();
        if uncertainty > self.limits.max_uncertainty {
            return Err(NowError::TooUncertain { uncertainty, limit: self.limits.max_uncertainty });
        }
        Ok(interval)
    }
}
