//! A walk of two clocks through random nights, with a leap second or without, by every convention
//! of servers: what each of them reads is within, no clock goes back, and a commit that was seen is
//! below every later one.

use super::*;
use crate::CommitTimestamp;

const G: i64 = S as i64;
/// A midnight at which a leap second may be.
const M: i64 = 1_798_761_600 * G;
/// The source that says anything.
const LIAR: usize = 2;

/// Marsaglia, *Xorshift RNGs* (2003).
struct Dice(u64);

impl Dice {
    fn new(seed: u64) -> Dice {
        let mut dice = Dice(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1);
        // The first numbers of near seeds are alike.
        for _ in 0..5 {
            dice.below(2);
        }
        dice
    }

    fn below(&mut self, n: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 11) % n
    }

    fn coin(&mut self) -> bool {
        self.below(2) == 0
    }

    fn of<T: Copy>(&mut self, all: &[T]) -> T {
        all[self.below(all.len() as u64) as usize]
    }
}

/// What a server reads at this point of a count without leap seconds; a late one steps a second
/// after the others.
fn reads(really: LeapAnnouncement, u: i64, late: bool) -> i64 {
    match really {
        LeapAnnouncement::Insert if u >= M + if late { G } else { 0 } => u - G,
        LeapAnnouncement::Delete if u >= M - if late { 0 } else { G } => u + G,
        _ => u,
    }
}

fn announces(really: LeapAnnouncement, u: i64) -> LeapAnnouncement {
    match really {
        LeapAnnouncement::Insert if u < M => really,
        LeapAnnouncement::Delete if u < M - G => really,
        _ => LeapAnnouncement::None,
    }
}

struct Night {
    dice: Dice,
    really: LeapAnnouncement,
    /// Of the two honest sources, which step late.
    late: [bool; 2],
    /// How wrong an honest answer may be.
    off: i64,
    u: i64,
    clocks: [World; 2],
    /// The `earliest` of each clock's last reading, and the highest of all.
    last: [Option<i64>; 2],
    highest: i64,
    /// The highest timestamp whose wait is over.
    seen: i64,
    pending: Vec<(usize, CommitTimestamp)>,
}

impl Night {
    fn begin(seed: u64) -> Night {
        let mut dice = Dice::new(seed);
        let really =
            dice.of(&[LeapAnnouncement::None, LeapAnnouncement::Insert, LeapAnnouncement::Delete]);
        let late = [dice.coin(), dice.coin()];
        let off = dice.of(&[0, 5_000_000, 300_000_000, 1_500_000_000]);
        let u = M - G * (3 + dice.below(40) as i64) - dice.below(S) as i64;
        let clocks = [Night::clock(), Night::clock()];
        let (last, highest, seen, pending) = ([None; 2], i64::MIN, i64::MIN, Vec::new());
        Night { dice, really, late, off, u, clocks, last, highest, seen, pending }
    }

    /// Every width is an answer, so that every answer is looked at.
    fn clock() -> World {
        let day = Duration::from_secs(86_400);
        World::with(|builder| builder.max_uncertainty(day).max_floor_lead(day))
    }

    fn pass(&mut self) {
        let by = self.dice.of(&[1_000, 1_000_000, 100_000_000, 700_000_000])
            + self.dice.below(1_000_000);
        self.u += by as i64;
        self.clocks.iter().for_each(|clock| clock.pass(by));
    }

    /// What a source read and says at `stamped`.
    fn said(&mut self, source: usize, stamped: i64) -> (i64, LeapAnnouncement) {
        if source != LIAR {
            return (
                reads(self.really, stamped, self.late[source]),
                announces(self.really, stamped),
            );
        }
        let lie = self.dice.of(&[0, G, -G, 2 * G, -2 * G, -6 * G, 86_400 * G, -86_400 * G, 3 * G]);
        let (none, insert, delete) =
            (LeapAnnouncement::None, LeapAnnouncement::Insert, LeapAnnouncement::Delete);
        let late = self.dice.coin();
        (reads(self.really, stamped, late) + lie, self.dice.of(&[none, none, insert, delete]))
    }

    /// One clock asks; a time passes; the servers stamp; a time passes; the answers come.
    fn exchange(&mut self, at: usize) {
        let asks = self.clocks[at].asks();
        self.pass();
        let stamped = self.u;
        self.pass();
        for (ask, before) in asks {
            let (read, leap) = self.said(ask.source, stamped);
            let middle = read + self.dice.below(2 * self.off as u64 + 1) as i64 - self.off;
            let end = |off: i64| Timestamp::from_unix_nanos(middle + off);
            let World { synchronizer, clock, .. } = &self.clocks[at];
            let now = clock.monotonic();
            if ask.source != LIAR && stamped > M + 3 * G && self.dice.below(8) == 0 {
                synchronizer.lock().failed(now, ask.id, Problem::Timeout);
            } else if let Ok(facts) = Facts::new(before, end(self.off), now, end(-self.off)) {
                synchronizer.lock().answered(now, ask.id, facts.with_leap(leap));
            }
        }
    }

    /// Now and then a suspend, or a machine that begins anew.
    fn disturb(&mut self, at: usize) {
        let World { synchronizer, clock, .. } = &self.clocks[at];
        match self.dice.below(40) {
            0 => synchronizer.lock().disrupt(clock.monotonic(), DisruptionReason::Suspended),
            1 => {
                self.clocks[at] = Night::clock();
                self.last[at] = None;
                self.pending.retain(|(of, _)| *of != at);
            }
            _ => {}
        }
    }

    /// The laws, of every answer there is; gives how many.
    fn check(&mut self, what: &str) -> usize {
        let mut answers = 0;
        let (a, z) = (reads(self.really, self.u, false), reads(self.really, self.u, true));
        for at in 0..self.clocks.len() {
            let Ok(now) = self.clocks[at].clock.now() else { continue };
            let (earliest, latest) = (now.earliest().as_unix_nanos(), now.latest().as_unix_nanos());
            let what = format!(
                "{what}: u = M{:+}, clock {at} says M{:+} to M{:+}",
                self.u - M,
                earliest - M,
                latest - M
            );
            assert!(earliest <= a.min(z) && a.max(z) <= latest, "outside, {what}");
            assert!(
                self.last[at].is_none_or(|last| last <= earliest),
                "went back from {:?}, {what}",
                self.last[at]
            );
            assert!(
                self.highest <= latest,
                "below an earliest of before, M{:+}, {what}",
                self.highest - M
            );
            answers += 1;
            self.last[at] = Some(earliest);
            self.highest = self.highest.max(earliest);
            if let Ok(s) = self.clocks[at].clock.commit_timestamp() {
                assert!(
                    s.timestamp().as_unix_nanos() > self.seen,
                    "a commit below one that was seen, {what}"
                );
                self.pending.push((at, s));
            }
        }
        for (at, s) in std::mem::take(&mut self.pending) {
            match self.clocks[at].clock.commit_wait(s).check() {
                Ok(true) => self.seen = self.seen.max(s.timestamp().as_unix_nanos()),
                Ok(false) => self.pending.push((at, s)),
                Err(_) => {}
            }
        }
        answers
    }
}

#[test]
fn two_clocks_hold_every_convention_through_random_nights() {
    let nights = if cfg!(miri) { 1 } else { 300 };
    let mut answers = 0;
    for seed in 1..=nights {
        let mut night = Night::begin(seed);
        let what =
            format!("seed {seed}, {:?}, late {:?}, off {}", night.really, night.late, night.off);
        while night.u < M + 15 * G {
            let at = usize::from(night.dice.coin());
            night.exchange(at);
            night.disturb(at);
            answers += night.check(&what);
        }
        assert!(night.seen > i64::MIN || night.off > G, "no commit was seen: {what}");
    }
    assert!(answers > 50 * nights as usize, "only {answers} answers were checked");
}
