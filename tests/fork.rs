//! A forked child has no clock: an error at once, never an interval that nobody renews.
#![cfg(unix)]
#![allow(unsafe_code, reason = "fork is an unsafe call")]

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};
use sureclock::register::{Register, Seen};
use sureclock::{DisruptionReason, OwnLoop, Problem, SetTimeError, State};
use sureclock::{
    Lease, LeaseError, LeaseForm, LeaseGrantor, LeaseRefused, LeaseState, NowError, SureClock,
    WaitError,
};

#[test]
fn a_forked_child_gets_an_error_and_the_parent_goes_on() {
    let (clock, _time) = SureClock::manual("2026-11-23T11:03:00Z ± 1 ms".parse().unwrap());
    let wait = clock.wait_until_after(clock.now().unwrap().latest());
    assert!(clock.now().is_ok(), "the twin: the parent has a clock");
    // By duration no synchronization is needed, so nothing but the fork stands against it.
    let term = Duration::from_secs(10);
    let mut grantor =
        LeaseGrantor::first_ever("leader".parse().unwrap(), LeaseForm::Duration, term);
    let mut lease = Lease::new("leader".parse().unwrap()).unwrap();
    let request = lease.request(&clock, term).unwrap();
    lease.granted(&clock, &grantor.grant(&clock, &request).unwrap()).unwrap();
    assert!(lease.state(&clock).is_held());
    let open = lease.request(&clock, term).unwrap();
    let late = grantor.grant(&clock, &open).unwrap();
    let mut idle = LeaseGrantor::first_ever("leader".parse().unwrap(), LeaseForm::Duration, term);
    let (mut register, written_at) = (Register::new(), clock.now().unwrap());
    register.write(1, &written_at, &Seen::nothing()).unwrap();
    // SAFETY: the child calls what takes no lock but that of the C library's heap, which is whole
    // after a fork, and leaves by _exit.
    let child = unsafe { libc::fork() };
    assert!(child >= 0, "fork failed");
    if child == 0 {
        let forked = clock.now() == Err(NowError::Forked)
            && wait.wait() == Err(WaitError::Now(NowError::Forked));
        let holds_nothing = lease.state(&clock) == LeaseState::Indeterminate
            && lease.request(&clock, term) == Err(LeaseError::Forked)
            && lease.granted(&clock, &late) == Err(LeaseError::Forked);
        let grants_nothing = idle.grant(&clock, &request) == Err(LeaseRefused::Forked)
            && !idle.is_free(&clock)
            && !grantor.is_free(&clock);
        let gives_nothing_up = lease.release().is_none();
        // Its first write under a name of its own: under that of its parent it would be the second
        // one. (The C library's heap may be used.)
        let writes = register.write(2, &written_at, &Seen::nothing()).is_ok();
        let under_its_own_name = writes && !format!("{:?}", register.state()).contains("number: 2");
        let forked =
            forked && holds_nothing && grants_nothing && gives_nothing_up && under_its_own_name;
        // SAFETY: ends the child without running anything of the parent's.
        unsafe { libc::_exit(if forked { 7 } else { 1 }) }
    }
    let mut status = 0;
    // SAFETY: waits for the child made above, into a local.
    let waited = unsafe { libc::waitpid(child, &raw mut status, 0) };
    assert_eq!((waited, libc::WIFEXITED(status), libc::WEXITSTATUS(status)), (child, true, 7));
    assert!(clock.now().is_ok());
    assert!(lease.state(&clock).is_held());
    assert!(idle.is_free(&clock));
    assert!(lease.granted(&clock, &late).is_ok());
    assert!(lease.release().is_some());
    assert!(idle.grant(&clock, &request).is_ok());
    register.write(2, &written_at, &Seen::nothing()).unwrap();
    assert!(
        format!("{:?}", register.state()).contains("number: 2"),
        "the twin: the parent writes under the name it has"
    );
}

/// Forks while other threads are busy with the same things; the child must end by itself.
fn child_ends(in_child: impl FnOnce() -> bool) {
    // SAFETY: the child calls what takes no lock but that of the C library's heap, which is whole
    // after a fork, and leaves by _exit.
    let child = unsafe { libc::fork() };
    assert!(child >= 0, "fork failed");
    if child == 0 {
        let well = in_child();
        // SAFETY: ends the child without running anything of the parent's.
        unsafe { libc::_exit(if well { 7 } else { 1 }) }
    }
    let (mut status, give_up) = (0, Instant::now() + Duration::from_secs(30));
    loop {
        // SAFETY: asks for the child made above, into a local.
        let waited = unsafe { libc::waitpid(child, &raw mut status, libc::WNOHANG) };
        if waited == child {
            break;
        }
        if Instant::now() > give_up {
            // SAFETY: the child made above, which has not been waited for.
            unsafe { libc::kill(child, libc::SIGKILL) };
            panic!("the child hangs");
        }
        std::thread::sleep(Duration::from_millis(1));
    }
    assert_eq!((libc::WIFEXITED(status), libc::WEXITSTATUS(status)), (true, 7));
}

fn drop_in_place<T>(value: &mut std::mem::ManuallyDrop<T>) {
    // SAFETY: in a child that leaves by _exit: nobody uses the value afterwards.
    unsafe { std::mem::ManuallyDrop::drop(value) }
}

#[test]
fn a_forked_child_does_not_hang_on_an_own_loop_that_a_thread_was_using() {
    use std::mem::ManuallyDrop;
    let builder = || SureClock::builder().ntp("127.0.0.1:1").max_faulty(0);
    let (clock, own_loop) = builder().own_loop().unwrap();
    let ask = own_loop.next_ask().unwrap();
    // A second handle on the same things, to be dropped in the child.
    let (mut clock_there, mut loop_there) =
        (ManuallyDrop::new(clock.clone()), ManuallyDrop::new(own_loop));
    let far = SureClock::wall_time().assume_true().checked_add(Duration::from_secs(60)).unwrap();
    let mut wait_there = ManuallyDrop::new(clock.wait_until_after(far));
    let over = AtomicBool::new(false);
    let own_loop: &OwnLoop = unsafe_alias(&loop_there);
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                while !over.load(Ordering::Relaxed) {
                    let _ = (
                        clock.status(),
                        own_loop.wake_after(),
                        own_loop.awaits(ask.id),
                        own_loop.next_ask(),
                    );
                }
            });
        }
        for _ in 0..20 {
            child_ends(|| {
                let nothing = own_loop.next_ask().is_none() && !own_loop.awaits(ask.id);
                own_loop.failed(ask.id, Problem::Timeout);
                own_loop.disrupt(DisruptionReason::ByHand);
                own_loop.located(0, ([127, 0, 0, 1], 1).into());
                let dead = own_loop.wake_after() > Duration::from_secs(1)
                    && clock.status().state == State::Dead;
                let nothing_begun = !clock.start_new_epoch();
                drop_in_place(&mut wait_there);
                drop_in_place(&mut loop_there);
                drop_in_place(&mut clock_there);
                nothing && dead && nothing_begun
            });
        }
        over.store(true, Ordering::Relaxed);
    });
    assert!(clock.status().state != State::Dead, "the parent goes on");
}

/// The same loop for the threads, while the child drops its own copy of it.
fn unsafe_alias<'a>(own_loop: &std::mem::ManuallyDrop<OwnLoop>) -> &'a OwnLoop {
    let at: *const OwnLoop = &**own_loop;
    // SAFETY: the value is dropped only in children, which have a copy of the memory, and not used
    // there afterwards.
    unsafe { &*at }
}

#[test]
fn a_forked_child_may_drop_a_clock_with_a_thread_and_a_manual_one_and_the_parents_go_on() {
    use std::mem::ManuallyDrop;
    let (clock, time) = SureClock::manual("2026-11-23T11:03:00Z ± 1 ms".parse().unwrap());
    let with_thread = SureClock::builder().ntp("127.0.0.1:1").max_faulty(0).start().unwrap();
    let mut there = ManuallyDrop::new(with_thread.clone());
    let now = clock.now().unwrap();
    let over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !over.load(Ordering::Relaxed) {
                time.advance(Duration::from_nanos(1));
                let _ = (clock.status(), with_thread.status());
            }
        });
        for _ in 0..20 {
            child_ends(|| {
                time.advance(Duration::from_secs(1));
                time.age(Duration::from_secs(1));
                time.disrupt();
                let refused = time.set(now) == Err(SetTimeError::Forked);
                let dead = clock.status().state == State::Dead
                    && with_thread.status().state == State::Dead;
                drop_in_place(&mut there);
                refused && dead
            });
        }
        over.store(true, Ordering::Relaxed);
    });
    assert!(with_thread.status().state != State::Dead && clock.now().is_ok(), "the parents go on");
    drop_in_place(&mut there);
}
