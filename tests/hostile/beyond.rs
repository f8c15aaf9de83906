//! One bad one more than the clock is told to expect: what must fail then, and what is promised
//! even so.

use super::liars::{WIDE, YEARS_12_NS, era, just_after_edge};
use super::network::{SLOW, forged};
use super::{ANSWERS, Law, MS, Row, Seen, beyond, liar, lie, path, refused_as, server};
use sureclock::ntp::Rejected;
use sureclock::{Problem, Verdict};

/// One bad one more than the clock is told to expect: what must fail, and what is promised even
/// then.
pub(crate) fn beyond_f() -> Vec<Row> {
    let twin =
        |row: Row| beyond(Row { seen: ANSWERS, seen_as: "twin: answers", ..row }, Law::Violates);
    vec![
        twin(liar("f+1 collude: 500 ms ahead", |a, _| lie(a), ANSWERS, "")),
        twin(liar("f+1 collude: 3 ms behind", |a, _| a.shift(-3_000_000), ANSWERS, "")),
        twin(liar("f+1, 12 years ahead", |a, _| a.shift(YEARS_12_NS), ANSWERS, "")),
        twin(liar(
            "f+1 behave for a second, then collude",
            |a, since| {
                if since > 1000 * MS {
                    lie(a)
                }
            },
            ANSWERS,
            "",
        )),
        twin(era("f+1 just after the era edge", |a, _| just_after_edge(a))),
        twin(path("stamps forged on the way to f+1", forged, ANSWERS, "")),
        beyond(
            server(
                "f+1 with leap indicator 3",
                |a, _| {
                    a.leap = 3;
                    lie(a)
                },
                refused_as!(Rejected::ServerNotSynchronized { .. }),
                "refused",
            ),
            Law::NoAnswer,
        ),
        beyond(
            server(
                "f+1 whose origin is one bit off",
                |a, _| {
                    a.origin ^= 1;
                    lie(a)
                },
                Seen::PassedOver,
                "passed over",
            ),
            Law::NoAnswer,
        ),
        beyond(
            path(
                "f+1 cut off",
                |mut p| {
                    p.cut();
                    p
                },
                Seen::Source(|s| s.problem.is_some()),
                "timeouts",
            ),
            Law::NoAnswer,
        ),
        beyond(
            path(
                "100 % of a delay of 40 ms there, to f+1",
                |mut p| {
                    p.forward.delay = 40 * MS;
                    p
                },
                SLOW,
                "its delay",
            ),
            Law::InsideOrError,
        ),
        beyond(
            path(
                "100 % of a delay of 40 ms back, to f+1",
                |mut p| {
                    p.backward.delay = 40 * MS;
                    p
                },
                SLOW,
                "its delay",
            ),
            Law::InsideOrError,
        ),
        beyond(
            liar(
                "f+1 apart: one 1 s ahead, one 1 s behind",
                |a, _| a.shift(if a.number == 0 { 1_000_000_000 } else { -1_000_000_000 }),
                APART,
                "apart",
            ),
            Law::InsideOrError,
        ),
        beyond(
            liar(
                "f+1 behave for a second, then go apart",
                |a, since| {
                    if since > 1000 * MS {
                        a.shift(if a.number == 0 { 1_000_000_000 } else { -1_000_000_000 })
                    }
                },
                APART,
                "apart",
            ),
            Law::ErrorInTheEnd,
        ),
        beyond(
            liar(
                "f+1 wide: 15 s of dispersion",
                |a, _| a.root_dispersion = 15 << 16,
                WIDE,
                "its root distance",
            ),
            Law::InsideOrError,
        ),
    ]
}

const APART: Seen =
    Seen::Source(|source| source.verdict != Verdict::Agrees && source.counts.answered > 5);
