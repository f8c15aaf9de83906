//! The mark's file: what it says after every end of a process, and what it refuses.

use super::text::{read_in as parse, write as text};
use super::*;
use std::fs;

struct Directory(PathBuf);

impl Directory {
    fn new(name: &str) -> Directory {
        let path =
            std::env::temp_dir().join(format!("sureclock-mark-{name}-{}", std::process::id()));
        let _ = fs::remove_dir_all(&path);
        fs::create_dir_all(&path).unwrap();
        Directory(path)
    }

    fn file(&self) -> PathBuf {
        self.0.join("mark")
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// A mark and what is covered of one epoch.
struct Opened(MarkFile, Reserved);

fn open(path: &Path) -> Result<(Opened, Option<i64>), MarkFileError> {
    MarkFile::open(path, UTC).map(|(mark, before)| (Opened(mark, Reserved::default()), before))
}

/// As where `latest` is given out.
fn cover(mark: &Opened, ns: i64) -> Result<(), MarkFileError> {
    cover_at(mark, ns, Timestamp::from_unix_nanos(ns))
}

fn cover_at(mark: &Opened, ns: i64, latest: Timestamp) -> Result<(), MarkFileError> {
    assert_eq!(mark.0.cover(0, &mark.1, ns, latest)?, Covered::Yes);
    Ok(())
}

#[test]
fn quick_restarts_do_not_run_ahead() {
    let dir = Directory::new("quick");
    let latest = Timestamp::from_unix_nanos(1_000_000_000);
    let mut last = latest.as_unix_nanos();
    for _ in 0..100 {
        let (mark, before) = open(&dir.file()).unwrap();
        let ns = before.map_or(last, |before| before + 1);
        assert!(ns >= last);
        cover_at(&mark, ns, latest).unwrap();
        last = ns;
    }
    assert!(last < latest.as_unix_nanos() + 200_000_000, "{last}");
}

const UTC: Timescale = Timescale::Utc;

#[test]
fn what_was_covered_is_at_or_below_what_the_file_says() {
    let dir = Directory::new("covered");
    let (mark, before) = open(&dir.file()).unwrap();
    assert_eq!(before, None);
    for ns in [1_000, 500, 1_000 + 99_999_999, 1_000 + 100_000_001, -5] {
        cover(&mark, ns).unwrap();
        let said = parse(&fs::read(dir.file()).unwrap(), UTC).unwrap();
        assert!(said >= ns, "{ns} left, and the file says {said}");
    }
    drop(mark);
    let (_, before) = open(&dir.file()).unwrap();
    assert_eq!(before, Some(1_000 + 200_000_001), "the last reservation, made ahead");
}

#[test]
fn one_write_serves_all_of_its_span() {
    let dir = Directory::new("span");
    let (mark, _) = open(&dir.file()).unwrap();
    cover(&mark, 0).unwrap();
    fs::remove_file(dir.file()).unwrap();
    cover(&mark, 100_000_000).unwrap();
    assert!(!dir.file().exists(), "written though it was covered");
    cover(&mark, 100_000_001).unwrap();
    assert!(dir.file().exists());
}

#[test]
fn found_a_mark_that_was_found_is_written_anew_and_never_lowered() {
    let dir = Directory::new("found");
    let (mark, _) = open(&dir.file()).unwrap();
    cover(&mark, 1_000_000_000).unwrap();
    drop(mark);
    let (mark, before) = open(&dir.file()).unwrap();
    assert_eq!(before, Some(1_100_000_000));
    // It may not be on the disk, if the process before was killed between the rename and the sync.
    fs::remove_file(dir.file()).unwrap();
    cover(&mark, 5).unwrap();
    assert_eq!(parse(&fs::read(dir.file()).unwrap(), UTC), Ok(1_100_000_000));
}

#[test]
fn found_a_relative_path_is_of_the_directory_of_the_start() {
    let name = format!("sureclock-mark-relative-{}", std::process::id());
    let (mark, _) = open(Path::new(&name)).unwrap();
    assert_eq!(mark.0.path, fs::canonicalize(".").unwrap().join(&name));
    let lock = files::beside(&mark.0.path, ".lock");
    // On Windows a file that is held cannot be removed.
    drop(mark);
    fs::remove_file(lock).unwrap();
}

#[test]
fn a_new_epoch_is_covered_afresh_and_the_old_one_writes_no_more() {
    let dir = Directory::new("epoch");
    let (mark, _) = open(&dir.file()).unwrap();
    cover(&mark, 1_000_000_000_000).unwrap();
    let (five, reserved) = (Timestamp::from_unix_nanos(5), Reserved::default());
    assert_eq!(mark.0.cover(1, &reserved, 5, five), Ok(Covered::Yes));
    let said = || parse(&fs::read(dir.file()).unwrap(), UTC);
    assert_eq!(said(), Ok(100_000_005));
    // A call of the old epoch that was held up.
    let late = 2_000_000_000_000;
    let covered = mark.0.cover(0, &mark.1, late, Timestamp::from_unix_nanos(late));
    assert_eq!((covered, said()), (Ok(Covered::EpochOver), Ok(100_000_005)));
}

#[test]
fn a_mark_that_is_kept_ahead_is_not_written_by_the_commits() {
    let dir = Directory::new("ahead");
    let (mark, _) = open(&dir.file()).unwrap();
    let at = Timestamp::from_unix_nanos;
    mark.0.keep_ahead(0, &mark.1, at(0)).unwrap();
    fs::remove_file(dir.file()).unwrap();
    mark.0.keep_ahead(0, &mark.1, at(49_000_000)).unwrap();
    cover(&mark, 99_000_000).unwrap();
    assert!(!dir.file().exists(), "written though half of the span was left");
    mark.0.keep_ahead(0, &mark.1, at(51_000_000)).unwrap();
    assert!(dir.file().exists(), "less than half of the span was left");
}

#[test]
fn any_damage_is_an_error_and_never_an_older_mark() {
    let good = text(Timestamp::from_unix_nanos(1_795_430_580_123_456_789), UTC).into_bytes();
    assert_eq!(parse(&good, UTC), Ok(1_795_430_580_123_456_789));
    for at in 0..good.len() {
        assert_eq!(parse(&good[..at], UTC), Err(MarkFileError::Damaged), "cut off at {at}");
        for bit in 0..8 {
            let mut bad = good.clone();
            bad[at] ^= 1 << bit;
            assert_eq!(parse(&bad, UTC), Err(MarkFileError::Damaged), "bit {bit} of byte {at}");
        }
    }
    assert_eq!(parse(b"", UTC), Err(MarkFileError::Damaged));
}

#[test]
fn another_timescale_is_refused() {
    let smeared = text(Timestamp::from_unix_nanos(7), Timescale::Smear24h);
    let error = MarkFileError::OtherTimescale { found: Timescale::Smear24h, wanted: UTC };
    assert_eq!(parse(smeared.as_bytes(), UTC), Err(error));
}

#[cfg(any(unix, windows))]
#[test]
fn a_mark_in_use_is_refused_and_free_again_afterwards() {
    let dir = Directory::new("lock");
    let (mark, _) = open(&dir.file()).unwrap();
    assert_eq!(open(&dir.file()).map(|_| ()), Err(MarkFileError::InUse));
    drop(mark);
    assert!(open(&dir.file()).is_ok());
}

/// On Windows a directory of which a file is held cannot be removed.
#[cfg(unix)]
#[test]
fn where_it_cannot_be_written_nothing_leaves() {
    let dir = Directory::new("gone");
    let (mark, _) = open(&dir.file()).unwrap();
    fs::remove_dir_all(&dir.0).unwrap();
    assert!(cover(&mark, 1).is_err());
    assert!(cover(&mark, 1).is_err(), "and is not taken for written later");
}

#[test]
fn a_mark_that_cannot_be_read_is_an_error_and_not_a_first_start() {
    let dir = Directory::new("unreadable");
    fs::create_dir(dir.file()).unwrap();
    assert_eq!(open(&dir.file()).map(|_| ()), Err(NotPlain::NotRegular.of(MarkPart::Mark)));
}

#[cfg(unix)]
#[test]
fn a_directory_that_cannot_be_synced_is_an_error_and_a_bare_name_is_in_the_current_one() {
    let dir = Directory::new("sync");
    assert!(files::sync_directory(&dir.file()).is_ok());
    assert!(files::sync_directory(&dir.0.join("missing").join("mark")).is_err());
    assert!(files::sync_directory(Path::new("mark")).is_ok());
}

/// What another user, or an administrator, may have put in the way.
#[cfg(unix)]
mod neighbours {
    use super::*;
    use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, symlink};
    use std::os::unix::net::UnixListener;

    fn refused(path: &Path) -> MarkFileError {
        open(path).map(|_| ()).expect_err("it must not be opened")
    }

    #[test]
    fn a_link_in_place_of_the_mark_or_its_lock_is_refused_and_its_target_left_alone() {
        let dir = Directory::new("links");
        let target = dir.0.join("target");
        fs::write(&target, "precious").unwrap();
        for (suffix, part) in [("", MarkPart::Mark), (".lock", MarkPart::Lock)] {
            let link = files::beside(&dir.file(), suffix);
            let _ = fs::remove_file(files::beside(&dir.file(), ".lock"));
            symlink(&target, &link).unwrap();
            assert_eq!(refused(&dir.file()), NotPlain::SymbolicLink.of(part));
            fs::remove_file(&link).unwrap();
            symlink(dir.0.join("dangling"), &link).unwrap();
            assert_eq!(refused(&dir.file()), NotPlain::SymbolicLink.of(part));
            fs::remove_file(&link).unwrap();
        }
        symlink(&target, files::beside(&dir.file(), ".new")).unwrap();
        let (mark, _) = open(&dir.file()).unwrap();
        cover(&mark, 1).unwrap();
        assert_eq!(fs::read_to_string(&target).unwrap(), "precious");
        assert!(!dir.0.join("dangling").exists());
        assert_eq!(
            parse(&fs::read(dir.file()).unwrap(), UTC),
            Ok(100_000_001),
            "the twin: it is written"
        );
    }

    #[test]
    fn a_directory_that_is_a_link_is_resolved_once_and_both_names_are_one_mark() {
        let (dir, other) = (Directory::new("resolved"), Directory::new("resolved-otherwise"));
        let link = other.0.join("link");
        symlink(&dir.0, &link).unwrap();
        let (mark, _) = open(&link.join("mark")).unwrap();
        assert_eq!(refused(&dir.file()), MarkFileError::InUse);
        fs::remove_file(&link).unwrap();
        cover(&mark, 1).unwrap();
        assert!(dir.file().exists());
    }

    #[test]
    fn a_pipe_a_socket_a_directory_or_a_device_is_refused_at_once() {
        for (suffix, part) in [("", MarkPart::Mark), (".lock", MarkPart::Lock)] {
            let dir = Directory::new("kinds");
            let path = files::beside(&dir.file(), suffix);
            let not_regular = NotPlain::NotRegular.of(part);
            make_pipe(&path);
            assert_eq!(refused(&dir.file()), not_regular);
            fs::remove_file(&path).unwrap();
            let _socket = UnixListener::bind(&path).unwrap();
            assert_eq!(refused(&dir.file()), not_regular);
            fs::remove_file(&path).unwrap();
            fs::create_dir(&path).unwrap();
            assert_eq!(refused(&dir.file()), not_regular);
        }
        let device = files::open(Path::new("/dev/null")).map(|_| ());
        assert_eq!(device, Err(NotPlain::NotRegular.of(MarkPart::Mark)));
    }

    #[test]
    fn a_pipe_in_place_of_the_new_file_does_not_stop_a_commit() {
        let dir = Directory::new("pipe");
        make_pipe(&files::beside(&dir.file(), ".new"));
        let (mark, _) = open(&dir.file()).unwrap();
        cover(&mark, 1).unwrap();
        assert!(fs::symlink_metadata(dir.file()).unwrap().is_file());
    }

    fn make_pipe(path: &Path) {
        let made = std::process::Command::new("mkfifo").arg(path).status().unwrap();
        assert!(made.success());
    }

    #[test]
    fn only_the_user_itself_can_open_the_files_even_where_an_old_lock_was_open_to_all() {
        let dir = Directory::new("modes");
        let lock = files::beside(&dir.file(), ".lock");
        fs::write(&lock, "").unwrap();
        fs::set_permissions(&lock, fs::Permissions::from_mode(0o666)).unwrap();
        let (mark, _) = open(&dir.file()).unwrap();
        cover(&mark, 1).unwrap();
        for path in [dir.file(), lock] {
            assert_eq!(fs::metadata(&path).unwrap().mode() & 0o777, 0o600, "{}", path.display());
        }
    }

    #[test]
    fn a_file_that_is_made_anew_goes_through_no_link_that_came_in_between() {
        let dir = Directory::new("between");
        let (target, link) = (dir.0.join("target"), dir.0.join("link"));
        fs::write(&target, "precious").unwrap();
        symlink(&target, &link).unwrap();
        assert_eq!(files::keep(&link, b"x").unwrap_err().kind(), io::ErrorKind::AlreadyExists);
        assert_eq!(fs::read_to_string(&target).unwrap(), "precious");
        assert!(files::keep(&dir.0.join("free"), b"x").is_ok());
    }

    #[test]
    fn a_sparse_file_of_a_gibibyte_is_not_read_whole() {
        let dir = Directory::new("sparse");
        fs::File::create(dir.file()).unwrap().set_len(1 << 30).unwrap();
        let file = files::open(&dir.file()).unwrap().unwrap();
        assert_eq!(files::read(&file).unwrap_err(), MarkFileError::Damaged);
        // No more was read than a mark may be long.
        assert!(std::io::Seek::stream_position(&mut &file).unwrap() <= 4096);
        assert_eq!(refused(&dir.file()), MarkFileError::Damaged);
    }

    #[test]
    fn a_second_name_of_the_mark_is_refused_by_both_names() {
        let dir = Directory::new("names");
        let (mark, _) = open(&dir.file()).unwrap();
        cover(&mark, 1).unwrap();
        let second = dir.0.join("second");
        fs::hard_link(dir.file(), &second).unwrap();
        assert_eq!(refused(&second), NotPlain::SeveralNames.of(MarkPart::Mark));
        drop(mark);
        assert_eq!(refused(&dir.file()), NotPlain::SeveralNames.of(MarkPart::Mark));
        fs::remove_file(&second).unwrap();
        assert!(open(&dir.file()).is_ok());
    }

    #[test]
    fn a_second_clock_does_not_start_although_the_lock_was_removed() {
        let dir = Directory::new("lock-removed");
        let (mark, _) = open(&dir.file()).unwrap();
        cover(&mark, 1).unwrap();
        fs::remove_file(files::beside(&dir.file(), ".lock")).unwrap();
        assert_eq!(refused(&dir.file()), MarkFileError::InUse);
        // And the first one notices: it gives out what is covered, and no more.
        assert_eq!(cover(&mark, 100_000_001), Ok(()));
        assert_eq!(cover(&mark, 100_000_002), Err(MarkFileError::LockLost));
    }

    #[test]
    fn where_lock_and_mark_were_removed_the_first_clock_gives_out_no_more() {
        let dir = Directory::new("all-removed");
        let (first, _) = open(&dir.file()).unwrap();
        cover(&first, 1).unwrap();
        fs::remove_file(files::beside(&dir.file(), ".lock")).unwrap();
        fs::remove_file(dir.file()).unwrap();
        let (second, _) = open(&dir.file()).unwrap();
        cover(&second, 1).unwrap();
        let said = fs::read(dir.file()).unwrap();
        assert_eq!(cover(&first, 200_000_000), Err(MarkFileError::LockLost));
        assert_eq!(
            fs::read(dir.file()).unwrap(),
            said,
            "the second one's file is not written over"
        );
        assert_eq!(cover(&second, 200_000_000), Ok(()), "the twin");
    }

    #[test]
    fn a_file_of_another_user_is_refused() {
        let dir = Directory::new("owner");
        if !rustix::process::geteuid().is_root() {
            println!("SKIPPED a_file_of_another_user_is_refused: only root can give a file away");
            return;
        }
        for (suffix, part) in [("", MarkPart::Mark), (".lock", MarkPart::Lock)] {
            let path = files::beside(&dir.file(), suffix);
            fs::write(&path, "").unwrap();
            std::os::unix::fs::chown(&path, Some(12_345), None).unwrap();
            assert_eq!(refused(&dir.file()), NotPlain::OtherOwner.of(part));
            fs::remove_file(&path).unwrap();
        }
    }
}

/// A mark that says the year 2130: the way out, and what stands against taking it by mistake.
mod reset {
    use super::*;

    const FAR: i64 = 5_050_000_000_000_000_000;

    fn poisoned(name: &str) -> Directory {
        let dir = Directory::new(name);
        fs::write(dir.file(), text(Timestamp::from_unix_nanos(FAR), UTC)).unwrap();
        dir
    }

    #[test]
    fn a_mark_of_the_far_future_is_lowered_and_the_old_file_kept() {
        let dir = poisoned("reset");
        let to = Timestamp::from_unix_nanos(1_795_430_580_000_000_000);
        let before = HighWaterMark::read(dir.file()).unwrap();
        let reset = HighWaterMark::reset(dir.file(), to, None).unwrap();
        assert_eq!((reset.before, reset.now.reserved), (Some(before), to));
        assert_eq!(HighWaterMark::read(&reset.kept), Ok(before));
        let (mark, found) = open(&dir.file()).unwrap();
        assert_eq!(found, Some(to.as_unix_nanos()));
        drop(mark);
        let again = HighWaterMark::reset(dir.file(), before.reserved, Some(UTC)).unwrap();
        assert_ne!(again.kept, reset.kept, "none that was kept is written over");
    }

    #[cfg(any(unix, windows))]
    #[test]
    fn not_while_a_clock_runs_and_nothing_is_changed_then() {
        let dir = poisoned("reset-in-use");
        let (mark, _) = open(&dir.file()).unwrap();
        let to = Timestamp::from_unix_nanos(0);
        assert_eq!(HighWaterMark::reset(dir.file(), to, None), Err(MarkFileError::InUse));
        assert_eq!(HighWaterMark::read(dir.file()).unwrap().reserved.as_unix_nanos(), FAR);
        drop(mark);
        assert!(HighWaterMark::reset(dir.file(), to, None).is_ok());
    }

    #[test]
    fn a_damaged_one_needs_its_timescale_and_a_missing_one_is_no_mark() {
        let dir = Directory::new("reset-damaged");
        let to = Timestamp::from_unix_nanos(0);
        let missing = HighWaterMark::reset(dir.file(), to, Some(UTC)).unwrap_err();
        assert!(
            matches!(missing, MarkFileError::System(error) if error.kind() == io::ErrorKind::NotFound)
        );
        assert_eq!(
            fs::read_dir(&dir.0).unwrap().count(),
            0,
            "a mistyped path leaves nothing behind"
        );
        fs::write(dir.file(), "damaged").unwrap();
        assert_eq!(HighWaterMark::reset(dir.file(), to, None), Err(MarkFileError::Damaged));
        let reset = HighWaterMark::reset(dir.file(), to, Some(UTC)).unwrap();
        assert_eq!((reset.before, fs::read(&reset.kept).unwrap()), (None, b"damaged".to_vec()));
        let other = HighWaterMark::reset(dir.file(), to, Some(Timescale::Smear24h)).unwrap_err();
        assert!(matches!(other, MarkFileError::OtherTimescale { .. }));
    }
}

#[test]
#[cfg_attr(miri, ignore = "of the system's clocks")]
fn a_new_epoch_does_not_wait_for_a_disk_that_hangs() {
    let dir = Directory::new("hangs");
    let builder =
        crate::SureClock::builder().ntp("127.0.0.1:1").max_faulty(0).mark_file(dir.file());
    let (clock, own_loop) = builder.own_loop().unwrap();
    own_loop.disrupt(crate::DisruptionReason::ByHand);
    // A commit is in the middle of its sync.
    let in_the_disks_hands = clock.shared().mark.as_ref().unwrap().writing.lock();
    let (begun, when) = std::sync::mpsc::channel();
    std::thread::spawn({
        let clock = clock.clone();
        move || begun.send((clock.start_new_epoch(), clock.status().epoch)).unwrap()
    });
    let result = when.recv_timeout(Duration::from_secs(20));
    drop(in_the_disks_hands);
    assert_eq!(result, Ok((true, 1)), "start_new_epoch waits for the disk");
}
