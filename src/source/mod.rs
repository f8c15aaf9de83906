//! Where facts come from: floor 3. The library asks NTP servers itself; anything else fits
//! [`Source`].

pub mod ntp;
#[cfg(feature = "rsntp")]
mod rsntp;

#[cfg(feature = "rsntp")]
pub(crate) use self::rsntp::RsntpSource;

use crate::bound::{Facts, FactsError};
use crate::counter::Counter;
use crate::os_error::OsError;
use crate::time::MonotonicTime;
use std::time::Instant;

/// A way to obtain facts about true time: an NTS client, a PTP hardware clock, a daemon's shared
/// memory.
///
/// Each source gets a thread of its own, so `exchange` may block; it is called again and again at
/// the clock's poll interval. A source that does not return is abandoned, never joined, when the
/// clock is dropped.
///
/// # Examples
///
/// A source that asks someone who knows, here the OS clock, which a real source must not trust:
///
/// ```
/// use sureclock::{ExchangeContext, Facts, Source, SourceError, SureClock, Timestamp};
/// use std::time::{Duration, SystemTime};
///
/// struct OsClock;
///
/// impl Source for OsClock {
///     fn exchange(&mut self, context: &ExchangeContext) -> Result<Facts, SourceError> {
///         let before = context.reading();
///         let now = Timestamp::from_system_time(SystemTime::now())
///             .map_err(|_| SourceError::Unusable)?;
///         Ok(Facts::new(before, now, context.reading(), now)?)
///     }
/// }
///
/// let clock = SureClock::builder().source("os clock", OsClock).max_faulty(0).start()?;
/// clock.wait_synchronized(Duration::from_secs(5))?;
/// println!("{}", clock.now()?);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub trait Source: Send {
    /// Asks once, and returns what the answer proves.
    ///
    /// Take a reading before the request leaves and one after the reply came. Return by
    /// `context.deadline()`: a later answer is thrown away.
    ///
    /// # Errors
    ///
    /// What kept the source from answering; shown in the status.
    fn exchange(&mut self, context: &ExchangeContext) -> Result<Facts, SourceError>;
}

/// What a source may use while it asks: the clock's counter, and the time it has.
#[derive(Clone, Debug)]
pub struct ExchangeContext {
    counter: Counter,
    deadline: Instant,
}

impl ExchangeContext {
    #[cfg_attr(
        target_family = "wasm",
        allow(dead_code, reason = "without threads no source is asked")
    )]
    pub(crate) fn new(counter: Counter, deadline: Instant) -> ExchangeContext {
        ExchangeContext { counter, deadline }
    }

    /// A reading of the clock's counter, now.
    #[must_use]
    pub fn reading(&self) -> MonotonicTime {
        self.counter.read()
    }

    /// When the exchange must have ended.
    #[must_use]
    pub fn deadline(&self) -> Instant {
        self.deadline
    }
}

/// Why a source has no facts this time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SourceError {
    /// No answer in time.
    #[error("no answer in time")]
    Timeout,
    /// The system refused a socket, a file or a device.
    #[error("input or output failed: {0}")]
    Io(OsError),
    /// The source answered that it does not know the time.
    #[error("the source is not synchronized")]
    NotSynchronized,
    /// The source wants to be asked less often; it will be asked half as often from now on.
    #[error("the source wants to be asked less often")]
    TooOften,
    /// The source wants to be left alone; it will not be asked again.
    #[error("the source wants to be left alone")]
    Denied,
    /// The answer cannot be used.
    #[error("the answer cannot be used")]
    Unusable,
    /// The answer makes no facts.
    #[error(transparent)]
    Facts(#[from] FactsError),
}
