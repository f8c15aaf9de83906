//! The command `sureclock` as a person and as a script use it.
#![cfg(feature = "cli")]

use std::io::Read;
use std::net::{SocketAddr, UdpSocket};
use std::process::{Command, Output, Stdio};
use std::time::Duration;
use sureclock::ntp::{ServerIdentity, respond};
use sureclock::{SureClock, TimeInterval, Timescale};

fn server() -> SocketAddr {
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    let address = socket.local_addr().unwrap();
    std::thread::spawn(move || {
        let mut buffer = [0; 512];
        while let Ok((length, client)) = socket.recv_from(&mut buffer) {
            let point = SureClock::wall_time().assume_true();
            let half = Duration::from_millis(1);
            let (from, to) = (point.checked_sub(half).unwrap(), point.checked_add(half).unwrap());
            let time = TimeInterval::new(from, to, Timescale::Utc).unwrap();
            if let Ok(reply) = respond(&buffer[..length], &time, &time, &ServerIdentity::default())
            {
                let _ = socket.send_to(&reply, client);
            }
        }
    });
    address
}

fn command(args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_sureclock"));
    command.args(args).stdin(Stdio::null());
    command
}

fn run(args: &[&str]) -> (i32, String, String) {
    let Output { status, stdout, stderr } = command(args).output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (status.code().expect("no signal"), text(stdout), text(stderr))
}

fn three() -> [String; 3] {
    std::array::from_fn(|_| server().to_string())
}

#[test]
fn now_prints_an_interval_that_parses() {
    let [a, b, c] = three();
    let (code, out, err) = run(&["now", "--server", &a, "--server", &b, "--server", &c]);
    assert_eq!((code, err.as_str()), (0, ""));
    let interval: TimeInterval = out.trim().parse().unwrap();
    assert!(interval.uncertainty() < Duration::from_millis(500));
}

#[test]
fn json_has_integers_and_the_os_clock_beside_the_bound() {
    let [a, b, c] = three();
    let args = [
        "now", "--json", "--count", "3", "--every", "10ms", "--server", &a, "--server", &b,
        "--server", &c,
    ];
    let (code, out, _) = run(&args);
    assert_eq!(code, 0);
    assert_eq!(out.lines().count(), 3);
    for line in out.lines() {
        let value: serde_json::Value = serde_json::from_str(line).unwrap();
        let ns = |key: &str| value[key].as_i64().unwrap_or_else(|| panic!("{key} in {line}"));
        assert!(ns("earliest_ns") <= ns("os_after_ns") && ns("os_before_ns") <= ns("latest_ns"));
        assert_eq!((ns("latest_ns") - ns("earliest_ns") + 1) / 2, ns("uncertainty_ns"));
        assert_eq!(ns("sources"), 3);
        // The first reading may come when two of the three have answered.
        assert!(matches!(value["state"].as_str(), Some("synchronized" | "degraded")), "{line}");
        assert!(ns("agreeing") >= 2);
    }
}

#[test]
fn without_an_answer_it_says_why_and_exits_with_1() {
    let args = [
        "now",
        "--json",
        "--timeout",
        "300ms",
        "--server",
        "no-such-host.invalid",
        "--max-faulty",
        "0",
    ];
    let (code, out, err) = run(&args);
    assert_eq!(code, 1);
    let value: serde_json::Value = serde_json::from_str(out.trim()).unwrap();
    assert!(value["error"].is_string());
    assert!(err.contains("no-such-host.invalid") && err.contains("warning"), "{err}");
}

#[test]
fn bad_usage_exits_with_2() {
    for args in [
        &["now", "--count", "x"][..],
        &["now", "--every", "1h"],
        &["now", "--server", "a b"],
        &["now", "--server", "127.0.0.1:9", "--max-faulty", "1"],
        &["now", "--server", "127.0.0.1:9", "--drift-ppm", "4000000000"],
        &["now", "--server", "time.google.com", "--max-faulty", "0"],
        &["never"],
        &[],
    ] {
        let (code, out, err) = run(args);
        assert_eq!((code, out.as_str()), (2, ""), "{args:?}");
        assert!(!err.is_empty());
    }
}

#[test]
fn a_closed_pipe_ends_it_quietly() {
    let [a, b, c] = three();
    let args =
        ["now", "--count", "0", "--every", "1ms", "--server", &a, "--server", &b, "--server", &c];
    let mut child = command(&args).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut first = [0; 10];
    child.stdout.as_mut().unwrap().read_exact(&mut first).unwrap();
    drop(child.stdout.take());
    let output = child.wait_with_output().unwrap();
    assert_eq!((output.status.code(), output.stderr.as_slice()), (Some(0), &b""[..]));
}

#[test]
fn sources_prints_a_row_a_source() {
    let [a, b, _] = three();
    let (code, out, _) = run(&[
        "sources",
        "--timeout",
        "1s",
        "--server",
        &a,
        "--server",
        &b,
        "--server",
        "no-such-host.invalid",
    ]);
    assert_eq!(code, 0, "{out}");
    let row = |name: &str| {
        out.lines().find(|line| line.starts_with(name)).unwrap_or_else(|| panic!("{out}"))
    };
    assert!(row(&a).contains("agrees") && row(&b).contains("ms"));
    assert!(
        row("no-such-host.invalid").contains("silent")
            && row("no-such-host.invalid").contains("could not be resolved")
    );
    assert!(out.contains("degraded"), "two of three answer: {out}");
}

#[test]
fn watch_without_a_terminal_prints_lines_and_writes_the_picture() {
    let [a, b, c] = three();
    let file = std::env::temp_dir().join(format!("sureclock-watch-{}.svg", std::process::id()));
    let args = [
        "watch", "--length", "1500ms", "--every", "20ms", "--server", &a, "--server", &b,
        "--server", &c, "--plot",
    ];
    let (code, out, err) = run(&[&args[..], &[file.to_str().unwrap()]].concat());
    assert_eq!((code, err.as_str()), (0, ""));
    assert_eq!(out.lines().count(), 2, "a line a second: {out}");
    assert!(out.lines().last().unwrap().ends_with("synchronized"), "{out}");
    let svg = std::fs::read_to_string(&file).unwrap();
    std::fs::remove_file(&file).unwrap();
    assert!(svg.starts_with("<svg") && svg.contains(&a) && svg.contains("agreed"), "{svg}");
}

#[test]
fn a_picture_that_cannot_be_drawn_or_written_is_said_and_exits_with_1() {
    let args = [
        "watch",
        "--length",
        "100ms",
        "--server",
        "127.0.0.1:9",
        "--max-faulty",
        "0",
        "--plot",
        "/tmp/x.svg",
    ];
    let (code, _, err) = run(&args);
    assert!(code == 1 && err.contains("no interval to draw"), "{code}: {err}");
    let [a, b, c] = three();
    let args = [
        "watch",
        "--length",
        "20s",
        "--server",
        &a,
        "--server",
        &b,
        "--server",
        &c,
        "--plot",
        "/no such/x.svg",
    ];
    let (code, out, err) = run(&args);
    assert!(code == 1 && err.contains("/no such/x.svg"), "{code}: {err}");
    assert_eq!(out, "", "it is said before the run, not after it");
}

#[test]
fn a_drift_is_fixed_or_learned_not_both() {
    let (code, _, err) =
        run(&["sources", "--drift-ppm", "15", "--wander-ppb", "1000", "--server", "127.0.0.1:9"]);
    assert!(code == 2 && err.contains("--wander-ppb"), "{code}: {err}");
    let args =
        ["sources", "--wander-ppb", "300000", "--max-faulty", "0", "--server", "127.0.0.1:9"];
    let (code, _, err) = run(&args);
    assert!(code == 2 && err.contains("drift"), "{code}: {err}");
}

#[test]
fn watch_gives_up_where_there_is_no_first_bound_in_time() {
    let args = [
        "watch",
        "--length",
        "60m",
        "--timeout",
        "300ms",
        "--server",
        "127.0.0.1:9",
        "--max-faulty",
        "0",
    ];
    let (code, out, err) = run(&args);
    assert!(
        code == 1 && out.starts_with("no bound") && err.contains("127.0.0.1:9"),
        "{code}: {out}{err}"
    );
    // The twin: without it the watch goes on for its length.
    let args = [
        "watch",
        "--length",
        "600ms",
        "--every",
        "20ms",
        "--server",
        "127.0.0.1:9",
        "--max-faulty",
        "0",
    ];
    let (code, _, err) = run(&args);
    assert!(code == 1 && !err.contains("127.0.0.1:9"), "{code}: {err}");
}

#[test]
fn a_name_that_does_not_resolve_is_said_with_its_host() {
    let (code, _, err) =
        run(&["now", "--timeout", "2s", "--server", "no-such-host.invalid", "--max-faulty", "0"]);
    assert!(
        code == 1 && err.contains("no-such-host.invalid: silent: the name could not be resolved"),
        "{err}"
    );
    assert!(!err.contains("uncategorized"), "{err}");
}

#[cfg(target_os = "linux")]
#[test]
fn too_many_open_files_is_said_in_the_systems_words() {
    let mut said = String::new();
    for limit in 3..24 {
        let line = format!(
            "ulimit -n {limit}; exec \"$0\" now --timeout 200ms --server 127.0.0.1:9 --max-faulty 0"
        );
        let output = Command::new("sh")
            .args(["-c", &line, env!("CARGO_BIN_EXE_sureclock")])
            .output()
            .unwrap();
        said += &String::from_utf8_lossy(&output.stderr);
    }
    assert!(said.contains("open files") && !said.contains("uncategorized"), "{said}");
}

#[test]
fn one_host_given_thrice_is_said_to_count_once() {
    let host = "127.0.0.1:9";
    let (code, _, err) =
        run(&["now", "--server", host, "--server", host, "--server", host, "--max-faulty", "1"]);
    assert!(
        code == 2 && err.contains("1 failure domain, and to tolerate one wrong domain takes 3"),
        "{code}: {err}"
    );
}

#[test]
fn servers_of_one_domain_count_once() {
    let [a, b, c] = three();
    let both = format!("site={a},{b}");
    let (code, _, err) = run(&["now", "--domain", &both, "--server", &c, "--max-faulty", "1"]);
    assert!(code == 2 && err.contains("2 failure domains"), "{code}: {err}");
    let (code, out, err) = run(&["sources", "--domain", &both, "--server", &c]);
    assert!(code == 0 && out.contains("2 failure domains, 0 may be wrong"), "{code}: {out}{err}");
    assert!(out.contains(&a) && out.contains(&b) && err.contains("warning"), "{out}{err}");
    // The twin: each by itself.
    let (code, out, _) = run(&["sources", "--server", &a, "--server", &b, "--server", &c]);
    assert!(code == 0 && out.contains("3 failure domains, 1 may be wrong"), "{code}: {out}");
    for bad in ["site", "site=", "=x", "site=a b"] {
        assert_eq!(run(&["now", "--domain", bad]).0, 2, "{bad}");
    }
}

#[test]
fn the_timescale_is_that_of_the_servers() {
    let [a, b, c] = three();
    let (code, out, err) =
        run(&["now", "--timescale", "smear-24h", "--server", &a, "--server", &b, "--server", &c]);
    assert_eq!((code, err.as_str()), (0, ""));
    assert_eq!(out.trim().parse::<TimeInterval>().unwrap().timescale(), Timescale::Smear24h);
    let (code, _, err) = run(&["now", "--timescale", "smear-24h"]);
    assert!(
        code == 2 && err.contains("serve utc"),
        "the public servers are not asked: {code}: {err}"
    );
    let (code, _, err) = run(&["now", "--server", "169.254.169.123", "--max-faulty", "0"]);
    assert!(code == 2 && err.contains("serves smear-24h"), "{code}: {err}");
}

#[test]
fn limits_of_age_of_uncertainty_and_of_an_exchange_are_the_clocks() {
    let [a, b, c] = three();
    let with = |more: &[&str]| {
        let servers = [
            "now", "--count", "2", "--every", "50ms", "--server", &a, "--server", &b, "--server",
            &c,
        ];
        run(&[&servers[..], more].concat())
    };
    let (code, _, err) = with(&["--max-uncertainty", "1us", "--timeout", "3s"]);
    assert!(code == 1 && err.contains("the uncertainty is"), "{code}: {err}");
    let (code, _, err) = with(&["--max-age", "1ms", "--timeout", "3s"]);
    assert!(code == 1 && err.contains("more than 1ms"), "{code}: {err}");
    let (code, _, err) = with(&["--exchange-timeout", "0s"]);
    assert!(code == 2 && err.contains("timeout must be"), "{code}: {err}");
    let (code, _, err) =
        with(&["--max-age", "5m", "--max-uncertainty", "400ms", "--exchange-timeout", "1.5s"]);
    assert_eq!((code, err.as_str()), (0, ""), "the twin");
}

#[test]
fn a_fraction_of_a_millisecond_is_a_length() {
    let [a, b, c] = three();
    let args =
        ["now", "--count", "3", "--every", "2.5ms", "--server", &a, "--server", &b, "--server", &c];
    let (code, out, _) = run(&args);
    assert_eq!((code, out.lines().count()), (0, 3));
}

#[test]
fn the_most_faulty_is_bad_usage_and_no_panic() {
    for most in ["9223372036854775808", "18446744073709551615"] {
        let (code, _, err) = run(&["now", "--server", "127.0.0.1:9", "--max-faulty", most]);
        assert!(code == 2 && err.contains("1 failure domain"), "{code}: {err}");
    }
}

#[cfg(target_os = "linux")]
#[test]
fn where_stderr_cannot_be_written_it_ends_as_it_would() {
    let status = |args: &[&str]| {
        let full = std::fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
        command(args).stdout(Stdio::null()).stderr(full).status().unwrap().code()
    };
    assert_eq!(status(&["now", "--server", "a b"]), Some(2));
    let silent = ["now", "--timeout", "100ms", "--server", "127.0.0.1:9", "--max-faulty", "0"];
    assert_eq!(status(&silent), Some(1));
}

#[test]
fn control_bytes_of_a_path_are_not_printed_raw() {
    let path = "/no such/\u{1b}[2J";
    let base = ["--server", "127.0.0.1:9", "--max-faulty", "0"];
    for args in [
        [&["watch", "--plot", path][..], &base].concat(),
        [&["now", "--vm-clock", path][..], &base].concat(),
        vec!["mark", "show", path],
    ] {
        let (code, _, err) = run(&args);
        assert!(code != 0 && !err.contains('\u{1b}') && err.contains("[2J"), "{args:?}: {err}");
    }
}

/// A mark that says the year 2130 makes every commit an error: what an operator does then.
mod mark {
    use super::run;
    use std::path::{Path, PathBuf};
    use std::time::Duration;
    use sureclock::{CommitError, Facts, HighWaterMark, OwnLoop, SureClock, Timescale, Timestamp};

    struct Directory(PathBuf);

    impl Directory {
        fn new(name: &str) -> Directory {
            let path = std::env::temp_dir()
                .join(format!("sureclock-command-{name}-{}", std::process::id()));
            std::fs::create_dir_all(&path).unwrap();
            Directory(path)
        }
    }

    impl Drop for Directory {
        fn drop(&mut self) {
            let _ = std::fs::remove_dir_all(&self.0);
        }
    }

    /// A clock that is told this time once.
    fn clock(mark: &Path, now: Timestamp) -> (SureClock, OwnLoop) {
        let builder = SureClock::builder().ntp("127.0.0.1:1").max_faulty(0).mark_file(mark);
        let (clock, own_loop) = builder.own_loop().unwrap();
        let ask = own_loop.next_ask().unwrap();
        let (half, before) = (Duration::from_millis(1), clock.monotonic());
        let (latest, earliest) = (now.checked_add(half).unwrap(), now.checked_sub(half).unwrap());
        own_loop.answered(ask.id, Facts::new(before, latest, clock.monotonic(), earliest).unwrap());
        (clock, own_loop)
    }

    #[test]
    fn of_the_far_future_it_is_shown_and_reset_and_commits_are_given_again() {
        let dir = Directory::new("poisoned");
        let path = dir.0.join("mark");
        let file = path.to_str().unwrap();
        // A clock that was a century ahead.
        let century = "2130-01-15T00:00:00Z".parse().unwrap();
        let (ahead, ahead_loop) = clock(&path, century);
        ahead.commit_timestamp().unwrap();
        drop((ahead, ahead_loop));
        let now: Timestamp = "2026-11-30T12:00:00Z".parse().unwrap();
        let (wrong, wrong_loop) = clock(&path, now);
        assert!(matches!(wrong.commit_timestamp(), Err(CommitError::FloorTooFar { .. })));

        let (code, out, _) = run(&["mark", "show", file]);
        assert!(
            code == 0
                && out.contains("2130-01-15")
                && out.contains("utc")
                && out.contains("ahead of"),
            "{out}"
        );
        let reset = ["mark", "reset", file, "--to", "2026-11-30T12:00:00Z"];
        let (code, _, err) = run(&reset);
        assert!(
            code == 1 && err.contains("another clock uses it"),
            "not while the service runs: {code}: {err}"
        );
        drop((wrong, wrong_loop));
        assert_eq!(run(&["mark", "reset", file]).0, 2, "the time must be said");
        let (code, out, err) = run(&reset);
        assert!(
            code == 0 && out.contains("2130-01-15") && out.contains("may be given out again"),
            "{out}{err}"
        );
        assert_eq!(
            HighWaterMark::read(path.with_extension("before-1")).unwrap().timescale,
            Timescale::Utc
        );

        let (healed, _own_loop) = clock(&path, now);
        assert!(healed.commit_timestamp().unwrap().timestamp() > now);
    }

    #[test]
    fn a_damaged_one_needs_its_timescale_and_a_missing_one_is_said() {
        let dir = Directory::new("damaged");
        let path = dir.0.join("mark");
        let file = path.to_str().unwrap();
        let (code, _, err) = run(&["mark", "show", file]);
        assert!(code == 1 && err.contains(file), "{err}");
        std::fs::write(&path, "what is this").unwrap();
        let (code, _, err) = run(&["mark", "show", file]);
        assert!(code == 1 && err.contains("damaged"), "{err}");
        let to = ["--to", "2026-11-30T12:00:00Z"];
        assert_eq!(run(&[&["mark", "reset", file][..], &to].concat()).0, 1);
        let (code, out, _) =
            run(&[&["mark", "reset", file, "--timescale", "utc"][..], &to].concat());
        assert!(code == 0 && out.contains("damaged"), "{out}");
    }
}
