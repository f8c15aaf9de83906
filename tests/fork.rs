//! A forked child has no clock: an error at once, never an interval that nobody renews.
#![cfg(unix)]
#![allow(unsafe_code, reason = "fork is an unsafe call")]

use std::time::Duration;
use sureclock::register::{Register, Seen};
use sureclock::{Lease, LeaseError, LeaseForm, LeaseGrantor, LeaseRefused, LeaseState, NowError, SureClock, WaitError};

#[test]
fn a_forked_child_gets_an_error_and_the_parent_goes_on() {
    let (clock, _time) = SureClock::manual("2026-11-23T11:03:00Z ± 1 ms".parse().unwrap());
    let wait = clock.wait_until_after(clock.now().unwrap().latest());
    assert!(clock.now().is_ok(), "the twin: the parent has a clock");
    // By duration no synchronization is needed, so nothing but the fork stands against it.
    let term = Duration::from_secs(10);
    let mut grantor = LeaseGrantor::first_ever("leader".parse().unwrap(), LeaseForm::Duration, term);
    let mut lease = Lease::new("leader".parse().unwrap()).unwrap();
    let request = lease.request(&clock, term).unwrap();
    lease.granted(&clock, &grantor.grant(&clock, &request).unwrap()).unwrap();
    assert!(lease.state(&clock).is_held());
    let open = lease.request(&clock, term).unwrap();
    let late = grantor.grant(&clock, &open).unwrap();
    let mut idle = LeaseGrantor::first_ever("leader".parse().unwrap(), LeaseForm::Duration, term);
    let (mut register, written_at) = (Register::new(), clock.now().unwrap());
    register.write(1, &written_at, &Seen::nothing()).unwrap();
    // SAFETY: the child calls what takes no lock but that of the C library's heap, which is whole after a fork, and leaves by _exit.
    let child = unsafe { libc::fork() };
    assert!(child >= 0, "fork failed");
    if child == 0 {
        let forked = clock.now() == Err(NowError::Forked) && wait.wait() == Err(WaitError::Now(NowError::Forked));
        let holds_nothing = lease.state(&clock) == LeaseState::Indeterminate
            && lease.request(&clock, term) == Err(LeaseError::Forked)
            && lease.granted(&clock, &late) == Err(LeaseError::Forked);
        let grants_nothing = idle.grant(&clock, &request) == Err(LeaseRefused::NoCounter)
            && !idle.is_free(&clock)
            && !grantor.is_free(&clock);
        let gives_nothing_up = lease.release().is_none();
        // Its first write under a name of its own: under that of its parent it would be the second one. (The C library's heap may be used.)
        let writes = register.write(2, &written_at, &Seen::nothing()).is_ok();
        let under_its_own_name = writes && !format!("{:?}", register.state()).contains("number: 2");
        let forked = forked && holds_nothing && grants_nothing && gives_nothing_up && under_its_own_name;
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
