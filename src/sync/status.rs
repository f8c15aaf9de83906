//! What the outside may see of a clock: a plain struct, enough for any metrics crate.

use crate::bound::DisruptionReason;
use crate::counter::VmClockStatus;
use crate::os_error::OsError;
use crate::source::SourceError;
use crate::source::ntp::Rejected;
use crate::time::{TimeInterval, Timestamp};
use std::net::SocketAddr;
use std::time::Duration;

/// The state of a clock at one moment. Numbers are for showing: decide by
/// [`now`](crate::SureClock::now) and its errors.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Status {
    /// What the clock can say now.
    pub state: State,
    /// Counts the epochs begun by [`start_new_epoch`](crate::SureClock::start_new_epoch).
    pub epoch: u32,
    /// The published interval now, whatever its age and width; `None` without one.
    pub interval: Option<TimeInterval>,
    /// How long ago f+1 failure domains had been heard; rounded down.
    pub agreement_age: Option<Duration>,
    /// N: the failure domains configured.
    pub domains: usize,
    /// How many of them are distinct: those whose sources share an address count once. Below f+1
    /// there is no agreement, below 2f+1 a degraded one.
    pub distinct_domains: usize,
    /// f: how many of them may be wrong.
    pub max_faulty: usize,
    /// The counter in use, why it and not another, and what that means; whether it is known to be a
    /// virtual machine's.
    pub counter: String,
    /// k: by how much the local rate may be off in all (oscillator, calibration, smear), in parts
    /// per billion.
    pub rate_bound_ppb: u64,
    /// What is certified of the rate beyond that, where it is learned ([`Drift`](crate::Drift)) and
    /// enough is known.
    pub learned_rate: Option<LearnedRate>,
    /// The midnight (UTC) of the leap second that the clock expects. The end of June or of December
    /// needs one source, any other day more than f domains, or
    /// [`Builder::leap_second`](crate::Builder::leap_second). `None` if none is expected, while the
    /// clock is starting or disrupted, and from some seconds after the midnight on. Around it the
    /// interval is wider: by a second for an insertion or a deletion, by two where both are
    /// announced.
    pub leap_second: Option<Timestamp>,
    /// Whether a VM clock device tells of moves, restores and copies of this virtual machine.
    pub vm_clock: VmClockStatus,
    /// The margin of the counter: granularity and skew between cores; charged on each side at each
    /// use.
    pub counter_margin: Duration,
    /// What has happened so far.
    pub counts: Counts,
    /// A row a source.
    pub sources: Vec<SourceStatus>,
}

/// A learned rate in force: true time passes by between `least_ppb` and `most_ppb` faster than
/// local time, for a while.
///
/// It rests on assumption (W): at every moment since `since` and until `until` the rate is within
/// the configured wander of the mean that was certified. A machine that is migrated to another
/// host, or restored there, without a marker breaks it, and the next exchanges tell: until then a
/// bound may be wrong by the difference of the two hosts' rates times the time since. A pause of
/// the machine that nobody noticed is taken for a rate, too, for as long as it is in the base: the
/// interval may then be off on either side. Where either happens,
/// [`Drift::fixed_ppm`](crate::Drift::fixed_ppm) assumes less.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct LearnedRate {
    /// In parts per billion of local time; rounded down.
    pub least_ppb: i64,
    /// In parts per billion of local time; rounded up.
    pub most_ppb: i64,
    /// The wander that is assumed, in parts per billion: what a smear adds is in it.
    pub wander_ppb: u32,
    /// How long ago the span of the mean began.
    pub since: Duration,
    /// For so long it holds from now on, if nothing more is learned; after that the rate bound
    /// alone.
    pub until: Duration,
}

/// What a clock can say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum State {
    /// No agreement since the start.
    Starting,
    /// More than 2f domains have a bound: f liars cannot move an end of the interval further out
    /// than that of some honest server.
    Synchronized,
    /// Between f+1 and 2f domains have a bound: the interval is certain, but a liar can widen it at
    /// will.
    Degraded,
    /// Fewer than f+1 domains have answered within three poll intervals and the timeout. The last
    /// interval ages: it is still certain, and grows.
    Holdover,
    /// An assumption was seen to be broken; there is no answer until later facts alone agree.
    Disrupted {
        /// What was seen.
        reason: DisruptionReason,
        /// The last agreement is this far below the floor of the recovery: what readers may have
        /// been given, and the least `latest` of the agreements since. It rises by itself. Beyond
        /// [`max_recovery`](crate::Builder::max_recovery) the caller may decide not to wait for it:
        /// [`start_new_epoch`](crate::SureClock::start_new_epoch).
        behind_by: Option<Duration>,
        /// The last agreement is this far ahead of what had been published, more than
        /// [`max_forward_jump`](crate::Builder::max_forward_jump): only the caller can decide to
        /// believe it.
        ahead_by: Option<Duration>,
        /// Waiting will not help soon: `behind_by` is beyond
        /// [`max_recovery`](crate::Builder::max_recovery) while more than 2f domains answer, or
        /// `ahead_by` is set.
        needs_new_epoch: bool,
    },
    /// There will be no answer any more: the sync thread panicked, the
    /// [`OwnLoop`](crate::OwnLoop) was dropped, or this is the child of a fork.
    Dead,
}

/// Counts since the start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Counts {
    /// Exchanges begun.
    pub asked: u64,
    /// Exchanges that gave facts.
    pub answered: u64,
    /// Exchanges that gave none.
    pub failed: u64,
    /// Agreements published.
    pub published: u64,
    /// Disruptions.
    pub disruptions: u64,
    /// How often a learned rate was contradicted and given up, while the rate bound was not; each
    /// is a disruption, too.
    pub rates_given_up: u64,
}

/// One source.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct SourceStatus {
    /// The name under which it was configured.
    pub name: String,
    /// Its failure domain.
    pub domain: String,
    /// The address in use, where it has one.
    pub address: Option<SocketAddr>,
    /// How many addresses its name is known to have; 0 where it has none, or its addresses are
    /// chosen elsewhere.
    pub addresses: usize,
    /// How often it is asked while it answers; longer than the poll interval after it asked for
    /// that (RATE).
    pub asked_every: Duration,
    /// It has asked to be left alone (DENY, RSTR), and is for this much longer;
    /// [`problem`](SourceStatus::problem) says which. Rounded down.
    pub rests_for: Option<Duration>,
    /// How it stands to the agreement.
    pub verdict: Verdict,
    /// What its facts say of now, if it is right.
    pub interval: Option<TimeInterval>,
    /// The round trip of its last exchange by the local counter, with the server's own time in it;
    /// rounded down.
    pub delay: Option<Duration>,
    /// B: how wrong it says it may be, at its last exchange; rounded up.
    pub root_distance: Option<Duration>,
    /// Its stratum, where it has one.
    pub stratum: Option<u8>,
    /// How long ago its last answer came; rounded down.
    pub last_heard: Option<Duration>,
    /// What went wrong last, if anything has since the last answer.
    pub problem: Option<Problem>,
    /// What has happened with it.
    pub counts: Counts,
}

/// How a source stands to the agreement.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Verdict {
    /// It has no fact within the window.
    Silent,
    /// Its interval meets the agreement.
    Agrees,
    /// Its interval is apart from the agreement: a falseticker.
    Falseticker,
    /// Its own facts contradict each other: it, or what is assumed of the rate, is wrong, or the
    /// counter stood still.
    Contradictory,
    /// It has facts, and there is no agreement to compare them with.
    NoAgreement,
    /// It asked to be left alone (a kiss-o'-death), and is for a while:
    /// [`SourceStatus::rests_for`].
    Resting,
}

/// Why an exchange gave no facts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Problem {
    /// No answer in time.
    #[error("no answer in time")]
    Timeout,
    /// The name has no address now.
    #[error("the name could not be resolved{}", words_of_the_resolver(.0))]
    Unresolved(OsError),
    /// The system refused to send or to receive.
    #[error("the network refused: {0}")]
    Network(OsError),
    /// The answer was refused.
    #[error(transparent)]
    Rejected(#[from] Rejected),
    /// The source's own error.
    #[error(transparent)]
    Source(#[from] SourceError),
    /// The facts were read outside the exchange or on another counter.
    #[error("the facts were not read during the exchange, on this clock's counter")]
    OutOfPlace,
    /// The answer's bounds touch the two seconds around an announced leap second, or the first two
    /// of a month, when one may just have been, and the clock was not running before it: it cannot
    /// tell on which side they are.
    #[error("too close to a leap second, or to the end of a month, where one may have been")]
    LeapSecond,
    /// The system has no random numbers.
    #[error("the system has no random numbers")]
    NoNonce,
}

/// What the system says of a look-up, where it says anything: a resolver's own errors have no
/// number.
fn words_of_the_resolver(error: &OsError) -> String {
    if error.code().is_some() { format!(": {error}") } else { String::new() }
}
