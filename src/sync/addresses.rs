//! The addresses of one server name: which one to ask, which ones rest, and when to look the name
//! up again.
//!
//! Rules:
//! - *Every address gets its turn.* Families alternate, in the resolver's order (RFC 8305 section
//!   4), so that a dead family costs one turn and not the whole list. What has been tried stays
//!   tried across look-ups, until all have been tried or one has answered.
//! - *Nothing unsigned ends an address for good.* Silence moves on to the next one. A kiss-o'-death
//!   DENY or RSTR lets an address rest, and so do four RATEs without an answer while another
//!   address is free. Each rest is longer than the one before, and an answer ends it.
//! - *An address that no other source has is preferred.* Several names often stand for the same
//!   pool of hosts.

use std::net::SocketAddr;
use std::time::Duration;

/// The addresses of one name, and the lengths that its rules go by.
#[derive(Debug)]
pub(super) struct Addresses {
    pace: LookUpPace,
    known: Vec<Known>,
    /// The index of the one in use.
    current: Option<usize>,
    lookup: Lookup,
    last_lookup: Option<u64>,
    /// When to leave an address that another source has, too, and how often that has been tried.
    separate_at: u64,
    separations: u32,
}

#[derive(Clone, Copy, Debug)]
struct Known {
    address: SocketAddr,
    /// It has had its turn since all of them were untried.
    tried: bool,
    /// It has answered since it was last given up.
    answers: bool,
    /// Questions since it last answered.
    unanswered: u32,
    /// Times that it said RATE since then.
    slowed: u32,
    rest: Rest,
}

/// How long someone who asked to be left alone is left alone. Ticks.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Rest {
    until: Option<u64>,
    denials: u32,
}

/// Lengths in ticks.
#[derive(Clone, Copy, Debug)]
pub(super) struct LookUpPace {
    /// Between two look-ups of a name whose addresses do not answer.
    pub(super) between: u64,
    /// The first rest of an address after DENY.
    pub(super) first_rest: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Lookup {
    Due,
    UnderWay,
    Done,
}

/// Which address to ask.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Choice {
    Ask(SocketAddr),
    /// None is known: the name is being looked up, or is to be.
    Lookup,
    /// All of them rest, the first until this reading.
    RestUntil(u64),
}

/// Which other source has an address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Taken {
    /// By no other source.
    Free,
    /// By a source that was given to the builder before this one.
    Earlier,
    /// By one that was given after it.
    Later,
}

/// What follows from a question without facts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum After {
    /// Another address has not had its turn yet: ask it now.
    AskTheNext,
    /// The same again, or all have had their turn: ask after a pause.
    Pause,
}

impl Rest {
    /// DENY or RSTR at reading `now`. Each doubles the rest, eight times at most
    /// (`MOST_DOUBLINGS`).
    pub(super) fn begin(&mut self, now: u64, first_rest: u64) {
        self.until = Some(
            now.saturating_add(first_rest.saturating_mul(1 << self.denials.min(MOST_DOUBLINGS))),
        );
        self.denials = self.denials.saturating_add(1);
    }

    /// An answer: it is not left alone any more.
    pub(super) fn end(&mut self) {
        *self = Rest::default();
    }

    /// The end of the rest, if it is later than `now`.
    pub(super) fn ends_after(&self, now: u64) -> Option<u64> {
        self.until.filter(|until| *until > now)
    }

    /// The counter shows `now`, and what it showed before is of no use.
    pub(super) fn rebase(&mut self, now: u64, first_rest: u64) {
        self.until = self.until.map(|until| until.min(now.saturating_add(first_rest)));
    }
}

impl Addresses {
    pub(super) fn new(pace: LookUpPace) -> Addresses {
        Addresses {
            pace,
            known: Vec::new(),
            current: None,
            lookup: Lookup::Due,
            last_lookup: None,
            separate_at: 0,
            separations: 0,
        }
    }

    /// Whether the name is to be looked up now. The next call says no until
    /// [`found`](Addresses::found) or [`not_found`](Addresses::not_found).
    pub(super) fn take_lookup(&mut self, now: u64) -> bool {
        let pause = self.last_lookup.is_some_and(|at| now < at.saturating_add(self.pace.between));
        if self.lookup != Lookup::Due || pause && !self.known.is_empty() {
            return false;
        }
        (self.lookup, self.last_lookup) = (Lookup::UnderWay, Some(now));
        true
    }

    /// What the name stands for now, in the resolver's order. An address that still stands keeps
    /// what is known of it.
    pub(super) fn found(&mut self, addresses: &[SocketAddr]) {
        self.lookup = if addresses.is_empty() { Lookup::Due } else { Lookup::Done };
        let current = self.current();
        let before = std::mem::take(&mut self.known);
        for address in alternate(addresses) {
            if self.known.iter().all(|known| known.address != address) {
                let kept = before.iter().find(|known| known.address == address);
                let new = Known {
                    address,
                    tried: false,
                    answers: false,
                    unanswered: 0,
                    slowed: 0,
                    rest: Rest::default(),
                };
                self.known.push(kept.copied().unwrap_or(new));
            }
        }
        self.known.truncate(MOST_ADDRESSES);
        self.current = current
            .and_then(|current| self.known.iter().position(|known| known.address == current));
    }

    /// The name has no address now, or nobody says.
    pub(super) fn not_found(&mut self) {
        self.lookup = if self.known.is_empty() { Lookup::Due } else { Lookup::Done };
    }

    /// The address to ask at reading `now`: one that no other source has, if there is one. `taken`
    /// says who has an address.
    pub(super) fn choose(&mut self, now: u64, taken: impl Fn(SocketAddr) -> Taken) -> Choice {
        let is_taken = |address| taken(address) != Taken::Free;
        if self.known.is_empty() {
            return Choice::Lookup;
        }
        if self.known.iter().all(|known| known.tried || known.rest.ends_after(now).is_some()) {
            // All have had their turn: another round, and the name may stand for others by now.
            self.known.iter_mut().for_each(|known| known.tried = false);
            self.lookup = if self.lookup == Lookup::Done { Lookup::Due } else { self.lookup };
        }
        self.part(now, &taken);
        let may_be_asked = |known: &Known| !known.tried && known.rest.ends_after(now).is_none();
        let stays = self.current.filter(|at| may_be_asked(&self.known[*at]));
        let all = || (0..self.known.len()).filter(|at| may_be_asked(&self.known[*at]));
        let chosen = stays
            .or_else(|| all().find(|at| !is_taken(self.known[*at].address)))
            .or_else(|| all().next());
        let Some(at) = chosen else {
            let ends = self.known.iter().filter_map(|known| known.rest.ends_after(now));
            return Choice::RestUntil(ends.min().unwrap_or(now));
        };
        self.current = Some(at);
        self.known[at].unanswered = self.known[at].unanswered.saturating_add(1);
        Choice::Ask(self.known[at].address)
    }

    /// Leaves an address that an earlier source has, too, for one that nobody has: sources that met
    /// at the last address that was left of a pool are several again when the others are back.
    /// Seldom, and more and more so, for each time costs a question and the facts of the address
    /// that is left.
    fn part(&mut self, now: u64, taken: &impl Fn(SocketAddr) -> Taken) {
        let Some(at) = self.current else { return };
        if taken(self.known[at].address) != Taken::Earlier {
            (self.separate_at, self.separations) = (now, 0);
            return;
        }
        let is_free = |known: &Known| {
            known.rest.ends_after(now).is_none() && taken(known.address) == Taken::Free
        };
        let Some(free) = self.known.iter().position(is_free).filter(|_| now >= self.separate_at)
        else {
            return;
        };
        self.separate_at = now.saturating_add(
            self.pace.first_rest.saturating_mul(1 << self.separations.min(MOST_DOUBLINGS)),
        );
        self.separations = self.separations.saturating_add(1);
        (self.known[free].tried, self.current) = (false, Some(free));
    }

    /// The address in use asked to be asked less often. One that never says anything else is left
    /// for another.
    pub(super) fn slowed(&mut self, now: u64) -> After {
        let Some(at) = self.current else { return After::Pause };
        self.known[at].slowed += 1;
        let others = (0..self.known.len())
            .any(|other| other != at && self.known[other].rest.ends_after(now).is_none());
        if self.known[at].slowed < SLOWED_BEFORE_NEXT || !others {
            return After::Pause;
        }
        self.known[at].slowed = 0;
        self.denied(now)
    }

    /// Whether the address in use is gone or rests, and another one does not.
    pub(super) fn has_a_better_one(&self, now: u64) -> bool {
        let rests = |known: &Known| known.rest.ends_after(now).is_some();
        self.current.is_none_or(|at| rests(&self.known[at]))
            && self.known.iter().any(|known| !rests(known))
    }

    /// The address in use has answered.
    pub(super) fn answered(&mut self) {
        let current = self.current;
        for (at, known) in self.known.iter_mut().enumerate() {
            known.tried = false;
            if Some(at) == current {
                (known.answers, known.unanswered, known.slowed) = (true, 0, 0);
                known.rest.end();
            }
        }
    }

    /// The address in use gave no facts.
    pub(super) fn failed(&mut self, now: u64) -> After {
        let Some(at) = self.current else { return After::Pause };
        let known = &mut self.known[at];
        if known.answers && known.unanswered < UNANSWERED_BEFORE_NEXT {
            return After::Pause;
        }
        (known.tried, known.answers, known.unanswered) = (true, false, 0);
        self.after(now)
    }

    /// The address in use asked to be left alone.
    pub(super) fn denied(&mut self, now: u64) -> After {
        let Some(at) = self.current else { return After::Pause };
        let (known, first_rest) = (&mut self.known[at], self.pace.first_rest);
        (known.tried, known.answers, known.unanswered) = (true, false, 0);
        known.rest.begin(now, first_rest);
        self.after(now)
    }

    /// The counter shows `now`, and what it showed before is of no use.
    pub(super) fn rebase(&mut self, now: u64) {
        self.last_lookup = self.last_lookup.map(|at| at.min(now));
        let first_rest = self.pace.first_rest;
        self.known.iter_mut().for_each(|known| known.rest.rebase(now, first_rest));
    }

    /// The address in use, if there is one.
    pub(super) fn current(&self) -> Option<SocketAddr> {
        self.current.map(|at| self.known[at].address)
    }

    /// When the first of them may be asked again, if all rest.
    pub(super) fn rest_until(&self, now: u64) -> Option<u64> {
        let ends: Option<Vec<u64>> =
            self.known.iter().map(|known| known.rest.ends_after(now)).collect();
        ends.and_then(|ends| ends.into_iter().min())
    }

    /// Whether the resolver has been asked and has not answered.
    pub(super) fn is_being_looked_up(&self) -> bool {
        self.lookup == Lookup::UnderWay
    }

    /// How many are known.
    pub(super) fn count(&self) -> usize {
        self.known.len()
    }

    fn after(&self, now: u64) -> After {
        let waits =
            self.known.iter().any(|known| !known.tried && known.rest.ends_after(now).is_none());
        if waits { After::AskTheNext } else { After::Pause }
    }
}

/// The families by turns, each in its order, beginning with that of the first address.
fn alternate(addresses: &[SocketAddr]) -> Vec<SocketAddr> {
    let Some(first) = addresses.first() else { return Vec::new() };
    let (mut one, mut other): (Vec<SocketAddr>, Vec<SocketAddr>) =
        addresses.iter().partition(|address| address.is_ipv4() == first.is_ipv4());
    let mut all = Vec::with_capacity(addresses.len());
    (one, other) = (one.into_iter().rev().collect(), other.into_iter().rev().collect());
    while let Some(address) = one.pop() {
        all.push(address);
        all.extend(other.pop());
    }
    all.extend(other.into_iter().rev());
    all
}

/// An address that has answered is given up after so many questions in a row. Smaller: a lost
/// packet changes the server, and the facts of the old one are dropped. Larger: a dead server is
/// noticed later.
const UNANSWERED_BEFORE_NEXT: u32 = 2;
/// An address that said RATE so often, and nothing else, is left for another. Smaller: a forged one
/// changes the server. Larger: a server that serves nobody keeps the source.
const SLOWED_BEFORE_NEXT: u32 = 4;
/// Rests double so often at most: 256 s become 18 hours. Smaller: a server that means it is asked
/// more often. Larger: a forged kiss on each of many questions costs more.
const MOST_DOUBLINGS: u32 = 8;
/// Of one name. Smaller: some of a large pool are never asked. Larger: a name server could make the
/// list as long as it likes.
const MOST_ADDRESSES: usize = 64;
/// The first rest after DENY or RSTR. Smaller: impolite to a server that means it. Larger: a forged
/// one costs more.
pub(super) const FIRST_REST: Duration = Duration::from_secs(256);
/// A name whose addresses do not answer is not looked up more often than this. Smaller: load on
/// resolvers while a server is down.
pub(super) const BETWEEN_LOOK_UPS: Duration = Duration::from_secs(16);

#[cfg(all(test, not(sureclock_loom)))]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn pace() -> LookUpPace {
        LookUpPace { between: 16, first_rest: 256 }
    }

    fn v4(n: u8) -> SocketAddr {
        ([192, 0, 2, n], 123).into()
    }

    fn v6(n: u16) -> SocketAddr {
        ([0x2001, 0xdb8, 0, 0, 0, 0, 0, n], 123).into()
    }

    fn of(addresses: &[SocketAddr]) -> Addresses {
        let mut known = Addresses::new(pace());
        assert!(known.take_lookup(0));
        known.found(addresses);
        known
    }

    fn free(_: SocketAddr) -> Taken {
        Taken::Free
    }

    #[test]
    fn families_alternate_and_keep_their_order() {
        let all = [v6(1), v6(2), v6(3), v4(1), v4(2)];
        assert_eq!(alternate(&all), [v6(1), v4(1), v6(2), v4(2), v6(3)]);
        assert_eq!(alternate(&[v4(1), v4(2), v6(1)]), [v4(1), v6(1), v4(2)]);
        assert_eq!(alternate(&[v4(1), v6(1), v6(2), v6(3)]), [v4(1), v6(1), v6(2), v6(3)]);
        assert_eq!(alternate(&[]), []);
    }

    #[test]
    fn found_addresses_beyond_the_third_are_asked_across_lookups() {
        let all = [v6(1), v6(2), v6(3), v4(1)];
        let mut known = of(&all[..3]);
        let mut asked = Vec::new();
        for now in 0..8 {
            let Choice::Ask(address) = known.choose(now, free) else {
                panic!("one is there to be asked")
            };
            asked.push(address);
            known.failed(now);
            // The resolver answers in the middle of a round.
            known.found(&all);
        }
        for address in all {
            assert!(asked[..4].contains(&address), "{address} had no turn: {asked:?}");
        }
    }

    #[test]
    fn an_address_that_answered_is_given_up_after_two_questions_and_another_after_one() {
        let mut known = of(&[v4(1), v4(2)]);
        assert_eq!(known.choose(0, free), Choice::Ask(v4(1)));
        known.answered();
        assert_eq!(known.choose(1, free), Choice::Ask(v4(1)));
        assert_eq!(known.failed(1), After::Pause, "one lost packet");
        assert_eq!(known.choose(2, free), Choice::Ask(v4(1)));
        assert_eq!(known.failed(2), After::AskTheNext);
        assert_eq!(known.choose(3, free), Choice::Ask(v4(2)));
        assert_eq!(known.failed(3), After::Pause, "all have had their turn");
    }

    #[test]
    fn found_a_denied_address_rests_and_comes_back() {
        let mut known = of(&[v4(1)]);
        let mut now = 0;
        for rest in [256, 512, 1_024] {
            assert_eq!(known.choose(now, free), Choice::Ask(v4(1)));
            known.denied(now);
            assert_eq!(known.choose(now + rest - 1, free), Choice::RestUntil(now + rest));
            now += rest;
        }
        assert_eq!(known.choose(now, free), Choice::Ask(v4(1)));
        known.answered();
        known.denied(now);
        assert_eq!(
            known.choose(now, free),
            Choice::RestUntil(now + 256),
            "an answer forgets the denials"
        );
        let mut rest = Rest::default();
        (0..100).for_each(|_| rest.begin(0, 256));
        assert_eq!(rest.ends_after(0), Some(256 << MOST_DOUBLINGS), "never for good");
    }

    #[test]
    fn a_denial_of_one_address_is_none_of_the_others() {
        let mut known = of(&[v4(1), v4(2)]);
        known.choose(0, free);
        assert_eq!(known.denied(0), After::AskTheNext);
        assert_eq!(known.choose(0, free), Choice::Ask(v4(2)));
    }

    #[test]
    fn an_address_that_another_source_has_is_the_last_choice() {
        let mut known = of(&[v4(1), v4(2)]);
        assert_eq!(
            known.choose(0, |address| if address == v4(1) { Taken::Later } else { Taken::Free }),
            Choice::Ask(v4(2))
        );
        let mut alone = of(&[v4(1)]);
        assert_eq!(alone.choose(0, |_| Taken::Earlier), Choice::Ask(v4(1)), "better than none");
    }

    #[test]
    fn a_name_is_looked_up_again_after_a_round_and_not_too_often() {
        let mut known = of(&[v4(1)]);
        known.choose(0, free);
        known.failed(0);
        assert!(!known.take_lookup(8), "the round is over when the next one begins");
        known.choose(8, free);
        assert!(!known.take_lookup(8), "too soon");
        assert!(known.take_lookup(16));
        assert!(!known.take_lookup(40), "it is under way");
        known.not_found();
        assert_eq!(known.choose(41, free), Choice::Ask(v4(1)), "what was known stays known");
        let mut nothing = Addresses::new(pace());
        assert!(nothing.take_lookup(0));
        assert_eq!(nothing.choose(0, free), Choice::Lookup);
        nothing.not_found();
        assert!(nothing.take_lookup(1), "the schedule of the source paces this one");
    }

    proptest! {
        /// Any addresses, any of them dead, look-ups in any order: each gets its turn in each
        /// round.
        #[test]
        fn every_address_gets_its_turn(
            v4s in 0u8..9, v6s in 0u16..9, orders in prop::collection::vec(any::<u64>(), 1..6),
        ) {
            let mut all: Vec<SocketAddr> = (0..v4s).map(v4).chain((0..v6s).map(v6)).collect();
            prop_assume!(!all.is_empty());
            let mut known = of(&all);
            let mut asked = std::collections::HashSet::new();
            for turn in 0..all.len() {
                let Choice::Ask(address) = known.choose(turn as u64, free) else { panic!() };
                prop_assert!(asked.insert(address), "{} was asked twice in a round", address);
                known.failed(turn as u64);
                // Round-robin resolvers.
                let by = orders[turn % orders.len()] as usize % all.len();
                all.rotate_left(by);
                known.found(&all);
            }
            prop_assert_eq!(asked.len(), all.len());
        }
    }
}
