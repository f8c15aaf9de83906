//! Silence is not an answer: requests whose outcome may be unknown, and the way out of it.
//!
//! A client that has no answer does not know whether its request was carried out. Three answers, as
//! a type: [`Outcome`]. The way out is to ask again **with the same id** ([`RequestId`]), of a
//! server that does each id at most once ([`Answers`]); and since an id has an end that travels as
//! an interval ([`Expiry`]), the server need not remember for ever, and what it does not know it
//! can mean exactly.
//!
//! | a server that gets an id | says | the client's [`Outcome`] |
//! |---|---|---|
//! | that it does not know, in time | carries it out, once | succeeded, or failed as the answer says |
//! | that it has carried out | the answer of then | the same |
//! | that it is carrying out | in progress | unknown: ask again |
//! | that it does not know, and that may be past its end | not done, and never will be | failed |
//! | that it may have forgotten | forgotten | unknown, for ever |
//!
//! # Why it is right
//!
//! An id is carried out only if `now.latest < expiry.earliest` and the table does not have it. An
//! entry is dropped only when `now.earliest > expiry.latest + keep`; the highest such `earliest` is
//! kept (`forgotten`).
//!
//! 1. *At most once.* Carried out at t1, once more at t2: then it was dropped at some d between,
//!    and `expiry.latest < earliest(d) <= d <= t2 <= latest(t2) < expiry.earliest`, which cannot
//!    be.
//! 2. *Not done means never.* What the table does not have, and whose `expiry.latest + keep` is not
//!    below `forgotten`, was never dropped, so it was never carried out here; and by 3 not in an
//!    earlier life. The answer is entered into the table, so that it will not be: `latest` may be
//!    smaller at the next look.
//! 3. *A restart forgets, and says so.* An id that was carried out before the restart r was issued
//!    before it: `issued.earliest <= t(r) <= latest(r)`. So an id with `issued.earliest >
//!    latest(r)` was not; any other one is answered with *forgotten*, whatever else is to be said
//!    of it: an earlier life may have had other settings.
//!
//! 2 and 3 rest on the server's clock, and over a restart on the client's as well: an id that says
//! that it was made later than it was may be carried out by two lives.
//!
//! # What it does not do
//!
//! A table that is lost between the effect and its entry knows nothing of it. Keep the answers
//! where the effects are and in one transaction, or make the table anew at each start, as in 3.
//! Servers that stand in for each other share one table.
//!
//! # References
//!
//! Liskov, *Practical uses of synchronized clocks in distributed systems* (1991), section 3,
//! at-most-once messages; here with intervals instead of an assumed skew.

mod answers;
mod expiry;
mod outcome;

pub use answers::{Answers, Begun, Reply};
pub use expiry::{Expiry, ExpiryState, RequestError, RequestId};
pub use outcome::{NotDone, Outcome, Unknown};

use crate::clock::SureClock;
use crate::time::MonotonicTime;
use std::time::Duration;

/// Asks with this id until the outcome is known, with a pause after each time that it is not. Gives
/// up when the id is certainly past its end for `patience`: the time for which the server
/// [keeps](Answers::new) its answers, say. Blocks; a [`Retry`] does the same for a loop of your
/// own.
///
/// `ask` is called at least once. It sends the id with the request, and gives what came back: no
/// answer is [`Outcome::unknown`], and so is every error after the first byte may have left, **in
/// this try or in one before**: a connection that is refused at the second try says nothing of the
/// first one. [`Outcome::Failed`] is what the server said of this id.
///
/// ```
/// # let (clock, _) = sureclock::SureClock::manual("2026-11-23T11:03:00Z ± 1 ms".parse()?);
/// use std::time::Duration;
/// use sureclock::request::{NotDone, Outcome, RequestId, ask_until_known};
///
/// let id = RequestId::new(&clock.now()?, Duration::from_secs(5))?;
/// let mut answers = [Outcome::unknown(), Outcome::Succeeded("done")].into_iter();
/// let outcome: Outcome<&str, NotDone> =
///     ask_until_known(&clock, &id, Duration::from_millis(1), Duration::ZERO, |_id| {
///         answers.next().unwrap()
///     });
/// assert_eq!(outcome, Outcome::Succeeded("done"));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn ask_until_known<T, E>(
    clock: &SureClock,
    id: &RequestId,
    pause: Duration,
    patience: Duration,
    mut ask: impl FnMut(&RequestId) -> Outcome<T, E>,
) -> Outcome<T, E> {
    let retry = Retry::new(clock, id, patience);
    loop {
        if let Some(outcome) = retry.judge(ask(id)) {
            return outcome;
        }
        std::thread::sleep(pause);
    }
}

/// Whether to ask once more with an id: for loops of your own, on any runtime.
///
/// ```
/// # let (clock, _) = sureclock::SureClock::manual("2026-11-23T11:03:00Z ± 1 ms".parse()?);
/// use std::time::Duration;
/// use sureclock::request::{NotDone, Outcome, RequestId, Retry};
///
/// # async fn send(_: &RequestId) -> Outcome<u32, NotDone> { Outcome::Succeeded(1) }
/// # async fn sleep(_: Duration) {}
/// # async fn pay(clock: sureclock::SureClock, id: RequestId) -> Outcome<u32, NotDone> {
/// let retry = Retry::new(&clock, &id, Duration::from_secs(60));
/// loop {
///     if let Some(outcome) = retry.judge(send(&id).await) {
///         return outcome;
///     }
///     sleep(Duration::from_millis(50)).await;
/// }
/// # }
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
pub struct Retry {
    clock: SureClock,
    id: RequestId,
    patience: Duration,
    began: MonotonicTime,
}

impl Retry {
    /// Of an id that is about to be sent for the first time. Gives up when it is certainly past its
    /// end for `patience`; while the clock has no interval, or one of another timescale than the
    /// id's, when as much as the id lasts and `patience` together has passed by the counter, or the
    /// counter cannot tell. A `patience` that ends after 2262 has no end in true time.
    #[must_use]
    pub fn new(clock: &SureClock, id: &RequestId, patience: Duration) -> Retry {
        Retry { clock: clock.clone(), id: *id, patience, began: clock.monotonic() }
    }

    /// What to make of an outcome: `None` is *ask again*. What is given up is [`Unknown::Settled`]
    /// if it can certainly not be begun any more.
    #[must_use = "`None` is the wish for another try"]
    pub fn judge<T, E>(&self, outcome: Outcome<T, E>) -> Option<Outcome<T, E>> {
        if !matches!(outcome, Outcome::Unknown(_)) {
            return Some(outcome);
        }
        let timescale = self.id.expiry().interval().timescale();
        let now = self.clock.now().ok().filter(|now| now.timescale() == timescale);
        let has_ended_for = |by| {
            now.is_some_and(|now| {
                self.id.expiry().later_by(by).is_some_and(|end| end.is_past(&now))
            })
        };
        let longest = self.id.lasts().saturating_add(self.patience);
        let gives_up = has_ended_for(self.patience)
            || now.is_none() && has_passed(&self.clock, self.began, longest);
        let unknown =
            if has_ended_for(Duration::ZERO) { Unknown::Settled } else { Unknown::Unsettled };
        gives_up.then_some(Outcome::Unknown(unknown))
    }
}

/// Whether so much has passed since, by the counter; true where the counter cannot tell any more.
fn has_passed(clock: &SureClock, since: MonotonicTime, longest: Duration) -> bool {
    clock.elapsed(since, clock.monotonic()).is_none_or(|elapsed| elapsed.at_least > longest)
}

#[cfg(all(test, not(sureclock_loom)))]
mod tests;
