//! How far the counters of two cores may be apart: certified by round trips between them, as clocks
//! are compared over a network.
//!
//! A thread on core a reads a1, one on core b reads its counter, core a reads a2; a message is not
//! received before it was sent, so the offset of b lies within `[b - a2, b - a1]`. The best of many
//! rounds bounds it to about the time a cache line takes. Looking for readings that go back (the
//! kernel's warp test) would not do: it sees no offset below that time, and a bound must.

use rustix::thread::CpuSet;
use std::collections::VecDeque;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// The largest difference between the counters of any two cores that this process may run on, in
/// ticks; `None` where it cannot be measured. With the cores that were compared.
pub(super) fn between_cores(read: impl Fn() -> u64 + Sync) -> Option<(u64, Vec<usize>)> {
    let mut survey = Survey::new()?;
    survey.go_on(read, u64::MAX, LONGEST_OF_ALL).then(|| (survey.span(), survey.cores))
}

/// Whether this process may run on these cores only. `false` also where that is not known.
pub(in crate::counter) fn is_all_of(known: &[usize]) -> bool {
    cores_of_the_process().is_some_and(|cores| cores.iter().all(|core| known.contains(core)))
}

/// The comparison of all cores with the first one, in as many goes as it takes: on a busy machine
/// some pairs cannot be compared closely at the first try.
#[derive(Debug)]
pub(in crate::counter) struct Survey {
    cores: Vec<usize>,
    left: VecDeque<usize>,
    /// The least and the most that one of the compared may be ahead of the first.
    offsets: (i128, i128),
    /// So many tries in a row have failed.
    failed: usize,
}

impl Survey {
    pub(in crate::counter) fn new() -> Option<Survey> {
        Some(Survey::of(cores_of_the_process()?))
    }

    /// The cores that are compared.
    pub(in crate::counter) fn cores(&self) -> &[usize] {
        &self.cores
    }

    fn of(cores: Vec<usize>) -> Survey {
        let left = cores.iter().skip(1).copied().collect();
        Survey { cores, left, offsets: (0, 0), failed: 0 }
    }

    /// Compares what is left, as far as `length` allows. True when all cores are found to be within
    /// `most` ticks of each other.
    pub(super) fn go_on(
        &mut self,
        read: impl Fn() -> u64 + Sync,
        most: u64,
        length: Duration,
    ) -> bool {
        let give_up = Instant::now() + length;
        for _ in 0..self.left.len() {
            let Some(core) = self.left.front().copied().filter(|_| Instant::now() <= give_up)
            else {
                break;
            };
            let hull = offset(self.cores[0], core, &read)
                .map(|(least, highest)| (self.offsets.0.min(least), self.offsets.1.max(highest)))
                .filter(|hull| hull.1 - hull.0 <= i128::from(most));
            if let Some(hull) = hull {
                (self.offsets, self.failed) = (hull, 0);
                self.left.pop_front();
            } else {
                // After the others.
                self.left.rotate_left(1);
                self.failed += 1;
            }
        }
        if !self.left.is_empty() && self.failed < self.left.len() {
            return false;
        }
        // Cores may have come and gone; or, where none of these could be compared, what was found
        // coarsely before leaves no room for them.
        let Some(cores) = cores_of_the_process() else { return false };
        if self.left.is_empty() && cores == self.cores {
            return true;
        }
        *self = Survey::of(cores);
        false
    }

    fn span(&self) -> u64 {
        u64::try_from(self.offsets.1 - self.offsets.0).unwrap_or(u64::MAX)
    }
}

/// The cores that any thread of this process may run on, however the calling one is pinned.
fn cores_of_the_process() -> Option<Vec<usize>> {
    std::thread::scope(|scope| {
        let all_that_may_be = || {
            let mut all = CpuSet::new();
            (0..CpuSet::MAX_CPU).for_each(|core| all.set(core));
            // The kernel leaves of them what the process may use.
            rustix::thread::sched_setaffinity(None, &all).ok()?;
            rustix::thread::sched_getaffinity(None).ok()
        };
        let allowed = std::thread::Builder::new()
            .spawn_scoped(scope, all_that_may_be)
            .ok()?
            .join()
            .ok()??;
        Some((0..CpuSet::MAX_CPU).filter(|core| allowed.is_set(*core)).collect())
    })
}

/// Bounds of the counter of core `b` minus that of core `a`.
fn offset(a: usize, b: usize, read: &(impl Fn() -> u64 + Sync)) -> Option<(i128, i128)> {
    // Odd: a question; even: its answer is there.
    let (turn, answer) = (AtomicU64::new(0), AtomicU64::new(0));
    let give_up = Instant::now() + LONGEST;
    std::thread::scope(|scope| {
        let responder = || {
            pin(b)?;
            for round in 0..ROUNDS {
                wait_for(&turn, 2 * round + 1, give_up)?;
                answer.store(read(), Ordering::Relaxed);
                turn.store(2 * round + 2, Ordering::Release);
            }
            Some(())
        };
        let asker = || {
            pin(a)?;
            let mut best: Option<(i128, i128)> = None;
            for round in 0..ROUNDS {
                let asked = read();
                turn.store(2 * round + 1, Ordering::Release);
                if wait_for(&turn, 2 * round + 2, give_up).is_none() {
                    break;
                }
                let shown = i128::from(answer.load(Ordering::Relaxed));
                let got = read();
                let (least, most) = (shown - i128::from(got), shown - i128::from(asked));
                // Every round is true: the best of all of them.
                best = Some(best.map_or((least, most), |(l, m)| (l.max(least), m.min(most))));
            }
            best
        };
        let responder = std::thread::Builder::new().spawn_scoped(scope, responder).ok()?;
        let asker = std::thread::Builder::new().spawn_scoped(scope, asker).ok()?;
        // The responder may have been too late for the last rounds; not to have been pinned is
        // another matter.
        let (_, best) = (responder.join().ok()?, asker.join().ok()?);
        best.filter(|(least, most)| least <= most)
    })
}

/// Spins until the turn has come, or gives up.
fn wait_for(turn: &AtomicU64, value: u64, give_up: Instant) -> Option<()> {
    let mut spins = 0u32;
    loop {
        let now = turn.load(Ordering::Acquire);
        if now >= value {
            return Some(());
        }
        std::hint::spin_loop();
        spins = spins.wrapping_add(1);
        if spins % 256 == 0 {
            if Instant::now() > give_up {
                return None;
            }
            std::thread::yield_now();
        }
    }
}

fn pin(core: usize) -> Option<()> {
    let mut set = CpuSet::new();
    set.set(core);
    rustix::thread::sched_setaffinity(None, &set).ok()
}

/// Rounds with each core. Fewer: a wider bound where the machine is busy. More: a slower first
/// start; a round takes well below a microsecond.
const ROUNDS: u64 = 300;
/// A core that hardly runs does not hang the start of a clock.
const LONGEST: Duration = Duration::from_millis(50);

/// Nor do many such: then the hardware counter is not used.
const LONGEST_OF_ALL: Duration = Duration::from_millis(500);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_clock_behind_all_cores_is_within_its_bound() {
        let began = Instant::now();
        let read = || u64::try_from(began.elapsed().as_nanos()).unwrap_or(u64::MAX);
        let Some(cores) = cores_of_the_process().filter(|cores| cores.len() > 1) else { return };
        if let Some((least, most)) = offset(cores[0], cores[1], &read) {
            assert!(least <= 0 && 0 <= most, "{least} to {most}");
        }
    }

    #[test]
    fn found_a_survey_goes_on_where_it_was_and_begins_anew_where_it_is_stuck() {
        let began = Instant::now();
        let read = || u64::try_from(began.elapsed().as_nanos()).unwrap_or(u64::MAX);
        let Some(mut survey) = Survey::new().filter(|survey| !survey.left.is_empty()) else {
            return;
        };
        let cores = survey.left.len();
        assert!(
            !survey.go_on(read, 0, Duration::from_secs(10)),
            "nothing can be compared as closely"
        );
        assert_eq!((survey.left.len(), survey.offsets, survey.failed), (cores, (0, 0), 0));
        let finishes =
            |survey: &mut Survey| (0..100).any(|_| survey.go_on(read, u64::MAX, LONGEST_OF_ALL));
        assert!(finishes(&mut survey));
        assert!(survey.left.is_empty());
        // The first core is gone, and so is another one.
        let mut gone = Survey::of(vec![CpuSet::MAX_CPU - 1, survey.cores[0], CpuSet::MAX_CPU - 2]);
        assert!(finishes(&mut gone), "with those that are there");
        // One has come.
        let mut one = Survey::of(vec![survey.cores[0]]);
        assert!(!one.go_on(read, u64::MAX, LONGEST_OF_ALL));
        assert!(finishes(&mut one));
    }

    #[test]
    fn found_a_pinned_thread_does_not_certify_for_one_core_alone() {
        let Some(cores) = cores_of_the_process() else { return };
        let pinned = std::thread::scope(|scope| {
            let of_pinned = || pin(cores[0]).and_then(|()| cores_of_the_process());
            scope.spawn(of_pinned).join().expect("no panic")
        });
        assert_eq!(pinned, Some(cores));
    }

    #[test]
    fn a_skew_is_within_its_bound() {
        let began = Instant::now();
        let allowed = rustix::thread::sched_getaffinity(None).unwrap();
        let cores: Vec<usize> = (0..CpuSet::MAX_CPU).filter(|core| allowed.is_set(*core)).collect();
        let Some(second) = cores.get(1).copied() else { return };
        // The second core's counter is a millisecond ahead.
        let read = || {
            let ahead = if rustix::thread::sched_getcpu() == second { 1_000_000 } else { 0 };
            u64::try_from(began.elapsed().as_nanos()).unwrap_or(u64::MAX) + ahead
        };
        let Some((least, most)) = offset(cores[0], second, &read) else { return };
        assert!(least <= 1_000_000 && 1_000_000 <= most, "{least} to {most}");
        assert!(between_cores(read).is_none_or(|(skew, _)| skew >= 1_000_000));
    }
}
