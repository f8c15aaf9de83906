//! A process that gives out timestamps is killed, again and again: whatever it gave out, the next
//! one gives out more.
#![cfg(unix)]

use std::io::{BufRead as _, BufReader, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;
use sureclock::{BuildError, MarkFileError, OwnLoop, SureClock, Timestamp};

#[path = "support/own_clock.rs"]
#[allow(dead_code, reason = "every test uses its part")]
mod own_clock;

const MARK: &str = "SURECLOCK_TEST_MARK";
const HALF_MS: &str = "SURECLOCK_TEST_HALF_MS";

/// A clock that is told the time once, to `half`, with a mark in this file if there is one.
fn start(mark: Option<&Path>, half: Duration) -> Result<(SureClock, OwnLoop), BuildError> {
    let builder = own_clock::builder();
    let builder = match mark {
        Some(mark) => builder.mark_file(mark),
        None => builder,
    };
    own_clock::start(builder, half)
}

#[test]
#[ignore = "the process that the other tests kill"]
fn gives_out_timestamps_until_it_is_killed() {
    let mark = std::env::var_os(MARK).map(PathBuf::from);
    let half = std::env::var(HALF_MS).expect("run by the other tests").parse().unwrap();
    let (clock, _own_loop) = start(mark.as_deref(), Duration::from_millis(half)).unwrap();
    let mut out = std::io::stdout().lock();
    // A timestamp that nobody has heard of does no harm: what counts is what has left.
    for i in 0_u32.. {
        let s = clock.commit_timestamp().unwrap().timestamp();
        if writeln!(out, "commit {}", s.as_unix_nanos()).is_err() {
            return;
        }
        if i % 50 == 0 {
            let _ = writeln!(out, "read {}", clock.read_timestamp().unwrap().as_unix_nanos());
            let above = s.checked_add(Duration::from_micros(u64::from(i) % 997)).unwrap();
            clock.forbid_commits_up_to(above).unwrap();
            let _ = writeln!(out, "forbidden {}", above.as_unix_nanos());
        }
        std::thread::sleep(Duration::from_micros(100));
    }
}

/// Runs the process until it has said `lines` lines and kills it: the first commit timestamp, and
/// the highest of all it said.
fn run_and_kill(mark: Option<&Path>, half_ms: u32, lines: usize) -> (i64, i64) {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args([
        "--exact",
        "gives_out_timestamps_until_it_is_killed",
        "--ignored",
        "--nocapture",
    ]);
    command.env(HALF_MS, half_ms.to_string()).stdout(Stdio::piped());
    match mark {
        Some(mark) => command.env(MARK, mark),
        None => command.env_remove(MARK),
    };
    let mut child = command.spawn().unwrap();
    let mut output = BufReader::new(child.stdout.take().unwrap());
    let (mut first, mut highest, mut seen) = (None, i64::MIN, 0);
    let mut line = String::new();
    loop {
        line.clear();
        if output.read_line(&mut line).unwrap() == 0 {
            break;
        }
        // A line that was cut off by the kill did not leave; the harness's own lines are others.
        let said = line.strip_suffix('\n').and_then(|line| line.rsplit_once(' '));
        let Some((kind, ns)) = said.and_then(|(kind, ns)| Some((kind, ns.parse::<i64>().ok()?)))
        else {
            continue;
        };
        if kind.ends_with("commit") {
            first.get_or_insert(ns);
        }
        highest = highest.max(ns);
        seen += 1;
        if seen == lines {
            child.kill().unwrap();
        }
    }
    child.wait().unwrap();
    (first.expect("it gave out a timestamp"), highest)
}

struct Directory(PathBuf);

impl Directory {
    fn new(name: &str) -> Directory {
        let path =
            std::env::temp_dir().join(format!("sureclock-restart-{name}-{}", std::process::id()));
        std::fs::create_dir_all(&path).unwrap();
        Directory(path)
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// Killed after these lines: at the first timestamp, around what it writes to the disk, in between.
const LINES: [usize; 12] = [1, 2, 3, 5, 10, 50, 51, 52, 53, 200, 700, 1_500];

#[test]
fn after_a_kill_nothing_is_given_out_again() {
    let dir = Directory::new("kill");
    let mark = dir.0.join("mark");
    let mut highest = i64::MIN;
    // The clock is by turns less and more certain, so that `latest` of the next is below that of
    // the last.
    for (lines, half_ms) in LINES.into_iter().zip([100, 1].into_iter().cycle()) {
        let (first, said) = run_and_kill(Some(&mark), half_ms, lines);
        assert!(
            first > highest,
            "{first} was given out after {highest}, {} ns too low",
            highest - first
        );
        highest = highest.max(said);
    }
}

#[test]
fn without_a_mark_they_would_be() {
    let (_, said) = run_and_kill(None, 400, 1);
    let (first, _) = run_and_kill(None, 1, 1);
    assert!(first <= said, "the test above would not see a mark that is forgotten");
}

#[test]
fn a_mark_that_cannot_be_trusted_is_an_error_of_the_start() {
    let dir = Directory::new("errors");
    let mark = dir.0.join("mark");
    let half = Duration::from_millis(1);
    let (clock, _own_loop) = start(Some(&mark), half).unwrap();
    let s = clock.commit_timestamp().unwrap().timestamp();
    let problem = |result: Result<_, BuildError>| match result {
        Err(BuildError::MarkFile { problem, .. }) => problem,
        other => panic!("{:?}", other.map(|_: (SureClock, OwnLoop)| ())),
    };
    assert_eq!(problem(start(Some(&mark), half)), MarkFileError::InUse);
    drop((clock, _own_loop));
    std::fs::write(&mark, "what is this").unwrap();
    assert_eq!(problem(start(Some(&mark), half)), MarkFileError::Damaged);
    std::fs::remove_file(&mark).unwrap();
    let (clock, _own_loop) = start(Some(&mark), half).unwrap();
    assert!(clock.commit_timestamp().is_ok());
    assert_eq!(clock.forbid_commits_up_to(s), Ok(()));
    assert!(clock.forbid_commits_up_to(Timestamp::MAX).is_err());
    assert!(clock.commit_timestamp().is_ok(), "and nothing was changed by that");
}
