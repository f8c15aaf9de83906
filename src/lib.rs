//! sureclock
#[macro_use]
mod bound;
mod builder;
mod clock;
mod commit;
mod counter;
mod manual;
mod publish;
mod source;
mod sync;
mod time;

pub use bound::{AtError, DisruptionReason, Facts, FactsError, LeapAnnouncement, NowError};
pub use builder::{BuildError, Builder};
pub use clock::SureClock;
pub use commit::{CommitError, CommitWait, GuardedWait, Past, Unconfirmed, WaitError};
pub use counter::CounterChoice;
pub use manual::{ManualTime, SetTimeError};
pub use source::{ExchangeContext, Source, SourceError, ntp};
pub use sync::{Ask, AskId, Counts, Machine, Problem, SourceStatus, State, Status, Verdict};
pub use time::*;
