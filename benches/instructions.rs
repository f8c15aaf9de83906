//! How many instructions the hot paths take, counted by valgrind over a counter that a test moves,
//! and compared with `instructions.txt`: `cargo bench --bench instructions`
//!
//! A count does not depend on the machine's load, but on the compiler: up to a tenth more than
//! committed is allowed. Write the file anew with `cargo bench --bench instructions -- --bless`.
#![allow(missing_docs, reason = "a program")]

use std::fmt::Write as _;
use std::hint::black_box;
use std::process::{Command, ExitCode};
use std::time::Duration;
use sureclock::{HybridClock, SureClock, TimeInterval};

const PATHS: [&str; 9] = [
    "monotonic",
    "now",
    "after",
    "deadline.is_past",
    "before",
    "at",
    "elapsed",
    "commit_timestamp",
    "hybrid stamp",
];
/// A broken path, for the check of the check: `now` twice.
const TWICE: &str = "now twice";
const COMMITTED: &str = include_str!("instructions.txt");
const FILE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/benches/instructions.txt");

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().collect();
    let after = |flag: &str| {
        arguments.iter().position(|argument| argument == flag).map(|at| arguments[at + 1].clone())
    };
    if let (Some(path), Some(calls)) = (after("--path"), after("--calls")) {
        call(&path, calls.parse().expect("a number"));
        return ExitCode::SUCCESS;
    }
    let counts: Vec<(&str, f64)> = PATHS.iter().map(|path| (*path, per_call(path))).collect();
    let twice = per_call(TWICE);
    if arguments.iter().any(|argument| argument == "--bless") {
        let mut text = String::from(
            "# Instructions a call, over a manual counter, as `cargo bench --bench instructions -- --bless` counted.\n",
        );
        for (path, count) in &counts {
            let _ = writeln!(text, "{path} = {count:.0}");
        }
        std::fs::write(FILE, text).expect("written");
        return ExitCode::SUCCESS;
    }
    let mut worse = false;
    for (path, count) in &counts {
        let committed = committed(path);
        let verdict = if is_worse(*count, committed) { "WORSE" } else { "" };
        worse |= is_worse(*count, committed);
        println!("{path:18} {count:6.0}  committed {committed:6.0}  {verdict}");
    }
    // The twin: a path that takes twice as much is seen.
    assert!(
        is_worse(twice, committed("now")),
        "{twice} instructions for two calls of now are not seen to be more"
    );
    if worse { ExitCode::FAILURE } else { ExitCode::SUCCESS }
}

fn is_worse(count: f64, committed: f64) -> bool {
    count > committed * 1.1 + 2.0
}

fn committed(path: &str) -> f64 {
    let line = COMMITTED.lines().find_map(|line| line.strip_prefix(path)?.trim().strip_prefix('='));
    line.and_then(|count| count.trim().parse().ok()).unwrap_or(0.0)
}

/// What 1000 more calls cost, so that the start costs nothing.
fn per_call(path: &str) -> f64 {
    let count = (instructions(path, 2_000) - instructions(path, 1_000)) / 1_000.0;
    assert!(count > 1.0, "{path} was not counted: {count}");
    count
}

fn instructions(path: &str, calls: u32) -> f64 {
    let this = std::env::current_exe().expect("its own path");
    let mut command = Command::new("valgrind");
    command.args(["--tool=callgrind", "--callgrind-out-file=/dev/null"]).arg(this);
    let output = command.args(["--path", path, "--calls", &calls.to_string()]).output();
    let output = output.expect("valgrind is installed (Debian: apt-get install valgrind)");
    let text = String::from_utf8_lossy(&output.stderr);
    let collected = text.lines().find_map(|line| line.split("Collected :").nth(1));
    let count = collected.and_then(|count| count.trim().parse().ok());
    count.unwrap_or_else(|| panic!("valgrind did not count:\n{text}"))
}

fn call(path: &str, calls: u32) {
    let interval: TimeInterval = "2026-11-23T11:03:00Z ± 1 ms".parse().expect("an interval");
    let (clock, time) = SureClock::manual(interval);
    let earlier = clock.monotonic();
    time.advance(Duration::from_millis(1));
    let (later, t) = (clock.monotonic(), interval.earliest());
    let mut deadline = clock.deadline(t);
    match path {
        "monotonic" => repeat(calls, || clock.monotonic()),
        "now" => repeat(calls, || clock.now()),
        "after" => repeat(calls, || clock.after(black_box(t))),
        "deadline.is_past" => repeat(calls, || deadline.is_past()),
        "before" => repeat(calls, || clock.before(black_box(t))),
        "at" => repeat(calls, || clock.at(black_box(earlier))),
        "elapsed" => repeat(calls, || clock.elapsed(black_box(earlier), black_box(later))),
        "commit_timestamp" => repeat(calls, || clock.commit_timestamp()),
        "hybrid stamp" => {
            let hybrid = HybridClock::new(clock);
            repeat(calls, || hybrid.stamp());
        }
        TWICE => repeat(calls, || (clock.now(), clock.now())),
        _ => panic!("no path {path}"),
    }
}

fn repeat<R>(calls: u32, mut call: impl FnMut() -> R) {
    for _ in 0..calls {
        black_box(call());
    }
}
