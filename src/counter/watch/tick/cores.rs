//! Whether the counters of the cores are within the margin of the counter.
//!
//! The margin was measured on the cores that the process could run on at the start. It says nothing
//! of cores that come later, nor of those of another host. Both are compared while the clock runs:
//!
//! - A core that comes later is compared with the others within about a second. Until then a
//!   reading on it may be apart by more than the margin.
//! - After a move the counter is not used before all cores were compared on the new host.
//!
//! A comparison takes up to a tenth of a second, so none is made under a lock: it is taken out when
//! it is due, made, and brought back.

use crate::counter::watch::clocks::Clocks;
use crate::counter::{Counter, hardware};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// What is known of the cores, and the comparison that goes on.
#[derive(Debug)]
pub(in crate::counter::watch) struct Cores {
    clocks: Clocks,
    /// What two cores may be apart by, in ticks.
    margin: u64,
    standing: Standing,
    /// The cores that are within the margin. Empty for a counter that does not depend on them.
    known: Arc<[usize]>,
    /// When to ask again whether the process may run on others, too.
    next_count: Option<Instant>,
    /// How far they are compared.
    survey: Option<hardware::Survey>,
    /// How many comparisons were begun since all were last within the margin.
    goes: u32,
    /// When the next one may begin.
    next_comparison: Option<Instant>,
}

/// Whether a reading on one core may be compared with a reading on another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Standing {
    /// All cores are within the margin.
    Within,
    /// Others have come. The counter is used while they are compared.
    Growing,
    /// It is not known that all are within the margin, so the counter is not to be used.
    Doubtful,
}

impl Cores {
    pub(super) fn of(counter: &Counter, clocks: Clocks) -> Cores {
        Cores {
            clocks,
            margin: counter.margin,
            standing: Standing::Within,
            known: Arc::clone(&counter.cores),
            next_count: None,
            survey: None,
            goes: 0,
            next_comparison: None,
        }
    }

    /// Whether the counter may be used as far as its cores are concerned.
    pub(super) fn are_within(&self) -> bool {
        self.standing != Standing::Doubtful
    }

    /// The machine was moved: what was compared was another host.
    pub(super) fn distrust(&mut self) {
        hardware::forget_margin();
        self.standing = Standing::Doubtful;
        (self.survey, self.next_comparison, self.goes) = (None, None, 0);
    }

    /// The comparison that is due now, if one is.
    pub(super) fn comparison_due(&mut self) -> Option<CoreComparison> {
        let not_yet = |at: Option<Instant>| at.is_some_and(|at| Instant::now() < at);
        let (clocks, margin) = (self.clocks.clone(), self.margin);
        if self.standing == Standing::Within {
            if self.known.is_empty() || not_yet(self.next_count) {
                return None;
            }
            self.next_count = Instant::now().checked_add(BETWEEN_COUNTS);
            let known = Some(Arc::clone(&self.known));
            return Some(CoreComparison { clocks, margin, survey: None, known });
        }
        if not_yet(self.next_comparison) {
            return None;
        }
        // So no other caller compares them meanwhile, and a machine whose cores are apart is not
        // measured all the time.
        self.goes = self.goes.saturating_add(1);
        self.next_comparison = Instant::now().checked_add(BETWEEN_COMPARISONS * self.goes.min(30));
        Some(CoreComparison { clocks, margin, survey: self.survey.take(), known: None })
    }

    /// The cores have been compared, as far as one go allows.
    pub(super) fn compared(&mut self, comparison: CoreComparison, are_within: bool) {
        // That no others are there does not count if others were found meanwhile.
        if comparison.found_no_others() && self.standing != Standing::Within {
            return;
        }
        if are_within {
            (self.standing, self.goes) = (Standing::Within, 0);
            if let Some(survey) = &comparison.survey {
                self.known = survey.cores().into();
            }
        } else if self.are_within() {
            // The offsets of cores do not change: if the new ones turn out to be within the margin,
            // they have been from the start, and nothing was wrong. So the clock goes on for as
            // long as it takes to find out, within reason.
            let go_on = self.goes < GOES_WITHOUT_A_WORD;
            self.standing = if go_on { Standing::Growing } else { Standing::Doubtful };
        }
        self.survey = comparison.survey.filter(|_| !are_within);
    }
}

/// A comparison of the cores that is due.
#[derive(Debug)]
pub(in crate::counter::watch) struct CoreComparison {
    clocks: Clocks,
    margin: u64,
    survey: Option<hardware::Survey>,
    /// Nothing is to be compared if the process may run on these cores alone.
    known: Option<Arc<[usize]>>,
}

impl CoreComparison {
    /// Whether they are all within the margin. Takes some tenth of a second at most, and may have
    /// to go on after that.
    pub(in crate::counter::watch) fn make(&mut self) -> bool {
        if !self.clocks.have_cores() {
            return true;
        }
        if self.known.as_ref().is_some_and(|known| hardware::is_all_of(known)) {
            return true;
        }
        self.survey = self.survey.take().or_else(hardware::Survey::new);
        self.survey.as_mut().is_some_and(|survey| hardware::are_within(self.margin, survey))
    }

    /// Whether it only asked for further cores, and began no survey.
    fn found_no_others(&self) -> bool {
        self.known.is_some() && self.survey.is_none()
    }
}

/// How often is asked whether this process may run on further cores. Shorter: more threads, one for
/// each question. Longer: readings on a new core whose counter is apart are wrong for longer.
const BETWEEN_COUNTS: Duration = Duration::from_secs(1);
/// On a busy machine the first goes may not get around to all of the new cores. Fewer: disruptions
/// there. More: readings on a new core whose counter is apart are wrong for longer.
const GOES_WITHOUT_A_WORD: u32 = 3;
/// After the first go; longer each time, up to thirty times that. Shorter: a machine whose cores
/// are apart is measured more. Longer: a moved machine uses its counter later.
const BETWEEN_COMPARISONS: Duration = Duration::from_millis(300);

#[cfg(test)]
mod tests {
    use super::*;
    #[cfg(feature = "sim")]
    use crate::counter::ManualCounter;
    use crate::counter::watch::Continuity;
    #[cfg(feature = "sim")]
    use crate::counter::watch::tests::{pass, second_clock, watched};
    #[cfg(feature = "sim")]
    use crate::counter::watch::{Break, Scope};
    use crate::counter::{CounterChoice, VmClock};

    fn at_once(continuity: &mut Continuity) {
        let cores = &mut continuity.tick.cores;
        (cores.next_comparison, cores.next_count) = (None, None);
    }

    #[cfg(feature = "sim")]
    #[test]
    fn after_a_move_the_counter_is_used_when_its_cores_and_its_tick_are_known_again() {
        let manual = watched().0;
        let counter = Counter::manual(Arc::clone(&manual)).with_vm_clock();
        let counter = counter.with_second_clock(second_clock(1_000));
        let mut continuity = Continuity::of(&counter);
        pass(&manual, 100);
        assert_eq!(continuity.check(Scope::All).broken, None);
        assert!(continuity.comparison_due().is_none());
        manual.mark(true, false);
        let seen = continuity.check(Scope::Clocks);
        assert_eq!((seen.broken, seen.usable), (Some(Break::Restored), Some(false)));
        assert!(counter.vm_clock().unnoted(), "by readers until it is published");
        continuity.noted(seen);
        assert!(!counter.vm_clock().unnoted());
        let first = continuity.comparison_due().unwrap();
        continuity.compared(first, false);
        assert!(continuity.comparison_due().is_none(), "not at once");
        for _ in 0..4 {
            pass(&manual, 100);
            assert_eq!(continuity.check(Scope::All).usable, None, "the tick alone is not enough");
        }
        // Moved again while the cores were compared: that was of another host.
        at_once(&mut continuity);
        let second = continuity.comparison_due().unwrap();
        manual.mark(true, false);
        assert_eq!(continuity.check(Scope::Clocks).broken, Some(Break::Restored));
        continuity.compared(second, true);
        at_once(&mut continuity);
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
        continuity.tick.cores.known = Arc::new([0]);
        (manual, continuity)
    }

    #[cfg(feature = "sim")]
    #[test]
    fn cores_that_come_later_and_are_apart_end_the_use_of_the_counter_until_they_are_not() {
        let (manual, mut continuity) = of_one_core();
        let go = |continuity: &mut Continuity, are_within| {
            at_once(continuity);
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
            at_once(&mut continuity);
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
            let name = "a_core_that_has_come_since_is_compared_and_then_known";
            return println!("SKIPPED {name}: no hardware counter");
        };
        let all = Arc::clone(&counter.cores);
        let mut continuity = Continuity::of(&counter);
        let cores = &mut continuity.tick.cores;
        // As if it had been confined to one core at the start, with room for others.
        (cores.known, cores.margin) = (all[..1].into(), u64::MAX);
        for _ in 0..20 {
            at_once(&mut continuity);
            let mut comparison = continuity.comparison_due().unwrap();
            let are_within = comparison.make();
            continuity.compared(comparison, are_within);
            if are_within {
                break;
            }
        }
        let cores = &continuity.tick.cores;
        assert_eq!((&cores.known, cores.standing), (&all, Standing::Within));
    }
}
