//! One source's calendar: when it may be asked next. Ticks only.
//!
//! A start and a disruption are answered with a burst: several exchanges close together, of which
//! the quickest ones bound best. After it a source is asked once a poll interval, each source at a
//! phase of its own, so that the agreement is renewed evenly; more often where the interval would
//! grow by too much meanwhile, within what is polite.

/// When a source is asked. Polite by construction: one address is never asked twice within the
/// retry interval, nor more than four times within 16 s unless the poll interval itself says so.
/// Each RATE halves the pace, and answers without one bring it back; DENY and RSTR make the source
/// rest. Nothing ends it for good: kisses are not signed.
#[derive(Debug)]
pub(super) struct Schedule {
    settings: Pace,
    /// The poll interval, or what RATE made of it.
    interval: u64,
    /// Answers since the interval last changed.
    calm: u32,
    /// How often it would be worth asking.
    worth: u64,
    next: u64,
    /// The last questions, the newest first; 0 of them before the first.
    asked: [Option<u64>; MOST],
    failures: u32,
    /// Exchanges of the burst that are still to come.
    burst: u32,
    /// The step to this source's phase has been taken.
    in_phase: bool,
}

/// The intervals of a schedule, in ticks.
#[derive(Clone, Copy, Debug)]
pub(super) struct Pace {
    /// Between two questions to a source that answers.
    pub(super) poll: u64,
    /// Between two questions of a burst, and after a first failure; doubled at each further one up
    /// to `poll`.
    pub(super) retry: u64,
    /// The longest interval that RATE can lead to.
    pub(super) slowest: u64,
    /// Within so long there are at most four questions, however short the retry interval.
    pub(super) polite: u64,
    /// How much later than the others this source is asked once it is asked regularly.
    pub(super) phase: u64,
}

/// The phase of source `number` of `count`: evenly over the poll interval, and nearly so over
/// shorter intervals, too.
pub(super) fn phase(poll: u64, number: usize, count: usize) -> u64 {
    let (number, count) = (as_wide(number), as_wide(count).max(1));
    let share = u128::from(poll) * number * (count + 1) / (count * count);
    u64::try_from(share % u128::from(poll.max(1))).unwrap_or(0)
}

fn as_wide(number: usize) -> u128 {
    u128::try_from(number).unwrap_or(u128::MAX >> 64)
}

impl Schedule {
    pub(super) fn new(settings: Pace) -> Schedule {
        Schedule {
            settings,
            interval: settings.poll,
            calm: 0,
            worth: settings.poll,
            next: 0,
            asked: [None; MOST],
            failures: 0,
            burst: BURST_FOLLOWS,
            in_phase: false,
        }
    }

    /// When to ask next.
    pub(super) fn next(&self) -> u64 {
        self.next
    }

    /// Between two questions to a source that answers, as things are.
    pub(super) fn interval(&self) -> u64 {
        self.regular()
    }

    pub(super) fn asked(&mut self, now: u64) {
        self.asked.rotate_right(1);
        self.asked[0] = Some(now);
        self.next = now.saturating_add(self.interval);
    }

    pub(super) fn answered(&mut self) {
        self.failures = 0;
        self.calm = self.calm.saturating_add(1);
        if self.interval > self.settings.poll && self.calm >= CALM {
            (self.interval, self.calm) = ((self.interval / 2).max(self.settings.poll), 0);
        }
        if self.burst > 0 {
            self.burst -= 1;
            return self.plan(self.settings.retry.min(self.interval));
        }
        self.plan(self.regular());
        if !self.in_phase {
            self.in_phase = true;
            self.next = self.next.saturating_add(self.settings.phase % self.regular().max(1));
        }
    }

    pub(super) fn failed(&mut self) {
        let wait =
            self.settings.retry.saturating_mul(1 << self.failures.min(16)).min(self.interval);
        self.failures = self.failures.saturating_add(1);
        self.plan(wait);
    }

    /// How often it is worth asking, as the interval grows: the poll interval is the most,
    /// politeness sets the least.
    pub(super) fn is_worth(&mut self, interval: u64) {
        self.worth = interval;
    }

    /// RATE: half as often, until answers without one bring the pace back.
    pub(super) fn slow_down(&mut self) {
        self.interval =
            self.interval.saturating_mul(2).min(self.settings.slowest.max(self.settings.poll));
        (self.burst, self.calm) = (0, 0);
        self.plan(self.interval);
    }

    /// DENY or RSTR: not before this reading.
    pub(super) fn rest_until(&mut self, until: u64) {
        self.burst = 0;
        self.next = self.next.max(until);
    }

    /// Another address is asked from now on, which owes nothing to what the one before said: at
    /// once.
    pub(super) fn another_address(&mut self, now: u64) {
        (self.asked, self.interval, self.calm) = ([None; MOST], self.settings.poll, 0);
        (self.burst, self.next) = (BURST_FOLLOWS, now);
    }

    /// A disruption: ask as soon as politeness allows. One that said RATE gets one question, soon,
    /// and no burst.
    pub(super) fn hurry(&mut self) {
        if self.interval == self.settings.poll {
            (self.burst, self.in_phase) = (BURST_FOLLOWS, false);
            self.plan_within(MOST, self.settings.retry.min(self.interval));
        } else {
            let soon = self.settings.polite.max(self.interval / 16).min(self.interval);
            let after_last = self.asked[0].map_or(0, |last| last.saturating_add(soon));
            self.next = self.next.min(after_last);
        }
    }

    /// The counter shows `now`: what was planned by later readings than that belongs to a counter
    /// that went back.
    pub(super) fn rebase(&mut self, now: u64) {
        self.asked = self.asked.map(|asked| asked.map(|asked| asked.min(now)));
        self.next = self.next.min(now.saturating_add(self.interval));
    }

    /// Between two questions to a source that answers. One that said RATE is not asked more often
    /// for anything.
    fn regular(&self) -> u64 {
        let slowed = self.interval != self.settings.poll;
        if slowed {
            self.interval
        } else {
            self.worth.clamp(self.settings.retry.min(self.interval), self.interval)
        }
    }

    /// Plans the next question after `wait`, and leaves one of the polite number for a disruption.
    fn plan(&mut self, wait: u64) {
        self.plan_within(MOST - 1, wait);
    }

    /// Plans it so that at most `most` fall into the polite interval.
    fn plan_within(&mut self, most: usize, wait: u64) {
        let after_last = self.asked[0].map_or(0, |last| last.saturating_add(wait));
        let polite =
            self.asked[most - 1].map_or(0, |first| first.saturating_add(self.settings.polite));
        // The poll interval may be shorter than politeness by default: then it is the user's own
        // decision.
        let regular = self.asked[0].map_or(0, |last| last.saturating_add(self.interval));
        self.next = after_last.max(polite.min(regular));
    }
}

/// Questions within the polite interval. Four in 16 s is what public servers take from one client
/// in the long run.
const MOST: usize = 4;
/// After so many answers without RATE the interval that RATE led to is halved. Smaller: RATE comes
/// again. Larger: a forged one costs more.
const CALM: u32 = 2;
/// A burst is of three, so that a disruption just after it is not without a question for the rest
/// of the interval.
const BURST_FOLLOWS: u32 = 2;

#[cfg(test)]
mod tests {
    use super::*;

    fn schedule() -> Schedule {
        Schedule::new(Pace { poll: 16, retry: 2, slowest: 1024, polite: 16, phase: 5 })
    }

    /// When a source that always answers is asked, until `end`.
    fn asks(s: &mut Schedule, end: u64) -> Vec<u64> {
        let mut asks = Vec::new();
        while s.next() < end {
            let at = s.next();
            s.asked(at);
            s.answered();
            asks.push(at);
        }
        asks
    }

    #[test]
    fn a_burst_then_once_a_poll_interval_at_its_phase() {
        assert_eq!(asks(&mut schedule(), 80), [0, 2, 4, 25, 41, 57, 73]);
        let mut fast =
            Schedule::new(Pace { poll: 1, retry: 1, slowest: 1024, polite: 16, phase: 0 });
        assert_eq!(
            asks(&mut fast, 7),
            [0, 1, 2, 3, 4, 5, 6],
            "a short poll interval is the user's own decision"
        );
    }

    #[test]
    fn where_it_is_worth_it_a_source_is_asked_as_often_as_is_polite_and_never_after_rate() {
        let mut s = schedule();
        asks(&mut s, 30);
        s.is_worth(8);
        assert_eq!(asks(&mut s, 70), [41, 49, 57, 65]);
        s.is_worth(0);
        let fast = asks(&mut s, 140);
        assert!(fast.len() > 10, "{fast:?}");
        for four in fast.windows(4) {
            assert!(four[3] - four[0] >= 16, "one of the four is left for a disruption: {fast:?}");
        }
        s.is_worth(1_000);
        let slow = asks(&mut s, 200);
        assert!(slow.windows(2).skip(1).all(|two| two[1] - two[0] == 16), "{slow:?}");
        s.is_worth(0);
        s.slow_down();
        let slowed = asks(&mut s, 260);
        let gaps: Vec<u64> = slowed.windows(2).map(|two| two[1] - two[0]).collect();
        assert!(
            gaps[0] == 32 && gaps[1..].iter().all(|gap| *gap < 32),
            "the pace comes back: {slowed:?}"
        );
    }

    #[test]
    fn a_disruption_after_a_burst_is_answered_at_once() {
        let mut s = schedule();
        asks(&mut s, 10);
        s.hurry();
        assert_eq!(s.next(), 6, "long ago at 10");
        s.asked(10);
        s.answered();
        assert_eq!(s.next(), 18, "the next of that burst when three, not four, are within 16");
    }

    #[test]
    fn never_more_than_four_in_the_polite_interval_whatever_happens() {
        let mut s = schedule();
        let mut asks = asks(&mut s, 30);
        for round in 0..20 {
            let at = s.next();
            s.asked(at);
            asks.push(at);
            match round % 4 {
                0 => s.failed(),
                1 => s.hurry(),
                2 => s.answered(),
                _ => {
                    s.hurry();
                    s.hurry();
                }
            }
        }
        for five in asks.windows(5) {
            assert!(five[4] - five[0] >= 16, "{asks:?}");
        }
    }

    #[test]
    fn failures_back_off_to_the_poll_interval_and_an_answer_forgets_them() {
        let mut s = schedule();
        let mut waits = Vec::new();
        let mut now = 100;
        for _ in 0..5 {
            s.asked(now);
            s.failed();
            waits.push(s.next() - now);
            now += 100;
        }
        assert_eq!(waits, [2, 4, 8, 16, 16]);
        s.answered();
        s.failed();
        assert_eq!(s.next(), 502);
    }

    #[test]
    fn a_counter_that_went_back_does_not_silence_a_source() {
        let mut s = schedule();
        s.asked(1_000_000);
        s.rebase(5);
        s.hurry();
        assert_eq!(s.next(), 7);
    }

    #[test]
    fn kisses_are_obeyed() {
        let mut s = schedule();
        s.asked(0);
        s.slow_down();
        s.slow_down();
        assert_eq!(s.next(), 64);
        s.hurry();
        assert_eq!(s.next(), 16, "after a disruption one question, as soon as is polite");
        s.asked(16);
        s.failed();
        s.rest_until(1_000);
        s.hurry();
        assert_eq!(s.next(), 32, "the rest itself is held by who rests");
    }

    #[test]
    fn found_the_pace_comes_back_after_rate() {
        let mut s = schedule();
        s.asked(0);
        (0..10).for_each(|_| s.slow_down());
        assert_eq!(s.interval(), 1024, "the slowest");
        let day = asks(&mut s, 86_400);
        let gaps: Vec<u64> = day.windows(2).map(|two| two[1] - two[0]).collect();
        assert!(
            day.len() > 4_000 && gaps[gaps.len() - 1] == 16,
            "{} questions, the last {:?}",
            day.len(),
            gaps.last()
        );
        assert!(
            gaps.windows(2).all(|two| two[0] >= two[1]),
            "never faster and slower again without RATE"
        );
    }

    #[test]
    fn found_a_disruption_after_rate_does_not_wait_for_the_slow_pace() {
        let mut s = schedule();
        (0..10).for_each(|_| s.slow_down());
        s.asked(5_000);
        s.answered();
        s.hurry();
        assert_eq!(s.next(), 5_064, "a sixteenth of the interval, not all of it");
        s.asked(5_064);
        s.hurry();
        s.hurry();
        assert_eq!(s.next(), 5_128, "and no burst of them");
    }

    #[test]
    fn another_address_is_asked_at_once() {
        let mut s = schedule();
        s.asked(100);
        s.slow_down();
        s.another_address(102);
        assert_eq!((s.next(), s.interval()), (102, 16));
    }
}
