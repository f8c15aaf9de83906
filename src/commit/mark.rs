//! The high-water mark in a file: what was given out before a restart is not given out, or fallen
//! below, after it.
//!
//! The file holds a *reservation*. Why it holds at whatever instruction the process is killed:
//!
//! 1. A timestamp leaves the clock only after a reservation at or above it was seen in `reserved`.
//! 2. `reserved` is raised only when the file with that reservation is on the disk: written beside,
//!    synced, renamed, directory synced.
//! 3. A rename is old or new, never half; both are at or above all that has left, by 1 and 2.
//! 4. At the start the mark is raised to what the file says, before anything is given out. It may
//!    have been read from the system's cache, so it covers nothing: the first timestamp writes the
//!    file anew, with no less than was found.
//!
//! It reserves ahead of `latest`, so that a sync is paid for once in that span of time and not by
//! every commit; and by less where a timestamp is beyond that already, as after a restart: or a
//! process that is restarted again and again would run ahead of time.
//!
//! # One clock at a time
//!
//! A clock holds the lock beside the mark, and a lock on the mark itself. Why two clocks never give
//! out timestamps of one mark, even if somebody removes the lock's file under a running clock A:
//!
//! 1. A second clock B is refused while A's lock is the file at the lock's name, or A's mark the
//!    file at the mark's.
//! 2. If both were removed, B reads the mark after it has made a lock of its own.
//! 3. A looks at the lock's name again after each rename, and before it raises `reserved`: if it is
//!    not A's, nothing more leaves A than was covered before.
//! 4. If it is A's, B's lock was made after the rename, by 2 B has read what A wrote, and begins
//!    above it.

mod files;
mod reset;
mod text;

pub use reset::{HighWaterMark, MarkReset};

use crate::os_error::OsError;
use crate::publish::{Reserved, Turn};
use crate::time::{Timescale, Timestamp};
use files::Lock;
use parking_lot::Mutex;
use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// The file, open and locked, and what it says.
#[derive(Debug)]
pub(crate) struct MarkFile {
    path: PathBuf,
    timescale: Timescale,
    writing: Mutex<Writing>,
    /// Held while the clock lives: two clocks that give out timestamps above one mark would not
    /// know of each other.
    lock: Lock,
}

#[derive(Debug)]
struct Writing {
    /// Whose epoch's turn it is. What the file was found to say is not on the disk yet, perhaps, if
    /// the process before was killed in the middle of writing it, so nothing is covered by it.
    turn: Turn,
    /// The mark as it is now, locked; not on Windows.
    _mark: Option<File>,
}

/// What is wrong with the file of a high-water mark. Never ignored: what was given out before would
/// be forgotten.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum MarkFileError {
    /// It is not such a file, or not as it was written. `sureclock mark reset` writes a new one.
    #[error(
        "it is no high-water mark, or damaged: reset it to the highest timestamp in your log or the latest possible time now, whichever is later"
    )]
    Damaged,
    /// It is a mark of another timescale.
    #[error("it is a mark of the timescale {found}, and the clock is of {wanted}")]
    OtherTimescale {
        /// The file's.
        found: Timescale,
        /// The clock's.
        wanted: Timescale,
    },
    /// Another clock, in this process or another one, holds it.
    #[error("another clock uses it")]
    InUse,
    /// The mark or its lock is not a regular file of this process's user with one name.
    #[error("{part} {why}")]
    NotPlain {
        /// Which of the files.
        part: MarkPart,
        /// What it is instead.
        why: NotPlain,
    },
    /// The lock's file was removed or replaced while the clock ran: another clock may use the mark.
    #[error("its lock was removed or replaced, so another clock may use it")]
    LockLost,
    /// The system refused to read, write or sync it.
    #[error("{0}")]
    System(OsError),
}

/// One of the files of a high-water mark.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum MarkPart {
    /// The mark itself.
    Mark,
    /// The lock beside it, named like it with `.lock` added.
    Lock,
}

/// Why a file is not trusted to be a mark or its lock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum NotPlain {
    /// A symbolic link: give the path that it leads to.
    SymbolicLink,
    /// A directory, a pipe, a socket or a device.
    NotRegular,
    /// It has a second name (a hard link), by which a second clock could use it.
    SeveralNames,
    /// Another user's: that user could change it, or hold the lock.
    OtherOwner,
}

impl NotPlain {
    fn of(self, part: MarkPart) -> MarkFileError {
        MarkFileError::NotPlain { part, why: self }
    }
}

impl std::fmt::Display for MarkPart {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            MarkPart::Mark => "the file",
            MarkPart::Lock => "its lock",
        })
    }
}

impl std::fmt::Display for NotPlain {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            NotPlain::SymbolicLink => "is a symbolic link: give the path that it leads to",
            NotPlain::NotRegular => "is not a regular file",
            NotPlain::SeveralNames => {
                "has a second name (a hard link), by which a second clock could use it"
            }
            NotPlain::OtherOwner => "belongs to another user",
        })
    }
}

impl From<io::Error> for MarkFileError {
    fn from(error: io::Error) -> MarkFileError {
        MarkFileError::System(error.into())
    }
}

/// Whether a timestamp may leave.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Covered {
    Yes,
    /// A later epoch has begun, and the file is not of this one any more.
    EpochOver,
}

impl MarkFile {
    /// Opens the mark at `path` and locks it. Gives what was reserved before, if there is a file.
    pub(crate) fn open(
        path: &Path,
        timescale: Timescale,
    ) -> Result<(MarkFile, Option<i64>), MarkFileError> {
        let path = files::resolve(path)?;
        let lock = Lock::take(&path)?;
        let mark = files::open(&path)?;
        let before = match &mark {
            Some(mark) => {
                files::lock_mark(&path, mark)?;
                Some(text::read_in(&files::read(mark)?, timescale)?)
            }
            None => None,
        };
        let writing =
            Mutex::new(Writing { turn: Turn::first(before), _mark: mark.and_then(files::hold) });
        Ok((MarkFile { path, timescale, writing, lock }, before))
    }

    /// Returns when a reservation of this epoch at or above `ns` is on the disk, where true time is
    /// `latest` at most.
    ///
    /// # Errors
    ///
    /// None is, perhaps: the timestamp must not leave.
    #[inline]
    pub(crate) fn cover(
        &self,
        epoch: u32,
        reserved: &Reserved,
        ns: i64,
        latest: Timestamp,
    ) -> Result<Covered, MarkFileError> {
        if reserved.covers(ns) {
            Ok(Covered::Yes)
        } else {
            self.extend(epoch, reserved, ns, latest)
        }
    }

    #[cold]
    fn extend(
        &self,
        epoch: u32,
        reserved: &Reserved,
        ns: i64,
        latest: Timestamp,
    ) -> Result<Covered, MarkFileError> {
        let mut writing = self.writing.lock();
        if reserved.covers(ns) {
            return Ok(Covered::Yes);
        }
        let ahead = |t: Timestamp, by: Duration| t.checked_add(by).unwrap_or(Timestamp::MAX);
        let wanted = ahead(Timestamp::from_unix_nanos(ns), LEAST_AHEAD).max(ahead(latest, AHEAD));
        let Some(reserve) = writing.turn.take(epoch, wanted.as_unix_nanos()) else {
            return Ok(Covered::EpochOver);
        };
        self.lock.check()?;
        let bytes = text::write(Timestamp::from_unix_nanos(reserve), self.timescale);
        writing._mark = files::replace(&self.path, bytes.as_bytes())?;
        // After the rename: see *One clock at a time*.
        self.lock.check()?;
        reserved.raise(reserve);
        Ok(Covered::Yes)
    }

    /// Returns when the disk holds enough for the next half of the span that is reserved ahead.
    ///
    /// # Errors
    ///
    /// What [`cover`](MarkFile::cover) says.
    pub(crate) fn keep_ahead(
        &self,
        epoch: u32,
        reserved: &Reserved,
        latest: Timestamp,
    ) -> Result<Covered, MarkFileError> {
        let ns = latest.checked_add(AHEAD / 2).unwrap_or(Timestamp::MAX).as_unix_nanos();
        self.cover(epoch, reserved, ns, latest)
    }
}

/// One sync for all commits of so long.
const AHEAD: Duration = Duration::from_millis(100);
/// One sync for a million commits at least, where timestamps rise by a nanosecond each.
const LEAST_AHEAD: Duration = Duration::from_millis(1);

#[cfg(all(test, not(sureclock_loom)))]
mod tests;
