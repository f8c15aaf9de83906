//! What a synchronizer is built from: sources, failure domains and settings. None of it changes.

use crate::bound::leap::Leap;
use crate::counter::{Incarnation, VmClock};
use crate::source::ntp::ExchangeSettings;
use crate::time::Timescale;
use std::sync::Arc;
use std::time::Duration;

/// What a synchronizer is built from, beside the model of its counter. It is never changed.
#[derive(Debug)]
pub(crate) struct SynchronizerConfig {
    pub(crate) sources: Vec<SourceSetup>,
    pub(crate) domains: Vec<DomainSetup>,
    pub(crate) faulty: usize,
    pub(crate) incarnation: Arc<Incarnation>,
    pub(crate) counter_description: Arc<str>,
    pub(crate) vm_clock: VmClock,
    /// When readings become stale; `None`: every reading takes the long way, for it has more to
    /// look at.
    pub(crate) quick_max_age: Option<u64>,
    pub(crate) timescale: Timescale,
    /// A leap second that the user knows of.
    pub(crate) leap: Option<Leap>,
    pub(crate) exchange: ExchangeSettings,
    pub(crate) window: Duration,
    pub(crate) poll: Duration,
    /// Asks more often than that where the interval grows fast.
    pub(crate) adapts: bool,
    pub(crate) timeout: Duration,
    pub(crate) max_recovery: Duration,
    /// How far ahead of what was published a recovery may lie before a person decides.
    pub(crate) max_forward_jump: Duration,
    /// How long the driver sleeps at most.
    pub(crate) check_interval: Duration,
}

#[derive(Clone, Debug)]
pub(crate) struct SourceSetup {
    pub(crate) name: String,
    pub(crate) domain: usize,
}

#[derive(Clone, Debug)]
pub(crate) struct DomainSetup {
    pub(crate) name: String,
    pub(crate) trusted_whole: bool,
}
