//! The network between a host and a server: delays of each direction, and what it does to
//! datagrams.

use super::dice::Dice;
use super::moment::Moment;
use std::time::Duration;

/// How long a datagram takes in one direction.
#[derive(Clone, Copy, Debug, Default)]
pub struct Delay {
    least: Moment,
    jitter: Moment,
    evenly: bool,
    ramp_ns_per_s: u32,
}

impl Delay {
    /// `least` and up to `jitter` more, short ones more often than long ones.
    #[must_use]
    pub fn new(least: Duration, jitter: Duration) -> Delay {
        Delay {
            least: Moment::of(least),
            jitter: Moment::of(jitter),
            evenly: false,
            ramp_ns_per_s: 0,
        }
    }

    /// Long delays as often as short ones.
    #[must_use]
    pub fn evenly(self) -> Delay {
        Delay { evenly: true, ..self }
    }

    /// Longer by this much for each second since the path was set: a queue that fills.
    #[must_use]
    pub fn ramp(self, ns_per_s: u32) -> Delay {
        Delay { ramp_ns_per_s: ns_per_s, ..self }
    }

    fn draw(&self, age: Moment, dice: &mut Dice) -> Moment {
        let jitter = u64::try_from(self.jitter.0).unwrap_or(u64::MAX);
        // The product of two even ones: a long tail.
        let share = dice.below(1 << 20) * if self.evenly { 1 << 20 } else { dice.below(1 << 20) };
        let jitter = (u128::from(jitter) * u128::from(share)) >> 40;
        let ramp = age.0.max(0) * i128::from(self.ramp_ns_per_s) / super::moment::NS_PER_S;
        self.least + Moment(i128::try_from(jitter).unwrap_or(0) + ramp)
    }
}

/// What the network does to the datagrams between a host and a server.
///
/// The chances are parts of a million datagrams. A datagram is reordered when a later one overtakes
/// it, by jitter.
#[derive(Clone, Copy, Debug, Default)]
pub struct Path {
    forward: Delay,
    back: Delay,
    loss_ppm: u32,
    duplicate_ppm: u32,
    corrupt_ppm: u32,
    replay_ppm: u32,
    spoof_ppm: u32,
    since: Moment,
}

impl Path {
    /// From host to server, and back.
    #[must_use]
    pub fn new(forward: Delay, back: Delay) -> Path {
        Path { forward, back, ..Path::default() }
    }

    /// The same delay in both directions.
    #[must_use]
    pub fn symmetric(least: Duration, jitter: Duration) -> Path {
        Path::new(Delay::new(least, jitter), Delay::new(least, jitter))
    }

    /// Every datagram is lost.
    #[must_use]
    pub fn partitioned(self) -> Path {
        self.loss_ppm(1_000_000)
    }

    /// Datagrams are lost.
    #[must_use]
    pub fn loss_ppm(self, ppm: u32) -> Path {
        Path { loss_ppm: ppm, ..self }
    }

    /// Datagrams arrive twice, each with a delay of its own.
    #[must_use]
    pub fn duplicate_ppm(self, ppm: u32) -> Path {
        Path { duplicate_ppm: ppm, ..self }
    }

    /// Replies arrive with bits changed that no checksum noticed. What such a reply says may be
    /// wrong, so a server behind such a path counts as faulty.
    #[must_use]
    pub fn corrupt_ppm(self, ppm: u32) -> Path {
        Path { corrupt_ppm: ppm, ..self }
    }

    /// Along with a reply the one before it arrives again.
    #[must_use]
    pub fn replay_ppm(self, ppm: u32) -> Path {
        Path { replay_ppm: ppm, ..self }
    }

    /// Before a reply there arrives one from someone who did not see the request and says something
    /// else.
    #[must_use]
    pub fn spoof_ppm(self, ppm: u32) -> Path {
        Path { spoof_ppm: ppm, ..self }
    }

    /// For a person: what is not zero.
    pub(super) fn describe(&self) -> String {
        let one_way = |delay: &Delay| {
            let mut text = format!("{:?}", delay.least.length());
            if delay.jitter > Moment::ZERO {
                text += &format!(" to {:?}", (delay.least + delay.jitter).length());
            }
            if delay.ramp_ns_per_s > 0 {
                text += &format!(" and {} ns/s more", delay.ramp_ns_per_s);
            }
            text
        };
        let mut text = format!("{} there, {} back", one_way(&self.forward), one_way(&self.back));
        for (what, ppm) in [
            ("lost", self.loss_ppm),
            ("doubled", self.duplicate_ppm),
            ("corrupted", self.corrupt_ppm),
            ("replayed", self.replay_ppm),
            ("spoofed", self.spoof_ppm),
        ] {
            if ppm > 0 {
                text += &format!(", {} % {what}", percent(ppm));
            }
        }
        text
    }

    pub(super) fn set_at(self, now: Moment) -> Path {
        Path { since: now, ..self }
    }

    /// When a datagram sent to the server at `now` arrives: never, once or twice.
    pub(super) fn forward(&self, now: Moment, dice: &mut Dice) -> [Option<Moment>; 2] {
        self.send(self.forward, now, dice)
    }

    /// When a datagram sent to the host at `now` arrives.
    pub(super) fn back(&self, now: Moment, dice: &mut Dice) -> [Option<Moment>; 2] {
        self.send(self.back, now, dice)
    }

    fn send(&self, delay: Delay, now: Moment, dice: &mut Dice) -> [Option<Moment>; 2] {
        let first =
            (!dice.chance_ppm(self.loss_ppm)).then(|| now + delay.draw(now - self.since, dice));
        let second =
            dice.chance_ppm(self.duplicate_ppm).then(|| now + delay.draw(now - self.since, dice));
        [first, second.filter(|_| first.is_some())]
    }

    pub(super) fn corrupts(&self, dice: &mut Dice) -> bool {
        dice.chance_ppm(self.corrupt_ppm)
    }

    pub(super) fn replays(&self, dice: &mut Dice) -> bool {
        dice.chance_ppm(self.replay_ppm)
    }

    pub(super) fn spoofs(&self, dice: &mut Dice) -> bool {
        dice.chance_ppm(self.spoof_ppm)
    }
}

/// Parts of a million as percent, in whole and tenths.
fn percent(ppm: u32) -> String {
    format!("{}.{}", ppm / 10_000, ppm / 1_000 % 10)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn delays_keep_their_range_and_a_ramp_adds_to_them() {
        let (ms, mut dice) = (Duration::from_millis, Dice::new(2));
        let path = Path::new(Delay::new(ms(3), ms(4)), Delay::new(ms(1), ms(0)).ramp(1_000_000));
        for _ in 0..1000 {
            let [at, _] = path.forward(Moment::ZERO, &mut dice);
            assert!((ms(3)..=ms(7)).contains(&at.unwrap().length()));
        }
        let at = path.back(Moment::of(ms(5000)), &mut dice)[0].unwrap();
        assert_eq!((at - Moment::of(ms(5000))).length(), ms(6));
    }

    #[test]
    fn a_partition_loses_everything_and_duplicates_come_twice() {
        let mut dice = Dice::new(2);
        assert_eq!(
            Path::default().partitioned().duplicate_ppm(1_000_000).forward(Moment::ZERO, &mut dice),
            [None; 2]
        );
        assert!(
            Path::default()
                .duplicate_ppm(1_000_000)
                .back(Moment::ZERO, &mut dice)
                .iter()
                .all(Option::is_some)
        );
    }
}
