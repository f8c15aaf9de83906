//! Whether the counter ran on: as much of assumption (C) as this machine can check.
//!
//! | watch | what it notices | what it reads |
//! |---|---|---|
//! | `vm` | the machine was moved, restored or copied | its VM clock device |
//! | `tick` | the counter jumped or changed its rate | CLOCK_MONOTONIC_RAW, files, cores |
//! | `suspend` | the machine was suspended | two clocks of one rate |
//!
//! Each watch owns its state and gives one verdict; [`Continuity`] makes one of the three. After a
//! move nothing is known of the hardware counter: it is calibrated anew, and its cores are compared
//! anew, before it is used again.
//!
//! # The order of a check, and why
//!
//! 1. The VM clock device is read first: whatever is read below is then read after the move that it
//!    reports.
//! 2. The number of disruptions is read before the pair of counter and RAW: the pair is then not
//!    from before the disruption with this number.
//! 3. The calibration takes the pair. After a move it is distrusted, and the cores with it; in a
//!    new incarnation it is restarted: what the counter did in the disruption is not its rate.
//! 4. The kernel's files are read, in [`Scope::All`] only, since they cost system calls.
//! 5. Whether the counter can be used follows from 3, from 4 and from the cores. Where that
//!    changes, it decides the reason, over what RAW's source and the time namespace gave.
//! 6. A suspend replaces the reasons above: some counters are set back in one, too.
//! 7. What 1 reported replaces all others: it says the most.
//!
//! A verdict changes nothing for readers. It is published as a disruption first, and then noted
//! ([`Continuity::noted`]): a reader that finds a suspend or a move noted sees the disruption.

mod clocks;
mod suspend;
mod tick;
mod vm;

pub(crate) use suspend::Suspends;

use super::Counter;
use super::vm_clock::Marked;
use crate::time::TickBounds;
use clocks::Clocks;
use suspend::SuspendWatch;
use tick::{CoreComparison, TickWatch};
use vm::VmWatch;

/// The three watches over a counter.
#[derive(Debug)]
pub(crate) struct Continuity {
    vm: VmWatch,
    tick: TickWatch,
    suspend: SuspendWatch,
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
    /// The hypervisor has moved or restored the machine. No reader has answered from a reading
    /// taken after that.
    Restored,
    /// The hypervisor has made another machine of this one, whose counter ran on.
    Copied,
}

/// What a check has shown.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Seen {
    /// The counter did not run on.
    pub(crate) broken: Option<Break>,
    /// From now on the counter can be trusted again, or cannot be.
    pub(crate) usable: Option<bool>,
    /// What is known of the length of a tick, if that has changed: more is known; or something
    /// else, while the counter cannot be trusted. With the incarnation it belongs to.
    pub(crate) tick: Option<(TickBounds, u32)>,
}

impl Continuity {
    /// The check that goes with a counter.
    pub(crate) fn of(counter: &Counter) -> Continuity {
        let clocks = Clocks::of(counter);
        Continuity {
            suspend: SuspendWatch::of(clocks.clone()),
            tick: TickWatch::of(counter, clocks),
            vm: VmWatch::of(&counter.vm_clock),
        }
    }

    /// The suspended time, for readers that check for suspends themselves.
    pub(crate) fn suspends(&self) -> Suspends {
        self.suspend.readers().clone()
    }

    /// What has changed since the last check, in the order that the head of this file gives reasons
    /// for. Readers learn of it with [`noted`](Continuity::noted).
    pub(crate) fn check(&mut self, scope: Scope) -> Seen {
        let marked = self.vm.observe();
        let seen = self.tick.observe(scope, marked == Some(Break::Restored));
        let suspended = self.suspend.observe();
        Seen { broken: marked.or(suspended).or(seen.broken), ..seen }
    }

    /// The comparison of the cores with the margin that is due now, if one is. It takes a while, so
    /// it is not to be made under a lock.
    pub(crate) fn comparison_due(&mut self) -> Option<Comparison> {
        let marked = self.vm.marked();
        self.tick.comparison_due().map(|cores| Comparison { cores, marked })
    }

    /// The cores have been compared, as far as one go allows.
    pub(crate) fn compared(&mut self, comparison: Comparison, are_within: bool) {
        // Unless the machine was moved once more meanwhile: that was of another host.
        if comparison.marked == self.vm.marked() {
            self.tick.compared(comparison.cores, are_within);
        }
    }

    /// What was seen has been published.
    pub(crate) fn noted(&mut self, seen: Seen) {
        self.suspend.note();
        self.vm.note();
        self.tick.noted(seen.broken);
    }
}

/// The counters of the cores are to be compared.
#[derive(Debug)]
pub(crate) struct Comparison {
    cores: CoreComparison,
    /// What the VM clock device had said when it was begun.
    marked: Option<Marked>,
}

impl Comparison {
    /// Whether they are all within the margin. Takes some tenth of a second at most, and may have
    /// to go on after that.
    pub(crate) fn make(&mut self) -> bool {
        self.cores.make()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    #[cfg(feature = "sim")]
    use crate::counter::ManualCounter;
    use crate::counter::{CounterChoice, VmClock};
    #[cfg(feature = "sim")]
    use std::sync::Arc;

    #[test]
    #[cfg_attr(miri, ignore = "of the system's clocks")]
    fn a_machine_that_ran_on_is_never_called_otherwise() {
        let counter = Counter::choose(CounterChoice::Auto, VmClock::none("")).unwrap();
        let mut continuity = Continuity::of(&counter);
        for i in 0..3_000 {
            let seen = continuity.check(if i % 100 == 0 { Scope::All } else { Scope::Clocks });
            assert_eq!((seen.broken, seen.usable), (None, None));
            continuity.noted(Seen::default());
            assert!(!continuity.suspends().unnoted());
        }
    }

    /// What is known of a tick of 0.4 ns, to so many units of 2^-40 ns on either side.
    #[cfg(feature = "sim")]
    pub(super) fn second_clock(error_2_40: u64) -> TickBounds {
        let tick = (4 << 40) / 10;
        TickBounds { least_2_40: tick - error_2_40, most_2_40: tick + error_2_40 }
    }

    /// A counter of 2.5 GHz with a second clock, whose tick is known to 20 ppm.
    #[cfg(feature = "sim")]
    fn simulated() -> (Arc<ManualCounter>, Counter) {
        let manual = ManualCounter::new(1 << 40);
        manual.set_raw_ns(1_000_000_000);
        let scale = crate::time::TickScale { ns_per_tick_2_40: (4 << 40) / 10 };
        let counter = Counter::simulated(Arc::clone(&manual), scale, 100_000, 1);
        (manual, counter.with_second_clock(second_clock((4 << 40) / 500_000)))
    }

    /// The watches over such a counter.
    #[cfg(feature = "sim")]
    pub(super) fn watched() -> (Arc<ManualCounter>, Continuity) {
        let (manual, counter) = simulated();
        (manual, Continuity::of(&counter))
    }

    /// Lets `ms` pass on a counter of 2.5 GHz.
    #[cfg(feature = "sim")]
    pub(super) fn pass(manual: &ManualCounter, ms: u64) {
        manual.set_raw_ns(manual.raw_ns() + ms * 1_000_000);
        manual.set(manual.shown() + ms * 2_500_000);
    }

    /// What can happen between two checks, from what says least to what says most.
    #[cfg(feature = "sim")]
    const REASONS: [Break; 5] = {
        use Break::*;
        [ClockSource, Jumped, Suspended, Copied, Restored]
    };

    #[cfg(feature = "sim")]
    #[test]
    fn of_several_reasons_the_one_that_says_most_is_given() {
        for happened in 0_u8..32 {
            let happens = |bit: usize| happened >> bit & 1 == 1;
            let (manual, counter) = simulated();
            let mut continuity = Continuity::of(&counter.with_vm_clock());
            pass(&manual, 100);
            assert_eq!(continuity.check(Scope::All).broken, None, "the twin");
            manual.mark(happens(4), happens(3));
            if happens(2) {
                manual.suspend(1);
            }
            manual.set(manual.shown() + if happens(1) { 1_000 } else { 0 });
            manual.set_clock_source(!happens(0));
            pass(&manual, 100);
            let seen = continuity.check(Scope::All);
            let expected = (0..5).rev().find(|bit| happens(*bit)).map(|bit| REASONS[bit]);
            assert_eq!(seen.broken, expected, "{happened:05b}");
            let doubted = happens(0) || happens(1) || happens(4);
            assert_eq!(seen.usable, doubted.then_some(false), "{happened:05b}");
        }
    }
}
