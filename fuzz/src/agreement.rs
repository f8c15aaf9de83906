//! The law of agreement: the definition, point by point, and the theorem that it rests on.

use crate::input::Input;
use sureclock::sim::{Agreed, DomainBound, agreement as agree};

/// What the clock makes of any domains is the definition; and where at most f of them are wrong
/// true time is inside.
pub fn agreement(data: &[u8]) -> bool {
    let mut input = Input(data);
    let (faulty, narrow) = (input.number(1) as usize % 4, input.number(1));
    let mut domains = Vec::new();
    while !input.is_empty() && domains.len() < 12 {
        let kind = input.number(1);
        // Ends that meet are the cases that matter: half of the time they come from a small set.
        let mut end = || {
            if narrow & 1 == 0 { input.number(1) as i64 % 16 - 8 } else { input.number(8) as i64 }
        };
        domains.push(match kind % 8 {
            0 => DomainBound::Silent,
            1 => DomainBound::Contradictory,
            _ => DomainBound::Within(end(), end()),
        });
    }
    let agreed = agree(&domains, faulty);
    assert_eq!(agreed, definition(&domains, faulty), "f = {faulty} of {domains:?}");
    truth_is_inside(&domains, faulty, agreed);
    let permuted: Vec<DomainBound> = domains.iter().rev().copied().collect();
    assert_eq!(agree(&permuted, faulty), agreed, "the order of domains");
    matches!(agreed, Agreed::Within { .. })
}

/// DESIGN of it: the hull of the points that lie in at least n'-f of the n' bounds that are not
/// silent.
fn definition(domains: &[DomainBound], faulty: usize) -> Agreed {
    let live = domains.iter().filter(|domain| **domain != DomainBound::Silent).count();
    if live <= faulty {
        return Agreed::NoNews;
    }
    let good = ends(domains).into_iter().filter(|point| covering(domains, *point) >= live - faulty);
    let (first, last) = (good.clone().min(), good.max());
    match first.zip(last) {
        Some((earliest_ns, latest_ns)) => {
            Agreed::Within { earliest_ns, latest_ns, degraded: live <= 2 * faulty }
        }
        None => Agreed::Contradiction,
    }
}

/// Whatever end true time may be at, or just beyond one: with at most f wrong about it there is an
/// answer, and it is inside.
fn truth_is_inside(domains: &[DomainBound], faulty: usize, agreed: Agreed) {
    let live = domains.iter().filter(|domain| **domain != DomainBound::Silent).count();
    let near = |end: i64| [end.saturating_sub(1), end, end.saturating_add(1)];
    for truth in ends(domains).into_iter().flat_map(near) {
        if live > faulty && live - covering(domains, truth) <= faulty {
            let inside = matches!(agreed, Agreed::Within { earliest_ns, latest_ns, .. }
                if earliest_ns <= truth && truth <= latest_ns);
            assert!(
                inside,
                "true time is {truth}, f = {faulty} of {domains:?}, and the answer {agreed:?}"
            );
        }
    }
}

fn covering(domains: &[DomainBound], point: i64) -> usize {
    domains
        .iter()
        .filter(|domain| matches!(domain, DomainBound::Within(a, b) if *a <= point && point <= *b))
        .count()
}

fn ends(domains: &[DomainBound]) -> Vec<i64> {
    let of = |domain: &DomainBound| match *domain {
        DomainBound::Within(a, b) if a <= b => vec![a, b],
        _ => Vec::new(),
    };
    domains.iter().flat_map(of).collect()
}
