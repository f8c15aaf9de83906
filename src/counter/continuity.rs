//! Whether the counter ran on: the part of assumption (C) that this machine can check.
//!
//! A system that has two clocks of one rate of which one stands still in a suspend says by their
//! difference how long it was suspended: it changes at a suspend and at nothing else (`asleep`,
//! `os`: BOOTTIME - MONOTONIC on Linux and Android, MONOTONIC_RAW - UPTIME_RAW on Apple's systems,
//! the interrupt time less the unbiased one on Windows). Elsewhere nothing is seen. A suspend
//! shorter than the platform can measure (a second where only the battery clock runs meanwhile) is
//! not seen: *Not guaranteed*.
//!
//! A virtual machine that was moved to another host, restored or copied hears it from its VM clock device (`vm_clock`), where it has one;
//! without one nothing is seen here. After a move nothing is known of the hardware counter: it is calibrated anew, and its cores are
//! compared anew, before it is used again.
//!
//! A process that enters another time namespace finds CLOCK_MONOTONIC_RAW moved by its offsets.
//! Only a process of one thread can do so, and so only a loop of one's own: it is seen at the
//! loop's next call, as a jump.
//!
//! A core that comes to those that the process may run on is compared with the others within about
//! a second; until then a reading on it may be apart by more than the margin.
//!
//! The hardware counter is compared with CLOCK_MONOTONIC_RAW: a jump, a step back or another rate of one of them shows, as far as it
//! is larger than what the pairs leave open, some hundreds of nanoseconds. But where the kernel makes RAW out of this very counter, RAW
//! jumps with it, and only one core's leaving the others shows. So the kernel's clock source is looked at, too: when its watchdog
//! stops trusting the counter, so does the clock.

use super::asleep::{Asleep, Clocks, Suspends};
use super::calibration::{Calibration, Pair};
use super::hardware;
use super::vm_clock::{Marked, Marker};
use super::{Counter, Incarnation, Kind, VmClock, os};
use crate::time::TickBounds;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// What is known of the clocks beside the counter, and what has changed since.
#[derive(Debug)]
pub(crate) struct Continuity {
    clocks: Clocks,
    asleep: Asleep,
    calibration: Option<Calibration>,
    /// The disruptions of the clock, and how many the calibration knows of.
    incarnation: Arc<Incarnation>,
    calibrated_in: u32,
    watches_clock_source: bool,
    /// The time namespace, by whose offsets RAW is moved. `None` where there is none to be watched.
    time_namespace: Option<u64>,
    /// What RAW is made of, where its rate may be learned.
    raw_source: Option<String>,
    /// At the last look the counter fitted to RAW, the kernel kept time by it, and the cores were compared on this host; and all of it.
    even: bool,
    clock_source: bool,
    cores: bool,
    usable: bool,
    vm_clock: VmClock,
    /// What its device said at the last look.
    marked: Option<Marked>,
    /// What two cores may be apart by, how far they are compared, in how many goes, and when the next one may be.
    margin: u64,
    survey: Option<hardware::Survey>,
    goes: u32,
    next_comparison: Option<Instant>,
    /// The cores that are within the margin, whether this process may run on others, too, and when
    /// to ask again.
    known_cores: Arc<[usize]>,
    grown: bool,
    next_count: Option<Instant>,
}

/// How much to check.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Scope {
    /// Only clocks: no system call where the vDSO serves them.
    Clocks,
    /// Also what the kernel says in files: its clock source and the time namespace.
    All,
}

/// How the counter did not run on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Break {
    /// It stood still while the machine was suspended.
    Suspended,
    /// It and CLOCK_MONOTONIC_RAW diverged.
    Jumped,
    /// The kernel does not keep time by it any more.
    ClockSource,
    /// The hypervisor has moved or restored the machine; no reader has answered from a reading of after that.
    Restored,
    /// It has made another machine of this one, whose counter ran on.
    Copied,
}

/// What a look has shown.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Seen {
    /// The counter did not run on.
    pub(crate) broken: Option<Break>,
    /// From now on the counter can be trusted again, or cannot be.
    pub(crate) usable: Option<bool>,
    /// What is known of the length of a tick has changed: it is more; or other, while the counter cannot be trusted. With the
    /// incarnation that it is of.
    pub(crate) tick: Option<(TickBounds, u32)>,
}

impl Continuity {
    /// The check that goes with a counter.
    pub(crate) fn of(counter: &Counter) -> Continuity {
        let clocks = match &counter.kind {
            Kind::Manual(counter) => Clocks::Manual(Arc::clone(counter)),
            _ => Clocks::Os,
        };
        let (calibration, watches_clock_source) = counter.watched.unzip();
        let watches_clock_source = watches_clock_source.unwrap_or(false);
        Continuity {
            asleep: Asleep::of(&clocks),
            calibration,
            calibrated_in: counter.incarnation.get(),
            incarnation: Arc::clone(&counter.incarnation),
            watches_clock_source,
            // A counter set by hand is not moved by one, and asking costs a simulation most of its time.
            time_namespace: if matches!(clocks, Clocks::Os) { os::time_namespace() } else { None },
            clocks,
            raw_source: counter.clock_source.clone(),
            even: true,
            clock_source: true,
            cores: true,
            usable: true,
            // What was noted when it was opened, not what it says now: the counter was measured in between.
            marked: counter.vm_clock.marker().map(Marker::at_first),
            vm_clock: counter.vm_clock.clone(),
            margin: counter.margin,
            survey: None,
            goes: 0,
            next_comparison: None,
            known_cores: Arc::clone(&counter.cores),
            grown: false,
            next_count: None,
        }
    }

    /// For the readers.
    pub(crate) fn suspends(&self) -> Suspends {
        self.asleep.readers().clone()
    }

    /// What has changed since the last look. Readers learn of it with [`noted`](Continuity::noted).
    pub(crate) fn check(&mut self, scope: Scope) -> Seen {
        let mut seen = Seen::default();
        // First: what is read below is from after what it tells of.
        let marked = self.newly_marked();
        let restored = marked == Some(Break::Restored);
        if let Some(calibration) = &mut self.calibration {
            // Before the pair: it is not from before the disruption that this number tells of.
            let incarnation = self.incarnation.get();
            let pair = self.clocks.pair();
            let known = calibration.tick();
            if restored {
                calibration.distrust(pair);
                hardware::forget_margin();
                (self.even, self.cores) = (false, false);
                (self.survey, self.next_comparison, self.goes, self.grown) = (None, None, 0, false);
            } else if incarnation == self.calibrated_in {
                self.even = calibration.add(pair).is_ok();
            } else {
                self.calibrated_in = incarnation;
                calibration.restart(pair);
            }
            let tick = Some(calibration.tick()).filter(|tick| *tick != known);
            seen.tick = tick.map(|tick| (tick, incarnation));
        }
        if self.watches_clock_source && scope == Scope::All {
            // Where the kernel does not say, nothing has changed.
            self.clock_source = self.clocks.hardware_is_clock_source().unwrap_or(self.clock_source);
        }
        if scope == Scope::All && self.raw_source.is_some() {
            let source = os::clock_source().or_else(|| self.raw_source.clone());
            if source != self.raw_source {
                // Made of another counter, RAW runs at another rate.
                (self.raw_source, seen.broken) = (source, Some(Break::ClockSource));
            }
        }
        if scope == Scope::All && self.time_namespace.is_some() {
            let namespace = os::time_namespace().or(self.time_namespace);
            if namespace != self.time_namespace {
                (self.time_namespace, seen.broken) = (namespace, Some(Break::Jumped));
            }
        }
        let usable = self.even && self.clock_source && self.cores;
        if usable != self.usable {
            (self.usable, seen.usable) = (usable, Some(usable));
            let reason = if self.even && self.cores { Break::ClockSource } else { Break::Jumped };
            seen.broken = (!usable).then_some(reason);
        }
        if self.asleep.check(&self.clocks) {
            // Some counters are set back meanwhile, too.
            seen.broken = Some(Break::Suspended);
        }
        // Before all else: it says the most.
        seen.broken = marked.or(seen.broken);
        seen
    }

    /// What the VM clock device says that it did not say at the last look. In the middle of an update it says nothing yet.
    fn newly_marked(&mut self) -> Option<Break> {
        let marked = self.vm_clock.marker()?.marked()?;
        let before = self.marked.replace(marked)?;
        let restored = if before.marker == marked.marker { Break::Copied } else { Break::Restored };
        (before != marked).then_some(restored)
    }

    /// The margin that the cores have to be within on this host, if they are to be compared now. It takes a while, so not under a lock.
    pub(crate) fn comparison_due(&mut self) -> Option<Comparison> {
        let not_yet = |at: Option<Instant>| at.is_some_and(|at| Instant::now() < at);
        let (clocks, marked, margin) = (self.clocks.clone(), self.marked, self.margin);
        if self.cores && !self.grown {
            if self.known_cores.is_empty() || not_yet(self.next_count) {
                return None;
            }
            self.next_count = Instant::now().checked_add(BETWEEN_COUNTS);
            let known = Some(Arc::clone(&self.known_cores));
            return Some(Comparison { clocks, margin, marked, survey: None, known });
        }
        if not_yet(self.next_comparison) {
            return None;
        }
        // Whoever else looks meanwhile does not compare them, too; and a machine on which they do not fit is not measured all the time.
        self.goes = self.goes.saturating_add(1);
        self.next_comparison = Instant::now().checked_add(BETWEEN_COMPARISONS * self.goes.min(30));
        Some(Comparison { clocks, margin, marked, survey: self.survey.take(), known: None })
    }

    /// The cores have been compared, as far as a go of it allows.
    pub(crate) fn compared(&mut self, comparison: Comparison, are_within: bool) {
        // Unless the machine was moved once more meanwhile.
        if comparison.marked != self.marked {
            return;
        }
        // Nor does *no others are there* count, if others have been found to be there since.
        if comparison.known.is_some() && comparison.survey.is_none() && (self.grown || !self.cores) {
            return;
        }
        if are_within {
            (self.cores, self.grown, self.goes) = (true, false, 0);
            if let Some(survey) = &comparison.survey {
                self.known_cores = survey.cores().into();
            }
        } else if self.cores {
            // The offsets of cores do not change: if the new ones turn out to be within the margin,
            // they have been from the start, and nothing was wrong. So the clock goes on for as
            // long as it takes to find out, within reason.
            self.grown = true;
            self.cores = self.goes < GOES_WITHOUT_A_WORD;
        }
        self.survey = comparison.survey.filter(|_| !are_within);
    }

    /// What was seen has been published.
    pub(crate) fn noted(&mut self, seen: Seen) {
        self.asleep.note();
        if let (Some(marker), Some(marked)) = (self.vm_clock.marker(), self.marked) {
            marker.note(marked);
        }
        let incarnation = self.incarnation.get();
        if matches!(seen.broken, Some(Break::Jumped | Break::Restored))
            && incarnation == self.calibrated_in.wrapping_add(1)
        {
            // The pair that showed it is from after it: no need to begin once more. Unless something else has disrupted the
            // clock since that pair was taken.
            self.calibrated_in = incarnation;
        }
    }
}

/// The counters of the cores are to be compared.
#[derive(Debug)]
pub(crate) struct Comparison {
    clocks: Clocks,
    margin: u64,
    marked: Option<Marked>,
    survey: Option<hardware::Survey>,
    /// Nothing is to be compared if the process may run on these cores alone.
    known: Option<Arc<[usize]>>,
}

impl Comparison {
    /// Whether they are all within the margin. Takes some tenth of a second at most, and may have to go on after that.
    pub(crate) fn make(&mut self) -> bool {
        if !matches!(self.clocks, Clocks::Os) {
            return true;
        }
        if self.known.as_ref().is_some_and(|known| hardware::is_all_of(known)) {
            return true;
        }
        self.survey = self.survey.take().or_else(hardware::Survey::new);
        self.survey.as_mut().is_some_and(|survey| hardware::are_within(self.margin, survey))
    }
}

impl Clocks {
    fn pair(&self) -> Pair {
        match self {
            Clocks::Manual(counter) => counter.pair(),
            _ => hardware::pair(),
        }
    }

    fn hardware_is_clock_source(&self) -> Option<bool> {
        match self {
            Clocks::Manual(counter) => Some(counter.is_clock_source()),
            _ => hardware::is_clock_source(),
        }
    }
}

/// How often is asked whether this process may run on further cores. Shorter: more threads, one for
/// each question. Longer: readings on a new core whose counter is apart are wrong for longer.
const BETWEEN_COUNTS: Duration = Duration::from_secs(1);
/// On a busy machine the first goes may not get around to all of the new cores.
const GOES_WITHOUT_A_WORD: u32 = 3;
/// After the first go; longer each time, up to thirty times that.
const BETWEEN_COMPARISONS: Duration = Duration::from_millis(300);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::counter::{CounterChoice, ManualCounter};

    #[test]
    #[cfg_attr(miri, ignore = "of the system's clocks")]
    fn a_machine_that_ran_on_is_never_called_otherwise() {
        let mut continuity = Continuity::of(&Counter::choose(CounterChoice::Auto, VmClock::none("")).unwrap());
        for i in 0..3_000 {
            let seen = continuity.check(if i % 100 == 0 { Scope::All } else { Scope::Clocks });
            assert_eq!((seen.broken, seen.usable), (None, None));
            continuity.noted(Seen::default());
            assert!(!continuity.suspends().unnoted());
        }
    }

    #[cfg(target_os = "linux")]
    #[test]
    #[cfg_attr(miri, ignore = "of the system's clocks")]
    fn another_time_namespace_is_a_jump_of_the_counter_and_seen_once() {
        let mut continuity = Continuity::of(&Counter::choose(CounterChoice::Raw, VmClock::none("")).unwrap());
        let Some(namespace) = continuity.time_namespace else {
            return println!("SKIPPED another_time_namespace_is_a_jump: the kernel has none");
        };
        assert_eq!(continuity.check(Scope::All).broken, None, "the twin");
        // As if it had been built in another one.
        continuity.time_namespace = Some(namespace ^ 1);
        assert_eq!(continuity.check(Scope::Clocks).broken, None, "a file, so only where all is checked");
        assert_eq!(continuity.check(Scope::All).broken, Some(Break::Jumped));
        assert_eq!(continuity.check(Scope::All).broken, None);
    }

    #[test]
    fn a_suspend_is_seen_once() {
        let manual = ManualCounter::new(0);
        let mut continuity = Continuity::of(&Counter::manual(Arc::clone(&manual)));
        assert_eq!(continuity.time_namespace, None, "nothing of this machine is read for it");
        assert_eq!(continuity.check(Scope::All), Seen::default());
        manual.suspend(1);
        assert!(continuity.suspends().unnoted(), "by readers before anyone has checked");
        assert_eq!(continuity.check(Scope::Clocks).broken, Some(Break::Suspended));
        assert!(continuity.suspends().unnoted(), "by readers until it is published");
        continuity.noted(Seen::default());
        assert!(!continuity.suspends().unnoted());
        assert_eq!(continuity.check(Scope::Clocks), Seen::default());
    }

    #[cfg(any(target_os = "linux", target_os = "android", target_vendor = "apple", windows))]
    #[test]
    #[cfg_attr(miri, ignore = "of the system's clocks")]
    fn a_suspend_that_the_os_knows_is_seen_once() {
        let mut continuity = Continuity::of(&Counter::choose(CounterChoice::Auto, VmClock::none("")).unwrap());
        // As if the last look had been before a suspend of one second.
        continuity.asleep.ns.0 -= 1_000_000_000;
        continuity.asleep.ns.1 -= 1_000_000_000;
        continuity.noted(Seen::default());
        assert!(continuity.suspends().unnoted());
        assert_eq!(continuity.check(Scope::Clocks).broken, Some(Break::Suspended));
        continuity.noted(Seen::default());
        assert!(!continuity.suspends().unnoted());
        assert_eq!(continuity.check(Scope::Clocks).broken, None);
    }

    #[cfg(any(target_os = "linux", target_os = "android", target_vendor = "apple", windows))]
    #[test]
    #[cfg_attr(miri, ignore = "of the system's clocks")]
    fn found_a_slow_first_check_does_not_hide_suspends_from_readers() {
        let mut continuity = Continuity::of(&Counter::choose(CounterChoice::Auto, VmClock::none("")).unwrap());
        // As if the thread had been held up for 2 s between the two readings of MONOTONIC.
        continuity.asleep.ns.1 += 2_000_000_000;
        continuity.noted(Seen::default());
        assert_eq!(continuity.check(Scope::All).broken, None);
        let noted = continuity.asleep.readers().noted_ns();
        // A suspend of a second: as if what was noted had been a second less.
        continuity.asleep.readers().note(noted - 1_000_000_000);
        assert!(continuity.suspends().unnoted());
    }

    /// A counter of 2.5 GHz with a second clock, whose tick is known to 20 ppm.
    #[cfg(feature = "sim")]
    fn watched() -> (Arc<ManualCounter>, Continuity) {
        use crate::time::TickScale;
        let manual = ManualCounter::new(1 << 40);
        manual.set_raw_ns(1_000_000_000);
        let p = 4 << 40;
        let scale = TickScale { ns_per_tick_2_40: p / 10 };
        let tick = TickBounds { least_2_40: p / 10 - p / 500_000, most_2_40: p / 10 + p / 500_000 };
        let counter = Counter::simulated(Arc::clone(&manual), scale, 100_000, 1).with_second_clock(tick);
        let continuity = Continuity::of(&counter);
        (manual, continuity)
    }

    #[cfg(feature = "sim")]
    #[test]
    fn a_counter_that_parts_from_its_second_clock_is_seen_and_one_that_does_not_is_learned() {
        let (manual, mut continuity) = watched();
        let pass = |ms: u64, ticks: u64| {
            manual.set_raw_ns(manual.raw_ns() + ms * 1_000_000);
            manual.set(manual.shown() + ticks);
        };
        pass(100, 250_000_000);
        let seen = continuity.check(Scope::Clocks);
        assert!(seen.broken.is_none() && seen.tick.unwrap().0.width_ppb() < 1_000, "{seen:?}");
        pass(100, 250_000_100);
        let seen = continuity.check(Scope::Clocks);
        assert_eq!((seen.broken, seen.usable), (Some(Break::Jumped), Some(false)), "40 ns in 100 ms");
        pass(100, 250_000_000);
        assert_eq!(continuity.check(Scope::Clocks).usable, None);
        pass(100, 250_000_000);
        assert_eq!(continuity.check(Scope::Clocks).usable, Some(true));
    }

    /// Lets `ms` pass on a counter of 2.5 GHz.
    #[cfg(feature = "sim")]
    fn pass(manual: &ManualCounter, ms: u64) {
        manual.set_raw_ns(manual.raw_ns() + ms * 1_000_000);
        manual.set(manual.shown() + ms * 2_500_000);
    }

    #[cfg(feature = "sim")]
    #[test]
    fn after_a_move_the_counter_is_used_when_its_cores_and_its_tick_are_known_again() {
        let (manual, _) = watched();
        let counter = Counter::manual(Arc::clone(&manual)).with_vm_clock();
        let tick = TickBounds { least_2_40: (2 << 40) / 5 - 1_000, most_2_40: (2 << 40) / 5 + 1_000 };
        let mut continuity = Continuity::of(&counter.with_second_clock(tick));
        pass(&manual, 100);
        assert_eq!(continuity.check(Scope::All).broken, None);
        assert!(continuity.comparison_due().is_none());
        manual.mark(true, false);
        let seen = continuity.check(Scope::Clocks);
        assert_eq!((seen.broken, seen.usable), (Some(Break::Restored), Some(false)));
        assert!(continuity.vm_clock.unnoted(), "by readers until it is published");
        continuity.noted(seen);
        assert!(!continuity.vm_clock.unnoted());
        let first = continuity.comparison_due().unwrap();
        continuity.compared(first, false);
        assert!(continuity.comparison_due().is_none(), "not at once");
        for _ in 0..4 {
            pass(&manual, 100);
            assert_eq!(continuity.check(Scope::All).usable, None, "the tick alone is not enough");
        }
        // Moved again while the cores were compared: that was of another host.
        continuity.next_comparison = None;
        let second = continuity.comparison_due().unwrap();
        manual.mark(true, false);
        assert_eq!(continuity.check(Scope::Clocks).broken, Some(Break::Restored));
        continuity.compared(second, true);
        continuity.next_comparison = None;
        let mut third = continuity.comparison_due().unwrap();
        assert!(third.make());
        continuity.compared(third, true);
        assert!(continuity.comparison_due().is_none());
        let usable: Vec<_> = (0..4)
            .map(|_| {
                pass(&manual, 100);
                continuity.check(Scope::Clocks).usable
            })
            .collect();
        assert_eq!(usable, [None, Some(true), None, None], "the cores alone are not enough");
    }

    /// A clock whose process was confined to one core when it began.
    #[cfg(feature = "sim")]
    fn of_one_core() -> (Arc<ManualCounter>, Continuity) {
        let (manual, mut continuity) = watched();
        continuity.known_cores = Arc::new([0]);
        (manual, continuity)
    }

    #[cfg(feature = "sim")]
    #[test]
    fn cores_that_come_later_and_are_apart_end_the_use_of_the_counter_until_they_are_not() {
        let (manual, mut continuity) = of_one_core();
        let go = |continuity: &mut Continuity, are_within| {
            (continuity.next_comparison, continuity.next_count) = (None, None);
            let comparison = continuity.comparison_due().expect("due");
            continuity.compared(comparison, are_within);
            pass(&manual, 100);
            let seen = continuity.check(Scope::All);
            continuity.noted(seen);
            (seen.broken, seen.usable)
        };
        assert_eq!(go(&mut continuity, true), (None, None), "none has come");
        for _ in 0..GOES_WITHOUT_A_WORD {
            assert_eq!(go(&mut continuity, false), (None, None), "not known yet");
        }
        assert_eq!(go(&mut continuity, false), (Some(Break::Jumped), Some(false)));
        assert_eq!(go(&mut continuity, false), (None, None), "as before");
        assert_eq!(go(&mut continuity, true).1, Some(true));
        assert_eq!(go(&mut continuity, true), (None, None));
    }

    #[cfg(feature = "sim")]
    #[test]
    fn cores_that_come_later_and_fit_are_no_disruption() {
        let (manual, mut continuity) = of_one_core();
        for are_within in [false, false, true, true] {
            (continuity.next_comparison, continuity.next_count) = (None, None);
            let comparison = continuity.comparison_due().unwrap();
            continuity.compared(comparison, are_within);
            pass(&manual, 100);
            let seen = continuity.check(Scope::All);
            assert_eq!((seen.broken, seen.usable), (None, None));
        }
        assert!(continuity.comparison_due().is_none(), "not at once");
    }

    #[test]
    #[cfg_attr(miri, ignore = "of the system's cores")]
    fn a_core_that_has_come_since_is_compared_and_then_known() {
        let Ok(counter) = Counter::choose(CounterChoice::Hardware, VmClock::none("")) else {
            return println!("SKIPPED a_core_that_has_come_since_is_compared_and_then_known: no hardware counter");
        };
        let all = Arc::clone(&counter.cores);
        let mut continuity = Continuity::of(&counter);
        // As if it had been confined to one core at the start, with room for others.
        (continuity.known_cores, continuity.margin) = (all[..1].into(), u64::MAX);
        for _ in 0..20 {
            (continuity.next_comparison, continuity.next_count) = (None, None);
            let mut comparison = continuity.comparison_due().unwrap();
            let are_within = comparison.make();
            continuity.compared(comparison, are_within);
            if are_within {
                break;
            }
        }
        assert_eq!((&continuity.known_cores, continuity.cores, continuity.grown), (&all, true, false));
    }

    #[test]
    fn a_copy_is_a_disruption_that_readers_need_not_check_for() {
        let manual = ManualCounter::new(0);
        let mut continuity = Continuity::of(&Counter::manual(Arc::clone(&manual)).with_vm_clock());
        manual.mark(false, true);
        assert!(!continuity.vm_clock.unnoted());
        assert_eq!(continuity.check(Scope::Clocks).broken, Some(Break::Copied));
        assert_eq!(continuity.check(Scope::Clocks).broken, None);
        let mut without = Continuity::of(&Counter::manual(Arc::clone(&manual)));
        manual.mark(true, true);
        assert_eq!(without.check(Scope::All).broken, None, "the twin: no device");
    }

    #[cfg(feature = "sim")]
    #[test]
    fn a_changed_clock_source_is_seen_when_it_changes_and_when_it_comes_back() {
        let (manual, mut continuity) = watched();
        manual.set_clock_source(false);
        assert_eq!(continuity.check(Scope::Clocks), Seen::default(), "not checked");
        let seen = continuity.check(Scope::All);
        assert_eq!((seen.broken, seen.usable), (Some(Break::ClockSource), Some(false)));
        assert_eq!(continuity.check(Scope::All), Seen::default());
        manual.set_clock_source(true);
        assert_eq!(continuity.check(Scope::All).usable, Some(true));
    }
}
