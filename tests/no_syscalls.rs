//! With the hardware counter the hot path makes no system call, nor beside a VM clock device: read
//! by a thread that is not allowed any.
#![cfg(target_os = "linux")]
#![allow(unsafe_code, reason = "seccomp is a system call without a safe wrapper")]

use std::os::unix::process::ExitStatusExt;
use std::process::Command;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, Instant};
use sureclock::{CounterChoice, SureClock, VmClockChoice};

#[path = "support/own_clock.rs"]
#[allow(dead_code, reason = "every test uses its part")]
mod own_clock;
#[path = "support/vm_clock.rs"]
#[allow(dead_code, reason = "it is not written here")]
mod vm_clock;

use vm_clock::Device;

const BROKEN: &str = "SURECLOCK_TEST_MAKES_A_CALL";

/// A clock over the hardware counter without a VM clock device and one with a file of its layout,
/// or why there are none.
fn clocks() -> Result<[SureClock; 2], sureclock::BuildError> {
    let device = Device::new();
    Ok([clock(VmClockChoice::Off)?, clock(VmClockChoice::Device(device.path().to_owned()))?])
}

fn clock(vm_clock: VmClockChoice) -> Result<SureClock, sureclock::BuildError> {
    let builder = own_clock::builder().counter(CounterChoice::Hardware).vm_clock(vm_clock);
    let (clock, own_loop) = own_clock::start(builder, Duration::from_millis(1))?;
    // Kept: a dropped loop is an error of every reading.
    std::mem::forget(own_loop);
    Ok(clock)
}

/// From now on this thread may end, and nothing else: the kernel kills the process for any other
/// call. (The strict mode of seccomp would not do: it forbids reading the TSC, too.)
fn forbid_system_calls() {
    const LOAD: u16 = (libc::BPF_LD | libc::BPF_W | libc::BPF_ABS) as u16;
    const JUMP_IF_EQUAL: u16 = (libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K) as u16;
    const RETURN: u16 = (libc::BPF_RET | libc::BPF_K) as u16;
    let step = |code, jt, jf, k| libc::sock_filter { code, jt, jf, k };
    let mut steps = [
        // The number of the call stands first.
        step(LOAD, 0, 0, 0),
        step(JUMP_IF_EQUAL, 0, 1, libc::SYS_exit as u32),
        step(RETURN, 0, 0, libc::SECCOMP_RET_ALLOW),
        step(RETURN, 0, 0, libc::SECCOMP_RET_KILL_PROCESS),
    ];
    let program = libc::sock_fprog { len: steps.len() as u16, filter: steps.as_mut_ptr() };
    // SAFETY: both calls concern this thread alone; the kernel copies the program, which lives
    // until then.
    let set = unsafe {
        libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0
            && libc::prctl(libc::PR_SET_SECCOMP, libc::SECCOMP_MODE_FILTER, &raw const program) == 0
    };
    assert!(set, "seccomp: {}", std::io::Error::last_os_error());
}

/// Answers of a thread that may make no system call.
fn answers_without_system_calls(clocks: [SureClock; 2], makes_a_call: bool) -> i64 {
    static ANSWERS: AtomicI64 = AtomicI64::new(-1);
    let t = clocks[1].now().expect("synchronized").earliest();
    std::thread::spawn(move || {
        let mut deadlines = [clocks[0].deadline(t), clocks[1].deadline(t)];
        forbid_system_calls();
        let mut answers = 0;
        for at in 0..1000 {
            let (clock, deadline) = (&clocks[at % 2], &mut deadlines[at % 2]);
            let reading = clock.monotonic();
            answers += i64::from(clock.now().is_ok() && clock.at(reading).is_ok());
            answers += i64::from(
                clock.after(t).is_ok() && clock.before(t).is_ok() && deadline.is_past().is_ok(),
            );
            answers += i64::from(clock.commit_timestamp().is_ok());
        }
        if makes_a_call {
            // SAFETY: no arguments, no memory.
            unsafe { libc::syscall(libc::SYS_getpid) };
        }
        ANSWERS.store(answers, Ordering::Release);
        // SAFETY: ends this thread, which holds nothing that anyone waits for. What it owns leaks.
        unsafe { libc::syscall(libc::SYS_exit, 0) };
    });
    let patience = Instant::now() + Duration::from_secs(60);
    while ANSWERS.load(Ordering::Acquire) < 0 && Instant::now() < patience {
        std::thread::sleep(Duration::from_millis(1));
    }
    ANSWERS.load(Ordering::Acquire)
}

#[test]
fn a_thread_without_system_calls_reads_the_clock() {
    match clocks() {
        Err(why) => println!("SKIPPED: {why}"),
        Ok(clocks) => assert_eq!(
            answers_without_system_calls(clocks, std::env::var_os(BROKEN).is_some()),
            3000
        ),
    }
}

/// The twin: one call, and the process is killed.
#[test]
fn a_system_call_would_be_seen() {
    if std::env::var_os(BROKEN).is_some() || clocks().is_err() {
        return;
    }
    let this = std::env::current_exe().expect("its own path");
    let mut command = Command::new(this);
    let name = "a_thread_without_system_calls_reads_the_clock";
    let output = command.args([name, "--exact"]).env(BROKEN, "1").output().expect("runs");
    assert_eq!(output.status.signal(), Some(libc::SIGSYS), "{output:?}");
}
