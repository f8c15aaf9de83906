//! A forked child has no clock: an error at once, never an interval that nobody renews.
#![cfg(unix)]
#![allow(unsafe_code, reason = "fork is an unsafe call")]

use std::time::Duration;
use sureclock::{Lease, LeaseForm, LeaseGrantor, LeaseRefused, LeaseState, NowError, SureClock, WaitError};

#[test]
fn a_forked_child_gets_an_error_and_the_parent_goes_on() {
    let (clock, _time) = SureClock::manual("2026-11-23T11:03:00Z ± 1 ms".parse().unwrap());
    let wait = clock.wait_until_after(clock.now().unwrap().latest());
    assert!(clock.now().is_ok(), "the twin: the parent has a clock");
    // By duration no synchronization is needed, so nothing but the fork stands against it.
    let term = Duration::from_secs(10);
    let mut grantor = LeaseGrantor::first_ever(LeaseForm::Duration, term);
    let mut lease = Lease::new().unwrap();
    let request = lease.request(&clock, term);
    lease.granted(&clock, &grantor.grant(&clock, &request).unwrap()).unwrap();
    assert!(lease.state(&clock).is_held());
    let mut idle = LeaseGrantor::first_ever(LeaseForm::Duration, term);
    // SAFETY: the child calls what takes no lock and allocates nothing, and leaves by _exit.
    let child = unsafe { libc::fork() };
    assert!(child >= 0, "fork failed");
    if child == 0 {
        let forked = clock.now() == Err(NowError::Forked) && wait.wait() == Err(WaitError::Now(NowError::Forked));
        let holds_nothing = lease.state(&clock) == LeaseState::Indeterminate;
        let grants_nothing = idle.grant(&clock, &request) == Err(LeaseRefused::NoCounter) && !grantor.is_free(&clock);
        let forked = forked && holds_nothing && grants_nothing;
        // SAFETY: ends the child without running anything of the parent's.
        unsafe { libc::_exit(if forked { 7 } else { 1 }) }
    }
    let mut status = 0;
    // SAFETY: waits for the child made above, into a local.
    let waited = unsafe { libc::waitpid(child, &raw mut status, 0) };
    assert_eq!((waited, libc::WIFEXITED(status), libc::WEXITSTATUS(status)), (child, true, 7));
    assert!(clock.now().is_ok());
    assert!(lease.state(&clock).is_held());
    assert!(idle.grant(&clock, &request).is_ok());
}
