//! Simulated machines: what one is made of, and how it stands.

use super::driver::Driver;
use super::local::LocalClock;
use super::moment::Moment;
use super::oscillator::Oscillator;
use crate::bound::DisruptionReason;
use crate::builder::Builder;
use crate::commit::Deadline;
use crate::counter::{Counter, ManualCounter};
use crate::publish::Waiters;
use crate::sync::SharedSynchronizer;
use crate::time::{MonotonicTime, TickBounds, TickScale};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

/// A machine with a clock of its own: its oscillator, its counter, and how often its threads are
/// held up.
///
/// # Examples
///
/// ```
/// use std::time::Duration;
/// use sureclock::Drift;
/// use sureclock::sim::{Host, Oscillator};
///
/// let host = Host::named("east")
///     .oscillator(Oscillator::steady(-50_000))
///     .counter_hz(25_000_000)
///     .settings(|builder| {
///         builder.drift(Drift::fixed_ppm(50)).poll_interval(Duration::from_secs(4))
///     });
/// ```
pub struct Host {
    pub(super) name: String,
    pub(super) oscillator: Oscillator,
    scale: TickScale,
    nominal_error_ppb: i32,
    declared_error_ppb: u32,
    skew_ticks: u32,
    granularity: (u32, u32),
    calibrated: Option<(u32, i32)>,
    vm_clock: bool,
    starts_at: u64,
    asks: Option<Vec<Asks>>,
    trusted: Vec<String>,
    pub(super) stalls: Stalls,
    settings: Vec<Box<dyn FnOnce(Builder) -> Builder>>,
}

/// A source of a host.
#[derive(Clone)]
pub(super) struct Asks {
    pub(super) name: String,
    domain: Option<String>,
    /// Whose addresses the name stands for, in the resolver's order.
    pub(super) servers: Vec<String>,
}

impl Asks {
    fn one(server: String, domain: Option<String>) -> Asks {
        Asks { name: server.clone(), domain, servers: vec![server] }
    }
}

/// How often the sync thread of a host is held up between two of its steps.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Stalls {
    pub(super) ppm: u32,
    pub(super) longest: Duration,
}

impl Host {
    /// A machine that asks every server of the world: an exact oscillator, a counter of
    /// nanoseconds.
    #[must_use]
    pub fn named(name: impl Into<String>) -> Host {
        Host {
            name: name.into(),
            oscillator: Oscillator::default(),
            scale: TickScale::NANOSECOND,
            nominal_error_ppb: 0,
            declared_error_ppb: 0,
            skew_ticks: 0,
            granularity: (1, 1),
            calibrated: None,
            vm_clock: false,
            // An hour of uptime.
            starts_at: 3_600_000_000_000,
            asks: None,
            trusted: Vec::new(),
            stalls: Stalls::default(),
            settings: Vec::new(),
        }
    }

    /// How its local time runs.
    #[must_use]
    pub fn oscillator(self, oscillator: Oscillator) -> Host {
        Host { oscillator, ..self }
    }

    /// Ticks a second of local time, 100 (a tick of 10 ms) to 10^10.
    ///
    /// # Panics
    ///
    /// Outside of that.
    #[must_use]
    pub fn counter_hz(self, hz: u64) -> Host {
        assert!((100..=10_000_000_000).contains(&hz), "a counter of {hz} Hz");
        let ns_per_tick_2_40 =
            u64::try_from((1_000_000_000u128 << 40) / u128::from(hz)).expect("10 ms at most");
        Host { scale: TickScale { ns_per_tick_2_40 }, ..self }
    }

    /// What the counter shows at first.
    #[must_use]
    pub fn counter_starts_at(self, ticks: u64) -> Host {
        Host { starts_at: ticks, ..self }
    }

    /// The nominal length of a tick is wrong by `actual_ppb`, and declared to be so by
    /// `declared_ppb` at most: the share of the rate bound that the library adds to the drift
    /// bound.
    #[must_use]
    pub fn nominal_error(self, actual_ppb: i32, declared_ppb: u32) -> Host {
        Host { nominal_error_ppb: actual_ppb, declared_error_ppb: declared_ppb, ..self }
    }

    /// The counters of its cores differ by up to this many ticks; every look is on a random core.
    #[must_use]
    pub fn skew_ticks(self, ticks: u32) -> Host {
        Host { skew_ticks: ticks, ..self }
    }

    /// Its counter moves in steps of `actual` ticks, and is declared to move in steps of `declared`
    /// at most: a clock of nanoseconds over a slower one.
    #[must_use]
    pub fn granularity(self, actual_ticks: u32, declared_ticks: u32) -> Host {
        Host { granularity: (actual_ticks.max(1), declared_ticks.max(1)), ..self }
    }

    /// Its counter is that of the processor, calibrated against CLOCK_MONOTONIC_RAW, which runs by
    /// the same oscillator: what is certified of a tick at first is `within_ppb`, and what is
    /// frozen is off by `off_ppb`. The clock watches the two, and learns of the tick.
    ///
    /// # Panics
    ///
    /// If it is off by more than that.
    #[must_use]
    pub fn hardware_counter(self, within_ppb: u32, off_ppb: i32) -> Host {
        assert!(
            off_ppb.unsigned_abs() <= within_ppb && within_ppb < 100_000_000,
            "off by {off_ppb} of {within_ppb} ppb"
        );
        Host { calibrated: Some((within_ppb, off_ppb)), ..self }
    }

    /// It is a virtual machine with a VM clock device, which tells when it is
    /// [moved](crate::sim::World::move_machine) or [copied](crate::sim::World::copy_machine).
    #[must_use]
    pub fn vm_clock(self) -> Host {
        Host { vm_clock: true, ..self }
    }

    /// Asks this server, too; without such a call all servers of the world.
    #[must_use]
    pub fn asks(mut self, server: impl Into<String>) -> Host {
        self.asks.get_or_insert_default().push(Asks::one(server.into(), None));
        self
    }

    /// Asks this server, too, as a member of a failure domain.
    #[must_use]
    pub fn asks_in_domain(mut self, server: impl Into<String>, domain: impl Into<String>) -> Host {
        self.asks.get_or_insert_default().push(Asks::one(server.into(), Some(domain.into())));
        self
    }

    /// Trusts this failure domain whole: [`Domain::trusted_whole`](crate::Domain::trusted_whole).
    #[must_use]
    pub fn trusts_domain(mut self, domain: impl Into<String>) -> Host {
        self.trusted.push(domain.into());
        self
    }

    /// Asks by a name that stands for the addresses of all of these servers, in the resolver's
    /// order.
    #[must_use]
    pub fn asks_name<S: Into<String>>(
        mut self,
        name: impl Into<String>,
        servers: impl IntoIterator<Item = S>,
    ) -> Host {
        let servers = servers.into_iter().map(Into::into).collect();
        self.asks.get_or_insert_default().push(Asks { name: name.into(), domain: None, servers });
        self
    }

    /// Its sync thread is held up between two of its steps (a reading, a datagram, a publication, a
    /// wake) in `ppm` of a million cases, for up to `longest`.
    #[must_use]
    pub fn stalls(self, ppm: u32, longest: Duration) -> Host {
        Host { stalls: Stalls { ppm, longest }, ..self }
    }

    /// Settings of its clock. Sources are added by the world.
    #[must_use]
    pub fn settings(mut self, settings: impl FnOnce(Builder) -> Builder + 'static) -> Host {
        self.settings.push(Box::new(settings));
        self
    }

    /// What it is, for a story.
    pub(super) fn describe(&self) -> String {
        let tick_ps = (u128::from(self.scale.ns_per_tick_2_40) * 1000) >> 40;
        format!(
            "is a synchronizer with a tick of {tick_ps} ps, wrong by {} ppb of {} declared, cores {} ticks apart, steps of {} ticks of {} \
             declared, calibrated {:?}, a VM clock: {}; it runs by {:?}",
            self.nominal_error_ppb,
            self.declared_error_ppb,
            self.skew_ticks,
            self.granularity.0,
            self.granularity.1,
            self.calibrated,
            self.vm_clock,
            self.oscillator
        )
    }

    /// The builder of its clock, and its sources in the builder's order.
    pub(super) fn builder(&mut self, all: &[String]) -> (Builder, Vec<Asks>) {
        let all = || all.iter().map(|name| Asks::one(name.clone(), None)).collect();
        let (mut left, mut asks) = (self.asks.take().unwrap_or_else(all), Vec::new());
        let mut builder = Builder::new();
        while !left.is_empty() {
            // With the first of a domain all of it.
            let domain = left[0].domain.clone();
            let (members, rest): (Vec<Asks>, Vec<Asks>) = match &domain {
                Some(_) => left.into_iter().partition(|asks| asks.domain == domain),
                None => (vec![left.remove(0)], left),
            };
            builder = match domain {
                Some(name) => builder.domain(name.clone(), |all| {
                    let all = members.iter().fold(all, |all, asks| all.ntp(asks.name.clone()));
                    if self.trusted.contains(&name) { all.trusted_whole() } else { all }
                }),
                None => builder.ntp(members[0].name.clone()),
            };
            asks.extend(members);
            left = rest;
        }
        let builder = self.settings.drain(..).fold(builder, |builder, settings| settings(builder));
        (builder, asks)
    }

    pub(super) fn counter(&self) -> (Arc<ManualCounter>, Counter) {
        let (manual, counter) = self.counter_alone();
        (manual, if self.vm_clock { counter.with_vm_clock() } else { counter })
    }

    fn counter_alone(&self) -> (Arc<ManualCounter>, Counter) {
        let manual = ManualCounter::new(self.starts_at);
        let margin = u64::from(self.granularity.1) + u64::from(self.skew_ticks);
        let Some((within, off)) = self.calibrated else {
            return (
                Arc::clone(&manual),
                Counter::simulated(manual, self.scale, self.declared_error_ppb, margin),
            );
        };
        let p = i128::from(self.scale.ns_per_tick_2_40);
        let scaled = |ppb: i128| u64::try_from(p + p * ppb / 1_000_000_000).unwrap_or(u64::MAX);
        let frozen = TickScale { ns_per_tick_2_40: scaled(off.into()) };
        let (within, off) = (i128::from(within), i128::from(off));
        // A unit outward for the rounding.
        let tick = TickBounds {
            least_2_40: scaled(off - within) - 1,
            most_2_40: scaled(off + within) + 1,
        };
        let counter =
            Counter::simulated(Arc::clone(&manual), frozen, self.declared_error_ppb, margin);
        (manual, counter.with_second_clock(tick))
    }

    pub(super) fn local_clock(&self, now: Moment, dice: &mut super::Dice) -> LocalClock {
        let oscillator = self.oscillator.clone();
        LocalClock::new(oscillator, self.nominal_error_ppb, self.scale, self.starts_at, now, dice)
    }

    /// What its counter shows beside the truth: skew, and steps.
    pub(super) fn blur(&self) -> Blur {
        Blur { skew: self.skew_ticks, step: self.granularity.0 }
    }
}

/// A machine of a world.
pub(super) struct HostState {
    pub(super) name: String,
    pub(super) local: LocalClock,
    pub(super) manual: Arc<ManualCounter>,
    pub(super) counter: Counter,
    pub(super) blur: Blur,
    pub(super) synchronizer: Arc<SharedSynchronizer>,
    pub(super) waiters: Arc<Waiters>,
    /// The servers that the name of each source stands for.
    pub(super) servers: Vec<Vec<usize>>,
    /// Their addresses, as the clock was last told of them.
    pub(super) resolved: Vec<Vec<SocketAddr>>,
    pub(super) stalls: Stalls,
    pub(super) driver: Driver,
    /// Nothing on this machine runs before.
    pub(super) stopped_until: Moment,
    pub(super) wall: WallClock,
    pub(super) given: Given,
}

impl HostState {
    /// Why the clock is disrupted, if it is.
    pub(super) fn clock_says(&self) -> Option<DisruptionReason> {
        self.synchronizer.lock().disrupted()
    }
}

/// How a counter differs from an even flow of ticks.
#[derive(Clone, Copy, Debug)]
pub(super) struct Blur {
    pub(super) skew: u32,
    pub(super) step: u32,
}

/// What the laws remember of a clock.
#[derive(Debug, Default)]
pub(super) struct Given {
    pub(super) epoch: u32,
    pub(super) earliest_ns: Option<i64>,
    /// The same, as it was when the clock was last excused.
    pub(super) earliest_before_excuse_ns: Option<i64>,
    pub(super) synchronized: Option<bool>,
    /// A reading of before, with true time at it.
    pub(super) reading: Option<(MonotonicTime, Moment)>,
    /// Two such, for the time between them to be asked again later.
    pub(super) pair: Option<[(MonotonicTime, Moment); 2]>,
    /// A timestamp that `after` called past.
    pub(super) past_ns: Option<i64>,
    /// A deadline that has been asked before.
    pub(super) deadline: Option<Deadline>,
    /// The number of disruptions that has been noted.
    pub(super) incarnation: u32,
    /// Since when an assumption is broken that the clock has not noticed.
    pub(super) excused_since: Option<Moment>,
    /// How long the last such time was, and what ended it.
    pub(super) noticed: Option<(Duration, DisruptionReason)>,
}

/// The operating system's clock of a machine.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct WallClock {
    pub(super) ahead: Moment,
    /// It jumps ahead by so much and back again, each for so long.
    pub(super) strobe: Option<(Moment, Moment)>,
}

impl WallClock {
    pub(super) fn reads(&self, now: Moment) -> Moment {
        let strobed = match self.strobe {
            Some((by, every)) if (now.0 / every.0.max(1)) % 2 == 1 => by,
            _ => Moment::ZERO,
        };
        now + self.ahead + strobed
    }
}
