//! A program with a loop of its own that enters another time namespace: its counter jumps, and that
//! is noticed.
#![cfg(target_os = "linux")]
#![allow(unsafe_code, reason = "fork and namespaces are unsafe calls")]

use std::fs::File;
use std::os::fd::AsRawFd as _;
use std::time::Duration;
use sureclock::{CounterChoice, DisruptionReason, NowError, OwnLoop, SureClock};

#[path = "support/own_clock.rs"]
#[allow(dead_code, reason = "every test uses its part")]
mod own_clock;

/// A clock over RAW that is told the time once.
fn own_clock() -> (SureClock, OwnLoop) {
    own_clock::start(own_clock::builder().counter(CounterChoice::Raw), Duration::from_millis(1))
        .unwrap()
}

/// Moves this process of one thread into a namespace whose clocks are 5 s ahead. False where it may
/// not.
fn enter_a_time_namespace() -> bool {
    // SAFETY: changes the namespace of this process alone, a child made for the purpose.
    if unsafe { libc::unshare(libc::CLONE_NEWTIME) } != 0 {
        return false;
    }
    if std::fs::write("/proc/self/timens_offsets", "monotonic 5 0\nboottime 5 0\n").is_err() {
        return false;
    }
    let Ok(namespace) = File::open("/proc/self/ns/time_for_children") else { return false };
    // SAFETY: the descriptor is open, and the call takes no pointer.
    unsafe { libc::setns(namespace.as_raw_fd(), libc::CLONE_NEWTIME) == 0 }
}

const NOTICED: i32 = 7;
const NO_NAMESPACE: i32 = 9;

fn in_a_child() -> i32 {
    let (clock, own_loop) = own_clock();
    let _ = own_loop.next_ask();
    // The twin: without a new namespace nothing is disrupted.
    if clock.now().is_err() {
        return 1;
    }
    let before = clock.monotonic();
    if !enter_a_time_namespace() {
        return NO_NAMESPACE;
    }
    let jumped = clock
        .elapsed(before, clock.monotonic())
        .is_some_and(|elapsed| elapsed.at_least.as_secs() >= 4);
    let _ = own_loop.next_ask();
    let noticed =
        clock.now() == Err(NowError::Disrupted { reason: DisruptionReason::CounterJumped });
    if jumped && noticed { NOTICED } else { 2 }
}

#[test]
fn another_time_namespace_disrupts_a_clock_over_raw() {
    // SAFETY: the child has one thread, uses the C library's heap, which is whole after a fork, and
    // leaves by _exit.
    let child = unsafe { libc::fork() };
    assert!(child >= 0, "fork failed");
    if child == 0 {
        let code = in_a_child();
        // SAFETY: ends the child without running anything of the parent's.
        unsafe { libc::_exit(code) }
    }
    let mut status = 0;
    // SAFETY: waits for the child made above, into a local.
    let waited = unsafe { libc::waitpid(child, &raw mut status, 0) };
    assert!(waited == child && libc::WIFEXITED(status));
    match libc::WEXITSTATUS(status) {
        NO_NAMESPACE => println!(
            "SKIPPED another_time_namespace_disrupts_a_clock_over_raw: no right to make one"
        ),
        code => assert_eq!(code, NOTICED),
    }
}
