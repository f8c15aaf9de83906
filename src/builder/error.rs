//! `BuildError`: why no clock was built.

use crate::commit::MarkFileError;
use crate::counter::VmClockError;
use crate::os_error::OsError;
use crate::time::Timescale;

/// Why no clock was built. Nothing has been started.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum BuildError {
    /// No source was named.
    #[error("no source was named")]
    NoSources,
    /// N failure domains cannot stand f wrong ones: N must be at least 2f+1.
    #[error("{}", too_few(*domains, *faulty))]
    TooFewDomains {
        /// N.
        domains: usize,
        /// f.
        faulty: usize,
    },
    /// So few domains that none may be wrong. Whoever wants that writes `.max_faulty(0)`.
    #[error("with {} none may be wrong: set max_faulty(0) to accept that, or name three", counted(*domains))]
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
    #[error(
        "{name} serves {serves}, the clock follows {clock}: the two must not meet in one clock (a clock whose timescale is \
         set to {serves} may follow it)"
    )]
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
    #[error("the VM clock {path:?}: {problem}")]
    VmClock {
        /// The device.
        path: String,
        /// What is wrong.
        problem: VmClockError,
    },
    /// A domain has no members.
    #[error("no source is in the domain {domain:?}")]
    EmptyDomain {
        /// Its name.
        domain: String,
    },
    /// Two calls of [`Builder::domain`](crate::Builder::domain) give one name: whether they mean
    /// one domain or two is unclear.
    #[error("the domain {domain:?} is given twice: name all of its members in one place")]
    DomainGivenTwice {
        /// Its name.
        domain: String,
    },
    /// One host is in two failure domains, which are then wrong together.
    #[error("{host} is in two failure domains, {:?} and {:?}: a host that is wrong is wrong in both", .domains[0], .domains[1])]
    HostInTwoDomains {
        /// The host, as it was given.
        host: String,
        /// The names of the domains.
        domains: [String; 2],
    },
    /// The system refused a thread or a socket.
    #[error("the system refused a thread or a socket: {0}")]
    System(OsError),
    /// The file of [`Builder::mark_file`](crate::Builder::mark_file) is not as it should be.
    #[error("the high-water mark in {path:?}: {problem}")]
    MarkFile {
        /// Where it is.
        path: String,
        /// What is wrong.
        problem: MarkFileError,
    },
    /// [`Builder::own_loop`](crate::Builder::own_loop) leaves the asking to you; sources with an
    /// `exchange` of their own need [`Builder::start`](crate::Builder::start).
    #[error("the source {name:?} needs a thread: use start(), or ask it in your own loop")]
    NeedsThread {
        /// The source.
        name: String,
    },
}

fn too_few(domains: usize, faulty: usize) -> String {
    // Wider than any count, so that twice as many is a number.
    let needed = (faulty as u128) * 2 + 1;
    let wrong =
        if faulty == 1 { "one wrong domain".to_owned() } else { format!("{faulty} wrong domains") };
    let in_them = counted(domains);
    format!(
        "all sources together are {in_them}, and to tolerate {wrong} takes {needed}: sources of one name, one \
         address or one domain fail together and count once"
    )
}

fn counted(domains: usize) -> String {
    if domains == 1 { "1 failure domain".to_owned() } else { format!("{domains} failure domains") }
}

#[cfg(all(test, not(sureclock_loom)))]
mod tests {
    use super::*;

    #[test]
    fn one_host_given_thrice_is_said_to_count_once() {
        let text = BuildError::TooFewDomains { domains: 1, faulty: 1 }.to_string();
        assert!(text.starts_with(
            "all sources together are 1 failure domain, and to tolerate one wrong domain takes 3:"
        ));
        assert!(text.contains("count once"), "{text}");
        let text = BuildError::TooFewDomains { domains: 4, faulty: 2 }.to_string();
        assert!(
            text.contains("4 failure domains") && text.contains("2 wrong domains takes 5"),
            "{text}"
        );
    }

    #[test]
    fn the_most_faulty_is_a_number_that_can_be_printed() {
        let text = BuildError::TooFewDomains { domains: 3, faulty: usize::MAX }.to_string();
        assert!(text.contains(&(usize::MAX as u128 * 2 + 1).to_string()), "{text}");
    }

    #[test]
    fn control_bytes_of_a_path_are_not_printed_raw() {
        let path = "/tmp/\u{1b}[2J".to_owned();
        let mark = BuildError::MarkFile { path: path.clone(), problem: MarkFileError::Damaged };
        let device = BuildError::VmClock { path, problem: VmClockError::NoVmClock };
        for text in [mark.to_string(), device.to_string()] {
            assert!(!text.contains('\u{1b}') && text.contains("[2J"), "{text}");
        }
    }
}
