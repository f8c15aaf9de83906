//! The mark's three files: opened without trusting whoever else can write to the directory, locked,
//! and replaced as a whole.
//!
//! Every file is opened without following a link and without waiting, and then looked at by its
//! descriptor: it must be a regular file with one name, of this process's user. So nothing that
//! another user puts in the way is written to, read whole, or waited for.

use super::{MarkFileError, MarkPart, NotPlain};
use std::fs::{self, File, Metadata, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::path::{Path, PathBuf};

/// The path with its directory resolved: links of directories are followed once, at the start, and
/// the working directory may change.
pub(super) fn resolve(path: &Path) -> Result<PathBuf, MarkFileError> {
    let name = path.file_name().ok_or(NotPlain::NotRegular.of(MarkPart::Mark))?;
    let directory =
        path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    Ok(fs::canonicalize(directory)?.join(name))
}

/// The name with something added, in the same directory: a rename stays within a file system.
pub(super) fn beside(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    name.into()
}

/// The file at `path`, if there is one, for reading.
pub(super) fn open(path: &Path) -> Result<Option<File>, MarkFileError> {
    open_plain(path, MarkPart::Mark, OpenOptions::new().read(true))
}

/// All that a mark says; more than a mark is ever long is not read.
pub(super) fn read(file: &File) -> Result<Vec<u8>, MarkFileError> {
    let mut bytes = Vec::new();
    file.take(LONGEST + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > LONGEST { Err(MarkFileError::Damaged) } else { Ok(bytes) }
}

/// Replaces the file at `path` by one with these bytes. Returns the new file, to be [held](hold);
/// what it says is on the disk then.
pub(super) fn replace(path: &Path, bytes: &[u8]) -> Result<Option<File>, MarkFileError> {
    let new = beside(path, ".new");
    // Of a process that was killed in the middle of it. A link is removed, not followed.
    match fs::remove_file(&new) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error.into()),
        _ => {}
    }
    let file = create_new(&new)?;
    (&file).write_all(bytes)?;
    file.sync_all()?;
    lock(&file)?;
    let held = hold(file);
    fs::rename(&new, path)?;
    sync_directory(path)?;
    Ok(held)
}

/// The mark itself, kept open for its lock.
#[cfg(unix)]
pub(super) fn hold(file: File) -> Option<File> {
    Some(file)
}

/// On Windows a file that is open cannot be replaced; the lock beside it cannot be removed there.
#[cfg(not(unix))]
pub(super) fn hold(_file: File) -> Option<File> {
    None
}

/// A new file that only this process's user may open, on the disk with these bytes.
pub(super) fn keep(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut file = create_new(path)?;
    file.write_all(bytes)?;
    file.sync_all()
}

fn create_new(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    // Fails where there is anything by that name, a link too.
    options.write(true).create_new(true);
    private(&mut options);
    options.open(path)
}

/// The lock beside a mark, held until it is dropped.
#[derive(Debug)]
pub(super) struct Lock {
    path: PathBuf,
    file: File,
}

impl Lock {
    /// Takes the lock of the mark at `path`.
    pub(super) fn take(path: &Path) -> Result<Lock, MarkFileError> {
        let path = beside(path, ".lock");
        let mut options = OpenOptions::new();
        options.create(true).truncate(false).read(true).write(true);
        private(&mut options);
        exclusive(&mut options);
        let file =
            open_plain(&path, MarkPart::Lock, &mut options)?.ok_or(MarkFileError::LockLost)?;
        make_private(&file)?;
        lock(&file)?;
        let lock = Lock { path, file };
        // Whoever held it may have removed it between the two calls.
        lock.check()?;
        Ok(lock)
    }

    /// Whether the lock that is held is still the one at that name.
    pub(super) fn check(&self) -> Result<(), MarkFileError> {
        let at_that_name = fs::symlink_metadata(&self.path).ok();
        let held = self.file.metadata()?;
        if at_that_name.is_some_and(|found| is_one_file(&found, &held)) {
            Ok(())
        } else {
            Err(MarkFileError::LockLost)
        }
    }
}

/// Locks the mark itself, too: where the lock beside it was removed, a second clock still finds it
/// in use.
pub(super) fn lock_mark(path: &Path, file: &File) -> Result<(), MarkFileError> {
    lock(file)?;
    let at_that_name = fs::symlink_metadata(path)?;
    // Replaced since it was opened: by a clock that runs.
    if is_one_file(&at_that_name, &file.metadata()?) { Ok(()) } else { Err(MarkFileError::InUse) }
}

/// Opens what must be a regular file with one name, of this process's user.
fn open_plain(
    path: &Path,
    part: MarkPart,
    options: &mut OpenOptions,
) -> Result<Option<File>, MarkFileError> {
    // Looked at before it is opened: opening a device may do something.
    match fs::symlink_metadata(path) {
        Ok(found) => check_plain(&found, part)?,
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => return Err(error.into()),
    }
    // It may have been exchanged since.
    no_follow(options);
    let file = match options.open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) if is_sharing_violation(&error) => return Err(MarkFileError::InUse),
        Err(error) if is_link(&error) => return Err(NotPlain::SymbolicLink.of(part)),
        Err(error) => return Err(error.into()),
    };
    check_plain(&file.metadata()?, part)?;
    Ok(Some(file))
}

fn check_plain(found: &Metadata, part: MarkPart) -> Result<(), MarkFileError> {
    if found.is_symlink() {
        return Err(NotPlain::SymbolicLink.of(part));
    }
    if !found.is_file() {
        return Err(NotPlain::NotRegular.of(part));
    }
    check_owner_and_names(found, part)
}

#[cfg(unix)]
fn check_owner_and_names(found: &Metadata, part: MarkPart) -> Result<(), MarkFileError> {
    use std::os::unix::fs::MetadataExt as _;
    if found.uid() != rustix::process::geteuid().as_raw() {
        return Err(NotPlain::OtherOwner.of(part));
    }
    // None: removed since it was opened, and found out by whoever looks at the name again.
    if found.nlink() > 1 {
        return Err(NotPlain::SeveralNames.of(part));
    }
    Ok(())
}

#[cfg(not(unix))]
fn check_owner_and_names(_found: &Metadata, _part: MarkPart) -> Result<(), MarkFileError> {
    Ok(())
}

#[cfg(unix)]
fn is_one_file(a: &Metadata, b: &Metadata) -> bool {
    use std::os::unix::fs::MetadataExt as _;
    (a.dev(), a.ino()) == (b.dev(), b.ino())
}

/// Elsewhere a file that is open by us cannot be removed or replaced.
#[cfg(not(unix))]
fn is_one_file(_a: &Metadata, _b: &Metadata) -> bool {
    true
}

#[cfg(unix)]
fn private(options: &mut OpenOptions) {
    use std::os::unix::fs::OpenOptionsExt as _;
    options.mode(0o600);
}

#[cfg(not(unix))]
fn private(_options: &mut OpenOptions) {}

/// A lock that an earlier version left readable for others can be held by them.
#[cfg(unix)]
fn make_private(file: &File) -> io::Result<()> {
    use std::os::unix::fs::PermissionsExt as _;
    file.set_permissions(fs::Permissions::from_mode(0o600))
}

#[cfg(not(unix))]
fn make_private(_file: &File) -> io::Result<()> {
    Ok(())
}

/// Neither follows a link nor waits for the other end of a pipe.
#[cfg(unix)]
fn no_follow(options: &mut OpenOptions) {
    use std::os::unix::fs::OpenOptionsExt as _;
    options.custom_flags(libc::O_NOFOLLOW | libc::O_NONBLOCK);
}

#[cfg(not(unix))]
fn no_follow(_options: &mut OpenOptions) {}

#[cfg(unix)]
fn is_link(error: &io::Error) -> bool {
    error.raw_os_error() == Some(libc::ELOOP)
}

#[cfg(not(unix))]
fn is_link(_error: &io::Error) -> bool {
    false
}

#[cfg(windows)]
fn exclusive(options: &mut OpenOptions) {
    use std::os::windows::fs::OpenOptionsExt as _;
    options.share_mode(0);
}

#[cfg(not(windows))]
fn exclusive(_options: &mut OpenOptions) {}

#[cfg(windows)]
fn is_sharing_violation(error: &io::Error) -> bool {
    const SHARING_VIOLATION: i32 = 32;
    error.raw_os_error() == Some(SHARING_VIOLATION)
}

#[cfg(not(windows))]
fn is_sharing_violation(_error: &io::Error) -> bool {
    false
}

/// Ends with the process, however it ends, and with the children that it forked and that did not
/// exec.
#[cfg(unix)]
fn lock(file: &File) -> Result<(), MarkFileError> {
    match rustix::fs::flock(file, rustix::fs::FlockOperation::NonBlockingLockExclusive) {
        Ok(()) => Ok(()),
        Err(rustix::io::Errno::WOULDBLOCK) => Err(MarkFileError::InUse),
        Err(error) => Err(io::Error::from(error).into()),
    }
}

/// On Windows the lock is a file that nobody else may open; elsewhere there is none.
#[cfg(not(unix))]
fn lock(_file: &File) -> Result<(), MarkFileError> {
    Ok(())
}

/// The rename itself is on the disk only when the directory is.
#[cfg(unix)]
pub(super) fn sync_directory(path: &Path) -> io::Result<()> {
    let parent =
        path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    File::open(parent)?.sync_all()
}

/// Elsewhere a directory cannot be synced; the rename is in the file system's journal.
#[cfg(not(unix))]
pub(super) fn sync_directory(_path: &Path) -> io::Result<()> {
    Ok(())
}

/// A mark is some 120 bytes long. Larger: more of a file that is none would be read.
const LONGEST: u64 = 1024;
