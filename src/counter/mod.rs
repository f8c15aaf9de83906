//! The local counter: floor 1, the only place that reads a clock of this machine.
//!
//! A counter gives ticks, the frozen length of a tick with a certified error, a margin and an
//! identity. A clock keeps one counter for its life.
//!
//! | counter | where | error of the nominal rate | margin |
//! |---|---|---|---|
//! | [`CounterChoice::Hardware`] | Linux on x86-64 (TSC) and aarch64 (CNTVCT), where it can be trusted (`trust`) | that of RAW, and what the calibration against it leaves open: some ppm at first, parts per billion after minutes | a tick, and the measured skew between cores |
//! | [`CounterChoice::Raw`] | Linux, Android, macOS, iOS: CLOCK_MONOTONIC_RAW; Windows: QueryPerformanceCounter (`os`) | 100 ppm: the system's own calibration | measured granularity, at least 300 ns; a tick for the cores on Windows |
//! | [`CounterChoice::OsMonotonic`] | everywhere: [`std::time::Instant`] | 100 500 ppm: a sync daemon may slew it | measured granularity, at least 300 ns |
//! | manual | tests and simulated worlds | as declared | 1 tick and the declared skew |
//!
//! `hardware` holds the instructions and what makes them a clock, `calibration` knows the length of
//! a tick, `os` asks the operating system, `nominal` turns its answers into bounds, `watch` notices
//! that the counter did not run on, `vm_clock` reads what the hypervisor says of that.

mod calibration;
mod fork;
#[cfg(all(target_os = "linux", any(target_arch = "x86_64", target_arch = "aarch64")))]
mod hardware;
#[cfg(not(all(target_os = "linux", any(target_arch = "x86_64", target_arch = "aarch64"))))]
#[path = "no_hardware.rs"]
mod hardware;
mod incarnation;
mod manual;
mod nominal;
mod os;
mod vm_clock;
mod watch;

pub(crate) use fork::ProcessMark;
pub(crate) use incarnation::Incarnation;
pub(crate) use manual::ManualCounter;
pub(crate) use vm_clock::VmClock;
pub use vm_clock::{ExpectedDisruption, VmClockChoice, VmClockError, VmClockStatus};
pub(crate) use watch::{Break, Continuity, Scope, Seen, Suspends};

use crate::time::{CounterId, MonotonicTime, TickBounds, TickScale, WallTime};
use calibration::Calibration;
use nominal::Nominal;
use os::clock_source;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

/// Which counter a clock reads.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum CounterChoice {
    /// The best one of this machine: the hardware counter where it can be trusted, else
    /// [`Raw`](CounterChoice::Raw), else the OS's monotonic clock. The status says which, and why.
    /// Measuring takes some milliseconds of each start, and at the first of a process a millisecond
    /// or so for each core more, half a second at most where all of them run.
    #[default]
    Auto,
    /// The processor's own counter: TSC on x86-64, CNTVCT on aarch64. Linux only. Refused where it
    /// cannot be read, is not invariant or cannot be compared between cores and with
    /// CLOCK_MONOTONIC_RAW; but taken where the kernel itself keeps time by another clock source:
    /// that it runs evenly there all the same is your claim.
    Hardware,
    /// The system's counter that is never stepped and never slewed: CLOCK_MONOTONIC_RAW on Linux,
    /// Android, macOS and iOS, QueryPerformanceCounter on Windows. Its nominal rate is trusted to
    /// 100 ppm. There is none elsewhere.
    Raw,
    /// The OS's monotonic clock through [`std::time::Instant`]. Never stepped, but a sync daemon
    /// may slew it, so its rate is trusted to 10.05 % only and the interval grows by 210 ms for
    /// each second without an answer.
    OsMonotonic,
}

/// A local counter. One type in production and in tests.
#[derive(Clone, Debug)]
pub(crate) struct Counter {
    kind: Kind,
    id: CounterId,
    incarnation: Arc<Incarnation>,
    scale: TickScale,
    tick: TickBounds,
    rate_error_ppb: u32,
    margin: u64,
    description: Arc<str>,
    /// What is known of a tick beside CLOCK_MONOTONIC_RAW, and whether the kernel's clock source is
    /// to be watched.
    watched: Option<(Calibration, bool)>,
    /// The cores that the margin was measured for, where it depends on them.
    cores: Arc<[usize]>,
    /// What the kernel made CLOCK_MONOTONIC_RAW out of at the start, where that is what is read.
    clock_source: Option<String>,
    /// Who tells of moves and restores of a virtual machine.
    vm_clock: VmClock,
}

#[derive(Clone, Debug)]
enum Kind {
    Hardware,
    Raw,
    OsMonotonic(Instant),
    Manual(Arc<ManualCounter>),
}

impl Counter {
    /// The counter of `choice`. What is measured of it is measured after `vm_clock` was opened, so
    /// a move meanwhile will be seen.
    ///
    /// # Errors
    ///
    /// Why this machine has none such.
    pub(crate) fn choose(
        choice: CounterChoice,
        vm_clock: VmClock,
    ) -> Result<Counter, &'static str> {
        let may_move = vm_clock.marker().is_some();
        let mut counter = Counter::measure(choice, may_move)?;
        if vm_clock.unnoted() {
            // Measured over a move it may be of no use for good. The first look will see that there
            // was one.
            counter = Counter::measure(choice, may_move)?;
        }
        Ok(Counter { vm_clock, ..counter })
    }

    fn measure(choice: CounterChoice, may_move: bool) -> Result<Counter, &'static str> {
        match choice {
            CounterChoice::Auto => {
                let why = match Counter::hardware(false, may_move) {
                    Ok(counter) => return Ok(counter),
                    Err(why) => why,
                };
                let counter = Counter::raw().or_else(|_| Counter::os_monotonic())?;
                let description =
                    format!("{} (not the hardware counter: {why})", counter.description).into();
                Ok(Counter { description, ..counter })
            }
            CounterChoice::Hardware => Counter::hardware(true, may_move),
            CounterChoice::Raw => Counter::raw(),
            CounterChoice::OsMonotonic => Counter::os_monotonic(),
        }
    }

    fn hardware(forced: bool, may_move: bool) -> Result<Counter, &'static str> {
        if !os::raw_is_its_own() {
            return Err(
                "CLOCK_MONOTONIC_RAW cannot be told from CLOCK_MONOTONIC here, so it is no witness of a rate",
            );
        }
        // RAW's own steps matter where it comes from another clock.
        let certificate = hardware::certify(forced, Counter::raw()?.margin, may_move)?;
        let known = certificate.calibration;
        let (scale, description) = (known.tick().middle(), certificate.to_string().into());
        let counter = Counter::over(
            Kind::Hardware,
            scale,
            RAW_RATE_ERROR_PPB,
            certificate.margin,
            description,
        );
        let cores = certificate.cores.into();
        Ok(Counter { tick: known.tick(), watched: Some((known, !forced)), cores, ..counter })
    }

    fn raw() -> Result<Counter, &'static str> {
        let nominal = os::raw()?;
        if !os::raw_is_its_own() {
            return Ok(Counter::measured(
                Kind::Raw,
                OS_MONOTONIC_RATE_ERROR_PPB,
                Nominal::nanoseconds(RAW_UNKNOWN),
            ));
        }
        let counter = Counter::measured(Kind::Raw, RAW_RATE_ERROR_PPB, nominal);
        Ok(Counter { clock_source: clock_source(), ..counter })
    }

    fn os_monotonic() -> Result<Counter, &'static str> {
        if cfg!(all(target_family = "wasm", target_os = "unknown")) {
            // `Instant` would panic.
            return Err("this platform has no clock at all");
        }
        let description = "the OS's monotonic clock: a sync daemon may slew it, so its rate is trusted to 10.05 % only";
        let kind = Kind::OsMonotonic(*PROCESS_ORIGIN);
        Ok(Counter::measured(kind, OS_MONOTONIC_RATE_ERROR_PPB, Nominal::nanoseconds(description)))
    }

    fn measured(kind: Kind, rate_error_ppb: u32, nominal: Nominal) -> Counter {
        let scale = nominal.tick.middle();
        let counter = Counter::over(kind, scale, rate_error_ppb, 0, nominal.description.into());
        Counter { margin: nominal.margin(counter.granularity()), tick: nominal.tick, ..counter }
    }

    /// A counter of its own identity over what is read, with a tick of exactly this length.
    fn over(
        kind: Kind,
        scale: TickScale,
        rate_error_ppb: u32,
        margin: u64,
        description: Arc<str>,
    ) -> Counter {
        Counter {
            kind,
            id: incarnation::fresh_id(),
            incarnation: Arc::default(),
            scale,
            tick: TickBounds::exactly(scale),
            rate_error_ppb,
            margin,
            description,
            watched: None,
            cores: Arc::new([]),
            clock_source: None,
            vm_clock: VmClock::none("nothing tells of moves"),
        }
    }

    /// A counter that stands still until a test moves it, one nanosecond a tick.
    pub(crate) fn manual(counter: Arc<ManualCounter>) -> Counter {
        Counter::over(Kind::Manual(counter), TickScale::NANOSECOND, 0, 1, MANUAL.into())
    }

    /// A counter of a simulated machine: `rate_error_ppb` is what its nominal tick is declared to
    /// be wrong by, `margin` as in [`margin`](Counter::margin).
    #[cfg(feature = "sim")]
    pub(crate) fn simulated(
        counter: Arc<ManualCounter>,
        scale: TickScale,
        rate_error_ppb: u32,
        margin: u64,
    ) -> Counter {
        Counter::over(Kind::Manual(counter), scale, rate_error_ppb, margin, MANUAL.into())
    }

    /// The same with a second clock beside it, as the hardware counter has one: what is known of
    /// its tick is `tick`, and the rest is learned from pairs.
    #[cfg(feature = "sim")]
    pub(crate) fn with_second_clock(self, tick: TickBounds) -> Counter {
        let Kind::Manual(manual) = &self.kind else { return self };
        let known = Calibration::known(tick, manual.pair(), self.margin);
        Counter { tick, watched: Some((known, true)), ..self }
    }

    /// The same with a VM clock device, which the simulated world writes.
    #[cfg(any(test, feature = "sim"))]
    pub(crate) fn with_vm_clock(self) -> Counter {
        let Kind::Manual(manual) = &self.kind else { return self };
        Counter { vm_clock: VmClock::manual(Arc::clone(manual)), ..self }
    }

    /// One reading, in ticks. Ordered after earlier loads where an instruction or the vDSO does so
    /// by itself: not on aarch64 with the hardware counter, where
    /// [`ticks_after`](Counter::ticks_after) does.
    #[inline]
    pub(crate) fn ticks(&self) -> u64 {
        self.ticks_after(0)
    }

    /// One reading, in ticks, ordered after the acquiring load that gave `loaded`, and after all
    /// that came before that one. By an instruction for the hardware counter (`hardware` says what
    /// that orders), else by the vDSO (Linux) or by one before the call.
    #[inline(always)]
    pub(crate) fn ticks_after(&self, loaded: u64) -> u64 {
        match self.kind {
            Kind::Hardware => hardware::ticks_after(loaded),
            _ => self.other_ticks(loaded),
        }
    }

    /// One reading that may be from before the call, by as much as the processor runs ahead; never
    /// from after its return.
    #[inline(always)]
    pub(crate) fn ticks_unordered(&self) -> u64 {
        match self.kind {
            Kind::Hardware => hardware::ticks_unordered(),
            _ => self.other_ticks(0),
        }
    }

    /// Apart, so that the way of the hardware counter is short wherever it is inlined.
    #[inline(never)]
    fn other_ticks(&self, loaded: u64) -> u64 {
        match &self.kind {
            Kind::Hardware => hardware::ticks_after(loaded),
            Kind::Raw => os::raw_ticks_after(loaded),
            // 584 years of nanoseconds fit.
            Kind::OsMonotonic(origin) => {
                u64::try_from(origin.elapsed().as_nanos()).unwrap_or(u64::MAX)
            }
            Kind::Manual(counter) => counter.ticks(),
        }
    }

    /// One reading for the library's own watches, which no simulated fault interrupts.
    pub(crate) fn ticks_for_watches(&self) -> u64 {
        match &self.kind {
            Kind::Manual(counter) => counter.shown(),
            _ => self.ticks(),
        }
    }

    /// One reading with the counter's identity. The incarnation is read first: a reading that
    /// carries the number of a disruption was taken after it.
    #[inline]
    pub(crate) fn read(&self) -> MonotonicTime {
        loop {
            let incarnation = self.incarnation.get();
            let ticks = self.ticks_after(u64::from(incarnation));
            // A reader held up between the two must not carry new ticks under an old number.
            if self.incarnation.get() == incarnation {
                return MonotonicTime::new(self.id, incarnation, ticks);
            }
        }
    }

    /// A reading that was taken just now without a look of a reader's.
    #[cfg(feature = "sim")]
    pub(crate) fn reading_of(&self, ticks: u64) -> MonotonicTime {
        MonotonicTime::new(self.id, self.incarnation.get(), ticks)
    }

    /// The VM clock device of this machine.
    #[inline]
    pub(crate) fn vm_clock(&self) -> &VmClock {
        &self.vm_clock
    }

    /// How many disruptions the clock has had.
    pub(crate) fn incarnation(&self) -> &Arc<Incarnation> {
        &self.incarnation
    }

    pub(crate) fn id(&self) -> CounterId {
        self.id
    }

    pub(crate) fn scale(&self) -> TickScale {
        self.scale
    }

    /// What is certified of the nominal length of a tick: in seconds of RAW for the hardware
    /// counter, by the system's word else.
    pub(crate) fn tick(&self) -> TickBounds {
        self.tick
    }

    /// By how much the nominal length of a tick may be wrong beside the oscillator's own drift, in
    /// parts per billion.
    pub(crate) fn rate_error_ppb(&self) -> u32 {
        self.rate_error_ppb
    }

    /// A difference of n ticks says that more than n - margin and less than n + margin of them
    /// passed.
    pub(crate) fn margin(&self) -> u64 {
        self.margin
    }

    /// Whether the length of a tick is learned while the clock runs.
    pub(crate) fn rate_is_learned(&self) -> bool {
        self.watched.is_some()
    }

    /// Whether the counter moves by itself, so that a wait may sleep.
    pub(crate) fn runs_by_itself(&self) -> bool {
        !matches!(self.kind, Kind::Manual(_))
    }

    /// Whether its rate is its oscillator's alone, so that what was learned of it holds for a
    /// while: not of a clock that may be slewed, nor where nobody would tell that the kernel makes
    /// it out of another counter now.
    pub(crate) fn keeps_its_rate(&self) -> bool {
        match self.kind {
            Kind::Hardware | Kind::Manual(_) => true,
            Kind::Raw => !os::RAW_MAY_CHANGE || self.clock_source.is_some(),
            Kind::OsMonotonic(_) => false,
        }
    }

    /// The name and the reason, for the status.
    pub(crate) fn describe(&self) -> &Arc<str> {
        &self.description
    }

    /// The least step between two different readings in a row, rounded up: what one reading cannot
    /// tell apart.
    ///
    /// An upper bound of the true step, since a step cannot be seen smaller than it is but for the
    /// rounding of a reading to a whole tick, which the added one covers.
    fn granularity(&self) -> u64 {
        let (mut least, mut seen, mut previous) = (u64::MAX, 0, self.ticks());
        let started = Instant::now();
        while seen < STEPS_TO_SEE && started.elapsed() < LONGEST_LOOK {
            let ticks = self.ticks();
            if ticks > previous {
                least = least.min(ticks - previous);
                seen += 1;
            }
            previous = ticks;
        }
        // No step at all within the look: a counter coarser than that is taken to step by the whole
        // look.
        let step = if seen == 0 { self.scale.ticks(2 * LONGEST_LOOK) } else { least };
        step.saturating_add(1)
    }
}

/// The operating system's wall clock, now.
pub(crate) fn read_wall() -> WallTime {
    // A clock set outside the years 1677 to 2262 is shown as the end of them: it is wrong either
    // way.
    WallTime::from_system_time(SystemTime::now()).unwrap_or(WallTime::FAR_FUTURE)
}

/// Where the readings of the OS's monotonic clock count from: one point for the whole process.
static PROCESS_ORIGIN: std::sync::LazyLock<Instant> = std::sync::LazyLock::new(|| {
    Instant::now().checked_sub(Duration::from_secs(1)).unwrap_or_else(Instant::now)
});

const MANUAL: &str = "a manual counter, moved by a test or a simulated world";

/// What the system's calibration of RAW is trusted to, beside the oscillator's own drift: 100 ppm
/// (DESIGN section 2). Smaller: wrong bounds where the system calibrated badly at its start.
/// Larger: wider intervals for everyone.
const RAW_RATE_ERROR_PPB: u32 = 100_000;

/// A slewed clock: adjtimex lets a daemon change the length of a tick by 10 % and the frequency by
/// 500 ppm more. Smaller: wrong bounds while a daemon slews.
const OS_MONOTONIC_RATE_ERROR_PPB: u32 = 100_500_000;

const RAW_UNKNOWN: &str = "CLOCK_MONOTONIC_RAW, which cannot be told from CLOCK_MONOTONIC here, as under gVisor: it may be \
     slewed, so its rate is trusted to 10.05 % only";

const STEPS_TO_SEE: u32 = 64;
const LONGEST_LOOK: Duration = Duration::from_millis(100);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[cfg_attr(miri, ignore = "of the system's clocks")]
    fn readings_go_forward_and_carry_their_counter() {
        for choice in [CounterChoice::Auto, CounterChoice::Raw, CounterChoice::OsMonotonic] {
            if choice == CounterChoice::Raw && os::raw().is_err() {
                continue;
            }
            let counter = Counter::choose(choice, VmClock::none("")).unwrap();
            let (a, b) = (counter.read(), counter.read());
            assert!(a.ticks() <= b.ticks() && a.counter() == b.counter());
            // Of the hardware counter it is what was measured.
            let least = if choice == CounterChoice::Auto { 0 } else { 300 };
            assert!(
                counter.margin() >= 1
                    && counter.scale().duration(counter.margin()).as_nanos() >= least
            );
            assert!(
                counter.ticks() > counter.margin(),
                "no reading is within a margin of the origin"
            );
        }
        let choose = || Counter::choose(CounterChoice::Auto, VmClock::none("")).unwrap();
        let (a, b) = (choose(), choose());
        assert_ne!(
            a.id(),
            b.id(),
            "the readings of two clocks are two things: each knows of its own disruptions"
        );
    }

    #[test]
    fn two_manual_counters_are_two() {
        let (a, b) =
            (Counter::manual(ManualCounter::new(5)), Counter::manual(ManualCounter::new(5)));
        assert_ne!(a.id(), b.id());
        assert_eq!(a.ticks(), 5);
    }
}
