//! The table of a server: what was asked with which id, and what the answer was, for as long as it
//! may be asked again.

use super::{ExpiryState, NotDone, Outcome, RequestId, Unknown};
use crate::causality::checksum;
use crate::time::{TimeInterval, Timescale, Timestamp};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// Carries each id out at most once, and remembers the answer until nobody can ask for it in time
/// any more. Pure: intervals of your clock go in.
///
/// ```
/// # let (clock, _) = sureclock::SureClock::manual("2026-11-23T11:03:00Z ± 1 ms".parse()?);
/// use std::time::Duration;
/// use sureclock::request::{Answers, Begun, Reply, RequestId};
///
/// let mut answers = Answers::new(&clock.now()?, Duration::from_secs(60), Duration::from_secs(60));
/// # let (clock, _) = sureclock::SureClock::manual("2026-11-23T11:03:01Z ± 1 ms".parse()?);
/// let id = RequestId::new(&clock.now()?, Duration::from_secs(5))?; // at the client
/// let mut balance = 100;
/// for _ in 0..2 {
///     // The second time is a retry: the answer to the first one was lost.
///     let reply = match answers.begin(&id, b"withdraw 10", &clock.now()?) {
///         Begun::New => {
///             balance -= 10;
///             answers.finish(&id, balance);
///             Reply::Done(balance)
///         }
///         Begun::Known(reply) => reply,
///     };
///     assert_eq!(reply, Reply::Done(90));
/// }
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
pub struct Answers<T> {
    /// Not a hash table: that of `std` panics where the system has no random numbers.
    entries: BTreeMap<u128, Entry<T>>,
    /// Where the keeping of each entry ends.
    ends: BTreeSet<(Timestamp, u128)>,
    timescale: Timescale,
    /// Ids that were certainly made after this were not carried out in an earlier life.
    since: Timestamp,
    /// What was kept until before this may have been dropped.
    forgotten: Timestamp,
    keep: Duration,
    longest: Duration,
    most: usize,
}

/// How many ids a table remembers at most, if nothing else is said: a million, some 200 MB with
/// small answers. A smaller limit refuses more of a flood, a larger one lets it fill more memory.
const MOST_IDS: usize = 1_000_000;

#[derive(Clone, Debug)]
struct Entry<T> {
    id: RequestId,
    content: u128,
    progress: Progress<T>,
}

#[derive(Clone, Debug)]
enum Progress<T> {
    Begun,
    Done(T),
    Refused(NotDone),
}

impl<T: Clone> Entry<T> {
    fn reply(&self, id: &RequestId, content: u128) -> Reply<T> {
        if self.id != *id || self.content != content {
            return Reply::OtherRequest;
        }
        match &self.progress {
            Progress::Begun => Reply::InProgress,
            Progress::Done(answer) => Reply::Done(answer.clone()),
            Progress::Refused(reason) => Reply::NotDone(*reason),
        }
    }
}

/// What is to be done with a request.
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use]
pub enum Begun<T> {
    /// Carry it out now, then [`finish`](Answers::finish). Until then it is in progress, also if
    /// that never comes.
    New,
    /// Do nothing; this is the reply.
    Known(Reply<T>),
}

/// What a server says, as it travels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub enum Reply<T> {
    /// It was carried out, and this is the answer; now or the first time that it was asked.
    Done(T),
    /// It was not, and never will be.
    NotDone(NotDone),
    /// It was begun.
    InProgress,
    /// It may have been carried out: so long ago that the answer is dropped, or before a restart.
    Forgotten,
    /// Another request has this id. Whether this one was carried out is not said.
    OtherRequest,
    /// The table is full of other requests: it was not begun, and may be if it is asked again
    /// later.
    Full,
    /// It was made after it was received, by the clocks of the two: one of them is wrong. It was
    /// not begun in this life of the server, and may be when the time has come.
    AheadOfTime,
}

impl<T> From<Reply<T>> for Outcome<T, NotDone> {
    fn from(reply: Reply<T>) -> Outcome<T, NotDone> {
        match reply {
            Reply::Done(answer) => Outcome::Succeeded(answer),
            Reply::NotDone(reason) => Outcome::Failed(reason),
            _ => Outcome::Unknown(Unknown::Unsettled),
        }
    }
}

impl<T> Answers<T> {
    /// An empty table. `now` is read when this life of the server begins: requests that may have
    /// been made before it may have been carried out by an earlier one. Answers are kept for `keep`
    /// after the end of their ids. Ids that last longer than `longest` are refused, so that the
    /// table is not larger than what is asked within `longest + keep`.
    #[must_use]
    pub fn new(now: &TimeInterval, keep: Duration, longest: Duration) -> Answers<T> {
        Answers { since: now.latest(), ..Answers::first_ever(now.timescale(), keep, longest) }
    }

    /// The same for a server whose earlier lives, if there were any, carried nothing out and
    /// answered nothing: what one of them said would never be done, may be done by this one.
    #[must_use]
    pub fn first_ever(timescale: Timescale, keep: Duration, longest: Duration) -> Answers<T> {
        let (entries, ends) = (BTreeMap::new(), BTreeSet::new());
        Answers {
            entries,
            ends,
            timescale,
            since: Timestamp::MIN,
            forgotten: Timestamp::MIN,
            keep,
            longest,
            most: MOST_IDS,
        }
    }

    /// The table with another limit on how many ids it remembers at once; a million otherwise.
    /// Beyond it, new requests get [`Reply::Full`], until others are forgotten.
    #[must_use]
    pub fn at_most(mut self, ids: usize) -> Answers<T> {
        self.most = ids;
        self
    }

    /// What is to be done with a request of this content. `now` is read after it has arrived.
    ///
    /// Against accidents, not forgers: an id is known by its bits, and a content by a checksum that
    /// a forger can meet. Check first who asks; what a stranger asks with a client's id is answered
    /// as if the client had.
    ///
    /// The answer holds for an effect that is made before the next look at the table, or in one
    /// transaction with it.
    pub fn begin(&mut self, id: &RequestId, content: &[u8], now: &TimeInterval) -> Begun<T>
    where
        T: Clone,
    {
        self.forget(now);
        let content = checksum(content);
        if let Some(entry) = self.entries.get(&id.token()) {
            return Begun::Known(entry.reply(id, content));
        }
        let is_of_this_timescale =
            [id.issued().timescale(), id.expiry().interval().timescale()] == [self.timescale; 2];
        // Before all else: what an earlier life did with it, by other settings perhaps, is not
        // known.
        if self.may_be_of_an_earlier_life(id, is_of_this_timescale) {
            return Begun::Known(Reply::Forgotten);
        }
        if !is_of_this_timescale {
            return Begun::Known(Reply::NotDone(NotDone::Timescale));
        }
        let Ok(state) = id.expiry().state(now) else { return Begun::Known(Reply::Forgotten) };
        if id.issued().earliest() > now.latest() {
            return Begun::Known(Reply::AheadOfTime);
        }
        if id.lasts() > self.longest {
            return Begun::Known(Reply::NotDone(NotDone::LastsTooLong));
        }
        let kept_until = self.kept_until(id);
        if kept_until < self.forgotten {
            return Begun::Known(Reply::Forgotten);
        }
        if self.entries.len() >= self.most {
            return Begun::Known(Reply::Full);
        }
        let (progress, begun) = match state {
            ExpiryState::Ahead { .. } => (Progress::Begun, Begun::New),
            // Entered too: at the next look `latest` may be below the end again.
            _ => (
                Progress::Refused(NotDone::TooLate),
                Begun::Known(Reply::NotDone(NotDone::TooLate)),
            ),
        };
        self.ends.insert((kept_until, id.token()));
        self.entries.insert(id.token(), Entry { id: *id, content, progress });
        begun
    }

    /// Enters the answer to a request that was [begun](Begun::New). False, and nothing done, if
    /// that is not so, or was so long ago that it is forgotten.
    pub fn finish(&mut self, id: &RequestId, answer: T) -> bool {
        let entry = self.entries.get_mut(&id.token());
        match entry.filter(|entry| entry.id == *id && matches!(entry.progress, Progress::Begun)) {
            Some(entry) => entry.progress = Progress::Done(answer),
            None => return false,
        }
        true
    }

    /// Whether it may have been made before this life began.
    fn may_be_of_an_earlier_life(&self, id: &RequestId, is_of_this_timescale: bool) -> bool {
        // No two timescales are as much as a day apart.
        let apart = if is_of_this_timescale { Duration::ZERO } else { A_DAY };
        self.since.checked_add(apart).is_none_or(|since| id.issued().earliest() <= since)
    }

    /// The end of the keeping; the last timestamp, which is never past, if that is beyond it.
    fn kept_until(&self, id: &RequestId) -> Timestamp {
        id.expiry().interval().latest().checked_add(self.keep).unwrap_or(Timestamp::MAX)
    }

    /// Drops what nobody can ask for in time any more. [`begin`](Answers::begin) does it each time;
    /// call it every while where nobody may ask for long, and the memory is wanted back. Of another
    /// timescale than the table's, `now` drops nothing.
    pub fn forget(&mut self, now: &TimeInterval) {
        if now.timescale() != self.timescale {
            return;
        }
        while let Some((_, token)) =
            self.ends.first().copied().filter(|(end, _)| *end < now.earliest())
        {
            self.ends.pop_first();
            self.entries.remove(&token);
            self.forgotten = self.forgotten.max(now.earliest());
        }
    }

    /// How many ids it remembers.
    #[must_use]
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether it remembers none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }
}

const A_DAY: Duration = Duration::from_secs(86_400);
