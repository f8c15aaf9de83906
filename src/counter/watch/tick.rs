//! The tick watch: whether the counter ran evenly, and what is known of the length of its tick.
//!
//! The hardware counter is compared with CLOCK_MONOTONIC_RAW, pair by pair (`calibration`). A jump,
//! a step back or another rate of one of the two shows, as far as it is larger than what the pairs
//! leave open: some hundreds of nanoseconds. But where the kernel makes RAW out of this very
//! counter, RAW jumps with it, and the pairs only show a core whose counter leaves the others. So
//! more is watched:
//!
//! - The kernel's clock source, unless the counter was forced: when the kernel's watchdog stops
//!   trusting the counter, so does the clock.
//! - The counters of the cores (`cores`): they may be further apart on another host, and on cores
//!   that come later.
//! - What RAW is made of, where the clock reads RAW: made of another counter, it runs at another
//!   rate.
//! - The time namespace: its offsets move RAW.
//!
//! Only a process of one thread can enter another time namespace, and so only one whose clock is a
//! loop of its own. It is noticed at the loop's next call, as a jump.

mod cores;

use super::clocks::Clocks;
use super::{Break, Scope, Seen};
use crate::counter::calibration::Calibration;
use crate::counter::{Counter, Incarnation};
use crate::time::TickBounds;
pub(super) use cores::CoreComparison;
use cores::Cores;
use std::sync::Arc;

/// What is known of the counter, and of the clocks that it is compared with.
#[derive(Debug)]
pub(super) struct TickWatch {
    clocks: Clocks,
    calibration: Option<Calibration>,
    /// The disruptions of the clock, and how many of them the calibration knows of.
    incarnation: Arc<Incarnation>,
    calibrated_in: u32,
    watches_clock_source: bool,
    /// What RAW is made of, where its rate may be learned.
    raw_source: Option<String>,
    /// The time namespace, by whose offsets RAW is moved. `None` where there is none to be watched.
    time_namespace: Option<u64>,
    cores: Cores,
    /// Whether the counter fitted to RAW at the last check.
    even: bool,
    /// Whether the kernel kept time by it when that was last read.
    clock_source: bool,
    /// Whether the counter can be trusted: it is even, the clock source, and its cores are within
    /// the margin.
    usable: bool,
}

impl TickWatch {
    pub(super) fn of(counter: &Counter, clocks: Clocks) -> TickWatch {
        let (calibration, watches_clock_source) = counter.watched.unzip();
        TickWatch {
            calibration,
            calibrated_in: counter.incarnation.get(),
            incarnation: Arc::clone(&counter.incarnation),
            watches_clock_source: watches_clock_source.unwrap_or(false),
            raw_source: counter.clock_source.clone(),
            time_namespace: clocks.time_namespace(),
            cores: Cores::of(counter, clocks.clone()),
            clocks,
            even: true,
            clock_source: true,
            usable: true,
        }
    }

    /// What has changed since the last check. `restored`: the machine was moved or restored
    /// meanwhile, and whatever is read here is read after that.
    pub(super) fn observe(&mut self, scope: Scope, restored: bool) -> Seen {
        let tick = self.calibrate(restored);
        let mut broken = if scope == Scope::All { self.read_files() } else { None };
        let fits = self.even && self.cores.are_within();
        let usable = fits && self.clock_source;
        let changed = usable != self.usable;
        if changed {
            self.usable = usable;
            // Over what the files said: a counter that can be used again has been calibrated with
            // RAW as it is now.
            let reason = if fits { Break::ClockSource } else { Break::Jumped };
            broken = (!usable).then_some(reason);
        }
        Seen { broken, usable: changed.then_some(usable), tick }
    }

    /// Compares the counter with RAW once more. What is known of its tick then, if that has
    /// changed, with the incarnation it belongs to.
    fn calibrate(&mut self, restored: bool) -> Option<(TickBounds, u32)> {
        let calibration = self.calibration.as_mut()?;
        // Before the pair, which is then not from before the disruption that has this number.
        let incarnation = self.incarnation.get();
        let pair = self.clocks.pair();
        let known = calibration.tick();
        if restored {
            calibration.distrust(pair);
            self.cores.distrust();
            self.even = false;
        } else if incarnation == self.calibrated_in {
            self.even = calibration.add(pair).is_ok();
        } else {
            self.calibrated_in = incarnation;
            calibration.restart(pair);
        }
        let tick = calibration.tick();
        (tick != known).then_some((tick, incarnation))
    }

    /// Reads what the kernel says in files. Where it does not say, nothing has changed.
    fn read_files(&mut self) -> Option<Break> {
        if self.watches_clock_source {
            let is = self.clocks.hardware_is_clock_source();
            self.clock_source = is.unwrap_or(self.clock_source);
        }
        let source = self.raw_source_changed().then_some(Break::ClockSource);
        let namespace = self.time_namespace_changed().then_some(Break::Jumped);
        namespace.or(source)
    }

    /// Made of another counter, RAW runs at another rate.
    fn raw_source_changed(&mut self) -> bool {
        if self.raw_source.is_none() {
            return false;
        }
        let now = self.clocks.raw_source();
        let changed = now.is_some() && now != self.raw_source;
        if changed {
            self.raw_source = now;
        }
        changed
    }

    /// In another time namespace RAW is moved by other offsets.
    fn time_namespace_changed(&mut self) -> bool {
        if self.time_namespace.is_none() {
            return false;
        }
        let now = self.clocks.time_namespace();
        let changed = now.is_some() && now != self.time_namespace;
        if changed {
            self.time_namespace = now;
        }
        changed
    }

    /// The comparison of the cores that is due now, if one is.
    pub(super) fn comparison_due(&mut self) -> Option<CoreComparison> {
        self.cores.comparison_due()
    }

    /// The cores have been compared, as far as one go allows.
    pub(super) fn compared(&mut self, comparison: CoreComparison, are_within: bool) {
        self.cores.compared(comparison, are_within);
    }

    /// What was seen has been published. `broken` is what was published, by whichever watch.
    pub(super) fn noted(&mut self, broken: Option<Break>) {
        let incarnation = self.incarnation.get();
        let is_next = incarnation == self.calibrated_in.wrapping_add(1);
        if is_next && matches!(broken, Some(Break::Jumped | Break::Restored)) {
            // The pair that showed it is from after it: no need to begin once more. Unless
            // something else has disrupted the clock since that pair was taken.
            self.calibrated_in = incarnation;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::counter::watch::Continuity;
    #[cfg(feature = "sim")]
    use crate::counter::watch::tests::watched;
    use crate::counter::{CounterChoice, ManualCounter, VmClock};

    #[cfg(target_os = "linux")]
    #[test]
    #[cfg_attr(miri, ignore = "of the system's clocks")]
    fn another_time_namespace_is_a_jump_of_the_counter_and_seen_once() {
        let counter = Counter::choose(CounterChoice::Raw, VmClock::none("")).unwrap();
        let mut continuity = Continuity::of(&counter);
        let Some(namespace) = continuity.tick.time_namespace else {
            return println!("SKIPPED another_time_namespace_is_a_jump: the kernel has none");
        };
        assert_eq!(continuity.check(Scope::All).broken, None, "the twin");
        // As if it had been built in another one.
        continuity.tick.time_namespace = Some(namespace ^ 1);
        let seen = continuity.check(Scope::Clocks);
        assert_eq!(seen.broken, None, "a file, so only where all is checked");
        assert_eq!(continuity.check(Scope::All).broken, Some(Break::Jumped));
        assert_eq!(continuity.check(Scope::All).broken, None);
    }

    #[cfg(target_os = "linux")]
    #[test]
    #[cfg_attr(miri, ignore = "of the system's clocks")]
    fn a_raw_clock_made_of_another_counter_is_a_changed_clock_source_and_seen_once() {
        let counter = Counter::choose(CounterChoice::Raw, VmClock::none("")).unwrap();
        let mut continuity = Continuity::of(&counter);
        if continuity.tick.raw_source.is_none() {
            return println!("SKIPPED a_raw_clock_made_of_another_counter: nothing is said");
        }
        assert_eq!(continuity.check(Scope::All).broken, None, "the twin");
        // As if it had been made of another one at the start.
        continuity.tick.raw_source = Some("another".into());
        let seen = continuity.check(Scope::Clocks);
        assert_eq!(seen.broken, None, "a file, so only where all is checked");
        let seen = continuity.check(Scope::All);
        assert_eq!((seen.broken, seen.usable), (Some(Break::ClockSource), None));
        assert_eq!(continuity.check(Scope::All).broken, None);
    }

    #[test]
    fn for_a_manual_counter_nothing_of_this_machine_is_read() {
        let continuity = Continuity::of(&Counter::manual(ManualCounter::new(0)));
        let watch = &continuity.tick;
        assert!(watch.time_namespace.is_none() && watch.raw_source.is_none());
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
        let width_ppb = seen.tick.unwrap().0.width_ppb();
        assert!(seen.broken.is_none() && width_ppb < 1_000, "{seen:?}");
        pass(100, 250_000_100);
        let seen = continuity.check(Scope::Clocks);
        let expected = (Some(Break::Jumped), Some(false));
        assert_eq!((seen.broken, seen.usable), expected, "40 ns in 100 ms");
        pass(100, 250_000_000);
        assert_eq!(continuity.check(Scope::Clocks).usable, None);
        pass(100, 250_000_000);
        assert_eq!(continuity.check(Scope::Clocks).usable, Some(true));
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
