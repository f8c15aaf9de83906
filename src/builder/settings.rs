//! The settings of a clock, their defaults and their ranges. The table in
//! [`Builder`](crate::Builder) has the reasons.

use super::BuildError;
use crate::bound::LeapAnnouncement;
use crate::clock::Limits;
use crate::counter::{CounterChoice, VmClockChoice};
use crate::source::ntp::ExchangeSettings;
use crate::time::{Drift, Timescale, Timestamp};
use std::path::PathBuf;
use std::time::Duration;

/// What a builder is told, except for sources and domains.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Settings {
    pub(super) faulty: Option<usize>,
    pub(super) drift: Drift,
    pub(super) timescale: Timescale,
    pub(super) counter: CounterChoice,
    pub(super) vm_clock: VmClockChoice,
    pub(super) exchange: ExchangeSettings,
    pub(super) poll: Duration,
    pub(super) adapts: bool,
    pub(super) timeout: Duration,
    pub(super) window: Duration,
    pub(super) max_age: Duration,
    pub(super) max_uncertainty: Duration,
    pub(super) leap_second: Option<(Timestamp, LeapAnnouncement)>,
    pub(super) max_floor_lead: Duration,
    pub(super) max_wait: Duration,
    pub(super) spin_budget: Duration,
    pub(super) max_recovery: Duration,
    pub(super) max_forward_jump: Duration,
    pub(super) mark_file: Option<PathBuf>,
    pub(super) check_interval: Duration,
    pub(super) suspend_check: bool,
}

impl Default for Settings {
    fn default() -> Settings {
        let limits = Limits::default();
        Settings {
            faulty: None,
            drift: Drift::default(),
            timescale: Timescale::Utc,
            counter: CounterChoice::Auto,
            vm_clock: VmClockChoice::Auto,
            exchange: ExchangeSettings::default(),
            poll: Duration::from_secs(16),
            adapts: true,
            timeout: Duration::from_secs(2),
            window: Duration::from_secs(1024),
            max_age: limits.max_age,
            max_uncertainty: limits.max_uncertainty,
            leap_second: None,
            max_floor_lead: limits.max_floor_lead,
            max_wait: limits.max_wait,
            spin_budget: limits.spin_budget,
            max_recovery: Duration::from_secs(2),
            max_forward_jump: Duration::from_secs(30 * 86_400),
            mark_file: None,
            check_interval: Duration::from_millis(100),
            suspend_check: false,
        }
    }
}

impl Settings {
    /// Whether each of them is within its range. `are_local`: every source is on this machine.
    ///
    /// # Errors
    ///
    /// [`BuildError::SettingOutOfRange`].
    pub(super) fn check(&self, are_local: bool) -> Result<(), BuildError> {
        let out = |setting, range| Err(BuildError::SettingOutOfRange { setting, range });
        let within =
            |value: Duration, least: Duration, most: Duration| least <= value && value <= most;
        let (ms, s) = (Duration::from_millis, Duration::from_secs);
        if self.drift.bound_ppb() > MAX_DRIFT_PPB {
            return out("drift", "at most 100 000 ppm");
        }
        if self.drift.wander_ppb().is_some_and(|wander| wander > self.drift.bound_ppb()) {
            return out("drift", "a wander of at most the bound that it is within");
        }
        if !within(self.poll, if are_local { ms(10) } else { s(1) }, s(3600)) {
            return out(
                "poll_interval",
                "1 s to 1 h, or from 10 ms where every server is a loopback address",
            );
        }
        if !within(self.timeout, ms(1), s(60)) {
            return out("timeout", "1 ms to 1 min");
        }
        if !within(self.window, s(1), s(86_400)) {
            return out("window", "1 s to 1 day");
        }
        if !within(self.max_age, ms(1), s(86_400 * 365)) {
            return out("max_age", "1 ms to 1 year");
        }
        if !within(self.max_uncertainty, Duration::from_nanos(1), s(86_400 * 365)) {
            return out("max_uncertainty", "1 ns to 1 year");
        }
        let is_midnight = |at: Timestamp| at.as_unix_nanos() % (86_400 * 1_000_000_000) == 0;
        if self
            .leap_second
            .is_some_and(|(at, _)| !is_midnight(at) || self.timescale != Timescale::Utc)
        {
            return out("leap_second", "a midnight of UTC, for a clock of UTC");
        }
        if !within(self.max_floor_lead, Duration::ZERO, s(86_400)) {
            return out("max_floor_lead", "at most 1 day");
        }
        if !within(self.max_wait, Duration::ZERO, s(86_400 * 365)) {
            return out("max_wait", "at most 1 year");
        }
        if !within(self.spin_budget, Duration::ZERO, ms(10)) {
            return out("spin_budget", "at most 10 ms");
        }
        if !within(self.max_recovery, Duration::ZERO, s(86_400)) {
            return out("max_recovery", "at most 1 day");
        }
        if !within(self.max_forward_jump, s(1), s(86_400 * 365 * 100)) {
            return out("max_forward_jump", "1 s to 100 years");
        }
        if !within(self.check_interval, ms(1), s(60)) {
            return out("check_interval", "1 ms to 1 min");
        }
        Ok(())
    }
}

/// The largest drift bound. Larger: no oscillator of a machine that works, and the arithmetic of
/// intervals of hours would leave its range sooner.
const MAX_DRIFT_PPB: u32 = 100_000_000;
