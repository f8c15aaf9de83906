//! One source's calendar: when it may be asked next. Ticks only.

/// When a source is asked. Polite by construction: never twice within the retry interval, never faster than the poll
/// interval while it answers, slower each time it says RATE, never again after DENY or RSTR.
#[derive(Debug)]
pub(super) struct Schedule {
    settings: Pace,
    interval: u64,
    next: Option<u64>,
    last_asked: Option<u64>,
    failures: u32,
}

/// The intervals of a schedule, in ticks.
#[derive(Clone, Copy, Debug)]
pub(super) struct Pace {
    /// Between two questions to a source that answers.
    pub(super) poll: u64,
    /// After a first failure; doubled at each further one up to `poll`.
    pub(super) retry: u64,
    /// The longest interval that RATE can lead to.
    pub(super) slowest: u64,
}

impl Schedule {
    pub(super) fn new(settings: Pace) -> Schedule {
        Schedule { settings, interval: settings.poll, next: Some(0), last_asked: None, failures: 0 }
    }

    /// When to ask next; `None` if never again.
    pub(super) fn next(&self) -> Option<u64> {
        self.next
    }

    pub(super) fn asked(&mut self, now: u64) {
        self.last_asked = Some(now);
        self.next = Some(now.saturating_add(self.interval));
    }

    pub(super) fn answered(&mut self) {
        self.failures = 0;
        self.plan(self.interval);
    }

    pub(super) fn failed(&mut self) {
        let wait = self.settings.retry.saturating_mul(1 << self.failures.min(16)).min(self.interval);
        self.failures = self.failures.saturating_add(1);
        self.plan(wait);
    }

    /// RATE: half as often from now on.
    pub(super) fn slow_down(&mut self) {
        self.interval = self.interval.saturating_mul(2).min(self.settings.slowest.max(self.settings.poll));
        self.plan(self.interval);
    }

    /// DENY or RSTR.
    pub(super) fn stop(&mut self) {
        self.next = None;
    }

    /// A disruption: ask as soon as politeness allows.
    pub(super) fn hurry(&mut self) {
        if self.interval == self.settings.poll {
            self.plan(self.settings.retry.min(self.interval));
        }
    }

    /// The counter shows `now`: what was planned by later readings than that belongs to a counter that went back.
    pub(super) fn rebase(&mut self, now: u64) {
        self.last_asked = self.last_asked.map(|last| last.min(now));
        self.next = self.next.map(|next| next.min(now.saturating_add(self.interval)));
    }

    fn plan(&mut self, wait: u64) {
        if self.next.is_some() {
            self.next = Some(self.last_asked.map_or(0, |last| last.saturating_add(wait)));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn schedule() -> Schedule {
        Schedule::new(Pace { poll: 16, retry: 2, slowest: 1024 })
    }

    #[test]
    fn failures_back_off_to_the_poll_interval_and_an_answer_forgets_them() {
        let mut s = schedule();
        let mut waits = Vec::new();
        for _ in 0..5 {
            s.asked(100);
            s.failed();
            waits.push(s.next().unwrap() - 100);
        }
        assert_eq!(waits, [2, 4, 8, 16, 16]);
        s.answered();
        s.failed();
        assert_eq!(s.next(), Some(102));
    }

    #[test]
    fn a_counter_that_went_back_does_not_silence_a_source() {
        let mut s = schedule();
        s.asked(1_000_000);
        s.rebase(5);
        s.hurry();
        assert_eq!(s.next(), Some(7));
    }

    #[test]
    fn kisses_are_obeyed() {
        let mut s = schedule();
        s.asked(0);
        s.slow_down();
        s.slow_down();
        assert_eq!(s.next(), Some(64));
        s.hurry();
        assert_eq!(s.next(), Some(64), "a disruption is no reason to be impolite");
        s.stop();
        s.hurry();
        s.failed();
        assert_eq!(s.next(), None);
    }
}
