//! `Builder`: sources, assumptions and limits of a clock, and the one table of defaults.

use crate::bound::LeapAnnouncement;
use crate::bound::leap::Leap;
use crate::bound::learned_rate::Wander;
use crate::clock::{Limits, Shared, SureClock};
use crate::commit::MarkFile;
use crate::counter::{Counter, CounterChoice, VmClock, VmClockChoice};
use crate::own_loop::OwnLoop;
use crate::publish::{Publication, Waiters, channel};
use crate::source::Source;
use crate::sync::{
    self, CounterModel, Kind, SharedSynchronizer, SourcePlan, Synchronizer, SynchronizerConfig,
};
use crate::time::{Drift, Timescale, Timestamp, compose};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

mod domain;
mod error;
mod server_name;
mod settings;

pub use domain::Domain;
use domain::{Named, grouped};
pub use error::BuildError;
use server_name::{is_loopback, parse_server};
use settings::Settings;

/// Collects sources and settings, and starts a clock.
///
/// # Defaults
///
/// | setting | default | reason | smaller | larger |
/// |---|---|---|---|---|
/// | [`max_faulty`](Builder::max_faulty) | floor((N-1)/2) of N domains | the most that can be wrong without moving the bound; 0 must be set explicitly | a liar wins sooner | refused: N < 2f+1 |
/// | [`drift`](Builder::drift) | learned, 2 ppm of wander within 200 ppm | [`Drift`] says why | wrong on a bad oscillator | grows faster between polls |
/// | [`poll_interval`](Builder::poll_interval) | 16 s | RFC 5905 MINPOLL, what public servers tolerate | impolite; refused below 1 s off loopback | grows wider between polls |
/// | [`timeout`](Builder::timeout) | 2 s | longer than any usable round trip | loses slow servers | a dead server is noticed later |
/// | [`window`](Builder::window) | 1024 s | the span in which at most f domains may supply a wrong fact | forgets the best exchanges | a server that was wrong once stays out longer |
/// | [`max_age`](Builder::max_age) | 1024 s | one window without an agreement: only (R), (W) and (C) carry the bound | errors during short outages | trusts the oscillator longer |
/// | [`max_uncertainty`](Builder::max_uncertainty) | 600 ms | beyond it no one can wait; an announced leap second alone is 500 ms, one announced of both kinds a second | errors sooner, and around leap seconds | commits may wait a second and more |
/// | [`leap_second`](Builder::leap_second) | none | sources announce one on its day | | a second of width around it |
/// | [`max_floor_lead`](Builder::max_floor_lead) | 1.5 s | a floor further ahead is a broken clock elsewhere; an honest one leads by up to twice `max_uncertainty` | refuses honest floors | commits wait that long |
/// | [`max_wait`](Builder::max_wait) | 60 s | a schema change is announced a minute ahead | refuses commits planned further ahead | a mistaken timestamp is waited for |
/// | [`spin_budget`](Builder::spin_budget) | 200 us | what a system at rest oversleeps by, twice over; a tenth of a wait of 2 ms | waits end late, by what the system oversleeps | more processor time a wait |
/// | [`max_recovery`](Builder::max_recovery) | 2 s | longer steps back are for a person to judge | asks sooner | status asks later |
/// | [`max_forward_jump`](Builder::max_forward_jump) | 30 days | no suspend is longer; a receiver whose week number rolls over is off by years | asks after shorter suspends | believes more |
/// | [`vm_clock`](Builder::vm_clock) | `/dev/vmclock0`, if it can be read | moves and restores of a virtual machine are seen at once | `Off`: they are seen at the next exchanges, and until then an interval may be wrong | |
/// | [`check_interval`](Builder::check_interval) | 100 ms | how late a suspend may be noticed | more wakes | suspends are noticed later |
pub struct Builder {
    sources: Vec<Configured>,
    /// The domains that were given a name.
    domains: Vec<Named>,
    settings: Settings,
}

struct Configured {
    name: String,
    kind: Kind,
}

impl Configured {
    fn ntp(server: String) -> Configured {
        Configured { name: server.clone(), kind: Kind::Ntp { server } }
    }

    fn custom(name: String, source: Box<dyn Source>) -> Configured {
        Configured { name, kind: Kind::Custom(source) }
    }
}

impl std::fmt::Debug for Configured {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.name.fmt(f)
    }
}

impl Builder {
    pub(crate) fn new() -> Builder {
        Builder { sources: Vec::new(), domains: Vec::new(), settings: Settings::default() }
    }

    /// Adds an NTP server: `host`, `host:port`, an address, or `[v6]:port`; port 123 by default. A
    /// failure domain of its own; servers that can be wrong together belong into one
    /// [`domain`](Builder::domain). Several addresses of one name are one source, asked one at a
    /// time.
    #[must_use]
    pub fn ntp(mut self, server: impl Into<String>) -> Builder {
        self.sources.push(Configured::ntp(server.into()));
        self
    }

    /// Adds a source of your own, on a thread of its own.
    #[must_use]
    pub fn source(mut self, name: impl Into<String>, source: impl Source + 'static) -> Builder {
        self.sources.push(Configured::custom(name.into(), Box::new(source)));
        self
    }

    /// Adds an NTP server asked through the rsntp crate, **assuming that the OS clock is neither
    /// stepped nor slewed by more than 1000 ppm during each exchange**: rsntp measures against the
    /// OS clock and hands over neither the stamps nor the root delay and dispersion. So
    /// `root_bound`, by how much that server may be wrong at most, is yours to state.
    ///
    /// A clock with such a source is not protected against steps of the OS clock. Prefer
    /// [`ntp`](Builder::ntp).
    #[cfg(feature = "rsntp")]
    #[must_use]
    pub fn rsntp_assuming_steady_os_clock(
        self,
        host: impl Into<String>,
        root_bound: Duration,
    ) -> Builder {
        let host = host.into();
        let source = crate::source::RsntpSource::new(host.clone(), root_bound);
        self.source(host, source)
    }

    /// Adds sources that can be wrong together: they are one failure domain, and count once.
    /// Servers of one operator, one reference or one site belong into one domain; strictly, so do
    /// all plain NTP servers behind one unauthenticated path.
    ///
    /// What is in the closure is in the domain, and nothing else; no order of calls means something
    /// else.
    ///
    /// # Errors
    ///
    /// Of [`start`](Builder::start): [`BuildError::EmptyDomain`], [`BuildError::DomainGivenTwice`],
    /// [`BuildError::HostInTwoDomains`].
    ///
    /// # Examples
    ///
    /// Four servers of three operators, one of which may be wrong:
    ///
    /// ```
    /// # use sureclock::SureClock;
    /// let builder = SureClock::builder()
    ///     .domain("operator one", |domain| domain.ntp("a.one.example").ntp("b.one.example"))
    ///     .ntp("a.two.example")
    ///     .ntp("a.three.example");
    /// ```
    #[must_use]
    pub fn domain(
        mut self,
        name: impl Into<String>,
        members: impl FnOnce(Domain) -> Domain,
    ) -> Builder {
        let (sources, trusted_whole) = members(Domain::default()).into_parts();
        let begin = self.sources.len();
        self.sources.extend(sources);
        self.domains.push(Named {
            name: name.into(),
            members: begin..self.sources.len(),
            trusted_whole,
        });
        self
    }

    /// f: how many failure domains may be wrong at once, within one window. Fixed for the life of
    /// the clock. Default: floor((N-1)/2) of N domains; with fewer than three domains
    /// [`start`](Builder::start) is an error unless you set 0 here.
    #[must_use]
    pub fn max_faulty(mut self, faulty: usize) -> Builder {
        self.settings.faulty = Some(faulty);
        self
    }

    /// The drift bound of this machine's oscillator, assumption (R), and whether its rate is
    /// learned, assumption (W).
    #[must_use]
    pub fn drift(mut self, drift: Drift) -> Builder {
        self.settings.drift = drift;
        self
    }

    /// The timescale of all sources and of every answer.
    #[must_use]
    pub fn timescale(mut self, timescale: Timescale) -> Builder {
        self.settings.timescale = timescale;
        self
    }

    /// Which local counter is read.
    #[must_use]
    pub fn counter(mut self, choice: CounterChoice) -> Builder {
        self.settings.counter = choice;
        self
    }

    /// The VM clock device that tells when this virtual machine was moved to another host or
    /// restored from a snapshot, or copied. By default `/dev/vmclock0`, if there is one and this
    /// process may read it (often only root may: the [`status`](SureClock::status) says whether it
    /// is read). With the device, the first reading after a move or restore is an error, never an
    /// answer from old facts. A copy whose counter ran on is noticed by the next wait, by the next
    /// lease check, or within [`check_interval`](Builder::check_interval). Without it the next
    /// answers of the sources show a move, and until then an interval may be wrong. It costs a
    /// reading two loads.
    ///
    /// **Assumed of the hypervisor**: it has begun to write a new marker before the machine runs
    /// again, and repeats none. A pause of which it writes nothing is none to it, and where the
    /// counter stood still meanwhile it is seen as without a device. The rate bound (R) has to hold
    /// on the new host, too, by the frequency that the kernel measured at its start.
    ///
    /// Where the hardware counter is read, its cores are compared anew after a move, and its tick;
    /// until that has succeeded, on a busy machine with many cores after seconds, there is no
    /// answer. A reading in the middle of an update waits for its end, for 20 ms or so.
    ///
    /// # References
    ///
    /// UAPI.13, VMClock 1.0. Linux has a driver for it since 6.13.
    #[must_use]
    pub fn vm_clock(mut self, choice: VmClockChoice) -> Builder {
        self.settings.vm_clock = choice;
        self
    }

    /// Charges 15 ppm of the age of each server's reference timestamp, for servers that do not age
    /// their root dispersion.
    #[must_use]
    pub fn assume_unaged_root_dispersion(mut self) -> Builder {
        self.settings.exchange.assume_unaged_root_dispersion = true;
        self
    }

    /// Takes root delay and root dispersion of every server as they are on the wire, **assuming
    /// that every server rounds both up**, as chrony does; else 23 us are charged for the rest that
    /// may have been cut off, as ntpd-rs does. For paths of less than a millisecond.
    #[must_use]
    pub fn assume_root_fields_rounded_up(mut self) -> Builder {
        self.settings.exchange.assume_root_fields_rounded_up = true;
        self
    }

    /// How long between two questions to a source that answers, at most: 1 s to 1 h; from 10 ms
    /// where every server is a loopback address. Three questions 4 s apart begin a start and follow
    /// a disruption, and [`adapt_poll_interval`](Builder::adapt_poll_interval) may ask more often.
    /// Never more than four times in 16 s, unless this interval itself is shorter than that.
    ///
    /// Keep it well below [`window`](Builder::window) and [`max_age`](Builder::max_age): after
    /// three poll intervals without an answer the clock is in holdover, and after `max_age`
    /// readings are errors.
    #[must_use]
    pub fn poll_interval(mut self, interval: Duration) -> Builder {
        self.settings.poll = interval;
        self
    }

    /// Whether a source is asked more often than once in [`poll_interval`](Builder::poll_interval)
    /// while the uncertainty would grow by more than a hundredth of itself in between: three times
    /// in 16 s at most. True by default. Of little use with short poll intervals, or once a rate is
    /// learned.
    #[must_use]
    pub fn adapt_poll_interval(mut self, adapt: bool) -> Builder {
        self.settings.adapts = adapt;
        self
    }

    /// How long an answer may take: 1 ms to 1 min.
    #[must_use]
    pub fn timeout(mut self, timeout: Duration) -> Builder {
        self.settings.timeout = timeout;
        self
    }

    /// How long a fact is used, and the span of assumption (S): 1 s to 1 day. Where the rate is
    /// learned, assumption (W) has to hold for five windows.
    #[must_use]
    pub fn window(mut self, window: Duration) -> Builder {
        self.settings.window = window;
        self
    }

    /// Readings, and so commit and read timestamps, are an error when the last agreement of f+1
    /// domains is older. `after`, `before`, `elapsed` and waits go on.
    #[must_use]
    pub fn max_age(mut self, age: Duration) -> Builder {
        self.settings.max_age = age;
        self
    }

    /// Readings, and so commit and read timestamps, are an error when the uncertainty is larger.
    /// `after`, `before`, `elapsed` and waits go on.
    #[must_use]
    pub fn max_uncertainty(mut self, uncertainty: Duration) -> Builder {
        self.settings.max_uncertainty = uncertainty;
        self
    }

    /// A leap second that you know of, at the end of the UTC day that `midnight` ends: as if a
    /// source had announced it, for where none of your servers does. One at a time. Around it the
    /// interval is a second wider, whether it comes or not; `None` is no announcement.
    ///
    /// ```
    /// use sureclock::{LeapAnnouncement, SureClock};
    ///
    /// let midnight = "2029-01-01T00:00:00Z".parse()?;
    /// let builder = SureClock::builder().leap_second(midnight, LeapAnnouncement::Insert);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn leap_second(mut self, midnight: Timestamp, announcement: LeapAnnouncement) -> Builder {
        self.settings.leap_second = Some((midnight, announcement));
        self
    }

    /// How far a floor given to [`commit_timestamp_above`](SureClock::commit_timestamp_above) may
    /// be beyond `latest`.
    #[must_use]
    pub fn max_floor_lead(mut self, lead: Duration) -> Builder {
        self.settings.max_floor_lead = lead;
        self
    }

    /// How far ahead of `latest` a timestamp given to
    /// [`commit_timestamp_at`](SureClock::commit_timestamp_at) may be: at most 1 year.
    #[must_use]
    pub fn max_wait(mut self, wait: Duration) -> Builder {
        self.settings.max_wait = wait;
        self
    }

    /// How much processor time a commit wait may cost beyond sleeping: at most 10 ms. The system
    /// ends a sleep late, by tens of microseconds at best; so a wait sleeps until shortly before
    /// its end, as it has learned, and spins for the rest, for this long at most.
    /// [`Duration::ZERO`]: it never spins, and ends late by what the system oversleeps. The thread
    /// that wakes futures does the same, so where timestamps follow closer on each other than that,
    /// it takes a whole processor. It wakes them 5 us early, and one that is polled with less than
    /// 10 us left spins for that in the poll, for 20 us at most. On Linux a blocking wait sets the
    /// timer slack of its thread to the least and back.
    #[must_use]
    pub fn spin_budget(mut self, budget: Duration) -> Builder {
        self.settings.spin_budget = budget;
        self
    }

    /// Keeps the highest timestamp given out in this file, so that after a restart, however the
    /// process ended, nothing at or below an earlier commit or read timestamp is given out as a
    /// commit timestamp. [`start_new_epoch`](SureClock::start_new_epoch) ends this promise: the new
    /// epoch's first timestamp overwrites the file, perhaps with a lower value.
    ///
    /// By default nothing is kept: a service that recovers the highest timestamp from its log says
    /// so by [`forbid_commits_up_to`](SureClock::forbid_commits_up_to), which knows nothing of read
    /// timestamps. Timestamps of [`commit_timestamp_at`](SureClock::commit_timestamp_at) are not in
    /// the file.
    ///
    /// # Blocking
    ///
    /// Timestamps are reserved 100 ms ahead. The commit that comes first in each such span writes
    /// and syncs the file, **on its caller's thread**, for as long as the disk takes; calls beside
    /// it wait. In an async worker, or where that is too long, let another thread call
    /// [`keep_mark_ahead`](SureClock::keep_mark_ahead).
    ///
    /// # After a restart
    ///
    /// A clock that restarts within the span gives out timestamps ahead of its `latest`: by up to
    /// 100 ms, plus what its interval has narrowed since. Where that is more than
    /// [`max_floor_lead`](Builder::max_floor_lead), commits are refused until it is not. A mark
    /// that lies so far in the future that nobody can wait for it is
    /// [reset](crate::HighWaterMark::reset) by a person, with `sureclock mark reset`.
    ///
    /// # The files
    ///
    /// The mark, a lock beside it (`.lock` added), for moments a new mark (`.new`), and after a
    /// reset the old ones (`.before-1` and so on). On Unix they are made for this user alone (mode
    /// 0600), and taken only as regular files of this user with one name: a symbolic link, a pipe,
    /// a device, a hard link or another user's file is an error of [`start`](Builder::start).
    /// Elsewhere only the rights on the directory protect them. It is also an error if the
    /// mark is damaged, of another timescale, or in use by another clock. Links among the
    /// directories are followed once, at the start.
    ///
    /// **If there is no file, this counts as a first start, and nothing warns you.** Keep the mark
    /// on a volume that survives restarts, where only the service may write: who may write to the
    /// directory can delete the mark, and so make the clock forget it.
    ///
    /// If the lock is removed or replaced while the clock runs, commits are
    /// [`MarkNotWritten`](crate::CommitError::MarkNotWritten) from the next write on, since a
    /// second clock may have started. A copy of the file is another mark; give each clock its own.
    /// On network file systems it is only as good as their locks and syncs.
    #[must_use]
    pub fn mark_file(mut self, path: impl Into<PathBuf>) -> Builder {
        self.settings.mark_file = Some(path.into());
        self
    }

    /// How far a recovery may lie below what was published before the status asks for the caller's
    /// decision.
    #[must_use]
    pub fn max_recovery(mut self, recovery: Duration) -> Builder {
        self.settings.max_recovery = recovery;
        self
    }

    /// How far ahead of what was published a recovery may lie before the status asks for the
    /// caller's decision, beyond what the local counter says has passed: 1 s to 100 years, 30 days
    /// by default. It keeps a wrong year, or a wrong century, from being believed and stored. A
    /// machine that stood still for longer (a snapshot that is restored) asks, too:
    /// [`start_new_epoch`](SureClock::start_new_epoch).
    #[must_use]
    pub fn max_forward_jump(mut self, jump: Duration) -> Builder {
        self.settings.max_forward_jump = jump;
        self
    }

    /// How often the sync thread looks whether the counter ran on (suspends, the hardware counter
    /// against RAW, the kernel's clock source): 1 ms to 1 min of running time.
    #[must_use]
    pub fn check_interval(mut self, interval: Duration) -> Builder {
        self.settings.check_interval = interval;
        self
    }

    /// Looks for a suspend in every reading, not only at `check_interval`: a suspend that the
    /// platform can measure is then never overlooked by `now`, `at`, `after`, `before`, timestamps
    /// and deadlines. Costs three more readings of the OS's clocks each, through the vDSO on Linux,
    /// and the quick way of readings: about three times the price. Does nothing where the system
    /// does not tell of suspends: elsewhere than on Linux, Android, macOS, iOS and Windows.
    #[must_use]
    pub fn suspend_check(mut self, every_reading: bool) -> Builder {
        self.settings.suspend_check = every_reading;
        self
    }

    /// Starts the clock and its sync thread. All sources are asked at once; the clock has no answer
    /// until enough of them agree: [`wait_synchronized`](SureClock::wait_synchronized).
    ///
    /// # Errors
    ///
    /// [`BuildError`], before anything is sent.
    pub fn start(self) -> Result<SureClock, BuildError> {
        let counter = self.choose_counter()?;
        let check_interval = self.settings.check_interval;
        let (shared, synchronizer, plans) = self.assemble(counter)?;
        let counter = shared.counter.clone();
        let driver = sync::start(Arc::clone(&synchronizer), counter, plans, check_interval)
            .map_err(|error| BuildError::System(error.into()))?;
        Ok(SureClock::synced(shared, synchronizer, Some(driver)))
    }

    /// The clock and the synchronizer behind it, for a loop of your own: no thread is left running
    /// (the first clock of a process compares the counters of the cores, with short-lived threads)
    /// and nothing is sent.
    ///
    /// # Errors
    ///
    /// [`BuildError`]; [`BuildError::NeedsThread`] if a [`source`](Builder::source) was added.
    pub fn own_loop(self) -> Result<(SureClock, OwnLoop), BuildError> {
        if let Some(source) =
            self.sources.iter().find(|source| matches!(source.kind, Kind::Custom(_)))
        {
            return Err(BuildError::NeedsThread { name: source.name.clone() });
        }
        let counter = self.choose_counter()?;
        let (clock, synchronizer) = self.synchronizer_over(counter.clone())?;
        Ok((clock, OwnLoop::new(synchronizer, counter)))
    }

    /// The clock and its synchronizer over a given counter.
    pub(crate) fn synchronizer_over(
        self,
        counter: Counter,
    ) -> Result<(SureClock, Arc<SharedSynchronizer>), BuildError> {
        let (shared, synchronizer, _) = self.assemble(counter)?;
        Ok((SureClock::synced(shared, Arc::clone(&synchronizer), None), synchronizer))
    }

    #[cfg(feature = "sim")]
    pub(crate) fn check_interval_in_force(&self) -> Duration {
        self.settings.check_interval
    }

    fn assemble(
        mut self,
        counter: Counter,
    ) -> Result<(Shared, Arc<SharedSynchronizer>, Vec<SourcePlan>), BuildError> {
        if self.sources.is_empty() {
            return Err(BuildError::NoSources);
        }
        let are_local = self.sources.iter().all(|source| match &source.kind {
            Kind::Ntp { server } => {
                parse_server(server).is_some_and(|(host, _)| is_loopback(&host))
            }
            Kind::Custom(_) => true,
        });
        self.settings.check(are_local)?;
        for source in &mut self.sources {
            let parsed = parse_server(&source.name);
            if let Kind::Ntp { server } = &mut source.kind {
                let (_, with_port) =
                    parsed.as_ref().ok_or(BuildError::BadServerName { name: server.clone() })?;
                server.clone_from(with_port);
            }
            // A source that is not asked by us may be named after its host: that name is believed,
            // too.
            let host = parsed.map_or(String::new(), |(host, _)| host);
            if let Some(serves) =
                Timescale::known_for(&host).filter(|serves| *serves != self.settings.timescale)
            {
                return Err(BuildError::MixedTimescales {
                    name: host,
                    serves,
                    clock: self.settings.timescale,
                });
            }
        }
        let (sources, domains) = grouped(&self.sources, &self.domains)?;
        let faulty = check_faulty(domains.len(), self.settings.faulty)?;

        let errors = [
            self.settings.drift.bound_ppb(),
            counter.rate_error_ppb(),
            self.settings.timescale.rate_ppb(),
        ];
        let out_of_range =
            BuildError::SettingOutOfRange { setting: "drift", range: "at most 100 000 ppm" };
        let rate = compose(&errors).ok_or(out_of_range.clone())?;
        let wander = self.settings.drift.wander_ppb().filter(|_| counter.keeps_its_rate()).map(
            |wander_ppb| Wander {
                // A smear that begins or ends is a change of the rate, too.
                ppb: wander_ppb.saturating_add(self.settings.timescale.rate_ppb()),
                base: counter.scale().ticks(self.settings.window.saturating_mul(WINDOWS_OF_A_BASE)),
                valid_for: counter.scale().ticks(self.settings.window),
            },
        );

        let model = CounterModel::new(&counter, rate, wander).ok_or(out_of_range)?;

        let (publisher, cell) = channel(Publication::start(model.wide()).encode(None));
        let waiters = Arc::new(Waiters::default());
        let now = counter.read();
        let config = SynchronizerConfig {
            sources,
            domains,
            faulty,
            incarnation: Arc::clone(counter.incarnation()),
            counter_description: Arc::clone(counter.describe()),
            vm_clock: counter.vm_clock().clone(),
            quick_max_age: (!self.settings.suspend_check)
                .then(|| counter.scale().ticks(self.settings.max_age)),
            timescale: self.settings.timescale,
            leap: self
                .settings
                .leap_second
                .and_then(|(midnight, kind)| Leap::announced(midnight.as_unix_nanos(), kind)),
            exchange: self.settings.exchange,
            window: self.settings.window,
            poll: self.settings.poll,
            adapts: self.settings.adapts,
            timeout: self.settings.timeout,
            max_recovery: self.settings.max_recovery,
            max_forward_jump: self.settings.max_forward_jump,
            check_interval: self.settings.check_interval,
        };
        let synchronizer = Synchronizer::new(config, model, publisher, now);
        let limits = Limits {
            max_age: self.settings.max_age,
            max_uncertainty: self.settings.max_uncertainty,
            max_floor_lead: self.settings.max_floor_lead,
            max_wait: self.settings.max_wait,
            spin_budget: self.settings.spin_budget,
        };
        let plans =
            self.sources.into_iter().map(|source| SourcePlan { kind: source.kind }).collect();
        let synchronizer =
            Arc::new(SharedSynchronizer::new(synchronizer, &counter, Arc::clone(&waiters)));
        let suspends = self.settings.suspend_check.then(|| synchronizer.suspends());
        let mut shared =
            Shared::new(counter, cell, waiters, limits, self.settings.timescale, suspends);
        if let Some(path) = self.settings.mark_file {
            let (mark, before) =
                MarkFile::open(&path, self.settings.timescale).map_err(|problem| {
                    BuildError::MarkFile { path: path.display().to_string(), problem }
                })?;
            before.into_iter().for_each(|ns| shared.given_out.of(0).mark.raise(ns));
            shared.mark = Some(mark);
        }
        Ok((shared, synchronizer, plans))
    }

    fn choose_counter(&self) -> Result<Counter, BuildError> {
        let vm_clock = VmClock::open(&self.settings.vm_clock).map_err(|(path, problem)| {
            BuildError::VmClock { path: path.display().to_string(), problem }
        })?;
        Counter::choose(self.settings.counter, vm_clock)
            .map_err(|why| BuildError::CounterUnavailable { why })
    }

    #[cfg(all(test, not(sureclock_loom)))]
    fn settings(&self) -> &Settings {
        &self.settings
    }
}

impl std::fmt::Debug for Builder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Builder")
            .field("sources", &self.sources)
            .field("domains", &self.domains)
            .field("max_faulty", &self.settings.faulty)
            .finish_non_exhaustive()
    }
}

fn check_faulty(domains: usize, faulty: Option<usize>) -> Result<usize, BuildError> {
    match faulty {
        None if domains < 3 => Err(BuildError::NoFaultTolerance { domains }),
        None => Ok((domains - 1) / 2),
        Some(faulty) if faulty > (domains - 1) / 2 => {
            Err(BuildError::TooFewDomains { domains, faulty })
        }
        Some(faulty) => Ok(faulty),
    }
}

/// A learned rate is the mean over so many windows at most. Fewer: less is certified over slow
/// paths, where an interval of 10 ms at both ends is 10 ppm after an hour. More: the wander must be
/// kept for longer.
const WINDOWS_OF_A_BASE: u32 = 4;

#[cfg(all(test, not(sureclock_loom)))]
mod tests {
    use super::*;

    fn three() -> Builder {
        Builder::new().ntp("127.0.0.1:11").ntp("127.0.0.1:12").ntp("127.0.0.1:13")
    }

    #[test]
    #[cfg_attr(miri, ignore = "of the system's clocks")]
    fn f_needs_2f_plus_1_domains_and_zero_must_be_written() {
        assert_eq!(check_faulty(1, None), Err(BuildError::NoFaultTolerance { domains: 1 }));
        assert_eq!(check_faulty(2, None), Err(BuildError::NoFaultTolerance { domains: 2 }));
        assert_eq!([3, 4, 5].map(|n| check_faulty(n, None)), [Ok(1), Ok(1), Ok(2)]);
        assert_eq!(check_faulty(1, Some(0)), Ok(0));
        assert_eq!(
            check_faulty(2, Some(1)),
            Err(BuildError::TooFewDomains { domains: 2, faulty: 1 })
        );
        assert_eq!(
            check_faulty(3, Some(usize::MAX)),
            Err(BuildError::TooFewDomains { domains: 3, faulty: usize::MAX })
        );
        let same =
            Builder::new().domain("x", |d| d.ntp("127.0.0.1:1").ntp("127.0.0.1:2")).own_loop();
        assert_eq!(same.map(|_| ()), Err(BuildError::NoFaultTolerance { domains: 1 }));
    }

    #[test]
    #[cfg_attr(miri, ignore = "of the system's clocks")]
    fn bad_settings_are_typed_errors() {
        let fails = |builder: Builder| builder.own_loop().map(|_| ()).unwrap_err();
        let setting = |builder| match fails(builder) {
            BuildError::SettingOutOfRange { setting, .. } => setting,
            other => panic!("{other}"),
        };
        assert_eq!(fails(Builder::new()), BuildError::NoSources);
        assert_eq!(setting(three().drift(Drift::fixed_ppm(100_001))), "drift");
        assert_eq!(setting(three().drift(Drift::fixed_ppm(u32::MAX))), "drift");
        assert_eq!(setting(three().drift(Drift::learned_ppm(201))), "drift");
        assert_eq!(setting(three().drift(Drift::learned_ppm(2).within_ppm(1))), "drift");
        assert_eq!(setting(three().poll_interval(Duration::ZERO)), "poll_interval");
        assert_eq!(
            setting(three().ntp("192.0.2.1").poll_interval(Duration::from_millis(999))),
            "poll_interval"
        );
        assert_eq!(setting(three().timeout(Duration::ZERO)), "timeout");
        assert_eq!(setting(three().window(Duration::MAX)), "window");
        assert_eq!(setting(three().max_age(Duration::ZERO)), "max_age");
        assert_eq!(setting(three().max_uncertainty(Duration::ZERO)), "max_uncertainty");
        let (midnight, late) = (Timestamp::from_unix_nanos(0), Timestamp::from_unix_nanos(1));
        assert_eq!(setting(three().leap_second(late, LeapAnnouncement::Insert)), "leap_second");
        let smeared =
            three().timescale(Timescale::Smear24h).leap_second(midnight, LeapAnnouncement::Insert);
        assert_eq!(setting(smeared), "leap_second");
        assert_eq!(setting(three().max_floor_lead(Duration::MAX)), "max_floor_lead");
        assert_eq!(setting(three().max_recovery(Duration::MAX)), "max_recovery");
        assert_eq!(setting(three().max_forward_jump(Duration::ZERO)), "max_forward_jump");
        assert_eq!(setting(three().max_wait(Duration::MAX)), "max_wait");
        assert_eq!(setting(three().spin_budget(Duration::from_secs(1))), "spin_budget");
        assert_eq!(setting(three().check_interval(Duration::ZERO)), "check_interval");
        for name in ["", "a b", "host:0", "host:99999", "host:", "a..b", "http://x"] {
            assert!(
                matches!(fails(three().ntp(name)), BuildError::BadServerName { .. }),
                "{name:?}"
            );
        }
        let mixed = fails(three().ntp("time.google.com"));
        assert!(matches!(mixed, BuildError::MixedTimescales { serves: Timescale::Smear24h, .. }));
        struct Named;
        impl Source for Named {
            fn exchange(
                &mut self,
                _: &crate::ExchangeContext,
            ) -> Result<crate::Facts, crate::SourceError> {
                Err(crate::SourceError::Unusable)
            }
        }
        let mixed = three().source("time.google.com", Named).start().map(|_| ()).unwrap_err();
        assert!(
            matches!(mixed, BuildError::MixedTimescales { .. }),
            "also where another client asks it"
        );
        assert!(matches!(fails(three().domain("x", |d| d)), BuildError::EmptyDomain { .. }));
    }
}
