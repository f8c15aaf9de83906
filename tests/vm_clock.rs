//! A clock over real servers and a VM clock device: here a file that this test writes as a
//! hypervisor does.
#![cfg(all(target_os = "linux", any(target_arch = "x86_64", target_arch = "aarch64")))]

mod support;

use std::time::Duration;
use support::hostile::Hostile;
use support::vm_clock::{COUNTER_VALUE_AT, Device, GENERATION_AT, MARKER_AT};
use sureclock::{
    BuildError, DisruptionReason, Lease, LeaseForm, LeaseGrantor, LeaseState, NowError, SureClock,
    VmClockChoice, VmClockError, VmClockStatus,
};

const LONG_ENOUGH: Duration = Duration::from_secs(60);

fn choice(device: &Device) -> VmClockChoice {
    VmClockChoice::Device(device.path().to_owned())
}

fn servers() -> Vec<Hostile> {
    (0..3).map(|number| Hostile::start(|_, _| {}, number).unwrap()).collect()
}

fn clock(servers: &[Hostile], vm_clock: VmClockChoice) -> SureClock {
    let builder = SureClock::builder().vm_clock(vm_clock).poll_interval(Duration::from_millis(100));
    let builder =
        servers.iter().fold(builder, |builder, server| builder.ntp(server.addr().to_string()));
    let clock = builder.start().unwrap();
    clock.wait_synchronized(LONG_ENOUGH).unwrap();
    clock
}

#[test]
fn a_move_ends_everything_of_before_it_at_once_and_new_answers_end_the_error() {
    let (servers, mut device) = (servers(), Device::new());
    let clock = clock(&servers, choice(&device));
    assert!(matches!(clock.status().vm_clock, VmClockStatus::Read { .. }));
    let told = clock.now().unwrap();
    let (disruptions, reading) = (clock.status().counts.disruptions, clock.monotonic());
    let later = told.latest().checked_add(LONG_ENOUGH).unwrap();
    let (wait, mut deadline) = (clock.wait_until_after(later), clock.deadline(told.earliest()));
    assert_eq!((wait.check(), deadline.is_past()), (Ok(false), Ok(true)));

    device.update(MARKER_AT, 1);
    let (now, is_past) = (clock.now(), deadline.is_past());
    let elapsed = clock.elapsed(reading, clock.monotonic());
    // Unless this thread was held up so long that the clock has noted it and has new answers.
    if clock.status().counts.disruptions == disruptions {
        let restored = NowError::Disrupted { reason: DisruptionReason::Restored };
        assert_eq!((now, is_past, elapsed), (Err(restored), Err(restored), None));
    }
    assert!(wait.wait().is_err(), "it is not known whether the counter ran on");
    let found = clock.wait_synchronized(LONG_ENOUGH).unwrap();
    assert!(clock.status().counts.disruptions > disruptions);
    assert!(found.earliest() >= told.earliest(), "{found:#} after {told:#}");
    assert_eq!(clock.elapsed(reading, clock.monotonic()), None);
}

#[test]
fn updates_of_the_devices_own_time_are_no_disruption() {
    let (servers, mut device) = (servers(), Device::new());
    let clock = clock(&servers, choice(&device));
    let before = clock.status().counts.disruptions;
    for value in 0..2_000 {
        device.update(COUNTER_VALUE_AT, value);
        assert!(clock.now().is_ok());
    }
    assert_eq!(clock.status().counts.disruptions, before);
}

#[test]
fn a_copy_of_the_machine_ends_its_leases_though_its_counter_ran_on() {
    let (servers, mut device) = (servers(), Device::new());
    let clock = clock(&servers, choice(&device));
    let mut grantor =
        LeaseGrantor::first_ever("leader".parse().unwrap(), LeaseForm::Duration, LONG_ENOUGH);
    let mut lease = Lease::new("leader".parse().unwrap()).unwrap();
    let request = lease.request(&clock, LONG_ENOUGH).unwrap();
    lease.granted(&clock, &grantor.grant(&clock, &request).unwrap()).unwrap();
    assert!(lease.state(&clock).is_held());
    device.update(GENERATION_AT, 1);
    assert_eq!(lease.state(&clock), LeaseState::Indeterminate, "the other copy has it, too");
    clock.wait_synchronized(LONG_ENOUGH).unwrap();
    assert_eq!(lease.state(&clock), LeaseState::Indeterminate);
}

#[test]
fn a_device_that_was_asked_for_and_cannot_be_read_is_an_error_and_off_is_off() {
    let (servers, mut device) = (servers(), Device::new());
    let start = |choice| {
        let builder = SureClock::builder().vm_clock(choice);
        servers
            .iter()
            .fold(builder, |builder, server| builder.ntp(server.addr().to_string()))
            .start()
    };
    let missing =
        start(VmClockChoice::Device("/nonexistent/vmclock0".into())).map(|_| ()).unwrap_err();
    let problem =
        VmClockError::System(sureclock::OsError::from(std::io::Error::from_raw_os_error(2)));
    assert_eq!(missing, BuildError::VmClock { path: "/nonexistent/vmclock0".into(), problem });
    device.put(0, b"none");
    let wrong = start(choice(&device)).map(|_| ()).unwrap_err();
    assert!(wrong.to_string().ends_with("it is no VM clock"), "{wrong}");

    let clock = clock(&servers, VmClockChoice::Off);
    device.update(MARKER_AT, 1);
    assert!(clock.now().is_ok());
    assert!(matches!(clock.status().vm_clock, VmClockStatus::None { .. }));
}
