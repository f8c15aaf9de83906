//! The agreement theorem, by trying all small worlds: every set of domain bounds, every f, every
//! place where true time may be.
//!
//! Ends of bounds stand at even points, true time may be at any point, so it is also tried between
//! two ends and beyond them all. Only the order of the ends and of true time matters to any of it.
//! `tests/proofs/README.md` says which orders that covers.

use super::{Agreement, agree};
use crate::bound::window::Bound;

/// A world under construction: the bounds, and how many of them cover each point.
struct World {
    bounds: Vec<Bound>,
    cover: Vec<usize>,
}

/// What an answer has to satisfy, if at most f of the bounds that are not silent are wrong at the
/// point where true time is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Law {
    /// At most f bounds: no agreement. Otherwise one.
    HasAgreement,
    /// True time is between the ends, and so there are ends.
    Inside,
    /// Each end is a point where true time may be: the answer is no wider than need be.
    Tight,
    /// It says degraded if and only if at most 2f bounds are there.
    Degraded,
    /// Not degraded: whichever f of the bounds lie, an honest one covers each end. So it is within
    /// the union of two honest ones.
    TwoHonest,
}

type Agree = fn(&[Bound], usize) -> Agreement;

impl World {
    /// Where ends may stand: 0, 2, .. Points are counted from -1, to have one before all.
    fn of(grid: usize) -> World {
        World { bounds: Vec::new(), cover: vec![0; 2 * grid + 1] }
    }

    fn push(&mut self, bound: Bound) {
        self.bounds.push(bound);
        self.count(bound, |n| n + 1);
    }

    fn pop(&mut self) {
        let bound = self.bounds.pop().unwrap();
        self.count(bound, |n| n - 1);
    }

    fn count(&mut self, bound: Bound, by: fn(usize) -> usize) {
        if let Bound::Within { earliest_ns, latest_ns } = bound {
            for at in earliest_ns..=latest_ns {
                let at = usize::try_from(at + 1).unwrap();
                self.cover[at] = by(self.cover[at]);
            }
        }
    }

    fn live(&self) -> usize {
        self.bounds.iter().filter(|bound| **bound != Bound::Silent).count()
    }

    fn covered(&self, at: i64) -> usize {
        self.cover[usize::try_from(at + 1).unwrap()]
    }

    /// The law that the answer breaks, if up to `liars` bounds may be wrong.
    fn broken(&self, agree: Agree, faulty: usize, liars: usize) -> Option<Law> {
        let live = self.live();
        let answer = agree(&self.bounds, faulty);
        if (answer == Agreement::NoNews) != (live <= faulty) {
            return Some(Law::HasAgreement);
        }
        if live <= faulty {
            return None;
        }
        // Points where no more than so many are wrong.
        let possible = |liars: usize| {
            let points =
                self.cover.iter().zip(-1i64..).filter(move |(cover, _)| *cover + liars >= live);
            points.map(|(_, at)| at)
        };
        let Agreement::Within { earliest_ns, latest_ns, degraded } = answer else {
            return possible(liars).next().map(|_| Law::Inside);
        };
        if possible(liars).any(|truth| truth < earliest_ns || truth > latest_ns) {
            return Some(Law::Inside);
        }
        let least_cover = self.covered(earliest_ns).min(self.covered(latest_ns));
        if least_cover + faulty < live {
            return Some(Law::Tight);
        }
        if degraded != (live <= 2 * faulty) {
            return Some(Law::Degraded);
        }
        (!degraded && least_cover <= faulty).then_some(Law::TwoHonest)
    }
}

/// Calls `visit` with every multiset of `n` bounds whose ends stand on `grid` places; some are
/// silent, some empty. In one sequence each, or in all.
fn every_world(n: usize, grid: usize, in_all_sequences: bool, visit: &mut dyn FnMut(&World)) {
    fn go(
        choices: &[Bound],
        from: Option<usize>,
        n: usize,
        world: &mut World,
        visit: &mut dyn FnMut(&World),
    ) {
        if n == 0 {
            return visit(world);
        }
        for (index, choice) in choices.iter().enumerate().skip(from.unwrap_or(0)) {
            world.push(*choice);
            go(choices, from.map(|_| index), n - 1, world, visit);
            world.pop();
        }
    }
    let places = || (0i64..).step_by(2).take(grid);
    let pairs = places().flat_map(|a| places().skip_while(move |b| *b < a).map(move |b| (a, b)));
    let within = pairs.map(|(earliest_ns, latest_ns)| Bound::Within { earliest_ns, latest_ns });
    let choices: Vec<Bound> = [Bound::Silent, Bound::Empty].into_iter().chain(within).collect();
    let from = if in_all_sequences { None } else { Some(0) };
    go(&choices, from, n, &mut World::of(grid), visit);
}

/// Calls `visit` with one world for every order, ties included, in which the ends of `n` bounds can
/// stand: at each place some of them begin and some end. Which beginning belongs to which end is
/// taken from the first to the first: it changes no cover of any point.
fn every_order(n: usize, visit: &mut dyn FnMut(&World)) {
    struct Orders<'a> {
        n: usize,
        starts: Vec<i64>,
        ends: Vec<i64>,
        visit: &'a mut dyn FnMut(&World),
    }
    impl Orders<'_> {
        fn go(&mut self, place: i64) {
            if self.ends.len() == self.n {
                let mut world = World::of(2 * self.n);
                for (&earliest_ns, &latest_ns) in self.starts.iter().zip(&self.ends) {
                    world.push(Bound::Within { earliest_ns, latest_ns });
                }
                return (self.visit)(&world);
            }
            let (began, ended) = (self.starts.len(), self.ends.len());
            for begin in 0..=self.n - began {
                for end in usize::from(begin == 0)..=began + begin - ended {
                    self.starts.resize(began + begin, place);
                    self.ends.resize(ended + end, place);
                    self.go(place + 2);
                    self.starts.truncate(began);
                    self.ends.truncate(ended);
                }
            }
        }
    }
    Orders { n, starts: Vec::new(), ends: Vec::new(), visit }.go(0);
}

/// No law is broken by the production function. Returns how many worlds, each for one f.
fn hold_in(world: &World, most_faulty: usize) -> usize {
    for faulty in 0..=most_faulty {
        assert_eq!(world.broken(agree, faulty, faulty), None, "f = {faulty}: {:?}", world.bounds);
    }
    most_faulty + 1
}

fn hold_in_every_world(n: usize, grid: usize) {
    let (mut count, began) = (0, std::time::Instant::now());
    every_world(n, grid, n <= 4, &mut |world| count += hold_in(world, (n - 1) / 2));
    println!(
        "agreement n={n} places={grid}: {count} worlds, {:.1} s",
        began.elapsed().as_secs_f64()
    );
}

/// Of `n` domains `k` have a bound, whatever order their ends stand in; the others are silent or
/// empty in every number.
fn hold_in_every_order(n: usize) {
    let (mut count, began) = (0, std::time::Instant::now());
    for k in 0..=n {
        every_order(k, &mut |world| {
            for empty in 0..=n - k {
                let others = [(Bound::Empty, empty), (Bound::Silent, n - k - empty)];
                let others =
                    others.into_iter().flat_map(|(bound, count)| std::iter::repeat_n(bound, count));
                let bounds = world.bounds.iter().copied().chain(others).collect();
                count += hold_in(&World { bounds, cover: world.cover.clone() }, (n - 1) / 2);
            }
        });
    }
    println!("agreement n={n} every order: {count} worlds, {:.1} s", began.elapsed().as_secs_f64());
}

/// The first law that is found broken in worlds of up to four domains, of all that `counts`.
fn found(
    agree: Agree,
    liars: impl Fn(usize) -> usize,
    counts: impl Fn(Law) -> bool,
) -> Option<Law> {
    let mut found = None;
    for n in 1..=4 {
        every_world(n, 4, false, &mut |world| {
            for faulty in 0..=(n - 1) / 2 {
                found = found.or_else(|| {
                    world.broken(agree, faulty, liars(faulty)).filter(|law| counts(*law))
                });
            }
        });
    }
    found
}

#[test]
fn the_agreement_theorem_holds_in_small_worlds() {
    for (n, grid) in [(1, 3), (2, 5), (3, 5), (4, 3), (5, 3)] {
        hold_in_every_world(n, grid);
    }
    for n in 1..=4 {
        hold_in_every_order(n);
    }
}

#[test]
#[ignore = "minutes: tests/proofs/run has it built for release"]
fn the_agreement_theorem_holds_in_all_worlds_up_to_seven_domains() {
    // 2n places and true time between them: every order of up to 2n ends. Beyond five that is too
    // much, so all orders are tried in one pairing of the ends, and all pairings on fewer places.
    for (n, grid) in [(1, 3), (2, 5), (3, 7), (4, 8), (5, 10), (6, 9), (7, 8)] {
        hold_in_every_world(n, grid);
    }
    for n in 1..=7 {
        hold_in_every_order(n);
    }
}

#[test]
fn one_liar_more_than_f_breaks_it() {
    assert_eq!(found(agree, |faulty| faulty + 1, |_| true), Some(Law::Inside));
}

#[test]
fn the_smallest_f_that_works_breaks_it() {
    let smallest: Agree = |domains, faulty| {
        let agreements = (0..=domains.len()).map(|f| agree(domains, f));
        let within =
            agreements.into_iter().find(|agreement| matches!(agreement, Agreement::Within { .. }));
        within.unwrap_or_else(|| agree(domains, faulty))
    };
    assert_eq!(found(smallest, |faulty| faulty, |law| law == Law::Inside), Some(Law::Inside));
}

#[test]
fn the_points_that_most_cover_break_it() {
    let most: Agree = |domains, faulty| {
        let live = domains.iter().filter(|bound| **bound != Bound::Silent).count();
        if live <= faulty { Agreement::NoNews } else { agree_of_most(domains) }
    };
    fn agree_of_most(domains: &[Bound]) -> Agreement {
        (0..domains.len())
            .map(|f| agree(domains, f))
            .find(|agreement| matches!(agreement, Agreement::Within { .. }))
            .unwrap_or(Agreement::Contradiction)
    }
    assert_eq!(found(most, |faulty| faulty, |law| law == Law::Inside), Some(Law::Inside));
}

/// True time is still inside without the contradictory ones; what is lost is that more than f wrong
/// ones are seen.
#[test]
fn leaving_out_contradictory_domains_breaks_it() {
    let left_out: Agree = |domains, faulty| {
        let others: Vec<Bound> =
            domains.iter().copied().filter(|bound| *bound != Bound::Empty).collect();
        agree(&others, faulty)
    };
    assert_eq!(found(left_out, |faulty| faulty, |law| law == Law::Tight), Some(Law::Tight));
    assert_eq!(
        found(left_out, |faulty| faulty, |law| law == Law::Inside),
        None,
        "as the proof says"
    );
}

#[test]
fn bounds_that_only_touch_count_as_covering() {
    let open: Agree = |domains, faulty| {
        let shrunk = domains.iter().map(|bound| match *bound {
            Bound::Within { earliest_ns, latest_ns } if earliest_ns < latest_ns => {
                Bound::Within { earliest_ns, latest_ns: latest_ns - 1 }
            }
            other => other,
        });
        agree(&shrunk.collect::<Vec<_>>(), faulty)
    };
    assert_eq!(found(open, |faulty| faulty, |law| law == Law::Inside), Some(Law::Inside));
}

/// Degraded: a single liar does widen it beyond all honest bounds, so the law of two honest ones
/// needs its condition.
#[test]
fn with_two_f_bounds_a_liar_widens_the_answer() {
    let unsaid: Agree = |domains, faulty| match agree(domains, faulty) {
        Agreement::Within { earliest_ns, latest_ns, .. } => {
            Agreement::Within { earliest_ns, latest_ns, degraded: false }
        }
        other => other,
    };
    assert_eq!(found(unsaid, |faulty| faulty, |_| true), Some(Law::Degraded));
    let honest = Bound::Within { earliest_ns: 4, latest_ns: 6 };
    let liar = Bound::Within { earliest_ns: 0, latest_ns: 0 };
    assert_eq!(
        agree(&[honest, liar, Bound::Silent], 1),
        Agreement::Within { earliest_ns: 0, latest_ns: 6, degraded: true }
    );
}
