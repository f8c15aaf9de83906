//! What a [`Relay`](super::relay::Relay) does to a datagram: delay, jitter, loss, copies, damage,
//! replay, rewriting.
//!
//! Only decisions and bytes stand here; sockets, threads and time are in `relay.rs`. Chance comes
//! from the seed in [`Path`], with one generator per direction: the same datagrams in the same
//! order meet the same fate.

use std::collections::VecDeque;
use std::time::Duration;

/// Alters a datagram on its way; the duration is the time since the relay started. An emptied
/// datagram is dropped.
///
/// It runs while the path is locked, so it must not call [`Relay::set`](super::relay::Relay::set).
pub(crate) type Rewrite = Box<dyn FnMut(&mut Vec<u8>, Direction, Duration) + Send>;

/// Both directions between clients and server.
#[derive(Default)]
pub(crate) struct Path {
    pub(crate) forward: Leg,
    pub(crate) backward: Leg,
    /// Read once, by `Relay::start`; a later change has no effect.
    pub(crate) seed: u64,
    pub(crate) rewrite: Option<Rewrite>,
}

impl Path {
    /// A path that passes everything on at once and unchanged.
    pub(crate) fn clear() -> Self {
        Self::default()
    }

    /// The same delay each way.
    pub(crate) fn delayed(each_way: Duration) -> Self {
        Self::clear().forward(Leg::delayed(each_way)).backward(Leg::delayed(each_way))
    }

    pub(crate) fn forward(self, leg: Leg) -> Self {
        Self { forward: leg, ..self }
    }

    pub(crate) fn backward(self, leg: Leg) -> Self {
        Self { backward: leg, ..self }
    }

    pub(crate) fn seed(self, seed: u64) -> Self {
        Self { seed, ..self }
    }

    pub(crate) fn rewrite(
        self,
        rewrite: impl FnMut(&mut Vec<u8>, Direction, Duration) + Send + 'static,
    ) -> Self {
        Self { rewrite: Some(Box::new(rewrite)), ..self }
    }

    /// Loses every datagram that arrives from now on. Those already on their way still arrive, as
    /// on a real network.
    pub(crate) fn cut(&mut self) {
        self.forward.loss_permille = 1000;
        self.backward.loss_permille = 1000;
    }

    /// Ends a [`cut`](Self::cut): no loss in either direction.
    pub(crate) fn restore(&mut self) {
        self.forward.loss_permille = 0;
        self.backward.loss_permille = 0;
    }
}

/// Which way a datagram travels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Direction {
    /// Client to server.
    Forward,
    /// Server to client.
    Backward,
}

/// One direction of a path. Chances are in permille: 0 never, 1000 always.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Leg {
    /// A datagram leaves no earlier than this after its arrival.
    pub(crate) delay: Duration,
    /// Upper end of a uniform extra delay, drawn per copy. Above zero, datagrams may overtake each
    /// other.
    pub(crate) jitter: Duration,
    pub(crate) loss_permille: u16,
    /// A second copy of the same datagram leaves too.
    pub(crate) duplicate_permille: u16,
    /// One bit is flipped, the same in all copies.
    pub(crate) corrupt_permille: u16,
    /// A datagram of the past, same direction but perhaps another client's, leaves as well.
    pub(crate) replay_permille: u16,
}

impl Leg {
    pub(crate) fn delayed(delay: Duration) -> Self {
        Self { delay, ..Self::default() }
    }

    pub(crate) fn jitter(self, jitter: Duration) -> Self {
        Self { jitter, ..self }
    }

    pub(crate) fn loss(self, loss_permille: u16) -> Self {
        Self { loss_permille, ..self }
    }

    pub(crate) fn duplicate(self, duplicate_permille: u16) -> Self {
        Self { duplicate_permille, ..self }
    }

    pub(crate) fn corrupt(self, corrupt_permille: u16) -> Self {
        Self { corrupt_permille, ..self }
    }

    pub(crate) fn replay(self, replay_permille: u16) -> Self {
        Self { replay_permille, ..self }
    }
}

/// What happened in one direction so far; a test reads it to see that the trouble it asked for took
/// place.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Tally {
    pub(crate) arrived: u64,
    pub(crate) lost: u64,
    pub(crate) duplicated: u64,
    pub(crate) corrupted: u64,
    pub(crate) replayed: u64,
}

/// The path with its chance, memory and tally: asked once per arriving datagram.
pub(super) struct Fate {
    pub(super) path: Path,
    forward: LegState,
    backward: LegState,
}

struct LegState {
    chance: SplitMix64,
    past: VecDeque<Vec<u8>>,
    tally: Tally,
}

impl Fate {
    pub(super) fn new(path: Path) -> Self {
        let mut seeds = SplitMix64(path.seed);
        let mut leg_state = || LegState {
            chance: SplitMix64(seeds.next()),
            past: VecDeque::with_capacity(REMEMBERED),
            tally: Tally::default(),
        };
        Self { forward: leg_state(), backward: leg_state(), path }
    }

    pub(super) fn tally(&self, direction: Direction) -> Tally {
        match direction {
            Direction::Forward => self.forward.tally,
            Direction::Backward => self.backward.tally,
        }
    }

    /// What leaves because `datagram` arrived, each with its delay; empty when it is lost.
    ///
    /// Every call draws the same number of chances, so that one setting does not shift the luck of
    /// another.
    pub(super) fn decide(
        &mut self,
        mut datagram: Vec<u8>,
        direction: Direction,
        since_start: Duration,
    ) -> Vec<(Duration, Vec<u8>)> {
        let (leg, LegState { chance, past, tally }) = match direction {
            Direction::Forward => (self.path.forward, &mut self.forward),
            Direction::Backward => (self.path.backward, &mut self.backward),
        };
        tally.arrived += 1;
        let lost = chance.happens(leg.loss_permille);
        let corrupted = chance.happens(leg.corrupt_permille);
        let duplicated = chance.happens(leg.duplicate_permille);
        let replayed = chance.happens(leg.replay_permille);
        let (which_bit, which_past) = (chance.next(), chance.next());
        let mut delays = [(); 3].map(|()| leg.delay + chance.up_to(leg.jitter)).into_iter();
        let mut delay = || delays.next().unwrap_or(leg.delay + leg.jitter);

        if lost {
            tally.lost += 1;
            return Vec::new();
        }
        if let Some(rewrite) = &mut self.path.rewrite {
            rewrite(&mut datagram, direction, since_start);
        }
        if datagram.is_empty() {
            tally.lost += 1;
            return Vec::new();
        }
        let fresh = datagram.clone();
        if corrupted {
            tally.corrupted += 1;
            let bit = index_below(which_bit, datagram.len() * 8);
            datagram[bit / 8] ^= 1 << (bit % 8);
        }
        let mut leaving = vec![(delay(), datagram.clone())];
        if duplicated {
            tally.duplicated += 1;
            leaving.push((delay(), datagram));
        }
        if replayed && !past.is_empty() {
            tally.replayed += 1;
            leaving.push((delay(), past[index_below(which_past, past.len())].clone()));
        }
        if past.len() == REMEMBERED {
            past.pop_front();
        }
        past.push_back(fresh);
        leaving
    }
}

/// Adds `by_ns` nanoseconds to the reference, receive and transmit timestamps of an NTP reply: the
/// server's clock lies.
///
/// The shift is rounded towards zero to 2^-32 s, so that the opposite shift takes it back exactly;
/// it wraps at the end of an NTP era. A zero timestamp means "unknown" and stays. The origin
/// timestamp is the client's and stays. Whatever is shorter than an NTP header stays as it is.
/// Source: RFC 5905, section 6 and figure 8.
pub(crate) fn shift_server_stamps(datagram: &mut [u8], by_ns: i64) {
    if datagram.len() < 48 {
        return;
    }
    let shift = (i128::from(by_ns) << 32) / 1_000_000_000;
    for start in [16, 32, 40] {
        let bytes: &mut [u8] = &mut datagram[start..start + 8];
        let stamp = bytes.iter().fold(0_i128, |high, &low| (high << 8) | i128::from(low));
        if stamp != 0 {
            // Eras: seconds since 1900 are counted modulo 2^32.
            let shifted = (stamp + shift).rem_euclid(1 << 64);
            bytes.copy_from_slice(&shifted.to_be_bytes()[8..]);
        }
    }
}

/// Steele, Lea and Flood's SplitMix64: any seed is a good one, zero too.
struct SplitMix64(u64);

impl SplitMix64 {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    fn happens(&mut self, permille: u16) -> bool {
        self.next() % 1000 < u64::from(permille)
    }

    fn up_to(&mut self, most: Duration) -> Duration {
        let most_ns = u64::try_from(most.as_nanos()).unwrap_or(u64::MAX);
        Duration::from_nanos(self.next() % most_ns.saturating_add(1))
    }
}

fn index_below(random: u64, end: usize) -> usize {
    // The remainder is below `end`, hence a usize.
    usize::try_from(random % u64::try_from(end).unwrap_or(u64::MAX)).unwrap_or(0)
}

/// Datagrams kept per direction for replay. Fewer: replays are all fresh and alike; more: only
/// memory.
const REMEMBERED: usize = 32;
