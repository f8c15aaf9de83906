//! An error of the operating system, in the system's own words.

use std::fmt;
use std::io;

/// What the operating system refused, as it says itself. Small and `Copy`, unlike
/// [`std::io::Error`], from which it is made.
///
/// ```
/// use sureclock::OsError;
///
/// let error = OsError::from(std::fs::read("/no/such/file").unwrap_err());
/// assert_eq!(error.kind(), std::io::ErrorKind::NotFound);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct OsError {
    kind: io::ErrorKind,
    code: Option<i32>,
}

impl OsError {
    /// The kind of it.
    #[must_use]
    pub fn kind(self) -> io::ErrorKind {
        self.kind
    }

    /// The system's number for it (`errno` on Unix); `None` where it did not come from a system
    /// call.
    #[must_use]
    pub fn code(self) -> Option<i32> {
        self.code
    }
}

impl From<&io::Error> for OsError {
    fn from(error: &io::Error) -> OsError {
        OsError { kind: error.kind(), code: error.raw_os_error() }
    }
}

impl From<io::Error> for OsError {
    fn from(error: io::Error) -> OsError {
        OsError::from(&error)
    }
}

impl From<io::ErrorKind> for OsError {
    fn from(kind: io::ErrorKind) -> OsError {
        OsError { kind, code: None }
    }
}

impl fmt::Display for OsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.code {
            // The words of the kind alone are "uncategorized error" for much that has a name, as
            // for "too many open files".
            Some(code) => io::Error::from_raw_os_error(code).fmt(f),
            None => self.kind.fmt(f),
        }
    }
}

impl std::error::Error for OsError {}

#[cfg(all(test, not(sureclock_loom)))]
mod tests {
    use super::*;

    #[cfg(unix)]
    #[test]
    #[cfg_attr(miri, ignore = "of the system's words")]
    fn too_many_open_files_is_said_in_the_systems_words() {
        let error = OsError::from(io::Error::from_raw_os_error(libc::EMFILE));
        assert!(error.to_string().contains("open files"), "{error}");
        assert!(!error.to_string().contains("uncategorized"), "{error}");
        assert_eq!(error.code(), Some(libc::EMFILE));
        // The twin: what its kind alone would say.
        assert!(error.kind().to_string().contains("uncategorized"));
    }

    #[test]
    fn without_a_number_it_is_its_kind() {
        assert_eq!(OsError::from(io::ErrorKind::TimedOut).to_string(), "timed out");
    }
}
