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
            if let Ok(reply) = respond(&buffer[..length], &time, &time, &ServerIdentity::default()) {
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
    let args = ["now", "--json", "--count", "3", "--every", "10ms", "--server", &a, "--server", &b, "--server", &c];
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
    let args = ["now", "--json", "--timeout", "300ms", "--server", "no-such-host.invalid", "--max-faulty", "0"];
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
    let args = ["now", "--count", "0", "--every", "1ms", "--server", &a, "--server", &b, "--server", &c];
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
    let (code, out, _) =
        run(&["sources", "--timeout", "1s", "--server", &a, "--server", &b, "--server", "no-such-host.invalid"]);
    assert_eq!(code, 0, "{out}");
    let row = |name: &str| out.lines().find(|line| line.starts_with(name)).unwrap_or_else(|| panic!("{out}"));
    assert!(row(&a).contains("agrees") && row(&b).contains("ms"));
    assert!(row("no-such-host.invalid").contains("silent") && row("no-such-host.invalid").contains("resolve"));
    assert!(out.contains("degraded"), "two of three answer: {out}");
}

#[test]
fn watch_without_a_terminal_prints_lines_and_writes_the_picture() {
    let [a, b, c] = three();
    let file = std::env::temp_dir().join(format!("sureclock-watch-{}.svg", std::process::id()));
    let args =
        ["watch", "--length", "1500ms", "--every", "20ms", "--server", &a, "--server", &b, "--server", &c, "--plot"];
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
    let args = ["watch", "--length", "100ms", "--server", "127.0.0.1:9", "--max-faulty", "0", "--plot", "/tmp/x.svg"];
    let (code, _, err) = run(&args);
    assert!(code == 1 && err.contains("no interval to draw"), "{code}: {err}");
    let [a, b, c] = three();
    let args = ["watch", "--length", "1s", "--server", &a, "--server", &b, "--server", &c, "--plot", "/no such/x.svg"];
    let (code, _, err) = run(&args);
    assert!(code == 1 && err.contains("/no such/x.svg"), "{code}: {err}");
}

#[test]
fn a_drift_is_fixed_or_learned_not_both() {
    let (code, _, err) = run(&["sources", "--drift-ppm", "15", "--wander-ppb", "1000", "--server", "127.0.0.1:9"]);
    assert!(code == 2 && err.contains("--wander-ppb"), "{code}: {err}");
    let args = ["sources", "--wander-ppb", "300000", "--max-faulty", "0", "--server", "127.0.0.1:9"];
    let (code, _, err) = run(&args);
    assert!(code == 2 && err.contains("drift"), "{code}: {err}");
}
