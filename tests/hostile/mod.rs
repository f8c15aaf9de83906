//! The rows: each one behaviour of a server or a path, and what must have been seen of it.

mod beyond;
mod liars;
mod network;
mod refused;

use crate::support::hostile::{Answer, Behaviour};
use crate::support::relay::{Path, Tally};
use std::time::Duration;
use sureclock::{SourceStatus, Verdict};

/// All rows.
pub(crate) fn rows() -> Vec<Row> {
    [refused::refused(), network::network(), liars::liars(), beyond::beyond_f()].concat()
}

/// One row.
#[derive(Clone, Copy)]
pub(crate) struct Row {
    pub(crate) fault: &'static str,
    pub(crate) name: &'static str,
    pub(crate) what: Bad,
    pub(crate) bad: usize,
    pub(crate) honest: usize,
    pub(crate) max_faulty: usize,
    pub(crate) seen: Seen,
    /// The same in words, for the table.
    pub(crate) seen_as: &'static str,
    pub(crate) law: Law,
}

/// What stands where a server should.
#[derive(Clone, Copy)]
pub(crate) enum Bad {
    /// A hostile server.
    Server(Behaviour),
    /// A bad path to a real chronyd.
    Path(fn(Path) -> Path),
    /// One that changes with the time since the start of the row.
    Ramp(fn(Path) -> Path, fn(&mut Path, Duration)),
}

/// What shows that the fault took place.
#[derive(Clone, Copy)]
pub(crate) enum Seen {
    /// In the status of the source.
    Source(fn(&SourceStatus) -> bool),
    /// In the tallies of the relay, forward and backward.
    Network(fn([Tally; 2]) -> bool),
    /// Answers were sent, and none was taken for one: timeouts alone.
    PassedOver,
}

const ANSWERS: Seen = Seen::Source(|source| source.counts.answered > 5);
const FOUND_OUT: Seen =
    Seen::Source(|source| matches!(source.verdict, Verdict::Falseticker | Verdict::Contradictory));

/// One of three misbehaves.
const fn one(
    fault: &'static str,
    name: &'static str,
    what: Bad,
    seen: Seen,
    seen_as: &'static str,
) -> Row {
    Row { fault, name, what, bad: 1, honest: 2, max_faulty: 1, seen, seen_as, law: Law::Holds }
}

/// Two of five, alike.
const fn two(row: Row) -> Row {
    Row { bad: 2, honest: 3, max_faulty: 2, ..row }
}

/// Two of three: one more than f.
const fn beyond(row: Row, law: Law) -> Row {
    Row { bad: 2, honest: 1, max_faulty: 1, law, ..row }
}

const fn server(
    name: &'static str,
    behaviour: Behaviour,
    seen: Seen,
    seen_as: &'static str,
) -> Row {
    one("F6", name, Bad::Server(behaviour), seen, seen_as)
}

const fn liar(name: &'static str, behaviour: Behaviour, seen: Seen, seen_as: &'static str) -> Row {
    one("F7", name, Bad::Server(behaviour), seen, seen_as)
}

const fn path(
    name: &'static str,
    path: fn(Path) -> Path,
    seen: Seen,
    seen_as: &'static str,
) -> Row {
    one("F6", name, Bad::Path(path), seen, seen_as)
}

/// Matches the reason for which the last answer was refused.
macro_rules! refused_as {
    ($pattern:pat) => {
        Seen::Source(|source| {
            matches!(source.problem, Some(Problem::Rejected($pattern)))
                && source.counts.answered == 0
        })
    };
}

use refused_as;

/// Half a second ahead, so that a row's answer would be missed if it were believed.
fn lie(answer: &mut Answer) {
    answer.shift(500_000_000);
}

/// What must come of a row.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Law {
    /// True time inside, and an answer always: at most f are bad.
    Holds,
    /// True time inside or an error: more than f are bad, but they do not agree.
    InsideOrError,
    /// Nothing outside, and errors in the end: they are apart, and that is seen.
    ErrorInTheEnd,
    /// No answer at all: f or fewer give facts.
    NoAnswer,
    /// The twin: true time is outside of some interval, and this check sees it.
    Violates,
}

const MS: Duration = Duration::from_millis(1);
