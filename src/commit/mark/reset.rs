//! A mark's file for a person to look at and to write anew: the way out when it says what cannot
//! be.

use super::files::{self, Lock, beside};
use super::{MarkFileError, text};
use crate::time::{Timescale, Timestamp};
use std::io;
use std::path::{Path, PathBuf};

/// What the file of a [`Builder::mark_file`](crate::Builder::mark_file) says.
///
/// The command `sureclock mark` shows and resets one, too.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct HighWaterMark {
    /// The timescale of the clock that wrote it.
    pub timescale: Timescale,
    /// No timestamp above this one has left that clock, except those of
    /// [`commit_timestamp_at`](crate::SureClock::commit_timestamp_at), and those from before a
    /// reset or a [`start_new_epoch`](crate::SureClock::start_new_epoch). A clock that is started
    /// with the file gives out later ones only.
    pub reserved: Timestamp,
}

/// What [`HighWaterMark::reset`] did.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct MarkReset {
    /// What the file said before; `None` if it was damaged.
    pub before: Option<HighWaterMark>,
    /// What it says now.
    pub now: HighWaterMark,
    /// Where the file of before was kept: beside the mark, with `.before-` and a number added.
    pub kept: PathBuf,
}

impl HighWaterMark {
    /// Reads the file at `path`. Takes no lock: a clock may be using it, and may write it at any
    /// time.
    ///
    /// # Errors
    ///
    /// [`MarkFileError`]: there is no such file, or it is not as it was written.
    pub fn read(path: impl AsRef<Path>) -> Result<HighWaterMark, MarkFileError> {
        let file = files::open(&files::resolve(path.as_ref())?)?.ok_or(missing())?;
        HighWaterMark::parse(&files::read(&file)?)
    }

    /// Writes the file at `path` anew, so that it says `to`, whatever it said before.
    ///
    /// This is for a mark that is wrong: one that is damaged, or that lies so far in the future
    /// that a clock refuses every commit. **It gives up a promise.** A clock that is started with
    /// the file afterwards may give out timestamps between `to` and what it said before a second
    /// time. Choose the highest timestamp in your log or the latest possible time now, whichever is
    /// later: read timestamps may be ahead of the OS clock, and no log has them.
    ///
    /// Blocks while it writes and syncs. The file of before is kept beside it. No clock may be
    /// using the mark. `timescale` is needed where the file is damaged; otherwise it must be that
    /// of the file.
    ///
    /// # Errors
    ///
    /// [`MarkFileError::InUse`] while a clock runs with it; otherwise [`MarkFileError`] for what
    /// was wrong. After [`LockLost`](MarkFileError::LockLost), or an error of the system while it
    /// syncs, the file may already say `to`: read it again. After any other error it is what it
    /// was.
    ///
    /// # Examples
    ///
    /// ```
    /// # let path = std::env::temp_dir().join(format!("sureclock-doc-{}", std::process::id()));
    /// # std::fs::write(&path, "damaged").unwrap();
    /// use sureclock::{HighWaterMark, Timescale};
    ///
    /// let to = "2026-11-23T11:03:00Z".parse()?;
    /// let reset = HighWaterMark::reset(&path, to, Some(Timescale::Utc))?;
    /// assert_eq!(reset.before, None, "it was damaged");
    /// assert_eq!(HighWaterMark::read(&path)?.reserved, to);
    /// # for file in [&path, &reset.kept] { std::fs::remove_file(file).unwrap(); }
    /// # let _ = std::fs::remove_file(format!("{}.lock", path.display()));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn reset(
        path: impl AsRef<Path>,
        to: Timestamp,
        timescale: Option<Timescale>,
    ) -> Result<MarkReset, MarkFileError> {
        let path = files::resolve(path.as_ref())?;
        // Before the lock is made: a mistyped path leaves nothing behind.
        let file = files::open(&path)?.ok_or(missing())?;
        let lock = Lock::take(&path)?;
        files::lock_mark(&path, &file)?;
        let bytes = files::read(&file)?;
        let before = HighWaterMark::parse(&bytes);
        let timescale = match (before, timescale) {
            (Ok(found), Some(wanted)) if found.timescale != wanted => {
                return Err(MarkFileError::OtherTimescale { found: found.timescale, wanted });
            }
            (Ok(found), _) => found.timescale,
            (Err(_), Some(wanted)) => wanted,
            (Err(error), None) => return Err(error),
        };
        let kept = keep(&path, &bytes)?;
        let now = HighWaterMark { timescale, reserved: to };
        files::replace(&path, text::write(to, timescale).as_bytes())?;
        lock.check()?;
        Ok(MarkReset { before: before.ok(), now, kept })
    }

    fn parse(bytes: &[u8]) -> Result<HighWaterMark, MarkFileError> {
        let (timescale, ns) = text::read(bytes)?;
        Ok(HighWaterMark { timescale, reserved: Timestamp::from_unix_nanos(ns) })
    }
}

/// Writes these bytes to the first free name.
fn keep(path: &Path, bytes: &[u8]) -> Result<PathBuf, MarkFileError> {
    let mut number = 1_u32;
    loop {
        let kept = beside(path, &format!(".before-{number}"));
        match files::keep(&kept, bytes) {
            Ok(()) => return Ok(kept),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists && number < MOST_KEPT => {
                number += 1
            }
            Err(error) => return Err(error.into()),
        }
    }
}

fn missing() -> MarkFileError {
    MarkFileError::from(io::Error::from(io::ErrorKind::NotFound))
}

/// A mark is reset by a person, a few times at most.
const MOST_KEPT: u32 = 1_000;
