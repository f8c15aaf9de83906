//! `BuildError`: why no clock was built.

use crate::commit::MarkFileError;
use crate::counter::VmClockError;
use crate::time::Timescale;

/// Why no clock was built. Nothing has been started.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum BuildError {
    /// No source was named.
    #[error("no source was named")]
    NoSources,
    /// N failure domains cannot stand f wrong ones: N must be at least 2f+1.
    #[error("{faulty} wrong failure domains need {} of them, not {domains}", 2 * .faulty + 1)]
    TooFewDomains {
        /// N.
        domains: usize,
        /// f.
        faulty: usize,
    },
    /// So few domains that none may be wrong. Whoever wants that writes `.max_faulty(0)`.
    #[error("with {domains} failure domain(s) none may be wrong: write max_faulty(0) to accept that, or name three")]
    NoFaultTolerance {
        /// N.
        domains: usize,
    },
    /// Not a `host` or `host:port`.
    #[error("{name:?} is no host or host:port")]
    BadServerName {
        /// What was given.
        name: String,
    },
    /// The host is known to serve another timescale than the clock's.
    #[error("{name} serves {serves}, the clock follows {clock}: the two must not meet in one clock")]
    MixedTimescales {
        /// The host.
        name: String,
        /// What it serves.
        serves: Timescale,
        /// What the clock follows.
        clock: Timescale,
    },
    /// A setting is zero or absurd.
    #[error("{setting} must be {range}")]
    SettingOutOfRange {
        /// Its name.
        setting: &'static str,
        /// What it may be.
        range: &'static str,
    },
    /// This machine has no such counter, or one that cannot be trusted.
    #[error("no such counter: {why}")]
    CounterUnavailable {
        /// What is missing.
        why: &'static str,
    },
    /// The device of [`Builder::vm_clock`](crate::Builder::vm_clock) cannot be read.
    #[error("the VM clock {path}: {problem}")]
    VmClock {
        /// The device.
        path: String,
        /// What is wrong.
        problem: VmClockError,
    },
    /// `domain` was called before any source, or a domain was trusted that no source is in.
    #[error("no source is in the domain {domain:?}")]
    EmptyDomain {
        /// Its name.
        domain: String,
    },
    /// The system refused a thread or a socket.
    #[error("the system refused a thread or a socket: {0}")]
    System(std::io::ErrorKind),
    /// The file of [`Builder::mark_file`](crate::Builder::mark_file) is not as it should be.
    #[error("the high-water mark in {path}: {problem}")]
    MarkFile {
        /// Where it is.
        path: String,
        /// What is wrong.
        problem: MarkFileError,
    },
    /// [`Builder::own_loop`](crate::Builder::own_loop) leaves the asking to you; sources with an `exchange` of their own need
    /// [`Builder::start`](crate::Builder::start).
    #[error("the source {name:?} needs a thread: use start(), or ask it in your own loop")]
    NeedsThread {
        /// The source.
        name: String,
    },
}
