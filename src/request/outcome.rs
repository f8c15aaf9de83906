//! The outcome of a request: succeeded, failed, or unknown. No fourth one, and none of them by
//! default.

/// What is known of a request.
///
/// There is no `is_ok` and no conversion from a `Result`: an error says that something went wrong
/// on the way, and whether the request was carried out is another question. [`Outcome::known`]
/// makes a `Result` of it for those who have looked.
///
/// ```compile_fail,E0308
/// fn reply() -> sureclock::request::Outcome<u32, String> {
///     sureclock::request::Outcome::unknown()
/// }
/// let answer: Result<u32, String> = reply(); // silence is neither
/// ```
///
/// ```
/// use sureclock::request::{Outcome, Unknown};
///
/// fn reply() -> Outcome<u32, String> { Outcome::unknown() }
/// let answer: Result<Result<u32, String>, Unknown> = reply().known();
/// assert!(answer.is_err());
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[must_use = "an outcome that nobody looks at is silence"]
pub enum Outcome<T, E> {
    /// It was carried out.
    Succeeded(T),
    /// It was not carried out, and will not be.
    Failed(E),
    /// Nobody here knows. Ask again with the same id ([`ask_until_known`](super::ask_until_known));
    /// never with another one.
    Unknown(Unknown),
}

/// How much is unknown.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
#[non_exhaustive]
pub enum Unknown {
    /// It may have been carried out, or be carried out at any time from now on.
    #[error("whether it was carried out is unknown, and it may still be")]
    Unsettled,
    /// It was carried out, or begun, or never will be: its end has passed. It is begun when a
    /// server reads its clock for it; who looks at its effects sees all of it once what was begun
    /// is over, however long that pauses.
    #[error("whether it was carried out is unknown; it cannot be begun any more")]
    Settled,
}

/// A request was not carried out, and never will be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub enum NotDone {
    /// It came when its end may have passed already.
    #[error("it came too late, and was not carried out")]
    TooLate,
    /// The server does not remember ids for so long: ask with one that ends earlier.
    #[error("its end is further away than this server remembers")]
    LastsTooLong,
    /// Its times are counted on another timescale than the server's.
    #[error("its times are of another timescale")]
    Timescale,
}

impl<T, E> Outcome<T, E> {
    /// No answer, while the request may still be on its way.
    pub const fn unknown() -> Outcome<T, E> {
        Outcome::Unknown(Unknown::Unsettled)
    }

    /// What is known, as a `Result`, or that nothing is.
    ///
    /// # Errors
    ///
    /// [`Unknown`].
    pub fn known(self) -> Result<Result<T, E>, Unknown> {
        match self {
            Outcome::Succeeded(value) => Ok(Ok(value)),
            Outcome::Failed(error) => Ok(Err(error)),
            Outcome::Unknown(unknown) => Err(unknown),
        }
    }

    /// The same with another value of success.
    pub fn map<U>(self, map: impl FnOnce(T) -> U) -> Outcome<U, E> {
        match self {
            Outcome::Succeeded(value) => Outcome::Succeeded(map(value)),
            Outcome::Failed(error) => Outcome::Failed(error),
            Outcome::Unknown(unknown) => Outcome::Unknown(unknown),
        }
    }
}
