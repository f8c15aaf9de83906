//! Agreement: what n' failure domains say together, if at most f of them are wrong.
//!
//! f is fixed by configuration. True time is in the intervals of the n'-f domains that are right,
//! so it is covered at least n'-f times: that is the whole proof. Raising or lowering f, or taking
//! the best covered point, to get an answer loses true time against f liars.

use super::window::Bound;

/// What the domains say together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Agreement {
    /// At most f domains have a bound: any of them may be wrong. The last answer ages on.
    NoNews,
    /// No point is covered by n'-f domains: more than f are wrong, or (R) is broken.
    Contradiction,
    /// True time is between the two, in nanoseconds. Otherwise no point is in it that no honest
    /// domain covers; degraded: at most 2f domains have a bound, so liars can widen it at will (but
    /// never move it off true time).
    Within { earliest_ns: i64, latest_ns: i64, degraded: bool },
}

/// The hull of the points that lie in at least n'-f of the n' bounds that are not silent.
///
/// # References
///
/// Marzullo, *Maintaining the time in a distributed system* (1984), with f fixed instead of
/// searched for.
pub(crate) fn agree(domains: &[Bound], faulty: usize) -> Agreement {
    let live = domains.iter().filter(|bound| !matches!(bound, Bound::Silent)).count();
    if live <= faulty {
        return Agreement::NoNews;
    }
    let needed = live - faulty;
    let mut starts: Vec<i64> = Vec::with_capacity(live);
    let mut ends: Vec<i64> = Vec::with_capacity(live);
    for bound in domains {
        if let Bound::Within { earliest_ns, latest_ns } = *bound {
            starts.push(earliest_ns);
            ends.push(latest_ns);
        }
    }
    starts.sort_unstable();
    ends.sort_unstable();
    // A point x is covered (starts <= x) - (ends < x) times. Coverage rises only at a start and
    // falls only past an end.
    let covered = |x: i64| starts.partition_point(|&s| s <= x) - ends.partition_point(|&e| e < x);
    let earliest = starts.iter().copied().find(|&x| covered(x) >= needed);
    let latest = ends.iter().rev().copied().find(|&x| covered(x) >= needed);
    match (earliest, latest) {
        (Some(earliest_ns), Some(latest_ns)) => {
            Agreement::Within { earliest_ns, latest_ns, degraded: live <= 2 * faulty }
        }
        _ => Agreement::Contradiction,
    }
}

/// The bound of a failure domain of several sources: the hull of its members, or their intersection
/// if the user trusts the domain whole. If the domain is right all its members are, so true time is
/// in every one of them.
pub(crate) fn domain_bound(members: impl IntoIterator<Item = Bound>, trusted_whole: bool) -> Bound {
    let mut result = Bound::Silent;
    for member in members {
        result = match (result, member) {
            (known, Bound::Silent) => known,
            (Bound::Silent, member) => member,
            (Bound::Empty, member) if !trusted_whole => member,
            (known, Bound::Empty) if !trusted_whole => known,
            (Bound::Empty, _) | (_, Bound::Empty) => Bound::Empty,
            (
                Bound::Within { earliest_ns: a, latest_ns: b },
                Bound::Within { earliest_ns: c, latest_ns: d },
            ) => {
                let (earliest_ns, latest_ns) =
                    if trusted_whole { (a.max(c), b.min(d)) } else { (a.min(c), b.max(d)) };
                if earliest_ns <= latest_ns {
                    Bound::Within { earliest_ns, latest_ns }
                } else {
                    Bound::Empty
                }
            }
        };
    }
    result
}

#[cfg(test)]
mod exhaustive;

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn within(earliest_ns: i64, latest_ns: i64) -> Bound {
        Bound::Within { earliest_ns, latest_ns }
    }

    fn agreed(earliest_ns: i64, latest_ns: i64, degraded: bool) -> Agreement {
        Agreement::Within { earliest_ns, latest_ns, degraded }
    }

    /// The definition, point by point.
    fn naive(domains: &[Bound], faulty: usize, points: std::ops::Range<i64>) -> Option<(i64, i64)> {
        let live = domains.iter().filter(|b| **b != Bound::Silent).count();
        let holds = |b: &Bound, x| matches!(*b, Bound::Within { earliest_ns, latest_ns } if earliest_ns <= x && x <= latest_ns);
        let mut good =
            points.filter(|&x| domains.iter().filter(|b| holds(b, x)).count() + faulty >= live);
        let first = good.next()?;
        Some((first, good.next_back().unwrap_or(first)))
    }

    #[test]
    fn a_liar_among_three_cannot_move_the_bound() {
        let domains = [within(10, 20), within(12, 22), within(1_000, 1_001)];
        assert_eq!(agree(&domains, 1), agreed(12, 20, false));
    }

    #[test]
    fn a_contradictory_domain_counts_and_a_silent_one_does_not() {
        let (a, b) = (within(10, 20), within(15, 30));
        assert_eq!(agree(&[a, b, Bound::Empty], 1), agreed(15, 20, false));
        assert_eq!(
            agree(&[a, b, Bound::Silent], 1),
            agreed(10, 30, true),
            "one of the two may be the liar"
        );
        assert_eq!(agree(&[a, Bound::Silent, Bound::Silent], 1), Agreement::NoNews);
        assert_eq!(agree(&[within(0, 1), within(2, 3), within(4, 5)], 1), Agreement::Contradiction);
        assert_eq!(agree(&[], 0), Agreement::NoNews);
        assert_eq!(agree(&[Bound::Empty], 0), Agreement::Contradiction);
    }

    #[test]
    fn f_plus_one_colluding_liars_do_move_it() {
        // The twin that must fail: beyond the assumption nothing is promised, and the check sees
        // it.
        let truth = 15;
        let domains = [within(10, 20), within(100, 110), within(100, 110)];
        let Agreement::Within { earliest_ns, .. } = agree(&domains, 1) else { panic!() };
        assert!(earliest_ns > truth);
    }

    #[test]
    fn a_domain_is_the_hull_of_its_members_unless_trusted_whole() {
        let members = [within(10, 20), Bound::Silent, within(18, 30), Bound::Empty];
        assert_eq!(domain_bound(members, false), within(10, 30));
        assert_eq!(domain_bound(members, true), Bound::Empty);
        assert_eq!(domain_bound([within(10, 20), within(18, 30)], true), within(18, 20));
        assert_eq!(domain_bound([within(10, 20), within(21, 30)], true), Bound::Empty);
        assert_eq!(domain_bound([Bound::Empty, Bound::Silent], false), Bound::Empty);
    }

    /// The definition, of every three members: silent ones count for nothing; trusted whole, it is
    /// what all others have in common, else all that any of them covers (where there are gaps,
    /// these too).
    #[test]
    fn a_domain_is_its_definition_of_any_members() {
        let any =
            [Bound::Silent, Bound::Empty, within(1, 4), within(3, 6), within(5, 9), within(4, 4)];
        let count = any.len();
        for number in 0..count.pow(3) {
            let members =
                [any[number % count], any[number / count % count], any[number / count / count]];
            let speaking: Vec<Bound> =
                members.into_iter().filter(|member| *member != Bound::Silent).collect();
            let ends = |of: &[Bound]| -> Vec<(i64, i64)> {
                let end = |bound: &Bound| match *bound {
                    Bound::Within { earliest_ns, latest_ns } => Some((earliest_ns, latest_ns)),
                    _ => None,
                };
                of.iter().filter_map(end).collect()
            };
            let (some, all) =
                (ends(&speaking), speaking.iter().all(|bound| *bound != Bound::Empty));
            let common = some
                .iter()
                .map(|e| e.0)
                .max()
                .zip(some.iter().map(|e| e.1).min())
                .filter(|(a, b)| all && a <= b);
            let hull = some.iter().map(|e| e.0).min().zip(some.iter().map(|e| e.1).max());
            for (trusted_whole, ends) in [(true, common), (false, hull)] {
                let expected = match ends {
                    _ if speaking.is_empty() => Bound::Silent,
                    Some((earliest, latest)) => within(earliest, latest),
                    None => Bound::Empty,
                };
                assert_eq!(
                    domain_bound(members, trusted_whole),
                    expected,
                    "{members:?}, trusted whole: {trusted_whole}"
                );
            }
        }
    }

    fn any_bound() -> impl Strategy<Value = Bound> {
        prop_oneof![
            1 => Just(Bound::Silent),
            1 => Just(Bound::Empty),
            6 => (0i64..40, 0i64..20).prop_map(|(a, w)| within(a, a + w)),
        ]
    }

    proptest! {
        #[test]
        fn agreement_is_its_definition(domains in prop::collection::vec(any_bound(), 0..8), faulty in 0usize..4) {
            let live = domains.iter().filter(|b| **b != Bound::Silent).count();
            let expected = if live <= faulty { Agreement::NoNews } else {
                match naive(&domains, faulty, -1..70) {
                    Some((a, b)) => agreed(a, b, live <= 2 * faulty),
                    None => Agreement::Contradiction,
                }
            };
            prop_assert_eq!(agree(&domains, faulty), expected);
        }

        #[test]
        fn true_time_is_inside_whatever_f_liars_say(
            right in prop::collection::vec((0i64..50, 0i64..50), 1..6),
            lies in prop::collection::vec(any_bound(), 0..4),
            silent in 0usize..3,
        ) {
            let truth = 0;
            let faulty = lies.len();
            let domains: Vec<Bound> = right.iter().map(|&(a, b)| within(truth - a, truth + b)).chain(lies)
                .chain(std::iter::repeat_n(Bound::Silent, silent)).collect();
            if let Agreement::Within { earliest_ns, latest_ns, degraded } = agree(&domains, faulty) {
                prop_assert!(earliest_ns <= truth && truth <= latest_ns);
                if !degraded {
                    // Not beyond the outermost honest ends.
                    prop_assert!(earliest_ns >= -right.iter().map(|r| r.0).max().unwrap());
                }
            } else {
                let live = domains.iter().filter(|b| **b != Bound::Silent).count();
                prop_assert!(live <= faulty, "with the assumption kept there is an answer");
            }
        }
    }
}
