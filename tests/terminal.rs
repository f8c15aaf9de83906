//! `sureclock watch` in a terminal: whatever ends it, the terminal is what it was.
#![cfg(all(feature = "cli", target_os = "linux"))]

use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{LocalModes, tcgetattr};
use std::fs::{File, OpenOptions};
use std::io::Read;
use std::process::{Child, Command};
use std::time::{Duration, Instant};

const LONG: Duration = Duration::from_secs(30);

/// A terminal, and the command in it once it has made the terminal its own.
fn watch() -> (File, Child) {
    let master = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
    grantpt(&master).unwrap();
    unlockpt(&master).unwrap();
    let name = ptsname(&master, Vec::new()).unwrap();
    let terminal = OpenOptions::new().read(true).write(true).open(name.to_str().unwrap()).unwrap();
    assert!(is_cooked(&terminal));
    // Somebody must read what is drawn.
    std::thread::spawn(move || {
        let (mut screen, mut bytes) = (File::from(master), [0; 4096]);
        while screen.read(&mut bytes).is_ok_and(|n| n > 0) {}
    });
    let end = || terminal.try_clone().unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_sureclock"));
    command.args(["watch", "--server", "127.0.0.1:9", "--max-faulty", "0"]).env("TERM", "xterm");
    let child = command.stdin(end()).stdout(end()).stderr(end()).spawn().unwrap();
    let give_up = Instant::now() + LONG;
    while is_cooked(&terminal) {
        assert!(Instant::now() < give_up, "it does not draw");
        std::thread::sleep(Duration::from_millis(10));
    }
    (terminal, child)
}

fn is_cooked(terminal: &File) -> bool {
    tcgetattr(terminal).unwrap().local_modes.contains(LocalModes::ICANON | LocalModes::ECHO)
}

#[test]
fn a_signal_that_ends_it_leaves_the_terminal_as_it_was() {
    use rustix::process::{Pid, Signal, kill_process};
    for (signal, code) in [(Signal::TERM, 143), (Signal::HUP, 129), (Signal::INT, 130)] {
        let (terminal, mut child) = watch();
        kill_process(Pid::from_child(&child), signal).unwrap();
        assert_eq!(child.wait().unwrap().code(), Some(code));
        assert!(is_cooked(&terminal), "raw after {signal:?}");
    }
    // The twin: a process that cannot do anything about its end.
    let (terminal, mut child) = watch();
    kill_process(Pid::from_child(&child), Signal::KILL).unwrap();
    child.wait().unwrap();
    assert!(!is_cooked(&terminal), "the test would not see a raw terminal");
}
