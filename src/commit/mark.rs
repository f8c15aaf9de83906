//! The high-water mark in a file: what was given out before a restart is not given out, or fallen below, after it.
//!
//! The file holds a *reservation*. Why it holds at whatever instruction the process is killed:
//!
//! 1. A timestamp leaves the clock only after a reservation at or above it was seen in `reserved`.
//! 2. `reserved` is raised only when the file with that reservation is on the disk: written beside, synced, renamed, directory synced.
//! 3. A rename is old or new, never half; both are at or above all that has left, by 1 and 2.
//! 4. At the start the mark is raised to what the file says, before anything is given out. It may have been read from the system's cache, so it
//!    covers nothing: the first timestamp writes the file anew, with no less than was found.
//!
//! It reserves ahead of `latest`, so that a sync is paid for once in that span of time and not by every commit; and by less where a
//! timestamp is beyond that already, as after a restart: or a process that is restarted again and again would run ahead of time.

use crate::publish::Reserved;
use crate::time::{Timescale, Timestamp};
use parking_lot::Mutex;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// The file, open and locked, and what it says.
#[derive(Debug)]
pub(crate) struct MarkFile {
    path: PathBuf,
    timescale: Timescale,
    reserved: Reserved,
    /// What the file was found to say: never less until a new epoch. Not on the disk yet, perhaps, if the process before was killed in the
    /// middle of writing it, so nothing is covered by it.
    writing: Mutex<Option<i64>>,
    /// Held while the clock lives: two clocks that give out timestamps above one mark would not know of each other.
    _lock: File,
}

/// What is wrong with the file of a high-water mark. Never passed over: what was given out before would be forgotten.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum MarkFileError {
    /// It is not such a file, or not as it was written.
    #[error("it is no high-water mark, or damaged: restore it, or delete it if no timestamp of before counts any more")]
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
    /// The system refused to read, write or sync it.
    #[error("{0}")]
    System(io::ErrorKind),
}

impl From<io::Error> for MarkFileError {
    fn from(error: io::Error) -> MarkFileError {
        MarkFileError::System(error.kind())
    }
}

impl MarkFile {
    /// Opens the mark at `path` and locks it. Gives what was reserved before, if there is a file.
    pub(crate) fn open(path: &Path, timescale: Timescale) -> Result<(MarkFile, Option<i64>), MarkFileError> {
        // The working directory may change.
        let path = std::path::absolute(path)?;
        let lock = lock(&beside(&path, ".lock"))?;
        let before = match fs::read(&path) {
            Ok(bytes) => Some(parse(&bytes, timescale)?),
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            Err(error) => return Err(error.into()),
        };
        let (reserved, writing) = (Reserved::new(), Mutex::new(before));
        let file = MarkFile { path, timescale, reserved, writing, _lock: lock };
        Ok((file, before))
    }

    /// Returns when a reservation at or above `ns` is on the disk, where true time is `latest` at most.
    ///
    /// # Errors
    ///
    /// None is, perhaps: the timestamp must not leave.
    #[inline]
    pub(crate) fn cover(&self, ns: i64, latest: Timestamp) -> Result<(), io::ErrorKind> {
        if self.reserved.covers(ns) { Ok(()) } else { self.extend(ns, latest).map_err(|error| error.kind()) }
    }

    #[cold]
    fn extend(&self, ns: i64, latest: Timestamp) -> io::Result<()> {
        let found = self.writing.lock();
        if self.reserved.covers(ns) {
            return Ok(());
        }
        let ahead = |t: Timestamp, by: Duration| t.checked_add(by).unwrap_or(Timestamp::MAX);
        let reserve = ahead(Timestamp::from_unix_nanos(ns), LEAST_AHEAD).max(ahead(latest, AHEAD));
        let reserve = reserve.max(found.map_or(Timestamp::MIN, Timestamp::from_unix_nanos));
        let new = beside(&self.path, ".new");
        let mut file = File::create(&new)?;
        file.write_all(text(reserve, self.timescale).as_bytes())?;
        file.sync_all()?;
        fs::rename(&new, &self.path)?;
        sync_directory(&self.path)?;
        self.reserved.raise(reserve.as_unix_nanos());
        Ok(())
    }

    /// A new epoch: what was reserved counts no more. The file says the old until the next timestamp.
    pub(crate) fn reset(&self) {
        let mut found = self.writing.lock();
        *found = None;
        self.reserved.reset();
    }
}

/// The name with something added, in the same directory: a rename stays within a file system.
fn beside(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    name.into()
}

fn text(reserved: Timestamp, timescale: Timescale) -> String {
    let body = format!("{FIRST_LINE}\ntimescale {timescale}\nreserved {}\n", reserved.as_unix_nanos());
    format!("{body}checksum {:016x}\n", fnv1a(body.as_bytes()))
}

fn parse(bytes: &[u8], wanted: Timescale) -> Result<i64, MarkFileError> {
    let parsed = || {
        let mut lines = std::str::from_utf8(bytes).ok()?.lines().skip(1);
        let found: Timescale = lines.next()?.strip_prefix("timescale ")?.parse().ok()?;
        let ns = lines.next()?.strip_prefix("reserved ")?.parse().ok()?;
        // As it would be written: the first line, the checksum, and nothing else.
        (text(Timestamp::from_unix_nanos(ns), found).as_bytes() == bytes).then_some((found, ns))
    };
    let (found, ns) = parsed().ok_or(MarkFileError::Damaged)?;
    if found == wanted { Ok(ns) } else { Err(MarkFileError::OtherTimescale { found, wanted }) }
}

/// Fowler, Noll and Vo's hash of 64 bits: any one changed byte changes it.
fn fnv1a(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3))
}

#[cfg(unix)]
fn lock(path: &Path) -> Result<File, MarkFileError> {
    let file = OpenOptions::new().create(true).truncate(false).write(true).open(path)?;
    // Ends with the process, however it ends, and with the children that it forked and that did not exec.
    match rustix::fs::flock(&file, rustix::fs::FlockOperation::NonBlockingLockExclusive) {
        Ok(()) => Ok(file),
        Err(rustix::io::Errno::WOULDBLOCK) => Err(MarkFileError::InUse),
        Err(error) => Err(MarkFileError::System(io::Error::from(error).kind())),
    }
}

#[cfg(windows)]
fn lock(path: &Path) -> Result<File, MarkFileError> {
    use std::os::windows::fs::OpenOptionsExt as _;
    const SHARING_VIOLATION: i32 = 32;
    OpenOptions::new().create(true).truncate(false).write(true).share_mode(0).open(path).map_err(|error| {
        if error.raw_os_error() == Some(SHARING_VIOLATION) { MarkFileError::InUse } else { error.into() }
    })
}

#[cfg(not(any(unix, windows)))]
fn lock(path: &Path) -> Result<File, MarkFileError> {
    Ok(OpenOptions::new().create(true).truncate(false).write(true).open(path)?)
}

/// The rename itself is on the disk only when the directory is.
#[cfg(unix)]
fn sync_directory(path: &Path) -> io::Result<()> {
    let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    File::open(parent)?.sync_all()
}

/// Elsewhere a directory cannot be synced; the rename is in the file system's journal.
#[cfg(not(unix))]
fn sync_directory(_path: &Path) -> io::Result<()> {
    Ok(())
}

const FIRST_LINE: &str = "sureclock high-water mark, version 1";
/// One sync for all commits of so long.
const AHEAD: Duration = Duration::from_millis(100);
/// One sync for a million commits at least, where timestamps rise by a nanosecond each.
const LEAST_AHEAD: Duration = Duration::from_millis(1);

#[cfg(all(test, not(sureclock_loom)))]
mod tests;
