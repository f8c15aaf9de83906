//! The mark's file: what it says after every end of a process, and what it refuses.

use super::*;

struct Directory(PathBuf);

impl Directory {
    fn new(name: &str) -> Directory {
        let path = std::env::temp_dir().join(format!("sureclock-mark-{name}-{}", std::process::id()));
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

/// As where `latest` is given out.
fn cover(mark: &MarkFile, ns: i64) -> Result<(), io::ErrorKind> {
    mark.cover(ns, Timestamp::from_unix_nanos(ns))
}

#[test]
fn quick_restarts_do_not_run_ahead() {
    let dir = Directory::new("quick");
    let latest = Timestamp::from_unix_nanos(1_000_000_000);
    let mut last = latest.as_unix_nanos();
    for _ in 0..100 {
        let (mark, before) = MarkFile::open(&dir.file(), UTC).unwrap();
        let ns = before.map_or(last, |before| before + 1);
        assert!(ns >= last);
        mark.cover(ns, latest).unwrap();
        last = ns;
    }
    assert!(last < latest.as_unix_nanos() + 200_000_000, "{last}");
}

const UTC: Timescale = Timescale::Utc;

#[test]
fn what_was_covered_is_at_or_below_what_the_file_says() {
    let dir = Directory::new("covered");
    let (mark, before) = MarkFile::open(&dir.file(), UTC).unwrap();
    assert_eq!(before, None);
    for ns in [1_000, 500, 1_000 + 99_999_999, 1_000 + 100_000_001, -5] {
        cover(&mark, ns).unwrap();
        let said = parse(&fs::read(dir.file()).unwrap(), UTC).unwrap();
        assert!(said >= ns, "{ns} left, and the file says {said}");
    }
    drop(mark);
    let (_, before) = MarkFile::open(&dir.file(), UTC).unwrap();
    assert_eq!(before, Some(1_000 + 200_000_001), "the last reservation, made ahead");
}

#[test]
fn one_write_serves_all_of_its_span() {
    let dir = Directory::new("span");
    let (mark, _) = MarkFile::open(&dir.file(), UTC).unwrap();
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
    let (mark, _) = MarkFile::open(&dir.file(), UTC).unwrap();
    cover(&mark, 1_000_000_000).unwrap();
    drop(mark);
    let (mark, before) = MarkFile::open(&dir.file(), UTC).unwrap();
    assert_eq!(before, Some(1_100_000_000));
    // It may not be on the disk, if the process before was killed between the rename and the sync.
    fs::remove_file(dir.file()).unwrap();
    cover(&mark, 5).unwrap();
    assert_eq!(parse(&fs::read(dir.file()).unwrap(), UTC), Ok(1_100_000_000));
}

#[test]
fn found_a_relative_path_is_of_the_directory_of_the_start() {
    let name = format!("sureclock-mark-relative-{}", std::process::id());
    let (mark, _) = MarkFile::open(Path::new(&name), UTC).unwrap();
    assert_eq!(mark.path, std::env::current_dir().unwrap().join(&name));
    let lock = beside(&mark.path, ".lock");
    // On Windows a file that is held cannot be removed.
    drop(mark);
    fs::remove_file(lock).unwrap();
}

#[test]
fn a_new_epoch_is_covered_afresh() {
    let dir = Directory::new("epoch");
    let (mark, _) = MarkFile::open(&dir.file(), UTC).unwrap();
    cover(&mark, 1_000_000_000_000).unwrap();
    mark.reset();
    cover(&mark, 5).unwrap();
    assert_eq!(parse(&fs::read(dir.file()).unwrap(), UTC), Ok(100_000_005));
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
    let (mark, _) = MarkFile::open(&dir.file(), UTC).unwrap();
    assert_eq!(MarkFile::open(&dir.file(), UTC).unwrap_err(), MarkFileError::InUse);
    drop(mark);
    assert!(MarkFile::open(&dir.file(), UTC).is_ok());
}

/// On Windows a directory of which a file is held cannot be removed.
#[cfg(unix)]
#[test]
fn where_it_cannot_be_written_nothing_leaves() {
    let dir = Directory::new("gone");
    let (mark, _) = MarkFile::open(&dir.file(), UTC).unwrap();
    fs::remove_dir_all(&dir.0).unwrap();
    assert_eq!(cover(&mark, 1), Err(io::ErrorKind::NotFound));
    assert_eq!(cover(&mark, 1), Err(io::ErrorKind::NotFound), "and is not taken for written later");
}

#[test]
fn a_mark_that_cannot_be_read_is_an_error_and_not_a_first_start() {
    let dir = Directory::new("unreadable");
    fs::create_dir(dir.file()).unwrap();
    assert!(matches!(MarkFile::open(&dir.file(), UTC), Err(MarkFileError::System(_))));
}

#[cfg(unix)]
#[test]
fn a_directory_that_cannot_be_synced_is_an_error_and_a_bare_name_is_in_the_current_one() {
    let dir = Directory::new("sync");
    assert!(sync_directory(&dir.file()).is_ok());
    assert!(sync_directory(&dir.0.join("missing").join("mark")).is_err());
    assert!(sync_directory(Path::new("mark")).is_ok());
}
